/* SPDX-License-Identifier: GPL-3.0-or-later */
/*   or  = and { "or" and }          compare = atom [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | ["not"] "in") atom ]
 *   and = not { "and" not }         atom    = "(" or ")" | number | 'text' | true | false | null | "[" literal, ... "]"
 *   not = "not" not | compare                 | "defined" "(" reference ")" | reference
 *
 * Evaluated from left to right, and no further than needed: `defined(x) and x < 5` never compares what is not there. */
#include "base/buf.h"
#include "base/mem.h"
#include "model/column.h"
#include "model/expr.h"
#include "model/reader.h"
#include "pipeline/ref_part.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"
#define SPACES " \t\r\n"

enum op { OP_LITERAL, OP_REF, OP_DEFINED, OP_NOT, OP_AND, OP_OR, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_IN, OP_NOT_IN };

struct node {
    enum op op;
    size_t left, right; /* of operators; indices of nodes */
    json_t *value;      /* LITERAL */
    struct ref ref;     /* REF, DEFINED */
};

struct condition {
    size_t n, root;
    struct node nodes[EXPR_MAX_NODES];
};

static const struct {
    const char *text;
    enum op op;
} comparisons[] = {
    {"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"<", OP_LT}, {">", OP_GT},
};

/* ---- parsing ---- */

struct parser {
    const char *text, *at;
    const char *pointer;
    struct problems *problems;
    struct condition *c;
    size_t depth;
    bool failed;
};

static size_t fail(struct parser *p, const char *code, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static size_t fail(struct parser *p, const char *code, const char *hint, const char *fmt, ...)
{
    char detail[400];
    va_list ap;
    if (p->failed)
        return 0;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    problems_add(p->problems, p->pointer, code, hint, "column %zu: %s", column_of(p->text, p->at), detail);
    p->failed = true;
    return 0;
}

static size_t expected(struct parser *p, const char *what)
{
    if (!*p->at)
        return fail(p, "SYNTAX", NULL, "%s is missing, the text ends here", what);
    size_t len = strspn(p->at, REF_NAME_CHARS ".");
    return fail(p, "SYNTAX", NULL, "expected %s, found \"%.*s\"", what, len ? (int)(len < 60 ? len : 60) : character_length(p->at), p->at);
}

static void skip(struct parser *p)
{
    p->at += strspn(p->at, SPACES);
}

static bool symbol(struct parser *p, const char *text)
{
    skip(p);
    if (p->failed || strncmp(p->at, text, strlen(text)) != 0)
        return false;
    p->at += strlen(text);
    return true;
}

static bool word(struct parser *p, const char *text)
{
    skip(p);
    size_t len = strlen(text);
    if (p->failed || strncmp(p->at, text, len) != 0 || strspn(p->at + len, REF_NAME_CHARS "."))
        return false;
    p->at += len;
    return true;
}

static size_t add(struct parser *p, struct node node)
{
    if (p->c->n < EXPR_MAX_NODES) {
        p->c->nodes[p->c->n] = node;
        return p->c->n++;
    }
    json_decref(node.value);
    ref_release(&node.ref);
    return fail(p, "TOO_LARGE", NULL, "more than %d operations and values", EXPR_MAX_NODES);
}

static size_t literal(struct parser *p, json_t *value)
{
    return add(p, (struct node){.op = OP_LITERAL, .value = value});
}

static json_t *read_text(struct parser *p)
{
    struct buf b = BUF_INIT;
    char quote = *p->at;
    const char *s = p->at + 1;
    buf_adds(&b, "");
    for (; *s && *s != quote; s++) {
        if (*s == '\\' && (s[1] == '\\' || s[1] == quote))
            s++;
        buf_add(&b, s, 1);
    }
    if (!*s)
        (void)fail(p, "SYNTAX", NULL, "the text that begins here has no closing %c", quote);
    else
        p->at = s + 1;
    json_t *value = json_stringn(b.data, b.len);
    buf_release(&b);
    return value;
}

static json_t *read_number(struct parser *p)
{
    const char *s = p->at + (*p->at == '-');
    bool whole = true;
    size_t digits = strspn(s, DIGITS);
    s += digits;
    if (*s == '.') {
        whole = false;
        digits += strspn(s + 1, DIGITS);
        s += 1 + strspn(s + 1, DIGITS);
    }
    if (digits && (*s == 'e' || *s == 'E')) {
        const char *exponent = s + 1 + (s[1] == '+' || s[1] == '-');
        whole = false;
        s = exponent + strspn(exponent, DIGITS);
    }
    char *copy CLEANUP_FREE = x_strndup(p->at, (size_t)(s - p->at));
    double number = strtod(copy, NULL);
    if (!digits || strspn(s, REF_NAME_CHARS ".") || !isfinite(number)) {
        (void)fail(p, "SYNTAX", NULL, "\"%.40s\" is not a number", copy);
        return json_null();
    }
    p->at = s;
    return whole && fabs(number) < 9e15 ? json_integer((json_int_t)number) : json_real(number);
}

/* A text, a number, true, false or null; NULL: something else stands here. */
static json_t *read_literal(struct parser *p)
{
    skip(p);
    if (*p->at == '\'' || *p->at == '"')
        return read_text(p);
    if (*p->at == '-' || *p->at == '.' || strspn(p->at, DIGITS))
        return read_number(p);
    if (word(p, "true"))
        return json_true();
    if (word(p, "false"))
        return json_false();
    return word(p, "null") ? json_null() : NULL;
}

static size_t read_list(struct parser *p)
{
    json_t *list = json_array();
    while (!p->failed && !symbol(p, "]")) {
        json_t *item = json_array_size(list) && !symbol(p, ",") ? NULL : read_literal(p);
        if (!item)
            (void)expected(p, json_array_size(list) ? "\",\" and a value, or \"]\"" : "a value or \"]\"");
        else
            (void)json_array_append_new(list, item);
    }
    return literal(p, list);
}

static size_t read_ref(struct parser *p, enum op op)
{
    const char *why, *start = p->at;
    struct ref ref = {0};
    bool braces = symbol(p, "${");
    if (!braces)
        skip(p);
    size_t len = strspn(p->at, REF_NAME_CHARS ".");
    if (!len && !braces)
        return expected(p, "a value");
    if (!ref_parse(p->at, len, &ref, &why)) {
        bool bare = len && !memchr(p->at, '.', len);
        return fail(p, "SYNTAX", NULL, "\"%.*s\" is no reference: %s%s", (int)(len < 60 ? len : 60), p->at, why,
                    bare ? "; a text is written in quotes" : "");
    }
    p->at += len;
    if (braces && !symbol(p, "}")) {
        ref_release(&ref);
        p->at = start;
        return fail(p, "SYNTAX", NULL, "the ${ that begins here has no }");
    }
    return add(p, (struct node){.op = op, .ref = ref});
}

static size_t read_or(struct parser *p);

static size_t read_closed(struct parser *p, size_t inner)
{
    return symbol(p, ")") ? inner : expected(p, "\")\"");
}

static size_t read_atom(struct parser *p)
{
    json_t *value = read_literal(p);
    if (value)
        return literal(p, value);
    if (symbol(p, "["))
        return read_list(p);
    if (symbol(p, "("))
        return read_closed(p, read_or(p));
    if (word(p, "defined")) {
        if (!symbol(p, "("))
            return expected(p, "\"(\"");
        return read_closed(p, read_ref(p, OP_DEFINED));
    }
    return read_ref(p, OP_REF);
}

static size_t read_compare(struct parser *p)
{
    size_t left = read_atom(p), i = 0;
    enum op op;
    if (word(p, "in")) {
        op = OP_IN;
    } else if (word(p, "not")) {
        if (!word(p, "in"))
            return expected(p, "\"in\"");
        op = OP_NOT_IN;
    } else {
        while (i < ARRAY_LEN(comparisons) && !symbol(p, comparisons[i].text))
            i++;
        if (i == ARRAY_LEN(comparisons))
            return *p->at == '=' ? fail(p, "SYNTAX", "==", "\"=\" is not known here, write \"==\"") : left;
        op = comparisons[i].op;
    }
    size_t right = read_atom(p);
    return add(p, (struct node){.op = op, .left = left, .right = right});
}

static size_t read_not(struct parser *p)
{
    if (p->depth >= EXPR_MAX_DEPTH)
        return fail(p, "TOO_LARGE", NULL, "nested more than %d deep", EXPR_MAX_DEPTH);
    p->depth++;
    size_t node = 0;
    if (word(p, "not"))
        node = add(p, (struct node){.op = OP_NOT, .left = read_not(p)});
    else
        node = read_compare(p);
    p->depth--;
    return node;
}

static size_t read_and(struct parser *p)
{
    size_t left = read_not(p);
    while (word(p, "and") || symbol(p, "&&")) {
        size_t right = read_not(p);
        left = add(p, (struct node){.op = OP_AND, .left = left, .right = right});
    }
    return left;
}

static size_t read_or(struct parser *p)
{
    size_t left = read_and(p);
    while (word(p, "or") || symbol(p, "||")) {
        size_t right = read_and(p);
        left = add(p, (struct node){.op = OP_OR, .left = left, .right = right});
    }
    return left;
}

struct condition *condition_parse(const char *text, const char *pointer, struct problems *problems)
{
    if (strlen(text) > EXPR_MAX_TEXT) {
        problems_add(problems, pointer, "TOO_LARGE", NULL, "has %zu bytes, at most %d are allowed", strlen(text), EXPR_MAX_TEXT);
        return NULL;
    }
    struct condition *c = X_NEW(struct condition);
    struct parser p = {.text = text, .at = text, .pointer = pointer, .problems = problems, .c = c};
    c->root = read_or(&p);
    skip(&p);
    if (!p.failed && *p.at)
        (void)expected(&p, "and, or, or the end");
    if (!p.failed)
        return c;
    condition_free(c);
    return NULL;
}

void condition_free(struct condition *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++) {
        json_decref(c->nodes[i].value);
        ref_release(&c->nodes[i].ref);
    }
    free(c);
}

void condition_refs(const struct condition *c, const char *pointer, ref_found_fn *found, void *arg)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->nodes[i].op == OP_REF || c->nodes[i].op == OP_DEFINED)
            found(arg, &c->nodes[i].ref, pointer);
}

