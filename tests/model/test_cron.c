/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/cron: when schedules fire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/cron.h"

#include <string.h>

static int64_t ms_of(const char *text)
{
    int64_t ms;
    if (!clock_parse(text, &ms))
        fail_msg("no time: %s", text);
    return ms;
}

static struct cron *cron_of(const char *json)
{
    struct problems p = {0};
    json_t *value = json_loads(json, 0, NULL);
    assert_non_null(value);
    struct cron *c = cron_read(value, "", NULL, &p);
    if (!c)
        fail_msg("%s: %s", json, p.items[0].detail);
    json_decref(value);
    return c;
}

static struct cron *line(const char *cron, const char *zone)
{
    char *json CLEANUP_FREE = x_asprintf("{\"cron\": \"%s\", \"timezone\": \"%s\"}", cron, zone);
    return cron_of(json);
}

/* The next firings after `from`, as text with spaces between. */
static char *firings(const struct cron *c, const char *from, int n)
{
    struct buf b = BUF_INIT;
    int64_t at = ms_of(from);
    buf_adds(&b, "");
    for (int i = 0; i < n; i++) {
        char text[CLOCK_TEXT];
        at = cron_next(c, at);
        clock_format(at, text);
        buf_addf(&b, "%s%.16s", i ? " " : "", text);
    }
    return buf_take(&b);
}

struct firing_case {
    const char *cron, *zone, *from, *next; /* three or more, in UTC */
};

static void check(const struct firing_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct cron *c = line(cases[i].cron, cases[i].zone);
        int count = 1;
        for (const char *s = cases[i].next; (s = strchr(s, ' ')); s++)
            count++;
        char *found CLEANUP_FREE = firings(c, cases[i].from, count);
        if (strcmp(found, cases[i].next) != 0)
            fail_msg("%s (%s) from %s: %s", cases[i].cron, cases[i].zone, cases[i].from, found);
        cron_free(c);
    }
}

