/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of a request between being read and being answered, and what handlers need of it. */
#include "base/clock.h"
#include "handlers.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JSON_TYPE "application/json"

/* --- what was asked */

enum err request_db(struct request *r, struct db **out, struct error *error)
{
    if (!r->db)
        r->db = store_reader(r->api->store);
    *out = r->db;
    return r->db ? OK : err_set(error, ERR_UNAVAILABLE, "NO_READER", "the database cannot be opened for reading just now (out of files or memory)");
}

enum err request_experiment(struct request *r, struct db *db, struct experiment **out, struct error *error)
{
    return experiment_get(db, r->arg[0], r->arg[1], out, error);
}

enum err request_number(const struct request *r, int64_t *out, struct error *error)
{
    const char *text = r->arg[2];
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || *out < 1)
        return err_set(error, ERR_NOT_FOUND, "TRIAL_NOT_FOUND", "\"%.40s\" is no number of a trial: they are 1, 2, 3, ...", text);
    return OK;
}

enum err request_trial(struct request *r, struct db *db, struct experiment **e, struct trial **t, struct error *error)
{
    int64_t number;
    enum err err = request_number(r, &number, error);
    if (!err)
        err = request_experiment(r, db, e, error);
    if (err)
        return err;
    err = trial_get(db, (*e)->id, number, t, error);
    if (err)
        experiment_free(*e);
    return err;
}

enum err query_int(const struct request *r, const char *name, int64_t fallback, int64_t min, int64_t max, int64_t *out, struct error *error)
{
    const char *text = request_query(r, name);
    char *end;
    *out = fallback;
    if (!text || !*text)
        return OK;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (errno || *end || *out < min || *out > max)
        return err_set(error, ERR_INVALID, "QUERY", "%s must be an integer from %" PRId64 " to %" PRId64 ", not \"%.40s\"", name, min, max, text);
    return OK;
}

enum err query_seconds(const struct request *r, const char *name, double *out, struct error *error)
{
    const char *text = request_query(r, name);
    char *end;
    *out = 0;
    if (!text || !*text)
        return OK;
    *out = strtod(text, &end);
    if (*end || !(*out >= 0) || *out > 86400)
        return err_set(error, ERR_INVALID, "QUERY", "%s must be seconds from 0 to %d, not \"%.40s\"", name, WATCH_MAX_S, text);
    *out = fmin(*out, WATCH_MAX_S); /* the caller asks again */
    return OK;
}

bool query_true(const struct request *r, const char *name)
{
    const char *text = request_query(r, name);
    return text && (!*text || !strcmp(text, "true") || !strcmp(text, "1"));
}

bool request_accepts(const struct request *r, const char *type)
{
    return r->header[HEADER_ACCEPT] && strstr(r->header[HEADER_ACCEPT], type);
}

bool request_unknown_ok(const struct request *r)
{
    const char *text = request_query(r, "unknown");
    return text && !strcmp(text, "ignore");
}

json_t *experiment_document(const struct experiment *e)
{
    return json_loads(e->spec, 0, NULL);
}

static void give_back_db(struct request *r)
{
    if (r->db)
        store_reader_done(r->api->store, r->db);
    r->db = NULL;
}

/* --- commands */

static enum err read_if_match(const struct request *r, int64_t *out, struct error *error)
{
    const char *text = r->header[HEADER_IF_MATCH];
    char *end;
    if (!text || !strcmp(text, "*"))
        return OK;
    *out = *text == '"' ? strtoll(text + 1, &end, 10) : -1;
    if (*out < 0 || strcmp(end, "\"") != 0)
        return err_set(error, ERR_USAGE, "IF_MATCH", "If-Match must be one ETag as it was given, such as \"17\" with its quotes");
    return OK;
}

static void hash_request(const struct request *r, char out[HASH_TEXT])
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s %s\n", r->method, r->path);
    buf_add(&b, r->body.data, r->body.len);
    token_hash(b.data, b.len, out);
    buf_release(&b);
}

static void take_idempotency(const struct request *r, struct command *c)
{
    char hash[HASH_TEXT], who[80];
    hash_request(r, hash);
    auth_name(&r->who, who, sizeof who);
    c->request_hash = x_strdup(hash);
    c->idempotency_key = x_asprintf("%s %s %s", who, r->path, r->header[HEADER_IDEMPOTENCY_KEY]);
}

static enum err check_key(const char *key, struct error *error)
{
    if (!key || (*key && strlen(key) <= 255))
        return OK;
    return err_set(error, ERR_USAGE, "IDEMPOTENCY_KEY", "Idempotency-Key must have 1 to 255 characters");
}

