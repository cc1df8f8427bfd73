/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What schema.c and schema_read.c share: the table of keywords. */
#ifndef HONE_PIPELINE_SCHEMA_PART_H
#define HONE_PIPELINE_SCHEMA_PART_H

#include "pipeline/schema.h"

#define SCHEMA_MAX_KEYWORDS 48

struct schema {
    json_t *root;
};

struct checker;

enum form {
    FORM_ANY,
    FORM_TEXT,
    FORM_NUMBER,
    FORM_POSITIVE,
    FORM_COUNT,
    FORM_BOOL,
    FORM_LIST,
    FORM_NAMES,
    FORM_TYPES,
    FORM_PATTERN,
    FORM_REF,
    FORM_SCHEMA,
    FORM_SCHEMAS,      /* a list of them */
    FORM_SCHEMA_BY_NAME, /* a mapping of them */
};

/* What `wanted` (the keyword's value) asks of `value`. */
typedef bool keyword_check(struct checker *c, const json_t *schema, const json_t *wanted, const json_t *value, const char *pointer);

struct schema_keyword {
    const char *name;
    enum form form;
    keyword_check *check; /* NULL: it asks nothing */
};

extern const struct schema_keyword schema_keywords[]; /* ends with a name of NULL */
const json_t *schema_definition(const json_t *root, const char *ref); /* "#/$defs/x"; NULL: there is none */

#endif
