/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trials: lists, one with its attempts, the leaderboard and the optimal ones. */
#include "handlers.h"
#include "pareto.h"
#include "ranking.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define BOARD_DEFAULT 20
#define BOARD_MAX 1000
#define FRONT_MAX 1000

struct rows {
    struct buf b;
    size_t n;
    unsigned fields;
};

static bool add_trial(void *arg, const struct trial *t)
{
    struct rows *rows = arg;
    if (rows->n++)
        buf_add(&rows->b, ",", 1);
    text_trial(&rows->b, t, rows->fields);
    return true;
}

enum err handle_trials(struct request *r, struct error *error)
{
    struct page page;
    struct db *db;
    struct experiment *e = NULL;
    struct rows rows = {.fields = FIELDS_ALL};
    char *next CLEANUP_FREE = NULL;
    int64_t total = 0;
    enum err err = page_open(r, &page, error);
    if (!err)
        err = text_fields(request_query(r, "fields"), &rows.fields, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_experiment(r, db, &e, error);
    page.query.experiment_id = e ? e->id : 0;
    buf_adds(&rows.b, "{\"trials\":[");
    if (!err)
        err = trial_list(db, &page.query, add_trial, &rows, &next, error);
    if (!err && page.count)
        err = trial_count(db, &page.query, &total, error);
    if (!err) {
        page_end(&rows.b, &page, next, total);
        answer_buf(r, 200, &rows.b);
    }
    buf_release(&rows.b);
    experiment_free(e);
    page_close(&page);
    return err;
}

static bool add_attempt(void *arg, const struct attempt *a)
{
    struct rows *rows = arg;
    if (rows->n++)
        buf_add(&rows->b, ",", 1);
    text_attempt(&rows->b, a);
    return true;
}

enum err handle_trial(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e = NULL;
    struct trial *t = NULL;
    struct rows rows = {0};
    enum err err = request_db(r, &db, error);
    if (!err)
        err = request_trial(r, db, &e, &t, error);
    if (err)
        return err;
    if (!answer_not_modified(r, t->revision)) {
        text_trial(&rows.b, t, FIELDS_ALL);
        rows.b.len--; /* opens the object again */
        buf_adds(&rows.b, ",\"attempts\":[");
        err = attempt_list(db, t->id, add_attempt, &rows, error);
        buf_adds(&rows.b, "]}");
        if (!err) {
            answer_etag(r, t->revision);
            answer_buf(r, 200, &rows.b);
        }
    }
    buf_release(&rows.b);
    trial_free(t);
    experiment_free(e);
    return err;
}

/* --- the best */

/* New reference. The stored file is normalised: it always has the list. */
static json_t *objectives_of(const struct experiment *e)
{
    json_t *document = experiment_document(e), *list = json_incref(json_object_get(document, "objectives"));
    json_decref(document);
    return list;
}

static void member(struct buf *b, const char *name, const json_t *objective)
{
    buf_addf(b, ",\"%s\":", name);
    text_json(b, json_object_get(objective, name));
}

static bool has_outcome_constraints(const struct experiment *e)
{
    json_t *document = experiment_document(e);
    bool has = json_array_size(json_object_get(document, "outcome_constraints")) > 0;
    json_decref(document);
    return has;
}

/* After the trials that may be used, those that miss the outcome constraints by the least: their state says so. */
static enum err add_nearly_feasible(struct db *db, const struct experiment *e, int64_t room, struct rows *rows, struct error *error)
{
    struct core_view *view;
    struct ranking ranking;
    if (room <= 0 || !e->counts[TRIAL_INFEASIBLE] || !has_outcome_constraints(e))
        return OK;
    enum err err = core_view_open(db, e, &view, error);
    if (err)
        return err;
    struct search s = {.problem = core_view_problem(view)};
    s.history = core_view_history(view, &s.n_history);
    ranking_init(&ranking, &s, 1);
    for (size_t i = ranking.n_good; i < ranking.n_telling && room-- > 0 && !err; i++) {
        struct trial *t;
        err = trial_get(db, e->id, ranking.best[i]->number, &t, error);
        if (err)
            break;
        (void)add_trial(rows, t);
        trial_free(t);
    }
    ranking_release(&ranking);
    core_view_close(view);
    return err;
}

enum err handle_leaderboard(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e = NULL;
    struct rows rows = {.fields = FIELDS_LEADERBOARD};
    int64_t limit;
    enum err err = query_int(r, "limit", BOARD_DEFAULT, 1, BOARD_MAX, &limit, error);
    if (!err)
        err = text_fields(request_query(r, "fields"), &rows.fields, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_experiment(r, db, &e, error);
    buf_adds(&rows.b, "{\"trials\":[");
    if (!err)
        err = trial_leaderboard(db, e->id, limit, add_trial, &rows, error);
    if (!err)
        err = add_nearly_feasible(db, e, limit - (int64_t)rows.n, &rows, error);
    if (!err) {
        json_t *objectives = objectives_of(e);
        buf_adds(&rows.b, "]");
        member(&rows.b, "metric", json_array_get(objectives, 0));
        member(&rows.b, "direction", json_array_get(objectives, 0));
        buf_adds(&rows.b, "}");
        json_decref(objectives);
        answer_buf(r, 200, &rows.b);
    }
    buf_release(&rows.b);
    experiment_free(e);
    return err;
}

/* --- optimal */

struct candidates {
    const json_t *objectives;
    size_t n_objectives, n, cap;
    int64_t *numbers;
    double *values; /* n_objectives each, smaller is better */
};

static bool add_candidate(void *arg, const struct trial *t)
{
    struct candidates *c = arg;
    if (t->state != TRIAL_SUCCEEDED)
        return true;
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        c->numbers = x_realloc(c->numbers, c->cap * sizeof *c->numbers);
        c->values = x_realloc(c->values, c->cap * c->n_objectives * sizeof *c->values);
    }
    json_t *metrics = json_loads(t->metrics, 0, NULL);
    bool known = true;
    for (size_t i = 0; i < c->n_objectives; i++) {
        json_t *objective = json_array_get(c->objectives, i);
        const char *direction = json_string_value(json_object_get(objective, "direction"));
        double value, sign = direction && !strcmp(direction, "maximize") ? -1 : 1;
        const char *metric = json_string_value(json_object_get(objective, "metric"));
        known = known && number_from_json(json_object_get(metrics, metric ? metric : ""), &value) && !isnan(value);
        if (known)
            c->values[c->n * c->n_objectives + i] = sign * value;
    }
    json_decref(metrics);
    if (known)
        c->numbers[c->n++] = t->number;
    return true;
}

static enum err front(struct db *db, const struct experiment *e, const json_t *objectives, struct rows *rows, struct error *error)
{
    struct candidates c = {.objectives = objectives, .n_objectives = json_array_size(objectives)};
    enum err err = trial_history(db, e->id, add_candidate, &c, error);
    size_t *best CLEANUP_FREE = x_calloc(c.n, sizeof *best);
    size_t n = err ? 0 : pareto_front(c.values, c.n, c.n_objectives, best);
    for (size_t i = 0; i < n && i < FRONT_MAX && !err; i++) {
        struct trial *t;
        err = trial_get(db, e->id, c.numbers[best[i]], &t, error);
        if (!err)
            (void)add_trial(rows, t);
        if (!err)
            trial_free(t);
    }
    free(c.numbers);
    free(c.values);
    return err;
}

static void add_objectives(struct buf *b, const json_t *objectives)
{
    for (size_t i = 0; i < json_array_size(objectives); i++) {
        buf_adds(b, i ? ",{\"metric\":" : "{\"metric\":");
        text_json(b, json_object_get(json_array_get(objectives, i), "metric"));
        member(b, "direction", json_array_get(objectives, i));
        buf_adds(b, "}");
    }
}

enum err handle_optimal(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e = NULL;
    struct rows rows = {.fields = FIELDS_ALL};
    json_t *objectives = NULL;
    enum err err = text_fields(request_query(r, "fields"), &rows.fields, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_experiment(r, db, &e, error);
    if (err)
        return err;
    objectives = objectives_of(e);
    buf_adds(&rows.b, "{\"trials\":[");
    if (json_array_size(objectives) > 1)
        err = front(db, e, objectives, &rows, error);
    else
        err = trial_leaderboard(db, e->id, 1, add_trial, &rows, error);
    buf_adds(&rows.b, "],\"objectives\":[");
    add_objectives(&rows.b, objectives);
    buf_adds(&rows.b, "]}");
    if (!err)
        answer_buf(r, 200, &rows.b);
    json_decref(objectives);
    buf_release(&rows.b);
    experiment_free(e);
    return err;
}
