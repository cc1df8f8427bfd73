/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "world.h"

#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_RUNS 4000
#define MAX_TRIALS 1000
#define STEP_MS 100

struct run {
    char key[80];
    double value;
    int64_t begin_at, end_at;
    json_t *params;           /* of one that trains */
    int64_t from, at, target; /* its steps: where it began, stands, ends */
    bool alive, followed, told;
    int printed;
    enum backend_phase phase;
    enum backend_cause cause;
};

static struct {
    char dir[200];
    uint64_t state;
    int64_t now;
    struct store *store;
    struct core *core;
    const struct backend_host *host;
    struct run *runs;
    size_t n_runs, n_starts;
    int64_t checkpoint[MAX_TRIALS], began[MAX_TRIALS]; /* by trial: a step; began: -1 = not yet */
    int64_t steps_taken;
    bool cut; /* nothing that the service does reaches the outside, and no answer its caller */
    sem_t watch;
} world;

double (*world_objective)(const json_t *params);
double (*world_curve)(const json_t *params, int64_t step);
int64_t world_steps, world_stretch;
int world_fail_percent, world_lost_percent;

uint64_t world_draw(uint64_t n)
{
    world.state = world.state * 6364136223846793005u + 1442695040888963407u;
    return (world.state >> 33) % n;
}

/* --- the clock */

static int64_t mono(void)
{
    return world.now;
}

static int64_t wall(void)
{
    return 1700000000000 + world.now;
}

/* --- the backend */

struct backend_conn {
    int unused;
};

static enum err backend_open(const struct backend_host *host, struct backend_conn **out, struct error *error)
{
    (void)error;
    world.host = host;
    *out = X_NEW(struct backend_conn);
    return OK;
}

static void backend_close(struct backend_conn *conn)
{
    free(conn);
}

static void backend_watch(struct backend_conn *conn)
{
    (void)conn;
    while (sem_wait(&world.watch) != 0)
        ;
}

static void backend_stop_watch(struct backend_conn *conn)
{
    (void)conn;
    (void)sem_post(&world.watch);
}

static struct run *run_find(const char *key)
{
    for (size_t i = 0; i < world.n_runs; i++)
        if (!strcmp(world.runs[i].key, key))
            return &world.runs[i];
    return NULL;
}

static int64_t trial_of(const char *key)
{
    int64_t trial = atoll(strchr(key + 2, '-') + 1);
    assert_true(trial > 0 && trial < MAX_TRIALS);
    return trial;
}

static void begin_training(struct run *r, const struct backend_job *job)
{
    r->params = json_incref((json_t *)(uintptr_t)job->params);
    r->begin_at = world.now;
    if (world.began[job->trial] < 0) {
        world.checkpoint[job->trial] = world.checkpoint[job->parent];
        world.began[job->trial] = world.checkpoint[job->trial];
    }
    r->from = r->at = world.checkpoint[job->trial];
    r->target = job->budget ? job->budget : world_stretch ? world.began[job->trial] + world_stretch : world_steps;
    r->end_at = INT64_MAX;
    if (r->phase == PHASE_FAILED && r->target > r->from) /* somewhere on the way */
        r->target = r->from + (int64_t)world_draw((uint64_t)(r->target - r->from));
}

static void train(struct run *r)
{
    while (r->alive && r->at < r->target && r->begin_at + (r->at - r->from + 1) * STEP_MS <= world.now) {
        r->at++;
        world.steps_taken++;
        world.checkpoint[trial_of(r->key)] = r->at;
    }
    if (r->at >= r->target)
        r->alive = false;
}

