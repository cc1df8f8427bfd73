/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/convert.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/foreign.h"
#include "model/katib.h"
#include "model/reader.h"
#include "model/space_param.h"
#include "model/spec.h"
#include "model/template.h"

#include <math.h>
#include <string.h>

#define CONTAINER "training-container"

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

json_t *convert_to_native(const json_t *document, const struct catalog *catalog, struct problems *problems)
{
    struct spec *s = spec_new(document, catalog, problems);
    struct problems told = {0}; /* once more, for the file as it is before defaults are filled in */
    json_t *places = json_object(), *native = s ? foreign_read(document, catalog, places, &told) : NULL;
    if (native)
        (void)json_object_del(native, "source");
    if (s && !native)
        native = json_incref(s->document);
    problems_release(&told);
    json_decref(places);
    spec_free(s);
    return native;
}

/* ---- to Katib ---- */

struct writer {
    const struct spec *spec;
    json_t *out; /* its spec */
    struct problems *problems;
};

static json_t *text(const json_t *value)
{
    char *shown CLEANUP_FREE = template_value(value);
    return json_string(shown);
}

static json_t *number(double value)
{
    json_t *real = json_real(value), *out = text(real);
    json_decref(real);
    return out;
}

static void lost(const struct writer *w, const char *pointer, const char *what)
{
    problems_add(w->problems, pointer, "NOT_IN_KATIB", NULL, "cannot be kept: %s", what);
}

static json_t *settings_list(const char *const *names, json_t *const *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:o}", "name", names[i], "value", values[i]));
    return list;
}

static void write_objective(struct writer *w)
{
    static const char *const values[] = {[STRATEGY_LAST] = "latest", [STRATEGY_MIN] = "min", [STRATEGY_MAX] = "max", [STRATEGY_MEAN] = "latest"};
    const struct objective *o = &w->spec->objectives[0];
    json_t *out = json_pack("{s:s, s:s}", "type", o->maximize ? "maximize" : "minimize", "objectiveMetricName", o->metric);
    if (!isnan(o->goal))
        set(out, "goal", json_real(o->goal));
    if (o->strategy == STRATEGY_MEAN)
        lost(w, "/objectives/0/strategy", "Katib knows min, max and latest, not mean");
    set(out, "metricStrategies", json_pack("[{s:s, s:s}]", "name", o->metric, "value", values[o->strategy]));
    if (w->spec->n_objectives > 1)
        lost(w, "/objectives", "Katib has one objective");
    set(w->out, "objective", out);
}

static json_t *choices(const struct param *p, const char **type)
{
    json_t *list = json_array();
    bool numbers = p->type == PARAM_CATEGORICAL;
    for (int64_t i = 0; i < p->n_levels; i++) {
        json_t *value = param_level_json(p, i);
        numbers &= json_is_number(value);
        (void)json_array_append_new(list, text(value));
        json_decref(value);
    }
    *type = numbers ? "discrete" : "categorical";
    return list;
}

static void write_parameter(struct writer *w, const struct param *p, json_t *list)
{
    static const char *const dists[] = {[DIST_UNIFORM] = "uniform", [DIST_LOG_UNIFORM] = "logUniform", [DIST_NORMAL] = "normal", [DIST_LOG_NORMAL] = "logNormal"};
    char *pointer CLEANUP_FREE = pointer_join("/parameters", p->name);
    json_t *space = json_object();
    const char *type = p->type == PARAM_INT ? "int" : "double";
    bool is_log = p->dist == DIST_LOG_NORMAL, is_normal = is_log || p->dist == DIST_NORMAL;
    if (p->type != PARAM_INT && p->type != PARAM_FLOAT) {
        set(space, "list", choices(p, &type));
    } else {
        double low = is_log ? log(p->min) : p->min, high = is_log ? log(p->max) : p->max;
        if (isinf(low) || isinf(high) || (is_normal && (fabs(p->mu - (low + high) / 2) > 1e-9 * (high - low) || fabs(p->sigma - (high - low) / 6) > 1e-9 * (high - low))))
            lost(w, pointer, "Katib's normal distributions always have their middle between min and max and a sixth of the range as deviation");
        set(space, "min", number(p->min));
        set(space, "max", number(p->max));
        if (p->step > 0 && (p->type == PARAM_FLOAT || p->step > 1))
            set(space, "step", number(p->step));
        set(space, "distribution", json_string(dists[p->dist]));
    }
    if (p->parent >= 0)
        lost(w, pointer, "Katib has no parameters that exist only sometimes (when)");
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", p->name, "parameterType", type, "feasibleSpace", space));
}

