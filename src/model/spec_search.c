/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/spec_search.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const outcome_members[] = {"metric", "min", "max", "strategy", NULL};
static const char *const cost_members[] = {"metric", NULL};

const char *spec_metric(const struct reader *r, bool blanks)
{
    const char *metric = reader_text(r, "metric", SPEC_MAX_METRIC, NULL);
    if (r->object && !reader_find(r, "metric"))
        reader_bad(r, "metric", "REQUIRED", NULL, "is missing; must be the name of the value that the trials report, such as loss");
    if (metric && strpbrk(metric, blanks ? "\t\r\n=" : " \t\r\n="))
        reader_bad(r, "metric", "NAME", NULL, "is \"%s\", must be without spaces and =", metric);
    return metric ? metric : "";
}

/* --- outcome constraints */

/* "latency <= 50" as {metric: latency, max: 50}; NULL: it is not of that form. New reference. */
static json_t *of_text(const char *text)
{
    size_t name = strcspn(text, "<>"), end = name;
    const char *bound = text + name;
    char *rest;
    if (!*bound || bound[1] != '=')
        return NULL;
    double value = strtod(bound + 2, &rest);
    if (rest == bound + 2 || rest[strspn(rest, " \t")])
        return NULL;
    while (end && isblank((unsigned char)text[end - 1]))
        end--;
    size_t start = strspn(text, " \t");
    if (start >= end || !isfinite(value))
        return NULL;
    return json_pack("{s:s%, s:f}", "metric", text + start, end - start, *bound == '<' ? "max" : "min", value);
}

static void read_outcome(const json_t *value, const char *pointer, bool blanks, struct problems *problems, struct spec *s, json_t *list)
{
    json_t *made = json_is_string(value) ? of_text(json_string_value(value)) : NULL;
    if (json_is_string(value) && !made) {
        problems_add(problems, pointer, "SYNTAX", NULL, "is \"%.80s\", must be like \"latency <= 50\" or {metric: latency, max: 50}",
                     json_string_value(value));
        return;
    }
    struct reader r = reader_open(made ? made : value, pointer, outcome_members, problems);
    struct outcome *o = &s->outcomes[s->n_outcomes++];
    *o = (struct outcome){.metric = x_strdup(spec_metric(&r, blanks)), .min = reader_number(&r, "min", -INFINITY), .max = reader_number(&r, "max", INFINITY)};
    o->strategy = (enum strategy)reader_choice(&r, "strategy", strategy_names, STRATEGY_LAST);
    for (size_t i = 0; i < s->n_objectives; i++) /* a trial has one value of a metric */
        if (!strcmp(o->metric, s->objectives[i].metric)) {
            if (reader_find(&r, "strategy") && o->strategy != s->objectives[i].strategy)
                reader_bad(&r, "strategy", "CONFLICT", strategy_names[s->objectives[i].strategy], "is another than that of the objective of this metric");
            o->strategy = s->objectives[i].strategy;
        }
    for (size_t i = 0; i + 1 < s->n_outcomes; i++)
        if (*o->metric && !strcmp(o->metric, s->outcomes[i].metric))
            reader_bad(&r, "metric", "DUPLICATE", NULL, "is \"%s\", which has a constraint already; give min and max in one", o->metric);
    if (r.object && isinf(o->min) && isinf(o->max))
        reader_bad(&r, "max", "REQUIRED", NULL, "is missing; max or min must say what values of the metric are good enough");
    if (o->min > o->max)
        reader_bad(&r, "min", "RANGE", NULL, "is %g, must not be above max, which is %g", o->min, o->max);
    json_t *out = json_pack("{s:s}", "metric", o->metric);
    if (isfinite(o->min))
        (void)json_object_set_new(out, "min", json_real(o->min));
    if (isfinite(o->max))
        (void)json_object_set_new(out, "max", json_real(o->max));
    (void)json_object_set_new(out, "strategy", json_string(strategy_names[o->strategy]));
    (void)json_array_append_new(list, out);
    reader_close(&r);
    json_decref(made);
}

json_t *spec_outcomes(const struct reader *top, bool blanks, struct spec *s)
{
    const json_t *given = reader_list(top, "outcome_constraints", SPEC_MAX_OUTCOMES);
    json_t *list = json_array();
    s->outcomes = x_calloc(json_array_size(given) + 1, sizeof *s->outcomes);
    for (size_t i = 0; i < json_array_size(given); i++) {
        char *pointer CLEANUP_FREE = pointer_index("/outcome_constraints", i);
        read_outcome(json_array_get(given, i), pointer, blanks, top->problems, s, list);
    }
    return list;
}

/* --- cost */

json_t *spec_cost(const struct reader *top, bool blanks, struct spec *s)
{
    const json_t *given = reader_find(top, "cost");
    if (!given)
        return NULL;
    s->has_cost = true;
    if (json_is_string(given)) {
        static const char *const words[] = {"duration", NULL};
        (void)reader_choice(top, "cost", words, 0);
        return json_string(words[0]);
    }
    struct reader r = reader_enter(top, "cost", cost_members);
    s->cost_metric = x_strdup(spec_metric(&r, blanks));
    reader_close(&r);
    return json_pack("{s:s}", "metric", s->cost_metric);
}

/* --- warm start */

#define DEFAULT_WARM_TRIALS 100
#define MOST_WARM_TRIALS 500
#define DEFAULT_REPEAT 3
#define MOST_REPEAT 100

