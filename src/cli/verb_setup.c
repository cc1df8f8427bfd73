/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config, version. */
#include "base/mem.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/client.h"
#include "cli/verbs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct option_row options_config[] = {
    {"url", 0, OPT_TEXT, "URL", "set-context: address of the service"},
    {"token-file", 0, OPT_TEXT, "FILE", "set-context: file that holds the token"},
    {"project", 'P', OPT_TEXT, "NAME", "set-context: project"},
    {0},
};

/* ---- config ---- */

static const struct column setting_columns[] = {
    {"SETTING", "name", false},
    {"VALUE", "value", false},
    {"FROM", "source", false},
    {"ABOUT", "about", true},
    {NULL, NULL, false},
};

static enum err show(struct cli *cli, enum output_format format, struct error *error)
{
    const char *flags[CONFIG_COUNT];
    struct config config;
    args_settings(&cli->args, flags);
    enum err rc = config_load(&config, args_text(&cli->args, "config"), flags, error);
    if (rc)
        return rc;
    json_t *rows = json_array();
    for (size_t i = 0; i < CONFIG_COUNT; i++)
        (void)json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "name", config_rows[i].name, "value",
                                                    i == CONFIG_data ? config.data : config.text[i], "source",
                                                    config_source_name(config.source[i]), "about", config_rows[i].help));
    say(cli, "settings file: %s", config.file ? config.file : "none");
    output_rows(cli, format, setting_columns, "name", rows);
    json_decref(rows);
    config_release(&config);
    return OK;
}

static const struct column context_columns[] = {
    {"CURRENT", "current", false},      {"NAME", "name", false},       {"URL", "url", false},
    {"TOKEN-FILE", "token_file", false}, {"PROJECT", "project", false}, {NULL, NULL, false},
};

static enum err get_contexts(struct cli *cli, enum output_format format, json_t *file, struct error *error)
{
    (void)error;
    const char *current = json_string_value(json_object_get(file, "current")), *name;
    json_t *rows = json_array(), *context;
    json_object_foreach(json_object_get(file, "contexts"), name, context) {
        json_t *row = json_pack("{s:s, s:s}", "current", current && strcmp(current, name) == 0 ? "*" : "", "name", name);
        (void)json_object_update(row, context);
        (void)json_array_append_new(rows, row);
    }
    if (json_array_size(rows) || format == OUT_JSON || format == OUT_YAML)
        output_rows(cli, format, context_columns, "name", rows);
    else
        say(cli, "no contexts; `hone config set-context NAME --url URL` makes one");
    json_decref(rows);
    return OK;
}

static enum err use_context(struct cli *cli, const char *name, json_t *file, struct error *error)
{
    json_t *context;
    enum err rc = context_find(file, name, &context, error);
    if (rc)
        return rc;
    (void)json_object_set_new(file, "current", json_string(name));
    rc = contexts_save(file, error);
    if (!rc)
        say(cli, "context %s is current", name);
    return rc;
}

static void set_path(json_t *context, const char *path)
{
    char cwd[PATH_MAX];
    CLEANUP_FREE char *full = path[0] != '/' && getcwd(cwd, sizeof cwd) ? x_asprintf("%s/%s", cwd, path) : x_strdup(path);
    (void)json_object_set_new(context, "token_file", json_string(full));
}

static enum err set_context(struct cli *cli, const char *name, json_t *file, struct error *error)
{
    json_t *contexts = json_object_get(file, "contexts");
    if (!contexts) {
        contexts = json_object();
        (void)json_object_set_new(file, "contexts", contexts);
    }
    json_t *context = json_object_get(contexts, name);
    const char *url = args_text(&cli->args, "url"), *token = args_text(&cli->args, "token-file");
    const char *project = args_text(&cli->args, "project");
    if (!context && !url)
        return err_set(error, ERR_USAGE, NULL, "a new context needs --url URL");
    if (!context) {
        context = json_object();
        (void)json_object_set_new(contexts, name, context);
    }
    if (url)
        (void)json_object_set_new(context, "url", json_string(url));
    if (token)
        set_path(context, token);
    if (project)
        (void)json_object_set_new(context, "project", json_string(project));
    enum err rc = contexts_save(file, error);
    if (!rc)
        say(cli, "context %s is kept; `hone config use-context %s` makes it the current one", name, name);
    return rc;
}

enum err verb_config(struct cli *cli, struct error *error)
{
    const char *what = cli->args.words[0], *name = cli->args.n_words > 1 ? cli->args.words[1] : NULL;
    bool use = strcmp(what, "use-context") == 0, put = strcmp(what, "set-context") == 0;
    bool list = strcmp(what, "get-contexts") == 0, settings = strcmp(what, "show") == 0;
    if (!use && !put && !list && !settings)
        return err_set(error, ERR_USAGE, NULL, "hone config %s: there are show, get-contexts, use-context NAME and set-context NAME", what);
    if ((use || put) != (name != NULL))
        return err_set(error, ERR_USAGE, NULL, "hone config %s takes %s", what, use || put ? "the name of a context" : "no name");
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (rc)
        return rc;
    if (settings)
        return show(cli, format, error);
    json_t *file = contexts_load(error);
    if (!file)
        return ERR_USAGE;
    rc = use    ? use_context(cli, name, file, error)
         : put  ? set_context(cli, name, file, error)
                : get_contexts(cli, format, file, error);
    json_decref(file);
    return rc;
}

/* ---- version ---- */

static const struct column version_lines[] = {
    {"hone", "version", false},
    {"compiler", "compiler", true},
    {NULL, NULL, false},
};

/* ---- link ---- */

static const struct column link_lines[] = {{"URL", "url", false}, {NULL, NULL, false}};

enum err verb_link(struct cli *cli, struct error *error)
{
    enum output_format format;
    json_t *link;
    enum err rc = output_format(cli, OUT_NAME, false, &format, error);
    if (!rc)
        rc = client_open(cli, error);
    if (!rc)
        rc = client_get(cli, "/api/v1/link", &link, error);
    if (rc)
        return rc;
    output_object(format, link_lines, "url", link);
    json_decref(link);
    return OK;
}

enum err verb_version(struct cli *cli, struct error *error)
{
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (rc)
        return rc;
    json_t *version = json_pack("{s:s, s:s}", "version", HONE_VERSION, "compiler", __VERSION__);
    output_object(format, version_lines, "version", version);
    json_decref(version);
    return OK;
}
