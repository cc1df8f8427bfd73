/* SPDX-License-Identifier: GPL-3.0-or-later */
/* algorithms/analysis against functions and sets whose answers are known, and what must not change them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/dependence.h"
#include "analysis/hypervolume.h"
#include "analysis/outlook.h"
#include "analysis/importance.h"
#include "base/mem.h"
#include "math/rng.h"
#include "problems.h"

#include <math.h>
#include <string.h>

#define NUMBER {.kind = DIM_CONTINUOUS, .parent = -1}

/* An experiment of n points drawn evenly, by f. */
static struct run *drawn(struct test_space *s, size_t n, uint64_t seed)
{
    struct run *r = X_NEW(struct run);
    struct rng rng = rng_new(seed, RNG_POINT, 0);
    test_space_init(s);
    run_init(r, s, "random", seed);
    while (r->n < n) {
        double x[16], y[3];
        for (int k = 0; k < s->n_dims; k++)
            x[k] = rng_uniform(&rng);
        s->problem.snap(s->problem.ctx, x);
        if (s->feasible && !s->feasible(x))
            continue;
        s->f(x, y);
        run_add(r, x, isnan(y[0]) ? OBSERVATION_FAILED : OBSERVATION_DONE, y);
    }
    return r;
}

static void finish(struct run *r)
{
    run_release(r);
    free(r);
}

static struct surrogate *learn(const struct run *r)
{
    struct surrogate *s = surrogate_new(&r->space->problem, r->observations, r->n, 0);
    assert_non_null(s);
    return s;
}

static void shares_of(const struct run *r, double top, struct importance *out)
{
    struct surrogate *s = learn(r);
    struct anova *a = anova_new(s, &r->space->problem, top);
    assert_true(anova_alone(a, out));
    anova_free(a);
    surrogate_free(s);
}

/* --- importances */

static void ten_to_one(const double *u, double *y)
{
    *y = 10 * u[0] + u[1];
}

/* sin, twice as much of it squared, and the first again with the third (Ishigami and Homma 1990): first-order parts 0.31, 0.44, 0. */
static void ishigami(const double *u, double *y)
{
    double a = M_PI * (2 * u[0] - 1), b = M_PI * (2 * u[1] - 1), c = M_PI * (2 * u[2] - 1);
    *y = sin(a) + 7 * sin(b) * sin(b) + 0.1 * c * c * c * c * sin(a);
}

/* Sobol's g: the parts are known in closed form. */
static void sobol_g(const double *u, double *y)
{
    static const double a[6] = {0, 1, 4.5, 9, 99, 99};
    *y = 1;
    for (int i = 0; i < 6; i++)
        *y *= (fabs(4 * u[i] - 2) + a[i]) / (1 + a[i]);
}

static void by_choice(const double *u, double *y)
{
    static const double of[4] = {0, 3, 1, 3};
    *y = of[(int)(u[1] * 4)] + 0.3 * u[0];
}

static const struct {
    const char *name;
    struct test_space space;
    size_t n;
    double share[6], slack;
} known[] = {
    {"10 x0 + x1", {.n_dims = 4, .dims = {NUMBER, NUMBER, NUMBER, NUMBER}, .f = ten_to_one}, 60, {0.99, 0.01, 0, 0}, 0.03},
    {"Ishigami", {.n_dims = 5, .dims = {NUMBER, NUMBER, NUMBER, NUMBER, NUMBER}, .f = ishigami}, 300, {0.31, 0.44, 0, 0, 0}, 0.15},
    {"Sobol g", {.n_dims = 6, .dims = {NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER}, .f = sobol_g}, 200, {0.71, 0.18, 0.02, 0.01, 0, 0}, 0.09},
    {"a categorical", {.n_dims = 3, .dims = {NUMBER, {DIM_CATEGORICAL, 4, -1}, {DIM_CATEGORICAL, 3, -1}}, .f = by_choice}, 80, {0.01, 0.99, 0}, 0.05},
};

static void shares_are_those_of_known_functions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct test_space s = known[i].space;
        struct run *r = drawn(&s, known[i].n, 3);
        struct importance got[6];
        double sum = 0;
        shares_of(r, 1, got);
        for (int k = 0; k < s.n_dims; k++) {
            if (!(fabs(got[k].share - known[i].share[k]) < known[i].slack))
                fail_msg("%s: parameter %d has %.3f, not %.3f", known[i].name, k, got[k].share, known[i].share[k]);
            assert_true(0 <= got[k].low && got[k].low <= got[k].share && got[k].share <= got[k].high && got[k].high <= 1);
            sum += got[k].share;
        }
        assert_true(sum < 1.05);
        finish(r);
    }
}

