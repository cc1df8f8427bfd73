/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/guide.h"

#include "math/array.h"
#include "math/cholesky.h"

#include "base/mem.h"

#include <gsl/gsl_cblas.h>
#include <math.h>

#define MIN_VARIANCE 1e-10
#define MOST_NOISE 1e12

void gp_set_init(struct gp_set *s, const struct gp_space *space, size_t cap)
{
    *s = (struct gp_set){.d = space->d, .cap = cap, .categorical = space->categorical};
    s->x = array_new(space->d * cap);
    s->y = array_new(cap);
    s->extra = array_new(cap);
}

void gp_set_add(struct gp_set *s, const double *point, double y, double extra)
{
    for (size_t k = 0; k < s->d; k++)
        s->x[k * s->cap + s->n] = point[k];
    s->y[s->n] = y;
    s->extra[s->n++] = extra;
}

void gp_set_regress(struct gp_set *s, size_t n_regressors)
{
    s->n_regressors = n_regressors;
    s->regressor = n_regressors ? array_new(n_regressors * s->cap) : NULL;
}

double gp_set_expected(const struct gp_set *s, size_t i)
{
    double sum = 0;
    for (size_t j = 0; j < s->n_regressors; j++)
        sum += s->regressor[j * s->cap + i];
    return s->n_regressors ? sum * GP_SLOPE / (double)s->n_regressors : 0;
}

double gp_set_covariance(const struct gp_set *s, size_t i, size_t j)
{
    double sum = 0;
    for (size_t q = 0; q < s->n_regressors; q++)
        sum += s->regressor[q * s->cap + i] * s->regressor[q * s->cap + j];
    return GP_SLOPE_VARIANCE * sum;
}

void gp_set_release(struct gp_set *s)
{
    free(s->regressor);
    free(s->x);
    free(s->y);
    free(s->extra);
}

void gp_distances(const struct gp_set *s, const double *weight, const double *point, size_t n, double *restrict r2)
{
    memset(r2, 0, n * sizeof *r2);
    for (size_t k = 0; k < s->d; k++) {
        const double *restrict x = s->x + k * s->cap;
        const double at = point[k], w = weight[k];
        if (s->categorical[k])
            for (size_t i = 0; i < n; i++)
                r2[i] += x[i] != at ? w : 0;
        else
            for (size_t i = 0; i < n; i++)
                r2[i] += (x[i] - at) * (x[i] - at) * w;
    }
}

double gp_kernel(double amplitude, double r2, double *slope)
{
    double r = sqrt(5 * r2), e = amplitude * exp(-r);
    *slope = -5.0 / 6 * e * (1 + r);
    return e * (1 + r + r * r / 3);
}

static double diagonal(const struct gp_model *m, size_t i)
{
    return m->amplitude + GP_CONSTANT + m->noise + GP_FLOOR + m->set.extra[i] + gp_set_covariance(&m->set, i, i);
}

static bool factor(struct gp_model *m)
{
    const size_t n = m->set.n, cap = m->set.cap;
    double point[GP_MAX_DIMS];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < m->set.d; k++)
            point[k] = m->set.x[k * cap + i];
        double *row = m->l + i * cap, slope;
        gp_distances(&m->set, m->weight, point, i, row);
        for (size_t j = 0; j < i; j++)
            row[j] = gp_kernel(m->amplitude, row[j], &slope) + GP_CONSTANT + gp_set_covariance(&m->set, i, j);
        row[i] = diagonal(m, i);
    }
    return cholesky_factor(m->l, n, cap);
}

static void solve(struct gp_model *m)
{
    for (size_t i = 0; i < m->set.n; i++)
        m->alpha[i] = m->set.y[i] - gp_set_expected(&m->set, i);
    cholesky_solve(m->l, m->set.n, m->set.cap, m->alpha);
}

