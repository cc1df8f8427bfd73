/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Executors of KFP: the command of a component, what it is told, and what it tells. */
#include "base/buf.h"
#include "base/mem.h"
#include "model/reader.h"
#include "pipeline/kfp.h"
#include "pipeline/kfp_part.h"
#include "pipeline/pipeline.h"

#include <math.h>
#include <string.h>

#define EXECUTOR_INPUT "{{$}}"

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static char *metadata_name(const char *artifact)
{
    return x_asprintf("%s" KFP_METADATA, artifact);
}

/* ---- inputs and outputs ---- */

static void add_inputs(struct task *t, json_t *inputs)
{
    const json_t *parameters = kfp_definitions(t->component, "inputDefinitions", "parameters");
    const json_t *artifacts = kfp_definitions(t->component, "inputDefinitions", "artifacts");
    const char *name;
    json_t *definition;
    json_object_foreach((json_t *)(uintptr_t)parameters, name, definition)
    {
        json_t *value = json_object_get(t->bound, name), *one;
        if (!value)
            continue;
        one = json_pack("{s:o,s:O}", "type", kfp_type(definition), "from", value);
        if (json_is_true(json_object_get(definition, "isOptional")))
            set(one, "optional", json_true());
        set(inputs, name, one);
    }
    json_object_foreach((json_t *)(uintptr_t)artifacts, name, definition)
    {
        char *metadata CLEANUP_FREE = metadata_name(name);
        json_t *value = json_object_get(t->bound, name), *beside = json_object_get(t->bound, metadata);
        if (!value)
            continue;
        if (json_is_true(json_object_get(definition, "isArtifactList"))) {
            problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "input \"%.100s\" is a list of artifacts, which a step here cannot take; pass parameters, or "
                         "one artifact", name);
            continue;
        }
        set(inputs, name, json_pack("{s:s,s:O}", "type", "model", "from", value));
        if (beside)
            set(inputs, metadata, json_pack("{s:s,s:O}", "type", "json", "from", beside));
    }
}

static json_t *outputs_of(const struct task *t)
{
    json_t *out = json_object(), *definition;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(t->component, "outputDefinitions", "parameters"), name, definition)
        set(out, name, kfp_type(definition));
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(t->component, "outputDefinitions", "artifacts"), name, definition)
    {
        char *metadata CLEANUP_FREE = metadata_name(name);
        set(out, name, json_string("model"));
        set(out, metadata, json_string("json"));
    }
    return out;
}

static json_t *reference(const char *kind, const char *name)
{
    return json_sprintf("${%s.%s}", kind, name);
}

/* A RuntimeArtifact. */
static json_t *artifact(const char *name, const json_t *definition, json_t *uri, json_t *metadata)
{
    json_t *type = json_object_get(definition, "artifactType");
    return json_pack("{s:[{s:s,s:O?,s:o,s:o}]}", "artifacts", "name", name, "type", type, "uri", uri, "metadata", metadata);
}

/* What a lightweight component is told; texts are references of ours. */
static json_t *executor_input(const struct task *t, const json_t *inputs)
{
    json_t *values = json_object(), *in = json_object(), *files = json_object(), *out = json_object(), *definition;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(t->component, "inputDefinitions", "parameters"), name, definition)
        if (json_object_get(inputs, name))
            set(values, name, reference("inputs", name));
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(t->component, "inputDefinitions", "artifacts"), name, definition)
    {
        char *metadata CLEANUP_FREE = metadata_name(name);
        if (json_object_get(inputs, name))
            set(in, name, artifact(name, definition, reference("inputs", name), json_object_get(inputs, metadata) ? reference("inputs", metadata) : json_object()));
    }
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(t->component, "outputDefinitions", "parameters"), name, definition)
        set(files, name, json_pack("{s:o}", "outputFile", reference("out", name)));
    json_object_foreach((json_t *)(uintptr_t)kfp_definitions(t->component, "outputDefinitions", "artifacts"), name, definition)
        set(out, name, artifact(name, definition, reference("out", name), json_object()));
    return json_pack("{s:{s:o,s:o},s:{s:o,s:o,s:s}}", "inputs", "parameterValues", values, "artifacts", in, "outputs", "parameters", files, "artifacts", out,
                     "outputFile", "${run.outputs}");
}

