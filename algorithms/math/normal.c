/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/normal.h"

#include <math.h>
#include <stddef.h>

#define LN_SQRT_2PI 0.91893853320467274178

double normal_pdf(double z)
{
    return exp(-z * z / 2 - LN_SQRT_2PI);
}

double normal_cdf(double z)
{
    return erfc(-z * M_SQRT1_2) / 2;
}

/* Mills' ratio cdf(-a) / pdf(a), a > 0. */
static double mills(double a)
{
    if (a < 5)
        return normal_cdf(-a) / normal_pdf(a);
    double f = 0; /* Laplace's continued fraction, from its end */
    for (int k = 40; k > 0; k--)
        f = k / (a + f);
    return 1 / (a + f);
}

double normal_log_cdf(double z, double *slope)
{
    if (z > -5) {
        double cdf = normal_cdf(z);
        *slope = normal_pdf(z) / cdf;
        return log(cdf);
    }
    double r = mills(-z);
    *slope = 1 / r;
    return -z * z / 2 - LN_SQRT_2PI + log(r);
}

double normal_log_h(double z, double *slope)
{
    double ratio, value;
    if (z > -1) {
        double cdf = normal_cdf(z), h = normal_pdf(z) + z * cdf;
        ratio = cdf / h;
        value = log(h);
    } else {
        /* h = pdf (1 - a R): the difference is taken before it cancels, by the asymptotic series far out */
        double a = -z, r = mills(a), b = 1 / (a * a);
        double rest = a <= 30 ? 1 - a * r : b * (1 - b * (3 - b * (15 - b * (105 - b * 945))));
        ratio = r / rest;
        value = -a * a / 2 - LN_SQRT_2PI + log(rest);
    }
    if (slope)
        *slope = ratio;
    return value;
}
