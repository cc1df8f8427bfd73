/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MLflow's tracking REST (version 2.0), for one trial: what a trial logs with the stock client becomes its measurements. The address names the
 * trial (trial_env_mlflow makes it), so access is that of any route of a trial, and a run's id says nothing new. The trial's end is not MLflow's to
 * tell: a status is heard and changes nothing. Parameters, tags, inputs and models are heard too, and not kept. */
#include "handlers.h"
#include "mlflow.h"
#include "text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ARG_TRIAL = 2, ARG_ARTIFACTS = 3, ARG_OBJECT = 4, ARG_VERB = 5, BATCH_MAX = 10000 };

typedef enum err endpoint_fn(struct request *r, struct error *error);

/* --- errors: the client reads `error_code` and `message` */

const char *mlflow_error(const struct request *r, const struct error *error)
{
    static const struct {
        enum err code;
        const char *name;
    } names[] = {{ERR_NOT_FOUND, "RESOURCE_DOES_NOT_EXIST"}, {ERR_INVALID, "INVALID_PARAMETER_VALUE"},     {ERR_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE"},
                 {ERR_CONFLICT, "INVALID_STATE"},            {ERR_UNAUTHENTICATED, "UNAUTHENTICATED"},     {ERR_FORBIDDEN, "PERMISSION_DENIED"},
                 {ERR_TOO_MANY, "REQUEST_LIMIT_EXCEEDED"},   {ERR_SYNTAX, "MALFORMED_REQUEST"},            {ERR_METHOD, "ENDPOINT_NOT_FOUND"}};
    if (!strstr(r->path, "/mlflow/"))
        return NULL;
    if (!strcmp(error->name, "NO_SUCH_PATH"))
        return "ENDPOINT_NOT_FOUND";
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].code == error->code)
            return names[i].name;
    return "INTERNAL_ERROR";
}

static enum err no_endpoint(const struct request *r, struct error *error)
{
    return err_set(error, ERR_NOT_FOUND, "NO_SUCH_PATH", "Hone has no %s/%s of MLflow's REST; docs/how-to/mlflow.md lists what it has",
                   r->arg[ARG_OBJECT], r->arg[ARG_VERB]);
}

/* --- the one run, the one experiment */

static char *run_id(const struct request *r)
{
    return x_asprintf("%s-%s", r->arg[1], r->arg[ARG_TRIAL]);
}

/* The id of a request's body or query is ours. */
static enum err check_run(const struct request *r, struct error *error)
{
    const char *id = json_string_value(json_object_get(r->json, "run_id"));
    if (!id)
        id = json_string_value(json_object_get(r->json, "run_uuid"));
    if (!id)
        id = request_query(r, "run_id");
    char *own CLEANUP_FREE = run_id(r);
    if (!id || !*id || !strcmp(id, own))
        return OK;
    return err_set(error, ERR_NOT_FOUND, "RUN_NOT_FOUND", "a trial has one run, %s; there is no run %.100s here", own, id);
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Where the client leaves files by itself: the trial's artifact directory, in hexadecimal in the address. */
static char *artifact_uri(const struct request *r)
{
    struct buf b = BUF_INIT;
    const char *hex = r->arg[ARG_ARTIFACTS];
    buf_adds(&b, "file://");
    for (; digit(hex[0]) >= 0 && digit(hex[1]) >= 0; hex += 2) {
        char c = (char)(digit(hex[0]) * 16 + digit(hex[1]));
        if (isalnum((unsigned char)c) || strchr("/-_.~", c))
            buf_add(&b, &c, 1);
        else
            buf_addf(&b, "%%%02X", (unsigned)(unsigned char)c);
    }
    if (!*hex && b.len > strlen("file://"))
        return buf_take(&b);
    buf_release(&b);
    return x_strdup("mlflow-artifacts:/");
}

static json_t *run_info(const struct request *r, const struct trial *t)
{
    char *id CLEANUP_FREE = run_id(r), *artifacts CLEANUP_FREE = artifact_uri(r);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "run_id", id, "run_uuid", id, "run_name", id, "experiment_id", "0", "user_id",
                     "hone", "status", t->end_ms ? "FINISHED" : "RUNNING", "start_time", (json_int_t)(t->start_ms ? t->start_ms : t->create_ms),
                     "artifact_uri", artifacts, "lifecycle_stage", "active");
}

static json_t *metric_json(const char *name, double value, int64_t step, int64_t time_ms)
{
    return json_pack("{s:s, s:o, s:I, s:I}", "key", name, "value", number_json(value), "step", (json_int_t)step, "timestamp", (json_int_t)time_ms);
}

