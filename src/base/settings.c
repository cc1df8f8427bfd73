/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/settings.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool read_number(const json_t *value, double *out)
{
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return true;
    }
    const char *text = json_string_value(value);
    if (!text || !*text)
        return false;
    char *end;
    *out = strtod(text, &end);
    return !*end;
}

static bool read_bool(const json_t *value, double *out)
{
    const char *text = json_string_value(value);
    if (json_is_boolean(value))
        *out = json_is_true(value);
    else if (text && (!strcasecmp(text, "true") || !strcasecmp(text, "false")))
        *out = !strcasecmp(text, "true");
    else
        return false;
    return true;
}

static void read_one(double *out, const struct setting *t, const json_t *value, const char *pointer,
                     struct problems *problems)
{
    double number = 0;
    switch (t->type) {
    case SETTING_BOOL:
        if (read_bool(value, &number))
            *out = number;
        else
            problems_add(problems, pointer, "TYPE", NULL, "must be true or false");
        return;
    case SETTING_CHOICE: {
        const char *text = json_string_value(value);
        for (int i = 0; text && t->choices[i]; i++)
            if (!strcmp(text, t->choices[i])) {
                *out = i;
                return;
            }
        char list[256] = "";
        for (int i = 0; t->choices[i]; i++)
            (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "",
                           t->choices[i]);
        problems_add(problems, pointer, "CHOICE", text ? did_you_mean(text, t->choices) : NULL,
                     "must be one of: %s", list);
        return;
    }
    case SETTING_INT:
    case SETTING_FLOAT:
        if (!read_number(value, &number) || !isfinite(number) ||
            (t->type == SETTING_INT && number != floor(number)))
            problems_add(problems, pointer, "TYPE", NULL, "must be %s",
                         t->type == SETTING_INT ? "an integer" : "a number");
        else if (number < t->min || number > t->max)
            problems_add(problems, pointer, "RANGE", NULL, "is %g, must be from %g to %g", number,
                         t->min, t->max);
        else
            *out = number;
        return;
    }
}

static const struct setting *find(const struct setting *table, const char *name)
{
    for (; table && table->name; table++)
        if (!strcmp(table->name, name))
            return table;
    return NULL;
}

static void unknown(const struct setting *table, const char *name, const char *pointer,
                    struct problems *problems)
{
    const char *names[SETTINGS_MAX + 1] = {0};
    for (int i = 0; table && table[i].name; i++)
        names[i] = table[i].name;
    problems_add(problems, pointer, "UNKNOWN_SETTING", did_you_mean(name, names),
                 "there is no setting \"%s\" here", name);
}

void settings_read(struct settings *s, const struct setting *table, const json_t *object,
                   const char *pointer, struct problems *problems)
{
    *s = (struct settings){.table = table};
    for (int i = 0; table && table[i].name; i++) {
        assert(i < SETTINGS_MAX);
        s->value[i] = table[i].def;
    }
    if (object && !json_is_object(object) && !json_is_null(object)) {
        problems_add(problems, pointer, "TYPE", NULL, "must be a mapping of settings");
        return;
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        char *place CLEANUP_FREE = x_asprintf("%s/%s", pointer, name);
        const struct setting *t = find(table, name);
        if (t)
            read_one(&s->value[t - table], t, value, place, problems);
        else
            unknown(table, name, place, problems);
    }
}

double settings_get(const struct settings *s, const char *name)
{
    const struct setting *t = find(s->table, name);
    assert(t);
    return s->value[t - s->table];
}

static json_t *value_json(const struct setting *t, double value)
{
    switch (t->type) {
    case SETTING_BOOL:
        return json_boolean(value != 0);
    case SETTING_CHOICE:
        return json_string(t->choices[(int)value]);
    case SETTING_INT:
        return json_integer((json_int_t)value);
    case SETTING_FLOAT:
        return json_real(value); /* NULL for a NAN: not set, and so left out */
    }
    return NULL;
}

json_t *settings_json(const struct settings *s)
{
    json_t *object = json_object();
    for (int i = 0; s->table && s->table[i].name; i++)
        (void)json_object_set_new(object, s->table[i].name, value_json(&s->table[i], s->value[i]));
    return object;
}

json_t *settings_schema(const struct setting *table)
{
    static const char *const types[] = {"integer", "number", "boolean", "string"};
    json_t *properties = json_object();
    for (; table && table->name; table++) {
        json_t *p = json_pack("{s:s, s:s, s:o*}", "type", types[table->type], "description", table->help,
                              "default", value_json(table, table->def));
        if (table->type == SETTING_CHOICE) {
            json_t *list = json_array();
            for (int i = 0; table->choices[i]; i++)
                (void)json_array_append_new(list, json_string(table->choices[i]));
            (void)json_object_set_new(p, "enum", list);
        } else if (table->type != SETTING_BOOL) {
            (void)json_object_set_new(p, "minimum", json_real(table->min));
            (void)json_object_set_new(p, "maximum", json_real(table->max));
        }
        (void)json_object_set_new(properties, table->name, p);
    }
    return json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties",
                     properties);
}
