/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A host for a backend under test: a directory of its own, the watch thread, and all that the backend has told. */
#ifndef TESTS_BACKENDS_HOST_H
#define TESTS_BACKENDS_HOST_H

#include "backends/backend.h"

#include <pthread.h>

struct told {
    char run_key[80];
    struct buf output;
    char cursor[32];
    struct backend_status status; /* the last one */
    bool running, final;
    int n_finals;
    struct told *next;
};

struct host {
    struct backend_host host;
    const struct backend *backend;
    struct backend_conn *conn;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct told *told;
};

char *make_temp_dir(void); /* under TMPDIR; malloced */

struct host *host_open(const struct backend *backend, const char *data_dir);
void host_close(struct host *h); /* runs go on; the directory stays */

/* Submits `run` (JSON text) as trial 1 of an experiment; the run_key's last number is the attempt. */
enum err host_submit(struct host *h, const char *run_key, const char *run, const char *cursor, double time_limit_s, struct error *error);

/* The same with all in the hands of the caller: run_key and run are filled in. */
enum err host_submit_job(struct host *h, struct backend_job *job, const char *run, struct error *error);

/* What was told, once it holds (at most a minute, then the test fails). The pointer stays good; the state can go on. */
struct told *host_await_final(struct host *h, const char *run_key);
struct told *host_await_output(struct host *h, const char *run_key, const char *text);
struct told *host_await_running(struct host *h, const char *run_key);

/* Submits, and waits for the end. */
struct told *host_run(struct host *h, const char *run_key, const char *run);

/* Waits until it holds. */
void await(bool (*holds)(const void *arg), const void *arg);

#endif
