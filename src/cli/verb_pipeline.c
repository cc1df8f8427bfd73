/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hone pipeline: runs of pipelines, their steps and logs, versions and schedules. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/document.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/param_flag.h"
#include "cli/verbs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WAIT_TEXT "30" /* seconds of one look at a run that is under way */

const struct option_row options_pipeline[] = {
    {"param", 'p', OPT_MANY, "NAME=VALUE", "a parameter (run, rerun, schedule)"},
    {"detach", 'd', OPT_FLAG, NULL, "do not wait for the end (run, resume, rerun)"},
    {"from", 0, OPT_TEXT, "STEP|VERSION", "rerun: do this step and what comes after it again; diff: the first version"},
    {"to", 0, OPT_TEXT, "VERSION", "diff: the second version (otherwise the newest)"},
    {"version", 0, OPT_TEXT, "VERSION", "rerun: of the pipeline; alias: what it stands for"},
    {"key", 0, OPT_TEXT, "TEXT", "run: a repeat with the same key gives the same run"},
    {"force", 0, OPT_FLAG, NULL, "cancel: skip the steps of `finally` too"},
    {"stderr", 0, OPT_FLAG, NULL, "logs: standard error"},
    {"follow", 'f', OPT_FLAG, NULL, "logs: go on as it is written"},
    {"tail", 0, OPT_INT, "N", "logs: only the last lines"},
    {"attempt", 0, OPT_INT, "N", "logs: not of the newest attempt"},
    {"name", 0, OPT_TEXT, "NAME", "schedule: what it is called (otherwise the pipeline's name)"},
    {"cron", 0, OPT_TEXT, "TEXT", "schedule: minute hour day month weekday"},
    {"every", 0, OPT_DURATION, "TIME", "schedule: at a fixed rate"},
    {"timezone", 0, OPT_TEXT, "ZONE", "schedule: of --cron, such as Europe/Berlin (otherwise UTC)"},
    {"overlap", 0, OPT_TEXT, "POLICY", "schedule: skip, queue, replace or allow while the run before goes on"},
    {"catchup", 0, OPT_TEXT, "POLICY", "schedule: none, last or all of the times that were missed"},
    {0},
};

static const struct column run_columns[] = {
    {"run", "uid", false},          {"pipeline", "pipeline", false}, {"state", "state", false},           {"reason", "reason", false},
    {"message", "message", false},  {"outputs", "outputs", false},   {"params", "params", true},          {"saved s", "saved_seconds", true},
    {"started", "start_time", false}, {"ended", "end_time", false},    {NULL, NULL, false},
};

static const struct column list_columns[] = {
    {"run", "uid", false}, {"pipeline", "pipeline", false}, {"state", "state", false}, {"reason", "reason", false}, {"started", "start_time", false},
    {"ended", "end_time", false}, {"params", "params", true}, {"outputs", "outputs", true}, {NULL, NULL, false},
};

static const struct column step_columns[] = {
    {"step", "path", false},       {"state", "state", false},     {"attempt", "attempt", false}, {"s", "cost_seconds", false}, {"cause", "cause", false},
    {"message", "message", false}, {"outputs", "outputs", true},  {"from", "cached_from", true}, {NULL, NULL, false},
};

static const struct column schedule_columns[] = {
    {"name", "name", false}, {"kind", "kind", false}, {"when", "when", false}, {"paused", "paused", false}, {"next", "next_time", false}, {NULL, NULL, false},
};

static const struct column change_columns[] = {{"at", "pointer", false}, {"from", "from", false}, {"to", "to", false}, {NULL, NULL, false}};

/* ---- what is sent ---- */

static char *folder_of(const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return x_strdup("/");
    *(strrchr(real, '/') + (strrchr(real, '/') == real)) = '\0';
    return x_strdup(real);
}

/* FILE, or NAME@VERSION of one that is kept. New reference, NULL on failure. */
static json_t *pipeline_body(struct cli *cli, const char *word, struct error *error)
{
    struct stat st;
    if (strcmp(word, "-") != 0 && stat(word, &st) != 0)
        return json_pack("{s:s}", "pipeline", word);
    json_t *document = document_load(word, error);
    if (!document)
        return NULL;
    cli->file = word;
    json_t *body = json_pack("{s:o}", "pipeline", document);
    CLEANUP_FREE char *root = folder_of(word);
    (void)json_object_set_new(body, "root", json_string(root)); /* code is looked for on the service's machine */
    return body;
}

