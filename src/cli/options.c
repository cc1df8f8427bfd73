/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options by table over getopt_long, with the messages people can act on. */
#include "cli/options.h"

#include "base/mem.h"
#include "base/problems.h"
#include "config.h"
#include "model/spec.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct option_row server_rows[] = {
    {"server", 0, OPT_TEXT, "URL", "address of the service (HONE_URL)"},
    {"token-file", 0, OPT_TEXT, "FILE", "file that holds the token (HONE_TOKEN holds one itself)"},
    {"context", 0, OPT_TEXT, "NAME", "context of the configuration to use (see `hone config`)"},
    {"project", 'P', OPT_TEXT, "NAME", "project (HONE_PROJECT; otherwise: default)"},
    {0},
};
static const struct option_row output_rows[] = {
    {"output", 'o', OPT_TEXT, "FORMAT", "table, wide, json, yaml, jsonl, csv or name (HONE_OUTPUT)"},
    {0},
};
static const struct option_row list_rows[] = {
    {"filter", 0, OPT_TEXT, "EXPR", "only what matches, such as 'state=RUNNING AND params.lr<1e-3'"},
    {"sort", 0, OPT_TEXT, "FIELDS", "order, such as objective,-number"},
    {"columns", 0, OPT_TEXT, "FIELDS", "fields to show, such as number,state,params.lr"},
    {"no-headers", 0, OPT_FLAG, NULL, "leave out the line of headings"},
    {"limit", 0, OPT_INT, "N", "at most so many (0: all)"},
    {0},
};
static const struct option_row common_rows[] = {
    {"quiet", 'q', OPT_FLAG, NULL, "say nothing but results and errors"},
    {"help", 'h', OPT_FLAG, NULL, "show this help"},
    {0},
};

static size_t add_rows(const struct option_row *rows, struct option_row *out, size_t n)
{
    for (; rows && rows->name; rows++) {
        assert(n < OPTIONS_MAX);
        out[n++] = *rows;
    }
    return n;
}

void setting_option(size_t id, char out[SETTING_NAME])
{
    const struct config_row *c = &config_rows[id];
    bool on = c->type == CONFIG_BOOL && strcmp(c->def, "true") == 0;
    (void)snprintf(out, SETTING_NAME, "%s%s", on ? "no-" : "", c->name);
    for (char *p = out; *p; p++)
        *p = *p == '_' ? '-' : *p;
}

/* Made once, before any thread. */
static const struct option_row *setting_rows(void)
{
    static char names[CONFIG_COUNT][SETTING_NAME], no_help[CONFIG_COUNT][120];
    static struct option_row rows[CONFIG_COUNT + 2];
    for (size_t i = 0; i < CONFIG_COUNT && !rows[CONFIG_COUNT].name; i++) {
        const struct config_row *c = &config_rows[i];
        bool flag = c->type == CONFIG_BOOL;
        setting_option(i, names[i]);
        (void)snprintf(no_help[i], sizeof no_help[i], "do not %s", c->help);
        rows[i] = (struct option_row){names[i], 0, flag ? OPT_FLAG : OPT_TEXT, flag ? NULL : "VALUE",
                                      strncmp(names[i], "no-", 3) == 0 ? no_help[i] : c->help};
    }
    rows[CONFIG_COUNT] = (struct option_row){"config", 0, OPT_TEXT, "FILE", "settings file (HONE_CONFIG)"};
    return rows;
}

void args_settings(const struct args *a, const char **flags)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        char name[SETTING_NAME];
        setting_option(i, name);
        flags[i] = args_text(a, name);
        if (flags[i] && config_rows[i].type == CONFIG_BOOL)
            flags[i] = strncmp(name, "no-", 3) == 0 ? "false" : "true";
    }
}

size_t options_of(const struct option_row *own, unsigned uses, struct option_row out[OPTIONS_MAX])
{
    size_t n = add_rows(own, out, 0);
    n = add_rows(uses & USES_SETTINGS ? setting_rows() : NULL, out, n);
    n = add_rows(uses & USES_OUTPUT ? output_rows : NULL, out, n);
    n = add_rows(uses & USES_LIST ? list_rows : NULL, out, n);
    n = add_rows(uses & USES_SERVER ? server_rows : NULL, out, n);
    return add_rows(common_rows, out, n);
}

/* ---- parsing ---- */

static enum err unknown(const struct args *a, const char *word, struct error *error)
{
    const char *names[OPTIONS_MAX + 1] = {NULL};
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
                   word + strspn(word, "-"));
    for (size_t i = 0; i < a->n_rows; i++)
        names[i] = a->rows[i].name;
    const char *near = strncmp(word, "--", 2) == 0 ? did_you_mean(name, names) : NULL;
    return err_set(error, ERR_USAGE, "OPTION_UNKNOWN", "there is no option %s%s%s%s", word,
                   near ? " (did you mean --" : "", near ? near : "", near ? "?)" : "");
}

static bool whole(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return end != text && !*end && !errno;
}

