/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of [0,1] that is snapped to a level: between the middles to its neighbours. */
#ifndef HONE_CELLS_H
#define HONE_CELLS_H

#include "algorithm.h"

/* Of a dimension with levels; the first cell begins at 0, the last ends at 1. */
void cell_bounds(const struct problem *p, int dim, int64_t level, double *low, double *high);

#endif
