/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What `auto` picks, that it says so, and that its pick is a function of the problem and the history. That its points are right is for
 * test_contract.c, that they are good for test_quality.c. */
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

#define NUMBER {.kind = DIM_CONTINUOUS, .parent = -1}

/* A history too long for struct run: n trials of a space, drawn evenly, with a value that tells the model something. */
struct past {
    struct test_space *space;
    struct observation *history;
    double *x, *y;
    size_t n;
};

static void past_init(struct past *p, struct test_space *s, size_t n, bool noise)
{
    const size_t d = (size_t)s->n_dims, m = (size_t)s->problem.n_objectives;
    struct rng r = rng_new(1, RNG_POINT, 0);
    *p = (struct past){.space = s, .n = n, .history = x_calloc(n + 1, sizeof *p->history),
                       .x = x_calloc(n * d + 1, sizeof *p->x), .y = x_calloc(n * m + 1, sizeof *p->y)};
    for (size_t i = 0; i < n; i++) {
        double *x = p->x + i * d, *y = p->y + i * m;
        for (size_t k = 0; k < d; k++)
            x[k] = rng_uniform(&r);
        s->problem.snap(s->problem.ctx, x);
        for (size_t j = 0; j < m; j++) {
            y[j] = noise ? rng_normal(&r) : 0;
            for (size_t k = 0; k < d && !noise; k++)
                y[j] += isnan(x[k]) ? 0 : (x[k] - 0.1 * (double)j) * (x[k] - 0.1 * (double)j);
        }
        p->history[i] = (struct observation){.number = (int64_t)i, .state = OBSERVATION_DONE, .x = x, .y = y, .y_se = NAN};
    }
}

static void past_release(struct past *p)
{
    free(p->history);
    free(p->x);
    free(p->y);
}

static enum err ask(const struct past *p, int64_t cursor, void **cache, double *x, struct suggestion *out)
{
    const struct settings none = {0};
    struct search s = {.problem = &p->space->problem, .settings = &none, .seed = 3, .cursor = cursor, .history = p->history, .n_history = p->n};
    struct error error;
    out->x = x;
    return algorithm_suggest(algorithm_find("auto"), &s, cache, out, &error);
}

/* --- the policy */

static const struct {
    const char *what;
    int numbers, categoricals; /* parameters; each categorical has three values */
    bool condition;
    int objectives;
    size_t n;                  /* finished trials */
    bool noise;
    const char *picks;
} policy[] = {
    {"the first trials", 4, 0, false, 1, 0, false, "gp"},
    {"some trials", 4, 2, false, 1, 30, false, "gp"},
    {"conditions", 2, 2, true, 1, 30, false, "gp"},
    {"a hundred parameters", 100, 0, false, 1, 20, false, "gp"},
    {"noise without a signal", 4, 0, false, 1, 40, true, "tpe"},
    {"noise, but few trials", 4, 0, false, 1, 15, true, "gp"},
    {"more numbers than a model can use", 200, 0, false, 1, 210, false, "cmaes"},
    {"more trials than a model can use", 4, 0, false, 1, 2001, false, "cmaes"},
    {"the same with categoricals", 2, 2, false, 1, 2001, false, "tpe"},
    {"the same with a condition", 2, 1, true, 1, 2001, false, "tpe"},
    {"two objectives", 3, 0, false, 2, 30, false, "gp"},
    {"two objectives and many trials", 3, 0, false, 2, 501, false, "nsga2"},
    {"a space of three points", 0, 1, false, 1, 0, false, "grid"},
};

static void make_space(struct test_space *s, int numbers, int categoricals, bool condition, int objectives)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < categoricals; i++)
        s->dims[s->n_dims++] = (struct dim){DIM_CATEGORICAL, 3, -1};
    for (int i = 0; i < numbers; i++) {
        bool child = condition && i == 0;
        s->parent_levels[s->n_dims] = child ? 1 : 0;
        s->dims[s->n_dims++] = (struct dim){DIM_CONTINUOUS, 0, child ? 0 : -1};
    }
    s->n_objectives = objectives;
    test_space_init(s);
}

static void it_picks_by_the_policy_and_says_why(void **state)
{
    (void)state;
    struct test_space *s = X_NEW(struct test_space);
    for (size_t i = 0; i < ARRAY_LEN(policy); i++) {
        struct past p;
        double x[MAX_TEST_DIMS];
        char begins[100];
        struct suggestion out;
        make_space(s, policy[i].numbers, policy[i].categoricals, policy[i].condition, policy[i].objectives);
        past_init(&p, s, policy[i].n, policy[i].noise);
        assert_int_equal(ask(&p, 0, NULL, x, &out), OK);
        (void)snprintf(begins, sizeof begins, "auto: %s, because ", policy[i].picks);
        if (strncmp(out.note, begins, strlen(begins)) != 0)
            fail_msg("%s: %s", policy[i].what, out.note);
        if (strncmp(out.how, policy[i].picks, strlen(policy[i].picks)) != 0)
            fail_msg("%s: %s", policy[i].what, out.how);
        past_release(&p);
    }
    free(s);
}

