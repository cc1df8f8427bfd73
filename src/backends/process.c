/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trials as processes of this machine. What a run is doing stands in its directory and nowhere else, so a new service finds it all there. */
#include "backends/process.h"

#include "backends/trial_env.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/template.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { ANNOUNCE_MS = 100, COPY = 65536 };

extern char **environ;

/* --- the connection */

/* A trial inherits the service's environment: with `hone tune` that is the user's shell, whose CUDA_VISIBLE_DEVICES, PYTHONPATH, proxies and
 * virtual environment it needs. What speaks to this very process stays out. */
static bool is_inherited(const char *variable)
{
    static const char *const ours[] = {"HONE_", "KATIB_", "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_", "OLDPWD=", "PWD=", "_="};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (!strncmp(variable, ours[i], strlen(ours[i])))
            return false;
    return strchr(variable, '=') != NULL;
}

static char **inherited(void)
{
    size_t n = 0, kept = 0;
    while (environ && environ[n])
        n++;
    char **list = x_calloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++)
        if (is_inherited(environ[i]))
            list[kept++] = environ[i];
    return list;
}

static bool watched(struct backend_conn *c, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = fd == c->timer ? (void *)&c->timer : (void *)&c->inotify};
    return fd >= 0 && !epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void process_close(struct backend_conn *c)
{
    struct run *r = c->runs, *next;
    HASH_CLEAR(hh_wd, c->by_wd);
    HASH_CLEAR(hh, c->runs);
    for (; r; r = next) {
        next = r->hh.next;
        process_run_free(r);
    }
    if (c->inotify >= 0)
        (void)close(c->inotify);
    if (c->timer >= 0)
        (void)close(c->timer);
    if (c->epoll >= 0)
        (void)close(c->epoll);
    helper_close(&c->helper);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c->base_env);
    free(c->dir);
    free(c);
}

static enum err process_open(const struct backend_host *host, struct backend_conn **out, struct error *error)
{
    struct backend_conn *c = X_NEW(struct backend_conn);
    c->host = host;
    char *base CLEANUP_FREE = realpath(host->data_dir, NULL);
    c->dir = x_asprintf("%s/process", base ? base : host->data_dir);
    c->base_env = inherited();
    c->timer_at = INT64_MAX;
    (void)pthread_mutex_init(&c->mutex, NULL);
    int made = mkdir(c->dir, 0700) && errno != EEXIST ? errno : 0;
    helper_open(&c->helper, c->dir);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    c->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK); /* -1: logs are looked at from time to time */
    c->oom_kills = process_oom_kills();
    if (!made && c->epoll >= 0 && watched(c, c->timer) && (c->inotify < 0 || watched(c, c->inotify))) {
        *out = c;
        return OK;
    }
    int why = made ? made : errno;
    enum err err = err_set(error, made ? ERR_STORAGE : ERR_INTERNAL, "PROCESS", "the process backend cannot start in %s: %s", c->dir, strerror(why));
    process_close(c);
    return err;
}

static void process_stop_watch(struct backend_conn *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    c->stopping = true;
    process_wake(c, 0);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* --- a run */

void process_run_free(struct run *r)
{
    if (r->pidfd >= 0)
        (void)close(r->pidfd);
    free(r->success_codes);
    free(r->metrics_path);
    event_files_free(r->events);
    free(r->program);
    free(r->dir);
    free(r);
}

static char *run_dir(const struct backend_conn *c, const char *run_key)
{
    return x_asprintf("%s/%s", c->dir, run_key);
}

/* One for each replicate of a trial, kept between its attempts: the run_key without its attempt. */
char *process_checkpoint_dir(const struct backend_conn *c, const char *run_key, int64_t replicate)
{
    const char *attempt = strrchr(run_key, '-');
    int n = (int)(attempt ? (size_t)(attempt - run_key) : strlen(run_key));
    return replicate ? x_asprintf("%s/%.*s.checkpoint.%lld", c->dir, n, run_key, (long long)replicate) : x_asprintf("%s/%.*s.checkpoint", c->dir, n, run_key);
}

char *process_job_checkpoint(const struct backend_conn *c, const struct backend_job *job)
{
    return job->checkpoint ? x_asprintf("%s/%s.checkpoint", c->dir, job->checkpoint) : process_checkpoint_dir(c, job->run_key, job->replicate);
}

static bool key_ok(const char *key)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n && !key[n] && n < sizeof((struct run *)0)->key;
}

