/* SPDX-License-Identifier: GPL-3.0-or-later */
/* References in the texts of a pipeline: "${steps.train.outputs.loss}", with $${ for a literal ${.
 *
 * What may be referred to: params.P; steps.S.outputs.O; out.O (the path where this step is to leave an artifact); map.NAME, map.index; run.id,
 * run.state, run.dir; trial.number; secrets.N (in env only). A text that is exactly one reference keeps the type of what it names; in a longer
 * text a value stands as text: a double as the shortest that reads back, JSON compactly, an artifact as the path where it lies for the step.
 * A reference to a step's output makes the step one that must come first. */
#ifndef HONE_PIPELINE_REF_H
#define HONE_PIPELINE_REF_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>

enum ref_kind { REF_PARAM, REF_STEP_OUTPUT, REF_OUT, REF_MAP, REF_RUN, REF_TRIAL, REF_SECRET };

struct ref {
    enum ref_kind kind;
    char *step; /* of REF_STEP_OUTPUT, else NULL */
    char *name; /* the last part */
};

#define REF_MAX_IN_TEXT 16

/* Calls `found` for each reference in each string of `value` (any JSON, walked deep); what does not parse is a problem under `pointer`. */
typedef void ref_found_fn(void *arg, const struct ref *r, const char *pointer);
void refs_find(const json_t *value, const char *pointer, ref_found_fn *found, void *arg, struct problems *problems);

/* The value of a reference while resolving: a new reference to JSON, NULL = undefined (a skipped step's output). */
typedef json_t *ref_value_fn(void *arg, const struct ref *r);

/* `value` with every reference in it replaced (new reference). An undefined one is a problem naming it; then NULL. */
json_t *refs_resolve(const json_t *value, const char *pointer, ref_value_fn *lookup, void *arg, struct problems *problems);

/* Conditions: or and not == != < <= > >= in, parentheses, numbers, 'strings', true false null, ["a", "b"], references in ${...} or bare
 * (steps.train.outputs.loss), defined(x). No arithmetic. Bounded as base for model/expr.h. Comparing an undefined value is an error. */
struct condition;
struct condition *condition_parse(const char *text, const char *pointer, struct problems *problems);
void condition_refs(const struct condition *c, const char *pointer, ref_found_fn *found, void *arg);
bool condition_holds(const struct condition *c, ref_value_fn *lookup, void *arg, bool *holds, struct error *error);
void condition_free(struct condition *c);

#endif
