/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A cron line is five sets of numbers. The next firing is found by walking the local calendar from day to day; a local minute is then turned into an
 * instant, which is where changes of clocks are dealt with. */
#include "model/cron.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/reader.h"
#include "model/zone.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define MINUTE 60
#define QUARTER 900
#define DAY 86400
#define MAX_DAYS (9 * 366) /* from one 29 February to the next it may be eight years */
#define MAX_LINE 200
#define MAX_EVERY 315360000.0
#define ALL_HOURS 0xFFFFFFULL

enum { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELDS };

struct cron {
    uint64_t sets[FIELDS]; /* of a cron line; bit n: the number n */
    bool star[FIELDS];     /* the field begins with * */
    int64_t every_ms, from_ms; /* of a fixed rate; every_ms 0: it is a cron line */
    struct zone *zone;
    enum overlap overlap;
    enum catchup catchup;
    double deadline_s;
    json_t *json;
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct {
    const char *noun;
    long min, max;
    const char *const *names; /* the first is `min` */
} fields[FIELDS] = {
    [FIELD_MINUTE] = {"minute", 0, 59, NULL},       [FIELD_HOUR] = {"hour", 0, 23, NULL},        [FIELD_DAY] = {"day of month", 1, 31, NULL},
    [FIELD_MONTH] = {"month", 1, 12, months},       [FIELD_WEEKDAY] = {"day of week", 0, 7, days},
};

static const struct {
    const char *name, *line;
} nicknames[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},
};

/* ---- reading a line ---- */

static bool take_number(const char **at, int field, long *out)
{
    size_t digits = strspn(*at, DIGITS), letters = strspn(*at, LETTERS);
    if (digits && digits <= 4) {
        *out = strtol(*at, NULL, 10);
        *at += digits;
        return *out >= fields[field].min && *out <= fields[field].max;
    }
    for (long i = 0; letters == 3 && fields[field].names && fields[field].names[i]; i++)
        if (!strncasecmp(*at, fields[field].names[i], 3)) {
            *out = fields[field].min + i;
            *at += 3;
            return true;
        }
    return false;
}

/* "*", "5", "1-5", each with "/2" behind it. */
static bool take_range(const char **at, int field, uint64_t *set)
{
    long first = fields[field].min, last = fields[field].max, step = 1;
    bool star = **at == '*', range = star;
    if (star) {
        last -= field == FIELD_WEEKDAY; /* 7 is Sunday again */
        ++*at;
    } else if (!take_number(at, field, &first)) {
        return false;
    } else if (**at == '-') {
        ++*at;
        range = true;
        if (!take_number(at, field, &last) || last < first)
            return false;
    } else {
        last = first;
    }
    if (**at == '/') {
        size_t digits = strspn(++*at, DIGITS);
        step = digits && digits <= 3 ? strtol(*at, NULL, 10) : 0;
        *at += digits;
        last = range ? last : fields[field].max; /* 5/15 is 5-59/15 */
        if (step < 1)
            return false;
    }
    for (long i = first; i <= last; i += step)
        *set |= 1ULL << (field == FIELD_WEEKDAY ? i % 7 : i);
    return true;
}

static bool read_field(struct cron *c, const char *text, int field)
{
    const char *at = text;
    c->star[field] = *text == '*';
    while (take_range(&at, field, &c->sets[field])) {
        if (!*at)
            return true;
        if (*at++ != ',')
            return false;
    }
    return false;
}

static const char *line_of(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(nicknames); i++)
        if (!strcmp(nicknames[i].name, text))
            return nicknames[i].line;
    return *text == '@' ? NULL : text;
}

static void read_line(struct cron *c, const struct reader *r, const char *text)
{
    const char *line = line_of(text);
    char copy[MAX_LINE + 1], *rest = copy, *part;
    int n = 0;
    if (!line) {
        const char *known[ARRAY_LEN(nicknames) + 1] = {NULL};
        for (size_t i = 0; i < ARRAY_LEN(nicknames); i++)
            known[i] = nicknames[i].name;
        reader_bad(r, "cron", "SYNTAX", did_you_mean(text, known), "\"%.40s\" is not known; there are @yearly, @monthly, @weekly, @daily and @hourly", text);
        return;
    }
    (void)snprintf(copy, sizeof copy, "%s", line); /* reader_text has looked at its length */
    for (; (part = strtok_r(n ? NULL : copy, " \t", &rest)); n++)
        if (n < FIELDS && !read_field(c, part, n))
            reader_bad(r, "cron", "SYNTAX", NULL, "\"%.40s\" is no %s: numbers from %ld to %ld%s, *, ranges (1-5), steps (*/2), and lists of these (1,3)", part,
                       fields[n].noun, fields[n].min, fields[n].max, fields[n].names ? ", names" : "");
    if (n != FIELDS)
        reader_bad(r, "cron", "SYNTAX", NULL, "has %d fields, must have five: minute, hour, day of month, month, day of week", n);
}

