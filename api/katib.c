/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katib's objects over HTTP as the API server of a cluster serves them, so that kubectl and the kubeflow-katib SDK find what they look for. */
#include "katib.h"

#include "handlers.h"
#include "model/katib.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EXPERIMENT_LABEL "katib.kubeflow.org/experiment"
#define TRIAL_LABEL "katib.kubeflow.org/trial"
#define WATCH_SECONDS 3600 /* a watch without an end is closed then; clients begin another one */

/* --- the form of answers */

/* Kubernetes' words for why: clients act on them. */
static const char *status_reason(enum err code)
{
    switch (code) {
    case ERR_UNAUTHENTICATED:
        return "Unauthorized";
    case ERR_FORBIDDEN:
        return "Forbidden";
    case ERR_NOT_FOUND:
        return "NotFound";
    case ERR_CONFLICT:
        return "AlreadyExists";
    case ERR_PRECONDITION:
        return "Conflict";
    case ERR_GONE:
        return "Expired";
    case ERR_INVALID:
        return "Invalid";
    case ERR_MEDIA_TYPE:
        return "UnsupportedMediaType";
    case ERR_TOO_MANY:
        return "TooManyRequests";
    case ERR_METHOD:
        return "MethodNotAllowed";
    case ERR_UNAVAILABLE:
        return "ServiceUnavailable";
    default:
        return err_http(code) < 500 ? "BadRequest" : "InternalError";
    }
}

static json_t *status_json(enum err code, const char *message, json_t *errors)
{
    json_t *causes = json_array(), *item;
    size_t i;
    json_array_foreach(errors, i, item)
    {
        char field[200];
        problems_dotted(json_string_value(json_object_get(item, "pointer")), field, sizeof field);
        (void)json_array_append_new(causes, json_pack("{s:s, s:O, s:s}", "reason", "FieldValueInvalid", "message", json_object_get(item, "detail"), "field", field));
    }
    return json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s, s:i, s:{s:o}}", "kind", "Status", "apiVersion", "v1", "metadata", "status", code ? "Failure" : "Success", "message",
                     message, "reason", status_reason(code), "code", err_http(code), "details", "causes", causes);
}

static void problem(struct request *r, const struct error *error, json_t *errors)
{
    answer_json(r, err_http(error->code), status_json(error->code, error->detail, errors));
    json_decref(errors);
    if (error->code == ERR_UNAUTHENTICATED)
        answer_header(r, "WWW-Authenticate", "Bearer realm=\"hone\"");
}

static enum err answer_experiment(struct request *r, int status, const char *project, const char *name, struct error *error)
{
    struct db *db;
    struct experiment *e;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = experiment_get(db, project, name, &e, error);
    if (err)
        return err;
    json_t *out = katib_experiment_json(db, e, error);
    experiment_free(e);
    if (!out)
        return error->code;
    answer_json(r, status, out);
    return OK;
}

static enum err reply(struct request *r, const struct command *c, struct error *error)
{
    if (c->kind == CMD_EXPERIMENT_CREATE || c->kind == CMD_EXPERIMENT_PATCH)
        return answer_experiment(r, c->http_status, c->project, json_string_value(json_object_get(c->reply, "name")), error);
    json_t *out = status_json(OK, "", NULL);
    (void)json_object_del(out, "reason");
    answer_json(r, 200, out);
    return OK;
}

const struct form form_katib = {problem, reply};

/* --- what is asked for */

void katib_ask_release(struct katib_ask *ask)
{
    free(ask->project);
    free(ask->name);
    free(ask->experiment);
}

/* The value of `key` in a selector "a=b,c==d"; malloced, NULL = it is not in it. */
static char *selected(const char *selector, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = selector; at && *at; at += strcspn(at, ","), at += *at == ',') {
        if (strncmp(at, key, len) != 0 || at[len] != '=')
            continue;
        const char *value = at + len + 1 + (at[len + 1] == '=');
        return x_strndup(value, strcspn(value, ","));
    }
    return NULL;
}

static struct katib_ask read_ask(const struct request *r, enum katib_kind kind)
{
    return (struct katib_ask){.kind = kind,
                              .project = r->arg[0] ? x_strdup(r->arg[0]) : NULL,
                              .name = selected(request_query(r, "fieldSelector"), "metadata.name"),
                              .experiment = selected(request_query(r, "labelSelector"), EXPERIMENT_LABEL)};
}

static void append(void *arg, json_t *object)
{
    json_t *list = arg;
    (void)json_array_append_new(list, object);
}

