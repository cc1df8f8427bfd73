/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report: answers of the API under the names that api/web/src/base/api.ts looks for, the page's own script and style, in one HTML file. */
#include "cli/report.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "cli/client.h"
#include "cli/files.h"
#include "model/nouns.h"

#include <stdio.h>
#include <string.h>

#define CURVES_EACH 80    /* of the best, and of the newest */
#define EXPLAINED "20"    /* of the best */
#define EVENTS_BACK 20000 /* revisions */
/* As COLUMNS in api/web/src/data/trials.ts; tests/web/report.test.mjs opens one. */
#define COLUMNS                                                                                                                     \
    "number,state,reason,objective,objective_se,worker,attempt,progress,start_time,end_time,params.*,metrics.*,labels.*,"           \
    "origin.by,origin.how,origin.expected,origin.deviation,origin.acquisition"

struct report {
    struct cli *cli;
    const char *base; /* path of the experiment */
    json_t *answers;
};

/* GET base/rest[?query], kept as `key`. */
static enum err keep(struct report *r, const char *key, const char *rest, const char *query, struct error *error)
{
    CLEANUP_FREE char *path = x_asprintf("%s%s%s%s%s", r->base, *rest ? "/" : "", rest, query ? "?" : "", query ? query : "");
    json_t *reply;
    enum err rc = client_get(r->cli, path, &reply, error);
    if (!rc)
        (void)json_object_set_new(r->answers, key, reply);
    return rc;
}

static enum err keep_text(struct report *r, const char *key, const char *accept, struct error *error)
{
    struct rest_response response;
    enum err rc = rest_call(r->cli->rest, &(struct rest_request){.path = r->base, .accept = accept}, &response, error);
    if (!rc)
        (void)json_object_set_new(r->answers, key, json_stringn(response.body.data, response.body.len));
    rest_response_release(&response);
    return rc;
}

/* What an experiment may not have (too few trials, events that are no longer kept) is left out of the report. */
static enum err keep_if_there(struct report *r, const char *key, const char *rest, const char *query, struct error *error)
{
    enum err rc = keep(r, key, rest, query, error);
    return rc == ERR_UNAVAILABLE || rc == ERR_FORBIDDEN ? rc : OK;
}

static void add_numbers(struct buf *list, json_t *trials)
{
    size_t i;
    json_t *trial;
    json_array_foreach(trials, i, trial)
        buf_addf(list, "%s%" JSON_INTEGER_FORMAT, list->len ? "," : "", json_integer_value(json_object_get(trial, "number")));
}

static enum err get_numbers(struct report *r, const char *rest, struct buf *list, struct error *error)
{
    CLEANUP_FREE char *path = x_asprintf("%s/%s", r->base, rest);
    json_t *reply;
    enum err rc = client_get(r->cli, path, &reply, error);
    if (rc)
        return rc;
    add_numbers(list, json_object_get(reply, "trials"));
    json_decref(reply);
    return OK;
}

static enum err keep_curves(struct report *r, json_t *spec, struct error *error)
{
    struct buf numbers = BUF_INIT;
    char rest[80];
    (void)snprintf(rest, sizeof rest, "trials?order_by=-number&fields=number&page_size=%d", CURVES_EACH);
    enum err rc = get_numbers(r, rest, &numbers, error);
    (void)snprintf(rest, sizeof rest, "leaderboard?fields=number&limit=%d", CURVES_EACH);
    if (!rc)
        rc = get_numbers(r, rest, &numbers, error);
    size_t i;
    json_t *objective;
    json_array_foreach(json_object_get(spec, "objectives"), i, objective) {
        const char *metric = json_string_value(json_object_get(objective, "metric"));
        CLEANUP_FREE char *key = x_asprintf("curves/%s", metric);
        CLEANUP_FREE char *encoded = rest_encode(metric);
        CLEANUP_FREE char *query = x_asprintf("trials=%s&metric=%s&max_points=100", numbers.data ? numbers.data : "", encoded);
        if (!rc && numbers.len)
            rc = keep_if_there(r, key, "curves", query, error);
    }
    buf_release(&numbers);
    return rc;
}

static enum err keep_reasons(struct report *r, struct error *error)
{
    struct buf numbers = BUF_INIT;
    enum err rc = get_numbers(r, "leaderboard?fields=number&limit=" EXPLAINED, &numbers, error);
    char *rest = NULL;
    for (char *n = numbers.data ? strtok_r(numbers.data, ",", &rest) : NULL; n && !rc; n = strtok_r(NULL, ",", &rest)) {
        CLEANUP_FREE char *path = x_asprintf("trials/%s/explain", n);
        rc = keep_if_there(r, path, path, NULL, error);
    }
    buf_release(&numbers);
    return rc;
}

