/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the core thread knows beside the store: experiments that are in use, their trials that are not final, what waits for them, and
 * what is to be done after the commit. Private to core/; everything here belongs to the core thread unless it says otherwise.
 *
 * The store is the truth. The rows held here are copies that were written in this or an earlier transaction; after a rollback they are read anew
 * (live_reload). Runtime marks (deadlines, jobs under way, parked commands) are never stored and are re-made at a start. */
#ifndef HONE_CORE_STATE_H
#define HONE_CORE_STATE_H

#include "core/core.h"

#include "algorithm.h"
#include "backends/backend.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "stop/stopper.h"

#include <stdatomic.h>
#define HASH_FUNCTION HASH_FNV /* the usual one falls through in a switch, which clang refuses to see uncommented */
#include <uthash.h>

#define NEVER INT64_MAX

/* The trials of an earlier experiment that the file holds; what names no source has the name "". */
struct earlier_source {
    const char *name;
    struct observation *trials;
    size_t n;
};

/* A spec with all that is derived from it once, shared by the core and the jobs that use it. */
struct plan {
    _Atomic int refs;
    struct spec *spec;
    const struct algorithm *algorithm;
    const struct stopper *stoppers[SPEC_MAX_STOPPING]; /* of spec->stopping */
    struct problem problem;
    const char **names;            /* of the parameters, NULL-ended */
    struct earlier_source sources[MAX_EARLIER];
    struct earlier earlier[MAX_EARLIER]; /* the same as algorithms see it */
    size_t n_earlier;
    double *earlier_values;
};

struct plan *plan_new(struct spec *spec); /* takes the spec */
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p);          /* any thread */

/* The reports of one trial's present replicate on the watched metric, for stopping rules: of each step the newest attempt's value. */
struct series {
    int64_t *step; /* rising */
    double *value;
    size_t n, cap;
    int64_t at;    /* highest step of the present attempt */
    int64_t asked; /* highest step, of any attempt, that the rule was asked about; both INT64_MIN = none */
};

void series_release(struct series *s);

/* What ended trials had reported on the metric of a rule, by number; owned arrays. */
struct ended_curves {
    struct curve *items;
    size_t n, cap, n_points;
};

struct live_trial {
    UT_hash_handle hh; /* in live.trials by number */
    int64_t number;
    struct trial *row;      /* owned */
    struct attempt *attempt;/* owned; NULL before the first */
    int64_t lease_until;    /* mono ms; NEVER: not leased */
    int64_t start_after;    /* mono ms: a queued one waits for it (backoff) */
    int64_t submit_at;      /* mono ms of the next try to submit; NEVER = not needed */
    int submit_tries;
    struct series series[SPEC_MAX_STOPPING]; /* of each stopping rule */
    bool series_loaded;
};

struct live {
    UT_hash_handle hh_id, hh_name;
    int64_t id;
    char *key;              /* "project/name" */
    struct experiment *row; /* owned */
    struct plan *plan;
    struct live_trial *trials; /* not final ones */
    struct command *parked;    /* suggests that wait; in order */
    bool touched;           /* in this batch: row to be written, watchers to be told */
    bool dirty;             /* the row differs from the stored one */
    bool deleted;
    bool named;             /* it is in by_name */
    bool suggesting;        /* a job is under way */
    bool exhausted;         /* the algorithm has no more points; learnt again after a start */
    bool waiting;           /* it has none until a trial ends; the same */
    int64_t n_news;         /* reports, pauses and ends since the start: what promotions depend on */
    int64_t none_earned_at; /* n_news + 1 when no paused trial was to be promoted */
    int64_t judged_at;      /* n_ends when limits.min_improvement was last looked at */
    int64_t n_ends;         /* trials that have ended since the start */
    bool goal_reached;
    int64_t suggest_after;  /* mono ms: a failed suggestion is tried again then */
    void *cache;            /* the algorithm's */
    struct ended_curves ended[SPEC_MAX_STOPPING]; /* for each stopping rule */
    bool ended_loaded;
};

