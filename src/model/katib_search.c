/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spec.algorithm and spec.earlyStopping: Katib's names and settings in ours. */
#include "model/katib_part.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SETTINGS 64
#define MAX_ENTRIES 64
#define MAX_SEED 9007199254740991.0

enum kind { KIND_NUMBER, KIND_WHOLE, KIND_WORD, KIND_ANY };

/* A setting of Katib's. `ours`: what it is here; NULL: nothing, and `differs` says why (NULL: it makes no difference). "seed" is the experiment's. */
struct known {
    const char *name;
    enum kind kind;
    double min, max;
    const char *words; /* " GP RF " */
    const char *ours, *differs;
};

static const struct known none[] = {{0}};
static const struct known seed_only[] = {{"random_state", KIND_WHOLE, 0, MAX_SEED, NULL, "seed", NULL}, {0}};
#define TPE_SETTINGS                                                                    \
    {"n_startup_trials", KIND_WHOLE, 0, 1e4, NULL, "n_startup_trials", NULL},           \
    {"n_ei_candidates", KIND_WHOLE, 0, 1e9, NULL, "n_candidates", NULL},                \
    {"random_state", KIND_WHOLE, 0, MAX_SEED, NULL, "seed", NULL}
static const struct known tpe_settings[] = {
    TPE_SETTINGS,
    {"n_EI_candidates", KIND_WHOLE, 1, 1e9, NULL, "n_candidates", NULL},
    {"gamma", KIND_NUMBER, 1e-300, 1, NULL, NULL, "is not followed: it is a share of the square root of the number of trials there, of the number here"},
    {"prior_weight", KIND_NUMBER, 1e-300, 1e300, NULL, NULL, "is not followed: the prior has a fixed weight here"},
    {0},
};
static const struct known multivariate_settings[] = {TPE_SETTINGS, {0}};
static const struct known bayes_settings[] = {
    {"base_estimator", KIND_WORD, 0, 0, " GP RF ET GBRT ", NULL, NULL},
    {"n_initial_points", KIND_WHOLE, 0, 1e4, NULL, "n_initial_points", NULL},
    {"acq_func", KIND_WORD, 0, 0, " gp_hedge LCB EI PI EIps PIps ", "acquisition", NULL},
    {"acq_optimizer", KIND_WORD, 0, 0, " auto sampling lbfgs ", NULL, NULL},
    {"random_state", KIND_WHOLE, 0, MAX_SEED, NULL, "seed", NULL},
    {0},
};
static const struct known cmaes_settings[] = {
    {"random_state", KIND_WHOLE, 0, MAX_SEED, NULL, "seed", NULL},
    {"sigma", KIND_NUMBER, 1e-300, 1e300, NULL, NULL, "is not followed: it is in units of the parameters there, a part of their ranges here"},
    {"restart_strategy", KIND_WORD, 0, 0, " none None ipop bipop ", "restart_strategy", NULL},
    {0},
};
static const struct known hyperband_settings[] = {
    {"r_l", KIND_NUMBER, 0, 1e12, NULL, NULL, NULL},
    {"resource_name", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {"eta", KIND_NUMBER, -1e12, 1e12, NULL, NULL, NULL},
    /* where Katib keeps its state */
    {"s_max", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {"b_l", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {"r", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {"n", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {"current_s", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {"current_i", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {"evaluating_trials", KIND_ANY, 0, 0, NULL, NULL, NULL},
    {0},
};
static const struct known pbt_settings[] = {
    {"suggestion_trial_dir", KIND_ANY, 0, 0, NULL, NULL, "is not followed: a trial finds its checkpoints in the directory that HONE_CHECKPOINT_DIR names"},
    {"n_population", KIND_WHOLE, 5, 1000, NULL, "n_population", NULL},
    {"truncation_threshold", KIND_NUMBER, 0, 1, NULL, "truncation_threshold", NULL},
    {"resample_probability", KIND_NUMBER, 0, 1, NULL, "resample_probability", NULL},
    {0},
};
static const struct known median_settings[] = {
    {"min_trials_required", KIND_WHOLE, 1, 1000, NULL, "min_trials_required", NULL},
    {"start_step", KIND_WHOLE, 1, 1e9, NULL, "start_step", NULL},
    {0},
};

static const struct {
    const char *name, *ours;
    const struct known *settings;
    const char *differs, *unsupported;
} algorithms[] = {
    {"random", "random", seed_only, NULL, NULL},
    {"grid", "grid", seed_only, NULL, NULL},
    {"sobol", "sobol", none, NULL, NULL},
    {"tpe", "tpe", tpe_settings, NULL, NULL},
    {"multivariate-tpe", "tpe", multivariate_settings, NULL, NULL},
    {"cmaes", "cmaes", cmaes_settings, NULL, NULL},
    {"bayesianoptimization", "gp", bayes_settings,
     "follows the distribution and step of every parameter; with Katib all doubles are drawn log-uniformly. Where that was meant, write distribution: logUniform", NULL},
    {"hyperband", "random", hyperband_settings, NULL, NULL},
    {"pbt", "pbt", pbt_settings,
     "lets each member go on when it is free; Katib waits for whole generations. Only what is taken over is changed, by a tenth of its range", NULL},
    {"enas", NULL, NULL, NULL, "it needs its own images, which are no longer kept up; write what is to be chosen as parameters"},
    {"darts", NULL, NULL, NULL, "it does not search: all its work is in an image that is no longer kept up"},
};

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static bool is_among(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (!strcmp(*names, name))
            return true;
    return false;
}

static const struct catalog_entry *find_entry(const struct catalog_entry *entries, const char *name)
{
    while (entries->name && strcmp(entries->name, name) != 0)
        entries++;
    return entries->name ? entries : NULL;
}

static const struct setting *find_setting(const struct catalog_entry *entry, const char *name)
{
    const struct setting *t = entry ? entry->settings : NULL;
    while (t && t->name && strcmp(t->name, name) != 0)
        t++;
    return t && t->name ? t : NULL;
}

/* A list of {name, value}. */
struct listed {
    struct katib *k;
    json_t *values; /* name -> [text, index] */
    char *pointer;
};

static struct listed read_list(struct katib *k, const struct reader *r, const char *member)
{
    static const char *const setting_members[] = {"name", "value", NULL};
    struct listed l = {.k = k, .values = json_object(), .pointer = pointer_join(r->pointer, member)};
    const json_t *list = reader_list(r, member, MAX_SETTINGS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *place CLEANUP_FREE = pointer_index(l.pointer, i);
        struct reader item = reader_open(json_array_get(list, i), place, setting_members, k->problems);
        const char *name = reader_text(&item, "name", KATIB_MAX_TEXT, NULL);
        char *value CLEANUP_FREE = katib_text(reader_find(&item, "value"));
        if (item.object && !reader_find(&item, "name"))
            reader_bad(&item, "name", "REQUIRED", NULL, "is missing");
        if (item.object && !value)
            reader_bad(&item, "value", "REQUIRED", NULL, "is missing; must be a string");
        if (name && json_object_get(l.values, name))
            reader_bad(&item, "name", "DUPLICATE", NULL, "is \"%.100s\", which is set already", name);
        else if (name && value)
            set(l.values, name, json_pack("[s, i]", value, (int)i));
        reader_close(&item);
    }
    return l;
}

static void close_list(struct listed *l)
{
    json_decref(l->values);
    free(l->pointer);
}

static const char *value_of(const struct listed *l, const char *name)
{
    return json_string_value(json_array_get(json_object_get(l->values, name), 0));
}

/* Where the setting is; malloced. */
static char *place_of(const struct listed *l, const char *name, const char *member)
{
    const json_t *entry = json_object_get(l->values, name);
    return entry ? x_asprintf("%s/%lld/%s", l->pointer, (long long)json_integer_value(json_array_get(entry, 1)), member) : x_strdup(l->pointer);
}

static void bad(const struct listed *l, const char *name, const char *member, const char *code, const char *hint, const char *detail)
{
    char *place CLEANUP_FREE = place_of(l, name, member);
    problems_add(l->k->problems, place, code, hint, "%s", detail);
}

static void differs(const struct listed *l, const char *name, const char *detail)
{
    char *place CLEANUP_FREE = place_of(l, name, "value");
    problems_warn(l->k->problems, place, "DIFFERS", NULL, "%s", detail);
}

static bool value_ok(const struct listed *l, const struct known *t, const char *text)
{
    double number;
    char *word CLEANUP_FREE = x_asprintf(" %s ", text);
    char detail[300];
    if (t->kind == KIND_ANY)
        return true;
    if (t->kind == KIND_WORD) {
        bool ok = !strchr(text, ' ') && *text && strstr(t->words, word);
        (void)snprintf(detail, sizeof detail, "is \"%.60s\", must be one of%s", text, t->words);
        detail[strlen(detail) - (detail[strlen(detail) - 1] == ' ')] = '\0';
        if (!ok)
            bad(l, t->name, "value", "CHOICE", NULL, detail);
        return ok;
    }
    bool is_number = katib_number(text, &number) && (t->kind != KIND_WHOLE || number == floor(number));
    if (is_number && number >= t->min && number <= t->max)
        return true;
    (void)snprintf(detail, sizeof detail, "is \"%.60s\", must be a %snumber", text, t->kind == KIND_WHOLE ? "whole " : "");
    if (is_number)
        (void)snprintf(detail, sizeof detail, "is %.60s, must be from %.6g to %.6g", text, t->min > 1e-100 || t->min < 0 ? t->min : 0, t->max);
    bad(l, t->name, "value", is_number ? "RANGE" : "TYPE", NULL, detail);
    return false;
}

/* Settings that Katib has no more meaning for than we: each is known, right, and put under our name. */
static void copy_settings(const struct listed *l, const struct known *known, const struct catalog_entry *entry, const char *native, json_t *out)
{
    const char *name, *names[MAX_SETTINGS] = {0};
    json_t *value;
    for (size_t i = 0; known[i].name; i++)
        names[i] = known[i].name;
    json_object_foreach(l->values, name, value)
    {
        const struct known *t = known;
        const char *text = value_of(l, name);
        while (t->name && strcmp(t->name, name) != 0)
            t++;
        char *detail CLEANUP_FREE = x_asprintf("there is no setting \"%.100s\" here", name);
        if (!t->name)
            bad(l, name, "name", "UNKNOWN_SETTING", did_you_mean(name, names), detail);
        if (!t->name || !value_ok(l, t, text))
            continue;
        if (t->differs)
            differs(l, name, t->differs);
        char *place CLEANUP_FREE = place_of(l, name, "value");
        char *at CLEANUP_FREE = t->ours && strcmp(t->ours, "seed") != 0 ? x_asprintf("%s/settings/%s", native, t->ours) : NULL;
        if (at && find_setting(entry, t->ours))
            set(out, t->ours, json_string(text));
        else if (t->ours && !at)
            set(l->k->native, "seed", json_integer((json_int_t)strtod(text, NULL)));
        katib_map(l->k, at ? at : "/seed", place);
    }
}

/* A name that is ours and not Katib's may stand in a Katib file too, with our settings. */
static void copy_own(const struct listed *l, const char *native, json_t *out)
{
    const char *name;
    json_t *value;
    json_object_foreach(l->values, name, value)
    {
        char *place CLEANUP_FREE = place_of(l, name, "value"), *at CLEANUP_FREE = x_asprintf("%s/settings/%s", native, name);
        set(out, name, json_string(value_of(l, name)));
        katib_map(l->k, at, place);
    }
}

static void adapt(const struct listed *l, const char *name, json_t *settings)
{
    const char *estimator = value_of(l, "base_estimator"), *acquisition = json_object_get(settings, "acquisition") ? value_of(l, "acq_func") : NULL;
    const json_t *startup = json_object_get(settings, "n_startup_trials"), *candidates = json_object_get(settings, "n_candidates");
    if (estimator && strcmp(estimator, "GP") != 0)
        differs(l, "base_estimator", "is not followed: the model is always a Gaussian process here");
    if (acquisition)
        set(settings, "acquisition", json_string(!strcmp(acquisition, "EI") ? "ei" : !strcmp(acquisition, "LCB") ? "bound" : "mixed"));
    if (acquisition && !strncmp(acquisition, "PI", 2))
        differs(l, "acq_func", "is not there; expected improvement and a confidence bound are used in turn");
    if (startup && strtod(json_string_value(startup), NULL) < 1)
        set(settings, "n_startup_trials", json_integer(1));
    if (candidates && strtod(json_string_value(candidates), NULL) > 1000)
        set(settings, "n_candidates", json_integer(1000));
    if (!strcmp(name, "pbt")) {
        static const char *const required[] = {"suggestion_trial_dir", "n_population", "truncation_threshold"};
        for (size_t i = 0; i < ARRAY_LEN(required); i++) {
            char *detail CLEANUP_FREE = x_asprintf("has no %s, which pbt needs", required[i]);
            if (!value_of(l, required[i]))
                bad(l, required[i], "value", "REQUIRED", NULL, detail);
        }
        const char *share = value_of(l, "truncation_threshold");
        if (share && strtod(share, NULL) > 0.5)
            set(settings, "truncation_threshold", json_real(0.5)); /* no more than half can take over from the other half */
        if (!value_of(l, "resample_probability"))
            set(settings, "resample_probability", json_integer(0)); /* Katib then only moves them */
    }
    if (!strcmp(name, "cmaes")) {
        const char *restarts = value_of(l, "restart_strategy");
        set(settings, "restart_strategy", json_string(!restarts || !strcmp(restarts, "None") ? "none" : restarts)); /* Katib's default is none */
    }
}

/* Katib's hyperband starts trials anew with more of a resource; here a trial is given all of it and stopped on its way. */
static void read_hyperband(const struct listed *l, const struct reader *r, const char *member)
{
    struct katib *k = l->k;
    const char *resource = value_of(l, "resource_name"), *longest = value_of(l, "r_l"), *eta = value_of(l, "eta");
    double number = 0, factor = 3;
    if (!resource)
        bad(l, "resource_name", "value", "REQUIRED", NULL, "has no resource_name, which says the parameter that makes a trial longer");
    else if (!json_object_get(k->search, resource))
        bad(l, "resource_name", "value", "UNKNOWN_PARAMETER", NULL, "does not name a parameter");
    if (!longest)
        bad(l, "r_l", "value", "REQUIRED", NULL, "has no r_l, the largest value of the resource");
    else if (katib_number(longest, &number) && !(number >= 1))
        bad(l, "r_l", "value", "RANGE", NULL, "must be at least 1");
    if (eta && katib_number(eta, &factor) && factor != floor(factor))
        differs(l, "eta", "is rounded to a whole number");
    factor = factor > 0 ? fmin(fmax(round(factor), 2), 100) : 3;
    if (!resource || !(number >= 1) || !json_object_get(k->search, resource))
        return;
    int64_t top = (int64_t)number;
    set(json_object_get(k->native, "parameters"), resource, json_pack("{s:s, s:[I]}", "type", "categorical", "values", (json_int_t)top));
    set(k->native, "stopping",
        json_pack("{s:s, s:{s:I, s:I}}", "name", "hyperband", "settings", "reduction_factor", (json_int_t)factor, "max_resource", (json_int_t)top));
    katib_map(k, "/stopping", "/spec/algorithm/algorithmSettings");
    katib_warn(r, member,
               "is a stopping rule here: every trial is given %s=%lld, and is stopped on its way when others are better. It must report its metric at each "
               "step (step= or epoch=)",
               resource, (long long)top);
}

/* How an algorithm or a rule of the catalog is reported as absent. */
static void unknown_name(const struct reader *r, const char *member, const char *name, const char *const *names)
{
    struct buf list = BUF_INIT;
    for (size_t i = 0; names[i]; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", names[i]);
    reader_bad(r, member, "CHOICE", did_you_mean(name, names), "is \"%.100s\", must be one of %s", name, list.data ? list.data : "");
    buf_release(&list);
}

void katib_algorithm(struct katib *k, const struct reader *r, const char *member, const char *settings)
{
    const char *name = reader_text(r, member, KATIB_MAX_TEXT, NULL), *names[ARRAY_LEN(algorithms) + MAX_ENTRIES + 1] = {0};
    struct listed l = read_list(k, r, settings);
    char *place CLEANUP_FREE = pointer_join(r->pointer, member);
    json_t *out = json_object();
    size_t i = 0, n = 0;
    for (size_t j = 0; j < ARRAY_LEN(algorithms); j++)
        names[n++] = algorithms[j].name;
    for (size_t j = 0; j < MAX_ENTRIES && k->catalog->algorithms[j].name; j++)
        if (!is_among(names, k->catalog->algorithms[j].name))
            names[n++] = k->catalog->algorithms[j].name;
    if (r->object && !reader_find(r, member))
        reader_bad(r, member, "REQUIRED", NULL, "is missing");
    while (name && i < ARRAY_LEN(algorithms) && strcmp(algorithms[i].name, name) != 0)
        i++;
    const char *ours = !name ? NULL : i < ARRAY_LEN(algorithms) ? algorithms[i].ours : name;
    const struct catalog_entry *entry = ours ? find_entry(k->catalog->algorithms, ours) : NULL;
    katib_map(k, "/algorithm", place);
    if (name && i < ARRAY_LEN(algorithms) && !entry)
        reader_bad(r, member, "UNSUPPORTED", NULL, "is %s, which is not supported, because %s", name,
                   algorithms[i].unsupported ? algorithms[i].unsupported : "this build has no such algorithm");
    else if (name && !entry)
        unknown_name(r, member, name, names);
    else if (name && i == ARRAY_LEN(algorithms))
        copy_own(&l, "/algorithm", out);
    else if (name) {
        copy_settings(&l, algorithms[i].settings, entry, "/algorithm", out);
        adapt(&l, ours, out);
        if (algorithms[i].settings == hyperband_settings)
            read_hyperband(&l, r, member);
        if (algorithms[i].differs)
            katib_warn(r, member, "%s", algorithms[i].differs);
    }
    if (entry)
        set(k->native, "algorithm", json_pack("{s:s, s:O}", "name", ours, "settings", out));
    json_decref(out);
    close_list(&l);
}

static void read_stopping(struct katib *k)
{
    static const char *const members[] = {"algorithmName", "algorithmSettings", NULL};
    struct reader r = reader_enter(&k->spec, "earlyStopping", members);
    const char *name = reader_text(&r, "algorithmName", KATIB_MAX_TEXT, NULL), *names[MAX_ENTRIES + 2] = {"medianstop"};
    for (size_t i = 0; i < MAX_ENTRIES && k->catalog->stoppers[i].name; i++)
        names[i + 1] = k->catalog->stoppers[i].name;
    struct listed l = read_list(k, &r, "algorithmSettings");
    bool is_median = name && !strcmp(name, "medianstop");
    const char *ours = is_median ? "median" : name;
    const struct catalog_entry *entry = ours ? find_entry(k->catalog->stoppers, ours) : NULL;
    json_t *out = json_object();
    if (r.object && !reader_find(&r, "algorithmName"))
        reader_bad(&r, "algorithmName", "REQUIRED", NULL, "is missing");
    if (name && !entry)
        unknown_name(&r, "algorithmName", name, names);
    else if (name && json_object_get(k->native, "stopping"))
        reader_bad(&r, "algorithmName", "CONFLICT", NULL, "stands beside algorithm hyperband, which stops trials too; keep one of them");
    else if (is_median)
        copy_settings(&l, median_settings, entry, "/stopping", out);
    else if (name)
        copy_own(&l, "/stopping", out);
    if (is_median && entry)
        katib_warn(&r, "algorithmName",
                   "compares at every report with the median of the others at the same step; Katib's compares once, with the mean of their first start_step values");
    if (entry && !json_object_get(k->native, "stopping")) {
        katib_map(k, "/stopping", "/spec/earlyStopping/algorithmName");
        set(k->native, "stopping", json_pack("{s:s, s:O}", "name", ours, "settings", out));
    }
    json_decref(out);
    close_list(&l);
    reader_close(&r);
}

void katib_search(struct katib *k)
{
    static const char *const members[] = {"algorithmName", "algorithmSettings", NULL};
    struct reader r = reader_enter(&k->spec, "algorithm", members);
    if (!reader_find(&k->spec, "algorithm"))
        reader_bad(&k->spec, "algorithm", "REQUIRED", NULL, "is missing");
    katib_algorithm(k, &r, "algorithmName", "algorithmSettings");
    reader_close(&r);
    read_stopping(k);
}
