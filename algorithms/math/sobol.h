/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sobol points by index: nothing is kept between two points, so a restart goes on where it was. */
#ifndef HONE_MATH_SOBOL_H
#define HONE_MATH_SOBOL_H

#include <stdint.h>

#define SOBOL_MAX_DIMS 256

extern const uint16_t joe_kuo[]; /* rows of the dimensions 2, 3, ...: s, a, m_1 .. m_s */

/* Point `index` (mod 2^32), n <= SOBOL_MAX_DIMS coordinates as 32 bit fractions; index 0 is the zero vector. Gray code order. */
void sobol_bits(uint64_t index, uint32_t *bits, int n);

/* The same with Owen's nested uniform scrambling drawn by a hash of (seed, dimension): in (0, 1). n <= SOBOL_MAX_DIMS. */
void sobol_point(uint64_t seed, uint64_t index, double *x, int n);

#endif
