/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What trials print, through the API: followed line by line with the cluster's timestamps, which say where to go on after a stream has ended, the
 * container has started again or the service has. Every line is kept in a file: a pod's log goes with the pod. */
#include "backends/kubernetes.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_STREAMS = 96, /* a connection carries about a hundred */
    AGAIN_MS = 500,
    AGAIN_MOST_MS = 30000,
    BLOCK = 65536,
    MARK = 36, /* a timestamp and its blank are at most so long */
};
#define MAX_LINE ((size_t)1 << 20) /* what is beyond it is not read */
#define MAX_FILE ((int64_t)64 << 20)
#define NS INT64_C(1000000000)

/* ---- the file ---- */

static char *log_path(const struct backend_conn *c, const char *run_key)
{
    return x_asprintf("%s/%s.log", c->dir, run_key);
}

/* The time of the last whole line, and how many lines have it; a part of a line is cut off. */
static void find_last(struct kube_log *l)
{
    char *tail CLEANUP_FREE = x_malloc(BLOCK + 1);
    off_t size = lseek(l->fd, 0, SEEK_END), from = size > BLOCK ? size - BLOCK : 0;
    ssize_t n = pread(l->fd, tail, BLOCK, from);
    while (n > 0 && tail[n - 1] != '\n')
        n--;
    if (n < 0 || ftruncate(l->fd, from + n))
        return;
    tail[n] = '\0';
    for (char *line = tail, *end; (end = strchr(line, '\n')); line = end + 1) {
        const char *rest;
        int64_t ns;
        if (!kube_time(line, &ns, &rest))
            continue;
        l->kept_same = ns == l->kept_ns ? l->kept_same + 1 : 1;
        l->kept_ns = ns;
    }
}

void kube_log_open(struct backend_conn *c, struct run *r, const char *cursor)
{
    struct kube_log *l = &r->log;
    char *path CLEANUP_FREE = log_path(c, r->key);
    l->line.limit = MAX_LINE + MARK;
    l->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (l->fd >= 0)
        find_last(l);
    if (!strcmp(cursor, "end")) { /* the host has had all of it */
        l->last_ns = INT64_MAX;
        return;
    }
    long long ns = 0;
    if (sscanf(cursor, "%63s %d %lld %d", l->uid, &l->instance, &ns, &l->same) == 4)
        l->last_ns = ns;
    else
        l->uid[0] = '\0';
}

void kube_log_close(struct backend_conn *c, struct run *r)
{
    struct kube_log *l = &r->log;
    if (l->transfer && l->following)
        c->n_streams--;
    transfer_stop(l->transfer);
    l->transfer = NULL;
    buf_release(&l->line);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
}

static void keep(struct kube_log *l, const char *line, size_t len)
{
    struct stat s;
    if (l->fd >= 0 && !fstat(l->fd, &s) && s.st_size + (int64_t)len < MAX_FILE)
        (void)!write(l->fd, line, len); /* for people alone; a full disk is told elsewhere */
}

/* ---- what comes ---- */

static bool is_after(int64_t ns, int same, int64_t last_ns, int last_same)
{
    return ns > last_ns || (ns == last_ns && same > last_same);
}

struct reading {
    struct run *run;
    struct buf fresh; /* for the host */
};

/* A line with its end; `line` begins with its timestamp. */
static void take_line(struct reading *g, const char *line, size_t len)
{
    struct kube_log *l = &g->run->log;
    const char *rest;
    int64_t ns;
    char mark[MARK + 1];
    (void)snprintf(mark, sizeof mark, "%.*s", (int)(len < MARK ? len : MARK), line);
    if (!kube_time(mark, &ns, &rest) || *rest != ' ')
        return; /* nothing that the API writes */
    size_t head = (size_t)(rest - mark) + 1;
    l->pass_same = ns == l->pass_ns ? l->pass_same + 1 : 1;
    l->pass_ns = ns;
    if (is_after(ns, l->pass_same, l->kept_ns, l->kept_same)) {
        keep(l, line, len);
        l->kept_ns = ns;
        l->kept_same = l->pass_same;
    }
    if (!is_after(ns, l->pass_same, l->last_ns, l->same))
        return;
    l->last_ns = ns;
    l->same = l->pass_same;
    buf_add(&g->fresh, line + head, len - head);
}

