/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trials by column, for charts: a third of the size of rows, and no tree is built on either side. */
#include "handlers.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

#define ROWS_MAX 200000
#define PAGE 1000
#define COLUMNS_MAX 600 /* also of those that `.*` brings */
#define DEFAULT_COLS "number,state,objective,params.*"

/* Columns that are members of a trial. */
#define COLS(X)                                                                                                                     \
    X(number, text_int(b, t->number)) X(state, text_string(b, trial_state_name(t->state))) X(reason, text_string(b, t->reason))      \
    X(objective, text_known(b, t->objective)) X(objective_se, text_known(b, t->objective_se)) X(attempt, text_int(b, t->attempt))    \
    X(replicate, text_int(b, t->replicate)) X(worker, text_string(b, t->worker)) X(progress, text_known(b, t->progress))             \
    X(revision, text_int(b, t->revision)) X(create_time, text_time(b, t->create_ms)) X(update_time, text_time(b, t->update_ms))      \
    X(start_time, text_time(b, t->start_ms)) X(end_time, text_time(b, t->end_ms))

typedef void col_fn(struct buf *b, const struct trial *t);
#define X(name, expression)                                                                                                         \
    static void col_##name(struct buf *b, const struct trial *t)                                                                    \
    {                                                                                                                               \
        expression;                                                                                                                 \
    }
COLS(X)
#undef X

static const struct {
    const char *name;
    col_fn *write;
} plain[] = {
#define X(name, expression) {#name, col_##name},
    COLS(X)
#undef X
};

enum group { GROUP_PARAMS, GROUP_METRICS, GROUP_LABELS, GROUP_ORIGIN, GROUP_COUNT };
static const char *const group_names[GROUP_COUNT] = {"params.", "metrics.", "labels.", "origin."};

struct column {
    char *name;       /* as answered, JSON-escaped inside: "params.lr" */
    const char *key;  /* the part after the dot */
    size_t key_len;
    col_fn *write;    /* of a plain one */
    struct buf values;
    size_t n;         /* values so far; the others are null */
};

struct table {
    struct column columns[COLUMNS_MAX];
    size_t n_columns, n_rows;
    bool all[GROUP_COUNT], wanted[GROUP_COUNT];
};

static struct column *add_column(struct table *t, const char *prefix, const char *key, size_t len)
{
    if (t->n_columns == COLUMNS_MAX)
        return NULL;
    struct column *c = &t->columns[t->n_columns++];
    *c = (struct column){.name = x_asprintf("%s%.*s", prefix, (int)len, key), .key_len = len};
    c->key = c->name + strlen(prefix);
    return c;
}

static void pad(struct column *c, size_t n)
{
    for (; c->n < n; c->n++)
        buf_adds(&c->values, c->n ? ",null" : "null");
}

static struct column *find_column(struct table *t, enum group g, const char *key, size_t len)
{
    size_t prefix = strlen(group_names[g]);
    for (size_t i = 0; i < t->n_columns; i++) {
        struct column *c = &t->columns[i];
        if (!c->write && c->key_len == len && !memcmp(c->key, key, len) && !strncmp(c->name, group_names[g], prefix))
            return c;
    }
    return NULL;
}

static void add_group(struct table *t, enum group g, const char *json)
{
    const char *key, *value;
    size_t key_len, value_len;
    if (!t->wanted[g] || !json)
        return;
    for (const char *at = json; text_member(&at, &key, &key_len, &value, &value_len);) {
        struct column *c = find_column(t, g, key, key_len);
        if (!c && t->all[g])
            c = add_column(t, group_names[g], key, key_len);
        if (!c || c->n > t->n_rows)
            continue;
        pad(c, t->n_rows);
        if (c->n++)
            buf_add(&c->values, ",", 1);
        buf_add(&c->values, value, value_len);
    }
}

