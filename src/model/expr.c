/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass: recursive descent that checks types as it goes and emits postfix code; the evaluator is a loop over it.
 *
 *   or       = and { ("or" | "||") and }            sum     = product { ("+" | "-") product }
 *   and      = negation { ("and" | "&&") negation } product = unary { ("*" | "/" | "%") unary }
 *   negation = ("not" | "!") negation | compare     unary   = "-" unary | power
 *   compare  = sum [ comparison sum ]               power   = atom [ "**" unary ]
 */
#include "model/expr.h"

#include "base/mem.h"
#include "model/column.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS "0123456789"
#define NAME_CHARS LETTERS DIGITS "."

enum op {
    OP_NUMBER,
    OP_STRING,
    OP_BOOL,
    OP_NAME,
    OP_CALL1,
    OP_CALL2,
    OP_NOT,
    OP_AND,
    OP_OR,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
};

struct node {
    enum op op;
    union {
        double number; /* NUMBER, BOOL */
        const char *string;
        size_t index; /* NAME */
        double (*call1)(double);
        double (*call2)(double, double);
    };
};

struct expr {
    size_t n;
    struct node nodes[]; /* postfix; behind them the literals, one after the other */
};

/* ---- arithmetic: NAN is "no value" ---- */

static double add(double a, double b)
{
    return a + b;
}

static double subtract(double a, double b)
{
    return a - b;
}

static double multiply(double a, double b)
{
    return a * b;
}

static double divide(double a, double b)
{
    return b == 0 ? (double)NAN : a / b;
}

static double modulo(double a, double b)
{
    double r = b == 0 ? (double)NAN : fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r; /* the sign of the divisor, as in Python */
}

static double power(double a, double b)
{
    return a == 0 && b < 0 ? (double)NAN : pow(a, b);
}

static double negate(double a)
{
    return -a;
}

static double least(double a, double b)
{
    return isnan(a) || isnan(b) ? (double)NAN : fmin(a, b);
}

static double greatest(double a, double b)
{
    return isnan(a) || isnan(b) ? (double)NAN : fmax(a, b);
}

static double ln(double a)
{
    return a > 0 ? log(a) : (double)NAN;
}

static double ld(double a)
{
    return a > 0 ? log2(a) : (double)NAN;
}

static double lg(double a)
{
    return a > 0 ? log10(a) : (double)NAN;
}

static const struct function {
    const char *name;
    size_t min_args, max_args;
    double (*call1)(double);
    double (*call2)(double, double); /* folded over the arguments */
} functions[] = {
    {"abs", 1, 1, fabs, NULL},
    {"sqrt", 1, 1, sqrt, NULL},
    {"log", 1, 1, ln, NULL},
    {"log2", 1, 1, ld, NULL},
    {"log10", 1, 1, lg, NULL},
    {"exp", 1, 1, exp, NULL},
    {"floor", 1, 1, floor, NULL},
    {"ceil", 1, 1, ceil, NULL},
    {"pow", 2, 2, NULL, power},
    {"min", 2, 16, NULL, least},
    {"max", 2, 16, NULL, greatest},
};

enum level {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_COMPARE,
    LEVEL_SUM,
    LEVEL_PRODUCT,
};

static const struct infix {
    const char *text;
    enum level level;
    enum expr_type operands; /* UNKNOWN: two of the same type */
    enum op op;
    double (*call2)(double, double);
} operators[] = {
    {"or", LEVEL_OR, EXPR_BOOL, OP_OR, NULL},
    {"||", LEVEL_OR, EXPR_BOOL, OP_OR, NULL},
    {"and", LEVEL_AND, EXPR_BOOL, OP_AND, NULL},
    {"&&", LEVEL_AND, EXPR_BOOL, OP_AND, NULL},
    {"==", LEVEL_COMPARE, EXPR_UNKNOWN, OP_EQ, NULL},
    {"!=", LEVEL_COMPARE, EXPR_UNKNOWN, OP_NE, NULL},
    {"<", LEVEL_COMPARE, EXPR_NUMBER, OP_LT, NULL},
    {"<=", LEVEL_COMPARE, EXPR_NUMBER, OP_LE, NULL},
    {">", LEVEL_COMPARE, EXPR_NUMBER, OP_GT, NULL},
    {">=", LEVEL_COMPARE, EXPR_NUMBER, OP_GE, NULL},
    {"+", LEVEL_SUM, EXPR_NUMBER, OP_CALL2, add},
    {"-", LEVEL_SUM, EXPR_NUMBER, OP_CALL2, subtract},
    {"*", LEVEL_PRODUCT, EXPR_NUMBER, OP_CALL2, multiply},
    {"/", LEVEL_PRODUCT, EXPR_NUMBER, OP_CALL2, divide},
    {"%", LEVEL_PRODUCT, EXPR_NUMBER, OP_CALL2, modulo},
};

