/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spec.parameters: numbers that travel as texts, four types and four distributions. */
#include "model/katib_part.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define MAX_PARAMETERS 256
#define MAX_VALUES 1000

static const char *const members[] = {"name", "parameterType", "feasibleSpace", NULL};
static const char *const space_members[] = {"min", "max", "step", "list", "distribution", NULL};
static const char *const types[] = {"int", "double", "discrete", "categorical", NULL};
static const char *const dists[] = {"uniform", "logUniform", "normal", "logNormal", "unknown", NULL};
enum type { TYPE_INT, TYPE_DOUBLE, TYPE_DISCRETE, TYPE_CATEGORICAL };
enum dist { DIST_UNIFORM, DIST_LOG_UNIFORM, DIST_NORMAL, DIST_LOG_NORMAL, DIST_UNKNOWN };

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static bool given(const struct reader *r, const char *member)
{
    const json_t *value = reader_find(r, member);
    return value && !(json_is_string(value) && !json_string_length(value)) && !(json_is_array(value) && !json_array_size(value));
}

/* NAN: missing, or told as wrong. */
static double read_number(const struct reader *space, const char *member, enum type type)
{
    const json_t *value = reader_find(space, member);
    char *text CLEANUP_FREE = katib_text(value);
    double number;
    char found[SHOW_TEXT];
    if (!given(space, member))
        return NAN;
    if (!text || !katib_number(text, &number))
        reader_bad(space, member, "TYPE", NULL, "is %s, must be a number", json_show(value, found));
    else if (type == TYPE_INT && (number != floor(number) || fabs(number) > 9007199254740992.0))
        reader_bad(space, member, "TYPE", NULL, "is %s, must be a whole number for parameterType int", json_show(value, found));
    else
        return number;
    return NAN;
}

static json_t *number_json(enum type type, double value)
{
    return type == TYPE_INT ? json_integer((json_int_t)value) : json_real(value);
}

static bool bounds_ok(const struct reader *space, enum dist dist, double min, double max)
{
    bool is_log = dist == DIST_LOG_UNIFORM || dist == DIST_LOG_NORMAL;
    if (isnan(min) || isnan(max))
        return false;
    if (min > max)
        reader_bad(space, "min", "RANGE", NULL, "is %.12g, must not be more than max (%.12g)", min, max);
    else if (is_log && !(min > 0))
        reader_bad(space, "min", "RANGE", NULL, "is %.12g, must be more than 0 for distribution %s", min, dists[dist]);
    else
        return true;
    return false;
}

static void warn_numeric(const struct reader *space, enum dist dist, double min, double step)
{
    if (dist == DIST_NORMAL || dist == DIST_LOG_NORMAL)
        katib_warn(space, "distribution", "is cut to min and max; with Katib values can lie outside");
    if (step > 0 && fabs(remainder(min, step)) > 1e-9 * step)
        katib_warn(space, "step", "counts from min; with Katib's random and tpe, values are multiples of step");
}

static void read_numeric(const struct reader *space, enum type type, int dist, json_t *out)
{
    if (given(space, "list"))
        reader_bad(space, "list", "UNUSED", NULL, "belongs to parameterType discrete and categorical, this one is %s", types[type]);
    for (int i = 0; i < 2; i++)
        if (space->object && !given(space, i ? "max" : "min"))
            reader_bad(space, i ? "max" : "min", "REQUIRED", NULL, "is missing; parameterType %s needs min and max", types[type]);
    double min = read_number(space, "min", type), max = read_number(space, "max", type), step = read_number(space, "step", type);
    if (given(space, "step") && !isnan(step) && !(step > 0)) {
        reader_bad(space, "step", "RANGE", NULL, "is %.12g, must be more than 0", step);
        return;
    }
    if (!bounds_ok(space, (enum dist)(dist < 0 ? 0 : dist), min, max))
        return;
    if (!(min < max)) { /* fixed: a choice of one */
        set(out, "type", json_string("categorical"));
        set(out, "values", json_pack("[o]", number_json(type, min)));
        return;
    }
    set(out, "min", number_json(type, min));
    set(out, "max", number_json(type, max));
    if (step > 0)
        set(out, "step", number_json(type, step));
    if (dist >= 0)
        set(out, "distribution", json_string(dists[dist == DIST_UNKNOWN ? DIST_UNIFORM : dist]));
    warn_numeric(space, (enum dist)dist, min, step);
}

/* A value as a number, if a trial is then given the same text for it. */
static json_t *value_json(const char *text)
{
    double number;
    if (!katib_number(text, &number))
        return NULL;
    json_t *value = number == floor(number) && fabs(number) < 1e15 && !strpbrk(text, ".eE") ? json_integer((json_int_t)number) : json_real(number);
    char *back CLEANUP_FREE = katib_text(value);
    if (!strcmp(back, text))
        return value;
    json_decref(value);
    return NULL;
}

/* A discrete parameter's values are numbers here too, unless one of them would be written in another way (2.50). */
static json_t *all_numbers(const json_t *texts)
{
    json_t *out = json_array(), *text;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)texts, i, text)
    {
        json_t *value = value_json(json_string_value(text));
        if (value)
            (void)json_array_append_new(out, value);
    }
    if (json_array_size(out) == json_array_size(texts))
        return out;
    json_decref(out);
    return NULL;
}

