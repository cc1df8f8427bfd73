/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NSGA-II (Deb, Pratap, Agarwal, Meyarivan 2002) in steady state (Nebro and Durillo 2009): the population is the best of all finished trials
 * whenever a child is wanted, so there is no generation to wait for, and nothing to keep but the history. With many objectives the parents are
 * chosen by directions (NSGA-III, Deb and Jain 2014). Numbers cross by simulated binary crossover (Deb and Agrawal 1995) and change by
 * polynomial mutation (Deb and Goyal 1996), in the cube; categoricals by swapping and drawing. */
#include "fresh.h"
#include "math/niches.h"
#include "ranking.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>

#define TRIES 100         /* children that are infeasible, or were seen, before a fresh point is taken */
#define FEW_LEVELS 20     /* an ordinal of not more is inherited as it is */
#define MANY_OBJECTIVES 3 /* measured on DTLZ2: as good at 2, ahead from 3 on, by a fifth at 5 */

enum selection { SELECTION_AUTO, SELECTION_CROWDING, SELECTION_REFERENCE };

static const char *const selections[] = {[SELECTION_AUTO] = "auto", [SELECTION_CROWDING] = "crowding", [SELECTION_REFERENCE] = "reference", NULL};

static const struct setting settings[] = {
    {"population_size", SETTING_INT, 50, 4, 10000, NULL, "trials that are parents: the best ones"},
    {"crossover_probability", SETTING_FLOAT, 0.9, 0, 1, NULL, "that a child has two parents"},
    {"crossover_eta", SETTING_FLOAT, 15, 0, 1000, NULL, "how near a child's numbers are to its parents'"},
    {"swapping_probability", SETTING_FLOAT, 0.5, 0, 1, NULL, "that a categorical comes from the second parent"},
    {"mutation_probability", SETTING_FLOAT, 0, 0, 1, NULL, "of each parameter; 0: 1 / number of parameters"},
    {"mutation_eta", SETTING_FLOAT, 20, 0, 1000, NULL, "how small mutations of numbers are"},
    {"selection", SETTING_CHOICE, SELECTION_AUTO, 0, 0, selections,
     "which of the last front are parents; crowding: the lonely; reference: by directions (NSGA-III); auto: that from 3 objectives on"},
    {0},
};

struct breeder {
    const struct search *s;
    const struct ranking *r;
    bool by_reference;
    size_t *parent, n_parents; /* indices in the ranking */
    struct rng rng;
    double crossover, crossover_power, swap, mutation, mutation_power;
};

static void choose_parents(struct breeder *b)
{
    const struct ranking *r = b->r;
    enum selection selection = (enum selection)settings_get(b->s->settings, "selection");
    const int m = b->s->problem->n_objectives;
    b->by_reference = selection == SELECTION_REFERENCE || (selection == SELECTION_AUTO && m >= MANY_OBJECTIVES);
    b->parent = x_calloc(b->n_parents + 1, sizeof *b->parent);
    for (size_t i = 0; i < b->n_parents; i++)
        b->parent[i] = i;
    if (!b->by_reference)
        return;
    const double **y CLEANUP_FREE = x_calloc(r->n_valued + 1, sizeof *y);
    for (size_t i = 0; i < r->n_valued; i++)
        y[i] = r->best[i]->y;
    niche_select(y, r->front, r->n_valued, m, b->n_parents, rng_new(b->s->seed, RNG_WEIGHT, (uint64_t)b->s->cursor), b->parent);
}

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
    choose_parents(b);
}

/* The better of two: the one of the better front, and then the lonelier one, which the ranking has first; by directions all are as good. */
static const double *tournament(struct breeder *b)
{
    size_t i = b->parent[rng_next(&b->rng) % b->n_parents], j = b->parent[rng_next(&b->rng) % b->n_parents];
    bool as_good = b->by_reference && b->r->front[i] == b->r->front[j];
    return b->r->best[as_good || i < j ? i : j]->x;
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
    bool found = false;
    breeder_init(&b, s, r);
    for (int i = 0; i < TRIES && !found; i++) {
        breed(&b, out->x);
        found = (!p->feasible || p->feasible(p->ctx, out->x)) && !seen_has(seen, p, out->x);
    }
    if (found) {
        out->cursor = s->cursor + 1;
        (void)snprintf(out->how, sizeof out->how, "offspring");
        (void)snprintf(out->note, sizeof out->note, "of the %zu best of %zu finished trials", b.n_parents, r->n);
    }
    free(b.parent);
    return found;
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
    .about = "Non-dominated sorting genetic algorithm (Deb et al. 2002) in steady state (Nebro and Durillo 2009); from 3 objectives on NSGA-III "
             "(Deb and Jain 2014).",
    .settings = settings,
    .needs_history = true,
    .is_slow = true,
    .suggest = suggest,
};
