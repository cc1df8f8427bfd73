/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hyperparameters: maximum of their posterior (MAP), by gradients from several starts. The prior of the length scales grows with
 * the number of dimensions (Hvarfner, Hellsten, Nardi 2024), far shorter than theirs; that of the noise is weak. */
#ifndef HONE_GP_FIT_H
#define HONE_GP_FIT_H

#include "gp/model.h"
#include "math/rng.h"

struct gp_fit; /* the memory of one fit */

struct gp_fit *gp_fit_new(const struct gp_set *set); /* the set must outlive it */
void gp_fit_free(struct gp_fit *f);

/* -ln(likelihood x prior) without constants, and its gradient (d + 2); INFINITY if K cannot be factored. */
double gp_fit_objective(void *fit, const double *theta, double *gradient);

void gp_fit_centre(const struct gp_set *set, struct gp_theta *theta); /* the middle of the prior, with little noise: what to use without data */

/* The best of a few local minima. `previous`: from a smaller set, most fits then start from it alone; NULL: none,
 * then more starts are made, some of them drawn. */
void gp_fit_theta(const struct gp_set *set, const struct gp_theta *previous, struct rng rng, struct gp_theta *theta);

#endif
