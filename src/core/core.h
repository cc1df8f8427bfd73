/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that changes things. Everyone else sends it a command or reads a snapshot from the store.
 *
 * A command is made with command_new, filled, and handed over with core_submit: from then on it belongs to the core until
 * `done` is called (from the core thread, after COMMIT, so an answered command is on disk), which must return at once
 * and takes the command back: whoever waits then reads its answer and calls command_free. Commands are applied in the order they came, many in one transaction. */
#ifndef HONE_CORE_CORE_H
#define HONE_CORE_CORE_H

#include "base/buf.h"
#include "base/problems.h"
#include "base/queue.h"
#include "model/nouns.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum command_kind {
#define COMMAND(NAME, function) CMD_##NAME,
#include "core/commands.def"
#undef COMMAND
    CMD_COUNT
};

/* A trial as an answer shows it: its row, and the lease of whoever was given it. */
struct answered_trial {
    struct trial *row;      /* owned */
    int64_t lease_attempt;  /* 0 = none */
    int64_t lease_until_ms; /* wall; 0 = without end */
    char *lease_token;      /* owned: good for this trial alone; NULL = none */
    int64_t budget;         /* the step at which it pauses or ends; 0 = none is set */
};

struct command {
    struct queue_item item; /* first: a command is queued by it */
    enum command_kind kind;

    /* what is asked; strings malloced, owned by the command */
    char *project, *experiment; /* names from the path */
    int64_t trial;              /* number from the path, 0 = none */
    char *run;                  /* uid of a run, or the name of a schedule, from the path; NULL = none */
    json_t *body;               /* decoded body, NULL = none */
    struct spec *spec;          /* EXPERIMENT_CREATE */
    bool new_project;           /* EXPERIMENT_CREATE: a project that is missing is made */
    char *idempotency_key;      /* NULL = none; made unique per token and route by the caller */
    char *request_hash;         /* of method, path and body; with idempotency_key */
    int64_t if_match;           /* revision the object must have, -1 = any */
    int64_t trial_token_attempt;/* >= 0: asked with a trial's token of this attempt (must be the present one); -1 = a user */
    void *inside;               /* of the inner commands */
    void (*inside_free)(void *inside);

    /* the answer; valid in and after done() */
    struct error error;         /* error.code OK = it worked */
    json_t *errors;             /* each wrong place of the body (problems_json), owned; NULL = `error` says all */
    json_t *reply;              /* body of the answer, owned; NULL = empty, or the one of `trials` */
    struct answered_trial *trials; /* rows, which whoever answers writes out: of a TRIAL_SUGGEST the member "trials" of `reply` */
    size_t n_trials, cap_trials;
    int http_status;            /* 200, 201; an error's comes from error.code */
    bool replayed;              /* the stored answer of an earlier request with this idempotency_key */

    void (*done)(struct command *c); /* may be NULL: then the core frees it */
    void *arg;                       /* of `done` */
};

struct command *command_new(enum command_kind kind);
void command_free(struct command *c);
json_t *command_reply(const struct command *c); /* the whole body as JSON; new reference, NULL = empty */

struct core;

/* What one commit changed, for watchers: the last revision, and the experiments touched. */
struct core_change {
    int64_t revision;
    const int64_t *experiments; /* a run of a pipeline stands as its id, negated */
    size_t n_experiments;
};

/* Where the core reads the time; a simulation has its own. */
struct core_clock {
    int64_t (*wall_ms)(void), (*mono_ms)(void);
};

struct core_config {
    const struct core_clock *clock; /* NULL = the real one */
    struct store *store;       /* the core takes its writer */
    const char *data_dir;
    const char *url;           /* how a trial reaches the service: given to backends */
    int workers;               /* threads for suggestions and backend calls; 0: the core thread makes them itself */
    char *(*trial_token)(void *arg, const char *experiment_uid, int64_t trial, int64_t attempt); /* malloced; NULL fn = no tokens */
    void (*on_change)(void *arg, const struct core_change *change); /* after each commit, from the core thread; must not block */
    const char *(*setting)(void *arg, const char *name); /* of the service, for backends; NULL fn = none. During the start alone */
    void *arg;
};