/* It adds nothing to what it picked: the points are those of the algorithm, asked with the same cursor. */
static void its_points_are_those_of_what_it_picked(void **state)
{
    (void)state;
    struct run *a = X_NEW(struct run), *b = X_NEW(struct run);
    run_init(a, test_space_find("mixed"), "auto", 5);
    run_init(b, test_space_find("mixed"), "gp", 5);
    for (int i = 0; i < 19; i++) {
        assert_int_equal(run_step(a), OK);
        assert_int_equal(run_step(b), OK);
        assert_memory_equal(a->x[i], b->x[i], 6 * sizeof(double));
        assert_int_equal(a->cursor, b->cursor);
    }
    run_release(a);
    run_release(b);
    free(a);
    free(b);
}

/* --- changes of the pick, and restarts */

static void what_another_algorithm_left_is_taken_on(void **state)
{
    (void)state;
    static const size_t lengths[] = {1999, 2000, 2001, 2002, 2000, 1500}; /* trials may also be deleted */
    struct test_space *s = X_NEW(struct test_space);
    struct past p;
    void *cache = NULL;
    int64_t cursor = 17;
    make_space(s, 3, 0, false, 1);
    past_init(&p, s, 2002, false);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        double x[3], y[3];
        struct suggestion out, again;
        p.n = lengths[i];
        assert_int_equal(ask(&p, cursor, &cache, x, &out), OK);
        assert_int_equal(ask(&p, cursor, NULL, y, &again), OK); /* as after a restart */
        assert_memory_equal(x, y, sizeof x);
        assert_string_equal(out.note, again.note);
        assert_true(out.cursor > cursor && out.cursor == again.cursor);
        cursor = out.cursor;
    }
    algorithm_find("auto")->cache_free(cache);
    past_release(&p);
    free(s);
}

static void noise_is_seen_the_same_after_a_restart(void **state)
{
    (void)state;
    struct test_space *s = X_NEW(struct test_space);
    struct past p;
    void *cache = NULL;
    int tpe = 0;
    make_space(s, 3, 1, false, 1);
    past_init(&p, s, 60, true);
    for (p.n = 15; p.n < 60; p.n += 3) {
        double x[4], y[4];
        struct suggestion out, again;
        assert_int_equal(ask(&p, (int64_t)p.n, &cache, x, &out), OK);
        assert_int_equal(ask(&p, (int64_t)p.n, NULL, y, &again), OK);
        assert_memory_equal(x, y, sizeof x);
        assert_string_equal(out.how, again.how);
        tpe += strncmp(out.how, "tpe", 3) == 0;
    }
    assert_true(tpe > 5);
    algorithm_find("auto")->cache_free(cache);
    past_release(&p);
    free(s);
}

static void a_small_space_is_not_searched_twice_where_users_have_been(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 2, .dims = {{DIM_CATEGORICAL, 2, -1}, {DIM_ORDINAL, 2, -1}}};
    test_space_init(&s);
    struct run *r = X_NEW(struct run);
    run_init(r, &s, "auto", 1);
    double user[2] = {0.25, 0.75}, x[16], y = 1;
    run_add(r, user, OBSERVATION_DONE, &y);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run_ask(r, x), OK);
        assert_string_equal(r->last.how, "grid");
        for (size_t k = 0; k < r->n; k++)
            assert_false(r->x[k][0] == x[0] && r->x[k][1] == x[1]);
        run_add(r, x, OBSERVATION_PENDING, NULL);
    }
    assert_int_equal(run_ask(r, x), ERR_EXHAUSTED);
    run_release(r);
    free(r);
}

/* --- what it is good for */

static void noisy(const double *u, double *y)
{
    uint64_t key = 0;
    *y = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t bits;
        memcpy(&bits, &u[i], sizeof bits);
        key = rng_mix(key + bits);
        *y += (u[i] - 0.6) * (u[i] - 0.6);
    }
    struct rng r = rng_new(key, RNG_POINT, 0);
    *y += 2 * rng_normal(&r);
}

/* Mean distance of the later half of the trials from the optimum. */
static double mean_distance(const char *algorithm, struct test_space *s)
{
    double sum = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct run *r = X_NEW(struct run);
        run_init(r, s, algorithm, seed);
        for (int i = 0; i < 80; i++)
            assert_int_equal(run_step(r), OK);
        for (size_t i = 40; i < 80; i++)
            for (int k = 0; k < 5; k++)
                sum += (r->x[i][k] - 0.6) * (r->x[i][k] - 0.6) / 160;
        run_release(r);
        free(r);
    }
    return sum;
}

/* A Gaussian process that can foretell nothing goes to the corners; auto must not follow it there. */
static void noise_does_not_drive_it_into_the_corners(void **state)
{
    (void)state;
    struct test_space s = {.n_dims = 5, .dims = {NUMBER, NUMBER, NUMBER, NUMBER, NUMBER}, .f = noisy};
    test_space_init(&s);
    double by_auto = mean_distance("auto", &s), by_random = mean_distance("random", &s);
    if (!(by_auto < 1.1 * by_random))
        fail_msg("mean squared distance %.3f, random search has %.3f", by_auto, by_random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_picks_by_the_policy_and_says_why),
        cmocka_unit_test(its_points_are_those_of_what_it_picked),
        cmocka_unit_test(what_another_algorithm_left_is_taken_on),
        cmocka_unit_test(noise_is_seen_the_same_after_a_restart),
        cmocka_unit_test(a_small_space_is_not_searched_twice_where_users_have_been),
        cmocka_unit_test(noise_does_not_drive_it_into_the_corners),
    };
    algorithms_setup();
    test_spaces_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
