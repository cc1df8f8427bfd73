/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Points: snapping, values out, values in. How a space is read from a file is in space_read.c. */
#include "model/space.h"

#include "base/mem.h"
#include "model/reader.h"
#include "model/space_map.h"

#include <math.h>
#include <string.h>

void space_free(struct space *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->params[i].name);
        free(s->params[i].parent_ok);
        json_decref(s->params[i].values);
    }
    for (size_t i = 0; i < s->n_constraints; i++) {
        expr_free(s->constraints[i]);
        free(s->constraint_text[i]);
    }
    free(s->params);
    free(s->constraints);
    free(s->constraint_text);
    free(s);
}

int space_find(const struct space *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->params[i].name, name))
            return (int)i;
    return -1;
}

/* By the coordinates before it, which are settled: an inactive one is NAN. */
static bool active(const struct space *s, size_t i, const double *u)
{
    const struct param *p = &s->params[i];
    return p->parent < 0 || (!isnan(u[p->parent]) && p->parent_ok[param_level(&s->params[p->parent], u[p->parent])]);
}

void space_snap(const struct space *s, double *u)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct param *p = &s->params[i];
        if (!active(s, i, u))
            u[i] = NAN;
        else if (p->n_levels)
            u[i] = param_u_of_level(p, param_level(p, u[i]));
        else
            u[i] = param_clamp(p, u[i]);
    }
}

double space_level(const struct space *s, size_t param, int64_t level)
{
    return param_u_of_level(&s->params[param], level);
}

static double number_of(const struct param *p, double u)
{
    return p->n_levels ? param_level_value(p, param_level(p, u)) : param_value(p, u);
}

static struct expr_value expr_value_of(const struct param *p, double u)
{
    if (isnan(u))
        return (struct expr_value){.type = EXPR_UNKNOWN};
    if (!p->values)
        return (struct expr_value){.type = EXPR_NUMBER, .number = number_of(p, u)};
    const json_t *value = json_array_get(p->values, (size_t)param_level(p, u));
    if (json_is_string(value))
        return (struct expr_value){.type = EXPR_STRING, .string = json_string_value(value)};
    if (json_is_boolean(value))
        return (struct expr_value){.type = EXPR_BOOL, .number = json_is_true(value)};
    return (struct expr_value){.type = EXPR_NUMBER, .number = json_number_value(value)};
}

/* The index of the first constraint that does not hold, -1 = all hold. */
static int violated(const struct space *s, const double *u)
{
    struct expr_value values[SPACE_MAX_PARAMS];
    if (!s->n_constraints)
        return -1;
    for (size_t i = 0; i < s->n; i++)
        values[i] = expr_value_of(&s->params[i], u[i]);
    for (size_t i = 0; i < s->n_constraints; i++)
        if (!expr_holds(s->constraints[i], values))
            return (int)i;
    return -1;
}

bool space_feasible(const struct space *s, const double *snapped)
{
    return violated(s, snapped) < 0;
}

json_t *space_params(const struct space *s, const double *snapped)
{
    json_t *params = json_object();
    for (size_t i = 0; i < s->n; i++) {
        const struct param *p = &s->params[i];
        if (isnan(snapped[i]))
            continue;
        json_t *value = p->values ? json_incref(json_array_get(p->values, (size_t)param_level(p, snapped[i])))
                        : p->type == PARAM_INT ? json_integer((json_int_t)number_of(p, snapped[i]))
                                               : json_real(number_of(p, snapped[i]));
        (void)json_object_set_new_nocheck(params, p->name, value);
    }
    return params;
}

/* ---- user values in ---- */

struct point {
    const struct space *space;
    double *u;
    struct reader reader;
};

static void not_among_values(const struct point *pt, const struct param *p, const json_t *value)
{
    const char *words[SPACE_MAX_VALUES + 1] = {0}, *word = json_string_value(value);
    size_t n = 0, i;
    json_t *item;
    char found[SHOW_TEXT], least[SHOW_TEXT], most[SHOW_TEXT];
    json_array_foreach(p->values, i, item)
    if (json_is_string(item))
        words[n++] = json_string_value(item);
    reader_bad(&pt->reader, p->name, "CHOICE", word ? did_you_mean(word, words) : NULL, "is %s, which is none of its %lld values (%s ... %s)",
               json_show(value, found), (long long)p->n_levels, json_show(json_array_get(p->values, 0), least),
               json_show(json_array_get(p->values, (size_t)p->n_levels - 1), most));
}

