/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CMA-ES replayed from a history. Trials are told apart by their numbers alone: those from walk.at on, `lambda` of them, are a generation,
 * and so on. A generation has ended when the next one has begun; it counts with what of it is finished, once half of it is. So the state is a
 * function of the history, whoever made the points and in whatever order they ended; a late result takes its place in its generation. */
#ifndef HONE_CMAES_WALK_H
#define HONE_CMAES_WALK_H

#include "algorithm.h"
#include "cmaes/cma.h"

enum restarts { RESTARTS_NONE, RESTARTS_IPOP, RESTARTS_BIPOP };

struct walk_plan {
    const struct problem *problem;
    uint64_t seed;
    int64_t start;     /* trials with smaller numbers are no generation: the first run begins at the best of them (Nomura et al. 2021) */
    size_t lambda;     /* of the first run */
    double sigma;      /* of a run at its start */
    enum restarts restarts;
    const struct earlier *earlier; /* without trials of its own before, the first run begins at the best of these */
    size_t n_earlier;
};

struct walk {
    struct walk_plan plan;
    int *dims;              /* the problem's dimension of each coordinate of cma; then of each categorical */
    size_t n_categorical;
    size_t *offset;         /* of each categorical in `chance` */
    double *chance;         /* of each of its values */
    size_t n_chance;
    struct cma cma;         /* the run under way */
    int64_t at;             /* number of the first trial of the open generation */
    size_t lambda;          /* its size */
    int run, n_large;       /* runs before; of them such that doubled lambda */
    bool small;
    int64_t spent[2];       /* trials in large and small runs */
    double plateau;         /* best value of a generation when it last changed */
    size_t on_plateau;      /* generations since */
};

void walk_init(struct walk *w, const struct walk_plan *plan, const struct observation *history, size_t n);
void walk_release(struct walk *w);
void walk_copy(struct walk *to, const struct walk *from);

/* Goes on through the generations that end at number `until` or before. */
void walk_on(struct walk *w, const struct observation *history, size_t n, int64_t until);

void walk_draw(const struct walk *w, struct rng *r, double *x); /* a point of the open generation, on the line (margin.h) and not snapped */

#endif
