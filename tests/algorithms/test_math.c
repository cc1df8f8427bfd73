/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The numbers under the search algorithms: sequences, the grid, and what the Gaussian process is made of. Reference values were computed
 * with mpmath and scipy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "gp/acquire.h"
#include "gp/fit.h"
#include "gp/guide.h"
#include "gp/models.h"
#include "gp/subset.h"
#include "grid.h"
#include "math/array.h"
#include "math/boxes.h"
#include "math/cholesky.h"
#include "math/lbfgs.h"
#include "math/normal.h"
#include "math/sobol.h"
#include "math/warp.h"
#include "problems.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * (1 + fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

/* --- sequences */

static void sobol_points_are_those_of_joe_and_kuo(void **state)
{
    (void)state;
    static const int dim[] = {1, 2, 3, 10, 100, 256};
    static const struct {
        uint64_t index;
        double u[6];
    } cases[] = {
        {0, {0}},
        {1, {.5, .5, .5, .5, .5, .5}},
        {2, {.75, .25, .25, .75, .75, .75}},
        {3, {.25, .75, .75, .25, .25, .25}},
        {7, {.125, .625, .375, .875, .625, .125}},
        {63, {.015625, .796875, .359375, .578125, .078125, .046875}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t bits[SOBOL_MAX_DIMS];
        sobol_bits(cases[i].index, bits, SOBOL_MAX_DIMS);
        for (size_t k = 0; k < ARRAY_LEN(dim); k++)
            assert_true(bits[dim[k] - 1] * 0x1p-32 == cases[i].u[k]);
    }
}

static void every_scrambled_sobol_interval_is_hit_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++)
        for (int q = 1; q <= 9; q++)
            for (uint64_t block = 0; block < 2; block++) { /* any aligned run of 2^q points, not the first alone */
                static uint8_t hit[SOBOL_MAX_DIMS][512];
                const uint64_t n = (uint64_t)1 << q;
                memset(hit, 0, sizeof hit);
                for (uint64_t i = 0; i < n; i++) {
                    double x[SOBOL_MAX_DIMS];
                    sobol_point(seed, block * n + i, x, SOBOL_MAX_DIMS);
                    for (int k = 0; k < SOBOL_MAX_DIMS; k++)
                        hit[k][(size_t)(x[k] * (double)n)]++;
                }
                for (int k = 0; k < SOBOL_MAX_DIMS; k++)
                    for (uint64_t i = 0; i < n; i++)
                        assert_int_equal(hit[k][i], 1);
            }
}

/* The first points of a sequence through its algorithm, on a plain cube. */
static void take(const char *algorithm, uint64_t seed, int n_dims, int n, double *x)
{
    struct test_space *s = X_NEW(struct test_space);
    s->n_dims = n_dims;
    for (int i = 0; i < n_dims; i++)
        s->dims[i].parent = -1;
    test_space_init(s);
    struct settings none = {0};
    struct search search = {.problem = &s->problem, .settings = &none, .seed = seed};
    for (int i = 0; i < n; i++) {
        struct suggestion out = {.x = x + i * n_dims};
        assert_int_equal(algorithm_suggest(algorithm_find(algorithm), &search, NULL, &out, NULL), OK);
        search.cursor = out.cursor;
    }
    free(s);
}

/* Warnock's formula for the L2 star discrepancy, squared. */
static double discrepancy(const double *x, int n, int d)
{
    double sum = pow(3, -d), one = 0, two = 0;
    for (int i = 0; i < n; i++) {
        double p = 1;
        for (int k = 0; k < d; k++)
            p *= (1 - x[i * d + k] * x[i * d + k]) / 2;
        one += p;
        for (int j = 0; j < n; j++) {
            double q = 1;
            for (int k = 0; k < d; k++)
                q *= 1 - fmax(x[i * d + k], x[j * d + k]);
            two += q;
        }
    }
    return sum - 2 * one / n + two / ((double)n * n);
}

static void sequences_cover_the_cube_better_than_chance(void **state)
{
    (void)state;
    double of[3] = {0};
    static const char *const names[] = {"random", "sobol", "halton"};
    static double x[128 * 5];
    for (int a = 0; a < 3; a++)
        for (uint64_t seed = 0; seed < 10; seed++) {
            take(names[a], seed, 5, 128, x);
            of[a] += discrepancy(x, 128, 5) / 10;
        }
    assert_true(of[1] < of[0] / 2);
    assert_true(of[2] < of[0] / 2);
}

