/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values against their types. */
#include "base/clock.h"
#include "base/mem.h"
#include "model/reader.h"
#include "model/spec.h"
#include "pipeline/schema.h"
#include "pipeline/type_part.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define ID_PREFIX "sha256:"
#define ID_LEN 71

static const char *json_kind(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "a mapping", [JSON_ARRAY] = "a list", [JSON_STRING] = "string", [JSON_INTEGER] = "int", [JSON_REAL] = "double",
        [JSON_TRUE] = "bool",        [JSON_FALSE] = "bool",   [JSON_NULL] = "null",
    };
    return value ? names[json_typeof(value)] : "nothing";
}

static bool wrong_type(const struct type *t, const json_t *value, const char *pointer, struct problems *problems)
{
    char found[SHOW_TEXT];
    char *expected CLEANUP_FREE = type_show(t);
    if (json_is_object(value) || json_is_array(value) || json_is_null(value))
        problems_add(problems, pointer, "TYPE", NULL, "expected %s, found %s", expected, json_kind(value));
    else
        problems_add(problems, pointer, "TYPE", NULL, "expected %s, found %s (%s)", expected, json_show(value, found), json_kind(value));
    return false;
}

static bool in_bounds(const struct type *t, double number, const char *pointer, struct problems *problems)
{
    if (!isfinite(number))
        problems_add(problems, pointer, "RANGE", NULL, "is not finite");
    else if (number < t->min)
        problems_add(problems, pointer, "RANGE", NULL, "is %.12g, must be at least %.12g", number, t->min);
    else if (number > t->max)
        problems_add(problems, pointer, "RANGE", NULL, "is %.12g, must be at most %.12g", number, t->max);
    else
        return true;
    return false;
}

static bool check_enum(const struct type *t, const json_t *value, const char *pointer, struct problems *problems)
{
    char found[SHOW_TEXT];
    size_t n = json_array_size(t->values);
    const char **words CLEANUP_FREE = x_calloc(n + 1, sizeof *words);
    if (!json_is_string(value))
        return wrong_type(t, value, pointer, problems);
    for (size_t i = 0; i < n; i++) {
        words[i] = json_string_value(json_array_get(t->values, i));
        if (json_equal(json_array_get(t->values, i), value))
            return true;
    }
    char *expected CLEANUP_FREE = type_show(t);
    problems_add(problems, pointer, "CHOICE", did_you_mean(json_string_value(value), words), "expected %s, found %s", expected, json_show(value, found));
    return false;
}

static bool artifact_fits(const struct type *t, const json_t *value)
{
    const char *id = json_string_value(json_object_get(value, "artifact")), *word = json_string_value(json_object_get(value, "type"));
    int kind = word ? type_find_kind(word) : -1;
    if (!id || strlen(id) != ID_LEN || strncmp(id, ID_PREFIX, strlen(ID_PREFIX)) != 0 || strspn(id + strlen(ID_PREFIX), "0123456789abcdef") != 64)
        return false;
    return kind >= 0 && type_kind_fits(t->kind, (enum type_kind)kind);
}

static bool check_items(const struct type *t, const json_t *value, const char *pointer, struct problems *problems)
{
    bool ok = true;
    size_t i;
    const char *key;
    json_t *item, *v = (json_t *)(uintptr_t)value;
    json_array_foreach(v, i, item)
    {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        ok &= type_check(t->item, item, place, problems);
    }
    json_object_foreach(v, key, item)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, key);
        ok &= type_check(t->item, item, place, problems);
    }
    return ok;
}

static bool finite_deep(const json_t *value, const char *pointer, struct problems *problems)
{
    bool ok = true;
    size_t i;
    const char *key;
    json_t *item, *v = (json_t *)(uintptr_t)value;
    if (json_is_real(v) && !isfinite(json_real_value(v))) {
        problems_add(problems, pointer, "RANGE", NULL, "is not finite");
        return false;
    }
    json_array_foreach(v, i, item)
        ok &= finite_deep(item, pointer, problems);
    json_object_foreach(v, key, item)
        ok &= finite_deep(item, pointer, problems);
    return ok;
}

