/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Patience (Prechelt, "Early stopping - but when?", 1998, the UP criteria are its relatives): a trial that has not become better by more than
 * `min_delta` in its last `patience` reports is at its end. It saves the tail of converged trials, good ones too: their value is what the
 * search learns from a stopped trial. Looks at nothing but the trial itself. */
#include "stop/curves.h"

static const struct setting settings[] = {
    {"patience", SETTING_INT, 10, 1, 1e9, NULL, "reports without improvement after which a trial is stopped"},
    {"min_delta", SETTING_FLOAT, 0, 0, 1e308, NULL, "an improvement must be larger than this"},
    {0},
};

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct curve *t = q->trial;
    const size_t patience = (size_t)settings_get(q->settings, "patience");
    if (t->n <= patience) {
        stop_say(answer, false, "%zu of %zu reports before the rule looks at it", t->n, patience + 1);
        return;
    }
    const double delta = settings_get(q->settings, "min_delta");
    const double before = curve_best(t, 0, t->n - patience), recent = curve_best(t, t->n - patience, t->n);
    stop_say(answer, !(recent < before - delta), "its best value of the last %zu reports is %.6g, before them it was %.6g; an improvement is more than %g", patience,
             as_reported(q->maximized, recent), as_reported(q->maximized, before), delta);
}

const struct stopper stopper_patient = {
    .name = "patient",
    .title = "Patience",
    .about = "Stops a trial that has not become better by more than min_delta in its last `patience` reports (after Prechelt 1998).",
    .settings = settings,
    .ask = ask,
};