static double worst_correlation(const double *x, int n, int d)
{
    double worst = 0;
    for (int j = 0; j < d; j++)
        for (int k = 0; k < j; k++) {
            double sum = 0;
            for (int i = 0; i < n; i++)
                sum += (x[i * d + j] - 0.5) * (x[i * d + k] - 0.5) * 12 / n;
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static void no_two_dimensions_go_together(void **state)
{
    (void)state;
    /* 64 independent points: 0.125 is one deviation of a correlation, and the largest of 4950 about 0.5; plain Halton points have 0.9.
     * Sobol points have no better than a few sign patterns for their first bits, so there must be more points than dimensions. */
    static const struct {
        const char *algorithm;
        int n_dims, n;
        double at_most;
    } cases[] = {{"random", 100, 64, 0.65}, {"halton", 100, 64, 0.65}, {"sobol", 20, 512, 0.1}, {"sobol", 5, 32, 0.2}};
    static double x[512 * 100];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        take(cases[i].algorithm, 1, cases[i].n_dims, cases[i].n, x);
        double worst = worst_correlation(x, cases[i].n, cases[i].n_dims);
        if (worst > cases[i].at_most)
            fail_msg("%s: correlation %g", cases[i].algorithm, worst);
    }
}

static void halton_points_fill_the_intervals_of_their_bases(void **state)
{
    (void)state;
    static const int base[] = {2, 3, 5, 7, 11, 13};
    static double x[169 * 6];
    for (uint64_t seed = 0; seed < 5; seed++) {
        take("halton", seed, 6, 169, x);
        for (int k = 0; k < 6; k++) /* the first b^2 points fall into b^2 different intervals: digits are permuted, not drawn */
            for (int n = base[k]; n <= base[k] * base[k]; n *= base[k]) {
                bool hit[169] = {0};
                for (int i = 0; i < n; i++) {
                    int cell = (int)(x[i * 6 + k] * n);
                    assert_false(hit[cell]);
                    hit[cell] = true;
                }
            }
    }
}

static void random_points_are_uniform(void **state)
{
    (void)state;
    static double x[4000 * 3];
    int count[3][20] = {{0}};
    take("random", 5, 3, 4000, x);
    for (int i = 0; i < 12000; i++)
        count[i % 3][(int)(x[i] * 20)]++;
    for (int k = 0; k < 3; k++) {
        double chi2 = 0;
        for (int b = 0; b < 20; b++)
            chi2 += (count[k][b] - 200.0) * (count[k][b] - 200.0) / 200;
        assert_true(chi2 < 43.8); /* p = 0.001 at 19 degrees of freedom */
    }
    struct rng r = rng_new(1, RNG_POINT, 1);
    double mean = 0, square = 0;
    for (int i = 0; i < 20000; i++) {
        double z = rng_normal(&r);
        mean += z / 20000;
        square += z * z / 20000;
    }
    assert_near(mean, 0, 0.03);
    assert_near(square, 1, 0.03);
}

/* --- grid */

static void a_conditional_grid_counts_active_combinations_once(void **state)
{
    (void)state;
    struct grid g;
    grid_open(&g, &test_space_find("conditional grid")->problem, 0);
    assert_int_equal(g.n, 5 + 5 * 4 + (5 * 2 + 4)); /* branch 0; branch 1; branch 2: five of nine levels have the choice of two */
    for (int64_t i = 0; i < g.n; i++)
        for (int64_t k = 0; k < i; k++) {
            double a[5], b[5];
            grid_at(&g, i, a);
            grid_at(&g, k, b);
            bool differs = false;
            for (int q = 0; q < 5; q++)
                differs |= isnan(a[q]) != isnan(b[q]) || fabs(a[q] - b[q]) > 0;
            assert_true(differs);
        }
    grid_close(&g);
}

static void settings_with(struct settings *s, const char *algorithm, const char *text)
{
    json_t *object = json_loads(text, 0, NULL);
    struct problems problems = {0};
    settings_read(s, algorithm_find(algorithm)->settings, object, "", &problems);
    assert_int_equal(problems.n, 0);
    json_decref(object);
}

static void a_grid_over_continuous_parameters_takes_levels(void **state)
{
    (void)state;
    struct run *r = X_NEW(struct run);
    run_init(r, test_space_find("branin"), "grid", 1);
    settings_with(&r->settings, "grid", "{\"levels\": 4, \"order\": \"lexicographic\"}");
    assert_int_equal(algorithm_accept(r->algorithm, &r->space->problem, &r->settings, NULL), OK);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(run_step(r), OK);
        assert_near(r->x[i][0], (i / 4 + 0.5) / 4, 1e-15);
        assert_near(r->x[i][1], (i % 4 + 0.5) / 4, 1e-15);
    }
    assert_int_equal(run_step(r), ERR_EXHAUSTED);
    free(r);
}

static void a_grid_that_is_too_large_is_refused_and_a_large_one_starts(void **state)
{
    (void)state;
    struct test_space *s = X_NEW(struct test_space);
    struct settings settings;
    struct error error;
    settings_with(&settings, "grid", "{}");
    for (int i = 0; i < 20; i++)
        s->dims[i] = (struct dim){.kind = DIM_ORDINAL, .n_levels = 100, .parent = -1};
    s->n_dims = 8; /* 10^16 */
    test_space_init(s);
    assert_int_equal(algorithm_accept(algorithm_find("grid"), &s->problem, &settings, &error), OK);
    struct search search = {.problem = &s->problem, .settings = &settings};
    double x[20];
    struct suggestion out = {.x = x};
    bool half[8][2] = {{0}};
    for (int i = 0; i < 12; i++) { /* both halves of the leading ranges are seen at once */
        assert_int_equal(algorithm_suggest(algorithm_find("grid"), &search, NULL, &out, &error), OK);
        search.cursor = out.cursor;
        for (int k = 0; k < 8; k++)
            half[k][x[k] > 0.5] = true;
    }
    for (int k = 0; k < 8; k++)
        assert_true(half[k][0] && half[k][1]);
    s->n_dims = 20;
    test_space_init(s);
    assert_int_equal(algorithm_accept(algorithm_find("grid"), &s->problem, &settings, &error), ERR_INVALID);
    assert_non_null(strstr(error.detail, "more than"));
    free(s);
}

