/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/wandb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/reader.h"
#include "model/spec.h"
#include "model/template.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { ASSUMED_TRIALS = 100, MAX_TEXT = 65536 };

static const char *const members[] = {"program",    "entity",          "project", "name",    "description", "method", "metric",   "parameters", "early_terminate",
                                      "command",    "run_cap",         "controller", "trials", "limits",   "stopping", "seed", "labels",     "run",
                                      NULL};
static const char *const metric_members[] = {"name", "goal", "target", "impute", "impute_while_running", NULL};
static const char *const parameter_members[] = {"value", "values", "probabilities", "distribution", "min", "max", "q", "mu", "sigma", "parameters", NULL};
static const char *const terminate_members[] = {"type", "min_iter", "max_iter", "s", "eta", "strict", NULL};
static const char *const methods[] = {"grid", "random", "bayes", NULL};
static const char *const algorithms[] = {"grid", "random", "gp"};
static const char *const goals[] = {"minimize", "maximize", NULL};

struct sweep {
    struct reader top;
    json_t *native, *places;
    json_t *constants; /* name -> value: parameters that do not vary */
    struct problems *problems;
};

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static void map(struct sweep *s, const char *native, const char *place)
{
    set(s->places, native, json_string(place));
}

bool wandb_is(const json_t *document)
{
    return json_is_string(json_object_get(document, "method"));
}

/* --- parameters */

enum kind { KIND_CONSTANT, KIND_CATEGORICAL, KIND_UNIFORM, KIND_NORMAL, KIND_OTHER };

/* `log`: of the value. `exponents`: its bounds are natural logarithms. */
struct distribution {
    const char *name;
    enum kind kind;
    bool whole, log, exponents, steps;
};

static const struct distribution distributions[] = {
    {.name = "constant", .kind = KIND_CONSTANT},
    {.name = "categorical", .kind = KIND_CATEGORICAL},
    {.name = "categorical_w_probabilities", .kind = KIND_CATEGORICAL},
    {.name = "int_uniform", .kind = KIND_UNIFORM, .whole = true},
    {.name = "uniform", .kind = KIND_UNIFORM},
    {.name = "q_uniform", .kind = KIND_UNIFORM, .steps = true},
    {.name = "log_uniform", .kind = KIND_UNIFORM, .log = true, .exponents = true},
    {.name = "log_uniform_values", .kind = KIND_UNIFORM, .log = true},
    {.name = "q_log_uniform", .kind = KIND_UNIFORM, .log = true, .exponents = true, .steps = true},
    {.name = "q_log_uniform_values", .kind = KIND_UNIFORM, .log = true, .steps = true},
    {.name = "normal", .kind = KIND_NORMAL},
    {.name = "q_normal", .kind = KIND_NORMAL, .steps = true},
    {.name = "log_normal", .kind = KIND_NORMAL, .log = true},
    {.name = "q_log_normal", .kind = KIND_NORMAL, .log = true, .steps = true},
    {.name = "inv_log_uniform", .kind = KIND_OTHER},
    {.name = "inv_log_uniform_values", .kind = KIND_OTHER},
    {.name = "beta", .kind = KIND_OTHER},
    {.name = "q_beta", .kind = KIND_OTHER},
};

static const struct distribution *find_distribution(const struct reader *r)
{
    const char *names[ARRAY_LEN(distributions) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(distributions); i++)
        names[i] = distributions[i].name;
    const char *fallback = "uniform";
    if (reader_find(r, "value"))
        fallback = "constant";
    else if (reader_find(r, "values"))
        fallback = "categorical";
    else if (json_is_integer(reader_find(r, "min")) && json_is_integer(reader_find(r, "max")))
        fallback = "int_uniform";
    else if (reader_find(r, "mu") || reader_find(r, "sigma"))
        fallback = "normal";
    size_t at = 0;
    while (strcmp(names[at], fallback) != 0)
        at++;
    return &distributions[reader_choice(r, "distribution", names, (int)at)];
}

