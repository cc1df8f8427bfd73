/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/kubernetes_object.h"

#include "backends/trial_env.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define TOKEN "HONE_TOKEN"

const json_t *kube_at(const json_t *object, const char *path)
{
    while (object && *path) {
        size_t len = strcspn(path, "/");
        char *name CLEANUP_FREE = x_strndup(path, len);
        object = json_object_get(object, name);
        path += len + (path[len] == '/');
    }
    return object;
}

const char *kube_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(kube_at(object, path));
    return text ? text : "";
}

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

/* The member, an object, made when it is missing. */
static json_t *section(json_t *parent, const char *member)
{
    json_t *inner = json_object_get(parent, member);
    if (json_is_object(inner))
        return inner;
    set(parent, member, json_object());
    return json_object_get(parent, member);
}

/* ---- which container is read ---- */

const char *kube_container(const json_t *run)
{
    const json_t *manifest = json_object_get(run, "manifest");
    const char *own = json_string_value(json_object_get(run, "container"));
    const struct manifest_kind *kind = manifest_kind(manifest);
    return !manifest ? "trial" : own ? own : kind ? kind->container : NULL;
}

json_t *kube_pod_labels(const json_t *run)
{
    json_t *own = json_object_get(run, "pod_labels"), *labels = json_object();
    const struct manifest_kind *kind = manifest_kind(json_object_get(run, "manifest"));
    for (size_t i = 0; !own && kind && i + 1 < ARRAY_LEN(kind->pod_labels) && kind->pod_labels[i]; i += 2)
        set(labels, kind->pod_labels[i], json_string(kind->pod_labels[i + 1]));
    if (!own)
        return labels;
    json_decref(labels);
    return json_deep_copy(own); /* not a reference: the run belongs to several threads */
}

/* ---- what is put into every object ---- */

struct marks {
    const struct backend_job *job;
    const char *service, *container;
    const json_t *env;
    int64_t grace;
};

static void label(const struct marks *m, json_t *metadata)
{
    json_t *labels = section(metadata, "labels");
    set(labels, KUBE_SERVICE, json_string(m->service));
    set(labels, KUBE_RUN, json_string(m->job->run_key));
}

static bool names(const json_t *env, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)env, i, item)
    {
        if (!strcmp(kube_text(item, "name"), name))
            return true;
    }
    return false;
}

/* What the template sets itself goes first. */
static void add_env(const struct marks *m, json_t *container)
{
    const char *name;
    json_t *value, *env = json_object_get(container, "env");
    if (!json_is_array(env)) {
        set(container, "env", json_array());
        env = json_object_get(container, "env");
    }
    json_object_foreach((json_t *)(uintptr_t)m->env, name, value)
    {
        if (!names(env, name))
            (void)json_array_append_new(env, json_pack("{s:s, s:O}", "name", name, "value", value));
    }
    if (json_is_true(json_object_get(m->job->run, "token")) && !names(env, TOKEN))
        (void)json_array_append_new(env, json_pack("{s:s, s:{s:{s:s, s:s}}}", "name", TOKEN, "valueFrom", "secretKeyRef", "name", m->job->run_key, "key", KUBE_TOKEN_KEY));
}

/* A pod template: labels so that its pods are found, the environment of the container that does the work. */
static void mark_template(const struct marks *m, json_t *template)
{
    json_t *spec = json_object_get(template, "spec"), *containers = json_object_get(spec, "containers"), *container;
    size_t i, n = json_array_size(containers);
    label(m, section(template, "metadata"));
    if (!json_object_get(spec, "terminationGracePeriodSeconds"))
        set(spec, "terminationGracePeriodSeconds", json_integer(m->grace));
    json_array_foreach(containers, i, container)
    {
        if (json_is_object(container) && (m->container && n > 1 ? !strcmp(kube_text(container, "name"), m->container) : i == 0))
            add_env(m, container);
    }
}

static void mark_templates(const struct marks *m, json_t *tree)
{
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach(tree, i, item)
    {
        mark_templates(m, item);
    }
    json_object_foreach(tree, key, item)
    {
        if (!strcmp(key, "template") && json_is_array(kube_at(item, "spec/containers")))
            mark_template(m, item);
        else
            mark_templates(m, item);
    }
}

/* ---- the job of an image ---- */

static json_t *env_list(const json_t *env)
{
    const char *name;
    json_t *value, *list = json_array();
    json_object_foreach((json_t *)(uintptr_t)env, name, value)
    {
        (void)json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "value", value));
    }
    return list;
}

static json_t *command_of(const struct backend_job *job, const struct template_values *values)
{
    const json_t *command = json_object_get(job->run, "command"), *word;
    size_t i;
    if (json_is_string(command)) { /* shell: true; what is filled in is quoted for it */
        char *line CLEANUP_FREE = template_render(json_string_value(command), values, true);
        return json_pack("[s, s, s]", "/bin/sh", "-c", line);
    }
    json_t *argv = json_array();
    json_array_foreach((json_t *)(uintptr_t)command, i, word)
    {
        char *text CLEANUP_FREE = template_render(json_string_value(word), values, false);
        (void)json_array_append_new(argv, json_string(text));
    }
    return argv;
}

