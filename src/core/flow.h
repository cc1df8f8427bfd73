/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs of pipelines while they are under way: what the core thread holds of them beside the store. Private to core/.
 *
 * A run is a tree. A frame is one pipeline with its parameters: the run's own, a sub-pipeline's, or the steps that a step wrote. Its nodes are steps;
 * a node may hold a frame (sub-pipeline, expansion) or, of a map, nodes for its items. What is to be done next is a pure function of the tree and the
 * time (flow_next); flow_advance does it, until there is nothing more to do. Rows are the truth, as in state.h. */
#ifndef HONE_CORE_FLOW_H
#define HONE_CORE_FLOW_H

#include "core/state.h"

#include "artifacts/artifacts.h"
#include "pipeline/pipeline.h"

/* A version of a pipeline, shared with jobs. */
struct flow_plan {
    UT_hash_handle hh; /* in core.flow_plans, by id of its row */
    int64_t id;
    _Atomic int refs;
    struct pipeline *pipeline;
    json_t *code; /* canonical text of a list of code files -> artifact; "" -> that of all */
};

struct flow_plan *flow_plan_ref(struct flow_plan *p);
void flow_plan_unref(struct flow_plan *p); /* any thread */

struct flow;
struct frame;
struct flight;

struct node {
    UT_hash_handle hh; /* in flow.by_seq, once it has a row in the store */
    int64_t seq;       /* 0 = not stored yet */
    struct frame *frame;
    const struct step *step;
    size_t index;      /* of the step in its pipeline */
    struct node *map;  /* it is an item of it */
    struct step_row *row;         /* owned, never NULL */
    struct step_attempt *attempt; /* owned; the present one, NULL before the first */
    json_t *outputs;   /* object, NULL = none yet */
    struct frame *child;

    /* of a map, once it is open */
    json_t *items;     /* what it goes over */
    json_t *gathered;  /* {output: [value or null by index]} */
    size_t gathered_bytes;
    struct node **live;/* items under way; owned */
    size_t n_live, cap_live, next_item, n_ok, n_bad;

    /* marks, never stored */
    struct flight *flight;              /* what it makes or waits for */
    struct node *flight_prev, *flight_next; /* among those that wait */
    bool slot;         /* it holds one of the run's */
    bool furnished;    /* files were put where it runs */
    bool cancel_asked, fresh; /* fresh: nothing made before may stand for it */
    int submit_tries;
    int64_t heard_ms;  /* wall: when its attempt last wrote, for idle timeouts; 0 = not known */
    int64_t submit_at; /* mono ms of the next try to submit; NEVER = not needed */
};

struct frame {
    struct flow *flow;
    struct node *owner; /* NULL = the run's own */
    struct frame *outer; /* of an expansion: where its owner stands, whose steps and params it sees; else NULL */
    const struct pipeline *pipeline;
    struct flow_plan *plan;/* what `pipeline` is a part of; of an expansion: of its own */
    json_t *params;
    struct node **nodes;   /* its steps, then those of `finally` */
    size_t n, n_finally;
};

struct flow {
    UT_hash_handle hh; /* in core.flows */
    int64_t id;
    struct run_row *row; /* owned */
    struct flow_plan *plan;
    json_t *params, *origin;
    struct frame *root;
    struct node *by_seq;
    int64_t n_running;  /* attempts that hold a slot */
    int64_t parallel;
    bool touched, dirty, deleted;
};

/* Who makes what a cache key stands for, and who waits for it. */
struct flight {
    UT_hash_handle hh; /* in core.flights */
    char *key;         /* "<scope>:<cache key>" */
    struct node *holder;
    struct node *first, *last; /* waiting, in order */
};

/* --- flow_next.c: pure */
enum act_kind {
    ACT_END,   /* the node ends as `state` without having run */
    ACT_START, /* the node is to run, or to take what is cached */
    ACT_OPEN,  /* a map, a sub-pipeline, an expansion begins */
    ACT_ITEM,  /* a map gets its next item */
    ACT_CANCEL,/* its attempt is to be stopped */
    ACT_CLOSE, /* all in the node's frame, or in the map, are over */
    ACT_OUTCOME,/* the run's steps are over: its outcome is known */
    ACT_FINISH /* the run is over */
};

struct act {
    enum act_kind kind;
    struct node *node; /* NULL = the run's */
    enum step_state state; /* END, CLOSE; of OUTCOME and FINISH as a run's: SUCCEEDED, FAILED, CANCELLED */
    const char *cause;     /* constant */
    char message[300];
};