static enum err gather(struct report *r, struct error *error)
{
    char after[40];
    enum err rc = keep(r, "", "", NULL, error);
    json_t *experiment = json_object_get(r->answers, ""), *spec = json_object_get(experiment, "spec");
    json_int_t revision = json_integer_value(json_object_get(experiment, "revision"));
    (void)snprintf(after, sizeof after, "limit=10000&after=%lld", (long long)(revision > EVENTS_BACK ? revision - EVENTS_BACK : 0));
    if (!rc)
        rc = keep(r, "columns", "columns", "cols=" COLUMNS, error);
    if (!rc)
        rc = keep_text(r, "/yaml", "application/yaml", error);
    if (!rc)
        rc = keep_if_there(r, "importances", "importances", NULL, error);
    if (!rc)
        rc = keep_if_there(r, "dependence/*", "dependence", "param=*", error);
    if (!rc && json_array_size(json_object_get(spec, "objectives")) > 2)
        rc = keep(r, "optimal", "optimal", "fields=number", error);
    if (!rc)
        rc = keep_curves(r, spec, error);
    if (!rc)
        rc = keep_reasons(r, error);
    return rc ? rc : keep_if_there(r, "events", "events", after, error);
}

/* A file of the dashboard, as it stands in the binary of the service. */
static enum err asset(struct cli *cli, const char *path, struct buf *out, struct error *error)
{
    struct rest_response response;
    enum err rc = rest_call(cli->rest, &(struct rest_request){.path = path, .accept = "*/*"}, &response, error);
    if (!rc && !response.body.len)
        rc = err_set(error, ERR_UNSUPPORTED, "NO_DASHBOARD", "the service was built without its dashboard (make WITH_DASHBOARD=1), and a report is a page of it");
    if (!rc)
        buf_add(out, response.body.data, response.body.len);
    rest_response_release(&response);
    return rc;
}

/* JSON inside a script element: '<' only stands in strings, where it may be written so that no tag can end the element. */
static void add_data(struct buf *page, const char *json)
{
    for (const char *p = json; *p;) {
        size_t n = strcspn(p, "<");
        buf_add(page, p, n);
        p += n;
        if (*p) {
            buf_adds(page, "\\u003c");
            p++;
        }
    }
}

static void add_text(struct buf *page, const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == '<' || *p == '&')
            buf_adds(page, *p == '<' ? "&lt;" : "&amp;");
        else
            buf_add(page, p, 1);
}

/* The script may run because the policy names it by what is in it; nothing else may, and nothing is loaded. */
static enum err compose(struct report *r, const char *name, struct buf *page, struct error *error)
{
    struct buf script = BUF_INIT, style = BUF_INIT;
    char hash[SHA256_TEXT];
    enum err rc = asset(r->cli, "/assets/app.js", &script, error);
    if (!rc)
        rc = asset(r->cli, "/assets/app.css", &style, error);
    if (!rc) {
        json_t *data = json_pack("{s:s, s:o, s:s, s:s, s:O}", "version", HONE_VERSION, "created", time_json(clock_wall_ms()), "project", r->cli->project,
                                 "experiment", name, "answers", r->answers);
        CLEANUP_FREE char *json = json_dumps(data, JSON_COMPACT);
        json_decref(data);
        sha256_text(script.data, script.len, hash);
        buf_addf(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'nonce-%s'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>", hash);
        add_text(page, name);
        buf_adds(page, " - Hone</title>\n<style>");
        buf_add(page, style.data, style.len);
        buf_adds(page, "</style>\n</head>\n<body>\n<div id=\"app\"></div>\n<script type=\"application/json\" id=\"hone-report\">");
        add_data(page, json ? json : "{}");
        buf_addf(page, "</script>\n<script nonce=\"%s\">", hash);
        buf_add(page, script.data, script.len);
        buf_adds(page, "</script>\n</body>\n</html>\n");
    }
    buf_release(&script);
    buf_release(&style);
    return rc;
}

enum err report_write(struct cli *cli, const char *word, const char *file, struct error *error)
{
    CLEANUP_FREE char *name = experiment_name(cli, word, error);
    if (!name)
        return error->code;
    CLEANUP_FREE char *base = URL("/projects/{}/experiments/{}", cli->project, name);
    struct report r = {.cli = cli, .base = base, .answers = json_object()};
    struct buf page = BUF_INIT;
    enum err rc = gather(&r, error);
    if (!rc)
        rc = compose(&r, name, &page, error);
    json_decref(r.answers);
    if (!rc && strcmp(file, "-") == 0) {
        (void)fwrite(page.data, 1, page.len, stdout);
    } else if (!rc) {
        rc = file_write(file, page.data, 0666, error);
        if (!rc)
            say(cli, "wrote %s (%zu KB)", file, page.len / 1024);
    }
    buf_release(&page);
    return rc;
}
