/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of trials that are asked for, by people, workers and the trials themselves. */
#include "base/id.h"
#include "base/json_text.h"
#include "core/state.h"

#include <math.h>
#include <string.h>

/* A trial a command is about: `live` when it is not final, else only its row. */
struct about {
    struct live *l;
    struct live_trial *t; /* NULL: final */
    struct trial *row;    /* of the final one; owned */
};

static void about_release(struct about *a)
{
    trial_free(a->row);
}

static enum err find(struct core *c, const struct command *command, struct about *a, struct error *error)
{
    enum err err = live_get(c, command->project, command->experiment, &a->l, error);
    if (err)
        return err;
    live_touch(c, a->l);
    HASH_FIND(hh, a->l->trials, &command->trial, sizeof command->trial, a->t);
    if (!a->t)
        err = trial_get(c->db, a->l->id, command->trial, &a->row, error);
    if (err)
        return err;
    const struct trial *row = a->t ? a->t->row : a->row;
    if (command->if_match >= 0 && command->if_match != row->revision)
        return err_set(error, ERR_PRECONDITION, NULL, "trial %lld has changed: its revision is %lld; read it again", (long long)row->number, (long long)row->revision);
    return OK;
}

static enum err lease_lost(const struct trial *t, struct error *error)
{
    return err_set(error, ERR_CONFLICT, "LEASE_LOST", "trial %lld is on attempt %lld now; this one was given up", (long long)t->number, (long long)t->attempt);
}

/* The attempt a worker speaks for: by its token, by the body, else the present one. */
static enum err check_attempt(const struct command *command, const struct trial *row, struct error *error)
{
    int64_t attempt = command->trial_token_attempt;
    json_t *told = json_object_get(command->body, "attempt");
    if (told && !json_is_integer(told))
        return err_set(error, ERR_INVALID, NULL, "attempt must be an integer");
    if (attempt < 0 && told)
        attempt = json_integer_value(told);
    return attempt >= 0 && attempt != row->attempt ? lease_lost(row, error) : OK;
}

/* For report, complete and the like: finds the trial, checks who speaks, renews its lease, and takes a lost one back that nobody has replaced. */
static enum err worker_speaks(struct core *c, struct command *command, struct about *a, struct error *error)
{
    enum err err = find(c, command, a, error);
    if (!err)
        err = check_attempt(command, a->t ? a->t->row : a->row, error);
    if (err || !a->t || a->t->row->state == TRIAL_PAUSED) /* a paused one has said what it had to say */
        return err;
    struct live_trial *t = a->t;
    if (t->row->state == TRIAL_QUEUED) {
        if (!t->attempt || t->attempt->state != TRIAL_LOST)
            return err_set(error, ERR_CONFLICT, "TRIAL_STATE", "trial %lld is queued: nobody runs it", (long long)t->number);
        count_state(a->l, t->row, TRIAL_RUNNING);
        t->attempt->state = TRIAL_RUNNING;
        t->attempt->end_ms = 0;
        set_text(&t->row->reason, "");
        set_text(&t->row->message, "");
        err = save_trial(c, a->l, t, "trial.running", json_pack("{s:b}", "found_again", 1), error);
    }
    if (t->attempt && !*t->attempt->run_key) {
        t->lease_until = c->mono + (int64_t)(t->attempt->lease_s * 1000);
        wake_at(c, t->lease_until);
    }
    return err;
}

static json_t *report_reply(const struct core *c, const struct about *a)
{
    if (!a->t)
        return json_pack("{s:b, s:s, s:s}", "should_stop", 1, "reason", a->row->reason, "state", trial_state_name(a->row->state));
    bool stop = a->t->row->state == TRIAL_STOPPING || a->t->row->state == TRIAL_PAUSED;
    json_t *reply = json_pack("{s:b}", "should_stop", stop);
    if (stop) {
        (void)json_object_set_new(reply, "reason", json_string(a->t->row->reason));
        (void)json_object_set_new(reply, "message", json_string(a->t->row->message));
    }
    if (a->t->lease_until != NEVER)
        (void)json_object_set_new(reply, "lease_expires_at", time_json(lease_until_ms(c, a->t)));
    return reply;
}

/* --- report */

#define REPORT_MAX 10000

static bool metric_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 128 && !strpbrk(name, " \t\r\n=");
}

