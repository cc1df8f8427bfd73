/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api/accept.c: who came to wait is told apart by the first request, and nobody is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "accept.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void the_first_line_says_it(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool waits;
    } cases[] = {{"GET /api/v1/events?after=1&wait=20 HTTP/1.1\r\n", true},
                 {"GET /api/v1/projects/default/experiments/e/events HTTP/1.1\r\n", true},
                 {"GET /api/v1/projects/default/experiments/e?wait_for=state&wait=60 HTTP/1.1\r\nHost: a\r\n", true},
                 {"GET /api/v1/projects HTTP/1.1\r\nReferer: /events?wait=1\r\n", false},
                 {"POST /api/v1/events HTTP/1.1\r\n", false},
                 {"GET /api/v1/eve", false},
                 {"GE", false},
                 {"", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(accept_waits(cases[i].head, strlen(cases[i].head)), cases[i].waits);
}

struct given {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int n, waiting;
};

static void on_given(void *arg, int fd, const struct sockaddr *from, socklen_t len, bool waits)
{
    struct given *g = arg;
    (void)len;
    assert_int_equal(from->sa_family, AF_INET);
    (void)close(fd);
    pthread_mutex_lock(&g->mutex);
    g->n++;
    g->waiting += waits;
    pthread_cond_signal(&g->cond);
    pthread_mutex_unlock(&g->mutex);
}

#define CLIENTS 30

static void everybody_is_given_away_even_the_silent(void **state)
{
    (void)state;
    struct given g = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    static const char *const says[] = {"GET /events HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", NULL};
    int fds[CLIENTS], listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listen_fd, CLIENTS), 0);
    assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&address, &len), 0);
    struct acceptor *a = acceptor_new(listen_fd, true, on_given, &g);
    assert_non_null(a);
    for (size_t i = 0; i < CLIENTS; i++) {
        const char *text = says[i % ARRAY_LEN(says)];
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof address), 0);
        if (text)
            assert_int_equal(send(fds[i], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    }
    pthread_mutex_lock(&g.mutex);
    while (g.n < CLIENTS)
        pthread_cond_wait(&g.cond, &g.mutex);
    pthread_mutex_unlock(&g.mutex);
    acceptor_free(a);
    assert_int_equal(g.waiting, CLIENTS / 3);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_line_says_it), cmocka_unit_test(everybody_is_given_away_even_the_silent)};
    return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
