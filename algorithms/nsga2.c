/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NSGA-II (Deb, Pratap, Agarwal, Meyarivan 2002) in steady state (Nebro and Durillo 2009): the population is the best of all finished trials
 * whenever a child is wanted, so there is no generation to wait for, and nothing to keep but the history. Numbers cross by simulated binary
 * crossover (Deb and Agrawal 1995) and change by polynomial mutation (Deb and Goyal 1996), in the cube; categoricals by swapping and drawing. */
#include "fresh.h"
#include "math/rng.h"
#include "ranking.h"

#include <math.h>
#include <stdio.h>

#define TRIES 100       /* children that are infeasible, or were seen, before a fresh point is taken */
#define FEW_LEVELS 20   /* an ordinal of not more is inherited as it is */

static const struct setting settings[] = {
    {"population_size", SETTING_INT, 50, 4, 10000, NULL, "trials that are parents: the best ones"},
    {"crossover_probability", SETTING_FLOAT, 0.9, 0, 1, NULL, "that a child has two parents"},
    {"crossover_eta", SETTING_FLOAT, 15, 0, 1000, NULL, "how near a child's numbers are to its parents'"},
    {"swapping_probability", SETTING_FLOAT, 0.5, 0, 1, NULL, "that a categorical comes from the second parent"},
    {"mutation_probability", SETTING_FLOAT, 0, 0, 1, NULL, "of each parameter; 0: 1 / number of parameters"},
    {"mutation_eta", SETTING_FLOAT, 20, 0, 1000, NULL, "how small mutations of numbers are"},
    {0},
};

struct breeder {
    const struct search *s;
    const struct ranking *r;
    size_t n_parents;
    struct rng rng;
    double crossover, crossover_power, swap, mutation, mutation_power;
};

static void breeder_init(struct breeder *b, const struct search *s, const struct ranking *r)
{
    size_t size = (size_t)settings_get(s->settings, "population_size");
    int d = 0;
    for (int i = 0; i < s->problem->n_dims; i++)
        d += s->problem->dims[i].n_levels != 1;
    *b = (struct breeder){.s = s, .r = r, .n_parents = r->n_valued < size ? r->n_valued : size,
                          .rng = rng_new(s->seed, RNG_CANDIDATE, (uint64_t)s->cursor),
                          .crossover = settings_get(s->settings, "crossover_probability"),
                          .crossover_power = 1 / (settings_get(s->settings, "crossover_eta") + 1),
                          .swap = settings_get(s->settings, "swapping_probability"),
                          .mutation = settings_get(s->settings, "mutation_probability"),
                          .mutation_power = 1 / (settings_get(s->settings, "mutation_eta") + 1)};
    if (b->mutation == 0)
        b->mutation = 1 / (double)(d ? d : 1);
}

/* The better of two: the ranking is by front, and then by loneliness. */
static const double *tournament(struct breeder *b)
{
    size_t i = (size_t)(rng_next(&b->rng) % b->n_parents), j = (size_t)(rng_next(&b->rng) % b->n_parents);
    return b->r->best[i < j ? i : j]->x;
}

/* The spread of two children as a part of that of their parents, such that none leaves [0,1]: `room` is what is left beyond the parent, in
 * units of half the distance between them. */
static double spread(const struct breeder *b, double u, double room)
{
    const double power = b->crossover_power, alpha = 2 - pow(1 + room, -1 / power);
    return u <= 1 / alpha ? pow(u * alpha, power) : pow(1 / (2 - u * alpha), power);
}

static double cross_number(struct breeder *b, double x, double y)
{
    const double low = fmin(x, y), high = fmax(x, y), distance = high - low;
    const double u = rng_uniform(&b->rng), side = rng_uniform(&b->rng);
    if (rng_uniform(&b->rng) < 0.5 || distance < 1e-14)
        return x;
    double child = side < 0.5 ? (low + high - spread(b, u, 2 * low / distance) * distance) / 2
                              : (low + high + spread(b, u, 2 * (1 - high) / distance) * distance) / 2;
    return fmin(fmax(child, 0), 1);
}

