/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where to try next: the point of the space that promises most by the model, found by many candidates, gradients along the continuous
 * dimensions and steps along the others. */
#ifndef HONE_GP_ACQUIRE_H
#define HONE_GP_ACQUIRE_H

#include "gp/elsewhere.h"
#include "gp/model.h"
#include "math/boxes.h"
#include "math/rng.h"

#define GP_BETA 1.8 /* deviations below the mean that the confidence bound looks (Song et al. 2022) */

enum acquisition_kind {
    ACQUISITION_LOG_EI, /* ln of the expected improvement on `incumbent` (Ament et al. 2023) */
    ACQUISITION_BOUND,  /* GP_BETA deviations - mean: the lower confidence bound, negated (Srinivas et al. 2010) */
    ACQUISITION_LOG_EHVI, /* ln of the expected improvement of the hypervolume (Emmerich 2005), of two or three objectives */
    ACQUISITION_FEASIBLE, /* 0: the bounds alone count, as nothing is known that meets them */
};

struct acquisition {
    enum acquisition_kind kind;
    struct gp_model *model; /* one; for the hypervolume, one an objective */
    double incumbent;
    struct boxes boxes;     /* for the hypervolume: what the front leaves */
    struct gp_model *bound; /* of outcome constraints; ln of the probability that all are met is added (Schonlau 1997, Gardner et al. 2014) */
    double limit[MAX_BOUNDS]; /* what each model must not be above */
    int n_bounds;
    double optimism;        /* deviations by which each bound is taken to be easier */
    struct gp_model *cost;  /* of the logarithm of the cost, which is subtracted: improvement per cost (Snoek et al. 2012); NULL = none */
    double cost_scale;      /* what 1 of the model is */
};

/* The value at a point, to be maximised; the gradient in the dimensions `which` unless it is NULL. */
double acquisition_at(const struct acquisition *a, const double *point, const size_t *which, size_t n_which, double *gradient);

/* ln of the probability that a point meets all bounds; the gradient, unless it is NULL, is added to. */
double acquisition_log_feasible(const struct acquisition *a, const double *point, const size_t *which, size_t n_which, double *gradient);

struct hunt {
    const struct gp_space *space;
    const struct acquisition *acquisition;
    const struct seen *seen;
    const double *const *good; /* snapped points to look around, the best first */
    size_t n_good;
    int avoid;     /* a categorical dimension and its level that the point must not have; -1: none */
    int64_t avoid_level;
    const struct elsewhere *elsewhere; /* whose peaks are taboo; NULL = none */
    uint64_t seed; /* of the draws of this suggestion */
};

bool hunt_avoids(const struct hunt *h, const double *snapped); /* it may not be suggested, for one of these reasons */

/* The best feasible point that was not seen, snapped into x; false if all that were looked at had been. */
bool hunt_best(const struct hunt *h, double *x, double *value);

#endif
