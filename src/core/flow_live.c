/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs in use: read from their rows, held as trees, let go. */
#include "core/flow.h"

#include "base/log.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define PLANS_KEPT 64
#define GATHER_MAX (16 << 20) /* bytes of a map's outputs */

/* --- plans */

struct flow_plan *flow_plan_ref(struct flow_plan *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void flow_plan_unref(struct flow_plan *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    pipeline_free(p->pipeline);
    json_decref(p->code);
    free(p);
}

static void forget_plans(struct core *c, size_t keep)
{
    struct flow_plan *p, *next;
    HASH_ITER(hh, c->flow_plans, p, next)
    {
        if (HASH_COUNT(c->flow_plans) <= keep)
            return;
        if (keep && atomic_load(&p->refs) > 1)
            continue;
        HASH_DELETE(hh, c->flow_plans, p);
        flow_plan_unref(p);
    }
}

enum err flow_plan_get(struct core *c, int64_t pipeline_id, struct flow_plan **out, struct error *error)
{
    struct flow_plan *p;
    HASH_FIND(hh, c->flow_plans, &pipeline_id, sizeof pipeline_id, p);
    if (p) {
        *out = p;
        return OK;
    }
    struct pipeline_row *row;
    enum err err = pipeline_get_id(c->db, pipeline_id, &row, error);
    if (err)
        return err;
    struct problems problems = {0};
    struct pipeline *pipeline = pipeline_parse(row->document, strlen(row->document), &problems);
    if (pipeline) {
        p = X_NEW(struct flow_plan);
        p->id = pipeline_id;
        p->pipeline = pipeline;
        p->code = json_loads(row->code, 0, NULL);
        atomic_init(&p->refs, 1);
        forget_plans(c, PLANS_KEPT);
        HASH_ADD(hh, c->flow_plans, id, sizeof p->id, p);
        *out = p;
    } else {
        err = err_set(error, ERR_UNSUPPORTED, "STORED_PIPELINE", "the stored file of pipeline %s cannot be read: %s: %s", row->name, problems.n ? problems.items[0].pointer : "",
                      problems.n ? problems.items[0].detail : "unknown");
    }
    problems_release(&problems);
    pipeline_row_free(row);
    return err;
}

/* --- nodes and frames */

static struct node *node_new(struct frame *fr, const struct step *step, size_t index, struct node *map, int64_t item)
{
    struct node *n = X_NEW(struct node);
    char *path CLEANUP_FREE = map         ? x_asprintf("%s[%lld]", map->row->path, (long long)item)
                              : fr->owner && !fr->outer ? x_asprintf("%s.%s", fr->owner->row->path, step->id)
                              : fr->owner && fr->owner->frame->owner ? x_asprintf("%.*s%s", (int)(strlen(fr->owner->row->path) - strlen(fr->owner->step->id)), fr->owner->row->path, step->id)
                                          : x_strdup(step->id);
    struct step_row row = {.run_id = fr->flow->id,
                           .path = path,
                           .step = step->id,
                           .item = item,
                           .state = STEP_WAITING,
                           .cache_key = "",
                           .outputs = "",
                           .data = "",
                           .cause = "",
                           .message = "",
                           .cost_s = NAN,
                           .cached_from = ""};
    n->frame = fr;
    n->step = step;
    n->index = index;
    n->map = map;
    n->row = step_copy(&row);
    n->submit_at = NEVER;
    n->fresh = map ? map->fresh : fr->owner && fr->owner->fresh;
    return n;
}

static void node_free(struct core *c, struct node *n)
{
    if (n->flight)
        flight_leave(c, n);
    if (n->seq)
        HASH_DELETE(hh, n->frame->flow->by_seq, n);
    for (size_t i = 0; i < n->n_live; i++)
        node_free(c, n->live[i]);
    free(n->live);
    frame_free(c, n->child);
    json_decref(n->outputs);
    json_decref(n->items);
    json_decref(n->gathered);
    step_row_free(n->row);
    step_attempt_free(n->attempt);
    free(n);
}

/* `plan`: the reference is taken. */
static struct frame *frame_new(struct flow *f, struct node *owner, struct frame *outer, const struct pipeline *p, struct flow_plan *plan, json_t *params)
{
    struct frame *fr = X_NEW(struct frame);
    fr->flow = f;
    fr->owner = owner;
    fr->outer = outer;
    fr->pipeline = p;
    fr->plan = plan;
    fr->params = params;
    fr->n = p->n_steps;
    fr->n_finally = p->n_finally;
    fr->nodes = x_calloc(fr->n + fr->n_finally + 1, sizeof *fr->nodes);
    for (size_t i = 0; i < fr->n + fr->n_finally; i++)
        fr->nodes[i] = node_new(fr, i < fr->n ? &p->steps[i] : &p->finally[i - fr->n], i, NULL, -1);
    return fr;
}

struct frame *frame_open(struct node *owner, struct pipeline *own, json_t *params)
{
    struct flow_plan *plan = own ? X_NEW(struct flow_plan) : flow_plan_ref(owner->frame->plan);
    if (own) {
        plan->pipeline = own;
        atomic_init(&plan->refs, 1);
    }
    owner->child = frame_new(owner->frame->flow, owner, own ? owner->frame : NULL, own ? own : owner->step->pipeline, plan, params);
    return owner->child;
}

void frame_free(struct core *c, struct frame *fr)
{
    if (!fr)
        return;
    for (size_t i = 0; i < fr->n + fr->n_finally; i++)
        node_free(c, fr->nodes[i]);
    free(fr->nodes);
    json_decref(fr->params);
    flow_plan_unref(fr->plan);
    free(fr);
}

struct node *node_item(struct core *c, struct node *map, int64_t item)
{
    (void)c;
    if (map->n_live == map->cap_live) {
        map->cap_live = map->cap_live ? map->cap_live * 2 : 8;
        map->live = x_realloc(map->live, map->cap_live * sizeof(struct node *));
    }
    struct node *n = node_new(map->frame, map->step, map->index, map, item);
    map->live[map->n_live++] = n;
    return n;
}

void node_drop(struct core *c, struct node *n)
{
    struct node *map = n->map;
    for (size_t i = 0; i < map->n_live; i++)
        if (map->live[i] == n)
            map->live[i] = map->live[--map->n_live];
    node_free(c, n);
}

bool map_gather(struct node *map, const struct node *item)
{
    for (size_t i = 0; i < map->step->n_outputs; i++) {
        const char *name = map->step->outputs[i].name;
        json_t *list = json_object_get(map->gathered, name), *value = node_good(item) ? json_object_get(item->outputs, name) : NULL;
        if (!list) {
            list = json_array();
            (void)json_object_set_new(map->gathered, name, list);
        }
        while (json_array_size(list) <= (size_t)item->row->item)
            (void)json_array_append_new(list, json_null());
        if (value)
            (void)json_array_set(list, (size_t)item->row->item, value);
    }
    map->gathered_bytes += strlen(item->row->outputs);
    return map->gathered_bytes <= GATHER_MAX;
}

struct node *flow_node(struct flow *f, int64_t seq)
{
    struct node *n;
    HASH_FIND(hh, f->by_seq, &seq, sizeof seq, n);
    return n;
}

/* --- from rows */

struct rows {
    struct step_row **items;
    size_t n, cap;
};

static bool keep_row(void *arg, const struct step_row *s)
{
    struct rows *r = arg;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->items = x_realloc(r->items, r->cap * sizeof *r->items);
    }
    r->items[r->n++] = step_copy(s);
    return true;
}

