/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What backends and collectors tell of steps. A word about an attempt that is not the present one changes nothing. */
#include "core/flow.h"

#include <string.h>

struct node *step_of(struct core *c, const struct run_event *e)
{
    struct flow *f;
    HASH_FIND(hh, c->flows, &e->run, sizeof e->run, f);
    if (!f || f->deleted)
        return NULL;
    struct node *n = flow_node(f, e->step);
    if (!n || !n->slot || strcmp(n->attempt->run_key, e->run_key) != 0)
        return NULL;
    flow_touch(c, f);
    return n;
}

static enum err lost_before_it_began(struct core *c, struct node *n, const struct run_event *e, struct error *error)
{
    const struct error *why = &e->error;
    if (n->row->state == STEP_STOPPING)
        return flow_stopped(c, n, error);
    if (*e->artifact)
        return flow_corrupt(c, n, e->artifact, why->detail, error);
    return flow_failed(c, n, why->code == ERR_INVALID ? FAILURE_USER : FAILURE_INFRA, why->code == ERR_INVALID ? "INVALID" : "ENGINE", why->detail, -1, error);
}

enum err step_not_taken(struct core *c, const struct run_event *e, struct error *error)
{
    struct node *n = step_of(c, e);
    enum err code = e->error.code;
    if (!n)
        return OK;
    if (code != ERR_UNAVAILABLE && code != ERR_TOO_MANY)
        return lost_before_it_began(c, n, e, error);
    int64_t delay = 1000 << (n->submit_tries < 6 ? n->submit_tries : 6);
    n->submit_tries++;
    n->submit_at = c->mono + (delay < 60000 ? delay : 60000);
    wake_at(c, n->submit_at);
    return OK;
}

/* Reports of a trial's steps are the trial's. */
static enum err measure_trial(struct core *c, struct flow *f, const struct measurement *m, size_t n, struct error *error)
{
    struct live *l;
    struct live_trial *t = NULL;
    HASH_FIND(hh_id, c->by_id, &f->row->experiment_id, sizeof f->row->experiment_id, l);
    if (l && !l->deleted)
        HASH_FIND(hh, l->trials, &f->row->trial, sizeof f->row->trial, t);
    if (!t || !t->attempt || attempt_over(t->attempt) || strcmp(t->attempt->run_key, f->row->key) != 0)
        return OK;
    live_touch(c, l);
    return trial_measure(c, l, t, m, n, error);
}

enum err flow_measure(struct core *c, struct node *n, const struct measurement *m, size_t n_points, bool cached, struct error *error)
{
    struct flow *f = n->frame->flow;
    enum err err = OK;
    struct measurement *of_trial = x_calloc(n_points, sizeof *of_trial);
    for (size_t i = 0; i < n_points && !err; i++) {
        struct step_measurement one = {.run_id = f->id, .seq = n->seq, .metric = m[i].metric, .step = m[i].step, .value = m[i].value, .cached = cached, .time_ms = m[i].time_ms};
        err = step_measurement_put(c->db, &one, error);
        of_trial[i] = m[i];
        of_trial[i].attempt = json_integer_value(json_object_get(f->origin, "attempt"));
        of_trial[i].replicate = json_integer_value(json_object_get(f->origin, "replicate"));
    }
    if (!err && n_points && f->row->experiment_id)
        err = measure_trial(c, f, of_trial, n_points, error);
    free(of_trial);
    if (!err && n_points)
        err = flow_record(c, f, n, "step.reported", json_pack("{s:I}", "step_reported", (json_int_t)m[n_points - 1].step), error);
    return err;
}

enum err step_output(struct core *c, const struct run_event *e, struct error *error)
{
    struct node *n = step_of(c, e);
    if (!n)
        return OK;
    set_text(&n->attempt->cursor, e->cursor);
    enum err err = attempt_save(c, n, error);
    return err ? err : flow_measure(c, n, e->points, e->n_points, false, error);
}

static enum failure failure_of(const struct backend_status *s)
{
    switch (s->cause) {
    case CAUSE_LOST:
        return FAILURE_INFRA;
    case CAUSE_TIMEOUT:
        return FAILURE_TIMEOUT;
    case CAUSE_OOM:
        return FAILURE_OOM;
    default:
        return FAILURE_USER;
    }
}

