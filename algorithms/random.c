/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random search: independent draws from the prior (Bergstra and Bengio 2012). */
#include "math/rng.h"
#include "sequence.h"

static void point(uint64_t seed, uint64_t index, double *x, int n)
{
    struct rng r = rng_new(seed, RNG_POINT, index);
    for (int i = 0; i < n; i++)
        x[i] = rng_uniform(&r);
}

static enum err suggest(const struct search *search, void **cache, struct suggestion *out, struct error *error)
{
    (void)cache;
    return sequence_suggest(search, point, "random", out, error);
}

const struct algorithm algorithm_random = {
    .name = "random",
    .title = "Random search",
    .about = "Independent draws from the prior of each parameter (Bergstra and Bengio 2012).",
    .suggest = suggest,
};
