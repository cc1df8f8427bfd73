/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pipeline/type.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/reader.h"
#include "model/spec.h"
#include "pipeline/schema.h"
#include "pipeline/type_part.h"

#include <math.h>
#include <string.h>

#define MAX_ENUM 1000
#define MAX_WORD 200
#define MAX_MEMBERS 32 /* of a declaration: ours and those of the caller */

const char *const type_names[] = {
    [TYPE_INT] = "int",           [TYPE_DOUBLE] = "double", [TYPE_STRING] = "string", [TYPE_BOOL] = "bool", [TYPE_DATETIME] = "datetime",
    [TYPE_DURATION] = "duration", [TYPE_ENUM] = "enum",     [TYPE_LIST] = "list",     [TYPE_MAP] = "map",   [TYPE_STRUCT] = "struct",
    [TYPE_JSON] = "json",         [TYPE_FILE] = "file",     [TYPE_DIR] = "dir",       [TYPE_TABLE] = "table", [TYPE_MODEL] = "model",
    [TYPE_KINDS] = NULL,
};

/* What people write who come from elsewhere. */
static const struct {
    const char *word, *name;
} other_names[] = {{"integer", "int"},     {"float", "double"}, {"number", "double"},    {"str", "string"},  {"boolean", "bool"},
                   {"object", "struct"},   {"dict", "map"},     {"array", "list"},       {"any", "json"},    {"directory", "dir"},
                   {"folder", "dir"},      {"path", "file"},    {"timedelta", "duration"}, {"dataset", "table"}, {"csv", "table"}};

static const char *const formats[] = {"csv", "parquet", NULL};

/* The members that each kind has besides `type`. */
static const char *const none[] = {NULL};
static const char *const bounds_members[] = {"min", "max", NULL};
static const char *const enum_members[] = {"values", NULL};
static const char *const list_members[] = {"items", NULL};
static const char *const map_members[] = {"values", NULL};
static const char *const struct_members[] = {"schema", NULL};
static const char *const table_members[] = {"columns", "format", NULL};

static const char *const *const members_of[TYPE_KINDS] = {
    [TYPE_INT] = bounds_members,   [TYPE_DOUBLE] = bounds_members, [TYPE_STRING] = none,        [TYPE_BOOL] = none,   [TYPE_DATETIME] = none,
    [TYPE_DURATION] = bounds_members, [TYPE_ENUM] = enum_members,  [TYPE_LIST] = list_members,  [TYPE_MAP] = map_members,
    [TYPE_STRUCT] = struct_members, [TYPE_JSON] = none,            [TYPE_FILE] = none,          [TYPE_DIR] = none,    [TYPE_TABLE] = table_members,
    [TYPE_MODEL] = none,
};

static struct type *new_type(enum type_kind kind)
{
    struct type *t = X_NEW(struct type);
    t->kind = kind;
    t->min = -INFINITY;
    t->max = INFINITY;
    return t;
}

void type_free(struct type *t)
{
    if (!t)
        return;
    json_decref(t->values);
    type_free(t->item);
    schema_free(t->schema);
    for (size_t i = 0; i < t->n_columns; i++) {
        free(t->columns[i].name);
        type_free(t->columns[i].type);
    }
    free(t->columns);
    free(t);
}

struct type *type_copy(const struct type *t)
{
    struct problems none_wrong = {0};
    json_t *declaration = type_json(t);
    struct type *copy = type_read(declaration, "", NULL, &none_wrong);
    json_decref(declaration);
    problems_release(&none_wrong);
    copy->nullable = t->nullable;
    if (copy->item)
        copy->item->nullable = t->item->nullable;
    return copy;
}

struct type *type_list_of(const struct type *item)
{
    struct type *t = new_type(TYPE_LIST);
    t->item = type_copy(item);
    t->item->nullable = true;
    return t;
}

struct type *type_nullable(struct type *t)
{
    t->nullable = true;
    return t;
}

struct type *type_plain(enum type_kind kind)
{
    struct type *t = new_type(kind);
    if (kind == TYPE_LIST || kind == TYPE_MAP)
        t->item = new_type(TYPE_JSON);
    return t;
}

enum type_kind type_kind(const struct type *t)
{
    return t->kind;
}