static struct run *find(struct backend_conn *c, const char *run_key)
{
    struct run *r;
    (void)pthread_mutex_lock(&c->mutex);
    HASH_FIND_STR(c->runs, run_key, r);
    (void)pthread_mutex_unlock(&c->mutex);
    return r;
}

static void read_success_codes(struct run *r, const json_t *codes)
{
    r->n_success_codes = json_array_size(codes);
    r->success_codes = x_calloc(r->n_success_codes, sizeof *r->success_codes);
    for (size_t i = 0; i < r->n_success_codes; i++)
        r->success_codes[i] = (int)json_integer_value(json_array_get(codes, i));
}

static struct run *new_run(const struct backend_conn *c, const struct backend_job *job)
{
    struct run *r = X_NEW(struct run);
    const json_t *metrics = json_object_get(job->run, "metrics"), *command = json_object_get(job->run, "command");
    const char *from = json_string_value(json_object_get(metrics, "from")), *path = json_string_value(json_object_get(metrics, "path"));
    const char *program = json_string_value(json_is_array(command) ? json_array_get(command, 0) : command);
    (void)snprintf(r->key, sizeof r->key, "%s", job->run_key);
    r->dir = run_dir(c, job->run_key);
    r->program = x_strdup(program ? program : "");
    r->pidfd = r->wd = -1;
    r->time_limit_s = job->time_limit_s;
    read_success_codes(r, json_object_get(job->run, "success_codes"));
    char *file CLEANUP_FREE = path && *path == '/' ? x_strdup(path) : x_asprintf("%s/work/%s", r->dir, path ? path : "");
    if (from && !strcmp(from, "file") && path)
        r->metrics_path = x_strdup(file);
    else if (from && !strcmp(from, "tensorboard"))
        r->events = event_files_new(file, job->cursor ? job->cursor : "");
    else
        r->stream = from && !strcmp(from, "stderr") ? "stderr" : "stdout";
    if (job->cursor && *job->cursor)
        r->place.offset = !strcmp(job->cursor, "end") ? INT64_MAX : r->events ? 1 : strtoll(job->cursor, NULL, 10);
    return r;
}

/* --- the command and its environment */

/* A list of malloced or borrowed strings, NULL-ended. */
struct words {
    char **list;
    size_t n, cap, n_borrowed; /* the first n_borrowed are not ours */
};

static void add(struct words *w, char *word)
{
    if (w->n + 2 > w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->list = x_realloc(w->list, w->cap * sizeof *w->list);
    }
    w->list[w->n++] = word;
    w->list[w->n] = NULL;
}

static void words_release(struct words *w)
{
    for (size_t i = w->n_borrowed; i < w->n; i++)
        free(w->list[i]);
    free(w->list);
}

static void add_limits(struct words *argv, const json_t *limits)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)limits, name, value)
    {
        add(argv, x_asprintf("%s=%.0f", name, json_number_value(value)));
    }
}

static void build_argv(const struct backend_conn *c, const struct backend_job *job, const struct run *r, struct words *argv)
{
    struct template_values values = {
        .params = job->params, .names = job->names, .trial = job->trial, .budget = job->budget, .seed = job->seed, .trial_name = job->trial_name};
    const json_t *command = json_object_get(job->run, "command"), *word;
    const char *cwd = json_string_value(json_object_get(job->run, "cwd"));
    double grace = json_number_value(json_object_get(job->run, "grace"));
    json_int_t log_limit = json_integer_value(json_object_get(job->run, "log_limit"));
    char *checkpoint CLEANUP_FREE = process_job_checkpoint(c, job);
    add(argv, x_strdup("hone-run"));
    add(argv, x_asprintf("dir=%s", r->dir));
    add(argv, x_asprintf("checkpoint=%s", checkpoint));
    char *where CLEANUP_FREE = !cwd ? x_strdup("work") : job->final_texts ? x_strdup(cwd) : template_render(cwd, &values, false);
    add(argv, *where == '/' ? x_asprintf("cwd=%s", where) : x_asprintf("cwd=%s/%s", r->dir, where));
    add(argv, x_asprintf("grace=%.0f", grace * 1000));
    if (job->time_limit_s > 0)
        add(argv, x_asprintf("time=%.0f", job->time_limit_s * 1000 < 1 ? 1 : job->time_limit_s * 1000));
    if (log_limit > 0)
        add(argv, x_asprintf("log=%lld", (long long)log_limit));
    add_limits(argv, json_object_get(job->run, "limits"));
    add(argv, x_strdup("--"));
    if (json_is_string(command)) { /* shell: true; what is filled in is quoted for it */
        add(argv, x_strdup("/bin/sh"));
        add(argv, x_strdup("-c"));
        add(argv, template_render(json_string_value(command), &values, true));
        return;
    }
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)command, i, word)
    {
        add(argv, job->final_texts ? x_strdup(json_string_value(word)) : template_render(json_string_value(word), &values, false));
    }
}

