/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON lines: the numeric members of an object are metrics, "step" or "epoch" and "timestamp" are of all of them. */
#include "collectors/parser.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define BARE '\1' /* marks a NaN or Infinity that stood without quotes */

/* Python and others write bare NaN and Infinity, which JSON does not know: they are put in quotes. */
static void quote_bare(const char *line, size_t len, struct buf *out)
{
    bool string = false;
    for (size_t i = 0; i < len; i++) {
        double value;
        bool bare = !string && (line[i] == 'N' || line[i] == 'I' || (line[i] == '-' && line[i + 1] == 'I'));
        const char *end = bare ? parser_number(line + i, &value) : NULL;
        if (end) {
            buf_adds(out, isnan(value) ? "\"\\u0001nan\"" : value > 0 ? "\"\\u0001inf\"" : "\"\\u0001-inf\"");
            i += (size_t)(end - line) - i - 1;
            continue;
        }
        if (string && line[i] == '\\' && i + 1 < len) {
            buf_add(out, line + i++, 1);
        } else if (line[i] == '"') {
            string = !string;
        }
        buf_add(out, line + i, 1);
    }
}

static json_t *read_object(const char *line, size_t len)
{
    json_t *object = json_loadb(line, len, 0, NULL);
    if (object || (!memmem(line, len, "NaN", 3) && !memmem(line, len, "Infinity", 8)))
        return object;
    struct buf text = BUF_INIT;
    quote_bare(line, len, &text);
    object = json_loadb(text.data, text.len, 0, NULL);
    buf_release(&text);
    return object;
}

/* A number, or its text: bare NaN always, "0.5" in quotes (Katib's way) where the metric is wanted. */
static bool read_value(const json_t *member, bool wanted, double *value)
{
    const char *text = json_string_value(member), *end;
    if (json_is_number(member)) {
        *value = json_number_value(member);
        return true;
    }
    if (!text || (*text != BARE && !wanted))
        return false;
    end = parser_number(text + (*text == BARE), value);
    return end && !*end;
}

static int64_t read_step(const json_t *object, const char *name)
{
    double value;
    return read_value(json_object_get(object, name), true, &value) && value == floor(value) && fabs(value) < 0x1p53 ? (int64_t)value : STEP_NONE;
}

/* Seconds since 1970 as a number, or RFC 3339. */
static int64_t read_time(const json_t *object)
{
    const json_t *member = json_object_get(object, "timestamp");
    double value;
    int64_t ms = json_is_string(member) ? parser_time(json_string_value(member)) : 0;
    if (!ms && read_value(member, true, &value) && value > 0 && value < 1e11)
        ms = (int64_t)(value * 1000);
    return ms;
}

bool json_line(struct parser *p, const char *line, size_t len)
{
    static const char *const special[] = {"step", "epoch", "timestamp"};
    while (isspace((unsigned char)*line)) {
        line++;
        len--;
    }
    json_t *object = *line == '{' ? read_object(line, len) : NULL;
    if (!object)
        return false;
    int64_t step = read_step(object, "step"), time_ms = read_time(object);
    if (step == STEP_NONE)
        step = read_step(object, "epoch");
    const char *name;
    json_t *member;
    json_object_foreach(object, name, member)
    {
        bool wanted = parser_wants(p, name, strlen(name)), of_all = false;
        for (size_t i = 0; i < ARRAY_LEN(special); i++)
            of_all |= !strcmp(name, special[i]);
        double value;
        if ((wanted || !of_all) && read_value(member, wanted, &value))
            parser_emit(p, name, strlen(name), value, step, time_ms);
    }
    json_decref(object);
    return true;
}

static void only_json(struct parser *p, const char *line, size_t len)
{
    (void)json_line(p, line, len);
}

static void *open_json(const json_t *config, const char *const *metrics, struct problems *problems)
{
    if (json_array_size(json_object_get(config, "filters"))) {
        problems_add(problems, "/run/metrics/filters", "CONFLICT", "format: text", "filters are for text: leave them out, or leave out format: json");
        return NULL;
    }
    return parser_new(only_json, metrics);
}

const struct collector collector_json = {.name = "json",
                                         .title = "JSON lines, each an object with numbers",
                                         .open = open_json,
                                         .feed = parser_feed,
                                         .save = parser_save,
                                         .restore = parser_restore,
                                         .close = parser_close};
