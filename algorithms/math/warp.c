/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/warp.h"

#include "math/array.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Root mean square distance from the median of the first n sorted values. */
static double spread(const double *sorted, size_t n, double median)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (sorted[i] - median) * (sorted[i] - median) / (double)n;
    return sqrt(sum);
}

/* The worse half of the sorted values, to the normal scores of their ranks (ties share one). */
static void warp_worse(const double *sorted, double *out, size_t n, double median)
{
    size_t n_good = 0;
    while (n_good < n && sorted[n_good] <= median)
        n_good++;
    double scale = spread(sorted, n_good, median);
    if (scale <= 0)
        scale = spread(sorted, n, median);
    memcpy(out, sorted, n_good * sizeof *out);
    for (size_t i = n_good, end; i < n; i = end) {
        for (end = i; end < n && sorted[end] <= sorted[i]; end++)
            ;
        double z = gsl_cdf_ugaussian_Pinv((double)(i + end) / (2.0 * (double)n));
        for (size_t k = i; k < end; k++)
            out[k] = median + scale * z;
    }
}

static double standardize(double *v, size_t n)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += v[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        variance += (v[i] - mean) * (v[i] - mean) / (double)n;
    double sd = sqrt(variance);
    for (size_t i = 0; i < n; i++)
        v[i] = sd > 0 ? (v[i] - mean) / sd : 0;
    return sd;
}

static size_t place(const double *sorted, size_t n, double value)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool warp_fit(struct warp *w, double *y, size_t n)
{
    *w = (struct warp){.n = n, .from = array_new(n), .to = array_new(n)};
    memcpy(w->from, y, n * sizeof *y);
    qsort(w->from, n, sizeof *y, by_value);
    double largest = fmax(fabs(w->from[0]), fabs(w->from[n - 1]));
    if (!(w->from[n - 1] - w->from[0] > 1e-13 * largest)) {
        memset(y, 0, n * sizeof *y);
        return false;
    }
    double *unit = array_new(n), scale = largest > 1e100 || largest < 1e-100 ? largest : 1; /* squares must stay in range */
    for (size_t i = 0; i < n; i++)
        unit[i] = w->from[i] / scale;
    double median = n % 2 ? unit[n / 2] : (unit[n / 2 - 1] + unit[n / 2]) / 2;
    warp_worse(unit, w->to, n, median);
    free(unit);
    double sd = standardize(w->to, n);
    w->slope = sd * scale;
    for (size_t i = 0; i < n; i++)
        y[i] = w->to[place(w->from, n, y[i])];
    return sd > 0;
}

bool warp_fit_linear(struct warp *w, double *y, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += y[i] / (double)n;
    *w = (struct warp){.slope = standardize(y, n), .middle = mean};
    return w->slope > 1e-13 * fabs(mean);
}

void warp_release(struct warp *w)
{
    free(w->from);
    free(w->to);
}

double warp_back(const struct warp *w, double warped)
{
    if (warped <= w->to[0])
        return w->from[0] + (warped - w->to[0]) * w->slope;
    if (warped >= w->to[w->n - 1])
        return w->from[w->n - 1];
    size_t i = place(w->to, w->n, warped);
    double span = w->to[i] - w->to[i - 1];
    return w->from[i - 1] + (w->from[i] - w->from[i - 1]) * ((warped - w->to[i - 1]) / span);
}
