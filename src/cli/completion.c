/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Completion scripts, made from the verbs and their options. Names of experiments come from the service as one types. */
#include "base/mem.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#define NAMES "hone get experiments -q -o name 2>/dev/null"

/* What the words of a verb are. */
enum takes { TAKES_NOTHING, TAKES_EXPERIMENTS, TAKES_FILES, TAKES_VERBS, TAKES_KINDS, TAKES_SHELLS, TAKES_CONFIG };

static enum takes takes_of(const struct verb *v)
{
    static const struct {
        const char *begin;
        enum takes takes;
    } table[] = {{"EXP", TAKES_EXPERIMENTS}, {"FILE", TAKES_FILES}, {"-f FILE", TAKES_FILES},    {"[VERB]", TAKES_VERBS},
                 {"experiments", TAKES_KINDS}, {"bash", TAKES_SHELLS}, {"show", TAKES_CONFIG}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strncmp(v->args, table[i].begin, strlen(table[i].begin)) == 0)
            return table[i].takes;
    return TAKES_NOTHING;
}

static const char *const words_of[] = {
    [TAKES_KINDS] = "experiments trials projects algorithms stoppers backends",
    [TAKES_SHELLS] = "bash zsh fish",
    [TAKES_CONFIG] = "show get-contexts use-context set-context",
};

static void verb_words(FILE *out)
{
    for (const struct verb *v = verbs; v->name; v++)
        (void)fprintf(out, "%s%s", v == verbs ? "" : " ", v->name);
    for (const struct verb_alias *a = verb_aliases; a->name; a++)
        (void)fprintf(out, " %s", a->name);
}

static void option_words(const struct verb *v, FILE *out)
{
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(v->options, v->uses, rows);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(out, "%s--%s", i ? " " : "", rows[i].name);
}

/* `name|alias` of a verb, as a pattern of `case`. */
static void pattern(const struct verb *v, FILE *out)
{
    (void)fprintf(out, "%s", v->name);
    for (const struct verb_alias *a = verb_aliases; a->name; a++)
        if (strcmp(a->verb, v->name) == 0)
            (void)fprintf(out, "|%s", a->name);
}

/* ---- bash ---- */

static void bash_verb(const struct verb *v, FILE *out)
{
    enum takes takes = takes_of(v);
    (void)fputs("        ", out);
    pattern(v, out);
    (void)fputs(") options='", out);
    option_words(v, out);
    (void)fputs("' words=", out);
    if (takes == TAKES_EXPERIMENTS)
        (void)fputs("\"@latest $(" NAMES ")\"", out);
    else if (takes == TAKES_VERBS) {
        (void)fputs("'", out);
        verb_words(out);
        (void)fputs("'", out);
    } else if (takes == TAKES_KINDS)
        (void)fprintf(out, "'%s'; [ \"${COMP_WORDS[2]}\" = trials ] && [ \"$COMP_CWORD\" -gt 2 ] && words=\"@latest $(" NAMES ")\"",
                      words_of[takes]);
    else
        (void)fprintf(out, "'%s'", words_of[takes] ? words_of[takes] : "");
    (void)fprintf(out, "; files=%d ;;\n", takes == TAKES_FILES);
}

static void completion_bash(FILE *out)
{
    (void)fputs("# hone completion bash\n"
                "_hone()\n{\n"
                "    local current=${COMP_WORDS[COMP_CWORD]} options='' words='' files=0\n"
                "    COMPREPLY=()\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '", out);
    verb_words(out);
    (void)fputs("' -- \"$current\"))\n        return\n    fi\n"
                "    case ${COMP_WORDS[1]} in\n", out);
    for (const struct verb *v = verbs; v->name; v++)
        bash_verb(v, out);
    (void)fputs("    esac\n"
                "    case $current in\n"
                "        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
                "        *) COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                "            [ \"$files\" = 1 ] && COMPREPLY+=($(compgen -f -- \"$current\")) ;;\n"
                "    esac\n}\n"
                "complete -o default -F _hone hone\n", out);
}

/* ---- zsh ---- */

/* In single quotes; a colon ends the name in _describe. */
static void zsh_text(const char *text, FILE *out)
{
    for (const char *p = text; *p; p++)
        (void)fputs(*p == '\'' ? "'\\''" : *p == ':' ? "\\:" : (char[]){*p, '\0'}, out);
}

static void zsh_verb(const struct verb *v, FILE *out)
{
    enum takes takes = takes_of(v);
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(v->options, v->uses, rows);
    (void)fputs("        ", out);
    pattern(v, out);
    (void)fputs(")\n            options=(", out);
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(out, "%s'--%s:", i ? " " : "", rows[i].name);
        zsh_text(rows[i].help, out);
        (void)fputs("'", out);
    }
    (void)fputs(")\n            names=(", out);
    if (takes == TAKES_EXPERIMENTS)
        (void)fputs("@latest ${(f)\"$(" NAMES ")\"}", out);
    else if (takes == TAKES_VERBS)
        verb_words(out);
    else if (words_of[takes])
        (void)fputs(words_of[takes], out);
    (void)fputs(")\n", out);
    if (takes == TAKES_KINDS)
        (void)fputs("            [[ ${words[3]} = trials && $CURRENT -gt 3 ]] && names=(@latest ${(f)\"$(" NAMES ")\"})\n", out);
    (void)fprintf(out, "            files=%d ;;\n", takes == TAKES_FILES);
}