/* --- expected improvement */

static void log_cdf_is_right_from_the_head_to_the_far_tail(void **state)
{
    (void)state;
    static const struct {
        double z, value, slope;
    } cases[] = { /* mpmath, 40 digits */
        {3.0, -0.0013508099647481938, 0.0044378390421256638},
        {0.0, -0.69314718055994531, 0.79788456080286536},
        {-1.0, -1.8410216450092635, 1.5251352761609812},
        {-4.9, -14.551182689355311, 5.0898286001298833},
        {-5.1, -15.588487091871468, 5.2832876169091574},
        {-10.0, -53.231285150512471, 10.098093233962512},
        {-40.0, -804.60844201375379, 40.024968847207264},
        {-1000.0, -500007.82669481218, 1000.000999998},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double slope;
        assert_near(normal_log_cdf(cases[i].z, &slope), cases[i].value, 1e-12);
        assert_near(slope, cases[i].slope, 1e-9);
    }
}

static void log_h_is_right_from_the_head_to_the_far_tail(void **state)
{
    (void)state;
    static const struct {
        double z, value, slope;
    } cases[] = {
        {5, 1.6094379231264314, 0.19999994053122005},   {1, 0.08002621884930694, 0.77663872520173926},
        {0, -0.91893853320467274, 1.2533141373155003},  {-0.5, -1.6205162643873199, 1.5598731483480797},
        {-1, -2.4851210257126413, 1.9042712333296918},  {-2, -4.7687835239171142, 2.679416883955586},
        {-5, -16.74430116266099, 5.3618162412880885},   {-10, -55.553122036122356, 10.194383033412553},
        {-25, -319.86146358149595, 25.079620234266533}, {-40, -808.29856835661996, 40.049906657648518},
        {-100, -5010.1295788002498, 100.01999400419587}, {-1000, -500014.73445209116, 1000.001999994},
        {-1e6, -500000000028.54996, 1000000.000002},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double slope;
        assert_near(normal_log_h(cases[i].z, &slope), cases[i].value, 1e-9);
        assert_near(slope, cases[i].slope, 1e-9);
    }
    static const double branches[] = {-1, -5, -30};
    for (size_t i = 0; i < ARRAY_LEN(branches); i++)
        assert_near(normal_log_h(nextafter(branches[i], 0), NULL), normal_log_h(nextafter(branches[i], -100), NULL), 1e-10);
}

/* --- linear algebra and optimisers */

static void a_row_appended_to_a_factor_is_that_of_the_whole(void **state)
{
    (void)state;
    enum { N = 40, FROM = 25, STRIDE = 48 };
    double *a = array_new(N * STRIDE), *whole = array_new(N * STRIDE), *grown = array_new(N * STRIDE), *before = array_new(N * STRIDE);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++)
            a[i * STRIDE + j] = exp(-0.1 * (double)(i - j)) + (i == j ? 0.01 : 0);
    memcpy(whole, a, N * STRIDE * sizeof *a);
    memcpy(grown, a, N * STRIDE * sizeof *a);
    assert_true(cholesky_factor(whole, N, STRIDE));
    assert_true(cholesky_factor(grown, FROM, STRIDE));
    memcpy(before, grown, N * STRIDE * sizeof *a);
    for (size_t n = FROM; n < N; n++) {
        double row[N];
        memcpy(row, a + n * STRIDE, n * sizeof *row);
        assert_true(cholesky_append(grown, n, STRIDE, row, a[n * STRIDE + n]));
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++)
            assert_near(grown[i * STRIDE + j], whole[i * STRIDE + j], 1e-12);
    for (size_t i = 0; i < FROM; i++) /* dropping them again leaves the old factor to the bit */
        assert_memory_equal(grown + i * STRIDE, before + i * STRIDE, (i + 1) * sizeof *a);
    double row[N] = {0}, b[N], product = 0;
    memcpy(row, a + 5 * STRIDE, 5 * sizeof *row);
    assert_false(cholesky_append(grown, FROM, STRIDE, memset(row, 127, sizeof row), 1)); /* not positive definite */
    for (size_t i = 0; i < N; i++)
        b[i] = i == 3;
    cholesky_solve(whole, N, STRIDE, b);
    for (size_t i = 0; i < N; i++)
        product += b[i] * a[(i > 7 ? i : 7) * STRIDE + (i > 7 ? 7 : i)];
    assert_near(product, 0, 1e-9);
    cholesky_invert(whole, N, STRIDE);
    assert_near(whole[3 * STRIDE + 20], b[20], 1e-9);
    a[0] = -1;
    assert_false(cholesky_factor(a, N, STRIDE));
    free(a);
    free(whole);
    free(grown);
    free(before);
}

static double rosenbrock(void *ctx, const double *x, double *g)
{
    ++*(int *)ctx;
    double a = x[1] - x[0] * x[0];
    g[0] = -400 * a * x[0] - 2 * (1 - x[0]);
    g[1] = 200 * a;
    return 100 * a * a + (1 - x[0]) * (1 - x[0]);
}

