/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From argv to a verb, and from what came of it to messages and an exit code. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/problems.h"
#include "cli/client.h"
#include "cli/help.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const struct verb verbs[] = {
#define VERB(name_, group_, uses_, min_, max_, opts_, args_, help_, example_)                        \
    {.name = #name_, .group = #group_, .uses = uses_, .min_words = min_, .max_words = max_,          \
     .options = options_##opts_, .args = args_, .help = help_, .example = example_,               \
     .run = verb_##name_},
#define ALIAS(other, name)
#include "cli/verbs.def"
#undef VERB
#undef ALIAS
    {0},
};

const struct verb_alias verb_aliases[] = {
#define VERB(name, group, uses, min, max, options, args, help, example)
#define ALIAS(other, name) {#other, #name},
#include "cli/verbs.def"
#undef VERB
#undef ALIAS
    {0},
};

const struct option_row options_none[] = {{0}};

const struct verb *verb_find(const char *name)
{
    for (const struct verb_alias *a = verb_aliases; a->name; a++)
        if (strcmp(a->name, name) == 0)
            name = a->verb;
    for (const struct verb *v = verbs; v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

void say(const struct cli *cli, const char *fmt, ...)
{
    if (args_has(&cli->args, "quiet"))
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
}

bool interrupted(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
                                         sigismember(&pending, SIGHUP));
}

bool sleep_interrupted(double seconds)
{
    const struct timespec slice = {.tv_nsec = 50 * 1000 * 1000};
    const int64_t end = clock_mono_ms() + (int64_t)(seconds * 1000);
    while (clock_mono_ms() < end) {
        if (interrupted())
            return true;
        (void)nanosleep(&slice, NULL);
    }
    return interrupted();
}

/* ---- errors ---- */

static const char *hint_of(const struct error *error)
{
    static const struct {
        const char *name, *hint;
    } hints[] = {
        {"UNAUTHENTICATED", "give a token with --token-file FILE or HONE_TOKEN"},
        {"EXPERIMENT_EXISTS", "give this one another name with --name NAME, or leave `name` out of the file"},
        {"EXPERIMENT_NOT_FOUND", "`hone get experiments` lists what there is; -P NAME chooses another project"},
        {"TRIAL_NOT_FOUND", "`hone get trials EXPERIMENT` lists what there is"},
        {"OPTION_UNKNOWN", "-h lists the options"},
    };
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (strcmp(error->name, hints[i].name) == 0)
            return hints[i].hint;
    return NULL;
}

void print_place(const char *file, const char *dotted, const char *detail, const char *hint)
{
    bool word = hint && !strchr(hint, ' '); /* a hint is the word that was meant, or a sentence */
    CLEANUP_FREE char *tail = hint ? x_asprintf(word ? " (did you mean %s?)" : " (%s)", hint) : x_strdup("");
    CLEANUP_FREE char *line = x_asprintf("%s%s%s: %s%s", file ? file : "  ", file ? ": " : "", dotted, detail, tail);
    CLEANUP_FREE char *safe = text_safe(line);
    (void)fprintf(stderr, "%s\n", safe);
}

/* Each wrong place of a refused request: `file.yaml: parameters.lr.min: must be ...`. Returns how many there are. */
static size_t report_places(const struct cli *cli)
{
    json_t *errors = json_object_get(cli->problem, "errors"), *item;
    size_t i;
    json_array_foreach(errors, i, item) {
        const char *pointer = json_string_value(json_object_get(item, "pointer"));
        const char *detail = json_string_value(json_object_get(item, "detail"));
        const char *hint = json_string_value(json_object_get(item, "hint"));
        char dotted[256];
        problems_dotted(pointer ? pointer : "", dotted, sizeof dotted);
        print_place(cli->file, dotted, detail ? detail : "", hint);
    }
    return json_array_size(errors);
}

/* As a shell tells a process that was ended by the signal. */
static int interrupted_exit(void)
{
    sigset_t pending;
    bool term = sigpending(&pending) == 0 && !sigismember(&pending, SIGINT) && sigismember(&pending, SIGTERM);
    return term ? EXIT_TERMINATED : EXIT_INTERRUPTED;
}

static int report(const struct cli *cli, const struct error *error)
{
    if (strcmp(error->name, "CANCELLED") == 0)
        return interrupted_exit();
    size_t n = report_places(cli);
    CLEANUP_FREE char *safe = text_safe(error->detail);
    if (n && cli->file) /* all is said */
        (void)fprintf(stderr, "hone: %s: %zu problem%s\n", cli->file, n, n == 1 ? "" : "s");
    else
        (void)fprintf(stderr, "hone: %s\n", safe);
    const char *hint = hint_of(error);
    if (hint)
        (void)fprintf(stderr, "  hint: %s\n", hint);
    if (cli->request_id[0])
        (void)fprintf(stderr, "  request: %s\n", cli->request_id);
    return err_exit(error->code);
}

/* ---- running ---- */

static enum err check_words(const struct cli *cli, struct error *error)
{
    const struct verb *v = cli->verb;
    int n = (int)cli->args.n_words;
    const char *extra = n > 0 ? cli->args.words[n - 1] : "";
    if (n < v->min_words)
        return err_set(error, ERR_USAGE, NULL, "hone %s needs %s; see hone %s -h", v->name, v->args, v->name);
    if (v->max_words >= 0 && n > v->max_words)
        return err_set(error, ERR_USAGE, NULL, "hone %s: \"%s\" is one word too many%s", v->name, extra,
                       v->uses & USES_REST ? "; the command to run stands behind --" : "");
    return OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct error error = {0};
    enum err rc = args_parse(&cli->args, cli->verb->options, cli->verb->uses, argc, argv, &error);
    if (!rc && args_has(&cli->args, "help")) {
        help_verb(cli->verb, stdout);
        return 0;
    }
    if (!rc)
        rc = check_words(cli, &error);
    if (!rc)
        rc = cli->verb->run(cli, &error);
    int code = rc ? report(cli, &error) : cli->exit_code;
    client_close(cli);
    errno = 0;
    if (fflush(stdout) != 0 && errno != EPIPE) {
        (void)fprintf(stderr, "hone: the output could not be written: %s\n", strerror(errno));
        return code ? code : 1;
    }
    return code;
}

static int unknown_verb(const char *word)
{
    const char *names[128] = {NULL};
    size_t n = 0;
    for (const struct verb *v = verbs; v->name; v++)
        names[n++] = v->name;
    for (const struct verb_alias *a = verb_aliases; a->name; a++)
        names[n++] = a->name;
    const char *near = did_you_mean(word, names);
    (void)fprintf(stderr, "hone: there is no verb \"%s\"%s%s%s\n  hint: `hone help` lists them\n", word,
                  near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    return err_exit(ERR_USAGE);
}

int cli_main(int argc, char **argv, const struct cli_embed *embed)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* widths; numbers stay those of C */
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        help_verbs(stderr);
        return err_exit(ERR_USAGE);
    }
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
        word = "help";
    else if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0)
        word = "version";
    struct cli cli = {.embed = embed, .verb = verb_find(word)};
    if (!cli.verb)
        return unknown_verb(word);
    int code = run(&cli, argc - 1, argv + 1);
    args_release(&cli.args);
    return code;
}
