/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "analysis/surrogate.h"

#include "gp/fit.h"
#include "gp/history.h"
#include "gp/subset.h"

#include "base/mem.h"
#include "math/array.h"

#include <gsl/gsl_cblas.h>
#include <math.h>

#define SEED 0x5a1ad  /* any: the same trials shall look the same to everybody */
#define BLOCK 64      /* points whose kernels are made before they are multiplied */
#define REFITTED 32   /* rows, up to which each bag has hyperparameters of its own: with so few they are what is least sure */
#define FIRST_ROWS 32 /* that a fit to many starts with */
#define CAP 3         /* times the spread of the better half of the space from its median, above which values are equally bad */
#define SPREAD 512    /* points all over the space, by which the values are judged */
#define POSTERIORS (1 + SURROGATE_BAGS)

/* How the values are seen: cut above `cap`, then mean 0 and standard deviation 1 over the space. */
struct scale {
    double unit, cap, mean, sd; /* the last three in parts of the unit */
};

/* Posteriors that share hyperparameters, so that their means are one matrix product. */
struct group {
    double weight[GP_MAX_DIMS], amplitude;
    double *alpha; /* rows x n: K^-1 y of each; 0 for rows that it does not have */
    size_t n, first;
};

struct surrogate {
    struct problem problem; /* with the one objective */
    struct observation *history;
    size_t n_trials;
    struct gp_space space;
    struct scale scale;
    struct gp_model model;
    size_t row[SURROGATE_ROWS]; /* of the history, of each row of the model */
    struct group *groups;       /* the first has the posterior of all rows as its first */
    size_t n_groups;
    double unit[GP_MAX_DIMS]; /* weights of the cube's own distance */
    double skill;
};

/* A value of -1e300 among others near 1 must not overflow what is made of it. */
#define OUTLYING 1e3 /* standard deviations */

/* --- rows */

/* The history as if there were this objective alone. */
static void take_objective(struct surrogate *s, const struct problem *p, const struct observation *history, size_t n, int objective)
{
    s->problem = *p;
    s->problem.n_objectives = 1;
    s->history = x_calloc(n + 1, sizeof *s->history);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (history[i].state == OBSERVATION_PENDING)
            continue;
        s->history[m] = history[i];
        s->history[m].y += objective;
        s->history[m++].y_se = objective == 0 ? history[i].y_se : NAN;
    }
    s->n_trials = m;
}

static size_t all_rows(size_t n, size_t *row)
{
    for (size_t i = 0; i < n; i++)
        row[i] = i;
    return n;
}

static size_t nearest(const struct gp_set *set, const double *distance, const bool *taken)
{
    size_t best = set->n;
    for (size_t i = 0; i < set->n; i++)
        if (!(taken && taken[i]) && (best == set->n || distance[i] < distance[best]))
            best = i;
    return best;
}

/* The best quarter, and for points spread over the space the nearest row to each: the space shall be covered evenly, not the place where a
 * search ended. (Rows far from each other lie at the border, where little can be learnt of what is between.) */
static size_t choose_rows(const struct surrogate *s, const struct gp_set *set, size_t *row)
{
    const size_t d = (size_t)s->problem.n_dims;
    size_t *order CLEANUP_FREE = x_calloc(set->n, sizeof *order), m = 0;
    bool *taken CLEANUP_FREE = x_calloc(set->n, sizeof *taken);
    double *r2 CLEANUP_FREE = array_new(set->n), *x CLEANUP_FREE = array_new(SURROGATE_ROWS * d), point[GP_MAX_DIMS];
    subset_by_value(set, order);
    for (; m < SURROGATE_ROWS / 4; m++)
        taken[row[m] = order[m]] = true;
    size_t n = surrogate_sample(&s->problem, SEED, SURROGATE_ROWS - m, x);
    for (size_t i = 0; i < n; i++) {
        gp_space_encode(&s->space, x + i * d, point);
        gp_distances(set, s->unit, point, set->n, r2);
        row[m] = nearest(set, r2, taken);
        taken[row[m++]] = true;
    }
    return m;
}

