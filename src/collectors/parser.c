/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "collectors/parser.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum { NUMBER_MAX = 64, HEX = 16 };

struct parser *parser_new(parse_line *read, const char *const *wanted)
{
    struct parser *p = X_NEW(struct parser);
    size_t n = 0;
    while (wanted && wanted[n])
        n++;
    p->read = read;
    p->metrics = x_calloc(n + PARSER_OTHERS_MAX, sizeof *p->metrics);
    for (; p->n_metrics < n; p->n_metrics++)
        p->metrics[p->n_metrics] = (struct counted){.name = x_strdup(wanted[p->n_metrics]), .wanted = true};
    return p;
}

void parser_close(void *parser)
{
    struct parser *p = parser;
    if (!p)
        return;
    for (size_t i = 0; i < p->n_metrics; i++)
        free(p->metrics[i].name);
    free(p->metrics);
    filters_free(p);
    buf_release(&p->line);
    free(p);
}

/* --- lines */

/* Takes out terminal codes: ESC [ ... letter, ESC ] ... BEL or ESC \, ESC and one more. */
static size_t strip_codes(char *s, size_t len)
{
    char *to = memchr(s, 0x1b, len);
    if (!to)
        return len;
    const char *end = s + len, *from = to;
    while (from < end) {
        if (*from != 0x1b) {
            *to++ = *from++;
            continue;
        }
        char kind = ++from < end ? *from++ : '\0';
        if (kind == '[') {
            while (from < end && (*from < 0x40 || *from > 0x7e))
                from++;
            from += from < end;
        } else if (kind == ']') {
            while (from < end && *from != 0x07 && *from != 0x1b)
                from++;
            from += from < end && *from == 0x07;
        }
    }
    *to = '\0';
    return (size_t)(to - s);
}

static void end_line(struct parser *p)
{
    if (!p->too_long && p->line.len) {
        size_t len = strip_codes(p->line.data, p->line.len);
        p->read(p, p->line.data, len);
    }
    buf_clear(&p->line);
    p->too_long = false;
}

static void add(struct parser *p, const char *data, size_t len)
{
    if (p->too_long || p->line.len + len > COLLECTOR_LINE_MAX) {
        p->too_long = true;
        buf_clear(&p->line);
    } else {
        buf_add(&p->line, data, len);
    }
}

/* A carriage return ends a line too: a progress bar rewrites its line with it. */
static size_t line_length(const char *data, size_t len)
{
    const char *lf = memchr(data, '\n', len);
    size_t n = lf ? (size_t)(lf - data) : len;
    const char *cr = memchr(data, '\r', n);
    return cr ? (size_t)(cr - data) : n;
}

void parser_feed(void *parser, const char *data, size_t len, bool end, collector_sink *sink, void *arg)
{
    struct parser *p = parser;
    p->sink = sink;
    p->arg = arg;
    while (len) {
        size_t n = line_length(data, len);
        add(p, data, n);
        if (n == len)
            break;
        end_line(p);
        data += n + 1;
        len -= n + 1;
    }
    if (end)
        end_line(p);
}

/* --- values */

static struct counted *find(const struct parser *p, const char *name, size_t len)
{
    for (size_t i = 0; i < p->n_metrics; i++)
        if (strlen(p->metrics[i].name) == len && !memcmp(p->metrics[i].name, name, len))
            return &p->metrics[i];
    return NULL;
}

bool parser_wants(const struct parser *p, const char *name, size_t len)
{
    const struct counted *m = find(p, name, len);
    return m && m->wanted;
}

