/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Durations ("1h30m") and sizes ("512Mi") as people write them. */
#include "model/reader.h"
#include "model/spec.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit seconds_of[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};
static const struct unit bytes_of[] = {{"", 1},
                                       {"k", 1e3},
                                       {"K", 1e3},
                                       {"M", 1e6},
                                       {"G", 1e9},
                                       {"T", 1e12},
                                       {"Ki", 1024.0},
                                       {"Mi", 1048576.0},
                                       {"Gi", 1073741824.0},
                                       {"Ti", 1099511627776.0},
                                       {NULL, 0}};

/* A plain decimal number; strtod alone would take "0x1p3", "inf" and leading blanks. */
static bool take_number(const char **text, double *out)
{
    size_t len = strspn(*text, "0123456789.");
    char copy[32];
    if (!len || len >= sizeof copy)
        return false;
    memcpy(copy, *text, len);
    copy[len] = '\0';
    char *end;
    *out = strtod(copy, &end);
    *text += len;
    return end != copy && !*end;
}

static const struct unit *find_unit(const struct unit *units, const char *name, size_t len)
{
    for (; units->name; units++)
        if (strlen(units->name) == len && !strncmp(units->name, name, len))
            return units;
    return NULL;
}

static bool text_duration(const char *text, double *seconds)
{
    double sum = 0, number, factor = INFINITY;
    const char *p = text;
    if (!*p)
        return false;
    while (*p) {
        if (!take_number(&p, &number))
            return false;
        size_t len = 0;
        while (isalpha((unsigned char)p[len]))
            len++;
        if (!len && !*p && isinf(factor)) { /* a bare number */
            *seconds = number;
            return true;
        }
        const struct unit *u = find_unit(seconds_of, p, len);
        if (!u || u->factor >= factor) /* each unit once, the larger first */
            return false;
        factor = u->factor;
        sum += number * factor;
        p += len;
    }
    *seconds = sum;
    return true;
}

bool spec_duration(const json_t *value, double *seconds)
{
    double number;
    if (json_is_number(value))
        number = json_number_value(value);
    else if (!json_is_string(value) || !text_duration(json_string_value(value), &number))
        return false;
    if (!(number >= 0) || isinf(number))
        return false;
    *seconds = number;
    return true;
}

bool json_size(const json_t *value, int64_t *bytes)
{
    double number;
    if (json_is_number(value)) {
        number = json_number_value(value);
    } else {
        const char *p = json_string_value(value);
        if (!p || !take_number(&p, &number))
            return false;
        size_t len = strlen(p);
        if (len && p[len - 1] == 'B')
            len--;
        const struct unit *u = find_unit(bytes_of, p, len);
        if (!u)
            return false;
        number *= u->factor;
    }
    if (!(number >= 0 && number <= 9007199254740992.0))
        return false;
    *bytes = (int64_t)number;
    return true;
}
