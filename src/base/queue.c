/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/queue.h"

#include <errno.h>
#include <time.h>

void queue_init(struct queue *q)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&q->mutex, NULL);
    (void)pthread_cond_init(&q->cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    q->head = NULL;
    q->tail = &q->head;
    q->n = q->want = 0;
    q->closed = false;
}

void queue_release(struct queue *q)
{
    (void)pthread_cond_destroy(&q->cond);
    (void)pthread_mutex_destroy(&q->mutex);
}

bool queue_push(struct queue *q, struct queue_item *item)
{
    item->next = NULL;
    (void)pthread_mutex_lock(&q->mutex);
    bool open = !q->closed;
    if (open) {
        *q->tail = item;
        q->tail = &item->next;
        if (++q->n == 1 || q->n == q->want) /* a reader only sleeps on an empty queue, but for one that gathers */
            (void)pthread_cond_signal(&q->cond);
    }
    (void)pthread_mutex_unlock(&q->mutex);
    return open;
}

static struct queue_item *cut(struct queue *q, size_t max)
{
    struct queue_item *first = q->head, *last = first;
    size_t n = 1;
    while (n < max && last->next) {
        last = last->next;
        n++;
    }
    q->head = last->next;
    if (!q->head)
        q->tail = &q->head;
    last->next = NULL;
    q->n -= n;
    if (q->head) /* another reader may go on with the rest */
        (void)pthread_cond_signal(&q->cond);
    return first;
}

static void gather(struct queue *q, size_t want, int64_t us, const struct timespec *deadline)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += us * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (deadline->tv_sec < until.tv_sec || (deadline->tv_sec == until.tv_sec && deadline->tv_nsec < until.tv_nsec))
        until = *deadline;
    q->want = want;
    while (q->n < want && !q->closed)
        if (pthread_cond_timedwait(&q->cond, &q->mutex, &until) == ETIMEDOUT)
            break;
    q->want = 0;
}

struct queue_item *queue_take_together(struct queue *q, size_t max, size_t want, int64_t gather_us, int64_t mono_deadline_ms, bool *done)
{
    struct timespec until = {.tv_sec = mono_deadline_ms / 1000,
                             .tv_nsec = (mono_deadline_ms % 1000) * 1000000};
    struct queue_item *items = NULL;
    (void)pthread_mutex_lock(&q->mutex);
    while (!q->head && !q->closed) {
        if (mono_deadline_ms == INT64_MAX)
            (void)pthread_cond_wait(&q->cond, &q->mutex);
        else if (pthread_cond_timedwait(&q->cond, &q->mutex, &until) == ETIMEDOUT)
            break;
    }
    if (q->head && q->n < want)
        gather(q, want, gather_us, &until);
    if (q->head)
        items = cut(q, max);
    *done = !items && q->closed;
    (void)pthread_mutex_unlock(&q->mutex);
    return items;
}

struct queue_item *queue_take(struct queue *q, size_t max, int64_t mono_deadline_ms, bool *done)
{
    return queue_take_together(q, max, 1, 0, mono_deadline_ms, done);
}

size_t queue_length(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    size_t n = q->n;
    (void)pthread_mutex_unlock(&q->mutex);
    return n;
}

void queue_close(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->closed = true;
    (void)pthread_cond_broadcast(&q->cond);
    (void)pthread_mutex_unlock(&q->mutex);
}
