/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The median stopping rule (Golovin et al. 2017, section 3.2.2): a trial whose best value so far is worse than the median, over the
 * completed trials, of their running averages up to the same step, is stopped. Katib's "medianstop" takes one mean of the first
 * `start_step` values of every trial and keeps it in memory; this compares at the trial's own step, from what is stored. */
#include "stop/stopper.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>

/* The names and defaults are Katib's. */
static const struct setting settings[] = {
    {"min_trials_required", SETTING_INT, 3, 1, 1000, NULL, "completed trials that must have reached the step before anything is stopped"},
    {"start_step", SETTING_INT, 4, 1, 1e9, NULL, "reports that a trial may always make before it can be stopped"},
    {0},
};

static double best(const struct curve *c)
{
    double low = INFINITY;
    for (size_t i = 0; i < c->n; i++)
        low = fmin(low, c->value[i]);
    return low;
}

/* Mean of the values at steps <= `step`; NAN if the trial never came as far, for then it says nothing of that step. */
static double running_average(const struct curve *c, int64_t step)
{
    if (!c->n || c->step[c->n - 1] < step)
        return NAN;
    double sum = 0;
    size_t n = 0;
    while (n < c->n && c->step[n] <= step)
        sum += c->value[n++];
    return n ? sum / (double)n : NAN;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : values[n / 2 - 1] / 2 + values[n / 2] / 2;
}

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct curve *t = q->trial;
    const size_t start = (size_t)settings_get(q->settings, "start_step"), required = (size_t)settings_get(q->settings, "min_trials_required");
    answer->stop = false;
    if (t->n < start) {
        (void)snprintf(answer->reason, sizeof answer->reason, "goes on: %zu of %zu reports before the rule looks at it", t->n, start);
        return;
    }
    const int64_t step = t->step[t->n - 1];
    double *averages CLEANUP_FREE = x_malloc((q->n_completed + 1) * sizeof *averages);
    size_t n = 0;
    for (size_t i = 0; i < q->n_completed; i++) {
        double average = running_average(&q->completed[i], step);
        if (!isnan(average))
            averages[n++] = average;
    }
    if (n < required) {
        (void)snprintf(answer->reason, sizeof answer->reason,
                       "goes on: %zu of %zu completed trials have reached step %lld", n, required, (long long)step);
        return;
    }
    double own = best(t), others = median(averages, n);
    answer->stop = own > others;
    const double sign = q->maximized ? -1 : 1;
    (void)snprintf(answer->reason, sizeof answer->reason,
                   "%s: its best value up to step %lld is %.6g, the median of the running averages of %zu completed trials is %.6g",
                   answer->stop ? "stopped" : "goes on", (long long)step, sign * own, n, sign * others);
}

const struct stopper stopper_median = {
    .name = "median",
    .title = "Median stopping",
    .about = "Stops a trial whose best value so far is worse than the median of the running averages of completed trials at the same step "
             "(Golovin et al. 2017).",
    .settings = settings,
    .ask = ask,
};
