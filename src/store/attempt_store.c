/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attempts: what a trial was run as. */
#include "store/db.h"

static enum err write(struct db *db, enum sql id, const struct attempt *a, int *changed, struct error *error)
{
    return db_run(db, id, changed, error, "iiitttttttiirimm", a->trial_id, a->number, a->replicate, trial_state_name(a->state), a->reason, a->message,
                  a->run_key, a->handle, a->cursor, a->worker, (int64_t)a->exit_code, (int64_t)a->signal, a->lease_s, a->create_ms, a->start_ms, a->end_ms);
}

static enum err missing(int64_t trial_id, int64_t number, struct error *error)
{
    return err_set(error, ERR_NOT_FOUND, "ATTEMPT_NOT_FOUND", "trial %lld has no attempt %lld", (long long)(trial_id & UINT32_MAX), (long long)number);
}

enum err attempt_insert(struct db *db, const struct attempt *a, struct error *error)
{
    return write(db, SQL_ATTEMPT_INSERT, a, NULL, error);
}

enum err attempt_update(struct db *db, const struct attempt *a, struct error *error)
{
    int changed = 0;
    enum err err = write(db, SQL_ATTEMPT_UPDATE, a, &changed, error);
    return err || changed ? err : missing(a->trial_id, a->number, error);
}

static struct attempt read(sqlite3_stmt *row)
{
    return (struct attempt){.trial_id = sqlite3_column_int64(row, 0),
                            .number = sqlite3_column_int64(row, 1),
                            .replicate = sqlite3_column_int64(row, 2),
                            .state = (enum trial_state)trial_state_parse(column_text(row, 3)),
                            .reason = column_text(row, 4),
                            .message = column_text(row, 5),
                            .run_key = column_text(row, 6),
                            .handle = column_text(row, 7),
                            .cursor = column_text(row, 8),
                            .worker = column_text(row, 9),
                            .exit_code = sqlite3_column_int(row, 10),
                            .signal = sqlite3_column_int(row, 11),
                            .lease_s = sqlite3_column_double(row, 12),
                            .create_ms = sqlite3_column_int64(row, 13),
                            .start_ms = sqlite3_column_int64(row, 14),
                            .end_ms = sqlite3_column_int64(row, 15)};
}

static bool keep(void *arg, sqlite3_stmt *row)
{
    struct attempt a = read(row);
    *(struct attempt **)arg = attempt_copy(&a);
    return false;
}

enum err attempt_get(struct db *db, int64_t trial_id, int64_t number, struct attempt **out, struct error *error)
{
    struct attempt *found = NULL;
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_ATTEMPT_GET, &st, error, "ii", trial_id, number);
    if (!err)
        err = db_each(db, st, keep, &found, error);
    if (err)
        return err;
    if (!found)
        return missing(trial_id, number, error);
    *out = found;
    return OK;
}

struct attempt_listing {
    attempt_row_fn *row;
    void *arg;
};

static bool give(void *arg, sqlite3_stmt *row)
{
    struct attempt_listing *l = arg;
    struct attempt a = read(row);
    return l->row(l->arg, &a);
}

enum err attempt_list(struct db *db, int64_t trial_id, attempt_row_fn *row, void *arg, struct error *error)
{
    struct attempt_listing listing = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_ATTEMPT_LIST, &st, error, "i", trial_id);
    return err ? err : db_each(db, st, give, &listing, error);
}
