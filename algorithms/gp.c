/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bayesian optimisation by a Gaussian process (Jones, Schonlau, Welch 1998), by the recipe of algorithms/README.md: scrambled Sobol points
 * at first; then the half-rank warp, Matern-5/2 with MAP hyperparameters, running trials as kriging believers, failed ones as the worst
 * value; and by a coin for every suggestion the logarithm of the expected improvement or the confidence bound.
 *
 * Hyperparameters are fitted from scratch at every suggestion, along a chain: those of the first 16 finished trials start the fit of the
 * first 32, these that of 64, and so on to all. So they are a function of the history, cost little more than the last fit, and each link
 * can be cached under a hash of all that it depends on. */
#include "gp/acquire.h"
#include "gp/fit.h"
#include "gp/history.h"
#include "gp/subset.h"
#include "grid.h"
#include "math/sobol.h"
#include "sequence.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_START 16
#define CHAIN_LINKS 6        /* cached: 16, 32, 64, 128, 256, and the last one */
#define FIT_ROWS 256         /* of more, the hyperparameters come from a subset */
#define MODEL_ROWS 400       /* of more, the predictions do */
#define MAX_PENDING 200      /* running trials that the model is told of: the newest */
#define GOOD_POINTS 5        /* that candidates are drawn around */
#define ENUMERATED 65536     /* configurations of a space that is walked to find one that is new */
#define FRESH_TRIES 200      /* Sobol points in a row that were all seen, before that */

enum choice { CHOICE_MIXED, CHOICE_EI, CHOICE_BOUND };

static const char *const choices[] = {[CHOICE_MIXED] = "mixed", [CHOICE_EI] = "ei", [CHOICE_BOUND] = "bound", NULL};

static const struct setting settings[] = {
    {"n_initial_points", SETTING_INT, 0, 0, 10000, NULL, "Sobol points before the model is asked; 0: by the number of parameters, 5 to 10"},
    {"acquisition", SETTING_CHOICE, CHOICE_MIXED, 0, 0, choices,
     "ei: expected improvement; bound: confidence bound; mixed: a coin between them for every suggestion"},
    {0},
};

/* Fits that were made, each under a hash of what it was made from. */
struct memo {
    uint64_t key[CHAIN_LINKS];
    struct gp_theta *theta[CHAIN_LINKS];
};

static void memo_free(void *cache)
{
    struct memo *m = cache;
    for (int i = 0; m && i < CHAIN_LINKS; i++)
        free(m->theta[i]);
    free(m);
}

static uint64_t hash_doubles(uint64_t key, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        key = rng_mix(key ^ bits) + 0x9e3779b97f4a7c15u;
    }
    return key;
}

static uint64_t hash_set(const struct gp_set *s, uint64_t key)
{
    for (size_t k = 0; k < s->d; k++)
        key = hash_doubles(key, s->x + k * s->cap, s->n);
    return hash_doubles(hash_doubles(key, s->y, s->n), s->extra, s->n);
}

/* --- hyperparameters */

static void fit_set(const struct gp_history *h, const struct gp_set *set, size_t m, const struct gp_theta *previous, void **cache, int link,
                    struct gp_theta *theta)
{
    struct memo *memo = cache ? *cache : NULL;
    uint64_t key = hash_set(set, rng_mix(h->search->seed + m));
    if (previous)
        key = hash_doubles(key, previous->v, set->d + 2);
    if (cache && !memo)
        *cache = memo = X_NEW(struct memo);
    if (memo && memo->theta[link] && memo->key[link] == key) {
        *theta = *memo->theta[link];
        return;
    }
    gp_fit_theta(set, previous, rng_new(h->search->seed, RNG_START, m), theta);
    if (!memo)
        return;
    if (!memo->theta[link])
        memo->theta[link] = X_NEW(struct gp_theta);
    *memo->theta[link] = *theta;
    memo->key[link] = key;
}

