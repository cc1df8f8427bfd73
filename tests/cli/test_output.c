/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What scripts read: csv, names, and parameters for shells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/output.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char printed[4096];
static FILE *capture;
static int kept;

static void begin(void)
{
    (void)fflush(stdout);
    capture = tmpfile();
    kept = dup(STDOUT_FILENO);
    assert_true(capture && kept >= 0 && dup2(fileno(capture), STDOUT_FILENO) >= 0);
}

static const char *end(void)
{
    (void)fflush(stdout);
    (void)dup2(kept, STDOUT_FILENO);
    (void)close(kept);
    rewind(capture);
    printed[fread(printed, 1, sizeof printed - 1, capture)] = '\0';
    (void)fclose(capture);
    return printed;
}

static const struct column columns[] = {{"TRIAL", "number", false}, {"STATE", "state", false}, {"", "params.*", false}, {"NOTE", "note", true}, {NULL, NULL, false}};

static void rows_have_the_look_asked_for(void **state)
{
    (void)state;
    static const struct {
        enum output_format format;
        const char *text;
    } cases[] = {
        {OUT_TABLE, "TRIAL  STATE          lr  act\n    1  SUCCEEDED     0.1  -\n    2  FAILED     1e-300  re,lu\n"},
        {OUT_WIDE, "TRIAL  STATE          lr  act    NOTE\n    1  SUCCEEDED     0.1  -      he said \"no\"\n    2  FAILED     1e-300  re,lu  -\n"},
        {OUT_CSV, "number,state,params.lr,params.act,note\r\n1,SUCCEEDED,0.1,,\"he said \"\"no\"\"\"\r\n2,FAILED,1e-300,\"re,lu\",\r\n"},
        {OUT_NAME, "1\n2\n"},
        {OUT_JSONL, "{\"number\":1,\"state\":\"SUCCEEDED\",\"params\":{\"lr\":0.10000000000000001},\"note\":\"he said \\\"no\\\"\"}\n"
                    "{\"number\":2,\"state\":\"FAILED\",\"params\":{\"lr\":1e-300,\"act\":\"re,lu\"},\"note\":null}\n"},
    };
    json_t *rows = json_loads("[{\"number\": 1, \"state\": \"SUCCEEDED\", \"params\": {\"lr\": 0.1}, \"note\": \"he said \\\"no\\\"\"},"
                              " {\"number\": 2, \"state\": \"FAILED\", \"params\": {\"lr\": 1e-300, \"act\": \"re,lu\"}, \"note\": null}]",
                              0, NULL);
    const struct verb verb = {.name = "get"};
    const struct cli cli = {.verb = &verb};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin();
        output_rows(&cli, cases[i].format, columns, "number", rows);
        assert_string_equal(end(), cases[i].text);
    }
    json_decref(rows);
}

/* The shell itself says whether the quoting is right. */
static void parameters_pass_a_shell_unharmed(void **state)
{
    (void)state;
    static const char *const values[] = {"plain", "two words", "it's", "$(touch /tmp/never) `id` \"x\" \\n", "", "-1", "*", "a\nb", "caf\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        json_t *params = json_pack("{s:s}", "my.name", values[i]);
        begin();
        output_params(OUT_ENV, params);
        CLEANUP_FREE char *env = x_strdup(end());
        begin();
        output_params(OUT_ARGS, params);
        CLEANUP_FREE char *args = x_strdup(end());
        json_decref(params);
        CLEANUP_FREE char *script = x_asprintf("%sprintf '%%s.' \"$HONE_PARAM_MY_NAME\"\nset -- %sprintf '%%s.' \"$@\"\n", env, args);
        assert_int_equal(setenv("SCRIPT", script, 1), 0);
        FILE *shell = popen("sh -c \"$SCRIPT\"", "r");
        char got[512];
        got[fread(got, 1, sizeof got - 1, shell)] = '\0';
        assert_int_equal(pclose(shell), 0);
        CLEANUP_FREE char *expected = x_asprintf("%s.--my.name.%s.", values[i], values[i]);
        assert_string_equal(got, expected);
    }
}

static void numbers_for_shells_lose_nothing(void **state)
{
    (void)state;
    json_t *params = json_loads("{\"lr\": 0.1, \"n\": 64, \"flag\": true, \"third\": 0.33333333333333331}", 0, NULL);
    begin();
    output_params(OUT_ARGS, params);
    assert_string_equal(end(), "--lr 0.1 --n 64 --flag true --third 0.3333333333333333\n");
    json_decref(params);
}

static void a_dotted_path_finds_names_that_hold_dots(void **state)
{
    (void)state;
    json_t *object = json_loads("{\"params\": {\"a.b\": 1, \"a\": {\"c\": 2}}, \"x.y\": {\"z\": 3}}", 0, NULL);
    static const struct {
        const char *path;
        int value;
    } cases[] = {{"params.a.b", 1}, {"params.a.c", 2}, {"x.y.z", 3}, {"params.nothing", 0}, {"", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(json_integer_value(json_at(object, cases[i].path)), cases[i].value);
    json_decref(object);
}

int main(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_the_look_asked_for),
        cmocka_unit_test(parameters_pass_a_shell_unharmed),
        cmocka_unit_test(numbers_for_shells_lose_nothing),
        cmocka_unit_test(a_dotted_path_finds_names_that_hold_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
