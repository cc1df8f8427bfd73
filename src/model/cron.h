/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When a schedule fires: {cron: "0 3 * * 1-5", timezone: Europe/Berlin} or {every: 6h, from: RFC 3339}, with overlap (skip | queue | replace |
 * allow), catchup (none | last | all, at most 10), starting_deadline, params. Five fields and @hourly ..., names of months and days, day of
 * month and day of week as vixie cron has it (either, when both are set). A local time that a change of clocks skips fires at the end of the
 * gap, one that comes twice fires once; a line for every hour (*) goes by the time that passes instead. */
#ifndef HONE_MODEL_CRON_H
#define HONE_MODEL_CRON_H

#include "base/problems.h"

#include <jansson.h>
#include <stdint.h>

enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_REPLACE, OVERLAP_ALLOW };
enum catchup { CATCHUP_NONE, CATCHUP_LAST, CATCHUP_ALL };

struct cron;

/* NULL with problems at `pointer`; `others`: members that are the caller's. */
struct cron *cron_read(const json_t *value, const char *pointer, const char *const *others, struct problems *problems);
void cron_free(struct cron *c);
enum overlap cron_overlap(const struct cron *c);
enum catchup cron_catchup(const struct cron *c);
double cron_deadline_s(const struct cron *c);                  /* starting_deadline; 0 = none */
int64_t cron_next(const struct cron *c, int64_t after_ms);     /* wall ms, the first firing after `after_ms`; INT64_MAX = never again */
json_t *cron_json(const struct cron *c);                       /* normalised; new reference */

#endif
