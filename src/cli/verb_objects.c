/* SPDX-License-Identifier: GPL-3.0-or-later */
/* get, describe, delete, clone: what there is. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/problems.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

const struct option_row options_delete[] = {
    {"force", 0, OPT_FLAG, NULL, "delete what still runs too"},
    {0},
};

const struct option_row options_clone[] = {
    {"name", 0, OPT_TEXT, "NAME", "name of the new experiment (the service makes one up otherwise)"},
    {0},
};

static const struct column experiment_columns[] = {
    {"NAME", "name", false},           {"STATE", "state", false},      {"TRIALS", "n_trials", false},
    {"SUCCEEDED", "counts.SUCCEEDED", false}, {"FAILED", "counts.FAILED", true}, {"BEST", "best.value", false},
    {"TRIAL", "best.number", false},   {"CREATED", "create_time", false}, {"PROJECT", "project", true},
    {"REASON", "reason", true},        {"MESSAGE", "message", true},   {"ENDED", "end_time", true},
    {NULL, NULL, false},
};
static const struct column trial_columns[] = {
    {"TRIAL", "number", false},   {"STATE", "state", false},     {"OBJECTIVE", "objective", false},
    {"", "params.*", false},      {"REASON", "reason", false},   {"", "metrics.*", true},
    {"ATTEMPT", "attempt", true}, {"WORKER", "worker", true},    {"STARTED", "start_time", true},
    {"ENDED", "end_time", true},  {"MESSAGE", "message", true},  {NULL, NULL, false},
};
static const struct column project_columns[] = {
    {"NAME", "name", false},
    {"CREATED", "create_time", false},
    {NULL, NULL, false},
};
static const struct column catalog_columns[] = {
    {"NAME", "name", false},
    {"TITLE", "title", false},
    {"ABOUT", "about", true},
    {NULL, NULL, false},
};

/* ---- get ---- */

static const struct kind {
    const char *name, *path, *key;
    const struct column *columns;
    bool of_experiment, pages; /* needs EXP; the service filters, sorts and pages it */
} kinds[] = {
    {"experiments", "/api/v1/projects/{}/experiments", "experiments", experiment_columns, false, true},
    {"trials", "/api/v1/projects/{}/experiments/{}/trials", "trials", trial_columns, true, true},
    {"projects", "/api/v1/projects", "projects", project_columns, false, false},
    {"algorithms", "/api/v1/capabilities", "algorithms", catalog_columns, false, false},
    {"stoppers", "/api/v1/capabilities", "stoppers", catalog_columns, false, false},
    {"backends", "/api/v1/capabilities", "backends", catalog_columns, false, false},
};

/* "trial" is as good as "trials". */
static const struct kind *kind_find(const char *word, struct error *error)
{
    const char *names[ARRAY_LEN(kinds) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t len = strlen(kinds[i].name) - 1;
        names[i] = kinds[i].name;
        if (strncmp(word, kinds[i].name, len) == 0 && (!word[len] || strcmp(word + len, "s") == 0))
            return &kinds[i];
    }
    const char *near = did_you_mean(word, names);
    (void)err_set(error, ERR_USAGE, NULL, "hone get %s: there are experiments, trials, projects, algorithms, stoppers and backends%s%s%s", word,
                  near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return NULL;
}

static enum err check_get(const struct cli *cli, const struct kind *k, struct error *error)
{
    static const char *const only_lists[] = {"filter", "sort"};
    for (size_t i = 0; i < ARRAY_LEN(only_lists); i++)
        if (!k->pages && args_has(&cli->args, only_lists[i]))
            return err_set(error, ERR_USAGE, NULL, "--%s is for experiments and trials", only_lists[i]);
    if (k->of_experiment && cli->args.n_words < 2)
        return err_set(error, ERR_USAGE, NULL, "hone get %s needs the experiment: hone get %s EXP", k->name, k->name);
    if (!k->of_experiment && cli->args.n_words > 1)
        return err_set(error, ERR_USAGE, NULL, "hone get %s: \"%s\" is one word too many%s", k->name, cli->args.words[1],
                       k->columns == experiment_columns ? "; `hone describe` shows one" : "");
    if (args_int(&cli->args, "limit", 0) < 0)
        return err_set(error, ERR_USAGE, NULL, "--limit must be 0 (all) or more");
    return OK;
}

/* Names that other verbs take: EXP/N for a trial. */
static void name_trials(const char *experiment, json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        CLEANUP_FREE char *name = x_asprintf("%s/%lld", experiment, (long long)json_integer_value(json_object_get(row, "number")));
        (void)json_object_set_new(row, "name", json_string(name));
    }
}

