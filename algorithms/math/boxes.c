/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/boxes.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static void add(struct boxes *b, const struct box *box)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 32;
        b->box = x_realloc(b->box, b->cap * sizeof *b->box);
    }
    b->box[b->n++] = *box;
}

/* The last coordinate first: the sweep goes along it. */
static int by_last(const void *a, const void *b)
{
    const double *x = *(const double *const *)a, *y = *(const double *const *)b;
    return (x[2] > y[2]) - (x[2] < y[2]);
}

/* A point cuts what it dominates off the open boxes, from its own third coordinate on. What is left of those it cuts goes on beside it, and
 * what lies below it in the second objective as one box. Boxes that end here are added to b. */
static void cut(struct boxes *open, const double *p, struct boxes *b)
{
    struct box below = {.low = {INFINITY, -INFINITY, p[2]}, .high = {-INFINITY, p[1], INFINITY}};
    size_t kept = 0;
    const size_t n = open->n;
    for (size_t i = 0; i < n; i++) {
        struct box o = open->box[i];
        if (o.high[0] <= p[0] || o.high[1] <= p[1]) {
            open->box[kept++] = o;
            continue;
        }
        if (o.low[2] < p[2]) {
            struct box done = o;
            done.high[2] = p[2];
            add(b, &done);
            o.low[2] = p[2];
        }
        below.low[0] = fmin(below.low[0], fmax(o.low[0], p[0]));
        below.high[0] = fmax(below.high[0], o.high[0]);
        if (o.low[0] < p[0]) { /* one at most: the boxes lie side by side in the first objective */
            o.high[0] = p[0];
            open->box[kept++] = o;
        }
    }
    open->n = kept;
    if (below.low[0] < below.high[0])
        add(open, &below);
}

void boxes_init(struct boxes *b, const double *const *y, size_t n, int m, const double *reference)
{
    *b = (struct boxes){.m = m};
    double (*point)[BOXES_MAX_OBJECTIVES] CLEANUP_FREE = x_calloc(n + 1, sizeof *point);
    const double **order CLEANUP_FREE = x_calloc(n + 1, sizeof *order);
    size_t n_inside = 0;
    for (size_t i = 0; i < n; i++) {
        double *p = point[n_inside];
        p[2] = -INFINITY; /* of two objectives: there from the start of the sweep */
        memcpy(p, y[i], (size_t)m * sizeof *p);
        if (p[0] < reference[0] && p[1] < reference[1] && (m == 2 || p[2] < reference[2]))
            order[n_inside++] = p;
    }
    qsort(order, n_inside, sizeof *order, by_last);
    struct boxes open = {.m = m};
    add(&open, &(struct box){.low = {-INFINITY, -INFINITY, -INFINITY}, .high = {reference[0], reference[1], INFINITY}});
    for (size_t i = 0; i < n_inside; i++)
        cut(&open, order[i], b);
    for (size_t i = 0; i < open.n; i++) {
        open.box[i].high[2] = m == 2 ? INFINITY : reference[2];
        add(b, &open.box[i]);
    }
    boxes_release(&open);
}

void boxes_release(struct boxes *b)
{
    free(b->box);
}

double boxes_volume(const struct boxes *b, const double *ideal)
{
    double sum = 0;
    for (size_t i = 0; i < b->n; i++) {
        double volume = 1;
        for (int j = 0; j < b->m; j++)
            volume *= fmax(b->box[i].high[j] - fmax(b->box[i].low[j], ideal[j]), 0);
        sum += volume;
    }
    return sum;
}
