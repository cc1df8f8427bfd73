/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Grid search: every configuration of a finite space once. A configuration has a rank, and the point of a rank is computed, not stored,
 * so the cursor is all the state. In a conditional space only active parameters are counted: the sizes of the branches are added up
 * (counting and unranking of combinatorial trees, Wilf 1989), which visits no combination twice and skips none.
 *
 * "coverage" visits the ranks in a permutation drawn by the seed: whenever one stops, what was seen lies all over the grid, in every
 * parameter and every pair. (Steps of the golden section do so for the first parameter alone.) */
#include "grid.h"

#include "base/mem.h"
#include "math/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_INFEASIBLE 100000 /* ranks in a row that constraints may rule out, so that a suggestion has an end */

enum order { ORDER_COVERAGE, ORDER_LEXICOGRAPHIC };

static const char *const orders[] = {[ORDER_COVERAGE] = "coverage", [ORDER_LEXICOGRAPHIC] = "lexicographic", NULL};

static const struct setting settings[] = {
    {"levels", SETTING_INT, 0, 0, 100000, NULL,
     "points along a parameter that has neither values nor a step, in the middle of equal parts of its scale; 0: refuse such parameters"},
    {"order", SETTING_CHOICE, ORDER_COVERAGE, 0, 0, orders,
     "coverage: spread over the whole grid from the start; lexicographic: the last parameter runs fastest"},
    {0},
};

static int64_t level_count(const struct grid *g, int dim)
{
    const struct dim *d = &g->p->dims[dim];
    return d->kind == DIM_CONTINUOUS ? g->levels : d->n_levels;
}

static double level_at(const struct grid *g, int dim, int64_t k)
{
    if (g->p->dims[dim].kind == DIM_CONTINUOUS)
        return ((double)k + 0.5) / (double)g->levels;
    return g->p->level(g->p->ctx, dim, k);
}

static int64_t multiply(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > GRID_MAX_POINTS ? INT64_MAX : product;
}

static bool has_children(const struct problem *p, int dim)
{
    for (int i = dim + 1; i < p->n_dims; i++)
        if (p->dims[i].parent == dim)
            return true;
    return false;
}

/* Which dimensions are active with the levels chosen so far: those that are not NAN in g->probe. */
static void look(struct grid *g)
{
    memcpy(g->probe, g->x, (size_t)g->p->n_dims * sizeof *g->x);
    g->p->snap(g->p->ctx, g->probe);
}

static int64_t count(struct grid *g, int dim);

/* Combinations of what hangs below `dim` at its level g->x[dim]. */
static int64_t count_below(struct grid *g, int dim)
{
    const struct problem *p = g->p;
    int64_t product = 1;
    for (int i = dim + 1; i < p->n_dims; i++) {
        if (p->dims[i].parent != dim)
            continue;
        look(g); /* counting a child may have used the probe */
        if (!isnan(g->probe[i]))
            product = multiply(product, count(g, i));
    }
    return product;
}

static int64_t count(struct grid *g, int dim)
{
    if (g->size[dim])
        return g->size[dim];
    int64_t n = level_count(g, dim), total = 0;
    if (has_children(g->p, dim)) {
        double keep = g->x[dim];
        for (int64_t k = 0; k < n && total < GRID_MAX_POINTS; k++) {
            g->x[dim] = level_at(g, dim, k);
            int64_t below = count_below(g, dim);
            total = below > GRID_MAX_POINTS - total ? INT64_MAX : total + below;
        }
        g->x[dim] = keep;
    } else
        total = n;
    return g->size[dim] = total;
}

void grid_open(struct grid *g, const struct problem *p, int64_t levels)
{
    size_t n_dims = (size_t)p->n_dims;
    *g = (struct grid){.p = p, .levels = levels, .n = INT64_MAX};
    g->size = x_calloc(n_dims, sizeof *g->size);
    g->x = x_calloc(2 * n_dims, sizeof *g->x);
    g->probe = g->x + n_dims;
    for (int i = 0; i < p->n_dims; i++)
        if (!level_count(g, i))
            return;
    for (int i = 0; i < p->n_dims; i++)
        g->x[i] = level_at(g, i, 0);
    g->n = 1;
    for (int i = 0; i < p->n_dims; i++)
        if (p->dims[i].parent < 0)
            g->n = multiply(g->n, count(g, i));
}