static json_t *job_of_image(const struct backend_job *job, const struct template_values *values, const json_t *env)
{
    char *image CLEANUP_FREE = template_render(kube_text(job->run, "image"), values, false);
    json_t *container = json_pack("{s:s, s:s, s:o}", "name", "trial", "image", image, "env", env_list(env));
    json_t *argv = command_of(job, values), *resources = json_object_get(job->run, "resources");
    const char *cwd = kube_text(job->run, "cwd"), *account = kube_text(job->run, "service_account");
    if (json_array_size(argv)) /* `command` is what runs, whatever the image would run itself */
        set(container, "command", json_incref(argv));
    json_decref(argv);
    if (*cwd) {
        char *where CLEANUP_FREE = template_render(cwd, values, false);
        set(container, "workingDir", json_string(where));
    }
    if (resources)
        set(container, "resources", json_deep_copy(resources));
    json_t *pod = json_pack("{s:s, s:[o]}", "restartPolicy", "Never", "containers", container);
    if (*account)
        set(pod, "serviceAccountName", json_string(account));
    /* whether a trial is tried again is the service's to decide: a pod that begins anew would report the same steps twice */
    return json_pack("{s:s, s:s, s:{s:i, s:i, s:i, s:{s:o}}}", "apiVersion", "batch/v1", "kind", "Job", "spec", "backoffLimit", 0, "completions", 1, "parallelism", 1,
                     "template", "spec", pod);
}

static bool is_job(const json_t *object)
{
    return !strcmp(kube_text(object, "apiVersion"), "batch/v1") && !strcmp(kube_text(object, "kind"), "Job");
}

/* The cluster ends a Job in time, also while the service is down. */
static void limit_time(json_t *object, double seconds)
{
    json_t *spec = section(object, "spec"), *own = json_object_get(spec, "activeDeadlineSeconds");
    json_int_t limit = (json_int_t)ceil(seconds);
    if (seconds > 0 && (!own || json_integer_value(own) > limit))
        set(spec, "activeDeadlineSeconds", json_integer(limit > 0 ? limit : 1));
}

/* What a trial finds in its environment; its token is no part of an object that others may read. */
static json_t *environment(const struct backend_job *job)
{
    json_t *env = trial_env(job);
    (void)json_object_del(env, TOKEN);
    set(env, "KATIB_TRIAL_NAME", json_string(job->run_key));
    return env;
}

json_t *kube_object(const struct backend_job *job, const char *service, const char *namespace)
{
    struct template_values values = {.params = job->params, .names = job->names, .trial = job->trial, .budget = job->budget, .seed = job->seed, .trial_name = job->run_key};
    const json_t *manifest = json_object_get(job->run, "manifest");
    json_t *env = environment(job);
    double grace = json_number_value(json_object_get(job->run, "grace"));
    struct marks marks = {.job = job, .service = service, .container = kube_container(job->run), .env = env, .grace = (int64_t)ceil(grace)};
    json_t *object = manifest ? manifest_render(manifest, &values) : job_of_image(job, &values, env), *meta = section(object, "metadata");
    (void)json_object_del(meta, "generateName");
    set(meta, "name", json_string(job->run_key));
    set(meta, "namespace", json_string(namespace));
    label(&marks, meta);
    json_t *notes = section(meta, "annotations");
    set(notes, "hone.dev/project", json_string(job->project));
    set(notes, "hone.dev/experiment", json_string(job->experiment));
    mark_templates(&marks, object);
    if (!strncmp(kube_text(object, "apiVersion"), "argoproj.io/", 12)) /* its templates are no pod templates */
        label(&marks, section(section(object, "spec"), "podMetadata"));
    if (!strncmp(kube_text(object, "apiVersion"), "trainer.kubeflow.org/", 21)) /* its pods come from a runtime */
        add_env(&marks, section(section(object, "spec"), "trainer"));
    if (is_job(object))
        limit_time(object, job->time_limit_s);
    json_decref(env);
    return object;
}

json_t *kube_secret(const struct backend_job *job, const json_t *object)
{
    const json_t *meta = json_object_get(object, "metadata");
    json_t *owner = json_pack("{s:s, s:s, s:s, s:s}", "apiVersion", kube_text(object, "apiVersion"), "kind", kube_text(object, "kind"), "name", kube_text(meta, "name"), "uid",
                              kube_text(meta, "uid"));
    return json_pack("{s:s, s:s, s:{s:s, s:O?, s:[o]}, s:{s:s}}", "apiVersion", "v1", "kind", "Secret", "metadata", "name", job->run_key, "labels",
                     json_object_get(meta, "labels"), "ownerReferences", owner, "stringData", KUBE_TOKEN_KEY, job->token ? job->token : "");
}
