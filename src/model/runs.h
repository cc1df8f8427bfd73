/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stored nouns of pipelines as plain data, and their JSON as the API shows it. Strings as in nouns.h: borrowed in a row callback; the _copy
 * functions give one that owns its strings. Times are wall ms, 0 = not yet. */
#ifndef HONE_MODEL_RUNS_H
#define HONE_MODEL_RUNS_H

#include "model/states.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* One version of a pipeline. */
struct pipeline_row {
    int64_t id;
    const char *project, *name, *sha, *version;
    const char *document; /* JSON of the normalised file */
    const char *code;     /* JSON object: canonical text of a list of code files -> its artifact; "" -> that of all */
    int64_t create_ms;
};

struct run_row {
    int64_t id;
    const char *uid, *project;
    int64_t pipeline_id;
    const char *pipeline; /* its name */
    const char *key;      /* unique; "" = none */
    const char *params, *origin, *labels; /* JSON objects */
    enum run_state state;
    const char *outcome;  /* "" or the name of a final state */
    const char *reason, *message;
    const char *outputs;  /* JSON object */
    int64_t n_rows;       /* of steps: the highest seq */
    double saved_s;
    int64_t experiment_id, trial, schedule_id; /* 0 = none */
    int64_t revision;
    int64_t create_ms, update_ms, start_ms, end_ms;
};

struct step_row {
    int64_t run_id, seq, parent;
    const char *path, *step;
    int64_t item;
    enum step_state state;
    int64_t attempt, n_user, n_infra, retry_ms;
    const char *cache_key; /* "" = not known yet */
    const char *outputs;   /* JSON object, "" = none yet */
    const char *data;      /* JSON, "" */
    const char *cause, *message;
    double cost_s;         /* what it took; NAN */
    const char *cached_from;
    int64_t revision, start_ms, end_ms;
};

struct step_attempt {
    int64_t run_id, seq, number;
    enum step_state state;
    const char *cause, *message, *run_key, *cursor;
    int exit_code, signal; /* -1 = not known */
    int64_t create_ms, start_ms, end_ms;
};

struct step_measurement {
    int64_t run_id, seq;
    const char *metric;
    int64_t step;
    double value;
    bool cached; /* of the run that a cached step's outputs are from */
    int64_t time_ms;
};

struct cache_entry {
    const char *scope, *key, *outputs, *metrics, *origin;
    double cost_s;
    int64_t bytes, n_hits, create_ms, used_ms;
};

struct schedule_row {
    int64_t id;
    const char *project, *name, *kind, *document, *target;
    bool paused;
    int64_t queued, next_ms, create_ms;
};

struct fire_row {
    int64_t schedule_id, planned_ms;
    const char *outcome, *started, *message;
    int64_t time_ms;
};

struct pipeline_row *pipeline_row_copy(const struct pipeline_row *p);
void pipeline_row_free(struct pipeline_row *p);
struct run_row *run_copy(const struct run_row *r);
void run_free(struct run_row *r);
struct step_row *step_copy(const struct step_row *s);
void step_row_free(struct step_row *s);
struct step_attempt *step_attempt_copy(const struct step_attempt *a);
void step_attempt_free(struct step_attempt *a);
struct cache_entry *cache_entry_copy(const struct cache_entry *e);
void cache_entry_free(struct cache_entry *e);
struct schedule_row *schedule_copy(const struct schedule_row *s);
void schedule_free(struct schedule_row *s);

/* New references. */
json_t *pipeline_row_json(const struct pipeline_row *p, bool with_document);
json_t *run_row_json(const struct run_row *r);
json_t *step_row_json(const struct step_row *s);
json_t *step_attempt_json(const struct step_attempt *a);
json_t *step_measurement_json(const struct step_measurement *m);
json_t *schedule_json(const struct schedule_row *s);
json_t *fire_json(const struct fire_row *f);

#endif
