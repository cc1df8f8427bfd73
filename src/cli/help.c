/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Help, the man page and the reference page, all from verbs.def and the option tables. */
#include "cli/help.h"

#include "base/mem.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <ctype.h>
#include <string.h>

const struct option_row options_help[] = {
    {"man", 0, OPT_FLAG, NULL, "print the man page"},
    {"markdown", 0, OPT_FLAG, NULL, "print the reference page of the command line"},
    {"settings", 0, OPT_FLAG, NULL, "print the reference page of the settings"},
    {0},
};

static const struct {
    const char *name, *title;
} groups[] = {
    {"START", "Start"},     {"OBJECTS", "Objects"}, {"LIFECYCLE", "Lifecycle"}, {"RESULTS", "Results"},
    {"TRIALS", "Trials"},   {"SETUP", "Setup"},
};

static const struct {
    int code;
    const char *meaning;
} exit_codes[] = {
    {0, "it worked"},
    {1, "an error that fits none of the others"},
    {2, "the command line is wrong"},
    {3, "not found"},
    {4, "a token is needed, or does not allow this"},
    {5, "conflicts with the present state"},
    {6, "the experiment file or request is not valid"},
    {7, "the service cannot be reached, or time is up"},
    {8, "the experiment finished without success"},
    {9, "`hone report --exit-code`: the trial should stop"},
    {130, "interrupted (Ctrl-C); what runs on the service goes on"},
    {143, "ended by SIGTERM; what runs on the service goes on"},
};

static const char about[] =
    "EXP is the name of an experiment, or @latest for the newest one. Results go to stdout, all else to stderr.\n"
    "A flag wins over the environment (HONE_URL, HONE_TOKEN, HONE_PROJECT, HONE_OUTPUT), that over the current context,\n"
    "and that over the service that runs in the data directory, which is found without being named.";

static void spell(const struct option_row *o, char *out, size_t size)
{
    char letter[5] = "";
    if (o->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    (void)snprintf(out, size, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
}

void help_verbs(FILE *out)
{
    (void)fprintf(out, "Hone finds good values for the parameters of a program by running it.\n\n"
                       "usage: hone VERB [OPTIONS] [WORDS]\n");
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        (void)fprintf(out, "\n%s\n", groups[g].title);
        struct table *t = table_new(2);
        for (const struct verb *v = verbs; v->name; v++) {
            if (strcmp(v->group, groups[g].name) != 0)
                continue;
            CLEANUP_FREE char *name = x_asprintf("  %s", v->name);
            table_cell(t, name);
            table_cell(t, v->help);
        }
        table_print(t, out);
        table_free(t);
    }
    (void)fprintf(out, "\n%s\n\n`hone VERB -h` says more about a verb.\n", about);
}

void help_verb(const struct verb *v, FILE *out)
{
    (void)fprintf(out, "usage: hone %s [OPTIONS]%s%s\n\n%c%s.\n", v->name, v->args[0] ? " " : "", v->args,
                  toupper((unsigned char)v->help[0]), v->help + 1);
    for (const struct verb_alias *a = verb_aliases; a->name; a++)
        if (strcmp(a->verb, v->name) == 0)
            (void)fprintf(out, "Also: hone %s\n", a->name);
    (void)fprintf(out, "\noptions:\n");
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(v->options, v->uses, rows);
    struct table *t = table_new(2);
    for (size_t i = 0; i < n; i++) {
        char left[120] = "  ";
        spell(&rows[i], left + 2, sizeof left - 2);
        table_cell(t, left);
        table_cell(t, rows[i].help);
    }
    table_print(t, out);
    table_free(t);
    (void)fprintf(out, "\nexample:\n  %s\n", v->example);
}

/* roff: a backslash and a leading dot or quote would be read as commands, a dash as a hyphen. */
static void roff(const char *text, FILE *out)
{
    bool start = true;
    for (const char *p = text; *p; p++) {
        if (start && (*p == '.' || *p == '\''))
            (void)fputs("\\&", out);
        (void)fputs(*p == '\\' ? "\\e" : *p == '-' ? "\\-" : (char[]){*p, '\0'}, out);
        start = *p == '\n';
    }
}

static void man_verb(const struct verb *v, FILE *out)
{
    (void)fprintf(out, ".SS hone %s ", v->name);
    roff(v->args, out);
    (void)fputs("\n", out);
    roff(v->help, out);
    (void)fputs(".\n", out);
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(v->options, v->uses & ~(unsigned)(USES_SERVER | USES_OUTPUT | USES_LIST), rows);
    for (size_t i = 0; i < n; i++) {
        char left[120];
        if (strcmp(rows[i].name, "help") == 0 || strcmp(rows[i].name, "quiet") == 0)
            continue;
        spell(&rows[i], left, sizeof left);
        (void)fputs(".TP\n", out);
        roff(left, out);
        (void)fputs("\n", out);
        roff(rows[i].help, out);
        (void)fputs("\n", out);
    }
    (void)fputs(".PP\n.RS\n.nf\n", out);
    roff(v->example, out);
    (void)fputs("\n.fi\n.RE\n", out);
}

void help_man(FILE *out)
{
    (void)fputs(".TH HONE 1 \"\" \"hone " HONE_VERSION "\" \"Hone\"\n.SH NAME\nhone \\- tune the parameters of programs\n"
                ".SH SYNOPSIS\nhone VERB [OPTIONS] [WORDS]\n.SH DESCRIPTION\n", out);
    roff(about, out);
    (void)fputs("\n.SH VERBS\n", out);
    for (const struct verb *v = verbs; v->name; v++)
        man_verb(v, out);
    (void)fputs(".SH COMMON OPTIONS\n", out);
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(NULL, USES_SERVER | USES_OUTPUT | USES_LIST, rows);
    for (size_t i = 0; i < n; i++) {
        char left[120];
        spell(&rows[i], left, sizeof left);
        (void)fputs(".TP\n", out);
        roff(left, out);
        (void)fputs("\n", out);
        roff(rows[i].help, out);
        (void)fputs("\n", out);
    }
    (void)fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
        (void)fprintf(out, ".TP\n%d\n%s\n", exit_codes[i].code, exit_codes[i].meaning);
}

/* ---- the reference page ---- */

static void cell(const char *text, FILE *out)
{
    for (const char *p = text; *p; p++)
        (void)fputs(*p == '|' ? "\\|" : (char[]){*p, '\0'}, out);
}

static void markdown_options(const struct option_row *rows, size_t n, FILE *out)
{
    (void)fputs("\n| option | |\n|---|---|\n", out);
    for (size_t i = 0; i < n; i++) {
        char left[120];
        spell(&rows[i], left, sizeof left);
        (void)fprintf(out, "| `%s` | ", left);
        cell(rows[i].help, out);
        (void)fputs(" |\n", out);
    }
}

static void markdown_verb(const struct verb *v, FILE *out)
{
    (void)fprintf(out, "\n### hone %s\n\n`hone %s%s%s`: %s.", v->name, v->name, v->args[0] ? " " : "", v->args, v->help);
    for (const struct verb_alias *a = verb_aliases; a->name; a++)
        if (strcmp(a->verb, v->name) == 0)
            (void)fprintf(out, " Also: `hone %s`.", a->name);
    (void)fprintf(out, "%s%s%s\n", v->uses & USES_SERVER ? " Takes the [service options](#common-options)." : "",
                  v->uses & USES_LIST ? " Takes the [list options](#common-options)." : "",
                  v->uses & USES_OUTPUT ? " Takes `-o`." : "");
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(v->options, v->uses & USES_SETTINGS, rows) - 2; /* -q and -h come last */
    if (n)
        markdown_options(rows, n, out);
    (void)fprintf(out, "\n```sh\n%s\n```\n", v->example);
}

void help_markdown(FILE *out)
{
    (void)fprintf(out, "<!-- made by `hone help --markdown`; edit src/cli/verbs.def -->\n# Command line\n\n"
                       "`hone VERB [OPTIONS] [WORDS]`\n\n%s\n", about);
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        (void)fprintf(out, "\n## %s\n", groups[g].title);
        for (const struct verb *v = verbs; v->name; v++)
            if (strcmp(v->group, groups[g].name) == 0)
                markdown_verb(v, out);
    }
    (void)fputs("\n## Common options\n\nService options: `--server` to `--project`. List options: `--filter` to `--limit`.\n",
                out);
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(NULL, USES_SERVER | USES_OUTPUT | USES_LIST, rows);
    markdown_options(rows, n, out);
    (void)fputs("\n## Exit codes\n\n| code | meaning |\n|---|---|\n", out);
    for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
        (void)fprintf(out, "| %d | %s |\n", exit_codes[i].code, exit_codes[i].meaning);
}

