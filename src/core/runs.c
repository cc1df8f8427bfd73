/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between the core and the backends: calls go out as jobs in workers, what backends tell comes back as commands.
 *
 * The tracker holds, for each run a backend follows, whose it is (a trial's, or a step's of a pipeline) and the collector that reads its output. It is
 * filled by the core, emptied by workers and used by the backend's watch thread, so it has a lock; the lock is never held over a call. */
#include "core/flow.h"

#include "backends/trial_env.h"
#include "collectors/collector.h"

#include <string.h>

struct tracked {
    UT_hash_handle hh;
    char run_key[80];
    int64_t experiment, trial, attempt, replicate;
    int64_t owner, seq;        /* of a step's attempt: its run and row; 0 = it is a trial's */
    const struct collector *collector;
    void *parser;
    struct connection *connection;
    struct plan *plan;         /* of a trial, else NULL */
    struct flow_plan *flow;    /* of a step, with its pipeline and itself in it */
    const struct pipeline *pipeline;
    const struct step *step;
    unsigned wanted_seen; /* bits; SPEC_MAX_WANTED fit */
    _Atomic int64_t heard_ms;

    /* with the mutex */
    bool submitting;      /* a submit is under way: a cancel waits for it */
    bool cancel_asked;
    double grace_s;
};

struct tracker {
    pthread_mutex_t mutex;
    struct tracked *runs;
    struct core *core;
};

static struct tracked *find(struct tracker *t, const char *run_key)
{
    struct tracked *r;
    (void)pthread_mutex_lock(&t->mutex);
    HASH_FIND(hh, t->runs, run_key, strlen(run_key), r);
    (void)pthread_mutex_unlock(&t->mutex);
    return r;
}

/* A run has one watch thread, and is tracked before that thread can know it and until it has told the end, so the pointer stays good there. */
static void track(struct tracker *t, struct tracked *r)
{
    (void)pthread_mutex_lock(&t->mutex);
    HASH_ADD(hh, t->runs, run_key[0], strlen(r->run_key), r);
    (void)pthread_mutex_unlock(&t->mutex);
}

/* A submit begins. False: the run is not tracked yet. */
static bool submit_begins(struct tracker *t, const char *run_key)
{
    struct tracked *r;
    (void)pthread_mutex_lock(&t->mutex);
    HASH_FIND(hh, t->runs, run_key, strlen(run_key), r);
    if (r)
        r->submitting = true;
    (void)pthread_mutex_unlock(&t->mutex);
    return r != NULL;
}

/* A submit has ended; true: the run was to be stopped meanwhile. It may be over already, and not tracked any more. */
static bool submit_ends(struct tracker *t, const char *run_key, double *grace_s)
{
    struct tracked *r;
    (void)pthread_mutex_lock(&t->mutex);
    HASH_FIND(hh, t->runs, run_key, strlen(run_key), r);
    bool asked = r && r->cancel_asked;
    if (r) {
        *grace_s = r->grace_s;
        r->submitting = r->cancel_asked = false;
    }
    (void)pthread_mutex_unlock(&t->mutex);
    return asked;
}

/* True: a submit of the run is under way, and whoever does it will stop it. */
static bool cancel_waits(struct tracker *t, const char *run_key, double grace_s)
{
    struct tracked *r;
    (void)pthread_mutex_lock(&t->mutex);
    HASH_FIND(hh, t->runs, run_key, strlen(run_key), r);
    bool waits = r && r->submitting;
    if (waits) {
        r->cancel_asked = true;
        r->grace_s = grace_s;
    }
    (void)pthread_mutex_unlock(&t->mutex);
    return waits;
}

static void tracked_free(struct tracked *r)
{
    if (r->collector)
        r->collector->close(r->parser);
    plan_unref(r->plan);
    flow_plan_unref(r->flow);
    free(r);
}

static void untrack(struct tracker *t, struct tracked *r)
{
    (void)pthread_mutex_lock(&t->mutex);
    HASH_DEL(t->runs, r);
    (void)pthread_mutex_unlock(&t->mutex);
    tracked_free(r);
}

void run_event_free(void *run_event)
{
    struct run_event *e = run_event;
    for (size_t i = 0; i < e->n_points; i++)
        x_free(e->points[i].metric);
    free(e->points);
    free(e->cursor);
    free(e->tail);
    json_decref(e->metrics);
    harvest_free(e->harvest);
    free(e);
}

