/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTTP by libmicrohttpd: a pool of epoll threads, and a request that waits is suspended.
 *
 * Who resumes. A suspended request has one of: a command in the core (command_done resumes it), or an armed waiter (watch.c wakes it, once).
 * A command that may wait long has both, and whoever disarms the waiter resumes. A suspended connection is not told that its client went
 * away and has no timeout, so every wait is bounded; all are resumed before the library is stopped. */
#include "accept.h"
#include "base/clock.h"
#include "base/log.h"
#include "inside.h"

#include <microhttpd.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MEMORY 8192
#define IDLE_SECONDS 60
#define STREAM_BLOCK 1024
#define STREAM_PACE_MS 100 /* a stream sends at most so often: thousands that watch one busy experiment must not slow it */
#define SPARE_CONNECTIONS 64 /* beyond max_connections, to be told so */
#define GIVE_UP_BODY (16 * BODY_MAX)

struct http {
    struct MHD_Daemon *tcp, *watchers, *unix_socket; /* watchers: connections that came to wait (accept.h) */
    struct acceptor *acceptor;
    _Atomic int64_t n_connections;
};

static const char *const header_names[HEADER_COUNT] = {
#define X(name, text) [HEADER_##name] = text,
    REQUEST_HEADERS(X)
#undef X
};

/* --- a request */

static void unref(struct request *r)
{
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    request_release(r);
    free(r);
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct request *r = arg;
    (void)kind;
    for (size_t i = 0; i < HEADER_COUNT; i++)
        if ((name[0] | 0x20) == (header_names[i][0] | 0x20) && !strcasecmp(name, header_names[i]))
            r->header[i] = value;
    return MHD_YES;
}

static void name_request(struct request *r)
{
    const char *given = r->header[HEADER_REQUEST_ID];
    size_t n = given ? strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") : 0;
    if (n && n <= REQUEST_ID_MAX && !given[n])
        (void)snprintf(r->id, sizeof r->id, "%s", given);
    else
        (void)snprintf(r->id, sizeof r->id, "%08x%08x", (unsigned)r->api->id_base, (unsigned)atomic_fetch_add(&r->api->id_counter, 1));
}

static bool is_owner_peer(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t len = sizeof peer;
    return info && getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static struct request *new_request(struct api *a, struct MHD_Connection *connection, const char *url, const char *method, bool by_socket)
{
    struct request *r = X_NEW(struct request);
    size_t base = strlen(a->config.base_path);
    bool under = !strncmp(url, a->config.base_path, base) && (url[base] == '/' || !url[base]);
    r->api = a;
    r->connection = connection;
    r->method = method;
    r->path = x_strdup(under ? url + base : url);
    r->split = x_strdup(under ? (url[base] ? url + base : "/") : "?");
    r->refs = 1;
    r->body.limit = BODY_MAX;
    r->by_socket = by_socket;
    r->by_owner = by_socket && is_owner_peer(connection);
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, r);
    name_request(r);
    atomic_fetch_add(&a->n_inside, 1);
    return r;
}

const char *request_query(const struct request *r, const char *name)
{
    const char *value = NULL;
    size_t len;
    if (!r->connection)
        return NULL;
    if (MHD_lookup_connection_value_n(r->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &len) == MHD_NO)
        return NULL;
    return value ? value : "";
}

/* --- its answer */