const struct type *type_item(const struct type *t)
{
    return t->item;
}

bool type_is_artifact(const struct type *t)
{
    return t->kind >= TYPE_FILE;
}

/* ---- declarations ---- */

static struct type *read_depth(const json_t *declaration, const char *pointer, const char *const *others, size_t depth, struct problems *problems);

int type_find_kind(const char *word)
{
    for (int i = 0; i < TYPE_KINDS; i++)
        if (!strcmp(type_names[i], word))
            return i;
    return -1;
}

static const char *meant(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(other_names); i++)
        if (!strcmp(other_names[i].word, word))
            return other_names[i].name;
    return did_you_mean(word, type_names);
}

static int read_kind(const json_t *value, const char *pointer, struct problems *problems)
{
    char found[SHOW_TEXT];
    const char *word = json_string_value(value);
    int kind = word ? type_find_kind(word) : -1;
    if (kind >= 0)
        return kind;
    struct buf list = BUF_INIT;
    for (int i = 0; i < TYPE_KINDS; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", type_names[i]);
    problems_add(problems, pointer, word ? "CHOICE" : "TYPE", word ? meant(word) : NULL, "is %s, must be a type: %s", json_show(value, found), list.data);
    buf_release(&list);
    return -1;
}

static void read_bounds(struct type *t, const struct reader *r)
{
    const char *const names[] = {"min", "max"};
    double *const bounds[] = {&t->min, &t->max};
    int64_t whole;
    for (size_t i = 0; i < 2; i++) {
        if (t->kind == TYPE_DURATION)
            *bounds[i] = reader_duration(r, names[i], 0, 1e10, *bounds[i]);
        else
            *bounds[i] = reader_number(r, names[i], *bounds[i]);
        if (t->kind == TYPE_INT && isfinite(*bounds[i]) && !json_whole(reader_find(r, names[i]), &whole))
            reader_bad(r, names[i], "TYPE", NULL, "is %.12g, must be a whole number: the type is int", *bounds[i]);
    }
    if (t->min > t->max)
        reader_bad(r, "max", "RANGE", NULL, "is %.12g, less than min %.12g", t->max, t->min);
}

static void read_values(struct type *t, const struct reader *r)
{
    const json_t *list = reader_list(r, "values", MAX_ENUM);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "values");
    char found[SHOW_TEXT];
    t->values = json_array();
    if (!json_array_size(list) && (list || !reader_find(r, "values")))
        reader_bad(r, "values", "REQUIRED", NULL, "must list the words that are allowed, such as [adam, sgd]");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *word = json_array_get(list, i);
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        bool twice = false;
        for (size_t k = 0; k < json_array_size(t->values); k++)
            twice |= json_equal(json_array_get(t->values, k), word);
        if (!json_is_string(word) || json_string_length(word) > MAX_WORD)
            problems_add(r->problems, place, "TYPE", NULL, "is %s, must be a string of at most %d bytes", json_show(word, found), MAX_WORD);
        else if (twice)
            problems_add(r->problems, place, "DUPLICATE", NULL, "is %s, which stands here twice", json_show(word, found));
        else
            (void)json_array_append(t->values, word);
    }
}

static struct type *read_part(const struct reader *r, const char *member, size_t depth)
{
    const json_t *value = reader_find(r, member);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, member);
    return value ? read_depth(value, pointer, NULL, depth + 1, r->problems) : new_type(TYPE_JSON);
}

static void read_columns(struct type *t, const struct reader *table)
{
    struct reader r = reader_enter(table, "columns", NULL);
    const char *name;
    json_t *value;
    size_t n = json_object_size(r.object);
    t->format = (enum table_format)reader_choice(table, "format", formats, TABLE_CSV);
    if (n > TYPE_MAX_COLUMNS)
        reader_bad(table, "columns", "RANGE", NULL, "has %zu columns, at most %d are allowed", n, TYPE_MAX_COLUMNS);
    t->columns = x_calloc(n + 1, sizeof *t->columns);
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join(r.pointer, name);
        struct type *type = read_depth(value, pointer, NULL, TYPE_MAX_DEPTH - 1, r.problems);
        if (type && (type->kind > TYPE_ENUM)) {
            problems_add(r.problems, pointer, "TYPE", NULL, "is %s; a column is one of int, double, string, bool, datetime, duration, enum",
                         type_names[type->kind]);
            type_free(type);
        } else if (type && t->n_columns < TYPE_MAX_COLUMNS) {
            t->columns[t->n_columns++] = (struct column){.name = x_strdup(name), .type = type};
        } else {
            type_free(type);
        }
    }
    reader_close(&r);
}

