/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Results on stdout in the format asked for. JSON members are those of the API; tables are for people only. */
#ifndef HONE_CLI_OUTPUT_H
#define HONE_CLI_OUTPUT_H

#include "cli/verb.h"

enum output_format { OUT_TABLE, OUT_WIDE, OUT_JSON, OUT_YAML, OUT_JSONL, OUT_CSV, OUT_NAME, OUT_ENV, OUT_ARGS };

/* -o, HONE_OUTPUT, or `otherwise`. ENV and ARGS only with `with_params`. */
enum err output_format(const struct cli *cli, enum output_format otherwise, bool with_params,
                       enum output_format *out, struct error *error);

struct column {
    const char *title; /* NULL ends a table */
    const char *path;  /* dotted: "counts.RUNNING"; "params.*" is a column for each member found */
    bool wide;         /* only in -o wide and csv */
};

/* Rows are an array of objects. --columns replaces `columns`; -o name prints `name_path` of each. */
void output_rows(const struct cli *cli, enum output_format format, const struct column *columns,
                 const char *name_path, json_t *rows);

/* One object: TABLE and WIDE as `title: value` lines of `columns`. */
void output_object(enum output_format format, const struct column *columns, const char *name_path,
                   json_t *object);

/* {"lr": 0.1} as LR=0.1 lines for sh (quoted), or as --lr 0.1 ... on one line (quoted). */
void output_params(enum output_format format, json_t *params);

void output_json(json_t *value);
json_t *json_at(json_t *object, const char *path); /* dotted path; borrowed, NULL = not there */
char *value_text(json_t *value);                    /* for people: "-" for null, 6 digits; malloced */

#endif
