/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Named services of a user: $XDG_CONFIG_HOME/hone/config.yaml
 *   current: lab
 *   contexts: {lab: {url: "https://hone.lab:8080", token_file: /home/me/.hone-token, project: vision}} */
#ifndef HONE_CLI_CONTEXT_H
#define HONE_CLI_CONTEXT_H

#include "base/err.h"

#include <jansson.h>

char *contexts_path(void); /* malloced */

/* The whole file, {} when there is none; checked. New reference, NULL on failure. */
json_t *contexts_load(struct error *error);
enum err contexts_save(const json_t *file, struct error *error); /* replaced whole, mode 0600 */

/* Its context `name`, or the current one when `name` is NULL (*out NULL = none is current). Borrowed. */
enum err context_find(json_t *file, const char *name, json_t **out, struct error *error);

#endif
