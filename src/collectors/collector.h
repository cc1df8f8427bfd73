/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A collector turns the bytes a trial writes into measurements. One parser an attempt, fed by one thread, in order.
 *
 * The parser's place can be saved and restored, so that after a restart it goes on where it stood: the same bytes give the
 * same (metric, step, value), whole lines only, whatever the cuts between feeds. */
#ifndef HONE_COLLECTORS_COLLECTOR_H
#define HONE_COLLECTORS_COLLECTOR_H

#include "base/err.h"
#include "base/problems.h"
#include "model/spec.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLLECTOR_LINE_MAX 65536 /* a longer line is passed over */

struct point {
    const char *metric;
    int64_t step;    /* written on the line (step=, epoch=, "step":), else the count of this metric's values, from 1 */
    int64_t time_ms; /* written on the line (JSON "timestamp", Katib's leading RFC 3339 time), else 0 */
    double value;    /* NAN and infinities are kept */
};

typedef void collector_sink(void *arg, const struct point *p);

struct collector {
    const char *name, *title;
    /* `config` is run.metrics; `metrics` (NULL-ended) are the names wanted (objectives); others are collected too unless `filters` are given
     * (then what the filters match). Returns NULL with problems under /run/metrics (bad regex, groups missing). */
    void *(*open)(const json_t *config, const char *const *metrics, struct problems *problems);
    void (*feed)(void *parser, const char *data, size_t len, bool end, collector_sink *sink, void *arg);
    char *(*save)(const void *parser);                 /* small JSON, malloced: counters and the unfinished line */
    void (*restore)(void *parser, const char *saved);
    void (*close)(void *parser);
};

extern const struct collector *const collectors[]; /* NULL-ended, by collectors.def */
const struct collector *collector_find(const char *name); /* by `metrics.format`: text, json, auto */

/* The collector of the file's `run`, opened for its objectives. NULL when it cannot be: why was told when the file was checked. */
const struct collector *collector_open(const struct spec *spec, void **parser);

#endif
