/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The database: SQLite in WAL mode, one writer, many readers. No other folder includes sqlite3.h.
 *
 * The core thread owns the writer connection; any other thread takes a reader for one request (store_reader / store_reader_done)
 * and sees one snapshot per call, or one over several calls between db_begin_read and db_end_read. Nothing here locks over a call.
 * All SQL is in sql.def. `synchronous` is FULL: once db_commit has returned OK the rows are on disk.
 *
 * Functions return ERR_STORAGE (disk full, read-only, I/O), ERR_CONFLICT (a uniqueness rule), ERR_NOT_FOUND, ERR_INTERNAL. After an error
 * inside a write transaction the caller must db_rollback. Row callbacks return false to stop; what they are given is borrowed. */
#ifndef HONE_STORE_STORE_H
#define HONE_STORE_STORE_H

#include "base/err.h"
#include "model/filter.h"
#include "model/nouns.h"
#include "model/runs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct db;

/* Opens (makes, migrates) DIR/hone.db. Takes DIR/lock so that a second server on the directory is refused by name with the holder's pid
 * (ERR_CONFLICT "DATA_DIR_IN_USE"). A database newer than this binary (ERR_UNSUPPORTED "DATABASE_NEWER"), corrupt (ERR_STORAGE
 * "DATABASE_CORRUPT"), or a directory that cannot be written ("DATA_DIR_READ_ONLY") are told apart, with what to do. */
enum err store_open(const char *dir, struct store **out, struct error *error);
void store_close(struct store *s); /* checkpoints the WAL; all readers must be back */

struct db *store_writer(struct store *s);
struct db *store_reader(struct store *s); /* from a free list, made when it is empty; NULL if it cannot be opened (files, memory) */
void store_reader_done(struct store *s, struct db *reader);
enum err store_check(struct db *db, struct error *error); /* integrity_check and our own invariants: counts match rows, one live attempt a trial, ... */

enum err db_begin(struct db *db, struct error *error); /* BEGIN IMMEDIATE */
enum err db_commit(struct db *db, struct error *error);
void db_rollback(struct db *db);
enum err db_begin_read(struct db *db, struct error *error);
void db_end_read(struct db *db);
enum err db_prepare_all(struct db *db, struct error *error); /* compiles every statement of sql.def: a test and `hone doctor` call it */

/* --- meta: small values of the service itself */
enum err meta_get(struct db *db, const char *key, char **value, struct error *error); /* malloced; ERR_NOT_FOUND */
enum err meta_put(struct db *db, const char *key, const char *value, struct error *error);

/* --- experiments (project is a name; "default" exists from the start) */
typedef bool experiment_row_fn(void *arg, const struct experiment *e);
enum err experiment_insert(struct db *db, struct experiment *e, struct error *error); /* sets e->id; ERR_CONFLICT "EXPERIMENT_EXISTS" */
enum err experiment_update(struct db *db, const struct experiment *e, struct error *error); /* all but id, uid, project, name, create_ms */
enum err experiment_delete(struct db *db, int64_t id, struct error *error);           /* it is gone; what hangs on it stays for experiment_sweep */
/* Removes up to `rows` measurements and trials of a deleted experiment; `*more`: there may be others, of it or of another one. */
enum err experiment_sweep(struct db *db, int64_t rows, bool *more, struct error *error);
enum err experiment_get(struct db *db, const char *project, const char *name, struct experiment **out, struct error *error); /* owned copy; ERR_NOT_FOUND "EXPERIMENT_NOT_FOUND" */
enum err experiment_get_id(struct db *db, int64_t id, struct experiment **out, struct error *error);
enum err experiment_live(struct db *db, experiment_row_fn *row, void *arg, struct error *error); /* not in a final state: for recovery */
bool project_exists(struct db *db, const char *project);
enum err project_insert(struct db *db, const char *name, int64_t now_ms, struct error *error); /* ERR_CONFLICT "PROJECT_EXISTS" */
enum err project_list(struct db *db, bool (*row)(void *arg, const char *name, int64_t create_ms), void *arg, struct error *error);

/* One page of a list. Keyset paging: `after` is the token of the row before (from list_token of the last row given), "" = from the start. */
struct list_query {
    const char *project;         /* experiments: "-" = all projects */
    int64_t experiment_id;       /* trials */
    const struct filter *filter; /* may be NULL */
    const char *order_by;        /* "objective,-number"; NULL or "" = number / create_time descending for experiments */
    const char *after;           /* page token */
    int64_t limit;
};

/* `*next` is a malloced token if there are more rows, else NULL. ERR_INVALID names a field that cannot be filtered or ordered by. */
enum err experiment_list(struct db *db, const struct list_query *q, experiment_row_fn *row, void *arg, char **next, struct error *error);
enum err experiment_count(struct db *db, const struct list_query *q, int64_t *n, struct error *error);

