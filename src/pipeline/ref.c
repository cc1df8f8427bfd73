/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pipeline/ref.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/column.h"
#include "model/reader.h"
#include "model/template.h"
#include "pipeline/ref_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUTS ".outputs."

#define STATE ".state"

static const struct head {
    const char *word;
    enum ref_kind kind;
    bool members;             /* of its value may stand behind its name */
    const char *const *names; /* that there are; NULL = any */
} heads[] = {
    {"params.", REF_PARAM, true, NULL},
    {"inputs.", REF_INPUT, true, NULL},
    {"steps.", REF_STEP_OUTPUT, true, NULL},
    {"out.", REF_OUT, false, NULL},
    {"map.", REF_MAP, true, NULL},
    {"run.", REF_RUN, false, (const char *const[]){"id", "state", "dir", "outputs", NULL}},
    {"trial.", REF_TRIAL, false, (const char *const[]){"number", NULL}},
    {"secrets.", REF_SECRET, false, NULL},
};

void ref_release(struct ref *r)
{
    free(r->step);
    free(r->name);
    free(r->path);
    *r = (struct ref){.kind = r->kind};
}

const char *ref_show(const struct ref *r, char out[REF_SHOW])
{
    const char *dot = r->path ? "." : "", *path = r->path ? r->path : "";
    if (r->kind == REF_STEP_STATE)
        (void)snprintf(out, REF_SHOW, "steps.%s" STATE, r->step);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        if (heads[i].kind == r->kind)
            (void)snprintf(out, REF_SHOW, "%s%s%s%s%s%s", heads[i].word, r->step ? r->step : "", r->step ? OUTPUTS : "", r->name, dot, path);
    return out;
}

/* Names with single dots between them. */
static bool dotted(const char *text, size_t len)
{
    if (!len || text[0] == '.' || text[len - 1] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!text[i] || !strchr(REF_NAME_CHARS ".", text[i]) || (text[i] == '.' && text[i + 1] == '.'))
            return false;
    return true;
}

static bool listed(const char *const *names, const char *text, size_t len)
{
    for (; names && *names; names++)
        if (strlen(*names) == len && !memcmp(*names, text, len))
            return true;
    return !names;
}

/* "name" or "name.member.0" */
static bool parse_name(const struct head *head, const char *text, size_t len, struct ref *out)
{
    const char *dot = len ? memchr(text, '.', len) : NULL;
    size_t name = dot ? (size_t)(dot - text) : len;
    if (!dotted(text, len) || (dot && !head->members) || !listed(head->names, text, name))
        return false;
    out->name = x_strndup(text, name);
    out->path = dot ? x_strndup(dot + 1, len - name - 1) : NULL;
    return true;
}

/* "train.outputs.loss", "train.state"; a step that `expand` made has dots in its id, but none is called "outputs". */
static bool parse_step(const struct head *head, const char *text, size_t len, struct ref *out, const char **why)
{
    const char *middle = memmem(text, len, OUTPUTS, strlen(OUTPUTS));
    size_t id = middle ? (size_t)(middle - text) : len > strlen(STATE) ? len - strlen(STATE) : 0;
    *why = "of a step there are steps.STEP.outputs.NAME and steps.STEP.state";
    if (!dotted(text, id) || (!middle && memcmp(text + id, STATE, strlen(STATE)) != 0))
        return false;
    if (middle && !parse_name(head, middle + strlen(OUTPUTS), len - id - strlen(OUTPUTS), out))
        return false;
    if (!middle) {
        out->kind = REF_STEP_STATE;
        out->name = x_strdup(&STATE[1]);
    }
    out->step = x_strndup(text, id);
    return true;
}

bool ref_parse(const char *text, size_t len, struct ref *out, const char **why)
{
    *why = "a reference is one of params.P, inputs.I, steps.S.outputs.O, steps.S.state, out.O, map.NAME, run.id, run.state, run.dir, run.outputs, "
           "trial.number, secrets.N";
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        size_t head = strlen(heads[i].word);
        if (len <= head || len > REF_SHOW - 20 || memcmp(text, heads[i].word, head) != 0)
            continue;
        *out = (struct ref){.kind = heads[i].kind};
        if (heads[i].kind == REF_STEP_OUTPUT)
            return parse_step(&heads[i], text + head, len - head, out, why);
        return parse_name(&heads[i], text + head, len - head, out);
    }
    return false;
}

/* ---- values ---- */

static json_t *member(const json_t *value, const char *name)
{
    char *end;
    unsigned long i = strtoul(name, &end, 10);
    if (json_is_array(value))
        return end != name && !*end ? json_array_get(value, i) : NULL;
    return json_object_get(value, name);
}

