/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CMA-ES: its formulas against values from mpmath and pycma, and how many trials it takes on the functions that are customary, with bounds
 * half as much again as what is usual for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmaes/margin.h"
#include "cmaes/walk.h"
#include "math/eigen.h"
#include "math/truncated.h"
#include "sim.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <string.h>

#define MAX_DIMS 40

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * (1 + fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

/* --- eigenvalues */

static void the_eigenvalues_of_a_chain_are_known(void **state)
{
    (void)state;
    double a[100] = {0}, value[10], vector[100];
    for (int i = 0; i < 10; i++) {
        a[i * 10 + i] = 2;
        if (i < 9)
            a[i * 10 + i + 1] = a[(i + 1) * 10 + i] = -1;
    }
    assert_true(eigen_symmetric(a, 10, value, vector));
    (void)median_of(value, 10);
    for (int k = 0; k < 10; k++)
        assert_near(value[k], 2 - 2 * cos((k + 1) * M_PI / 11), 1e-14);
}

static void symmetric_matrices_are_taken_apart_and_put_together(void **state)
{
    (void)state;
    static double a[MAX_DIMS * MAX_DIMS], copy[MAX_DIMS * MAX_DIMS], vector[MAX_DIMS * MAX_DIMS], value[MAX_DIMS];
    struct rng r = rng_new(1, RNG_POINT, 0);
    for (size_t n = 1; n <= MAX_DIMS; n += 3) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) /* some rows are 0, as when a coordinate never moves */
                a[i * n + j] = a[j * n + i] = i % 5 == 4 ? 0 : rng_normal(&r);
        memcpy(copy, a, n * n * sizeof *a);
        assert_true(eigen_symmetric(a, n, value, vector));
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0, inner = 0;
                for (size_t k = 0; k < n; k++) {
                    sum += value[k] * vector[k * n + i] * vector[k * n + j];
                    inner += vector[i * n + k] * vector[j * n + k];
                }
                assert_near(sum, copy[i * n + j], 1e-13);
                assert_near(inner, i == j, 1e-13);
            }
    }
}

static void a_matrix_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    double a[9] = {1, NAN, 0, NAN, 1, 2, 0, 2, 1}, value[3], vector[9];
    assert_false(eigen_symmetric(a, 3, value, vector));
}

/* --- weights, margins */

static void weights_and_rates_are_those_of_the_tutorial(void **state)
{
    (void)state;
    static const double positive[5] = {0.45627264690340597, 0.2707530970017852, 0.16223111715866978, 0.08523354710016448, 0.025509591835974777}; /* pycma 4.5 */
    struct cma_rates r;
    cma_rates_init(&r, 10, 10);
    for (int i = 0; i < 5; i++)
        assert_near(r.weight[i], positive[i], 1e-14);
    assert_near(r.weight[9], -0.58622182877883518, 1e-14);
    assert_near(r.mass, 3.1672992814107031, 1e-14);
    assert_near(r.path_sigma, 0.28442858794636749, 1e-14);
    assert_near(r.damping, 1.2844285879463675, 1e-14);
    assert_near(r.path_c, 0.29499038303562225, 1e-14);
    assert_near(r.rank_one, 0.015283824524751716, 1e-14);
    assert_near(r.rank_mu, 0.020154282761208384, 1e-14);
    assert_near(r.length, 3.0847265651690119, 1e-14);
    cma_rates_release(&r);
}

static void a_margin_is_left_around_a_cell(void **state)
{
    (void)state;
    static const struct {
        double mean, sigma, mean_after, deviation_after;
    } cases[] = {
        {0.52, 0.001, 0.55, 0.025510672846232695},                  /* neither side can be reached */
        {0.52, 0.02, 0.53410975075456981, 0.033618091845138006},    /* one can */
        {0.52, 0.3, 0.52, 0.3},                                     /* both can */
        {0.03, 0.01, 0.1 - 0.01 * 1.6448536269514727, 0.01},        /* in the first cell there is one way out */
        {0.97, 0.01, 0.9 + 0.01 * 1.6448536269514727, 0.01},
        {0.09, 0.02, 0.09, 0.02},
    };
    struct cube cube;
    cube_init(&cube, 1, 1, 10, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const int dim = 0;
        struct cma s;
        cma_init(&s, 1, &cases[i].mean, cases[i].sigma);
        margin_keep(&s, &cube.problem, &dim, 0.05);
        assert_near(s.mean[0], cases[i].mean_after, 1e-12);
        assert_near(cma_deviation(&s, 0), cases[i].deviation_after, 1e-12);
        cma_release(&s);
    }
}

