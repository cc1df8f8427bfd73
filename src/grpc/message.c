/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grpc/message.h"

#include "base/mem.h"
#include "model/katib.h"
#include "model/space_param.h"
#include "model/template.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

/* Nobody has checked that a text is UTF-8; one that is not is told as wrong by whoever looks at it. */
static json_t *text(const char *s)
{
    json_t *out = json_string(s);
    return out ? out : json_string("(not UTF-8)");
}

static void set_text(json_t *object, const char *member, const char *s)
{
    if (*s)
        set(object, member, text(s));
}

static const char *word(const char *const *words, size_t n, int i)
{
    return i >= 0 && (size_t)i < n && words[i] ? words[i] : "unknown";
}

static json_t *parameter(const Katib__ParameterSpec *p)
{
    static const char *const types[] = {NULL, "double", "int", "discrete", "categorical"}, *const distributions[] = {NULL, "uniform", "logUniform", "normal", "logNormal"};
    json_t *space = json_object();
    if (p->feasible_space) {
        const Katib__FeasibleSpace *f = p->feasible_space;
        set_text(space, "min", f->min);
        set_text(space, "max", f->max);
        set_text(space, "step", f->step);
        if (f->distribution)
            set(space, "distribution", json_string(word(distributions, ARRAY_LEN(distributions), (int)f->distribution)));
        json_t *list = f->n_list ? json_array() : NULL;
        for (size_t i = 0; i < f->n_list; i++)
            (void)json_array_append_new(list, text(f->list[i]));
        if (list)
            set(space, "list", list);
    }
    return json_pack("{s:o, s:s, s:o}", "name", text(p->name), "parameterType", word(types, ARRAY_LEN(types), (int)p->parameter_type), "feasibleSpace", space);
}

static json_t *algorithm(const Katib__AlgorithmSpec *a)
{
    json_t *list = json_array();
    for (size_t i = 0; i < a->n_algorithm_settings; i++)
        (void)json_array_append_new(list, json_pack("{s:o, s:o}", "name", text(a->algorithm_settings[i]->name), "value", text(a->algorithm_settings[i]->value)));
    return json_pack("{s:o, s:o}", "algorithmName", text(a->algorithm_name), "algorithmSettings", list);
}

/* A file must say how to run; here the parameters are only named, so that they count as used. */
static json_t *template(json_t *parameters)
{
    json_t *references = json_array(), *command = json_pack("[s]", "true"), *p;
    size_t i;
    json_array_foreach(parameters, i, p)
    {
        (void)json_array_append_new(references, json_pack("{s:o, s:O}", "name", json_sprintf("p%zu", i), "reference", json_object_get(p, "name")));
        (void)json_array_append_new(command, json_sprintf("${trialParameters.p%zu}", i));
    }
    return json_pack("{s:s, s:o, s:{s:s, s:s, s:{s:{s:{s:[{s:s, s:s, s:o}]}}}}}", "primaryContainerName", "trial", "trialParameters", references, "trialSpec", "apiVersion", "batch/v1",
                     "kind", "Job", "spec", "template", "spec", "containers", "name", "trial", "image", "none", "command", command);
}

json_t *message_document(const Katib__Experiment *e)
{
    static const char *const types[] = {NULL, "minimize", "maximize"};
    const Katib__ExperimentSpec *s = e->spec;
    json_t *parameters = json_array(), *spec = json_object();
    for (size_t i = 0; s && s->parameter_specs && i < s->parameter_specs->n_parameters; i++)
        (void)json_array_append_new(parameters, parameter(s->parameter_specs->parameters[i]));
    set(spec, "trialTemplate", template(parameters));
    if (s && s->nas_config)
        set(spec, "nasConfig", json_object());
    else
        set(spec, "parameters", json_incref(parameters));
    json_decref(parameters);
    if (s && s->objective) /* its goal is 0 when there is none, so it cannot be told, and nothing here needs it */
        set(spec, "objective", json_pack("{s:s, s:o}", "type", word(types, ARRAY_LEN(types), (int)s->objective->type), "objectiveMetricName", text(s->objective->objective_metric_name)));
    if (s && s->algorithm)
        set(spec, "algorithm", algorithm(s->algorithm));
    if (s && s->early_stopping && *s->early_stopping->algorithm_name)
        set(spec, "earlyStopping", algorithm(s->early_stopping));
    if (s && s->parallel_trial_count > 0)
        set(spec, "parallelTrialCount", json_integer(s->parallel_trial_count));
    if (s && s->max_trial_count > 0)
        set(spec, "maxTrialCount", json_integer(s->max_trial_count));
    return json_pack("{s:s, s:s, s:{s:o}, s:o}", "apiVersion", KATIB_API_VERSION, "kind", "Experiment", "metadata", "name", text(*e->name ? e->name : "experiment"), "spec", spec);
}

static json_t *level_value(const struct param *p, const char *given)
{
    for (int64_t k = 0; k < p->n_levels; k++) {
        json_t *value = param_level_json(p, k);
        char *shown CLEANUP_FREE = template_value(value);
        if (!strcmp(shown, given))
            return value;
        json_decref(value);
    }
    return NULL;
}

json_t *message_value(const struct param *p, const char *given)
{
    char *end;
    errno = 0;
    double number = strtod(given, &end);
    bool is_number = end != given && !*end && !errno;
    if (p->type == PARAM_CATEGORICAL || p->type == PARAM_BOOL)
        return level_value(p, given);
    if (!is_number || !(fabs(number) < 9e15))
        return NULL;
    return p->type == PARAM_INT ? json_integer((json_int_t)number) : json_real(number);
}

void message_write(const ProtobufCMessage *m, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *packed CLEANUP_FREE = x_malloc(len ? len : 1);
    (void)protobuf_c_message_pack(m, packed);
    buf_add(out, (const char *)packed, len);
}