enum effect_kind {
    EFFECT_SUBMIT, EFFECT_CANCEL, EFFECT_FORGET, EFFECT_SUGGEST,
    EFFECT_STEP_SUBMIT, EFFECT_STEP_CANCEL, EFFECT_STEP_FORGET, EFFECT_RUN_TELL, /* of runs of pipelines */
};

struct effect {
    enum effect_kind kind;
    int64_t experiment, trial;
    int64_t run, step; /* of a pipeline */
    char *run_key; /* CANCEL, FORGET */
    bool drop;     /* FORGET */
    bool sweep;    /* STEP_FORGET: it was given, or left, files */
    const char *backend;
};

struct connection {
    const struct backend *backend;
    struct backend_conn *conn;
    struct backend_host host;
    pthread_t thread;
    bool watching;
};

struct tracker;

struct core {
    struct core_config config;
    const struct core_clock *clock;
    char *url, *data_dir;
    struct db *db;
    struct queue queue;
    struct pool *pool;
    pthread_t thread;
    struct connection *connections;
    size_t n_connections;
    struct tracker *tracker;

    struct live *by_id, *by_name;
    struct artifacts *artifacts;
    struct flow *flows;            /* runs of pipelines (flow.h) */
    struct flow_plan *flow_plans;
    struct flight *flights;
    int64_t swept_at;              /* mono ms: when the datastore was last looked through */
    struct schedule_live *schedules;
    size_t n_schedules;
    bool schedules_changed;        /* in this batch: read anew if it is undone */

    /* this batch */
    int64_t now, mono;          /* wall and monotonic ms, read once a batch */
    struct live **touched;
    size_t n_touched, cap_touched;
    struct flow **flows_touched;
    size_t n_flows_touched, cap_flows_touched;
    struct effect *effects;
    size_t n_effects, cap_effects;
    struct command *answered;   /* in order; done() after the commit */
    struct command **answered_tail;
    struct command *to_park;    /* joins a live's parked list after the commit */
    int64_t revision;           /* of the last event */
    int64_t pruned_at;
    bool garbage;               /* deleted experiments may have left rows: each batch takes some away */

    int64_t wake;               /* mono ms of the next deadline */
    size_t n_callers;           /* of the last batch: who has had an answer is likely to ask again */
    _Atomic bool stopping;

    _Atomic int64_t n_commands, n_commits, n_suggestions, suggestion_us, n_submits, last_revision;
};

/* --- live.c: the experiments in use */
enum err live_get(struct core *c, const char *project, const char *name, struct live **out, struct error *error);
enum err live_get_id(struct core *c, int64_t id, struct live **out, struct error *error);
struct live *live_add(struct core *c, struct experiment *row, struct spec *spec); /* takes both */
struct live_trial *live_trial_add(struct live *l, struct trial *row, struct attempt *attempt); /* takes both */
void live_trial_drop(struct live *l, struct live_trial *t);
enum err live_reload(struct core *c, struct live *l, struct error *error); /* after a rollback; the row is gone: l->deleted */
void live_evict(struct core *c, struct live *l); /* frees it when nothing needs it */
void live_free_all(struct core *c);
void live_touch(struct core *c, struct live *l);
int64_t live_running(const struct live *l); /* trials that hold a parallel slot */
void set_text(const char **field, const char *value); /* replaces an owned string; value may be NULL = "" */

/* --- record.c: rows, counts and events of a change */
enum err record(struct core *c, struct live *l, struct trial *t, const char *kind, json_t *data, struct error *error); /* takes data */
void count_state(struct live *l, struct trial *t, enum trial_state state); /* moves a trial between counts */
enum err save_trial(struct core *c, struct live *l, struct live_trial *t, const char *kind, json_t *data, struct error *error);
struct effect *effect_new(struct core *c, enum effect_kind kind);
void add_effect(struct core *c, enum effect_kind kind, struct live *l, struct live_trial *t);
void add_forget(struct core *c, struct live *l, const char *run_key, bool drop);
void wake_at(struct core *c, int64_t mono);

