/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "text.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *escape_of(unsigned char c, char scratch[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        (void)snprintf(scratch, 8, "\\u%04x", (unsigned)c);
        return scratch;
    }
}

/* Bytes of the UTF-8 character at p, 0 = none (overlong forms, surrogates, stray bytes). */
static size_t character(const unsigned char *p, size_t left)
{
    unsigned char c = p[0], next = left > 1 ? p[1] : 0;
    size_t n = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (n > left || (c == 0xE0 && next < 0xA0) || (c == 0xED && next > 0x9F) || (c == 0xF0 && next < 0x90) || (c == 0xF4 && next > 0x8F))
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

void text_string_n(struct buf *b, const char *s, size_t len)
{
    char scratch[8];
    size_t from = 0, n;
    buf_add(b, "\"", 1);
    for (size_t i = 0; i < len; i += n) {
        unsigned char c = (unsigned char)s[i];
        n = c < 0x80 ? 1 : character((const unsigned char *)s + i, len - i);
        if (n && c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(b, s + from, i - from);
        buf_adds(b, n ? escape_of(c, scratch) : "\xEF\xBF\xBD");
        n = 1;
        from = i + 1;
    }
    buf_add(b, s + from, len - from);
    buf_add(b, "\"", 1);
}

void text_string(struct buf *b, const char *s)
{
    if (s)
        text_string_n(b, s, strlen(s));
    else
        buf_adds(b, "null");
}

void text_int(struct buf *b, int64_t value)
{
    char digits[24], *p = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--p = '-';
    buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void text_number(struct buf *b, double value)
{
    char out[40];
    if (isnan(value)) {
        buf_adds(b, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        buf_adds(b, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, sizeof out, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    buf_adds(b, out);
    if (!strpbrk(out, ".e")) /* a reader should see that it is no integer */
        buf_adds(b, ".0");
}

void text_known(struct buf *b, double value)
{
    if (isnan(value))
        buf_adds(b, "null");
    else
        text_number(b, value);
}

void text_time(struct buf *b, int64_t wall_ms)
{
    char out[CLOCK_TEXT];
    if (!wall_ms) {
        buf_adds(b, "null");
        return;
    }
    clock_format(wall_ms, out);
    buf_add(b, "\"", 1);
    buf_adds(b, out);
    buf_add(b, "\"", 1);
}

static void object(struct buf *b, const json_t *value)
{
    const char *key, *between = "{";
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        buf_add(b, between, 1);
        text_string(b, key);
        buf_add(b, ":", 1);
        text_json(b, item);
        between = ",";
    }
    buf_adds(b, *between == '{' ? "{}" : "}");
}

static void array(struct buf *b, const json_t *value)
{
    size_t n = json_array_size(value);
    buf_add(b, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add(b, ",", 1);
        text_json(b, json_array_get(value, i));
    }
    buf_add(b, "]", 1);
}

void text_json(struct buf *b, const json_t *value)
{
    if (!value) {
        buf_adds(b, "null");
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        object(b, value);
        return;
    case JSON_ARRAY:
        array(b, value);
        return;
    case JSON_STRING:
        text_string_n(b, json_string_value(value), json_string_length(value));
        return;
    case JSON_INTEGER:
        text_int(b, json_integer_value(value));
        return;
    case JSON_REAL:
        text_number(b, json_real_value(value));
        return;
    case JSON_TRUE:
        buf_adds(b, "true");
        return;
    case JSON_FALSE:
        buf_adds(b, "false");
        return;
    case JSON_NULL:
        buf_adds(b, "null");
        return;
    }
}

/* --- nouns */

static void name_of(struct buf *b, const char *name)
{
    buf_adds(b, ",\"");
    buf_adds(b, name);
    buf_adds(b, "\":");
}

static void stored(struct buf *b, const char *name, const char *json)
{
    name_of(b, name);
    buf_adds(b, json && *json ? json : "{}");
}

static void string(struct buf *b, const char *name, const char *value)
{
    name_of(b, name);
    text_string(b, value ? value : "");
}

static void integer(struct buf *b, const char *name, int64_t value)
{
    name_of(b, name);
    text_int(b, value);
}

static void known(struct buf *b, const char *name, double value)
{
    name_of(b, name);
    text_known(b, value);
}

static void timed(struct buf *b, const char *name, int64_t wall_ms)
{
    name_of(b, name);
    text_time(b, wall_ms);
}

void text_trial(struct buf *b, const struct trial *t, unsigned fields)
{
#define WANTED(name) (fields & FIELD(name))
    buf_adds(b, "{\"number\":");
    text_int(b, t->number);
    if (WANTED(state))
        string(b, "state", trial_state_name(t->state));
    if (WANTED(reason))
        string(b, "reason", t->reason);
    if (WANTED(message))
        string(b, "message", t->message);
    if (WANTED(params))
        stored(b, "params", t->params);
    if (WANTED(objective))
        known(b, "objective", t->objective);
    if (WANTED(objective_se))
        known(b, "objective_se", t->objective_se);
    if (WANTED(metrics))
        stored(b, "metrics", t->metrics);
    if (WANTED(attempt))
        integer(b, "attempt", t->attempt);
    if (WANTED(replicate))
        integer(b, "replicate", t->replicate);
    if (WANTED(worker))
        string(b, "worker", t->worker);
    if (WANTED(origin))
        stored(b, "origin", t->origin);
    if (WANTED(labels))
        stored(b, "labels", t->labels);
    if (WANTED(note))
        string(b, "note", t->note);
    if (WANTED(progress))
        known(b, "progress", t->progress);
    if (WANTED(revision))
        integer(b, "revision", t->revision);
    if (WANTED(create_time))
        timed(b, "create_time", t->create_ms);
    if (WANTED(update_time))
        timed(b, "update_time", t->update_ms);
    if (WANTED(start_time))
        timed(b, "start_time", t->start_ms);
    if (WANTED(end_time))
        timed(b, "end_time", t->end_ms);
    buf_add(b, "}", 1);
#undef WANTED
}

static void code(struct buf *b, const char *name, int value)
{
    name_of(b, name);
    if (value < 0)
        buf_adds(b, "null");
    else
        text_int(b, value);
}

void text_attempt(struct buf *b, const struct attempt *a)
{
    buf_adds(b, "{\"number\":");
    text_int(b, a->number);
    integer(b, "replicate", a->replicate);
    string(b, "state", trial_state_name(a->state));
    string(b, "reason", a->reason);
    string(b, "message", a->message);
    string(b, "run_key", a->run_key);
    string(b, "worker", a->worker);
    code(b, "exit_code", a->exit_code);
    code(b, "signal", a->signal);
    timed(b, "create_time", a->create_ms);
    timed(b, "start_time", a->start_ms);
    timed(b, "end_time", a->end_ms);
    buf_add(b, "}", 1);
}

void text_measurement(struct buf *b, const struct measurement *m)
{
    buf_adds(b, "{\"metric\":");
    text_string(b, m->metric);
    integer(b, "step", m->step);
    name_of(b, "value");
    text_number(b, m->value);
    integer(b, "attempt", m->attempt);
    integer(b, "replicate", m->replicate);
    timed(b, "time", m->time_ms);
    buf_add(b, "}", 1);
}

void text_event(struct buf *b, const struct event *e)
{
    buf_adds(b, "{\"revision\":");
    text_int(b, e->revision);
    timed(b, "time", e->time_ms);
    string(b, "kind", e->kind);
    string(b, "project", e->project);
    string(b, "experiment", e->experiment);
    if (e->trial)
        integer(b, "trial", e->trial);
    else
        buf_adds(b, ",\"trial\":null");
    if (e->run && *e->run)
        string(b, "run", e->run);
    stored(b, "data", e->data);
    buf_add(b, "}", 1);
}

enum err text_fields(const char *list, unsigned *fields, struct error *error)
{
    static const char *const names[] = {
#define X(name) #name,
        TRIAL_FIELDS(X)
#undef X
    };
    if (!list || !*list)
        return OK;
    unsigned picked = 0;
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ","), i = 0;
        bool number = len == 6 && !strncmp(p, "number", 6); /* always there */
        while (i < FIELD_COUNT && (strlen(names[i]) != len || strncmp(p, names[i], len) != 0))
            i++;
        if (i < FIELD_COUNT)
            picked |= 1u << i;
        else if (!number)
            return err_set(error, ERR_INVALID, "FIELDS", "a trial has no member \"%.*s\"; fields is a list such as number,state,params", (int)(len > 60 ? 60 : len), p);
        p += len;
        p += *p == ',';
    }
    *fields = picked;
    return OK;
}

/* The end of the JSON value that begins at p. */
static const char *value_end(const char *p)
{
    int depth = 0;
    for (bool quoted = false; *p; p++) {
        if (quoted) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == '"')
                quoted = false;
        } else if (*p == '"') {
            quoted = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == '}' || *p == ']' || *p == ',') && depth == 0) {
            return p;
        } else if (*p == '}' || *p == ']') {
            depth--;
        }
    }
    return p;
}

bool text_member(const char **at, const char **name, size_t *name_len, const char **value, size_t *value_len)
{
    const char *p = *at + strspn(*at, "{, \n\t\r");
    if (*p != '"')
        return false;
    *name = ++p;
    while (*p && *p != '"')
        p += *p == '\\' && p[1] ? 2 : 1;
    *name_len = (size_t)(p - *name);
    if (*p)
        p++;
    p += strspn(p, " :");
    *value = p;
    p = value_end(p);
    *value_len = (size_t)(p - *value);
    *at = p;
    return true;
}
