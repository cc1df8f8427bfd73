/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/token.h"

#include "base/id.h"
#include "base/mem.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define TRIAL_PREFIX "hone_t."
#define MAC_BYTES 24

bool token_setup(void)
{
    return sodium_init() >= 0;
}

void token_new(char out[TOKEN_TEXT])
{
    unsigned char bytes[32];
    char text[48];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(out, TOKEN_TEXT, "hone_%s", text);
}

void token_hash(const void *data, size_t len, char out[HASH_TEXT])
{
    unsigned char hash[32];
    (void)crypto_generichash(hash, sizeof hash, data, len, NULL, 0);
    sodium_bin2hex(out, HASH_TEXT, hash, sizeof hash);
}

bool token_equal(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && sodium_memcmp(a, b, n) == 0;
}

/* base64url of the keyed hash of what the token says */
static void sign(const char *secret, const char *said, char out[TOKEN_TEXT])
{
    unsigned char key[32], mac[MAC_BYTES];
    (void)crypto_generichash(key, sizeof key, (const unsigned char *)secret, strlen(secret), NULL, 0);
    (void)crypto_generichash(mac, sizeof mac, (const unsigned char *)said, strlen(said), key, sizeof key);
    sodium_bin2base64(out, TOKEN_TEXT, mac, sizeof mac, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(key, sizeof key);
}

char *trial_token_new(const char *secret, const char *experiment_uid, int64_t trial, int64_t attempt)
{
    char *said CLEANUP_FREE =
        x_asprintf("%s.%" PRId64 ".%" PRId64, experiment_uid, trial, attempt);
    char mac[TOKEN_TEXT];
    sign(secret, said, mac);
    return x_asprintf(TRIAL_PREFIX "%s.%s", said, mac);
}

bool trial_token_read(const char *secret, const char *token, char *experiment_uid, int64_t *trial,
                      int64_t *attempt)
{
    size_t prefix = strlen(TRIAL_PREFIX);
    if (strncmp(token, TRIAL_PREFIX, prefix) != 0 || strlen(token) > 200)
        return false;
    const char *dot = strrchr(token, '.');
    if (dot <= token + prefix)
        return false;
    char *said CLEANUP_FREE = x_strndup(token + prefix, (size_t)(dot - token) - prefix);
    char mac[TOKEN_TEXT];
    sign(secret, said, mac);
    if (!token_equal(mac, dot + 1))
        return false;
    char uid[ID_TEXT];
    if (sscanf(said, "%36[0-9a-f-].%" SCNd64 ".%" SCNd64, uid, trial, attempt) != 3)
        return false;
    (void)snprintf(experiment_uid, ID_TEXT, "%s", uid);
    return true;
}
