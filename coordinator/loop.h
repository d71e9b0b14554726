/* loop.h - the coordinator: leases shards to workers until a job is done */
#ifndef COORDINATOR_LOOP_H
#define COORDINATOR_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "coordinator/books.h"
#include "coordinator/job.h"
#include "coordinator/job_lock.h"
#include "core/error.h"
#include "core/transport.h"

struct coordinator_settings {
    const char *folder; /* absolute path of the job directory */
    const char *nonce;
    const struct job_plan *plan;
    struct books *books;
    struct job_lock *lock;
    struct transport *transport; /* open */
    const char *endpoint;        /* for workers of our own; "" under MPI */
    const char *keys;            /* keys file for them, or NULL */
    uint32_t own_workers;        /* to start, and to start again when they are killed */
    uint32_t executors;          /* of each of them */
    bool is_mixed;               /* workers may differ in what they compute with */
    bool is_quiet;
};

enum run_verdict {
    RUN_FINISHED,
    RUN_STOPPED, /* by a signal: resume with the same command */
    RUN_FAILED   /* `error` says why */
};

/* Run every phase that is not complete. Results are published when this returns, whatever
 * the verdict. Signals that stop a run are caught by then (core/stop_signal.h). */
enum run_verdict coordinator_run(const struct coordinator_settings *settings,
                                 struct error *error);

#endif
