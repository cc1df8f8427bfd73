/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The trial's object as it stands, for a cluster: what a process would need to have translated the cluster takes itself. */
#include "model/katib_part.h"

#include "base/mem.h"
#include "model/manifest.h"

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static char *word(const void *ctx, const char *text)
{
    return katib_known(ctx, text);
}

/* Members of trialTemplate and what they are with us. */
static void copy_members(struct katib *k, const struct reader *r, json_t *run)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {{"primaryContainerName", "container"}, {"primaryPodLabels", "pod_labels"}, {"successCondition", "success_condition"},
                 {"failureCondition", "failure_condition"}, {"retain", "retain"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const json_t *value = reader_find(r, names[i].theirs);
        char *native CLEANUP_FREE = pointer_join("/run", names[i].ours), *place CLEANUP_FREE = pointer_join(r->pointer, names[i].theirs);
        if (value)
            set(run, names[i].ours, json_incref((json_t *)(uintptr_t)value));
        katib_map(k, native, place);
    }
}

void katib_cluster(struct katib *k, const struct reader *r, const struct reader *object, const struct katib_metrics *m, const json_t *stands_for)
{
    const json_t *meta = reader_find(&k->top, "metadata"), *space = json_object_get(meta, "namespace");
    json_t *run = json_pack("{s:s, s:o, s:O}", "backend", "kubernetes", "manifest", manifest_map(object->object, word, stands_for), "metrics", m->config);
    char *place CLEANUP_FREE = x_asprintf("%s/", object->pointer);
    if (json_is_string(space) && json_string_length(space))
        set(run, "namespace", json_incref((json_t *)(uintptr_t)space));
    katib_map(k, "/run/manifest", place);
    katib_map(k, "/run/namespace", "/metadata/namespace");
    katib_map(k, "/run/backend", "/metadata/annotations/hone~1backend");
    if (r)
        copy_members(k, r, run);
    set(k->native, "run", run);
}
