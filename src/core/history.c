/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The trials of an experiment as algorithms see them, and a view of it for whoever analyses them. */
#include "core/state.h"

#include "analysis/outlook.h"

#include <math.h>
#include <string.h>

enum observation_state observation_state(enum trial_state s)
{
    switch (s) {
    case TRIAL_SUCCEEDED:
        return OBSERVATION_DONE;
    case TRIAL_PRUNED:
    case TRIAL_PAUSED:
        return OBSERVATION_PRUNED;
    case TRIAL_INFEASIBLE:
        return OBSERVATION_INFEASIBLE;
    case TRIAL_FAILED:
        return OBSERVATION_FAILED;
    default:
        return OBSERVATION_PENDING;
    }
}

/* Values of the objectives, smaller is better, and by how much the outcome constraints are exceeded. */
static void read_values(const struct spec *spec, const struct trial *t, double *y, double *excess, double *cost)
{
    y[0] = objective_rank(&spec->objectives[0], t->objective);
    if (spec->n_objectives == 1 && !spec->n_outcomes && !spec->cost_metric)
        return;
    json_t *metrics = json_loads(t->metrics, 0, NULL);
    for (size_t i = 1; i < spec->n_objectives; i++) {
        y[i] = NAN;
        if (number_from_json(json_object_get(metrics, spec->objectives[i].metric), &y[i]))
            y[i] = objective_rank(&spec->objectives[i], y[i]);
    }
    for (size_t i = 0; i < spec_n_bounds(spec); i++) {
        bool upper;
        double value = NAN;
        (void)number_from_json(json_object_get(metrics, spec_bound(spec, i, &upper)->metric), &value);
        excess[i] = spec_excess(spec, i, value);
    }
    if (spec->cost_metric)
        (void)number_from_json(json_object_get(metrics, spec->cost_metric), cost);
    json_decref(metrics);
}

static double duration(const struct trial *t)
{
    return t->start_ms > 0 && t->end_ms > t->start_ms ? (double)(t->end_ms - t->start_ms) / 1000 : NAN;
}

struct lineage lineage_of(const char *origin)
{
    json_t *o = json_loads(origin, 0, NULL);
    struct lineage l = {.member = json_integer_value(json_object_get(o, "member")),
                        .generation = json_integer_value(json_object_get(o, "generation")),
                        .parent = json_integer_value(json_object_get(o, "parent"))};
    json_decref(o);
    return l;
}

static bool add_observation(void *arg, const struct trial *t)
{
    struct history *h = arg;
    const struct spec *spec = h->plan->spec;
    /* lost and cancelled ones say nothing of the configuration; a foreign point has no coordinates */
    if (t->n_x != spec->space->n || t->state == TRIAL_LOST || t->state == TRIAL_CANCELLED)
        return true;
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->items = x_realloc(h->items, h->cap * sizeof *h->items);
        h->ids = x_realloc(h->ids, h->cap * sizeof *h->ids);
    }
    const size_t n_bounds = (size_t)h->plan->problem.n_bounds;
    double *x = x_malloc(t->n_x * sizeof *x), *y = x_malloc((spec->n_objectives + n_bounds) * sizeof *y), *excess = y + spec->n_objectives;
    double cost = spec->has_cost && !spec->cost_metric ? duration(t) : NAN;
    memcpy(x, t->x, t->n_x * sizeof *x);
    read_values(spec, t, y, excess, &cost);
    h->ids[h->n] = t->id;
    h->items[h->n++] = (struct observation){.number = t->number, .state = observation_state(t->state), .x = x, .y = y, .y_se = t->objective_se,
                                            .excess = n_bounds ? excess : NULL, .cost = cost};
    if (h->plan->algorithm->continues)
        h->items[h->n - 1].lineage = lineage_of(t->origin);
    return true;
}

void history_release(struct history *h)
{
    for (size_t i = 0; i < h->n; i++) {
        x_free(h->items[i].x);
        x_free(h->items[i].y);
        x_free(h->items[i].at);
    }
    free(h->items);
    free(h->ids);
}

