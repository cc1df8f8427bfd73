/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bounds.h"

#include "base/mem.h"
#include "math/array.h"

#include <math.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bounds_scale_of(const struct problem *p, const struct observation *const *finished, size_t n, double *scale)
{
    double *size CLEANUP_FREE = array_new(n + 1);
    for (int j = 0; j < p->n_bounds; j++) {
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if (finished[i]->excess && isfinite(finished[i]->excess[j]))
                size[m++] = fabs(finished[i]->excess[j]);
        qsort(size, m, sizeof *size, by_value);
        scale[j] = m && size[m / 2] > 0 ? size[m / 2] : 1;
    }
}

void bounds_scale(const struct problem *p, const struct observation *history, size_t n, double *scale)
{
    const struct observation **finished CLEANUP_FREE = x_calloc(n + 1, sizeof *finished);
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (history[i].state != OBSERVATION_PENDING)
            finished[m++] = &history[i];
    bounds_scale_of(p, finished, m, scale);
}

bool bounds_known(const struct problem *p, const struct observation *o)
{
    for (int j = 0; j < p->n_bounds; j++)
        if (!o->excess || isnan(o->excess[j]))
            return false;
    return p->n_bounds > 0;
}

double bounds_violation(const struct problem *p, const struct observation *o, const double *scale)
{
    double sum = 0;
    for (int j = 0; j < p->n_bounds; j++) {
        if (!o->excess || isnan(o->excess[j]))
            return INFINITY;
        sum += fmax(o->excess[j], 0) / scale[j];
    }
    return sum;
}
