/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the model of BOHB learns from: values of one step, the furthest that enough trials have come to, and those of stopped trials carried over to it. */
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

#define N 40
#define STEPS 5 /* 1, 3, 9, 27, 81 */

struct history {
    struct problem problem;
    struct dim dims[2];
    struct settings settings;
    struct observation items[N];
    double x[N][2], y[N], at[N][STEPS];
};

static void snap(void *ctx, double *u)
{
    (void)ctx, (void)u;
}

static void begin(struct history *h, const char *settings)
{
    memset(h, 0, sizeof *h);
    for (int i = 0; i < 2; i++)
        h->dims[i].parent = -1;
    h->problem = (struct problem){.dims = h->dims, .n_dims = 2, .n_objectives = 1, .snap = snap};
    struct problems problems = {0};
    json_t *object = json_loads(settings, 0, NULL);
    settings_read(&h->settings, algorithm_find("bohb")->settings, object, "", &problems);
    assert_int_equal(problems.n, 0);
    json_decref(object);
}

/* Trial i came to its first `n` steps with values by `f`. */
static void enter(struct history *h, int i, enum observation_state state, int n, double (*f)(const double *x, int step))
{
    struct rng r = rng_new(3, RNG_POINT, (uint64_t)i);
    h->x[i][0] = rng_uniform(&r);
    h->x[i][1] = rng_uniform(&r);
    for (int k = 0; k < STEPS; k++)
        h->at[i][k] = k < n ? f(h->x[i], k) : NAN;
    h->y[i] = n ? h->at[i][n - 1] : NAN;
    h->items[i] = (struct observation){.number = i + 1, .state = state, .x = h->x[i], .y = &h->y[i], .y_se = NAN, .at = h->at[i]};
}

static struct suggestion ask(struct history *h, size_t n, int64_t cursor, double x[2])
{
    const struct search s = {.problem = &h->problem, .settings = &h->settings, .seed = 5, .cursor = cursor, .history = h->items, .n_history = n};
    struct suggestion out = {.x = x};
    struct error error;
    if (algorithm_suggest(algorithm_find("bohb"), &s, NULL, &out, &error))
        fail_msg("%s", error.detail);
    return out;
}

/* Early values say the opposite of late ones. */
static double turns(const double *x, int step)
{
    return step < 2 ? -x[0] : x[0];
}

static double mean_x(struct history *h, size_t n)
{
    double sum = 0, x[2];
    for (int64_t cursor = 0; cursor < 40; cursor++) {
        (void)ask(h, n, cursor + 100, x);
        sum += x[0];
    }
    return sum / 40;
}

static void it_learns_from_the_furthest_step_with_enough_values(void **state)
{
    (void)state;
    static const char *const models[] = {"{\"random_fraction\": 0}", "{\"random_fraction\": 0, \"model\": \"gp\"}"};
    for (size_t m = 0; m < ARRAY_LEN(models); m++) {
        struct history h;
        double x[2];
        begin(&h, models[m]);
        for (int i = 0; i < 5; i++)
            enter(&h, i, OBSERVATION_PRUNED, 1, turns);
        assert_string_equal(ask(&h, 5, 0, x).how, "initial design");
        for (int i = 5; i < 30; i++)
            enter(&h, i, OBSERVATION_PRUNED, 1, turns);
        struct suggestion s = ask(&h, 30, 0, x);
        if (!strstr(s.note, "From 30 values at step 1."))
            fail_msg("%s", s.note);
        assert_true(mean_x(&h, 30) > 0.6);
        for (int i = 0; i < 12; i++)
            enter(&h, i, OBSERVATION_PRUNED, 3, turns);
        s = ask(&h, 30, 0, x);
        assert_non_null(strstr(s.note, "From 12 values at step 9."));
        assert_true(mean_x(&h, 30) < 0.4); /* what was stopped early does not speak against it */
    }
}

static double plain(const double *x, int step)
{
    return x[0] + 1 / (double)(step + 1);
}

/* Half of the space is known only from trials that were stopped: they must not be proposed again. */
static double walled(const double *x, int step)
{
    return x[0] < 0.5 ? 3 + plain(x, step) : plain(x, step);
}

static void what_was_stopped_is_not_proposed_again(void **state)
{
    (void)state;
    struct history h;
    begin(&h, "{\"random_fraction\": 0}");
    for (int i = 0; i < N; i++) {
        enter(&h, i, OBSERVATION_DONE, STEPS, walled);
        if (h.x[i][0] < 0.5)
            enter(&h, i, OBSERVATION_PRUNED, 1, walled);
    }
    double x[2];
    int low = 0;
    for (int64_t cursor = 0; cursor < 40; cursor++) {
        (void)ask(&h, N, cursor + 100, x);
        low += x[0] < 0.45;
    }
    assert_true(low <= 6);
}

static void odd_values_at_steps_break_nothing(void **state)
{
    (void)state;
    struct history h;
    begin(&h, "{}");
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rng r = rng_new(seed, RNG_POINT, 1);
        for (int i = 0; i < N; i++) {
            enter(&h, i, (enum observation_state)(rng_next(&r) % 5), (int)(rng_next(&r) % (STEPS + 1)), plain);
            if (rng_next(&r) % 4 == 0)
                h.at[i][rng_next(&r) % STEPS] = odd[rng_next(&r) % ARRAY_LEN(odd)];
        }
        double x[2];
        (void)ask(&h, rng_next(&r) % (N + 1), (int64_t)seed, x);
    }
}

int main(void)
{
    algorithms_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_from_the_furthest_step_with_enough_values),
        cmocka_unit_test(what_was_stopped_is_not_proposed_again),
        cmocka_unit_test(odd_values_at_steps_break_nothing),
    };
    return cmocka_run_group_tests_name("bohb", tests, NULL, NULL);
}
