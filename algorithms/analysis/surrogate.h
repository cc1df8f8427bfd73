/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the trials of an experiment say of one of its objectives all over the search space: the posterior of a Gaussian process, made in
 * milliseconds from at most SURROGATE_ROWS trials, and how it would be if other trials had been there (bags: about two thirds of the rows
 * each, hyperparameters as they are). All analysis rests on it. Of forests, a Gaussian process and densities (PED-ANOVA) it came nearest
 * to the truth at every number of trials (docs/explanation/analysis.md).
 *
 * Values are scaled: smaller is better, mean 0 and standard deviation 1 over the space as far as it is known, and far worse than
 * most of the space is equally bad, so that a diverged trial does not hide all others. */
#ifndef HONE_ANALYSIS_SURROGATE_H
#define HONE_ANALYSIS_SURROGATE_H

#include "algorithm.h"

#define SURROGATE_ROWS 96
#define SURROGATE_BAGS 16
#define SURROGATE_LEAST 8 /* completed trials, below which nothing is said */

struct surrogate;

/* From a history in order of number. Failed trials count as the worst, running ones are left out. NULL if there are fewer than
 * SURROGATE_LEAST values of the objective, or all are equal. Problem and history must outlive it. */
struct surrogate *surrogate_new(const struct problem *problem, const struct observation *history, size_t n, int objective);
void surrogate_free(struct surrogate *s);

size_t surrogate_trials(const struct surrogate *s); /* finished ones that it had to choose from */

/* Part of the variance of the values that is foretold for a trial by all others (leave-one-out; Dubrule 1983): 1 = all, 0 = nothing. */
double surrogate_skill(const struct surrogate *s);

/* Mean at each of n snapped points: mean[i], and by each bag: mean[(1 + bag) * n + i]. */
void surrogate_means(const struct surrogate *s, const double *const *points, size_t n, double *mean);

/* Mean and standard deviation of the noiseless objective at a point, as the user knows it (smaller is better). One thread at a time. */
void surrogate_expect(struct surrogate *s, const double *point, double *mean, double *deviation);

double surrogate_back(const struct surrogate *s, double value); /* a scaled value as the user knows it */

/* The completed trial with the lowest expected value: under noise the one with the lowest value was only lucky. False if there is none. */
struct recommendation {
    int64_t number;
    double expected, deviation, observed; /* as the user knows them */
};
bool surrogate_best(struct surrogate *s, struct recommendation *out);

/* n points spread evenly over the cube (Latin hypercube: McKay, Beckman, Conover 1979), one after another. */
void surrogate_spread(int n_dims, uint64_t seed, size_t n, double *x);

/* Such points snapped, the infeasible ones left out: how many are in. x has room for n. */
size_t surrogate_sample(const struct problem *p, uint64_t seed, size_t n, double *x);

#endif
