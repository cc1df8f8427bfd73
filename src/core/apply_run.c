/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What backends and collectors tell. A word about an attempt that is not the present one changes nothing. */
#include "core/flow.h"

#include <string.h>

static struct live_trial *find(struct core *c, const struct run_event *e, struct live **out)
{
    struct live *l;
    HASH_FIND(hh_id, c->by_id, &e->experiment, sizeof e->experiment, l);
    if (!l || l->deleted)
        return NULL;
    live_touch(c, l);
    struct live_trial *t;
    HASH_FIND(hh, l->trials, &e->trial, sizeof e->trial, t);
    *out = l;
    bool present = t && t->attempt && t->row->attempt == e->attempt && !attempt_over(t->attempt);
    return present ? t : NULL;
}

/* Why a trial has not begun, in words; a later one takes the place of an earlier one. */
static enum err waits(struct core *c, struct live *l, struct live_trial *t, const char *reason, const char *message, struct error *error)
{
    if (t->row->state != TRIAL_STARTING || !*message || !strcmp(t->row->message, message))
        return OK;
    set_text(&t->row->reason, reason);
    set_text(&t->row->message, message);
    return save_trial(c, l, t, "trial.waiting", json_pack("{s:s, s:s}", "reason", reason, "message", message), error);
}

enum err apply_submit_failed(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct run_event *e = command->inside;
    if (e->run)
        return step_not_taken(c, e, error);
    struct live *l;
    struct live_trial *t = find(c, e, &l);
    if (!t)
        return OK;
    enum err code = e->error.code;
    if (code == ERR_UNAVAILABLE || code == ERR_TOO_MANY) {
        int64_t delay = 1000 << (t->submit_tries < 6 ? t->submit_tries : 6);
        t->submit_tries++;
        t->submit_at = c->mono + (delay < 60000 ? delay : 60000);
        wake_at(c, t->submit_at);
        return waits(c, l, t, *e->error.name ? e->error.name : err_name(code), e->error.detail, error);
    }
    return trial_end(c, l, t, t->row->state == TRIAL_STOPPING ? TRIAL_CANCELLED : TRIAL_FAILED, code == ERR_INVALID ? "INVALID" : "ENGINE", e->error.detail, error);
}

enum err apply_run_output(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct run_event *e = command->inside;
    if (e->run)
        return step_output(c, e, error);
    struct live *l;
    struct live_trial *t = find(c, e, &l);
    if (!t)
        return OK;
    set_text(&t->attempt->cursor, e->cursor);
    enum err err = attempt_update(c->db, t->attempt, error);
    return err ? err : trial_measure(c, l, t, e->points, e->n_points, error);
}

/* `over`: its end is told at once, and writes the rows. */
static enum err has_started(struct core *c, struct live *l, struct live_trial *t, const struct backend_status *s, bool over, struct error *error)
{
    if (!t->attempt->start_ms)
        t->attempt->start_ms = s->start_ms ? s->start_ms : c->now;
    if (!t->row->start_ms)
        t->row->start_ms = t->attempt->start_ms;
    if (t->row->state != TRIAL_STARTING) /* it was asked to stop before it was known to run */
        return OK;
    set_text(&t->row->reason, "");
    set_text(&t->row->message, "");
    t->attempt->state = TRIAL_RUNNING;
    count_state(l, t->row, TRIAL_RUNNING);
    return over ? record(c, l, t->row, "trial.running", NULL, error) : save_trial(c, l, t, "trial.running", NULL, error);
}

static bool listed(const json_t *codes, int exit_code)
{
    size_t i;
    json_t *code;
    json_array_foreach((json_t *)(uintptr_t)codes, i, code)
    if (json_integer_value(code) == exit_code)
        return true;
    return false;
}

/* A failure that may be tried again: the run was lost, or the file says so of its exit code or of any failure. */
static bool worth_a_retry(struct core *c, const struct live *l, const struct live_trial *t, const struct backend_status *s)
{
    const json_t *run = l->plan->spec->run;
    if (s->cause == CAUSE_LOST)
        return retries_left(c, l, t);
    if (s->cause == CAUSE_INVALID)
        return false;
    return (listed(json_object_get(run, "retry_on"), s->exit_code) && retries_left(c, l, t)) || failed_before(c, t) < json_integer_value(json_object_get(run, "retries"));
}

static enum err has_failed(struct core *c, struct live *l, struct live_trial *t, const struct run_event *e, struct error *error)
{
    const char *tail = e->tail && *e->tail ? e->tail : NULL;
    char *message CLEANUP_FREE = tail ? x_asprintf("%s. Last lines:\n%s", e->status.message, tail) : x_strdup(e->status.message);
    const char *reason = e->status.cause == CAUSE_LOST ? "LOST" : *e->status.reason ? e->status.reason : "FAILED";
    return trial_lost(c, l, t, reason, message, worth_a_retry(c, l, t, &e->status), error);
}

enum err apply_run_status(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct run_event *e = command->inside;
    if (e->run)
        return step_status(c, e, error);
    struct live *l;
    struct live_trial *t = find(c, e, &l);
    if (!t)
        return OK;
    t->attempt->exit_code = e->status.exit_code;
    t->attempt->signal = e->status.signal;
    switch (e->status.phase) {
    case PHASE_PENDING:
        return waits(c, l, t, e->status.reason, e->status.message, error);
    case PHASE_RUNNING:
        return has_started(c, l, t, &e->status, false, error);
    case PHASE_SUCCEEDED:
    case PHASE_FAILED:
    case PHASE_STOPPED:
        break;
    }
    enum err err = has_started(c, l, t, &e->status, true, error);
    if (err)
        return err;
    /* a run that was told to stop ends as what it was stopped for, however it went; its values are kept */
    if (e->status.phase == PHASE_SUCCEEDED || t->row->state == TRIAL_STOPPING)
        return trial_finish(c, l, t, e->metrics, e->tail, error);
    if (e->status.phase == PHASE_STOPPED)
        return trial_end(c, l, t, TRIAL_CANCELLED, "EXTERNAL", "it was stopped from outside", error);
    return has_failed(c, l, t, e, error);
}