#define STEP_NEXT INT64_MIN /* none was given: the one after the metric's last */

/* The step after the last of this metric, in the store or earlier in the same call. */
static enum err next_step(struct core *c, const struct live_trial *t, struct measurement *points, size_t i, struct error *error)
{
    struct measurement_summary sum = {0};
    for (size_t k = i; k-- > 0;)
        if (!strcmp(points[k].metric, points[i].metric)) {
            points[i].step = points[k].step + 1;
            return OK;
        }
    enum err err = measurement_summarise(c->db, t->row->id, t->row->attempt, points[i].metric, &sum, error);
    points[i].step = sum.n ? sum.last_step + 1 : 0;
    return err;
}

static enum err read_point(const json_t *point, size_t i, const struct trial *row, int64_t now, struct measurement **out, size_t *n, struct error *error)
{
    json_t *step = json_object_get(point, "step"), *replicate = json_object_get(point, "replicate");
    json_t *metrics = json_object_get(point, "metrics");
    if (!json_is_object(point) || !json_is_object(metrics))
        return err_set(error, ERR_INVALID, NULL, "measurements[%zu] must be {\"step\": n, \"metrics\": {name: value}}", i);
    if (step && !json_is_integer(step))
        return err_set(error, ERR_INVALID, NULL, "measurements[%zu].step must be an integer", i);
    if (replicate && !(json_is_integer(replicate) && json_integer_value(replicate) >= 0))
        return err_set(error, ERR_INVALID, NULL, "measurements[%zu].replicate must be an integer from 0", i);
    const char *name;
    json_t *value;
    json_object_foreach(metrics, name, value)
    {
        double number;
        if (!metric_ok(name) || !number_from_json(value, &number))
            return err_set(error, ERR_INVALID, NULL, "measurements[%zu].metrics.%.60s must be a number (or \"NaN\", \"Infinity\", \"-Infinity\") under a name without spaces", i, name);
        if (*n >= REPORT_MAX)
            return err_set(error, ERR_TOO_LARGE, NULL, "a report has at most %d values; send more of them", REPORT_MAX);
        if (*n % 32 == 0)
            *out = x_realloc(*out, (*n + 32) * sizeof **out);
        (*out)[(*n)++] = (struct measurement){.metric = name,
                                              .step = step ? json_integer_value(step) : STEP_NEXT,
                                              .attempt = row->attempt,
                                              .replicate = replicate ? json_integer_value(replicate) : row->replicate,
                                              .time_ms = now,
                                              .value = number};
    }
    return OK;
}

enum err apply_trial_report(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    json_t *list = json_object_get(command->body, "measurements"), *progress = json_object_get(command->body, "progress");
    if (list && !json_is_array(list))
        return err_set(error, ERR_INVALID, NULL, "measurements must be a list");
    if (progress && !(json_is_number(progress) && json_number_value(progress) >= 0 && json_number_value(progress) <= 1))
        return err_set(error, ERR_INVALID, NULL, "progress must be a number from 0 to 1");
    struct about a = {0};
    enum err err = worker_speaks(c, command, &a, error);
    if (!err && !a.t && a.row->state != TRIAL_CANCELLED && a.row->state != TRIAL_PRUNED)
        err = err_set(error, ERR_CONFLICT, "TRIAL_FINISHED", "trial %lld is %s already", (long long)command->trial, trial_state_name(a.row->state));
    struct measurement *points = NULL;
    size_t n = 0, i;
    json_t *point;
    if (!err && a.t && a.t->row->state != TRIAL_PAUSED) {
        json_array_foreach(list, i, point)
        if (!err)
            err = read_point(point, i, a.t->row, c->now, &points, &n, error);
        for (i = 0; i < n && !err; i++)
            if (points[i].step == STEP_NEXT)
                err = next_step(c, a.t, points, i, error);
        if (!err && n)
            err = trial_measure(c, a.l, a.t, points, n, error);
        if (!err && progress) {
            a.t->row->progress = json_number_value(progress);
            err = trial_update(c->db, a.t->row, error);
        }
    }
    free(points);
    if (!err)
        command->reply = report_reply(c, &a);
    about_release(&a);
    return err;
}

enum err apply_trial_heartbeat(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct about a = {0};
    enum err err = worker_speaks(c, command, &a, error);
    if (!err)
        command->reply = report_reply(c, &a);
    about_release(&a);
    return err;
}

