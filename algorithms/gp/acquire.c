/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/acquire.h"

#include "base/mem.h"
#include "math/lbfgs.h"
#include "math/normal.h"
#include "math/sobol.h"

#include <math.h>
#include <string.h>

#define N_PRIOR 256      /* candidates from the prior */
#define N_NEAR 256       /* and around the best points */
#define N_CANDIDATES (N_PRIOR + N_NEAR)
#define N_STARTS 8
#define N_PRIOR_STARTS 4 /* of them, from the prior half alone: else all climb the same hill */
#define SEPARATION 0.05  /* between starts, in some coordinate */
#define ROUNDS 4
#define SMALL_GAIN 1e-4
#define MAX_ENUMERATED 32      /* values of a categorical tried one by one; of more, as many are drawn */
#define MAX_LEVELS_WALKED 12   /* levels of an ordinal tried one by one; more are stepped through */
#define MAX_LEVELS_STEPPED 20  /* an ordinal of more levels also moves with the continuous ones, and is snapped */

/* What a model says at a point, and where that goes. */
struct belief {
    double mean, deviation, d_mean[GP_MAX_DIMS], d_deviation[GP_MAX_DIMS];
};

/* An acquisition's derivatives by the mean and the deviation of each objective. */
struct pull {
    double by_mean[BOXES_MAX_OBJECTIVES], by_deviation[BOXES_MAX_OBJECTIVES];
};

/* ln E[(threshold - Y)+] and, each times the deviation and divided by the expectation, its derivatives (of the mean: negated). */
static double log_gain(const struct belief *b, double threshold, double *by_mean, double *by_deviation)
{
    double z = (threshold - b->mean) / b->deviation, value = log(b->deviation) + normal_log_h(z, by_mean);
    *by_deviation = 1 - z * *by_mean;
    return value;
}

/* ln of what Y is expected to gain between the ends of a box in one objective: E[(high - Y)+] - E[(low - Y)+]. */
static double log_gain_between(const struct belief *b, double low, double high, double *by_mean, double *by_deviation)
{
    double value = log_gain(b, high, by_mean, by_deviation), rest = 1;
    if (isfinite(low)) {
        double low_mean, low_deviation, ratio = exp(log_gain(b, low, &low_mean, &low_deviation) - value);
        rest = fmax(1 - ratio, 1e-12);
        *by_mean = (*by_mean - ratio * low_mean) / rest;
        *by_deviation = (*by_deviation - ratio * low_deviation) / rest;
    }
    *by_mean /= -b->deviation;
    *by_deviation /= b->deviation;
    return value + log(rest);
}

/* Exact: the sum over the boxes of the products of the objectives' gains, by logarithms. */
static double log_ehvi(const struct boxes *boxes, const struct belief *belief, struct pull *pull)
{
    double largest = -INFINITY, sum = 0;
    *pull = (struct pull){0};
    for (size_t i = 0; i < boxes->n; i++) {
        const struct box *box = &boxes->box[i];
        struct pull part;
        double value = 0;
        for (int j = 0; j < boxes->m; j++)
            value += log_gain_between(&belief[j], box->low[j], box->high[j], &part.by_mean[j], &part.by_deviation[j]);
        if (value > largest) { /* the sums are kept relative to the largest */
            double scale = exp(largest - value);
            sum *= scale;
            for (int j = 0; j < boxes->m; j++) {
                pull->by_mean[j] *= scale;
                pull->by_deviation[j] *= scale;
            }
            largest = value;
        }
        double weight = exp(value - largest);
        sum += weight;
        for (int j = 0; j < boxes->m; j++) {
            pull->by_mean[j] += weight * part.by_mean[j];
            pull->by_deviation[j] += weight * part.by_deviation[j];
        }
    }
    for (int j = 0; j < boxes->m; j++) {
        pull->by_mean[j] /= sum;
        pull->by_deviation[j] /= sum;
    }
    return largest + log(sum);
}

static double value_of(const struct acquisition *a, const struct belief *b, struct pull *pull)
{
    if (a->kind == ACQUISITION_LOG_EHVI)
        return log_ehvi(&a->boxes, b, pull);
    if (a->kind == ACQUISITION_LOG_EI) {
        double value = log_gain(b, a->incumbent, &pull->by_mean[0], &pull->by_deviation[0]);
        pull->by_mean[0] /= -b->deviation;
        pull->by_deviation[0] /= b->deviation;
        return value;
    }
    *pull = (struct pull){{-1}, {GP_BETA}};
    return GP_BETA * b->deviation - b->mean;
}

