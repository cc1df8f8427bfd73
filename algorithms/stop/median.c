/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The median stopping rule (Golovin et al. 2017, section 3.2.2): a trial whose best value so far is worse than the median, over the
 * completed trials, of their running averages up to the same step, is stopped. Katib's "medianstop" takes one mean of the first
 * `start_step` values of every trial and keeps it in memory; this compares at the trial's own step, from what is stored. */
#include "stop/curves.h"

#include "base/mem.h"

/* The names and defaults are Katib's. */
static const struct setting settings[] = {
    {"min_trials_required", SETTING_INT, 3, 1, 1000, NULL, "completed trials that must have reached the step before anything is stopped"},
    {"start_step", SETTING_INT, 4, 1, 1e9, NULL, "reports that a trial may always make before it can be stopped"},
    {0},
};

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct curve *t = q->trial;
    const size_t start = (size_t)settings_get(q->settings, "start_step"), required = (size_t)settings_get(q->settings, "min_trials_required");
    if (t->n < start) {
        stop_say(answer, false, "%zu of %zu reports before the rule looks at it", t->n, start);
        return;
    }
    const int64_t step = curve_last(t);
    double *averages CLEANUP_FREE = x_malloc((q->n_others + 1) * sizeof *averages);
    size_t n = completed_at(q, step, curve_average, averages);
    if (n < required) {
        stop_say(answer, false, "%zu of %zu completed trials have reached step %lld", n, required, (long long)step);
        return;
    }
    double own = curve_best(t, 0, t->n), others = quantile(averages, n, 0.5);
    stop_say(answer, own > others, "its best value up to step %lld is %.6g, the median of the running averages of %zu completed trials is %.6g",
             (long long)step, as_reported(q->maximized, own), n, as_reported(q->maximized, others));
}

const struct stopper stopper_median = {
    .name = "median",
    .title = "Median stopping",
    .about = "Stops a trial whose best value so far is worse than the median of the running averages of completed trials at the same step (Golovin et al. 2017).",
    .settings = settings,
    .ask = ask,
};
