/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arguments and variables of a container, with Katib's and Kubernetes' placeholders, as words of ours. */
#include "model/katib_part.h"

#include "base/mem.h"
#include "model/template.h"

#include <string.h>

#define PARAMETER "${trialParameters."
#define FIELD "${trialSpec."
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"

char *katib_expand(const json_t *variables, const char *text)
{
    struct buf out = BUF_INIT;
    for (const char *at; (at = strchr(text, '$')); text = at) {
        buf_add(&out, text, (size_t)(at - text));
        size_t len = at[1] == '(' ? strcspn(at + 2, ")") : 0;
        char *name CLEANUP_FREE = len && at[len + 2] ? x_strndup(at + 2, len) : NULL;
        const char *value = name ? json_string_value(json_object_get(variables, name)) : NULL;
        if (value) {
            buf_adds(&out, value);
            at += len + 3;
        } else {
            buf_adds(&out, "$");
            at += at[1] == '$' ? 2 : 1;
        }
    }
    buf_adds(&out, text);
    return buf_take(&out);
}

/* `${trialParameters.NAME}` replaced by what stands for NAME; others stay as they are. */
char *katib_known(const json_t *stands_for, const char *text)
{
    struct buf out = BUF_INIT;
    for (const char *at; (at = strstr(text, PARAMETER)); text = at) {
        buf_add(&out, text, (size_t)(at - text));
        size_t len = strcspn(at + strlen(PARAMETER), "}");
        char *name CLEANUP_FREE = x_strndup(at + strlen(PARAMETER), len);
        const char *value = json_string_value(json_object_get(stands_for, name));
        size_t all = strlen(PARAMETER) + len + (at[strlen(PARAMETER) + len] == '}');
        if (value)
            buf_adds(&out, value);
        else
            buf_add(&out, at, all);
        at += all;
    }
    buf_adds(&out, text);
    return buf_take(&out);
}

char *katib_word(const struct katib_words *w, const char *text)
{
    char *expanded CLEANUP_FREE = katib_expand(w->variables, text), *known CLEANUP_FREE = katib_known(w->stands_for, expanded);
    return template_escape(known);
}

/* How long the placeholder at `at` is, as template.c reads it; 0: there is none. */
static size_t placeholder(const char *at)
{
    static const char *const prefixes[] = {PARAMETER, FIELD};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t len = strlen(prefixes[i]), name = strncmp(at, prefixes[i], len) ? 0 : strcspn(at + len, "{}$ \t\r\n");
        if (name && at[len + name] == '}')
            return len + name + 1;
    }
    return 0;
}

static void add_literal(struct buf *out, const char *text, size_t len)
{
    char *copy CLEANUP_FREE = x_strndup(text, len);
    if (strspn(copy, PLAIN) == len) {
        buf_add(out, copy, len);
        return;
    }
    buf_adds(out, "'");
    for (const char *c = copy; *c; c++) {
        if (*c == '\'')
            buf_adds(out, "'\\'");
        buf_add(out, c, 1);
    }
    buf_adds(out, "'");
}

char *katib_shell_word(const struct katib_words *w, const char *text)
{
    struct buf out = BUF_INIT;
    char *word CLEANUP_FREE = katib_word(w, text);
    const char *literal = word, *at = word;
    size_t path = w->path ? strlen(w->path) : 0;
    while (*at) {
        size_t variable = path && !strncmp(at, w->path, path) ? path : 0, skip = variable ? variable : placeholder(at);
        if (!skip) {
            at++;
            continue;
        }
        if (at > literal)
            add_literal(&out, literal, (size_t)(at - literal));
        if (variable)
            buf_adds(&out, "\"$HONE_METRICS_FILE\"");
        else
            buf_add(&out, at, skip);
        literal = at += skip;
    }
    if (at > literal)
        add_literal(&out, literal, (size_t)(at - literal));
    if (!out.len)
        buf_adds(&out, "''");
    return buf_take(&out);
}

/* ---- expressions ---- */

/* Is `at` the start of a class "[...]"? Where it ends; NULL: nowhere. */
static const char *class_end(const char *at)
{
    at += at[1] == '^' ? 2 : 1;
    for (at += *at == ']'; *at && *at != ']'; at++)
        at += *at == '\\' && at[1];
    return *at ? at : NULL;
}

const char *katib_regex_wrong(const char *regex)
{
    int depth = 0, groups = 0;
    for (const char *at = regex; *at; at++) {
        if (*at == '\\' && !*++at)
            return "ends with a backslash";
        else if (at > regex && at[-1] == '\\' && strchr("123456789", *at))
            return "refers back to a group, which RE2 cannot do";
        else if (at > regex && at[-1] == '\\')
            continue;
        else if (*at == '[' && !(at = class_end(at)))
            return "has a [ without ]";
        else if (*at == ')' && --depth < 0)
            return "has a ) without (";
        else if (*at == '(') {
            depth++;
            bool named = !strncmp(at + 1, "?P<", 3) || (!strncmp(at + 1, "?<", 2) && at[3] != '=' && at[3] != '!');
            if (!strncmp(at + 1, "?=", 2) || !strncmp(at + 1, "?!", 2) || (!strncmp(at + 1, "?<", 2) && !named))
                return "looks ahead or behind, which RE2 cannot do";
            groups += at[1] != '?' || named;
        } else if (strchr("*+?", *at) && (at == regex || at[-1] == '|' || (at[-1] == '(' && *at != '?')))
            return "repeats nothing";
    }
    return depth ? "has a ( without )" : groups < 2 ? "has fewer than two groups: the metric's name and its value" : NULL;
}
