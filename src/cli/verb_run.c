/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serve, run and tune: the verbs that may have a service in this process. */
#include "base/mem.h"
#include "model/spec.h"
#include "cli/client.h"
#include "cli/document.h"
#include "cli/files.h"
#include "cli/follow.h"
#include "cli/verbs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define RUN_OPTIONS                                                                                  \
    {"trials", 'n', OPT_INT, "N", "how many trials"},                                                \
    {"parallel", 'j', OPT_INT, "N", "how many at once"},                                             \
    {"name", 0, OPT_TEXT, "NAME", "name of the experiment"},                                         \
    {"seed", 0, OPT_INT, "N", "seed of everything random"},                                          \
    {"wait", 0, OPT_FLAG, NULL, "wait for the end (this is the default)"},                           \
    {"detach", 'd', OPT_FLAG, NULL, "print the name and return at once; needs a service that runs"}, \
    {"best-params-out", 0, OPT_TEXT, "FILE", "write the best parameters there, as JSON"},            \
    {"best-value-out", 0, OPT_TEXT, "FILE", "write the best value there"},                           \
    {"link-out", 0, OPT_TEXT, "FILE", "write the address of the experiment there"},                  \
    {"data", 0, OPT_TEXT, "DIR", "data directory of the service (HONE_DATA)"},                       \
    {"backend", 0, OPT_TEXT, "NAME", "where trials run: process or kubernetes"},                     \
    {"kubeconfig", 0, OPT_TEXT, "FILE", "the cluster, for a service that begins here (HONE_KUBECONFIG)"}, \
    {0}

const struct option_row options_run[] = {RUN_OPTIONS};

const struct option_row options_tune[] = {
    {"param", 'p', OPT_MANY, "NAME=RANGE", "lr=1e-5..1e-1:log, bs=16..256:int:step=16, act=relu,tanh or flag=bool"},
    {"minimize", 0, OPT_MANY, "METRIC", "metric that should be small"},
    {"maximize", 0, OPT_MANY, "METRIC", "metric that should be large"},
    {"goal", 0, OPT_NUMBER, "VALUE", "end once a trial reaches this"},
    {"algorithm", 0, OPT_TEXT, "NAME", "search algorithm (`hone get algorithms`)"},
    {"metrics", 0, OPT_TEXT, "FROM", "where the metrics are: stdout (otherwise), stderr or file:PATH, as name=value or JSON lines; tensorboard[:DIR]; mlflow; kubeflow"},
    {"stopping", 0, OPT_TEXT, "NAME", "rule that stops bad trials (`hone get stoppers`)"},
    {"constraint", 0, OPT_MANY, "EXPR", "what parameters must satisfy, such as 'lr * bs < 1'"},
    {"bound", 0, OPT_MANY, "EXPR", "what a trial's metrics must satisfy, such as 'latency <= 50'"},
    {"warm-start", 0, OPT_MANY, "EXP", "begin with what an earlier experiment found"},
    {"timeout", 0, OPT_DURATION, "TIME", "end the experiment after this"},
    {"trial-timeout", 0, OPT_DURATION, "TIME", "end a trial after this"},
    {"retries", 0, OPT_INT, "N", "run a failed trial again so often"},
    {"max-failed", 0, OPT_INT, "N", "end after more failed trials than this"},
    RUN_OPTIONS,
};

/* ---- serve ---- */

enum err verb_serve(struct cli *cli, struct error *error)
{
    const char *flags[CONFIG_COUNT];
    args_settings(&cli->args, flags);
    struct config config;
    enum err rc = config_load(&config, args_text(&cli->args, "config"), flags, error);
    if (rc)
        return rc;
    rc = cli->embed->start(&config, &cli->service, error);
    config_release(&config);
    if (rc)
        return rc;
    say(cli, "hone %s serves %s\ndashboard: %s", HONE_VERSION, cli->embed->url(cli->service),
        cli->embed->link(cli->service));
    sigset_t set;
    int number = 0;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigwait(&set, &number);
    say(cli, "stopping; trials that run go on and are taken up at the next start");
    return OK; /* client_close stops the service */
}

/* ---- run, tune ---- */

static char *link_of(struct cli *cli, const char *name)
{
    CLEANUP_FREE char *project = rest_encode(cli->project);
    return x_asprintf("%s/#/%s/%s", cli->url, project, name);
}

static enum err write_value(const struct cli *cli, const char *flag, json_t *value, struct error *error)
{
    const char *path = args_text(&cli->args, flag);
    if (!path)
        return OK;
    CLEANUP_FREE char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_INDENT(2));
    CLEANUP_FREE char *line = x_asprintf("%s\n", text ? text : "null");
    return file_write(path, line, 0666, error);
}

