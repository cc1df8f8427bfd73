/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lies between the line on which CMA-ES works and the points that are run.
 *
 * Walls: the ends of [0,1] are mirrors, so that on the line the objective goes on for ever, even about each wall, and an optimum at a wall is
 * one in the middle. Cells: a number with levels is the cell of the line that is snapped to it, and the chance to leave the cell of the
 * mean never falls below a margin (Hamano, Saito, Nomura, Shirakawa, CMA-ES with Margin, 2022). */
#ifndef HONE_CMAES_MARGIN_H
#define HONE_CMAES_MARGIN_H

#include "algorithm.h"
#include "cmaes/cma.h"

/* Moves mean and scale of every coordinate with levels so that the chance to leave its cell is at least `margin`. dims: the problem's
 * dimension of each coordinate. */
void margin_keep(struct cma *s, const struct problem *p, const int *dims, double margin);

/* Moves the mean into the cube by the mirrors, and turns the rest of the state with it: what is drawn is the same. */
void margin_mirror(struct cma *s);

/* Keeps the deviation of every coordinate below that of an even draw from the cube: beyond it points are the same, and only numbers grow. */
void margin_limit(struct cma *s);

double margin_fold(double x); /* a coordinate of the line as one of the cube */

/* From where on the line a snapped coordinate was drawn, which is not known any more: the part `u` of what the run draws of the places that
 * come to it. The result of a trial does not depend on which it was, so a drawn u keeps the run's spread as it is. One that was
 * inactive (NAN) may have been anywhere. */
double margin_latent(const struct cma *s, const struct problem *p, int dim, size_t k, double snapped, double u);

#endif
