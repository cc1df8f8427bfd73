/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/truncated.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sf_erf.h>
#include <math.h>

#define FAR 37 /* standard deviations at which the tail leaves the range of doubles */

static double log_cdf(double z)
{
    return gsl_sf_log_erfc(-z * M_SQRT1_2) - M_LN2;
}

double normal_log_mass(double a, double b)
{
    if (a > 0) { /* mirrored, for in the upper tail the cdf is 1 and its differences are lost */
        double t = a;
        a = -b;
        b = -t;
    }
    if (b <= 0) {
        double upper = log_cdf(b), part = log_cdf(a) - upper;
        return upper + (part > -M_LN2 ? log(-expm1(part)) : log1p(-exp(part)));
    }
    return log1p(-(gsl_cdf_ugaussian_P(a) + gsl_cdf_ugaussian_Q(b)));
}

double truncated_quantile(double mean, double deviation, double low, double high, double u)
{
    double a = (low - mean) / deviation, b = (high - mean) / deviation;
    if (a > FAR || b < -FAR)
        return a > 0 ? low : high;
    double z;
    if (a > 0) {
        double qa = gsl_cdf_ugaussian_Q(a), qb = gsl_cdf_ugaussian_Q(b);
        z = gsl_cdf_ugaussian_Qinv(qa + u * (qb - qa));
    } else {
        double pa = gsl_cdf_ugaussian_P(a), pb = gsl_cdf_ugaussian_P(b);
        z = gsl_cdf_ugaussian_Pinv(pa + u * (pb - pa));
    }
    return fmin(fmax(mean + deviation * z, low), high);
}
