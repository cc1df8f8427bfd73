/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/niches.h"

#include "base/mem.h"
#include "math/array.h"

#include <math.h>
#include <stdbool.h>

/* --- directions */

static size_t count_directions(int m, size_t parts)
{
    double n = 1; /* (parts + m - 1) over (m - 1) */
    for (int i = 1; i < m; i++)
        n = n * (double)(parts + (size_t)i) / i;
    return n < 1e9 ? (size_t)(n + 0.5) : SIZE_MAX;
}

/* Fills in coordinates j, j+1, ... in all ways that add up to `left` parts. */
static void enumerate(int m, int j, size_t left, size_t parts, double *point, double *directions, size_t *n)
{
    if (j == m - 1) {
        point[j] = (double)left / (double)parts;
        memcpy(directions + *n * (size_t)m, point, (size_t)m * sizeof *point);
        ++*n;
        return;
    }
    for (size_t k = 0; k <= left; k++) {
        point[j] = (double)k / (double)parts;
        enumerate(m, j + 1, left - k, parts, point, directions, n);
    }
}

size_t niche_directions(int m, size_t most, double **directions)
{
    size_t parts = 1, n = 0;
    while (m > 1 && count_directions(m, parts + 1) <= most)
        parts++;
    *directions = array_new(count_directions(m, parts) * (size_t)m);
    double *point CLEANUP_FREE = array_new((size_t)m);
    enumerate(m, 0, parts, parts, point, *directions, &n);
    return n;
}

/* --- niches */

struct niches {
    const double *const *y;
    const int *front;
    size_t n;
    int m;
    double *low, *range;        /* of the first front, of each objective */
    double *directions;
    size_t n_directions;
    size_t *niche;              /* of each point: the nearest direction */
    double *distance;           /* to it */
    size_t *held;               /* of each direction: points kept; SIZE_MAX when it has none to offer */
    struct rng rng;
};

static void find_range(struct niches *z)
{
    for (int j = 0; j < z->m; j++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < z->n && z->front[i] == z->front[0]; i++) {
            low = fmin(low, z->y[i][j]);
            high = fmax(high, z->y[i][j]);
        }
        z->low[j] = low;
        z->range[j] = high - low > 1e-300 ? high - low : 1;
    }
}

/* The direction whose line through the ideal point is nearest. */
static void find_niche(struct niches *z, size_t i)
{
    z->distance[i] = INFINITY;
    for (size_t k = 0; k < z->n_directions; k++) {
        const double *w = z->directions + k * (size_t)z->m;
        double along = 0, squares = 0, length = 0;
        for (int j = 0; j < z->m; j++) {
            double t = (z->y[i][j] - z->low[j]) / z->range[j];
            along += t * w[j];
            squares += t * t;
            length += w[j] * w[j];
        }
        double distance = fmax(squares - along * along / length, 0);
        if (distance < z->distance[i]) {
            z->distance[i] = distance;
            z->niche[i] = k;
        }
    }
}

static void niches_init(struct niches *z, size_t wanted)
{
    const size_t m = (size_t)z->m;
    z->low = array_new(m);
    z->range = array_new(m);
    z->n_directions = niche_directions(z->m, wanted, &z->directions);
    z->niche = x_calloc(z->n + 1, sizeof *z->niche);
    z->distance = array_new(z->n);
    z->held = x_calloc(z->n_directions, sizeof *z->held);
    find_range(z);
    for (size_t i = 0; i < z->n; i++)
        find_niche(z, i);
}

static void niches_release(struct niches *z)
{
    free(z->low);
    free(z->range);
    free(z->directions);
    free(z->niche);
    free(z->distance);
    free(z->held);
}

/* One of the directions that hold fewest. */
static size_t emptiest(struct niches *z)
{
    size_t best = 0, ties = 0;
    for (size_t k = 0; k < z->n_directions; k++) {
        if (z->held[k] > z->held[best] || z->held[k] == SIZE_MAX)
            continue;
        ties = z->held[k] < z->held[best] || ties == 0 ? 1 : ties + 1;
        if (ties == 1 || rng_next(&z->rng) % ties == 0)
            best = k;
    }
    return best;
}

/* Of the points from `first` on that are left in the niche: the nearest if it holds none yet, else any. n = there is none. */
static size_t offer(struct niches *z, size_t niche, size_t first, const bool *taken)
{
    size_t best = z->n, ties = 0;
    for (size_t i = first; i < z->n; i++) {
        if (taken[i] || z->niche[i] != niche)
            continue;
        bool better = z->held[niche] == 0 ? best == z->n || z->distance[i] < z->distance[best] : rng_next(&z->rng) % ++ties == 0;
        if (better)
            best = i;
    }
    return best;
}

void niche_select(const double *const *y, const int *front, size_t n, int m, size_t wanted, struct rng rng, size_t *chosen)
{
    size_t first = wanted; /* of the front that has to be chosen from */
    while (first > 0 && first < n && front[first] == front[first - 1])
        first--;
    for (size_t i = 0; i < first; i++)
        chosen[i] = i;
    if (first == wanted)
        return;
    struct niches z = {.y = y, .front = front, .m = m, .rng = rng, .n = first};
    while (z.n < n && front[z.n] == front[first])
        z.n++;
    niches_init(&z, wanted);
    for (size_t i = 0; i < first; i++)
        z.held[z.niche[i]]++;
    bool *taken CLEANUP_FREE = x_calloc(z.n, sizeof *taken);
    for (size_t at = first; at < wanted;) {
        size_t niche = emptiest(&z), i = offer(&z, niche, first, taken);
        if (i == z.n) {
            z.held[niche] = SIZE_MAX;
            continue;
        }
        taken[i] = true;
        z.held[niche]++;
        chosen[at++] = i;
    }
    niches_release(&z);
}
