/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Laying out. It is built beside `path` and renamed: what is killed never leaves half of it there. */
#include "artifacts/artifacts.h"
#include "artifacts/artifacts_part.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lay {
    struct artifacts *a;
    bool writable;
    struct error *error;
};

static enum err copy_object(struct lay *l, const char *object, const char *to, bool executable)
{
    mode_t mode = (l->writable ? 0644 : 0444) | (executable ? 0111 : 0);
    int64_t size;
    int from = open(object, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), fd = from < 0 ? -1 : open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum err err = fd < 0 ? storage_error(l->error, "cannot make", from < 0 ? object : to) : copy_file(from, fd, NULL, &size, object, l->error);
    if (err == OK && fchmod(fd, mode))
        err = storage_error(l->error, "cannot write", to);
    if (from >= 0)
        (void)close(from);
    if (fd >= 0)
        (void)close(fd);
    return err;
}

/* `size` -1: not known. A hard link shares its mode with the object, which is not executable. */
static enum err lay_object(struct lay *l, const char *hash, int64_t size, bool executable, const char *to)
{
    char *object CLEANUP_FREE = artifact_path(l->a, hash);
    struct stat st;
    if (stat(object, &st))
        return errno == ENOENT ? err_set(l->error, ERR_NOT_FOUND, "ARTIFACT_NOT_FOUND", "there is no artifact sha256:%s", hash)
                               : storage_error(l->error, "cannot read", object);
    if (size >= 0 && st.st_size != size)
        return corrupt(l->a, hash, l->error, "it has another size than the manifest says");
    if (!l->writable && !executable && link(object, to) == 0)
        return OK;
    return copy_object(l, object, to, executable);
}

static enum err make_folders(struct lay *l, const char *root, const char *path, bool all)
{
    char *full CLEANUP_FREE = x_asprintf("%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(full, 0755) && errno != EEXIST)
            return storage_error(l->error, "cannot make", full);
        *slash = '/';
    }
    return all && mkdir(full, 0755) && errno != EEXIST ? storage_error(l->error, "cannot make", full) : OK;
}

static enum err lay_entry(struct lay *l, const char *root, const struct entry *e)
{
    char *to CLEANUP_FREE = x_asprintf("%s/%s", root, e->path);
    enum err err = make_folders(l, root, e->path, e->kind == ENTRY_DIR);
    if (err != OK || e->kind == ENTRY_DIR)
        return err;
    if (e->kind == ENTRY_LINK)
        return symlink(e->target, to) ? storage_error(l->error, "cannot make", to) : OK;
    err = lay_object(l, e->hash, e->size, e->executable, to);
    if (err != ERR_NOT_FOUND)
        return err;
    return err_set(l->error, ERR_STORAGE, "ARTIFACT_CORRUPT", "the file %.200s of the tree is missing (sha256:%s)", e->path, e->hash);
}

static enum err lay_tree(struct lay *l, const struct manifest *m, const char *root)
{
    enum err err = mkdir(root, 0755) ? storage_error(l->error, "cannot make", root) : OK;
    for (size_t i = 0; err == OK && i < m->n; i++)
        err = lay_entry(l, root, &m->entries[i]);
    return err;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path);
    return 0;
}

enum err artifacts_lay(struct artifacts *a, const char *id, const char *path, bool writable, struct error *error)
{
    const char *hash = hash_of(id);
    struct lay l = {a, writable, error};
    struct manifest m;
    bool is_tree;
    if (!hash)
        return err_set(error, ERR_NOT_FOUND, "ARTIFACT_NOT_FOUND", "there is no artifact %.80s", id);
    char *beside CLEANUP_FREE = x_asprintf("%s.laying-%llu", path, atomic_fetch_add(&a->made, 1));
    (void)nftw(beside, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* of a call that was killed */
    enum err err = manifest_load(a, hash, &m, &is_tree, error);
    if (err == OK)
        err = is_tree ? lay_tree(&l, &m, beside) : lay_object(&l, hash, -1, false, beside);
    if (err == OK && renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_NOREPLACE))
        err = storage_error(error, "cannot make", path);
    if (err != OK)
        (void)nftw(beside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    manifest_release(&m);
    return err;
}
