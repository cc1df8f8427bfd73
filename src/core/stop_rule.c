/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The curves that a stopping rule compares. Those of trials that ended are read from the store when first needed; those of live trials stand in
 * their live_trial. Both are functions of what is stored, however it came in, so that a restart changes no decision.
 *
 * Memory is bounded: of a trial the reports at its first MAX_STEPS steps, of ended trials the newest MAX_CURVES and the best, and no more
 * than MAX_POINTS reports together (32 MiB). */
#include "core/state.h"

#include <math.h>
#include <string.h>

#define MAX_CURVES 1000
#define MAX_STEPS 65536
#define MAX_POINTS (1 << 21)
#define PAGE 500
#define MAX_LOOKED 10000 /* ended trials looked through for curves: many may never have reported */

/* The trials whose reports are kept once they have ended. What was cancelled, lost or infeasible says nothing of its configuration. */
static const struct {
    const char *state;
    enum curve_end end;
} ends[TRIAL_STATE_COUNT] = {
    [TRIAL_SUCCEEDED] = {"SUCCEEDED", CURVE_COMPLETED},
    [TRIAL_PRUNED] = {"PRUNED", CURVE_PRUNED},
    [TRIAL_FAILED] = {"FAILED", CURVE_FAILED},
};

void series_release(struct series *s)
{
    free(s->step);
    free(s->value);
    *s = (struct series){.at = INT64_MIN, .asked = INT64_MIN};
}

/* Steps stay in order; a value of a newer attempt takes the place of an older one's. False if it is beyond what is kept. */
static bool series_put(struct series *s, int64_t step, double value)
{
    size_t at = s->n;
    while (at > 0 && s->step[at - 1] > step)
        at--;
    if (at > 0 && s->step[at - 1] == step) {
        s->value[at - 1] = value;
        return true;
    }
    if (at == MAX_STEPS)
        return false;
    s->n -= s->n == MAX_STEPS;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 32;
        s->step = x_realloc(s->step, s->cap * sizeof *s->step);
        s->value = x_realloc(s->value, s->cap * sizeof *s->value);
    }
    memmove(s->step + at + 1, s->step + at, (s->n - at) * sizeof *s->step);
    memmove(s->value + at + 1, s->value + at, (s->n - at) * sizeof *s->value);
    s->step[at] = step;
    s->value[at] = value;
    s->n++;
    return true;
}

/* --- from the store */

struct reading {
    struct series *series;
    const struct objective *objective;
    int64_t attempt, replicate;
};

static bool read_point(void *arg, const struct measurement *m) /* by step, then attempt */
{
    struct reading *r = arg;
    if (m->replicate != r->replicate)
        return true;
    (void)series_put(r->series, m->step, objective_rank(r->objective, m->value));
    r->series->asked = m->step;
    if (m->attempt == r->attempt)
        r->series->at = m->step;
    return true;
}

static enum err read_series(struct core *c, const struct live *l, int64_t trial_id, struct reading r, struct error *error)
{
    r.objective = &l->plan->spec->objectives[0];
    series_release(r.series);
    struct measurement_query q = {.trial_id = trial_id, .metric = r.objective->metric, .from_step = INT64_MIN};
    return measurement_list(c->db, &q, read_point, &r, error);
}

enum err stop_rule_load(struct core *c, const struct live *l, struct live_trial *t, struct error *error)
{
    if (t->series_loaded)
        return OK;
    const struct reading r = {.series = &t->series, .attempt = t->row->attempt, .replicate = t->row->replicate};
    enum err err = read_series(c, l, t->row->id, r, error);
    t->series_loaded = !err;
    return err;
}

/* --- of ended trials */

static bool too_many(const struct live *l)
{
    const size_t best_apart = l->n_curves && l->curves[0].number == l->row->best_number;
    return l->n_curves > 1 && (l->n_curves > MAX_CURVES + best_apart || l->n_points > MAX_POINTS);
}

/* All but the best. */
static void forget_oldest(struct live *l)
{
    struct curve *oldest = &l->curves[l->curves[0].number == l->row->best_number];
    x_free(oldest->step);
    x_free(oldest->value);
    l->n_points -= oldest->n;
    memmove(oldest, oldest + 1, (size_t)(l->curves + --l->n_curves - oldest) * sizeof *oldest);
}

