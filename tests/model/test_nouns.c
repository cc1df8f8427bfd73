/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/nouns: copies that own their strings, and the JSON of docs/reference/api.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/nouns.h"

#include <math.h>
#include <string.h>

static void assert_json(json_t *value, const char *text)
{
    char *shown CLEANUP_FREE = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    assert_string_equal(shown, text);
    json_decref(value);
}

static struct trial some_trial(void)
{
    return (struct trial){.id = 7, .experiment_id = 1, .number = 12, .state = TRIAL_SUCCEEDED, .reason = "", .message = "",
                          .params = "{\"lr\":0.1,\"act\":\"relu\"}", .objective = 0.25, .rank = -0.25, .metrics = "{\"loss\":0.25,\"gap\":\"NaN\"}",
                          .objective_se = (double)NAN, .attempt = 1, .worker = "w1", .origin = "{\"by\":\"gp\"}", .labels = "{}", .note = "", .progress = (double)NAN,
                          .revision = 99, .create_ms = 1000, .update_ms = 2000, .start_ms = 1500};
}

static void a_trial_begins_with_its_number(void **state)
{
    (void)state;
    struct trial t = some_trial();
    assert_json(trial_json(&t),
                "{\"number\":12,\"state\":\"SUCCEEDED\",\"reason\":\"\",\"message\":\"\",\"params\":{\"lr\":0.1,\"act\":\"relu\"},\"objective\":0.25,"
                "\"objective_se\":null,\"metrics\":{\"loss\":0.25,\"gap\":\"NaN\"},\"attempt\":1,\"replicate\":0,\"worker\":\"w1\",\"origin\":{\"by\":\"gp\"},"
                "\"labels\":{},\"note\":\"\",\"progress\":null,\"revision\":99,\"create_time\":\"1970-01-01T00:00:01.000Z\","
                "\"update_time\":\"1970-01-01T00:00:02.000Z\",\"start_time\":\"1970-01-01T00:00:01.500Z\",\"end_time\":null}");
}

static struct experiment some_experiment(void)
{
    struct experiment e = {.id = 1, .uid = "u", .project = "default", .name = "digits", .spec = "{\"name\":\"digits\",\"trials\":{\"max\":8}}",
                           .state = EXPERIMENT_PAUSED, .reason = "", .message = "", .seed = 5, .n_trials = 4, .best_number = 2, .best_value = 0.5,
                           .labels = "{\"team\":\"a\"}", .annotations = "{}", .note = "", .revision = 3, .create_ms = 1000, .update_ms = 1000, .start_ms = 1000};
    e.counts[TRIAL_RUNNING] = 2;
    e.counts[TRIAL_SUCCEEDED] = 1;
    e.counts[TRIAL_FAILED] = 1;
    return e;
}

static void an_experiment_counts_what_is_there_and_shows_its_file_on_demand(void **state)
{
    (void)state;
    struct experiment e = some_experiment();
    assert_json(experiment_json(&e, false),
                "{\"name\":\"digits\",\"uid\":\"u\",\"project\":\"default\",\"state\":\"PAUSED\",\"reason\":\"\",\"message\":\"\",\"seed\":5,\"n_trials\":4,"
                "\"counts\":{\"RUNNING\":2,\"SUCCEEDED\":1,\"FAILED\":1},\"best\":{\"number\":2,\"value\":0.5},\"progress\":0.25,\"eta_seconds\":null,"
                "\"labels\":{\"team\":\"a\"},\"annotations\":{},\"note\":\"\",\"revision\":3,\"create_time\":\"1970-01-01T00:00:01.000Z\","
                "\"update_time\":\"1970-01-01T00:00:01.000Z\",\"start_time\":\"1970-01-01T00:00:01.000Z\",\"end_time\":null}");
    e.best_number = 0;
    json_t *full = experiment_json(&e, true);
    assert_true(json_is_null(json_object_get(full, "best")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(full, "spec"), "trials"), "max")), 8);
    json_decref(full);
}

static void progress_and_eta_need_a_budget_and_ended_trials(void **state)
{
    (void)state;
    struct experiment e = some_experiment();
    e.state = EXPERIMENT_RUNNING;
    e.start_ms = clock_wall_ms() - 3600 * 1000;
    json_t *out = experiment_json(&e, false);
    double eta = json_number_value(json_object_get(out, "eta_seconds"));
    assert_true(eta >= 3 * 3600 && eta < 4 * 3600); /* 2 of 8 in an hour */
    json_decref(out);
    e.counts[TRIAL_SUCCEEDED] = 20; /* the budget was lowered */
    out = experiment_json(&e, false);
    assert_true(json_number_value(json_object_get(out, "progress")) == 1 && json_number_value(json_object_get(out, "eta_seconds")) == 0);
    json_decref(out);
    e.spec = "{}";
    out = experiment_json(&e, false);
    assert_true(json_is_null(json_object_get(out, "progress")) && json_is_null(json_object_get(out, "eta_seconds")));
    json_decref(out);
}

