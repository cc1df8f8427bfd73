/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows as objects of Katib: metadata, spec as the user wrote it, status with conditions and reasons (docs/reference/katib.md has the table). */
#include "katib.h"

#include "model/convert.h"
#include "model/katib.h"
#include "model/template.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "katib.kubeflow.org/"
#define PAGE 500

const char *const katib_kinds[] = {[KATIB_EXPERIMENT] = "Experiment", [KATIB_TRIAL] = "Trial", [KATIB_SUGGESTION] = "Suggestion"};

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

/* Katib's times have no fractions. */
static json_t *seconds(int64_t ms)
{
    return ms ? time_json(ms / 1000 * 1000) : NULL;
}

static void set_time(json_t *object, const char *member, int64_t ms)
{
    if (ms)
        set(object, member, seconds(ms));
}

/* ---- conditions ---- */

struct verdict { /* the last condition */
    const char *type, *reason, *message;
};

static const struct verdict trial_verdicts[TRIAL_STATE_COUNT] = {
    [TRIAL_RUNNING] = {"Running", "TrialRunning", "Trial is running"},
    [TRIAL_PAUSED] = {"Running", "TrialRunning", "Trial waits to go on"},
    [TRIAL_STOPPING] = {"Running", "TrialRunning", "Trial is being stopped"},
    [TRIAL_SUCCEEDED] = {"Succeeded", "TrialSucceeded", "Trial has succeeded"},
    [TRIAL_PRUNED] = {"EarlyStopped", "TrialEarlyStopped", "Trial is early stopped"},
    [TRIAL_INFEASIBLE] = {"Failed", "TrialFailed", "Trial is infeasible"},
    [TRIAL_FAILED] = {"Failed", "TrialFailed", "Trial has failed"},
    [TRIAL_LOST] = {"Failed", "TrialFailed", "Trial was lost"},
    [TRIAL_CANCELLED] = {"Killed", "TrialKilled", "Trial was stopped"},
};

static json_t *condition(const struct verdict *v, bool holds, const char *more, int64_t ms)
{
    json_t *out = json_pack("{s:s, s:s, s:s}", "type", v->type, "status", holds ? "True" : "False", "reason", v->reason);
    set(out, "message", more && *more ? json_sprintf("%s: %s", v->message, more) : json_string(v->message));
    set_time(out, "lastUpdateTime", ms);
    set_time(out, "lastTransitionTime", ms);
    return out;
}

static bool unavailable(const struct trial *t)
{
    return t->state == TRIAL_FAILED && !strcmp(t->reason, "METRICS_MISSING");
}

static json_t *trial_conditions(const struct trial *t)
{
    static const struct verdict created = {"Created", "TrialCreated", "Trial is created"}, missing = {"MetricsUnavailable", "MetricsUnavailable", "Metrics are not available"};
    json_t *list = json_array();
    const struct verdict *v = unavailable(t) ? &missing : &trial_verdicts[t->state];
    (void)json_array_append_new(list, condition(&created, true, NULL, t->create_ms));
    if (t->start_ms && trial_state_final(t->state))
        (void)json_array_append_new(list, condition(&trial_verdicts[TRIAL_RUNNING], false, NULL, t->start_ms));
    if (v->type)
        (void)json_array_append_new(list, condition(v, true, t->message, t->end_ms ? t->end_ms : t->update_ms));
    return list;
}

static struct verdict experiment_verdict(const struct experiment *e)
{
    if (e->state == EXPERIMENT_SUCCEEDED && !strcmp(e->reason, "GOAL_REACHED"))
        return (struct verdict){"Succeeded", "ExperimentGoalReached", "Experiment has succeeded because its goal was reached"};
    if (e->state == EXPERIMENT_SUCCEEDED && !strcmp(e->reason, "SPACE_EXHAUSTED"))
        return (struct verdict){"Succeeded", "ExperimentSuggestionEndReached", "Experiment has succeeded because there are no more suggestions"};
    if (e->state == EXPERIMENT_SUCCEEDED)
        return (struct verdict){"Succeeded", "ExperimentMaxTrialsReached", "Experiment has succeeded because max trial count has reached"};
    if (e->state == EXPERIMENT_CANCELLED)
        return (struct verdict){"Failed", "ExperimentStopped", "Experiment was stopped"};
    if (e->state == EXPERIMENT_FAILED)
        return (struct verdict){"Failed", "ExperimentFailed", "Experiment has failed"};
    if (e->state == EXPERIMENT_PAUSED)
        return (struct verdict){"Running", "ExperimentRunning", "Experiment is paused"};
    return (struct verdict){"Running", "ExperimentRunning", "Experiment is running"};
}

