/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Learning-curve extrapolation (Domhan, Springenberg and Hutter, "Speeding up automatic hyperparameter optimization of deep neural networks by
 * extrapolation of learning curves", 2015), in a form that needs no sampling: of their families only the power law y(t) = c + a t^-b, with b on
 * a grid. For each b the rest is a linear regression with a conjugate prior, so the evidence of b and the prediction (a Student t) are
 * closed formulas; the answer is their mixture. Curves are never quite power laws, so late reports weigh more, all reports together
 * count for no more than EFFECTIVE, and what is still to come is uncertain by a share of itself. */
#include "stop/curves.h"

#include "base/mem.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

#define MAX_POINTS 128  /* of a curve, evenly taken: more say nothing new */
#define EFFECTIVE 20.0  /* points that reports count for: neighbours err alike */
#define N_EXPONENTS 16
#define LOW_EXPONENT 0.1
#define HIGH_EXPONENT 3.0
#define DOUBT 0.3       /* standard deviation of what is still to come, as a share of it */
#define PRIOR_PRECISION 1e-4 /* of c and a, in units of the noise */
#define PRIOR_SHAPE 1.0      /* inverse gamma of the noise's variance: 1 % of the curve's range */
#define PRIOR_SCALE 1e-4

static const struct setting settings[] = {
    {"threshold", SETTING_FLOAT, 0.05, 0, 1, NULL, "a trial is stopped when it ends better than the best one with a smaller probability"},
    {"max_resource", SETTING_INT, 0, 0, 1e12, NULL, "step at which a trial ends; 0: the furthest that a completed one has come"},
    {"min_reports", SETTING_INT, 8, 4, 1e9, NULL, "reports that a trial may always make before it can be stopped"},
    {"min_share", SETTING_FLOAT, 0.25, 0, 1, NULL, "share of max_resource that a trial may always run"},
    {0},
};

struct points {
    double t[MAX_POINTS], y[MAX_POINTS], w[MAX_POINTS]; /* t from 1, in mean distances of reports; y: the last is 0, the range 1 */
    size_t n;
    double t_end, origin, range;
};

/* The finite reports; false if there are too few different ones to see a trend. */
static bool take(const struct curve *c, int64_t end, size_t required, struct points *p)
{
    size_t n = 0, k = 0, last = 0;
    for (size_t i = 0; i < c->n; i++)
        if (isfinite(c->value[i])) {
            n++;
            last = i;
        }
    if (n < required || n < 2)
        return false;
    const double first = (double)c->step[0], unit = ((double)c->step[c->n - 1] - first) / (double)(c->n - 1);
    double low = INFINITY, high = -INFINITY, sum = 0;
    p->origin = c->value[last];
    p->t_end = ((double)end - first) / unit + 1;
    for (size_t i = 0; i < c->n; i++) {
        if (!isfinite(c->value[i]))
            continue;
        if (n <= MAX_POINTS || k * MAX_POINTS / n != (k + 1) * MAX_POINTS / n) {
            p->t[p->n] = ((double)c->step[i] - first) / unit + 1;
            p->y[p->n] = c->value[i] - p->origin;
            p->w[p->n] = p->t[p->n];
            sum += p->w[p->n++];
        }
        k++;
        low = fmin(low, c->value[i]);
        high = fmax(high, c->value[i]);
    }
    p->range = high - low;
    if (!(p->range > 0 && isfinite(p->range)))
        return false;
    for (size_t i = 0; i < p->n; i++) {
        p->y[i] /= p->range;
        p->w[i] *= fmin((double)p->n, EFFECTIVE) / sum;
    }
    return true;
}

struct prediction {
    double mean, deviation, freedom, log_evidence;
};

/* Weighted conjugate regression on (1, t^-b); the prior is centred at 0, which is the curve's last value. */
static struct prediction predict(const struct points *p, double b)
{
    double s11 = PRIOR_PRECISION, s12 = 0, s22 = PRIOR_PRECISION, r1 = 0, r2 = 0, yy = 0, n = 0;
    for (size_t i = 0; i < p->n; i++) {
        double x = pow(p->t[i], -b), w = p->w[i];
        s11 += w;
        s12 += w * x;
        s22 += w * x * x;
        r1 += w * p->y[i];
        r2 += w * x * p->y[i];
        yy += w * p->y[i] * p->y[i];
        n += w;
    }
    const double det = s11 * s22 - s12 * s12, c = (s22 * r1 - s12 * r2) / det, a = (s11 * r2 - s12 * r1) / det;
    const double shape = PRIOR_SHAPE + n / 2, scale = PRIOR_SCALE + fmax(yy - c * r1 - a * r2, 0) / 2;
    const double x = pow(p->t_end, -b), now = c + a * pow(p->t[p->n - 1], -b), mean = c + a * x;
    const double spread = 1 + (s22 - 2 * s12 * x + s11 * x * x) / det;
    return (struct prediction){
        .mean = mean,
        .deviation = sqrt(scale / shape * spread + (mean - now) * (mean - now) * DOUBT * DOUBT),
        .freedom = 2 * shape,
        .log_evidence = -log(det) / 2 - shape * log(scale),
    };
}

/* The probability that the last value is below `target`; the mixture's mean and standard deviation. */
static double probability(const struct points *p, double target, double *mean, double *deviation)
{
    struct prediction each[N_EXPONENTS];
    double top = -INFINITY, total = 0, below = 0, square = 0;
    for (int i = 0; i < N_EXPONENTS; i++) {
        each[i] = predict(p, LOW_EXPONENT * pow(HIGH_EXPONENT / LOW_EXPONENT, i / (N_EXPONENTS - 1.0)));
        top = fmax(top, each[i].log_evidence);
    }
    *mean = 0;
    for (int i = 0; i < N_EXPONENTS; i++) {
        const struct prediction *e = &each[i];
        double w = exp(e->log_evidence - top);
        total += w;
        below += w * gsl_cdf_tdist_P(((target - p->origin) / p->range - e->mean) / e->deviation, e->freedom);
        *mean += w * e->mean;
        square += w * (e->mean * e->mean + e->deviation * e->deviation * e->freedom / (e->freedom - 2));
    }
    *mean /= total;
    *deviation = sqrt(fmax(square / total - *mean * *mean, 0)) * p->range;
    *mean = *mean * p->range + p->origin;
    return below / total;
}

static int64_t furthest(const struct stop_question *q)
{
    int64_t step = (int64_t)settings_get(q->settings, "max_resource");
    if (step)
        return step;
    for (size_t i = 0; i < q->n_others; i++)
        if (q->others[i].end == CURVE_COMPLETED && curve_last(&q->others[i]) > step)
            step = curve_last(&q->others[i]);
    return step;
}

static void ask(const struct stop_question *q, struct stop_answer *answer)
{
    const struct curve *t = q->trial, *best = best_completed(q);
    const int64_t step = curve_last(t), end = furthest(q);
    const double share = settings_get(q->settings, "min_share"), so_far = curve_best(t, 0, t->n);
    struct points *p CLEANUP_FREE = X_NEW(struct points);
    if (!best)
        stop_say(answer, false, "0 of 1 completed trials to compare with");
    else if (step >= end)
        stop_say(answer, false, "it is at step %lld, and trials end at %lld", (long long)step, (long long)end);
    else if ((double)step < share * (double)end)
        stop_say(answer, false, "step %lld of %lld before the rule looks at it", (long long)step, (long long)ceil(share * (double)end));
    else if (so_far <= best->final)
        stop_say(answer, false, "its best value %.6g is as good as that of trial %lld, %.6g", as_reported(q->maximized, so_far), (long long)best->number,
                 as_reported(q->maximized, best->final));
    else if (!take(t, end, (size_t)settings_get(q->settings, "min_reports"), p))
        stop_say(answer, false, "its %zu reports do not show a trend", t->n);
    else {
        double mean, deviation, limit = settings_get(q->settings, "threshold"), chance = probability(p, best->final, &mean, &deviation);
        stop_say(answer, chance < limit, "expected at step %lld: %.4g +- %.2g; better than trial %lld, %.6g, with probability %.2g (limit %g)", (long long)end,
                 as_reported(q->maximized, mean), deviation, (long long)best->number, as_reported(q->maximized, best->final), chance, limit);
    }
}

const struct stopper stopper_curve = {
    .name = "curve",
    .title = "Learning-curve extrapolation",
    .about = "Fits a power law to a trial's reports and stops it when it will hardly end better than the best completed trial (after Domhan et al. 2015).",
    .settings = settings,
    .ask = ask,
};
