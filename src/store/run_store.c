/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs of pipelines. */
#include "base/mem.h"
#include "store/query.h"

#include <string.h>

#define PREFIX_MIN 4

enum err run_insert(struct db *db, struct run_row *r, struct error *error)
{
    enum err err = db_run(db, SQL_RUN_INSERT, NULL, error, "ttittttttttttiriiiiiimmi", r->uid, r->project, r->pipeline_id, r->pipeline, r->key, r->params, r->origin,
                          r->labels, run_state_name(r->state), r->outcome, r->reason, r->message, r->outputs, r->n_rows, r->saved_s, r->experiment_id, r->trial,
                          r->schedule_id, r->revision, r->create_ms, r->update_ms, r->start_ms, r->end_ms, (int64_t)!run_state_final(r->state));
    if (err == ERR_CONFLICT)
        return err_set(error, err, "RUN_EXISTS", "there is a run with key %s already", r->key);
    if (!err)
        r->id = sqlite3_last_insert_rowid(db->handle);
    return err;
}

static enum err missing(int64_t id, struct error *error)
{
    return err_set(error, ERR_NOT_FOUND, "RUN_NOT_FOUND", "there is no run with id %lld", (long long)id);
}

enum err run_update(struct db *db, const struct run_row *r, struct error *error)
{
    int changed = 0;
    enum err err = db_run(db, SQL_RUN_UPDATE, &changed, error, "itttttiriimmti", r->id, run_state_name(r->state), r->outcome, r->reason, r->message, r->outputs, r->n_rows,
                          r->saved_s, r->revision, r->update_ms, r->start_ms, r->end_ms, r->labels, (int64_t)!run_state_final(r->state));
    return err || changed ? err : missing(r->id, error);
}

static struct run_row read(sqlite3_stmt *row)
{
    return (struct run_row){.id = sqlite3_column_int64(row, 0),
                            .uid = column_text(row, 1),
                            .project = column_text(row, 2),
                            .pipeline_id = sqlite3_column_int64(row, 3),
                            .pipeline = column_text(row, 4),
                            .key = column_text(row, 5),
                            .params = column_text(row, 6),
                            .origin = column_text(row, 7),
                            .labels = column_text(row, 8),
                            .state = (enum run_state)run_state_parse(column_text(row, 9)),
                            .outcome = column_text(row, 10),
                            .reason = column_text(row, 11),
                            .message = column_text(row, 12),
                            .outputs = column_text(row, 13),
                            .n_rows = sqlite3_column_int64(row, 14),
                            .saved_s = sqlite3_column_double(row, 15),
                            .experiment_id = sqlite3_column_int64(row, 16),
                            .trial = sqlite3_column_int64(row, 17),
                            .schedule_id = sqlite3_column_int64(row, 18),
                            .revision = sqlite3_column_int64(row, 19),
                            .create_ms = sqlite3_column_int64(row, 20),
                            .update_ms = sqlite3_column_int64(row, 21),
                            .start_ms = sqlite3_column_int64(row, 22),
                            .end_ms = sqlite3_column_int64(row, 23)};
}

struct found {
    struct run_row *row;
    int n;
};

static bool keep(void *arg, sqlite3_stmt *row)
{
    struct found *f = arg;
    struct run_row r = read(row);
    if (!f->n++)
        f->row = run_copy(&r);
    return true;
}

static enum err one(struct db *db, sqlite3_stmt *st, struct run_row **out, const char *what, struct error *error)
{
    struct found f = {0};
    enum err err = db_each(db, st, keep, &f, error);
    if (!err && f.n > 1)
        err = err_set(error, ERR_CONFLICT, "RUN_AMBIGUOUS", "more than one run begins with %s: give more of it", what);
    if (!err && !f.n)
        err = err_set(error, ERR_NOT_FOUND, "RUN_NOT_FOUND", "there is no run %s", what);
    if (err)
        run_free(f.row);
    else
        *out = f.row;
    return err;
}

enum err run_get(struct db *db, const char *uid, struct run_row **out, struct error *error)
{
    sqlite3_stmt *st;
    size_t len = strlen(uid);
    bool prefix = len >= PREFIX_MIN && len < 36 && strspn(uid, "0123456789abcdef-") == len;
    enum err err = db_use(db, prefix ? SQL_RUN_PREFIX : SQL_RUN_GET, &st, error, "t", uid);
    return err ? err : one(db, st, out, uid, error);
}

enum err run_get_id(struct db *db, int64_t id, struct run_row **out, struct error *error)
{
    sqlite3_stmt *st;
    char what[32];
    (void)snprintf(what, sizeof what, "with id %lld", (long long)id);
    enum err err = db_use(db, SQL_RUN_GET_ID, &st, error, "i", id);
    return err ? err : one(db, st, out, what, error);
}

enum err run_get_key(struct db *db, const char *key, struct run_row **out, struct error *error)
{
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_RUN_GET_KEY, &st, error, "t", key);
    return err ? err : one(db, st, out, key, error);
}

struct listing {
    run_row_fn *row;
    void *arg;
};

static bool give(void *arg, sqlite3_stmt *row)
{
    struct listing *l = arg;
    struct run_row r = read(row);
    return l->row(l->arg, &r);
}

enum err run_live(struct db *db, run_row_fn *row, void *arg, struct error *error)
{
    struct listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_RUN_LIVE, &st, error, "");
    return err ? err : db_each(db, st, give, &l, error);
}

enum err run_of_schedule(struct db *db, int64_t schedule_id, run_row_fn *row, void *arg, struct error *error)
{
    struct listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_RUN_OF_SCHEDULE, &st, error, "i", schedule_id);
    return err ? err : db_each(db, st, give, &l, error);
}

enum err run_of_trial(struct db *db, int64_t experiment_id, int64_t trial, run_row_fn *row, void *arg, struct error *error)
{
    struct listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_RUN_OF_TRIAL, &st, error, "ii", experiment_id, trial);
    return err ? err : db_each(db, st, give, &l, error);
}

enum err run_list(struct db *db, const struct list_query *q, run_row_fn *row, void *arg, char **next, struct error *error)
{
    struct listing l = {row, arg};
    return query_list(db, &query_runs, q, give, &l, next, error);
}

enum err run_count(struct db *db, const struct list_query *q, int64_t *n, struct error *error)
{
    return query_count(db, &query_runs, q, n, error);
}

enum err run_delete(struct db *db, int64_t id, struct error *error)
{
    static const enum sql parts[] = {SQL_RUN_BURY, SQL_RUN_DELETE_MEASUREMENTS, SQL_RUN_DELETE_ATTEMPTS, SQL_RUN_DELETE_STEPS, SQL_RUN_DELETE};
    int changed = 0;
    enum err err = OK;
    for (size_t i = 0; i < ARRAY_LEN(parts) && !err; i++)
        err = db_run(db, parts[i], &changed, error, "i", id);
    return err || changed ? err : missing(id, error);
}
