/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads an experiment file section by section. Each section checks itself, fills the spec and puts its normalised form into the document,
 * so that reading the document again changes nothing. */
#include "model/spec.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/foreign.h"
#include "model/katib.h"
#include "model/reader.h"
#include "model/spec_run.h"
#include "model/spec_search.h"
#include "model/spec_stopping.h"
#include "model/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_INITIAL_POINTS 1000
#define MAX_LABELS 64
#define MAX_LABEL_NAME 63
#define MAX_LABEL 255
#define MAX_ANNOTATION 4096
#define MAX_NOTE 65536
#define MAX_SEED 9007199254740991 /* 2^53 - 1: exact in every reader of JSON */
#define MAX_RETRIES 100
#define MAX_REPLICATES 1000
#define MAX_LEASE 2592000.0 /* seconds: 30 days */
#define LEAST_LIMIT 0.1
#define MAX_LIMIT 315360000.0 /* seconds: ten years */
#define DEFAULT_RETRIES 3
#define DEFAULT_LEASE 3600
#define ASSUMED_TRIALS 100 /* for max_failed, when the service runs trials without trials.max */
#define MAX_ENTRIES 64     /* of a catalog list */

static const char *const members[] = {"name",   "objective", "objectives", "outcome_constraints", "cost",   "parameters",  "constraints", "algorithm", "stopping",
                                      "warm_start", "initial_points", "trials", "limits", "run",                 "seed",   "labels",      "annotations", "note",      "source", NULL};
static const char *const objective_members[] = {"metric", "direction", "goal", "strategy", NULL};
static const char *const directions[] = {"minimize", "maximize", NULL};
const char *const strategy_names[] = {"last", "min", "max", "mean", NULL};
static const char *const named_members[] = {"name", "settings", NULL};
static const char *const trials_members[] = {"max", "parallel", "max_failed", "retries", "replicates", "lease", NULL};
static const char *const limits_members[] = {"time", "trial_time", "min_improvement", NULL};

struct file {
    struct reader top;
    const struct catalog *catalog;
    struct problems *problems;
    struct spec *spec;
    const struct catalog_entry *algorithm; /* NULL = told as wrong */
    bool ends; /* something ends the experiment: the algorithm, a number of trials, a time */
};

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static void put(struct file *f, const char *member, json_t *value)
{
    set(f->spec->document, member, value);
}

/* ---- name ---- */

