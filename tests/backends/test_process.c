/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The process backend, against real processes: how they end, what they are given, what is kept of them, and that nothing is lost when the
 * service or hone-run is killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/process.h"
#include "base/mem.h"
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "h-abcdefgh-1-1"
#define SH(script) "{\"command\": [\"sh\", \"-c\", \"" script "\"]}"

struct fixture {
    char *dir;
    struct host *host;
};

static int setup(void **state)
{
    struct fixture *f = X_NEW(struct fixture);
    f->dir = make_temp_dir();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->host)
        host_close(f->host);
    dir_remove(f->dir);
    free(f->dir);
    free(f);
    return 0;
}

static struct host *open_host(void **state)
{
    struct fixture *f = *state;
    f->host = host_open(&backend_process, f->dir);
    return f->host;
}

static char *path_in(void **state, const char *rest)
{
    struct fixture *f = *state;
    char *base = realpath(f->dir, NULL), *path = x_asprintf("%s/process/%s", base, rest);
    free(base);
    return path;
}

static char *read_all(const char *path)
{
    struct buf b = BUF_INIT;
    char data[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && (n = read(fd, data, sizeof data)) > 0;)
        buf_add(&b, data, (size_t)n);
    if (fd >= 0)
        (void)close(fd);
    return buf_take(&b);
}

static bool is_there(const void *path)
{
    struct stat s;
    return !lstat(path, &s);
}

static bool has_bytes(const void *path)
{
    struct stat s;
    return !stat(path, &s) && s.st_size > 0;
}

/* A process that waits to be reaped by a parent of its own is gone as well. */
static bool is_gone(const void *pid_text)
{
    char path[64], state = 'Z';
    (void)snprintf(path, sizeof path, "/proc/%d/stat", atoi(pid_text));
    char *stat_line CLEANUP_FREE = read_all(path);
    const char *end = strrchr(stat_line, ')');
    if (end)
        (void)sscanf(end, ") %c", &state);
    return state == 'Z' || state == 'X';
}

/* --- how a run ends */

static void each_end_has_its_cause(void **state)
{
    static const struct {
        const char *name, *run;
        enum backend_phase phase;
        enum backend_cause cause;
        int exit_code, signal;
        const char *reason, *message;
    } cases[] = {
        {"success", SH("exit 0"), PHASE_SUCCEEDED, CAUSE_NONE, 0, -1, "", ""},
        {"exit code", SH("exit 3"), PHASE_FAILED, CAUSE_USER, 3, -1, "EXIT_CODE", "exit code 3"},
        {"a code that counts as success", "{\"command\": [\"sh\", \"-c\", \"exit 3\"], \"success_codes\": [0, 3]}", PHASE_SUCCEEDED, CAUSE_NONE, 3, -1, "", ""},
        {"127 of a shell is the trial's own", SH("exit 127"), PHASE_FAILED, CAUSE_USER, 127, -1, "EXIT_CODE", "exit code 127"},
        {"signal", SH("kill -SEGV $$"), PHASE_FAILED, CAUSE_USER, -1, SIGSEGV, "SIGNAL", "SIGSEGV"},
        {"killed", SH("kill -KILL $$"), PHASE_FAILED, CAUSE_USER, -1, SIGKILL, "SIGNAL", "SIGKILL"},
        {"terminated by others", SH("kill -TERM $$"), PHASE_FAILED, CAUSE_USER, -1, SIGTERM, "SIGNAL", "SIGTERM"},
        {"no such program", "{\"command\": [\"no-such-program\"]}", PHASE_FAILED, CAUSE_INVALID, 127, -1, "CANNOT_RUN", "cannot run 'no-such-program': No such file"},
        {"not executable", "{\"command\": [\"/etc/passwd\"]}", PHASE_FAILED, CAUSE_INVALID, 127, -1, "CANNOT_RUN", "cannot run '/etc/passwd': Permission denied"},
        {"no such directory", "{\"command\": [\"true\"], \"cwd\": \"/no/such/place\"}", PHASE_FAILED, CAUSE_INVALID, 127, -1, "CANNOT_RUN", "run.cwd: No such file"},
        {"too large a file", "{\"command\": [\"sh\", \"-c\", \"exec head -c 10000 /dev/zero > big\"], \"limits\": {\"file_size\": 4096}}", PHASE_FAILED, CAUSE_USER, -1, SIGXFSZ, "SIGNAL",
         "file_size"},
        {"too much CPU", "{\"command\": [\"sh\", \"-c\", \"while :; do :; done\"], \"limits\": {\"cpu_time\": 1}}", PHASE_FAILED, CAUSE_USER, -1, SIGXCPU, "SIGNAL", "cpu_time"},
    };
    struct host *h = open_host(state);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *key CLEANUP_FREE = x_asprintf("h-abcdefgh-%zu-1", i + 1);
        const struct backend_status *s = &host_run(h, key, cases[i].run)->status;
        if (s->phase != cases[i].phase || s->cause != cases[i].cause || s->exit_code != cases[i].exit_code || s->signal != cases[i].signal ||
            strcmp(s->reason, cases[i].reason) != 0 || !strstr(s->message, cases[i].message))
            fail_msg("%s: phase %d, cause %d, code %d, signal %d, %s: %s", cases[i].name, s->phase, s->cause, s->exit_code, s->signal, s->reason, s->message);
        assert_true(s->start_ms > 0 && s->end_ms >= s->start_ms);
    }
}

