/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A table for people: columns aligned by display width (LC_CTYPE must be UTF-8), control characters made harmless. */
#ifndef HONE_CLI_TABLE_H
#define HONE_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

struct table *table_new(size_t n_columns);
void table_free(struct table *t);

void table_align_right(struct table *t, size_t column);
void table_cell(struct table *t, const char *text); /* the next cell, row by row; copied */
void table_print(const struct table *t, FILE *out); /* two spaces between columns, none at the ends of lines */

size_t text_width(const char *text);  /* columns on the screen */
char *text_safe(const char *text);    /* line ends and tabs as spaces, other control characters and broken UTF-8 as '?'; malloced */

/* 0:42, 12:05, 1:02:03, 2d 03:04; "" for what is negative or not a number. */
#define DURATION_TEXT 32
void text_duration(double seconds, char out[DURATION_TEXT]);

#endif
