/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p) {
        (void)fputs("hone: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *x_malloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *x_calloc(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size ? size : 1));
}

void *x_realloc(void *p, size_t size)
{
    return checked(realloc(p, size ? size : 1));
}

char *x_strdup(const char *s)
{
    return checked(strdup(s));
}

char *x_strndup(const char *s, size_t n)
{
    return checked(strndup(s, n));
}

char *x_asprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : s);
}

void mem_free_ptr(void *pp)
{
    free(*(void **)pp);
}
