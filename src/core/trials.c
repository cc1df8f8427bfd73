/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of a trial: made, started, measured, finished, lost, cancelled. */
#include "core/state.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/json_text.h"

#include <math.h>
#include <string.h>

enum err trial_make(struct core *c, struct live *l, const struct new_trial *n, struct live_trial **out, struct error *error)
{
    char *params CLEANUP_FREE = json_text(n->params);
    char *origin CLEANUP_FREE = json_text(n->origin);
    json_decref(n->origin);
    struct trial fresh = {.experiment_id = l->id,
                          .number = l->row->n_trials + 1,
                          .state = n->state,
                          .reason = "",
                          .message = "",
                          .params = params,
                          .x = n->x,
                          .n_x = n->x ? l->plan->spec->space->n : 0,
                          .objective = NAN,
                          .rank = NAN,
                          .objective_se = NAN,
                          .progress = NAN,
                          .metrics = "{}",
                          .worker = n->worker ? n->worker : "",
                          .origin = origin ? origin : "{}",
                          .labels = "{}",
                          .note = "",
                          .create_ms = c->now};
    enum err err = record(c, l, &fresh, "trial.created", NULL, error);
    if (!err)
        err = trial_insert(c->db, &fresh, error);
    if (err)
        return err;
    l->row->n_trials++;
    l->row->counts[fresh.state]++;
    *out = live_trial_add(l, trial_copy(&fresh), NULL);
    return OK;
}

static void make_run_key(const struct live *l, const struct trial *t, char *out, size_t size)
{
    char id[10];
    id_short(l->row->uid, id, 8);
    (void)snprintf(out, size, "h-%s-%lld-%lld", id, (long long)t->number, (long long)t->attempt);
}

enum err trial_start(struct core *c, struct live *l, struct live_trial *t, const char *worker, double lease_s, struct error *error)
{
    struct trial *row = t->row;
    row->attempt++;
    char key[80] = "";
    if (!worker)
        make_run_key(l, row, key, sizeof key);
    struct attempt fresh = {.trial_id = row->id,
                            .number = row->attempt,
                            .replicate = row->replicate,
                            .state = worker ? TRIAL_RUNNING : TRIAL_STARTING,
                            .reason = "",
                            .message = "",
                            .run_key = key,
                            .handle = "",
                            .cursor = "",
                            .worker = worker ? worker : "",
                            .exit_code = -1,
                            .signal = -1,
                            .lease_s = worker ? lease_s : 0,
                            .create_ms = c->now,
                            .start_ms = worker ? c->now : 0};
    stop_rule_started(t, t->attempt && t->attempt->replicate == row->replicate);
    attempt_free(t->attempt);
    t->attempt = attempt_copy(&fresh);
    t->submit_tries = 0;
    enum err err = attempt_insert(c->db, t->attempt, error);
    if (err)
        return err;
    count_state(l, row, fresh.state);
    set_text(&row->reason, "");
    set_text(&row->message, "");
    set_text(&row->worker, fresh.worker);
    row->progress = NAN;
    if (worker && !row->start_ms)
        row->start_ms = c->now;
    if (worker) {
        t->lease_until = c->mono + (int64_t)(lease_s * 1000);
        wake_at(c, t->lease_until);
    } else {
        t->lease_until = NEVER;
        add_effect(c, EFFECT_SUBMIT, l, t);
    }
    err = record(c, l, row, worker ? "trial.running" : "trial.starting", NULL, error);
    return err ? err : trial_update(c->db, row, error);
}

int64_t lease_until_ms(const struct core *c, const struct live_trial *t)
{
    return t->lease_until == NEVER ? 0 : c->now + (t->lease_until - c->mono);
}

static void end_attempt(struct core *c, struct live_trial *t, enum trial_state state, const char *reason, const char *message)
{
    if (!t->attempt || attempt_over(t->attempt))
        return;
    t->attempt->state = state;
    set_text(&t->attempt->reason, reason);
    set_text(&t->attempt->message, message);
    t->attempt->end_ms = c->now;
}

