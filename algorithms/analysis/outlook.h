/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What more trials may still bring, said of the trials alone: no model is asked, so it holds for every search and costs next to nothing. */
#ifndef HONE_OUTLOOK_H
#define HONE_OUTLOOK_H

#include <stddef.h>
#include <stdint.h>

#define OUTLOOK_LEAST 10 /* trials, below which nothing is said */
#define OUTLOOK_BEST 64  /* of the values, the best so many are enough */

/* By how much the best of n trials is expected to improve with `more` trials like them. `best`: the lowest values, rising, all n or at least
 * OUTLOOK_BEST of them. NAN if n is below OUTLOOK_LEAST or a value is not finite. */
double outlook(const double *best, size_t n_best, int64_t n, int64_t more);

#endif
