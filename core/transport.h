/* transport.h - frames between one coordinator and its workers */
#ifndef CORE_TRANSPORT_H
#define CORE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum transport_role { TRANSPORT_COORDINATOR, TRANSPORT_WORKER };

/* For a worker the coordinator is peer 0. The coordinator numbers its peers from 1 in the
 * order in which they are first heard of and never uses a number again. */
typedef uint32_t peer_id;

struct transport_options {
    const char *endpoint;  /* zmq: "ipc://...", "tcp://ADDR:PORT" (PORT 0: any free) */
    const char *keys;      /* zmq tcp: a keys file (see zmq_keys_write()), or NULL */
    size_t max_frame_size; /* larger ones from outside are dropped; 0: 64 MiB and some */
};

struct frame {
    peer_id from;
    const unsigned char *data; /* borrowed until the next receive() or close() */
    size_t size;
};

/* A file descriptor to wait for together with frames. */
struct transport_wait {
    int fd;
    bool wants_write;
    bool is_ready; /* set by receive(): readable, writable, hung up or in error */
};

struct transport {
    const struct transport_type *type;
    void *state; /* type->state_size bytes, zeroed before open(); the caller's */
};

/* A transport moves opaque frames and knows nothing of shards. Frames between two peers
 * arrive in order or not at all, but may be lost when a connection breaks: link.h makes
 * them reliable. No call blocks but receive(), and that no longer than its timeout. */
struct transport_type {
    const char *name; /* "zmq", "mpi", "inproc" */
    size_t state_size;

    enum error_code (*open)(struct transport *self, enum transport_role role,
                            const struct transport_options *options, struct error *error);

    /* The endpoint as bound (the port chosen), "" where there is none. Borrowed. */
    const char *(*endpoint)(struct transport *self);

    /* Queue a copy of the frame and return at once. ERROR_TRANSIENT: the queue to this
     * peer is full, or the peer is not there: try again later, or leave it to the link.
     * ERROR_FATAL: the frame is too large, or no peer ever had this number. */
    enum error_code (*send)(struct transport *self, peer_id to, const void *data,
                            size_t size, struct error *error);

    /* Wait up to timeout_ms (0: poll, -1 is not allowed) for a frame or for one of the
     * `waits`, driving pending sends meanwhile. OK with frame->data NULL: no frame came.
     * The is_ready fields are set in any case; a signal ends the wait early. ERROR_CONFIG:
     * the other side will not have us (keys differ); to go on receiving is to try again. */
    enum error_code (*receive)(struct transport *self, int timeout_ms,
                               struct transport_wait *waits, size_t wait_count,
                               struct frame *frame, struct error *error);

    /* Send what is queued within drain_ms, then release all. Called once, copes with a
     * failed or missing open(). mpi: all ranks agree on MPI_Finalize here, so that the
     * drain_ms of a worker must last until the coordinator closes; whoever waits in vain
     * goes without, and mpirun then reports a failure. */
    void (*close)(struct transport *self, int drain_ms);
};

/* Make the state of a transport and open it; transport_close() may be called whatever
 * this returned. `options` is borrowed until then. */
enum error_code transport_open(struct transport *transport,
                               const struct transport_type *type,
                               enum transport_role role,
                               const struct transport_options *options,
                               struct error *error);
void transport_close(struct transport *transport, int drain_ms);

extern const struct transport_type transport_zmq;

/* Load millrace-mpi.so from beside the executable, LIBDIR/millrace or
 * $MILLRACE_MPI_MODULE. `rank`, `size` and `local_rank`, `local_size` come from
 * MPI_Init, which this calls. ERROR_IO: no module, or no MPI. *type stays valid. */
struct mpi_world {
    int rank, size, local_rank, local_size;
};
/* A world of one rank is finalized at once: it needs no transport. open() is collective:
 * rank 0 opens as coordinator, every other rank as worker. */
enum error_code transport_mpi_load(const struct transport_type **type,
                                   struct mpi_world *world, struct error *error);
/* Was this process started as a rank of an MPI launcher? Looks at the variables of ranks
 * (OMPI_COMM_WORLD_RANK, PMIX_RANK, PMI_RANK), not at SLURM_* alone. */
bool transport_mpi_is_launched(void);

/* Keys for CURVE: a new key pair of a server as text, readable by worker and coordinator,
 * mode 0600. Refuses to overwrite. */
enum error_code zmq_keys_write(const char *path, struct error *error);

#endif