static const char *const ended_kind[TRIAL_STATE_COUNT] = {
    [TRIAL_SUCCEEDED] = "trial.succeeded", [TRIAL_PRUNED] = "trial.pruned", [TRIAL_INFEASIBLE] = "trial.infeasible",
    [TRIAL_FAILED] = "trial.failed",       [TRIAL_LOST] = "trial.lost",     [TRIAL_CANCELLED] = "trial.cancelled",
};

enum err trial_end(struct core *c, struct live *l, struct live_trial *t, enum trial_state state, const char *reason, const char *message, struct error *error)
{
    struct trial *row = t->row;
    bool ran = t->attempt && *t->attempt->run_key;
    end_attempt(c, t, state, reason, message);
    count_state(l, row, state);
    set_text(&row->reason, reason);
    set_text(&row->message, message);
    row->end_ms = c->now;
    l->n_ends++;
    l->n_news++;
    l->waiting = false;
    row->rank = NAN;
    const struct objective *first = &l->plan->spec->objectives[0];
    if (state == TRIAL_SUCCEEDED) {
        row->rank = objective_rank(first, row->objective);
        if (!l->row->best_number || row->rank < objective_rank(first, l->row->best_value)) {
            l->row->best_number = row->number;
            l->row->best_value = row->objective;
        }
        if (!isnan(first->goal) && row->rank <= objective_rank(first, first->goal))
            l->goal_reached = true;
    }
    enum err err = stop_rule_ended(c, l, t, error);
    if (err)
        return err;
    if (ran)
        add_effect(c, EFFECT_FORGET, l, t);
    json_t *data = json_pack("{s:o, s:s}", "objective", number_json(row->objective), "reason", reason);
    err = save_trial(c, l, t, ended_kind[state], data, error);
    if (!err)
        live_trial_drop(l, t);
    return err;
}

/* --- the values of a trial whose work is done */

struct collecting {
    const struct spec *spec;
    json_t *metrics;
};

static double by_strategy(enum strategy s, const struct measurement_summary *m)
{
    switch (s) {
    case STRATEGY_MIN:
        return m->min;
    case STRATEGY_MAX:
        return m->max;
    case STRATEGY_MEAN:
        return m->mean;
    case STRATEGY_LAST:
        break;
    }
    return m->last;
}

static bool collect_metric(void *arg, const char *metric, const struct measurement_summary *m)
{
    struct collecting *into = arg;
    enum strategy strategy = STRATEGY_LAST;
    for (size_t i = 0; i < into->spec->n_objectives; i++)
        if (!strcmp(into->spec->objectives[i].metric, metric))
            strategy = into->spec->objectives[i].strategy;
    for (size_t i = 0; i < into->spec->n_outcomes; i++)
        if (!strcmp(into->spec->outcomes[i].metric, metric))
            strategy = into->spec->outcomes[i].strategy;
    (void)json_object_set_new(into->metrics, metric, number_json(by_strategy(strategy, m)));
    return true;
}

/* The final value of each metric: what was reported, over it what `told` says. */
static enum err final_metrics(struct core *c, struct live *l, struct live_trial *t, const json_t *told, json_t **out, struct error *error)
{
    struct collecting into = {.spec = l->plan->spec, .metrics = json_object()};
    enum err err = measurement_metrics(c->db, t->row->id, t->row->attempt, collect_metric, &into, error);
    if (!err && told)
        (void)json_object_update(into.metrics, (json_t *)(uintptr_t)told);
    if (err)
        json_decref(into.metrics);
    else
        *out = into.metrics;
    return err;
}