/* Names go into JSON, the database and terminals: UTF-8 without control characters. */
static bool is_name(const char *name, size_t len)
{
    if (!len || len > PARSER_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    json_t *text = json_stringn(name, len);
    json_decref(text);
    return text != NULL;
}

static struct counted *metric(struct parser *p, const char *name, size_t len)
{
    struct counted *known = find(p, name, len);
    if (known)
        return known;
    if (p->n_others == PARSER_OTHERS_MAX || !is_name(name, len))
        return NULL;
    p->n_others++;
    struct counted *m = &p->metrics[p->n_metrics++];
    m->name = x_strndup(name, len);
    return m;
}

void parser_emit(struct parser *p, const char *name, size_t len, double value, int64_t step, int64_t time_ms)
{
    struct counted *m = len ? metric(p, name, len) : NULL;
    if (!m)
        return;
    m->n++;
    p->sink(p->arg, &(struct point){.metric = m->name, .step = step == STEP_NONE ? m->n : step, .time_ms = time_ms, .value = value});
}

static const char *word(const char *s, const char *what)
{
    size_t n = strlen(what);
    return !strncasecmp(s, what, n) && !isalnum((unsigned char)s[n]) && s[n] != '_' ? s + n : NULL;
}

const char *parser_number(const char *s, double *value)
{
    const char *at = s + (*s == '+' || *s == '-'), *end;
    if (isalpha((unsigned char)*at)) {
        end = word(at, "nan");
        *value = end ? (double)NAN : (double)(*s == '-' ? -INFINITY : INFINITY);
        return end ? end : (end = word(at, "inf")) ? end : word(at, "infinity");
    }
    size_t digits = strspn(at, "0123456789");
    end = at + digits;
    if (*end == '.') {
        size_t more = strspn(end + 1, "0123456789");
        digits += more;
        end += more || digits ? more + 1 : 0;
    }
    if (!digits)
        return NULL;
    const char *power = end + 1 + (*end && (end[1] == '+' || end[1] == '-'));
    if ((*end == 'e' || *end == 'E') && isdigit((unsigned char)*power))
        end = power + strspn(power, "0123456789");
    char text[NUMBER_MAX]; /* strtod alone would also take 0x1p3 */
    size_t len = (size_t)(end - s);
    if (len >= sizeof text)
        return NULL;
    memcpy(text, s, len);
    text[len] = '\0';
    *value = strtod(text, NULL);
    return end;
}

int64_t parser_time(const char *s)
{
    if (!isdigit((unsigned char)*s))
        return 0;
    struct tm tm = {0};
    const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end)
        return 0;
    double fraction = 0;
    if (*end == '.') {
        end = parser_number(end, &fraction);
        if (!end)
            return 0;
    }
    int64_t shift = 0;
    if (*end == '+' || *end == '-') {
        int hour = 0, minute = 0, n = 0;
        if (sscanf(end + 1, "%2d:%2d%n", &hour, &minute, &n) != 2 || n != 5)
            return 0;
        shift = (hour * 60 + minute) * (*end == '-' ? -60000LL : 60000LL);
        end += 1 + n;
    } else if (*end++ != 'Z') {
        return 0;
    }
    if (*end && !isspace((unsigned char)*end))
        return 0;
    return (int64_t)timegm(&tm) * 1000 + (int64_t)(fraction * 1000) - shift;
}

/* --- the place */

static char *hex(const struct buf *b)
{
    static const char digits[] = "0123456789abcdef";
    char *out = x_malloc(b->len * 2 + 1);
    for (size_t i = 0; i < b->len; i++) {
        out[2 * i] = digits[(unsigned char)b->data[i] >> 4];
        out[2 * i + 1] = digits[(unsigned char)b->data[i] & 15];
    }
    out[b->len * 2] = '\0';
    return out;
}

static void unhex(struct buf *b, const char *text)
{
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len && i < COLLECTOR_LINE_MAX; i++) {
        char byte = (char)strtol((char[]){text[2 * i], text[2 * i + 1], '\0'}, NULL, HEX);
        buf_add(b, &byte, 1);
    }
}

char *parser_save(const void *parser)
{
    const struct parser *p = parser;
    char *line CLEANUP_FREE = hex(&p->line);
    json_t *counts = json_object();
    for (size_t i = 0; i < p->n_metrics; i++)
        if (p->metrics[i].n)
            (void)json_object_set_new(counts, p->metrics[i].name, json_integer(p->metrics[i].n));
    json_t *saved = json_pack("{s:o, s:s, s:b}", "counts", counts, "line", line, "too_long", p->too_long);
    char *text = json_dumps(saved, JSON_COMPACT);
    json_decref(saved);
    return text ? text : x_strdup("{}");
}

void parser_restore(void *parser, const char *saved)
{
    struct parser *p = parser;
    json_t *place = json_loads(saved, 0, NULL), *n;
    const char *name, *line = json_string_value(json_object_get(place, "line"));
    json_object_foreach(json_object_get(place, "counts"), name, n)
    {
        struct counted *m = metric(p, name, strlen(name));
        if (m)
            m->n = json_integer_value(n);
    }
    buf_clear(&p->line);
    unhex(&p->line, line ? line : "");
    p->too_long = json_is_true(json_object_get(place, "too_long"));
    json_decref(place);
}
