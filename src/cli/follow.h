/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting for an experiment, shared by run, tune, watch and wait. */
#ifndef HONE_CLI_FOLLOW_H
#define HONE_CLI_FOLLOW_H

#include "cli/output.h"
#include "cli/verb.h"

struct follow {
    const char *experiment;
    const char *until;   /* name of a state, or NULL = any final one */
    double timeout_s;    /* 0 = none */
    bool progress;       /* show the line */
    bool board;          /* on a terminal: show the leaderboard above it */
};

/* Returns once the state is reached or can no longer be: *out is the experiment (new reference). ERR_TIMEOUT, "CANCELLED" by
 * a signal, or what a call said; a service that is away is waited for. */
enum err follow(struct cli *cli, const struct follow *f, json_t **out, struct error *error);

/* 0 for a SUCCEEDED experiment with a best trial, EXIT_UNSUCCESSFUL otherwise. */
int exit_of_experiment(json_t *experiment);

/* How it ended on stderr, then its leaderboard (or, in json and the like, the experiment) on stdout. */
enum err show_result(struct cli *cli, json_t *experiment, enum output_format format, struct error *error);

enum err leaderboard(struct cli *cli, const char *experiment, int limit, json_t **out, struct error *error);
extern const struct column leaderboard_columns[];
const struct column *board_columns(const json_t *rows); /* those, with the state if some trials of the board may not be used */

/* A log at `base` to stdout, as --stderr, --attempt, --tail and --follow say, which the verb has (verb_results.c). */
enum err follow_log(struct cli *cli, const char *base, struct error *error);

#endif
