/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/manifest.h"

#include "base/mem.h"
#include "model/reader.h"

#include <string.h>

#define CONDITION(type) "status.conditions.#(type==\"" type "\")#|#(status==\"True\")#"
#define OPERATOR_V1(kind_, container_) \
    {"kubeflow.org/v1", kind_, CONDITION("Succeeded"), CONDITION("Failed"), "training.kubeflow.org/job-name", {"training.kubeflow.org/job-role", "master"}, container_}

static const struct manifest_kind kinds[] = {
    {"batch/v1", "Job", CONDITION("Complete"), CONDITION("Failed"), NULL, {NULL}, NULL},
    {"trainer.kubeflow.org/", "TrainJob", CONDITION("Complete"), CONDITION("Failed"), "jobset.sigs.k8s.io/jobset-name",
     {"jobset.sigs.k8s.io/replicatedjob-name", "node", "batch.kubernetes.io/job-completion-index", "0"}, "node"},
    {"argoproj.io/", "Workflow", "status.[@this].#(phase==\"Succeeded\")#", "status.[@this].#(finishedAt>\"2\")#|#(phase!=\"Succeeded\")#", "workflows.argoproj.io/workflow", {NULL}, "main"},
    {"jobset.x-k8s.io/", "JobSet", CONDITION("Completed"), CONDITION("Failed"), "jobset.sigs.k8s.io/jobset-name", {NULL}, NULL},
    OPERATOR_V1("PyTorchJob", "pytorch"),
    OPERATOR_V1("TFJob", "tensorflow"),
    OPERATOR_V1("MPIJob", "mpi"),
    OPERATOR_V1("XGBoostJob", "xgboost"),
    OPERATOR_V1("PaddleJob", "paddle"),
    OPERATOR_V1("JAXJob", "jax"),
};

const struct manifest_kind *manifest_kind(const json_t *object)
{
    const char *version = json_string_value(json_object_get(object, "apiVersion")), *kind = json_string_value(json_object_get(object, "kind"));
    for (size_t i = 0; version && kind && i < ARRAY_LEN(kinds); i++)
        if (!strncmp(version, kinds[i].version, strlen(kinds[i].version)) && !strcmp(kind, kinds[i].kind))
            return &kinds[i];
    return NULL;
}

json_t *manifest_map(const json_t *tree, manifest_word_fn *word, const void *ctx)
{
    const char *key;
    json_t *item, *copy;
    size_t i;
    if (json_is_string(tree)) {
        char *text CLEANUP_FREE = word(ctx, json_string_value(tree));
        return json_string(text);
    }
    if (json_is_array(tree)) {
        copy = json_array();
        json_array_foreach((json_t *)(uintptr_t)tree, i, item)
        {
            (void)json_array_append_new(copy, manifest_map(item, word, ctx));
        }
        return copy;
    }
    if (!json_is_object(tree))
        return json_deep_copy(tree); /* not a reference: `tree` may belong to several threads */
    copy = json_object();
    json_object_foreach((json_t *)(uintptr_t)tree, key, item)
    {
        char *text CLEANUP_FREE = word(ctx, key);
        (void)json_object_set_new(copy, text, manifest_map(item, word, ctx));
    }
    return copy;
}

static char *render_word(const void *ctx, const char *text)
{
    return template_render(text, ctx, false);
}

json_t *manifest_render(const json_t *tree, const struct template_values *values)
{
    struct template_values own = *values;
    own.dollar_only = true;
    return manifest_map(tree, render_word, &own);
}

static void check(const json_t *tree, const char *const *names, const char *pointer, int depth, struct problems *problems)
{
    const char *key;
    json_t *item;
    size_t i;
    if (depth > MANIFEST_MAX_DEPTH) {
        problems_add(problems, pointer, "RANGE", NULL, "is nested more than %d deep", MANIFEST_MAX_DEPTH);
        return;
    }
    if (json_is_string(tree))
        template_check_dollar(json_string_value(tree), names, pointer, problems);
    json_array_foreach((json_t *)(uintptr_t)tree, i, item)
    {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        check(item, names, place, depth + 1, problems);
    }
    json_object_foreach((json_t *)(uintptr_t)tree, key, item)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, key);
        template_check_dollar(key, names, place, problems);
        check(item, names, place, depth + 1, problems);
    }
}

void manifest_check(const json_t *tree, const char *const *names, const char *pointer, struct problems *problems)
{
    check(tree, names, pointer, 0, problems);
}
