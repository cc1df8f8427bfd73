/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pipeline/pipeline.h"

#include "base/mem.h"
#include "model/cron.h"
#include "model/yaml.h"
#include "pipeline/kfp.h"
#include "pipeline/pipeline_part.h"

#include <stdlib.h>
#include <string.h>

#define API "hone/pipeline/1"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define MAX_PARAMS 500
#define MAX_SCHEDULES 20
#define MAX_TIMEOUT 31536000.0
#define MAX_DESCRIPTION 4000

static const char *const members[] = {"api",    "name",    "version", "description", "params",    "defaults", "on_failure",
                                      "timeout", "parallel", "steps", "finally",   "outputs", "schedules", NULL};
static const char *const sub_members[] = {"name", "description", "params", "defaults", "on_failure", "timeout", "parallel", "steps", "outputs", NULL};
static const char *const written_members[] = {"steps", "outputs", NULL};
static const char *const failures[] = {"stop", "continue", NULL};
static const char *const param_members[] = {"default", "optional", "description", NULL};

/* ---- names and ports ---- */

static bool made_of(const char *text, const char *first, const char *rest, size_t max)
{
    size_t len = strlen(text);
    return len && len <= max && strchr(first, *text) && strspn(text, rest) == len;
}

bool id_ok(const char *text)
{
    return made_of(text, LOWER, LOWER DIGITS "_-", PIPELINE_ID_MAX) && strcmp(text, "outputs") != 0; /* references tell ids of written steps by it */
}

bool name_ok(const char *text)
{
    return made_of(text, LOWER UPPER "_", LOWER UPPER DIGITS "_-", PIPELINE_NAME_MAX);
}

const struct port *port_find(const struct port *ports, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(ports[i].name, name))
            return &ports[i];
    return NULL;
}

const char *port_meant(const struct port *ports, size_t n, const char *name)
{
    const char **names CLEANUP_FREE = x_calloc(n + 1, sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = ports[i].name;
    return did_you_mean(name, names);
}

void ports_free(struct port *ports, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(ports[i].name);
        type_free(ports[i].type);
        json_decref(ports[i].def);
    }
    free(ports);
}

struct port *ports_read(const struct reader *r, const char *member, const char *const *beside, size_t max, size_t *n)
{
    struct reader all = reader_enter(r, member, NULL);
    struct port *ports = x_calloc(json_object_size(all.object) + 1, sizeof *ports);
    const char *name;
    json_t *value;
    *n = 0;
    if (json_object_size(all.object) > max)
        reader_bad(r, member, "RANGE", NULL, "has %zu members, at most %zu are allowed", json_object_size(all.object), max);
    json_object_foreach((json_t *)(uintptr_t)all.object, name, value)
    {
        char *pointer CLEANUP_FREE = pointer_join(all.pointer, name);
        if (!name_ok(name))
            reader_bad(&all, name, "NAME", NULL, "is no name: letters, digits, _ and -, at most %d, beginning with a letter or _", PIPELINE_NAME_MAX);
        struct type *type = type_read(value, pointer, beside, r->problems);
        if (!type)
            continue;
        struct reader one = reader_open(json_is_object(value) ? value : NULL, pointer, NULL, r->problems);
        struct port *port = &ports[(*n)++];
        *port = (struct port){.name = x_strdup(name), .type = type, .optional = reader_bool(&one, "optional", false)};
        const json_t *def = reader_find(&one, "default");
        char *place CLEANUP_FREE = pointer_join(pointer, "default");
        if (def && type_check(type, def, place, r->problems))
            port->def = type_value(type, def);
        (void)reader_text(&one, "description", MAX_DESCRIPTION, NULL);
        reader_close(&one);
    }
    reader_close(&all);
    return ports;
}

json_t *ports_json(const struct port *ports, size_t n)
{
    json_t *out = json_object();
    for (size_t i = 0; i < n; i++) {
        json_t *type = type_json(ports[i].type), *one = json_is_object(type) ? type : json_pack("{s:o}", "type", type);
        if (ports[i].def)
            (void)json_object_set(one, "default", ports[i].def);
        if (ports[i].optional)
            (void)json_object_set_new(one, "optional", json_true());
        (void)json_object_set_new(out, ports[i].name, one);
    }
    return out;
}

