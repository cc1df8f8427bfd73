/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The members of one step: read, and written again in their normal form. What they refer to is looked at in pipeline_graph.c. */
#include "base/mem.h"
#include "model/spec_run.h"
#include "model/template.h"
#include "pipeline/pipeline_part.h"
#include "pipeline/ref_part.h"

#include <stdio.h>
#include <string.h>

#define MAX_ARGS 1000
#define MAX_TEXT 131000 /* of one argument or variable: the system takes 128 KiB */
#define MAX_ENV 256
#define MAX_CODE 1000
#define MAX_PATH_TEXT 4096
#define MAX_PORTS 100

static const char *const members[] = {"run",    "code",   "env",   "cwd",     "backend", "environment", "resources", "pipeline", "inputs",  "outputs", "needs",
                                      "trigger", "when",  "map",   "expand",  "retry",   "timeout",     "cache",     "metrics",  "protocol", "description", NULL};
static const char *const pipeline_members[] = {"pipeline", "inputs", "needs", "trigger", "when", "map", "description", NULL};
static const char *const finally_members[] = {"run",       "code",   "env",    "cwd",     "backend", "environment", "resources", "inputs",
                                              "outputs", "when",   "retry",  "timeout", "metrics", "protocol",    "description", NULL};
const char *const step_defaults[] = {"code", "env", "cwd", "backend", "environment", "resources", "retry", "timeout", "cache", "metrics", NULL};

static const char *const protocols[] = {"hone", "kfp", NULL};
static const char *const port_members[] = {"optional", "description", NULL};

void step_release(struct step *s)
{
    free(s->id);
    json_decref(s->run);
    json_decref(s->env);
    free(s->cwd);
    for (size_t i = 0; i < s->n_code; i++)
        free(s->code[i]);
    free(s->code);
    free(s->backend);
    json_decref(s->environment);
    json_decref(s->resources);
    pipeline_free(s->pipeline);
    json_decref(s->inputs);
    ports_free(s->inputs_declared, s->n_inputs_declared);
    free(s->needs);
    condition_free(s->when);
    json_decref(s->map_over);
    free(s->map_as);
    free(s->retry.exit_codes);
    ports_free(s->outputs, s->n_outputs);
    free(s->cache_version);
    json_decref(s->metrics);
}

/* ---- what is run ---- */

static json_t *read_word(const json_t *value, const char *pointer, struct problems *problems)
{
    static const char *const json_only[] = {"json", NULL};
    char found[SHOW_TEXT];
    if (json_is_object(value)) {
        struct reader r = reader_open(value, pointer, json_only, problems);
        if (!json_object_get(value, "json"))
            problems_add(problems, pointer, "TYPE", NULL, "is a mapping; an argument is a text, or {json: value} for a value written as JSON");
        reader_close(&r);
        return json_deep_copy(value);
    }
    if (json_is_array(value) || json_is_null(value)) {
        problems_add(problems, pointer, "TYPE", NULL, "is %s, must be a string", json_show(value, found));
        return json_string("");
    }
    char *text CLEANUP_FREE = template_value(value); /* YAML makes numbers of what was meant as an argument */
    if (strlen(text) > MAX_TEXT)
        problems_add(problems, pointer, "RANGE", NULL, "has %zu bytes, at most %d are allowed", strlen(text), MAX_TEXT);
    return json_string(text);
}

static json_t *read_argv(const struct reader *r, const json_t *list)
{
    json_t *argv = json_array();
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "run");
    size_t n = json_array_size(list);
    if (!n || n > MAX_ARGS)
        reader_bad(r, "run", "RANGE", NULL, "has %zu words, must have 1 to %d: the program and its arguments", n, MAX_ARGS);
    for (size_t i = 0; i < n && i < MAX_ARGS; i++) {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        json_t *word = read_word(json_array_get(list, i), place, r->problems);
        if (!i && json_is_string(word) && !json_string_length(word))
            problems_add(r->problems, place, "RANGE", NULL, "is empty, must be the program to run");
        (void)json_array_append_new(argv, word);
    }
    return argv;
}

static json_t *read_run(const struct reader *r)
{
    static const char *const shell_members[] = {"shell", NULL};
    const json_t *run = reader_find(r, "run");
    char found[SHOW_TEXT];
    if (!run)
        reader_bad(r, "run", "REQUIRED", NULL, "is missing; write the program and its arguments, such as [python3, train.py, --lr, \"${params.lr}\"]");
    else if (json_is_array(run))
        return read_argv(r, run);
    else if (json_is_string(run))
        reader_bad(r, "run", "TYPE", "{shell: ...}", "is one string; write a list of words, or {shell: \"...\"} to have sh read it");
    else if (!json_is_object(run))
        reader_bad(r, "run", "TYPE", NULL, "is %s, must be a list of words, or {shell: \"...\"}", json_show(run, found));
    if (!json_is_object(run))
        return json_array();
    struct reader shell = reader_enter(r, "run", shell_members);
    const char *text = reader_text(&shell, "shell", MAX_TEXT, NULL);
    if (!reader_find(&shell, "shell"))
        reader_bad(&shell, "shell", "REQUIRED", NULL, "is missing; write what sh is to run");
    reader_close(&shell);
    return json_pack("{s:s}", "shell", text ? text : "");
}

