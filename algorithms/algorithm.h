/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A search algorithm is a constant struct of pure functions: no I/O, no clock, no globals.
 *
 * THE ONE RULE. A suggestion is a function of (problem, settings, seed, cursor, history) and of nothing
 * else. So a crash, a restart or another machine suggests the same. A cache may make it faster, never
 * different: dropping it changes no suggestion.
 *
 * THE CUBE. A point is n_dims doubles in [0,1], one a parameter in file order; NAN where the parameter is
 * inactive (its condition does not hold). A coordinate is the quantile of the parameter's prior, so that a
 * uniform draw in the cube is a draw from the prior. A categorical with K values: value k is any u in
 * [k/K, (k+1)/K), (k+0.5)/K once snapped. The caller's `snap` moves a point to the one that will really be run
 * (rounds steps and integers, centres categoricals, sets inactive coordinates to NAN, draws nothing).
 *
 * THE OBJECTIVE is minimised. A caller who maximises negates on entry. With outcome constraints the best feasible trial is sought: a
 * caller says INFEASIBLE of a trial that exceeds a bound, and by how much in `excess`; DONE means that all are met.
 *
 * Adding one: algorithms/x.c with one `const struct algorithm algorithm_x`, and a line in algorithms.def.
 * It then is in the contract tests, the API's capabilities, the CLI and the docs. */
#ifndef HONE_ALGORITHM_H
#define HONE_ALGORITHM_H

#include "base/err.h"
#include "base/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_FIDELITIES 48
#define MAX_EARLIER 16 /* searches that one can begin with */
#define MAX_BOUNDS 16 /* outcome constraints, each side of one counted */

enum dim_kind { DIM_CONTINUOUS, DIM_ORDINAL, DIM_CATEGORICAL };

struct dim {
    enum dim_kind kind;
    int64_t n_levels; /* ORDINAL: integers and steps, in order; CATEGORICAL: K; CONTINUOUS: 0 */
    int parent;       /* index of the dimension that must have an allowed level for this one to be active; -1 = none.
                         A parent always stands before its children. */
};

struct problem {
    const struct dim *dims;
    int n_dims; /* >= 1 */
    int n_objectives; /* >= 1 */
    int n_bounds;     /* outcome constraints: values of a trial that must not be above 0 */
    bool has_cost;    /* trials have a cost, and cheap ones are preferred */
    void *ctx;        /* given to the functions below */
    void (*snap)(void *ctx, double *u);
    double (*level)(void *ctx, int dim, int64_t level); /* the snapped u of a level of an ORDINAL or CATEGORICAL */
    bool (*feasible)(void *ctx, const double *u);       /* constraints between parameters, on a snapped point; NULL = always */
};

enum observation_state {
    OBSERVATION_PENDING,    /* was handed out, has no result yet */
    OBSERVATION_DONE,       /* y is known */
    OBSERVATION_PRUNED,     /* stopped early; y is its last value, or NAN */
    OBSERVATION_FAILED,     /* the configuration failed; y is NAN */
    OBSERVATION_INFEASIBLE, /* ran, but may not be used: a bound is exceeded, or the user says so; y and excess may be known */
};

/* Where a trial stands in a population whose members go on from checkpoints: each of a member's trials is a generation of it. */
struct lineage {
    int64_t member;     /* from 1; 0 = the trial belongs to none */
    int64_t generation; /* from 0 */
    int64_t parent;     /* number of the trial whose checkpoint it goes on from; 0 = it begins anew */
};

struct observation {
    int64_t number; /* of the trial, rising */
    enum observation_state state;
    const double *x; /* n_dims, snapped */
    const double *y; /* n_objectives, minimised, NAN = not known */
    double y_se;     /* standard error of y[0] (replicates), NAN = not known */
    const double *excess; /* n_bounds: by how much each is exceeded, met if <= 0, NAN = not known; NULL if there are none */
    double cost;     /* above 0; NAN or 0 = not known */
    struct lineage lineage; /* as it was suggested; given only if `continues` */
    const double *at; /* what it had reported of y[0] at its first report at or after each step of `fidelities`, minimised; NAN = it did not come so far.
                         NULL if the algorithm asks for none */
};

