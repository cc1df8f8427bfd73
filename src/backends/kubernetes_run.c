/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a run is doing: from its object, its pods and the cluster's events to what the host is told. */
#include "backends/kubernetes.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
    LOG_PATIENCE_MS = 20000, /* after its end, for the rest of its log */
    POD_PATIENCE_MS = 3000,  /* after its end, for the news of its pods */
    QUIET_MS = 5000,         /* without a pod: then the events are looked at, */
    ASK_MS = 30000,          /* and again */
    DELETE_AGAIN_MS = 5000,
};

static void tell(struct backend_conn *c, struct run *r, const struct backend_status *s)
{
    c->host->status(c->host->ctx, r->key, s);
}

static struct backend_status empty(enum backend_phase phase)
{
    return (struct backend_status){.phase = phase, .exit_code = -1, .signal = -1};
}

/* ---- what comes ---- */

void kube_run_object(struct backend_conn *c, const struct kube_watch *w, const char *name, const json_t *object, bool deleted)
{
    struct run *r;
    HASH_FIND_STR(c->runs, name, r);
    if (!r || r->objects != w || r->verdict == VERDICT_OVER)
        return;
    r->seen = r->created = true;
    r->round = w->round;
    (void)snprintf(r->uid, sizeof r->uid, "%s", kube_text(object, "metadata/uid"));
    const json_t *status = json_object_get(object, "status");
    r->suspended = json_is_true(kube_at(object, "spec/suspend"));
    if (r->verdict == VERDICT_NONE && status) { /* a failure goes first, as with Katib */
        r->verdict = kube_met(r->failure, r->n_failure, object, &r->words)   ? VERDICT_FAILURE
                     : kube_met(r->success, r->n_success, object, &r->words) ? VERDICT_SUCCESS
                                                                             : VERDICT_NONE;
        r->verdict_at = r->verdict ? clock_mono_ms() : 0;
    }
    r->gone |= deleted;
}

void kube_run_expected(struct backend_conn *c, const struct kube_watch *w)
{
    for (struct run *r = c->runs; r; r = r->hh.next)
        if (r->objects == w && r->created)
            r->expected = w->round;
}

void kube_run_listed(struct backend_conn *c, const struct kube_watch *w)
{
    for (struct run *r = c->runs; r; r = r->hh.next)
        if (r->objects == w && r->created && r->round != w->round && r->expected == w->round)
            r->gone = true;
}

static struct kube_pod *pod_of(struct run *r, const char *uid, int64_t created_ms)
{
    size_t at = r->n_pods;
    for (size_t i = 0; i < r->n_pods; i++)
        if (!strcmp(r->pods_list[i].uid, uid))
            return &r->pods_list[i];
    r->pods_list = x_realloc(r->pods_list, (r->n_pods + 1) * sizeof *r->pods_list);
    for (; at && r->pods_list[at - 1].created_ms > created_ms; at--)
        r->pods_list[at] = r->pods_list[at - 1];
    r->n_pods++;
    return &r->pods_list[at];
}

void kube_run_pod(struct backend_conn *c, const struct kube_watch *w, const json_t *pod, bool deleted)
{
    struct run *r;
    const char *key = json_string_value(json_object_get(kube_at(pod, "metadata/labels"), w->run_label));
    if (key)
        HASH_FIND_STR(c->runs, key, r);
    if (!key || !r || r->pods != w || r->verdict == VERDICT_OVER)
        return;
    struct kube_pod read;
    kube_pod_read(pod, r->container, r->pod_labels, &read);
    struct kube_pod *p = pod_of(r, read.uid, read.created_ms);
    read.deleted = deleted;
    *p = read;
}

/* ---- what the cluster's events say ---- */

static void on_events(void *ctx, enum err code, const struct error *error, struct rest_response *response)
{
    struct run *r = ctx;
    size_t i;
    json_t *item;
    int64_t last = -1, ms;
    (void)error;
    r->events = NULL;
    json_array_foreach(code ? NULL : json_object_get(response->json, "items"), i, item)
    {
        const char *when = *kube_text(item, "lastTimestamp") ? kube_text(item, "lastTimestamp") : kube_text(item, "metadata/creationTimestamp");
        if (!clock_parse(when, &ms) || ms < last)
            continue;
        last = ms;
        (void)snprintf(r->event, sizeof r->event, "%.60s: %.320s", kube_text(item, "reason"), kube_text(item, "message"));
    }
}

