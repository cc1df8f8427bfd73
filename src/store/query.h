/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists: a filter, an order and a page token become one parameterised statement. Private to store/ and its tests.
 *
 * Nothing a client writes gets into the text of a statement: fields are looked up in a noun's table, all else is a parameter. */
#ifndef HONE_STORE_QUERY_H
#define HONE_STORE_QUERY_H

#include "base/buf.h"
#include "store/db.h"

enum query_kind {
    QUERY_TEXT,
    QUERY_NUMBER,
    QUERY_TIME,  /* compared with RFC 3339 or wall ms */
    QUERY_STATE, /* = and != with a state's name */
    QUERY_JSON,  /* NAME.KEY: a member of a JSON object */
};

struct query_field {
    const char *name;
    enum query_kind kind;
    const char *sql;
    const char *order_sql; /* when ordering is cheaper by something else; NULL = sql */
    bool nullable;
    int (*parse_state)(const char *); /* QUERY_STATE: -1 = no such state */
    const char *(*state_name)(int);   /* NULL past the last */
};

struct query_noun {
    const char *plural, *columns, *from, *id; /* id: a column that orders all rows, and stands for "number" or age */
    bool newest_first;
    const struct query_field *fields; /* ended by a NULL name */
};

extern const struct query_noun query_trials, query_experiments, query_runs;

struct query_arg {
    char type; /* i, r, t, n (NULL) */
    int64_t number;
    double real;
    char *text;
};

struct query_key {
    char *sql;
    bool descending, nullable;
};

#define QUERY_MAX_KEYS 6

struct query {
    struct buf sql;
    struct query_arg *args;
    size_t n_args, cap_args;
    struct query_key keys[QUERY_MAX_KEYS];
    size_t n_keys;
    char hash[17]; /* of all but the place in the list: a page token carries it */
};

/* A page of rows, or with `page` false their count(*). Release it whatever is returned. */
enum err query_build(struct query *q, const struct query_noun *noun, const struct list_query *list, bool page, struct error *error);
void query_release(struct query *q);

enum err query_list(struct db *db, const struct query_noun *noun, const struct list_query *list, db_row_fn *row, void *arg, char **next,
                    struct error *error);
enum err query_count(struct db *db, const struct query_noun *noun, const struct list_query *list, int64_t *n, struct error *error);

#endif
