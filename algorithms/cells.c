/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cells.h"

void cell_bounds(const struct problem *p, int dim, int64_t level, double *low, double *high)
{
    double middle = p->level(p->ctx, dim, level);
    *low = level == 0 ? 0 : (p->level(p->ctx, dim, level - 1) + middle) / 2;
    *high = level + 1 == p->dims[dim].n_levels ? 1 : (middle + p->level(p->ctx, dim, level + 1)) / 2;
}
