/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Population based training (Jaderberg et al., "Population based training of neural networks", 2017): a fixed number of members train side by side, a
 * stretch at a time, each stretch a trial that goes on from a checkpoint. After one, a member that is among the worst takes the checkpoint
 * of one of the best and its parameters a little changed; the others go on as they are.
 *
 * There are no generations that wait for each other: a member goes on as soon as it is free, and is ranked by the latest score of each. All is
 * read from the history: which trials are a member's stands in their lineage. A trial that failed counts as among the worst; one that was
 * lost or cancelled is not in the history, so the stretch comes again. Parameters are changed in the cube, by a share of their range. */
#include "base/mem.h"
#include "math/rng.h"
#include "sequence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_MEMBERS 1000
#define TRIES 200 /* changed points that the constraints refuse; then the parameters stay */
#define LEAST_SCORES 4

static const struct setting settings[] = {
    {"n_population", SETTING_INT, 10, 5, MAX_MEMBERS, NULL, "members of the population"},
    {"truncation_threshold", SETTING_FLOAT, 0.2, 0, 0.5, NULL, "the worst share of the members takes over from the best share"},
    {"resample_probability", SETTING_FLOAT, 0.25, 0, 1, NULL, "that a parameter taken over is drawn anew; otherwise it moves by `perturbation`"},
    {"perturbation", SETTING_FLOAT, 0.1, 0, 1, NULL, "how far a number moves, up or down, as a share of its range"},
    {0},
};

struct member {
    const struct observation *last;   /* its newest trial; NULL = none yet */
    const struct observation *scored; /* its newest one with a score; NULL = none */
};

struct population {
    struct member *members; /* [0] is not used */
    int n;
    const struct member **ranked; /* those with a score, the best first */
    int n_ranked;
};

static double score(const struct member *m)
{
    return m->scored->y[0];
}

static int by_score(const void *a, const void *b)
{
    const struct member *x = *(const struct member *const *)a, *y = *(const struct member *const *)b;
    return score(x) < score(y) ? -1 : score(x) > score(y) ? 1 : (x > y) - (x < y);
}

/* Trials that users gave take the places of members that have none yet. */
static int place_of(const struct population *p, const struct observation *o)
{
    if (o->lineage.member)
        return o->lineage.member <= p->n ? (int)o->lineage.member : 0;
    for (int m = 1; m <= p->n; m++)
        if (!p->members[m].last)
            return m;
    return 0;
}

static void gather(const struct search *s, struct population *p)
{
    for (size_t i = 0; i < s->n_history; i++) {
        const struct observation *o = &s->history[i];
        const int m = place_of(p, o);
        if (!m)
            continue;
        p->members[m].last = o;
        if (o->state == OBSERVATION_DONE && isfinite(o->y[0]))
            p->members[m].scored = o;
    }
    for (int m = 1; m <= p->n; m++)
        if (p->members[m].scored)
            p->ranked[p->n_ranked++] = &p->members[m];
    qsort(p->ranked, (size_t)p->n_ranked, sizeof(struct member *), by_score);
}

/* Who goes on: a member without a trial, else of those that do not run the one that is behind. 0 = all run. */
static int choose(const struct population *p)
{
    int chosen = 0;
    for (int m = 1; m <= p->n; m++) {
        const struct observation *o = p->members[m].last, *best = chosen ? p->members[chosen].last : NULL;
        if (!o)
            return m;
        if (o->state == OBSERVATION_PENDING)
            continue;
        if (!best || o->lineage.generation < best->lineage.generation ||
            (o->lineage.generation == best->lineage.generation && o->number < best->number))
            chosen = m;
    }
    return chosen;
}

static void draw_point(uint64_t seed, uint64_t index, double *x, int n)
{
    struct rng r = rng_new(seed, RNG_POINT, index);
    for (int i = 0; i < n; i++)
        x[i] = rng_uniform(&r);
}

static enum err begin(const struct search *s, int m, struct suggestion *out, struct error *error)
{
    enum err err = sequence_suggest(s, draw_point, "initial population", out, error);
    out->lineage = (struct lineage){.member = m};
    return err;
}

static double moved(const struct dim *d, double u, double share, struct rng *r)
{
    const double step = d->kind == DIM_ORDINAL ? fmax(share, 1 / (double)d->n_levels) : share;
    u += rng_uniform(r) < 0.5 ? -step : step;
    return fmin(1, fmax(0, u));
}

