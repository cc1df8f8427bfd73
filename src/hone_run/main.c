/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hone-run: runs one attempt of a trial, outlives the service, and never loses how it ended (docs/explanation/process-backend.md).
 *
 *     hone-run KEY=VALUE... -- COMMAND ARG...      in the trial's environment
 *
 * The directory `dir` is the whole protocol. Its lock (flock) is held as long as this program lives, so "is it running?" needs no process id.
 * `started` and `ended` are symbolic links whose targets are text, "PID START_MS" and "WHY CODE SIGNAL ERRNO START_MS END_MS STDOUT STDERR":
 * a link is made whole by one call and is never half there, at a tenth of the cost of a file written, synced and renamed.
 * stdout.log and stderr.log are made at the first byte; past the first part a log goes on in stdout.OFFSET.log files, of which the
 * oldest go once the limit is reached. OFFSET is where its first byte stands in the whole stream.
 *
 * One thread, no memory allocated, no C library (sys.h). Whoever starts it blocks its signals first. SIGTERM, with the milliseconds to wait
 * before SIGKILL as its value (sigqueue), stops the trial. */
#include "hone_run/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
    HEAD_MAX = 1 << 20, /* the beginning of a log is always kept: versions, arguments, the first warning */
    PARTS = 4,          /* of the rest, in how many files */
    LEFT_MS = 2000,     /* for processes that the command leaves behind */
    SYNC_MS = 5000,     /* a run longer than this is worth a sync; a shorter one is run again should the power fail */
    TEXT = 128,
    N_LIMITS = 5
};

#define NEVER INT64_MAX

/* How far it came: words of `ended`. */
enum why { WHY_EXIT, WHY_CANCEL, WHY_TIMEOUT, WHY_EXEC, WHY_CWD, WHY_SETUP };
static const char *const why_words[] = {"exit", "cancel", "timeout", "exec", "cwd", "setup"};

struct log {
    const char *name; /* "stdout" */
    int pipe, file;   /* -1 = closed */
    int64_t total;    /* bytes written */
    int64_t part_end; /* where the present file ends */
    int64_t parts[PARTS];
    int n_parts;
    int64_t lost; /* bytes that could not be written since the last that could */
};

static struct {
    const char *dir, *checkpoint, *cwd;
    int64_t time_ms, grace_ms, log_limit;
    int64_t limit[N_LIMITS]; /* -1 = as inherited */
    char **command, **environment;
    int dir_fd, signals, timer;
    struct log out, err;

    int main_pid;
    volatile int failed; /* errno of the command's start; written by the child, which shares our memory until it execs */
    volatile enum why failed_at;
    bool main_ended, killing, canceled, timed_out;
    int status, n_left;          /* n_left: 0 = no process is left, else at least one */
    int64_t start_wall, end_wall, start_boot;
    int64_t limit_at, kill_at; /* boot ms */
} run = {.grace_ms = 10000, .log_limit = 64 << 20, .limit = {-1, -1, -1, -1, -1}, .timer = -1, .main_pid = -1, .n_left = 1};

static const int limit_kinds[N_LIMITS] = {RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_NPROC};

/* --- a little library */

static size_t length(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

static char *put(char *to, const char *s)
{
    while (*s)
        *to++ = *s++;
    *to = '\0';
    return to;
}

static char *put_number(char *to, int64_t n)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    *--at = '\0';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (n < 0)
        *--at = '-';
    return put(to, at);
}

static const char *after(const char *s, const char *prefix)
{
    while (*prefix)
        if (*s++ != *prefix++)
            return NULL;
    return s;
}

static int64_t number(const char *s)
{
    int64_t n = 0;
    while (*s >= '0' && *s <= '9' && n < INT64_MAX / 10 - 1)
        n = n * 10 + (*s++ - '0');
    return n;
}