/* Mean over replicates so far of each metric, kept in row->metrics; the spread of the first objective. */
static void fold_replicate(struct live *l, struct trial *row, json_t *metrics)
{
    json_t *before = json_loads(row->metrics, 0, NULL);
    double k = (double)row->replicate;
    const char *name = l->plan->spec->objectives[0].metric;
    double was = NAN, value = NAN;
    (void)number_from_json(json_object_get(before, name), &was);
    (void)number_from_json(json_object_get(metrics, name), &value);
    if (row->replicate > 0) {
        /* Welford: the sum of squares is in the standard error of the replicates before */
        double m2 = k > 1 && !isnan(row->objective_se) ? row->objective_se * row->objective_se * k * (k - 1) : 0;
        m2 += (value - was) * (value - (was * k + value) / (k + 1));
        row->objective_se = sqrt(m2 / (k * (k + 1)));
        const char *key;
        json_t *item;
        json_object_foreach(metrics, key, item)
        {
            double old, new;
            if (number_from_json(json_object_get(before, key), &old) && number_from_json(item, &new))
                (void)json_object_set_new(metrics, key, number_json((old * k + new) / (k + 1)));
        }
    }
    json_decref(before);
    char *text CLEANUP_FREE = json_text(metrics);
    set_text(&row->metrics, text);
    row->objective = NAN;
    (void)number_from_json(json_object_get(metrics, name), &row->objective);
}

/* Says what is wrong with the values that a trial must have: NULL if each is finite. */
static const char *metric_fault(const struct spec *spec, const json_t *metrics, const char **metric)
{
    for (size_t i = 0; i < spec->n_wanted; i++) {
        double value;
        *metric = spec->wanted[i];
        if (!number_from_json(json_object_get(metrics, *metric), &value))
            return "METRICS_MISSING";
        if (!isfinite(value))
            return isnan(value) ? "OBJECTIVE_NAN" : "OBJECTIVE_INFINITE";
    }
    return NULL;
}

/* Says which outcome constraints the trial's metrics miss; malloced, NULL if they meet all. */
static char *missed_bounds(const struct spec *spec, const char *metrics)
{
    struct buf text = BUF_INIT;
    json_t *values = json_loads(metrics, 0, NULL);
    for (size_t i = 0; i < spec_n_bounds(spec); i++) {
        bool upper;
        double value = NAN;
        const struct outcome *o = spec_bound(spec, i, &upper);
        (void)number_from_json(json_object_get(values, o->metric), &value);
        if (!(spec_excess(spec, i, value) <= 0))
            buf_addf(&text, "%s%s is %.6g, %s %.6g", text.len ? "; " : "", o->metric, value, upper ? "above" : "below", upper ? o->max : o->min);
    }
    json_decref(values);
    return text.len ? buf_take(&text) : NULL;
}

enum err trial_judge(struct core *c, struct live *l, struct live_trial *t, const json_t *metrics, const char *tail, struct error *error)
{
    const char *metric, *fault = metric_fault(l->plan->spec, metrics, &metric);
    if (fault) {
        bool missing = !strcmp(fault, "METRICS_MISSING");
        char *message CLEANUP_FREE =
            x_asprintf("metric \"%s\" %s", metric,
                       missing ? "was never reported: print a line like name=value, or report it" : "is not a finite number");
        char *full CLEANUP_FREE = tail && *tail ? x_asprintf("%s. Last lines:\n%s", message, tail) : x_strdup(message);
        return trial_end(c, l, t, TRIAL_FAILED, fault, full, error);
    }
    char *missed CLEANUP_FREE = missed_bounds(l->plan->spec, t->row->metrics);
    if (missed)
        return trial_end(c, l, t, TRIAL_INFEASIBLE, "OUTCOME_CONSTRAINT", missed, error);
    return trial_end(c, l, t, TRIAL_SUCCEEDED, "", "", error);
}

static enum trial_state intended_end(const struct live_trial *t)
{
    if (t->row->state != TRIAL_STOPPING)
        return TRIAL_SUCCEEDED;
    if (!strcmp(t->row->reason, "PAUSED"))
        return TRIAL_PAUSED;
    return !strcmp(t->row->reason, "PRUNED") ? TRIAL_PRUNED : TRIAL_CANCELLED;
}

