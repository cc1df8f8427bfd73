/* SPDX-License-Identifier: GPL-3.0-or-later */
/* name=value pairs anywhere in a line (docs/reference/metrics.md), or what the user's filters match. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "collectors/parser.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <pcre2.h>
#include <string.h>

enum { PAIRS_MAX = 128, FILTERS_MAX = 16 };

struct filter {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

struct pair {
    const char *name;
    size_t len;
    double value;
};

/* Names of metrics nobody asked for: a word. Wider ones ("mAP@0.5", "f1%") are taken when they are wanted. */
static bool is_word(const char *name, size_t len)
{
    if (!len || (!isalpha((unsigned char)*name) && *name != '_' && (unsigned char)*name < 0x80))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("_-./|@", name[i]) && (unsigned char)name[i] < 0x80)
            return false;
    return isalnum((unsigned char)name[len - 1]) || name[len - 1] == '_' || (unsigned char)name[len - 1] >= 0x80;
}

static bool ends_word(char c)
{
    return (unsigned char)c <= ' ' || strchr("=,;:\"'()[]{}<>", c);
}

/* Namespace(lr=0.1), Adam (lr: ...): the pairs of a printed call are its arguments, not results. */
static bool in_call(const char *line, const char *at)
{
    while (at > line && at[-1] != '(' && at[-1] != ')')
        at--;
    return at - line >= 2 && at[-1] == '(' && (isalnum((unsigned char)at[-2]) || at[-2] == '_');
}

/* What may stand after the number of a metric nobody asked for; keeps dates, times, addresses and hashes out. */
static bool ends_number(const char *end)
{
    return (unsigned char)*end <= ' ' || strchr(",;)]}%|'\"", *end);
}

static bool is_step(const struct pair *p, const char *name)
{
    return p->len == strlen(name) && !memcmp(p->name, name, p->len) && p->value == floor(p->value) && fabs(p->value) < 0x1p53;
}

static bool read_pair(const struct parser *p, const char *line, const char *equals, struct pair *out)
{
    const char *end = equals, *value = equals + 1;
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    out->name = end;
    while (out->name > line && !ends_word(out->name[-1]))
        out->name--;
    out->len = (size_t)(end - out->name);
    while (*value == ' ' || *value == '\t')
        value++;
    end = out->len ? parser_number(value, &out->value) : NULL;
    return end && (parser_wants(p, out->name, out->len) || (is_word(out->name, out->len) && ends_number(end) && !in_call(line, out->name)));
}

static size_t read_pairs(const struct parser *p, const char *line, size_t len, struct pair *pairs)
{
    size_t n = 0;
    const char *end = line + len, *equals;
    for (const char *at = line; n < PAIRS_MAX && (equals = memchr(at, '=', (size_t)(end - at))) != NULL; at = equals + 1)
        n += read_pair(p, line, equals, &pairs[n]);
    return n;
}

static int64_t step_of(const struct pair *pairs, size_t n)
{
    int64_t step = STEP_NONE;
    for (size_t i = 0; i < n; i++) {
        if (is_step(&pairs[i], "step"))
            return (int64_t)pairs[i].value;
        if (is_step(&pairs[i], "epoch"))
            step = (int64_t)pairs[i].value;
    }
    return step;
}

static void read_filter(struct parser *p, const struct filter *f, const char *line, size_t len, int64_t step, int64_t time_ms)
{
    size_t at = 0;
    while (at <= len && pcre2_match(f->code, (PCRE2_SPTR)line, len, at, 0, f->match, f->limits) > 0) {
        const PCRE2_SIZE *o = pcre2_get_ovector_pointer(f->match);
        double value;
        bool both = o[2] != PCRE2_UNSET && o[4] != PCRE2_UNSET;
        const char *from = both ? line + o[4] : NULL;
        while (from && isspace((unsigned char)*from) && from < line + o[5])
            from++;
        char *text CLEANUP_FREE = from ? x_strndup(from, (size_t)(line + o[5] - from)) : NULL;
        if (text && parser_number(text, &value))
            parser_emit(p, line + o[2], o[3] - o[2], value, step, time_ms);
        at = o[1] > o[0] ? o[1] : o[1] + 1;
    }
}

void text_line(struct parser *p, const char *line, size_t len)
{
    struct pair pairs[PAIRS_MAX];
    size_t n = read_pairs(p, line, len, pairs);
    if (!n && !p->n_filters)
        return;
    int64_t step = step_of(pairs, n), time_ms = parser_time(line);
    for (size_t i = 0; i < p->n_filters; i++)
        read_filter(p, &p->filters[i], line, len, step, time_ms);
    for (size_t i = 0; i < n && !p->n_filters; i++)
        if (parser_wants(p, pairs[i].name, pairs[i].len) || (!is_step(&pairs[i], "step") && !is_step(&pairs[i], "epoch")))
            parser_emit(p, pairs[i].name, pairs[i].len, pairs[i].value, step, time_ms);
}

/* --- filters */

static void compile(struct parser *p, const char *regex, const char *pointer, struct problems *problems)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (!compiled) {
        char text[120] = "";
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        problems_add(problems, pointer, "SYNTAX", NULL, "is not a regular expression: %s (character %zu)", text, (size_t)offset + 1);
        return;
    }
    uint32_t groups = 0;
    (void)pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups < 2)
        problems_add(problems, pointer, "GROUPS", NULL,
                     "has %u group%s, must have two: the metric's name and its value, as in \"([\\w-]+): ([-+.\\deE]+)\"", groups,
                     groups == 1 ? "" : "s");
    struct filter *f = &p->filters[p->n_filters++];
    f->code = compiled;
    f->match = pcre2_match_data_create_from_pattern(compiled, NULL);
    f->limits = pcre2_match_context_create(NULL);
    if (f->limits) { /* an expression that explodes on a line gives up on it */
        (void)pcre2_set_match_limit(f->limits, 100000);
        (void)pcre2_set_heap_limit(f->limits, 1024);
    }
}

void filters_new(struct parser *p, const json_t *config, struct problems *problems)
{
    const json_t *list = json_object_get(config, "filters");
    if (json_array_size(list) > FILTERS_MAX) {
        problems_add(problems, "/run/metrics/filters", "RANGE", NULL, "has %zu expressions, at most %d are allowed", json_array_size(list), FILTERS_MAX);
        return;
    }
    p->filters = x_calloc(json_array_size(list), sizeof *p->filters);
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        char *pointer CLEANUP_FREE = x_asprintf("/run/metrics/filters/%zu", i);
        if (json_is_string(item))
            compile(p, json_string_value(item), pointer, problems);
        else
            problems_add(problems, pointer, "TYPE", NULL, "must be a string, a regular expression with two groups");
    }
}

void filters_free(struct parser *p)
{
    for (size_t i = 0; i < p->n_filters; i++) {
        pcre2_match_context_free(p->filters[i].limits);
        pcre2_match_data_free(p->filters[i].match);
        pcre2_code_free(p->filters[i].code);
    }
    free(p->filters);
}

static void *open_text(const json_t *config, const char *const *metrics, struct problems *problems)
{
    struct parser *p = parser_new(text_line, metrics);
    size_t before = problems->n;
    filters_new(p, config, problems);
    if (problems->n == before)
        return p;
    parser_close(p);
    return NULL;
}

const struct collector collector_text = {.name = "text",
                                         .title = "name=value pairs, or what filters match",
                                         .open = open_text,
                                         .feed = parser_feed,
                                         .save = parser_save,
                                         .restore = parser_restore,
                                         .close = parser_close};
