/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grpc/suggestion.h"

#include "base/mem.h"
#include "core/core.h"
#include "grpc/message.h"
#include "health.pb-c.h"
#include "model/template.h"

#include <math.h>
#include <string.h>

#define TRIALS_MAX 100000
#define SUGGESTIONS_MAX 1000

/* ---- an experiment ---- */

static enum grpc_status refuse(struct buf *message, const struct problems *problems)
{
    char place[200];
    for (size_t i = 0; i < problems->n; i++) {
        problems_dotted(problems->items[i].pointer, place, sizeof place);
        buf_addf(message, "%s%s: %s", i ? "; " : "", place, problems->items[i].detail);
    }
    return GRPC_INVALID_ARGUMENT;
}

/* NULL: `message` says why. */
static struct spec *read_experiment(const Katib__Experiment *e, struct buf *message)
{
    struct problems problems = {0};
    if (!e) {
        buf_adds(message, "the request has no experiment");
        return NULL;
    }
    json_t *document = message_document(e);
    struct spec *spec = spec_new(document, core_catalog(), &problems);
    json_decref(document);
    if (!spec)
        (void)refuse(message, &problems);
    else if (spec->n_stopping && strcmp(spec->stopping[0].name, "hyperband") == 0) {
        buf_adds(message, "hyperband needs Hone to run the trials itself: its stopping is not a matter of suggestions; use random, or tpe, here");
        spec_free(spec);
        spec = NULL;
    }
    problems_release(&problems);
    return spec;
}

/* Without random_state: of the experiment's name, so that a restart goes on as before. */
static uint64_t seed_of(const struct spec *spec, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
    return spec->has_seed ? spec->seed : hash >> 11;
}

/* ---- its trials ---- */

static enum trial_state state_of(const Katib__TrialStatus *status)
{
    switch (status ? status->condition : KATIB__TRIAL_STATUS__TRIAL_CONDITION_TYPE__CREATED) {
    case KATIB__TRIAL_STATUS__TRIAL_CONDITION_TYPE__SUCCEEDED:
        return TRIAL_SUCCEEDED;
    case KATIB__TRIAL_STATUS__TRIAL_CONDITION_TYPE__KILLED:
        return TRIAL_CANCELLED;
    case KATIB__TRIAL_STATUS__TRIAL_CONDITION_TYPE__FAILED:
    case KATIB__TRIAL_STATUS__TRIAL_CONDITION_TYPE__METRICSUNAVAILABLE:
        return TRIAL_FAILED;
    case KATIB__TRIAL_STATUS__TRIAL_CONDITION_TYPE__EARLYSTOPPED:
        return TRIAL_PRUNED;
    default:
        return TRIAL_RUNNING;
    }
}

static double value_of(const Katib__Trial *t, const char *metric)
{
    const Katib__Observation *o = t->status ? t->status->observation : NULL;
    for (size_t i = 0; o && i < o->n_metrics; i++) {
        char *end;
        double value = strtod(o->metrics[i]->value, &end);
        if (!strcmp(o->metrics[i]->name, metric) && end != o->metrics[i]->value && !*end)
            return value;
    }
    return NAN;
}

static json_t *params_of(const Katib__Trial *t, const struct space *space)
{
    json_t *params = json_object();
    const Katib__TrialSpec__ParameterAssignments *a = t->spec ? t->spec->parameter_assignments : NULL;
    for (size_t i = 0; a && i < a->n_assignments; i++)
        for (size_t k = 0; k < space->n; k++)
            if (!strcmp(space->params[k].name, a->assignments[i]->name)) {
                json_t *value = message_value(&space->params[k], a->assignments[i]->value);
                if (value)
                    (void)json_object_set_new(params, space->params[k].name, value);
            }
    return params;
}

/* In the order in which they were started: that of arrival must not matter. */
static int compare_trials(const void *a, const void *b)
{
    const Katib__Trial *x = *(const Katib__Trial *const *)a, *y = *(const Katib__Trial *const *)b;
    int order = strcmp(x->status ? x->status->start_time : "", y->status ? y->status->start_time : "");
    return order ? order : strcmp(x->name, y->name);
}

static struct outside_trial *read_trials(Katib__Trial **given, size_t n, const struct spec *spec)
{
    struct outside_trial *trials = x_calloc(n, sizeof *trials);
    if (n)
        qsort(given, n, sizeof *given, compare_trials);
    for (size_t i = 0; i < n; i++) {
        trials[i] = (struct outside_trial){.params = params_of(given[i], spec->space), .state = state_of(given[i]->status), .value = value_of(given[i], spec->objectives[0].metric)};
        if (trials[i].state == TRIAL_SUCCEEDED && isnan(trials[i].value))
            trials[i].state = TRIAL_FAILED;
    }
    return trials;
}

/* ---- Suggestion ---- */

