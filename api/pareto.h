/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Pareto front of points whose every coordinate is better when smaller. */
#ifndef HONE_API_PARETO_H
#define HONE_API_PARETO_H

#include <stddef.h>

/* `values`: n points of `dims`. Fills `front` (room for n) with the indices of those that no other dominates, by the first coordinate, then
 * index; of equal points all are kept. Returns how many. */
size_t pareto_front(const double *values, size_t n, size_t dims, size_t *front);

#endif
