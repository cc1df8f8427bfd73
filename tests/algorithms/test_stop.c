/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stopping rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "stop/stopper.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const int64_t steps[] = {10, 20, 30, 40, 50, 60};

#define CURVE(i, count, ...) {.number = i, .step = steps, .value = (const double[]){__VA_ARGS__}, .n = count}

/* Running averages at step 40: 2.5, 5, 1, (too short), 4: median 3.25. At step 50: 3, 5, 1, 4: 3.5. */
static const struct curve completed[] = {
    CURVE(1, 6, 1, 2, 3, 4, 5, 6), CURVE(2, 6, 5, 5, 5, 5, 5, 5), CURVE(3, 6, 1, 1, 1, 1, 1, 1), CURVE(4, 2, 0, 0), CURVE(5, 5, 4, 4, 4, 4, 4),
};

static struct stop_answer ask(const char *settings, const struct curve *trial, size_t n_completed, bool maximized)
{
    const struct stopper *median = stopper_find("median");
    assert_non_null(median);
    json_t *object = json_loads(settings, 0, NULL);
    struct problems problems = {0};
    struct settings s;
    settings_read(&s, median->settings, object, "", &problems);
    assert_int_equal(problems.n, 0);
    json_decref(object);
    struct stop_question q = {.settings = &s, .trial = trial, .completed = completed, .n_completed = n_completed, .maximized = maximized};
    struct stop_answer a;
    median->ask(&q, &a);
    return a;
}

static void a_trial_is_stopped_when_its_best_is_worse_than_the_median_of_running_averages(void **state)
{
    (void)state;
    const struct {
        const char *settings;
        struct curve trial;
        size_t n_completed;
        bool stop;
        const char *says;
    } cases[] = {
        {"{}", CURVE(9, 4, 9, 8, 7, 3.3), 5, true, "3.3, the median of the running averages of 4 completed trials is 3.25"},
        {"{}", CURVE(9, 4, 9, 8, 7, 3.25), 5, false, "goes on"},
        {"{}", CURVE(9, 4, 3.1, 8, 7, 9), 5, false, "3.1"},
        {"{}", CURVE(9, 5, 9, 8, 7, 3.6, 4), 5, true, "3.6"},
        {"{}", CURVE(9, 3, 9, 8, 7), 5, false, "3 of 4 reports"},
        {"{\"start_step\": 3}", CURVE(9, 3, 9, 8, 7), 5, true, "step 30"},
        {"{}", CURVE(9, 4, 9, 8, 7, 6), 2, false, "2 of 3 completed trials"},
        {"{\"min_trials_required\": 2}", CURVE(9, 4, 9, 8, 7, 6), 2, true, "stopped"},
        {"{\"min_trials_required\": \"5\"}", CURVE(9, 4, 9, 8, 7, 6), 5, false, "4 of 5 completed trials have reached step 40"},
        {"{}", CURVE(9, 4, INFINITY, INFINITY, INFINITY, INFINITY), 5, true, "inf"},
        {"{}", CURVE(9, 0, 0), 5, false, "0 of 4 reports"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stop_answer a = ask(cases[i].settings, &cases[i].trial, cases[i].n_completed, false);
        if (a.stop != cases[i].stop || !strstr(a.reason, cases[i].says))
            fail_msg("case %zu: %d, \"%s\"", i, a.stop, a.reason);
    }
}

static void the_reason_shows_a_maximised_metric_as_it_was_reported(void **state)
{
    (void)state;
    const struct curve trial = CURVE(9, 4, 9, 8, 7, 3.3);
    struct stop_answer a = ask("{}", &trial, 5, true);
    assert_true(a.stop);
    assert_non_null(strstr(a.reason, "is -3.3"));
    assert_non_null(strstr(a.reason, "is -3.25"));
}

static void rules_are_found_by_name(void **state)
{
    (void)state;
    assert_null(stopper_find("mean"));
    for (const struct stopper *const *s = stoppers; *s; s++)
        assert_ptr_equal(stopper_find((*s)->name), *s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_is_stopped_when_its_best_is_worse_than_the_median_of_running_averages),
        cmocka_unit_test(the_reason_shows_a_maximised_metric_as_it_was_reported),
        cmocka_unit_test(rules_are_found_by_name),
    };
    return cmocka_run_group_tests_name("stopping", tests, NULL, NULL);
}