/* --- ends */

static enum err reply_trial(struct core *c, struct command *command, struct live *l, struct error *error)
{
    struct live_trial *t;
    HASH_FIND(hh, l->trials, &command->trial, sizeof command->trial, t);
    struct trial *row = NULL;
    enum err err = t ? OK : trial_get(c->db, l->id, command->trial, &row, error);
    if (err)
        return err;
    answer_clear(command);
    (void)answer_trial(command, t ? t->row : row);
    trial_free(row);
    return OK;
}

static enum err check_metrics(const struct spec *spec, const json_t *metrics, struct error *error)
{
    const char *name;
    json_t *value;
    double number;
    if (metrics && !json_is_object(metrics))
        return err_set(error, ERR_INVALID, NULL, "metrics must be a mapping of names to numbers");
    json_object_foreach((json_t *)(uintptr_t)metrics, name, value)
    if (!metric_ok(name) || !number_from_json(value, &number))
        return err_set(error, ERR_INVALID, NULL, "metrics.%.60s must be a number (or \"NaN\", \"Infinity\", \"-Infinity\")", name);
    (void)spec;
    return OK;
}

/* A trial that ended as asked before: the same request again is no error. */
static bool already(const struct about *a, enum trial_state state)
{
    return !a->t && a->row->state == state;
}

static enum err finished(const struct command *command, const struct about *a, struct error *error)
{
    return err_set(error, ERR_CONFLICT, "TRIAL_FINISHED", "trial %lld is %s already", (long long)command->trial, trial_state_name(a->row->state));
}

/* Completing without a value is the caller's mistake while there is time to mend it. */
static enum err check_complete(struct core *c, const struct about *a, const json_t *metrics, struct error *error)
{
    const struct spec *spec = a->l->plan->spec;
    for (size_t i = 0; i < spec->n_wanted; i++) {
        const char *metric = spec->wanted[i];
        struct measurement_summary m = {0};
        enum err err = json_object_get(metrics, metric) ? OK : measurement_summarise(c->db, a->t->row->id, a->t->row->attempt, metric, &m, error);
        if (err)
            return err;
        if (!json_object_get(metrics, metric) && !m.n && a->t->row->state != TRIAL_STOPPING)
            return err_set(error, ERR_INVALID, "METRICS_MISSING", "metric \"%s\" was neither reported nor given: complete with {\"metrics\": {\"%s\": value}}", metric, metric);
    }
    return OK;
}

static bool is_run(const struct live_trial *t)
{
    return t->attempt && *t->attempt->run_key;
}

/* A run that the service started ends when its process ends, or its exit code would count for nothing and its slot be given away while it
 * still works. What it says before is its last report. */
static enum err last_report(struct core *c, struct about *a, const json_t *metrics, struct error *error)
{
    const char *name;
    json_t *value;
    enum err err = OK;
    json_object_foreach((json_t *)(uintptr_t)metrics, name, value)
    {
        struct measurement_summary sum = {0};
        struct measurement m = {.metric = name, .attempt = a->t->row->attempt, .replicate = a->t->row->replicate, .time_ms = c->now};
        if (!err)
            err = measurement_summarise(c->db, a->t->row->id, m.attempt, name, &sum, error);
        m.step = sum.n ? sum.last_step + 1 : 0;
        (void)number_from_json(value, &m.value);
        if (!err && !(sum.n && sum.last == m.value)) /* the same call again adds nothing */
            err = trial_measure(c, a->l, a->t, &m, 1, error);
    }
    return err;
}

enum err apply_trial_complete(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct about a = {0};
    enum err err = worker_speaks(c, command, &a, error);
    const json_t *metrics = json_object_get(command->body, "metrics");
    if (!err && !a.t && !already(&a, TRIAL_SUCCEEDED) && !already(&a, TRIAL_INFEASIBLE) && !already(&a, TRIAL_PRUNED) && !already(&a, TRIAL_CANCELLED))
        err = finished(command, &a, error);
    if (!err && a.t && a.t->row->state != TRIAL_PAUSED) { /* paused: it was completed before */
        err = check_metrics(a.l->plan->spec, metrics, error);
        if (!err)
            err = check_complete(c, &a, metrics, error);
        if (!err)
            err = is_run(a.t) ? last_report(c, &a, metrics, error) : trial_finish(c, a.l, a.t, metrics, NULL, error);
    }
    if (!err)
        err = reply_trial(c, command, a.l, error);
    about_release(&a);
    return err;
}

