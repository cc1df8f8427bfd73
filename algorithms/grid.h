/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The points of a finite space by number, each configuration once: inactive parameters are not counted. */
#ifndef HONE_GRID_H
#define HONE_GRID_H

#include "algorithm.h"

#define GRID_MAX_POINTS ((int64_t)1 << 60)

struct grid {
    const struct problem *p;
    int64_t levels;
    int64_t n;     /* configurations before constraints; INT64_MAX if there are more than GRID_MAX_POINTS or a dimension has no levels */
    int64_t *size; /* of each dimension and what hangs below it, once counted; 0 = not yet */
    double *x;     /* the levels chosen so far; what is not chosen yet stands at its first level */
    double *probe;
};

/* A continuous dimension has `levels` of them (0: none, the space is infinite then). The problem must outlive the grid. */
void grid_open(struct grid *g, const struct problem *problem, int64_t levels);
void grid_close(struct grid *g);

/* Configuration `rank` < g->n <= GRID_MAX_POINTS in lexicographic order, the last dimension running fastest; snapped. */
void grid_at(struct grid *g, int64_t rank, double *x);

#endif