/* It waits, with what it has reported and its checkpoint, to be promoted. */
static enum err trial_pause(struct core *c, struct live *l, struct live_trial *t, struct error *error)
{
    char *message CLEANUP_FREE = x_strdup(t->row->message);
    if (l->row->state == EXPERIMENT_STOPPING)
        return trial_end(c, l, t, TRIAL_PRUNED, "PRUNED", message, error);
    end_attempt(c, t, TRIAL_PAUSED, "PAUSED", message);
    if (*t->attempt->run_key)
        add_effect(c, EFFECT_FORGET, l, t);
    t->lease_until = NEVER;
    l->n_news++;
    count_state(l, t->row, TRIAL_PAUSED);
    return save_trial(c, l, t, "trial.paused", NULL, error);
}

enum err trial_promote(struct core *c, struct live *l, bool last, struct live_trial **out, struct error *error)
{
    char why[STOP_REASON];
    *out = NULL;
    if (!last && l->none_earned_at == l->n_news + 1) /* each ask looks: many may be paused */
        return OK;
    enum err err = stop_rule_promote(c, l, last, out, why, error);
    if (!err && !*out && !last)
        l->none_earned_at = l->n_news + 1;
    if (err || !*out)
        return err;
    const int64_t budget = stop_rule_budget(c, l, *out);
    json_t *data = json_pack("{s:I, s:s}", "budget", (json_int_t)budget, "why", why);
    return save_trial(c, l, *out, "trial.promoted", data, error);
}

enum err trials_give_up(struct core *c, struct live *l, struct error *error)
{
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    {
        if (t->row->state != TRIAL_PAUSED)
            continue;
        char *message CLEANUP_FREE = x_asprintf("%s; it was not promoted", t->row->message);
        enum err err = trial_end(c, l, t, TRIAL_PRUNED, "PRUNED", message, error);
        if (err)
            return err;
    }
    return OK;
}

enum err trial_finish(struct core *c, struct live *l, struct live_trial *t, const json_t *told, const char *tail, struct error *error)
{
    json_t *metrics;
    enum err err = final_metrics(c, l, t, told, &metrics, error);
    if (err)
        return err;
    enum trial_state end = intended_end(t);
    fold_replicate(l, t->row, metrics);
    if (end == TRIAL_PAUSED) {
        json_decref(metrics);
        return trial_pause(c, l, t, error);
    }
    if (end != TRIAL_SUCCEEDED) {
        json_decref(metrics);
        char *reason CLEANUP_FREE = x_strdup(t->row->reason), *message CLEANUP_FREE = x_strdup(t->row->message);
        return trial_end(c, l, t, end, reason, message, error);
    }
    const char *metric;
    if (t->row->replicate + 1 >= l->plan->spec->replicates || metric_fault(l->plan->spec, metrics, &metric)) {
        err = trial_judge(c, l, t, metrics, tail, error);
        json_decref(metrics);
        return err;
    }
    json_decref(metrics);
    end_attempt(c, t, TRIAL_SUCCEEDED, "", "");
    if (*t->attempt->run_key)
        add_effect(c, EFFECT_FORGET, l, t);
    t->row->replicate++;
    t->lease_until = NEVER;
    count_state(l, t->row, TRIAL_QUEUED);
    return save_trial(c, l, t, "trial.replicate", json_pack("{s:I}", "replicate", (json_int_t)t->row->replicate), error);
}

struct failures {
    int64_t present, n;
};

static bool count_failure(void *arg, const struct attempt *a)
{
    struct failures *f = arg;
    f->n += a->number < f->present && a->state != TRIAL_SUCCEEDED && a->state != TRIAL_PAUSED;
    return true;
}

int64_t failed_before(struct core *c, const struct live_trial *t)
{
    struct failures f = {.present = t->row->attempt};
    if (attempt_list(c->db, t->row->id, count_failure, &f, NULL))
        return INT64_MAX; /* what cannot be read is not tried again */
    return f.n;
}

