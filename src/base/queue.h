/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A queue of many writers and one or more readers. Items embed a `struct queue_item` as their first
 * member and belong to whoever holds them: after queue_push the pusher must not touch the item. */
#ifndef HONE_BASE_QUEUE_H
#define HONE_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_item {
    struct queue_item *next;
};

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct queue_item *head, **tail;
    size_t n, want; /* want: the reader that gathers sleeps until there are so many; 0 = none does */
    bool closed;
};

void queue_init(struct queue *q);
void queue_release(struct queue *q); /* must be empty */

bool queue_push(struct queue *q, struct queue_item *item); /* false (item not taken): closed */

/* Takes up to `max` items in order, as a list ended by NULL. Waits until there is one, the queue is
 * closed, or `mono_deadline_ms` (clock_mono_ms; INT64_MAX = none) has passed; NULL then.
 * `*done` is true once the queue is closed and empty. */
struct queue_item *queue_take(struct queue *q, size_t max, int64_t mono_deadline_ms, bool *done);

/* The same for the one reader of a queue, which would rather take `want` at once: when there are some, it waits up to `gather_us` for
 * the others, but not beyond the deadline. */
struct queue_item *queue_take_together(struct queue *q, size_t max, size_t want, int64_t gather_us, int64_t mono_deadline_ms, bool *done);

size_t queue_length(struct queue *q);
void queue_close(struct queue *q); /* no more pushes; what is in it can still be taken */

#endif