/* Takes the arrays of `s`. False if others, or this one, had to be forgotten for it. */
static bool add_curve(struct live *l, struct curve fresh, struct series *s)
{
    if (!s->n) {
        series_release(s);
        return true;
    }
    if (l->n_curves == l->cap_curves) {
        l->cap_curves = l->cap_curves ? l->cap_curves * 2 : 16;
        l->curves = x_realloc(l->curves, l->cap_curves * sizeof *l->curves);
    }
    size_t at = l->n_curves++; /* kept by number, whatever the order trials end in */
    while (at > 0 && l->curves[at - 1].number > fresh.number) {
        l->curves[at] = l->curves[at - 1];
        at--;
    }
    fresh.step = x_realloc(s->step, s->n * sizeof *s->step);
    fresh.value = x_realloc(s->value, s->n * sizeof *s->value);
    fresh.n = s->n;
    l->curves[at] = fresh;
    l->n_points += s->n;
    s->step = NULL;
    s->value = NULL;
    series_release(s);
    bool all = !too_many(l);
    while (too_many(l))
        forget_oldest(l);
    return all;
}

struct found {
    int64_t id, attempt, replicate;
    struct curve curve;
};

struct page {
    struct found found[PAGE];
    size_t n;
};

static struct found note(const struct trial *t)
{
    return (struct found){.id = t->id,
                          .attempt = t->attempt,
                          .replicate = t->replicate,
                          .curve = {.number = t->number, .end = ends[t->state].end, .final = t->rank}};
}

static bool find_ended(void *arg, const struct trial *t)
{
    struct page *page = arg;
    page->found[page->n++] = note(t);
    return page->n < PAGE;
}

/* `*all`: there was room. */
static enum err load_curve(struct core *c, struct live *l, const struct found *f, bool *all, struct error *error)
{
    struct series s = {0};
    enum err err = read_series(c, l, f->id, (struct reading){.series = &s, .attempt = f->attempt, .replicate = f->replicate}, error);
    if (!err)
        *all = add_curve(l, f->curve, &s);
    series_release(&s);
    return err;
}

/* The best is kept however old it is. */
static enum err load_best(struct core *c, struct live *l, struct error *error)
{
    for (size_t i = 0; i < l->n_curves; i++)
        if (l->curves[i].number == l->row->best_number)
            return OK;
    struct trial *best;
    enum err err = l->row->best_number ? trial_get(c->db, l->id, l->row->best_number, &best, error) : ERR_NOT_FOUND;
    if (err)
        return err == ERR_NOT_FOUND ? OK : err;
    const struct found f = note(best);
    bool all;
    trial_free(best);
    return load_curve(c, l, &f, &all, error);
}

/* The newest first, as long as there is room. */
static enum err load_curves(struct core *c, struct live *l, struct error *error)
{
    char field[] = "state";
    struct filter state[5] = {[3] = {.op = FILTER_OR, .left = &state[0], .right = &state[1]}, [4] = {.op = FILTER_OR, .left = &state[3], .right = &state[2]}};
    for (size_t i = 0, n = 0; i < TRIAL_STATE_COUNT; i++)
        if (ends[i].state)
            state[n++] = (struct filter){.op = FILTER_EQ, .field = field, .text = (char *)(uintptr_t)ends[i].state, .number = NAN};
    struct page *page CLEANUP_FREE = x_malloc(sizeof *page);
    char *after CLEANUP_FREE = x_strdup("");
    bool room = true;
    enum err err = OK;
    for (size_t looked = 0; !err && room && after && looked < MAX_LOOKED; looked += PAGE) {
        struct list_query q = {.experiment_id = l->id, .filter = &state[4], .order_by = "-number", .after = after, .limit = PAGE};
        char *next = NULL;
        page->n = 0;
        err = trial_list(c->db, &q, find_ended, page, &next, error);
        for (size_t i = 0; i < page->n && room && !err; i++) {
            err = load_curve(c, l, &page->found[i], &room, error);
            room = room && l->n_curves < MAX_CURVES;
        }
        free(after);
        after = next;
    }
    if (!err)
        err = load_best(c, l, error);
    l->curves_loaded = !err;
    return err;
}

/* --- what happens to trials */

void stop_rule_started(struct live_trial *t, bool again)
{
    if (again) { /* what the attempt before had reported stands until it is reported anew */
        t->series.at = INT64_MIN;
        return;
    }
    series_release(&t->series);
    t->series_loaded = true;
}

bool stop_rule_measured(const struct live *l, struct live_trial *t, const struct measurement *m)
{
    const struct objective *first = &l->plan->spec->objectives[0];
    if (strcmp(m->metric, first->metric) != 0 || m->replicate != t->row->replicate)
        return false;
    bool kept = series_put(&t->series, m->step, objective_rank(first, m->value));
    if (m->step > t->series.at)
        t->series.at = m->step;
    if (!kept && m->step > t->series.asked) /* there is nothing to ask about it, as after a restart */
        t->series.asked = m->step;
    return kept;
}

