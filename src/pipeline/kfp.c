/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A dag of KFP becomes a pipeline of ours, each of its tasks a step: a component that is a dag a sub-pipeline, any other a command. */
#include "pipeline/kfp.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/reader.h"
#include "pipeline/kfp_part.h"
#include "pipeline/pipeline.h"

#include <ctype.h>
#include <string.h>

static json_t *convert_dag(struct kfp *k, const json_t *component, const char *pointer);

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static const char *text_at(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "";
}

const json_t *kfp_definitions(const json_t *component, const char *side, const char *kind)
{
    return json_object_get(json_object_get(component, side), kind);
}

json_t *kfp_type(const json_t *definition)
{
    static const struct {
        const char *theirs, *ours;
    } types[] = {{"NUMBER_INTEGER", "int"}, {"NUMBER_DOUBLE", "double"}, {"STRING", "string"}, {"BOOLEAN", "bool"}, {"LIST", "list"}, {"STRUCT", "struct"}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (!strcmp(text_at(definition, "parameterType"), types[i].theirs))
            return json_string(types[i].ours);
    return json_string("json"); /* TASK_FINAL_STATUS and what may come */
}

/* ---- what a task is given ---- */

static json_t *step_output(const char *step, const char *output)
{
    return json_sprintf("${steps.%s.outputs.%s}", step, output);
}

/* What the kfp package's PipelineTaskFinalStatus is made of. */
static json_t *final_status(const char *task)
{
    return json_pack("{s:o,s:s,s:s,s:{}}", "state", json_sprintf("${steps.%s.state}", task), "pipelineJobResourceName", "${run.id}", "pipelineTaskName", task,
                     "error");
}

/* NULL: a constant, which comes when all others are known. */
static json_t *bind_parameter(struct task *t, const json_t *source)
{
    const json_t *output = json_object_get(source, "taskOutputParameter"), *status = json_object_get(source, "taskFinalStatus");
    const char *input = json_string_value(json_object_get(source, "componentInputParameter"));
    const char *selector = json_string_value(json_object_get(source, "parameterExpressionSelector"));
    const char *runtime = json_string_value(json_object_get(json_object_get(source, "runtimeValue"), "runtimeParameter"));
    json_t *bound = NULL;
    if (output)
        bound = step_output(text_at(output, "producerTask"), text_at(output, "outputParameterKey"));
    else if (input || runtime)
        bound = json_sprintf("${params.%s}", input ? input : runtime);
    else if (status)
        bound = final_status(text_at(status, "producerTask"));
    return bound && selector ? kfp_select(t, bound, selector) : bound;
}

static void bind_parameters(struct task *t, const json_t *parameters)
{
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)(uintptr_t)parameters, name, source)
    {
        json_t *bound = bind_parameter(t, source);
        if (bound)
            set(t->bound, name, bound);
    }
    json_object_foreach((json_t *)(uintptr_t)parameters, name, source)
    {
        const json_t *constant = json_object_get(json_object_get(source, "runtimeValue"), "constant");
        if (constant)
            set(t->bound, name, kfp_constant(t, constant));
        else if (!json_object_get(t->bound, name))
            problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "input \"%.100s\" is bound in a way that is not mapped", name);
    }
}

static void bind_artifacts(struct task *t, const json_t *artifacts)
{
    const char *name;
    json_t *source;
    json_object_foreach((json_t *)(uintptr_t)artifacts, name, source)
    {
        const json_t *output = json_object_get(source, "taskOutputArtifact");
        const char *input = json_string_value(json_object_get(source, "componentInputArtifact"));
        char *metadata CLEANUP_FREE = x_asprintf("%s" KFP_METADATA, name);
        if (output) {
            char *theirs CLEANUP_FREE = x_asprintf("%s" KFP_METADATA, text_at(output, "outputArtifactKey"));
            set(t->bound, name, step_output(text_at(output, "producerTask"), text_at(output, "outputArtifactKey")));
            set(t->bound, metadata, step_output(text_at(output, "producerTask"), theirs));
        } else if (input) {
            set(t->bound, name, json_sprintf("${params.%s}", input));
            set(t->bound, metadata, json_sprintf("${params.%s" KFP_METADATA "}", input));
        } else {
            problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "input \"%.100s\" is bound in a way that is not mapped", name);
        }
    }
}