static void ask_events(struct backend_conn *c, struct run *r, int64_t now)
{
    struct rest *to = kube_transfer_target(c->kube, NULL);
    char *path CLEANUP_FREE = x_asprintf("/api/v1/namespaces/%s/events?fieldSelector=type%%3DWarning%%2CinvolvedObject.uid%%3D%s&limit=50", r->namespace, r->uid);
    r->ask_at = now + ASK_MS;
    if (to)
        r->events = transfer_start(c->transfers, to, &(struct rest_request){.path = path, .headers = kube_headers(c->kube)}, (struct transfer_calls){.end = on_events}, r);
}

/* ---- stopping it ---- */

static void on_delete(void *ctx, enum err code, const struct error *error, struct rest_response *response)
{
    struct run *r = ctx;
    (void)error;
    r->deletion = NULL;
    if (response->status == 404)
        r->gone = true;
    if (response->status == 401)
        kube_refused(r->conn->kube);
    r->delete_at = code && response->status != 404 ? clock_mono_ms() + DELETE_AGAIN_MS : INT64_MAX;
}

/* Its pods are told to end, and it is gone when they are. */
static void stop(struct backend_conn *c, struct run *r, int64_t now, int64_t *next)
{
    if (r->deletion || now < r->delete_at) {
        *next = !r->deletion && r->delete_at < *next ? r->delete_at : *next;
        return;
    }
    struct rest *to = kube_transfer_target(c->kube, NULL);
    char *path CLEANUP_FREE = x_asprintf("%s/%s", r->path, r->key);
    json_t *options = kubernetes_delete_options(r->uid, true);
    r->delete_at = now + DELETE_AGAIN_MS;
    if (to)
        r->deletion = transfer_start(c->transfers, to, &(struct rest_request){.method = "DELETE", .path = path, .body = options, .headers = kube_headers(c->kube)},
                                 (struct transfer_calls){.end = on_delete}, r);
    else
        *next = r->delete_at < *next ? r->delete_at : *next;
    json_decref(options);
}

/* ---- before it runs ---- */

static void tell_pending(struct backend_conn *c, struct run *r, const char *reason, const char *words)
{
    if (!strcmp(words, r->told))
        return;
    struct backend_status s = empty(PHASE_PENDING);
    (void)snprintf(r->told, sizeof r->told, "%s", words);
    (void)snprintf(s.reason, sizeof s.reason, "%s", reason);
    (void)snprintf(s.message, sizeof s.message, "%s", words);
    tell(c, r, &s);
}

static const struct kube_pod *pod_that_waits(const struct run *r)
{
    for (size_t i = r->n_pods; i > 0; i--)
        if (!r->pods_list[i - 1].started && !r->pods_list[i - 1].deleted && *r->pods_list[i - 1].words)
            return &r->pods_list[i - 1];
    return NULL;
}

static void pending(struct backend_conn *c, struct run *r, int64_t now, int64_t *next)
{
    const struct kube_pod *p = pod_that_waits(r);
    if (p) {
        tell_pending(c, r, p->reason, p->words);
    } else if (r->suspended) {
        tell_pending(c, r, "SUSPENDED", "it is suspended: something, such as a queue, lets it begin later");
    } else if (r->seen && !r->n_pods) {
        int64_t at = r->ask_at ? r->ask_at : r->made_at + QUIET_MS;
        if (!r->events && now >= at) {
            ask_events(c, r, now);
            at = r->ask_at;
        }
        if (!r->events)
            *next = at < *next ? at : *next;
        if (*r->event)
            tell_pending(c, r, strstr(r->event, "exceeded quota") ? "QUOTA" : "NO_POD", r->event);
    }
}

/* Its container cannot be started, and waiting seldom helps. True: it is given up. */
static bool stuck(struct run *r, int64_t now, int64_t *next)
{
    const struct kube_pod *p = pod_that_waits(r);
    if (!p || !p->stuck) {
        r->stuck_since = 0;
        return false;
    }
    if (!r->stuck_since)
        r->stuck_since = now;
    int64_t end = r->stuck_since + (p->hopeless ? 0 : (int64_t)(r->start_timeout_s * 1000));
    if (now < end) {
        *next = end < *next ? end : *next;
        return false;
    }
    return true;
}

/* ---- the end ---- */