static double log_improvement(const struct acquisition *a, const double *point, const size_t *which, size_t n_which, double *gradient)
{
    struct belief belief[BOXES_MAX_OBJECTIVES];
    struct pull pull;
    const int m = a->kind == ACQUISITION_LOG_EHVI ? a->boxes.m : 1;
    for (int j = 0; j < m; j++) {
        struct belief *b = &belief[j];
        gp_model_predict(&a->model[j], point, &b->mean, &b->deviation, which, n_which, gradient ? b->d_mean : NULL, b->d_deviation);
    }
    double value = value_of(a, belief, &pull);
    for (size_t q = 0; gradient && q < n_which; q++)
        for (int j = 0; j < m; j++)
            gradient[q] += pull.by_mean[j] * belief[j].d_mean[q] + pull.by_deviation[j] * belief[j].d_deviation[q];
    return value;
}

double acquisition_log_feasible(const struct acquisition *a, const double *point, const size_t *which, size_t n_which, double *gradient)
{
    double sum = 0;
    for (int j = 0; j < a->n_bounds; j++) {
        struct belief b;
        double slope;
        gp_model_predict(&a->bound[j], point, &b.mean, &b.deviation, which, n_which, gradient ? b.d_mean : NULL, b.d_deviation);
        const double z = (a->limit[j] - b.mean) / b.deviation;
        sum += normal_log_cdf(z + a->optimism, &slope);
        for (size_t q = 0; gradient && q < n_which; q++)
            gradient[q] -= slope * (b.d_mean[q] + z * b.d_deviation[q]) / b.deviation;
    }
    return sum;
}

static double log_cost(const struct acquisition *a, const double *point, const size_t *which, size_t n_which, double *gradient)
{
    struct belief b;
    gp_model_predict(a->cost, point, &b.mean, &b.deviation, which, n_which, gradient ? b.d_mean : NULL, b.d_deviation);
    for (size_t q = 0; gradient && q < n_which; q++)
        gradient[q] -= a->cost_scale * b.d_mean[q];
    return a->cost_scale * b.mean;
}

double acquisition_at(const struct acquisition *a, const double *point, const size_t *which, size_t n_which, double *gradient)
{
    double value = 0;
    for (size_t q = 0; gradient && q < n_which; q++)
        gradient[q] = 0;
    if (a->kind != ACQUISITION_FEASIBLE)
        value = log_improvement(a, point, which, n_which, gradient);
    value += acquisition_log_feasible(a, point, which, n_which, gradient);
    return a->cost ? value - log_cost(a, point, which, n_which, gradient) : value;
}

/* A point under way. `raw` has a coordinate for inactive dimensions too, so that one that wakes up has a value that was drawn. */
struct candidate {
    double *raw;
    double value;
};

struct climber {
    const struct hunt *h;
    const struct problem *p;
    size_t n_dims;
    double *snapped, *trial; /* scratch */
    double point[GP_MAX_DIMS];
    size_t which[GP_MAX_DIMS], n_which; /* the dimensions that gradients move */
    struct rng rng;
};

bool hunt_avoids(const struct hunt *h, const double *snapped)
{
    if (h->elsewhere && elsewhere_is_peak(h->elsewhere, snapped))
        return true;
    return h->avoid >= 0 && !isnan(snapped[h->avoid]) && gp_space_level(h->space->problem, h->avoid, snapped[h->avoid]) == h->avoid_level;
}

/* The value of the snapped point; -INFINITY if constraints or the hunt forbid it. c->snapped and c->point are what was evaluated. */
static double evaluate(struct climber *c, const double *raw)
{
    memcpy(c->snapped, raw, c->n_dims * sizeof *raw);
    c->p->snap(c->p->ctx, c->snapped);
    if (c->p->feasible && !c->p->feasible(c->p->ctx, c->snapped))
        return -INFINITY;
    if (hunt_avoids(c->h, c->snapped))
        return -INFINITY;
    gp_space_encode(c->h->space, c->snapped, c->point);
    double value = acquisition_at(c->h->acquisition, c->point, NULL, 0, NULL);
    return isnan(value) ? -INFINITY : value;
}

/* Takes c->trial over if it is better. */
static bool try_trial(struct climber *c, struct candidate *at)
{
    double value = evaluate(c, c->trial);
    if (!(value > at->value))
        return false;
    at->value = value;
    memcpy(at->raw, c->trial, c->n_dims * sizeof *at->raw);
    return true;
}

/* --- candidates */

static double reflect(struct rng *r, double u)
{
    if (u >= 0 && u <= 1)
        return u;
    double bound = u < 0 ? 0 : 1;
    if (rng_uniform(r) < 0.5)
        return bound; /* optima like to lie on the edge */
    return fmin(fmax(2 * bound - u, 0), 1);
}