static json_t *read_env(const struct reader *step)
{
    struct reader r = reader_enter(step, "env", NULL);
    json_t *env = json_object(), *value;
    const char *name;
    if (json_object_size(r.object) > MAX_ENV)
        reader_bad(step, "env", "RANGE", NULL, "has %zu variables, at most %d are allowed", json_object_size(r.object), MAX_ENV);
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join(r.pointer, name);
        if (!spec_run_variable_ok(name))
            reader_bad(&r, name, "NAME", NULL, "is no name of a variable: letters, digits and _, not beginning with a digit");
        else if (!strncmp(name, "HONE_", 5))
            reader_bad(&r, name, "NAME", NULL, "is reserved: variables that begin with HONE_ are set by the service");
        (void)json_object_set_new(env, name, read_word(value, pointer, r.problems));
    }
    reader_close(&r);
    return env;
}

static bool path_ok(const char *path)
{
    if (*path == '/' || !*path)
        return false;
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (!strncmp(part, "..", 2) && (!part[2] || part[2] == '/'))
            return false;
    return true;
}

static void read_code(struct step *s, const struct reader *r)
{
    const json_t *value = reader_find(r, "code"), *list = json_is_string(value) ? NULL : reader_list(r, "code", MAX_CODE);
    size_t n = json_is_string(value) ? 1 : json_array_size(list);
    s->code = x_calloc(n + 1, sizeof *s->code);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = list ? json_array_get(list, i) : value;
        char found[SHOW_TEXT];
        if (json_is_string(item) && path_ok(json_string_value(item)) && json_string_length(item) <= MAX_PATH_TEXT)
            s->code[s->n_code++] = x_strdup(json_string_value(item));
        else
            reader_bad(r, "code", "PATH", NULL, "%s: must be a path below the folder of the pipeline file", json_show(item, found));
    }
}

static json_t *code_json(const struct step *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_code; i++)
        (void)json_array_append_new(list, json_string(s->code[i]));
    return list;
}

static json_t *read_environment(const struct reader *step)
{
    static const char *const kinds[] = {"venv", "conda", "image", NULL};
    struct reader r = reader_enter(step, "environment", kinds);
    json_t *out = NULL;
    if (r.object && json_object_size(r.object) != 1)
        reader_bad(step, "environment", "RANGE", NULL, "must have one member: venv (a path), conda (a name or a path) or image (a reference)");
    for (size_t i = 0; kinds[i]; i++) {
        const char *text = reader_text(&r, kinds[i], MAX_PATH_TEXT, NULL);
        if (text && !out)
            out = json_pack("{s:s}", kinds[i], text);
    }
    reader_close(&r);
    return out;
}

static json_t *read_resources(const struct reader *step)
{
    static const char *const kinds[] = {"cpu", "memory", "gpu", NULL};
    struct reader r = reader_enter(step, "resources", kinds);
    json_t *out = json_object();
    double cpu = reader_number(&r, "cpu", 0);
    int64_t memory = reader_size(&r, "memory", 1, INT64_C(1) << 50, 0), gpu = reader_int(&r, "gpu", 0, 1024, 0);
    if (cpu < 0 || cpu > 1e6)
        reader_bad(&r, "cpu", "RANGE", NULL, "is %.12g, must be from 0 to 1000000", cpu);
    if (cpu > 0)
        (void)json_object_set_new(out, "cpu", json_real(cpu));
    if (memory)
        (void)json_object_set_new(out, "memory", json_integer(memory));
    if (gpu)
        (void)json_object_set_new(out, "gpu", json_integer(gpu));
    reader_close(&r);
    if (json_object_size(out))
        return out;
    json_decref(out);
    return NULL;
}

/* ---- what goes in and out ---- */

/* {type: int, from: "${...}"} declares; anything else is a value. */
static bool is_declaration(const json_t *value)
{
    return json_object_get(value, "from") != NULL;
}

