/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spec.trialTemplate: what Katib checks of it, what it does not, and the container in it that does the work. */
#include "model/katib_part.h"

#include "base/mem.h"
#include "model/gjson.h"

#include <stdio.h>
#include <string.h>

#define PARAMETER "${trialParameters."
#define FIELD "${trialSpec."
#define AT "/spec/trialTemplate"
#define MAX_PARAMETERS 300

static const char *const members[] = {"retain",      "trialSpec",        "configMap",        "trialParameters", "primaryPodLabels",
                                      "primaryContainerName", "successCondition", "failureCondition", NULL};
static const char *const parameter_members[] = {"name", "description", "reference", NULL};
static const char *const map_members[] = {"configMapName", "configMapNamespace", "templatePath", NULL};

/* Kinds that Katib knows the conditions of, and where their pods are. */
static const struct {
    const char *version, *kind, *replicas;
} kinds[] = {{"batch/v1", "Job", NULL},
             {"trainer.kubeflow.org/", "TrainJob", NULL},
             {"kubeflow.org/v1", "TFJob", "tfReplicaSpecs"},
             {"kubeflow.org/v1", "PyTorchJob", "pytorchReplicaSpecs"},
             {"kubeflow.org/v1", "XGBoostJob", "xgbReplicaSpecs"},
             {"kubeflow.org/v1", "MPIJob", "mpiReplicaSpecs"},
             {"kubeflow.org/v1", "PaddleJob", "paddleReplicaSpecs"},
             {"kubeflow.org/v1", "JAXJob", "jaxReplicaSpecs"}};
enum { KIND_JOB, KIND_TRAIN_JOB };

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

/* Katib has one place for all that is wrong with the object. */
static void bad_template(struct katib *k, const char *detail)
{
    problems_add(k->problems, AT, "TEMPLATE", NULL, "%s", detail);
}

static int find_kind(const json_t *object)
{
    const char *version = json_string_value(json_object_get(object, "apiVersion")), *kind = json_string_value(json_object_get(object, "kind"));
    for (size_t i = 0; version && kind && i < ARRAY_LEN(kinds); i++)
        if (!strncmp(kinds[i].version, version, strlen(kinds[i].version)) && !strcmp(kinds[i].kind, kind))
            return (int)i;
    return -1;
}

/* ---- batch/v1 Job: members, and numbers that cannot be placeholders ---- */

static const char job_members[] = " apiVersion kind metadata spec status ";
static const char job_spec_members[] =
    " parallelism completions activeDeadlineSeconds podFailurePolicy successPolicy backoffLimit backoffLimitPerIndex maxFailedIndexes selector manualSelector "
    "template ttlSecondsAfterFinished completionMode suspend podReplacementPolicy managedBy ";
static const char pod_members[] =
    " volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector "
    "serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext "
    "imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates "
    "runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers schedulingGates "
    "resourceClaims resources ";
static const char container_members[] =
    " name image command args workingDir ports envFrom env resources resizePolicy restartPolicy volumeMounts volumeDevices livenessProbe readinessProbe "
    "startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty ";
static const char whole_members[] = " parallelism completions activeDeadlineSeconds backoffLimit backoffLimitPerIndex maxFailedIndexes ttlSecondsAfterFinished "
                                    "terminationGracePeriodSeconds priority containerPort hostPort ";

static bool listed(const char *list, const char *word)
{
    char *spaced CLEANUP_FREE = x_asprintf(" %s ", word);
    return strstr(list, spaced) != NULL;
}

static void known_members(struct katib *k, const json_t *object, const char *list, const char *where)
{
    const char *name;
    json_t *value;
    char detail[300];
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        (void)snprintf(detail, sizeof detail, "is no batch/v1 Job: there is no %.100s in %.100s", name, where);
        if (!listed(list, name))
            bad_template(k, detail);
    }
}

static void whole_numbers(struct katib *k, const json_t *value)
{
    const char *name;
    json_t *item;
    size_t i;
    char detail[300];
    json_array_foreach((json_t *)(uintptr_t)value, i, item)
    {
        whole_numbers(k, item);
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        (void)snprintf(detail, sizeof detail, "is no batch/v1 Job: %.100s must be a whole number, not a text%s", name,
                       json_is_string(item) && strstr(json_string_value(item), PARAMETER) ? "; a placeholder cannot stand for it" : "");
        if (json_is_string(item) && listed(whole_members, name))
            bad_template(k, detail);
        whole_numbers(k, item);
    }
}

