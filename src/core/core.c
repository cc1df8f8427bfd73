/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The core thread: takes what waits, applies it in one transaction, commits, then answers and starts what follows.
 *
 * If a store call fails inside a batch the whole batch is rolled back, what is held in memory is read anew, and its commands are
 * applied one by one, each in a transaction of its own: so a bad one harms no neighbour, and the good case pays for no savepoints. */
#include "core/core.h"

#include "base/log.h"
#include "core/flow.h"

#include <string.h>

#define BATCH_MAX 256
#define GATHER_US 200 /* how long the first of those that were answered together waits for the others to come back */
#define EVENTS_KEPT 200000
#define PRUNE_EVERY 5000
#define SWEEP_ROWS 2000 /* of deleted experiments in one batch: some milliseconds, which is what others wait at most */

static apply_fn *const apply[CMD_COUNT] = {
#define COMMAND(NAME, function) [CMD_##NAME] = apply_##function,
#include "core/commands.def"
#undef COMMAND
};

struct command *command_new(enum command_kind kind)
{
    struct command *c = X_NEW(struct command);
    c->kind = kind;
    c->if_match = -1;
    c->trial_token_attempt = -1;
    c->http_status = 200;
    return c;
}

void command_free(struct command *c)
{
    if (!c)
        return;
    free(c->project);
    free(c->experiment);
    free(c->run);
    json_decref(c->body);
    spec_free(c->spec);
    free(c->idempotency_key);
    free(c->request_hash);
    if (c->inside_free)
        c->inside_free(c->inside);
    answer_clear(c);
    free(c->trials);
    free(c);
}

bool core_submit(struct core *c, struct command *command)
{
    return queue_push(&c->queue, &command->item);
}

size_t core_queue_length(struct core *c)
{
    return queue_length(&c->queue);
}

void core_stats(struct core *c, struct core_stats *out)
{
    *out = (struct core_stats){.commands = atomic_load(&c->n_commands),
                               .commits = atomic_load(&c->n_commits),
                               .events = atomic_load(&c->last_revision),
                               .suggestions = atomic_load(&c->n_suggestions),
                               .suggestion_us = atomic_load(&c->suggestion_us),
                               .submits = atomic_load(&c->n_submits),
                               .queue_length = (int64_t)core_queue_length(c)};
}

/* --- answers */

static void store_answer(struct core *c, struct command *command)
{
    /* a refusal is not kept: it has changed nothing, and what it was about (a trial that was not there yet) may be otherwise at the repeat */
    if (!command->idempotency_key || command->replayed || command->error.code)
        return;
    json_t *kept = command_reply(command);
    char *text CLEANUP_FREE = kept ? json_dumps(kept, JSON_COMPACT) : NULL;
    json_decref(kept);
    struct error error;
    if (idempotency_put(c->db, command->idempotency_key, command->request_hash, command->http_status, text ? text : "", c->now, &error))
        log_event(LOG_WARN, "idempotency.not_kept", "{s:s}", "detail", error.detail);
}

void answer(struct core *c, struct command *command, enum err code, const struct error *error)
{
    if (code && error)
        command->error = *error;
    command->error.code = code;
    store_answer(c, command);
    command->item.next = NULL;
    *c->answered_tail = command;
    c->answered_tail = (struct command **)&command->item.next;
}

/* The stored answer of an earlier request with this key. True if the command has its answer now. */
static bool replay(struct core *c, struct command *command, enum err *code, struct error *error)
{
    char *hash = NULL, *text = NULL;
    int status;
    enum err err = idempotency_get(c->db, command->idempotency_key, &hash, &status, &text, NULL);
    if (err)
        return false;
    command->replayed = true;
    command->http_status = status;
    if (strcmp(hash, command->request_hash) != 0) {
        *code = err_set(error, ERR_INVALID, "IDEMPOTENCY_MISMATCH", "this Idempotency-Key was used with another request; use a new key");
    } else {
        command->reply = *text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        *code = OK;
    }
    free(hash);
    free(text);
    return true;
}

/* --- one batch */

static void begin_batch(struct core *c)
{
    c->now = c->clock->wall_ms();
    c->mono = c->clock->mono_ms();
    c->n_touched = c->n_flows_touched = 0;
    c->schedules_changed = false;
    c->answered = NULL;
    c->answered_tail = &c->answered;
    c->to_park = NULL;
}

static void clear_effects(struct core *c)
{
    for (size_t i = 0; i < c->n_effects; i++)
        free(c->effects[i].run_key);
    c->n_effects = 0;
}

static bool is_fatal(enum err err)
{
    return err == ERR_STORAGE || err == ERR_INTERNAL;
}