static json_t *experiment_conditions(const struct experiment *e)
{
    static const struct verdict created = {"Created", "ExperimentCreated", "Experiment is created"}, ran = {"Running", "ExperimentRunning", "Experiment is not running any more"};
    struct verdict v = experiment_verdict(e);
    bool ended = experiment_state_final(e->state);
    json_t *list = json_array();
    (void)json_array_append_new(list, condition(&created, true, NULL, e->create_ms));
    if (ended)
        (void)json_array_append_new(list, condition(&ran, false, NULL, e->end_ms));
    if (e->state != EXPERIMENT_CREATED)
        (void)json_array_append_new(list, condition(&v, true, ended ? e->message : NULL, ended ? e->end_ms : e->start_ms));
    return list;
}

/* ---- values ---- */

static json_t *text(const json_t *value)
{
    char *shown CLEANUP_FREE = template_value(value);
    return json_string(shown);
}

static json_t *number_text(double value)
{
    json_t *number = number_json(value), *out = text(number);
    json_decref(number);
    return out;
}

static json_t *assignments(const struct trial *t)
{
    json_t *params = json_loads(t->params, 0, NULL), *list = json_array(), *value;
    const char *name;
    json_object_foreach(params, name, value)
        (void)json_array_append_new(list, json_pack("{s:s, s:o}", "name", name, "value", text(value)));
    json_decref(params);
    return list;
}

static bool add_metric(void *arg, const char *metric, const struct measurement_summary *s)
{
    json_t *list = arg;
    (void)json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "name", metric, "min", number_text(s->min), "max", number_text(s->max), "latest", number_text(s->last)));
    return true;
}

/* What it reported; of one that gave its metrics with its end only, those. */
static json_t *observation(struct db *db, const struct trial *t, struct error *error)
{
    json_t *list = json_array();
    if (t->attempt && measurement_metrics(db, t->id, t->attempt, add_metric, list, error)) {
        json_decref(list);
        return NULL;
    }
    json_t *metrics = json_array_size(list) ? NULL : json_loads(t->metrics, 0, NULL), *value;
    const char *name;
    json_object_foreach(metrics, name, value)
        (void)json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "name", name, "min", text(value), "max", text(value), "latest", text(value)));
    json_decref(metrics);
    return json_pack("{s:o}", "metrics", list);
}

/* ---- metadata and spec ---- */

static json_t *object(enum katib_kind kind)
{
    return json_pack("{s:s, s:s}", "apiVersion", KATIB_API_VERSION, "kind", katib_kinds[kind]);
}

static json_t *metadata(const char *project, const char *name, int64_t revision, int64_t create_ms)
{
    json_t *out = json_pack("{s:s, s:s, s:i, s:o}", "name", name, "namespace", project, "generation", 1, "resourceVersion", json_sprintf("%" PRId64, revision));
    set_time(out, "creationTimestamp", create_ms);
    return out;
}

static void set_owner(json_t *meta, const struct experiment *e)
{
    set(meta, "labels", json_pack("{s:s}", LABEL "experiment", e->name));
    set(meta, "ownerReferences", json_pack("[{s:s, s:s, s:s, s:s, s:b, s:b}]", "apiVersion", KATIB_API_VERSION, "kind", "Experiment", "name", e->name, "uid", e->uid,
                                           "controller", 1, "blockOwnerDeletion", 1));
}

static json_t *trial_label(const struct experiment *e, int64_t number)
{
    return json_sprintf("%s-%" PRId64, e->name, number);
}

/* The spec as Katib has it: of the user's file, or of one of ours as far as Katib has words for it (then `differs` says what it has not). */
static json_t *experiment_spec(const struct experiment *e, char **differs)
{
    struct problems problems = {0};
    json_t *document = experiment_document(e), *source = json_object_get(document, "source");
    const char *kind = json_string_value(json_object_get(source, "kind"));
    if (source && (!kind || strcmp(kind, "Experiment") != 0))
        (void)json_object_del(document, "source");
    json_t *whole = convert_to_katib(document, NULL, core_catalog(), &problems), *spec = json_incref(json_object_get(whole, "spec"));
    *differs = problems.n ? x_asprintf("%s: %s", problems.items[0].pointer, problems.items[0].detail) : NULL;
    problems_release(&problems);
    json_decref(whole);
    json_decref(document);
    return spec ? spec : json_object();
}

/* ---- an experiment's status ---- */

