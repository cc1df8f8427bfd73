/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/kubernetes_client.h"

#include "backends/kubernetes_exec.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CALL_SECONDS = 20,
    TOKEN_FILE_MS = 60000, /* service account tokens change about every hour */
    KINDS_MS = 600000,
    MAX_IDLE = 16,
    MAX_TOKEN = 65536,
};

struct kube {
    struct kube_access access;
    char *exec_allowed;
    char *connect_to, *url;
    const char **headers;
    int fds[3]; /* of PEM text in memory: no key touches the disk */

    pthread_mutex_t mutex; /* of what follows */
    bool fresh;            /* the credentials may be used */
    int64_t until;         /* mono: then they are made anew */
    char *token;
    unsigned generation;   /* of certificates and token */
    struct rest *idle[MAX_IDLE];
    unsigned idle_generation[MAX_IDLE];
    size_t n_idle;
    json_t *kinds; /* "batch/v1" -> {"at": mono, "Job": "jobs", ...} */

    struct rest *transfer_target;
};

/* ---- credentials ---- */

/* A file of the text that is only in memory; the path is good as long as the descriptor. */
static void keep_in_memory(int *fd, char **path, const char *text)
{
    if (!text)
        return;
    if (*fd >= 0)
        (void)close(*fd);
    *fd = memfd_create("hone-pem", MFD_CLOEXEC);
    size_t len = strlen(text);
    if (*fd < 0 || write(*fd, text, len) != (ssize_t)len)
        abort(); /* out of memory, as in base/mem.c */
    free(*path);
    *path = x_asprintf("/proc/self/fd/%d", *fd);
}

static void keep_pem(struct kube *k)
{
    keep_in_memory(&k->fds[0], &k->access.ca_file, k->access.ca);
    keep_in_memory(&k->fds[1], &k->access.cert_file, k->access.cert);
    keep_in_memory(&k->fds[2], &k->access.key_file, k->access.key);
}

static void set_token(struct kube *k, char *token)
{
    if (k->token)
        explicit_bzero(k->token, strlen(k->token));
    free(k->token);
    k->token = token;
    k->generation++;
}

static enum err read_token_file(struct kube *k, struct error *error)
{
    FILE *f = fopen(k->access.token_file, "re");
    if (!f)
        return err_set(error, ERR_UNAVAILABLE, "KUBE_TOKEN", "%s: %s", k->access.token_file, strerror(errno));
    char *text = x_malloc(MAX_TOKEN + 1);
    text[fread(text, 1, MAX_TOKEN, f)] = '\0';
    (void)fclose(f);
    text[strcspn(text, " \r\n")] = '\0';
    k->until = clock_mono_ms() + TOKEN_FILE_MS;
    if (k->token && !strcmp(k->token, text))
        free(text);
    else
        set_token(k, text);
    return OK;
}

static enum err run_program(struct kube *k, struct error *error)
{
    struct kube_credential c = {0};
    enum err err = kube_exec(&k->access, k->exec_allowed, &c, error);
    if (err)
        return err;
    k->until = c.until_mono;
    set_token(k, c.token);
    if (c.cert) {
        free(k->access.cert);
        free(k->access.key);
        k->access.cert = c.cert;
        k->access.key = c.key;
        keep_pem(k);
    }
    return OK;
}

/* With the mutex. */
static enum err refresh(struct kube *k, struct error *error)
{
    enum err err = OK;
    if (k->fresh && clock_mono_ms() < k->until)
        return OK;
    k->until = INT64_MAX;
    if (k->access.token_file)
        err = read_token_file(k, error);
    else if (k->access.exec)
        err = run_program(k, error);
    else if (k->access.token && !k->token)
        set_token(k, x_strdup(k->access.token));
    k->fresh = err == OK;
    return err;
}

void kube_refused(struct kube *k)
{
    (void)pthread_mutex_lock(&k->mutex);
    k->fresh = false;
    (void)pthread_mutex_unlock(&k->mutex);
}

/* ---- connections ---- */

static struct rest *new_rest(const struct kube *k)
{
    return rest_new(&(struct rest_config){.url = k->url,
                                          .token = k->token,
                                          .ca_file = k->access.ca_file,
                                          .cert_file = k->access.cert_file,
                                          .key_file = k->access.key_file,
                                          .proxy = k->access.proxy,
                                          .connect_to = k->connect_to,
                                          .insecure = k->access.insecure});
}

static struct rest *borrow(struct kube *k, unsigned *generation, struct error *error)
{
    struct rest *r = NULL;
    (void)pthread_mutex_lock(&k->mutex);
    if (!refresh(k, error)) {
        while (k->n_idle && !r) {
            k->n_idle--;
            if (k->idle_generation[k->n_idle] == k->generation)
                r = k->idle[k->n_idle];
            else
                rest_free(k->idle[k->n_idle]);
        }
        *generation = k->generation;
        if (!r)
            r = new_rest(k);
    }
    (void)pthread_mutex_unlock(&k->mutex);
    return r;
}

