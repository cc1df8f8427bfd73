/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Parzen estimator: its densities against quadrature and values from mpmath, its groups, and that it searches better than chance.
 * Bounds of the searches are the median of some seeds, and wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "math/truncated.h"
#include "problems.h"
#include "sim.h"
#include "tpe/groups.h"
#include "tpe/parzen.h"

#include <math.h>
#include <string.h>

#define SEEDS 7

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * (1 + fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

/* --- the normal distribution, cut */

static void masses_are_exact_in_the_tails(void **state)
{
    (void)state;
    static const struct {
        double a, b, log_mass;
    } cases[] = {
        {-1, 1, -0.38171514630212607}, {0, 0.1, -3.2231891821071838},  {3, 4, -6.6314677865382251},      {-4, -3, -6.6314677865382251},
        {8, 9, -35.013618593437148},   {-50, -49, -1205.3111748916653}, {99, 100, -4906.0141603877319}, {-1e-3, 1e-3, -7.13354679829352},
        {-40, 2, -0.023012909328963488}, {10, 10.001, -57.831689811774295},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_near(normal_log_mass(cases[i].a, cases[i].b), cases[i].log_mass, 1e-12);
}

static void quantiles_are_those_of_the_cut_distribution(void **state)
{
    (void)state;
    static const struct {
        double mean, deviation, low, high, u, x;
    } cases[] = {
        {0.5, 0.2, 0, 1, 0.3, 0.3965460112291573},       {0.2, 0.05, 0, 1, 0.9, 0.26407848061082287}, {0.1, 0.02, 0.3, 0.4, 0.5, 0.30136823672162859},
        {0.9, 0.02, 0.6, 0.7, 0.5, 0.69863176327837141}, {0.1, 0.001, 0.3, 0.4, 0.5, 0.3},            {0.9, 0.001, 0.3, 0.4, 0.5, 0.4},
        {0.5, 0.2, 0, 1, 0, 0},                          {0.5, 0.2, 0, 1, 1, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_near(truncated_quantile(cases[i].mean, cases[i].deviation, cases[i].low, cases[i].high, cases[i].u), cases[i].x, 1e-12);
}

/* --- densities */

static double density(const struct parzen *z, const double *x)
{
    double value;
    parzen_log_density(z, &x, 1, &value);
    return exp(value);
}

/* A number, one of 7 levels, one of 3000, a choice of 4. */
static struct dim kinds[] = {{.kind = DIM_CONTINUOUS, .parent = -1},
                             {.kind = DIM_ORDINAL, .n_levels = 7, .parent = -1},
                             {.kind = DIM_ORDINAL, .n_levels = 3000, .parent = -1},
                             {.kind = DIM_CATEGORICAL, .n_levels = 4, .parent = -1}};
static struct test_space all_kinds = {.name = "all kinds", .n_dims = 4};

static size_t draw_points(uint64_t seed, double (*x)[4], const double **row, double *weight, size_t n)
{
    struct rng r = rng_new(seed, RNG_POINT, 0);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 4; k++)
            x[i][k] = i % 3 == 2 ? x[i - 1][k] : rng_uniform(&r) * rng_uniform(&r);
        all_kinds.problem.snap(&all_kinds, x[i]);
        row[i] = x[i];
        weight[i] = 0.2 + rng_uniform(&r);
    }
    return n;
}

/* Over one dimension the sum of all that it can be. */
static double total(const struct parzen *z, int dim)
{
    const int64_t levels = all_kinds.dims[dim].n_levels, steps = levels ? levels : 20000;
    double sum = 0, x[4] = {0.5, 0.5, 0.5, 0.5};
    for (int64_t i = 0; i < steps; i++) {
        x[dim] = ((double)i + 0.5) / (double)steps;
        sum += density(z, x) / (levels ? 1 : (double)steps);
    }
    return sum;
}

static void densities_sum_to_one(void **state)
{
    (void)state;
    static const int dims[4] = {0, 1, 2, 3};
    static const size_t sizes[] = {0, 1, 2, 9, 60};
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++)
        for (int width = PARZEN_SHARP; width <= PARZEN_SMOOTH; width++) {
            double x[60][4], weight[60];
            const double *row[60];
            size_t n = draw_points(s, x, row, weight, sizes[s]);
            for (int k = 0; k < 4; k++) {
                struct parzen z;
                parzen_init(&z, (enum parzen_width)width, &all_kinds.problem, &dims[k], 1, row, weight, n);
                assert_near(total(&z, k), 1, 1e-6);
                parzen_release(&z);
            }
        }
}

/* Draws fall where the density says, all four dimensions together: the mean of any function under both is the same. */
static void draws_follow_the_density(void **state)
{
    (void)state;
    static const int dims[4] = {0, 1, 2, 3};
    enum { DRAWS = 20000 };
    double x[9][4], weight[9], by_draws[4] = {0}, by_density[4] = {0}, mass = 0;
    const double *row[9];
    size_t n = draw_points(3, x, row, weight, 9);
    struct parzen z;
    struct rng r = rng_new(8, RNG_POINT, 0);
    parzen_init(&z, PARZEN_SHARP, &all_kinds.problem, dims, 4, row, weight, n);
    for (int i = 0; i < DRAWS; i++) {
        double point[4];
        parzen_draw(&z, &r, point);
        all_kinds.problem.snap(&all_kinds, point);
        by_draws[0] += point[0] / DRAWS;
        by_draws[1] += point[0] * point[1] / DRAWS;
        by_draws[2] += point[0] * point[2] / DRAWS;
        by_draws[3] += point[0] * (point[3] < 0.25) / DRAWS;
    }
    double u[4];
    for (int a = 0; a < 40; a++)
        for (int b = 0; b < 7; b++)
            for (int c = 0; c < 40; c++)
                for (int e = 0; e < 4; e++) {
                    u[0] = (a + 0.5) / 40;
                    u[1] = (b + 0.5) / 7;
                    u[2] = (c * 75 + 37.5) / 3000;
                    u[3] = (e + 0.5) / 4;
                    double part = density(&z, u) / 40 * 75;
                    mass += part;
                    by_density[0] += part * u[0];
                    by_density[1] += part * u[0] * u[1];
                    by_density[2] += part * u[0] * u[2];
                    by_density[3] += part * u[0] * (e == 0);
                }
    assert_near(mass, 1, 0.01);
    for (int i = 0; i < 4; i++)
        assert_near(by_draws[i], by_density[i], 0.01);
    parzen_release(&z);
}

/* Coarse cells that are equal share their mass, fine ones use the middle: neither may change what is computed. */
static void shortcuts_change_no_density(void **state)
{
    (void)state;
    static const int dims[1] = {1};
    double x[5][4] = {{0, 0.5}, {0, 0.5}, {0, 0.5}, {0, 0.5}, {0, 1.5 / 7}}, weight[5] = {1, 2, 3, 4, 5}, point[4] = {0, 2.5 / 7};
    const double *row[5] = {x[0], x[1], x[2], x[3], x[4]};
    struct parzen z;
    parzen_init(&z, PARZEN_SMOOTH, &all_kinds.problem, dims, 1, row, weight, 5);
    const double s = 0.2 * pow(5, -0.2);
    const double means[6] = {0.5, 0.5, 0.5, 0.5, 1.5 / 7, 0.5}, deviations[6] = {s, s, s, s, s, 1}, weights[6] = {1, 2, 3, 4, 5, 1};
    double sum = 0;
    for (int i = 0; i < 6; i++) {
        double cell = normal_log_mass((2.0 / 7 - means[i]) / deviations[i], (3.0 / 7 - means[i]) / deviations[i]);
        sum += weights[i] / 16 * exp(cell - normal_log_mass(-means[i] / deviations[i], (1 - means[i]) / deviations[i]));
    }
    assert_near(density(&z, point), sum, 1e-13);
    parzen_release(&z);
}

/* --- groups */

static void parameters_are_grouped_by_the_trials_that_have_them(void **state)
{
    (void)state;
    struct test_space s = {.name = "groups", .n_dims = 6, .dims = {{0}, {0}, {0}, {0}, {.kind = DIM_ORDINAL, .n_levels = 1}, {0}}};
    test_space_init(&s);
    const double trials[3][6] = {{0, NAN, NAN, NAN, 0, NAN}, {0, 0, NAN, 0, 0, NAN}, {0, NAN, 0, NAN, 0, NAN}}; /* {a}, {a, b, d}, {a, c} */
    struct observation history[3] = {{.x = trials[0]}, {.x = trials[1]}, {.x = trials[2]}};
    struct groups g;
    groups_init(&g, &s.problem, history, 3);
    int group_of[6] = {-1, -1, -1, -1, -1, -1};
    for (size_t k = 0; k < g.n; k++)
        for (size_t i = 0; i < g.list[k].d; i++)
            group_of[g.list[k].dims[i]] = (int)k;
    assert_int_equal(g.n, 4); /* {a}, {b, d}, {c}, {never} */
    assert_int_equal(group_of[1], group_of[3]);
    assert_int_equal(group_of[4], -1); /* it has no choice */
    assert_true(group_of[0] != group_of[1] && group_of[0] != group_of[2] && group_of[0] != group_of[5]);
    assert_true(group_of[1] != group_of[2] && group_of[1] != group_of[5] && group_of[2] != group_of[5]);
    groups_release(&g);
    groups_init(&g, &s.problem, NULL, 0);
    assert_int_equal(g.n, 1); /* nothing is known yet */
    groups_release(&g);
}

/* --- searches */

static void one_of_twenty(const double *u, double *y)
{
    *y = ((int)(u[0] * 20) == 13 ? 0 : 1) + 0.01 * fabs(u[1] - 0.5);
}

/* 8 categoricals, a table each and one for each pair of neighbours. */
static double entry(uint64_t table, uint64_t a, uint64_t b)
{
    struct rng r = rng_new(1, RNG_ORDER, (table * 8 + a) * 8 + b);
    return rng_uniform(&r);
}

static void choices_only(const double *u, double *y)
{
    *y = 0;
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t a = (uint64_t)(u[i] * 5), b = (uint64_t)(u[(i + 1) % 8] * 5);
        *y += entry(i, a, 7) + 0.5 * entry(i + 10, a, b);
    }
}

