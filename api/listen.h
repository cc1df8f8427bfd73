/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Listening sockets, and what an address means. */
#ifndef HONE_API_LISTEN_H
#define HONE_API_LISTEN_H

#include "base/err.h"

#include <stdbool.h>

struct listen_address {
    char host[256]; /* without brackets; "" = all addresses */
    char port[8];
};

enum err listen_parse(const char *text, struct listen_address *out, struct error *error); /* "127.0.0.1:8080", "[::1]:0", ":8080" */
bool listen_is_loopback(const struct listen_address *a);
enum err listen_tcp(const struct listen_address *a, int *fd, int *port, struct error *error);
enum err listen_unix(const char *path, int *fd, struct error *error); /* mode 0600; a stale one is replaced */

#endif
