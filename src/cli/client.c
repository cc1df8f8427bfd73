/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the service is, and the calls to it. */
#include "cli/client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/context.h"
#include "cli/files.h"
#include "cli/process.h"

#include <stdio.h>
#include <string.h>

#define SMALL_FILE ((size_t)16 << 10)

enum { PAGE_SIZE = 500, LOOK_MS = 3000 };

/* What is known of the service while looking for it; all malloced. */
struct target {
    char *url, *token, *token_file, *socket, *project;
};

static void target_release(struct target *t)
{
    free(t->url);
    if (t->token)
        explicit_bzero(t->token, strlen(t->token));
    free(t->token);
    free(t->token_file);
    free(t->socket);
    free(t->project);
}

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static void set(char **slot, const char *value)
{
    if (*slot || !value || !value[0])
        return;
    *slot = x_strdup(value);
}

static const char *flag(const struct cli *cli, const char *name)
{
    return cli->verb->uses & USES_SERVER ? args_text(&cli->args, name) : NULL;
}

static enum err from_context(const struct cli *cli, struct target *t, bool only_named, struct error *error)
{
    const char *name = flag(cli, "context");
    if (only_named && !name)
        return OK;
    json_t *file = contexts_load(error);
    if (!file)
        return ERR_USAGE;
    json_t *context;
    enum err rc = context_find(file, name, &context, error);
    if (!rc && context) {
        const char *url = json_string_value(json_object_get(context, "url"));
        if (!t->url || (url && strcmp(t->url, url) == 0)) { /* what it says is of its own service, not of the one named elsewhere */
            set(&t->token_file, json_string_value(json_object_get(context, "token_file")));
            set(&t->project, json_string_value(json_object_get(context, "project")));
        }
        set(&t->url, url);
    }
    json_decref(file);
    return rc;
}

static char *data_dir(const struct cli *cli)
{
    const char *flags[CONFIG_COUNT] = {NULL};
    for (size_t i = 0; i < cli->args.n_rows; i++)
        if (strcmp(cli->args.rows[i].name, "data") == 0)
            flags[CONFIG_data] = args_text(&cli->args, "data");
    struct config config;
    if (config_load(&config, NULL, flags, NULL))
        return config_data_dir(); /* a broken settings file is `hone serve`'s business */
    char *dir = x_strdup(config.data);
    config_release(&config);
    return dir;
}

/* DATA/server.json of a service that is alive. */
static json_t *running(const char *dir)
{
    CLEANUP_FREE char *path = x_asprintf("%s/server.json", dir);
    size_t len;
    CLEANUP_FREE char *text = file_read(path, SMALL_FILE, &len, NULL);
    json_t *info = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t started = json_integer_value(json_object_get(info, "started"));
    if (started && process_started(json_integer_value(json_object_get(info, "pid"))) == started)
        return info;
    json_decref(info);
    return NULL;
}

static void from_data(struct cli *cli, struct target *t)
{
    CLEANUP_FREE char *dir = data_dir(cli);
    json_t *info = running(dir);
    const char *url = json_string_value(json_object_get(info, "url"));
    if (url && (!t->url || strcmp(t->url, url) == 0)) {
        cli->local = true;
        set(&t->url, url);
        set(&t->socket, json_string_value(json_object_get(info, "socket")));
        if (!t->token_file && !t->token)
            t->token_file = x_asprintf("%s/token", dir);
    }
    json_decref(info);
}

static enum err read_token(struct target *t, bool must, struct error *error)
{
    if (t->token || !t->token_file)
        return OK;
    size_t len;
    CLEANUP_FREE char *text = file_read(t->token_file, SMALL_FILE, &len, must ? error : NULL);
    if (!text)
        return must ? ERR_USAGE : OK;
    text[strcspn(text, " \t\r\n")] = '\0';
    set(&t->token, text);
    explicit_bzero(text, len);
    return OK;
}

static enum err find_target(struct cli *cli, struct target *t, struct error *error)
{
    set(&t->url, flag(cli, "server"));
    set(&t->project, flag(cli, "project"));
    set(&t->token_file, flag(cli, "token-file"));
    enum err rc = from_context(cli, t, true, error);
    if (rc)
        return rc;
    set(&t->url, env("HONE_URL"));
    set(&t->project, env("HONE_PROJECT"));
    if (!t->token_file)
        set(&t->token, env("HONE_TOKEN"));
    rc = from_context(cli, t, false, error);
    if (rc)
        return rc;
    bool token_named = t->token_file != NULL;
    cli->may_move = !flag(cli, "server") && !flag(cli, "context") && (!t->url || env("HONE_TRIAL"));
    from_data(cli, t);
    set(&t->project, "default");
    return read_token(t, token_named, error);
}

static bool loopback(const char *url)
{
    return strstr(url, "://127.") || strstr(url, "://localhost") || strstr(url, "://[::1]");
}

