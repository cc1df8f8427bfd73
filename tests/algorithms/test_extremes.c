/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every algorithm where histories are at their ends: nothing but failures, one trial, ten thousand, one parameter and a hundred; any settings that its
 * table allows; and spaces, histories, bounds and earlier searches drawn at random. (algorithm_suggest itself refuses a point that is outside the
 * cube, not snapped or not feasible.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "problems.h"
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool takes(const struct algorithm *a, const struct problem *p)
{
    struct settings settings;
    struct problems ignored = {0};
    settings_read(&settings, a->settings, NULL, "", &ignored);
    return algorithm_accept(a, p, &settings, NULL) == OK;
}

/* A point, or a good reason why there is none. */
static bool is_answer(const struct algorithm *a, enum err err, bool finite)
{
    return err == OK || (err == ERR_EXHAUSTED && finite) || (err == ERR_UNAVAILABLE && a->continues);
}

/* Numbers, steps and choices in turn. */
static void mix(struct test_space *s, int n_dims)
{
    static const struct dim kinds[] = {{DIM_CONTINUOUS, 0, -1}, {DIM_ORDINAL, 30, -1}, {DIM_CATEGORICAL, 4, -1}, {DIM_ORDINAL, 3, -1}};
    *s = (struct test_space){.name = "mix", .n_dims = n_dims};
    for (int i = 0; i < n_dims; i++)
        s->dims[i] = kinds[i % 4];
    test_space_init(s);
}

static void draw_point(struct rng *r, const struct problem *p, double *x)
{
    for (int i = 0; i < p->n_dims; i++)
        x[i] = rng_uniform(r);
    p->snap(p->ctx, x);
}

/* So many trials of one state at random points, then three questions. */
static void ask_after(const struct algorithm *a, const struct test_space *s, size_t n, enum observation_state state)
{
    struct sim sim;
    struct rng r = rng_new(n, RNG_POINT, (uint64_t)state);
    double x[MAX_TEST_DIMS], y;
    sim_init(&sim, &s->problem, a->name, NULL, NULL, 9, n + 3);
    for (size_t i = 0; i < n; i++) {
        draw_point(&r, &s->problem, x);
        y = 0;
        for (int k = 0; k < s->n_dims; k++)
            y += (x[k] - 0.3) * (x[k] - 0.3) / (k + 1);
        sim_add(&sim, x, state, state == OBSERVATION_FAILED ? NULL : &y);
    }
    for (int i = 0; i < 3; i++) {
        enum err err = sim_ask(&sim, true, x);
        if (!is_answer(a, err, test_space_finite(s)))
            fail_msg("%s after %zu trials of %d parameters: error %d", a->name, n, s->n_dims, (int)err);
        if (err)
            break;
        sim_add(&sim, x, OBSERVATION_PENDING, NULL);
        sim.cursor += (int64_t)1 << 20; /* only rising is asked of it */
    }
    sim_release(&sim);
}

static void each_after(int n_dims, size_t n, enum observation_state state)
{
    struct test_space *s = X_NEW(struct test_space);
    mix(s, n_dims);
    for (const struct algorithm *const *a = algorithms; *a; a++)
        if (takes(*a, &s->problem))
            ask_after(*a, s, n, state);
    free(s);
}

static void a_thousand_failures_end_no_search(void **state)
{
    (void)state;
    each_after(4, 1000, OBSERVATION_FAILED);
    each_after(1, 1000, OBSERVATION_FAILED);
}

static void a_thousand_infeasible_trials_end_no_search(void **state)
{
    (void)state;
    each_after(4, 1000, OBSERVATION_INFEASIBLE);
}

static void one_trial_is_enough_to_go_on(void **state)
{
    (void)state;
    for (int n_dims = 1; n_dims <= 5; n_dims++)
        for (enum observation_state s = OBSERVATION_PENDING; s <= OBSERVATION_INFEASIBLE; s++)
            each_after(n_dims, 1, s);
}

static void one_parameter_is_enough(void **state)
{
    (void)state;
    each_after(1, 60, OBSERVATION_DONE);
}

static void a_hundred_parameters_are_searched(void **state)
{
    (void)state;
    each_after(100, 120, OBSERVATION_DONE);
}

static void ten_thousand_trials_are_taken_in(void **state)
{
    (void)state;
    each_after(5, 10000, OBSERVATION_DONE);
}

/* --- settings */

static json_t *draw_value(struct rng *r, const struct setting *t)
{
    static const double ends[] = {0, 1, 0.5, 1e-3};
    const double part = rng_next(r) % 2 ? ends[rng_next(r) % ARRAY_LEN(ends)] : pow(rng_uniform(r), 4); /* small ones more often: they set sizes */
    size_t n = 0;
    switch (t->type) {
    case SETTING_BOOL:
        return json_boolean(rng_next(r) % 2);
    case SETTING_CHOICE:
        while (t->choices[n])
            n++;
        return json_string(t->choices[rng_next(r) % n]);
    case SETTING_INT:
        return json_integer((json_int_t)(t->min + floor(part * (t->max - t->min))));
    case SETTING_FLOAT:
        break;
    }
    return json_real(t->min + part * (t->max - t->min));
}

static void any_settings_of_the_table_work(void **state)
{
    (void)state;
    struct rng r = rng_new(31, RNG_POINT, 0);
    for (const struct algorithm *const *a = algorithms; *a; a++)
        for (int round = 0; round < 24 && (*a)->settings; round++) {
            const struct test_space *space = test_space_find(round % 3 ? "mixed" : "conditional grid");
            json_t *object = json_object();
            for (const struct setting *t = (*a)->settings; t->name; t++)
                if (rng_next(&r) % 3)
                    (void)json_object_set_new(object, t->name, draw_value(&r, t));
            struct problems problems = {0};
            struct run *run = X_NEW(struct run);
            run_init(run, space, (*a)->name, (uint64_t)round);
            settings_read(&run->settings, (*a)->settings, object, "", &problems);
            assert_int_equal(problems.n, 0);
            for (int i = 0; i < 14 && algorithm_accept(*a, &space->problem, &run->settings, NULL) == OK; i++) {
                double x[16], y[3];
                enum err err = run_ask(run, x);
                if (!is_answer(*a, err, test_space_finite(space))) {
                    char *text = json_dumps(object, 0);
                    fail_msg("%s with %s: error %d", (*a)->name, text, (int)err);
                }
                if (err)
                    break;
                space->f(x, y);
                run_add(run, x, i % 6 == 5 ? OBSERVATION_FAILED : OBSERVATION_DONE, y);
            }
            run_release(run);
            free(run);
            json_decref(object);
        }
}

/* --- properties */

static const double odd_values[] = {0, 1, 1, -1, NAN, INFINITY, -INFINITY, 1e300, -1e300, 1e-300, 5e-324, 1e308, -1e308, 3};

static double draw_odd(struct rng *r)
{
    return rng_next(r) % 5 ? rng_normal(r) : odd_values[rng_next(r) % ARRAY_LEN(odd_values)];
}

static void odd_bounds(const double *u, double *excess)
{
    excess[0] = isnan(u[0]) ? NAN : u[0] - 0.5;
    excess[1] = isnan(u[0]) || u[0] < 0.8 ? 1e-300 : -1e300;
}

static void draw_space(struct rng *r, struct test_space *s)
{
    memset(s, 0, sizeof *s);
    s->n_dims = 1 + (int)(rng_next(r) % 8);
    s->n_objectives = 1 + (int)(rng_next(r) % 8 == 0);
    if (rng_next(r) % 4 == 0) {
        s->n_bounds = 1 + (int)(rng_next(r) % 2);
        s->bounds = odd_bounds;
    }
    for (int i = 0; i < s->n_dims; i++) {
        enum dim_kind kind = (enum dim_kind)(rng_next(r) % 3);
        int parent = i && rng_next(r) % 3 == 0 ? (int)(rng_next(r) % (uint64_t)i) : -1;
        if (parent >= 0 && (s->dims[parent].kind == DIM_CONTINUOUS || s->dims[parent].n_levels > 60))
            parent = -1;
        s->dims[i] = (struct dim){.kind = kind, .n_levels = kind == DIM_CONTINUOUS ? 0 : 1 + (int64_t)(rng_next(r) % (rng_next(r) % 4 ? 6 : 100000)), .parent = parent};
        s->parent_levels[i] = rng_next(r) | 1;
    }
    test_space_init(s);
}

static void draw_trial(struct rng *r, struct run *run)
{
    double x[16], y[3];
    draw_point(r, &run->space->problem, x);
    for (int j = 0; j < 3; j++)
        y[j] = draw_odd(r);
    run_add(run, x, (enum observation_state)(rng_next(r) % 8 ? OBSERVATION_DONE : rng_next(r) % 5), y);
}

/* As users' experiments look after a few changes. */
static void random_spaces_with_random_histories_give_points(void **state)
{
    (void)state;
    struct rng rng = rng_new(4, RNG_POINT, 0);
    for (int round = 0; round < 200; round++) {
        struct test_space s;
        draw_space(&rng, &s);
        struct run *r = X_NEW(struct run), *old = X_NEW(struct run);
        run_init(old, &s, "random", 0);
        run_init(r, &s, "random", (uint64_t)round);
        for (uint64_t n = rng_next(&rng) % 40; n > 0; n--)
            draw_trial(&rng, r);
        for (uint64_t n = rng_next(&rng) % 2 * 20; n > 0; n--)
            draw_trial(&rng, old);
        for (size_t i = 0; i < old->n; i++)
            old->observations[i].state = OBSERVATION_DONE;
        r->earlier[0] = (struct earlier){old->observations, old->n};
        r->n_earlier = old->n > 0;
        for (const struct algorithm *const *a = algorithms; *a; a++) {
            double x[16];
            struct problems ignored = {0};
            if (!takes(*a, &s.problem) || (round % 4 && strcmp((*a)->name, "gp") != 0))
                continue;
            r->algorithm = *a;
            r->cursor = 0;
            r->cache = NULL;
            settings_read(&r->settings, (*a)->settings, NULL, "", &ignored);
            enum err err = run_ask(r, x);
            if (!is_answer(*a, err, test_space_finite(&s)))
                fail_msg("%s in round %d: error %d", (*a)->name, round, (int)err);
            run_release(r);
        }
        free(r);
        free(old);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_failures_end_no_search),
        cmocka_unit_test(a_thousand_infeasible_trials_end_no_search),
        cmocka_unit_test(one_trial_is_enough_to_go_on),
        cmocka_unit_test(one_parameter_is_enough),
        cmocka_unit_test(a_hundred_parameters_are_searched),
        cmocka_unit_test(ten_thousand_trials_are_taken_in),
        cmocka_unit_test(any_settings_of_the_table_work),
        cmocka_unit_test(random_spaces_with_random_histories_give_points),
    };
    algorithms_setup();
    test_spaces_init();
    return cmocka_run_group_tests_name("algorithms at their ends", tests, NULL, NULL);
}
