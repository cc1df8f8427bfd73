/* SPDX-License-Identifier: GPL-3.0-or-later */
/*   filter = term { "AND" term } | term { "OR" term }     term  = "NOT" term | "(" filter ")" | field operator value
 *   field  = word { "." (word | quoted) }                 value = quoted | anything without spaces, ()"'=<>!
 *
 * AIP-160 binds OR closer than AND, SQL the other way round: a mix without parentheses is refused, so nobody reads it wrong. */
#include "model/filter.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/column.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SPACES " \t\r\n"
#define FIELD_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-/"
#define NOT_IN_VALUE SPACES "()\"'=<>!"

static const struct {
    const char *text;
    enum filter_op op;
} operators[] = {
    {"<=", FILTER_LE},
    {">=", FILTER_GE},
    {"!=", FILTER_NE},
    {"==", FILTER_EQ},
    {"<", FILTER_LT},
    {">", FILTER_GT},
    {"=", FILTER_EQ},
    {":", FILTER_HAS},
};

struct parser {
    const char *text, *at;
    struct error *error;
    size_t nodes, depth;
    bool failed;
};

static struct filter *fail(struct parser *p, const char *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static struct filter *fail(struct parser *p, const char *at, const char *fmt, ...)
{
    if (p->failed)
        return NULL;
    char detail[300];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    (void)err_set(p->error, ERR_SYNTAX, "FILTER_SYNTAX", "filter, column %zu: %s", column_of(p->text, at), detail);
    p->failed = true;
    return NULL;
}

static struct filter *fail_expected(struct parser *p, const char *what)
{
    if (!*p->at)
        return fail(p, p->at, "%s is missing, the text ends here", what);
    return fail(p, p->at, "expected %s, found \"%.*s\"", what, character_length(p->at), p->at);
}

static void skip(struct parser *p)
{
    p->at += strspn(p->at, SPACES);
}

static bool keyword(struct parser *p, const char *word)
{
    skip(p);
    size_t len = strlen(word);
    if (strncasecmp(p->at, word, len) != 0 || strspn(p->at + len, FIELD_CHARS ".:=<>!"))
        return false;
    p->at += len;
    return true;
}

static struct filter *node(struct parser *p, enum filter_op op, struct filter *left, struct filter *right)
{
    if (!p->failed && ++p->nodes > FILTER_MAX_NODES)
        (void)fail(p, p->at, "more than %d conditions and connectives", FILTER_MAX_NODES);
    if (p->failed) {
        filter_free(left);
        filter_free(right);
        return NULL;
    }
    struct filter *f = X_NEW(struct filter);
    *f = (struct filter){.op = op, .left = left, .right = right, .number = (double)NAN};
    return f;
}

static void read_quoted(struct parser *p, struct buf *out)
{
    const char *start = p->at;
    char quote = *p->at++;
    for (; *p->at && *p->at != quote; p->at++) {
        if (*p->at == '\\' && (p->at[1] == '\\' || p->at[1] == quote))
            p->at++;
        buf_add(out, p->at, 1);
    }
    if (*p->at)
        p->at++;
    else
        (void)fail(p, start, "the text that begins here has no closing %c", quote);
}

static bool at_quote(const struct parser *p)
{
    return *p->at == '"' || *p->at == '\'';
}

static char *read_field(struct parser *p)
{
    struct buf field = BUF_INIT;
    for (;;) {
        size_t len = strspn(p->at, FIELD_CHARS);
        if (field.len && at_quote(p)) {
            read_quoted(p, &field);
        } else if (len) {
            buf_add(&field, p->at, len);
            p->at += len;
        } else {
            (void)fail_expected(p, field.len ? "a name after the dot" : "a field (like state or params.lr)");
        }
        if (p->failed || *p->at != '.')
            return buf_take(&field);
        buf_add(&field, p->at++, 1);
    }
}

static char *read_value(struct parser *p)
{
    struct buf value = BUF_INIT;
    skip(p);
    size_t len = strcspn(p->at, NOT_IN_VALUE);
    if (at_quote(p)) {
        read_quoted(p, &value);
    } else if (len) {
        buf_add(&value, p->at, len);
        p->at += len;
    } else {
        (void)fail_expected(p, "a value");
    }
    if (!p->failed && *p->at && !strspn(p->at, SPACES "()"))
        (void)fail(p, p->at, "\"%.*s\" cannot stand in a value without quotes around it", character_length(p->at), p->at);
    return buf_take(&value);
}

static double number_of(const char *text)
{
    char *end;
    double number = strtod(text, &end);
    return *text && !strspn(text, SPACES) && !*end ? number : (double)NAN;
}

static struct filter *parse_comparison(struct parser *p)
{
    char *field CLEANUP_FREE = read_field(p);
    skip(p);
    size_t i = 0;
    while (i < ARRAY_LEN(operators) && strncmp(p->at, operators[i].text, strlen(operators[i].text)) != 0)
        i++;
    if (i == ARRAY_LEN(operators))
        return fail_expected(p, "one of = != < <= > >= :");
    p->at += strlen(operators[i].text);
    char *text CLEANUP_FREE = read_value(p);
    struct filter *f = node(p, operators[i].op, NULL, NULL);
    if (!f)
        return NULL;
    f->number = number_of(text);
    f->field = field;
    f->text = text;
    field = text = NULL;
    return f;
}

static struct filter *parse_filter(struct parser *p);

static struct filter *parse_term(struct parser *p)
{
    skip(p);
    const char *start = p->at;
    bool negated = keyword(p, "NOT");
    bool open = !negated && *p->at == '(';
    if (!negated && !open)
        return parse_comparison(p);
    if (++p->depth > FILTER_MAX_DEPTH)
        return fail(p, start, "nested more than %d deep", FILTER_MAX_DEPTH);
    p->at += open;
    struct filter *f = negated ? parse_term(p) : parse_filter(p);
    p->depth--;
    if (negated)
        return node(p, FILTER_NOT, f, NULL);
    skip(p);
    if (!p->failed && *p->at != ')')
        (void)fail_expected(p, "\")\", AND or OR");
    p->at += !p->failed;
    return f;
}

static struct filter *parse_filter(struct parser *p)
{
    struct filter *left = parse_term(p);
    bool first = true;
    enum filter_op op = FILTER_AND;
    while (!p->failed) {
        skip(p);
        const char *start = p->at;
        enum filter_op next = keyword(p, "AND") ? FILTER_AND : FILTER_OR;
        if (next == FILTER_OR && !keyword(p, "OR"))
            break;
        if (!first && next != op)
            (void)fail(p, start, "AND and OR are mixed: put parentheses around what belongs together");
        op = next;
        first = false;
        left = node(p, op, left, p->failed ? NULL : parse_term(p));
    }
    return left;
}

struct filter *filter_parse(const char *text, struct error *error)
{
    if (error)
        error->code = OK;
    if (!text || !text[strspn(text, SPACES)])
        return NULL;
    if (strlen(text) > FILTER_MAX_TEXT) {
        (void)err_set(error, ERR_TOO_LARGE, "FILTER_TOO_LARGE", "the filter has %zu bytes, at most %d are allowed", strlen(text),
                      FILTER_MAX_TEXT);
        return NULL;
    }
    struct parser p = {.text = text, .at = text, .error = error};
    struct filter *f = parse_filter(&p);
    skip(&p);
    if (!p.failed && *p.at)
        (void)fail_expected(&p, "AND, OR or the end");
    if (!p.failed)
        return f;
    filter_free(f);
    return NULL;
}

void filter_free(struct filter *f)
{
    if (!f)
        return;
    filter_free(f->left);
    filter_free(f->right);
    free(f->field);
    free(f->text);
    free(f);
}