/* A user's mistake is an answer; only a failure of the store is returned. */
static enum err apply_one(struct core *c, struct command *command, struct error *error)
{
    enum applied how = APPLIED;
    enum err err;
    if (!command->idempotency_key || !replay(c, command, &err, error))
        err = apply[command->kind](c, command, &how, error);
    if (is_fatal(err))
        return err;
    if (how == APPLIED_PARK) {
        command->item.next = (struct queue_item *)c->to_park;
        c->to_park = command;
    } else {
        answer(c, command, err, error);
    }
    return OK;
}

static enum err flush(struct core *c, struct error *error)
{
    enum err err = OK;
    for (size_t i = 0; i < c->n_flows_touched && !err; i++) /* a step's end may touch other runs: the list grows */
        err = flow_schedule(c, c->flows_touched[i], error);
    for (size_t i = 0; i < c->n_flows_touched && !err; i++)
        if (c->flows_touched[i]->dirty && !c->flows_touched[i]->deleted)
            err = run_update(c->db, c->flows_touched[i]->row, error);
    for (size_t i = 0; i < c->n_touched && !err; i++)
        err = schedule(c, c->touched[i], error); /* may touch more: the list grows */
    for (size_t i = 0; i < c->n_touched && !err; i++)
        if (c->touched[i]->dirty && !c->touched[i]->deleted)
            err = experiment_update(c->db, c->touched[i]->row, error);
    if (!err && c->revision > c->pruned_at + PRUNE_EVERY) {
        c->pruned_at = c->revision;
        err = event_prune(c->db, EVENTS_KEPT, error);
        if (!err)
            err = idempotency_prune(c->db, c->now - 24 * 3600 * 1000, error);
    }
    if (!err && c->garbage) {
        err = experiment_sweep(c->db, SWEEP_ROWS, &c->garbage, error);
        c->garbage &= !err; /* what is left is for the next start: it must not fail the commands again */
    }
    return err ? err : db_commit(c->db, error);
}

static void start_effects(struct core *c)
{
    for (size_t i = 0; i < c->n_effects; i++) {
        struct effect *e = &c->effects[i];
        struct live *l;
        struct live_trial *t = NULL;
        HASH_FIND(hh_id, c->by_id, &e->experiment, sizeof e->experiment, l);
        if (l)
            HASH_FIND(hh, l->trials, &e->trial, sizeof e->trial, t);
        double grace = 10;
        if (l && l->plan->spec->run)
            (void)spec_duration(json_object_get(l->plan->spec->run, "grace"), &grace);
        if (e->kind >= EFFECT_STEP_SUBMIT)
            flow_start_effect(c, e);
        else if (e->kind == EFFECT_SUGGEST && l)
            suggest_job(c, l);
        else if (e->kind == EFFECT_SUBMIT && t)
            runs_submit(c, l, t);
        else if (e->kind == EFFECT_CANCEL)
            runs_cancel(c, e->backend, e->run_key, grace);
        else if (e->kind == EFFECT_FORGET)
            runs_forget(c, e->backend, e->run_key, e->drop);
        if (e->kind == EFFECT_SUBMIT && t && t->row->state == TRIAL_STOPPING) /* since before a restart, or while it could not be submitted */
            runs_cancel(c, e->backend, e->run_key, grace);
    }
    clear_effects(c);
}

static void park(struct core *c)
{
    while (c->to_park) { /* the newest is first: each goes behind those that waited before it */
        struct command *command = c->to_park, **at;
        struct live *l = command->inside;
        c->to_park = (struct command *)command->item.next;
        command->item.next = NULL;
        for (at = &l->parked; *at; at = (struct command **)&(*at)->item.next)
            ;
        *at = command;
    }
}

static void tell(struct core *c)
{
    struct command *next;
    for (struct command *command = c->answered; command; command = next) {
        next = (struct command *)command->item.next;
        if (command->kind == CMD_TRIAL_SUGGEST)
            command->inside = NULL;
        if (command->done)
            command->done(command);
        else
            command_free(command);
    }
    c->answered = NULL;
    c->answered_tail = &c->answered;
}

static void let_go(struct core *c)
{
    for (size_t i = 0; i < c->n_flows_touched; i++)
        flow_evict(c, c->flows_touched[i]);
    for (size_t i = 0; i < c->n_touched; i++)
        live_evict(c, c->touched[i]);
    c->n_touched = c->n_flows_touched = 0;
}

