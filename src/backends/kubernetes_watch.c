/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of objects kept up to date: a list, then a watch from its version. A watch that ends goes on from the last version it saw, bookmarks
 * included; when that is too old (410) the list is made again. */
#include "backends/kubernetes.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>
#include <sys/random.h>

enum {
    PAGE = 500,
    LEAST_SECONDS = 240, /* of a watch; the cluster ends it then, and half as much later at most */
    PATIENCE_MS = 60000, /* beyond that it is taken for dead */
    BACKOFF_FIRST_MS = 500,
    BACKOFF_MOST_MS = 60000,
    SOON_MS = 1000,
    LINGER_MS = 60000, /* without runs */
};
#define MAX_EVENT ((size_t)16 << 20)

static uint32_t chance(uint32_t below)
{
    uint32_t n = 0;
    (void)!getrandom(&n, sizeof n, 0); /* only so that clients do not come in step */
    return n % below;
}

struct kube_watch *kube_watch_use(struct backend_conn *c, const char *path, const char *query, const char *run_label)
{
    struct kube_watch *w = c->watches;
    while (w && (strcmp(w->path, path) != 0 || strcmp(w->query, query) != 0))
        w = w->next;
    if (!w) {
        w = X_NEW(struct kube_watch);
        w->conn = c;
        w->path = x_strdup(path);
        w->query = x_strdup(query);
        w->run_label = run_label ? x_strdup(run_label) : NULL;
        w->line.limit = MAX_EVENT;
        w->next = c->watches;
        c->watches = w;
    }
    w->users++;
    return w;
}

void kube_watch_leave(struct kube_watch *w)
{
    if (w && --w->users == 0)
        w->idle_at = clock_mono_ms() + LINGER_MS;
}

void kube_watch_free(struct kube_watch *w)
{
    transfer_stop(w->transfer);
    buf_release(&w->line);
    free(w->path);
    free(w->query);
    free(w->run_label);
    free(w->version);
    free(w->more);
    free(w);
}

/* ---- what comes ---- */

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = text && *text ? x_strdup(text) : NULL;
}

static void take(struct kube_watch *w, const json_t *object, bool deleted)
{
    if (w->run_label)
        kube_run_pod(w->conn, w, object, deleted);
    else
        kube_run_object(w->conn, w, kube_text(object, "metadata/name"), object, deleted);
}

/* To be listed anew. */
static void forget_version(struct kube_watch *w)
{
    set_text(&w->version, NULL);
    set_text(&w->more, NULL);
}

/* After an error: later, and later still. */
static void back_off(struct kube_watch *w, const char *what, const char *detail)
{
    int64_t most = (int64_t)BACKOFF_FIRST_MS << (w->failures < 8 ? w->failures : 8);
    most = most < BACKOFF_MOST_MS ? most : BACKOFF_MOST_MS;
    w->at = clock_mono_ms() + most / 2 + chance((uint32_t)most / 2 + 1);
    if (w->failures++ < 3 || w->failures % 16 == 0)
        log_event(LOG_WARN, "kubernetes.watch", "{s:s, s:s, s:s, s:i}", "of", w->path, "what", what, "detail", detail, "failures", w->failures);
}

/* False: the stream is of no more use. */
static bool take_event(struct kube_watch *w, const char *text, size_t len)
{
    json_t *event = json_loadb(text, len, 0, NULL);
    const char *type = kube_text(event, "type"), *version = kube_text(event, "object/metadata/resourceVersion");
    const json_t *object = json_object_get(event, "object");
    bool good = object != NULL, deleted = !strcmp(type, "DELETED"), expired = false;
    if (!strcmp(type, "ERROR")) {
        good = false;
        expired = json_integer_value(json_object_get(object, "code")) == 410;
    } else if (good) {
        w->failures = 0;
        if (*version)
            set_text(&w->version, version);
        if (deleted || !strcmp(type, "ADDED") || !strcmp(type, "MODIFIED"))
            take(w, object, deleted);
    }
    if (!good) {
        if (expired)
            log_event(LOG_INFO, "kubernetes.expired", "{s:s}", "of", w->path);
        else
            back_off(w, "event", object ? kube_text(object, "message") : "it cannot be read");
        forget_version(w);
    }
    json_decref(event);
    return good;
}