static enum err fetch(struct cli *cli, const struct kind *k, const char *experiment, json_t **rows, struct error *error)
{
    int64_t limit = args_int(&cli->args, "limit", 0);
    const char *names[] = {cli->project, experiment, NULL};
    CLEANUP_FREE char *path = url_path(k->path, names);
    url_query(&path, "filter", k->pages ? args_text(&cli->args, "filter") : NULL);
    url_query(&path, "order_by", k->pages ? args_text(&cli->args, "sort") : NULL);
    if (k->pages)
        return client_list(cli, path, k->key, limit, rows, error);
    json_t *reply;
    enum err rc = client_get(cli, path, &reply, error);
    if (rc)
        return rc;
    json_t *all = json_object_get(reply, k->key);
    *rows = json_array();
    for (size_t i = 0; i < json_array_size(all) && (!limit || (int64_t)i < limit); i++)
        (void)json_array_append(*rows, json_array_get(all, i));
    json_decref(reply);
    return OK;
}

enum err verb_get(struct cli *cli, struct error *error)
{
    const struct kind *k = kind_find(cli->args.words[0], error);
    enum output_format format = OUT_TABLE;
    if (!k)
        return ERR_USAGE;
    enum err rc = check_get(cli, k, error);
    if (!rc)
        rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *experiment = NULL;
    if (k->of_experiment && !(experiment = experiment_name(cli, cli->args.words[1], error)))
        return error->code;
    json_t *rows;
    rc = fetch(cli, k, experiment, &rows, error);
    if (rc)
        return rc;
    if (format == OUT_NAME && k->of_experiment)
        name_trials(experiment, rows);
    if (!json_array_size(rows) && (format == OUT_TABLE || format == OUT_WIDE))
        say(cli, "no %s%s", k->name, args_has(&cli->args, "filter") ? " match" : "");
    else
        output_rows(cli, format, k->columns, "name", rows);
    json_decref(rows);
    return OK;
}

/* ---- describe ---- */

static const struct column experiment_lines[] = {
    {"name", "name", false},
    {"project", "project", false},
    {"state", "state", false},
    {"reason", "reason", false},
    {"message", "message", false},
    {"objective", "objective", false}, /* made here of spec.objectives */
    {"algorithm", "spec.algorithm.name", false},
    {"stopping", "spec.stopping.name", false},
    {"command", "spec.run.command", false},
    {"trials", "n_trials", false},
    {"counts", "counts", false},
    {"best value", "best.value", false},
    {"best trial", "best.number", false},
    {"progress", "progress", false},
    {"expected gain", "outlook.improvement", false},
    {"trials left", "outlook.trials", false},
    {"seed", "seed", false},
    {"labels", "labels", false},
    {"note", "note", false},
    {"created", "create_time", false},
    {"started", "start_time", false},
    {"ended", "end_time", false},
    {"uid", "uid", true},
    {"revision", "revision", true},
    {NULL, NULL, false},
};
static const struct column trial_lines[] = {
    {"trial", "number", false},
    {"state", "state", false},
    {"reason", "reason", false},
    {"message", "message", false},
    {"objective", "objective", false},
    {"standard error", "objective_se", false},
    {"params", "params", false},
    {"metrics", "metrics", false},
    {"suggested by", "origin.by", false},
    {"progress", "progress", false},
    {"worker", "worker", false},
    {"labels", "labels", false},
    {"note", "note", false},
    {"created", "create_time", false},
    {"started", "start_time", false},
    {"ended", "end_time", false},
    {"revision", "revision", true},
    {NULL, NULL, false},
};
static const struct column attempt_columns[] = {
    {"ATTEMPT", "number", false}, {"STATE", "state", false},        {"REASON", "reason", false},
    {"EXIT", "exit_code", false}, {"SIGNAL", "signal", false},      {"STARTED", "start_time", false},
    {"ENDED", "end_time", false}, {"REPLICATE", "replicate", true}, {"WORKER", "worker", true},
    {"MESSAGE", "message", true}, {NULL, NULL, false},
};

static bool for_people(enum output_format format)
{
    return format == OUT_TABLE || format == OUT_WIDE;
}

static enum err describe_trial(struct cli *cli, enum output_format format, struct error *error)
{
    CLEANUP_FREE char *experiment = NULL;
    char number[24];
    enum err rc = trial_name(cli, cli->args.words[0], &experiment, number, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *path = URL("/projects/{}/experiments/{}/trials/{}", cli->project, experiment, number);
    json_t *trial;
    rc = client_get(cli, path, &trial, error);
    if (rc)
        return rc;
    output_object(format, trial_lines, "number", trial);
    json_t *attempts = json_object_get(trial, "attempts");
    if (for_people(format) && json_array_size(attempts)) {
        (void)putchar('\n');
        output_rows(cli, format, attempt_columns, "number", attempts);
    }
    json_decref(trial);
    return OK;
}

/* "minimize loss (goal 0.1), maximize accuracy" */
static json_t *objective_text(json_t *objectives)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < json_array_size(objectives); i++) {
        json_t *o = json_array_get(objectives, i), *goal = json_object_get(o, "goal");
        CLEANUP_FREE char *direction = value_text(json_object_get(o, "direction"));
        CLEANUP_FREE char *metric = value_text(json_object_get(o, "metric"));
        buf_addf(&b, "%s%s %s", i ? ", " : "", direction, metric);
        if (json_is_number(goal))
            buf_addf(&b, " (goal %.6g)", json_number_value(goal));
    }
    json_t *text = json_string(b.data ? b.data : "");
    buf_release(&b);
    return text;
}

