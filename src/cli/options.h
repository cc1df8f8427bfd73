/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options of a verb as a table, read by getopt_long and by all that describes verbs (help.h). */
#ifndef HONE_CLI_OPTIONS_H
#define HONE_CLI_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type { OPT_FLAG, OPT_TEXT, OPT_INT, OPT_NUMBER, OPT_DURATION, OPT_MANY /* text, may be repeated */ };

struct option_row {
    const char *name;  /* NULL ends a table */
    char letter;       /* 0 = none */
    enum option_type type;
    const char *value; /* "N": how the value is called in help */
    const char *help;
};

/* The name of the setting `id` (config.def) as an option; a flag that is on by default is --no-NAME. */
#define SETTING_NAME 40
void setting_option(size_t id, char out[SETTING_NAME]);

/* What a verb takes beside its own options. */
enum {
    USES_SERVER = 1,   /* --server, --token-file, --context, --project */
    USES_OUTPUT = 2,   /* -o */
    USES_LIST = 4,     /* --filter, --sort, --columns, --no-headers, --limit */
    USES_SETTINGS = 8, /* every row of config.def, --config */
    USES_REST = 16,    /* a command after -- */
};

#define OPTIONS_MAX 64

/* All options of a verb: its own, then the common ones. Returns how many. */
size_t options_of(const struct option_row *own, unsigned uses, struct option_row out[OPTIONS_MAX]);

struct args {
    struct option_row rows[OPTIONS_MAX];
    size_t n_rows;
    struct {
        size_t row;
        const char *text; /* "" for flags */
    } *given;
    size_t n_given;
    const char **words; /* what is no option */
    size_t n_words;
    char **rest;        /* after --, only with USES_REST; NULL-ended */
    size_t n_rest;
};

/* Reads argv[1..]. Numbers and durations are checked here. Strings stay argv's. Not for two threads at once (getopt). */
enum err args_parse(struct args *a, const struct option_row *own, unsigned uses, int argc, char **argv,
                    struct error *error);
void args_release(struct args *a);

/* `name` must be in the table (aborts otherwise). The last one given counts. */
bool args_has(const struct args *a, const char *name);
const char *args_text(const struct args *a, const char *name);                 /* NULL = not given */
const char *args_nth(const struct args *a, const char *name, size_t i);        /* NULL after the last */
int64_t args_int(const struct args *a, const char *name, int64_t otherwise);
double args_number(const struct args *a, const char *name, double otherwise);
/* The settings given (USES_SETTINGS) in the order of config.def, for config_load; NULL = not given. */
void args_settings(const struct args *a, const char **flags);
double args_seconds(const struct args *a, const char *name, double otherwise);

#endif
