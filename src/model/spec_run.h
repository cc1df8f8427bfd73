/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The `run` section of an experiment file (docs/reference/experiment-file.md). Private to spec.c. */
#ifndef HONE_MODEL_SPEC_RUN_H
#define HONE_MODEL_SPEC_RUN_H

#include "base/settings.h"

#include <jansson.h>

/* The section at /run, normalised; `names` are the parameters that placeholders may name (NULL-ended). New reference; what it holds is
 * only right if no problem was added. */
json_t *spec_run(const json_t *run, const struct catalog_entry *backends, const char *const *names, struct problems *problems);

#endif