/* Draws that were snapped, and put back at random into their cells, are spread as they were. */
static void what_snapping_hid_is_drawn_again_as_it_was(void **state)
{
    (void)state;
    struct cube cube;
    cube_init(&cube, 1, 1, 8, 1);
    const double mean = 0.4;
    struct rng r = rng_new(5, RNG_POINT, 0);
    struct cma s;
    cma_init(&s, 1, &mean, 0.1);
    double sum = 0, squares = 0;
    const int n = 20000;
    for (int i = 0; i < n; i++) {
        double x;
        cma_draw(&s, &r, &x);
        cube.problem.snap(&cube, &x);
        x = margin_latent(&s, &cube.problem, 0, 0, x, rng_uniform(&r));
        sum += x;
        squares += (x - mean) * (x - mean);
    }
    assert_near(sum / n, mean, 0.003);
    assert_near(sqrt(squares / n), 0.1, 0.002);
    cma_release(&s);
}

/* --- functions: optimum drawn in the middle of the cube, ten units wide */

struct function {
    int d, n_ordinal;
    int64_t levels;
    double optimum[MAX_DIMS];
    double turn[MAX_DIMS][MAX_DIMS]; /* rows orthonormal */
};

static void function_init(struct function *f, int d, int n_ordinal, int64_t levels, uint64_t seed)
{
    struct rng r = rng_new(seed, RNG_POINT, 99);
    *f = (struct function){.d = d, .n_ordinal = n_ordinal, .levels = levels};
    for (int i = 0; i < d; i++) {
        double squares = 0;
        for (int j = 0; j < d; j++)
            f->turn[i][j] = rng_normal(&r);
        for (int k = 0; k < i; k++) { /* Gram and Schmidt */
            double inner = 0;
            for (int j = 0; j < d; j++)
                inner += f->turn[i][j] * f->turn[k][j];
            for (int j = 0; j < d; j++)
                f->turn[i][j] -= inner * f->turn[k][j];
        }
        for (int j = 0; j < d; j++)
            squares += f->turn[i][j] * f->turn[i][j];
        for (int j = 0; j < d; j++)
            f->turn[i][j] /= sqrt(squares);
        f->optimum[i] = 0.2 + 0.6 * rng_uniform(&r);
        if (i < n_ordinal)
            f->optimum[i] = (floor(f->optimum[i] * (double)levels) + 0.5) / (double)levels;
    }
}

static void sphere(void *ctx, const double *x, double *y)
{
    const struct function *f = ctx;
    *y = 0;
    for (int i = 0; i < f->d; i++)
        *y += 100 * (x[i] - f->optimum[i]) * (x[i] - f->optimum[i]);
}

static void rosenbrock(void *ctx, const double *x, double *y)
{
    const struct function *f = ctx;
    *y = 0;
    for (int i = 0; i + 1 < f->d; i++) {
        double a = 10 * (x[i] - f->optimum[i]) + 1, b = 10 * (x[i + 1] - f->optimum[i + 1]) + 1;
        *y += 100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a);
    }
}

static double stretched(const struct function *f, int i, double z)
{
    return pow(1e6, (double)i / (f->d - 1)) * z * z;
}

static void ellipsoid(void *ctx, const double *x, double *y)
{
    const struct function *f = ctx;
    *y = 0;
    for (int i = 0; i < f->d; i++)
        *y += stretched(f, i, 10 * (x[i] - f->optimum[i]));
}

static void turned_ellipsoid(void *ctx, const double *x, double *y)
{
    const struct function *f = ctx;
    *y = 0;
    for (int i = 0; i < f->d; i++) {
        double z = 0;
        for (int j = 0; j < f->d; j++)
            z += f->turn[i][j] * 10 * (x[j] - f->optimum[j]);
        *y += stretched(f, i, z);
    }
}

static void rastrigin(void *ctx, const double *x, double *y)
{
    const struct function *f = ctx;
    *y = 0;
    for (int i = 0; i < f->d; i++) {
        double z = 10 * (x[i] - f->optimum[i]);
        *y += z * z + 10 - 10 * cos(2 * M_PI * z);
    }
}

/* Least in the corner 0. */
static void slope(void *ctx, const double *x, double *y)
{
    const struct function *f = ctx;
    *y = 0;
    for (int i = 0; i < f->d; i++)
        *y += (i + 1) * x[i];
}