void condition_rename(struct condition *c, ref_rename_fn *rename, void *arg)
{
    const char *why;
    for (size_t i = 0; i < c->n; i++) {
        struct node *n = &c->nodes[i];
        char *name CLEANUP_FREE = n->op == OP_REF || n->op == OP_DEFINED ? rename(arg, &n->ref) : NULL;
        struct ref renamed;
        if (!name || !ref_parse(name, strlen(name), &renamed, &why))
            continue;
        renamed.path = n->ref.path;
        n->ref.path = NULL;
        ref_release(&n->ref);
        n->ref = renamed;
    }
}

/* ---- evaluation ---- */

struct run {
    const struct condition *c;
    ref_value_fn *lookup;
    void *arg;
    struct error *error;
};

static json_t *no_value(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static json_t *no_value(struct run *r, const char *fmt, ...)
{
    char detail[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    (void)err_set(r->error, ERR_INVALID, "CONDITION", "%s", detail);
    return NULL;
}

static json_t *value_of(struct run *r, size_t at);

static json_t *named_value(struct run *r, const struct node *n)
{
    char shown[REF_SHOW];
    json_t *value = ref_value(&n->ref, r->lookup, r->arg);
    if (value || n->op == OP_DEFINED) {
        bool defined = value && !json_is_null(value);
        if (n->op == OP_REF)
            return value;
        json_decref(value);
        return json_boolean(defined);
    }
    return no_value(r, "%s is undefined: its step was skipped or gave no such output; ask defined(...) first", ref_show(&n->ref, shown));
}

/* 1, 0, or -1: it has no value. */
static int truth_of(struct run *r, size_t at)
{
    char found[SHOW_TEXT];
    json_t *value = value_of(r, at);
    int truth = value && json_is_boolean(value) ? json_is_true(value) : -1;
    if (value && truth < 0)
        (void)no_value(r, "%s is no truth value: compare it with something", json_show(value, found));
    json_decref(value);
    return truth;
}

static json_t *connect(struct run *r, const struct node *n)
{
    int left = truth_of(r, n->left);
    if (left < 0)
        return NULL;
    if (n->op == OP_NOT)
        return json_boolean(!left);
    if (left == (n->op == OP_OR))
        return json_boolean(left);
    int right = truth_of(r, n->right);
    return right < 0 ? NULL : json_boolean(right);
}

static bool same(const json_t *a, const json_t *b)
{
    double x = json_number_value(a), y = json_number_value(b);
    if (json_is_number(a) && json_is_number(b))
        return !(x < y) && !(x > y);
    return json_equal(a, b);
}

static json_t *contains(struct run *r, const json_t *list, const json_t *value, bool wanted)
{
    char found[SHOW_TEXT];
    if (!json_is_array(list))
        return no_value(r, "\"in\" wants a list behind it, not %s", json_show(list, found));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (same(json_array_get(list, i), value))
            return json_boolean(wanted);
    return json_boolean(!wanted);
}

static json_t *order(struct run *r, enum op op, const json_t *a, const json_t *b)
{
    char left[SHOW_TEXT], right[SHOW_TEXT];
    int sign;
    if (json_is_number(a) && json_is_number(b))
        sign = (json_number_value(a) > json_number_value(b)) - (json_number_value(a) < json_number_value(b));
    else if (json_is_string(a) && json_is_string(b))
        sign = strcmp(json_string_value(a), json_string_value(b));
    else
        return no_value(r, "%s and %s have no order: both must be numbers, or both texts", json_show(a, left), json_show(b, right));
    return json_boolean(op == OP_LT ? sign < 0 : op == OP_LE ? sign <= 0 : op == OP_GT ? sign > 0 : sign >= 0);
}

static json_t *compare(struct run *r, const struct node *n)
{
    json_t *out = NULL, *a = value_of(r, n->left), *b = a ? value_of(r, n->right) : NULL;
    if (b && (n->op == OP_EQ || n->op == OP_NE))
        out = json_boolean(same(a, b) == (n->op == OP_EQ));
    else if (b && (n->op == OP_IN || n->op == OP_NOT_IN))
        out = contains(r, b, a, n->op == OP_IN);
    else if (b)
        out = order(r, n->op, a, b);
    json_decref(a);
    json_decref(b);
    return out;
}

/* Deep at most as the parser let it be. New reference; NULL with an error. */
static json_t *value_of(struct run *r, size_t at)
{
    const struct node *n = &r->c->nodes[at];
    if (n->op == OP_LITERAL)
        return json_incref(n->value);
    if (n->op == OP_REF || n->op == OP_DEFINED)
        return named_value(r, n);
    return n->op == OP_NOT || n->op == OP_AND || n->op == OP_OR ? connect(r, n) : compare(r, n);
}

bool condition_holds(const struct condition *c, ref_value_fn *lookup, void *arg, bool *holds, struct error *error)
{
    struct run r = {.c = c, .lookup = lookup, .arg = arg, .error = error};
    int truth = truth_of(&r, c->root);
    *holds = truth == 1;
    return truth >= 0;
}
