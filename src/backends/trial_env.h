/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every trial finds in its environment, on any backend (docs/reference/trial-contract.md). */
#ifndef HONE_BACKENDS_TRIAL_ENV_H
#define HONE_BACKENDS_TRIAL_ENV_H

#include "backends/backend.h"

/* {"HONE_URL": "...", "HONE_PARAM_LR": "0.1", ...} of the job, then the `env` of `run` with its placeholders filled. Directories are the
 * backend's to add. New reference. */
json_t *trial_env(const struct backend_job *job);

/* With metrics.from mlflow or kubeflow: where MLflow's client, or Hugging Face's Trainer, sends what it logs. `artifact_dir` is where the trial leaves
 * files, `token_file` holds its token; both as the trial sees them. Any other source: nothing. */
void trial_env_loggers(const struct backend_job *job, const char *artifact_dir, const char *token_file, json_t *env);

/* HONE_SEED of a trial's replicate, from the experiment's seed. */
uint64_t trial_seed(uint64_t seed, int64_t trial, int64_t replicate);

#endif
