/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmaes/walk.h"

#include "base/mem.h"
#include "cmaes/margin.h"
#include "gp/space.h"
#include "math/array.h"
#include "ranking.h"

#include <math.h>
#include <string.h>

#define KERNEL 0.1         /* width of what each good earlier trial stands for */
#define MOST_GOOD 20       /* of the earlier trials */
#define MOST_DOUBLINGS 12
#define LEAST_LAMBDA 4
#define SAME_VALUE 1e-9    /* of itself: best values of generations nearer than that are one plateau */
#define CHANCE_LEFT 0.73   /* that a generation has none but the likeliest values of all categoricals, at the margin (Hamano et al. 2024) */

/* --- the state at its start */

static void find_dims(struct walk *w)
{
    const struct problem *p = w->plan.problem;
    size_t d = 0, n = (size_t)p->n_dims;
    w->dims = x_calloc(n + 1, sizeof *w->dims);
    w->offset = x_calloc(n + 1, sizeof *w->offset);
    for (int categorical = 0; categorical < 2; categorical++)
        for (int i = 0; i < p->n_dims; i++) {
            if (p->dims[i].n_levels == 1 || (p->dims[i].kind == DIM_CATEGORICAL) != categorical)
                continue;
            w->dims[d + w->n_categorical] = i;
            if (!categorical) {
                d++;
                continue;
            }
            w->offset[w->n_categorical++] = w->n_chance;
            w->n_chance += (size_t)p->dims[i].n_levels;
        }
    w->cma.d = d;
    w->chance = array_new(w->n_chance);
}

static const struct dim *categorical(const struct walk *w, size_t k)
{
    return &w->plan.problem->dims[w->dims[w->cma.d + k]];
}

static void level_chances(struct walk *w)
{
    for (size_t k = 0; k < w->n_categorical; k++)
        for (int64_t i = 0; i < categorical(w, k)->n_levels; i++)
            w->chance[w->offset[k] + (size_t)i] = 1 / (double)categorical(w, k)->n_levels;
}

static void begin_run(struct walk *w, const double *mean, double sigma, size_t lambda)
{
    const size_t d = w->cma.d;
    cma_release(&w->cma);
    cma_init(&w->cma, d, mean, sigma);
    level_chances(w);
    w->lambda = lambda;
    w->on_plateau = 0;
}

/* Mean and covariance of the best of the earlier trials, each standing for a normal around it. */
static void begin_warm(struct walk *w, const struct observation *const *best, size_t n)
{
    const size_t d = w->cma.d;
    double *mean CLEANUP_FREE = array_new(d), *covariance CLEANUP_FREE = array_new(d * d), *x CLEANUP_FREE = array_new(n * d);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d; k++) {
            double u = best[i]->x[w->dims[k]];
            x[i * d + k] = isnan(u) ? 0.5 : u;
            mean[k] += x[i * d + k] / (double)n;
        }
    for (size_t j = 0; j < d; j++) {
        covariance[j * d + j] = KERNEL * KERNEL;
        for (size_t k = 0; k < d; k++)
            for (size_t i = 0; i < n; i++)
                covariance[j * d + k] += (x[i * d + j] - mean[j]) * (x[i * d + k] - mean[k]) / (double)n;
    }
    begin_run(w, mean, w->plan.sigma, w->plan.lambda);
    if (d)
        cma_set_covariance(&w->cma, covariance);
}

/* Without one that is in all dimensions they say nothing. */
static bool begin_by_earlier(struct walk *w)
{
    const struct walk_plan *plan = &w->plan;
    const struct observation *best[MOST_GOOD * MAX_EARLIER];
    size_t n = 0;
    for (size_t j = 0; j < plan->n_earlier && j < MAX_EARLIER; j++) {
        struct ranking r;
        ranking_init_earlier(&r, plan->problem, &plan->earlier[j], MOST_GOOD);
        for (size_t i = 0; i < (r.n + 9) / 10 && i < MOST_GOOD; i++) {
            bool whole = true;
            for (size_t k = 0; k < w->cma.d; k++)
                whole &= !isnan(r.best[i]->x[w->dims[k]]);
            if (whole)
                best[n++] = r.best[i];
        }
        ranking_release(&r);
    }
    if (n)
        begin_warm(w, best, n);
    return n > 0;
}

