/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `parameters` and `constraints` of a file to a space: what hangs on what, and in which order; and back to the normalised `parameters`. */
#include "model/space.h"

#include "base/mem.h"
#include "model/reader.h"
#include "model/space_param.h"

#include <ctype.h>
#include <string.h>

/* What was found of one parameter, before conditions are known. */
struct found {
    struct param param;
    struct reader reader;
    bool placed, visiting;
};

/* ---- conditions ---- */

struct reading {
    struct found *found; /* in file order */
    size_t n;
    struct space *space;
    struct problems *problems;
};

static struct found *find(const struct reading *rd, const char *name)
{
    for (size_t i = 0; i < rd->n; i++)
        if (!strcmp(rd->found[i].param.name, name))
            return &rd->found[i];
    return NULL;
}

/* The one member of `when`: parent and its values. NULL: none, or told as wrong. */
static const char *parent_name(const struct found *f, const json_t **values)
{
    const json_t *when = reader_find(&f->reader, "when");
    char found[SHOW_TEXT];
    if (!when)
        return NULL;
    if (!json_is_object(when) || json_object_size(when) != 1) {
        reader_bad(&f->reader, "when", "TYPE", NULL, "is %s, must be a mapping of one parameter to the values with which this one exists, "
                   "such as {kernel: [rbf, poly]}",
                   json_is_object(when) ? "a mapping of several (let one condition hang on another)" : json_show(when, found));
        return NULL;
    }
    void *iter = json_object_iter((json_t *)(uintptr_t)when);
    *values = json_object_iter_value(iter);
    return json_object_iter_key(iter);
}

static bool parent_fits(const struct reading *rd, const struct found *f, const struct found *parent, const char *name)
{
    const char *names[SPACE_MAX_PARAMS + 1] = {0};
    for (size_t i = 0; i < rd->n; i++)
        names[i] = rd->found[i].param.name;
    struct reader when = reader_enter(&f->reader, "when", NULL);
    bool ok = false;
    if (!parent)
        reader_bad(&when, name, "UNKNOWN_PARAMETER", did_you_mean(name, names), "is not a parameter");
    else if (parent->visiting)
        reader_bad(&when, name, "CYCLE", NULL, "makes a circle: %s exists only if itself exists", f->param.name);
    else if (parent->param.n_levels > SPACE_MAX_VALUES || (!parent->param.n_levels && parent->param.width > 0))
        reader_bad(&when, name, "CONFLICT", NULL, "must have a step or values, at most %d of them, for another to hang on it", SPACE_MAX_VALUES);
    else
        ok = parent->param.n_levels > 0; /* else what is wrong with the parent was told */
    reader_close(&when);
    return ok;
}

static void read_allowed(const struct found *f, struct param *p, const struct param *parent, const json_t *values)
{
    struct reader when = reader_enter(&f->reader, "when", NULL);
    const char *words[SPACE_MAX_VALUES + 1] = {0};
    size_t n_words = 0, i;
    json_t *item;
    json_array_foreach(parent->values, i, item)
    if (json_is_string(item))
        words[n_words++] = json_string_value(item);
    size_t n = json_is_array(values) ? json_array_size(values) : 1;
    p->parent_ok = x_calloc((size_t)parent->n_levels, sizeof *p->parent_ok);
    if (!n)
        reader_bad(&when, parent->name, "RANGE", NULL, "has no values: %s would never exist", p->name);
    for (size_t k = 0; k < n; k++) {
        const json_t *value = json_is_array(values) ? json_array_get(values, k) : values;
        int64_t level = param_level_of(parent, value);
        const char *word = json_string_value(value);
        char found[SHOW_TEXT];
        if (level >= 0)
            p->parent_ok[level] = true;
        else
            reader_bad(&when, parent->name, "CHOICE", word ? did_you_mean(word, words) : NULL, "has %s, which %s never is", json_show(value, found),
                       parent->name);
    }
    reader_close(&when);
}

/* Puts a parameter behind its parent into the space. As deep as conditions nest, so at most SPACE_MAX_PARAMS. */
static void place(struct reading *rd, struct found *f)
{
    if (f->placed)
        return;
    f->visiting = true;
    const json_t *values = NULL;
    const char *name = parent_name(f, &values);
    struct found *parent = name ? find(rd, name) : NULL;
    if (parent && !parent->visiting)
        place(rd, parent);
    if (name && parent_fits(rd, f, parent, name)) {
        f->param.parent = space_find(rd->space, name);
        read_allowed(f, &f->param, &parent->param, values);
    }
    f->visiting = false;
    f->placed = true;
    rd->space->params[rd->space->n++] = f->param; /* the space owns it from here */
}

/* ---- constraints ---- */

static enum expr_type type_of_value(const json_t *value)
{
    return json_is_string(value) ? EXPR_STRING : json_is_number(value) ? EXPR_NUMBER : EXPR_BOOL;
}

/* UNKNOWN: values of several types. */
static enum expr_type type_in_expr(const struct param *p)
{
    size_t i;
    json_t *value;
    enum expr_type type = p->values ? type_of_value(json_array_get(p->values, 0)) : EXPR_NUMBER;
    json_array_foreach(p->values, i, value)
    if (type_of_value(value) != type)
        return EXPR_UNKNOWN;
    return type;
}

