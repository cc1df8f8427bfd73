/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "problems.h"

#include "base/problems.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* --- the space */

static double level(void *ctx, int dim, int64_t k)
{
    struct test_space *s = ctx;
    return ((double)k + 0.5) / (double)s->dims[dim].n_levels;
}

static void snap(void *ctx, double *u)
{
    struct test_space *s = ctx;
    int64_t at[MAX_TEST_DIMS];
    for (int i = 0; i < s->n_dims; i++) {
        const struct dim *d = &s->dims[i];
        if (d->parent >= 0 && (isnan(u[d->parent]) || !(s->parent_levels[i] >> at[d->parent] & 1))) {
            u[i] = NAN;
            continue;
        }
        if (isnan(u[i]))
            u[i] = 0.5;
        u[i] = fmin(fmax(u[i], 0), 1);
        if (d->kind == DIM_CONTINUOUS)
            continue;
        at[i] = (int64_t)fmin(floor(u[i] * (double)d->n_levels), (double)(d->n_levels - 1));
        u[i] = level(s, i, at[i]);
    }
}

static bool feasible(void *ctx, const double *u)
{
    return ((struct test_space *)ctx)->feasible(u);
}

void test_space_init(struct test_space *s)
{
    s->problem = (struct problem){.dims = s->dims, .n_dims = s->n_dims, .n_objectives = s->n_objectives ? s->n_objectives : 1, .ctx = s,
                                  .n_bounds = s->n_bounds, .has_cost = s->cost != NULL,
                                  .snap = snap, .level = level, .feasible = s->feasible ? feasible : NULL};
    for (int i = 0; i < s->n_dims; i++)
        if (!s->dims[i].parent && !s->parent_levels[i])
            s->dims[i].parent = -1; /* so that a table need not name what has none */
}

bool test_space_finite(const struct test_space *s)
{
    return problem_size(&s->problem) != INT64_MAX;
}

/* --- the functions */

static void branin(const double *u, double *y)
{
    double a = 15 * u[0] - 5, b = 15 * u[1];
    double t = b - 5.1 / (4 * M_PI * M_PI) * a * a + 5 / M_PI * a - 6;
    *y = t * t + 10 * (1 - 1 / (8 * M_PI)) * cos(a) + 10;
}

static void hartmann6(const double *u, double *y)
{
    static const double alpha[4] = {1, 1.2, 3, 3.2};
    static const double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}};
    static const double p[4][6] = {{.1312, .1696, .5569, .0124, .8283, .5886}, {.2329, .4135, .8307, .3736, .1004, .9991},
                                   {.2348, .1451, .3522, .2883, .3047, .6650}, {.4047, .8828, .8732, .5743, .1091, .0381}};
    *y = 0;
    for (int i = 0; i < 4; i++) {
        double sum = 0;
        for (int j = 0; j < 6; j++)
            sum += a[i][j] * (u[j] - p[i][j]) * (u[j] - p[i][j]);
        *y -= alpha[i] * exp(-sum);
    }
}

static void rosenbrock5(const double *u, double *y)
{
    *y = 0;
    for (int i = 0; i < 4; i++) {
        double a = 15 * u[i] - 5, b = 15 * u[i + 1] - 5;
        *y += 100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a);
    }
}

/* Two floats, an integer of 20, one of 200, and two categoricals that change where the optimum lies. */
static void mixed(const double *u, double *y)
{
    int kind = (int)(u[4] * 4), other = (int)(u[5] * 3);
    static const double shift[4] = {0.1, 0.3, -0.2, 0.25}, cost[4] = {0.6, 0.3, 0, 0.4};
    double a = u[0] - 0.5 - shift[kind], b = u[1] - 0.3 - 0.2 * other, c = u[2] - 0.625, d = u[3] - 0.2;
    *y = cost[kind] + 0.2 * abs(other - 1) + 4 * a * a + 3 * b * b + 2 * c * c + d * d + a * b;
}

static void conditional(const double *u, double *y)
{
    int branch = (int)(u[0] * 3);
    *y = branch == 0 ? 1 + u[1] : branch == 1 ? fabs(u[1] - 0.3) + 4 * (u[2] - 0.7) * (u[2] - 0.7) : 0.5 + fabs(u[3] - 0.5);
    if (!isnan(u[4]))
        *y += 0.1 * fabs(u[4] - 0.25);
}

