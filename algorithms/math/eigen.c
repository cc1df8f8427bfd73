/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/eigen.h"

#include "math/array.h"

#include <float.h>
#include <math.h>

#define MAX_STEPS 60 /* QR steps for each eigenvalue; two or three are usual */

/* The reflection I - beta v v' that maps x (n values) to (alpha, 0, ..., 0); v replaces x. Returns beta, 0 if x is that already. */
static double reflect(double *x, size_t n, double *alpha)
{
    double tail = 0;
    for (size_t i = 1; i < n; i++)
        tail += x[i] * x[i];
    *alpha = x[0];
    if (tail == 0)
        return 0;
    double norm = sqrt(x[0] * x[0] + tail);
    *alpha = x[0] > 0 ? -norm : norm;
    x[0] -= *alpha;
    return 2 / (x[0] * x[0] + tail);
}

/* The trailing block of a, from row `from` on, becomes H a H for H = I - beta v v'. */
static void reflect_block(double *a, size_t n, size_t from, const double *v, double beta, double *w)
{
    size_t m = n - from;
    double inner = 0;
    for (size_t i = 0; i < m; i++) {
        const double *row = a + (from + i) * n + from;
        w[i] = 0;
        for (size_t j = 0; j < m; j++)
            w[i] += row[j] * v[j];
        w[i] *= beta;
        inner += w[i] * v[i];
    }
    for (size_t i = 0; i < m; i++)
        w[i] -= beta / 2 * inner * v[i];
    for (size_t i = 0; i < m; i++) {
        double *row = a + (from + i) * n + from;
        for (size_t j = 0; j < m; j++)
            row[j] -= v[i] * w[j] + w[i] * v[j];
    }
}

/* a = q' t q with t tridiagonal: its diagonal d and subdiagonal e. */
static void tridiagonalise(double *a, size_t n, double *d, double *e, double *q)
{
    double *v = array_new(n * n), *beta = array_new(n), *w = array_new(n);
    for (size_t k = 0; k + 1 < n; k++) {
        double *x = v + k * n, alpha;
        for (size_t i = k + 1; i < n; i++)
            x[i - k - 1] = a[i * n + k];
        beta[k] = reflect(x, n - k - 1, &alpha);
        e[k] = alpha;
        if (beta[k] != 0)
            reflect_block(a, n, k + 1, x, beta[k], w);
    }
    for (size_t i = 0; i < n; i++) {
        d[i] = a[i * n + i];
        for (size_t j = 0; j < n; j++)
            q[i * n + j] = i == j;
    }
    for (size_t k = n; k-- > 0;) { /* q := q H_k on the columns that it acts on, from the last: the rest is still the identity */
        const double *x = v + k * n;
        for (size_t i = k + 1; i < n && beta[k] != 0; i++) {
            double *row = q + i * n + k + 1, inner = 0;
            for (size_t j = 0; j < n - k - 1; j++)
                inner += row[j] * x[j];
            for (size_t j = 0; j < n - k - 1; j++)
                row[j] -= beta[k] * inner * x[j];
        }
    }
    free(v);
    free(beta);
    free(w);
}

/* Turns rows k and k+1 of q by the angle with cosine c and sine s. */
static void rotate(double *q, size_t n, size_t k, double c, double s)
{
    double *x = q + k * n, *y = x + n;
    for (size_t j = 0; j < n; j++) {
        double t = c * x[j] - s * y[j];
        y[j] = s * x[j] + c * y[j];
        x[j] = t;
    }
}

/* One implicit QR step on the unreduced block low..high. */
static void qr_step(double *d, double *e, size_t low, size_t high, double *q, size_t n)
{
    double half = (d[high - 1] - d[high]) / 2, last = e[high - 1];
    double shift = d[high] - last * last / (half + copysign(hypot(half, last), half));
    double x = d[low] - shift, z = e[low];
    for (size_t k = low; k < high; k++) {
        double r = hypot(x, z), c = r > 0 ? x / r : 1, s = r > 0 ? -z / r : 0;
        if (k > low)
            e[k - 1] = r;
        double a = d[k], b = d[k + 1], m = e[k];
        d[k] = c * c * a + s * s * b - 2 * c * s * m;
        d[k + 1] = s * s * a + c * c * b + 2 * c * s * m;
        e[k] = c * s * (a - b) + (c * c - s * s) * m;
        rotate(q, n, k, c, s);
        if (k + 1 < high) {
            x = e[k];
            z = -s * e[k + 1];
            e[k + 1] *= c;
        }
    }
}

static bool negligible(const double *d, const double *e, size_t i)
{
    return fabs(e[i]) <= DBL_EPSILON * (fabs(d[i]) + fabs(d[i + 1])) || fabs(e[i]) < DBL_MIN;
}

bool eigen_symmetric(double *a, size_t n, double *values, double *vectors)
{
    double *e = array_new(n + 1);
    tridiagonalise(a, n, values, e, vectors);
    size_t high = n ? n - 1 : 0, steps = 0;
    bool converges = true;
    while (high > 0 && converges) {
        if (negligible(values, e, high - 1)) {
            high--;
            continue;
        }
        size_t low = high - 1;
        while (low > 0 && !negligible(values, e, low - 1))
            low--;
        qr_step(values, e, low, high, vectors, n);
        converges = ++steps < MAX_STEPS * n;
    }
    free(e);
    return converges;
}
