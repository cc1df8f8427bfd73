/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The points of a finite space by number, each configuration once: inactive parameters are not counted. */
#ifndef HONE_GRID_H
#define HONE_GRID_H

#include "algorithm.h"

#define GRID_MAX_POINTS ((int64_t)1 << 60)

/* How many configurations there are before constraints, a continuous dimension having `levels` (0: the space is infinite then);
 * INT64_MAX if more than GRID_MAX_POINTS. */
int64_t grid_size(const struct problem *problem, int64_t levels);

/* Configuration `rank` of grid_size() in lexicographic order, the last dimension running fastest; snapped. */
void grid_point(const struct problem *problem, int64_t levels, int64_t rank, double *x);

#endif