static void fit_first(const struct gp_history *h, size_t m, const struct gp_theta *previous, void **cache, int link,
                      struct gp_theta *theta)
{
    struct gp_set set, part;
    struct warp warp;
    if (!gp_history_set(h, m, &set, &warp))
        gp_fit_centre(h->space->d, theta);
    else if (m <= FIT_ROWS)
        fit_set(h, &set, m, previous, cache, link, theta);
    else {
        size_t row[FIT_ROWS];
        gp_set_subset(&set, row, subset_spread(&set, FIT_ROWS, row), h->space, &part);
        fit_set(h, &part, m, previous, cache, link, theta);
        gp_set_release(&part);
    }
    gp_set_release(&set);
    warp_release(&warp);
}

/* How many of n finished trials the hyperparameters are fitted to: with many, not every new one is worth a fit. */
static size_t fitted_to(size_t n)
{
    size_t every = n <= 150 ? 1 : n <= 300 ? 5 : n <= 1000 ? 20 : 100;
    return n - n % every;
}

static void find_theta(const struct gp_history *h, void **cache, struct gp_theta *theta)
{
    const size_t last = fitted_to(h->n_finished);
    struct gp_theta previous;
    bool has_previous = false;
    int link = 0;
    for (size_t m = CHAIN_START; m < last && m <= FIT_ROWS; m *= 2) {
        fit_first(h, m, has_previous ? &previous : NULL, cache, link++, theta);
        previous = *theta;
        has_previous = true;
    }
    fit_first(h, last, has_previous ? &previous : NULL, cache, CHAIN_LINKS - 1, theta);
}

/* --- the model */

/* The posterior of all that finished, and of what runs as believers. */
static void make_model(const struct gp_history *h, const struct gp_set *set, const struct gp_theta *theta, struct gp_model *m)
{
    size_t n_pending = h->n_pending < MAX_PENDING ? h->n_pending : MAX_PENDING;
    if (set->n <= MODEL_ROWS)
        gp_model_init(m, set, theta, n_pending);
    else {
        size_t row[MODEL_ROWS];
        struct gp_set part;
        gp_set_subset(set, row, subset_near(set, theta, MODEL_ROWS, row), h->space, &part);
        gp_model_init(m, &part, theta, n_pending);
        gp_set_release(&part);
    }
    double point[GP_MAX_DIMS];
    for (size_t i = h->n_pending - n_pending; i < h->n_pending; i++) {
        gp_space_encode(h->space, h->pending[i]->x, point);
        gp_model_believe(m, point);
    }
    gp_model_finish(m);
}

static size_t good_points(const struct gp_history *h, const struct gp_set *set, const double **good)
{
    size_t *order CLEANUP_FREE = x_calloc(set->n, sizeof *order), n = 0;
    subset_by_value(set, order);
    for (; n < set->n && n < GOOD_POINTS; n++)
        good[n] = h->finished[order[n]]->x;
    return n;
}

static enum acquisition_kind toss(const struct search *s)
{
    enum choice choice = (enum choice)settings_get(s->settings, "acquisition");
    struct rng r = rng_new(s->seed, RNG_COIN, (uint64_t)s->cursor);
    if (choice == CHOICE_MIXED)
        return rng_uniform(&r) < 0.5 ? ACQUISITION_LOG_EI : ACQUISITION_BOUND;
    return choice == CHOICE_EI ? ACQUISITION_LOG_EI : ACQUISITION_BOUND;
}

static void describe(const struct gp_history *h, const struct acquisition *a, const struct warp *warp, struct suggestion *out)
{
    (void)snprintf(out->how, sizeof out->how, "%s", a->kind == ACQUISITION_LOG_EI ? "expected improvement" : "confidence bound");
    int at = snprintf(out->note, sizeof out->note, "model of %zu finished and %zu running trials", h->n_finished, h->n_pending);
    if (h->weight) {
        for (int j = 0; j < h->search->problem->n_objectives && at < SUGGESTION_NOTE - 20; j++)
            at += snprintf(out->note + at, sizeof out->note - (size_t)at, "%s%.2f", j ? ", " : "; weights of the objectives ", h->weight[j]);
        return; /* what it expects is of their mixture, which means nothing to people */
    }
    double point[GP_MAX_DIMS], mean, deviation;
    gp_space_encode(h->space, out->x, point);
    gp_model_predict(a->model, point, &mean, &deviation, NULL, 0, NULL, NULL);
    out->expected = warp_back(warp, mean);
    out->deviation = deviation * warp->slope;
}

