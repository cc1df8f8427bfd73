/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A trial that is a run of a pipeline. To the core's trials this is a backend like any other; the runs themselves are the core's own rows, so
 * every call becomes a command to it, and what it has to tell is told when the rows are stored. */
#include "core/flow.h"
#include "model/template.h"

#include <math.h>
#include <semaphore.h>
#include <string.h>

struct backend_conn {
    const struct backend_host *host;
    sem_t stopped;
};

struct begin { /* inside a RUN_BEGIN */
    char *key, *project, *experiment;
    json_t *pipeline, *code, *params, *origin;
};

struct end { /* inside a RUN_END */
    char *key;
    bool drop;
};

static void begin_free(void *inside)
{
    struct begin *b = inside;
    free(b->key);
    free(b->project);
    free(b->experiment);
    json_decref(b->pipeline);
    json_decref(b->code);
    json_decref(b->params);
    json_decref(b->origin);
    free(b);
}

static void end_free(void *inside)
{
    struct end *e = inside;
    free(e->key);
    free(e);
}

static enum err pipeline_open(const struct backend_host *host, struct backend_conn **out, struct error *error)
{
    (void)error;
    *out = X_NEW(struct backend_conn);
    (*out)->host = host;
    (void)sem_init(&(*out)->stopped, 0, 0);
    return OK;
}

static void pipeline_close(struct backend_conn *conn)
{
    (void)sem_destroy(&conn->stopped);
    free(conn);
}

static void pipeline_watch(struct backend_conn *conn)
{
    while (sem_wait(&conn->stopped) != 0) /* what there is to tell is told by the core */
        ;
}

static void pipeline_stop_watch(struct backend_conn *conn)
{
    (void)sem_post(&conn->stopped);
}

static void send(struct backend_conn *conn, enum command_kind kind, void *inside, void (*inside_free)(void *))
{
    struct command *command = command_new(kind);
    command->inside = inside;
    command->inside_free = inside_free;
    if (!core_submit(conn->host->ctx, command)) /* stopping: the next start asks again */
        command_free(command);
}

/* --- parameters */

/* A text that is one placeholder keeps the type of the parameter; of any other, what it renders as. */
static json_t *render(const json_t *text, const struct template_values *values)
{
    const char *s = json_string_value(text);
    size_t len = s ? strlen(s) : 0;
    if (!s)
        return json_deep_copy(text);
    if (len > 2 && s[0] == '{' && s[len - 1] == '}') {
        char *name CLEANUP_FREE = x_strndup(s + 1, len - 2);
        json_t *value = json_object_get(values->params, name);
        if (value)
            return json_deep_copy(value);
    }
    char *rendered CLEANUP_FREE = template_render(s, values, false);
    return json_string(rendered);
}

/* What `params` of the section says; the trial's own of the same name as one of the pipeline's where it says nothing. */
static json_t *params_of(const struct backend_job *job)
{
    struct template_values values = {
        .params = job->params, .names = job->names, .trial = job->trial, .budget = job->budget, .seed = job->seed, .trial_name = job->trial_name};
    const json_t *declared = json_object_get(json_object_get(job->run, "pipeline"), "params"), *given = json_object_get(job->run, "params");
    json_t *params = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)job->params, name, value)
        if (json_object_get(declared, name))
            (void)json_object_set_new(params, name, json_deep_copy(value));
    json_object_foreach((json_t *)(uintptr_t)given, name, value)
        (void)json_object_set_new(params, name, render(value, &values));
    return params;
}

static enum err pipeline_submit(struct backend_conn *conn, const struct backend_job *job, struct error *error)
{
    (void)error;
    struct begin *b = X_NEW(struct begin);
    *b = (struct begin){.key = x_strdup(job->run_key),
                        .project = x_strdup(job->project),
                        .experiment = x_strdup(job->experiment),
                        .pipeline = json_deep_copy(json_object_get(job->run, "pipeline")),
                        .code = json_deep_copy(json_object_get(job->run, "code")),
                        .params = params_of(job),
                        .origin = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "experiment", job->experiment, "trial", (json_int_t)job->trial, "attempt",
                                            (json_int_t)job->attempt, "replicate", (json_int_t)job->replicate, "seed", (json_int_t)job->seed, "budget",
                                            (json_int_t)job->budget, "parent", (json_int_t)job->parent, "time_limit", job->time_limit_s)};
    send(conn, CMD_RUN_BEGIN, b, begin_free);
    return OK;
}

static void end(struct backend_conn *conn, const char *run_key, bool drop)
{
    struct end *e = X_NEW(struct end);
    *e = (struct end){x_strdup(run_key), drop};
    send(conn, CMD_RUN_END, e, end_free);
}

static enum err pipeline_cancel(struct backend_conn *conn, const char *run_key, double grace_s, struct error *error)
{
    (void)grace_s;
    (void)error;
    end(conn, run_key, false);
    return OK;
}

static void pipeline_forget(struct backend_conn *conn, const char *run_key, bool drop)
{
    if (drop)
        end(conn, run_key, true);
}

static enum err pipeline_logs(struct backend_conn *conn, const char *run_key, enum backend_stream stream, int64_t offset, size_t max, struct buf *out, int64_t *next,
                              bool *is_end, struct error *error)
{
    (void)conn, (void)stream, (void)offset, (void)max, (void)out, (void)next, (void)is_end;
    return err_set(error, ERR_NOT_FOUND, "LOG_NOT_FOUND", "%s is a run of a pipeline: each of its steps has a log (hone pipeline logs)", run_key);
}