/* ---- steps ---- */

/* What `over` does not say is taken from `under`; variables of the environment one by one. New reference. */
static json_t *merged(const json_t *over, const json_t *under)
{
    json_t *out = json_is_object(over) ? json_copy((json_t *)(uintptr_t)over) : json_object();
    json_t *env = json_object_get(out, "env"), *under_env = json_object_get(under, "env");
    (void)json_object_update_missing(out, (json_t *)(uintptr_t)under);
    if (json_is_object(env) && json_is_object(under_env)) {
        json_t *both = json_copy(under_env);
        (void)json_object_update(both, env);
        (void)json_object_set_new(out, "env", both);
    }
    return out;
}

static void draft_release(struct draft *d)
{
    step_release(&d->step);
    json_decref(d->source);
    json_decref(d->doc);
    free(d->pointer);
    free(d->when_pointer);
    type_free(d->item);
}

/* `defaults` are tried on a step of their own, so that what is wrong with them is told once. */
static void read_defaults(struct reading *rd, const struct reader *r, const json_t *around)
{
    struct reader defaults = reader_enter(r, "defaults", step_defaults);
    size_t before = rd->problems->n + rd->problems->n_dropped;
    if (defaults.object) {
        struct draft d = {.pointer = x_strdup(defaults.pointer), .source = merged(defaults.object, NULL)};
        (void)json_object_set_new(d.source, "run", json_pack("[s]", "true"));
        d.step.id = x_strdup("");
        step_read(rd, &d, false);
        draft_release(&d);
    }
    rd->defaults = merged(before == rd->problems->n + rd->problems->n_dropped ? defaults.object : NULL, around);
    reader_close(&defaults);
}

static void read_steps(struct reading *rd, const struct reader *r, const char *member, bool is_finally)
{
    struct reader all = reader_enter(r, member, NULL);
    size_t n = json_object_size(all.object), limit = rd->outer ? (size_t)rd->outer->steps[rd->parent].expand_max : PIPELINE_MAX_STEPS;
    const char *name;
    json_t *value;
    if (!is_finally && !n)
        reader_bad(r, member, "REQUIRED", NULL, "must have a step at least: {train: {run: [python3, train.py]}}");
    if (n > limit)
        reader_bad(r, member, "RANGE", NULL, "has %zu steps, at most %zu are allowed", n, limit);
    rd->drafts = x_realloc(rd->drafts, (rd->n_drafts + n + 1) * sizeof *rd->drafts);
    json_object_foreach((json_t *)(uintptr_t)all.object, name, value)
    {
        if (rd->n_drafts - (is_finally ? rd->n_steps : 0) == limit)
            break;
        struct draft *d = &rd->drafts[rd->n_drafts++];
        *d = (struct draft){.pointer = pointer_join(all.pointer, name)};
        if (!id_ok(name))
            reader_bad(&all, name, "NAME", NULL, "is no name of a step: lower-case letters, digits, _ and -, at most %d, beginning with a letter", PIPELINE_ID_MAX);
        d->step.id = rd->outer ? x_asprintf("%s.%s", rd->outer->steps[rd->parent].id, name) : x_strdup(name);
        bool has_pipeline = json_object_get(value, "pipeline") != NULL;
        if (!json_is_object(value))
            reader_bad(&all, name, "TYPE", NULL, "must be a mapping: {run: [...]}");
        d->source = merged(value, has_pipeline ? NULL : rd->defaults);
        if (is_finally)
            (void)json_object_del(d->source, "cache");
        step_read(rd, d, is_finally);
    }
    if (!is_finally)
        rd->n_steps = rd->n_drafts;
    reader_close(&all);
}

static void same_names(struct reading *rd)
{
    for (size_t i = rd->n_steps; i < rd->n_drafts; i++)
        for (size_t k = 0; k < rd->n_steps; k++)
            if (!strcmp(rd->drafts[i].step.id, rd->drafts[k].step.id))
                problems_add(rd->problems, rd->drafts[i].pointer, "DUPLICATE", NULL, "is the name of a step above too");
}

