/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Single flight: of the steps that would make the same thing at the same time one makes it, the others wait for it. */
#include "core/flow.h"

#include <string.h>

char *flow_flight_key(const struct node *n)
{
    const struct run_row *run = n->frame->flow->row;
    if (!*n->row->cache_key || (!n->step->n_outputs && !n->step->expand)) /* what gives nothing is run for what it does */
        return NULL;
    switch (n->step->cache) {
    case CACHE_NONE:
        return NULL;
    case CACHE_RUN:
        return x_asprintf("run/%lld:%s", (long long)run->id, n->row->cache_key);
    case CACHE_EXPERIMENT:
        if (run->experiment_id)
            return x_asprintf("experiment/%lld:%s", (long long)run->experiment_id, n->row->cache_key);
        break;
    case CACHE_PROJECT:
        break;
    }
    return x_asprintf("project/%s:%s", run->project, n->row->cache_key);
}

static struct flight *find(struct core *c, const char *key)
{
    struct flight *fl;
    HASH_FIND_STR(c->flights, key, fl);
    return fl;
}

static struct flight *find_or_new(struct core *c, const char *key)
{
    struct flight *fl = find(c, key);
    if (fl)
        return fl;
    fl = X_NEW(struct flight);
    fl->key = x_strdup(key);
    HASH_ADD_KEYPTR(hh, c->flights, fl->key, strlen(fl->key), fl);
    return fl;
}

struct node *flight_holder(struct core *c, const char *key)
{
    const struct flight *fl = find(c, key);
    return fl ? fl->holder : NULL;
}

static void unlink_waiting(struct flight *fl, struct node *n)
{
    *(n->flight_prev ? &n->flight_prev->flight_next : &fl->first) = n->flight_next;
    *(n->flight_next ? &n->flight_next->flight_prev : &fl->last) = n->flight_prev;
    n->flight_prev = n->flight_next = NULL;
}

void flight_hold(struct core *c, struct node *n, const char *key)
{
    struct flight *fl = find_or_new(c, key);
    if (n->flight == fl && fl->holder != n)
        unlink_waiting(fl, n);
    n->flight = fl;
    fl->holder = n;
}

void flight_wait(struct core *c, struct node *n, const char *key)
{
    struct flight *fl = find_or_new(c, key);
    if (n->flight == fl)
        return;
    n->flight = fl;
    n->flight_prev = fl->last;
    *(fl->last ? &fl->last->flight_next : &fl->first) = n;
    fl->last = n;
}

void flight_leave(struct core *c, struct node *n)
{
    struct flight *fl = n->flight;
    if (!fl)
        return;
    n->flight = NULL;
    if (fl->holder == n) {
        fl->holder = NULL;
        for (struct node *w = fl->first; w; w = w->flight_next) /* it is there, or the first of them makes it */
            flow_touch(c, w->frame->flow);
    } else {
        unlink_waiting(fl, n);
        if (!fl->first && fl->holder) /* nobody waits any more: it may be cancelled with its run */
            flow_touch(c, fl->holder->frame->flow);
    }
    if (!fl->holder && !fl->first) {
        HASH_DELETE(hh, c->flights, fl);
        free(fl->key);
        free(fl);
    }
}