static void the_time_limit_ends_what_ignores_sigterm(void **state)
{
    struct host *h = open_host(state);
    assert_int_equal(host_submit(h, KEY, "{\"command\": [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"], \"grace\": 0.2}", "", 0.3, NULL), OK);
    const struct backend_status *s = &host_await_final(h, KEY)->status;
    assert_int_equal(s->phase, PHASE_FAILED);
    assert_int_equal(s->cause, CAUSE_TIMEOUT);
    assert_string_equal(s->reason, "TIMEOUT");
    assert_non_null(strstr(s->message, "0.3 s"));
}

#define ESCAPES "trap '' TERM; (setsid sh -c 'trap \\\"\\\" TERM; (setsid env -i /bin/sh -c \\\"echo \\\\$\\\\$ > pid2; exec sleep 1000\\\" &); echo $$ > pid1; while :; do sleep 1; done' &); "

static void the_whole_tree_is_killed(void **state)
{
    struct host *h = open_host(state);
    char *pid1 CLEANUP_FREE = path_in(state, KEY "/work/pid1"), *pid2 CLEANUP_FREE = path_in(state, KEY "/work/pid2");
    assert_int_equal(host_submit(h, KEY, SH(ESCAPES "while :; do sleep 1; done"), "", 0, NULL), OK);
    await(has_bytes, pid1);
    await(has_bytes, pid2);
    char *first CLEANUP_FREE = read_all(pid1), *second CLEANUP_FREE = read_all(pid2);
    assert_false(is_gone(first) || is_gone(second));
    assert_int_equal(backend_process.cancel(h->conn, KEY, 0.1, NULL), OK);
    assert_int_equal(host_await_final(h, KEY)->status.phase, PHASE_STOPPED);
    assert_true(is_gone(first) && is_gone(second));
}

static void what_a_command_leaves_behind_is_killed(void **state)
{
    struct host *h = open_host(state);
    char *pid1 CLEANUP_FREE = path_in(state, KEY "/work/pid1"), *pid2 CLEANUP_FREE = path_in(state, KEY "/work/pid2");
    struct told *t = host_run(h, KEY, SH(ESCAPES "while [ ! -s pid1 ] || [ ! -s pid2 ]; do sleep 0.01; done; echo loss=0.5"));
    assert_int_equal(t->status.phase, PHASE_SUCCEEDED);
    assert_string_equal(t->output.data, "loss=0.5\n");
    char *first CLEANUP_FREE = read_all(pid1), *second CLEANUP_FREE = read_all(pid2);
    assert_true(atoi(first) > 1 && is_gone(first) && atoi(second) > 1 && is_gone(second));
}

static void a_cancel_right_after_the_submit_is_not_lost(void **state)
{
    struct host *h = open_host(state);
    for (int i = 1; i <= 20; i++) {
        char *key CLEANUP_FREE = x_asprintf("h-abcdefgh-%d-1", i);
        assert_int_equal(host_submit(h, key, SH("sleep 1000"), "", 0, NULL), OK);
        assert_int_equal(backend_process.cancel(h->conn, key, 10, NULL), OK);
        assert_int_equal(host_await_final(h, key)->status.phase, PHASE_STOPPED);
    }
    assert_int_equal(backend_process.cancel(h->conn, "h-abcdefgh-1-1", 1, NULL), OK); /* over */
    assert_int_equal(backend_process.cancel(h->conn, "h-unknown-1-1", 1, NULL), OK);
}

