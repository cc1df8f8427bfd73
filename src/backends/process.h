/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside the process backend: each run has a directory and a hone-run that supervises it (src/hone_run/main.c says what is in the directory).
 * process.c answers the host, process_watch.c follows runs in one thread, process_dir.c reads directories, process_helper.c starts hone-run. */
#ifndef HONE_BACKENDS_PROCESS_H
#define HONE_BACKENDS_PROCESS_H

#include "backends/backend.h"
#include "backends/event_files.h"

#include <pthread.h>
#define HASH_FUNCTION HASH_FNV /* the usual one falls through in a switch, which clang refuses to see uncommented */
#include <uthash.h>

extern const struct backend backend_process;

/* --- a run's directory */

enum why { WHY_EXIT, WHY_CANCEL, WHY_TIMEOUT, WHY_EXEC, WHY_CWD, WHY_SETUP };

/* What `ended` says. */
struct ended {
    enum why why;
    int code, signal, error; /* -1, 0, 0 = none */
    int64_t start_ms, end_ms;
    int64_t size[2]; /* of stdout and stderr */
};

enum dir_state {
    DIR_FRESH,   /* nothing has begun */
    DIR_RUNNING, /* its hone-run lives */
    DIR_ENDED,
    DIR_LOST, /* its hone-run died before it could say how it ended */
};

/* `pid` (of hone-run) and `start_ms` are set when RUNNING or LOST, `ended` when ENDED. */
enum dir_state dir_look(const char *dir, pid_t *pid, int64_t *start_ms, struct ended *ended);

/* Where a reader of a log stands: the file it reads begins at `part`. */
struct log_place {
    int64_t offset, part;
};

/* Appends up to `max` bytes of "stdout" or "stderr" and moves on; 0: there are no more now. Bytes that are no longer kept are
 * skipped, with a line that says so. */
size_t log_read(const char *dir, const char *stream, struct log_place *at, size_t max, struct buf *out);
int64_t log_size(const char *dir, const char *stream);

void dir_remove(const char *path); /* with all that is in it */
bool dir_copy(const char *from, const char *to); /* and all that is in it; `to` appears whole or not at all. errno */
bool dir_empty(const char *path);

/* --- hone-run */

struct helper {
    int fd;     /* of the program in memory; -1 = it is in a file */
    char *path; /* what to execute */
    char *file; /* where to put it when the system does not run programs from memory */
    pthread_mutex_t mutex;
};

void helper_open(struct helper *h, const char *dir);
void helper_close(struct helper *h);
enum err helper_start(struct helper *h, char **argv, char **env, pid_t *pid, struct error *error);

/* Asks the hone-run behind `pidfd` to stop its trial. */
bool helper_stop(int pidfd, double grace_s);

/* A descriptor of the hone-run `pid` of `dir`, -1 if that process is another one. */
int helper_find(pid_t pid, const char *dir);

/* Kills what a dead hone-run of `dir` left running: processes with its directory in their environment. */
void helper_sweep(const char *dir);

/* --- the connection */

struct run {
    UT_hash_handle hh, hh_wd;
    char key[80];
    char *dir, *program; /* program: as the user wrote it, for messages */
    char *metrics_path;  /* metrics.from: file, else NULL */
    struct event_files *events; /* metrics.from: tensorboard, else NULL */
    const char *stream;  /* "stdout" or "stderr", NULL with one of these */
    int *success_codes;
    size_t n_success_codes;
    double time_limit_s;
    bool lost_early; /* it had begun once, and nothing of it is left */
    pid_t pid;
    int pidfd; /* -1 = none: it is over */

    /* of the watch thread alone */
    struct log_place place;
    bool told_running;
    int wd;             /* of inotify, -1 = none */
    int64_t start_ms;   /* wall */
    int64_t announce_at; /* mono */
    bool drop;          /* with the mutex */
    struct run *next;   /* in `arrivals`, with the mutex, or in `polled` */
};

struct backend_conn {
    const struct backend_host *host;
    char *dir; /* data_dir/process */
    struct helper helper;
    char **base_env; /* what trials inherit; strings of environ */
    int epoll, timer, inotify;

    pthread_mutex_t mutex; /* of what follows; never held over a call to the host */
    struct run *runs, *arrivals;
    int64_t timer_at; /* mono ms the timer is set to, INT64_MAX = off */
    bool stopping;

    /* of the watch thread alone */
    struct run *by_wd;
    struct run *polled; /* their file is looked at from time to time */
    bool inotify_off;
    int64_t inotify_on_at;
    int64_t oom_kills; /* of the machine, when last looked at */
};

void process_watch(struct backend_conn *conn);
void process_arrive(struct backend_conn *conn, struct run *run); /* from submit: the run is followed from now on */
void process_wake(struct backend_conn *conn, int64_t mono_ms);   /* the watch looks around at this time at the latest; with the mutex */
void process_run_free(struct run *run);
void process_remove(const struct backend_conn *conn, const char *run_key); /* its files, and its trial's checkpoints */
int64_t process_oom_kills(void);

char *process_checkpoint_dir(const struct backend_conn *conn, const char *run_key, int64_t replicate); /* malloced */
char *process_job_checkpoint(const struct backend_conn *conn, const struct backend_job *job);          /* malloced */

#endif
