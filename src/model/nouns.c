/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/nouns.h"
#include "model/nouns_part.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---- copies: the owned strings of each noun ---- */

static const size_t experiment_texts[] = {
    offsetof(struct experiment, uid),     offsetof(struct experiment, project), offsetof(struct experiment, name),
    offsetof(struct experiment, spec),    offsetof(struct experiment, reason),  offsetof(struct experiment, message),
    offsetof(struct experiment, labels),  offsetof(struct experiment, annotations), offsetof(struct experiment, note)};

static const size_t trial_texts[] = {offsetof(struct trial, reason),  offsetof(struct trial, message), offsetof(struct trial, params),
                                     offsetof(struct trial, metrics), offsetof(struct trial, worker),  offsetof(struct trial, origin),
                                     offsetof(struct trial, labels),  offsetof(struct trial, note)};

static const size_t attempt_texts[] = {offsetof(struct attempt, reason), offsetof(struct attempt, message), offsetof(struct attempt, run_key),
                                       offsetof(struct attempt, handle), offsetof(struct attempt, cursor),  offsetof(struct attempt, worker)};

static const char **text_at(void *noun, size_t offset)
{
    return (const char **)(void *)((char *)noun + offset);
}

void *noun_copy(const void *noun, size_t size, const size_t *texts, size_t n)
{
    void *own = x_malloc(size);
    memcpy(own, noun, size);
    for (size_t i = 0; i < n; i++) {
        const char **text = text_at(own, texts[i]);
        *text = x_strdup(*text ? *text : "");
    }
    return own;
}

void noun_release(void *noun, const size_t *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x_free(*text_at(noun, texts[i]));
    free(noun);
}

struct experiment *experiment_copy(const struct experiment *e)
{
    return noun_copy(e, sizeof *e, experiment_texts, ARRAY_LEN(experiment_texts));
}

void experiment_free(struct experiment *e)
{
    if (e)
        noun_release(e, experiment_texts, ARRAY_LEN(experiment_texts));
}

struct trial *trial_copy(const struct trial *t)
{
    struct trial *own = noun_copy(t, sizeof *t, trial_texts, ARRAY_LEN(trial_texts));
    if (t->x) {
        double *x = x_malloc(t->n_x * sizeof *x);
        memcpy(x, t->x, t->n_x * sizeof *x);
        own->x = x;
    }
    return own;
}

void trial_free(struct trial *t)
{
    if (!t)
        return;
    x_free(t->x);
    noun_release(t, trial_texts, ARRAY_LEN(trial_texts));
}

struct attempt *attempt_copy(const struct attempt *a)
{
    return noun_copy(a, sizeof *a, attempt_texts, ARRAY_LEN(attempt_texts));
}

void attempt_free(struct attempt *a)
{
    if (a)
        noun_release(a, attempt_texts, ARRAY_LEN(attempt_texts));
}

/* ---- values ---- */

json_t *number_json(double value)
{
    if (isfinite(value))
        return json_real(value);
    return json_string_nocheck(isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

bool number_from_json(const json_t *value, double *out)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return true;
    }
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < ARRAY_LEN(words); i++)
        if (!strcmp(text, words[i].word)) {
            *out = words[i].value;
            return true;
        }
    return false;
}

json_t *time_json(int64_t wall_ms)
{
    char text[CLOCK_TEXT];
    if (!wall_ms)
        return json_null();
    clock_format(wall_ms, text);
    return json_string_nocheck(text);
}

/* What is not known is null. */
json_t *known_json(double value)
{
    return isnan(value) ? json_null() : number_json(value);
}

json_t *known_int_json(int64_t value, int64_t unknown)
{
    return value == unknown ? json_null() : json_integer(value);
}

/* The bytes of one UTF-8 character at `p`, as jansson takes it; 0 = not one. */
static size_t character(const char *p)
{
    json_t *one;
    for (size_t n = 1; n <= 4 && p[n - 1]; n++)
        if ((one = json_stringn(p, n))) {
            json_decref(one);
            return n;
        }
    return 0;
}

/* Messages may hold log lines, and those any bytes: what is no UTF-8 becomes U+FFFD. */
json_t *noun_text_json(const char *text)
{
    text = text ? text : "";
    json_t *value = json_string(text);
    if (value)
        return value;
    struct buf clean = BUF_INIT;
    while (*text) {
        size_t n = character(text);
        buf_add(&clean, n ? text : "\xef\xbf\xbd", n ? n : 3);
        text += n ? n : 1;
    }
    value = json_string(clean.data);
    buf_release(&clean);
    return value;
}

/* A stored JSON object. */
json_t *noun_object_json(const char *text)
{
    json_t *value = text && strcmp(text, "{}") != 0 ? json_loads(text, 0, NULL) : NULL;
    return value ? value : json_object();
}

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new_nocheck(object, member, value);
}

/* ---- the nouns ---- */

static json_t *counts_json(const struct experiment *e)
{
    json_t *counts = json_object();
    for (int i = 0; i < TRIAL_STATE_COUNT; i++)
        if (e->counts[i] > 0)
            set(counts, trial_state_name((enum trial_state)i), json_integer(e->counts[i]));
    return counts;
}

