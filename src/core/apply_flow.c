/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of pipelines and runs that are asked for. */
#include "base/json_text.h"
#include "core/flow.h"

#include <string.h>

static enum err find(struct core *c, const struct command *command, struct flow **out, struct error *error)
{
    struct run_row *row;
    enum err err = run_get(c->db, command->run, &row, error);
    if (err)
        return err;
    if (strcmp(row->project, command->project) != 0 && strcmp(command->project, "-") != 0)
        err = err_set(error, ERR_NOT_FOUND, "RUN_NOT_FOUND", "project %s has no run %s", command->project, command->run);
    if (!err)
        err = flow_get(c, row->id, out, error);
    if (!err && command->if_match >= 0 && command->if_match != row->revision)
        err = err_set(error, ERR_PRECONDITION, NULL, "run %s has changed: its revision is %lld; read it again", command->run, (long long)row->revision);
    run_free(row);
    return err;
}

static void reply_run(struct command *command, const struct flow *f)
{
    json_decref(command->reply);
    command->reply = run_row_json(f->row);
}

static struct flow_ask ask_of(const struct command *command)
{
    const json_t *b = command->body;
    return (struct flow_ask){.project = command->project,
                             .document = json_object_get(b, "pipeline"),
                             .code = json_object_get(b, "code"),
                             .key = json_string_value(json_object_get(b, "key")),
                             .params = json_object_get(b, "params"),
                             .origin = json_object_get(b, "origin"),
                             .labels = json_object_get(b, "labels")};
}

enum err apply_pipeline_put(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct flow_ask ask = ask_of(command);
    struct pipeline_row *row = NULL;
    int64_t id;
    const char *alias = json_string_value(json_object_get(command->body, "alias"));
    enum err err = flow_version(c, &ask, &id, command, error);
    if (!err)
        err = pipeline_get_id(c->db, id, &row, error);
    if (!err && alias)
        err = pipeline_alias(c->db, row->project, row->name, alias, id, error);
    if (!err) {
        command->reply = pipeline_row_json(row, false);
        command->http_status = 201;
    }
    pipeline_row_free(row);
    return err;
}

enum err apply_run_create(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct flow *f;
    struct flow_ask ask = ask_of(command);
    const char *from = json_string_value(json_object_get(ask.origin, "from"));
    enum err err = flow_make(c, &ask, &f, command, error);
    if (!err && from && !flow_has_step(f, from)) {
        err = err_set(error, ERR_INVALID, "STEP_NOT_FOUND", "the pipeline has no step %.80s to begin from", from);
        struct error lost;
        if (flow_remove(c, f, &lost))
            err = ERR_STORAGE;
    }
    if (err)
        return err;
    command->http_status = 201;
    reply_run(command, f);
    return OK;
}

enum err apply_run_cancel(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct flow *f;
    bool force = json_is_true(json_object_get(command->body, "force"));
    enum err err = find(c, command, &f, error);
    if (!err && run_state_final(f->row->state))
        err = err_set(error, ERR_CONFLICT, "RUN_STATE", "run %s is %s already", command->run, run_state_name(f->row->state));
    if (!err && (f->row->state == RUN_RUNNING || force))
        err = flow_stop(c, f, RUN_CANCELLED, force ? "FORCED" : "USER", "it was cancelled", error);
    if (!err)
        reply_run(command, f);
    return err;
}

/* --- resume */

static bool to_be_done_again(const struct node *n)
{
    return n->row->state == STEP_FAILED || n->row->state == STEP_CANCELLED || n->row->state == STEP_UPSTREAM_FAILED;
}

/* A map goes on with the items that failed; a sub-pipeline with what failed in it. What they hold is read anew from their rows. */
static enum err reopen(struct core *c, struct node *n, struct error *error)
{
    if (!*n->row->data)
        return flow_reset(c, n, error);
    json_decref(n->outputs);
    n->outputs = NULL;
    set_text(&n->row->outputs, "");
    node_why(n, "", "");
    n->row->end_ms = 0;
    return node_save(c, n, STEP_RUNNING, "step.running", NULL, error);
}

struct inner { /* rows below the run's own that are to be done again */
    struct step_row **items;
    size_t n, cap;
};

static bool keep_inner(void *arg, const struct step_row *s)
{
    struct inner *in = arg;
    if (!s->parent)
        return true;
    if (in->n == in->cap) {
        in->cap = in->cap ? in->cap * 2 : 64;
        in->items = x_realloc(in->items, in->cap * sizeof *in->items);
    }
    in->items[in->n++] = step_copy(s);
    return true;
}

