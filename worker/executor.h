/* executor.h - the process that runs stages: the only place where stage code runs */
#ifndef WORKER_EXECUTOR_H
#define WORKER_EXECUTOR_H

/* Entry of an executor process: FD of the channel to its worker, FD of the memory that
 * holds its struct flight, process number of the worker. Returns the exit status. */
int executor_main(int argc, char **argv);

#endif
