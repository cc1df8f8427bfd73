/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A point that was not seen, without a model: for the first trials, and when a model has nothing new to offer. */
#ifndef HONE_FRESH_H
#define HONE_FRESH_H

#include "gp/space.h"

/* The next feasible point of the Sobol sequence that is not in `seen`. In a small space that is nearly used up, one of those that are
 * left, ERR_EXHAUSTED if there are none; in a large one perhaps a point again. */
enum err fresh_point(const struct search *s, const struct seen *seen, const char *how, struct suggestion *out, struct error *error);

#endif