static bool row_again(const struct step_row *s)
{
    return s->state == STEP_FAILED || s->state == STEP_CANCELLED || s->state == STEP_UPSTREAM_FAILED;
}

/* Items of a map and steps of sub-pipelines are not held once they are over: their rows are changed, and the run is read anew. */
static enum err reset_inner(struct core *c, struct flow *f, struct error *error)
{
    struct inner in = {0};
    enum err err = step_list(c->db, f->id, 0, INT64_MAX, keep_inner, &in, error);
    for (size_t i = 0; i < in.n; i++) {
        struct step_row *s = in.items[i];
        if (!err && row_again(s)) {
            bool holds = *s->data != '\0';
            s->state = holds ? STEP_RUNNING : STEP_WAITING;
            set_text(&s->outputs, "");
            set_text(&s->cause, "");
            set_text(&s->message, "");
            s->n_user = s->n_infra = s->retry_ms = s->end_ms = 0;
            err = step_put(c->db, s, error);
        }
        step_row_free(s);
    }
    free(in.items);
    return err;
}

static enum err reset_failed(struct core *c, struct flow *f, struct error *error)
{
    struct frame *fr = f->root;
    bool *again CLEANUP_FREE = x_calloc(fr->n + fr->n_finally + 1, sizeof *again);
    enum err err = OK;
    for (size_t i = 0; i < fr->n + fr->n_finally && !err; i++) {
        struct node *n = fr->nodes[i];
        again[i] = i >= fr->n || to_be_done_again(n);
        for (size_t k = 0; i < fr->n && k < n->step->n_needs; k++)
            again[i] |= again[n->step->needs[k]];
        if (again[i] && n->seq)
            err = to_be_done_again(n) ? reopen(c, n, error) : flow_reset(c, n, error);
    }
    return err;
}

enum err apply_run_resume(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct flow *f;
    enum err err = find(c, command, &f, error);
    if (!err && (f->row->state != RUN_FAILED && f->row->state != RUN_CANCELLED))
        err = err_set(error, ERR_CONFLICT, "RUN_STATE", "run %s is %s: only one that failed or was cancelled can be resumed", command->run, run_state_name(f->row->state));
    if (!err && f->row->experiment_id)
        err = err_set(error, ERR_CONFLICT, "RUN_OF_TRIAL", "run %s belongs to trial %lld: retry the trial, its steps that succeeded come from the cache", command->run,
                      (long long)f->row->trial);
    if (err)
        return err;
    f->row->state = RUN_RUNNING;
    f->row->start_ms = c->now; /* its timeout begins anew */
    f->row->end_ms = 0;
    set_text(&f->row->outcome, "");
    set_text(&f->row->reason, "");
    set_text(&f->row->message, "");
    set_text(&f->row->outputs, "{}");
    err = flow_record(c, f, NULL, "run.resumed", NULL, error);
    if (!err)
        err = reset_failed(c, f, error);
    if (!err)
        err = reset_inner(c, f, error);
    if (!err)
        err = run_update(c->db, f->row, error);
    if (!err)
        err = flow_reload(c, f, error);
    if (!err)
        reply_run(command, f);
    return err;
}

/* --- removal */

struct keys {
    struct core *core;
    struct flow *flow;
};

static bool drop_files(void *arg, const struct step_attempt *a)
{
    struct keys *k = arg;
    struct effect *e = effect_new(k->core, EFFECT_STEP_FORGET);
    e->run = k->flow->id;
    e->run_key = x_strdup(a->run_key);
    e->drop = true;
    struct connection *conn = runs_connection(k->core, "process");
    e->backend = conn ? conn->backend->name : NULL;
    return true;
}

enum err flow_remove(struct core *c, struct flow *f, struct error *error)
{
    struct keys keys = {c, f};
    enum err err = step_attempt_list(c->db, f->id, 0, drop_files, &keys, error);
    if (!err)
        err = flow_record(c, f, NULL, "run.deleted", json_pack("{s:s}", "run", f->row->uid), error);
    if (!err)
        err = run_update(c->db, f->row, error);
    if (!err)
        err = run_delete(c->db, f->id, error);
    f->deleted = !err;
    return err;
}

enum err apply_run_delete(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct flow *f;
    enum err err = find(c, command, &f, error);
    if (!err && !run_state_final(f->row->state))
        err = err_set(error, ERR_CONFLICT, "RUN_STATE", "run %s is %s: cancel it first", command->run, run_state_name(f->row->state));
    return err ? err : flow_remove(c, f, error);
}