static void wrap(const double *u, double *y)
{
    ten_to_one(u, y);
    *y = 1e6 * *y - 3e6;
}

/* The share must not depend on the units of the objective, nor on the order in which trials ended. */
static void units_change_nothing_and_running_trials_neither(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 3, .dims = {NUMBER, NUMBER, NUMBER}, .f = ten_to_one}, t = s;
    t.f = wrap;
    struct run *a = drawn(&s, 50, 1), *b = drawn(&t, 50, 1);
    struct importance of_a[3], of_b[3];
    double running[3] = {0.5, 0.5, 0.5};
    run_add(b, running, OBSERVATION_PENDING, NULL);
    shares_of(a, 1, of_a);
    shares_of(b, 1, of_b);
    for (int k = 0; k < 3; k++)
        assert_true(fabs(of_a[k].share - of_b[k].share) < 1e-6);
    finish(a);
    finish(b);
}

static void the_same_trials_give_the_same_shares(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 5, .dims = {NUMBER, NUMBER, NUMBER, NUMBER, NUMBER}, .f = ishigami};
    struct run *r = drawn(&s, 150, 2);
    struct importance a[5], b[5];
    shares_of(r, 0.2, a);
    shares_of(r, 0.2, b);
    assert_memory_equal(a, b, sizeof a);
    finish(r);
}

/* A search leaves nearly all trials at its best place. What matters over the space must be seen all the same. */
static void a_search_that_has_settled_does_not_blind_it(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 4, .dims = {NUMBER, NUMBER, NUMBER, NUMBER}, .f = ten_to_one};
    struct run *r = drawn(&s, 12, 4);
    struct rng rng = rng_new(8, RNG_POINT, 0);
    while (r->n < 200) {
        double x[4], y[3];
        for (int k = 0; k < 4; k++)
            x[k] = 0.05 * rng_uniform(&rng);
        ten_to_one(x, y);
        run_add(r, x, OBSERVATION_DONE, y);
    }
    struct importance got[4];
    shares_of(r, 1, got);
    assert_true(got[0].share > 0.9 && got[1].share < 0.1 && got[2].share < 0.05 && got[3].share < 0.05);
    finish(r);
}

/* x0 decides what is good at all, x1 which of the good ones is best. */
static void two_stages(const double *u, double *y)
{
    *y = u[0] > 0.3 ? 10 + u[0] : u[1];
}

static void the_best_part_has_importances_of_its_own(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 3, .dims = {NUMBER, NUMBER, NUMBER}, .f = two_stages};
    struct run *r = drawn(&s, 200, 5);
    struct importance all[3], best[3];
    shares_of(r, 1, all);
    shares_of(r, 0.1, best);
    assert_true(all[0].share > 0.7 && all[1].share < 0.2);
    assert_true(best[1].share > 3 * all[1].share && best[2].share < 0.05);
    finish(r);
}

static void of_a_branch(const double *u, double *y)
{
    *y = u[0] < 0.5 ? 5 : 4 * u[1]; /* the second is active in one branch */
}

static void a_conditional_parameter_counts_where_it_is_active(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 3, .dims = {{DIM_CATEGORICAL, 2, -1}, {DIM_CONTINUOUS, 0, 0}, NUMBER}, .parent_levels = {0, 2, 0}, .f = of_a_branch};
    struct run *r = drawn(&s, 120, 6);
    struct importance got[3];
    shares_of(r, 1, got);
    /* the branches' means are 3 apart, which is 2.25 of the variance; within one of them it is 4^2 / 12, over half of the space */
    assert_true(fabs(got[0].share - 2.25 / (2.25 + 2.0 / 3)) < 0.06);
    assert_true(fabs(got[1].share - 2.0 / 3 / (2.25 + 2.0 / 3)) < 0.06);
    assert_true(got[2].share < 0.03);
    finish(r);
}

static void fails_on_the_right(const double *u, double *y)
{
    *y = u[1] > 0.5 ? NAN : 0.2 * u[0];
}

