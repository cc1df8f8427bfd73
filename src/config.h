/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings of the service, from config.def: default < file < environment (HONE_<NAME>) < flag.
 *
 * The file is YAML, one key a setting: --config FILE, $HONE_CONFIG, $XDG_CONFIG_HOME/hone/server.yaml or
 * ~/.config/hone/server.yaml, /etc/hone/server.yaml; the first that is there. An unknown key is an error.
 * A struct config is constant once loaded. */
#ifndef HONE_CONFIG_H
#define HONE_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_TYPE_TEXT char *   /* never NULL, "" = not set */
#define CONFIG_TYPE_LIST char **  /* NULL-ended, never NULL */
#define CONFIG_TYPE_INT int
#define CONFIG_TYPE_BOOL bool
#define CONFIG_TYPE_CHOICE int    /* index into the choices, in the order of config.def */

enum config_id {
#define SETTING(type, name, def, min, max, help) CONFIG_##name,
#include "config.def"
#undef SETTING
    CONFIG_COUNT
};

enum config_type { CONFIG_TEXT, CONFIG_LIST, CONFIG_INT, CONFIG_BOOL, CONFIG_CHOICE };
enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

struct config {
#define SETTING(type, name, def, min, max, help) CONFIG_TYPE_##type name;
#include "config.def"
#undef SETTING
    char *text[CONFIG_COUNT];               /* each value as it was written */
    enum config_source source[CONFIG_COUNT];
    char *file;                             /* the file that was read, NULL = none */
};

struct config_row {
    const char *name, *def, *help;
    enum config_type type;
    int min, max;
};
extern const struct config_row config_rows[CONFIG_COUNT];

/* `file` NULL: looked for as above. `flags`: what the command line says, by enum config_id, NULL = nothing; may be NULL.
 * `data` comes out as an absolute path, never empty. Fills `config` on success only. */
enum err config_load(struct config *config, const char *file, const char *const *flags, struct error *error);
void config_release(struct config *config);

const char *config_source_name(enum config_source source); /* "default", "file", "environment", "flag" */
char *config_data_dir(void); /* where the data is when no setting says so: $HONE_DATA, ...; malloced, absolute */

#endif
