/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time. All times are milliseconds in int64_t; a wall time is since 1970 UTC, 0 = not known. */
#ifndef HONE_BASE_CLOCK_H
#define HONE_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void); /* for durations and deadlines inside one process */

#define CLOCK_TEXT 25 /* "2026-11-23T16:37:00.123Z" and the NUL */
void clock_format(int64_t wall_ms, char out[CLOCK_TEXT]); /* RFC 3339, UTC */
bool clock_parse(const char *text, int64_t *wall_ms);      /* RFC 3339: with Z or an offset; an offset must stand */

#endif
