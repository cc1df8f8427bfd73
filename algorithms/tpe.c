/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kegl 2011), multivariate (Falkner, Klein, Hutter 2018) and grouped.
 *
 * The best tenth of the trials makes a density l, all others make g, running ones among them: where many are at work it is less
 * worth while to look (the constant liar of Ginsbourger et al. 2010). Of some draws from l the one with the largest l / g is
 * suggested. Parameters that were always active together form a group with densities of its own, made from the trials that have it: so
 * conditions cost nothing, and interactions within a branch are kept. Several objectives: the tenth is taken by fronts (Ozaki et al. 2020). */
#include "fresh.h"
#include "ranking.h"
#include "tpe/groups.h"
#include "tpe/parzen.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_BELOW 25       /* good trials, however many there are */
#define MOST_ABOVE 1500     /* others that a density is made of */
#define YOUNG 25            /* the newest trials that weigh in full */
#define MANY_DIMS 10        /* of more, more candidates are drawn */
#define EARLIER_WEIGHT 10    /* trials of this search that halve the weight of those of earlier ones */
#define ROUNDS 10           /* of candidates, before a fresh point is taken */
#define DRAWS_A_CANDIDATE 20 /* infeasible or seen ones are drawn again */
#define MOST_CANDIDATES 1000

static const struct setting settings[] = {
    {"n_startup_trials", SETTING_INT, 10, 1, 10000, NULL, "Sobol points before the densities are asked"},
    {"n_candidates", SETTING_INT, 0, 0, MOST_CANDIDATES, NULL, "draws of which the best is suggested; 0: 24, and 64 above 10 parameters"},
    {"gamma", SETTING_FLOAT, 0.1, 0.01, 0.5, NULL, "part of the trials that counts as good, 25 of them at most"},
    {0},
};

/* --- the two sides */

struct sides {
    bool *below; /* of each trial of the history */
    size_t n_below, n_above;
    const struct ranking *earlier; /* of each earlier search */
};

static size_t count_below(const struct search *s, const struct ranking *r)
{
    size_t n = (size_t)ceil(settings_get(s->settings, "gamma") * (double)r->n);
    n = n < MOST_BELOW ? n : MOST_BELOW;
    return n < r->n_telling ? n : r->n_telling;
}

static void sides_init(struct sides *z, const struct search *s, const struct ranking *r, const struct ranking *earlier)
{
    *z = (struct sides){.below = x_calloc(s->n_history + 1, sizeof *z->below), .n_below = count_below(s, r), .earlier = earlier};
    for (size_t i = 0; i < z->n_below; i++)
        z->below[r->best[i] - s->history] = true;
    z->n_above = s->n_history - z->n_below;
}

/* The newest trials weigh 1, older ones less, down to 1/n. */
static void set_weights(double *weight, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double age = n > YOUNG + 1 ? (double)i / (double)(n - YOUNG - 1) : 1;
        weight[i] = i + YOUNG >= n ? 1 : 1 / (double)n + age * (1 - 1 / (double)n);
    }
}

/* Of many points evenly some, the last one among them. */
static size_t thin(const double **x, double *weight, size_t n)
{
    if (n <= MOST_ABOVE)
        return n;
    for (size_t i = 0; i < MOST_ABOVE; i++) {
        size_t from = (i + 1) * n / MOST_ABOVE - 1;
        x[i] = x[from];
        weight[i] = weight[from];
    }
    return MOST_ABOVE;
}

static bool has_group(const struct observation *o, const struct group *g)
{
    for (size_t k = 0; k < g->d; k++)
        if (isnan(o->x[g->dims[k]]))
            return false;
    return true;
}

/* The trials of earlier searches that were on this side there, that have the group. They weigh less the more trials this search has. */
static size_t add_earlier(const struct search *s, const struct sides *sides, bool below, const struct group *g, const double **x, double *weight)
{
    const double each = EARLIER_WEIGHT / (EARLIER_WEIGHT + (double)s->n_history);
    size_t n = 0;
    for (size_t j = 0; j < s->n_earlier; j++) {
        const struct ranking *r = &sides->earlier[j];
        const size_t good = count_below(s, r);
        for (size_t i = below ? 0 : good; i < (below ? good : r->n); i++)
            if (has_group(r->best[i], g)) {
                weight[n] = each;
                x[n++] = r->best[i]->x;
            }
    }
    return n;
}