/* A branch of 6 with its own two numbers each, one number for all. */
static void branches(const double *u, double *y)
{
    const uint64_t a = (uint64_t)(u[0] * 6);
    double least = 1;
    for (uint64_t k = 0; k < 6; k++)
        least = fmin(least, entry(30, k, 0));
    *y = 0.5 * (entry(30, a, 0) - least);
    for (uint64_t k = 0; k < 2; k++)
        *y += 3 * pow(u[1 + 2 * a + k] - 0.1 - 0.8 * entry(31, a, k), 2);
    *y += 2 * pow(u[13] - 0.1 - 0.8 * entry(32, a, 0), 2);
}

#define CHOICE(n) {.kind = DIM_CATEGORICAL, .n_levels = n, .parent = -1}

static struct test_space twenty = {.name = "one of twenty", .n_dims = 2, .dims = {CHOICE(20), {.parent = -1}}, .f = one_of_twenty};
static struct test_space choices8 = {.name = "choices only", .n_dims = 8, .f = choices_only,
                                     .dims = {CHOICE(5), CHOICE(5), CHOICE(5), CHOICE(5), CHOICE(5), CHOICE(5), CHOICE(5), CHOICE(5)}};
static struct test_space branches6 = {.name = "branches", .n_dims = 14, .f = branches, .dims = {CHOICE(6)}};

