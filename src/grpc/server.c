/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grpc/server.h"

#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define PREFIX 5 /* of a message: one byte says compressed, four its length */
#define IDLE_SECONDS 600
#define READ_SIZE 16384

struct connection {
    struct grpc_server *server;
    struct call *calls; /* of its thread */
    struct connection *next;
    pthread_t thread;
    int fd;
    bool ended; /* its thread can be joined; with the server's mutex */
};

struct grpc_server {
    const struct grpc_method *methods;
    int fd, port;
    pthread_t acceptor;
    pthread_mutex_t mutex; /* of what follows */
    struct connection *connections;
    size_t n;
    bool stopping;
};

struct call { /* a stream */
    struct call *prev, *next;
    const struct grpc_method *method;
    struct buf request, reply;
    size_t sent;
    enum grpc_status status;
    struct buf message;
};

/* ---- calls ---- */

static void call_free(struct call *c)
{
    buf_release(&c->request);
    buf_release(&c->reply);
    buf_release(&c->message);
    free(c);
}

static void fail(struct call *c, enum grpc_status status, const char *message)
{
    c->status = status;
    c->reply.len = 0;
    c->message.len = 0;
    buf_adds(&c->message, message);
}

static void make(struct call *c)
{
    const unsigned char *p = (const unsigned char *)c->request.data;
    size_t len = c->request.len;
    if (!c->method) {
        fail(c, GRPC_UNIMPLEMENTED, "Hone serves Katib's Suggestion and EarlyStopping (api.v1.beta1) and grpc.health.v1, not this method");
    } else if (c->request.overflow) {
        fail(c, GRPC_RESOURCE_EXHAUSTED, "the request is too large: at most 16 MiB are read");
    } else if (len < PREFIX || len - PREFIX != ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4])) {
        fail(c, GRPC_INVALID_ARGUMENT, "the request is not one whole message");
    } else if (p[0]) {
        fail(c, GRPC_UNIMPLEMENTED, "compressed messages are not read");
    } else {
        buf_add(&c->reply, "\0\0\0\0\0", PREFIX);
        c->status = c->method->call(p + PREFIX, len - PREFIX, &c->reply, &c->message);
        if (c->status)
            c->reply.len = 0;
    }
    if (c->status)
        return;
    size_t n = c->reply.len - PREFIX;
    for (int i = 0; i < 4; i++)
        c->reply.data[1 + i] = (char)(n >> (24 - 8 * i) & 0xff);
}

/* ---- HTTP/2 ---- */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name, .value = (uint8_t *)(uintptr_t)value, .namelen = strlen(name), .valuelen = strlen(value)};
}

/* Percent-encoded, as the protocol wants it in a header. */
static char *encoded(const struct buf *message)
{
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < message->len; i++) {
        unsigned char c = (unsigned char)message->data[i];
        if (c >= 0x20 && c < 0x7f && c != '%')
            buf_add(&out, (const char *)&c, 1);
        else
            buf_addf(&out, "%%%02X", c);
    }
    buf_adds(&out, "");
    return buf_take(&out);
}

static void submit_trailers(nghttp2_session *session, int32_t stream, const struct call *c, bool alone)
{
    char status[12];
    char *message CLEANUP_FREE = encoded(&c->message);
    (void)snprintf(status, sizeof status, "%d", (int)c->status);
    nghttp2_nv both[] = {header(":status", "200"), header("content-type", "application/grpc"), header("grpc-status", status), header("grpc-message", message)};
    size_t n = *message ? 4 : 3;
    if (alone)
        (void)nghttp2_submit_response(session, stream, both, n, NULL);
    else
        (void)nghttp2_submit_trailer(session, stream, both + 2, n - 2);
}

static ssize_t read_reply(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t max, uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct call *c = source->ptr;
    (void)arg;
    size_t n = c->reply.len - c->sent < max ? c->reply.len - c->sent : max;
    memcpy(buf, c->reply.data + c->sent, n);
    c->sent += n;
    if (c->sent == c->reply.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        submit_trailers(session, stream, c, false);
    }
    return (ssize_t)n;
}

static void answer(nghttp2_session *session, int32_t stream, struct call *c)
{
    make(c);
    if (c->status) {
        submit_trailers(session, stream, c, true);
        return;
    }
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc")};
    nghttp2_data_provider data = {.source.ptr = c, .read_callback = read_reply};
    (void)nghttp2_submit_response(session, stream, headers, 2, &data);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct connection *conn = arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct call *c = X_NEW(struct call);
    DL_APPEND(conn->calls, c);
    c->request.limit = GRPC_MESSAGE_MAX;
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, c) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    const struct connection *conn = arg;
    struct call *c = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    if (!c || name_len != 5 || memcmp(name, ":path", 5) != 0)
        return 0;
    for (const struct grpc_method *m = conn->server->methods; m->path; m++)
        if (strlen(m->path) == len && !memcmp(m->path, value, len))
            c->method = m;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *arg)
{
    struct call *c = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags;
    (void)arg;
    if (c)
        buf_add(&c->request, (const char *)data, len);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct call *c = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (c)
        answer(session, frame->hd.stream_id, c);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    struct call *c = nghttp2_session_get_stream_user_data(session, stream);
    struct connection *conn = arg;
    (void)code;
    if (c) {
        DL_DELETE(conn->calls, c);
        call_free(c);
    }
    (void)nghttp2_session_set_stream_user_data(session, stream, NULL);
    return 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *arg)
{
    const struct connection *conn = arg;
    (void)session;
    (void)flags;
    ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);
    return n < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : n;
}

