/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HTTP service: reads snapshots from the store, sends commands to the core, wakes watchers after commits.
 *
 * Start: api_open (binds; the url is known) -> core_start -> api_run. Stop: api_stop (answers all that wait) -> core_stop -> store_close.
 * A route is a row of routes.def; http.c is the only file that knows the HTTP library. */
#ifndef HONE_API_API_H
#define HONE_API_API_H

#include "core/core.h"
#include "store/store.h"

struct api_config {
    const char *listen;      /* "127.0.0.1:8080", "[::1]:0" (0 = any free port) */
    const char *socket_path; /* a unix socket beside it (mode 0600); NULL = none */
    bool auth;               /* false: --no-auth, only on loopback */
    const char *token_hash;  /* token_hash() of the owner's token */
    const char *secret;      /* of trial tokens (base/token.h) */
    const char *link_token;  /* one-time token of the printed dashboard link, "" = none */
    const char *const *frames;      /* origins whose pages may show the dashboard, NULL-ended */
    const char *tls_cert, *tls_key; /* PEM files' content, NULL = plain */
    const char *const *hosts;       /* further Host names to accept, NULL-ended; loopback names and the bound address always are */
    const char *assets_dir;  /* dashboard files from disk, NULL = the built-in ones */
    const char *base_path;   /* mounted under "/hone"; "" = at the root */
    int threads;             /* of the epoll pool */
    int max_connections;
};

struct api;

/* Refuses an address that is not loopback without tokens and TLS, unless `insecure` (--insecure-listen). Call it before api_open. */
enum err api_check_listen(const struct api_config *config, bool insecure, struct error *error);
enum err api_open(const struct api_config *config, struct api **out, struct error *error); /* ERR_CONFLICT "PORT_IN_USE" names the address */
const char *api_url(const struct api *a); /* "http://127.0.0.1:8080" */
enum err api_run(struct api *a, struct core *core, struct store *store, struct error *error);
void api_on_change(struct api *a, const struct core_change *change); /* from the core thread; also before api_run */
void api_stop(struct api *a); /* 503 to new requests, answers those that wait, joins the threads, frees */

#endif