static void write_space(struct writer *w)
{
    json_t *list = json_array();
    for (size_t i = 0; i < w->spec->space->n; i++)
        write_parameter(w, &w->spec->space->params[i], list);
    set(w->out, "parameters", list);
    if (w->spec->space->n_constraints)
        lost(w, "/constraints", "Katib has no conditions between parameters");
    if (w->spec->n_outcomes)
        lost(w, "/outcome_constraints", "Katib has no bounds on metrics");
    if (w->spec->has_cost)
        lost(w, "/cost", "Katib's searches do not know what trials cost");
    if (json_array_size(w->spec->warm_from) || json_array_size(w->spec->observations))
        lost(w, "/warm_start", "Katib begins every experiment anew");
    if (json_array_size(w->spec->initial_points))
        lost(w, "/initial_points", "Katib cannot be told what to try first");
}

/* Katib mounts checkpoints where this setting says. */
static json_t *pbt_settings(const struct writer *w)
{
    static const char *const names[] = {"suggestion_trial_dir", "n_population", "truncation_threshold", "resample_probability"};
    const json_t *settings = json_object_get(json_object_get(w->spec->document, "algorithm"), "settings");
    json_t *values[ARRAY_LEN(names)] = {json_string("/opt/katib/data")};
    for (size_t i = 1; i < ARRAY_LEN(names); i++)
        values[i] = text(json_object_get(settings, names[i]));
    return settings_list(names, values, ARRAY_LEN(names));
}

static void write_algorithm(struct writer *w)
{
    static const struct {
        const char *ours, *katib;
        bool seeded;
    } known[] = {{"random", "random", true},     {"grid", "grid", true},  {"sobol", "sobol", false}, {"tpe", "multivariate-tpe", true},
                 {"cmaes", "cmaes", true},       {"gp", "bayesianoptimization", true}, {"auto", "multivariate-tpe", true}, {"pbt", "pbt", false}};
    size_t i = 0;
    while (i < ARRAY_LEN(known) && strcmp(known[i].ours, w->spec->algorithm) != 0)
        i++;
    if (i == ARRAY_LEN(known)) {
        lost(w, "/algorithm", "Katib has no such algorithm; choose random, grid, sobol, tpe, cmaes, gp or pbt");
        return;
    }
    json_t *out = json_pack("{s:s}", "algorithmName", known[i].katib);
    if (!strcmp(w->spec->algorithm, "auto"))
        problems_warn(w->problems, "/algorithm", "DIFFERS", NULL, "auto becomes multivariate-tpe");
    if (!strcmp(w->spec->algorithm, "gp"))
        problems_warn(w->problems, "/algorithm", "DIFFERS", NULL, "Katib's bayesianoptimization draws all doubles log-uniformly, whatever their distribution");
    if (w->spec->has_seed && known[i].seeded && w->spec->seed <= INT32_MAX) {
        const char *name = "random_state";
        json_t *value = json_integer((json_int_t)w->spec->seed), *shown = text(value);
        set(out, "algorithmSettings", settings_list(&name, &shown, 1));
        json_decref(value);
    }
    if (!strcmp(w->spec->algorithm, "pbt")) {
        set(out, "algorithmSettings", pbt_settings(w));
        problems_warn(w->problems, "/algorithm", "DIFFERS", NULL, "a trial of Katib's pbt finds its checkpoints under suggestion_trial_dir, /opt/katib/data here");
    } else if (json_object_size(json_object_get(json_object_get(w->spec->document, "algorithm"), "settings")))
        problems_warn(w->problems, "/algorithm/settings", "DIFFERS", NULL, "are left out: Katib's settings have other names and meanings");
    set(w->out, "algorithm", out);
}

