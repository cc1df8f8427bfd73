/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the references of a pipeline name: edges between steps, and the types of what is bound to what. */
#include "base/buf.h"
#include "base/mem.h"
#include "pipeline/pipeline_part.h"

#include <stdio.h>
#include <string.h>

/* Where a reference stands, and what may be named there. */
enum place { IN_RUN, IN_ENV, IN_INPUTS, IN_WHEN, IN_MAP, IN_OUTPUTS };

#define BIT(kind) (1U << (kind))
#define ANYWHERE (BIT(REF_PARAM) | BIT(REF_STEP_OUTPUT) | BIT(REF_STEP_STATE) | BIT(REF_RUN) | BIT(REF_TRIAL))

static const struct {
    const char *noun;
    unsigned kinds;
} places[] = {
    [IN_RUN] = {"run", ANYWHERE | BIT(REF_INPUT) | BIT(REF_OUT) | BIT(REF_MAP)},
    [IN_ENV] = {"env", ANYWHERE | BIT(REF_INPUT) | BIT(REF_OUT) | BIT(REF_MAP) | BIT(REF_SECRET)},
    [IN_INPUTS] = {"inputs", ANYWHERE | BIT(REF_MAP)},
    [IN_WHEN] = {"when", ANYWHERE},
    [IN_MAP] = {"map.over", BIT(REF_PARAM) | BIT(REF_STEP_OUTPUT)},
    [IN_OUTPUTS] = {"outputs", ANYWHERE},
};

struct seek {
    struct reading *rd;
    struct draft *d; /* NULL: the outputs of the run */
    enum place place;
};

/* ---- names ---- */

static struct draft *find_draft(const struct reading *rd, const char *id)
{
    for (size_t i = 0; i < rd->n_steps; i++)
        if (!strcmp(rd->drafts[i].step.id, id))
            return &rd->drafts[i];
    return NULL;
}

static void mark_before(struct reading *rd)
{
    rd->before[rd->parent] = true;
    for (size_t i = rd->parent + 1; i-- > 0;)
        for (size_t k = 0; rd->before[i] && k < rd->outer->steps[i].n_needs; k++)
            rd->before[rd->outer->steps[i].needs[k]] = true;
}

/* A step around an expansion: the one that made it, or one that comes before that. */
static const struct step *find_outer(const struct reading *rd, const char *id)
{
    for (size_t i = 0; rd->outer && i <= rd->parent; i++)
        if (rd->before[i] && !strcmp(rd->outer->steps[i].id, id))
            return &rd->outer->steps[i];
    return NULL;
}

static const struct step *find_step(const struct reading *rd, const char *id)
{
    const struct draft *d = find_draft(rd, id);
    return d ? &d->step : find_outer(rd, id);
}

static const char *step_meant(const struct reading *rd, const char *id)
{
    const char **ids CLEANUP_FREE = x_calloc(rd->n_steps + 1, sizeof *ids);
    for (size_t i = 0; i < rd->n_steps; i++)
        ids[i] = rd->drafts[i].step.id;
    return did_you_mean(id, ids);
}

static struct type *named_type(const struct reading *rd, const struct draft *d, const struct ref *r);

static void unknown_step(const struct reading *rd, const char *id, const char *pointer)
{
    for (size_t i = rd->n_steps; i < rd->n_drafts; i++)
        if (!strcmp(rd->drafts[i].step.id, id)) {
            problems_add(rd->problems, pointer, "UNKNOWN_STEP", NULL, "\"%.64s\" is a step of finally, which runs when all else is done", id);
            return;
        }
    problems_add(rd->problems, pointer, "UNKNOWN_STEP", step_meant(rd, id), "there is no step \"%.64s\"%s", id,
                 rd->outer ? " among those written, nor before the step that wrote them" : "");
}

static void unknown_port(const struct reading *rd, const char *what, const struct port *ports, size_t n, const char *name, const char *pointer)
{
    problems_add(rd->problems, pointer, "UNKNOWN_NAME", port_meant(ports, n, name), "there is no %s \"%.127s\"%s", what, name, n ? "" : "; none is declared");
}

/* ---- edges ---- */

static void add_need(struct step *s, size_t need)
{
    for (size_t i = 0; i < s->n_needs; i++)
        if (s->needs[i] == need)
            return;
    s->needs = x_realloc(s->needs, (s->n_needs + 1) * sizeof *s->needs);
    s->needs[s->n_needs++] = need;
}

