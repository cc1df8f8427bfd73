/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every search algorithm promises (algorithm.h), for every algorithm of algorithms.def on every space of problems.c: a new one is
 * tested by being in the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "math/rng.h"
#include "problems.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRIALS 24

struct pair {
    const char *algorithm;
    const struct test_space *space;
};

static bool same_point(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++)
        if (!(isnan(a[i]) && isnan(b[i])) && memcmp(&a[i], &b[i], sizeof *a) != 0)
            return false;
    return true;
}

static void assert_point(const struct test_space *s, const double *x)
{
    double again[16];
    memcpy(again, x, sizeof again);
    s->problem.snap(s->problem.ctx, again);
    assert_true(same_point(x, again, s->n_dims));
    for (int i = 0; i < s->n_dims; i++)
        assert_true(isnan(x[i]) || (x[i] >= 0 && x[i] <= 1));
    assert_true(!s->feasible || s->feasible(x));
}

static struct run *start(void **state, uint64_t seed)
{
    const struct pair *p = *state;
    struct run *r = X_NEW(struct run);
    run_init(r, p->space, p->algorithm, seed);
    return r;
}

static void finish(struct run *r)
{
    run_release(r);
    free(r);
}

/* A step of an experiment in which some fail and the last few are still running. */
static enum err rough_step(struct run *r)
{
    double x[16], y[3];
    if (r->n >= 3 && r->observations[r->n - 3].state == OBSERVATION_PENDING)
        run_end(r, r->n - 3);
    enum err err = run_ask(r, x);
    if (err)
        return err;
    r->space->f(x, y);
    enum observation_state s = r->n % 7 == 3 ? OBSERVATION_FAILED : r->n % 5 == 1 ? OBSERVATION_PRUNED : OBSERVATION_PENDING;
    run_add(r, x, s, s == OBSERVATION_PRUNED ? y : NULL);
    return OK;
}

static void points_are_in_the_cube_snapped_and_feasible(void **state)
{
    struct run *r = start(state, 7);
    int64_t cursor = 0;
    for (int i = 0; i < TRIALS; i++) {
        enum err err = rough_step(r);
        if (err == ERR_EXHAUSTED && test_space_finite(r->space))
            break;
        assert_int_equal(err, OK);
        assert_point(r->space, r->x[r->n - 1]);
        assert_true(r->cursor > cursor);
        assert_true(*r->last.how != '\0');
        cursor = r->cursor;
    }
    assert_true(r->n > 0);
    finish(r);
}

static void a_seed_gives_the_same_points_and_another_seed_others(void **state)
{
    struct run *a = start(state, 1), *b = start(state, 1), *c = start(state, 2);
    bool differs = false;
    for (int i = 0; i < TRIALS; i++) {
        enum err err = rough_step(a);
        assert_int_equal(rough_step(b), err);
        (void)rough_step(c);
        if (err)
            break;
        assert_true(same_point(a->x[i], b->x[i], a->space->n_dims));
        differs |= !same_point(a->x[i], c->x[i], a->space->n_dims);
    }
    if (problem_size(&a->space->problem) > 3)
        assert_true(differs);
    finish(a);
    finish(b);
    finish(c);
}

/* A restart has the stored history, elsewhere in memory, the cursor and no cache. */
static void a_restart_changes_no_suggestion(void **state)
{
    struct run *r = start(state, 3), *restarted = X_NEW(struct run);
    for (int i = 0; i < TRIALS; i++) {
        double x[16];
        memcpy(restarted, r, sizeof *r);
        for (size_t k = 0; k < r->n; k++) {
            restarted->observations[k].x = restarted->x[k];
            restarted->observations[k].y = restarted->y[k];
            restarted->observations[k].excess = r->space->n_bounds ? restarted->excess[k] : NULL;
        }
        if (r->n >= 3 && r->observations[r->n - 3].state == OBSERVATION_PENDING)
            run_end(restarted, r->n - 3); /* as rough_step will see it */
        restarted->cache = NULL;
        restarted->cached = i % 2;
        enum err err = run_ask(restarted, x);
        assert_int_equal(rough_step(r), err);
        run_release(restarted);
        if (err)
            break;
        assert_true(same_point(x, r->x[r->n - 1], r->space->n_dims));
        assert_int_equal(restarted->cursor, r->cursor);
        assert_true(memcmp(&restarted->last.acquisition, &r->last.acquisition, sizeof(double)) == 0);
    }
    free(restarted);
    finish(r);
}

