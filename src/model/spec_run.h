/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The `run` section of an experiment file (docs/reference/experiment-file.md). Private to spec.c and to the steps of
 * pipelines (src/pipeline). */
#ifndef HONE_MODEL_SPEC_RUN_H
#define HONE_MODEL_SPEC_RUN_H

#include "base/settings.h"
#include "model/reader.h"

#include <jansson.h>

/* The section at /run, normalised; `names` are the parameters that placeholders may name (NULL-ended). New reference; what it holds is
 * only right if no problem was added. */
json_t *spec_run(const json_t *run, const struct catalog_entry *backends, const char *const *names, struct problems *problems);

json_t *spec_run_metrics(const struct reader *run);   /* its member `metrics`, normalised; new reference */
bool spec_run_variable_ok(const char *name);          /* a name of the environment */

#endif
