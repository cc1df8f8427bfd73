/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections: opened, configured and migrated, transactions, statements, what SQLite's errors mean. */
#include "store/db.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x686f6e65 /* "hone" */
#define BUSY_MS 2000              /* how long another program may hold the database before a call fails */
#define READERS_KEPT 8
#define WRITER_CACHE "-2048" /* KiB, negative by SQLite's convention */
#define READER_CACHE "-512"

/* The log is copied to the database every CHECKPOINT_FRAMES pages, without waiting for anyone. A reader that stays holds its reuse back; once
 * it is WAL_MAX_FRAMES long the writer waits RESTART_MS for readers to leave, so that it cannot grow for ever under a steady load. */
#define CHECKPOINT_FRAMES 1000
#define WAL_MAX_FRAMES 16000
#define RESTART_MS 50
#define WAL_KEPT_BYTES "16777216"

struct store {
    char *dir, *path;
    int lock_fd;
    struct db *writer;
    pthread_mutex_t mutex; /* over the free list */
    struct db *idle;
    int n_idle;
};

static const char *const sql_texts[] = {
#define SQL(name, text) [SQL_##name] = (text),
#include "store/sql.def"
#undef SQL
};

const char *sql_text(enum sql id)
{
    return sql_texts[id];
}

/* --- errors */

static const struct {
    int rc;
    enum err code;
    const char *name, *text;
} meanings[] = {
    {SQLITE_FULL, ERR_STORAGE, "DISK_FULL",
     "the disk is full: make room where the data directory is; what was not answered was not kept"},
    {SQLITE_IOERR, ERR_STORAGE, "DISK_ERROR", "the disk does not read or write: look at the system's log"},
    {SQLITE_READONLY, ERR_STORAGE, "DATABASE_READ_ONLY",
     "the database cannot be written: look at the rights of the data directory, its files and its disk"},
    {SQLITE_CANTOPEN, ERR_STORAGE, "DATABASE_CANNOT_OPEN",
     "a file of the database cannot be opened: look at the rights of the data directory and the limit of open files"},
    {SQLITE_BUSY, ERR_STORAGE, "DATABASE_LOCKED", "another program holds the database: end it, then ask again"},
    {SQLITE_LOCKED, ERR_STORAGE, "DATABASE_LOCKED", "another program holds the database: end it, then ask again"},
    {SQLITE_PROTOCOL, ERR_STORAGE, "DATABASE_LOCKED", "another program holds the database: end it, then ask again"},
    {SQLITE_CORRUPT, ERR_STORAGE, "DATABASE_CORRUPT",
     "the database is damaged: put a backup in its place, or rescue it with the sqlite3 tool's .recover"},
    {SQLITE_NOTADB, ERR_STORAGE, "DATABASE_CORRUPT",
     "the file is not a database: put a backup in its place, or move it away to begin anew"},
    {SQLITE_CONSTRAINT_UNIQUE, ERR_CONFLICT, "ALREADY_EXISTS", "it exists already"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, ERR_CONFLICT, "ALREADY_EXISTS", "it exists already"},
    {SQLITE_CONSTRAINT_ROWID, ERR_CONFLICT, "ALREADY_EXISTS", "it exists already"},
};

static enum err meaning(int rc, const char *path, const char *message, int system, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (meanings[i].rc == rc || meanings[i].rc == (rc & 0xff)) {
            bool ours = meanings[i].code == ERR_STORAGE && system;
            return err_set(error, meanings[i].code, meanings[i].name, "%s: %s (%s%s%s)", path, meanings[i].text, message, ours ? ", " : "",
                           ours ? strerror(system) : "");
        }
    return err_set(error, ERR_INTERNAL, "DATABASE", "%s: %s (SQLite error %d); please report it", path, message, rc);
}

enum err db_error(struct db *db, struct error *error)
{
    const char *path = sqlite3_db_filename(db->handle, "main");
    return meaning(sqlite3_extended_errcode(db->handle), path ? path : "the database", sqlite3_errmsg(db->handle), sqlite3_system_errno(db->handle),
                   error);
}

/* --- statements */

static enum err prepared(struct db *db, enum sql id, sqlite3_stmt **out, struct error *error)
{
    sqlite3_stmt **kept = &db->statements[id];
    *out = NULL;
    if (!*kept && sqlite3_prepare_v3(db->handle, sql_texts[id], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL))
        return db_error(db, error);
    if (sqlite3_stmt_busy(*kept))
        return err_set(error, ERR_INTERNAL, "DATABASE", "a row callback called the function that called it; please report it: %s", sql_texts[id]);
    *out = *kept;
    return OK;
}

