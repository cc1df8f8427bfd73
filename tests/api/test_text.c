/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api/text.c: JSON written straight to a buffer says what the trees of model/nouns.h say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text.h"

#include <math.h>
#include <string.h>

static void numbers_are_short_and_read_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"}, {1, "1.0"}, {-2.5, "-2.5"}, {1e300, "1e+300"}, {0, "0.0"}, {NAN, "\"NaN\""}, {-INFINITY, "\"-Infinity\""}, {1.0 / 3, "0.3333333333333333"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT;
        text_number(&b, cases[i].value);
        assert_string_equal(b.data, cases[i].text);
        buf_release(&b);
    }
    uint64_t bits = 1;
    for (int i = 0; i < 10000; i++) {
        double value, back;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        struct buf b = BUF_INIT;
        text_number(&b, value);
        back = strtod(b.data, NULL);
        assert_memory_equal(&back, &value, sizeof value);
        buf_release(&b);
    }
}

static void integers_reach_both_ends(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT;
        text_int(&b, cases[i].value);
        assert_string_equal(b.data, cases[i].text);
        buf_release(&b);
    }
}

static void strings_are_json_whatever_bytes_they_hold(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"a\"b\\c", "\"a\\\"b\\\\c\""},
                 {"\n\x01", "\"\\n\\u0001\""},
                 {"gr\xC3\xBC\xC3\x9F", "\"gr\xC3\xBC\xC3\x9F\""},
                 {"\xC3", "\"\xEF\xBF\xBD\""},
                 {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
                 {"\xF0\x9F\x99\x82", "\"\xF0\x9F\x99\x82\""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT;
        text_string(&b, cases[i].bytes);
        assert_string_equal(b.data, cases[i].text);
        json_t *value = json_loads(b.data, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        json_decref(value);
        buf_release(&b);
    }
}

static const struct trial a_trial = {.number = 7,
                                     .state = TRIAL_PRUNED,
                                     .reason = "STOPPER",
                                     .message = "worse than the median \xFF",
                                     .params = "{\"lr\":0.1,\"act\":\"relu\"}",
                                     .objective = 0.25,
                                     .objective_se = NAN,
                                     .rank = NAN,
                                     .metrics = "{\"loss\":0.25,\"bad\":\"NaN\"}",
                                     .attempt = 2,
                                     .worker = "w\"1",
                                     .origin = "{\"by\":\"gp\"}",
                                     .labels = "{}",
                                     .note = "",
                                     .progress = 0.5,
                                     .revision = 99,
                                     .create_ms = 1700000000123,
                                     .start_ms = 1700000001000};

static const struct attempt an_attempt = {.number = 2, .state = TRIAL_LOST, .reason = "LEASE", .message = "", .run_key = "h-1", .worker = "w", .exit_code = -1, .signal = 9, .create_ms = 5};
static const struct measurement a_measurement = {.metric = "loss", .step = 3, .attempt = 1, .time_ms = 1700000000000, .value = INFINITY};
static const struct event an_event = {.revision = 12, .time_ms = 1700000000000, .trial = 0, .project = "default", .experiment = "e", .kind = "experiment.created", .data = "{\"a\":1}"};

static void same(struct buf *text, json_t *tree)
{
    json_t *read = json_loads(text->data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(read);
    if (!json_equal(read, tree)) {
        char *expected = json_dumps(tree, JSON_COMPACT);
        print_error("%s\n%s\n", text->data, expected);
        free(expected);
        fail_msg("the text differs from the tree");
    }
    json_decref(read);
    json_decref(tree);
    buf_release(text);
}

static void text_and_tree_say_the_same(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    text_trial(&b, &a_trial, FIELDS_ALL);
    same(&b, trial_json(&a_trial));
    text_attempt(&b, &an_attempt);
    same(&b, attempt_json(&an_attempt));
    text_measurement(&b, &a_measurement);
    same(&b, measurement_json(&a_measurement));
    text_event(&b, &an_event);
    same(&b, event_json(&an_event));
    json_t *tree = json_loads("{\"a\":[1,2.5,null,true,{\"b\":[]},{}],\"c\":\"\\u00fc\"}", 0, NULL);
    text_json(&b, tree);
    same(&b, tree);
}

static void fields_pick_members(void **state)
{
    (void)state;
    unsigned fields = FIELDS_ALL;
    struct error error;
    struct buf b = BUF_INIT;
    assert_int_equal(text_fields("", &fields, &error), OK);
    assert_int_equal(fields, FIELDS_ALL);
    assert_int_equal(text_fields("number,objective,params", &fields, &error), OK);
    text_trial(&b, &a_trial, fields);
    assert_string_equal(b.data, "{\"number\":7,\"params\":{\"lr\":0.1,\"act\":\"relu\"},\"objective\":0.25}");
    buf_release(&b);
    assert_int_equal(text_fields("number,colour", &fields, &error), ERR_INVALID);
    assert_non_null(strstr(error.detail, "colour"));
}

static void members_are_walked_as_written(void **state)
{
    (void)state;
    const char *at = "{\"a\\\"b\":\"x,}\\\"\",\"c\":[1,{\"d\":2}],\"e\":-1e5}", *name, *value;
    static const char *const names[] = {"a\\\"b", "c", "e"}, *const values[] = {"\"x,}\\\"\"", "[1,{\"d\":2}]", "-1e5"};
    size_t name_len, value_len, i = 0;
    while (text_member(&at, &name, &name_len, &value, &value_len)) {
        assert_true(i < ARRAY_LEN(names));
        assert_int_equal(name_len, strlen(names[i]));
        assert_memory_equal(name, names[i], name_len);
        assert_int_equal(value_len, strlen(values[i]));
        assert_memory_equal(value, values[i], value_len);
        i++;
    }
    assert_int_equal(i, ARRAY_LEN(names));
    at = "{}";
    assert_false(text_member(&at, &name, &name_len, &value, &value_len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_short_and_read_back),
        cmocka_unit_test(integers_reach_both_ends),
        cmocka_unit_test(strings_are_json_whatever_bytes_they_hold),
        cmocka_unit_test(text_and_tree_say_the_same),
        cmocka_unit_test(fields_pick_members),
        cmocka_unit_test(members_are_walked_as_written),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