static json_t *number(double value)
{
    bool whole = value == floor(value) && fabs(value) < 0x1p53;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

/* q_log_uniform_values and the like round to a multiple of q; with q 1 that is a whole number, which is all that can be had on a log scale. */
static void add_steps(const struct reader *r, const struct distribution *d, json_t *out)
{
    double q = reader_number(r, "q", 1);
    if (!(q > 0))
        reader_bad(r, "q", "RANGE", NULL, "must be above 0");
    else if (q == 1)
        set(out, "type", json_string("int"));
    else if (d->log)
        reader_bad(r, "q", "UNSUPPORTED", NULL, "on a log scale only q: 1 (whole numbers) can be kept; leave q out, or use %s",
                   d->kind == KIND_UNIFORM ? "q_uniform" : "q_normal");
    else
        set(out, "step", number(q));
}

static void add_bound(const struct reader *r, const struct distribution *d, const char *member, bool required, json_t *out)
{
    if (!reader_find(r, member)) {
        if (required)
            reader_bad(r, member, "REQUIRED", NULL, "is missing");
        return;
    }
    double value = reader_number(r, member, 0);
    set(out, member, number(d->exponents ? exp(value) : value));
}

static json_t *read_range(const struct reader *r, const struct distribution *d)
{
    json_t *out = json_pack("{s:s}", "type", d->whole ? "int" : "float");
    if (d->kind == KIND_NORMAL) {
        set(out, "distribution", json_string(d->log ? "logNormal" : "normal"));
        set(out, "mu", number(reader_number(r, "mu", 0)));
        set(out, "sigma", number(reader_number(r, "sigma", 1)));
    } else if (d->log) {
        set(out, "scale", json_string("log"));
    }
    add_bound(r, d, "min", d->kind == KIND_UNIFORM, out);
    add_bound(r, d, "max", d->kind == KIND_UNIFORM, out);
    if (d->steps)
        add_steps(r, d, out);
    return out;
}

static json_t *read_values(const struct reader *r)
{
    char found[SHOW_TEXT];
    const json_t *list = reader_list(r, "values", 1000), *value;
    json_t *values = json_array();
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, "values");
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list, i, value)
    {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        if (json_is_string(value) || json_is_number(value) || json_is_boolean(value))
            (void)json_array_append(values, (json_t *)(uintptr_t)value);
        else
            problems_add(r->problems, place, "UNSUPPORTED", NULL,
                         "is %s; values are strings, numbers or truth values. Give each a name, and let the program look it up", json_show(value, found));
    }
    if (!list)
        reader_bad(r, "values", "REQUIRED", NULL, "is missing");
    if (reader_find(r, "probabilities"))
        problems_warn(r->problems, pointer, "DIFFERS", NULL, "all values are equally likely at first: probabilities are not used");
    return json_pack("{s:s, s:o}", "type", "categorical", "values", values);
}

static bool is_constant(struct sweep *s, const struct reader *r, const char *name, const struct distribution *d)
{
    const json_t *values = json_object_get(r->object, "values"), *value = json_object_get(r->object, "value");
    if (!value && d->kind == KIND_CATEGORICAL && json_array_size(values) == 1)
        value = json_array_get(values, 0);
    if (d->kind != KIND_CONSTANT && !(d->kind == KIND_CATEGORICAL && value))
        return false;
    if (value)
        (void)json_object_set(s->constants, name, (json_t *)(uintptr_t)value);
    else
        reader_bad(r, "value", "REQUIRED", NULL, "is missing");
    return true;
}

static json_t *read_parameter(struct sweep *s, const struct reader *r, const char *name)
{
    if (reader_find(r, "parameters")) {
        reader_bad(r, "parameters", "UNSUPPORTED", NULL, "nested parameters are not supported; write them side by side, with a dot in the name: %s.inner", name);
        return NULL;
    }
    const struct distribution *d = find_distribution(r);
    if (is_constant(s, r, name, d))
        return NULL;
    if (d->kind == KIND_OTHER) {
        reader_bad(r, "distribution", "UNSUPPORTED", NULL, "is %s, which is not supported; the nearest are uniform, log_uniform_values, normal and log_normal", d->name);
        return NULL;
    }
    return d->kind == KIND_CATEGORICAL ? read_values(r) : read_range(r, d);
}

static void read_parameters(struct sweep *s)
{
    struct reader all = reader_enter(&s->top, "parameters", NULL);
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)all.object, name, value)
    {
        struct reader r = reader_enter(&all, name, parameter_members);
        json_t *parameter = r.object ? read_parameter(s, &r, name) : NULL;
        if (parameter)
            set(out, name, parameter);
        reader_close(&r);
    }
    reader_close(&all);
    set(s->native, "parameters", out);
    map(s, "/parameters", "/parameters/");
}

/* --- what is looked for, and how */

static void read_metric(struct sweep *s)
{
    struct reader r = reader_enter(&s->top, "metric", metric_members);
    const char *name = reader_text(&r, "name", 128, NULL);
    if (!name && (!r.object || !reader_find(&r, "name")))
        reader_bad(&s->top, "metric", "REQUIRED", NULL, "is missing; write what to optimise, such as {name: loss, goal: minimize}");
    json_t *objective = json_pack("{s:s, s:s}", "metric", name ? name : "loss", "direction", goals[reader_choice(&r, "goal", goals, 0)]);
    if (reader_find(&r, "target"))
        set(objective, "goal", number(reader_number(&r, "target", 0)));
    reader_close(&r);
    set(s->native, "objective", objective);
    map(s, "/objective", "/metric");
}

