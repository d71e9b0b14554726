/* transport_mpi.c - frames over MPI; the only part of millrace that is linked to it
 *
 * Non-blocking calls and MPI_Test only, on a communicator of our own: a blocking send may
 * wait for ever for a receiver that is itself sending. MPI's return codes are not trusted
 * to tell that a peer is gone; what sits above the transport notices its silence.
 *
 * MPI_Finalize waits for every rank, for ever if need be, and a rank that ends without it
 * makes mpirun end all others. So close() agrees on it first: a worker says that it is
 * closing, and once all have said so the coordinator tells them to go on. Whoever does not
 * hear this within drain_ms returns without MPI_Finalize. drain_ms of a worker must
 * therefore cover what the coordinator does between its BYE and its own close(). */
#include "core/transport_mpi.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include <mpi.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"

enum { TAG_FRAME = 1, TAG_CLOSING, TAG_FINALIZE };
enum {
    INBOUND_MAX = 256,       /* frames matched and not yet complete */
    PENDING_MAX = 32,        /* frames to one peer that MPI has not taken yet */
    PENDING_SIZE = 32 << 20, /* ... and their bytes, but for a single frame */
    TESTED_MAX = 32,         /* sends looked at in one turn */
    SPARE_SIZE_MAX = 1 << 20,
    FRAME_SIZE_DEFAULT = (64 << 20) + 4096,
    WAITS_MAX = 1 << 16
};
/* How receive() waits: first it spins, for longer than another rank's first nap lasts, so
 * that two that talk stay awake and an answer costs microseconds. Then it naps
 * for a tenth of the time since anything moved, which makes nothing more than a tenth
 * later, and in the end an idle rank costs next to no CPU. */
enum { SPIN_US = 150, NAP_SHARE = 10, NAP_US_MAX = 2000 };

struct peer { /* a rank */
    peer_id number;
    uint32_t pending;
    size_t pending_size;
    bool is_closing;
};

struct outbound {
    MPI_Request request;
    struct bytes data; /* owned until the request is complete */
    int rank;
};

struct inbound {
    MPI_Request request;
    struct bytes data;
    int rank, tag;
    bool is_done, is_dropped;
};

struct mpi_state {
    MPI_Comm comm;
    bool is_open;
    enum transport_role role;
    int rank, size;
    size_t max_frame_size;
    struct arena *arena;
    struct peer *peers; /* (size), by rank */
    int *ranks;         /* (size), by peer number */
    uint32_t peer_count;
    int closing_count;
    bool may_finalize; /* a worker was told so */

    struct bytes outbound; /* struct outbound each */
    size_t outbound_count, tested;
    struct inbound inbound[INBOUND_MAX]; /* in the order of their matching */
    size_t inbound_count;
    struct bytes lent, spare, files;
    int64_t moved_us; /* when something last moved */
};

/* ---- opening ---- */

static enum error_code mpi_init(struct mpi_world *world, struct error *error)
{
    int is_initialized = 0, provided = 0;
    MPI_Comm node = MPI_COMM_NULL;
    if (MPI_Initialized(&is_initialized) != MPI_SUCCESS || is_initialized)
        return error_set(error, ERROR_FATAL, "MPI is initialized already");
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS)
        return error_set(error, ERROR_IO, "MPI cannot be initialized");
    (void)MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    (void)MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    if (MPI_Comm_rank(MPI_COMM_WORLD, &world->rank) != MPI_SUCCESS ||
        MPI_Comm_size(MPI_COMM_WORLD, &world->size) != MPI_SUCCESS ||
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
                            &node) != MPI_SUCCESS ||
        MPI_Comm_rank(node, &world->local_rank) != MPI_SUCCESS ||
        MPI_Comm_size(node, &world->local_size) != MPI_SUCCESS)
        return error_set(error, ERROR_IO, "MPI does not tell the ranks");
    (void)MPI_Comm_free(&node);
    if (world->size == 1)
        (void)MPI_Finalize();
    return OK;
}

