/* SPDX-License-Identifier: GPL-3.0-or-later */
/* best, logs, export, explain: what came of the trials. */
#include "base/mem.h"
#include "base/problems.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#define LOG_CHUNK "262144"
#define LOG_WAIT "20"

const struct option_row options_logs[] = {
    {"follow", 'f', OPT_FLAG, NULL, "go on until the trial ends"},
    {"stderr", 0, OPT_FLAG, NULL, "what it wrote to stderr"},
    {"tail", 0, OPT_INT, "N", "only the last lines"},
    {"attempt", 0, OPT_INT, "N", "of an earlier attempt"},
    {0},
};

const struct option_row options_export[] = {
    {"format", 0, OPT_TEXT, "FORMAT", "csv, jsonl or json (otherwise: csv)"},
    {"filter", 0, OPT_TEXT, "EXPR", "only what matches, such as 'state=SUCCEEDED'"},
    {0},
};

const struct option_row options_best[] = {
    {"expected", 0, OPT_FLAG, NULL, "the trial that a model of all trials expects the best of, which noise misleads less"},
    {0},
};

/* ---- best ---- */

static const struct column best_columns[] = {
    {"TRIAL", "number", false}, {"OBJECTIVE", "objective", false}, {"", "metrics.*", false},
    {"", "params.*", false},    {"ENDED", "end_time", true},       {NULL, NULL, false},
};

static const struct column expected_lines[] = {
    {"trial", "trial.number", false},         {"expected", "trial.expected", false}, {"deviation", "trial.deviation", false},
    {"observed", "trial.observed", false}, {"params", "trial.params", false},     {NULL, NULL, false},
};

static void show_expected(const struct cli *cli, enum output_format format, json_t *reply)
{
    (void)cli;
    if (format == OUT_ENV || format == OUT_ARGS)
        output_params(format, json_object_get(json_object_get(reply, "trial"), "params"));
    else
        output_object(format, expected_lines, "trial.number", reply);
}

static bool has_best(json_t *reply, bool expected)
{
    return expected ? json_is_object(json_object_get(reply, "trial")) : json_array_size(json_object_get(reply, "trials")) > 0;
}

static void show_best(const struct cli *cli, enum output_format format, json_t *reply)
{
    json_t *trials = json_object_get(reply, "trials"), *first = json_array_get(trials, 0);
    bool front = json_array_size(json_object_get(reply, "objectives")) > 1;
    if (format == OUT_ENV || format == OUT_ARGS)
        output_params(format, json_object_get(first, "params"));
    else if (front || format == OUT_TABLE || format == OUT_WIDE || format == OUT_CSV)
        output_rows(cli, format, best_columns, "number", trials);
    else
        output_object(format, best_columns, "number", first);
}

enum err verb_best(struct cli *cli, struct error *error)
{
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, true, &format, error);
    if (!rc)
        rc = client_open(cli, error);
    if (rc)
        return rc;
    const bool expected = args_has(&cli->args, "expected");
    CLEANUP_FREE char *path = object_path(cli, cli->args.words[0], MAY_EXPERIMENT, expected ? "/recommendation" : "/optimal", error);
    if (!path)
        return error->code;
    json_t *reply;
    rc = client_get(cli, path, &reply, error);
    if (rc)
        return rc;
    if (has_best(reply, expected))
        (expected ? show_expected : show_best)(cli, format, reply);
    else if (expected)
        rc = err_set(error, ERR_NOT_FOUND, "NO_BEST_TRIAL", "too few trials of %s have succeeded to say which is expected to be the best", cli->args.words[0]);
    else
        rc = err_set(error, ERR_NOT_FOUND, "NO_BEST_TRIAL", "no trial of %s has succeeded", cli->args.words[0]);
    json_decref(reply);
    return rc;
}

/* ---- logs ---- */

static char *log_path(const struct cli *cli, const char *base, json_int_t offset)
{
    char *path = x_strdup(base);
    CLEANUP_FREE char *at = x_asprintf("%lld", (long long)offset);
    const char *tail = args_text(&cli->args, "tail");
    url_query(&path, "stream", args_has(&cli->args, "stderr") ? "stderr" : "stdout");
    url_query(&path, "attempt", args_text(&cli->args, "attempt"));
    url_query(&path, "limit", LOG_CHUNK);
    if (offset < 0) /* the first call */
        url_query(&path, "tail", tail);
    else
        url_query(&path, "offset", at);
    if (offset >= 0 && args_has(&cli->args, "follow"))
        url_query(&path, "wait", LOG_WAIT);
    return path;
}