/* Hyperband of W&B is successive halving by brackets of one sweep: it stops runs at steps, as asha does. */
static void read_early_terminate(struct sweep *s)
{
    struct reader r = reader_enter(&s->top, "early_terminate", terminate_members);
    const char *types[] = {"hyperband", NULL};
    if (r.object) {
        (void)reader_choice(&r, "type", types, 0);
        int64_t eta = reader_int(&r, "eta", 2, 100, 3), brackets = reader_int(&r, "s", 1, 40, 1);
        int64_t least = reader_int(&r, "min_iter", 1, INT64_C(1) << 40, 0), most = reader_int(&r, "max_iter", 1, INT64_C(1) << 40, 0);
        for (int64_t i = 0; !least && i < brackets; i++)
            most = most / eta ? most / eta : 1;
        if (!least && !reader_find(&r, "max_iter"))
            reader_bad(&r, "min_iter", "REQUIRED", NULL, "is missing; write the first step at which a run may be stopped (or max_iter and s)");
        set(s->native, "stopping", json_pack("{s:s, s:{s:I, s:I}}", "name", "asha", "settings", "min_resource", (json_int_t)(least ? least : most),
                                             "reduction_factor", (json_int_t)eta));
    }
    reader_close(&r);
    map(s, "/stopping", "/early_terminate");
}

static void read_counts(struct sweep *s, int method)
{
    int64_t cap = reader_int(&s->top, "run_cap", 1, SPEC_MAX_TRIALS, 0);
    json_t *trials = json_deep_copy(reader_find(&s->top, "trials"));
    if (!trials)
        trials = json_object();
    if (!json_object_get(trials, "max") && (cap || method))
        set(trials, "max", json_integer(cap ? cap : ASSUMED_TRIALS));
    if (!cap && method && !reader_find(&s->top, "trials"))
        problems_warn(s->problems, "/method", "DIFFERS", NULL, "the sweep has no end; %d trials are run. Write run_cap for another number", ASSUMED_TRIALS);
    set(s->native, "trials", trials);
    map(s, "/trials", cap ? "/run_cap" : "/trials/");
}

/* --- the command */

static void add_literal(json_t *command, const char *text)
{
    char *escaped CLEANUP_FREE = template_escape(text);
    (void)json_array_append_new(command, json_string(escaped));
}

/* What stands for a parameter in the command: its placeholder, or its value if it is always the same. Malloced. */
static char *argument_of(const struct sweep *s, const char *name)
{
    const json_t *constant = json_object_get(s->constants, name);
    if (!constant)
        return x_asprintf("{%s}", name);
    bool simple = json_is_string(constant) || json_is_number(constant) || json_is_boolean(constant);
    char *text CLEANUP_FREE = simple ? template_value(constant) : json_dumps(constant, JSON_COMPACT | JSON_ENCODE_ANY);
    return template_escape(text ? text : "");
}

/* --lr={lr}, or lr={lr}, for each. */
static void add_args(struct sweep *s, json_t *command, const char *hyphens)
{
    const char *name;
    json_t *value, *parameters = json_object_get(s->top.object, "parameters");
    json_object_foreach(parameters, name, value)
    {
        char *argument CLEANUP_FREE = argument_of(s, name);
        (void)json_array_append_new(command, json_sprintf("%s%s=%s", hyphens, name, argument));
    }
}

static void add_word(struct sweep *s, json_t *command, const char *word, const char *place)
{
    static const struct {
        const char *macro, *why;
    } unsupported[] = {{"${args_no_boolean_flags}", "leaves a flag out where it is false, which cannot be said here; use ${args}, and let the program read --flag=false"},
                       {"${args_json}", "is not filled in here; the program finds the same text in HONE_PARAMS"},
                       {"${args_json_file}", "is not filled in here; the program finds the name of that file in HONE_PARAMS_FILE"}};
    const char *program = json_string_value(json_object_get(s->top.object, "program"));
    for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
        if (!strcmp(word, unsupported[i].macro))
            problems_add(s->problems, place, "UNSUPPORTED", NULL, "%s %s", word, unsupported[i].why);
    if (!strncmp(word, "${envvar:", 9))
        problems_add(s->problems, place, "UNSUPPORTED", NULL, "%s: the program finds the variable in its own environment", word);
    else if (!strcmp(word, "${env}"))
        (void)json_array_append_new(command, json_string("/usr/bin/env"));
    else if (!strcmp(word, "${interpreter}"))
        (void)json_array_append_new(command, json_string("python3"));
    else if (!strcmp(word, "${program}") && program)
        add_literal(command, program);
    else if (!strcmp(word, "${program}"))
        problems_add(s->problems, place, "REQUIRED", NULL, "${program}: the file has no member program");
    else if (!strcmp(word, "${args}") || !strcmp(word, "${args_no_hyphens}"))
        add_args(s, command, strcmp(word, "${args}") ? "" : "--");
    else
        add_literal(command, word);
}

