/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One mutex over small lists: by experiment (a hash), and by deadline (a wheel of ticks that is longer than the longest wait).
 * Who takes a waiter off under the mutex is the one who wakes it, after letting the mutex go. */
#include "watch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#define HASH_FUNCTION HASH_FNV /* the usual one falls through in a switch, which clang refuses to see uncommented */
#include <uthash.h>
#include <utlist.h>

#define TICK_MS 100
#define TICKS 1024 /* 102 s: more than WATCH_MAX_S */

struct list {
    UT_hash_handle hh;
    int64_t experiment;
    struct waiter *head;
};

struct watch {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_t thread;
    void (*wake)(struct waiter *w, enum wake_reason why);
    struct list *lists;
    struct waiter *wheel[TICKS], *untimed; /* all armed ones are in one of these */
    int64_t tick; /* done up to it */
    int64_t n, n_timed;
    _Atomic int64_t revision;
    _Atomic bool stopping;
    bool ending;
};

static struct waiter **slot(struct watch *w, const struct waiter *x)
{
    return x->timed ? &w->wheel[x->due / TICK_MS % TICKS] : &w->untimed;
}

static void unlist(struct watch *w, struct waiter *x)
{
    struct list *list = NULL;
    if (x->listed)
        HASH_FIND(hh, w->lists, &x->experiment, sizeof x->experiment, list);
    if (!list)
        return;
    DL_DELETE(list->head, x);
    x->listed = false;
    if (!list->head) {
        HASH_DEL(w->lists, list);
        free(list);
    }
}

static void enlist(struct watch *w, struct waiter *x)
{
    struct list *list;
    if (x->experiment == WATCH_NOTHING)
        return;
    HASH_FIND(hh, w->lists, &x->experiment, sizeof x->experiment, list);
    if (!list) {
        list = X_NEW(struct list);
        list->experiment = x->experiment;
        HASH_ADD(hh, w->lists, experiment, sizeof list->experiment, list);
    }
    DL_APPEND(list->head, x);
    x->listed = true;
}

/* A deadline in the past is the next tick's. */
static void time_it(struct watch *w, struct waiter *x)
{
    if (x->due && !w->n_timed) { /* the timer sleeps, and the wheel is empty: go on from now */
        w->tick = clock_mono_ms() / TICK_MS;
        pthread_cond_signal(&w->cond);
    }
    x->due = (x->due + TICK_MS - 1) / TICK_MS * TICK_MS; /* rather late than early */
    int64_t soonest = (w->tick + 1) * TICK_MS, latest = (w->tick + TICKS - 1) * TICK_MS;
    if (x->due && x->due < soonest)
        x->due = soonest;
    if (x->due > latest)
        x->due = latest;
    x->timed = x->due != 0;
    w->n_timed += x->timed;
    struct waiter **head = slot(w, x);
    DL_APPEND2(*head, x, tick_prev, tick_next);
}

static void untime(struct watch *w, struct waiter *x)
{
    struct waiter **head = slot(w, x);
    DL_DELETE2(*head, x, tick_prev, tick_next);
    w->n_timed -= x->timed;
    x->timed = false;
}

static void take_off(struct watch *w, struct waiter *x)
{
    unlist(w, x);
    untime(w, x);
    x->armed = false;
    w->n--;
}

/* Wakes a chain linked by `next`. */
static void wake_all(struct watch *w, struct waiter *chain, enum wake_reason why)
{
    while (chain) {
        struct waiter *x = chain;
        chain = x->next; /* x may be gone, or armed anew, once it is woken */
        w->wake(x, x->changed ? WAKE_CHANGE : why);
    }
}

static struct waiter *due_at(struct watch *w, int64_t tick, struct waiter *chain)
{
    struct waiter *x = NULL, *next = NULL;
    DL_FOREACH_SAFE2(w->wheel[tick % TICKS], x, next, tick_next)
    {
        take_off(w, x);
        x->next = chain;
        chain = x;
    }
    return chain;
}

static void wait_for_tick(struct watch *w, int64_t mono_ms)
{
    struct timespec at = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    (void)pthread_cond_timedwait(&w->cond, &w->mutex, &at);
}