bool spec_name_ok(const char *name)
{
    size_t len = strlen(name);
    if (!len || len > SPEC_NAME_MAX)
        return false;
    for (const char *c = name; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-' && *c != '.')
            return false;
    return isalnum((unsigned char)name[0]) && isalnum((unsigned char)name[len - 1]);
}

/* The nearest right name: "My Digits!" -> "my-digits". */
static void right_name(const char *name, char out[SPEC_NAME_MAX + 1])
{
    size_t n = 0;
    for (; *name && n < SPEC_NAME_MAX; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 128 && isalnum(c))
            out[n++] = (char)tolower(c);
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = '\0';
}

static void read_name(struct file *f)
{
    const char *name = reader_text(&f->top, "name", MAX_NOTE, "");
    char right[SPEC_NAME_MAX + 1];
    if (*name && !spec_name_ok(name)) {
        right_name(name, right);
        reader_bad(&f->top, "name", "NAME", *right ? right : NULL,
                   "is \"%.80s\", must be lower-case letters, digits, - and . (a letter or digit first and last), at most %d", name, SPEC_NAME_MAX);
    }
    f->spec->name = x_strdup(name);
    if (*name)
        put(f, "name", json_string(name));
}

/* ---- objectives ---- */

/* A name with blanks cannot be told from the text around it, unless filters or JSON say where it ends. */
static bool blanks_ok(const struct file *f)
{
    const json_t *metrics = json_object_get(reader_find(&f->top, "run"), "metrics");
    const char *format = json_string_value(json_object_get(metrics, "format"));
    return json_array_size(json_object_get(metrics, "filters")) > 0 || (format && !strcmp(format, "json"));
}

static void read_metric(struct file *f, const struct reader *r, struct objective *o)
{
    const char *metric = spec_metric(r, blanks_ok(f));
    for (size_t i = 0; *metric && i < f->spec->n_objectives; i++)
        if (!strcmp(metric, f->spec->objectives[i].metric))
            reader_bad(r, "metric", "DUPLICATE", NULL, "is \"%s\", which is an objective already", metric);
    o->metric = x_strdup(metric);
}

static void read_objective(struct file *f, const json_t *value, const char *pointer, json_t *list)
{
    struct objective *o = &f->spec->objectives[f->spec->n_objectives];
    if (json_is_string(value)) {
        problems_add(f->problems, pointer, "TYPE", NULL, "is \"%.60s\", must say the direction too: {metric: %.60s, direction: minimize}",
                     json_string_value(value), json_string_value(value));
        return;
    }
    struct reader r = reader_open(value, pointer, objective_members, f->problems);
    read_metric(f, &r, o);
    int direction = reader_choice(&r, "direction", directions, 0);
    if (r.object && !reader_find(&r, "direction"))
        reader_bad(&r, "direction", "REQUIRED", NULL, "is missing; must be minimize or maximize");
    o->maximize = direction == 1;
    o->goal = reader_number(&r, "goal", NAN);
    o->strategy = (enum strategy)reader_choice(&r, "strategy", strategy_names, STRATEGY_LAST);
    f->spec->n_objectives++;
    json_t *out = json_pack("{s:s, s:s}", "metric", o->metric, "direction", directions[direction]);
    if (!isnan(o->goal))
        set(out, "goal", json_real(o->goal));
    set(out, "strategy", json_string(strategy_names[o->strategy]));
    (void)json_array_append_new(list, out);
    reader_close(&r);
}

static void read_objectives(struct file *f)
{
    const json_t *one = reader_find(&f->top, "objective"), *many = reader_list(&f->top, "objectives", SPEC_MAX_OBJECTIVES);
    json_t *list = json_array();
    f->spec->objectives = x_calloc(json_array_size(many) + 1, sizeof *f->spec->objectives);
    if (one && reader_find(&f->top, "objectives"))
        reader_bad(&f->top, "objectives", "CONFLICT", NULL, "stands beside objective; keep one of them");
    if (one)
        read_objective(f, one, "/objective", list);
    for (size_t i = 0; !one && i < json_array_size(many); i++) {
        char *pointer CLEANUP_FREE = pointer_index("/objectives", i);
        read_objective(f, json_array_get(many, i), pointer, list);
    }
    if (many && !json_array_size(many))
        reader_bad(&f->top, "objectives", "RANGE", NULL, "is empty; at least one objective is needed");
    if (!one && !reader_find(&f->top, "objectives"))
        reader_bad(&f->top, "objective", "REQUIRED", NULL, "is missing; write what to optimise, such as {metric: loss, direction: minimize}");
    put(f, "objectives", list);
}

/* ---- outcome constraints, cost ---- */

static void read_outcomes(struct file *f)
{
    put(f, "outcome_constraints", spec_outcomes(&f->top, blanks_ok(f), f->spec));
    json_t *cost = spec_cost(&f->top, blanks_ok(f), f->spec);
    if (cost)
        put(f, "cost", cost);
    spec_find_wanted(f->spec);
}

/* ---- space ---- */

static void read_space(struct file *f)
{
    f->spec->space = space_new(reader_find(&f->top, "parameters"), reader_find(&f->top, "constraints"), f->problems);
    if (!f->spec->space)
        return;
    put(f, "parameters", space_json(f->spec->space));
    json_t *constraints = json_array();
    for (size_t i = 0; i < f->spec->space->n_constraints; i++)
        (void)json_array_append_new(constraints, json_string(f->spec->space->constraint_text[i]));
    put(f, "constraints", constraints);
}

/* ---- algorithm, stopping ---- */

static const struct catalog_entry *entry_find(const struct catalog_entry *entries, const char *name)
{
    while (entries->name && strcmp(entries->name, name) != 0)
        entries++;
    return entries;
}

/* A word, or {name, settings}; `usual` when nothing is said, which may be a word that is none of the entries. NULL: it is that word, or
 * the name was told as wrong. */
static const struct catalog_entry *read_named(struct file *f, const char *member, const struct catalog_entry *entries, const char *usual,
                                              struct settings *settings)
{
    const json_t *given = reader_find(&f->top, member);
    const char *names[MAX_ENTRIES + 2] = {usual};
    for (size_t i = 0, n = 1; i < MAX_ENTRIES && entries[i].name; i++)
        if (strcmp(entries[i].name, usual) != 0)
            names[n++] = entries[i].name;
    char *pointer CLEANUP_FREE = pointer_join("", member), *settings_pointer CLEANUP_FREE = pointer_join(pointer, "settings");
    struct reader inner = reader_open(json_is_string(given) ? NULL : given, pointer, named_members, f->problems);
    const struct reader *r = json_is_string(given) ? &f->top : &inner;
    const char *at = json_is_string(given) ? member : "name";
    int i = reader_find(r, at) ? reader_choice(r, at, names, -1) : 0;
    const char *name = i >= 0 ? names[i] : usual;
    const struct catalog_entry *entry = entry_find(entries, name);
    if (i >= 0) /* settings of a name that is wrong cannot be judged */
        settings_read(settings, entry->settings, reader_find(&inner, "settings"), settings_pointer, f->problems);
    put(f, member, json_pack("{s:s, s:o}", "name", name, "settings", settings_json(settings)));
    reader_close(&inner);
    return i >= 0 && entry->name ? entry : NULL;
}

static void read_algorithm(struct file *f)
{
    struct spec *s = f->spec;
    const struct catalog_entry *entry = read_named(f, "algorithm", f->catalog->algorithms, "auto", &s->algorithm_settings);
    s->algorithm = x_strdup(entry ? entry->name : "");
    f->algorithm = entry;
    f->ends |= entry && entry->finite;
    for (size_t i = 0; entry && entry->finite && s->space && i < s->space->n; i++) {
        const struct param *p = &s->space->params[i];
        char *pointer CLEANUP_FREE = pointer_join("/parameters", p->name);
        if (!p->n_levels)
            problems_add(f->problems, pointer, "CONFLICT", NULL, "has endless values; algorithm %s needs a step, or type categorical with values",
                         entry->name);
    }
}

/* ---- trials, limits ---- */

static void read_trials(struct file *f)
{
    struct spec *s = f->spec;
    struct reader r = reader_enter(&f->top, "trials", trials_members);
    bool runs = reader_find(&f->top, "run") != NULL;
    f->ends |= reader_find(&r, "max") != NULL;
    s->max_trials = reader_int(&r, "max", 1, SPEC_MAX_TRIALS, 0);
    s->parallel = reader_int(&r, "parallel", 1, SPEC_MAX_PARALLEL, runs ? 1 : 0);
    int64_t budget = s->max_trials ? s->max_trials : runs ? ASSUMED_TRIALS : 0;
    int64_t quarter = budget / 4 > 3 ? budget / 4 : 3;
    s->max_failed = reader_int(&r, "max_failed", -1, SPEC_MAX_TRIALS, budget ? quarter : -1);
    s->retries = reader_int(&r, "retries", 0, MAX_RETRIES, DEFAULT_RETRIES);
    s->replicates = reader_int(&r, "replicates", 1, MAX_REPLICATES, 1);
    s->lease_s = reader_duration(&r, "lease", 1, MAX_LEASE, DEFAULT_LEASE);
    json_t *out = json_object();
    if (s->max_trials)
        set(out, "max", json_integer(s->max_trials));
    if (s->parallel)
        set(out, "parallel", json_integer(s->parallel));
    set(out, "max_failed", json_integer(s->max_failed));
    set(out, "retries", json_integer(s->retries));
    set(out, "replicates", json_integer(s->replicates));
    set(out, "lease", json_real(s->lease_s));
    put(f, "trials", out);
    reader_close(&r);
}

static void read_limits(struct file *f)
{
    struct spec *s = f->spec;
    struct reader r = reader_enter(&f->top, "limits", limits_members);
    f->ends |= reader_find(&r, "time") != NULL;
    s->time_limit_s = reader_duration(&r, "time", LEAST_LIMIT, MAX_LIMIT, 0);
    s->trial_time_limit_s = reader_duration(&r, "trial_time", LEAST_LIMIT, MAX_LIMIT, 0);
    s->min_improvement = reader_number(&r, "min_improvement", NAN);
    if (s->min_improvement < 0)
        reader_bad(&r, "min_improvement", "RANGE", NULL, "is %g, must be at least 0", s->min_improvement);
    if (!isnan(s->min_improvement) && s->n_objectives > 1)
        reader_bad(&r, "min_improvement", "CONFLICT", NULL, "is for one objective; here are %zu", s->n_objectives);
    json_t *out = json_object();
    if (s->time_limit_s > 0)
        set(out, "time", json_real(s->time_limit_s));
    if (s->trial_time_limit_s > 0)
        set(out, "trial_time", json_real(s->trial_time_limit_s));
    if (!isnan(s->min_improvement))
        set(out, "min_improvement", json_real(s->min_improvement));
    put(f, "limits", out);
    reader_close(&r);
}

/* ---- run ---- */

static void read_run(struct file *f)
{
    struct spec *s = f->spec;
    const json_t *run = reader_find(&f->top, "run"), *parameters = reader_find(&f->top, "parameters");
    if (!run)
        return;
    const char *names[SPACE_MAX_PARAMS + 1] = {0}, *name; /* as written: they may be looked for even if the space is wrong */
    size_t n = 0;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)parameters, name, value)
    {
        if (n < SPACE_MAX_PARAMS)
            names[n++] = name;
    }
    s->run = spec_run(run, f->catalog->backends, names, f->problems);
    const char *backend = json_string_value(json_object_get(s->run, "backend"));
    s->backend = x_strdup(backend ? backend : "");
    int64_t retries = json_integer_value(json_object_get(s->run, "retries"));
    s->retries = retries > s->retries ? retries : s->retries;
    if (!f->ends)
        problems_add(f->problems, "/trials/max", "REQUIRED", NULL,
                     "is missing; the service runs the trials, so it must know when to end: "
                     "give trials.max, limits.time, or an algorithm that ends by itself such as grid");
    put(f, "run", json_incref(s->run));
}