void gp_model_init(struct gp_model *m, const struct gp_set *set, const struct gp_theta *theta, const struct gp_guide *guide, size_t n_more)
{
    const size_t n = set->n, d = set->d, cap = (n + n_more + 7) / 8 * 8;
    *m = (struct gp_model){.guide = guide, .set = {.n = n, .d = d, .cap = cap, .categorical = set->categorical}};
    m->set.x = array_new(d * cap);
    m->set.y = array_new(cap);
    m->set.extra = array_new(cap);
    for (size_t k = 0; k < d; k++) {
        memcpy(m->set.x + k * cap, set->x + k * set->cap, n * sizeof *set->x);
        m->weight[k] = exp(-2 * theta->v[k]);
    }
    memcpy(m->set.y, set->y, n * sizeof *set->y);
    memcpy(m->set.extra, set->extra, n * sizeof *set->extra);
    gp_set_regress(&m->set, set->n_regressors);
    for (size_t j = 0; j < set->n_regressors; j++)
        memcpy(m->set.regressor + j * cap, set->regressor + j * set->cap, n * sizeof *set->regressor);
    m->amplitude = exp(theta->v[d]);
    m->noise = exp(theta->v[d + 1]);
    m->l = array_new(cap * cap);
    m->inverse = array_new(cap * cap);
    m->alpha = array_new(4 * cap);
    m->k = m->alpha + cap;
    m->slope = m->k + cap;
    m->solved = m->slope + cap;
    while (!factor(m) && m->noise < MOST_NOISE) /* with enough noise the diagonal dominates, unless something is not a number */
        m->noise = m->noise * 10 + 1e-6;
    solve(m);
}

void gp_model_release(struct gp_model *m)
{
    gp_set_release(&m->set);
    free(m->l);
    free(m->inverse);
    free(m->alpha);
}

static void fill_kernel(struct gp_model *m, const double *point)
{
    gp_distances(&m->set, m->weight, point, m->set.n, m->k);
    for (size_t i = 0; i < m->set.n; i++)
        m->k[i] = gp_kernel(m->amplitude, m->k[i], &m->slope[i]) + GP_CONSTANT;
}

/* Adds to m->k what the unknown slopes do; gives what is expected by the regressors alone. */
static double regress(struct gp_model *m, const double *f)
{
    const struct gp_set *s = &m->set;
    double sum = 0;
    for (size_t j = 0; j < s->n_regressors; j++) {
        const double *column = s->regressor + j * s->cap;
        for (size_t i = 0; i < s->n; i++)
            m->k[i] += GP_SLOPE_VARIANCE * f[j] * column[i];
        sum += f[j];
    }
    return sum * GP_SLOPE / (double)s->n_regressors;
}

/* Sum over the rows of weight times how far the point is from each in dimension k. */
static double along(const struct gp_model *m, const double *weight, size_t k, const double *point)
{
    const double *x = m->set.x + k * m->set.cap;
    double sum = 0;
    for (size_t i = 0; i < m->set.n; i++)
        sum += weight[i] * (point[k] - x[i]);
    return sum;
}

double gp_model_mean(struct gp_model *m, const double *point)
{
    double f[MAX_EARLIER], expected = 0;
    fill_kernel(m, point);
    if (m->guide) {
        gp_guide_at(m->guide, point, f, NULL, 0, NULL);
        expected = regress(m, f);
    }
    return expected + cblas_ddot((int)m->set.n, m->k, 1, m->alpha, 1);
}

double gp_model_mean_gradient(struct gp_model *m, const double *point, const size_t *which, size_t n_which, double *d_mean)
{
    double mean = gp_model_mean(m, point);
    for (size_t i = 0; i < m->set.n; i++)
        m->k[i] = m->slope[i] * m->alpha[i];
    for (size_t q = 0; q < n_which; q++)
        d_mean[q] = 2 * m->weight[which[q]] * along(m, m->k, which[q], point);
    return mean;
}

