/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/subset.h"

#include "base/mem.h"
#include "math/array.h"

#include <math.h>

struct ranked {
    double key;
    size_t row;
};

static int by_key(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->key > y->key || x->key < y->key)
        return x->key > y->key ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows in order of `key`. */
static void sort_rows(const double *key, size_t n, size_t *order)
{
    struct ranked *r CLEANUP_FREE = x_calloc(n + 1, sizeof *r);
    for (size_t i = 0; i < n; i++)
        r[i] = (struct ranked){key[i], i};
    qsort(r, n, sizeof *r, by_key);
    for (size_t i = 0; i < n; i++)
        order[i] = r[i].row;
}

void subset_by_value(const struct gp_set *s, size_t *order)
{
    sort_rows(s->y, s->n, order);
}

static size_t collect(const bool *chosen, size_t n, size_t *row)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (chosen[i])
            row[m++] = i;
    return m;
}

/* Lowers distance[i] to that of `from`. */
static void lower_distances(const struct gp_set *s, const double *weight, size_t from, double *distance, double *scratch)
{
    double point[GP_MAX_DIMS];
    for (size_t k = 0; k < s->d; k++)
        point[k] = s->x[k * s->cap + from];
    gp_distances(s, weight, point, s->n, scratch);
    for (size_t i = 0; i < s->n; i++)
        distance[i] = fmin(distance[i], scratch[i]);
}

size_t subset_spread(const struct gp_set *s, size_t wanted, size_t *row)
{
    const size_t n = s->n;
    size_t *order CLEANUP_FREE = x_calloc(n, sizeof *order);
    bool *chosen CLEANUP_FREE = x_calloc(n, sizeof *chosen);
    double *distance CLEANUP_FREE = array_new(n), *scratch CLEANUP_FREE = array_new(n), weight[GP_MAX_DIMS];
    for (size_t k = 0; k < s->d; k++)
        weight[k] = 1;
    subset_by_value(s, order);
    size_t m = 0;
    for (size_t i = 0; i < wanted / 4; i++) {
        chosen[order[i]] = true;
        chosen[n - 1 - i] = true;
    }
    for (size_t i = 0; i < n; i++)
        distance[i] = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (chosen[i]) {
            lower_distances(s, weight, i, distance, scratch);
            m++;
        }
    for (; m < wanted; m++) { /* the farthest from all that are in */
        size_t farthest = n;
        for (size_t i = 0; i < n; i++)
            if (!chosen[i] && (farthest == n || distance[i] > distance[farthest]))
                farthest = i;
        chosen[farthest] = true;
        lower_distances(s, weight, farthest, distance, scratch);
    }
    return collect(chosen, n, row);
}

size_t subset_near(const struct gp_set *s, const struct gp_theta *theta, size_t wanted, size_t *row)
{
    const size_t n = s->n;
    size_t *order CLEANUP_FREE = x_calloc(n, sizeof *order);
    bool *chosen CLEANUP_FREE = x_calloc(n, sizeof *chosen);
    double *distance CLEANUP_FREE = array_new(n), *scratch CLEANUP_FREE = array_new(n), weight[GP_MAX_DIMS];
    for (size_t k = 0; k < s->d; k++)
        weight[k] = exp(-2 * theta->v[k]);
    subset_by_value(s, order);
    for (size_t i = 0; i < n; i++)
        distance[i] = INFINITY;
    for (size_t i = 0; i < 3; i++)
        lower_distances(s, weight, order[i], distance, scratch);
    size_t m = 0;
    for (; m < wanted / 4; m++)
        chosen[order[m]] = true;
    sort_rows(distance, n, order);
    for (size_t i = 0; m < wanted; i++) {
        m += !chosen[order[i]];
        chosen[order[i]] = true;
    }
    return collect(chosen, n, row);
}
