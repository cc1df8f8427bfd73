/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Beginning with what earlier experiments found: read when an experiment is made and kept in its own file, so that a restart, or the end of
 * the earlier one, changes no suggestion. */
#include "core/state.h"

#include <math.h>
#include <string.h>

#define APART 0.2 /* in some coordinate, between points that are run again */

/* --- from the store into the file */

struct candidate {
    int64_t number;
    double rank; /* smaller is better */
};

struct gathering {
    const struct objective *objective; /* of the source, the first */
    struct candidate *items;
    size_t n, cap;
};

static bool gather(void *arg, const struct trial *t)
{
    struct gathering *g = arg;
    if (t->state != TRIAL_SUCCEEDED || !isfinite(t->objective))
        return true;
    if (g->n == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 64;
        g->items = x_realloc(g->items, g->cap * sizeof *g->items);
    }
    g->items[g->n++] = (struct candidate){t->number, objective_rank(g->objective, t->objective)};
    return true;
}

static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->rank > y->rank || x->rank < y->rank)
        return x->rank > y->rank ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_number(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Half of them the best, the others evenly from the rest, in order of number. */
static void choose(struct gathering *g, size_t wanted)
{
    if (g->n <= wanted)
        return;
    qsort(g->items, g->n, sizeof *g->items, by_rank);
    const size_t best = (wanted + 1) / 2, rest = g->n - best;
    qsort(g->items + best, rest, sizeof *g->items, by_number);
    for (size_t i = best; i < wanted; i++)
        g->items[i] = g->items[best + (i - best) * rest / (wanted - best)];
    g->n = wanted;
    qsort(g->items, g->n, sizeof *g->items, by_number);
}

/* The trial's values of the objectives of the new experiment, where it has them. Another first objective stands for ours: only the order counts. */
static json_t *values_for(const struct spec *spec, const struct objective *theirs, const struct trial *t)
{
    json_t *metrics = json_loads(t->metrics, 0, NULL), *out = json_object();
    for (size_t i = 0; i < spec->n_objectives; i++) {
        const struct objective *o = &spec->objectives[i];
        double value = NAN;
        if (!number_from_json(json_object_get(metrics, o->metric), &value) && i == 0)
            value = objective_rank(o, objective_rank(theirs, t->objective));
        if (isfinite(value))
            (void)json_object_set_new(out, o->metric, json_real(value));
    }
    json_decref(metrics);
    return out;
}

static enum err add_trial(struct db *db, const struct experiment *e, int64_t number, const struct spec *spec, const struct objective *theirs,
                          json_t *observations, struct error *error)
{
    struct trial *t;
    enum err err = trial_get(db, e->id, number, &t, error);
    if (err)
        return err;
    json_t *values = values_for(spec, theirs, t);
    if (json_object_get(values, spec->objectives[0].metric))
        (void)json_array_append_new(observations, json_pack("{s:o, s:O, s:s}", "params", json_loads(t->params, 0, NULL), "metrics", values, "source", e->name));
    json_decref(values);
    trial_free(t);
    return OK;
}

static enum err add_source(struct db *db, const struct experiment *e, const struct spec *spec, json_t *observations, struct error *error)
{
    struct problems problems = {0};
    json_t *document = json_loads(e->spec, 0, NULL);
    struct spec *theirs = document ? spec_new(document, core_catalog(), &problems) : NULL;
    problems_release(&problems);
    json_decref(document);
    if (!theirs)
        return err_set(error, ERR_INTERNAL, NULL, "the stored file of experiment %s cannot be read by this version", e->name);
    struct gathering g = {.objective = &theirs->objectives[0]};
    enum err err = trial_history(db, e->id, gather, &g, error);
    choose(&g, (size_t)spec->warm_trials);
    for (size_t i = 0; i < g.n && !err; i++)
        err = add_trial(db, e, g.items[i].number, spec, g.objective, observations, error);
    free(g.items);
    spec_free(theirs);
    return err;
}

static bool is_there(const json_t *observations, const char *source)
{
    for (size_t i = 0; i < json_array_size(observations); i++) {
        const char *of = json_string_value(json_object_get(json_array_get(observations, i), "source"));
        if (of && !strcmp(of, source))
            return true;
    }
    return false;
}

enum err core_warm_start(struct db *db, const char *project, struct spec **spec, struct problems *problems, struct error *error)
{
    const struct spec *s = *spec;
    json_t *document = json_deep_copy(s->document), *observations = json_object_get(json_object_get(document, "warm_start"), "observations");
    enum err err = OK;
    for (size_t i = 0; i < json_array_size(s->warm_from) && !err; i++) {
        const char *name = json_string_value(json_array_get(s->warm_from, i));
        struct experiment *e;
        if (is_there(s->observations, name)) /* a file that was stored before */
            continue;
        err = experiment_get(db, project, name, &e, error);
        if (err == ERR_NOT_FOUND) {
            char *pointer CLEANUP_FREE = x_asprintf("/warm_start/from/%zu", i);
            problems_add(problems, pointer, "EXPERIMENT_NOT_FOUND", NULL, "is \"%s\", but project %s has no such experiment", name, project);
            err = OK;
            continue;
        }
        if (err)
            break;
        err = add_source(db, e, s, observations, error);
        experiment_free(e);
    }
    struct spec *warm = err || problems->n ? NULL : spec_new(document, core_catalog(), problems);
    json_decref(document);
    if (warm) {
        spec_free(*spec);
        *spec = warm;
    }
    return err;
}

/* --- from the file to what algorithms see */

static struct earlier_source *source_of(struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->n_earlier; i++)
        if (!strcmp(p->sources[i].name, name))
            return &p->sources[i];
    if (p->n_earlier == MAX_EARLIER)
        return NULL;
    struct earlier_source *z = &p->sources[p->n_earlier++];
    z->name = name;
    z->trials = x_calloc(json_array_size(p->spec->observations), sizeof *z->trials);
    return z;
}

