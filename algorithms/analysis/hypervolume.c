/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a point adds to a front is the volume it dominates alone: its own box without what the front, pushed into that box, dominates there
 * (WFG: While, Bradstreet, Barone 2012). That gives volumes, and their history, for any number of objectives; two are swept. */
#include "analysis/hypervolume.h"

#include "base/mem.h"
#include "math/pareto.h"
#include "math/sobol.h"

#include <math.h>
#include <string.h>

#define ESTIMATE_POINTS 16384
#define SEED 0x4a7

void front_init(struct front *f, int m)
{
    *f = (struct front){.m = m};
}

void front_release(struct front *f)
{
    free(f->y);
    free(f->index);
}

bool front_add(struct front *f, const double *y, size_t index)
{
    const size_t m = (size_t)f->m;
    for (size_t i = 0; i < f->n; i++)
        if (pareto_dominates(f->y + i * m, y, f->m))
            return false;
    size_t kept = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (pareto_dominates(y, f->y + i * m, f->m))
            continue;
        memmove(f->y + kept * m, f->y + i * m, m * sizeof *f->y);
        f->index[kept++] = f->index[i];
    }
    f->n = kept;
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 16;
        f->y = x_realloc(f->y, f->cap * m * sizeof *f->y);
        f->index = x_realloc(f->index, f->cap * sizeof *f->index);
    }
    memcpy(f->y + f->n * m, y, m * sizeof *y);
    f->index[f->n++] = index;
    return true;
}

void hypervolume_reference(const double *const *y, size_t n, int m, double *reference)
{
    for (int j = 0; j < m; j++) {
        double best = y[0][j], worst = y[0][j];
        for (size_t i = 1; i < n; i++) {
            best = fmin(best, y[i][j]);
            worst = fmax(worst, y[i][j]);
        }
        reference[j] = worst + 0.1 * (worst - best);
    }
}

/* --- exact */

static bool inside(const double *y, const double *reference, int m)
{
    for (int j = 0; j < m; j++)
        if (!(y[j] < reference[j]))
            return false;
    return true;
}

static int by_first(const void *pa, const void *pb)
{
    const double *a = pa, *b = pb;
    return a[0] != b[0] ? (a[0] > b[0]) - (a[0] < b[0]) : (a[1] > b[1]) - (a[1] < b[1]);
}

/* Of a front inside the reference point; sorts it. */
static double area(struct front *f, const double *reference)
{
    double sum = 0, above = reference[1];
    if (f->n)
        qsort(f->y, f->n, 2 * sizeof *f->y, by_first);
    for (size_t i = 0; i < f->n; i++) {
        const double *y = f->y + 2 * i;
        if (y[1] < above) {
            sum += (reference[0] - y[0]) * (above - y[1]);
            above = y[1];
        }
    }
    return sum;
}

static double front_volume(struct front *f, const double *reference);

/* What y, inside the reference point, dominates and the first n points of the front do not. */
static double alone(const struct front *f, size_t n, const double *y, const double *reference)
{
    const size_t m = (size_t)f->m;
    struct front pushed;
    double box = 1, worse[FRONT_MAX_OBJECTIVES];
    for (size_t j = 0; j < m; j++)
        box *= reference[j] - y[j];
    front_init(&pushed, f->m);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++)
            worse[j] = fmax(f->y[i * m + j], y[j]);
        (void)front_add(&pushed, worse, i);
    }
    double volume = box - front_volume(&pushed, reference);
    front_release(&pushed);
    return volume;
}

static double front_volume(struct front *f, const double *reference)
{
    if (f->m == 2)
        return area(f, reference);
    double sum = 0;
    for (size_t i = 0; i < f->n; i++)
        sum += alone(f, i, f->y + i * (size_t)f->m, reference);
    return sum;
}

static void exact_history(const double *const *y, size_t n, int m, const double *reference, double *volume)
{
    struct front f;
    double sum = 0;
    front_init(&f, m);
    for (size_t i = 0; i < n; i++) {
        if (inside(y[i], reference, m)) {
            double gain = alone(&f, f.n, y[i], reference);
            if (front_add(&f, y[i], i))
                sum += gain;
        }
        volume[i] = sum;
    }
    front_release(&f);
}

/* --- estimated */

static bool weakly_dominates(const double *a, const double *b, int m)
{
    for (int j = 0; j < m; j++)
        if (a[j] > b[j])
            return false;
    return true;
}

/* Counts, for each of many points of the box between the best values and the reference, the first that dominates it. */
static void estimate_history(const double *const *y, size_t n, int m, const double *reference, double *volume)
{
    double best[FRONT_MAX_OBJECTIVES], at[FRONT_MAX_OBJECTIVES], box = 1;
    for (int j = 0; j < m; j++) {
        best[j] = reference[j];
        for (size_t i = 0; i < n; i++)
            if (inside(y[i], reference, m))
                best[j] = fmin(best[j], y[i][j]);
        box *= reference[j] - best[j];
    }
    memset(volume, 0, n * sizeof *volume);
    for (uint64_t k = 0; k < ESTIMATE_POINTS; k++) {
        sobol_point(SEED, k, at, m);
        for (int j = 0; j < m; j++)
            at[j] = best[j] + at[j] * (reference[j] - best[j]);
        size_t i = 0;
        while (i < n && !weakly_dominates(y[i], at, m))
            i++;
        if (i < n)
            volume[i] += box / ESTIMATE_POINTS;
    }
    for (size_t i = 1; i < n; i++)
        volume[i] += volume[i - 1];
}

void hypervolume_history(const double *const *y, size_t n, int m, const double *reference, double *volume)
{
    if (m > HYPERVOLUME_EXACT)
        estimate_history(y, n, m, reference, volume);
    else
        exact_history(y, n, m, reference, volume);
}

double hypervolume(const double *const *y, size_t n, int m, const double *reference)
{
    if (n == 0)
        return 0;
    double *volume CLEANUP_FREE = x_calloc(n, sizeof *volume);
    hypervolume_history(y, n, m, reference, volume);
    return volume[n - 1];
}