static void named_step(struct seek *k, const struct ref *r, const char *pointer)
{
    struct reading *rd = k->rd;
    const struct step *s = find_step(rd, r->step);
    const struct draft *d = find_draft(rd, r->step);
    bool is_step = k->d && k->d < rd->drafts + rd->n_steps; /* what is in finally comes last anyway */
    if (!s) {
        unknown_step(rd, r->step, pointer);
        return;
    }
    if (k->d && s == &k->d->step) {
        problems_add(rd->problems, pointer, "CYCLE", NULL, "a step cannot use its own output \"%s\" as an input; the path to write it to is ${out.%s}", r->name, r->name);
        return;
    }
    if (r->kind == REF_STEP_OUTPUT && !port_find(s->outputs, s->n_outputs, r->name) && (s->pipeline || s->run)) {
        char *what CLEANUP_FREE = x_asprintf("output of step \"%s\" with the name", s->id);
        unknown_port(rd, what, s->outputs, s->n_outputs, r->name, pointer);
    }
    if (!is_step || !d)
        return;
    size_t before = k->d->step.n_needs;
    add_need(&k->d->step, (size_t)(d - rd->drafts));
    if (k->d->step.any && k->d->step.n_needs != before)
        problems_add(rd->problems, pointer, "CONFLICT", NULL, "refers to step \"%s\", which is not in needs.any: name it there, or use needs as a list", s->id);
}

static void check_path(struct seek *k, const struct ref *r, const char *pointer);

static void named(void *arg, const struct ref *r, const char *pointer)
{
    struct seek *k = arg;
    struct reading *rd = k->rd;
    static const struct step nowhere;
    const struct step *s = k->d ? &k->d->step : &nowhere;
    char shown[REF_SHOW];
    if (!(places[k->place].kinds & BIT(r->kind))) {
        problems_add(rd->problems, pointer, "PLACE", NULL, "%s cannot be used in %s", ref_show(r, shown), places[k->place].noun);
        return;
    }
    if (r->path)
        check_path(k, r, pointer);
    if (r->step)
        named_step(k, r, pointer);
    else if (r->kind == REF_PARAM && !port_find(rd->p->params, rd->p->n_params, r->name))
        unknown_port(rd, "parameter", rd->p->params, rd->p->n_params, r->name, pointer);
    else if (r->kind == REF_OUT && !port_find(s->outputs, s->n_outputs, r->name))
        unknown_port(rd, "output of this step with the name", s->outputs, s->n_outputs, r->name, pointer);
    else if (r->kind == REF_INPUT && !json_object_get(s->inputs, r->name))
        problems_add(rd->problems, pointer, "UNKNOWN_NAME", NULL, "this step has no input \"%s\"", r->name);
    else if (r->kind == REF_MAP && !s->map_over)
        problems_add(rd->problems, pointer, "PLACE", NULL, "%s can be used in a step with map only", ref_show(r, shown));
    else if (r->kind == REF_MAP && strcmp(r->name, s->map_as) != 0 && strcmp(r->name, "index") != 0)
        problems_add(rd->problems, pointer, "UNKNOWN_NAME", s->map_as, "there is no map.%s: the item is map.%s, its number map.index", r->name, s->map_as);
}

/* A member of what has none. */
static void check_path(struct seek *k, const struct ref *r, const char *pointer)
{
    struct type *t = named_type(k->rd, k->d, r);
    char shown[REF_SHOW];
    bool has_members = !t || type_item(t) || type_kind(t) == TYPE_JSON || type_kind(t) == TYPE_STRUCT;
    char *is CLEANUP_FREE = t ? type_show(t) : NULL;
    if (!has_members)
        problems_add(k->rd->problems, pointer, "TYPE", NULL, "%s: there are no members in %s", ref_show(r, shown), is);
    type_free(t);
}

static void seek(struct reading *rd, struct draft *d, const json_t *value, const char *member, enum place place)
{
    struct seek k = {rd, d, place};
    char *pointer CLEANUP_FREE = x_asprintf("%s%s", d->pointer, member);
    if (value)
        refs_find(value, pointer, named, &k, rd->problems);
}

static void seek_needs(struct reading *rd, struct draft *d)
{
    const json_t *needs = json_object_get(d->doc, "needs"), *list = d->step.any ? json_object_get(needs, "any") : needs;
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *pointer CLEANUP_FREE = x_asprintf("%s/needs%s/%zu", d->pointer, d->step.any ? "/any" : "", i);
        const char *id = json_string_value(json_array_get(list, i));
        char *inner CLEANUP_FREE = id && rd->outer ? x_asprintf("%s.%s", rd->outer->steps[rd->parent].id, id) : NULL;
        const struct draft *need = id ? find_draft(rd, inner ? inner : id) : NULL;
        if (!id)
            problems_add(rd->problems, pointer, "TYPE", NULL, "must be the name of a step");
        else if (need == d)
            problems_add(rd->problems, pointer, "CYCLE", NULL, "a step cannot need itself");
        else if (need)
            add_need(&d->step, (size_t)(need - rd->drafts));
        else if (!find_outer(rd, id))
            unknown_step(rd, id, pointer);
    }
}

