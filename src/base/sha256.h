/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SHA-256 (libsodium's), as hex text: the names of artifacts, versions and keys of the cache. */
#ifndef HONE_BASE_SHA256_H
#define HONE_BASE_SHA256_H

#include <stddef.h>

#define SHA256_TEXT 65 /* 64 hex digits and the NUL */

struct sha256 {
    unsigned char state[128] __attribute__((aligned(16)));
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_end(struct sha256 *s, char out[SHA256_TEXT]);

void sha256_text(const void *data, size_t len, char out[SHA256_TEXT]);

#endif
