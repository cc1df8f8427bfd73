/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many requests at once in one thread: streams that stay open for hours beside short calls, over few connections.
 *
 * All of it belongs to one thread, but for transfers_wake. Callbacks come from transfers_run alone, one at a time, and may start and stop transfers. */
#ifndef HONE_NET_TRANSFERS_H
#define HONE_NET_TRANSFERS_H

#include "net/rest.h"

struct transfers;
struct transfer;

struct transfer_calls {
    /* Bytes of a stream's 2xx answer as they come; false ends it (which is then OK). NULL: `end` is given the whole answer. */
    rest_data_fn *data;
    /* It is over, and gone when this returns; `response` (never NULL) may be taken apart. Not called for a transfer that was stopped. */
    void (*end)(void *ctx, enum err code, const struct error *error, struct rest_response *response);
};

struct transfers *transfers_new(void); /* NULL: no libcurl is installed */
void transfers_free(struct transfers *f); /* stops all; NULL is a no-op */

/* Sends the request to where `to` goes, as it stands now. `request` is copied. */
struct transfer *transfer_start(struct transfers *f, const struct rest *to, const struct rest_request *request, struct transfer_calls calls, void *ctx);
void transfer_stop(struct transfer *transfer); /* NULL is a no-op */

void transfers_run(struct transfers *f);               /* does what can be done now */
void transfers_wait(struct transfers *f, int64_t ms);  /* until there is something to do, or transfers_wake, or so long */
void transfers_wake(struct transfers *f);              /* any thread */

#endif
