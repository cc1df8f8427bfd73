/* SPDX-License-Identifier: GPL-3.0-or-later */
/* That the searches find good points. Bounds are the median of five seeds, and wide: a broken model fails, an unlucky one does not.
 * Measured values stand in docs/benchmarks.md, not here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "problems.h"

#include <math.h>
#include <string.h>

#define SEEDS 5

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* With `parallel` trials running at a time, ending in the order they were made. */
static void run_parallel(struct run *r, int budget, int parallel)
{
    for (int i = 0; i < budget; i++) {
        double x[16];
        int done = i - parallel;
        if (done >= 0)
            run_end(r, (size_t)done);
        assert_int_equal(run_ask(r, x), OK);
        run_add(r, x, OBSERVATION_PENDING, NULL);
    }
    for (int i = budget > parallel ? budget - parallel : 0; i < budget; i++)
        run_end(r, (size_t)i);
}

static double median_regret(const char *algorithm, const char *space, int budget, int parallel)
{
    double regret[SEEDS];
    for (int seed = 0; seed < SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, test_space_find(space), algorithm, (uint64_t)seed + 1);
        if (parallel)
            run_parallel(r, budget, parallel);
        else
            for (int i = 0; i < budget; i++)
                assert_int_equal(run_step(r), OK);
        regret[seed] = run_best(r) - r->space->best;
        run_release(r);
        free(r);
    }
    qsort(regret, SEEDS, sizeof *regret, by_value);
    return regret[SEEDS / 2];
}

static const struct {
    const char *space;
    int budget, parallel;
    double at_most;      /* regret */
    double random_ratio; /* and of that of random search */
} bounds[] = {
    {"branin", 50, 0, 1e-3, 0.02},
    {"hartmann6", 60, 0, 0.13, 0.2},
    {"rosenbrock5", 60, 0, 30, 0.05},
    {"mixed", 60, 0, 0.32, 0.95},
    {"conditional", 50, 0, 0.01, 0.2},
    {"constrained", 30, 0, 1e-3, 0.2},
    {"branin", 50, 4, 0.05, 0.2},
    {"hartmann6", 60, 4, 0.4, 0.4},
};

static void the_model_beats_random_search(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        double gp = median_regret("gp", bounds[i].space, bounds[i].budget, bounds[i].parallel);
        double random = median_regret("random", bounds[i].space, bounds[i].budget, 0);
        if (!(gp <= bounds[i].at_most && gp <= bounds[i].random_ratio * random))
            fail_msg("%s, %d at a time: regret %g (at most %g), random search has %g", bounds[i].space, bounds[i].parallel, gp, bounds[i].at_most, random);
    }
}

/* Of ten seeds few end on a lower hill: without a second search a quarter did (docs/benchmarks.md). */
static void a_lower_hill_is_left_again(void **state)
{
    (void)state;
    static const struct {
        const char *space;
        int at_most;
    } cases[] = {{"hartmann6", 4}, {"mixed", 2}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int stuck = 0;
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct run *r = X_NEW(struct run);
            run_init(r, test_space_find(cases[i].space), "gp", seed);
            for (int k = 0; k < 120; k++)
                assert_int_equal(run_step(r), OK);
            stuck += run_best(r) - r->space->best > 0.05;
            run_release(r);
            free(r);
        }
        if (stuck > cases[i].at_most)
            fail_msg("%s: %d of 10 seeds", cases[i].space, stuck);
    }
}

/* Values that dwarf the optimum and trials that fail must not blind the model. */
static void heavy(const double *u, double *y)
{
    double near = (u[0] - 0.2) * (u[0] - 0.2) + (u[1] - 0.7) * (u[1] - 0.7) + (u[2] - 0.4) * (u[2] - 0.4);
    *y = u[0] > 0.8 ? NAN : u[1] < 0.4 ? 1e6 * (1 + u[2]) : near;
}