/* ---- warm start, initial points ---- */

static void read_warm_start(struct file *f)
{
    json_t *warm = spec_warm_start(&f->top, f->spec);
    if (warm)
        put(f, "warm_start", warm);
}

static void read_points(struct file *f)
{
    const json_t *list = reader_list(&f->top, "initial_points", MAX_INITIAL_POINTS);
    struct spec *s = f->spec;
    double u[SPACE_MAX_PARAMS];
    s->initial_points = list ? json_deep_copy(list) : json_array();
    for (size_t i = 0; s->space && i < json_array_size(list); i++) {
        char *pointer CLEANUP_FREE = pointer_index("/initial_points", i);
        (void)space_point(s->space, json_array_get(list, i), u, pointer, f->problems);
    }
    size_t n = json_array_size(list);
    if (s->max_trials && n > (size_t)s->max_trials)
        problems_warn(f->problems, "/initial_points", "TOO_MANY", NULL, "has %zu points, and trials.max is %lld: the last ones will not run", n,
                      (long long)s->max_trials);
    put(f, "initial_points", json_incref(s->initial_points));
}

/* ---- seed, labels, annotations, note ---- */

static void read_seed(struct file *f)
{
    int64_t seed = reader_int(&f->top, "seed", 0, MAX_SEED, -1);
    if (seed < 0)
        return;
    f->spec->seed = (uint64_t)seed;
    f->spec->has_seed = true;
    put(f, "seed", json_integer(seed));
}