static void *timer(void *arg)
{
    struct watch *w = arg;
    pthread_mutex_lock(&w->mutex);
    while (!w->ending) {
        int64_t now = clock_mono_ms() / TICK_MS;
        struct waiter *chain = NULL;
        if (now - w->tick >= TICKS) /* once round is enough */
            w->tick = now - TICKS + 1;
        while (w->tick < now)
            chain = due_at(w, ++w->tick, chain);
        if (chain) {
            pthread_mutex_unlock(&w->mutex);
            wake_all(w, chain, WAKE_DUE);
            pthread_mutex_lock(&w->mutex);
        } else if (w->n_timed) {
            wait_for_tick(w, (now + 1) * TICK_MS);
        } else {
            pthread_cond_wait(&w->cond, &w->mutex);
        }
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

struct watch *watch_new(void (*wake)(struct waiter *w, enum wake_reason why))
{
    struct watch *w = X_NEW(struct watch);
    pthread_condattr_t attr;
    w->wake = wake;
    w->tick = clock_mono_ms() / TICK_MS;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, timer, w) == 0)
        return w;
    free(w);
    return NULL;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->ending = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
    (void)pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->cond);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

int64_t watch_revision(struct watch *w)
{
    return atomic_load(&w->revision);
}

bool watch_stopping(struct watch *w)
{
    return atomic_load(&w->stopping);
}

bool watch_arm(struct watch *w, struct waiter *x, int64_t seen)
{
    pthread_mutex_lock(&w->mutex);
    bool ok = !w->stopping && (x->experiment == WATCH_NOTHING || w->revision == seen);
    if (ok) {
        x->armed = true;
        x->changed = false;
        enlist(w, x);
        time_it(w, x);
        w->n++;
    }
    pthread_mutex_unlock(&w->mutex);
    return ok;
}

bool watch_disarm(struct watch *w, struct waiter *x)
{
    pthread_mutex_lock(&w->mutex);
    bool armed = x->armed;
    if (armed)
        take_off(w, x);
    pthread_mutex_unlock(&w->mutex);
    return armed;
}

static struct waiter *changed(struct watch *w, int64_t experiment, int64_t now, struct waiter *chain)
{
    struct list *list;
    HASH_FIND(hh, w->lists, &experiment, sizeof experiment, list);
    if (!list)
        return chain;
    struct waiter *x = NULL, *next = NULL, *head = list->head;
    DL_FOREACH_SAFE(head, x, next)
    {
        x->changed = true;
        if (x->not_before > now) { /* the wheel wakes it then; more changes need not look at it */
            unlist(w, x);
            untime(w, x);
            x->due = x->not_before;
            time_it(w, x);
            continue;
        }
        take_off(w, x);
        x->next = chain;
        chain = x;
    }
    return chain;
}

void watch_change(struct watch *w, const struct core_change *change)
{
    struct waiter *chain = NULL;
    pthread_mutex_lock(&w->mutex);
    if (change->revision > w->revision)
        atomic_store(&w->revision, change->revision);
    if (w->lists) {
        int64_t now = clock_mono_ms();
        chain = changed(w, WATCH_ANY, now, chain);
        for (size_t i = 0; i < change->n_experiments; i++)
            chain = changed(w, change->experiments[i], now, chain);
    }
    pthread_mutex_unlock(&w->mutex);
    wake_all(w, chain, WAKE_CHANGE);
}

void watch_stop(struct watch *w)
{
    struct waiter *chain = NULL, *x = NULL, *next = NULL;
    pthread_mutex_lock(&w->mutex);
    atomic_store(&w->stopping, true);
    for (size_t i = 0; i < TICKS; i++)
        chain = due_at(w, (int64_t)i, chain);
    DL_FOREACH_SAFE2(w->untimed, x, next, tick_next)
    {
        take_off(w, x);
        x->next = chain;
        chain = x;
    }
    for (x = chain; x; x = x->next)
        x->changed = false;
    pthread_mutex_unlock(&w->mutex);
    wake_all(w, chain, WAKE_STOP);
}

int64_t watch_count(struct watch *w)
{
    pthread_mutex_lock(&w->mutex);
    int64_t n = w->n;
    pthread_mutex_unlock(&w->mutex);
    return n;
}
