/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Texts of KFP: placeholders in constants, conditions, selectors. */
#include "base/buf.h"
#include "base/mem.h"
#include "model/reader.h"
#include "model/template.h"
#include "pipeline/kfp_part.h"

#include <ctype.h>
#include <string.h>

#define PLACEHOLDER "{{$.inputs.parameters["
#define VALUE_OF "inputs.parameter_values["
#define SELECTOR "parseJson(string_value)"

char *kfp_escape(const char *text)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, "");
    for (; *text; text++) {
        if (text[0] == '$' && text[1] == '{')
            buf_adds(&b, "$");
        buf_add(&b, text, 1);
    }
    return buf_take(&b);
}

json_t *kfp_escape_all(const json_t *value)
{
    json_t *v = (json_t *)(uintptr_t)value, *out, *item;
    size_t i;
    const char *key;
    if (json_is_string(v)) {
        char *text CLEANUP_FREE = kfp_escape(json_string_value(v));
        return json_string(text);
    }
    if (!json_is_array(v) && !json_is_object(v))
        return json_incref(v);
    out = json_is_array(v) ? json_array() : json_object();
    json_array_foreach(v, i, item)
        (void)json_array_append_new(out, kfp_escape_all(item));
    json_object_foreach(v, key, item)
        (void)json_object_set_new(out, key, kfp_escape_all(item));
    return out;
}

/* 'name'] or "name"] at *at, which goes behind it; malloced, NULL: something else is there. */
static char *quoted_name(const char **at)
{
    char quote = **at;
    const char *end = quote == '\'' || quote == '"' ? strchr(*at + 1, quote) : NULL;
    if (!end || end[1] != ']')
        return NULL;
    char *name = x_strndup(*at + 1, (size_t)(end - *at) - 1);
    *at = end + 2;
    return name;
}

/* A constant is text of theirs, but for placeholders of other inputs of the same task. */
static json_t *constant_text(struct task *t, const char *text)
{
    struct buf b = BUF_INIT;
    const char *at = text, *start;
    buf_adds(&b, "");
    while ((start = strstr(at, PLACEHOLDER))) {
        const char *end = start + strlen(PLACEHOLDER);
        char *name CLEANUP_FREE = quoted_name(&end), *before CLEANUP_FREE = x_strndup(at, (size_t)(start - at)), *plain CLEANUP_FREE = kfp_escape(before);
        const json_t *bound = name ? json_object_get(t->bound, name) : NULL;
        if (!bound || strncmp(end, "}}", 2) != 0)
            break;
        if (start == text && !end[2]) { /* the whole: it keeps its type */
            buf_release(&b);
            return json_incref((json_t *)(uintptr_t)bound);
        }
        char *value CLEANUP_FREE = template_value(bound);
        buf_adds(&b, plain);
        buf_adds(&b, value);
        at = end + 2;
    }
    char *rest CLEANUP_FREE = kfp_escape(at);
    buf_adds(&b, rest);
    if (strstr(b.data, "{{$."))
        problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "has a placeholder that is not mapped: %.200s", text);
    char *whole CLEANUP_FREE = buf_take(&b);
    return json_string(whole);
}

json_t *kfp_constant(struct task *t, const json_t *value)
{
    return json_is_string(value) ? constant_text(t, json_string_value(value)) : kfp_escape_all(value);
}

/* ---- conditions ---- */

/* A value as a literal or a reference of a condition; false: it is neither. */
static bool add_operand(struct buf *b, const json_t *bound)
{
    const char *text = json_string_value(bound);
    if (text && !strncmp(text, "${", 2) && strchr(text, '}') == text + strlen(text) - 1) {
        buf_adds(b, text);
    } else if (text && !strstr(text, "${")) {
        buf_adds(b, "'");
        for (; *text; text++) {
            if (*text == '\'' || *text == '\\')
                buf_adds(b, "\\");
            buf_add(b, text, 1);
        }
        buf_adds(b, "'");
    } else if (json_is_number(bound) || json_is_boolean(bound)) {
        char *number CLEANUP_FREE = template_value(bound);
        buf_adds(b, number);
    } else {
        return false;
    }
    return true;
}

/* A text in quotes, as it is; gives what is behind it. */
static const char *copy_quoted(struct buf *b, const char *at)
{
    char quote = *at;
    const char *end = at + 1;
    while (*end && *end != quote)
        end += *end == '\\' && end[1] ? 2 : 1;
    end += *end == quote;
    buf_add(b, at, (size_t)(end - at));
    return end;
}

/* int(x) and double(x) only change what CEL makes of a number. */
static size_t cast_length(const char *at)
{
    static const char *const casts[] = {"int(", "double(", "string(", "bool("};
    for (size_t i = 0; i < ARRAY_LEN(casts); i++)
        if (!strncmp(at, casts[i], strlen(casts[i])))
            return strlen(casts[i]) - 1;
    return 0;
}

char *kfp_condition(struct task *t, const char *text)
{
    struct buf b = BUF_INIT;
    const char *at = text;
    buf_adds(&b, "");
    while (*at) {
        if (*at == '\'' || *at == '"') {
            at = copy_quoted(&b, at);
        } else if (!strncmp(at, VALUE_OF, strlen(VALUE_OF))) {
            const char *end = at + strlen(VALUE_OF);
            char *name CLEANUP_FREE = quoted_name(&end);
            if (!name || !add_operand(&b, json_object_get(t->bound, name)))
                break;
            at = end;
        } else if (at[0] == '!' && at[1] != '=') {
            buf_adds(&b, "not ");
            at++;
        } else if (at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == '.')) {
            at += cast_length(at);
            buf_add(&b, at, 1);
            at++;
        } else {
            buf_add(&b, at, 1);
            at++;
        }
    }
    if (!*at)
        return buf_take(&b);
    problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "has a condition that is not mapped: %.200s", text);
    buf_release(&b);
    return NULL;
}

/* ---- selectors ---- */

json_t *kfp_select(struct task *t, json_t *bound, const char *selector)
{
    struct buf b = BUF_INIT;
    const char *text = json_string_value(bound), *at = selector + strlen(SELECTOR);
    bool ok = text && !strncmp(text, "${", 2) && text[strlen(text) - 1] == '}' && !strncmp(selector, SELECTOR, strlen(SELECTOR)) && *at;
    if (ok)
        buf_add(&b, text, strlen(text) - 1);
    while (ok && *at == '[') {
        at++;
        char *name CLEANUP_FREE = quoted_name(&at);
        ok = name && *name;
        if (ok)
            buf_addf(&b, ".%s", name);
    }
    if (ok && !*at) {
        buf_adds(&b, "}");
        json_decref(bound);
        bound = json_string(b.data);
    } else {
        problems_add(t->k->problems, t->pointer, "UNSUPPORTED", NULL, "has a selector that is not mapped: %.200s", selector);
    }
    buf_release(&b);
    return bound;
}
