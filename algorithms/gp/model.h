/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Gaussian process with the Matern-5/2 kernel, a length scale for every dimension (ARD) and Hamming distance for categoricals:
 *   k = amplitude (1 + sqrt5 r + 5 r^2 / 3) exp(-sqrt5 r) + GP_CONSTANT,  r^2 = sum of (difference / length)^2, or (1 if different / length)^2
 * (Rasmussen and Williams 2006). The constant part is the unknown mean. */
#ifndef HONE_GP_MODEL_H
#define HONE_GP_MODEL_H

#include "gp/space.h"

#define GP_CONSTANT 0.25
#define GP_SLOPE 0.7          /* what is expected of the slopes of all regressors together, */
#define GP_SLOPE_VARIANCE 0.5 /* and how unsure that is of each */
#define GP_FLOOR (1e-6 + 1e-10) /* variance on top of the noise, so that the matrix can always be factored */

/* What is learnt from: n rows, the d columns of x standing `cap` apart. */
struct gp_set {
    size_t n, d, cap;
    const bool *categorical;
    double *x;
    double *y;     /* mean 0, standard deviation 1 */
    double *extra; /* variance of the row's y that is known, on top of the common noise */
    double *regressor; /* what guides say of each row: n_regressors columns, `cap` apart */
    size_t n_regressors;
};

void gp_set_init(struct gp_set *s, const struct gp_space *space, size_t cap);
void gp_set_add(struct gp_set *s, const double *point, double y, double extra);
void gp_set_regress(struct gp_set *s, size_t n_regressors); /* room for them, 0 at first */
double gp_set_expected(const struct gp_set *s, size_t i);   /* of y by the regressors alone, before anything is known of their slopes */
double gp_set_covariance(const struct gp_set *s, size_t i, size_t j); /* by the unknown slopes */
void gp_set_release(struct gp_set *s);

/* Hyperparameters as they are fitted: ln length of each dimension, ln amplitude, ln noise variance. */
struct gp_theta {
    double v[GP_MAX_DIMS + 2];
};

/* Squared scaled distances of `point` to the first n rows of x. weight = 1 / length^2. */
void gp_distances(const struct gp_set *s, const double *weight, const double *point, size_t n, double *r2);

/* The amplitude part of k at a squared distance, and *slope = dk / d r2 (finite at 0). */
double gp_kernel(double amplitude, double r2, double *slope);

struct gp_guide; /* gp/guide.h */

struct gp_model {
    struct gp_set set; /* its own copy, with room for more */
    double weight[GP_MAX_DIMS], amplitude, noise;
    double *l, *inverse, *alpha; /* factor of K, K^-1, K^-1 y */
    double *k, *slope, *solved;  /* scratch of a prediction */
    const struct gp_guide *guide; /* whose expectations are the regressors; NULL = none. It must outlive the model */
};

/* The posterior of the rows, with room for `n_more`. If K cannot be factored the noise is raised until it can. */
void gp_model_init(struct gp_model *m, const struct gp_set *set, const struct gp_theta *theta, const struct gp_guide *guide, size_t n_more);
void gp_model_release(struct gp_model *m);

/* Adds a point that has no result yet as if it gave what the model expects (kriging believer, Ginsbourger et al. 2010). */
void gp_model_believe(struct gp_model *m, const double *point);

/* After the last row, before predictions with a deviation. */
void gp_model_finish(struct gp_model *m);

double gp_model_mean(struct gp_model *m, const double *point);
double gp_model_mean_gradient(struct gp_model *m, const double *point, const size_t *which, size_t n_which, double *d_mean); /* without guides */

/* Mean and standard deviation of the noiseless function at a point, and (d_mean not NULL) their derivatives in the n_which numeric
 * dimensions `which`. Uses the model's scratch: one thread at a time. */
void gp_model_predict(struct gp_model *m, const double *point, double *mean, double *deviation, const size_t *which, size_t n_which,
                      double *d_mean, double *d_deviation);

double gp_model_lowest_mean(const struct gp_model *m); /* over its own rows: the incumbent, without the noise */

#endif
