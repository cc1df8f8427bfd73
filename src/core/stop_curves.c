/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The curves that stopping rules compare, for each rule those of its metric. Those of trials that ended are read from the store when first needed;
 * those of live trials stand in their live_trial. Both are functions of what is stored, however it came in, so that a restart changes no
 * decision.
 *
 * Memory is bounded, for each rule: of a trial the reports at its first MAX_STEPS steps, of ended trials the newest MAX_CURVES and the best, and no
 * more than MAX_POINTS reports together (32 MiB). Paused trials are live ones: all of them are kept. */
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
    const struct stopping *rule;
    int64_t attempt, replicate;
};

/* Smaller is better afterwards. */
static double ranked(const struct stopping *rule, double value)
{
    return rule->maximize ? -value : value;
}

static bool read_point(void *arg, const struct measurement *m) /* by step, then attempt */
{
    struct reading *r = arg;
    if (m->replicate != r->replicate)
        return true;
    (void)series_put(r->series, m->step, ranked(r->rule, m->value));
    r->series->asked = m->step;
    if (m->attempt == r->attempt)
        r->series->at = m->step;
    return true;
}

static enum err read_series(struct core *c, int64_t trial_id, struct reading r, struct error *error)
{
    series_release(r.series);
    struct measurement_query q = {.trial_id = trial_id, .metric = r.rule->metric, .from_step = INT64_MIN};
    return measurement_list(c->db, &q, read_point, &r, error);
}

enum err stop_rule_load(struct core *c, const struct live *l, struct live_trial *t, struct error *error)
{
    if (t->series_loaded)
        return OK;
    const struct spec *spec = l->plan->spec;
    enum err err = OK;
    for (size_t i = 0; i < spec->n_stopping && !err; i++) {
        const struct reading r = {.series = &t->series[i], .rule = &spec->stopping[i], .attempt = t->row->attempt, .replicate = t->row->replicate};
        err = read_series(c, t->row->id, r, error);
    }
    t->series_loaded = !err;
    return err;
}

/* --- of ended trials */

static bool too_many(const struct ended_curves *e, int64_t best)
{
    const size_t best_apart = e->n && e->items[0].number == best;
    return e->n > 1 && (e->n > MAX_CURVES + best_apart || e->n_points > MAX_POINTS);
}

/* All but the best. */
static void forget_oldest(struct ended_curves *e, int64_t best)
{
    struct curve *oldest = &e->items[e->items[0].number == best];
    x_free(oldest->step);
    x_free(oldest->value);
    e->n_points -= oldest->n;
    memmove(oldest, oldest + 1, (size_t)(e->items + --e->n - oldest) * sizeof *oldest);
}

/* Takes the arrays of `s`. False if others, or this one, had to be forgotten for it. */
static bool add_curve(struct ended_curves *e, int64_t best, struct curve fresh, struct series *s)
{
    if (!s->n) {
        series_release(s);
        return true;
    }
    if (e->n == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 16;
        e->items = x_realloc(e->items, e->cap * sizeof *e->items);
    }
    size_t at = e->n++; /* kept by number, whatever the order trials end in */
    while (at > 0 && e->items[at - 1].number > fresh.number) {
        e->items[at] = e->items[at - 1];
        at--;
    }
    fresh.step = x_realloc(s->step, s->n * sizeof *s->step);
    fresh.value = x_realloc(s->value, s->n * sizeof *s->value);
    fresh.n = s->n;
    e->items[at] = fresh;
    e->n_points += s->n;
    s->step = NULL;
    s->value = NULL;
    series_release(s);
    bool all = !too_many(e, best);
    while (too_many(e, best))
        forget_oldest(e, best);
    return all;
}

struct found {
    int64_t id, attempt, replicate;
    struct curve curve; /* but for its reports */
};

struct page {
    const struct stopping *rule;
    struct found found[PAGE];
    size_t n;
};

/* What a completed trial ended with on the metric of a rule. */
static double final_of(const struct stopping *rule, const struct trial *t)
{
    double value = NAN;
    if (rule->on_first || t->state != TRIAL_SUCCEEDED)
        return t->rank;
    json_t *metrics = json_loads(t->metrics, 0, NULL);
    (void)number_from_json(json_object_get(metrics, rule->metric), &value);
    json_decref(metrics);
    return ranked(rule, value);
}

static struct found note(const struct stopping *rule, const struct trial *t)
{
    return (struct found){.id = t->id,
                          .attempt = t->attempt,
                          .replicate = t->replicate,
                          .curve = {.number = t->number, .end = ends[t->state].end, .final = final_of(rule, t)}};
}

static bool find_ended(void *arg, const struct trial *t)
{
    struct page *page = arg;
    page->found[page->n++] = note(page->rule, t);
    return page->n < PAGE;
}

