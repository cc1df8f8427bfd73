/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of this folder share. */
#ifndef HONE_TESTS_PIPELINES_H
#define HONE_TESTS_PIPELINES_H

#include "pipeline/pipeline.h"

char *read_file(const char *path, size_t *len);
char *lines_of(const struct problem_item *items, size_t n); /* "steps.train.run: what is wrong (did you mean?)", a line each */
int each_file(const char *dir, void (*check)(const char *path)); /* of its .yaml files; gives how many */

/* A pipeline from text that must be right, and one that must be wrong: its problems (malloced). */
struct pipeline *right(const char *text);
char *wrong(const char *text);

json_t *json_of(const char *text);

#endif
