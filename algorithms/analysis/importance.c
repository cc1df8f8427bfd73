/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The surrogate is asked at points all over the space. The variance between cells along a parameter is what it explains; what so few points
 * a cell would show by chance is taken off (the correction of omega squared, Hays 1963). */
#include "analysis/importance.h"

#include "gp/space.h"

#include "base/mem.h"
#include "math/rng.h"

#include <math.h>
#include <string.h>

#define POINTS 1024
#define CELLS 16 /* of a number */
#define PAIR_CELLS 6
#define LEAST_POINTS 100
#define SEED 0xa2a1
#define SAMPLING 0.02 /* by which the shares depend on the points taken */
#define VALUES (1 + SURROGATE_BAGS)

struct anova {
    const struct problem *p;
    size_t n;
    double *x;     /* n points */
    double *value; /* of all rows, then of each bag */
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Values beyond the best part become the least of these. */
static void cut(double *value, size_t n, double top)
{
    double *sorted CLEANUP_FREE = x_calloc(n, sizeof *sorted);
    memcpy(sorted, value, n * sizeof *value);
    qsort(sorted, n, sizeof *sorted, by_value);
    double worst = sorted[(size_t)fmin(ceil(top * (double)n), (double)n) - 1];
    for (size_t i = 0; i < n; i++)
        value[i] = fmin(value[i], worst);
}

struct anova *anova_new(const struct surrogate *s, const struct problem *p, double top)
{
    const size_t d = (size_t)p->n_dims;
    struct anova *z = X_NEW(struct anova);
    *z = (struct anova){.p = p, .x = x_calloc(POINTS * d, sizeof *z->x), .value = x_calloc(VALUES * POINTS, sizeof *z->value)};
    z->n = surrogate_sample(p, SEED, POINTS, z->x);
    const double **points CLEANUP_FREE = x_calloc(POINTS, sizeof *points);
    for (size_t i = 0; i < z->n; i++)
        points[i] = z->x + i * d;
    surrogate_means(s, points, z->n, z->value);
    for (size_t v = 0; v < VALUES && top < 1 && z->n; v++)
        cut(z->value + v * z->n, z->n, top);
    return z;
}

void anova_free(struct anova *z)
{
    free(z->x);
    free(z->value);
    free(z);
}

static double variance(const double *value, size_t n)
{
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        mean += value[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        sum += (value[i] - mean) * (value[i] - mean) / (double)n;
    return sum;
}

/* The cell of each point along a dimension: its level if there are few, SIZE_MAX where it is inactive. How many cells there are. */
static size_t fill_cells(const struct anova *z, int dim, size_t most, size_t *cell)
{
    const struct dim *d = &z->p->dims[dim];
    const bool levels = d->kind == DIM_CATEGORICAL || (d->n_levels > 0 && d->n_levels <= (int64_t)most);
    for (size_t i = 0; i < z->n; i++) {
        double u = z->x[i * (size_t)z->p->n_dims + (size_t)dim];
        if (isnan(u))
            cell[i] = SIZE_MAX;
        else
            cell[i] = levels ? (size_t)gp_space_level(z->p, dim, u) : (size_t)fmin(floor(u * (double)most), (double)(most - 1));
    }
    return levels ? (size_t)d->n_levels : most;
}

/* The variance between the cells' means, without what chance puts there, as a part of all n points. */
static double between(const double *value, const size_t *cell, size_t n, size_t n_cells)
{
    double *sum CLEANUP_FREE = x_calloc(2 * n_cells, sizeof *sum), *count = sum + n_cells;
    double mean = 0, active = 0, explained = 0, left = 0, used = 0;
    for (size_t i = 0; i < n; i++) {
        if (cell[i] == SIZE_MAX)
            continue;
        sum[cell[i]] += value[i];
        count[cell[i]]++;
        mean += value[i];
        active++;
    }
    mean = active > 0 ? mean / active : 0;
    for (size_t c = 0; c < n_cells; c++)
        if (count[c] > 0) {
            sum[c] /= count[c];
            used++;
            explained += count[c] * (sum[c] - mean) * (sum[c] - mean);
        }
    for (size_t i = 0; i < n; i++)
        if (cell[i] != SIZE_MAX)
            left += (value[i] - sum[cell[i]]) * (value[i] - sum[cell[i]]);
    if (!(active > used))
        return 0;
    return fmax(0, explained - (used - 1) * left / (active - used)) / (double)n;
}

static double within(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

bool anova_alone(const struct anova *z, struct importance *out)
{
    size_t cell[POINTS];
    double total[VALUES], share[VALUES];
    for (size_t v = 0; v < VALUES; v++)
        total[v] = z->n ? variance(z->value + v * z->n, z->n) : 0;
    const bool ok = z->n >= LEAST_POINTS && total[0] > 1e-12;
    for (int k = 0; k < z->p->n_dims; k++) {
        out[k] = (struct importance){NAN, NAN, NAN};
        if (!ok)
            continue;
        size_t n_cells = fill_cells(z, k, CELLS, cell);
        for (size_t v = 0; v < VALUES; v++)
            share[v] = total[v] > 1e-12 ? within(between(z->value + v * z->n, cell, z->n, n_cells) / total[v], 0, 1) : 0;
        out[k].share = share[0];
        qsort(share + 1, SURROGATE_BAGS, sizeof *share, by_value);
        out[k].low = within(fmin(share[0], share[1]) - SAMPLING, 0, 1);
        out[k].high = within(fmax(share[0], share[SURROGATE_BAGS]) + SAMPLING, 0, 1);
    }
    return ok;
}

static int by_share(const void *pa, const void *pb)
{
    const struct pair *a = pa, *b = pb;
    if (a->share != b->share)
        return a->share > b->share ? -1 : 1;
    return a->a != b->a ? a->a - b->a : a->b - b->b;
}

size_t anova_pairs(const struct anova *z, struct pair *out, size_t n)
{
    const size_t d = (size_t)z->p->n_dims, n_pairs = d * (d - 1) / 2;
    const double total = z->n ? variance(z->value, z->n) : 0;
    struct pair *all CLEANUP_FREE = x_calloc(n_pairs + 1, sizeof *all);
    size_t *cells CLEANUP_FREE = x_calloc(d * POINTS, sizeof *cells), *n_cells CLEANUP_FREE = x_calloc(d, sizeof *n_cells);
    double *alone CLEANUP_FREE = x_calloc(d, sizeof *alone);
    size_t joint[POINTS], m = 0;
    for (size_t k = 0; k < d; k++) {
        n_cells[k] = fill_cells(z, (int)k, PAIR_CELLS, cells + k * POINTS);
        alone[k] = between(z->value, cells + k * POINTS, z->n, n_cells[k]);
    }
    for (size_t a = 0; a < d && z->n >= LEAST_POINTS && total > 1e-12; a++)
        for (size_t b = a + 1; b < d; b++) {
            if (n_cells[a] * n_cells[b] > POINTS / 4) /* too few points a cell */
                continue;
            const size_t *of_a = cells + a * POINTS, *of_b = cells + b * POINTS;
            for (size_t i = 0; i < z->n; i++)
                joint[i] = of_a[i] == SIZE_MAX || of_b[i] == SIZE_MAX ? SIZE_MAX : of_a[i] * n_cells[b] + of_b[i];
            double both = between(z->value, joint, z->n, n_cells[a] * n_cells[b]);
            all[m++] = (struct pair){(int)a, (int)b, within((both - alone[a] - alone[b]) / total, 0, 1)};
        }
    qsort(all, m, sizeof *all, by_share);
    n = n < m ? n : m;
    memcpy(out, all, n * sizeof *out);
    return n;
}