/* `*all`: there was room. */
static enum err load_curve(struct core *c, struct live *l, size_t rule, const struct found *f, bool *all, struct error *error)
{
    struct series s = {0};
    const struct reading r = {.series = &s, .rule = &l->plan->spec->stopping[rule], .attempt = f->attempt, .replicate = f->replicate};
    enum err err = read_series(c, f->id, r, error);
    if (!err)
        *all = add_curve(&l->ended[rule], l->row->best_number, f->curve, &s);
    series_release(&s);
    return err;
}

/* The best is kept however old it is. */
static enum err load_best(struct core *c, struct live *l, size_t rule, struct error *error)
{
    for (size_t i = 0; i < l->ended[rule].n; i++)
        if (l->ended[rule].items[i].number == l->row->best_number)
            return OK;
    struct trial *best;
    enum err err = l->row->best_number ? trial_get(c->db, l->id, l->row->best_number, &best, error) : ERR_NOT_FOUND;
    if (err)
        return err == ERR_NOT_FOUND ? OK : err;
    const struct found f = note(&l->plan->spec->stopping[rule], best);
    bool all;
    trial_free(best);
    return load_curve(c, l, rule, &f, &all, error);
}

/* The newest first, as long as there is room. */
static enum err load_rule(struct core *c, struct live *l, size_t rule, struct error *error)
{
    char field[] = "state";
    struct filter state[5] = {[3] = {.op = FILTER_OR, .left = &state[0], .right = &state[1]}, [4] = {.op = FILTER_OR, .left = &state[3], .right = &state[2]}};
    for (size_t i = 0, n = 0; i < TRIAL_STATE_COUNT; i++)
        if (ends[i].state)
            state[n++] = (struct filter){.op = FILTER_EQ, .field = field, .text = (char *)(uintptr_t)ends[i].state, .number = NAN};
    struct page *page CLEANUP_FREE = x_malloc(sizeof *page);
    page->rule = &l->plan->spec->stopping[rule];
    char *after CLEANUP_FREE = x_strdup("");
    bool room = true;
    enum err err = OK;
    for (size_t looked = 0; !err && room && after && looked < MAX_LOOKED; looked += PAGE) {
        struct list_query q = {.experiment_id = l->id, .filter = &state[4], .order_by = "-number", .after = after, .limit = PAGE};
        char *next = NULL;
        page->n = 0;
        err = trial_list(c->db, &q, find_ended, page, &next, error);
        for (size_t i = 0; i < page->n && room && !err; i++) {
            err = load_curve(c, l, rule, &page->found[i], &room, error);
            room = room && l->ended[rule].n < MAX_CURVES;
        }
        free(after);
        after = next;
    }
    return err ? err : load_best(c, l, rule, error);
}

enum err stop_rule_load_ended(struct core *c, struct live *l, struct error *error)
{
    enum err err = OK;
    for (size_t i = 0; i < l->plan->spec->n_stopping && !err; i++)
        err = load_rule(c, l, i, error);
    l->ended_loaded = !err;
    return err;
}

/* --- what happens to trials */

void stop_rule_started(struct live_trial *t, bool again)
{
    for (size_t i = 0; i < SPEC_MAX_STOPPING; i++)
        if (again) /* what the attempt before had reported stands until it is reported anew */
            t->series[i].at = INT64_MIN;
        else
            series_release(&t->series[i]);
    t->series_loaded |= !again;
}

unsigned stop_rule_measured(const struct live *l, struct live_trial *t, const struct measurement *m)
{
    unsigned rules = 0;
    for (size_t i = 0; i < l->plan->spec->n_stopping; i++) {
        const struct stopping *rule = &l->plan->spec->stopping[i];
        struct series *s = &t->series[i];
        if (strcmp(m->metric, rule->metric) != 0 || m->replicate != t->row->replicate)
            continue;
        bool kept = series_put(s, m->step, ranked(rule, m->value));
        if (m->step > s->at)
            s->at = m->step;
        if (!kept && m->step > s->asked) /* there is nothing to ask about it, as after a restart */
            s->asked = m->step;
        rules |= kept ? 1u << i : 0;
    }
    return rules;
}

enum err stop_rule_ended(struct core *c, struct live *l, struct live_trial *t, struct error *error)
{
    const struct spec *spec = l->plan->spec;
    const enum trial_state state = t->row->state;
    if (!spec->n_stopping || !l->ended_loaded || !ends[state].state || !t->attempt) /* not loaded: it will be read with the others; no attempt: it was told whole */
        return OK;
    enum err err = stop_rule_load(c, l, t, error);
    for (size_t i = 0; i < spec->n_stopping && !err; i++)
        (void)add_curve(&l->ended[i], l->row->best_number, note(&spec->stopping[i], t->row).curve, &t->series[i]);
    return err;
}

void stop_rule_release(struct live *l)
{
    for (size_t rule = 0; rule < SPEC_MAX_STOPPING; rule++) {
        struct ended_curves *e = &l->ended[rule];
        for (size_t i = 0; i < e->n; i++) {
            x_free(e->items[i].step);
            x_free(e->items[i].value);
        }
        free(e->items);
        *e = (struct ended_curves){0};
    }
    l->ended_loaded = false;
    l->n_news++;
}
