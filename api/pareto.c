/* SPDX-License-Identifier: GPL-3.0-or-later */
/* In the order of the coordinates (lexicographic) a point can only be dominated by an earlier one, so each is held against the front so
 * far. With two objectives the front's last member alone can dominate: O(n log n) in all. */
#include "pareto.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

struct point {
    const double *value;
    size_t dims, index;
};

static int by_value(const void *pa, const void *pb)
{
    const struct point *a = pa, *b = pb;
    for (size_t i = 0; i < a->dims; i++)
        if (a->value[i] < b->value[i] || a->value[i] > b->value[i])
            return a->value[i] < b->value[i] ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static bool dominates(const double *a, const double *b, size_t dims)
{
    bool better = false;
    for (size_t i = 0; i < dims; i++) {
        if (a[i] > b[i])
            return false;
        better |= a[i] < b[i];
    }
    return better;
}

size_t pareto_front(const double *values, size_t n, size_t dims, size_t *front)
{
    struct point *points CLEANUP_FREE = x_calloc(n, sizeof *points);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        points[i] = (struct point){values + i * dims, dims, i};
    qsort(points, n, sizeof *points, by_value);
    for (size_t i = 0; i < n; i++) {
        bool kept = true;
        for (size_t j = dims == 2 && k ? k - 1 : 0; j < k && kept; j++)
            kept = !dominates(values + front[j] * dims, points[i].value, dims);
        if (kept)
            front[k++] = points[i].index;
    }
    return k;
}