static json_t *steps_json(const struct reading *rd, size_t from, size_t to)
{
    json_t *out = json_object();
    for (size_t i = from; i < to; i++) {
        const char *name = strrchr(rd->drafts[i].pointer, '/') + 1;
        (void)json_object_set(out, name, rd->drafts[i].doc);
    }
    return out;
}

/* ---- the whole ---- */

static void set_some(json_t *document, const char *member, json_t *value)
{
    if (json_object_size(value) || json_array_size(value))
        (void)json_object_set(document, member, value);
    json_decref(value);
}

static json_t *read_schedules(struct pipeline *p, const struct reader *r)
{
    static const char *const beside[] = {"params", NULL};
    const json_t *list = reader_list(r, "schedules", MAX_SCHEDULES);
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *pointer CLEANUP_FREE = x_asprintf("%s/schedules/%zu", r->pointer, i);
        char *place CLEANUP_FREE = pointer_join(pointer, "params");
        json_t *value = json_array_get(list, i), *params = json_object_get(value, "params");
        struct cron *cron = cron_read(value, pointer, beside, r->problems);
        json_t *bound = pipeline_bind(p, params, place, r->problems);
        json_t *one = cron ? cron_json(cron) : NULL;
        if (one && params)
            (void)json_object_set(one, "params", params);
        if (one)
            (void)json_array_append_new(out, one);
        json_decref(bound);
        cron_free(cron);
    }
    return out;
}

static void read_head(struct pipeline *p, const struct reader *r, size_t nesting)
{
    const char *name = reader_text(r, "name", PIPELINE_ID_MAX, NULL), *description = reader_text(r, "description", MAX_DESCRIPTION, NULL);
    const char *version = nesting ? NULL : reader_text(r, "version", PIPELINE_ID_MAX, NULL), *api = nesting ? NULL : reader_text(r, "api", 40, NULL);
    p->name = x_strdup(name ? name : "");
    p->version = x_strdup(version ? version : "");
    if (api && strcmp(api, API) != 0)
        reader_bad(r, "api", "CHOICE", API, "is \"%s\", this service reads " API, api);
    if (name && !id_ok(name))
        reader_bad(r, "name", "NAME", NULL, "is no name: lower-case letters, digits, _ and -, at most %d, beginning with a letter", PIPELINE_ID_MAX);
    if (!nesting)
        (void)json_object_set_new(p->document, "api", json_string(API));
    if (name)
        (void)json_object_set_new(p->document, "name", json_string(name));
    if (version)
        (void)json_object_set_new(p->document, "version", json_string(version));
    if (description)
        (void)json_object_set_new(p->document, "description", json_string(description));
}

static void read_policy(struct pipeline *p, const struct reader *r)
{
    p->go_on = reader_choice(r, "on_failure", failures, 0) == 1;
    p->timeout_s = reader_duration(r, "timeout", 0, MAX_TIMEOUT, 0);
    p->parallel = reader_int(r, "parallel", 0, 1024, 0);
    if (p->go_on)
        (void)json_object_set_new(p->document, "on_failure", json_string("continue"));
    if (p->timeout_s > 0)
        (void)json_object_set_new(p->document, "timeout", json_real(p->timeout_s));
    if (p->parallel)
        (void)json_object_set_new(p->document, "parallel", json_integer(p->parallel));
}

/* Steps, finally and outputs; then the drafts are in `p`. */
static void read_body(struct reading *rd, const struct reader *r)
{
    read_steps(rd, r, "steps", false);
    if (!rd->outer && !rd->nesting)
        read_steps(rd, r, "finally", true);
    same_names(rd);
    steps_connect(rd);
    json_t *outputs = run_outputs_read(rd, r);
    set_some(rd->p->document, "steps", steps_json(rd, 0, rd->n_steps));
    set_some(rd->p->document, "finally", steps_json(rd, rd->n_steps, rd->n_drafts));
    set_some(rd->p->document, "outputs", outputs);
    steps_order(rd);
    for (size_t i = 0; i < rd->n_drafts; i++)
        draft_release(&rd->drafts[i]);
    free(rd->drafts);
}

static struct pipeline *if_right(struct pipeline *p, const struct problems *problems, size_t before)
{
    if (problems->n + problems->n_dropped == before)
        return p;
    pipeline_free(p);
    return NULL;
}