static enum err add_params(const struct cli *cli, json_t *body, struct error *error)
{
    json_t *params = json_object();
    const char *text;
    enum err rc = OK;
    for (size_t i = 0; !rc && (text = args_nth(&cli->args, "param", i)); i++) {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text) {
            rc = err_set(error, ERR_USAGE, "PARAMETER_FLAG", "-p %s: write NAME=VALUE", text);
            break;
        }
        CLEANUP_FREE char *name = x_strndup(text, (size_t)(equals - text));
        json_t *value = json_loads(equals + 1, JSON_DECODE_ANY, NULL); /* 3, 0.5, true, [1, 2]; anything else is a text */
        (void)json_object_set_new(params, name, value ? value : json_string(equals + 1));
    }
    if (json_object_size(params))
        (void)json_object_set(body, "params", params);
    json_decref(params);
    return rc;
}

static void add_text(const struct cli *cli, json_t *body, const char *option)
{
    if (args_has(&cli->args, option))
        (void)json_object_set_new(body, option, json_string(args_text(&cli->args, option)));
}

/* ---- a run ---- */

static char *run_path(struct cli *cli, size_t word, const char *suffix, struct error *error)
{
    if (cli->args.n_words <= word) {
        (void)err_set(error, ERR_USAGE, NULL, "hone pipeline %s needs a run; `hone pipeline list` shows them", cli->args.words[0]);
        return NULL;
    }
    CLEANUP_FREE char *base = URL("/projects/{}/runs/{}", cli->project, cli->args.words[word]);
    return x_asprintf("%s%s", base, suffix);
}

static bool is_over(json_t *run)
{
    return !json_is_null(json_object_get(run, "end_time"));
}

/* Shows the run once it is over, and what its steps came to; another end than success is the exit code's. Takes the run. */
static enum err see_through(struct cli *cli, json_t *run, struct error *error)
{
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    CLEANUP_FREE char *path = URL("/projects/{}/runs/{}", cli->project, json_string_value(json_object_get(run, "uid")));
    CLEANUP_FREE char *look = x_asprintf("%s?wait=" WAIT_TEXT, path);
    if (!rc && !args_has(&cli->args, "detach"))
        say(cli, "run %s", json_string_value(json_object_get(run, "uid")));
    while (!rc && !args_has(&cli->args, "detach") && !is_over(run)) {
        json_decref(run);
        run = NULL;
        rc = client_get(cli, look, &run, error);
        if (!rc && interrupted())
            rc = err_set(error, ERR_UNAVAILABLE, "CANCELLED", "interrupted; the run goes on");
    }
    if (!rc)
        output_object(format, run_columns, "uid", run);
    if (!rc && is_over(run) && strcmp(json_string_value(json_object_get(run, "state")), "SUCCEEDED") != 0)
        cli->exit_code = EXIT_UNSUCCESSFUL;
    json_decref(run);
    return rc;
}

static enum err post_run(struct cli *cli, const char *path, json_t *body, struct error *error)
{
    json_t *run = NULL;
    enum err rc = client_call(cli, "POST", path, body, &run, error);
    return rc ? rc : see_through(cli, run, error);
}

static enum err do_run(struct cli *cli, struct error *error)
{
    if (cli->args.n_words != 2)
        return err_set(error, ERR_USAGE, NULL, "hone pipeline run needs a file, or the name of a pipeline that is kept");
    json_t *body = pipeline_body(cli, cli->args.words[1], error);
    if (!body)
        return error->code;
    add_text(cli, body, "key");
    CLEANUP_FREE char *path = URL("/projects/{}/runs", cli->project);
    enum err rc = add_params(cli, body, error);
    if (!rc)
        rc = post_run(cli, path, body, error);
    json_decref(body);
    return rc;
}

static enum err do_resume(struct cli *cli, struct error *error)
{
    CLEANUP_FREE char *path = run_path(cli, 1, ":resume", error);
    return path ? post_run(cli, path, NULL, error) : error->code;
}

static enum err do_rerun(struct cli *cli, struct error *error)
{
    CLEANUP_FREE char *path = run_path(cli, 1, ":rerun", error);
    if (!path)
        return error->code;
    json_t *body = json_object();
    add_text(cli, body, "from");
    add_text(cli, body, "version");
    enum err rc = add_params(cli, body, error);
    if (!rc)
        rc = post_run(cli, path, body, error);
    json_decref(body);
    return rc;
}

