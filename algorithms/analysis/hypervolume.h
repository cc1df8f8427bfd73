/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pareto fronts that grow, and the hypervolume: how much of the space of several minimised objectives is dominated, up to a reference
 * point. Points beyond it in any objective count for nothing. */
#ifndef HONE_ANALYSIS_HYPERVOLUME_H
#define HONE_ANALYSIS_HYPERVOLUME_H

#include <stdbool.h>
#include <stddef.h>

#define FRONT_MAX_OBJECTIVES 8
#define HYPERVOLUME_EXACT 4 /* objectives; of more the volume is estimated by points spread over the box, within about 1 part in 100 */

struct front {
    int m;
    double *y;     /* n points of m values, finite */
    size_t *index; /* what each was called */
    size_t n, cap;
};

void front_init(struct front *f, int m); /* m <= FRONT_MAX_OBJECTIVES */
void front_release(struct front *f);

/* False if a point of the front dominates y; else it is in, and what it dominates is out. Equal points are all kept. */
bool front_add(struct front *f, const double *y, size_t index);

/* A reference point that n >= 1 points have in common: the worst value of each objective, and a tenth of the range more. */
void hypervolume_reference(const double *const *y, size_t n, int m, double *reference);

double hypervolume(const double *const *y, size_t n, int m, const double *reference);

/* The volume that y[0] .. y[i] dominate, for each i. */
void hypervolume_history(const double *const *y, size_t n, int m, const double *reference, double *volume);

#endif
