/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Minimises a smooth function in a box: L-BFGS (Nocedal 1980) on the coordinates that are free, those at a bound with the gradient
 * pointing outwards being held (projection after Bertsekas 1982), backtracking along the projected path. GSL's BFGS knows no bounds. */
#ifndef HONE_MATH_LBFGS_H
#define HONE_MATH_LBFGS_H

#include <stddef.h>

/* The value at x; its gradient into `gradient`. A point that cannot be evaluated is INFINITY. */
typedef double lbfgs_fn(void *ctx, const double *x, double *gradient);

struct lbfgs {
    lbfgs_fn *f;
    void *ctx;
    size_t n;
    double lower, upper;  /* of every coordinate */
    int max_iterations;
    double first_step;    /* length of the first step; later ones are the model's own */
    double tol_gradient;  /* stops when no free component of the gradient is larger */
    double tol_relative;  /* stops when a step gains less than this part of |value| + 1 */
};

/* Moves x (inside the box) downhill, returns the value there. Deterministic. */
double lbfgs_minimize(const struct lbfgs *o, double *x);

#endif
