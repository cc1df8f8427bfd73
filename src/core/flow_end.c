/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ends: of attempts, of steps, of what holds steps, of runs; and the loop that does what flow_next says. */
#include "core/flow.h"

#include "base/json_text.h"

#include <math.h>
#include <string.h>

#define POINTS_KEPT 10000 /* of a cached step's measurements */

static const char *const ended_kind[STEP_STATE_COUNT] = {
    [STEP_SUCCEEDED] = "step.succeeded", [STEP_CACHED] = "step.cached",       [STEP_SKIPPED] = "step.skipped",
    [STEP_FAILED] = "step.failed",       [STEP_CANCELLED] = "step.cancelled", [STEP_UPSTREAM_FAILED] = "step.upstream_failed",
};

/* What a node held is let go; an item's outputs join those of its map. The node may be gone afterwards. */
static enum err ended(struct core *c, struct node *n, struct error *error)
{
    struct node *map = n->map;
    flight_leave(c, n);
    frame_free(c, n->child);
    n->child = NULL;
    if (!map)
        return OK;
    map->n_ok += node_good(n);
    map->n_bad += !node_good(n);
    bool fits = map_gather(map, n);
    node_drop(c, n);
    if (fits)
        return OK;
    map->n_bad = json_array_size(map->items) + 1; /* no more begin */
    node_why(map, "USER", "its items gave more than 16 MiB of outputs; write them to files");
    return node_save(c, map, map->row->state, "step.too_large", NULL, error);
}

enum err flow_node_end(struct core *c, struct node *n, enum step_state state, const char *cause, const char *message, struct error *error)
{
    if (!n->row->start_ms)
        n->row->start_ms = c->now;
    n->row->end_ms = c->now;
    node_why(n, cause, message);
    json_t *data = *cause ? json_pack("{s:s}", "cause", cause) : NULL;
    enum err err = node_save(c, n, state, ended_kind[state], data, error);
    return err ? err : ended(c, n, error);
}

static enum err end_attempt(struct core *c, struct node *n, enum step_state state, const char *cause, const char *message, struct error *error)
{
    struct step_attempt *a = n->attempt;
    a->state = state;
    set_text(&a->cause, cause);
    set_text(&a->message, message);
    a->end_ms = a->end_ms ? a->end_ms : c->now;
    flow_effect(c, EFFECT_STEP_FORGET, n);
    return attempt_save(c, n, error);
}

/* --- success */

struct points {
    json_t *list;
};

static bool keep_point(void *arg, const struct step_measurement *m)
{
    (void)json_array_append_new(((struct points *)arg)->list, json_pack("[s, I, o]", m->metric, (json_int_t)m->step, number_json(m->value)));
    return true;
}

static enum err put_cache(struct core *c, struct node *n, const json_t *written, int64_t bytes, struct error *error)
{
    char *flight CLEANUP_FREE = flow_flight_key(n);
    if (!flight)
        return OK;
    char *scope CLEANUP_FREE = x_strndup(flight, (size_t)(strrchr(flight, ':') - flight));
    struct points points = {json_array()};
    enum err err = step_measurement_list(c->db, n->frame->flow->id, n->seq, POINTS_KEPT, keep_point, &points, error);
    json_t *beside = json_pack("{s:o, s:O*}", "points", points.list, "written", written);
    char *metrics CLEANUP_FREE = json_text(beside), *origin CLEANUP_FREE = x_asprintf("%s/%s", n->frame->flow->row->uid, n->row->path);
    json_decref(beside);
    struct cache_entry e = {.scope = scope,
                            .key = n->row->cache_key,
                            .outputs = n->row->outputs,
                            .metrics = metrics,
                            .origin = origin,
                            .cost_s = isfinite(n->row->cost_s) ? n->row->cost_s : 0,
                            .bytes = bytes,
                            .create_ms = c->now,
                            .used_ms = c->now};
    return err ? err : cache_put(c->db, &e, error);
}

static void set_outputs(struct node *n, json_t *outputs)
{
    char *text CLEANUP_FREE = json_text(outputs);
    json_decref(n->outputs);
    n->outputs = outputs;
    set_text(&n->row->outputs, text);
}

enum err flow_expand(struct core *c, struct node *n, const json_t *written, struct error *error)
{
    struct problems wrong = {0};
    struct pipeline *own = pipeline_expand(n->frame->pipeline, n->index, written, &wrong);
    if (!own) {
        char *why CLEANUP_FREE = x_asprintf("steps.json: %s: %s", wrong.items[0].pointer, wrong.items[0].detail);
        problems_release(&wrong);
        return flow_node_end(c, n, STEP_FAILED, "USER", why, error);
    }
    problems_release(&wrong);
    if ((int64_t)own->n_steps > n->step->expand_max || n->frame->flow->row->n_rows + (int64_t)own->n_steps > PIPELINE_MAX_ROWS) {
        pipeline_free(own);
        return flow_node_end(c, n, STEP_FAILED, "USER", "it wrote more steps than expand.max_steps or the run allow", error);
    }
    json_t *data = json_pack("{s:O}", "written", written);
    char *text CLEANUP_FREE = json_text(data);
    json_decref(data);
    set_text(&n->row->data, text);
    (void)frame_open(n, own, json_incref(n->frame->params));
    return node_save(c, n, STEP_RUNNING, "step.expanded", json_pack("{s:I}", "steps", (json_int_t)own->n_steps), error);
}