static bool keep_attempt(void *arg, const struct step_attempt *a)
{
    struct flow *f = arg;
    struct node *n = flow_node(f, a->seq);
    if (n && n->row->attempt == a->number) {
        step_attempt_free(n->attempt);
        n->attempt = step_attempt_copy(a);
    }
    return true;
}

static struct node *find_place(struct core *c, struct flow *f, const struct step_row *row)
{
    struct node *parent = row->parent ? flow_node(f, row->parent) : NULL;
    if (row->parent && !parent)
        return NULL; /* of an item that is over */
    if (row->item >= 0)
        return parent && parent->items ? node_item(c, parent, row->item) : NULL;
    struct frame *fr = row->parent ? parent->child : f->root;
    for (size_t i = 0; fr && i < fr->n + fr->n_finally; i++)
        if (!strcmp(fr->nodes[i]->step->id, row->step))
            return fr->nodes[i];
    return NULL;
}

/* What a node holds beside its row follows from its `data`. */
static void restore_inside(struct node *n)
{
    json_t *data = *n->row->data ? json_loads(n->row->data, 0, NULL) : NULL, *items = json_object_get(data, "items"), *params = json_object_get(data, "params"),
           *written = json_object_get(data, "written");
    if (items && !node_over(n)) {
        n->items = json_incref(items);
        n->gathered = json_object();
    }
    if (params && !node_over(n)) {
        (void)frame_open(n, NULL, json_incref(params));
    } else if (written && !node_over(n)) {
        struct problems wrong = {0};
        struct pipeline *own = pipeline_expand(n->frame->pipeline, n->index, written, &wrong);
        if (own)
            (void)frame_open(n, own, json_incref(n->frame->params));
        problems_release(&wrong);
    }
    json_decref(data);
}