enum err stop_rule_ended(struct core *c, struct live *l, struct live_trial *t, struct error *error)
{
    const enum trial_state state = t->row->state;
    if (!l->curves_loaded || !ends[state].state || !t->attempt) /* not loaded: it will be read with the others; no attempt: it was told whole */
        return OK;
    enum err err = stop_rule_load(c, l, t, error);
    if (!err)
        (void)add_curve(l, (struct curve){.number = t->number, .end = ends[state].end, .final = t->row->rank}, &t->series);
    return err;
}

void stop_rule_release(struct live *l)
{
    for (size_t i = 0; i < l->n_curves; i++) {
        x_free(l->curves[i].step);
        x_free(l->curves[i].value);
    }
    free(l->curves);
    l->curves = NULL;
    l->n_curves = l->cap_curves = l->n_points = 0;
    l->curves_loaded = false;
}

/* --- the question */

static struct curve live_curve(const struct live_trial *t)
{
    const enum curve_end end = t->row->state == TRIAL_PAUSED ? CURVE_PAUSED : CURVE_RUNS;
    return (struct curve){.number = t->number, .end = end, .final = NAN, .step = t->series.step, .value = t->series.value, .n = t->series.n};
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = ((const struct curve *)a)->number, y = ((const struct curve *)b)->number;
    return (x > y) - (x < y);
}

/* The ended and the others by number, malloced. */
static enum err list_others(struct core *c, struct live *l, const struct live_trial *but, struct curve **out, size_t *n, struct error *error)
{
    enum err err = l->curves_loaded ? OK : load_curves(c, l, error);
    if (err)
        return err;
    struct curve *others = x_malloc((l->n_curves + HASH_COUNT(l->trials)) * sizeof *others);
    *out = others;
    if (l->n_curves)
        memcpy(others, l->curves, l->n_curves * sizeof *others);
    *n = l->n_curves;
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    {
        if (t == but)
            continue;
        err = stop_rule_load(c, l, t, error);
        if (err)
            return err;
        if (t->series.n)
            others[(*n)++] = live_curve(t);
    }
    qsort(others, *n, sizeof *others, by_number);
    return OK;
}

enum err stop_rule(struct core *c, struct live *l, struct live_trial *t, struct stop_answer *answer, struct error *error)
{
    struct curve *others CLEANUP_FREE = NULL;
    size_t n = 0;
    enum err err = list_others(c, l, t, &others, &n, error);
    if (err)
        return err;
    struct curve own = live_curve(t);
    while (own.n && own.step[own.n - 1] > t->series.at)
        own.n--;
    const struct stop_question question = {.settings = &l->plan->spec->stopping_settings,
                                           .trial = &own,
                                           .asked = t->series.asked,
                                           .others = others,
                                           .n_others = n,
                                           .maximized = l->plan->spec->objectives[0].maximize};
    stopper_ask(l->plan->stopper, &question, answer);
    stop_rule_passed(t);
    return OK;
}

void stop_rule_passed(struct live_trial *t)
{
    if (t->series.at > t->series.asked)
        t->series.asked = t->series.at;
}

/* --- pauses */

int64_t stop_rule_budget(struct core *c, const struct live *l, struct live_trial *t)
{
    if (!l->plan->stopper || !l->plan->stopper->budget || stop_rule_load(c, l, t, NULL))
        return 0;
    const int64_t asked = t->series.asked;
    return stopper_budget(l->plan->stopper, &l->plan->spec->stopping_settings, t->number, asked > 0 ? asked : 0);
}

enum err stop_rule_promote(struct core *c, struct live *l, bool last, struct live_trial **out, char *why, struct error *error)
{
    *out = NULL;
    if (!l->plan->stopper || !l->plan->stopper->promote)
        return OK;
    struct curve *curves CLEANUP_FREE = NULL;
    size_t n = 0;
    enum err err = list_others(c, l, NULL, &curves, &n, error);
    if (err)
        return err;
    const struct promotion_question question = {.settings = &l->plan->spec->stopping_settings,
                                                .curves = curves,
                                                .n = n,
                                                .last = last,
                                                .maximized = l->plan->spec->objectives[0].maximize};
    const int64_t number = l->plan->stopper->promote(&question, why);
    if (number)
        HASH_FIND(hh, l->trials, &number, sizeof number, *out);
    return OK;
}