static void lbfgs_finds_minima_inside_and_on_the_bounds(void **state)
{
    (void)state;
    static const struct {
        double lower, upper, x0, x1, value;
    } cases[] = {{-5, 5, 1, 1, 0}, {-5, 0.5, 0.5, 0.25, 0.25}, {1.5, 5, 1.5, 2.25, 0.25}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int n_calls = 0;
        struct lbfgs o = {.f = rosenbrock, .ctx = &n_calls, .n = 2, .lower = cases[i].lower, .upper = cases[i].upper, .max_iterations = 200,
                          .first_step = 0.5, .tol_gradient = 1e-9, .tol_relative = 0};
        double x[2] = {fmax(-1.2, cases[i].lower), cases[i].upper};
        assert_near(lbfgs_minimize(&o, x), cases[i].value, 1e-9);
        assert_near(x[0], cases[i].x0, 1e-5);
        assert_near(x[1], cases[i].x1, 1e-5);
        assert_true(n_calls < 150);
    }
}

/* --- the warp */

static void the_better_half_keeps_its_shape_and_the_worse_its_ranks(void **state)
{
    (void)state;
    double y[] = {1, 2, 3, 4, 5, 100, 1e6, 7};
    static const double expected[] = {-1.53501852, -1.08067261, -0.6263267, -0.1719808, 0.21895844, 0.97874478, 1.6522688, 0.56402661};
    static const double raw[] = {1, 2, 3, 4, 5, 100, 1e6, 7};
    struct warp w;
    assert_true(warp_fit(&w, y, 8));
    for (size_t i = 0; i < 8; i++) {
        assert_near(y[i], expected[i], 1e-7);
        assert_near(warp_back(&w, y[i]), raw[i], 1e-12);
    }
    assert_near(warp_back(&w, 2 * y[0] - y[1]), 0, 1e-9); /* below all: as the better half goes on */
    warp_release(&w);
    double equal[] = {3, 3, 3};
    assert_false(warp_fit(&w, equal, 3));
    assert_true(equal[0] == 0 && equal[2] == 0);
    warp_release(&w);
    double huge[] = {-1e308, 1e308, 0, 5e307, -1e308};
    assert_true(warp_fit(&w, huge, 5));
    assert_true(isfinite(huge[1]) && huge[0] < huge[2] && huge[2] < huge[3] && huge[3] < huge[1]);
    assert_true(memcmp(&huge[0], &huge[4], sizeof(double)) == 0);
    warp_release(&w);
}

/* --- the process */

static struct gp_space plain_space(const struct test_space *s)
{
    struct gp_space space;
    gp_space_init(&space, &s->problem);
    return space;
}

/* Rows drawn from a space, with a smooth target. */
static void draw_set(const struct test_space *s, const struct gp_space *space, size_t n, struct gp_set *set)
{
    struct rng r = rng_new(3, RNG_POINT, 0);
    gp_set_init(set, space, n);
    for (size_t i = 0; i < n; i++) {
        double x[16], point[GP_MAX_DIMS], y = 0;
        for (int k = 0; k < s->n_dims; k++)
            x[k] = rng_uniform(&r);
        s->problem.snap(s->problem.ctx, x);
        gp_space_encode(space, x, point);
        for (size_t k = 0; k < space->d; k++)
            y += sin(3 * point[k] + (double)k);
        gp_set_add(set, point, y / 2, i % 5 ? 0 : 0.01);
    }
}

static void the_kernel_is_matern_five_halves(void **state)
{
    (void)state;
    static const double cases[][2] = {{0, 1}, {0.1, 0.9917592361711776}, {0.5, 0.8286491424181253}, {1, 0.5239941088318203}, {2, 0.13866021913850426}, {5, 0.0007509337888737546}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double slope, up, down, r2 = cases[i][0] * cases[i][0], ignored;
        assert_near(gp_kernel(1, r2, &slope), cases[i][1], 1e-14);
        up = gp_kernel(1, r2 + 1e-6, &ignored);
        down = gp_kernel(1, r2, &ignored);
        assert_near(slope, (up - down) / 1e-6, 1e-2);
    }
}

static void the_gradient_of_the_fit_is_that_of_finite_differences(void **state)
{
    (void)state;
    static const char *const spaces[] = {"branin", "mixed", "conditional"};
    for (size_t q = 0; q < ARRAY_LEN(spaces); q++) {
        const struct test_space *s = test_space_find(spaces[q]);
        struct gp_space space = plain_space(s);
        struct gp_set set;
        draw_set(s, &space, 25, &set);
        struct gp_fit *f = gp_fit_new(&set);
        struct rng r = rng_new(1, RNG_START, q);
        for (int trial = 0; trial < 5; trial++) {
            struct gp_theta t, moved;
            double g[GP_MAX_DIMS + 2], ignored[GP_MAX_DIMS + 2];
            gp_fit_centre(&set, &t);
            for (size_t k = 0; k < set.d + 2; k++)
                t.v[k] += rng_normal(&r);
            double value = gp_fit_objective(f, t.v, g);
            assert_true(isfinite(value));
            for (size_t k = 0; k < set.d + 2; k++) {
                moved = t;
                moved.v[k] += 1e-5;
                double up = gp_fit_objective(f, moved.v, ignored);
                moved.v[k] -= 2e-5;
                double down = gp_fit_objective(f, moved.v, ignored);
                assert_near(g[k], (up - down) / 2e-5, 1e-6);
            }
        }
        gp_fit_free(f);
        gp_set_release(&set);
    }
}

