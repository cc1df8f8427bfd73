/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/fit.h"

#include "base/mem.h"
#include "math/array.h"
#include "math/cholesky.h"
#include "math/lbfgs.h"

#include <gsl/gsl_cblas.h>
#include <math.h>

/* Prior of a logarithm: normal. */
struct prior {
    double mean, sd;
};

static const struct prior amplitude_prior = {0, 0.75}, noise_prior = {-8, 3};

/* Short, by measurement (docs/benchmarks.md): a model that trusts its far points less gains more of the first hundred. */
static struct prior length_prior(size_t d)
{
    return (struct prior){-1.7 + 0.4 * log((double)d), 1};
}

struct gp_fit {
    const struct gp_set *set;
    double weight[GP_MAX_DIMS];
    double *k, *slope, *inverse; /* n x n, lower triangles: the amplitude part of K, its slope, K^-1 */
    double *alpha, *scratch;
    double *target; /* y without what regressors are expected to say */
};

struct gp_fit *gp_fit_new(const struct gp_set *set)
{
    struct gp_fit *f = X_NEW(struct gp_fit);
    size_t n = set->n;
    f->set = set;
    f->k = array_new(n * n);
    f->slope = array_new(n * n);
    f->inverse = array_new(n * n);
    f->alpha = array_new(n);
    f->scratch = array_new(n);
    f->target = array_new(n);
    for (size_t i = 0; i < n; i++)
        f->target[i] = set->y[i] - gp_set_expected(set, i);
    return f;
}

void gp_fit_free(struct gp_fit *f)
{
    free(f->k);
    free(f->slope);
    free(f->inverse);
    free(f->alpha);
    free(f->scratch);
    free(f->target);
    free(f);
}

static void row_point(const struct gp_set *s, size_t i, double *point)
{
    for (size_t k = 0; k < s->d; k++)
        point[k] = s->x[k * s->cap + i];
}

static bool factor(struct gp_fit *f, double amplitude, double noise)
{
    const size_t n = f->set->n;
    double point[GP_MAX_DIMS];
    for (size_t i = 0; i < n; i++) {
        double *k = f->k + i * n, *slope = f->slope + i * n, *full = f->inverse + i * n;
        row_point(f->set, i, point);
        gp_distances(f->set, f->weight, point, i, k);
        for (size_t j = 0; j < i; j++) {
            k[j] = gp_kernel(amplitude, k[j], &slope[j]);
            full[j] = k[j] + GP_CONSTANT + gp_set_covariance(f->set, i, j);
        }
        full[i] = amplitude + GP_CONSTANT + noise + GP_FLOOR + f->set->extra[i] + gp_set_covariance(f->set, i, i);
    }
    return cholesky_factor(f->inverse, n, n);
}

/* Sums over the lower triangle are made column by column, the columns' parts independent of each other: a sum in one variable would
 * wait for itself at every element. */
static double total(const double *column, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += column[j];
    return sum;
}

/* With W = alpha alpha' - K^-1 the derivative of the objective by t is -1/2 sum W_ij dK_ij/dt. Turns the slopes into W_ij dk/dr2. */
static void weigh_slopes(struct gp_fit *f, double *of_amplitude, double *trace)
{
    const size_t n = f->set->n;
    const double *restrict alpha = f->alpha;
    double *restrict column = f->scratch;
    *trace = 0;
    memset(column, 0, n * sizeof *column);
    for (size_t i = 0; i < n; i++) {
        double *restrict slope = f->slope + i * n;
        const double *restrict k = f->k + i * n, *restrict inverse = f->inverse + i * n;
        const double by = alpha[i];
        for (size_t j = 0; j < i; j++) {
            double w = by * alpha[j] - inverse[j];
            slope[j] *= w;
            column[j] += w * k[j];
        }
        *trace += by * by - inverse[i];
    }
    *of_amplitude = total(column, n);
}