static void what_makes_trials_fail_is_important(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 2, .dims = {NUMBER, NUMBER}, .f = fails_on_the_right};
    struct run *r = drawn(&s, 60, 7);
    struct importance got[2];
    shares_of(r, 1, got);
    assert_true(got[1].share > got[0].share && got[1].share > 0.5);
    finish(r);
}

static void noise(const double *u, double *y)
{
    uint64_t bits;
    memcpy(&bits, u, sizeof bits);
    struct rng r = rng_new(bits, RNG_POINT, 1);
    *y = rng_normal(&r);
}

static void few_trials_and_noise_are_owned_up_to(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 4, .dims = {NUMBER, NUMBER, NUMBER, NUMBER}, .f = ten_to_one};
    struct run *few = drawn(&s, SURROGATE_LEAST - 1, 1), *some = drawn(&s, 14, 1);
    assert_null(surrogate_new(&s.problem, few->observations, few->n, 0));
    assert_null(surrogate_new(&s.problem, NULL, 0, 0));
    struct test_space t = s, i5 = {.n_dims = 4, .dims = {NUMBER, NUMBER, NUMBER, NUMBER}, .f = ishigami};
    t.f = noise;
    struct run *random = drawn(&t, 100, 1), *hard = drawn(&i5, 14, 1), *easy = drawn(&i5, 200, 1);
    struct importance wide[4], narrow[4];
    double width = 0;
    shares_of(hard, 1, wide);
    shares_of(easy, 1, narrow);
    for (int k = 0; k < 4; k++)
        width += wide[k].high - wide[k].low - (narrow[k].high - narrow[k].low);
    assert_true(width > 0.5);
    struct surrogate *of_noise = learn(random), *of_some = learn(some);
    assert_true(surrogate_skill(of_noise) < 0.3);
    assert_true(surrogate_skill(of_some) > 0.8);
    surrogate_free(of_noise);
    surrogate_free(of_some);
    finish(few);
    finish(some);
    finish(random);
    finish(hard);
    finish(easy);
}

static void product(const double *u, double *y)
{
    *y = (u[0] - 0.5) * (u[2] - 0.5) + 0.02 * u[1];
}

static void pairs_that_only_matter_together_are_found(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 4, .dims = {NUMBER, NUMBER, NUMBER, NUMBER}, .f = product};
    struct run *r = drawn(&s, 120, 8);
    struct surrogate *z = learn(r);
    struct pair pairs[10];
    struct anova *a = anova_new(z, &s.problem, 1);
    assert_int_equal(anova_pairs(a, pairs, 10), 6);
    assert_true(pairs[0].a == 0 && pairs[0].b == 2 && pairs[0].share > 0.7);
    assert_true(pairs[1].share < 0.1);
    anova_free(a);
    surrogate_free(z);
    finish(r);
}

/* --- dependence, the best point */

static void valley(const double *u, double *y)
{
    *y = 4 * (u[0] - 0.3) * (u[0] - 0.3) + u[1];
}

static void the_curve_is_that_of_the_function(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 3, .dims = {NUMBER, NUMBER, {DIM_ORDINAL, 5, -1}}, .f = valley};
    struct run *r = drawn(&s, 90, 9);
    struct surrogate *z = learn(r);
    struct dependence *curve;
    assert_int_equal(dependence_along(z, &s.problem, 0, &curve), DEPENDENCE_PLACES);
    for (size_t i = 0; i < DEPENDENCE_PLACES; i++) {
        assert_true(curve[i].u >= (i ? curve[i - 1].u : 0) && curve[i].low <= curve[i].mean && curve[i].mean <= curve[i].high);
        if (curve[i].u < 0.7) /* what is bad is squashed */
            assert_true(fabs(curve[i].mean - (4 * pow(curve[i].u - 0.3, 2) + 0.5)) < 0.15);
    }
    free(curve);
    assert_int_equal(dependence_along(z, &s.problem, 2, &curve), 5);
    assert_true(fabs(curve[0].mean - curve[4].mean) < 0.1 && curve[0].u == 0.1);
    free(curve);
    surrogate_free(z);
    finish(r);
}

static void a_curve_leaves_out_where_its_parameter_cannot_be(void **state)
{
    (void)state;
    struct test_space *s = test_space_find("constrained"); /* the sum is below 0.7 */
    struct run *r = drawn(s, 40, 1);
    struct surrogate *z = learn(r);
    struct dependence *curve;
    size_t n = dependence_along(z, &s->problem, 0, &curve);
    assert_true(n > 10 && n < DEPENDENCE_PLACES && curve[n - 1].u < 0.7);
    free(curve);
    surrogate_free(z);
    finish(r);
}

