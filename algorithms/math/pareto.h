/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Points of several minimised objectives in the order of NSGA-II (Deb, Pratap, Agarwal, Meyarivan 2002): by non-dominated front, and
 * within a front the lonelier ones first. */
#ifndef HONE_MATH_PARETO_H
#define HONE_MATH_PARETO_H

#include <stdbool.h>
#include <stddef.h>

bool pareto_dominates(const double *a, const double *b, int m); /* nowhere worse and somewhere better */

/* How lonely each of n points is among the others: the sum over the objectives of the distance between its neighbours, as a part of the
 * range; INFINITY at the ends. */
void pareto_crowding(const double *const *y, size_t n, int m, double *distance);

/* order: indices of the n points (finite values), best first; front[k]: of the k-th in this order, 0 = not dominated. Fronts are made
 * until `enough` points are placed; the rest follow as one more front in their own order. With one objective every value is a front. */
void pareto_sort(const double *const *y, size_t n, int m, size_t enough, size_t *order, int *front);

#endif
