/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table of keywords: what form each must have, and what it asks of a value. A schema stays JSON; reading it only checks that all of it is known. */
#include "pipeline/schema_part.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/reader.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MATCH_LIMIT 100000

/* One check. `problems` NULL: only whether it fits is wanted (anyOf, not). */
struct checker {
    const json_t *root;
    struct problems *problems;
    size_t steps, depth;
    bool too_long;
};

static bool check(struct checker *c, const json_t *schema, const json_t *value, const char *pointer);

static bool wrong(struct checker *c, const char *pointer, const char *code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static bool wrong(struct checker *c, const char *pointer, const char *code, const char *fmt, ...)
{
    char detail[400];
    va_list ap;
    if (!c->problems)
        return false;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    problems_add(c->problems, pointer, code, NULL, "%s", detail);
    return false;
}

/* Whether it fits, telling nothing. */
static bool fits(struct checker *c, const json_t *schema, const json_t *value, const char *pointer)
{
    struct problems *told = c->problems;
    c->problems = NULL;
    bool ok = check(c, schema, value, pointer);
    c->problems = told;
    return ok;
}

/* 1 and 1.0 are the same number. */
static bool same(const json_t *a, const json_t *b)
{
    double x = json_number_value(a), y = json_number_value(b);
    if (json_is_number(a) && json_is_number(b))
        return !(x < y) && !(x > y);
    return json_equal(a, b);
}

/* ---- keywords ---- */

static bool is_of(const json_t *value, const char *type)
{
    int64_t whole;
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
        return !strcmp(type, "object");
    case JSON_ARRAY:
        return !strcmp(type, "array");
    case JSON_STRING:
        return !strcmp(type, "string");
    case JSON_INTEGER:
        return !strcmp(type, "integer") || !strcmp(type, "number");
    case JSON_REAL:
        return !strcmp(type, "number") || (!strcmp(type, "integer") && json_whole(value, &whole));
    case JSON_TRUE:
    case JSON_FALSE:
        return !strcmp(type, "boolean");
    case JSON_NULL:
        return !strcmp(type, "null");
    }
    return false;
}

static bool check_type(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    char found[SHOW_TEXT];
    struct buf list = BUF_INIT;
    bool ok = json_is_string(wanted) && is_of(value, json_string_value(wanted));
    (void)schema;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const char *type = json_string_value(json_array_get(wanted, i));
        ok |= is_of(value, type);
        buf_addf(&list, "%s%s", i ? " or " : "", type);
    }
    if (!ok)
        (void)wrong(c, pointer, "TYPE", "is %s, must be %.200s", json_show(value, found), list.data ? list.data : json_string_value(wanted));
    buf_release(&list);
    return ok;
}

static bool check_enum(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    char found[SHOW_TEXT];
    (void)schema;
    for (size_t i = 0; i < json_array_size(wanted); i++)
        if (same(json_array_get(wanted, i), value))
            return true;
    char *text CLEANUP_FREE = json_dumps(wanted, JSON_COMPACT);
    return wrong(c, pointer, "CHOICE", "is %s, must be one of %.200s", json_show(value, found), text);
}

static bool check_const(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    char found[SHOW_TEXT], text[SHOW_TEXT];
    (void)schema;
    return same(wanted, value) || wrong(c, pointer, "CHOICE", "is %s, must be %s", json_show(value, found), json_show(wanted, text));
}

static bool check_properties(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    const char *name;
    json_t *part;
    bool ok = true;
    (void)schema;
    json_object_foreach((json_t *)(uintptr_t)wanted, name, part)
    {
        const json_t *member = json_object_get(value, name);
        char *place CLEANUP_FREE = pointer_join(pointer, name);
        ok &= !member || check(c, part, member, place);
    }
    return ok;
}

static bool check_required(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    bool ok = true;
    (void)schema;
    for (size_t i = 0; json_is_object(value) && i < json_array_size(wanted); i++) {
        const char *name = json_string_value(json_array_get(wanted, i));
        if (json_object_get(value, name))
            continue;
        char *place CLEANUP_FREE = pointer_join(pointer, name);
        ok = wrong(c, place, "REQUIRED", "is missing");
    }
    return ok;
}

static bool check_additional(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    const json_t *named = json_object_get(schema, "properties");
    const char *name;
    json_t *member;
    bool ok = true;
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, name);
        if (json_object_get(named, name))
            continue;
        if (json_is_false(wanted))
            ok = wrong(c, place, "UNKNOWN_FIELD", "is not known here");
        else
            ok &= check(c, wanted, member, place);
    }
    return ok;
}

