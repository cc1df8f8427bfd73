/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects of a cluster as templates: the texts in them, keys included, with Katib's placeholders ${trialParameters.NAME} and ${trialSpec.Name}.
 * Braces of other kinds belong to what reads the object (Argo's {{inputs.parameters.x}}, scripts). */
#ifndef HONE_MODEL_MANIFEST_H
#define HONE_MODEL_MANIFEST_H

#include "model/template.h"

#define MANIFEST_MAX_DEPTH 64
#define MANIFEST_MAX_BYTES ((size_t)1 << 20) /* what a cluster takes is about 1.5 MiB */

/* A copy of `tree` with each text made anew by `word` (malloced). */
typedef char *manifest_word_fn(const void *ctx, const char *text);
json_t *manifest_map(const json_t *tree, manifest_word_fn *word, const void *ctx);

json_t *manifest_render(const json_t *tree, const struct template_values *values); /* new reference */
void manifest_check(const json_t *tree, const char *const *names, const char *pointer, struct problems *problems); /* each placeholder is known; it is not too deep */

/* How a kind says that it has ended well, or badly (model/gjson.h). NULL: nobody knows. */
struct manifest_kind {
    const char *version, *kind;      /* apiVersion: its beginning */
    const char *success, *failure;
    const char *pod_label;           /* of its pods, and the name of the object is its value; NULL: they carry our own labels */
    const char *pod_labels[4];       /* name, value, ... of the pod that leads */
    const char *container;           /* in it; NULL = the only one */
};
const struct manifest_kind *manifest_kind(const json_t *object); /* NULL: no such row */

#endif
