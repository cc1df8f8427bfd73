/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking the search algorithm: at once for those that need no history, else in a worker on a snapshot of the store. */
#include "core/state.h"

#include <math.h>
#include <string.h>
#include <time.h>

static json_t *origin_json(const struct plan *p, const struct suggestion *s)
{
    json_t *o = json_pack("{s:s, s:s}", "by", p->algorithm->name, "how", s->how);
    if (!isnan(s->expected)) { /* in the user's sense again */
        (void)json_object_set_new(o, "expected", number_json(objective_rank(&p->spec->objectives[0], s->expected)));
        (void)json_object_set_new(o, "deviation", number_json(s->deviation));
    }
    if (!isnan(s->acquisition))
        (void)json_object_set_new(o, "acquisition", number_json(s->acquisition));
    if (s->lineage.member) {
        (void)json_object_set_new(o, "member", json_integer(s->lineage.member));
        (void)json_object_set_new(o, "generation", json_integer(s->lineage.generation));
    }
    if (s->lineage.parent)
        (void)json_object_set_new(o, "parent", json_integer(s->lineage.parent));
    if (*s->note)
        (void)json_object_set_new(o, "note", json_string(s->note));
    return o;
}

enum err suggest_inline(struct core *c, struct live *l, double *x, json_t **origin, struct error *error)
{
    const struct plan *p = l->plan;
    struct search search = {.problem = &p->problem,
                            .settings = &p->spec->algorithm_settings,
                            .seed = (uint64_t)l->row->seed,
                            .cursor = l->row->cursor};
    struct suggestion s = {.x = x};
    enum err err = algorithm_suggest(p->algorithm, &search, &l->cache, &s, error);
    if (err)
        return err;
    l->row->cursor = s.cursor;
    l->dirty = true;
    *origin = origin_json(p, &s);
    atomic_fetch_add(&c->n_suggestions, 1);
    return OK;
}

/* --- in a worker */

struct suggest {
    struct job job;
    struct core *core;
    struct plan *plan;
    int64_t experiment, cursor, n_ends;
    uint64_t seed;
    void **cache; /* the live's slot: one job an experiment at a time, and the live stays while it is out */
};

static enum err load_history(struct core *c, int64_t experiment, struct history *h, struct error *error)
{
    struct db *reader = store_reader(c->config.store);
    if (!reader)
        return err_set(error, ERR_UNAVAILABLE, NULL, "no connection to the database");
    enum err err = history_load(h, reader, experiment, error);
    store_reader_done(c->config.store, reader);
    return err;
}

void suggested_free(void *suggested)
{
    struct suggested *s = suggested;
    free(s->x);
    json_decref(s->origin);
    free(s);
}

static void suggest_run(struct job *job)
{
    struct suggest *s = (struct suggest *)job;
    struct core *c = s->core;
    struct suggested *result = X_NEW(struct suggested);
    result->experiment = s->experiment;
    result->n_ends = s->n_ends;
    result->x = x_calloc(s->plan->spec->space->n, sizeof *result->x);
    struct history h = {.plan = s->plan};
    struct timespec from, to;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    result->code = load_history(c, s->experiment, &h, &result->error);
    if (!result->code) {
        struct search search = {.problem = &s->plan->problem,
                                .settings = &s->plan->spec->algorithm_settings,
                                .seed = s->seed,
                                .cursor = s->cursor,
                                .history = h.items,
                                .n_history = h.n,
                                .earlier = s->plan->earlier,
                                .n_earlier = s->plan->n_earlier};
        struct suggestion out = {.x = result->x};
        result->code = algorithm_suggest(s->plan->algorithm, &search, s->cache, &out, &result->error);
        result->cursor = out.cursor;
        if (!result->code)
            result->origin = origin_json(s->plan, &out);
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    atomic_fetch_add(&c->n_suggestions, 1);
    atomic_fetch_add(&c->suggestion_us, (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
    history_release(&h);
    plan_unref(s->plan);
    free(s);
    struct command *command = command_new(CMD_SUGGESTED);
    command->inside = result;
    command->inside_free = suggested_free;
    if (!core_submit(c, command))
        command_free(command);
}

void suggest_job(struct core *c, struct live *l)
{
    struct suggest *s = X_NEW(struct suggest);
    *s = (struct suggest){.job.run = suggest_run,
                          .core = c,
                          .plan = plan_ref(l->plan),
                          .experiment = l->id,
                          .cursor = l->row->cursor,
                          .n_ends = l->n_ends,
                          .seed = (uint64_t)l->row->seed,
                          .cache = &l->cache};
    if (!pool_submit(c->pool, &s->job)) {
        plan_unref(s->plan);
        free(s);
        l->suggesting = false;
    }
}

enum err apply_suggested(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct suggested *s = command->inside;
    struct live *l = NULL;
    HASH_FIND(hh_id, c->by_id, &s->experiment, sizeof s->experiment, l);
    if (!l)
        return OK;
    l->suggesting = false;
    live_touch(c, l);
    if (l->deleted || l->row->state != EXPERIMENT_RUNNING)
        return OK; /* it will be asked again, with the same answer */
    if (s->code == ERR_EXHAUSTED) {
        l->exhausted = true;
        return OK;
    }
    if (s->code == ERR_UNAVAILABLE && l->plan->algorithm->continues) {
        l->waiting = s->n_ends == l->n_ends; /* one that has ended meanwhile may be what it waits for */
        return OK;
    }
    if (s->code) {
        l->suggest_after = c->mono + 5000;
        return record(c, l, NULL, "experiment.suggestion_failed", json_pack("{s:s}", "detail", s->error.detail), error);
    }
    l->row->cursor = s->cursor;
    json_t *params = space_params(l->plan->spec->space, s->x);
    struct new_trial fresh = {.params = params, .x = s->x, .state = TRIAL_QUEUED, .origin = json_incref(s->origin)};
    struct live_trial *t;
    enum err err = trial_make(c, l, &fresh, &t, error);
    json_decref(params);
    return err;
}
