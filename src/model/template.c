/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/template.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/column.h"

#include <stdio.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define WORD_CHARS LETTERS "0123456789.-"
#define KATIB_PARAMETER "${trialParameters."
#define KATIB_SPEC "${trialSpec."

enum kind {
    PIECE_WORD,
    PIECE_KATIB_PARAMETER,
    PIECE_KATIB_SPEC,
};

struct piece {
    enum kind kind;
    const char *start, *end; /* in the text, braces included */
    const char *name;
    size_t name_len;
    size_t braces; /* WORD: pairs around it. As in Python two make one literal brace, an odd one makes a placeholder */
};

static bool katib_piece(const char *at, struct piece *piece)
{
    static const struct {
        const char *prefix;
        enum kind kind;
    } forms[] = {{KATIB_PARAMETER, PIECE_KATIB_PARAMETER}, {KATIB_SPEC, PIECE_KATIB_SPEC}};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        size_t len = strlen(forms[i].prefix);
        if (strncmp(at, forms[i].prefix, len) != 0)
            continue;
        size_t name_len = strcspn(at + len, "{}$ \t\r\n");
        if (at[len + name_len] != '}')
            return false;
        *piece = (struct piece){.kind = forms[i].kind, .start = at, .end = at + len + name_len + 1, .name = at + len, .name_len = name_len};
        return true;
    }
    return false;
}

/* `at` is the first of `open` braces. */
static bool word_piece(const char *at, size_t open, struct piece *piece)
{
    const char *name = at + open;
    size_t len = strspn(name, WORD_CHARS), close = strspn(name + len, "}");
    size_t braces = open < close ? open : close;
    if (!strspn(name, LETTERS) || !braces)
        return false;
    *piece = (struct piece){.kind = PIECE_WORD, .start = name - braces, .end = name + len + braces, .name = name, .name_len = len, .braces = braces};
    return true;
}

/* The next piece of the text at or after `at`. */
static bool next_piece(const char *at, struct piece *piece)
{
    while (*(at += strcspn(at, "{$"))) {
        size_t dollars = strspn(at, "$"), open = strspn(at + dollars, "{");
        if (dollars && katib_piece(at + dollars - 1, piece))
            return true;
        if (!dollars && word_piece(at, open, piece))
            return true;
        at += dollars + open;
    }
    return false;
}

static bool named(const struct piece *p, const char *name)
{
    return strlen(name) == p->name_len && !memcmp(name, p->name, p->name_len);
}

static const char *const own_words[] = {"trial", "seed", "budget", NULL};

static const char *find_name(const struct piece *p, const char *const *names)
{
    for (; *names; names++)
        if (named(p, *names))
            return *names;
    return NULL;
}

char *template_value(const json_t *value)
{
    if (json_is_string(value))
        return x_strndup(json_string_value(value), json_string_length(value));
    if (json_is_integer(value))
        return x_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (!json_is_real(value)) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
        return text ? text : x_strdup("");
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, json_real_value(value));
        double back = strtod(text, NULL), number = json_real_value(value);
        if (!(back < number) && !(back > number))
            break;
    }
    return x_strdup(text);
}

/* Malloced text that stands for the piece, NULL when it is not known. */
static char *piece_value(const struct piece *p, const struct template_values *values)
{
    if (p->kind == PIECE_KATIB_SPEC)
        return named(p, "Name") ? x_strdup(values->trial_name ? values->trial_name : "") : NULL;
    const char *name = find_name(p, values->names);
    if (name) {
        const json_t *value = json_object_get(values->params, name);
        return value ? template_value(value) : x_strdup("");
    }
    if (p->kind == PIECE_WORD && named(p, "trial"))
        return x_asprintf("%lld", values->trial);
    if (p->kind == PIECE_WORD && named(p, "seed"))
        return x_asprintf("%llu", values->seed);
    if (p->kind == PIECE_WORD && named(p, "budget"))
        return values->budget ? x_asprintf("%lld", values->budget) : x_strdup("");
    return NULL;
}

static void add_value(struct buf *out, const char *value, bool shell_quote)
{
    if (!shell_quote) {
        buf_adds(out, value);
        return;
    }
    buf_adds(out, "'");
    for (const char *s = value; *s; s++) {
        if (*s == '\'')
            buf_adds(out, "'\\'");
        buf_add(out, s, 1);
    }
    buf_adds(out, "'");
}