/* ---- types ---- */

static struct type *value_type(const struct reading *rd, const struct draft *d, const json_t *value);

static struct type *input_type(const struct reading *rd, const struct draft *d, const char *name)
{
    const struct port *declared = port_find(d->step.inputs_declared, d->step.n_inputs_declared, name);
    return declared ? type_copy(declared->type) : value_type(rd, d, json_object_get(d->step.inputs, name));
}

static struct type *output_type(const struct reading *rd, const struct ref *r)
{
    const struct step *s = find_step(rd, r->step);
    const struct port *port = s ? port_find(s->outputs, s->n_outputs, r->name) : NULL;
    if (!port)
        return NULL;
    return s->map_over ? type_list_of(port->type) : type_copy(port->type);
}

/* Of what a reference names before its path. */
static struct type *named_type(const struct reading *rd, const struct draft *d, const struct ref *r)
{
    const struct port *param;
    switch (r->kind) {
    case REF_PARAM:
        param = port_find(rd->p->params, rd->p->n_params, r->name);
        return param ? type_copy(param->type) : NULL;
    case REF_INPUT:
        return d ? input_type(rd, d, r->name) : NULL;
    case REF_STEP_OUTPUT:
        return output_type(rd, r);
    case REF_MAP:
        if (strcmp(r->name, "index") != 0)
            return d && d->item ? type_copy(d->item) : NULL;
        return type_plain(TYPE_INT);
    case REF_TRIAL:
        return type_plain(TYPE_INT);
    case REF_STEP_STATE:
    case REF_OUT:
    case REF_RUN:
    case REF_SECRET:
        return type_plain(TYPE_STRING);
    }
    return NULL;
}

/* New; NULL where nothing is known (the problem is told elsewhere). */
static struct type *ref_type(const struct reading *rd, const struct draft *d, const struct ref *r)
{
    struct type *t = named_type(rd, d, r);
    char *path CLEANUP_FREE = x_strdup(r->path ? r->path : ""), *rest = path;
    while (t && strtok_r(rest, ".", &rest)) {
        struct type *inner = type_item(t) ? type_copy(type_item(t)) : type_plain(TYPE_JSON);
        type_free(t);
        t = inner;
    }
    return t;
}

static struct type *value_type(const struct reading *rd, const struct draft *d, const json_t *value)
{
    struct ref r;
    if (json_is_string(value) && ref_exact(json_string_value(value), &r)) {
        struct type *t = ref_type(rd, d, &r);
        ref_release(&r);
        return t;
    }
    if (!value)
        return NULL;
    return type_plain(json_is_string(value)    ? TYPE_STRING
                      : json_is_integer(value) ? TYPE_INT
                      : json_is_real(value)    ? TYPE_DOUBLE
                      : json_is_boolean(value) ? TYPE_BOOL
                      : json_is_array(value)   ? TYPE_LIST
                                               : TYPE_JSON);
}

/* `value` is bound to something of type `to`. */
static void check_bound(struct reading *rd, const struct draft *d, const struct type *to, const json_t *value, const char *pointer)
{
    if (!refs_any(value)) {
        (void)type_check(to, value, pointer, rd->problems);
        return;
    }
    if (!json_is_string(value)) /* references within lists and mappings are checked with their values */
        return;
    struct type *from = value_type(rd, d, value);
    if (from && !type_may_accept(to, from)) {
        char *expected CLEANUP_FREE = type_show(to), *found CLEANUP_FREE = type_show(from);
        problems_add(rd->problems, pointer, "TYPE", NULL, "expected %s, found %s (%.200s)", expected, found, json_string_value(value));
    }
    type_free(from);
}