void gp_model_believe(struct gp_model *m, const double *point)
{
    double mean = gp_model_mean(m, point), f[MAX_EARLIER];
    const size_t n = m->set.n;
    if (m->guide)
        gp_guide_at(m->guide, point, f, NULL, 0, NULL);
    for (size_t j = 0; j < m->set.n_regressors; j++)
        m->set.regressor[j * m->set.cap + n] = f[j];
    gp_set_add(&m->set, point, mean, 0);
    if (!cholesky_append(m->l, n, m->set.cap, m->k, diagonal(m, n))) {
        m->set.n = n; /* nothing new to learn from it */
        return;
    }
    solve(m);
}

void gp_model_finish(struct gp_model *m)
{
    memcpy(m->inverse, m->l, m->set.cap * m->set.n * sizeof *m->l);
    cholesky_invert(m->inverse, m->set.n, m->set.cap);
}

/* What the regressors do to mean, variance and their derivatives; solved = K^-1 k as it is before slopes are multiplied in. */
struct regression {
    double f[MAX_EARLIER], by_mean[MAX_EARLIER], by_variance[MAX_EARLIER]; /* the derivatives by f, of half the variance */
    double variance;
};

static void regression_weigh(struct regression *z, const struct gp_model *m)
{
    const struct gp_set *s = &m->set;
    z->variance = 0;
    for (size_t j = 0; j < s->n_regressors; j++) {
        const double *column = s->regressor + j * s->cap;
        z->by_mean[j] = GP_SLOPE / (double)s->n_regressors + GP_SLOPE_VARIANCE * cblas_ddot((int)s->n, m->alpha, 1, column, 1);
        z->by_variance[j] = GP_SLOPE_VARIANCE * (z->f[j] - cblas_ddot((int)s->n, m->solved, 1, column, 1));
        z->variance += GP_SLOPE_VARIANCE * z->f[j] * z->f[j];
    }
}

void gp_model_predict(struct gp_model *m, const double *point, double *mean, double *deviation, const size_t *which, size_t n_which,
                      double *d_mean, double *d_deviation)
{
    const int n = (int)m->set.n;
    struct regression z = {.variance = 0};
    double *d_f CLEANUP_FREE = m->guide && d_mean ? array_new(MAX_EARLIER * n_which) : NULL;
    fill_kernel(m, point);
    *mean = 0;
    if (m->guide) {
        gp_guide_at(m->guide, point, z.f, which, n_which, d_f);
        *mean = regress(m, z.f);
    }
    *mean += cblas_ddot(n, m->k, 1, m->alpha, 1);
    cblas_dsymv(CblasRowMajor, CblasLower, n, 1, m->inverse, (int)m->set.cap, m->k, 1, 0, m->solved, 1);
    if (m->guide)
        regression_weigh(&z, m);
    double variance = m->amplitude + GP_CONSTANT + z.variance - cblas_ddot(n, m->k, 1, m->solved, 1);
    bool clamped = !(variance > MIN_VARIANCE);
    *deviation = sqrt(clamped ? MIN_VARIANCE : variance);
    if (!d_mean)
        return;
    for (size_t i = 0; i < m->set.n; i++) { /* per row: what a change of its r2 does to the mean, and to half the variance */
        m->k[i] = m->slope[i] * m->alpha[i];
        m->solved[i] *= m->slope[i];
    }
    for (size_t q = 0; q < n_which; q++) {
        double of_variance = -2 * m->weight[which[q]] * along(m, m->solved, which[q], point);
        d_mean[q] = 2 * m->weight[which[q]] * along(m, m->k, which[q], point);
        for (size_t j = 0; j < m->set.n_regressors; j++) {
            d_mean[q] += z.by_mean[j] * d_f[j * n_which + q];
            of_variance += z.by_variance[j] * d_f[j * n_which + q];
        }
        d_deviation[q] = clamped ? 0 : of_variance / *deviation;
    }
}

double gp_model_lowest_mean(const struct gp_model *m)
{
    double lowest = INFINITY;
    for (size_t i = 0; i < m->set.n; i++)
        lowest = fmin(lowest, m->set.y[i] - (m->noise + GP_FLOOR + m->set.extra[i]) * m->alpha[i]);
    return lowest;
}