static void a_trial_may_use_its_grace(void **state)
{
    struct host *h = open_host(state);
    assert_int_equal(host_submit(h, KEY, SH("trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"), "", 0, NULL), OK);
    (void)host_await_output(h, KEY, "ready");
    assert_int_equal(backend_process.cancel(h->conn, KEY, 60, NULL), OK);
    struct told *t = host_await_final(h, KEY);
    assert_int_equal(t->status.phase, PHASE_STOPPED);
    assert_string_equal(t->output.data, "ready\nsaved\n");
}

/* --- what it is given */

static void a_trial_finds_its_environment(void **state)
{
    struct host *h = open_host(state);
    (void)setenv("HONE_SECRET_SETTING", "x", 1);
    struct told *t = host_run(h, KEY, "{\"command\": [\"sh\", \"-c\", \"env; cat $HONE_PARAMS_FILE; echo; pwd; ls -d $HONE_CHECKPOINT_DIR $HONE_ARTIFACT_DIR; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l\"],"
                                      " \"env\": {\"RATE\": \"{lr}\", \"LANG\": \"xx\"}}");
    (void)unsetenv("HONE_SECRET_SETTING");
    char *work CLEANUP_FREE = path_in(state, KEY "/work");
    char *lines[] = {x_strdup("HONE_URL=http://127.0.0.1:1"), x_strdup("HONE_TOKEN=secret"), x_strdup("HONE_PROJECT=default"), x_strdup("HONE_EXPERIMENT=digits"),
                     x_strdup("HONE_TRIAL=1"), x_strdup("HONE_ATTEMPT=1"), x_strdup("HONE_REPLICATE=0"), x_strdup("HONE_SEED=42"), x_strdup("HONE_PARAM_LR=0.1"), x_strdup("HONE_PARAMS={\"lr\":0.1,\"name\":\"it's; $HOME\"}"),
                     x_strdup("HONE_PARAM_NAME=it's; $HOME"), x_strdup("HONE_RESUME=0"), x_strdup("KATIB_TRIAL_NAME=digits-1"), x_strdup("RATE=0.1"), x_strdup("LANG=xx"),
                     x_asprintf("PATH=%s", getenv("PATH")), x_asprintf("HONE_WORK_DIR=%s", work), x_strdup(work), x_strdup("/dev/null"), x_strdup("4") /* ls has its own */};
    char *output CLEANUP_FREE = x_asprintf("\n%s", t->output.data); /* the first line may be any of them */
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char *whole CLEANUP_FREE = x_asprintf("\n%s\n", lines[i]);
        if (!strstr(output, whole))
            fail_msg("no line %s in %s", lines[i], output);
        free(lines[i]);
    }
    assert_null(strstr(t->output.data, "HONE_SECRET_SETTING"));
    char *from_file CLEANUP_FREE = path_in(state, KEY "/params.json"), *text CLEANUP_FREE = read_all(from_file);
    json_t *params = json_loads(text, 0, NULL);
    assert_true(json_real_value(json_object_get(params, "lr")) == 0.1);
    json_decref(params);
}

static void values_never_pass_through_a_shell(void **state)
{
    struct host *h = open_host(state);
    assert_string_equal(host_run(h, "h-abcdefgh-1-1", "{\"command\": [\"printf\", \"%s|\", \"{name}\", \"{lr}\", \"{unused}\", \"{trial}\"]}")->output.data, "it's; $HOME|0.1||1|");
    assert_string_equal(host_run(h, "h-abcdefgh-2-1", "{\"command\": \"printf %s {name} | cat\", \"shell\": true}")->output.data, "it's; $HOME");
}

static void limits_are_set(void **state)
{
    struct host *h = open_host(state);
    struct told *t = host_run(h, KEY, "{\"command\": [\"sh\", \"-c\", \"ulimit -v; ulimit -n; ulimit -t\"], \"limits\": {\"memory\": 1073741824, \"files\": 77, \"cpu_time\": 5}}");
    assert_string_equal(t->output.data, "1048576\n77\n5\n");
}