/* Two places, measured again and again: the worse one has the luckiest trial. */
static void the_best_point_is_not_the_luckiest(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 1, .dims = {NUMBER}};
    test_space_init(&s);
    struct run *r = X_NEW(struct run);
    run_init(r, &s, "random", 1);
    struct rng rng = rng_new(2, RNG_POINT, 0);
    for (int i = 0; i < 40; i++) {
        double x = (i % 20) / 20.0, y = fabs(x - 0.7) + 0.1 * rng_normal(&rng);
        if (i == 21)
            y = -0.6; /* at 0.05 */
        run_add(r, &x, OBSERVATION_DONE, &y);
    }
    struct surrogate *z = learn(r);
    struct recommendation best;
    assert_true(surrogate_best(z, &best));
    assert_true(fabs(r->x[best.number][0] - 0.7) < 0.16);
    assert_true(best.deviation > 0 && fabs(best.expected) < 0.2);
    assert_true(best.observed == r->y[best.number][0]);
    surrogate_free(z);
    finish(r);
}

static void many_trials_are_judged_by_a_few(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 4, .dims = {NUMBER, NUMBER, NUMBER, NUMBER}, .f = ten_to_one};
    struct run *r = drawn(&s, 500, 1);
    struct surrogate *z = learn(r);
    struct recommendation best;
    assert_int_equal(surrogate_trials(z), 500);
    assert_true(surrogate_best(z, &best) && best.observed < run_best(r) + 0.3);
    surrogate_free(z);
    finish(r);
}

static void odd_histories_break_nothing(void **state)
{
    (void)state;
    static const double odd[] = {0, 1, NAN, INFINITY, -INFINITY, 1e300, -1e300, 5e-324, 1, 2};
    struct rng rng = rng_new(3, RNG_POINT, 0);
    for (const struct test_space *s = test_spaces; s->name; s++)
        for (int round = 0; round < 6; round++) {
            struct run *r = X_NEW(struct run);
            run_init(r, s, "random", 1);
            for (int i = 0; i < 10 + 10 * round; i++) {
                double x[16], y[3];
                if (run_ask(r, x))
                    break;
                s->f(x, y);
                if (round % 2)
                    y[0] = odd[rng_next(&rng) % ARRAY_LEN(odd)];
                run_add(r, x, (enum observation_state)(rng_next(&rng) % 4 ? OBSERVATION_DONE : rng_next(&rng) % 5), y);
            }
            for (int j = 0; j < s->problem.n_objectives; j++) {
                struct surrogate *z = surrogate_new(&s->problem, r->observations, r->n, j);
                if (!z)
                    continue;
                struct importance got[16];
                struct pair pairs[3];
                struct dependence *curve;
                struct recommendation best;
                struct anova *a = anova_new(z, &s->problem, 0.5);
                bool told = anova_alone(a, got);
                for (int k = 0; k < s->n_dims; k++)
                    assert_true(told ? got[k].low >= 0 && got[k].high <= 1 && got[k].low <= got[k].high : isnan(got[k].share));
                assert_true(anova_pairs(a, pairs, 3) <= 3);
                anova_free(a);
                size_t n = dependence_along(z, &s->problem, s->n_dims - 1, &curve);
                for (size_t i = 0; i < n; i++)
                    assert_true(curve[i].low <= curve[i].high);
                free(curve);
                (void)surrogate_best(z, &best);
                surrogate_free(z);
            }
            finish(r);
        }
}

/* --- hypervolume */

static double volume_of(const double *values, size_t n, int m, const double *reference)
{
    const double *y[32];
    for (size_t i = 0; i < n; i++)
        y[i] = values + i * (size_t)m;
    return hypervolume(y, n, m, reference);
}

