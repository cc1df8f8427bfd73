/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report, ask, complete, fail: trials from the side of who runs them; report -o: an experiment as a file. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/param_flag.h"
#include "cli/report.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

enum { REPORT_PATIENCE_MS = 60000 }; /* a service that restarts must not cost a trial */

const struct option_row options_report[] = {
    {"step", 0, OPT_INT, "N", "epoch or step (otherwise: one more than the last)"},
    {"progress", 0, OPT_NUMBER, "X", "how much of the trial is done, 0 to 1"},
    {"exit-code", 0, OPT_FLAG, NULL, "end with 9 when the trial should stop (it prints \"stop\" in any case)"},
    {"output", 'o', OPT_TEXT, "FILE", "write EXP to FILE as one page of HTML with all its charts (-: to stdout)"},
    {0},
};

const struct option_row options_ask[] = {
    {"worker", 0, OPT_TEXT, "NAME", "who asks: shown with the trial"},
    {"lease", 0, OPT_DURATION, "TIME", "how long it may go without a word before it is given to another"},
    {"wait", 0, OPT_DURATION, "TIME", "wait for a free trial, at most 60s"},
    {0},
};

const struct option_row options_fail[] = {
    {"message", 0, OPT_TEXT, "TEXT", "what went wrong"},
    {"reason", 0, OPT_TEXT, "WORD", "for programs, such as OUT_OF_MEMORY"},
    {"infeasible", 0, OPT_FLAG, NULL, "the parameters are to blame: do not try them again"},
    {0},
};

/* METRIC=VALUE words from the `from`th on; new reference, NULL on failure. */
static json_t *metrics_of(const struct args *args, size_t from, struct error *error)
{
    json_t *metrics = json_object();
    for (size_t i = from; i < args->n_words; i++) {
        CLEANUP_FREE char *name = NULL;
        json_t *value;
        if (metric_flag(args->words[i], &name, &value, error)) {
            json_decref(metrics);
            return NULL;
        }
        (void)json_object_set_new(metrics, name, value);
    }
    return metrics;
}

/* ---- report ---- */

static json_t *report_body(const struct cli *cli, struct error *error)
{
    json_t *metrics = metrics_of(&cli->args, 0, error);
    if (!metrics)
        return NULL;
    json_t *point = json_pack("{s:o}", "metrics", metrics);
    if (args_has(&cli->args, "step"))
        (void)json_object_set_new(point, "step", json_integer(args_int(&cli->args, "step", 0)));
    json_t *body = json_pack("{s:[o]}", "measurements", point);
    if (args_has(&cli->args, "progress"))
        (void)json_object_set_new(body, "progress", json_real(args_number(&cli->args, "progress", 0)));
    const char *attempt = getenv("HONE_ATTEMPT");
    if (attempt && attempt[0])
        (void)json_object_set_new(body, "attempt", json_integer(strtoll(attempt, NULL, 10)));
    return body;
}

static enum err report_experiment(struct cli *cli, struct error *error)
{
    if (cli->args.n_words != 1 || strchr(cli->args.words[0], '='))
        return err_set(error, ERR_USAGE, NULL, "-o writes a report of an experiment: hone report EXP -o FILE.html");
    enum err rc = client_open(cli, error);
    return rc ? rc : report_write(cli, cli->args.words[0], args_text(&cli->args, "output"), error);
}

enum err verb_report(struct cli *cli, struct error *error)
{
    if (args_has(&cli->args, "output"))
        return report_experiment(cli, error);
    const char *experiment = getenv("HONE_EXPERIMENT"), *trial = getenv("HONE_TRIAL");
    json_t *body = report_body(cli, error); /* first: a wrong word is wrong everywhere */
    if (!body)
        return error->code;
    if (!experiment || !experiment[0] || !trial || !trial[0]) {
        json_decref(body);
        return OK; /* no trial: the same script runs by hand */
    }
    cli->patience_ms = REPORT_PATIENCE_MS;
    enum err rc = client_open(cli, error);
    json_t *reply = NULL;
    if (!rc) {
        CLEANUP_FREE char *base = URL("/projects/{}/experiments/{}/trials/{}", cli->project, experiment, trial);
        CLEANUP_FREE char *path = x_asprintf("%s:report", base);
        rc = client_call(cli, "POST", path, body, &reply, error);
    }
    json_decref(body);
    if (!rc && json_is_true(json_object_get(reply, "should_stop"))) {
        (void)puts("stop");
        cli->exit_code = args_has(&cli->args, "exit-code") ? EXIT_SHOULD_STOP : 0;
    }
    json_decref(reply);
    return rc;
}