static enum err answer_list(struct request *r, const struct katib_ask *ask, struct error *error)
{
    struct db *db;
    int64_t first, last = 0;
    json_t *items = json_array();
    enum err err = request_db(r, &db, error);
    if (!err)
        err = db_begin_read(db, error);
    if (!err) {
        err = event_bounds(db, &first, &last, error);
        if (!err)
            err = katib_each(db, ask, append, items, error);
        db_end_read(db);
    }
    if (!err)
        answer_json(r, 200, json_pack("{s:s, s:o, s:{s:o}, s:O}", "apiVersion", KATIB_API_VERSION, "kind", json_sprintf("%sList", katib_kinds[ask->kind]), "metadata",
                                      "resourceVersion", json_sprintf("%" PRId64, last), "items", items));
    json_decref(items);
    return err;
}

static enum err list_or_watch(struct request *r, enum katib_kind kind, struct error *error)
{
    struct katib_ask ask = read_ask(r, kind);
    int64_t after, seconds;
    enum err err = OK;
    if (query_true(r, "watch")) {
        err = query_int(r, "resourceVersion", 0, 0, INT64_MAX, &after, error);
        if (!err)
            err = query_int(r, "timeoutSeconds", WATCH_SECONDS, 0, INT32_MAX, &seconds, error);
        if (!err)
            return katib_watch(r, &ask, after ? after : -1, seconds ? (double)seconds : WATCH_SECONDS, query_true(r, "allowWatchBookmarks"), error);
    } else {
        err = answer_list(r, &ask, error);
    }
    katib_ask_release(&ask);
    return err;
}

enum err handle_katib_experiments(struct request *r, struct error *error)
{
    return list_or_watch(r, KATIB_EXPERIMENT, error);
}

enum err handle_katib_trials(struct request *r, struct error *error)
{
    return list_or_watch(r, KATIB_TRIAL, error);
}

enum err handle_katib_suggestions(struct request *r, struct error *error)
{
    return list_or_watch(r, KATIB_SUGGESTION, error);
}

/* --- one */

enum err handle_katib_experiment(struct request *r, struct error *error)
{
    return answer_experiment(r, 200, r->arg[0], r->arg[1], error);
}

/* Of the name of a trial in the path. */
static enum err find_trial(struct request *r, struct db **db, struct experiment **e, struct trial **t, struct error *error)
{
    char *experiment CLEANUP_FREE = NULL;
    int64_t number;
    if (!katib_trial_name(r->arg[1], &experiment, &number))
        return err_set(error, ERR_NOT_FOUND, "TRIAL_NOT_FOUND", "trials.kubeflow.org \"%.80s\" not found: a trial's name is its experiment's, a dash and its number", r->arg[1]);
    enum err err = request_db(r, db, error);
    if (!err)
        err = experiment_get(*db, r->arg[0], experiment, e, error);
    if (err)
        return err;
    err = trial_get(*db, (*e)->id, number, t, error);
    if (err)
        experiment_free(*e);
    return err;
}

/* NULL: it could not be made, and `error` says why. */
static enum err answer_object(struct request *r, int status, json_t *object, const struct error *error)
{
    if (!object)
        return error->code;
    answer_json(r, status, object);
    return OK;
}

enum err handle_katib_trial(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    enum err err = find_trial(r, &db, &e, &t, error);
    if (err)
        return err;
    json_t *out = katib_trial_json(db, e, t, error);
    trial_free(t);
    experiment_free(e);
    return answer_object(r, 200, out, error);
}

enum err handle_katib_suggestion(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = request_experiment(r, db, &e, error);
    if (err)
        return err;
    json_t *out = katib_suggestion_json(db, e, error);
    experiment_free(e);
    return answer_object(r, 200, out, error);
}

/* --- changes */

enum err handle_katib_experiment_create(struct request *r, struct error *error)
{
    enum err err = handle_experiment_create(r, error);
    if (err || !r->command)
        return err;
    const char *dry = request_query(r, "dryRun");
    r->command->new_project = true;
    if (!dry || strcmp(dry, "All") != 0)
        return OK;
    json_t *document = json_incref(json_object_get(r->command->spec->document, "source"));
    command_free(r->command);
    r->command = NULL;
    answer_json(r, 201, document ? document : json_object());
    return OK;
}

