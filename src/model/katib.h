/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments of other systems (docs/reference/katib.md): Katib's kubeflow.org/v1beta1 Experiment and its successor's OptimizationJob, read into
 * an experiment file of our own. spec.c calls this, so that whoever takes an experiment file takes these too. */
#ifndef HONE_MODEL_KATIB_H
#define HONE_MODEL_KATIB_H

#include "base/settings.h"

#include <jansson.h>

#define KATIB_API_VERSION "kubeflow.org/v1beta1"

/* The experiment file that `document` (with a member apiVersion) means; new reference, and only complete if no problem was added; NULL if it is
 * none of those kinds. Problems are at
 * their places in `document`. Into `places` go pairs of JSON Pointers: a part of the result, and where in `document` it comes from. */
json_t *katib_read(const json_t *document, const struct catalog *catalog, json_t *places, struct problems *problems);

/* Where in the document a pointer into the result is; malloced. `places` NULL, here and below: the document is our own. */
char *katib_place(const json_t *places, const char *pointer);

/* Adds what is in `found`, at places in the result, to `problems` at places in the document. What is known to be wrong already is left out. */
void katib_tell(const json_t *places, const struct problems *found, struct problems *problems);

#endif
