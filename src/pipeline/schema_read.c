/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a schema: that all of it is known and has the form it must have. */
#include "base/mem.h"
#include "model/reader.h"
#include "pipeline/schema_part.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct schema_reader {
    const json_t *root;
    struct problems *problems;
};

static void read_one(struct schema_reader *r, const json_t *value, const char *pointer, size_t depth);

static void bad(struct schema_reader *r, const char *pointer, const json_t *value, const char *must)
{
    char found[SHOW_TEXT];
    problems_add(r->problems, pointer, "TYPE", NULL, "is %s, must be %s", json_show(value, found), must);
}

static bool type_word(const json_t *value)
{
    static const char *const words[] = {"object", "array", "string", "integer", "number", "boolean", "null"};
    for (size_t i = 0; json_is_string(value) && i < ARRAY_LEN(words); i++)
        if (!strcmp(words[i], json_string_value(value)))
            return true;
    return false;
}

static bool types_ok(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!type_word(json_array_get(value, i)))
            return false;
    return json_is_array(value) ? json_array_size(value) > 0 : type_word(value);
}

static bool names_ok(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return json_is_array(value);
}

static bool any_ok(const json_t *value)
{
    return value != NULL;
}

static bool text_ok(const json_t *value)
{
    return json_is_string(value);
}

static bool number_ok(const json_t *value)
{
    return json_is_number(value) && isfinite(json_number_value(value));
}

static bool positive_ok(const json_t *value)
{
    return number_ok(value) && json_number_value(value) > 0;
}

static bool count_ok(const json_t *value)
{
    int64_t whole;
    return json_whole(value, &whole) && whole >= 0;
}

static bool bool_ok(const json_t *value)
{
    return json_is_boolean(value);
}

static bool list_ok(const json_t *value)
{
    return json_array_size(value) > 0;
}

static bool mapping_ok(const json_t *value)
{
    return json_is_object(value);
}

static bool pattern_ok(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) <= 1000;
}

static bool ref_ok(const json_t *value)
{
    return json_is_string(value) && !strncmp(json_string_value(value), "#/$defs/", 8);
}

static void read_pattern(struct schema_reader *r, const json_t *value, const char *pointer, size_t depth)
{
    int code;
    PCRE2_SIZE at;
    char text[120];
    (void)depth;
    pcre2_code *regex = pcre2_compile((PCRE2_SPTR)json_string_value(value), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!regex) {
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        problems_add(r->problems, pointer, "SYNTAX", NULL, "is no regular expression: %s (at character %zu)", text, (size_t)at + 1);
    }
    pcre2_code_free(regex);
}

static void read_ref(struct schema_reader *r, const json_t *value, const char *pointer, size_t depth)
{
    const char *ref = json_string_value(value);
    (void)depth;
    if (!schema_definition(r->root, ref))
        problems_add(r->problems, pointer, "UNKNOWN_NAME", NULL, "names \"%.100s\", which is not in $defs", ref + 8);
}

static void read_parts(struct schema_reader *r, const json_t *value, const char *pointer, size_t depth)
{
    size_t i;
    const char *name;
    json_t *part, *v = (json_t *)(uintptr_t)value;
    json_array_foreach(v, i, part)
    {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        read_one(r, part, place, depth);
    }
    json_object_foreach(v, name, part)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, name);
        read_one(r, part, place, depth);
    }
}

static const struct {
    bool (*ok)(const json_t *value);
    const char *must; /* be, where it is not ok */
    void (*more)(struct schema_reader *r, const json_t *value, const char *pointer, size_t depth);
} forms[] = {
    [FORM_ANY] = {any_ok, "", NULL},
    [FORM_TEXT] = {text_ok, "a string", NULL},
    [FORM_NUMBER] = {number_ok, "a number", NULL},
    [FORM_POSITIVE] = {positive_ok, "a number above 0", NULL},
    [FORM_COUNT] = {count_ok, "a whole number, 0 or more", NULL},
    [FORM_BOOL] = {bool_ok, "true or false", NULL},
    [FORM_LIST] = {list_ok, "a list with an item or more", NULL},
    [FORM_NAMES] = {names_ok, "a list of names", NULL},
    [FORM_TYPES] = {types_ok, "object, array, string, integer, number, boolean, null, or a list of them", NULL},
    [FORM_PATTERN] = {pattern_ok, "a regular expression of at most 1000 bytes", read_pattern},
    [FORM_REF] = {ref_ok, "\"#/$defs/NAME\"", read_ref},
    [FORM_SCHEMA] = {any_ok, "", read_one},
    [FORM_SCHEMAS] = {list_ok, "a list with a schema or more", read_parts},
    [FORM_SCHEMA_BY_NAME] = {mapping_ok, "a mapping of names to schemas", read_parts},
};

static void read_form(struct schema_reader *r, enum form form, const json_t *value, const char *pointer, size_t depth)
{
    if (!forms[form].ok(value))
        bad(r, pointer, value, forms[form].must);
    else if (forms[form].more)
        forms[form].more(r, value, pointer, depth);
}

static const struct schema_keyword *find_keyword(const char *name)
{
    for (const struct schema_keyword *k = schema_keywords; k->name; k++)
        if (!strcmp(k->name, name))
            return k;
    return NULL;
}

static void unknown_keyword(struct schema_reader *r, const char *name, const char *pointer)
{
    const char *known[SCHEMA_MAX_KEYWORDS] = {NULL};
    for (size_t i = 0; schema_keywords[i].name && i + 1 < SCHEMA_MAX_KEYWORDS; i++)
        known[i] = schema_keywords[i].name;
    problems_add(r->problems, pointer, "UNKNOWN_FIELD", did_you_mean(name, known),
                 "is a keyword of JSON Schema that is not supported here; the reference page of pipeline files lists those that are");
}

static void read_one(struct schema_reader *r, const json_t *value, const char *pointer, size_t depth)
{
    const char *name;
    json_t *part;
    if (json_is_boolean(value))
        return;
    if (!json_is_object(value)) {
        bad(r, pointer, value, "a schema: a mapping, true or false");
        return;
    }
    if (depth >= SCHEMA_MAX_DEPTH) {
        problems_add(r->problems, pointer, "RANGE", NULL, "is nested more than %d deep", SCHEMA_MAX_DEPTH);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, part)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, name);
        const struct schema_keyword *k = find_keyword(name);
        if (k)
            read_form(r, k->form, part, place, depth + 1);
        else
            unknown_keyword(r, name, place);
    }
}

struct schema *schema_read(const json_t *value, const char *pointer, struct problems *problems)
{
    struct schema_reader r = {.root = value, .problems = problems};
    size_t before = problems->n + problems->n_dropped;
    read_one(&r, value, pointer, 0);
    if (problems->n + problems->n_dropped != before)
        return NULL;
    struct schema *s = X_NEW(struct schema);
    s->root = json_deep_copy(value);
    return s;
}

void schema_free(struct schema *s)
{
    if (!s)
        return;
    json_decref(s->root);
    free(s);
}

json_t *schema_json(const struct schema *s)
{
    return json_incref(s->root);
}

bool schema_equal(const struct schema *a, const struct schema *b)
{
    return json_equal(a->root, b->root);
}
