/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BOHB (Falkner, Klein and Hutter, "BOHB: robust and efficient hyperparameter optimization at scale", 2018): Hyperband stops trials, a model proposes
 * them. The model is one of the searches here; what this file does is to say what it learns from.
 *
 * It learns from the values at one step, the furthest one that enough trials have come to: values of different steps are never mixed. The paper drops
 * trials that were stopped before that step, and so proposes their like again. Here they enter with the value that stands, among those of
 * the step, where theirs stood among the values of the last step they came to, but never better than the middle: they were stopped. */
#include "base/mem.h"
#include "fresh.h"
#include "math/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_VALUES 6

static const char *const models[] = {"tpe", "gp", "auto", NULL};
static const struct setting settings[] = {
    {"reduction_factor", SETTING_INT, 3, 2, 100, NULL, "as of the stopping rule: rungs are at min_resource * reduction_factor^k"},
    {"min_resource", SETTING_INT, 1, 1, 1e12, NULL, "step of the first rung"},
    {"max_resource", SETTING_INT, 81, 1, 1e12, NULL, "step at which a trial ends by itself"},
    {"model", SETTING_CHOICE, 0, 0, 0, models, "the search that proposes points"},
    {"random_fraction", SETTING_FLOAT, 0.15, 0, 1, NULL, "share of the points that no model proposes"},
    {"min_points", SETTING_INT, 0, 0, 10000, NULL, "values at a step, from which on the model learns from it; 0: two more than parameters, at least 6"},
    {0},
};

static size_t fidelities(const struct settings *s, int64_t steps[MAX_FIDELITIES])
{
    const int64_t eta = (int64_t)settings_get(s, "reduction_factor"), top = (int64_t)settings_get(s, "max_resource");
    size_t n = 0;
    for (int64_t step = (int64_t)settings_get(s, "min_resource"); step < top && n < MAX_FIDELITIES - 1; step = step > INT64_MAX / eta ? INT64_MAX : step * eta)
        steps[n++] = step;
    steps[n++] = top;
    return n;
}

/* The value at a step: a trial that completed without a report there has its result. */
static double value_at(const struct observation *o, size_t k)
{
    const double value = o->at ? o->at[k] : NAN;
    return isnan(value) && o->state == OBSERVATION_DONE ? o->y[0] : value;
}

