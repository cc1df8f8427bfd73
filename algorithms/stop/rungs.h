/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Successive halving in its asynchronous, stopping form (Li et al., "A system for massively parallel hyperparameter tuning", 2020): rungs at
 * first, first * eta, first * eta^2, ... steps. Private to the rules that have rungs. */
#ifndef HONE_STOP_RUNGS_H
#define HONE_STOP_RUNGS_H

#include "stop/stopper.h"

struct rungs {
    int64_t first, eta; /* >= 1, >= 2 */
    int64_t top;        /* a trial that comes so far ends by itself: no rung is there or beyond; 0 = never */
    bool (*peer)(const void *ctx, int64_t number); /* is this trial compared? NULL = all are */
    const void *ctx;
};

/* first * eta^k, or INT64_MAX when that is too large. */
int64_t rungs_raise(int64_t first, int64_t eta, int64_t k);

/* Decides at the highest rung that the trial has reached since it was last asked about. A trial's value at a rung is that of its first report
 * at or after it. It goes on while fewer than eta trials have reached the rung, or if it is among the best n/eta of the n that have (at
 * least the best one; equals stay together). A value that is no finite number is stopped there, whoever else has come so far. */
void rungs_ask(const struct rungs *r, const struct stop_question *q, struct stop_answer *answer);

#endif
