/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole service in one process: settings -> store -> HTTP -> core, started in that order and stopped in the other.
 *
 * DATA/token (the owner's token) and DATA/secret (what trials' tokens are made with) are made by the first start, mode 0600.
 * DATA/server.json {"pid", "started", "url", "socket"} stands there while the service runs: by it the command line finds the service. */
#ifndef HONE_SERVICE_H
#define HONE_SERVICE_H

#include "cli/cli.h"

/* Signals that end the service, and SIGPIPE, must be blocked or ignored before: every thread inherits that. */
enum err service_start(const struct config *config, struct service **out, struct error *error);
void service_stop(struct service *s); /* answers who waits; trials that run go on. NULL is a no-op */

const char *service_url(struct service *s);
const char *service_token(struct service *s); /* the owner's */
const char *service_link(struct service *s);  /* opens the dashboard, once */

/* Looks through the database of a service that does not run. */
enum err service_check(const struct config *config, struct error *error);

struct cli_embed service_embed(void); /* all of these, for cli_main */

#endif
