/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/process.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

enum { SWEEPS = 10 };

extern const char hone_run_program[]; /* process_run.S */
extern const uint64_t hone_run_program_size;

static bool write_program(int fd)
{
    return write(fd, hone_run_program, hone_run_program_size) == (ssize_t)hone_run_program_size;
}

void helper_open(struct helper *h, const char *dir)
{
    (void)pthread_mutex_init(&h->mutex, NULL);
    h->file = x_asprintf("%s/hone-run", dir);
    h->fd = memfd_create("hone-run", MFD_CLOEXEC | MFD_EXEC);
    if (h->fd < 0) /* before Linux 6.3 there is no MFD_EXEC, and no need of it */
        h->fd = memfd_create("hone-run", MFD_CLOEXEC);
    if (h->fd >= 0 && !write_program(h->fd)) {
        (void)close(h->fd);
        h->fd = -1;
    }
    h->path = h->fd < 0 ? x_strdup(h->file) : x_asprintf("/proc/self/fd/%d", h->fd);
}

void helper_close(struct helper *h)
{
    if (h->fd >= 0)
        (void)close(h->fd);
    (void)pthread_mutex_destroy(&h->mutex);
    free(h->path);
    free(h->file);
}

/* Programs in memory may be forbidden, /proc may be missing: then it is put into a file, and started from there from now on. */
static int extract(struct helper *h)
{
    char *fresh CLEANUP_FREE = x_asprintf("%s.%d", h->file, (int)getpid());
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    if (fd < 0)
        return errno;
    bool written = write_program(fd);
    int error = written && !close(fd) && !rename(fresh, h->file) ? 0 : errno ? errno : EIO;
    (void)pthread_mutex_lock(&h->mutex);
    free(h->path);
    h->path = x_strdup(h->file);
    (void)pthread_mutex_unlock(&h->mutex);
    return error;
}

static int spawn(struct helper *h, char **argv, char **env, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all;
    (void)sigfillset(&all);
    (void)posix_spawn_file_actions_init(&files);
    /* nothing of our terminal or pipes: who waits for the end of our output must not wait for a trial */
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
    (void)posix_spawn_file_actions_adddup2(&files, 0, 1);
    (void)posix_spawn_file_actions_adddup2(&files, 0, 2);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attr, &all); /* a cancel may come before hone-run is ready for it */
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    (void)pthread_mutex_lock(&h->mutex);
    char *path CLEANUP_FREE = x_strdup(h->path);
    (void)pthread_mutex_unlock(&h->mutex);
    int error = posix_spawn(pid, path, &files, &attr, argv, env);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attr);
    return error;
}

enum err helper_start(struct helper *h, char **argv, char **env, pid_t *pid, struct error *error)
{
    int code = spawn(h, argv, env, pid);
    if (code == EACCES || code == EPERM || code == ENOENT || code == ENOSYS) {
        code = extract(h);
        if (!code)
            code = spawn(h, argv, env, pid);
    }
    if (!code)
        return OK;
    if (code == E2BIG)
        return err_set(error, ERR_INVALID, "ARGUMENTS_TOO_LONG",
                       "the command and its environment are longer than the system allows (128 KiB for one of them); pass long values by a file");
    return err_set(error, code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE ? ERR_UNAVAILABLE : ERR_INTERNAL, "PROCESS",
                   "cannot start a process for the trial: %s", strerror(code));
}

bool helper_stop(int pidfd, double grace_s)
{
    siginfo_t info = {0};
    info.si_signo = SIGTERM;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = (int)(grace_s * 1000);
    return !syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, &info, 0) || errno == ESRCH;
}

/* True if the file of `pid` under /proc has `text`; its words are ended by NULs. */
static bool proc_has(const char *pid, const char *file, const char *text)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%.20s/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct buf all = {.limit = 4 << 20};
    char data[4096];
    for (ssize_t n; (n = read(fd, data, sizeof data)) > 0;)
        buf_add(&all, data, (size_t)n);
    (void)close(fd);
    bool has = all.len && memmem(all.data, all.len + 1, text, strlen(text) + 1);
    buf_release(&all);
    return has;
}

int helper_find(pid_t pid, const char *dir)
{
    char number[24];
    char *word CLEANUP_FREE = x_asprintf("dir=%s", dir);
    (void)snprintf(number, sizeof number, "%d", (int)pid);
    int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd >= 0 && proc_has(number, "cmdline", word))
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int sweep_once(const char *word)
{
    int killed = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        long pid = strtol(e->d_name, NULL, 10);
        int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1; /* first: what is read below is then of the process that is killed */
        if (fd < 0)
            continue;
        if (proc_has(e->d_name, "environ", word))
            killed += !syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        (void)close(fd);
    }
    if (d)
        (void)closedir(d);
    return killed;
}

void helper_sweep(const char *dir)
{
    char *word CLEANUP_FREE = x_asprintf("HONE_WORK_DIR=%s/work", dir);
    for (int i = 0; i < SWEEPS && sweep_once(word); i++)
        ; /* one that was killed may have forked meanwhile */
}
