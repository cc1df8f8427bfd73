/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/reader.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/spec.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53: beyond it a double has holes */

char *pointer_join(const char *pointer, const char *member)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, pointer);
    buf_adds(&b, "/");
    for (const char *p = member; *p; p++) {
        if (*p == '~')
            buf_adds(&b, "~0");
        else if (*p == '/')
            buf_adds(&b, "~1");
        else
            buf_add(&b, p, 1);
    }
    return buf_take(&b);
}

char *pointer_index(const char *pointer, size_t i)
{
    return x_asprintf("%s/%zu", pointer, i);
}

bool json_whole(const json_t *value, int64_t *out)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || number != floor(number) || fabs(number) > WHOLE_MAX)
        return false;
    *out = json_is_integer(value) ? json_integer_value(value) : (int64_t)number;
    return true;
}

const char *json_show(const json_t *value, char out[SHOW_TEXT])
{
    if (json_is_object(value))
        (void)snprintf(out, SHOW_TEXT, "a mapping");
    else if (json_is_array(value))
        (void)snprintf(out, SHOW_TEXT, "a list");
    else if (json_is_real(value))
        (void)snprintf(out, SHOW_TEXT, "%.12g", json_real_value(value));
    else {
        char *text CLEANUP_FREE = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
        bool fits = text && strlen(text) < SHOW_TEXT;
        (void)snprintf(out, SHOW_TEXT, fits ? "%s" : "%.50s...\"", text ? text : "?");
    }
    return out;
}

static void unknown_members(const struct reader *r, const char *const *members)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)r->object, name, value)
    {
        bool known = false;
        for (const char *const *m = members; *m && !known; m++)
            known = !strcmp(*m, name);
        if (known)
            continue;
        struct buf list = BUF_INIT;
        for (const char *const *m = members; *m; m++)
            buf_addf(&list, "%s%s", m == members ? "" : ", ", *m);
        reader_bad(r, name, "UNKNOWN_FIELD", did_you_mean(name, members), "is not known here; known are %s", list.data);
        buf_release(&list);
    }
}

struct reader reader_open(const json_t *value, const char *pointer, const char *const *members, struct problems *problems)
{
    struct reader r = {.pointer = x_strdup(pointer), .problems = problems};
    char found[SHOW_TEXT];
    if (json_is_object(value))
        r.object = value;
    else if (value && !json_is_null(value))
        problems_add(problems, pointer, "TYPE", NULL, "is %s, must be a mapping", json_show(value, found));
    if (members)
        unknown_members(&r, members);
    return r;
}

struct reader reader_enter(const struct reader *r, const char *member, const char *const *members)
{
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, member);
    return reader_open(reader_find(r, member), pointer, members, r->problems);
}

void reader_close(struct reader *r)
{
    free(r->pointer);
    r->pointer = NULL;
}

const json_t *reader_find(const struct reader *r, const char *member)
{
    const json_t *value = json_object_get(r->object, member);
    return json_is_null(value) ? NULL : value;
}

void reader_bad(const struct reader *r, const char *member, const char *code, const char *hint, const char *fmt, ...)
{
    char detail[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, member);
    problems_add(r->problems, pointer, code, hint, "%s", detail);
}

int64_t reader_int(const struct reader *r, const char *member, int64_t min, int64_t max, int64_t def)
{
    const json_t *value = reader_find(r, member);
    int64_t number;
    char found[SHOW_TEXT];
    if (!value)
        return def;
    if (!json_whole(value, &number))
        reader_bad(r, member, "TYPE", NULL, "is %s, must be a whole number", json_show(value, found));
    else if (number < min || number > max)
        reader_bad(r, member, "RANGE", NULL, "is %lld, must be from %lld to %lld", (long long)number, (long long)min, (long long)max);
    else
        return number;
    return def;
}

double reader_number(const struct reader *r, const char *member, double def)
{
    const json_t *value = reader_find(r, member);
    char found[SHOW_TEXT];
    if (!value)
        return def;
    if (json_is_number(value) && isfinite(json_number_value(value)))
        return json_number_value(value);
    reader_bad(r, member, "TYPE", NULL, "is %s, must be a number", json_show(value, found));
    return def;
}

bool reader_bool(const struct reader *r, const char *member, bool def)
{
    const json_t *value = reader_find(r, member);
    char found[SHOW_TEXT];
    if (!value)
        return def;
    if (json_is_boolean(value))
        return json_is_true(value);
    reader_bad(r, member, "TYPE", NULL, "is %s, must be true or false", json_show(value, found));
    return def;
}

const char *reader_text(const struct reader *r, const char *member, size_t max, const char *def)
{
    const json_t *value = reader_find(r, member);
    char found[SHOW_TEXT];
    if (!value)
        return def;
    size_t len = json_string_length(value);
    if (!json_is_string(value))
        reader_bad(r, member, "TYPE", NULL, "is %s, must be a string", json_show(value, found));
    else if (!len)
        reader_bad(r, member, "RANGE", NULL, "is empty");
    else if (len > max)
        reader_bad(r, member, "RANGE", NULL, "has %zu bytes, at most %zu are allowed", len, max);
    else
        return json_string_value(value);
    return def;
}

int reader_choice(const struct reader *r, const char *member, const char *const *words, int def)
{
    const json_t *value = reader_find(r, member);
    const char *word = json_string_value(value);
    if (!value)
        return def;
    for (int i = 0; word && words[i]; i++)
        if (!strcmp(words[i], word))
            return i;
    struct buf list = BUF_INIT;
    for (int i = 0; words[i]; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", words[i]);
    char found[SHOW_TEXT];
    reader_bad(r, member, "CHOICE", word ? did_you_mean(word, words) : NULL, "is %s, must be one of %s", json_show(value, found), list.data);
    buf_release(&list);
    return def;
}

double reader_duration(const struct reader *r, const char *member, double min, double max, double def)
{
    const json_t *value = reader_find(r, member);
    double seconds;
    char found[SHOW_TEXT];
    if (!value)
        return def;
    if (!spec_duration(value, &seconds))
        reader_bad(r, member, "TYPE", NULL, "is %s, must be seconds or a duration such as 90s, 1h30m, 2d", json_show(value, found));
    else if (seconds < min || seconds > max)
        reader_bad(r, member, "RANGE", NULL, "is %s, must be from %.10g to %.10g seconds", json_show(value, found), min, max);
    else
        return seconds;
    return def;
}

int64_t reader_size(const struct reader *r, const char *member, int64_t min, int64_t max, int64_t def)
{
    const json_t *value = reader_find(r, member);
    int64_t bytes;
    char found[SHOW_TEXT];
    if (!value)
        return def;
    if (!json_size(value, &bytes))
        reader_bad(r, member, "TYPE", NULL, "is %s, must be bytes or a size such as 512Mi, 2G", json_show(value, found));
    else if (bytes < min || bytes > max)
        reader_bad(r, member, "RANGE", NULL, "is %s, must be from %lld to %lld bytes", json_show(value, found), (long long)min, (long long)max);
    else
        return bytes;
    return def;
}

const json_t *reader_list(const struct reader *r, const char *member, size_t max)
{
    const json_t *value = reader_find(r, member);
    char found[SHOW_TEXT];
    if (!value)
        return NULL;
    if (!json_is_array(value))
        reader_bad(r, member, "TYPE", NULL, "is %s, must be a list", json_show(value, found));
    else if (json_array_size(value) > max)
        reader_bad(r, member, "RANGE", NULL, "has %zu items, at most %zu are allowed", json_array_size(value), max);
    else
        return value;
    return NULL;
}
