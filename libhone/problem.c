/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "libhone/problem.h"

#include "base/mem.h"

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

void problem_init(struct problem *p, struct space *space)
{
    struct dim *dims = x_calloc(space->n, sizeof *dims);
    for (size_t i = 0; i < space->n; i++)
        dims[i] = (struct dim){.kind = kind_of(&space->params[i]), .n_levels = space->params[i].n_levels, .parent = space->params[i].parent};
    *p = (struct problem){.dims = dims,
                          .n_dims = (int)space->n,
                          .n_objectives = 1,
                          .ctx = space,
                          .snap = snap,
                          .level = level,
                          .feasible = space->n_constraints ? feasible : NULL};
}

void problem_release(struct problem *p)
{
    x_free(p->dims);
}
