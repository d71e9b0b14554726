/* transport_inproc.c - frames between endpoints of one process, with faults on purpose */
#include "core/transport_inproc.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

enum {
    WORKERS_MAX = 64, /* ever in one hub */
    QUEUED_MAX = 4096,
    FRAME_SIZE_DEFAULT = (64 << 20) + 4096
};

struct flight { /* a frame on its way; `next` arrives later or was sent later */
    struct flight *next;
    int64_t due_ms;
    struct bytes data;
};

/* One direction of one conversation. */
struct lane {
    struct flight *first;
    size_t count;
    uint64_t sent;
};

struct conversation {
    bool is_open; /* the worker's end */
    bool is_cut;
    peer_id number; /* once the coordinator heard of it; 0 before */
    struct lane up, down;
};

struct inproc_hub {
    int64_t now_ms;
    uint64_t random;
    struct inproc_faults faults;
    const struct inproc_step *script; /* borrowed */
    size_t script_count;
    uint64_t sent_up, sent_down;
    bool has_coordinator;
    uint32_t turn; /* conversation that is asked first: none is starved */
    uint32_t worker_count, peer_count;
    struct conversation conversations[WORKERS_MAX];
};

struct inproc_state {
    struct inproc_hub *hub; /* borrowed */
    enum transport_role role;
    bool is_open;
    uint32_t index; /* a worker's conversation */
    size_t max_frame_size;
    struct bytes lent; /* data of the latest frame; owned */
};

/* ---- hub ---- */

struct inproc_hub *inproc_hub_create(uint64_t seed, const struct inproc_faults *faults,
                                     const struct inproc_step *script,
                                     size_t script_count)
{
    struct inproc_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return NULL;
    hub->random = seed;
    hub->script = script;
    hub->script_count = script_count;
    if (faults)
        hub->faults = *faults;
    return hub;
}

static struct flight *flight_create(const void *data, size_t size, int64_t due_ms)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (!flight)
        return NULL;
    flight->due_ms = due_ms;
    bytes_put(&flight->data, data, size);
    if (flight->data.is_bad) {
        free(flight);
        return NULL;
    }
    return flight;
}

static void empty_lane(struct lane *lane)
{
    while (lane->first) {
        struct flight *flight = lane->first;
        lane->first = flight->next;
        bytes_clear(&flight->data);
        free(flight);
    }
    lane->count = 0;
}

void inproc_hub_destroy(struct inproc_hub *hub)
{
    if (!hub)
        return;
    for (uint32_t i = 0; i < hub->worker_count; i++) {
        empty_lane(&hub->conversations[i].up);
        empty_lane(&hub->conversations[i].down);
    }
    free(hub);
}

int64_t inproc_now_ms(const struct inproc_hub *hub)
{
    return hub->now_ms;
}

void inproc_advance_to(struct inproc_hub *hub, int64_t now_ms)
{
    if (now_ms > hub->now_ms)
        hub->now_ms = now_ms;
}

static int64_t lane_due_ms(const struct lane *lane, int64_t otherwise_ms)
{
    return lane->first && lane->first->due_ms < otherwise_ms ? lane->first->due_ms
                                                             : otherwise_ms;
}

int64_t inproc_due_ms(const struct inproc_hub *hub)
{
    int64_t due_ms = INT64_MAX;
    for (uint32_t i = 0; i < hub->worker_count; i++) {
        const struct conversation *conversation = &hub->conversations[i];
        if (hub->has_coordinator)
            due_ms = lane_due_ms(&conversation->up, due_ms);
        if (conversation->is_open)
            due_ms = lane_due_ms(&conversation->down, due_ms);
    }
    return due_ms;
}

void inproc_set_faults(struct inproc_hub *hub, const struct inproc_faults *faults)
{
    hub->faults = *faults;
}

static struct conversation *find_peer(struct inproc_hub *hub, peer_id number)
{
    for (uint32_t i = 0; i < hub->worker_count; i++)
        if (hub->conversations[i].number == number && number != 0)
            return &hub->conversations[i];
    return NULL;
}

void inproc_set_cut(struct inproc_hub *hub, peer_id worker, bool is_cut)
{
    struct conversation *conversation = find_peer(hub, worker);
    if (conversation)
        conversation->is_cut = is_cut;
}