static void add_headers(struct MHD_Response *response, const struct request *r)
{
    const struct answer *answer = &r->answer;
    (void)MHD_add_response_header(response, "X-Request-Id", r->id);
    (void)MHD_add_response_header(response, "Cache-Control", answer->cache ? answer->cache : "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(response, "Content-Security-Policy", answer->policy ? answer->policy : "default-src 'none'; frame-ancestors 'none'");
    if (answer->type)
        (void)MHD_add_response_header(response, "Content-Type", answer->type);
    if (answer->policy) { /* a page */
        (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
        (void)MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    }
    for (size_t i = 0; i < answer->n_headers; i++)
        (void)MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
}

static void count_answer(struct request *r)
{
    int class = r->answer.status / 100;
    atomic_fetch_add(&r->api->n_requests[class < STATUS_CLASSES ? class : 5], 1);
    if (r->answer.status >= 500 && r->answer.status != 503)
        log_event(LOG_WARN, "http.failed", "{s:s, s:s, s:s, s:i}", "request", r->id, "method", r->method, "path", r->path, "status", r->answer.status);
}

static enum MHD_Result send_answer(struct request *r, bool close_after)
{
    struct answer *answer = &r->answer;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->len, answer->body, answer->constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    if (!response)
        return MHD_NO;
    answer->constant = true; /* the library frees it */
    add_headers(response, r);
    if (close_after)
        (void)MHD_add_response_header(response, "Connection", "close");
    count_answer(r);
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* --- waiting */

void http_wake(struct waiter *w, enum wake_reason why)
{
    struct request *r = (struct request *)((char *)w - offsetof(struct request, waiter));
    r->woken = why;
    MHD_resume_connection(r->connection);
}

/* From the core thread. A parked one that was woken by the stop has been answered already. */
static void command_done(struct command *c)
{
    struct request *r = c->arg;
    struct api *a = r->api;
    if (!r->parked) {
        MHD_resume_connection(r->connection);
        atomic_fetch_sub(&a->n_in_core, 1);
    } else if (watch_disarm(a->watch, &r->waiter)) {
        MHD_resume_connection(r->connection);
    } else {
        command_free(c);
    }
    unref(r);
    api_unref(a);
}

static void refuse_stopping(struct command *c)
{
    (void)err_set(&c->error, ERR_UNAVAILABLE, "STOPPING", "the service is stopping; ask again when it is back");
}

static void submit(struct request *r)
{
    struct command *c = r->command;
    c->done = command_done;
    c->arg = r;
    MHD_suspend_connection(r->connection);
    if (r->parked) {
        r->waiter.experiment = WATCH_NOTHING;
        r->waiter.due = 0;
        r->parked = watch_arm(r->api->watch, &r->waiter, 0);
        if (!r->parked) {
            refuse_stopping(c);
            MHD_resume_connection(r->connection);
            return;
        }
    } else {
        atomic_fetch_add(&r->api->n_in_core, 1);
    }
    atomic_fetch_add(&r->refs, 1);
    atomic_fetch_add(&r->api->refs, 1);
    if (!core_submit(r->api->core, c)) {
        refuse_stopping(c);
        command_done(c);
    }
}

static void wait(struct request *r)
{
    MHD_suspend_connection(r->connection);
    if (!watch_arm(r->api->watch, &r->waiter, r->seen)) {
        r->woken = watch_stopping(r->api->watch) ? WAKE_STOP : WAKE_CHANGE;
        MHD_resume_connection(r->connection);
    }
}

/* --- streams */

static size_t take_out(struct stream *s, char *buf, size_t max)
{
    size_t n = s->out.len - s->sent;
    if (n > max)
        n = max;
    memcpy(buf, s->out.data + s->sent, n);
    s->sent += n;
    if (s->sent == s->out.len) {
        buf_release(&s->out); /* thousands of streams are idle: keep nothing */
        s->sent = 0;
    }
    return n;
}

static ssize_t read_stream(void *arg, uint64_t pos, char *buf, size_t max)
{
    struct request *r = arg;
    struct stream *s = r->stream;
    (void)pos;
    if (!s->out.len) {
        if (s->ended || watch_stopping(r->api->watch))
            return MHD_CONTENT_READER_END_OF_STREAM;
        r->seen = watch_revision(r->api->watch);
        s->ended = !s->fill(r);
        r->waiter.not_before = clock_mono_ms() + STREAM_PACE_MS;
    }
    if (s->out.len)
        return (ssize_t)take_out(s, buf, max);
    if (s->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    r->waiter.experiment = s->experiment;
    r->waiter.due = s->bookmark_at;
    wait(r);
    return 0;
}

static enum MHD_Result send_stream(struct request *r)
{
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, r, NULL);
    if (!response)
        return MHD_NO;
    r->answer.status = 200;
    r->answer.type = r->stream->type;
    add_headers(response, r);
    (void)MHD_add_response_header(response, "X-Accel-Buffering", "no");
    count_answer(r);
    enum MHD_Result result = MHD_queue_response(r->connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

/* --- what the library calls */

static enum MHD_Result follow(struct request *r)
{
    switch (r->next) {
    case NEXT_ANSWER:
        return send_answer(r, watch_stopping(r->api->watch));
    case NEXT_COMMAND:
        submit(r);
        return MHD_YES;
    case NEXT_WAIT:
        wait(r);
        return MHD_YES;
    case NEXT_STREAM:
        return send_stream(r);
    }
    return MHD_NO;
}

static enum MHD_Result refuse(struct request *r, enum err code, const char *name, const char *detail)
{
    struct error error;
    (void)err_set(&error, code, name, "%s", detail);
    answer_problem(r, &error, NULL);
    return send_answer(r, true);
}

static enum MHD_Result begin(struct api *a, struct request *r)
{
    const char *length = r->header[HEADER_CONTENT_LENGTH];
    if (atomic_load(&a->http->n_connections) > a->config.max_connections)
        return refuse(r, ERR_UNAVAILABLE, "TOO_MANY_CONNECTIONS", "all connections are in use; try again, or raise max_connections");
    if (length && strtoull(length, NULL, 10) > BODY_MAX)
        return refuse(r, ERR_TOO_LARGE, NULL, "a body may have at most 1048576 bytes");
    return MHD_YES;
}

static enum MHD_Result gather(struct request *r, const char *data, size_t *size)
{
    buf_add(&r->body, data, *size);
    r->over_limit = r->body.overflow;
    r->passed_over += r->over_limit ? *size : 0;
    *size = 0;
    return r->passed_over > GIVE_UP_BODY ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(struct api *a, bool by_socket, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *data, size_t *size, void **slot)
{
    struct request *r = *slot;
    if (!r) {
        *slot = r = new_request(a, connection, url, method, by_socket);
        return begin(a, r);
    }
    if (*size)
        return gather(r, data, size);
    if (!r->started)
        request_start(r);
    else
        request_again(r);
    return follow(r);
}

static enum MHD_Result on_tcp(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **slot)
{
    (void)version;
    return on_request(cls, false, connection, url, method, data, size, slot);
}

static enum MHD_Result on_socket(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                 const char *data, size_t *size, void **slot)
{
    (void)version;
    return on_request(cls, true, connection, url, method, data, size, slot);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode why)
{
    struct api *a = cls;
    (void)connection;
    (void)why;
    if (!*slot)
        return;
    unref(*slot);
    *slot = NULL;
    atomic_fetch_sub(&a->n_inside, 1);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **slot, enum MHD_ConnectionNotificationCode what)
{
    struct api *a = cls;
    (void)connection;
    (void)slot;
    atomic_fetch_add(&a->http->n_connections, what == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

static void on_log(void *cls, const char *fmt, va_list ap)
{
    char text[400];
    (void)cls;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\r\n")] = '\0';
    log_event(LOG_DEBUG, "http.library", "{s:s}", "detail", text);
}

int64_t http_connections(struct api *a)
{
    return atomic_load(&a->http->n_connections);
}

/* --- start and stop */

#define OPTIONS_MAX 10
#define NO_SOCKET (-1)

/* `fd` NO_SOCKET: connections are given to it. */
static struct MHD_Daemon *start(struct api *a, int fd, MHD_AccessHandlerCallback handler, int threads, bool tls)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0u);
    struct MHD_OptionItem options[OPTIONS_MAX];
    size_t n = 0;
    flags |= fd == NO_SOCKET ? MHD_USE_NO_LISTEN_SOCKET : 0u;
    if (fd != NO_SOCKET)
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, fd, NULL};
    options[n++] = (struct MHD_OptionItem){MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL};
    options[n++] = (struct MHD_OptionItem){MHD_OPTION_CONNECTION_LIMIT, a->config.max_connections + SPARE_CONNECTIONS * threads, NULL};
    options[n++] = (struct MHD_OptionItem){MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL};
    if (threads > 1)
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, threads, NULL};
    if (tls) {
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)a->config.tls_cert};
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)a->config.tls_key};
    }
    options[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(flags, 0, NULL, NULL, handler, a, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, a, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a,
                            MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static enum err not_started(const struct api *a, struct error *error)
{
    if (a->config.tls_cert)
        return err_set(error, ERR_INVALID, "TLS", "the HTTPS service cannot start: are tls_cert and tls_key PEM files that belong together?");
    return err_set(error, ERR_UNAVAILABLE, "HTTP", "the HTTP service cannot start (out of threads or files?)");
}

static void take_connection(void *arg, int fd, const struct sockaddr *from, socklen_t len, bool waits)
{
    struct api *a = arg;
    (void)MHD_add_connection(waits ? a->http->watchers : a->http->tcp, fd, from, len); /* closes it if it cannot */
}

enum err http_open(struct api *a, struct error *error)
{
    bool tls = a->config.tls_cert != NULL;
    a->http = X_NEW(struct http);
    a->http->tcp = start(a, NO_SOCKET, on_tcp, a->config.threads, tls);
    a->http->watchers = tls ? NULL : start(a, NO_SOCKET, on_tcp, 1, false);
    if (a->http->tcp && (tls || a->http->watchers))
        a->http->acceptor = acceptor_new(a->listen_fd, !tls, take_connection, a);
    if (!a->http->acceptor)
        return not_started(a, error);
    a->listen_fd = -1;
    if (a->socket_fd < 0)
        return OK;
    a->http->unix_socket = start(a, a->socket_fd, on_socket, 1, false);
    if (!a->http->unix_socket)
        return not_started(a, error);
    a->socket_fd = -1;
    return OK;
}

void http_refuse_new(struct api *a)
{
    if (!a->http)
        return;
    acceptor_free(a->http->acceptor);
    a->http->acceptor = NULL;
    int fd = a->http->unix_socket ? MHD_quiesce_daemon(a->http->unix_socket) : -1;
    if (fd >= 0)
        (void)close(fd);
}

void http_close(struct api *a)
{
    if (!a->http)
        return;
    struct MHD_Daemon *daemons[] = {a->http->tcp, a->http->watchers, a->http->unix_socket};
    for (size_t i = 0; i < ARRAY_LEN(daemons); i++)
        if (daemons[i])
            MHD_stop_daemon(daemons[i]);
    free(a->http);
    a->http = NULL;
}