static bool add_last(void *list, const char *metric, const struct measurement_summary *s)
{
    (void)json_array_append_new(list, metric_json(metric, s->last, s->last_step, 0));
    return true;
}

static json_t *params_json(const char *text)
{
    json_t *params = json_loads(text, 0, NULL), *list = json_array(), *value;
    const char *name;
    json_object_foreach(params, name, value)
    {
        char *shown CLEANUP_FREE = json_is_string(value) ? x_strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "key", name, "value", shown ? shown : ""));
    }
    json_decref(params);
    return list;
}

/* New reference. */
static enum err run_json(struct request *r, json_t **run, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    json_t *metrics = json_array();
    enum err err = request_db(r, &db, error);
    if (!err)
        err = request_trial(r, db, &e, &t, error);
    if (err) {
        json_decref(metrics);
        return err;
    }
    err = measurement_metrics(db, t->id, t->attempt, add_last, metrics, error);
    if (!err)
        *run = json_pack("{s:o, s:{s:O, s:o, s:[]}, s:{}}", "info", run_info(r, t), "data", "metrics", metrics, "params", params_json(t->params), "tags", "inputs");
    json_decref(metrics);
    trial_free(t);
    experiment_free(e);
    return err;
}

static enum err answer_run(struct request *r, const char *member, bool in_list, struct error *error)
{
    json_t *run = NULL;
    enum err err = run_json(r, &run, error);
    if (!err)
        answer_json(r, 200, in_list ? json_pack("{s:[o]}", member, run) : json_pack("{s:o}", member, run));
    return err;
}

static enum err get_run(struct request *r, struct error *error)
{
    enum err err = check_run(r, error);
    return err ? err : answer_run(r, "run", false, error);
}

static enum err create_run(struct request *r, struct error *error)
{
    return answer_run(r, "run", false, error);
}

static enum err search_runs(struct request *r, struct error *error)
{
    return answer_run(r, "runs", true, error);
}

static json_t *experiment_json_of(const struct request *r)
{
    const char *name = request_query(r, "experiment_name"); /* whatever it is called, it is the trial's */
    char *artifacts CLEANUP_FREE = artifact_uri(r);
    return json_pack("{s:s, s:s, s:s, s:s}", "experiment_id", "0", "name", name && *name ? name : r->arg[1], "artifact_location", artifacts, "lifecycle_stage", "active");
}

static enum err get_experiment(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, json_pack("{s:o}", "experiment", experiment_json_of(r)));
    return OK;
}

static enum err search_experiments(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, json_pack("{s:[o]}", "experiments", experiment_json_of(r)));
    return OK;
}

static enum err create_experiment(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, json_pack("{s:s}", "experiment_id", "0"));
    return OK;
}

static bool add_point(void *list, const struct measurement *m)
{
    (void)json_array_append_new(list, metric_json(m->metric, m->value, m->step, m->time_ms));
    return json_array_size(list) < BATCH_MAX;
}

/* MLflow lets a name have blanks; ours has _ there. Malloced. */
static char *metric_name(const char *key)
{
    char *name = x_strdup(key);
    for (char *c = name; *c; c++)
        if (isspace((unsigned char)*c) || *c == '=')
            *c = '_';
    return name;
}

static enum err get_history(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    const char *key = request_query(r, "metric_key");
    enum err err = check_run(r, error);
    if (!err && (!key || !*key))
        err = err_set(error, ERR_INVALID, "QUERY", "metric_key is needed");
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_trial(r, db, &e, &t, error);
    if (err)
        return err;
    char *name CLEANUP_FREE = metric_name(key);
    json_t *list = json_array();
    err = measurement_list(db, &(struct measurement_query){.trial_id = t->id, .metric = name, .from_step = INT64_MIN}, add_point, list, error);
    if (!err)
        answer_json(r, 200, json_pack("{s:O}", "metrics", list));
    json_decref(list);
    trial_free(t);
    experiment_free(e);
    return err;
}

/* --- what is logged is a report */

/* Java's client writes 64-bit numbers as strings. */
static int64_t integer_of(const json_t *value)
{
    return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10) : (int64_t)json_integer_value(value);
}

/* A metric that is logged without a step comes with step 0, each time: it gets the next one, and a real step 0 does too, for it is the first. */
static enum err add_metric(json_t *measurements, const json_t *metric, struct error *error)
{
    const char *key = json_string_value(json_object_get(metric, "key"));
    double value;
    if (!key || !*key || !number_from_json(json_object_get(metric, "value"), &value))
        return err_set(error, ERR_INVALID, NULL, "a metric must have a key and a value: {\"key\": \"loss\", \"value\": 0.5, \"step\": 3, \"timestamp\": 0}");
    char *name CLEANUP_FREE = metric_name(key);
    int64_t step = integer_of(json_object_get(metric, "step"));
    json_t *point = json_pack("{s:{s:o}}", "metrics", name, number_json(value));
    if (step)
        (void)json_object_set_new(point, "step", json_integer(step));
    (void)json_array_append_new(measurements, point);
    return OK;
}

