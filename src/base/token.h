/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tokens and hashes, all by libsodium. The only user of sodium.h. */
#ifndef HONE_BASE_TOKEN_H
#define HONE_BASE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_TEXT 64  /* enough for a token's text and the NUL */
#define HASH_TEXT 65   /* hex of 32 bytes and the NUL */

bool token_setup(void); /* once, before threads; false: libsodium cannot start */

void token_new(char out[TOKEN_TEXT]);                            /* "hone_" and 32 random bytes, base64url */
void token_hash(const void *data, size_t len, char out[HASH_TEXT]); /* BLAKE2b-256, hex: what is stored of a token, of a request */
bool token_equal(const char *a, const char *b);                   /* constant time */

/* A trial's token says which attempt it is for and proves it by a keyed hash; nothing is stored. malloced. */
char *trial_token_new(const char *secret, const char *experiment_uid, int64_t trial, int64_t attempt);
/* Reads one back: false if it was not made with this secret. uid has room for ID_TEXT. */
bool trial_token_read(const char *secret, const char *token, char *experiment_uid, int64_t *trial, int64_t *attempt);

#endif