/* After COMMIT: nothing here can undo it. */
static void finish_batch(struct core *c)
{
    int64_t changed[64];
    size_t n = 0;
    atomic_fetch_add(&c->n_commits, 1);
    atomic_store(&c->last_revision, c->revision);
    park(c);
    start_effects(c);
    tell(c);
    for (size_t i = 0; i < c->n_touched; i++) {
        struct live *l = c->touched[i];
        if (l->dirty && c->config.on_change) {
            changed[n++] = l->id;
            if (n == ARRAY_LEN(changed)) {
                c->config.on_change(c->config.arg, &(struct core_change){c->revision, changed, n});
                n = 0;
            }
        }
        l->dirty = l->touched = false;
    }
    for (size_t i = 0; i < c->n_flows_touched; i++) {
        struct flow *f = c->flows_touched[i];
        if (f->dirty && c->config.on_change) {
            changed[n++] = -f->id;
            if (n == ARRAY_LEN(changed)) {
                c->config.on_change(c->config.arg, &(struct core_change){c->revision, changed, n});
                n = 0;
            }
        }
        f->dirty = f->touched = false;
    }
    if (n)
        c->config.on_change(c->config.arg, &(struct core_change){c->revision, changed, n});
    let_go(c);
}

/* Undoes what the batch did in memory; gives back the commands it had taken, in order. */
static struct command *undo_batch(struct core *c)
{
    db_rollback(c->db);
    clear_effects(c);
    struct command *commands = NULL, **tail = &commands, *next;
    struct command *lists[] = {c->answered, c->to_park};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (struct command *command = lists[k]; command; command = next) {
            next = (struct command *)command->item.next;
            answer_clear(command);
            command->error = (struct error){0};
            command->item.next = NULL;
            command->http_status = 200;
            command->replayed = false;
            *tail = command;
            tail = (struct command **)&command->item.next;
        }
    for (size_t i = 0; i < c->n_touched; i++) {
        struct live *l = c->touched[i];
        struct error error;
        l->dirty = l->touched = l->exhausted = l->goal_reached = false;
        if (live_reload(c, l, &error))
            log_event(LOG_ERROR, "store.reload_failed", "{s:s, s:s}", "experiment", l->row->name, "detail", error.detail);
    }
    for (size_t i = 0; i < c->n_flows_touched; i++) { /* letting go of what they shared touches others: they are read anew as well */
        struct flow *f = c->flows_touched[i];
        struct error error;
        f->dirty = false;
        if (flow_reload(c, f, &error))
            log_event(LOG_ERROR, "store.reload_failed", "{s:s, s:s}", "run", f->row->uid, "detail", error.detail);
    }
    for (size_t i = 0; i < c->n_flows_touched; i++)
        c->flows_touched[i]->touched = false;
    struct error unread;
    if (c->schedules_changed && schedules_load(c, &unread))
        log_event(LOG_ERROR, "store.reload_failed", "{s:s}", "detail", unread.detail);
    let_go(c);
    (void)event_bounds(c->db, &(int64_t){0}, &c->revision, NULL);
    begin_batch(c);
    return commands;
}

static enum err run_batch(struct core *c, struct command *commands, bool deadlines, struct command **rest, struct error *error)
{
    begin_batch(c);
    enum err err = db_begin(c->db, error);
    struct command *next = commands;
    while (next && !err) {
        struct command *command = next;
        next = (struct command *)command->item.next;
        struct error mistake = {0};
        err = apply_one(c, command, &mistake);
        if (err) { /* it comes back with the others */
            *error = mistake;
            command->item.next = (struct queue_item *)next;
            next = command;
        }
    }
    if (!err && deadlines)
        err = schedule_deadlines(c, error);
    if (!err)
        err = flush(c, error);
    if (err) {
        *rest = next;
        return err;
    }
    finish_batch(c);
    return OK;
}

static void refuse(struct command *command, const struct error *error)
{
    command->error = *error;
    if (command->kind == CMD_TRIAL_SUGGEST)
        command->inside = NULL;
    if (command->done)
        command->done(command);
    else
        command_free(command);
}

/* An inner command tells what has happened outside: it is kept and told again, or a run would never end. */
static bool must_be_kept(const struct command *command)
{
    return command->kind >= CMD_SUGGESTED;
}

static void one_by_one(struct core *c, struct command *first, struct command *rest)
{
    struct command *lists[] = {first, rest}, *next, *unused;
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (struct command *command = lists[k]; command; command = next) {
            struct error error = {0};
            next = (struct command *)command->item.next;
            command->item.next = NULL;
            if (!run_batch(c, command, false, &unused, &error))
                continue;
            (void)undo_batch(c);
            log_event(LOG_ERROR, "store.failed", "{s:s, s:s}", "code", error.name, "detail", error.detail);
            if (must_be_kept(command) && !c->stopping) {
                struct timespec pause = {.tv_nsec = 200000000}; /* the disk is full or gone: do not spin on it */
                (void)nanosleep(&pause, NULL);
                if (core_submit(c, command))
                    continue;
            }
            refuse(command, &error);
        }
}

