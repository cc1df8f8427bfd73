/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net/rest: calls, retries, limits and streams, against a small HTTP server on a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/rest.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- a server: one connection at a time, each kept until its client leaves ---- */

struct server {
    int listener;
    bool local; /* a unix socket */
    char url[64], socket[64];
    pthread_t thread;
    /* read after the thread has ended */
    int connections, requests;
    char log[16][2048]; /* the requests as they came */
};

static void reply(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void reply_json(int fd, const char *status, const char *headers, const char *body)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body), headers, body);
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* In pieces that fall in the middle of lines. */
static void reply_events(int fd)
{
    static const char *const pieces[] = {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\nid: 7\neve",
                                         "nt: trial.started\ndata: {\"a\":", "1}\n\n", "data: one\ndata: two\r\n\r\n", "id: 9\ndata: last\n\ndata: unseen\n\n"};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        (void)send(fd, pieces[i], strlen(pieces[i]), MSG_NOSIGNAL);
}

static bool serve_one(struct server *s, int fd, const char *request)
{
    int n = s->requests;
    if (strstr(request, " /echo"))
        reply_json(fd, "200 OK", "", "{\"fine\": true}");
    else if (strstr(request, " /empty"))
        reply(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    else if (strstr(request, " /missing"))
        reply_json(fd, "404 Not Found", "Content-Type: application/problem+json\r\nX-Request-Id: r-17\r\n",
                   "{\"code\": \"TRIAL_NOT_FOUND\", \"detail\": \"trial 3 is not there\"}");
    else if (strstr(request, " /plain"))
        reply_json(fd, "500 Internal Server Error", "", "it broke");
    else if (strstr(request, " /moved"))
        reply_json(fd, "302 Found", "Location: http://127.0.0.1:1/echo\r\n", "");
    else if (strstr(request, " /flaky") && n < 3)
        reply_json(fd, "503 Service Unavailable", "Retry-After: 0\r\n", "{}");
    else if (strstr(request, " /flaky"))
        reply_json(fd, "200 OK", "", "{}");
    else if (strstr(request, " /hangup") && n < 2)
        return false;
    else if (strstr(request, " /hangup"))
        reply_json(fd, "200 OK", "", "{}");
    else if (strstr(request, " /events"))
        reply_events(fd);
    else /* /silent: the client gives up */
        return recv(fd, (char[1]){0}, 1, 0) > 0;
    return strstr(request, " /events") == NULL;
}

/* One request, its body included; false: the client has left. */
static bool read_request(int fd, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (;;) {
        const char *end = strstr(out, "\r\n\r\n"), *length = strstr(out, "Content-Length: ");
        size_t body = length && end && length < end ? strtoul(length + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - out) + body)
            return true;
        ssize_t n = len + 1 < size ? recv(fd, out + len, size - 1 - len, 0) : 0;
        if (n <= 0)
            return false;
        len += (size_t)n;
        out[len] = '\0';
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        s->connections++;
        char request[2048];
        while (s->requests < (int)ARRAY_LEN(s->log) && read_request(fd, request, sizeof request)) {
            memcpy(s->log[s->requests++], request, sizeof request);
            if (!serve_one(s, fd, request))
                break;
        }
        (void)close(fd);
    }
    return NULL;
}