/* Longest first. What other languages write is known too, so that the answer can say what to write here. */
static const struct {
    const char *text, *instead;
} symbols[] = {
    {"**", NULL},
    {"<=", NULL},
    {">=", NULL},
    {"==", NULL},
    {"!=", NULL},
    {"&&", NULL},
    {"||", NULL},
    {"<>", "!="},
    {"+", NULL},
    {"-", NULL},
    {"*", NULL},
    {"/", NULL},
    {"%", NULL},
    {"<", NULL},
    {">", NULL},
    {"!", NULL},
    {"(", NULL},
    {")", NULL},
    {",", NULL},
    {"=", "=="},
    {"&", "and"},
    {"|", "or"},
    {"^", "**"},
};

/* ---- words ---- */

enum kind {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_NAME,
    TOKEN_SYMBOL,
};

struct token {
    enum kind kind;
    const char *start;
    size_t len;
    double number;
    const char *string;
};

struct parser {
    const char *text, *at;
    struct token token; /* the one to look at */
    const char *const *names;
    const enum expr_type *types;
    size_t n;
    const char *pointer;
    struct problems *problems;
    struct expr *e;
    char *strings; /* where the next literal goes */
    size_t depth;
    bool stopped; /* a syntax error: the token stays END, so all unwinds */
    bool wrong;   /* any problem */
};

static void problem(struct parser *p, const char *at, const char *code, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void problem(struct parser *p, const char *at, const char *code, const char *hint, const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    problems_add(p->problems, p->pointer, code, hint, "column %zu: %s", column_of(p->text, at), detail);
    p->wrong = true;
}

static void stop(struct parser *p)
{
    p->stopped = true;
    p->token = (struct token){.kind = TOKEN_END, .start = p->token.start};
}

static void expected(struct parser *p, const char *what)
{
    if (p->stopped)
        return;
    const struct token *t = &p->token;
    if (t->kind == TOKEN_END)
        problem(p, t->start, "SYNTAX", NULL, "%s is missing, the text ends here", what);
    else
        problem(p, t->start, "SYNTAX", NULL, "expected %s, found %s%.*s%s", what, t->kind == TOKEN_STRING ? "a text " : "\"",
                t->kind == TOKEN_STRING ? 0 : (int)(t->len < 64 ? t->len : 64), t->start, t->kind == TOKEN_STRING ? "in quotes" : "\"");
    stop(p);
}

static bool is(const struct parser *p, const char *word)
{
    const struct token *t = &p->token;
    return (t->kind == TOKEN_SYMBOL || t->kind == TOKEN_NAME) && strlen(word) == t->len && !memcmp(word, t->start, t->len);
}

/* Names may hold dashes ("num-layers"): the longest parameter that fits wins, so `a - b` needs its spaces only when there is an "a-b". */
static size_t name_length(const struct parser *p, const char *s)
{
    size_t len = strspn(s, NAME_CHARS);
    for (size_t i = 0; i < p->n; i++) {
        size_t l = strlen(p->names[i]);
        if (l > len && !strncmp(s, p->names[i], l) && !strspn(s + l, NAME_CHARS))
            len = l;
    }
    return len;
}

static void read_number(struct parser *p, struct token *t)
{
    const char *s = t->start;
    s += strspn(s, DIGITS);
    if (*s == '.')
        s += 1 + strspn(s + 1, DIGITS);
    if (*s == 'e' || *s == 'E') {
        const char *digits = s + 1 + (s[1] == '+' || s[1] == '-');
        s = strspn(digits, DIGITS) ? digits + strspn(digits, DIGITS) : s;
    }
    t->len = (size_t)(s - t->start);
    t->kind = TOKEN_NUMBER;
    t->number = strtod(t->start, NULL);
    if (!strspn(s, NAME_CHARS) && isfinite(t->number))
        return;
    problem(p, t->start, "SYNTAX", NULL, "\"%.*s\" is not a number", (int)(t->len + strspn(s, NAME_CHARS) < 64 ? t->len + strspn(s, NAME_CHARS) : 64),
            t->start);
    stop(p);
}

static void read_string(struct parser *p, struct token *t)
{
    char quote = *t->start;
    const char *s = t->start + 1;
    t->kind = TOKEN_STRING;
    t->string = p->strings;
    for (; *s && *s != quote; s++) {
        if (*s == '\\' && (s[1] == '\\' || s[1] == quote))
            s++;
        *p->strings++ = *s;
    }
    *p->strings++ = '\0';
    t->len = (size_t)(s - t->start) + 1;
    if (*s)
        return;
    problem(p, t->start, "SYNTAX", NULL, "the text that begins here has no closing %c", quote);
    stop(p);
}

static void read_symbol(struct parser *p, struct token *t)
{
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        if (strncmp(t->start, symbols[i].text, strlen(symbols[i].text)) != 0)
            continue;
        t->kind = TOKEN_SYMBOL;
        t->len = strlen(symbols[i].text);
        if (!symbols[i].instead)
            return;
        problem(p, t->start, "SYNTAX", symbols[i].instead, "\"%s\" is not known here, write \"%s\"", symbols[i].text, symbols[i].instead);
        stop(p);
        return;
    }
    problem(p, t->start, "SYNTAX", NULL, "\"%.*s\" means nothing here", character_length(t->start), t->start);
    stop(p);
}

