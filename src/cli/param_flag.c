/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The short grammar of parameters; what a range may be is checked again, with the whole file, by the service. */
#include "cli/param_flag.h"

#include "base/mem.h"
#include "model/nouns.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char examples[] = "write NAME=MIN..MAX[:log][:int][:step=S], NAME=A,B,... or NAME=bool";

static bool number(const char *text, size_t len, double *out)
{
    char copy[64];
    if (!len || len >= sizeof copy || isspace((unsigned char)text[0]))
        return false;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)len, text);
    char *end = NULL;
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out) && !strpbrk(copy, "xXpP"); /* no hexadecimal */
}

static json_t *json_number_of(const char *text, size_t len)
{
    double d;
    if (!number(text, len, &d))
        return NULL;
    char copy[64];
    (void)snprintf(copy, sizeof copy, "%.*s", (int)len, text);
    errno = 0;
    char *end = NULL;
    long long i = strtoll(copy, &end, 10);
    return *end == '\0' && !errno ? json_integer(i) : json_real(d);
}

json_t *scalar_word(const char *text, size_t len)
{
    const char *digits = text + (len && (*text == '-' || *text == '+'));
    bool zeros = (size_t)(digits - text) + 1 < len && digits[0] == '0' && isdigit((unsigned char)digits[1]);
    json_t *value = zeros ? NULL : json_number_of(text, len);
    if (value)
        return value;
    if (len == 4 && strncmp(text, "true", 4) == 0)
        return json_true();
    if (len == 5 && strncmp(text, "false", 5) == 0)
        return json_false();
    return json_stringn(text, len);
}

static enum err bad(struct error *error, const char *text, const char *rule)
{
    return err_set(error, ERR_USAGE, "PARAMETER_FLAG", "-p %s: %s", text, rule);
}

struct range {
    double min, max, step;
    bool log, integer;
};

static bool modifier(const char *word, size_t len, struct range *r)
{
    if (len > 5 && strncmp(word, "step=", 5) == 0)
        return number(word + 5, len - 5, &r->step) && r->step > 0;
    if (len != 3)
        return false;
    r->log |= strncmp(word, "log", len) == 0;
    r->integer |= strncmp(word, "int", len) == 0;
    return strncmp(word, "log", len) == 0 || strncmp(word, "int", len) == 0;
}

static enum err modifiers(const char *text, const char *from, struct range *r, struct error *error)
{
    for (const char *p = from; *p == ':';) {
        size_t len = strcspn(++p, ":");
        char rule[160];
        (void)snprintf(rule, sizeof rule, "\":%.*s\" is none of :log, :int and :step=S with S above 0", (int)len, p);
        if (!modifier(p, len, r))
            return bad(error, text, rule);
        p += len;
    }
    return OK;
}

static const char *range_rule(const struct range *r)
{
    if (!(r->min < r->max))
        return "MIN must be below MAX";
    if (r->log && r->min <= 0)
        return ":log needs MIN above 0";
    bool whole = floor(r->min) == r->min && floor(r->max) == r->max && floor(r->step) == r->step;
    if (r->integer && (!whole || fabs(r->min) > 9e15 || fabs(r->max) > 9e15))
        return ":int needs whole numbers";
    if (r->step > r->max - r->min)
        return "the step is larger than the range";
    return NULL;
}

static json_t *plain_number(const struct range *r, double value)
{
    return r->integer ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *range_json(const struct range *r)
{
    json_t *out = json_pack("{s:s, s:o, s:o}", "type", r->integer ? "int" : "float", "min",
                            plain_number(r, r->min), "max", plain_number(r, r->max));
    if (r->log)
        (void)json_object_set_new(out, "scale", json_string("log"));
    if (r->step > 0)
        (void)json_object_set_new(out, "step", plain_number(r, r->step));
    return out;
}

/* MIN..MAX with its modifiers. *out stays NULL when the value is no range. */
static enum err read_range(const char *text, const char *value, json_t **out, struct error *error)
{
    const char *dots = strstr(value, "..");
    struct range r = {.step = 0};
    if (!dots || !number(value, (size_t)(dots - value), &r.min))
        return OK;
    const char *max = dots + 2;
    size_t len = strcspn(max, ":");
    if (!number(max, len, &r.max))
        return bad(error, text, "what stands behind .. is no number");
    enum err rc = modifiers(text, max + len, &r, error);
    if (rc)
        return rc;
    const char *rule = range_rule(&r);
    if (rule)
        return bad(error, text, rule);
    *out = range_json(&r);
    return OK;
}

static enum err read_values(const char *text, const char *value, json_t **out, struct error *error)
{
    json_t *values = json_array();
    enum err rc = OK;
    for (const char *p = value;; p++) {
        size_t len = strcspn(p, ",");
        json_t *item = scalar_word(p, len);
        for (size_t i = 0; i < json_array_size(values) && !rc; i++)
            if (json_equal(json_array_get(values, i), item))
                rc = bad(error, text, "a value stands there twice");
        if (!len && !rc)
            rc = bad(error, text, "a value is empty");
        (void)json_array_append_new(values, item);
        p += len;
        if (!*p)
            break;
    }
    if (!rc && json_array_size(values) < 2)
        rc = bad(error, text, examples);
    if (rc)
        json_decref(values);
    else
        *out = json_pack("{s:s, s:o}", "type", "categorical", "values", values);
    return rc;
}

enum err param_flag(const char *text, char **name, json_t **out, struct error *error)
{
    const char *equals = strchr(text, '=');
    *out = NULL;
    if (!equals || equals == text || !equals[1])
        return bad(error, text, examples);
    const char *value = equals + 1;
    enum err rc = OK;
    if (strcmp(value, "bool") == 0)
        *out = json_pack("{s:s}", "type", "bool");
    else
        rc = read_range(text, value, out, error);
    if (!rc && !*out)
        rc = read_values(text, value, out, error);
    if (!rc)
        *name = x_strndup(text, (size_t)(equals - text));
    return rc;
}

enum err metric_flag(const char *text, char **name, json_t **out, struct error *error)
{
    const char *equals = strchr(text, '=');
    char *end = NULL;
    double value = equals ? strtod(equals + 1, &end) : 0;
    if (!equals || equals == text || end == equals + 1 || *end)
        return err_set(error, ERR_USAGE, "METRIC_FLAG", "\"%s\" is not a metric; write NAME=NUMBER, such as loss=0.1", text);
    *name = x_strndup(text, (size_t)(equals - text));
    *out = number_json(value);
    return OK;
}
