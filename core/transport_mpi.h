/* transport_mpi.h - what millrace-mpi.so gives to the program that opens it */
#ifndef CORE_TRANSPORT_MPI_H
#define CORE_TRANSPORT_MPI_H

#include <stdint.h>

#include "core/transport.h"

/* Raised whenever struct transport_type or a struct it uses changes. */
enum { TRANSPORT_MPI_VERSION = 1 };

/* The one symbol that is looked for. */
#define TRANSPORT_MPI_SYMBOL "millrace_transport_mpi_module"

struct transport_mpi_module {
    uint32_t version; /* TRANSPORT_MPI_VERSION; first, whatever follows */
    const struct transport_type *type;
    /* MPI_Init, once a process. A world of one rank is finalized again at once: it needs
     * no transport. */
    enum error_code (*init)(struct mpi_world *world, struct error *error);
};

extern const struct transport_mpi_module millrace_transport_mpi_module;

#endif
