/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OptimizationJob (trainer.kubeflow.org/v1alpha1), Katib's successor, as far as its proposal goes: objectives, algorithm, parameters, trialConfig and the
 * template of a TrainJob with {{.name}} placeholders. */
#include "model/katib_part.h"

#include "base/mem.h"
#include "model/spec.h"

#include <math.h>
#include <string.h>

#define MAX_PARAMETERS 256

static const char *const spec_members[] = {"objectives", "algorithm", "parameters", "trialConfig", "trainJobTemplate", NULL};
static const char *const objective_members[] = {"metric", "direction", NULL};
static const char *const algorithm_members[] = {"name", "provider", "settings", NULL};
static const char *const parameter_members[] = {"name", "searchSpace", NULL};
static const char *const space_members[] = {"type", "min", "max", "list", "step", "distribution", NULL};
static const char *const config_members[] = {"numTrials", "parallelTrials", "maxFailedTrials", NULL};
static const char *const directions[] = {"minimize", "maximize", NULL};
static const char *const types[] = {"int", "double", "discrete", "categorical", NULL};

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static void read_objectives(struct katib *k)
{
    const json_t *list = reader_list(&k->spec, "objectives", SPEC_MAX_OBJECTIVES);
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *place CLEANUP_FREE = pointer_index("/spec/objectives", i), *at CLEANUP_FREE = x_asprintf("%s/", place);
        char *native CLEANUP_FREE = pointer_index("/objectives", i);
        struct reader r = reader_open(json_array_get(list, i), place, objective_members, k->problems);
        const char *metric = reader_text(&r, "metric", KATIB_MAX_TEXT, NULL);
        int direction = reader_choice(&r, "direction", directions, 0);
        if (r.object && !reader_find(&r, "metric"))
            reader_bad(&r, "metric", "REQUIRED", NULL, "is missing");
        if (r.object && !reader_find(&r, "direction"))
            reader_bad(&r, "direction", "REQUIRED", NULL, "is missing; must be minimize or maximize");
        (void)json_array_append_new(out, json_pack("{s:s*, s:s}", "metric", metric, "direction", directions[direction]));
        katib_map(k, native, at);
        reader_close(&r);
    }
    if (!json_array_size(out))
        reader_bad(&k->spec, "objectives", "REQUIRED", NULL, "is missing or empty; write what to optimise");
    set(k->native, "objectives", out);
}

static void read_parameter(struct katib *k, const json_t *item, size_t index)
{
    char *pointer CLEANUP_FREE = pointer_index("/spec/parameters", index);
    struct reader r = reader_open(item, pointer, parameter_members, k->problems), space = reader_enter(&r, "searchSpace", space_members);
    const char *name = reader_text(&r, "name", KATIB_MAX_TEXT, NULL);
    int type = reader_choice(&space, "type", types, -1);
    if (r.object && !reader_find(&r, "name"))
        reader_bad(&r, "name", "REQUIRED", NULL, "is missing");
    if (r.object && !reader_find(&space, "type"))
        reader_bad(&space, "type", "REQUIRED", NULL, "is missing; must be one of int, double, discrete, categorical");
    if (name && json_object_get(k->search, name))
        reader_bad(&r, "name", "DUPLICATE", NULL, "is \"%.100s\", which another one is called already", name);
    else if (name) {
        set(k->search, name, json_integer((json_int_t)index));
        if (type >= 0)
            katib_parameter(k, pointer, name, types[type], &space);
    }
    reader_close(&space);
    reader_close(&r);
}

static void read_parameters(struct katib *k)
{
    const json_t *list = reader_list(&k->spec, "parameters", MAX_PARAMETERS);
    set(k->native, "parameters", json_object());
    katib_map(k, "/parameters", "/spec/parameters");
    for (size_t i = 0; i < json_array_size(list); i++)
        read_parameter(k, json_array_get(list, i), i);
    if (!json_array_size(list))
        reader_bad(&k->spec, "parameters", "REQUIRED", NULL, "is missing or empty; write what to search");
}

static void read_algorithm(struct katib *k)
{
    struct reader r = reader_enter(&k->spec, "algorithm", algorithm_members);
    if (r.object)
        katib_algorithm(k, &r, "name", "settings");
    if (reader_find(&r, "provider"))
        katib_warn(&r, "provider", "is not followed: every algorithm is our own");
    reader_close(&r);
}

static void read_config(struct katib *k)
{
    struct reader r = reader_enter(&k->spec, "trialConfig", config_members);
    int64_t max = katib_count(&r, "numTrials", 1, 0), parallel = katib_count(&r, "parallelTrials", 1, 1), failed = katib_count(&r, "maxFailedTrials", 0, -1);
    if (!reader_find(&r, "numTrials"))
        reader_bad(&r, "numTrials", "REQUIRED", NULL, "is missing");
    if (max && parallel > max)
        reader_bad(&r, "parallelTrials", "RANGE", NULL, "is %lld, must not be more than numTrials (%lld)", (long long)parallel, (long long)max);
    json_t *trials = json_pack("{s:I, s:I}", "parallel", (json_int_t)parallel, "max_failed", (json_int_t)(failed > 0 ? failed - 1 : failed));
    if (max)
        set(trials, "max", json_integer(max));
    set(k->native, "trials", trials);
    katib_map(k, "/trials", "/spec/trialConfig");
    katib_map(k, "/trials/max", "/spec/trialConfig/numTrials");
    katib_map(k, "/trials/parallel", "/spec/trialConfig/parallelTrials");
    reader_close(&r);
}

