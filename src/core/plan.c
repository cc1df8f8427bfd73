/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A spec and what is derived from it once: the algorithm's view of it. */
#include "core/state.h"

#include "libhone/problem.h"

struct plan *plan_new(struct spec *spec)
{
    struct plan *p = X_NEW(struct plan);
    struct space *space = spec->space;
    p->names = x_calloc(space->n + 1, sizeof *p->names);
    for (size_t i = 0; i < space->n; i++)
        p->names[i] = space->params[i].name;
    problem_init(&p->problem, space);
    p->problem.n_objectives = (int)spec->n_objectives;
    p->problem.n_bounds = (int)spec_n_bounds(spec);
    p->problem.has_cost = spec->has_cost;
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
    problem_release(&p->problem);
    free(p->names);
    spec_free(p->spec);
    free(p);
}