static const char *const cause_names[] = {[FAILURE_USER] = "USER", [FAILURE_INFRA] = "LOST", [FAILURE_TIMEOUT] = "TIMEOUT", [FAILURE_OOM] = "OOM"};

static enum err has_failed(struct core *c, struct node *n, const struct run_event *e, struct error *error)
{
    const char *tail = e->tail && *e->tail ? e->tail : NULL;
    char *message CLEANUP_FREE = tail ? x_asprintf("%s. Last lines:\n%s", e->status.message, tail) : x_strdup(e->status.message);
    enum failure why = failure_of(&e->status);
    return flow_failed(c, n, why, cause_names[why], message, e->status.exit_code, error);
}

static enum err has_stopped(struct core *c, struct node *n, struct error *error)
{
    if (strcmp(n->row->cause, "TIMEOUT") != 0)
        return flow_stopped(c, n, error);
    char *message CLEANUP_FREE = x_strdup(n->row->message); /* it was silent too long */
    return flow_failed(c, n, FAILURE_TIMEOUT, "TIMEOUT", message, -1, error);
}

static enum err has_told(struct core *c, struct node *n, const struct harvest *h, int64_t now_ms, struct error *error)
{
    struct measurement *points = x_calloc(json_object_size(h->metrics) + 1, sizeof *points);
    size_t n_points = 0;
    const char *name;
    json_t *value;
    json_object_foreach(h->metrics, name, value)
        points[n_points++] = (struct measurement){.metric = name, .value = json_number_value(value), .time_ms = now_ms};
    enum err err = n_points ? flow_measure(c, n, points, n_points, false, error) : OK;
    free(points);
    return err;
}

static enum err has_succeeded(struct core *c, struct node *n, struct run_event *e, struct error *error)
{
    struct harvest *h = e->harvest;
    if (h && h->outputs) { /* the command may be applied again after a rollback: what it holds stays its own */
        enum err err = has_told(c, n, h, e->status.end_ms, error);
        return err ? err : flow_finished(c, n, json_incref(h->outputs), h->written, h->bytes, error);
    }
    const char *why = h && h->problem ? h->problem : "what it left behind could not be read";
    return flow_failed(c, n, h && h->storage ? FAILURE_INFRA : FAILURE_USER, h && h->storage ? "STORAGE" : "USER", why, 0, error);
}

static enum err has_begun(struct core *c, struct node *n, const struct backend_status *s, bool over, struct error *error)
{
    if (!n->attempt->start_ms)
        n->attempt->start_ms = s->start_ms ? s->start_ms : c->now;
    if (!over && n->row->state == STEP_STOPPING) /* it was to be stopped before a restart */
        flow_effect(c, EFFECT_STEP_CANCEL, n);
    if (over || n->row->state != STEP_STARTING)
        return OK;
    n->attempt->state = STEP_RUNNING;
    enum err err = attempt_save(c, n, error);
    return err ? err : node_save(c, n, STEP_RUNNING, "step.running", NULL, error);
}

enum err step_status(struct core *c, struct run_event *e, struct error *error)
{
    struct node *n = step_of(c, e);
    if (!n)
        return OK;
    const struct backend_status *s = &e->status;
    bool over = s->phase == PHASE_SUCCEEDED || s->phase == PHASE_FAILED || s->phase == PHASE_STOPPED;
    n->attempt->exit_code = s->exit_code;
    n->attempt->signal = s->signal;
    if (s->phase == PHASE_PENDING)
        return OK;
    enum err err = has_begun(c, n, s, over, error);
    if (err || !over)
        return err;
    n->attempt->end_ms = s->end_ms;
    if (s->phase == PHASE_SUCCEEDED) /* what it made is kept, though it was told to stop */
        return has_succeeded(c, n, e, error);
    if (n->row->state == STEP_STOPPING)
        return has_stopped(c, n, error);
    if (s->phase == PHASE_STOPPED)
        return flow_failed(c, n, FAILURE_INFRA, "EXTERNAL", "it was stopped from outside", -1, error);
    return has_failed(c, n, e, error);
}
