/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A long experiment with some workers: trials end in a drawn order, some fail. For searches that want thousands of trials. */
#ifndef HONE_TEST_SIM_H
#define HONE_TEST_SIM_H

#include "algorithm.h"
#include "math/rng.h"

/* The objectives at a snapped point. */
typedef void sim_fn(void *ctx, const double *x, double *y);

struct sim {
    const struct problem *problem;
    const struct algorithm *algorithm;
    sim_fn *f;
    void *ctx; /* of f */
    struct settings settings;
    uint64_t seed;
    int workers;       /* at a time; 1 = one after the other */
    int fail_percent;  /* of trials that fail */
    struct rng rng;    /* of the order in which trials end, and of failures */
    int64_t cursor;
    void *cache;
    struct observation *history;
    double *x, *y;
    size_t n, cap;
    double best; /* lowest y[0] */
};

/* settings: a JSON object, NULL = defaults. Room for `cap` trials. */
void sim_init(struct sim *s, const struct problem *problem, const char *algorithm, const char *settings, sim_fn *f, uint64_t seed, size_t cap);
void sim_release(struct sim *s);

enum err sim_ask(struct sim *s, bool cached, double *x); /* what would be suggested; changes nothing but the cache */
void sim_add(struct sim *s, const double *x, enum observation_state state, const double *y);
void sim_step(struct sim *s); /* a trial ends if all workers are busy, and a new one is made */
void sim_run(struct sim *s, size_t n_more);
void sim_until(struct sim *s, double target); /* best <= target, or no room */

/* A problem of numbers in the unit cube, the first n_ordinal of them with `levels` levels. */
struct cube {
    struct problem problem;
    struct dim dims[256];
};
void cube_init(struct cube *c, int d, int n_ordinal, int64_t levels, int n_objectives);

double median_of(double *v, int n); /* sorts v */

#endif