enum err request_command(struct request *r, struct command **out, struct error *error)
{
    enum err err = check_key(r->header[HEADER_IDEMPOTENCY_KEY], error);
    if (err)
        return err;
    struct command *c = command_new((enum command_kind)r->route->command);
    if (r->arg[0])
        c->project = x_strdup(r->arg[0]);
    if (r->arg[1])
        *(strstr(r->route->path, "/{experiment}") ? &c->experiment : &c->run) = x_strdup(r->arg[1]);
    c->body = r->json;
    r->json = NULL;
    if (r->who.kind == WHO_TRIAL)
        c->trial_token_attempt = r->who.attempt;
    if (r->header[HEADER_IDEMPOTENCY_KEY] && !strcmp(r->route->method, "POST"))
        take_idempotency(r, c);
    r->command = *out = c;
    r->parked = r->route->flags & ROUTE_PARKS;
    r->next = NEXT_COMMAND;
    err = read_if_match(r, &c->if_match, error);
    return err || !r->arg[2] ? err : request_number(r, &c->trial, error);
}

enum err request_send(struct request *r, json_t *body, struct error *error)
{
    struct command *c;
    json_decref(r->json);
    r->json = body;
    return request_command(r, &c, error);
}

static void location(struct request *r, const struct command *c)
{
    const char *name = json_string_value(json_object_get(c->reply, "name"));
    if (c->kind == CMD_TRIAL_CREATE)
        answer_header(r, "Location", "%s%s/%" PRId64, r->api->config.base_path, r->path,
                      c->n_trials ? c->trials[0].row->number : (int64_t)json_integer_value(json_object_get(c->reply, "number")));
    else if (c->kind == CMD_RUN_CREATE)
        answer_header(r, "Location", "%s/api/v1/projects/%s/runs/%s", r->api->config.base_path, r->arg[0], json_string_value(json_object_get(c->reply, "uid")));
    else if (name && r->arg[0] && !strchr(name, '/') && c->kind != CMD_PIPELINE_PUT && c->kind != CMD_SCHEDULE_CREATE)
        answer_header(r, "Location", "%s/api/v1/projects/%s/experiments/%s", r->api->config.base_path, r->arg[0], name);
}

static void text_answered(struct buf *b, const struct answered_trial *t)
{
    text_trial(b, t->row, FIELDS_ALL);
    if (!t->lease_attempt)
        return;
    b->len--; /* its closing brace */
    buf_addf(b, ",\"lease\":{\"attempt\":%" PRId64 ",\"expires_at\":", t->lease_attempt);
    text_time(b, t->lease_until_ms);
    if (t->lease_token)
        buf_addf(b, ",\"token\":\"%s\"", t->lease_token);
    if (t->budget)
        buf_addf(b, ",\"budget\":%" PRId64, t->budget);
    buf_adds(b, "}}");
}

/* {"trials":[...],"done":false}: what a worker reads first stands first. */
static void text_suggested(struct buf *b, const struct command *c)
{
    buf_adds(b, "{\"trials\":[");
    for (size_t i = 0; i < c->n_trials; i++) {
        buf_adds(b, i ? "," : "");
        text_answered(b, &c->trials[i]);
    }
    buf_addf(b, "],\"done\":%s", json_is_true(json_object_get(c->reply, "done")) ? "true" : "false");
    const char *reason = json_string_value(json_object_get(c->reply, "reason"));
    if (reason) {
        buf_adds(b, ",\"reason\":");
        text_string(b, reason);
    }
    buf_adds(b, "}");
}

static void text_reply(struct buf *b, const struct command *c)
{
    if (c->kind == CMD_TRIAL_SUGGEST && !c->replayed)
        text_suggested(b, c);
    else if (c->n_trials)
        text_answered(b, &c->trials[0]);
    else
        text_json(b, c->reply);
}

static void answer_command(struct request *r)
{
    struct command *c = r->command;
    r->command = NULL;
    r->next = NEXT_ANSWER;
    if (c->error.code) {
        answer_problem(r, &c->error, c->errors);
        c->errors = NULL;
    } else if (r->route->form) {
        struct error error;
        if (r->route->form->reply(r, c, &error))
            answer_problem(r, &error, NULL);
        give_back_db(r);
    } else if (!c->reply && !c->n_trials) {
        answer_empty(r, c->http_status == 200 ? 204 : c->http_status);
    } else {
        json_t *revision = json_object_get(c->reply, "revision");
        struct buf b = BUF_INIT;
        text_reply(&b, c);
        answer_buf(r, c->http_status, &b);
        if (revision)
            answer_etag(r, json_integer_value(revision));
        else if (c->n_trials && c->kind != CMD_TRIAL_SUGGEST)
            answer_etag(r, c->trials[0].row->revision);
        if (c->http_status == 201)
            location(r, c);
    }
    if (c->replayed)
        answer_header(r, "Idempotency-Replayed", "true");
    command_free(c);
}

/* --- waiting */

#define LOOK_PACE_MS 100 /* the first change is looked at at once, those that follow so often: one who waits for an end must not slow a busy experiment */

void request_wait(struct request *r, int64_t experiment, int64_t due)
{
    r->waiter.experiment = experiment;
    r->waiter.due = due;
    r->waiter.not_before = r->waited ? clock_mono_ms() + LOOK_PACE_MS : 0;
    r->waited = true;
    r->next = NEXT_WAIT;
}

bool request_may_wait(struct request *r, double seconds)
{
    int64_t now = clock_mono_ms();
    if (!r->deadline)
        r->deadline = now + (int64_t)(seconds * 1000);
    return now < r->deadline && !watch_stopping(r->api->watch);
}

