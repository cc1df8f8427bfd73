/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "libhone/hone.h"

#include "base/mem.h"
#include "libhone/problem.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_OBJECTIVES 8

struct told {
    struct observation o; /* number, x, y, excess: its own */
    json_t *params;
    double *values; /* as told */
    char *why;
};

struct hone {
    uint64_t seed;
    char error[600];
    json_t *parameters, *constraints; /* of the description */
    int n_objectives, n_bounds;
    bool maximized[MAX_OBJECTIVES], upper[MAX_BOUNDS];
    double bound[MAX_BOUNDS];
    const struct algorithm *algorithm;
    json_t *algorithm_settings; /* as given */

    struct space *space; /* from the first question on */
    struct problem problem;
    struct settings settings;
    void *cache;
    int64_t cursor;
    struct told *trials; /* number 1 first */
    struct observation *history;
    size_t n, cap;
    json_t *own; /* the point that is being set */
};

static int fail(hone *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(hone *h, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(h->error, sizeof h->error, fmt, ap);
    va_end(ap);
    return -1;
}

/* The first problem, in the words of an experiment file; takes them all. */
static int fail_by(hone *h, struct problems *problems)
{
    char place[200];
    problems_dotted(problems->items[0].pointer, place, sizeof place);
    int rc = fail(h, "%s %s", place, problems->items[0].detail);
    problems_release(problems);
    return rc;
}

const char *hone_version(void)
{
    return HONE_VERSION;
}

hone *hone_new(uint64_t seed)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, algorithms_setup);
    hone *h = X_NEW(hone);
    h->seed = seed;
    h->parameters = json_object();
    h->constraints = json_array();
    h->algorithm = algorithm_find("auto");
    return h;
}

static void release_trial(struct told *t)
{
    x_free(t->o.x);
    x_free(t->o.y);
    x_free(t->o.excess);
    json_decref(t->params);
    free(t->values);
    free(t->why);
}

void hone_free(hone *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        release_trial(&h->trials[i]);
    free(h->trials);
    free(h->history);
    if (h->cache)
        h->algorithm->cache_free(h->cache);
    problem_release(&h->problem);
    space_free(h->space);
    json_decref(h->parameters);
    json_decref(h->constraints);
    json_decref(h->algorithm_settings);
    json_decref(h->own);
    free(h);
}

const char *hone_error(const hone *h)
{
    return h->error;
}

/* --- the description */

static bool open_for_words(hone *h)
{
    if (h->space)
        (void)fail(h, "the problem was asked about already: it cannot be described any further");
    return !h->space;
}

static int add(hone *h, const char *name, json_t *parameter)
{
    if (!open_for_words(h) || json_object_get(h->parameters, name)) {
        json_decref(parameter);
        return h->space ? -1 : fail(h, "there is a parameter %s already", name);
    }
    if (!parameter || json_object_set_new(h->parameters, name, parameter))
        return fail(h, "the name or a value of a parameter is not UTF-8, or not a finite number");
    return 0;
}

static const char *scale_name(enum hone_scale scale)
{
    return scale == HONE_LOG ? "log" : "linear";
}

int hone_add_float(hone *h, const char *name, double min, double max, enum hone_scale scale)
{
    return add(h, name, json_pack("{s:s, s:f, s:f, s:s}", "type", "float", "min", min, "max", max, "scale", scale_name(scale)));
}

int hone_add_step(hone *h, const char *name, double min, double max, double step)
{
    return add(h, name, json_pack("{s:s, s:f, s:f, s:f}", "type", "float", "min", min, "max", max, "step", step));
}

int hone_add_int(hone *h, const char *name, int64_t min, int64_t max, enum hone_scale scale)
{
    return add(h, name, json_pack("{s:s, s:I, s:I, s:s}", "type", "int", "min", (json_int_t)min, "max", (json_int_t)max, "scale", scale_name(scale)));
}

int hone_add_choice(hone *h, const char *name, const char *const *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_string(values[i])))
            break;
    if (json_array_size(list) == n)
        return add(h, name, json_pack("{s:s, s:o}", "type", "categorical", "values", list));
    json_decref(list);
    return fail(h, "a value of %s is not UTF-8", name);
}

int hone_only_if(hone *h, const char *name, const char *parent, const char *value)
{
    json_t *parameter = json_object_get(h->parameters, name), *when = json_object_get(parameter, "when");
    if (!open_for_words(h))
        return -1;
    if (!parameter)
        return fail(h, "there is no parameter %s yet", name);
    if (when && !json_object_get(when, parent))
        return fail(h, "%s hangs on another parameter already", name);
    if (!when) {
        when = json_object();
        (void)json_object_set_new(parameter, "when", when);
        (void)json_object_set_new(when, parent, json_array());
    }
    return json_array_append_new(json_object_get(when, parent), json_string(value)) ? fail(h, "the value is not UTF-8") : 0;
}

