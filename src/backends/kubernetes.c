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

/* ---- files ---- */

static char *file_of(const struct backend_conn *c, const char *run_key, const char *suffix)
{
    return x_asprintf("%s/%s%s", c->dir, run_key, suffix);
}

/* Where the object of a run is. New reference; NULL: none was made, or it was removed. */
static json_t *marker_read(const struct backend_conn *c, const char *run_key)
{
    char *path CLEANUP_FREE = file_of(c, run_key, ".json");
    json_t *marker = json_load_file(path, 0, NULL);
    if (*kube_text(marker, "path"))
        return marker;
    json_decref(marker);
    return NULL;
}

static bool write_whole(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !fdatasync(fd);
    if (fd >= 0)
        (void)close(fd);
    return good;
}

static bool marker_write(const struct backend_conn *c, const char *run_key, const char *collection, bool retain)
{
    char *path CLEANUP_FREE = file_of(c, run_key, ".json"), *fresh CLEANUP_FREE = x_asprintf("%s.new", path);
    json_t *marker = json_pack("{s:s, s:b}", "path", collection, "retain", retain);
    char *text CLEANUP_FREE = json_dumps(marker, JSON_COMPACT);
    json_decref(marker);
    return write_whole(fresh, text) && !rename(fresh, path);
}

static void marker_remove(const struct backend_conn *c, const char *run_key)
{
    char *path CLEANUP_FREE = file_of(c, run_key, ".json");
    (void)unlink(path);
}

void kubernetes_let_go(struct backend_conn *c, const struct run *r)
{
    (void)marker_write(c, r->key, r->path, false);
}

void kubernetes_remove_files(const struct backend_conn *c, const char *run_key)
{
    char *log CLEANUP_FREE = file_of(c, run_key, ".log");
    marker_remove(c, run_key);
    (void)unlink(log);
}

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
        if (!write_whole(path, text))
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

/* ---- runs ---- */

static bool key_ok(const char *key)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n && !key[n] && n < sizeof((struct run *)0)->key;
}

static size_t read_conditions(const json_t *run, const char *member, const char *def, struct gjson **out)
{
    const json_t *list = json_object_get(run, member), *item;
    size_t n = 0, i, column;
    const char *why;
    if (!list && def)
        out[n++] = gjson_new(def, &why, &column);
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        struct gjson *g = n < KUBE_MAX_CONDITIONS ? gjson_new(json_string_value(item), &why, &column) : NULL;
        if (g)
            out[n++] = g;
    }
    return n;
}

/* With the mutex. `path`: of the collection. */
static struct run *add_run(struct backend_conn *c, const struct backend_job *job, const char *path, const char *namespace, bool created)
{
    const json_t *manifest = json_object_get(job->run, "manifest");
    json_t *plain = json_pack("{s:s, s:s}", "apiVersion", "batch/v1", "kind", "Job");
    const struct manifest_kind *job_kind = manifest_kind(plain), *kind = manifest ? manifest_kind(manifest) : job_kind;
    const char *container = kube_container(job->run);
    struct run *r = X_NEW(struct run);
    r->conn = c;
    (void)snprintf(r->key, sizeof r->key, "%s", job->run_key);
    r->path = x_strdup(path);
    r->namespace = x_strdup(namespace);
    r->container = container ? x_strdup(container) : NULL;
    r->pod_labels = kube_pod_labels(job->run);
    r->n_success = read_conditions(job->run, "success_condition", kind ? kind->success : NULL, r->success);
    r->n_failure = read_conditions(job->run, "failure_condition", kind ? kind->failure : NULL, r->failure);
    r->time_limit_s = job->time_limit_s;
    r->start_timeout_s = json_number_value(json_object_get(job->run, "start_timeout"));
    r->cluster_limits = kind == job_kind;
    r->created = created;
    r->made_at = clock_mono_ms();
    json_decref(plain);
    char *ours CLEANUP_FREE = x_asprintf("labelSelector=hone.dev%%2Fservice%%3D%s", c->service), *pods CLEANUP_FREE = x_asprintf("/api/v1/namespaces/%s/pods", namespace);
    char *encoded CLEANUP_FREE = kind && kind->pod_label ? rest_encode(kind->pod_label) : NULL, *theirs CLEANUP_FREE = encoded ? x_asprintf("labelSelector=%s", encoded) : NULL;
    r->objects = kube_watch_use(c, path, ours, NULL);
    r->pods = kube_watch_use(c, pods, theirs ? theirs : ours, theirs ? kind->pod_label : KUBE_RUN);
    kube_log_open(c, r, job->cursor ? job->cursor : "");
    HASH_ADD_STR(c->runs, key, r);
    kubernetes_wake(c);
    return r;
}

