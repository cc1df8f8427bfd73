/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All that describes the verbs, made from their table: help, man page, reference page, completions. */
#ifndef HONE_CLI_HELP_H
#define HONE_CLI_HELP_H

#include "cli/verb.h"

#include <stdio.h>

void help_verbs(FILE *out);
void help_verb(const struct verb *verb, FILE *out);
void help_man(FILE *out);
void help_markdown(FILE *out); /* docs/reference/cli.md */
void help_settings(FILE *out); /* docs/reference/configuration.md */

#endif
