/* SPDX-License-Identifier: GPL-3.0-or-later */
/* convert: an experiment file of Katib or W&B as one of ours, and one of ours as Katib's. No service is needed. */
#include "cli/files.h"
#include "cli/verbs.h"

#include "base/mem.h"
#include "model/convert.h"
#include "model/foreign.h"
#include "model/yaml.h"

#include <stdio.h>
#include <string.h>

const struct option_row options_convert[] = {
    {"file", 'f', OPT_TEXT, "FILE", "the file (- is stdin); the word may stand alone too"},
    {"output", 'o', OPT_TEXT, "FILE", "write there, not to stdout"},
    {"image", 0, OPT_TEXT, "IMAGE", "to Katib: the image that has the command's programs"},
    {"force", 0, OPT_FLAG, NULL, "to Katib: leave out what cannot be kept"},
    {0},
};

static enum err write_out(const struct cli *cli, const json_t *document, struct error *error)
{
    const char *path = args_text(&cli->args, "output");
    CLEANUP_FREE char *yaml = yaml_dump(document);
    if (path && strcmp(path, "-") != 0)
        return file_write(path, yaml, 0666, error);
    (void)fputs(yaml, stdout);
    return OK;
}

/* What Katib has no word for may be left out; what is wrong may not. */
static bool only_lost(const struct problems *problems)
{
    bool lost = !problems->n_dropped;
    for (size_t i = 0; i < problems->n; i++)
        lost &= strcmp(problems->items[i].code, "NOT_IN_KATIB") == 0;
    return lost;
}

static enum err convert(const struct cli *cli, const char *file, const json_t *document, struct error *error)
{
    struct problems problems = {0};
    json_t *out = foreign_is(document) ? convert_to_native(document, cli->embed->catalog, &problems)
                                       : convert_to_katib(document, args_text(&cli->args, "image"), cli->embed->catalog, &problems);
    size_t n = problems.n + problems.n_dropped;
    bool may = out && (!n || (args_has(&cli->args, "force") && only_lost(&problems)));
    print_places(file, problems.items, problems.n, false);
    print_places(file, problems.warnings, problems.n_warnings, true);
    problems_release(&problems);
    enum err rc = may ? write_out(cli, out, error)
                      : err_set(error, ERR_INVALID, "SPEC_INVALID", "%s: %zu problem%s%s", file, n, n == 1 ? "" : "s",
                                out ? "; --force leaves out what cannot be kept" : "");
    json_decref(out);
    return rc;
}

enum err verb_convert(struct cli *cli, struct error *error)
{
    const char *flag = args_text(&cli->args, "file");
    const char *word = cli->args.n_words ? cli->args.words[0] : NULL;
    if (!flag == !word)
        return err_set(error, ERR_USAGE, NULL, "hone convert needs one file: hone convert -f FILE");
    const char *file = flag ? flag : word;
    size_t len;
    CLEANUP_FREE char *text = file_read(file, YAML_MAX_BYTES, &len, error);
    if (!text)
        return ERR_USAGE;
    struct error why = {0};
    json_t *document = yaml_load(text, len, &why);
    if (!json_is_object(document)) {
        (void)err_set(error, ERR_INVALID, "SPEC_INVALID", "%s: %.400s", file, document ? "must be an experiment file (name: value lines)" : why.detail);
        json_decref(document);
        return ERR_INVALID;
    }
    enum err rc = convert(cli, file, document, error);
    json_decref(document);
    return rc;
}
