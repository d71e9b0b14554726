/* worker_loop.h - the worker process: leases shards, supervises executors */
#ifndef WORKER_WORKER_LOOP_H
#define WORKER_WORKER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/transport.h"

struct worker_settings {
    const struct transport_type *transport;
    struct transport_options options;
    uint32_t executors;
    bool is_own;         /* started by `run`: SIGINT is the coordinator's matter, and the
                           worker dies with its parent */
    int parent;          /* is_own: process number of the coordinator */
    bool is_rank;        /* of an MPI run */
    bool waits_for_ever; /* no coordinator yet: try until there is one */
    const char *job;     /* whose endpoint was read from its directory, or NULL */
};

/* Work until the coordinator says BYE, a signal says stop, or it cannot go on. OK: an
 * orderly end. ERROR_CONFIG: the coordinator refused us, or the machine cannot serve.
 * ERROR_CLOSED, with a job: its coordinator is gone, or listens elsewhere now. */
enum error_code worker_run(const struct worker_settings *settings, struct error *error);

#endif
