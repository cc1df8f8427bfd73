/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The experiments in use, by id and by "project/name". */
#include "core/state.h"

#include <string.h>

void set_text(const char **field, const char *value)
{
    char *copy = x_strdup(value ? value : "");
    x_free(*field);
    *field = copy;
}

static void drop_trials(struct live *l)
{
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    live_trial_drop(l, t);
}

/* A deleted one that is still needed (a job is out) gives its name free. */
static void drop_name(struct core *c, struct live *l)
{
    if (l->named)
        HASH_DELETE(hh_name, c->by_name, l);
    l->named = false;
}

static void live_free(struct core *c, struct live *l)
{
    HASH_DELETE(hh_id, c->by_id, l);
    drop_name(c, l);
    drop_trials(l);
    stop_rule_release(l);
    if (l->cache && l->plan->algorithm->cache_free)
        l->plan->algorithm->cache_free(l->cache);
    experiment_free(l->row);
    plan_unref(l->plan);
    free(l->key);
    free(l);
}

void live_free_all(struct core *c)
{
    struct live *l, *next;
    HASH_ITER(hh_id, c->by_id, l, next)
    live_free(c, l);
}

void live_evict(struct core *c, struct live *l)
{
    bool idle = experiment_state_final(l->row->state) && !l->trials;
    if (l->deleted)
        drop_name(c, l);
    if ((l->deleted || idle) && !l->suggesting && !l->parked)
        live_free(c, l);
}

struct live *live_add(struct core *c, struct experiment *row, struct spec *spec)
{
    struct live *l = X_NEW(struct live);
    l->id = row->id;
    l->row = row;
    l->plan = plan_new(spec);
    l->key = x_asprintf("%s/%s", row->project, row->name);
    HASH_ADD(hh_id, c->by_id, id, sizeof l->id, l);
    HASH_ADD_KEYPTR(hh_name, c->by_name, l->key, strlen(l->key), l);
    l->named = true;
    return l;
}

struct live_trial *live_trial_add(struct live *l, struct trial *row, struct attempt *attempt)
{
    struct live_trial *t = X_NEW(struct live_trial);
    t->number = row->number;
    t->row = row;
    t->attempt = attempt;
    t->lease_until = NEVER;
    t->submit_at = NEVER;
    HASH_ADD(hh, l->trials, number, sizeof t->number, t);
    return t;
}

void live_trial_drop(struct live *l, struct live_trial *t)
{
    HASH_DELETE(hh, l->trials, t); /* NOLINT(clang-analyzer-unix.Malloc): it is not seen that freed ones are in no list */
    trial_free(t->row);
    attempt_free(t->attempt);
    for (size_t i = 0; i < SPEC_MAX_STOPPING; i++)
        series_release(&t->series[i]);
    free(t);
}

struct loading {
    struct core *core;
    struct trial **rows;
    size_t n, cap;
};

static bool keep_row(void *arg, const struct trial *t)
{
    struct loading *loading = arg;
    if (loading->n == loading->cap) {
        loading->cap = loading->cap ? loading->cap * 2 : 16;
        loading->rows = x_realloc(loading->rows, loading->cap * sizeof *loading->rows);
    }
    loading->rows[loading->n++] = trial_copy(t);
    return true;
}

/* Reads the trials that are not final, with their present attempts. */
static enum err load_trials(struct core *c, struct live *l, struct error *error)
{
    struct loading loading = {.core = c};
    enum err err = trial_live(c->db, l->id, keep_row, &loading, error);
    for (size_t i = 0; i < loading.n; i++) {
        struct attempt *attempt = NULL;
        if (!err && loading.rows[i]->attempt > 0)
            err = attempt_get(c->db, loading.rows[i]->id, loading.rows[i]->attempt, &attempt, error);
        if (err)
            trial_free(loading.rows[i]);
        else
            (void)live_trial_add(l, loading.rows[i], attempt);
    }
    free(loading.rows);
    return err;
}

/* Takes row. */
static enum err load(struct core *c, struct experiment *row, struct live **out, struct error *error)
{
    struct problems problems = {0};
    struct spec *spec = spec_parse(row->spec, strlen(row->spec), core_catalog(), &problems);
    if (!spec) {
        enum err err = err_set(error, ERR_UNSUPPORTED, "STORED_SPEC", "the stored file of experiment %s cannot be read: %s: %s",
                               row->name, problems.n ? problems.items[0].pointer : "",
                               problems.n ? problems.items[0].detail : "unknown");
        problems_release(&problems);
        experiment_free(row);
        return err;
    }
    problems_release(&problems);
    struct live *l = live_add(c, row, spec);
    enum err err = load_trials(c, l, error);
    if (err) {
        live_free(c, l);
        return err;
    }
    *out = l;
    return OK;
}

enum err live_get(struct core *c, const char *project, const char *name, struct live **out, struct error *error)
{
    char key[160];
    int n = snprintf(key, sizeof key, "%s/%s", project, name);
    struct live *l = NULL;
    if (n > 0 && (size_t)n < sizeof key)
        HASH_FIND(hh_name, c->by_name, key, (size_t)n, l);
    if (l && !l->deleted) {
        *out = l;
        return OK;
    }
    struct experiment *row;
    enum err err = experiment_get(c->db, project, name, &row, error);
    return err ? err : load(c, row, out, error);
}

enum err live_get_id(struct core *c, int64_t id, struct live **out, struct error *error)
{
    struct live *l = NULL;
    HASH_FIND(hh_id, c->by_id, &id, sizeof id, l);
    if (l) {
        *out = l;
        return l->deleted ? err_set(error, ERR_NOT_FOUND, "EXPERIMENT_NOT_FOUND", "the experiment was deleted") : OK;
    }
    struct experiment *row;
    enum err err = experiment_get_id(c->db, id, &row, error);
    return err ? err : load(c, row, out, error);
}

void live_touch(struct core *c, struct live *l)
{
    if (l->touched)
        return;
    l->touched = true;
    if (c->n_touched == c->cap_touched) {
        c->cap_touched = c->cap_touched ? c->cap_touched * 2 : 16;
        c->touched = x_realloc(c->touched, c->cap_touched * sizeof *c->touched);
    }
    c->touched[c->n_touched++] = l;
}

int64_t live_running(const struct live *l)
{
    const int64_t *n = l->row->counts;
    return n[TRIAL_STARTING] + n[TRIAL_RUNNING] + n[TRIAL_STOPPING];
}

enum err live_reload(struct core *c, struct live *l, struct error *error)
{
    struct experiment *row;
    enum err err = experiment_get_id(c->db, l->id, &row, error);
    if (err == ERR_NOT_FOUND) {
        l->deleted = true;
        drop_trials(l);
        return OK;
    }
    if (err)
        return err;
    l->deleted = false;
    experiment_free(l->row);
    l->row = row;
    l->waiting = false;
    struct live_trial *old = l->trials, *t, *next;
    l->trials = NULL;
    stop_rule_release(l);
    err = load_trials(c, l, error);
    HASH_ITER(hh, l->trials, t, next)
    {
        struct live_trial *was = NULL;
        HASH_FIND(hh, old, &t->number, sizeof t->number, was);
        if (was && was->row->attempt == t->row->attempt) {
            t->lease_until = was->lease_until;
            t->start_after = was->start_after;
            t->submit_at = was->submit_at;
        } else if (t->attempt && !attempt_over(t->attempt) && !*t->attempt->run_key) {
            t->lease_until = c->mono + (int64_t)(t->attempt->lease_s * 1000);
        }
    }
    struct live *ghost = &(struct live){.trials = old};
    drop_trials(ghost);
    return err;
}
