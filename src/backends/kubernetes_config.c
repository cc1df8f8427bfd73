/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/kubernetes_config.h"

#include "base/base64.h"
#include "base/mem.h"
#include "model/template.h"
#include "model/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define MAX_FILES 32

void kube_access_release(struct kube_access *a)
{
    char *texts[] = {a->server, a->tls_name, a->proxy, a->ca, a->cert, a->key, a->ca_file, a->cert_file, a->key_file, a->token, a->token_file, a->namespace, a->folder};
    if (a->token)
        explicit_bzero(a->token, strlen(a->token));
    if (a->key)
        explicit_bzero(a->key, strlen(a->key));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    json_decref(a->headers);
    json_decref(a->exec);
    *a = (struct kube_access){0};
}

/* ---- a kubeconfig ---- */

struct source {
    const char *path;
    json_t *document;
};

/* A text, or what YAML made of one (a token may look like a number); NULL: missing. Malloced. */
static char *text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value) ? !json_string_length(value) : !json_is_number(value))
        return NULL;
    return template_value(value);
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

/* The `what` of the entry `name` in `list`, and the file it is in. */
static const json_t *find_named(const struct source *sources, size_t n, const char *list, const char *what, const char *name, const char **path)
{
    size_t k;
    json_t *entry;
    for (size_t i = 0; i < n; i++)
        json_array_foreach(json_object_get(sources[i].document, list), k, entry)
        {
            const char *own = string_of(entry, "name");
            if (own && !strcmp(own, name)) {
                *path = sources[i].path;
                return json_object_get(entry, what);
            }
        }
    return NULL;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? x_strndup(path, slash > path ? (size_t)(slash - path) : 1) : x_strdup(".");
}

/* A path, relative to the file that has it. */
static char *path_of(const json_t *object, const char *key, const char *file)
{
    const char *text = string_of(object, key);
    if (!text || *text == '/')
        return text ? x_strdup(text) : NULL;
    char *folder CLEANUP_FREE = folder_of(file);
    return x_asprintf("%s/%s", folder, text);
}

static enum err data_of(const json_t *object, const char *key, const char *file, char **out, struct error *error)
{
    const char *text = string_of(object, key);
    if (!text)
        return OK;
    size_t len;
    char *data = base64_decode(text, &len);
    if (!data || memchr(data, '\0', len)) {
        free(data);
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: %s is not PEM in base64", file, key);
    }
    *out = data;
    return OK;
}

static enum err read_cluster(const json_t *c, const char *file, struct kube_access *a, struct error *error)
{
    const char *server = string_of(c, "server");
    if (!server || (strncmp(server, "https://", 8) != 0 && strncmp(server, "http://", 7) != 0))
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: the cluster's server is no https:// address", file);
    a->server = x_strdup(server);
    a->tls_name = text_of(c, "tls-server-name");
    a->proxy = text_of(c, "proxy-url");
    a->insecure = json_is_true(json_object_get(c, "insecure-skip-tls-verify"));
    a->ca_file = path_of(c, "certificate-authority", file);
    return data_of(c, "certificate-authority-data", file, &a->ca, error);
}

/* Sent as headers, so no line may end in them. */
static enum err add_header(struct kube_access *a, const char *name, const char *value, struct error *error)
{
    if (strpbrk(value, "\r\n"))
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: must be one line", name);
    char *line CLEANUP_FREE = x_asprintf("%s: %s", name, value);
    if (!a->headers)
        a->headers = json_array();
    (void)json_array_append_new(a->headers, json_string(line));
    return OK;
}

static enum err read_impersonation(const json_t *u, struct kube_access *a, struct error *error)
{
    static const char *const names[][2] = {{"as", "Impersonate-User"}, {"as-uid", "Impersonate-Uid"}};
    size_t i;
    json_t *value, *item;
    const char *key;
    enum err err = OK;
    for (i = 0; i < ARRAY_LEN(names) && !err; i++) {
        char *text CLEANUP_FREE = text_of(u, names[i][0]);
        if (text)
            err = add_header(a, names[i][1], text, error);
    }
    json_array_foreach(json_object_get(u, "as-groups"), i, value)
    {
        if (!err && json_is_string(value))
            err = add_header(a, "Impersonate-Group", json_string_value(value), error);
    }
    json_object_foreach(json_object_get(u, "as-user-extra"), key, value)
    {
        char *name CLEANUP_FREE = x_asprintf("Impersonate-Extra-%s", key);
        bool plain = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._%/") == strlen(key);
        json_array_foreach(value, i, item)
        {
            if (!err && plain && json_is_string(item))
                err = add_header(a, name, json_string_value(item), error);
        }
    }
    return err;
}

static enum err read_user(const json_t *u, const char *file, struct kube_access *a, struct error *error)
{
    if (json_object_get(u, "auth-provider"))
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: the user has an auth-provider, which Kubernetes' own clients have dropped; use exec, a token or a client certificate", file);
    if (json_object_get(u, "username"))
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: the user has a username and password, which Kubernetes no longer takes; use exec, a token or a client certificate", file);
    a->token = text_of(u, "token");
    a->token_file = path_of(u, "tokenFile", file);
    a->cert_file = path_of(u, "client-certificate", file);
    a->key_file = path_of(u, "client-key", file);
    const json_t *exec = json_object_get(u, "exec");
    if (json_is_object(exec)) {
        a->exec = json_incref((json_t *)(uintptr_t)exec);
        a->folder = folder_of(file);
    }
    enum err err = data_of(u, "client-certificate-data", file, &a->cert, error);
    if (!err)
        err = data_of(u, "client-key-data", file, &a->key, error);
    return err ? err : read_impersonation(u, a, error);
}