static void read_values(const struct reader *space, enum type type, json_t *out)
{
    static const char *const numeric[] = {"min", "max", "step"};
    const json_t *list = reader_list(space, "list", MAX_VALUES);
    char *pointer CLEANUP_FREE = pointer_join(space->pointer, "list");
    json_t *values = json_array();
    for (size_t i = 0; i < ARRAY_LEN(numeric); i++)
        if (given(space, numeric[i])) { /* Katib's place is the whole */
            problems_add(space->problems, space->pointer, "UNUSED", NULL, "has %s, which belongs to parameterType int and double, this one is %s", numeric[i],
                         types[type]);
            break;
        }
    if (space->object && !given(space, "list"))
        reader_bad(space, "list", "REQUIRED", NULL, "is empty; parameterType %s needs values to choose from", types[type]);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        char *text CLEANUP_FREE = katib_text(item), *place CLEANUP_FREE = pointer_index(pointer, i);
        double number;
        char found[SHOW_TEXT];
        if (!text)
            problems_add(space->problems, place, "TYPE", NULL, "is %s, must be a string", json_show(item, found));
        else if (type == TYPE_DISCRETE && !katib_number(text, &number))
            problems_add(space->problems, place, "TYPE", NULL, "is %s, must be a number for parameterType discrete", json_show(item, found));
        else
            (void)json_array_append_new(values, json_string(text));
    }
    json_t *numbers = type == TYPE_DISCRETE ? all_numbers(values) : NULL;
    if (numbers) {
        json_decref(values);
        values = numbers;
    }
    set(out, "type", json_string("categorical"));
    set(out, "values", values);
}

/* Katib's SDK has a fault that puts the list of `search.categorical` into distribution. */
static json_t *repaired(const struct reader *space, enum type type)
{
    const json_t *list = reader_find(space, "distribution");
    if (type != TYPE_CATEGORICAL || !json_is_array(list) || given(space, "list"))
        return NULL;
    katib_warn(space, "distribution", "is a list, as Katib's Python SDK writes it by mistake; it is read as list");
    json_t *mended = json_copy((json_t *)(uintptr_t)space->object);
    (void)json_object_set(mended, "list", (json_t *)(uintptr_t)list);
    (void)json_object_del(mended, "distribution");
    return mended;
}

void katib_parameter(struct katib *k, const char *pointer, const char *name, const char *word, const struct reader *space)
{
    int type = 0;
    while (types[type] && strcmp(types[type], word) != 0)
        type++;
    if (!types[type])
        return;
    json_t *mended = repaired(space, (enum type)type);
    struct reader r = *space;
    r.object = mended ? mended : space->object;
    size_t before = k->problems->n;
    json_t *out = json_pack("{s:s}", "type", type == TYPE_INT ? "int" : "float");
    int dist = given(&r, "distribution") ? reader_choice(&r, "distribution", dists, -1) : -1;
    if (type >= TYPE_DISCRETE)
        read_values(&r, (enum type)type, out);
    else
        read_numeric(&r, (enum type)type, dist, out);
    json_decref(mended);
    if (k->problems->n != before && type < TYPE_DISCRETE) { /* told; so that what is left of it is not told again */
        json_decref(out);
        out = json_pack("{s:[i]}", "values", 0);
    }
    json_t *parameters = json_object_get(k->native, "parameters");
    char *native CLEANUP_FREE = pointer_join("/parameters", name), *at CLEANUP_FREE = x_asprintf("%s/", space->pointer);
    char *values CLEANUP_FREE = pointer_join(native, "values"), *list CLEANUP_FREE = x_asprintf("%s/list/", space->pointer);
    char *type_of CLEANUP_FREE = pointer_join(native, "type"), *scale CLEANUP_FREE = pointer_join(native, "scale"),
         *distribution CLEANUP_FREE = pointer_join(space->pointer, "distribution");
    set(parameters, name, out);
    katib_map(k, native, at);
    katib_map(k, values, list);
    katib_map(k, type_of, pointer);
    katib_map(k, scale, distribution);
}

static void read_parameter(struct katib *k, const json_t *item, size_t index)
{
    char *pointer CLEANUP_FREE = pointer_index("/spec/parameters", index);
    struct reader r = reader_open(item, pointer, members, k->problems), space = reader_enter(&r, "feasibleSpace", space_members);
    const char *name = reader_text(&r, "name", KATIB_MAX_TEXT, NULL);
    int type = reader_choice(&r, "parameterType", types, -1);
    if (r.object && !reader_find(&r, "name"))
        reader_bad(&r, "name", "REQUIRED", NULL, "is missing");
    if (r.object && !reader_find(&r, "parameterType"))
        reader_bad(&r, "parameterType", "REQUIRED", NULL, "is missing; must be one of int, double, discrete, categorical");
    if (type >= 0 && !space.object && !reader_find(&r, "feasibleSpace"))
        reader_bad(&r, "feasibleSpace", "REQUIRED", NULL, "is missing");
    json_t *first = name ? json_object_get(k->search, name) : NULL;
    if (first)
        reader_bad(&r, "name", "DUPLICATE", NULL, "is \"%.100s\", which spec.parameters[%lld] is called already", name, (long long)json_integer_value(first));
    else if (name)
        set(k->search, name, json_integer((json_int_t)index));
    if (name && !first && type >= 0)
        katib_parameter(k, pointer, name, types[type], &space);
    reader_close(&space);
    reader_close(&r);
}

void katib_space(struct katib *k)
{
    const json_t *list = reader_list(&k->spec, "parameters", MAX_PARAMETERS);
    set(k->native, "parameters", json_object());
    katib_map(k, "/parameters", "/spec/parameters");
    for (size_t i = 0; i < json_array_size(list); i++)
        read_parameter(k, json_array_get(list, i), i);
}
