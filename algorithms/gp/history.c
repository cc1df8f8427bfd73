/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/guide.h"

#include "base/mem.h"
#include "bounds.h"
#include "math/array.h"
#include "math/rng.h"

#include <math.h>

#define CHEBYSHEV_SUM 0.05 /* how much the sum counts beside the maximum, so that weakly dominated points lose (Knowles 2006) */
#define MIN_VALUES 3

static bool all_finite(const struct observation *o, int n_objectives)
{
    for (int j = 0; j < n_objectives; j++)
        if (!isfinite(o->y[j]))
            return false;
    return true;
}

/* A trial that exceeds a bound is as good a sample of the objectives as any; one that a user calls infeasible is to be kept away from. */
static bool has_value(const struct observation *o, const struct problem *p)
{
    bool counts = o->state == OBSERVATION_DONE || o->state == OBSERVATION_PRUNED || (o->state == OBSERVATION_INFEASIBLE && bounds_known(p, o));
    return counts && all_finite(o, p->n_objectives);
}

/* A point drawn evenly from the simplex, new with every suggestion: the front is reached from all sides (Knowles 2006). */
static double *draw_weights(const struct search *s)
{
    size_t m = (size_t)s->problem->n_objectives;
    struct rng r = rng_new(s->seed, RNG_WEIGHT, (uint64_t)s->cursor);
    double *w = array_new(m), sum = 0;
    for (size_t j = 0; j < m; j++)
        sum += w[j] = -log(1 - rng_uniform(&r)) + 1e-9;
    for (size_t j = 0; j < m; j++)
        w[j] /= sum;
    return w;
}

void gp_history_init(struct gp_history *h, const struct search *s, const struct gp_space *space)
{
    *h = (struct gp_history){.search = s, .space = space};
    h->finished = x_calloc(s->n_history + 1, sizeof *h->finished);
    h->pending = x_calloc(s->n_history + 1, sizeof *h->pending);
    for (size_t i = 0; i < s->n_history; i++) {
        const struct observation *o = &s->history[i];
        if (o->state == OBSERVATION_PENDING)
            h->pending[h->n_pending++] = o;
        else {
            h->finished[h->n_finished++] = o;
            h->n_valued += has_value(o, s->problem);
        }
    }
    if (s->problem->n_objectives > BOXES_MAX_OBJECTIVES)
        h->weight = draw_weights(s);
    h->n_targets = h->weight ? 1 : s->problem->n_objectives;
    h->n_outputs = h->n_targets + s->problem->n_bounds + s->problem->has_cost;
}

void gp_history_release(struct gp_history *h)
{
    free(h->finished);
    free(h->pending);
    free(h->weight);
}

/* Adds objective j to the scalar of each row, on the scale 0 (best seen) to 1 (worst seen) after the warp. */
static void scalarize_one(const struct gp_history *h, size_t m, int j, double *largest, double *sum)
{
    double *y = array_new(m);
    size_t n = 0;
    for (size_t i = 0; i < m; i++)
        if (has_value(h->finished[i], h->search->problem))
            y[n++] = h->finished[i]->y[j];
    struct warp w = {0};
    if (n && warp_fit(&w, y, n)) {
        const double low = w.to[0], range = w.to[n - 1] - low;
        for (size_t i = 0; i < n; i++) {
            double part = h->weight[j] * (y[i] - low) / range;
            largest[i] = fmax(largest[i], part);
            sum[i] += part;
        }
    }
    warp_release(&w);
    free(y);
}