static void set_progress(json_t *out, const struct experiment *e, const json_t *spec)
{
    int64_t ended = 0, max = json_integer_value(json_object_get(json_object_get(spec, "trials"), "max"));
    for (int i = 0; i < TRIAL_STATE_COUNT; i++)
        if (trial_state_final((enum trial_state)i))
            ended += e->counts[i];
    bool running = e->state == EXPERIMENT_RUNNING && e->start_ms && ended > 0 && max > 0;
    double left = max > ended ? (double)(max - ended) : 0;
    double elapsed = fmax((double)(clock_wall_ms() - e->start_ms) / 1000, 0);
    set(out, "progress", max > 0 ? json_real(fmin((double)ended / (double)max, 1)) : json_null());
    set(out, "eta_seconds", running ? json_real(elapsed / (double)ended * left) : json_null());
}

json_t *experiment_json(const struct experiment *e, bool with_spec)
{
    json_t *out = json_object(), *spec = noun_object_json(e->spec);
    set(out, "name", noun_text_json(e->name));
    set(out, "uid", noun_text_json(e->uid));
    set(out, "project", noun_text_json(e->project));
    set(out, "state", json_string_nocheck(experiment_state_name(e->state)));
    set(out, "reason", noun_text_json(e->reason));
    set(out, "message", noun_text_json(e->message));
    set(out, "seed", json_integer(e->seed));
    set(out, "n_trials", json_integer(e->n_trials));
    set(out, "counts", counts_json(e));
    json_t *best = json_null();
    if (e->best_number) {
        best = json_object();
        set(best, "number", json_integer(e->best_number));
        set(best, "value", known_json(e->best_value));
    }
    set(out, "best", best);
    set_progress(out, e, spec);
    set(out, "labels", noun_object_json(e->labels));
    set(out, "annotations", noun_object_json(e->annotations));
    set(out, "note", noun_text_json(e->note));
    set(out, "revision", json_integer(e->revision));
    set(out, "create_time", time_json(e->create_ms));
    set(out, "update_time", time_json(e->update_ms));
    set(out, "start_time", time_json(e->start_ms));
    set(out, "end_time", time_json(e->end_ms));
    if (with_spec)
        set(out, "spec", json_incref(spec));
    json_decref(spec);
    return out;
}

json_t *trial_json(const struct trial *t)
{
    json_t *out = json_object();
    set(out, "number", json_integer(t->number)); /* the API promises it first */
    set(out, "state", json_string_nocheck(trial_state_name(t->state)));
    set(out, "reason", noun_text_json(t->reason));
    set(out, "message", noun_text_json(t->message));
    set(out, "params", noun_object_json(t->params));
    set(out, "objective", known_json(t->objective));
    set(out, "objective_se", known_json(t->objective_se));
    set(out, "metrics", noun_object_json(t->metrics));
    set(out, "attempt", json_integer(t->attempt));
    set(out, "replicate", json_integer(t->replicate));
    set(out, "worker", noun_text_json(t->worker));
    set(out, "origin", noun_object_json(t->origin));
    set(out, "labels", noun_object_json(t->labels));
    set(out, "note", noun_text_json(t->note));
    set(out, "progress", known_json(t->progress));
    set(out, "revision", json_integer(t->revision));
    set(out, "create_time", time_json(t->create_ms));
    set(out, "update_time", time_json(t->update_ms));
    set(out, "start_time", time_json(t->start_ms));
    set(out, "end_time", time_json(t->end_ms));
    return out;
}

json_t *attempt_json(const struct attempt *a)
{
    json_t *out = json_object();
    set(out, "number", json_integer(a->number));
    set(out, "replicate", json_integer(a->replicate));
    set(out, "state", json_string_nocheck(trial_state_name(a->state)));
    set(out, "reason", noun_text_json(a->reason));
    set(out, "message", noun_text_json(a->message));
    set(out, "run_key", noun_text_json(a->run_key));
    set(out, "worker", noun_text_json(a->worker));
    set(out, "exit_code", known_int_json(a->exit_code, -1));
    set(out, "signal", known_int_json(a->signal, -1));
    set(out, "create_time", time_json(a->create_ms));
    set(out, "start_time", time_json(a->start_ms));
    set(out, "end_time", time_json(a->end_ms));
    return out;
}

json_t *measurement_json(const struct measurement *m)
{
    json_t *out = json_object();
    set(out, "metric", noun_text_json(m->metric));
    set(out, "step", json_integer(m->step));
    set(out, "value", number_json(m->value));
    set(out, "attempt", json_integer(m->attempt));
    set(out, "replicate", json_integer(m->replicate));
    set(out, "time", time_json(m->time_ms));
    return out;
}

json_t *event_json(const struct event *e)
{
    json_t *out = json_object();
    set(out, "revision", json_integer(e->revision));
    set(out, "time", time_json(e->time_ms));
    set(out, "kind", noun_text_json(e->kind));
    set(out, "project", noun_text_json(e->project));
    set(out, "experiment", noun_text_json(e->experiment));
    set(out, "trial", known_int_json(e->trial, 0));
    if (e->run && *e->run)
        set(out, "run", noun_text_json(e->run));
    set(out, "data", noun_object_json(e->data));
    return out;
}
