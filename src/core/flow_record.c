/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows and events of runs: every change goes through here, so that an event is never forgotten. */
#include "base/json_text.h"
#include "core/flow.h"

#include <math.h>
#include <string.h>

enum err flow_record(struct core *c, struct flow *f, const struct node *n, const char *kind, json_t *data, struct error *error)
{
    data = data ? data : json_object();
    if (n)
        (void)json_object_set_new(data, "step", json_string(n->row->path));
    char *text CLEANUP_FREE = json_text(data);
    json_decref(data);
    struct event e = {.time_ms = c->now, .run_id = f->id, .kind = kind, .data = text, .project = f->row->project};
    enum err err = event_append(c->db, &e, error);
    if (err)
        return err;
    c->revision = e.revision;
    f->row->revision = e.revision;
    f->row->update_ms = c->now;
    f->dirty = true;
    flow_touch(c, f);
    return OK;
}

static bool holds_slot(const struct node *n)
{
    return !step_state_final(n->row->state) && n->attempt && !step_state_final(n->attempt->state);
}

enum err node_save(struct core *c, struct node *n, enum step_state state, const char *kind, json_t *data, struct error *error)
{
    struct flow *f = n->frame->flow;
    n->row->state = state;
    f->n_running -= n->slot;
    n->slot = holds_slot(n);
    f->n_running += n->slot;
    if (!n->seq) {
        n->seq = n->row->seq = ++f->row->n_rows;
        n->row->run_id = f->id;
        n->row->parent = n->map ? n->map->seq : n->frame->owner ? n->frame->owner->seq : 0;
        HASH_ADD(hh, f->by_seq, seq, sizeof n->seq, n);
    }
    enum err err = flow_record(c, f, n, kind, data, error);
    n->row->revision = f->row->revision;
    return err ? err : step_put(c->db, n->row, error);
}

enum err attempt_save(struct core *c, struct node *n, struct error *error)
{
    return step_attempt_put(c->db, n->attempt, error);
}

void node_why(struct node *n, const char *cause, const char *message)
{
    set_text(&n->row->cause, cause);
    set_text(&n->row->message, message);
}

void flow_effect(struct core *c, enum effect_kind kind, struct node *n)
{
    struct effect *e = effect_new(c, kind);
    e->run = n->frame->flow->id;
    e->step = n->seq;
    e->run_key = x_strdup(n->attempt ? n->attempt->run_key : "");
    e->sweep = n->furnished;
    for (size_t i = 0; i < n->step->n_outputs; i++)
        e->sweep |= type_is_artifact(n->step->outputs[i].type);
    struct connection *conn = runs_connection(c, n->step->backend);
    e->backend = conn ? conn->backend->name : NULL;
}