static void read_schema(struct type *t, const struct reader *r)
{
    const json_t *value = reader_find(r, "schema");
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "schema");
    t->schema = value ? schema_read(value, pointer, r->problems) : NULL;
}

static void read_rest(struct type *t, const struct reader *r, size_t depth)
{
    if (members_of[t->kind] == bounds_members)
        read_bounds(t, r);
    else if (t->kind == TYPE_ENUM)
        read_values(t, r);
    else if (t->kind == TYPE_LIST)
        t->item = read_part(r, "items", depth);
    else if (t->kind == TYPE_MAP)
        t->item = read_part(r, "values", depth);
    else if (t->kind == TYPE_STRUCT)
        read_schema(t, r);
    else if (t->kind == TYPE_TABLE)
        read_columns(t, r);
}

static struct type *read_mapping(const json_t *declaration, const char *pointer, const char *const *others, size_t depth, struct problems *problems)
{
    char *place CLEANUP_FREE = pointer_join(pointer, "type");
    const json_t *word = json_object_get(declaration, "type");
    if (!word) {
        problems_add(problems, place, "REQUIRED", NULL, "is missing; write a type such as int, double, string, file");
        return NULL;
    }
    int kind = read_kind(word, place, problems);
    if (kind < 0)
        return NULL;
    const char *known[MAX_MEMBERS + 1] = {"type"};
    size_t n = 1;
    for (const char *const *m = members_of[kind]; *m; m++)
        known[n++] = *m;
    for (const char *const *m = others; m && *m && n < MAX_MEMBERS; m++)
        known[n++] = *m;
    struct type *t = new_type((enum type_kind)kind);
    struct reader r = reader_open(declaration, pointer, known, problems);
    read_rest(t, &r, depth);
    reader_close(&r);
    return t;
}

static struct type *read_depth(const json_t *declaration, const char *pointer, const char *const *others, size_t depth, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped;
    struct type *t = NULL;
    if (depth >= TYPE_MAX_DEPTH) {
        problems_add(problems, pointer, "RANGE", NULL, "is nested more than %d deep; use json for what lies deeper", TYPE_MAX_DEPTH);
    } else if (json_is_object(declaration)) {
        t = read_mapping(declaration, pointer, others, depth, problems);
    } else {
        int kind = read_kind(declaration, pointer, problems);
        if (kind == TYPE_ENUM)
            problems_add(problems, pointer, "REQUIRED", NULL, "needs its words: {type: enum, values: [adam, sgd]}");
        t = kind < 0 ? NULL : type_plain((enum type_kind)kind);
    }
    if (problems->n + problems->n_dropped == before)
        return t;
    type_free(t);
    return NULL;
}

struct type *type_read(const json_t *declaration, const char *pointer, const char *const *others, struct problems *problems)
{
    return read_depth(declaration, pointer, others, 0, problems);
}

static json_t *number_json(const struct type *t, double number)
{
    return t->kind == TYPE_INT ? json_integer((json_int_t)number) : json_real(number);
}

static json_t *columns_json(const struct type *t)
{
    json_t *columns = json_object();
    for (size_t i = 0; i < t->n_columns; i++)
        (void)json_object_set_new(columns, t->columns[i].name, type_json(t->columns[i].type));
    return columns;
}

