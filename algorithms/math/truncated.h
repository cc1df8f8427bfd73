/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts of a normal distribution, exact in its tails. */
#ifndef HONE_MATH_TRUNCATED_H
#define HONE_MATH_TRUNCATED_H

/* ln(cdf(b) - cdf(a)) of the standard normal, a < b; far out too, where the difference itself is 0. */
double normal_log_mass(double a, double b);

/* The value in [low, high] below which the part `u` of a normal(mean, deviation), cut to [low, high], lies: u uniform in (0, 1) draws
 * from the cut distribution. An interval too far out for doubles gives its end nearest to the mean. */
double truncated_quantile(double mean, double deviation, double low, double high, double u);

#endif
