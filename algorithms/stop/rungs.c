/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stop/rungs.h"

#include "stop/curves.h"

#include <math.h>
#include <stdio.h>

const char *const rungs_forms[] = {"stop", "pause", NULL};

int64_t rungs_raise(int64_t first, int64_t eta, int64_t k)
{
    for (; k > 0 && first < INT64_MAX; k--)
        first = first > INT64_MAX / eta ? INT64_MAX : first * eta;
    return first;
}

/* The first rung above `step`; INT64_MAX if there is none. */
static int64_t rung_above(const struct rungs *r, int64_t step)
{
    int64_t rung = r->first;
    while (rung <= step && rung < INT64_MAX)
        rung = rungs_raise(rung, r->eta, 1);
    return r->top && rung >= r->top ? INT64_MAX : rung;
}

/* INFINITY for one that diverged: the worst there is. NAN: it has not come so far. */
static double value_at(const struct curve *c, int64_t rung)
{
    size_t i = curve_upto(c, rung - 1);
    if (i == c->n)
        return NAN;
    return isnan(c->value[i]) ? INFINITY : c->value[i];
}

static void pause_at(const struct stop_question *q, int64_t rung, struct stop_answer *answer)
{
    const double own = value_at(q->trial, rung);
    if (!isfinite(own)) {
        stop_say(answer, true, "its value at the rung of step %lld is not a finite number", (long long)rung);
        return;
    }
    stop_say_pause(answer, "it waits at the rung of step %lld with the value %.6g", (long long)rung, as_reported(q->maximized, own));
}

static void decide(const struct rungs *r, const struct stop_question *q, int64_t rung, struct stop_answer *answer)
{
    const double own = value_at(q->trial, rung);
    size_t n = 1, better = 0;
    for (size_t i = 0; i < q->n_others; i++) {
        if (r->peer && !r->peer(r->ctx, q->others[i].number))
            continue;
        double value = value_at(&q->others[i], rung);
        n += isnan(value) ? 0 : 1;
        better += value < own ? 1 : 0;
    }
    const size_t eta = (size_t)r->eta, places = n / eta > 1 ? n / eta : 1;
    if (!isfinite(own))
        stop_say(answer, true, "its value at the rung of step %lld is not a finite number", (long long)rung);
    else if (n < eta)
        stop_say(answer, false, "%zu of %zu trials have reached the rung of step %lld", n, eta, (long long)rung);
    else
        stop_say(answer, better >= places, "at the rung of step %lld its value %.6g is number %zu of %zu, and the best %zu go on", (long long)rung,
                 as_reported(q->maximized, own), better + 1, n, places);
}

void rungs_ask(const struct rungs *r, const struct stop_question *q, struct stop_answer *answer)
{
    const int64_t step = curve_last(q->trial);
    int64_t rung = 0;
    for (int64_t next = rung_above(r, q->asked); next <= step && next < INT64_MAX; next = rung_above(r, next))
        rung = next;
    if (rung) {
        if (r->pause)
            pause_at(q, rung, answer);
        else
            decide(r, q, rung, answer);
        return;
    }
    const int64_t next = rung_above(r, step > q->asked ? step : q->asked);
    if (next < INT64_MAX)
        stop_say(answer, false, "it is at step %lld, and the next rung is at %lld", (long long)step, (long long)next);
    else
        stop_say(answer, false, "it is at step %lld, and there is no rung beyond", (long long)step);
}

int64_t rungs_budget(const struct rungs *r, int64_t asked)
{
    const int64_t next = rung_above(r, asked);
    return !r->pause ? 0 : next < INT64_MAX ? next : r->top;
}

/* --- promotion */

/* Where a curve stands among all that have reached the rung; equals by number, so that no more than `places` ever pass. */
static size_t better_at(const struct rungs *r, const struct promotion_question *q, const struct curve *c, int64_t rung, size_t *n)
{
    const double own = value_at(c, rung);
    size_t better = 0;
    *n = 0;
    for (size_t i = 0; i < q->n; i++) {
        const struct curve *other = &q->curves[i];
        if (r->peer && !r->peer(r->ctx, other->number))
            continue;
        const double value = value_at(other, rung);
        *n += isnan(value) ? 0 : 1;
        better += value < own || (value <= own && other->number < c->number) ? 1 : 0;
    }
    return better;
}

/* The best paused trial whose highest rung this is; NULL = none. *completed: a peer has come to its end. */
static const struct curve *best_waiting(const struct rungs *r, const struct promotion_question *q, int64_t rung, bool *completed)
{
    const struct curve *best = NULL;
    const int64_t next = rung_above(r, rung);
    for (size_t i = 0; i < q->n; i++) {
        const struct curve *c = &q->curves[i];
        if (r->peer && !r->peer(r->ctx, c->number))
            continue;
        *completed |= c->end == CURVE_COMPLETED;
        const int64_t last = curve_last(c);
        if (c->end == CURVE_PAUSED && last >= rung && last < next && (!best || value_at(c, rung) < value_at(best, rung)))
            best = c; /* of equals the first, as curves are by number */
    }
    return best;
}

void rungs_promote(const struct rungs *r, const struct promotion_question *q, struct promotion *chosen, char *reason)
{
    int64_t rungs[64];
    int n_rungs = 0;
    for (int64_t rung = rung_above(r, 0); rung < INT64_MAX && n_rungs < 64; rung = rung_above(r, rung))
        rungs[n_rungs++] = rung;
    const struct curve *last_hope = NULL;
    int64_t its_rung = 0;
    bool completed = false;
    for (int k = n_rungs - 1; k >= 0 && (!chosen->number || rungs[k] > chosen->rung); k--) {
        const struct curve *c = best_waiting(r, q, rungs[k], &completed);
        if (!c)
            continue;
        size_t n;
        const size_t better = better_at(r, q, c, rungs[k], &n), places = n / (size_t)r->eta;
        if (better < places) {
            *chosen = (struct promotion){c->number, rungs[k], value_at(c, rungs[k])};
            (void)snprintf(reason, STOP_REASON, "at the rung of step %lld its value %.6g is number %zu of %zu, and the best %zu go on", (long long)rungs[k],
                           as_reported(q->maximized, chosen->value), better + 1, n, places);
            return;
        }
        if (!last_hope) {
            last_hope = c;
            its_rung = rungs[k];
        }
    }
    if (q->last && last_hope && !completed && !chosen->number) {
        *chosen = (struct promotion){last_hope->number, its_rung, value_at(last_hope, its_rung)};
        (void)snprintf(reason, STOP_REASON, "nothing more will come to the rung of step %lld, and its value %.6g is the best that waits there", (long long)its_rung,
                       as_reported(q->maximized, chosen->value));
    }
}

const char *rungs_fault(const struct rungs *r, char *why)
{
    if (r->pause && !r->top) {
        (void)snprintf(why, STOP_REASON, "is not set; form: pause needs the step at which a trial ends");
        return "max_resource";
    }
    if (r->top && r->first >= r->top) {
        (void)snprintf(why, STOP_REASON, "is %lld, must be above the first rung, which is at step %lld", (long long)r->top, (long long)r->first);
        return "max_resource";
    }
    return NULL;
}
