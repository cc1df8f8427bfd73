/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is to be done next in a run: a function of its tree and the time alone. Nothing here changes anything. */
#include "core/flow.h"

#include "backends/trial_env.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

bool node_over(const struct node *n)
{
    return step_state_final(n->row->state);
}

bool node_good(const struct node *n)
{
    return n->row->state == STEP_SUCCEEDED || n->row->state == STEP_CACHED;
}

static bool node_bad(const struct node *n)
{
    return n->row->state == STEP_FAILED || n->row->state == STEP_UPSTREAM_FAILED || n->row->state == STEP_CANCELLED;
}

__attribute__((format(printf, 6, 7))) static void act(struct acts *out, enum act_kind kind, struct node *n, enum step_state state, const char *cause, const char *fmt, ...)
{
    if (out->n == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 16;
        out->items = x_realloc(out->items, out->cap * sizeof *out->items);
    }
    struct act *a = &out->items[out->n++];
    *a = (struct act){.kind = kind, .node = n, .state = state, .cause = cause};
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(a->message, sizeof a->message, fmt, ap);
    va_end(ap);
}

static void wake(struct acts *out, int64_t at_ms)
{
    if (at_ms < out->wake_ms)
        out->wake_ms = at_ms;
}

/* --- may a step begin? */

enum verdict { VERDICT_WAIT, VERDICT_RUN, VERDICT_SKIP, VERDICT_UPSTREAM };

struct tally {
    size_t n, over, good, bad;
    const struct node *first_bad;
};

static struct tally count_needs(const struct node *n)
{
    struct tally t = {.n = n->step->n_needs};
    for (size_t i = 0; i < t.n; i++) {
        const struct node *need = n->frame->nodes[n->step->needs[i]];
        t.over += node_over(need);
        t.good += node_good(need);
        t.bad += node_bad(need);
        if (node_bad(need) && !t.first_bad)
            t.first_bad = need;
    }
    return t;
}

static enum verdict judge(const struct step *s, const struct tally *t)
{
    bool all_over = t->over == t->n;
    if (!t->n)
        return VERDICT_RUN;
    switch (s->trigger) {
    case TRIGGER_ALL_DONE:
        return all_over ? VERDICT_RUN : VERDICT_WAIT;
    case TRIGGER_ANY_FAILED:
        return t->bad ? VERDICT_RUN : all_over ? VERDICT_SKIP : VERDICT_WAIT;
    case TRIGGER_NONE_FAILED:
        return t->bad ? VERDICT_UPSTREAM : all_over ? VERDICT_RUN : VERDICT_WAIT;
    case TRIGGER_ALL_SUCCESS:
        break;
    }
    if (s->any)
        return t->good ? VERDICT_RUN : !all_over ? VERDICT_WAIT : t->bad ? VERDICT_UPSTREAM : VERDICT_SKIP;
    if (t->bad)
        return VERDICT_UPSTREAM;
    return t->good == t->n ? VERDICT_RUN : all_over ? VERDICT_SKIP : VERDICT_WAIT;
}

/* With on_failure: stop nothing new begins after a failure but what is there for failures. */
static bool held_back(const struct node *n)
{
    const struct frame *fr = n->frame;
    if (fr->pipeline->go_on || n->index >= fr->n || n->step->trigger == TRIGGER_ALL_DONE || n->step->trigger == TRIGGER_ANY_FAILED)
        return false;
    for (size_t i = 0; i < fr->n; i++)
        if (fr->nodes[i]->row->state == STEP_FAILED)
            return true;
    return false;
}

static bool has_slot(const struct flow *f, const struct acts *out)
{
    int64_t starts = 0;
    for (size_t i = 0; i < out->n; i++)
        starts += out->items[i].kind == ACT_START;
    return f->n_running + starts < f->parallel;
}

static bool holds_others(const struct node *n)
{
    return (n->step->map_over && !n->map) || n->step->pipeline;
}

static void next_waiting(struct flow *f, struct node *n, bool stopping, struct acts *out)
{
    if (stopping) {
        act(out, ACT_END, n, STEP_CANCELLED, "STOPPED", "the run is ending");
        return;
    }
    struct tally t = n->map ? (struct tally){0} : count_needs(n);
    enum verdict v = judge(n->step, &t);
    if (v == VERDICT_WAIT)
        return;
    if (v == VERDICT_UPSTREAM) {
        act(out, ACT_END, n, STEP_UPSTREAM_FAILED, "UPSTREAM", "step %s ended as %s", t.first_bad->row->path, step_state_name(t.first_bad->row->state));
        return;
    }
    if (v == VERDICT_SKIP) {
        act(out, ACT_END, n, STEP_SKIPPED, "UPSTREAM", "a step that it needs was skipped");
        return;
    }
    if (held_back(n)) {
        act(out, ACT_END, n, STEP_CANCELLED, "STOPPED", "a step failed (on_failure: stop)");
        return;
    }
    if (n->step->when && !n->map) {
        struct scope scope = {.node = n, .mode = SCOPE_KEY};
        struct error error = {0};
        bool holds = false, known = condition_holds(n->step->when, flow_value, &scope, &holds, &error);
        scope_release(&scope);
        if (!known) {
            act(out, ACT_END, n, STEP_FAILED, "USER", "when: %.250s", error.detail);
            return;
        }
        if (!holds) {
            act(out, ACT_END, n, STEP_SKIPPED, "WHEN", "its condition does not hold");
            return;
        }
    }
    if (holds_others(n))
        act(out, ACT_OPEN, n, STEP_RUNNING, "", "%s", "");
    else if (has_slot(f, out))
        act(out, ACT_START, n, STEP_STARTING, "", "%s", "");
}