/* One chunk to stdout; *offset is where to go on. `*more`: there is, or may come, another. */
static enum err log_chunk(struct cli *cli, const char *base, json_int_t *offset, bool *more, struct error *error)
{
    CLEANUP_FREE char *path = log_path(cli, base, *offset);
    json_t *reply;
    enum err rc = client_get(cli, path, &reply, error);
    if (rc)
        return rc;
    json_t *text = json_object_get(reply, "text");
    size_t len = json_string_length(text);
    (void)fwrite(json_string_value(text), 1, len, stdout);
    (void)fflush(stdout);
    bool end = json_is_true(json_object_get(reply, "end"));
    *more = len > 0 || (!end && args_has(&cli->args, "follow"));
    *offset = json_integer_value(json_object_get(reply, "next_offset"));
    json_decref(reply);
    return OK;
}

enum err follow_log(struct cli *cli, const char *base, struct error *error)
{
    json_int_t offset = args_has(&cli->args, "tail") ? -1 : 0;
    bool more = true;
    enum err rc = OK;
    while (!rc && more && !ferror(stdout)) {
        rc = log_chunk(cli, base, &offset, &more, error);
        if (!rc && more && interrupted())
            rc = err_set(error, ERR_UNAVAILABLE, "CANCELLED", "interrupted");
    }
    return rc;
}

enum err verb_logs(struct cli *cli, struct error *error)
{
    static const char *const counts[] = {"tail", "attempt"};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        if (args_int(&cli->args, counts[i], 1) < 1)
            return err_set(error, ERR_USAGE, NULL, "--%s must be 1 or more", counts[i]);
    enum err rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *base = object_path(cli, cli->args.words[0], MAY_TRIAL, "/logs", error);
    return base ? follow_log(cli, base, error) : error->code;
}

/* ---- export ---- */

static const struct column export_columns[] = {
    {"number", "number", false},         {"state", "state", false},           {"reason", "reason", false},
    {"objective", "objective", false},   {"params", "params.*", false},       {"metrics", "metrics.*", false},
    {"attempt", "attempt", false},       {"worker", "worker", false},         {"origin", "origin.by", false},
    {"create_time", "create_time", false}, {"start_time", "start_time", false}, {"end_time", "end_time", false},
    {NULL, NULL, false},
};

static void write_line(void *arg, json_t *trial)
{
    (void)arg;
    (void)json_dumpf(trial, stdout, JSON_COMPACT);
    (void)putchar('\n');
}

enum err verb_export(struct cli *cli, struct error *error)
{
    static const char *const formats[] = {"csv", "jsonl", "json", NULL};
    const char *format = args_text(&cli->args, "format");
    size_t f = 0;
    while (format && formats[f] && strcmp(format, formats[f]) != 0)
        f++;
    if (!formats[f])
        return err_set(error, ERR_USAGE, NULL, "--format %s: must be csv, jsonl or json", format);
    enum err rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *path = object_path(cli, cli->args.words[0], MAY_EXPERIMENT, "/trials", error);
    if (!path)
        return error->code;
    url_query(&path, "filter", args_text(&cli->args, "filter"));
    if (f == 1) /* as it comes, however long it is */
        return client_each(cli, path, "trials", 0, write_line, NULL, error);
    json_t *rows;
    rc = client_list(cli, path, "trials", 0, &rows, error);
    if (rc)
        return rc;
    output_rows(cli, f == 0 ? OUT_CSV : OUT_JSON, export_columns, "number", rows);
    json_decref(rows);
    return OK;
}

/* ---- explain ---- */

static const struct column near_columns[] = {
    {"TRIAL", "number", false},
    {"DISTANCE", "distance", false},
    {"OBJECTIVE", "objective", false},
    {NULL, NULL, false},
};
static const struct column explain_lines[] = {
    {"trial", "number", false},
    {"why", "why", false},
    {"suggested by", "origin.by", false},
    {"how", "origin.how", false},
    {"expected", "origin.expected", false},
    {"deviation", "origin.deviation", false},
    {"acquisition", "origin.acquisition", false},
    {"far in", "explored.params", false},
    {"from trial", "explored.best", false},
    {"stopped", "stopped.reason", false},
    {"because", "stopped.message", false},
    {NULL, NULL, false},
};

enum err verb_explain(struct cli *cli, struct error *error)
{
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = client_open(cli, error);
    if (rc)
        return rc;
    CLEANUP_FREE char *path = object_path(cli, cli->args.words[0], MAY_TRIAL, "/explain", error);
    if (!path)
        return error->code;
    json_t *reply;
    rc = client_get(cli, path, &reply, error);
    if (rc)
        return rc;
    output_object(format, explain_lines, "number", reply);
    json_t *nearest = json_object_get(reply, "nearest");
    if ((format == OUT_TABLE || format == OUT_WIDE) && json_array_size(nearest)) {
        (void)puts("\nnearest trials before it:");
        output_rows(cli, format, near_columns, "number", nearest);
    }
    json_decref(reply);
    return OK;
}
