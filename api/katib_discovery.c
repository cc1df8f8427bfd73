/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client of Kubernetes asks before anything else: which groups, versions and resources there are. */
#include "katib.h"

#include "handlers.h"
#include "model/katib.h"

static enum err say(struct request *r, json_t *json)
{
    answer_json(r, 200, json);
    return OK;
}

enum err handle_katib_versions(struct request *r, struct error *error)
{
    (void)error;
    return say(r, json_pack("{s:s, s:[s]}", "kind", "APIVersions", "versions", "v1"));
}

static json_t *group(void)
{
    return json_pack("{s:s, s:[{s:s, s:s}], s:{s:s, s:s}}", "name", "kubeflow.org", "versions", "groupVersion", KATIB_API_VERSION, "version", "v1beta1", "preferredVersion",
                     "groupVersion", KATIB_API_VERSION, "version", "v1beta1");
}

enum err handle_katib_groups(struct request *r, struct error *error)
{
    (void)error;
    return say(r, json_pack("{s:s, s:s, s:[o]}", "kind", "APIGroupList", "apiVersion", "v1", "groups", group()));
}

enum err handle_katib_group(struct request *r, struct error *error)
{
    (void)error;
    json_t *out = group();
    (void)json_object_set_new(out, "kind", json_string("APIGroup"));
    (void)json_object_set_new(out, "apiVersion", json_string("v1"));
    return say(r, out);
}

enum err handle_katib_core_resources(struct request *r, struct error *error)
{
    (void)error;
    return say(r, json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:b, s:s, s:[s]}, {s:s, s:s, s:b, s:s, s:[s, s]}, {s:s, s:s, s:b, s:s, s:[s]}]}", "kind", "APIResourceList", "apiVersion", "v1",
                            "groupVersion", "v1", "resources", "name", "namespaces", "singularName", "namespace", "namespaced", 0, "kind", "Namespace", "verbs", "list", "name",
                            "pods", "singularName", "pod", "namespaced", 1, "kind", "Pod", "verbs", "get", "list", "name", "pods/log", "singularName", "", "namespaced", 1, "kind", "Pod",
                            "verbs", "get"));
}

enum err handle_katib_resources(struct request *r, struct error *error)
{
    static const struct {
        const char *plural, *singular, *verbs[8];
    } known[] = {
        [KATIB_EXPERIMENT] = {"experiments", "experiment", {"create", "delete", "get", "list", "patch", "update", "watch"}},
        [KATIB_TRIAL] = {"trials", "trial", {"delete", "get", "list", "watch"}},
        [KATIB_SUGGESTION] = {"suggestions", "suggestion", {"get", "list", "watch"}},
    };
    (void)error;
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        json_t *verbs = json_array();
        for (size_t v = 0; known[i].verbs[v]; v++)
            (void)json_array_append_new(verbs, json_string(known[i].verbs[v]));
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", known[i].plural, "singularName", known[i].singular, "namespaced", 1, "kind",
                                                    katib_kinds[i], "verbs", verbs));
    }
    return say(r, json_pack("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1", "groupVersion", KATIB_API_VERSION, "resources", list));
}

static bool add_namespace(void *arg, const char *name, int64_t create_ms)
{
    json_t *list = arg;
    (void)json_array_append_new(list, json_pack("{s:{s:s, s:o}, s:{s:s}}", "metadata", "name", name, "creationTimestamp", time_json(create_ms), "status", "phase", "Active"));
    return true;
}

enum err handle_katib_namespaces(struct request *r, struct error *error)
{
    struct db *db;
    json_t *list = json_array();
    enum err err = request_db(r, &db, error);
    if (!err)
        err = project_list(db, add_namespace, list, error);
    if (!err)
        answer_json(r, 200, json_pack("{s:s, s:s, s:{}, s:O}", "kind", "NamespaceList", "apiVersion", "v1", "metadata", "items", list));
    json_decref(list);
    return err;
}