/* ---- the calendar ---- */

static bool has(const struct cron *c, int field, int number)
{
    return (c->sets[field] >> number & 1) != 0;
}

static bool day_fits(const struct cron *c, int64_t local_s)
{
    struct tm t;
    time_t at = (time_t)local_s;
    (void)gmtime_r(&at, &t);
    bool day = has(c, FIELD_DAY, t.tm_mday), weekday = has(c, FIELD_WEEKDAY, t.tm_wday);
    bool either = !c->star[FIELD_DAY] && !c->star[FIELD_WEEKDAY];
    return has(c, FIELD_MONTH, t.tm_mon + 1) && (either ? day || weekday : day && weekday);
}

/* The first local minute at or after `local_s` that the line names; INT64_MAX: none. */
static int64_t next_local(const struct cron *c, int64_t local_s)
{
    int64_t day = local_s - (local_s % DAY + DAY) % DAY;
    int64_t minute = (local_s - day + MINUTE - 1) / MINUTE;
    for (int i = 0; i < MAX_DAYS; i++, day += DAY, minute = 0) {
        if (!day_fits(c, day))
            continue;
        for (; minute < DAY / MINUTE; minute++) {
            if (!has(c, FIELD_HOUR, (int)(minute / 60)))
                minute += 59 - minute % 60;
            else if (has(c, FIELD_MINUTE, (int)(minute % 60)))
                return day + minute * MINUTE;
        }
    }
    return INT64_MAX;
}

