/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One libcurl easy handle a client: requests are set up from scratch, the connection stays. */
#include "net/rest_part.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

enum {
    DEFAULT_TIMEOUT_S = 30,
    CONNECT_TIMEOUT_MS = 5000,
    STREAM_IDLE_S = 60,      /* the service sends a keep-alive every 15 s */
    PROBE_AFTER_S = 30,      /* a peer that is gone without a word is noticed by the system's probes */
    PROBE_EVERY_S = 10,
    BACKOFF_FIRST_MS = 200,
    BACKOFF_MOST_MS = 5000,
    RETRY_AFTER_MOST_MS = 60000,
};
#define DEFAULT_LIMIT ((size_t)64 << 20)

static char *copy(const char *s)
{
    return s ? x_strdup(s) : NULL;
}

static bool loopback(const char *url)
{
    static const char *const hosts[] = {"127.", "localhost", "[::1]"};
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (strncasecmp(host, hosts[i], strlen(hosts[i])) == 0)
            return true;
    return false;
}

struct rest *rest_new(const struct rest_config *config)
{
    struct rest *r = X_NEW(struct rest);
    size_t len = strlen(config->url);
    while (len && config->url[len - 1] == '/')
        len--;
    r->url = x_strndup(config->url, len);
    r->token = copy(config->token);
    r->socket = copy(config->socket);
    r->ca_file = copy(config->ca_file);
    r->cert_file = copy(config->cert_file);
    r->key_file = copy(config->key_file);
    r->proxy = copy(config->proxy);
    r->connect_to = copy(config->connect_to);
    r->insecure = config->insecure;
    r->idempotency_keys = config->idempotency_keys;
    r->retries = config->retries;
    r->cancelled = config->cancelled;
    r->direct = config->socket || loopback(config->url);
    if (curl_lib_load() && !(r->curl = curl_easy_init()))
        abort(); /* out of memory, as in base/mem.c */
    if (r->curl && r->connect_to && !(r->connect_list = curl_slist_append(NULL, r->connect_to)))
        abort();
    return r;
}

struct rest *rest_another(const struct rest *r, bool (*cancelled)(void))
{
    return rest_new(&(struct rest_config){.url = r->url,
                                          .token = r->token,
                                          .socket = r->socket,
                                          .ca_file = r->ca_file,
                                          .cert_file = r->cert_file,
                                          .key_file = r->key_file,
                                          .proxy = r->proxy,
                                          .connect_to = r->connect_to,
                                          .insecure = r->insecure,
                                          .idempotency_keys = r->idempotency_keys,
                                          .retries = r->retries,
                                          .cancelled = cancelled});
}

void rest_free(struct rest *r)
{
    if (!r)
        return;
    if (r->curl) {
        curl_easy_cleanup(r->curl);
        curl_slist_free_all(r->connect_list);
    }
    free(r->url);
    rest_set_token(r, NULL);
    free(r->socket);
    free(r->ca_file);
    free(r->cert_file);
    free(r->key_file);
    free(r->proxy);
    free(r->connect_to);
    free(r);
}

void rest_set_token(struct rest *r, const char *token)
{
    if (r->token)
        explicit_bzero(r->token, strlen(r->token));
    free(r->token);
    r->token = copy(token);
}

void rest_response_release(struct rest_response *response)
{
    json_decref(response->json);
    buf_release(&response->body);
    *response = (struct rest_response){0};
}

char *rest_encode(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    struct buf b = BUF_INIT;
    for (const char *p = text; *p; p++)
        if (strchr(plain, *p))
            buf_add(&b, p, 1);
        else
            buf_addf(&b, "%%%02X", (unsigned)(unsigned char)*p);
    return buf_take(&b);
}

/* ---- what libcurl calls ---- */

static int status_of(struct rest *r)
{
    long status = 0;
    (void)curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct attempt *a = arg;
    (void)size; /* always 1 */
    int status = status_of(a->rest);
    if (a->on_data && status >= 200 && status < 300) {
        a->started = true;
        a->ended = !a->on_data(a->ctx, data, n);
        return a->ended ? 0 : n;
    }
    buf_add(&a->response->body, data, n);
    return a->response->body.overflow ? 0 : n;
}