/* The files that pipelines read. Without a best trial they are not written, so a step after this one fails for the right reason. */
static enum err write_best(struct cli *cli, const char *name, json_t *experiment, struct error *error)
{
    if (!args_has(&cli->args, "best-params-out") && !args_has(&cli->args, "best-value-out"))
        return OK;
    json_t *number = json_at(experiment, "best.number");
    if (!json_is_integer(number)) {
        say(cli, "no trial succeeded, so there is no best one to write");
        return OK;
    }
    char trial[24];
    (void)snprintf(trial, sizeof trial, "%lld", (long long)json_integer_value(number));
    CLEANUP_FREE char *path = URL("/projects/{}/experiments/{}/trials/{}", cli->project, name, trial);
    json_t *best;
    enum err rc = client_get(cli, path, &best, error);
    if (rc)
        return rc;
    rc = write_value(cli, "best-params-out", json_object_get(best, "params"), error);
    if (!rc)
        rc = write_value(cli, "best-value-out", json_object_get(best, "objective"), error);
    json_decref(best);
    return rc;
}

static enum err write_link(struct cli *cli, const char *name, struct error *error)
{
    const char *path = args_text(&cli->args, "link-out");
    if (!path)
        return OK;
    CLEANUP_FREE char *url = link_of(cli, name);
    CLEANUP_FREE char *line = x_asprintf("%s\n", url);
    return file_write(path, line, 0666, error);
}

static void say_detached(struct cli *cli, const char *name)
{
    if (cli->service)
        say(cli, "detached: %s is kept and goes on when a service runs: `hone serve`, then `hone watch %s`", name, name);
    else
        say(cli, "detached: %s goes on; `hone watch %s` follows it, `hone stop %s` ends it", name, name, name);
}

static enum err wait_for(struct cli *cli, const char *name, enum output_format format, struct error *error)
{
    json_t *experiment;
    struct error why = {0};
    enum err rc = follow(cli, &(struct follow){.experiment = name, .progress = true}, &experiment, &why);
    if (rc && strcmp(why.name, "CANCELLED") == 0)
        say_detached(cli, name);
    if (rc) {
        *error = why;
        return rc;
    }
    rc = show_result(cli, experiment, format, error);
    if (!rc)
        rc = write_best(cli, name, experiment, error);
    cli->exit_code = exit_of_experiment(experiment);
    json_decref(experiment);
    return rc;
}

static enum err create(struct cli *cli, json_t *document, char **name, struct error *error)
{
    CLEANUP_FREE char *path = URL("/projects/{}/experiments", cli->project);
    json_t *experiment = NULL;
    enum err rc = client_call(cli, "POST", path, document, &experiment, error);
    if (rc)
        return rc;
    const char *text = json_string_value(json_object_get(experiment, "name"));
    *name = text ? x_strdup(text) : NULL;
    json_decref(experiment);
    return *name ? OK : err_set(error, ERR_INTERNAL, NULL, "%s did not say the name of the experiment", cli->url);
}

/* What the model would rather have otherwise, as `hone validate` says it. What it will not have, the service says. */
static void say_warnings(const struct cli *cli, json_t *document)
{
    struct problems problems = {0};
    spec_free(spec_new(document, cli->embed->catalog, &problems));
    print_places(cli->file, problems.warnings, problems.n_warnings, true);
    problems_release(&problems);
}

/* `path`: the file, or NULL when the document came from flags (then commands run where we are). */
static enum err run_document(struct cli *cli, json_t *document, const char *path, struct error *error)
{
    enum output_format format;
    bool detach = args_has(&cli->args, "detach");
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = detach ? client_open(cli, error) : client_open_or_start(cli, error);
    if (rc)
        return rc;
    if (cli->local)
        document_place(document, path && strcmp(path, "-") != 0 ? path : "./");
    if (cli->service)
        say(cli, "dashboard: %s", cli->embed->link(cli->service));
    CLEANUP_FREE char *name = NULL;
    cli->file = path ? path : "the flags";
    say_warnings(cli, document);
    rc = create(cli, document, &name, error);
    if (rc)
        return rc;
    rc = write_link(cli, name, error);
    if (rc)
        return rc;
    if (detach) {
        (void)puts(name);
        return OK;
    }
    say(cli, "experiment %s", name);
    return wait_for(cli, name, format, error);
}

enum err verb_run(struct cli *cli, struct error *error)
{
    json_t *document = document_load(cli->args.words[0], error);
    if (!document)
        return error->code;
    document_override(document, &cli->args);
    enum err rc = run_document(cli, document, cli->args.words[0], error);
    json_decref(document);
    return rc;
}

enum err verb_tune(struct cli *cli, struct error *error)
{
    json_t *document = document_of_flags(&cli->args, error);
    if (!document)
        return error->code;
    enum err rc = run_document(cli, document, NULL, error);
    json_decref(document);
    return rc;
}