static double length_gradient(const struct gp_fit *f, size_t dim)
{
    const size_t n = f->set->n;
    const double *restrict x = f->set->x + dim * f->set->cap;
    double *restrict column = f->scratch;
    memset(column, 0, n * sizeof *column);
    for (size_t i = 0; i < n; i++) {
        const double *restrict slope = f->slope + i * n;
        const double at = x[i];
        if (f->set->categorical[dim])
            for (size_t j = 0; j < i; j++)
                column[j] += x[j] != at ? slope[j] : 0;
        else
            for (size_t j = 0; j < i; j++)
                column[j] += slope[j] * ((x[j] - at) * (x[j] - at));
    }
    return 2 * f->weight[dim] * total(column, n);
}

static double penalty(const struct prior *p, double value, double *gradient)
{
    double z = (value - p->mean) / p->sd;
    *gradient += z / p->sd;
    return z * z / 2;
}

double gp_fit_objective(void *fit, const double *theta, double *gradient)
{
    struct gp_fit *f = fit;
    const size_t n = f->set->n, d = f->set->d;
    const double amplitude = exp(theta[d]), noise = exp(theta[d + 1]);
    for (size_t k = 0; k < d; k++)
        f->weight[k] = exp(-2 * theta[k]);
    if (!factor(f, amplitude, noise))
        return INFINITY;
    memcpy(f->alpha, f->target, n * sizeof *f->alpha);
    cholesky_solve(f->inverse, n, n, f->alpha);
    double value = cblas_ddot((int)n, f->alpha, 1, f->target, 1) / 2 + cholesky_log_determinant(f->inverse, n, n) / 2;
    cholesky_invert(f->inverse, n, n);
    double of_amplitude, trace;
    weigh_slopes(f, &of_amplitude, &trace);
    const struct prior length = length_prior(d);
    for (size_t k = 0; k < d; k++) {
        gradient[k] = length_gradient(f, k);
        value += penalty(&length, theta[k], &gradient[k]);
    }
    gradient[d] = -of_amplitude - trace * amplitude / 2;
    value += penalty(&amplitude_prior, theta[d], &gradient[d]);
    gradient[d + 1] = -trace * noise / 2;
    value += penalty(&noise_prior, theta[d + 1], &gradient[d + 1]);
    return value;
}

static void centre(const struct gp_set *set, double shift, double noise, struct gp_theta *theta)
{
    for (size_t k = 0; k < set->d; k++)
        theta->v[k] = length_prior(set->d).mean + shift;
    theta->v[set->d] = 0;
    theta->v[set->d + 1] = noise;
}

void gp_fit_centre(const struct gp_set *set, struct gp_theta *theta)
{
    centre(set, 0, -6, theta);
}

void gp_fit_theta(const struct gp_set *set, const struct gp_theta *previous, struct rng rng, struct gp_theta *theta)
{
    const size_t d = set->d;
    struct gp_theta start[4];
    size_t n_starts = 2;
    centre(set, -0.7, -6, &start[1]);
    if (previous) {
        start[0] = *previous;
        if (set->n % 3 && (set->n & (set->n - 1))) /* the other hill is looked at now and then, and where the chain has a link */
            n_starts = 1;
    } else {
        centre(set, 0, -3, &start[0]);
        for (; n_starts < 4; n_starts++) {
            centre(set, 0, n_starts % 2 ? -6 : -3, &start[n_starts]);
            for (size_t k = 0; k < d; k++)
                start[n_starts].v[k] += 0.5 * rng_normal(&rng);
        }
    }
    struct gp_fit *f = gp_fit_new(set);
    double best = INFINITY;
    gp_fit_centre(set, theta); /* if nothing can be factored */
    for (size_t i = 0; i < n_starts; i++) {
        struct lbfgs o = {.f = gp_fit_objective, .ctx = f, .n = d + 2, .lower = -20, .upper = 20, .max_iterations = i ? 25 : 30,
                          .first_step = 1, .tol_gradient = 1e-2, .tol_relative = 1e-4};
        double value = lbfgs_minimize(&o, start[i].v);
        if (value < best) {
            best = value;
            *theta = start[i];
        }
    }
    gp_fit_free(f);
}
