/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may do what, over real HTTP: every route of the table with no token, a wrong one, a trial's, another trial's, the owner's and a session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/token.h"
#include "router.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OWNER "hone_owner-token-of-this-test"
#define SECRET "secret of this test"
#define LINK "hone_link-of-this-test"

static struct service {
    char dir[64], socket_path[80];
    struct store *store;
    struct core *core;
    struct api *api;
    int port;
    char cookie[200];
    char *own_token, *other_token;
} s;

static void on_change(void *arg, const struct core_change *change)
{
    struct service *service = arg;
    api_on_change(service->api, change);
}

/* --- a client of a dozen lines */

struct reply {
    int status;
    char *text; /* head and body */
};

static int dial(bool by_socket)
{
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    (void)snprintf(local.sun_path, sizeof local.sun_path, "%.100s", s.socket_path);
    int fd = socket(by_socket ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(by_socket ? connect(fd, (struct sockaddr *)&local, sizeof local) : connect(fd, (struct sockaddr *)&tcp, sizeof tcp), 0);
    return fd;
}

/* `head`: further header lines, each ended by \r\n. */
static struct reply ask(bool by_socket, const char *method, const char *path, const char *host, const char *head, const char *body)
{
    struct buf out = BUF_INIT, in = BUF_INIT;
    char chunk[4096];
    ssize_t n;
    buf_addf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s", method, path, host, head);
    if (body)
        buf_addf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    buf_addf(&out, "\r\n%s", body ? body : "");
    int fd = dial(by_socket);
    assert_int_equal(send(fd, out.data, out.len, MSG_NOSIGNAL), (ssize_t)out.len);
    while ((n = recv(fd, chunk, sizeof chunk, 0)) > 0)
        buf_add(&in, chunk, (size_t)n);
    (void)close(fd);
    buf_release(&out);
    struct reply r = {.text = buf_take(&in)};
    if (sscanf(r.text, "HTTP/1.1 %d", &r.status) != 1)
        fail_msg("no answer to %s %s", method, path);
    return r;
}

static int status(const char *method, const char *path, const char *head, const char *body)
{
    struct reply r = ask(false, method, path, "localhost", head, body);
    free(r.text);
    return r.status;
}

static char *member(const struct reply *r, const char *name)
{
    const char *body = strstr(r->text, "\r\n\r\n");
    json_t *json = json_loads(body ? body + 4 : "", 0, NULL);
    char *value = x_strdup(json_string_value(json_object_get(json, name)) ? json_string_value(json_object_get(json, name)) : "");
    json_decref(json);
    return value;
}

static const char as_owner[] = "Authorization: Bearer " OWNER "\r\n";

/* --- a service with an experiment "e" and a leased trial */

static const char file[] =
    "{\"name\": \"e\", \"algorithm\": \"random\", \"objective\": {\"metric\": \"loss\", \"direction\": \"minimize\"}, \"parameters\": {\"x\": {\"type\": \"float\", \"min\": 0, \"max\": 1}}}";

static void log_in(void)
{
    struct reply r = ask(false, "GET", "/link/" LINK, "localhost", "", NULL);
    assert_int_equal(r.status, 303);
    const char *cookie = strstr(r.text, "Set-Cookie: ");
    assert_non_null(cookie);
    (void)snprintf(s.cookie, sizeof s.cookie, "Cookie: other=1; %.*s\r\n", (int)strcspn(cookie + 12, ";"), cookie + 12);
    free(r.text);
}

static void fill(void)
{
    struct reply r = ask(false, "POST", "/api/v1/projects/default/experiments", "localhost", as_owner, file);
    assert_int_equal(r.status, 201);
    char *uid CLEANUP_FREE = member(&r, "uid");
    free(r.text);
    assert_int_equal(status("POST", "/api/v1/projects/default/experiments/e/trials:suggest", as_owner, "{\"count\": 2}"), 200);
    s.own_token = trial_token_new(SECRET, uid, 1, 1);
    s.other_token = trial_token_new(SECRET, uid, 2, 1);
}

static int setup(void **state)
{
    (void)state;
    struct error error = {0};
    char hash[HASH_TEXT];
    if (!token_setup())
        return 1;
    (void)strcpy(s.dir, "/tmp/hone-test-auth-XXXXXX");
    if (!mkdtemp(s.dir))
        return 1;
    (void)snprintf(s.socket_path, sizeof s.socket_path, "%s/socket", s.dir);
    token_hash(OWNER, strlen(OWNER), hash);
    const struct api_config config = {.listen = "127.0.0.1:0", .socket_path = s.socket_path, .auth = true, .token_hash = hash, .secret = SECRET, .link_token = LINK, .base_path = "", .threads = 2, .max_connections = 100};
    if (store_open(s.dir, &s.store, &error) || api_open(&config, &s.api, &error))
        goto failed;
    const struct core_config core = {.store = s.store, .data_dir = s.dir, .url = api_url(s.api), .workers = 1, .on_change = on_change, .arg = &s};
    if (core_start(&core, &s.core, &error) || api_run(s.api, s.core, s.store, &error))
        goto failed;
    s.port = (int)strtol(strrchr(api_url(s.api), ':') + 1, NULL, 10);
    fill();
    log_in();
    return 0;
failed:
    print_error("%s\n", error.detail);
    return 1;
}

static int teardown(void **state)
{
    (void)state;
    api_stop(s.api);
    core_stop(s.core);
    store_close(s.store);
    free(s.own_token);
    free(s.other_token);
    char *command CLEANUP_FREE = x_asprintf("rm -rf '%s'", s.dir);
    return system(command);
}

/* --- the matrix */

/* The path of a route with its arguments filled in. */
static char *fill_path(const char *pattern, const char *experiment)
{
    static const struct {
        const char *name, *value;
    } values[] = {{"{project}", "default"}, {"{number}", "1"}, {"{token}", "hone_no-link"}, {"{file}", "app.js"}, {"{code}", "QUERY"}};
    struct buf b = BUF_INIT;
    for (const char *p = pattern; *p;) {
        const char *value = NULL;
        size_t len = *p == '{' ? strcspn(p, "}") + 1 : 1;
        for (size_t i = 0; i < ARRAY_LEN(values); i++)
            if (strlen(values[i].name) == len && !strncmp(p, values[i].name, len))
                value = values[i].value;
        if (len == strlen("{experiment}") && !strncmp(p, "{experiment}", len))
            value = experiment;
        if (value)
            buf_adds(&b, value);
        else
            buf_add(&b, p, len);
        p += len;
    }
    return buf_take(&b);
}

static bool denied(int code)
{
    return code == 401 || code == 403;
}

/* What reaches a handler must change nothing here: with rights the experiment "nosuch" is asked for. */
static void each_route_lets_in_whom_its_row_names(void **state)
{
    (void)state;
    char own[300], other[300], session_only[300];
    (void)snprintf(own, sizeof own, "Authorization: Bearer %s\r\n", s.own_token);
    (void)snprintf(other, sizeof other, "Authorization: Bearer %s\r\n", s.other_token);
    (void)snprintf(session_only, sizeof session_only, "%s", s.cookie);
    for (const struct route *r = routes; r->method; r++) {
        char *real CLEANUP_FREE = fill_path(r->path, "e"), *nosuch CLEANUP_FREE = fill_path(r->path, "nosuch");
        char *with_header CLEANUP_FREE = x_asprintf("%sX-Hone: 1\r\n", s.cookie);
        const char *body = r->command == NO_COMMAND ? NULL : "{}";
        bool open = r->access == ACCESS_PUBLIC, trial = r->access == ACCESS_TRIAL, writes = r->command != NO_COMMAND, is_link = !strncmp(r->path, "/link/", 6);
        print_message("%s %s\n", r->method, r->path);
        if (is_link) /* open, but the link is none */
            continue;
        assert_int_equal(status(r->method, nosuch, "", body) == 401, !open);
        assert_int_equal(status(r->method, nosuch, "Authorization: Bearer hone_wrong\r\n", body) == 401, !open);
        assert_int_equal(status(r->method, nosuch, "Authorization: Basic aG9uZQ==\r\n", body) == 401, !open);
        assert_int_equal(status(r->method, real, other, body) == 403, !open);
        if (!trial)
            assert_int_equal(status(r->method, real, own, body) == 403, !open);
        assert_false(denied(status(r->method, nosuch, as_owner, body)));
        assert_int_equal(status(r->method, nosuch, session_only, body) == 403, writes);
        assert_false(denied(status(r->method, nosuch, with_header, body)));
    }
}

static void a_trial_may_speak_for_itself(void **state)
{
    (void)state;
    char own[300];
    (void)snprintf(own, sizeof own, "Authorization: Bearer %s\r\n", s.own_token);
    const char *t = "/api/v1/projects/default/experiments/e/trials/1";
    static const struct {
        const char *method, *verb, *body;
        int status;
    } cases[] = {{"GET", "", NULL, 200},
                 {"POST", ":report", "{\"measurements\": [{\"step\": 1, \"metrics\": {\"loss\": 0.5}}]}", 200},
                 {"POST", ":heartbeat", "{}", 200},
                 {"POST", ":heartbeat", "{\"attempt\": 7}", 200}, /* the token says which attempt it is, whatever the body says */
                 {"PATCH", "", "{\"note\": \"x\"}", 403},
                 {"POST", ":stop", NULL, 403},
                 {"POST", ":complete", "{}", 200},
                 {"POST", ":complete", "{}", 200}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *path CLEANUP_FREE = x_asprintf("%s%s", t, cases[i].verb);
        print_message("%s %s\n", cases[i].method, path);
        assert_int_equal(status(cases[i].method, path, own, cases[i].body), cases[i].status);
    }
}

static void a_forged_or_late_session_is_none(void **state)
{
    (void)state;
    char forged[300];
    (void)snprintf(forged, sizeof forged, "%s", s.cookie);
    char *dot = strrchr(forged, '.');
    dot[1] = dot[1] == '0' ? '1' : '0';
    assert_int_equal(status("GET", "/api/v1/projects", s.cookie, NULL), 200);
    assert_int_equal(status("GET", "/api/v1/projects", forged, NULL), 401);
    char *later CLEANUP_FREE = x_strdup(s.cookie);
    char *until = strstr(later, "hone_session_");
    until = strchr(until, '=') + 1;
    until[0]++; /* ten years more */
    assert_int_equal(status("GET", "/api/v1/projects", later, NULL), 401);
    assert_int_equal(status("GET", "/link/" LINK, "", NULL), 403); /* it was used by log_in */
}

static void only_its_own_names_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *host, *path;
        int status;
    } cases[] = {{"localhost", "/api/v1/projects", 200}, {"127.0.0.1:1", "/api/v1/projects", 200}, {"LOCALHOST:80", "/api/v1/projects", 200},
                 {"[::1]:80", "/api/v1/projects", 200},  {"evil.example", "/api/v1/projects", 403}, {"evil.example", "/", 403},
                 {"localhost.evil.example", "/", 403},   {"10.0.0.1", "/livez", 200}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reply r = ask(false, "GET", cases[i].path, cases[i].host, as_owner, NULL);
        print_message("%s %s\n", cases[i].host, cases[i].path);
        assert_int_equal(r.status, cases[i].status);
        free(r.text);
    }
}