/* ---- ask ---- */

static const struct column ask_lines[] = {
    {"trial", "number", false},
    {"attempt", "lease.attempt", false},
    {"params", "params", false},
    {"lease ends", "lease.expires_at", false},
    {NULL, NULL, false},
};

static void show_asked(const struct cli *cli, enum output_format format, const char *experiment, json_t *trial)
{
    long long number = json_integer_value(json_object_get(trial, "number"));
    if (format == OUT_ENV) {
        (void)printf("HONE_PROJECT=%s\nHONE_EXPERIMENT=%s\nHONE_TRIAL=%lld\nHONE_ATTEMPT=%lld\n", cli->project, experiment, number,
                     (long long)json_integer_value(json_at(trial, "lease.attempt")));
    } else if (format == OUT_NAME) {
        (void)printf("%s/%lld\n", experiment, number);
        return;
    }
    if (format == OUT_ENV || format == OUT_ARGS)
        output_params(format, json_object_get(trial, "params"));
    else
        output_object(format, ask_lines, "number", trial);
}

static json_t *ask_body(const struct args *args)
{
    json_t *body = json_pack("{s:i}", "count", 1);
    if (args_has(args, "worker"))
        (void)json_object_set_new(body, "worker", json_string(args_text(args, "worker")));
    if (args_has(args, "lease"))
        (void)json_object_set_new(body, "lease_seconds", json_real(args_seconds(args, "lease", 0)));
    if (args_has(args, "wait"))
        (void)json_object_set_new(body, "wait_seconds", json_real(args_seconds(args, "wait", 0)));
    return body;
}

static enum err none_free(const char *experiment, json_t *reply, struct error *error)
{
    const char *reason = json_string_value(json_object_get(reply, "reason"));
    if (json_is_true(json_object_get(reply, "done")))
        return err_set(error, ERR_CONFLICT, "EXPERIMENT_DONE", "%s gives out no more trials%s%s", experiment,
                       reason && reason[0] ? ": " : "", reason ? reason : "");
    return err_set(error, ERR_TIMEOUT, "NO_TRIAL_FREE", "%s has no trial to give now; --wait TIME waits for one", experiment);
}

enum err verb_ask(struct cli *cli, struct error *error)
{
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, true, &format, error);
    if (!rc)
        rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *experiment = experiment_name(cli, cli->args.words[0], error);
    if (!experiment)
        return error->code;
    CLEANUP_FREE char *path = URL("/projects/{}/experiments/{}/trials:suggest", cli->project, experiment);
    json_t *body = ask_body(&cli->args), *reply = NULL;
    rc = client_call(cli, "POST", path, body, &reply, error);
    json_decref(body);
    if (rc)
        return rc;
    json_t *trial = json_array_get(json_object_get(reply, "trials"), 0);
    if (trial)
        show_asked(cli, format, experiment, trial);
    else
        rc = none_free(experiment, reply, error);
    json_decref(reply);
    return rc;
}

/* ---- complete, fail ---- */

static enum err tell(struct cli *cli, const char *verb, json_t *body, struct error *error)
{
    cli->patience_ms = REPORT_PATIENCE_MS;
    enum err rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *path = object_path(cli, cli->args.words[0], MAY_TRIAL, verb, error);
    if (!path)
        return error->code;
    return client_call(cli, "POST", path, body, NULL, error);
}

enum err verb_complete(struct cli *cli, struct error *error)
{
    json_t *metrics = metrics_of(&cli->args, 1, error);
    if (!metrics)
        return error->code;
    json_t *body = json_object_size(metrics) ? json_pack("{s:O}", "metrics", metrics) : json_object();
    json_decref(metrics);
    enum err rc = tell(cli, ":complete", body, error);
    json_decref(body);
    return rc;
}

enum err verb_fail(struct cli *cli, struct error *error)
{
    static const char *const texts[] = {"message", "reason"};
    json_t *body = json_object();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (args_has(&cli->args, texts[i]))
            (void)json_object_set_new(body, texts[i], json_string(args_text(&cli->args, texts[i])));
    enum err rc = tell(cli, args_has(&cli->args, "infeasible") ? ":infeasible" : ":fail", body, error);
    json_decref(body);
    return rc;
}
