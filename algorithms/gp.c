/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bayesian optimisation by a Gaussian process (Jones, Schonlau, Welch 1998), by the recipe of algorithms/README.md: scrambled Sobol points
 * at first; then the half-rank warp, Matern-5/2 with MAP hyperparameters (gp/chain.h), running trials as kriging believers, failed ones as
 * the worst value; and by a coin for every suggestion the logarithm of the expected improvement or the confidence bound. Two or three
 * objectives have a model each, and the expected improvement of their hypervolume. */
#include "fresh.h"
#include "gp/chain.h"
#include "gp/guide.h"
#include "gp/models.h"
#include "gp/subset.h"
#include "math/array.h"
#include "math/pareto.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GOOD_POINTS 5        /* that candidates are drawn around */
#define INCUMBENTS 50        /* feasible trials of which one is to be improved on */

/* When the last trials gained little, some suggestions must leave a value of a categorical that the best point has: a model is soon sure of
 * how the others compare, from a few trials far from their own optimum. */
#define STALL_TRIALS 4
#define STALL_GAIN 0.02      /* standard deviations of the target */
#define DETOURS (1.0 / 3)

/* When it expects nothing more at all, a second search begins (gp/elsewhere.h). */
#define NEXT_TO_NOTHING (-6) /* ln of the expected improvement, in standard deviations of the target */
#define PART_ELSEWHERE 0.7
#define FEW_ELSEWHERE 5      /* trials that it begins with */

enum choice { CHOICE_MIXED, CHOICE_EI, CHOICE_BOUND };

static const char *const choices[] = {[CHOICE_MIXED] = "mixed", [CHOICE_EI] = "ei", [CHOICE_BOUND] = "bound", NULL};

static const struct setting settings[] = {
    {"n_initial_points", SETTING_INT, 0, 0, 10000, NULL, "Sobol points before the model is asked; 0: by the number of parameters, and of values, 5 to 12"},
    {"acquisition", SETTING_CHOICE, CHOICE_MIXED, 0, 0, choices,
     "ei: expected improvement; bound: confidence bound; mixed: a coin between them for every suggestion"},
    {0},
};

/* --- one objective */

static enum acquisition_kind toss(const struct search *s)
{
    enum choice choice = (enum choice)settings_get(s->settings, "acquisition");
    struct rng r = rng_new(s->seed, RNG_COIN, (uint64_t)s->cursor);
    if (choice == CHOICE_MIXED)
        return rng_uniform(&r) < 0.5 ? ACQUISITION_LOG_EI : ACQUISITION_BOUND;
    return choice == CHOICE_EI ? ACQUISITION_LOG_EI : ACQUISITION_BOUND;
}

/* The lowest mean of those trials that may be it: the best few by what was measured. */
static double lowest_feasible_mean(const struct gp_history *h, struct models *k, const size_t *order)
{
    double lowest = INFINITY, point[GP_MAX_DIMS];
    for (size_t i = 0; i < k->n_feasible && i < INCUMBENTS; i++) {
        gp_space_encode(h->space, h->finished[order[i]]->x, point);
        lowest = fmin(lowest, gp_model_mean(&k->model[0], point));
    }
    return lowest;
}

/* A probability can only be weighed against an improvement, and a cost too; before anything is feasible, by a coin what might be comes first. */
static void aim_within_bounds(const struct gp_history *h, struct models *k, struct acquisition *a)
{
    if (a->kind == ACQUISITION_BOUND && (h->search->problem->n_bounds || a->cost))
        a->kind = ACQUISITION_LOG_EI;
    if (k->n_feasible || !k->n_bounds)
        return;
    a->optimism = toss(h->search) == ACQUISITION_BOUND ? GP_BETA : 0;
    a->kind = ACQUISITION_FEASIBLE;
}

/* The best finished points; with a detour those that take it, if there are any. */
static size_t good_points(const struct gp_history *h, const struct hunt *hunt, const size_t *order, const double **good)
{
    size_t n = 0;
    for (int all = 0; all < 2 && !n; all++)
        for (size_t i = 0; i < h->n_finished && n < GOOD_POINTS; i++)
            if (all || !hunt_avoids(hunt, h->finished[order[i]]->x))
                good[n++] = h->finished[order[i]]->x;
    return n;
}

static bool stalled(const struct gp_set *set)
{
    double best = INFINITY, before = INFINITY;
    for (size_t i = 0; i < set->n; i++) {
        best = fmin(best, set->y[i]);
        if (i + STALL_TRIALS < set->n)
            before = fmin(before, set->y[i]);
    }
    return before - best < STALL_GAIN;
}

