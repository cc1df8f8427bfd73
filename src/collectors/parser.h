/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the collectors share: bytes become lines, values are counted, the place is saved. A collector adds how one line is read. */
#ifndef HONE_COLLECTORS_PARSER_H
#define HONE_COLLECTORS_PARSER_H

#include "base/buf.h"
#include "collectors/collector.h"

#define PARSER_OTHERS_MAX 100 /* distinct metrics besides the wanted ones: a trial that prints names without end stays cheap */
#define PARSER_NAME_MAX 128

struct parser;
struct filter; /* text.c */

/* Reads one line: without its end, without colour codes, ended by a NUL. */
typedef void parse_line(struct parser *p, const char *line, size_t len);

struct counted {
    char *name;
    int64_t n; /* values so far */
    bool wanted;
};

struct parser {
    parse_line *read;
    struct counted *metrics;
    size_t n_metrics, n_others;
    struct filter *filters;
    size_t n_filters;
    struct buf line; /* the unfinished one, as it came */
    bool too_long;   /* it has passed COLLECTOR_LINE_MAX: what is left of it is passed over */
    collector_sink *sink; /* during a feed */
    void *arg;
};

struct parser *parser_new(parse_line *read, const char *const *wanted);
void parser_feed(void *parser, const char *data, size_t len, bool end, collector_sink *sink, void *arg);
char *parser_save(const void *parser);
void parser_restore(void *parser, const char *saved);
void parser_close(void *parser);

#define STEP_NONE INT64_MIN

bool parser_wants(const struct parser *p, const char *name, size_t len);

/* Tells a value, unless the name is no name (empty, too long, not text) or one too many. */
void parser_emit(struct parser *p, const char *name, size_t len, double value, int64_t step, int64_t time_ms);

/* The number that `s` begins with: 5, +3, .98, 1e-3, 1., nan, -inf, Infinity (any case). NULL: none; else where it ends. */
const char *parser_number(const char *s, double *value);

/* RFC 3339 at the start of `s`, up to a blank or the end: wall ms, 0 = it is none. */
int64_t parser_time(const char *s);

parse_line text_line; /* of text.c */
bool json_line(struct parser *p, const char *line, size_t len); /* of json.c; false: it is no JSON object */

/* Compiles config.filters into `p` (text.c); wrong ones are problems under /run/metrics/filters. */
void filters_new(struct parser *p, const json_t *config, struct problems *problems);
void filters_free(struct parser *p);

#endif
