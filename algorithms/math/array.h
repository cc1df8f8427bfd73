/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arrays for BLAS. All begin at a cache line: a kernel that treats unaligned ends apart would else round differently from
 * run to run, and the same history must give the same suggestion to the last bit. */
#ifndef HONE_MATH_ARRAY_H
#define HONE_MATH_ARRAY_H

#include <stdlib.h>
#include <string.h>

/* n doubles, all 0; aborts when memory is out (base/mem.h says why). Freed by free(). */
static inline double *array_new(size_t n)
{
    size_t size = (n * sizeof(double) / 64 + 1) * 64;
    double *a = aligned_alloc(64, size);
    if (!a)
        abort();
    return memset(a, 0, size);
}

#endif
