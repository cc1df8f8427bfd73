/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One experiment as one file: the dashboard with its data in it, to be opened from disk. */
#ifndef HONE_CLI_REPORT_H
#define HONE_CLI_REPORT_H

#include "cli/verb.h"

/* Asks the service for all that the dashboard shows of EXP, and writes the page to `file` ("-": stdout). cli->rest must be open. */
enum err report_write(struct cli *cli, const char *word, const char *file, struct error *error);

#endif