static void check_map(struct reading *rd, struct draft *d)
{
    char *pointer CLEANUP_FREE = x_asprintf("%s/map/over", d->pointer);
    const json_t *over = d->step.map_over;
    struct ref r;
    if (json_is_array(over)) {
        struct type *first = json_array_size(over) ? value_type(rd, d, json_array_get(over, 0)) : NULL;
        for (size_t i = 1; first && i < json_array_size(over); i++) {
            struct type *next = value_type(rd, d, json_array_get(over, i));
            if (next && type_accepts(next, first)) { /* 1, 2.5: doubles */
                struct type *swap = first;
                first = next;
                next = swap;
            } else if (next && !type_accepts(first, next)) {
                type_free(first);
                first = NULL;
            }
            type_free(next);
        }
        d->item = first;
        return;
    }
    if (!json_is_string(over))
        return;
    if (!ref_exact(json_string_value(over), &r)) {
        problems_add(rd->problems, pointer, "TYPE", NULL, "must be one reference and nothing else, such as \"${steps.split.outputs.shards}\"");
        return;
    }
    struct type *t = ref_type(rd, d, &r);
    ref_release(&r);
    if (t && type_kind(t) == TYPE_LIST) {
        d->item = type_copy(type_item(t));
    } else if (t && type_kind(t) != TYPE_JSON) {
        char *found CLEANUP_FREE = type_show(t);
        problems_add(rd->problems, pointer, "TYPE", NULL, "expected a list, found %s (%.200s)", found, json_string_value(over));
    }
    type_free(t);
}

static void check_inputs(struct reading *rd, struct draft *d)
{
    const struct step *s = &d->step;
    for (size_t i = 0; i < s->n_inputs_declared; i++) {
        const struct port *port = &s->inputs_declared[i];
        char *pointer CLEANUP_FREE = x_asprintf("%s/inputs/%s", d->pointer, port->name);
        check_bound(rd, d, port->type, json_object_get(s->inputs, port->name), pointer);
    }
}

static void check_sub(struct reading *rd, struct draft *d)
{
    const struct pipeline *sub = d->step.pipeline;
    const char *name;
    json_t *value;
    json_object_foreach(d->step.inputs, name, value)
    {
        char *pointer CLEANUP_FREE = x_asprintf("%s/inputs/%s", d->pointer, name);
        const struct port *param = port_find(sub->params, sub->n_params, name);
        if (param)
            check_bound(rd, d, param->type, value, pointer);
        else
            unknown_port(rd, "parameter of the pipeline with the name", sub->params, sub->n_params, name, pointer);
    }
    for (size_t i = 0; i < sub->n_params; i++) {
        char *pointer CLEANUP_FREE = x_asprintf("%s/inputs/%s", d->pointer, sub->params[i].name);
        if (!sub->params[i].def && !sub->params[i].optional && !json_object_get(d->step.inputs, sub->params[i].name))
            problems_add(rd->problems, pointer, "REQUIRED", NULL, "is missing; the pipeline needs it");
    }
}

/* Steps of an expansion name one another without the id of the step that wrote them. */
static char *full_name(void *arg, const struct ref *r)
{
    struct reading *rd = arg;
    const char *parent = rd->outer->steps[rd->parent].id;
    char *id CLEANUP_FREE = r->step ? x_asprintf("%s.%s", parent, r->step) : NULL;
    if (!id || !find_draft(rd, id))
        return NULL;
    return r->kind == REF_STEP_STATE ? x_asprintf("steps.%s.state", id) : x_asprintf("steps.%s.outputs.%s", id, r->name);
}

static void rename_in(struct reading *rd, json_t **value)
{
    json_t *renamed = *value ? refs_rename(*value, full_name, rd) : NULL;
    json_decref(*value);
    *value = renamed;
}

static void rename_step(struct reading *rd, struct step *s)
{
    rename_in(rd, &s->run);
    rename_in(rd, &s->env);
    rename_in(rd, &s->inputs);
    rename_in(rd, &s->map_over);
    if (s->when)
        condition_rename(s->when, full_name, rd);
}

void steps_connect(struct reading *rd)
{
    if (rd->outer)
        mark_before(rd);
    for (size_t i = 0; i < rd->n_drafts; i++) {
        struct draft *d = &rd->drafts[i];
        if (rd->outer)
            rename_step(rd, &d->step);
        seek_needs(rd, d);
        seek(rd, d, d->step.run, "/run", IN_RUN);
        seek(rd, d, d->step.env, "/env", IN_ENV);
        seek(rd, d, d->step.inputs, "/inputs", IN_INPUTS);
        seek(rd, d, d->step.map_over, "/map/over", IN_MAP);
        if (d->step.when)
            condition_refs(d->step.when, d->when_pointer, named, &(struct seek){rd, d, IN_WHEN});
        check_map(rd, d);
        check_inputs(rd, d);
        if (d->step.pipeline)
            check_sub(rd, d);
        if (d->step.trigger == TRIGGER_ANY_FAILED && !d->step.n_needs) {
            char *pointer CLEANUP_FREE = x_asprintf("%s/trigger", d->pointer);
            problems_add(rd->problems, pointer, "UNREACHABLE", NULL, "is any_failed, but the step needs no other, so it would never run");
        }
    }
}

