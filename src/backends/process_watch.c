/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one thread that follows all runs: hone-run's end by its pidfd, growing logs by inotify, the rest by one timer. */
#include "backends/process.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CHUNK = 65536,
    QUIET_MS = 50,  /* after logs have grown they are left alone: a trial that prints much wakes us 20 times a second, not for each line */
    POLL_MS = 500,  /* of files that inotify does not watch for us */
    EVENTS = 64
};

/* --- waking */

void process_wake(struct backend_conn *c, int64_t mono_ms)
{
    if (mono_ms >= c->timer_at)
        return;
    struct itimerspec when = {.it_value = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000 + 1}};
    c->timer_at = mono_ms;
    (void)timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void process_arrive(struct backend_conn *c, struct run *r)
{
    (void)pthread_mutex_lock(&c->mutex);
    HASH_ADD_STR(c->runs, key, r);
    r->next = c->arrivals;
    c->arrivals = r;
    process_wake(c, r->announce_at);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = r};
    if (r->pidfd >= 0)
        (void)epoll_ctl(c->epoll, EPOLL_CTL_ADD, r->pidfd, &e);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* --- output */

static size_t read_file(struct run *r, struct buf *out)
{
    int fd = open(r->metrics_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat s;
    if (fd < 0)
        return 0;
    if (!fstat(fd, &s) && S_ISREG(s.st_mode)) {
        if (s.st_size < r->place.offset) /* it was written anew */
            r->place.offset = 0;
        char *data CLEANUP_FREE = x_malloc(CHUNK);
        ssize_t n = pread(fd, data, CHUNK, r->place.offset);
        if (n > 0) {
            buf_add(out, data, (size_t)n);
            r->place.offset += n;
        }
    }
    (void)close(fd);
    return out->len;
}

static bool read_more(struct run *r, struct buf *out)
{
    if (r->events)
        return event_files_read(r->events, out);
    return (r->stream ? log_read(r->dir, r->stream, &r->place, CHUNK, out) : read_file(r, out)) > 0;
}

static void read_output(struct backend_conn *c, struct run *r)
{
    struct buf out = BUF_INIT;
    if (r->place.offset == INT64_MAX) /* all of it was read before a restart */
        return;
    while (read_more(r, &out)) {
        char *cursor CLEANUP_FREE = r->events ? event_files_cursor(r->events) : x_asprintf("%" PRId64, r->place.offset);
        c->host->output(c->host->ctx, r->key, out.data, out.len, cursor);
        buf_clear(&out);
    }
    buf_release(&out);
}

static void announce(struct backend_conn *c, struct run *r)
{
    if (r->told_running)
        return;
    struct backend_status s = {.phase = PHASE_RUNNING, .exit_code = -1, .signal = -1, .start_ms = r->start_ms};
    c->host->status(c->host->ctx, r->key, &s);
    r->told_running = true;
    r->wd = r->stream && c->inotify >= 0 ? inotify_add_watch(c->inotify, r->dir, IN_MODIFY) : -1;
    if (r->wd >= 0) {
        HASH_ADD(hh_wd, c->by_wd, wd, sizeof r->wd, r);
    } else {
        r->next = c->polled;
        c->polled = r;
    }
    read_output(c, r);
}

/* --- the end */

int64_t process_oom_kills(void)
{
    char text[16384];
    int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, "\noom_kill ");
    return at ? strtoll(at + strlen("\noom_kill "), NULL, 10) : 0;
}

static bool is_success(const struct run *r, int code)
{
    for (size_t i = 0; i < r->n_success_codes; i++)
        if (r->success_codes[i] == code)
            return true;
    return !r->n_success_codes && code == 0;
}

__attribute__((format(printf, 5, 6))) static void failed(struct backend_status *s, enum backend_cause cause, const char *reason,
                                                         int signal, const char *fmt, ...)
{
    s->phase = PHASE_FAILED;
    s->cause = cause;
    if (signal)
        s->signal = signal;
    (void)snprintf(s->reason, sizeof s->reason, "%s", reason);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(s->message, sizeof s->message, fmt, ap);
    va_end(ap);
}

static void signalled(struct backend_conn *c, struct backend_status *s, int signal)
{
    int64_t oom = signal == SIGKILL ? process_oom_kills() : c->oom_kills;
    const char *name = sigabbrev_np(signal), *what = sigdescr_np(signal);
    if (oom > c->oom_kills)
        failed(s, CAUSE_OOM, "OOM", signal, "it was killed for want of memory: the machine ran out of it");
    else if (signal == SIGKILL)
        failed(s, CAUSE_USER, "SIGNAL", signal, "it was killed from outside (SIGKILL), perhaps for want of memory");
    else if (signal == SIGXCPU)
        failed(s, CAUSE_USER, "SIGNAL", signal, "it used up its CPU time (run.limits.cpu_time)");
    else if (signal == SIGXFSZ)
        failed(s, CAUSE_USER, "SIGNAL", signal, "it wrote a file larger than run.limits.file_size");
    else
        failed(s, CAUSE_USER, "SIGNAL", signal, "it was ended by signal %d (SIG%s: %s)", signal, name ? name : "?", what ? what : "unknown");
    c->oom_kills = oom;
}

