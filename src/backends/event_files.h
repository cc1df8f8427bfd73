/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The TensorBoard event files under a directory, read as they grow, as JSON lines for the collector:
 * {"step":3,"timestamp":1732502400.5,"val/loss":0.25}. One thread at a time. */
#ifndef HONE_BACKENDS_EVENT_FILES_H
#define HONE_BACKENDS_EVENT_FILES_H

#include "base/buf.h"

#include <stdbool.h>

struct event_files;

/* `cursor` as event_files_cursor gave it, "" = from the start. */
struct event_files *event_files_new(const char *dir, const char *cursor);
void event_files_free(struct event_files *f); /* NULL is a no-op */

/* Adds the lines of what has come since; false: there is no more now. Call it until then. */
bool event_files_read(struct event_files *f, struct buf *out);

char *event_files_cursor(const struct event_files *f); /* how far each file was read: malloced */

#endif