static enum error_code mpi_open(struct transport *self, enum transport_role role,
                                const struct transport_options *options,
                                struct error *error)
{
    struct mpi_state *state = self->state;
    state->comm = MPI_COMM_NULL;
    state->role = role;
    state->max_frame_size =
        options->max_frame_size ? options->max_frame_size : FRAME_SIZE_DEFAULT;
    if (state->max_frame_size > INT_MAX)
        state->max_frame_size = INT_MAX;
    if (MPI_Comm_dup(MPI_COMM_WORLD, &state->comm) != MPI_SUCCESS ||
        MPI_Comm_set_errhandler(state->comm, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
        MPI_Comm_rank(state->comm, &state->rank) != MPI_SUCCESS ||
        MPI_Comm_size(state->comm, &state->size) != MPI_SUCCESS)
        return error_set(error, ERROR_IO, "MPI gives no communicator");
    state->is_open = true;
    if ((role == TRANSPORT_COORDINATOR) != (state->rank == 0))
        return error_set(error, ERROR_FATAL, "the coordinator must be rank 0");
    state->arena = arena_create(4096, 0);
    if (state->arena) {
        state->peers = ARENA_NEW(state->arena, struct peer, (size_t)state->size);
        state->ranks = ARENA_NEW(state->arena, int, (size_t)state->size);
    }
    if (!state->peers || !state->ranks)
        return error_set(error, ERROR_MEMORY, "no memory for %d ranks", state->size);
    state->moved_us = clock_now_us();
    return OK;
}

static const char *mpi_endpoint(struct transport *self)
{
    (void)self;
    return "";
}

/* ---- sending ---- */

static struct outbound *outbound_at(const struct mpi_state *state, size_t i)
{
    void *items = state->outbound.data;
    return (struct outbound *)items + i;
}

/* Keep the larger buffer for the next frame, within reason. */
static void recycle(struct mpi_state *state, struct bytes *data)
{
    if (data->capacity > state->spare.capacity && data->capacity <= SPARE_SIZE_MAX) {
        bytes_clear(&state->spare);
        state->spare = *data;
        *data = (struct bytes){0};
    } else {
        bytes_clear(data);
    }
}

static struct bytes fresh(struct mpi_state *state)
{
    struct bytes data = state->spare;
    state->spare = (struct bytes){0};
    bytes_reset(&data);
    return data;
}

/* Is the request complete? One that failed counts as such too: it will never move again,
 * but MPI may still hold its memory, so that `data` is given up for lost. */
static bool is_complete(MPI_Request *request, struct bytes *data, bool *is_good)
{
    int flag = 0;
    *is_good = MPI_Test(request, &flag, MPI_STATUS_IGNORE) == MPI_SUCCESS;
    if (!*is_good) {
        *data = (struct bytes){0};
        return true;
    }
    return flag != 0;
}

static void end_outbound(struct mpi_state *state, size_t i)
{
    struct outbound *outbound = outbound_at(state, i);
    struct peer *peer = &state->peers[outbound->rank];
    peer->pending--;
    peer->pending_size -= outbound->data.size;
    recycle(state, &outbound->data);
    *outbound = *outbound_at(state, --state->outbound_count);
}

/* Let MPI move what is pending, a few sends a turn. */
static void drive_sends(struct mpi_state *state)
{
    for (size_t n = 0; n < TESTED_MAX && n < state->outbound_count; n++) {
        if (state->tested >= state->outbound_count)
            state->tested = 0;
        struct outbound *outbound = outbound_at(state, state->tested);
        size_t size = outbound->data.size;
        bool is_good;
        if (!is_complete(&outbound->request, &outbound->data, &is_good)) {
            state->tested++;
            continue;
        }
        outbound->data.size = size; /* to be taken off, lost or not */
        end_outbound(state, state->tested);
        state->moved_us = clock_now_us();
    }
}

/* Hand a copy to MPI. */
static enum error_code post(struct mpi_state *state, int rank, int tag, const void *data,
                            size_t size, struct error *error)
{
    unsigned char *room = NULL;
    struct outbound outbound = {.rank = rank, .data = fresh(state)};
    bytes_put(&outbound.data, data, size);
    state->outbound.size = state->outbound_count * sizeof outbound;
    room = bytes_reserve(&state->outbound, sizeof outbound);
    if (!room || outbound.data.is_bad) {
        state->outbound.is_bad = false;
        bytes_clear(&outbound.data);
        return error_set(error, ERROR_MEMORY, "no memory for a frame of %zu bytes", size);
    }
    if (MPI_Isend(outbound.data.data, (int)size, MPI_BYTE, rank, tag, state->comm,
                  &outbound.request) != MPI_SUCCESS)
        /* The buffer may be in use all the same: it is given up. */
        return error_set(error, ERROR_TRANSIENT, "MPI cannot send to rank %d", rank);
    state->peers[rank].pending++;
    state->peers[rank].pending_size += size;
    memcpy(room, &outbound, sizeof outbound);
    state->tested = state->outbound_count++;
    state->moved_us = clock_now_us();
    drive_sends(state); /* a short frame is gone at once, most times */
    return OK;
}

static enum error_code mpi_send(struct transport *self, peer_id to, const void *data,
                                size_t size, struct error *error)
{
    struct mpi_state *state = self->state;
    if (size > state->max_frame_size)
        return error_set(error, ERROR_FATAL, "frame of %zu bytes, %zu are allowed", size,
                         state->max_frame_size);
    if (state->role == TRANSPORT_COORDINATOR && (to == 0 || to > state->peer_count))
        return error_set(error, ERROR_FATAL, "there is no peer %u", (unsigned)to);
    int rank = state->role == TRANSPORT_COORDINATOR ? state->ranks[to - 1] : 0;
    const struct peer *peer = &state->peers[rank];
    if (peer->pending > 0)
        drive_sends(state);
    if (peer->pending >= PENDING_MAX ||
        (peer->pending > 0 && peer->pending_size + size > PENDING_SIZE))
        return error_set(error, ERROR_TRANSIENT, "the queue to rank %d is full", rank);
    return post(state, rank, TAG_FRAME, data, size, error);
}

/* ---- receiving ---- */

/* Begin to receive the next message that has come in; false: there is none. */
static bool match(struct mpi_state *state)
{
    int flag = 0, count = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status;
    if (state->inbound_count == INBOUND_MAX ||
        MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, state->comm, &flag, &message, &status) !=
            MPI_SUCCESS ||
        !flag)
        return false;
    struct inbound *inbound = &state->inbound[state->inbound_count];
    *inbound = (struct inbound){
        .rank = status.MPI_SOURCE, .tag = status.MPI_TAG, .data = fresh(state)};
    /* What cannot be kept is received all the same, into nothing. */
    if (MPI_Get_count(&status, MPI_BYTE, &count) != MPI_SUCCESS || count < 0 ||
        (size_t)count > state->max_frame_size ||
        !bytes_reserve(&inbound->data, (size_t)count)) {
        inbound->is_dropped = true;
        count = 0;
    }
    inbound->data.size = (size_t)count;
    if (MPI_Imrecv(inbound->data.data, count, MPI_BYTE, &message, &inbound->request) ==
        MPI_SUCCESS)
        state->inbound_count++;
    state->moved_us = clock_now_us();
    return true;
}

