/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The line that tells how an experiment goes, and the exit code it ends with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/follow.h"
#include "cli/progress.h"

#include <string.h>

static void the_line_says_what_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *experiment, *line;
    } cases[] = {
        {"{}", "0 done"},
        {"{\"counts\": {\"SUCCEEDED\": 12, \"RUNNING\": 2}, \"spec\": {\"trials\": {\"max\": 40}}, \"best\": {\"number\": 7, \"value\": 0.98613},"
         " \"eta_seconds\": 42, \"state\": \"RUNNING\"}",
         "12/40 done · 2 running · best 0.98613 (#7) · ETA 0:42"},
        {"{\"counts\": {\"SUCCEEDED\": 3, \"PRUNED\": 2, \"FAILED\": 1, \"LOST\": 1, \"STARTING\": 1, \"STOPPING\": 1, \"QUEUED\": 5}, \"best\": null,"
         " \"eta_seconds\": null, \"state\": \"PAUSED\"}",
         "7 done · 2 running · 2 pruned · 2 failed · PAUSED"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *e = json_loads(cases[i].experiment, 0, NULL);
        char line[PROGRESS_TEXT];
        progress_text(e, line);
        assert_string_equal(line, cases[i].line);
        json_decref(e);
    }
}

static void a_line_never_outgrows_its_room(void **state)
{
    (void)state;
    char name[2 * PROGRESS_TEXT];
    memset(name, 'X', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    json_t *e = json_pack("{s:s}", "state", name);
    char line[PROGRESS_TEXT];
    progress_text(e, line);
    assert_true(strlen(line) < PROGRESS_TEXT);
    assert_memory_equal(line, "0 done", 6);
    json_decref(e);
}

static void only_success_with_a_best_trial_ends_with_0(void **state)
{
    (void)state;
    static const struct {
        const char *experiment;
        int code;
    } cases[] = {
        {"{\"state\": \"SUCCEEDED\", \"best\": {\"number\": 3, \"value\": 1.5}}", 0},
        {"{\"state\": \"SUCCEEDED\", \"best\": null}", EXIT_UNSUCCESSFUL},
        {"{\"state\": \"FAILED\", \"best\": {\"number\": 3, \"value\": 1.5}}", EXIT_UNSUCCESSFUL},
        {"{\"state\": \"CANCELLED\", \"best\": {\"number\": 3, \"value\": 1.5}}", EXIT_UNSUCCESSFUL},
        {"{}", EXIT_UNSUCCESSFUL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *e = json_loads(cases[i].experiment, 0, NULL);
        assert_int_equal(exit_of_experiment(e), cases[i].code);
        json_decref(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_says_what_is_known),
        cmocka_unit_test(a_line_never_outgrows_its_room),
        cmocka_unit_test(only_success_with_a_best_trial_ends_with_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