void help_settings(FILE *out)
{
    (void)fputs("<!-- made by `hone help --settings`; edit src/config.def -->\n# Settings of the service\n\n"
                "Each is a key of the settings file, a variable of the environment and an option of `hone serve`. An option wins over the\n"
                "environment, that over the file, and that over the default; `hone config show` says where each value came from.\n\n"
                "The file is YAML, `name: value` lines. It is the first of `--config FILE`, `$HONE_CONFIG`,\n"
                "`$XDG_CONFIG_HOME/hone/server.yaml` (or `~/.config/hone/server.yaml`) and `/etc/hone/server.yaml` that is there. A key that is\n"
                "not in the table is an error. A list is written `[a, b]` in the file, `a,b` elsewhere.\n\n"
                "| key | environment | option | default | |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_row *c = &config_rows[i];
        char option[SETTING_NAME];
        setting_option(i, option);
        (void)fprintf(out, "| `%s` | `HONE_", c->name);
        for (const char *p = c->name; *p; p++)
            (void)fputc(toupper((unsigned char)*p), out);
        (void)fprintf(out, "` | `--%s%s` | %s%s%s | ", option, c->type == CONFIG_BOOL ? "" : " VALUE", c->def[0] ? "`" : "", c->def, c->def[0] ? "`" : "");
        cell(c->help, out);
        if (c->type == CONFIG_INT)
            (void)fprintf(out, " (%d to %d)", c->min, c->max);
        (void)fputs(" |\n", out);
    }
}

enum err verb_help(struct cli *cli, struct error *error)
{
    if (args_has(&cli->args, "man"))
        help_man(stdout);
    else if (args_has(&cli->args, "markdown"))
        help_markdown(stdout);
    else if (args_has(&cli->args, "settings"))
        help_settings(stdout);
    else if (!cli->args.n_words)
        help_verbs(stdout);
    else {
        const struct verb *v = verb_find(cli->args.words[0]);
        if (!v)
            return err_set(error, ERR_USAGE, NULL, "there is no verb \"%s\"; `hone help` lists them", cli->args.words[0]);
        help_verb(v, stdout);
    }
    return OK;
}
