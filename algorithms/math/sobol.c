/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/sobol.h"

#include "math/rng.h"

#define BITS 32

/* XOR of the direction numbers of one row at the set bits of `gray` (Bratley and Fox 1988, without the running state). */
static uint32_t combine(const uint16_t *row, uint32_t gray)
{
    const int s = row[0];
    const uint32_t a = row[1];
    uint32_t v[BITS] = {0}, bits = 0;
    for (int b = 0; b < BITS && gray >> b; b++) {
        if (b < s)
            v[b] = (uint32_t)row[2 + b] << (BITS - 1 - b);
        else {
            v[b] = v[b - s] ^ (v[b - s] >> s);
            for (int k = 1; k < s; k++)
                if (a >> (s - 1 - k) & 1)
                    v[b] ^= v[b - k];
        }
        if (gray >> b & 1)
            bits ^= v[b];
    }
    return bits;
}

static uint32_t reverse(uint32_t x)
{
    x = (x >> 16) | (x << 16);
    x = ((x & 0xff00ff00u) >> 8) | ((x & 0x00ff00ffu) << 8);
    x = ((x & 0xf0f0f0f0u) >> 4) | ((x & 0x0f0f0f0fu) << 4);
    x = ((x & 0xccccccccu) >> 2) | ((x & 0x33333333u) << 2);
    return ((x & 0xaaaaaaaau) >> 1) | ((x & 0x55555555u) << 1);
}

void sobol_bits(uint64_t index, uint32_t *bits, int n)
{
    const uint32_t i = (uint32_t)index, gray = i ^ (i >> 1);
    bits[0] = reverse(gray);
    const uint16_t *row = joe_kuo;
    for (int k = 1; k < n; k++, row += 2 + row[0])
        bits[k] = combine(row, gray);
}

/* Each bit is flipped by a hash of the bits above it: multiplying by an even number and adding carry only upwards, and the bits are
 * turned round (Laine and Karras 2011; constants of Vegdahl 2021; Burley 2020 for the use with Sobol points). */
static uint32_t scramble(uint32_t x, uint32_t seed)
{
    x = reverse(x) + seed;
    x ^= x * 0x6c50b47cu;
    x ^= x * 0xb82f1e52u;
    x ^= x * 0xc7afe638u;
    x ^= x * 0x8d22f6e6u;
    return reverse(x);
}

void sobol_point(uint64_t seed, uint64_t index, double *x, int n)
{
    uint32_t bits[SOBOL_MAX_DIMS];
    sobol_bits(index, bits, n);
    for (int k = 0; k < n; k++) {
        struct rng r = rng_new(seed, RNG_SCRAMBLE, (uint64_t)k);
        x[k] = (scramble(bits[k], (uint32_t)(rng_next(&r) >> 32)) + 0.5) * 0x1p-32;
    }
}