/* {"spec": {"maxTrialCount": ...}} as a patch of ours; what else differs from the present one is refused. */
static json_t *counts(const json_t *wanted, const json_t *present, struct error *error)
{
    static const struct {
        const char *katib, *hone;
        int less;
    } known[] = {{"maxTrialCount", "max", 0}, {"parallelTrialCount", "parallel", 0}, {"maxFailedTrialCount", "max_failed", 1}};
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(known) && strcmp(name, known[i].katib) != 0)
            i++;
        if (json_equal(value, json_object_get(present, name)))
            continue;
        if (i == ARRAY_LEN(known) || !json_is_integer(value)) {
            (void)err_set(error, ERR_INVALID, "NOT_CHANGEABLE", "spec.%.60s cannot be changed; of a spec maxTrialCount, parallelTrialCount and maxFailedTrialCount can, to integers", name);
            json_decref(out);
            return NULL;
        }
        json_int_t n = json_integer_value(value) - known[i].less;
        (void)json_object_set_new(out, known[i].hone, json_integer(known[i].less && n < 0 ? 0 : n));
    }
    return out;
}

enum err handle_katib_experiment_patch(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = request_experiment(r, db, &e, error);
    if (err)
        return err;
    json_t *present = katib_experiment_json(db, e, error);
    experiment_free(e);
    if (!present)
        return error->code;
    json_t *trials = counts(json_object_get(r->json, "spec"), json_object_get(present, "spec"), error);
    json_decref(present);
    if (!trials)
        return error->code;
    json_t *patch = json_object();
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "annotations" : "labels";
        json_t *value = json_object_get(json_object_get(r->json, "metadata"), name);
        if (json_is_object(value))
            (void)json_object_set(patch, name, value);
    }
    if (json_object_size(trials))
        (void)json_object_set(patch, "trials", trials);
    json_decref(trials);
    return request_send(r, patch, error);
}

enum err handle_katib_experiment_delete(struct request *r, struct error *error)
{
    return request_send(r, json_pack("{s:b}", "force", 1), error); /* of DeleteOptions nothing applies */
}

enum err handle_katib_trial_delete(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    enum err err = find_trial(r, &db, &e, &t, error);
    if (err)
        return err;
    err = request_send(r, NULL, error);
    if (!err) {
        free(r->command->experiment);
        r->command->experiment = x_strdup(e->name);
        r->command->trial = t->number;
    }
    trial_free(t);
    experiment_free(e);
    return err;
}

/* --- a trial as the pod whose log the SDK reads */

static json_t *pod(const char *project, const char *experiment, const char *name)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}}, s:{s:[{s:s}]}}", "apiVersion", "v1", "kind", "Pod", "metadata", "name", name, "namespace", project, "labels",
                     TRIAL_LABEL, name, EXPERIMENT_LABEL, experiment, "spec", "containers", "name", "trial");
}

static void add_pod(void *arg, json_t *trial)
{
    const json_t *meta = json_object_get(trial, "metadata");
    (void)json_array_append_new(arg, pod(json_string_value(json_object_get(meta, "namespace")),
                                         json_string_value(json_object_get(json_object_get(meta, "labels"), EXPERIMENT_LABEL)), json_string_value(json_object_get(meta, "name"))));
    json_decref(trial);
}

enum err handle_katib_pods(struct request *r, struct error *error)
{
    const char *selector = request_query(r, "labelSelector");
    struct katib_ask ask = {.kind = KATIB_TRIAL, .project = x_strdup(r->arg[0]), .name = selected(selector, TRIAL_LABEL), .experiment = selected(selector, EXPERIMENT_LABEL)};
    struct db *db;
    json_t *pods = json_array();
    enum err err = request_db(r, &db, error);
    if (!err)
        err = katib_each(db, &ask, add_pod, pods, error);
    if (!err)
        answer_json(r, 200, json_pack("{s:s, s:s, s:{}, s:O}", "apiVersion", "v1", "kind", "PodList", "metadata", "items", pods));
    json_decref(pods);
    katib_ask_release(&ask);
    return err;
}

enum err handle_katib_pod(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    enum err err = find_trial(r, &db, &e, &t, error);
    if (err)
        return err;
    answer_json(r, 200, pod(e->project, e->name, r->arg[1]));
    trial_free(t);
    experiment_free(e);
    return OK;
}

enum err handle_katib_pod_log(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    enum err err = find_trial(r, &db, &e, &t, error);
    if (err)
        return err;
    err = answer_log(r, db, e, t, error);
    trial_free(t);
    experiment_free(e);
    return err;
}
