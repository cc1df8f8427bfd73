/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The region of two or three minimised objectives that is better than a reference point and not dominated by a front, cut into
 * disjoint boxes: then a hypervolume is a sum over boxes, and so is its expected improvement (Yang, Emmerich, Deutz, Baeck 2019). */
#ifndef HONE_MATH_BOXES_H
#define HONE_MATH_BOXES_H

#include <stddef.h>

#define BOXES_MAX_OBJECTIVES 3

struct box {
    double low[BOXES_MAX_OBJECTIVES], high[BOXES_MAX_OBJECTIVES]; /* low may be -INFINITY */
};

struct boxes {
    struct box *box;
    size_t n, cap;
    int m; /* objectives */
};

/* n points y (finite), not need be a front: what is dominated or outside the reference point changes nothing. O(n^2). */
void boxes_init(struct boxes *b, const double *const *y, size_t n, int m, const double *reference);
void boxes_release(struct boxes *b);

/* Volume between the boxes' lower corners, cut at `ideal`, and the reference point; less it is for a better front. */
double boxes_volume(const struct boxes *b, const double *ideal);

#endif
