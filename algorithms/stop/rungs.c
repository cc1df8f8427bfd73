/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stop/rungs.h"

#include "stop/curves.h"

#include <math.h>

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
                 as_reported(q, own), better + 1, n, places);
}

void rungs_ask(const struct rungs *r, const struct stop_question *q, struct stop_answer *answer)
{
    const int64_t step = curve_last(q->trial);
    int64_t rung = 0;
    for (int64_t next = rung_above(r, q->asked); next <= step && next < INT64_MAX; next = rung_above(r, next))
        rung = next;
    if (rung) {
        decide(r, q, rung, answer);
        return;
    }
    const int64_t next = rung_above(r, step > q->asked ? step : q->asked);
    if (next < INT64_MAX)
        stop_say(answer, false, "it is at step %lld, and the next rung is at %lld", (long long)step, (long long)next);
    else
        stop_say(answer, false, "it is at step %lld, and there is no rung beyond", (long long)step);
}