static void advance(struct parser *p)
{
    if (p->stopped)
        return;
    p->at += strspn(p->at, " \t\r\n");
    p->token = (struct token){.kind = TOKEN_END, .start = p->at};
    struct token t = p->token;
    if (!*p->at)
        return;
    if (strspn(p->at, DIGITS) || (*p->at == '.' && strspn(p->at + 1, DIGITS))) {
        read_number(p, &t);
    } else if (*p->at == '\'' || *p->at == '"') {
        read_string(p, &t);
    } else if (strspn(p->at, LETTERS)) {
        t.kind = TOKEN_NAME;
        t.len = name_length(p, p->at);
    } else {
        read_symbol(p, &t);
    }
    if (p->stopped)
        return;
    p->token = t;
    p->at += t.len;
}

static bool accept(struct parser *p, const char *word)
{
    if (!is(p, word))
        return false;
    advance(p);
    return true;
}

/* ---- grammar ---- */

static void emit(struct parser *p, struct node node)
{
    if (p->stopped)
        return;
    if (p->e->n < EXPR_MAX_NODES) {
        p->e->nodes[p->e->n++] = node;
        return;
    }
    problem(p, p->token.start, "TOO_LARGE", NULL, "more than %d operations and values; split it into several constraints", EXPR_MAX_NODES);
    stop(p);
}

static bool enter(struct parser *p)
{
    if (p->stopped)
        return false;
    if (p->depth++ < EXPR_MAX_DEPTH)
        return true;
    problem(p, p->token.start, "TOO_LARGE", NULL, "nested more than %d deep", EXPR_MAX_DEPTH);
    stop(p);
    return false;
}

static const char *type_name(enum expr_type type)
{
    static const char *const names[] = {"an unknown value", "a number", "a text", "a truth value"};
    return names[type];
}

/* UNKNOWN is what stands for anything, also after a problem: one mistake is told once. */
static bool fits(enum expr_type is_type, enum expr_type wanted)
{
    return is_type == EXPR_UNKNOWN || wanted == EXPR_UNKNOWN || is_type == wanted;
}

static bool wants(struct parser *p, const char *at, const char *who, enum expr_type is_type, enum expr_type wanted)
{
    if (p->stopped || fits(is_type, wanted))
        return true;
    problem(p, at, "TYPE", NULL, "%s needs %s here, not %s", who, type_name(wanted), type_name(is_type));
    return false;
}

static enum expr_type parse_level(struct parser *p, enum level level);

