/* run.h - `millrace run` and `millrace retry` */
#ifndef COMMANDS_RUN_H
#define COMMANDS_RUN_H

#include "core/transport.h"

/* Under MPI: the module and where we stand in it; this is rank 0 of several. */
struct run_world {
    const struct transport_type *transport;
    struct mpi_world world;
};

/* The whole command; returns the exit status. `world` NULL: not under MPI. */
int command_run(int argc, char **argv, const struct run_world *world);
int command_retry(int argc, char **argv);

/* What rank 0 and the others must agree on: --executors, or the share of this rank in its
 * node's cores. 0: the command line is wrong (rank 0 says why). */
unsigned run_executors(int argc, char **argv, const struct mpi_world *world);

#endif