static void render_piece(struct buf *out, const struct piece *p, const struct template_values *values, bool shell_quote)
{
    bool is_placeholder = p->kind != PIECE_WORD || (p->braces % 2 && !values->dollar_only);
    char *value CLEANUP_FREE = is_placeholder ? piece_value(p, values) : NULL;
    if ((is_placeholder && !value) || (p->kind == PIECE_WORD && values->dollar_only)) { /* refused at creation, or not ours */
        buf_add(out, p->start, (size_t)(p->end - p->start));
        return;
    }
    buf_add(out, p->start, p->braces / 2);
    if (value)
        add_value(out, value, shell_quote);
    else
        buf_add(out, p->name, p->name_len);
    buf_add(out, p->end - p->braces / 2, p->braces / 2);
}

char *template_render(const char *text, const struct template_values *values, bool shell_quote)
{
    struct buf out = BUF_INIT;
    struct piece piece;
    for (; next_piece(text, &piece); text = piece.end) {
        buf_add(&out, text, (size_t)(piece.start - text));
        render_piece(&out, &piece, values, shell_quote);
    }
    buf_adds(&out, text);
    return buf_take(&out);
}

char *template_escape(const char *text)
{
    struct buf out = BUF_INIT;
    struct piece piece;
    for (; next_piece(text, &piece); text = piece.end) {
        size_t more = piece.kind == PIECE_WORD ? piece.braces : 0;
        buf_add(&out, text, (size_t)(piece.start - text));
        buf_add(&out, piece.start, more);
        buf_add(&out, piece.start, (size_t)(piece.end - piece.start));
        buf_add(&out, piece.end - more, more);
    }
    buf_adds(&out, text);
    return buf_take(&out);
}

static void unknown_word(const struct piece *p, const char *text, const char *const *names, const char *pointer, struct problems *problems)
{
    size_t n = 0;
    while (names[n])
        n++;
    const char **known CLEANUP_FREE = x_calloc(n + ARRAY_LEN(own_words), sizeof *known);
    for (size_t i = 0; i < n; i++)
        known[i] = names[i];
    for (size_t i = 0; p->kind == PIECE_WORD && own_words[i]; i++)
        known[n + i] = own_words[i];
    char *word CLEANUP_FREE = x_strndup(p->name, p->name_len);
    int shown = shown_length(word, 100);
    const char *hint = did_you_mean(word, known);
    size_t column = column_of(text, p->start);
    if (p->kind == PIECE_WORD)
        problems_add(problems, pointer, "UNKNOWN_PLACEHOLDER", hint,
                     "column %zu: {%.*s} is neither a parameter nor {trial}, {seed} or {budget}; write {{%.*s}} for the text itself", column, shown, word,
                     shown, word);
    else
        problems_add(problems, pointer, "UNKNOWN_PLACEHOLDER", hint, "column %zu: " KATIB_PARAMETER "%.*s} does not name a parameter", column,
                     shown, word);
}

static void check(const char *text, const char *const *names, bool dollar_only, const char *pointer, struct problems *problems)
{
    struct piece piece;
    for (const char *at = text; next_piece(at, &piece); at = piece.end) {
        if (piece.kind == PIECE_KATIB_SPEC && !named(&piece, "Name"))
            problems_add(problems, pointer, "UNKNOWN_PLACEHOLDER", "Name",
                         "column %zu: of the trial's own fields only ${trialSpec.Name} can be used", column_of(text, piece.start));
        bool ours = piece.kind == PIECE_WORD && (dollar_only || find_name(&piece, own_words) || piece.braces % 2 == 0);
        if (piece.kind != PIECE_KATIB_SPEC && !ours && !find_name(&piece, names))
            unknown_word(&piece, text, names, pointer, problems);
    }
}

void template_check(const char *text, const char *const *names, const char *pointer, struct problems *problems)
{
    check(text, names, false, pointer, problems);
}

void template_check_dollar(const char *text, const char *const *names, const char *pointer, struct problems *problems)
{
    check(text, names, true, pointer, problems);
}
