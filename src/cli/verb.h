/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a verb is given. A verb writes results to stdout, says the rest on stderr (say), and returns an error or fills
 * cli->exit_code. */
#ifndef HONE_CLI_VERB_H
#define HONE_CLI_VERB_H

#include "cli/cli.h"
#include "cli/options.h"

#include <jansson.h>

enum { EXIT_UNSUCCESSFUL = 8, EXIT_SHOULD_STOP = 9, EXIT_INTERRUPTED = 130, EXIT_TERMINATED = 143 };

struct verb;
struct rest;

struct cli {
    const struct cli_embed *embed;
    const struct verb *verb;
    struct args args;
    struct rest *rest;       /* set by client_open */
    char *url;               /* of the service */
    char *project;
    bool may_move;           /* it was found in the data directory, so it may come back elsewhere */
    bool local;              /* the service runs on this machine and shares its files */
    struct service *service; /* the one in this process, NULL = none */
    int64_t patience_ms;     /* how long a call waits for a service that is away; 0 = a few tries */
    json_t *problem;         /* body of the last failed answer, for what is wrong in detail; NULL = none */
    const char *file;        /* what the places of `problem` are in, NULL = none */
    char request_id[80];     /* of that answer */
    int exit_code;           /* when no error is returned */
};

struct verb {
    const char *name, *group;
    unsigned uses;
    int min_words, max_words; /* max -1 = any number */
    const struct option_row *options;
    const char *args, *help, *example;
    enum err (*run)(struct cli *cli, struct error *error);
};

extern const struct verb verbs[]; /* name NULL ends it; in the order of help */
const struct verb *verb_find(const char *name); /* by an alias too; NULL = none */

/* Another name of a verb. */
struct verb_alias {
    const char *name, *verb;
};
extern const struct verb_alias verb_aliases[]; /* name NULL ends it */

void say(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* a line on stderr, not with -q */

/* A wrong place of a file on stderr: `digits.yaml: parameters.lr.min: must be ... (did you mean ...?)`. file, hint: NULL = none. */
void print_place(const char *file, const char *dotted, const char *detail, const char *hint);

/* The same of all in a list; warnings say so. */
struct problem_item;
void print_places(const char *file, const struct problem_item *items, size_t n, bool warning);

/* A signal to end was sent (they are blocked, so it stays pending). */
bool interrupted(void);
/* Sleeps, or until a signal to end comes: true. The signal stays pending. */
bool sleep_interrupted(double seconds);

#endif
