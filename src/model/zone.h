/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IANA time zones, by GLib's GTimeZone, which is loaded when a schedule first names a zone (docs/decisions/0004). Any thread. */
#ifndef HONE_MODEL_ZONE_H
#define HONE_MODEL_ZONE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct zone; /* NULL is UTC */

enum err zone_open(const char *name, struct zone **out, struct error *error); /* "Europe/Berlin"; NULL for "UTC" */
void zone_close(struct zone *z);
int64_t zone_offset(const struct zone *z, int64_t utc_s); /* seconds that local time is ahead of UTC */

#endif
