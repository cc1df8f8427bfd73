/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hyperband (Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization", 2018) in both forms of rungs.h: each trial
 * belongs to a bracket, bracket s is successive halving that leaves the first s rungs out. It hedges against rungs that come too early
 * to tell good from bad; where they do not, asha alone is cheaper.
 *
 * The paper runs its brackets one after the other in outer loops of exact sizes. Here a trial's number says its bracket: nothing is counted,
 * so nothing can be counted twice, and a trial that fails leaves no hole. Numbers go round the circle in steps of the golden ratio, which
 * fills every arc in proportion to its length, however few have come (the three-distance theorem); the arcs have the paper's bracket sizes. */
#include "stop/rungs.h"

#define MAX_BRACKETS 41 /* 2^40 > 1e12 */

static const struct setting settings[] = {
    {"reduction_factor", SETTING_INT, 3, 2, 100, NULL, "eta: one in so many goes on at each rung, and the next rung is so many times further"},
    {"min_resource", SETTING_INT, 1, 1, 1e12, NULL, "step of the first rung of the most eager bracket"},
    {"max_resource", SETTING_INT, 81, 1, 1e12, NULL, "step at which a trial ends by itself"},
    {"brackets", SETTING_INT, 0, 0, MAX_BRACKETS, NULL, "so many brackets, the most eager first; 0: all that fit below max_resource, the last of which stops nothing"},
    RUNGS_FORM,
    {0},
};

struct brackets {
    int64_t weight[MAX_BRACKETS], total;
    int64_t n;
    int64_t own; /* bracket of the trial in question */
};

static int64_t bracket_of(const struct brackets *b, int64_t number)
{
    double at = (double)((uint64_t)number * 0x9E3779B97F4A7C15u >> 11) * 0x1p-53 * (double)b->total; /* 2^64 / golden ratio */
    int64_t s = 0;
    while (s < b->n - 1 && at >= (double)b->weight[s])
        at -= (double)b->weight[s++];
    return s;
}

/* Bracket s of s_max + 1 begins with (s_max + 1) / (s_max + 1 - s) * eta^(s_max - s) trials, rounded up. */
static struct brackets make_brackets(const struct settings *s)
{
    const int64_t eta = (int64_t)settings_get(s, "reduction_factor");
    const int64_t first = (int64_t)settings_get(s, "min_resource"), top = (int64_t)settings_get(s, "max_resource"), wanted = (int64_t)settings_get(s, "brackets");
    struct brackets b = {.n = 1};
    while (b.n < MAX_BRACKETS && rungs_raise(first, eta, b.n) <= top)
        b.n++;
    const int64_t all = b.n;
    if (wanted && wanted < b.n)
        b.n = wanted;
    for (int64_t i = 0; i < b.n; i++) {
        b.weight[i] = (all * rungs_raise(1, eta, all - 1 - i) + all - i - 1) / (all - i);
        b.total += b.weight[i];
    }
    return b;
}

static bool same_bracket(const void *ctx, int64_t number)
{
    const struct brackets *b = ctx;
    return bracket_of(b, number) == b->own;
}

/* The rungs of bracket b->own. */
static struct rungs make_rungs(const struct settings *s, const struct brackets *b)
{
    const int64_t eta = (int64_t)settings_get(s, "reduction_factor");
    return (struct rungs){
        .first = rungs_raise((int64_t)settings_get(s, "min_resource"), eta, b->own),
        .eta = eta,
        .top = (int64_t)settings_get(s, "max_resource"),
        .pause = settings_get(s, "form") > 0,
        .peer = same_bracket,
        .ctx = b,
    };
}

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    struct brackets b = make_brackets(q->settings);
    b.own = bracket_of(&b, q->trial->number);
    const struct rungs rungs = make_rungs(q->settings, &b);
    rungs_ask(&rungs, q, answer);
}

static const char *fault(const struct settings *s, char *why)
{
    const struct brackets b = make_brackets(s);
    const struct rungs rungs = make_rungs(s, &b);
    return rungs_fault(&rungs, why);
}

static int64_t budget(const struct settings *s, int64_t number, int64_t asked)
{
    struct brackets b = make_brackets(s);
    b.own = bracket_of(&b, number);
    const struct rungs rungs = make_rungs(s, &b);
    return rungs_budget(&rungs, asked);
}

static int64_t promote(const struct promotion_question *q, char *reason)
{
    struct brackets b = make_brackets(q->settings);
    struct promotion best = {0};
    for (b.own = 0; b.own < b.n; b.own++) {
        const struct rungs rungs = make_rungs(q->settings, &b);
        rungs_promote(&rungs, q, &best, reason);
    }
    return best.number;
}

const struct stopper stopper_hyperband = {
    .name = "hyperband",
    .title = "Hyperband",
    .about = "Successive halving in several brackets that begin at different steps; a trial's number says its bracket (Li et al. 2018).",
    .settings = settings,
    .ask = ask,
    .fault = fault,
    .budget = budget,
    .promote = promote,
};