struct acts {
    struct act *items;
    size_t n, cap;
    int64_t wake_ms; /* wall: when to look again; INT64_MAX = never */
};

void flow_next(struct flow *f, int64_t now_ms, struct acts *out);
bool node_over(const struct node *n);
bool node_good(const struct node *n); /* SUCCEEDED or CACHED */

/* What comes after an attempt has failed. *delay_ms: the wait before the next. */
enum failure { FAILURE_USER, FAILURE_INFRA, FAILURE_TIMEOUT, FAILURE_OOM };
bool retry_due(const struct step *s, const struct step_row *row, uint64_t seed, enum failure why, int exit_code, int64_t *delay_ms);

/* --- flow_value.c: what references name */
struct lay {
    char *artifact, *path;
};

/* KEY: what the cache key is made of, artifacts by their names and no paths; RUN: as the step sees it, with paths; RAW: values as they are kept. */
enum scope_mode { SCOPE_KEY, SCOPE_RUN, SCOPE_RAW };
struct scope {
    const struct core *core;
    struct node *node;
    enum scope_mode mode;
    const char *dir;   /* of the step; RUN only */
    json_t *inputs;    /* resolved, NULL = not yet */
    struct lay *lays;  /* artifacts that are to lie at these paths */
    size_t n_lays, cap_lays;
};
json_t *flow_value(void *scope, const struct ref *r); /* a ref_value_fn */
bool flow_inputs(struct scope *s, struct problems *problems);
void scope_release(struct scope *s);
struct node flow_outside(struct flow *f, struct step_row *row); /* stands in for a step where the run's own outputs are looked up */
bool flow_tainted(const struct node *n); /* what it does follows from the run's parameters */
json_t *flow_artifact_ids(const json_t *value); /* array of the artifacts it names, deep */

/* --- flow_live.c */
enum err flow_get(struct core *c, int64_t id, struct flow **out, struct error *error);
enum err flow_plan_get(struct core *c, int64_t pipeline_id, struct flow_plan **out, struct error *error); /* borrowed */
enum err flow_add(struct core *c, const struct run_row *row, struct flow **out, struct error *error); /* a new one; copies the row */
enum err flow_reload(struct core *c, struct flow *f, struct error *error);
void flow_evict(struct core *c, struct flow *f);
void flow_touch(struct core *c, struct flow *f);
void flows_free_all(struct core *c);
struct node *flow_node(struct flow *f, int64_t seq);
bool flow_has_step(const struct flow *f, const char *id);
struct node *node_item(struct core *c, struct node *map, int64_t item); /* a new one */
void node_drop(struct core *c, struct node *n);                         /* an item that is over */
struct frame *frame_open(struct node *owner, struct pipeline *own, json_t *params); /* of its sub-pipeline, or of the expansion `own`; takes both */
void frame_free(struct core *c, struct frame *fr);
bool map_gather(struct node *map, const struct node *item); /* false: it is too much */

/* --- flight.c */
char *flow_flight_key(const struct node *n); /* malloced; NULL = what it makes is not shared */
void flight_hold(struct core *c, struct node *n, const char *key); /* it makes it */
void flight_wait(struct core *c, struct node *n, const char *key);
void flight_leave(struct core *c, struct node *n); /* and whoever may go on is touched */
struct node *flight_holder(struct core *c, const char *key);

/* --- flow_record.c */
enum err flow_record(struct core *c, struct flow *f, const struct node *n, const char *kind, json_t *data, struct error *error); /* takes data */
enum err node_save(struct core *c, struct node *n, enum step_state state, const char *kind, json_t *data, struct error *error); /* row and event; takes data */
enum err attempt_save(struct core *c, struct node *n, struct error *error);
void node_why(struct node *n, const char *cause, const char *message);
void flow_effect(struct core *c, enum effect_kind kind, struct node *n);

