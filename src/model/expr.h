/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Constraint expressions between parameters: "batch * lr < 1", "kernel != 'rbf' or gamma > 1e-3".
 *
 * Grammar: or, and, not (also || && !), comparisons < <= > >= == != (chained ones are refused), + - * / % ** (right
 * associative), unary -, numbers, 'strings' or "strings", true, false, names, and the functions abs min max
 * sqrt log log2 log10 exp floor ceil pow. At most EXPR_MAX_NODES nodes and EXPR_MAX_DEPTH deep: no input makes
 * the evaluator slow or deep. A sub-expression with an inactive parameter is "unknown", and a constraint that comes out
 * unknown holds (it says nothing about a parameter that is not there). Division by zero and NAN make a comparison false. */
#ifndef HONE_MODEL_EXPR_H
#define HONE_MODEL_EXPR_H

#include "base/problems.h"

#include <stdbool.h>
#include <stddef.h>

#define EXPR_MAX_NODES 256
#define EXPR_MAX_DEPTH 32
#define EXPR_MAX_TEXT 1024

enum expr_type { EXPR_UNKNOWN, EXPR_NUMBER, EXPR_STRING, EXPR_BOOL };

struct expr_value {
    enum expr_type type; /* UNKNOWN: inactive */
    double number;       /* NUMBER, and 0 or 1 for BOOL */
    const char *string;  /* STRING */
};

struct expr;

/* Parses `text`. `names` (n of them, in the caller's order) and `types` say what may be referred to; a value's index in
 * `expr_holds` is the index here. Syntax, unknown names (with did you mean) and type errors (a string times a number,
 * a constraint that is not a truth value) go to `problems` at `pointer`, with the column. NULL on failure. */
struct expr *expr_parse(const char *text, const char *const *names, const enum expr_type *types,
                        size_t n, const char *pointer, struct problems *problems);

bool expr_holds(const struct expr *e, const struct expr_value *values); /* any thread */
bool expr_uses(const struct expr *e, size_t index);
void expr_free(struct expr *e);

#endif
