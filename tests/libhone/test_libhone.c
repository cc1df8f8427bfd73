/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The public header, as a program uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libhone/hone.h"

#include <math.h>
#include <string.h>

static const char *const kinds[] = {"plain", "curved"};

static void describe(hone *h)
{
    assert_int_equal(hone_add_float(h, "x", -2, 2, HONE_LINEAR), 0);
    assert_int_equal(hone_add_float(h, "rate", 1e-4, 1, HONE_LOG), 0);
    assert_int_equal(hone_add_int(h, "n", 1, 9, HONE_LINEAR), 0);
    assert_int_equal(hone_add_step(h, "drop", 0, 0.5, 0.1), 0);
    assert_int_equal(hone_add_choice(h, "kind", kinds, 2), 0);
    assert_int_equal(hone_add_float(h, "bend", 0, 1, HONE_LINEAR), 0);
    assert_int_equal(hone_only_if(h, "bend", "kind", "curved"), 0);
    assert_int_equal(hone_constrain(h, "n <= 5 or x < 1"), 0);
}

static double value_of(const hone *h, int64_t t)
{
    double x = hone_number(h, t, "x"), bend = hone_number(h, t, "bend");
    return (x - 0.5) * (x - 0.5) + fabs(log10(hone_number(h, t, "rate")) + 2) / 4 + (isnan(bend) ? 0.3 : fabs(bend - 0.7)) + fabs(hone_number(h, t, "n") - 4) / 20;
}

static void points_are_as_described(void **state)
{
    (void)state;
    hone *h = hone_new(3);
    describe(h);
    for (int i = 1; i <= 30; i++) {
        int64_t t = hone_ask(h);
        assert_int_equal(t, i);
        double x = hone_number(h, t, "x"), n = hone_number(h, t, "n"), drop = hone_number(h, t, "drop"), rate = hone_number(h, t, "rate");
        assert_true(x >= -2 && x <= 2 && rate >= 1e-4 && rate <= 1);
        assert_true(n >= 1 && n <= 9 && n == floor(n) && (n <= 5 || x < 1));
        assert_true(fabs(drop * 10 - round(drop * 10)) < 1e-12);
        assert_true(isnan(hone_number(h, t, "bend")) == (strcmp(hone_text(h, t, "kind"), "plain") == 0));
        assert_true(*hone_why(h, t) != '\0');
        double y = value_of(h, t);
        assert_int_equal(hone_tell(h, t, &y), 0);
    }
    int64_t best = hone_best(h);
    assert_true(best > 0 && hone_value(h, best, 0) < 0.35);
    assert_true(isnan(hone_number(h, 1, "kind")) && isnan(hone_number(h, 1, "gone")) && !hone_text(h, 99, "kind"));
    hone_free(h);
}

static void a_seed_gives_the_same_questions(void **state)
{
    (void)state;
    static const char *const algorithms[] = {"auto", "gp", "tpe", "cmaes", "nsga2", "random", "sobol", "halton"};
    for (size_t a = 0; a < sizeof algorithms / sizeof *algorithms; a++) {
        hone *h[2] = {hone_new(5), hone_new(5)};
        for (int k = 0; k < 2; k++) {
            describe(h[k]);
            assert_int_equal(hone_use(h[k], algorithms[a], NULL), 0);
        }
        for (int i = 0; i < 20; i++) {
            int64_t t = hone_ask(h[0]);
            assert_int_equal(hone_ask(h[1]), t);
            double x = hone_number(h[0], t, "x"), y = value_of(h[0], t);
            assert_true(x == hone_number(h[1], t, "x"));
            for (int k = 0; k < 2; k++)
                assert_int_equal(i % 7 == 3 ? hone_tell_failed(h[k], t) : hone_tell(h[k], t, &y), 0);
        }
        hone_free(h[0]);
        hone_free(h[1]);
    }
}