static bool label_name_ok(const char *name)
{
    size_t len = strlen(name);
    return len && len <= MAX_LABEL_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-") == len;
}

/* A mapping of strings; a number or truth value, which YAML makes of a bare word, becomes one. */
static json_t *read_labels(struct file *f, const char *member, size_t max)
{
    struct reader r = reader_enter(&f->top, member, NULL);
    json_t *out = json_object(), *value;
    const char *name;
    char found[SHOW_TEXT];
    if (json_object_size(r.object) > MAX_LABELS)
        reader_bad(&f->top, member, "RANGE", NULL, "has %zu members, at most %d are allowed", json_object_size(r.object), MAX_LABELS);
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
    {
        if (!label_name_ok(name))
            reader_bad(&r, name, "NAME", NULL, "is no name of a label: 1 to %d letters, digits, . _ / -", MAX_LABEL_NAME);
        if (json_is_string(value) && json_string_length(value) <= max)
            set(out, name, json_incref(value));
        else if (json_is_string(value))
            reader_bad(&r, name, "RANGE", NULL, "has %zu bytes, at most %zu are allowed", json_string_length(value), max);
        else if (json_is_number(value) || json_is_boolean(value))
            set(out, name, json_string(json_show(value, found)));
        else
            reader_bad(&r, name, "TYPE", NULL, "is %s, must be a string", json_show(value, found));
    }
    reader_close(&r);
    put(f, member, json_incref(out));
    return out;
}

static void read_note(struct file *f)
{
    const json_t *note = reader_find(&f->top, "note");
    bool empty = json_is_string(note) && !json_string_length(note);
    f->spec->note = x_strdup(empty ? "" : reader_text(&f->top, "note", MAX_NOTE, ""));
    put(f, "note", json_string(f->spec->note));
}

/* ---- the whole ---- */

