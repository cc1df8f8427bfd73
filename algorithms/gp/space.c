/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/space.h"

#include "base/mem.h"
#include "math/rng.h"

#include <math.h>

void gp_space_init(struct gp_space *s, const struct problem *p)
{
    *s = (struct gp_space){.problem = p};
    for (int i = 0; i < p->n_dims; i++) {
        bool last_chance = i == p->n_dims - 1 && s->d == 0; /* there must be one */
        if (p->dims[i].n_levels == 1 && !last_chance)
            continue;
        s->categorical[s->d] = p->dims[i].kind == DIM_CATEGORICAL;
        s->dim[s->d++] = i;
    }
}

static double category(const struct dim *d, double u)
{
    if (isnan(u))
        return (double)d->n_levels;
    return fmin(floor(u * (double)d->n_levels), (double)(d->n_levels - 1));
}

void gp_space_encode(const struct gp_space *s, const double *snapped, double *point)
{
    for (size_t k = 0; k < s->d; k++) {
        double u = snapped[s->dim[k]];
        if (s->categorical[k])
            point[k] = category(&s->problem->dims[s->dim[k]], u);
        else
            point[k] = isnan(u) ? 0.5 : u;
    }
}

int64_t gp_space_level(const struct problem *p, int dim, double u)
{
    const struct dim *d = &p->dims[dim];
    if (d->kind == DIM_CATEGORICAL)
        return (int64_t)category(d, u);
    int64_t low = 0, high = d->n_levels - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        double below = p->level(p->ctx, dim, middle), above = p->level(p->ctx, dim, middle + 1);
        if (u <= (below + above) / 2)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static uint64_t key_of(const struct problem *p, const double *x)
{
    uint64_t key = 0;
    for (int i = 0; i < p->n_dims; i++) {
        uint64_t cell = isnan(x[i]) ? UINT64_MAX : (uint64_t)llround(x[i] * 0x1p23);
        key = rng_mix(key + cell + 0x9e3779b97f4a7c15u);
    }
    return key;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void seen_init(struct seen *s, const struct search *search)
{
    s->n = search->n_history;
    s->key = x_calloc(s->n + 1, sizeof *s->key);
    for (size_t i = 0; i < s->n; i++)
        s->key[i] = key_of(search->problem, search->history[i].x);
    qsort(s->key, s->n, sizeof *s->key, by_key);
}

void seen_release(struct seen *s)
{
    free(s->key);
}

bool seen_has(const struct seen *s, const struct problem *p, const double *snapped)
{
    uint64_t key = key_of(p, snapped);
    return bsearch(&key, s->key, s->n, sizeof key, by_key) != NULL;
}