/* --- trials.c: the life of a trial, for apply_* and the scheduler */
struct new_trial {
    const json_t *params;
    const double *x;      /* NULL = foreign */
    enum trial_state state;
    json_t *origin;       /* taken */
    const char *worker;
};
enum err trial_make(struct core *c, struct live *l, const struct new_trial *n, struct live_trial **out, struct error *error);
enum err trial_start(struct core *c, struct live *l, struct live_trial *t, const char *worker, double lease_s, struct error *error); /* a new attempt: submits, or leases when worker is given */
enum err trial_end(struct core *c, struct live *l, struct live_trial *t, enum trial_state state, const char *reason, const char *message, struct error *error); /* t is gone afterwards */
enum err trial_finish(struct core *c, struct live *l, struct live_trial *t, const json_t *metrics, const char *tail, struct error *error); /* its work is done: values, next replicate or end */
enum err trial_judge(struct core *c, struct live *l, struct live_trial *t, const json_t *metrics, const char *tail, struct error *error); /* ends it by its values: those of the last replicate must be there, those of all must meet the outcome constraints */
enum err trial_lost(struct core *c, struct live *l, struct live_trial *t, const char *reason, const char *message, bool retry, struct error *error);
int64_t failed_before(struct core *c, const struct live_trial *t); /* attempts before the present one that were lost or failed */
bool retries_left(struct core *c, const struct live *l, const struct live_trial *t); /* after a lost attempt */
enum err trial_cancel(struct core *c, struct live *l, struct live_trial *t, const char *reason, const char *message, struct error *error); /* to STOPPING, or to its end if nothing runs */
enum err trial_measure(struct core *c, struct live *l, struct live_trial *t, const struct measurement *m, size_t n, struct error *error); /* reports, with the stopping rule */
enum err trial_promote(struct core *c, struct live *l, bool last, struct live_trial **out, struct error *error); /* the paused one to be started; NULL: none now */
enum err trials_give_up(struct core *c, struct live *l, struct error *error); /* paused ones that will never be promoted end as pruned */
int64_t lease_until_ms(const struct core *c, const struct live_trial *t); /* wall; 0 = not leased */

/* --- schedule.c */
enum err schedule(struct core *c, struct live *l, struct error *error); /* what follows from the present state: start, ask, finish */
enum err experiment_end_begin(struct core *c, struct live *l, const char *reason, const char *message, bool cancel, struct error *error);
enum err schedule_deadlines(struct core *c, struct error *error); /* what has become due: leases, limits, backoffs, waiting askers */

/* --- history.c: any thread */
struct history {
    const struct plan *plan;
    struct observation *items; /* by number; owned, with what they point to */
    int64_t *ids;              /* of their trials */
    size_t n, cap;
};
enum observation_state observation_state(enum trial_state s);
enum err history_load(struct history *h, struct db *db, int64_t experiment, struct error *error);
void history_release(struct history *h);
struct lineage lineage_of(const char *origin); /* of a trial's; zeros if it has none */

/* --- warm.c */
void warm_plan(struct plan *p); /* fills sources and earlier from the spec */
void warm_release(struct plan *p);
size_t warm_points(const struct plan *p, size_t wanted, double *x, const char **source); /* the best of each source in turn, apart from each other: how many; x has room for `wanted` points */

/* --- suggest.c */
void suggest_job(struct core *c, struct live *l);
enum err suggest_inline(struct core *c, struct live *l, double *x, json_t **origin, struct error *error); /* fast algorithms; ERR_EXHAUSTED */
struct suggested { /* inside a CMD_SUGGESTED */
    int64_t experiment;
    enum err code;
    struct error error;
    double *x;
    int64_t cursor;
    json_t *origin;
    int64_t n_ends; /* of the experiment when it was asked */
};
void suggested_free(void *suggested);