/* "1e-05..0.1 log", "relu, tanh" */
static json_t *range_text(json_t *parameter)
{
    struct buf b = BUF_INIT;
    json_t *values = json_object_get(parameter, "values"), *min = json_object_get(parameter, "min");
    const char *scale = json_string_value(json_object_get(parameter, "scale"));
    for (size_t i = 0; i < json_array_size(values); i++) {
        CLEANUP_FREE char *value = value_text(json_array_get(values, i));
        buf_addf(&b, "%s%s", i ? ", " : "", value);
    }
    if (json_is_number(min))
        buf_addf(&b, "%.6g..%.6g", json_number_value(min), json_number_value(json_object_get(parameter, "max")));
    json_t *step = json_object_get(parameter, "step"), *type = json_object_get(parameter, "type");
    bool plain = json_number_value(step) == 1 && strcmp(json_is_string(type) ? json_string_value(type) : "", "int") == 0;
    if (json_is_number(step) && !plain)
        buf_addf(&b, " step %.6g", json_number_value(step));
    if (scale && strcmp(scale, "linear") != 0)
        buf_addf(&b, " %s", scale);
    json_t *text = json_string(b.data ? b.data : "");
    buf_release(&b);
    return text;
}

static const struct column parameter_columns[] = {
    {"PARAMETER", "name", false},
    {"TYPE", "type", false},
    {"RANGE", "range", false},
    {NULL, NULL, false},
};

static void show_parameters(const struct cli *cli, enum output_format format, json_t *parameters)
{
    const char *name;
    json_t *parameter, *rows = json_array();
    json_object_foreach(parameters, name, parameter)
        (void)json_array_append_new(rows, json_pack("{s:s, s:O, s:o}", "name", name, "type", json_object_get(parameter, "type"), "range",
                                                    range_text(parameter)));
    (void)putchar('\n');
    output_rows(cli, format, parameter_columns, "name", rows);
    json_decref(rows);
}

static enum err describe_experiment(struct cli *cli, enum output_format format, struct error *error)
{
    CLEANUP_FREE char *name = experiment_name(cli, cli->args.words[0], error);
    if (!name)
        return error->code;
    CLEANUP_FREE char *path = URL("/projects/{}/experiments/{}", cli->project, name);
    json_t *experiment, *rows;
    enum err rc = client_get(cli, path, &experiment, error);
    if (rc)
        return rc;
    if (for_people(format))
        (void)json_object_set_new(experiment, "objective", objective_text(json_at(experiment, "spec.objectives")));
    output_object(format, experiment_lines, "name", experiment);
    if (for_people(format))
        show_parameters(cli, format, json_at(experiment, "spec.parameters"));
    json_decref(experiment);
    if (!for_people(format))
        return OK;
    rc = leaderboard(cli, name, 5, &rows, error);
    if (rc)
        return rc;
    if (json_array_size(rows)) {
        (void)putchar('\n');
        output_rows(cli, format, board_columns(rows), "number", rows);
    }
    json_decref(rows);
    return OK;
}

enum err verb_describe(struct cli *cli, struct error *error)
{
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_open(cli, error);
    if (rc)
        return rc;
    return strchr(cli->args.words[0], '/') ? describe_trial(cli, format, error) : describe_experiment(cli, format, error);
}

/* ---- delete, clone ---- */

enum err verb_delete(struct cli *cli, struct error *error)
{
    enum err rc = client_open(cli, error);
    for (size_t i = 0; i < cli->args.n_words && !rc; i++) {
        CLEANUP_FREE char *path = object_path(cli, cli->args.words[i], MAY_EXPERIMENT | MAY_TRIAL, "", error);
        if (!path)
            return error->code;
        url_query(&path, "force", args_has(&cli->args, "force") ? "true" : NULL);
        rc = client_call(cli, "DELETE", path, NULL, NULL, error);
        if (!rc)
            say(cli, "%s deleted", cli->args.words[i]);
    }
    return rc;
}

enum err verb_clone(struct cli *cli, struct error *error)
{
    enum err rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *path = object_path(cli, cli->args.words[0], MAY_EXPERIMENT, ":clone", error);
    if (!path)
        return error->code;
    const char *wanted = args_text(&cli->args, "name");
    json_t *body = wanted ? json_pack("{s:s}", "name", wanted) : json_object(), *made = NULL;
    rc = client_call(cli, "POST", path, body, &made, error);
    json_decref(body);
    if (rc)
        return rc;
    CLEANUP_FREE char *text = value_text(json_object_get(made, "name"));
    (void)puts(text);
    json_decref(made);
    return OK;
}
