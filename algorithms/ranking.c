/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ranking.h"

#include "base/mem.h"
#include "bounds.h"
#include "math/array.h"
#include "math/pareto.h"

#include <math.h>

bool observation_valued(const struct observation *o, int n_objectives)
{
    if (o->state == OBSERVATION_PENDING || o->state == OBSERVATION_FAILED)
        return false;
    for (int j = 0; j < n_objectives; j++)
        if (!isfinite(o->y[j]))
            return false;
    return true;
}

/* Appends the trials of a state, in order. */
static void add_state(struct ranking *r, const struct search *s, enum observation_state state, size_t enough)
{
    const int m = s->problem->n_objectives;
    const struct observation **found CLEANUP_FREE = x_calloc(s->n_history + 1, sizeof *found);
    const double **y CLEANUP_FREE = x_calloc(s->n_history + 1, sizeof *y);
    size_t n = 0;
    for (size_t i = 0; i < s->n_history; i++) {
        if (s->history[i].state != state || !observation_valued(&s->history[i], m))
            continue;
        y[n] = s->history[i].y;
        found[n++] = &s->history[i];
    }
    size_t *order CLEANUP_FREE = x_calloc(n + 1, sizeof *order);
    int first = r->n ? r->front[r->n - 1] + 1 : 0;
    pareto_sort(y, n, m, enough > r->n ? enough - r->n : 0, order, r->front + r->n);
    for (size_t i = 0; i < n; i++) {
        r->front[r->n] += first;
        r->best[r->n++] = found[order[i]];
    }
}

/* --- those that exceed a bound */

struct exceeding {
    const struct observation *o;
    double violation;
};

static int by_violation(const void *a, const void *b)
{
    const struct exceeding *x = a, *y = b;
    if (x->violation > y->violation || x->violation < y->violation)
        return x->violation > y->violation ? 1 : -1;
    return (x->o->number > y->o->number) - (x->o->number < y->o->number);
}

static void add_exceeding(struct ranking *r, const struct search *s)
{
    double *scale CLEANUP_FREE = array_new((size_t)s->problem->n_bounds);
    struct exceeding *found CLEANUP_FREE = x_calloc(s->n_history + 1, sizeof *found);
    size_t n = 0;
    bounds_scale(s->problem, s->history, s->n_history, scale);
    for (size_t i = 0; i < s->n_history; i++) {
        const struct observation *o = &s->history[i];
        if (o->state == OBSERVATION_INFEASIBLE && observation_valued(o, s->problem->n_objectives))
            found[n++] = (struct exceeding){o, bounds_violation(s->problem, o, scale)};
    }
    qsort(found, n, sizeof *found, by_violation);
    int front = r->n ? r->front[r->n - 1] : -1;
    for (size_t i = 0; i < n; i++) {
        front += !i || found[i].violation > found[i - 1].violation;
        r->front[r->n] = front;
        r->best[r->n++] = found[i].o;
        if (isfinite(found[i].violation))
            r->n_telling = r->n;
    }
}

void ranking_init(struct ranking *r, const struct search *s, size_t enough)
{
    *r = (struct ranking){.best = x_calloc(s->n_history + 1, sizeof *r->best), .front = x_calloc(s->n_history + 1, sizeof *r->front)};
    add_state(r, s, OBSERVATION_DONE, enough);
    add_state(r, s, OBSERVATION_PRUNED, enough);
    r->n_good = r->n_telling = r->n;
    if (s->problem->n_bounds)
        add_exceeding(r, s);
    else
        add_state(r, s, OBSERVATION_INFEASIBLE, enough);
    r->n_valued = r->n;
    int last = r->n ? r->front[r->n - 1] + 1 : 0;
    for (size_t i = 0; i < s->n_history; i++) {
        const struct observation *o = &s->history[i];
        if (o->state == OBSERVATION_PENDING || observation_valued(o, s->problem->n_objectives))
            continue;
        r->front[r->n] = last;
        r->best[r->n++] = o;
    }
}

static bool has_place(const struct problem *p, const struct observation *o)
{
    for (int i = 0; i < p->n_dims; i++)
        if (!isnan(o->x[i]) && !(o->x[i] >= 0 && o->x[i] <= 1))
            return false;
    return true;
}

void ranking_init_earlier(struct ranking *r, const struct problem *p, const struct earlier *e, size_t enough)
{
    const struct search s = {.problem = p, .history = e->trials, .n_history = e->n};
    ranking_init(r, &s, enough);
    size_t kept = 0;
    for (size_t i = 0; i < r->n_good; i++)
        if (has_place(p, r->best[i])) {
            r->front[kept] = r->front[i];
            r->best[kept++] = r->best[i];
        }
    r->n = r->n_good = r->n_telling = r->n_valued = kept;
}

void ranking_release(struct ranking *r)
{
    free(r->best);
    free(r->front);
}