/* The trials of an earlier search that may be akin, seen from this problem. Their objectives have scales of their own: only their order and
 * shape tell something, and perhaps nothing at all. */
struct earlier {
    const struct observation *trials; /* DONE; y of objectives that it did not have is NAN; x is not snapped and may lie a little outside
                                         the cube: NAN where the dimension was inactive, or the search did not have it */
    size_t n;
};

struct search {
    const struct problem *problem;
    const struct settings *settings; /* by the algorithm's table */
    uint64_t seed;                   /* of the experiment */
    int64_t cursor;                  /* where the algorithm stands in its sequence: 0 at first, then what the last suggestion gave */
    const struct observation *history; /* in order of number; given only if needs_history */
    size_t n_history;
    const struct earlier *earlier; /* given like history */
    size_t n_earlier;
};

#define SUGGESTION_NOTE 400

struct suggestion {
    double *x;                  /* out: n_dims, snapped and feasible; memory of the caller */
    int64_t cursor;             /* out: for the next suggestion; always > the one given */
    char how[32];               /* out: for "why": "random", "initial design", "expected improvement", ... */
    double expected, deviation; /* out: what the model expects of y[0] and how sure it is (standard deviation); NAN if there is no model */
    double acquisition;         /* out: value of what was maximised; NAN */
    struct lineage lineage;     /* out: of an algorithm that `continues` */
    char note[SUGGESTION_NOTE]; /* out: a sentence for people, may be empty */
};

struct algorithm {
    const char *name;  /* "gp" */
    const char *title; /* "Gaussian process" */
    const char *about; /* a sentence and the paper */
    const struct setting *settings; /* NULL-name ended; NULL = none */
    bool needs_history; /* false: suggest sees no history, costs microseconds and may run anywhere */
    bool is_slow;       /* must not run on a thread that others wait for */
    bool continues;     /* its trials go on from the checkpoints of earlier ones: points may come again, and it may have to wait */
    const char *stopping; /* the stopping rule that it goes with; NULL = none in particular */
    bool finite_only;   /* walks levels only: a dimension without any needs a setting that gives it some (grid) */
    int max_dims;       /* 0 = any */
    int max_objectives; /* 0 = any */

    /* Refuses a problem it cannot do: ERR_INVALID with the reason. NULL = the fields above say all. */
    enum err (*accept)(const struct problem *problem, const struct settings *settings, struct error *error);

    /* The steps, rising, at which it wants to know what trials had reported; returns how many. NULL = it does not look at them. */
    size_t (*fidelities)(const struct settings *settings, int64_t steps[MAX_FIDELITIES]);

    /* One point. ERR_EXHAUSTED when there are no more; ERR_UNAVAILABLE when there is none until a pending trial has ended. Thread safe; keeps nothing. `cache` is a slot that the
     * caller keeps for one experiment (NULL slot: no cache); freed with cache_free. */
    enum err (*suggest)(const struct search *search, void **cache, struct suggestion *out, struct error *error);
    void (*cache_free)(void *cache); /* NULL = no cache */
};

/* Once, in main, before any thread: GSL returns errors in place of aborting, and BLAS works on the caller's thread alone. (Matrices of a
 * few hundred rows gain nothing from threads that wait by spinning, and a sum over threads need not round the same twice.) */
void algorithms_setup(void);

extern const struct algorithm *const algorithms[]; /* NULL-ended, by algorithms.def */

const struct algorithm *algorithm_find(const char *name); /* NULL = there is none */

/* What is common, checked once: sizes, dims, objectives, then accept. */
enum err algorithm_accept(const struct algorithm *a, const struct problem *problem,
                          const struct settings *settings, struct error *error);

/* suggest with its outputs checked (in the cube, snapped, feasible) and defaults set. Callers use this. */
enum err algorithm_suggest(const struct algorithm *a, const struct search *search, void **cache,
                           struct suggestion *out, struct error *error);

/* How many points the space has at most; INT64_MAX if it is infinite or larger. Conditions may leave fewer. */
int64_t problem_size(const struct problem *problem);

#endif