static int64_t clock_ms(int which)
{
    struct timespec t = {0};
    (void)SYS2(clock_gettime, which, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void leave(int code)
{
    for (;;)
        (void)SYS1(exit_group, code);
}

/* --- logs: never let the trial wait, whatever the disk does */

static bool next_part(struct log *l)
{
    char name[TEXT], *to = put(name, l->name);
    int64_t head = run.log_limit / PARTS < HEAD_MAX ? run.log_limit / PARTS : HEAD_MAX;
    int64_t part = (run.log_limit - head) / PARTS;
    if (l->total)
        to = put_number(put(to, "."), l->total);
    (void)put(to, ".log");
    if (l->file >= 0)
        (void)SYS1(close, l->file);
    l->file = (int)SYS4(openat, run.dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (l->file < 0)
        return false;
    l->part_end = l->total + (l->total ? part : head);
    if (!l->total)
        return true;
    if (l->n_parts == PARTS) {
        to = put_number(put(put(name, l->name), "."), l->parts[0]);
        (void)put(to, ".log");
        (void)SYS3(unlinkat, run.dir_fd, name, 0);
        for (int i = 1; i < PARTS; i++)
            l->parts[i - 1] = l->parts[i];
        l->n_parts--;
    }
    l->parts[l->n_parts++] = l->total;
    return true;
}

static size_t write_some(struct log *l, const char *data, size_t len)
{
    if ((l->file < 0 || l->total == l->part_end) && !next_part(l))
        return 0;
    size_t room = (size_t)(l->part_end - l->total);
    long n = SYS3(write, l->file, data, len < room ? len : room);
    if (n > 0)
        l->total += n;
    return n > 0 ? (size_t)n : 0;
}

static bool write_all(struct log *l, const char *data, size_t len)
{
    while (len) {
        size_t n = write_some(l, data, len);
        if (!n) {
            l->lost += (int64_t)len;
            return false;
        }
        data += n;
        len -= n;
    }
    return true;
}

static void write_log(struct log *l, const char *data, size_t len)
{
    if (l->lost) {
        char text[TEXT];
        int64_t lost = l->lost;
        (void)put(put_number(put(text, "\n[hone: "), lost), " bytes could not be written here]\n");
        l->lost = 0;
        if (!write_all(l, text, length(text))) {
            l->lost = lost + (int64_t)len;
            return;
        }
    }
    (void)write_all(l, data, len);
}

static void read_pipe(struct log *l)
{
    static char data[65536];
    long n = SYS3(read, l->pipe, data, sizeof data);
    if (n > 0) {
        write_log(l, data, (size_t)n);
    } else if (n != -EINTR && n != -EAGAIN) {
        (void)SYS1(close, l->pipe);
        l->pipe = -1;
    }
}

/* --- the command */

static _Noreturn void give_up(enum why at, long error)
{
    run.failed_at = at;
    run.failed = (int)-error;
    leave(127);
}

/* The value of a variable of the trial, NULL when it is not set. */
static const char *variable(const char *name)
{
    const char *value = NULL;
    for (char **e = run.environment; *e && !value; e++)
        value = after(*e, name);
    return value;
}

/* As a shell looks a program up: a name without a slash in PATH, where one that may not be run is passed over for the next. */
static long exec_in_path(char **argv, char **envp)
{
    const char *name = argv[0], *path = variable("PATH=");
    for (const char *c = name; *c; c++)
        if (*c == '/')
            return SYS3(execve, name, argv, envp);
    long error = -ENOENT;
    for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; *name;) {
        char full[4096];
        size_t n = 0;
        while (at[n] && at[n] != ':')
            n++;
        if (n + length(name) + 2 < sizeof full) {
            char *to = full;
            for (size_t i = 0; i < n; i++)
                *to++ = at[i];
            (void)put(put(to, n ? "/" : ""), name);
            long now = SYS3(execve, full, argv, envp);
            if (now != -ENOENT && now != -ENOTDIR && now != -EACCES)
                return now;
            error = now == -EACCES ? now : error;
        }
        if (!at[n])
            break;
        at += n + 1;
    }
    return error;
}

/* Runs on its parent's stack and memory (vfork), so it touches nothing but `failed`. */
static _Noreturn __attribute__((noinline)) void child(int out, int err)
{
    uint64_t none = 0;
    (void)SYS2(setpgid, 0, 0);
    (void)SYS2(prctl, PR_SET_PDEATHSIG, SIGKILL);
    (void)SYS3(dup3, out, 1, 0);
    (void)SYS3(dup3, err, 2, 0);
    for (int i = 0; i < N_LIMITS; i++) {
        struct {
            uint64_t soft, hard;
        } both = {(uint64_t)run.limit[i], (uint64_t)run.limit[i]};
        if (run.limit[i] < 0)
            continue;
        if (limit_kinds[i] == RLIMIT_CPU) /* SIGXCPU first, which tells why, SIGKILL if that is not enough */
            both.hard += 5;
        long error = SYS4(prlimit64, 0, limit_kinds[i], &both, NULL);
        if (error)
            give_up(WHY_SETUP, error);
    }
    long error = SYS1(chdir, run.cwd);
    if (error)
        give_up(WHY_CWD, error);
    (void)SYS4(rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
    give_up(WHY_EXEC, exec_in_path(run.command, run.environment));
}

static long start_command(void)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    long error = SYS2(pipe2, out, O_CLOEXEC);
    if (!error)
        error = SYS2(pipe2, err, O_CLOEXEC);
    if (error)
        return error;
    run.start_wall = run.start_wall ? run.start_wall : clock_ms(CLOCK_REALTIME);
    run.start_boot = clock_ms(CLOCK_BOOTTIME);
    long pid = SYS(clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        child(out[1], err[1]);
    (void)SYS1(close, out[1]);
    (void)SYS1(close, err[1]);
    run.out.pipe = out[0];
    run.err.pipe = err[0];
    run.main_pid = (int)pid;
    run.limit_at = run.time_ms ? run.start_boot + run.time_ms : NEVER;
    return pid < 0 ? pid : 0;
}

/* --- its end */

/* Every process of the trial is a child of ours once its parent is gone (PR_SET_CHILD_SUBREAPER), however it tried to get away. Killing the
 * children of now makes theirs ours; the SIGCHLD that follows calls this again, until there are none. */
static void kill_all(void)
{
    char data[4096];
    run.killing = true;
    if (!run.main_ended)
        (void)SYS2(kill, -run.main_pid, SIGKILL);
    int fd = (int)SYS4(openat, AT_FDCWD, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    long n = SYS3(read, fd, data, sizeof data - 1);
    (void)SYS1(close, fd);
    data[n < 0 ? 0 : n] = '\0';
    for (const char *at = data; *at;) {
        int64_t pid = number(at);
        while (*at >= '0' && *at <= '9')
            at++;
        if (pid > 1 && *at == ' ') /* a number cut off by the buffer is not a whole one */
            (void)SYS2(kill, pid, SIGKILL);
        at += *at != '\0';
    }
}

static void set_timer(void)
{
    int64_t at = run.limit_at < run.kill_at ? run.limit_at : run.kill_at;
    if (at == NEVER && run.timer < 0)
        return;
    if (run.timer < 0)
        run.timer = (int)SYS2(timerfd_create, CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    struct itimerspec when = {0};
    if (at != NEVER) {
        when.it_value.tv_sec = at / 1000;
        when.it_value.tv_nsec = (at % 1000) * 1000000 + 1; /* all 0 would turn it off */
    }
    (void)SYS4(timerfd_settime, run.timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void stop(int64_t grace_ms)
{
    int64_t at = clock_ms(CLOCK_BOOTTIME) + grace_ms;
    if (!run.main_ended) {
        (void)SYS2(kill, -run.main_pid, SIGTERM);
        (void)SYS2(kill, -run.main_pid, SIGCONT);
    }
    if (at < run.kill_at)
        run.kill_at = at;
    if (grace_ms <= 0)
        kill_all();
}

static void reap(void)
{
    for (;;) {
        int status = 0;
        long pid = SYS4(wait4, -1, &status, WNOHANG, NULL);
        if (pid <= 0) {
            run.n_left = pid == 0;
            break;
        }
        if (pid != run.main_pid)
            continue;
        run.main_ended = true;
        run.status = status;
        run.end_wall = clock_ms(CLOCK_REALTIME);
        run.limit_at = NEVER;
    }
    if (!run.main_ended || !run.n_left)
        return;
    int64_t at = clock_ms(CLOCK_BOOTTIME) + LEFT_MS;
    if (at < run.kill_at)
        run.kill_at = at;
    if (run.killing)
        kill_all();
}

static void on_signal(void)
{
    static struct signalfd_siginfo s;
    while (SYS3(read, run.signals, &s, sizeof s) == (long)sizeof s) {
        if (s.ssi_signo == SIGCHLD) {
            reap();
        } else {
            run.canceled |= !run.main_ended && !run.timed_out;
            stop(s.ssi_code == SI_QUEUE ? s.ssi_int : run.grace_ms);
        }
    }
}

static void on_timer(void)
{
    int64_t now = clock_ms(CLOCK_BOOTTIME);
    if (now >= run.kill_at) {
        run.kill_at = NEVER;
        kill_all();
    }
    if (now >= run.limit_at) {
        run.limit_at = NEVER;
        run.timed_out = !run.canceled;
        stop(run.grace_ms);
    }
}

static void follow(void)
{
    bool draining = false;
    for (;;) {
        bool over = run.main_ended && !run.n_left;
        set_timer();
        struct pollfd p[] = {{run.signals, POLLIN, 0}, {run.out.pipe, POLLIN, 0}, {run.err.pipe, POLLIN, 0}, {run.timer, POLLIN, 0}};
        struct timespec at_once = {0};
        long n = SYS(ppoll, p, sizeof p / sizeof *p, over ? &at_once : NULL, NULL, 8);
        if (n < 0 && n != -EINTR)
            leave((int)-n);
        if (over && draining && !p[1].revents && !p[2].revents)
            return; /* whoever else holds a pipe open is no process of this trial */
        draining = over;
        if (p[0].revents)
            on_signal();
        if (p[1].revents)
            read_pipe(&run.out);
        if (p[2].revents)
            read_pipe(&run.err);
        if (p[3].revents) {
            uint64_t count;
            (void)SYS3(read, run.timer, &count, sizeof count);
            on_timer();
        }
    }
}

/* --- the directory */

static void write_end(enum why why, int error)
{
    char text[TEXT * 2], *to = put(text, why_words[why]);
    bool exited = WIFEXITED(run.status);
    int64_t values[] = {exited ? WEXITSTATUS(run.status) : -1, exited ? 0 : WTERMSIG(run.status), error,
                        run.start_wall, run.end_wall, run.out.total, run.err.total};
    bool sync = run.end_wall - run.start_wall > SYNC_MS;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        to = put_number(put(to, " "), values[i]);
    if (sync && run.out.file >= 0)
        (void)SYS1(fdatasync, run.out.file);
    if (sync && run.err.file >= 0)
        (void)SYS1(fdatasync, run.err.file);
    for (;;) {
        long failed = SYS3(symlinkat, text, run.dir_fd, "ended");
        if (failed != -ENOSPC && failed != -EDQUOT)
            break;
        struct timespec second = {.tv_sec = 1}; /* a result is not given up for a full disk */
        (void)SYS2(nanosleep, &second, NULL);
    }
    if (sync)
        (void)SYS1(fsync, run.dir_fd);
}

static long make_dir(int at, const char *path)
{
    long error = SYS3(mkdirat, at, path, 0700);
    return error == -EEXIST ? 0 : error;
}

/* A variable as a file too, for those who want it so. */
static long write_variable(const char *name, const char *file)
{
    const char *value = variable(name);
    if (!value)
        return 0;
    long fd = SYS4(openat, run.dir_fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fd;
    size_t len = length(value);
    long n = SYS3(write, fd, value, len);
    (void)SYS1(close, fd);
    return n == (long)len ? 0 : n < 0 ? n : -ENOSPC;
}

/* What the trial finds: its directories and its parameters as a file. */
static long furnish(void)
{
    long error = make_dir(run.dir_fd, "work");
    if (!error)
        error = make_dir(run.dir_fd, "artifacts");
    if (!error && run.checkpoint)
        error = make_dir(AT_FDCWD, run.checkpoint);
    if (!error)
        error = write_variable("HONE_PARAMS=", "params.json");
    return error || !variable("KUBEFLOW_TRAINER_SERVER_TOKEN=") ? error : write_variable("HONE_TOKEN=", "token"); /* only Trainer wants it as a file */
}

/* Out of the service's process group and off its terminal, so that neither ^C nor a prompt of a trial passes between them. A session of
 * its own would do both, and cost a tenth of a millisecond where the kernel makes a scheduling group for each session. */
static void detach(void)
{
    (void)SYS2(setpgid, 0, 0);
    long tty = SYS4(openat, AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
    if (tty < 0)
        return;
    (void)SYS3(ioctl, tty, TIOCNOTTY, 0);
    (void)SYS1(close, tty);
}

/* Takes the lock and says that the run has begun. Leaves when another has: then whoever asked looks at the directory again. */
static void claim(void)
{
    long error = make_dir(AT_FDCWD, run.dir);
    if (error)
        leave((int)-error);
    run.dir_fd = (int)SYS4(openat, AT_FDCWD, run.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (run.dir_fd < 0)
        leave(-run.dir_fd);
    error = SYS2(flock, run.dir_fd, LOCK_EX | LOCK_NB);
    if (error)
        leave(error == -EWOULDBLOCK ? 0 : (int)-error);
    char text[TEXT];
    run.start_wall = clock_ms(CLOCK_REALTIME);
    (void)put_number(put(put_number(text, SYS0(getpid)), " "), run.start_wall);
    error = SYS3(symlinkat, text, run.dir_fd, "started");
    if (error)
        leave(error == -EEXIST ? 0 : (int)-error);
}

static void read_arguments(int argc, char **argv)
{
    static const struct {
        const char *name;
        const char **text;
        int64_t *value;
    } options[] = {{"dir=", &run.dir, NULL},        {"checkpoint=", &run.checkpoint, NULL}, {"cwd=", &run.cwd, NULL},
                   {"time=", NULL, &run.time_ms},   {"grace=", NULL, &run.grace_ms},        {"log=", NULL, &run.log_limit},
                   {"memory=", NULL, &run.limit[0]}, {"cpu_time=", NULL, &run.limit[1]},     {"files=", NULL, &run.limit[2]},
                   {"file_size=", NULL, &run.limit[3]}, {"processes=", NULL, &run.limit[4]}};
    int i = 1;
    for (; i < argc && !(after(argv[i], "--") && !argv[i][2]); i++)
        for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
            const char *value = after(argv[i], options[k].name);
            if (value && options[k].text)
                *options[k].text = value;
            else if (value)
                *options[k].value = number(value);
        }
    run.command = argv + i + 1;
    if (i + 1 >= argc || !run.dir || !run.cwd)
        leave(EINVAL);
}

_Noreturn void begin(long *stack); /* from _start */

_Noreturn void begin(long *stack)
{
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);
    run.environment = argv + argc + 1;
    run.out = (struct log){.name = "stdout", .pipe = -1, .file = -1};
    run.err = (struct log){.name = "stderr", .pipe = -1, .file = -1};
    run.limit_at = run.kill_at = NEVER;
    read_arguments(argc, argv);
    uint64_t all = ~0ULL; /* they stay blocked: what a signal asks for is read from a descriptor */
    (void)SYS4(rt_sigprocmask, SIG_BLOCK, &all, NULL, sizeof all);
    (void)SYS3(close_range, 3, ~0U, 0);
    (void)SYS2(prctl, PR_SET_NAME, "hone-run");
    claim();
    detach();
    (void)SYS2(prctl, PR_SET_CHILD_SUBREAPER, 1);
    uint64_t mask = 1ULL << (SIGCHLD - 1) | 1ULL << (SIGTERM - 1);
    run.signals = (int)SYS4(signalfd4, -1, &mask, sizeof mask, SFD_CLOEXEC | SFD_NONBLOCK);
    long error = run.signals < 0 ? run.signals : furnish();
    if (!error)
        error = start_command();
    if (error) {
        run.end_wall = clock_ms(CLOCK_REALTIME);
        write_end(WHY_SETUP, (int)-error);
        leave(0);
    }
    follow();
    write_end(run.failed ? run.failed_at : run.canceled ? WHY_CANCEL : run.timed_out ? WHY_TIMEOUT : WHY_EXIT, run.failed);
    leave(0);
}
