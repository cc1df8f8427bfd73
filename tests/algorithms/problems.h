/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Problems for testing search algorithms: a space with its own snap, conditions and constraints, and a function to minimise. */
#ifndef HONE_TEST_PROBLEMS_H
#define HONE_TEST_PROBLEMS_H

#include "algorithm.h"

#define MAX_TEST_DIMS 257
#define MAX_TEST_TRIALS 512

struct test_space {
    const char *name;
    struct problem problem; /* by test_space_init */
    struct dim dims[MAX_TEST_DIMS];
    uint64_t parent_levels[MAX_TEST_DIMS]; /* bit k: active with level k of the parent */
    int n_dims, n_objectives, n_bounds;
    bool (*feasible)(const double *u);     /* NULL = all are */
    void (*f)(const double *u, double *y); /* snapped u, NAN where inactive; n_objectives values */
    void (*bounds)(const double *u, double *excess); /* n_bounds values; what is above 0 may not be used */
    double (*cost)(const double *u);       /* NULL = all cost the same */
    double best;                           /* of y[0], NAN = not known */
};

/* Every space there is; NULL-name ended. Call test_spaces_init first. */
extern struct test_space test_spaces[];
void test_spaces_init(void);
struct test_space *test_space_find(const char *name);
void test_space_init(struct test_space *s); /* sets s->problem from the rest */
bool test_space_finite(const struct test_space *s);

/* An experiment: what was suggested and what came of it. */
struct run {
    const struct test_space *space;
    const struct algorithm *algorithm;
    struct settings settings;
    uint64_t seed;
    int64_t cursor;
    void *cache;
    bool cached;
    struct observation observations[MAX_TEST_TRIALS];
    double x[MAX_TEST_TRIALS][16], y[MAX_TEST_TRIALS][3], excess[MAX_TEST_TRIALS][2]; /* spaces of more dimensions are not run, only asked */
    size_t n;
    struct earlier earlier[2];
    size_t n_earlier;
    struct suggestion last;
};

void run_init(struct run *r, const struct test_space *space, const char *algorithm, uint64_t seed);
void run_release(struct run *r);
enum err run_ask(struct run *r, double *x); /* does not add the point */
void run_add(struct run *r, const double *x, enum observation_state state, const double *y); /* DONE becomes INFEASIBLE if it exceeds a bound */
void run_end(struct run *r, size_t i); /* evaluates a running one */
enum err run_step(struct run *r); /* asks, evaluates, adds */
double run_best(const struct run *r); /* lowest y[0] of those that may be used */

#endif