static void check_job(struct katib *k, const json_t *job)
{
    const json_t *spec = json_object_get(job, "spec"), *pod = json_object_get(json_object_get(spec, "template"), "spec"), *item;
    size_t i;
    known_members(k, job, job_members, "it");
    known_members(k, spec, job_spec_members, "its spec");
    known_members(k, json_object_get(spec, "template"), " metadata spec ", "its spec.template");
    known_members(k, pod, pod_members, "its pod");
    json_array_foreach((json_t *)(uintptr_t)json_object_get(pod, "containers"), i, item)
    {
        known_members(k, item, container_members, "its container");
    }
    whole_numbers(k, spec);
}

/* ---- trialParameters ---- */

/* Labels[key] -> the text; NULL: there is none. */
static const char *keyed(const json_t *object, const char *field, const char *what, const char *member)
{
    size_t len = strlen(what), all = strlen(field);
    if (strncmp(field, what, len) != 0 || field[len] != '[' || field[all - 1] != ']')
        return NULL;
    char *key CLEANUP_FREE = x_strndup(field + len + 1, all - len - 2);
    return json_string_value(json_object_get(json_object_get(json_object_get(object, "metadata"), member), key));
}

/* What ${trialSpec.FIELD} is; NULL: told as wrong. The name of a trial is known when it runs. */
static const char *meta_value(struct katib *k, const struct reader *r, const json_t *object, const char *field)
{
    const json_t *space = json_object_get(reader_find(&k->top, "metadata"), "namespace");
    if (!strcmp(field, "Name"))
        return FIELD "Name}";
    if (!strcmp(field, "Namespace"))
        return json_is_string(space) ? json_string_value(space) : "default";
    const char *text = !strcmp(field, "Kind")         ? json_string_value(json_object_get(object, "kind"))
                       : !strcmp(field, "APIVersion") ? json_string_value(json_object_get(object, "apiVersion"))
                       : !strncmp(field, "Labels[", 7) ? keyed(object, field, "Labels", "labels")
                                                      : keyed(object, field, "Annotations", "annotations");
    bool has_key = !strncmp(field, "Labels[", 7) || !strncmp(field, "Annotations[", 12);
    if (!text && has_key)
        reader_bad(r, "reference", "UNKNOWN_FIELD_OF_TRIAL", NULL, "is " FIELD "%.100s}, which trialSpec.metadata does not have", field);
    else if (!text)
        reader_bad(r, "reference", "UNKNOWN_FIELD_OF_TRIAL", NULL,
                   "is " FIELD "%.100s}; of a trial Name, Namespace, Kind, APIVersion, Labels[key] and Annotations[key] can be used", field);
    return text;
}

struct taken {
    json_t *names, *references; /* as keys */
    const char *text;           /* of the template */
};

static void read_parameter(struct katib *k, const json_t *item, size_t index, const json_t *object, struct taken *t, json_t *stands_for)
{
    char *pointer CLEANUP_FREE = x_asprintf(AT "/trialParameters/%zu", index);
    struct reader r = reader_open(item, pointer, parameter_members, k->problems);
    const char *name = reader_text(&r, "name", KATIB_MAX_TEXT, NULL), *reference = reader_text(&r, "reference", KATIB_MAX_TEXT, NULL);
    if (r.object && (!name || !reference)) {
        if (!reader_find(&r, "name") || !reader_find(&r, "reference"))
            problems_add(k->problems, pointer, "REQUIRED", NULL, "must have a name and a reference");
        reader_close(&r);
        return;
    }
    char *placeholder CLEANUP_FREE = x_asprintf(PARAMETER "%s}", name ? name : "");
    if (name && strpbrk(name, "{}"))
        reader_bad(&r, "name", "NAME", NULL, "is \"%.100s\", must be without { and }", name);
    else if (name && json_object_get(t->names, name))
        reader_bad(&r, "name", "DUPLICATE", NULL, "is \"%.100s\", which another one is called already", name);
    else if (name && t->text && !strstr(t->text, placeholder))
        reader_bad(&r, "name", "UNUSED", NULL, "is \"%.100s\", and %.150s does not stand in the template", name, placeholder);
    if (reference && json_object_get(t->references, reference))
        reader_bad(&r, "reference", "DUPLICATE", NULL, "is \"%.100s\", which another one refers to already", reference);
    bool meta = reference && !strncmp(reference, FIELD, strlen(FIELD)) && reference[strlen(reference) - 1] == '}';
    char *field CLEANUP_FREE = meta ? x_strndup(reference + strlen(FIELD), strlen(reference) - strlen(FIELD) - 1) : NULL;
    char *own CLEANUP_FREE = reference ? x_asprintf(PARAMETER "%s}", reference) : NULL;
    const char *names[MAX_PARAMETERS + 1] = {0}, *key;
    json_t *value;
    size_t n = 0;
    json_object_foreach(k->search, key, value)
    {
        if (n < MAX_PARAMETERS)
            names[n++] = key;
    }
    const char *text = meta ? meta_value(k, &r, object, field) : own;
    if (reference && !meta && !json_object_get(k->search, reference))
        reader_bad(&r, "reference", "UNKNOWN_PARAMETER", did_you_mean(reference, names), "is \"%.100s\", which is neither a parameter nor a field of the trial such as ${trialSpec.Name}", reference);
    if (name && text)
        set(stands_for, name, json_string(text));
    if (name)
        set(t->names, name, json_true());
    if (reference)
        set(t->references, reference, json_true());
    reader_close(&r);
}