static const char *current_context(const struct source *sources, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (string_of(sources[i].document, "current-context"))
            return string_of(sources[i].document, "current-context");
    return NULL;
}

static enum err read_context(const struct source *sources, size_t n, const char *wanted, struct kube_access *a, struct error *error)
{
    const char *name = wanted && *wanted ? wanted : current_context(sources, n), *file = sources[0].path;
    if (!name)
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: has no current-context; name one with the setting kube_context", file);
    const json_t *context = find_named(sources, n, "contexts", "context", name, &file);
    const char *cluster_name = string_of(context, "cluster"), *user_name = string_of(context, "user"), *space = string_of(context, "namespace");
    if (!context)
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: there is no context \"%.100s\"", file, name);
    const json_t *cluster = cluster_name ? find_named(sources, n, "clusters", "cluster", cluster_name, &file) : NULL;
    if (!cluster)
        return err_set(error, ERR_USAGE, "KUBECONFIG", "%s: the context %.100s has no cluster that is there", file, name);
    enum err err = read_cluster(cluster, file, a, error);
    const json_t *user = user_name ? find_named(sources, n, "users", "user", user_name, &file) : NULL;
    if (!err && user_name && !user)
        err = err_set(error, ERR_USAGE, "KUBECONFIG", "%s: there is no user \"%.100s\"", file, user_name);
    if (!err && user)
        err = read_user(user, file, a, error);
    a->namespace = x_strdup(space ? space : "default");
    return err;
}

enum err kube_config_read(const struct kube_file *files, size_t n, const char *context, struct kube_access *out, struct error *error)
{
    struct source sources[MAX_FILES] = {0};
    enum err err = n ? OK : err_set(error, ERR_USAGE, "KUBECONFIG", "there is no kubeconfig");
    struct error why = {0};
    size_t read = 0;
    for (; read < n && read < MAX_FILES && !err; read++) {
        sources[read].path = files[read].path;
        sources[read].document = yaml_load(files[read].text, files[read].len, &why);
        if (!json_is_object(sources[read].document))
            err = err_set(error, ERR_USAGE, "KUBECONFIG", "%s: is no kubeconfig%s%.300s", files[read].path, *why.detail ? ": " : "", why.detail);
    }
    *out = (struct kube_access){0};
    if (!err)
        err = read_context(sources, read, context, out, error);
    for (size_t i = 0; i < read; i++)
        json_decref(sources[i].document);
    if (err)
        kube_access_release(out);
    return err;
}

/* ---- where it is ---- */

/* The whole file; NULL: errno. */
static char *slurp(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    char *text = x_malloc(YAML_MAX_BYTES + 1);
    *len = fread(text, 1, YAML_MAX_BYTES, f);
    (void)fclose(f);
    text[*len] = '\0';
    return text;
}

static enum err read_paths(const char *paths, const char *context, struct kube_access *out, struct error *error)
{
    struct kube_file files[MAX_FILES];
    size_t n = 0;
    int why = ENOENT;
    for (const char *at = paths; *at && n < MAX_FILES; at += strcspn(at, ":"), at += *at == ':') {
        char *path = x_strndup(at, strcspn(at, ":"));
        char *text = *path ? slurp(path, &files[n].len) : NULL;
        if (text) {
            files[n].path = path;
            files[n++].text = text;
        } else {
            why = *path ? errno : why;
            free(path);
        }
    }
    enum err err = n ? kube_config_read(files, n, context, out, error) : err_set(error, ERR_USAGE, "KUBECONFIG", "%s: %s", paths, strerror(why));
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)files[i].path);
        free((char *)(uintptr_t)files[i].text);
    }
    return err;
}

static const char *in_pod(void)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    return host && *host && !access(ACCOUNT "/token", R_OK) ? host : NULL;
}

static enum err read_account(const char *host, struct kube_access *out)
{
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    bool six = strchr(host, ':') != NULL;
    size_t len;
    char *space CLEANUP_FREE = slurp(ACCOUNT "/namespace", &len);
    *out = (struct kube_access){.server = x_asprintf("https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port && *port ? port : "443"),
                                .ca_file = x_strdup(ACCOUNT "/ca.crt"),
                                .token_file = x_strdup(ACCOUNT "/token")};
    if (space)
        space[strcspn(space, " \r\n")] = '\0';
    out->namespace = x_strdup(space && *space ? space : "default");
    return OK;
}

bool kube_is_configured(const struct kube_settings *s)
{
    return *s->kubeconfig || in_pod();
}

enum err kube_access_find(const struct kube_settings *s, struct kube_access *out, struct error *error)
{
    const char *host = in_pod(), *variable = getenv("KUBECONFIG"), *home = getenv("HOME");
    char *usual CLEANUP_FREE = x_asprintf("%s/.kube/config", home ? home : "");
    enum err err;
    if (*s->kubeconfig)
        err = read_paths(s->kubeconfig, s->context, out, error);
    else if (host)
        err = read_account(host, out);
    else if (variable && *variable)
        err = read_paths(variable, s->context, out, error);
    else if (!access(usual, F_OK))
        err = read_paths(usual, s->context, out, error);
    else
        err = err_set(error, ERR_USAGE, "KUBECONFIG", "no cluster is known: this is no pod, and neither the setting kubeconfig nor $KUBECONFIG names a file, nor is there %s", usual);
    if (!err && *s->namespace) {
        free(out->namespace);
        out->namespace = x_strdup(s->namespace);
    }
    return err;
}
