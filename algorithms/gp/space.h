/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The problem as a Gaussian process sees it: one number a dimension that has a choice. A numeric one is its coordinate, 0.5 where it is
 * inactive; a categorical is the number of its value, an extra one where it is inactive. */
#ifndef HONE_GP_SPACE_H
#define HONE_GP_SPACE_H

#include "algorithm.h"

#define GP_MAX_DIMS 256

struct gp_space {
    const struct problem *problem;
    size_t d;
    int dim[GP_MAX_DIMS];         /* the problem's number of each */
    bool categorical[GP_MAX_DIMS];
};

void gp_space_init(struct gp_space *s, const struct problem *problem);
void gp_space_encode(const struct gp_space *s, const double *snapped, double *point);
int64_t gp_space_level(const struct problem *p, int dim, double u); /* the level of a snapped coordinate */

/* The points that were handed out, to suggest none twice. Continuous coordinates closer than about 1e-7 count as equal. */
struct seen {
    uint64_t *key; /* sorted */
    size_t n;
};

void seen_init(struct seen *s, const struct search *search);
void seen_release(struct seen *s);
bool seen_has(const struct seen *s, const struct problem *p, const double *snapped);

#endif
