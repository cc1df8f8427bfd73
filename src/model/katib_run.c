/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A container on this machine: its command becomes `run`. What only a cluster can give is told. */
#include "model/katib_part.h"

#include "base/mem.h"

#include <string.h>

#define MAX_WORDS 1000
#define SHELL_CHARS "\"'`$\\|&;<>"
#define SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

/* ---- the environment ---- */

static void read_variable(struct katib *k, const struct reader *r, json_t *variables)
{
    static const char *const members[] = {"name", "value", "valueFrom", NULL};
    struct reader v = reader_open(r->object, r->pointer, members, k->problems);
    const char *name = reader_text(&v, "name", KATIB_MAX_TEXT, NULL);
    const json_t *given = reader_find(&v, "value");
    char *text CLEANUP_FREE = given ? katib_text(given) : x_strdup("");
    if (v.object && !reader_find(&v, "name"))
        reader_bad(&v, "name", "REQUIRED", NULL, "is missing");
    if (reader_find(&v, "valueFrom"))
        reader_bad(&v, "valueFrom", "NEEDS_CLUSTER", NULL, "takes the value from the cluster: " KATIB_NEEDS_CLUSTER ". Write a value, or leave it to the service's own environment");
    else if (!text)
        reader_bad(&v, "value", "TYPE", NULL, "must be a string");
    else if (name) {
        char *value = katib_expand(variables, text);
        char *native CLEANUP_FREE = pointer_join("/run/env", name);
        set(variables, name, json_string(value));
        katib_map(k, native, v.pointer);
        free(value);
    }
    reader_close(&v);
}

static json_t *read_variables(struct katib *k, const struct reader *r)
{
    const json_t *list = reader_list(r, "env", MAX_WORDS);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "env");
    json_t *variables = json_object();
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        struct reader item = reader_open(json_array_get(list, i), place, NULL, k->problems);
        read_variable(k, &item, variables);
        reader_close(&item);
    }
    return variables;
}

/* ---- the command ---- */

/* command, then args: as they stand. */
static json_t *read_argv(const struct reader *r)
{
    static const char *const members[] = {"command", "args"};
    json_t *argv = json_array(), *item;
    size_t i;
    char found[SHOW_TEXT];
    for (size_t m = 0; m < ARRAY_LEN(members); m++) {
        const json_t *list = reader_list(r, members[m], MAX_WORDS);
        char *pointer CLEANUP_FREE = pointer_join(r->pointer, members[m]);
        json_array_foreach((json_t *)(uintptr_t)list, i, item)
        {
            char *text CLEANUP_FREE = katib_text(item), *place CLEANUP_FREE = pointer_index(pointer, i);
            if (text)
                (void)json_array_append_new(argv, json_string(text));
            else
                problems_add(r->problems, place, "TYPE", NULL, "is %s, must be a string", json_show(item, found));
        }
    }
    return argv;
}

/* Words that mean something to a shell were written for the one that Katib puts around them. With -c the script is one word, and they were not. */
static bool wants_shell(const json_t *argv)
{
    size_t i;
    json_t *word;
    bool special = false;
    json_array_foreach((json_t *)(uintptr_t)argv, i, word)
    {
        const char *text = json_string_value(word);
        if (!strcmp(text, "-c"))
            return false;
        for (const char *at = text; (at = strpbrk(at, SHELL_CHARS)); at++)
            special |= strncmp(at, "${trial", 7) != 0;
    }
    return special;
}

/* Katib joins all words with blanks and gives them to sh. */
static json_t *join(json_t *argv)
{
    struct buf line = BUF_INIT;
    size_t i;
    json_t *word;
    json_array_foreach(argv, i, word)
    {
        buf_addf(&line, "%s%s", i ? " " : "", json_string_value(word));
    }
    json_t *joined = json_pack("[s, s, s]", "sh", "-c", line.data ? line.data : "");
    buf_release(&line);
    json_decref(argv);
    return joined;
}

static bool is_script(const json_t *argv)
{
    const char *program = json_string_value(json_array_get(argv, 0)), *flag = json_string_value(json_array_get(argv, 1));
    const char *slash = program ? strrchr(program, '/') : NULL;
    const char *name = slash ? slash + 1 : program;
    return name && flag && (!strcmp(name, "sh") || !strcmp(name, "bash")) && flag[0] == '-' && strchr(flag, 'c');
}

/* In a script a value is pasted into code, as with Katib. */
static void warn_unsafe(struct katib *k, const struct reader *r)
{
    const char *name;
    json_t *parameter, *value;
    size_t i;
    json_object_foreach(json_object_get(k->native, "parameters"), name, parameter)
    {
        json_array_foreach(json_object_get(parameter, "values"), i, value)
        {
            const char *text = json_string_value(value);
            if (text && strspn(text, SAFE) != strlen(text)) {
                katib_warn(r, "command", "is a script for a shell, which reads the values of %.100s too, such as \"%.60s\": quote their placeholders", name, text);
                break;
            }
        }
    }
}

