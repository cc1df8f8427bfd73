/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/sha256.h"

#include <sodium.h>

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct sha256), "struct sha256 holds libsodium's state");

static crypto_hash_sha256_state *state_of(struct sha256 *s)
{
    return (crypto_hash_sha256_state *)(void *)s->state;
}

void sha256_begin(struct sha256 *s)
{
    *s = (struct sha256){0};
    (void)crypto_hash_sha256_init(state_of(s));
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
    (void)crypto_hash_sha256_update(state_of(s), data, len);
}

void sha256_end(struct sha256 *s, char out[SHA256_TEXT])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256_final(state_of(s), hash);
    (void)sodium_bin2hex(out, SHA256_TEXT, hash, sizeof hash);
}

void sha256_text(const void *data, size_t len, char out[SHA256_TEXT])
{
    struct sha256 s;
    sha256_begin(&s);
    sha256_add(&s, data, len);
    sha256_end(&s, out);
}