static struct run_event *event_for(const struct tracked *r)
{
    struct run_event *e = X_NEW(struct run_event);
    e->experiment = r->experiment;
    e->trial = r->trial;
    e->attempt = r->attempt;
    e->run = r->owner;
    e->step = r->seq;
    (void)snprintf(e->run_key, sizeof e->run_key, "%s", r->run_key);
    return e;
}

static void send(struct core *c, enum command_kind kind, struct run_event *e)
{
    struct command *command = command_new(kind);
    command->inside = e;
    command->inside_free = run_event_free;
    if (!core_submit(c, command)) /* stopping: the next start adopts the run and hears it again */
        command_free(command);
}

/* --- from the backends' watch threads */

struct gathering {
    struct run_event *event;
    size_t cap;
    struct tracked *run;
};

static void gather(void *arg, const struct point *p)
{
    struct gathering *g = arg;
    struct run_event *e = g->event;
    const struct spec *spec = g->run->plan ? g->run->plan->spec : NULL;
    for (size_t i = 0; spec && i < spec->n_wanted; i++)
        if (!strcmp(p->metric, spec->wanted[i]))
            g->run->wanted_seen |= 1u << i;
    if (e->n_points == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 16;
        e->points = x_realloc(e->points, g->cap * sizeof *e->points);
    }
    e->points[e->n_points++] = (struct measurement){.metric = x_strdup(p->metric),
                                                    .step = p->step,
                                                    .attempt = g->run->attempt,
                                                    .replicate = g->run->replicate,
                                                    .time_ms = p->time_ms ? p->time_ms : clock_wall_ms(),
                                                    .value = p->value};
}

static void feed(struct core *c, struct tracked *r, const char *data, size_t len, bool end, const char *cursor)
{
    if (!r->collector)
        return;
    struct gathering g = {.event = event_for(r), .run = r};
    r->collector->feed(r->parser, data, len, end, gather, &g);
    if (!g.event->n_points) { /* the cursor need not be kept: reading these bytes again gives nothing either */
        run_event_free(g.event);
        return;
    }
    char *saved CLEANUP_FREE = r->collector->save(r->parser);
    json_t *both = json_pack("{s:s, s:s}", "backend", cursor, "parser", saved);
    g.event->cursor = json_dumps(both, JSON_COMPACT);
    json_decref(both);
    send(c, CMD_RUN_OUTPUT, g.event);
}

static void on_output(void *ctx, const char *run_key, const char *data, size_t len, const char *cursor)
{
    struct core *c = ctx;
    struct tracked *r = find(c->tracker, run_key);
    if (!r)
        return;
    atomic_store(&r->heard_ms, clock_wall_ms());
    feed(c, r, data, len, false, cursor);
}

/* What a step left behind is read and kept by a worker; then its end is told. */
struct gather_step {
    struct job job;
    struct core *core;
    struct run_event *event;
    struct flow_plan *flow;
    const struct pipeline *pipeline;
    const struct step *step;
};

static void gather_outputs(struct job *job)
{
    struct gather_step *g = (struct gather_step *)job;
    char *dir CLEANUP_FREE = flow_dir(g->core, g->step->backend, g->event->run_key);
    g->event->harvest = X_NEW(struct harvest);
    flow_harvest(g->core->artifacts, g->pipeline, g->step, dir, g->event->harvest);
    send(g->core, CMD_RUN_STATUS, g->event);
    flow_plan_unref(g->flow);
    free(g);
}

/* Nothing is to be copied or synced: reading a small file here is quicker than waking a worker. */
static bool is_little(const struct step *s)
{
    bool little = !s->expand && !s->kfp;
    for (size_t i = 0; i < s->n_outputs; i++)
        little &= !type_is_artifact(s->outputs[i].type);
    return little;
}

static void step_succeeded(struct core *c, const struct tracked *r, struct run_event *e)
{
    struct gather_step *g = X_NEW(struct gather_step);
    *g = (struct gather_step){.job.run = gather_outputs, .core = c, .event = e, .flow = flow_plan_ref(r->flow), .pipeline = r->pipeline, .step = r->step};
    if (is_little(r->step) || !pool_submit(c->pool, &g->job))
        gather_outputs(&g->job);
}