static const char *const trial_lists[TRIAL_STATE_COUNT] = {
    [TRIAL_QUEUED] = "pendingTrialList", [TRIAL_STARTING] = "pendingTrialList", [TRIAL_RUNNING] = "runningTrialList", [TRIAL_PAUSED] = "runningTrialList",
    [TRIAL_STOPPING] = "runningTrialList", [TRIAL_SUCCEEDED] = "succeededTrialList", [TRIAL_PRUNED] = "earlyStoppedTrialList", [TRIAL_INFEASIBLE] = "failedTrialList",
    [TRIAL_FAILED] = "failedTrialList", [TRIAL_LOST] = "failedTrialList", [TRIAL_CANCELLED] = "killedTrialList",
};
static const struct {
    const char *list, *count;
} trial_counts[] = {
    {"pendingTrialList", "trialsPending"}, {"runningTrialList", "trialsRunning"}, {"succeededTrialList", "trialsSucceeded"}, {"failedTrialList", "trialsFailed"},
    {"killedTrialList", "trialsKilled"}, {"earlyStoppedTrialList", "trialsEarlyStopped"}, {"metricsUnavailableTrialList", "trialMetricsUnavailable"},
};

struct naming {
    const struct experiment *e;
    json_t *status;
    int64_t n;
};

static bool list_trial(void *arg, const struct trial *t)
{
    struct naming *l = arg;
    const char *name = unavailable(t) ? "metricsUnavailableTrialList" : trial_lists[t->state];
    json_t *list = json_object_get(l->status, name);
    if (!list) {
        list = json_array();
        set(l->status, name, list);
    }
    (void)json_array_append_new(list, trial_label(l->e, t->number));
    l->n++;
    return true;
}

static enum err each_trial(struct db *db, const struct experiment *e, trial_row_fn *row, void *arg, struct error *error)
{
    char *after CLEANUP_FREE = NULL;
    for (;;) {
        struct list_query q = {.experiment_id = e->id, .after = after ? after : "", .limit = PAGE};
        char *next = NULL;
        enum err err = trial_list(db, &q, row, arg, &next, error);
        free(after);
        after = next;
        if (err || !next)
            return err;
    }
}

static enum err set_best(struct db *db, const struct experiment *e, json_t *status, struct error *error)
{
    struct trial *t;
    if (!e->best_number)
        return OK;
    enum err err = trial_get(db, e->id, e->best_number, &t, error);
    if (err)
        return err;
    json_t *seen = observation(db, t, error);
    if (seen)
        set(status, "currentOptimalTrial", json_pack("{s:o, s:o, s:o}", "bestTrialName", trial_label(e, t->number), "parameterAssignments", assignments(t), "observation", seen));
    trial_free(t);
    return seen ? OK : error->code;
}

static json_t *experiment_status(struct db *db, const struct experiment *e, struct error *error)
{
    json_t *status = json_pack("{s:o}", "conditions", experiment_conditions(e));
    struct naming l = {.e = e, .status = status};
    set_time(status, "startTime", e->start_ms);
    set_time(status, "completionTime", e->end_ms);
    set_time(status, "lastReconcileTime", e->update_ms);
    enum err err = each_trial(db, e, list_trial, &l, error);
    if (!err)
        err = set_best(db, e, status, error);
    for (size_t i = 0; i < ARRAY_LEN(trial_counts); i++) {
        size_t n = json_array_size(json_object_get(status, trial_counts[i].list));
        if (n)
            set(status, trial_counts[i].count, json_integer((json_int_t)n));
    }
    if (l.n)
        set(status, "trials", json_integer(l.n));
    if (!err)
        return status;
    json_decref(status);
    return NULL;
}

/* ---- the objects ---- */

json_t *katib_experiment_json(struct db *db, const struct experiment *e, struct error *error)
{
    json_t *status = experiment_status(db, e, error);
    if (!status)
        return NULL;
    char *differs CLEANUP_FREE = NULL;
    json_t *out = object(KATIB_EXPERIMENT), *spec = experiment_spec(e, &differs), *meta = metadata(e->project, e->name, e->revision, e->create_ms);
    json_t *labels = json_loads(e->labels, 0, NULL), *annotations = json_loads(e->annotations, 0, NULL);
    if (differs)
        set(annotations, "hone/not-in-katib", json_string(differs));
    set(meta, "uid", json_string(e->uid));
    if (json_object_size(labels))
        set(meta, "labels", json_incref(labels));
    if (json_object_size(annotations))
        set(meta, "annotations", json_incref(annotations));
    json_decref(labels);
    json_decref(annotations);
    set(out, "metadata", meta);
    set(out, "spec", spec);
    set(out, "status", status);
    return out;
}

