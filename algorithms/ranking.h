/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A history in order of merit, for the searches that only compare: completed trials by value (by front and crowding if there are several
 * objectives), then those stopped early, those that may not be used, and those without a value. Under outcome constraints those that may not
 * be used stand by how far they are from it, and then teach where to look (Deb 2000). */
#ifndef HONE_RANKING_H
#define HONE_RANKING_H

#include "algorithm.h"

struct ranking {
    const struct observation **best; /* finished, best first */
    int *front;                      /* of each, rising: equal ones are as good */
    size_t n;
    size_t n_good;   /* of them completed or stopped early, with a value: the first ones */
    size_t n_telling; /* those, and the ones that are known to exceed a bound, and by how much */
    size_t n_valued; /* with a value: the first ones */
};

/* What is `usable` for learning what is good: finished, with all values finite. */
bool observation_valued(const struct observation *o, int n_objectives);

/* Of several objectives only the first `enough` are surely in order (pareto_sort). The history must outlive it. */
void ranking_init(struct ranking *r, const struct search *s, size_t enough);

/* The trials of an earlier search that have a value of every objective and a place in the cube, best first. */
void ranking_init_earlier(struct ranking *r, const struct problem *p, const struct earlier *e, size_t enough);
void ranking_release(struct ranking *r);

#endif