static void leftovers(struct katib *k, const char *text, const struct taken *t)
{
    for (const char *at = text; (at = strstr(at, PARAMETER)); at++) {
        char *name CLEANUP_FREE = x_strndup(at + strlen(PARAMETER), strcspn(at + strlen(PARAMETER), "}\""));
        if (json_object_get(t->names, name))
            continue;
        char *detail CLEANUP_FREE = x_asprintf("has " PARAMETER "%.100s}, which trialParameters does not define", name);
        bad_template(k, detail);
        return;
    }
}

/* By Katib accepted; then no trial can be made. */
static void unreferenced(struct katib *k, const struct taken *t)
{
    const char *name;
    json_t *index;
    json_object_foreach(k->search, name, index)
    {
        char *pointer CLEANUP_FREE = x_asprintf("/spec/parameters/%lld/name", (long long)json_integer_value(index));
        if (!json_object_get(t->references, name))
            problems_add(k->problems, pointer, "UNUSED", NULL, "is \"%.100s\", which no trialParameters[].reference names: a trial would not be told of it", name);
    }
}

static json_t *read_parameters(struct katib *k, const struct reader *r, const json_t *object)
{
    const json_t *list = reader_list(r, "trialParameters", MAX_PARAMETERS);
    char *text CLEANUP_FREE = object ? json_dumps(object, JSON_COMPACT) : NULL;
    struct taken t = {.names = json_object(), .references = json_object(), .text = text};
    json_t *stands_for = json_object();
    if (!reader_find(r, "trialParameters"))
        reader_bad(r, "trialParameters", "REQUIRED", NULL, "is missing; it says where in the template the parameters are put");
    for (size_t i = 0; i < json_array_size(list); i++)
        read_parameter(k, json_array_get(list, i), i, object, &t, stands_for);
    if (text)
        leftovers(k, text, &t);
    if (list && k->problems->n == 0) /* else a name may be missing for a reason that was told */
        unreferenced(k, &t);
    json_decref(t.names);
    json_decref(t.references);
    return stands_for;
}

/* ---- conditions ---- */

static void read_condition(const struct reader *r, const char *member)
{
    const char *text = reader_text(r, member, KATIB_MAX_TEXT, NULL), *why = NULL;
    size_t column = 0;
    struct gjson *condition = text ? gjson_new(text, &why, &column) : NULL;
    if (why)
        reader_bad(r, member, "SYNTAX", NULL, "column %zu: %s", column, why);
    gjson_free(condition);
}

static void read_conditions(struct katib *k, const struct reader *r, int kind)
{
    read_condition(r, "successCondition");
    read_condition(r, "failureCondition");
    if (kind < 0 && (!reader_find(r, "successCondition") || !reader_find(r, "failureCondition")))
        problems_add(k->problems, AT, "REQUIRED", NULL, "must have successCondition and failureCondition: for this kind nobody knows them");
}

/* ---- the container ---- */

