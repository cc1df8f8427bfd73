/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Suggestions for an experiment whose trials are kept elsewhere: nothing is stored, the answer follows from what is given. */
#include "core/state.h"

#include <math.h>
#include <string.h>

#define TRIES 64
#define SAME 1e-9 /* a value that went through its text and back */

struct asking {
    struct plan *plan;
    const struct outside *o;
    struct observation *items;
    size_t n;
    double *memory; /* of each item n_dims of x, and y */
};

static void observe(struct asking *a, const struct outside_trial *t)
{
    size_t dims = (size_t)a->plan->problem.n_dims;
    double *x = a->memory + a->n * (dims + 1), *y = x + dims;
    struct problems problems = {0};
    bool known = space_point(a->plan->spec->space, t->params, x, "", &problems);
    problems_release(&problems);
    if (!known)
        return; /* a point of another space says nothing here */
    *y = t->state == TRIAL_SUCCEEDED || t->state == TRIAL_PRUNED ? objective_rank(&a->plan->spec->objectives[0], t->value) : NAN;
    a->items[a->n] = (struct observation){.number = (int64_t)a->n + 1, .state = observation_state(t->state), .x = x, .y = y, .y_se = NAN, .cost = NAN};
    a->n++;
}

/* Where a sequence that sees no history stands after as many points as there are trials. */
static enum err walk(const struct asking *a, struct search *search, double *x, struct error *error)
{
    for (size_t i = 0; i < a->o->n_trials && !a->plan->algorithm->needs_history; i++) {
        struct suggestion s = {.x = x};
        enum err err = algorithm_suggest(a->plan->algorithm, search, NULL, &s, error);
        if (err)
            return err;
        search->cursor = s.cursor;
    }
    return OK;
}

static bool is_known(const struct asking *a, const double *x)
{
    const size_t dims = (size_t)a->plan->problem.n_dims;
    for (size_t i = 0; i < a->n; i++) {
        size_t k = 0;
        while (k < dims && (fabs(a->items[i].x[k] - x[k]) < SAME || (isnan(a->items[i].x[k]) && isnan(x[k]))))
            k++;
        if (k == dims)
            return true;
    }
    return false;
}

/* Nobody keeps the cursor between calls, so it is guessed from the number of trials; where it guesses too low, a point comes again, and is passed over. */
static enum err next_point(struct asking *a, struct search *search, void **cache, double *x, struct error *error)
{
    enum err err = OK;
    for (int i = 0; i < TRIES && !err; i++) {
        struct suggestion s = {.x = x};
        err = algorithm_suggest(a->plan->algorithm, search, cache, &s, error);
        search->cursor = s.cursor;
        if (!err && !is_known(a, x))
            break;
    }
    return err;
}

static enum err ask(struct asking *a, size_t n, json_t *out, struct error *error)
{
    const struct plan *p = a->plan;
    const size_t dims = (size_t)p->problem.n_dims;
    struct search search = {.problem = &p->problem, .settings = &p->spec->algorithm_settings, .seed = a->o->seed,
                            .cursor = p->algorithm->needs_history ? (int64_t)a->o->n_trials : 0};
    double *scratch CLEANUP_FREE = x_calloc(dims, sizeof *scratch);
    void *cache = NULL;
    enum err err = walk(a, &search, scratch, error);
    for (size_t i = 0; i < n && !err; i++) {
        double *x = a->memory + a->n * (dims + 1);
        search.history = a->items;
        search.n_history = a->n;
        err = next_point(a, &search, &cache, x, error);
        if (err)
            break;
        (void)json_array_append_new(out, space_params(p->spec->space, x));
        x[dims] = NAN;
        a->items[a->n] = (struct observation){.number = (int64_t)a->n + 1, .state = OBSERVATION_PENDING, .x = x, .y = x + dims, .y_se = NAN, .cost = NAN};
        a->n++;
    }
    if (cache && p->algorithm->cache_free)
        p->algorithm->cache_free(cache);
    return err;
}

enum err core_ask(const struct outside *o, size_t n, json_t **out, struct error *error)
{
    /* a plan is a view; this one does not own the spec, so it is taken apart by hand */
    struct plan *plan = plan_new((struct spec *)(uintptr_t)o->spec);
    enum err err = algorithm_accept(plan->algorithm, &plan->problem, &o->spec->algorithm_settings, error);
    if (!err && plan->algorithm->continues)
        err = err_set(error, ERR_INVALID, NULL, "algorithm %s hands checkpoints from trial to trial, so Hone must run them itself", plan->algorithm->name);
    if (!err) {
        size_t all = o->n_trials + n;
        struct asking a = {.plan = plan, .o = o, .items = x_calloc(all, sizeof *a.items), .memory = x_calloc(all * ((size_t)plan->problem.n_dims + 1), sizeof *a.memory)};
        json_t *list = json_array();
        for (size_t i = 0; i < o->n_trials; i++)
            if (o->trials[i].state != TRIAL_LOST && o->trials[i].state != TRIAL_CANCELLED)
                observe(&a, &o->trials[i]);
        err = ask(&a, n, list, error);
        free(a.items);
        free(a.memory);
        if (err)
            json_decref(list);
        else
            *out = list;
    }
    plan->spec = NULL;
    plan_unref(plan);
    return err;
}