/* Median number of trials to the target over the seeds, the room being INFINITY. */
static double trials_to(sim_fn *f, int d, int n_ordinal, int64_t levels, int workers, int fail_percent, double target, size_t room,
                        const char *settings, int seeds)
{
    double n[20];
    assert_true(seeds <= 20);
    struct cube cube;
    cube_init(&cube, d, n_ordinal, levels, 1);
    for (int seed = 0; seed < seeds; seed++) {
        struct function function;
        struct sim s;
        function_init(&function, d, n_ordinal, levels, (uint64_t)seed);
        sim_init(&s, &cube.problem, "cmaes", settings, f, (uint64_t)seed + 1, room);
        s.ctx = &function;
        s.workers = workers;
        s.fail_percent = fail_percent;
        sim_until(&s, target);
        n[seed] = s.best <= target ? (double)s.n : INFINITY;
        sim_release(&s);
    }
    return median_of(n, seeds);
}

static void the_optimum_is_found_in_the_usual_number_of_trials(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        sim_fn *f;
        int d, n_ordinal;
        int64_t levels;
        double target;
        size_t room;
    } cases[] = {
        {"sphere", sphere, 10, 0, 0, 1e-8, 2300},
        {"Rosenbrock", rosenbrock, 5, 0, 0, 1e-8, 3500},
        {"ellipsoid", ellipsoid, 10, 0, 0, 1e-8, 6200},
        {"turned ellipsoid", turned_ellipsoid, 10, 0, 0, 1e-8, 6200},
        {"sphere, half of it integers", sphere, 10, 5, 20, 1e-8, 2700},
        {"sphere of integers", sphere, 8, 8, 1000, 1e-12, 2500},
        {"slope into a corner", slope, 6, 0, 0, 1e-4, 3000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double n = trials_to(cases[i].f, cases[i].d, cases[i].n_ordinal, cases[i].levels, 1, 0, cases[i].target, cases[i].room, NULL, 3);
        if (isinf(n))
            fail_msg("%s: not within %zu trials", cases[i].name, cases[i].room);
    }
}

static void workers_and_failures_cost_little(void **state)
{
    (void)state;
    double alone = trials_to(sphere, 10, 3, 20, 1, 0, 1e-6, 3000, NULL, 3);
    assert_true(trials_to(sphere, 10, 3, 20, 4, 0, 1e-6, 6000, NULL, 3) < 1.3 * alone);
    assert_true(trials_to(sphere, 10, 3, 20, 8, 0, 1e-6, 6000, NULL, 3) < 1.6 * alone);
    assert_true(trials_to(sphere, 10, 3, 20, 4, 10, 1e-6, 6000, NULL, 3) < 1.7 * alone);
    assert_true(trials_to(sphere, 10, 3, 20, 16, 10, 1e-6, 9000, NULL, 3) < 2.5 * alone);
}

/* A run that ended in a wrong valley is followed by others. */
static void restarts_find_what_one_run_misses(void **state)
{
    (void)state;
    const double target = 1e-6;
    assert_true(isinf(trials_to(rastrigin, 2, 0, 0, 1, 0, target, 3000, "{\"restart_strategy\": \"none\"}", 7)));
    assert_true(trials_to(rastrigin, 2, 0, 0, 1, 0, target, 8000, "{\"restart_strategy\": \"ipop\"}", 7) < 8000);
    assert_true(trials_to(rastrigin, 2, 0, 0, 1, 0, target, 8000, NULL, 7) < 8000);
}

/* --- replay */

static void assert_same_suggestion(struct sim *s, bool cached, const double *expected)
{
    double x[MAX_DIMS];
    assert_int_equal(sim_ask(s, cached, x), OK);
    assert_memory_equal(x, expected, (size_t)s->problem->n_dims * sizeof *x);
}

static void caches_workers_and_late_results_change_no_suggestion(void **state)
{
    (void)state;
    struct cube cube;
    struct function f;
    struct sim s;
    cube_init(&cube, 6, 2, 12, 1);
    function_init(&f, 6, 2, 12, 3);
    sim_init(&s, &cube.problem, "cmaes", NULL, rosenbrock, 11, 1000);
    s.ctx = &f;
    s.workers = 6;
    s.fail_percent = 5;
    for (int i = 0; i < 60; i++) {
        double fresh[MAX_DIMS];
        sim_run(&s, 1 + rng_next(&s.rng) % 30 * (s.n < 900));
        assert_int_equal(sim_ask(&s, false, fresh), OK);
        assert_same_suggestion(&s, true, fresh); /* by the cache of long ago */
        assert_same_suggestion(&s, true, fresh); /* and by that just made */
    }
    sim_release(&s);
}

