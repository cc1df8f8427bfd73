/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the service's settings: every source gives text, one function a type reads it. */
#include "config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/problems.h"
#include "model/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES (64u << 10)

const struct config_row config_rows[CONFIG_COUNT] = {
#define SETTING(type_, name_, def_, min_, max_, help_)                                              \
    [CONFIG_##name_] = {.name = #name_, .def = def_, .help = help_, .type = CONFIG_##type_,         \
                        .min = min_, .max = max_},
#include "config.def"
#undef SETTING
};

static const size_t offsets[CONFIG_COUNT] = {
#define SETTING(type, name, def, min, max, help) [CONFIG_##name] = offsetof(struct config, name),
#include "config.def"
#undef SETTING
};

const char *config_source_name(enum config_source source)
{
    static const char *const names[] = {"default", "file", "environment", "flag"};
    return names[source];
}

static char *absolute(const char *path)
{
    if (path[0] == '/')
        return x_strdup(path);
    char cwd[PATH_MAX];
    return getcwd(cwd, sizeof cwd) ? x_asprintf("%s/%s", cwd, path) : x_strdup(path);
}

static const char *env_or_null(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

char *config_data_dir(void)
{
    const char *data = env_or_null("HONE_DATA");
    if (data)
        return absolute(data);
    const char *xdg = env_or_null("XDG_DATA_HOME"), *home = env_or_null("HOME");
    return xdg ? x_asprintf("%s/hone", xdg) : x_asprintf("%s/.local/share/hone", home ? home : "");
}

/* ---- a value of each type from its text ---- */

static enum err bad(const struct config_row *row, const char *text, const char *rule, struct error *error)
{
    return err_set(error, ERR_USAGE, "SETTING_INVALID", "%s: \"%s\" %s", row->name, text, rule);
}

static enum err read_text(const struct config_row *row, const char *text, void *out, struct error *error)
{
    (void)row, (void)error;
    *(char **)out = x_strdup(text);
    return OK;
}

static enum err read_list(const struct config_row *row, const char *text, void *out, struct error *error)
{
    (void)row, (void)error;
    size_t n = 0;
    char **list = x_calloc(strlen(text) + 2, sizeof *list);
    for (const char *p = text; *p; p += strcspn(p, ",")) {
        p += strspn(p, ", ");
        size_t len = strcspn(p, ", ");
        if (len)
            list[n++] = x_strndup(p, len);
    }
    *(char ***)out = list;
    return OK;
}

static enum err read_int(const struct config_row *row, const char *text, void *out, struct error *error)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < row->min || value > row->max) {
        char rule[80];
        (void)snprintf(rule, sizeof rule, "must be a whole number from %d to %d", row->min, row->max);
        return bad(row, text, rule, error);
    }
    *(int *)out = (int)value;
    return OK;
}

static enum err read_bool(const struct config_row *row, const char *text, void *out, struct error *error)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(text, words[i]) == 0) {
            *(bool *)out = i % 2;
            return OK;
        }
    return bad(row, text, "must be true or false", error);
}

static enum err read_choice(const struct config_row *row, const char *text, void *out, struct error *error)
{
    int i = 0;
    for (const char *p = row->help; *p && *p != ':'; i++) {
        size_t len = strcspn(p, "|:");
        if (strlen(text) == len && strncmp(p, text, len) == 0) {
            *(int *)out = i;
            return OK;
        }
        p += len + (p[len] == '|');
    }
    char rule[120];
    (void)snprintf(rule, sizeof rule, "must be one of %.*s", (int)strcspn(row->help, ":"), row->help);
    return bad(row, text, rule, error);
}

static enum err (*const readers[])(const struct config_row *, const char *, void *, struct error *) = {
    [CONFIG_TEXT] = read_text, [CONFIG_LIST] = read_list,     [CONFIG_INT] = read_int,
    [CONFIG_BOOL] = read_bool, [CONFIG_CHOICE] = read_choice,
};

/* ---- the sources ---- */

static void take(struct config *c, size_t id, enum config_source source, const char *text)
{
    free(c->text[id]);
    c->text[id] = x_strdup(text);
    c->source[id] = source;
}

static char *scalar_text(const json_t *value)
{
    if (json_is_string(value))
        return x_strdup(json_string_value(value));
    if (json_is_boolean(value))
        return x_strdup(json_is_true(value) ? "true" : "false");
    if (json_is_integer(value))
        return x_asprintf("%lld", (long long)json_integer_value(value));
    return NULL;
}

static char *value_text(const struct config_row *row, const json_t *value)
{
    if (!json_is_array(value) || row->type != CONFIG_LIST)
        return scalar_text(value);
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < json_array_size(value); i++) {
        CLEANUP_FREE char *item = scalar_text(json_array_get(value, i));
        buf_addf(&b, "%s%s", i ? "," : "", item ? item : "");
    }
    return buf_take(&b);
}

