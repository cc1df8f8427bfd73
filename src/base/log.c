/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include "base/clock.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic int least = LOG_INFO;
static const char *const names[] = {"debug", "info", "warning", "error"};

void log_set_level(enum log_level level)
{
    atomic_store(&least, (int)level);
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    if ((int)level < atomic_load(&least))
        return;
    char time[CLOCK_TEXT];
    clock_format(clock_wall_ms(), time);
    json_t *line = json_pack("{s:s, s:s, s:s}", "time", time, "level", names[level], "event", event);
    if (fmt) {
        va_list ap;
        va_start(ap, fmt);
        json_t *fields = json_vpack_ex(NULL, 0, fmt, ap);
        va_end(ap);
        if (fields)
            (void)json_object_update(line, fields);
        json_decref(fields);
    }
    char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(line);
    if (text)
        (void)fprintf(stderr, "%s\n", text); /* one call, so lines of threads do not mix */
    free(text);
}