static enum err do_cancel(struct cli *cli, struct error *error)
{
    CLEANUP_FREE char *path = run_path(cli, 1, ":cancel", error);
    if (!path)
        return error->code;
    json_t *body = json_pack("{s:b}", "force", args_has(&cli->args, "force"));
    enum err rc = client_call(cli, "POST", path, body, NULL, error);
    json_decref(body);
    return rc;
}

static enum err do_delete(struct cli *cli, struct error *error)
{
    CLEANUP_FREE char *path = run_path(cli, 1, "", error);
    return path ? client_call(cli, "DELETE", path, NULL, NULL, error) : error->code;
}

static enum err do_list(struct cli *cli, struct error *error)
{
    enum output_format format;
    json_t *rows = NULL;
    CLEANUP_FREE char *path = URL("/projects/{}/runs", cli->project);
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_list(cli, path, "runs", 0, &rows, error);
    if (!rc)
        output_rows(cli, format, list_columns, "uid", rows);
    json_decref(rows);
    return rc;
}

static enum err do_describe(struct cli *cli, struct error *error)
{
    enum output_format format;
    json_t *run = NULL, *steps = NULL;
    CLEANUP_FREE char *path = run_path(cli, 1, "", error);
    CLEANUP_FREE char *steps_path = path ? run_path(cli, 1, "/steps?limit=20000", error) : NULL;
    enum err rc = path ? output_format(cli, OUT_TABLE, false, &format, error) : error->code;
    if (!rc)
        rc = client_get(cli, path, &run, error);
    if (!rc)
        rc = client_get(cli, steps_path, &steps, error);
    if (!rc && (format == OUT_TABLE || format == OUT_WIDE)) {
        output_object(format, run_columns, "uid", run);
        (void)putchar('\n');
        output_rows(cli, format, step_columns, "path", json_object_get(steps, "steps"));
    } else if (!rc) {
        (void)json_object_set(run, "steps", json_object_get(steps, "steps"));
        output_object(format, run_columns, "uid", run);
    }
    json_decref(run);
    json_decref(steps);
    return rc;
}

static enum err do_logs(struct cli *cli, struct error *error)
{
    char *path = run_path(cli, 1, "/logs", error);
    if (!path)
        return error->code;
    url_query(&path, "step", cli->args.n_words > 2 ? cli->args.words[2] : NULL);
    enum err rc = follow_log(cli, path, error);
    free(path);
    return rc;
}

/* ---- versions ---- */

static enum err do_put(struct cli *cli, struct error *error)
{
    enum output_format format;
    static const struct column columns[] = {{"pipeline", "name", false}, {"version", "version", false}, {"sha", "sha", false}, {NULL, NULL, false}};
    json_t *reply = NULL, *body = cli->args.n_words == 2 ? pipeline_body(cli, cli->args.words[1], error) : NULL;
    if (!body)
        return cli->args.n_words == 2 ? error->code : err_set(error, ERR_USAGE, NULL, "hone pipeline put needs a file");
    CLEANUP_FREE char *path = URL("/projects/{}/pipelines", cli->project);
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_call(cli, "POST", path, body, &reply, error);
    if (!rc)
        output_object(format, columns, "sha", reply);
    json_decref(reply);
    json_decref(body);
    return rc;
}

static enum err do_diff(struct cli *cli, struct error *error)
{
    enum output_format format;
    json_t *reply = NULL;
    if (cli->args.n_words != 2)
        return err_set(error, ERR_USAGE, NULL, "hone pipeline diff needs the name of a pipeline, and --from VERSION");
    char *path = URL("/projects/{}/pipelines/{}/diff", cli->project, cli->args.words[1]);
    url_query(&path, "from", args_text(&cli->args, "from"));
    url_query(&path, "to", args_text(&cli->args, "to"));
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_get(cli, path, &reply, error);
    if (!rc)
        output_rows(cli, format, change_columns, "pointer", json_object_get(reply, "changes"));
    json_decref(reply);
    free(path);
    return rc;
}

/* ---- schedules ---- */

