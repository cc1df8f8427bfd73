/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which service a verb talks to, and with whose token: flag, context, environment, the one that runs here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/client.h"
#include "cli/context.h"
#include "cli/files.h"
#include "cli/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char home[] = "/tmp/hone-test-client.XXXXXX";

static void put(const char *name, const char *text)
{
    CLEANUP_FREE char *path = x_asprintf("%s/%s", home, name);
    assert_int_equal(file_write(path, text, 0600, NULL), OK);
}

static int setup(void **state)
{
    (void)state;
    static const char *const clean[] = {"HONE_URL", "HONE_TOKEN", "HONE_PROJECT", "HONE_CONFIG", "HONE_LISTEN"};
    if (!mkdtemp(home))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(clean); i++)
        (void)unsetenv(clean[i]);
    return setenv("XDG_CONFIG_HOME", home, 1) || setenv("HONE_DATA", home, 1);
}

static int teardown(void **state)
{
    (void)state;
    CLEANUP_FREE char *command = x_asprintf("rm -rf '%s'", home);
    return system(command);
}

static const char contexts[] = "current: lab\ncontexts:\n  lab: {url: \"http://lab:1\", project: vision}\n  other: {url: \"http://other:2\"}\n";

/* `server`: DATA/server.json names http://here:3, of a process that is alive (1), gone (2), or there is no such file (0). */
static void the_nearest_word_names_the_service(void **state)
{
    (void)state;
    static const struct {
        const char *line, *url_env;
        bool contexts;
        int server;
        const char *url, *project; /* url NULL: none is found */
    } cases[] = {
        {"get", NULL, false, 0, NULL, NULL},
        {"get", NULL, false, 1, "http://here:3", "default"},
        {"get", NULL, false, 2, NULL, NULL},
        {"get", NULL, true, 1, "http://lab:1", "vision"},
        {"get", "http://env:4", true, 1, "http://env:4", "default"},
        {"get --context other", "http://env:4", true, 1, "http://other:2", "default"},
        {"get --server http://flag:5 --context other", "http://env:4", true, 1, "http://flag:5", "default"},
        {"get -P mine", NULL, true, 0, "http://lab:1", "mine"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[128], info[128], *argv[8] = {NULL};
        int argc = 0;
        (void)snprintf(line, sizeof line, "%s", cases[i].line);
        for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
            argv[argc++] = word;
        (void)(cases[i].url_env ? setenv("HONE_URL", cases[i].url_env, 1) : unsetenv("HONE_URL"));
        put("hone/config.yaml", cases[i].contexts ? contexts : "");
        long long started = process_started(getpid()) + (cases[i].server == 2); /* another one, with the number of one that is gone */
        (void)snprintf(info, sizeof info, "{\"pid\": %ld, \"started\": %lld, \"url\": \"http://here:3\"}", (long)getpid(), started);
        put("server.json", cases[i].server ? info : "");

        struct cli cli = {.verb = verb_find("get")};
        struct error e = {0};
        assert_int_equal(args_parse(&cli.args, cli.verb->options, cli.verb->uses, argc, argv, NULL), OK);
        enum err rc = client_open(&cli, &e);
        if (!cases[i].url)
            assert_string_equal(e.name, "NO_SERVER");
        else if (rc || strcmp(cli.url, cases[i].url) != 0 || strcmp(cli.project, cases[i].project) != 0)
            fail_msg("case %zu: %s %s %s", i, e.detail, cli.url ? cli.url : "", cli.project ? cli.project : "");
        client_close(&cli);
        args_release(&cli.args);
    }
}

static void a_process_that_has_ended_is_gone_even_before_it_is_reaped(void **state)
{
    (void)state;
    assert_true(process_started(getpid()) > 0);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_started(child), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(process_started(child), 0);
}

static void contexts_are_kept_and_checked(void **state)
{
    (void)state;
    put("hone/config.yaml", contexts);
    json_t *file = contexts_load(NULL), *context;
    assert_int_equal(context_find(file, NULL, &context, NULL), OK);
    assert_string_equal(json_string_value(json_object_get(context, "url")), "http://lab:1");
    struct error e = {0};
    assert_int_equal(context_find(file, "othr", &context, &e), ERR_USAGE);
    assert_non_null(strstr(e.detail, "did you mean \"other\""));
    assert_int_equal(contexts_save(file, NULL), OK);
    json_t *again = contexts_load(NULL);
    assert_true(json_equal(file, again));
    json_decref(again);
    json_decref(file);

    static const char *const wrong[] = {"[1]", "curent: lab", "contexts: {lab: {ulr: x}}", "contexts: [", "contexts: 3"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        put("hone/config.yaml", wrong[i]);
        assert_null(contexts_load(&e));
        assert_non_null(strstr(e.detail, "config.yaml"));
    }
}

static void a_file_is_replaced_whole_with_its_mode(void **state)
{
    (void)state;
    CLEANUP_FREE char *path = x_asprintf("%s/a/b/secret", home);
    struct stat st;
    size_t len;
    assert_int_equal(file_write(path, "first and longer", 0600, NULL), OK);
    assert_int_equal(file_write(path, "second", 0600, NULL), OK);
    CLEANUP_FREE char *text = file_read(path, 100, &len, NULL);
    assert_string_equal(text, "second");
    assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    struct error e = {0};
    assert_null(file_read(path, 5, &len, &e));
    assert_string_equal(e.name, "FILE_TOO_LARGE");
    CLEANUP_FREE char *under = x_asprintf("%s/below-a-file", path);
    assert_int_equal(file_write(under, "x", 0600, &e), ERR_USAGE);
    assert_non_null(strstr(e.detail, under));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_names_the_service),
        cmocka_unit_test(a_process_that_has_ended_is_gone_even_before_it_is_reaped),
        cmocka_unit_test(contexts_are_kept_and_checked),
        cmocka_unit_test(a_file_is_replaced_whole_with_its_mode),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