static bool read_trial(const struct spec *spec, const json_t *item, double *x, double *y)
{
    if (!space_foreign(spec->space, json_object_get(item, "params"), x))
        return false;
    for (size_t j = 0; j < spec->n_objectives; j++) {
        y[j] = NAN;
        if (number_from_json(json_object_get(json_object_get(item, "metrics"), spec->objectives[j].metric), &y[j]))
            y[j] = objective_rank(&spec->objectives[j], y[j]);
    }
    return true;
}

void warm_plan(struct plan *p)
{
    const struct spec *spec = p->spec;
    const size_t each = spec->space->n + spec->n_objectives, n = json_array_size(spec->observations);
    p->earlier_values = x_calloc(n * each + 1, sizeof *p->earlier_values);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(spec->observations, i);
        const char *name = json_string_value(json_object_get(item, "source"));
        double *x = p->earlier_values + i * each, *y = x + spec->space->n;
        struct earlier_source *z = read_trial(spec, item, x, y) ? source_of(p, name ? name : "") : NULL;
        if (z) {
            z->trials[z->n] = (struct observation){.number = (int64_t)z->n, .state = OBSERVATION_DONE, .x = x, .y = y, .y_se = NAN, .cost = NAN};
            z->n++;
        }
    }
    for (size_t i = 0; i < p->n_earlier; i++)
        p->earlier[i] = (struct earlier){p->sources[i].trials, p->sources[i].n};
}

void warm_release(struct plan *p)
{
    for (size_t i = 0; i < p->n_earlier; i++)
        free(p->sources[i].trials);
    free(p->earlier_values);
}

/* --- the best again */

static bool apart(const struct plan *p, const double *a, const double *b)
{
    for (int i = 0; i < p->problem.n_dims; i++) {
        const double width = p->problem.dims[i].kind == DIM_CATEGORICAL ? 1e-9 : APART;
        if (isnan(a[i]) != isnan(b[i]) || fabs(a[i] - b[i]) > width)
            return true;
    }
    return false;
}

struct choice {
    const struct observation *o;
    size_t source, place; /* among the trials of its source */
};

static int by_value(const void *a, const void *b)
{
    const struct observation *x = ((const struct choice *)a)->o, *y = ((const struct choice *)b)->o;
    if (x->y[0] > y->y[0] || x->y[0] < y->y[0])
        return x->y[0] > y->y[0] ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_place(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->place != y->place)
        return x->place > y->place ? 1 : -1;
    return (x->source > y->source) - (x->source < y->source);
}

/* The trials of all sources, the best of each first. */
static struct choice *in_turn(const struct plan *p, size_t *n)
{
    struct choice *all = x_calloc(json_array_size(p->spec->observations) + 1, sizeof *all);
    *n = 0;
    for (size_t s = 0; s < p->n_earlier; s++) {
        const size_t first = *n;
        for (size_t i = 0; i < p->sources[s].n; i++)
            all[(*n)++] = (struct choice){&p->sources[s].trials[i], s, 0};
        qsort(all + first, *n - first, sizeof *all, by_value);
        for (size_t i = first; i < *n; i++)
            all[i].place = i - first;
    }
    qsort(all, *n, sizeof *all, by_place);
    return all;
}

/* Into x as it would run here: what it does not say is in the middle. */
static bool place_here(const struct plan *p, const struct observation *o, double *x)
{
    const size_t d = p->spec->space->n;
    for (size_t i = 0; i < d; i++)
        if (o->x[i] < 0 || o->x[i] > 1)
            return false;
    memcpy(x, o->x, d * sizeof *x);
    space_snap(p->spec->space, x);
    return space_feasible(p->spec->space, x);
}

size_t warm_points(const struct plan *p, size_t wanted, double *x, const char **source)
{
    const size_t d = p->spec->space->n;
    size_t n_all, n = 0;
    struct choice *all CLEANUP_FREE = in_turn(p, &n_all);
    for (size_t i = 0; i < n_all && n < wanted; i++) {
        double *at = x + n * d;
        bool take = place_here(p, all[i].o, at);
        for (size_t k = 0; k < n && take; k++)
            take = apart(p, x + k * d, at);
        if (take)
            source[n++] = p->sources[all[i].source].name;
    }
    return n;
}
