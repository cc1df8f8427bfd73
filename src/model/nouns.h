/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stored nouns as plain data, and their JSON as the API shows it.
 *
 * Strings are borrowed unless a function says otherwise: inside a row callback of store/ they live until the callback
 * returns; experiment_copy / trial_copy / attempt_copy give one that owns its strings, for x_free. Times are wall ms, 0 = not yet. */
#ifndef HONE_MODEL_NOUNS_H
#define HONE_MODEL_NOUNS_H

#include "model/spec.h"
#include "model/states.h"

#include <jansson.h>
#include <stdint.h>

struct experiment {
    int64_t id;
    const char *uid, *project, *name;
    const char *spec; /* JSON text of the normalised file */
    enum experiment_state state;
    const char *reason, *message; /* MAX_TRIALS, GOAL_REACHED, USER, ...; "" */
    int64_t seed;     /* bits of the uint64_t */
    int64_t cursor;   /* of the search algorithm */
    int64_t n_trials; /* created so far = the highest number */
    int64_t counts[TRIAL_STATE_COUNT];
    int64_t best_number; /* 0 = none */
    double best_value;   /* of the first objective, user's sense; NAN */
    const char *labels, *annotations; /* JSON objects */
    const char *note;
    int64_t revision;    /* of its last event */
    int64_t create_ms, update_ms, start_ms, end_ms;
};

struct trial {
    int64_t id, experiment_id, number;
    enum trial_state state;
    const char *reason, *message;
    const char *params;  /* JSON object */
    const double *x;     /* the snapped point, n_x coordinates; NULL when the point is foreign */
    size_t n_x;
    double objective;    /* first objective, user's sense; NAN */
    double rank;         /* what leaderboards sort by: smaller is better, set only for SUCCEEDED; NAN */
    const char *metrics; /* JSON object: final value of each metric (by the objective's strategy, last for others) */
    double objective_se; /* standard error over replicates, NAN */
    int64_t attempt;     /* the present one, from 1; 0 = none yet */
    int64_t replicate;   /* the present one, from 0 */
    const char *worker;  /* who leased it; "" */
    const char *origin;  /* JSON: {"by": "gp"|"user"|"initial"|"warm_start"|"retry"|"import", "how":, "expected":, "deviation":, "acquisition":, "note":} */
    const char *labels, *note;
    double progress;     /* 0..1, NAN = not told */
    int64_t revision;
    int64_t create_ms, update_ms, start_ms, end_ms;
};

struct attempt {
    int64_t trial_id, number, replicate;
    enum trial_state state;
    const char *reason, *message;
    const char *run_key; /* the backend's name for it; "" for a leased one */
    const char *handle;  /* the backend's own small JSON, "" */
    const char *cursor;  /* where the collector stands, "" */
    const char *worker;
    int exit_code, signal; /* -1 = not known */
    double lease_s;
    int64_t create_ms, start_ms, end_ms;
};

/* Nothing more comes of it. PAUSED: its trial may go on, in a new attempt. */
static inline bool attempt_over(const struct attempt *a)
{
    return trial_state_final(a->state) || a->state == TRIAL_PAUSED;
}

struct measurement {
    const char *metric;
    int64_t step, attempt, replicate, time_ms;
    double value; /* NAN stays NAN, infinities stay */
};

struct event {
    int64_t revision, time_ms, experiment_id;
    int64_t trial;       /* number, 0 = about the experiment */
    int64_t run_id;      /* of a pipeline, 0 = not about one */
    const char *project, *experiment, *run; /* names, filled by reads */
    const char *kind;    /* "experiment.created", "trial.succeeded", ... */
    const char *data;    /* JSON object */
};

struct experiment *experiment_copy(const struct experiment *e);
void experiment_free(struct experiment *e);
struct trial *trial_copy(const struct trial *t);
void trial_free(struct trial *t);
struct attempt *attempt_copy(const struct attempt *a);
void attempt_free(struct attempt *a);

/* New references. Names of members are those of docs/reference/api.md (openapi.yaml). */
json_t *experiment_json(const struct experiment *e, bool with_spec);
json_t *trial_json(const struct trial *t);
json_t *attempt_json(const struct attempt *a);
json_t *measurement_json(const struct measurement *m);
json_t *event_json(const struct event *e);

json_t *number_json(double value);                      /* NAN, +-inf as "NaN", "Infinity", "-Infinity"; missing is the caller's null */
bool number_from_json(const json_t *value, double *out); /* numbers and those strings */
json_t *time_json(int64_t wall_ms);                     /* RFC 3339 string, null for 0 */

#endif