static void a_page_of_elsewhere_changes_nothing(void **state)
{
    (void)state;
    const char *path = "/api/v1/projects/default/experiments/nosuch:pause";
    char *good CLEANUP_FREE = x_asprintf("%sX-Hone: 1\r\nOrigin: http://localhost\r\n", s.cookie);
    char *bad CLEANUP_FREE = x_asprintf("%sX-Hone: 1\r\nOrigin: http://evil.example\r\n", s.cookie);
    char *null CLEANUP_FREE = x_asprintf("%sX-Hone: 1\r\nOrigin: null\r\n", s.cookie);
    assert_int_equal(status("POST", path, good, "{}"), 404);
    assert_int_equal(status("POST", path, bad, "{}"), 403);
    assert_int_equal(status("POST", path, null, "{}"), 403);
}

static void the_owner_needs_no_token_on_the_unix_socket(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(s.socket_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct reply r = ask(true, "GET", "/api/v1/projects", "whatever", "", NULL);
    assert_int_equal(r.status, 200);
    free(r.text);
    r = ask(true, "GET", "/api/v1/projects", "whatever", "Authorization: Bearer hone_wrong\r\n", NULL);
    assert_int_equal(r.status, 401);
    free(r.text);
}

static void an_open_address_wants_tokens_and_tls(void **state)
{
    (void)state;
    static const struct {
        const char *listen;
        bool auth, tls, insecure;
        enum err err;
    } cases[] = {{"127.0.0.1:0", true, false, false, OK},          {"localhost:0", false, false, false, OK},      {"[::1]:0", false, false, false, OK},
                 {"0.0.0.0:0", true, false, false, ERR_USAGE},   {":0", true, false, false, ERR_USAGE},       {"[::]:0", true, false, false, ERR_USAGE},
                 {"192.0.2.1:0", true, true, false, OK},           {"192.0.2.1:0", false, true, false, ERR_USAGE}, {"0.0.0.0:0", true, false, true, OK},
                 {"8080", true, false, false, ERR_USAGE},        {"127.0.0.1:99999", true, false, false, ERR_USAGE}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        const struct api_config config = {.listen = cases[i].listen, .auth = cases[i].auth, .tls_cert = cases[i].tls ? "a certificate" : NULL};
        print_message("%s\n", cases[i].listen);
        assert_int_equal(api_check_listen(&config, cases[i].insecure, &error), cases[i].err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_lets_in_whom_its_row_names), cmocka_unit_test(a_trial_may_speak_for_itself),
        cmocka_unit_test(a_forged_or_late_session_is_none),      cmocka_unit_test(only_its_own_names_are_answered),
        cmocka_unit_test(a_page_of_elsewhere_changes_nothing),   cmocka_unit_test(the_owner_needs_no_token_on_the_unix_socket),
        cmocka_unit_test(an_open_address_wants_tokens_and_tls),
    };
    return cmocka_run_group_tests_name("auth", tests, setup, teardown);
}