static const double odd_values[] = {0, 1, 1, -1, NAN, INFINITY, -INFINITY, 1e300, -1e300, 1e-300, 5e-324, 1e308, -1e308, 3};

static void odd_values_break_nothing(void **state)
{
    for (int kind = 0; kind < 5; kind++) { /* all equal, all NaN, all failed, all sorts, all running */
        struct run *r = start(state, 5);
        struct rng rng = rng_new(9, RNG_POINT, (uint64_t)kind);
        for (int i = 0; i < TRIALS; i++) {
            double x[16], y[3];
            enum err err = run_ask(r, x);
            if ((err == ERR_EXHAUSTED && test_space_finite(r->space)) || (err == ERR_UNAVAILABLE && r->algorithm->continues && kind == 4))
                break;
            assert_int_equal(err, OK);
            assert_point(r->space, x);
            assert_true(isnan(r->last.deviation) || r->last.deviation >= 0);
            for (int j = 0; j < 3; j++)
                y[j] = kind == 0 ? 1 : kind == 1 ? NAN : odd_values[rng_next(&rng) % ARRAY_LEN(odd_values)];
            run_add(r, x, kind == 2 ? OBSERVATION_FAILED : kind == 4 ? OBSERVATION_PENDING : i % 9 == 8 ? OBSERVATION_INFEASIBLE : OBSERVATION_DONE,
                    kind == 2 || kind == 4 ? NULL : y);
        }
        finish(r);
    }
}

/* Two earlier searches that had other parameters, ranges and objectives, as space_foreign gives them. */
static void draw_earlier(struct run *r, struct rng *rng, struct observation *trials, double (*x)[16], double (*y)[3])
{
    const size_t n = 12;
    for (size_t i = 0; i < 2 * n; i++) {
        for (int k = 0; k < r->space->n_dims; k++) {
            const struct dim *d = &r->space->dims[k];
            x[i][k] = d->kind == DIM_CATEGORICAL ? ((double)(rng_next(rng) % (uint64_t)d->n_levels) + 0.5) / (double)d->n_levels : 2 * rng_uniform(rng) - 0.5;
            if (rng_next(rng) % 4 == 0 || (k == 0 && i < n)) /* the first one did not have the first parameter */
                x[i][k] = NAN;
        }
        for (int j = 0; j < 3; j++)
            y[i][j] = rng_next(rng) % 3 ? rng_normal(rng) : odd_values[rng_next(rng) % ARRAY_LEN(odd_values)];
        trials[i] = (struct observation){.number = (int64_t)(i % n), .state = OBSERVATION_DONE, .x = x[i], .y = y[i], .y_se = NAN, .cost = NAN};
    }
    r->earlier[0] = (struct earlier){trials, n};
    r->earlier[1] = (struct earlier){trials + n, n};
    r->n_earlier = 2;
}

static void earlier_searches_break_nothing(void **state)
{
    static double x[24][16], y[24][3];
    static struct observation trials[24];
    struct rng rng = rng_new(21, RNG_POINT, 0);
    struct run *r = start(state, 17), *again = start(state, 17);
    draw_earlier(r, &rng, trials, x, y);
    memcpy(again->earlier, r->earlier, sizeof r->earlier);
    again->n_earlier = 2;
    again->cached = false;
    for (int i = 0; i < TRIALS; i++) {
        enum err err = rough_step(r);
        assert_int_equal(rough_step(again), err);
        if (err == ERR_EXHAUSTED && test_space_finite(r->space))
            break;
        assert_int_equal(err, OK);
        assert_point(r->space, r->x[i]);
        assert_true(same_point(r->x[i], again->x[i], r->space->n_dims));
    }
    finish(r);
    finish(again);
}

/* The same point again and again with other results, which replicates and retries make. */
static void repeated_points_break_nothing(void **state)
{
    struct run *r = start(state, 5);
    double x[16], y[3];
    assert_int_equal(run_ask(r, x), OK);
    for (int i = 0; i < TRIALS; i++) {
        for (int j = 0; j < 3; j++)
            y[j] = i % 4 + j;
        run_add(r, x, OBSERVATION_DONE, y);
        r->observations[r->n - 1].y_se = i % 3 ? 0.1 : NAN;
    }
    enum err err = run_ask(r, x);
    assert_true(err == OK || (err == ERR_EXHAUSTED && test_space_finite(r->space)));
    if (!err)
        assert_point(r->space, x);
    finish(r);
}