static bool on_data(void *ctx, const char *data, size_t len)
{
    struct kube_watch *w = ctx;
    char *newline;
    buf_add(&w->line, data, len);
    while (w->line.len && (newline = memchr(w->line.data, '\n', w->line.len))) {
        size_t line = (size_t)(newline - w->line.data);
        bool good = !line || take_event(w, w->line.data, line);
        buf_remove_front(&w->line, line + 1);
        if (!good)
            return false;
    }
    if (w->line.overflow) {
        forget_version(w);
        back_off(w, "event", "it is larger than can be taken");
    }
    return !w->line.overflow;
}

static void after(struct kube_watch *w, enum err code, const struct error *error, const struct rest_response *response)
{
    w->transfer = NULL;
    if (response->status == 401)
        kube_refused(w->conn->kube);
    if (!code)
        return;
    if (response->status == 410) { /* too old a version, or too old a place in a list */
        log_event(LOG_INFO, "kubernetes.expired", "{s:s}", "of", w->path);
        forget_version(w);
    } else {
        back_off(w, w->listing ? "list" : "watch", error->detail);
    }
}

static void on_watch_end(void *ctx, enum err code, const struct error *error, struct rest_response *response)
{
    struct kube_watch *w = ctx;
    after(w, code, error, response);
    if (!code && clock_mono_ms() < w->at + SOON_MS)
        back_off(w, "watch", "it ended as soon as it had begun");
}

static void on_list(void *ctx, enum err code, const struct error *error, struct rest_response *response)
{
    struct kube_watch *w = ctx;
    size_t i;
    json_t *item;
    after(w, code, error, response);
    if (code)
        return;
    const json_t *items = json_object_get(response->json, "items");
    if (!json_is_array(items)) {
        back_off(w, "list", "the answer is no list of Kubernetes' making");
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        take(w, item, false);
    }
    set_text(&w->more, kube_text(response->json, "metadata/continue"));
    if (w->more)
        return;
    w->listing = false;
    w->synced = true;
    w->failures = 0;
    set_text(&w->version, kube_text(response->json, "metadata/resourceVersion"));
    kube_run_listed(w->conn, w);
}

/* ---- what is asked ---- */

static void start_list(struct kube_watch *w, struct rest *to)
{
    char *more CLEANUP_FREE = w->more ? rest_encode(w->more) : NULL;
    char *path CLEANUP_FREE = x_asprintf("%s?%s&limit=%d%s%s", w->path, w->query, PAGE, more ? "&continue=" : "", more ? more : "");
    if (!w->more) {
        w->round++;
        w->listing = true;
        kube_run_expected(w->conn, w);
    }
    w->transfer = transfer_start(w->conn->transfers, to, &(struct rest_request){.path = path, .headers = kube_headers(w->conn->kube)}, (struct transfer_calls){.end = on_list}, w);
}

static void start_watch(struct kube_watch *w, struct rest *to, int64_t now)
{
    int seconds = LEAST_SECONDS + (int)chance(LEAST_SECONDS / 2);
    char *version CLEANUP_FREE = rest_encode(w->version);
    char *path CLEANUP_FREE = x_asprintf("%s?%s&watch=1&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%d", w->path, w->query, version, seconds);
    buf_clear(&w->line);
    w->end = now + seconds * 1000 + PATIENCE_MS;
    w->at = now;
    w->transfer = transfer_start(w->conn->transfers, to, &(struct rest_request){.path = path, .idle_s = -1, .headers = kube_headers(w->conn->kube)},
                         (struct transfer_calls){.data = on_data, .end = on_watch_end}, w);
}

int64_t kube_watch_turn(struct kube_watch *w, int64_t now)
{
    struct error error;
    int64_t end = !w->users && w->idle_at < w->end ? w->idle_at : w->end;
    if (w->transfer && !w->listing && now >= end) { /* nobody needs it; or neither an end nor a word came: the connection is dead */
        transfer_stop(w->transfer);
        w->transfer = NULL;
    }
    if (w->transfer)
        return w->listing ? INT64_MAX : end;
    if (!w->users || now < w->at)
        return w->users ? w->at : INT64_MAX;
    struct rest *to = kube_transfer_target(w->conn->kube, &error);
    if (!to)
        back_off(w, "credentials", error.detail);
    else if (w->version)
        start_watch(w, to, now);
    else
        start_list(w, to);
    return w->transfer ? INT64_MAX : w->at;
}
