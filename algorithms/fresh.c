/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fresh.h"

#include "grid.h"
#include "math/rng.h"
#include "math/sobol.h"
#include "sequence.h"

#include <stdio.h>

#define ENUMERATED 65536 /* configurations of a space that is walked to find one that is new */
#define TRIES 200        /* Sobol points in a row that were all seen, before that */

/* The first configuration that was not seen, from a drawn one on. */
static enum err find_unseen(const struct search *s, const struct seen *seen, struct grid *g, struct suggestion *out, struct error *error)
{
    const struct problem *p = s->problem;
    struct rng r = rng_new(s->seed, RNG_ORDER, (uint64_t)s->cursor);
    const int64_t first = (int64_t)(rng_next(&r) % (uint64_t)g->n);
    for (int64_t i = 0; i < g->n; i++) {
        grid_at(g, (first + i) % g->n, out->x);
        if ((p->feasible && !p->feasible(p->ctx, out->x)) || seen_has(seen, p, out->x))
            continue;
        out->cursor = s->cursor + 1;
        (void)snprintf(out->how, sizeof out->how, "not tried yet");
        return OK;
    }
    return err_set(error, ERR_EXHAUSTED, NULL, "every one of the %lld points of the space was suggested", (long long)g->n);
}

/* Draws when there are more dimensions than the Sobol sequence has. */
static void point(uint64_t seed, uint64_t index, double *x, int n)
{
    sobol_point(seed, index, x, n < SOBOL_MAX_DIMS ? n : SOBOL_MAX_DIMS);
    struct rng r = rng_new(seed, RNG_POINT, index);
    for (int i = SOBOL_MAX_DIMS; i < n; i++)
        x[i] = rng_uniform(&r);
}

enum err fresh_point(const struct search *s, const struct seen *seen, const char *how, struct suggestion *out, struct error *error)
{
    struct search next = *s;
    enum err err = OK;
    for (int i = 0; i < TRIES && !err; i++, next.cursor = out->cursor) {
        err = sequence_suggest(&next, point, how, out, error);
        if (!err && !seen_has(seen, s->problem, out->x))
            return OK;
    }
    struct grid g;
    grid_open(&g, s->problem, 0);
    if (g.n <= ENUMERATED)
        err = find_unseen(s, seen, &g, out, error);
    grid_close(&g);
    return err;
}