/* Opens backends, recovers what the store holds (adopts runs, re-arms leases and deadlines), starts the thread. */
enum err core_start(const struct core_config *config, struct core **out, struct error *error);
void core_stop(struct core *c); /* answers or refuses (UNAVAILABLE) what waits; running trials go on; joins all threads */

bool core_submit(struct core *c, struct command *command); /* false: stopping, the command stays the caller's */
size_t core_queue_length(struct core *c);

const struct catalog *core_catalog(void); /* algorithms, stopping rules, backends: constant */

/* Log bytes of an attempt through its backend; any thread. Parameters as backend.h `logs`. ERR_NOT_FOUND: nothing was kept. */
enum err core_logs(struct core *c, const char *backend, const char *run_key, bool stderr_stream, int64_t offset, size_t max,
                   struct buf *out, int64_t *next, bool *end, struct error *error);

/* A file of another system, before it is read, as the backends want it (backend.h `prepare`). Any thread. */
void core_prepare(struct core *c, json_t *document, struct problems *problems);

/* Checks of a spec beyond the file: the algorithm accepts the space, the backend finds the program, metrics filters compile.
 * Adds to `problems`. Any thread. */
void core_validate(struct core *c, const char *project, const struct spec *spec, struct problems *problems);

/* Puts the trials of the experiments that warm_start names into the file, from the snapshot that `db` reads: *spec is another one then. What is
 * not there is added to `problems`. Any thread. */
enum err core_warm_start(struct db *db, const char *project, struct spec **spec, struct problems *problems, struct error *error);

/* Pins the pipeline of `holder`, {pipeline: document or "name@version", root, code}: its document in full, its code files kept. Problems under `pointer`. Any
 * thread; writes artifacts. */
void core_pin(struct core *c, const char *project, json_t *holder, const char *pointer, struct problems *problems);

/* Bytes of an artifact (artifacts.h). Any thread. */
enum err core_artifact(struct core *c, const char *id, const char *member, int64_t offset, size_t max, struct buf *out, int64_t *total, struct error *error);

/* `n` sample configurations as the algorithm's initial design or random would draw them: array of params. For previews. */
json_t *core_preview(const struct spec *spec, int n);

/* A stored experiment as algorithms see it, for what analyses it: its space, and its trials by number with objectives that are minimised
 * (objective_rank). Of the snapshot that `db` reads. Any thread. */
struct core_view;
struct problem;
struct observation;
enum err core_view_open(struct db *db, const struct experiment *e, struct core_view **out, struct error *error);
void core_view_close(struct core_view *v); /* NULL is nothing */
const struct spec *core_view_spec(const struct core_view *v);
const struct problem *core_view_problem(const struct core_view *v);
const struct observation *core_view_history(const struct core_view *v, size_t *n);

/* `n` suggestions for an experiment that is kept elsewhere: they follow from what is given, in order of `trials`, and nothing is stored. *out: array of
 * params. ERR_EXHAUSTED: there are no more points; ERR_INVALID: the algorithm cannot do this space. Any thread. */
struct outside_trial {
    const json_t *params;
    enum trial_state state;
    double value; /* of the objective, user's sense; NAN = not known */
};
struct outside {
    const struct spec *spec; /* one objective, no outcome constraints */
    uint64_t seed;
    const struct outside_trial *trials;
    size_t n_trials;
};
enum err core_ask(const struct outside *o, size_t n, json_t **out, struct error *error);
/* What the trials that are left may still bring; of an experiment without an end, as many again as have succeeded. */
struct outlook {
    int64_t trials;     /* that are left */
    double improvement; /* expected of the best value; NAN = not known: too few trials, or several objectives */
};
enum err core_outlook(struct db *db, const struct experiment *e, int64_t max_trials, size_t n_objectives, struct outlook *out, struct error *error); /* max_trials: 0 = no end */

/* Counters since the start, for /metrics. Any thread. */
struct core_stats {
    int64_t commands, commits, events, suggestions, suggestion_us, submits, queue_length;
};
void core_stats(struct core *c, struct core_stats *out);

#endif
