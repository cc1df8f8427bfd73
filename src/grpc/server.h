/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gRPC server of unary calls: HTTP/2 by nghttp2, in plain text as the services of Katib are. A connection has a thread of its own, and its calls run
 * there one after another; a call's function must be safe to run in several threads at once. */
#ifndef HONE_GRPC_SERVER_H
#define HONE_GRPC_SERVER_H

#include "base/buf.h"
#include "base/err.h"

#define GRPC_MESSAGE_MAX ((size_t)16 << 20) /* of a request */
#define GRPC_CONNECTIONS 64

enum grpc_status { /* the numbers of the protocol */
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_NOT_FOUND = 5,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
};

struct grpc_method { /* `path` NULL ends a list */
    const char *path; /* "/api.v1.beta1.Suggestion/GetSuggestions" */
    /* Adds the reply's bytes to `reply`; of a failure a sentence to `message`. */
    enum grpc_status (*call)(const void *request, size_t len, struct buf *reply, struct buf *message);
};

struct grpc_server;

/* `listen`: "127.0.0.1:6789", "[::1]:0". `methods` must stay. ERR_USAGE names an address that cannot be served on. */
enum err grpc_open(const char *listen, const struct grpc_method *methods, struct grpc_server **out, struct error *error);
int grpc_port(const struct grpc_server *s);
void grpc_close(struct grpc_server *s); /* ends the connections; waits for calls that are being made. NULL is nothing */

#endif
