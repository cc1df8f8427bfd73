/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/rng.h"

#include <math.h>

#define GOLDEN 0x9e3779b97f4a7c15u

uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct rng rng_new(uint64_t seed, enum rng_purpose purpose, uint64_t counter)
{
    uint64_t key = rng_mix(seed + GOLDEN);
    key = rng_mix(key ^ ((uint64_t)purpose * GOLDEN));
    return (struct rng){rng_mix(key + counter * GOLDEN)};
}

uint64_t rng_next(struct rng *r)
{
    return rng_mix(r->state += GOLDEN);
}

double rng_uniform(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
    double radius = sqrt(-2 * log(1 - rng_uniform(r))); /* Box and Muller 1958 */
    return radius * cos(2 * M_PI * rng_uniform(r));
}
