/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "accept.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define HEAD_BYTES 1024
#define SILENCE_MS 1000 /* who says nothing for so long is given away unseen: the library has the timeouts */
#define EVENTS 64

/* A connection that has said nothing yet; in the order they came, so the first is due first. */
struct newcomer {
    struct newcomer *prev, *next;
    int fd;
    int64_t until;
};

struct acceptor {
    int listen_fd, epoll_fd, stop_fd;
    bool look;
    void (*give)(void *arg, int fd, const struct sockaddr *from, socklen_t len, bool waits);
    void *arg;
    struct newcomer *newcomers;
    pthread_t thread;
    _Atomic bool stopping;
};

static bool holds(const char *line, size_t len, const char *word)
{
    return memmem(line, len, word, strlen(word)) != NULL;
}

bool accept_waits(const char *head, size_t len)
{
    const char *end = memchr(head, '\r', len);
    size_t line = end ? (size_t)(end - head) : len;
    return line > 4 && !memcmp(head, "GET ", 4) && (holds(head, line, "/events") || holds(head, line, "wait="));
}

static void give(struct acceptor *a, int fd, bool waits)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    memset(&from, 0, sizeof from);
    if (getpeername(fd, (struct sockaddr *)&from, &len) == 0)
        a->give(a->arg, fd, (struct sockaddr *)&from, len, waits);
    else
        (void)close(fd);
}

/* False: it has said nothing yet. */
static bool look(const struct acceptor *a, int fd, bool *waits)
{
    char head[HEAD_BYTES];
    ssize_t n = a->look ? recv(fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT) : 0;
    *waits = n > 0 && accept_waits(head, (size_t)n);
    return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

/* Before it is given away: afterwards the number may be another connection's. */
static void forget(struct acceptor *a, struct newcomer *c)
{
    (void)epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    DL_DELETE(a->newcomers, c);
    free(c);
}

static void remember(struct acceptor *a, int fd)
{
    struct newcomer *c = X_NEW(struct newcomer);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = fd;
    c->until = clock_mono_ms() + SILENCE_MS;
    if (epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
        DL_APPEND(a->newcomers, c);
        return;
    }
    free(c);
    give(a, fd, false);
}

static void accept_all(struct acceptor *a)
{
    for (;;) {
        bool waits;
        int fd = accept4(a->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && look(a, fd, &waits))
            give(a, fd, waits);
        else if (fd >= 0)
            remember(a, fd);
        if (fd >= 0 || errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) /* out of files: they wait in the backlog until some are free */
            (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        return;
    }
}

static int until_first(const struct acceptor *a)
{
    if (!a->newcomers)
        return -1;
    int64_t left = a->newcomers->until - clock_mono_ms();
    return left > 0 ? (int)left + 1 : 0;
}

static void spoke(struct acceptor *a, struct newcomer *c)
{
    int fd = c->fd;
    bool waits;
    if (!look(a, fd, &waits))
        return;
    forget(a, c);
    give(a, fd, waits);
}

static void *run(void *arg)
{
    struct acceptor *a = arg;
    struct epoll_event events[EVENTS];
    while (!atomic_load(&a->stopping)) {
        int n = epoll_wait(a->epoll_fd, events, EVENTS, until_first(a));
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                accept_all(a);
            else if (events[i].data.ptr != a)
                spoke(a, events[i].data.ptr);
        }
        for (int64_t now = clock_mono_ms(); a->newcomers && a->newcomers->until <= now;) {
            int fd = a->newcomers->fd;
            forget(a, a->newcomers);
            give(a, fd, false);
        }
    }
    return NULL;
}

static void release(struct acceptor *a)
{
    if (a->epoll_fd >= 0)
        (void)close(a->epoll_fd);
    if (a->stop_fd >= 0)
        (void)close(a->stop_fd);
    free(a);
}

struct acceptor *acceptor_new(int listen_fd, bool look, void (*give_it)(void *, int, const struct sockaddr *, socklen_t, bool), void *arg)
{
    struct acceptor *a = X_NEW(struct acceptor);
    *a = (struct acceptor){.listen_fd = listen_fd, .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .stop_fd = eventfd(0, EFD_CLOEXEC), .look = look, .give = give_it, .arg = arg};
    struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL}, stop = {.events = EPOLLIN, .data.ptr = a};
    bool ok = a->epoll_fd >= 0 && a->stop_fd >= 0 && epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, listen_fd, &listening) == 0 &&
              epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, a->stop_fd, &stop) == 0 && pthread_create(&a->thread, NULL, run, a) == 0;
    if (ok)
        return a;
    release(a);
    return NULL;
}

void acceptor_free(struct acceptor *a)
{
    if (!a)
        return;
    atomic_store(&a->stopping, true);
    (void)eventfd_write(a->stop_fd, 1);
    (void)pthread_join(a->thread, NULL);
    while (a->newcomers) {
        (void)close(a->newcomers->fd);
        forget(a, a->newcomers);
    }
    (void)close(a->listen_fd);
    release(a);
}
