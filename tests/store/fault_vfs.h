/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file system for SQLite over the real one that counts calls, lets the nth fail, and can lose what was not synced, as a power cut does.
 *
 * It is registered as the default before store_open, so store/ knows nothing of it. One thread only. A sync is not passed on: nothing here loses
 * what the system keeps, only what this file chooses to. */
#ifndef HONE_TESTS_STORE_FAULT_VFS_H
#define HONE_TESTS_STORE_FAULT_VFS_H

#include "tests/store/fixture.h"

#include <fcntl.h>

struct fault_write {
    struct fault_write *next; /* the one before it */
    char *path;
    sqlite3_int64 offset, old_size;
    unsigned char *old, *new;
    int n_old, n; /* n < 0: the file was cut to `offset` */
};

static struct fault {
    int64_t calls;                                       /* that may fail: open, read, write, cut, sync, shared memory */
    int64_t fail_at;                                     /* 0 = none */
    int rc;                                              /* of the failing one; SQLITE_FULL only on what takes room */
    bool stays;                                          /* all after it fail too */
    bool remember;                                       /* keep what is not synced */
    int64_t syncs, reads, failed, first_copy, last_copy; /* calls that wrote the database itself */
    struct fault_write *unsynced;
} fault;

struct fault_file {
    sqlite3_file base;
    char *path;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *fault_below;

static sqlite3_file *fault_real(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static int fault_call(bool takes_room)
{
    fault.calls++;
    if (!fault.fail_at || fault.calls < fault.fail_at || (fault.calls > fault.fail_at && !fault.stays))
        return SQLITE_OK;
    if (fault.rc == SQLITE_FULL && !takes_room)
        return SQLITE_OK;
    fault.failed++;
    return fault.rc;
}

static void fault_free(struct fault_write *w)
{
    free(w->path);
    free(w->old);
    free(w->new);
    free(w);
}

static void fault_synced(const char *path)
{
    for (struct fault_write **at = &fault.unsynced, *w; (w = *at);) {
        if (path && strcmp(w->path, path) != 0) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        fault_free(w);
    }
}

static void fault_remember(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 offset)
{
    struct fault_file *f = (struct fault_file *)file;
    if (!fault.remember || !f->path)
        return;
    struct fault_write *w = X_NEW(struct fault_write);
    w->path = x_strdup(f->path);
    w->offset = offset;
    w->n = bytes ? n : -1;
    (void)f->real->pMethods->xFileSize(f->real, &w->old_size);
    int reach = bytes ? n : (int)(w->old_size > offset ? w->old_size - offset : 0);
    w->old = x_malloc((size_t)reach);
    w->n_old = w->old_size <= offset ? 0 : w->old_size - offset < reach ? (int)(w->old_size - offset)
                                                                        : reach;
    if (w->n_old)
        (void)f->real->pMethods->xRead(f->real, w->old, w->n_old, offset);
    if (bytes) {
        w->new = x_malloc((size_t)n);
        memcpy(w->new, bytes, (size_t)n);
    }
    w->next = fault.unsynced;
    fault.unsynced = w;
}

static void fault_apply(const struct fault_write *w, bool undo)
{
    int fd = open(w->path, O_RDWR);
    if (fd < 0) /* it was removed since */
        return;
    if (!undo && w->n < 0)
        assert_int_equal(ftruncate(fd, w->offset), 0);
    else
        assert_true(pwrite(fd, undo ? w->old : w->new, (size_t)(undo ? w->n_old : w->n), w->offset) == (undo ? w->n_old : w->n));
    if (undo)
        assert_int_equal(ftruncate(fd, w->old_size), 0);
    (void)close(fd);
}

/* After all connections are closed: of what was not synced every `keep`th call has reached the disk (0 = none). */
static inline void fault_lose(int keep)
{
    struct fault_write *forward = NULL, *next;
    for (struct fault_write *w = fault.unsynced; w; w = next) {
        next = w->next;
        fault_apply(w, true);
        w->next = forward;
        forward = w;
    }
    fault.unsynced = NULL;
    int i = 0;
    for (struct fault_write *w = forward; w; w = next) {
        next = w->next;
        if (keep && i++ % keep == 0)
            fault_apply(w, false);
        fault_free(w);
    }
}

static int fault_close(sqlite3_file *file)
{
    int rc = fault_real(file)->pMethods->xClose(fault_real(file));
    free(((struct fault_file *)file)->path);
    return rc;
}

static int fault_read(sqlite3_file *file, void *to, int n, sqlite3_int64 offset)
{
    fault.reads++;
    int rc = fault_call(false);
    return rc ? rc | (1 << 8) : fault_real(file)->pMethods->xRead(fault_real(file), to, n, offset); /* SQLITE_IOERR_READ */
}

static int fault_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
    const char *path = ((struct fault_file *)file)->path;
    int rc = fault_call(true);
    if (rc)
        return rc;
    if (path && strlen(path) > 3 && !strcmp(path + strlen(path) - 3, ".db")) {
        fault.first_copy = fault.first_copy ? fault.first_copy : fault.calls;
        fault.last_copy = fault.calls;
    }
    fault_remember(file, from, n, offset);
    return fault_real(file)->pMethods->xWrite(fault_real(file), from, n, offset);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = fault_call(false);
    if (rc)
        return rc;
    fault_remember(file, NULL, 0, size);
    return fault_real(file)->pMethods->xTruncate(fault_real(file), size);
}

static int fault_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    fault.syncs++;
    int rc = fault_call(true);
    if (rc)
        return rc == SQLITE_FULL ? rc : SQLITE_IOERR_FSYNC;
    if (((struct fault_file *)file)->path)
        fault_synced(((struct fault_file *)file)->path);
    return SQLITE_OK;
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return fault_real(file)->pMethods->xFileSize(fault_real(file), size);
}

