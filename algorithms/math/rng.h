/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random numbers by counter: a stream is a function of (seed, purpose, counter), so nothing has to be saved and a restart
 * draws the same. The generator is splitmix64 (Steele, Lea, Flood 2014) over a mixed key. */
#ifndef HONE_MATH_RNG_H
#define HONE_MATH_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

/* What the numbers are for: two purposes never share a stream. The values are part of what a seed means: append only. */
enum rng_purpose { RNG_POINT = 1, RNG_SCRAMBLE, RNG_ORDER, RNG_COIN, RNG_CANDIDATE, RNG_WEIGHT, RNG_START, RNG_LATENT, RNG_DETOUR, RNG_MEMBER, RNG_ELSEWHERE };

struct rng rng_new(uint64_t seed, enum rng_purpose purpose, uint64_t counter);
uint64_t rng_next(struct rng *r);
double rng_uniform(struct rng *r); /* [0, 1), 53 bits */
double rng_normal(struct rng *r);  /* mean 0, standard deviation 1 */

/* Where i goes in the permutation of 0 .. n-1 that `r` draws. Costs the same for any n: nothing is listed. */
uint64_t rng_permute(struct rng r, uint64_t n, uint64_t i);

uint64_t rng_mix(uint64_t x);      /* one splitmix64 finaliser: a hash of 64 bits */

#endif
