/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What follows from the present state of an experiment: trials to start, askers to answer, an end to come to. */
#include "core/flow.h"

#include <math.h>
#include <string.h>

static bool wants_stop(const struct live *l, const char **reason, const char **message)
{
    const struct experiment *e = l->row;
    const struct spec *s = l->plan->spec;
    if (l->goal_reached) {
        *reason = "GOAL_REACHED";
        *message = "a trial reached the goal";
    } else if (s->max_failed >= 0 && e->counts[TRIAL_FAILED] + e->counts[TRIAL_LOST] > s->max_failed) {
        *reason = "TOO_MANY_FAILURES";
        *message = "more trials failed than trials.max_failed allows; `hone logs` of a failed trial shows why";
    } else {
        return false;
    }
    return true;
}

#define CONVERGED_FROM 20 /* trials that succeeded: fewer say too little */

/* limits.min_improvement: no more is expected of the trials that are left. They are not started; those that run come to their end. */
static enum err end_if_converged(struct core *c, struct live *l, struct error *error)
{
    const double least = l->plan->spec->min_improvement;
    if (isnan(least) || l->row->state != EXPERIMENT_RUNNING || l->row->counts[TRIAL_SUCCEEDED] < CONVERGED_FROM || (l->judged_at && l->judged_at == l->n_ends))
        return OK;
    struct outlook o;
    l->judged_at = l->n_ends;
    enum err err = core_outlook(c->db, l->row, l->plan->spec->max_trials, 1, &o, error);
    if (err || !(o.improvement <= least))
        return err;
    char *message CLEANUP_FREE = x_asprintf("of the %lld trials that were left an improvement of no more than %.3g was expected; limits.min_improvement is %.3g",
                                            (long long)o.trials, o.improvement, least);
    return experiment_end_begin(c, l, "CONVERGED", message, false, error);
}

static enum experiment_state final_state(const struct live *l)
{
    if (!strcmp(l->row->reason, "USER"))
        return EXPERIMENT_CANCELLED;
    if (!strcmp(l->row->reason, "TOO_MANY_FAILURES") || !l->row->counts[TRIAL_SUCCEEDED])
        return EXPERIMENT_FAILED;
    return EXPERIMENT_SUCCEEDED;
}

static enum err experiment_end(struct core *c, struct live *l, struct error *error)
{
    static const char *const kind[EXPERIMENT_STATE_COUNT] = {[EXPERIMENT_SUCCEEDED] = "experiment.succeeded",
                                                            [EXPERIMENT_FAILED] = "experiment.failed",
                                                            [EXPERIMENT_CANCELLED] = "experiment.cancelled"};
    l->row->state = final_state(l);
    l->row->end_ms = c->now;
    if (l->row->state == EXPERIMENT_FAILED && strcmp(l->row->reason, "TOO_MANY_FAILURES") != 0)
        set_text(&l->row->message, "no trial succeeded");
    return record(c, l, NULL, kind[l->row->state], json_pack("{s:s}", "reason", l->row->reason), error);
}

enum err experiment_end_begin(struct core *c, struct live *l, const char *reason, const char *message, bool cancel, struct error *error)
{
    if (l->row->state != EXPERIMENT_STOPPING) {
        l->row->state = EXPERIMENT_STOPPING;
        set_text(&l->row->reason, reason);
        set_text(&l->row->message, message);
        enum err err = record(c, l, NULL, "experiment.stopping", json_pack("{s:s}", "reason", reason), error);
        if (err)
            return err;
    }
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    {
        if (!cancel && t->row->state != TRIAL_QUEUED && t->row->state != TRIAL_PAUSED)
            continue;
        enum err err = trial_cancel(c, l, t, "EXPERIMENT_STOPPED", "the experiment is stopping", error);
        if (err)
            return err;
    }
    return OK;
}

static bool may_create(const struct live *l)
{
    const struct spec *s = l->plan->spec;
    return !l->exhausted && (s->max_trials == 0 || l->row->n_trials < s->max_trials);
}