static int fault_lock(sqlite3_file *file, int level)
{
    return fault_real(file)->pMethods->xLock(fault_real(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
    return fault_real(file)->pMethods->xUnlock(fault_real(file), level);
}

static int fault_reserved(sqlite3_file *file, int *out)
{
    return fault_real(file)->pMethods->xCheckReservedLock(fault_real(file), out);
}

static int fault_control(sqlite3_file *file, int op, void *arg)
{
    return fault_real(file)->pMethods->xFileControl(fault_real(file), op, arg);
}

static int fault_sector(sqlite3_file *file)
{
    return fault_real(file)->pMethods->xSectorSize(fault_real(file));
}

static int fault_traits(sqlite3_file *file)
{
    return fault_real(file)->pMethods->xDeviceCharacteristics(fault_real(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    int rc = fault_call(extend);
    return rc ? rc : fault_real(file)->pMethods->xShmMap(fault_real(file), page, size, extend, out);
}

static int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return fault_real(file)->pMethods->xShmLock(fault_real(file), offset, n, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
    fault_real(file)->pMethods->xShmBarrier(fault_real(file));
}

static int fault_shm_unmap(sqlite3_file *file, int remove)
{
    return fault_real(file)->pMethods->xShmUnmap(fault_real(file), remove);
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_traits,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct fault_file *f = (struct fault_file *)file;
    *f = (struct fault_file){.real = (sqlite3_file *)(f + 1)};
    if (fault_call(false))
        return SQLITE_CANTOPEN;
    int rc = fault_below->xOpen(fault_below, name, f->real, flags, out);
    if (f->real->pMethods) {
        f->base.pMethods = &fault_methods;
        f->path = name ? x_strdup(name) : NULL;
    }
    return rc;
}

static inline void fault_install(void)
{
    static sqlite3_vfs vfs;
    fault_below = sqlite3_vfs_find(NULL);
    vfs = *fault_below;
    vfs.zName = "fault";
    vfs.szOsFile = (int)sizeof(struct fault_file) + fault_below->szOsFile;
    vfs.xOpen = fault_open;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

static inline void fault_clear(void)
{
    fault_synced(NULL);
    fault = (struct fault){0};
}

#endif