static void two_objectives(const double *u, double *y)
{
    y[0] = y[1] = 0;
    for (int i = 0; i < 3; i++) {
        y[0] += (u[i] - 0.2) * (u[i] - 0.2);
        y[1] += (u[i] - 0.8) * (u[i] - 0.8);
    }
}

static void bowl(const double *u, double *y)
{
    *y = (u[0] - 0.4) * (u[0] - 0.4) + (u[1] - 0.4) * (u[1] - 0.4);
}

/* Gramacy et al. 2016 */
static void sum_of_two(const double *u, double *y)
{
    *y = u[0] + u[1];
}

static void wave_and_disc(const double *u, double *excess)
{
    excess[0] = 1.5 - u[0] - 2 * u[1] - 0.5 * sin(2 * M_PI * (u[0] * u[0] - 2 * u[1]));
    excess[1] = u[0] * u[0] + u[1] * u[1] - 1.5;
}

/* The cheapest choice has the least room. */
static void choice_of_room(const double *u, double *y)
{
    *y = (u[0] - 0.8) * (u[0] - 0.8) + (u[1] - 0.8) * (u[1] - 0.8) + 0.1 * floor(u[2] * 3);
}

static void room(const double *u, double *excess)
{
    excess[0] = 1000 * (u[0] + u[1] - 0.8 - 0.3 * floor(u[2] * 3));
}

static double dear_to_the_right(const double *u)
{
    return exp(4 * u[0]);
}

static bool below_the_diagonal(const double *u)
{
    return u[0] + u[1] < 0.7;
}

static bool narrow(const double *u)
{
    return fabs(u[0] - u[1]) < 0.05;
}

#define NUMBER {.kind = DIM_CONTINUOUS, .parent = -1}
#define ORDER(n) {.kind = DIM_ORDINAL, .n_levels = n, .parent = -1}
#define CHOICE(n) {.kind = DIM_CATEGORICAL, .n_levels = n, .parent = -1}
#define UNDER(p, k, n) {.kind = k, .n_levels = n, .parent = p}

struct test_space test_spaces[] = {
    {.name = "branin", .n_dims = 2, .dims = {NUMBER, NUMBER}, .f = branin, .best = 0.397887},
    {.name = "hartmann6", .n_dims = 6, .dims = {NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER}, .f = hartmann6, .best = -3.32237},
    {.name = "rosenbrock5", .n_dims = 5, .dims = {NUMBER, NUMBER, NUMBER, NUMBER, NUMBER}, .f = rosenbrock5, .best = 0},
    {.name = "mixed", .n_dims = 6, .dims = {NUMBER, NUMBER, ORDER(20), ORDER(200), CHOICE(4), CHOICE(3)}, .f = mixed, .best = 0.00000625},
    {.name = "conditional", .n_dims = 5,
     .dims = {CHOICE(3), UNDER(0, DIM_CONTINUOUS, 0), UNDER(0, DIM_CONTINUOUS, 0), UNDER(0, DIM_ORDINAL, 9), UNDER(3, DIM_CONTINUOUS, 0)},
     .parent_levels = {0, 3, 2, 4, 0x1f}, .f = conditional, .best = 0},
    {.name = "conditional grid", .n_dims = 5, .dims = {CHOICE(3), UNDER(0, DIM_ORDINAL, 5), UNDER(0, DIM_ORDINAL, 4), UNDER(0, DIM_ORDINAL, 9), UNDER(3, DIM_CATEGORICAL, 2)},
     .parent_levels = {0, 3, 2, 4, 0x1f}, .f = conditional, .best = NAN},
    {.name = "constrained", .n_dims = 2, .dims = {NUMBER, NUMBER}, .feasible = below_the_diagonal, .f = bowl, .best = 0.005},
    {.name = "constrained grid", .n_dims = 2, .dims = {ORDER(12), ORDER(12)}, .feasible = below_the_diagonal, .f = bowl, .best = NAN},
    {.name = "narrow", .n_dims = 2, .dims = {NUMBER, NUMBER}, .feasible = narrow, .f = bowl, .best = 0},
    {.name = "two objectives", .n_dims = 3, .n_objectives = 2, .dims = {NUMBER, NUMBER, NUMBER}, .f = two_objectives, .best = NAN},
    {.name = "bounded", .n_dims = 2, .n_bounds = 2, .dims = {NUMBER, NUMBER}, .f = sum_of_two, .bounds = wave_and_disc, .best = 0.599788},
    {.name = "bounded choice", .n_dims = 3, .n_bounds = 1, .dims = {NUMBER, ORDER(21), CHOICE(3)}, .f = choice_of_room, .bounds = room, .best = NAN},
    {.name = "bounded front", .n_dims = 3, .n_objectives = 2, .n_bounds = 2, .dims = {NUMBER, NUMBER, NUMBER}, .f = two_objectives, .bounds = wave_and_disc, .best = NAN},
    {.name = "costly", .n_dims = 2, .dims = {NUMBER, NUMBER}, .f = bowl, .cost = dear_to_the_right, .best = 0},
    {.name = "tiny", .n_dims = 3, .dims = {CHOICE(3), ORDER(4), ORDER(1)}, .f = bowl, .best = NAN},
    {.name = "one value", .n_dims = 2, .dims = {ORDER(1), CHOICE(1)}, .f = bowl, .best = NAN},
    {0},
};

