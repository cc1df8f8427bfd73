/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to the reader of KFP's files. */
#ifndef HONE_PIPELINE_KFP_PART_H
#define HONE_PIPELINE_KFP_PART_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>

#define KFP_METADATA "--metadata"
#define KFP_MAX_TASKS 2000        /* a dag stands wherever it is named: a small file can mean very many */
#define KFP_MAX_BYTES (4 << 20)   /* of all commands */

struct kfp {
    const json_t *components, *executors;
    size_t depth, n_tasks, bytes;
    bool images_told;
    struct problems *problems;
};

/* One task of a dag while it becomes a step. */
struct task {
    struct kfp *k;
    const char *name, *pointer;
    const json_t *component;
    json_t *bound; /* inputs by name: values, or texts with references of ours */
};

/* Text of theirs in which ${ means nothing, as text of ours. Malloced. */
char *kfp_escape(const char *text);
json_t *kfp_escape_all(const json_t *value); /* every text in it; new reference */

/* {{$.inputs.parameters['x']}} in a constant that is bound to an input: the binding of x stands there. New reference. */
json_t *kfp_constant(struct task *t, const json_t *value);

/* A condition of theirs in our language; malloced, NULL with problems. */
char *kfp_condition(struct task *t, const char *text);

/* "${steps.x.outputs.y}" and the selector parseJson(string_value)["a"], which go along its members. New reference. */
json_t *kfp_select(struct task *t, json_t *bound, const char *selector);

/* The members run, env and protocol of the step, from its executor; adds inputs and outputs too. */
void kfp_container(struct task *t, const json_t *container, json_t *step);
void kfp_importer(struct task *t, const json_t *importer, json_t *step);

json_t *kfp_type(const json_t *definition); /* of a parameter; new reference */
const json_t *kfp_definitions(const json_t *component, const char *side, const char *kind); /* "inputDefinitions", "parameters" */

#endif
