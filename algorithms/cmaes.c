/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CMA-ES (Hansen and Ostermeier 2001), with levels by margin, restarts (Auger and Hansen 2005, Hansen 2009) and any number of workers. The
 * state is replayed from the history (cmaes/walk.h); only what it cannot say stands in the cursor: the first trial of the search, and how many
 * trials ran at once at most, since a generation has to be larger than that: else its points are drawn before those of the last are known. */
#include "cmaes/margin.h"
#include "cmaes/walk.h"
#include "fresh.h"

#include "base/mem.h"
#include "math/hash.h"

#include <math.h>
#include <stdio.h>

#define DRAWS 100        /* that are infeasible, or were seen, before a fresh point is taken */
#define DRAWS_IN_CUBE 10 /* of them thrown away if they leave the cube; then its walls are mirrors */
#define WARM 20          /* earlier trials that are worth starting from; fewer are taken as part of the first generation */

static const char *const restart_names[] = {[RESTARTS_NONE] = "none", [RESTARTS_IPOP] = "ipop", [RESTARTS_BIPOP] = "bipop", NULL};

static const struct setting settings[] = {
    {"sigma", SETTING_FLOAT, 0.25, 1e-6, 1, NULL, "standard deviation of the first trials, as a part of the range of each parameter"},
    {"population_size", SETTING_INT, 0, 0, 10000, NULL, "trials of a generation; 0: by the number of parameters, and of trials that run at once"},
    {"restart_strategy", SETTING_CHOICE, RESTARTS_BIPOP, 0, 0, restart_names, "after a run has converged: ipop: twice the population; bipop: large and small ones in turn"},
    {0},
};

/* --- the cursor: OURS | workers | start | count. One that another algorithm left has no mark: the search starts then. */

#define OURS ((int64_t)1 << 62)
#define WORKERS_AT 56
#define START_AT 28
#define FIELD (((int64_t)1 << START_AT) - 1)
#define MOST_WORKERS 10 /* 2^10 of them */

struct place {
    int workers;   /* power of two */
    int64_t start; /* number of the first trial of the search */
    int64_t count; /* of suggestions */
};

static int64_t next_number(const struct search *s)
{
    return s->n_history ? s->history[s->n_history - 1].number + 1 : 0;
}

static struct place place_of(const struct search *s)
{
    struct place at = {.start = s->n_history >= WARM ? next_number(s) & FIELD : 0};
    if (s->cursor & OURS)
        at = (struct place){(int)(s->cursor >> WORKERS_AT & 63), s->cursor >> START_AT & FIELD, s->cursor & FIELD};
    size_t n = 1;
    for (size_t i = 0; i < s->n_history; i++)
        n += s->history[i].state == OBSERVATION_PENDING;
    while (at.workers < MOST_WORKERS && (size_t)1 << at.workers < n)
        at.workers++;
    return at;
}

static int64_t cursor_of(struct place at)
{
    return OURS | (int64_t)at.workers << WORKERS_AT | at.start << START_AT | ((at.count + 1) & FIELD);
}

/* --- the state */

static struct walk_plan plan_of(const struct search *s, struct place at)
{
    const struct problem *p = s->problem;
    struct walk_plan plan = {.problem = p, .seed = s->seed, .start = at.start, .sigma = settings_get(s->settings, "sigma"),
                             .earlier = s->earlier, .n_earlier = s->n_earlier, .restarts = (enum restarts)settings_get(s->settings, "restart_strategy"),
                             .lambda = (size_t)settings_get(s->settings, "population_size")};
    int d = 0;
    for (int i = 0; i < p->n_dims; i++)
        d += p->dims[i].n_levels != 1;
    if (plan.lambda == 0) {
        size_t usual = 4 + (size_t)(3 * log(d > 1 ? d : 1)), least = at.workers ? ((size_t)5 << at.workers) / 4 : 0;
        plan.lambda = usual > least ? usual : least;
    }
    return plan;
}

/* The state before the oldest running trial, which rarely changes, under a hash of all that it comes from. */
struct memo {
    uint64_t key;
    struct walk walk;
};

static void memo_free(void *cache)
{
    struct memo *m = cache;
    if (!m)
        return;
    walk_release(&m->walk);
    free(m);
}