static const char *const warm_members[] = {"from", "trials", "repeat", "observations", NULL};
static const char *const observation_members[] = {"params", "metrics", "source", NULL};

static void add_source(const struct reader *r, const char *member, const json_t *name, json_t *list)
{
    char found[SHOW_TEXT];
    if (!json_is_string(name) || !spec_name_ok(json_string_value(name))) {
        reader_bad(r, member, "NAME", NULL, "is %s, must be the name of an experiment of this project", json_show(name, found));
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), name))
            return;
    (void)json_array_append(list, (json_t *)(uintptr_t)name);
}

static json_t *read_sources(const struct reader *r)
{
    json_t *list = json_array();
    const json_t *from = reader_find(r, "from");
    if (json_is_string(from)) {
        add_source(r, "from", from, list);
        return list;
    }
    from = reader_list(r, "from", SPEC_MAX_SOURCES);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "from");
    struct reader items = {.pointer = pointer, .problems = r->problems};
    for (size_t i = 0; i < json_array_size(from); i++) {
        char index[24];
        (void)snprintf(index, sizeof index, "%zu", i);
        add_source(&items, index, json_array_get(from, i), list);
    }
    return list;
}

static json_t *read_metrics(const struct reader *r, const struct spec *s)
{
    struct reader metrics = reader_enter(r, "metrics", NULL);
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)metrics.object, name, value)
    {
        double number = reader_number(&metrics, name, NAN);
        if (isfinite(number))
            (void)json_object_set_new(out, name, json_real(number));
    }
    if (!json_object_get(out, s->n_objectives ? s->objectives[0].metric : ""))
        reader_bad(r, "metrics", "REQUIRED", NULL, "has no number for %s, the first objective", s->n_objectives ? s->objectives[0].metric : "it");
    reader_close(&metrics);
    return out;
}

static void read_observation(const json_t *value, const char *pointer, struct problems *problems, struct spec *s)
{
    struct reader r = reader_open(value, pointer, observation_members, problems);
    struct reader params = reader_enter(&r, "params", NULL);
    const char *source = reader_text(&r, "source", SPEC_NAME_MAX, NULL);
    if (r.object && !params.object)
        reader_bad(&r, "params", "REQUIRED", NULL, "is missing; must be a mapping of parameters to values");
    json_t *out = json_pack("{s:o, s:o}", "params", params.object ? json_deep_copy(params.object) : json_object(), "metrics", read_metrics(&r, s));
    if (source)
        (void)json_object_set_new(out, "source", json_string(source));
    (void)json_array_append_new(s->observations, out);
    reader_close(&params);
    reader_close(&r);
}

json_t *spec_warm_start(const struct reader *top, struct spec *s)
{
    const json_t *given = reader_find(top, "warm_start");
    json_t *wrapped = json_is_string(given) || json_is_array(given) ? json_pack("{s:O}", "from", given) : NULL; /* names alone */
    struct reader r = reader_open(wrapped ? wrapped : given, "/warm_start", warm_members, top->problems);
    s->warm_from = read_sources(&r);
    s->warm_trials = reader_int(&r, "trials", 1, MOST_WARM_TRIALS, DEFAULT_WARM_TRIALS);
    s->warm_repeat = reader_int(&r, "repeat", 0, MOST_REPEAT, DEFAULT_REPEAT);
    s->observations = json_array();
    const json_t *list = reader_list(&r, "observations", SPEC_MAX_OBSERVATIONS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *pointer CLEANUP_FREE = pointer_index("/warm_start/observations", i);
        read_observation(json_array_get(list, i), pointer, top->problems, s);
    }
    reader_close(&r);
    json_decref(wrapped);
    if (!given)
        return NULL;
    return json_pack("{s:O, s:I, s:I, s:O}", "from", s->warm_from, "trials", (json_int_t)s->warm_trials, "repeat", (json_int_t)s->warm_repeat,
                     "observations", s->observations);
}

/* --- what a trial must report */

static void want(struct spec *s, const char *metric)
{
    for (size_t i = 0; i < s->n_wanted; i++)
        if (!strcmp(s->wanted[i], metric))
            return;
    s->wanted[s->n_wanted++] = metric;
}

void spec_find_wanted(struct spec *s)
{
    for (size_t i = 0; i < s->n_objectives; i++)
        want(s, s->objectives[i].metric);
    for (size_t i = 0; i < s->n_outcomes; i++)
        want(s, s->outcomes[i].metric);
}

/* --- a trial's values against the constraints */

size_t spec_n_bounds(const struct spec *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_outcomes; i++)
        n += (size_t)isfinite(s->outcomes[i].min) + (size_t)isfinite(s->outcomes[i].max);
    return n;
}

const struct outcome *spec_bound(const struct spec *s, size_t i, bool *upper)
{
    const struct outcome *o = s->outcomes;
    for (;; o++) {
        size_t n = (size_t)isfinite(o->min) + (size_t)isfinite(o->max);
        if (i < n) {
            *upper = i == 1 || !isfinite(o->min);
            return o;
        }
        i -= n;
    }
}

double spec_excess(const struct spec *s, size_t i, double value)
{
    bool upper;
    const struct outcome *o = spec_bound(s, i, &upper);
    return upper ? value - o->max : o->min - value;
}
