/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Transfers on libcurl's multi interface. Within its callbacks no transfer may be added or removed, so what a stream brings is kept and given out
 * after each turn. */
#include "net/transfers.h"

#include "base/mem.h"
#include "net/rest_part.h"

#include <limits.h>
#include <string.h>

struct transfer {
    struct transfers *all;
    struct transfer *next;
    struct rest *rest;
    struct rest_request request;
    char *method, *path, *data, *accept;
    struct curl_slist *headers;
    struct rest_response response;
    struct attempt attempt;
    struct buf arrived;
    struct transfer_calls calls;
    void *ctx;
    bool over, enough; /* enough: its reader has ended it */
};

struct transfers {
    CURLM *multi;
    struct transfer *list;
};

struct transfers *transfers_new(void)
{
    if (!curl_lib_load())
        return NULL;
    struct transfers *f = X_NEW(struct transfers);
    f->multi = curl_multi_init();
    if (!f->multi)
        abort(); /* out of memory, as in base/mem.c */
    return f;
}

static bool on_data(void *ctx, const char *data, size_t len)
{
    struct transfer *w = ctx;
    if (w->over)
        return false;
    buf_add(&w->arrived, data, len);
    return true;
}

static char *copy(const char *s)
{
    return s ? x_strdup(s) : NULL;
}

struct transfer *transfer_start(struct transfers *f, const struct rest *to, const struct rest_request *request, struct transfer_calls calls, void *ctx)
{
    struct transfer *w = X_NEW(struct transfer);
    w->all = f;
    w->rest = rest_another(to, NULL);
    w->method = copy(request->method);
    w->path = copy(request->path);
    w->accept = copy(request->accept);
    w->data = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    w->request = *request;
    w->request.method = w->method;
    w->request.path = w->path;
    w->request.accept = w->accept;
    w->calls = calls;
    w->ctx = ctx;
    w->attempt = (struct attempt){.rest = w->rest, .request = &w->request, .response = &w->response, .on_data = calls.data ? on_data : NULL, .ctx = w};
    w->headers = attempt_prepare(&w->attempt, w->data, w->data ? strlen(w->data) : 0);
    (void)curl_easy_setopt(w->rest->curl, CURLOPT_PRIVATE, w);
    (void)curl_easy_setopt(w->rest->curl, CURLOPT_PIPEWAIT, 1L); /* rather share a connection than open one more */
    (void)curl_multi_add_handle(f->multi, w->rest->curl);
    w->next = f->list;
    f->list = w;
    return w;
}

void transfer_stop(struct transfer *w)
{
    if (!w || w->over)
        return;
    w->over = true; /* freed at the end of the next turn: someone may stand in the list */
    (void)curl_multi_remove_handle(w->all->multi, w->rest->curl);
}

static void transfer_free(struct transfer *w)
{
    curl_slist_free_all(w->headers);
    rest_response_release(&w->response);
    buf_release(&w->arrived);
    rest_free(w->rest);
    free(w->method);
    free(w->path);
    free(w->data);
    free(w->accept);
    free(w);
}

void transfers_free(struct transfers *f)
{
    if (!f)
        return;
    for (struct transfer *w = f->list, *next; w; w = next) {
        next = w->next;
        transfer_stop(w);
        transfer_free(w);
    }
    (void)curl_multi_cleanup(f->multi);
    free(f);
}

/* ---- a turn ---- */

static void deliver(struct transfer *w)
{
    struct buf data = w->arrived;
    w->arrived = (struct buf)BUF_INIT;
    if (data.len && !w->over && !w->enough)
        w->enough = !w->calls.data(w->ctx, data.data, data.len);
    buf_release(&data);
}

static void finish(struct transfer *w, CURLcode rc)
{
    struct error error = {0};
    deliver(w);
    if (w->over) /* its reader stopped it */
        return;
    (void)curl_multi_remove_handle(w->all->multi, w->rest->curl);
    enum err code = w->enough ? OK : attempt_outcome(&w->attempt, rc, &error);
    w->over = true;
    w->calls.end(w->ctx, code, &error, &w->response);
}

static void take_ended(struct transfers *f)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(f->multi, &left))) {
        struct transfer *w = NULL;
        CURLcode rc = message->data.result;
        if (message->msg == CURLMSG_DONE && curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &w) == CURLE_OK && w && !w->over)
            finish(w, rc);
    }
}

static void sweep(struct transfers *f)
{
    for (struct transfer **at = &f->list, *w; (w = *at);)
        if (w->over) {
            *at = w->next;
            transfer_free(w);
        } else {
            at = &w->next;
        }
}

void transfers_run(struct transfers *f)
{
    int running;
    (void)curl_multi_perform(f->multi, &running);
    for (struct transfer *w = f->list; w; w = w->next)
        if (w->calls.data && w->arrived.len) {
            deliver(w);
            if (w->enough && !w->over)
                finish(w, CURLE_OK);
        }
    take_ended(f);
    sweep(f);
}

void transfers_wait(struct transfers *f, int64_t ms)
{
    (void)curl_multi_poll(f->multi, NULL, 0, ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms, NULL);
}

void transfers_wake(struct transfers *f)
{
    (void)curl_multi_wakeup(f->multi);
}