static enum err use(struct db *db, enum sql id, sqlite3_stmt **out, struct error *error, const char *types, va_list ap)
{
    enum err err = prepared(db, id, out, error);
    int rc = SQLITE_OK;
    for (int i = 1; !err && !rc && types[i - 1]; i++) {
        int64_t number;
        const void *bytes;
        switch (types[i - 1]) {
        case 'i':
            rc = sqlite3_bind_int64(*out, i, va_arg(ap, int64_t));
            break;
        case 'm':
            number = va_arg(ap, int64_t);
            rc = number ? sqlite3_bind_int64(*out, i, number) : sqlite3_bind_null(*out, i);
            break;
        case 'r':
            rc = sqlite3_bind_double(*out, i, va_arg(ap, double)); /* binds NaN as NULL */
            break;
        case 't':
            rc = sqlite3_bind_text(*out, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'b':
            bytes = va_arg(ap, const void *);
            rc = sqlite3_bind_blob64(*out, i, bytes, va_arg(ap, size_t), SQLITE_STATIC);
            break;
        default:
            return err_set(error, ERR_INTERNAL, "DATABASE", "no such parameter type: %c", types[i - 1]);
        }
    }
    return rc ? db_error(db, error) : err;
}

enum err db_use(struct db *db, enum sql id, sqlite3_stmt **out, struct error *error, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    enum err err = use(db, id, out, error, types, ap);
    va_end(ap);
    return err;
}

enum err db_run(struct db *db, enum sql id, int *changed, struct error *error, const char *types, ...)
{
    sqlite3_stmt *st;
    va_list ap;
    va_start(ap, types);
    enum err err = use(db, id, &st, error, types, ap);
    va_end(ap);
    if (err)
        return err;
    if (sqlite3_step(st) != SQLITE_DONE)
        err = db_error(db, error);
    else if (changed)
        *changed = sqlite3_changes(db->handle);
    (void)sqlite3_reset(st); /* says again what the step said */
    return err;
}

enum err db_each(struct db *db, sqlite3_stmt *statement, db_row_fn *row, void *arg, struct error *error)
{
    enum err err = OK;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        if (!row(arg, statement))
            break;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = db_error(db, error);
    (void)sqlite3_reset(statement);
    return err;
}

enum err db_prepare_all(struct db *db, struct error *error)
{
    sqlite3_stmt *unused;
    enum err err = OK;
    for (enum sql id = 0; id < SQL_COUNT && !err; id++)
        err = prepared(db, id, &unused, error);
    return err;
}

const char *column_text(sqlite3_stmt *row, int i)
{
    const char *text = (const char *)sqlite3_column_text(row, i);
    return text ? text : "";
}

double column_real(sqlite3_stmt *row, int i)
{
    return sqlite3_column_type(row, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(row, i);
}

/* --- transactions */

static void checkpoint(struct db *db)
{
    if (db->wal_frames < db->checkpointed)
        db->checkpointed = 0; /* the log has begun anew */
    if (db->wal_frames - db->checkpointed < CHECKPOINT_FRAMES)
        return;
    bool long_one = db->wal_frames >= WAL_MAX_FRAMES;
    if (long_one)
        (void)sqlite3_busy_timeout(db->handle, RESTART_MS);
    /* what fails here is tried again later: the commit before it stands */
    (void)sqlite3_wal_checkpoint_v2(db->handle, NULL, long_one ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (long_one)
        (void)sqlite3_busy_timeout(db->handle, BUSY_MS);
    db->checkpointed = db->wal_frames;
}

static int count_frames(void *arg, sqlite3 *handle, const char *name, int frames)
{
    (void)handle, (void)name;
    ((struct db *)arg)->wal_frames = frames;
    return SQLITE_OK;
}

enum err db_begin(struct db *db, struct error *error)
{
    return db_run(db, SQL_BEGIN, NULL, error, "");
}

enum err db_commit(struct db *db, struct error *error)
{
    enum err err = db_run(db, SQL_COMMIT, NULL, error, "");
    if (!err)
        checkpoint(db);
    return err;
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->handle)) /* a full disk may have ended it already */
        (void)db_run(db, SQL_ROLLBACK, NULL, NULL, "");
}

enum err db_begin_read(struct db *db, struct error *error)
{
    return db_run(db, SQL_BEGIN_READ, NULL, error, "");
}

void db_end_read(struct db *db)
{
    db_rollback(db);
}

/* --- opening */

static void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < SQL_COUNT; i++)
        (void)sqlite3_finalize(db->statements[i]);
    (void)sqlite3_close(db->handle);
    free(db);
}