/* --- flow_start.c, flow_end.c */
enum err flow_start(struct core *c, struct node *n, struct error *error);
const char *flow_code(const struct node *n); /* the artifact of its code, "" = it has none, NULL = it is gone */
enum err flow_finished(struct core *c, struct node *n, json_t *outputs, const json_t *written, int64_t bytes, struct error *error); /* its attempt succeeded; takes outputs */
enum err flow_expand(struct core *c, struct node *n, const json_t *written, struct error *error); /* its steps begin */
enum err flow_stopped(struct core *c, struct node *n, struct error *error); /* its attempt was stopped, as asked */
enum err flow_measure(struct core *c, struct node *n, const struct measurement *m, size_t n_points, bool cached, struct error *error);
void flow_tell(struct core *c, struct flow *f); /* whose trial it is, after the commit */
void flow_tell_now(struct core *c, const struct flow *f);
enum err flow_failed(struct core *c, struct node *n, enum failure why, const char *cause, const char *message, int exit_code, struct error *error);
enum err flow_node_end(struct core *c, struct node *n, enum step_state state, const char *cause, const char *message, struct error *error);
enum err flow_advance(struct core *c, struct flow *f, struct error *error); /* does what flow_next says until it says no more */
enum err flow_stop(struct core *c, struct flow *f, enum run_state outcome, const char *reason, const char *message, struct error *error);
enum err flow_reset(struct core *c, struct node *n, struct error *error); /* it waits again, as if it had not run */
enum err flow_corrupt(struct core *c, struct node *n, const char *artifact, const char *message, struct error *error); /* whoever made it makes it again */

/* --- flow_job.c, flow_harvest.c */
extern const struct backend backend_pipeline; /* backend_pipeline.c: a trial is a run of a pipeline */
void flow_submit(struct core *c, struct node *n);
void flow_checkpoint(const struct node *n, char **name, char **from); /* malloced; NULL = the backend's own */
void flow_sweep_dir(struct core *c, const char *backend, const char *run_key); /* its files are not needed any more, but its logs */
char *flow_dir(struct core *c, const char *backend, const char *run_key); /* malloced; NULL = not on this machine */
struct stage { /* what must lie there before a step starts */
    char *dir, *code; /* code: an artifact, NULL = none */
    struct lay *lays;
    size_t n_lays;
    json_t *inputs;   /* for HONE_INPUTS */
};
enum err flow_stage(struct artifacts *a, const struct stage *s, char corrupt[ARTIFACT_ID_MAX], struct error *error); /* corrupt: which artifact was found so */
void stage_release(struct stage *s);
struct harvest { /* what a step left behind */
    json_t *outputs; /* NULL: `problem` says what is wrong */
    int64_t bytes;
    char *problem;
    json_t *written; /* by a step with `expand` */
    json_t *metrics; /* {name: number} that it told beside its outputs (protocol kfp); NULL = none */
    bool storage;    /* the problem is ours: no room, ... */
};
void flow_harvest(struct artifacts *a, const struct pipeline *p, const struct step *s, const char *dir, struct harvest *out);
void harvest_free(struct harvest *h);

/* --- flow_schedule.c */
enum err flows_open(struct core *c, struct error *error); /* directories, artifacts */
enum err flow_schedule(struct core *c, struct flow *f, struct error *error); /* what follows from its present state */
enum err flow_deadlines(struct core *c, struct error *error);  /* what has become due */
enum err flow_recover(struct core *c, struct error *error);    /* at a start */
void flow_start_effect(struct core *c, const struct effect *e);

/* --- flow_sweep.c */
enum err flow_sweep(struct core *c, struct error *error); /* when it is time: unused artifacts go, and what the cache was not asked for */

/* --- apply_schedule.c */
enum err schedules_load(struct core *c, struct error *error);
enum err schedules_fire(struct core *c, struct error *error); /* what has come due */
void schedules_free(struct core *c);

/* --- apply_step.c: what backends tell of a step's attempt */
struct node *step_of(struct core *c, const struct run_event *e); /* NULL: that attempt is not the present one */
enum err step_not_taken(struct core *c, const struct run_event *e, struct error *error);
enum err step_output(struct core *c, const struct run_event *e, struct error *error);
enum err step_status(struct core *c, struct run_event *e, struct error *error);

/* --- flow_make.c: runs are made here */
struct flow_ask {
    const char *project;
    const json_t *document, *code; /* of the pipeline */
    const char *key;               /* "" = none */
    const json_t *params, *origin, *labels; /* origin, labels may be NULL */
    int64_t experiment_id, trial, schedule_id;
};
enum err flow_version(struct core *c, const struct flow_ask *ask, int64_t *pipeline_id, struct command *command, struct error *error); /* its pipeline is stored */
enum err flow_remove(struct core *c, struct flow *f, struct error *error); /* with all that hangs on it */
enum err flow_make(struct core *c, const struct flow_ask *ask, struct flow **out, struct command *command, struct error *error); /* command: takes the places of problems; may be NULL */

#endif
