/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What no row names any more is removed from the datastore, and what the cache has not been asked for in a long time is forgotten. */
#include "core/flow.h"

#include "base/log.h"

#include <string.h>

#define SWEEP_EVERY_MS (3600 * 1000)
#define SWEEP_MIN_AGE_S 3600 /* what was made lately may be named by a row that is about to be written */
#define CACHE_KEPT_MS ((int64_t)30 * 24 * 3600 * 1000)

struct name {
    UT_hash_handle hh;
    char id[ARTIFACT_ID_MAX];
};

struct sweep {
    struct job job;
    struct core *core;
    struct name *used;
};

/* Every "sha256:<64 digits>" of a stored text. */
static bool collect(void *arg, const char *text)
{
    struct sweep *s = arg;
    for (const char *at = strstr(text, "sha256:"); at; at = strstr(at + 7, "sha256:")) {
        char id[ARTIFACT_ID_MAX];
        struct name *n;
        if (strspn(at + 7, "0123456789abcdef") != 64)
            continue;
        (void)snprintf(id, sizeof id, "%.71s", at);
        HASH_FIND_STR(s->used, id, n);
        if (n)
            continue;
        n = X_NEW(struct name);
        memcpy(n->id, id, sizeof id);
        HASH_ADD_STR(s->used, id, n);
    }
    return true;
}

static bool is_used(void *arg, const char *id)
{
    const struct sweep *s = arg;
    struct name *n;
    HASH_FIND_STR(s->used, id, n);
    return n != NULL;
}

static void sweep(struct job *job)
{
    struct sweep *s = (struct sweep *)job;
    struct error error;
    int64_t bytes = 0, n = 0;
    struct db *db = store_reader(s->core->config.store);
    enum err err = db ? artifact_texts(db, collect, s, &error) : ERR_STORAGE;
    if (db)
        store_reader_done(s->core->config.store, db);
    if (!err)
        err = artifacts_sweep(s->core->artifacts, is_used, s, SWEEP_MIN_AGE_S, &bytes, &n, &error);
    if (!err && n)
        log_event(LOG_INFO, "artifacts.swept", "{s:I, s:I}", "objects", (json_int_t)n, "bytes", (json_int_t)bytes);
    struct name *name, *next;
    HASH_ITER(hh, s->used, name, next)
    {
        HASH_DEL(s->used, name);
        free(name);
    }
    free(s);
}

enum err flow_sweep(struct core *c, struct error *error)
{
    wake_at(c, c->swept_at + SWEEP_EVERY_MS);
    if (c->mono < c->swept_at + SWEEP_EVERY_MS)
        return OK;
    c->swept_at = c->mono;
    struct sweep *s = X_NEW(struct sweep);
    s->job.run = sweep;
    s->core = c;
    if (!pool_submit(c->pool, &s->job))
        free(s); /* it is stopping: the next service sweeps */
    return cache_prune(c->db, c->now - CACHE_KEPT_MS, error);
}
