/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The models of a history: of each objective (or of their weighted sum), of each outcome constraint and of the cost, running trials believed. */
#ifndef HONE_GP_MODELS_H
#define HONE_GP_MODELS_H

#include "gp/acquire.h"
#include "gp/history.h"

struct models {
    const struct gp_history *history;
    int n_targets, n_bounds; /* of the bounds those that something is known of */
    bool has_cost;           /* something is known of it */
    struct gp_set set[GP_MAX_OUTPUTS]; /* the targets', then the bounds', then the cost's; rows as h->finished */
    struct warp warp[GP_MAX_OUTPUTS];
    struct gp_model model[GP_MAX_OUTPUTS];
    struct gp_set merit;     /* the first set with y such that smaller is better: what exceeds a bound comes last, by how much */
    size_t n_feasible;       /* finished trials with a value that exceed nothing */
};

/* False if nothing can be learnt of the objectives yet. Release it all the same. */
bool models_init(struct models *k, const struct gp_history *h, void **cache);
void models_release(struct models *k);

bool models_feasible(const struct observation *o); /* a finished trial that exceeds nothing */

/* What bounds and cost add to an acquisition. */
void models_aim(struct models *k, struct acquisition *a);

#endif
