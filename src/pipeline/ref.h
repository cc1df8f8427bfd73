/* SPDX-License-Identifier: GPL-3.0-or-later */
/* References in the texts of a pipeline: "${steps.train.outputs.loss}", with $${ for a literal ${.
 *
 * What may be referred to: params.P; inputs.I (of this step); steps.S.outputs.O; steps.S.state (SUCCEEDED, FAILED, ...); out.O (the path where this step is to leave an output: an artifact,
 * or a file with the text of the value); map.NAME, map.index; run.id, run.state, run.dir, run.outputs (the path in $HONE_OUTPUTS); trial.number;
 * secrets.N (in env only). Behind a parameter, an input, an output or the item of a map may stand members of what it is: ${params.model.layers.0}. A text that is exactly one reference keeps the type of what it names; in a longer
 * text a value stands as text: a double as the shortest that reads back, JSON compactly, an artifact as the path where it lies for the step.
 * A reference to a step's output makes the step one that must come first. */
#ifndef HONE_PIPELINE_REF_H
#define HONE_PIPELINE_REF_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>

enum ref_kind { REF_PARAM, REF_INPUT, REF_STEP_OUTPUT, REF_STEP_STATE, REF_OUT, REF_MAP, REF_RUN, REF_TRIAL, REF_SECRET };

struct ref {
    enum ref_kind kind;
    char *step; /* of REF_STEP_OUTPUT and REF_STEP_STATE, else NULL */
    char *name; /* what is named there */
    char *path; /* members of its value: "layers.0", mostly NULL; refs_resolve and conditions go along it, a ref_value_fn need not */
};

#define REF_MAX_IN_TEXT 16
#define REF_SHOW 400
const char *ref_show(const struct ref *r, char out[REF_SHOW]); /* "steps.train.outputs.loss"; gives `out` */

/* Calls `found` for each reference in each string of `value` (any JSON, walked deep); what does not parse is a problem under `pointer`. */
typedef void ref_found_fn(void *arg, const struct ref *r, const char *pointer);
void refs_find(const json_t *value, const char *pointer, ref_found_fn *found, void *arg, struct problems *problems);

/* The value of a reference while resolving: a new reference to JSON, NULL = undefined (a skipped step's output). */
typedef json_t *ref_value_fn(void *arg, const struct ref *r);

/* `value` with every reference in it replaced (new reference). An undefined one is a problem naming it; then NULL. */
json_t *refs_resolve(const json_t *value, const char *pointer, ref_value_fn *lookup, void *arg, struct problems *problems);

/* A step's `run` with its references replaced, as the words of argv: numbers and the like as text, {json: value} as compact JSON; {shell: text} as
 * sh -c with each value put in single quotes for the shell. New reference to an array of strings, or NULL with problems. */
json_t *refs_command(const json_t *run, const char *pointer, ref_value_fn *lookup, void *arg, struct problems *problems);

/* `value` with what each reference names changed by `rename` (NULL: it stays; else malloced, without ${}): new reference. */
typedef char *ref_rename_fn(void *arg, const struct ref *r);
json_t *refs_rename(const json_t *value, ref_rename_fn *rename, void *arg);

/* Conditions: or and not == != < <= > >= in, parentheses, numbers, 'strings', true false null, ["a", "b"], references in ${...} or bare
 * (steps.train.outputs.loss), defined(x). No arithmetic. Bounded as base for model/expr.h. Comparing an undefined value is an error. */
struct condition;
struct condition *condition_parse(const char *text, const char *pointer, struct problems *problems);
void condition_refs(const struct condition *c, const char *pointer, ref_found_fn *found, void *arg);
bool condition_holds(const struct condition *c, ref_value_fn *lookup, void *arg, bool *holds, struct error *error);
void condition_free(struct condition *c);

#endif