/* What a trial had reported at the steps that the algorithm asks for. Who has not come to one has come to none beyond. */
static enum err load_at(const struct history *h, struct db *db, size_t which, const int64_t *steps, size_t n, struct error *error)
{
    const struct objective *first = &h->plan->spec->objectives[0];
    double *at = x_malloc(n * sizeof *at);
    enum err err = OK;
    bool found = true;
    h->items[which].at = at;
    for (size_t i = 0; i < n && !err; i++) {
        at[i] = NAN;
        if (found)
            err = measurement_at(db, h->ids[which], first->metric, steps[i], &at[i], &found, error);
        if (found)
            at[i] = isnan(at[i]) ? INFINITY : objective_rank(first, at[i]); /* it came there, and had diverged */
    }
    return err;
}

enum err history_load(struct history *h, struct db *db, int64_t experiment, struct error *error)
{
    enum err err = trial_history(db, experiment, add_observation, h, error);
    const struct algorithm *a = h->plan->algorithm;
    int64_t steps[MAX_FIDELITIES];
    const size_t n = a->fidelities ? a->fidelities(&h->plan->spec->algorithm_settings, steps) : 0;
    for (size_t i = 0; i < h->n && n && !err; i++)
        err = load_at(h, db, i, steps, n, error);
    return err;
}

/* --- for analysis */

struct core_view {
    struct plan *plan;
    struct history history;
};

enum err core_view_open(struct db *db, const struct experiment *e, struct core_view **out, struct error *error)
{
    json_t *document = json_loads(e->spec, 0, NULL);
    struct problems problems = {0};
    struct spec *spec = document ? spec_new(document, core_catalog(), &problems) : NULL;
    problems_release(&problems);
    json_decref(document);
    if (!spec)
        return err_set(error, ERR_INTERNAL, NULL, "the stored file of experiment %s cannot be read by this version", e->name);
    struct core_view *v = X_NEW(struct core_view);
    v->plan = plan_new(spec);
    v->history.plan = v->plan;
    enum err err = history_load(&v->history, db, e->id, error);
    if (err)
        core_view_close(v);
    else
        *out = v;
    return err;
}

void core_view_close(struct core_view *v)
{
    if (!v)
        return;
    history_release(&v->history);
    plan_unref(v->plan);
    free(v);
}

const struct spec *core_view_spec(const struct core_view *v)
{
    return v->plan->spec;
}

const struct problem *core_view_problem(const struct core_view *v)
{
    return &v->plan->problem;
}

const struct observation *core_view_history(const struct core_view *v, size_t *n)
{
    *n = v->history.n;
    return v->history.items;
}

/* --- what is still to come */

struct best_ranks {
    double rank[OUTLOOK_BEST];
    size_t n;
};

static bool take_rank(void *arg, const struct trial *t)
{
    struct best_ranks *b = arg;
    b->rank[b->n++] = t->rank;
    return b->n < OUTLOOK_BEST;
}

enum err core_outlook(struct db *db, const struct experiment *e, int64_t max_trials, size_t n_objectives, struct outlook *out, struct error *error)
{
    int64_t ended = 0;
    const int64_t succeeded = e->counts[TRIAL_SUCCEEDED];
    for (int i = 0; i < TRIAL_STATE_COUNT; i++)
        ended += trial_state_final((enum trial_state)i) ? e->counts[i] : 0;
    const int64_t left = max_trials > ended ? max_trials - ended : 0;
    *out = (struct outlook){.trials = experiment_state_final(e->state) ? 0 : max_trials ? left : succeeded, .improvement = NAN};
    struct best_ranks best = {0};
    if (n_objectives > 1 || succeeded < OUTLOOK_LEAST)
        return OK;
    enum err err = trial_leaderboard(db, e->id, OUTLOOK_BEST, take_rank, &best, error);
    if (!err) /* of those that are left, as many succeed as have of those that ended */
        out->improvement = outlook(best.rank, best.n, succeeded, (int64_t)ceil((double)out->trials * (double)succeeded / (double)(ended > 0 ? ended : 1)));
    return err;
}