static struct live_trial *next_queued(struct core *c, struct live *l)
{
    if (!l->row->counts[TRIAL_QUEUED])
        return NULL;
    struct live_trial *t, *next, *first = NULL;
    HASH_ITER(hh, l->trials, t, next)
    {
        if (t->row->state != TRIAL_QUEUED)
            continue;
        if (t->start_after > c->mono)
            wake_at(c, t->start_after);
        else if (!first || t->number < first->number) /* by number, so that a restart changes no order */
            first = t;
    }
    return first;
}

/* Paused trials are all that is left. */
static bool only_paused(const struct live *l)
{
    const int64_t *n = l->row->counts;
    return n[TRIAL_PAUSED] && !n[TRIAL_QUEUED] && !live_running(l) && !may_create(l) && !l->suggesting;
}

/* A trial for whoever comes next: a queued one, a paused one that is promoted, or a new one of a fast algorithm. NULL: a job was asked for, or there is
 * none now. */
static enum err next_trial(struct core *c, struct live *l, struct live_trial **out, struct error *error)
{
    *out = next_queued(c, l);
    if (*out)
        return OK;
    if (l->row->counts[TRIAL_PAUSED]) {
        enum err err = trial_promote(c, l, only_paused(l), out, error);
        if (err || *out)
            return err;
    }
    if (!may_create(l))
        return OK;
    if (l->plan->algorithm->needs_history) {
        if (l->waiting)
            return OK;
        if (!l->suggesting && l->suggest_after <= c->mono) {
            l->suggesting = true;
            add_effect(c, EFFECT_SUGGEST, l, NULL);
        } else if (!l->suggesting) {
            wake_at(c, l->suggest_after);
        }
        return OK;
    }
    double x[SPACE_MAX_PARAMS];
    json_t *origin = NULL;
    enum err err = suggest_inline(c, l, x, &origin, error);
    if (err == ERR_EXHAUSTED) {
        l->exhausted = true;
        return OK;
    }
    if (err)
        return err;
    json_t *params = space_params(l->plan->spec->space, x);
    struct new_trial fresh = {.params = params, .x = x, .state = TRIAL_QUEUED, .origin = origin};
    err = trial_make(c, l, &fresh, out, error);
    json_decref(params);
    return err;
}

static enum err start_runs(struct core *c, struct live *l, struct error *error)
{
    while (live_running(l) < l->plan->spec->parallel) {
        struct live_trial *t;
        enum err err = next_trial(c, l, &t, error);
        if (err || !t)
            return err;
        err = trial_start(c, l, t, NULL, 0, error);
        if (err)
            return err;
    }
    return OK;
}

/* --- askers */

static void hand_over(struct core *c, struct command *command, const struct live *l, struct live_trial *t)
{
    struct answered_trial *answered = answer_trial(command, t->row);
    answered->lease_attempt = t->row->attempt;
    answered->lease_until_ms = lease_until_ms(c, t);
    answered->budget = stop_rule_budget(c, l, t);
    if (c->config.trial_token)
        answered->lease_token = c->config.trial_token(c->config.arg, l->row->uid, t->number, t->row->attempt);
}

/* What one suggest command wants, read once. */
struct asked {
    int64_t count;
    const char *worker;
    double lease_s;
    int64_t until; /* mono ms */
};

static struct asked read_asked(const struct live *l, const struct command *command)
{
    struct asked a = {.count = 1, .worker = "", .lease_s = l->plan->spec->lease_s};
    json_t *v = json_object_get(command->body, "count");
    if (v)
        a.count = json_integer_value(v);
    v = json_object_get(command->body, "worker");
    if (v)
        a.worker = json_string_value(v);
    v = json_object_get(command->body, "lease_seconds");
    if (v)
        a.lease_s = json_number_value(v);
    return a;
}

