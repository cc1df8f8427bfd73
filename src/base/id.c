/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void id_new(int64_t wall_ms, char out[ID_TEXT])
{
    unsigned char b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        abort(); /* cannot happen for 16 bytes once the kernel has booted (getrandom(2)) */
    for (int i = 0; i < 6; i++)
        b[i] = (unsigned char)((uint64_t)wall_ms >> (40 - 8 * i));
    b[6] = (unsigned char)(0x70 | (b[6] & 0x0f));
    b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
    (void)snprintf(out, ID_TEXT,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                   b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                   b[15]);
}

void id_short(const char *uid, char *out, int n)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t bits = 0;
    /* the last 12 hex digits are random throughout */
    for (const char *p = uid + 24; *p; p++)
        bits = bits << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    if (n > 9)
        n = 9; /* 48 bits carry nine base-32 digits */
    for (int i = 0; i < n; i++, bits >>= 5)
        out[i] = digits[bits & 31];
    out[n] = '\0';
}
