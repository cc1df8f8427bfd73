/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trials. The id is experiment_id << 32 | number. */
#include "base/mem.h"
#include "store/query.h"

#include <math.h>
#include <string.h>

static int64_t id_of(int64_t experiment_id, int64_t number)
{
    return experiment_id << 32 | number;
}

static enum err missing(int64_t number, struct error *error)
{
    return err_set(error, ERR_NOT_FOUND, "TRIAL_NOT_FOUND", "the experiment has no trial %lld", (long long)number);
}

enum err trial_insert(struct db *db, struct trial *t, struct error *error)
{
    if (t->number < 1 || t->number > UINT32_MAX || t->experiment_id > INT32_MAX)
        return err_set(error, ERR_EXHAUSTED, "TOO_MANY_TRIALS", "an experiment cannot have more than %lld trials: create another one", (long long)UINT32_MAX);
    int64_t id = id_of(t->experiment_id, t->number);
    enum err err = db_run(db, SQL_TRIAL_INSERT, NULL, error, "ittttbrrtriittttriiimmi", id, trial_state_name(t->state), t->reason, t->message, t->params,
                          (const void *)t->x, t->n_x * sizeof *t->x, t->objective, t->rank, t->metrics, t->objective_se, t->attempt, t->replicate, t->worker,
                          t->origin, t->labels, t->note, t->progress, t->revision, t->create_ms, t->update_ms, t->start_ms, t->end_ms,
                          (int64_t)!trial_state_final(t->state));
    if (!err)
        t->id = id;
    return err;
}

enum err trial_update(struct db *db, const struct trial *t, struct error *error)
{
    int changed = 0;
    enum err err = db_run(db, SQL_TRIAL_UPDATE, &changed, error, "itttrrtriittttriimmi", t->id, trial_state_name(t->state), t->reason, t->message, t->objective,
                          t->rank, t->metrics, t->objective_se, t->attempt, t->replicate, t->worker, t->origin, t->labels, t->note, t->progress, t->revision,
                          t->update_ms, t->start_ms, t->end_ms, (int64_t)!trial_state_final(t->state));
    return err || changed ? err : missing(t->number, error);
}

enum err trial_delete(struct db *db, int64_t id, struct error *error)
{
    int changed = 0;
    enum err err = db_run(db, SQL_TRIAL_DELETE_MEASUREMENTS, NULL, error, "i", id);
    if (!err)
        err = db_run(db, SQL_TRIAL_DELETE, &changed, error, "i", id);
    return err || changed ? err : missing(id & UINT32_MAX, error);
}

/* --- reading */

/* A row's bytes may lie anywhere: doubles are moved to where they may be read. */
struct trial_listing {
    trial_row_fn *row;
    void *arg;
    double *x;
    size_t cap;
};

static void read_x(struct trial_listing *l, sqlite3_stmt *row, int i, struct trial *t)
{
    const void *bytes = sqlite3_column_blob(row, i);
    size_t n = (size_t)sqlite3_column_bytes(row, i) / sizeof *l->x;
    if (!bytes)
        return;
    if (n > l->cap) {
        l->cap = n;
        l->x = x_realloc(l->x, n * sizeof *l->x);
    }
    memcpy(l->x, bytes, n * sizeof *l->x);
    t->x = l->x;
    t->n_x = n;
}

