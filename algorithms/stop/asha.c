/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asynchronous successive halving (Li et al. 2020) in both forms of rungs.h. What an early rung lets pass while it knows few trials is not taken
 * back: nobody waits for a rung to fill. */
#include "stop/rungs.h"

static const struct setting settings[] = {
    {"reduction_factor", SETTING_INT, 3, 2, 100, NULL, "eta: one in so many goes on at each rung, and the next rung is so many times further"},
    {"min_resource", SETTING_INT, 1, 1, 1e12, NULL, "step of the first rung"},
    {"max_resource", SETTING_INT, 0, 0, 1e12, NULL, "step at which a trial ends by itself: no rung is there or beyond; 0: rungs go on without end"},
    {"bracket", SETTING_INT, 0, 0, 40, NULL, "rungs left out at the start: the first is at min_resource * reduction_factor^bracket"},
    RUNGS_FORM,
    {0},
};

static struct rungs make_rungs(const struct settings *s)
{
    const int64_t eta = (int64_t)settings_get(s, "reduction_factor");
    return (struct rungs){
        .first = rungs_raise((int64_t)settings_get(s, "min_resource"), eta, (int64_t)settings_get(s, "bracket")),
        .eta = eta,
        .top = (int64_t)settings_get(s, "max_resource"),
        .pause = settings_get(s, "form") > 0,
    };
}

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct rungs rungs = make_rungs(q->settings);
    rungs_ask(&rungs, q, answer);
}

static const char *fault(const struct settings *s, char *why)
{
    const struct rungs rungs = make_rungs(s);
    return rungs_fault(&rungs, why);
}

static int64_t budget(const struct settings *s, int64_t number, int64_t asked)
{
    (void)number;
    const struct rungs rungs = make_rungs(s);
    return rungs_budget(&rungs, asked);
}

static int64_t promote(const struct promotion_question *q, char *reason)
{
    const struct rungs rungs = make_rungs(q->settings);
    struct promotion best = {0};
    rungs_promote(&rungs, q, &best, reason);
    return best.number;
}

const struct stopper stopper_asha = {
    .name = "asha",
    .title = "Asynchronous successive halving",
    .about = "At steps min_resource * reduction_factor^k only the best of every reduction_factor trials that have come so far goes on (Li et al. 2020).",
    .settings = settings,
    .ask = ask,
    .fault = fault,
    .budget = budget,
    .promote = promote,
};