static void read_constraint(struct space *s, const json_t *text, const char *pointer, struct problems *problems)
{
    const char *names[SPACE_MAX_PARAMS];
    enum expr_type kinds[SPACE_MAX_PARAMS];
    char found[SHOW_TEXT];
    if (!json_is_string(text)) {
        problems_add(problems, pointer, "TYPE", NULL, "is %s, must be a string such as \"batch * lr < 1\"", json_show(text, found));
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        names[i] = s->params[i].name;
        kinds[i] = type_in_expr(&s->params[i]);
    }
    struct expr *e = expr_parse(json_string_value(text), names, kinds, s->n, pointer, problems);
    if (!e)
        return;
    s->constraints[s->n_constraints] = e;
    s->constraint_text[s->n_constraints++] = x_strdup(json_string_value(text));
}

static void read_constraints(struct space *s, const json_t *list, struct problems *problems)
{
    size_t n = json_array_size(list);
    if (!list || json_is_null(list))
        return;
    if (!json_is_array(list) || n > SPACE_MAX_CONSTRAINTS) {
        problems_add(problems, "/constraints", "TYPE", NULL, "must be a list of at most %d strings", SPACE_MAX_CONSTRAINTS);
        return;
    }
    s->constraints = x_calloc(n + 1, sizeof(struct expr *));
    s->constraint_text = x_calloc(n + 1, sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        char *pointer CLEANUP_FREE = pointer_index("/constraints", i);
        read_constraint(s, json_array_get(list, i), pointer, problems);
    }
}

/* ---- the whole ---- */

static void variable_of(const char *name, char out[PARAM_NAME_MAX + 1])
{
    size_t i = 0;
    for (; i < PARAM_NAME_MAX && name[i]; i++)
        out[i] = isalnum((unsigned char)name[i]) ? (char)toupper((unsigned char)name[i]) : '_';
    out[i] = '\0';
}

/* HONE_PARAM_<NAME> must tell one parameter from another. */
static void warn_same_variable(const struct space *s, struct problems *problems)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < i; k++) {
            char a[PARAM_NAME_MAX + 1], b[PARAM_NAME_MAX + 1];
            variable_of(s->params[i].name, a);
            variable_of(s->params[k].name, b);
            char *pointer CLEANUP_FREE = pointer_join("/parameters", s->params[i].name);
            if (!strcmp(a, b))
                problems_warn(problems, pointer, "SAME_VARIABLE", NULL, "and %s are both HONE_PARAM_%s in a trial's environment; rename one",
                              s->params[k].name, a);
        }
}

static bool mapping_ok(const json_t *parameters, struct problems *problems)
{
    char found[SHOW_TEXT];
    size_t n = json_object_size(parameters);
    if (!parameters || json_is_null(parameters))
        problems_add(problems, "/parameters", "REQUIRED", NULL,
                     "is missing; at least one parameter is needed, such as lr: {type: float, min: 1e-5, max: 0.1, scale: log}");
    else if (!json_is_object(parameters))
        problems_add(problems, "/parameters", "TYPE", NULL, "is %s, must be a mapping of names to parameters", json_show(parameters, found));
    else if (!n || n > SPACE_MAX_PARAMS)
        problems_add(problems, "/parameters", "RANGE", NULL, "has %zu parameters, must have 1 to %d", n, SPACE_MAX_PARAMS);
    else
        return true;
    return false;
}

struct space *space_new(const json_t *parameters, const json_t *constraints, struct problems *problems)
{
    size_t before = problems->n + problems->n_dropped;
    if (!mapping_ok(parameters, problems))
        return NULL;
    struct space *s = X_NEW(struct space);
    struct reading rd = {.space = s, .problems = problems};
    rd.found = x_calloc(json_object_size(parameters), sizeof *rd.found);
    s->params = x_calloc(json_object_size(parameters), sizeof *s->params);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)parameters, name, value)
    {
        struct found *f = &rd.found[rd.n++];
        f->reader = param_read(&f->param, name, value, problems);
    }
    for (size_t i = 0; i < rd.n; i++)
        place(&rd, &rd.found[i]);
    read_constraints(s, constraints, problems);
    for (size_t i = 0; i < rd.n; i++)
        reader_close(&rd.found[i].reader);
    free(rd.found);
    if (problems->n + problems->n_dropped != before) {
        space_free(s);
        return NULL;
    }
    warn_same_variable(s, problems);
    return s;
}

/* ---- back to JSON ---- */

static json_t *when_json(const struct space *s, const struct param *p)
{
    const struct param *parent = &s->params[p->parent];
    json_t *list = json_array();
    for (int64_t k = 0; k < parent->n_levels; k++)
        if (p->parent_ok[k])
            (void)json_array_append_new(list, param_level_json(parent, k));
    return json_pack("{s:o}", parent->name, list);
}

json_t *space_json(const struct space *s)
{
    json_t *parameters = json_object();
    for (size_t i = 0; i < s->n; i++) {
        const struct param *p = &s->params[i];
        json_t *out = param_json(p);
        if (p->parent >= 0)
            (void)json_object_set_new(out, "when", when_json(s, p));
        (void)json_object_set_new(parameters, p->name, out);
    }
    return parameters;
}
