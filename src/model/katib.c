/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/katib.h"

#include "base/mem.h"
#include "model/katib_part.h"
#include "model/spec.h"
#include "model/template.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME 40 /* Katib's: trial names add to it */
#define DEFAULT_PARALLEL 3
#define HONE_PREFIX "hone/" /* annotations that say what a Katib file has no member for */

static const char *const spec_members[] = {"parallelTrialCount", "maxTrialCount",        "maxFailedTrialCount", "objective",
                                           "algorithm",          "earlyStopping",        "resumePolicy",        "parameters",
                                           "nasConfig",          "trialTemplate",        "metricsCollectorSpec", NULL};
static const char *const top_members[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
static const char *const objective_members[] = {"type", "goal", "objectiveMetricName", "additionalMetricNames", "metricStrategies", NULL};
static const char *const strategy_members[] = {"name", "value", NULL};
static const char *const directions[] = {"minimize", "maximize", NULL};
static const char *const strategies[] = {"min", "max", "latest", NULL};
static const char *const backends[] = {"process", "kubernetes", NULL};
static const char *const policies[] = {"Never", "LongRunning", "FromVolume", NULL};

/* ---- what the parts share ---- */

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

void katib_map(struct katib *k, const char *native, const char *place)
{
    set(k->places, native, json_string(place));
}

void katib_warn(const struct reader *r, const char *member, const char *fmt, ...)
{
    char detail[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    char *pointer CLEANUP_FREE = *member ? pointer_join(r->pointer, member) : x_strdup(r->pointer);
    problems_warn(r->problems, pointer, "DIFFERS", NULL, "%s", detail);
}

char *katib_text(const json_t *value)
{
    return json_is_string(value) || json_is_number(value) || json_is_boolean(value) ? template_value(value) : NULL;
}

bool katib_number(const char *text, double *out)
{
    char *end;
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

int64_t katib_count(const struct reader *r, const char *member, int64_t min, int64_t def)
{
    return reader_int(r, member, min, SPEC_MAX_TRIALS, def);
}

char *katib_place(const json_t *places, const char *pointer)
{
    if (!places)
        return x_strdup(pointer);
    for (size_t len = strlen(pointer); len; len--) {
        char *part CLEANUP_FREE = x_strndup(pointer, len);
        const char *place = pointer[len] == '/' || !pointer[len] ? json_string_value(json_object_get(places, part)) : NULL;
        size_t end = place ? strlen(place) : 0;
        if (place && place[end - 1] == '/') /* from here on the paths are the same */
            return pointer[len] ? x_asprintf("%s%s", place, pointer + len + 1) : x_strndup(place, end - 1);
        if (place)
            return x_strdup(place);
    }
    return x_strdup("/spec");
}

/* Is one of them the other, or inside it? */
static bool related(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b), len = la < lb ? la : lb;
    const char *longer = la < lb ? b : a;
    return !strncmp(a, b, len) && (!longer[len] || longer[len] == '/');
}

void katib_tell(const json_t *places, const struct problems *found, struct problems *problems)
{
    size_t before = problems->n;
    for (size_t i = 0; i < found->n; i++) {
        char *place CLEANUP_FREE = katib_place(places, found->items[i].pointer);
        bool known = false;
        for (size_t j = 0; places && j < before; j++)
            known |= related(problems->items[j].pointer, place);
        if (!known)
            problems_add(problems, place, found->items[i].code, found->items[i].hint, "%s", found->items[i].detail);
    }
    problems->n_dropped += found->n_dropped;
    for (size_t i = 0; i < found->n_warnings; i++) {
        const struct problem_item *w = &found->warnings[i];
        char *place CLEANUP_FREE = katib_place(places, w->pointer);
        problems_warn(problems, place, w->code, strcmp(w->code, "WIDE_RANGE") ? w->hint : "distribution: logUniform", "%s", w->detail);
    }
}

/* ---- metadata ---- */

/* Katib's rule is not anchored at its end; what it lets through there (a_b, abc-), Kubernetes refuses when a trial is created. */
static void read_name(struct katib *k, const struct reader *meta)
{
    const char *name = reader_text(meta, "name", KATIB_MAX_TEXT, NULL);
    if (!name && !reader_find(meta, "name") && !reader_find(meta, "generateName"))
        reader_bad(meta, "name", "REQUIRED", NULL, "is missing");
    if (!name)
        return;
    bool ok = islower((unsigned char)*name) && name[strlen(name) - 1] != '-';
    for (const char *c = name; *c; c++)
        ok &= islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '-';
    if (!ok || strlen(name) > MAX_NAME)
        reader_bad(meta, "name", "NAME", NULL,
                   "is \"%.80s\", must begin with a lower-case letter and go on with lower-case letters, digits and -, not end with -, and have at most %d of them",
                   name, MAX_NAME);
    set(k->native, "name", json_string(name));
}

/* Kubernetes allows longer names and values than we keep; the file itself is kept whole in any case. */
static void copy_texts(struct katib *k, const struct reader *meta, const char *member, size_t longest)
{
    struct reader r = reader_enter(meta, member, NULL);
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
    {
        char *text CLEANUP_FREE = katib_text(value);
        char found[SHOW_TEXT];
        if (!text)
            reader_bad(&r, name, "TYPE", NULL, "is %s, must be a string", json_show(value, found));
        else if (strlen(name) <= 63 && strlen(text) <= longest && json_object_size(out) < 64 && strncmp(name, HONE_PREFIX, strlen(HONE_PREFIX)) != 0 &&
                 strcmp(name, "kubectl.kubernetes.io/last-applied-configuration") != 0)
            set(out, name, json_string(text));
    }
    if (json_object_size(out))
        set(k->native, member, json_incref(out));
    json_decref(out);
    reader_close(&r);
}

/* hone/seed, hone/backend; hone/cwd is read with the container. */
static void read_ours(struct katib *k, const struct reader *meta)
{
    struct reader r = reader_enter(meta, "annotations", NULL);
    const json_t *value;
    char *seed CLEANUP_FREE = (value = reader_find(&r, HONE_PREFIX "seed")) != NULL ? katib_text(value) : NULL;
    double number;
    if (seed && katib_number(seed, &number) && number >= 0 && number <= 9007199254740991.0 && floor(number) == number)
        set(k->native, "seed", json_integer((json_int_t)number));
    else if (value)
        reader_bad(&r, HONE_PREFIX "seed", "RANGE", NULL, "must be a whole number from 0 to 2^53 - 1");
    k->cluster = reader_choice(&r, HONE_PREFIX "backend", backends, 0) == 1;
    reader_close(&r);
}

static void read_metadata(struct katib *k)
{
    struct reader meta = reader_enter(&k->top, "metadata", NULL);
    read_name(k, &meta);
    copy_texts(k, &meta, "labels", 255);
    copy_texts(k, &meta, "annotations", 4096);
    read_ours(k, &meta);
    katib_map(k, "/name", "/metadata/name");
    katib_map(k, "/labels", "/metadata/labels/");
    katib_map(k, "/annotations", "/metadata/annotations/");
    katib_map(k, "/seed", "/metadata/annotations/hone~1seed");
    reader_close(&meta);
}

/* ---- counts ---- */

/* Katib ends an experiment when as many trials have failed as maxFailedTrialCount says (at 0: when one has); ours when more have. */
static void read_counts(struct katib *k)
{
    int64_t max = katib_count(&k->spec, "maxTrialCount", 1, 0), parallel = katib_count(&k->spec, "parallelTrialCount", 1, DEFAULT_PARALLEL);
    int64_t failed = katib_count(&k->spec, "maxFailedTrialCount", 0, -1);
    if (max && parallel > max)
        reader_bad(&k->spec, "parallelTrialCount", "RANGE", NULL, "is %lld%s, must not be more than maxTrialCount (%lld)", (long long)parallel,
                   reader_find(&k->spec, "parallelTrialCount") ? "" : " when it is left out", (long long)max);
    if (max && failed > max)
        reader_bad(&k->spec, "maxFailedTrialCount", "RANGE", NULL, "is %lld, must not be more than maxTrialCount (%lld)", (long long)failed, (long long)max);
    if (!max && !reader_find(&k->spec, "maxTrialCount"))
        katib_warn(&k->spec, "maxTrialCount", "is missing: the experiment goes on until its goal, or until it is stopped");
    json_t *trials = json_pack("{s:I, s:I, s:I}", "max", (json_int_t)(max ? max : SPEC_MAX_TRIALS), "parallel", (json_int_t)parallel, "max_failed",
                               (json_int_t)(failed > 0 ? failed - 1 : failed));
    set(k->native, "trials", trials);
    katib_map(k, "/trials/max", "/spec/maxTrialCount");
    katib_map(k, "/trials/parallel", "/spec/parallelTrialCount");
    katib_map(k, "/trials/max_failed", "/spec/maxFailedTrialCount");
}

static void read_policy(struct katib *k)
{
    const json_t *given = reader_find(&k->spec, "resumePolicy");
    bool empty = json_is_string(given) && !json_string_length(given);
    int policy = empty ? 0 : reader_choice(&k->spec, "resumePolicy", policies, 0);
    if (policy == 1 || policy == 2)
        katib_warn(&k->spec, "resumePolicy", "needs no volume and no service here: everything is kept. An experiment that has ended is not taken up again; "
                                             "raise maxTrialCount while it runs, or clone it");
}

/* ---- objective ---- */

static void additional_names(const struct reader *r, const char *metric, const char **names, size_t max)
{
    const json_t *list = reader_list(r, "additionalMetricNames", max);
    size_t i, n = 0;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *name = json_string_value(item);
        if (!name || !*name)
            reader_bad(r, "additionalMetricNames", "TYPE", NULL, "must be names of metrics");
        else if (metric && !strcmp(name, metric))
            reader_bad(r, "additionalMetricNames", "DUPLICATE", NULL, "has %.100s, which is the objective already", name);
        else
            names[n++] = name;
    }
}

/* One entry of metricStrategies; the strategy of the objective goes to `out`. */
static void read_strategy(struct katib *k, const json_t *item, const char *pointer, const char *metric, const char *const *names, int *out)
{
    struct reader r = reader_open(item, pointer, strategy_members, k->problems);
    const char *name = reader_text(&r, "name", KATIB_MAX_TEXT, NULL);
    int value = reader_choice(&r, "value", strategies, -1);
    bool known = !name || (metric && !strcmp(name, metric));
    for (const char *const *n = names; *n && !known; n++)
        known = !strcmp(*n, name);
    if (r.object && !reader_find(&r, "value"))
        reader_bad(&r, "value", "REQUIRED", NULL, "is missing; must be min, max or latest");
    if (!known)
        reader_bad(&r, "name", "UNKNOWN_METRIC", did_you_mean(name, names), "is \"%.100s\", which is neither the objective nor an additional metric", name);
    else if (name && metric && !strcmp(name, metric) && value >= 0)
        *out = value;
    else if (value >= 0 && value != 2)
        katib_warn(&r, "value", "is not followed for a metric that is no objective: its last value is shown, and all are kept");
    reader_close(&r);
}

#define MAX_METRICS 100

static int read_strategies(struct katib *k, const struct reader *r, const char *metric)
{
    const char *names[MAX_METRICS + 2] = {0};
    additional_names(r, metric, names, MAX_METRICS);
    size_t n = 0;
    while (names[n])
        n++;
    if (metric)
        names[n] = metric; /* may be meant too */
    int strategy = k->maximize ? 1 : 0;
    const json_t *list = reader_list(r, "metricStrategies", MAX_METRICS + 1);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "metricStrategies");
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        read_strategy(k, json_array_get(list, i), place, metric, names, &strategy);
    }
    return strategy;
}

