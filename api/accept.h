/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Takes new connections and says of each whether it came to wait: its first request is looked at, not read.
 *
 * Why: libmicrohttpd walks over all suspended connections of a daemon to resume one, so ten thousand watchers beside the workers would
 * make each answer to a worker cost ten thousand steps. So connections that begin with a wait get a daemon of their own. A connection
 * that waits later, or hides its first request in TLS, is served all the same. */
#ifndef HONE_API_ACCEPT_H
#define HONE_API_ACCEPT_H

#include <stdbool.h>
#include <sys/socket.h>

struct acceptor;

/* `give` gets the connection (non-blocking) and owns it; from the acceptor's thread. NULL: no thread or no files. Takes listen_fd if it works. */
struct acceptor *acceptor_new(int listen_fd, bool look, void (*give)(void *arg, int fd, const struct sockaddr *from, socklen_t len, bool waits), void *arg);
void acceptor_free(struct acceptor *a); /* no more connections; closes what nobody was given */

bool accept_waits(const char *head, size_t len); /* does a request that begins so wait? */

#endif
