/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which parameters matter: the part of the objective's variance over the search space that a parameter explains alone (functional ANOVA:
 * Sobol 1993; for hyperparameters Hutter, Hoos, Leyton-Brown 2014), by a Gaussian process (Oakley and O'Hagan 2004). The space is weighed by
 * the parameters' priors; a conditional parameter counts where it is active.
 *
 * With top < 1 the worse part of the space counts as equal: what matters for getting into the best part and within it (the cut of Hutter
 * et al. 2014; the question of Watanabe, Bansal, Hutter 2023). */
#ifndef HONE_ANALYSIS_IMPORTANCE_H
#define HONE_ANALYSIS_IMPORTANCE_H

#include "analysis/surrogate.h"

struct importance {
    double share;     /* 0 to 1; NAN: cannot be said */
    double low, high; /* about nine in ten bags lie between */
};

struct pair { /* what two parameters explain together, beyond what each does alone */
    int a, b;
    double share;
};

struct anova; /* the surrogate's values all over the space */
struct anova *anova_new(const struct surrogate *s, const struct problem *p, double top); /* the problem must outlive it */
void anova_free(struct anova *z);

/* One importance for each dimension of the problem. Their sum is at most about 1; the rest is due to interactions. False if the surrogate
 * is flat or hardly a point is feasible: all are NAN. */
bool anova_alone(const struct anova *z, struct importance *out);

/* The strongest n of the pairs, the strongest first; how many there are. */
size_t anova_pairs(const struct anova *z, struct pair *out, size_t n);

#endif
