/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asynchronous successive halving (Li et al. 2020), the form that stops trials and needs no checkpoints: rungs.h. What an early rung lets pass
 * while it knows few trials is not taken back: nobody waits for a rung to fill. */
#include "stop/rungs.h"

static const struct setting settings[] = {
    {"reduction_factor", SETTING_INT, 3, 2, 100, NULL, "eta: one in so many goes on at each rung, and the next rung is so many times further"},
    {"min_resource", SETTING_INT, 1, 1, 1e12, NULL, "step of the first rung"},
    {"max_resource", SETTING_INT, 0, 0, 1e12, NULL, "step at which a trial ends by itself: no rung is there or beyond; 0: rungs go on without end"},
    {"bracket", SETTING_INT, 0, 0, 40, NULL, "rungs left out at the start: the first is at min_resource * reduction_factor^bracket"},
    {0},
};

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const int64_t eta = (int64_t)settings_get(q->settings, "reduction_factor");
    const struct rungs rungs = {
        .first = rungs_raise((int64_t)settings_get(q->settings, "min_resource"), eta, (int64_t)settings_get(q->settings, "bracket")),
        .eta = eta,
        .top = (int64_t)settings_get(q->settings, "max_resource"),
    };
    rungs_ask(&rungs, q, answer);
}

const struct stopper stopper_asha = {
    .name = "asha",
    .title = "Asynchronous successive halving",
    .about = "At steps min_resource * reduction_factor^k only the best of every reduction_factor trials that have come so far goes on (Li et al. 2020).",
    .settings = settings,
    .ask = ask,
};
