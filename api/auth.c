/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "auth.h"

#include "base/clock.h"
#include "base/mem.h"
#include "inside.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- sessions: an end and a keyed hash of it; nothing is kept, so a restart logs nobody out */

static void sign(const struct auth *a, int64_t until, char out[HASH_TEXT])
{
    char *said CLEANUP_FREE = x_asprintf("session\n%s\n%s\n%" PRId64, a->secret, a->cookie, until);
    token_hash(said, strlen(said), out);
    explicit_bzero(said, strlen(said));
}

void auth_session_new(const struct auth *a, int64_t now_ms, char out[SESSION_TEXT])
{
    int64_t until = now_ms / 1000 + SESSION_SECONDS;
    char hash[HASH_TEXT];
    sign(a, until, hash);
    (void)snprintf(out, SESSION_TEXT, "%" PRId64 ".%s", until, hash);
}

bool auth_session_ok(const struct auth *a, int64_t now_ms, const char *value, size_t len)
{
    char text[SESSION_TEXT], hash[HASH_TEXT], *end;
    if (len >= sizeof text)
        return false;
    memcpy(text, value, len);
    text[len] = '\0';
    int64_t until = strtoll(text, &end, 10);
    if (*end != '.' || until <= now_ms / 1000)
        return false;
    sign(a, until, hash);
    return token_equal(hash, end + 1);
}

void auth_link_new(struct auth *a, char out[TOKEN_TEXT])
{
    token_new(out);
    (void)pthread_mutex_lock(&a->link_mutex);
    memcpy(a->link_token, out, TOKEN_TEXT);
    (void)pthread_mutex_unlock(&a->link_mutex);
}

bool auth_link_take(struct auth *a, const char *token)
{
    (void)pthread_mutex_lock(&a->link_mutex);
    bool good = *a->link_token && token_equal(a->link_token, token);
    if (good)
        explicit_bzero(a->link_token, sizeof a->link_token);
    (void)pthread_mutex_unlock(&a->link_mutex);
    return good;
}

static bool has_session(const struct auth *a, const char *cookies)
{
    size_t n = strlen(a->cookie);
    while (*cookies) {
        size_t len = strcspn(cookies, ";");
        if (len > n && !strncmp(cookies, a->cookie, n) && cookies[n] == '=' && auth_session_ok(a, clock_wall_ms(), cookies + n + 1, len - n - 1))
            return true;
        cookies += len;
        cookies += strspn(cookies, "; ");
    }
    return false;
}

/* --- who */

static bool is_owner(const struct auth *a, const char *token)
{
    char hash[HASH_TEXT];
    token_hash(token, strlen(token), hash);
    return token_equal(hash, a->token_hash);
}

static void bearer(const struct auth *a, const char *header, struct who *who)
{
    if (strncasecmp(header, "Bearer ", 7) != 0)
        return;
    const char *token = header + 7 + strspn(header + 7, " ");
    if (is_owner(a, token))
        who->kind = WHO_OWNER;
    else if (trial_token_read(a->secret, token, who->uid, &who->trial, &who->attempt))
        who->kind = WHO_TRIAL;
}

static void identify(struct request *r)
{
    const struct auth *a = &r->api->auth;
    if (r->header[HEADER_AUTHORIZATION])
        bearer(a, r->header[HEADER_AUTHORIZATION], &r->who);
    else if (r->by_owner)
        r->who.kind = WHO_OWNER;
    else if (r->header[HEADER_COOKIE] && has_session(a, r->header[HEADER_COOKIE]))
        r->who.kind = WHO_SESSION;
    if (!a->on && r->who.kind == WHO_NOBODY)
        r->who.kind = WHO_OWNER;
}

void auth_name(const struct who *who, char *out, size_t size)
{
    if (who->kind == WHO_TRIAL)
        (void)snprintf(out, size, "t%s.%" PRId64 ".%" PRId64, who->uid, who->trial, who->attempt);
    else
        (void)snprintf(out, size, "o");
}

/* --- where from */

/* "Name:80" -> length of "Name"; "[::1]:80" -> of "[::1]". */
static size_t name_length(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    return end ? (size_t)(end + 1 - host) : strcspn(host, ":");
}

static bool known_host(const struct api *a, const char *host)
{
    size_t n = name_length(host);
    for (char **known = a->hosts; *known; known++)
        if (strlen(*known) == n && !strncasecmp(*known, host, n))
            return true;
    return false;
}

/* A page elsewhere whose name was made to point here must not use the service through its visitor's browser. */
static enum err check_host(const struct request *r, struct error *error)
{
    const char *host = r->header[HEADER_HOST];
    if (r->by_socket || (r->route->flags & ROUTE_ANY_HOST) || !host || known_host(r->api, host))
        return OK;
    return err_set(error, ERR_FORBIDDEN, "HOST_NOT_ALLOWED", "this service does not answer to the name \"%.100s\"; add it to the setting `hosts` (--hosts) if it should", host);
}

static bool writes(const struct request *r)
{
    return r->route->command != NO_COMMAND;
}

/* Browsers send Origin with every write: one from another page is refused, whatever it carries. */
static enum err check_origin(const struct request *r, struct error *error)
{
    const char *origin = r->header[HEADER_ORIGIN], *host = r->header[HEADER_HOST];
    if (!origin || !writes(r))
        return OK;
    const char *name = strstr(origin, "://");
    if (name && host && !strcasecmp(name + 3, host))
        return OK;
    if (name && known_host(r->api, name + 3) && r->header[HEADER_AUTHORIZATION]) /* behind a proxy that changes Host */
        return OK;
    return err_set(error, ERR_FORBIDDEN, "ORIGIN_NOT_ALLOWED", "a page of %.100s may not change anything here", origin);
}

/* --- may they */

static enum err is_own_trial(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    int64_t number;
    enum err err = request_number(r, &number, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_experiment(r, db, &e, error);
    if (err)
        return err;
    bool own = number == r->who.trial && !strcmp(e->uid, r->who.uid);
    experiment_free(e);
    return own ? OK : err_set(error, ERR_FORBIDDEN, "OTHER_TRIAL", "this token is for another trial: a trial may only speak for itself");
}

static enum err check_access(struct request *r, struct error *error)
{
    if (r->route->access == ACCESS_PUBLIC)
        return OK;
    switch (r->who.kind) {
    case WHO_NOBODY:
        return r->header[HEADER_AUTHORIZATION]
                   ? err_set(error, ERR_UNAUTHENTICATED, "TOKEN_INVALID", "this token is not known here; the owner's is in the file `token` of the data directory")
                   : err_set(error, ERR_UNAUTHENTICATED, "TOKEN_MISSING", "send `Authorization: Bearer TOKEN`; the owner's token is in the file `token` of the data directory");
    case WHO_OWNER:
        return OK;
    case WHO_SESSION:
        if (writes(r) && !r->header[HEADER_HONE])
            return err_set(error, ERR_FORBIDDEN, "X_HONE_MISSING", "a change with the session cookie needs the header `X-Hone: 1`");
        return OK;
    case WHO_TRIAL:
        if (r->route->access != ACCESS_TRIAL)
            return err_set(error, ERR_FORBIDDEN, "TRIAL_TOKEN", "a trial's token may only report, heartbeat, complete, fail, infeasible and get its own trial");
        return is_own_trial(r, error);
    }
    return ERR_INTERNAL;
}

enum err auth_check(struct request *r, struct error *error)
{
    enum err err = check_host(r, error);
    if (err)
        return err;
    identify(r);
    err = check_origin(r, error);
    return err ? err : check_access(r, error);
}