static enum expr_type parse_unary(struct parser *p);

static enum expr_type call(struct parser *p, const struct function *f, const char *at)
{
    char who[16];
    size_t args = 0;
    (void)snprintf(who, sizeof who, "%s()", f->name);
    if (!enter(p))
        return EXPR_UNKNOWN;
    do {
        advance(p); /* "(" or "," */
        const char *start = p->token.start;
        (void)wants(p, start, who, parse_level(p, LEVEL_OR), EXPR_NUMBER);
        if (f->call1)
            emit(p, (struct node){.op = OP_CALL1, .call1 = f->call1});
        else if (args)
            emit(p, (struct node){.op = OP_CALL2, .call2 = f->call2});
        args++;
    } while (is(p, ","));
    p->depth--;
    if (!accept(p, ")")) {
        expected(p, "\")\" or \",\"");
    } else if (args < f->min_args || args > f->max_args) {
        problem(p, at, "SYNTAX", NULL, "%s takes %zu%s value%s, not %zu", who, f->min_args, f->max_args > f->min_args ? " or more" : "",
                f->max_args > 1 ? "s" : "", args);
        stop(p);
    }
    return EXPR_NUMBER;
}

static enum expr_type function_call(struct parser *p, struct token name)
{
    const char *known[ARRAY_LEN(functions) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        known[i] = functions[i].name;
        if (strlen(known[i]) == name.len && !memcmp(known[i], name.start, name.len))
            return call(p, &functions[i], name.start);
    }
    char *word CLEANUP_FREE = x_strndup(name.start, name.len < 64 ? name.len : 64);
    problem(p, name.start, "UNKNOWN_FUNCTION", did_you_mean(word, known),
            "there is no function \"%s\" (there are abs, min, max, sqrt, log, log2, log10, exp, floor, ceil, pow)", word);
    stop(p);
    return EXPR_UNKNOWN;
}

static enum expr_type name_value(struct parser *p, struct token name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strlen(p->names[i]) == name.len && !memcmp(p->names[i], name.start, name.len)) {
            emit(p, (struct node){.op = OP_NAME, .index = i});
            return p->types[i];
        }
    const char **known CLEANUP_FREE = x_calloc(p->n + 1, sizeof *known);
    for (size_t i = 0; i < p->n; i++)
        known[i] = p->names[i];
    char *word CLEANUP_FREE = x_strndup(name.start, name.len < 64 ? name.len : 64);
    problem(p, name.start, "UNKNOWN_PARAMETER", did_you_mean(word, known), "there is no parameter \"%s\" (a text is written in quotes: '%s')",
            word, word);
    return EXPR_UNKNOWN;
}

static enum expr_type parenthesis(struct parser *p)
{
    if (!enter(p))
        return EXPR_UNKNOWN;
    advance(p);
    enum expr_type type = parse_level(p, LEVEL_OR);
    p->depth--;
    if (!accept(p, ")"))
        expected(p, "\")\"");
    return type;
}

static enum expr_type parse_atom(struct parser *p)
{
    struct token t = p->token;
    bool is_true = is(p, "true");
    if (t.kind == TOKEN_NUMBER || t.kind == TOKEN_STRING) {
        advance(p);
        emit(p, t.kind == TOKEN_NUMBER ? (struct node){.op = OP_NUMBER, .number = t.number} : (struct node){.op = OP_STRING, .string = t.string});
        return t.kind == TOKEN_NUMBER ? EXPR_NUMBER : EXPR_STRING;
    }
    if (is_true || is(p, "false")) {
        advance(p);
        emit(p, (struct node){.op = OP_BOOL, .number = is_true});
        return EXPR_BOOL;
    }
    if (is(p, "("))
        return parenthesis(p);
    if (t.kind != TOKEN_NAME || is(p, "and") || is(p, "or") || is(p, "not")) {
        expected(p, "a value");
        return EXPR_UNKNOWN;
    }
    advance(p);
    return is(p, "(") ? function_call(p, t) : name_value(p, t);
}