static enum err give(struct core *c, struct live *l, const struct asked *a, struct command *command, struct error *error)
{
    struct live_trial *t, *next;
    if (*a->worker) { /* the same worker gets its own trials again: a crash between answer and start loses nothing */
        HASH_ITER(hh, l->trials, t, next)
        {
            if ((int64_t)command->n_trials >= a->count)
                break;
            if (t->row->state != TRIAL_RUNNING || t->lease_until == NEVER || strcmp(t->row->worker, a->worker) != 0)
                continue;
            t->lease_until = c->mono + (int64_t)(a->lease_s * 1000);
            hand_over(c, command, l, t);
        }
    }
    int64_t limit = l->plan->spec->parallel;
    while (l->row->state == EXPERIMENT_RUNNING && (int64_t)command->n_trials < a->count && (!limit || live_running(l) < limit)) {
        enum err err = next_trial(c, l, &t, error);
        if (err)
            return err;
        if (!t)
            break;
        err = trial_start(c, l, t, a->worker, a->lease_s, error);
        if (err)
            return err;
        hand_over(c, command, l, t);
    }
    return OK;
}

/* Nothing more will ever come: the experiment ends or has ended. */
static bool no_more(const struct live *l)
{
    enum experiment_state s = l->row->state;
    if (experiment_state_final(s) || s == EXPERIMENT_STOPPING)
        return true;
    return !may_create(l) && !l->row->counts[TRIAL_QUEUED] && !live_running(l);
}

/* Answers the command if it can be now: *answered false when it is better parked. */
static enum err serve(struct core *c, struct live *l, struct command *command, bool last_chance, bool *answered, struct error *error)
{
    struct asked a = read_asked(l, command);
    answer_clear(command);
    enum err err = give(c, l, &a, command, error);
    *answered = !err && (command->n_trials || no_more(l) || last_chance);
    if (!*answered)
        return err;
    bool done = !command->n_trials && no_more(l);
    command->reply = json_pack("{s:b}", "done", done);
    if (done)
        (void)json_object_set_new(command->reply, "reason", json_string(l->row->reason));
    return OK;
}

/* A slow algorithm needs a moment even when nobody asked to wait. */
#define SUGGEST_WAIT_MS 20000

enum err apply_trial_suggest(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    struct live *l;
    enum err err = live_get(c, command->project, command->experiment, &l, error);
    if (err)
        return err;
    json_t *count = json_object_get(command->body, "count"), *lease = json_object_get(command->body, "lease_seconds");
    json_t *worker = json_object_get(command->body, "worker"), *wait = json_object_get(command->body, "wait_seconds");
    if (count && (!json_is_integer(count) || json_integer_value(count) < 1 || json_integer_value(count) > 1000))
        return err_set(error, ERR_INVALID, NULL, "count must be an integer from 1 to 1000");
    if (worker && (!json_is_string(worker) || json_string_length(worker) > 200))
        return err_set(error, ERR_INVALID, NULL, "worker must be a string of at most 200 bytes");
    if (lease && !(json_is_number(lease) && json_number_value(lease) >= 1 && json_number_value(lease) <= 2592000))
        return err_set(error, ERR_INVALID, NULL, "lease_seconds must be a number from 1 to 2592000 (30 days)");
    if (wait && !(json_is_number(wait) && json_number_value(wait) >= 0 && json_number_value(wait) <= 60))
        return err_set(error, ERR_INVALID, NULL, "wait_seconds must be a number from 0 to 60");
    if (l->plan->spec->run)
        return err_set(error, ERR_CONFLICT, "EXPERIMENT_RUNS_ITSELF",
                       "experiment %s has a `run` section: the service runs its trials; leave `run` out to ask for trials yourself", l->row->name);
    live_touch(c, l);
    bool answered;
    err = serve(c, l, command, false, &answered, error);
    if (err || answered)
        return err;
    int64_t wait_ms = (int64_t)(json_number_value(wait) * 1000);
    if (l->suggesting && wait_ms < SUGGEST_WAIT_MS)
        wait_ms = SUGGEST_WAIT_MS;
    if (!wait_ms)
        return serve(c, l, command, true, &answered, error);
    command->inside = l;
    command->trial = c->mono + wait_ms; /* a suggest has no trial in its path: the slot holds the deadline */
    wake_at(c, command->trial);
    *how = APPLIED_PARK;
    return OK;
}

