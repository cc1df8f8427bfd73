/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells the service what runs do, one slot after the other: values as they come, a heartbeat when there are none, the end. What cannot be told
 * because the service is away waits, and so does the end of its run. */
#include "worker/inside.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/nouns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 5000 /* values of one report; the service takes 10000 */, PATIENCE_MS = 20000 };

/* What one round tells of a slot: taken out of it, so that the run can go on. */
struct news {
    struct slot *slot;
    struct point *points;
    size_t n, n_dropped;
    bool ended;
};

static bool is_away(enum err code)
{
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT || code == ERR_TOO_MANY;
}

/* Waits for a service that is away as long as it takes. The answer is a new reference. */
static enum err tell(struct worker *w, const struct slot *s, const char *verb, json_t *body, json_t **reply, struct error *error)
{
    char *path CLEANUP_FREE = x_asprintf("%s/trials/%" PRId64 ":%s", w->path, s->trial, verb);
    (void)json_object_set_new(body, "attempt", json_integer(s->attempt));
    bool said = false;
    for (;;) {
        struct rest_response response;
        struct rest_request request = {.method = "POST", .path = path, .body = body, .retry_until_mono_ms = clock_mono_ms() + PATIENCE_MS};
        enum err err = rest_call(w->rest, &request, &response, error);
        *reply = json_incref(response.json);
        rest_response_release(&response);
        if (!is_away(err) || worker_aborting())
            return err;
        json_decref(*reply);
        *reply = NULL;
        if (!said)
            worker_say(w, "trial %" PRId64 ": %s; trying on", s->trial, error->detail);
        said = true;
    }
}

static void cancel(struct worker *w, struct slot *s)
{
    struct error error = {0};
    if (w->backend->cancel(w->conn, s->run_key, w->grace_s, &error))
        worker_say(w, "trial %" PRId64 " cannot be stopped: %s", s->trial, error.detail);
    (void)pthread_mutex_lock(&w->mutex);
    s->canceled = true;
    (void)pthread_mutex_unlock(&w->mutex);
}

/* The trial is another's now, or nobody's. */
static void lose(struct worker *w, struct slot *s, const struct error *why)
{
    worker_say(w, "trial %" PRId64 " is given up: %s", s->trial, why->detail);
    (void)pthread_mutex_lock(&w->mutex);
    s->lost = true;
    (void)pthread_mutex_unlock(&w->mutex);
    cancel(w, s);
}

static void give_up(struct worker *w, const struct error *why)
{
    (void)pthread_mutex_lock(&w->mutex);
    w->fatal = *why;
    (void)pthread_cond_broadcast(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
}

static void refused(struct worker *w, struct slot *s, enum err err, const struct error *why)
{
    if (err == ERR_CONFLICT || err == ERR_NOT_FOUND)
        lose(w, s, why);
    else if (err == ERR_UNAUTHENTICATED || err == ERR_FORBIDDEN)
        give_up(w, why);
    else if (!worker_aborting())
        worker_say(w, "trial %" PRId64 ": the service refused a report: %s", s->trial, why->detail);
}

/* {"measurements": [{"step": 1, "metrics": {"loss": 0.5, "accuracy": 0.9}}]}: what follows each other at one step is one. */
static json_t *measurements(const struct slot *s, const struct point *points, size_t n)
{
    json_t *list = json_array(), *metrics = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!metrics || points[i].step != points[i - 1].step || json_object_get(metrics, points[i].metric)) {
            metrics = json_object();
            (void)json_array_append_new(list, json_pack("{s:I, s:I, s:o}", "step", (json_int_t)points[i].step, "replicate", (json_int_t)s->replicate,
                                                        "metrics", metrics));
        }
        (void)json_object_set_new(metrics, points[i].metric, number_json(points[i].value));
    }
    return list;
}

static void report(struct worker *w, struct slot *s, const struct point *points, size_t n)
{
    struct error error = {0};
    json_t *reply, *body = n ? json_pack("{s:o}", "measurements", measurements(s, points, n)) : json_object();
    enum err err = tell(w, s, n ? "report" : "heartbeat", body, &reply, &error);
    json_decref(body);
    if (err)
        refused(w, s, err, &error);
    else if (json_is_true(json_object_get(reply, "should_stop")) && !s->canceled)
        cancel(w, s);
    json_decref(reply);
}

/* --- the end */

