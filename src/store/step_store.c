/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps of runs, their attempts and measurements, and the cache of what they gave. */
#include "base/mem.h"
#include "store/db.h"

enum err step_put(struct db *db, const struct step_row *s, struct error *error)
{
    return db_run(db, SQL_STEP_PUT, NULL, error, "iiittitiiimtttttrtimm", s->run_id, s->seq, s->parent, s->path, s->step, s->item, step_state_name(s->state), s->attempt,
                  s->n_user, s->n_infra, s->retry_ms, s->cache_key, s->outputs, s->data, s->cause, s->message, s->cost_s, s->cached_from, s->revision, s->start_ms,
                  s->end_ms);
}

enum err step_delete_inside(struct db *db, int64_t run_id, const char *path, struct error *error)
{
    return db_run(db, SQL_STEP_DELETE_INSIDE, NULL, error, "it", run_id, path);
}

static struct step_row read_step(sqlite3_stmt *row)
{
    return (struct step_row){.run_id = sqlite3_column_int64(row, 0),
                             .seq = sqlite3_column_int64(row, 1),
                             .parent = sqlite3_column_int64(row, 2),
                             .path = column_text(row, 3),
                             .step = column_text(row, 4),
                             .item = sqlite3_column_int64(row, 5),
                             .state = (enum step_state)step_state_parse(column_text(row, 6)),
                             .attempt = sqlite3_column_int64(row, 7),
                             .n_user = sqlite3_column_int64(row, 8),
                             .n_infra = sqlite3_column_int64(row, 9),
                             .retry_ms = sqlite3_column_int64(row, 10),
                             .cache_key = column_text(row, 11),
                             .outputs = column_text(row, 12),
                             .data = column_text(row, 13),
                             .cause = column_text(row, 14),
                             .message = column_text(row, 15),
                             .cost_s = column_real(row, 16),
                             .cached_from = column_text(row, 17),
                             .revision = sqlite3_column_int64(row, 18),
                             .start_ms = sqlite3_column_int64(row, 19),
                             .end_ms = sqlite3_column_int64(row, 20)};
}

struct step_listing {
    step_row_fn *row;
    void *arg;
};

static bool give_step(void *arg, sqlite3_stmt *row)
{
    struct step_listing *l = arg;
    struct step_row s = read_step(row);
    return l->row(l->arg, &s);
}

enum err step_list(struct db *db, int64_t run_id, int64_t after, int64_t limit, step_row_fn *row, void *arg, struct error *error)
{
    struct step_listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_STEP_LIST, &st, error, "iii", run_id, after, limit);
    return err ? err : db_each(db, st, give_step, &l, error);
}

static bool keep_step(void *arg, const struct step_row *s)
{
    *(struct step_row **)arg = step_copy(s);
    return false;
}

enum err step_by_path(struct db *db, int64_t run_id, const char *path, struct step_row **out, struct error *error)
{
    struct step_row *found = NULL;
    struct step_listing l = {keep_step, &found};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_STEP_BY_PATH, &st, error, "it", run_id, path);
    if (!err)
        err = db_each(db, st, give_step, &l, error);
    if (!err && !found)
        err = err_set(error, ERR_NOT_FOUND, "STEP_NOT_FOUND", "the run has no step %.100s that has begun; `hone pipeline describe` lists them", path);
    *out = found;
    return err;
}

enum err step_attempt_put(struct db *db, const struct step_attempt *a, struct error *error)
{
    return db_run(db, SQL_STEP_ATTEMPT_PUT, NULL, error, "iiitttttiiimm", a->run_id, a->seq, a->number, step_state_name(a->state), a->cause, a->message, a->run_key,
                  a->cursor, (int64_t)a->exit_code, (int64_t)a->signal, a->create_ms, a->start_ms, a->end_ms);
}

struct attempt_listing {
    step_attempt_fn *row;
    void *arg;
};

static bool give_attempt(void *arg, sqlite3_stmt *row)
{
    struct attempt_listing *l = arg;
    struct step_attempt a = {.run_id = sqlite3_column_int64(row, 0),
                             .seq = sqlite3_column_int64(row, 1),
                             .number = sqlite3_column_int64(row, 2),
                             .state = (enum step_state)step_state_parse(column_text(row, 3)),
                             .cause = column_text(row, 4),
                             .message = column_text(row, 5),
                             .run_key = column_text(row, 6),
                             .cursor = column_text(row, 7),
                             .exit_code = sqlite3_column_int(row, 8),
                             .signal = sqlite3_column_int(row, 9),
                             .create_ms = sqlite3_column_int64(row, 10),
                             .start_ms = sqlite3_column_int64(row, 11),
                             .end_ms = sqlite3_column_int64(row, 12)};
    return l->row(l->arg, &a);
}