/* ---- words of the command ---- */

/* What a placeholder stands for; NULL: it is not mapped. `body` is what stands between {{$ and }}. */
static char *placeholder(const struct task *t, const json_t *inputs, const char *body)
{
    static const struct {
        const char *before, *after, *kind;
    } forms[] = {
        {".inputs.parameters[", "", "inputs"},      {".inputs.artifacts[", ".uri", "inputs"},      {".inputs.artifacts[", ".path", "inputs"},
        {".outputs.artifacts[", ".uri", "out"},     {".outputs.artifacts[", ".path", "out"},       {".outputs.parameters[", ".output_file", "out"},
    };
    static const struct {
        const char *body, *text;
    } words[] = {
        {".outputs.output_file", "${run.outputs}"}, {".pipeline_job_name", "${run.id}"},          {".pipeline_job_uuid", "${run.id}"},
        {".pipeline_job_resource_name", "${run.id}"}, {".pipeline_root", "${run.dir}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strcmp(body, words[i].body))
            return x_strdup(words[i].text);
    if (!strncmp(body, ".pipeline_task_", 15)) /* its name and its ids */
        return x_asprintf("${run.id}-%s", t->name);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        size_t before = strlen(forms[i].before), len = strlen(body), after = strlen(forms[i].after);
        char quote = len > before ? body[before] : '\0';
        if (strncmp(body, forms[i].before, before) != 0 || (quote != '\'' && quote != '"'))
            continue;
        const char *end = strchr(body + before + 1, quote);
        if (!end || end[1] != ']' || strcmp(end + 2, forms[i].after) != 0 || len < after)
            continue;
        char *name CLEANUP_FREE = x_strndup(body + before + 1, (size_t)(end - body) - before - 1);
        bool given = strcmp(forms[i].kind, "inputs") != 0 || json_object_get(inputs, name);
        return given ? x_asprintf("${%s.%s}", forms[i].kind, name) : x_strdup("null"); /* as KFP writes what is not given */
    }
    return NULL;
}

/* Text with placeholders; new reference. */
static json_t *text_word(struct task *t, const json_t *inputs, const char *text)
{
    struct buf b = BUF_INIT;
    const char *at = text, *start;
    if (!strcmp(text, EXECUTOR_INPUT))
        return json_pack("{s:o}", "json", executor_input(t, inputs));
    buf_adds(&b, "");
    while ((start = strstr(at, "{{$"))) {
        const char *end = strstr(start, "}}");
        char *body CLEANUP_FREE = end ? x_strndup(start + 3, (size_t)(end - start) - 3) : NULL;
        char *value CLEANUP_FREE = body ? placeholder(t, inputs, body) : NULL;
        char *before CLEANUP_FREE = x_strndup(at, (size_t)(start - at)), *plain CLEANUP_FREE = kfp_escape(before);
        buf_adds(&b, plain);
        if (!value)
            problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "the command has a placeholder that is not mapped: %.120s", start);
        buf_adds(&b, value ? value : "");
        at = end ? end + 2 : start + strlen(start);
    }
    char *rest CLEANUP_FREE = kfp_escape(at);
    buf_adds(&b, rest);
    char *whole CLEANUP_FREE = buf_take(&b);
    return json_string(whole);
}

