/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "artifacts/artifacts.h"

#include "artifacts/artifacts_part.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_PREFIX "sha256:"

/* ---- names ---- */

const char *hash_of(const char *id)
{
    if (!id || strncmp(id, ID_PREFIX, strlen(ID_PREFIX)) != 0)
        return NULL;
    id += strlen(ID_PREFIX);
    return strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64 ? id : NULL;
}

void id_of(const char *hash, char id[ARTIFACT_ID_MAX])
{
    (void)snprintf(id, ARTIFACT_ID_MAX, ID_PREFIX "%s", hash);
}

char *artifact_path(const struct artifacts *a, const char *hash)
{
    return x_asprintf("%s/objects/%.2s/%s", a->dir, hash, hash);
}

char *temporary_path(struct artifacts *a)
{
    return x_asprintf("%s/tmp/%d-%llu", a->dir, (int)getpid(), atomic_fetch_add(&a->made, 1));
}

enum err storage_error(struct error *error, const char *what, const char *path)
{
    return err_set(error, ERR_STORAGE, NULL, "%s %.200s: %s", what, path, strerror(errno));
}

static enum err no_such_artifact(struct error *error, const char *id)
{
    return err_set(error, ERR_NOT_FOUND, "ARTIFACT_NOT_FOUND", "there is no artifact %.80s", id);
}

/* Out of the way, so that the same content can be taken in anew. */
enum err corrupt(struct artifacts *a, const char *hash, struct error *error, const char *why)
{
    char *from CLEANUP_FREE = artifact_path(a, hash), *to CLEANUP_FREE = x_asprintf("%s/corrupt/%s", a->dir, hash);
    (void)pthread_rwlock_wrlock(&a->commit);
    (void)rename(from, to);
    (void)pthread_rwlock_unlock(&a->commit);
    return err_set(error, ERR_STORAGE, "ARTIFACT_CORRUPT", "artifact sha256:%s is corrupt: %.100s; its bytes are kept at %.150s", hash, why, to);
}

/* ---- bytes ---- */

static enum err copy_bytes(int from, int to, struct sha256 *sum, int64_t *size, const char *path, struct error *error)
{
    char *part CLEANUP_FREE = x_malloc(COPY_PART);
    for (;;) {
        ssize_t n = read(from, part, COPY_PART);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return storage_error(error, "cannot read", path);
        if (n == 0)
            return OK;
        if (sum)
            sha256_add(sum, part, (size_t)n);
        for (ssize_t done = 0, m; to >= 0 && done < n; done += m)
            if ((m = write(to, part + done, (size_t)(n - done))) < 0)
                return storage_error(error, "cannot write a copy of", path);
        *size += n;
    }
}

/* A clone cannot change under us while it is hashed, and costs no space. */
enum err copy_file(int from, int to, char hash[SHA256_TEXT], int64_t *size, const char *path, struct error *error)
{
    struct sha256 sum;
    bool cloned = ioctl(to, FICLONE, from) == 0;
    enum err err = OK;
    *size = 0;
    sha256_begin(&sum);
    if (cloned && hash)
        err = copy_bytes(to, -1, &sum, size, path, error);
    else if (!cloned)
        err = copy_bytes(from, to, hash ? &sum : NULL, size, path, error);
    if (hash)
        sha256_end(&sum, hash);
    return err;
}

enum err hash_file(struct artifacts *a, const char *hash, char out[SHA256_TEXT], int64_t *size, struct error *error)
{
    char *path CLEANUP_FREE = artifact_path(a, hash);
    struct sha256 sum;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? no_such_artifact(error, hash) : storage_error(error, "cannot read", path);
    *size = 0;
    sha256_begin(&sum);
    enum err err = copy_bytes(fd, -1, &sum, size, path, error);
    sha256_end(&sum, out);
    (void)close(fd);
    return err;
}

/* ---- opening ---- */

static enum err make_dir(const char *dir, const char *name, struct error *error)
{
    char *path CLEANUP_FREE = x_asprintf("%s%s", dir, name);
    return mkdir(path, 0700) == 0 || errno == EEXIST ? OK : storage_error(error, "cannot make", path);
}

/* What a call left that was killed. */
static void clear_tmp(const char *dir)
{
    char *path CLEANUP_FREE = x_asprintf("%s/tmp", dir);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        (void)closedir(d);
}

enum err artifacts_open(const char *dir, struct artifacts **out, struct error *error)
{
    static const char *const names[] = {"", "/objects", "/tmp", "/corrupt"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (make_dir(dir, names[i], error) != OK)
            return error ? error->code : ERR_STORAGE;
    for (int i = 0; i < 256; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "/objects/%02x", i);
        if (make_dir(dir, name, error) != OK)
            return error ? error->code : ERR_STORAGE;
    }
    clear_tmp(dir);
    struct artifacts *a = X_NEW(struct artifacts);
    a->dir = x_strdup(dir);
    (void)pthread_rwlock_init(&a->commit, NULL);
    atomic_store(&a->bytes, -1);
    *out = a;
    return OK;
}

