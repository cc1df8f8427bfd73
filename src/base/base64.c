/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base64.h"

#include "base/mem.h"

#include <sodium.h>
#include <string.h>

char *base64_decode(const char *text, size_t *len)
{
    size_t room = strlen(text) / 4 * 3 + 4;
    char *data = x_malloc(room + 1);
    if (sodium_base642bin((unsigned char *)data, room, text, strlen(text), " \r\n\t", len, NULL, sodium_base64_VARIANT_ORIGINAL)) {
        free(data);
        return NULL;
    }
    data[*len] = '\0';
    return data;
}

char *base64_encode(const void *data, size_t len)
{
    size_t room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
    char *text = x_malloc(room);
    return sodium_bin2base64(text, room, data, len, sodium_base64_VARIANT_ORIGINAL);
}