static void lines_fire_at_the_minutes_they_name(void **state)
{
    static const struct firing_case cases[] = {
        {"*/15 * * * *", "UTC", "2026-11-25T06:07:30Z", "2026-11-25T06:15 2026-11-25T06:30 2026-11-25T06:45 2026-11-25T07:00"},
        {"0 3 * * 1-5", "UTC", "2026-11-27T03:00:00Z", "2026-11-30T03:00 2026-12-01T03:00"},
        {"0 3 * * 1-5", "UTC", "2026-11-27T02:59:59.999Z", "2026-11-27T03:00"},
        {"5,10-12 8-10/2 * * *", "UTC", "2026-11-25T08:11:00Z", "2026-11-25T08:12 2026-11-25T10:05 2026-11-25T10:10"},
        {"0 0 1 jan,JUL *", "UTC", "2026-11-25T00:00:00Z", "2027-01-01T00:00 2027-07-01T00:00"},
        {"0 0 * * sun", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T00:00 2026-12-06T00:00"},
        {"0 0 * * 7", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T00:00"},
        {"0 0 * * 5-7", "UTC", "2026-11-25T00:00:00Z", "2026-11-27T00:00 2026-11-28T00:00 2026-11-29T00:00 2026-12-04T00:00"},
        {"50/5 0 * * *", "UTC", "2026-11-25T00:00:00Z", "2026-11-25T00:50 2026-11-25T00:55 2026-11-26T00:50"},
        {"@hourly", "UTC", "2026-12-31T22:30:00Z", "2026-12-31T23:00 2027-01-01T00:00"},
        {"@daily", "UTC", "2026-11-25T00:00:00Z", "2026-11-26T00:00"},
        {"@midnight", "UTC", "2026-11-25T00:00:00Z", "2026-11-26T00:00"},
        {"@weekly", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T00:00"},
        {"@monthly", "UTC", "2026-11-25T00:00:00Z", "2026-12-01T00:00"},
        {"@yearly", "UTC", "2026-11-25T00:00:00Z", "2027-01-01T00:00"},
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void days_of_month_and_of_week_are_either_when_both_are_set(void **state)
{
    static const struct firing_case cases[] = {
        {"0 0 13 * 5", "UTC", "2026-11-10T00:00:00Z", "2026-11-13T00:00 2026-11-20T00:00 2026-11-27T00:00 2026-12-04T00:00 2026-12-11T00:00 2026-12-13T00:00"},
        {"0 0 13 * *", "UTC", "2026-11-10T00:00:00Z", "2026-11-13T00:00 2026-12-13T00:00"},
        {"0 0 */2 * 5", "UTC", "2026-11-10T00:00:00Z", "2026-11-13T00:00 2026-11-27T00:00"}, /* begins with *: both must hold */
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void the_calendar_has_leap_years(void **state)
{
    static const struct firing_case cases[] = {
        {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00 2032-02-29T00:00"},
        {"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00"},
        {"* * 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00 2104-02-29T00:01"},
        {"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", "2026-03-31T00:00 2026-05-31T00:00"},
        {"59 23 28 2 *", "UTC", "2026-01-01T00:00:00Z", "2026-02-28T23:59 2027-02-28T23:59"},
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

/* Berlin: on 2026-03-29 2:00 becomes 3:00, on 2026-10-25 3:00 becomes 2:00. */
static void changes_of_clocks(void **state)
{
    static const struct firing_case cases[] = {
        {"0 3 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-28T02:00 2026-03-29T01:00 2026-03-30T01:00"},
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-28T01:30 2026-03-29T01:00 2026-03-30T00:30"},                  /* skipped: at the end of the gap */
        {"0,30 2-3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00 2026-03-29T01:30 2026-03-30T00:00"},              /* the end of the gap is once */
        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30 2026-10-26T01:30"},                                  /* comes twice: fires once */
        {"0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T02:00 2026-10-26T02:00"},
        {"30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", "2026-10-25T00:30 2026-10-25T01:30 2026-10-25T02:30"},                  /* every hour: by elapsed time */
        {"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T00:30 2026-03-29T01:30 2026-03-29T02:30"},
        {"*/20 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:40 2026-10-25T01:00 2026-10-25T01:20 2026-10-25T01:40 2026-10-25T02:00"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30"},                                                    /* not again in the second 2:30 */
        {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00 2018-11-05T02:00"},                                /* midnight itself was skipped */
        {"0 12 * * *", "Australia/Lord_Howe", "2026-10-02T12:00:00Z", "2026-10-03T01:30 2026-10-04T01:00"},                             /* half an hour */
        {"0 9 * * *", "Asia/Kolkata", "2026-11-25T00:00:00Z", "2026-11-25T03:30 2026-11-26T03:30"},
        {"0 12 30 * *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T10:00 2012-01-29T22:00"},                                   /* a whole day was left out */
    };
    (void)state;
    check(cases, ARRAY_LEN(cases));
}

static void a_line_fires_at_each_minute_of_a_year_that_fits_and_at_no_other(void **state)
{
    static const char *const lines[] = {"7 */5 * * *", "0 22 * 3,10 0", "*/30 1-3 25-31 3,10 *", "*/25 * 25-31 3,10 *"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct cron *c = line(lines[i], "Europe/Berlin");
        int64_t end = ms_of("2027-01-01T00:00:00Z"), minute = 60000, last = 0;
        for (int64_t at = cron_next(c, ms_of("2026-01-01T00:00:00Z")); at < end; at = cron_next(c, at)) {
            assert_true(at > last && at % minute == 0);
            for (int64_t k = 1; k < 4; k++) /* from a little before it is the same */
                assert_int_equal(cron_next(c, at - k), at);
            last = at;
        }
        cron_free(c);
    }
}

static void a_fixed_rate_counts_from_its_beginning(void **state)
{
    (void)state;
    struct cron *c = cron_of("{\"every\": \"6h\", \"from\": \"2026-11-25T01:00:00+01:00\"}"), *plain = cron_of("{\"every\": 90}");
    char *one CLEANUP_FREE = firings(c, "2026-11-24T00:00:00Z", 3), *two CLEANUP_FREE = firings(plain, "2026-11-25T00:00:10Z", 2);
    assert_string_equal(one, "2026-11-25T00:00 2026-11-25T06:00 2026-11-25T12:00");
    assert_string_equal(two, "2026-11-25T00:01 2026-11-25T00:03");
    cron_free(c);
    cron_free(plain);
}

static void the_policy_is_kept_and_written_again(void **state)
{
    (void)state;
    struct cron *c = cron_of("{\"cron\": \"@daily\", \"timezone\": \"Asia/Tokyo\", \"overlap\": \"replace\", \"catchup\": \"all\", \"starting_deadline\": \"1h\"}");
    assert_int_equal(cron_overlap(c), OVERLAP_REPLACE);
    assert_int_equal(cron_catchup(c), CATCHUP_ALL);
    assert_true(cron_deadline_s(c) == 3600);
    json_t *json = cron_json(c);
    char *text CLEANUP_FREE = json_dumps(json, JSON_COMPACT);
    struct cron *again = cron_of(text);
    json_t *twice = cron_json(again);
    assert_true(json_equal(json, twice));
    json_decref(json);
    json_decref(twice);
    cron_free(again);
    cron_free(c);
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *json, *told;
    } cases[] = {
        {"{}", "must have either cron, such as \"0 3 * * *\", or every, such as 6h"},
        {"{\"cron\": \"* * * *\"}", "has 4 fields, must have five: minute, hour, day of month, month, day of week"},
        {"{\"cron\": \"* * * * * *\"}", "has 6 fields, must have five: minute, hour, day of month, month, day of week"},
        {"{\"cron\": \"60 * * * *\"}", "\"60\" is no minute: numbers from 0 to 59, *, ranges (1-5), steps (*/2), and lists of these (1,3)"},
        {"{\"cron\": \"0 5-1 * * *\"}", "\"5-1\" is no hour: numbers from 0 to 23, *, ranges (1-5), steps (*/2), and lists of these (1,3)"},
        {"{\"cron\": \"0 0 0 * *\"}", "\"0\" is no day of month: numbers from 1 to 31, *, ranges (1-5), steps (*/2), and lists of these (1,3)"},
        {"{\"cron\": \"0 0 * janu *\"}", "\"janu\" is no month: numbers from 1 to 12, names, *, ranges (1-5), steps (*/2), and lists of these (1,3)"},
        {"{\"cron\": \"0 0 * * 1,\"}", "\"1,\" is no day of week: numbers from 0 to 7, names, *, ranges (1-5), steps (*/2), and lists of these (1,3)"},
        {"{\"cron\": \"*/0 0 * * *\"}", "\"*/0\" is no minute: numbers from 0 to 59, *, ranges (1-5), steps (*/2), and lists of these (1,3)"},
        {"{\"cron\": \"@dayly\"}", "\"@dayly\" is not known; there are @yearly, @monthly, @weekly, @daily and @hourly"},
        {"{\"cron\": \"0 0 31 2,4 *\"}", "names no day that ever comes"},
        {"{\"cron\": \"@daily\", \"timezone\": \"Europe/Berlni\"}",
         "there is no time zone \"Europe/Berlni\"; write a name such as Europe/Berlin (is the package tzdata installed?)"},
        {"{\"cron\": \"@daily\", \"timezone\": \"/etc/passwd\"}",
         "there is no time zone \"/etc/passwd\"; write a name such as Europe/Berlin (is the package tzdata installed?)"},
        {"{\"cron\": \"@daily\", \"timezone\": \"+02:00\"}", "there is no time zone \"+02:00\"; write a name such as Europe/Berlin (is the package tzdata installed?)"},
        {"{\"every\": 0}", "is 0, must be from 1 to 315360000 seconds"},
        {"{\"every\": \"1h\", \"from\": \"yesterday\"}", "is \"yesterday\", must be a time such as 2026-11-25T06:00:00Z"},
        {"{\"every\": \"1h\", \"overlap\": \"skp\"}", "is \"skp\", must be one of skip, queue, replace, allow"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        json_t *value = json_loads(cases[i].json, 0, NULL);
        struct cron *c = cron_read(value, "", NULL, &p);
        if (c || p.n != 1 || strcmp(p.items[0].detail, cases[i].told) != 0)
            fail_msg("%s: %zu %s", cases[i].json, p.n, p.n ? p.items[0].detail : "");
        json_decref(value);
        problems_release(&p);
    }
}

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: it is none */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},           {"1970-01-01T01:00:00.5+01:00", 500},  {"2000-02-29t23:59:60z", 951868799000}, {"1969-12-31T23:59:59Z", -1000},
        {"2026-02-29T00:00:00Z", -1},          {"2026-04-31T00:00:00Z", -1},          {"2026-11-25T24:00:00Z", -1},            {"2026-11-25T00:00:00", -1},
        {"2026-11-25", -1},                    {"2026-11-25T00:00:00.Z", -1},         {"2026-11-25T00:00:00+1:00", -1},        {"2026-11-25T00:00:00Zx", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = -1;
        bool ok = clock_parse(cases[i].text, &ms);
        if (ok != (cases[i].ms != -1) || (ok && ms != cases[i].ms))
            fail_msg("%s: %lld", cases[i].text, (long long)ms);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_fire_at_the_minutes_they_name),
        cmocka_unit_test(days_of_month_and_of_week_are_either_when_both_are_set),
        cmocka_unit_test(the_calendar_has_leap_years),
        cmocka_unit_test(changes_of_clocks),
        cmocka_unit_test(a_line_fires_at_each_minute_of_a_year_that_fits_and_at_no_other),
        cmocka_unit_test(a_fixed_rate_counts_from_its_beginning),
        cmocka_unit_test(the_policy_is_kept_and_written_again),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(times_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
