/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Schedules and their firings. */
#include "base/mem.h"
#include "store/db.h"

#define FIRES_KEPT_MS ((int64_t)90 * 24 * 3600 * 1000)

enum err schedule_insert(struct db *db, struct schedule_row *s, struct error *error)
{
    enum err err = db_run(db, SQL_SCHEDULE_INSERT, NULL, error, "tttttiimi", s->project, s->name, s->kind, s->document, s->target, (int64_t)s->paused, s->queued, s->next_ms, s->create_ms);
    if (err == ERR_CONFLICT)
        return err_set(error, err, "SCHEDULE_EXISTS", "project %s has a schedule %s already: take another name, or delete that one", s->project, s->name);
    if (!err)
        s->id = sqlite3_last_insert_rowid(db->handle);
    return err;
}

enum err schedule_update(struct db *db, const struct schedule_row *s, struct error *error)
{
    return db_run(db, SQL_SCHEDULE_UPDATE, NULL, error, "ittiim", s->id, s->document, s->target, (int64_t)s->paused, s->queued, s->next_ms);
}

static struct schedule_row read(sqlite3_stmt *row)
{
    return (struct schedule_row){.id = sqlite3_column_int64(row, 0),
                                 .project = column_text(row, 1),
                                 .name = column_text(row, 2),
                                 .kind = column_text(row, 3),
                                 .document = column_text(row, 4),
                                 .target = column_text(row, 5),
                                 .paused = sqlite3_column_int(row, 6) != 0,
                                 .queued = sqlite3_column_int64(row, 7),
                                 .next_ms = sqlite3_column_int64(row, 8),
                                 .create_ms = sqlite3_column_int64(row, 9)};
}

struct listing {
    schedule_row_fn *row;
    void *arg;
};

static bool give(void *arg, sqlite3_stmt *row)
{
    struct listing *l = arg;
    struct schedule_row s = read(row);
    return l->row(l->arg, &s);
}

static bool keep(void *arg, const struct schedule_row *s)
{
    *(struct schedule_row **)arg = schedule_copy(s);
    return false;
}

enum err schedule_get(struct db *db, const char *project, const char *name, struct schedule_row **out, struct error *error)
{
    struct schedule_row *found = NULL;
    struct listing l = {keep, &found};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_SCHEDULE_GET, &st, error, "tt", project, name);
    if (!err)
        err = db_each(db, st, give, &l, error);
    if (!err && !found)
        err = err_set(error, ERR_NOT_FOUND, "SCHEDULE_NOT_FOUND", "project %s has no schedule %.100s", project, name);
    *out = found;
    return err;
}

enum err schedule_list(struct db *db, const char *project, schedule_row_fn *row, void *arg, struct error *error)
{
    struct listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_SCHEDULE_LIST, &st, error, "t", project);
    return err ? err : db_each(db, st, give, &l, error);
}

enum err schedule_delete(struct db *db, int64_t id, struct error *error)
{
    enum err err = db_run(db, SQL_SCHEDULE_DELETE_FIRES, NULL, error, "i", id);
    return err ? err : db_run(db, SQL_SCHEDULE_DELETE, NULL, error, "i", id);
}

enum err fire_put(struct db *db, const struct fire_row *f, struct error *error)
{
    enum err err = db_run(db, SQL_FIRE_PUT, NULL, error, "iittti", f->schedule_id, f->planned_ms, f->outcome, f->started, f->message, f->time_ms);
    return err ? err : db_run(db, SQL_FIRE_PRUNE, NULL, error, "ii", f->schedule_id, f->time_ms - FIRES_KEPT_MS);
}

struct fires {
    bool (*row)(void *arg, const struct fire_row *f);
    void *arg;
};

static bool give_fire(void *arg, sqlite3_stmt *row)
{
    struct fires *l = arg;
    struct fire_row f = {.schedule_id = sqlite3_column_int64(row, 0),
                         .planned_ms = sqlite3_column_int64(row, 1),
                         .outcome = column_text(row, 2),
                         .started = column_text(row, 3),
                         .message = column_text(row, 4),
                         .time_ms = sqlite3_column_int64(row, 5)};
    return l->row(l->arg, &f);
}

enum err fire_list(struct db *db, int64_t schedule_id, int64_t limit, bool (*row)(void *arg, const struct fire_row *f), void *arg, struct error *error)
{
    struct fires l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_FIRE_LIST, &st, error, "ii", schedule_id, limit);
    return err ? err : db_each(db, st, give_fire, &l, error);
}
