/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/models.h"

#include "base/mem.h"
#include "bounds.h"
#include "gp/chain.h"
#include "gp/guide.h"
#include "gp/subset.h"
#include "math/array.h"

#include <math.h>

#define MODEL_ROWS 400  /* of more, predictions come from a subset */
#define MAX_PENDING 200 /* running trials that the model is told of: the newest */
#define EXCEEDED 100    /* standard deviations by which any trial that exceeds a bound is worse than any that does not */

bool models_feasible(const struct observation *o)
{
    return o->state == OBSERVATION_DONE || o->state == OBSERVATION_PRUNED;
}

/* The posterior of all that finished, and of what runs as believers. With many rows those count that are best by `merit`, or near these. */
static void make_model(const struct gp_history *h, const struct gp_set *set, const struct gp_set *merit, const struct gp_theta *theta, const struct gp_guide *guide, struct gp_model *m)
{
    size_t n_pending = h->n_pending < MAX_PENDING ? h->n_pending : MAX_PENDING;
    if (set->n <= MODEL_ROWS)
        gp_model_init(m, set, theta, guide, n_pending);
    else {
        size_t row[MODEL_ROWS];
        struct gp_set part;
        gp_set_subset(set, row, subset_near(merit, theta, MODEL_ROWS, row), h->space, &part);
        gp_model_init(m, &part, theta, guide, n_pending);
        gp_set_release(&part);
    }
    double point[GP_MAX_DIMS];
    for (size_t i = h->n_pending - n_pending; i < h->n_pending; i++) {
        gp_space_encode(h->space, h->pending[i]->x, point);
        gp_model_believe(m, point);
    }
    gp_model_finish(m);
}

static void rank_by_merit(struct models *k)
{
    const struct gp_history *h = k->history;
    const struct problem *p = h->search->problem;
    double scale[MAX_BOUNDS];
    k->merit = k->set[0];
    k->merit.y = array_new(k->merit.cap);
    bounds_scale_of(p, h->finished, h->n_finished, scale);
    for (size_t i = 0; i < h->n_finished; i++) {
        const struct observation *o = h->finished[i];
        k->n_feasible += models_feasible(o);
        k->merit.y[i] = k->set[0].y[i];
        if (p->n_bounds && !models_feasible(o))
            k->merit.y[i] += EXCEEDED * (1 + fmin(bounds_violation(p, o, scale), 1e6));
    }
}

bool models_init(struct models *k, const struct gp_history *h, void **cache)
{
    bool learns = false;
    *k = (struct models){.history = h, .n_targets = h->n_targets};
    int output[GP_MAX_OUTPUTS], n = h->n_targets;
    for (int j = 0; j < n; j++) {
        output[j] = j;
        learns |= gp_history_set_of(h, h->n_finished, j, &k->set[j], &k->warp[j]);
    }
    for (int j = n; learns && j < h->n_outputs; j++) {
        bool is_bound = j < h->n_targets + h->search->problem->n_bounds;
        if (!gp_history_set_of(h, h->n_finished, j, &k->set[n], &k->warp[n])) {
            gp_set_release(&k->set[n]);
            continue;
        }
        k->n_bounds += is_bound;
        k->has_cost |= !is_bound;
        output[n++] = j;
    }
    rank_by_merit(k);
    for (int j = 0; j < n && learns; j++) {
        struct gp_theta theta;
        bool by_own = j < k->n_targets && !h->search->problem->n_bounds;
        chain_theta(h, output[j], cache, &theta);
        const struct gp_guide *guide = h->guide && j < k->n_targets && h->guide[j].n ? &h->guide[j] : NULL;
        make_model(h, &k->set[j], by_own ? &k->set[j] : &k->merit, &theta, guide, &k->model[j]);
    }
    return learns;
}

void models_release(struct models *k)
{
    free(k->merit.y);
    for (int j = 0; j < k->n_targets + k->n_bounds + k->has_cost; j++) {
        gp_set_release(&k->set[j]);
        warp_release(&k->warp[j]);
        gp_model_release(&k->model[j]);
    }
}

void models_aim(struct models *k, struct acquisition *a)
{
    a->model = k->model;
    a->bound = k->model + k->n_targets;
    a->n_bounds = k->n_bounds;
    for (int j = 0; j < k->n_bounds; j++) {
        const struct warp *w = &k->warp[k->n_targets + j];
        a->limit[j] = -w->middle / w->slope;
    }
    if (!k->has_cost)
        return;
    const int last = k->n_targets + k->n_bounds;
    a->cost = &k->model[last];
    a->cost_scale = k->warp[last].slope;
}
