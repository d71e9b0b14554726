/* stop_signal.c - signals that ask this process to stop */
#include "core/stop_signal.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stops; /* a handler can reach nothing else */

static void count_stop(int signal)
{
    (void)signal;
    stops = stops + 1;
}

void stop_signal_catch(bool ignores_interrupt)
{
    struct sigaction action = {.sa_handler = count_stop};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGUSR1, &action, NULL);
    if (ignores_interrupt)
        action.sa_handler = SIG_IGN;
    (void)sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

int stop_signal_count(void)
{
    return stops;
}
