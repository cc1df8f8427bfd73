/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "look.h"

#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static enum err find_objective(const struct request *r, const struct spec *spec, int *out, struct error *error)
{
    const char *metric = request_query(r, "metric");
    *out = 0;
    if (!metric || !*metric)
        return OK;
    for (size_t i = 0; i < spec->n_objectives; i++)
        if (!strcmp(spec->objectives[i].metric, metric)) {
            *out = (int)i;
            return OK;
        }
    return err_set(error, ERR_INVALID, "QUERY", "metric must name an objective of the experiment, such as %s, not \"%.40s\"", spec->objectives[0].metric, metric);
}

enum err look_open(struct request *r, struct look *l, bool *same, struct error *error)
{
    struct db *db;
    *l = (struct look){0};
    *same = false;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = db_begin_read(db, error);
    if (err)
        return err;
    err = request_experiment(r, db, &l->e, error);
    *same = !err && answer_not_modified(r, l->e->revision);
    if (!err && !*same)
        err = core_view_open(db, l->e, &l->view, error);
    db_end_read(db);
    if (err || *same)
        return err;
    l->spec = core_view_spec(l->view);
    l->problem = core_view_problem(l->view);
    l->history = core_view_history(l->view, &l->n);
    return find_objective(r, l->spec, &l->objective, error);
}

void look_learn(struct look *l)
{
    l->surrogate = surrogate_new(l->problem, l->history, l->n, l->objective);
}

void look_close(struct look *l)
{
    if (l->surrogate)
        surrogate_free(l->surrogate);
    core_view_close(l->view);
    experiment_free(l->e);
}

static size_t finished(const struct look *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->history[i].state != OBSERVATION_PENDING;
    return n;
}

void look_begin(struct buf *b, const struct look *l)
{
    buf_adds(b, "{\"metric\":");
    text_string(b, l->spec->objectives[l->objective].metric);
    buf_addf(b, ",\"n\":%zu,\"method\":\"gp\",\"skill\":", finished(l));
    text_known(b, l->surrogate ? surrogate_skill(l->surrogate) : NAN);
}

void look_end(struct request *r, struct buf *b, const struct look *l)
{
    buf_addf(b, ",\"revision\":%" PRId64 "}", l->e->revision);
    answer_buf(r, 200, b);
    answer_etag(r, l->e->revision);
}
