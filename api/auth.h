/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who asks, and whether the route lets them. auth_check is called once for every request, after its route was found and before its handler:
 * the one seam for users and roles. */
#ifndef HONE_API_AUTH_H
#define HONE_API_AUTH_H

#include "base/err.h"
#include "base/id.h"
#include "base/token.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum who_kind { WHO_NOBODY, WHO_OWNER, WHO_SESSION, WHO_TRIAL };

struct who {
    enum who_kind kind;
    char uid[ID_TEXT]; /* TRIAL: of its experiment */
    int64_t trial, attempt;
};

struct auth {
    bool on;
    char *token_hash, *secret;
    pthread_mutex_t link_mutex;
    char link_token[TOKEN_TEXT]; /* "" = none, or used */
    char cookie[40]; /* its name; browsers share cookies between the ports of a host, so the port is in it */
};

struct request;

enum err auth_check(struct request *r, struct error *error);

/* A name that says who asks, for keys that must be apart for different askers. */
void auth_name(const struct who *who, char *out, size_t size);

#define SESSION_TEXT 100
#define SESSION_SECONDS (7 * 24 * 3600)
void auth_session_new(const struct auth *a, int64_t now_ms, char out[SESSION_TEXT]);
bool auth_session_ok(const struct auth *a, int64_t now_ms, const char *value, size_t len);
void auth_link_new(struct auth *a, char out[TOKEN_TEXT]); /* the one before it is good no more */
bool auth_link_take(struct auth *a, const char *token);   /* true once */

#endif
