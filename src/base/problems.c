/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/problems.h"

#include "base/buf.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append(struct problem_item **items, size_t *n, size_t *cap, struct problem_item item)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 8;
        *items = x_realloc(*items, *cap * sizeof **items);
    }
    (*items)[(*n)++] = item;
}

static struct problem_item make(const char *pointer, const char *code, const char *hint, const char *fmt,
                           va_list ap)
{
    char detail[1024];
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    return (struct problem_item){.pointer = x_strdup(pointer),
                            .code = x_strdup(code),
                            .detail = x_strdup(detail),
                            .hint = hint ? x_strdup(hint) : NULL};
}

void problems_add(struct problems *p, const char *pointer, const char *code, const char *hint,
                  const char *fmt, ...)
{
    if (p->n >= PROBLEMS_MAX) {
        p->n_dropped++;
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    append(&p->items, &p->n, &p->cap, make(pointer, code, hint, fmt, ap));
    va_end(ap);
}

void problems_warn(struct problems *p, const char *pointer, const char *code, const char *hint,
                   const char *fmt, ...)
{
    if (p->n_warnings >= PROBLEMS_MAX)
        return;
    va_list ap;
    va_start(ap, fmt);
    append(&p->warnings, &p->n_warnings, &p->cap_warnings, make(pointer, code, hint, fmt, ap));
    va_end(ap);
}

json_t *problems_json(const struct problem_item *items, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_pack("{s:s, s:s, s:s}", "pointer", items[i].pointer, "code", items[i].code,
                                 "detail", items[i].detail);
        if (item && items[i].hint)
            (void)json_object_set_new(item, "hint", json_string(items[i].hint));
        if (item)
            (void)json_array_append_new(list, item);
    }
    return list;
}

static void release(struct problem_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(items[i].pointer);
        free(items[i].code);
        free(items[i].detail);
        free(items[i].hint);
    }
    free(items);
}

void problems_release(struct problems *p)
{
    release(p->items, p->n);
    release(p->warnings, p->n_warnings);
    *p = (struct problems){0};
}

void problems_dotted(const char *pointer, char *out, size_t size)
{
    struct buf b = BUF_INIT;
    for (const char *p = pointer; *p == '/';) {
        size_t len = strcspn(++p, "/");
        bool index = len > 0 && strspn(p, "0123456789") >= len;
        buf_adds(&b, index ? "[" : b.len ? "." : "");
        for (size_t i = 0; i < len; i++) {
            bool escape = p[i] == '~' && i + 1 < len; /* RFC 6901: ~1 is /, ~0 is ~ */
            char c = escape ? (p[i + 1] == '1' ? '/' : '~') : p[i];
            i += escape;
            buf_add(&b, &c, 1);
        }
        if (index)
            buf_adds(&b, "]");
        p += len;
    }
    (void)snprintf(out, size, "%s", b.len ? b.data : "(file)");
    buf_release(&b);
}

static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > 40 || lb > 40)
        return 100;
    size_t row[41];
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            size_t cost =
                diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            size_t step = (above < row[j - 1] ? above : row[j - 1]) + 1;
            row[j] = cost < step ? cost : step;
            diagonal = above;
        }
    }
    return row[lb];
}

const char *did_you_mean(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 1; /* a typo in three letters is still meant */
    for (; *candidates; candidates++) {
        size_t d = distance(word, *candidates);
        if (d <= least && (!best || d < least)) {
            least = d;
            best = *candidates;
        }
    }
    return best;
}