/* What is not bound has its default. */
static void bind_defaults(struct task *t)
{
    const char *name;
    json_t *definition;
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(t->component, "inputDefinitions", "parameters"), name, definition)
        if (!json_object_get(t->bound, name) && json_object_get(definition, "defaultValue"))
            set(t->bound, name, kfp_escape_all(json_object_get(definition, "defaultValue")));
}

/* ---- loops ---- */

static void add_map(struct task *t, const json_t *task, json_t *step)
{
    const json_t *parameter = json_object_get(task, "parameterIterator"), *iterator = parameter ? parameter : json_object_get(task, "artifactIterator");
    const json_t *items = json_object_get(iterator, "items"), *limit = json_object_get(json_object_get(task, "iteratorPolicy"), "parallelismLimit");
    const char *raw = json_string_value(json_object_get(items, "raw")), *item = text_at(iterator, "itemInput");
    if (!iterator)
        return;
    json_t *list = raw ? json_loads(raw, 0, NULL) : NULL;
    json_t *over = list ? kfp_escape_all(list) : json_incref(json_object_get(t->bound, text_at(items, parameter ? "inputParameter" : "inputArtifact")));
    json_decref(list);
    if (!over) {
        problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "loops over something that is not mapped");
        return;
    }
    json_t *map = json_pack("{s:o,s:s}", "over", over, "as", "item");
    if (json_is_number(limit))
        set(map, "max_parallel", json_integer((json_int_t)json_number_value(limit)));
    set(step, "map", map);
    set(t->bound, item, json_string("${map.item}"));
    if (!parameter) {
        char *metadata CLEANUP_FREE = x_asprintf("%s" KFP_METADATA, item);
        set(t->bound, metadata, json_object());
    }
}

/* ---- one task ---- */

static void add_sub_pipeline(struct task *t, json_t *step, const char *component)
{
    char *pointer CLEANUP_FREE = x_asprintf("/components/%s", component);
    json_t *pipeline = convert_dag(t->k, t->component, pointer), *inputs = json_object(), *params = json_object_get(pipeline, "params"), *param;
    const char *name;
    json_object_foreach(params, name, param)
        if (json_object_get(t->bound, name))
            (void)json_object_set(inputs, name, json_object_get(t->bound, name));
    set(step, "pipeline", pipeline);
    set(step, "inputs", inputs);
}

static void add_policy(struct task *t, const json_t *task, json_t *step)
{
    const json_t *trigger = json_object_get(task, "triggerPolicy"), *needs = json_object_get(task, "dependentTasks");
    const char *condition = json_string_value(json_object_get(trigger, "condition")), *strategy = text_at(trigger, "strategy");
    char *when CLEANUP_FREE = condition ? kfp_condition(t, condition) : NULL;
    if (json_array_size(needs))
        set(step, "needs", json_deep_copy(needs));
    if (!strcmp(strategy, "ALL_UPSTREAM_TASKS_COMPLETED"))
        set(step, "trigger", json_string("all_done"));
    if (when)
        set(step, "when", json_string(when));
}

static void add_retry(const json_t *task, json_t *step)
{
    static const struct {
        const char *theirs, *ours;
    } members[] = {{"maxRetryCount", "max"}, {"backoffDuration", "backoff"}, {"backoffFactor", "factor"}, {"backoffMaxDuration", "max_backoff"}};
    const json_t *policy = json_object_get(task, "retryPolicy");
    json_t *retry = json_object(), *value;
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if ((value = json_object_get(policy, members[i].theirs)))
            (void)json_object_set(retry, members[i].ours, value);
    if (json_object_size(retry))
        set(step, "retry", json_incref(retry));
    json_decref(retry);
}

static void add_cache(const json_t *task, json_t *step)
{
    const json_t *caching = json_object_get(task, "cachingOptions");
    if (!json_object_get(step, "cache"))
        set(step, "cache", json_is_true(json_object_get(caching, "enableCache")) ? json_pack("{s:s}", "scope", "project") : json_false());
}