/* The first instant at which clocks show `local_s`; where they skip it, the first one behind the gap. */
static int64_t instant(const struct cron *c, int64_t local_s)
{
    int64_t before = zone_offset(c->zone, local_s - DAY), after = zone_offset(c->zone, local_s + DAY);
    if (zone_offset(c->zone, local_s - before) == before)
        return local_s - before;
    if (zone_offset(c->zone, local_s - after) == after)
        return local_s - after;
    int64_t low = local_s - after, high = local_s - before; /* the change lies between */
    while (low + 1 < high) {
        int64_t middle = low + (high - low) / 2;
        if (zone_offset(c->zone, middle) == before)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* A line that names hours means times of the clock: each once. */
static int64_t next_by_clock(const struct cron *c, int64_t after_s)
{
    int64_t local = after_s + zone_offset(c->zone, after_s);
    for (;;) {
        local = next_local(c, local);
        int64_t at = local == INT64_MAX ? INT64_MAX : instant(c, local);
        if (at > after_s)
            return at;
        local += MINUTE;
    }
}

/* A line for every hour goes by the time that passes, whatever the clocks do. */
static int64_t next_by_time(const struct cron *c, int64_t after_s)
{
    int64_t at = (after_s / MINUTE + 1) * MINUTE, end = at + (int64_t)MAX_DAYS * DAY;
    while (at < end) {
        int64_t local = at + zone_offset(c->zone, at), second = (local % DAY + DAY) % DAY;
        bool fits = day_fits(c, local - second);
        if (fits && has(c, FIELD_MINUTE, (int)(second / MINUTE % 60)))
            return at;
        /* the night of a change of clocks may be three hours shorter */
        int64_t skip = fits ? 0 : DAY - second - 3 * QUARTER * 4;
        at += fits ? MINUTE : skip > QUARTER ? skip - skip % QUARTER : QUARTER - second % QUARTER;
    }
    return INT64_MAX;
}

static int64_t next_cron(const struct cron *c, int64_t after_s)
{
    return c->sets[FIELD_HOUR] == ALL_HOURS ? next_by_time(c, after_s) : next_by_clock(c, after_s);
}

int64_t cron_next(const struct cron *c, int64_t after_ms)
{
    if (c->every_ms) {
        if (after_ms < c->from_ms)
            return c->from_ms;
        int64_t n = (after_ms - c->from_ms) / c->every_ms + 1;
        return c->from_ms + n * c->every_ms;
    }
    int64_t after_s = after_ms >= 0 ? after_ms / 1000 : -((-after_ms + 999) / 1000);
    int64_t next = next_cron(c, after_s);
    return next == INT64_MAX ? INT64_MAX : next * 1000;
}

/* ---- the whole ---- */

static void read_rate(struct cron *c, const struct reader *r)
{
    const char *from = reader_text(r, "from", MAX_LINE, NULL);
    double every = reader_duration(r, "every", 1, MAX_EVERY, 0);
    c->every_ms = (int64_t)llround(every * 1000);
    if (from && !clock_parse(from, &c->from_ms))
        reader_bad(r, "from", "TYPE", NULL, "is \"%.40s\", must be a time such as 2026-11-25T06:00:00Z", from);
    (void)json_object_set_new(c->json, "every", json_real(every));
    if (from)
        (void)json_object_set_new(c->json, "from", json_string(from));
}

static void read_cron(struct cron *c, const struct reader *r)
{
    const char *line = reader_text(r, "cron", MAX_LINE, NULL), *name = reader_text(r, "timezone", MAX_LINE, "UTC");
    size_t before = r->problems->n + r->problems->n_dropped;
    struct error error;
    if (line)
        read_line(c, r, line);
    if (zone_open(name, &c->zone, &error) != OK)
        reader_bad(r, "timezone", "TIME_ZONE", NULL, "%s", error.detail);
    else if (line && before == r->problems->n + r->problems->n_dropped && next_local(c, 0) == INT64_MAX)
        reader_bad(r, "cron", "RANGE", NULL, "names no day that ever comes");
    (void)json_object_set_new(c->json, "cron", json_string(line ? line : ""));
    if (strcmp(name, "UTC") != 0)
        (void)json_object_set_new(c->json, "timezone", json_string(name));
}

static void read_policy(struct cron *c, const struct reader *r)
{
    static const char *const overlaps[] = {"skip", "queue", "replace", "allow", NULL};
    static const char *const catchups[] = {"none", "last", "all", NULL};
    c->overlap = (enum overlap)reader_choice(r, "overlap", overlaps, OVERLAP_SKIP);
    c->catchup = (enum catchup)reader_choice(r, "catchup", catchups, CATCHUP_NONE);
    c->deadline_s = reader_duration(r, "starting_deadline", 0, MAX_EVERY, 0);
    if (c->overlap != OVERLAP_SKIP)
        (void)json_object_set_new(c->json, "overlap", json_string(overlaps[c->overlap]));
    if (c->catchup != CATCHUP_NONE)
        (void)json_object_set_new(c->json, "catchup", json_string(catchups[c->catchup]));
    if (c->deadline_s > 0)
        (void)json_object_set_new(c->json, "starting_deadline", json_real(c->deadline_s));
}

#define MAX_MEMBERS 24

struct cron *cron_read(const json_t *value, const char *pointer, const char *const *others, struct problems *problems)
{
    const char *known[MAX_MEMBERS + 1] = {"cron", "timezone", "every", "from", "overlap", "catchup", "starting_deadline"};
    size_t n = 7, before = problems->n + problems->n_dropped;
    for (; others && *others && n < MAX_MEMBERS; others++)
        known[n++] = *others;
    struct cron *c = X_NEW(struct cron);
    struct reader r = reader_open(value, pointer, known, problems);
    bool cron = reader_find(&r, "cron"), every = reader_find(&r, "every");
    c->json = json_object();
    if (cron == every && r.object)
        problems_add(problems, pointer, "REQUIRED", NULL, "must have either cron, such as \"0 3 * * *\", or every, such as 6h");
    if (!r.object && !value)
        problems_add(problems, pointer, "REQUIRED", NULL, "is missing");
    if (every && reader_find(&r, "timezone"))
        reader_bad(&r, "timezone", "UNUSED", NULL, "belongs to cron; every counts from `from`");
    if (cron && reader_find(&r, "from"))
        reader_bad(&r, "from", "UNUSED", NULL, "belongs to every");
    if (every)
        read_rate(c, &r);
    else
        read_cron(c, &r);
    read_policy(c, &r);
    reader_close(&r);
    if (problems->n + problems->n_dropped == before)
        return c;
    cron_free(c);
    return NULL;
}

void cron_free(struct cron *c)
{
    if (!c)
        return;
    zone_close(c->zone);
    json_decref(c->json);
    free(c);
}

enum overlap cron_overlap(const struct cron *c)
{
    return c->overlap;
}

enum catchup cron_catchup(const struct cron *c)
{
    return c->catchup;
}

double cron_deadline_s(const struct cron *c)
{
    return c->deadline_s;
}

json_t *cron_json(const struct cron *c)
{
    return json_deep_copy(c->json);
}