static double perturbed(struct rng *r, const struct dim *d, double u, double scale)
{
    if (d->kind == DIM_CATEGORICAL)
        return rng_uniform(r) < 0.3 ? rng_uniform(r) : u;
    if (d->kind == DIM_ORDINAL)
        scale = fmax(scale, 0.8 / (double)d->n_levels);
    return reflect(r, u + scale * rng_normal(r));
}

/* Around one of the best points: every coordinate moved, or a few only (Regis and Shoemaker 2013), by a distance drawn over two decades. */
static void draw_near(struct climber *c, double *raw)
{
    const struct hunt *h = c->h;
    struct rng *r = &c->rng;
    double rank = rng_uniform(r);
    rank *= rng_uniform(r);
    const double *from = h->good[(size_t)(rank * (double)h->n_good)];
    const double scale = pow(10, -0.7 - 2.3 * rng_uniform(r));
    const double part = rng_uniform(r) < 0.5 ? 1 : fmax(1.5 / (double)h->space->d, 0.2);
    const size_t surely = (size_t)(rng_uniform(r) * (double)c->n_dims);
    for (size_t i = 0; i < c->n_dims; i++) {
        double fresh = rng_uniform(r);
        raw[i] = isnan(from[i]) ? fresh : from[i];
        if (!isnan(from[i]) && (rng_uniform(r) < part || i == surely))
            raw[i] = perturbed(r, &c->p->dims[i], raw[i], scale);
    }
    if (h->avoid >= 0 && hunt_avoids(h, raw))
        raw[h->avoid] = rng_uniform(r);
}

static void draw_candidates(struct climber *c, struct candidate *all, double *memory)
{
    for (size_t i = 0; i < N_CANDIDATES; i++) {
        all[i].raw = memory + i * c->n_dims;
        if (i < N_PRIOR)
            sobol_point(c->h->seed, i, all[i].raw, (int)c->n_dims);
        else
            draw_near(c, all[i].raw);
        all[i].value = evaluate(c, all[i].raw);
    }
}

static bool apart(const struct problem *p, const double *a, const double *b)
{
    for (int i = 0; i < p->n_dims; i++)
        if (p->dims[i].kind == DIM_CATEGORICAL ? floor(a[i] * (double)p->dims[i].n_levels) != floor(b[i] * (double)p->dims[i].n_levels)
                                               : fabs(a[i] - b[i]) > SEPARATION)
            return true;
    return false;
}

/* Adds the best of all[0 .. n) to the starts, those apart from what is there first. */
static size_t choose_starts(const struct problem *p, const struct candidate *all, size_t n, const struct candidate **start, size_t n_starts,
                            size_t wanted)
{
    while (n_starts < wanted) {
        const struct candidate *best = NULL;
        for (size_t i = 0; i < n; i++) {
            bool far = isfinite(all[i].value) && (!best || all[i].value > best->value);
            for (size_t k = 0; far && k < n_starts; k++)
                far = apart(p, all[i].raw, start[k]->raw);
            if (far)
                best = &all[i];
        }
        if (!best)
            break;
        start[n_starts++] = best;
    }
    return n_starts;
}

/* --- climbing */

static double downhill(void *ctx, const double *z, double *gradient)
{
    struct climber *c = ctx;
    for (size_t q = 0; q < c->n_which; q++)
        c->point[c->which[q]] = z[q];
    double value = acquisition_at(c->h->acquisition, c->point, c->which, c->n_which, gradient);
    for (size_t q = 0; q < c->n_which; q++)
        gradient[q] = -gradient[q];
    return isnan(value) ? INFINITY : -value;
}

static void climb_continuous(struct climber *c, struct candidate *at, int max_iterations)
{
    const struct gp_space *space = c->h->space;
    double z[GP_MAX_DIMS];
    (void)evaluate(c, at->raw);
    c->n_which = 0;
    for (size_t k = 0; k < space->d; k++) {
        const struct dim *d = &c->p->dims[space->dim[k]];
        bool moves = d->kind == DIM_CONTINUOUS || (d->kind == DIM_ORDINAL && d->n_levels > MAX_LEVELS_STEPPED);
        if (!moves || isnan(c->snapped[space->dim[k]]))
            continue;
        z[c->n_which] = c->point[k];
        c->which[c->n_which++] = k;
    }
    if (!c->n_which)
        return;
    struct lbfgs o = {.f = downhill, .ctx = c, .n = c->n_which, .lower = 0, .upper = 1, .max_iterations = max_iterations,
                      .first_step = 0.1, .tol_gradient = 1e-5, .tol_relative = 1e-7};
    (void)lbfgs_minimize(&o, z);
    memcpy(c->trial, at->raw, c->n_dims * sizeof *c->trial);
    for (size_t q = 0; q < c->n_which; q++)
        c->trial[space->dim[c->which[q]]] = z[q];
    /* where the way ends outside what is allowed, the last part of it that is not counts */
    const int tries = c->p->feasible || c->h->elsewhere ? 6 : 1;
    for (int k = 0; k < tries && !try_trial(c, at); k++)
        for (size_t i = 0; i < c->n_dims; i++)
            c->trial[i] = (c->trial[i] + at->raw[i]) / 2;
}