static void checkpoints_stay_between_attempts_of_a_replicate(void **state)
{
    struct host *h = open_host(state);
    static const char *const names[] = {NULL};
    json_t *params = json_object();
    static const struct {
        const char *key;
        int64_t attempt, replicate;
        const char *output;
    } cases[] = {{"h-abcdefgh-1-1", 1, 0, "0\n"}, {"h-abcdefgh-1-2", 2, 0, "1\nx\n"}, {"h-abcdefgh-1-3", 3, 1, "0\n"}, {"h-abcdefgh-2-1", 1, 0, "0\n"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct backend_job job = {.run_key = cases[i].key, .project = "p", .experiment = "e", .trial_name = "e-1", .trial = 1, .attempt = cases[i].attempt,
                                  .replicate = cases[i].replicate, .params = params, .names = names, .cursor = ""};
        assert_int_equal(host_submit_job(h, &job, SH("echo $HONE_RESUME; cat $HONE_CHECKPOINT_DIR/c 2> /dev/null; echo x > $HONE_CHECKPOINT_DIR/c"), NULL), OK);
        assert_string_equal(host_await_final(h, cases[i].key)->output.data, cases[i].output);
    }
    json_decref(params);
    backend_process.forget(h->conn, "h-abcdefgh-1-1", true);
    char *checkpoint CLEANUP_FREE = path_in(state, "h-abcdefgh-1.checkpoint"), *second CLEANUP_FREE = path_in(state, "h-abcdefgh-1.checkpoint.1");
    char *other CLEANUP_FREE = path_in(state, "h-abcdefgh-2.checkpoint"), *run CLEANUP_FREE = path_in(state, "h-abcdefgh-1-1");
    assert_true(!is_there(checkpoint) && !is_there(second) && !is_there(run) && is_there(other));
}

/* --- output */

static void output_comes_whole_and_before_the_end(void **state)
{
    struct host *h = open_host(state);
    struct told *t = host_run(h, "h-abcdefgh-1-1", "{\"command\": [\"sh\", \"-c\", \"head -c 300000 /dev/zero; printf '\\\\377\\\\001end'\"]}");
    assert_int_equal(t->output.len, 300005);
    assert_memory_equal(t->output.data + 300000, "\377\001end", 5);
    assert_string_equal(t->cursor, "300005");
    t = host_run(h, "h-abcdefgh-2-1", "{\"command\": [\"sh\", \"-c\", \"echo loss=1; echo loss=2 >&2\"], \"metrics\": {\"from\": \"stderr\"}}");
    assert_string_equal(t->output.data, "loss=2\n");
    t = host_run(h, "h-abcdefgh-3-1", "{\"command\": [\"sh\", \"-c\", \"echo loss=1; echo loss=3 >> $HONE_METRICS_FILE\"], \"metrics\": {\"from\": \"file\", \"path\": \"m.txt\"}}");
    assert_string_equal(t->output.data, "loss=3\n");
}

static void output_is_told_while_it_runs(void **state)
{
    struct host *h = open_host(state);
    static const char *const runs[] = {
        SH("n=0; while [ ! -e go ]; do n=$((n+1)); echo step=$n; sleep 0.02; done"),
        "{\"command\": [\"sh\", \"-c\", \"n=0; while [ ! -e go ]; do n=$((n+1)); echo step=$n >> m; sleep 0.02; done\"], \"metrics\": {\"from\": \"file\", \"path\": \"m\"}}"};
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        char *key CLEANUP_FREE = x_asprintf("h-abcdefgh-%zu-1", i + 1), *go_name CLEANUP_FREE = x_asprintf("%s/work/go", key);
        assert_int_equal(host_submit(h, key, runs[i], "", 0, NULL), OK);
        struct told *t = host_await_output(h, key, "step=10\n");
        assert_true(t->running && !t->final);
        char *go CLEANUP_FREE = path_in(state, go_name);
        (void)close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(host_await_final(h, key)->status.phase, PHASE_SUCCEEDED);
        assert_memory_equal(t->output.data, "step=1\nstep=2\nstep=3\n", 21);
    }
}

static int64_t disk_use(const char *dir, const char *prefix)
{
    int64_t sum = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        struct stat s;
        if (!strncmp(e->d_name, prefix, strlen(prefix)) && !fstatat(dirfd(d), e->d_name, &s, 0))
            sum += s.st_size;
    }
    if (d)
        (void)closedir(d);
    return sum;
}

