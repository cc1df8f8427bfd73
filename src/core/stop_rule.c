/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking stopping rules, on the curves of stop_curves.c: is this trial to stop, and which paused one goes on. */
#include "core/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- the question */

static struct curve live_curve(const struct live_trial *t, size_t rule)
{
    const enum curve_end end = t->row->state == TRIAL_PAUSED ? CURVE_PAUSED : CURVE_RUNS;
    const struct series *s = &t->series[rule];
    return (struct curve){.number = t->number, .end = end, .final = NAN, .step = s->step, .value = s->value, .n = s->n};
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = ((const struct curve *)a)->number, y = ((const struct curve *)b)->number;
    return (x > y) - (x < y);
}

/* The ended and the others by number, malloced. */
static enum err list_others(struct core *c, struct live *l, size_t rule, const struct live_trial *but, struct curve **out, size_t *n, struct error *error)
{
    enum err err = l->ended_loaded ? OK : stop_rule_load_ended(c, l, error);
    if (err)
        return err;
    const struct ended_curves *ended = &l->ended[rule];
    struct curve *others = x_malloc((ended->n + HASH_COUNT(l->trials)) * sizeof *others);
    *out = others;
    if (ended->n)
        memcpy(others, ended->items, ended->n * sizeof *others);
    *n = ended->n;
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    {
        if (t == but)
            continue;
        err = stop_rule_load(c, l, t, error);
        if (err)
            return err;
        if (t->series[rule].n)
            others[(*n)++] = live_curve(t, rule);
    }
    qsort(others, *n, sizeof *others, by_number);
    return OK;
}

static void passed(struct series *s)
{
    if (s->at > s->asked)
        s->asked = s->at;
}

void stop_rule_passed(const struct live *l, struct live_trial *t)
{
    for (size_t i = 0; i < l->plan->spec->n_stopping; i++)
        passed(&t->series[i]);
}

/* Of several rules the reason says which. */
static void name_rule(const struct spec *spec, size_t rule, struct stop_answer *answer)
{
    if (spec->n_stopping < 2)
        return;
    char reason[STOP_REASON];
    memcpy(reason, answer->reason, sizeof reason);
    (void)snprintf(answer->reason, sizeof answer->reason, "%s on %.60s: %.150s", spec->stopping[rule].name, spec->stopping[rule].metric, reason);
}

static enum err ask(struct core *c, struct live *l, struct live_trial *t, size_t rule, struct stop_answer *answer, struct error *error)
{
    const struct spec *spec = l->plan->spec;
    struct series *s = &t->series[rule];
    struct curve *others CLEANUP_FREE = NULL;
    size_t n = 0;
    enum err err = list_others(c, l, rule, t, &others, &n, error);
    if (err)
        return err;
    struct curve own = live_curve(t, rule);
    while (own.n && own.step[own.n - 1] > s->at)
        own.n--;
    const struct stop_question question = {.settings = &spec->stopping[rule].settings,
                                           .trial = &own,
                                           .asked = s->asked,
                                           .others = others,
                                           .n_others = n,
                                           .maximized = spec->stopping[rule].maximize};
    stopper_ask(l->plan->stoppers[rule], &question, answer);
    name_rule(spec, rule, answer);
    passed(s);
    return OK;
}

enum err stop_rule(struct core *c, struct live *l, struct live_trial *t, unsigned rules, struct stop_answer *answer, struct error *error)
{
    *answer = (struct stop_answer){0};
    for (size_t i = 0; i < l->plan->spec->n_stopping; i++) {
        struct stop_answer one;
        enum err err = rules & 1u << i ? ask(c, l, t, i, &one, error) : OK;
        if (err)
            return err;
        if (rules & 1u << i && !answer->stop && (one.stop || one.pause))
            *answer = one;
    }
    return OK;
}

/* --- pauses */

/* The rule that pauses trials; n_stopping if none does. */
static size_t pausing_rule(const struct live *l)
{
    size_t i = 0;
    while (i < l->plan->spec->n_stopping && !stopper_budget(l->plan->stoppers[i], &l->plan->spec->stopping[i].settings, 1, 0))
        i++;
    return i;
}

int64_t stop_rule_budget(struct core *c, const struct live *l, struct live_trial *t)
{
    const struct spec *spec = l->plan->spec;
    const size_t rule = pausing_rule(l);
    if (rule == spec->n_stopping || stop_rule_load(c, l, t, NULL))
        return 0;
    const int64_t asked = t->series[rule].asked;
    return stopper_budget(l->plan->stoppers[rule], &spec->stopping[rule].settings, t->number, asked > 0 ? asked : 0);
}

enum err stop_rule_promote(struct core *c, struct live *l, bool last, struct live_trial **out, char *why, struct error *error)
{
    const struct spec *spec = l->plan->spec;
    const size_t rule = pausing_rule(l);
    *out = NULL;
    if (rule == spec->n_stopping)
        return OK;
    struct curve *curves CLEANUP_FREE = NULL;
    size_t n = 0;
    enum err err = list_others(c, l, rule, NULL, &curves, &n, error);
    if (err)
        return err;
    const struct promotion_question question = {
        .settings = &spec->stopping[rule].settings, .curves = curves, .n = n, .last = last, .maximized = spec->stopping[rule].maximize};
    const int64_t number = l->plan->stoppers[rule]->promote(&question, why);
    if (number)
        HASH_FIND(hh, l->trials, &number, sizeof number, *out);
    return OK;
}
