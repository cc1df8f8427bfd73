/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The search space of an experiment: its parameters, conditions and constraints, and the one map between
 * user values and the unit cube that algorithms see (algorithms/algorithm.h, "THE CUBE").
 *
 * A numeric coordinate is the quantile of the parameter's prior (uniform, log-uniform, normal, log-normal, truncated to
 * [min, max]); an integer or stepped parameter has equal cells in its scale (log: edges at value -+ half a step); a
 * categorical's value k is the cell [k/K, (k+1)/K). What space_params gives is always inside [min, max] and on the step.
 * Formulas: docs/explanation/search-space.md. A struct space is constant once made: any thread may read it. */
#ifndef HONE_MODEL_SPACE_H
#define HONE_MODEL_SPACE_H

#include "base/problems.h"
#include "model/expr.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPACE_MAX_PARAMS 256
#define SPACE_MAX_VALUES 1000    /* of one categorical */
#define SPACE_MAX_CONSTRAINTS 64

enum param_type { PARAM_FLOAT, PARAM_INT, PARAM_CATEGORICAL, PARAM_BOOL };
enum param_dist { DIST_UNIFORM, DIST_LOG_UNIFORM, DIST_NORMAL, DIST_LOG_NORMAL };

struct param {
    char *name;
    enum param_type type;
    enum param_dist dist;   /* FLOAT, INT */
    double min, max;        /* FLOAT, INT; a FLOAT with a NORMAL or LOG_NORMAL prior may be unbounded: -INFINITY (0), INFINITY */
    double step;            /* 0 = none (INT: at least 1) */
    double mu, sigma;       /* NORMAL, LOG_NORMAL (of ln value) */
    json_t *values;         /* CATEGORICAL: array of distinct scalars; BOOL: [false, true] */
    int64_t n_levels;       /* 0 = continuous; else the number of distinct values */
    int parent;             /* index, always smaller than its own; -1 = always active */
    bool *parent_ok;        /* [n_levels of the parent]: with which of its levels this one is active */
    double grain;           /* 10^decimals of `min` and `step`: stepped values are whole multiples of 1/grain; 0 = not decimal */
    double from, width;     /* what u = 0 is, and u = 1 less that, on the prior's scale (value, ln value or probability) */
};

struct space {
    struct param *params; /* parents before children, otherwise file order */
    size_t n;
    struct expr **constraints;
    char **constraint_text;
    size_t n_constraints;
};

/* Reads `parameters` (a mapping name -> {type, min, max, step, scale: linear|log, distribution: uniform|logUniform|
 * normal|logNormal, mu, sigma, values, when: {parent: value or [values]}}) and `constraints` (list of strings; may be NULL).
 * A short list is accepted too: `act: [relu, tanh]` is a categorical. All that is wrong goes to `problems`, with pointers
 * "/parameters/lr/min". NULL if anything is. */
struct space *space_new(const json_t *parameters, const json_t *constraints, struct problems *problems);
void space_free(struct space *s);

json_t *space_json(const struct space *s); /* the normalised `parameters`, defaults filled in; new reference */

/* Moves u (n coordinates) to the point that will be run; inactive coordinates become NAN, NAN ones that are active 0.5. */
void space_snap(const struct space *s, double *u);
double space_level(const struct space *s, size_t param, int64_t level);  /* snapped u of a level */
bool space_feasible(const struct space *s, const double *snapped);       /* constraints */
json_t *space_params(const struct space *s, const double *snapped);      /* {"lr": 0.1, ...} active ones only; new reference */

/* User values -> u (NAN for inactive). Missing, unknown and inactive-but-given parameters, wrong types and values outside
 * the range or off the step are problems under `pointer`. Values are never altered silently. A violated constraint is a problem too. */
bool space_point(const struct space *s, const json_t *params, double *u, const char *pointer,
                 struct problems *problems);

/* The parameters of another experiment's trial -> u, as far as they mean something here: NAN for inactive parameters and for those that it
 * did not have. A number may lie outside its range: u then lies outside [0, 1] by less than 0.5. False if it says too little, or something else: half
 * of the parameters are missing, a value is of another kind or further away. Nothing is snapped; constraints are not looked at. */
bool space_foreign(const struct space *s, const json_t *params, double *u);

int space_find(const struct space *s, const char *name); /* index, -1 = none */

#endif
