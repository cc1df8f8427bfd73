/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ranking.h"

#include "base/mem.h"
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

void ranking_init(struct ranking *r, const struct search *s, size_t enough)
{
    *r = (struct ranking){.best = x_calloc(s->n_history + 1, sizeof *r->best), .front = x_calloc(s->n_history + 1, sizeof *r->front)};
    add_state(r, s, OBSERVATION_DONE, enough);
    add_state(r, s, OBSERVATION_PRUNED, enough);
    r->n_good = r->n;
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

void ranking_release(struct ranking *r)
{
    free(r->best);
    free(r->front);
}