static enum err end_as(struct core *c, struct command *command, enum trial_state state, const char *default_reason, struct error *error)
{
    struct about a = {0};
    enum err err = worker_speaks(c, command, &a, error);
    const char *reason = json_string_value(json_object_get(command->body, "reason"));
    const char *message = json_string_value(json_object_get(command->body, "message"));
    if (!err && !a.t && !already(&a, state))
        err = finished(command, &a, error);
    if (!err && a.t && is_run(a.t) && !attempt_over(a.t->attempt)) /* its verdict is in; the process is not needed any more */
        add_effect(c, EFFECT_CANCEL, a.l, a.t);
    if (!err && a.t)
        err = trial_end(c, a.l, a.t, state, reason ? reason : default_reason, message ? message : "", error);
    if (!err)
        err = reply_trial(c, command, a.l, error);
    about_release(&a);
    return err;
}

enum err apply_trial_fail(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    return end_as(c, command, TRIAL_FAILED, "REPORTED", error);
}

enum err apply_trial_infeasible(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    return end_as(c, command, TRIAL_INFEASIBLE, "REPORTED", error);
}

enum err apply_trial_stop(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct about a = {0};
    enum err err = find(c, command, &a, error);
    if (!err && !a.t)
        err = finished(command, &a, error);
    if (!err)
        err = trial_cancel(c, a.l, a.t, "USER", "stopped by a user", error);
    if (!err)
        err = reply_trial(c, command, a.l, error);
    about_release(&a);
    return err;
}

enum err apply_trial_retry(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct about a = {0};
    enum err err = find(c, command, &a, error);
    if (!err && (a.t || a.row->state == TRIAL_SUCCEEDED))
        err = err_set(error, ERR_CONFLICT, "TRIAL_STATE", "trial %lld is %s: only one that failed, was lost, pruned or cancelled can be retried", (long long)command->trial, trial_state_name(a.t ? a.t->row->state : a.row->state));
    if (!err && a.l->row->state == EXPERIMENT_STOPPING)
        err = err_set(error, ERR_CONFLICT, "EXPERIMENT_STATE", "experiment %s is stopping", a.l->row->name);
    if (!err) {
        struct live *l = a.l;
        struct attempt *last = NULL;
        if (a.row->attempt > 0)
            err = attempt_get(c->db, a.row->id, a.row->attempt, &last, error);
        if (!err) {
            struct live_trial *t = live_trial_add(l, a.row, last);
            a.row = NULL;
            stop_rule_release(l);
            count_state(l, t->row, TRIAL_QUEUED);
            set_text(&t->row->reason, "");
            set_text(&t->row->message, "");
            t->row->end_ms = 0;
            if (experiment_state_final(l->row->state)) { /* there is work again */
                l->row->state = EXPERIMENT_RUNNING;
                l->row->end_ms = 0;
                set_text(&l->row->reason, "");
                set_text(&l->row->message, "");
                err = record(c, l, NULL, "experiment.resumed", NULL, error);
            }
            if (!err)
                err = save_trial(c, l, t, "trial.retrying", json_pack("{s:s}", "reason", "USER"), error);
        }
    }
    if (!err)
        err = reply_trial(c, command, a.l, error);
    about_release(&a);
    return err;
}

/* --- trials from elsewhere */

static enum err import(struct core *c, struct live *l, struct live_trial *t, const json_t *metrics, int state, struct error *error)
{
    if (state != TRIAL_SUCCEEDED)
        return trial_end(c, l, t, (enum trial_state)state, "IMPORTED", "", error);
    t->row->replicate = l->plan->spec->replicates - 1; /* what is told is the whole of it */
    char *text CLEANUP_FREE = json_text(metrics);
    set_text(&t->row->metrics, text);
    (void)number_from_json(json_object_get(metrics, l->plan->spec->objectives[0].metric), &t->row->objective);
    return trial_judge(c, l, t, metrics, NULL, error);
}