/* What the objective is all over the space, as far as it is known: at points spread over it, the value of the nearest row. */
static size_t nearest_values(const struct surrogate *s, const struct gp_set *set, double *value)
{
    const size_t d = (size_t)s->problem.n_dims;
    double *x CLEANUP_FREE = array_new(SPREAD * d), *r2 CLEANUP_FREE = array_new(set->n), point[GP_MAX_DIMS];
    size_t n = surrogate_sample(&s->problem, SEED, SPREAD, x);
    for (size_t i = 0; i < n; i++) {
        gp_space_encode(&s->space, x + i * d, point);
        gp_distances(set, s->unit, point, set->n, r2);
        value[i] = set->y[nearest(set, r2, NULL)];
    }
    return n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Root mean square distance of n values from `middle`. */
static double spread(const double *value, size_t n, double middle)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (value[i] - middle) * (value[i] - middle) / (double)n;
    return sqrt(sum);
}

/* From n values all over the space, spoilt. False if they are equal. */
static bool scale_init(struct scale *z, double *value, size_t n)
{
    qsort(value, n, sizeof *value, by_value);
    *z = (struct scale){.unit = fmax(fabs(value[0]), fabs(value[n - 1]))};
    if (!(value[n - 1] - value[0] > 1e-13 * z->unit))
        return false;
    for (size_t i = 0; i < n; i++)
        value[i] /= z->unit; /* squares stay in range */
    const double median = value[n / 2], good = spread(value, n / 2, median);
    z->cap = median + CAP * (good > 0 ? good : spread(value, n, median));
    for (size_t i = 0; i < n; i++) {
        value[i] = fmin(value[i], z->cap);
        z->mean += value[i] / (double)n;
    }
    z->sd = spread(value, n, z->mean);
    return z->sd > 0;
}

static double scale_to(const struct scale *z, double value)
{
    return (fmin(value / z->unit, z->cap) - z->mean) / z->sd;
}

static double scale_back(const struct scale *z, double value)
{
    return (value * z->sd + z->mean) * z->unit;
}

/* Judges the rows by how the values lie over the space, not over the trials: a search leaves most of these at its best place, beside which
 * all else would look alike. */
static bool judge_by_space(struct surrogate *s, struct gp_set *set, const struct warp *warp)
{
    double value[SPREAD];
    for (size_t i = 0; i < set->n; i++) /* as the user knows them again */
        set->y[i] = warp_back(warp, set->y[i]);
    size_t n = nearest_values(s, set, value);
    if (n < SPREAD / 10 || !scale_init(&s->scale, value, n))
        return false;
    const double ratio = warp->slope / (s->scale.sd * s->scale.unit);
    for (size_t i = 0; i < set->n; i++) {
        set->y[i] = fmax(scale_to(&s->scale, set->y[i]), -OUTLYING);
        if (set->extra[i] > 0)
            set->extra[i] = fmin(set->extra[i] * ratio * ratio, OUTLYING * OUTLYING);
    }
    return true;
}

static bool make_set(struct surrogate *s, struct gp_set *set)
{
    const struct search search = {.problem = &s->problem, .history = s->history, .n_history = s->n_trials};
    struct gp_history h;
    struct gp_set all;
    struct warp warp;
    gp_space_init(&s->space, &s->problem);
    for (size_t k = 0; k < s->space.d; k++)
        s->unit[k] = 1;
    gp_history_init(&h, &search, &s->space);
    bool learns = gp_history_set(&h, h.n_finished, &all, &warp) && h.n_valued >= SURROGATE_LEAST;
    size_t n = all.n <= SURROGATE_ROWS ? all_rows(all.n, s->row) : choose_rows(s, &all, s->row);
    gp_set_subset(&all, s->row, n, &s->space, set);
    gp_set_release(&all);
    gp_history_release(&h);
    learns = learns && judge_by_space(s, set, &warp);
    warp_release(&warp);
    return learns;
}

/* --- the posterior, with all rows and by bags */

static void kernel_row(const struct gp_set *set, const struct group *g, const double *point, double *k)
{
    double slope;
    gp_distances(set, g->weight, point, set->n, k);
    for (size_t j = 0; j < set->n; j++)
        k[j] = gp_kernel(g->amplitude, k[j], &slope) + GP_CONSTANT;
}