static enum err execute(struct db *db, const char *sql, struct error *error)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) ? db_error(db, error) : OK;
}

static enum err db_open(const char *path, int flags, const char *pragmas, struct db **out, struct error *error)
{
    struct db *db = X_NEW(struct db);
    int rc = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    enum err err = OK;
    if (rc)
        err = meaning(rc, path, sqlite3_errstr(rc), db->handle ? sqlite3_system_errno(db->handle) : 0, error);
    else if (!sqlite3_busy_timeout(db->handle, BUSY_MS))
        err = execute(db, pragmas, error);
    if (err) {
        db_close(db);
        return err;
    }
    *out = db;
    return OK;
}

static enum err pragma_number(struct db *db, const char *sql, int64_t *out, struct error *error)
{
    sqlite3_stmt *st;
    enum err err = OK;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL))
        return db_error(db, error);
    if (sqlite3_step(st) == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        err = db_error(db, error);
    (void)sqlite3_finalize(st);
    return err;
}

extern const char schema_0001[], schema_0002[];
static const char *const migrations[] = {schema_0001, schema_0002};

static enum err check_version(struct db *db, const char *path, int64_t *version, struct error *error)
{
    int64_t application = 0, n_tables = 0;
    enum err err = pragma_number(db, "PRAGMA user_version", version, error);
    if (!err)
        err = pragma_number(db, "PRAGMA application_id", &application, error);
    if (!err)
        err = pragma_number(db, "SELECT count(*) FROM sqlite_schema", &n_tables, error);
    if (err)
        return err;
    if (n_tables && application != APPLICATION_ID)
        return err_set(error, ERR_STORAGE, "DATABASE_CORRUPT",
                       "%s is a database of another program: move it away, or name another data directory", path);
    if (*version > (int64_t)ARRAY_LEN(migrations))
        return err_set(error, ERR_UNSUPPORTED, "DATABASE_NEWER",
                       "%s was written by a newer version of hone (its schema is %lld, this one knows %d): install that version, or put a "
                       "backup in its place",
                       path, (long long)*version, (int)ARRAY_LEN(migrations));
    if (sqlite3_db_readonly(db->handle, "main"))
        return err_set(error, ERR_STORAGE, "DATA_DIR_READ_ONLY",
                       "%s cannot be written by this user: change its rights or owner, or name another data directory", path);
    return OK;
}

static enum err migrate(struct db *db, int64_t version, struct error *error)
{
    enum err err = OK;
    for (size_t i = (size_t)version; i < ARRAY_LEN(migrations) && !err; i++) {
        char mark[100];
        (void)snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, (int)i + 1);
        err = db_begin(db, error);
        if (!err)
            err = execute(db, migrations[i], error);
        if (!err)
            err = execute(db, mark, error);
        if (!err)
            err = db_commit(db, error);
        if (err)
            db_rollback(db);
    }
    return err;
}

static enum err open_writer(struct store *s, struct error *error)
{
    int64_t version;
    /* nothing is written before it is known whose database it is */
    enum err err = db_open(s->path, SQLITE_OPEN_READWRITE, "PRAGMA cache_size = " WRITER_CACHE "; PRAGMA secure_delete = OFF", &s->writer, error);
    if (!err)
        err = check_version(s->writer, s->path, &version, error);
    if (!err)
        err = execute(s->writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
                                 "PRAGMA journal_size_limit = " WAL_KEPT_BYTES,
                      error);
    if (err)
        return err;
    (void)sqlite3_wal_hook(s->writer->handle, count_frames, s->writer); /* takes the place of the checkpoint inside a commit */
    return migrate(s->writer, version, error);
}

/* --- the directory */

static enum err refuse_dir(const char *path, struct error *error)
{
    int e = errno;
    if (e == EACCES || e == EPERM || e == EROFS)
        return err_set(error, ERR_STORAGE, "DATA_DIR_READ_ONLY",
                       "%s cannot be written by this user (%s): change its rights or owner, or name another data directory", path, strerror(e));
    if (e == ENOSPC || e == EDQUOT)
        return err_set(error, ERR_STORAGE, "DISK_FULL", "%s: the disk is full: make room where the data directory is", path);
    return err_set(error, ERR_STORAGE, "DATA_DIR_UNUSABLE", "%s cannot be used (%s): name another data directory", path, strerror(e));
}

static enum err make_dirs(const char *dir, struct error *error)
{
    char *path CLEANUP_FREE = x_strdup(dir);
    for (char *p = path + 1;; p++) {
        char c = *p;
        if (c && c != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) && errno != EEXIST)
            return refuse_dir(path, error);
        if (!c)
            return OK;
        *p = c;
    }
}