static const char *header_value(const char *line, size_t len, const char *name, size_t *value_len)
{
    size_t at = strlen(name);
    if (len <= at || line[at] != ':' || strncasecmp(line, name, at) != 0)
        return NULL;
    for (at++; at < len && line[at] == ' '; at++)
        ;
    while (len > at && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    *value_len = len - at;
    return line + at;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct attempt *a = arg;
    (void)size;
    size_t len;
    const char *value = header_value(line, n, "X-Request-Id", &len);
    if (value)
        (void)snprintf(a->response->request_id, sizeof a->response->request_id, "%.*s", (int)len, value);
    value = header_value(line, n, "Location", &len);
    if (value)
        (void)snprintf(a->response->location, sizeof a->response->location, "%.*s", (int)len, value);
    value = header_value(line, n, "Retry-After", &len);
    if (value && len && value[0] >= '0' && value[0] <= '9') {
        long seconds = strtol(value, NULL, 10);
        a->retry_after_ms = seconds < RETRY_AFTER_MOST_MS / 1000 ? seconds * 1000 : RETRY_AFTER_MOST_MS;
    }
    return n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    const struct rest *r = arg;
    return r->cancelled && r->cancelled();
}

/* ---- one try ---- */

static struct curl_slist *add(struct curl_slist *list, const char *name, const char *value)
{
    CLEANUP_FREE char *line = x_asprintf("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(list, line);
    if (!longer)
        abort();
    return longer;
}

static struct curl_slist *make_headers(const struct attempt *a, bool has_body)
{
    const struct rest_request *q = a->request;
    struct curl_slist *list = add(NULL, "Accept", q->accept ? q->accept : "application/json");
    if (has_body)
        list = add(list, "Content-Type", q->content_type ? q->content_type : "application/json");
    if (a->rest->token) {
        CLEANUP_FREE char *bearer = x_asprintf("Bearer %s", a->rest->token);
        list = add(list, "Authorization", bearer);
    }
    if (a->idempotency_key)
        list = add(list, "Idempotency-Key", a->idempotency_key);
    list = curl_slist_append(list, "Expect:"); /* no 100-continue round trip */
    for (const char *const *h = q->headers; h && *h; h++)
        list = curl_slist_append(list, *h);
    return list;
}

static void set_connection(const struct rest *r)
{
    CURL *curl = r->curl;
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "hone/" HONE_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, r->socket);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, (long)PROBE_AFTER_S);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, (long)PROBE_EVERY_S);
    if (r->proxy || r->direct)
        (void)curl_easy_setopt(curl, CURLOPT_PROXY, r->proxy ? r->proxy : "");
    if (r->connect_list)
        (void)curl_easy_setopt(curl, CURLOPT_CONNECT_TO, r->connect_list);
    if (r->ca_file)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, r->ca_file);
    if (r->cert_file)
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT, r->cert_file);
    if (r->key_file)
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY, r->key_file);
    if (r->insecure) {
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)r);
}

static void set_time(const struct attempt *a)
{
    CURL *curl = a->rest->curl;
    if (a->on_data) {
        double idle = a->request->idle_s;
        (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, idle < 0 ? 0L : 1L);
        (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, idle < 0 ? 0L : idle > 0 ? (long)idle : (long)STREAM_IDLE_S);
        return;
    }
    double seconds = a->request->timeout_s > 0 ? a->request->timeout_s : DEFAULT_TIMEOUT_S;
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(seconds * 1000));
}

static void set_body(CURL *curl, const char *method, const char *data, size_t len)
{
    if (strcmp(method, "HEAD") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (data || strcmp(method, "POST") == 0) { /* a POST without a body still says its length: 0 */
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, data ? data : "");
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(data ? len : 0));
    }
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

