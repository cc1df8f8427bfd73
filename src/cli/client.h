/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The service as verbs see it: found, called, its errors kept for the report. */
#ifndef HONE_CLI_CLIENT_H
#define HONE_CLI_CLIENT_H

#include "cli/verb.h"
#include "net/rest.h"

/* Finds the service and prepares calls: --server, HONE_URL, --context or the current context, then the one that runs in the data
 * directory. ERR_UNAVAILABLE "NO_SERVER" when nothing says where one is. --context comes before HONE_URL. */
enum err client_open(struct cli *cli, struct error *error);
/* The same, but starts a service in this process when nothing says where one is. */
enum err client_open_or_start(struct cli *cli, struct error *error);
void client_close(struct cli *cli); /* stops what was started */
/* The service is away: has the one of the data directory come back at another address? Not when a flag or context named it. */
void client_find_again(struct cli *cli);

/* One call; `*reply` (may be NULL) is a new reference, NULL when the answer has no JSON. */
enum err client_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **reply,
                     struct error *error);
enum err client_get(struct cli *cli, const char *path, json_t **reply, struct error *error);

/* Each object of the array `key` over all pages of a list, at most `limit` (0 = all). */
typedef void item_fn(void *arg, json_t *item);
enum err client_each(struct cli *cli, const char *path, const char *key, int64_t limit, item_fn *each, void *arg,
                     struct error *error);
/* All pages of a list: the array `key` of the answers. At most `limit` (0 = all). New reference. */
enum err client_list(struct cli *cli, const char *path, const char *key, int64_t limit, json_t **out,
                     struct error *error);

/* A path with each {} filled by the next argument, percent-encoded: URL("/projects/{}", name). malloced. */
char *url_path(const char *fmt, const char *const *args);
#define URL(fmt, ...) url_path("/api/v1" fmt, (const char *const[]){__VA_ARGS__, NULL})
void url_query(char **path, const char *key, const char *value); /* adds ?key=value or &key=value; NULL value: nothing */

/* The name in EXP; "@latest" is the newest of the project. malloced, NULL on failure. */
char *experiment_name(struct cli *cli, const char *word, struct error *error);
/* The path of EXP or EXP/N, whichever `may` allows, with `suffix` (":stop") behind it; malloced, NULL on failure. */
enum { MAY_EXPERIMENT = 1, MAY_TRIAL = 2 };
char *object_path(struct cli *cli, const char *word, unsigned may, const char *suffix, struct error *error);
/* EXP/N; *experiment malloced. `trial` has room for 24. */
enum err trial_name(struct cli *cli, const char *word, char **experiment, char trial[24], struct error *error);

#endif
