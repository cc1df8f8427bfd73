/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Puts the service together and takes it apart. */
#include "service.h"

#include "api.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/token.h"
#include "cli/files.h"
#include "cli/process.h"
#include "core/core.h"
#include "grpc/suggestion.h"
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MAX_BYTES = 512, SECRET_MIN_LENGTH = 16, PEM_MAX_BYTES = 1 << 20 };

struct service {
    struct store *store;
    struct core *core;
    struct api *api;
    struct grpc_server *grpc; /* NULL = none */
    pthread_mutex_t watchers; /* guards `tell`: the core goes on a little longer than the API */
    bool tell;
    char *data, *url, *link, *server_file;
    const struct config *config; /* while it starts */
    char *token, *secret;
};

/* ---- the data directory ---- */

static enum err make_directory(const char *dir, struct error *error)
{
    CLEANUP_FREE char *p = x_strdup(dir);
    for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(p, 0777);
        *slash = '/';
    }
    if (mkdir(p, 0700) == 0 || errno == EEXIST)
        return OK;
    return err_set(error, ERR_STORAGE, "DATA_DIR_READ_ONLY", "the data directory %s cannot be made: %s; choose another with --data", dir,
                   strerror(errno));
}

/* A secret that others may have read is one no longer, but changing it behind the owner's back would cut off who has it. */
static void close_to_others(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !(st.st_mode & 077))
        return;
    log_event(LOG_WARN, "secret.readable", "{s:s, s:s}", "file", path, "hint", "others could read it; it is closed to them now, remove it to get a new one");
    (void)chmod(path, 0600);
}

/* Reads DATA/name, or makes it. The lock on the directory is held, so nobody else makes it. */
static enum err load_secret(const char *dir, const char *name, char **out, struct error *error)
{
    CLEANUP_FREE char *path = x_asprintf("%s/%s", dir, name);
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        char fresh[TOKEN_TEXT];
        token_new(fresh);
        CLEANUP_FREE char *line = x_asprintf("%s\n", fresh);
        enum err rc = file_write(path, line, 0600, error);
        *out = rc ? NULL : x_strdup(fresh);
        explicit_bzero(line, strlen(line));
        explicit_bzero(fresh, sizeof fresh);
        return rc;
    }
    close_to_others(path);
    size_t len;
    char *text = file_read(path, SECRET_MAX_BYTES, &len, error);
    if (!text)
        return ERR_USAGE;
    text[strcspn(text, " \t\r\n")] = '\0';
    if (strlen(text) < SECRET_MIN_LENGTH) {
        free(text);
        return err_set(error, ERR_USAGE, "SECRET_INVALID", "%s must hold at least %d characters; remove it and start again to get a new one", path,
                       SECRET_MIN_LENGTH);
    }
    *out = text;
    return OK;
}

static enum err write_server_file(const struct service *s, const struct config *c, struct error *error)
{
    json_t *info = json_pack("{s:I, s:I, s:s, s:s?}", "pid", (json_int_t)getpid(), "started", (json_int_t)process_started(getpid()), "url", s->url, "socket", c->socket[0] ? c->socket : NULL);
    CLEANUP_FREE char *text = json_dumps(info, JSON_COMPACT);
    CLEANUP_FREE char *line = x_asprintf("%s\n", text ? text : "{}");
    json_decref(info);
    return file_write(s->server_file, line, 0600, error);
}

/* ---- what the core asks ---- */

static char *trial_token(void *arg, const char *experiment_uid, int64_t trial, int64_t attempt)
{
    const struct service *s = arg;
    return trial_token_new(s->secret, experiment_uid, trial, attempt);
}

static void on_change(void *arg, const struct core_change *change)
{
    struct service *s = arg;
    (void)pthread_mutex_lock(&s->watchers);
    if (s->tell)
        api_on_change(s->api, change);
    (void)pthread_mutex_unlock(&s->watchers);
}

/* A setting as it was written; what a backend asks while the core starts. */
static const char *setting(void *arg, const char *name)
{
    const struct service *s = arg;
    for (size_t i = 0; i < CONFIG_COUNT; i++)
        if (!strcmp(config_rows[i].name, name))
            return s->config->text[i];
    return "";
}

/* ---- starting ---- */

static enum err read_pem(const char *path, char **out, struct error *error)
{
    size_t len;
    *out = path[0] ? file_read(path, PEM_MAX_BYTES, &len, error) : NULL;
    return path[0] && !*out ? ERR_USAGE : OK;
}

static struct api_config api_config_of(const struct config *c)
{
    return (struct api_config){
        .listen = c->listen,
        .socket_path = c->socket[0] ? c->socket : NULL,
        .auth = c->auth,
        .hosts = (const char *const *)c->hosts,
        .frames = (const char *const *)c->frames,
        .assets_dir = c->assets[0] ? c->assets : NULL,
        .base_path = c->base_path,
        .threads = c->http_threads,
        .max_connections = c->max_connections,
    };
}

/* They become part of a header. */
static enum err check_frames(char *const *frames, struct error *error)
{
    for (; *frames; frames++)
        if (!strstr(*frames, "://") || strpbrk(*frames, " \t;,'\"\r\n"))
            return err_set(error, ERR_USAGE, "SETTING_INVALID", "frames: \"%s\" must be an origin, such as http://localhost:8888", *frames);
    return OK;
}

static enum err check_base_path(const char *path, struct error *error)
{
    if (!path[0] || (path[0] == '/' && !strpbrk(path, "?#% ")))
        return OK;
    return err_set(error, ERR_USAGE, "SETTING_INVALID", "base_path: \"%s\" must be a plain path that begins with /, such as /hone", path);
}

