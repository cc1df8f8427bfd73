/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gp/model.h"

#include "math/array.h"
#include "math/cholesky.h"

#include <gsl/gsl_cblas.h>
#include <math.h>

#define MIN_VARIANCE 1e-10

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

void gp_set_release(struct gp_set *s)
{
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
    return m->amplitude + GP_CONSTANT + m->noise + GP_FLOOR + m->set.extra[i];
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
            row[j] = gp_kernel(m->amplitude, row[j], &slope) + GP_CONSTANT;
        row[i] = diagonal(m, i);
    }
    return cholesky_factor(m->l, n, cap);
}

static void solve(struct gp_model *m)
{
    memcpy(m->alpha, m->set.y, m->set.n * sizeof *m->alpha);
    cholesky_solve(m->l, m->set.n, m->set.cap, m->alpha);
}

void gp_model_init(struct gp_model *m, const struct gp_set *set, const struct gp_theta *theta, size_t n_more)
{
    const size_t n = set->n, d = set->d, cap = (n + n_more + 7) / 8 * 8;
    *m = (struct gp_model){.set = {.n = n, .d = d, .cap = cap, .categorical = set->categorical}};
    m->set.x = array_new(d * cap);
    m->set.y = array_new(cap);
    m->set.extra = array_new(cap);
    for (size_t k = 0; k < d; k++) {
        memcpy(m->set.x + k * cap, set->x + k * set->cap, n * sizeof *set->x);
        m->weight[k] = exp(-2 * theta->v[k]);
    }
    memcpy(m->set.y, set->y, n * sizeof *set->y);
    memcpy(m->set.extra, set->extra, n * sizeof *set->extra);
    m->amplitude = exp(theta->v[d]);
    m->noise = exp(theta->v[d + 1]);
    m->l = array_new(cap * cap);
    m->inverse = array_new(cap * cap);
    m->alpha = array_new(4 * cap);
    m->k = m->alpha + cap;
    m->slope = m->k + cap;
    m->solved = m->slope + cap;
    while (!factor(m)) /* ends: with enough noise the diagonal dominates */
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

double gp_model_mean(struct gp_model *m, const double *point)
{
    fill_kernel(m, point);
    return cblas_ddot((int)m->set.n, m->k, 1, m->alpha, 1);
}

void gp_model_believe(struct gp_model *m, const double *point)
{
    double mean = gp_model_mean(m, point);
    const size_t n = m->set.n;
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

void gp_model_predict(struct gp_model *m, const double *point, double *mean, double *deviation, const size_t *which, size_t n_which,
                      double *d_mean, double *d_deviation)
{
    const int n = (int)m->set.n;
    *mean = gp_model_mean(m, point);
    cblas_dsymv(CblasRowMajor, CblasLower, n, 1, m->inverse, (int)m->set.cap, m->k, 1, 0, m->solved, 1);
    double variance = m->amplitude + GP_CONSTANT - cblas_ddot(n, m->k, 1, m->solved, 1);
    bool clamped = !(variance > MIN_VARIANCE);
    *deviation = sqrt(clamped ? MIN_VARIANCE : variance);
    if (!d_mean)
        return;
    for (size_t i = 0; i < m->set.n; i++) { /* per row: what a change of its r2 does to the mean, and to half the variance */
        m->k[i] = m->slope[i] * m->alpha[i];
        m->solved[i] *= m->slope[i];
    }
    for (size_t q = 0; q < n_which; q++) {
        const size_t k = which[q];
        const double *x = m->set.x + k * m->set.cap;
        double of_mean = 0, of_variance = 0;
        for (size_t i = 0; i < m->set.n; i++) {
            double difference = point[k] - x[i];
            of_mean += m->k[i] * difference;
            of_variance += m->solved[i] * difference;
        }
        d_mean[q] = 2 * m->weight[k] * of_mean;
        d_deviation[q] = clamped ? 0 : -2 * m->weight[k] * of_variance / *deviation;
    }
}

double gp_model_lowest_mean(const struct gp_model *m)
{
    double lowest = INFINITY;
    for (size_t i = 0; i < m->set.n; i++)
        lowest = fmin(lowest, m->set.y[i] - (m->noise + GP_FLOOR + m->set.extra[i]) * m->alpha[i]);
    return lowest;
}
