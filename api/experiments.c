/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Projects and experiments: lists, one (with waiting for a state), creation from a file, removal. */
#include "base/clock.h"
#include "handlers.h"
#include "model/foreign.h"
#include "model/yaml.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#define SAMPLES 10

/* --- lists */

static bool add_project(void *arg, const char *name, int64_t create_ms)
{
    listing_add(arg, json_pack("{s:s, s:o}", "name", name, "create_time", time_json(create_ms)));
    return true;
}

enum err handle_projects(struct request *r, struct error *error)
{
    struct db *db;
    struct listing l = {.b = BUF_INIT};
    enum err err = request_db(r, &db, error);
    buf_adds(&l.b, "{\"projects\":[");
    if (!err)
        err = project_list(db, add_project, &l, error);
    buf_adds(&l.b, "]}");
    if (!err)
        answer_buf(r, 200, &l.b);
    buf_release(&l.b);
    return err;
}

static bool add_experiment(void *arg, const struct experiment *e)
{
    listing_add(arg, experiment_json(e, false));
    return true;
}

enum err handle_experiments(struct request *r, struct error *error)
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
    if (!err && strcmp(r->arg[0], "-") != 0 && !project_exists(db, r->arg[0]))
        err = err_set(error, ERR_NOT_FOUND, "PROJECT_NOT_FOUND", "there is no project %.70s", r->arg[0]);
    buf_adds(&l.b, "{\"experiments\":[");
    if (!err)
        err = experiment_list(db, &page.query, add_experiment, &l, &next, error);
    if (!err && page.count)
        err = experiment_count(db, &page.query, &total, error);
    if (!err) {
        page_end(&l.b, &page, next, total);
        answer_buf(r, 200, &l.b);
    }
    buf_release(&l.b);
    page_close(&page);
    return err;
}

/* --- one */

static const char *text_of(const struct experiment *e, const char *field, double *number)
{
    *number = NAN;
    if (!strcmp(field, "state"))
        return experiment_state_name(e->state);
    if (!strcmp(field, "reason"))
        return e->reason;
    if (!strcmp(field, "n_trials"))
        *number = (double)e->n_trials;
    else if (!strcmp(field, "revision"))
        *number = (double)e->revision;
    else if (!strcmp(field, "best") || !strcmp(field, "best.value"))
        *number = e->best_value;
    else if (!strncmp(field, "counts.", 7) && trial_state_parse(field + 7) >= 0)
        *number = (double)e->counts[trial_state_parse(field + 7)];
    else
        return NULL;
    return "";
}

static bool compare(enum filter_op op, int sign)
{
    return (op == FILTER_EQ && sign == 0) || (op == FILTER_NE && sign != 0) || (op == FILTER_LT && sign < 0) || (op == FILTER_LE && sign <= 0) ||
           (op == FILTER_GT && sign > 0) || (op == FILTER_GE && sign >= 0);
}

/* A field that is not known (yet) compares with nothing. */
static enum err holds(const struct filter *f, const struct experiment *e, bool *out, struct error *error)
{
    bool left = false, right = false;
    enum err err = OK;
    if (f->op == FILTER_AND || f->op == FILTER_OR || f->op == FILTER_NOT) {
        err = holds(f->left, e, &left, error);
        if (!err && f->op != FILTER_NOT)
            err = holds(f->right, e, &right, error);
        *out = f->op == FILTER_AND ? left && right : f->op == FILTER_OR ? left || right : !left;
        return err;
    }
    double number;
    const char *text = text_of(e, f->field, &number);
    if (!text)
        return err_set(error, ERR_INVALID, "QUERY", "wait_for can look at state, reason, n_trials, best, revision and counts.STATE, not at \"%.60s\"", f->field);
    if (*text)
        *out = compare(f->op, strcasecmp(text, f->text));
    else
        *out = !isnan(number) && !isnan(f->number) && compare(f->op, (number > f->number) - (number < f->number));
    return OK;
}

static enum err wait_for(const struct request *r, const struct experiment *e, bool *out, struct error *error)
{
    struct error why = {0};
    *out = true;
    struct filter *f = filter_parse(request_query(r, "wait_for"), &why);
    if (why.code) {
        *error = why;
        return why.code;
    }
    enum err err = f ? holds(f, e, out, error) : OK;
    filter_free(f);
    return err;
}

static enum err add_outlook(struct db *db, const struct experiment *e, json_t *to, struct error *error)
{
    const json_t *spec = json_object_get(to, "spec");
    const int64_t max = json_integer_value(json_object_get(json_object_get(spec, "trials"), "max"));
    struct outlook o;
    enum err err = core_outlook(db, e, max, json_array_size(json_object_get(spec, "objectives")), &o, error);
    if (err)
        return err;
    json_t *improvement = isfinite(o.improvement) ? json_real(o.improvement) : json_null();
    (void)json_object_set_new(to, "outlook", json_pack("{s:I, s:o}", "trials", (json_int_t)o.trials, "improvement", improvement));
    return OK;
}

/* The file as YAML, for people. */
static void answer_yaml(struct request *r, const json_t *document)
{
    char *text = yaml_dump(document);
    struct buf b = BUF_INIT;
    buf_adds(&b, text);
    free(text);
    answer_text(r, 200, "application/yaml", &b);
}

static enum err answer_experiment(struct request *r, struct db *db, const struct experiment *e, struct error *error)
{
    if (request_accepts(r, "application/yaml")) {
        json_t *document = experiment_document(e);
        answer_yaml(r, document);
        json_decref(document);
    } else {
        json_t *json = experiment_json(e, true);
        enum err err = add_outlook(db, e, json, error);
        if (err) {
            json_decref(json);
            return err;
        }
        answer_json(r, 200, json);
    }
    answer_etag(r, e->revision);
    return OK;
}