static void divergence_and_failures_do_not_blind_the_model(void **state)
{
    (void)state;
    struct test_space s = {.name = "heavy", .n_dims = 3, .dims = {{.parent = -1}, {.parent = -1}, {.parent = -1}}, .f = heavy};
    test_space_init(&s);
    int good = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, &s, "gp", seed);
        for (int i = 0; i < 40; i++) {
            double x[16], y[3];
            assert_int_equal(run_ask(r, x), OK);
            heavy(x, y);
            run_add(r, x, isnan(*y) ? OBSERVATION_FAILED : OBSERVATION_DONE, y);
        }
        good += run_best(r) < 1e-3;
        run_release(r);
        free(r);
    }
    assert_true(good >= 3);
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
    double area[2] = {0};
    static const char *const names[] = {"gp", "random"};
    for (int a = 0; a < 2; a++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct run *r = X_NEW(struct run);
            run_init(r, test_space_find("two objectives"), names[a], seed);
            for (int i = 0; i < 40; i++)
                assert_int_equal(run_step(r), OK);
            area[a] += dominated_area(r) / SEEDS;
            run_release(r);
            free(r);
        }
    /* the front y1 = (sqrt(1.08) - sqrt(y0))^2 leaves 0.8056 in the square */
    assert_true(area[0] > 0.75 && area[0] < 0.81);
    assert_true(area[0] > area[1] + 0.02);
}

static void a_noisy_objective_is_averaged_not_chased(void **state)
{
    (void)state;
    int good = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, test_space_find("constrained"), "gp", seed);
        double x[16] = {0}, y[3];
        for (int i = 0; i < 50; i++) {
            assert_int_equal(run_ask(r, x), OK);
            r->space->f(x, y);
            *y += 0.02 * sin(1e6 * x[0] + 1e5 * x[1]);
            run_add(r, x, OBSERVATION_DONE, y);
        }
        double nearest = INFINITY; /* where it went in the end */
        for (size_t i = 40; i < 50; i++) {
            r->space->f(r->x[i], y);
            nearest = fmin(nearest, *y - r->space->best);
        }
        good += nearest < 0.01;
        run_release(r);
        free(r);
    }
    assert_true(good >= 4);
}

/* Minimal sum of coordinates within a small ball: 1.5 % of random points lie in it at 3 dimensions, and the best one on its edge. */
static void corner(const double *u, double *y)
{
    *y = u[0] + u[1] + u[2];
}

static void ball(const double *u, double *excess)
{
    *excess = 100 * (pow(u[0] - 0.3, 2) + pow(u[1] - 0.5, 2) + pow(u[2] - 0.7, 2) - 0.0225);
}

static void outcome_constraints_are_learnt(void **state)
{
    (void)state;
    static const struct {
        const char *algorithm;
        int budget, feasible; /* of the budget, at least */
        double at_most;       /* median regret */
    } cases[] = {{"gp", 40, 10, 0.01}, {"auto", 40, 10, 0.01}, {"tpe", 80, 20, 0.15}, {"cmaes", 120, 15, 0.15}, {"nsga2", 300, 50, 0.15}};
    struct test_space s = {.name = "ball", .n_dims = 3, .n_bounds = 1, .dims = {{.parent = -1}, {.parent = -1}, {.parent = -1}}, .f = corner, .bounds = ball,
                           .best = 1.5 - 0.15 * M_SQRT2 * 1.22474487139};
    test_space_init(&s);
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        double regret[SEEDS];
        int feasible = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            struct run *r = X_NEW(struct run);
            run_init(r, &s, cases[k].algorithm, (uint64_t)seed + 1);
            for (int i = 0; i < cases[k].budget; i++) {
                assert_int_equal(run_step(r), OK);
                feasible += r->observations[i].state == OBSERVATION_DONE;
            }
            regret[seed] = run_best(r) - s.best;
            assert_true(regret[seed] > -1e-9);
            run_release(r);
            free(r);
        }
        qsort(regret, SEEDS, sizeof *regret, by_value);
        if (!(regret[SEEDS / 2] <= cases[k].at_most && feasible >= SEEDS * cases[k].feasible))
            fail_msg("%s: regret %g, %d feasible trials", cases[k].algorithm, regret[SEEDS / 2], feasible);
    }
}

