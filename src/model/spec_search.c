/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/spec_search.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
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
