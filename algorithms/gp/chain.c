/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/chain.h"

#include "base/mem.h"
#include "gp/fit.h"
#include "gp/subset.h"

#include <string.h>

#define CHAIN_START 16
#define LINKS 6       /* 16, 32, 64, 128, 256, and the last one */
#define FITS (LINKS * GP_MAX_OUTPUTS + CHAIN_SLOTS)
#define FIT_ROWS 256  /* of more, the hyperparameters come from a subset */

/* Fits that were made, each under a hash of what it was made from. */
struct memo {
    uint64_t key[FITS];
    struct gp_theta *theta[FITS];
};

void chain_free(void *cache)
{
    struct memo *m = cache;
    for (int i = 0; m && i < FITS; i++)
        free(m->theta[i]);
    free(m);
}

static uint64_t hash_doubles(uint64_t key, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        key = rng_mix(key ^ bits) + 0x9e3779b97f4a7c15u;
    }
    return key;
}

static uint64_t hash_set(const struct gp_set *s, uint64_t key)
{
    for (size_t k = 0; k < s->d; k++)
        key = hash_doubles(key, s->x + k * s->cap, s->n);
    for (size_t j = 0; j < s->n_regressors; j++)
        key = hash_doubles(key, s->regressor + j * s->cap, s->n);
    return hash_doubles(hash_doubles(key, s->y, s->n), s->extra, s->n);
}

static void fit_set(const struct search *s, const struct gp_set *set, size_t m, const struct gp_theta *previous, void **cache, int link,
                    struct gp_theta *theta)
{
    struct memo *memo = cache ? *cache : NULL;
    uint64_t key = hash_set(set, rng_mix(s->seed + m));
    if (previous)
        key = hash_doubles(key, previous->v, set->d + 2);
    if (cache && !memo)
        *cache = memo = X_NEW(struct memo);
    if (memo && memo->theta[link] && memo->key[link] == key) {
        *theta = *memo->theta[link];
        return;
    }
    gp_fit_theta(set, previous, rng_new(s->seed, RNG_START, m), theta);
    if (!memo)
        return;
    if (!memo->theta[link])
        memo->theta[link] = X_NEW(struct gp_theta);
    *memo->theta[link] = *theta;
    memo->key[link] = key;
}

static void fit_first(const struct gp_history *h, int output, size_t m, const struct gp_theta *previous, void **cache, int link,
                      struct gp_theta *theta)
{
    struct gp_set set, part;
    struct warp warp;
    if (!gp_history_set_of(h, m, output, &set, &warp))
        gp_fit_centre(&set, theta);
    else if (m <= FIT_ROWS)
        fit_set(h->search, &set, m, previous, cache, link, theta);
    else {
        size_t row[FIT_ROWS];
        gp_set_subset(&set, row, subset_spread(&set, FIT_ROWS, row), h->space, &part);
        fit_set(h->search, &part, m, previous, cache, link, theta);
        gp_set_release(&part);
    }
    gp_set_release(&set);
    warp_release(&warp);
}

/* How many of n finished trials the hyperparameters are fitted to: with many, not every new one is worth a fit. */
static size_t fitted_to(size_t n)
{
    size_t every = n <= 150 ? 1 : n <= 300 ? 5 : n <= 1000 ? 20 : 100;
    return n - n % every;
}

void chain_fit(const struct search *s, const struct gp_set *set, int slot, void **cache, struct gp_theta *theta)
{
    fit_set(s, set, set->n, NULL, cache, LINKS * GP_MAX_OUTPUTS + slot, theta);
}

void chain_theta(const struct gp_history *h, int output, void **cache, struct gp_theta *theta)
{
    const size_t last = fitted_to(h->n_finished);
    struct gp_theta previous;
    bool has_previous = false;
    int link = output * LINKS;
    for (size_t m = CHAIN_START; m < last && m <= FIT_ROWS; m *= 2) {
        fit_first(h, output, m, has_previous ? &previous : NULL, cache, link++, theta);
        previous = *theta;
        has_previous = true;
    }
    fit_first(h, output, last, has_previous ? &previous : NULL, cache, output * LINKS + LINKS - 1, theta);
}