/* The replica that the labels mean, else the one that leads. */
static const char *choose_replica(const json_t *replicas, const json_t *labels)
{
    static const char *const leaders[] = {"Master", "Chief", "Launcher", "Worker"};
    const char *name, *label;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)labels, label, value)
    {
        void *iter = json_object_iter((json_t *)(uintptr_t)replicas);
        for (; iter; iter = json_object_iter_next((json_t *)(uintptr_t)replicas, iter))
            if (json_is_string(value) && !strcasecmp(json_string_value(value), json_object_iter_key(iter)))
                return json_object_iter_key(iter);
    }
    for (size_t i = 0; i < ARRAY_LEN(leaders); i++)
        if (json_object_get(replicas, leaders[i]))
            return leaders[i];
    void *iter = json_object_iter((json_t *)(uintptr_t)replicas);
    name = iter ? json_object_iter_key(iter) : NULL;
    return name;
}

static bool is_primary(const json_t *container, const char *primary)
{
    const char *name = json_string_value(json_object_get(container, "name"));
    return name && !strcmp(name, primary);
}

static void find_container(struct katib *k, const struct reader *r, const struct reader *pod, const struct katib_metrics *m, struct katib_words *words)
{
    const char *primary = json_string_value(reader_find(r, "primaryContainerName")), *names[32] = {0};
    const json_t *list = reader_list(pod, "containers", 31);
    char *pointer CLEANUP_FREE = pointer_join(pod->pointer, "containers");
    size_t n = json_array_size(list), at = n;
    for (size_t i = 0; i < n && primary; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
        names[i] = name ? name : "";
        at = at == n && is_primary(json_array_get(list, i), primary) ? i : at;
    }
    if (primary && at == n)
        reader_bad(r, "primaryContainerName", "NOT_FOUND", did_you_mean(primary, names), "is \"%.100s\", and the template has no container of that name", primary);
    if (at == n)
        return;
    if (n > 1)
        problems_warn(k->problems, pointer, "DIFFERS", NULL, "beside %s are not run: a trial is one process here", primary);
    char *place CLEANUP_FREE = pointer_index(pointer, at);
    struct reader container = reader_open(json_array_get(list, at), place, NULL, k->problems);
    katib_container(k, &container, m, words);
    reader_close(&container);
    const json_t *grace = reader_find(pod, "terminationGracePeriodSeconds");
    char *at_grace CLEANUP_FREE = pointer_join(pod->pointer, "terminationGracePeriodSeconds");
    katib_map(k, "/run/grace", at_grace);
    if (json_is_integer(grace) && json_object_get(k->native, "run"))
        set(json_object_get(k->native, "run"), "grace", json_integer(json_integer_value(grace)));
}

static const json_t *dig(const json_t *value, const char *member)
{
    return value ? json_object_get(value, member) : NULL;
}

static void find_pod(struct katib *k, const struct reader *r, const struct reader *object, int kind, const struct katib_metrics *m, struct katib_words *words)
{
    struct reader spec = reader_enter(object, "spec", NULL);
    const json_t *replicas = kinds[kind].replicas ? reader_find(&spec, kinds[kind].replicas) : NULL;
    const char *replica = replicas ? choose_replica(replicas, reader_find(r, "primaryPodLabels")) : NULL;
    char *pointer CLEANUP_FREE = replica ? x_asprintf("%s/%s/%s/template/spec", spec.pointer, kinds[kind].replicas, replica)
                                         : x_asprintf("%s/template/spec", spec.pointer);
    const json_t *template = dig(replica ? dig(replicas, replica) : spec.object, "template");
    if (kind == KIND_TRAIN_JOB) {
        struct reader trainer = reader_enter(&spec, "trainer", NULL);
        if (json_integer_value(reader_find(&trainer, "numNodes")) > 1)
            katib_warn(&trainer, "numNodes", "is not followed: a trial is one process here");
        katib_container(k, &trainer, m, words);
        reader_close(&trainer);
    } else {
        struct reader pod = reader_open(dig(template, "spec"), pointer, NULL, k->problems);
        if (replica && json_object_size(replicas) > 1)
            problems_warn(k->problems, spec.pointer, "DIFFERS", NULL, "runs its %s alone: a trial is one process here", replica);
        if (!pod.object)
            bad_template(k, "has no pod: spec.template.spec is missing");
        else
            find_container(k, r, &pod, m, words);
        reader_close(&pod);
    }
    reader_close(&spec);
}

