/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmaes/margin.h"

#include "cells.h"
#include "gp/space.h"
#include "math/truncated.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

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

double margin_latent(const struct cma *s, const struct problem *p, int dim, size_t k, double snapped, double u)
{
    double low = 0, high = 1;
    if (!isnan(snapped) && p->dims[dim].kind != DIM_ORDINAL)
        return snapped;
    if (!isnan(snapped))
        cell_bounds(p, dim, gp_space_level(p, dim, snapped), &low, &high);
    return truncated_quantile(s->mean[k], cma_deviation(s, k), low, high, u);
}