/* The exit map (docs/reference/trial-contract.md). */
static void map_end(struct backend_conn *c, const struct run *r, const struct ended *e, struct backend_status *s)
{
    s->exit_code = e->code;
    s->signal = e->signal ? e->signal : -1;
    s->start_ms = e->start_ms;
    s->end_ms = e->end_ms;
    switch (e->why) {
    case WHY_CANCEL:
        s->phase = PHASE_STOPPED;
        break;
    case WHY_TIMEOUT:
        failed(s, CAUSE_TIMEOUT, "TIMEOUT", 0, "it ran longer than its time limit of %g s", r->time_limit_s);
        break;
    case WHY_EXEC:
        failed(s, CAUSE_INVALID, "CANNOT_RUN", 0, "cannot run '%s': %s%s", r->program, strerror(e->error),
               e->error == ENOEXEC ? " (a script begins with #! and its interpreter)" : "");
        break;
    case WHY_CWD:
        failed(s, CAUSE_INVALID, "CANNOT_RUN", 0, "cannot enter the directory of run.cwd: %s", strerror(e->error));
        break;
    case WHY_SETUP:
        failed(s, CAUSE_LOST, "LOST", 0, "the run could not be set up: %s", strerror(e->error));
        break;
    case WHY_EXIT:
        if (e->signal)
            signalled(c, s, e->signal);
        else if (is_success(r, e->code))
            s->phase = PHASE_SUCCEEDED;
        else
            failed(s, CAUSE_USER, "EXIT_CODE", 0, "it ended with exit code %d", e->code);
        break;
    }
}

/* A run is in one list at a time. */
static void remove_from(struct run **list, const struct run *r)
{
    for (; *list; list = &(*list)->next)
        if (*list == r) {
            *list = r->next;
            return;
        }
}

/* Closing alone does not take it out of epoll: a process that is being spawned in another thread holds a copy until its exec. */
static void drop_pidfd(struct backend_conn *c, struct run *r)
{
    if (r->pidfd < 0)
        return;
    (void)epoll_ctl(c->epoll, EPOLL_CTL_DEL, r->pidfd, NULL);
    (void)close(r->pidfd);
    r->pidfd = -1;
}

static void told_and_gone(struct backend_conn *c, struct run *r, const struct backend_status *s)
{
    c->host->status(c->host->ctx, r->key, s);
    if (r->wd >= 0) {
        HASH_DELETE(hh_wd, c->by_wd, r);
        (void)inotify_rm_watch(c->inotify, r->wd);
    }
    remove_from(&c->polled, r);
    (void)pthread_mutex_lock(&c->mutex);
    HASH_DEL(c->runs, r);
    remove_from(&c->arrivals, r);
    bool drop = r->drop;
    (void)pthread_mutex_unlock(&c->mutex);
    if (drop)
        process_remove(c, r->key);
    drop_pidfd(c, r);
    process_run_free(r);
}

/* Takes the exit code of a hone-run that is our child: an errno when it could not take the directory, 0 when another one has it. -1: it lives. */
static int wait_for(const struct run *r)
{
    siginfo_t info = {0};
    if (r->pid <= 0 || waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG))
        return 0;
    return !info.si_pid ? -1 : info.si_code == CLD_EXITED ? info.si_status : 0;
}

static bool log_is_short(const struct run *r, const struct ended *e)
{
    int64_t size = r->stream ? e->size[!strcmp(r->stream, "stderr")] : 0;
    return size && log_size(r->dir, r->stream) < size;
}

static bool follow_other(struct backend_conn *c, struct run *r, pid_t pid)
{
    int fd = helper_find(pid, r->dir);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = r};
    if (fd < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event)) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    (void)pthread_mutex_lock(&c->mutex);
    drop_pidfd(c, r);
    r->pidfd = fd;
    remove_from(&c->arrivals, r);
    (void)pthread_mutex_unlock(&c->mutex);
    announce(c, r);
    return true;
}