/* ---- the template ---- */

/* {{.lr}}, {{ .lr }} -> ${trialParameters.lr}, of which the rest of the reader knows. */
static char *placeholders(const char *text)
{
    struct buf out = BUF_INIT;
    for (const char *at; (at = strstr(text, "{{")); text = at) {
        const char *dot = at + 2 + strspn(at + 2, " "), *name = dot + 1;
        size_t len = *dot == '.' ? strcspn(name, " {}") : 0;
        const char *end = len ? name + len + strspn(name + len, " ") : NULL;
        buf_add(&out, text, (size_t)(at - text));
        if (end && !strncmp(end, "}}", 2)) {
            buf_addf(&out, "${trialParameters.%.*s}", (int)len, name);
            at = end + 2;
        } else {
            buf_adds(&out, "{");
            at++;
        }
    }
    buf_adds(&out, text);
    return buf_take(&out);
}

/* A copy with our placeholders; as deep as the file may be (yaml.h). */
static json_t *translate(const json_t *value)
{
    const char *name;
    json_t *item, *out;
    size_t i;
    if (json_is_string(value)) {
        char *text CLEANUP_FREE = placeholders(json_string_value(value));
        return json_string(text);
    }
    if (json_is_array(value)) {
        out = json_array();
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            (void)json_array_append_new(out, translate(item));
        }
        return out;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    out = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        set(out, name, translate(item));
    }
    return out;
}

/* Placeholders of no parameter, and parameters without one. */
static void check_names(struct katib *k, const json_t *template, json_t *stands_for)
{
    char *text CLEANUP_FREE = json_dumps(template, JSON_COMPACT);
    const char *name;
    json_t *index;
    json_object_foreach(k->search, name, index)
    {
        char *placeholder CLEANUP_FREE = x_asprintf("${trialParameters.%s}", name), *pointer CLEANUP_FREE = x_asprintf(
                                             "/spec/parameters/%lld/name", (long long)json_integer_value(index));
        set(stands_for, name, json_string(placeholder));
        if (text && !strstr(text, placeholder))
            problems_add(k->problems, pointer, "UNUSED", NULL, "is \"%.100s\", and {{.%.100s}} does not stand in trainJobTemplate", name, name);
    }
    for (const char *at = text; at && (at = strstr(at, "${trialParameters.")); at++) {
        char *found CLEANUP_FREE = x_strndup(at + 18, strcspn(at + 18, "}"));
        if (!json_object_get(k->search, found))
            reader_bad(&k->spec, "trainJobTemplate", "UNKNOWN_PLACEHOLDER", NULL, "has {{.%.100s}}, which is no parameter", found);
    }
}

/* The template has metadata and spec; what it is a template of is known. */
static void read_object(struct katib *k, const struct reader *r, const struct katib_metrics *m, const json_t *stands_for)
{
    json_t *job = json_pack("{s:s, s:s}", "apiVersion", "trainer.kubeflow.org/v1alpha1", "kind", "TrainJob");
    (void)json_object_update(job, (json_t *)(uintptr_t)r->object);
    struct reader object = reader_open(job, r->pointer, NULL, k->problems);
    katib_cluster(k, NULL, &object, m, stands_for);
    reader_close(&object);
    json_decref(job);
}

static void read_template(struct katib *k)
{
    json_t *template = translate(reader_find(&k->spec, "trainJobTemplate")), *stands_for = json_object();
    struct reader r = reader_open(template, "/spec/trainJobTemplate", NULL, k->problems), spec = reader_enter(&r, "spec", NULL),
                  trainer = reader_enter(&spec, "trainer", NULL);
    struct katib_metrics m = {.merges = true, .config = json_pack("{s:s}", "from", "stdout")};
    struct katib_words words = {.stands_for = stands_for};
    katib_map(k, "/run", "/spec/trainJobTemplate");
    if (!template)
        reader_bad(&k->spec, "trainJobTemplate", "REQUIRED", NULL, "is missing");
    if (r.object)
        check_names(k, template, stands_for);
    if (json_integer_value(reader_find(&trainer, "numNodes")) > 1 && !k->cluster)
        katib_warn(&trainer, "numNodes", "is not followed: a trial is one process here");
    if (r.object && k->cluster)
        read_object(k, &r, &m, stands_for);
    else if (r.object)
        katib_container(k, &trainer, &m, &words);
    reader_close(&trainer);
    reader_close(&spec);
    reader_close(&r);
    json_decref(m.config);
    json_decref(stands_for);
    json_decref(template);
}

void katib_optimization(struct katib *k)
{
    k->spec = reader_enter(&k->top, "spec", spec_members);
    if (!reader_find(&k->top, "spec"))
        reader_bad(&k->top, "spec", "REQUIRED", NULL, "is missing");
    if (!k->spec.object)
        return;
    read_objectives(k);
    read_parameters(k);
    read_algorithm(k);
    read_config(k);
    read_template(k);
}
