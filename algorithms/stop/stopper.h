/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stopping rule says of a running trial whether going on is hopeless. Pure, like a search algorithm: no I/O, no clock, nothing kept.
 * The same question gives the same answer. Values are minimised.
 *
 * WHAT A RULE SEES: the reports, on the experiment's first objective, that were stored when the last of `trial` came in: its own and those
 * of every other trial, running and stopped ones too. It is asked once for every call that brings something new, after that is stored
 * and in the same transaction. A repeated call brings nothing new and is not asked about; one that was lost in a crash was not stored
 * and is asked about when it comes again. So nothing is decided twice, and no decision depends on when a service was restarted.
 *
 * RETRIES: the curve of a trial is that of its present run (replicate): of each step the value of the newest attempt that reported it.
 * The curve of `trial` ends where its present attempt stands; `asked` tells how far an earlier attempt, or it, had come before.
 *
 * PAUSES: a rule may end an attempt and keep its trial. The rule says of each attempt how far it goes (`budget`), and which paused trial
 * goes on from its checkpoint, in a new attempt, when there is room (`promote`). That too is a function of the reports and of who is paused:
 * a promotion that was lost in a crash is found again, and one that was stored is not, for that trial is paused no more. */
#ifndef HONE_STOPPER_H
#define HONE_STOPPER_H

#include "base/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum curve_end { CURVE_RUNS, CURVE_PAUSED, CURVE_COMPLETED, CURVE_PRUNED, CURVE_FAILED };

struct curve {
    int64_t number; /* of the trial */
    enum curve_end end;
    double final;   /* the objective that a completed one ended with; NAN for the others */
    const int64_t *step; /* rising */
    const double *value; /* may be infinite or NAN: it diverged */
    size_t n;
};

struct stop_question {
    const struct settings *settings;
    const struct curve *trial;  /* the one that may be stopped; its last report is what it is asked about */
    int64_t asked;              /* the highest step that was reported before; what steps up to it meant was decided then. INT64_MIN = none */
    const struct curve *others; /* all but `trial` that have reported, order of number; trials that were lost, cancelled or infeasible are not
                                   among them, and of very many only the newest and the best */
    size_t n_others;
    bool maximized; /* the values were negated on entry: turned back in the reason */
};

#define STOP_REASON 240

struct stop_answer {
    bool stop;
    bool pause; /* only this attempt ends: the trial waits to be promoted */
    char reason[STOP_REASON]; /* for people, with the numbers compared; also when it goes on */
};

struct promotion_question {
    const struct settings *settings;
    const struct curve *curves; /* as `others` above, of all trials */
    size_t n;
    bool last; /* nothing runs and nothing new will come: without a promotion the paused ones are given up */
    bool maximized;
};

struct stopper {
    const char *name, *title, *about;
    const struct setting *settings;
    void (*ask)(const struct stop_question *question, struct stop_answer *answer); /* `trial` has a report */

    /* Settings that do not go together: the one at fault and why, or NULL. `why` has room for STOP_REASON. NULL = all do. */
    const char *(*fault)(const struct settings *settings, char *why);

    /* Of rules that may pause; NULL in others. The step at which an attempt ends of a trial that was asked about up to `asked`; 0 = it runs to
     * its own end, as all do under settings that pause nothing. */
    int64_t (*budget)(const struct settings *settings, int64_t number, int64_t asked);
    /* The number of the paused trial that goes on, with the reason; 0 = none does now. */
    int64_t (*promote)(const struct promotion_question *question, char *reason);
};

extern const struct stopper *const stoppers[]; /* NULL-ended, by stoppers.def; "none" is not in it */

const struct stopper *stopper_find(const char *name);

/* ask, with what is common to all rules. Callers use this. */
void stopper_ask(const struct stopper *s, const struct stop_question *question, struct stop_answer *answer);

/* budget, of any rule; 0 under one that pauses nothing. Only where it is not 0 trials are ever paused. */
int64_t stopper_budget(const struct stopper *s, const struct settings *settings, int64_t number, int64_t asked);

#endif