static enum err backend_submit(struct backend_conn *conn, const struct backend_job *job, struct error *error)
{
    (void)conn;
    (void)error;
    if (world.cut)
        return OK;
    struct run *r = run_find(job->run_key);
    if (!r) {
        assert_true(world.n_runs < MAX_RUNS);
        r = &world.runs[world.n_runs++];
        *r = (struct run){.alive = true, .value = world_curve ? NAN : world_objective(job->params), .end_at = world.now + 100 + (int64_t)world_draw(3000)};
        (void)snprintf(r->key, sizeof r->key, "%s", job->run_key);
        int fate = (int)world_draw(100);
        r->phase = fate < world_fail_percent + world_lost_percent ? PHASE_FAILED : PHASE_SUCCEEDED;
        r->cause = fate < world_fail_percent ? CAUSE_USER : fate < world_fail_percent + world_lost_percent ? CAUSE_LOST : CAUSE_NONE;
        world.n_starts++;
        if (world_curve)
            begin_training(r, job);
    }
    r->followed = true;
    r->told = false;
    r->printed = atoi(job->cursor);
    return OK;
}

static enum err backend_cancel(struct backend_conn *conn, const char *key, double grace_s, struct error *error)
{
    (void)conn;
    (void)grace_s;
    (void)error;
    struct run *r = world.cut ? NULL : run_find(key);
    if (r && r->alive) {
        r->phase = PHASE_STOPPED;
        r->cause = CAUSE_NONE;
        r->end_at = world.now;
    }
    return OK;
}

static enum err backend_logs(struct backend_conn *conn, const char *key, enum backend_stream stream, int64_t offset, size_t max,
                             struct buf *out, int64_t *next, bool *end, struct error *error)
{
    (void)conn, (void)key, (void)stream, (void)offset, (void)max, (void)out, (void)next, (void)end;
    return err_set(error, ERR_NOT_FOUND, NULL, "a simulated run has no log");
}

static void backend_forget(struct backend_conn *conn, const char *key, bool drop)
{
    (void)conn, (void)key, (void)drop;
}

static const struct backend scripted = {
    .name = "process",
    .title = "Simulated runs",
    .survives_host = true,
    .open = backend_open,
    .close = backend_close,
    .watch = backend_watch,
    .stop_watch = backend_stop_watch,
    .submit = backend_submit,
    .cancel = backend_cancel,
    .logs = backend_logs,
    .forget = backend_forget,
};

/* These take the place of backends/registry.c at linking. */
const struct backend *const backends[] = {&scripted, NULL};

const struct backend *backend_find(const char *name)
{
    return strcmp(name, "process") ? NULL : &scripted;
}

static bool has_a_line(const struct run *r)
{
    if (world_curve)
        return r->from + r->printed < r->at;
    return r->printed < 3 && (!r->alive || world.now > r->end_at - 100 * (3 - r->printed));
}

static void print_line(struct run *r)
{
    char line[80], cursor[16];
    const int64_t step = r->from + ++r->printed;
    int n = world_curve ? snprintf(line, sizeof line, "step=%lld loss=%.17g\n", (long long)step, world_curve(r->params, step))
                        : snprintf(line, sizeof line, "loss=%.17g\n", r->value);
    (void)snprintf(cursor, sizeof cursor, "%d", r->printed);
    world.host->output(world.host->ctx, r->key, line, (size_t)n, cursor);
}

/* Each run prints a line a step, then its end is told, again after each adoption. */
static void runs_go_on(void)
{
    for (size_t i = 0; i < world.n_runs; i++) {
        struct run *r = &world.runs[i];
        if (world_curve)
            train(r);
        if (r->alive && r->end_at <= world.now)
            r->alive = false;
        if (!r->followed || r->told)
            continue;
        while (has_a_line(r))
            print_line(r);
        if (r->alive)
            continue;
        struct backend_status s = {.phase = r->phase, .cause = r->cause, .exit_code = r->phase == PHASE_FAILED, .signal = -1};
        r->told = true;
        world.host->status(world.host->ctx, r->key, &s);
    }
}

/* --- the service */

static void start(void)
{
    static const struct core_clock clock = {wall, mono};
    struct error error;
    enum err err = store_open(world.dir, &world.store, &error);
    if (err)
        fail_msg("store: %s", error.detail);
    struct core_config config = {.clock = &clock, .store = world.store, .data_dir = world.dir, .url = "http://127.0.0.1:1", .workers = 0};
    err = core_open(&config, &world.core, &error);
    if (err)
        fail_msg("core: %s", error.detail);
}