#define LOCK_TRIES 500 /* of 10 ms */

static enum err refuse_second(const struct store *s, const char *path, int fd, struct error *error)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    return err_set(error, ERR_CONFLICT, "DATA_DIR_IN_USE",
                   "the data directory %s is in use by process %s (%s): stop it, or name another data directory", s->dir, *pid ? pid : "(not known)", path);
}

static bool holder_lives(int fd)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    long holder = n > 0 ? strtol(pid, NULL, 10) : 0;
    return holder <= 0 || kill((pid_t)holder, 0) == 0 || errno != ESRCH;
}

/* A process that a killed service was about to start has a copy of the lock until it executes its own program: that is soon over. */
static bool lock_now(int fd)
{
    for (int tries = 0;; tries++) {
        if (!flock(fd, LOCK_EX | LOCK_NB))
            return true;
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return false;
        if (holder_lives(fd)) {
            errno = EWOULDBLOCK;
            return false;
        }
        struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
    }
}

/* The lock is the kernel's and ends with the process, however it ends; the file only says whose it is. */
static enum err take_lock(struct store *s, struct error *error)
{
    char *path CLEANUP_FREE = x_asprintf("%s/lock", s->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return refuse_dir(path, error);
    s->lock_fd = fd;
    if (!lock_now(fd))
        return errno == EWOULDBLOCK ? refuse_second(s, path, fd, error) : refuse_dir(path, error);
    if (ftruncate(fd, 0) || dprintf(fd, "%ld\n", (long)getpid()) < 0)
        return refuse_dir(path, error);
    return OK;
}

/* Made here for its rights: the database holds secrets, and SQLite would let all read it. Its other files get the same rights. */
static enum err make_file(const struct store *s, struct error *error)
{
    int fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? OK : refuse_dir(s->path, error);
    (void)close(fd);
    return OK;
}

static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* counting memory takes a lock at each allocation */
}

enum err store_open(const char *dir, struct store **out, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure);
    struct store *s = X_NEW(struct store);
    s->dir = x_strdup(dir);
    s->path = x_asprintf("%s/hone.db", dir);
    s->lock_fd = -1;
    (void)pthread_mutex_init(&s->mutex, NULL);
    enum err err = make_dirs(dir, error);
    if (!err)
        err = take_lock(s, error);
    if (!err)
        err = make_file(s, error);
    if (!err)
        err = open_writer(s, error);
    if (err) {
        store_close(s);
        return err;
    }
    *out = s;
    return OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    while (s->idle) {
        struct db *reader = s->idle;
        s->idle = reader->next;
        db_close(reader);
    }
    db_close(s->writer); /* the last one to close copies the log to the database */
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s->path);
    free(s->dir);
    free(s);
}

struct db *store_writer(struct store *s)
{
    return s->writer;
}

struct db *store_reader(struct store *s)
{
    (void)pthread_mutex_lock(&s->mutex);
    struct db *reader = s->idle;
    if (reader) {
        s->idle = reader->next;
        s->n_idle--;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    if (!reader)
        (void)db_open(s->path, SQLITE_OPEN_READONLY, "PRAGMA cache_size = " READER_CACHE, &reader, NULL);
    return reader;
}

void store_reader_done(struct store *s, struct db *reader)
{
    db_end_read(reader);
    (void)pthread_mutex_lock(&s->mutex);
    bool keep = s->n_idle < READERS_KEPT;
    if (keep) {
        reader->next = s->idle;
        s->idle = reader;
        s->n_idle++;
    }
    (void)pthread_mutex_unlock(&s->mutex);
    if (!keep)
        db_close(reader);
}

/* --- checking */

struct finding {
    struct error *error;
    enum err err;
};

static bool found(void *arg, sqlite3_stmt *row)
{
    struct finding *f = arg;
    f->err = err_set(f->error, ERR_STORAGE, "DATABASE_INCONSISTENT", "%s: put a backup in its place, and please report it", column_text(row, 0));
    return false;
}

enum err store_check(struct db *db, struct error *error)
{
    struct finding f = {.error = error};
    enum err err = OK;
    for (enum sql id = SQL_CHECK_INTEGRITY; id <= SQL_CHECK_RUN_REVISIONS && !err; id++) {
        sqlite3_stmt *st;
        err = db_use(db, id, &st, error, "");
        if (!err)
            err = db_each(db, st, found, &f, error);
        if (!err)
            err = f.err;
    }
    return err;
}