static void the_gradient_of_the_acquisition_is_that_of_finite_differences(void **state)
{
    (void)state;
    const struct test_space *s = test_space_find("mixed");
    struct gp_space space = plain_space(s);
    struct gp_set set;
    struct gp_theta theta;
    struct gp_model model;
    draw_set(s, &space, 25, &set);
    gp_fit_theta(&set, NULL, rng_new(1, RNG_START, 0), &theta);
    gp_model_init(&model, &set, &theta, NULL, 3);
    double point[GP_MAX_DIMS] = {0.31, 0.72, 0.5, 0.4, 2, 1}, g[4];
    gp_model_believe(&model, point);
    gp_model_finish(&model);
    point[0] = 0.6;
    static const size_t which[] = {0, 1, 2, 3};
    for (int kind = ACQUISITION_LOG_EI; kind <= ACQUISITION_BOUND; kind++) {
        struct acquisition a = {.kind = (enum acquisition_kind)kind, .model = &model, .incumbent = gp_model_lowest_mean(&model)};
        double value = acquisition_at(&a, point, which, 4, g);
        assert_near(value, acquisition_at(&a, point, NULL, 0, NULL), 1e-14);
        for (size_t k = 0; k < 4; k++) {
            double keep = point[k];
            point[k] = keep + 1e-5;
            double up = acquisition_at(&a, point, NULL, 0, NULL);
            point[k] = keep - 1e-5;
            double down = acquisition_at(&a, point, NULL, 0, NULL);
            point[k] = keep;
            assert_near(g[k], (up - down) / 2e-5, 1e-5);
        }
    }
    gp_model_release(&model);
    gp_set_release(&set);
}

/* A guide over a part of the dimensions, and a model that has it as a regressor. */
static void guides_have_right_gradients_and_do_not_rule(void **state)
{
    (void)state;
    const struct test_space *s = test_space_find("mixed");
    struct gp_space space = plain_space(s);
    double x[30][16], y[30];
    struct observation trials[30];
    struct rng r = rng_new(8, RNG_POINT, 0);
    for (size_t i = 0; i < 30; i++) {
        for (int k = 0; k < 6; k++)
            x[i][k] = rng_uniform(&r);
        s->problem.snap(s->problem.ctx, x[i]);
        s->f(x[i], &y[i]);
        y[i] = 1000 * y[i] + 3;
        x[i][1] = NAN; /* it did not have the second parameter */
        trials[i] = (struct observation){.number = (int64_t)i, .state = OBSERVATION_DONE, .x = x[i], .y = &y[i], .y_se = NAN};
    }
    struct earlier earlier = {trials, 30};
    double now_x[10][16], now_y[10];
    struct observation now[10];
    for (size_t i = 0; i < 10; i++) {
        for (int k = 0; k < 6; k++)
            now_x[i][k] = rng_uniform(&r);
        s->problem.snap(s->problem.ctx, now_x[i]);
        s->f(now_x[i], &now_y[i]);
        now[i] = (struct observation){.number = (int64_t)i, .state = OBSERVATION_DONE, .x = now_x[i], .y = &now_y[i], .y_se = NAN};
    }
    struct search search = {.problem = &s->problem, .history = now, .n_history = 10, .earlier = &earlier, .n_earlier = 1};
    struct gp_history h;
    gp_history_init(&h, &search, &space);
    struct gp_guide *guide = gp_guides_new(&h, NULL);
    assert_non_null(guide);
    assert_int_equal(guide->n, 1);
    assert_int_equal(guide->part[0].space.d, 5);
    h.guide = guide;
    struct models *k = X_NEW(struct models);
    assert_true(models_init(k, &h, NULL));
    double point[GP_MAX_DIMS] = {0.31, 0.72, 0.5, 0.4, 2, 1};
    static const size_t which[] = {0, 1, 2, 3};
    double mean, deviation, d_mean[4], d_deviation[4];
    gp_model_predict(&k->model[0], point, &mean, &deviation, which, 4, d_mean, d_deviation);
    assert_near(mean, gp_model_mean(&k->model[0], point), 1e-12);
    for (size_t q = 0; q < 4; q++) {
        double up, down, up_deviation, down_deviation, keep = point[q];
        point[q] = keep + 1e-5;
        gp_model_predict(&k->model[0], point, &up, &up_deviation, NULL, 0, NULL, NULL);
        point[q] = keep - 1e-5;
        gp_model_predict(&k->model[0], point, &down, &down_deviation, NULL, 0, NULL, NULL);
        point[q] = keep;
        assert_near(d_mean[q], (up - down) / 2e-5, 1e-5);
        assert_near(d_deviation[q], (up_deviation - down_deviation) / 2e-5, 1e-5);
    }
    for (size_t i = 0; i < 10; i++) { /* what was measured counts more than what was heard */
        gp_space_encode(&space, now_x[i], point);
        gp_model_predict(&k->model[0], point, &mean, &deviation, NULL, 0, NULL, NULL);
        assert_true(fabs(mean - k->set[0].y[i]) < 4 * sqrt(k->model[0].noise + GP_FLOOR) + 1e-3);
    }
    models_release(k);
    free(k);
    gp_guides_free(guide, h.n_targets);
    gp_history_release(&h);
}

