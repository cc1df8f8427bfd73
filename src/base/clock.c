/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

/* Digits by hand: an answer has six times in it, and strftime takes longer over one than the rest of the answer's text. */
static char *put(char *to, int number, int digits, char after)
{
    for (int i = digits; i-- > 0; number /= 10)
        to[i] = (char)('0' + number % 10);
    to[digits] = after;
    return to + digits + 1;
}

void clock_format(int64_t wall_ms, char out[CLOCK_TEXT])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    char *to = put(out, tm.tm_year + 1900, 4, '-');
    to = put(to, tm.tm_mon + 1, 2, '-');
    to = put(to, tm.tm_mday, 2, 'T');
    to = put(to, tm.tm_hour, 2, ':');
    to = put(to, tm.tm_min, 2, ':');
    to = put(to, tm.tm_sec, 2, '.');
    *put(to, (int)(wall_ms % 1000), 3, 'Z') = '\0';
}

/* Two digits from `min` to `max`, -1 if they are not. */
static int two(const char *s, int min, int max)
{
    int number = isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]) ? (s[0] - '0') * 10 + s[1] - '0' : -1;
    return number >= min && number <= max ? number : -1;
}

static bool parse_date(const char *s, struct tm *tm)
{
    if (strspn(s, "0123456789") != 4 || s[4] != '-' || two(s + 5, 1, 12) < 0 || s[7] != '-' || two(s + 8, 1, 31) < 0)
        return false;
    *tm = (struct tm){.tm_year = two(s, 0, 99) * 100 + two(s + 2, 0, 99) - 1900, .tm_mon = two(s + 5, 1, 12) - 1, .tm_mday = two(s + 8, 1, 31)};
    return true;
}

static bool parse_time(const char *s, struct tm *tm)
{
    if (two(s, 0, 23) < 0 || s[2] != ':' || two(s + 3, 0, 59) < 0 || s[5] != ':' || two(s + 6, 0, 60) < 0)
        return false;
    tm->tm_hour = two(s, 0, 23);
    tm->tm_min = two(s + 3, 0, 59);
    tm->tm_sec = two(s + 6, 0, 60) - (two(s + 6, 0, 60) == 60); /* a leap second is the one before */
    return true;
}

/* "Z" or "+02:00", and nothing behind it. */
static bool parse_offset(const char *s, int *seconds)
{
    *seconds = 0;
    if (*s == 'Z' || *s == 'z')
        return !s[1];
    if ((*s != '+' && *s != '-') || two(s + 1, 0, 23) < 0 || s[3] != ':' || two(s + 4, 0, 59) < 0 || s[6])
        return false;
    *seconds = (two(s + 1, 0, 23) * 60 + two(s + 4, 0, 59)) * (*s == '-' ? -60 : 60);
    return true;
}

bool clock_parse(const char *text, int64_t *wall_ms)
{
    struct tm tm;
    int64_t ms = 0, unit = 100;
    int offset, day;
    if (!parse_date(text, &tm) || !strchr("Tt ", text[10]) || !text[10] || !parse_time(text + 11, &tm))
        return false;
    const char *s = text + 19;
    if (*s == '.' && !isdigit((unsigned char)*++s))
        return false;
    for (; isdigit((unsigned char)*s); s++, unit /= 10)
        ms += (*s - '0') * unit;
    day = tm.tm_mday;
    time_t seconds = timegm(&tm);
    if (!parse_offset(s, &offset) || tm.tm_mday < day) /* 31 April became 1 May */
        return false;
    *wall_ms = ((int64_t)seconds - offset) * 1000 + ms;
    return true;
}
