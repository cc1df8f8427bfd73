/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/gjson.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPECIAL ".|#@*?!{}[]()=<>%~\\" /* in a key only after a backslash */
#define MAX_STEPS 64                   /* evaluation goes as deep as there are steps */

enum kind { STEP_KEY, STEP_LENGTH, STEP_FIRST, STEP_ALL, STEP_WRAP, STEP_THIS };
enum op { OP_EXISTS, OP_EQ, OP_NE, OP_LE, OP_GE, OP_NOT_LIKE, OP_LT, OP_GT, OP_LIKE };

struct step {
    char separator; /* before it; 0 = it is the first */
    enum kind kind;
    char *key;      /* KEY */
    char **left;    /* FIRST, ALL: members one under the other */
    size_t n_left;
    enum op op;
    char *right;
};

struct gjson {
    struct step steps[MAX_STEPS];
    size_t n;
};

/* ---- reading ---- */

struct text {
    const char *start, *at;
    const char *why;
};

static bool wrong(struct text *t, const char *at, const char *why)
{
    t->at = at;
    t->why = why;
    return false;
}

static char *trimmed(const char *start, const char *end)
{
    while (start < end && (unsigned char)*start <= ' ')
        start++;
    while (end > start && (unsigned char)end[-1] <= ' ')
        end--;
    return x_strndup(start, (size_t)(end - start));
}

static void split_left(struct step *s, char *members)
{
    for (char *at = members, *dot; *members; at = dot + 1) {
        dot = strchr(at, '.');
        s->left = x_realloc(s->left, (s->n_left + 1) * sizeof *s->left);
        s->left[s->n_left++] = dot ? x_strndup(at, (size_t)(dot - at)) : x_strdup(at);
        if (!dot)
            return;
    }
}

/* The quotes are dropped: the type of the element decides how it is compared. */
static void unquote(char *text)
{
    size_t len = strlen(text);
    if (len < 2 || text[0] != '"' || text[len - 1] != '"')
        return;
    char *to = text;
    for (const char *from = text + 1; from < text + len - 1; from++) {
        from += *from == '\\' && from + 1 < text + len - 1 && (from[1] == '"' || from[1] == '\\');
        *to++ = *from;
    }
    *to = '\0';
}

static bool read_op(struct text *t, const char **at, enum op *op)
{
    static const struct {
        const char *sign;
        enum op op;
    } ops[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"!%", OP_NOT_LIKE}, {"=", OP_EQ}, {"<", OP_LT}, {">", OP_GT}, {"%", OP_LIKE}};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (!strncmp(*at, ops[i].sign, strlen(ops[i].sign))) {
            *at += strlen(ops[i].sign);
            *op = ops[i].op;
            return true;
        }
    return wrong(t, *at, "has a comparison that is none of == != < <= > >= % !%");
}

/* Where the body that begins at `at` is closed; NULL: nowhere. */
static const char *body_end(const char *at, char close)
{
    for (bool quoted = false; *at; at++) {
        if (quoted && *at == '\\' && at[1])
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (*at == close && !quoted)
            return at;
    }
    return NULL;
}

/* At "#(". */
static bool read_query(struct text *t, struct step *s)
{
    const char *body = t->at + 2, *end = body_end(body, t->at[1] == '(' ? ')' : ']');
    if (!end)
        return wrong(t, t->at, "has #( without )");
    const char *sign = body + strcspn(body, "!=<>%");
    if (sign > end)
        sign = end;
    char *left CLEANUP_FREE = trimmed(body, sign);
    if (strpbrk(left, "#@*?{}[]()|~"))
        return wrong(t, body, "has a name in #( ) that holds one of # @ * ? { } [ ] ( ) | ~");
    if (sign == end && !*left)
        return wrong(t, body, "has an empty #( )");
    split_left(s, left);
    if (sign < end) {
        if (!read_op(t, &sign, &s->op))
            return false;
        s->right = sign < end ? trimmed(sign, end) : x_strdup("");
        if (*s->right == '~')
            return wrong(t, sign, "compares with ~, which versions of GJSON read differently");
        unquote(s->right);
    }
    t->at = end + 1;
    s->kind = *t->at == '#' ? STEP_ALL : STEP_FIRST;
    t->at += *t->at == '#';
    return true;
}