static void over(struct backend_conn *c, struct run *r, struct backend_status *s)
{
    for (size_t i = 0; i < r->n_pods; i++) {
        const struct kube_pod *p = &r->pods_list[i];
        if (p->primary && p->started_ms && !s->start_ms)
            s->start_ms = p->started_ms;
        if (p->primary && p->ended_ms > s->end_ms)
            s->end_ms = p->ended_ms;
    }
    r->verdict = VERDICT_OVER;
    tell(c, r, s);
    HASH_DEL(c->runs, r);
    if (r->drop)
        kubernetes_remove_files(c, r->key);
    kubernetes_run_free(r);
}

static bool news_is_in(const struct run *r, int64_t now)
{
    bool any = false;
    for (size_t i = 0; i < r->n_pods; i++)
        any |= r->pods_list[i].primary;
    return (any && r->pods->synced) || now >= r->verdict_at + POD_PATIENCE_MS;
}

/* Its object says that it has ended: when its log is read, so is the host told. */
static bool ended(struct backend_conn *c, struct run *r, int64_t now, int64_t *next)
{
    bool read = kube_log_turn(c, r, now, next);
    if ((!read || !news_is_in(r, now)) && now < r->verdict_at + LOG_PATIENCE_MS) {
        int64_t again = r->verdict_at + (read ? POD_PATIENCE_MS : LOG_PATIENCE_MS);
        *next = again < *next ? again : *next;
        return false;
    }
    struct backend_status s = empty(PHASE_SUCCEEDED);
    if (r->verdict == VERDICT_FAILURE && r->cancelled)
        s.phase = PHASE_STOPPED;
    else if (r->verdict == VERDICT_FAILURE)
        kube_failure(&r->words, r->pods_list, r->n_pods, r->time_limit_s, &s);
    else
        s.exit_code = 0;
    over(c, r, &s);
    return true;
}

static void fail(struct backend_conn *c, struct run *r, enum backend_cause cause, const char *reason, const char *words)
{
    struct backend_status s = empty(PHASE_FAILED);
    s.cause = cause;
    (void)snprintf(s.reason, sizeof s.reason, "%s", reason);
    (void)snprintf(s.message, sizeof s.message, "%s", words);
    over(c, r, &s);
}

/* True: it was told, and is no more. */
static bool is_gone(struct backend_conn *c, struct run *r, int64_t now, int64_t *next)
{
    if (r->verdict)
        return ended(c, r, now, next);
    if (r->cancelled) {
        struct backend_status s = empty(PHASE_STOPPED);
        over(c, r, &s);
    } else {
        fail(c, r, CAUSE_LOST, "DELETED", r->seen ? "its object was removed from the cluster, and not by this service" : "its object is no longer in the cluster: it cannot be known how it ended");
    }
    return true;
}

static void running(struct backend_conn *c, struct run *r, int64_t now)
{
    const struct kube_pod *first = NULL;
    for (size_t i = 0; i < r->n_pods && !first; i++)
        if (r->pods_list[i].started)
            first = &r->pods_list[i];
    if (r->told_running || !first)
        return;
    struct backend_status s = empty(PHASE_RUNNING);
    s.start_ms = first->started_ms;
    r->told_running = true;
    r->started_at = now;
    tell(c, r, &s);
}

static bool out_of_time(const struct run *r, int64_t now, int64_t *next)
{
    if (r->time_limit_s <= 0 || r->cluster_limits || !r->started_at)
        return false;
    int64_t end = r->started_at + (int64_t)(r->time_limit_s * 1000);
    *next = end < *next ? end : *next;
    return now >= end;
}

int64_t kube_run_turn(struct backend_conn *c, struct run *r, int64_t now)
{
    int64_t next = INT64_MAX;
    char words[500];
    if (!r->created)
        return next;
    running(c, r, now);
    if (r->gone) {
        (void)is_gone(c, r, now, &next);
        return next;
    }
    if (r->verdict) {
        (void)ended(c, r, now, &next);
        return next;
    }
    (void)kube_log_turn(c, r, now, &next);
    if (r->cancelled)
        stop(c, r, now, &next);
    if (!r->told_running)
        pending(c, r, now, &next);
    if (!r->cancelled && stuck(r, now, &next)) {
        const struct kube_pod *p = pod_that_waits(r);
        (void)snprintf(words, sizeof words, "%s", p->words);
        kubernetes_let_go(c, r);
        fail(c, r, CAUSE_INVALID, p->reason, words);
    } else if (!r->cancelled && out_of_time(r, now, &next)) {
        (void)snprintf(words, sizeof words, "it ran longer than its time limit of %g s", r->time_limit_s);
        kubernetes_let_go(c, r);
        fail(c, r, CAUSE_TIMEOUT, "TIMEOUT", words);
    }
    return next;
}