static void fail(struct worker *w, struct slot *s, const char *reason, const char *message)
{
    struct error error = {0};
    char *text CLEANUP_FREE = *s->tail ? x_asprintf("%s. Last lines:\n%s", message, s->tail) : x_strdup(message);
    json_t *reply, *body = json_pack("{s:s, s:s}", "reason", reason, "message", text);
    enum err err = tell(w, s, "fail", body, &reply, &error);
    json_decref(body);
    json_decref(reply);
    if (err)
        refused(w, s, err, &error);
    else
        worker_say(w, "trial %" PRId64 " failed: %s", s->trial, message);
}

static void complete(struct worker *w, struct slot *s)
{
    struct error error = {0};
    json_t *reply, *body = json_object();
    enum err err = tell(w, s, "complete", body, &reply, &error);
    json_decref(body);
    if (err == ERR_INVALID && !strcmp(error.name, "METRICS_MISSING"))
        fail(w, s, error.name, "it ended, and its output has no value of an objective");
    else if (err)
        refused(w, s, err, &error);
    else
        worker_say(w, "trial %" PRId64 " %s", s->trial, json_string_value(json_object_get(reply, "state")));
    json_decref(reply);
}

static void end(struct worker *w, struct slot *s)
{
    const struct backend_status *status = &s->status;
    if (status->phase == PHASE_SUCCEEDED || s->canceled) /* what was stopped ends as what it was stopped for; its values are kept */
        complete(w, s);
    else if (status->phase == PHASE_STOPPED)
        fail(w, s, "EXTERNAL", "it was stopped from outside");
    else
        fail(w, s, status->cause == CAUSE_LOST ? "LOST" : status->reason, status->message);
}

/* --- rounds */

static bool over(const struct worker *w)
{
    for (int i = 0; i < w->config->slots; i++)
        if (w->slots[i].busy)
            return false;
    return w->closing;
}

/* The next slot, from `*at` on, that something is to be told of now; *until: when to look again without one. With the mutex. */
static struct slot *due(struct worker *w, int *at, int64_t *until)
{
    int64_t now = clock_mono_ms();
    *until = INT64_MAX;
    for (int i = 0; i < w->config->slots; i++) {
        struct slot *s = &w->slots[(*at + i) % w->config->slots];
        if (!s->busy)
            continue;
        if (s->ended || (!s->lost && (s->n_points || s->speak_at <= now))) {
            *at = (*at + i + 1) % w->config->slots;
            return s;
        }
        if (!s->lost && s->speak_at < *until)
            *until = s->speak_at;
    }
    return NULL;
}

static struct news take(const struct worker *w, struct slot *s)
{
    struct news n = {.slot = s, .points = s->points, .n = s->n_points, .n_dropped = s->n_dropped, .ended = s->ended};
    s->points = NULL;
    s->n_points = s->cap_points = s->n_dropped = 0;
    s->speak_at = clock_mono_ms() + (int64_t)(w->config->lease_s * 1000 / 3);
    return n;
}

static void tell_news(struct worker *w, struct news *n)
{
    struct slot *s = n->slot;
    size_t at = 0;
    if (n->n_dropped)
        worker_say(w, "trial %" PRId64 ": the service was away too long; %zu values were not kept", s->trial, n->n_dropped);
    do {
        size_t len = n->n - at < CHUNK ? n->n - at : CHUNK;
        if (!s->lost && (len || !n->ended))
            report(w, s, n->points + at, len);
        at += len;
    } while (at < n->n);
    if (n->ended && !s->lost && !worker_aborting() && !w->fatal.code)
        end(w, s);
    for (size_t i = 0; i < n->n; i++)
        x_free(n->points[i].metric);
    free(n->points);
}

static void make_free(struct slot *s)
{
    if (s->collector)
        s->collector->close(s->parser);
    free(s->tail);
    *s = (struct slot){.name = s->name};
}

static void wait_until(struct worker *w, int64_t mono_ms)
{
    struct timespec at = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    if (mono_ms == INT64_MAX)
        (void)pthread_cond_wait(&w->cond, &w->mutex);
    else
        (void)pthread_cond_timedwait(&w->cond, &w->mutex, &at);
}

void *teller(void *worker)
{
    struct worker *w = worker;
    int at = 0;
    (void)pthread_mutex_lock(&w->mutex);
    while (!over(w)) {
        int64_t until;
        struct slot *s = due(w, &at, &until);
        if (!s) {
            wait_until(w, until);
            continue;
        }
        struct news news = take(w, s);
        (void)pthread_mutex_unlock(&w->mutex);
        tell_news(w, &news);
        (void)pthread_mutex_lock(&w->mutex);
        if (!news.ended)
            continue;
        make_free(s);
        (void)pthread_cond_broadcast(&w->cond);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return NULL;
}