enum err flow_finished(struct core *c, struct node *n, json_t *outputs, const json_t *written, int64_t bytes, struct error *error)
{
    const struct step_attempt *a = n->attempt;
    set_outputs(n, outputs);
    n->row->cost_s = a->start_ms && a->end_ms > a->start_ms ? (double)(a->end_ms - a->start_ms) / 1000 : 0;
    enum err err = end_attempt(c, n, STEP_SUCCEEDED, "", "", error);
    if (!err)
        err = put_cache(c, n, written, bytes, error);
    if (err)
        return err;
    return written ? flow_expand(c, n, written, error) : flow_node_end(c, n, STEP_SUCCEEDED, "", "", error);
}

/* --- failure */

enum err flow_failed(struct core *c, struct node *n, enum failure why, const char *cause, const char *message, int exit_code, struct error *error)
{
    struct flow *f = n->frame->flow;
    int64_t delay = 0;
    enum err err = end_attempt(c, n, STEP_FAILED, cause, message, error);
    if (err)
        return err;
    if (!retry_due(n->step, n->row, (uint64_t)f->id, why, exit_code, &delay))
        return flow_node_end(c, n, STEP_FAILED, cause, message, error);
    *(why == FAILURE_INFRA ? &n->row->n_infra : &n->row->n_user) += 1;
    n->row->retry_ms = c->now + delay;
    node_why(n, cause, message);
    return node_save(c, n, STEP_RETRYING, "step.retrying", json_pack("{s:s, s:f}", "cause", cause, "delay", (double)delay / 1000), error);
}

enum err flow_stopped(struct core *c, struct node *n, struct error *error)
{
    enum err err = end_attempt(c, n, STEP_CANCELLED, "STOPPED", "", error);
    return err ? err : flow_node_end(c, n, STEP_CANCELLED, "STOPPED", "it was stopped", error);
}

enum err flow_reset(struct core *c, struct node *n, struct error *error)
{
    struct step_row *row = n->row;
    enum err err = *row->data ? step_delete_inside(c->db, row->run_id, row->path, error) : OK;
    if (err)
        return err;
    flight_leave(c, n);
    frame_free(c, n->child);
    n->child = NULL;
    json_decref(n->outputs);
    json_decref(n->items);
    json_decref(n->gathered);
    n->outputs = n->items = n->gathered = NULL;
    n->next_item = n->n_ok = n->n_bad = n->gathered_bytes = 0;
    set_text(&row->outputs, "");
    set_text(&row->data, "");
    set_text(&row->cached_from, "");
    node_why(n, "", "");
    row->n_user = row->n_infra = row->retry_ms = row->end_ms = 0;
    row->cost_s = NAN;
    return node_save(c, n, STEP_WAITING, "step.waiting", NULL, error);
}

static bool gave(const struct node *n, const char *artifact)
{
    json_t *ids = flow_artifact_ids(n->outputs), *id;
    size_t i;
    bool found = false;
    json_array_foreach(ids, i, id)
        found |= !strcmp(json_string_value(id), artifact);
    json_decref(ids);
    return found;
}

enum err flow_corrupt(struct core *c, struct node *n, const char *artifact, const char *message, struct error *error)
{
    struct frame *fr = n->frame;
    struct node *maker = NULL;
    for (; fr && !maker; fr = fr->outer)
        for (size_t i = 0; i < fr->n && !maker; i++)
            if (node_good(fr->nodes[i]) && !fr->nodes[i]->step->map_over && !fr->nodes[i]->step->pipeline && gave(fr->nodes[i], artifact))
                maker = fr->nodes[i];
    enum err err = end_attempt(c, n, STEP_FAILED, "CORRUPT", message, error);
    if (err)
        return err;
    if (!maker || n->map)
        return flow_node_end(c, n, STEP_FAILED, "CORRUPT", message, error);
    char *flight CLEANUP_FREE = flow_flight_key(maker);
    char *scope CLEANUP_FREE = flight ? x_strndup(flight, (size_t)(strrchr(flight, ':') - flight)) : NULL;
    if (scope)
        err = cache_drop(c->db, scope, maker->row->cache_key, error);
    maker->fresh = true;
    if (!err)
        err = flow_reset(c, maker, error);
    return err ? err : flow_reset(c, n, error);
}