static void place(struct core *c, struct flow *f, struct step_row *row)
{
    struct node *n = find_place(c, f, row);
    if (!n) {
        step_row_free(row);
        return;
    }
    step_row_free(n->row);
    n->row = row;
    n->seq = row->seq;
    HASH_ADD(hh, f->by_seq, seq, sizeof n->seq, n);
    n->outputs = *row->outputs ? json_loads(row->outputs, 0, NULL) : NULL;
    restore_inside(n);
    struct node *map = n->map;
    if (map && (size_t)row->item >= map->next_item)
        map->next_item = (size_t)row->item + 1;
    if (!map || !node_over(n))
        return;
    (void)map_gather(map, n);
    map->n_ok += node_good(n);
    map->n_bad += !node_good(n);
    node_drop(c, n);
}

static bool waits_or_makes(const struct node *n)
{
    enum step_state s = n->row->state;
    return s == STEP_CACHE_WAIT || s == STEP_STARTING || s == STEP_STOPPING || s == STEP_RETRYING || (s == STEP_RUNNING && !n->items && !n->child);
}

static void rejoin(struct core *c, struct flow *f)
{
    struct node *n, *next;
    HASH_ITER(hh, f->by_seq, n, next)
    {
        n->slot = !node_over(n) && n->attempt && !step_state_final(n->attempt->state);
        f->n_running += n->slot;
        char *key CLEANUP_FREE = waits_or_makes(n) ? flow_flight_key(n) : NULL;
        if (!key)
            continue;
        if (n->row->state == STEP_CACHE_WAIT || flight_holder(c, key))
            flight_wait(c, n, key);
        else
            flight_hold(c, n, key);
    }
}

static enum err load_rows(struct core *c, struct flow *f, struct error *error)
{
    struct rows rows = {0};
    enum err err = step_list(c->db, f->id, 0, INT64_MAX, keep_row, &rows, error);
    for (size_t i = 0; i < rows.n; i++)
        if (err)
            step_row_free(rows.items[i]);
        else
            place(c, f, rows.items[i]);
    free(rows.items);
    if (!err)
        err = step_attempt_list(c->db, f->id, 0, keep_attempt, f, error);
    if (!err)
        rejoin(c, f);
    return err;
}

bool flow_has_step(const struct flow *f, const char *id)
{
    for (size_t i = 0; i < f->root->n; i++)
        if (!strcmp(f->root->nodes[i]->step->id, id))
            return true;
    return false;
}

