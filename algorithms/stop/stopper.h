/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stopping rule says of a running trial whether going on is hopeless. Pure, like a search algorithm:
 * the same curves give the same answer, so a retry or a crash changes nothing. Values are minimised. */
#ifndef HONE_STOPPER_H
#define HONE_STOPPER_H

#include "base/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The reports of one trial on the metric the rule watches, steps rising; NAN values are left out. */
struct curve {
    int64_t number; /* of the trial */
    const int64_t *step;
    const double *value;
    size_t n;
};

struct stop_question {
    const struct settings *settings;
    const struct curve *trial;     /* the one that may be stopped */
    const struct curve *completed; /* trials that ran to their end, order of number */
    size_t n_completed;
    bool maximized; /* the values were negated on entry: turned back in the reason */
};

#define STOP_REASON 240

struct stop_answer {
    bool stop;
    char reason[STOP_REASON]; /* for people, with the numbers compared; also when it goes on */
};

struct stopper {
    const char *name, *title, *about;
    const struct setting *settings;
    void (*ask)(const struct stop_question *question, struct stop_answer *answer);
};

extern const struct stopper *const stoppers[]; /* NULL-ended, by stoppers.def; "none" is not in it */

const struct stopper *stopper_find(const char *name);

#endif