static bool is_known(const struct observation *o)
{
    return o->state == OBSERVATION_DONE || o->state == OBSERVATION_PRUNED || o->state == OBSERVATION_PENDING;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The finite values at step k, sorted; malloced. */
static double *values_at(const struct search *s, size_t k, size_t *n)
{
    double *values = x_malloc((s->n_history + 1) * sizeof *values);
    *n = 0;
    for (size_t i = 0; i < s->n_history; i++) {
        const double value = is_known(&s->history[i]) ? value_at(&s->history[i], k) : NAN;
        if (isfinite(value))
            values[(*n)++] = value;
    }
    qsort(values, *n, sizeof *values, ascending);
    return values;
}

/* --- what the model is shown */

struct shown {
    struct observation *items;
    double *y;
    size_t n_steps, k; /* the step it learns from */
    int64_t step;
    size_t n_values;
};

/* The furthest step with enough values; false if none has. */
static bool choose_step(const struct search *s, struct shown *shown)
{
    const size_t given = (size_t)settings_get(s->settings, "min_points"), d = (size_t)s->problem->n_dims + 2;
    const size_t least = given ? given : d > LEAST_VALUES ? d : LEAST_VALUES;
    int64_t steps[MAX_FIDELITIES];
    shown->n_steps = fidelities(s->settings, steps);
    for (shown->k = shown->n_steps; shown->k-- > 0;) {
        free(values_at(s, shown->k, &shown->n_values));
        shown->step = steps[shown->k];
        if (shown->n_values >= least)
            return true;
    }
    return false;
}

/* Where the value stands among `from`, there among `to`; not better than the middle of those. */
static double carried(double value, const double *from, size_t n_from, const double *to, size_t n_to)
{
    size_t below = 0;
    while (below < n_from && from[below] < value)
        below++;
    const double share = fmax(0.5, n_from > 1 ? (double)below / (double)(n_from - 1) : 1);
    const double place = fmin(share, 1) * (double)(n_to - 1);
    const size_t i = (size_t)place;
    return i + 1 < n_to ? to[i] + (place - (double)i) * (to[i + 1] - to[i]) : to[n_to - 1];
}

/* A trial that ended, or waits, before the step: its last value of an earlier one, carried over. */
static void show_stopped(const struct search *s, const struct shown *shown, double *const *values, const size_t *n_values, size_t i)
{
    const struct observation *o = &s->history[i];
    for (size_t k = shown->k; k-- > 0;) {
        const double value = value_at(o, k);
        if (isnan(value))
            continue;
        shown->y[i] = carried(isfinite(value) ? value : INFINITY, values[k], n_values[k], values[shown->k], n_values[shown->k]);
        shown->items[i].state = OBSERVATION_DONE;
        return;
    }
    shown->items[i].state = OBSERVATION_PRUNED; /* it came to no step */
}

static void show(const struct search *s, struct shown *shown)
{
    double *values[MAX_FIDELITIES];
    size_t n_values[MAX_FIDELITIES];
    for (size_t k = 0; k <= shown->k; k++)
        values[k] = values_at(s, k, &n_values[k]);
    for (size_t i = 0; i < s->n_history; i++) {
        const struct observation *o = &s->history[i];
        const double value = is_known(o) ? value_at(o, shown->k) : NAN;
        shown->items[i] = *o;
        shown->items[i].y = &shown->y[i];
        shown->items[i].y_se = NAN;
        shown->y[i] = NAN;
        if (o->state == OBSERVATION_INFEASIBLE || o->state == OBSERVATION_FAILED) {
            shown->y[i] = o->y[0];
        } else if (!isnan(value)) {
            shown->y[i] = isfinite(value) ? value : values[shown->k][n_values[shown->k] - 1];
            shown->items[i].state = OBSERVATION_DONE;
        } else if (o->state == OBSERVATION_PRUNED) {
            show_stopped(s, shown, values, n_values, i);
        }
    }
    for (size_t k = 0; k <= shown->k; k++)
        free(values[k]);
}

/* --- a suggestion */

static enum err ask_model(const struct search *s, const struct algorithm *model, const struct shown *shown, void **cache, struct suggestion *out,
                          struct error *error)
{
    struct settings defaults;
    struct problems ignored = {0};
    settings_read(&defaults, model->settings, NULL, "", &ignored);
    struct search part = *s;
    part.settings = &defaults;
    part.history = shown->items;
    enum err err = algorithm_suggest(model, &part, model->cache_free ? cache : NULL, out, error);
    char how[sizeof out->how], note[sizeof out->note];
    memcpy(how, out->how, sizeof how);
    memcpy(note, out->note, sizeof note);
    (void)snprintf(out->how, sizeof out->how, "%s: %.24s", model->name, how);
    (void)snprintf(out->note, sizeof out->note, "From %zu values at step %lld.%s%.300s", shown->n_values, (long long)shown->step, *note ? " " : "", note);
    return err;
}

static enum err suggest_fresh(const struct search *s, const char *how, struct suggestion *out, struct error *error)
{
    struct seen seen;
    seen_init(&seen, s);
    enum err err = fresh_point(s, &seen, how, out, error);
    seen_release(&seen);
    return err;
}

/* A cache is of one model, and an experiment has one. */
struct memo {
    const struct algorithm *owner;
    void *part;
};

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    struct rng r = rng_new(s->seed, RNG_COIN, (uint64_t)s->cursor);
    struct shown shown = {0};
    if (!choose_step(s, &shown))
        return suggest_fresh(s, "initial design", out, error);
    if (rng_uniform(&r) < settings_get(s->settings, "random_fraction"))
        return suggest_fresh(s, "exploration", out, error);
    const struct algorithm *model = algorithm_find(models[(int)settings_get(s->settings, "model")]);
    struct memo *memo = cache ? *cache : NULL;
    if (cache && !memo) {
        memo = X_NEW(struct memo);
        memo->owner = model;
        *cache = memo;
    }
    struct observation *items CLEANUP_FREE = x_calloc(s->n_history, sizeof *items);
    double *y CLEANUP_FREE = x_calloc(s->n_history, sizeof *y);
    shown.items = items;
    shown.y = y;
    show(s, &shown);
    return ask_model(s, model, &shown, memo ? &memo->part : NULL, out, error);
}

static void memo_free(void *cache)
{
    struct memo *m = cache;
    if (m->part)
        m->owner->cache_free(m->part);
    free(m);
}

const struct algorithm algorithm_bohb = {
    .name = "bohb",
    .title = "BOHB",
    .about = "A model proposes, from the values at the furthest step that enough trials have come to, and Hyperband stops (Falkner, Klein and Hutter 2018).",
    .settings = settings,
    .needs_history = true,
    .is_slow = true,
    .max_objectives = 1,
    .stopping = "hyperband",
    .fidelities = fidelities,
    .suggest = suggest,
    .cache_free = memo_free,
};
