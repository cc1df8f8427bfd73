/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What references name for a step: values when it runs, names of what they are when it is about its cache key. */
#include "core/flow.h"

#include "model/runs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MAX 65536

/* The node of that id where `n` stands; an expansion sees what its owner sees, and its owner. */
static const struct node *find_node(const struct node *n, const char *id)
{
    for (const struct frame *fr = n->frame; fr; fr = fr->outer)
        for (size_t i = 0; i < fr->n + fr->n_finally; i++)
            if (!strcmp(fr->nodes[i]->step->id, id))
                return fr->nodes[i];
    return NULL;
}

static bool is_artifact(const json_t *value)
{
    return json_is_object(value) && json_is_string(json_object_get(value, "artifact"));
}

/* Where the artifact will lie for the step: the same one twice lies there once. */
static json_t *laid(struct scope *s, const json_t *value)
{
    const char *id = json_string_value(json_object_get(value, "artifact")), *name = json_string_value(json_object_get(value, "name"));
    for (size_t i = 0; i < s->n_lays; i++)
        if (!strcmp(s->lays[i].artifact, id))
            return json_string(s->lays[i].path);
    if (s->n_lays == s->cap_lays) {
        s->cap_lays = s->cap_lays ? s->cap_lays * 2 : 8;
        s->lays = x_realloc(s->lays, s->cap_lays * sizeof *s->lays);
    }
    const char *base = name && *name && !strchr(name, '/') && *name != '.' ? name : "data";
    struct lay *l = &s->lays[s->n_lays];
    *l = (struct lay){.artifact = x_strdup(id), .path = x_asprintf("%s/in/%zu/%s", s->dir, s->n_lays, base)};
    s->n_lays++;
    return json_string(l->path);
}

/* A value as the step sees it: artifacts as paths, or by what they are. New reference. */
static json_t *seen(struct scope *s, const json_t *value)
{
    json_t *v = (json_t *)(uintptr_t)value, *item;
    size_t i;
    const char *key;
    if (s->mode == SCOPE_RAW)
        return v ? json_incref(v) : NULL;
    if (is_artifact(v))
        return s->mode == SCOPE_KEY ? json_incref(json_object_get(v, "artifact")) : laid(s, v);
    if (json_is_array(v)) {
        json_t *out = json_array();
        json_array_foreach(v, i, item)
            (void)json_array_append_new(out, seen(s, item));
        return out;
    }
    if (json_is_object(v)) {
        json_t *out = json_object();
        json_object_foreach(v, key, item)
            (void)json_object_set_new(out, key, seen(s, item));
        return out;
    }
    return v ? json_incref(v) : NULL;
}

static json_t *run_value(const struct scope *s, const char *name)
{
    const struct run_row *run = s->node->frame->flow->row;
    if (!strcmp(name, "state"))
        return json_string(*run->outcome ? run->outcome : run_state_name(run->state));
    if (s->mode != SCOPE_RUN)
        return json_sprintf("${run.%s}", name);
    if (!strcmp(name, "id"))
        return json_string(run->uid);
    if (!strcmp(name, "attempt"))
        return json_integer(s->node->row->attempt);
    return !strcmp(name, "dir") ? json_sprintf("%s/work", s->dir) : !strcmp(name, "outputs") ? json_sprintf("%s/outputs.json", s->dir) : NULL;
}

/* DATA/secrets/NAME, which its owner has put there. */
static json_t *secret(const struct scope *s, const char *name)
{
    if (s->mode != SCOPE_RUN)
        return json_sprintf("${secrets.%s}", name);
    char *path CLEANUP_FREE = x_asprintf("%s/secrets/%s", s->core->data_dir, name);
    char *text CLEANUP_FREE = x_malloc(SECRET_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, text, SECRET_MAX);
    if (fd >= 0)
        (void)close(fd);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    json_t *value = n < 0 ? NULL : json_stringn(text, (size_t)n);
    explicit_bzero(text, SECRET_MAX);
    return value;
}

static json_t *map_value(const struct node *n, const char *name)
{
    if (!n->map)
        return NULL;
    return !strcmp(name, "index") ? json_integer(n->row->item) : json_incref(json_array_get(n->map->items, (size_t)n->row->item));
}

