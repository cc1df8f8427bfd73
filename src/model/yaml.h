/* SPDX-License-Identifier: GPL-3.0-or-later */
/* YAML (1.1 as libyaml reads it, core schema for plain scalars) or JSON text to a jansson value. The only user of libyaml. */
#ifndef HONE_MODEL_YAML_H
#define HONE_MODEL_YAML_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define YAML_MAX_BYTES (1u << 20)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 100000 /* aliases expanded count too: no "billion laughs" */

/* One document; new reference, or NULL with line and column in `error`. Duplicate keys are errors. Plain scalars: null,
 * true/false, integers, floats (1e-3 too), .inf, .nan become JSON values (.nan and .inf as strings "NaN", "Infinity"); quoted ones are
 * strings. JSON is read by jansson when the text begins with '{' or '['. */
json_t *yaml_load(const char *text, size_t len, struct error *error);

/* The first of one document or more; *more becomes true when others follow. */
json_t *yaml_load_first(const char *text, size_t len, bool *more, struct error *error);

/* Block-style YAML of a value, malloced; for `-o yaml` and `convert`. */
char *yaml_dump(const json_t *value);

#endif