static void start(struct server *s, bool local)
{
    *s = (struct server){.local = local};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)snprintf(s->socket, sizeof s->socket, "/tmp/hone-test-rest.%ld", (long)getpid());
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", s->socket);
    s->listener = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    assert_int_equal(local ? bind(s->listener, (struct sockaddr *)&un, sizeof un) : bind(s->listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    socklen_t len = sizeof in;
    if (!local)
        assert_int_equal(getsockname(s->listener, (struct sockaddr *)&in, &len), 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d", local ? 1 : ntohs(in.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    (void)shutdown(s->listener, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listener);
    if (s->local)
        (void)unlink(s->socket);
}

/* One call of a client made for it alone. */
static enum err call(struct server *s, struct rest_config config, const struct rest_request *request, struct rest_response *response,
                     struct error *error)
{
    config.url = s->url;
    struct rest *rest = rest_new(&config);
    enum err rc = rest_call(rest, request, response, error);
    rest_free(rest);
    return rc;
}

static bool idempotency_key(const char *request, char out[64])
{
    const char *at = strstr(request, "Idempotency-Key: ");
    return at && sscanf(at, "Idempotency-Key: %63[^\r]", out) == 1;
}

/* ---- the tests ---- */

static void a_call_sends_its_token_and_body_and_reads_json(void **state)
{
    (void)state;
    struct server s;
    start(&s, false);
    json_t *body = json_pack("{s:i}", "n", 3);
    struct rest_response r;
    assert_int_equal(call(&s, (struct rest_config){.token = "hone_secret"}, &(struct rest_request){.method = "POST", .path = "/echo?a=b", .body = body}, &r, NULL),
                     OK);
    assert_int_equal(r.status, 200);
    assert_true(json_is_true(json_object_get(r.json, "fine")));
    rest_response_release(&r);
    json_decref(body);
    stop(&s);
    assert_non_null(strstr(s.log[0], "POST /echo?a=b HTTP/1.1\r\n"));
    assert_non_null(strstr(s.log[0], "Authorization: Bearer hone_secret\r\n"));
    assert_non_null(strstr(s.log[0], "Content-Type: application/json\r\n"));
    assert_non_null(strstr(s.log[0], "\r\n\r\n{\"n\":3}"));
    assert_null(strstr(s.log[0], "Idempotency-Key"));
}

static void one_client_keeps_its_connection(void **state)
{
    (void)state;
    struct server s;
    start(&s, false);
    struct rest *rest = rest_new(&(struct rest_config){.url = s.url});
    for (int i = 0; i < 3; i++) {
        struct rest_response r;
        assert_int_equal(rest_call(rest, &(struct rest_request){.path = i == 1 ? "/empty" : "/echo"}, &r, NULL), OK);
        assert_int_equal(r.json == NULL, i == 1);
        rest_response_release(&r);
    }
    rest_free(rest);
    stop(&s);
    assert_int_equal(s.requests, 3);
    assert_int_equal(s.connections, 1);
}

static void a_refusal_is_a_typed_error(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum err code;
        const char *name, *detail;
    } cases[] = {
        {"/missing", ERR_NOT_FOUND, "TRIAL_NOT_FOUND", "trial 3 is not there"},
        {"/plain", ERR_INTERNAL, "INTERNAL", "it broke"},
        {"/moved", ERR_USAGE, "USAGE", ""}, /* not followed: a token must not travel */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server s;
        struct rest_response r;
        struct error e = {0};
        start(&s, false);
        assert_int_equal(call(&s, (struct rest_config){0}, &(struct rest_request){.path = cases[i].path}, &r, &e), cases[i].code);
        assert_int_equal(e.code, cases[i].code);
        assert_string_equal(e.name, cases[i].name);
        assert_non_null(strstr(e.detail, cases[i].detail));
        if (i == 0)
            assert_string_equal(r.request_id, "r-17");
        rest_response_release(&r);
        stop(&s);
        assert_int_equal(s.requests, 1);
    }
}

static void what_may_be_made_twice_is_tried_again(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        bool keys;
        int retries, requests;
        enum err code;
    } cases[] = {
        {"GET", "/flaky", false, 3, 3, OK},   {"GET", "/flaky", false, 1, 2, ERR_UNAVAILABLE}, {"GET", "/hangup", false, 3, 2, OK},
        {"POST", "/flaky", true, 3, 3, OK},   {"POST", "/flaky", false, 3, 1, ERR_UNAVAILABLE}, {"DELETE", "/flaky", false, 3, 3, OK},
        {"PATCH", "/flaky", true, 3, 1, ERR_UNAVAILABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server s;
        struct rest_response r;
        start(&s, false);
        const struct rest_config config = {.idempotency_keys = cases[i].keys, .retries = cases[i].retries};
        assert_int_equal(call(&s, config, &(struct rest_request){.method = cases[i].method, .path = cases[i].path}, &r, NULL), cases[i].code);
        rest_response_release(&r);
        stop(&s);
        assert_int_equal(s.requests, cases[i].requests);
        char first[64] = "", last[64] = "";
        bool post = strcmp(cases[i].method, "POST") == 0 && cases[i].keys;
        assert_int_equal(idempotency_key(s.log[0], first), post);
        assert_int_equal(idempotency_key(s.log[s.requests - 1], last), post);
        assert_string_equal(first, last);
    }
}

static void a_patient_call_goes_on_by_time_not_by_count(void **state)
{
    (void)state;
    struct server s;
    struct rest_response r;
    start(&s, false);
    const struct rest_request patient = {.path = "/flaky", .retry_until_mono_ms = clock_mono_ms() + 60000};
    assert_int_equal(call(&s, (struct rest_config){.retries = 0}, &patient, &r, NULL), OK);
    rest_response_release(&r);
    stop(&s);
    assert_int_equal(s.requests, 3);
}

static void an_answer_has_a_limit_of_size_and_of_time(void **state)
{
    (void)state;
    static const struct {
        struct rest_request request;
        enum err code;
    } cases[] = {
        {{.path = "/echo", .limit = 4}, ERR_TOO_LARGE},
        {{.path = "/silent", .timeout_s = 0.2}, ERR_TIMEOUT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server s;
        struct rest_response r;
        start(&s, false);
        assert_int_equal(call(&s, (struct rest_config){0}, &cases[i].request, &r, NULL), cases[i].code);
        rest_response_release(&r);
        stop(&s);
    }
}

static _Atomic bool stop_asked;

static bool asked(void)
{
    return stop_asked;
}

static void a_call_can_be_cancelled(void **state)
{
    (void)state;
    struct server s;
    struct rest_response r;
    struct error e = {0};
    start(&s, false);
    stop_asked = true;
    assert_int_equal(call(&s, (struct rest_config){.retries = 5, .cancelled = asked}, &(struct rest_request){.path = "/silent"}, &r, &e), ERR_UNAVAILABLE);
    assert_string_equal(e.name, "CANCELLED");
    rest_response_release(&r);
    stop(&s);
}

static void who_cannot_be_reached_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum err code;
    } cases[] = {{"http://127.0.0.1:1", ERR_UNAVAILABLE}, {"ftp://127.0.0.1", ERR_USAGE}, {"http://[", ERR_USAGE}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rest_response r;
        struct error e = {0};
        struct rest *rest = rest_new(&(struct rest_config){.url = cases[i].url});
        assert_int_equal(rest_call(rest, &(struct rest_request){.path = "/"}, &r, &e), cases[i].code);
        assert_non_null(strstr(e.detail, cases[i].url));
        rest_response_release(&r);
        rest_free(rest);
    }
}