/* {"Concat": [...]} and {"IfPresent": {"InputName", "Then", "Else"}} as text in place of a word: appends the words they come to. */
static void struct_words(struct task *t, const json_t *inputs, const json_t *value, json_t *words, size_t depth)
{
    const json_t *concat = json_object_get(value, "Concat"), *present = json_object_get(value, "IfPresent");
    if (depth > 8) {
        problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "the command has placeholders nested more than 8 deep");
    } else if (json_is_string(value)) {
        (void)json_array_append_new(words, text_word(t, inputs, json_string_value(value)));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            struct_words(t, inputs, json_array_get(value, i), words, depth + 1);
    } else if (concat) {
        struct buf b = BUF_INIT;
        json_t *parts = json_array();
        struct_words(t, inputs, concat, parts, depth + 1);
        buf_adds(&b, "");
        for (size_t i = 0; i < json_array_size(parts); i++)
            buf_adds(&b, json_is_string(json_array_get(parts, i)) ? json_string_value(json_array_get(parts, i)) : "");
        (void)json_array_append_new(words, json_string(b.data));
        buf_release(&b);
        json_decref(parts);
    } else if (present) {
        const char *name = json_string_value(json_object_get(present, "InputName"));
        const json_t *chosen = json_object_get(present, name && json_object_get(inputs, name) ? "Then" : "Else");
        if (chosen)
            struct_words(t, inputs, chosen, words, depth + 1);
    }
}

static void add_word(struct task *t, const json_t *inputs, const json_t *word, json_t *words)
{
    const char *text = json_string_value(word);
    t->k->bytes += json_string_length(word);
    bool is_struct = text && (!strncmp(text, "{\"Concat\":", 10) || !strncmp(text, "{\"IfPresent\":", 13));
    json_t *value = is_struct ? json_loads(text, 0, NULL) : NULL;
    if (value)
        struct_words(t, inputs, value, words, 0);
    else if (text)
        (void)json_array_append_new(words, text_word(t, inputs, text));
    json_decref(value);
}

/* A lightweight component installs its packages first: `sh -c "... pip install ... && "$0" "$@"" sh -ec ...`. */
static size_t skip_install(struct task *t, const json_t *command)
{
    const char *script = json_string_value(json_array_get(command, 2)), *next = json_string_value(json_array_get(command, 3));
    if (!script || !next || !strstr(script, "pip install") || !strstr(script, "\"$0\" \"$@\""))
        return 0;
    struct buf wanted = {.limit = 300};
    const char *at = strstr(script, "pip install"), *start;
    while ((start = strchr(at, '\'')) && strchr(start + 1, '\'')) {
        const char *end = strchr(start + 1, '\'');
        bool own = !strncmp(start + 1, "kfp", 3) || !strncmp(start + 1, "--", 2) || !strncmp(start + 1, "typing-extensions", 17);
        if (!own)
            buf_addf(&wanted, "%s%.*s", wanted.len ? ", " : "", (int)(end - start) - 1, start + 1);
        at = end + 1;
    }
    if (wanted.len)
        problems_warn(t->k->problems, t->pointer, "PACKAGES", NULL, "needs these packages, which are not installed for it: %s", wanted.data);
    buf_release(&wanted);
    return 3;
}

static json_t *command_of(struct task *t, const json_t *inputs, const json_t *container)
{
    const json_t *command = json_object_get(container, "command"), *args = json_object_get(container, "args");
    json_t *words = json_array();
    for (size_t i = skip_install(t, command); i < json_array_size(command); i++)
        add_word(t, inputs, json_array_get(command, i), words);
    if (!json_array_size(command))
        problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "its component has no command, so it runs what its image says, and images are not used here");
    for (size_t i = 0; i < json_array_size(args); i++)
        add_word(t, inputs, json_array_get(args, i), words);
    return words;
}

static void add_resources(const json_t *container, json_t *step)
{
    const json_t *r = json_object_get(container, "resources"), *accelerator = json_object_get(r, "accelerator");
    double cpu = json_number_value(json_object_get(r, "cpuLimit")), memory = json_number_value(json_object_get(r, "memoryLimit"));
    const char *count = json_string_value(json_object_get(accelerator, "count"));
    int64_t gpu = count ? strtoll(count, NULL, 10) : json_integer_value(json_object_get(accelerator, "count"));
    json_t *out = json_object();
    if (cpu > 0)
        set(out, "cpu", json_real(cpu));
    if (memory > 0)
        set(out, "memory", json_integer((json_int_t)llround(memory * 1e9)));
    if (gpu > 0)
        set(out, "gpu", json_integer(gpu));
    if (json_object_size(out))
        set(step, "resources", json_incref(out));
    json_decref(out);
}

