/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a model sees of the objective: the better half as it is, the worse half by its ranks (the half-rank warp of Vizier,
 * Song et al. 2022), then mean 0 and standard deviation 1. Values of 1e6 or diverged runs do no harm, and improvements keep their size. */
#ifndef HONE_MATH_WARP_H
#define HONE_MATH_WARP_H

#include <stdbool.h>
#include <stddef.h>

struct warp {
    size_t n;
    double *from, *to; /* the values in order, and what they became */
    double slope;      /* d from / d to in the better half */
    double middle;     /* what became 0; of a linear one */
};

/* Warps y (n finite values, smaller is better) in place; w remembers how. False if all are equal (y is all 0 then). */
bool warp_fit(struct warp *w, double *y, size_t n);

/* The same without the ranks: mean 0 and standard deviation 1, by middle and slope alone (from and to are NULL). */
bool warp_fit_linear(struct warp *w, double *y, size_t n);

void warp_release(struct warp *w);

double warp_back(const struct warp *w, double warped); /* a warped value as the user's: linear between what was seen */

#endif