static void add_executor(struct task *t, const json_t *task, json_t *step)
{
    const char *label = text_at(t->component, "executorLabel");
    const json_t *executor = json_object_get(t->k->executors, label), *container = json_object_get(executor, "container");
    const json_t *importer = json_object_get(executor, "importer");
    if (container)
        kfp_container(t, container, step);
    else if (importer)
        kfp_importer(t, importer, step);
    else
        problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "its executor \"%.100s\" is %s, which is not mapped", label,
                     executor ? "neither a container nor an importer" : "missing");
    add_retry(task, step);
    add_cache(task, step);
}

static json_t *convert_task(struct kfp *k, const char *name, const json_t *task, const char *pointer)
{
    const char *component = text_at(json_object_get(task, "componentRef"), "name");
    const json_t *inputs = json_object_get(task, "inputs");
    struct task t = {.k = k, .name = name, .pointer = pointer, .component = json_object_get(k->components, component), .bound = json_object()};
    json_t *step = json_object();
    if (!t.component) {
        problems_add(k->problems, pointer, "UNKNOWN_NAME", NULL, "names component \"%.100s\", which is not in /components", component);
    } else {
        bind_parameters(&t, json_object_get(inputs, "parameters"));
        bind_artifacts(&t, json_object_get(inputs, "artifacts"));
        bind_defaults(&t);
        add_policy(&t, task, step);
        add_map(&t, task, step);
        if (json_object_get(t.component, "dag"))
            add_sub_pipeline(&t, step, component);
        else
            add_executor(&t, task, step);
    }
    json_decref(t.bound);
    return step;
}

/* ---- a dag ---- */

static json_t *params_of(const json_t *component)
{
    json_t *params = json_object(), *definition;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(component, "inputDefinitions", "parameters"), name, definition)
    {
        json_t *one = json_pack("{s:o}", "type", kfp_type(definition)), *def = json_object_get(definition, "defaultValue");
        if (def)
            (void)json_object_set(one, "default", def);
        if (json_is_true(json_object_get(definition, "isOptional")))
            set(one, "optional", json_true());
        set(params, name, one);
    }
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(component, "inputDefinitions", "artifacts"), name, definition)
    {
        char *metadata CLEANUP_FREE = x_asprintf("%s" KFP_METADATA, name);
        bool list = json_is_true(json_object_get(definition, "isArtifactList"));
        set(params, name, list ? json_pack("{s:s,s:s}", "type", "list", "items", "model") : json_pack("{s:s}", "type", "model"));
        set(params, metadata, json_pack("{s:s,s:b}", "type", "json", "optional", 1));
    }
    return params;
}

/* An output from one of some tasks: the first that ran. */
static json_t *output_from(const json_t *dag, const json_t *selectors, const char *key, const char *suffix)
{
    json_t *first = json_array();
    bool may_be_skipped = false;
    for (size_t i = 0; i < json_array_size(selectors); i++) {
        const json_t *one = json_array_get(selectors, i);
        const char *task = text_at(one, "producerSubtask");
        char *name CLEANUP_FREE = x_asprintf("%s%s", text_at(one, key), suffix);
        const json_t *trigger = json_object_get(json_object_get(json_object_get(dag, "tasks"), task), "triggerPolicy");
        may_be_skipped |= json_object_get(trigger, "condition") != NULL;
        (void)json_array_append_new(first, step_output(task, name));
    }
    if (json_array_size(first) != 1)
        return json_pack("{s:o}", "first", first);
    json_t *out = json_pack("{s:O}", "from", json_array_get(first, 0));
    json_decref(first);
    if (may_be_skipped)
        set(out, "optional", json_true());
    return out;
}