static json_t *when_of(const struct cli *cli)
{
    json_t *when = json_object();
    static const char *const texts[] = {"cron", "timezone", "overlap", "catchup"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        add_text(cli, when, texts[i]);
    if (args_has(&cli->args, "every"))
        (void)json_object_set_new(when, "every", json_real(args_seconds(&cli->args, "every", 0)));
    return when;
}

static enum err post_schedule(struct cli *cli, json_t *body, struct error *error)
{
    enum output_format format;
    json_t *reply = NULL;
    CLEANUP_FREE char *path = URL("/projects/{}/schedules", cli->project);
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_call(cli, "POST", path, body, &reply, error);
    if (!rc)
        output_object(format, schedule_columns, "name", reply);
    json_decref(reply);
    return rc;
}

/* FILE: a pipeline, or an experiment. Without --cron or --every those that stand in the pipeline's file. */
static enum err schedule_file(struct cli *cli, const char *file, struct error *error)
{
    json_t *body = pipeline_body(cli, file, error), *document = json_object_get(body, "pipeline");
    if (!body)
        return error->code;
    bool experiment = json_object_get(document, "parameters") || json_object_get(document, "objective");
    const char *name = args_text(&cli->args, "name");
    json_t *own = json_incref(json_object_get(document, "schedules")), *when = when_of(cli);
    if (!name)
        name = json_string_value(json_object_get(document, "name"));
    (void)json_object_set_new(body, "name", json_string(name ? name : file));
    if (experiment) {
        document_place(document, file);
        (void)json_object_set(body, "experiment", document);
        (void)json_object_del(body, "pipeline");
        (void)json_object_del(body, "root");
    }
    enum err rc = add_params(cli, body, error);
    bool flagged = args_has(&cli->args, "cron") || args_has(&cli->args, "every");
    if (!rc && !flagged && !json_array_size(own))
        rc = err_set(error, ERR_USAGE, NULL, "say when: --cron '0 3 * * *' or --every 6h, or `schedules` in the pipeline's file");
    for (size_t i = 0; !rc && i < (flagged ? 1 : json_array_size(own)); i++) {
        if (i) /* the second of a file */
            (void)json_object_set_new(body, "name", json_sprintf("%s-%zu", name ? name : file, i + 1));
        (void)json_object_set(body, "when", flagged ? when : json_array_get(own, i));
        rc = post_schedule(cli, body, error);
    }
    json_decref(own);
    json_decref(when);
    json_decref(body);
    return rc;
}

static enum err list_schedules(struct cli *cli, struct error *error)
{
    enum output_format format;
    json_t *reply = NULL;
    CLEANUP_FREE char *path = URL("/projects/{}/schedules", cli->project);
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_get(cli, path, &reply, error);
    if (!rc)
        output_rows(cli, format, schedule_columns, "name", json_object_get(reply, "schedules"));
    json_decref(reply);
    return rc;
}

static enum err do_schedule(struct cli *cli, struct error *error)
{
    const char *what = cli->args.n_words > 1 ? cli->args.words[1] : "list", *name = cli->args.n_words > 2 ? cli->args.words[2] : NULL;
    if (!strcmp(what, "list"))
        return list_schedules(cli, error);
    if (!name)
        return schedule_file(cli, what, error);
    CLEANUP_FREE char *base = URL("/projects/{}/schedules/{}", cli->project, name);
    CLEANUP_FREE char *path = x_asprintf("%s:%s", base, what);
    if (!strcmp(what, "pause") || !strcmp(what, "resume"))
        return client_call(cli, "POST", path, NULL, NULL, error);
    if (!strcmp(what, "delete"))
        return client_call(cli, "DELETE", base, NULL, NULL, error);
    return err_set(error, ERR_USAGE, NULL, "hone pipeline schedule: FILE, list, or pause, resume, delete NAME; not %s", what);
}

/* ---- the verb ---- */

static const struct {
    const char *name;
    enum err (*run)(struct cli *cli, struct error *error);
} parts[] = {
    {"run", do_run},       {"list", do_list},     {"describe", do_describe}, {"logs", do_logs}, {"resume", do_resume}, {"rerun", do_rerun},
    {"cancel", do_cancel}, {"delete", do_delete}, {"put", do_put},           {"diff", do_diff}, {"schedule", do_schedule},
};

enum err verb_pipeline(struct cli *cli, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!strcmp(cli->args.words[0], parts[i].name)) {
            bool begins = !strcmp(parts[i].name, "run");
            enum err rc = begins && !args_has(&cli->args, "detach") ? client_open_or_start(cli, error) : client_open(cli, error);
            return rc ? rc : parts[i].run(cli, error);
        }
    return err_set(error, ERR_USAGE, NULL, "hone pipeline %s is not known: run, list, describe, logs, resume, rerun, cancel, delete, put, diff, schedule", cli->args.words[0]);
}
