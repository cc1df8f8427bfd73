/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stopping rules ask of curves, and how they answer. */
#ifndef HONE_STOP_CURVES_H
#define HONE_STOP_CURVES_H

#include "stop/stopper.h"

size_t curve_upto(const struct curve *c, int64_t step);      /* how many of its reports are at steps <= `step` */
int64_t curve_last(const struct curve *c);                   /* its last step; INT64_MIN if it has none */
double curve_best(const struct curve *c, size_t from, size_t to); /* lowest of the reports [from, to), NANs passed over; INFINITY if there is none */

/* Of a trial that came as far as `step`, else NAN, for then it says nothing of that step: */
double curve_average(const struct curve *c, int64_t step);   /* mean of the values at steps <= `step`, NANs passed over */
double curve_value(const struct curve *c, int64_t step);     /* its value there: of its last report at a step <= `step` */

/* Numbers of the completed trials at a step, those that are NAN left out; `values` has room for n_others. Returns how many. */
size_t completed_at(const struct stop_question *q, int64_t step, double (*of)(const struct curve *c, int64_t step), double *values);
const struct curve *best_completed(const struct stop_question *q); /* of those with a final value, the first of equals; NULL = none */

/* Sorts; linear between neighbours (type 7 of Hyndman and Fan 1996). n >= 1. */
double quantile(double *values, size_t n, double share);

double as_reported(bool maximized, double value); /* a value as the trial reported it, for the reason */
void stop_say(struct stop_answer *answer, bool stop, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void stop_say_pause(struct stop_answer *answer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