static void a_unix_socket_is_taken_in_place_of_the_host(void **state)
{
    (void)state;
    struct server s;
    struct rest_response r;
    start(&s, true);
    assert_int_equal(call(&s, (struct rest_config){.socket = s.socket}, &(struct rest_request){.path = "/echo"}, &r, NULL), OK);
    assert_true(json_is_true(json_object_get(r.json, "fine")));
    rest_response_release(&r);
    stop(&s);
}

struct seen {
    int n;
    char text[512];
};

static bool note(void *ctx, const char *name, const char *id, const char *data)
{
    struct seen *seen = ctx;
    size_t at = strlen(seen->text);
    (void)snprintf(seen->text + at, sizeof seen->text - at, "[%s|%s|%s]", name, id, data);
    return ++seen->n < 3;
}

static void events_are_read_across_pieces_until_the_reader_has_enough(void **state)
{
    (void)state;
    struct server s;
    struct seen seen = {0};
    start(&s, false);
    struct rest *rest = rest_new(&(struct rest_config){.url = s.url});
    assert_int_equal(rest_events(rest, &(struct rest_request){.path = "/events"}, note, &seen, NULL), OK);
    rest_free(rest);
    stop(&s);
    assert_string_equal(seen.text, "[trial.started|7|{\"a\":1}][|7|one\ntwo][|9|last]");
    assert_non_null(strstr(s.log[0], "Accept: text/event-stream\r\n"));
}

static void a_refused_stream_is_an_error(void **state)
{
    (void)state;
    struct server s;
    struct seen seen = {0};
    struct error e = {0};
    start(&s, false);
    struct rest *rest = rest_new(&(struct rest_config){.url = s.url});
    assert_int_equal(rest_events(rest, &(struct rest_request){.path = "/missing"}, note, &seen, &e), ERR_NOT_FOUND);
    assert_string_equal(e.name, "TRIAL_NOT_FOUND");
    assert_int_equal(seen.n, 0);
    rest_free(rest);
    stop(&s);
}

static void text_is_encoded_for_paths_and_queries(void **state)
{
    (void)state;
    static const struct {
        const char *text, *encoded;
    } cases[] = {{"", ""}, {"digits-2.b_c~", "digits-2.b_c~"}, {"a/b?c=d&e f", "a%2Fb%3Fc%3Dd%26e%20f"}, {"\xc3\xa9%", "%C3%A9%25"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = rest_encode(cases[i].text);
        assert_string_equal(text, cases[i].encoded);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_sends_its_token_and_body_and_reads_json),
        cmocka_unit_test(one_client_keeps_its_connection),
        cmocka_unit_test(a_refusal_is_a_typed_error),
        cmocka_unit_test(what_may_be_made_twice_is_tried_again),
        cmocka_unit_test(a_patient_call_goes_on_by_time_not_by_count),
        cmocka_unit_test(an_answer_has_a_limit_of_size_and_of_time),
        cmocka_unit_test(a_call_can_be_cancelled),
        cmocka_unit_test(who_cannot_be_reached_is_named),
        cmocka_unit_test(a_unix_socket_is_taken_in_place_of_the_host),
        cmocka_unit_test(events_are_read_across_pieces_until_the_reader_has_enough),
        cmocka_unit_test(a_refused_stream_is_an_error),
        cmocka_unit_test(text_is_encoded_for_paths_and_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