static void bounds_and_cost_have_right_gradients(void **state)
{
    (void)state;
    const struct test_space *s = test_space_find("mixed");
    struct gp_space space = plain_space(s);
    struct gp_set set;
    struct gp_theta theta;
    struct gp_model model[3];
    draw_set(s, &space, 25, &set);
    gp_fit_theta(&set, NULL, rng_new(1, RNG_START, 0), &theta);
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < 4; k++)
            theta.v[k] += 0.2 * i;
        gp_model_init(&model[i], &set, &theta, NULL, 0);
        gp_model_finish(&model[i]);
    }
    double point[GP_MAX_DIMS] = {0.6, 0.72, 0.5, 0.4, 2, 1}, g[4];
    static const size_t which[] = {0, 1, 2, 3};
    for (int kind = 0; kind < 3; kind++) {
        struct acquisition a = {.kind = kind ? ACQUISITION_LOG_EI : ACQUISITION_FEASIBLE, .model = model, .incumbent = gp_model_lowest_mean(&model[0]),
                                .bound = model + 1, .limit = {-0.3, 0.4}, .n_bounds = 2, .optimism = kind ? 0 : GP_BETA,
                                .cost = kind == 2 ? &model[2] : NULL, .cost_scale = 1.7};
        double value = acquisition_at(&a, point, which, 4, g);
        assert_near(value, acquisition_at(&a, point, NULL, 0, NULL), 1e-14);
        for (size_t k = 0; k < 4; k++) {
            double keep = point[k];
            point[k] = keep + 1e-5;
            double up = acquisition_at(&a, point, NULL, 0, NULL);
            point[k] = keep - 1e-5;
            double down = acquisition_at(&a, point, NULL, 0, NULL);
            point[k] = keep;
            assert_near(g[k], (up - down) / 2e-5, 1e-5);
        }
    }
    for (int i = 0; i < 3; i++)
        gp_model_release(&model[i]);
    gp_set_release(&set);
}

/* --- hypervolume */

/* A front of 2 or 3 objectives between 0 and 1, with points that are dominated, equal in a coordinate, and outside the reference. */
#define FRONT 14

static size_t draw_front(struct rng *r, int m, double (*point)[BOXES_MAX_OBJECTIVES], const double **y)
{
    size_t n = (size_t)(rng_uniform(r) * FRONT);
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < m; j++)
            point[i][j] = rng_uniform(r) < 0.3 ? 0.5 : 1.1 * rng_uniform(r);
        y[i] = point[i];
    }
    return n;
}

static bool is_dominated(const double *const *y, size_t n, int m, const double *at)
{
    bool dominated = false;
    for (size_t i = 0; i < n && !dominated; i++) {
        dominated = true;
        for (int j = 0; j < m; j++)
            dominated &= y[i][j] <= at[j];
    }
    return dominated;
}

static void boxes_fill_what_the_front_leaves_without_overlap(void **state)
{
    (void)state;
    static const double reference[] = {1, 1, 1};
    struct rng r = rng_new(5, RNG_POINT, 0);
    for (int trial = 0; trial < 60; trial++) {
        const int m = 2 + trial % 2;
        double point[FRONT][BOXES_MAX_OBJECTIVES];
        const double *y[FRONT];
        struct boxes b;
        size_t n = draw_front(&r, m, point, y);
        boxes_init(&b, y, n, m, reference);
        for (int k = 0; k < 300; k++) {
            double at[3] = {rng_uniform(&r), rng_uniform(&r), rng_uniform(&r)};
            int inside = 0;
            for (size_t i = 0; i < b.n; i++) {
                bool in = true;
                for (int j = 0; j < m; j++)
                    in &= at[j] >= b.box[i].low[j] && at[j] < b.box[i].high[j];
                inside += in;
            }
            assert_int_equal(inside, is_dominated(y, n, m, at) ? 0 : 1);
        }
        boxes_release(&b);
    }
}

static void volumes_of_known_fronts_are_right(void **state)
{
    (void)state;
    static const struct {
        int m;
        size_t n;
        double y[3][BOXES_MAX_OBJECTIVES], dominated; /* of the unit cube */
    } cases[] = {
        {2, 0, {{0}}, 0},
        {2, 1, {{0.25, 0.5}}, 0.375},
        {2, 3, {{0.2, 0.6}, {0.5, 0.3}, {0.6, 0.7}}, 0.8 * 0.4 + 0.5 * 0.3},
        {3, 1, {{0.5, 0.5, 0.5}}, 0.125},
        {3, 2, {{0.5, 0.5, 0.5}, {0.2, 0.5, 0.8}}, 0.125 + 0.3 * 0.5 * 0.2},
        {3, 3, {{0, 0.5, 0.5}, {0.5, 0, 0.5}, {0.5, 0.5, 0}}, 0.125 + 3 * 0.125},
    };
    static const double reference[] = {1, 1, 1}, ideal[] = {0, 0, 0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const double *y[] = {cases[i].y[0], cases[i].y[1], cases[i].y[2]};
        struct boxes b;
        boxes_init(&b, y, cases[i].n, cases[i].m, reference);
        assert_near(1 - boxes_volume(&b, ideal), cases[i].dominated, 1e-14);
        boxes_release(&b);
    }
}

/* What a point adds to the volume under the reference. */
static double gain_of(const double *const *y, size_t n, int m, const double *reference, const double *at)
{
    static const double ideal[] = {-20, -20, -20};
    const double *more[FRONT + 1];
    struct boxes before, after;
    memcpy(more, y, n * sizeof *y);
    more[n] = at;
    boxes_init(&before, y, n, m, reference);
    boxes_init(&after, more, n + 1, m, reference);
    double gain = boxes_volume(&before, ideal) - boxes_volume(&after, ideal);
    boxes_release(&before);
    boxes_release(&after);
    return gain;
}