struct pipeline *pipeline_read(const json_t *document, const char *pointer, const json_t *defaults, size_t nesting, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped;
    if (nesting > PIPELINE_MAX_NESTING) {
        problems_add(problems, pointer, "RANGE", NULL, "pipelines stand in one another more than %d deep", PIPELINE_MAX_NESTING);
        return NULL;
    }
    if (!json_is_object(document)) {
        problems_add(problems, pointer, "TYPE", NULL, "must be a mapping with the member steps");
        return NULL;
    }
    struct pipeline *p = X_NEW(struct pipeline);
    struct reading rd = {.p = p, .nesting = nesting, .problems = problems};
    struct reader r = reader_open(document, pointer, nesting ? sub_members : members, problems);
    p->document = json_object();
    read_head(p, &r, nesting);
    p->params = ports_read(&r, "params", param_members, MAX_PARAMS, &p->n_params);
    for (size_t i = 0; i < p->n_params; i++)
        if (p->params[i].optional && !p->params[i].def)
            (void)type_nullable(p->params[i].type);
    set_some(p->document, "params", ports_json(p->params, p->n_params));
    read_policy(p, &r);
    read_defaults(&rd, &r, defaults);
    read_body(&rd, &r);
    p->schedules = nesting ? json_array() : read_schedules(p, &r);
    set_some(p->document, "schedules", json_incref(p->schedules));
    json_decref(rd.defaults);
    reader_close(&r);
    return if_right(p, problems, before);
}

struct pipeline *pipeline_new(const json_t *document, struct problems *problems)
{
    json_t *converted = kfp_is(document) ? kfp_convert(document, problems) : NULL;
    if (kfp_is(document) && !converted)
        return NULL;
    struct pipeline *p = pipeline_read(converted ? converted : document, "", NULL, 0, problems);
    json_decref(converted);
    return p;
}

struct pipeline *pipeline_parse(const char *text, size_t len, struct problems *problems)
{
    struct error error = {0};
    bool more = false;
    json_t *document = yaml_load_first(text, len, &more, &error);
    if (!document) {
        problems_add(problems, "", "SYNTAX", NULL, "%s", error.detail);
        return NULL;
    }
    if (more && kfp_is(document)) { /* secrets, volumes, node selectors of a platform */
        problems_warn(problems, "", "PLATFORM", NULL, "the second document of the file is for a platform of KFP and is not used");
    } else if (more) {
        problems_add(problems, "", "SYNTAX", NULL, "has more than one document; a pipeline file has one");
        json_decref(document);
        return NULL;
    }
    struct pipeline *p = pipeline_new(document, problems);
    json_decref(document);
    return p;
}

void pipeline_free(struct pipeline *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_steps; i++)
        step_release(&p->steps[i]);
    for (size_t i = 0; i < p->n_finally; i++)
        step_release(&p->finally[i]);
    free(p->steps);
    free(p->finally);
    ports_free(p->params, p->n_params);
    ports_free(p->outputs, p->n_outputs);
    free(p->name);
    free(p->version);
    json_decref(p->schedules);
    json_decref(p->document);
    free(p);
}

/* Its outputs must be such as `parent` declares. */
static void check_written_outputs(const struct pipeline *e, const struct step *parent, struct problems *problems)
{
    for (size_t i = 0; i < e->n_outputs; i++) {
        const struct port *out = &e->outputs[i], *declared = port_find(parent->outputs, parent->n_outputs, out->name);
        char *pointer CLEANUP_FREE = pointer_join("/outputs", out->name);
        char *expected CLEANUP_FREE = declared ? type_show(declared->type) : NULL, *found CLEANUP_FREE = type_show(out->type);
        if (!declared)
            problems_add(problems, pointer, "UNKNOWN_NAME", port_meant(parent->outputs, parent->n_outputs, out->name),
                         "step \"%s\" declares no such output", parent->id);
        else if (!type_accepts(declared->type, out->type))
            problems_add(problems, pointer, "TYPE", NULL, "step \"%s\" declares %s, found %s", parent->id, expected, found);
    }
}

