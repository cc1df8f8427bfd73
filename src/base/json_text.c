/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SHORT_DIGITS 15
#define SHORT_LIMIT 1e15 /* what has so many digits is below it */
#define EXACT_POWERS 22  /* of ten, as doubles */

/* A number of few digits is n / 10^k. Both are exact as doubles, so their quotient is rounded once, as strtod rounds its text; and n
 * is found by rounding, since the error of value * 10^k is less than a half. Printing it to see costs ten times as much. */
static bool is_short_real(double value)
{
    char text[40];
    double power = 1;
    for (int k = 0; k <= EXACT_POWERS; k++, power *= 10) {
        double n = value * power;
        if (!(fabs(n) < SHORT_LIMIT)) {
            if (k)
                return false;
            break;
        }
        if (nearbyint(n) / power == value)
            return true;
    }
    (void)snprintf(text, sizeof text, "%.*g", SHORT_DIGITS, value); /* very large or very small */
    return strtod(text, NULL) == value;
}

static bool is_short(const json_t *value)
{
    size_t i;
    const char *key;
    json_t *item, *v = (json_t *)(uintptr_t)value; /* jansson's iterators want it so, and change nothing */
    if (json_is_real(v))
        return is_short_real(json_real_value(v));
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