static void other_nouns_have_their_members(void **state)
{
    (void)state;
    struct attempt a = {.number = 2, .state = TRIAL_FAILED, .reason = "EXIT_CODE", .message = "exit code 1", .run_key = "h-a-1-2", .handle = "{}", .cursor = "",
                        .worker = "", .exit_code = 1, .signal = -1, .create_ms = 1000};
    assert_json(attempt_json(&a), "{\"number\":2,\"replicate\":0,\"state\":\"FAILED\",\"reason\":\"EXIT_CODE\",\"message\":\"exit code 1\",\"run_key\":\"h-a-1-2\","
                                  "\"worker\":\"\",\"exit_code\":1,\"signal\":null,\"create_time\":\"1970-01-01T00:00:01.000Z\",\"start_time\":null,\"end_time\":null}");
    struct measurement m = {.metric = "loss", .step = 3, .attempt = 1, .value = -(double)INFINITY, .time_ms = 1000};
    assert_json(measurement_json(&m), "{\"metric\":\"loss\",\"step\":3,\"value\":\"-Infinity\",\"attempt\":1,\"replicate\":0,\"time\":\"1970-01-01T00:00:01.000Z\"}");
    struct event e = {.revision = 5, .time_ms = 1000, .project = "default", .experiment = "digits", .kind = "experiment.created", .data = "{}"};
    assert_json(event_json(&e), "{\"revision\":5,\"time\":\"1970-01-01T00:00:01.000Z\",\"kind\":\"experiment.created\",\"project\":\"default\",\"experiment\":\"digits\","
                                "\"trial\":null,\"data\":{}}");
    e.trial = 4;
    json_t *of_trial = event_json(&e);
    assert_int_equal(json_integer_value(json_object_get(of_trial, "trial")), 4);
    json_decref(of_trial);
}

static void numbers_that_json_lacks_are_words(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.5, "0.5"}, {(double)NAN, "\"NaN\""}, {(double)INFINITY, "\"Infinity\""}, {-(double)INFINITY, "\"-Infinity\""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double back = 7;
        json_t *value = number_json(cases[i].value);
        assert_true(number_from_json(value, &back));
        assert_true(back == cases[i].value || (isnan(back) && isnan(cases[i].value)));
        assert_json(value, cases[i].text);
    }
    double out = 7;
    static const char *const wrong[] = {"nan", "inf", "1", ""};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        json_t *value = json_string(wrong[i]);
        assert_false(number_from_json(value, &out));
        json_decref(value);
    }
    assert_false(number_from_json(NULL, &out));
    assert_true(out == 7);
}

static void copies_own_their_strings(void **state)
{
    (void)state;
    char worker[] = "w1";
    double x[] = {0.25, 0.75};
    struct trial t = some_trial();
    t.worker = worker;
    t.x = x;
    t.n_x = 2;
    struct trial *copy = trial_copy(&t);
    worker[0] = '?';
    x[0] = 0;
    assert_string_equal(copy->worker, "w1");
    assert_true(copy->x[0] == 0.25 && copy->x[1] == 0.75 && copy->number == 12);
    trial_free(copy);
    struct experiment e = some_experiment(), *e2 = experiment_copy(&e);
    assert_true(e2->name != e.name && !strcmp(e2->name, e.name) && e2->counts[TRIAL_RUNNING] == 2);
    experiment_free(e2);
    struct attempt a = {.number = 1, .run_key = "k"}, *a2 = attempt_copy(&a);
    assert_string_equal(a2->run_key, "k");
    assert_string_equal(a2->worker, ""); /* NULL becomes "" */
    attempt_free(a2);
    trial_free(NULL);
    experiment_free(NULL);
    attempt_free(NULL);
}

static void a_message_may_hold_any_bytes(void **state)
{
    (void)state;
    struct trial t = some_trial();
    t.message = "caf\xc3\xa9 \xff\xc3 end";
    json_t *out = trial_json(&t);
    assert_string_equal(json_string_value(json_object_get(out, "message")), "caf\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd end");
    json_decref(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_trial_begins_with_its_number),
                                       cmocka_unit_test(an_experiment_counts_what_is_there_and_shows_its_file_on_demand),
                                       cmocka_unit_test(progress_and_eta_need_a_budget_and_ended_trials),
                                       cmocka_unit_test(other_nouns_have_their_members),
                                       cmocka_unit_test(numbers_that_json_lacks_are_words),
                                       cmocka_unit_test(copies_own_their_strings),
                                       cmocka_unit_test(a_message_may_hold_any_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
