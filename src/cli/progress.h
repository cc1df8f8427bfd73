/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `12/40 done · 2 running · 1 failed · best 0.9861 (#7) · ETA 0:42`: on a terminal one line that is rewritten, elsewhere a
 * line when something changed, every few seconds at most. Always on stderr. */
#ifndef HONE_CLI_PROGRESS_H
#define HONE_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal, quiet;
    int64_t last_ms; /* when a line was written last, 0 = never */
    char last[256];
};

void progress_init(struct progress *p, bool quiet);
void progress_show(struct progress *p, json_t *experiment, int64_t mono_ms, bool last); /* the last one is always shown */
void progress_end(struct progress *p); /* leaves the last line as it stands */

#define PROGRESS_TEXT 256
void progress_text(json_t *experiment, char out[PROGRESS_TEXT]);

#endif
