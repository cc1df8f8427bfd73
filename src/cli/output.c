/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One value, many looks. */
#include "cli/output.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/problems.h"
#include "cli/table.h"
#include "model/template.h"
#include "model/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 400

static const char *const formats[] = {"table", "wide", "json", "yaml", "jsonl", "csv", "name", "env", "args", NULL};

enum err output_format(const struct cli *cli, enum output_format otherwise, bool with_params,
                       enum output_format *out, struct error *error)
{
    const char *text = args_text(&cli->args, "output"), *env = getenv("HONE_OUTPUT");
    *out = otherwise;
    if (!text && env && env[0])
        text = env;
    if (!text)
        return OK;
    for (size_t i = 0; formats[i]; i++)
        if (strcmp(text, formats[i]) == 0 && (i < OUT_ENV || with_params)) {
            *out = (enum output_format)i;
            return OK;
        }
    const char *near = did_you_mean(text, formats);
    return err_set(error, ERR_USAGE, "OUTPUT_FORMAT", "-o %s: must be table, wide, json, yaml, jsonl, csv%s%s%s%s", text,
                   with_params ? ", name, env or args" : " or name", near ? " (did you mean " : "",
                   near ? near : "", near ? "?)" : "");
}

/* Names of parameters may hold dots, so each way to split is tried, the longest key first. */
json_t *json_at(json_t *object, const char *path)
{
    json_t *whole = json_object_get(object, path);
    if (whole || !json_is_object(object))
        return whole;
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        CLEANUP_FREE char *key = x_strndup(path, (size_t)(dot - path));
        json_t *inner = json_object_get(object, key);
        json_t *found = inner ? json_at(inner, dot + 1) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

char *value_text(json_t *value)
{
    if (!value || json_is_null(value))
        return x_strdup("-");
    if (json_is_string(value))
        return x_strdup(json_string_value(value));
    if (json_is_real(value))
        return x_asprintf("%.6g", json_real_value(value));
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? text : x_strdup("-");
}

/* For csv: nothing is rounded, missing is empty. */
static char *exact_text(json_t *value)
{
    if (!value || json_is_null(value))
        return x_strdup("");
    if (json_is_object(value) || json_is_array(value)) {
        char *text = json_dumps(value, JSON_COMPACT);
        return text ? text : x_strdup("");
    }
    return template_value(value);
}

void output_json(json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    (void)putchar('\n');
}

static void output_yaml(json_t *value)
{
    CLEANUP_FREE char *text = yaml_dump(value);
    size_t len = strlen(text);
    (void)printf("%s%s", text, len && text[len - 1] == '\n' ? "" : "\n");
}

/* ---- columns ---- */

struct columns {
    char *titles[COLUMNS_MAX], *paths[COLUMNS_MAX];
    size_t n;
};

static void columns_release(struct columns *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->titles[i]);
        free(c->paths[i]);
    }
}

static void add_column(struct columns *c, const char *title, const char *path)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->paths[i], path) == 0)
            return;
    if (c->n == COLUMNS_MAX)
        return;
    c->titles[c->n] = x_strdup(title);
    c->paths[c->n++] = x_strdup(path);
}

/* "params.*": the members of `params` over all rows, in the order they are met. */
static void add_star(struct columns *c, const char *path, json_t *rows, bool full_title)
{
    CLEANUP_FREE char *parent = x_strndup(path, strlen(path) - 2);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *key;
        json_t *value;
        json_object_foreach(json_at(json_array_get(rows, i), parent), key, value) {
            CLEANUP_FREE char *full = x_asprintf("%s.%s", parent, key);
            add_column(c, full_title ? full : key, full);
        }
    }
}

static void add_any(struct columns *c, const char *title, const char *path, json_t *rows, bool csv)
{
    size_t len = strlen(path);
    if (len > 2 && strcmp(path + len - 2, ".*") == 0)
        add_star(c, path, rows, csv);
    else
        add_column(c, csv ? path : title, path);
}

static void choose(struct columns *c, const char *wanted, enum output_format format, const struct column *columns,
                   json_t *rows)
{
    bool csv = format == OUT_CSV;
    if (!wanted) {
        for (const struct column *k = columns; k->title; k++)
            if (!k->wide || format != OUT_TABLE)
                add_any(c, k->title, k->path, rows, csv);
        return;
    }
    for (const char *p = wanted; *p; p += strspn(p, ", ")) {
        size_t len = strcspn(p, ", ");
        CLEANUP_FREE char *path = x_strndup(p, len);
        CLEANUP_FREE char *title = x_strdup(path);
        for (char *t = title; *t; t++)
            *t = (char)toupper((unsigned char)*t);
        if (len)
            add_any(c, title, path, rows, csv);
        p += len;
    }
}

/* ---- looks ---- */

static void csv_cell(const char *text, bool last)
{
    if (strpbrk(text, ",\"\r\n")) {
        (void)putchar('"');
        for (const char *p = text; *p; p++)
            (void)fputs(*p == '"' ? "\"\"" : (char[]){*p, '\0'}, stdout);
        (void)putchar('"');
    } else {
        (void)fputs(text, stdout);
    }
    (void)fputs(last ? "\r\n" : ",", stdout); /* RFC 4180 */
}