static bool is_set(const json_t *env, const char *variable)
{
    size_t len = strcspn(variable, "=");
    char *name CLEANUP_FREE = x_strndup(variable, len);
    return json_object_get(env, name) != NULL;
}

static void build_env(const struct backend_conn *c, const struct backend_job *job, const struct run *r, struct words *env)
{
    json_t *ours = trial_env(job), *value;
    char *artifacts CLEANUP_FREE = x_asprintf("%s/artifacts", r->dir), *token_file CLEANUP_FREE = x_asprintf("%s/token", r->dir);
    char *checkpoint CLEANUP_FREE = process_job_checkpoint(c, job);
    const char *name;
    trial_env_loggers(job, artifacts, token_file, ours);
    for (char **e = c->base_env; *e; e++)
        if (!is_set(ours, *e))
            add(env, *e);
    env->n_borrowed = env->n;
    json_object_foreach(ours, name, value)
    {
        add(env, x_asprintf("%s=%s", name, json_string_value(value)));
    }
    add(env, x_asprintf("HONE_DATA=%.*s", (int)(strrchr(c->dir, '/') - c->dir), c->dir)); /* server.json there: where a restarted service is */
    add(env, x_asprintf("HONE_WORK_DIR=%s/work", r->dir));
    add(env, x_asprintf("HONE_ARTIFACT_DIR=%s", artifacts));
    add(env, x_asprintf("HONE_CHECKPOINT_DIR=%s", checkpoint));
    add(env, x_asprintf("HONE_PARAMS_FILE=%s/params.json", r->dir));
    add(env, x_asprintf("HONE_RESUME=%d", !dir_empty(checkpoint)));
    if (r->metrics_path)
        add(env, x_asprintf("HONE_METRICS_FILE=%s", r->metrics_path));
    json_decref(ours);
}

/* The parent's checkpoint becomes that of a trial that has none yet. A parent that kept none leaves nothing: the trial begins anew. */
static enum err inherit(const struct backend_conn *c, const struct backend_job *job, struct error *error)
{
    const char *trial = strchr(job->run_key + 2, '-');
    if (job->checkpoint ? !job->checkpoint_from : !job->parent || !trial)
        return OK;
    char *parent_key CLEANUP_FREE = trial ? x_asprintf("%.*s-%" PRId64 "-1", (int)(trial - job->run_key), job->run_key, job->parent) : NULL;
    char *from CLEANUP_FREE = job->checkpoint ? x_asprintf("%s/%s.checkpoint", c->dir, job->checkpoint_from) : process_checkpoint_dir(c, parent_key, job->replicate);
    char *to CLEANUP_FREE = process_job_checkpoint(c, job);
    if (!access(to, F_OK) || access(from, F_OK) || dir_copy(from, to))
        return OK;
    return err_set(error, ERR_UNAVAILABLE, "CHECKPOINT", "cannot copy the checkpoint of trial %" PRId64 ": %s", job->parent, strerror(errno));
}

static enum err start(struct backend_conn *c, const struct backend_job *job, struct run *r, struct error *error)
{
    struct words argv = {0}, env = {0};
    enum err err = inherit(c, job, error);
    if (err)
        return err;
    build_argv(c, job, r, &argv);
    build_env(c, job, r, &env);
    err = helper_start(&c->helper, argv.list, env.list, &r->pid, error);
    words_release(&argv);
    words_release(&env);
    if (err)
        return err;
    r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    r->start_ms = clock_wall_ms();
    return OK;
}

