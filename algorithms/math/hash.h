/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A hash of numbers, for what is cached under all that it was made from. */
#ifndef HONE_MATH_HASH_H
#define HONE_MATH_HASH_H

#include "math/rng.h"

#include <stddef.h>
#include <string.h>

/* `key` gone on with n doubles, bit by bit: 0 and -0 differ, NANs are equal if their bits are. Few operations, for histories are hashed at
 * every suggestion. */
static inline uint64_t hash_doubles(uint64_t key, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        key = (key ^ bits) * 0x9e3779b97f4a7c15u;
        key ^= key >> 32;
    }
    return key;
}

#endif
