/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory: allocation that cannot fail, and cleanup at the end of a scope.
 *
 * Out of memory aborts here and nowhere else is it checked: everything a client can make us allocate
 * has a limit that is checked first, so only the operator's machine can run out. */
#ifndef HONE_BASE_MEM_H
#define HONE_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

void *x_malloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *x_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *x_realloc(void *p, size_t size) __attribute__((returns_nonnull, warn_unused_result));
char *x_strdup(const char *s) __attribute__((returns_nonnull, warn_unused_result));
char *x_strndup(const char *s, size_t n) __attribute__((returns_nonnull, warn_unused_result));
char *x_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull,
                                                      warn_unused_result));

/* Frees what is owned through a pointer to const (strings of the nouns). */
static inline void x_free(const void *p)
{
    free((void *)(uintptr_t)p);
}

#define X_NEW(type) ((type *)x_calloc(1, sizeof(type)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof(a)[0])

/* CLEANUP(fn) on a local: fn(&local) runs when the scope ends. CLEANUP_FREE frees a malloced pointer. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
void mem_free_ptr(void *pp); /* frees *(void **)pp */
#define CLEANUP_FREE CLEANUP(mem_free_ptr)

#endif