static void read_objective(struct katib *k)
{
    static const char *const ours[] = {"min", "max", "last"};
    struct reader r = reader_enter(&k->spec, "objective", objective_members);
    if (!reader_find(&k->spec, "objective"))
        reader_bad(&k->spec, "objective", "REQUIRED", NULL, "is missing");
    const char *metric = reader_text(&r, "objectiveMetricName", KATIB_MAX_TEXT, NULL);
    int direction = reader_choice(&r, "type", directions, -1);
    k->maximize = direction == 1;
    if (r.object && !reader_find(&r, "type"))
        reader_bad(&r, "type", "REQUIRED", NULL, "is missing; must be minimize or maximize");
    if (r.object && !reader_find(&r, "objectiveMetricName"))
        reader_bad(&r, "objectiveMetricName", "REQUIRED", NULL, "is missing");
    double goal = reader_number(&r, "goal", NAN);
    int strategy = read_strategies(k, &r, metric);
    json_t *out = json_pack("{s:s*, s:s, s:s}", "metric", metric, "direction", directions[k->maximize], "strategy", ours[strategy]);
    if (!isnan(goal))
        set(out, "goal", json_real(goal));
    set(k->native, "objective", out);
    katib_map(k, "/objective", "/spec/objective");
    katib_map(k, "/objective/metric", "/spec/objective/objectiveMetricName");
    katib_map(k, "/objective/goal", "/spec/objective/goal");
    reader_close(&r);
}

