/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTTP as a client: JSON calls and streams, with time and size limits, retries and typed errors. With transfers.h the only user of libcurl.
 *
 * A struct rest keeps one connection alive; it belongs to one thread at a time. No redirect is followed (a token must not
 * travel), and proxies of the environment are not used for loopback and unix sockets. */
#ifndef HONE_NET_REST_H
#define HONE_NET_REST_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct rest_config {
    const char *url;       /* "http://127.0.0.1:8080/hone": what request paths are put behind */
    const char *token;     /* sent as a bearer token; NULL = none */
    const char *socket;    /* path of a unix socket to connect to in place of the URL's host; NULL = none */
    const char *ca_file;   /* PEM of the accepted authorities; NULL = the system's */
    const char *cert_file, *key_file; /* PEM of a client certificate; NULL = none */
    const char *proxy;     /* NULL = as the environment says */
    const char *connect_to;/* "name:port:host:port": where the URL's host is to be found in place of its address; NULL = there */
    bool insecure;         /* accept any certificate */
    bool idempotency_keys; /* each POST carries an Idempotency-Key, so it may be retried */
    int retries;           /* of calls that may be made twice, after lost connections, 429, 502, 503 and 504 */
    bool (*cancelled)(void); /* asked about once a second and between retries; NULL = never */
};

struct rest_request {
    const char *method;    /* NULL = GET */
    const char *path;      /* "/api/v1/..." with its query, percent-encoded */
    const json_t *body;    /* sent as JSON; NULL = none */
    const char *data;      /* sent as it is, when there is no `body` */
    size_t data_len;
    const char *content_type;    /* of `data`, or in place of application/json */
    const char *accept;          /* NULL = application/json */
    const char *const *headers;  /* further "Name: value", NULL-ended; may be NULL */
    double timeout_s;      /* of one try; 0 = 30; a stream has none, but see idle_s */
    double idle_s;         /* of a stream: it ends when nothing comes for so long; 0 = 60, negative = without end */
    size_t limit;          /* bytes of the answer; 0 = 64 MiB */
    int64_t retry_until_mono_ms; /* retry (by time, not by count) until then; 0 = by config.retries */
};

struct rest_response {
    int status;
    json_t *json;          /* the decoded body, NULL when it is not JSON */
    struct buf body;       /* as it came */
    char request_id[80];
    char location[256];
};

struct rest;

struct rest *rest_new(const struct rest_config *config); /* copies what it needs */
void rest_free(struct rest *r);                          /* NULL is a no-op */
void rest_set_token(struct rest *r, const char *token);  /* from now on; NULL = none */
struct rest *rest_another(const struct rest *r, bool (*cancelled)(void)); /* a second connection to the same service, for another thread */

/* OK for 2xx and 304. Otherwise `error` says what happened: code by status, name and detail from a problem+json body, and
 * `response` (never NULL) still holds the body. ERR_UNAVAILABLE: no connection; "CANCELLED": `cancelled` said so. */
enum err rest_call(struct rest *r, const struct rest_request *request, struct rest_response *response,
                   struct error *error);
void rest_response_release(struct rest_response *response);

/* Bytes as they come; return false to end the stream (which is then OK). Errors as above. */
typedef bool rest_data_fn(void *ctx, const char *data, size_t len);
enum err rest_stream(struct rest *r, const struct rest_request *request, rest_data_fn *on_data, void *ctx,
                     struct error *error);

/* Server-sent events: each event with its name ("" = message), id ("" = none) and data. Return false to end. */
typedef bool rest_event_fn(void *ctx, const char *name, const char *id, const char *data);
enum err rest_events(struct rest *r, const struct rest_request *request, rest_event_fn *on_event, void *ctx,
                     struct error *error);

char *rest_encode(const char *text); /* percent-encoded for a path segment or a query value; malloced */

#endif
