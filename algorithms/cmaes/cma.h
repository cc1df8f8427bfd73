/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One run of CMA-ES on d numbers (Hansen, The CMA Evolution Strategy: A Tutorial, 2016), with negative weights (Jastrebski and Arnold 2006)
 * and steps from outside cut to a plausible length (Hansen, Injecting external solutions into CMA-ES, 2011). It knows neither history nor
 * search space: points are drawn from it, and ranked ones given to it. */
#ifndef HONE_CMAES_CMA_H
#define HONE_CMAES_CMA_H

#include "math/rng.h"

#include <stdbool.h>
#include <stddef.h>

/* What a generation of `n` points in d dimensions learns with. */
struct cma_rates {
    size_t n, n_parents;
    double *weight; /* n of them, best first: the positive ones sum to 1, then the negative ones */
    double mass;    /* of the parents: 1 / sum of their squared weights */
    double path_sigma, damping, path_c, rank_one, rank_mu;
    double length;  /* of a normal vector in d dimensions, expected */
};

void cma_rates_init(struct cma_rates *r, size_t d, size_t n);
void cma_rates_release(struct cma_rates *r);

struct cma {
    size_t d, generation;
    double sigma;
    double *memory;        /* of all below */
    double *mean, *scale;  /* scale: of each coordinate, 1 but for cells (margin.h) */
    double *path_sigma, *path_c;
    double *c;             /* d x d */
    double *vectors, *root; /* of c: row k is the vector of root[k]^2 */
    bool spent;            /* the numbers have come to their end: restart */
};

void cma_init(struct cma *s, size_t d, const double *mean, double sigma);
void cma_release(struct cma *s);
void cma_copy(struct cma *to, const struct cma *from); /* `to` is new memory */

/* Sets c to a covariance and sigma with it: sigma^2 c = covariance, the determinant of c being 1. */
void cma_set_covariance(struct cma *s, const double *covariance);

double cma_deviation(const struct cma *s, size_t k); /* of coordinate k of the next draws */
void cma_draw(const struct cma *s, struct rng *r, double *x);

/* A generation ends: n points, best first, the last n - n_valued of them without a value, which is only known to be bad. */
void cma_update(struct cma *s, const double *const *x, size_t n_valued, size_t n);

#endif
