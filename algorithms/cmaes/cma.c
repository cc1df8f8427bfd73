/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmaes/cma.h"

#include "math/array.h"
#include "math/eigen.h"

#include <math.h>

#define LEAST_DEVIATION 1e-11
#define WORST_CONDITION 1e14

/* --- weights and rates */

/* Negative weights, scaled so that c stays positive definite whatever the points are. */
static void scale_negative(struct cma_rates *r, size_t d)
{
    double sum = 0, squares = 0;
    for (size_t i = r->n_parents; i < r->n; i++) {
        sum -= r->weight[i];
        squares += r->weight[i] * r->weight[i];
    }
    if (sum == 0)
        return;
    double mass = sum * sum / squares;
    double scale = fmin(fmin(1 + r->rank_one / r->rank_mu, 1 + 2 * mass / (r->mass + 2)), (1 - r->rank_one - r->rank_mu) / ((double)d * r->rank_mu));
    for (size_t i = r->n_parents; i < r->n; i++)
        r->weight[i] *= scale / sum;
}

void cma_rates_init(struct cma_rates *r, size_t dims, size_t n)
{
    const double d = (double)dims;
    *r = (struct cma_rates){.n = n, .n_parents = n < 2 ? n : n / 2, .weight = array_new(n + 1)};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        r->weight[i] = log(((double)n + 1) / 2) - log((double)i + 1);
    if (n == 1)
        r->weight[0] = 1;
    for (size_t i = 0; i < r->n_parents; i++)
        sum += r->weight[i];
    for (size_t i = 0; i < r->n_parents; i++) {
        r->weight[i] /= sum;
        squares += r->weight[i] * r->weight[i];
    }
    r->mass = 1 / squares;
    r->path_sigma = (r->mass + 2) / (d + r->mass + 5);
    r->damping = 1 + r->path_sigma + 2 * fmax(0, sqrt((r->mass - 1) / (d + 1)) - 1);
    r->path_c = (4 + r->mass / d) / (d + 4 + 2 * r->mass / d);
    r->rank_one = 2 / ((d + 1.3) * (d + 1.3) + r->mass);
    r->rank_mu = fmin(1 - r->rank_one, 2 * (r->mass - 2 + 1 / r->mass) / ((d + 2) * (d + 2) + r->mass));
    r->length = sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d));
    scale_negative(r, dims);
}

void cma_rates_release(struct cma_rates *r)
{
    free(r->weight);
}

/* --- the run */

static void lay_out(struct cma *s)
{
    double **const arrays[] = {&s->mean, &s->scale, &s->path_sigma, &s->path_c, &s->root};
    const size_t d = s->d;
    double *at = s->memory;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++, at += d)
        *arrays[i] = at;
    s->c = at;
    s->vectors = at + d * d;
}

static size_t size_of(size_t d)
{
    return d * (5 + 2 * d) + 1;
}

void cma_init(struct cma *s, size_t d, const double *mean, double sigma)
{
    *s = (struct cma){.d = d, .sigma = sigma, .memory = array_new(size_of(d))};
    lay_out(s);
    for (size_t k = 0; k < d; k++) {
        s->mean[k] = mean[k];
        s->scale[k] = s->root[k] = s->c[k * d + k] = s->vectors[k * d + k] = 1;
    }
}

void cma_release(struct cma *s)
{
    free(s->memory);
}

void cma_copy(struct cma *to, const struct cma *from)
{
    *to = *from;
    to->memory = array_new(size_of(from->d));
    memcpy(to->memory, from->memory, size_of(from->d) * sizeof *to->memory);
    lay_out(to);
}

static void decompose(struct cma *s)
{
    const size_t d = s->d;
    double *copy = array_new(d * d), least = INFINITY, most = 0;
    memcpy(copy, s->c, d * d * sizeof *copy);
    bool ok = eigen_symmetric(copy, d, s->root, s->vectors);
    for (size_t k = 0; k < d; k++) {
        least = fmin(least, s->root[k]);
        most = fmax(most, s->root[k]);
        s->root[k] = sqrt(fmax(s->root[k], 0));
    }
    s->spent = !ok || !(most < WORST_CONDITION * least) || !(s->sigma * sqrt(most) > LEAST_DEVIATION);
    free(copy);
}

void cma_set_covariance(struct cma *s, const double *covariance)
{
    const size_t d = s->d;
    memcpy(s->c, covariance, d * d * sizeof *s->c);
    s->sigma = 1;
    decompose(s);
    double log_det = 0;
    for (size_t k = 0; k < d; k++)
        log_det += 2 * log(s->root[k]);
    s->sigma = exp(log_det / (2 * (double)d));
    for (size_t k = 0; k < d * d; k++)
        s->c[k] /= s->sigma * s->sigma;
    for (size_t k = 0; k < d; k++)
        s->root[k] /= s->sigma;
}

double cma_deviation(const struct cma *s, size_t k)
{
    return s->sigma * s->scale[k] * sqrt(s->c[k * s->d + k]);
}

void cma_draw(const struct cma *s, struct rng *r, double *x)
{
    const size_t d = s->d;
    memset(x, 0, d * sizeof *x);
    for (size_t k = 0; k < d; k++) {
        const double *v = s->vectors + k * d, step = s->root[k] * rng_normal(r);
        for (size_t j = 0; j < d; j++)
            x[j] += step * v[j];
    }
    for (size_t j = 0; j < d; j++)
        x[j] = s->mean[j] + s->sigma * s->scale[j] * x[j];
}

