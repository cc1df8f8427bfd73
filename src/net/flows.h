/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many requests at once in one thread: streams that stay open for hours beside short calls, over few connections.
 *
 * All of it belongs to one thread, but for flows_wake. Callbacks come from flows_run alone, one at a time, and may start and stop flows. */
#ifndef HONE_NET_FLOWS_H
#define HONE_NET_FLOWS_H

#include "net/rest.h"

struct flows;
struct flow;

struct flow_calls {
    /* Bytes of a stream's 2xx answer as they come; false ends it (which is then OK). NULL: `end` is given the whole answer. */
    rest_data_fn *data;
    /* It is over, and gone when this returns; `response` (never NULL) may be taken apart. Not called for a flow that was stopped. */
    void (*end)(void *ctx, enum err code, const struct error *error, struct rest_response *response);
};

struct flows *flows_new(void); /* NULL: no libcurl is installed */
void flows_free(struct flows *f); /* stops all; NULL is a no-op */

/* Sends the request to where `to` goes, as it stands now. `request` is copied. */
struct flow *flow_start(struct flows *f, const struct rest *to, const struct rest_request *request, struct flow_calls calls, void *ctx);
void flow_stop(struct flow *flow); /* NULL is a no-op */

void flows_run(struct flows *f);               /* does what can be done now */
void flows_wait(struct flows *f, int64_t ms);  /* until there is something to do, or flows_wake, or so long */
void flows_wake(struct flows *f);              /* any thread */

#endif
