/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

enum err listen_parse(const char *text, struct listen_address *out, struct error *error)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || !colon[1] || *end || port > 65535)
        return err_set(error, ERR_USAGE, "LISTEN", "listen must be ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:0, not \"%.100s\"", text);
    size_t n = (size_t)(colon - text);
    if (n >= 2 && *text == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (n >= sizeof out->host)
        return err_set(error, ERR_USAGE, "LISTEN", "the address to listen on is too long");
    memcpy(out->host, text, n);
    out->host[n] = '\0';
    if (!strcmp(out->host, "*"))
        out->host[0] = '\0';
    (void)snprintf(out->port, sizeof out->port, "%lu", port);
    return OK;
}

bool listen_is_loopback(const struct listen_address *a)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (!strcasecmp(a->host, "localhost"))
        return true;
    if (inet_pton(AF_INET, a->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static enum err in_use(const struct listen_address *a, struct error *error)
{
    return err_set(error, ERR_CONFLICT, "PORT_IN_USE", "%s:%s is in use: stop what listens there, or choose another port with --listen (port 0 takes a free one)", a->host, a->port);
}

static enum err bind_one(const struct addrinfo *info, const struct listen_address *a, int *out, struct error *error)
{
    int on = 1, fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(error, ERR_UNAVAILABLE, "LISTEN", "no socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* a restart need not wait for old connections */
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *out = fd;
        return OK;
    }
    int cause = errno;
    (void)close(fd);
    if (cause == EADDRINUSE)
        return in_use(a, error);
    return err_set(error, ERR_UNAVAILABLE, "LISTEN", "cannot listen on %s:%s: %s", a->host, a->port, strerror(cause));
}

static int bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    memset(&address, 0, sizeof address);
    (void)getsockname(fd, (struct sockaddr *)&address, &len);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
}

enum err listen_tcp(const struct listen_address *a, int *fd, int *port, struct error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list;
    int failed = getaddrinfo(*a->host ? a->host : NULL, a->port, &hints, &list);
    if (failed)
        return err_set(error, ERR_USAGE, "LISTEN", "the address to listen on, \"%.100s\", is not known: %s", a->host, gai_strerror(failed));
    enum err err = ERR_UNAVAILABLE;
    for (const struct addrinfo *i = list; i && err; i = i->ai_next)
        err = bind_one(i, a, fd, error);
    freeaddrinfo(list);
    if (!err)
        *port = bound_port(*fd);
    return err;
}

/* Nobody answers there: it is left from a service that was killed. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (stat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        (void)close(fd);
    return stale;
}

enum err listen_unix(const char *path, int *out, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return err_set(error, ERR_USAGE, "SOCKET", "the path of the unix socket may have at most %zu bytes: %.200s", sizeof address.sun_path - 1, path);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (is_stale(&address))
        (void)unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* nobody can connect before listen: the mode is right by then */
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && chmod(path, 0600) == 0 && listen(fd, BACKLOG) == 0) {
        *out = fd;
        return OK;
    }
    int cause = errno;
    if (fd >= 0)
        (void)close(fd);
    if (cause == EADDRINUSE)
        return err_set(error, ERR_CONFLICT, "SOCKET_IN_USE", "the unix socket %.200s is in use by another service", path);
    return err_set(error, ERR_UNAVAILABLE, "SOCKET", "cannot listen on the unix socket %.200s: %s", path, strerror(cause));
}
