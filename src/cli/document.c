/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiment files made or changed by the command line. What they may hold is the model's business. */
#include "cli/document.h"

#include "base/mem.h"
#include "cli/files.h"
#include "cli/param_flag.h"
#include "model/wandb.h"
#include "model/yaml.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

json_t *document_load(const char *path, struct error *error)
{
    size_t len;
    CLEANUP_FREE char *text = file_read(path, YAML_MAX_BYTES, &len, error);
    if (!text)
        return NULL;
    struct error why = {0};
    json_t *document = yaml_load(text, len, &why);
    if (!document)
        (void)err_set(error, ERR_INVALID, why.name, "%s: %.400s", path, why.detail);
    else if (!json_is_object(document))
        (void)err_set(error, ERR_INVALID, "SPEC_INVALID", "%s: must be an experiment file (name: value lines)", path);
    if (json_is_object(document))
        return document;
    json_decref(document);
    return NULL;
}

/* The object `key` of `parent`, made when it is missing. */
static json_t *section(json_t *parent, const char *key)
{
    json_t *inner = json_object_get(parent, key);
    if (json_is_object(inner))
        return inner;
    inner = json_object();
    (void)json_object_set_new(parent, key, inner);
    return inner;
}

void document_override(json_t *d, const struct args *args)
{
    bool katib = json_object_get(d, "apiVersion") != NULL;
    const char *name = args_text(args, "name");
    if (name)
        (void)json_object_set_new(katib ? section(d, "metadata") : d, "name", json_string(name));
    json_t *trials = katib ? section(d, "spec") : d;
    if (args_has(args, "trials"))
        (void)json_object_set_new(katib ? trials : section(d, "trials"), katib ? "maxTrialCount" : "max",
                                  json_integer(args_int(args, "trials", 0)));
    if (args_has(args, "parallel"))
        (void)json_object_set_new(katib ? trials : section(d, "trials"), katib ? "parallelTrialCount" : "parallel",
                                  json_integer(args_int(args, "parallel", 0)));
    const char *backend = args_text(args, "backend");
    if (backend)
        (void)json_object_set_new(katib ? section(section(d, "metadata"), "annotations") : section(d, "run"), katib ? "hone/backend" : "backend", json_string(backend));
    if (args_has(args, "seed"))
        (void)json_object_set_new(katib ? section(section(d, "metadata"), "annotations") : d, katib ? "hone/seed" : "seed",
                                  json_integer(args_int(args, "seed", 0)));
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *dir = slash ? x_strndup(path, (size_t)(slash - path) + 1) : x_strdup(".");
    char *real = realpath(dir, NULL);
    return real ? real : x_strdup(dir);
}

/* A Katib file has no place for it but an annotation; a workingDir of its container goes first. */
static void place_katib(json_t *d, const char *path)
{
    json_t *annotations = section(section(d, "metadata"), "annotations");
    CLEANUP_FREE char *dir = directory_of(path);
    if (!json_object_get(annotations, "hone/cwd"))
        (void)json_object_set_new(annotations, "hone/cwd", json_string(dir));
}