/* Hands the core what the trial has logged; nothing is a sign of life. */
static enum err report(struct request *r, json_t *measurements, struct error *error)
{
    struct command *c;
    json_decref(r->json);
    r->json = json_pack("{s:o}", "measurements", measurements);
    return request_command(r, &c, error);
}

static enum err log_metric(struct request *r, struct error *error)
{
    json_t *list = json_array();
    enum err err = check_run(r, error);
    if (!err)
        err = add_metric(list, r->json, error);
    if (!err)
        return report(r, list, error);
    json_decref(list);
    return err;
}

static enum err log_batch(struct request *r, struct error *error)
{
    json_t *list = json_array(), *metric;
    size_t i;
    enum err err = check_run(r, error);
    json_array_foreach(json_object_get(r->json, "metrics"), i, metric)
    if (!err)
        err = add_metric(list, metric, error);
    if (!err)
        return report(r, list, error);
    json_decref(list);
    return err;
}

static enum err hear(struct request *r, struct error *error)
{
    enum err err = check_run(r, error);
    return err ? err : report(r, json_array(), error);
}

/* --- the endpoints */

static const struct {
    const char *method, *object, *verb;
    endpoint_fn *answer;
} endpoints[] = {
    {"POST", "runs", "log-metric", log_metric},
    {"POST", "runs", "log-batch", log_batch},
    {"GET", "runs", "get", get_run},
    {"POST", "runs", "create", create_run},
    {"POST", "runs", "update", hear},
    {"POST", "runs", "log-parameter", hear},
    {"POST", "runs", "set-tag", hear},
    {"POST", "runs", "delete-tag", hear},
    {"POST", "runs", "log-inputs", hear},
    {"POST", "runs", "outputs", hear},
    {"POST", "runs", "log-model", hear},
    {"POST", "runs", "search", search_runs},
    {"GET", "experiments", "get-by-name", get_experiment},
    {"GET", "experiments", "get", get_experiment},
    {"POST", "experiments", "create", create_experiment},
    {"POST", "experiments", "search", search_experiments},
    {"GET", "metrics", "get-history", get_history},
};

/* --- models: their files go to the trial's artifacts, and that is all that is kept. Their id says their name. */

static json_t *model_json(const struct request *r, const char *id)
{
    char *run CLEANUP_FREE = run_id(r), *artifacts CLEANUP_FREE = artifact_uri(r);
    char *own CLEANUP_FREE = x_asprintf("%s/models/%s/artifacts", artifacts, id);
    return json_pack("{s:{s:{s:s, s:s, s:s, s:s, s:s, s:s}, s:{}}}", "model", "info", "experiment_id", "0", "model_id", id, "name", id + (strncmp(id, "m-", 2) ? 0 : 2),
                     "artifact_uri", own, "source_run_id", run, "status", "LOGGED_MODEL_READY", "data");
}

enum err handle_mlflow_model_new(struct request *r, struct error *error)
{
    const char *name = json_string_value(json_object_get(r->json, "name"));
    char *id CLEANUP_FREE = x_asprintf("m-%s", name && *name ? name : "model");
    (void)error;
    for (char *c = id; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
            *c = '_';
    answer_json(r, 200, model_json(r, id));
    return OK;
}

enum err handle_mlflow_model(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, model_json(r, r->arg[ARG_OBJECT]));
    return OK;
}

enum err handle_mlflow_heard(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, json_object());
    return OK;
}

static enum err dispatch(struct request *r, const char *method, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++)
        if (!strcmp(endpoints[i].method, method) && !strcmp(endpoints[i].object, r->arg[ARG_OBJECT]) && !strcmp(endpoints[i].verb, r->arg[ARG_VERB]))
            return endpoints[i].answer(r, error);
    return no_endpoint(r, error);
}

enum err handle_mlflow_get(struct request *r, struct error *error)
{
    if (!strcmp(r->arg[ARG_OBJECT], "logged-models")) {
        answer_json(r, 200, model_json(r, r->arg[ARG_VERB]));
        return OK;
    }
    return dispatch(r, "GET", error);
}

enum err handle_mlflow_post(struct request *r, struct error *error)
{
    return dispatch(r, "POST", error);
}