static void connect_to(struct cli *cli, const struct target *t)
{
    cli->url = x_strdup(t->url);
    cli->local |= loopback(t->url);
    cli->rest = rest_new(&(struct rest_config){
        .url = t->url,
        .token = t->token,
        .socket = t->socket,
        .idempotency_keys = true,
        .retries = 3,
        .cancelled = interrupted,
    });
}

static enum err start(struct cli *cli, struct target *t, struct error *error)
{
    const char *flags[CONFIG_COUNT] = {NULL};
    flags[CONFIG_data] = args_text(&cli->args, "data");
    flags[CONFIG_kubeconfig] = args_text(&cli->args, "kubeconfig");
    struct config config;
    enum err rc = config_load(&config, NULL, flags, error);
    if (rc)
        return rc;
    if (config.source[CONFIG_log_level] == CONFIG_FROM_DEFAULT)
        config.log_level = 2; /* warning: the terminal is for the progress line */
    struct error why = {0};
    rc = cli->embed->start(&config, &cli->service, &why);
    /* The usual port first: trials that outlive this process find `hone serve` there. But nobody asked for it. */
    if (rc && strcmp(why.name, "PORT_IN_USE") == 0 && config.source[CONFIG_listen] == CONFIG_FROM_DEFAULT) {
        free(config.listen);
        config.listen = x_strdup("127.0.0.1:0");
        rc = cli->embed->start(&config, &cli->service, &why);
    }
    if (rc && error)
        *error = why;
    config_release(&config);
    if (rc)
        return rc;
    cli->local = true;
    set(&t->url, cli->embed->url(cli->service));
    free(t->token);
    t->token = NULL;
    set(&t->token, cli->embed->token(cli->service));
    return OK;
}

static enum err open_client(struct cli *cli, bool may_start, struct error *error)
{
    struct target t = {0};
    enum err rc = find_target(cli, &t, error);
    if (!rc && !t.url && may_start)
        rc = start(cli, &t, error);
    else if (!rc && !t.url)
        rc = err_set(error, ERR_UNAVAILABLE, "NO_SERVER",
                     "no service is running here; start one with `hone serve`, or name one with --server URL or HONE_URL");
    if (!rc) {
        free(cli->project);
        cli->project = x_strdup(t.project);
        connect_to(cli, &t);
    }
    target_release(&t);
    return rc;
}

enum err client_open(struct cli *cli, struct error *error)
{
    return open_client(cli, false, error);
}

enum err client_open_or_start(struct cli *cli, struct error *error)
{
    return open_client(cli, true, error);
}

void client_find_again(struct cli *cli)
{
    if (cli->service || !cli->may_move)
        return;
    struct target t = {0};
    set(&t.token, env("HONE_TRIAL") ? env("HONE_TOKEN") : NULL);
    from_data(cli, &t);
    if (t.url && strcmp(t.url, cli->url) != 0 && !read_token(&t, true, NULL)) {
        rest_free(cli->rest);
        free(cli->url);
        connect_to(cli, &t);
    }
    target_release(&t);
}

void client_close(struct cli *cli)
{
    rest_free(cli->rest);
    cli->rest = NULL;
    if (cli->service)
        cli->embed->stop(cli->service);
    cli->service = NULL;
    free(cli->url);
    free(cli->project);
    json_decref(cli->problem);
    cli->url = cli->project = NULL;
    cli->problem = NULL;
}

/* ---- calls ---- */

static enum err call_once(struct cli *cli, const char *method, const char *path, json_t *body, json_t **reply,
                          struct error *error)
{
    struct rest_response response;
    const struct rest_request request = {.method = method, .path = path, .body = body, .timeout_s = 90,
                                         .retry_until_mono_ms = cli->patience_ms ? clock_mono_ms() + LOOK_MS : 0};
    enum err rc = rest_call(cli->rest, &request, &response, error);
    if (rc) {
        json_decref(cli->problem);
        cli->problem = json_incref(response.json);
        (void)snprintf(cli->request_id, sizeof cli->request_id, "%s", response.request_id);
    } else if (reply) {
        *reply = json_incref(response.json);
    }
    rest_response_release(&response);
    return rc;
}

/* A patient call looks every few seconds whether the service is elsewhere now. */
enum err client_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **reply,
                     struct error *error)
{
    struct error why = {0};
    int64_t end = clock_mono_ms() + cli->patience_ms;
    enum err rc;
    while ((rc = call_once(cli, method, path, body, reply, &why)) == ERR_UNAVAILABLE && clock_mono_ms() < end && !interrupted())
        client_find_again(cli);
    if (rc && error)
        *error = why;
    return rc;
}

enum err client_get(struct cli *cli, const char *path, json_t **reply, struct error *error)
{
    *reply = NULL;
    enum err rc = client_call(cli, "GET", path, NULL, reply, error);
    if (!rc && !*reply)
        rc = err_set(error, ERR_INTERNAL, "NOT_JSON", "%s did not answer with JSON; is it a Hone service?", cli->url);
    return rc;
}

