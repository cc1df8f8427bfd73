/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a trial reported. */
#include "handlers.h"
#include "text.h"

#include <math.h>
#include <string.h>

#define POINTS_MAX 1000000
#define STEP_MAX ((int64_t)1 << 53)

struct points {
    struct buf b;
    size_t n;
};

static bool add(void *arg, const struct measurement *m)
{
    struct points *p = arg;
    if (p->n++)
        buf_add(&p->b, ",", 1);
    text_measurement(&p->b, m);
    return p->n < POINTS_MAX;
}

enum err handle_measurements(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    struct points points = {0};
    struct measurement_query q = {.metric = request_query(r, "metric")};
    enum err err = query_int(r, "from_step", -STEP_MAX, -STEP_MAX, STEP_MAX, &q.from_step, error);
    if (!err)
        err = query_int(r, "max_points", 0, 0, POINTS_MAX, &q.max_points, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_trial(r, db, &e, &t, error);
    if (err)
        return err;
    if (q.metric && !*q.metric)
        q.metric = NULL;
    q.trial_id = t->id;
    buf_adds(&points.b, "{\"measurements\":[");
    err = measurement_list(db, &q, add, &points, error);
    buf_adds(&points.b, "]}");
    if (!err)
        answer_buf(r, 200, &points.b);
    buf_release(&points.b);
    trial_free(t);
    experiment_free(e);
    return err;
}
