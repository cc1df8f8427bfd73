/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which parameters matter, and how the objective depends on one: computed anew for each request (15 ms for 1000 trials of 20 parameters),
 * so a client should ask again only when the revision has changed. */
#include "handlers.h"
#include "look.h"
#include "text.h"

#include "analysis/dependence.h"
#include "analysis/importance.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PAIRS 5
#define LEAST_TOP 0.01
#define TOLD_PAIR 0.01 /* of the variance: weaker ones are no interactions */

/* --- importances */

static enum err read_top(const struct request *r, double *top, struct error *error)
{
    const char *text = request_query(r, "top");
    char *rest;
    *top = 1;
    if (!text || !*text)
        return OK;
    *top = strtod(text, &rest);
    if (*rest || !(*top >= LEAST_TOP && *top <= 1))
        return err_set(error, ERR_INVALID, "QUERY", "top must be the part of the space that counts, from %g to 1, not \"%.40s\"", LEAST_TOP, text);
    return OK;
}

struct ranked {
    int dim;
    struct importance importance;
};

static int by_share(const void *pa, const void *pb)
{
    const struct ranked *a = pa, *b = pb;
    if (a->importance.share > b->importance.share || a->importance.share < b->importance.share)
        return a->importance.share > b->importance.share ? -1 : 1;
    return a->dim - b->dim;
}

/* Finished trials in which the parameter is active. */
static size_t active(const struct look *l, int dim)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->history[i].state != OBSERVATION_PENDING && !isnan(l->history[i].x[dim]);
    return n;
}

static void write_parameters(struct buf *b, const struct look *l, const struct anova *a)
{
    struct importance all[SPACE_MAX_PARAMS];
    struct ranked ranked[SPACE_MAX_PARAMS];
    for (size_t i = 0; i < l->spec->space->n; i++)
        all[i] = (struct importance){NAN, NAN, NAN};
    if (a)
        (void)anova_alone(a, all);
    for (size_t i = 0; i < l->spec->space->n; i++)
        ranked[i] = (struct ranked){(int)i, all[i]};
    qsort(ranked, l->spec->space->n, sizeof *ranked, by_share);
    buf_adds(b, ",\"parameters\":[");
    for (size_t i = 0; i < l->spec->space->n; i++) {
        const struct ranked *one = &ranked[i];
        buf_adds(b, i ? ",{\"name\":" : "{\"name\":");
        text_string(b, l->spec->space->params[one->dim].name);
        buf_adds(b, ",\"importance\":");
        text_known(b, one->importance.share);
        buf_adds(b, ",\"low\":");
        text_known(b, one->importance.low);
        buf_adds(b, ",\"high\":");
        text_known(b, one->importance.high);
        buf_addf(b, ",\"n\":%zu}", active(l, one->dim));
    }
    buf_adds(b, "]");
}

static void write_pairs(struct buf *b, const struct look *l, const struct anova *a)
{
    struct pair pairs[PAIRS];
    size_t n = a ? anova_pairs(a, pairs, PAIRS) : 0;
    buf_adds(b, ",\"interactions\":[");
    for (size_t i = 0; i < n && pairs[i].share >= TOLD_PAIR; i++) {
        buf_adds(b, i ? ",{\"names\":[" : "{\"names\":[");
        text_string(b, l->spec->space->params[pairs[i].a].name);
        buf_adds(b, ",");
        text_string(b, l->spec->space->params[pairs[i].b].name);
        buf_adds(b, "],\"importance\":");
        text_number(b, pairs[i].share);
        buf_adds(b, "}");
    }
    buf_adds(b, "]");
}

enum err handle_importances(struct request *r, struct error *error)
{
    struct look l = {0};
    bool same = false;
    double top;
    enum err err = read_top(r, &top, error);
    if (!err)
        err = look_open(r, &l, &same, error);
    if (!err && !same) {
        struct buf b = BUF_INIT;
        look_learn(&l);
        look_begin(&b, &l);
        buf_adds(&b, ",\"top\":");
        text_number(&b, top);
        struct anova *a = l.surrogate ? anova_new(l.surrogate, l.problem, top) : NULL;
        write_parameters(&b, &l, a);
        write_pairs(&b, &l, a);
        if (a)
            anova_free(a);
        look_end(r, &b, &l);
    }
    look_close(&l);
    return err;
}

/* --- dependence */

#define ALL (-2) /* ?param=*: of every parameter, by one model */

static enum err find_param(const struct request *r, const struct spec *spec, int *dim, struct error *error)
{
    const char *name = request_query(r, "param");
    *dim = !name ? -1 : !strcmp(name, "*") ? ALL : space_find(spec->space, name);
    if (*dim == -1)
        return err_set(error, ERR_INVALID, "QUERY", "param must name a parameter of the experiment, such as %s, or be * for all", spec->space->params[0].name);
    return OK;
}

/* A coordinate of one parameter as the user writes it. */
static void write_value(struct buf *b, const struct space *s, int dim, double u)
{
    double x[SPACE_MAX_PARAMS];
    for (size_t i = 0; i < s->n; i++)
        x[i] = NAN;
    x[dim] = u;
    json_t *params = space_params(s, x);
    text_json(b, json_object_get(params, s->params[dim].name));
    json_decref(params);
}

static void write_curve(struct buf *b, const struct look *l, int dim)
{
    buf_adds(b, "\"param\":");
    text_string(b, l->spec->space->params[dim].name);
    const struct objective *o = &l->spec->objectives[l->objective];
    struct dependence *curve = NULL;
    size_t n = l->surrogate ? dependence_along(l->surrogate, l->problem, dim, &curve) : 0;
    buf_adds(b, ",\"points\":[");
    for (size_t i = 0; i < n; i++) {
        double at_low = objective_rank(o, curve[i].low), at_high = objective_rank(o, curve[i].high); /* in the user's sense again */
        buf_adds(b, i ? ",{\"value\":" : "{\"value\":");
        write_value(b, l->spec->space, dim, curve[i].u);
        buf_adds(b, ",\"mean\":");
        text_number(b, objective_rank(o, curve[i].mean));
        buf_adds(b, ",\"low\":");
        text_number(b, fmin(at_low, at_high));
        buf_adds(b, ",\"high\":");
        text_number(b, fmax(at_low, at_high));
        buf_adds(b, "}");
    }
    buf_adds(b, "]");
    free(curve);
}

enum err handle_dependence(struct request *r, struct error *error)
{
    struct look l = {0};
    bool same = false;
    int dim = -1;
    enum err err = look_open(r, &l, &same, error);
    if (!err && !same)
        err = find_param(r, l.spec, &dim, error);
    if (!err && !same) {
        struct buf b = BUF_INIT;
        look_learn(&l);
        look_begin(&b, &l);
        buf_adds(&b, dim == ALL ? ",\"parameters\":[" : ",");
        for (int i = 0; dim == ALL && i < (int)l.spec->space->n; i++) {
            buf_adds(&b, i ? ",{" : "{");
            write_curve(&b, &l, i);
            buf_adds(&b, "}");
        }
        if (dim == ALL)
            buf_adds(&b, "]");
        else
            write_curve(&b, &l, dim);
        look_end(r, &b, &l);
    }
    look_close(&l);
    return err;
}