void grid_close(struct grid *g)
{
    free(g->size);
    free(g->x);
}

/* Sets `dim` and what hangs below it to combination `rank` of count(dim). */
static void unrank(struct grid *g, int dim, int64_t rank)
{
    const struct problem *p = g->p;
    if (!has_children(p, dim)) {
        g->x[dim] = level_at(g, dim, rank);
        return;
    }
    int64_t below = 0;
    for (int64_t k = 0;; k++, rank -= below) {
        g->x[dim] = level_at(g, dim, k);
        below = count_below(g, dim);
        if (rank < below)
            break;
    }
    for (int i = p->n_dims - 1; i > dim; i--) {
        if (p->dims[i].parent != dim)
            continue;
        look(g);
        if (isnan(g->probe[i]))
            continue;
        int64_t n = count(g, i);
        unrank(g, i, rank % n);
        rank /= n;
    }
}

void grid_at(struct grid *g, int64_t rank, double *x)
{
    const struct problem *p = g->p;
    for (int i = p->n_dims - 1; i >= 0; i--) {
        if (p->dims[i].parent >= 0)
            continue;
        int64_t n = count(g, i);
        unrank(g, i, rank % n);
        rank /= n;
    }
    memcpy(x, g->x, (size_t)p->n_dims * sizeof *x);
    p->snap(p->ctx, x);
}

static enum err accept(const struct problem *p, const struct settings *s, struct error *error)
{
    int64_t levels = (int64_t)settings_get(s, "levels");
    for (int i = 0; i < p->n_dims; i++)
        if (p->dims[i].kind == DIM_CONTINUOUS && !levels)
            return err_set(error, ERR_INVALID, NULL,
                           "algorithm grid needs values or a step for every parameter, and number %d has none; give it a step, or set `levels`",
                           i + 1);
    struct grid g;
    grid_open(&g, p, levels);
    grid_close(&g);
    if (g.n > GRID_MAX_POINTS)
        return err_set(error, ERR_INVALID, NULL, "algorithm grid: the space has more than 10^18 points; take another algorithm, or fewer values");
    return OK;
}

/* The rank that is visited as number i of n. */
static int64_t visited(uint64_t seed, int64_t i, int64_t n)
{
    return (int64_t)rng_permute(rng_new(seed, RNG_ORDER, 0), (uint64_t)n, (uint64_t)i);
}

static enum err suggest(const struct search *search, void **cache, struct suggestion *out, struct error *error)
{
    (void)cache;
    const struct problem *p = search->problem;
    struct grid g;
    grid_open(&g, p, (int64_t)settings_get(search->settings, "levels"));
    const int64_t n = g.n;
    const bool coverage = settings_get(search->settings, "order") == ORDER_COVERAGE;
    const int64_t stop = search->cursor < n - MAX_INFEASIBLE ? search->cursor + MAX_INFEASIBLE : n;
    bool found = false;
    int64_t i = search->cursor;
    while (i < stop && !found) {
        grid_at(&g, coverage ? visited(search->seed, i++, n) : i++, out->x);
        found = !p->feasible || p->feasible(p->ctx, out->x);
    }
    grid_close(&g);
    if (found) {
        out->cursor = i;
        (void)snprintf(out->how, sizeof out->how, "grid");
        (void)snprintf(out->note, sizeof out->note, "point %lld of %lld", (long long)i, (long long)n);
        return OK;
    }
    if (i < n)
        return err_set(error, ERR_EXHAUSTED, "CONSTRAINTS_TOO_TIGHT",
                       "none of %d grid points in a row satisfied the constraints; loosen them or narrow the ranges", MAX_INFEASIBLE);
    return err_set(error, ERR_EXHAUSTED, NULL, "every one of the %lld points of the grid was suggested", (long long)n);
}

const struct algorithm algorithm_grid = {
    .name = "grid",
    .title = "Grid search",
    .about = "Every configuration of a finite space once, spread over the space from the start.",
    .settings = settings,
    .finite_only = true,
    .accept = accept,
    .suggest = suggest,
};
