/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/runs.h"

#include "base/mem.h"
#include "model/nouns.h"
#include "model/nouns_part.h"

#include <string.h>

/* ---- copies ---- */

#define AT(type, member) offsetof(struct type, member)
static const size_t pipeline_texts[] = {AT(pipeline_row, project), AT(pipeline_row, name),     AT(pipeline_row, sha),
                                        AT(pipeline_row, version), AT(pipeline_row, document), AT(pipeline_row, code)};
static const size_t run_texts[] = {AT(run_row, uid),    AT(run_row, project), AT(run_row, pipeline), AT(run_row, key),     AT(run_row, params), AT(run_row, origin),
                                   AT(run_row, labels), AT(run_row, outcome), AT(run_row, reason),   AT(run_row, message), AT(run_row, outputs)};
static const size_t step_texts[] = {AT(step_row, path), AT(step_row, step),  AT(step_row, cache_key), AT(step_row, outputs),
                                    AT(step_row, data), AT(step_row, cause), AT(step_row, message),   AT(step_row, cached_from)};
static const size_t step_attempt_texts[] = {AT(step_attempt, cause), AT(step_attempt, message), AT(step_attempt, run_key), AT(step_attempt, cursor)};
static const size_t cache_texts[] = {AT(cache_entry, scope), AT(cache_entry, key), AT(cache_entry, outputs), AT(cache_entry, metrics), AT(cache_entry, origin)};
static const size_t schedule_texts[] = {AT(schedule_row, project), AT(schedule_row, name), AT(schedule_row, kind), AT(schedule_row, document), AT(schedule_row, target)};
#undef AT

#define NOUN(type, copy_fn, free_fn, texts)                                                                                         \
    struct type *copy_fn(const struct type *noun)                                                                                   \
    {                                                                                                                               \
        return noun_copy(noun, sizeof *noun, texts, ARRAY_LEN(texts));                                                              \
    }                                                                                                                               \
    void free_fn(struct type *noun)                                                                                                 \
    {                                                                                                                               \
        if (noun)                                                                                                                   \
            noun_release(noun, texts, ARRAY_LEN(texts));                                                                            \
    }
NOUN(pipeline_row, pipeline_row_copy, pipeline_row_free, pipeline_texts)
NOUN(run_row, run_copy, run_free, run_texts)
NOUN(step_row, step_copy, step_row_free, step_texts)
NOUN(step_attempt, step_attempt_copy, step_attempt_free, step_attempt_texts)
NOUN(cache_entry, cache_entry_copy, cache_entry_free, cache_texts)
NOUN(schedule_row, schedule_copy, schedule_free, schedule_texts)
#undef NOUN

/* ---- JSON ---- */

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new_nocheck(object, member, value);
}

json_t *pipeline_row_json(const struct pipeline_row *p, bool with_document)
{
    json_t *out = json_object(), *code = noun_object_json(p->code);
    set(out, "project", noun_text_json(p->project));
    set(out, "name", noun_text_json(p->name));
    set(out, "sha", noun_text_json(p->sha));
    set(out, "version", noun_text_json(p->version));
    set(out, "code", json_incref(json_object_get(code, "") ? json_object_get(code, "") : json_null()));
    set(out, "create_time", time_json(p->create_ms));
    if (with_document)
        set(out, "pipeline", noun_object_json(p->document));
    json_decref(code);
    return out;
}

json_t *run_row_json(const struct run_row *r)
{
    json_t *out = json_object();
    set(out, "uid", noun_text_json(r->uid));
    set(out, "project", noun_text_json(r->project));
    set(out, "pipeline", noun_text_json(r->pipeline));
    set(out, "state", json_string_nocheck(run_state_name(r->state)));
    set(out, "outcome", noun_text_json(r->outcome));
    set(out, "reason", noun_text_json(r->reason));
    set(out, "message", noun_text_json(r->message));
    set(out, "params", noun_object_json(r->params));
    set(out, "outputs", noun_object_json(r->outputs));
    set(out, "origin", noun_object_json(r->origin));
    set(out, "labels", noun_object_json(r->labels));
    set(out, "key", *r->key ? noun_text_json(r->key) : json_null());
    set(out, "saved_seconds", json_real(r->saved_s));
    set(out, "revision", json_integer(r->revision));
    set(out, "create_time", time_json(r->create_ms));
    set(out, "update_time", time_json(r->update_ms));
    set(out, "start_time", time_json(r->start_ms));
    set(out, "end_time", time_json(r->end_ms));
    return out;
}

json_t *step_row_json(const struct step_row *s)
{
    json_t *out = json_object();
    set(out, "path", noun_text_json(s->path));
    set(out, "step", noun_text_json(s->step));
    set(out, "item", known_int_json(s->item, -1));
    set(out, "state", json_string_nocheck(step_state_name(s->state)));
    set(out, "attempt", json_integer(s->attempt));
    set(out, "cause", noun_text_json(s->cause));
    set(out, "message", noun_text_json(s->message));
    set(out, "outputs", *s->outputs ? noun_object_json(s->outputs) : json_null());
    set(out, "cache_key", noun_text_json(s->cache_key));
    set(out, "cached_from", *s->cached_from ? noun_text_json(s->cached_from) : json_null());
    set(out, "cost_seconds", known_json(s->cost_s));
    set(out, "retry_time", time_json(s->retry_ms));
    set(out, "revision", json_integer(s->revision));
    set(out, "start_time", time_json(s->start_ms));
    set(out, "end_time", time_json(s->end_ms));
    return out;
}

json_t *step_attempt_json(const struct step_attempt *a)
{
    json_t *out = json_object();
    set(out, "number", json_integer(a->number));
    set(out, "state", json_string_nocheck(step_state_name(a->state)));
    set(out, "cause", noun_text_json(a->cause));
    set(out, "message", noun_text_json(a->message));
    set(out, "run_key", noun_text_json(a->run_key));
    set(out, "exit_code", known_int_json(a->exit_code, -1));
    set(out, "signal", known_int_json(a->signal, -1));
    set(out, "create_time", time_json(a->create_ms));
    set(out, "start_time", time_json(a->start_ms));
    set(out, "end_time", time_json(a->end_ms));
    return out;
}

json_t *step_measurement_json(const struct step_measurement *m)
{
    json_t *out = json_object();
    set(out, "metric", noun_text_json(m->metric));
    set(out, "step", json_integer(m->step));
    set(out, "value", number_json(m->value));
    set(out, "cached", json_boolean(m->cached));
    set(out, "time", time_json(m->time_ms));
    return out;
}

json_t *schedule_json(const struct schedule_row *s)
{
    json_t *out = json_object();
    set(out, "name", noun_text_json(s->name));
    set(out, "project", noun_text_json(s->project));
    set(out, "kind", noun_text_json(s->kind));
    set(out, "when", noun_object_json(s->document));
    set(out, "target", noun_object_json(s->target));
    set(out, "paused", json_boolean(s->paused));
    set(out, "next_time", time_json(s->next_ms));
    set(out, "create_time", time_json(s->create_ms));
    return out;
}

json_t *fire_json(const struct fire_row *f)
{
    json_t *out = json_object();
    set(out, "planned_time", time_json(f->planned_ms));
    set(out, "outcome", noun_text_json(f->outcome));
    set(out, "started", *f->started ? noun_text_json(f->started) : json_null());
    set(out, "message", noun_text_json(f->message));
    set(out, "time", time_json(f->time_ms));
    return out;
}