static void write_stopping(struct writer *w)
{
    static const char *const names[] = {"min_trials_required", "start_step"};
    const struct stopping *rule = &w->spec->stopping[0];
    if (!w->spec->n_stopping)
        return;
    if (w->spec->n_stopping > 1 || strcmp(rule->name, "median") != 0 || !rule->on_first) {
        lost(w, "/stopping", "medianstop, on the objective, is the only rule that Katib has");
        return;
    }
    json_t *values[ARRAY_LEN(names)], *all = settings_json(&rule->settings);
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_object_get(all, names[i]))
            values[n++] = text(json_object_get(all, names[i]));
    json_t *list = n == ARRAY_LEN(names) ? settings_list(names, values, n) : json_array();
    for (size_t i = 0; i < n && n < ARRAY_LEN(names); i++)
        json_decref(values[i]);
    set(w->out, "earlyStopping", json_pack("{s:s, s:o}", "algorithmName", "medianstop", "algorithmSettings", list));
    problems_warn(w->problems, "/stopping", "DIFFERS", NULL, "Katib's medianstop compares once, with a mean");
    json_decref(all);
}

/* Katib ends at so many failed trials, we at more than so many. */
static void write_counts(json_t *out, int64_t max, int64_t parallel, int64_t failed)
{
    if (max > 0 && max < SPEC_MAX_TRIALS)
        set(out, "maxTrialCount", json_integer(max));
    int64_t most = max > 0 ? max : SPEC_MAX_TRIALS;
    set(out, "parallelTrialCount", json_integer(parallel > most ? most : parallel > 0 ? parallel : 1));
    if (failed >= 0)
        set(out, "maxFailedTrialCount", json_integer(failed + 1 < most ? failed + 1 : most));
}

/* ---- the template ---- */

static const struct param *param_named(const struct space *space, const char *name, size_t len)
{
    for (size_t i = 0; i < space->n; i++)
        if (strlen(space->params[i].name) == len && !memcmp(space->params[i].name, name, len))
            return &space->params[i];
    return NULL;
}

/* Katib's own placeholder at `at`, which may stand in our files too: how long it is. */
static size_t katib_placeholder(const struct writer *w, const char *at, json_t *used)
{
    static const char prefix[] = "${trialParameters.";
    size_t len = strncmp(at, prefix, strlen(prefix)) != 0 ? 0 : strcspn(at + strlen(prefix), "{}");
    const struct param *p = len ? param_named(w->spec->space, at + strlen(prefix), len) : NULL;
    if (!p || at[strlen(prefix) + len] != '}')
        return 0;
    set(used, p->name, json_true());
    return strlen(prefix) + len + 1;
}

/* {lr} -> ${trialParameters.lr}; names that were used go to `used`. A placeholder that Katib has no word for is told. */
static char *to_placeholders(const struct writer *w, const char *from, const char *pointer, json_t *used)
{
    struct buf out = BUF_INIT;
    while (*from) {
        size_t open = strspn(from, "{"), len = open ? strcspn(from + open, "{}") : 0, close = strspn(from + open + len, "}");
        size_t braces = open < close ? open : close;
        const struct param *p = braces ? param_named(w->spec->space, from + open, len) : NULL;
        bool ours = braces && !p && ((len == 5 && !memcmp(from + open, "trial", 5)) || (len == 4 && !memcmp(from + open, "seed", 4)));
        if (!open) {
            size_t plain = katib_placeholder(w, from, used);
            if (!plain)
                plain = *from == '$' ? 1 + strspn(from + 1, "{") : strcspn(from, "{$");
            buf_add(&out, from, plain);
            from += plain;
            continue;
        }
        if (ours && braces % 2)
            lost(w, pointer, "Katib has no {trial} and {seed}; a trial is told its name by ${trialSpec.Name}");
        if (p && braces % 2) {
            buf_addf(&out, "${trialParameters.%s}", p->name);
            set(used, p->name, json_true());
        } else if (braces) {
            buf_add(&out, from, open - braces + braces / 2); /* doubled braces are single ones */
            buf_add(&out, from + open, len);
            buf_add(&out, from + open + len, braces / 2);
        } else {
            buf_add(&out, from, open + len + close);
            from += open + len + close;
            continue;
        }
        from += open + len + braces;
    }
    return buf_take(&out);
}

