/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The formulas are in docs/explanation/search-space.md. */
#include "model/space_map.h"

#include <float.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TAIL 1e-6       /* how near u comes to an end that is at infinity */
#define STEP_SLACK 1e-9 /* of a step: (max - min) / step is never exact */

static bool is_log(const struct param *p)
{
    return p->dist == DIST_LOG_UNIFORM || p->dist == DIST_LOG_NORMAL;
}

static bool is_normal(const struct param *p)
{
    return p->dist == DIST_NORMAL || p->dist == DIST_LOG_NORMAL;
}

/* The prior's scale, on which u is linear. */
static double to_scale(const struct param *p, double value)
{
    double s = is_log(p) ? log(value) : value;
    return is_normal(p) ? gsl_cdf_ugaussian_P((s - p->mu) / p->sigma) : s;
}

static double from_scale(const struct param *p, double s)
{
    double x = is_normal(p) ? p->mu + p->sigma * gsl_cdf_ugaussian_Pinv(s) : s;
    return is_log(p) ? exp(x) : x;
}

static double clamp(double x, double min, double max)
{
    return x < min ? min : x > max ? max : x;
}

double param_clamp(const struct param *p, double u)
{
    if (isnan(u))
        return 0.5;
    bool open_below = is_normal(p) && (isinf(p->min) || (p->dist == DIST_LOG_NORMAL && p->min == 0));
    return clamp(u, open_below ? TAIL : 0, isinf(p->max) ? 1 - TAIL : 1);
}

/* The least power of ten that makes `x` whole; 0 when 15 decimals are not enough. */
static double grain_of(double x)
{
    double grain = 1;
    for (int i = 0; i <= 15; i++, grain *= 10) {
        double whole = round(x * grain);
        if (fabs(whole) < 9e15 && whole / grain == x)
            return grain;
    }
    return 0;
}

void param_prepare(struct param *p)
{
    double low = p->min, high = p->max;
    if (p->step > 0) {
        p->n_levels = (int64_t)floor((p->max - p->min) / p->step + STEP_SLACK) + 1;
        double of_min = grain_of(p->min), of_step = grain_of(p->step);
        p->grain = of_min > 0 && of_step > 0 ? fmax(of_min, of_step) : 0;
        high = param_level_value(p, p->n_levels - 1) + p->step / 2;
        low = is_log(p) ? fmax(p->min - p->step / 2, p->min / 2) : p->min - p->step / 2;
    }
    p->from = is_log(p) && low <= 0 ? 0 : to_scale(p, low);
    p->width = to_scale(p, high) - p->from;
}

double param_level_value(const struct param *p, int64_t k)
{
    double value = p->min + (double)k * p->step;
    if (p->grain > 0 && fabs(value * p->grain) < 9e15)
        value = round(value * p->grain) / p->grain; /* both exact, so this is the double nearest to the decimal */
    return fmin(value, p->max);
}

static bool equal_cells(const struct param *p)
{
    return p->values || p->dist == DIST_UNIFORM;
}

double param_u_of_level(const struct param *p, int64_t k)
{
    if (equal_cells(p))
        return ((double)k + 0.5) / (double)p->n_levels;
    return param_u(p, param_level_value(p, k));
}

int64_t param_level(const struct param *p, double u)
{
    double k = equal_cells(p) ? floor(param_clamp(p, u) * (double)p->n_levels)
                           : round((from_scale(p, p->from + param_clamp(p, u) * p->width) - p->min) / p->step);
    return (int64_t)clamp(k, 0, (double)(p->n_levels - 1));
}

static bool same_scalar(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

int64_t param_level_of(const struct param *p, const json_t *value)
{
    if (p->values) {
        for (size_t k = 0; k < json_array_size(p->values); k++)
            if (same_scalar(json_array_get(p->values, k), value))
                return (int64_t)k;
        return -1;
    }
    double v = json_number_value(value), k = round((v - p->min) / p->step);
    if (!json_is_number(value) || !(k >= 0 && k < (double)p->n_levels))
        return -1;
    double slack = STEP_SLACK * p->step + 4 * DBL_EPSILON * fabs(v);
    return fabs(v - param_level_value(p, (int64_t)k)) <= slack ? (int64_t)k : -1;
}

double param_u_free(const struct param *p, double value)
{
    return is_log(p) && value <= 0 ? NAN : (to_scale(p, value) - p->from) / p->width;
}

double param_u(const struct param *p, double value)
{
    return param_clamp(p, (to_scale(p, value) - p->from) / p->width);
}

/* Ten digits of what matters, so that people read 0.0316 and not 0.031622776601683791: of the value, or of the range where that is finer. */
static double rounded(const struct param *p, double value)
{
    char text[40];
    double span = p->max - p->min, digits = 10;
    if (isfinite(span) && fabs(value) > span)
        digits += ceil(log10(fabs(value) / span));
    (void)snprintf(text, sizeof text, "%.*g", (int)fmin(digits, 17), value);
    return strtod(text, NULL);
}

double param_value(const struct param *p, double u)
{
    u = param_clamp(p, u);
    if (u == 0 || u == 1) /* the ends themselves, which rounding would miss */
        return u == 0 ? p->min : p->max;
    return clamp(rounded(p, from_scale(p, p->from + u * p->width)), p->min, p->max);
}
