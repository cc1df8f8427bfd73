/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katib's files on a cluster: which of them run there, and templates that are kept in ConfigMaps. */
#include "backends/kubernetes.h"

#include "base/mem.h"
#include "model/yaml.h"

#include <string.h>

#define BACKEND "hone/backend"

static json_t *section(json_t *parent, const char *member)
{
    json_t *inner = json_object_get(parent, member);
    if (!inner) {
        (void)json_object_set_new(parent, member, json_object());
        inner = json_object_get(parent, member);
    }
    return json_is_object(inner) ? inner : NULL;
}

/* The text of the template; NULL: told as wrong. */
static json_t *fetch(struct backend_conn *c, const json_t *map, struct problems *problems)
{
    static const char place[] = "/spec/trialTemplate/configMap";
    struct kube *kube;
    struct error error = {0};
    json_t *object = NULL, *template = NULL;
    char *space CLEANUP_FREE = rest_encode(kube_text(map, "configMapNamespace")), *name CLEANUP_FREE = rest_encode(kube_text(map, "configMapName"));
    char *path CLEANUP_FREE = x_asprintf("/api/v1/namespaces/%s/configmaps/%s", space, name);
    const char *key = kube_text(map, "templatePath");
    if (kubernetes_kube(c, &kube, &error) || kube_call(kube, "GET", path, NULL, &object, &error) != KUBE_OK) {
        problems_add(problems, place, "NOT_FOUND", NULL, "cannot be read from the cluster: %.440s", error.detail);
    } else {
        const char *text = json_string_value(json_object_get(json_object_get(object, "data"), key));
        template = text ? yaml_load(text, strlen(text), &error) : NULL;
        if (!text)
            problems_add(problems, place, "NOT_FOUND", NULL, "has no member %.100s", key);
        else if (!json_is_object(template))
            problems_add(problems, place, "SYNTAX", NULL, "holds no object under %.100s: %.300s", key, error.detail);
    }
    json_decref(object);
    if (json_is_object(template))
        return template;
    json_decref(template);
    return NULL;
}

/* What is missing in it the reader of the file tells. */
static void bring_template(struct backend_conn *c, json_t *document, struct problems *problems)
{
    json_t *template = json_object_get(json_object_get(document, "spec"), "trialTemplate"), *map = json_object_get(template, "configMap");
    if (!json_is_object(map) || json_object_get(template, "trialSpec") || !*kube_text(map, "configMapName") || !*kube_text(map, "configMapNamespace") ||
        !*kube_text(map, "templatePath"))
        return;
    json_t *object = fetch(c, map, problems);
    if (!object)
        return;
    (void)json_object_set_new(template, "trialSpec", object);
    (void)json_object_del(template, "configMap");
}

void kubernetes_prepare(struct backend_conn *c, json_t *document, struct problems *problems)
{
    if (!json_object_get(document, "apiVersion")) /* other systems know no clusters */
        return;
    json_t *metadata = section(document, "metadata"), *annotations = metadata ? section(metadata, "annotations") : NULL;
    if (!annotations)
        return;
    if (!json_object_get(annotations, BACKEND) && kube_is_configured(&c->settings))
        (void)json_object_set_new(annotations, BACKEND, json_string("kubernetes"));
    const char *backend = json_string_value(json_object_get(annotations, BACKEND));
    if (backend && !strcmp(backend, "kubernetes"))
        bring_template(c, document, problems);
}