/* Follows the hone-run of an earlier service, or one that another submit has just started. */
static enum err adopt(struct run *r, struct error *error)
{
    struct ended ended;
    r->pidfd = helper_find(r->pid, r->dir);
    /* the lock was held, then the process was found: if the lock is held still, it is by this process */
    if (dir_look(r->dir, &r->pid, &r->start_ms, &ended) == DIR_RUNNING && r->pidfd < 0)
        return err_set(error, ERR_UNAVAILABLE, "PROCESS", "the trial runs, but its process %d cannot be seen from here; waiting for it to end", (int)r->pid);
    return OK;
}

static enum err process_submit(struct backend_conn *c, const struct backend_job *job, struct error *error)
{
    if (!key_ok(job->run_key))
        return err_set(error, ERR_INVALID, "RUN_KEY", "\"%.100s\" cannot name a run", job->run_key);
    if (find(c, job->run_key))
        return OK;
    struct run *r = new_run(c, job);
    struct ended ended;
    enum err err = OK;
    enum dir_state state = dir_look(r->dir, &r->pid, &r->start_ms, &ended);
    if (state == DIR_FRESH && r->place.offset)
        r->lost_early = true;
    else if (state == DIR_FRESH)
        err = start(c, job, r, error);
    else if (state == DIR_RUNNING)
        err = adopt(r, error);
    if (err) {
        process_run_free(r);
        return err;
    }
    r->announce_at = clock_mono_ms() + (r->pidfd < 0 ? 0 : ANNOUNCE_MS);
    process_arrive(c, r);
    return OK;
}

static enum err process_cancel(struct backend_conn *c, const char *run_key, double grace_s, struct error *error)
{
    struct run *r;
    (void)pthread_mutex_lock(&c->mutex);
    HASH_FIND_STR(c->runs, run_key, r);
    bool asked = !r || r->pidfd < 0 || helper_stop(r->pidfd, grace_s);
    int why = errno;
    (void)pthread_mutex_unlock(&c->mutex);
    return asked ? OK : err_set(error, ERR_INTERNAL, "PROCESS", "cannot signal the trial's process: %s", strerror(why));
}

void process_remove(const struct backend_conn *c, const char *run_key)
{
    char *dir CLEANUP_FREE = run_dir(c, run_key);
    dir_remove(dir);
    for (int64_t replicate = 0;; replicate++) {
        char *checkpoint CLEANUP_FREE = process_checkpoint_dir(c, run_key, replicate);
        if (access(checkpoint, F_OK))
            break;
        dir_remove(checkpoint);
    }
}

static char *process_place(struct backend_conn *c, const char *run_key)
{
    return run_dir(c, run_key);
}

static void process_forget(struct backend_conn *c, const char *run_key, bool drop)
{
    struct run *r;
    if (!drop || !key_ok(run_key))
        return;
    (void)pthread_mutex_lock(&c->mutex);
    HASH_FIND_STR(c->runs, run_key, r);
    if (r) { /* it still runs: its files go when it is over */
        r->drop = true;
        if (r->pidfd >= 0)
            (void)helper_stop(r->pidfd, 0);
    }
    (void)pthread_mutex_unlock(&c->mutex);
    if (!r)
        process_remove(c, run_key);
}

static enum err process_logs(struct backend_conn *c, const char *run_key, enum backend_stream stream, int64_t offset, size_t max,
                             struct buf *out, int64_t *next, bool *end, struct error *error)
{
    const char *name = stream == STREAM_STDERR ? "stderr" : "stdout";
    char *dir CLEANUP_FREE = run_dir(c, run_key);
    struct ended ended;
    pid_t pid;
    int64_t start_ms;
    enum dir_state state = key_ok(run_key) ? dir_look(dir, &pid, &start_ms, &ended) : DIR_FRESH;
    if (state == DIR_FRESH)
        return err_set(error, ERR_NOT_FOUND, "LOG_NOT_FOUND", "there is no log of %s: it has not begun, or its files were removed", run_key);
    int64_t size = log_size(dir, name);
    struct log_place at = {.offset = offset >= 0 ? offset : size + offset > 0 ? size + offset : 0};
    size_t stop = out->len + max;
    while (out->len < stop && log_read(dir, name, &at, stop - out->len < COPY ? stop - out->len : COPY, out))
        ;
    *next = at.offset;
    *end = state != DIR_RUNNING && at.offset >= size; /* the state was looked at before the bytes were read */
    return OK;
}