/* Is an earlier frame of the same rank still incomplete? */
static bool is_overtaking(const struct mpi_state *state, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (state->inbound[k].rank == state->inbound[i].rank &&
            !state->inbound[k].is_done)
            return true;
    return false;
}

static peer_id number_of(struct mpi_state *state, int rank)
{
    if (state->role == TRANSPORT_WORKER)
        return 0;
    struct peer *peer = &state->peers[rank];
    if (peer->number == 0) {
        state->ranks[state->peer_count] = rank;
        peer->number = ++state->peer_count;
    }
    return peer->number;
}

static void take_sign(struct mpi_state *state, const struct inbound *inbound)
{
    if (inbound->tag == TAG_FINALIZE)
        state->may_finalize = true;
    if (inbound->tag != TAG_CLOSING || state->peers[inbound->rank].is_closing)
        return;
    state->peers[inbound->rank].is_closing = true;
    state->closing_count++;
}

/* The first frame that is complete and overtakes none of its rank. */
static bool take_complete(struct mpi_state *state, struct frame *frame)
{
    static const unsigned char nothing[1];
    for (size_t i = 0; i < state->inbound_count; i++) {
        struct inbound *inbound = &state->inbound[i];
        bool is_good = true;
        if (!inbound->is_done &&
            is_complete(&inbound->request, &inbound->data, &is_good)) {
            inbound->is_done = true;
            inbound->is_dropped = inbound->is_dropped || !is_good;
        }
        if (!inbound->is_done || is_overtaking(state, i))
            continue;
        struct inbound taken = *inbound;
        memmove(inbound, inbound + 1, (--state->inbound_count - i) * sizeof *inbound);
        i--; /* the next one has moved here; wraps around to 0 again */
        state->moved_us = clock_now_us();
        if (taken.tag == TAG_FRAME && !taken.is_dropped) {
            state->lent = taken.data;
            frame->from = number_of(state, taken.rank);
            frame->data = taken.data.data ? taken.data.data : nothing;
            frame->size = taken.data.size;
            return true;
        }
        take_sign(state, &taken);
        bytes_clear(&taken.data);
    }
    return false;
}

static bool take_frame(struct mpi_state *state, struct frame *frame)
{
    if (state->inbound_count > 0 && take_complete(state, frame))
        return true;
    while (match(state))
        if (take_complete(state, frame))
            return true;
    return false;
}

/* -1: a signal came. */
static int sleep_us(int64_t us)
{
    struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return us > 0 ? nanosleep(&pause, NULL) : 0;
}

/* Look at the files and let some time pass, but no more than left_us. Returns what poll()
 * does: -1 after a signal. */
static int wait_a_little(struct mpi_state *state, struct pollfd *files, size_t count,
                         int64_t left_us)
{
    int64_t still_us = clock_now_us() - state->moved_us;
    int64_t nap_us =
        still_us / NAP_SHARE < NAP_US_MAX ? still_us / NAP_SHARE : NAP_US_MAX;
    if (nap_us > left_us)
        nap_us = left_us;
    int found = poll(files, (nfds_t)count, nap_us >= 1000 ? (int)(nap_us / 1000) : 0);
    if (found != 0 || nap_us >= 1000 || left_us <= 0)
        return found;
    if (still_us >= SPIN_US)
        return sleep_us(nap_us);
    (void)sched_yield();
    return 0;
}