/* --- what holds steps */

static enum err fail_open(struct core *c, struct node *n, struct problems *wrong, struct error *error)
{
    char *why CLEANUP_FREE = x_asprintf("%s: %s", wrong->items[0].pointer + 1, wrong->items[0].detail);
    problems_release(wrong);
    return flow_node_end(c, n, STEP_FAILED, "USER", why, error);
}

static enum err open_with(struct core *c, struct node *n, const char *member, const json_t *value, struct error *error)
{
    json_t *data = json_pack("{s:O}", member, value);
    char *text CLEANUP_FREE = json_text(data);
    json_decref(data);
    set_text(&n->row->data, text);
    n->row->start_ms = n->row->start_ms ? n->row->start_ms : c->now;
    return node_save(c, n, STEP_RUNNING, "step.running", NULL, error);
}

static enum err open_map(struct core *c, struct node *n, struct error *error)
{
    struct scope s = {.core = c, .node = n, .mode = SCOPE_RAW};
    struct problems wrong = {0};
    json_t *items = refs_resolve(n->step->map_over, "/map/over", flow_value, &s, &wrong);
    scope_release(&s);
    if (items && !json_is_array(items))
        problems_add(&wrong, "/map/over", "TYPE", NULL, "is no list");
    else if (items && json_array_size(items) > (size_t)n->step->map_max_items)
        problems_add(&wrong, "/map/over", "RANGE", NULL, "has %zu items, at most %lld are allowed (map.max_items)", json_array_size(items), (long long)n->step->map_max_items);
    else if (items && n->frame->flow->row->n_rows + (int64_t)json_array_size(items) > PIPELINE_MAX_ROWS)
        problems_add(&wrong, "/map/over", "RANGE", NULL, "has %zu items: the run would have more than %d steps", json_array_size(items), PIPELINE_MAX_ROWS);
    if (wrong.n) {
        json_decref(items);
        return fail_open(c, n, &wrong, error);
    }
    n->items = items;
    n->gathered = json_object();
    for (size_t i = 0; i < n->step->n_outputs; i++)
        (void)json_object_set_new(n->gathered, n->step->outputs[i].name, json_array());
    return open_with(c, n, "items", items, error);
}

static enum err open_sub(struct core *c, struct node *n, struct error *error)
{
    struct scope s = {.core = c, .node = n, .mode = SCOPE_RAW};
    struct problems wrong = {0};
    json_t *params = flow_inputs(&s, &wrong) ? pipeline_bind(n->step->pipeline, s.inputs, "/inputs", &wrong) : NULL;
    scope_release(&s);
    if (!params)
        return fail_open(c, n, &wrong, error);
    (void)frame_open(n, NULL, params);
    return open_with(c, n, "params", params, error);
}

/* Values of the outputs of a pipeline, seen from inside it; those that are not there are left out unless `strict`. */
static json_t *outputs_of(struct frame *fr, const struct pipeline *p, bool strict, struct problems *problems)
{
    struct step_row row = {.path = "", .attempt = 0};
    struct node inside = {.frame = fr, .row = &row};
    struct scope s = {.node = &inside, .mode = SCOPE_RAW};
    json_t *out = json_object();
    for (size_t i = 0; i < p->n_outputs; i++) {
        struct problems wrong = {0};
        char *pointer CLEANUP_FREE = x_asprintf("/outputs/%s", p->outputs[i].name);
        json_t *value = pipeline_output(&p->outputs[i], pointer, flow_value, &s, strict ? problems : &wrong);
        if (value)
            (void)json_object_set_new(out, p->outputs[i].name, value);
        problems_release(&wrong);
    }
    return out;
}

static enum err close_node(struct core *c, struct node *n, const struct act *a, struct error *error)
{
    if (n->items) {
        char *cause CLEANUP_FREE = x_strdup(*n->row->cause ? n->row->cause : a->cause), *message CLEANUP_FREE = x_strdup(*n->row->message ? n->row->message : a->message);
        set_outputs(n, n->gathered);
        n->gathered = NULL;
        json_decref(n->items);
        n->items = NULL;
        return flow_node_end(c, n, a->state, cause, message, error);
    }
    struct problems wrong = {0};
    json_t *outputs = outputs_of(n->child, n->child->pipeline, a->state == STEP_SUCCEEDED, &wrong);
    if (n->child->outer && n->outputs) { /* what the step itself gave, and over it what its steps did */
        json_t *both = json_copy(n->outputs);
        (void)json_object_update(both, outputs);
        json_decref(outputs);
        outputs = both;
    }
    if (wrong.n) {
        json_decref(outputs);
        return fail_open(c, n, &wrong, error);
    }
    set_outputs(n, outputs);
    return flow_node_end(c, n, a->state, a->cause, a->message, error);
}