/* --- trials */
typedef bool trial_row_fn(void *arg, const struct trial *t);
enum err trial_insert(struct db *db, struct trial *t, struct error *error); /* sets t->id */
enum err trial_update(struct db *db, const struct trial *t, struct error *error); /* all but id, experiment_id, number, params, x, create_ms */
enum err trial_delete(struct db *db, int64_t id, struct error *error);
enum err trial_get(struct db *db, int64_t experiment_id, int64_t number, struct trial **out, struct error *error); /* ERR_NOT_FOUND "TRIAL_NOT_FOUND" */
enum err trial_live(struct db *db, int64_t experiment_id, trial_row_fn *row, void *arg, struct error *error); /* not in a final state, by number; uses a partial index, so it costs what it gives */
enum err trial_history(struct db *db, int64_t experiment_id, trial_row_fn *row, void *arg, struct error *error); /* all with an x, by number; fills id, number, state, x, objective, metrics, objective_se, start_ms, end_ms, origin only */
enum err trial_leaderboard(struct db *db, int64_t experiment_id, int64_t limit, trial_row_fn *row, void *arg, struct error *error); /* by (rank, number) over a covering order index */
enum err trial_list(struct db *db, const struct list_query *q, trial_row_fn *row, void *arg, char **next, struct error *error);
enum err trial_count(struct db *db, const struct list_query *q, int64_t *n, struct error *error); /* without a filter: the sum of the experiment's counts */

/* --- attempts */
typedef bool attempt_row_fn(void *arg, const struct attempt *a);
enum err attempt_insert(struct db *db, const struct attempt *a, struct error *error);
enum err attempt_update(struct db *db, const struct attempt *a, struct error *error); /* by (trial_id, number) */
enum err attempt_get(struct db *db, int64_t trial_id, int64_t number, struct attempt **out, struct error *error);
enum err attempt_list(struct db *db, int64_t trial_id, attempt_row_fn *row, void *arg, struct error *error);

/* --- measurements: the first value of a (trial, attempt, step, metric, replicate) wins; a repeat changes nothing */
typedef bool measurement_row_fn(void *arg, const struct measurement *m);
enum err measurement_put(struct db *db, int64_t trial_id, const struct measurement *m, bool *is_new, struct error *error);
struct measurement_query {
    int64_t trial_id;
    const char *metric; /* NULL = all */
    int64_t from_step;
    int64_t max_points; /* 0 = all; else thinned by min/max of equal buckets, first and last kept */
};
enum err measurement_list(struct db *db, const struct measurement_query *q, measurement_row_fn *row, void *arg, struct error *error); /* by metric, step */
enum err measurement_at(struct db *db, int64_t trial_id, const char *metric, int64_t step, double *value, bool *found, struct error *error); /* of the first report at or after `step`, by its newest attempt */
/* Of one attempt, together with the paused ones before it: it goes on from them. */
struct measurement_summary { int64_t n, last_step; double last, min, max, mean; }; /* NAN values are left out of min, max, mean; `last` may be NAN */
enum err measurement_summarise(struct db *db, int64_t trial_id, int64_t attempt, const char *metric, struct measurement_summary *out, struct error *error); /* n = 0: none */
enum err measurement_metrics(struct db *db, int64_t trial_id, int64_t attempt, bool (*row)(void *arg, const char *metric, const struct measurement_summary *s), void *arg, struct error *error);

/* --- events: one log over all projects; revisions rise by one and have no gaps among what is kept */
enum err event_append(struct db *db, struct event *e, struct error *error); /* sets e->revision */
typedef bool event_row_fn(void *arg, const struct event *e);
struct event_query { int64_t after; int64_t experiment_id, run_id; /* 0 = all; its events up to its stored revision */ const char *project; /* NULL = all */ int64_t limit; };
enum err event_list(struct db *db, const struct event_query *q, event_row_fn *row, void *arg, struct error *error);
enum err event_bounds(struct db *db, int64_t *first, int64_t *last, struct error *error); /* kept ones; 0, 0 when there are none */
enum err event_prune(struct db *db, int64_t keep, struct error *error); /* drops the oldest beyond `keep`, at most 10,000 a call; the last one always stays */

/* --- pipelines: versions. `ref` of pipeline_find: "" = the newest, a version, an alias, a sha or 6 digits of it at least */
typedef bool pipeline_row_fn(void *arg, const struct pipeline_row *p);
enum err pipeline_put(struct db *db, struct pipeline_row *p, struct error *error); /* sets p->id; the same sha again is the same row. ERR_CONFLICT "PIPELINE_VERSION_EXISTS" */
enum err pipeline_get_id(struct db *db, int64_t id, struct pipeline_row **out, struct error *error);
enum err pipeline_find(struct db *db, const char *project, const char *name, const char *ref, struct pipeline_row **out, struct error *error); /* ERR_NOT_FOUND "PIPELINE_NOT_FOUND" */
enum err pipeline_list(struct db *db, const char *project, const char *name, pipeline_row_fn *row, void *arg, struct error *error); /* name NULL: the newest of each; else its versions, newest first */
enum err pipeline_alias(struct db *db, const char *project, const char *name, const char *alias, int64_t pipeline_id, struct error *error); /* ERR_CONFLICT: it is a version's */
enum err pipeline_tags(struct db *db, const char *project, const char *name, bool (*row)(void *arg, const char *tag, bool movable, const char *sha), void *arg, struct error *error);

