/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The beginning and the end of a run: its object is made once and noted, and removed when it is over. */
#include "backends/kubernetes.h"

#include "base/clock.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

bool kubernetes_write(const char *path, const char *text)
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
    return kubernetes_write(fresh, text) && !rename(fresh, path);
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

/* ---- runs ---- */

bool kubernetes_key_ok(const char *key)
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

struct run *kubernetes_find(struct backend_conn *c, const char *run_key)
{
    struct run *r;
    HASH_FIND_STR(c->runs, run_key, r);
    return r;
}

/* The run is followed before its object is made: news of it may come before the answer. */
static enum err begin(struct backend_conn *c, struct kube *kube, const struct backend_job *job, const char *path, const char *namespace, bool made, struct error *error)
{
    (void)pthread_mutex_lock(&c->mutex);
    if (!kubernetes_find(c, job->run_key))
        (void)add_run(c, job, path, namespace, made);
    (void)pthread_mutex_unlock(&c->mutex);
    enum err err = made ? OK : make_object(c, kube, job, path, namespace, error);
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = kubernetes_find(c, job->run_key);
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

enum err kubernetes_submit(struct backend_conn *c, const struct backend_job *job, struct error *error)
{
    struct kube *kube;
    const char *version, *kind;
    enum kube_answer answer = KUBE_OK;
    if (!kubernetes_key_ok(job->run_key))
        return err_set(error, ERR_INVALID, "RUN_KEY", "\"%.100s\" cannot name a run", job->run_key);
    (void)pthread_mutex_lock(&c->mutex);
    bool known = kubernetes_find(c, job->run_key) != NULL;
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
bool kubernetes_remove_object(struct backend_conn *c, const char *run_key)
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

void kubernetes_forget(struct backend_conn *c, const char *run_key, bool drop)
{
    if (!kubernetes_key_ok(run_key))
        return;
    (void)pthread_mutex_lock(&c->mutex);
    struct run *r = kubernetes_find(c, run_key);
    if (r && drop) { /* it still runs: its files go when it is over */
        r->drop = r->cancelled = true;
        kubernetes_wake(c);
    }
    (void)pthread_mutex_unlock(&c->mutex);
    if (r)
        return;
    (void)kubernetes_remove_object(c, run_key); /* else it is swept up later */
    char *log CLEANUP_FREE = file_of(c, run_key, ".log");
    if (drop)
        (void)unlink(log);
}
