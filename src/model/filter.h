/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list grammar: `state=RUNNING AND (params.lr<1e-3 OR number>10) AND NOT labels.team="a"` (AIP-160 subset), and
 * order_by: `objective,-number`. Parsed here to a small tree; store/ turns the tree into parameterised SQL. */
#ifndef HONE_MODEL_FILTER_H
#define HONE_MODEL_FILTER_H

#include "base/err.h"

#include <stddef.h>

#define FILTER_MAX_TEXT 2000
#define FILTER_MAX_NODES 100
#define FILTER_MAX_DEPTH 32 /* of parentheses and NOT */

enum filter_op { FILTER_AND, FILTER_OR, FILTER_NOT, FILTER_EQ, FILTER_NE, FILTER_LT, FILTER_LE, FILTER_GT, FILTER_GE, FILTER_HAS };

struct filter {
    enum filter_op op;
    struct filter *left, *right; /* AND, OR; NOT uses left */
    char *field;                 /* comparisons: "state", "params.lr", "metrics.loss", "labels.team" */
    char *text;                  /* the value as written, unquoted */
    double number;               /* the value as a number, NAN if it is none */
};

/* "" or NULL text: NULL with OK in error->code. Else NULL means ERR_SYNTAX or ERR_TOO_LARGE, with the column. AND and OR in one chain
 * need parentheses (AIP-160 and SQL read them differently). */
struct filter *filter_parse(const char *text, struct error *error);
void filter_free(struct filter *f);

#endif
