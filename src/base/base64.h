/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base64 (libsodium's). */
#ifndef HONE_BASE_BASE64_H
#define HONE_BASE_BASE64_H

#include <stddef.h>

/* The bytes of `text` (white space in it is passed over) and a NUL, malloced; NULL: it is no base64. */
char *base64_decode(const char *text, size_t *len);

char *base64_encode(const void *data, size_t len); /* malloced */

#endif