static void give(struct reading *g)
{
    struct run *r = g->run;
    const struct backend_host *host = r->conn->host;
    char cursor[160];
    (void)snprintf(cursor, sizeof cursor, "%s %d %" PRId64 " %d", r->log.uid, r->log.instance, r->log.last_ns, r->log.same);
    if (g->fresh.len) {
        r->log.failures = 0;
        host->output(host->ctx, r->key, g->fresh.data, g->fresh.len, cursor);
    }
    buf_release(&g->fresh);
}

static bool on_data(void *ctx, const char *data, size_t len)
{
    struct reading g = {.run = ctx};
    struct buf *line = &g.run->log.line;
    while (len) {
        const char *newline = memchr(data, '\n', len);
        size_t part = newline ? (size_t)(newline - data) + 1 : len;
        buf_add(line, data, part);
        if (newline && line->len)
            take_line(&g, line->data, line->len);
        if (newline || line->overflow) {
            buf_release(line); /* a line beyond the limit is lost from there on */
            line->limit = MAX_LINE + MARK;
        }
        data += part;
        len -= part;
    }
    give(&g);
    return true;
}

static void on_end(void *ctx, enum err code, const struct error *error, struct rest_response *response)
{
    struct reading g = {.run = ctx};
    struct kube_log *l = &g.run->log;
    struct backend_conn *c = g.run->conn;
    (void)error;
    if (l->line.len && !code) { /* the last line has no end of its own */
        buf_adds(&l->line, "\n");
        take_line(&g, l->line.data, l->line.len);
        give(&g);
    }
    buf_clear(&l->line);
    if (l->following)
        c->n_streams--;
    l->transfer = NULL;
    l->ended = true;
    if (response->status == 401)
        kube_refused(c->kube);
    if (!code && !l->following)
        l->instance_read = true;
    else if (response->status == 404 || (response->status == 400 && !l->following)) /* the pod or this container of it is gone */
        l->instance_read = true;
    int64_t pause = (int64_t)AGAIN_MS << (l->failures < 6 ? l->failures++ : 6);
    l->at = l->instance_read ? 0 : clock_mono_ms() + (pause < AGAIN_MOST_MS ? pause : AGAIN_MOST_MS);
}

/* ---- what is asked ---- */

static void start(struct backend_conn *c, struct run *r, const struct kube_pod *pod, bool follow)
{
    struct kube_log *l = &r->log;
    struct rest *to = kube_transfer_target(c->kube, NULL);
    int64_t last = l->last_ns < l->kept_ns ? l->last_ns : l->kept_ns;
    if (l->last_ns == INT64_MAX)
        last = l->kept_ns;
    char since[CLOCK_TEXT + 16] = "", when[CLOCK_TEXT];
    if (!to)
        return;
    if (last > 0) {
        clock_format(last / NS * 1000, when);
        (void)snprintf(since, sizeof since, "&sinceTime=%s", when);
    }
    char *container CLEANUP_FREE = r->container ? rest_encode(r->container) : NULL;
    char *path CLEANUP_FREE = x_asprintf("/api/v1/namespaces/%s/pods/%s/log?timestamps=true%s%s%s%s%s", r->namespace, pod->name, follow ? "&follow=true" : "",
                                         l->instance < pod->restarts ? "&previous=true" : "", container ? "&container=" : "", container ? container : "", since);
    l->following = follow;
    l->ended = false;
    l->pass_ns = 0;
    l->pass_same = 0;
    c->n_streams += follow;
    l->transfer = transfer_start(c->transfers, to, &(struct rest_request){.path = path, .accept = "*/*", .idle_s = -1, .headers = kube_headers(c->kube)},
                         (struct transfer_calls){.data = on_data, .end = on_end}, r);
}