void kfp_container(struct task *t, const json_t *container, json_t *step)
{
    json_t *inputs = json_object(), *env = json_object(), *variables = json_object_get(container, "env");
    add_inputs(t, inputs);
    for (size_t i = 0; i < json_array_size(variables); i++) {
        const json_t *one = json_array_get(variables, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name)
            set(env, name, kfp_constant(t, json_object_get(one, "value")));
    }
    if (json_object_get(container, "image") && !t->k->images_told) {
        t->k->images_told = true;
        problems_warn(t->k->problems, t->pointer, "IMAGE", NULL, "images are not used: components run as processes of this host, Python ones with the python3 and the kfp "
                      "package that the service finds");
    }
    set(step, "run", command_of(t, inputs, container));
    set(step, "protocol", json_string("kfp"));
    if (json_object_size(inputs))
        set(step, "inputs", json_incref(inputs));
    if (json_object_size(env))
        set(step, "env", json_incref(env));
    set(step, "outputs", outputs_of(t));
    add_resources(container, step);
    json_decref(inputs);
    json_decref(env);
}

/* A file of this host is copied in; its metadata is told as a component would. */
void kfp_importer(struct task *t, const json_t *importer, json_t *step)
{
    static const char script[] = "cp -R -- \"$0\" \"$1\" && printf %s \"$2\" > \"$3\"";
    const json_t *uri = json_object_get(json_object_get(importer, "artifactUri"), "constant");
    const json_t *bound = uri ? uri : json_object_get(t->bound, "uri");
    const char *text = json_string_value(bound), *scheme = text ? strstr(text, "://") : NULL;
    json_t *metadata = json_object_get(importer, "metadata");
    bool local = text && (*text == '/' || !strncmp(text, "${", 2) || !strncmp(text, "file:///", 8));
    if (!local) {
        problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "imports %.150s: only files of this host can be imported%s", text ? text : "nothing",
                     scheme ? ", nothing is fetched" : "");
        return;
    }
    json_t *told = json_pack("{s:{s:{s:[{s:O?}]}}}", "artifacts", "artifact", "artifacts", "metadata", metadata);
    set(step, "run", json_pack("[s,s,s,s,s,{s:o},s]", "sh", "-c", script, strncmp(text, "file:///", 8) ? text : text + 7, "${out.artifact}", "json", told,
                               "${run.outputs}"));
    set(step, "protocol", json_string("kfp"));
    set(step, "outputs", outputs_of(t));
    set(step, "cache", json_false()); /* the file may be another next time */
}

/* ---- what a step left ---- */

static void add_metrics(json_t *metrics, json_t *metadata)
{
    const char *name;
    json_t *value;
    json_object_foreach(metadata, name, value)
        if (json_is_number(value))
            (void)json_object_set(metrics, name, value);
}

void kfp_outputs(const struct step *s, const json_t *executor_output, json_t **values, json_t **metrics)
{
    const json_t *artifacts = json_object_get(executor_output, "artifacts");
    json_t *parameters = json_object_get(executor_output, "parameterValues");
    *values = json_is_object(parameters) ? json_copy(parameters) : json_object();
    *metrics = json_object();
    for (size_t i = 0; i < s->n_outputs; i++) {
        if (!type_is_artifact(s->outputs[i].type))
            continue;
        char *name CLEANUP_FREE = metadata_name(s->outputs[i].name);
        const json_t *list = json_object_get(json_object_get(artifacts, s->outputs[i].name), "artifacts");
        json_t *metadata = json_object_get(json_array_get(list, 0), "metadata");
        add_metrics(*metrics, metadata);
        (void)json_object_set_new(*values, name, json_is_object(metadata) ? json_incref(metadata) : json_object());
    }
}