/* --- a generation */

/* out := c^-1/2 y; its length. */
static double whiten(const struct cma *s, const double *y, double *out)
{
    const size_t d = s->d;
    double squares = 0;
    memset(out, 0, d * sizeof *out);
    for (size_t k = 0; k < d; k++) {
        const double *v = s->vectors + k * d;
        double t = 0;
        for (size_t j = 0; j < d; j++)
            t += v[j] * y[j];
        t /= s->root[k];
        squares += t * t;
        for (size_t j = 0; j < d; j++)
            out[j] += t * v[j];
    }
    return sqrt(squares);
}

/* The steps that led to the points, in units of sigma, those too long for a draw of this run cut; and their lengths under c. */
static void find_steps(const struct cma *s, const double *const *x, size_t n, double *step, double *length)
{
    const size_t d = s->d;
    const double most = sqrt((double)d) + 2 * (double)d / ((double)d + 2);
    double *white = array_new(d);
    for (size_t i = 0; i < n; i++) {
        double *y = step + i * d;
        for (size_t j = 0; j < d; j++)
            y[j] = (x[i][j] - s->mean[j]) / (s->sigma * s->scale[j]);
        length[i] = whiten(s, y, white);
        if (length[i] > most) {
            for (size_t j = 0; j < d; j++)
                y[j] *= most / length[i];
            length[i] = most;
        }
    }
    free(white);
}

/* Moves mean, paths and sigma; true if the path of c takes the step. */
static bool move(struct cma *s, const struct cma_rates *r, const double *step, const double *white)
{
    const size_t d = s->d;
    const double keep_sigma = 1 - r->path_sigma, take_sigma = sqrt(r->path_sigma * (2 - r->path_sigma) * r->mass);
    double squares = 0;
    for (size_t j = 0; j < d; j++) {
        s->mean[j] += s->sigma * s->scale[j] * step[j];
        s->path_sigma[j] = keep_sigma * s->path_sigma[j] + take_sigma * white[j];
        squares += s->path_sigma[j] * s->path_sigma[j];
    }
    const double length = sqrt(squares), age = 1 - pow(keep_sigma, 2 * ((double)s->generation + 1));
    const bool takes = length / sqrt(age) < (1.4 + 2 / ((double)d + 1)) * r->length;
    const double take_c = takes ? sqrt(r->path_c * (2 - r->path_c) * r->mass) : 0;
    for (size_t j = 0; j < d; j++)
        s->path_c[j] = (1 - r->path_c) * s->path_c[j] + take_c * step[j];
    s->sigma *= exp(fmin(fmax(r->path_sigma / r->damping * (length / r->length - 1), -1), 1));
    return takes;
}

static void add_outer(double *c, size_t d, double weight, const double *y)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            c[i * d + j] += weight * y[i] * y[j];
}

static void turn(struct cma *s, const struct cma_rates *r, const double *weight, const double *step, const double *length, bool took)
{
    const size_t d = s->d;
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += weight[i];
    const double keep = 1 + (took ? 0 : r->rank_one * r->path_c * (2 - r->path_c)) - r->rank_one - r->rank_mu * sum;
    for (size_t k = 0; k < d * d; k++)
        s->c[k] *= keep;
    add_outer(s->c, d, r->rank_one, s->path_c);
    for (size_t i = 0; i < r->n; i++) {
        double w = weight[i] >= 0 ? weight[i] : weight[i] * (double)d / fmax(length[i] * length[i], 1e-300);
        if (w != 0)
            add_outer(s->c, d, r->rank_mu * w, step + i * d);
    }
}

/* The weights when only the first n_valued points have a value: the others are worse, but not known in what direction. */
static void weigh(struct cma_rates *r, size_t n_valued, double *weight)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < r->n; i++) {
        weight[i] = i < n_valued ? r->weight[i] : 0;
        sum += fmax(weight[i], 0);
    }
    if (n_valued >= r->n_parents)
        return;
    for (size_t i = 0; i < n_valued; i++) {
        weight[i] /= sum;
        squares += weight[i] * weight[i];
    }
    r->mass = 1 / squares;
}

void cma_update(struct cma *s, const double *const *x, size_t n_valued, size_t n)
{
    if (n_valued == 0 || s->spent || s->d == 0)
        return;
    const size_t d = s->d;
    struct cma_rates r;
    cma_rates_init(&r, d, n);
    double *weight = array_new(n), *step = array_new(n * d), *length = array_new(n), *mean_step = array_new(d), *white = array_new(d);
    weigh(&r, n_valued, weight);
    find_steps(s, x, n, step, length);
    for (size_t i = 0; i < r.n_parents; i++)
        for (size_t j = 0; j < d; j++)
            mean_step[j] += weight[i] * step[i * d + j];
    (void)whiten(s, mean_step, white);
    bool took = move(s, &r, mean_step, white);
    turn(s, &r, weight, step, length, took);
    s->generation++;
    decompose(s);
    free(weight);
    free(step);
    free(length);
    free(mean_step);
    free(white);
    cma_rates_release(&r);
}
