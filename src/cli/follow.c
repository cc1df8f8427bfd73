/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Polls, from ten times a second to once: a short experiment ends at once, a long one costs nothing. */
#include "cli/follow.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/progress.h"
#include "model/states.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { AWAY_MS = 60000, BOARD_ROWS = 10, BOARD_MS = 1000 };

const struct column leaderboard_columns[] = {
    {"TRIAL", "number", false}, {"STATE", "state", true}, {"OBJECTIVE", "objective", false},
    {"", "params.*", false},    {NULL, NULL, false},
};
static const struct column infeasible_columns[] = {
    {"TRIAL", "number", false}, {"STATE", "state", false}, {"OBJECTIVE", "objective", false},
    {"", "params.*", false},    {NULL, NULL, false},
};

/* The state is shown when it matters: some trials of the board may not be used. */
const struct column *board_columns(const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *state = json_string_value(json_object_get(json_array_get(rows, i), "state"));
        if (state && strcmp(state, "SUCCEEDED") != 0)
            return infeasible_columns;
    }
    return leaderboard_columns;
}

enum err leaderboard(struct cli *cli, const char *experiment, int limit, json_t **out, struct error *error)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", limit);
    CLEANUP_FREE char *path = URL("/projects/{}/experiments/{}/leaderboard?limit={}", cli->project, experiment, text);
    json_t *page;
    enum err rc = client_get(cli, path, &page, error);
    if (rc)
        return rc;
    *out = json_incref(json_object_get(page, "trials"));
    json_decref(page);
    return OK;
}

int exit_of_experiment(json_t *experiment)
{
    const char *state = json_string_value(json_object_get(experiment, "state"));
    bool best = json_is_integer(json_at(experiment, "best.number"));
    return state && strcmp(state, "SUCCEEDED") == 0 && best ? 0 : EXIT_UNSUCCESSFUL;
}

static bool reached(json_t *experiment, const char *until)
{
    const char *text = json_string_value(json_object_get(experiment, "state"));
    int state = text ? experiment_state_parse(text) : -1;
    return state < 0 || experiment_state_final((enum experiment_state)state) || (until && strcmp(text, until) == 0);
}

static void show_board(struct cli *cli, const char *experiment)
{
    json_t *rows;
    if (leaderboard(cli, experiment, BOARD_ROWS, &rows, NULL))
        return; /* the next round tries again */
    (void)fputs("\033[H\033[2J", stdout);
    output_rows(cli, OUT_TABLE, board_columns(rows), "number", rows);
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(rows);
}

/* A lost connection is no reason to stop waiting: the service may be restarting. */
static bool away(const struct cli *cli, enum err rc, const struct error *error, int64_t since)
{
    return (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT) && strcmp(error->name, "CANCELLED") != 0 && !cli->service &&
           clock_mono_ms() - since < AWAY_MS;
}

/* What one wait goes through. */
struct round {
    struct progress progress;
    bool board;
    int64_t begin, seen, board_ms; /* mono: when it began, when the service last answered, when the board was shown */
};

/* True: nothing more to wait for; *rc says why, and *out is the experiment when it is OK. */
static bool once(struct cli *cli, const struct follow *f, const char *path, struct round *r, json_t **out,
                 enum err *rc, struct error *why)
{
    json_t *experiment = NULL;
    *rc = client_get(cli, path, &experiment, why);
    int64_t now = clock_mono_ms();
    if (*rc && away(cli, *rc, why, r->seen)) {
        client_find_again(cli);
        return false;
    }
    if (*rc)
        return true;
    r->seen = now;
    if (r->board && now - r->board_ms >= BOARD_MS) {
        show_board(cli, f->experiment);
        r->board_ms = now;
    }
    bool end = reached(experiment, f->until);
    progress_show(&r->progress, experiment, now, end);
    if (end)
        *out = experiment;
    else
        json_decref(experiment);
    return end;
}

enum err follow(struct cli *cli, const struct follow *f, json_t **out, struct error *error)
{
    CLEANUP_FREE char *path = URL("/projects/{}/experiments/{}", cli->project, f->experiment);
    struct round r = {.begin = clock_mono_ms()};
    r.seen = r.begin;
    progress_init(&r.progress, !f->progress || args_has(&cli->args, "quiet"));
    r.board = f->board && isatty(STDOUT_FILENO) && r.progress.terminal;
    struct error why = {0};
    enum err rc;
    double pause = 0.1;
    while (!once(cli, f, path, &r, out, &rc, &why)) {
        if (f->timeout_s > 0 && (double)(clock_mono_ms() - r.begin) >= f->timeout_s * 1000)
            rc = err_set(&why, ERR_TIMEOUT, "WAIT_TIMEOUT", "%s has not come to its end in time", f->experiment);
        else if (sleep_interrupted(pause))
            rc = err_set(&why, ERR_UNAVAILABLE, "CANCELLED", "interrupted");
        else
            rc = OK;
        if (rc)
            break;
        pause = fmin(pause * 1.3, 1);
    }
    progress_end(&r.progress);
    if (rc && error)
        *error = why;
    return rc;
}

enum err show_result(struct cli *cli, json_t *experiment, enum output_format format, struct error *error)
{
    const char *name = json_string_value(json_object_get(experiment, "name"));
    const char *state = json_string_value(json_object_get(experiment, "state"));
    const char *reason = json_string_value(json_object_get(experiment, "reason"));
    const char *message = json_string_value(json_object_get(experiment, "message"));
    say(cli, "%s %s%s%s%s%s", name ? name : "", state ? state : "", reason && reason[0] ? ": " : "", reason ? reason : "",
        message && message[0] ? ": " : "", message ? message : "");
    if (format != OUT_TABLE && format != OUT_WIDE && format != OUT_CSV) {
        output_object(format, leaderboard_columns, "name", experiment);
        return OK;
    }
    json_t *rows;
    enum err rc = leaderboard(cli, name ? name : "", BOARD_ROWS, &rows, error);
    if (rc)
        return rc;
    if (json_array_size(rows))
        output_rows(cli, format, board_columns(rows), "number", rows);
    json_decref(rows);
    return OK;
}
