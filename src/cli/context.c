/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads and writes the contexts by the model's YAML; a token itself never stands in the file. */
#include "cli/context.h"

#include "base/mem.h"
#include "base/problems.h"
#include "cli/files.h"
#include "model/yaml.h"

#include <stdio.h>
#include <string.h>

#define CONTEXTS_MAX 100

char *contexts_path(void)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    return xdg && xdg[0] ? x_asprintf("%s/hone/config.yaml", xdg)
                         : x_asprintf("%s/.config/hone/config.yaml", home ? home : "");
}

static const char *wrong_member(json_t *object, const char *const *allowed)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        bool known = false;
        for (size_t i = 0; allowed[i]; i++)
            known |= strcmp(key, allowed[i]) == 0;
        if (!known)
            return key;
    }
    return NULL;
}

static enum err check(json_t *file, const char *path, struct error *error)
{
    static const char *const top[] = {"current", "contexts", NULL};
    static const char *const inner[] = {"url", "token_file", "project", NULL};
    json_t *contexts = json_object_get(file, "contexts");
    if (!json_is_object(file) || (contexts && !json_is_object(contexts)))
        return err_set(error, ERR_USAGE, "CONFIG_FILE", "%s: must be {current: NAME, contexts: {NAME: {url: ...}}}",
                       path);
    const char *wrong = wrong_member(file, top);
    const char *name;
    json_t *context;
    json_object_foreach(contexts, name, context)
        wrong = wrong ? wrong : wrong_member(context, inner);
    if (wrong)
        return err_set(error, ERR_USAGE, "CONFIG_FILE",
                       "%s: \"%s\" is not known (current, contexts; in a context url, token_file, project)", path,
                       wrong);
    return OK;
}

json_t *contexts_load(struct error *error)
{
    CLEANUP_FREE char *path = contexts_path();
    size_t len = 0;
    CLEANUP_FREE char *text = file_read(path, YAML_MAX_BYTES, &len, NULL);
    if (!text || strspn(text, " \t\r\n") == len)
        return json_object();
    struct error why = {0};
    json_t *file = yaml_load(text, len, &why);
    if (!file) {
        (void)err_set(error, ERR_USAGE, "CONFIG_FILE", "%s: %.400s", path, why.detail);
        return NULL;
    }
    if (!check(file, path, error))
        return file;
    json_decref(file);
    return NULL;
}

enum err contexts_save(const json_t *file, struct error *error)
{
    CLEANUP_FREE char *path = contexts_path();
    CLEANUP_FREE char *text = yaml_dump(file);
    return file_write(path, text, 0600, error);
}

enum err context_find(json_t *file, const char *name, json_t **out, struct error *error)
{
    *out = NULL;
    if (!name)
        name = json_string_value(json_object_get(file, "current"));
    if (!name)
        return OK;
    json_t *contexts = json_object_get(file, "contexts");
    *out = json_object_get(contexts, name);
    if (*out)
        return OK;
    const char *names[CONTEXTS_MAX + 1] = {NULL}, *key;
    size_t n = 0;
    json_t *value;
    json_object_foreach(contexts, key, value)
        if (n < CONTEXTS_MAX)
            names[n++] = key;
    const char *near = did_you_mean(name, names);
    return err_set(error, ERR_USAGE, "CONTEXT_UNKNOWN", "there is no context \"%s\"%s%s%s; `hone config get-contexts` lists them",
                   name, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}