struct curl_slist *attempt_prepare(struct attempt *a, const char *data, size_t len)
{
    struct rest *r = a->rest;
    const struct rest_request *q = a->request;
    CLEANUP_FREE char *url = x_asprintf("%s%s", r->url, q->path);
    struct curl_slist *headers = make_headers(a, data != NULL);
    curl_easy_reset(r->curl);
    set_connection(r);
    set_time(a);
    set_body(r->curl, q->method ? q->method : "GET", data, len);
    (void)curl_easy_setopt(r->curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, a);
    (void)curl_easy_setopt(r->curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(r->curl, CURLOPT_HEADERDATA, a);
    a->response->body.limit = q->limit ? q->limit : DEFAULT_LIMIT;
    a->retry_after_ms = -1;
    return headers;
}

static CURLcode perform(struct attempt *a, const char *data, size_t len)
{
    struct curl_slist *headers = attempt_prepare(a, data, len);
    CURLcode rc = curl_easy_perform(a->rest->curl);
    curl_slist_free_all(headers);
    return rc;
}

/* ---- what came of it ---- */

static enum err code_of_status(int status)
{
    static const struct {
        int status;
        enum err code;
    } table[] = {
#define X(code, http, exit_code, title) {http, code},
        ERR_MAP(X)
#undef X
        {502, ERR_UNAVAILABLE},
    };
    for (size_t i = 1; i < ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return table[i].code;
    return status >= 500 ? ERR_INTERNAL : ERR_USAGE;
}

static enum err transport_error(const struct attempt *a, CURLcode rc, struct error *error)
{
    const char *url = a->rest->socket ? a->rest->socket : a->rest->url;
    switch ((int)rc) {
    case CURLE_ABORTED_BY_CALLBACK:
        return err_set(error, ERR_UNAVAILABLE, "CANCELLED", "interrupted");
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(error, ERR_TIMEOUT, NULL, "%s did not answer in time", url);
    case CURLE_WRITE_ERROR:
        return err_set(error, ERR_TOO_LARGE, NULL, "%s: the answer to %s is larger than can be taken", url,
                       a->request->path);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(error, ERR_USAGE, NULL, "\"%s\" is not an http:// or https:// address", a->rest->url);
    default:
        return err_set(error, ERR_UNAVAILABLE, NULL, "%s cannot be reached: %s", url, curl_easy_strerror(rc));
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && text[0] ? text : NULL;
}

static enum err status_error(const struct attempt *a, struct error *error)
{
    const struct rest_response *p = a->response;
    enum err code = code_of_status(p->status);
    const char *detail = text_of(p->json, "detail");
    if (!detail)
        detail = text_of(p->json, "message"); /* Kubernetes and others */
    if (!detail)
        detail = text_of(p->json, "title");
    if (!detail && p->body.len)
        return err_set(error, code, NULL, "%s answered %d: %.200s", a->rest->url, p->status, p->body.data);
    if (!detail)
        detail = err_title(code);
    return err_set(error, code, text_of(p->json, "code"), "%s", detail);
}

enum err attempt_outcome(struct attempt *a, CURLcode rc, struct error *error)
{
    struct rest_response *p = a->response;
    if (rc != CURLE_OK && a->ended)
        return OK;
    if (rc != CURLE_OK)
        return transport_error(a, rc, error);
    p->status = status_of(a->rest);
    if (p->body.len)
        p->json = json_loadb(p->body.data, p->body.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if ((p->status >= 200 && p->status < 300) || p->status == 304)
        return OK;
    return status_error(a, error);
}

/* ---- retries ---- */

static bool may_repeat(const struct attempt *a)
{
    const char *method = a->request->method ? a->request->method : "GET";
    return (strcmp(method, "POST") != 0 && strcmp(method, "PATCH") != 0) || a->idempotency_key;
}

static bool worth_repeating(const struct attempt *a, enum err code, CURLcode rc)
{
    if (a->started || (a->rest->cancelled && a->rest->cancelled()))
        return false;
    if (rc == CURLE_OK)
        return code == ERR_TOO_MANY || code == ERR_UNAVAILABLE || code == ERR_TIMEOUT;
    return rc == CURLE_OPERATION_TIMEDOUT || code == ERR_UNAVAILABLE;
}

/* False: the deadline does not allow the pause, or it was cancelled. */
static bool pause_before(const struct attempt *a, int n, int64_t deadline)
{
    int64_t most = (int64_t)BACKOFF_FIRST_MS << (n < 8 ? n : 8);
    if (most > BACKOFF_MOST_MS)
        most = BACKOFF_MOST_MS;
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) < 0)
        random = (uint32_t)clock_mono_ms(); /* only jitter */
    int64_t ms = most / 2 + (int64_t)(random % (uint32_t)(most / 2 + 1)); /* jitter: callers must not come back in step */
    if (a->retry_after_ms >= 0)
        ms = a->retry_after_ms + ms / 4;
    int64_t end = clock_mono_ms() + ms;
    if (deadline && end > deadline)
        return false;
    while (clock_mono_ms() < end) {
        if (a->rest->cancelled && a->rest->cancelled())
            return false;
        (void)nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
    return true;
}

static enum err run(struct attempt *a, struct error *error)
{
    const struct rest_request *q = a->request;
    if (!a->rest->curl)
        return err_set(error, ERR_UNSUPPORTED, "NO_LIBCURL", "libcurl is not installed, and no service can be called without it; install libcurl3-gnutls or libcurl4");
    CLEANUP_FREE char *text = q->body ? json_dumps(q->body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *data = text ? text : q->data;
    size_t len = text ? strlen(text) : q->data_len;
    char key[ID_TEXT];
    if (a->rest->idempotency_keys && q->method && strcmp(q->method, "POST") == 0) {
        id_new(clock_wall_ms(), key);
        a->idempotency_key = key;
    }
    for (int n = 0;; n++) {
        rest_response_release(a->response);
        CURLcode rc = perform(a, data, len);
        enum err code = attempt_outcome(a, rc, error);
        bool again = q->retry_until_mono_ms ? clock_mono_ms() < q->retry_until_mono_ms : n < a->rest->retries;
        if (!code || !again || !may_repeat(a) || !worth_repeating(a, code, rc) ||
            !pause_before(a, n, q->retry_until_mono_ms))
            return code;
    }
}

enum err rest_call(struct rest *r, const struct rest_request *request, struct rest_response *response,
                   struct error *error)
{
    *response = (struct rest_response){0};
    struct attempt a = {.rest = r, .request = request, .response = response};
    return run(&a, error);
}

enum err rest_stream(struct rest *r, const struct rest_request *request, rest_data_fn *on_data, void *ctx,
                     struct error *error)
{
    struct rest_response response = {0};
    struct attempt a = {.rest = r, .request = request, .response = &response, .on_data = on_data, .ctx = ctx};
    enum err code = run(&a, error);
    rest_response_release(&response);
    return code;
}

/* ---- server-sent events ---- */

struct events {
    rest_event_fn *on_event;
    void *ctx;
    struct buf line, name, id, data;
};

static bool end_event(struct events *e)
{
    bool go_on = true;
    if (e->data.len || e->name.len) {
        const char *name = e->name.data ? e->name.data : "", *id = e->id.data ? e->id.data : "";
        go_on = e->on_event(e->ctx, name, id, e->data.data ? e->data.data : "");
    }
    buf_clear(&e->name);
    buf_clear(&e->data);
    return go_on; /* the id stays: it is the last one seen, by the standard */
}

static void take_line(struct events *e, const char *line)
{
    size_t len = strcspn(line, ":");
    const char *value = line[len] ? line + len + 1 : "";
    value += *value == ' ';
    if (len == 4 && strncmp(line, "data", 4) == 0) {
        buf_addf(&e->data, "%s%s", e->data.len ? "\n" : "", value);
    } else if (len == 5 && strncmp(line, "event", 5) == 0) {
        buf_clear(&e->name);
        buf_adds(&e->name, value);
    } else if (len == 2 && strncmp(line, "id", 2) == 0) {
        buf_clear(&e->id);
        buf_adds(&e->id, value);
    }
}

static bool on_sse(void *ctx, const char *data, size_t len)
{
    struct events *e = ctx;
    buf_add(&e->line, data, len);
    char *newline;
    while (e->line.len && (newline = memchr(e->line.data, '\n', e->line.len))) {
        size_t line_len = (size_t)(newline - e->line.data);
        *newline = '\0';
        if (line_len && newline[-1] == '\r')
            newline[-1] = '\0';
        bool go_on = true;
        if (e->line.data[0])
            take_line(e, e->line.data);
        else
            go_on = end_event(e);
        buf_remove_front(&e->line, line_len + 1);
        if (!go_on)
            return false;
    }
    return !e->line.overflow;
}

enum err rest_events(struct rest *r, const struct rest_request *request, rest_event_fn *on_event, void *ctx,
                     struct error *error)
{
    struct events e = {.on_event = on_event, .ctx = ctx, .line.limit = (size_t)4 << 20};
    struct rest_request q = *request;
    q.accept = "text/event-stream";
    enum err code = rest_stream(r, &q, on_sse, &e, error);
    buf_release(&e.line);
    buf_release(&e.name);
    buf_release(&e.id);
    buf_release(&e.data);
    return code;
}