int hone_constrain(hone *h, const char *expression)
{
    if (!open_for_words(h))
        return -1;
    return json_array_append_new(h->constraints, json_string(expression)) ? fail(h, "the expression is not UTF-8") : 0;
}

static int add_objective(hone *h, bool maximized)
{
    if (!open_for_words(h))
        return -1;
    if (h->n_objectives == MAX_OBJECTIVES)
        return fail(h, "there are %d objectives already", MAX_OBJECTIVES);
    h->maximized[h->n_objectives++] = maximized;
    return 0;
}

int hone_minimize(hone *h)
{
    return add_objective(h, false);
}

int hone_maximize(hone *h)
{
    return add_objective(h, true);
}

static int add_bound(hone *h, double bound, bool upper)
{
    if (!open_for_words(h))
        return -1;
    if (h->n_bounds == MAX_BOUNDS || !isfinite(bound))
        return fail(h, "a bound must be a finite number, and there are at most %d", MAX_BOUNDS);
    h->upper[h->n_bounds] = upper;
    h->bound[h->n_bounds++] = bound;
    return 0;
}

int hone_at_most(hone *h, double bound)
{
    return add_bound(h, bound, true);
}

int hone_at_least(hone *h, double bound)
{
    return add_bound(h, bound, false);
}

int hone_use(hone *h, const char *algorithm, const char *settings)
{
    const struct algorithm *a = algorithm_find(algorithm);
    json_error_t e;
    json_t *given = settings ? json_loads(settings, 0, &e) : NULL;
    const bool is_service_s = a && (a->continues || a->fidelities); /* needs checkpoints, or reports on the way */
    if (!open_for_words(h) || !a || is_service_s || (settings && !json_is_object(given))) {
        json_decref(given);
        return h->space ? -1 : !a ? fail(h, "there is no algorithm %s", algorithm) : is_service_s ? fail(h, "%s needs what trials report on the way or leave behind, which only the service keeps", algorithm)
                        : fail(h, "the settings are no JSON object: %s", e.text);
    }
    json_decref(h->algorithm_settings);
    h->algorithm = a;
    h->algorithm_settings = given;
    return 0;
}

/* The description as a problem; once. */
static int compile(hone *h)
{
    struct problems problems = {0};
    struct error error;
    if (h->space)
        return 0;
    settings_read(&h->settings, h->algorithm->settings, h->algorithm_settings, "/settings", &problems);
    struct space *space = space_new(h->parameters, h->constraints, &problems);
    if (problems.n) {
        space_free(space);
        return fail_by(h, &problems);
    }
    if (!h->n_objectives)
        h->n_objectives = 1;
    problem_init(&h->problem, space);
    h->problem.n_objectives = h->n_objectives;
    h->problem.n_bounds = h->n_bounds;
    if (algorithm_accept(h->algorithm, &h->problem, &h->settings, &error)) {
        problem_release(&h->problem);
        h->problem = (struct problem){0};
        space_free(space);
        return fail(h, "%s", error.detail);
    }
    h->space = space;
    return 0;
}

/* --- trials */

static struct told *find(const hone *h, int64_t trial)
{
    return trial >= 1 && (size_t)trial <= h->n ? &h->trials[trial - 1] : NULL;
}

/* Takes x. */
static int64_t append(hone *h, double *x, const char *why)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 64;
        h->trials = x_realloc(h->trials, h->cap * sizeof *h->trials);
        h->history = x_realloc(h->history, h->cap * sizeof *h->history);
    }
    const size_t n_values = (size_t)(h->n_objectives + h->n_bounds);
    double *y = x_calloc((size_t)h->n_objectives, sizeof *y), *excess = x_calloc((size_t)h->n_bounds + 1, sizeof *excess);
    struct told *t = &h->trials[h->n++];
    *t = (struct told){.params = space_params(h->space, x), .values = x_calloc(n_values, sizeof *t->values), .why = x_strdup(why)};
    t->o = (struct observation){.number = (int64_t)h->n, .state = OBSERVATION_PENDING, .x = x, .y = y, .y_se = NAN, .excess = excess, .cost = NAN};
    for (size_t i = 0; i < n_values; i++)
        t->values[i] = NAN;
    for (int i = 0; i < h->n_objectives; i++)
        y[i] = NAN;
    for (int i = 0; i < h->n_bounds; i++)
        excess[i] = NAN;
    return (int64_t)h->n;
}