static void give_back(struct kube *k, struct rest *r, unsigned generation)
{
    (void)pthread_mutex_lock(&k->mutex);
    bool keep = generation == k->generation && k->n_idle < MAX_IDLE;
    if (keep) {
        k->idle_generation[k->n_idle] = generation;
        k->idle[k->n_idle++] = r;
    }
    (void)pthread_mutex_unlock(&k->mutex);
    if (!keep)
        rest_free(r);
}

struct rest *kube_transfer_target(struct kube *k, struct error *error)
{
    (void)pthread_mutex_lock(&k->mutex);
    enum err err = refresh(k, error);
    if (!err) {
        rest_free(k->transfer_target);
        k->transfer_target = new_rest(k);
    }
    (void)pthread_mutex_unlock(&k->mutex);
    return err ? NULL : k->transfer_target;
}

const char *const *kube_headers(const struct kube *k)
{
    return k->headers;
}

const char *kube_namespace(const struct kube *k)
{
    return k->access.namespace;
}

const char *kube_server(const struct kube *k)
{
    return k->access.server;
}

/* curl takes the name for TLS from the URL, so with tls-server-name the URL has that name and the connection goes elsewhere. */
static void set_address(struct kube *k)
{
    const char *server = k->access.server, *name = k->access.tls_name, *host = strstr(server, "://") + 3;
    if (!name || strncmp(server, "https", 5) != 0) {
        k->url = x_strdup(server);
        return;
    }
    size_t authority = strcspn(host, "/"), len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    const char *path = host + authority;
    char *port CLEANUP_FREE = len < authority && host[len] == ':' ? x_strndup(host + len + 1, authority - len - 1) : x_strdup("443");
    k->url = x_asprintf("https://%s:%s%s", name, port, path);
    k->connect_to = x_asprintf("%s:%s:%.*s:%s", name, port, (int)len, host, port);
}

static void set_headers(struct kube *k)
{
    size_t n = json_array_size(k->access.headers);
    if (!n)
        return;
    k->headers = x_calloc(n + 1, sizeof *k->headers);
    for (size_t i = 0; i < n; i++)
        k->headers[i] = json_string_value(json_array_get(k->access.headers, i));
}

enum err kube_open(const struct kube_settings *settings, struct kube **out, struct error *error)
{
    struct kube_access access;
    enum err err = kube_access_find(settings, &access, error);
    if (err)
        return err;
    struct kube *k = X_NEW(struct kube);
    k->access = access;
    k->exec_allowed = x_strdup(settings->exec);
    k->fds[0] = k->fds[1] = k->fds[2] = -1;
    k->kinds = json_object();
    (void)pthread_mutex_init(&k->mutex, NULL);
    keep_pem(k);
    set_address(k);
    set_headers(k);
    *out = k;
    return OK;
}

void kube_close(struct kube *k)
{
    if (!k)
        return;
    while (k->n_idle)
        rest_free(k->idle[--k->n_idle]);
    rest_free(k->transfer_target);
    for (size_t i = 0; i < ARRAY_LEN(k->fds); i++)
        if (k->fds[i] >= 0)
            (void)close(k->fds[i]);
    set_token(k, NULL);
    json_decref(k->kinds);
    kube_access_release(&k->access);
    free(k->headers);
    free(k->connect_to);
    free(k->url);
    free(k->exec_allowed);
    (void)pthread_mutex_destroy(&k->mutex);
    free(k);
}

/* ---- calls ---- */

static bool has_cause(const json_t *body, const char *reason)
{
    size_t i;
    json_t *cause;
    json_array_foreach(json_object_get(json_object_get(body, "details"), "causes"), i, cause)
    {
        const char *own = json_string_value(json_object_get(cause, "reason"));
        if (own && !strcmp(own, reason))
            return true;
    }
    return false;
}