static void on_status(void *ctx, const char *run_key, const struct backend_status *status)
{
    struct core *c = ctx;
    struct tracked *r = find(c->tracker, run_key);
    if (!r)
        return;
    bool final = status->phase == PHASE_SUCCEEDED || status->phase == PHASE_FAILED || status->phase == PHASE_STOPPED;
    if (final)
        feed(c, r, "", 0, true, "end");
    struct run_event *e = event_for(r);
    e->status = *status;
    e->status.metrics = NULL;
    e->metrics = json_deep_copy(status->metrics);
    bool all_seen = !r->plan || r->wanted_seen + 1 == 1u << r->plan->spec->n_wanted;
    if (status->phase == PHASE_FAILED || (final && !all_seen)) /* what is missing may have been reported in another way */
        e->tail = backend_log_tail(r->connection->backend, r->connection->conn, r->run_key);
    bool left_behind = r->step && status->phase == PHASE_SUCCEEDED;
    if (left_behind)
        step_succeeded(c, r, e);
    if (final)
        untrack(c->tracker, r);
    if (!left_behind)
        send(c, CMD_RUN_STATUS, e);
}

/* --- jobs */

struct submit {
    struct job job;
    struct core *core;
    struct connection *connection;
    struct run_event *event;
    struct backend_job what; /* its texts are those below */
    struct plan *plan;       /* of a trial */
    struct stage *stage;     /* of a step */
    json_t *run_json, *params;
    char *project, *experiment, *trial_name, *token, *cursor, *checkpoint, *checkpoint_from;
};

static void submit_free(struct submit *s)
{
    json_decref(s->params);
    json_decref(s->run_json);
    plan_unref(s->plan);
    if (s->stage)
        stage_release(s->stage);
    free(s->stage);
    free(s->project);
    free(s->experiment);
    free(s->trial_name);
    free(s->token);
    free(s->cursor);
    free(s->checkpoint);
    free(s->checkpoint_from);
    free(s);
}

static void submit_run(struct job *job)
{
    struct submit *s = (struct submit *)job;
    struct run_event *e = s->event;
    double grace_s;
    e->error.code = s->stage ? flow_stage(s->core->artifacts, s->stage, e->artifact, &e->error) : OK;
    if (!e->error.code)
        e->error.code = s->connection->backend->submit(s->connection->conn, &s->what, &e->error);
    atomic_fetch_add(&s->core->n_submits, 1);
    bool to_stop = submit_ends(s->core->tracker, e->run_key, &grace_s);
    if (e->error.code) {
        struct tracked *r = find(s->core->tracker, e->run_key);
        if (r)
            untrack(s->core->tracker, r);
        send(s->core, CMD_SUBMIT_FAILED, e);
    } else {
        if (to_stop)
            (void)s->connection->backend->cancel(s->connection->conn, e->run_key, grace_s, NULL);
        run_event_free(e);
    }
    submit_free(s);
}

static struct tracked *new_tracked(struct connection *conn, const char *run_key)
{
    struct tracked *r = X_NEW(struct tracked);
    (void)snprintf(r->run_key, sizeof r->run_key, "%s", run_key);
    r->connection = conn;
    r->submitting = true;
    atomic_init(&r->heard_ms, clock_wall_ms());
    return r;
}

static void restore_parser(struct tracked *r, const json_t *cursor)
{
    const char *saved = json_string_value(json_object_get(cursor, "parser"));
    if (r->collector && saved)
        r->collector->restore(r->parser, saved);
}

/* `text`: the attempt's cursor; `run`: to be tracked, NULL when it is. */
static struct submit *new_submit(struct core *c, struct connection *conn, const char *run_key, const char *text, struct tracked *run)
{
    struct submit *s = X_NEW(struct submit);
    json_t *cursor = json_loads(text, 0, NULL);
    const char *at = json_string_value(json_object_get(cursor, "backend"));
    if (run) {
        restore_parser(run, cursor);
        track(c->tracker, run);
    }
    s->job.run = submit_run;
    s->core = c;
    s->connection = conn;
    s->cursor = x_strdup(at ? at : "");
    s->event = X_NEW(struct run_event);
    (void)snprintf(s->event->run_key, sizeof s->event->run_key, "%s", run_key);
    json_decref(cursor);
    return s;
}

/* The rest of what is told to the backend, once the texts are there. */
static void start_submit(struct submit *s)
{
    s->what.run_key = s->event->run_key;
    s->what.project = s->project;
    s->what.experiment = s->experiment;
    s->what.trial_name = s->trial_name;
    s->what.params = s->params;
    s->what.url = s->core->url;
    s->what.token = s->token;
    s->what.cursor = s->cursor;
    s->what.checkpoint = s->checkpoint;
    s->what.checkpoint_from = s->checkpoint_from;
    if (!pool_submit(s->core->pool, &s->job))
        submit_run(&s->job); /* cannot happen while the core runs; still never lose it */
}

