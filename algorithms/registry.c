/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of algorithms and what is common to all of them: checks before, checks after. */
#include "algorithm.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define ALGORITHM(name) extern const struct algorithm algorithm_##name;
#include "algorithms.def"
#undef ALGORITHM

const struct algorithm *const algorithms[] = {
#define ALGORITHM(name) &algorithm_##name,
#include "algorithms.def"
#undef ALGORITHM
    NULL,
};

const struct algorithm *algorithm_find(const char *name)
{
    for (const struct algorithm *const *a = algorithms; *a; a++)
        if (!strcmp((*a)->name, name))
            return *a;
    return NULL;
}

static enum err check_dim(const struct problem *p, int i, struct error *error)
{
    const struct dim *d = &p->dims[i];
    if (d->kind == DIM_CONTINUOUS ? d->n_levels != 0 : d->n_levels < 1)
        return err_set(error, ERR_INVALID, NULL, "dimension %d: a continuous one has no levels, any other at least one", i);
    if (d->parent >= i || d->parent < -1)
        return err_set(error, ERR_INVALID, NULL, "dimension %d: its parent must stand before it", i);
    return OK;
}

enum err algorithm_accept(const struct algorithm *a, const struct problem *p, const struct settings *settings,
                          struct error *error)
{
    if (p->n_dims < 1 || p->n_objectives < 1)
        return err_set(error, ERR_INVALID, NULL, "a problem has at least one parameter and one objective");
    if (p->n_bounds < 0 || p->n_bounds > MAX_BOUNDS)
        return err_set(error, ERR_INVALID, NULL, "a problem has at most %d bounds on outcomes, here are %d", MAX_BOUNDS, p->n_bounds);
    if (a->max_dims && p->n_dims > a->max_dims)
        return err_set(error, ERR_INVALID, NULL, "algorithm %s takes at most %d parameters, here are %d", a->name, a->max_dims, p->n_dims);
    if (a->max_objectives && p->n_objectives > a->max_objectives)
        return err_set(error, ERR_INVALID, NULL, "algorithm %s takes at most %d objective(s), here are %d", a->name,
                       a->max_objectives, p->n_objectives);
    for (int i = 0; i < p->n_dims; i++) {
        enum err err = check_dim(p, i, error);
        if (err)
            return err;
    }
    return a->accept ? a->accept(p, settings, error) : OK;
}

static bool in_cube(const struct problem *p, const double *x)
{
    for (int i = 0; i < p->n_dims; i++)
        if (!isnan(x[i]) && !(x[i] >= 0 && x[i] <= 1))
            return false;
    return true;
}

/* In the cube, and such that snapping it again changes nothing, feasible. */
static bool is_point(const struct problem *p, const double *x)
{
    if (!in_cube(p, x))
        return false;
    size_t size = (size_t)p->n_dims * sizeof *x;
    double *again CLEANUP_FREE = x_malloc(size);
    memcpy(again, x, size);
    p->snap(p->ctx, again);
    for (int i = 0; i < p->n_dims; i++)
        if (isnan(x[i]) != isnan(again[i]) || fabs(x[i] - again[i]) > 1e-9)
            return false;
    return !p->feasible || p->feasible(p->ctx, x);
}

enum err algorithm_suggest(const struct algorithm *a, const struct search *search, void **cache, struct suggestion *out,
                           struct error *error)
{
    out->expected = out->deviation = out->acquisition = NAN;
    out->note[0] = '\0';
    out->lineage = (struct lineage){0};
    out->how[0] = '\0';
    enum err err = a->suggest(search, cache, out, error);
    if (err)
        return err;
    if (out->cursor <= search->cursor)
        return err_set(error, ERR_INTERNAL, NULL, "algorithm %s broke its contract: its cursor does not rise", a->name);
    if (!is_point(search->problem, out->x))
        return err_set(error, ERR_INTERNAL, NULL, "algorithm %s broke its contract: a point outside the cube, not snapped or not feasible", a->name);
    return OK;
}

int64_t problem_size(const struct problem *p)
{
    int64_t size = 1;
    for (int i = 0; i < p->n_dims; i++) {
        /* a conditional space has fewer points than this product; it is a bound that nobody is misled by */
        if (p->dims[i].kind == DIM_CONTINUOUS || __builtin_mul_overflow(size, p->dims[i].n_levels, &size))
            return INT64_MAX;
    }
    return size;
}