static void init_objectives(const struct gp_space *space, int m, struct gp_set *set, struct gp_model *model)
{
    for (int j = 0; j < m; j++) {
        struct gp_theta theta = {{log(0.3), log(0.4), 0, -15}};
        gp_set_init(&set[j], space, 3);
        gp_set_add(&set[j], (const double[]){0.1, 0.2}, 0.2 + 0.3 * j, 0);
        gp_set_add(&set[j], (const double[]){0.5, 0.6}, 0.6 - 0.2 * j, 0);
        gp_set_add(&set[j], (const double[]){0.9, 0.1}, -0.4 + 0.5 * j, 0);
        gp_model_init(&model[j], &set[j], &theta, NULL, 0);
        gp_model_finish(&model[j]);
    }
}

static double sampled_ehvi(struct gp_model *model, int m, const double *point, const double *const *y, size_t n, const double *reference)
{
    enum { SAMPLES = 1 << 14 };
    double mean[3], deviation[3], u[3], sum = 0;
    for (int j = 0; j < m; j++)
        gp_model_predict(&model[j], point, &mean[j], &deviation[j], NULL, 0, NULL, NULL);
    for (int i = 0; i < SAMPLES; i++) {
        double at[3];
        sobol_point(3, (uint64_t)i, u, m);
        for (int j = 0; j < m; j++)
            at[j] = mean[j] + deviation[j] * gsl_cdf_ugaussian_Pinv(u[j]);
        sum += gain_of(y, n, m, reference, at);
    }
    return sum / SAMPLES;
}

static void the_hypervolume_improvement_is_that_of_sampling_and_so_is_its_gradient(void **state)
{
    (void)state;
    static const double reference[] = {1, 1, 1}, front[3][3] = {{-0.3, 0.5, 0.6}, {0.1, 0.1, 0.5}, {0.4, 0.3, -0.2}};
    static const size_t which[] = {0, 1};
    const double *y[] = {front[0], front[1], front[2]};
    struct gp_space space = plain_space(test_space_find("branin"));
    for (int m = 2; m <= 3; m++) {
        struct gp_set set[3];
        struct gp_model model[3];
        init_objectives(&space, m, set, model);
        struct acquisition a = {.kind = ACQUISITION_LOG_EHVI, .model = model};
        boxes_init(&a.boxes, y, 3, m, reference);
        double point[GP_MAX_DIMS] = {0.35, 0.45}, g[2];
        double value = acquisition_at(&a, point, which, 2, g);
        assert_near(exp(value), sampled_ehvi(model, m, point, y, 3, reference), 0.01);
        for (size_t k = 0; k < 2; k++) {
            double keep = point[k];
            point[k] = keep + 1e-5;
            double up = acquisition_at(&a, point, NULL, 0, NULL);
            point[k] = keep - 1e-5;
            double down = acquisition_at(&a, point, NULL, 0, NULL);
            point[k] = keep;
            assert_near(g[k], (up - down) / 2e-5, 1e-5);
        }
        boxes_release(&a.boxes);
        for (int j = 0; j < m; j++) {
            gp_model_release(&model[j]);
            gp_set_release(&set[j]);
        }
    }
}

/* Where every product of tails is below the smallest double, its logarithm still says which way is up. */
static void the_hypervolume_improvement_does_not_vanish_far_behind_the_front(void **state)
{
    (void)state;
    static const double reference[] = {1, 1}, front[] = {-60, -60};
    static const size_t which[] = {0, 1};
    const double *y[] = {front};
    struct gp_space space = plain_space(test_space_find("branin"));
    struct gp_set set[2];
    struct gp_model model[2];
    init_objectives(&space, 2, set, model);
    struct acquisition a = {.kind = ACQUISITION_LOG_EHVI, .model = model};
    boxes_init(&a.boxes, y, 1, 2, reference);
    double point[GP_MAX_DIMS] = {0.3, 0.4}, g[2];
    double value = acquisition_at(&a, point, which, 2, g);
    assert_true(isfinite(value) && value < -1000);
    assert_true(isfinite(g[0]) && isfinite(g[1]) && fabs(g[0]) + fabs(g[1]) > 1);
    boxes_release(&a.boxes);
    for (int j = 0; j < 2; j++) {
        gp_model_release(&model[j]);
        gp_set_release(&set[j]);
    }
}

/* --- the model */

