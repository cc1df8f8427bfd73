/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log: one JSON object a line on stderr: time, level, event and named fields, no prose to parse.
 * Only the core loop, api/http.c, the ends of workers and main log; all else returns errors.
 * Any thread. Secrets never go in: pass a masked form. */
#ifndef HONE_BASE_LOG_H
#define HONE_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level least);

/* `fmt` is a jansson pack format for the fields, e.g. log_event(LOG_INFO, "trial.started",
 * "{s:s, s:I}", "experiment", name, "trial", (json_int_t)number); NULL for none. */
void log_event(enum log_level level, const char *event, const char *fmt, ...);

#endif