void inproc_attach(struct transport *transport, struct inproc_hub *hub)
{
    struct inproc_state *state = transport->state;
    state->hub = hub;
}

/* ---- chance ---- */

/* SplitMix64 */
static uint64_t draw(struct inproc_hub *hub)
{
    hub->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t value = hub->random;
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static bool happens(struct inproc_hub *hub, double probability)
{
    return probability > 0 && (double)(draw(hub) >> 11) * 0x1p-53 < probability;
}

static int64_t some_delay(struct inproc_hub *hub)
{
    const struct inproc_faults *faults = &hub->faults;
    int64_t delay_ms = faults->delay_ms_min;
    if (faults->delay_ms_max > faults->delay_ms_min)
        delay_ms += (int64_t)(draw(hub) % (uint64_t)(faults->delay_ms_max -
                                                     faults->delay_ms_min + 1));
    if (happens(hub, faults->reordering))
        delay_ms += faults->reordering_ms;
    return delay_ms;
}

static const struct inproc_step *find_step(const struct inproc_hub *hub,
                                           const struct conversation *conversation,
                                           bool is_up)
{
    uint64_t number = is_up ? conversation->up.sent : conversation->down.sent;
    uint64_t number_in_hub = is_up ? hub->sent_up : hub->sent_down;
    for (size_t i = 0; i < hub->script_count; i++) {
        const struct inproc_step *step = &hub->script[i];
        uint64_t counted = step->worker == 0 ? number_in_hub : number;
        if (step->is_to_coordinator == is_up && step->number == counted &&
            (step->worker == 0 || step->worker == conversation->number))
            return step;
    }
    return NULL;
}

/* ---- transport ---- */

static enum error_code inproc_open(struct transport *self, enum transport_role role,
                                   const struct transport_options *options,
                                   struct error *error)
{
    struct inproc_state *state = self->state;
    struct inproc_hub *hub = state->hub;
    if (!hub)
        return error_set(error, ERROR_FATAL, "inproc_attach() was not called");
    state->role = role;
    state->max_frame_size =
        options->max_frame_size ? options->max_frame_size : FRAME_SIZE_DEFAULT;
    if (role == TRANSPORT_COORDINATOR) {
        if (hub->has_coordinator)
            return error_set(error, ERROR_CONFIG, "the hub has a coordinator");
        hub->has_coordinator = true;
    } else {
        if (hub->worker_count == WORKERS_MAX)
            return error_set(error, ERROR_CONFIG, "the hub is full");
        state->index = hub->worker_count++;
        hub->conversations[state->index].is_open = true;
    }
    state->is_open = true;
    return OK;
}

static const char *inproc_endpoint(struct transport *self)
{
    (void)self;
    return "";
}

static enum error_code put_flight(struct lane *lane, const void *data, size_t size,
                                  int64_t due_ms, struct error *error)
{
    struct flight *flight = flight_create(data, size, due_ms);
    if (!flight)
        return error_set(error, ERROR_MEMORY, "no memory for a frame of %zu bytes", size);
    struct flight **place = &lane->first;
    while (*place && (*place)->due_ms <= due_ms)
        place = &(*place)->next;
    flight->next = *place;
    *place = flight;
    lane->count++;
    return OK;
}

/* Let the frame go its way, which may be none, or two. */
static enum error_code dispatch(struct inproc_hub *hub, struct conversation *conversation,
                                bool is_up, const void *data, size_t size,
                                struct error *error)
{
    struct lane *lane = is_up ? &conversation->up : &conversation->down;
    lane->sent++;
    hub->sent_up += is_up;
    hub->sent_down += !is_up;
    const struct inproc_step *step = find_step(hub, conversation, is_up);
    bool is_lost = step ? step->deed == INPROC_LOSE : happens(hub, hub->faults.loss);
    bool is_repeated =
        step ? step->deed == INPROC_REPEAT : happens(hub, hub->faults.repetition);
    int64_t delay_ms = step ? 0 : some_delay(hub);
    if (step && step->deed == INPROC_DELAY)
        delay_ms = step->delay_ms;
    if (is_lost || conversation->is_cut)
        return OK;
    enum error_code code = put_flight(lane, data, size, hub->now_ms + delay_ms, error);
    if (code == OK && is_repeated) {
        delay_ms = step ? step->delay_ms : some_delay(hub);
        code = put_flight(lane, data, size, hub->now_ms + delay_ms, error);
    }
    return code;
}

static enum error_code inproc_send(struct transport *self, peer_id to, const void *data,
                                   size_t size, struct error *error)
{
    struct inproc_state *state = self->state;
    struct inproc_hub *hub = state->hub;
    bool is_up = state->role == TRANSPORT_WORKER;
    struct conversation *conversation =
        is_up ? &hub->conversations[state->index] : find_peer(hub, to);
    if (size > state->max_frame_size)
        return error_set(error, ERROR_FATAL, "frame of %zu bytes, %zu are allowed", size,
                         state->max_frame_size);
    if (!conversation)
        return error_set(error, ERROR_FATAL, "there is no peer %u", (unsigned)to);
    const struct lane *lane = is_up ? &conversation->up : &conversation->down;
    if (!conversation->is_open || lane->count >= QUEUED_MAX)
        return error_set(error, ERROR_TRANSIENT, "cannot send to peer %u", (unsigned)to);
    return dispatch(hub, conversation, is_up, data, size, error);
}

/* The next frame of the lane that has arrived, into `lent`. */
static bool take_flight(struct inproc_hub *hub, struct lane *lane, bool is_cut,
                        struct bytes *lent)
{
    while (lane->first && lane->first->due_ms <= hub->now_ms) {
        struct flight *flight = lane->first;
        lane->first = flight->next;
        lane->count--;
        bytes_clear(is_cut ? &flight->data : lent);
        if (!is_cut)
            *lent = flight->data;
        free(flight);
        if (!is_cut)
            return true;
    }
    return false;
}

static void take_frame(struct inproc_state *state, struct frame *frame)
{
    struct inproc_hub *hub = state->hub;
    static const unsigned char nothing[1];
    bool is_found = false;
    if (state->role == TRANSPORT_WORKER) {
        struct conversation *conversation = &hub->conversations[state->index];
        is_found =
            take_flight(hub, &conversation->down, conversation->is_cut, &state->lent);
    }
    uint32_t count = state->role == TRANSPORT_COORDINATOR ? hub->worker_count : 0;
    for (uint32_t i = 0; i < count && !is_found; i++) {
        struct conversation *conversation =
            &hub->conversations[(hub->turn + i) % hub->worker_count];
        is_found =
            take_flight(hub, &conversation->up, conversation->is_cut, &state->lent);
        if (!is_found)
            continue;
        if (conversation->number == 0)
            conversation->number = ++hub->peer_count;
        frame->from = conversation->number;
        hub->turn = (hub->turn + i + 1) % hub->worker_count;
    }
    if (is_found) {
        frame->data = state->lent.data ? state->lent.data : nothing;
        frame->size = state->lent.size;
    }
}

static enum error_code inproc_receive(struct transport *self, int timeout_ms,
                                      struct transport_wait *waits, size_t wait_count,
                                      struct frame *frame, struct error *error)
{
    (void)timeout_ms; /* virtual time stands still meanwhile */
    (void)error;
    *frame = (struct frame){0};
    for (size_t i = 0; i < wait_count; i++) {
        struct pollfd file = {.fd = waits[i].fd,
                              .events = waits[i].wants_write ? POLLOUT : POLLIN};
        waits[i].is_ready = poll(&file, 1, 0) > 0;
    }
    take_frame(self->state, frame);
    return OK;
}

static void inproc_close(struct transport *self, int drain_ms)
{
    (void)drain_ms; /* what was sent is on its way already */
    struct inproc_state *state = self->state;
    if (state->is_open && state->role == TRANSPORT_COORDINATOR)
        state->hub->has_coordinator = false;
    if (state->is_open && state->role == TRANSPORT_WORKER)
        state->hub->conversations[state->index].is_open = false;
    bytes_clear(&state->lent);
    state->is_open = false;
}

const struct transport_type transport_inproc = {
    .name = "inproc",
    .state_size = sizeof(struct inproc_state),
    .open = inproc_open,
    .endpoint = inproc_endpoint,
    .send = inproc_send,
    .receive = inproc_receive,
    .close = inproc_close,
};
