/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking in. Every file is first copied to tmp and hashed on the way; only when all of them are there and synced do they get their names, and the
 * manifest of a tree last: what is killed leaves files in tmp, or objects that nobody names. Small files are hashed first, and what is kept already is not
 * written again; should a sweep take it meanwhile, all is done once more without that. */
#include "artifacts/artifacts.h"
#include "artifacts/artifacts_part.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYNC_ONE_BY_ONE 16 /* files; more are cheaper to sync as a file system */
#define SMALL (1 << 20)    /* bytes that are held in memory */

struct pending {
    char *path; /* in tmp; NULL: the object is there already */
    char hash[SHA256_TEXT];
    int64_t size;
};

struct put {
    struct artifacts *a;
    struct pending *files;
    size_t n, cap;
    struct manifest tree;
    struct error *error;
    bool copy_all; /* nothing is taken to be there already */
    bool gone;     /* what was taken to be there is not */
};

static void put_release(struct put *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->files[i].path)
            (void)unlink(p->files[i].path);
        free(p->files[i].path);
    }
    free(p->files);
    manifest_release(&p->tree);
}

static struct pending *add_pending(struct put *p)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 8;
        p->files = x_realloc(p->files, p->cap * sizeof *p->files);
    }
    p->files[p->n] = (struct pending){.path = temporary_path(p->a)};
    return &p->files[p->n++];
}

