/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hone: the process is made ready, the command line does the rest. */
#include "algorithm.h"
#include "base/token.h"
#include "service.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static pthread_t main_thread;

/* Libraries may have started threads before main, which block nothing (OpenBLAS does): what they catch is main's. */
static void pass_on(int number)
{
    (void)pthread_kill(main_thread, number);
}

/* Verbs wait for these (cli/verb.h); every thread to come inherits the mask. What was ignored at the start (nohup) stays so. */
static void block_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigset_t set;
    (void)sigemptyset(&set);
    main_thread = pthread_self();
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction now;
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            (void)sigaddset(&set, numbers[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigismember(&set, numbers[i]))
            (void)sigaction(numbers[i], &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    block_signals();
    algorithms_setup();
    if (!token_setup()) {
        (void)fputs("hone: libsodium cannot start: the system gives no random numbers\n", stderr);
        return 1;
    }
    const struct cli_embed embed = service_embed();
    return cli_main(argc, argv, &embed);
}