json_t *katib_trial_json(struct db *db, const struct experiment *e, const struct trial *t, struct error *error)
{
    static const struct {
        const char *from, *to;
        bool of_template;
    } kept[] = {{"objective", "objective", false}, {"metricsCollectorSpec", "metricsCollector", false}, {"primaryContainerName", "primaryContainerName", true},
                {"primaryPodLabels", "primaryPodLabels", true}, {"successCondition", "successCondition", true}, {"failureCondition", "failureCondition", true},
                {"retain", "retainRun", true}};
    json_t *seen = observation(db, t, error);
    if (!seen)
        return NULL;
    char *differs CLEANUP_FREE = NULL;
    json_t *out = object(KATIB_TRIAL), *given = experiment_spec(e, &differs), *spec = json_pack("{s:o}", "parameterAssignments", assignments(t));
    json_t *name = trial_label(e, t->number), *meta = metadata(e->project, json_string_value(name), t->revision, t->create_ms);
    json_t *status = json_pack("{s:o}", "conditions", trial_conditions(t));
    json_decref(name);
    set(meta, "uid", json_sprintf("%s-%" PRId64, e->uid, t->number));
    set_owner(meta, e);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        json_t *value = json_object_get(kept[i].of_template ? json_object_get(given, "trialTemplate") : given, kept[i].from);
        if (value)
            set(spec, kept[i].to, json_incref(value));
    }
    json_decref(given);
    set_time(status, "startTime", t->start_ms);
    set_time(status, "completionTime", t->end_ms);
    if (json_array_size(json_object_get(seen, "metrics")))
        set(status, "observation", json_incref(seen));
    json_decref(seen);
    set(out, "metadata", meta);
    set(out, "spec", spec);
    set(out, "status", status);
    return out;
}

struct suggesting {
    const struct experiment *e;
    json_t *list;
};

static bool add_suggestion(void *arg, const struct trial *t)
{
    struct suggesting *s = arg;
    (void)json_array_append_new(s->list, json_pack("{s:o, s:o}", "name", trial_label(s->e, t->number), "parameterAssignments", assignments(t)));
    return true;
}

json_t *katib_suggestion_json(struct db *db, const struct experiment *e, struct error *error)
{
    static const struct verdict created = {"Created", "SuggestionCreated", "Suggestion is created"}, running = {"Running", "SuggestionRunning", "Suggestion is running"},
                                done = {"Succeeded", "SuggestionSucceeded", "Suggestion is succeeded"};
    struct suggesting s = {e, json_array()};
    if (each_trial(db, e, add_suggestion, &s, error)) {
        json_decref(s.list);
        return NULL;
    }
    char *differs CLEANUP_FREE = NULL;
    json_t *out = object(KATIB_SUGGESTION), *given = experiment_spec(e, &differs), *spec = json_object(), *meta = metadata(e->project, e->name, e->revision, e->create_ms);
    json_t *algorithm = json_object_get(given, "algorithm"), *stopping = json_object_get(given, "earlyStopping"), *policy = json_object_get(given, "resumePolicy");
    bool ended = experiment_state_final(e->state);
    set(meta, "uid", json_sprintf("%s-s", e->uid));
    set_owner(meta, e);
    if (algorithm)
        set(spec, "algorithm", json_incref(algorithm));
    if (stopping)
        set(spec, "earlyStopping", json_incref(stopping));
    if (policy)
        set(spec, "resumePolicy", json_incref(policy));
    set(spec, "requests", json_integer((json_int_t)json_array_size(s.list)));
    json_decref(given);
    json_t *status = json_pack("{s:[o, o], s:I}", "conditions", condition(&created, true, NULL, e->create_ms), condition(ended ? &done : &running, true, NULL, e->update_ms),
                               "suggestionCount", (json_int_t)json_array_size(s.list));
    set(status, "suggestions", s.list);
    set_time(status, "startTime", e->start_ms);
    set_time(status, "completionTime", e->end_ms);
    set(out, "metadata", meta);
    set(out, "spec", spec);
    set(out, "status", status);
    return out;
}

json_t *katib_gone_json(enum katib_kind kind, const char *project, const char *experiment, int64_t trial, int64_t revision)
{
    char *name CLEANUP_FREE = kind == KATIB_TRIAL ? x_asprintf("%s-%" PRId64, experiment, trial) : x_strdup(experiment);
    json_t *out = object(kind), *meta = metadata(project, name, revision, 0);
    if (kind == KATIB_TRIAL)
        set(meta, "labels", json_pack("{s:s}", LABEL "experiment", experiment));
    set(out, "metadata", meta);
    return out;
}

