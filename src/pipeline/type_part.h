/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a type is made of. Private to the files type*.c. */
#ifndef HONE_PIPELINE_TYPE_PART_H
#define HONE_PIPELINE_TYPE_PART_H

#include "pipeline/type.h"

#define TYPE_KINDS (TYPE_MODEL + 1)
extern const char *const type_names[]; /* NULL-ended */
int type_find_kind(const char *word);   /* -1: there is none */
bool type_kind_fits(enum type_kind to, enum type_kind from);

enum table_format { TABLE_CSV, TABLE_PARQUET };

struct column {
    char *name;
    struct type *type;
};

struct type {
    enum type_kind kind;
    bool nullable;         /* null is a value too: an item of a map step that failed, an optional parameter */
    double min, max;       /* of int, double and duration; +-INFINITY = none */
    json_t *values;        /* of enum */
    struct type *item;     /* of list and map */
    struct schema *schema; /* of struct; NULL = any mapping */
    struct column *columns;
    size_t n_columns;
    enum table_format format;
};

#endif
