/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An experiment file before it is sent: read, and changed by flags. */
#ifndef HONE_CLI_DOCUMENT_H
#define HONE_CLI_DOCUMENT_H

#include "cli/options.h"

#include <jansson.h>

/* New reference, NULL with the place in `error`. */
json_t *document_load(const char *path, struct error *error);

/* -n, -j, --name, --seed put into the file (Katib's own members when it is one). */
void document_override(json_t *document, const struct args *args);

/* Commands of a file run in its directory: run.cwd becomes an absolute path. Only for services that share our files. */
void document_place(json_t *document, const char *path);

/* The command behind -- and --metrics, as the file's `run`. */
enum err document_command(json_t *document, const struct args *args, struct error *error);

/* What `hone tune` was told, as a file; new reference. */
json_t *document_of_flags(const struct args *args, struct error *error);

#endif
