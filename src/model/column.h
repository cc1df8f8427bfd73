/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where in a one-line text a problem is, as people count: characters from 1. */
#ifndef HONE_MODEL_COLUMN_H
#define HONE_MODEL_COLUMN_H

#include <stddef.h>

static inline size_t column_of(const char *text, const char *at)
{
    size_t column = 1;
    for (; text < at; text++)
        column += ((unsigned char)*text & 0xC0) != 0x80; /* not the inner bytes of UTF-8 */
    return column;
}

/* Bytes of the UTF-8 character at `s`, so that a message never holds half of one. */
static inline int character_length(const char *s)
{
    int len = *s ? 1 : 0;
    while (len && len < 4 && ((unsigned char)s[len] & 0xC0) == 0x80)
        len++;
    return len;
}

/* As much of `s` as a message shows: at most `max` bytes, whole characters. For "%.*s". */
static inline int shown_length(const char *s, size_t max)
{
    size_t len = 0;
    while (len < max && s[len])
        len++;
    while (len && s[len] && ((unsigned char)s[len] & 0xC0) == 0x80)
        len--;
    return (int)len;
}

#endif