/* ---- outputs of the run ---- */

static void may_be_missing(void *arg, const struct ref *r, const char *pointer)
{
    const struct reading *rd = arg;
    const struct step *s = r->kind == REF_STEP_OUTPUT ? find_step(rd, r->step) : NULL;
    const struct port *port = s ? port_find(s->outputs, s->n_outputs, r->name) : NULL;
    if (port && (s->when || port->optional))
        problems_warn(rd->problems, pointer, "UNDEFINED", "optional: true", "step \"%s\" %s, and then the run fails for want of this output", s->id,
                      s->when ? "may be skipped" : "need not write it");
}

static struct type *sources_type(struct reading *rd, const json_t *sources, const char *pointer)
{
    struct type *all = NULL;
    for (size_t i = 0; i < json_array_size(sources); i++) {
        struct type *t = value_type(rd, NULL, json_array_get(sources, i));
        if (all && t && !type_accepts(all, t)) {
            char *expected CLEANUP_FREE = type_show(all), *found CLEANUP_FREE = type_show(t);
            problems_add(rd->problems, pointer, "TYPE", NULL, "item %zu is %s, the first is %s: all of `first` must be of one type", i, found, expected);
        }
        if (all)
            type_free(t);
        else
            all = t;
    }
    return all ? all : type_plain(TYPE_JSON);
}

static json_t *read_output(struct reading *rd, struct port *out, const json_t *value, const char *pointer)
{
    static const char *const beside[] = {"from", "first", "optional", "description", NULL};
    static const char *const untyped[] = {"from", "first", "optional", "description", "type", NULL};
    json_t *plain = json_is_object(value) ? NULL : json_pack("{s:O}", "from", value);
    const json_t *given = plain ? plain : value;
    struct type *declared = json_object_get(given, "type") ? type_read(given, pointer, beside, rd->problems) : NULL;
    struct reader r = reader_open(given, pointer, declared || json_object_get(given, "type") ? NULL : untyped, rd->problems);
    const json_t *from = reader_find(&r, "from"), *first = reader_list(&r, "first", REF_MAX_IN_TEXT);
    char *place CLEANUP_FREE = plain ? x_strdup(pointer) : pointer_join(pointer, from ? "from" : "first");
    if ((from != NULL) == (reader_find(&r, "first") != NULL))
        problems_add(rd->problems, pointer, "REQUIRED", NULL, "must have either from, a text such as \"${steps.train.outputs.loss}\", or first, a list of such texts");
    out->optional = reader_bool(&r, "optional", false);
    const json_t *def = from ? from : first ? first : json_null();
    out->def = rd->outer ? refs_rename(def, full_name, rd) : json_incref((json_t *)(uintptr_t)def);
    refs_find(out->def, place, named, &(struct seek){rd, NULL, IN_OUTPUTS}, rd->problems);
    struct problems told = {0};
    if (!out->optional && from)
        refs_find(out->def, place, may_be_missing, rd, &told);
    problems_release(&told);
    json_t *sources = from ? json_pack("[O]", out->def) : json_incref(out->def);
    out->type = declared ? declared : sources_type(rd, sources, place);
    for (size_t i = 0; declared && i < json_array_size(sources); i++)
        check_bound(rd, NULL, declared, json_array_get(sources, i), place);
    json_decref(sources);
    json_t *type = declared ? type_json(declared) : NULL, *doc = json_is_object(type) ? type : json_object();
    if (type && doc != type)
        (void)json_object_set_new(doc, "type", type);
    (void)json_object_set(doc, from ? "from" : "first", (json_t *)(uintptr_t)def);
    if (out->optional)
        (void)json_object_set_new(doc, "optional", json_true());
    reader_close(&r);
    json_decref(plain);
    return doc;
}

json_t *run_outputs_read(struct reading *rd, const struct reader *r)
{
    struct reader outputs = reader_enter(r, "outputs", NULL);
    json_t *doc = json_object(), *value;
    const char *name;
    rd->p->outputs = x_calloc(json_object_size(outputs.object) + 1, sizeof *rd->p->outputs);
    json_object_foreach((json_t *)(uintptr_t)outputs.object, name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join(outputs.pointer, name);
        struct port *out = &rd->p->outputs[rd->p->n_outputs++];
        if (!name_ok(name))
            reader_bad(&outputs, name, "NAME", NULL, "is no name: letters, digits, _ and -, at most %d, beginning with a letter or _", PIPELINE_NAME_MAX);
        out->name = x_strdup(name);
        json_t *one = read_output(rd, out, value, pointer);
        (void)json_object_set_new(doc, name, one);
    }
    reader_close(&outputs);
    return doc;
}