void runs_submit(struct core *c, struct live *l, struct live_trial *t)
{
    struct connection *conn = runs_connection(c, l->plan->spec->backend);
    if (!conn)
        return;
    const char *key = t->attempt->run_key;
    struct tracked *r = submit_begins(c->tracker, key) ? NULL : new_tracked(conn, key);
    if (r) {
        r->experiment = l->id;
        r->trial = t->number;
        r->attempt = t->row->attempt;
        r->replicate = t->row->replicate;
        r->plan = plan_ref(l->plan);
        r->collector = collector_open(l->plan->spec, &r->parser);
    }
    struct submit *s = new_submit(c, conn, key, t->attempt->cursor, r);
    s->plan = plan_ref(l->plan);
    s->event->experiment = l->id;
    s->event->trial = t->number;
    s->event->attempt = t->row->attempt;
    s->params = json_loads(t->row->params, 0, NULL);
    s->project = x_strdup(l->row->project);
    s->experiment = x_strdup(l->row->name);
    s->trial_name = x_asprintf("%s-%lld", l->row->name, (long long)t->number);
    s->token = c->config.trial_token ? c->config.trial_token(c->config.arg, l->row->uid, t->number, t->row->attempt) : NULL;
    s->what = (struct backend_job){.trial = t->number,
                                   .attempt = t->row->attempt,
                                   .replicate = t->row->replicate,
                                   .run = l->plan->spec->run,
                                   .names = l->plan->names,
                                   .seed = trial_seed((uint64_t)l->row->seed, t->number, t->row->replicate),
                                   .budget = stop_rule_budget(c, l, t),
                                   .parent = l->plan->algorithm->continues ? lineage_of(t->row->origin).parent : 0,
                                   .time_limit_s = l->plan->spec->trial_time_limit_s};
    start_submit(s);
}

static json_int_t number_of(const json_t *origin, const char *member)
{
    return json_integer_value(json_object_get(origin, member));
}

static struct tracked *track_step(struct connection *conn, struct node *n)
{
    struct tracked *r = new_tracked(conn, n->attempt->run_key);
    const json_t *origin = n->frame->flow->origin;
    const char *format = json_string_value(json_object_get(n->step->metrics, "format"));
    r->attempt = number_of(origin, "attempt");
    r->replicate = number_of(origin, "replicate");
    r->owner = n->frame->flow->id;
    r->seq = n->seq;
    r->flow = flow_plan_ref(n->frame->plan);
    r->pipeline = n->frame->pipeline;
    r->step = n->step;
    r->collector = collector_find(format ? format : "auto");
    const char *none[] = {NULL};
    struct problems ignored = {0};
    r->parser = r->collector ? r->collector->open(n->step->metrics, none, &ignored) : NULL;
    problems_release(&ignored);
    if (!r->parser)
        r->collector = NULL;
    return r;
}

void runs_submit_step(struct core *c, struct node *n, json_t *run, struct stage *stage)
{
    static const char *const no_names[] = {NULL};
    struct flow *f = n->frame->flow;
    struct connection *conn = runs_connection(c, n->step->backend);
    const char *key = n->attempt->run_key, *experiment = json_string_value(json_object_get(f->origin, "experiment")), *uid = json_string_value(json_object_get(f->origin, "experiment_uid"));
    struct submit *s = new_submit(c, conn, key, n->attempt->cursor, submit_begins(c->tracker, key) ? NULL : track_step(conn, n));
    s->stage = stage;
    s->run_json = json_deep_copy(run); /* a worker shares no JSON with this thread: counting references is not made for two */
    s->params = json_deep_copy(f->params);
    json_decref(run);
    s->event->run = f->id;
    s->event->step = n->seq;
    s->event->attempt = n->row->attempt;
    s->project = x_strdup(f->row->project);
    s->experiment = x_strdup(experiment ? experiment : "");
    s->trial_name = x_strdup(f->row->pipeline);
    const json_int_t trial = number_of(f->origin, "trial");
    if (trial && uid && c->config.trial_token)
        s->token = c->config.trial_token(c->config.arg, uid, trial, number_of(f->origin, "attempt"));
    s->what = (struct backend_job){.trial = trial,
                                   .attempt = n->row->attempt,
                                   .replicate = number_of(f->origin, "replicate"),
                                   .run = s->run_json,
                                   .names = no_names,
                                   .seed = trial ? (uint64_t)number_of(f->origin, "seed") : trial_seed((uint64_t)f->id, 0, 0),
                                   .budget = number_of(f->origin, "budget"),
                                   .time_limit_s = n->step->attempt_timeout_s,
                                   .final_texts = true};
    flow_checkpoint(n, &s->checkpoint, &s->checkpoint_from);
    start_submit(s);
}

