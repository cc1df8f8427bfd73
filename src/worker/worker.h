/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs trials here for a service that is elsewhere: asks it for trials over HTTP, hands them to a backend of this machine, and reports what
 * the collector reads of their output. The service needs to know nothing of this machine, and nothing listens here.
 *
 * What a trial is doing stands with the backend, and whose it is with the service: a worker that is killed and started again under its
 * name is given its own leases again, adopts the runs that went on without it, and reports their output from the start (a value is kept once
 * a step, so that counts nothing twice).
 *
 * Threads: the caller's asks and starts; one tells; the backend's watch hears of runs. One worker a process. */
#ifndef HONE_WORKER_WORKER_H
#define HONE_WORKER_WORKER_H

#include "model/spec.h"
#include "net/rest.h"

struct worker_config {
    struct rest *rest;        /* of the calling thread; its `cancelled` is true while a signal to end is pending */
    const char *url;          /* how a trial reaches the service */
    const char *project, *experiment, *uid;
    uint64_t seed;            /* of the experiment */
    const struct spec *spec;  /* its `run` says how a trial is run */
    const char *backend;      /* a name in backends.def */
    const char *name;         /* a slot leases its trials as NAME.SLOT, and no other worker may have the name */
    const char *dir;          /* where the backend keeps its runs; of this worker alone */
    int slots;                /* trials at once */
    double lease_s;
    void (*say)(void *arg, const char *line); /* what people may want to know; from any of the threads */
    void *arg;
};

#define WORKER_SLOTS_MAX 1024

/* Returns OK when the experiment has no more trials for it, or after a signal (SIGINT, SIGTERM, SIGHUP; they must be blocked): then it takes no
 * new trials and waits for those that run. A second signal, which stays pending, stops them and leaves their leases to expire, so they are given
 * to another: "CANCELLED". Other errors: the backend cannot be opened; the service refused (it being away is waited for). */
enum err worker_run(const struct worker_config *config, struct error *error);

#endif
