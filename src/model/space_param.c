/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is common to all parameters of a space, and how they hang together, is in space_read.c. */
#include "model/space_param.h"

#include "base/mem.h"
#include "model/reader.h"
#include "model/space_map.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define INT_LIMIT 9007199254740992.0 /* 2^53 */
#define LEVELS_LIMIT 1e12            /* more, and rounding u would miss a level */
#define LEAST_MASS 1e-6              /* of a normal prior inside [min, max] */
#define WIDE 100                     /* max / min that asks for a log scale */

static const char *const types[] = {"float", "int", "categorical", "bool", NULL};
static const char *const scales[] = {"linear", "log", NULL};
static const char *const dists[] = {"uniform", "logUniform", "normal", "logNormal", NULL};
static const char *const members[] = {"type", "min", "max", "step", "scale", "distribution", "mu", "sigma", "values", "when", NULL};

/* What people from other tools write. */
static const struct {
    const char *word, *type;
} other_types[] = {{"double", "float"},  {"real", "float"},  {"number", "float"},          {"uniform", "float"},       {"loguniform", "float"},
                   {"integer", "int"},   {"randint", "int"}, {"boolean", "bool"},          {"choice", "categorical"},  {"category", "categorical"},
                   {"enum", "categorical"}, {"discrete", "categorical"}, {"string", "categorical"}};

/* Which types a member belongs to, by bit. */
#define NUMERIC (1u << PARAM_FLOAT | 1u << PARAM_INT)
static const struct {
    const char *member, *owners;
    unsigned of;
} belongs[] = {{"min", "float and int", NUMERIC},          {"max", "float and int", NUMERIC},   {"step", "float and int", NUMERIC},
               {"scale", "float and int", NUMERIC},        {"distribution", "float and int", NUMERIC}, {"mu", "float and int", NUMERIC},
               {"sigma", "float and int", NUMERIC},        {"values", "categorical", 1u << PARAM_CATEGORICAL}};

/* ---- numeric ---- */

static bool is_normal(const struct param *p)
{
    return p->dist == DIST_NORMAL || p->dist == DIST_LOG_NORMAL;
}

static bool is_log(const struct param *p)
{
    return p->dist == DIST_LOG_UNIFORM || p->dist == DIST_LOG_NORMAL;
}

static void read_prior(struct param *p, const struct reader *r)
{
    int scale = reader_choice(r, "scale", scales, -1), dist = reader_choice(r, "distribution", dists, -1);
    if (dist < 0)
        dist = scale == 1 ? DIST_LOG_UNIFORM : DIST_UNIFORM;
    p->dist = (enum param_dist)dist;
    if (scale >= 0 && is_log(p) != (scale == 1))
        reader_bad(r, "scale", "CONFLICT", NULL, "is %s, but distribution is %s; leave one of them out", scales[scale], dists[dist]);
    for (int i = 0; i < 2 && !is_normal(p); i++) {
        const char *member = i ? "sigma" : "mu";
        if (reader_find(r, member))
            reader_bad(r, member, "UNUSED", NULL, "belongs to distribution normal or logNormal, here it is %s", dists[dist]);
    }
}

/* `min` or `max`; `open`: what it is when it may be missing, NAN if it may not. */
static double read_bound(const struct param *p, const struct reader *r, const char *member, double open)
{
    const json_t *value = reader_find(r, member);
    char found[SHOW_TEXT];
    int64_t whole;
    if (!value && isnan(open))
        reader_bad(r, member, "REQUIRED", NULL, "is missing; a parameter of type %s needs min and max", types[p->type]);
    if (!value)
        return open;
    if (p->type != PARAM_INT)
        return reader_number(r, member, NAN);
    if (json_whole(value, &whole))
        return (double)whole;
    if (json_is_number(value))
        reader_bad(r, member, "TYPE", NULL, "is %s, must be a whole number (up to 2^53) for type int", json_show(value, found));
    else
        reader_bad(r, member, "TYPE", NULL, "is %s, must be a whole number", json_show(value, found));
    return NAN;
}

static bool range_ok(const struct param *p, const struct reader *r)
{
    if (isnan(p->min) || isnan(p->max))
        return false;
    if (p->min >= p->max) {
        reader_bad(r, "min", "RANGE", NULL, "is %.12g, must be less than max (%.12g); a fixed value is written values: [%.12g]", p->min, p->max,
                   p->min);
        return false;
    }
    if (is_log(p) && !(p->min > 0 || (p->dist == DIST_LOG_NORMAL && !reader_find(r, "min")))) {
        reader_bad(r, "min", "RANGE", NULL, "is %.12g, must be greater than 0 on a log scale", p->min);
        return false;
    }
    if (!is_normal(p) && isinf(p->max - p->min)) {
        reader_bad(r, "max", "RANGE", NULL, "is too far from min: the range itself is beyond what a double holds");
        return false;
    }
    return true;
}

