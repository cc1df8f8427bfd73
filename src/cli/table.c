/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What comes from experiments may hold anything, so each cell is cleaned before a terminal sees it. */
#include "cli/table.h"

#include "base/buf.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

struct table {
    size_t n_columns, n_cells, cap;
    char **cells;
    bool *right;
};

struct table *table_new(size_t n_columns)
{
    struct table *t = X_NEW(struct table);
    t->n_columns = n_columns;
    t->right = x_calloc(n_columns, sizeof *t->right);
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->right);
    free(t);
}

void table_align_right(struct table *t, size_t column)
{
    t->right[column] = true;
}

void table_cell(struct table *t, const char *text)
{
    if (t->n_cells == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = x_realloc(t->cells, t->cap * sizeof *t->cells);
    }
    t->cells[t->n_cells++] = text_safe(text);
}

/* The next character of `*text` (moved on); false: it is no printable one, and one byte was passed. */
static bool next_char(const char **text, wchar_t *out, size_t *len)
{
    mbstate_t state = {0};
    *len = mbrtowc(out, *text, strlen(*text), &state);
    bool ok = *len != 0 && *len <= strlen(*text) && iswprint((wint_t)*out);
    if (*len == 0 || *len > strlen(*text))
        *len = 1;
    *text += *len;
    return ok;
}

char *text_safe(const char *text)
{
    struct buf b = BUF_INIT;
    wchar_t c;
    size_t len;
    while (*text) {
        const char *from = text;
        bool ok = next_char(&text, &c, &len);
        buf_add(&b, ok ? from : strchr("\n\r\t", *from) ? " " : "?", ok ? len : 1);
    }
    return buf_take(&b);
}

size_t text_width(const char *text)
{
    size_t width = 0, len;
    wchar_t c;
    while (*text) {
        int w = next_char(&text, &c, &len) ? wcwidth(c) : 1;
        width += w > 0 ? (size_t)w : 0;
    }
    return width;
}

static void print_cell(const char *text, size_t width, bool right, bool last, FILE *out)
{
    size_t w = text_width(text);
    int pad = width > w ? (int)(width - w) : 0;
    (void)fprintf(out, "%*s%s%*s", right ? pad : 0, "", text, right || last ? 0 : pad, "");
}

void table_print(const struct table *t, FILE *out)
{
    CLEANUP_FREE size_t *widths = x_calloc(t->n_columns, sizeof *widths);
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t w = text_width(t->cells[i]);
        if (w > widths[i % t->n_columns])
            widths[i % t->n_columns] = w;
    }
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t column = i % t->n_columns;
        bool last = column + 1 == t->n_columns;
        print_cell(t->cells[i], widths[column], t->right[column], last, out);
        (void)fputs(last ? "\n" : "  ", out);
    }
}

void text_duration(double seconds, char out[DURATION_TEXT])
{
    out[0] = '\0';
    if (!(seconds >= 0) || seconds > 1e9)
        return;
    long long s = llround(seconds), days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60;
    if (days)
        (void)snprintf(out, DURATION_TEXT, "%lldd %02lld:%02lld", days, hours, minutes);
    else if (hours)
        (void)snprintf(out, DURATION_TEXT, "%lld:%02lld:%02lld", hours, minutes, s % 60);
    else
        (void)snprintf(out, DURATION_TEXT, "%lld:%02lld", minutes, s % 60);
}
