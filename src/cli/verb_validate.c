/* SPDX-License-Identifier: GPL-3.0-or-later */
/* validate: an experiment file checked by the model itself, so no service is needed. */
#include "cli/files.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "model/spec.h"
#include "model/yaml.h"

#include <stdio.h>
#include <string.h>

const struct option_row options_validate[] = {
    {"file", 'f', OPT_TEXT, "FILE", "the file (- is stdin); the word may stand alone too"},
    {"print", 0, OPT_FLAG, NULL, "print the file with its defaults filled in"},
    {0},
};

void print_places(const char *file, const struct problem_item *items, size_t n, bool warning)
{
    for (size_t i = 0; i < n; i++) {
        char dotted[256];
        problems_dotted(items[i].pointer, dotted, sizeof dotted);
        CLEANUP_FREE char *detail = x_asprintf("%s%s", warning ? "warning: " : "", items[i].detail);
        print_place(file, dotted, detail, items[i].hint);
    }
}

static enum err check(const struct cli *cli, const char *file, const char *text, size_t len, struct error *error)
{
    struct problems problems = {0};
    struct spec *spec = spec_parse(text, len, cli->embed->catalog, &problems);
    size_t n = problems.n + problems.n_dropped;
    print_places(file, problems.items, problems.n, false);
    print_places(file, problems.warnings, problems.n_warnings, true);
    problems_release(&problems);
    if (!spec)
        return err_set(error, ERR_INVALID, "SPEC_INVALID", "%s: %zu problem%s", file, n, n == 1 ? "" : "s");
    if (args_has(&cli->args, "print")) {
        CLEANUP_FREE char *yaml = yaml_dump(spec->document);
        (void)fputs(yaml, stdout);
    } else {
        say(cli, "%s is valid", file);
    }
    spec_free(spec);
    return OK;
}

enum err verb_validate(struct cli *cli, struct error *error)
{
    const char *flag = args_text(&cli->args, "file");
    const char *word = cli->args.n_words ? cli->args.words[0] : NULL;
    if (!flag == !word)
        return err_set(error, ERR_USAGE, NULL, "hone validate needs one file: hone validate -f FILE");
    const char *file = flag ? flag : word;
    size_t len;
    CLEANUP_FREE char *text = file_read(file, YAML_MAX_BYTES, &len, error);
    return text ? check(cli, file, text, len, error) : ERR_USAGE;
}
