/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lists can be filtered and ordered by: a line a field. */
#include "store/query.h"

static const char *trial_state(int i)
{
    return i < TRIAL_STATE_COUNT ? trial_state_name((enum trial_state)i) : NULL;
}

static const char *experiment_state(int i)
{
    return i < EXPERIMENT_STATE_COUNT ? experiment_state_name((enum experiment_state)i) : NULL;
}

static const struct query_field trial_fields[] = {
    {.name = "number", .kind = QUERY_NUMBER, .sql = "number", .order_sql = "id"},
    {.name = "state", .kind = QUERY_STATE, .sql = "state", .parse_state = trial_state_parse, .state_name = trial_state},
    {.name = "reason", .kind = QUERY_TEXT, .sql = "reason"},
    {.name = "objective", .kind = QUERY_NUMBER, .sql = "objective", .nullable = true},
    {.name = "objective_se", .kind = QUERY_NUMBER, .sql = "objective_se", .nullable = true},
    {.name = "attempt", .kind = QUERY_NUMBER, .sql = "attempt"},
    {.name = "replicate", .kind = QUERY_NUMBER, .sql = "replicate"},
    {.name = "worker", .kind = QUERY_TEXT, .sql = "worker"},
    {.name = "note", .kind = QUERY_TEXT, .sql = "note"},
    {.name = "progress", .kind = QUERY_NUMBER, .sql = "progress", .nullable = true},
    {.name = "revision", .kind = QUERY_NUMBER, .sql = "revision"},
    {.name = "create_time", .kind = QUERY_TIME, .sql = "create_ms"},
    {.name = "update_time", .kind = QUERY_TIME, .sql = "update_ms"},
    {.name = "start_time", .kind = QUERY_TIME, .sql = "start_ms", .nullable = true},
    {.name = "end_time", .kind = QUERY_TIME, .sql = "end_ms", .nullable = true},
    {.name = "params", .kind = QUERY_JSON, .sql = "params"},
    {.name = "metrics", .kind = QUERY_JSON, .sql = "metrics"},
    {.name = "labels", .kind = QUERY_JSON, .sql = "labels"},
    {.name = "origin", .kind = QUERY_JSON, .sql = "origin"},
    {0},
};

static const struct query_field experiment_fields[] = {
    {.name = "name", .kind = QUERY_TEXT, .sql = "name"},
    {.name = "project", .kind = QUERY_TEXT, .sql = "project"},
    {.name = "uid", .kind = QUERY_TEXT, .sql = "uid"},
    {.name = "state", .kind = QUERY_STATE, .sql = "state", .parse_state = experiment_state_parse, .state_name = experiment_state},
    {.name = "reason", .kind = QUERY_TEXT, .sql = "reason"},
    {.name = "n_trials", .kind = QUERY_NUMBER, .sql = "n_trials"},
    {.name = "best.number", .kind = QUERY_NUMBER, .sql = "best_number", .nullable = true},
    {.name = "best.value", .kind = QUERY_NUMBER, .sql = "best_value", .nullable = true},
    {.name = "note", .kind = QUERY_TEXT, .sql = "note"},
    {.name = "revision", .kind = QUERY_NUMBER, .sql = "revision"},
    {.name = "create_time", .kind = QUERY_TIME, .sql = "create_ms"},
    {.name = "update_time", .kind = QUERY_TIME, .sql = "update_ms"},
    {.name = "start_time", .kind = QUERY_TIME, .sql = "start_ms", .nullable = true},
    {.name = "end_time", .kind = QUERY_TIME, .sql = "end_ms", .nullable = true},
    {.name = "labels", .kind = QUERY_JSON, .sql = "labels"},
    {.name = "annotations", .kind = QUERY_JSON, .sql = "annotations"},
    {0},
};

static const char *run_state(int i)
{
    return i < RUN_STATE_COUNT ? run_state_name((enum run_state)i) : NULL;
}

static const struct query_field run_fields[] = {
    {.name = "uid", .kind = QUERY_TEXT, .sql = "uid"},
    {.name = "project", .kind = QUERY_TEXT, .sql = "project"},
    {.name = "pipeline", .kind = QUERY_TEXT, .sql = "pipeline"},
    {.name = "state", .kind = QUERY_STATE, .sql = "state", .parse_state = run_state_parse, .state_name = run_state},
    {.name = "reason", .kind = QUERY_TEXT, .sql = "reason"},
    {.name = "trial", .kind = QUERY_NUMBER, .sql = "trial"},
    {.name = "saved_seconds", .kind = QUERY_NUMBER, .sql = "saved_s"},
    {.name = "revision", .kind = QUERY_NUMBER, .sql = "revision"},
    {.name = "create_time", .kind = QUERY_TIME, .sql = "create_ms"},
    {.name = "update_time", .kind = QUERY_TIME, .sql = "update_ms"},
    {.name = "start_time", .kind = QUERY_TIME, .sql = "start_ms", .nullable = true},
    {.name = "end_time", .kind = QUERY_TIME, .sql = "end_ms", .nullable = true},
    {.name = "params", .kind = QUERY_JSON, .sql = "params"},
    {.name = "outputs", .kind = QUERY_JSON, .sql = "outputs"},
    {.name = "origin", .kind = QUERY_JSON, .sql = "origin"},
    {.name = "labels", .kind = QUERY_JSON, .sql = "labels"},
    {0},
};

const struct query_noun query_trials = {"trials", TRIAL_COLUMNS, "trials", "id", false, trial_fields};
const struct query_noun query_experiments = {"experiments", EXPERIMENT_COLUMNS, EXPERIMENT_FROM, "id", true, experiment_fields};
const struct query_noun query_runs = {"runs", RUN_COLUMNS, "runs", "id", true, run_fields};