static json_t *outputs_of(const json_t *dag)
{
    const json_t *outputs = json_object_get(dag, "outputs");
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach(json_object_get(outputs, "parameters"), name, value)
    {
        json_t *one = json_object_get(value, "valueFromParameter"), *selectors = json_object_get(json_object_get(value, "valueFromOneof"), "parameterSelectors");
        json_t *list = one ? json_pack("[O]", one) : json_incref(selectors);
        set(out, name, output_from(dag, list, "outputParameterKey", ""));
        json_decref(list);
    }
    json_object_foreach(json_object_get(outputs, "artifacts"), name, value)
    {
        char *metadata CLEANUP_FREE = x_asprintf("%s" KFP_METADATA, name);
        set(out, name, output_from(dag, json_object_get(value, "artifactSelectors"), "outputArtifactKey", ""));
        set(out, metadata, output_from(dag, json_object_get(value, "artifactSelectors"), "outputArtifactKey", KFP_METADATA));
    }
    return out;
}

static json_t *convert_dag(struct kfp *k, const json_t *component, const char *pointer)
{
    const json_t *dag = json_object_get(component, "dag");
    json_t *document = json_object(), *steps = json_object(), *task;
    const char *name;
    if (k->depth > PIPELINE_MAX_NESTING) {
        problems_add(k->problems, pointer, "RANGE", NULL, "dags stand in one another more than %d deep", PIPELINE_MAX_NESTING);
    } else {
        k->depth++;
        json_object_foreach(json_object_get(dag, "tasks"), name, task)
        {
            if (++k->n_tasks > KFP_MAX_TASKS || k->bytes > KFP_MAX_BYTES)
                break;
            char *place CLEANUP_FREE = x_asprintf("%s/dag/tasks/%s", pointer, name);
            set(steps, name, convert_task(k, name, task, place));
        }
        k->depth--;
    }
    set(document, "params", params_of(component));
    set(document, "on_failure", json_string("continue"));
    set(document, "steps", steps);
    set(document, "outputs", outputs_of(dag));
    return document;
}

/* ---- the file ---- */

bool kfp_is(const json_t *document)
{
    return json_object_get(document, "pipelineInfo") != NULL;
}

/* As a name of ours: lower case, dashes for the rest. Malloced. */
static char *our_name(const char *name)
{
    struct buf b = {.limit = PIPELINE_ID_MAX};
    if (!isalpha((unsigned char)*name))
        buf_adds(&b, "p-");
    for (; *name && !b.overflow; name++) {
        char c = isalnum((unsigned char)*name) ? (char)tolower((unsigned char)*name) : '-';
        buf_add(&b, &c, 1);
    }
    return buf_take(&b);
}

json_t *kfp_convert(const json_t *document, struct problems *problems)
{
    const json_t *info = json_object_get(document, "pipelineInfo");
    size_t before = problems->n + problems->n_dropped;
    struct kfp k = {.components = json_object_get(document, "components"),
                    .executors = json_object_get(json_object_get(document, "deploymentSpec"), "executors"),
                    .problems = problems};
    const char *version = text_at(document, "schemaVersion");
    if (strncmp(version, "2.", 2) != 0)
        problems_add(problems, "/schemaVersion", "UNSUPPORTED", NULL, "is \"%.20s\", this service reads 2.x: what the compiler of kfp 2 writes", version);
    if (!json_is_object(json_object_get(json_object_get(document, "root"), "dag")))
        problems_add(problems, "/root/dag", "REQUIRED", NULL, "is missing; a compiled pipeline has its tasks there");
    json_t *out = before == problems->n + problems->n_dropped ? convert_dag(&k, json_object_get(document, "root"), "/root") : NULL;
    if (k.n_tasks > KFP_MAX_TASKS || k.bytes > KFP_MAX_BYTES)
        problems_add(problems, "/root/dag", "TOO_LARGE", NULL, "comes to more than %d tasks, or more than %d bytes of commands, with each dag where it is named",
                     KFP_MAX_TASKS, KFP_MAX_BYTES);
    if (out && before == problems->n + problems->n_dropped) {
        char *name CLEANUP_FREE = our_name(text_at(info, "name"));
        set(out, "name", json_string(name));
        if (*text_at(info, "description"))
            set(out, "description", json_string(text_at(info, "description")));
        return out;
    }
    json_decref(out);
    return NULL;
}
