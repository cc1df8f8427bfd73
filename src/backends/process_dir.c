/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/process.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINK_MAX_TEXT = 256, WALK_FDS = 16 };

static bool read_link(const char *dir, const char *name, char text[LINK_MAX_TEXT])
{
    char *path CLEANUP_FREE = x_asprintf("%s/%s", dir, name);
    ssize_t n = readlink(path, text, LINK_MAX_TEXT - 1);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static bool read_ended(const char *dir, struct ended *e)
{
    static const char *const words[] = {
        [WHY_EXIT] = "exit", [WHY_CANCEL] = "cancel", [WHY_TIMEOUT] = "timeout", [WHY_EXEC] = "exec", [WHY_CWD] = "cwd", [WHY_SETUP] = "setup"};
    char text[LINK_MAX_TEXT], word[16];
    if (!read_link(dir, "ended", text) ||
        sscanf(text, "%15s %d %d %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, word, &e->code, &e->signal, &e->error, &e->start_ms, &e->end_ms, &e->size[0],
               &e->size[1]) != 8)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strcmp(word, words[i])) {
            e->why = (enum why)i;
            return true;
        }
    return false;
}

/* Only asked once `started` is there: before, a hone-run that is about to take the lock must not find it taken. */
static bool lock_is_free(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_free = fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_free;
}

enum dir_state dir_look(const char *dir, pid_t *pid, int64_t *start_ms, struct ended *ended)
{
    char text[LINK_MAX_TEXT];
    int number = -1;
    *start_ms = 0;
    if (read_ended(dir, ended))
        return DIR_ENDED;
    if (!read_link(dir, "started", text))
        return DIR_FRESH;
    (void)sscanf(text, "%d %" SCNd64, &number, start_ms);
    *pid = number;
    if (!lock_is_free(dir))
        return DIR_RUNNING;
    return read_ended(dir, ended) ? DIR_ENDED : DIR_LOST; /* it may have ended between the two looks */
}

/* --- logs */

static int open_part(const char *dir, const char *stream, int64_t part, int64_t *size)
{
    char *path CLEANUP_FREE = part ? x_asprintf("%s/%s.%lld.log", dir, stream, (long long)part) : x_asprintf("%s/%s.log", dir, stream);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat s;
    if (fd < 0 || fstat(fd, &s)) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    *size = s.st_size;
    return fd;
}

struct parts {
    int64_t at_or_before, after, last; /* where files begin, -1 = none */
};

static void find_parts(const char *dir, const char *stream, int64_t offset, struct parts *p)
{
    *p = (struct parts){-1, -1, -1};
    DIR *d = opendir(dir);
    size_t len = strlen(stream);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        long long part = 0;
        int end = 0;
        const char *rest = e->d_name + len;
        if (strncmp(e->d_name, stream, len) != 0 || (strcmp(rest, ".log") != 0 && (sscanf(rest, ".%lld.log%n", &part, &end) != 1 || !end || rest[end])))
            continue;
        if (part <= offset && part > p->at_or_before)
            p->at_or_before = part;
        if (part > offset && (p->after < 0 || part < p->after))
            p->after = part;
        if (part > p->last)
            p->last = part;
    }
    if (d)
        (void)closedir(d);
}

int64_t log_size(const char *dir, const char *stream)
{
    struct parts p;
    int64_t size = 0;
    int fd = open_part(dir, stream, 0, &size);
    if (fd < 0) /* the first part is always kept */
        return 0;
    (void)close(fd);
    find_parts(dir, stream, 0, &p);
    fd = open_part(dir, stream, p.last, &size);
    if (fd >= 0)
        (void)close(fd);
    return fd < 0 ? 0 : p.last + size;
}

/* Opens the file that holds at->offset: the one read before, the one that begins there, or whichever it is now. */
static int open_at(const char *dir, const char *stream, struct log_place *at, struct buf *out)
{
    int64_t size = 0;
    bool at_end = false;
    for (int go = at->part == at->offset; go < 2; go++) {
        int64_t part = go ? at->offset : at->part;
        int fd = open_part(dir, stream, part, &size);
        if (fd >= 0 && at->offset < part + size) {
            at->part = part;
            return fd;
        }
        at_end |= part && fd >= 0;
        if (fd >= 0)
            (void)close(fd);
    }
    struct parts p;
    if (!at->offset || at_end) /* nothing yet, or nothing more: what follows a part outlives it, but for the first, which stays */
        return -1;
    find_parts(dir, stream, at->offset, &p);
    int fd = p.at_or_before < 0 ? -1 : open_part(dir, stream, p.at_or_before, &size);
    if (fd >= 0 && at->offset < p.at_or_before + size) {
        at->part = p.at_or_before;
        return fd;
    }
    if (fd >= 0)
        (void)close(fd);
    if (p.after < 0)
        return -1;
    buf_addf(out, "\n[hone: %lld bytes are not kept here: the log is longer than run.log_limit]\n", (long long)(p.after - at->offset));
    at->offset = at->part = p.after;
    return open_part(dir, stream, p.after, &size);
}