/* A line for sh: variables that name the file of results, then the command in place of the shell. */
static char *shell_line(const json_t *argv, json_t *env, const json_t *exports, const struct katib_metrics *m, struct katib_words *words)
{
    struct buf line = BUF_INIT;
    const char *name;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)exports, name, value)
    {
        char *word CLEANUP_FREE = katib_shell_word(words, json_string_value(value));
        buf_addf(&line, "export %s=%s; ", name, word);
        (void)json_object_del(env, name);
    }
    buf_adds(&line, "exec");
    json_array_foreach((json_t *)(uintptr_t)argv, i, value)
    {
        char *word CLEANUP_FREE = katib_shell_word(words, json_string_value(value));
        buf_addf(&line, " %s", word);
    }
    if (m->merges)
        buf_adds(&line, " 2>&1");
    return buf_take(&line);
}

static bool names_path(const json_t *texts, const char *path)
{
    size_t i;
    const char *name;
    json_t *value;
    bool found = false;
    json_array_foreach((json_t *)(uintptr_t)texts, i, value)
    {
        found |= strstr(json_string_value(value), path) != NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)texts, name, value)
    {
        found |= strstr(json_string_value(value), path) != NULL;
    }
    return found;
}

static void put_command(struct katib *k, const struct reader *r, json_t *argv, const struct katib_metrics *m, struct katib_words *words, json_t *run)
{
    json_t *env = json_object(), *exports = json_object(), *value;
    const char *name;
    size_t i;
    json_object_foreach(words->variables, name, value)
    {
        char *text CLEANUP_FREE = katib_word(words, json_string_value(value));
        set(env, name, json_string(text));
        if (m->path && strstr(json_string_value(value), m->path))
            (void)json_object_set(exports, name, value);
    }
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "command");
    katib_map(k, "/run/command", pointer);
    if (m->merges || m->path) {
        char *line CLEANUP_FREE = shell_line(argv, env, exports, m, words);
        set(run, "shell", json_true());
        set(run, "command", json_string(line));
    } else {
        json_t *list = json_array();
        json_array_foreach(argv, i, value)
        {
            char *word CLEANUP_FREE = katib_word(words, json_string_value(value));
            (void)json_array_append_new(list, json_string(word));
        }
        set(run, "command", list);
    }
    if (json_object_size(env))
        set(run, "env", json_incref(env));
    json_decref(env);
    json_decref(exports);
}

/* ---- what a process cannot have ---- */

static void needs_cluster(struct katib *k, const struct reader *r)
{
    static const struct {
        const char *member, *why;
    } needs[] = {{"volumeMounts", "mounts volumes"}, {"volumeDevices", "mounts devices"}, {"envFrom", "takes variables from the cluster"}};
    for (size_t i = 0; i < ARRAY_LEN(needs); i++)
        if (json_array_size(reader_find(r, needs[i].member)))
            reader_bad(r, needs[i].member, "NEEDS_CLUSTER", NULL, "%s: " KATIB_NEEDS_CLUSTER, needs[i].why);
    const json_t *image = reader_find(r, "image");
    if (image)
        katib_warn(r, "image", "is not used: the command runs on the machine of the service, with the programs that are there");
    if (json_object_size(json_object_get(reader_find(r, "resources"), "limits")) || json_object_size(json_object_get(reader_find(r, "resources"), "requests")))
        katib_warn(r, "resources", "are not kept apart: trials share the machine; parallelTrialCount says how many at once");
    (void)k;
}

/* ---- the whole ---- */

static const char *directory(const struct katib *k, const struct reader *r)
{
    const json_t *annotations = json_object_get(reader_find(&k->top, "metadata"), "annotations");
    const char *own = reader_text(r, "workingDir", KATIB_MAX_TEXT, NULL), *given = json_string_value(json_object_get(annotations, "hone/cwd"));
    return own ? own : given;
}

void katib_container(struct katib *k, const struct reader *r, const struct katib_metrics *m, struct katib_words *words)
{
    json_t *argv = read_argv(r), *run = json_object();
    bool has_command = json_array_size(reader_find(r, "command")) > 0;
    words->variables = read_variables(k, r);
    needs_cluster(k, r);
    if (!r->object || !has_command)
        reader_bad(r, "command", "NEEDS_CLUSTER", NULL, "is missing: the program is in the image alone. Write the command, or run it on a cluster (--backend kubernetes)");
    bool joined = has_command && m->shell && wants_shell(argv);
    if (joined)
        katib_warn(r, "command", "and args hold characters that a shell reads: they are joined and given to sh, as Katib does");
    if (joined)
        argv = join(argv);
    if (is_script(argv))
        warn_unsafe(k, r);
    if (m->path && !names_path(argv, m->path) && !names_path(words->variables, m->path))
        problems_add(k->problems, "/spec/metricsCollectorSpec/source/fileSystemPath/path", "NEEDS_CLUSTER", NULL,
                     "is %.200s, which neither command, args nor env name: all trials on this machine would write to one file. Name it there, and every trial gets "
                     "a file of its own",
                     m->path);
    if (has_command) {
        const char *cwd = directory(k, r);
        put_command(k, r, argv, m, words, run);
        if (cwd)
            set(run, "cwd", json_string(cwd));
        char *at CLEANUP_FREE = pointer_join(r->pointer, "workingDir");
        katib_map(k, "/run/cwd", reader_find(r, "workingDir") ? at : "/metadata/annotations/hone~1cwd");
        set(run, "metrics", json_incref(m->config));
        set(k->native, "run", json_incref(run));
    }
    json_decref(words->variables);
    json_decref(argv);
    json_decref(run);
}