void kubernetes_run_free(struct run *r)
{
    kube_log_close(r->conn, r);
    transfer_stop(r->events);
    transfer_stop(r->deletion);
    kube_watch_leave(r->objects);
    kube_watch_leave(r->pods);
    for (size_t i = 0; i < r->n_success; i++)
        gjson_free(r->success[i]);
    for (size_t i = 0; i < r->n_failure; i++)
        gjson_free(r->failure[i]);
    json_decref(r->pod_labels);
    free(r->pods_list);
    free(r->container);
    free(r->namespace);
    free(r->path);
    free(r);
}

/* ---- submit ---- */

char *kubernetes_namespace(const struct backend_conn *c, const struct kube *kube, const struct backend_job *job)
{
    const char *own = kube_text(job->run, "namespace");
    return x_strdup(*own ? own : c->settings.project_namespaces ? job->project : kube_namespace(kube));
}

void kubernetes_kind(const json_t *run, const char **version, const char **kind)
{
    const json_t *manifest = json_object_get(run, "manifest");
    *version = manifest ? kube_text(manifest, "apiVersion") : "batch/v1";
    *kind = manifest ? kube_text(manifest, "kind") : "Job";
}

static enum err as_error(enum kube_answer answer, struct error *error)
{
    static const enum err codes[] = {[KUBE_AGAIN] = ERR_UNAVAILABLE,     [KUBE_QUOTA] = ERR_TOO_MANY,   [KUBE_FORBIDDEN] = ERR_UNAVAILABLE,
                                     [KUBE_INVALID] = ERR_INVALID,       [KUBE_EXISTS] = ERR_CONFLICT,  [KUBE_CONFLICT] = ERR_UNAVAILABLE,
                                     [KUBE_MISSING] = ERR_INVALID,       [KUBE_ENDING] = ERR_INVALID,   [KUBE_OK] = OK};
    if (error)
        error->code = codes[answer];
    return codes[answer];
}

/* A name that is taken: by the object that an earlier service made and could not note, or by a stranger's. */
static enum err take_over(struct backend_conn *c, struct kube *kube, const char *path, const char *run_key, json_t **object, struct error *error)
{
    char *item CLEANUP_FREE = x_asprintf("%s/%s", path, run_key);
    enum kube_answer answer = kube_call(kube, "GET", item, NULL, object, error);
    const json_t *labels = kube_at(*object, "metadata/labels");
    const char *service = json_string_value(json_object_get(labels, KUBE_SERVICE));
    if (answer == KUBE_OK && service && !strcmp(service, c->service))
        return OK;
    if (answer == KUBE_OK)
        return err_set(error, ERR_CONFLICT, "NAME_TAKEN", "there is an object %.80s already, and this service did not make it", run_key);
    return answer == KUBE_MISSING ? err_set(error, ERR_UNAVAILABLE, NULL, "the object %.80s was there, and is no more", run_key) : as_error(answer, error);
}

/* In a Secret, which is removed with the object; until it is there, the pod's container waits for it. */
static enum err give_token(struct kube *kube, const struct backend_job *job, const char *namespace, const json_t *object, struct error *error)
{
    char *path CLEANUP_FREE = x_asprintf("/api/v1/namespaces/%s/secrets", namespace);
    json_t *secret = kube_secret(job, object);
    enum kube_answer answer = kube_call(kube, "POST", path, secret, NULL, error);
    json_decref(secret);
    return answer == KUBE_EXISTS ? OK : as_error(answer, error);
}

static enum err make_object(struct backend_conn *c, struct kube *kube, const struct backend_job *job, const char *path, const char *namespace, struct error *error)
{
    json_t *object = kube_object(job, c->service, namespace), *made = NULL;
    char *url CLEANUP_FREE = x_asprintf("%s?fieldManager=hone", path);
    enum kube_answer answer = kube_call(kube, "POST", url, object, &made, error);
    json_decref(object);
    if (answer == KUBE_EXISTS) {
        json_decref(made);
        made = NULL;
    }
    enum err err = answer == KUBE_EXISTS ? take_over(c, kube, path, job->run_key, &made, error) : as_error(answer, error);
    if (!err && json_is_true(json_object_get(job->run, "token")))
        err = give_token(kube, job, namespace, made, error);
    json_decref(made);
    if (!err && !marker_write(c, job->run_key, path, json_is_true(json_object_get(job->run, "retain"))))
        err = err_set(error, ERR_UNAVAILABLE, "STORAGE", "what was made in the cluster cannot be noted in %s", c->dir);
    return err;
}

static struct run *find(struct backend_conn *c, const char *run_key)
{
    struct run *r;
    HASH_FIND_STR(c->runs, run_key, r);
    return r;
}

