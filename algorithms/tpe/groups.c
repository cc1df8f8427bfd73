/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tpe/groups.h"

#include "base/mem.h"
#include "math/rng.h"

#include <math.h>

struct signature {
    uint64_t key; /* a hash of the trials in which the parameter is active */
    int dim;
};

static int by_signature(const void *pa, const void *pb)
{
    const struct signature *a = pa, *b = pb;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->dim - b->dim;
}

void groups_init(struct groups *g, const struct problem *p, const struct observation *history, size_t n_history)
{
    struct signature *sign CLEANUP_FREE = x_calloc((size_t)p->n_dims, sizeof *sign);
    size_t n = 0;
    for (int k = 0; k < p->n_dims; k++) {
        if (p->dims[k].n_levels == 1)
            continue;
        uint64_t key = 0;
        for (size_t i = 0; i < n_history; i++)
            if (!isnan(history[i].x[k]))
                key += rng_mix(i + 1);
        sign[n++] = (struct signature){key, k};
    }
    qsort(sign, n, sizeof *sign, by_signature);
    *g = (struct groups){.list = x_calloc(n + 1, sizeof *g->list), .dims = x_calloc(n + 1, sizeof *g->dims)};
    for (size_t k = 0; k < n; k++) {
        if (k == 0 || sign[k].key != sign[k - 1].key)
            g->list[g->n++].dims = g->dims + k;
        g->dims[k] = sign[k].dim;
        g->list[g->n - 1].d++;
    }
}

void groups_release(struct groups *g)
{
    free(g->list);
    free(g->dims);
}