static bool is_choice(const struct dim *d)
{
    return d->kind == DIM_CATEGORICAL || (d->kind == DIM_ORDINAL && d->n_levels <= FEW_LEVELS);
}

/* From the parent that has it; from the prior if none has. */
static double inherit(struct breeder *b, const struct dim *d, double x, double y)
{
    if (isnan(x) && isnan(y))
        return rng_uniform(&b->rng);
    if (isnan(x) || isnan(y))
        return isnan(x) ? y : x;
    return is_choice(d) ? rng_uniform(&b->rng) < b->swap ? y : x : cross_number(b, x, y);
}

static double mutate_number(struct breeder *b, double x)
{
    const double u = rng_uniform(&b->rng), power = b->mutation_power;
    double step = u < 0.5 ? pow(2 * u + (1 - 2 * u) * pow(1 - x, 1 / power), power) - 1
                          : 1 - pow(2 * (1 - u) + (2 * u - 1) * pow(x, 1 / power), power);
    return fmin(fmax(x + step, 0), 1);
}

/* One with levels moves by one at least. */
static double mutate_level(struct breeder *b, int dim, double x)
{
    const struct problem *p = b->s->problem;
    const int64_t n = p->dims[dim].n_levels, from = gp_space_level(p, dim, x);
    if (p->dims[dim].kind == DIM_CATEGORICAL)
        return p->level(p->ctx, dim, (from + 1 + (int64_t)(rng_next(&b->rng) % (uint64_t)(n - 1))) % n);
    double moved = mutate_number(b, x);
    int64_t to = gp_space_level(p, dim, moved);
    if (to == from)
        to = from == 0 ? 1 : from == n - 1 ? n - 2 : moved < x ? from - 1 : from + 1;
    return p->level(p->ctx, dim, to);
}

static void breed(struct breeder *b, double *child)
{
    const struct problem *p = b->s->problem;
    const double *x = tournament(b), *y = rng_uniform(&b->rng) < b->crossover ? tournament(b) : x;
    for (int i = 0; i < p->n_dims; i++) {
        child[i] = inherit(b, &p->dims[i], x[i], y[i]);
        if (p->dims[i].n_levels != 1 && rng_uniform(&b->rng) < b->mutation)
            child[i] = p->dims[i].kind == DIM_CONTINUOUS ? mutate_number(b, child[i]) : mutate_level(b, i, child[i]);
    }
    p->snap(p->ctx, child);
}

static bool find_child(const struct search *s, const struct ranking *r, const struct seen *seen, struct suggestion *out)
{
    const struct problem *p = s->problem;
    struct breeder b;
    breeder_init(&b, s, r);
    for (int i = 0; i < TRIES; i++) {
        breed(&b, out->x);
        if ((p->feasible && !p->feasible(p->ctx, out->x)) || seen_has(seen, p, out->x))
            continue;
        out->cursor = s->cursor + 1;
        (void)snprintf(out->how, sizeof out->how, "offspring");
        (void)snprintf(out->note, sizeof out->note, "of the %zu best of %zu finished trials", b.n_parents, r->n);
        return true;
    }
    return false;
}

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    (void)cache;
    const size_t size = (size_t)settings_get(s->settings, "population_size");
    struct seen seen;
    struct ranking ranking;
    seen_init(&seen, s);
    ranking_init(&ranking, s, size);
    const bool ready = s->n_history >= size && 4 * ranking.n_valued >= size;
    enum err err = OK;
    if (!ready || !find_child(s, &ranking, &seen, out))
        err = fresh_point(s, &seen, ready ? "spread" : "initial population", out, error);
    ranking_release(&ranking);
    seen_release(&seen);
    return err;
}

const struct algorithm algorithm_nsga2 = {
    .name = "nsga2",
    .title = "NSGA-II",
    .about = "Non-dominated sorting genetic algorithm (Deb et al. 2002) in steady state (Nebro and Durillo 2009).",
    .settings = settings,
    .needs_history = true,
    .is_slow = true,
    .suggest = suggest,
};