/* A hone-run that lives and cannot be watched: descriptors are short, or it is of another container. */
static void look_again(struct backend_conn *c, struct run *r)
{
    remove_from(&c->polled, r);
    (void)pthread_mutex_lock(&c->mutex);
    remove_from(&c->arrivals, r);
    drop_pidfd(c, r);
    r->announce_at = clock_mono_ms() + POLL_MS;
    r->next = c->arrivals;
    c->arrivals = r;
    process_wake(c, r->announce_at);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* Nobody supervises this run any more, as far as we see. */
static void run_over(struct backend_conn *c, struct run *r)
{
    struct backend_status s = {.exit_code = -1, .signal = -1};
    struct ended ended;
    pid_t pid = 0;
    int64_t start_ms = 0;
    int code = wait_for(r);
    enum dir_state state = dir_look(r->dir, &pid, &start_ms, &ended);
    if (state == DIR_RUNNING && follow_other(c, r, pid))
        return;
    if (state == DIR_RUNNING)
        state = dir_look(r->dir, &pid, &start_ms, &ended);
    if (state == DIR_RUNNING || (state == DIR_FRESH && code < 0)) {
        look_again(c, r);
        return;
    }
    s.start_ms = state == DIR_ENDED ? ended.start_ms : start_ms;
    if (state == DIR_ENDED && log_is_short(r, &ended)) /* power failed after a short run: its end was kept, its last lines were not */
        state = DIR_LOST;
    if (state != DIR_ENDED && !r->lost_early)
        helper_sweep(r->dir);
    if (state == DIR_LOST || (state == DIR_ENDED && (!r->stream || ended.size[!strcmp(r->stream, "stderr")])))
        read_output(c, r);
    if (state == DIR_ENDED)
        map_end(c, r, &ended, &s);
    else if (state == DIR_FRESH && code)
        failed(&s, CAUSE_LOST, "LOST", 0, "the run could not be started in %s: %s", r->dir, strerror(code));
    else
        failed(&s, CAUSE_LOST, "LOST", 0, "%s: it cannot be known how it ended",
               r->lost_early ? "its files are gone" : "the process that supervised it is gone");
    told_and_gone(c, r, &s);
}

/* --- growth */

static void switch_inotify(struct backend_conn *c, bool on)
{
    struct epoll_event e = {.events = on ? EPOLLIN : 0, .data.ptr = &c->inotify};
    (void)epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->inotify, &e);
    c->inotify_off = !on;
}

static void logs_grew(struct backend_conn *c)
{
    _Alignas(struct inotify_event) char data[4096];
    int last = -1;
    ssize_t n;
    while ((n = read(c->inotify, data, sizeof data)) > 0)
        for (char *at = data; at < data + n;) {
            const struct inotify_event *e = (const void *)at;
            struct run *r = NULL;
            if (e->wd != last)
                HASH_FIND(hh_wd, c->by_wd, &e->wd, sizeof e->wd, r);
            if (r)
                read_output(c, r);
            last = e->wd;
            at += sizeof *e + e->len;
        }
    switch_inotify(c, false);
    c->inotify_on_at = clock_mono_ms() + QUIET_MS;
}

/* --- the loop */

/* Runs whose time has come to be announced, or that are over already; the others wait on. */
static void look_at_arrivals(struct backend_conn *c, int64_t now)
{
    (void)pthread_mutex_lock(&c->mutex);
    struct run *due = NULL, **at = &c->arrivals;
    while (*at) {
        struct run *r = *at;
        if (r->announce_at > now) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        r->next = due;
        due = r;
    }
    (void)pthread_mutex_unlock(&c->mutex);
    while (due) {
        struct run *r = due;
        due = r->next;
        if (r->pidfd < 0)
            run_over(c, r);
        else
            announce(c, r);
    }
}

/* Reads what is polled; when to come back. */
static int64_t poll_files(struct backend_conn *c, int64_t now)
{
    for (struct run *r = c->polled; r; r = r->next)
        read_output(c, r);
    return c->polled ? now + POLL_MS : INT64_MAX;
}

/* What the timer stands for; sets it to the next thing. False: stop. */
static bool on_time(struct backend_conn *c)
{
    uint64_t count;
    (void)!read(c->timer, &count, sizeof count);
    int64_t now = clock_mono_ms();
    (void)pthread_mutex_lock(&c->mutex);
    c->timer_at = INT64_MAX;
    bool stopping = c->stopping;
    (void)pthread_mutex_unlock(&c->mutex);
    if (stopping)
        return false;
    look_at_arrivals(c, now);
    int64_t next = poll_files(c, now);
    if (c->inotify_off && now >= c->inotify_on_at)
        switch_inotify(c, true);
    (void)pthread_mutex_lock(&c->mutex);
    for (const struct run *r = c->arrivals; r; r = r->next)
        process_wake(c, r->announce_at);
    process_wake(c, next);
    if (c->inotify_off)
        process_wake(c, c->inotify_on_at);
    (void)pthread_mutex_unlock(&c->mutex);
    return true;
}

void process_watch(struct backend_conn *c)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(c->epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            return;
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (what == &c->timer && !on_time(c))
                return;
            if (what == &c->inotify) {
                logs_grew(c);
                (void)pthread_mutex_lock(&c->mutex);
                process_wake(c, c->inotify_on_at);
                (void)pthread_mutex_unlock(&c->mutex);
            } else if (what != &c->timer) {
                run_over(c, what);
            }
        }
    }
}
