/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Halton's sequence, scrambled: the radical inverse of the index in the i-th prime base, the digits at each place permuted by a
 * hash of (seed, base, place) (random digit permutations, Owen 2017). Unscrambled, high dimensions are strongly correlated for few points. */
#include "math/rng.h"
#include "sequence.h"

#define MAX_DIMS 256

static int next_prime(int n)
{
    for (;; n++) {
        bool prime = n >= 2;
        for (int k = 2; prime && k * k <= n; k++)
            prime = n % k != 0;
        if (prime)
            return n;
    }
}

static double inverse(uint64_t seed, uint64_t index, uint32_t base)
{
    double u = 0, scale = 1.0 / base;
    /* leading zeros are permuted too, as far as they can be seen in a double */
    for (uint64_t place = 0; scale > 0x1p-40 || index; place++, index /= base, scale /= base)
        u += (double)rng_permute(rng_new(seed, RNG_SCRAMBLE, (uint64_t)base * 64 + place), base, index % base) * scale;
    return u < 1 ? u : 0x1.fffffffffffffp-1;
}

static void point(uint64_t seed, uint64_t index, double *x, int n)
{
    for (int i = 0, base = 2; i < n; i++, base = next_prime(base + 1))
        x[i] = inverse(seed, index, (uint32_t)base);
}

static enum err suggest(const struct search *search, void **cache, struct suggestion *out, struct error *error)
{
    (void)cache;
    return sequence_suggest(search, point, "Halton sequence", out, error);
}

const struct algorithm algorithm_halton = {
    .name = "halton",
    .title = "Halton sequence",
    .about = "Scrambled Halton points (Halton 1960; digits permuted after Owen 2017).",
    .max_dims = MAX_DIMS,
    .suggest = suggest,
};