static void release_runs(void)
{
    for (size_t i = 0; i < world.n_runs; i++)
        json_decref(world.runs[i].params);
    free(world.runs);
    world.runs = NULL;
    world.n_runs = 0;
}

void world_begin(uint64_t seed, const char *dir)
{
    char clean[240];
    (void)snprintf(clean, sizeof clean, "rm -rf '%s' && mkdir -p '%s'", dir, dir);
    assert_int_equal(system(clean), 0);
    release_runs();
    memset(&world, 0, sizeof world);
    (void)snprintf(world.dir, sizeof world.dir, "%s", dir);
    world.state = seed * 2654435761u + 1;
    world.now = 1000000;
    world.runs = x_calloc(MAX_RUNS, sizeof *world.runs);
    for (size_t i = 0; i < MAX_TRIALS; i++)
        world.began[i] = -1;
    (void)sem_init(&world.watch, 0, 0);
    start();
}

void world_end(void)
{
    core_close(world.core);
    store_close(world.store);
    release_runs();
    (void)sem_destroy(&world.watch);
}

static void done(struct command *command)
{
    struct call *call = command->arg;
    call->waiting = false;
    if (world.cut)
        command_free(command);
    else
        call->command = command;
}

void world_kill(bool effects_lost)
{
    if (effects_lost) {
        world.cut = true;
        (void)core_turn(world.core, 0);
    }
    world.cut = true;
    bool closed;
    struct queue_item *next;
    for (struct queue_item *q = queue_take(&world.core->queue, SIZE_MAX, 0, &closed); q; q = next) {
        struct command *command = (struct command *)q;
        next = q->next;
        if (command->done)
            done(command);
        else
            command_free(command);
    }
    world.core->wake = NEVER; /* what is closed now does nothing more */
    core_close(world.core);
    store_close(world.store);
    for (size_t i = 0; i < world.n_runs; i++)
        world.runs[i].followed = false;
    world.cut = false;
    start();
}

void world_turn(void)
{
    runs_go_on();
    for (int i = 0; i < 20; i++)
        (void)core_turn(world.core, 0);
}

void world_pass(int64_t ms)
{
    world.now += ms;
}

struct command *world_command(enum command_kind kind, const char *experiment, int64_t trial, json_t *body)
{
    struct command *c = command_new(kind);
    c->project = x_strdup("default");
    c->experiment = x_strdup(experiment);
    c->trial = trial;
    c->body = body;
    return c;
}

void world_send(struct call *call, struct command *command)
{
    *call = (struct call){.waiting = true};
    command->arg = call;
    command->done = done;
    assert_true(core_submit(world.core, command));
}

json_t *world_do(enum command_kind kind, const char *experiment, int64_t trial, json_t *body)
{
    struct call call;
    world_send(&call, world_command(kind, experiment, trial, body));
    for (int i = 0; i < 100 && !call.command; i++)
        world_turn();
    assert_non_null(call.command);
    if (call.command->error.code)
        fail_msg("%s: %s", call.command->error.name, call.command->error.detail);
    json_t *reply = command_reply(call.command);
    command_free(call.command);
    return reply;
}

void world_create(const char *yaml)
{
    struct problems problems = {0};
    struct command *c = world_command(CMD_EXPERIMENT_CREATE, "", 0, NULL);
    c->spec = spec_parse(yaml, strlen(yaml), core_catalog(), &problems);
    if (!c->spec)
        fail_msg("%s: %s", problems.items[0].pointer, problems.items[0].detail);
    problems_release(&problems);
    struct call call;
    world_send(&call, c);
    world_turn();
    assert_non_null(call.command);
    assert_int_equal(call.command->error.code, OK);
    command_free(call.command);
}

struct db *world_db(void)
{
    return store_writer(world.store);
}

size_t world_starts(void)
{
    return world.n_starts;
}

size_t world_runs_alive(void)
{
    size_t n = 0;
    for (size_t i = 0; i < world.n_runs; i++)
        n += world.runs[i].alive;
    return n;
}

int64_t world_steps_taken(void)
{
    return world.steps_taken;
}
