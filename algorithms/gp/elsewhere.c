/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/elsewhere.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* In lengths of the model; measured (docs/benchmarks.md). */
#define CLOSE 0.3 /* to a top: such trials are steps of its ascent */
#define AWAY 2.0  /* from a top: another hill may begin there */
#define CLIMBED 4 /* close trials that make a top of it */

static bool within(const struct elsewhere *z, const double *a, const double *b, double lengths)
{
    double pa[GP_MAX_DIMS], pb[GP_MAX_DIMS], r2 = 0;
    gp_space_encode(z->space, a, pa);
    gp_space_encode(z->space, b, pb);
    for (size_t k = 0; k < z->space->d; k++) {
        double difference = z->space->categorical[k] ? pa[k] != pb[k] : pa[k] - pb[k];
        r2 += difference * difference * z->weight[k];
    }
    return r2 < lengths * lengths;
}

bool elsewhere_is_peak(const struct elsewhere *z, const double *snapped)
{
    for (size_t i = 0; i < z->n_peaks; i++)
        if (within(z, snapped, z->peak[i], AWAY))
            return true;
    return false;
}

/* The best trial that is on no hill known so far; NULL if there is none. */
static const struct observation *find_best(const struct elsewhere *z, const struct search *s)
{
    const struct observation *best = NULL;
    for (size_t i = 0; i < s->n_history; i++) {
        const struct observation *o = &s->history[i];
        bool better = o->state == OBSERVATION_DONE && isfinite(o->y[0]) && (!best || o->y[0] < best->y[0]);
        if (better && !elsewhere_is_peak(z, o->x))
            best = o;
    }
    return best;
}

/* The number of the trial with which it was climbed; -1 if it was not yet. */
static int64_t climbed_at(const struct elsewhere *z, const struct search *s, const double *top)
{
    int n = 0;
    for (size_t i = 0; i < s->n_history; i++) {
        n += s->history[i].state != OBSERVATION_PENDING && within(z, s->history[i].x, top, CLOSE);
        if (n == CLIMBED)
            return s->history[i].number;
    }
    return -1;
}

bool elsewhere_init(struct elsewhere *z, const struct search *s, const struct gp_space *space, const double *weight)
{
    *z = (struct elsewhere){.space = space};
    memcpy(z->weight, weight, space->d * sizeof *weight);
    int64_t since = -1;
    while (z->n_peaks < MAX_PEAKS) {
        const struct observation *best = find_best(z, s);
        const int64_t at = best ? climbed_at(z, s, best->x) : -1;
        if (at < 0)
            break;
        since = at > since ? at : since;
        z->peak[z->n_peaks++] = best->x;
    }
    z->rest = x_calloc(s->n_history + 1, sizeof *z->rest);
    for (size_t i = 0; i < s->n_history && z->n_peaks; i++)
        if (s->history[i].number > since && !elsewhere_is_peak(z, s->history[i].x)) {
            z->n_finished += s->history[i].state != OBSERVATION_PENDING;
            z->rest[z->n++] = s->history[i];
        }
    return z->n_peaks > 0;
}

void elsewhere_release(struct elsewhere *z)
{
    free(z->rest);
}
