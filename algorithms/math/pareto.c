/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/pareto.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct entry {
    const double *y;
    size_t at;
    int m;          /* objectives compared */
    double crowding;
};

bool pareto_dominates(const double *a, const double *b, int m)
{
    bool better = false;
    for (int j = 0; j < m; j++) {
        if (a[j] > b[j])
            return false;
        better |= a[j] < b[j];
    }
    return better;
}

static int by_values(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    for (int j = 0; j < a->m; j++)
        if (a->y[j] != b->y[j])
            return a->y[j] < b->y[j] ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

static int by_crowding(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    if (a->crowding != b->crowding)
        return a->crowding > b->crowding ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

void pareto_crowding(const double *const *y, size_t n, int m, double *distance)
{
    struct entry *e CLEANUP_FREE = x_calloc(n + 1, sizeof *e);
    memset(distance, 0, n * sizeof *distance);
    for (int j = 0; j < m; j++) {
        for (size_t i = 0; i < n; i++)
            e[i] = (struct entry){.y = y[i] + j, .at = i, .m = 1};
        qsort(e, n, sizeof *e, by_values);
        double range = n ? e[n - 1].y[0] - e[0].y[0] : 0;
        for (size_t i = 0; i < n; i++) {
            if (i == 0 || i == n - 1)
                distance[e[i].at] = INFINITY;
            else if (range > 0)
                distance[e[i].at] += (e[i + 1].y[0] - e[i - 1].y[0]) / range;
        }
    }
}

/* Moves the non-dominated of the n entries, sorted by value, to the front (they keep their order, as do the others). How many. */
static size_t split_front(struct entry *e, size_t n, int m, struct entry *rest)
{
    size_t size = 0, n_rest = 0;
    for (size_t i = 0; i < n; i++) {
        /* only an earlier one can dominate; of two objectives the last of the front has the least second value */
        size_t first = m == 2 && size ? size - 1 : 0, k = size;
        while (k > first && !pareto_dominates(e[k - 1].y, e[i].y, m))
            k--;
        if (k > first)
            rest[n_rest++] = e[i];
        else
            e[size++] = e[i];
    }
    memcpy(e + size, rest, n_rest * sizeof *e);
    return size;
}

static void sort_by_crowding(struct entry *e, size_t n, int m)
{
    const double **y CLEANUP_FREE = x_calloc(n, sizeof *y);
    double *distance CLEANUP_FREE = x_calloc(n, sizeof *distance);
    for (size_t i = 0; i < n; i++)
        y[i] = e[i].y;
    pareto_crowding(y, n, m, distance);
    for (size_t i = 0; i < n; i++)
        e[i].crowding = distance[i];
    qsort(e, n, sizeof *e, by_crowding);
}

static int by_index(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    return (a->at > b->at) - (a->at < b->at);
}

void pareto_sort(const double *const *y, size_t n, int m, size_t enough, size_t *order, int *front)
{
    struct entry *e CLEANUP_FREE = x_calloc(n + 1, sizeof *e), *rest CLEANUP_FREE = x_calloc(n + 1, sizeof *rest);
    for (size_t i = 0; i < n; i++)
        e[i] = (struct entry){.y = y[i], .at = i, .m = m};
    qsort(e, n, sizeof *e, by_values);
    size_t placed = m == 1 ? n : 0;
    int number = 0;
    for (size_t i = 0; i < placed; i++)
        front[i] = i && e[i].y[0] != e[i - 1].y[0] ? ++number : number;
    while (placed < n && placed < enough) {
        size_t size = split_front(e + placed, n - placed, m, rest);
        sort_by_crowding(e + placed, size, m);
        for (size_t i = 0; i < size; i++)
            front[placed++] = number;
        number++;
    }
    qsort(e + placed, n - placed, sizeof *e, by_index);
    for (size_t i = placed; i < n; i++)
        front[i] = number;
    for (size_t i = 0; i < n; i++)
        order[i] = e[i].at;
}