size_t log_read(const char *dir, const char *stream, struct log_place *at, size_t max, struct buf *out)
{
    size_t before = out->len;
    int fd = open_at(dir, stream, at, out);
    if (fd < 0)
        return out->len - before;
    char *data CLEANUP_FREE = x_malloc(max);
    ssize_t n = pread(fd, data, max, at->offset - at->part);
    (void)close(fd);
    if (n > 0) {
        buf_add(out, data, (size_t)n);
        at->offset += n;
    }
    return out->len - before;
}

/* --- removal */

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s;
    (void)kind;
    (void)where;
    (void)remove(path);
    return 0;
}

void dir_remove(const char *path)
{
    (void)nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
}

/* --- copies */

#define MAX_DEPTH 64

static bool copy_file(int from, int to, const char *name, mode_t mode)
{
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0700);
    char block[65536];
    ssize_t n = -1;
    while (out >= 0 && (n = copy_file_range(in, NULL, out, NULL, SSIZE_MAX / 2, 0)) > 0) /* shares the blocks where the file system can */
        ;
    if (n < 0 && out >= 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
        while ((n = read(in, block, sizeof block)) > 0)
            if (write(out, block, (size_t)n) != n) {
                n = -1;
                break;
            }
    int why = errno;
    if (in >= 0)
        (void)close(in);
    bool ok = out >= 0 && !close(out) && n == 0;
    if (n)
        errno = why;
    return ok;
}

static bool copy_link(int from, int to, const char *name)
{
    char target[4096];
    ssize_t n = readlinkat(from, name, target, sizeof target - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    return !symlinkat(target, to, name);
}

static bool copy_tree(int from, int to, int depth);

static bool copy_one(int from, int to, const char *name, int depth)
{
    struct stat s;
    if (fstatat(from, name, &s, AT_SYMLINK_NOFOLLOW))
        return false;
    if (S_ISREG(s.st_mode))
        return copy_file(from, to, name, s.st_mode);
    if (S_ISLNK(s.st_mode))
        return copy_link(from, to, name);
    if (!S_ISDIR(s.st_mode))
        return true; /* a socket or a pipe is nothing to go on from */
    if (depth == MAX_DEPTH) {
        errno = ELOOP;
        return false;
    }
    if (mkdirat(to, name, 0700))
        return false;
    int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = in >= 0 && out >= 0 && copy_tree(in, out, depth + 1);
    int why = errno;
    if (in >= 0)
        (void)close(in);
    if (out >= 0)
        (void)close(out);
    errno = why;
    return ok;
}

static bool copy_tree(int from, int to, int depth)
{
    DIR *d = fdopendir(dup(from));
    bool ok = d != NULL;
    for (struct dirent *e; ok && (e = readdir(d)) != NULL;)
        ok = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || copy_one(from, to, e->d_name, depth);
    int why = errno;
    if (d)
        (void)closedir(d);
    errno = why;
    return ok;
}

bool dir_copy(const char *from, const char *to)
{
    char *half CLEANUP_FREE = x_asprintf("%s.half", to);
    dir_remove(half); /* of a copy that a crash cut short */
    if (mkdir(half, 0700))
        return false;
    int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = open(half, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = in >= 0 && out >= 0 && copy_tree(in, out, 0) && !rename(half, to);
    int why = errno;
    if (in >= 0)
        (void)close(in);
    if (out >= 0)
        (void)close(out);
    if (!ok)
        dir_remove(half);
    errno = why;
    return ok;
}

bool dir_empty(const char *path)
{
    DIR *d = opendir(path);
    bool empty = true;
    for (struct dirent *e; d && empty && (e = readdir(d)) != NULL;)
        empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    if (d)
        (void)closedir(d);
    return empty;
}
