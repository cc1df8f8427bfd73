/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What came of an experiment beyond its best value: the best point when values are noisy, and the front of several objectives over time. */
#include "handlers.h"
#include "look.h"
#include "text.h"

#include "analysis/hypervolume.h"

#include <inttypes.h>
#include <math.h>

/* --- the best point under noise */

static void write_recommendation(struct buf *b, const struct look *l, const struct recommendation *best)
{
    const struct objective *o = &l->spec->objectives[l->objective];
    size_t i = 0;
    while (l->history[i].number != best->number)
        i++;
    json_t *params = space_params(l->spec->space, l->history[i].x);
    buf_addf(b, ",\"trial\":{\"number\":%" PRId64 ",\"params\":", best->number);
    text_json(b, params);
    buf_adds(b, ",\"expected\":");
    text_number(b, objective_rank(o, best->expected));
    buf_adds(b, ",\"deviation\":");
    text_number(b, best->deviation);
    buf_adds(b, ",\"observed\":");
    text_number(b, objective_rank(o, best->observed));
    buf_adds(b, "}");
    json_decref(params);
}

enum err handle_recommendation(struct request *r, struct error *error)
{
    struct look l = {0};
    bool same = false;
    enum err err = look_open(r, &l, &same, error);
    if (!err && !same) {
        struct buf b = BUF_INIT;
        struct recommendation best;
        look_learn(&l);
        look_begin(&b, &l);
        if (l.surrogate && surrogate_best(l.surrogate, &best))
            write_recommendation(&b, &l, &best);
        else
            buf_adds(&b, ",\"trial\":null");
        look_end(r, &b, &l);
    }
    look_close(&l);
    return err;
}

/* --- the hypervolume */

/* The finished trials whose objectives are all known; returns how many. */
static size_t known(const struct look *l, const double **y, int64_t *number)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        bool ok = l->history[i].state == OBSERVATION_DONE;
        for (int j = 0; j < l->problem->n_objectives && ok; j++)
            ok = isfinite(l->history[i].y[j]);
        if (!ok)
            continue;
        y[n] = l->history[i].y;
        number[n++] = l->history[i].number;
    }
    return n;
}

/* Where it grows: between, it stays as it was. */
static void write_growth(struct buf *b, const int64_t *number, const double *volume, size_t n)
{
    const char *comma = "";
    buf_adds(b, ",\"points\":[");
    for (size_t i = 0; i < n; i++) {
        if (i && !(volume[i] > volume[i - 1]))
            continue;
        buf_addf(b, "%s{\"number\":%" PRId64 ",\"volume\":", comma, number[i]);
        text_number(b, volume[i]);
        buf_adds(b, "}");
        comma = ",";
    }
    buf_adds(b, "]");
}

static void write_volume(struct buf *b, const struct look *l)
{
    const double **y CLEANUP_FREE = x_calloc(l->n + 1, sizeof *y);
    int64_t *number CLEANUP_FREE = x_calloc(l->n + 1, sizeof *number);
    double *volume CLEANUP_FREE = x_calloc(l->n + 1, sizeof *volume);
    double reference[FRONT_MAX_OBJECTIVES];
    const int m = l->problem->n_objectives;
    const size_t n = known(l, y, number);
    if (n) {
        hypervolume_reference(y, n, m, reference);
        hypervolume_history(y, n, m, reference, volume);
    }
    buf_addf(b, "{\"n\":%zu,\"reference\":[", n);
    for (int j = 0; j < m && n; j++) {
        buf_adds(b, j ? "," : "");
        text_number(b, objective_rank(&l->spec->objectives[j], reference[j]));
    }
    buf_adds(b, "],\"metrics\":[");
    for (int j = 0; j < m; j++) {
        buf_adds(b, j ? "," : "");
        text_string(b, l->spec->objectives[j].metric);
    }
    buf_adds(b, "],\"volume\":");
    text_known(b, n ? volume[n - 1] : NAN);
    write_growth(b, number, volume, n);
}

enum err handle_hypervolume(struct request *r, struct error *error)
{
    struct look l = {0};
    bool same = false;
    enum err err = look_open(r, &l, &same, error);
    if (!err && !same && l.spec->n_objectives < 2)
        err = err_set(error, ERR_INVALID, "QUERY", "experiment %s has one objective; a hypervolume is of several", l.e->name);
    if (!err && !same) {
        struct buf b = BUF_INIT;
        write_volume(&b, &l);
        look_end(r, &b, &l);
    }
    look_close(&l);
    return err;
}