static void read_inputs(struct draft *d, const struct reader *step)
{
    static const char *const from_members[] = {"from", "optional", "description", NULL};
    struct reader r = reader_enter(step, "inputs", NULL);
    struct step *s = &d->step;
    const char *name;
    json_t *value, *doc = json_object();
    size_t n = json_object_size(r.object);
    if (n > MAX_PORTS)
        reader_bad(step, "inputs", "RANGE", NULL, "has %zu inputs, at most %d are allowed", n, MAX_PORTS);
    s->inputs = json_object();
    s->inputs_declared = x_calloc(n + 1, sizeof *s->inputs_declared);
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join(r.pointer, name);
        if (!name_ok(name))
            reader_bad(&r, name, "NAME", NULL, "is no name: letters, digits, _ and -, at most %d, beginning with a letter or _", PIPELINE_NAME_MAX);
        (void)json_object_set(s->inputs, name, is_declaration(value) ? json_object_get(value, "from") : value);
        (void)json_object_set(doc, name, value);
        if (!is_declaration(value))
            continue;
        struct type *type = json_object_get(value, "type") ? type_read(value, pointer, from_members, r.problems) : NULL;
        if (!type)
            continue;
        struct port *port = &s->inputs_declared[s->n_inputs_declared++];
        *port = (struct port){.name = x_strdup(name), .type = type, .optional = json_is_true(json_object_get(value, "optional"))};
        if (port->optional) /* null may be given for it */
            (void)type_nullable(type);
        json_t *declared = type_json(type), *whole = json_is_object(declared) ? declared : json_pack("{s:o}", "type", declared);
        (void)json_object_set(whole, "from", json_object_get(value, "from"));
        if (port->optional)
            (void)json_object_set_new(whole, "optional", json_true());
        (void)json_object_set_new(doc, name, whole);
    }
    if (json_object_size(doc))
        draft_set(d, "inputs", json_incref(doc));
    json_decref(doc);
    reader_close(&r);
}

static void read_outputs(struct draft *d, const struct reader *r)
{
    struct step *s = &d->step;
    s->outputs = ports_read(r, "outputs", port_members, MAX_PORTS, &s->n_outputs);
    if (s->n_outputs)
        draft_set(d, "outputs", ports_json(s->outputs, s->n_outputs));
}

/* ---- the whole ---- */

static void read_place(struct draft *d, const struct reader *r)
{
    struct step *s = &d->step;
    s->cwd = x_strdup(reader_text(r, "cwd", MAX_PATH_TEXT, ""));
    s->backend = x_strdup(reader_text(r, "backend", PIPELINE_ID_MAX, "process"));
    s->environment = read_environment(r);
    s->resources = read_resources(r);
    if (*s->cwd)
        draft_set(d, "cwd", json_string(s->cwd));
    if (strcmp(s->backend, "process") != 0)
        draft_set(d, "backend", json_string(s->backend));
    if (s->environment)
        draft_set(d, "environment", json_incref(s->environment));
    if (s->resources)
        draft_set(d, "resources", json_incref(s->resources));
}

static void read_command(struct draft *d, const struct reader *r)
{
    struct step *s = &d->step;
    s->run = read_run(r);
    s->env = read_env(r);
    read_code(s, r);
    s->kfp = reader_choice(r, "protocol", protocols, 0) == 1;
    s->metrics = reader_find(r, "metrics") ? spec_run_metrics(r) : NULL;
    draft_set(d, "run", json_incref(s->run));
    if (json_object_size(s->env))
        draft_set(d, "env", json_incref(s->env));
    if (s->n_code)
        draft_set(d, "code", code_json(s));
    if (s->kfp)
        draft_set(d, "protocol", json_string("kfp"));
    if (s->metrics)
        draft_set(d, "metrics", json_incref(s->metrics));
}

/* A step that is a pipeline gives what the pipeline gives. */
static void read_sub(struct reading *rd, struct draft *d, const struct reader *r)
{
    struct step *s = &d->step;
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "pipeline");
    s->env = json_object();
    s->cwd = x_strdup("");
    s->backend = x_strdup("process");
    s->cache_version = x_strdup("");
    s->pipeline = pipeline_read(reader_find(r, "pipeline"), pointer, rd->defaults, rd->nesting + 1, r->problems);
    if (!s->pipeline)
        return;
    s->n_outputs = s->pipeline->n_outputs;
    s->outputs = x_calloc(s->n_outputs + 1, sizeof *s->outputs);
    for (size_t i = 0; i < s->n_outputs; i++)
        s->outputs[i] = (struct port){.name = x_strdup(s->pipeline->outputs[i].name),
                                      .type = type_copy(s->pipeline->outputs[i].type),
                                      .optional = s->pipeline->outputs[i].optional};
    draft_set(d, "pipeline", json_incref(s->pipeline->document));
}

void step_read(struct reading *rd, struct draft *d, bool is_finally)
{
    bool sub = !is_finally && reader_find(&(struct reader){.object = d->source}, "pipeline");
    struct reader r = reader_open(d->source, d->pointer, sub ? pipeline_members : is_finally ? finally_members : members, rd->problems);
    const char *description = reader_text(&r, "description", 4000, NULL);
    d->doc = json_object();
    if (description)
        draft_set(d, "description", json_string(description));
    if (sub) {
        read_sub(rd, d, &r);
    } else {
        read_command(d, &r);
        read_place(d, &r);
        read_outputs(d, &r);
        step_read_policy(d, &r, is_finally);
    }
    read_inputs(d, &r);
    step_read_when(rd, d, &r, is_finally);
    reader_close(&r);
}
