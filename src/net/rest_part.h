/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One try of a request: what rest.c makes one after another and transfers.c many at once. Private to them. */
#ifndef HONE_NET_REST_PART_H
#define HONE_NET_REST_PART_H

#include "net/curl_lib.h"
#include "net/rest.h"

struct rest {
    CURL *curl; /* NULL: no libcurl is installed, and every call says so */
    char *url, *token, *socket, *ca_file, *cert_file, *key_file, *proxy, *connect_to;
    struct curl_slist *connect_list; /* of `connect_to` */
    bool insecure, idempotency_keys, direct; /* direct: no proxy */
    int retries;
    bool (*cancelled)(void);
};

/* One try of a request. */
struct attempt {
    struct rest *rest;
    const struct rest_request *request;
    struct rest_response *response;
    char *idempotency_key;
    int64_t retry_after_ms; /* -1 = not told */
    rest_data_fn *on_data;  /* streams */
    void *ctx;
    bool started, ended;    /* the stream's reader was given something; had enough */
};

/* Sets the handle up for the request, with `len` bytes of body (NULL = none; they stay the caller's until the end). The headers are to be
 * freed when it is over. */
struct curl_slist *attempt_prepare(struct attempt *a, const char *data, size_t len);

/* What came of it, with the response decoded. */
enum err attempt_outcome(struct attempt *a, CURLcode rc, struct error *error);

#endif