static bool read_key(struct text *t, struct step *s)
{
    const char *start = t->at;
    char *key = x_malloc(strlen(start) + 1), *to = key;
    s->key = key;
    for (; *t->at && *t->at != '.' && *t->at != '|'; t->at++) {
        if (*t->at == '\\' && t->at[1])
            t->at++;
        else if (strchr(SPECIAL, *t->at))
            return wrong(t, t->at, "is no path that is known here: members joined by . or |, #(key==\"value\")#, @this, [@this]");
        *to++ = *t->at;
    }
    *to = '\0';
    if (!*key)
        return wrong(t, start, "has an empty part");
    if (key[0] == '-' && key[1] && !key[1 + strspn(key + 1, "0123456789")])
        return wrong(t, start, "counts from the end, which GJSON cannot");
    return true;
}

static bool read_step(struct text *t, struct step *s)
{
    static const struct {
        const char *word;
        enum kind kind;
    } words[] = {{"[@this]", STEP_WRAP}, {"@this", STEP_THIS}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strncmp(t->at, words[i].word, strlen(words[i].word))) {
            t->at += strlen(words[i].word);
            s->kind = words[i].kind;
            return true;
        }
    if (*t->at == '#' && (t->at[1] == '(' || t->at[1] == '['))
        return read_query(t, s);
    if (*t->at != '#')
        return read_key(t, s);
    t->at++;
    s->kind = STEP_LENGTH;
    return true;
}

static bool read_path(struct text *t, struct gjson *g)
{
    if (!*t->at)
        return wrong(t, t->at, "is empty");
    for (char separator = 0;; separator = *t->at++) {
        if (g->n == MAX_STEPS)
            return wrong(t, t->at, "has too many parts");
        struct step *s = &g->steps[g->n++];
        s->separator = separator;
        if (!read_step(t, s))
            return false;
        if (!*t->at)
            return true;
        if (*t->at != '.' && *t->at != '|')
            return wrong(t, t->at, "goes on without . or | between two parts");
    }
}

struct gjson *gjson_new(const char *text, const char **why, size_t *column)
{
    struct gjson *g = X_NEW(struct gjson);
    struct text t = {.start = text, .at = text};
    if (read_path(&t, g))
        return g;
    *why = t.why;
    *column = (size_t)(t.at - t.start) + 1;
    gjson_free(g);
    return NULL;
}

void gjson_free(struct gjson *g)
{
    for (size_t i = 0; g && i < g->n; i++) {
        struct step *s = &g->steps[i];
        for (size_t k = 0; k < s->n_left; k++)
            free(s->left[k]);
        free(s->left);
        free(s->key);
        free(s->right);
    }
    free(g);
}

/* ---- following ---- */

static json_t *member(const json_t *v, const char *key)
{
    size_t index;
    if (json_is_object(v))
        return json_object_get(v, key);
    if (!json_is_array(v) || !*key || key[strspn(key, "0123456789")] || strlen(key) > 9)
        return NULL;
    index = (size_t)strtoul(key, NULL, 10);
    return json_array_get(v, index);
}

/* * is any text, ? any character. */
static bool like(const char *text, const char *pattern)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    return !pattern[strspn(pattern, "*")];
}

static bool by_order(enum op op, int order)
{
    switch (op) {
    case OP_EQ:
        return order == 0;
    case OP_NE:
        return order != 0;
    case OP_LT:
        return order < 0;
    case OP_LE:
        return order <= 0;
    case OP_GT:
        return order > 0;
    case OP_GE:
        return order >= 0;
    default:
        return false;
    }
}