void artifacts_close(struct artifacts *a)
{
    if (!a)
        return;
    (void)pthread_rwlock_destroy(&a->commit);
    free(a->dir);
    free(a);
}

/* ---- looking ---- */

bool artifacts_has(struct artifacts *a, const char *id)
{
    const char *hash = hash_of(id);
    char *path CLEANUP_FREE = hash ? artifact_path(a, hash) : NULL;
    return path && access(path, F_OK) == 0;
}

static enum err read_object(struct artifacts *a, const char *hash, int64_t offset, size_t max, struct buf *out, int64_t *total, struct error *error)
{
    char *path CLEANUP_FREE = artifact_path(a, hash);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? no_such_artifact(error, hash) : storage_error(error, "cannot read", path);
    enum err err = fstat(fd, &st) ? storage_error(error, "cannot read", path) : OK;
    char *part CLEANUP_FREE = x_malloc(COPY_PART);
    while (err == OK && max > 0) {
        ssize_t n = pread(fd, part, max < COPY_PART ? max : COPY_PART, offset);
        if (n < 0)
            err = storage_error(error, "cannot read", path);
        if (n <= 0)
            break;
        buf_add(out, part, (size_t)n);
        offset += n;
        max -= (size_t)n;
    }
    (void)close(fd);
    if (err == OK && total)
        *total = st.st_size;
    return err;
}

enum err manifest_load(struct artifacts *a, const char *hash, struct manifest *out, bool *is_tree, struct error *error)
{
    struct buf b = BUF_INIT;
    char found[SHA256_TEXT];
    int64_t size = 0;
    *out = (struct manifest){0};
    enum err err = read_object(a, hash, 0, 64, &b, &size, error);
    *is_tree = err == OK && manifest_is(b.data, b.len);
    if (!*is_tree) {
        buf_release(&b);
        return err;
    }
    buf_clear(&b);
    err = size > MAX_MANIFEST ? OK : read_object(a, hash, 0, MAX_MANIFEST, &b, NULL, error);
    sha256_text(b.data, b.len, found);
    if (err == OK && strcmp(found, hash) != 0)
        err = corrupt(a, hash, error, "its manifest has other bytes than its name says");
    else if (err == OK && !manifest_parse(b.data, b.len, out))
        err = err_set(error, ERR_STORAGE, "ARTIFACT_CORRUPT", "artifact sha256:%s has no manifest that can be read", hash);
    buf_release(&b);
    return err;
}

static enum err verify_object(struct artifacts *a, const char *hash, struct error *error)
{
    char found[SHA256_TEXT];
    int64_t size;
    enum err err = hash_file(a, hash, found, &size, error);
    if (err == OK && strcmp(found, hash) != 0)
        err = corrupt(a, hash, error, "it has other bytes than its name says");
    return err;
}

static enum err in_tree(enum err err, const char *id, const char *path, struct error *error)
{
    if (error && err != OK) {
        char detail[sizeof error->detail];
        (void)snprintf(detail, sizeof detail, "%.100s, file %.100s: %.200s", id, path, error->detail);
        (void)snprintf(error->detail, sizeof error->detail, "%s", detail);
        (void)snprintf(error->name, sizeof error->name, "ARTIFACT_CORRUPT"); /* a file that is missing makes the tree so */
        error->code = ERR_STORAGE;
    }
    return err == OK ? OK : ERR_STORAGE;
}

enum err artifacts_verify(struct artifacts *a, const char *id, struct error *error)
{
    const char *hash = hash_of(id);
    struct manifest m;
    bool is_tree;
    if (!hash)
        return no_such_artifact(error, id);
    enum err err = manifest_load(a, hash, &m, &is_tree, error);
    if (err == OK && !is_tree)
        err = verify_object(a, hash, error);
    for (size_t i = 0; err == OK && i < m.n; i++)
        if (m.entries[i].kind == ENTRY_FILE)
            err = in_tree(verify_object(a, m.entries[i].hash, error), id, m.entries[i].path, error);
    manifest_release(&m);
    return err;
}

enum err artifacts_read(struct artifacts *a, const char *id, const char *member, int64_t offset, size_t max, struct buf *out, int64_t *total,
                        struct error *error)
{
    const char *hash = hash_of(id);
    struct manifest m;
    bool is_tree;
    if (!hash)
        return no_such_artifact(error, id);
    if (offset < 0)
        return err_set(error, ERR_USAGE, NULL, "the offset is %lld, must be 0 or more", (long long)offset);
    if (!member)
        return read_object(a, hash, offset, max, out, total, error);
    enum err err = manifest_load(a, hash, &m, &is_tree, error);
    const struct entry *e = err == OK ? manifest_find(&m, member) : NULL;
    if (err == OK && (!e || e->kind != ENTRY_FILE))
        err = err_set(error, ERR_NOT_FOUND, "ARTIFACT_NOT_FOUND", "artifact %s has no file \"%.200s\"", id, member);
    else if (err == OK)
        err = read_object(a, e->hash, offset, max, out, total, error);
    manifest_release(&m);
    return err;
}
