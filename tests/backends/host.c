/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host.h"

#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60 };

char *make_temp_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = x_asprintf("%s/hone-backend-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static struct told *find(struct host *h, const char *run_key)
{
    for (struct told *t = h->told; t; t = t->next)
        if (!strcmp(t->run_key, run_key))
            return t;
    struct told *t = X_NEW(struct told);
    (void)snprintf(t->run_key, sizeof t->run_key, "%s", run_key);
    t->next = h->told;
    h->told = t;
    return t;
}

static void on_status(void *ctx, const char *run_key, const struct backend_status *status)
{
    struct host *h = ctx;
    (void)pthread_mutex_lock(&h->mutex);
    struct told *t = find(h, run_key);
    t->status = *status;
    t->running |= status->phase == PHASE_RUNNING;
    if (status->phase != PHASE_RUNNING && status->phase != PHASE_PENDING) {
        t->final = true;
        t->n_finals++;
    }
    (void)pthread_cond_broadcast(&h->cond);
    (void)pthread_mutex_unlock(&h->mutex);
}

static void on_output(void *ctx, const char *run_key, const char *data, size_t len, const char *cursor)
{
    struct host *h = ctx;
    (void)pthread_mutex_lock(&h->mutex);
    struct told *t = find(h, run_key);
    assert_false(t->final);
    buf_add(&t->output, data, len);
    (void)snprintf(t->cursor, sizeof t->cursor, "%s", cursor);
    (void)pthread_cond_broadcast(&h->cond);
    (void)pthread_mutex_unlock(&h->mutex);
}

static void *watch(void *arg)
{
    struct host *h = arg;
    h->backend->watch(h->conn);
    return NULL;
}

struct host *host_open(const struct backend *backend, const char *data_dir)
{
    struct host *h = X_NEW(struct host);
    struct error error = {0};
    h->backend = backend;
    h->host = (struct backend_host){.ctx = h, .data_dir = data_dir, .status = on_status, .output = on_output};
    (void)pthread_mutex_init(&h->mutex, NULL);
    (void)pthread_cond_init(&h->cond, NULL);
    assert_int_equal(backend->open(&h->host, &h->conn, &error), OK);
    assert_int_equal(pthread_create(&h->thread, NULL, watch, h), 0);
    return h;
}

void host_close(struct host *h)
{
    h->backend->stop_watch(h->conn);
    (void)pthread_join(h->thread, NULL);
    h->backend->close(h->conn);
    for (struct told *t = h->told, *next; t; t = next) {
        next = t->next;
        buf_release(&t->output);
        free(t);
    }
    (void)pthread_cond_destroy(&h->cond);
    (void)pthread_mutex_destroy(&h->mutex);
    free(h);
}

enum err host_submit_job(struct host *h, struct backend_job *job, const char *run, struct error *error)
{
    json_error_t where;
    json_t *section = json_loads(run, 0, &where);
    if (!section)
        fail_msg("%s in %s", where.text, run);
    job->run = section;
    enum err err = h->backend->submit(h->conn, job, error);
    json_decref(section);
    return err;
}

enum err host_submit(struct host *h, const char *run_key, const char *run, const char *cursor, double time_limit_s, struct error *error)
{
    static const char *const names[] = {"lr", "name", "unused", NULL};
    json_t *params = json_pack("{s:f, s:s}", "lr", 0.1, "name", "it's; $HOME");
    struct backend_job job = {.run_key = run_key,
                              .project = "default",
                              .experiment = "digits",
                              .trial_name = "digits-1",
                              .trial = 1,
                              .attempt = strtoll(strrchr(run_key, '-') + 1, NULL, 10),
                              .params = params,
                              .names = names,
                              .seed = 42,
                              .time_limit_s = time_limit_s,
                              .url = "http://127.0.0.1:1",
                              .token = "secret",
                              .cursor = cursor};
    enum err err = host_submit_job(h, &job, run, error);
    json_decref(params);
    return err;
}

static bool is_final(const struct told *t, const char *text)
{
    (void)text;
    return t->final;
}

static bool is_running(const struct told *t, const char *text)
{
    (void)text;
    return t->running;
}

static bool has_output(const struct told *t, const char *text)
{
    return t->output.len && strstr(t->output.data, text);
}

static struct told *await_told(struct host *h, const char *run_key, bool (*holds)(const struct told *, const char *), const char *text)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    int late = 0;
    (void)pthread_mutex_lock(&h->mutex);
    struct told *t = find(h, run_key);
    while (!holds(t, text) && !late)
        late = pthread_cond_timedwait(&h->cond, &h->mutex, &until);
    (void)pthread_mutex_unlock(&h->mutex);
    if (late)
        fail_msg("%s: waited in vain; its output so far: %s", run_key, t->output.len ? t->output.data : "none");
    return t;
}

struct told *host_await_final(struct host *h, const char *run_key)
{
    return await_told(h, run_key, is_final, NULL);
}

struct told *host_await_output(struct host *h, const char *run_key, const char *text)
{
    return await_told(h, run_key, has_output, text);
}

struct told *host_await_running(struct host *h, const char *run_key)
{
    return await_told(h, run_key, is_running, NULL);
}

struct told *host_run(struct host *h, const char *run_key, const char *run)
{
    struct error error = {0};
    if (host_submit(h, run_key, run, "", 0, &error))
        fail_msg("%s: %s", run_key, error.detail);
    return host_await_final(h, run_key);
}

void await(bool (*holds)(const void *), const void *arg)
{
    int64_t until = clock_mono_ms() + PATIENCE_S * 1000;
    while (!holds(arg)) {
        assert_true(clock_mono_ms() < until);
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}
