/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs of pipelines: lists, one with its steps, logs, measurements; made from a pipeline or from an earlier run. */
#include "handlers.h"
#include "model/yaml.h"
#include "text.h"

#include <string.h>

#define STEPS_DEFAULT 1000
#define STEPS_MAX 20000
#define POINTS_MAX 100000

struct step_listing {
    struct listing l;
    int64_t last;
};

static bool add_run(void *arg, const struct run_row *row)
{
    listing_add(arg, run_row_json(row));
    return true;
}

static bool add_step(void *arg, const struct step_row *row)
{
    struct step_listing *s = arg;
    listing_add(&s->l, step_row_json(row));
    s->last = row->seq;
    return true;
}

static bool add_point(void *arg, const struct step_measurement *m)
{
    listing_add(arg, step_measurement_json(m));
    return true;
}

/* {run}: a uid, or the beginning of one. */
static enum err find_run(struct request *r, struct db *db, struct run_row **out, struct error *error)
{
    enum err err = run_get(db, r->arg[1], out, error);
    if (err || !strcmp(r->arg[0], "-") || !strcmp((*out)->project, r->arg[0]))
        return err;
    run_free(*out);
    return err_set(error, ERR_NOT_FOUND, "RUN_NOT_FOUND", "project %.70s has no run %.70s", r->arg[0], r->arg[1]);
}

enum err handle_runs(struct request *r, struct error *error)
{
    struct page page;
    struct db *db;
    struct listing l = {.b = BUF_INIT};
    char *next CLEANUP_FREE = NULL;
    int64_t total = 0;
    enum err err = page_open(r, &page, error);
    if (!err)
        err = request_db(r, &db, error);
    page.query.project = r->arg[0];
    buf_adds(&l.b, "{\"runs\":[");
    if (!err)
        err = run_list(db, &page.query, add_run, &l, &next, error);
    if (!err && page.count)
        err = run_count(db, &page.query, &total, error);
    if (!err) {
        page_end(&l.b, &page, next, total);
        answer_buf(r, 200, &l.b);
    }
    buf_release(&l.b);
    page_close(&page);
    return err;
}