/* The distinct feasible points of a finite space, by brute force. */
static int count_points(const struct test_space *s, double (*points)[16], int max)
{
    int n = 0;
    for (int64_t rank = 0; rank < problem_size(&s->problem); rank++) {
        double x[16] = {0};
        int64_t rest = rank;
        for (int i = 0; i < s->n_dims; i++) {
            x[i] = s->problem.level(s->problem.ctx, i, rest % s->dims[i].n_levels);
            rest /= s->dims[i].n_levels;
        }
        s->problem.snap(s->problem.ctx, x);
        bool known = s->feasible && !s->feasible(x);
        for (int k = 0; k < n && !known; k++)
            known = same_point(points[k], x, s->n_dims);
        if (!known && n < max)
            memcpy(points[n++], x, sizeof x);
    }
    return n;
}

static bool needs_history(const struct algorithm *a, const struct test_space *s)
{
    (void)s;
    return a->needs_history;
}

/* Grid and whatever knows the history give every point once and then say that there are no more; the others may go on. */
static bool exhausts(const struct algorithm *a, const struct test_space *s)
{
    return test_space_finite(s) && (a->needs_history || a->finite_only) && !a->continues;
}

static void a_finite_space_is_searched_without_repeats(void **state)
{
    static double points[1000][16];
    struct run *r = start(state, 11);
    int n = count_points(r->space, points, 1000);
    assert_true(n <= MAX_TEST_TRIALS);
    for (int i = 0; i < n; i++) {
        assert_int_equal(run_step(r), OK);
        for (int k = 0; k < i; k++)
            assert_false(same_point(r->x[k], r->x[i], r->space->n_dims));
    }
    double x[16];
    assert_int_equal(run_ask(r, x), ERR_EXHAUSTED);
    finish(r);
}

/* Nothing already finished or running comes again in a space that has more. (A branch of a conditional space may be small: there only
 * an algorithm that knows the history can keep to this.) */
static bool never_repeats(const struct algorithm *a, const struct test_space *s)
{
    bool conditions = false;
    for (int i = 0; i < s->n_dims; i++)
        conditions |= s->dims[i].parent >= 0;
    return !test_space_finite(s) && (a->needs_history || !conditions) && !a->continues;
}

static void no_point_comes_twice_in_an_infinite_space(void **state)
{
    struct run *r = start(state, 13);
    for (int i = 0; i < TRIALS; i++) {
        assert_int_equal(rough_step(r), OK);
        for (int k = 0; k < i; k++)
            assert_false(same_point(r->x[k], r->x[i], r->space->n_dims));
    }
    finish(r);
}

/* --- what does not need the product */

static void what_cannot_be_searched_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct test_space *s = X_NEW(struct test_space);
    struct error error;
    struct settings none = {0};
    struct problems ignored = {0};
    for (const struct algorithm *const *a = algorithms; *a; a++) {
        settings_read(&none, (*a)->settings, NULL, "", &ignored);
        s->n_dims = (*a)->max_dims + 1;
        s->dims[0] = (struct dim){.kind = DIM_ORDINAL, .n_levels = 3, .parent = -1};
        test_space_init(s);
        if ((*a)->max_dims) {
            s->problem.n_dims = (*a)->max_dims + 1;
            assert_int_equal(algorithm_accept(*a, &s->problem, &none, &error), ERR_INVALID);
            assert_non_null(strstr(error.detail, "at most"));
        }
        s->problem.n_dims = 1;
        assert_int_equal(algorithm_accept(*a, &s->problem, &none, &error), OK);
        s->dims[0].n_levels = 0;
        assert_int_equal(algorithm_accept(*a, &s->problem, &none, &error), ERR_INVALID);
        s->dims[0].kind = DIM_CONTINUOUS;
        assert_int_equal(algorithm_accept(*a, &s->problem, &none, &error), (*a)->finite_only ? ERR_INVALID : OK);
        s->dims[0].parent = 0;
        assert_int_equal(algorithm_accept(*a, &s->problem, &none, &error), ERR_INVALID);
        s->problem.n_dims = 0;
        assert_int_equal(algorithm_accept(*a, &s->problem, &none, &error), ERR_INVALID);
    }
    free(s);
}

static bool never(const double *u)
{
    (void)u;
    return false;
}