static enum expr_type parse_power(struct parser *p)
{
    const char *start = p->token.start;
    enum expr_type type = parse_atom(p);
    if (!is(p, "**") || !enter(p))
        return type;
    (void)wants(p, start, "**", type, EXPR_NUMBER);
    advance(p);
    start = p->token.start;
    (void)wants(p, start, "**", parse_unary(p), EXPR_NUMBER);
    emit(p, (struct node){.op = OP_CALL2, .call2 = power});
    p->depth--;
    return EXPR_NUMBER;
}

static enum expr_type parse_unary(struct parser *p)
{
    if (!is(p, "-"))
        return parse_power(p);
    if (!enter(p))
        return EXPR_UNKNOWN;
    advance(p);
    const char *start = p->token.start;
    (void)wants(p, start, "-", parse_unary(p), EXPR_NUMBER);
    emit(p, (struct node){.op = OP_CALL1, .call1 = negate});
    p->depth--;
    return EXPR_NUMBER;
}

static enum expr_type parse_negation(struct parser *p)
{
    if (!is(p, "not") && !is(p, "!"))
        return parse_level(p, LEVEL_COMPARE);
    if (!enter(p))
        return EXPR_UNKNOWN;
    advance(p);
    const char *start = p->token.start;
    (void)wants(p, start, "not", parse_negation(p), EXPR_BOOL);
    emit(p, (struct node){.op = OP_NOT});
    p->depth--;
    return EXPR_BOOL;
}

static const struct infix *find_infix(const struct parser *p, enum level level)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (operators[i].level == level && is(p, operators[i].text))
            return &operators[i];
    return NULL;
}

static enum expr_type parse_operand(struct parser *p, enum level level)
{
    if (level == LEVEL_AND)
        return parse_negation(p);
    return level == LEVEL_PRODUCT ? parse_unary(p) : parse_level(p, level + 1);
}

static void same_types(struct parser *p, const char *at, const char *who, enum expr_type left, enum expr_type right)
{
    if (!p->stopped && !fits(left, right))
        problem(p, at, "TYPE", NULL, "\"%s\" cannot compare %s with %s", who, type_name(left), type_name(right));
}

/* Operators of one level, from left to right. */
static enum expr_type parse_level(struct parser *p, enum level level)
{
    const char *left_start = p->token.start;
    enum expr_type type = parse_operand(p, level);
    const struct infix *o;
    for (bool again = false; (o = find_infix(p, level)); again = true) {
        const char *at = p->token.start;
        if (again && level == LEVEL_COMPARE) {
            problem(p, at, "SYNTAX", NULL, "comparisons cannot be chained: write \"a < b and b < c\"");
            stop(p);
            break;
        }
        bool left_ok = o->operands == EXPR_UNKNOWN || wants(p, left_start, o->text, type, o->operands);
        advance(p);
        const char *right_start = p->token.start;
        enum expr_type right = parse_operand(p, level);
        if (o->operands == EXPR_UNKNOWN)
            same_types(p, at, o->text, type, right);
        else if (left_ok)
            (void)wants(p, right_start, o->text, right, o->operands);
        emit(p, (struct node){.op = o->op, .call2 = o->call2});
        type = o->call2 ? EXPR_NUMBER : EXPR_BOOL;
    }
    return type;
}

struct expr *expr_parse(const char *text, const char *const *names, const enum expr_type *types, size_t n, const char *pointer,
                        struct problems *problems)
{
    size_t len = strlen(text);
    if (len > EXPR_MAX_TEXT) {
        problems_add(problems, pointer, "TOO_LARGE", NULL, "has %zu bytes, at most %d are allowed; split it into several constraints", len,
                     EXPR_MAX_TEXT);
        return NULL;
    }
    size_t most = len < EXPR_MAX_NODES ? len : EXPR_MAX_NODES; /* a node has a character of its own, a literal is shorter than its quotes */
    struct expr *e = x_calloc(1, sizeof *e + most * sizeof *e->nodes + len + 1);
    struct parser p = {
        .text = text,
        .at = text,
        .names = names,
        .types = types,
        .n = n,
        .pointer = pointer,
        .problems = problems,
        .e = e,
        .strings = (char *)&e->nodes[most],
    };
    advance(&p);
    enum expr_type type = parse_level(&p, LEVEL_OR);
    if (p.token.kind != TOKEN_END)
        expected(&p, "an operator or the end");
    if (!p.wrong && !fits(type, EXPR_BOOL))
        problem(&p, text, "TYPE", NULL, "a constraint must be true or false, this is %s; compare it with something (\"... < 1\")",
                type_name(type));
    if (!p.wrong)
        return e;
    expr_free(e);
    return NULL;
}