static bool check_number(const struct type *t, const json_t *value, const char *pointer, struct problems *problems)
{
    int64_t whole;
    double seconds;
    if (t->kind == TYPE_DURATION)
        return spec_duration(value, &seconds) ? in_bounds(t, seconds, pointer, problems) : wrong_type(t, value, pointer, problems);
    if (!json_is_number(value) || (t->kind == TYPE_INT && !json_is_integer(value) && !json_whole(value, &whole)))
        return wrong_type(t, value, pointer, problems);
    return in_bounds(t, json_number_value(value), pointer, problems);
}

bool type_check(const struct type *t, const json_t *value, const char *pointer, struct problems *problems)
{
    int64_t ms;
    if (t->nullable && json_is_null(value))
        return true;
    switch (t->kind) {
    case TYPE_INT:
    case TYPE_DOUBLE:
    case TYPE_DURATION:
        return check_number(t, value, pointer, problems);
    case TYPE_STRING:
        return json_is_string(value) || wrong_type(t, value, pointer, problems);
    case TYPE_BOOL:
        return json_is_boolean(value) || wrong_type(t, value, pointer, problems);
    case TYPE_DATETIME:
        return (json_is_string(value) && clock_parse(json_string_value(value), &ms)) || wrong_type(t, value, pointer, problems);
    case TYPE_ENUM:
        return check_enum(t, value, pointer, problems);
    case TYPE_LIST:
        return json_is_array(value) ? check_items(t, value, pointer, problems) : wrong_type(t, value, pointer, problems);
    case TYPE_MAP:
        return json_is_object(value) ? check_items(t, value, pointer, problems) : wrong_type(t, value, pointer, problems);
    case TYPE_STRUCT:
        if (!json_is_object(value))
            return wrong_type(t, value, pointer, problems);
        return t->schema ? schema_check(t->schema, value, pointer, problems) : finite_deep(value, pointer, problems);
    case TYPE_JSON:
        return finite_deep(value, pointer, problems);
    case TYPE_FILE:
    case TYPE_DIR:
    case TYPE_TABLE:
    case TYPE_MODEL:
        return artifact_fits(t, value) || wrong_type(t, value, pointer, problems);
    }
    return false;
}

json_t *type_value(const struct type *t, const json_t *value)
{
    json_t *out = json_deep_copy(value), *item;
    int64_t whole;
    size_t i;
    const char *key;
    void *next;
    if (t->kind == TYPE_INT && json_whole(value, &whole)) {
        json_decref(out);
        return json_is_integer(value) ? json_deep_copy(value) : json_integer(whole);
    }
    if (!t->item)
        return out;
    json_array_foreach(out, i, item)
        (void)json_array_set_new(out, i, type_value(t->item, item));
    json_object_foreach_safe(out, next, key, item)
        (void)json_object_set_new(out, key, type_value(t->item, item));
    return out;
}

/* ---- texts ---- */

json_t *type_from_text(const struct type *t, const char *text, size_t len)
{
    static const unsigned as_text = 1U << TYPE_STRING | 1U << TYPE_DATETIME | 1U << TYPE_ENUM | 1U << TYPE_DURATION;
    bool is_text = (as_text >> t->kind & 1U) != 0;
    if (t->kind == TYPE_STRING)
        len -= len && text[len - 1] == '\n'; /* of echo */
    else
        while (len && isspace((unsigned char)text[len - 1]))
            len--;
    json_t *value = is_text ? NULL : json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!value && t->kind == TYPE_BOOL && len && strchr("TF", *text)) /* Python's */
        value = len == 4 && !memcmp(text, "True", 4) ? json_true() : len == 5 && !memcmp(text, "False", 5) ? json_false() : NULL;
    return value ? value : json_stringn(text, len); /* NULL when it is not UTF-8 */
}
