/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small values of the service itself, and the projects. */
#include "base/mem.h"
#include "store/db.h"

static bool keep_text(void *arg, sqlite3_stmt *row)
{
    *(char **)arg = x_strdup(column_text(row, 0));
    return false;
}

enum err meta_get(struct db *db, const char *key, char **value, struct error *error)
{
    char *text = NULL;
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_META_GET, &st, error, "t", key);
    if (!err)
        err = db_each(db, st, keep_text, &text, error);
    if (err)
        return err;
    if (!text)
        return err_set(error, ERR_NOT_FOUND, NULL, "no value is stored under %s", key);
    *value = text;
    return OK;
}

enum err meta_put(struct db *db, const char *key, const char *value, struct error *error)
{
    return db_run(db, SQL_META_PUT, NULL, error, "tt", key, value);
}

static bool seen(void *arg, sqlite3_stmt *row)
{
    (void)row;
    *(bool *)arg = true;
    return false;
}

bool project_exists(struct db *db, const char *project)
{
    bool exists = false;
    sqlite3_stmt *st;
    return !db_use(db, SQL_PROJECT_EXISTS, &st, NULL, "t", project) && !db_each(db, st, seen, &exists, NULL) && exists;
}

enum err project_insert(struct db *db, const char *name, int64_t now_ms, struct error *error)
{
    enum err err = db_run(db, SQL_PROJECT_INSERT, NULL, error, "ti", name, now_ms);
    return err == ERR_CONFLICT ? err_set(error, err, "PROJECT_EXISTS", "there is a project %s already", name) : err;
}

struct project_listing {
    bool (*row)(void *arg, const char *name, int64_t create_ms);
    void *arg;
};

static bool give_project(void *arg, sqlite3_stmt *row)
{
    struct project_listing *l = arg;
    return l->row(l->arg, column_text(row, 0), sqlite3_column_int64(row, 1));
}

enum err project_list(struct db *db, bool (*row)(void *arg, const char *name, int64_t create_ms), void *arg, struct error *error)
{
    struct project_listing listing = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_PROJECT_LIST, &st, error, "");
    return err ? err : db_each(db, st, give_project, &listing, error);
}
