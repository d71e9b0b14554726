/* stop_signal.h - signals that ask this process to stop */
#ifndef CORE_STOP_SIGNAL_H
#define CORE_STOP_SIGNAL_H

#include <stdbool.h>

/* Count SIGTERM and SIGUSR1, and SIGINT unless it is to be ignored (the terminal sends it
 * to the whole process group: only one of it should decide). SIGPIPE is ignored. */
void stop_signal_catch(bool ignores_interrupt);
int stop_signal_count(void); /* since then */

#endif