static void check(struct backend_conn *conn, const struct backend_job *sample, struct problems *problems)
{
    const json_t *run = sample->run;
    struct problems found = {0};
    (void)conn;
    struct pipeline *p = json_is_object(json_object_get(run, "pipeline")) ? pipeline_new(json_object_get(run, "pipeline"), &found) : NULL;
    for (size_t i = 0; i < found.n; i++) {
        char *where CLEANUP_FREE = x_asprintf("/run/pipeline%s", found.items[i].pointer);
        problems_add(problems, where, found.items[i].code, found.items[i].hint, "%s", found.items[i].detail);
    }
    problems_release(&found);
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(run, "params"), name, value)
    {
        char *where CLEANUP_FREE = x_asprintf("/run/params/%s", name);
        if (p && !json_object_get(json_object_get(p->document, "params"), name))
            problems_add(problems, where, "UNKNOWN_NAME", NULL, "is no parameter of the pipeline");
    }
    pipeline_free(p);
}

const struct backend backend_pipeline = {.name = "pipeline",
                                         .title = "Runs of pipelines, by this service",
                                         .survives_host = true,
                                         .open = pipeline_open,
                                         .close = pipeline_close,
                                         .watch = pipeline_watch,
                                         .stop_watch = pipeline_stop_watch,
                                         .validate = check,
                                         .submit = pipeline_submit,
                                         .cancel = pipeline_cancel,
                                         .logs = pipeline_logs,
                                         .forget = pipeline_forget};

/* --- in the core thread */

static void tell(struct core *c, const char *key, const struct backend_status *status)
{
    struct connection *conn = runs_connection(c, backend_pipeline.name);
    conn->host.status(conn->host.ctx, key, status);
}

void flow_tell(struct core *c, struct flow *f)
{
    if (!f->row->experiment_id)
        return;
    struct effect *e = effect_new(c, EFFECT_RUN_TELL);
    e->run = f->id;
}

/* Outputs that are numbers are the trial's final metrics. */
static json_t *metrics_of(const struct run_row *row)
{
    json_t *outputs = json_loads(row->outputs, 0, NULL), *metrics = json_object(), *value;
    const char *name;
    json_object_foreach(outputs, name, value)
        if (json_is_number(value))
            (void)json_object_set(metrics, name, value);
    json_decref(outputs);
    return metrics;
}

void flow_tell_now(struct core *c, const struct flow *f)
{
    const struct run_row *row = f->row;
    struct backend_status s = {.phase = PHASE_RUNNING, .exit_code = -1, .signal = -1, .start_ms = row->start_ms, .end_ms = row->end_ms};
    if (row->state == RUN_SUCCEEDED)
        s.phase = PHASE_SUCCEEDED;
    else if (run_state_final(row->state))
        s.phase = row->state == RUN_FAILED ? PHASE_FAILED : PHASE_STOPPED;
    if (s.phase == PHASE_FAILED) {
        s.cause = !strcmp(row->reason, "TIMEOUT") ? CAUSE_TIMEOUT : CAUSE_USER;
        (void)snprintf(s.reason, sizeof s.reason, "%s", row->reason);
        (void)snprintf(s.message, sizeof s.message, "%s", row->message);
    }
    json_t *metrics = metrics_of(row);
    s.metrics = metrics;
    tell(c, row->key, &s);
    json_decref(metrics);
}

static void tell_refused(struct core *c, const char *key, const struct error *why)
{
    struct backend_status s = {.phase = PHASE_FAILED, .cause = CAUSE_INVALID, .exit_code = -1, .signal = -1, .reason = "INVALID"};
    (void)snprintf(s.message, sizeof s.message, "%.390s", why->detail);
    tell(c, key, &s);
}

enum err apply_run_begin(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    (void)error;
    const struct begin *b = command->inside;
    struct live *l;
    struct error why = {0};
    enum err err = live_get(c, b->project, b->experiment, &l, &why);
    if (err == ERR_NOT_FOUND)
        return OK; /* it was deleted meanwhile */
    struct flow *f = NULL;
    if (!err) {
        live_touch(c, l);
        (void)json_object_set_new(b->origin, "experiment_uid", json_string(l->row->uid));
        struct flow_ask ask = {.project = b->project,
                               .document = b->pipeline,
                               .code = b->code,
                               .key = b->key,
                               .params = b->params,
                               .origin = b->origin,
                               .experiment_id = l->id,
                               .trial = json_integer_value(json_object_get(b->origin, "trial"))};
        err = flow_make(c, &ask, &f, NULL, &why);
    }
    if (err == ERR_STORAGE || err == ERR_INTERNAL) {
        *error = why;
        return err;
    }
    if (err)
        tell_refused(c, b->key, &why);
    else
        flow_tell(c, f); /* that it runs, or how it ended */
    return OK;
}

enum err apply_run_end(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    const struct end *e = command->inside;
    struct run_row *row = NULL;
    struct flow *f;
    if (run_get_key(c->db, e->key, &row, NULL))
        return OK;
    enum err err = flow_get(c, row->id, &f, error);
    run_free(row);
    if (!err && f->row->state == RUN_RUNNING)
        err = flow_stop(c, f, RUN_CANCELLED, "TRIAL", "its trial was stopped", error);
    if (!err && e->drop)
        err = flow_remove(c, f, error);
    return err;
}
