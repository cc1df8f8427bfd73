/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of many points of several minimised objectives to keep so that all directions are held: the selection of NSGA-III (Deb and Jain 2014).
 * With many objectives nearly all points are non-dominated, and crowding keeps the far-off ones. */
#ifndef HONE_MATH_NICHES_H
#define HONE_MATH_NICHES_H

#include "math/rng.h"

#include <stddef.h>

/* The directions of Das and Dennis (1998): all points of the simplex in steps of 1 / parts, m numbers each, with the most parts that give
 * no more than `most` of them (but at least 1). How many; *directions is new memory. */
size_t niche_directions(int m, size_t most, double **directions);

/* Picks `wanted` <= n of the points y: front by front (front: of each, rising), of the last one those that are nearest to the directions with
 * fewest points. The front that is chosen from must be given whole. The choice between equals is drawn. */
void niche_select(const double *const *y, const int *front, size_t n, int m, size_t wanted, struct rng rng, size_t *chosen);

#endif
