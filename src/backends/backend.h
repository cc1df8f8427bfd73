/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A backend runs an attempt of a trial somewhere. It is a constant table of functions and holds no truth: the core decides
 * states, a backend translates. kill -9 at any instruction must be harmless.
 *
 * A run is named by its run_key "h-<8 of the experiment's uid>-<trial>-<attempt>". The core commits the attempt first, then submits;
 * after a restart it adopts every attempt that is not final. So `submit` and `adopt` are one idempotent call: the run is started unless it
 * was started before, in which case it is followed, or its end is told. It never starts a second one for a key.
 *
 * Threads: submit, cancel, forget come from workers, at most one at a time for one key; logs from any thread; `watch` has a thread of its
 * own from open to close and is where host->status and host->output are called from. The host copies what it is given.
 *
 * Adding one: src/backends/x.c with `const struct backend backend_x`, and a line in backends.def. */
#ifndef HONE_BACKENDS_BACKEND_H
#define HONE_BACKENDS_BACKEND_H

#include "base/buf.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/settings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum backend_phase { PHASE_PENDING, PHASE_RUNNING, PHASE_SUCCEEDED, PHASE_FAILED, PHASE_STOPPED };

/* Why it FAILED: told apart because what follows differs (LOST is retried by default, USER is not). */
enum backend_cause { CAUSE_NONE, CAUSE_USER, CAUSE_LOST, CAUSE_INVALID, CAUSE_TIMEOUT, CAUSE_OOM };

struct backend_status {
    enum backend_phase phase;
    enum backend_cause cause;
    int exit_code, signal;       /* -1 = not known */
    char reason[40];             /* EXIT_CODE, SIGNAL, TIMEOUT, OOM, ENGINE, ... */
    char message[400];           /* for people */
    const json_t *metrics;       /* final values that the backend itself knows, over what was reported; NULL = none. Borrowed */
    int64_t start_ms, end_ms;    /* wall; 0 = not known */
};

/* The run to start: all that a backend may know about a trial. Borrowed during the call. */
struct backend_job {
    const char *run_key;
    const char *project, *experiment, *trial_name;
    int64_t trial, attempt, replicate;
    const json_t *run;          /* the spec's `run` section (model/spec.h) */
    const json_t *params;       /* {"lr": 0.1, ...} active ones */
    const char *const *names;   /* all parameter names, NULL-ended (model/template.h) */
    uint64_t seed;              /* of this trial and replicate */
    int64_t parent;             /* a trial of the same experiment whose checkpoint this one goes on from, when it has none of its own; 0 = none */
    int64_t budget;             /* the step at which the attempt is to end, its checkpoint kept; 0 = it runs to its own end */
    double time_limit_s;        /* 0 = none */
    const char *url, *token;    /* how the trial reaches the service; token is good for this trial alone */
    const char *cursor;         /* of `output`: "" = from the start */
    bool final_texts;           /* texts of `run` hold no placeholders: they stand as they are */
    const char *checkpoint, *checkpoint_from; /* name the checkpoint, and the one it begins as; NULL: of the trial by run_key, and of `parent` */
};

enum backend_stream { STREAM_STDOUT, STREAM_STDERR, STREAM_METRICS /* the file of metrics.from: file */ };

struct backend_host {
    void *ctx;
    const char *data_dir; /* a backend keeps its files under data_dir/<name>/ */
    const char *(*setting)(void *ctx, const char *name); /* of the service (src/config.def), as text; "" = not set. During open alone */
    /* The run has come to this phase; PENDING: it still waits, and `message` says for what. A final one is told once it cannot change and after all its output was given. */
    void (*status)(void *ctx, const char *run_key, const struct backend_status *status);
    /* New bytes of the stream that metrics are read from, in order; `cursor` is where to go on after them. */
    void (*output)(void *ctx, const char *run_key, const char *data, size_t len, const char *cursor);
};

struct backend_conn; /* private to a backend */

struct backend {
    const char *name, *title;
    const struct setting *settings; /* of the connection; NULL = none */
    bool survives_host;             /* runs go on while the service is down */
    bool keeps_nothing;             /* `forget` has nothing to do but to drop, and is not called without */

    enum err (*open)(const struct backend_host *host, struct backend_conn **out, struct error *error);
    void (*close)(struct backend_conn *conn);          /* after watch has returned; running runs go on */
    void (*watch)(struct backend_conn *conn);          /* returns after stop_watch */
    void (*stop_watch)(struct backend_conn *conn);
    /* A file of another system (model/foreign.h), before it is read: says that its trials run here when it names no backend and they
     * should, and brings what it leaves in the engine. NULL = nothing to do. Problems at its places. */
    void (*prepare)(struct backend_conn *conn, json_t *document, struct problems *problems);
    /* Looks at what an experiment would run beyond its form: is the program there, ... `sample` is a job as it
     * would be; its params are NULL when the search cannot say them. Problems under /run. */
    void (*validate)(struct backend_conn *conn, const struct backend_job *sample, struct problems *problems);
    /* Starts or adopts. ERR_UNAVAILABLE, ERR_TOO_MANY: try again later; ERR_INVALID: can never work; others: the attempt fails. */
    enum err (*submit)(struct backend_conn *conn, const struct backend_job *job, struct error *error);
    /* Asks the run to stop (SIGTERM, after grace_s SIGKILL); its end is told by status STOPPED. Absent or ended = OK. Never waits. */
    enum err (*cancel)(struct backend_conn *conn, const char *run_key, double grace_s, struct error *error);
    /* Up to `max` bytes of a stream from `offset` (negative: that many from the end); *next is where to go on. Streams: STDOUT, STDERR. */
    enum err (*logs)(struct backend_conn *conn, const char *run_key, enum backend_stream stream, int64_t offset, size_t max,
                     struct buf *out, int64_t *next, bool *end, struct error *error);
    /* The directory that a run of this key will have, malloced: whoever prepares a run puts into it what must lie there (work/ is where it begins,
     * artifacts/ for what it leaves) before the submit. Nothing of it is there until the run is submitted or prepared. NULL: not on this machine. */
    char *(*place)(struct backend_conn *conn, const char *run_key);
    /* Its end is recorded: nothing more will be asked but logs. `drop`: remove its files too (the trial is deleted). */
    void (*forget)(struct backend_conn *conn, const char *run_key, bool drop);
};

extern const struct backend *const backends[]; /* NULL-ended, by backends.def */
const struct backend *backend_find(const char *name);

/* The last lines of a run's log, for a person who asks why: stderr, or stdout if that is empty. Plain text, malloced, "" without any. */
char *backend_log_tail(const struct backend *backend, struct backend_conn *conn, const char *run_key);

#endif