/* Reads what there is, waiting for the first of it; not 0: the connection is over. */
static int receive(nghttp2_session *session, const struct connection *conn)
{
    uint8_t bytes[READ_SIZE];
    ssize_t n;
    do
        n = recv(conn->fd, bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    return n > 0 && nghttp2_session_mem_recv(session, bytes, (size_t)n) == n ? 0 : -1;
}

static nghttp2_session *session_new(struct connection *conn)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks))
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    if (nghttp2_session_server_new(&session, callbacks, conn))
        session = NULL;
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void *serve(void *arg)
{
    struct connection *conn = arg;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 32}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    nghttp2_session *session = session_new(conn);
    int rc = session ? nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) : -1;
    while (!rc && (nghttp2_session_want_read(session) || nghttp2_session_want_write(session))) {
        rc = nghttp2_session_send(session);
        if (!rc && nghttp2_session_want_read(session))
            rc = receive(session, conn);
    }
    nghttp2_session_del(session);
    struct call *c, *next;
    DL_FOREACH_SAFE(conn->calls, c, next) /* of streams that were cut off */
        call_free(c);
    struct grpc_server *s = conn->server;
    (void)pthread_mutex_lock(&s->mutex);
    conn->ended = true;
    (void)shutdown(conn->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* ---- connections ---- */

/* Joins and frees those that have ended, or all. With the mutex, which is let go meanwhile. */
static void reap(struct grpc_server *s, bool all)
{
    struct connection **at = &s->connections, *gone = NULL;
    while (*at) {
        struct connection *c = *at;
        if (!all && !c->ended) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->next = gone;
        gone = c;
        s->n--;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    while (gone) {
        struct connection *c = gone;
        gone = c->next;
        (void)pthread_join(c->thread, NULL);
        (void)close(c->fd);
        free(c);
    }
    (void)pthread_mutex_lock(&s->mutex);
}

static void take(struct grpc_server *s, int fd)
{
    const struct timeval idle = {.tv_sec = IDLE_SECONDS};
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)pthread_mutex_lock(&s->mutex);
    reap(s, false);
    struct connection *c = X_NEW(struct connection);
    *c = (struct connection){.server = s, .fd = fd, .next = s->connections};
    if (s->stopping || s->n == GRPC_CONNECTIONS || pthread_create(&c->thread, NULL, serve, c)) {
        (void)close(fd);
        free(c);
    } else {
        s->connections = c;
        s->n++;
    }
    (void)pthread_mutex_unlock(&s->mutex);
}

static void *accept_all(void *arg)
{
    struct grpc_server *s = arg;
    for (;;) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        (void)pthread_mutex_lock(&s->mutex);
        bool stopping = s->stopping;
        (void)pthread_mutex_unlock(&s->mutex);
        if (fd >= 0)
            take(s, fd);
        else if (!stopping && errno != EINTR && errno != ECONNABORTED)
            (void)usleep(100000); /* out of files, most likely: it passes */
        if (stopping)
            return NULL;
    }
}

static int listen_at(const char *host, const char *port, int *bound)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int fd = -1;
    const int on = 1;
    if (getaddrinfo(*host ? host : NULL, port, &hints, &list))
        return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        struct sockaddr_storage at;
        socklen_t len = sizeof at;
        if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 64) || getsockname(fd, (struct sockaddr *)&at, &len)) {
            (void)close(fd);
            fd = -1;
            continue;
        }
        *bound = ntohs(at.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&at)->sin6_port : ((const struct sockaddr_in *)&at)->sin_port);
    }
    freeaddrinfo(list);
    return fd;
}

enum err grpc_open(const char *listen, const struct grpc_method *methods, struct grpc_server **out, struct error *error)
{
    const char *colon = strrchr(listen, ':');
    if (!colon)
        return err_set(error, ERR_USAGE, "SETTING_INVALID", "grpc_listen: \"%s\" must be an address and a port, such as 127.0.0.1:6789", listen);
    bool brackets = *listen == '[' && colon > listen && colon[-1] == ']';
    char *host CLEANUP_FREE = x_strndup(listen + brackets, (size_t)(colon - listen) - 2u * brackets);
    struct grpc_server *s = X_NEW(struct grpc_server);
    s->methods = methods;
    (void)pthread_mutex_init(&s->mutex, NULL);
    s->fd = listen_at(host, colon + 1, &s->port);
    if (s->fd >= 0 && !pthread_create(&s->acceptor, NULL, accept_all, s)) {
        *out = s;
        return OK;
    }
    enum err err = err_set(error, ERR_USAGE, "GRPC_LISTEN", "grpc_listen: %s cannot be served on: %s; choose another address or port", listen, strerror(errno));
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s);
    return err;
}

int grpc_port(const struct grpc_server *s)
{
    return s->port;
}

void grpc_close(struct grpc_server *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    (void)pthread_mutex_unlock(&s->mutex);
    (void)shutdown(s->fd, SHUT_RDWR); /* wakes accept */
    (void)pthread_join(s->acceptor, NULL);
    (void)pthread_mutex_lock(&s->mutex);
    for (struct connection *c = s->connections; c; c = c->next)
        (void)shutdown(c->fd, SHUT_RDWR);
    reap(s, true);
    (void)pthread_mutex_unlock(&s->mutex);
    (void)close(s->fd);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
}