static size_t count_earlier(const struct search *s)
{
    size_t n = 0;
    for (size_t j = 0; j < s->n_earlier; j++)
        n += s->earlier[j].n;
    return n;
}

/* The density of those trials of one side that have the group. */
static void side_density(struct parzen *z, const struct search *s, const struct sides *sides, bool below, const struct group *g)
{
    const size_t room = s->n_history + count_earlier(s) + 1;
    const double **x CLEANUP_FREE = x_calloc(room, sizeof *x);
    double *weight CLEANUP_FREE = x_calloc(room, sizeof *weight);
    const size_t n_earlier = add_earlier(s, sides, below, g, x, weight);
    size_t n = n_earlier;
    for (size_t i = 0; i < s->n_history; i++)
        if (sides->below[i] == below && !isnan(s->history[i].x[g->dims[0]]))
            x[n++] = s->history[i].x;
    set_weights(weight + n_earlier, n - n_earlier);
    n = thin(x, weight, n);
    parzen_init(z, below ? PARZEN_SHARP : PARZEN_SMOOTH, s->problem, g->dims, g->d, x, weight, n);
}

/* --- candidates */

struct hunt {
    const struct search *s;
    const struct seen *seen;
    struct groups groups;
    struct parzen *good, *bad; /* of each group */
    double **score;            /* of each group: of every candidate */
    struct rng rng;
    double *x, **point; /* candidates */
    size_t n, cap;
};

static void hunt_init(struct hunt *h, const struct search *s, const struct seen *seen, const struct sides *sides)
{
    size_t wanted = (size_t)settings_get(s->settings, "n_candidates");
    *h = (struct hunt){.s = s, .seen = seen, .rng = rng_new(s->seed, RNG_CANDIDATE, (uint64_t)s->cursor)};
    h->cap = wanted ? wanted : s->problem->n_dims > MANY_DIMS ? 64 : 24;
    groups_init(&h->groups, s->problem, s->history, s->n_history);
    h->good = x_calloc(h->groups.n + 1, sizeof *h->good);
    h->bad = x_calloc(h->groups.n + 1, sizeof *h->bad);
    h->score = x_calloc(h->groups.n + 1, sizeof *h->score);
    for (size_t k = 0; k < h->groups.n; k++) {
        side_density(&h->good[k], s, sides, true, &h->groups.list[k]);
        side_density(&h->bad[k], s, sides, false, &h->groups.list[k]);
        h->score[k] = x_calloc(h->cap, sizeof **h->score);
    }
    size_t d = (size_t)s->problem->n_dims;
    h->x = x_calloc(h->cap * d, sizeof *h->x);
    h->point = x_calloc(h->cap, sizeof *h->point);
    for (size_t i = 0; i < h->cap; i++)
        h->point[i] = h->x + i * d;
}

static void hunt_release(struct hunt *h)
{
    for (size_t k = 0; k < h->groups.n; k++) {
        parzen_release(&h->good[k]);
        parzen_release(&h->bad[k]);
        free(h->score[k]);
    }
    free(h->good);
    free(h->bad);
    free(h->score);
    groups_release(&h->groups);
    free(h->x);
    free(h->point);
}

static bool acceptable(const struct hunt *h, const double *x)
{
    const struct problem *p = h->s->problem;
    return (!p->feasible || p->feasible(p->ctx, x)) && !seen_has(h->seen, p, x);
}

static void draw_candidates(struct hunt *h)
{
    const struct problem *p = h->s->problem;
    h->n = 0;
    for (size_t i = 0; i < h->cap * DRAWS_A_CANDIDATE && h->n < h->cap; i++) {
        double *x = h->point[h->n];
        for (int k = 0; k < p->n_dims; k++)
            x[k] = 0.5; /* those without a choice */
        for (size_t k = 0; k < h->groups.n; k++)
            parzen_draw(&h->good[k], &h->rng, x);
        p->snap(p->ctx, x);
        h->n += acceptable(h, x);
    }
}