json_t *ref_value(const struct ref *r, ref_value_fn *lookup, void *arg)
{
    json_t *value = lookup(arg, r);
    char *path CLEANUP_FREE = x_strdup(value && r->path ? r->path : ""), *rest = path;
    for (char *name; value && (name = strtok_r(rest, ".", &rest));) {
        json_t *inner = json_incref(member(value, name));
        json_decref(value);
        value = inner;
    }
    return value;
}

/* ---- pieces of a text ---- */

struct piece {
    const char *start, *end; /* "${" ... "}", "$${" or the plain text between */
    enum { PLAIN, ESCAPE, REFERENCE, BROKEN } kind;
    struct ref ref; /* of REFERENCE */
    const char *why; /* of BROKEN */
};

static bool next_piece(const char *text, struct piece *p)
{
    *p = (struct piece){.start = text, .end = text};
    if (!*text)
        return false;
    if (!strncmp(text, "$${", 3)) {
        p->kind = ESCAPE;
        p->end = text + 3;
    } else if (!strncmp(text, "${", 2)) {
        const char *close = strchr(text, '}');
        p->end = close ? close + 1 : text + strlen(text);
        p->why = "the } is missing";
        p->kind = close && ref_parse(text + 2, (size_t)(close - text - 2), &p->ref, &p->why) ? REFERENCE : BROKEN;
    } else {
        do
            p->end++;
        while (*p->end && strncmp(p->end, "${", 2) != 0 && strncmp(p->end, "$${", 3) != 0);
    }
    return true;
}

static void broken(const char *text, const struct piece *p, const char *pointer, struct problems *problems)
{
    problems_add(problems, pointer, "SYNTAX", NULL, "column %zu: \"%.*s\" is no reference: %s; write $${ for a literal ${", column_of(text, p->start),
                 shown_length(p->start, (size_t)(p->end - p->start) < 60 ? (size_t)(p->end - p->start) : 60), p->start, p->why);
}

/* ---- walking ---- */

/* What is done with each string: it gives what stands in its place (a new reference), NULL after a problem. */
struct walk {
    json_t *(*text)(struct walk *w, const char *text, const char *pointer);
    struct problems *problems;
    ref_found_fn *found;
    ref_value_fn *lookup;
    ref_rename_fn *rename;
    void *arg;
    bool failed;
};

static json_t *walk(struct walk *w, const json_t *value, const char *pointer)
{
    size_t i;
    const char *key;
    json_t *item, *v = (json_t *)(uintptr_t)value, *out;
    if (json_is_string(v)) {
        out = w->text(w, json_string_value(v), pointer);
        w->failed |= !out;
        return out ? out : json_null();
    }
    if (!json_is_array(v) && !json_is_object(v))
        return json_incref(v);
    out = json_is_array(v) ? json_array() : json_object();
    json_array_foreach(v, i, item)
    {
        char *place CLEANUP_FREE = pointer_index(pointer, i);
        (void)json_array_append_new(out, walk(w, item, place));
    }
    json_object_foreach(v, key, item)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, key);
        (void)json_object_set_new(out, key, walk(w, item, place));
    }
    return out;
}

static json_t *find_text(struct walk *w, const char *text, const char *pointer)
{
    struct piece p;
    size_t n = 0;
    for (const char *at = text; next_piece(at, &p); at = p.end) {
        if (p.kind == BROKEN)
            broken(text, &p, pointer, w->problems);
        if (p.kind != REFERENCE)
            continue;
        if (++n == REF_MAX_IN_TEXT + 1)
            problems_add(w->problems, pointer, "TOO_LARGE", NULL, "has more than %d references", REF_MAX_IN_TEXT);
        w->found(w->arg, &p.ref, pointer);
        ref_release(&p.ref);
    }
    return json_null();
}

void refs_find(const json_t *value, const char *pointer, ref_found_fn *found, void *arg, struct problems *problems)
{
    struct walk w = {.text = find_text, .problems = problems, .found = found, .arg = arg};
    json_decref(walk(&w, value, pointer));
}

static void count_ref(void *arg, const struct ref *r, const char *pointer)
{
    size_t *n = arg;
    (void)r;
    (void)pointer;
    ++*n;
}

bool refs_any(const json_t *value)
{
    struct problems wrong = {0};
    size_t n = 0;
    refs_find(value, "", count_ref, &n, &wrong);
    n += wrong.n;
    problems_release(&wrong);
    return n > 0;
}

/* ---- resolving ---- */

static json_t *lookup_value(struct walk *w, const struct ref *r, const char *pointer)
{
    char shown[REF_SHOW];
    json_t *value = ref_value(r, w->lookup, w->arg);
    if (!value)
        problems_add(w->problems, pointer, "UNDEFINED", NULL, "%s is undefined: %s", ref_show(r, shown),
                     r->path                      ? "its value has no such member"
                     : r->kind == REF_STEP_OUTPUT ? "the step was skipped or gave no such output" : "there is no such value here");
    return value;
}

