/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The curves that a stopping rule compares: of the trials that ran to their end, read from the store when first needed. */
#include "core/state.h"

#include <math.h>
#include <string.h>

#define MAX_CURVES 500 /* the newest; a median does not gain from more */

void series_add(struct series *s, int64_t step, double value)
{
    if (isnan(value) || (s->n && step <= s->step[s->n - 1])) /* steps rise; a repeat or a late one changes no decision */
        return;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 32;
        s->step = x_realloc(s->step, s->cap * sizeof *s->step);
        s->value = x_realloc(s->value, s->cap * sizeof *s->value);
    }
    s->step[s->n] = step;
    s->value[s->n++] = value;
}

void series_release(struct series *s)
{
    free(s->step);
    free(s->value);
    *s = (struct series){0};
}

struct reading {
    struct series *series;
    const struct objective *objective;
    int64_t attempt;
};

static bool read_point(void *arg, const struct measurement *m)
{
    struct reading *r = arg;
    if (m->attempt == r->attempt)
        series_add(r->series, m->step, objective_rank(r->objective, m->value));
    return true;
}

static enum err read_series(struct core *c, struct live *l, const struct trial *t, struct series *out, struct error *error)
{
    const struct objective *objective = &l->plan->spec->objectives[0];
    struct measurement_query q = {.trial_id = t->id, .metric = objective->metric, .from_step = INT64_MIN};
    struct reading r = {.series = out, .objective = objective, .attempt = t->attempt};
    return measurement_list(c->db, &q, read_point, &r, error);
}

static void add_curve(struct live *l, int64_t number, struct series *s)
{
    if (!s->n) {
        series_release(s);
        return;
    }
    if (l->n_curves == MAX_CURVES) {
        x_free(l->curves[0].step);
        x_free(l->curves[0].value);
        memmove(l->curves, l->curves + 1, --l->n_curves * sizeof *l->curves);
    }
    if (l->n_curves == l->cap_curves) {
        l->cap_curves = l->cap_curves ? l->cap_curves * 2 : 16;
        l->curves = x_realloc(l->curves, l->cap_curves * sizeof *l->curves);
    }
    size_t at = l->n_curves++; /* kept by number, whatever the order trials end in */
    while (at > 0 && l->curves[at - 1].number > number) {
        l->curves[at] = l->curves[at - 1];
        at--;
    }
    l->curves[at] = (struct curve){.number = number, .step = s->step, .value = s->value, .n = s->n};
    *s = (struct series){0};
}

struct finding {
    struct core *core;
    struct live *live;
    struct trial *rows[MAX_CURVES];
    size_t n;
};

static bool find_completed(void *arg, const struct trial *t)
{
    struct finding *f = arg;
    f->rows[f->n++] = trial_copy(t);
    return f->n < MAX_CURVES;
}

static enum err load_curves(struct core *c, struct live *l, struct error *error)
{
    struct finding *f = X_NEW(struct finding);
    struct filter succeeded = {.op = FILTER_EQ, .field = (char[]){"state"}, .text = (char[]){"SUCCEEDED"}, .number = NAN};
    struct list_query q = {.experiment_id = l->id, .filter = &succeeded, .order_by = "-number", .after = "", .limit = MAX_CURVES};
    char *next CLEANUP_FREE = NULL;
    enum err err = trial_list(c->db, &q, find_completed, f, &next, error);
    for (size_t i = 0; i < f->n; i++) {
        struct series s = {0};
        if (!err)
            err = read_series(c, l, f->rows[i], &s, error);
        if (!err)
            add_curve(l, f->rows[i]->number, &s);
        series_release(&s);
        trial_free(f->rows[i]);
    }
    free(f);
    l->curves_loaded = !err;
    return err;
}

enum err stop_rule(struct core *c, struct live *l, struct live_trial *t, struct stop_answer *answer, struct error *error)
{
    enum err err = l->curves_loaded ? OK : load_curves(c, l, error);
    if (!err && !t->series_loaded) {
        series_release(&t->series);
        err = read_series(c, l, t->row, &t->series, error);
        t->series_loaded = !err;
    }
    if (err)
        return err;
    struct curve own = {.number = t->number, .step = t->series.step, .value = t->series.value, .n = t->series.n};
    struct stop_question question = {.settings = &l->plan->spec->stopping_settings,
                                     .trial = &own,
                                     .completed = l->curves,
                                     .n_completed = l->n_curves};
    l->plan->stopper->ask(&question, answer);
    return OK;
}

void stop_rule_completed(struct live *l, struct live_trial *t)
{
    if (!l->curves_loaded)
        return; /* it will be read with the others */
    if (t->series_loaded)
        add_curve(l, t->number, &t->series);
    else
        stop_rule_release(l); /* it reported before a restart only: read all anew */
}

void stop_rule_release(struct live *l)
{
    for (size_t i = 0; i < l->n_curves; i++) {
        x_free(l->curves[i].step);
        x_free(l->curves[i].value);
    }
    free(l->curves);
    l->curves = NULL;
    l->n_curves = l->cap_curves = 0;
    l->curves_loaded = false;
}
