/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stops a trial that reports what no sound trial does: a value outside of known bounds, or none at all. Looks at nothing but the trial itself. */
#include "stop/curves.h"

#include <math.h>

static const struct setting settings[] = {
    {"lower", SETTING_FLOAT, NAN, -1e308, 1e308, NULL, "a smaller value, as reported, stops the trial; not set: no bound"},
    {"upper", SETTING_FLOAT, NAN, -1e308, 1e308, NULL, "a larger value, as reported, stops the trial; not set: no bound"},
    {"n_warmup_steps", SETTING_INT, 0, 0, 1e9, NULL, "reports before this step are passed over"},
    {0},
};

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct curve *t = q->trial;
    const double lower = settings_get(q->settings, "lower"), upper = settings_get(q->settings, "upper");
    const int64_t warmup = (int64_t)settings_get(q->settings, "n_warmup_steps");
    const size_t from = curve_upto(t, warmup - 1);
    for (size_t i = from; i < t->n; i++) {
        const double value = as_reported(q->maximized, t->value[i]);
        const long long step = (long long)t->step[i];
        if (!isfinite(value))
            stop_say(answer, true, "its value at step %lld is %g, not a finite number", step, value);
        else if (value < lower)
            stop_say(answer, true, "its value at step %lld is %.6g, below %.6g", step, value, lower);
        else if (value > upper)
            stop_say(answer, true, "its value at step %lld is %.6g, above %.6g", step, value, upper);
        else
            continue;
        return;
    }
    stop_say(answer, false, "%zu reports from step %lld on are finite and within the bounds", t->n - from, (long long)warmup);
}

const struct stopper stopper_threshold = {
    .name = "threshold",
    .title = "Threshold",
    .about = "Stops a trial that reports NaN, an infinity, or a value outside of given bounds.",
    .settings = settings,
    .ask = ask,
};