/* --- validate */

static bool in_path(const char *name, const char *path, bool *found)
{
    while (true) {
        size_t n = strcspn(path, ":");
        char *full CLEANUP_FREE = x_asprintf("%.*s%s%s", (int)n, path, n ? "/" : "", name);
        struct stat s;
        bool file = !stat(full, &s) && S_ISREG(s.st_mode);
        *found |= file;
        if (file && !access(full, X_OK))
            return true;
        if (!path[n])
            return false;
        path += n + 1;
    }
}

static const char *path_of(const struct backend_conn *c, const json_t *run)
{
    const char *path = json_string_value(json_object_get(json_object_get(run, "env"), "PATH"));
    for (char **e = c->base_env; !path && *e; e++)
        path = strncmp(*e, "PATH=", 5) ? NULL : *e + 5;
    return path ? path : "/usr/local/bin:/usr/bin:/bin";
}

static void check_program(const char *program, const char *place, const char *path, const char *cwd, struct problems *problems)
{
    bool found = false, slash = strchr(program, '/') != NULL;
    char *full CLEANUP_FREE = *program == '/' || !cwd ? x_strdup(program) : x_asprintf("%s/%s", cwd, program);
    if (slash && *program != '/' && !cwd) {
        problems_add(problems, place, "NOT_FOUND", NULL, "%s is looked for in the trial's own new directory; give its whole path, or set run.cwd", program);
        return;
    }
    struct stat s;
    bool ok = slash ? !access(full, X_OK) && !stat(full, &s) && S_ISREG(s.st_mode) : in_path(program, path, &found);
    if (ok)
        return;
    if (slash)
        found = !access(full, F_OK);
    if (found)
        problems_add(problems, place, "NOT_EXECUTABLE", NULL, "%s may not be executed: chmod +x it, or name the program that reads it (python3, sh) first",
                     slash ? full : program);
    else
        problems_add(problems, place, "NOT_FOUND", NULL, "there is no program %s%s", slash ? full : program, slash ? "" : " in the PATH of the service");
}

static void process_validate(struct backend_conn *c, const struct backend_job *sample, struct problems *problems)
{
    const json_t *run = sample->run;
    const json_t *command = json_object_get(run, "command");
    const char *cwd = json_string_value(json_object_get(run, "cwd")), *program = json_string_value(json_array_get(command, 0));
    struct stat s;
    bool cwd_varies = cwd && strchr(cwd, '{');
    if (cwd && *cwd != '/')
        problems_add(problems, "/run/cwd", "RELATIVE", NULL, "is %s, must be an absolute path: the service does not know where you are", cwd);
    else if (cwd && !cwd_varies && (stat(cwd, &s) || !S_ISDIR(s.st_mode)))
        problems_add(problems, "/run/cwd", "NOT_FOUND", NULL, "there is no directory %s on the machine of the service", cwd);
    else if (program && !strchr(program, '{') && !cwd_varies)
        check_program(program, "/run/command/0", path_of(c, run), cwd, problems);
    else if (json_is_string(command) && access("/bin/sh", X_OK))
        problems_add(problems, "/run/shell", "NOT_FOUND", NULL, "there is no /bin/sh on the machine of the service; write the command as a list");
}

const struct backend backend_process = {.name = "process",
                                        .title = "Processes on this machine",
                                        .survives_host = true,
                                        .keeps_nothing = true,
                                        .open = process_open,
                                        .close = process_close,
                                        .watch = process_watch,
                                        .stop_watch = process_stop_watch,
                                        .validate = process_validate,
                                        .submit = process_submit,
                                        .cancel = process_cancel,
                                        .logs = process_logs,
                                        .place = process_place,
                                        .forget = process_forget};