static void enumerate(struct climber *c, struct candidate *at, int dim)
{
    const int64_t n = c->p->dims[dim].n_levels;
    for (int64_t k = 0; k < n && k < MAX_ENUMERATED; k++) {
        int64_t level = n <= MAX_ENUMERATED ? k : (int64_t)(rng_next(&c->rng) % (uint64_t)n);
        memcpy(c->trial, at->raw, c->n_dims * sizeof *c->trial);
        c->trial[dim] = c->p->level(c->p->ctx, dim, level);
        (void)try_trial(c, at);
    }
}

static void step_through(struct climber *c, struct candidate *at, int dim)
{
    const int64_t n = c->p->dims[dim].n_levels;
    int64_t level = gp_space_level(c->p, dim, at->raw[dim]);
    for (int64_t step = n / 4; step > 0; step /= 2)
        for (int side = -1; side <= 1; side += 2) {
            int64_t to = level + side * step;
            if (to < 0 || to >= n)
                continue;
            memcpy(c->trial, at->raw, c->n_dims * sizeof *c->trial);
            c->trial[dim] = c->p->level(c->p->ctx, dim, to);
            if (try_trial(c, at))
                level = to;
        }
}

static void climb_discrete(struct climber *c, struct candidate *at)
{
    const struct gp_space *space = c->h->space;
    for (size_t k = 0; k < space->d; k++) {
        const int dim = space->dim[k];
        const struct dim *d = &c->p->dims[dim];
        if (d->kind == DIM_CONTINUOUS)
            continue;
        (void)evaluate(c, at->raw);
        if (isnan(c->snapped[dim]))
            continue;
        if (d->kind == DIM_CATEGORICAL || d->n_levels <= MAX_LEVELS_WALKED)
            enumerate(c, at, dim);
        else
            step_through(c, at, dim);
    }
}

static void climb(struct climber *c, struct candidate *at)
{
    for (int round = 0; round < ROUNDS; round++) {
        double before = at->value;
        climb_continuous(c, at, round ? 15 : 30);
        climb_discrete(c, at);
        if (at->value - before < SMALL_GAIN)
            break;
    }
}

/* Takes the candidate over as the answer if it is the best yet and new. */
static void offer(struct climber *c, const struct candidate *at, double *x, double *value)
{
    if (!(at->value > *value))
        return;
    (void)evaluate(c, at->raw);
    if (seen_has(c->h->seen, c->p, c->snapped))
        return;
    *value = at->value;
    memcpy(x, c->snapped, c->n_dims * sizeof *x);
}

bool hunt_best(const struct hunt *h, double *x, double *value)
{
    struct climber c = {.h = h, .p = h->space->problem, .n_dims = (size_t)h->space->problem->n_dims, .rng = rng_new(h->seed, RNG_CANDIDATE, 0)};
    double *memory CLEANUP_FREE = x_calloc((N_CANDIDATES + 3) * c.n_dims, sizeof *memory);
    struct candidate *all CLEANUP_FREE = x_calloc(N_CANDIDATES, sizeof *all);
    struct candidate at = {.raw = memory + N_CANDIDATES * c.n_dims};
    c.snapped = at.raw + c.n_dims;
    c.trial = c.snapped + c.n_dims;
    draw_candidates(&c, all, memory);
    const struct candidate *start[N_STARTS];
    size_t n = choose_starts(c.p, all, N_CANDIDATES, start, 0, N_STARTS - N_PRIOR_STARTS);
    n = choose_starts(c.p, all, N_PRIOR, start, n, n + N_PRIOR_STARTS);
    *value = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        memcpy(at.raw, start[i]->raw, c.n_dims * sizeof *at.raw);
        at.value = start[i]->value;
        climb(&c, &at);
        offer(&c, &at, x, value);
    }
    if (!isfinite(*value)) /* all hills are taken: the best of the rest */
        for (size_t i = 0; i < N_CANDIDATES; i++)
            offer(&c, &all[i], x, value);
    return isfinite(*value);
}