static void job_limits(struct katib *k, const struct reader *object)
{
    struct reader spec = reader_enter(object, "spec", NULL);
    json_t *run = json_object_get(k->native, "run");
    const json_t *retries = reader_find(&spec, "backoffLimit"), *time = reader_find(&spec, "activeDeadlineSeconds");
    char *at_retries CLEANUP_FREE = pointer_join(spec.pointer, "backoffLimit"), *at_time CLEANUP_FREE = pointer_join(spec.pointer, "activeDeadlineSeconds");
    katib_map(k, "/run/retries", at_retries);
    katib_map(k, "/limits", at_time);
    if (run && json_is_integer(retries))
        set(run, "retries", json_integer(json_integer_value(retries) < 100 ? json_integer_value(retries) : 100));
    if (json_is_integer(time))
        set(k->native, "limits", json_pack("{s:I}", "trial_time", json_integer_value(time)));
    reader_close(&spec);
}

static void read_object(struct katib *k, const struct reader *r, const struct reader *object, const struct katib_metrics *m)
{
    int kind = find_kind(object->object);
    const json_t *meta = reader_find(object, "metadata");
    json_t *stands_for = read_parameters(k, r, object->object);
    struct katib_words words = {.stands_for = stands_for, .path = m->path};
    read_conditions(k, r, kind);
    if (json_object_get(meta, "name") || json_object_get(meta, "namespace"))
        bad_template(k, "must not have metadata.name or metadata.namespace: every trial gets its own");
    const char *kind_name = json_string_value(reader_find(object, "kind"));
    if (!reader_find(object, "apiVersion") || !reader_find(object, "kind"))
        bad_template(k, "must have apiVersion and kind");
    else if (k->cluster && kind == KIND_JOB)
        check_job(k, object->object);
    else if (kind < 0 && !k->cluster)
        reader_bad(object, "kind", "NEEDS_CLUSTER", NULL, "is %.100s: " KATIB_NEEDS_CLUSTER, kind_name ? kind_name : "no text");
    else if (!k->cluster) {
        if (kind == KIND_JOB)
            check_job(k, object->object);
        find_pod(k, r, object, kind, m, &words);
    }
    if (k->cluster)
        katib_cluster(k, r, object, m, stands_for);
    else if (kind == KIND_JOB)
        job_limits(k, object);
    json_decref(stands_for);
}

static void read_map(struct katib *k, const struct reader *r)
{
    struct reader map = reader_enter(r, "configMap", map_members);
    if (!reader_find(&map, "configMapName") || !reader_find(&map, "configMapNamespace") || !reader_find(&map, "templatePath"))
        reader_bad(r, "configMap", "REQUIRED", NULL, "must have configMapName, configMapNamespace and templatePath");
    else
        problems_add(k->problems, AT, "NEEDS_CLUSTER", NULL,
                     "is in a ConfigMap of a cluster: run it there (--backend kubernetes), or put the text itself under trialSpec");
    json_decref(read_parameters(k, r, NULL));
    read_conditions(k, r, -1);
    reader_close(&map);
}

void katib_template(struct katib *k)
{
    struct reader r = reader_enter(&k->spec, "trialTemplate", members), object = reader_enter(&r, "trialSpec", NULL);
    struct katib_metrics m = katib_collector(k);
    katib_map(k, "/run", AT);
    if (!reader_find(&k->spec, "trialTemplate"))
        reader_bad(&k->spec, "trialTemplate", "REQUIRED", NULL, "is missing");
    if (r.object && !reader_text(&r, "primaryContainerName", KATIB_MAX_TEXT, NULL) && !reader_find(&r, "primaryContainerName"))
        reader_bad(&r, "primaryContainerName", "REQUIRED", NULL, "is missing");
    if (r.object && object.object && reader_find(&r, "configMap"))
        bad_template(k, "has both trialSpec and configMap; keep one of them");
    else if (r.object && reader_find(&r, "configMap"))
        read_map(k, &r);
    else if (r.object && !reader_find(&r, "trialSpec"))
        reader_bad(&r, "trialSpec", "REQUIRED", NULL, "is missing; write the object that a trial is, such as a batch/v1 Job");
    else if (object.object)
        read_object(k, &r, &object, &m);
    json_decref(m.config);
    reader_close(&object);
    reader_close(&r);
}
