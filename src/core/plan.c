/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A spec and what is derived from it once: the algorithm's view of its space. The only place where user space meets the cube. */
#include "core/state.h"

static void snap(void *ctx, double *u)
{
    space_snap(ctx, u);
}

static double level(void *ctx, int dim, int64_t k)
{
    return space_level(ctx, (size_t)dim, k);
}

static bool feasible(void *ctx, const double *u)
{
    return space_feasible(ctx, u);
}

static enum dim_kind kind_of(const struct param *p)
{
    if (p->type == PARAM_CATEGORICAL || p->type == PARAM_BOOL)
        return DIM_CATEGORICAL;
    return p->n_levels ? DIM_ORDINAL : DIM_CONTINUOUS;
}

struct plan *plan_new(struct spec *spec)
{
    struct plan *p = X_NEW(struct plan);
    struct space *space = spec->space;
    struct dim *dims = x_calloc(space->n, sizeof *dims);
    p->names = x_calloc(space->n + 1, sizeof *p->names);
    for (size_t i = 0; i < space->n; i++) {
        const struct param *param = &space->params[i];
        dims[i] = (struct dim){.kind = kind_of(param), .n_levels = param->n_levels, .parent = param->parent};
        p->names[i] = param->name;
    }
    p->problem = (struct problem){.dims = dims,
                                  .n_dims = (int)space->n,
                                  .n_objectives = (int)spec->n_objectives,
                                  .n_bounds = (int)spec_n_bounds(spec),
                                  .has_cost = spec->has_cost,
                                  .ctx = space,
                                  .snap = snap,
                                  .level = level,
                                  .feasible = space->n_constraints ? feasible : NULL};
    p->spec = spec;
    warm_plan(p);
    p->algorithm = algorithm_find(spec->algorithm);
    for (size_t i = 0; i < spec->n_stopping; i++)
        p->stoppers[i] = stopper_find(spec->stopping[i].name);
    atomic_init(&p->refs, 1);
    return p;
}

struct plan *plan_ref(struct plan *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void plan_unref(struct plan *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    warm_release(p);
    x_free(p->problem.dims);
    free(p->names);
    spec_free(p->spec);
    free(p);
}