bool core_turn(struct core *c, int64_t until)
{
    bool done;
    struct command *commands = (struct command *)queue_take_together(&c->queue, BATCH_MAX, c->n_callers, GATHER_US, c->garbage ? 0 : until, &done);
    bool due = c->clock->mono_ms() >= c->wake;
    if (!commands && !due && (done || !c->garbage))
        return !done;
    int64_t n = 0;
    c->n_callers = 0;
    for (struct command *k = commands; k; k = (struct command *)k->item.next) {
        n++;
        c->n_callers += k->done != NULL;
    }
    atomic_fetch_add(&c->n_commands, n);
    struct error error = {0};
    struct command *rest = NULL;
    if (run_batch(c, commands, due, &rest, &error))
        one_by_one(c, undo_batch(c), rest);
    if (due && c->wake <= c->clock->mono_ms()) /* the deadlines could not be written: look again, not at once */
        c->wake = c->clock->mono_ms() + 1000;
    return true;
}

static void *loop(void *arg)
{
    struct core *c = arg;
    while (core_turn(c, c->wake))
        ;
    return NULL;
}

/* --- start and stop */

static void core_release(struct core *c)
{
    runs_close(c);
    flows_free_all(c);
    schedules_free(c);
    free(c->flows_touched);
    artifacts_close(c->artifacts);
    live_free_all(c);
    clear_effects(c);
    free(c->effects);
    free(c->touched);
    queue_release(&c->queue);
    free(c->url);
    free(c->data_dir);
    free(c);
}

static const struct core_clock real_clock = {clock_wall_ms, clock_mono_ms};

enum err core_open(const struct core_config *config, struct core **out, struct error *error)
{
    struct core *c = X_NEW(struct core);
    c->config = *config;
    c->clock = config->clock ? config->clock : &real_clock;
    c->url = x_strdup(config->url);
    c->data_dir = x_strdup(config->data_dir);
    c->db = store_writer(config->store);
    c->wake = NEVER;
    queue_init(&c->queue);
    begin_batch(c);
    c->pool = pool_new(config->workers);
    enum err err = flows_open(c, error);
    if (!err)
        err = runs_open(c, error);
    if (!err)
        err = recover(c, error);
    if (err) {
        c->wake = NEVER;
        core_close(c);
        return err;
    }
    runs_start(c);
    start_effects(c);
    *out = c;
    return OK;
}

enum err core_start(const struct core_config *config, struct core **out, struct error *error)
{
    enum err err = core_open(config, out, error);
    if (err)
        return err;
    if (pthread_create(&(*out)->thread, NULL, loop, *out) == 0)
        return OK;
    core_close(*out);
    return err_set(error, ERR_UNAVAILABLE, NULL, "cannot start the core thread");
}

/* No more statuses and suggestions: what they know is derived again at the next start. Running trials go on. What was accepted is
 * still applied and answered, so the pool is freed after it (finish). */
static void quiesce(struct core *c)
{
    runs_stop(c);
    c->stopping = true;
    queue_close(&c->queue);
}

static void finish(struct core *c)
{
    pool_free(c->pool);
    struct error gone;
    (void)err_set(&gone, ERR_UNAVAILABLE, "STOPPING", "the service is stopping; ask again when it is back");
    struct live *l, *next;
    HASH_ITER(hh_id, c->by_id, l, next)
    while (l->parked) {
        struct command *command = l->parked;
        l->parked = (struct command *)command->item.next;
        refuse(command, &gone);
    }
    core_release(c);
}

void core_close(struct core *c)
{
    quiesce(c);
    while (core_turn(c, 0))
        ;
    finish(c);
}

void core_stop(struct core *c)
{
    if (!c)
        return;
    quiesce(c);
    (void)pthread_join(c->thread, NULL);
    finish(c);
}

enum err core_logs(struct core *c, const char *backend, const char *run_key, bool stderr_stream, int64_t offset, size_t max,
                   struct buf *out, int64_t *next, bool *end, struct error *error)
{
    struct connection *conn = runs_connection(c, backend);
    if (!conn || !*run_key)
        return err_set(error, ERR_NOT_FOUND, "NO_LOGS", "nothing was kept: only trials that the service runs itself have logs");
    return conn->backend->logs(conn->conn, run_key, stderr_stream ? STREAM_STDERR : STREAM_STDOUT, offset, max, out, next, end, error);
}