static void own_spaces_init(void)
{
    memcpy(all_kinds.dims, kinds, sizeof kinds);
    for (int i = 1; i < 13; i++) {
        branches6.dims[i] = (struct dim){.kind = DIM_CONTINUOUS, .parent = 0};
        branches6.parent_levels[i] = (uint64_t)1 << (i - 1) / 2;
    }
    branches6.dims[13].parent = -1;
    struct test_space *const own[] = {&all_kinds, &twenty, &choices8, &branches6};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        test_space_init(own[i]);
}

static double median_best(const char *algorithm, const struct test_space *space, int budget)
{
    double best[SEEDS];
    for (int seed = 0; seed < SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, space, algorithm, (uint64_t)seed + 1);
        for (int i = 0; i < budget; i++)
            assert_int_equal(run_step(r), OK);
        best[seed] = run_best(r);
        run_release(r);
        free(r);
    }
    return median_of(best, SEEDS);
}

static void it_beats_random_search(void **state)
{
    (void)state;
    static const struct {
        const char *name;          /* in problems.c, NULL: */
        struct test_space *space;
        int budget, random_budget; /* random search has more */
        double at_most;
    } bounds[] = {
        {"branin", NULL, 100, 400, 0.45},
        {"hartmann6", NULL, 100, 400, -2.6},
        {"rosenbrock5", NULL, 100, 400, 400},
        {"mixed", NULL, 100, 400, 0.21},
        {"conditional", NULL, 100, 200, 0.03},
        {"constrained", NULL, 60, 200, 0.008},
        {NULL, &branches6, 150, 150, 0.1},
        {NULL, &choices8, 100, 300, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        const struct test_space *space = bounds[i].name ? test_space_find(bounds[i].name) : bounds[i].space;
        double tpe = median_best("tpe", space, bounds[i].budget), random = median_best("random", space, bounds[i].random_budget);
        if (!(tpe <= bounds[i].at_most && tpe < random))
            fail_msg("%s: %g after %d trials (at most %g), random search has %g after %d", space->name, tpe, bounds[i].budget, bounds[i].at_most, random,
                     bounds[i].random_budget);
    }
}

static void the_good_choice_of_twenty_is_taken_most_of_the_time(void **state)
{
    (void)state;
    int taken = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, &twenty, "tpe", seed);
        for (int i = 0; i < 120; i++) {
            assert_int_equal(run_step(r), OK);
            taken += i >= 100 && (int)(r->x[i][0] * 20) == 13;
        }
        run_release(r);
        free(r);
    }
    assert_true(taken > 10 * SEEDS);
}

