/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sequence.h"

#include <stdio.h>

enum err sequence_suggest(const struct search *search, sequence_fn *point, const char *how, struct suggestion *out,
                          struct error *error)
{
    const struct problem *p = search->problem;
    for (int64_t i = search->cursor; i < search->cursor + SEQUENCE_TRIES; i++) {
        point(search->seed, (uint64_t)i, out->x, p->n_dims);
        p->snap(p->ctx, out->x);
        if (p->feasible && !p->feasible(p->ctx, out->x))
            continue;
        out->cursor = i + 1;
        (void)snprintf(out->how, sizeof out->how, "%s", how);
        return OK;
    }
    return err_set(error, ERR_EXHAUSTED, "CONSTRAINTS_TOO_TIGHT",
                   "none of %d points in a row satisfied the constraints; loosen them or narrow the ranges", SEQUENCE_TRIES);
}
