/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the cluster says of an experiment before there is one: a dry run of its first object, and the rights that its trials need. */
#include "backends/kubernetes.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* spec.template.spec.containers[0].image -> /run/manifest/spec/template/... */
static char *pointer_of(const char *field, const char *prefix)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/", prefix);
    for (const char *at = field; *at; at++)
        if (*at == '.' || *at == '[')
            buf_adds(&b, "/");
        else if (*at != ']')
            buf_add(&b, at, 1);
    return buf_take(&b);
}

static void add_causes(const json_t *answer, bool manifest, const struct error *error, struct problems *problems)
{
    const json_t *causes = kube_at(answer, "details/causes"), *cause;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)causes, i, cause)
    {
        const char *field = kube_text(cause, "field");
        char *pointer CLEANUP_FREE = manifest && *field ? pointer_of(field, "/run/manifest") : x_strdup(manifest ? "/run/manifest" : "/run");
        problems_add(problems, pointer, "REFUSED", NULL, "%s%sis refused by the cluster: %.400s", manifest ? "" : field, manifest || !*field ? "" : " ", kube_text(cause, "message"));
    }
    if (!json_array_size(causes))
        problems_add(problems, manifest ? "/run/manifest" : "/run", "REFUSED", NULL, "is refused by the cluster: %.440s", error->detail);
}

/* True: the cluster would take it. */
static bool dry_run(struct backend_conn *c, struct kube *kube, const struct backend_job *sample, const char *path, const char *namespace, struct problems *problems)
{
    struct error error = {0};
    bool manifest = json_object_get(sample->run, "manifest") != NULL;
    json_t *object = kube_object(sample, c->service, namespace), *answer = NULL;
    char *url CLEANUP_FREE = x_asprintf("%s?fieldManager=hone&dryRun=All&fieldValidation=Strict", path);
    enum kube_answer meaning = kube_call(kube, "POST", url, object, &answer, &error);
    const char *place = json_object_get(sample->run, "namespace") ? "/run/namespace" : "/run/backend";
    switch (meaning) {
    case KUBE_OK:
    case KUBE_EXISTS:
        break;
    case KUBE_QUOTA:
        problems_warn(problems, "/run", "QUOTA", NULL, "trials will wait: %.400s", error.detail);
        break;
    case KUBE_AGAIN:
    case KUBE_CONFLICT:
        problems_add(problems, "/run/backend", "UNAVAILABLE", NULL, "is kubernetes, and the cluster does not answer now: %.400s", error.detail);
        break;
    case KUBE_FORBIDDEN:
        problems_add(problems, "/run/backend", "FORBIDDEN", NULL, "is kubernetes, and the cluster does not let this service make it: %.400s", error.detail);
        break;
    case KUBE_MISSING:
    case KUBE_ENDING:
        problems_add(problems, place, "NOT_FOUND", NULL, "cannot be used: %.400s", error.detail);
        break;
    case KUBE_INVALID:
        add_causes(answer, manifest, &error, problems);
        break;
    }
    json_decref(answer);
    json_decref(object);
    return meaning == KUBE_OK || meaning == KUBE_EXISTS;
}

static bool allowed(struct kube *kube, const char *namespace, const char *group, const char *resource, const char *verb)
{
    const char *slash = strchr(resource, '/');
    json_t *attributes = json_pack("{s:s, s:s, s:s, s:s%, s:s}", "namespace", namespace, "verb", verb, "group", group, "resource", resource,
                                   slash ? (size_t)(slash - resource) : strlen(resource), "subresource", slash ? slash + 1 : "");
    json_t *review = json_pack("{s:s, s:s, s:{s:o}}", "apiVersion", "authorization.k8s.io/v1", "kind", "SelfSubjectAccessReview", "spec", "resourceAttributes", attributes);
    json_t *answer = NULL;
    struct error error;
    enum kube_answer meaning = kube_call(kube, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, &answer, &error);
    bool yes = meaning != KUBE_OK || json_is_true(kube_at(answer, "status/allowed")); /* who cannot be asked is not accused */
    json_decref(review);
    json_decref(answer);
    return yes;
}

/* What would else be found out when trials run. */
static void check_rights(struct kube *kube, const char *namespace, const char *version, const char *path, bool token, struct problems *problems)
{
    const char *plural = strrchr(path, '/') + 1, *slash = strchr(version, '/');
    char *group CLEANUP_FREE = slash ? x_strndup(version, (size_t)(slash - version)) : x_strdup("");
    const struct {
        const char *group, *resource, *verb;
    } needed[] = {{group, plural, "list"}, {group, plural, "watch"}, {group, plural, "delete"}, {"", "pods", "list"},
                  {"", "pods", "watch"},   {"", "pods/log", "get"},  {"", "events", "list"}, {"", "secrets", "create"}};
    struct buf missing = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(needed) - !token; i++)
        if (!allowed(kube, namespace, needed[i].group, needed[i].resource, needed[i].verb))
            buf_addf(&missing, "%s%s %s", missing.len ? ", " : "", needed[i].verb, needed[i].resource);
    if (missing.len)
        problems_add(problems, "/run/backend", "FORBIDDEN", NULL, "is kubernetes, and in namespace %s this service has no right to %s (see examples/kubernetes/role.yaml)", namespace,
                     missing.data);
    buf_release(&missing);
}

/* With the setting, who may use a project may use its namespace, and no other. */
static bool own_namespace(const struct backend_conn *c, const struct backend_job *sample, struct problems *problems)
{
    const char *own = kube_text(sample->run, "namespace");
    if (!c->settings.project_namespaces || !*own || !strcmp(own, sample->project))
        return true;
    problems_add(problems, "/run/namespace", "FORBIDDEN", NULL, "is %s, must be left out: trials of project %s run in the namespace of its name (kube_project_namespaces)", own, sample->project);
    return false;
}

void kubernetes_validate(struct backend_conn *c, const struct backend_job *sample, struct problems *problems)
{
    struct kube *kube;
    struct error error = {0};
    const char *version, *kind;
    enum kube_answer answer;
    if (kubernetes_kube(c, &kube, &error)) {
        problems_add(problems, "/run/backend", "UNAVAILABLE", NULL, "is kubernetes, and %.440s", error.detail);
        return;
    }
    if (!own_namespace(c, sample, problems))
        return;
    kubernetes_kind(sample->run, &version, &kind);
    char *namespace CLEANUP_FREE = kubernetes_namespace(c, kube, sample);
    char *path CLEANUP_FREE = kube_collection(kube, version, kind, namespace, &answer, &error);
    if (!path && answer == KUBE_MISSING)
        problems_add(problems, "/run/manifest/kind", "NOT_FOUND", NULL, "%.440s", error.detail);
    else if (!path)
        problems_add(problems, "/run/backend", "UNAVAILABLE", NULL, "is kubernetes, and the cluster cannot be asked: %.400s", error.detail);
    else if (sample->params && dry_run(c, kube, sample, path, namespace, problems))
        check_rights(kube, namespace, version, path, json_is_true(json_object_get(sample->run, "token")), problems);
}