/* What a written step has from the one that wrote it, where it does not say: where it runs, and what code lies there. */
static json_t *inherited(const struct pipeline *p, size_t parent)
{
    static const char *const from_parent[] = {"code", "cwd", "backend", "environment"};
    const json_t *step = json_object_get(json_object_get(p->document, "steps"), p->steps[parent].id);
    json_t *out = json_object();
    for (size_t i = 0; i < ARRAY_LEN(from_parent); i++)
        (void)json_object_set(out, from_parent[i], json_object_get(step, from_parent[i]));
    return out;
}

struct pipeline *pipeline_expand(const struct pipeline *p, size_t parent, const json_t *written, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped;
    struct pipeline *e = X_NEW(struct pipeline);
    struct reading rd = {.p = e, .outer = p, .parent = parent, .problems = problems, .defaults = inherited(p, parent)};
    struct reader r = reader_open(written, "", written_members, problems);
    json_t *params = ports_json(p->params, p->n_params), *as_member = json_pack("{s:O}", "params", params);
    struct reader around = reader_open(as_member, "", NULL, problems);
    e->document = json_pack("{s:O}", "params", params);
    e->name = x_strdup(p->name);
    e->version = x_strdup(p->version);
    e->schedules = json_array();
    e->go_on = p->go_on;
    e->params = ports_read(&around, "params", param_members, MAX_PARAMS, &e->n_params);
    read_body(&rd, &r);
    check_written_outputs(e, &p->steps[parent], problems);
    json_decref(rd.defaults);
    reader_close(&around);
    reader_close(&r);
    json_decref(as_member);
    json_decref(params);
    return if_right(e, problems, before);
}

/* ---- values ---- */

json_t *pipeline_bind(const struct pipeline *p, const json_t *params, const char *pointer, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped;
    struct reader r = reader_open(params, pointer, NULL, problems);
    json_t *bound = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)r.object, name, value)
        if (!port_find(p->params, p->n_params, name))
            reader_bad(&r, name, "UNKNOWN_NAME", port_meant(p->params, p->n_params, name), "is no parameter of the pipeline");
    for (size_t i = 0; i < p->n_params; i++) {
        const struct port *param = &p->params[i];
        char *place CLEANUP_FREE = pointer_join(pointer, param->name);
        const json_t *given = reader_find(&r, param->name);
        if (!given && !param->def && !param->optional)
            problems_add(problems, place, "REQUIRED", NULL, "is missing; the parameter has no default");
        else if (given)
            (void)type_check(param->type, given, place, problems);
        given = given ? given : param->def ? param->def : json_null();
        (void)json_object_set_new(bound, param->name, type_value(param->type, given));
    }
    reader_close(&r);
    if (problems->n + problems->n_dropped == before)
        return bound;
    json_decref(bound);
    return NULL;
}

json_t *step_bind(const struct step *s, const json_t *inputs, const char *pointer, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped;
    json_t *bound = json_copy((json_t *)(uintptr_t)inputs);
    for (size_t i = 0; i < s->n_inputs_declared; i++) {
        const struct port *port = &s->inputs_declared[i];
        char *place CLEANUP_FREE = pointer_join(pointer, port->name);
        const json_t *value = json_object_get(inputs, port->name);
        if (type_check(port->type, value, place, problems))
            (void)json_object_set_new(bound, port->name, type_value(port->type, value));
    }
    if (problems->n + problems->n_dropped == before)
        return bound;
    json_decref(bound);
    return NULL;
}

json_t *pipeline_output(const struct port *output, const char *pointer, ref_value_fn *lookup, void *arg, struct problems *problems)
{
    struct problems undefined = {0};
    json_t *value = NULL;
    bool list = json_is_array(output->def);
    for (size_t i = 0; !value && i < (list ? json_array_size(output->def) : 1); i++)
        value = refs_resolve(list ? json_array_get(output->def, i) : output->def, pointer, lookup, arg, &undefined);
    if (!value && !output->optional)
        problems_add(problems, pointer, "UNDEFINED", NULL, "%s", undefined.n ? undefined.items[0].detail : "has no value");
    problems_release(&undefined);
    if (!value)
        return output->optional ? json_null() : NULL;
    if ((output->optional && json_is_null(value)) || type_check(output->type, value, pointer, problems))
        return value;
    json_decref(value);
    return NULL;
}