void test_spaces_init(void)
{
    for (struct test_space *s = test_spaces; s->name; s++)
        test_space_init(s);
}

struct test_space *test_space_find(const char *name)
{
    struct test_space *s = test_spaces;
    while (s->name && strcmp(s->name, name) != 0)
        s++;
    assert(s->name);
    return s;
}

/* --- experiments */

void run_init(struct run *r, const struct test_space *space, const char *algorithm, uint64_t seed)
{
    *r = (struct run){.space = space, .algorithm = algorithm_find(algorithm), .seed = seed, .cached = true};
    struct problems none = {0};
    settings_read(&r->settings, r->algorithm->settings, NULL, "", &none);
}

void run_release(struct run *r)
{
    if (r->cache)
        r->algorithm->cache_free(r->cache);
}

enum err run_ask(struct run *r, double *x)
{
    struct search s = {.problem = &r->space->problem, .settings = &r->settings, .seed = r->seed, .cursor = r->cursor,
                       .history = r->algorithm->needs_history ? r->observations : NULL, .n_history = r->algorithm->needs_history ? r->n : 0,
                       .earlier = r->earlier, .n_earlier = r->algorithm->needs_history ? r->n_earlier : 0};
    r->last.x = x;
    struct error error;
    enum err err = algorithm_suggest(r->algorithm, &s, r->cached ? &r->cache : NULL, &r->last, &error);
    if (!err)
        r->cursor = r->last.cursor;
    return err;
}

/* What is known of a trial besides its values. */
static void add_outcome(struct run *r, size_t i)
{
    const struct test_space *s = r->space;
    struct observation *o = &r->observations[i];
    o->excess = s->n_bounds ? r->excess[i] : NULL;
    o->cost = s->cost && o->state != OBSERVATION_PENDING ? s->cost(o->x) : NAN;
    for (int j = 0; j < s->n_bounds; j++)
        r->excess[i][j] = NAN;
    if (!s->bounds || o->state == OBSERVATION_PENDING || o->state == OBSERVATION_FAILED)
        return;
    s->bounds(o->x, r->excess[i]);
    for (int j = 0; j < s->n_bounds; j++)
        if (r->excess[i][j] > 0 && o->state == OBSERVATION_DONE)
            o->state = OBSERVATION_INFEASIBLE;
}

void run_end(struct run *r, size_t i)
{
    r->space->f(r->x[i], r->y[i]);
    r->observations[i].state = OBSERVATION_DONE;
    add_outcome(r, i);
}

void run_add(struct run *r, const double *x, enum observation_state state, const double *y)
{
    assert(r->n < MAX_TEST_TRIALS && r->space->n_dims <= 16);
    size_t i = r->n++;
    memcpy(r->x[i], x, (size_t)r->space->n_dims * sizeof *x);
    for (int j = 0; j < r->space->problem.n_objectives; j++)
        r->y[i][j] = y ? y[j] : NAN;
    r->observations[i] = (struct observation){.number = (int64_t)i, .state = state, .x = r->x[i], .y = r->y[i], .y_se = NAN, .lineage = r->last.lineage};
    add_outcome(r, i);
}

enum err run_step(struct run *r)
{
    double x[16], y[3];
    enum err err = run_ask(r, x);
    if (err)
        return err;
    r->space->f(x, y);
    run_add(r, x, OBSERVATION_DONE, y);
    return OK;
}

double run_best(const struct run *r)
{
    double best = INFINITY;
    for (size_t i = 0; i < r->n; i++)
        if (!r->space->n_bounds || r->observations[i].state == OBSERVATION_DONE)
            best = fmin(best, r->y[i][0]);
    return best;
}
