/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside the worker: worker.c asks and starts, teller.c tells the service what runs do. */
#ifndef HONE_WORKER_INSIDE_H
#define HONE_WORKER_INSIDE_H

#include "backends/backend.h"
#include "collectors/collector.h"
#include "worker/worker.h"

#include <pthread.h>

/* A place for one trial at a time. While it is busy the run's key, the trial and the collector stand still; the rest is with the mutex. */
struct slot {
    char *name;    /* its leases are under this */
    char run_key[80];
    int64_t trial, attempt, replicate;
    const struct collector *collector; /* NULL: none could be opened */
    void *parser;                      /* of the watch thread */

    bool busy;
    struct point *points; /* to be told; metrics malloced */
    size_t n_points, cap_points, n_dropped;
    int64_t speak_at; /* mono: the lease is to be renewed */
    bool canceled;    /* we asked for its end */
    bool lost;        /* the service wants to hear no more of it */
    bool ended;
    struct backend_status status; /* with `ended` */
    char *tail;                   /* with `ended`: last lines of its log, malloced */
};

struct worker {
    const struct worker_config *config;
    const struct backend *backend;
    struct backend_conn *conn;
    struct backend_host host;
    char *path;        /* .../experiments/NAME */
    double grace_s;    /* of run.grace */
    struct rest *rest; /* the teller's */

    pthread_mutex_t mutex; /* never held over a call */
    pthread_cond_t cond;   /* something is to be told, or a slot is free */
    struct slot *slots;
    bool closing;       /* the teller ends when no slot is busy */
    struct error fatal; /* why nothing can be told any more; code OK = it can */
};

bool worker_aborting(void); /* a second signal came */
void worker_say(const struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void *teller(void *worker); /* a thread */

#endif