/* ln l - ln g of one group for every candidate; -INFINITY where it is inactive. */
static void score_group(struct hunt *h, size_t k)
{
    const struct group *g = &h->groups.list[k];
    const double **x CLEANUP_FREE = x_calloc(h->n + 1, sizeof *x);
    double *good CLEANUP_FREE = x_calloc(h->n + 1, sizeof *good), *bad CLEANUP_FREE = x_calloc(h->n + 1, sizeof *bad);
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        if (!isnan(h->point[i][g->dims[0]]))
            x[n++] = h->point[i];
    parzen_log_density(&h->good[k], x, n, good);
    parzen_log_density(&h->bad[k], x, n, bad);
    for (size_t i = h->n; i-- > 0;)
        h->score[k][i] = isnan(h->point[i][g->dims[0]]) ? -INFINITY : (n--, good[n] - bad[n]);
}

static size_t best_of(const double *score, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (score[i] > score[best])
            best = i;
    return best;
}

/* The best part of every group put together; if that may not be, the candidate whose parts are best on the whole. */
static double choose(struct hunt *h, double *x)
{
    const struct problem *p = h->s->problem;
    double *total CLEANUP_FREE = x_calloc(h->n, sizeof *total), sum = 0;
    memcpy(x, h->point[0], (size_t)p->n_dims * sizeof *x);
    for (size_t k = 0; k < h->groups.n; k++) {
        const struct group *g = &h->groups.list[k];
        score_group(h, k);
        size_t best = best_of(h->score[k], h->n);
        for (size_t q = 0; q < g->d; q++)
            x[g->dims[q]] = h->point[best][g->dims[q]];
        for (size_t i = 0; i < h->n; i++)
            total[i] += isinf(h->score[k][i]) ? 0 : h->score[k][i];
    }
    p->snap(p->ctx, x);
    if (acceptable(h, x)) {
        for (size_t k = 0; k < h->groups.n; k++)
            if (!isnan(x[h->groups.list[k].dims[0]]))
                sum += h->score[k][best_of(h->score[k], h->n)];
        return sum;
    }
    size_t best = best_of(total, h->n);
    memcpy(x, h->point[best], (size_t)p->n_dims * sizeof *x);
    return total[best];
}

static bool ask_densities(const struct search *s, const struct seen *seen, const struct ranking *r, struct suggestion *out)
{
    struct sides sides;
    struct hunt h;
    struct ranking *earlier CLEANUP_FREE = x_calloc(s->n_earlier + 1, sizeof *earlier);
    for (size_t j = 0; j < s->n_earlier; j++)
        ranking_init_earlier(&earlier[j], s->problem, &s->earlier[j], MOST_BELOW);
    sides_init(&sides, s, r, earlier);
    hunt_init(&h, s, seen, &sides);
    for (int i = 0; i < ROUNDS && h.n == 0; i++)
        draw_candidates(&h);
    if (h.n > 0) {
        out->acquisition = choose(&h, out->x);
        out->cursor = s->cursor + 1;
        (void)snprintf(out->how, sizeof out->how, "Parzen estimator");
        (void)snprintf(out->note, sizeof out->note, "best of %zu draws from the density of the %zu best trials, against that of the %zu others",
                       h.n, sides.n_below, sides.n_above);
    }
    bool found = h.n > 0;
    for (size_t j = 0; j < s->n_earlier; j++)
        ranking_release(&earlier[j]);
    hunt_release(&h);
    free(sides.below);
    return found;
}

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    (void)cache;
    struct seen seen;
    struct ranking ranking;
    seen_init(&seen, s);
    ranking_init(&ranking, s, MOST_BELOW);
    const size_t n_startup = (size_t)settings_get(s->settings, "n_startup_trials");
    const char *how = "initial design";
    enum err err = OK;
    /* half of the first trials must have ended: the densities need something to tell good from bad by */
    const size_t known = count_earlier(s);
    bool ready = known + s->n_history >= n_startup && 2 * (known + ranking.n) >= n_startup;
    if (ready)
        how = "spread"; /* if all that the densities offer was seen */
    if (!ready || !ask_densities(s, &seen, &ranking, out))
        err = fresh_point(s, &seen, how, out, error);
    ranking_release(&ranking);
    seen_release(&seen);
    return err;
}

const struct algorithm algorithm_tpe = {
    .name = "tpe",
    .title = "Parzen estimator (TPE)",
    .about = "Tree-structured Parzen estimator (Bergstra et al. 2011), multivariate (Falkner et al. 2018), with groups for conditions.",
    .settings = settings,
    .needs_history = true,
    .is_slow = true,
    .suggest = suggest,
};
