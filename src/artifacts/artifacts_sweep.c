/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Garbage: what nobody uses and nobody touched lately. Trees go before files, so that no manifest is left whose files are gone; an object that a put
 * took for granted since the sweep began is younger than it, and stays. */
#include "artifacts/artifacts.h"
#include "artifacts/artifacts_part.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct hashes {
    char (*items)[SHA256_TEXT];
    size_t n, cap;
};

static void hashes_add(struct hashes *h, const char *hash)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 256;
        h->items = x_realloc(h->items, h->cap * sizeof *h->items);
    }
    memcpy(h->items[h->n++], hash, SHA256_TEXT);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Every object, in no order. */
static void each_object(struct artifacts *a, void (*found)(void *arg, const char *hash), void *arg)
{
    for (unsigned i = 0; i < 256; i++) {
        char *folder CLEANUP_FREE = x_asprintf("%s/objects/%02x", a->dir, i);
        DIR *d = opendir(folder);
        for (struct dirent *e; d && (e = readdir(d));)
            if (strlen(e->d_name) == SHA256_TEXT - 1)
                found(arg, e->d_name);
        if (d)
            (void)closedir(d);
    }
}

struct sweep {
    struct artifacts *a;
    bool (*used)(void *arg, const char *id);
    void *arg;
    struct timespec before; /* what was touched later stays */
    struct hashes keep;     /* of files in trees that are used */
    struct hashes trees, files; /* that may go */
    struct error *error;
    enum err err;
};

static bool is_young(const struct sweep *s, const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return true; /* gone already */
    return st.st_mtim.tv_sec > s->before.tv_sec || (st.st_mtim.tv_sec == s->before.tv_sec && st.st_mtim.tv_nsec >= s->before.tv_nsec);
}

static bool starts_as_tree(struct artifacts *a, const char *hash)
{
    char *path CLEANUP_FREE = artifact_path(a, hash);
    char head[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof head);
    if (fd >= 0)
        (void)close(fd);
    return n > 0 && manifest_is(head, (size_t)n);
}

/* A tree that is used or young keeps its files. */
static void mark(void *arg, const char *hash)
{
    struct sweep *s = arg;
    char id[ARTIFACT_ID_MAX];
    char *path CLEANUP_FREE = artifact_path(s->a, hash);
    struct manifest m;
    bool is_tree = starts_as_tree(s->a, hash), ignored;
    id_of(hash, id);
    bool stays = s->used(s->arg, id) || is_young(s, path);
    if (!stays)
        hashes_add(is_tree ? &s->trees : &s->files, hash);
    if (!stays || !is_tree || s->err != OK)
        return;
    enum err err = manifest_load(s->a, hash, &m, &ignored, s->error);
    for (size_t i = 0; err == OK && i < m.n; i++)
        if (m.entries[i].kind == ENTRY_FILE)
            hashes_add(&s->keep, m.entries[i].hash);
    if (err != OK && (!s->error || strcmp(s->error->name, "ARTIFACT_CORRUPT") != 0))
        s->err = err; /* which files it has is not known, so none may go; a corrupt one has none */
    manifest_release(&m);
}

static void remove_some(struct sweep *s, const struct hashes *h, int64_t *freed, int64_t *n)
{
    for (size_t i = 0; i < h->n; i++) {
        char *path CLEANUP_FREE = artifact_path(s->a, h->items[i]);
        struct stat st;
        if (s->keep.n && bsearch(h->items[i], s->keep.items, s->keep.n, sizeof *s->keep.items, by_text))
            continue;
        (void)pthread_rwlock_wrlock(&s->a->commit);
        if (!is_young(s, path) && !stat(path, &st) && !unlink(path)) {
            *freed += st.st_size;
            ++*n;
        }
        (void)pthread_rwlock_unlock(&s->a->commit);
    }
}

/* The clock that the kernel stamps files with, which is behind the exact one. */
static struct timespec before_age(double min_age_s)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &t);
    t.tv_sec -= (time_t)(min_age_s > 0 ? min_age_s : 0);
    return t;
}

enum err artifacts_sweep(struct artifacts *a, bool (*used)(void *arg, const char *id), void *arg, double min_age_s, int64_t *freed_bytes, int64_t *n,
                         struct error *error)
{
    struct error own = {0};
    struct sweep s = {.a = a, .used = used, .arg = arg, .before = before_age(min_age_s), .error = error ? error : &own};
    int64_t freed = 0, removed = 0;
    each_object(a, mark, &s);
    if (s.keep.n)
        qsort(s.keep.items, s.keep.n, sizeof *s.keep.items, by_text);
    if (s.err == OK) {
        remove_some(&s, &s.trees, &freed, &removed);
        remove_some(&s, &s.files, &freed, &removed);
    }
    if (atomic_load(&a->bytes) >= 0)
        (void)atomic_fetch_sub(&a->bytes, freed);
    *freed_bytes = freed;
    *n = removed;
    free(s.keep.items);
    free(s.trees.items);
    free(s.files.items);
    return s.err;
}

struct count {
    struct artifacts *a;
    int64_t bytes;
};

static void count_one(void *arg, const char *hash)
{
    struct count *c = arg;
    char *path CLEANUP_FREE = artifact_path(c->a, hash);
    struct stat st;
    if (!stat(path, &st))
        c->bytes += st.st_size;
}

int64_t artifacts_bytes(struct artifacts *a)
{
    struct count c = {.a = a};
    int64_t none = -1;
    if (atomic_load(&a->bytes) < 0) {
        (void)pthread_rwlock_wrlock(&a->commit); /* nothing comes or goes while it is counted */
        each_object(a, count_one, &c);
        (void)atomic_compare_exchange_strong(&a->bytes, &none, c.bytes);
        (void)pthread_rwlock_unlock(&a->commit);
    }
    return atomic_load(&a->bytes);
}
