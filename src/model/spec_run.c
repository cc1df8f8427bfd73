/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/spec_run.h"

#include "base/mem.h"
#include "model/reader.h"
#include "model/spec_cluster.h"
#include "model/template.h"

#include <ctype.h>
#include <string.h>

#define MAX_ARGS 1000
#define MAX_TEXT 32768 /* of one argument or variable; the system allows 128 KiB */
#define MAX_ENV 256
#define MAX_FILTERS 20
#define MAX_FILTER_TEXT 500
#define MAX_PATH_TEXT 4096
#define MAX_CODES 64
#define MAX_RETRIES 100
#define MAX_WAIT 3600.0        /* seconds of grace, of retry_delay */
#define MAX_CPU_TIME 315360000 /* seconds: ten years */
#define MAX_BYTES (INT64_C(1) << 50)
#define LEAST_LOG 4096
#define DEFAULT_LOG (INT64_C(64) << 20)
#define DEFAULT_GRACE 10
#define DEFAULT_RETRY_DELAY 1
#define MAX_BACKENDS 64

#define PROCESS_MEMBERS "success_codes", "log_limit", "limits"
#define PIPELINE_MEMBERS "pipeline", "params", "code", "root"
static const char *const members[] = {"backend",  "command", "shell",         "env",            "cwd",                "metrics", "retries", "retry_delay",
                                      "retry_on", "grace",   PROCESS_MEMBERS, PIPELINE_MEMBERS, SPEC_CLUSTER_MEMBERS, NULL};
static const char *const process_members[] = {PROCESS_MEMBERS, NULL}, *const pipeline_members[] = {PIPELINE_MEMBERS, NULL};
static const char *const metrics_members[] = {"from", "path", "format", "filters", NULL};
static const char *const limits_members[] = {"memory", "cpu_time", "files", "file_size", "processes", NULL};
static const char *const sources[] = {"stdout", "stderr", "file", "tensorboard", "mlflow", "kubeflow", NULL};
enum { FROM_FILE = 2, FROM_TENSORBOARD };
static const char *const formats[] = {"auto", "text", "json", NULL};

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

/* A text with placeholders: YAML makes numbers of what was meant as an argument, so those are taken too. NULL: told as wrong. */
static json_t *read_word(const json_t *value, const char *pointer, const char *const *names, struct problems *problems)
{
    char found[SHOW_TEXT];
    if (json_is_object(value) || json_is_array(value) || json_is_null(value)) {
        bool braces = json_is_object(value); /* {lr} without quotes is a mapping in YAML */
        problems_add(problems, pointer, "TYPE", braces ? "\"{name}\"" : NULL, "is %s, must be a string%s", json_show(value, found),
                     braces ? "; put a placeholder in quotes" : "");
        return NULL;
    }
    char *text CLEANUP_FREE = template_value(value);
    if (strlen(text) > MAX_TEXT) {
        problems_add(problems, pointer, "RANGE", NULL, "has %zu bytes, at most %d are allowed", strlen(text), MAX_TEXT);
        return NULL;
    }
    template_check(text, names, pointer, problems);
    return json_string(text);
}

static json_t *read_argv(const struct reader *r, const json_t *list, const char *const *names)
{
    json_t *argv = json_array();
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "command");
    size_t n = json_array_size(list);
    if (!n || n > MAX_ARGS)
        reader_bad(r, "command", "RANGE", NULL, "has %zu words, must have 1 to %d: the program and its arguments", n, MAX_ARGS);
    for (size_t i = 0; i < n && i < MAX_ARGS; i++) {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        json_t *word = read_word(json_array_get(list, i), place, names, r->problems);
        if (word && !i && !json_string_length(word))
            problems_add(r->problems, place, "RANGE", NULL, "is empty, must be the program to run");
        if (word)
            (void)json_array_append_new(argv, word);
    }
    return argv;
}

static json_t *read_command(const struct reader *r, bool shell, const char *const *names)
{
    const json_t *command = reader_find(r, "command");
    char found[SHOW_TEXT];
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "command");
    if (!command)
        reader_bad(r, "command", "REQUIRED", NULL, "is missing; write the program and its arguments, such as [python3, train.py, --lr, \"{lr}\"]");
    else if (json_is_array(command) && !shell)
        return read_argv(r, command, names);
    else if (json_is_array(command))
        reader_bad(r, "command", "CONFLICT", NULL, "is a list; with shell: true it must be one string for sh");
    else if (!json_is_string(command))
        reader_bad(r, "command", "TYPE", NULL, "is %s, must be a list of words", json_show(command, found));
    else if (!shell)
        reader_bad(r, "command", "CONFLICT", "shell: true", "is one string; write a list of words, or add shell: true to have sh read it");
    else if (!json_string_length(command))
        reader_bad(r, "command", "RANGE", NULL, "is empty");
    else
        return read_word(command, pointer, names, r->problems);
    return json_null();
}