/* How far the next suggestions are apart on average, if none of them ends. */
static double scatter(const char *algorithm, enum observation_state state)
{
    double sum = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, test_space_find("hartmann6"), algorithm, seed);
        for (int i = 0; i < 60; i++)
            assert_int_equal(run_step(r), OK);
        double x[12][16];
        for (int i = 0; i < 12; i++) {
            assert_int_equal(run_ask(r, x[i]), OK);
            if (state == OBSERVATION_PENDING)
                run_add(r, x[i], state, NULL);
        }
        for (int i = 0; i < 12; i++)
            for (int k = 0; k < i; k++)
                for (int j = 0; j < 6; j++)
                    sum += fabs(x[i][j] - x[k][j]);
        run_release(r);
        free(r);
    }
    return sum;
}

static void running_trials_are_kept_away_from(void **state)
{
    (void)state;
    assert_true(scatter("tpe", OBSERVATION_PENDING) > 1.03 * scatter("tpe", OBSERVATION_DONE));
}

static void where_trials_fail_is_left(void **state)
{
    (void)state;
    int failed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, test_space_find("branin"), "tpe", seed);
        for (int i = 0; i < 60; i++) { /* half of the space fails, and nothing works better than anything else */
            double x[16], y = 1;
            assert_int_equal(run_ask(r, x), OK);
            run_add(r, x, x[0] < 0.5 ? OBSERVATION_FAILED : OBSERVATION_DONE, &y);
            failed += i >= 30 && x[0] < 0.5;
        }
        run_release(r);
        free(r);
    }
    assert_true(failed < 30 * SEEDS / 4);
}

/* A trial that was stopped early at a value on its way is no better than a completed one. */
static void stopped_trials_come_after_completed_ones(void **state)
{
    (void)state;
    int near = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, test_space_find("branin"), "tpe", seed);
        for (int i = 0; i < 40; i++) {
            double x[16], y;
            assert_int_equal(run_ask(r, x), OK);
            y = x[0] < 0.5 ? -10 : fabs(x[0] - 0.8);
            run_add(r, x, x[0] < 0.5 ? OBSERVATION_PRUNED : OBSERVATION_DONE, &y);
            near += i >= 20 && x[0] >= 0.5;
        }
        run_release(r);
        free(r);
    }
    assert_true(near > 15 * SEEDS);
}

/* Area that the points of a run dominate within the unit square. */
static double dominated_area(const struct run *r)
{
    double area = 0;
    const int n = 500;
    for (int i = 0; i < n; i++) {
        double at = (i + 0.5) / n, best = 1;
        for (size_t k = 0; k < r->n; k++)
            if (r->y[k][0] <= at)
                best = fmin(best, r->y[k][1]);
        area += (1 - best) / n;
    }
    return area;
}

static void several_objectives_give_a_front(void **state)
{
    (void)state;
    static const char *const names[] = {"tpe", "random"};
    double area[2] = {0};
    for (int a = 0; a < 2; a++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct run *r = X_NEW(struct run);
            run_init(r, test_space_find("two objectives"), names[a], seed);
            for (int i = 0; i < 100; i++)
                assert_int_equal(run_step(r), OK);
            area[a] += dominated_area(r) / SEEDS;
            run_release(r);
            free(r);
        }
    /* the front y1 = (sqrt(1.08) - sqrt(y0))^2 leaves 0.8056 in the square */
    assert_true(area[0] > 0.74 && area[0] < 0.8056);
    assert_true(area[0] > area[1] + 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masses_are_exact_in_the_tails),
        cmocka_unit_test(quantiles_are_those_of_the_cut_distribution),
        cmocka_unit_test(densities_sum_to_one),
        cmocka_unit_test(draws_follow_the_density),
        cmocka_unit_test(shortcuts_change_no_density),
        cmocka_unit_test(parameters_are_grouped_by_the_trials_that_have_them),
        cmocka_unit_test(it_beats_random_search),
        cmocka_unit_test(the_good_choice_of_twenty_is_taken_most_of_the_time),
        cmocka_unit_test(running_trials_are_kept_away_from),
        cmocka_unit_test(where_trials_fail_is_left),
        cmocka_unit_test(stopped_trials_come_after_completed_ones),
        cmocka_unit_test(several_objectives_give_a_front),
    };
    algorithms_setup();
    test_spaces_init();
    own_spaces_init();
    return cmocka_run_group_tests_name("Parzen estimator", tests, NULL, NULL);
}