/* ---- the whole ---- */

static bool read_nas(struct katib *k)
{
    bool nas = reader_find(&k->spec, "nasConfig") != NULL, parameters = json_array_size(reader_find(&k->spec, "parameters")) > 0;
    if (nas && parameters)
        problems_add(k->problems, "/spec", "CONFLICT", NULL, "has both parameters and nasConfig; only one of them can be searched");
    else if (nas)
        reader_bad(&k->spec, "nasConfig", "UNSUPPORTED", NULL,
                   "is not supported, because enas and darts do not search: they hand a trial a description of a network, and all the work is in images that "
                   "are no longer kept up. Write what is to be chosen (layers, widths, operations) as parameters");
    else if (!parameters)
        problems_add(k->problems, "/spec", "REQUIRED", NULL, "has neither parameters nor nasConfig; write what to search as parameters");
    return nas;
}

static void read_experiment(struct katib *k)
{
    k->spec = reader_enter(&k->top, "spec", spec_members);
    if (!reader_find(&k->top, "spec"))
        reader_bad(&k->top, "spec", "REQUIRED", NULL, "is missing");
    if (!k->spec.object)
        return;
    read_counts(k);
    read_objective(k);
    bool nas = read_nas(k);
    katib_space(k);
    katib_search(k);
    read_policy(k);
    if (!nas) /* its template speaks of what only enas and darts know */
        katib_template(k);
    else
        katib_map(k, "/parameters", "/spec/nasConfig");
}

