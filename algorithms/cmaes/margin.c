/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmaes/margin.h"

#include "cells.h"
#include "gp/space.h"
#include "math/truncated.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

#define WIDEST 0.3 /* deviation: that of the even distribution on [0,1] */

/* In the first or last cell there is one way out: the mean moves towards it. */
static void keep_outer(struct cma *s, size_t k, double edge, bool first, double margin)
{
    const double deviation = cma_deviation(s, k), away = gsl_cdf_ugaussian_Qinv(margin) * deviation;
    s->mean[k] = first ? fmax(s->mean[k], edge - away) : fmin(s->mean[k], edge + away);
}

static void keep_inner(struct cma *s, size_t k, double low, double high, double margin)
{
    const double deviation = cma_deviation(s, k), least = margin / 2;
    double below = gsl_cdf_ugaussian_P((low - s->mean[k]) / deviation), above = gsl_cdf_ugaussian_Q((high - s->mean[k]) / deviation);
    if (below >= least && above >= least)
        return;
    const double inside = 1 - below - above;
    below = fmax(below, least);
    above = fmax(above, least);
    const double excess = below + above + inside - 1, free_mass = below + above + inside - 3 * least;
    const double z_below = gsl_cdf_ugaussian_Qinv(below - excess * (below - least) / free_mass);
    const double z_above = gsl_cdf_ugaussian_Qinv(above - excess * (above - least) / free_mass);
    s->mean[k] = (low * z_above + high * z_below) / (z_below + z_above);
    s->scale[k] *= (high - low) / (z_below + z_above) / deviation;
}

void margin_keep(struct cma *s, const struct problem *p, const int *dims, double margin)
{
    for (size_t k = 0; k < s->d; k++) {
        const struct dim *dim = &p->dims[dims[k]];
        double low, high;
        if (dim->kind != DIM_ORDINAL)
            continue;
        int64_t level = gp_space_level(p, dims[k], s->mean[k]);
        cell_bounds(p, dims[k], level, &low, &high);
        if (level == 0)
            keep_outer(s, k, high, true, margin);
        else if (level + 1 == dim->n_levels)
            keep_outer(s, k, low, false, margin);
        else
            keep_inner(s, k, low, high, margin);
    }
}

void margin_limit(struct cma *s)
{
    double most = 0;
    for (size_t k = 0; k < s->d; k++)
        most = fmax(most, cma_deviation(s, k));
    if (most > WIDEST)
        s->sigma *= WIDEST / most;
}

double margin_fold(double x)
{
    double t = fmod(fabs(x), 2);
    return t > 1 ? 2 - t : t;
}

void margin_mirror(struct cma *s)
{
    const size_t d = s->d;
    for (size_t j = 0; j < d; j++) {
        const double mean = s->mean[j];
        s->mean[j] = margin_fold(mean);
        if ((int64_t)floor(mean) % 2 == 0)
            continue;
        s->path_sigma[j] = -s->path_sigma[j];
        s->path_c[j] = -s->path_c[j];
        for (size_t k = 0; k < d; k++) {
            s->vectors[k * d + j] = -s->vectors[k * d + j];
            if (k != j) {
                s->c[k * d + j] = -s->c[k * d + j];
                s->c[j * d + k] = -s->c[j * d + k];
            }
        }
    }
}

/* How likely a draw comes to [low, high], or for a point low = high how dense draws are there: comparable within either. */
static double likelihood(double mean, double deviation, double low, double high)
{
    double a = (low - mean) / deviation, b = (high - mean) / deviation;
    return a < b ? exp(normal_log_mass(a, b)) : exp(-a * a / 2);
}

double margin_latent(const struct cma *s, const struct problem *p, int dim, size_t k, double snapped, double u)
{
    const double mean = s->mean[k], deviation = cma_deviation(s, k);
    if (isnan(snapped))
        return mean + deviation * gsl_cdf_ugaussian_Pinv(u);
    double low = snapped, high = snapped;
    if (p->dims[dim].kind == DIM_ORDINAL)
        cell_bounds(p, dim, gp_space_level(p, dim, snapped), &low, &high);
    const double images[3][2] = {{low, high}, {-high, -low}, {2 - high, 2 - low}};
    double part[3], total = 0;
    for (int i = 0; i < 3; i++)
        total += part[i] = likelihood(mean, deviation, images[i][0], images[i][1]);
    int i = 0;
    for (u *= total; i < 2 && u >= part[i]; i++)
        u -= part[i];
    if (!(part[i] > 0)) /* from too far away for doubles */
        i = 0;
    return truncated_quantile(mean, deviation, images[i][0], images[i][1], part[i] > 0 ? fmin(u / part[i], 1) : 0.5);
}