static void impossible_constraints_end_in_an_error_not_a_hang(void **state)
{
    (void)state;
    struct test_space s = *test_space_find("constrained grid");
    s.feasible = never;
    test_space_init(&s);
    for (const struct algorithm *const *a = algorithms; *a; a++) {
        struct run *r = X_NEW(struct run);
        double x[16];
        run_init(r, &s, (*a)->name, 1);
        assert_int_equal(run_ask(r, x), ERR_EXHAUSTED);
        finish(r);
    }
}

static void a_space_of_256_parameters_is_searched(void **state)
{
    (void)state;
    static const char *const names[] = {"random", "sobol", "halton", "gp"};
    struct test_space *s = X_NEW(struct test_space);
    s->n_dims = 256;
    for (int i = 0; i < 256; i++)
        s->dims[i].parent = -1;
    test_space_init(s);
    double *history = x_calloc(13 * 256, sizeof *history), y[13];
    struct observation *o = x_calloc(13, sizeof *o);
    for (size_t a = 0; a < ARRAY_LEN(names); a++) {
        struct problems ignored = {0};
        struct settings settings;
        settings_read(&settings, algorithm_find(names[a])->settings, NULL, "", &ignored);
        struct search search = {.problem = &s->problem, .settings = &settings, .history = o};
        for (size_t i = 0; i < 13; i++) {
            struct suggestion out = {.x = history + i * 256};
            assert_int_equal(algorithm_suggest(algorithm_find(names[a]), &search, NULL, &out, NULL), OK);
            y[i] = out.x[3] + out.x[200];
            o[i] = (struct observation){.number = (int64_t)i, .state = OBSERVATION_DONE, .x = out.x, .y = &y[i], .y_se = NAN};
            search.cursor = out.cursor;
            search.n_history++;
        }
    }
    free(o);
    free(history);
    free(s);
}

static const struct {
    const char *name;
    CMUnitTestFunction run;
    bool (*applies)(const struct algorithm *a, const struct test_space *s); /* NULL = to all */
} promises[] = {
#define PROMISE(f, applies) {#f, f, applies}
    PROMISE(points_are_in_the_cube_snapped_and_feasible, NULL),
    PROMISE(a_seed_gives_the_same_points_and_another_seed_others, NULL),
    PROMISE(a_restart_changes_no_suggestion, NULL),
    PROMISE(odd_values_break_nothing, NULL),
    PROMISE(repeated_points_break_nothing, NULL),
    PROMISE(earlier_searches_break_nothing, needs_history),
    PROMISE(a_finite_space_is_searched_without_repeats, exhausts),
    PROMISE(no_point_comes_twice_in_an_infinite_space, never_repeats),
};

static bool accepted(const struct algorithm *a, const struct test_space *s)
{
    struct settings settings;
    struct problems ignored = {0};
    settings_read(&settings, a->settings, NULL, "", &ignored);
    return algorithm_accept(a, &s->problem, &settings, NULL) == OK;
}

int main(void)
{
    static struct pair pairs[400];
    static struct CMUnitTest tests[2000];
    const struct CMUnitTest single[] = {
        cmocka_unit_test(what_cannot_be_searched_is_refused_with_a_reason), cmocka_unit_test(impossible_constraints_end_in_an_error_not_a_hang),
        cmocka_unit_test(a_space_of_256_parameters_is_searched),
    };
    size_t n_pairs = 0, n = ARRAY_LEN(single);
    algorithms_setup();
    test_spaces_init();
    memcpy(tests, single, sizeof single);
    for (const struct algorithm *const *a = algorithms; *a; a++)
        for (const struct test_space *s = test_spaces; s->name; s++) {
            if (!accepted(*a, s))
                continue;
            pairs[n_pairs] = (struct pair){(*a)->name, s};
            for (size_t i = 0; i < ARRAY_LEN(promises); i++)
                if (!promises[i].applies || promises[i].applies(*a, s))
                    tests[n++] = (struct CMUnitTest){.name = x_asprintf("%s on %s: %s", (*a)->name, s->name, promises[i].name),
                                                     .test_func = promises[i].run,
                                                     .initial_state = &pairs[n_pairs]};
            n_pairs++;
        }
    int failed = _cmocka_run_group_tests("algorithms", tests, n, NULL, NULL);
    for (size_t i = ARRAY_LEN(single); i < n; i++)
        x_free(tests[i].name);
    return failed;
}
