/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of JSON Schema (2020-12) that `struct` types use, for there is no validator in C that is packaged: type, enum, const, properties, required,
 * additionalProperties, minProperties, maxProperties, items, minItems, maxItems, uniqueItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
 * multipleOf, minLength, maxLength, pattern, anyOf, allOf, oneOf, not, and $ref to #/$defs/... Titles, descriptions, examples and defaults are
 * read and mean nothing. Any other keyword is a problem: a schema never means less than it says. */
#ifndef HONE_PIPELINE_SCHEMA_H
#define HONE_PIPELINE_SCHEMA_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>

#define SCHEMA_MAX_DEPTH 16
#define SCHEMA_MAX_STEPS 100000 /* of one check: a schema that refers to itself cannot make it slow */

struct schema;

struct schema *schema_read(const json_t *value, const char *pointer, struct problems *problems); /* NULL with problems */
void schema_free(struct schema *s);
json_t *schema_json(const struct schema *s); /* new reference */
bool schema_equal(const struct schema *a, const struct schema *b);
bool schema_check(const struct schema *s, const json_t *value, const char *pointer, struct problems *problems);

#endif