static void add_quoted(struct buf *out, const char *text)
{
    buf_adds(out, "'");
    for (; *text; text++) {
        if (*text == '\'')
            buf_adds(out, "'\\'");
        buf_add(out, text, 1);
    }
    buf_adds(out, "'");
}

/* The whole as text; NULL after a problem. */
static char *resolve_pieces(struct walk *w, const char *text, const char *pointer, bool shell)
{
    struct buf out = BUF_INIT;
    struct piece p;
    bool ok = true;
    for (const char *at = text; next_piece(at, &p); at = p.end) {
        if (p.kind == ESCAPE) {
            buf_adds(&out, "${");
        } else if (p.kind == REFERENCE) {
            json_t *value = lookup_value(w, &p.ref, pointer);
            char *shown CLEANUP_FREE = value ? template_value(value) : NULL;
            ok &= value != NULL;
            if (shown && shell)
                add_quoted(&out, shown);
            else if (shown)
                buf_adds(&out, shown);
            json_decref(value);
            ref_release(&p.ref);
        } else {
            buf_add(&out, p.start, (size_t)(p.end - p.start));
        }
    }
    if (ok)
        return buf_take(&out);
    buf_release(&out);
    return NULL;
}

bool ref_exact(const char *text, struct ref *out)
{
    struct piece p;
    if (next_piece(text, &p) && p.kind == REFERENCE && !*p.end) {
        *out = p.ref;
        return true;
    }
    ref_release(&p.ref);
    return false;
}

static json_t *resolve_text(struct walk *w, const char *text, const char *pointer)
{
    struct ref ref;
    if (ref_exact(text, &ref)) {
        json_t *value = lookup_value(w, &ref, pointer);
        ref_release(&ref);
        return value;
    }
    char *whole CLEANUP_FREE = resolve_pieces(w, text, pointer, false);
    return whole ? json_string(whole) : NULL;
}

static json_t *whole_walk(struct walk *w, const json_t *value, const char *pointer)
{
    json_t *out = walk(w, value, pointer);
    if (!w->failed)
        return out;
    json_decref(out);
    return NULL;
}

json_t *refs_resolve(const json_t *value, const char *pointer, ref_value_fn *lookup, void *arg, struct problems *problems)
{
    struct walk w = {.text = resolve_text, .problems = problems, .lookup = lookup, .arg = arg};
    return whole_walk(&w, value, pointer);
}

static json_t *shell_words(struct walk *w, const char *text, const char *pointer)
{
    char *place CLEANUP_FREE = pointer_join(pointer, "shell");
    char *script CLEANUP_FREE = resolve_pieces(w, text, place, true);
    return script ? json_pack("[s,s,s]", "/bin/sh", "-c", script) : NULL;
}

json_t *refs_command(const json_t *run, const char *pointer, ref_value_fn *lookup, void *arg, struct problems *problems)
{
    struct walk w = {.text = resolve_text, .problems = problems, .lookup = lookup, .arg = arg};
    const char *script = json_string_value(json_object_get(run, "shell"));
    if (script)
        return shell_words(&w, script, pointer);
    json_t *resolved = whole_walk(&w, run, pointer), *words = resolved ? json_array() : NULL, *word;
    size_t i;
    json_array_foreach(resolved, i, word)
    {
        /* what a reference named is not {json: ...}, whatever it holds */
        bool as_json = json_is_object(json_array_get(run, i));
        char *text CLEANUP_FREE = template_value(as_json ? json_object_get(word, "json") : word);
        (void)json_array_append_new(words, json_string(text));
    }
    json_decref(resolved);
    return words;
}

/* ---- renaming ---- */

static json_t *rename_text(struct walk *w, const char *text, const char *pointer)
{
    struct buf out = BUF_INIT;
    struct piece p;
    (void)pointer;
    buf_adds(&out, "");
    for (const char *at = text; next_piece(at, &p); at = p.end) {
        char *name CLEANUP_FREE = p.kind == REFERENCE ? w->rename(w->arg, &p.ref) : NULL;
        if (name)
            buf_addf(&out, "${%s%s%s}", name, p.ref.path ? "." : "", p.ref.path ? p.ref.path : "");
        else
            buf_add(&out, p.start, (size_t)(p.end - p.start));
        ref_release(&p.ref);
    }
    char *whole CLEANUP_FREE = buf_take(&out);
    return json_string(whole);
}

json_t *refs_rename(const json_t *value, ref_rename_fn *rename, void *arg)
{
    struct walk w = {.text = rename_text, .rename = rename, .arg = arg};
    return walk(&w, value, "");
}
