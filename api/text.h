/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON written straight into a buffer: what the API answers most (trials, events, measurements) without building a tree first.
 * The members are those of model/nouns.h; a test holds the two together. */
#ifndef HONE_API_TEXT_H
#define HONE_API_TEXT_H

#include "base/buf.h"
#include "model/nouns.h"

void text_string(struct buf *b, const char *s);      /* quoted and escaped, what is no UTF-8 becomes U+FFFD; NULL = null */
void text_string_n(struct buf *b, const char *s, size_t len);
void text_int(struct buf *b, int64_t value);
void text_number(struct buf *b, double value);       /* the shortest form that reads back the same; "NaN", "Infinity" as strings */
void text_known(struct buf *b, double value);        /* the same, NAN = null */
void text_time(struct buf *b, int64_t wall_ms);      /* null for 0 */
void text_json(struct buf *b, const json_t *value);  /* compact */

/* Members of a trial that may be picked by ?fields= */
#define TRIAL_FIELDS(X)                                                                                                             \
    X(state) X(reason) X(message) X(params) X(objective) X(objective_se) X(metrics) X(attempt) X(replicate) X(worker) X(origin)     \
    X(labels) X(note) X(progress) X(revision) X(create_time) X(update_time) X(start_time) X(end_time)

enum trial_field {
#define X(name) FIELD_##name,
    TRIAL_FIELDS(X)
#undef X
    FIELD_COUNT
};
#define FIELD(name) (1u << FIELD_##name)
#define FIELDS_ALL ((1u << FIELD_COUNT) - 1)
#define FIELDS_LEADERBOARD (FIELD(state) | FIELD(objective) | FIELD(params)) /* 100 of them in 20 KB */

enum err text_fields(const char *list, unsigned *fields, struct error *error); /* "number,state,params"; NULL or "" leaves them */

void text_trial(struct buf *b, const struct trial *t, unsigned fields); /* `number` always is first; the object is closed */
void text_attempt(struct buf *b, const struct attempt *a);
void text_measurement(struct buf *b, const struct measurement *m);
void text_event(struct buf *b, const struct event *e);

/* Walks the members of a JSON object that we wrote ourselves: *name (without quotes, escapes left in) and *value (as written).
 * Begin with *at at the '{'. False at the end. */
bool text_member(const char **at, const char **name, size_t *name_len, const char **value, size_t *value_len);

#endif
