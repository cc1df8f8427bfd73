/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What many trials reported of one metric, each curve thinned: learning curves in one request. */
#include "handlers.h"
#include "text.h"

#include <errno.h>
#include <string.h>

#define CURVES_MAX 500
#define POINTS_DEFAULT 100
#define POINTS_MAX 10000
#define STEP_MIN (-((int64_t)1 << 53))

struct curve {
    struct buf steps, values;
    size_t n;
};

static bool add_point(void *arg, const struct measurement *m)
{
    struct curve *c = arg;
    if (c->n++) {
        buf_adds(&c->steps, ",");
        buf_adds(&c->values, ",");
    }
    text_int(&c->steps, m->step);
    text_number(&c->values, m->value);
    return true;
}

/* A trial that is not there, or reported nothing, is left out: it may have been deleted since the caller saw its number. */
static enum err add_curve(struct buf *b, struct db *db, int64_t experiment_id, int64_t number, struct measurement_query q, struct error *error)
{
    struct trial *t;
    struct curve c = {0};
    enum err err = trial_get(db, experiment_id, number, &t, error);
    if (err)
        return err == ERR_NOT_FOUND ? OK : err;
    q.trial_id = t->id;
    trial_free(t);
    err = measurement_list(db, &q, add_point, &c, error);
    if (!err && c.n) {
        buf_adds(b, b->data[b->len - 1] == '[' ? "" : ",");
        buf_adds(b, "{\"number\":");
        text_int(b, number);
        buf_adds(b, ",\"steps\":[");
        buf_add(b, c.steps.data, c.steps.len);
        buf_adds(b, "],\"values\":[");
        buf_add(b, c.values.data, c.values.len);
        buf_adds(b, "]}");
    }
    buf_release(&c.steps);
    buf_release(&c.values);
    return err;
}

static enum err bad_list(struct error *error)
{
    return err_set(error, ERR_INVALID, "QUERY", "trials must be numbers of trials, such as 1,2,17, at most %d", CURVES_MAX);
}

static enum err read_numbers(const char *text, int64_t *numbers, size_t *n, struct error *error)
{
    char *end;
    *n = 0;
    for (const char *p = text ? text : ""; *p; p = end + (*end == ',')) {
        errno = 0;
        int64_t number = strtoll(p, &end, 10);
        if (*p < '0' || *p > '9' || errno || number < 1 || (*end && *end != ',') || *n == CURVES_MAX)
            return bad_list(error);
        numbers[(*n)++] = number;
    }
    return *n ? OK : bad_list(error);
}

static void first_metric(const struct experiment *e, struct buf *out)
{
    json_t *document = experiment_document(e);
    buf_adds(out, json_string_value(json_object_get(json_array_get(json_object_get(document, "objectives"), 0), "metric")));
    json_decref(document);
}

static enum err write(struct request *r, struct db *db, const struct experiment *e, const int64_t *numbers, size_t n, int64_t max_points, struct error *error)
{
    struct buf b = BUF_INIT, metric = BUF_INIT;
    enum err err = OK;
    if (request_query(r, "metric"))
        buf_adds(&metric, request_query(r, "metric"));
    if (!metric.len)
        first_metric(e, &metric);
    buf_adds(&b, "{\"metric\":");
    text_string(&b, metric.data);
    buf_adds(&b, ",\"curves\":[");
    for (size_t i = 0; i < n && !err; i++)
        err = add_curve(&b, db, e->id, numbers[i], (struct measurement_query){.metric = metric.data, .from_step = STEP_MIN, .max_points = max_points}, error);
    buf_adds(&b, "],\"revision\":");
    text_int(&b, e->revision);
    buf_adds(&b, "}");
    if (!err)
        answer_buf(r, 200, &b);
    buf_release(&metric);
    buf_release(&b);
    return err;
}

enum err handle_curves(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e = NULL;
    int64_t numbers[CURVES_MAX], max_points;
    size_t n;
    enum err err = read_numbers(request_query(r, "trials"), numbers, &n, error);
    if (!err)
        err = query_int(r, "max_points", POINTS_DEFAULT, 2, POINTS_MAX, &max_points, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = db_begin_read(db, error);
    if (err)
        return err;
    err = request_experiment(r, db, &e, error);
    if (!err)
        err = write(r, db, e, numbers, n, max_points, error);
    db_end_read(db);
    experiment_free(e);
    return err;
}
