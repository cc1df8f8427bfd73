/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/lbfgs.h"

#include "math/array.h"

#include <math.h>
#include <stdbool.h>

#define MEMORY 8
#define ARMIJO 1e-4
#define MAX_BACKTRACKS 20

struct state {
    const struct lbfgs *o;
    size_t n;
    double *x, *g;           /* where it stands */
    double *next, *g_next;   /* where it tries */
    double *direction;
    double *s, *y, rho[MEMORY]; /* pairs of steps and changes of the gradient, a ring */
    size_t n_pairs, newest;
};

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static bool held(const struct state *t, size_t i)
{
    return (t->x[i] <= t->o->lower && t->g[i] > 0) || (t->x[i] >= t->o->upper && t->g[i] < 0);
}

static void mask(const struct state *t, double *v)
{
    for (size_t i = 0; i < t->n; i++)
        if (held(t, i))
            v[i] = 0;
}

static void steepest(struct state *t)
{
    for (size_t i = 0; i < t->n; i++)
        t->direction[i] = -t->g[i];
    mask(t, t->direction);
    double length = sqrt(dot(t->direction, t->direction, t->n));
    for (size_t i = 0; length > 0 && i < t->n; i++)
        t->direction[i] *= t->o->first_step / length;
    t->n_pairs = 0;
}

/* The two loops of Nocedal and Wright, algorithm 7.4. */
static void find_direction(struct state *t)
{
    if (!t->n_pairs) {
        steepest(t);
        return;
    }
    double *q = t->direction, a[MEMORY] = {0};
    for (size_t i = 0; i < t->n; i++)
        q[i] = -t->g[i];
    mask(t, q);
    for (size_t k = 0; k < t->n_pairs; k++) {
        size_t at = (t->newest + MEMORY - k) % MEMORY;
        const double *s = t->s + at * t->n, *y = t->y + at * t->n;
        a[at] = t->rho[at] * dot(s, q, t->n);
        for (size_t i = 0; i < t->n; i++)
            q[i] -= a[at] * y[i];
    }
    const double *y = t->y + t->newest * t->n;
    double scale = 1 / (t->rho[t->newest] * dot(y, y, t->n));
    for (size_t i = 0; i < t->n; i++)
        q[i] *= scale;
    for (size_t k = t->n_pairs; k-- > 0;) {
        size_t at = (t->newest + MEMORY - k) % MEMORY;
        const double *s = t->s + at * t->n;
        double b = t->rho[at] * dot(t->y + at * t->n, q, t->n);
        for (size_t i = 0; i < t->n; i++)
            q[i] += s[i] * (a[at] - b);
    }
    mask(t, q);
    if (!(dot(q, t->g, t->n) < 0))
        steepest(t);
}

/* Backtracks from the full step until the decrease is sufficient; *value becomes the new one. False: no way down is left. */
static bool search_line(struct state *t, double *value)
{
    const struct lbfgs *o = t->o;
    double step = 1;
    for (int k = 0; k < MAX_BACKTRACKS; k++) {
        for (size_t i = 0; i < t->n; i++)
            t->next[i] = fmin(fmax(t->x[i] + step * t->direction[i], o->lower), o->upper);
        double slope = 0;
        for (size_t i = 0; i < t->n; i++)
            slope += t->g[i] * (t->next[i] - t->x[i]);
        if (!(slope < 0))
            return false;
        double f = o->f(o->ctx, t->next, t->g_next);
        if (f <= *value + ARMIJO * slope) {
            *value = f;
            return true;
        }
        /* the minimum of the parabola through what is known, kept within a tenth and a half */
        double shrink = isfinite(f) ? -slope / (2 * (f - *value - slope)) : 0.1;
        step *= fmin(fmax(shrink, 0.1), 0.5);
    }
    return false;
}

static void remember(struct state *t)
{
    size_t at = t->n_pairs ? (t->newest + 1) % MEMORY : 0;
    double *s = t->s + at * t->n, *y = t->y + at * t->n;
    for (size_t i = 0; i < t->n; i++) {
        s[i] = t->next[i] - t->x[i];
        y[i] = t->g_next[i] - t->g[i];
    }
    double sy = dot(s, y, t->n);
    if (sy <= 1e-10 * dot(y, y, t->n)) { /* it bends the wrong way here: old pairs would give tiny steps */
        t->n_pairs = 0;
        return;
    }
    t->rho[at] = 1 / sy;
    t->newest = at;
    if (t->n_pairs < MEMORY)
        t->n_pairs++;
}

static double largest_free(const struct state *t)
{
    double largest = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!held(t, i))
            largest = fmax(largest, fabs(t->g[i]));
    return largest;
}

double lbfgs_minimize(const struct lbfgs *o, double *x)
{
    size_t n = o->n;
    double *block = array_new(n * (4 + 2 * MEMORY));
    struct state t = {.o = o, .n = n, .x = x, .g = block, .next = block + n, .g_next = block + 2 * n, .direction = block + 3 * n};
    t.s = block + 4 * n;
    t.y = t.s + MEMORY * n;
    double value = o->f(o->ctx, x, t.g);
    for (int k = 0; k < o->max_iterations && isfinite(value) && largest_free(&t) > o->tol_gradient; k++) {
        double before = value;
        find_direction(&t);
        bool moved = search_line(&t, &value);
        if (!moved && t.n_pairs) { /* the bounds cut the model's way off: forget it */
            steepest(&t);
            moved = search_line(&t, &value);
        }
        if (!moved)
            break;
        remember(&t);
        memcpy(x, t.next, n * sizeof *x);
        memcpy(t.g, t.g_next, n * sizeof *t.g);
        if (before - value < o->tol_relative * (fabs(value) + 1))
            break;
    }
    free(block);
    return value;
}