json_t *type_json(const struct type *t)
{
    json_t *out = json_pack("{s:s}", "type", type_names[t->kind]);
    if (isfinite(t->min))
        (void)json_object_set_new(out, "min", number_json(t, t->min));
    if (isfinite(t->max))
        (void)json_object_set_new(out, "max", number_json(t, t->max));
    if (t->values)
        (void)json_object_set(out, "values", t->values);
    if (t->item && t->item->kind != TYPE_JSON)
        (void)json_object_set_new(out, t->kind == TYPE_LIST ? "items" : "values", type_json(t->item));
    if (t->schema)
        (void)json_object_set_new(out, "schema", schema_json(t->schema));
    if (t->n_columns)
        (void)json_object_set_new(out, "columns", columns_json(t));
    if (t->kind == TYPE_TABLE && t->format != TABLE_CSV)
        (void)json_object_set_new(out, "format", json_string(formats[t->format]));
    if (json_object_size(out) > 1)
        return out;
    json_decref(out);
    return json_string(type_names[t->kind]);
}

char *type_show(const struct type *t)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, type_names[t->kind]);
    if (t->kind == TYPE_LIST || t->kind == TYPE_MAP) {
        char *item CLEANUP_FREE = type_show(t->item);
        buf_addf(&b, " of %s", item);
    }
    for (size_t i = 0; i < json_array_size(t->values); i++) {
        if (b.len > 100) {
            buf_adds(&b, "|...");
            break;
        }
        buf_addf(&b, "%s%s", i ? "|" : " ", json_string_value(json_array_get(t->values, i)));
    }
    if (t->kind == TYPE_TABLE && t->format == TABLE_PARQUET)
        buf_adds(&b, " (parquet)");
    return buf_take(&b);
}

/* ---- which type may stand for which ---- */

static bool values_within(const json_t *all, const json_t *some)
{
    for (size_t i = 0; i < json_array_size(some); i++) {
        bool found = false;
        for (size_t k = 0; k < json_array_size(all) && !found; k++)
            found = json_equal(json_array_get(all, k), json_array_get(some, i));
        if (!found)
            return false;
    }
    return true;
}

static bool columns_within(const struct type *to, const struct type *from)
{
    for (size_t i = 0; i < to->n_columns; i++) {
        const struct column *wanted = &to->columns[i], *has = NULL;
        for (size_t k = 0; k < from->n_columns && !has; k++)
            has = strcmp(from->columns[k].name, wanted->name) ? NULL : &from->columns[k];
        if (!has || !type_accepts(wanted->type, has->type))
            return false;
    }
    return true;
}

static bool accepts(const struct type *to, const struct type *from, bool loose);

static bool same_kind_accepts(const struct type *to, const struct type *from, bool loose)
{
    if (to->kind == TYPE_ENUM)
        return values_within(to->values, from->values);
    if (to->item)
        return accepts(to->item, from->item, loose);
    if (to->kind == TYPE_STRUCT)
        return !to->schema || (from->schema ? schema_equal(to->schema, from->schema) : loose);
    if (to->kind == TYPE_TABLE)
        return to->format == from->format && columns_within(to, from);
    return true;
}

/* Kinds that another kind always fits; ranges are checked with the values. */
static const unsigned fitting[TYPE_KINDS] = {
    [TYPE_DOUBLE] = 1U << TYPE_INT,
    [TYPE_DURATION] = 1U << TYPE_INT | 1U << TYPE_DOUBLE,
    [TYPE_STRING] = 1U << TYPE_ENUM | 1U << TYPE_DATETIME,
    [TYPE_FILE] = 1U << TYPE_TABLE,
    [TYPE_MODEL] = 1U << TYPE_FILE | 1U << TYPE_DIR,
};

bool type_kind_fits(enum type_kind to, enum type_kind from)
{
    return to == from || (fitting[to] >> from & 1U) != 0;
}

static bool accepts(const struct type *to, const struct type *from, bool loose)
{
    if (to->kind == TYPE_JSON || (loose && from->kind == TYPE_JSON && !type_is_artifact(to)))
        return true;
    if (to->kind == from->kind)
        return same_kind_accepts(to, from, loose);
    if (to->kind == TYPE_STRUCT)
        return from->kind == TYPE_MAP && !to->schema;
    if (to->kind == TYPE_MAP)
        return from->kind == TYPE_STRUCT && to->item->kind == TYPE_JSON;
    return type_kind_fits(to->kind, from->kind);
}

bool type_accepts(const struct type *to, const struct type *from)
{
    return accepts(to, from, false);
}

bool type_may_accept(const struct type *to, const struct type *from)
{
    return accepts(to, from, true);
}