json_t *katib_read(const json_t *document, const struct catalog *catalog, json_t *places, struct problems *problems)
{
    static const struct {
        const char *version, *kind;
        void (*read)(struct katib *k);
    } kinds[] = {{KATIB_API_VERSION, "Experiment", read_experiment}, {"trainer.kubeflow.org/v1alpha1", "OptimizationJob", katib_optimization}};
    struct katib k = {.top = reader_open(document, "", top_members, problems),
                      .native = json_object(),
                      .places = places,
                      .search = json_object(),
                      .catalog = catalog,
                      .problems = problems};
    char *version CLEANUP_FREE = katib_text(json_object_get(document, "apiVersion")), *kind CLEANUP_FREE = katib_text(json_object_get(document, "kind"));
    size_t i = 0;
    while (i < ARRAY_LEN(kinds) && (strcmp(kinds[i].version, version ? version : "") != 0 || strcmp(kinds[i].kind, kind ? kind : "") != 0))
        i++;
    if (i == ARRAY_LEN(kinds)) {
        bool api = version && (!strcmp(version, kinds[0].version) || !strcmp(version, kinds[1].version));
        problems_add(problems, api ? "/kind" : "/apiVersion", "UNSUPPORTED", NULL,
                     "is %.80s; of other systems' files kind Experiment of " KATIB_API_VERSION " and kind OptimizationJob of trainer.kubeflow.org/v1alpha1 are read",
                     api ? (kind ? kind : "missing") : (version ? version : "no text"));
    } else {
        read_metadata(&k);
        kinds[i].read(&k);
        set(k.native, "source", json_deep_copy(document));
        json_object_del(json_object_get(k.native, "source"), "status");
    }
    reader_close(&k.spec);
    reader_close(&k.top);
    json_decref(k.search);
    free(k.resource);
    if (i < ARRAY_LEN(kinds))
        return k.native;
    json_decref(k.native);
    return NULL;
}
