/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For trials whose steps are folds, data sets or instances of equal standing, not progress: the signed-rank test (Wilcoxon 1945) of the trial
 * against the best completed one on the steps that both have. The order of the steps does not matter. Zero differences give half of their rank to
 * each side (Pratt 1959 discusses this); the distribution is exact, ties included, up to 25 steps, and normal beyond. */
#include "stop/curves.h"

#include "base/mem.h"
#include "math/normal.h"

#include <math.h>
#include <stdlib.h>

#define EXACT_MAX 25

/* The names and defaults are Optuna's. */
static const struct setting settings[] = {
    {"p_threshold", SETTING_FLOAT, 0.1, 0, 1, NULL, "a trial is stopped when chance makes one that is as good look so bad with a smaller probability"},
    {"n_startup_steps", SETTING_INT, 2, 1, 1e9, NULL, "steps in common with the best trial before anything is stopped"},
    {0},
};

struct difference {
    double size;
    int sign;
    int rank2; /* twice the rank, so that the mean rank of ties is whole */
};

static int by_size(const void *a, const void *b)
{
    const struct difference *x = a, *y = b;
    return (x->size > y->size) - (x->size < y->size);
}

/* Of the steps that both have, in `d` with room for all of a. */
static size_t differences(const struct curve *a, const struct curve *b, struct difference *d)
{
    size_t n = 0, i = 0, k = 0;
    while (i < a->n && k < b->n) {
        if (a->step[i] != b->step[k]) {
            if (a->step[i] < b->step[k])
                i++;
            else
                k++;
            continue;
        }
        double by = a->value[i++] - b->value[k++];
        if (!isnan(by))
            d[n++] = (struct difference){.size = fabs(by), .sign = (by > 0) - (by < 0)};
    }
    return n;
}

static void rank(struct difference *d, size_t n)
{
    qsort(d, n, sizeof *d, by_size);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && d[end].size == d[i].size; end++)
            continue;
        for (size_t k = i; k < end; k++)
            d[k].rank2 = (int)(i + 1 + end);
    }
}

/* The probability that the ranks of positive sign sum to `sum2` / 2 or more when each sign but that of a zero is a coin's. */
static double exact_tail(const struct difference *d, size_t n, int sum2)
{
    double p[EXACT_MAX * (EXACT_MAX + 1) + 1] = {1};
    int top = 0;
    for (size_t i = 0; i < n; i++) {
        if (!d[i].sign)
            continue;
        top += d[i].rank2;
        for (int s = top; s >= 0; s--)
            p[s] = (p[s] + (s >= d[i].rank2 ? p[s - d[i].rank2] : 0)) / 2;
    }
    double tail = 0;
    for (int s = sum2; s <= top; s++)
        tail += p[s];
    return tail;
}

static double normal_tail(const struct difference *d, size_t n, double sum2)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i].sign) {
            mean += d[i].rank2 / 2.0;
            variance += (double)d[i].rank2 * d[i].rank2 / 4.0;
        }
    return variance > 0 ? normal_cdf(-(sum2 - 1 - mean) / sqrt(variance)) : 1;
}

/* One-sided: small if the first trial is worse. */
static double p_value(struct difference *d, size_t n)
{
    double sum2 = 0;
    rank(d, n);
    for (size_t i = 0; i < n; i++)
        sum2 += d[i].sign > 0 ? d[i].rank2 : 0;
    return n <= EXACT_MAX ? exact_tail(d, n, (int)sum2) : normal_tail(d, n, sum2);
}

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct curve *t = q->trial, *best = best_completed(q);
    if (!best) {
        stop_say(answer, false, "0 of 1 completed trials to compare with");
        return;
    }
    const size_t required = (size_t)settings_get(q->settings, "n_startup_steps");
    struct difference *d CLEANUP_FREE = x_malloc(t->n * sizeof *d);
    const size_t n = differences(t, best, d);
    if (n < required) {
        stop_say(answer, false, "%zu of %zu steps in common with trial %lld, the best one", n, required, (long long)best->number);
        return;
    }
    const double p = p_value(d, n), limit = settings_get(q->settings, "p_threshold");
    const double own = curve_average(t, curve_last(t)), other = curve_average(best, curve_last(best));
    /* all is compared with all too: on the common steps the best trial may have been better than it is */
    stop_say(answer, p < limit && own > other, "on %zu steps in common with trial %lld, the best one, p is %.3g (limit %g); the means are %.6g and %.6g", n,
             (long long)best->number, p, limit, as_reported(q->maximized, own), as_reported(q->maximized, other));
}

const struct stopper stopper_wilcoxon = {
    .name = "wilcoxon",
    .title = "Wilcoxon signed-rank test",
    .about = "For steps that are folds or instances: stops a trial that is worse than the best completed one by the signed-rank test on common steps (Wilcoxon 1945).",
    .settings = settings,
    .ask = ask,
};