static json_t *output_of(struct scope *s, const struct ref *r)
{
    const struct node *from = find_node(s->node, r->step);
    json_t *value = from && (node_good(from) || from == s->node->frame->owner) ? json_object_get(from->outputs, r->name) : NULL;
    return value ? seen(s, value) : NULL;
}

/* Taken from the cache or not, a step's success is the same. */
static json_t *step_state(const struct scope *s, const struct ref *r)
{
    const struct node *n = find_node(s->node, r->step);
    if (!n || !node_over(n))
        return NULL;
    return json_string(node_good(n) ? step_state_name(STEP_SUCCEEDED) : step_state_name(n->row->state));
}

json_t *flow_value(void *arg, const struct ref *r)
{
    struct scope *s = arg;
    struct problems wrong = {0};
    json_t *trial;
    switch (r->kind) {
    case REF_PARAM:
        return seen(s, json_object_get(s->node->frame->params, r->name));
    case REF_INPUT:
        if (!flow_inputs(s, &wrong)) {
            problems_release(&wrong);
            return NULL;
        }
        return json_incref(json_object_get(s->inputs, r->name));
    case REF_STEP_OUTPUT:
        return output_of(s, r);
    case REF_STEP_STATE:
        return step_state(s, r);
    case REF_OUT:
        return s->dir ? json_sprintf("%s/artifacts/%s", s->dir, r->name) : json_sprintf("${out.%s}", r->name);
    case REF_MAP: {
        json_t *item = map_value(s->node, r->name), *out = item ? seen(s, item) : NULL;
        json_decref(item);
        return out;
    }
    case REF_RUN:
        return run_value(s, r->name);
    case REF_TRIAL:
        trial = json_object_get(s->node->frame->flow->origin, "trial");
        return trial ? json_incref(trial) : json_integer(0);
    case REF_SECRET:
        return secret(s, r->name);
    }
    return NULL;
}

bool flow_inputs(struct scope *s, struct problems *problems)
{
    if (s->inputs)
        return true;
    s->inputs = json_object(); /* an input may not name another */
    const struct step *step = s->node->step;
    json_t *inputs = refs_resolve(step->inputs, "/inputs", flow_value, s, problems);
    for (size_t i = 0; inputs && i < step->n_inputs_declared; i++) {
        const struct port *port = &step->inputs_declared[i];
        (void)json_object_set_new(inputs, port->name, type_value(port->type, json_object_get(inputs, port->name)));
    }
    json_decref(s->inputs);
    s->inputs = inputs;
    return inputs != NULL;
}

void scope_release(struct scope *s)
{
    json_decref(s->inputs);
    for (size_t i = 0; i < s->n_lays; i++) {
        free(s->lays[i].artifact);
        free(s->lays[i].path);
    }
    free(s->lays);
    *s = (struct scope){0};
}

static void is_param(void *arg, const struct ref *r, const char *pointer)
{
    (void)pointer;
    *(bool *)arg |= r->kind == REF_PARAM || r->kind == REF_MAP || r->kind == REF_TRIAL;
}

struct node flow_outside(struct flow *f, struct step_row *row)
{
    return (struct node){.frame = f->root, .row = row};
}

bool flow_tainted(const struct node *n)
{
    struct problems ignored = {0};
    bool found = n->frame->outer != NULL;
    const struct step *s = n->step;
    if (n->frame->owner && !n->frame->outer && flow_tainted(n->frame->owner))
        return true;
    const json_t *texts[] = {s->run, s->env, s->inputs, s->map_over};
    for (size_t i = 0; i < ARRAY_LEN(texts) && !found; i++)
        refs_find(texts[i], "", is_param, &found, &ignored);
    if (s->when)
        condition_refs(s->when, "", is_param, &found);
    problems_release(&ignored);
    for (size_t i = 0; i < s->n_needs && !found; i++)
        found = flow_tainted(n->frame->nodes[s->needs[i]]);
    return found;
}

static void collect(const json_t *value, json_t *into)
{
    json_t *v = (json_t *)(uintptr_t)value, *item;
    size_t i;
    const char *key;
    if (is_artifact(v))
        (void)json_array_append(into, json_object_get(v, "artifact"));
    else if (json_is_array(v))
        json_array_foreach(v, i, item)
            collect(item, into);
    else if (json_is_object(v))
        json_object_foreach(v, key, item)
            collect(item, into);
}

json_t *flow_artifact_ids(const json_t *value)
{
    json_t *ids = json_array();
    collect(value, ids);
    return ids;
}
