/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What random, Sobol and Halton share: point number `cursor` of a sequence, the infeasible ones passed over. */
#ifndef HONE_SEQUENCE_H
#define HONE_SEQUENCE_H

#include "algorithm.h"

/* Fills x (n coordinates in [0,1)) with point `index` of the sequence of `seed`. */
typedef void sequence_fn(uint64_t seed, uint64_t index, double *x, int n);

#define SEQUENCE_TRIES 10000 /* infeasible points in a row; then the constraints leave too little */

enum err sequence_suggest(const struct search *search, sequence_fn *point, const char *how, struct suggestion *out,
                          struct error *error);

#endif
