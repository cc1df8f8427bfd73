/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the history of an experiment to what a model learns from. */
#ifndef HONE_GP_HISTORY_H
#define HONE_GP_HISTORY_H

#include "gp/model.h"
#include "math/boxes.h"
#include "math/warp.h"

#define GP_MAX_OUTPUTS (BOXES_MAX_OBJECTIVES + MAX_BOUNDS + 1)

struct gp_history {
    const struct search *search;
    const struct gp_space *space;
    const struct observation **finished, **pending; /* in order of number */
    size_t n_finished, n_pending;
    size_t n_valued;      /* finished with all their values finite */
    int n_targets;        /* outputs: objectives (or their weighted sum), then bounds, then the cost if the problem has one */
    int n_outputs;
    const struct gp_guide *guide; /* of each target, by earlier searches; NULL = there are none */
    double *weight;       /* of the objectives, in this suggestion, if there are more than a hypervolume is computed of; else NULL */
};

void gp_history_init(struct gp_history *h, const struct search *search, const struct gp_space *space);
void gp_history_release(struct gp_history *h);

/* What the first m finished ones teach of an output: rows in their order. An objective is warped and standardised, a failed trial as bad as the
 * worst. The excess over a bound is put on a logarithmic scale that keeps its sign; the cost is its logarithm; who says nothing of them
 * has a row that weighs nothing. False if nothing can be learnt (fewer than three values, or all equal); set and warp are valid all the same. */
bool gp_history_set_of(const struct gp_history *h, size_t m, int output, struct gp_set *set, struct warp *warp);
bool gp_history_set(const struct gp_history *h, size_t m, struct gp_set *set, struct warp *warp); /* of the first, or of the weighted sum */

/* The rows `row` of a set as a set. */
void gp_set_subset(const struct gp_set *from, const size_t *row, size_t n, const struct gp_space *space, struct gp_set *to);

#endif