static void write_suggestions(const json_t *list, const struct space *space, struct buf *reply)
{
    size_t n = json_array_size(list), per = space->n;
    Katib__GetSuggestionsReply out = KATIB__GET_SUGGESTIONS_REPLY__INIT;
    Katib__GetSuggestionsReply__ParameterAssignments *sets = x_calloc(n, sizeof *sets), **set_of = x_calloc(n, sizeof *set_of);
    Katib__ParameterAssignment *pairs = x_calloc(n * per, sizeof *pairs), **pair_of = x_calloc(n * per, sizeof *pair_of);
    for (size_t i = 0; i < n; i++) {
        katib__get_suggestions_reply__parameter_assignments__init(&sets[i]);
        set_of[i] = &sets[i];
        sets[i].assignments = &pair_of[i * per];
        for (size_t k = 0; k < per; k++) {
            const json_t *value = json_object_get(json_array_get(list, i), space->params[k].name);
            if (!value)
                continue;
            Katib__ParameterAssignment *a = &pairs[i * per + sets[i].n_assignments];
            katib__parameter_assignment__init(a);
            a->name = space->params[k].name;
            a->value = template_value(value);
            sets[i].assignments[sets[i].n_assignments++] = a;
        }
    }
    out.n_parameter_assignments = n;
    out.parameter_assignments = set_of;
    message_write(&out.base, reply);
    for (size_t i = 0; i < n * per; i++)
        if (pair_of[i])
            free(pair_of[i]->value);
    free(pair_of);
    free(pairs);
    free(set_of);
    free(sets);
}

static enum grpc_status suggest(const Katib__GetSuggestionsRequest *q, const struct spec *spec, struct buf *reply, struct buf *message)
{
    struct error error;
    json_t *list = NULL;
    struct outside_trial *trials = read_trials(q->trials, q->n_trials, spec);
    struct outside o = {.spec = spec, .seed = seed_of(spec, q->experiment->name), .trials = trials, .n_trials = q->n_trials};
    enum err err = core_ask(&o, (size_t)q->current_request_number, &list, &error);
    for (size_t i = 0; i < q->n_trials; i++)
        json_decref((json_t *)(uintptr_t)trials[i].params);
    free(trials);
    if (err) {
        buf_adds(message, error.detail);
        return err == ERR_EXHAUSTED ? GRPC_FAILED_PRECONDITION : err == ERR_INVALID ? GRPC_INVALID_ARGUMENT : GRPC_INTERNAL;
    }
    write_suggestions(list, spec->space, reply);
    json_decref(list);
    return GRPC_OK;
}

static enum grpc_status get_suggestions(const void *request, size_t len, struct buf *reply, struct buf *message)
{
    Katib__GetSuggestionsRequest *q = katib__get_suggestions_request__unpack(NULL, len, request);
    enum grpc_status status = GRPC_INVALID_ARGUMENT;
    struct spec *spec = NULL;
    if (!q)
        buf_adds(message, "the request is not a GetSuggestionsRequest");
    else if (q->current_request_number < 0 || q->current_request_number > SUGGESTIONS_MAX || q->n_trials > TRIALS_MAX)
        buf_addf(message, "asks for %d suggestions with %zu trials; at most %d and %d can be", q->current_request_number, q->n_trials, SUGGESTIONS_MAX, TRIALS_MAX);
    else
        spec = read_experiment(q->experiment, message);
    if (spec)
        status = suggest(q, spec, reply, message);
    spec_free(spec);
    if (q)
        katib__get_suggestions_request__free_unpacked(q, NULL);
    return status;
}

static enum grpc_status write_empty(struct buf *reply)
{
    Katib__Empty empty = KATIB__EMPTY__INIT;
    message_write(&empty.base, reply);
    return GRPC_OK;
}

static enum grpc_status validate_algorithm(const void *request, size_t len, struct buf *reply, struct buf *message)
{
    Katib__ValidateAlgorithmSettingsRequest *q = katib__validate_algorithm_settings_request__unpack(NULL, len, request);
    struct spec *spec = NULL;
    json_t *list = NULL;
    struct error error;
    if (!q)
        buf_adds(message, "the request is not a ValidateAlgorithmSettingsRequest");
    else
        spec = read_experiment(q->experiment, message);
    struct outside o = {.spec = spec};
    bool good = spec && !core_ask(&o, 0, &list, &error);
    if (spec && !good)
        buf_adds(message, error.detail);
    json_decref(list);
    spec_free(spec);
    if (q)
        katib__validate_algorithm_settings_request__free_unpacked(q, NULL);
    return good ? write_empty(reply) : GRPC_INVALID_ARGUMENT;
}

/* ---- health ---- */

static enum grpc_status check_health(const void *request, size_t len, struct buf *reply, struct buf *message)
{
    (void)request;
    (void)len;
    (void)message;
    Health__HealthCheckResponse out = HEALTH__HEALTH_CHECK_RESPONSE__INIT;
    out.status = HEALTH__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    message_write(&out.base, reply);
    return GRPC_OK;
}

const struct grpc_method katib_methods[] = {
    {"/api.v1.beta1.Suggestion/GetSuggestions", get_suggestions},
    {"/api.v1.beta1.Suggestion/ValidateAlgorithmSettings", validate_algorithm},
    {"/grpc.health.v1.Health/Check", check_health},
    {0},
};