/* --- what is under way */

/* Others wait for what it makes: it goes on though its own run ends. */
static bool is_wanted(const struct node *n)
{
    return n->flight && n->flight->holder == n && n->flight->first;
}

static void next_node(struct flow *f, struct node *n, bool stopping, int64_t now_ms, struct acts *out);
static void next_frame(struct flow *f, struct frame *fr, bool stopping, int64_t now_ms, struct acts *out);

static void next_map(struct flow *f, struct node *n, bool stopping, int64_t now_ms, struct acts *out)
{
    size_t all = json_array_size(n->items);
    double allowed = (1 - n->step->map_min_success) * (double)all;
    bool too_many = (double)n->n_bad > allowed + 1e-9;
    int64_t parallel = n->step->map_parallel ? n->step->map_parallel : f->parallel, busy = 0;
    for (size_t i = 0; i < n->n_live; i++)
        busy += n->live[i]->row->state != STEP_WAITING;
    for (size_t i = 0; i < n->n_live; i++) {
        bool waits = n->live[i]->row->state == STEP_WAITING && !stopping && !too_many; /* of a run that was resumed */
        if (!waits || busy++ < parallel)
            next_node(f, n->live[i], stopping || too_many, now_ms, out);
    }
    bool more = n->next_item < all && !stopping && !too_many;
    if (more && (int64_t)n->n_live < parallel) {
        if (n->step->pipeline || has_slot(f, out))
            act(out, ACT_ITEM, n, STEP_RUNNING, "", "%s", "");
    } else if (!n->n_live && !more) {
        if (too_many)
            act(out, ACT_CLOSE, n, STEP_FAILED, "ITEMS", "%zu of %zu items failed, at most %.0f may (min_success: %.12g)", n->n_bad, all, floor(allowed + 1e-9),
                n->step->map_min_success);
        else if (stopping && n->next_item < all)
            act(out, ACT_CLOSE, n, STEP_CANCELLED, "STOPPED", "the run is ending");
        else
            act(out, ACT_CLOSE, n, STEP_SUCCEEDED, "", "%s", "");
    }
}

static void next_idle(struct node *n, int64_t now_ms, struct acts *out)
{
    int64_t due = n->heard_ms + (int64_t)(n->step->idle_timeout_s * 1000);
    if (due <= now_ms)
        act(out, ACT_CANCEL, n, STEP_STOPPING, "TIMEOUT", "it wrote nothing for %.12g s (timeout.idle)", n->step->idle_timeout_s);
    else
        wake(out, due);
}

static void next_node(struct flow *f, struct node *n, bool stopping, int64_t now_ms, struct acts *out)
{
    switch (n->row->state) {
    case STEP_WAITING:
        next_waiting(f, n, stopping, out);
        break;
    case STEP_CACHE_WAIT:
        if (stopping)
            act(out, ACT_END, n, STEP_CANCELLED, "STOPPED", "the run is ending");
        else if ((!n->flight || !n->flight->holder) && has_slot(f, out))
            act(out, ACT_START, n, STEP_STARTING, "", "%s", "");
        break;
    case STEP_RETRYING:
        if (stopping)
            act(out, ACT_END, n, STEP_CANCELLED, "STOPPED", "the run is ending");
        else if (n->row->retry_ms > now_ms)
            wake(out, n->row->retry_ms);
        else if (has_slot(f, out))
            act(out, ACT_START, n, STEP_STARTING, "", "%s", "");
        break;
    case STEP_STARTING:
    case STEP_RUNNING:
    case STEP_STOPPING:
        if (n->items)
            next_map(f, n, stopping, now_ms, out);
        else if (n->child)
            next_frame(f, n->child, stopping, now_ms, out);
        else if (stopping && !n->cancel_asked && n->row->state != STEP_STOPPING && !is_wanted(n))
            act(out, ACT_CANCEL, n, STEP_STOPPING, "STOPPED", "the run is ending");
        else if (n->step->idle_timeout_s > 0 && n->heard_ms && n->row->state == STEP_RUNNING)
            next_idle(n, now_ms, out);
        break;
    default:
        break;
    }
}