void walk_init(struct walk *w, const struct walk_plan *plan, const struct observation *history, size_t n)
{
    *w = (struct walk){.plan = *plan, .at = plan->start};
    find_dims(w);
    size_t n_earlier = 0;
    while (n_earlier < n && history[n_earlier].number < plan->start)
        n_earlier++;
    const struct search earlier = {.problem = plan->problem, .history = history, .n_history = n_earlier};
    struct ranking r;
    ranking_init(&r, &earlier, MOST_GOOD);
    size_t n_good = (r.n_telling + 9) / 10;
    if (n_good) {
        begin_warm(w, r.best, n_good < MOST_GOOD ? n_good : MOST_GOOD);
    } else if (!begin_by_earlier(w)) {
        double *middle CLEANUP_FREE = array_new(w->cma.d);
        for (size_t k = 0; k < w->cma.d; k++)
            middle[k] = 0.5;
        begin_run(w, middle, plan->sigma, plan->lambda);
    }
    ranking_release(&r);
    w->plan.earlier = NULL; /* a copy may outlive them */
}

void walk_release(struct walk *w)
{
    free(w->dims);
    free(w->offset);
    free(w->chance);
    cma_release(&w->cma);
}

void walk_copy(struct walk *to, const struct walk *from)
{
    const size_t n = (size_t)from->plan.problem->n_dims + 1;
    *to = *from;
    to->dims = memcpy(x_calloc(n, sizeof *to->dims), from->dims, n * sizeof *to->dims);
    to->offset = memcpy(x_calloc(n, sizeof *to->offset), from->offset, n * sizeof *to->offset);
    to->chance = memcpy(array_new(from->n_chance), from->chance, from->n_chance * sizeof *to->chance);
    cma_copy(&to->cma, &from->cma);
}

/* --- a restart */

static void restart(struct walk *w)
{
    struct rng r = rng_new(w->plan.seed, RNG_START, (uint64_t)++w->run);
    double *mean CLEANUP_FREE = array_new(w->cma.d), sigma = w->plan.sigma;
    for (size_t k = 0; k < w->cma.d; k++)
        mean[k] = rng_uniform(&r);
    w->small = w->plan.restarts == RESTARTS_BIPOP && w->n_large > 0 && w->spent[1] < w->spent[0];
    double lambda = (double)w->plan.lambda;
    if (w->small) { /* Hansen 2009 */
        double u = rng_uniform(&r);
        lambda *= pow(pow(2, w->n_large) / 2, u * u);
        sigma *= pow(10, -2 * rng_uniform(&r));
    } else {
        w->n_large += w->n_large < MOST_DOUBLINGS;
        lambda *= pow(2, w->n_large);
    }
    begin_run(w, mean, sigma, (size_t)fmax(lambda, LEAST_LAMBDA));
}

static bool has_stalled(struct walk *w, double best)
{
    if (w->on_plateau && fabs(best - w->plateau) <= SAME_VALUE * fabs(w->plateau))
        w->on_plateau++;
    else {
        w->plateau = best;
        w->on_plateau = 1;
    }
    return w->on_plateau > 10 + 30 * (w->cma.d + w->n_categorical) / w->lambda;
}

/* --- a generation */

/* The chances of a categorical move to how often the parents had its values, and stay above a margin (after CatCMA, Hamano et al. 2024, at
 * a fixed rate). */