/* The one value of each row that has any, in order: an objective, or the augmented Chebyshev scalarisation of all. */
static size_t values(const struct gp_history *h, size_t m, int objective, double *value)
{
    const int n_objectives = h->search->problem->n_objectives;
    size_t n = 0;
    for (size_t i = 0; i < m; i++)
        if (has_value(h->finished[i], h->search->problem))
            value[n++] = h->finished[i]->y[objective];
    if (!h->weight)
        return n;
    memset(value, 0, n * sizeof *value);
    double *sum = array_new(m);
    for (int j = 0; j < n_objectives; j++)
        scalarize_one(h, m, j, value, sum);
    for (size_t i = 0; i < n; i++)
        value[i] += CHEBYSHEV_SUM * sum[i];
    free(sum);
    return n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A trial that was stopped early has only a value on the way, which might look better than it would have ended: it was stopped for being
 * worse than most, so it counts as the median of the completed ones at best. */
static void hold_pruned(const struct gp_history *h, size_t m, double *value)
{
    double *done = array_new(m);
    size_t n = 0, at = 0;
    for (size_t i = 0; i < m; i++) {
        if (!has_value(h->finished[i], h->search->problem))
            continue;
        if (h->finished[i]->state != OBSERVATION_PRUNED)
            done[n++] = value[at];
        at++;
    }
    qsort(done, n, sizeof *done, by_value);
    at = 0;
    for (size_t i = 0; n && i < m; i++) {
        if (!has_value(h->finished[i], h->search->problem))
            continue;
        if (h->finished[i]->state == OBSERVATION_PRUNED)
            value[at] = fmax(value[at], done[n / 2]);
        at++;
    }
    free(done);
}

/* Variance of the target that is known from replicates. */
static double known_variance(const struct gp_history *h, const struct observation *o, const struct warp *w)
{
    if (h->search->problem->n_objectives > 1 || !(o->y_se > 0) || !(w->slope > 0))
        return 0;
    double se = fmin(o->y_se / w->slope, 10);
    return se * se;
}

/* --- outcome constraints and cost */

#define UNKNOWN 1e3 /* variance of a row that says nothing */

/* ln(1 + size), with the sign: what is far from the bound need not be foretold exactly, near it the scale is that of the values. */
static double squeeze(double excess, double scale)
{
    return copysign(log1p(fabs(excess) / scale), excess);
}

/* A configuration that fails is taken to exceed as much as any: nothing else keeps the search from it. */
static size_t excesses(const struct gp_history *h, size_t m, int bound, double *value)
{
    double scale[MAX_BOUNDS], worst = -INFINITY;
    size_t n = 0;
    bounds_scale_of(h->search->problem, h->finished, m, scale);
    for (size_t i = 0; i < m; i++) {
        const struct observation *o = h->finished[i];
        value[i] = o->excess && isfinite(o->excess[bound]) && o->state != OBSERVATION_FAILED ? squeeze(o->excess[bound], scale[bound]) : NAN;
        if (isnan(value[i]))
            continue;
        worst = fmax(worst, value[i]);
        n++;
    }
    for (size_t i = 0; n && i < m; i++)
        if (isnan(value[i]) && h->finished[i]->state != OBSERVATION_PRUNED)
            value[i] = worst;
    return n;
}

/* What a whole trial costs: one that was stopped or failed had another end. */
static size_t costs(const struct gp_history *h, size_t m, double *value)
{
    size_t n = 0;
    for (size_t i = 0; i < m; i++) {
        const struct observation *o = h->finished[i];
        bool whole = o->state == OBSERVATION_DONE || (o->state == OBSERVATION_INFEASIBLE && bounds_known(h->search->problem, o));
        value[i] = whole && o->cost > 0 && isfinite(o->cost) ? log(o->cost) : NAN;
        n += isnan(value[i]) ? 0 : 1;
    }
    return n;
}

static bool linear_set_of(const struct gp_history *h, size_t m, int output, struct gp_set *set, struct warp *warp)
{
    double *value CLEANUP_FREE = array_new(m + 1), *known CLEANUP_FREE = array_new(m + 1), point[GP_MAX_DIMS];
    const int bound = output - h->n_targets;
    size_t n = bound < h->search->problem->n_bounds ? excesses(h, m, bound, value) : costs(h, m, value), at = 0;
    for (size_t i = 0; i < m; i++)
        if (!isnan(value[i]))
            known[at++] = value[i];
    bool learns = warp_fit_linear(warp, known, at) && n >= MIN_VALUES;
    at = 0;
    for (size_t i = 0; i < m; i++) {
        gp_space_encode(h->space, h->finished[i]->x, point);
        if (isnan(value[i]))
            gp_set_add(set, point, 0, UNKNOWN);
        else
            gp_set_add(set, point, known[at++], 0);
    }
    return learns;
}

/* --- all outputs */

static bool warped_set_of(const struct gp_history *h, size_t m, int objective, struct gp_set *set, struct warp *warp)
{
    double *value CLEANUP_FREE = array_new(m + 1), point[GP_MAX_DIMS];
    size_t n = values(h, m, objective, value), at = 0;
    hold_pruned(h, m, value);
    *warp = (struct warp){0};
    bool learns = n > 0 && warp_fit(warp, value, n) && n >= MIN_VALUES;
    for (size_t i = 0; i < m; i++) {
        const struct observation *o = h->finished[i];
        gp_space_encode(h->space, o->x, point);
        if (has_value(o, h->search->problem))
            gp_set_add(set, point, value[at++], known_variance(h, o, warp));
        else
            gp_set_add(set, point, n ? warp->to[n - 1] : 0, 0);
    }
    if (h->guide)
        gp_guide_rows(&h->guide[objective], set);
    return learns;
}

bool gp_history_set_of(const struct gp_history *h, size_t m, int output, struct gp_set *set, struct warp *warp)
{
    gp_set_init(set, h->space, m + 1);
    return output < h->n_targets ? warped_set_of(h, m, output, set, warp) : linear_set_of(h, m, output, set, warp);
}

bool gp_history_set(const struct gp_history *h, size_t m, struct gp_set *set, struct warp *warp)
{
    return gp_history_set_of(h, m, 0, set, warp);
}

void gp_set_subset(const struct gp_set *from, const size_t *row, size_t n, const struct gp_space *space, struct gp_set *to)
{
    double point[GP_MAX_DIMS];
    gp_set_init(to, space, n + 1);
    gp_set_regress(to, from->n_regressors);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < from->d; k++)
            point[k] = from->x[k * from->cap + row[i]];
        gp_set_add(to, point, from->y[row[i]], from->extra[row[i]]);
        for (size_t j = 0; j < from->n_regressors; j++)
            to->regressor[j * to->cap + i] = from->regressor[j * from->cap + row[i]];
    }
}