/* Rows drawn with replacement: which are in, by number. */
static size_t draw_bag(struct rng *r, size_t n, size_t *row)
{
    bool *has CLEANUP_FREE = x_calloc(n, sizeof *has);
    for (size_t i = 0; i < n; i++)
        has[rng_next(r) % n] = true;
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (has[i])
            row[m++] = i;
    return m;
}

static void group_init(struct group *g, size_t rows, const struct gp_model *m, size_t n, size_t first)
{
    *g = (struct group){.amplitude = m->amplitude, .n = n, .first = first, .alpha = array_new(rows * n)};
    memcpy(g->weight, m->weight, sizeof g->weight);
}

static void set_alpha(struct group *g, size_t at, const struct gp_model *m, const size_t *row)
{
    for (size_t i = 0; i < m->set.n; i++)
        g->alpha[row[i] * g->n + at] = m->alpha[i];
}

static void theta_of(const struct gp_model *m, struct gp_theta *theta)
{
    for (size_t k = 0; k < m->set.d; k++)
        theta->v[k] = -0.5 * log(m->weight[k]);
    theta->v[m->set.d] = log(m->amplitude);
    theta->v[m->set.d + 1] = log(m->noise);
}

static void solve_bags(struct surrogate *s, const struct gp_set *set)
{
    const bool refit = set->n <= REFITTED;
    struct rng r = rng_new(SEED, RNG_ORDER, 0);
    size_t row[SURROGATE_ROWS];
    struct gp_theta all, theta;
    theta_of(&s->model, &all);
    (void)all_rows(set->n, row);
    s->groups = x_calloc(POSTERIORS, sizeof *s->groups);
    group_init(&s->groups[s->n_groups++], set->n, &s->model, refit ? 1 : POSTERIORS, 0);
    set_alpha(&s->groups[0], 0, &s->model, row);
    for (size_t b = 1; b < POSTERIORS; b++) {
        struct gp_set part;
        struct gp_model m;
        gp_set_subset(set, row, draw_bag(&r, set->n, row), &s->space, &part);
        if (refit)
            gp_fit_theta(&part, &all, r, &theta);
        gp_model_init(&m, &part, refit ? &theta : &all, NULL, 0);
        if (refit)
            group_init(&s->groups[s->n_groups++], set->n, &m, 1, b);
        set_alpha(&s->groups[s->n_groups - 1], refit ? 0 : b, &m, row);
        gp_model_release(&m);
        gp_set_release(&part);
    }
}

/* The error that a row's value has when the others foretell it is alpha_i / (K^-1)_ii. */
static double left_out(const struct gp_model *m)
{
    double error = 0, all = 0, mean = 0;
    for (size_t i = 0; i < m->set.n; i++)
        mean += m->set.y[i] / (double)m->set.n;
    for (size_t i = 0; i < m->set.n; i++) {
        double e = m->alpha[i] / m->inverse[i * m->set.cap + i];
        error += e * e;
        all += (m->set.y[i] - mean) * (m->set.y[i] - mean);
    }
    return all > 0 ? fmax(0, 1 - error / all) : 0;
}

/* Of many rows by way of few, for which many starts cost little. */
static void fit(const struct surrogate *s, const struct gp_set *set, struct gp_theta *theta)
{
    struct rng r = rng_new(SEED, RNG_START, 0);
    if (set->n <= 2 * FIRST_ROWS) {
        gp_fit_theta(set, NULL, r, theta);
        return;
    }
    size_t row[FIRST_ROWS];
    struct gp_set part;
    gp_set_subset(set, row, subset_spread(set, FIRST_ROWS, row), &s->space, &part);
    gp_fit_theta(&part, NULL, r, theta);
    gp_set_release(&part);
    struct gp_theta first = *theta;
    gp_fit_theta(set, &first, r, theta);
}

struct surrogate *surrogate_new(const struct problem *p, const struct observation *history, size_t n, int objective)
{
    struct surrogate *s = X_NEW(struct surrogate);
    struct gp_set set;
    struct gp_theta theta;
    take_objective(s, p, history, n, objective);
    if (!make_set(s, &set)) {
        gp_set_release(&set);
        surrogate_free(s);
        return NULL;
    }
    fit(s, &set, &theta);
    gp_model_init(&s->model, &set, &theta, NULL, 0);
    gp_model_finish(&s->model);
    s->skill = left_out(&s->model);
    solve_bags(s, &set);
    gp_set_release(&set);
    return s;
}