static void learn_chances(struct walk *w, size_t k, const struct observation *const *best, size_t n_valued, size_t n)
{
    const struct problem *p = w->plan.problem;
    const int dim = w->dims[w->cma.d + k];
    const size_t levels = (size_t)p->dims[dim].n_levels;
    double *chance = w->chance + w->offset[k], sum = 0, *had CLEANUP_FREE = array_new(levels);
    struct cma_rates r;
    cma_rates_init(&r, 1, n);
    for (size_t i = 0; i < n_valued && i < r.n_parents; i++) {
        if (isnan(best[i]->x[dim]))
            continue;
        had[gp_space_level(p, dim, best[i]->x[dim])] += r.weight[i];
        sum += r.weight[i];
    }
    const double rate = sum > 0 ? r.mass / (r.mass + (double)(w->cma.d + w->n_chance - w->n_categorical)) : 0;
    const double least = (1 - pow(CHANCE_LEFT, 1 / (double)w->n_categorical)) / (double)(levels - 1);
    double total = 0;
    for (size_t i = 0; i < levels; i++) {
        chance[i] = fmax(chance[i] + rate * sum * (had[i] / fmax(sum, 1e-300) - chance[i]), least);
        total += chance[i];
    }
    for (size_t i = 0; i < levels; i++) /* what the margin gave is taken from what is above it */
        chance[i] -= (total - 1) * (chance[i] - least) / (total - (double)levels * least);
    cma_rates_release(&r);
}

static void learn_numbers(struct walk *w, const struct observation *const *best, size_t n_valued, size_t n)
{
    const size_t d = w->cma.d;
    double *x CLEANUP_FREE = array_new(n * d);
    const double **row CLEANUP_FREE = x_calloc(n + 1, sizeof *row);
    for (size_t i = 0; i < n; i++) {
        struct rng r = rng_new(w->plan.seed, RNG_LATENT, (uint64_t)best[i]->number);
        row[i] = x + i * d;
        for (size_t k = 0; k < d; k++)
            x[i * d + k] = margin_latent(&w->cma, w->plan.problem, w->dims[k], k, best[i]->x[w->dims[k]], rng_uniform(&r));
    }
    cma_update(&w->cma, row, n_valued, n);
    margin_limit(&w->cma);
    margin_keep(&w->cma, w->plan.problem, w->dims, 1 / ((double)d * (double)w->lambda));
    margin_mirror(&w->cma);
}

/* A generation without a value teaches nothing. */
static void learn(struct walk *w, const struct ranking *r)
{
    if (r->n_telling == 0)
        return;
    learn_numbers(w, r->best, r->n_telling, r->n);
    for (size_t k = 0; k < w->n_categorical; k++)
        learn_chances(w, k, r->best, r->n_telling, r->n);
}

static void end_generation(struct walk *w, const struct observation *block, size_t n)
{
    const struct search generation = {.problem = w->plan.problem, .history = block, .n_history = n};
    struct ranking r;
    ranking_init(&r, &generation, n);
    bool counts = r.n > 0 && 2 * r.n >= n, ends = false;
    if (counts) {
        learn(w, &r);
        ends = r.n_good > 0 && (has_stalled(w, r.best[0]->y[0]) || w->cma.spent);
    }
    w->at += (int64_t)w->lambda;
    w->spent[w->small] += (int64_t)w->lambda;
    if (ends && w->plan.restarts != RESTARTS_NONE)
        restart(w);
    ranking_release(&r);
}

void walk_on(struct walk *w, const struct observation *history, size_t n, int64_t until)
{
    size_t i = 0;
    while (i < n && history[i].number < w->at)
        i++;
    while (w->at + (int64_t)w->lambda <= until) {
        size_t end = i;
        while (end < n && history[end].number < w->at + (int64_t)w->lambda)
            end++;
        end_generation(w, history + i, end - i);
        i = end;
    }
}

void walk_draw(const struct walk *w, struct rng *r, double *x)
{
    const struct problem *p = w->plan.problem;
    double *point CLEANUP_FREE = array_new(w->cma.d);
    for (int i = 0; i < p->n_dims; i++)
        x[i] = 0.5; /* those without a choice */
    cma_draw(&w->cma, r, point);
    for (size_t k = 0; k < w->cma.d; k++)
        x[w->dims[k]] = point[k];
    for (size_t k = 0; k < w->n_categorical; k++) {
        const double *chance = w->chance + w->offset[k];
        const int64_t levels = categorical(w, k)->n_levels;
        double u = rng_uniform(r);
        int64_t level = 0;
        while (level + 1 < levels && u >= chance[level])
            u -= chance[level++];
        x[w->dims[w->cma.d + k]] = ((double)level + 0.5) / (double)levels;
    }
}