static void a_model_goes_through_its_points_and_is_unsure_away_from_them(void **state)
{
    (void)state;
    const struct test_space *s = test_space_find("branin");
    struct gp_space space = plain_space(s);
    struct gp_set set;
    gp_set_init(&set, &space, 3);
    gp_set_add(&set, (const double[]){0.1, 0.1}, -1, 0);
    gp_set_add(&set, (const double[]){0.5, 0.5}, 0.2, 0);
    gp_set_add(&set, (const double[]){0.9, 0.9}, 0.8, 1); /* known to be noisy */
    struct gp_theta theta = {{log(0.3), log(0.3), 0, -15}};
    struct gp_model m;
    gp_model_init(&m, &set, &theta, NULL, 2);
    gp_model_finish(&m);
    double mean, deviation, far_deviation;
    gp_model_predict(&m, (const double[]){0.1, 0.1}, &mean, &deviation, NULL, 0, NULL, NULL);
    assert_near(mean, -1, 1e-4);
    assert_true(deviation < 0.01);
    gp_model_predict(&m, (const double[]){0.9, 0.9}, &mean, &deviation, NULL, 0, NULL, NULL);
    assert_true(mean < 0.6 && deviation > 0.3); /* drawn back to the middle */
    gp_model_predict(&m, (const double[]){0.1, 0.9}, &mean, &far_deviation, NULL, 0, NULL, NULL);
    assert_true(far_deviation > 0.9);
    assert_near(gp_model_lowest_mean(&m), -1, 1e-4);
    gp_model_believe(&m, (const double[]){0.1, 0.9}); /* believed in: nothing is expected of looking there again */
    gp_model_finish(&m);
    double after;
    gp_model_predict(&m, (const double[]){0.1, 0.9}, &after, &deviation, NULL, 0, NULL, NULL);
    assert_near(after, mean, 1e-4);
    assert_true(deviation < 0.01);
    gp_model_release(&m);
    gp_set_release(&set);
}

static void the_fit_tells_what_matters_from_what_does_not(void **state)
{
    (void)state;
    const struct test_space *s = test_space_find("hartmann6");
    struct gp_space space = plain_space(s);
    struct gp_set set;
    struct gp_theta t;
    draw_set(s, &space, 60, &set);
    for (size_t i = 0; i < set.n; i++)
        set.y[i] = 2 * sin(6 * set.x[i]) + 0.1 * sin(1e5 * set.x[i]); /* the first dimension alone, and noise of variance 0.005 */
    gp_fit_theta(&set, NULL, rng_new(1, RNG_START, 0), &t);
    for (size_t k = 1; k < 6; k++)
        assert_true(t.v[k] > t.v[0] + 1);
    assert_true(exp(t.v[7]) > 0.001 && exp(t.v[7]) < 0.03);
    gp_set_release(&set);
}

static void subsets_keep_the_best_the_latest_and_the_near(void **state)
{
    (void)state;
    const struct test_space *s = test_space_find("hartmann6");
    struct gp_space space = plain_space(s);
    struct gp_set set;
    struct gp_theta t;
    size_t row[120], order[500];
    draw_set(s, &space, 500, &set);
    subset_by_value(&set, order);
    gp_fit_centre(&set, &t);
    for (int kind = 0; kind < 2; kind++) {
        size_t n = kind ? subset_near(&set, &t, 120, row) : subset_spread(&set, 120, row);
        assert_int_equal(n, 120);
        for (size_t i = 0; i < 30; i++) {
            bool best = false;
            for (size_t k = 0; k < n; k++)
                best |= row[k] == order[i];
            assert_true(best);
        }
        for (size_t k = 1; k < n; k++)
            assert_true(row[k] > row[k - 1]);
        assert_true(kind || row[n - 1] == 499);
    }
    gp_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sobol_points_are_those_of_joe_and_kuo),
        cmocka_unit_test(every_scrambled_sobol_interval_is_hit_once),
        cmocka_unit_test(sequences_cover_the_cube_better_than_chance),
        cmocka_unit_test(no_two_dimensions_go_together),
        cmocka_unit_test(halton_points_fill_the_intervals_of_their_bases),
        cmocka_unit_test(random_points_are_uniform),
        cmocka_unit_test(a_conditional_grid_counts_active_combinations_once),
        cmocka_unit_test(a_grid_over_continuous_parameters_takes_levels),
        cmocka_unit_test(a_grid_that_is_too_large_is_refused_and_a_large_one_starts),
        cmocka_unit_test(log_cdf_is_right_from_the_head_to_the_far_tail),
        cmocka_unit_test(log_h_is_right_from_the_head_to_the_far_tail),
        cmocka_unit_test(a_row_appended_to_a_factor_is_that_of_the_whole),
        cmocka_unit_test(lbfgs_finds_minima_inside_and_on_the_bounds),
        cmocka_unit_test(the_better_half_keeps_its_shape_and_the_worse_its_ranks),
        cmocka_unit_test(the_kernel_is_matern_five_halves),
        cmocka_unit_test(the_gradient_of_the_fit_is_that_of_finite_differences),
        cmocka_unit_test(guides_have_right_gradients_and_do_not_rule),
        cmocka_unit_test(bounds_and_cost_have_right_gradients),
        cmocka_unit_test(the_gradient_of_the_acquisition_is_that_of_finite_differences),
        cmocka_unit_test(boxes_fill_what_the_front_leaves_without_overlap),
        cmocka_unit_test(volumes_of_known_fronts_are_right),
        cmocka_unit_test(the_hypervolume_improvement_is_that_of_sampling_and_so_is_its_gradient),
        cmocka_unit_test(the_hypervolume_improvement_does_not_vanish_far_behind_the_front),
        cmocka_unit_test(a_model_goes_through_its_points_and_is_unsure_away_from_them),
        cmocka_unit_test(the_fit_tells_what_matters_from_what_does_not),
        cmocka_unit_test(subsets_keep_the_best_the_latest_and_the_near),
    };
    algorithms_setup();
    test_spaces_init();
    return cmocka_run_group_tests_name("search numerics", tests, NULL, NULL);
}