/* The run is followed before its object is made: news of it may come before the answer. */
static enum err begin(struct backend_conn *c, struct kube *kube, const struct backend_job *job, const char *path, const char *namespace, bool made, struct error *error)
{
    (void)pthread_mutex_lock(&c->mutex);
    if (!find(c, job->run_key))
        (void)add_run(c, job, path, namespace, made);
    (void)pthread_mutex_unlock(&c->mutex);
    enum err err = made ? OK : make_object(c, kube, job, path, namespace, error);
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = find(c, job->run_key);
    if (r && err && !r->created) {
        HASH_DEL(c->runs, r);
        kubernetes_run_free(r);
    } else if (r) {
        r->created = true;
        err = OK;
    }
    kubernetes_wake(c);
    (void)pthread_mutex_unlock(&c->mutex);
    return err;
}

static enum err kubernetes_submit(struct backend_conn *c, const struct backend_job *job, struct error *error)
{
    struct kube *kube;
    const char *version, *kind;
    enum kube_answer answer = KUBE_OK;
    if (!key_ok(job->run_key))
        return err_set(error, ERR_INVALID, "RUN_KEY", "\"%.100s\" cannot name a run", job->run_key);
    (void)pthread_mutex_lock(&c->mutex);
    bool known = find(c, job->run_key) != NULL;
    (void)pthread_mutex_unlock(&c->mutex);
    if (known)
        return OK;
    if (kubernetes_kube(c, &kube, error)) {
        if (error)
            error->code = ERR_UNAVAILABLE; /* it may be there again later, and its trials with it */
        return ERR_UNAVAILABLE;
    }
    kubernetes_kind(job->run, &version, &kind);
    json_t *marker = marker_read(c, job->run_key);
    char *namespace CLEANUP_FREE = kubernetes_namespace(c, kube, job);
    char *path CLEANUP_FREE = marker ? x_strdup(kube_text(marker, "path")) : kube_collection(kube, version, kind, namespace, &answer, error);
    enum err err = path ? begin(c, kube, job, path, namespace, marker != NULL, error) : as_error(answer, error);
    json_decref(marker);
    return err;
}

static enum err kubernetes_cancel(struct backend_conn *c, const char *run_key, double grace_s, struct error *error)
{
    (void)grace_s, (void)error; /* the grace is the pods' own, set when they were made */
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = find(c, run_key);
    if (r)
        r->cancelled = true;
    kubernetes_wake(c);
    (void)pthread_mutex_unlock(&c->mutex);
    return OK;
}

/* ---- the end ---- */

json_t *kubernetes_delete_options(const char *uid, bool wait)
{
    /* without a policy the cluster would leave a Job's pods running */
    json_t *options = json_pack("{s:s, s:s, s:s}", "kind", "DeleteOptions", "apiVersion", "v1", "propagationPolicy", wait ? "Foreground" : "Background");
    if (*uid)
        (void)json_object_set_new(options, "preconditions", json_pack("{s:s}", "uid", uid));
    return options;
}

/* False: the cluster could not be asked. */
static bool remove_object(struct backend_conn *c, const char *run_key)
{
    struct kube *kube;
    struct error error;
    json_t *marker = marker_read(c, run_key);
    bool retain = json_is_true(json_object_get(marker, "retain")), done = !marker || retain;
    if (marker && !retain && !kubernetes_kube(c, &kube, &error)) {
        char *item CLEANUP_FREE = x_asprintf("%s/%s", kube_text(marker, "path"), run_key);
        json_t *options = kubernetes_delete_options("", false);
        enum kube_answer answer = kube_call(kube, "DELETE", item, options, NULL, &error);
        json_decref(options);
        done = answer == KUBE_OK || answer == KUBE_MISSING;
    }
    if (marker && done)
        marker_remove(c, run_key);
    json_decref(marker);
    return done;
}

static void kubernetes_forget(struct backend_conn *c, const char *run_key, bool drop)
{
    if (!key_ok(run_key))
        return;
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = find(c, run_key);
    if (r && drop) { /* it still runs: its files go when it is over */
        r->drop = r->cancelled = true;
        kubernetes_wake(c);
    }
    (void)pthread_mutex_unlock(&c->mutex);
    if (r)
        return;
    (void)remove_object(c, run_key); /* else it is swept up later */
    char *log CLEANUP_FREE = file_of(c, run_key, ".log");
    if (drop)
        (void)unlink(log);
}

static enum err kubernetes_logs(struct backend_conn *c, const char *run_key, enum backend_stream stream, int64_t offset, size_t max, struct buf *out, int64_t *next,
                                bool *end, struct error *error)
{
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = find(c, run_key);
    bool over = !r || r->verdict == VERDICT_OVER;
    (void)pthread_mutex_unlock(&c->mutex);
    if (!key_ok(run_key))
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
        if (!key || !key_ok(key))
            continue;
        (void)pthread_mutex_lock(&c->mutex);
        bool live = find(c, key) != NULL;
        (void)pthread_mutex_unlock(&c->mutex);
        if (!live)
            asked = remove_object(c, key);
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