bool spec_run_variable_ok(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

static json_t *read_env(const struct reader *run, const char *const *names)
{
    struct reader r = reader_enter(run, "env", NULL);
    json_t *env = json_object(), *value;
    const char *name;
    if (json_object_size(r.object) > MAX_ENV)
        reader_bad(run, "env", "RANGE", NULL, "has %zu variables, at most %d are allowed", json_object_size(r.object), MAX_ENV);
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join(r.pointer, name);
        if (!spec_run_variable_ok(name))
            reader_bad(&r, name, "NAME", NULL, "is no name of a variable: letters, digits and _, not beginning with a digit");
        else if (!strncmp(name, "HONE_", 5))
            reader_bad(&r, name, "NAME", NULL, "is reserved: variables that begin with HONE_ are set by the service");
        json_t *text = read_word(value, pointer, names, run->problems);
        if (text)
            set(env, name, text);
    }
    reader_close(&r);
    return env;
}

static json_t *read_filters(const struct reader *r)
{
    const json_t *list = reader_list(r, "filters", MAX_FILTERS);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "filters");
    char found[SHOW_TEXT];
    size_t i;
    json_t *item, *filters = list ? json_array() : NULL;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        size_t len = json_string_length(item);
        if (json_is_string(item) && len && len <= MAX_FILTER_TEXT)
            (void)json_array_append(filters, item);
        else
            problems_add(r->problems, place, "TYPE", NULL, "is %s, must be a regular expression of 1 to %d bytes with two groups: name and value",
                         json_show(item, found), MAX_FILTER_TEXT);
    }
    return filters;
}

json_t *spec_run_metrics(const struct reader *run)
{
    const json_t *given = reader_find(run, "metrics");
    bool word = json_is_string(given); /* metrics: stderr */
    char *pointer CLEANUP_FREE = pointer_join(run->pointer, "metrics");
    struct reader r = reader_open(word ? NULL : given, pointer, metrics_members, run->problems);
    const char *path = reader_text(&r, "path", MAX_PATH_TEXT, NULL);
    bool has_path = reader_find(&r, "path") != NULL;
    int from = reader_choice(word ? run : &r, word ? "metrics" : "from", sources, has_path ? FROM_FILE : 0);
    if (from == FROM_FILE && !has_path)
        reader_bad(&r, "path", "REQUIRED", NULL, "is missing; metrics from a file need its path (relative to the trial's directory)");
    if (from != FROM_FILE && from != FROM_TENSORBOARD && has_path)
        reader_bad(&r, "path", "UNUSED", NULL, "belongs to from: file or tensorboard, here it is %s", sources[from]);
    json_t *out = json_pack("{s:s}", "from", sources[from]);
    if (path)
        set(out, "path", json_string(path));
    set(out, "format", json_string(formats[reader_choice(&r, "format", formats, 0)]));
    json_t *filters = read_filters(&r);
    if (filters)
        set(out, "filters", filters);
    reader_close(&r);
    return out;
}

static json_t *read_codes(const struct reader *r, const char *member, int least, json_t *def)
{
    const json_t *list = reader_list(r, member, MAX_CODES);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, member);
    char found[SHOW_TEXT];
    size_t i;
    json_t *item;
    if (!list)
        return def;
    json_decref(def);
    json_t *codes = json_array();
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        int64_t code;
        if (json_whole(item, &code) && code >= least && code <= 255)
            (void)json_array_append_new(codes, json_integer(code));
        else
            problems_add(r->problems, place, "RANGE", NULL, "is %s, must be an exit code from %d to 255", json_show(item, found), least);
    }
    return codes;
}

static json_t *read_limits(const struct reader *run)
{
    struct reader r = reader_enter(run, "limits", limits_members);
    json_t *out = json_object();
    static const struct {
        const char *member;
        bool bytes;
        int64_t min, max;
    } numbers[] = {{"memory", true, INT64_C(1) << 20, MAX_BYTES},
                   {"files", false, 8, 1 << 20},
                   {"file_size", true, 4096, MAX_BYTES},
                   {"processes", false, 1, 1 << 22}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *member = numbers[i].member;
        int64_t value = numbers[i].bytes ? reader_size(&r, member, numbers[i].min, numbers[i].max, -1)
                                         : reader_int(&r, member, numbers[i].min, numbers[i].max, -1);
        if (value >= 0)
            set(out, member, json_integer(value));
    }
    double cpu_time = reader_duration(&r, "cpu_time", 1, MAX_CPU_TIME, 0);
    if (cpu_time > 0)
        set(out, "cpu_time", json_real(cpu_time));
    reader_close(&r);
    return out;
}

static const char *read_backend(const struct reader *r, const struct catalog_entry *backends)
{
    const char *names[MAX_BACKENDS + 1] = {0};
    int fallback = 0;
    for (int i = 0; i < MAX_BACKENDS && backends[i].name; i++) {
        names[i] = backends[i].name;
        if (!strcmp(names[i], "process"))
            fallback = i;
    }
    return names[reader_choice(r, "backend", names, fallback)];
}