static json_t *read_command(struct sweep *s)
{
    static const char *const usual[] = {"${env}", "${interpreter}", "${program}", "${args}"};
    const json_t *given = reader_list(&s->top, "command", 1000), *word;
    json_t *command = json_array();
    size_t i;
    for (i = 0; !given && i < ARRAY_LEN(usual); i++)
        add_word(s, command, usual[i], "/program");
    json_array_foreach((json_t *)(uintptr_t)given, i, word)
    {
        bool simple = !json_is_object(word) && !json_is_array(word) && !json_is_null(word);
        char *place CLEANUP_FREE = pointer_index("/command", i), *text CLEANUP_FREE = simple ? template_value(word) : NULL;
        if (text)
            add_word(s, command, text, place);
        else
            problems_add(s->problems, place, "TYPE", NULL, "must be a word of the command");
    }
    return command;
}

static void read_run(struct sweep *s)
{
    (void)reader_text(&s->top, "program", MAX_TEXT, NULL);
    if (!reader_find(&s->top, "program") && !reader_find(&s->top, "command"))
        return; /* an agent of the user's own asks for trials */
    json_t *run = json_deep_copy(reader_find(&s->top, "run"));
    if (!json_is_object(run)) {
        json_decref(run);
        run = json_object();
    }
    bool has_metrics = json_object_get(run, "metrics") != NULL;
    set(run, "command", read_command(s));
    set(s->native, "run", run);
    map(s, "/run", "/run/");
    map(s, "/run/command", reader_find(&s->top, "command") ? "/command" : "/program");
    if (!has_metrics)
        problems_warn(s->problems, reader_find(&s->top, "command") ? "/command" : "/program", "DIFFERS", NULL,
                      "wandb.log is not read: the program must print its metric (loss=0.3), or run.metrics must say where else it is");
}

/* --- the rest */

/* A name of ours: W&B lets it be anything. */
static void read_name(struct sweep *s)
{
    const char *name = reader_text(&s->top, "name", SPEC_NAME_MAX * 4, NULL);
    char text[SPEC_NAME_MAX + 1];
    size_t n = 0;
    for (const char *c = name; c && *c && n < SPEC_NAME_MAX; c++)
        if (isalnum((unsigned char)*c) || (n && strchr("-_. ", *c)))
            text[n++] = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
    while (n && text[n - 1] == '-')
        n--;
    text[n] = '\0';
    if (n)
        set(s->native, "name", json_string(text));
    map(s, "/name", "/name");
}

static void pass_on(struct sweep *s)
{
    static const char *const ours[] = {"limits", "stopping", "seed", "labels"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        const json_t *value = reader_find(&s->top, ours[i]);
        char *pointer CLEANUP_FREE = x_asprintf("/%s", ours[i]), *place CLEANUP_FREE = x_asprintf("/%s/", ours[i]);
        if (value)
            set(s->native, ours[i], json_deep_copy(value));
        if (value || strcmp(ours[i], "stopping") != 0)
            map(s, pointer, place);
    }
    const char *note = reader_text(&s->top, "description", MAX_TEXT, NULL);
    if (note)
        set(s->native, "note", json_string(note));
}

json_t *wandb_read(const json_t *document, json_t *places, struct problems *problems)
{
    struct sweep s = {.top = reader_open(document, "", members, problems), .native = json_object(), .places = places, .constants = json_object(), .problems = problems};
    int method = reader_choice(&s.top, "method", methods, 2);
    map(&s, "/", "/parameters");
    read_name(&s);
    read_metric(&s);
    read_parameters(&s);
    set(s.native, "algorithm", json_string(algorithms[method]));
    map(&s, "/algorithm", "/method");
    read_early_terminate(&s);
    read_counts(&s, method);
    read_run(&s);
    pass_on(&s);
    json_decref(s.constants);
    reader_close(&s.top);
    return s.native;
}
