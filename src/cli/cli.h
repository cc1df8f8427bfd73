/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line: verbs (verbs.def) that talk to a service by HTTP as anyone would.
 *
 * `hone serve`, and `hone run` when no service runs, need one in this process. The command line must not know the core or
 * the API, so main hands in how to start one. */
#ifndef HONE_CLI_CLI_H
#define HONE_CLI_CLI_H

#include "base/settings.h"
#include "config.h"

struct service; /* service.h */

struct cli_embed {
    const struct catalog *catalog; /* what experiment files may refer to, for `hone validate` */
    enum err (*start)(const struct config *config, struct service **out, struct error *error);
    const char *(*url)(struct service *service);
    const char *(*token)(struct service *service);
    const char *(*link)(struct service *service); /* of the dashboard, with its one-time token */
    void (*stop)(struct service *service);
    enum err (*check)(const struct config *config, struct error *error); /* the database of a service that does not run, for `hone doctor` */
};

/* Returns the exit code. SIGINT, SIGTERM and SIGHUP must be blocked: verbs wait for them. */
int cli_main(int argc, char **argv, const struct cli_embed *embed);

#endif
