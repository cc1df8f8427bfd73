/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which parameters belong together: the coarsest partition such that the active parameters of every trial are a union of its parts. */
#ifndef HONE_TPE_GROUPS_H
#define HONE_TPE_GROUPS_H

#include "algorithm.h"

struct group {
    int *dims; /* rising */
    size_t d;
};

struct groups {
    struct group *list;
    size_t n;
    int *dims; /* memory of all */
};

/* Parameters with a single value are left out. */
void groups_init(struct groups *g, const struct problem *p, const struct observation *history, size_t n);
void groups_release(struct groups *g);

#endif