/* --- runs of pipelines */
typedef bool run_row_fn(void *arg, const struct run_row *r);
enum err run_insert(struct db *db, struct run_row *r, struct error *error); /* sets r->id; ERR_CONFLICT: the key is there */
enum err run_update(struct db *db, const struct run_row *r, struct error *error); /* what changes while it runs, and labels */
enum err run_get(struct db *db, const char *uid, struct run_row **out, struct error *error); /* or the beginning of one, 4 characters at least; ERR_NOT_FOUND "RUN_NOT_FOUND" */
enum err run_get_id(struct db *db, int64_t id, struct run_row **out, struct error *error);
enum err run_get_key(struct db *db, const char *key, struct run_row **out, struct error *error);
enum err run_live(struct db *db, run_row_fn *row, void *arg, struct error *error);
enum err run_of_schedule(struct db *db, int64_t schedule_id, run_row_fn *row, void *arg, struct error *error); /* live ones */
enum err run_of_trial(struct db *db, int64_t experiment_id, int64_t trial, run_row_fn *row, void *arg, struct error *error);
enum err run_list(struct db *db, const struct list_query *q, run_row_fn *row, void *arg, char **next, struct error *error);
enum err run_count(struct db *db, const struct list_query *q, int64_t *n, struct error *error);
enum err run_delete(struct db *db, int64_t id, struct error *error);

typedef bool step_row_fn(void *arg, const struct step_row *s);
typedef bool step_attempt_fn(void *arg, const struct step_attempt *a);
typedef bool step_measurement_fn(void *arg, const struct step_measurement *m);
enum err step_put(struct db *db, const struct step_row *s, struct error *error); /* in the place of the one there was */
enum err step_delete_inside(struct db *db, int64_t run_id, const char *path, struct error *error); /* items, and steps below it */
enum err step_list(struct db *db, int64_t run_id, int64_t after, int64_t limit, step_row_fn *row, void *arg, struct error *error); /* by seq */
enum err step_by_path(struct db *db, int64_t run_id, const char *path, struct step_row **out, struct error *error); /* ERR_NOT_FOUND "STEP_NOT_FOUND" */
enum err step_attempt_put(struct db *db, const struct step_attempt *a, struct error *error);
enum err step_attempt_list(struct db *db, int64_t run_id, int64_t seq, step_attempt_fn *row, void *arg, struct error *error); /* seq 0 = of all steps */
enum err step_measurement_put(struct db *db, const struct step_measurement *m, struct error *error); /* the first of a (run, step, metric, step of it) stays */
enum err step_measurement_list(struct db *db, int64_t run_id, int64_t seq, int64_t limit, step_measurement_fn *row, void *arg, struct error *error);

/* --- what steps gave, by what it is a function of */
enum err cache_get(struct db *db, const char *scope, const char *key, struct cache_entry **out, struct error *error); /* ERR_NOT_FOUND */
enum err cache_put(struct db *db, const struct cache_entry *e, struct error *error);
enum err cache_hit(struct db *db, const char *scope, const char *key, int64_t now_ms, struct error *error);
enum err cache_drop(struct db *db, const char *scope, const char *key, struct error *error);
enum err cache_prune(struct db *db, int64_t before_ms, struct error *error); /* not used since */
struct cache_sum { int64_t n, bytes, hits; };
enum err cache_sum(struct db *db, struct cache_sum *out, struct error *error);
enum err artifact_texts(struct db *db, bool (*text)(void *arg, const char *text), void *arg, struct error *error); /* every stored text that names artifacts */

/* --- schedules */
typedef bool schedule_row_fn(void *arg, const struct schedule_row *s);
enum err schedule_insert(struct db *db, struct schedule_row *s, struct error *error); /* sets s->id; ERR_CONFLICT "SCHEDULE_EXISTS" */
enum err schedule_update(struct db *db, const struct schedule_row *s, struct error *error);
enum err schedule_get(struct db *db, const char *project, const char *name, struct schedule_row **out, struct error *error); /* ERR_NOT_FOUND "SCHEDULE_NOT_FOUND" */
enum err schedule_list(struct db *db, const char *project, schedule_row_fn *row, void *arg, struct error *error); /* NULL = of all projects */
enum err schedule_delete(struct db *db, int64_t id, struct error *error);
enum err fire_put(struct db *db, const struct fire_row *f, struct error *error);
enum err fire_list(struct db *db, int64_t schedule_id, int64_t limit, bool (*row)(void *arg, const struct fire_row *f), void *arg, struct error *error);

/* --- idempotency: the answer of a POST with an Idempotency-Key, kept 24 h */
enum err idempotency_get(struct db *db, const char *key, char **request_hash, int *status, char **reply, struct error *error); /* malloced; ERR_NOT_FOUND */
enum err idempotency_put(struct db *db, const char *key, const char *request_hash, int status, const char *reply, int64_t now_ms, struct error *error);
enum err idempotency_prune(struct db *db, int64_t before_ms, struct error *error);

#endif