/* The optimum lies where trials are dear: with cost, cheap ground is covered first. */
static double spent_until(const char *space_name, bool with_cost, double regret)
{
    double spent[SEEDS];
    for (int seed = 0; seed < SEEDS; seed++) {
        struct test_space s = *test_space_find(space_name);
        test_space_init(&s);
        s.problem.has_cost = with_cost;
        struct run *r = X_NEW(struct run);
        run_init(r, &s, "gp", (uint64_t)seed + 1);
        spent[seed] = 0;
        for (int i = 0; i < 60 && (!r->n || run_best(r) - s.best > regret); i++) {
            assert_int_equal(run_step(r), OK);
            spent[seed] += r->observations[i].cost;
        }
        run_release(r);
        free(r);
    }
    qsort(spent, SEEDS, sizeof *spent, by_value);
    return spent[SEEDS / 2];
}

static void cost_is_saved_when_it_counts(void **state)
{
    (void)state;
    double with = spent_until("costly", true, 1e-4), without = spent_until("costly", false, 1e-4);
    if (!(with < without))
        fail_msg("spent %g with the cost known, %g without", with, without);
}

/* The same problem with a shift, another scale and a parameter less, as an experiment of last month. */
static void hartmann_of_last_month(const double *u, double *y)
{
    double moved[6];
    for (int i = 0; i < 6; i++)
        moved[i] = fmin(fmax(u[i] + (i % 2 ? 0.03 : -0.03), 0), 1);
    test_space_find("hartmann6")->f(moved, y);
    *y = 100 * *y + 5000;
}

static void opposite(const double *u, double *y)
{
    test_space_find("hartmann6")->f(u, y);
    *y = -*y;
}

/* Median regret after so many trials. */
static double regret_after(const char *algorithm, void (*source)(const double *u, double *y), int budget)
{
    double regret[SEEDS];
    for (int seed = 0; seed < SEEDS; seed++) {
        struct run *r = X_NEW(struct run), *old = X_NEW(struct run);
        struct test_space s = *test_space_find("hartmann6");
        s.f = source;
        test_space_init(&s);
        run_init(old, &s, "gp", (uint64_t)seed + 100);
        for (int i = 0; source && i < 40; i++) {
            assert_int_equal(run_step(old), OK);
            old->x[i][3] = i % 2 ? NAN : old->x[i][3];
        }
        run_init(r, test_space_find("hartmann6"), algorithm, (uint64_t)seed + 1);
        r->earlier[0] = (struct earlier){old->observations, old->n};
        r->n_earlier = source != NULL;
        for (int i = 0; i < budget; i++)
            assert_int_equal(run_step(r), OK);
        regret[seed] = run_best(r) - r->space->best;
        run_release(r);
        run_release(old);
        free(r);
        free(old);
    }
    qsort(regret, SEEDS, sizeof *regret, by_value);
    return regret[SEEDS / 2];
}

static void earlier_searches_help_and_bad_ones_are_forgotten(void **state)
{
    (void)state;
    static const struct {
        const char *algorithm;
        int budget;
        double ratio; /* of the regret without */
    } cases[] = {{"gp", 12, 0.6}, {"tpe", 20, 0.8}, {"auto", 12, 0.6}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double with = regret_after(cases[i].algorithm, hartmann_of_last_month, cases[i].budget);
        double without = regret_after(cases[i].algorithm, NULL, cases[i].budget);
        if (!(with <= cases[i].ratio * without))
            fail_msg("%s: regret %g with an earlier search, %g without", cases[i].algorithm, with, without);
    }
    double misled = regret_after("gp", opposite, 50), alone = regret_after("gp", NULL, 50);
    if (!(misled <= alone + 0.15))
        fail_msg("regret %g with a misleading earlier search, %g without", misled, alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_beats_random_search),
        cmocka_unit_test(a_lower_hill_is_left_again),
        cmocka_unit_test(divergence_and_failures_do_not_blind_the_model),
        cmocka_unit_test(several_objectives_give_a_front),
        cmocka_unit_test(earlier_searches_help_and_bad_ones_are_forgotten),
        cmocka_unit_test(outcome_constraints_are_learnt),
        cmocka_unit_test(cost_is_saved_when_it_counts),
        cmocka_unit_test(a_noisy_objective_is_averaged_not_chased),
    };
    algorithms_setup();
    test_spaces_init();
    return cmocka_run_group_tests_name("search quality", tests, NULL, NULL);
}