static enum err read_tls(const struct config *c, char **cert, char **key, struct error *error)
{
    if (!c->tls_cert[0] != !c->tls_key[0])
        return err_set(error, ERR_USAGE, "SETTING_INVALID", "tls_cert and tls_key belong together; %s is missing", c->tls_cert[0] ? "tls_key" : "tls_cert");
    enum err rc = read_pem(c->tls_cert, cert, error);
    return rc ? rc : read_pem(c->tls_key, key, error);
}

static enum err open_api(struct service *s, struct api_config config, struct error *error)
{
    char hash[HASH_TEXT], link_token[TOKEN_TEXT] = "";
    token_hash(s->token, strlen(s->token), hash);
    if (config.auth)
        token_new(link_token);
    config.token_hash = hash;
    config.secret = s->secret;
    config.link_token = link_token;
    enum err rc = api_open(&config, &s->api, error);
    if (rc)
        return rc;
    s->url = x_strdup(api_url(s->api));
    s->link = config.auth ? x_asprintf("%s/link/%s", s->url, link_token) : x_asprintf("%s/", s->url);
    explicit_bzero(link_token, sizeof link_token);
    return OK;
}

static enum err start_core(struct service *s, const struct config *c, struct error *error)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const struct core_config config = {
        .store = s->store,
        .data_dir = s->data,
        .url = c->trial_url[0] ? c->trial_url : s->url,
        .workers = c->workers ? c->workers : processors > 0 ? (int)processors : 1,
        .trial_token = trial_token,
        .on_change = on_change,
        .setting = setting,
        .arg = s,
    };
    s->config = c;
    enum err rc = core_start(&config, &s->core, error);
    s->config = NULL;
    return rc;
}

static enum err open_data(struct service *s, struct error *error)
{
    enum err rc = make_directory(s->data, error);
    if (!rc)
        rc = store_open(s->data, &s->store, error);
    if (!rc)
        rc = load_secret(s->data, "token", &s->token, error);
    if (!rc)
        rc = load_secret(s->data, "secret", &s->secret, error);
    return rc;
}

/* What is wrong with the settings is told before anything is made. */
static enum err start_all(struct service *s, const struct config *c, struct error *error)
{
    CLEANUP_FREE char *cert = NULL;
    CLEANUP_FREE char *key = NULL;
    struct api_config config = api_config_of(c);
    enum err rc = check_base_path(c->base_path, error);
    if (!rc)
        rc = check_frames(c->frames, error);
    if (!rc)
        rc = read_tls(c, &cert, &key, error);
    config.tls_cert = cert;
    config.tls_key = key;
    if (!rc) /* without tokens anybody could run programs here, whatever else is said */
        rc = api_check_listen(&config, c->insecure_listen && c->auth, error);
    if (!rc)
        rc = open_data(s, error);
    if (!rc)
        rc = open_api(s, config, error);
    if (rc)
        return rc;
    s->tell = true;
    rc = start_core(s, c, error);
    if (!rc)
        rc = api_run(s->api, s->core, s->store, error);
    if (!rc && c->grpc_listen[0])
        rc = grpc_open(c->grpc_listen, katib_methods, &s->grpc, error);
    return rc ? rc : write_server_file(s, c, error);
}

enum err service_start(const struct config *config, struct service **out, struct error *error)
{
    log_set_level((enum log_level)config->log_level);
    struct service *s = X_NEW(struct service);
    (void)pthread_mutex_init(&s->watchers, NULL);
    s->data = x_strdup(config->data);
    s->server_file = x_asprintf("%s/server.json", s->data);
    enum err rc = start_all(s, config, error);
    if (rc) {
        service_stop(s);
        return rc;
    }
    log_event(LOG_INFO, "service.started", "{s:s, s:s, s:s}", "version", HONE_VERSION, "url", s->url, "data", s->data);
    if (s->grpc)
        log_event(LOG_INFO, "grpc.started", "{s:i}", "port", grpc_port(s->grpc));
    *out = s;
    return OK;
}

/* ---- stopping ---- */

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void service_stop(struct service *s)
{
    if (!s)
        return;
    if (s->core)
        (void)unlink(s->server_file); /* only a service that had the directory may */
    (void)pthread_mutex_lock(&s->watchers);
    s->tell = false;
    (void)pthread_mutex_unlock(&s->watchers);
    grpc_close(s->grpc);
    if (s->api)
        api_stop(s->api);
    if (s->core)
        core_stop(s->core);
    if (s->store)
        store_close(s->store);
    if (s->core)
        log_event(LOG_INFO, "service.stopped", "{s:s}", "url", s->url);
    (void)pthread_mutex_destroy(&s->watchers);
    free(s->data);
    free(s->url);
    free(s->server_file);
    free_secret(s->link);
    free_secret(s->token);
    free_secret(s->secret);
    free(s);
}

/* ---- for the command line ---- */

const char *service_url(struct service *s)
{
    return s->url;
}

const char *service_token(struct service *s)
{
    return s->token;
}

const char *service_link(struct service *s)
{
    return s->link;
}

enum err service_check(const struct config *config, struct error *error)
{
    struct store *store;
    enum err rc = store_open(config->data, &store, error);
    if (rc)
        return rc;
    struct db *db = store_reader(store);
    rc = db ? db_prepare_all(db, error) : err_set(error, ERR_STORAGE, NULL, "the database of %s cannot be read", config->data);
    if (!rc)
        rc = store_check(db, error);
    if (db)
        store_reader_done(store, db);
    store_close(store);
    return rc;
}

struct cli_embed service_embed(void)
{
    return (struct cli_embed){
        .catalog = core_catalog(),
        .start = service_start,
        .url = service_url,
        .token = service_token,
        .link = service_link,
        .stop = service_stop,
        .check = service_check,
    };
}