static uint64_t hash_before(const struct search *s, const struct walk_plan *plan, int64_t number)
{
    const double how[] = {(double)plan->start, (double)plan->lambda, plan->sigma, plan->restarts};
    uint64_t key = hash_doubles(s->seed, how, ARRAY_LEN(how));
    for (size_t j = 0; j < s->n_earlier; j++)
        for (size_t i = 0; i < s->earlier[j].n; i++) {
            key = hash_doubles(key, s->earlier[j].trials[i].x, (size_t)s->problem->n_dims);
            key = hash_doubles(key, s->earlier[j].trials[i].y, (size_t)s->problem->n_objectives);
        }
    for (size_t i = 0; i < s->n_history && s->history[i].number < number; i++) {
        const struct observation *o = &s->history[i];
        key = rng_mix(key ^ (uint64_t)o->number) + (uint64_t)o->state;
        key = hash_doubles(key, o->x, (size_t)s->problem->n_dims);
        key = hash_doubles(key, o->y, (size_t)s->problem->n_objectives);
        if (o->excess)
            key = hash_doubles(key, o->excess, (size_t)s->problem->n_bounds);
    }
    return key;
}

static int64_t oldest_pending(const struct search *s)
{
    for (size_t i = 0; i < s->n_history; i++)
        if (s->history[i].state == OBSERVATION_PENDING)
            return s->history[i].number;
    return next_number(s);
}

static void remember(void **cache, const struct walk *w, uint64_t key)
{
    memo_free(*cache);
    struct memo *m = X_NEW(struct memo);
    m->key = key;
    walk_copy(&m->walk, w);
    *cache = m;
}

static void replay(const struct search *s, const struct walk_plan *plan, void **cache, struct walk *w)
{
    struct memo *m = cache ? *cache : NULL;
    int64_t known = -1;
    if (m && m->key == hash_before(s, plan, m->walk.at)) {
        walk_copy(w, &m->walk);
        w->plan.problem = plan->problem;
        known = w->at;
    } else
        walk_init(w, plan, s->history, s->n_history);
    walk_on(w, s->history, s->n_history, oldest_pending(s));
    if (cache && w->at != known)
        remember(cache, w, hash_before(s, plan, w->at));
    walk_on(w, s->history, s->n_history, next_number(s));
}

/* --- a point */

static bool in_cube(const struct problem *p, const double *x)
{
    for (int i = 0; i < p->n_dims; i++)
        if (!(x[i] >= 0 && x[i] <= 1))
            return false;
    return true;
}

/* A number that moves freely is new with every draw. */
static bool can_repeat(const struct problem *p, const double *x)
{
    for (int i = 0; i < p->n_dims; i++)
        if (p->dims[i].kind == DIM_CONTINUOUS && !isnan(x[i]))
            return false;
    return true;
}

/* What was seen is only looked up when it can matter, for sorting it takes longer than all else. */
static bool is_seen(const struct search *s, struct seen *seen, const double *x)
{
    if (!can_repeat(s->problem, x))
        return false;
    if (!seen->key)
        seen_init(seen, s);
    return seen_has(seen, s->problem, x);
}

static bool draw(const struct search *s, const struct walk *w, struct seen *seen, double *x)
{
    const struct problem *p = s->problem;
    struct rng r = rng_new(s->seed, RNG_CANDIDATE, (uint64_t)s->cursor);
    for (int i = 0; i < DRAWS; i++) {
        walk_draw(w, &r, x);
        if (i < DRAWS_IN_CUBE && !in_cube(p, x))
            continue;
        for (int k = 0; k < p->n_dims; k++)
            x[k] = margin_fold(x[k]);
        p->snap(p->ctx, x);
        if ((!p->feasible || p->feasible(p->ctx, x)) && !is_seen(s, seen, x))
            return true;
    }
    return false;
}

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    struct place at = place_of(s);
    struct walk_plan plan = plan_of(s, at);
    struct walk w;
    struct seen seen = {0};
    enum err err = OK;
    replay(s, &plan, cache, &w);
    if (draw(s, &w, &seen, out->x)) {
        (void)snprintf(out->how, sizeof out->how, "evolution strategy");
        (void)snprintf(out->note, sizeof out->note, "run %d, generation %zu of %zu trials, step size %.3g", w.run + 1, w.cma.generation + 1, w.lambda,
                       w.cma.sigma);
    } else {
        if (!seen.key)
            seen_init(&seen, s);
        err = fresh_point(s, &seen, "spread", out, error);
    }
    out->cursor = cursor_of(at);
    seen_release(&seen);
    walk_release(&w);
    return err;
}

const struct algorithm algorithm_cmaes = {
    .name = "cmaes",
    .title = "CMA-ES",
    .about = "Covariance matrix adaptation (Hansen and Ostermeier 2001), integers by margin (Hamano et al. 2022), with restarts (Hansen 2009).",
    .settings = settings,
    .needs_history = true,
    .is_slow = true,
    .max_objectives = 1,
    .suggest = suggest,
    .cache_free = memo_free,
};
