/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sim.h"

#include "base/mem.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void sim_init(struct sim *s, const struct problem *problem, const char *algorithm, const char *settings, sim_fn *f, uint64_t seed, size_t cap)
{
    *s = (struct sim){.problem = problem, .algorithm = algorithm_find(algorithm), .f = f, .seed = seed, .workers = 1,
                      .rng = rng_new(seed, RNG_ORDER, 77), .cap = cap, .best = INFINITY};
    json_t *object = settings ? json_loads(settings, 0, NULL) : NULL;
    struct problems problems = {0};
    settings_read(&s->settings, s->algorithm->settings, object, "", &problems);
    assert(problems.n == 0);
    json_decref(object);
    s->history = x_calloc(cap, sizeof *s->history);
    s->x = x_calloc(cap * (size_t)problem->n_dims, sizeof *s->x);
    s->y = x_calloc(cap * (size_t)problem->n_objectives, sizeof *s->y);
}

void sim_release(struct sim *s)
{
    if (s->cache)
        s->algorithm->cache_free(s->cache);
    free(s->history);
    free(s->x);
    free(s->y);
}

static enum err ask(const struct sim *s, void **cache, struct suggestion *out)
{
    struct search search = {.problem = s->problem, .settings = &s->settings, .seed = s->seed, .cursor = s->cursor, .history = s->history, .n_history = s->n};
    return algorithm_suggest(s->algorithm, &search, cache, out, NULL);
}

enum err sim_ask(struct sim *s, bool cached, double *x)
{
    struct suggestion out = {.x = x};
    return ask(s, cached ? &s->cache : NULL, &out);
}

void sim_add(struct sim *s, const double *x, enum observation_state state, const double *y)
{
    assert(s->n < s->cap);
    const size_t d = (size_t)s->problem->n_dims, m = (size_t)s->problem->n_objectives, i = s->n++;
    memcpy(s->x + i * d, x, d * sizeof *x);
    for (size_t j = 0; j < m; j++)
        s->y[i * m + j] = y ? y[j] : NAN;
    s->history[i] = (struct observation){.number = (int64_t)i, .state = state, .x = s->x + i * d, .y = s->y + i * m, .y_se = NAN};
}

/* One of those that run, drawn. */
static void end_one(struct sim *s)
{
    uint64_t n = 0, which;
    size_t i = 0;
    for (size_t k = 0; k < s->n; k++)
        n += s->history[k].state == OBSERVATION_PENDING;
    for (which = rng_next(&s->rng) % n; s->history[i].state != OBSERVATION_PENDING || which-- > 0; i++)
        ;
    double *y = s->y + i * (size_t)s->problem->n_objectives;
    if (rng_next(&s->rng) % 100 < (uint64_t)s->fail_percent) {
        s->history[i].state = OBSERVATION_FAILED;
        return;
    }
    s->f(s->ctx, s->history[i].x, y);
    s->history[i].state = OBSERVATION_DONE;
    s->best = fmin(s->best, y[0]);
}

static int running(const struct sim *s)
{
    int n = 0;
    for (size_t k = s->n; k-- > 0 && n < s->workers;)
        n += s->history[k].state == OBSERVATION_PENDING;
    return n;
}

void sim_step(struct sim *s)
{
    double *x CLEANUP_FREE = x_calloc((size_t)s->problem->n_dims, sizeof *x);
    struct suggestion out = {.x = x};
    enum err err = ask(s, &s->cache, &out);
    assert(!err);
    s->cursor = out.cursor;
    sim_add(s, x, OBSERVATION_PENDING, NULL);
    if (running(s) == s->workers)
        end_one(s);
}

void sim_run(struct sim *s, size_t n_more)
{
    while (n_more-- > 0)
        sim_step(s);
}

void sim_until(struct sim *s, double target)
{
    while (s->n < s->cap && !(s->best <= target))
        sim_step(s);
}

static double level(void *ctx, int dim, int64_t k)
{
    const struct cube *c = ctx;
    return ((double)k + 0.5) / (double)c->dims[dim].n_levels;
}

static void snap(void *ctx, double *u)
{
    const struct cube *c = ctx;
    for (int i = 0; i < c->problem.n_dims; i++) {
        const double n = (double)c->dims[i].n_levels;
        u[i] = fmin(fmax(u[i], 0), 1);
        if (n > 0)
            u[i] = (fmin(floor(u[i] * n), n - 1) + 0.5) / n;
    }
}

void cube_init(struct cube *c, int d, int n_ordinal, int64_t levels, int n_objectives)
{
    for (int i = 0; i < d; i++)
        c->dims[i] = (struct dim){.kind = i < n_ordinal ? DIM_ORDINAL : DIM_CONTINUOUS, .n_levels = i < n_ordinal ? levels : 0, .parent = -1};
    c->problem = (struct problem){.dims = c->dims, .n_dims = d, .n_objectives = n_objectives, .ctx = c, .snap = snap, .level = level};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}
