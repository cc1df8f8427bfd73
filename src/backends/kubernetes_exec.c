/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/kubernetes_exec.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 30000, MOST_OUTPUT = 1 << 20, MAX_WORDS = 256, EARLY_MS = 60000 };
#define KIND "ExecCredential"

extern char **environ;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

static char *copy_of(const json_t *object, const char *key)
{
    const char *text = text_of(object, key);
    return text ? x_strdup(text) : NULL;
}

enum err kube_exec_read(const char *text, size_t len, const char *version, struct kube_credential *out, struct error *error)
{
    json_t *answer = json_loadb(text, len, 0, NULL);
    const json_t *status = json_object_get(answer, "status");
    const char *kind = text_of(answer, "kind"), *own = text_of(answer, "apiVersion"), *end = text_of(status, "expirationTimestamp");
    enum err err = OK;
    int64_t wall;
    *out = (struct kube_credential){.until_mono = INT64_MAX};
    if (!kind || strcmp(kind, KIND) != 0 || !own || strcmp(own, version) != 0) {
        err = err_set(error, ERR_USAGE, "KUBE_EXEC", "the program for credentials gave no " KIND " of %.100s", version);
    } else if (!text_of(status, "token") && !(text_of(status, "clientCertificateData") && text_of(status, "clientKeyData"))) {
        err = err_set(error, ERR_USAGE, "KUBE_EXEC", "the program for credentials gave neither a token nor a certificate with its key");
    } else {
        out->token = copy_of(status, "token");
        out->cert = copy_of(status, "clientCertificateData");
        out->key = out->cert ? copy_of(status, "clientKeyData") : NULL;
        if (end && clock_parse(end, &wall))
            out->until_mono = clock_mono_ms() + (wall - clock_wall_ms()) - EARLY_MS;
    }
    json_decref(answer);
    return err;
}

/* ---- running it ---- */

struct words {
    char *list[MAX_WORDS + 1];
    size_t n;
};

static void add(struct words *w, char *word)
{
    if (w->n < MAX_WORDS)
        w->list[w->n++] = word;
    else
        free(word);
}

static void release(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->list[i]);
}

static char *exec_info(const struct kube_access *a, const char *version)
{
    json_t *info = json_pack("{s:s, s:s, s:{s:b}}", "apiVersion", version, "kind", KIND, "spec", "interactive", 0);
    if (json_is_true(json_object_get(a->exec, "provideClusterInfo"))) {
        json_t *cluster = json_pack("{s:s}", "server", a->server);
        if (a->tls_name)
            (void)json_object_set_new(cluster, "tls-server-name", json_string(a->tls_name));
        if (a->insecure)
            (void)json_object_set_new(cluster, "insecure-skip-tls-verify", json_true());
        (void)json_object_set_new(json_object_get(info, "spec"), "cluster", cluster);
    }
    char *text = json_dumps(info, JSON_COMPACT);
    json_decref(info);
    return text;
}

static void build(const struct kube_access *a, const char *version, struct words *argv, struct words *env)
{
    size_t i;
    json_t *item;
    char *info CLEANUP_FREE = exec_info(a, version);
    const char *command = text_of(a->exec, "command");
    bool relative = strchr(command, '/') && *command != '/';
    add(argv, relative ? x_asprintf("%s/%s", a->folder, command) : x_strdup(command));
    json_array_foreach(json_object_get(a->exec, "args"), i, item)
    {
        add(argv, x_strdup(json_string_value(item) ? json_string_value(item) : ""));
    }
    json_array_foreach(json_object_get(a->exec, "env"), i, item)
    {
        const char *name = text_of(item, "name"), *value = json_string_value(json_object_get(item, "value"));
        if (name && !strchr(name, '='))
            add(env, x_asprintf("%s=%s", name, value ? value : ""));
    }
    add(env, x_asprintf("KUBERNETES_EXEC_INFO=%s", info));
    for (char **e = environ; e && *e; e++) /* what was set above stands first, and wins */
        if (strncmp(*e, "HONE_", 5) != 0)
            add(env, x_strdup(*e));
}

/* Reads to the end, at most for so long. False: too long, or too much. */
static bool drain(int fd, struct buf *out)
{
    int64_t end = clock_mono_ms() + WAIT_MS;
    char data[4096];
    for (;;) {
        int64_t left = end - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return false;
        ssize_t n = read(fd, data, sizeof data);
        if (n <= 0)
            return n == 0;
        buf_add(out, data, (size_t)n);
        if (out->overflow)
            return false;
    }
}

static enum err spawn(struct words *argv, struct words *env, struct buf *out, struct error *error)
{
    int pipes[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(pipes, O_CLOEXEC))
        return err_set(error, ERR_UNAVAILABLE, "KUBE_EXEC", "cannot run %.200s: %s", argv->list[0], strerror(errno));
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    int why = posix_spawnp(&pid, argv->list[0], &actions, NULL, argv->list, env->list);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(pipes[1]);
    int status = 0;
    bool whole = !why && drain(pipes[0], out);
    (void)close(pipes[0]);
    if (why)
        return err_set(error, ERR_USAGE, "KUBE_EXEC", "cannot run %.200s, which gives the credentials: %s", argv->list[0], strerror(why));
    if (!whole)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (whole && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OK;
    if (!whole)
        return err_set(error, ERR_UNAVAILABLE, "KUBE_EXEC", "%.200s did not give its credentials in half a minute", argv->list[0]);
    return err_set(error, ERR_UNAVAILABLE, "KUBE_EXEC", "%.200s, which gives the credentials, ended with status %d", argv->list[0],
                   WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static bool listed(const char *list, const char *word)
{
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t len = strcspn(at, ",");
        if (len == strlen(word) && !strncmp(at, word, len))
            return true;
    }
    return false;
}

enum err kube_exec(const struct kube_access *a, const char *allowed, struct kube_credential *out, struct error *error)
{
    const char *command = text_of(a->exec, "command"), *version = text_of(a->exec, "apiVersion"), *mode = text_of(a->exec, "interactiveMode");
    if (!command || !version || strncmp(version, "client.authentication.k8s.io/v1", 31) != 0)
        return err_set(error, ERR_USAGE, "KUBE_EXEC", "the kubeconfig's exec must have a command and an apiVersion client.authentication.k8s.io/v1 or v1beta1");
    if (mode && !strcmp(mode, "Always"))
        return err_set(error, ERR_USAGE, "KUBE_EXEC", "%.200s asks a person for the credentials, and there is none here; use a service account's token", command);
    if (!listed(allowed, command))
        return err_set(error, ERR_USAGE, "KUBE_EXEC",
                       "the kubeconfig has the credentials made by %.200s, which is not allowed here: set kube_exec to it (HONE_KUBE_EXEC=%.200s), or use a service account's token",
                       command, command);
    struct words argv = {0}, env = {0};
    struct buf text = {.limit = MOST_OUTPUT};
    build(a, version, &argv, &env);
    enum err err = spawn(&argv, &env, &text, error);
    if (!err)
        err = kube_exec_read(text.data ? text.data : "", text.len, version, out, error);
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_release(&text);
    release(&argv);
    release(&env);
    return err;
}