enum err handle_experiment(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e = NULL;
    double seconds;
    bool now = true;
    enum err err = query_seconds(r, "wait", &seconds, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_experiment(r, db, &e, error);
    if (!err)
        err = wait_for(r, e, &now, error);
    if (!err && !now && request_may_wait(r, seconds)) {
        request_wait(r, e->id, r->deadline);
    } else if (!err && !answer_not_modified(r, e->revision)) {
        err = answer_experiment(r, db, e, error);
    }
    experiment_free(e);
    return err;
}

/* --- creation */

/* Takes away what `problems` calls unknown; true if that was something. */
static bool drop_unknown(json_t *document, const struct problems *problems)
{
    bool dropped = false;
    for (size_t i = 0; i < problems->n; i++) {
        if (strcmp(problems->items[i].code, "UNKNOWN_FIELD") != 0)
            continue;
        char *pointer CLEANUP_FREE = x_strdup(problems->items[i].pointer), *rest = NULL;
        json_t *at = document, *parent = NULL;
        const char *name = NULL;
        for (char *part = strtok_r(pointer, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
            name = part;
            parent = at;
            at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10)) : json_object_get(at, part);
        }
        dropped |= name && json_is_object(parent) && json_object_del(parent, name) == 0;
    }
    return dropped;
}

static struct spec *read_spec(const struct request *r, json_t *document, struct problems *problems)
{
    struct spec *spec = spec_new(document, core_catalog(), problems);
    if (spec || !request_unknown_ok(r) || !drop_unknown(document, problems))
        return spec;
    problems_release(problems);
    return spec_new(document, core_catalog(), problems);
}

static enum err invalid(struct request *r, struct problems *problems, struct error *error)
{
    char place[200];
    problems_dotted(problems->items[0].pointer, place, sizeof place);
    (void)err_set(error, ERR_INVALID, "SPEC_INVALID", "the experiment file has %zu problem%s; the first: %s: %s", problems->n + problems->n_dropped,
                  problems->n + problems->n_dropped == 1 ? "" : "s", place, problems->items[0].detail);
    answer_problem(r, error, problems_json(problems->items, problems->n));
    return OK;
}

static void preview(struct request *r, const struct spec *spec, const struct problems *problems)
{
    if (request_accepts(r, "application/yaml")) {
        answer_yaml(r, spec->document);
        return;
    }
    answer_json(r, 200, json_pack("{s:b, s:O, s:o, s:o}", "valid", 1, "spec", spec->document, "warnings",
                                  problems_json(problems->warnings, problems->n_warnings), "samples", core_preview(spec, SAMPLES)));
}

static enum err check_type(const struct request *r, struct error *error)
{
    static const char *const known[] = {"json", "yaml", "octet-stream", "text/plain"};
    const char *type = r->header[HEADER_CONTENT_TYPE];
    for (size_t i = 0; type && i < ARRAY_LEN(known); i++)
        if (strcasestr(type, known[i]))
            return OK;
    return !type ? OK : err_set(error, ERR_MEDIA_TYPE, NULL, "the body is %.80s; send the experiment file with Content-Type: application/yaml or application/json", type);
}

static enum err warm_start(struct request *r, struct spec **spec, struct problems *problems, struct error *error)
{
    struct db *db;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = db_begin_read(db, error);
    if (err)
        return err;
    err = core_warm_start(db, r->arg[0], spec, problems, error);
    db_end_read(db);
    return err;
}

enum err handle_experiment_create(struct request *r, struct error *error)
{
    struct problems problems = {0};
    struct command *c;
    enum err err = check_type(r, error);
    if (!err && !r->body.len)
        err = err_set(error, ERR_SYNTAX, "FILE_MISSING", "the body must be an experiment file, YAML or JSON");
    if (err)
        return err;
    json_t *document = yaml_load(r->body.data, r->body.len, error);
    if (!document)
        return ERR_SYNTAX == error->code ? error->code : err_set(error, ERR_SYNTAX, "FILE_SYNTAX", "%s", error->detail);
    json_t *run = json_object_get(document, "run");
    if (json_is_string(json_object_get(run, "backend")) && !strcmp(json_string_value(json_object_get(run, "backend")), "pipeline"))
        core_pin(r->api->core, r->arg[0], run, "/run", &problems);
    if (foreign_is(document))
        core_prepare(r->api->core, document, &problems);
    struct spec *spec = problems.n ? NULL : read_spec(r, document, &problems);
    json_decref(document);
    if (spec)
        core_validate(r->api->core, r->arg[0], spec, &problems);
    if (spec && !problems.n && json_array_size(spec->warm_from))
        err = warm_start(r, &spec, &problems, error);
    if (err) {
        spec_free(spec);
        problems_release(&problems);
        return err;
    }
    if (problems.n) {
        err = invalid(r, &problems, error);
    } else if (query_true(r, "validate_only")) {
        preview(r, spec, &problems);
    } else {
        err = request_command(r, &c, error);
        if (!err) {
            c->spec = spec;
            spec = NULL;
        }
    }
    spec_free(spec);
    problems_release(&problems);
    return err;
}

enum err handle_experiment_remove(struct request *r, struct error *error)
{
    return request_send(r, query_true(r, "force") ? json_pack("{s:b}", "force", 1) : NULL, error);
}
