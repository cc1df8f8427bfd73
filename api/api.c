/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening, running and stopping the service. */
#include "base/clock.h"
#include "inside.h"
#include "listen.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 3000     /* how long answers may take to leave */
#define FILES_ASIDE 256  /* for the store, logs, pipes of trials */

static char *copy(const char *s)
{
    return s ? x_strdup(s) : NULL;
}

static void copy_config(struct api *a, const struct api_config *c)
{
    a->config = *c;
    a->config.socket_path = c->socket_path && *c->socket_path ? x_strdup(c->socket_path) : NULL;
    a->config.tls_cert = copy(c->tls_cert);
    a->config.tls_key = copy(c->tls_key);
    a->config.assets_dir = c->assets_dir && *c->assets_dir ? x_strdup(c->assets_dir) : NULL;
    char *base = x_strdup(c->base_path ? c->base_path : "");
    for (size_t n = strlen(base); n && base[n - 1] == '/'; n--)
        base[n - 1] = '\0';
    a->config.base_path = base;
    a->config.threads = c->threads > 0 ? c->threads : 2;
    a->auth = (struct auth){.on = c->auth,
                            .token_hash = x_strdup(c->token_hash ? c->token_hash : ""),
                            .secret = x_strdup(c->secret ? c->secret : "")};
    (void)pthread_mutex_init(&a->auth.link_mutex, NULL);
    (void)snprintf(a->auth.link_token, sizeof a->auth.link_token, "%s", c->link_token ? c->link_token : "");
}

/* Names a client may have asked for: all that mean this machine, and those of the settings. */
static void copy_hosts(struct api *a, const char *const *more, const struct listen_address *address)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    size_t n = 0;
    while (more && more[n])
        n++;
    a->hosts = x_calloc(ARRAY_LEN(local) + n + 2, sizeof *a->hosts);
    size_t k = 0;
    for (size_t i = 0; i < ARRAY_LEN(local); i++)
        a->hosts[k++] = x_strdup(local[i]);
    for (size_t i = 0; i < n; i++)
        a->hosts[k++] = x_strdup(more[i]);
    if (*address->host)
        a->hosts[k] = strchr(address->host, ':') ? x_asprintf("[%s]", address->host) : x_strdup(address->host);
}

static char *make_url(const struct api *a, const struct listen_address *address, int port)
{
    bool any = !*address->host || !strcmp(address->host, "0.0.0.0") || !strcmp(address->host, "::");
    bool v6 = strchr(address->host, ':') && !any;
    return x_asprintf("%s://%s%s%s:%d%s", a->config.tls_cert ? "https" : "http", v6 ? "[" : "", any ? "127.0.0.1" : address->host,
                      v6 ? "]" : "", port, a->config.base_path);
}

/* A connection is a file: take what the system allows, and promise no more. */
static void fit_connections(struct api *a)
{
    struct rlimit files;
    int most = a->config.max_connections > 0 ? a->config.max_connections : 1024;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        rlim_t want = (rlim_t)most + FILES_ASIDE;
        if (files.rlim_cur < want) {
            files.rlim_cur = files.rlim_max < want ? files.rlim_max : want;
            (void)setrlimit(RLIMIT_NOFILE, &files);
            (void)getrlimit(RLIMIT_NOFILE, &files);
        }
        if (files.rlim_cur < want)
            most = files.rlim_cur > 2 * FILES_ASIDE ? (int)(files.rlim_cur - FILES_ASIDE) : FILES_ASIDE;
    }
    a->config.max_connections = most;
}

static void release(struct api *a)
{
    watch_free(a->watch);
    if (a->listen_fd >= 0)
        (void)close(a->listen_fd);
    if (a->socket_fd >= 0)
        (void)close(a->socket_fd);
    if (a->config.socket_path)
        (void)unlink(a->config.socket_path);
    x_free(a->config.socket_path);
    x_free(a->config.tls_cert);
    x_free(a->config.tls_key);
    x_free(a->config.assets_dir);
    x_free(a->config.base_path);
    free(a->auth.token_hash);
    explicit_bzero(a->auth.secret, strlen(a->auth.secret));
    free(a->auth.secret);
    (void)pthread_mutex_destroy(&a->auth.link_mutex);
    for (char **h = a->hosts; h && *h; h++)
        free(*h);
    free(a->hosts);
    free(a->page_policy);
    free(a->url);
    free(a->openapi);
    pthread_mutex_destroy(&a->openapi_mutex);
    free(a);
}

void api_unref(struct api *a)
{
    if (atomic_fetch_sub(&a->refs, 1) == 1)
        release(a);
}

enum err api_check_listen(const struct api_config *config, bool insecure, struct error *error)
{
    struct listen_address address;
    enum err err = listen_parse(config->listen, &address, error);
    if (err || insecure || listen_is_loopback(&address))
        return err;
    if (!config->auth)
        return err_set(error, ERR_USAGE, "LISTEN_WITHOUT_AUTH", "without tokens (--no-auth) the service only listens on loopback, not on %.100s", config->listen);
    if (!config->tls_cert)
        return err_set(error, ERR_USAGE, "LISTEN_WITHOUT_TLS", "%.100s is not loopback: set tls_cert and tls_key, or say --insecure-listen if a proxy or a private network protects it", config->listen);
    return OK;
}

enum err api_open(const struct api_config *config, struct api **out, struct error *error)
{
    struct listen_address address;
    enum err err = listen_parse(config->listen, &address, error);
    if (err)
        return err;
    struct api *a = X_NEW(struct api);
    a->refs = 1;
    a->listen_fd = a->socket_fd = -1;
    (void)pthread_mutex_init(&a->openapi_mutex, NULL);
    a->watch = watch_new(http_wake);
    copy_config(a, config);
    copy_hosts(a, config->hosts, &address);
    a->page_policy = page_policy(config->frames);
    int port = 0;
    if (!a->watch)
        err = err_set(error, ERR_UNAVAILABLE, NULL, "cannot start the timer thread");
    if (!err)
        err = listen_tcp(&address, &a->listen_fd, &port, error);
    if (!err && a->config.socket_path) {
        err = listen_unix(a->config.socket_path, &a->socket_fd, error);
        if (err) { /* it is another's: leave it */
            x_free(a->config.socket_path);
            a->config.socket_path = NULL;
        }
    }
    if (err) {
        release(a);
        return err;
    }
    (void)snprintf(a->auth.cookie, sizeof a->auth.cookie, "hone_session_%d", port);
    a->url = make_url(a, &address, port);
    a->start_wall_ms = clock_wall_ms();
    if (getrandom(&a->id_base, sizeof a->id_base, 0) != (ssize_t)sizeof a->id_base)
        abort();
    fit_connections(a);
    router_setup();
    *out = a;
    return OK;
}

const char *api_url(const struct api *a)
{
    return a->url;
}

enum err api_run(struct api *a, struct core *core, struct store *store, struct error *error)
{
    a->core = core;
    a->store = store;
    return http_open(a, error);
}

void api_on_change(struct api *a, const struct core_change *change)
{
    watch_change(a->watch, change);
}

void api_stop(struct api *a)
{
    if (!a)
        return;
    watch_stop(a->watch); /* from here on nobody waits, and new requests get 503 */
    http_refuse_new(a);
    /* What the core has is answered by it, however long a commit takes; beyond that slow readers get no more than STOP_MS. */
    int64_t end = clock_mono_ms() + STOP_MS;
    while (a->http && atomic_load(&a->n_inside) > 0 && (clock_mono_ms() < end || atomic_load(&a->n_in_core) > 0))
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    http_close(a);
    api_unref(a);
}