static bool step_ok(struct param *p, const struct reader *r)
{
    double step = reader_number(r, "step", 0);
    if (!reader_find(r, "step"))
        step = p->type == PARAM_INT ? 1 : 0;
    else if (!(step > 0) || (p->type == PARAM_INT && step != floor(step))) {
        if (json_is_number(reader_find(r, "step")))
            reader_bad(r, "step", "RANGE", NULL, "is %.12g, must be %s", step, p->type == PARAM_INT ? "a whole number from 1" : "greater than 0");
        return false;
    }
    p->step = step;
    if (step > 0 && isinf(p->max - p->min)) {
        reader_bad(r, reader_find(r, "step") ? "step" : "type", "CONFLICT", NULL, "steps need both min and max");
        return false;
    }
    if (step > p->max - p->min) {
        reader_bad(r, "step", "RANGE", NULL, "is %.12g, more than max - min (%.12g)", step, p->max - p->min);
        return false;
    }
    if (step > 0 && (p->max - p->min) / step >= LEVELS_LIMIT) {
        reader_bad(r, reader_find(r, "step") ? "step" : "max", "RANGE", NULL, "makes %.3g values, at most 1e12 are possible; use type float",
                   (p->max - p->min) / step);
        return false;
    }
    return true;
}

static bool moments_ok(struct param *p, const struct reader *r)
{
    double min = is_log(p) ? log(p->min) : p->min, max = is_log(p) ? log(p->max) : p->max;
    bool bounded = !isinf(min) && !isinf(max);
    const char *missing = reader_find(r, "mu") ? "sigma" : "mu";
    if (!bounded && (!reader_find(r, "mu") || !reader_find(r, "sigma"))) {
        reader_bad(r, missing, "REQUIRED", NULL, "is missing; without min and max a %s distribution needs mu and sigma", dists[p->dist]);
        return false;
    }
    p->mu = reader_number(r, "mu", (min + max) / 2);
    p->sigma = reader_number(r, "sigma", (max - min) / 6);
    if (!(p->sigma > 0)) {
        reader_bad(r, "sigma", "RANGE", NULL, "is %.12g, must be greater than 0", p->sigma);
        return false;
    }
    return true;
}

/* A normal prior must be able to give every value of its range. */
static void check_mass(const struct param *p, const struct reader *r)
{
    if (!is_normal(p))
        return;
    bool ends = true; /* in the tails neighbouring levels are the first to get the same u */
    const int64_t levels[] = {0, 1, p->n_levels - 2, p->n_levels - 1};
    for (size_t i = 0; p->n_levels && i < ARRAY_LEN(levels); i++)
        ends &= param_level(p, param_u_of_level(p, levels[i])) == levels[i];
    if (!(p->width >= LEAST_MASS) || !ends)
        reader_bad(r, "mu", "RANGE", NULL, "and sigma (%.6g, %.6g%s) give nothing near %s; move mu or widen sigma", p->mu, p->sigma,
                   is_log(p) ? ", of ln value" : "", p->width >= LEAST_MASS ? "an end of the range" : "the range from min to max");
}

static void warn_numeric(const struct param *p, const struct reader *r)
{
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "scale");
    bool said = reader_find(r, "scale") || reader_find(r, "distribution") || reader_find(r, "step");
    if (!said && p->min > 0 && p->max / p->min >= WIDE)
        problems_warn(r->problems, pointer, "WIDE_RANGE", "scale: log",
                      "max is %.4g times min: on a linear scale, 90 %% of the trials lie above %.4g",
                      p->max / p->min, p->min + 0.1 * (p->max - p->min));
    double last = p->n_levels ? param_level_value(p, p->n_levels - 1) : p->max;
    if (p->max - last > 1e-9 * p->step) {
        char *at CLEANUP_FREE = pointer_join(r->pointer, "max");
        problems_warn(r->problems, at, "OFF_STEP", NULL, "is %.12g, which no step of %.12g from %.12g reaches; the last value is %.12g", p->max,
                      p->step, p->min, last);
    }
}

static void read_numeric(struct param *p, const struct reader *r)
{
    read_prior(p, r);
    bool may_be_open = is_normal(p) && p->type == PARAM_FLOAT;
    p->min = read_bound(p, r, "min", !may_be_open ? NAN : is_log(p) ? 0 : -INFINITY);
    p->max = read_bound(p, r, "max", may_be_open ? INFINITY : NAN);
    if (!range_ok(p, r) || !step_ok(p, r) || (is_normal(p) && !moments_ok(p, r)))
        return;
    param_prepare(p);
    check_mass(p, r);
    warn_numeric(p, r);
}

/* ---- values ---- */