/* A result that is corrected after the cache was made counts. */
static void a_cache_does_not_outlive_what_it_was_made_from(void **state)
{
    (void)state;
    struct cube cube;
    struct function f;
    struct sim s;
    cube_init(&cube, 4, 0, 0, 1);
    function_init(&f, 4, 0, 0, 3);
    sim_init(&s, &cube.problem, "cmaes", NULL, sphere, 11, 200);
    s.ctx = &f;
    sim_run(&s, 100);
    double before[MAX_DIMS], after[MAX_DIMS];
    assert_int_equal(sim_ask(&s, true, before), OK);
    s.history[3].state = OBSERVATION_FAILED;
    assert_int_equal(sim_ask(&s, false, after), OK);
    assert_memory_not_equal(before, after, 4 * sizeof *before);
    assert_same_suggestion(&s, true, after);
    sim_release(&s);
}

/* Trials that were lost leave gaps in the numbers. */
static void lost_trials_do_not_derail_the_search(void **state)
{
    (void)state;
    struct cube cube;
    struct function f;
    struct sim s;
    cube_init(&cube, 8, 0, 0, 1);
    function_init(&f, 8, 0, 0, 4);
    sim_init(&s, &cube.problem, "cmaes", NULL, sphere, 2, 2200);
    s.ctx = &f;
    int64_t number = 0;
    for (; s.n < 1700 && s.best > 1e-6; number++) {
        sim_step(&s);
        s.history[s.n - 1].number = number;
        if (number % 10 == 7)
            s.n--;
    }
    assert_true(s.best <= 1e-6);
    sim_release(&s);
}

static double distance(const struct function *f, const double *x)
{
    double most = 0;
    for (int i = 0; i < f->d; i++)
        most = fmax(most, fabs(x[i] - f->optimum[i]));
    return most;
}

static void earlier_trials_say_where_to_begin(void **state)
{
    (void)state;
    struct cube cube;
    struct function f;
    struct sim s;
    cube_init(&cube, 5, 0, 0, 1);
    function_init(&f, 5, 0, 0, 8);
    sim_init(&s, &cube.problem, "cmaes", NULL, sphere, 2, 400);
    s.ctx = &f;
    struct rng r = rng_new(1, RNG_POINT, 0);
    for (int i = 0; i < 100; i++) { /* half of them near the optimum */
        double x[5], y;
        for (int k = 0; k < 5; k++)
            x[k] = i % 2 ? rng_uniform(&r) : f.optimum[k] + 0.05 * rng_normal(&r);
        cube.problem.snap(&cube, x);
        sphere(&f, x, &y);
        sim_add(&s, x, OBSERVATION_DONE, &y);
    }
    s.cursor = 100; /* as another algorithm left it */
    int near = 0;
    for (int i = 0; i < 20; i++) {
        sim_step(&s);
        near += distance(&f, s.history[s.n - 1].x) < 0.35;
    }
    assert_true(near >= 18);
    sim_release(&s);
}

/* A good point that a user put in draws the search to it. */
static void a_users_point_is_learnt_from(void **state)
{
    (void)state;
    struct cube cube;
    struct function f;
    double apart[2] = {0};
    cube_init(&cube, 6, 0, 0, 1);
    for (uint64_t seed = 0; seed < 10; seed++)
        for (int given = 0; given < 2; given++) {
            struct sim s;
            function_init(&f, 6, 0, 0, seed);
            sim_init(&s, &cube.problem, "cmaes", "{\"sigma\": 0.1}", sphere, seed, 100);
            s.ctx = &f;
            double y = 0;
            if (given)
                sim_add(&s, f.optimum, OBSERVATION_DONE, &y);
            sim_run(&s, 30);
            for (size_t i = s.n - 18; i < s.n; i++)
                apart[given] += distance(&f, s.history[i].x) / 180;
            sim_release(&s);
        }
    assert_true(apart[1] < 0.9 * apart[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_eigenvalues_of_a_chain_are_known),
        cmocka_unit_test(symmetric_matrices_are_taken_apart_and_put_together),
        cmocka_unit_test(a_matrix_that_is_not_finite_is_refused),
        cmocka_unit_test(weights_and_rates_are_those_of_the_tutorial),
        cmocka_unit_test(a_margin_is_left_around_a_cell),
        cmocka_unit_test(what_snapping_hid_is_drawn_again_as_it_was),
        cmocka_unit_test(the_optimum_is_found_in_the_usual_number_of_trials),
        cmocka_unit_test(workers_and_failures_cost_little),
        cmocka_unit_test(restarts_find_what_one_run_misses),
        cmocka_unit_test(caches_workers_and_late_results_change_no_suggestion),
        cmocka_unit_test(a_cache_does_not_outlive_what_it_was_made_from),
        cmocka_unit_test(lost_trials_do_not_derail_the_search),
        cmocka_unit_test(earlier_trials_say_where_to_begin),
        cmocka_unit_test(a_users_point_is_learnt_from),
    };
    algorithms_setup();
    return cmocka_run_group_tests_name("CMA-ES", tests, NULL, NULL);
}