void surrogate_free(struct surrogate *s)
{
    gp_model_release(&s->model);
    for (size_t g = 0; g < s->n_groups; g++)
        free(s->groups[g].alpha);
    free(s->groups);
    free(s->history);
    free(s);
}

/* --- what it says */

size_t surrogate_trials(const struct surrogate *s)
{
    return s->n_trials;
}

double surrogate_skill(const struct surrogate *s)
{
    return s->skill;
}

static void group_means(const struct surrogate *s, const struct group *g, const double *points, size_t from, size_t m, size_t n, double *mean)
{
    const size_t rows = s->model.set.n, d = s->space.d;
    double *k CLEANUP_FREE = array_new(m * rows), *out CLEANUP_FREE = array_new(m * g->n);
    for (size_t i = 0; i < m; i++)
        kernel_row(&s->model.set, g, points + i * d, k + i * rows);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)g->n, (int)rows, 1, k, (int)rows, g->alpha, (int)g->n, 0, out, (int)g->n);
    for (size_t i = 0; i < m; i++)
        for (size_t w = 0; w < g->n; w++)
            mean[(g->first + w) * n + from + i] = out[i * g->n + w];
}

void surrogate_means(const struct surrogate *s, const double *const *points, size_t n, double *mean)
{
    double *encoded CLEANUP_FREE = array_new(BLOCK * s->space.d);
    for (size_t from = 0; from < n; from += BLOCK) {
        size_t m = n - from < BLOCK ? n - from : BLOCK;
        for (size_t i = 0; i < m; i++)
            gp_space_encode(&s->space, points[from + i], encoded + i * s->space.d);
        for (size_t g = 0; g < s->n_groups; g++)
            group_means(s, &s->groups[g], encoded, from, m, n, mean);
    }
}

void surrogate_expect(struct surrogate *s, const double *point, double *mean, double *deviation)
{
    double encoded[GP_MAX_DIMS];
    gp_space_encode(&s->space, point, encoded);
    gp_model_predict(&s->model, encoded, mean, deviation, NULL, 0, NULL, NULL);
    *mean = scale_back(&s->scale, *mean);
    *deviation *= s->scale.sd * s->scale.unit;
}

bool surrogate_best(struct surrogate *s, struct recommendation *out)
{
    const struct gp_model *m = &s->model;
    size_t best = m->set.n;
    double lowest = INFINITY;
    for (size_t i = 0; i < m->set.n; i++) {
        double mean = m->set.y[i] - (m->noise + GP_FLOOR + m->set.extra[i]) * m->alpha[i];
        if (s->history[s->row[i]].state != OBSERVATION_DONE || !(mean < lowest))
            continue;
        lowest = mean;
        best = i;
    }
    if (best == m->set.n)
        return false;
    const struct observation *o = &s->history[s->row[best]];
    *out = (struct recommendation){.number = o->number, .observed = o->y[0]};
    surrogate_expect(s, o->x, &out->expected, &out->deviation);
    return true;
}

double surrogate_back(const struct surrogate *s, double value)
{
    return scale_back(&s->scale, value);
}

void surrogate_spread(int n_dims, uint64_t seed, size_t n, double *x)
{
    const size_t d = (size_t)n_dims;
    for (size_t k = 0; k < d; k++) {
        struct rng r = rng_new(seed, RNG_POINT, k);
        for (size_t i = 0; i < n; i++)
            x[i * d + k] = ((double)i + rng_uniform(&r)) / (double)n;
        for (size_t i = n; i-- > 1;) {
            size_t other = rng_next(&r) % (i + 1);
            double u = x[i * d + k];
            x[i * d + k] = x[other * d + k];
            x[other * d + k] = u;
        }
    }
}

size_t surrogate_sample(const struct problem *p, uint64_t seed, size_t n, double *x)
{
    const size_t d = (size_t)p->n_dims;
    surrogate_spread(p->n_dims, seed, n, x);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (m < i)
            memcpy(x + m * d, x + i * d, d * sizeof *x);
        p->snap(p->ctx, x + m * d);
        m += !p->feasible || p->feasible(p->ctx, x + m * d);
    }
    return m;
}
