/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "analysis/dependence.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define DRAWN 512 /* points of the other parameters, of which those are taken where this one is active */
#define TAKEN 96
#define SEED 0xdef
#define VALUES (1 + SURROGATE_BAGS)

/* `raw` with a coordinate set, snapped; false if that one is not active then, or the point not feasible. */
static bool place_at(const struct problem *p, const double *raw, int dim, double u, double *x)
{
    memcpy(x, raw, (size_t)p->n_dims * sizeof *x);
    x[dim] = u;
    p->snap(p->ctx, x);
    return !isnan(x[dim]) && (!p->feasible || p->feasible(p->ctx, x));
}

static double mean_of(const double *value, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i] / (double)n;
    return sum;
}

/* One place: false if no point has it. `x` has room for TAKEN points, `value` for their values. */
static bool average(const struct surrogate *s, const struct problem *p, const double *raw, int dim, double u, double *x, double *value,
                    struct dependence *out)
{
    const size_t d = (size_t)p->n_dims;
    const double *points[TAKEN];
    size_t n = 0;
    for (size_t i = 0; i < DRAWN && n < TAKEN; i++)
        if (place_at(p, raw + i * d, dim, u, x + n * d)) {
            points[n] = x + n * d;
            n++;
        }
    if (n == 0)
        return false;
    surrogate_means(s, points, n, value);
    double low = mean_of(value, n), high = low;
    *out = (struct dependence){.u = x[dim], .mean = surrogate_back(s, low)};
    for (size_t b = 1; b < VALUES; b++) {
        double mean = mean_of(value + b * n, n);
        low = fmin(low, mean);
        high = fmax(high, mean);
    }
    out->low = surrogate_back(s, low);
    out->high = surrogate_back(s, high);
    return true;
}

size_t dependence_along(const struct surrogate *s, const struct problem *p, int dim, struct dependence **out)
{
    const struct dim *d = &p->dims[dim];
    const bool levels = d->kind == DIM_CATEGORICAL || (d->n_levels > 0 && d->n_levels <= DEPENDENCE_PLACES);
    const size_t n_places = levels ? (size_t)d->n_levels : DEPENDENCE_PLACES, n_dims = (size_t)p->n_dims;
    double *raw CLEANUP_FREE = x_calloc(DRAWN * n_dims, sizeof *raw), *x CLEANUP_FREE = x_calloc(TAKEN * n_dims, sizeof *x);
    double *value CLEANUP_FREE = x_calloc(VALUES * TAKEN, sizeof *value);
    surrogate_spread(p->n_dims, SEED, DRAWN, raw);
    *out = x_calloc(n_places, sizeof **out);
    size_t n = 0;
    for (size_t k = 0; k < n_places; k++) {
        double u = levels ? p->level(p->ctx, dim, (int64_t)k) : (double)k / (double)(n_places - 1);
        n += average(s, p, raw, dim, u, x, value, *out + n);
    }
    return n;
}