static bool ask_model(const struct gp_history *h, const struct seen *seen, void **cache, struct suggestion *out)
{
    const struct search *s = h->search;
    struct gp_set set;
    struct warp warp;
    struct gp_theta theta;
    struct gp_model model;
    bool found = false;
    if (gp_history_set(h, h->n_finished, &set, &warp)) {
        find_theta(h, cache, &theta);
        make_model(h, &set, &theta, &model);
        const double *good[GOOD_POINTS];
        struct acquisition a = {.kind = toss(s), .model = &model, .incumbent = gp_model_lowest_mean(&model)};
        struct hunt hunt = {.space = h->space, .acquisition = &a, .seen = seen, .good = good, .n_good = good_points(h, &set, good),
                            .seed = rng_mix(s->seed ^ rng_mix((uint64_t)s->cursor))};
        found = hunt_best(&hunt, out->x, &out->acquisition);
        if (found) {
            out->cursor = s->cursor + 1;
            describe(h, &a, &warp, out);
        }
        gp_model_release(&model);
    }
    gp_set_release(&set);
    warp_release(&warp);
    return found;
}

/* --- without the model */

/* The first configuration of a small space that was not seen, from a drawn one on. */
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

/* A point of the Sobol sequence that was not seen. */
static enum err fresh_point(const struct search *s, const struct seen *seen, const char *how, struct suggestion *out, struct error *error)
{
    struct search next = *s;
    enum err err = OK;
    for (int i = 0; i < FRESH_TRIES && !err; i++, next.cursor = out->cursor) {
        err = sequence_suggest(&next, sobol_point, how, out, error);
        if (!err && !seen_has(seen, s->problem, out->x))
            return OK;
    }
    struct grid g;
    grid_open(&g, s->problem, 0);
    if (g.n <= ENUMERATED)
        err = find_unseen(s, seen, &g, out, error);
    grid_close(&g);
    return err; /* of a larger space: the last point, again */
}

static size_t initial_points(const struct search *s, const struct gp_space *space)
{
    size_t n = (size_t)settings_get(s->settings, "n_initial_points");
    if (n)
        return n;
    n = space->d + 2;
    return n < 5 ? 5 : n > 10 ? 10 : n;
}

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    struct gp_space space;
    struct gp_history h;
    struct seen seen;
    gp_space_init(&space, s->problem);
    gp_history_init(&h, s, &space);
    seen_init(&seen, s);
    const size_t n_initial = initial_points(s, &space);
    const char *how = "initial design";
    enum err err = OK;
    /* failed trials teach too, but a model needs values: half of the initial points must have given one */
    bool ready = s->n_history >= n_initial && 2 * h.n_valued >= n_initial;
    if (ready)
        how = "spread"; /* if the model has nothing to offer: all values are equal, or it finds nothing new */
    if (!ready || !ask_model(&h, &seen, cache, out))
        err = fresh_point(s, &seen, how, out, error);
    seen_release(&seen);
    gp_history_release(&h);
    return err;
}

const struct algorithm algorithm_gp = {
    .name = "gp",
    .title = "Gaussian process",
    .about = "Bayesian optimisation with a Gaussian process (Jones, Schonlau, Welch 1998; log expected improvement of Ament et al. 2023; "
             "several objectives by ParEGO, Knowles 2006).",
    .settings = settings,
    .needs_history = true,
    .is_slow = true,
    .max_dims = GP_MAX_DIMS,
    .suggest = suggest,
    .cache_free = memo_free,
};
