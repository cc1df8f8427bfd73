/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Identifiers: UUID version 7 (RFC 9562: time first, so they sort by age; the rest from getrandom). */
#ifndef HONE_BASE_ID_H
#define HONE_BASE_ID_H

#include <stdint.h>

#define ID_TEXT 37
void id_new(int64_t wall_ms, char out[ID_TEXT]);

/* `n` (at most 9) base-32 characters (a-z2-7) of the random part of a uid, and a NUL. */
void id_short(const char *uid, char *out, int n);

#endif