static bool is_file(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

/* A pipeline in a file of its own is put in; its code is looked for beside it. */
static void place_pipeline(json_t *run, const char *path)
{
    CLEANUP_FREE char *dir = directory_of(path);
    const char *name = json_string_value(json_object_get(run, "pipeline"));
    CLEANUP_FREE char *file = name && is_file(name) ? (name[0] == '/' ? x_strdup(name) : x_asprintf("%s/%s", dir, name)) : NULL;
    struct error unread;
    json_t *pipeline = file ? document_load(file, &unread) : NULL; /* when it cannot be read the service says so of its name */
    CLEANUP_FREE char *root = pipeline ? directory_of(file) : x_strdup(dir);
    if (pipeline)
        (void)json_object_set_new(run, "pipeline", pipeline);
    if (!json_object_get(run, "root"))
        (void)json_object_set_new(run, "root", json_string(root));
}

void document_place(json_t *d, const char *path)
{
    if (json_object_get(d, "apiVersion")) {
        place_katib(d, path);
        return;
    }
    json_t *run = wandb_is(d) ? section(d, "run") : json_object_get(d, "run");
    const char *backend = json_string_value(json_object_get(run, "backend"));
    if (json_is_object(run) && backend && !strcmp(backend, "pipeline")) {
        place_pipeline(run, path);
        return;
    }
    if (!json_is_object(run) || (backend && strcmp(backend, "process") != 0))
        return;
    const char *cwd = json_string_value(json_object_get(run, "cwd"));
    if (cwd && cwd[0] == '/')
        return;
    CLEANUP_FREE char *dir = directory_of(path);
    CLEANUP_FREE char *full = cwd ? x_asprintf("%s/%s", dir, cwd) : x_strdup(dir);
    (void)json_object_set_new(run, "cwd", json_string(full));
}

/* ---- hone tune ---- */

static enum err add_parameters(json_t *d, const struct args *args, struct error *error)
{
    json_t *parameters = section(d, "parameters");
    const char *text;
    for (size_t i = 0; (text = args_nth(args, "param", i)); i++) {
        CLEANUP_FREE char *name = NULL;
        json_t *parameter;
        enum err rc = param_flag(text, &name, &parameter, error);
        if (rc)
            return rc;
        bool twice = json_object_get(parameters, name) != NULL;
        (void)json_object_set_new(parameters, name, parameter);
        if (twice)
            return err_set(error, ERR_USAGE, "PARAMETER_FLAG", "-p %s: %s stands there twice", text, name);
    }
    return json_object_size(parameters)
               ? OK
               : err_set(error, ERR_USAGE, "PARAMETER_FLAG", "hone tune needs a parameter, such as -p lr=1e-5..1e-1:log");
}

/* In the order of the command line: the first objective is the one leaderboards sort by. */
static enum err add_objectives(json_t *d, const struct args *args, struct error *error)
{
    json_t *list = json_array();
    for (size_t i = 0; i < args->n_given; i++) {
        const char *direction = args->rows[args->given[i].row].name;
        if (strcmp(direction, "minimize") == 0 || strcmp(direction, "maximize") == 0)
            (void)json_array_append_new(list, json_pack("{s:s, s:s}", "metric", args->given[i].text, "direction", direction));
    }
    size_t n = json_array_size(list);
    if (args_has(args, "goal") && n)
        (void)json_object_set_new(json_array_get(list, 0), "goal", json_real(args_number(args, "goal", 0)));
    if (n == 1)
        (void)json_object_set(d, "objective", json_array_get(list, 0));
    else
        (void)json_object_set(d, "objectives", list);
    json_decref(list);
    return n ? OK : err_set(error, ERR_USAGE, NULL, "hone tune needs --minimize METRIC or --maximize METRIC");
}

static void add_texts(json_t *d, const struct args *args)
{
    static const char *const plain[] = {"algorithm", "stopping"};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (args_has(args, plain[i]))
            (void)json_object_set_new(d, plain[i], json_string(args_text(args, plain[i])));
    const char *text;
    static const struct {
        const char *flag, *member;
    } lists[] = {{"constraint", "constraints"}, {"bound", "outcome_constraints"}, {"warm-start", "warm_start"}};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        json_t *list = json_array();
        for (size_t i = 0; (text = args_nth(args, lists[k].flag, i)); i++)
            (void)json_array_append_new(list, json_string(text));
        if (json_array_size(list))
            (void)json_object_set(d, lists[k].member, list);
        json_decref(list);
    }
}

static void add_limits(json_t *d, const struct args *args)
{
    static const struct {
        const char *flag, *member;
    } limits[] = {{"timeout", "time"}, {"trial-timeout", "trial_time"}};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (args_has(args, limits[i].flag))
            (void)json_object_set_new(section(d, "limits"), limits[i].member,
                                      json_real(args_seconds(args, limits[i].flag, 0)));
    if (args_has(args, "max-failed"))
        (void)json_object_set_new(section(d, "trials"), "max_failed", json_integer(args_int(args, "max-failed", 0)));
}

/* FROM or FROM:PATH; what it may be is the model's business */
static void add_metrics(json_t *run, const char *from)
{
    const char *colon = from ? strchr(from, ':') : NULL;
    if (colon)
        (void)json_object_set_new(run, "metrics", json_pack("{s:s%, s:s}", "from", from, (size_t)(colon - from), "path", colon + 1));
    else if (from)
        (void)json_object_set_new(run, "metrics", json_string(from));
}

enum err document_command(json_t *d, const struct args *args, struct error *error)
{
    if (!args->n_rest)
        return err_set(error, ERR_USAGE, NULL, "hone needs a command behind --, such as -- python3 train.py --lr {lr}");
    json_t *command = json_array();
    for (size_t i = 0; i < args->n_rest; i++)
        (void)json_array_append_new(command, json_string(args->rest[i]));
    (void)json_object_set_new(section(d, "run"), "command", command);
    add_metrics(section(d, "run"), args_text(args, "metrics"));
    return OK;
}

json_t *document_of_flags(const struct args *args, struct error *error)
{
    json_t *d = json_object();
    if (document_command(d, args, error) || add_parameters(d, args, error) || add_objectives(d, args, error)) {
        json_decref(d);
        return NULL;
    }
    add_texts(d, args);
    add_limits(d, args);
    if (!args_has(args, "trials"))
        (void)json_object_set_new(section(d, "trials"), "max", json_integer(20));
    if (args_has(args, "retries"))
        (void)json_object_set_new(section(d, "run"), "retries", json_integer(args_int(args, "retries", 0)));
    document_override(d, args);
    return d;
}