static void read_values(struct param *p, const json_t *list, const char *pointer, struct problems *problems)
{
    char found[SHOW_TEXT];
    size_t n = json_array_size(list);
    if (!json_is_array(list) || !n || n > SPACE_MAX_VALUES) {
        problems_add(problems, pointer, json_is_array(list) ? "RANGE" : "TYPE", NULL, "%s%s, must be a list of 1 to %d values",
                     json_is_array(list) ? "has " : "is ", json_is_array(list) ? (n ? "too many values" : "no values") : json_show(list, found),
                     SPACE_MAX_VALUES);
        return;
    }
    p->values = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *value = json_array_get(list, i);
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
            problems_add(problems, place, "TYPE", NULL, "is %s, must be a string, a number, true or false", json_show(value, found));
        else if (param_level_of(p, value) >= 0)
            problems_add(problems, place, "DUPLICATE", NULL, "is %s, which stands there already", json_show(value, found));
        else
            (void)json_array_append(p->values, value);
    }
    p->n_levels = (int64_t)json_array_size(p->values);
}

static void only_own_members(const struct param *p, const struct reader *r)
{
    for (size_t i = 0; i < ARRAY_LEN(belongs); i++)
        if (reader_find(r, belongs[i].member) && !(belongs[i].of & 1u << p->type))
            reader_bad(r, belongs[i].member, "UNUSED", NULL, "belongs to type %s, this one is %s", belongs[i].owners, types[p->type]);
}

static bool read_type(struct param *p, const struct reader *r)
{
    const json_t *value = reader_find(r, "type");
    const char *word = json_string_value(value);
    if (!value && reader_find(r, "values")) {
        p->type = PARAM_CATEGORICAL;
        return true;
    }
    if (!value) {
        reader_bad(r, "type", "REQUIRED", NULL, "is missing; must be one of float, int, categorical, bool");
        return false;
    }
    for (size_t i = 0; word && i < ARRAY_LEN(other_types); i++)
        if (!strcasecmp(word, other_types[i].word)) {
            reader_bad(r, "type", "CHOICE", other_types[i].type, "is \"%s\", must be one of float, int, categorical, bool", word);
            return false;
        }
    int type = reader_choice(r, "type", types, -1);
    p->type = (enum param_type)(type < 0 ? 0 : type);
    return type >= 0;
}

static bool name_ok(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.", *c))
            return false;
    return strlen(name) <= PARAM_NAME_MAX;
}

static void read_kind(struct param *p, const struct reader *r)
{
    char *at CLEANUP_FREE = pointer_join(r->pointer, "values");
    if (p->type == PARAM_BOOL) {
        p->values = json_pack("[b, b]", 0, 1);
        p->n_levels = 2;
    } else if (p->type != PARAM_CATEGORICAL) {
        read_numeric(p, r);
    } else if (reader_find(r, "values")) {
        read_values(p, reader_find(r, "values"), at, r->problems);
    } else {
        reader_bad(r, "values", "REQUIRED", NULL, "is missing; a categorical needs a list of values");
    }
}

struct reader param_read(struct param *p, const char *name, const json_t *value, struct problems *problems)
{
    char *pointer CLEANUP_FREE = pointer_join("/parameters", name);
    *p = (struct param){.name = x_strdup(name), .parent = -1};
    if (!name_ok(name))
        problems_add(problems, pointer, "NAME", NULL, "must begin with a letter or _, then letters, digits, _ - . (at most %d)", PARAM_NAME_MAX);
    bool is_list = json_is_array(value);
    struct reader r = reader_open(is_list ? NULL : value, pointer, members, problems);
    if (is_list) {
        p->type = PARAM_CATEGORICAL;
        read_values(p, value, pointer, problems);
    } else if (json_is_null(value)) {
        problems_add(problems, pointer, "TYPE", NULL, "is empty; write {type: float, min: 0, max: 1} or a list of values");
    } else if (r.object && read_type(p, &r)) {
        only_own_members(p, &r);
        read_kind(p, &r);
    }
    return r;
}

/* ---- back to JSON ---- */

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static json_t *number(const struct param *p, double value)
{
    return p->type == PARAM_INT ? json_integer((json_int_t)value) : json_real(value);
}

static void numeric_json(const struct param *p, json_t *out)
{
    if (!isinf(p->min) && !(p->min == 0 && p->dist == DIST_LOG_NORMAL))
        set(out, "min", number(p, p->min));
    if (!isinf(p->max))
        set(out, "max", number(p, p->max));
    if (p->step > 0)
        set(out, "step", number(p, p->step));
    set(out, "scale", json_string(scales[is_log(p)]));
    set(out, "distribution", json_string(dists[p->dist]));
    if (is_normal(p)) {
        set(out, "mu", json_real(p->mu));
        set(out, "sigma", json_real(p->sigma));
    }
}

json_t *param_level_json(const struct param *p, int64_t k)
{
    return p->values ? json_incref(json_array_get(p->values, (size_t)k)) : number(p, param_level_value(p, k));
}

json_t *param_json(const struct param *p)
{
    json_t *out = json_pack("{s:s}", "type", types[p->type]);
    if (!p->values)
        numeric_json(p, out);
    if (p->type == PARAM_CATEGORICAL)
        set(out, "values", json_incref(p->values));
    return out;
}
