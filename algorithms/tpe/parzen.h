/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The density of a set of configurations: a mixture with a component for each, and one for the prior. A component is a product over the
 * parameters, which makes the mixture multivariate (Falkner, Klein, Hutter 2018): a normal cut to [0,1] for a number, the same in cells
 * for one with levels, a peak over a uniform floor for a categorical. */
#ifndef HONE_TPE_PARZEN_H
#define HONE_TPE_PARZEN_H

#include "algorithm.h"
#include "math/rng.h"

struct parzen_axis;

struct parzen {
    const struct problem *p;
    const int *dims; /* the problem's dimensions that it is over */
    size_t d, n;     /* n: components, the last is the prior */
    double *log_weight, *cumulative;
    struct parzen_axis *axes; /* d of them */
};

/* How wide the normals are: as far as the neighbours are from each, which follows what is good closely (Bergstra et al. 2011); or all
 * alike by the number of points and dimensions (Scott 1992), which takes no notice of gaps: where nobody looked is not bad. */
enum parzen_width { PARZEN_SHARP, PARZEN_SMOOTH };

/* Of n points, all with a coordinate in each of `dims`, and their weights. p and dims must outlive it. */
void parzen_init(struct parzen *z, enum parzen_width width, const struct problem *p, const int *dims, size_t d, const double *const *x,
                 const double *weight, size_t n);
void parzen_release(struct parzen *z);

void parzen_draw(const struct parzen *z, struct rng *r, double *x); /* sets x[dims[.]], not snapped */

/* ln of the density (for numbers with levels and categoricals: of the probability) at each of n snapped points. */
void parzen_log_density(const struct parzen *z, const double *const *points, size_t n, double *value);

#endif