/* As GJSON has it: an order of true and false, but none with other texts. */
static bool match_truth(bool truth, enum op op, const char *right)
{
    bool same = !strcmp(right, truth ? "true" : "false"), other = !strcmp(right, truth ? "false" : "true");
    switch (op) {
    case OP_EQ:
        return same;
    case OP_NE:
        return !same;
    case OP_GT:
        return truth && other;
    case OP_GE:
        return truth;
    case OP_LT:
        return !truth && other;
    case OP_LE:
        return !truth;
    default:
        return false;
    }
}

static bool match_number(double number, enum op op, const char *right)
{
    char *end;
    errno = 0;
    double other = strtod(right, &end);
    return end != right && !*end && op != OP_LIKE && op != OP_NOT_LIKE && by_order(op, (number > other) - (number < other));
}

static bool match(const json_t *v, const struct step *s)
{
    for (size_t i = 0; i < s->n_left && v; i++)
        v = member(v, s->left[i]);
    if (!v || s->op == OP_EXISTS)
        return v != NULL;
    if (json_is_boolean(v))
        return match_truth(json_is_true(v), s->op, s->right);
    if (json_is_number(v))
        return match_number(json_number_value(v), s->op, s->right);
    if (!json_is_string(v))
        return false;
    if (s->op == OP_LIKE || s->op == OP_NOT_LIKE)
        return like(json_string_value(v), s->right) == (s->op == OP_LIKE);
    return by_order(s->op, strcmp(json_string_value(v), s->right));
}

static json_t *follow(const struct gjson *g, size_t from, size_t to, const json_t *value);

/* The steps after number `at` up to the next |, for each element; then the rest for the list of what came out. */
static json_t *map(const struct gjson *g, size_t at, size_t to, json_t *list)
{
    size_t inner = at + 2, i;
    json_t *element, *out = json_array();
    while (inner < to && g->steps[inner].separator != '|')
        inner++;
    json_array_foreach(list, i, element)
    {
        json_t *found = follow(g, at + 1, inner, element);
        if (found)
            (void)json_array_append_new(out, found);
    }
    json_decref(list);
    json_t *rest = inner < to ? follow(g, inner, to, out) : json_incref(out);
    json_decref(out);
    return rest;
}

static json_t *hits(const json_t *list, const struct step *s)
{
    json_t *out = json_array(), *element;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list, i, element)
    {
        if (match(element, s))
            (void)json_array_append(out, element);
    }
    return out;
}

static json_t *take(const struct step *s, json_t *v)
{
    json_t *out = NULL;
    if (s->kind == STEP_KEY)
        out = json_incref(member(v, s->key));
    else if (s->kind == STEP_LENGTH && json_is_array(v))
        out = json_integer((json_int_t)json_array_size(v));
    else if (s->kind == STEP_FIRST && json_is_array(v)) {
        json_t *list = hits(v, s);
        out = json_incref(json_array_get(list, 0));
        json_decref(list);
    }
    json_decref(v);
    return out;
}

/* Steps `from` to `to` (without it) of what `value` is. */
static json_t *follow(const struct gjson *g, size_t from, size_t to, const json_t *value)
{
    json_t *v = json_incref((json_t *)(uintptr_t)value);
    for (size_t i = from; i < to; i++) {
        const struct step *s = &g->steps[i];
        bool mapped = i + 1 < to && g->steps[i + 1].separator == '.' && json_is_array(v);
        if (s->kind == STEP_THIS)
            continue;
        if (s->kind == STEP_WRAP) {
            v = v ? json_pack("[o]", v) : json_array();
        } else if (s->kind == STEP_ALL && json_is_array(v)) {
            json_t *list = hits(v, s);
            json_decref(v);
            if (mapped)
                return map(g, i, to, list);
            v = list;
        } else if (s->kind == STEP_LENGTH && mapped) {
            return map(g, i, to, v);
        } else {
            v = take(s, v);
        }
    }
    return v;
}

json_t *gjson_find(const struct gjson *g, const json_t *document)
{
    return follow(g, 0, g->n, document);
}

bool gjson_met(const json_t *found)
{
    return json_is_object(found) || json_array_size(found) > 0;
}