bool retries_left(struct core *c, const struct live *l, const struct live_trial *t)
{
    return failed_before(c, t) < l->plan->spec->retries;
}

enum err trial_lost(struct core *c, struct live *l, struct live_trial *t, const char *reason, const char *message, bool retry, struct error *error)
{
    struct trial *row = t->row;
    if (row->state == TRIAL_STOPPING) /* it was asked to stop, and it is gone: that is its end */
        return trial_finish(c, l, t, NULL, NULL, error);
    if (!retry || l->row->state == EXPERIMENT_STOPPING)
        return trial_end(c, l, t, strcmp(reason, "LEASE_EXPIRED") != 0 && strcmp(reason, "LOST") != 0 ? TRIAL_FAILED : TRIAL_LOST, reason, message, error);
    end_attempt(c, t, TRIAL_LOST, reason, message);
    if (*t->attempt->run_key)
        add_effect(c, EFFECT_FORGET, l, t);
    count_state(l, row, TRIAL_QUEUED);
    set_text(&row->reason, reason);
    set_text(&row->message, message);
    t->lease_until = NEVER;
    double delay = 0;
    if (l->plan->spec->run && !spec_duration(json_object_get(l->plan->spec->run, "retry_delay"), &delay))
        delay = 1;
    delay = fmin(delay * pow(2, (double)failed_before(c, t)), 60);
    t->start_after = c->mono + (int64_t)(delay * 1000);
    wake_at(c, t->start_after);
    return save_trial(c, l, t, "trial.retrying", json_pack("{s:s}", "reason", reason), error);
}

enum err trial_cancel(struct core *c, struct live *l, struct live_trial *t, const char *reason, const char *message, struct error *error)
{
    bool runs = t->attempt && *t->attempt->run_key && !attempt_over(t->attempt);
    bool by_rule = !strcmp(reason, "PRUNED") || !strcmp(reason, "PAUSED"); /* its worker is told with its report's answer, and says when it has ended */
    if (t->row->state == TRIAL_QUEUED || (!runs && !by_rule))
        return trial_end(c, l, t, TRIAL_CANCELLED, reason, message, error);
    if (t->row->state != TRIAL_STOPPING)
        count_state(l, t->row, TRIAL_STOPPING);
    set_text(&t->row->reason, reason);
    set_text(&t->row->message, message);
    if (runs)
        add_effect(c, EFFECT_CANCEL, l, t);
    return save_trial(c, l, t, "trial.stopping", json_pack("{s:s}", "reason", reason), error);
}

enum err trial_measure(struct core *c, struct live *l, struct live_trial *t, const struct measurement *m, size_t n, struct error *error)
{
    bool any = false;
    unsigned watched = 0;
    int64_t last = 0;
    enum err err = stop_rule_load(c, l, t, error);
    for (size_t i = 0; i < n && !err; i++) {
        bool is_new = false;
        err = measurement_put(c->db, t->row->id, &m[i], &is_new, error);
        any |= is_new;
        last = m[i].step;
        if (!err && is_new)
            watched |= stop_rule_measured(l, t, &m[i]);
    }
    if (err)
        return err;
    if (!any)
        return OK; /* a repeat: nothing is new, so no decision is */
    l->n_news++;
    int64_t revision = t->row->revision; /* the trial's row is not changed by it */
    err = record(c, l, t->row, "trial.reported", json_pack("{s:I}", "step", (json_int_t)last), error);
    t->row->revision = revision;
    if (err || !watched)
        return err;
    if (t->row->state == TRIAL_STOPPING) { /* that is decided */
        stop_rule_passed(l, t);
        return OK;
    }
    struct stop_answer answer;
    err = stop_rule(c, l, t, watched, &answer, error);
    if (!err && (answer.stop || answer.pause))
        err = trial_cancel(c, l, t, answer.stop ? "PRUNED" : "PAUSED", answer.reason, error);
    return err;
}
