/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A second search beside one that has converged. A model that has seen one hill from top to bottom is sure that there is no other: points of no
 * hill are far below the top, and it has only met such. So when it expects next to nothing of its best suggestion, most suggestions come from a model that
 * knows nothing of the hill, nor of what was tried before it was climbed, and that must stay away from it (cf. the restarts of TuRBO, Eriksson et al. 2019). */
#ifndef HONE_GP_ELSEWHERE_H
#define HONE_GP_ELSEWHERE_H

#include "gp/space.h"

#define MAX_PEAKS 8

struct elsewhere {
    const struct gp_space *space;
    double weight[GP_MAX_DIMS];   /* 1 / length^2 of the model that has converged */
    const double *peak[MAX_PEAKS]; /* snapped points that were tried close by, the best first */
    size_t n_peaks;
    struct observation *rest;     /* the trials of the second search, in order of number */
    size_t n, n_finished;
};

/* False if nothing was climbed to its top. Release it all the same. */
bool elsewhere_init(struct elsewhere *z, const struct search *s, const struct gp_space *space, const double *weight);
void elsewhere_release(struct elsewhere *z);

bool elsewhere_is_peak(const struct elsewhere *z, const double *snapped); /* too near to one */

#endif