/* --- answers */

void answer_text(struct request *r, int status, const char *type, struct buf *text)
{
    if (!r->answer.constant)
        free(r->answer.body);
    r->next = NEXT_ANSWER;
    r->answer.status = status;
    r->answer.type = type;
    r->answer.len = text->len;
    r->answer.body = buf_take(text);
    r->answer.constant = false;
}

void answer_buf(struct request *r, int status, struct buf *json)
{
    answer_text(r, status, JSON_TYPE, json);
}

void answer_json(struct request *r, int status, json_t *json)
{
    struct buf b = BUF_INIT;
    text_json(&b, json);
    json_decref(json);
    answer_buf(r, status, &b);
}

void answer_constant(struct request *r, int status, const char *type, const void *data, size_t len)
{
    if (!r->answer.constant)
        free(r->answer.body);
    r->answer.status = status;
    r->answer.type = type;
    r->answer.body = (char *)(uintptr_t)data;
    r->answer.len = len;
    r->answer.constant = true;
}

void answer_empty(struct request *r, int status)
{
    answer_constant(r, status, NULL, "", 0);
}

void answer_header(struct request *r, const char *name, const char *fmt, ...)
{
    if (r->answer.n_headers == ANSWER_HEADERS)
        return;
    va_list ap;
    va_start(ap, fmt);
    char *value = NULL;
    if (vasprintf(&value, fmt, ap) < 0)
        abort();
    va_end(ap);
    r->answer.headers[r->answer.n_headers].name = name;
    r->answer.headers[r->answer.n_headers++].value = value;
}

void answer_etag(struct request *r, int64_t revision)
{
    answer_header(r, "ETag", "\"%" PRId64 "\"", revision);
}

bool answer_not_modified(struct request *r, int64_t revision)
{
    const char *text = r->header[HEADER_IF_NONE_MATCH];
    char tag[24];
    (void)snprintf(tag, sizeof tag, "\"%" PRId64 "\"", revision);
    if (!text || (strcmp(text, "*") != 0 && !strstr(text, tag)))
        return false;
    answer_empty(r, 304);
    answer_etag(r, revision);
    return true;
}

/* --- the way through */

static void run(struct request *r)
{
    struct error error = {0};
    r->next = NEXT_ANSWER;
    r->seen = watch_revision(r->api->watch);
    enum err err = r->route->handle(r, &error);
    give_back_db(r);
    if (err) {
        command_free(r->command);
        r->command = NULL;
        answer_problem(r, &error, NULL);
    }
}

static enum err stopping(struct error *error)
{
    return err_set(error, ERR_UNAVAILABLE, "STOPPING", "the service is stopping; ask again when it is back");
}

static enum err find_route(struct request *r, struct error *error)
{
    char allow[ROUTE_ALLOW];
    r->route = router_find(r->method, r->split, r->arg, allow);
    if (r->route)
        return OK;
    if (!*allow)
        return err_set(error, ERR_NOT_FOUND, "NO_SUCH_PATH", "there is nothing at %.200s; /openapi.json lists what there is", r->path);
    answer_header(r, "Allow", "%s", allow);
    return err_set(error, ERR_METHOD, NULL, "%.20s is not allowed here; allowed: %s", r->method, allow);
}

static enum err check(struct request *r, json_t **errors, struct error *error)
{
    if (watch_stopping(r->api->watch))
        return stopping(error);
    enum err err = find_route(r, error);
    if (!err)
        err = auth_check(r, error);
    if (!err && r->over_limit)
        err = err_set(error, ERR_TOO_LARGE, NULL, "a body may have at most %zu bytes", BODY_MAX);
    if (!err && !(r->route->flags & ROUTE_FILE))
        err = body_json(r, errors, error);
    return err;
}

void request_start(struct request *r)
{
    struct error error = {0};
    json_t *errors = NULL;
    r->started = true;
    enum err err = check(r, &errors, &error);
    give_back_db(r);
    if (err)
        answer_problem(r, &error, errors);
    else
        run(r);
}

void request_again(struct request *r)
{
    struct error error;
    if (r->next == NEXT_COMMAND && !(r->parked && r->woken == WAKE_STOP)) {
        answer_command(r);
    } else if (r->woken == WAKE_STOP) {
        r->command = NULL; /* the core still has it */
        (void)stopping(&error);
        answer_problem(r, &error, NULL);
    } else {
        run(r);
    }
}

void request_release(struct request *r)
{
    command_free(r->command);
    json_decref(r->json);
    buf_release(&r->body);
    if (!r->answer.constant)
        free(r->answer.body);
    for (size_t i = 0; i < r->answer.n_headers; i++)
        free(r->answer.headers[i].value);
    if (r->stream) {
        buf_release(&r->stream->out);
        r->stream->release(r->stream);
        free(r->stream);
    }
    free(r->path);
    free(r->split);
}

/* --- the plain change: everything is in the path and the body */

enum err handle_change(struct request *r, struct error *error)
{
    struct command *c;
    return request_command(r, &c, error);
}