/* --- runs */

static enum run_state run_end(enum step_state s)
{
    return s == STEP_SUCCEEDED ? RUN_SUCCEEDED : s == STEP_CANCELLED ? RUN_CANCELLED : RUN_FAILED;
}

enum err flow_stop(struct core *c, struct flow *f, enum run_state outcome, const char *reason, const char *message, struct error *error)
{
    f->row->state = RUN_STOPPING;
    set_text(&f->row->outcome, run_state_name(outcome));
    set_text(&f->row->reason, reason);
    set_text(&f->row->message, message);
    return flow_record(c, f, NULL, "run.stopping", json_pack("{s:s, s:s}", "outcome", run_state_name(outcome), "reason", reason), error);
}

static enum err decide(struct core *c, struct flow *f, const struct act *a, struct error *error)
{
    struct problems wrong = {0};
    bool good = a->state == STEP_SUCCEEDED;
    json_t *outputs = outputs_of(f->root, f->plan->pipeline, good, &wrong);
    char *text CLEANUP_FREE = json_text(outputs);
    json_decref(outputs);
    set_text(&f->row->outputs, text);
    char *why CLEANUP_FREE = wrong.n ? x_asprintf("%s: %s", wrong.items[0].pointer + 1, wrong.items[0].detail) : x_strdup(a->message);
    enum err err = flow_stop(c, f, wrong.n ? RUN_FAILED : run_end(a->state), wrong.n ? "OUTPUTS" : a->cause, why, error);
    problems_release(&wrong);
    return err;
}

static enum err finish(struct core *c, struct flow *f, const struct act *a, struct error *error)
{
    static const char *const kinds[RUN_STATE_COUNT] = {[RUN_SUCCEEDED] = "run.succeeded", [RUN_FAILED] = "run.failed", [RUN_CANCELLED] = "run.cancelled"};
    enum run_state end = (enum run_state)run_state_parse(f->row->outcome);
    if (a->state != STEP_SUCCEEDED && end == RUN_SUCCEEDED) {
        end = RUN_FAILED;
        set_text(&f->row->reason, "FINALLY_FAILED");
        set_text(&f->row->message, a->message);
    }
    if (end != RUN_SUCCEEDED && !strcmp(f->row->outputs, "{}")) {
        json_t *outputs = outputs_of(f->root, f->plan->pipeline, false, NULL);
        char *text CLEANUP_FREE = json_text(outputs);
        json_decref(outputs);
        set_text(&f->row->outputs, text);
    }
    f->row->state = end;
    set_text(&f->row->outcome, run_state_name(end));
    f->row->end_ms = c->now;
    flow_tell(c, f);
    if (f->row->schedule_id) /* a firing may wait for it */
        wake_at(c, c->mono);
    return flow_record(c, f, NULL, kinds[end], json_pack("{s:s}", "reason", f->row->reason), error);
}

static enum err cancel(struct core *c, struct node *n, const struct act *a, struct error *error)
{
    n->cancel_asked = true;
    node_why(n, a->cause, a->message);
    flow_effect(c, EFFECT_STEP_CANCEL, n);
    n->attempt->state = STEP_STOPPING;
    enum err err = attempt_save(c, n, error);
    return err ? err : node_save(c, n, STEP_STOPPING, "step.stopping", NULL, error);
}

static enum err perform(struct core *c, struct flow *f, const struct act *a, struct error *error)
{
    switch (a->kind) {
    case ACT_END:
        return flow_node_end(c, a->node, a->state, a->cause, a->message, error);
    case ACT_START:
        return flow_start(c, a->node, error);
    case ACT_OPEN:
        return a->node->step->map_over && !a->node->map ? open_map(c, a->node, error) : open_sub(c, a->node, error);
    case ACT_ITEM: {
        struct node *item = node_item(c, a->node, (int64_t)a->node->next_item++);
        return item->step->pipeline ? open_sub(c, item, error) : flow_start(c, item, error);
    }
    case ACT_CANCEL:
        return cancel(c, a->node, a, error);
    case ACT_CLOSE:
        return close_node(c, a->node, a, error);
    case ACT_OUTCOME:
        return decide(c, f, a, error);
    case ACT_FINISH:
        return finish(c, f, a, error);
    }
    return OK;
}

enum err flow_advance(struct core *c, struct flow *f, struct error *error)
{
    struct acts acts = {0};
    enum err err = OK;
    do {
        flow_next(f, c->now, &acts);
        for (size_t i = 0; i < acts.n && !err; i++)
            err = perform(c, f, &acts.items[i], error);
    } while (acts.n && !err);
    if (acts.wake_ms != INT64_MAX)
        wake_at(c, c->mono + (acts.wake_ms - c->now));
    free(acts.items);
    return err;
}
