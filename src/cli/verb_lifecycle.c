/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pause, resume, stop, retry, watch, wait. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "model/states.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const struct option_row options_stop[] = {
    {"drain", 0, OPT_FLAG, NULL, "let trials that run come to their end (experiments only)"},
    {0},
};

const struct option_row options_watch[] = {
    {"exit-status", 0, OPT_FLAG, NULL, "end with 8 when the experiment finished without success"},
    {0},
};

const struct option_row options_wait[] = {
    {"for", 0, OPT_TEXT, "STATE", "state to wait for: running, paused, succeeded, ... (otherwise: any final one)"},
    {"timeout", 0, OPT_DURATION, "TIME", "give up after this (exit code 7)"},
    {0},
};

/* POSTs `verb` to each word, in order, up to the first that is refused. */
static enum err each(struct cli *cli, unsigned may, const char *verb, json_t *body, struct error *error)
{
    enum err rc = client_open(cli, error);
    for (size_t i = 0; i < cli->args.n_words && !rc; i++) {
        CLEANUP_FREE char *path = object_path(cli, cli->args.words[i], may, verb, error);
        if (!path)
            return error->code;
        json_t *object = NULL;
        rc = client_call(cli, "POST", path, body, &object, error);
        const char *state = json_string_value(json_object_get(object, "state"));
        if (!rc)
            say(cli, "%s is %s", cli->args.words[i], state ? state : "told");
        json_decref(object);
    }
    return rc;
}

enum err verb_pause(struct cli *cli, struct error *error)
{
    return each(cli, MAY_EXPERIMENT, ":pause", NULL, error);
}

enum err verb_resume(struct cli *cli, struct error *error)
{
    return each(cli, MAY_EXPERIMENT, ":resume", NULL, error);
}

enum err verb_retry(struct cli *cli, struct error *error)
{
    return each(cli, MAY_TRIAL, ":retry", NULL, error);
}

enum err verb_stop(struct cli *cli, struct error *error)
{
    if (!args_has(&cli->args, "drain"))
        return each(cli, MAY_EXPERIMENT | MAY_TRIAL, ":stop", NULL, error);
    json_t *body = json_pack("{s:s}", "mode", "drain");
    enum err rc = each(cli, MAY_EXPERIMENT, ":stop", body, error);
    json_decref(body);
    return rc;
}

/* ---- watch, wait ---- */

enum err verb_watch(struct cli *cli, struct error *error)
{
    enum err rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *name = experiment_name(cli, cli->args.words[0], error);
    if (!name)
        return error->code;
    json_t *experiment;
    struct error why = {0};
    rc = follow(cli, &(struct follow){.experiment = name, .progress = true, .board = true}, &experiment, &why);
    if (rc && strcmp(why.name, "CANCELLED") == 0)
        say(cli, "%s goes on; `hone watch %s` follows it again", name, name);
    if (rc) {
        *error = why;
        return rc;
    }
    rc = show_result(cli, experiment, OUT_TABLE, error);
    if (args_has(&cli->args, "exit-status"))
        cli->exit_code = exit_of_experiment(experiment);
    json_decref(experiment);
    return rc;
}

#define STATE_NAME 24

/* "succeeded" -> "SUCCEEDED"; false: there is no such state. */
static bool state_name(const char *word, char out[STATE_NAME])
{
    size_t len = strlen(word);
    if (len >= STATE_NAME)
        return false;
    for (size_t i = 0; i <= len; i++)
        out[i] = (char)toupper((unsigned char)word[i]);
    return experiment_state_parse(out) >= 0;
}

static enum err wait_end(struct cli *cli, json_t *experiment, const char *until)
{
    const char *state = json_string_value(json_object_get(experiment, "state"));
    bool there = until && state && strcmp(state, until) == 0;
    (void)puts(state ? state : "");
    cli->exit_code = there ? 0 : until ? EXIT_UNSUCCESSFUL : exit_of_experiment(experiment);
    return OK;
}

enum err verb_wait(struct cli *cli, struct error *error)
{
    char until[STATE_NAME];
    const char *word = args_text(&cli->args, "for");
    if (word && !state_name(word, until))
        return err_set(error, ERR_USAGE, NULL,
                       "--for=%s: must be created, running, paused, stopping, succeeded, failed or cancelled", word);
    enum err rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *name = experiment_name(cli, cli->args.words[0], error);
    if (!name)
        return error->code;
    const struct follow f = {.experiment = name,
                             .until = word ? until : NULL,
                             .timeout_s = args_seconds(&cli->args, "timeout", 0),
                             .progress = true};
    json_t *experiment;
    rc = follow(cli, &f, &experiment, error);
    if (rc)
        return rc;
    rc = wait_end(cli, experiment, f.until);
    json_decref(experiment);
    return rc;
}