bool katib_trial_name(const char *name, char **experiment, int64_t *number)
{
    const char *dash = strrchr(name, '-');
    char *end;
    if (!dash || dash == name || dash[1] < '1' || dash[1] > '9' || strlen(dash) > 12)
        return false;
    *number = strtoll(dash + 1, &end, 10);
    if (*end)
        return false;
    *experiment = x_strndup(name, (size_t)(dash - name));
    return true;
}

/* ---- lists ---- */

struct each {
    struct db *db;
    const struct katib_ask *ask;
    const struct experiment *e;
    katib_give_fn *give;
    void *arg;
    struct error *error;
    enum err err;
};

static bool give_trial(void *arg, const struct trial *t)
{
    struct each *x = arg;
    json_t *out = katib_trial_json(x->db, x->e, t, x->error);
    if (!out) {
        x->err = x->error->code;
        return false;
    }
    x->give(x->arg, out);
    return true;
}

static enum err give_experiment(struct each *x, const struct experiment *e)
{
    x->e = e;
    if (x->ask->kind == KATIB_TRIAL) {
        enum err err = each_trial(x->db, e, give_trial, x, x->error);
        return err ? err : x->err;
    }
    json_t *out = x->ask->kind == KATIB_EXPERIMENT ? katib_experiment_json(x->db, e, x->error) : katib_suggestion_json(x->db, e, x->error);
    if (!out)
        return x->error->code;
    x->give(x->arg, out);
    return OK;
}

struct ids { /* first the ids: the objects read other tables, and one statement is being stepped */
    int64_t *id;
    size_t n, cap;
};

static bool keep_id(void *arg, const struct experiment *e)
{
    struct ids *ids = arg;
    if (ids->n == ids->cap) {
        ids->cap = ids->cap ? ids->cap * 2 : 64;
        ids->id = x_realloc(ids->id, ids->cap * sizeof *ids->id);
    }
    ids->id[ids->n++] = e->id;
    return true;
}

static enum err find_experiments(struct db *db, const struct katib_ask *ask, struct ids *ids, struct error *error)
{
    char *after CLEANUP_FREE = NULL;
    do {
        struct list_query q = {.project = ask->project ? ask->project : "-", .after = after ? after : "", .limit = PAGE};
        char *next = NULL;
        enum err err = experiment_list(db, &q, keep_id, ids, &next, error);
        free(after);
        after = next;
        if (err)
            return err;
    } while (after);
    return OK;
}

static enum err one_named(struct each *x, const char *name)
{
    struct experiment *e;
    enum err err = experiment_get(x->db, x->ask->project, name, &e, x->error);
    if (err)
        return err == ERR_NOT_FOUND ? OK : err; /* a list without it */
    err = give_experiment(x, e);
    experiment_free(e);
    return err;
}

static enum err one_trial(struct each *x, const char *name)
{
    char *experiment CLEANUP_FREE = NULL;
    int64_t number;
    struct experiment *e;
    struct trial *t;
    if (!katib_trial_name(name, &experiment, &number))
        return OK;
    enum err err = experiment_get(x->db, x->ask->project, experiment, &e, x->error);
    if (err)
        return err == ERR_NOT_FOUND ? OK : err;
    x->e = e;
    err = trial_get(x->db, e->id, number, &t, x->error);
    if (!err) {
        (void)give_trial(x, t);
        trial_free(t);
    }
    experiment_free(e);
    return err == ERR_NOT_FOUND ? OK : err ? err : x->err;
}

enum err katib_each(struct db *db, const struct katib_ask *ask, katib_give_fn *give, void *arg, struct error *error)
{
    struct each x = {.db = db, .ask = ask, .give = give, .arg = arg, .error = error};
    const char *experiment = ask->kind == KATIB_TRIAL || ask->experiment ? ask->experiment : ask->name;
    if (ask->project && ask->kind == KATIB_TRIAL && ask->name)
        return one_trial(&x, ask->name);
    if (ask->project && experiment)
        return one_named(&x, experiment);
    struct ids ids = {0};
    enum err err = find_experiments(db, ask, &ids, error);
    for (size_t i = 0; i < ids.n && !err; i++) {
        struct experiment *e;
        err = experiment_get_id(db, ids.id[i], &e, error);
        if (err)
            break;
        if (!experiment || !strcmp(experiment, e->name))
            err = give_experiment(&x, e);
        experiment_free(e);
    }
    free(ids.id);
    return err;
}
