/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/pool.h"

#include "base/mem.h"

struct pool {
    struct queue queue;
    int n;
    pthread_t threads[];
};

static void *work(void *arg)
{
    struct pool *p = arg;
    for (bool done = false; !done;) {
        struct job *job = (struct job *)queue_take(&p->queue, 1, INT64_MAX, &done);
        if (job)
            job->run(job);
    }
    return NULL;
}

struct pool *pool_new(int n_threads)
{
    struct pool *p = x_calloc(1, sizeof *p + (size_t)n_threads * sizeof p->threads[0]);
    queue_init(&p->queue);
    for (; p->n < n_threads; p->n++)
        if (pthread_create(&p->threads[p->n], NULL, work, p) != 0)
            break;
    return p;
}

bool pool_submit(struct pool *p, struct job *job)
{
    if (p->n)
        return queue_push(&p->queue, &job->item);
    job->run(job);
    return true;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    queue_close(&p->queue);
    for (int i = 0; i < p->n; i++)
        (void)pthread_join(p->threads[i], NULL);
    queue_release(&p->queue);
    free(p);
}