/* A rerun from a step on: it and what comes after it are made anew. */
static void mark_fresh(struct flow *f)
{
    struct frame *fr = f->root;
    const char *from = json_string_value(json_object_get(f->origin, "from"));
    for (size_t i = 0; from && i < fr->n; i++) {
        struct node *n = fr->nodes[i];
        n->fresh = !strcmp(n->step->id, from);
        for (size_t k = 0; k < n->step->n_needs; k++)
            n->fresh |= fr->nodes[n->step->needs[k]]->fresh;
    }
}

static void plant(struct flow *f)
{
    f->root = frame_new(f, NULL, NULL, f->plan->pipeline, flow_plan_ref(f->plan), json_incref(f->params));
    mark_fresh(f);
}

static struct flow *flow_new(struct core *c, const struct run_row *row, struct flow_plan *plan)
{
    struct flow *f = X_NEW(struct flow);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    f->id = row->id;
    f->row = run_copy(row);
    f->plan = flow_plan_ref(plan);
    f->params = json_loads(row->params, 0, NULL);
    f->origin = json_loads(row->origin, 0, NULL);
    f->parallel = plan->pipeline->parallel ? plan->pipeline->parallel : processors > 4 ? processors : 4;
    plant(f);
    HASH_ADD(hh, c->flows, id, sizeof f->id, f);
    return f;
}

enum err flow_add(struct core *c, const struct run_row *row, struct flow **out, struct error *error)
{
    struct flow_plan *plan;
    enum err err = flow_plan_get(c, row->pipeline_id, &plan, error);
    if (!err)
        *out = flow_new(c, row, plan);
    return err;
}

static void flow_free(struct core *c, struct flow *f)
{
    HASH_DELETE(hh, c->flows, f);
    frame_free(c, f->root);
    json_decref(f->params);
    json_decref(f->origin);
    flow_plan_unref(f->plan);
    run_free(f->row);
    free(f);
}

enum err flow_get(struct core *c, int64_t id, struct flow **out, struct error *error)
{
    struct run_row *row = NULL;
    HASH_FIND(hh, c->flows, &id, sizeof id, *out);
    if (*out)
        return (*out)->deleted ? err_set(error, ERR_NOT_FOUND, "RUN_NOT_FOUND", "the run was deleted") : OK;
    enum err err = run_get_id(c->db, id, &row, error);
    if (!err)
        err = flow_add(c, row, out, error);
    run_free(row);
    if (!err)
        err = load_rows(c, *out, error);
    if (!err)
        flow_touch(c, *out);
    return err;
}

enum err flow_reload(struct core *c, struct flow *f, struct error *error)
{
    struct run_row *row = NULL;
    enum err err = run_get_id(c->db, f->id, &row, error);
    frame_free(c, f->root);
    f->n_running = 0;
    if (err == ERR_NOT_FOUND) {
        f->deleted = true;
        plant(f);
        return OK;
    }
    plant(f);
    if (err)
        return err;
    run_free(f->row);
    f->row = row;
    return load_rows(c, f, error);
}

void flow_touch(struct core *c, struct flow *f)
{
    if (f->touched)
        return;
    f->touched = true;
    if (c->n_flows_touched == c->cap_flows_touched) {
        c->cap_flows_touched = c->cap_flows_touched ? c->cap_flows_touched * 2 : 16;
        c->flows_touched = x_realloc(c->flows_touched, c->cap_flows_touched * sizeof(struct flow *));
    }
    c->flows_touched[c->n_flows_touched++] = f;
}

void flow_evict(struct core *c, struct flow *f)
{
    if (f->deleted || run_state_final(f->row->state))
        flow_free(c, f);
}

void flows_free_all(struct core *c)
{
    struct flow *f, *next;
    HASH_ITER(hh, c->flows, f, next)
    flow_free(c, f);
    forget_plans(c, 0);
}
