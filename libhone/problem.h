/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A search space as algorithms see it: the one place where parameters meet the cube (algorithms/algorithm.h). */
#ifndef HONE_LIBHONE_PROBLEM_H
#define HONE_LIBHONE_PROBLEM_H

#include "algorithm.h"
#include "model/space.h"

/* One objective, no bounds: the caller says otherwise. The space must outlive it. */
void problem_init(struct problem *p, struct space *space);
void problem_release(struct problem *p);

#endif
