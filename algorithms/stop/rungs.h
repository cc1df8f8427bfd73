/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asynchronous successive halving (Li et al., "A system for massively parallel hyperparameter tuning", 2020): rungs at first, first * eta,
 * first * eta^2, ... steps. Private to the rules that have rungs.
 *
 * Two forms. `stop`: a trial runs on unless it is among the worse ones at a rung; it needs no checkpoints. `pause`, the paper's own: every attempt
 * ends at its next rung, and whenever there is room the best that wait are promoted, from the top rung down. A late good trial takes no
 * place from an early bad one that was let through, so it spends less; it needs checkpoints. */
#ifndef HONE_STOP_RUNGS_H
#define HONE_STOP_RUNGS_H

#include "stop/stopper.h"

struct rungs {
    int64_t first, eta; /* >= 1, >= 2 */
    int64_t top;        /* a trial that comes so far ends by itself: no rung is there or beyond; 0 = never */
    bool pause;
    bool (*peer)(const void *ctx, int64_t number); /* is this trial compared? NULL = all are */
    const void *ctx;
};

extern const char *const rungs_forms[]; /* of a setting `form`: its index is `pause` */
#define RUNGS_FORM {"form", SETTING_CHOICE, 0, 0, 1, rungs_forms, "stop: the worse ones are stopped; pause: every attempt ends at its rung, and the best go on from their checkpoints"}

/* first * eta^k, or INT64_MAX when that is too large. */
int64_t rungs_raise(int64_t first, int64_t eta, int64_t k);

/* Decides at the highest rung that the trial has reached since it was last asked about. A trial's value at a rung is that of its first report
 * at or after it. It goes on while fewer than eta trials have reached the rung, or if it is among the best n/eta of the n that have (at
 * least the best one; equals stay together). A value that is no finite number is stopped there, whoever else has come so far. */
void rungs_ask(const struct rungs *r, const struct stop_question *q, struct stop_answer *answer);

/* Where an attempt ends that was asked about up to `asked`: at the next rung, or at the top. 0 in the form that stops. */
int64_t rungs_budget(const struct rungs *r, int64_t asked);

struct promotion {
    int64_t number; /* of the trial; 0 = none */
    int64_t rung;
    double value;
};

/* The best paused trial among the best n/eta of the highest rung that has one; takes the place of what *best holds if its rung is higher. If nothing
 * more will come and no peer has completed, the best of the highest rung goes on however few there are: one of them has to come to the top. */
void rungs_promote(const struct rungs *r, const struct promotion_question *q, struct promotion *best, char *reason);

/* The setting at fault: there must be a rung below the top. */
const char *rungs_fault(const struct rungs *r, char *why);

#endif