/* Whoever did not want to wait was parked only for a suggestion that was under way. */
static bool in_vain(const struct live *l, const struct command *command)
{
    return !l->suggesting && !(json_number_value(json_object_get(command->body, "wait_seconds")) > 0);
}

static enum err serve_parked(struct core *c, struct live *l, struct error *error)
{
    struct command **at = &l->parked;
    while (*at) {
        struct command *command = *at;
        bool answered;
        enum err err = serve(c, l, command, l->row->state != EXPERIMENT_RUNNING || command->trial <= c->mono || in_vain(l, command), &answered, error);
        if (err)
            return err;
        if (answered) {
            *at = (struct command *)command->item.next;
            answer(c, command, OK, NULL);
        } else {
            wake_at(c, command->trial);
            at = (struct command **)&command->item.next;
        }
    }
    return OK;
}

static enum err finish_if_done(struct core *c, struct live *l, struct error *error)
{
    enum experiment_state s = l->row->state;
    if (experiment_state_final(s))
        return OK;
    const char *reason, *message;
    if (s != EXPERIMENT_STOPPING && wants_stop(l, &reason, &message)) {
        enum err err = experiment_end_begin(c, l, reason, message, true, error);
        if (err)
            return err;
    }
    if (l->row->state == EXPERIMENT_STOPPING)
        return l->trials ? OK : experiment_end(c, l, error);
    if (s == EXPERIMENT_RUNNING && only_paused(l)) {
        struct live_trial *t;
        char why[STOP_REASON];
        enum err err = stop_rule_promote(c, l, true, &t, why, error);
        if (!err && !t)
            err = trials_give_up(c, l, error);
        if (err)
            return err;
    }
    if (l->trials || may_create(l) || l->suggesting)
        return OK;
    set_text(&l->row->reason, l->exhausted ? "SPACE_EXHAUSTED" : "MAX_TRIALS");
    set_text(&l->row->message, l->exhausted ? "every point of the space was tried" : "trials.max was reached");
    return experiment_end(c, l, error);
}

enum err schedule(struct core *c, struct live *l, struct error *error)
{
    if (l->deleted)
        return OK;
    double limit = l->plan->spec->time_limit_s;
    if (limit > 0 && !experiment_state_final(l->row->state) && l->row->start_ms) {
        int64_t left = l->row->start_ms + (int64_t)(limit * 1000) - c->now;
        if (left <= 0 && l->row->state != EXPERIMENT_STOPPING) {
            enum err err = experiment_end_begin(c, l, "MAX_TIME", "limits.time was reached", true, error);
            if (err)
                return err;
        } else if (left > 0) {
            wake_at(c, c->mono + left);
        }
    }
    enum err err = finish_if_done(c, l, error);
    if (!err)
        err = end_if_converged(c, l, error);
    if (!err && l->plan->spec->run && l->row->state == EXPERIMENT_RUNNING)
        err = start_runs(c, l, error);
    if (!err)
        err = serve_parked(c, l, error);
    return err ? err : finish_if_done(c, l, error); /* starting may have found the space exhausted */
}

static enum err expire(struct core *c, struct live *l, struct error *error)
{
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    {
        if (t->submit_at <= c->mono) {
            t->submit_at = NEVER;
            add_effect(c, EFFECT_SUBMIT, l, t);
            live_touch(c, l);
        } else {
            wake_at(c, t->submit_at);
        }
        if (t->lease_until > c->mono) {
            wake_at(c, t->lease_until);
            continue;
        }
        enum err err = trial_lost(c, l, t, "LEASE_EXPIRED", "its worker did not report or renew the lease in time", retries_left(c, l, t), error);
        if (err)
            return err;
    }
    return OK;
}

enum err schedule_deadlines(struct core *c, struct error *error)
{
    struct live *l, *next;
    c->wake = NEVER;
    HASH_ITER(hh_id, c->by_id, l, next)
    {
        if (l->deleted || (experiment_state_final(l->row->state) && !l->trials && !l->parked))
            continue;
        enum err err = expire(c, l, error);
        if (err)
            return err;
        live_touch(c, l); /* limits, parked askers and backoffs are looked at by schedule */
    }
    return flow_deadlines(c, error);
}