static void completion_zsh(FILE *out)
{
    (void)fputs("#compdef hone\n"
                "_hone()\n{\n"
                "    local -a names options verbs; local files=0\n"
                "    if (( CURRENT == 2 )); then\n        verbs=(", out);
    for (const struct verb *v = verbs; v->name; v++) {
        (void)fprintf(out, "%s'%s:", v == verbs ? "" : " ", v->name);
        zsh_text(v->help, out);
        (void)fputs("'", out);
    }
    (void)fputs(")\n        _describe verb verbs\n        return\n    fi\n    case ${words[2]} in\n", out);
    for (const struct verb *v = verbs; v->name; v++)
        zsh_verb(v, out);
    (void)fputs("    esac\n"
                "    if [[ $PREFIX = -* ]]; then\n        _describe option options\n"
                "    else\n        compadd -a names\n        (( files )) && _files\n    fi\n"
                "    return 0\n}\n"
                "[[ $funcstack[1] = _hone ]] && _hone \"$@\" || compdef _hone hone\n", out);
}

/* ---- fish ---- */

static void fish_text(const char *text, FILE *out)
{
    for (const char *p = text; *p; p++)
        (void)fputs(*p == '\'' || *p == '\\' ? (char[]){'\\', *p, '\0'} : (char[]){*p, '\0'}, out);
}

static void fish_verb(const struct verb *v, FILE *out)
{
    enum takes takes = takes_of(v);
    (void)fprintf(out, "complete -c hone -n __fish_use_subcommand -f -a %s -d '", v->name);
    fish_text(v->help, out);
    (void)fputs("'\n", out);
    struct option_row rows[OPTIONS_MAX];
    size_t n = options_of(v->options, v->uses, rows);
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(out, "complete -c hone -n '__fish_seen_subcommand_from %s' -l %s", v->name, rows[i].name);
        if (rows[i].letter)
            (void)fprintf(out, " -s %c", rows[i].letter);
        (void)fprintf(out, "%s -d '", rows[i].type == OPT_FLAG ? "" : " -r");
        fish_text(rows[i].help, out);
        (void)fputs("'\n", out);
    }
    if (takes == TAKES_EXPERIMENTS || takes == TAKES_KINDS)
        (void)fprintf(out, "complete -c hone -n '__fish_seen_subcommand_from %s%s' -f -a '@latest (" NAMES ")'\n", v->name,
                      takes == TAKES_KINDS ? "; and __fish_seen_subcommand_from trials" : "");
    if (words_of[takes])
        (void)fprintf(out, "complete -c hone -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", v->name, words_of[takes]);
}

static void completion_fish(FILE *out)
{
    (void)fputs("# hone completion fish\n", out);
    for (const struct verb *v = verbs; v->name; v++)
        fish_verb(v, out);
}

static const struct {
    const char *name;
    void (*print)(FILE *out);
} shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};

enum err verb_completion(struct cli *cli, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(shells); i++)
        if (strcmp(cli->args.words[0], shells[i].name) == 0) {
            shells[i].print(stdout);
            return OK;
        }
    return err_set(error, ERR_USAGE, NULL, "hone completion %s: there are bash, zsh and fish", cli->args.words[0]);
}
