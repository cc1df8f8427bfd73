/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers with levels in CMA-ES: the run works on the line, a level is the cell of the line that is snapped to it, and the chance to leave
 * the cell of the mean never falls below a margin (Hamano, Saito, Nomura, Shirakawa, CMA-ES with Margin, 2022). */
#ifndef HONE_CMAES_MARGIN_H
#define HONE_CMAES_MARGIN_H

#include "algorithm.h"
#include "cmaes/cma.h"

/* Moves mean and scale of every coordinate with levels so that the chance to leave its cell is at least `margin`. dims: the problem's
 * dimension of each coordinate. */
void margin_keep(struct cma *s, const struct problem *p, const int *dims, double margin);

/* Where in its cell a snapped coordinate may have been drawn, which is not known any more: the part `u` of what the run draws there. Any u
 * is as good as another, for the result does not depend on it; evenly drawn ones keep the run's spread as it is. The same for one that was
 * inactive (NAN), of all [0,1]. Without levels it is the coordinate itself. */
double margin_latent(const struct cma *s, const struct problem *p, int dim, size_t k, double snapped, double u);

#endif
