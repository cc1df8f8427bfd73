/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fronts and crowding against brute force and values worked out by hand, and NSGA-II on ZDT1 (Zitzler, Deb, Thiele 2000) and others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/hypervolume.h"
#include "base/mem.h"
#include "math/niches.h"
#include "math/pareto.h"
#include "problems.h"
#include "ranking.h"
#include "sim.h"

#include <math.h>
#include <string.h>

#define SEEDS 3

/* --- sorting */

static void one_dominates_another_if_it_is_nowhere_worse_and_somewhere_better(void **state)
{
    (void)state;
    static const struct {
        double a[3], b[3];
        bool dominates;
    } cases[] = {{{1, 2, 3}, {1, 2, 4}, true},
                 {{1, 2, 3}, {1, 2, 3}, false}, {{1, 2, 4}, {1, 2, 3}, false}, {{0, 3, 3}, {1, 2, 4}, false}, {{0, 0, 0}, {1, 1, 1}, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(pareto_dominates(cases[i].a, cases[i].b, 3), cases[i].dominates);
}

/* The front of each point by its definition: one more than the largest of those that dominate it. */
static int front_of(const double *const *y, size_t n, int m, size_t i)
{
    int front = 0;
    for (size_t k = 0; k < n; k++)
        if (pareto_dominates(y[k], y[i], m)) {
            int above = front_of(y, n, m, k) + 1;
            front = above > front ? above : front;
        }
    return front;
}

static void fronts_are_those_of_the_definition(void **state)
{
    (void)state;
    enum { N = 40 };
    double value[N][4];
    const double *y[N];
    size_t order[N];
    int front[N];
    struct rng r = rng_new(3, RNG_POINT, 0);
    for (int round = 0; round < 60; round++) {
        const int m = 1 + round % 4;
        for (size_t i = 0; i < N; i++) {
            y[i] = value[i];
            for (int j = 0; j < m; j++) /* few values in every other round, so that many are equal */
                value[i][j] = round % 2 ? rng_uniform(&r) : (double)(rng_next(&r) % 5);
        }
        pareto_sort(y, N, m, N, order, front);
        bool seen[N] = {false};
        for (size_t i = 0; i < N; i++) {
            assert_false(seen[order[i]]);
            seen[order[i]] = true;
            assert_true(i == 0 || front[i] >= front[i - 1]);
            if (m > 1 || round % 2 == 0)
                assert_int_equal(front[i], front_of(y, N, m, order[i]));
            if (m == 1 && i)
                assert_true(y[order[i - 1]][0] <= y[order[i]][0]);
        }
    }
}

static void only_as_many_fronts_are_made_as_are_wanted(void **state)
{
    (void)state;
    static const double value[6][2] = {{3, 3}, {1, 1}, {2, 2}, {5, 5}, {0, 4}, {4, 4}};
    const double *y[6];
    size_t order[6];
    int front[6];
    for (int i = 0; i < 6; i++)
        y[i] = value[i];
    pareto_sort(y, 6, 2, 3, order, front);
    static const size_t expected[6] = {1, 4, 2, 0, 3, 5};
    static const int fronts[6] = {0, 0, 1, 2, 2, 2};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(order[i], expected[i]);
        assert_int_equal(front[i], fronts[i]);
    }
}

static void the_lonely_come_first(void **state)
{
    (void)state;
    static const double value[5][2] = {{0, 10}, {1, 6}, {2, 5}, {6, 1}, {10, 0}};
    const double *y[5];
    double distance[5];
    size_t order[5];
    int front[5];
    for (int i = 0; i < 5; i++)
        y[i] = value[i];
    pareto_crowding(y, 5, 2, distance);
    assert_true(isinf(distance[0]) && isinf(distance[4]));
    assert_true(fabs(distance[1] - 0.7) < 1e-12);
    assert_true(fabs(distance[2] - 1.0) < 1e-12);
    assert_true(fabs(distance[3] - 1.3) < 1e-12);
    pareto_sort(y, 5, 2, 5, order, front);
    static const size_t expected[5] = {0, 4, 3, 2, 1};
    for (int i = 0; i < 5; i++)
        assert_int_equal(order[i], expected[i]);
}

static void directions_are_all_points_of_the_simplex_in_steps(void **state)
{
    (void)state;
    static const struct {
        int m;
        size_t most, expected;
    } cases[] = {{1, 9, 1}, {2, 50, 50}, {3, 50, 45}, {3, 2, 3}, {5, 50, 35}, {8, 50, 36}};
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        const size_t m = (size_t)cases[c].m;
        double *w;
        size_t n = niche_directions(cases[c].m, cases[c].most, &w);
        assert_int_equal(n, cases[c].expected);
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < m; j++)
                sum += w[i * m + j];
            assert_true(fabs(sum - 1) < 1e-12);
            for (size_t k = 0; k < i; k++)
                assert_memory_not_equal(w + i * m, w + k * m, m * sizeof *w);
        }
        free(w);
    }
}

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void every_direction_is_held(void **state)
{
    (void)state;
    static const double value[7][2] = {{0, 1}, {0.02, 0.98}, {0.5, 0.52}, {0.45, 0.58}, {1, 0}, {0.1, 2}, {2, 0.1}};
    static const struct {
        int front[7];
        size_t n, wanted, expected[5];
    } cases[] = {
        {{0, 0, 0, 0, 0}, 5, 3, {0, 2, 4}},               /* the nearest to (0,1), (1,1), (1,0) */
        {{0, 0, 0, 0, 0, 1, 1}, 7, 5, {0, 1, 2, 3, 4}},   /* a front that just fits */
        {{0, 0, 0, 0, 0, 1, 1}, 7, 1, {0, 0, 0, 0, 0}},   /* any one of the first front: checked below */
    };
    const double *y[7];
    for (int i = 0; i < 7; i++)
        y[i] = value[i];
    for (size_t c = 0; c < ARRAY_LEN(cases); c++)
        for (uint64_t seed = 0; seed < 5; seed++) {
            size_t chosen[7];
            niche_select(y, cases[c].front, cases[c].n, 2, cases[c].wanted, rng_new(seed, RNG_WEIGHT, 0), chosen);
            qsort(chosen, cases[c].wanted, sizeof *chosen, by_size);
            for (size_t i = 0; i < cases[c].wanted && c < 2; i++)
                assert_int_equal(chosen[i], cases[c].expected[i]);
            assert_true(chosen[0] < 5);
        }
    /* (0.1, 2) is near a direction that two points hold, (2, 0.1) near one that one does */
    static const int front[7] = {0, 0, 0, 0, 0, 1, 1};
    size_t chosen[7];
    niche_select(y, front, 7, 2, 6, rng_new(1, RNG_WEIGHT, 0), chosen);
    assert_int_equal(chosen[5], 6);
}