static struct pollfd *poll_files(struct mpi_state *state, struct transport_wait *waits,
                                 size_t wait_count)
{
    bytes_reset(&state->files);
    void *room = wait_count < WAITS_MAX
                     ? bytes_reserve(&state->files, wait_count * sizeof(struct pollfd))
                     : NULL;
    struct pollfd *files = room;
    for (size_t i = 0; i < wait_count; i++) {
        waits[i].is_ready = false;
        if (files)
            files[i] = (struct pollfd){.fd = waits[i].fd,
                                       .events = waits[i].wants_write ? POLLOUT : POLLIN};
    }
    return files;
}

static enum error_code mpi_receive(struct transport *self, int timeout_ms,
                                   struct transport_wait *waits, size_t wait_count,
                                   struct frame *frame, struct error *error)
{
    struct mpi_state *state = self->state;
    *frame = (struct frame){0};
    recycle(state, &state->lent);
    struct pollfd *files = poll_files(state, waits, wait_count);
    if (!files)
        return error_set(error, ERROR_MEMORY, "no memory to wait for %zu files",
                         wait_count);
    int64_t until_us = timeout_ms > 0 ? clock_now_us() + timeout_ms * INT64_C(1000) : 0;
    int found = 0;
    for (;;) {
        drive_sends(state);
        bool is_found = take_frame(state, frame);
        int64_t left_us = until_us && !is_found ? until_us - clock_now_us() : 0;
        found = wait_a_little(state, files, wait_count, left_us);
        if (is_found || found != 0 || left_us <= 0)
            break;
    }
    for (size_t i = 0; found > 0 && i < wait_count; i++)
        waits[i].is_ready = files[i].revents != 0;
    return OK; /* a signal ends the wait too */
}

/* ---- closing ---- */

static bool is_drained(const struct mpi_state *state)
{
    return state->outbound_count == 0;
}

static bool are_all_closing(const struct mpi_state *state)
{
    return is_drained(state) && state->closing_count == state->size - 1;
}

static bool is_told_to_finalize(const struct mpi_state *state)
{
    return is_drained(state) && state->may_finalize;
}

/* Move frames, those that come in into nothing, until the condition holds. */
static bool drive_until(struct mpi_state *state,
                        bool (*condition)(const struct mpi_state *), int64_t until_us)
{
    struct frame frame;
    for (;;) {
        drive_sends(state);
        while (take_frame(state, &frame))
            recycle(state, &state->lent);
        if (condition(state))
            return true;
        int64_t left_us = until_us - clock_now_us();
        if (left_us <= 0)
            return false;
        (void)wait_a_little(state, NULL, 0, left_us);
    }
}

/* Have all agreed to end here? */
static bool agree_to_finalize(struct mpi_state *state, int64_t until_us)
{
    if (state->role == TRANSPORT_WORKER)
        return drive_until(state, is_drained, until_us) &&
               post(state, 0, TAG_CLOSING, "", 0, NULL) == OK &&
               drive_until(state, is_told_to_finalize, until_us);
    if (!drive_until(state, are_all_closing, until_us))
        return false;
    for (int rank = 1; rank < state->size; rank++)
        if (post(state, rank, TAG_FINALIZE, "", 0, NULL) != OK)
            return false;
    /* They wait for this and nothing else: there is no way back from here. */
    return drive_until(state, is_drained, clock_now_us() + 1000000);
}

static void mpi_close(struct transport *self, int drain_ms)
{
    struct mpi_state *state = self->state;
    recycle(state, &state->lent);
    if (state->is_open && state->peers && state->ranks &&
        agree_to_finalize(state,
                          clock_now_us() + (drain_ms > 0 ? drain_ms : 0) * INT64_C(1000)))
        (void)MPI_Finalize();
    /* Buffers of requests that are not complete stay: MPI may write to them yet. */
    bytes_clear(&state->lent);
    bytes_clear(&state->spare);
    bytes_clear(&state->files);
    if (state->outbound_count == 0)
        bytes_clear(&state->outbound);
    arena_destroy(state->arena);
    memset(state, 0, sizeof *state);
}

static const struct transport_type transport_mpi = {
    .name = "mpi",
    .state_size = sizeof(struct mpi_state),
    .open = mpi_open,
    .endpoint = mpi_endpoint,
    .send = mpi_send,
    .receive = mpi_receive,
    .close = mpi_close,
};

const struct transport_mpi_module millrace_transport_mpi_module = {
    .version = TRANSPORT_MPI_VERSION,
    .type = &transport_mpi,
    .init = mpi_init,
};
