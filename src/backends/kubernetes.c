/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trials as Jobs of a Kubernetes cluster, or as any custom resource. The name of an object is the run's key, so that it is never made twice. */
#include "backends/kubernetes.h"

#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SERVICE_CHARS = 9,
    FIRST_SWEEP_MS = 60000,
    SWEEP_MS = 600000,
};

/* ---- the connection ---- */

enum err kubernetes_kube(struct backend_conn *c, struct kube **out, struct error *error)
{
    (void)pthread_mutex_lock(&c->opening);
    enum err err = c->kube ? OK : kube_open(&c->settings, &c->kube, error);
    *out = c->kube;
    (void)pthread_mutex_unlock(&c->opening);
    return err;
}

void kubernetes_wake(struct backend_conn *c)
{
    (void)pthread_cond_signal(&c->wake);
    if (c->transfers)
        transfers_wake(c->transfers);
}

static char *setting(const struct backend_host *host, const char *name)
{
    const char *text = host->setting ? host->setting(host->ctx, name) : "";
    return x_strdup(text ? text : "");
}

static bool is_true(const char *text)
{
    static const char *const words[] = {"true", "1", "yes", "on"}; /* as src/config.c has them */
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strcasecmp(text, words[i]))
            return true;
    return false;
}

static void read_settings(const struct backend_host *host, struct kube_settings *s)
{
    char *spaces CLEANUP_FREE = setting(host, "kube_project_namespaces");
    s->kubeconfig = setting(host, "kubeconfig");
    s->context = setting(host, "kube_context");
    s->namespace = setting(host, "kube_namespace");
    s->exec = setting(host, "kube_exec");
    s->project_namespaces = is_true(spaces);
}

/* The value of the label that says whose an object is; made once. */
static bool read_service(struct backend_conn *c)
{
    char *path CLEANUP_FREE = x_asprintf("%s/service", c->dir), id[ID_TEXT], line[64] = "", name[SERVICE_CHARS + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
    if (fd >= 0)
        (void)close(fd);
    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (!*line) {
        id_new(clock_wall_ms(), id);
        id_short(id, name, SERVICE_CHARS);
        (void)snprintf(line, sizeof line, "h%s", name);
        char *text CLEANUP_FREE = x_asprintf("%s\n", line);
        if (!kubernetes_write(path, text))
            return false;
    }
    c->service = x_strdup(line);
    return true;
}

static void kubernetes_close(struct backend_conn *c)
{
    struct run *r, *next;
    HASH_ITER(hh, c->runs, r, next)
    {
        HASH_DEL(c->runs, r);
        kubernetes_run_free(r);
    }
    for (struct kube_watch *w = c->watches, *after; w; w = after) {
        after = w->next;
        kube_watch_free(w);
    }
    transfers_free(c->transfers);
    kube_close(c->kube);
    free(c->settings.kubeconfig);
    free(c->settings.context);
    free(c->settings.namespace);
    free(c->settings.exec);
    (void)pthread_mutex_destroy(&c->mutex);
    (void)pthread_mutex_destroy(&c->opening);
    (void)pthread_cond_destroy(&c->wake);
    free(c->dir);
    free(c->service);
    free(c);
}

static enum err kubernetes_open(const struct backend_host *host, struct backend_conn **out, struct error *error)
{
    struct backend_conn *c = X_NEW(struct backend_conn);
    pthread_mutexattr_t attr;
    c->host = host;
    c->dir = x_asprintf("%s/kubernetes", host->data_dir);
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&c->mutex, &attr);
    (void)pthread_mutexattr_destroy(&attr);
    (void)pthread_mutex_init(&c->opening, NULL);
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->wake, &clock);
    (void)pthread_condattr_destroy(&clock);
    read_settings(host, &c->settings);
    c->sweep_at = clock_mono_ms() + FIRST_SWEEP_MS;
    int why = mkdir(c->dir, 0700) && errno != EEXIST ? errno : 0;
    if (!why && read_service(c)) {
        *out = c;
        return OK;
    }
    enum err err = err_set(error, ERR_STORAGE, "KUBERNETES", "the kubernetes backend cannot start in %s: %s", c->dir, strerror(why ? why : errno));
    kubernetes_close(c);
    return err;
}

/* ---- asked by the host ---- */