static bool check_items(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    bool ok = true;
    (void)schema;
    for (size_t i = 0; i < json_array_size(value); i++) {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        ok &= check(c, wanted, json_array_get(value, i), place);
    }
    return ok;
}

static bool check_unique(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    (void)schema;
    for (size_t i = 0; json_is_true(wanted) && i < json_array_size(value); i++)
        for (size_t k = 0; k < i && !c->too_long; k++) {
            c->too_long = ++c->steps > SCHEMA_MAX_STEPS;
            if (same(json_array_get(value, i), json_array_get(value, k)))
                return wrong(c, pointer, "DUPLICATE", "has the same item twice, at %zu and at %zu", k, i);
        }
    return !c->too_long;
}

static bool check_any_of(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    (void)schema;
    for (size_t i = 0; i < json_array_size(wanted); i++)
        if (fits(c, json_array_get(wanted, i), value, pointer))
            return true;
    return wrong(c, pointer, "SCHEMA", "fits none of the %zu schemas of anyOf", json_array_size(wanted));
}

static bool check_one_of(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    size_t n = 0;
    (void)schema;
    for (size_t i = 0; i < json_array_size(wanted); i++)
        n += fits(c, json_array_get(wanted, i), value, pointer);
    return n == 1 || wrong(c, pointer, "SCHEMA", "fits %zu of the %zu schemas of oneOf, must fit one", n, json_array_size(wanted));
}

static bool check_all_of(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    bool ok = true;
    (void)schema;
    for (size_t i = 0; i < json_array_size(wanted); i++)
        ok &= check(c, json_array_get(wanted, i), value, pointer);
    return ok;
}

static bool check_not(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    (void)schema;
    return !fits(c, wanted, value, pointer) || wrong(c, pointer, "SCHEMA", "fits what \"not\" excludes");
}

const json_t *schema_definition(const json_t *root, const char *ref)
{
    return json_object_get(json_object_get(root, "$defs"), ref + strlen("#/$defs/"));
}

static bool check_ref(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    (void)schema;
    return check(c, schema_definition(c->root, json_string_value(wanted)), value, pointer);
}