static void a_flood_of_logs_keeps_its_beginning_and_its_end(void **state)
{
    struct host *h = open_host(state);
    enum { LIMIT = 1 << 20 };
    struct told *t = host_run(h, KEY, "{\"command\": [\"sh\", \"-c\", \"echo first; yes 0123456789abcde | head -c 16000000; echo; echo loss=0.5\"], \"log_limit\": 1048576}");
    assert_int_equal(t->status.phase, PHASE_SUCCEEDED);
    assert_non_null(memmem(t->output.data, t->output.len, "first\n0123456789", 16)); /* what came first was read, */
    assert_memory_equal(t->output.data + t->output.len - 10, "\nloss=0.5\n", 10);    /* and what came last */
    char *dir CLEANUP_FREE = path_in(state, KEY);
    assert_true(disk_use(dir, "stdout") <= LIMIT && disk_use(dir, "stdout") > LIMIT / 2);

    struct buf out = BUF_INIT;
    int64_t next, size = log_size(dir, "stdout"), at = 0;
    bool end;
    assert_int_equal(size, 16000016);
    assert_int_equal(backend_process.logs(h->conn, KEY, STREAM_STDOUT, -9, 100, &out, &next, &end, NULL), OK);
    assert_string_equal(out.data, "loss=0.5\n");
    assert_true(end && next == size);
    buf_clear(&out);
    for (end = false; !end; at = next) {
        assert_int_equal(backend_process.logs(h->conn, KEY, STREAM_STDOUT, at, 10000, &out, &next, &end, NULL), OK);
        assert_true(next > at || end);
    }
    assert_int_equal(at, size);
    assert_memory_equal(out.data, "first\n", 6);
    assert_non_null(strstr(out.data, "bytes are not kept here"));
    assert_true(out.len <= LIMIT + 200);
    buf_release(&out);
}

static void logs_are_read_by_offset(void **state)
{
    struct host *h = open_host(state);
    (void)host_run(h, KEY, SH("echo one; echo two >&2; echo three"));
    static const struct {
        enum backend_stream stream;
        int64_t offset;
        size_t max;
        const char *text;
        int64_t next;
        bool end;
    } cases[] = {{STREAM_STDOUT, 0, 100, "one\nthree\n", 10, true}, {STREAM_STDOUT, 4, 3, "thr", 7, false}, {STREAM_STDOUT, 10, 100, "", 10, true}, {STREAM_STDOUT, -6, 100, "three\n", 10, true},
                 {STREAM_STDOUT, -600, 2, "on", 2, false},          {STREAM_STDERR, 0, 100, "two\n", 4, true}, {STREAM_STDERR, 4, 1, "", 4, true}};
    struct buf out = BUF_INIT;
    int64_t next;
    bool end;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&out);
        assert_int_equal(backend_process.logs(h->conn, KEY, cases[i].stream, cases[i].offset, cases[i].max, &out, &next, &end, NULL), OK);
        assert_string_equal(out.len ? out.data : "", cases[i].text);
        assert_true(next == cases[i].next && end == cases[i].end);
    }
    struct error error;
    assert_int_equal(backend_process.logs(h->conn, "h-abcdefgh-9-1", STREAM_STDOUT, 0, 10, &out, &next, &end, &error), ERR_NOT_FOUND);
    assert_int_equal(backend_process.logs(h->conn, "../../etc", STREAM_STDOUT, 0, 10, &out, &next, &end, &error), ERR_NOT_FOUND);
    buf_release(&out);
}

static void write_part(const char *dir, const char *name, const char *text)
{
    char *path CLEANUP_FREE = x_asprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void parts_of_a_log_that_are_gone_are_stepped_over(void **state)
{
    struct fixture *f = *state;
    write_part(f->dir, "out.log", "0123");
    write_part(f->dir, "out.20.log", "abcd");
    write_part(f->dir, "out.24.log", "ef");
    write_part(f->dir, "out.x.log", "no part");
    static const struct {
        struct log_place from;
        const char *text;
        int64_t next;
    } cases[] = {{{0, 0}, "0123", 4}, {{3, 0}, "3", 4},    {{4, 0}, "\n[hone: 16 bytes are not kept here: the log is longer than run.log_limit]\nabcd", 24}, {{8, 8}, "\n[hone: 12 bytes are not kept here: the log is longer than run.log_limit]\nabcd", 24},
                 {{22, 0}, "cd", 24}, {{24, 20}, "ef", 26}, {{24, 8}, "ef", 26},                                                                  {{26, 24}, "", 26},
                 {{26, 0}, "", 26},   {{30, 0}, "", 30}};
    assert_int_equal(log_size(f->dir, "out"), 26);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT;
        struct log_place at = cases[i].from;
        (void)log_read(f->dir, "out", &at, 100, &out);
        assert_string_equal(out.len ? out.data : "", cases[i].text);
        assert_int_equal(at.offset, cases[i].next);
        buf_release(&out);
    }
    write_part(f->dir, "out.26.log", "gh"); /* a reader at the end goes on with what follows */
    struct log_place at = {26, 24};
    struct buf out = BUF_INIT;
    assert_int_equal(log_read(f->dir, "out", &at, 100, &out), 2);
    assert_string_equal(out.data, "gh");
    buf_release(&out);
}

/* --- nothing is lost, nothing is run twice */