/* --- stop_curves.c: what rules compare; stop_rule.c: asking them */
enum err stop_rule_load(struct core *c, const struct live *l, struct live_trial *t, struct error *error); /* before new reports are stored: they must be told from the old */
void stop_rule_started(struct live_trial *t, bool again); /* a new attempt; again: of the same replicate */
unsigned stop_rule_measured(const struct live *l, struct live_trial *t, const struct measurement *m); /* a new report was stored: bits of the rules that are to be asked */
enum err stop_rule(struct core *c, struct live *l, struct live_trial *t, unsigned rules, struct stop_answer *answer, struct error *error); /* of the first that stops, else of one that pauses */
void stop_rule_passed(const struct live *l, struct live_trial *t); /* they are not to be asked: the trial is stopping */
int64_t stop_rule_budget(struct core *c, const struct live *l, struct live_trial *t); /* the step at which its attempt ends; 0 = it runs to its own end, or its reports cannot be read */
enum err stop_rule_promote(struct core *c, struct live *l, bool last, struct live_trial **out, char *why, struct error *error); /* NULL: no paused one goes on */
enum err stop_rule_ended(struct core *c, struct live *l, struct live_trial *t, struct error *error); /* its curve joins those of ended trials */
enum err stop_rule_load_ended(struct core *c, struct live *l, struct error *error); /* the curves of ended trials; l->ended_loaded says that they are there */
void stop_rule_release(struct live *l); /* what ended trials reported is read anew when needed: one was deleted or runs again */

/* --- runs.c: backends and collectors */
enum err runs_open(struct core *c, struct error *error);
void runs_start(struct core *c); /* their threads */
void runs_stop(struct core *c);
void runs_close(struct core *c);
struct connection *runs_connection(struct core *c, const char *backend);
void runs_submit(struct core *c, struct live *l, struct live_trial *t);
void runs_cancel(struct core *c, const char *backend, const char *run_key, double grace_s); /* now, or when the submit that is under way has ended */
struct node;
struct stage;
void runs_submit_step(struct core *c, struct node *n, json_t *run, struct stage *stage); /* takes both */
int64_t runs_heard(struct core *c, const char *run_key); /* wall ms: when it last wrote; 0 = not known */
void runs_forget(struct core *c, const char *backend, const char *run_key, bool drop);

struct run_event { /* inside RUN_STATUS, RUN_OUTPUT, SUBMIT_FAILED */
    int64_t experiment, trial, attempt;
    int64_t run, step;    /* of a pipeline: the attempt is one of this step; 0 = of the trial */
    char run_key[80];
    struct backend_status status;
    json_t *metrics;      /* RUN_STATUS: what the backend knows of final values, owned; NULL = nothing */
    struct harvest *harvest; /* RUN_STATUS of a step that succeeded */
    char artifact[80];    /* SUBMIT_FAILED: which one is corrupt */
    struct error error;   /* SUBMIT_FAILED */
    char *tail;           /* last log lines */
    char *cursor;         /* RUN_OUTPUT */
    struct measurement *points;
    size_t n_points;
};
void run_event_free(void *run_event);

/* --- apply_experiment.c */
enum err experiment_make(struct core *c, const char *project, struct spec *spec, struct live **out, struct error *error); /* takes the spec */

/* --- recover.c */
enum err recover(struct core *c, struct error *error);

/* --- apply_project.c */
enum err project_make(struct core *c, const char *name, struct error *error); /* ERR_INVALID: not a name; ERR_CONFLICT: it is there */

/* --- answer.c */
struct answered_trial *answer_trial(struct command *command, const struct trial *row); /* one more in command->trials */
void answer_clear(struct command *command); /* as if it had not been applied */

/* --- core.c */
/* A core without its thread: whoever opened it turns it (core_start does so from the thread; a simulation by hand). */
enum err core_open(const struct core_config *config, struct core **out, struct error *error);
bool core_turn(struct core *c, int64_t until); /* one batch, waiting until then (mono ms) for commands; false: closed and all done */
void core_close(struct core *c);
void answer(struct core *c, struct command *command, enum err code, const struct error *error); /* queues its answer for after the commit */

enum err refuse_problems(struct command *command, struct problems *problems, struct error *error); /* each place in the answer; releases them */

/* What an apply function says. PARK: it waits in the live's list. */
enum applied { APPLIED, APPLIED_PARK };
typedef enum err apply_fn(struct core *c, struct command *command, enum applied *how, struct error *error);
#define COMMAND(NAME, function) apply_fn apply_##function;
#include "core/commands.def"
#undef COMMAND

#endif
