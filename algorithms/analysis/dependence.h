/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the objective is along one parameter, the others being averaged over their priors (partial dependence: Friedman 2001), by the
 * surrogate. */
#ifndef HONE_ANALYSIS_DEPENDENCE_H
#define HONE_ANALYSIS_DEPENDENCE_H

#include "analysis/surrogate.h"

#define DEPENDENCE_PLACES 21 /* along a number */

struct dependence {
    double u;               /* snapped coordinate */
    double mean, low, high; /* as the user knows the objective (smaller is better); about nine in ten bags lie between low and high */
};

/* Along dimension `dim`: at evenly spread places, or at each level if there are not more of these than DEPENDENCE_PLACES or it is a
 * categorical. Returns how many, rising; *out is malloced. Places at which the parameter is never active or feasible are left out. */
size_t dependence_along(const struct surrogate *s, const struct problem *p, int dim, struct dependence **out);

#endif