int64_t hone_ask(hone *h)
{
    struct error error;
    if (compile(h))
        return -1;
    for (size_t i = 0; i < h->n; i++)
        h->history[i] = h->trials[i].o;
    struct search s = {.problem = &h->problem, .settings = &h->settings, .seed = h->seed, .cursor = h->cursor};
    if (h->algorithm->needs_history) {
        s.history = h->history;
        s.n_history = h->n;
    }
    struct suggestion out = {.x = x_calloc(h->space->n, sizeof(double))};
    enum err err = algorithm_suggest(h->algorithm, &s, h->algorithm->cache_free ? &h->cache : NULL, &out, &error);
    if (err) {
        free(out.x);
        return err == ERR_EXHAUSTED ? 0 : fail(h, "%s", error.detail);
    }
    h->cursor = out.cursor;
    char *why CLEANUP_FREE = x_asprintf("%s%s%s", out.how, *out.note ? ": " : "", out.note);
    return append(h, out.x, why);
}

void hone_begin(hone *h)
{
    json_decref(h->own);
    h->own = json_object();
}

static int set(hone *h, const char *name, json_t *value)
{
    if (!h->own || !value || json_object_set(h->own, name, value)) {
        json_decref(value);
        return fail(h, h->own ? "%s: not a finite number, or not UTF-8" : "%s: hone_begin comes first", name);
    }
    json_decref(value);
    return 0;
}

int hone_set_number(hone *h, const char *name, double value)
{
    return set(h, name, json_real(value));
}

int hone_set_text(hone *h, const char *name, const char *value)
{
    return set(h, name, json_string(value));
}

int64_t hone_put(hone *h)
{
    struct problems problems = {0};
    if (compile(h))
        return -1;
    if (!h->own)
        return fail(h, "hone_begin comes first");
    double *x = x_calloc(h->space->n, sizeof *x);
    bool ok = space_point(h->space, h->own, x, "", &problems);
    json_decref(h->own);
    h->own = NULL;
    if (ok)
        return append(h, x, "your own");
    free(x);
    return fail_by(h, &problems);
}

double hone_number(const hone *h, int64_t trial, const char *name)
{
    const struct told *t = find(h, trial);
    const json_t *value = t ? json_object_get(t->params, name) : NULL;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *hone_text(const hone *h, int64_t trial, const char *name)
{
    const struct told *t = find(h, trial);
    return t ? json_string_value(json_object_get(t->params, name)) : NULL;
}

const char *hone_why(const hone *h, int64_t trial)
{
    const struct told *t = find(h, trial);
    return t ? t->why : "";
}

int hone_tell(hone *h, int64_t trial, const double *values)
{
    struct told *t = find(h, trial);
    if (!t)
        return fail(h, "there is no trial %lld", (long long)trial);
    double *y = x_calloc((size_t)h->n_objectives, sizeof *y), *excess = x_calloc((size_t)h->n_bounds + 1, sizeof *excess);
    enum observation_state state = OBSERVATION_DONE;
    for (int i = 0; i < h->n_objectives; i++) {
        y[i] = h->maximized[i] ? -values[i] : values[i];
        if (!isfinite(y[i]))
            state = OBSERVATION_FAILED;
    }
    for (int i = 0; i < h->n_bounds; i++) {
        const double value = values[h->n_objectives + i];
        excess[i] = h->upper[i] ? value - h->bound[i] : h->bound[i] - value;
        if (state == OBSERVATION_DONE && !(excess[i] <= 0))
            state = OBSERVATION_INFEASIBLE;
    }
    memcpy(t->values, values, (size_t)(h->n_objectives + h->n_bounds) * sizeof *values);
    x_free(t->o.y);
    x_free(t->o.excess);
    t->o.y = y;
    t->o.excess = excess;
    t->o.state = state;
    return 0;
}

int hone_tell_failed(hone *h, int64_t trial)
{
    double nothing[MAX_OBJECTIVES + MAX_BOUNDS];
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
        nothing[i] = NAN;
    return hone_tell(h, trial, nothing);
}

int64_t hone_best(const hone *h)
{
    const struct told *best = NULL;
    for (size_t i = 0; i < h->n; i++) {
        const struct told *t = &h->trials[i];
        if (t->o.state == OBSERVATION_DONE && (!best || t->o.y[0] < best->o.y[0]))
            best = t;
    }
    return best ? best->o.number : 0;
}

double hone_value(const hone *h, int64_t trial, size_t i)
{
    const struct told *t = find(h, trial);
    return t && i < (size_t)(h->n_objectives + h->n_bounds) ? t->values[i] : NAN;
}
