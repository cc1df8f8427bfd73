/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON as text to be kept: jansson writes 0.1 as 0.10000000000000001 unless it is told that 15 digits will do. */
#ifndef HONE_BASE_JSON_TEXT_H
#define HONE_BASE_JSON_TEXT_H

#include <jansson.h>

/* Compact, malloced. Reals have 15 digits if every one of them reads back the same, else 17. NULL for NULL. */
char *json_text(const json_t *value);

#endif