static bool check_pattern(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    int code;
    PCRE2_SIZE at;
    char found[SHOW_TEXT];
    (void)schema;
    if (!json_is_string(value))
        return true;
    pcre2_code *regex = pcre2_compile((PCRE2_SPTR)json_string_value(wanted), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(regex, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    (void)pcre2_set_match_limit(limits, MATCH_LIMIT);
    int n = pcre2_match(regex, (PCRE2_SPTR)json_string_value(value), json_string_length(value), 0, 0, match, limits);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(match);
    pcre2_code_free(regex);
    return n >= 0 || wrong(c, pointer, "PATTERN", "is %s, must match %.200s", json_show(value, found), json_string_value(wanted));
}

static size_t characters(const json_t *value)
{
    size_t n = 0;
    for (const char *s = json_string_value(value); s && *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* What is compared with a bound, and how. */
enum measure { MEASURE_NUMBER, MEASURE_LENGTH, MEASURE_ITEMS, MEASURE_MEMBERS };

static bool check_bound(struct checker *c, enum measure measure, bool least, bool strict, const json_t *wanted, const json_t *value, const char *pointer)
{
    static const char *const nouns[] = {"is", "has a length of", "has a number of items of", "has a number of members of"};
    static const json_type types[] = {JSON_NULL, JSON_STRING, JSON_ARRAY, JSON_OBJECT};
    if (measure == MEASURE_NUMBER ? !json_is_number(value) : json_typeof(value) != types[measure])
        return true;
    double has = measure == MEASURE_NUMBER   ? json_number_value(value)
                 : measure == MEASURE_LENGTH ? (double)characters(value)
                 : measure == MEASURE_ITEMS  ? (double)json_array_size(value)
                                             : (double)json_object_size(value);
    double bound = json_number_value(wanted);
    if (least ? (strict ? has > bound : has >= bound) : (strict ? has < bound : has <= bound))
        return true;
    return wrong(c, pointer, "RANGE", "%s %.12g, must be %s %.12g", nouns[measure], has,
                 least ? (strict ? "more than" : "at least") : (strict ? "less than" : "at most"), bound);
}

#define BOUND(name, measure, least, strict)                                                                                                            \
    static bool name(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)                         \
    {                                                                                                                                                  \
        (void)schema;                                                                                                                                  \
        return check_bound(c, measure, least, strict, wanted, value, pointer);                                                                         \
    }
BOUND(check_minimum, MEASURE_NUMBER, true, false)
BOUND(check_maximum, MEASURE_NUMBER, false, false)
BOUND(check_above, MEASURE_NUMBER, true, true)
BOUND(check_below, MEASURE_NUMBER, false, true)
BOUND(check_min_length, MEASURE_LENGTH, true, false)
BOUND(check_max_length, MEASURE_LENGTH, false, false)
BOUND(check_min_items, MEASURE_ITEMS, true, false)
BOUND(check_max_items, MEASURE_ITEMS, false, false)
BOUND(check_min_properties, MEASURE_MEMBERS, true, false)
BOUND(check_max_properties, MEASURE_MEMBERS, false, false)

static bool check_multiple(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer)
{
    double quotient = json_number_value(value) / json_number_value(wanted);
    (void)schema;
    return !json_is_number(value) || fabs(quotient - round(quotient)) < 1e-9 ||
           wrong(c, pointer, "RANGE", "is %.12g, must be a multiple of %.12g", json_number_value(value), json_number_value(wanted));
}

const struct schema_keyword schema_keywords[] = {
    {"type", FORM_TYPES, check_type},
    {"enum", FORM_LIST, check_enum},
    {"const", FORM_ANY, check_const},
    {"properties", FORM_SCHEMA_BY_NAME, check_properties},
    {"required", FORM_NAMES, check_required},
    {"additionalProperties", FORM_SCHEMA, check_additional},
    {"minProperties", FORM_COUNT, check_min_properties},
    {"maxProperties", FORM_COUNT, check_max_properties},
    {"items", FORM_SCHEMA, check_items},
    {"minItems", FORM_COUNT, check_min_items},
    {"maxItems", FORM_COUNT, check_max_items},
    {"uniqueItems", FORM_BOOL, check_unique},
    {"minimum", FORM_NUMBER, check_minimum},
    {"maximum", FORM_NUMBER, check_maximum},
    {"exclusiveMinimum", FORM_NUMBER, check_above},
    {"exclusiveMaximum", FORM_NUMBER, check_below},
    {"multipleOf", FORM_POSITIVE, check_multiple},
    {"minLength", FORM_COUNT, check_min_length},
    {"maxLength", FORM_COUNT, check_max_length},
    {"pattern", FORM_PATTERN, check_pattern},
    {"anyOf", FORM_SCHEMAS, check_any_of},
    {"allOf", FORM_SCHEMAS, check_all_of},
    {"oneOf", FORM_SCHEMAS, check_one_of},
    {"not", FORM_SCHEMA, check_not},
    {"$ref", FORM_REF, check_ref},
    {"$defs", FORM_SCHEMA_BY_NAME, NULL},
    {"$schema", FORM_TEXT, NULL},
    {"$id", FORM_TEXT, NULL},
    {"$comment", FORM_TEXT, NULL},
    {"title", FORM_TEXT, NULL},
    {"description", FORM_TEXT, NULL},
    {"default", FORM_ANY, NULL},
    {"examples", FORM_LIST, NULL},
    {"deprecated", FORM_BOOL, NULL},
    {NULL, FORM_ANY, NULL},
};

static bool check(struct checker *c, const json_t *schema, const json_t *value, const char *pointer)
{
    if (json_is_boolean(schema))
        return json_is_true(schema) || wrong(c, pointer, "SCHEMA", "no value is allowed here");
    if (c->too_long || c->depth >= 2 * SCHEMA_MAX_DEPTH || ++c->steps > SCHEMA_MAX_STEPS) {
        c->too_long = true;
        return false;
    }
    bool ok = true;
    c->depth++;
    for (const struct schema_keyword *k = schema_keywords; k->name; k++) {
        const json_t *wanted = k->check ? json_object_get(schema, k->name) : NULL;
        ok &= !wanted || k->check(c, schema, wanted, value, pointer);
    }
    c->depth--;
    return ok;
}

bool schema_check(const struct schema *s, const json_t *value, const char *pointer, struct problems *problems)
{
    struct checker c = {.root = s->root, .problems = problems};
    bool ok = check(&c, s->root, value, pointer);
    if (!c.too_long)
        return ok;
    problems_add(problems, pointer, "TOO_LARGE", NULL, "takes more than %d steps to check against its schema, or goes too deep", SCHEMA_MAX_STEPS);
    return false;
}
