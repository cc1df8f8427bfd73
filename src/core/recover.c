/* SPDX-License-Identifier: GPL-3.0-or-later */
/* At a start: what the store says is under way is taken up again. A run is submitted anew under its old key, which adopts it (backend.h). */
#include "base/log.h"
#include "core/flow.h"

#include <string.h>

static bool remember(void *arg, const struct experiment *e)
{
    struct core *c = arg;
    /* only ids now: loading reads other tables, and one statement is being stepped */
    if (c->n_touched == c->cap_touched) {
        c->cap_touched = c->cap_touched ? c->cap_touched * 2 : 16;
        c->touched = x_realloc(c->touched, c->cap_touched * sizeof *c->touched);
    }
    c->touched[c->n_touched++] = (struct live *)(intptr_t)e->id;
    return true;
}

static void take_up(struct core *c, struct live *l)
{
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    {
        if (!t->attempt || attempt_over(t->attempt) || t->row->state == TRIAL_QUEUED)
            continue;
        if (*t->attempt->run_key)
            add_effect(c, EFFECT_SUBMIT, l, t);
        else
            t->lease_until = c->mono + (int64_t)(t->attempt->lease_s * 1000);
    }
}

enum err recover(struct core *c, struct error *error)
{
    int64_t first;
    enum err err = event_bounds(c->db, &first, &c->revision, error);
    if (err)
        return err;
    c->pruned_at = c->revision;
    c->garbage = true;
    atomic_store(&c->last_revision, c->revision);
    err = experiment_live(c->db, remember, c, error);
    size_t n = c->n_touched;
    int64_t *ids CLEANUP_FREE = x_calloc(n, sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (intptr_t)c->touched[i];
    c->n_touched = 0;
    for (size_t i = 0; i < n && !err; i++) {
        struct live *l;
        struct error why;
        err = live_get_id(c, ids[i], &l, &why);
        if (!err) {
            take_up(c, l);
        } else if (!strcmp(why.name, "STORED_SPEC")) { /* one that cannot be read must not keep the others down */
            log_event(LOG_ERROR, "experiment.not_recovered", "{s:s}", "detail", why.detail);
            err = OK;
        } else if (error) {
            *error = why;
        }
    }
    if (!err)
        err = flow_recover(c, error);
    c->wake = c->mono; /* the first turn of the loop schedules all of them */
    return err;
}