static bool all_over(const struct frame *fr)
{
    for (size_t i = 0; i < fr->n; i++)
        if (!node_over(fr->nodes[i]))
            return false;
    return true;
}

/* The first node that failed, for the message; NULL = none. */
static const struct node *failure_of(const struct frame *fr, size_t from, size_t to)
{
    const struct node *bad = NULL;
    for (size_t i = from; i < to; i++) {
        if (fr->nodes[i]->row->state == STEP_FAILED)
            return fr->nodes[i];
        if (!bad && node_bad(fr->nodes[i]))
            bad = fr->nodes[i];
    }
    return bad;
}

static void close_frame(struct flow *f, struct frame *fr, enum act_kind kind, size_t from, size_t to, bool stopping, struct acts *out)
{
    const struct node *bad = failure_of(fr, from, to);
    bool as_asked = kind == ACT_FINISH && !(bad && !strcmp(f->row->outcome, run_state_name(RUN_SUCCEEDED)));
    struct node *owner = fr->owner;
    if (as_asked || !bad) {
        act(out, kind, owner, STEP_SUCCEEDED, "", "%s", "");
    } else if (stopping && bad->row->state != STEP_FAILED) {
        act(out, kind, owner, STEP_CANCELLED, "STOPPED", "the run is ending");
    } else {
        act(out, kind, owner, STEP_FAILED, "STEP_FAILED", "step %s: %.230s", bad->row->path, bad->row->message);
    }
}

/* Its steps, then those of `finally` one after another, then its end. */
static void next_frame(struct flow *f, struct frame *fr, bool stopping, int64_t now_ms, struct acts *out)
{
    bool root = !fr->owner;
    if (!all_over(fr)) {
        for (size_t i = 0; i < fr->n; i++)
            next_node(f, fr->nodes[i], stopping, now_ms, out);
        return;
    }
    if (root && !*f->row->outcome) {
        close_frame(f, fr, ACT_OUTCOME, 0, fr->n, stopping, out);
        return;
    }
    bool forced = !strcmp(f->row->reason, "FORCED");
    for (size_t i = fr->n; i < fr->n + fr->n_finally; i++)
        if (!node_over(fr->nodes[i])) {
            next_node(f, fr->nodes[i], forced, now_ms, out);
            return;
        }
    if (root)
        close_frame(f, fr, ACT_FINISH, fr->n, fr->n + fr->n_finally, stopping, out);
    else
        close_frame(f, fr, ACT_CLOSE, 0, fr->n + fr->n_finally, stopping, out);
}

void flow_next(struct flow *f, int64_t now_ms, struct acts *out)
{
    out->n = 0;
    out->wake_ms = INT64_MAX;
    if (run_state_final(f->row->state))
        return;
    const double own = f->plan->pipeline->timeout_s, of_trial = json_number_value(json_object_get(f->origin, "time_limit"));
    const double limit = own > 0 && (of_trial <= 0 || own < of_trial) ? own : of_trial;
    bool stopping = f->row->state == RUN_STOPPING;
    if (limit > 0 && !stopping) {
        int64_t due = f->row->start_ms + (int64_t)(limit * 1000);
        if (due <= now_ms) {
            act(out, ACT_OUTCOME, NULL, STEP_FAILED, "TIMEOUT", "the run took longer than its timeout of %.12g s", limit);
            return;
        }
        wake(out, due);
    }
    next_frame(f, f->root, stopping, now_ms, out);
}

/* --- retries */

static bool listed(const struct retry *r, int exit_code)
{
    for (size_t i = 0; i < r->n_exit_codes; i++)
        if (r->exit_codes[i] == exit_code)
            return true;
    return false;
}

bool retry_due(const struct step *s, const struct step_row *row, uint64_t seed, enum failure why, int exit_code, int64_t *delay_ms)
{
    static const unsigned bit[] = {[FAILURE_USER] = RETRY_USER, [FAILURE_INFRA] = RETRY_INFRA, [FAILURE_TIMEOUT] = RETRY_TIMEOUT, [FAILURE_OOM] = RETRY_OOM};
    const struct retry *r = &s->retry;
    int64_t before = why == FAILURE_INFRA ? row->n_infra : row->n_user;
    bool wanted = (r->on & bit[why]) != 0 || (why == FAILURE_USER && listed(r, exit_code));
    if (why == FAILURE_INFRA) /* it is not the step's fault: it does not use up its tries */
        wanted = before < r->infra_max;
    else
        wanted = wanted && before < r->max;
    if (!wanted)
        return false;
    double wait = fmin(r->backoff_s * pow(r->factor, (double)before), r->max_backoff_s);
    if (r->jitter) {
        uint64_t draw = trial_seed(seed, row->seq, row->attempt);
        wait *= (double)draw / 9007199254740992.0;
    }
    *delay_ms = (int64_t)(wait * 1000);
    return true;
}
