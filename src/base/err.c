/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int http, exit_code;
    const char *name, *title;
} map[] = {
#define X(code, http, exit_code, title) [code] = {http, exit_code, #code, title},
    ERR_MAP(X)
#undef X
};

int err_http(enum err code)
{
    return map[code].http;
}

int err_exit(enum err code)
{
    return map[code].exit_code;
}

const char *err_title(enum err code)
{
    return map[code].title;
}

const char *err_name(enum err code)
{
    const char *name = map[code].name;
    return strncmp(name, "ERR_", 4) == 0 ? name + 4 : name;
}

enum err err_set(struct error *error, enum err code, const char *name, const char *fmt, ...)
{
    if (!error)
        return code;
    va_list ap;
    va_start(ap, fmt);
    error->code = code;
    (void)snprintf(error->name, sizeof error->name, "%s", name ? name : err_name(code));
    (void)vsnprintf(error->detail, sizeof error->detail, fmt, ap);
    va_end(ap);
    return code;
}