static bool number(const char *text, double *out)
{
    char *end = NULL;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

static bool duration(const char *text, double *out)
{
    double plain;
    json_t *value = number(text, &plain) ? json_real(plain) : json_string(text);
    bool ok = spec_duration(value, out);
    json_decref(value);
    return ok;
}

static enum err take(struct args *a, size_t row, const char *text, struct error *error)
{
    const struct option_row *o = &a->rows[row];
    int64_t i;
    double d;
    const char *rule = NULL;
    if (o->type == OPT_INT && !whole(text, &i))
        rule = "a whole number";
    else if (o->type == OPT_NUMBER && !number(text, &d))
        rule = "a number";
    else if (o->type == OPT_DURATION && !duration(text, &d))
        rule = "a duration, such as 90, 90s, 30m or 1h30m";
    if (rule)
        return err_set(error, ERR_USAGE, "OPTION_VALUE", "--%s: \"%s\" is not %s", o->name, text, rule);
    a->given[a->n_given].row = row;
    a->given[a->n_given++].text = text;
    return OK;
}

struct spelling {
    struct option longs[OPTIONS_MAX + 1];
    char shorts[2 * OPTIONS_MAX + 3];
};

/* "-:": words come in order as option 1, and a missing value is ':'. */
static void spell(const struct args *a, struct spelling *s)
{
    size_t at = 0;
    s->shorts[at++] = '-';
    s->shorts[at++] = ':';
    for (size_t i = 0; i < a->n_rows; i++) {
        const struct option_row *o = &a->rows[i];
        int takes = o->type == OPT_FLAG ? no_argument : required_argument;
        s->longs[i] = (struct option){.name = o->name, .has_arg = takes, .val = 1000 + (int)i};
        if (o->letter)
            s->shorts[at++] = o->letter;
        if (o->letter && takes)
            s->shorts[at++] = ':';
    }
}

static size_t row_of(const struct args *a, int code)
{
    if (code >= 1000)
        return (size_t)code - 1000;
    for (size_t i = 0; i < a->n_rows; i++)
        if (a->rows[i].letter == code)
            return i;
    return a->n_rows;
}

static enum err one(struct args *a, int code, char **argv, struct error *error)
{
    const char *word = argv[optind - 1];
    if (code == 1) {
        a->words[a->n_words++] = optarg;
        return OK;
    }
    if (code == ':')
        return err_set(error, ERR_USAGE, "OPTION_VALUE", "%s needs a value", word);
    if (code == '?' && optopt >= 1000)
        return err_set(error, ERR_USAGE, "OPTION_VALUE", "--%s takes no value", a->rows[row_of(a, optopt)].name);
    if (code == '?' && optopt) {
        char letter[3] = {'-', (char)optopt, '\0'};
        return unknown(a, letter, error);
    }
    if (code == '?')
        return unknown(a, word, error);
    return take(a, row_of(a, code), optarg ? optarg : "", error);
}

enum err args_parse(struct args *a, const struct option_row *own, unsigned uses, int argc, char **argv,
                    struct error *error)
{
    *a = (struct args){0};
    a->n_rows = options_of(own, uses, a->rows);
    a->given = x_calloc((size_t)argc + 1, sizeof *a->given);
    a->words = x_calloc((size_t)argc + 1, sizeof *a->words);
    struct spelling s = {0};
    spell(a, &s);
    opterr = 0;
    optind = 0; /* glibc: start afresh */
    int code;
    while ((code = getopt_long(argc, argv, s.shorts, s.longs, NULL)) != -1) {
        enum err rc = one(a, code, argv, error);
        if (rc)
            return rc;
    }
    if (uses & USES_REST) {
        a->rest = argv + optind;
        a->n_rest = (size_t)(argc - optind);
        return OK;
    }
    for (int i = optind; i < argc; i++)
        a->words[a->n_words++] = argv[i];
    return OK;
}

void args_release(struct args *a)
{
    free(a->given);
    free(a->words);
    *a = (struct args){0};
}

/* ---- reading ---- */

static size_t find(const struct args *a, const char *name)
{
    for (size_t i = 0; i < a->n_rows; i++)
        if (strcmp(a->rows[i].name, name) == 0)
            return i;
    (void)fprintf(stderr, "hone: no option is called %s\n", name);
    abort();
}

const char *args_nth(const struct args *a, const char *name, size_t n)
{
    size_t row = find(a, name);
    for (size_t i = 0; i < a->n_given; i++)
        if (a->given[i].row == row && n-- == 0)
            return a->given[i].text;
    return NULL;
}

const char *args_text(const struct args *a, const char *name)
{
    size_t row = find(a, name);
    for (size_t i = a->n_given; i-- > 0;)
        if (a->given[i].row == row)
            return a->given[i].text;
    return NULL;
}

bool args_has(const struct args *a, const char *name)
{
    return args_text(a, name) != NULL;
}

int64_t args_int(const struct args *a, const char *name, int64_t otherwise)
{
    int64_t value;
    const char *text = args_text(a, name);
    return text && whole(text, &value) ? value : otherwise;
}

double args_number(const struct args *a, const char *name, double otherwise)
{
    double value;
    const char *text = args_text(a, name);
    return text && number(text, &value) ? value : otherwise;
}

double args_seconds(const struct args *a, const char *name, double otherwise)
{
    double value;
    const char *text = args_text(a, name);
    return text && duration(text, &value) ? value : otherwise;
}