static bool give(void *arg, sqlite3_stmt *row)
{
    struct trial_listing *l = arg;
    int64_t id = sqlite3_column_int64(row, 0);
    struct trial t = {.id = id,
                      .experiment_id = id >> 32,
                      .number = id & UINT32_MAX,
                      .state = (enum trial_state)trial_state_parse(column_text(row, 1)),
                      .reason = column_text(row, 2),
                      .message = column_text(row, 3),
                      .params = column_text(row, 4),
                      .objective = column_real(row, 6),
                      .rank = column_real(row, 7),
                      .metrics = column_text(row, 8),
                      .objective_se = column_real(row, 9),
                      .attempt = sqlite3_column_int64(row, 10),
                      .replicate = sqlite3_column_int64(row, 11),
                      .worker = column_text(row, 12),
                      .origin = column_text(row, 13),
                      .labels = column_text(row, 14),
                      .note = column_text(row, 15),
                      .progress = column_real(row, 16),
                      .revision = sqlite3_column_int64(row, 17),
                      .create_ms = sqlite3_column_int64(row, 18),
                      .update_ms = sqlite3_column_int64(row, 19),
                      .start_ms = sqlite3_column_int64(row, 20),
                      .end_ms = sqlite3_column_int64(row, 21)};
    read_x(l, row, 5, &t);
    return l->row(l->arg, &t);
}

static bool give_observation(void *arg, sqlite3_stmt *row)
{
    struct trial_listing *l = arg;
    struct trial t = {.id = sqlite3_column_int64(row, 0),
                      .number = sqlite3_column_int64(row, 0) & UINT32_MAX,
                      .state = (enum trial_state)trial_state_parse(column_text(row, 1)),
                      .objective = column_real(row, 3),
                      .rank = (double)NAN,
                      .metrics = column_text(row, 4),
                      .objective_se = column_real(row, 5),
                      .start_ms = sqlite3_column_int64(row, 6),
                      .end_ms = sqlite3_column_int64(row, 7),
                      .origin = column_text(row, 8),
                      .progress = (double)NAN};
    read_x(l, row, 2, &t);
    return l->row(l->arg, &t);
}

static bool keep(void *arg, const struct trial *t)
{
    *(struct trial **)arg = trial_copy(t);
    return false;
}

static enum err each(struct db *db, sqlite3_stmt *st, db_row_fn *read, trial_row_fn *row, void *arg, struct error *error)
{
    struct trial_listing listing = {.row = row, .arg = arg};
    enum err err = db_each(db, st, read, &listing, error);
    free(listing.x);
    return err;
}

enum err trial_get(struct db *db, int64_t experiment_id, int64_t number, struct trial **out, struct error *error)
{
    struct trial *found = NULL;
    sqlite3_stmt *st;
    if (number < 1 || number > UINT32_MAX)
        return missing(number, error);
    enum err err = db_use(db, SQL_TRIAL_GET, &st, error, "i", id_of(experiment_id, number));
    if (!err)
        err = each(db, st, give, keep, &found, error);
    if (err)
        return err;
    *out = found;
    return found ? OK : missing(number, error);
}

enum err trial_live(struct db *db, int64_t experiment_id, trial_row_fn *row, void *arg, struct error *error)
{
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_TRIAL_LIVE, &st, error, "i", experiment_id);
    return err ? err : each(db, st, give, row, arg, error);
}

enum err trial_history(struct db *db, int64_t experiment_id, trial_row_fn *row, void *arg, struct error *error)
{
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_TRIAL_HISTORY, &st, error, "i", experiment_id);
    return err ? err : each(db, st, give_observation, row, arg, error);
}

enum err trial_leaderboard(struct db *db, int64_t experiment_id, int64_t limit, trial_row_fn *row, void *arg, struct error *error)
{
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_TRIAL_LEADERBOARD, &st, error, "ii", experiment_id, limit);
    return err ? err : each(db, st, give, row, arg, error);
}

enum err trial_list(struct db *db, const struct list_query *q, trial_row_fn *row, void *arg, char **next, struct error *error)
{
    struct trial_listing listing = {.row = row, .arg = arg};
    enum err err = query_list(db, &query_trials, q, give, &listing, next, error);
    free(listing.x);
    return err;
}

static bool take_count(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return false;
}

enum err trial_count(struct db *db, const struct list_query *q, int64_t *n, struct error *error)
{
    if (q->filter)
        return query_count(db, &query_trials, q, n, error);
    *n = 0; /* the experiment has counted them */
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_TRIAL_COUNT, &st, error, "i", q->experiment_id);
    return err ? err : db_each(db, st, take_count, n, error);
}
