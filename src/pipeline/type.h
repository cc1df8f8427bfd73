/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Types of what steps take and give, and the checks of values against them: at submission, at binding and at run time.
 *
 * A declaration is `int` or {type: int, min: 1, ...}. A value is JSON: int and double are numbers, string, bool; datetime is an RFC 3339 string,
 * duration a number of seconds or "90s"; enum one of `values`; list {items: T}, map {values: T} (keys are strings); struct {schema: JSON Schema};
 * json anything. What has bytes (file, dir, table {columns: {name: T}, format: csv|parquet}, model) is an artifact: its value is
 * {"artifact": "sha256:<hex>", "type": "file", "size": bytes, "name": "model.bin"} (src/artifacts/artifacts.h holds the bytes). */
#ifndef HONE_PIPELINE_TYPE_H
#define HONE_PIPELINE_TYPE_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define TYPE_MAX_DEPTH 8
#define TYPE_MAX_COLUMNS 256

enum type_kind {
    TYPE_INT, TYPE_DOUBLE, TYPE_STRING, TYPE_BOOL, TYPE_DATETIME, TYPE_DURATION, TYPE_ENUM, TYPE_LIST, TYPE_MAP, TYPE_STRUCT, TYPE_JSON,
    TYPE_FILE, TYPE_DIR, TYPE_TABLE, TYPE_MODEL,
};

struct type;

/* Reads a declaration; members that are not of a type (default, optional, ...) are the caller's: `others` names them (NULL-ended).
 * NULL with problems at `pointer`. */
struct type *type_read(const json_t *declaration, const char *pointer, const char *const *others, struct problems *problems);
struct type *type_copy(const struct type *t);
struct type *type_plain(enum type_kind kind);       /* without bounds; not of an enum */
struct type *type_list_of(const struct type *item); /* what a map step gives: nulls stand where an item failed */
struct type *type_nullable(struct type *t);         /* null is a value too; gives `t` */
void type_free(struct type *t);

enum type_kind type_kind(const struct type *t);
const struct type *type_item(const struct type *t); /* of a list or a map, else NULL */
bool type_is_artifact(const struct type *t); /* file, dir, table, model; not a list of them */
char *type_show(const struct type *t);       /* "list of int", "enum adam|sgd"; malloced */
json_t *type_json(const struct type *t);     /* the normalised declaration; new reference */

/* May every value of `from` stand where `to` is wanted? int goes to double, enum to string, anything to json, list by its items, ... */
bool type_accepts(const struct type *to, const struct type *from);

/* May any? As above, but json (what nobody declared) may turn out right: then the value is checked when it is there. */
bool type_may_accept(const struct type *to, const struct type *from);

/* Checks a value; each wrong place is a problem at its pointer under `pointer` with the expected and the found type. NAN and infinities are refused. */
bool type_check(const struct type *t, const json_t *value, const char *pointer, struct problems *problems);

/* A value that was checked, as its type has it: 4.0 for an int is 4, also in lists and maps. New reference. */
json_t *type_value(const struct type *t, const json_t *value);

/* A value written as text by a step (the file at ${out.x} of an output that is no artifact): JSON, or the text itself for string, datetime, enum,
 * duration, without a newline at its end. Unchecked; new reference, NULL when it is not UTF-8. */
json_t *type_from_text(const struct type *t, const char *text, size_t len);

/* A table's file: its header and each row's fields against the declared columns (the first wrong ones are told with their line). CSV only
 * is read whole; of Parquet the columns of the file's footer. */
bool type_check_table(const struct type *t, const char *path, const char *pointer, struct problems *problems);

#endif
