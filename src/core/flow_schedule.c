/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When runs are looked at: after what touched them, when something is due, at a start. */
#include "core/flow.h"

#include "base/log.h"

#include <string.h>

enum err flows_open(struct core *c, struct error *error)
{
    char *artifacts CLEANUP_FREE = x_asprintf("%s/artifacts", c->data_dir);
    return artifacts_open(artifacts, &c->artifacts, error);
}

/* Marks that come from outside the rows: submits to be tried again, and when steps that may not be silent were last heard. */
static void look_around(struct core *c, struct flow *f)
{
    struct node *n, *next;
    HASH_ITER(hh, f->by_seq, n, next)
    {
        if (n->submit_at <= c->mono) {
            n->submit_at = NEVER;
            flow_effect(c, EFFECT_STEP_SUBMIT, n);
        } else {
            wake_at(c, n->submit_at);
        }
        if (n->step->idle_timeout_s > 0 && n->slot && n->row->state == STEP_RUNNING)
            n->heard_ms = runs_heard(c, n->attempt->run_key);
    }
}

enum err flow_schedule(struct core *c, struct flow *f, struct error *error)
{
    if (f->deleted || run_state_final(f->row->state))
        return OK;
    look_around(c, f);
    return flow_advance(c, f, error);
}

enum err flow_deadlines(struct core *c, struct error *error)
{
    struct flow *f, *next;
    HASH_ITER(hh, c->flows, f, next)
    flow_touch(c, f);
    enum err err = schedules_fire(c, error);
    return err ? err : flow_sweep(c, error);
}

void flow_start_effect(struct core *c, const struct effect *e)
{
    struct flow *f;
    HASH_FIND(hh, c->flows, &e->run, sizeof e->run, f);
    struct node *n = f ? flow_node(f, e->step) : NULL;
    if (e->kind == EFFECT_RUN_TELL && f)
        flow_tell_now(c, f);
    else if (e->kind == EFFECT_STEP_CANCEL)
        runs_cancel(c, e->backend, e->run_key, 10);
    else if (e->kind == EFFECT_STEP_FORGET) {
        runs_forget(c, e->backend, e->run_key, e->drop);
        if (e->sweep)
            flow_sweep_dir(c, e->backend, e->run_key);
    } else if (e->kind == EFFECT_STEP_SUBMIT && n && n->attempt && !strcmp(n->attempt->run_key, e->run_key))
        flow_submit(c, n);
}

/* --- at a start */

struct ids {
    int64_t *items;
    size_t n, cap;
};

static bool remember(void *arg, const struct run_row *r)
{
    struct ids *ids = arg;
    if (ids->n == ids->cap) {
        ids->cap = ids->cap ? ids->cap * 2 : 16;
        ids->items = x_realloc(ids->items, ids->cap * sizeof *ids->items);
    }
    ids->items[ids->n++] = r->id;
    return true;
}

/* Its trial's experiment was deleted, and the service killed before it could say so to the run. */
static enum err remove_orphan(struct core *c, int64_t id, struct error *error)
{
    struct flow *f;
    enum err err = flow_get(c, id, &f, error);
    if (!err)
        err = db_begin(c->db, error);
    if (err)
        return err;
    err = flow_remove(c, f, error);
    if (!err)
        err = db_commit(c->db, error);
    if (err)
        db_rollback(c->db);
    else
        flow_evict(c, f);
    c->n_flows_touched = 0; /* it was the only one */
    return err;
}

enum err flow_recover(struct core *c, struct error *error)
{
    struct ids ids = {0};
    size_t n_orphans = 0;
    c->swept_at = c->mono;
    enum err err = schedules_load(c, error);
    if (!err)
        err = run_live(c->db, remember, &ids, error);
    int64_t *orphans CLEANUP_FREE = x_calloc(ids.n + 1, sizeof *orphans);
    for (size_t i = 0; i < ids.n && !err; i++) {
        struct flow *f;
        struct error why = {0};
        err = flow_get(c, ids.items[i], &f, &why);
        if (!strcmp(why.name, "STORED_PIPELINE")) { /* one that cannot be read must not keep the others down */
            log_event(LOG_ERROR, "run.not_recovered", "{s:s}", "detail", why.detail);
            err = OK;
            continue;
        }
        if (err && error)
            *error = why;
        struct experiment *e = NULL;
        if (!err && f->row->experiment_id && experiment_get_id(c->db, f->row->experiment_id, &e, NULL) == ERR_NOT_FOUND) {
            orphans[n_orphans++] = f->id;
            continue;
        }
        experiment_free(e);
        struct node *n, *next;
        if (!err)
            HASH_ITER(hh, f->by_seq, n, next)
            if (n->slot)
                flow_effect(c, EFFECT_STEP_SUBMIT, n);
    }
    free(ids.items);
    for (size_t i = 0; i < c->n_flows_touched; i++)
        c->flows_touched[i]->touched = false;
    c->n_flows_touched = 0;
    for (size_t i = 0; i < n_orphans && !err; i++)
        err = remove_orphan(c, orphans[i], error);
    return err;
}
