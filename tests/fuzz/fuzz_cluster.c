/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What comes from a cluster or leads to it: a kubeconfig, the answer of a program for credentials, an object with the condition on its first line. */
#include "fuzz.h"

#include "backends/kubernetes_client.h"
#include "backends/kubernetes_exec.h"
#include "backends/kubernetes_object.h"
#include "model/gjson.h"

static void read_config(const char *text, size_t len)
{
    const struct kube_file files[] = {{"/etc/kube/config", text, len}, {"second", text, len}};
    struct kube_access access;
    struct error error = {0};
    enum err err = kube_config_read(files, 2, "", &access, &error);
    must(err ? *error.detail != '\0' : access.server && access.namespace);
    if (!err)
        kube_access_release(&access);
}

static void read_credential(const char *text, size_t len)
{
    struct kube_credential c;
    struct error error = {0};
    enum err err = kube_exec_read(text, len, "client.authentication.k8s.io/v1", &c, &error);
    must(err || c.token || (c.cert && c.key));
    free(c.token);
    free(c.cert);
    free(c.key);
}

static void read_object(const char *condition, const char *text)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL), *labels = json_pack("{s:s}", "role", "master");
    const char *why = NULL;
    size_t column = 0;
    struct gjson *g = gjson_new(condition, &why, &column);
    must(g || (why && column && column <= strlen(condition) + 1));
    struct kube_pod pod;
    struct kube_verdict verdict = {0};
    struct backend_status status = {0};
    kube_pod_read(object, "main", labels, &pod);
    if (g && object)
        (void)kube_met(&g, 1, object, &verdict);
    kube_failure(&verdict, &pod, 1, 3, &status);
    must(status.phase == PHASE_FAILED && *status.reason && *status.message);
    (void)kube_meaning(ERR_INTERNAL, 500, object);
    gjson_free(g);
    json_decref(object);
    json_decref(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    size_t first = strcspn(text, "\n");
    char *condition CLEANUP_FREE = x_strndup(text, first);
    const char *rest;
    int64_t ns;
    read_config(text, strlen(text));
    read_credential(text, strlen(text));
    read_object(condition, text[first] ? text + first + 1 : "");
    if (kube_time(text, &ns, &rest))
        must(rest > text && rest <= text + strlen(text));
    return 0;
}