enum err step_attempt_list(struct db *db, int64_t run_id, int64_t seq, step_attempt_fn *row, void *arg, struct error *error)
{
    struct attempt_listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_STEP_ATTEMPT_LIST, &st, error, "iii", run_id, seq, seq ? seq : INT64_MAX);
    return err ? err : db_each(db, st, give_attempt, &l, error);
}

enum err step_measurement_put(struct db *db, const struct step_measurement *m, struct error *error)
{
    return db_run(db, SQL_STEP_MEASUREMENT_PUT, NULL, error, "iitirii", m->run_id, m->seq, m->metric, m->step, m->value, (int64_t)m->cached, m->time_ms);
}

struct measurement_listing {
    step_measurement_fn *row;
    void *arg;
};

static bool give_measurement(void *arg, sqlite3_stmt *row)
{
    struct measurement_listing *l = arg;
    struct step_measurement m = {.run_id = sqlite3_column_int64(row, 0),
                                 .seq = sqlite3_column_int64(row, 1),
                                 .metric = column_text(row, 2),
                                 .step = sqlite3_column_int64(row, 3),
                                 .value = column_real(row, 4),
                                 .cached = sqlite3_column_int(row, 5) != 0,
                                 .time_ms = sqlite3_column_int64(row, 6)};
    return l->row(l->arg, &m);
}

enum err step_measurement_list(struct db *db, int64_t run_id, int64_t seq, int64_t limit, step_measurement_fn *row, void *arg, struct error *error)
{
    struct measurement_listing l = {row, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_STEP_MEASUREMENT_LIST, &st, error, "iiii", run_id, seq, seq ? seq : INT64_MAX, limit);
    return err ? err : db_each(db, st, give_measurement, &l, error);
}

/* --- the cache */

static bool keep_entry(void *arg, sqlite3_stmt *row)
{
    struct cache_entry e = {.scope = column_text(row, 0),
                            .key = column_text(row, 1),
                            .outputs = column_text(row, 2),
                            .metrics = column_text(row, 3),
                            .origin = column_text(row, 4),
                            .cost_s = sqlite3_column_double(row, 5),
                            .bytes = sqlite3_column_int64(row, 6),
                            .n_hits = sqlite3_column_int64(row, 7),
                            .create_ms = sqlite3_column_int64(row, 8),
                            .used_ms = sqlite3_column_int64(row, 9)};
    *(struct cache_entry **)arg = cache_entry_copy(&e);
    return false;
}

enum err cache_get(struct db *db, const char *scope, const char *key, struct cache_entry **out, struct error *error)
{
    struct cache_entry *found = NULL;
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_CACHE_GET, &st, error, "tt", scope, key);
    if (!err)
        err = db_each(db, st, keep_entry, &found, error);
    if (err)
        return err;
    *out = found;
    return found ? OK : err_set(error, ERR_NOT_FOUND, "NOT_CACHED", "nothing is cached under %s", key);
}

enum err cache_put(struct db *db, const struct cache_entry *e, struct error *error)
{
    return db_run(db, SQL_CACHE_PUT, NULL, error, "tttttriiii", e->scope, e->key, e->outputs, e->metrics, e->origin, e->cost_s, e->bytes, e->n_hits, e->create_ms, e->used_ms);
}

enum err cache_hit(struct db *db, const char *scope, const char *key, int64_t now_ms, struct error *error)
{
    return db_run(db, SQL_CACHE_HIT, NULL, error, "tti", scope, key, now_ms);
}

enum err cache_drop(struct db *db, const char *scope, const char *key, struct error *error)
{
    return db_run(db, SQL_CACHE_DROP, NULL, error, "tt", scope, key);
}

enum err cache_prune(struct db *db, int64_t before_ms, struct error *error)
{
    return db_run(db, SQL_CACHE_PRUNE, NULL, error, "i", before_ms);
}

static bool keep_sum(void *arg, sqlite3_stmt *row)
{
    *(struct cache_sum *)arg = (struct cache_sum){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2)};
    return false;
}

enum err cache_sum(struct db *db, struct cache_sum *out, struct error *error)
{
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_CACHE_SUM, &st, error, "");
    return err ? err : db_each(db, st, keep_sum, out, error);
}

struct texts {
    bool (*text)(void *arg, const char *text);
    void *arg;
};

static bool give_text(void *arg, sqlite3_stmt *row)
{
    struct texts *t = arg;
    return t->text(t->arg, column_text(row, 0));
}

enum err artifact_texts(struct db *db, bool (*text)(void *arg, const char *text), void *arg, struct error *error)
{
    struct texts t = {text, arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_ARTIFACT_TEXTS, &st, error, "");
    return err ? err : db_each(db, st, give_text, &t, error);
}
