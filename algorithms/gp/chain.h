/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hyperparameters of a history, fitted along a chain: those of the first 16 finished trials start the fit of the first 32, these that of
 * 64, and so on to all. So they depend on the history alone, cost little more than the last fit, and each link can be cached under a
 * hash of all that it was made from. */
#ifndef HONE_GP_CHAIN_H
#define HONE_GP_CHAIN_H

#include "gp/history.h"

/* For an output of the history. `cache`: the slot that an algorithm is given, NULL = none. */
void chain_theta(const struct gp_history *h, int output, void **cache, struct gp_theta *theta);

/* Of a set that is no part of the chain: what an earlier search left. `slot`: below CHAIN_SLOTS, the same for the same set. */
#define CHAIN_SLOTS (MAX_EARLIER * BOXES_MAX_OBJECTIVES)
void chain_fit(const struct search *s, const struct gp_set *set, int slot, void **cache, struct gp_theta *theta);
void chain_free(void *cache);

#endif