static int find_row(const char *key)
{
    for (int i = 0; i < CONFIG_COUNT; i++)
        if (strcmp(config_rows[i].name, key) == 0)
            return i;
    return -1;
}

static enum err unknown_key(const char *file, const char *key, struct error *error)
{
    const char *names[CONFIG_COUNT + 1] = {NULL};
    for (int i = 0; i < CONFIG_COUNT; i++)
        names[i] = config_rows[i].name;
    const char *near = did_you_mean(key, names);
    return err_set(error, ERR_USAGE, "SETTING_UNKNOWN", "%s: there is no setting \"%s\"%s%s%s", file, key,
                   near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static enum err read_object(struct config *c, const char *file, json_t *object, struct error *error)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        int id = find_row(key);
        if (id < 0)
            return unknown_key(file, key, error);
        CLEANUP_FREE char *text = value_text(&config_rows[id], value);
        if (!text)
            return err_set(error, ERR_USAGE, "SETTING_INVALID", "%s: %s must be a plain value", file, key);
        take(c, (size_t)id, CONFIG_FROM_FILE, text);
    }
    return OK;
}

static enum err read_file(struct config *c, const char *file, bool must_exist, struct error *error)
{
    FILE *f = fopen(file, "re");
    if (!f) {
        if (!must_exist && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
            return OK;
        return err_set(error, ERR_USAGE, "CONFIG_FILE", "%s: %s", file, strerror(errno));
    }
    CLEANUP_FREE char *text = x_malloc(FILE_MAX_BYTES + 1);
    size_t len = fread(text, 1, FILE_MAX_BYTES + 1, f);
    (void)fclose(f);
    if (len > FILE_MAX_BYTES)
        return err_set(error, ERR_USAGE, "CONFIG_FILE", "%s: larger than a settings file can be", file);
    c->file = x_strdup(file);
    text[len] = '\0';
    if (strspn(text, " \t\r\n") == len)
        return OK;
    struct error why = {0};
    json_t *object = yaml_load(text, len, &why);
    if (!object)
        return err_set(error, ERR_USAGE, "CONFIG_FILE", "%s: %.400s", file, why.detail);
    enum err rc = json_is_object(object) || json_is_null(object)
                      ? read_object(c, file, object, error)
                      : err_set(error, ERR_USAGE, "CONFIG_FILE", "%s: must be `name: value` lines", file);
    json_decref(object);
    return rc;
}

static enum err read_files(struct config *c, const char *file, struct error *error)
{
    const char *given = file ? file : env_or_null("HONE_CONFIG");
    if (given)
        return read_file(c, given, true, error);
    const char *xdg = env_or_null("XDG_CONFIG_HOME"), *home = env_or_null("HOME");
    CLEANUP_FREE char *user = xdg ? x_asprintf("%s/hone/server.yaml", xdg)
                                  : x_asprintf("%s/.config/hone/server.yaml", home ? home : "");
    enum err rc = read_file(c, user, false, error);
    return rc || c->file ? rc : read_file(c, "/etc/hone/server.yaml", false, error);
}

static void read_env(struct config *c)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        char name[64] = "HONE_";
        size_t at = strlen(name);
        for (const char *p = config_rows[i].name; *p && at < sizeof name - 1; p++)
            name[at++] = (char)toupper((unsigned char)*p);
        name[at] = '\0';
        const char *value = env_or_null(name);
        if (value)
            take(c, i, CONFIG_FROM_ENV, value);
    }
}

static enum err decode(struct config *c, struct error *error)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        enum err rc = readers[row->type](row, c->text[i], (char *)c + offsets[i], error);
        if (rc)
            return rc;
    }
    CLEANUP_FREE char *data = c->data;
    c->data = data[0] ? absolute(data) : config_data_dir();
    return OK;
}

enum err config_load(struct config *config, const char *file, const char *const *flags, struct error *error)
{
    struct config c = {0};
    for (size_t i = 0; i < CONFIG_COUNT; i++)
        take(&c, i, CONFIG_FROM_DEFAULT, config_rows[i].def);
    enum err rc = read_files(&c, file, error);
    if (!rc) {
        read_env(&c);
        for (size_t i = 0; flags && i < CONFIG_COUNT; i++)
            if (flags[i])
                take(&c, i, CONFIG_FROM_FLAG, flags[i]);
        rc = decode(&c, error);
    }
    if (rc)
        config_release(&c);
    else
        *config = c;
    return rc;
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        void *at = (char *)config + offsets[i];
        free(config->text[i]);
        if (config_rows[i].type == CONFIG_TEXT)
            free(*(char **)at);
        if (config_rows[i].type != CONFIG_LIST || !*(char ***)at)
            continue;
        for (char **p = *(char ***)at; *p; p++)
            free(*p);
        free(*(char ***)at);
    }
    free(config->file);
    *config = (struct config){0};
}
