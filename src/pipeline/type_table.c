/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables: CSV (read by libcsv) whole, from a file of any size in little memory. Of Parquet only the marks at both ends are looked at: its footer is
 * Thrift, and there is no light reader of that. */
#include "base/clock.h"
#include "base/mem.h"
#include "model/spec.h"
#include "pipeline/type_part.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MAX_TOLD 10 /* wrong fields; a table of the wrong kind has millions */
#define PART 65536

struct reading {
    const struct type *type;
    const char *pointer;
    struct problems *problems;
    ssize_t *column_of; /* field of a row -> column, -1 = none of ours */
    size_t n_fields;    /* in the header */
    size_t line, field; /* line from 1; field of the row, from 0 */
    size_t n_wrong;
    bool has_header;
};

static bool whole_number(const char *text)
{
    char *end;
    errno = 0;
    (void)strtoll(text, &end, 10);
    return end != text && !*end && !errno;
}

static bool number(const char *text)
{
    char *end;
    (void)strtod(text, &end);
    return end != text && !*end;
}

static bool truth(const char *text)
{
    return !strcasecmp(text, "true") || !strcasecmp(text, "false") || !strcmp(text, "0") || !strcmp(text, "1");
}

/* With or without a time, with or without an offset: what writes tables leaves them out. */
static bool moment(const char *text)
{
    int64_t ms;
    char *with_zone CLEANUP_FREE = x_asprintf("%sZ", text), *with_time CLEANUP_FREE = x_asprintf("%sT00:00:00Z", text);
    return clock_parse(text, &ms) || clock_parse(with_zone, &ms) || clock_parse(with_time, &ms);
}

static bool one_of(const struct type *t, const char *text)
{
    for (size_t i = 0; i < json_array_size(t->values); i++)
        if (!strcmp(json_string_value(json_array_get(t->values, i)), text))
            return true;
    return false;
}

static bool in_bounds(const struct type *t, double value)
{
    return !(value < t->min) && !(value > t->max); /* nan is a missing value */
}

static bool duration(const struct type *t, const char *text)
{
    double seconds;
    json_t *value = json_string(text);
    bool ok = spec_duration(value, &seconds) && in_bounds(t, seconds);
    json_decref(value);
    return ok;
}

/* A field of nothing is a missing value. */
static bool field_fits(const struct type *t, const char *text)
{
    switch (*text ? t->kind : TYPE_STRING) {
    case TYPE_INT:
        return whole_number(text) && in_bounds(t, strtod(text, NULL));
    case TYPE_DOUBLE:
        return number(text) && in_bounds(t, strtod(text, NULL));
    case TYPE_BOOL:
        return truth(text);
    case TYPE_DATETIME:
        return moment(text);
    case TYPE_DURATION:
        return duration(t, text);
    case TYPE_ENUM:
        return one_of(t, text);
    default:
        return true;
    }
}

static void header_field(struct reading *r, const char *text)
{
    const struct type *t = r->type;
    r->column_of = x_realloc(r->column_of, (r->n_fields + 1) * sizeof *r->column_of);
    r->column_of[r->n_fields] = -1;
    for (size_t i = 0; i < t->n_columns; i++)
        if (!strcmp(t->columns[i].name, text))
            r->column_of[r->n_fields] = (ssize_t)i;
    r->n_fields++;
}

static void body_field(struct reading *r, const char *text)
{
    ssize_t i = r->field < r->n_fields ? r->column_of[r->field] : -1;
    const struct column *c = i < 0 ? NULL : &r->type->columns[i];
    if (!c || field_fits(c->type, text) || r->n_wrong++ >= MAX_TOLD)
        return;
    char *expected CLEANUP_FREE = type_show(c->type);
    problems_add(r->problems, r->pointer, "TYPE", NULL, "line %zu, column \"%.64s\": expected %s, found \"%.60s\"", r->line, c->name, expected, text);
}

static void on_field(void *data, size_t len, void *arg)
{
    struct reading *r = arg;
    char *text CLEANUP_FREE = x_strndup(data ? data : "", len);
    if (r->has_header)
        body_field(r, text);
    else
        header_field(r, !strncmp(text, "\xEF\xBB\xBF", 3) ? text + 3 : text); /* the mark that spreadsheets write */
    r->field++;
}

static void header_done(struct reading *r)
{
    const struct type *t = r->type;
    for (size_t i = 0; i < t->n_columns; i++) {
        bool found = false;
        for (size_t k = 0; k < r->n_fields; k++)
            found |= r->column_of[k] == (ssize_t)i;
        if (!found && r->n_wrong++ < MAX_TOLD)
            problems_add(r->problems, r->pointer, "REQUIRED", NULL, "has no column \"%.64s\"", t->columns[i].name);
    }
}

static void on_row(int end, void *arg)
{
    struct reading *r = arg;
    (void)end;
    if (!r->has_header)
        header_done(r);
    else if (r->field != r->n_fields && r->n_wrong++ < MAX_TOLD)
        problems_add(r->problems, r->pointer, "TYPE", NULL, "line %zu: has %zu fields, the header has %zu", r->line, r->field, r->n_fields);
    r->has_header = true;
    r->field = 0;
    r->line++;
}

static bool check_csv(struct reading *r, int fd)
{
    struct csv_parser parser;
    char *part CLEANUP_FREE = x_malloc(PART);
    ssize_t n;
    if (csv_init(&parser, CSV_STRICT | CSV_APPEND_NULL)) /* a quote in the middle of a field is an error */
        abort();
    while ((n = read(fd, part, PART)) > 0)
        if (csv_parse(&parser, part, (size_t)n, on_field, on_row, r) != (size_t)n)
            break;
    if (csv_error(&parser) || csv_fini(&parser, on_field, on_row, r)) {
        r->n_wrong++;
        problems_add(r->problems, r->pointer, "SYNTAX", NULL, "line %zu: is no CSV: %s", r->line, csv_strerror(csv_error(&parser)));
    }
    csv_free(&parser);
    if (!r->has_header && !r->n_wrong++)
        problems_add(r->problems, r->pointer, "REQUIRED", NULL, "is empty, must begin with a line of column names");
    free(r->column_of);
    return r->n_wrong == 0;
}

static bool check_parquet(struct reading *r, int fd)
{
    char head[4] = "", tail[4] = "";
    off_t size = lseek(fd, 0, SEEK_END);
    bool ok = size >= 12 && pread(fd, head, 4, 0) == 4 && pread(fd, tail, 4, size - 4) == 4 && !memcmp(head, "PAR1", 4) && !memcmp(tail, "PAR1", 4);
    if (!ok)
        problems_add(r->problems, r->pointer, "TYPE", NULL, "is no Parquet file: it does not begin and end with PAR1");
    return ok;
}

bool type_check_table(const struct type *t, const char *path, const char *pointer, struct problems *problems)
{
    struct reading r = {.type = t, .pointer = pointer, .problems = problems, .line = 1};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        problems_add(problems, pointer, "TYPE", NULL, "%.200s cannot be read: %s", path, strerror(errno));
        return false;
    }
    bool ok = t->format == TABLE_PARQUET ? check_parquet(&r, fd) : check_csv(&r, fd);
    (void)close(fd);
    return ok;
}