static bool add_row(void *arg, const struct trial *row)
{
    struct table *t = arg;
    for (size_t i = 0; i < t->n_columns; i++) {
        struct column *c = &t->columns[i];
        if (!c->write)
            continue;
        if (c->n++)
            buf_add(&c->values, ",", 1);
        c->write(&c->values, row);
    }
    add_group(t, GROUP_PARAMS, row->params);
    add_group(t, GROUP_METRICS, row->metrics);
    add_group(t, GROUP_LABELS, row->labels);
    add_group(t, GROUP_ORIGIN, row->origin);
    return ++t->n_rows < ROWS_MAX;
}

static bool add_plain(struct table *t, const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (strlen(plain[i].name) != len || strncmp(plain[i].name, name, len) != 0)
            continue;
        for (size_t k = 0; k < t->n_columns; k++)
            if (t->columns[k].write == plain[i].write)
                return true;
        struct column *c = add_column(t, "", name, len);
        if (c)
            c->write = plain[i].write;
        return true;
    }
    return false;
}

static bool add_of_group(struct table *t, const char *name, size_t len)
{
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        size_t prefix = strlen(group_names[g]);
        if (len <= prefix || strncmp(name, group_names[g], prefix) != 0)
            continue;
        t->wanted[g] = true;
        if (len == prefix + 1 && name[prefix] == '*')
            t->all[g] = true;
        else if (!find_column(t, (enum group)g, name + prefix, len - prefix))
            (void)add_column(t, group_names[g], name + prefix, len - prefix);
        return true;
    }
    return false;
}

static enum err read_cols(struct table *t, const char *cols, struct error *error)
{
    for (const char *p = cols && *cols ? cols : DEFAULT_COLS; *p;) {
        size_t len = strcspn(p, ",");
        bool plain_text = strcspn(p, "\"\\\r\n\t") >= len; /* a name is answered as it was written */
        if (len && (!plain_text || (!add_plain(t, p, len) && !add_of_group(t, p, len))))
            return err_set(error, ERR_INVALID, "QUERY", "there is no column \"%.*s\"; cols is a list such as number,state,objective,params.*,metrics.loss", (int)(len > 60 ? 60 : len), p);
        p += len;
        p += *p == ',';
    }
    return OK;
}

static enum err read_rows(struct table *t, struct db *db, int64_t experiment_id, const struct filter *filter, struct error *error)
{
    char *after = NULL, *next = NULL;
    enum err err;
    do {
        struct list_query q = {.experiment_id = experiment_id, .filter = filter, .order_by = "number", .after = after ? after : "", .limit = PAGE};
        next = NULL;
        err = trial_list(db, &q, add_row, t, &next, error);
        free(after);
        after = next;
    } while (!err && after && t->n_rows < ROWS_MAX);
    free(after);
    return err;
}

static void write(struct buf *b, struct table *t, int64_t revision)
{
    buf_addf(b, "{\"revision\":%" PRId64 ",\"n\":%zu,\"columns\":{", revision, t->n_rows);
    for (size_t i = 0; i < t->n_columns; i++) {
        struct column *c = &t->columns[i];
        pad(c, t->n_rows);
        buf_addf(b, "%s\"%s\":[", i ? "," : "", c->name);
        buf_add(b, c->values.data, c->values.len);
        buf_adds(b, "]");
        buf_release(&c->values);
    }
    buf_adds(b, "}}");
}

static void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        free(t->columns[i].name);
        buf_release(&t->columns[i].values);
    }
    free(t);
}

enum err handle_columns(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e = NULL;
    struct table *t = X_NEW(struct table);
    struct buf b = BUF_INIT;
    struct error why = {0};
    struct filter *filter = filter_parse(request_query(r, "filter"), &why);
    enum err err = why.code ? (*error = why, why.code) : read_cols(t, request_query(r, "cols"), error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = db_begin_read(db, error);
    if (!err) {
        err = request_experiment(r, db, &e, error);
        bool same = !err && answer_not_modified(r, e->revision);
        if (!err && !same)
            err = read_rows(t, db, e->id, filter, error);
        db_end_read(db);
        if (!err && !same) {
            write(&b, t, e->revision);
            answer_buf(r, 200, &b);
            answer_etag(r, e->revision);
        }
    }
    experiment_free(e);
    filter_free(filter);
    table_free(t);
    return err;
}
