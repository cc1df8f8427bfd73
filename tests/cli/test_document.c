/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `hone tune` as a file, flags put into a file, and where its commands run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/client.h"
#include "cli/document.h"
#include "cli/verbs.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define ARGV_MAX 40

static enum err parse(struct args *a, const char *line, struct error *error)
{
    static char copy[512];
    static char *argv[ARGV_MAX + 1];
    const struct verb *tune = verb_find("tune");
    int argc = 0;
    (void)strncpy(copy, line, sizeof copy - 1);
    for (char *word = strtok(copy, " "); word && argc < ARGV_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return args_parse(a, tune->options, tune->uses, argc, argv, error);
}

static void flags_make_a_whole_file(void **state)
{
    (void)state;
    static const struct {
        const char *line, *json;
    } cases[] = {
        {"tune -p lr=1e-5..1e-1:log -p act=relu,tanh --minimize loss -n 50 -j 2 -- python3 train.py --lr {lr}",
         "{\"parameters\": {\"lr\": {\"type\": \"float\", \"min\": 1e-5, \"max\": 0.1, \"scale\": \"log\"}, \"act\": {\"type\": \"categorical\", \"values\": [\"relu\", \"tanh\"]}},"
         " \"objective\": {\"metric\": \"loss\", \"direction\": \"minimize\"}, \"trials\": {\"max\": 50, \"parallel\": 2},"
         " \"run\": {\"command\": [\"python3\", \"train.py\", \"--lr\", \"{lr}\"]}}"},
        {"tune -p x=0..1 --maximize acc --minimize size --goal 0.9 --algorithm sobol --stopping median --constraint x<1 --timeout 1h --trial-timeout 30 --retries 1"
         " --max-failed 3 --seed 7 --name t --metrics file:m.json -- ./run",
         "{\"name\": \"t\", \"seed\": 7, \"parameters\": {\"x\": {\"type\": \"float\", \"min\": 0.0, \"max\": 1.0}},"
         " \"objectives\": [{\"metric\": \"acc\", \"direction\": \"maximize\", \"goal\": 0.9}, {\"metric\": \"size\", \"direction\": \"minimize\"}],"
         " \"algorithm\": \"sobol\", \"stopping\": \"median\", \"constraints\": [\"x<1\"], \"limits\": {\"time\": 3600.0, \"trial_time\": 30.0},"
         " \"trials\": {\"max\": 20, \"max_failed\": 3}, \"run\": {\"command\": [\"./run\"], \"retries\": 1, \"metrics\": {\"from\": \"file\", \"path\": \"m.json\"}}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct args a;
        assert_int_equal(parse(&a, cases[i].line, NULL), OK);
        json_t *made = document_of_flags(&a, NULL), *expected = json_loads(cases[i].json, 0, NULL);
        assert_non_null(expected);
        CLEANUP_FREE char *text = json_dumps(made, JSON_COMPACT);
        if (!json_equal(made, expected))
            fail_msg("%s\n%s", cases[i].line, text);
        json_decref(made);
        json_decref(expected);
        args_release(&a);
    }
}

static void what_is_missing_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"tune -p x=0..1 --minimize loss", "command behind --"},
        {"tune --minimize loss -- ./run", "needs a parameter"},
        {"tune -p x=0..1 -- ./run", "--minimize METRIC"},
        {"tune -p x=0..1 -p x=0..2 --minimize loss -- ./run", "x stands there twice"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct args a;
        struct error e = {0};
        assert_int_equal(parse(&a, cases[i].line, NULL), OK);
        assert_null(document_of_flags(&a, &e));
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.detail, cases[i].says));
        args_release(&a);
    }
}

static void commands_run_where_their_file_lies(void **state)
{
    (void)state;
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    static const struct {
        const char *run, *path, *below; /* below: of the working directory; NULL = no cwd is set */
    } cases[] = {
        {"{\"command\": [\"x\"]}", "./", ""},
        {"{\"command\": [\"x\"]}", "src/a.yaml", "/src"},
        {"{\"command\": [\"x\"], \"cwd\": \"sub\"}", "src/a.yaml", "/src/sub"},
        {"{\"backend\": \"other\"}", "src/a.yaml", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *document = json_pack("{s:o}", "run", json_loads(cases[i].run, 0, NULL));
        document_place(document, cases[i].path);
        const char *cwd = json_string_value(json_object_get(json_object_get(document, "run"), "cwd"));
        CLEANUP_FREE char *expected = cases[i].below ? x_asprintf("%s%s", here, cases[i].below) : NULL;
        assert_int_equal(cwd == NULL, expected == NULL);
        if (cwd)
            assert_string_equal(cwd, expected);
        json_decref(document);
    }
    json_t *absolute = json_loads("{\"run\": {\"cwd\": \"/data\"}}", 0, NULL);
    document_place(absolute, "src/a.yaml");
    assert_string_equal(json_string_value(json_object_get(json_object_get(absolute, "run"), "cwd")), "/data");
    json_decref(absolute);
}

static void words_name_experiments_and_trials(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        unsigned may;
        const char *path; /* NULL: refused */
    } cases[] = {
        {"digits", MAY_EXPERIMENT, "/api/v1/projects/a%20b/experiments/digits:stop"},
        {"digits/12", MAY_EXPERIMENT | MAY_TRIAL, "/api/v1/projects/a%20b/experiments/digits/trials/12:stop"},
        {"d?/7", MAY_TRIAL, "/api/v1/projects/a%20b/experiments/d%3F/trials/7:stop"},
        {"digits/12", MAY_EXPERIMENT, NULL},
        {"digits", MAY_TRIAL, NULL},
        {"digits/", MAY_TRIAL, NULL},
        {"/3", MAY_TRIAL, NULL},
        {"digits/0", MAY_TRIAL, NULL},
        {"digits/1x", MAY_TRIAL, NULL},
        {"digits/12345678901234567890", MAY_TRIAL, NULL},
        {"", MAY_EXPERIMENT, NULL},
    };
    char project[] = "a b";
    struct cli cli = {.project = project};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error e = {0};
        CLEANUP_FREE char *path = object_path(&cli, cases[i].word, cases[i].may, ":stop", &e);
        assert_int_equal(path == NULL, cases[i].path == NULL);
        if (path)
            assert_string_equal(path, cases[i].path);
        else
            assert_int_equal(e.code, ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_make_a_whole_file),
        cmocka_unit_test(what_is_missing_is_asked_for),
        cmocka_unit_test(commands_run_where_their_file_lies),
        cmocka_unit_test(words_name_experiments_and_trials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