int64_t runs_heard(struct core *c, const char *run_key)
{
    struct tracked *r = find(c->tracker, run_key);
    return r ? atomic_load(&r->heard_ms) : 0;
}

struct call {
    struct job job;
    struct connection *connection;
    char *run_key;
    enum effect_kind kind;
    double grace_s;
    bool drop;
};

static void call_run(struct job *job)
{
    struct call *k = (struct call *)job;
    if (k->kind == EFFECT_CANCEL)
        (void)k->connection->backend->cancel(k->connection->conn, k->run_key, k->grace_s, NULL); /* a lost cancel is asked again at the next start */
    else
        k->connection->backend->forget(k->connection->conn, k->run_key, k->drop);
    free(k->run_key);
    free(k);
}

static void call(struct core *c, const struct call *what, const char *backend, const char *run_key)
{
    struct connection *conn = runs_connection(c, backend);
    if (!conn || !*run_key)
        return;
    struct call *k = X_NEW(struct call);
    *k = *what;
    k->job.run = call_run;
    k->connection = conn;
    k->run_key = x_strdup(run_key);
    if (!pool_submit(c->pool, &k->job))
        call_run(&k->job);
}

void runs_cancel(struct core *c, const char *backend, const char *run_key, double grace_s)
{
    if (!cancel_waits(c->tracker, run_key, grace_s))
        call(c, &(struct call){.kind = EFFECT_CANCEL, .grace_s = grace_s}, backend, run_key);
}

void runs_forget(struct core *c, const char *backend, const char *run_key, bool drop)
{
    const struct connection *conn = runs_connection(c, backend);
    if (drop || (conn && !conn->backend->keeps_nothing))
        call(c, &(struct call){.kind = EFFECT_FORGET, .drop = drop}, backend, run_key);
}

/* --- connections */

struct connection *runs_connection(struct core *c, const char *backend)
{
    for (size_t i = 0; backend && i < c->n_connections; i++)
        if (!strcmp(c->connections[i].backend->name, backend))
            return &c->connections[i];
    return NULL;
}

static const char *setting(void *ctx, const char *name)
{
    struct core *c = ctx;
    return c->config.setting ? c->config.setting(c->config.arg, name) : "";
}

enum err runs_open(struct core *c, struct error *error)
{
    c->tracker = X_NEW(struct tracker);
    (void)pthread_mutex_init(&c->tracker->mutex, NULL);
    size_t n = 0;
    while (backends[n])
        n++;
    c->connections = x_calloc(n + 1, sizeof *c->connections);
    for (size_t i = 0; i <= n; i++) {
        struct connection *conn = &c->connections[i];
        conn->backend = i < n ? backends[i] : &backend_pipeline;
        conn->host = (struct backend_host){.ctx = c, .data_dir = c->data_dir, .setting = setting, .status = on_status, .output = on_output};
        enum err err = conn->backend->open(&conn->host, &conn->conn, error);
        if (err)
            return err;
        c->n_connections = i + 1;
    }
    return OK;
}

static void *watch(void *arg)
{
    struct connection *conn = arg;
    conn->backend->watch(conn->conn);
    return NULL;
}

void runs_start(struct core *c)
{
    for (size_t i = 0; i < c->n_connections; i++)
        c->connections[i].watching = !pthread_create(&c->connections[i].thread, NULL, watch, &c->connections[i]);
}

void runs_stop(struct core *c)
{
    for (size_t i = 0; i < c->n_connections; i++) {
        if (!c->connections[i].watching)
            continue;
        c->connections[i].backend->stop_watch(c->connections[i].conn);
        (void)pthread_join(c->connections[i].thread, NULL);
        c->connections[i].watching = false;
    }
}

void runs_close(struct core *c)
{
    for (size_t i = 0; i < c->n_connections; i++)
        c->connections[i].backend->close(c->connections[i].conn);
    free(c->connections);
    struct tracked *r, *next;
    if (!c->tracker)
        return;
    HASH_ITER(hh, c->tracker->runs, r, next)
    untrack(c->tracker, r);
    (void)pthread_mutex_destroy(&c->tracker->mutex);
    free(c->tracker);
}
