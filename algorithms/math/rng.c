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

/* An invertible hash on the power of two that holds n, walked until it falls below n (Black and Rogaway 2002). */
uint64_t rng_permute(struct rng r, uint64_t n, uint64_t i)
{
    if (n < 2)
        return i;
    const int width = 64 - __builtin_clzll(n - 1);
    const uint64_t mask = UINT64_MAX >> (64 - width);
    uint64_t multiply[4], add[4];
    for (int k = 0; k < 4; k++) {
        multiply[k] = rng_next(&r) | 1;
        add[k] = rng_next(&r);
    }
    do
        for (int k = 0; k < 4; k++) {
            i = (i * multiply[k] + add[k]) & mask;
            i ^= i >> (width + 1) / 2;
        }
    while (i >= n);
    return i;
}
