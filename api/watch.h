/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests that wait: for a change of an experiment (or any), for a deadline, or for the service's stop. A waiter costs no thread.
 * A change wakes only those that wait for its experiments, a deadline costs a step of a wheel. Knows no HTTP. */
#ifndef HONE_API_WATCH_H
#define HONE_API_WATCH_H

#include "core/core.h"

enum wake_reason { WAKE_CHANGE, WAKE_DUE, WAKE_STOP };

#define WATCH_ANY 0       /* any experiment or run; a run is its id negated */
#define WATCH_NOTHING INT64_MIN /* no change: only the deadline and the stop */
#define WATCH_MAX_S 60    /* the longest wait */

struct waiter {
    struct waiter *prev, *next;           /* of its experiment */
    struct waiter *tick_prev, *tick_next; /* of its tick */
    int64_t experiment, due;              /* mono ms; 0 = no deadline */
    int64_t not_before;                   /* mono ms: changes are held back until then (streams send in batches) */
    bool listed, timed, armed, changed;
};

struct watch;

/* `wake` is called once for an armed waiter, from the core thread, the timer thread or watch_stop; the waiter is disarmed then. */
struct watch *watch_new(void (*wake)(struct waiter *w, enum wake_reason why));
void watch_free(struct watch *w); /* nobody may be armed */

int64_t watch_revision(struct watch *w); /* of the last change told; take it before looking whether there is something to wait for */
bool watch_arm(struct watch *w, struct waiter *x, int64_t seen); /* false: something changed since `seen` (look again), or it is stopping */
bool watch_disarm(struct watch *w, struct waiter *x);            /* false: it was woken already */
void watch_change(struct watch *w, const struct core_change *change);
void watch_stop(struct watch *w); /* wakes all; nobody can be armed any more */
bool watch_stopping(struct watch *w);
int64_t watch_count(struct watch *w);

#endif
