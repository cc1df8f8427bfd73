/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The percentile rule, as Optuna has it (Akiba et al. 2019): a trial whose best value so far is not among the best `percentile` per cent of
 * what completed trials reported at the same step is stopped. It is stricter than the median rule at 50, as it compares with values of that step
 * and not with averages of all before. Steps need not match: a completed trial's value at a step is that of its last report up to there. */
#include "stop/curves.h"

#include "base/mem.h"

/* The names and defaults are Optuna's. */
static const struct setting settings[] = {
    {"percentile", SETTING_FLOAT, 25, 0, 100, NULL, "a trial goes on while it is among the best so many per cent"},
    {"n_startup_trials", SETTING_INT, 5, 1, 1000, NULL, "completed trials that must have reached the step before anything is stopped"},
    {"n_warmup_steps", SETTING_INT, 0, 0, 1e9, NULL, "nothing is stopped before this step"},
    {"interval_steps", SETTING_INT, 1, 1, 1e9, NULL, "decides once in so many steps, at the first report in each"},
    {0},
};

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct curve *t = q->trial;
    const int64_t step = curve_last(t), warmup = (int64_t)settings_get(q->settings, "n_warmup_steps");
    if (step < warmup) {
        stop_say(answer, false, "step %lld of %lld before the rule looks at it", (long long)step, (long long)warmup);
        return;
    }
    const int64_t interval = (int64_t)settings_get(q->settings, "interval_steps"), since = warmup + (step - warmup) / interval * interval;
    if (q->asked >= since) {
        stop_say(answer, false, "the steps from %lld on were decided at or before step %lld", (long long)since, (long long)q->asked);
        return;
    }
    double *values CLEANUP_FREE = x_malloc((q->n_others + 1) * sizeof *values);
    const size_t required = (size_t)settings_get(q->settings, "n_startup_trials"), n = completed_at(q, step, curve_value, values);
    if (n < required) {
        stop_say(answer, false, "%zu of %zu completed trials have reached step %lld", n, required, (long long)step);
        return;
    }
    const double percentile = settings_get(q->settings, "percentile"), own = curve_best(t, 0, t->n), others = quantile(values, n, percentile / 100);
    stop_say(answer, own > others, "its best value up to step %lld is %.6g, the best %g %% of %zu completed trials were at %.6g or better there", (long long)step,
             as_reported(q->maximized, own), percentile, n, as_reported(q->maximized, others));
}

const struct stopper stopper_percentile = {
    .name = "percentile",
    .title = "Percentile stopping",
    .about = "Stops a trial whose best value so far is not among the best so many per cent of the values of completed trials at the same step (Akiba et al. 2019).",
    .settings = settings,
    .ask = ask,
};