/* What each parameter of the pipeline is given: a value, or a text with placeholders. */
static json_t *read_bindings(const struct reader *run, const char *const *names)
{
    struct reader r = reader_enter(run, "params", NULL);
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join(r.pointer, name);
        if (json_is_string(value))
            template_check(json_string_value(value), names, pointer, run->problems);
        set(out, name, json_deep_copy(value));
    }
    reader_close(&r);
    return out;
}

/* With backend: pipeline a trial is a run of one; src/pipeline reads what stands in it. */
static void read_pipeline(const struct reader *r, json_t *out, const char *const *names)
{
    static const char *const not_here[] = {"command", "shell", "env", "cwd", NULL};
    const json_t *pipeline = reader_find(r, "pipeline"), *code = reader_find(r, "code");
    for (size_t i = 0; not_here[i]; i++)
        if (reader_find(r, not_here[i]))
            reader_bad(r, not_here[i], "CONFLICT", NULL, "does not go with backend: pipeline; the steps have their own");
    if (!json_is_object(pipeline))
        reader_bad(r, "pipeline", "REQUIRED", NULL, "must be a pipeline (its steps, params, outputs), or the name of one that is kept: name@version");
    else
        set(out, "pipeline", json_deep_copy(pipeline));
    if (code)
        set(out, "code", json_deep_copy(code));
    (void)reader_find(r, "root");
    set(out, "params", read_bindings(r, names));
}

/* A command: of a process, or in a container. */
static void read_program(const struct reader *r, const char *const *names, bool cluster, json_t *out)
{
    bool shell = reader_bool(r, "shell", false), image = cluster && spec_cluster(r, names, out);
    if (cluster ? image && reader_find(r, "command") : r->object != NULL)
        set(out, "command", read_command(r, shell, names));
    if (image || !cluster)
        set(out, "shell", json_boolean(shell));
    set(out, "env", read_env(r, names));
}

/* What a process on a machine has, and a container has otherwise. */
static void read_process(const struct reader *r, json_t *out)
{
    set(out, "success_codes", read_codes(r, "success_codes", 0, json_pack("[i]", 0)));
    set(out, "log_limit", json_integer(reader_size(r, "log_limit", LEAST_LOG, MAX_BYTES, DEFAULT_LOG)));
    set(out, "limits", read_limits(r));
}

static void refuse_process(const struct reader *r, const json_t *out)
{
    const char *from = json_string_value(json_object_get(json_object_get(out, "metrics"), "from"));
    for (size_t i = 0; process_members[i]; i++)
        if (reader_find(r, process_members[i]))
            reader_bad(r, process_members[i], "UNUSED", NULL, "belongs to backend process; a container has resources, and any exit code but 0 is a failure");
    if (from && strcmp(from, "stdout") != 0 && strcmp(from, "stderr") != 0)
        problems_add(r->problems, "/run/metrics", "UNSUPPORTED", "stdout", "is from %s; of a container in a cluster only what it prints is read: print the metrics, or report them over HTTP (token: true)", from);
}

static void refuse_pipeline(const struct reader *r)
{
    for (size_t i = 0; pipeline_members[i]; i++)
        if (reader_find(r, pipeline_members[i]))
            reader_bad(r, pipeline_members[i], "CONFLICT", "backend: pipeline", "belongs to backend: pipeline");
}

json_t *spec_run(const json_t *run, const struct catalog_entry *backends, const char *const *names, struct problems *problems)
{
    struct reader r = reader_open(run, "/run", members, problems);
    json_t *out = json_object();
    const char *cwd = reader_text(&r, "cwd", MAX_PATH_TEXT, NULL);
    const char *backend = r.object ? read_backend(&r, backends) : "";
    bool pipeline = !strcmp(backend, "pipeline"), cluster = !strcmp(backend, "kubernetes");
    if (r.object)
        set(out, "backend", json_string(backend));
    if (!pipeline)
        refuse_pipeline(&r);
    if (!cluster)
        spec_cluster_none(&r, backend);
    if (pipeline)
        read_pipeline(&r, out, names);
    else
        read_program(&r, names, cluster, out);
    if (cwd) {
        template_check(cwd, names, "/run/cwd", problems);
        set(out, "cwd", json_string(cwd));
    }
    set(out, "metrics", spec_run_metrics(&r));
    set(out, "retries", json_integer(reader_int(&r, "retries", 0, MAX_RETRIES, 0)));
    set(out, "retry_delay", json_real(reader_duration(&r, "retry_delay", 0, MAX_WAIT, DEFAULT_RETRY_DELAY)));
    set(out, "retry_on", read_codes(&r, "retry_on", 1, json_array()));
    set(out, "grace", json_real(reader_duration(&r, "grace", 0, MAX_WAIT, DEFAULT_GRACE)));
    if (cluster)
        refuse_process(&r, out);
    else
        read_process(&r, out);
    reader_close(&r);
    return out;
}
