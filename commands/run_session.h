/* run_session.h - one session of a job: locked, opened, run, concluded */
#ifndef COMMANDS_RUN_SESSION_H
#define COMMANDS_RUN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "commands/run.h"
#include "coordinator/job.h"
#include "coordinator/loop.h"

struct arena;

struct run_request {
    const char *folder; /* absolute path of the job directory */
    struct job_plan *plan;
    const struct run_world *world; /* NULL: not under MPI */
    const char *bind;              /* endpoint, or NULL: a private one */
    const char *keys;              /* keys file, or NULL */
    uint32_t workers, executors;
    bool is_quiet, is_strict, is_retry, is_mixed;
};

/* Returns the exit status. */
int run_session(const struct run_request *request, struct arena *arena);
/* The summary of a job that is over, from its files. Returns the exit status. */
int run_summarize(const struct run_request *request, struct arena *arena);
/* Tell every other rank that there is nothing to do. */
void run_dismiss_ranks(const struct run_world *world);

#endif
