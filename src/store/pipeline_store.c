/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Versions of pipelines and their names. */
#include "base/mem.h"
#include "store/db.h"

#include <string.h>

#define PREFIX_MIN 6

static struct pipeline_row read(sqlite3_stmt *row)
{
    return (struct pipeline_row){.id = sqlite3_column_int64(row, 0),
                                 .project = column_text(row, 1),
                                 .name = column_text(row, 2),
                                 .sha = column_text(row, 3),
                                 .version = column_text(row, 4),
                                 .document = column_text(row, 5),
                                 .code = column_text(row, 6),
                                 .create_ms = sqlite3_column_int64(row, 7)};
}

struct found {
    struct pipeline_row *row;
    int n;
};

static bool keep(void *arg, sqlite3_stmt *row)
{
    struct found *f = arg;
    struct pipeline_row p = read(row);
    if (!f->n++)
        f->row = pipeline_row_copy(&p);
    return true;
}

/* *out NULL: there is none. */
static enum err one(struct db *db, enum sql id, struct pipeline_row **out, struct error *error, const char *types, const char *a, const char *b, const char *c)
{
    struct found f = {0};
    sqlite3_stmt *st;
    enum err err = db_use(db, id, &st, error, types, a, b, c);
    if (!err)
        err = db_each(db, st, keep, &f, error);
    if (f.n > 1 && !err)
        err = err_set(error, ERR_CONFLICT, "PIPELINE_AMBIGUOUS", "more than one version of pipeline %s begins with %s: give more of it", b, c);
    if (err || !f.n) {
        pipeline_row_free(f.row);
        f.row = NULL;
    }
    *out = f.row;
    return err;
}

enum err pipeline_get_id(struct db *db, int64_t id, struct pipeline_row **out, struct error *error)
{
    struct found f = {0};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_PIPELINE_GET_ID, &st, error, "i", id);
    if (!err)
        err = db_each(db, st, keep, &f, error);
    if (!err && !f.row)
        err = err_set(error, ERR_NOT_FOUND, "PIPELINE_NOT_FOUND", "there is no pipeline with id %lld", (long long)id);
    *out = f.row;
    return err;
}

enum err pipeline_find(struct db *db, const char *project, const char *name, const char *ref, struct pipeline_row **out, struct error *error)
{
    *out = NULL;
    enum err err = *ref ? one(db, SQL_PIPELINE_TAGGED, out, error, "ttt", project, name, ref) : one(db, SQL_PIPELINE_NEWEST, out, error, "tt", project, name, "");
    if (!err && !*out && strlen(ref) >= PREFIX_MIN && strspn(ref, "0123456789abcdef") == strlen(ref))
        err = one(db, SQL_PIPELINE_PREFIX, out, error, "ttt", project, name, ref);
    if (!err && !*out)
        err = err_set(error, ERR_NOT_FOUND, "PIPELINE_NOT_FOUND", *ref ? "project %s has no pipeline %s of version %s" : "project %s has no pipeline %s%s", project, name, ref);
    return err;
}

/* The number of a version belongs to one sha for ever. */
static enum err put_tag(struct db *db, const struct pipeline_row *p, struct error *error)
{
    struct pipeline_row *has = NULL;
    enum err err = db_run(db, SQL_PIPELINE_TAG_INSERT, NULL, error, "ttti", p->project, p->name, p->version, p->id);
    if (!err)
        err = one(db, SQL_PIPELINE_TAGGED, &has, error, "ttt", p->project, p->name, p->version);
    if (!err && has && has->id != p->id)
        err = err_set(error, ERR_CONFLICT, "PIPELINE_VERSION_EXISTS", "version %s of pipeline %s is another one (%.12s): give what has changed a new version", p->version,
                      p->name, has->sha);
    pipeline_row_free(has);
    return err;
}

enum err pipeline_put(struct db *db, struct pipeline_row *p, struct error *error)
{
    struct pipeline_row *has = NULL;
    enum err err = one(db, SQL_PIPELINE_GET_SHA, &has, error, "ttt", p->project, p->name, p->sha);
    if (!err && !has) {
        err = db_run(db, SQL_PIPELINE_INSERT, NULL, error, "tttttti", p->project, p->name, p->sha, p->version, p->document, p->code, p->create_ms);
        p->id = sqlite3_last_insert_rowid(db->handle);
    } else if (!err) {
        p->id = has->id;
    }
    pipeline_row_free(has);
    return err || !*p->version ? err : put_tag(db, p, error);
}

struct listing {
    pipeline_row_fn *row;
    void *arg;
};

static bool give(void *arg, sqlite3_stmt *row)
{
    struct listing *l = arg;
    struct pipeline_row p = read(row);
    return l->row(l->arg, &p);
}

enum err pipeline_list(struct db *db, const char *project, const char *name, pipeline_row_fn *row, void *arg, struct error *error)
{
    struct listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = name ? db_use(db, SQL_PIPELINE_VERSIONS, &st, error, "tt", project, name) : db_use(db, SQL_PIPELINE_LIST, &st, error, "t", project);
    return err ? err : db_each(db, st, give, &l, error);
}

enum err pipeline_alias(struct db *db, const char *project, const char *name, const char *alias, int64_t pipeline_id, struct error *error)
{
    int changed = 0;
    enum err err = db_run(db, SQL_PIPELINE_TAG_MOVE, &changed, error, "ttti", project, name, alias, pipeline_id);
    if (!err && !changed)
        err = err_set(error, ERR_CONFLICT, "PIPELINE_VERSION_EXISTS", "%s is the number of a version of pipeline %s: it cannot be moved; take another name", alias, name);
    return err;
}

struct tags {
    bool (*row)(void *arg, const char *tag, bool movable, const char *sha);
    void *arg;
};

static bool give_tag(void *arg, sqlite3_stmt *row)
{
    struct tags *t = arg;
    return t->row(t->arg, column_text(row, 0), sqlite3_column_int(row, 1) != 0, column_text(row, 2));
}

enum err pipeline_tags(struct db *db, const char *project, const char *name, bool (*row)(void *arg, const char *tag, bool movable, const char *sha), void *arg, struct error *error)
{
    struct tags t = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_PIPELINE_TAGS, &st, error, "tt", project, name);
    return err ? err : db_each(db, st, give_tag, &t, error);
}
