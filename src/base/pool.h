/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Worker threads that run jobs. A job is handed over whole: its function frees or passes on what it holds. */
#ifndef HONE_BASE_POOL_H
#define HONE_BASE_POOL_H

#include "base/queue.h"

struct job {
    struct queue_item item;
    void (*run)(struct job *job); /* in a worker; owns the job */
};

struct pool;

struct pool *pool_new(int n_threads); /* without any, pool_submit runs the job itself */
bool pool_submit(struct pool *p, struct job *job); /* false (not taken) once the pool is closing */
void pool_free(struct pool *p);                    /* runs what was submitted, then joins; NULL is a no-op */

#endif
