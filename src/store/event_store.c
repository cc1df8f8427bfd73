/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The event log. */
#include "store/db.h"

#define PRUNE_MAX 10000

enum err event_append(struct db *db, struct event *e, struct error *error)
{
    enum err err = db_run(db, SQL_EVENT_APPEND, NULL, error, "iiitti", e->time_ms, e->experiment_id, e->trial, e->kind, e->data, e->run_id);
    if (!err)
        e->revision = sqlite3_last_insert_rowid(db->handle); /* the highest there is and one */
    return err;
}

struct event_listing {
    event_row_fn *row;
    void *arg;
};

static bool give(void *arg, sqlite3_stmt *row)
{
    struct event_listing *l = arg;
    struct event e = {.revision = sqlite3_column_int64(row, 0),
                      .time_ms = sqlite3_column_int64(row, 1),
                      .experiment_id = sqlite3_column_int64(row, 2),
                      .trial = sqlite3_column_int64(row, 3),
                      .project = column_text(row, 4),
                      .experiment = column_text(row, 5),
                      .kind = column_text(row, 6),
                      .data = column_text(row, 7),
                      .run_id = sqlite3_column_int64(row, 8),
                      .run = column_text(row, 9)};
    return l->row(l->arg, &e);
}

enum err event_list(struct db *db, const struct event_query *q, event_row_fn *row, void *arg, struct error *error)
{
    struct event_listing listing = {row, arg};
    sqlite3_stmt *st;
    enum err err = q->run_id          ? db_use(db, SQL_EVENT_LIST_RUN, &st, error, "itii", q->after, q->project, q->limit, q->run_id)
                   : q->experiment_id ? db_use(db, SQL_EVENT_LIST_EXPERIMENT, &st, error, "itii", q->after, q->project, q->limit, q->experiment_id)
                                      : db_use(db, SQL_EVENT_LIST, &st, error, "iti", q->after, q->project, q->limit);
    return err ? err : db_each(db, st, give, &listing, error);
}

static bool take_bounds(void *arg, sqlite3_stmt *row)
{
    int64_t *bounds = arg;
    bounds[0] = sqlite3_column_int64(row, 0);
    bounds[1] = sqlite3_column_int64(row, 1);
    return false;
}

enum err event_bounds(struct db *db, int64_t *first, int64_t *last, struct error *error)
{
    int64_t bounds[2] = {0};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_EVENT_BOUNDS, &st, error, "");
    if (!err)
        err = db_each(db, st, take_bounds, bounds, error);
    if (err)
        return err;
    *first = bounds[0];
    *last = bounds[1];
    return OK;
}

enum err event_prune(struct db *db, int64_t keep, struct error *error)
{
    enum err err = db_run(db, SQL_EVENT_PRUNE, NULL, error, "ii", keep, (int64_t)PRUNE_MAX);
    if (!err)
        err = db_run(db, SQL_EVENT_PRUNE_DELETED, NULL, error, "");
    return err ? err : db_run(db, SQL_EVENT_PRUNE_RUNS, NULL, error, "");
}