enum err apply_trial_create(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct live *l;
    enum err err = live_get(c, command->project, command->experiment, &l, error);
    if (err)
        return err;
    live_touch(c, l);
    json_t *params = json_object_get(command->body, "params"), *metrics = json_object_get(command->body, "metrics");
    const char *state_name = json_string_value(json_object_get(command->body, "state"));
    int state = state_name ? trial_state_parse(state_name) : TRIAL_QUEUED;
    if (state < 0 || (state != TRIAL_QUEUED && !trial_state_final((enum trial_state)state)))
        return err_set(error, ERR_INVALID, NULL, "state must be a final one (SUCCEEDED, FAILED, ...) or left out to queue the point");
    if (state == TRIAL_QUEUED && (experiment_state_final(l->row->state) || l->row->state == EXPERIMENT_STOPPING))
        return err_set(error, ERR_CONFLICT, "EXPERIMENT_STATE", "experiment %s is %s: no trial can be queued", l->row->name, experiment_state_name(l->row->state));
    double x[SPACE_MAX_PARAMS];
    struct problems problems = {0};
    if (!params)
        problems_add(&problems, "/params", "REQUIRED", NULL, "params is needed: {\"name\": value, ...}");
    if (!params || !space_point(l->plan->spec->space, params, x, "/params", &problems))
        return refuse_problems(command, &problems, error);
    err = check_metrics(l->plan->spec, metrics, error);
    if (!err && state == TRIAL_SUCCEEDED)
        for (size_t i = 0; i < l->plan->spec->n_wanted && !err; i++)
            if (!json_object_get(metrics, l->plan->spec->wanted[i]))
                err = err_set(error, ERR_INVALID, "METRICS_MISSING", "metrics.%s is needed for a finished trial", l->plan->spec->wanted[i]);
    if (err)
        return err;
    struct new_trial fresh = {.params = params, .x = x, .state = TRIAL_QUEUED, .origin = json_pack("{s:s, s:s}", "by", "user", "how", state == TRIAL_QUEUED ? "enqueued" : "imported")};
    struct live_trial *t;
    err = trial_make(c, l, &fresh, &t, error);
    if (err)
        return err;
    command->trial = t->number;
    command->http_status = 201;
    if (state != TRIAL_QUEUED)
        err = import(c, l, t, metrics, state, error);
    return err ? err : reply_trial(c, command, l, error);
}

enum err apply_trial_patch(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct about a = {0};
    enum err err = find(c, command, &a, error);
    struct trial *row = a.t ? a.t->row : a.row;
    const char *name;
    json_t *value;
    if (!err)
        json_object_foreach(command->body, name, value)
        {
            bool is_note = !strcmp(name, "note");
            if (is_note ? !json_is_string(value) : strcmp(name, "labels") != 0 || !json_is_object(value)) {
                err = err_set(error, ERR_INVALID, NULL, "only labels (a mapping) and note (a string) of a trial can be changed, not %.60s", name);
                break;
            }
            char *text CLEANUP_FREE = is_note ? x_strdup(json_string_value(value)) : json_text(value);
            set_text(is_note ? &row->note : &row->labels, text);
        }
    if (!err)
        err = record(c, a.l, row, "trial.changed", NULL, error);
    if (!err)
        err = trial_update(c->db, row, error);
    if (!err)
        (void)answer_trial(command, row);
    about_release(&a);
    return err;
}

enum err apply_trial_delete(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct about a = {0};
    enum err err = find(c, command, &a, error);
    if (!err && a.t)
        err = err_set(error, ERR_CONFLICT, "TRIAL_STATE", "trial %lld is %s: stop it first", (long long)command->trial, trial_state_name(a.t->row->state));
    if (!err && a.row->number == a.l->row->best_number)
        err = err_set(error, ERR_CONFLICT, "TRIAL_IS_BEST", "trial %lld is the best one; it cannot be deleted", (long long)command->trial);
    if (!err) {
        a.l->row->counts[a.row->state]--;
        stop_rule_release(a.l);
        char id[10], key[80];
        id_short(a.l->row->uid, id, 8);
        for (int64_t n = 1; a.l->plan->spec->run && n <= a.row->attempt; n++) {
            (void)snprintf(key, sizeof key, "h-%s-%lld-%lld", id, (long long)a.row->number, (long long)n);
            add_forget(c, a.l, key, true);
        }
        err = record(c, a.l, a.row, "trial.deleted", NULL, error);
    }
    if (!err)
        err = trial_delete(c->db, a.row->id, error);
    about_release(&a);
    return err;
}
