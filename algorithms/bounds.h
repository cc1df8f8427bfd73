/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Outcome constraints: how far trials are from meeting them, on one scale for all bounds of a problem. */
#ifndef HONE_BOUNDS_H
#define HONE_BOUNDS_H

#include "algorithm.h"

/* The typical size of each bound's excess in finished trials or a history: the median of the absolute values, 1 if there is none. scale: n_bounds places. */
void bounds_scale_of(const struct problem *p, const struct observation *const *finished, size_t n, double *scale);
void bounds_scale(const struct problem *p, const struct observation *history, size_t n, double *scale);

/* All of them are known of the trial, and there are some. */
bool bounds_known(const struct problem *p, const struct observation *o);

/* The sum of what is exceeded, each bound by its scale: 0 if all are met, INFINITY if one is not known. */
double bounds_violation(const struct problem *p, const struct observation *o, const double *scale);

#endif