static void bounds_directions_and_points_of_ones_own_count(void **state)
{
    (void)state;
    hone *h = hone_new(1);
    assert_int_equal(hone_add_float(h, "x", 0, 1, HONE_LINEAR), 0);
    assert_int_equal(hone_maximize(h), 0);
    assert_int_equal(hone_at_most(h, 0.6), 0);
    assert_int_equal(hone_at_least(h, 0.2), 0);
    hone_begin(h);
    assert_int_equal(hone_set_number(h, "x", 0.25), 0);
    int64_t own = hone_put(h);
    assert_int_equal(own, 1);
    assert_true(hone_number(h, own, "x") == 0.25);
    assert_int_equal(hone_best(h), 0);
    for (int i = 0; i < 25; i++) {
        int64_t t = i ? hone_ask(h) : own;
        double x = hone_number(h, t, "x"), values[] = {x * x, x, x};
        assert_int_equal(hone_tell(h, t, values), 0);
    }
    double x = hone_number(h, hone_best(h), "x");
    assert_true(x <= 0.6 && x > 0.59);
    assert_true(hone_value(h, hone_best(h), 1) == x && isnan(hone_value(h, own, 3)));
    hone_free(h);
}

static void a_finite_space_ends(void **state)
{
    (void)state;
    hone *h = hone_new(1);
    assert_int_equal(hone_add_int(h, "n", 1, 4, HONE_LINEAR), 0);
    for (int i = 1; i <= 4; i++) {
        double y = i;
        assert_int_equal(hone_ask(h), i);
        assert_int_equal(hone_tell(h, i, &y), 0);
    }
    assert_int_equal(hone_ask(h), 0);
    hone_free(h);
}

static void mistakes_are_told(void **state)
{
    (void)state;
    hone *h = hone_new(1);
    assert_int_equal(hone_ask(h), -1); /* no parameter */
    assert_int_equal(hone_add_float(h, "x", 0, 1, HONE_LINEAR), 0);
    assert_int_equal(hone_add_float(h, "x", 0, 1, HONE_LINEAR), -1);
    assert_non_null(strstr(hone_error(h), "already"));
    assert_int_equal(hone_add_choice(h, "k", (const char *const[]){"\xff"}, 1), -1);
    assert_int_equal(hone_add_float(h, "bad", NAN, 1, HONE_LINEAR), -1);
    assert_int_equal(hone_only_if(h, "y", "x", "1"), -1);
    assert_int_equal(hone_use(h, "gq", NULL), -1);
    assert_int_equal(hone_use(h, "pbt", NULL), -1);
    assert_int_equal(hone_use(h, "gp", "[1]"), -1);
    assert_int_equal(hone_use(h, "gp", "{\"acquisition\": \"best\"}"), 0);
    assert_int_equal(hone_ask(h), -1);
    assert_non_null(strstr(hone_error(h), "settings.acquisition"));
    assert_int_equal(hone_use(h, "gp", "{\"acquisition\": \"ei\"}"), 0);
    assert_int_equal(hone_at_most(h, INFINITY), -1);
    assert_int_equal(hone_set_number(h, "x", 1), -1);
    hone_begin(h);
    assert_int_equal(hone_set_number(h, "x", 3), 0);
    assert_int_equal(hone_put(h), -1);
    assert_non_null(strstr(hone_error(h), "x is 3"));
    assert_int_equal(hone_ask(h), 1);
    assert_int_equal(hone_add_float(h, "z", 0, 1, HONE_LINEAR), -1);
    assert_int_equal(hone_minimize(h), -1);
    double y = 1;
    assert_int_equal(hone_tell(h, 2, &y), -1);
    hone_free(h);
    hone_free(NULL);
    h = hone_new(1);
    assert_int_equal(hone_add_float(h, "x", 1, 0, HONE_LINEAR), 0);
    assert_int_equal(hone_ask(h), -1);
    assert_non_null(strstr(hone_error(h), "parameters.x.min"));
    hone_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_as_described),
        cmocka_unit_test(a_seed_gives_the_same_questions),
        cmocka_unit_test(bounds_directions_and_points_of_ones_own_count),
        cmocka_unit_test(a_finite_space_ends),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests_name("libhone", tests, NULL, NULL);
}