/* The pod that is read, or the next one; NULL: all were read. */
static struct kube_pod *current_pod(struct run *r)
{
    struct kube_log *l = &r->log;
    bool found = false;
    for (size_t i = 0; i < r->n_pods; i++)
        found |= !strcmp(r->pods_list[i].uid, l->uid);
    for (size_t i = 0; i < r->n_pods; i++) {
        struct kube_pod *p = &r->pods_list[i];
        bool own = !strcmp(p->uid, l->uid);
        if (found && !own)
            continue; /* one that was read */
        if (own && l->instance_read && l->instance < p->restarts) {
            l->instance++;
            l->instance_read = l->ended = false;
        }
        if (own && !l->instance_read)
            return p;
        if (own) {
            found = false;
            continue;
        }
        if (!p->primary || !p->started)
            continue;
        (void)snprintf(l->uid, sizeof l->uid, "%s", p->uid); /* a pod is left for the next one when all of it was read */
        l->instance = p->restarts > 0 ? p->restarts - 1 : 0;
        l->instance_read = l->ended = false;
        return p;
    }
    return NULL;
}

bool kube_log_turn(struct backend_conn *c, struct run *r, int64_t now, int64_t *next)
{
    struct kube_log *l = &r->log;
    if (l->transfer)
        return false;
    struct kube_pod *p = current_pod(r);
    while (p && p->deleted && !p->terminated) { /* its log went with it */
        l->instance = p->restarts;
        l->instance_read = true;
        p = current_pod(r);
    }
    if (!p)
        return true;
    if (l->instance < p->restarts - 1)
        l->instance = p->restarts - 1; /* of containers before that nothing is kept */
    if (now < l->at) {
        *next = l->at < *next ? l->at : *next;
        return false;
    }
    bool past = l->instance < p->restarts, over = past || p->terminated;
    if (!over && c->n_streams >= MAX_STREAMS) { /* it is read when it is over, or when another one is */
        *next = now + AGAIN_MOST_MS < *next ? now + AGAIN_MOST_MS : *next;
        return false;
    }
    start(c, r, p, !over);
    return false;
}

/* ---- for people ---- */

/* Without the timestamps; `at` says whether the first byte begins a line. */
static void add_plain(struct buf *out, const char *data, size_t len, bool begins)
{
    while (len) {
        const char *newline = memchr(data, '\n', len);
        size_t part = newline ? (size_t)(newline - data) + 1 : len, head = 0;
        const char *blank = begins ? memchr(data, ' ', part < MARK ? part : MARK) : NULL;
        if (blank)
            head = (size_t)(blank - data) + 1;
        buf_add(out, data + head, part - head);
        begins = newline != NULL;
        data += part;
        len -= part;
    }
}

enum err kube_log_serve(const struct backend_conn *c, const char *run_key, int64_t offset, size_t max, struct buf *out, int64_t *next, bool *end, struct error *error)
{
    char *path CLEANUP_FREE = log_path(c, run_key);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    if (fd < 0 || fstat(fd, &s)) {
        if (fd >= 0)
            (void)close(fd);
        return err_set(error, ERR_NOT_FOUND, "LOG_NOT_FOUND", "there is no log of %s: it has not begun, or its files were removed", run_key);
    }
    int64_t from = offset >= 0 ? offset : s.st_size + offset > 0 ? s.st_size + offset : 0;
    char before = '\n';
    char *data CLEANUP_FREE = x_malloc(max + 1);
    if (from > 0 && pread(fd, &before, 1, from - 1) != 1)
        before = '\n';
    ssize_t n = pread(fd, data, max, from);
    (void)close(fd);
    if (n < 0)
        return err_set(error, ERR_STORAGE, "LOG", "the log of %s cannot be read: %s", run_key, strerror(errno));
    size_t len = (size_t)n, skip = 0;
    if (offset < 0 && before != '\n') { /* counted from the end: from the next whole line */
        const char *newline = memchr(data, '\n', len);
        skip = newline ? (size_t)(newline - data) + 1 : 0;
        before = newline ? '\n' : before;
    }
    if (len == max) { /* not amid a timestamp, unless a line is longer than all that was asked for */
        while (len > skip && data[len - 1] != '\n')
            len--;
        len = len > skip ? len : (size_t)n;
    }
    add_plain(out, data + skip, len - skip, before == '\n');
    *next = from + (int64_t)len;
    *end = *next >= s.st_size;
    return OK;
}
