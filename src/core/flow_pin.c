/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pipeline that is named, or written where it is used, is pinned: its document and its code as they are now, so that what is edited later changes nothing
 * that runs. Any thread. */
#include "core/flow.h"

#include <string.h>
#include <unistd.h>

struct pinning {
    struct core *core;
    const char *root, *pointer;
    json_t *code;
    json_t *all; /* every name of code, as a set */
    struct problems *problems;
};

static void snapshot(struct pinning *p, const char *key, const json_t *names)
{
    size_t n = json_array_size(names), i;
    const char **list = x_calloc(n + 1, sizeof *list);
    json_t *name;
    struct error error;
    char id[ARTIFACT_ID_MAX];
    json_array_foreach((json_t *)(uintptr_t)names, i, name)
        list[i] = json_string_value(name);
    if (artifacts_put_some(p->core->artifacts, p->root, list, n, id, NULL, &error))
        problems_add(p->problems, p->pointer, "CODE", NULL, "%s", error.detail);
    else
        (void)json_object_set_new(p->code, key, json_string(id));
    free(list);
}

static void pin_pipeline(struct pinning *p, const struct pipeline *pipeline);

static void pin_step(struct pinning *p, const struct step *s)
{
    json_t *names = json_array();
    for (size_t i = 0; i < s->n_code; i++) {
        (void)json_array_append_new(names, json_string(s->code[i]));
        (void)json_object_set_new(p->all, s->code[i], json_true());
    }
    char *key CLEANUP_FREE = json_canonical(names);
    if (s->n_code && !json_object_get(p->code, key) && !p->problems->n)
        snapshot(p, key, names);
    json_decref(names);
    if (s->pipeline)
        pin_pipeline(p, s->pipeline);
}

static void pin_pipeline(struct pinning *p, const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->n_steps; i++)
        pin_step(p, &pipeline->steps[i]);
    for (size_t i = 0; i < pipeline->n_finally; i++)
        pin_step(p, &pipeline->finally[i]);
}

static void pin_all(struct pinning *p, const struct pipeline *pipeline)
{
    const char *name;
    json_t *value, *names = json_array();
    pin_pipeline(p, pipeline);
    json_object_foreach(p->all, name, value)
        (void)json_array_append_new(names, json_string(name));
    if (json_array_size(names) && !p->problems->n)
        snapshot(p, "", names);
    json_decref(names);
}

static bool has_code(const struct pipeline *p)
{
    for (size_t i = 0; i < p->n_steps + p->n_finally; i++) {
        const struct step *s = i < p->n_steps ? &p->steps[i] : &p->finally[i - p->n_steps];
        if (s->n_code || (s->pipeline && has_code(s->pipeline)))
            return true;
    }
    return false;
}

/* "name@version" of the project. */
static void pin_named(struct core *c, const char *project, json_t *holder, const char *pointer, struct problems *problems)
{
    const char *ref = json_string_value(json_object_get(holder, "pipeline")), *at = strchr(ref, '@');
    char *name CLEANUP_FREE = at ? x_strndup(ref, (size_t)(at - ref)) : x_strdup(ref);
    struct db *db = store_reader(c->config.store);
    struct pipeline_row *row = NULL;
    struct error error = {0};
    enum err err = db ? pipeline_find(db, project, name, at ? at + 1 : "", &row, &error) : err_set(&error, ERR_STORAGE, NULL, "the database cannot be read");
    if (db)
        store_reader_done(c->config.store, db);
    char *place CLEANUP_FREE = x_asprintf("%s/pipeline", pointer);
    if (err) {
        problems_add(problems, place, "NOT_FOUND", NULL, "%s", error.detail);
        return;
    }
    (void)json_object_set_new(holder, "pipeline", json_loads(row->document, 0, NULL));
    (void)json_object_set_new(holder, "code", json_loads(row->code, 0, NULL));
    pipeline_row_free(row);
}

static bool code_is_kept(struct core *c, const json_t *code)
{
    const char *key;
    json_t *id;
    json_object_foreach((json_t *)(uintptr_t)code, key, id)
        if (!json_is_string(id) || !artifacts_has(c->artifacts, json_string_value(id)))
            return false;
    return json_is_object(code);
}

static void pin_inline(struct core *c, json_t *holder, const char *pointer, struct problems *problems)
{
    char *place CLEANUP_FREE = x_asprintf("%s/pipeline", pointer);
    struct problems found = {0};
    struct pipeline *p = pipeline_new(json_object_get(holder, "pipeline"), &found);
    for (size_t i = 0; i < found.n; i++) {
        char *where CLEANUP_FREE = x_asprintf("%s%s", place, found.items[i].pointer);
        problems_add(problems, where, found.items[i].code, found.items[i].hint, "%s", found.items[i].detail);
    }
    for (size_t i = 0; i < found.n_warnings; i++) {
        char *where CLEANUP_FREE = x_asprintf("%s%s", place, found.warnings[i].pointer);
        problems_warn(problems, where, found.warnings[i].code, found.warnings[i].hint, "%s", found.warnings[i].detail);
    }
    problems_release(&found);
    if (!p)
        return;
    const char *root = json_string_value(json_object_get(holder, "root"));
    const json_t *given = json_object_get(holder, "code");
    bool kept = given && code_is_kept(c, given);
    char *root_place CLEANUP_FREE = x_asprintf("%s/root", pointer);
    if (has_code(p) && !kept && (!root || *root != '/')) {
        problems_add(problems, root_place, "REQUIRED", NULL, "is missing: steps have code, and its files are looked for in the folder that root names (an absolute path)");
    } else {
        struct pinning pin = {.core = c, .root = root, .pointer = root_place, .code = kept ? json_deep_copy(given) : json_object(), .all = json_object(), .problems = problems};
        if (!kept && has_code(p))
            pin_all(&pin, p);
        (void)json_object_set(holder, "pipeline", p->document);
        (void)json_object_set_new(holder, "code", pin.code);
        (void)json_object_del(holder, "root");
        json_decref(pin.all);
    }
    pipeline_free(p);
}

void core_pin(struct core *c, const char *project, json_t *holder, const char *pointer, struct problems *problems)
{
    const json_t *given = json_object_get(holder, "pipeline");
    char *place CLEANUP_FREE = x_asprintf("%s/pipeline", pointer);
    if (json_is_string(given))
        pin_named(c, project, holder, pointer, problems);
    else if (json_is_object(given))
        pin_inline(c, holder, pointer, problems);
    else
        problems_add(problems, place, "REQUIRED", NULL, "must be a pipeline, or the name of one: name, name@version");
}

enum err core_artifact(struct core *c, const char *id, const char *member, int64_t offset, size_t max, struct buf *out, int64_t *total, struct error *error)
{
    return artifacts_read(c->artifacts, id, member, offset, max, out, total, error);
}