void expr_free(struct expr *e)
{
    free(e);
}

/* ---- evaluation ---- */

static struct expr_value truth(bool value)
{
    return (struct expr_value){.type = EXPR_BOOL, .number = value};
}

static struct expr_value compare(enum op op, const struct expr_value *a, const struct expr_value *b)
{
    if (a->type == EXPR_UNKNOWN || b->type == EXPR_UNKNOWN)
        return (struct expr_value){.type = EXPR_UNKNOWN};
    if (a->type != b->type) /* values of a mixed categorical */
        return truth(op == OP_NE);
    if (a->type == EXPR_STRING)
        return truth((op == OP_EQ || op == OP_NE) && (strcmp(a->string, b->string) == 0) == (op == OP_EQ));
    double x = a->number, y = b->number;
    switch (op) {
    case OP_EQ:
        return truth(x == y);
    case OP_NE:
        return truth(!isnan(x) && !isnan(y) && x != y);
    case OP_LT:
        return truth(x < y);
    case OP_LE:
        return truth(x <= y);
    case OP_GT:
        return truth(x > y);
    default:
        return truth(x >= y);
    }
}

/* -1: unknown */
static int truth_of(const struct expr_value *v)
{
    return v->type == EXPR_UNKNOWN ? -1 : v->type == EXPR_BOOL && v->number != 0;
}

/* Kleene's three values: what is known on one side may decide. `decides` is false for AND, true for OR. */
static struct expr_value connect(const struct expr_value *a, const struct expr_value *b, bool decides)
{
    int x = truth_of(a), y = truth_of(b);
    if (x == decides || y == decides)
        return truth(decides);
    return x < 0 || y < 0 ? (struct expr_value){.type = EXPR_UNKNOWN} : truth(!decides);
}

static struct expr_value arithmetic(const struct node *node, const struct expr_value *a, const struct expr_value *b)
{
    struct expr_value out = {.type = EXPR_NUMBER, .number = (double)NAN};
    if (a->type == EXPR_UNKNOWN || b->type == EXPR_UNKNOWN)
        out.type = EXPR_UNKNOWN;
    else if (a->type == EXPR_NUMBER && b->type == EXPR_NUMBER)
        out.number = node->op == OP_CALL1 ? node->call1(a->number) : node->call2(a->number, b->number);
    return out;
}

static struct expr_value operation(const struct node *node, const struct expr_value *a, const struct expr_value *b)
{
    switch (node->op) {
    case OP_CALL1:
    case OP_CALL2:
        return arithmetic(node, a, b);
    case OP_NOT:
        return truth_of(a) < 0 ? *a : truth(!truth_of(a));
    case OP_AND:
    case OP_OR:
        return connect(a, b, node->op == OP_OR);
    default:
        return compare(node->op, a, b);
    }
}

bool expr_holds(const struct expr *e, const struct expr_value *values)
{
    struct expr_value stack[EXPR_MAX_NODES] = {{.type = EXPR_UNKNOWN}}; /* no operator lacks a value, but analysers cannot know */
    size_t top = 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct node *node = &e->nodes[i];
        if (node->op == OP_NAME) {
            stack[top++] = values[node->index];
        } else if (node->op == OP_STRING) {
            stack[top++] = (struct expr_value){.type = EXPR_STRING, .string = node->string};
        } else if (node->op == OP_NUMBER || node->op == OP_BOOL) {
            stack[top++] = (struct expr_value){.type = node->op == OP_BOOL ? EXPR_BOOL : EXPR_NUMBER, .number = node->number};
        } else {
            const struct expr_value *b = &stack[top - 1];
            if (node->op != OP_NOT && node->op != OP_CALL1)
                top--;
            struct expr_value out = operation(node, &stack[top - 1], b);
            stack[top - 1] = out;
        }
    }
    return truth_of(&stack[0]) != 0; /* unknown says nothing against the point */
}

bool expr_uses(const struct expr *e, size_t index)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->nodes[i].op == OP_NAME && e->nodes[i].index == index)
            return true;
    return false;
}
