/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings of an algorithm, a stopping rule, a backend: a table says what exists, one decoder reads it.
 * The tables also make the API's capabilities, the documentation and the checks of experiment files. */
#ifndef HONE_BASE_SETTINGS_H
#define HONE_BASE_SETTINGS_H

#include "base/problems.h"

enum setting_type { SETTING_INT, SETTING_FLOAT, SETTING_BOOL, SETTING_CHOICE };

struct setting {
    const char *name;           /* NULL ends a table */
    enum setting_type type;
    double def, min, max;       /* BOOL: def 0 or 1; CHOICE: def is an index into choices; FLOAT: NAN = not set */
    const char *const *choices; /* CHOICE: NULL-ended names */
    const char *help;           /* one line */
};

#define SETTINGS_MAX 32

/* The values, in the order of the table. A CHOICE is the index of its name. */
struct settings {
    const struct setting *table;
    double value[SETTINGS_MAX];
};

/* Reads a JSON object (or NULL) by `table` (NULL: no settings): defaults filled in, unknown names, wrong
 * types and ranges added to `problems` under `pointer`. Numbers given as strings are taken (Katib). */
void settings_read(struct settings *s, const struct setting *table, const json_t *object,
                   const char *pointer, struct problems *problems);

double settings_get(const struct settings *s, const char *name); /* aborts on a name not in the table */
json_t *settings_json(const struct settings *s);                 /* all of them, new reference */
json_t *settings_schema(const struct setting *table);            /* JSON Schema of the object */

/* A named choice with settings: an algorithm, a stopping rule, a backend. `name` NULL ends a list. */
struct catalog_entry {
    const char *name, *title;
    const struct setting *settings;
    bool finite; /* an algorithm that needs a finite space, and so ends by itself */
    const char *stopping; /* of an algorithm: the rule it goes with, when no other is named; settings of the same names are taken over. NULL = none */
};

/* What an experiment file may refer to. Filled by core/catalog.c (the model must not know algorithms). */
struct catalog {
    const struct catalog_entry *algorithms, *stoppers, *backends;
};

#endif