static void trials_are_ranked_completed_stopped_infeasible_failed(void **state)
{
    (void)state;
    static const double x[1] = {0.5}, y[] = {5, NAN, -3, 1, INFINITY, 2, -9, 0};
    static const enum observation_state states[] = {OBSERVATION_DONE, OBSERVATION_FAILED, OBSERVATION_PRUNED, OBSERVATION_DONE,
                                                    OBSERVATION_DONE, OBSERVATION_PENDING, OBSERVATION_INFEASIBLE, OBSERVATION_PRUNED};
    static const int64_t expected[] = {3, 0, 2, 7, 6, 1, 4};
    struct observation history[8];
    for (int i = 0; i < 8; i++)
        history[i] = (struct observation){.number = i, .state = states[i], .x = x, .y = &y[i], .y_se = NAN};
    struct test_space s = {.name = "one", .n_dims = 1, .dims = {{.parent = -1}}};
    test_space_init(&s);
    struct search search = {.problem = &s.problem, .history = history, .n_history = 8};
    struct ranking r;
    ranking_init(&r, &search, 8);
    assert_int_equal(r.n, 7);
    assert_int_equal(r.n_good, 4);
    assert_int_equal(r.n_valued, 5);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(r.best[i]->number, expected[i]);
    for (size_t i = 1; i < 5; i++)
        assert_true(r.front[i] > r.front[i - 1]);
    assert_int_equal(r.front[5], r.front[6]);
    ranking_release(&r);
}

/* --- searches */

static void zdt1(void *ctx, const double *x, double *y)
{
    const struct cube *c = ctx;
    const int d = c->problem.n_dims;
    double g = 1;
    for (int i = 1; i < d; i++)
        g += 9 * x[i] / (d - 1);
    y[0] = x[0];
    y[1] = g * (1 - sqrt(x[0] / g));
}

/* Of [0, edge]^m. */
static double dominated_volume(const struct sim *s, double edge)
{
    const double reference[5] = {edge, edge, edge, edge, edge};
    const double **y CLEANUP_FREE = x_calloc(s->n, sizeof *y);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->history[i].state == OBSERVATION_DONE)
            y[n++] = s->history[i].y;
    return hypervolume(y, n, s->problem->n_objectives, reference);
}

