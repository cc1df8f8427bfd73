/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/states.h"

#include <string.h>

struct state {
    const char *name;
    bool final;
};

#define X(name, final) {#name, final},
static const struct state experiment_states[] = {EXPERIMENT_STATES(X)};
static const struct state trial_states[] = {TRIAL_STATES(X)};
static const struct state run_states[] = {RUN_STATES(X)};
static const struct state step_states[] = {STEP_STATES(X)};
#undef X

static int parse(const struct state *states, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(states[i].name, name))
            return i;
    return -1;
}

const char *experiment_state_name(enum experiment_state s)
{
    return experiment_states[s].name;
}

const char *trial_state_name(enum trial_state s)
{
    return trial_states[s].name;
}

int experiment_state_parse(const char *name)
{
    return parse(experiment_states, EXPERIMENT_STATE_COUNT, name);
}

int trial_state_parse(const char *name)
{
    return parse(trial_states, TRIAL_STATE_COUNT, name);
}

bool experiment_state_final(enum experiment_state s)
{
    return experiment_states[s].final;
}

bool trial_state_final(enum trial_state s)
{
    return trial_states[s].final;
}

const char *run_state_name(enum run_state s)
{
    return run_states[s].name;
}

const char *step_state_name(enum step_state s)
{
    return step_states[s].name;
}

int run_state_parse(const char *name)
{
    return parse(run_states, RUN_STATE_COUNT, name);
}

int step_state_parse(const char *name)
{
    return parse(step_states, STEP_STATE_COUNT, name);
}

bool run_state_final(enum run_state s)
{
    return run_states[s].final;
}

bool step_state_final(enum step_state s)
{
    return step_states[s].final;
}
