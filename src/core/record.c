/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows, counts and events of a change: every change of state goes through here, so that an event is never forgotten. */
#include "base/json_text.h"
#include "core/state.h"

#include <string.h>

enum err record(struct core *c, struct live *l, struct trial *t, const char *kind, json_t *data, struct error *error)
{
    char *text CLEANUP_FREE = json_text(data);
    json_decref(data);
    struct event e = {.time_ms = c->now,
                      .experiment_id = l->id,
                      .trial = t ? t->number : 0,
                      .project = l->row->project,
                      .experiment = l->row->name,
                      .kind = kind,
                      .data = text ? text : "{}"};
    enum err err = event_append(c->db, &e, error);
    if (err)
        return err;
    c->revision = e.revision;
    if (t) {
        t->revision = e.revision;
        t->update_ms = c->now;
    }
    l->row->revision = e.revision;
    l->row->update_ms = c->now;
    l->dirty = true;
    live_touch(c, l);
    return OK;
}

void count_state(struct live *l, struct trial *t, enum trial_state state)
{
    l->row->counts[t->state]--;
    l->row->counts[state]++;
    t->state = state;
    l->dirty = true;
}

enum err save_trial(struct core *c, struct live *l, struct live_trial *t, const char *kind, json_t *data, struct error *error)
{
    enum err err = record(c, l, t->row, kind, data, error);
    if (!err && t->attempt)
        err = attempt_update(c->db, t->attempt, error);
    return err ? err : trial_update(c->db, t->row, error);
}

struct effect *effect_new(struct core *c, enum effect_kind kind)
{
    if (c->n_effects == c->cap_effects) {
        c->cap_effects = c->cap_effects ? c->cap_effects * 2 : 16;
        c->effects = x_realloc(c->effects, c->cap_effects * sizeof *c->effects);
    }
    struct effect *e = &c->effects[c->n_effects++];
    *e = (struct effect){.kind = kind};
    return e;
}

static struct effect *new_effect(struct core *c, enum effect_kind kind, struct live *l)
{
    struct effect *e = effect_new(c, kind);
    e->experiment = l->id;
    for (size_t i = 0; l->plan->spec->backend && i < c->n_connections; i++)
        if (!strcmp(c->connections[i].backend->name, l->plan->spec->backend))
            e->backend = c->connections[i].backend->name;
    return e;
}

void add_effect(struct core *c, enum effect_kind kind, struct live *l, struct live_trial *t)
{
    struct effect *e = new_effect(c, kind, l);
    if (t) {
        e->trial = t->number;
        e->run_key = x_strdup(t->attempt ? t->attempt->run_key : "");
    }
}

void add_forget(struct core *c, struct live *l, const char *run_key, bool drop)
{
    struct effect *e = new_effect(c, EFFECT_FORGET, l);
    e->run_key = x_strdup(run_key);
    e->drop = drop;
}

void wake_at(struct core *c, int64_t mono)
{
    if (mono < c->wake)
        c->wake = mono;
}

enum err refuse_problems(struct command *command, struct problems *problems, struct error *error)
{
    char dotted[200] = "";
    command->errors = problems_json(problems->items, problems->n);
    if (problems->n)
        problems_dotted(problems->items[0].pointer, dotted, sizeof dotted);
    enum err err = err_set(error, ERR_INVALID, NULL, "%s: %s", dotted, problems->n ? problems->items[0].detail : "not valid");
    problems_release(problems);
    return err;
}