enum kube_answer kube_meaning(enum err code, int http_status, const json_t *body)
{
    static const struct {
        const char *reason;
        enum kube_answer answer;
    } reasons[] = {{"AlreadyExists", KUBE_EXISTS},  {"Conflict", KUBE_CONFLICT},        {"NotFound", KUBE_MISSING},        {"Invalid", KUBE_INVALID},
                   {"BadRequest", KUBE_INVALID},    {"MethodNotAllowed", KUBE_INVALID}, {"TooManyRequests", KUBE_AGAIN},   {"ServerTimeout", KUBE_AGAIN},
                   {"Timeout", KUBE_AGAIN},         {"InternalError", KUBE_AGAIN},      {"ServiceUnavailable", KUBE_AGAIN}, {"Forbidden", KUBE_FORBIDDEN},
                   {"Unauthorized", KUBE_FORBIDDEN}, {"Expired", KUBE_MISSING},          {"Gone", KUBE_MISSING},            {"RequestEntityTooLarge", KUBE_INVALID}};
    static const struct {
        int status;
        enum kube_answer answer;
    } statuses[] = {{401, KUBE_FORBIDDEN}, {403, KUBE_FORBIDDEN}, {404, KUBE_MISSING}, {409, KUBE_CONFLICT}, {410, KUBE_MISSING}, {408, KUBE_AGAIN}, {429, KUBE_AGAIN}};
    const char *reason = json_string_value(json_object_get(body, "reason")), *message = json_string_value(json_object_get(body, "message"));
    if (!code)
        return KUBE_OK;
    if (reason && !strcmp(reason, "Forbidden") && message && strstr(message, "exceeded quota")) /* the one thing that only the text says */
        return KUBE_QUOTA;
    if (has_cause(body, "NamespaceTerminating"))
        return KUBE_ENDING;
    for (size_t i = 0; reason && i < ARRAY_LEN(reasons); i++)
        if (!strcmp(reasons[i].reason, reason))
            return reasons[i].answer;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (statuses[i].status == http_status)
            return statuses[i].answer;
    return http_status >= 400 && http_status < 500 ? KUBE_INVALID : KUBE_AGAIN;
}

enum kube_answer kube_call(struct kube *k, const char *method, const char *path, const json_t *body, json_t **answer, struct error *error)
{
    enum kube_answer meaning = KUBE_AGAIN;
    for (int try = 0; try < 2; try++) { /* twice: a token may have run out */
        unsigned generation;
        struct rest *r = borrow(k, &generation, error);
        if (!r)
            return KUBE_FORBIDDEN;
        struct rest_response response;
        enum err err = rest_call(r, &(struct rest_request){.method = method, .path = path, .body = body, .headers = k->headers, .timeout_s = CALL_SECONDS}, &response, error);
        int status = response.status;
        meaning = kube_meaning(err, status, response.json);
        if (answer)
            *answer = json_incref(response.json);
        rest_response_release(&response);
        give_back(k, r, generation);
        if (status != 401)
            break;
        kube_refused(k);
        if (answer && !try)
            json_decref(*answer);
    }
    return meaning;
}

/* ---- kinds ---- */

/* Malloced; NULL: it is not known, or known for too long. Nothing of `kinds` is given out: JSON is not shared between threads. */
static char *known_plural(struct kube *k, const char *version, const char *kind)
{
    (void)pthread_mutex_lock(&k->mutex);
    const json_t *known = json_object_get(k->kinds, version);
    bool good = known && clock_mono_ms() - json_integer_value(json_object_get(known, " at")) < KINDS_MS;
    const char *plural = good ? json_string_value(json_object_get(known, kind)) : NULL;
    char *copy = plural ? x_strdup(plural) : NULL;
    (void)pthread_mutex_unlock(&k->mutex);
    return copy;
}

static enum kube_answer ask_kinds(struct kube *k, const char *version, struct error *error)
{
    char *path CLEANUP_FREE = x_asprintf("%s/%s", strchr(version, '/') ? "/apis" : "/api", version);
    json_t *answer = NULL, *item;
    size_t i;
    enum kube_answer meaning = kube_call(k, "GET", path, NULL, &answer, error);
    if (meaning == KUBE_OK) {
        json_t *kinds = json_pack("{s:I}", " at", (json_int_t)clock_mono_ms());
        json_array_foreach(json_object_get(answer, "resources"), i, item)
        {
            const char *plural = json_string_value(json_object_get(item, "name")), *kind = json_string_value(json_object_get(item, "kind"));
            if (plural && kind && !strchr(plural, '/') && json_is_true(json_object_get(item, "namespaced")))
                (void)json_object_set_new(kinds, kind, json_string(plural));
        }
        (void)pthread_mutex_lock(&k->mutex);
        (void)json_object_set_new(k->kinds, version, kinds);
        (void)pthread_mutex_unlock(&k->mutex);
    }
    json_decref(answer);
    return meaning;
}

char *kube_collection(struct kube *k, const char *version, const char *kind, const char *namespace, enum kube_answer *meaning, struct error *error)
{
    char *encoded CLEANUP_FREE = rest_encode(namespace), *plural = known_plural(k, version, kind);
    *meaning = KUBE_OK;
    if (!plural) { /* it may have come since */
        *meaning = ask_kinds(k, version, error);
        plural = known_plural(k, version, kind);
    }
    char *path = plural ? x_asprintf("%s/%s/namespaces/%s/%s", strchr(version, '/') ? "/apis" : "/api", version, encoded, plural) : NULL;
    free(plural);
    if (!path && (*meaning == KUBE_OK || *meaning == KUBE_MISSING)) {
        *meaning = KUBE_MISSING;
        (void)err_set(error, ERR_INVALID, "KIND_UNKNOWN", "the cluster knows no kind %.100s of %.100s that lives in a namespace; is its operator installed?", kind, version);
    }
    return path;
}
