/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sweep files of Weights & Biases (docs/how-to/from-wandb.md), read into an experiment file of our own. spec.c calls this as it calls katib.h. */
#ifndef HONE_MODEL_WANDB_H
#define HONE_MODEL_WANDB_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>

bool wandb_is(const json_t *document); /* it has a `method`, which no file of ours has */

/* As katib_read. Members of ours may stand in the file beside its own: trials, limits, stopping, seed, labels, run.cwd, run.env, run.metrics. */
json_t *wandb_read(const json_t *document, json_t *places, struct problems *problems);

#endif
