/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which rows a model keeps when there are too many for exact algebra. */
#ifndef HONE_GP_SUBSET_H
#define HONE_GP_SUBSET_H

#include "gp/model.h"

/* For the hyperparameters: the best, the latest, and the rest spread over the space. Returns how many (at most `wanted`), rising. */
size_t subset_spread(const struct gp_set *s, size_t wanted, size_t *row);

/* For predictions: the best quarter of `wanted`, and those nearest to the three best by the model's own distance. Rising. */
size_t subset_near(const struct gp_set *s, const struct gp_theta *theta, size_t wanted, size_t *row);

/* Row numbers in order of y, the best first; ties by number. `order` has s->n places. */
void subset_by_value(const struct gp_set *s, size_t *order);

#endif
