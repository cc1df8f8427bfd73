/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An experiment as the routes that analyse it see it: its trials, and a model of them, made anew for each request. */
#ifndef HONE_API_LOOK_H
#define HONE_API_LOOK_H

#include "inside.h"

#include "analysis/surrogate.h"

struct look {
    struct experiment *e;
    struct core_view *view;
    const struct spec *spec;
    const struct problem *problem;
    const struct observation *history;
    size_t n;
    int objective;
    struct surrogate *surrogate; /* NULL = too few trials */
};

/* `same`: the client has this revision already, and is told so. look_close in any case. */
enum err look_open(struct request *r, struct look *l, bool *same, struct error *error);
void look_learn(struct look *l); /* the surrogate, of the objective asked for */
void look_close(struct look *l);

void look_begin(struct buf *b, const struct look *l); /* the members that answers of the model begin with; the object stays open */
void look_end(struct request *r, struct buf *b, const struct look *l);

#endif
