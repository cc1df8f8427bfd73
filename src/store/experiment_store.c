/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments. */
#include "base/mem.h"
#include "store/query.h"

_Static_assert(TRIAL_STATE_COUNT == 11, "a new state of trials is a new column of experiments, in the order of the states");

#define COUNTS(n) n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10]

static enum err name_taken(enum err err, const struct experiment *e, struct error *error)
{
    if (err != ERR_CONFLICT)
        return err;
    return err_set(error, err, "EXPERIMENT_EXISTS", "project %s has an experiment %s already: take another name, or delete that one", e->project,
                   e->name);
}

enum err experiment_insert(struct db *db, struct experiment *e, struct error *error)
{
    enum err err = db_run(db, SQL_EXPERIMENT_INSERT, NULL, error, "ttttttiiimriiimmiiiiiiiiiii", e->uid, e->project, e->name,
                          experiment_state_name(e->state), e->reason, e->message, e->seed, e->cursor, e->n_trials, e->best_number, e->best_value,
                          e->revision, e->create_ms, e->update_ms, e->start_ms, e->end_ms, COUNTS(e->counts));
    if (err)
        return name_taken(err, e, error);
    e->id = sqlite3_last_insert_rowid(db->handle);
    return db_run(db, SQL_EXPERIMENT_TEXTS_INSERT, NULL, error, "itttt", e->id, e->spec, e->labels, e->annotations, e->note);
}

static enum err missing(const char *project, const char *name, struct error *error)
{
    return err_set(error, ERR_NOT_FOUND, "EXPERIMENT_NOT_FOUND", "project %s has no experiment %s", project, name);
}

static enum err missing_id(int64_t id, struct error *error)
{
    return err_set(error, ERR_NOT_FOUND, "EXPERIMENT_NOT_FOUND", "there is no experiment with id %lld", (long long)id);
}

enum err experiment_update(struct db *db, const struct experiment *e, struct error *error)
{
    int changed = 0;
    enum err err = db_run(db, SQL_EXPERIMENT_UPDATE, &changed, error, "itttiiimriimmiiiiiiiiiii", e->id, experiment_state_name(e->state), e->reason,
                          e->message, e->seed, e->cursor, e->n_trials, e->best_number, e->best_value, e->revision, e->update_ms, e->start_ms,
                          e->end_ms, COUNTS(e->counts));
    if (!err && !changed)
        err = missing_id(e->id, error);
    return err ? err : db_run(db, SQL_EXPERIMENT_TEXTS_UPDATE, NULL, error, "itttt", e->id, e->spec, e->labels, e->annotations, e->note);
}

enum err experiment_delete(struct db *db, int64_t id, struct error *error)
{
    static const enum sql steps[] = {SQL_EXPERIMENT_BURY, SQL_EXPERIMENT_DELETE_TEXTS, SQL_EXPERIMENT_DELETE};
    int changed = 0;
    enum err err = OK;
    for (size_t i = 0; i < ARRAY_LEN(steps) && !err; i++)
        err = db_run(db, steps[i], &changed, error, "i", id);
    return err || changed ? err : missing_id(id, error);
}

static bool take_id(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return false;
}

enum err experiment_sweep(struct db *db, int64_t rows, bool *more, struct error *error)
{
    static const enum sql steps[] = {SQL_SWEEP_MEASUREMENTS, SQL_SWEEP_TRIALS};
    int64_t id = 0;
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_SWEEP_NEXT, &st, error, "");
    if (!err)
        err = db_each(db, st, take_id, &id, error);
    *more = id != 0;
    for (size_t i = 0; i < ARRAY_LEN(steps) && !err && id && rows > 0; i++) {
        int changed = 0;
        err = db_run(db, steps[i], &changed, error, "ii", id, rows);
        rows -= changed;
    }
    return err || !id || rows <= 0 ? err : db_run(db, SQL_SWEEP_DONE, NULL, error, "i", id);
}

static struct experiment read(sqlite3_stmt *row)
{
    struct experiment e = {.id = sqlite3_column_int64(row, 0),
                           .uid = column_text(row, 1),
                           .project = column_text(row, 2),
                           .name = column_text(row, 3),
                           .state = (enum experiment_state)experiment_state_parse(column_text(row, 4)),
                           .reason = column_text(row, 5),
                           .message = column_text(row, 6),
                           .seed = sqlite3_column_int64(row, 7),
                           .cursor = sqlite3_column_int64(row, 8),
                           .n_trials = sqlite3_column_int64(row, 9),
                           .best_number = sqlite3_column_int64(row, 10),
                           .best_value = column_real(row, 11),
                           .revision = sqlite3_column_int64(row, 12),
                           .create_ms = sqlite3_column_int64(row, 13),
                           .update_ms = sqlite3_column_int64(row, 14),
                           .start_ms = sqlite3_column_int64(row, 15),
                           .end_ms = sqlite3_column_int64(row, 16),
                           .spec = column_text(row, 17),
                           .labels = column_text(row, 18),
                           .annotations = column_text(row, 19),
                           .note = column_text(row, 20)};
    for (int i = 0; i < TRIAL_STATE_COUNT; i++)
        e.counts[i] = sqlite3_column_int64(row, 21 + i);
    return e;
}

static bool keep(void *arg, sqlite3_stmt *row)
{
    struct experiment e = read(row);
    *(struct experiment **)arg = experiment_copy(&e);
    return false;
}

enum err experiment_get(struct db *db, const char *project, const char *name, struct experiment **out, struct error *error)
{
    struct experiment *found = NULL;
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_EXPERIMENT_GET, &st, error, "tt", project, name);
    if (!err)
        err = db_each(db, st, keep, &found, error);
    if (err)
        return err;
    *out = found;
    return found ? OK : missing(project, name, error);
}

enum err experiment_get_id(struct db *db, int64_t id, struct experiment **out, struct error *error)
{
    struct experiment *found = NULL;
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_EXPERIMENT_GET_ID, &st, error, "i", id);
    if (!err)
        err = db_each(db, st, keep, &found, error);
    if (err)
        return err;
    *out = found;
    return found ? OK : missing_id(id, error);
}

struct experiment_listing {
    experiment_row_fn *row;
    void *arg;
};

static bool give(void *arg, sqlite3_stmt *row)
{
    struct experiment_listing *l = arg;
    struct experiment e = read(row);
    return l->row(l->arg, &e);
}

enum err experiment_live(struct db *db, experiment_row_fn *row, void *arg, struct error *error)
{
    struct experiment_listing listing = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_EXPERIMENT_LIVE, &st, error, "");
    return err ? err : db_each(db, st, give, &listing, error);
}

enum err experiment_list(struct db *db, const struct list_query *q, experiment_row_fn *row, void *arg, char **next, struct error *error)
{
    struct experiment_listing listing = {row, arg};
    return query_list(db, &query_experiments, q, give, &listing, next, error);
}

enum err experiment_count(struct db *db, const struct list_query *q, int64_t *n, struct error *error)
{
    return query_count(db, &query_experiments, q, n, error);
}