static enum err kubernetes_cancel(struct backend_conn *c, const char *run_key, double grace_s, struct error *error)
{
    (void)grace_s, (void)error; /* the grace is the pods' own, set when they were made */
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = kubernetes_find(c, run_key);
    if (r)
        r->cancelled = true;
    kubernetes_wake(c);
    (void)pthread_mutex_unlock(&c->mutex);
    return OK;
}

static enum err kubernetes_logs(struct backend_conn *c, const char *run_key, enum backend_stream stream, int64_t offset, size_t max, struct buf *out, int64_t *next,
                                bool *end, struct error *error)
{
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = kubernetes_find(c, run_key);
    bool over = !r || r->verdict == VERDICT_OVER;
    (void)pthread_mutex_unlock(&c->mutex);
    if (!kubernetes_key_ok(run_key))
        return err_set(error, ERR_NOT_FOUND, "LOG_NOT_FOUND", "there is no log of %.80s", run_key);
    if (stream == STREAM_STDERR) { /* a container's two streams come as one */
        *next = 0;
        *end = true;
        return OK;
    }
    enum err err = kube_log_serve(c, run_key, offset, max, out, next, end, error);
    *end = *end && over;
    return err;
}

/* ---- the watch thread ---- */

/* Objects of runs that are over, whose removal failed or was cut short. */
static void sweep(struct backend_conn *c, int64_t now)
{
    struct dirent *e;
    if (now < c->sweep_at)
        return;
    c->sweep_at = now + SWEEP_MS;
    DIR *dir = opendir(c->dir);
    if (!dir)
        return;
    for (bool asked = true; asked && (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        char *key CLEANUP_FREE = len > 5 && !strcmp(e->d_name + len - 5, ".json") ? x_strndup(e->d_name, len - 5) : NULL;
        if (!key || !kubernetes_key_ok(key))
            continue;
        (void)pthread_mutex_lock(&c->mutex);
        bool live = kubernetes_find(c, key) != NULL;
        (void)pthread_mutex_unlock(&c->mutex);
        if (!live)
            asked = kubernetes_remove_object(c, key);
    }
    (void)closedir(dir);
}

static int64_t turn(struct backend_conn *c)
{
    int64_t next = c->sweep_at, at, now;
    struct run *r, *after;
    transfers_run(c->transfers);
    now = clock_mono_ms();
    HASH_ITER(hh, c->runs, r, after)
    {
        at = kube_run_turn(c, r, now);
        next = at < next ? at : next;
    }
    for (struct kube_watch *w = c->watches; w; w = w->next) {
        at = kube_watch_turn(w, now);
        next = at < next ? at : next;
    }
    return next - now;
}

/* Waits for the first run. */
static void idle(struct backend_conn *c)
{
    int64_t at = c->sweep_at;
    struct timespec until = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    while (!c->runs && !c->stopping && clock_mono_ms() < at)
        (void)pthread_cond_timedwait(&c->wake, &c->mutex, &until);
    if (c->runs && !c->transfers)
        c->transfers = transfers_new();
}

static void kubernetes_watch(struct backend_conn *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    while (!c->stopping) {
        int64_t wait = 0;
        if (c->transfers)
            wait = turn(c);
        else
            idle(c);
        struct transfers *transfers = c->transfers;
        (void)pthread_mutex_unlock(&c->mutex);
        if (transfers)
            transfers_wait(transfers, wait);
        sweep(c, clock_mono_ms());
        (void)pthread_mutex_lock(&c->mutex);
    }
    (void)pthread_mutex_unlock(&c->mutex);
}

static void kubernetes_stop_watch(struct backend_conn *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    c->stopping = true;
    kubernetes_wake(c);
    (void)pthread_mutex_unlock(&c->mutex);
}

const struct backend backend_kubernetes = {.name = "kubernetes",
                                           .title = "Jobs and custom resources of a Kubernetes cluster",
                                           .survives_host = true,
                                           .open = kubernetes_open,
                                           .close = kubernetes_close,
                                           .watch = kubernetes_watch,
                                           .stop_watch = kubernetes_stop_watch,
                                           .prepare = kubernetes_prepare,
                                           .validate = kubernetes_validate,
                                           .submit = kubernetes_submit,
                                           .cancel = kubernetes_cancel,
                                           .logs = kubernetes_logs,
                                           .forget = kubernetes_forget};