/* ?wait=SECONDS: until it has ended. */
enum err handle_run(struct request *r, struct error *error)
{
    struct db *db;
    struct run_row *row;
    double seconds;
    enum err err = query_seconds(r, "wait", &seconds, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = find_run(r, db, &row, error);
    if (err)
        return err;
    if (!run_state_final(row->state) && request_may_wait(r, seconds)) {
        request_wait(r, -row->id, r->deadline);
    } else if (!answer_not_modified(r, row->revision)) {
        struct pipeline_row *p = NULL;
        json_t *json = run_row_json(row);
        if (!pipeline_get_id(db, row->pipeline_id, &p, NULL)) {
            (void)json_object_set_new(json, "sha", json_string(p->sha));
            (void)json_object_set_new(json, "version", json_string(p->version));
        }
        pipeline_row_free(p);
        answer_json(r, 200, json);
        answer_etag(r, row->revision);
    }
    run_free(row);
    return err;
}

enum err handle_run_steps(struct request *r, struct error *error)
{
    struct db *db;
    struct run_row *row;
    struct step_listing s = {0};
    int64_t after, limit;
    enum err err = query_int(r, "after", 0, 0, INT64_MAX, &after, error);
    if (!err)
        err = query_int(r, "limit", STEPS_DEFAULT, 1, STEPS_MAX, &limit, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = find_run(r, db, &row, error);
    if (err)
        return err;
    buf_adds(&s.l.b, "{\"steps\":[");
    err = step_list(db, row->id, after, limit, add_step, &s, error);
    if ((int64_t)s.l.n == limit)
        buf_addf(&s.l.b, "],\"next\":%lld}", (long long)s.last);
    else
        buf_adds(&s.l.b, "]}");
    if (!err)
        answer_buf(r, 200, &s.l.b);
    buf_release(&s.l.b);
    run_free(row);
    return err;
}

/* The step that ?step names; *row NULL: none is named. */
static enum err named_step(struct request *r, struct db *db, const struct run_row *run, struct step_row **row, struct error *error)
{
    const char *path = request_query(r, "step");
    *row = NULL;
    return path && *path ? step_by_path(db, run->id, path, row, error) : OK;
}

enum err handle_run_measurements(struct request *r, struct error *error)
{
    struct db *db;
    struct run_row *run;
    struct step_row *step = NULL;
    struct listing l = {.b = BUF_INIT};
    enum err err = request_db(r, &db, error);
    if (!err)
        err = find_run(r, db, &run, error);
    if (err)
        return err;
    err = named_step(r, db, run, &step, error);
    buf_adds(&l.b, "{\"measurements\":[");
    if (!err)
        err = step_measurement_list(db, run->id, step ? step->seq : 0, POINTS_MAX, add_point, &l, error);
    buf_adds(&l.b, "]}");
    if (!err)
        answer_buf(r, 200, &l.b);
    buf_release(&l.b);
    step_row_free(step);
    run_free(run);
    return err;
}

/* --- logs */

struct wanted {
    int64_t attempt;
    char run_key[80];
};

static bool pick_attempt(void *arg, const struct step_attempt *a)
{
    struct wanted *w = arg;
    if (!w->attempt || w->attempt == a->number)
        (void)snprintf(w->run_key, sizeof w->run_key, "%s", a->run_key);
    return true;
}

struct last {
    struct step_row *row;
};

/* Without ?step: the one that failed, else the newest that ran. */
static bool pick_step(void *arg, const struct step_row *s)
{
    struct last *l = arg;
    bool better = s->attempt && (!l->row || l->row->state != STEP_FAILED || s->state == STEP_FAILED);
    if (better) {
        step_row_free(l->row);
        l->row = step_copy(s);
    }
    return true;
}

enum err handle_run_logs(struct request *r, struct error *error)
{
    struct db *db;
    struct run_row *run;
    struct step_row *step;
    struct wanted w = {0};
    enum err err = query_int(r, "attempt", 0, 1, INT64_MAX, &w.attempt, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = find_run(r, db, &run, error);
    if (err)
        return err;
    err = named_step(r, db, run, &step, error);
    if (!err && !step) {
        struct last last = {0};
        err = step_list(db, run->id, 0, STEPS_MAX, pick_step, &last, error);
        step = last.row;
    }
    if (!err && step)
        err = step_attempt_list(db, run->id, step->seq, pick_attempt, &w, error);
    if (!err && !*w.run_key)
        err = err_set(error, ERR_NOT_FOUND, "NO_LOGS", step && *step->cached_from ? "step %s did not run: its outputs are those of %s" : "nothing was run%.0s%.0s", step ? step->path : "",
                      step ? step->cached_from : "");
    if (!err)
        err = answer_logs_of(r, "process", w.run_key, -run->id, error);
    step_row_free(step);
    run_free(run);
    return err;
}

/* --- made */

static enum err refuse(struct request *r, struct problems *problems, const char *what, struct error *error)
{
    char place[200];
    problems_dotted(problems->items[0].pointer, place, sizeof place);
    (void)err_set(error, ERR_INVALID, "PIPELINE_INVALID", "the %s has %zu problem%s; the first: %s: %s", what, problems->n + problems->n_dropped,
                  problems->n + problems->n_dropped == 1 ? "" : "s", place, problems->items[0].detail);
    answer_problem(r, error, problems_json(problems->items, problems->n));
    problems_release(problems);
    return OK;
}

enum err request_document(struct request *r, const char *const *members, json_t **out, struct error *error)
{
    if (!r->body.len)
        return err_set(error, ERR_SYNTAX, "FILE_MISSING", "the body is missing: send JSON or YAML");
    json_t *body = yaml_load(r->body.data, r->body.len, error);
    if (!body)
        return ERR_SYNTAX == error->code ? error->code : err_set(error, ERR_SYNTAX, "FILE_SYNTAX", "%s", error->detail);
    const char *name;
    json_t *value;
    enum err err = json_is_object(body) ? OK : err_set(error, ERR_INVALID, "BODY_TYPE", "the body must be an object");
    json_object_foreach(body, name, value)
    {
        size_t i = 0;
        while (members[i] && strcmp(members[i], name) != 0)
            i++;
        if (!members[i] && !err) {
            const char *meant = did_you_mean(name, members);
            err = err_set(error, ERR_INVALID, "UNKNOWN_FIELD", "%.60s is not known here%s%s%s", name, meant ? " (did you mean \"" : "", meant ? meant : "", meant ? "\"?)" : "");
        }
    }
    if (err)
        json_decref(body);
    else
        *out = body;
    return err;
}

enum err request_pipeline(struct request *r, json_t *body, struct error *error)
{
    struct problems problems = {0};
    core_pin(r->api->core, r->arg[0], body, "", &problems);
    if (problems.n) {
        json_decref(body);
        return refuse(r, &problems, "pipeline", error);
    }
    problems_release(&problems);
    if (query_true(r, "validate_only")) {
        answer_json(r, 200, json_pack("{s:b, s:O}", "valid", 1, "pipeline", json_object_get(body, "pipeline")));
        json_decref(body);
        return OK;
    }
    return request_send(r, body, error);
}

enum err handle_run_create(struct request *r, struct error *error)
{
    static const char *const members[] = {"pipeline", "params", "root", "code", "key", "labels", NULL};
    json_t *body;
    enum err err = request_document(r, members, &body, error);
    return err ? err : request_pipeline(r, body, error);
}

/* An earlier run again: of the same or another version, with the same or other params; what has not changed is taken from it. */
static enum err rerun_body(struct request *r, struct db *db, const struct run_row *run, json_t **out, struct error *error)
{
    const char *version = json_string_value(json_object_get(r->json, "version"));
    json_t *params = json_loads(run->params, 0, NULL), *given = json_object_get(r->json, "params"), *from = json_object_get(r->json, "from");
    struct pipeline_row *p = NULL;
    enum err err = version ? pipeline_find(db, run->project, run->pipeline, version, &p, error) : pipeline_get_id(db, run->pipeline_id, &p, error);
    if (!err) {
        (void)json_object_update(params, given);
        json_t *origin = json_pack("{s:s, s:I, s:O*}", "run", run->uid, "run_id", (json_int_t)run->id, "from", from);
        *out = json_pack("{s:o, s:o, s:O, s:o, s:O*}", "pipeline", json_loads(p->document, 0, NULL), "code", json_loads(p->code, 0, NULL), "params", params, "origin", origin,
                         "labels", json_object_get(r->json, "labels"));
    }
    json_decref(params);
    pipeline_row_free(p);
    return err;
}

enum err handle_run_rerun(struct request *r, struct error *error)
{
    struct db *db;
    struct run_row *run;
    json_t *body;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = find_run(r, db, &run, error);
    if (err)
        return err;
    err = rerun_body(r, db, run, &body, error);
    run_free(run);
    return err ? err : request_send(r, body, error);
}

enum err handle_run_events(struct request *r, struct error *error)
{
    return handle_events(r, error);
}