/* Draws whether, and which categorical. */
static void plan_detour(const struct gp_history *h, const struct gp_set *set, const double *best, struct hunt *hunt)
{
    const struct gp_space *space = h->space;
    struct rng r = rng_new(h->search->seed, RNG_DETOUR, (uint64_t)h->search->cursor);
    int dim[GP_MAX_DIMS], n = 0;
    if (!stalled(set) || rng_uniform(&r) >= DETOURS)
        return;
    for (size_t k = 0; k < space->d; k++)
        if (space->categorical[k] && !isnan(best[space->dim[k]]))
            dim[n++] = space->dim[k];
    if (!n)
        return;
    hunt->avoid = dim[rng_next(&r) % (uint64_t)n];
    hunt->avoid_level = gp_space_level(space->problem, hunt->avoid, best[hunt->avoid]);
}

static void aim_at_best(const struct gp_history *h, struct models *k, struct acquisition *a, struct hunt *hunt, const double **good)
{
    size_t *order CLEANUP_FREE = x_calloc(h->n_finished + 1, sizeof *order);
    subset_by_value(&k->merit, order);
    a->kind = toss(h->search);
    a->incumbent = h->search->problem->n_bounds && k->n_feasible ? lowest_feasible_mean(h, k, order) : gp_model_lowest_mean(&k->model[0]);
    aim_within_bounds(h, k, a);
    plan_detour(h, &k->merit, h->finished[order[0]]->x, hunt);
    hunt->n_good = good_points(h, hunt, order, good);
    if (hunt->avoid < 0)
        return;
    for (size_t i = 0; i < h->n_finished; i++) /* the best of those that take it is what is to be improved */
        if (!hunt_avoids(hunt, h->finished[order[i]]->x)) {
            a->incumbent = fmax(a->incumbent, k->set[0].y[order[i]]);
            return;
        }
}

/* --- several objectives */

/* What the models expect of all trials that may be used, the running ones too: n rows of m. */
static double *expectations(const struct gp_history *h, struct models *k, const struct observation **trial, size_t *n)
{
    double *y = array_new((h->n_finished + h->n_pending + 1) * (size_t)k->n_targets), point[GP_MAX_DIMS];
    *n = 0;
    for (size_t i = 0; i < h->n_finished + h->n_pending; i++) {
        const struct observation *o = i < h->n_finished ? h->finished[i] : h->pending[i - h->n_finished];
        if (h->search->problem->n_bounds && o->state != OBSERVATION_PENDING && !models_feasible(o))
            continue;
        trial[*n] = o;
        gp_space_encode(h->space, o->x, point);
        for (int j = 0; j < k->n_targets; j++)
            y[*n * (size_t)k->n_targets + (size_t)j] = gp_model_mean(&k->model[j], point);
        ++*n;
    }
    return y;
}

/* Well beyond the ends of the front, so that these count too, and not better than the average trial. */
static void find_reference(const double *const *y, const size_t *order, const int *front, size_t n, int m, double *reference)
{
    for (int j = 0; j < m; j++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < n && front[i] == 0; i++) {
            low = fmin(low, y[order[i]][j]);
            high = fmax(high, y[order[i]][j]);
        }
        reference[j] = fmax(high + 0.5 * (high - low), 0) + 1e-6;
    }
}

static size_t aim_at_front(const struct gp_history *h, struct models *k, struct acquisition *a, struct hunt *hunt, const double **good)
{
    size_t n, n_front = 0;
    const struct observation **trial CLEANUP_FREE = x_calloc(h->n_finished + h->n_pending + 1, sizeof *trial);
    double *values CLEANUP_FREE = expectations(h, k, trial, &n), reference[BOXES_MAX_OBJECTIVES];
    const double **y CLEANUP_FREE = x_calloc(n + 1, sizeof *y);
    size_t *order CLEANUP_FREE = x_calloc(n + 1, sizeof *order);
    int *front CLEANUP_FREE = x_calloc(n + 1, sizeof *front);
    for (size_t i = 0; i < n; i++)
        y[i] = values + i * (size_t)k->n_targets;
    pareto_sort(y, n, k->n_targets, 1, order, front);
    while (n_front < n && front[n_front] == 0)
        n_front++;
    find_reference(y, order, front, n, k->n_targets, reference);
    for (size_t i = 0; i < n_front; i++)
        y[i] = values + order[i] * (size_t)k->n_targets;
    a->kind = ACQUISITION_LOG_EHVI;
    aim_within_bounds(h, k, a);
    boxes_init(&a->boxes, y, n_front, k->n_targets, reference);
    const struct rng r = rng_new(h->search->seed, RNG_WEIGHT, (uint64_t)h->search->cursor);
    for (size_t i = 0; i < n_front && hunt->n_good < GOOD_POINTS; i++) {
        good[hunt->n_good++] = trial[order[rng_permute(r, n_front, i)]]->x;
    }
    if (hunt->n_good && a->kind != ACQUISITION_FEASIBLE)
        return n_front;
    size_t *by_merit CLEANUP_FREE = x_calloc(h->n_finished + 1, sizeof *by_merit);
    subset_by_value(&k->merit, by_merit);
    hunt->n_good = good_points(h, hunt, by_merit, good);
    return 0;
}

