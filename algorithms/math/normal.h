/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The normal distribution, as expected improvement needs it. */
#ifndef HONE_MATH_NORMAL_H
#define HONE_MATH_NORMAL_H

double normal_pdf(double z);
double normal_cdf(double z);

/* ln of normal_cdf, exact in the far tail. *slope: its derivative, pdf(z) / cdf(z). */
double normal_log_cdf(double z, double *slope);

/* ln h(z) for h(z) = pdf(z) + z cdf(z), the expected improvement of a standard normal, exact in the far tail where h itself is 0
 * (Ament et al. 2023). *slope (may be NULL): d ln h / dz = cdf(z) / h(z). */
double normal_log_h(double z, double *slope);

#endif