enum err client_each(struct cli *cli, const char *path, const char *key, int64_t limit, item_fn *each, void *arg,
                     struct error *error)
{
    CLEANUP_FREE char *token = NULL;
    int64_t n = 0;
    char size[24];
    (void)snprintf(size, sizeof size, "%d", limit > 0 && limit < PAGE_SIZE ? (int)limit : PAGE_SIZE);
    do {
        CLEANUP_FREE char *page_path = x_strdup(path);
        url_query(&page_path, "page_size", size);
        url_query(&page_path, "page_token", token);
        json_t *page, *item;
        enum err rc = client_get(cli, page_path, &page, error);
        if (rc)
            return rc;
        size_t i;
        json_array_foreach(json_object_get(page, key), i, item)
            if (!limit || n++ < limit)
                each(arg, item);
        free(token);
        const char *next = json_string_value(json_object_get(page, "next_page_token"));
        token = next && next[0] ? x_strdup(next) : NULL;
        json_decref(page);
    } while (token && (!limit || n < limit));
    return OK;
}

static void append(void *all, json_t *item)
{
    (void)json_array_append(all, item);
}

enum err client_list(struct cli *cli, const char *path, const char *key, int64_t limit, json_t **out,
                     struct error *error)
{
    json_t *all = json_array();
    enum err rc = client_each(cli, path, key, limit, append, all, error);
    if (rc)
        json_decref(all);
    else
        *out = all;
    return rc;
}

/* ---- paths and names ---- */

char *url_path(const char *fmt, const char *const *args)
{
    struct buf b = BUF_INIT;
    for (const char *p = fmt; *p; p++) {
        if (p[0] != '{' || p[1] != '}' || !*args) {
            buf_add(&b, p, 1);
            continue;
        }
        CLEANUP_FREE char *text = rest_encode(*args++);
        buf_adds(&b, text);
        p++;
    }
    return buf_take(&b);
}

void url_query(char **path, const char *key, const char *value)
{
    if (!value)
        return;
    CLEANUP_FREE char *text = rest_encode(value);
    char *longer = x_asprintf("%s%c%s=%s", *path, strchr(*path, '?') ? '&' : '?', key, text);
    free(*path);
    *path = longer;
}

static char *latest(struct cli *cli, struct error *error)
{
    CLEANUP_FREE char *path = URL("/projects/{}/experiments?order_by=-create_time&page_size=1", cli->project);
    json_t *page;
    if (client_get(cli, path, &page, error))
        return NULL;
    json_t *first = json_array_get(json_object_get(page, "experiments"), 0);
    const char *name = json_string_value(json_object_get(first, "name"));
    char *out = name ? x_strdup(name) : NULL;
    if (!out)
        (void)err_set(error, ERR_NOT_FOUND, "EXPERIMENT_NOT_FOUND", "project %s has no experiments", cli->project);
    json_decref(page);
    return out;
}

char *experiment_name(struct cli *cli, const char *word, struct error *error)
{
    if (strcmp(word, "@latest") == 0)
        return latest(cli, error);
    if (word[0] && !strchr(word, '/'))
        return x_strdup(word);
    (void)err_set(error, ERR_USAGE, NULL, "\"%s\" is not the name of an experiment", word);
    return NULL;
}

enum err trial_name(struct cli *cli, const char *word, char **experiment, char trial[24], struct error *error)
{
    const char *slash = strrchr(word, '/');
    size_t digits = slash ? strspn(slash + 1, "0123456789") : 0;
    if (!slash || slash == word || digits == 0 || digits > 18 || slash[1 + digits] || slash[1] == '0')
        return err_set(error, ERR_USAGE, NULL, "\"%s\" is not a trial; write EXPERIMENT/NUMBER, such as digits/12",
                       word);
    (void)snprintf(trial, 24, "%s", slash + 1);
    CLEANUP_FREE char *name = x_strndup(word, (size_t)(slash - word));
    *experiment = experiment_name(cli, name, error);
    return *experiment ? OK : error ? error->code : ERR_NOT_FOUND;
}

char *object_path(struct cli *cli, const char *word, unsigned may, const char *suffix, struct error *error)
{
    CLEANUP_FREE char *experiment = NULL;
    CLEANUP_FREE char *path = NULL;
    char trial[24];
    if (!(may & MAY_EXPERIMENT) || (may & MAY_TRIAL && strchr(word, '/'))) {
        if (trial_name(cli, word, &experiment, trial, error))
            return NULL;
        path = URL("/projects/{}/experiments/{}/trials/{}", cli->project, experiment, trial);
    } else {
        experiment = experiment_name(cli, word, error);
        if (!experiment)
            return NULL;
        path = URL("/projects/{}/experiments/{}", cli->project, experiment);
    }
    return x_asprintf("%s%s", path, suffix);
}
