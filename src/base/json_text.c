/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SHORT_DIGITS 15

static bool is_short(const json_t *value)
{
    char text[40];
    size_t i;
    const char *key;
    json_t *item, *v = (json_t *)(uintptr_t)value; /* jansson's iterators want it so, and change nothing */
    if (json_is_real(v)) {
        (void)snprintf(text, sizeof text, "%.*g", SHORT_DIGITS, json_real_value(v));
        return strtod(text, NULL) == json_real_value(v);
    }
    json_array_foreach(v, i, item)
        if (!is_short(item))
            return false;
    json_object_foreach(v, key, item)
        if (!is_short(item))
            return false;
    return true;
}

char *json_text(const json_t *value)
{
    if (!value)
        return NULL;
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | (is_short(value) ? JSON_REAL_PRECISION(SHORT_DIGITS) : 0));
}