static json_t *words(const struct writer *w, json_t *used)
{
    const json_t *command = json_object_get(w->spec->run, "command");
    json_t *list = json_is_string(command) ? json_pack("[s, s]", "sh", "-c") : json_array(), *item;
    size_t i;
    if (json_is_string(command)) {
        char *line CLEANUP_FREE = to_placeholders(w, json_string_value(command), "/run/command", used);
        (void)json_array_append_new(list, json_string(line));
        problems_warn(w->problems, "/run/command", "DIFFERS", NULL, "Katib pastes values into the script as they are, without quotes");
    }
    json_array_foreach((json_t *)(uintptr_t)command, i, item)
    {
        char *pointer CLEANUP_FREE = pointer_index("/run/command", i), *word CLEANUP_FREE = to_placeholders(w, json_string_value(item), pointer, used);
        (void)json_array_append_new(list, json_string(word));
    }
    return list;
}

/* Of the file of results in a container, malloced; NULL: there is none. */
static char *results_path(const struct writer *w)
{
    const char *path = json_string_value(json_object_get(json_object_get(w->spec->run, "metrics"), "path"));
    return !path ? NULL : *path == '/' ? x_strdup(path) : x_asprintf("/katib/%s", path);
}

static json_t *variables(const struct writer *w, json_t *used)
{
    json_t *list = json_array(), *value;
    const char *name;
    char *file CLEANUP_FREE = results_path(w);
    if (file)
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", "HONE_METRICS_FILE", "value", file));
    json_object_foreach(json_object_get(w->spec->run, "env"), name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join("/run/env", name), *shown CLEANUP_FREE = to_placeholders(w, json_string_value(value), pointer, used);
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "value", shown));
    }
    return list;
}

static void write_collector(struct writer *w)
{
    const json_t *metrics = json_object_get(w->spec->run, "metrics"), *filters = json_object_get(metrics, "filters");
    const char *from = json_string_value(json_object_get(metrics, "from")), *path = json_string_value(json_object_get(metrics, "path"));
    const char *format = json_string_value(json_object_get(metrics, "format"));
    bool file = from && !strcmp(from, "file"), json = format && !strcmp(format, "json");
    json_t *source = json_object();
    char *full CLEANUP_FREE = results_path(w);
    if (full && *path != '/')
        problems_warn(w->problems, "/run/metrics/path", "DIFFERS", NULL, "becomes %s, as Katib wants it; HONE_METRICS_FILE tells it to the trial", full);
    if (json && !file)
        lost(w, "/run/metrics/format", "Katib reads JSON from a file only");
    if (file)
        set(source, "fileSystemPath", json_pack("{s:s, s:s, s:s}", "kind", "File", "path", full ? full : "", "format", json ? "JSON" : "TEXT"));
    if (filters)
        set(source, "filter", json_pack("{s:O}", "metricsFormat", filters));
    json_t *out = json_pack("{s:{s:s}}", "collector", "kind", file ? "File" : "StdOut");
    if (json_object_size(source))
        set(out, "source", json_incref(source));
    json_decref(source);
    set(w->out, "metricsCollectorSpec", out);
}

