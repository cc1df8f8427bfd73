/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a trial was suggested, what was known near it then, and why it was stopped. */
#include "handlers.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NEAREST 5

struct near {
    int64_t number;
    double distance, objective;
};

struct search_near {
    const struct trial *to;
    const struct objective *objective;
    double best_rank;                /* of the trials that had succeeded before it in number; their best */
    int64_t best_number;             /* 0 = none */
    double best_x[SPACE_MAX_PARAMS];
    struct near best[NEAREST]; /* nearest first */
    size_t n;
};

/* In the cube; a parameter that only one of them has counts as far apart. */
static double distance(const struct trial *a, const struct trial *b)
{
    double sum = 0;
    for (size_t i = 0; i < a->n_x && i < b->n_x; i++) {
        bool none = isnan(a->x[i]) && isnan(b->x[i]), one = isnan(a->x[i]) || isnan(b->x[i]);
        double d = none ? 0 : one ? 1 : a->x[i] - b->x[i];
        sum += d * d;
    }
    return sqrt(sum);
}

static bool consider(void *arg, const struct trial *t)
{
    struct search_near *s = arg;
    if (t->number >= s->to->number)
        return false;
    if (isnan(t->objective) || !t->x)
        return true;
    const double rank = objective_rank(s->objective, t->objective);
    if (t->state == TRIAL_SUCCEEDED && t->n_x == s->to->n_x && (!s->best_number || rank < s->best_rank)) {
        s->best_rank = rank;
        s->best_number = t->number;
        memcpy(s->best_x, t->x, t->n_x * sizeof *t->x);
    }
    struct near one = {t->number, distance(s->to, t), t->objective};
    size_t at = s->n < NEAREST ? s->n++ : NEAREST;
    while (at > 0 && s->best[at - 1].distance > one.distance) {
        if (at < NEAREST)
            s->best[at] = s->best[at - 1];
        at--;
    }
    if (at < NEAREST)
        s->best[at] = one;
    return true;
}

static void why(struct buf *b, const json_t *origin)
{
    static const struct {
        const char *by, *sentence;
    } known[] = {{"user", "A user gave this point"}, {"import", "This trial was imported"}, {"initial", "It is a point of the initial design"},
                 {"retry", "It repeats an earlier configuration"}};
    const char *by = json_string_value(json_object_get(origin, "by")), *how = json_string_value(json_object_get(origin, "how"));
    const char *note = json_string_value(json_object_get(origin, "note"));
    const json_t *expected = json_object_get(origin, "expected"), *deviation = json_object_get(origin, "deviation");
    const char *sentence = NULL;
    for (size_t i = 0; by && i < ARRAY_LEN(known); i++)
        if (!strcmp(by, known[i].by))
            sentence = known[i].sentence;
    if (sentence)
        buf_addf(b, "%s", sentence);
    else
        buf_addf(b, "The algorithm %s suggested it", by ? by : "(not recorded)");
    if (how && *how)
        buf_addf(b, " (%s)", how);
    if (json_is_number(expected)) {
        buf_addf(b, "; the model expected %.4g", json_number_value(expected));
        if (json_is_number(deviation))
            buf_addf(b, " with a standard deviation of %.2g", json_number_value(deviation));
    }
    buf_adds(b, ".");
    if (note && *note)
        buf_addf(b, " %s", note);
}

static void stopped(struct buf *b, const struct trial *t)
{
    bool by_rule = t->state == TRIAL_PRUNED || t->state == TRIAL_PAUSED || t->state == TRIAL_CANCELLED || t->state == TRIAL_STOPPING;
    buf_adds(b, ",\"stopped\":");
    if (!by_rule) {
        buf_adds(b, "null");
        return;
    }
    buf_adds(b, "{\"reason\":");
    text_string(b, t->reason);
    buf_adds(b, ",\"message\":");
    text_string(b, t->message);
    buf_adds(b, "}");
}

#define EXPLORED 0.2 /* of a parameter's range, prior or choices: nearer is trying the same */

/* The parameters in which it was far from the best trial before it. */
static void explored(struct buf *b, const struct space *space, const struct search_near *near)
{
    const struct trial *t = near->to;
    if (!near->best_number || t->n_x != space->n) {
        buf_adds(b, ",\"explored\":null");
        return;
    }
    json_t *here = space_params(space, t->x), *there = space_params(space, near->best_x);
    const char *comma = "";
    buf_addf(b, ",\"explored\":{\"best\":%" PRId64 ",\"params\":[", near->best_number);
    for (size_t i = 0; i < space->n; i++) {
        const bool both = !isnan(t->x[i]) && !isnan(near->best_x[i]), none = isnan(t->x[i]) && isnan(near->best_x[i]);
        const bool unordered = space->params[i].type == PARAM_CATEGORICAL || space->params[i].type == PARAM_BOOL;
        const double d = both ? fabs(t->x[i] - near->best_x[i]) : none ? 0 : 1;
        if (unordered ? !(d > 0) : d < EXPLORED)
            continue;
        buf_addf(b, "%s{\"name\":", comma);
        text_string(b, space->params[i].name);
        buf_adds(b, ",\"from\":");
        text_json(b, json_object_get(there, space->params[i].name));
        buf_adds(b, ",\"to\":");
        text_json(b, json_object_get(here, space->params[i].name));
        buf_adds(b, "}");
        comma = ",";
    }
    buf_adds(b, "]}");
    json_decref(here);
    json_decref(there);
}

static void write(struct buf *b, const struct trial *t, const struct space *space, const struct search_near *near)
{
    struct buf sentence = BUF_INIT;
    json_t *origin = json_loads(t->origin, 0, NULL);
    why(&sentence, origin);
    buf_addf(b, "{\"number\":%" PRId64 ",\"origin\":%s,\"why\":", t->number, origin ? t->origin : "{}");
    text_string(b, sentence.data);
    buf_adds(b, ",\"nearest\":[");
    for (size_t i = 0; i < near->n; i++) {
        buf_addf(b, "%s{\"number\":%" PRId64 ",\"distance\":", i ? "," : "", near->best[i].number);
        text_number(b, near->best[i].distance);
        buf_adds(b, ",\"objective\":");
        text_number(b, near->best[i].objective);
        buf_adds(b, "}");
    }
    buf_adds(b, "]");
    explored(b, space, near);
    stopped(b, t);
    buf_adds(b, "}");
    json_decref(origin);
    buf_release(&sentence);
}

enum err handle_explain(struct request *r, struct error *error)
{
    struct db *db;
    struct experiment *e;
    struct trial *t;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = request_trial(r, db, &e, &t, error);
    if (err)
        return err;
    struct problems problems = {0};
    struct spec *spec = spec_parse(e->spec, strlen(e->spec), core_catalog(), &problems);
    problems_release(&problems);
    struct buf b = BUF_INIT;
    if (!spec)
        err = err_set(error, ERR_INTERNAL, NULL, "the stored file of experiment %s cannot be read by this version", e->name);
    struct search_near near = {.to = t, .objective = spec ? spec->objectives : NULL};
    if (!err && t->x)
        err = trial_history(db, e->id, consider, &near, error);
    if (!err) {
        write(&b, t, spec->space, &near);
        answer_buf(r, 200, &b);
    }
    spec_free(spec);
    trial_free(t);
    experiment_free(e);
    return err;
}