/* Tells what is wrong with a value of an active parameter. */
static bool value_ok(const struct point *pt, const struct param *p, const json_t *value)
{
    char found[SHOW_TEXT];
    int64_t whole;
    double v = json_number_value(value);
    bool on_level = !p->n_levels || param_level_of(p, value) >= 0;
    bool outside = !(v >= p->min && v <= p->max) || (v == 0 && p->dist == DIST_LOG_NORMAL);
    if (p->values && !on_level)
        not_among_values(pt, p, value);
    else if (p->values)
        return true;
    else if (p->type == PARAM_INT && !json_whole(value, &whole))
        reader_bad(&pt->reader, p->name, "TYPE", NULL, "is %s, must be a whole number", json_show(value, found));
    else if (!json_is_number(value))
        reader_bad(&pt->reader, p->name, "TYPE", NULL, "is %s, must be a number", json_show(value, found));
    else if (outside)
        reader_bad(&pt->reader, p->name, "RANGE", NULL, "is %s, must be from %.12g to %.12g", json_show(value, found), p->min, p->max);
    else if (!on_level)
        reader_bad(&pt->reader, p->name, "STEP", NULL, "is %s, which is not on a step of %.12g from %.12g", json_show(value, found), p->step,
                   p->min);
    else
        return true;
    return false;
}

/* False: nothing is known of this parameter, and so nothing can be said of those that hang on it. */
static bool read_coordinate(const struct point *pt, size_t i)
{
    const struct param *p = &pt->space->params[i];
    const json_t *value = json_object_get(pt->reader.object, p->name);
    if (!active(pt->space, i, pt->u)) {
        if (value)
            reader_bad(&pt->reader, p->name, "INACTIVE", NULL, "is given, but does not exist with this value of %s; leave it out",
                       pt->space->params[p->parent].name);
        return true;
    }
    if (!value)
        reader_bad(&pt->reader, p->name, "REQUIRED", NULL, "is missing; every active parameter needs a value");
    if (!value || !value_ok(pt, p, value))
        return false;
    pt->u[i] = p->n_levels ? param_u_of_level(p, param_level_of(p, value)) : param_u(p, json_number_value(value));
    return true;
}

/* ---- the values of others ---- */

#define BEYOND 0.5 /* how far outside the cube a trial still tells something */

/* NAN: not known. False: it cannot be compared. */
static bool foreign_coordinate(const struct param *p, const json_t *value, double *u)
{
    *u = NAN;
    if (!value || json_is_null(value))
        return true;
    if (p->values) {
        int64_t level = param_level_of(p, value);
        if (level >= 0)
            *u = param_u_of_level(p, level);
        return level >= 0;
    }
    if (!json_is_number(value))
        return false;
    *u = param_u_free(p, json_number_value(value));
    return *u > -BEYOND && *u < 1 + BEYOND;
}

bool space_foreign(const struct space *s, const json_t *params, double *u)
{
    size_t known = 0, exist = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct param *p = &s->params[i];
        u[i] = NAN;
        if (p->parent >= 0 && (isnan(u[p->parent]) || !active(s, i, u)))
            continue;
        exist++;
        if (!foreign_coordinate(p, json_object_get(params, p->name), &u[i]))
            return false;
        known += isnan(u[i]) ? 0 : 1;
    }
    return known > 0 && 2 * known >= exist;
}

static void unknown_params(const struct point *pt)
{
    const char *names[SPACE_MAX_PARAMS + 1] = {0}, *name;
    json_t *value;
    for (size_t i = 0; i < pt->space->n; i++)
        names[i] = pt->space->params[i].name;
    json_object_foreach((json_t *)(uintptr_t)pt->reader.object, name, value)
    {
        if (space_find(pt->space, name) < 0)
            reader_bad(&pt->reader, name, "UNKNOWN_PARAMETER", did_you_mean(name, names), "is not a parameter of this experiment");
    }
}

bool space_point(const struct space *s, const json_t *params, double *u, const char *pointer, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped, given = 0;
    if (!json_is_object(params)) {
        char found[SHOW_TEXT];
        problems_add(problems, pointer, "TYPE", NULL, "is %s, must be a mapping of parameters to values",
                     params ? json_show(params, found) : "missing");
        return false;
    }
    struct point pt = {.space = s, .u = u, .reader = reader_open(params, pointer, NULL, problems)};
    bool known[SPACE_MAX_PARAMS];
    for (size_t i = 0; i < s->n; i++) {
        int parent = s->params[i].parent;
        u[i] = NAN;
        known[i] = (parent < 0 || known[parent]) && read_coordinate(&pt, i);
        given += json_object_get(params, s->params[i].name) != NULL;
    }
    if (given != json_object_size(params))
        unknown_params(&pt);
    bool ok = problems->n + problems->n_dropped == before;
    int broken = ok ? violated(s, u) : -1;
    if (broken >= 0)
        problems_add(problems, pointer, "CONSTRAINT", NULL, "violates the constraint \"%s\"", s->constraint_text[broken]);
    reader_close(&pt.reader);
    return ok && broken < 0;
}