static void write_template(struct writer *w, const char *image)
{
    const json_t *run = w->spec->run;
    if (!run) {
        lost(w, "/run", "without a command (run), Katib has nothing to start");
        return;
    }
    json_t *used = json_object(), *list = json_array();
    json_t *container = json_pack("{s:s, s:s, s:o}", "name", CONTAINER, "image", image ? image : "", "command", words(w, used)), *env = variables(w, used);
    if (!image)
        problems_add(w->problems, "/run", "REQUIRED", "--image IMAGE", "runs programs of this machine; a Katib file must say an image that has them");
    if (json_array_size(env))
        set(container, "env", json_incref(env));
    json_decref(env);
    if (json_object_get(run, "cwd"))
        set(container, "workingDir", json_incref(json_object_get(run, "cwd")));
    for (size_t i = 0; i < w->spec->space->n; i++) {
        const char *name = w->spec->space->params[i].name;
        char *pointer CLEANUP_FREE = pointer_join("/parameters", name);
        if (json_object_get(used, name))
            (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "reference", name));
        else
            lost(w, pointer, "Katib gives parameters in the command or env alone, and neither names this one");
    }
    json_t *pod = json_pack("{s:[o], s:s, s:I}", "containers", container, "restartPolicy", "Never", "terminationGracePeriodSeconds",
                            (json_int_t)ceil(json_number_value(json_object_get(run, "grace"))));
    json_t *job = json_pack("{s:I, s:{s:o}}", "backoffLimit", json_integer_value(json_object_get(run, "retries")), "template", "spec", pod);
    if (w->spec->trial_time_limit_s > 0)
        set(job, "activeDeadlineSeconds", json_integer((json_int_t)ceil(w->spec->trial_time_limit_s)));
    set(w->out, "trialTemplate",
        json_pack("{s:s, s:o, s:{s:s, s:s, s:o}}", "primaryContainerName", CONTAINER, "trialParameters", list, "trialSpec", "apiVersion", "batch/v1", "kind", "Job",
                  "spec", job));
    json_decref(used);
}

static void write_rest(struct writer *w)
{
    const struct spec *s = w->spec;
    if (s->time_limit_s > 0)
        lost(w, "/limits/time", "Katib has no end of time for an experiment");
    if (s->replicates > 1)
        lost(w, "/trials/replicates", "Katib runs each configuration once");
    if (*s->note)
        problems_warn(w->problems, "/note", "DIFFERS", NULL, "is left out");
    if (json_object_size(json_object_get(s->run, "limits")))
        problems_warn(w->problems, "/run/limits", "DIFFERS", NULL, "are left out: in a cluster a container's resources say them");
}

static json_t *metadata(const struct writer *w)
{
    const struct spec *s = w->spec;
    json_t *out = json_pack("{s:s}", "name", s->name);
    if (strlen(s->name) > 40 || strchr(s->name, '.') || (*s->name >= '0' && *s->name <= '9') || !*s->name)
        problems_add(w->problems, "/name", "NAME", NULL, "is \"%s\", Katib wants a letter first, no dots, and at most 40 in all", s->name);
    if (json_object_size(s->labels))
        set(out, "labels", json_incref(s->labels));
    if (json_object_size(s->annotations))
        set(out, "annotations", json_incref(s->annotations));
    return out;
}

/* The file it was, with the name and the counts that it has now. */
static json_t *original(const struct spec *s, const json_t *source)
{
    json_t *out = json_deep_copy(source), *spec = json_object_get(out, "spec"), *meta = json_object_get(out, "metadata");
    const json_t *config = json_object_get(spec, "trialConfig");
    if (*s->name && json_is_object(meta))
        set(meta, "name", json_string(s->name));
    if (config && s->max_trials)
        set((json_t *)(uintptr_t)config, "numTrials", json_integer(s->max_trials));
    else if (spec && !config)
        write_counts(spec, s->max_trials, s->parallel, s->max_failed);
    return out;
}

json_t *convert_to_katib(const json_t *document, const char *image, const struct catalog *catalog, struct problems *problems)
{
    struct spec *s = spec_new(document, catalog, problems);
    const json_t *source = s ? json_object_get(s->document, "source") : NULL;
    json_t *out = source ? original(s, source) : NULL;
    if (s && !source) {
        struct writer w = {.spec = s, .out = json_object(), .problems = problems};
        json_t *meta = metadata(&w);
        write_objective(&w);
        write_algorithm(&w);
        write_stopping(&w);
        write_counts(w.out, s->max_trials, s->parallel, s->max_failed);
        write_space(&w);
        write_template(&w, image);
        if (s->run)
            write_collector(&w);
        write_rest(&w);
        out = json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", KATIB_API_VERSION, "kind", "Experiment", "metadata", meta, "spec", w.out);
    }
    spec_free(s);
    return out;
}
