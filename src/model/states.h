/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The states of experiments, trials and attempts, of runs of pipelines and their steps, and their names (docs/reference/states.md). */
#ifndef HONE_MODEL_STATES_H
#define HONE_MODEL_STATES_H

#include <stdbool.h>

/* CREATED -> RUNNING <-> PAUSED -> STOPPING -> SUCCEEDED | FAILED | CANCELLED */
#define EXPERIMENT_STATES(X)                                                                 \
    X(CREATED, false) X(RUNNING, false) X(PAUSED, false) X(STOPPING, false)                  \
    X(SUCCEEDED, true) X(FAILED, true) X(CANCELLED, true)

/* QUEUED -> STARTING -> RUNNING <-> PAUSED -> STOPPING -> SUCCEEDED | PRUNED | INFEASIBLE | FAILED | LOST
 * | CANCELLED. LOST with retries left goes back to QUEUED. PAUSED: a stopping rule ended its attempt, and a new one may go on from its checkpoint.
 * Attempts use the same names. */
#define TRIAL_STATES(X)                                                                      \
    X(QUEUED, false) X(STARTING, false) X(RUNNING, false) X(PAUSED, false)                   \
    X(STOPPING, false) X(SUCCEEDED, true) X(PRUNED, true) X(INFEASIBLE, true)                \
    X(FAILED, true) X(LOST, true) X(CANCELLED, true)

enum experiment_state {
#define X(name, final) EXPERIMENT_##name,
    EXPERIMENT_STATES(X)
#undef X
    EXPERIMENT_STATE_COUNT
};

enum trial_state {
#define X(name, final) TRIAL_##name,
    TRIAL_STATES(X)
#undef X
    TRIAL_STATE_COUNT
};

const char *experiment_state_name(enum experiment_state s); /* "RUNNING" */
const char *trial_state_name(enum trial_state s);
int experiment_state_parse(const char *name); /* -1: no such state */
int trial_state_parse(const char *name);
bool experiment_state_final(enum experiment_state s);
bool trial_state_final(enum trial_state s);

/* RUNNING -> STOPPING -> SUCCEEDED | FAILED | CANCELLED. STOPPING: what it will end as is known, and steps are ending or those of `finally` run. */
#define RUN_STATES(X) X(RUNNING, false) X(STOPPING, false) X(SUCCEEDED, true) X(FAILED, true) X(CANCELLED, true)

/* WAITING -> STARTING -> RUNNING -> SUCCEEDED | FAILED; CACHE_WAIT: another one is making what it needs; RETRYING: until retry_ms. A step that holds
 * others (a map, a sub-pipeline, an expanded one) is RUNNING while they are not over. */
#define STEP_STATES(X)                                                                                                              \
    X(WAITING, false) X(CACHE_WAIT, false) X(STARTING, false) X(RUNNING, false) X(RETRYING, false) X(STOPPING, false)               \
    X(SUCCEEDED, true) X(CACHED, true) X(SKIPPED, true) X(FAILED, true) X(CANCELLED, true) X(UPSTREAM_FAILED, true)

enum run_state {
#define X(name, final) RUN_##name,
    RUN_STATES(X)
#undef X
    RUN_STATE_COUNT
};

enum step_state {
#define X(name, final) STEP_##name,
    STEP_STATES(X)
#undef X
    STEP_STATE_COUNT
};

const char *run_state_name(enum run_state s);
const char *step_state_name(enum step_state s);
int run_state_parse(const char *name); /* -1: no such state */
int step_state_parse(const char *name);
bool run_state_final(enum run_state s);
bool step_state_final(enum step_state s);

#endif
