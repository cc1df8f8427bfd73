/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/guide.h"

#include "base/mem.h"
#include "gp/chain.h"
#include "gp/subset.h"
#include "math/array.h"

#include <math.h>

#define LEAST_TRIALS 5  /* that an earlier search must have to say something */
#define MOST_TRIALS 150 /* that a guide is made of: the best, the latest, and others spread over the space */

/* --- one earlier search */

/* The dimensions in which it has any value; false if there is none that varies. */
static bool find_space(const struct gp_space *whole, const struct earlier *e, struct guide_part *z)
{
    z->space = (struct gp_space){.problem = whole->problem};
    for (size_t k = 0; k < whole->d; k++) {
        bool has = false;
        for (size_t i = 0; i < e->n && !has; i++)
            has = !isnan(e->trials[i].x[whole->dim[k]]);
        if (!has)
            continue;
        z->from[z->space.d] = k;
        z->space.categorical[z->space.d] = whole->categorical[k];
        z->space.dim[z->space.d++] = whole->dim[k];
    }
    return z->space.d > 0;
}

static bool make_set(const struct earlier *e, int objective, const struct gp_space *space, struct gp_set *set)
{
    double *value CLEANUP_FREE = array_new(e->n + 1), point[GP_MAX_DIMS];
    size_t n = 0;
    struct warp warp;
    gp_set_init(set, space, e->n + 1);
    for (size_t i = 0; i < e->n; i++) {
        const struct observation *o = &e->trials[i];
        if (o->state != OBSERVATION_DONE || !isfinite(o->y[objective]))
            continue;
        gp_space_encode(space, o->x, point);
        gp_set_add(set, point, 0, 0);
        value[n++] = o->y[objective];
    }
    if (n < LEAST_TRIALS)
        return false;
    bool learns = warp_fit(&warp, value, n);
    memcpy(set->y, value, n * sizeof *value);
    warp_release(&warp);
    return learns;
}

static bool part_init(const struct gp_history *h, size_t which, int objective, void **cache, struct guide_part *z)
{
    struct gp_set set, part;
    struct gp_theta theta;
    const struct earlier *e = &h->search->earlier[which];
    if (!find_space(h->space, e, z))
        return false;
    bool learns = make_set(e, objective, &z->space, &set);
    if (learns) {
        size_t row[MOST_TRIALS], n = set.n;
        for (size_t i = 0; i < n && i < MOST_TRIALS; i++)
            row[i] = i;
        gp_set_subset(&set, row, n > MOST_TRIALS ? subset_spread(&set, MOST_TRIALS, row) : n, &z->space, &part);
        chain_fit(h->search, &part, (int)which * BOXES_MAX_OBJECTIVES + objective, cache, &theta);
        gp_model_init(&z->model, &part, &theta, NULL, 0);
        gp_set_release(&part);
    }
    gp_set_release(&set);
    return learns;
}

/* --- all */

static void guide_init(struct gp_guide *g, const struct gp_history *h, int objective, void **cache)
{
    const size_t n = h->search->n_earlier;
    double f[MAX_EARLIER], point[GP_MAX_DIMS];
    *g = (struct gp_guide){.part = x_calloc(n, sizeof *g->part), .n_finished = h->n_finished};
    for (size_t i = 0; i < n; i++)
        g->n += part_init(h, i, objective, cache, &g->part[g->n]);
    g->rows = array_new(g->n * h->n_finished);
    for (size_t i = 0; i < h->n_finished; i++) {
        gp_space_encode(h->space, h->finished[i]->x, point);
        gp_guide_at(g, point, f, NULL, 0, NULL);
        for (size_t j = 0; j < g->n; j++)
            g->rows[j * h->n_finished + i] = f[j];
    }
}

struct gp_guide *gp_guides_new(const struct gp_history *h, void **cache)
{
    if (!h->search->n_earlier || h->weight) /* of a mixture of objectives that is new with every suggestion earlier searches say nothing */
        return NULL;
    struct gp_guide *g = x_calloc((size_t)h->n_targets, sizeof *g);
    for (int j = 0; j < h->n_targets; j++)
        guide_init(&g[j], h, j, cache);
    return g;
}

void gp_guides_free(struct gp_guide *g, int n_targets)
{
    for (int j = 0; g && j < n_targets; j++) {
        for (size_t i = 0; i < g[j].n; i++)
            gp_model_release(&g[j].part[i].model);
        free(g[j].part);
        free(g[j].rows);
    }
    free(g);
}

void gp_guide_rows(const struct gp_guide *g, struct gp_set *set)
{
    gp_set_regress(set, g->n);
    for (size_t j = 0; j < g->n; j++)
        memcpy(set->regressor + j * set->cap, g->rows + j * g->n_finished, set->n * sizeof *set->regressor);
}

void gp_guide_at(const struct gp_guide *g, const double *point, double *f, const size_t *which, size_t n_which, double *d_f)
{
    double part[GP_MAX_DIMS], slope[GP_MAX_DIMS];
    size_t own[GP_MAX_DIMS], at[GP_MAX_DIMS];
    for (size_t j = 0; j < g->n; j++) {
        struct guide_part *z = &g->part[j];
        size_t n_own = 0;
        for (size_t k = 0; k < z->space.d; k++) {
            part[k] = point[z->from[k]];
            for (size_t q = 0; d_f && q < n_which; q++)
                if (which[q] == z->from[k]) {
                    own[n_own] = k;
                    at[n_own++] = q;
                }
        }
        if (!d_f) {
            f[j] = gp_model_mean(&z->model, part);
            continue;
        }
        f[j] = gp_model_mean_gradient(&z->model, part, own, n_own, slope);
        for (size_t q = 0; q < n_which; q++)
            d_f[j * n_which + q] = 0;
        for (size_t q = 0; q < n_own; q++)
            d_f[j * n_which + at[q]] = slope[q];
    }
}