/* --- suggestions */

static double expected_cost(struct models *k, const struct acquisition *a, const double *point)
{
    return exp(k->warp[k->n_targets + k->n_bounds].middle + a->cost_scale * gp_model_mean(a->cost, point));
}

static void describe(const struct gp_history *h, struct models *k, const struct acquisition *a, const struct hunt *hunt, size_t n_front,
                     struct suggestion *out)
{
    static const char *const how[] = {[ACQUISITION_LOG_EI] = "expected improvement", [ACQUISITION_BOUND] = "confidence bound",
                                      [ACQUISITION_LOG_EHVI] = "hypervolume improvement",
                                      [ACQUISITION_FEASIBLE] = "search for a feasible point"};
    struct acquisition plain = *a;
    plain.optimism = 0;
    (void)snprintf(out->how, sizeof out->how, "%s", how[a->kind]);
    double point[GP_MAX_DIMS], mean, deviation;
    gp_space_encode(h->space, out->x, point);
    int at = snprintf(out->note, sizeof out->note, "model of %zu finished and %zu running trials", h->n_finished, h->n_pending);
    if (a->n_bounds)
        at += snprintf(out->note + at, sizeof out->note - (size_t)at, "; feasible with a probability of %.2f",
                       exp(acquisition_log_feasible(&plain, point, NULL, 0, NULL)));
    if (a->cost)
        at += snprintf(out->note + at, sizeof out->note - (size_t)at, "; cost expected %.3g", expected_cost(k, a, point));
    if (h->weight) {
        for (int j = 0; j < h->search->problem->n_objectives && at < SUGGESTION_NOTE - 20; j++)
            at += snprintf(out->note + at, sizeof out->note - (size_t)at, "%s%.2f", j ? ", " : "; weights of the objectives ", h->weight[j]);
        return; /* what it expects is of their mixture, which means nothing to people */
    }
    if (n_front)
        (void)snprintf(out->note + at, sizeof out->note - (size_t)at, "; %zu of them on the front", n_front);
    else if (hunt->elsewhere)
        (void)snprintf(out->note + at, sizeof out->note - (size_t)at, "; little more is expected near the best, so these are of a second search that leaves %zu %s alone",
                       hunt->elsewhere->n_peaks, hunt->elsewhere->n_peaks == 1 ? "place" : "places");
    else if (hunt->avoid >= 0)
        (void)snprintf(out->note + at, sizeof out->note - (size_t)at, "; little was gained lately, so it looks at other values of parameter %d",
                       hunt->avoid + 1);
    gp_model_predict(&k->model[0], point, &mean, &deviation, NULL, 0, NULL, NULL);
    out->expected = warp_back(&k->warp[0], mean);
    out->deviation = deviation * k->warp[0].slope;
}

static bool ask_model(const struct gp_history *h, const struct seen *seen, const struct elsewhere *elsewhere, void **cache, struct suggestion *out);

/* The model expects next to nothing of what it found. */
static bool has_converged(const struct gp_history *h, struct models *k, const struct acquisition *a, const double *x)
{
    double point[GP_MAX_DIMS];
    struct acquisition plain = {.kind = ACQUISITION_LOG_EI, .model = a->model, .incumbent = a->incumbent};
    if (k->n_targets > 1 || h->weight || a->kind == ACQUISITION_FEASIBLE)
        return false;
    gp_space_encode(h->space, x, point);
    return acquisition_at(&plain, point, NULL, 0, NULL) < NEXT_TO_NOTHING;
}