/* The normal form is longer than what was written, and must still be read back from the store. A small one is sure to be. */
static void check_size(struct file *f)
{
    struct error error;
    if (json_dumpb(f->spec->document, NULL, 0, JSON_COMPACT) < YAML_MAX_BYTES / 16)
        return;
    char *text CLEANUP_FREE = json_dumps(f->spec->document, JSON_COMPACT);
    json_t *back = yaml_load(text, strlen(text), &error);
    if (!back)
        problems_add(f->problems, "", "RANGE", NULL, "is too large with all defaults filled in: %s", error.detail);
    json_decref(back);
}

/* The file of another system that this one was made of: kept as it was, for `hone convert` and Katib's API. */
static void read_source(struct file *f)
{
    struct reader r = reader_enter(&f->top, "source", NULL);
    if (r.object && (!json_is_string(reader_find(&r, "apiVersion")) || !json_is_string(reader_find(&r, "kind"))))
        reader_bad(&f->top, "source", "TYPE", NULL, "must be the Kubernetes object that the file was made of, with apiVersion and kind");
    else if (r.object)
        put(f, "source", json_deep_copy(r.object));
    reader_close(&r);
}

static struct spec *read_foreign(const json_t *document, const struct catalog *catalog, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped;
    struct problems found = {0};
    json_t *places = json_object(), *native = foreign_read(document, catalog, places, problems);
    struct spec *s = native ? spec_new(native, catalog, &found) : NULL;
    katib_tell(places, &found, problems);
    problems_release(&found);
    json_decref(native);
    if (s)
        s->places = json_incref(places);
    json_decref(places);
    if (problems->n + problems->n_dropped == before)
        return s;
    spec_free(s);
    return NULL;
}

void spec_tell(const struct spec *s, struct problems *found, struct problems *problems)
{
    katib_tell(s->places, found, problems);
    problems_release(found);
}

struct spec *spec_new(const json_t *document, const struct catalog *catalog, struct problems *problems)
{
    char found[SHOW_TEXT];
    size_t before = problems->n + problems->n_dropped;
    if (!json_is_object(document)) {
        problems_add(problems, "", "TYPE", NULL, "is %s, must be an experiment file: a mapping with objective, parameters, ...",
                     json_show(document, found));
        return NULL;
    }
    if (foreign_is(document))
        return read_foreign(document, catalog, problems);
    struct spec *s = X_NEW(struct spec);
    s->document = json_object();
    struct file f = {.top = reader_open(document, "", members, problems), .catalog = catalog, .problems = problems, .spec = s};
    read_name(&f);
    read_objectives(&f);
    read_outcomes(&f);
    read_space(&f);
    read_algorithm(&f);
    put(&f, "stopping", spec_stopping(&f.top, catalog, f.algorithm, f.spec));
    read_trials(&f);
    read_limits(&f);
    read_run(&f);
    read_warm_start(&f);
    read_points(&f);
    read_seed(&f);
    s->labels = read_labels(&f, "labels", MAX_LABEL);
    s->annotations = read_labels(&f, "annotations", MAX_ANNOTATION);
    read_note(&f);
    read_source(&f);
    check_size(&f);
    reader_close(&f.top);
    if (problems->n + problems->n_dropped == before)
        return s;
    spec_free(s);
    return NULL;
}

struct spec *spec_parse(const char *text, size_t len, const struct catalog *catalog, struct problems *problems)
{
    struct error error;
    json_t *document = yaml_load(text, len, &error);
    if (!document) {
        problems_add(problems, "", "SYNTAX", NULL, "%s", error.detail);
        return NULL;
    }
    struct spec *s = spec_new(document, catalog, problems);
    json_decref(document);
    return s;
}

void spec_free(struct spec *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_objectives; i++)
        free(s->objectives[i].metric);
    for (size_t i = 0; i < s->n_outcomes; i++)
        free(s->outcomes[i].metric);
    free(s->name);
    free(s->outcomes);
    free(s->cost_metric);
    free(s->objectives);
    space_free(s->space);
    free(s->algorithm);
    for (size_t i = 0; i < s->n_stopping; i++) {
        free(s->stopping[i].name);
        free(s->stopping[i].metric);
    }
    json_decref(s->warm_from);
    json_decref(s->observations);
    json_decref(s->initial_points);
    free(s->backend);
    json_decref(s->run);
    json_decref(s->labels);
    json_decref(s->annotations);
    free(s->note);
    json_decref(s->document);
    json_decref(s->places);
    free(s);
}
