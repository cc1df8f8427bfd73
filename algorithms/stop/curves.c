/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stop/curves.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

size_t curve_upto(const struct curve *c, int64_t step)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->step[middle] <= step)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t curve_last(const struct curve *c)
{
    return c->n ? c->step[c->n - 1] : INT64_MIN;
}

double curve_best(const struct curve *c, size_t from, size_t to)
{
    double low = INFINITY;
    for (size_t i = from; i < to; i++)
        low = fmin(low, c->value[i]);
    return low;
}

double curve_average(const struct curve *c, int64_t step)
{
    if (curve_last(c) < step)
        return NAN;
    double sum = 0;
    size_t n = 0, end = curve_upto(c, step);
    for (size_t i = 0; i < end; i++)
        if (!isnan(c->value[i])) {
            sum += c->value[i];
            n++;
        }
    return n ? sum / (double)n : NAN;
}

double curve_value(const struct curve *c, int64_t step)
{
    size_t n = curve_last(c) < step ? 0 : curve_upto(c, step);
    return n ? c->value[n - 1] : NAN;
}

size_t completed_at(const struct stop_question *q, int64_t step, double (*of)(const struct curve *c, int64_t step), double *values)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n_others; i++) {
        double value = q->others[i].end == CURVE_COMPLETED ? of(&q->others[i], step) : NAN;
        if (!isnan(value))
            values[n++] = value;
    }
    return n;
}

const struct curve *best_completed(const struct stop_question *q)
{
    const struct curve *best = NULL;
    for (const struct curve *c = q->others; c < q->others + q->n_others; c++)
        if (c->end == CURVE_COMPLETED && !isnan(c->final) && (!best || c->final < best->final))
            best = c;
    return best;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile(double *values, size_t n, double share)
{
    qsort(values, n, sizeof *values, by_value);
    double at = share * (double)(n - 1), whole = floor(at), part = at - whole;
    size_t i = (size_t)whole;
    if (i + 1 >= n || part == 0 || values[i] == values[i + 1]) /* or infinities would make a NAN */
        return values[i];
    return values[i] * (1 - part) + values[i + 1] * part;
}

double as_reported(bool maximized, double value)
{
    return maximized ? -value : value;
}

static void say(struct stop_answer *answer, const char *what, const char *fmt, va_list args)
{
    int n = snprintf(answer->reason, sizeof answer->reason, "%s: ", what);
    (void)vsnprintf(answer->reason + n, sizeof answer->reason - (size_t)n, fmt, args);
}

void stop_say(struct stop_answer *answer, bool stop, const char *fmt, ...)
{
    va_list args;
    answer->stop = stop;
    va_start(args, fmt);
    say(answer, stop ? "stopped" : "goes on", fmt, args);
    va_end(args);
}

void stop_say_pause(struct stop_answer *answer, const char *fmt, ...)
{
    va_list args;
    answer->pause = true;
    va_start(args, fmt);
    say(answer, "paused", fmt, args);
    va_end(args);
}