/* By a coin a suggestion of the second search. */
static bool ask_elsewhere(const struct gp_history *h, const struct seen *seen, const double *weight, struct suggestion *out)
{
    const struct search *s = h->search;
    struct rng r = rng_new(s->seed, RNG_ELSEWHERE, (uint64_t)s->cursor);
    struct elsewhere z;
    struct gp_history rest;
    if (rng_uniform(&r) >= PART_ELSEWHERE)
        return false;
    const double acquisition = out->acquisition;
    bool found = elsewhere_init(&z, s, h->space, weight);
    if (found && z.n_finished < FEW_ELSEWHERE)
        found = fresh_point(s, seen, "restart", out, NULL) == OK;
    else if (found) {
        struct search part = *s;
        part.history = z.rest;
        part.n_history = z.n;
        gp_history_init(&rest, &part, h->space);
        found = ask_model(&rest, seen, &z, NULL, out);
        gp_history_release(&rest);
    }
    elsewhere_release(&z);
    if (!found)
        out->acquisition = acquisition; /* x is as it was */
    return found;
}

static bool ask_model(const struct gp_history *h, const struct seen *seen, const struct elsewhere *elsewhere, void **cache, struct suggestion *out)
{
    const struct search *s = h->search;
    struct models *k CLEANUP_FREE = X_NEW(struct models);
    bool found = false;
    if (models_init(k, h, cache)) {
        const double *good[GOOD_POINTS];
        struct acquisition a = {.kind = ACQUISITION_LOG_EI};
        models_aim(k, &a);
        struct hunt hunt = {.space = h->space, .acquisition = &a, .seen = seen, .good = good, .avoid = -1, .elsewhere = elsewhere,
                            .seed = rng_mix(s->seed ^ rng_mix((uint64_t)s->cursor))};
        size_t n_front = 0;
        if (k->n_targets > 1)
            n_front = aim_at_front(h, k, &a, &hunt, good);
        else
            aim_at_best(h, k, &a, &hunt, good);
        found = hunt_best(&hunt, out->x, &out->acquisition);
        bool goes_away = found && !elsewhere && has_converged(h, k, &a, out->x) && ask_elsewhere(h, seen, k->model[0].weight, out);
        if (found && !goes_away) {
            out->cursor = s->cursor + 1;
            describe(h, k, &a, &hunt, n_front, out);
        }
        boxes_release(&a.boxes);
    }
    models_release(k);
    return found;
}

static size_t initial_points(const struct search *s, const struct gp_space *space)
{
    size_t n = (size_t)settings_get(s->settings, "n_initial_points");
    if (n)
        return n;
    size_t values = 0; /* of categoricals: each is to be met, and not by its worst alone */
    for (size_t k = 0; k < space->d; k++)
        if (space->categorical[k])
            values += (size_t)s->problem->dims[space->dim[k]].n_levels - 1;
    n = 4 + space->d / 4 + 3 * values / 2;
    n = n < 5 ? 5 : n > 12 ? 12 : n;
    return s->n_earlier ? (n + 1) / 2 : n; /* that much is known already */
}

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    struct gp_space space;
    struct gp_history h;
    struct seen seen;
    gp_space_init(&space, s->problem);
    gp_history_init(&h, s, &space);
    struct gp_guide *guides = gp_guides_new(&h, cache);
    h.guide = guides;
    seen_init(&seen, s);
    const size_t n_initial = initial_points(s, &space);
    const char *how = "initial design";
    enum err err = OK;
    /* failed trials teach too, but a model needs values: half of the initial points must have given one */
    bool ready = s->n_history >= n_initial && 2 * h.n_valued >= n_initial;
    if (ready)
        how = "spread"; /* if the model has nothing to offer: all values are equal, or it finds nothing new */
    if (!ready || !ask_model(&h, &seen, NULL, cache, out))
        err = fresh_point(s, &seen, how, out, error);
    seen_release(&seen);
    gp_guides_free(guides, h.n_targets);
    gp_history_release(&h);
    return err;
}

const struct algorithm algorithm_gp = {
    .name = "gp",
    .title = "Gaussian process",
    .about = "Bayesian optimisation with a Gaussian process (Jones, Schonlau, Welch 1998; log expected improvement of Ament et al. 2023; "
             "hypervolume improvement of two or three objectives, Emmerich 2005; ParEGO of more, Knowles 2006).",
    .settings = settings,
    .needs_history = true,
    .is_slow = true,
    .max_dims = GP_MAX_DIMS,
    .suggest = suggest,
    .cache_free = chain_free,
};