static int create(const char *path)
{
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool stored(struct artifacts *a, const struct pending *f)
{
    char *path CLEANUP_FREE = artifact_path(a, f->hash);
    struct stat st;
    return !stat(path, &st) && st.st_size == f->size;
}

static enum err write_bytes(struct put *p, const struct pending *f, const char *data, size_t len)
{
    int to = create(f->path);
    enum err err = to < 0 ? storage_error(p->error, "cannot make", f->path) : OK;
    for (size_t done = 0; err == OK && done < len;) {
        ssize_t n = write(to, data + done, len - done);
        if (n < 0 && errno != EINTR)
            err = storage_error(p->error, "cannot write", f->path);
        done += n > 0 ? (size_t)n : 0;
    }
    if (err == OK && fchmod(to, 0444))
        err = storage_error(p->error, "cannot write", f->path);
    if (to >= 0)
        (void)close(to);
    return err;
}

static enum err take_bytes(struct put *p, const char *data, size_t len, struct pending **out)
{
    struct pending *f = *out = add_pending(p);
    sha256_text(data, len, f->hash);
    f->size = (int64_t)len;
    if (p->copy_all || !stored(p->a, f))
        return write_bytes(p, f, data, len);
    free(f->path);
    f->path = NULL;
    return OK;
}

static enum err no_manifest(struct put *p, const char *data, size_t len, const char *shown)
{
    if (!manifest_is(data, len))
        return OK;
    return err_set(p->error, ERR_INVALID, NULL, "%.200s is a manifest of a datastore; give the folder it stands for", shown);
}

/* Reads the whole into `b`; false: it is not small. */
static bool read_small(int fd, struct buf *b)
{
    char *part CLEANUP_FREE = x_malloc(COPY_PART);
    ssize_t n;
    while ((n = read(fd, part, COPY_PART)) > 0 && b->len <= SMALL)
        buf_add(b, part, (size_t)n);
    return n == 0;
}

static enum err copy_fd(struct put *p, int fd, const char *shown, struct pending **out)
{
    struct pending *f = *out = add_pending(p);
    char head[64];
    int to = lseek(fd, 0, SEEK_SET) ? -1 : create(f->path);
    if (to < 0)
        return storage_error(p->error, "cannot make", f->path);
    enum err err = copy_file(fd, to, f->hash, &f->size, shown, p->error);
    ssize_t n = err == OK ? pread(to, head, sizeof head, 0) : 0;
    if (n > 0)
        err = no_manifest(p, head, (size_t)n, shown);
    if (err == OK && fchmod(to, 0444))
        err = storage_error(p->error, "cannot write", f->path);
    (void)close(to);
    return err;
}

static enum err take_fd(struct put *p, int fd, int64_t size, const char *shown, struct pending **out)
{
    struct buf b = BUF_INIT;
    enum err err;
    buf_adds(&b, "");
    if (size <= SMALL && read_small(fd, &b)) {
        err = no_manifest(p, b.data, b.len, shown);
        if (err == OK)
            err = take_bytes(p, b.data, b.len, out);
    } else {
        err = copy_fd(p, fd, shown, out);
    }
    buf_release(&b);
    return err;
}

/* ---- durable, then named ---- */

static enum err sync_path(const char *path, int flags, struct error *error)
{
    int fd = open(path, flags | O_CLOEXEC);
    enum err err = fd < 0 || fsync(fd) ? storage_error(error, "cannot sync", path) : OK;
    if (fd >= 0)
        (void)close(fd);
    return err;
}

static enum err sync_files(struct put *p, size_t from, size_t to)
{
    size_t n_new = 0;
    for (size_t i = from; i < to; i++)
        n_new += p->files[i].path && !stored(p->a, &p->files[i]);
    if (n_new > SYNC_ONE_BY_ONE) {
        int fd = open(p->a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        enum err err = fd < 0 || syncfs(fd) ? storage_error(p->error, "cannot sync", p->a->dir) : OK;
        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    for (size_t i = from; n_new && i < to; i++)
        if (p->files[i].path && !stored(p->a, &p->files[i]) && sync_path(p->files[i].path, O_RDONLY, p->error) != OK)
            return ERR_STORAGE;
    return OK;
}

/* What is there is touched, so that a sweep leaves it; one that was cut short is replaced. */
static enum err name_one(struct put *p, const struct pending *f, bool folders[256])
{
    char *path CLEANUP_FREE = artifact_path(p->a, f->hash);
    char two[3] = {f->hash[0], f->hash[1], '\0'};
    struct stat st = {0};
    bool made = f->path && link(f->path, path) == 0, there = !made && (!f->path || errno == EEXIST) && !stat(path, &st);
    p->gone |= !f->path && !there;
    if (p->gone)
        return ERR_STORAGE;
    if (there && st.st_size == f->size) {
        (void)utimensat(AT_FDCWD, path, (const struct timespec[]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}}, 0);
        return OK;
    }
    if (!made && rename(f->path, path)) /* a file system without hard links */
        return storage_error(p->error, "cannot make", path);
    folders[strtol(two, NULL, 16)] = true;
    if (atomic_load(&p->a->bytes) >= 0)
        (void)atomic_fetch_add(&p->a->bytes, f->size - st.st_size);
    return OK;
}

static enum err name_files(struct put *p, size_t from, size_t to)
{
    bool folders[256] = {false};
    enum err err = OK;
    for (size_t i = from; err == OK && i < to; i++)
        err = name_one(p, &p->files[i], folders);
    for (unsigned i = 0; err == OK && i < 256; i++) {
        char *path CLEANUP_FREE = x_asprintf("%s/objects/%02x", p->a->dir, i);
        if (folders[i])
            err = sync_path(path, O_RDONLY | O_DIRECTORY, p->error);
    }
    return err;
}

/* Gives the name of the tree, or of the one file. The files come first: a manifest never names what is not there. */
static enum err commit(struct put *p, bool tree, char id[ARTIFACT_ID_MAX])
{
    size_t n_files = p->n;
    struct pending *whole = NULL;
    enum err err = OK;
    if (tree) {
        char *text CLEANUP_FREE = manifest_text(&p->tree);
        err = take_bytes(p, text, strlen(text), &whole);
    }
    if (err == OK)
        err = sync_files(p, 0, p->n);
    (void)pthread_rwlock_rdlock(&p->a->commit);
    if (err == OK)
        err = name_files(p, 0, n_files);
    if (err == OK)
        err = name_files(p, n_files, p->n);
    (void)pthread_rwlock_unlock(&p->a->commit);
    if (err == OK)
        id_of(p->files[p->n - 1].hash, id);
    return err;
}

static int64_t tree_size(const struct manifest *m)
{
    int64_t size = 0;
    for (size_t i = 0; i < m->n; i++)
        size += m->entries[i].size;
    return size;
}

/* ---- walking ---- */

static bool is_utf8(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int more = *s < 0x80 ? 0 : *s >= 0xC2 && *s < 0xE0 ? 1 : *s >= 0xE0 && *s < 0xF0 ? 2 : *s >= 0xF0 && *s < 0xF5 ? 3 : -1;
        if (more < 0)
            return false;
        for (s++; more; more--, s++)
            if ((*s & 0xC0) != 0x80)
                return false;
    }
    return true;
}

static enum err take_entry(struct put *p, int at, const char *name, const char *path, int depth);

static enum err take_link(struct put *p, int at, const char *name, const char *path)
{
    char target[MAX_PATH_TEXT + 1];
    ssize_t n = readlinkat(at, name, target, sizeof target - 1);
    if (n < 0)
        return storage_error(p->error, "cannot read", path);
    target[n] = '\0';
    if (!link_inside(path, target) || !is_utf8(target))
        return err_set(p->error, ERR_INVALID, "ARTIFACT_LINK", "%.150s is a link that leads out of the folder (to %.150s); copy what it names", path, target);
    manifest_add(&p->tree, (struct entry){.path = x_strdup(path), .kind = ENTRY_LINK, .target = x_strdup(target)});
    return OK;
}

static enum err take_file(struct put *p, int at, const char *name, const char *path, bool in_tree)
{
    struct pending *f = NULL;
    struct stat st;
    int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return storage_error(p->error, "cannot read", path);
    enum err err = fstat(fd, &st) ? storage_error(p->error, "cannot read", path) : OK;
    if (err == OK && !S_ISREG(st.st_mode))
        err = err_set(p->error, ERR_INVALID, NULL, "%.200s is neither a file nor a folder", path);
    if (err == OK)
        err = take_fd(p, fd, st.st_size, path, &f);
    (void)close(fd);
    if (err != OK || !in_tree || !f)
        return err;
    struct entry e = {.path = x_strdup(path), .size = f->size, .executable = (st.st_mode & 0111) != 0};
    memcpy(e.hash, f->hash, sizeof e.hash);
    manifest_add(&p->tree, e);
    return OK;
}

static enum err take_folder(struct put *p, int at, const char *name, const char *path, int depth)
{
    size_t before = p->tree.n;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    enum err err = d ? OK : storage_error(p->error, "cannot read", *path ? path : name);
    if (err == OK && depth > MAX_DEPTH)
        err = err_set(p->error, ERR_TOO_LARGE, NULL, "%.200s is nested more than %d deep", path, MAX_DEPTH);
    for (struct dirent *e; d && err == OK && (e = readdir(d));) {
        char *inner CLEANUP_FREE = x_asprintf("%s%s%s", path, *path ? "/" : "", e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            err = take_entry(p, fd, e->d_name, inner, depth + 1);
    }
    if (d)
        (void)closedir(d);
    else if (fd >= 0)
        (void)close(fd);
    if (err == OK && p->tree.n == before && *path)
        manifest_add(&p->tree, (struct entry){.path = x_strdup(path), .kind = ENTRY_DIR});
    return err;
}

static enum err take_entry(struct put *p, int at, const char *name, const char *path, int depth)
{
    struct stat st;
    if (p->tree.n >= ARTIFACT_MAX_FILES)
        return err_set(p->error, ERR_TOO_LARGE, "ARTIFACT_TOO_MANY_FILES", "has more than %d files; put them into one, such as a tar or zip", ARTIFACT_MAX_FILES);
    if (strlen(path) > MAX_PATH_TEXT || !is_utf8(path))
        return err_set(p->error, ERR_INVALID, NULL, "the name of a file is %s", is_utf8(path) ? "too long" : "no UTF-8");
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
        return storage_error(p->error, "cannot read", path);
    if (S_ISLNK(st.st_mode))
        return take_link(p, at, name, path);
    return S_ISDIR(st.st_mode) ? take_folder(p, at, name, path, depth) : take_file(p, at, name, path, true);
}

/* ---- calls ---- */

static enum err put_path(struct put *p, const char *path, char id[ARTIFACT_ID_MAX], int64_t *size)
{
    struct stat st;
    enum err err;
    bool tree = false;
    if (lstat(path, &st)) {
        err = errno == ENOENT ? err_set(p->error, ERR_NOT_FOUND, NULL, "%.300s does not exist", path) : storage_error(p->error, "cannot read", path);
    } else if (S_ISLNK(st.st_mode)) {
        err = err_set(p->error, ERR_INVALID, "ARTIFACT_LINK", "%.300s is a link; copy what it names", path);
    } else if (S_ISDIR(st.st_mode)) {
        tree = true;
        err = take_folder(p, AT_FDCWD, path, "", 0);
    } else {
        err = take_file(p, AT_FDCWD, path, path, false);
    }
    if (err == OK)
        err = commit(p, tree, id);
    if (err == OK && size)
        *size = tree ? tree_size(&p->tree) : p->files[0].size;
    put_release(p);
    return err;
}

enum err artifacts_put(struct artifacts *a, const char *path, char id[ARTIFACT_ID_MAX], int64_t *size, struct error *error)
{
    struct put p = {.a = a, .error = error}, again = {.a = a, .error = error, .copy_all = true};
    enum err err = put_path(&p, path, id, size);
    return p.gone ? put_path(&again, path, id, size) : err;
}

static enum err put_bytes(struct put *p, const char *data, size_t len, char id[ARTIFACT_ID_MAX])
{
    struct pending *f = NULL;
    enum err err = no_manifest(p, data, len, "this text");
    if (err == OK)
        err = take_bytes(p, data, len, &f);
    if (err == OK)
        err = commit(p, false, id);
    put_release(p);
    return err;
}

enum err artifacts_put_bytes(struct artifacts *a, const char *data, size_t len, char id[ARTIFACT_ID_MAX], struct error *error)
{
    struct put p = {.a = a, .error = error}, again = {.a = a, .error = error, .copy_all = true};
    enum err err = put_bytes(&p, data, len, id);
    return p.gone ? put_bytes(&again, data, len, id) : err;
}

/* "lib/" is "lib"; "." and "" are the root; malloced, NULL when it leads out. */
static char *clean_name(const char *name)
{
    while (!strncmp(name, "./", 2))
        name += 2;
    char *out = x_strdup(strcmp(name, ".") ? name : "");
    for (size_t len = strlen(out); len && out[len - 1] == '/'; len--)
        out[len - 1] = '\0';
    if (!*out || path_clean(out))
        return out;
    free(out);
    return NULL;
}

/* Opens the folder in which `path` is, following no links. */
static int open_parent(int root, const char *path, const char **last)
{
    char *copy CLEANUP_FREE = x_strdup(path);
    int at = dup(root);
    char *part = copy;
    for (char *slash; at >= 0 && (slash = strchr(part, '/')); part = slash + 1) {
        *slash = '\0';
        int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        (void)close(at);
        at = next;
    }
    *last = path + (part - copy);
    return at;
}

static enum err take_named(struct put *p, int root, const char *name, struct buf *missing)
{
    char *path CLEANUP_FREE = clean_name(name);
    const char *last;
    struct stat st;
    if (!path)
        return err_set(p->error, ERR_INVALID, NULL, "\"%.200s\" must be a path below the folder of the pipeline file", name);
    if (!*path)
        return take_folder(p, root, ".", "", 0);
    int at = open_parent(root, path, &last);
    enum err err = OK;
    if (at < 0 || fstatat(at, last, &st, AT_SYMLINK_NOFOLLOW))
        buf_addf(missing, "%s%.200s", missing->len ? ", " : "", name);
    else
        err = take_entry(p, at, last, path, 0);
    if (at >= 0)
        (void)close(at);
    return err;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* "lib" and "lib/a.py" name a file twice. */
static void drop_twins(struct manifest *m)
{
    size_t n = 0;
    if (m->n)
        qsort(m->entries, m->n, sizeof *m->entries, by_path);
    for (size_t i = 0; i < m->n; i++) {
        if (n && !strcmp(m->entries[n - 1].path, m->entries[i].path)) {
            free(m->entries[i].path);
            free(m->entries[i].target);
        } else {
            m->entries[n++] = m->entries[i];
        }
    }
    m->n = n;
}

static enum err put_some(struct put *p, const char *root, const char *const *names, size_t n, char id[ARTIFACT_ID_MAX], int64_t *size)
{
    struct buf missing = {.limit = 300};
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = fd < 0 ? storage_error(p->error, "cannot read", root) : OK;
    for (size_t i = 0; err == OK && i < n; i++)
        err = take_named(p, fd, names[i], &missing);
    if (err == OK && missing.len)
        err = err_set(p->error, ERR_INVALID, "CODE_MISSING", "in %.120s there is no %s", root, missing.data);
    drop_twins(&p->tree);
    if (err == OK)
        err = commit(p, true, id);
    if (err == OK && size)
        *size = tree_size(&p->tree);
    if (fd >= 0)
        (void)close(fd);
    buf_release(&missing);
    put_release(p);
    return err;
}

enum err artifacts_put_some(struct artifacts *a, const char *root, const char *const *names, size_t n, char id[ARTIFACT_ID_MAX], int64_t *size,
                            struct error *error)
{
    struct put p = {.a = a, .error = error}, again = {.a = a, .error = error, .copy_all = true};
    enum err err = put_some(&p, root, names, n, id, size);
    return p.gone ? put_some(&again, root, names, n, id, size) : err;
}