/* The parameters of `from`, changed. */
static void explore(const struct search *s, const double *from, double *x)
{
    const struct problem *p = s->problem;
    const double resample = settings_get(s->settings, "resample_probability"), share = settings_get(s->settings, "perturbation");
    struct rng r = rng_new(s->seed, RNG_CANDIDATE, (uint64_t)s->cursor);
    for (int t = 0; t < TRIES; t++) {
        for (int i = 0; i < p->n_dims; i++) {
            const bool draw = rng_uniform(&r) < resample || isnan(from[i]); /* a parameter that becomes active has no value to go on from */
            x[i] = draw ? rng_uniform(&r) : p->dims[i].kind == DIM_CATEGORICAL ? from[i] : moved(&p->dims[i], from[i], share, &r);
        }
        p->snap(p->ctx, x);
        if (!p->feasible || p->feasible(p->ctx, x))
            return;
    }
    memcpy(x, from, (size_t)p->n_dims * sizeof *x);
}

static enum err go_on(const struct search *s, const struct population *p, int m, struct suggestion *out, struct error *error)
{
    const struct member *me = &p->members[m];
    const int share = (int)ceil(settings_get(s->settings, "truncation_threshold") * p->n_ranked);
    const int cut = share < p->n_ranked / 2 ? share : p->n_ranked / 2;
    if (!p->n_ranked) /* all have failed */
        return begin(s, m, out, error);
    int rank = 0;
    while (rank < p->n_ranked && p->ranked[rank] != me)
        rank++;
    const bool failed = me->last->state != OBSERVATION_DONE || rank == p->n_ranked;
    const bool worst = p->n_ranked >= LEAST_SCORES && cut > 0 && rank >= p->n_ranked - cut;
    out->cursor = s->cursor + 1;
    out->lineage = (struct lineage){.member = m, .generation = me->last->lineage.generation + 1};
    if (!failed && !worst) {
        memcpy(out->x, me->scored->x, (size_t)s->problem->n_dims * sizeof *out->x);
        out->lineage.parent = me->scored->number;
        (void)snprintf(out->how, sizeof out->how, "goes on");
        (void)snprintf(out->note, sizeof out->note, "Member %d, number %d of %d by its latest score, goes on from its checkpoint with the same parameters.", m, rank + 1,
                       p->n_ranked);
        return OK;
    }
    struct rng r = rng_new(s->seed, RNG_MEMBER, (uint64_t)s->cursor);
    const int pick = (int)(rng_uniform(&r) * (cut > 0 ? cut : 1));
    const struct observation *parent = p->ranked[pick]->scored;
    explore(s, parent->x, out->x);
    out->lineage.parent = parent->number;
    (void)snprintf(out->how, sizeof out->how, "exploit and explore");
    char why[80];
    (void)snprintf(why, sizeof why, failed ? "whose last trial did not succeed" : "number %d of %d by its latest score", rank + 1, p->n_ranked);
    (void)snprintf(out->note, sizeof out->note, "Member %d, %s, takes over the checkpoint of trial %lld, which is number %d, and its parameters, changed.", m, why,
                   (long long)parent->number, pick + 1);
    return OK;
}

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    (void)cache;
    const int n = (int)settings_get(s->settings, "n_population");
    struct member *members CLEANUP_FREE = x_calloc((size_t)n + 1, sizeof *members);
    const struct member **ranked CLEANUP_FREE = x_calloc((size_t)n, sizeof *ranked);
    struct population p = {.members = members, .n = n, .ranked = ranked};
    gather(s, &p);
    const int m = choose(&p);
    if (!m)
        return err_set(error, ERR_UNAVAILABLE, NULL, "all %d members of the population are running", n);
    return p.members[m].last ? go_on(s, &p, m, out, error) : begin(s, m, out, error);
}

const struct algorithm algorithm_pbt = {
    .name = "pbt",
    .title = "Population based training",
    .about = "Trains a population a stretch at a time; the worst take over checkpoints and changed parameters of the best (Jaderberg et al. 2017).",
    .settings = settings,
    .needs_history = true,
    .continues = true,
    .max_objectives = 1,
    .suggest = suggest,
};
