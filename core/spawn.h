/* spawn.h - start this executable again as a child process */
#ifndef CORE_SPAWN_H
#define CORE_SPAWN_H

#include <sys/types.h>

#include "core/error.h"

/* Run `millrace` with these arguments (NULL-terminated, argv[0] included) by posix_spawn.
 * Variables of MPI launchers (OMPI_*, PMIX_*, PMI_*) are left out of its environment, and
 * those that make libraries start threads of their own are set to 1. ERROR_IO. */
enum error_code spawn_self(char *const argv[], pid_t *pid, struct error *error);

#endif