static void volumes_of_known_sets(void **state)
{
    (void)state;
    static const double two[] = {1, 3, 2, 2, 3, 1}, three[] = {1, 2, 3, 2, 1, 3, 3, 2, 1, 2, 2, 2, 1.5, 1.5, 2.5};
    static const double four[] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, .25, .25, .25, .25}, near[] = {1.1, 1.1, 1.1, 1.1}, far[] = {2, 2, 2, 2};
    static const double worse[] = {1, 3, 2, 2, 3, 1, 2, 2, 3, 3, 0, 4, 5, 0}, at_4[] = {4, 4, 4};
    assert_true(fabs(volume_of(two, 3, 2, at_4) - 6) < 1e-12);
    assert_true(fabs(volume_of(three, 5, 3, at_4) - 15.375) < 1e-12);
    assert_true(fabs(volume_of(four, 5, 4, near) - 0.78050625) < 1e-12);
    assert_true(fabs(volume_of(four, 5, 4, far) - 15.31640625) < 1e-12);
    assert_true(fabs(volume_of(worse, 7, 2, at_4) - 6) < 1e-12); /* equal, dominated, beyond the reference */
    assert_true(volume_of(two, 1, 1, at_4) == 3);
    assert_true(volume_of(two, 0, 2, at_4) == 0);
}

static void a_volume_does_not_depend_on_order_and_scales_with_the_units(void **state)
{
    (void)state;
    struct rng rng = rng_new(1, RNG_POINT, 0);
    for (int m = 2; m <= HYPERVOLUME_EXACT; m++) {
        double a[30 * 4], b[30 * 4], at[4] = {1, 1, 1, 1}, scaled[4];
        for (int i = 0; i < 30 * m; i++)
            a[i] = rng_uniform(&rng);
        for (int i = 0; i < 30; i++)
            for (int j = 0; j < m; j++)
                b[i * m + j] = 3 * a[(29 - i) * m + (j + 1) % m] - 7; /* other order, objectives turned round, other units */
        for (int j = 0; j < m; j++)
            scaled[j] = 3 * at[j] - 7;
        double v = volume_of(a, 30, m, at);
        assert_true(v > 0 && v < 1 && fabs(volume_of(b, 30, m, scaled) / pow(3, m) - v) < 1e-9);
    }
}

/* The share of points of the box that some point dominates, counted. */
static void volumes_are_what_counting_says(void **state)
{
    (void)state;
    struct rng rng = rng_new(6, RNG_POINT, 0);
    for (int m = 2; m <= 6; m++) {
        double y[20 * 6], at[6] = {1, 1, 1, 1, 1, 1};
        int hits = 0;
        const int n = 100000;
        for (int i = 0; i < 20 * m; i++)
            y[i] = 0.7 * rng_uniform(&rng);
        for (int i = 0; i < n; i++) {
            double p[6];
            bool hit = false;
            for (int j = 0; j < m; j++)
                p[j] = rng_uniform(&rng);
            for (int k = 0; k < 20 && !hit; k++) {
                hit = true;
                for (int j = 0; j < m; j++)
                    hit &= y[k * m + j] <= p[j];
            }
            hits += hit;
        }
        double counted = (double)hits / n;
        assert_true(fabs(volume_of(y, 20, m, at) / counted - 1) < 0.03);
    }
}

static void the_history_ends_at_the_volume_and_never_falls(void **state)
{
    (void)state;
    struct rng rng = rng_new(2, RNG_POINT, 0);
    for (int m = 2; m <= 5; m++) {
        double values[32 * 5], reference[5], volume[32];
        const double *y[32];
        for (int i = 0; i < 32 * m; i++)
            values[i] = rng_normal(&rng);
        for (int i = 0; i < 32; i++)
            y[i] = values + i * m;
        hypervolume_reference(y, 32, m, reference);
        hypervolume_history(y, 32, m, reference, volume);
        for (size_t i = 0; i < 32; i++) {
            assert_true(i == 0 || volume[i] >= volume[i - 1]);
            if (m <= HYPERVOLUME_EXACT)
                assert_true(fabs(hypervolume(y, i + 1, m, reference) - volume[i]) <= 1e-9 * volume[31]);
        }
    }
}

static void a_front_keeps_what_nothing_dominates(void **state)
{
    (void)state;
    struct front f;
    front_init(&f, 2);
    assert_true(front_add(&f, (double[]){2, 2}, 0));
    assert_true(front_add(&f, (double[]){1, 3}, 1));
    assert_false(front_add(&f, (double[]){2, 3}, 2));
    assert_true(front_add(&f, (double[]){2, 2}, 3)); /* equal */
    assert_int_equal(f.n, 3);
    assert_true(front_add(&f, (double[]){1, 1}, 4));
    assert_int_equal(f.n, 1);
    assert_int_equal(f.index[0], 4);
    front_release(&f);
}

