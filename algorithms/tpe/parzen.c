/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tpe/parzen.h"

#include "base/mem.h"
#include "cells.h"
#include "gp/space.h"
#include "math/array.h"
#include "math/truncated.h"

#include <math.h>
#include <string.h>

#define LN_SQRT_2PI 0.91893853320467274178
#define FINE 0.1       /* cell widths below this part of a deviation are integrated by the midpoint, corrected */
#define SHARPNESS 0.75 /* of the distance to the farther neighbour */
#define SMOOTHNESS 0.2 /* deviation for a single point, of the interval */
#define NEGLIGIBLE 40  /* of ln density below the largest component */

struct parzen_axis {
    const struct dim *dim;
    double *mean;        /* of a categorical: the level, -1 for the prior */
    double *deviation, *inverse; /* inverse: 1 / deviation */
    double *log_scale;   /* -ln(deviation sqrt(2 pi) mass in [0,1]): what is added to -z^2/2 */
    size_t *same;        /* the first component with this mean and deviation: its cells have the same mass */
    double log_hit, log_miss, log_prior, hit; /* of a categorical */
};

/* --- making it */

struct place {
    double u;
    size_t at;
};

static int by_place(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (a->u != b->u)
        return a->u < b->u ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* The distance to the farther neighbour; at the ends to the only one, the end of the interval being farther only from a lonely point. */
static double reach(const struct place *sorted, size_t k, size_t n)
{
    double left = k > 0 ? sorted[k].u - sorted[k - 1].u : sorted[k].u;
    double right = k + 1 < n ? sorted[k + 1].u - sorted[k].u : 1 - sorted[k].u;
    if (n >= 2 && k == 0)
        left = 0;
    if (n >= 2 && k + 1 == n)
        right = 0;
    return fmax(left, right);
}

/* Finds for each component the first that is equal. Of a run of equal means only the ends can differ in their deviation. */
static void find_same(struct parzen_axis *a, const struct place *sorted, size_t n)
{
    size_t first = 0;
    for (size_t k = 0; k < n; k++) {
        size_t i = sorted[k].at;
        if (sorted[k].u != sorted[first].u)
            first = k;
        a->same[i] = i;
        for (size_t q = first; q < k && q < first + 3; q++) {
            size_t j = sorted[q].at;
            if (a->deviation[j] == a->deviation[i]) {
                a->same[i] = a->same[j];
                break;
            }
        }
    }
}

/* Beyond z >= 0, to the accuracy that a difference to 1 has. */
static double tail(double z)
{
    return z > 9 ? 0 : erfc(z * M_SQRT1_2) / 2;
}

/* n components for points and one for the prior: a normal in the middle, as wide as the interval. */
static void number_axis(struct parzen_axis *a, enum parzen_width width, int dim, const double *const *x, size_t n, size_t d)
{
    struct place *sorted CLEANUP_FREE = x_calloc(n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct place){x[i][dim], i};
    qsort(sorted, n, sizeof *sorted, by_place);
    const double least = 1 / fmin(100, 2 + (double)n);
    const double common = fmax(SMOOTHNESS * pow(fmax((double)n, 1), -1 / ((double)d + 4)), least);
    for (size_t k = 0; k < n; k++) {
        size_t i = sorted[k].at;
        a->mean[i] = sorted[k].u;
        a->deviation[i] = width == PARZEN_SHARP ? fmin(SHARPNESS * fmax(reach(sorted, k, n), least), 1) : common;
    }
    a->mean[n] = 0.5;
    a->deviation[n] = 1;
    a->same[n] = n;
    find_same(a, sorted, n);
    for (size_t i = 0; i <= n; i++) {
        double s = a->deviation[i], m = a->mean[i];
        a->inverse[i] = 1 / s;
        a->log_scale[i] = -log(s) - LN_SQRT_2PI - log1p(-(tail(m / s) + tail((1 - m) / s)));
    }
}

static void category_axis(struct parzen_axis *a, const struct problem *p, int dim, const double *const *x, size_t n)
{
    const double k = (double)a->dim->n_levels, floor_mass = 1 / ((double)n + 1);
    for (size_t i = 0; i < n; i++)
        a->mean[i] = (double)gp_space_level(p, dim, x[i][dim]);
    a->mean[n] = -1;
    a->hit = (1 + floor_mass) / (1 + k * floor_mass);
    a->log_hit = log(a->hit);
    a->log_miss = log(floor_mass / (1 + k * floor_mass));
    a->log_prior = -log(k);
}

void parzen_init(struct parzen *z, enum parzen_width width, const struct problem *p, const int *dims, size_t d, const double *const *x,
                 const double *weight, size_t n)
{
    *z = (struct parzen){.p = p, .dims = dims, .d = d, .n = n + 1};
    z->log_weight = array_new(n + 1);
    z->cumulative = array_new(n + 1);
    double sum = 1, so_far = 0;
    for (size_t i = 0; i < n; i++)
        sum += weight[i];
    for (size_t i = 0; i <= n; i++) {
        double w = (i < n ? weight[i] : 1) / sum;
        z->log_weight[i] = log(w);
        z->cumulative[i] = so_far += w;
    }
    z->axes = x_calloc(d + 1, sizeof *z->axes);
    for (size_t k = 0; k < d; k++) {
        struct parzen_axis *a = &z->axes[k];
        a->dim = &p->dims[dims[k]];
        a->mean = array_new(n + 1);
        a->deviation = array_new(n + 1);
        a->inverse = array_new(n + 1);
        a->log_scale = array_new(n + 1);
        a->same = x_calloc(n + 1, sizeof *a->same);
        if (a->dim->kind == DIM_CATEGORICAL)
            category_axis(a, p, dims[k], x, n);
        else
            number_axis(a, width, dims[k], x, n, d);
    }
}

void parzen_release(struct parzen *z)
{
    for (size_t k = 0; k < z->d; k++) {
        free(z->axes[k].mean);
        free(z->axes[k].deviation);
        free(z->axes[k].inverse);
        free(z->axes[k].log_scale);
        free(z->axes[k].same);
    }
    free(z->axes);
    free(z->log_weight);
    free(z->cumulative);
}

/* --- drawing */

static size_t draw_component(const struct parzen *z, double u)
{
    size_t low = 0, high = z->n - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (z->cumulative[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static double draw_category(const struct parzen_axis *a, size_t i, struct rng *r)
{
    int64_t n = a->dim->n_levels, level = (int64_t)a->mean[i];
    if (level < 0)
        level = (int64_t)(rng_next(r) % (uint64_t)n);
    else if (rng_uniform(r) >= a->hit && n > 1) /* one of the others */
        level = (level + 1 + (int64_t)(rng_next(r) % (uint64_t)(n - 1))) % n;
    return ((double)level + 0.5) / (double)n;
}

void parzen_draw(const struct parzen *z, struct rng *r, double *x)
{
    size_t i = draw_component(z, rng_uniform(r));
    for (size_t k = 0; k < z->d; k++) {
        const struct parzen_axis *a = &z->axes[k];
        if (a->dim->kind == DIM_CATEGORICAL)
            x[z->dims[k]] = draw_category(a, i, r);
        else
            x[z->dims[k]] = truncated_quantile(a->mean[i], a->deviation[i], 0, 1, rng_uniform(r));
    }
}

/* --- density */

static void add_number(const struct parzen_axis *a, size_t n, double u, double *sum)
{
    for (size_t i = 0; i < n; i++) {
        double t = (u - a->mean[i]) * a->inverse[i];
        sum[i] += a->log_scale[i] - t * t / 2;
    }
}

struct cell {
    double low, high, middle, width, log_width;
};

/* ln of the mass of a cell within component i. */
static double cell_mass(const struct parzen_axis *a, size_t i, const struct cell *c)
{
    double width = c->width * a->inverse[i], t = (c->middle - a->mean[i]) * a->inverse[i];
    if (width < FINE)
        return a->log_scale[i] - t * t / 2 + c->log_width + width * width * (t * t - 1) / 24;
    return a->log_scale[i] + log(a->deviation[i]) + LN_SQRT_2PI + normal_log_mass(t - width / 2, t + width / 2);
}

static void add_cell(const struct parzen *z, size_t k, double u, double *mass, double *sum)
{
    const struct parzen_axis *a = &z->axes[k];
    const int dim = z->dims[k];
    struct cell c;
    cell_bounds(z->p, dim, gp_space_level(z->p, dim, u), &c.low, &c.high);
    c.middle = (c.low + c.high) / 2;
    c.width = c.high - c.low;
    c.log_width = log(c.width);
    for (size_t i = 0; i < z->n; i++) {
        mass[i] = a->same[i] == i ? cell_mass(a, i, &c) : mass[a->same[i]];
        sum[i] += mass[i];
    }
}

static void add_category(const struct parzen *z, size_t k, double u, double *sum)
{
    const struct parzen_axis *a = &z->axes[k];
    const double level = (double)gp_space_level(z->p, z->dims[k], u);
    for (size_t i = 0; i + 1 < z->n; i++)
        sum[i] += a->mean[i] == level ? a->log_hit : a->log_miss;
    sum[z->n - 1] += a->log_prior;
}

static double log_sum_exp(const double *v, size_t n)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, v[i]);
    for (size_t i = 0; i < n; i++)
        if (v[i] > most - NEGLIGIBLE)
            sum += exp(v[i] - most);
    return most + log(fmax(sum, 1)); /* the largest counts 1 */
}

void parzen_log_density(const struct parzen *z, const double *const *points, size_t n, double *value)
{
    double *sum = array_new(z->n), *mass = array_new(z->n);
    for (size_t q = 0; q < n; q++) {
        memcpy(sum, z->log_weight, z->n * sizeof *sum);
        for (size_t k = 0; k < z->d; k++) {
            double u = points[q][z->dims[k]];
            if (z->axes[k].dim->kind == DIM_CONTINUOUS)
                add_number(&z->axes[k], z->n, u, sum);
            else if (z->axes[k].dim->kind == DIM_ORDINAL)
                add_cell(z, k, u, mass, sum);
            else
                add_category(z, k, u, sum);
        }
        value[q] = log_sum_exp(sum, z->n);
    }
    free(sum);
    free(mass);
}