static void print_csv(const struct columns *c, json_t *rows, bool headers)
{
    for (size_t k = 0; headers && k < c->n; k++)
        csv_cell(c->titles[k], k + 1 == c->n);
    for (size_t i = 0; i < json_array_size(rows); i++)
        for (size_t k = 0; k < c->n; k++) {
            CLEANUP_FREE char *text = exact_text(json_at(json_array_get(rows, i), c->paths[k]));
            csv_cell(text, k + 1 == c->n);
        }
}

static void print_table(const struct columns *c, json_t *rows, bool headers)
{
    if (!c->n)
        return;
    struct table *t = table_new(c->n);
    for (size_t k = 0; headers && k < c->n; k++)
        table_cell(t, c->titles[k]);
    for (size_t i = 0; i < json_array_size(rows); i++)
        for (size_t k = 0; k < c->n; k++) {
            json_t *value = json_at(json_array_get(rows, i), c->paths[k]);
            if (json_is_number(value))
                table_align_right(t, k);
            CLEANUP_FREE char *text = value_text(value);
            table_cell(t, text);
        }
    table_print(t, stdout);
    table_free(t);
}

static void print_lines(json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        (void)json_dumpf(json_array_get(rows, i), stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        (void)putchar('\n');
    }
}

static void print_names(const char *name_path, json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        CLEANUP_FREE char *text = value_text(json_at(json_array_get(rows, i), name_path));
        (void)puts(text);
    }
}

void output_rows(const struct cli *cli, enum output_format format, const struct column *columns,
                 const char *name_path, json_t *rows)
{
    bool list = cli->verb->uses & USES_LIST;
    struct columns c = {.n = 0};
    bool headers = !list || !args_has(&cli->args, "no-headers");
    if (format == OUT_TABLE || format == OUT_WIDE || format == OUT_CSV)
        choose(&c, list ? args_text(&cli->args, "columns") : NULL, format, columns, rows);
    if (format == OUT_JSON)
        output_json(rows);
    else if (format == OUT_YAML)
        output_yaml(rows);
    else if (format == OUT_JSONL)
        print_lines(rows);
    else if (format == OUT_NAME)
        print_names(name_path, rows);
    else if (format == OUT_CSV)
        print_csv(&c, rows, headers);
    else
        print_table(&c, rows, headers);
    columns_release(&c);
}

/* A text of several lines (what a trial said last) keeps them, under one title. */
static void title_lines(struct table *t, const char *title, const char *text)
{
    do {
        size_t len = strcspn(text, "\n");
        CLEANUP_FREE char *line = x_strndup(text, len);
        table_cell(t, title);
        table_cell(t, line);
        title = "";
        text += len + (text[len] == '\n');
    } while (*text);
}

static void print_object(const struct column *columns, json_t *object, bool wide)
{
    struct table *t = table_new(2);
    for (const struct column *k = columns; k->title; k++) {
        json_t *value = json_at(object, k->path);
        if (!value || json_is_null(value) || (k->wide && !wide))
            continue;
        CLEANUP_FREE char *text = value_text(value);
        if (!text[0] || strcmp(text, "{}") == 0 || strcmp(text, "[]") == 0)
            continue;
        title_lines(t, k->title, text);
    }
    table_print(t, stdout);
    table_free(t);
}

void output_object(enum output_format format, const struct column *columns, const char *name_path,
                   json_t *object)
{
    json_t *rows = json_pack("[O]", object);
    if (format == OUT_JSON)
        output_json(object);
    else if (format == OUT_YAML)
        output_yaml(object);
    else if (format == OUT_JSONL)
        print_lines(rows);
    else if (format == OUT_NAME)
        print_names(name_path, rows);
    else if (format == OUT_CSV) {
        struct columns c = {.n = 0};
        choose(&c, NULL, format, columns, rows);
        print_csv(&c, rows, true);
        columns_release(&c);
    } else
        print_object(columns, object, format == OUT_WIDE);
    json_decref(rows);
}

/* ---- parameters for shells ---- */

static void quoted(const char *text)
{
    bool plain = text[0] && text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                              "_-+.,:/@%=")] == '\0';
    if (plain) {
        (void)fputs(text, stdout);
        return;
    }
    (void)putchar('\'');
    for (const char *p = text; *p; p++)
        (void)fputs(*p == '\'' ? "'\\''" : (char[]){*p, '\0'}, stdout);
    (void)putchar('\'');
}

void output_params(enum output_format format, json_t *params)
{
    const char *key, *between = "";
    json_t *value;
    json_object_foreach(params, key, value) {
        CLEANUP_FREE char *text = exact_text(value);
        CLEANUP_FREE char *name = x_strdup(key);
        for (char *p = name; format == OUT_ENV && *p; p++)
            *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
        if (format == OUT_ENV)
            (void)printf("HONE_PARAM_%s=", name);
        else
            (void)printf("%s--%s ", between, name);
        quoted(text);
        if (format == OUT_ENV)
            (void)putchar('\n');
        between = " ";
    }
    if (format == OUT_ARGS)
        (void)putchar('\n');
}