/* --- what is still to come */

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double draw_value(struct rng *r, int kind)
{
    const double u = rng_uniform(r);
    return kind == 0 ? u : kind == 1 ? u * u : kind == 2 ? sqrt(u) : -log(1 - u);
}

/* Random trials go on as they did: what is expected on average comes on average. */
static void as_much_improvement_comes_as_is_expected(void **state)
{
    (void)state;
    enum { N = 60, MORE = 60, ROUNDS = 1500 };
    for (int kind = 0; kind < 4; kind++) {
        double expected = 0, came = 0;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            struct rng r = rng_new(round, RNG_POINT, (uint64_t)kind);
            double y[N], best = INFINITY;
            for (int i = 0; i < N; i++)
                y[i] = draw_value(&r, kind);
            qsort(y, N, sizeof *y, rising);
            for (int i = 0; i < MORE; i++)
                best = fmin(best, draw_value(&r, kind));
            expected += outlook(y, N, N, MORE) / ROUNDS;
            came += fmax(0, y[0] - best) / ROUNDS;
        }
        if (!(expected > 0.6 * came && expected < 1.7 * came))
            fail_msg("kind %d: expected %g, came %g", kind, expected, came);
    }
}

static void little_is_expected_of_a_search_that_has_settled(void **state)
{
    (void)state;
    double y[100];
    for (int i = 0; i < 100; i++)
        y[i] = i < 40 ? 1e-6 * i : i;
    assert_true(outlook(y, 64, 100, 100) < 1e-5); /* the best 64 are enough */
    assert_true(fabs(outlook(y, 100, 100, 100) - outlook(y, 64, 100, 100)) < 1e-9);
    for (int i = 0; i < 100; i++)
        y[i] = 1;
    assert_true(outlook(y, 64, 100, 1000) == 0);
    assert_true(outlook(y, 64, 100, 0) == 0);
    assert_true(isnan(outlook(y, 9, 9, 5)));
    y[0] = -INFINITY;
    assert_true(isnan(outlook(y, 64, 100, 5)));
}

static void more_trials_bring_more_and_never_less_than_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct rng r = rng_new(seed, RNG_POINT, 9);
        double y[64], before = 0;
        const int n = 10 + (int)(rng_next(&r) % 54);
        for (int i = 0; i < n; i++)
            y[i] = rng_uniform(&r) < 0.3 ? (double)(rng_next(&r) % 3) : rng_normal(&r) * 1e3;
        qsort(y, (size_t)n, sizeof *y, rising);
        for (int64_t more = 1; more < 1000000; more *= 10) {
            const double now = outlook(y, (size_t)n, n, more);
            assert_true(now >= before && isfinite(now));
            before = now;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_those_of_known_functions),
        cmocka_unit_test(units_change_nothing_and_running_trials_neither),
        cmocka_unit_test(the_same_trials_give_the_same_shares),
        cmocka_unit_test(a_search_that_has_settled_does_not_blind_it),
        cmocka_unit_test(the_best_part_has_importances_of_its_own),
        cmocka_unit_test(a_conditional_parameter_counts_where_it_is_active),
        cmocka_unit_test(what_makes_trials_fail_is_important),
        cmocka_unit_test(few_trials_and_noise_are_owned_up_to),
        cmocka_unit_test(pairs_that_only_matter_together_are_found),
        cmocka_unit_test(the_curve_is_that_of_the_function),
        cmocka_unit_test(a_curve_leaves_out_where_its_parameter_cannot_be),
        cmocka_unit_test(the_best_point_is_not_the_luckiest),
        cmocka_unit_test(many_trials_are_judged_by_a_few),
        cmocka_unit_test(odd_histories_break_nothing),
        cmocka_unit_test(volumes_of_known_sets),
        cmocka_unit_test(a_volume_does_not_depend_on_order_and_scales_with_the_units),
        cmocka_unit_test(volumes_are_what_counting_says),
        cmocka_unit_test(the_history_ends_at_the_volume_and_never_falls),
        cmocka_unit_test(a_front_keeps_what_nothing_dominates),
        cmocka_unit_test(as_much_improvement_comes_as_is_expected),
        cmocka_unit_test(little_is_expected_of_a_search_that_has_settled),
        cmocka_unit_test(more_trials_bring_more_and_never_less_than_nothing),
    };
    algorithms_setup();
    test_spaces_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