/* A service in a process of its own that submits, and is killed with SIGKILL once `until` is there. */
static void be_killed_service(const char *dir, const char *run, const char *until)
{
    pid_t pid = fork();
    if (!pid) {
        struct host *h = host_open(&backend_process, dir);
        if (host_submit(h, KEY, run, "", 0, NULL))
            _exit(1);
        for (;;)
            (void)pause();
    }
    await(is_there, until);
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

#define WAITS SH("echo one; echo x >> runs; echo > begun; while [ ! -e go ]; do sleep 0.01; done; echo two; exit 7")

static void a_run_is_followed_by_the_next_service(void **state)
{
    struct fixture *f = *state;
    char *begun CLEANUP_FREE = path_in(state, KEY "/work/begun"), *go CLEANUP_FREE = path_in(state, KEY "/work/go"), *runs CLEANUP_FREE = path_in(state, KEY "/work/runs");
    be_killed_service(f->dir, WAITS, begun);
    struct host *h = open_host(state);
    assert_int_equal(host_submit(h, KEY, WAITS, "", 0, NULL), OK);
    (void)host_await_output(h, KEY, "one\n");
    (void)close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    struct told *t = host_await_final(h, KEY);
    assert_int_equal(t->status.exit_code, 7);
    assert_int_equal(t->status.cause, CAUSE_USER);
    assert_string_equal(t->output.data, "one\ntwo\n");
    char *times CLEANUP_FREE = read_all(runs);
    assert_string_equal(times, "x\n");
}

static void an_end_while_no_service_ran_counts(void **state)
{
    struct fixture *f = *state;
    char *begun CLEANUP_FREE = path_in(state, KEY "/work/begun"), *go CLEANUP_FREE = path_in(state, KEY "/work/go"), *ended CLEANUP_FREE = path_in(state, KEY "/ended");
    be_killed_service(f->dir, WAITS, begun);
    (void)close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    await(is_there, ended);
    static const struct {
        const char *cursor, *output;
    } cases[] = {{"", "one\ntwo\n"}, {"4", "two\n"}, {"end", ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct host *h = host_open(&backend_process, f->dir);
        assert_int_equal(host_submit(h, KEY, WAITS, cases[i].cursor, 0, NULL), OK);
        struct told *t = host_await_final(h, KEY);
        assert_int_equal(t->status.exit_code, 7);
        assert_string_equal(t->output.len ? t->output.data : "", cases[i].output);
        host_close(h);
    }
}

static void an_adopted_run_can_be_stopped(void **state)
{
    struct fixture *f = *state;
    char *begun CLEANUP_FREE = path_in(state, KEY "/work/begun");
    be_killed_service(f->dir, WAITS, begun);
    struct host *h = open_host(state);
    assert_int_equal(host_submit(h, KEY, WAITS, "", 0, NULL), OK);
    assert_int_equal(backend_process.cancel(h->conn, KEY, 5, NULL), OK);
    assert_int_equal(host_await_final(h, KEY)->status.phase, PHASE_STOPPED);
}

static void a_killed_hone_run_is_lost_and_takes_its_trial_with_it(void **state)
{
    struct fixture *f = *state;
    char *started CLEANUP_FREE = path_in(state, KEY "/started"), *pid1 CLEANUP_FREE = path_in(state, KEY "/work/pid1"), *main_pid CLEANUP_FREE = path_in(state, KEY "/work/main");
    char *log CLEANUP_FREE = path_in(state, KEY "/stdout.log");
    static const char run[] = SH("echo one; (setsid sh -c 'echo $$ > pid1; exec sleep 1000' &); while [ ! -s pid1 ]; do sleep 0.01; done; echo $$ > main; exec sleep 1000");
    for (int service_is_up = 0; service_is_up < 2; service_is_up++) {
        char text[100] = "";
        if (!service_is_up)
            be_killed_service(f->dir, run, main_pid);
        struct host *h = host_open(&backend_process, f->dir);
        if (service_is_up)
            assert_int_equal(host_submit(h, KEY, run, "", 0, NULL), OK);
        await(has_bytes, main_pid);
        await(has_bytes, log);
        assert_true(readlink(started, text, sizeof text - 1) > 0);
        char *first CLEANUP_FREE = read_all(pid1), *second CLEANUP_FREE = read_all(main_pid);
        assert_int_equal(kill(atoi(text), SIGKILL), 0);
        await(is_gone, text);
        if (!service_is_up)
            assert_int_equal(host_submit(h, KEY, run, "", 0, NULL), OK);
        struct told *t = host_await_final(h, KEY);
        assert_int_equal(t->status.cause, CAUSE_LOST);
        assert_string_equal(t->output.data, "one\n");
        await(is_gone, first);
        await(is_gone, second);
        backend_process.forget(h->conn, KEY, true);
        host_close(h);
    }
}

static void a_run_whose_files_are_gone_is_lost(void **state)
{
    struct host *h = open_host(state);
    assert_int_equal(host_submit(h, KEY, SH("echo again"), "17", 0, NULL), OK);
    struct told *t = host_await_final(h, KEY);
    assert_int_equal(t->status.cause, CAUSE_LOST);
    assert_int_equal(t->output.len, 0);
}

static void an_end_that_cannot_be_trusted_is_lost(void **state)
{
    static const char *const ends[] = {"exit 0 0 0 1000 2000 100 0" /* more output than there is: the power failed */, "exit 0", "nonsense", NULL};
    struct host *h = open_host(state);
    for (int i = 0; i < 4; i++) {
        char *key CLEANUP_FREE = x_asprintf("h-abcdefgh-%d-1", i + 1), *dir CLEANUP_FREE = path_in(state, key);
        char *started CLEANUP_FREE = x_asprintf("%s/started", dir), *ended CLEANUP_FREE = x_asprintf("%s/ended", dir);
        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(symlink("999999999 1000", started), 0);
        if (ends[i])
            assert_int_equal(symlink(ends[i], ended), 0);
        assert_int_equal(host_submit(h, key, SH("echo again"), "", 0, NULL), OK);
        struct told *t = host_await_final(h, key);
        assert_int_equal(t->status.cause, CAUSE_LOST);
        assert_int_equal(t->status.start_ms, 1000);
        assert_int_equal(t->output.len, 0);
    }
}

static void the_same_run_is_started_once(void **state)
{
    struct fixture *f = *state;
    char *go CLEANUP_FREE = path_in(state, KEY "/work/go"), *runs CLEANUP_FREE = path_in(state, KEY "/work/runs"), *begun CLEANUP_FREE = path_in(state, KEY "/work/begun");
    struct host *hosts[3];
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        hosts[i] = host_open(&backend_process, f->dir);
    for (size_t i = 0; i < 2 * ARRAY_LEN(hosts); i++) /* each twice, and none has seen what the others did */
        assert_int_equal(host_submit(hosts[i / 2], KEY, WAITS, "", 0, NULL), OK);
    await(is_there, begun);
    (void)close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct told *t = host_await_final(hosts[i], KEY);
        assert_int_equal(t->status.exit_code, 7);
        assert_string_equal(t->output.data, "one\ntwo\n");
        host_close(hosts[i]);
    }
    char *times CLEANUP_FREE = read_all(runs);
    assert_string_equal(times, "x\n");
}

static void a_dropped_run_is_killed_and_its_files_go(void **state)
{
    struct host *h = open_host(state);
    char *begun CLEANUP_FREE = path_in(state, KEY "/work/begun"), *dir CLEANUP_FREE = path_in(state, KEY);
    assert_int_equal(host_submit(h, KEY, WAITS, "", 0, NULL), OK);
    await(is_there, begun);
    backend_process.forget(h->conn, KEY, false); /* its logs stay */
    assert_true(is_there(dir));
    backend_process.forget(h->conn, KEY, true);
    assert_int_equal(host_await_final(h, KEY)->status.phase, PHASE_STOPPED);
    host_close(h); /* after the watch has gone nothing removes them any more */
    ((struct fixture *)*state)->host = NULL;
    assert_false(is_there(dir));
}

static void hone_run_starts_from_a_file_where_memory_may_not_be_run(void **state)
{
    struct fixture *f = *state;
    struct helper helper;
    helper_open(&helper, f->dir);
    free(helper.path);
    helper.path = x_strdup("/dev/null"); /* may not be executed: EACCES, as vm.memfd_noexec gives */
    char *dir CLEANUP_FREE = x_asprintf("%s/run", f->dir), *dir_word CLEANUP_FREE = x_asprintf("dir=%s", dir);
    char words[][12] = {"hone-run", "cwd=/", "--", "true"};
    char *argv[] = {words[0], dir_word, words[1], words[2], words[3], NULL}, *env[] = {NULL};
    pid_t pid;
    int status;
    assert_int_equal(helper_start(&helper, argv, env, &pid, NULL), OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    struct ended ended;
    int64_t start_ms;
    assert_int_equal(dir_look(dir, &pid, &start_ms, &ended), DIR_ENDED);
    assert_int_equal(ended.why, WHY_EXIT);
    assert_int_equal(ended.code, 0);
    helper_close(&helper);
}

/* --- before anything runs */

static void validate_says_what_cannot_work_here(void **state)
{
    struct fixture *f = *state;
    struct host *h = open_host(state);
    char *plain CLEANUP_FREE = x_asprintf("%s/plain", f->dir);
    (void)close(open(plain, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const struct {
        const char *program, *cwd, *pointer, *code;
    } cases[] = {{"sh", NULL, NULL, NULL},
                 {"/bin/sh", "/tmp", NULL, NULL},
                 {"{program}", NULL, NULL, NULL},
                 {"no-such-program", NULL, "/run/command/0", "NOT_FOUND"},
                 {"/no/such/program", NULL, "/run/command/0", "NOT_FOUND"},
                 {"./train.sh", NULL, "/run/command/0", "NOT_FOUND"},
                 {"./plain", f->dir, "/run/command/0", "NOT_EXECUTABLE"},
                 {"bin/sh", "/", NULL, NULL},
                 {"sh", "/no/such/place", "/run/cwd", "NOT_FOUND"},
                 {"sh", "relative", "/run/cwd", "RELATIVE"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *run = json_pack("{s:[s], s:s*}", "command", cases[i].program, "cwd", cases[i].cwd);
        struct problems p = {0};
        backend_process.validate(h->conn, &(struct backend_job){.run = run}, &p);
        if (p.n != (cases[i].code != NULL) || (p.n && (strcmp(p.items[0].pointer, cases[i].pointer) != 0 || strcmp(p.items[0].code, cases[i].code) != 0)))
            fail_msg("%s in %s: %zu problems: %s %s", cases[i].program, cases[i].cwd ? cases[i].cwd : "-", p.n, p.n ? p.items[0].pointer : "", p.n ? p.items[0].detail : "");
        problems_release(&p);
        json_decref(run);
    }
}

static void what_is_too_long_to_start_can_never_work(void **state)
{
    struct host *h = open_host(state);
    struct error error = {0};
    struct buf run = BUF_INIT;
    buf_adds(&run, "{\"command\": [\"true\", \"");
    for (int i = 0; i < 200000; i++)
        buf_adds(&run, "x");
    buf_adds(&run, "\"]}");
    assert_int_equal(host_submit(h, KEY, run.data, "", 0, &error), ERR_INVALID);
    assert_non_null(strstr(error.detail, "128 KiB"));
    buf_release(&run);
    assert_int_equal(host_submit(h, "../../x-1", SH("true"), "", 0, &error), ERR_INVALID);
}

static void open_says_what_is_wrong_with_its_directory(void **state)
{
    (void)state;
    struct backend_host host = {.data_dir = "/dev/null/x"};
    struct backend_conn *conn = NULL;
    struct error error = {0};
    assert_int_equal(backend_process.open(&host, &conn, &error), ERR_STORAGE);
    assert_non_null(strstr(error.detail, "/dev/null/x"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_end_has_its_cause),
        TEST(the_time_limit_ends_what_ignores_sigterm),
        TEST(the_whole_tree_is_killed),
        TEST(what_a_command_leaves_behind_is_killed),
        TEST(a_cancel_right_after_the_submit_is_not_lost),
        TEST(a_trial_may_use_its_grace),
        TEST(a_trial_finds_its_environment),
        TEST(values_never_pass_through_a_shell),
        TEST(limits_are_set),
        TEST(checkpoints_stay_between_attempts_of_a_replicate),
        TEST(output_comes_whole_and_before_the_end),
        TEST(output_is_told_while_it_runs),
        TEST(a_flood_of_logs_keeps_its_beginning_and_its_end),
        TEST(logs_are_read_by_offset),
        TEST(parts_of_a_log_that_are_gone_are_stepped_over),
        TEST(a_run_is_followed_by_the_next_service),
        TEST(an_end_while_no_service_ran_counts),
        TEST(an_adopted_run_can_be_stopped),
        TEST(a_killed_hone_run_is_lost_and_takes_its_trial_with_it),
        TEST(a_run_whose_files_are_gone_is_lost),
        TEST(an_end_that_cannot_be_trusted_is_lost),
        TEST(the_same_run_is_started_once),
        TEST(a_dropped_run_is_killed_and_its_files_go),
        TEST(hone_run_starts_from_a_file_where_memory_may_not_be_run),
        TEST(validate_says_what_cannot_work_here),
        TEST(what_is_too_long_to_start_can_never_work),
        TEST(open_says_what_is_wrong_with_its_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