static double area_of(const char *algorithm, const char *settings, int d, size_t n, int workers, int fail_percent)
{
    double area[SEEDS];
    struct cube cube;
    cube_init(&cube, d, 0, 0, 2);
    for (int seed = 0; seed < SEEDS; seed++) {
        struct sim s;
        sim_init(&s, &cube.problem, algorithm, settings, zdt1, (uint64_t)seed + 1, n);
        s.ctx = &cube;
        s.workers = workers;
        s.fail_percent = fail_percent;
        sim_run(&s, n);
        area[seed] = dominated_volume(&s, 1.1);
        sim_release(&s);
    }
    return median_of(area, SEEDS);
}

/* The front y1 = 1 - sqrt(y0) dominates 1.21 - 1/3 = 0.8767 of [0, 1.1]^2. */
static void the_front_of_zdt1_is_reached(void **state)
{
    (void)state;
    double alone = area_of("nsga2", NULL, 10, 2000, 1, 0);
    assert_true(alone > 0.8 && alone < 0.8767);
    assert_true(area_of("nsga2", NULL, 10, 2000, 8, 10) > 0.75); /* eight at a time, one in ten fails */
    assert_true(area_of("random", NULL, 10, 2000, 1, 0) < 0.3);
}

/* DTLZ2 (Deb, Thiele, Laumanns, Zitzler 2002): the front is a part of a sphere. */
static void dtlz2(void *ctx, const double *x, double *y)
{
    const struct cube *c = ctx;
    const int d = c->problem.n_dims, m = c->problem.n_objectives;
    double g = 1;
    for (int i = m - 1; i < d; i++)
        g += (x[i] - 0.5) * (x[i] - 0.5);
    for (int j = 0; j < m; j++) {
        y[j] = j ? g * sin(x[m - 1 - j] * M_PI / 2) : g;
        for (int i = 0; i < m - 1 - j; i++)
            y[j] *= cos(x[i] * M_PI / 2);
    }
}

static void directions_keep_many_objectives_together(void **state)
{
    (void)state;
    static const char *const selections[] = {"{\"selection\": \"crowding\"}", NULL};
    double volume[2];
    struct cube cube;
    cube_init(&cube, 9, 0, 0, 5);
    for (int a = 0; a < 2; a++) {
        double v[SEEDS];
        for (int seed = 0; seed < SEEDS; seed++) {
            struct sim s;
            sim_init(&s, &cube.problem, "nsga2", selections[a], dtlz2, (uint64_t)seed + 1, 400);
            s.ctx = &cube;
            sim_run(&s, 400);
            v[seed] = dominated_volume(&s, 1.2);
            sim_release(&s);
        }
        volume[a] = median_of(v, SEEDS);
    }
    assert_true(volume[1] > 1.07 * volume[0]);
}

/* One objective, choices and conditions: better than random search with as many trials. */
static void it_also_minimises_one_objective(void **state)
{
    (void)state;
    static const struct {
        const char *space;
        double part; /* of the regret of random search */
    } bounds[] = {{"hartmann6", 0.6}, {"mixed", 0.6}, {"conditional", 0.6}, {"narrow", 0.5}};
    static const char *const names[] = {"nsga2", "random"};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        double regret[2][7];
        for (int a = 0; a < 2; a++)
            for (int seed = 0; seed < 7; seed++) {
                struct run *r = X_NEW(struct run);
                run_init(r, test_space_find(bounds[i].space), names[a], (uint64_t)seed + 1);
                for (int k = 0; k < 300; k++)
                    assert_int_equal(run_step(r), OK);
                regret[a][seed] = run_best(r) - r->space->best;
                run_release(r);
                free(r);
            }
        double nsga2 = median_of(regret[0], 7), random = median_of(regret[1], 7);
        if (!(nsga2 < bounds[i].part * random))
            fail_msg("%s: %g, random search has %g", bounds[i].space, nsga2, random);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_dominates_another_if_it_is_nowhere_worse_and_somewhere_better),
        cmocka_unit_test(fronts_are_those_of_the_definition),
        cmocka_unit_test(only_as_many_fronts_are_made_as_are_wanted),
        cmocka_unit_test(the_lonely_come_first),
        cmocka_unit_test(directions_are_all_points_of_the_simplex_in_steps),
        cmocka_unit_test(every_direction_is_held),
        cmocka_unit_test(trials_are_ranked_completed_stopped_infeasible_failed),
        cmocka_unit_test(the_front_of_zdt1_is_reached),
        cmocka_unit_test(directions_keep_many_objectives_together),
        cmocka_unit_test(it_also_minimises_one_objective),
    };
    algorithms_setup();
    test_spaces_init();
    return cmocka_run_group_tests_name("NSGA-II", tests, NULL, NULL);
}
