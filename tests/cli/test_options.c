/* SPDX-License-Identifier: GPL-3.0-or-later */
/* argv to options and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/options.h"
#include "config.h"

#include <string.h>

static const struct option_row own[] = {
    {"trials", 'n', OPT_INT, "N", "how many"},        {"goal", 0, OPT_NUMBER, "X", "goal"}, {"timeout", 0, OPT_DURATION, "TIME", "time"},
    {"param", 'p', OPT_MANY, "NAME=RANGE", "several"}, {"force", 'f', OPT_FLAG, NULL, "flag"}, {0},
};

#define ARGV_MAX 20

/* Splits at single spaces, as a shell would. */
static enum err parse(struct args *a, unsigned uses, const char *line, struct error *error)
{
    static char copy[256];
    static char *argv[ARGV_MAX + 1];
    int argc = 0;
    (void)strncpy(copy, line, sizeof copy - 1);
    for (char *word = strtok(copy, " "); word && argc < ARGV_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return args_parse(a, own, uses, argc, argv, error);
}

static void options_and_words_may_be_mixed(void **state)
{
    (void)state;
    static const char *const lines[] = {"run a.yaml -n 3 b.yaml --goal -0.5 -f", "run -n3 a.yaml --goal=-0.5 --force b.yaml", "run -fn 3 --goal -0.5 -- a.yaml b.yaml",
                                        "run -n 7 --trials 3 a.yaml --goal 1 --goal -0.5 -f -f b.yaml"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct args a;
        assert_int_equal(parse(&a, 0, lines[i], NULL), OK);
        assert_int_equal(args_int(&a, "trials", 0), 3);
        assert_true(args_number(&a, "goal", 0) == -0.5);
        assert_true(args_has(&a, "force") && !args_has(&a, "quiet"));
        assert_int_equal(a.n_words, 2);
        assert_string_equal(a.words[0], "a.yaml");
        assert_string_equal(a.words[1], "b.yaml");
        args_release(&a);
    }
}

static void what_was_not_given_has_its_default(void **state)
{
    (void)state;
    struct args a;
    assert_int_equal(parse(&a, USES_SERVER | USES_OUTPUT | USES_LIST, "get", NULL), OK);
    assert_int_equal(args_int(&a, "trials", 42), 42);
    assert_true(args_seconds(&a, "timeout", 1.5) == 1.5);
    assert_null(args_text(&a, "server"));
    assert_null(args_text(&a, "output"));
    assert_int_equal(a.n_words, 0);
    args_release(&a);
}

static void an_option_may_come_several_times(void **state)
{
    (void)state;
    struct args a;
    assert_int_equal(parse(&a, 0, "tune -p a=1..2 --param b=x,y -pc=bool", NULL), OK);
    static const char *const expected[] = {"a=1..2", "b=x,y", "c=bool"};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(args_nth(&a, "param", i), expected[i]);
    assert_null(args_nth(&a, "param", ARRAY_LEN(expected)));
    args_release(&a);
}

static void a_command_behind_the_dashes_is_left_alone(void **state)
{
    (void)state;
    struct args a;
    assert_int_equal(parse(&a, USES_REST, "tune -n 3 -- train --lr {lr} -n 9 --", NULL), OK);
    assert_int_equal(args_int(&a, "trials", 0), 3);
    assert_int_equal(a.n_rest, 6);
    assert_string_equal(a.rest[0], "train");
    assert_string_equal(a.rest[3], "-n");
    assert_string_equal(a.rest[5], "--");
    assert_null(a.rest[6]);
    args_release(&a);
}

static void durations_are_read_as_in_files(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        double seconds;
    } cases[] = {{"wait --timeout 90", 90}, {"wait --timeout 1.5", 1.5}, {"wait --timeout 30m", 1800}, {"wait --timeout 1h30m", 5400}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct args a;
        assert_int_equal(parse(&a, 0, cases[i].line, NULL), OK);
        assert_true(args_seconds(&a, "timeout", 0) == cases[i].seconds);
        args_release(&a);
    }
}

static void a_mistake_is_named_and_guessed(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"run --trails 3", "--trails (did you mean --trials?)"},
        {"run -x", "no option -x"},
        {"run -fx", "no option -x"},
        {"run --zzzzzz=1", "no option --zzzzzz"},
        {"run --trials", "--trials needs a value"},
        {"run -n", "-n needs a value"},
        {"run --force=yes", "--force takes no value"},
        {"run -n many", "--trials: \"many\" is not a whole number"},
        {"run -n 3.5", "is not a whole number"},
        {"run --goal x", "is not a number"},
        {"run --goal inf", "is not a number"},
        {"run --timeout soon", "is not a duration"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct args a;
        struct error e = {0};
        assert_int_equal(parse(&a, 0, cases[i].line, &e), ERR_USAGE);
        if (!strstr(e.detail, cases[i].says))
            fail_msg("%s: %s", cases[i].line, e.detail);
        args_release(&a);
    }
}

static void settings_are_options_in_the_order_of_the_table(void **state)
{
    (void)state;
    struct args a;
    const char *flags[CONFIG_COUNT];
    assert_int_equal(parse(&a, USES_SETTINGS, "serve --listen 127.0.0.1:0 --no-auth --insecure-listen --http-threads 3", NULL), OK);
    args_settings(&a, flags);
    assert_string_equal(flags[CONFIG_listen], "127.0.0.1:0");
    assert_string_equal(flags[CONFIG_auth], "false"); /* on by default, so its option turns it off */
    assert_string_equal(flags[CONFIG_insecure_listen], "true");
    assert_string_equal(flags[CONFIG_http_threads], "3");
    assert_null(flags[CONFIG_data]);
    args_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_may_be_mixed),          cmocka_unit_test(what_was_not_given_has_its_default),
        cmocka_unit_test(an_option_may_come_several_times),        cmocka_unit_test(a_command_behind_the_dashes_is_left_alone),
        cmocka_unit_test(durations_are_read_as_in_files),          cmocka_unit_test(a_mistake_is_named_and_guessed),
        cmocka_unit_test(settings_are_options_in_the_order_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
