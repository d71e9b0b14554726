/* transport_zmq.c - frames over ZeroMQ: ROUTER for the coordinator, DEALER for a worker
 *
 * A worker names itself by 16 random bytes, so that it keeps its peer number when its
 * connection breaks and comes back. With keys the coordinator answers libzmq's questions
 * about clients (ZAP) itself, inside receive(): no thread of ours is needed. */
#include "core/transport.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/zmq_keys.h"

enum {
    ENDPOINT_SIZE = 512,
    IPC_PATH_MAX = 107, /* sun_path less its zero */
    NAME_SIZE = 16,     /* of a worker's routing id */
    PEERS_MAX = 1 << 16,
    FRAMES_QUEUED_MAX = 1024, /* to and from each peer */
    FRAME_SIZE_DEFAULT = (64 << 20) + 4096,
    RECONNECT_MS = 100,
    RECONNECT_MS_MAX = 1000,
    CONNECT_MS_MAX = 5000,
    SILENT_TCP_MS = 30000, /* unacknowledged by the other host's TCP */
    BACKLOG = 1024,
    CLIENT_KEY_SIZE = 32
};

struct zmq_state {
    enum transport_role role;
    void *context;
    void *socket;
    void *authenticator; /* coordinator: REP of ZAP; NULL without keys */
    void *monitor;       /* worker over tcp: tells how handshakes fail */
    unsigned char client_key[CLIENT_KEY_SIZE];
    char endpoint[ENDPOINT_SIZE];
    size_t max_frame_size;
    uint64_t dropped; /* frames that were not for us to understand */

    zmq_msg_t message; /* lends the data of the latest frame */
    bool has_message;
    struct bytes items; /* zmq_pollitem_t of the latest receive() */

    struct bytes names; /* NAME_SIZE bytes for each peer, by number - 1 */
    struct bytes slots; /* hash table of u32 peer numbers, 0: free */
    size_t slot_count;  /* a power of two, at least twice the peers */
    uint32_t peer_count;
};

/* ---- peers ---- */

static const unsigned char *peer_name(const struct zmq_state *state, uint32_t number)
{
    return state->names.data + (size_t)(number - 1) * NAME_SIZE;
}

/* The slot with this name, or the free one where it belongs. */
static unsigned char *find_slot(const struct zmq_state *state, const void *name)
{
    size_t mask = state->slot_count - 1;
    for (size_t i = (size_t)hash64(name, NAME_SIZE, 0) & mask;; i = (i + 1) & mask) {
        unsigned char *slot = state->slots.data + 4 * i;
        uint32_t number = load_u32(slot);
        if (number == 0 || memcmp(peer_name(state, number), name, NAME_SIZE) == 0)
            return slot;
    }
}

static bool grow_slots(struct zmq_state *state)
{
    size_t count = state->slot_count ? 2 * state->slot_count : 64;
    struct bytes grown = {0};
    unsigned char *room = bytes_reserve(&grown, 4 * count);
    if (!room)
        return false;
    memset(room, 0, 4 * count);
    bytes_clear(&state->slots);
    state->slots = grown;
    state->slot_count = count;
    for (uint32_t number = 1; number <= state->peer_count; number++)
        store_u32(find_slot(state, peer_name(state, number)), number);
    return true;
}

/* The number of the peer of this name, a new one if need be; 0: no room for another. */
static peer_id number_of(struct zmq_state *state, const void *name)
{
    if (2 * ((size_t)state->peer_count + 1) > state->slot_count && !grow_slots(state))
        return 0;
    unsigned char *slot = find_slot(state, name);
    uint32_t number = load_u32(slot);
    if (number != 0 || state->peer_count == PEERS_MAX)
        return number;
    bytes_put(&state->names, name, NAME_SIZE);
    if (state->names.is_bad) {
        state->names.is_bad = false;
        return 0;
    }
    store_u32(slot, ++state->peer_count);
    return state->peer_count;
}

/* ---- opening ---- */

/* "HOST:PORT"; port 0 (or "*") only where it is to be chosen. */
static bool is_host_and_port(const char *text, enum transport_role role)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return false;
    bool may_choose = role == TRANSPORT_COORDINATOR;
    if (strcmp(colon + 1, "*") == 0)
        return may_choose;
    unsigned port = 0;
    size_t size = strlen(colon + 1);
    for (size_t i = 1; i <= size; i++) {
        if (colon[i] < '0' || colon[i] > '9')
            return false;
        port = 10 * port + (unsigned)(colon[i] - '0');
        if (port > 65535)
            return false;
    }
    return size > 0 && (port != 0 || may_choose);
}

static enum error_code check_endpoint(const char *endpoint, enum transport_role role,
                                      struct error *error)
{
    bool is_ipc = endpoint && strncmp(endpoint, "ipc://", 6) == 0;
    if (!is_ipc && (!endpoint || strncmp(endpoint, "tcp://", 6) != 0))
        return error_set(error, ERROR_CONFIG,
                         "endpoint \"%s\" is neither \"tcp://ADDRESS:PORT\" nor "
                         "\"ipc://PATH\"",
                         endpoint ? endpoint : "");
    size_t size = strlen(endpoint + 6);
    if (!is_ipc && !is_host_and_port(endpoint + 6, role))
        return error_set(error, ERROR_CONFIG,
                         "endpoint \"%.300s\" is not \"tcp://ADDRESS:PORT\"", endpoint);
    if (is_ipc && size > IPC_PATH_MAX)
        return error_set(error, ERROR_CONFIG,
                         "the path of endpoint \"%.120s...\" has %zu bytes, a socket's "
                         "path may have %d: choose a shorter folder",
                         endpoint, size, (int)IPC_PATH_MAX);
    if (size == 0 || size + 6 + 16 >= ENDPOINT_SIZE)
        return error_set(error, ERROR_CONFIG, "endpoint of %zu bytes", size + 6);
    return OK;
}

/* bind() knows no host names and calls any free port "*". */
static void resolve_bind(const char *endpoint, char *resolved)
{
    static const char local[] = "tcp://localhost:";
    if (strncmp(endpoint, local, sizeof local - 1) == 0)
        (void)snprintf(resolved, ENDPOINT_SIZE, "tcp://127.0.0.1:%s",
                       endpoint + sizeof local - 1);
    else
        (void)snprintf(resolved, ENDPOINT_SIZE, "%s", endpoint);
    size_t size = strlen(resolved);
    if (strncmp(resolved, "tcp://", 6) == 0 && size > 2 &&
        strcmp(resolved + size - 2, ":0") == 0)
        resolved[size - 1] = '*';
}

static enum error_code failed(struct error *error, const char *what, const char *endpoint)
{
    int number = zmq_errno();
    enum error_code code = number == EINVAL || number == ENODEV || number == ENOENT ||
                                   number == EADDRNOTAVAIL || number == EPROTONOSUPPORT ||
                                   number == ECONNREFUSED
                               ? ERROR_CONFIG
                               : ERROR_IO;
    return error_set(error, code, "cannot %s \"%s\": %s", what, endpoint,
                     zmq_strerror(number));
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_common(struct zmq_state *state)
{
    void *socket = state->socket;
    int64_t size_max = (int64_t)state->max_frame_size;
    bool is_ipv6 = strchr(state->endpoint, '[') != NULL;
    return set_int(socket, ZMQ_LINGER, 0) &&
           set_int(socket, ZMQ_SNDHWM, FRAMES_QUEUED_MAX) &&
           set_int(socket, ZMQ_RCVHWM, FRAMES_QUEUED_MAX) &&
           set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) &&
           set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS_MAX) &&
           set_int(socket, ZMQ_TCP_MAXRT, SILENT_TCP_MS) &&
           set_int(socket, ZMQ_BACKLOG, BACKLOG) &&
           (!is_ipv6 || set_int(socket, ZMQ_IPV6, 1)) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof size_max) == 0;
}

/* A worker's name: random, for nobody else may have it; the first byte of a name that a
 * peer chooses itself must not be 0. */
static bool set_name(void *socket)
{
    unsigned char name[NAME_SIZE];
    FILE *file = fopen("/dev/urandom", "rb");
    if (!file)
        return false;
    size_t got = fread(name, 1, sizeof name, file);
    (void)fclose(file);
    name[0] |= 1;
    return got == sizeof name &&
           zmq_setsockopt(socket, ZMQ_ROUTING_ID, name, sizeof name) == 0;
}

static bool set_server_keys(struct zmq_state *state, const struct zmq_keys *keys)
{
    state->authenticator = zmq_socket(state->context, ZMQ_REP);
    return state->authenticator && set_int(state->authenticator, ZMQ_LINGER, 0) &&
           zmq_bind(state->authenticator, "inproc://zeromq.zap.01") == 0 &&
           zmq_z85_decode(state->client_key, keys->client_public) &&
           set_int(state->socket, ZMQ_CURVE_SERVER, 1) &&
           zmq_setsockopt(state->socket, ZMQ_ZAP_DOMAIN, "millrace", 8) == 0 &&
           zmq_setsockopt(state->socket, ZMQ_CURVE_SECRETKEY, keys->server_secret,
                          ZMQ_KEY_SIZE) == 0;
}

static bool set_client_keys(struct zmq_state *state, const struct zmq_keys *keys)
{
    return zmq_setsockopt(state->socket, ZMQ_CURVE_SERVERKEY, keys->server_public,
                          ZMQ_KEY_SIZE) == 0 &&
           zmq_setsockopt(state->socket, ZMQ_CURVE_PUBLICKEY, keys->client_public,
                          ZMQ_KEY_SIZE) == 0 &&
           zmq_setsockopt(state->socket, ZMQ_CURVE_SECRETKEY, keys->client_secret,
                          ZMQ_KEY_SIZE) == 0;
}

static enum error_code set_keys(struct zmq_state *state, const char *path,
                                struct error *error)
{
    struct zmq_keys keys;
    if (!path || strncmp(state->endpoint, "tcp://", 6) != 0)
        return OK;
    if (!zmq_has("curve"))
        return error_set(error, ERROR_CONFIG,
                         "this libzmq was built without CURVE: keys cannot be used");
    enum error_code code = zmq_keys_load(path, &keys, error);
    if (code != OK)
        return code;
    bool is_set = state->role == TRANSPORT_COORDINATOR ? set_server_keys(state, &keys)
                                                       : set_client_keys(state, &keys);
    memset(&keys, 0, sizeof keys);
    if (!is_set)
        return error_set(error, ERROR_CONFIG, "keys \"%s\" do not work: %s", path,
                         zmq_strerror(zmq_errno()));
    return OK;
}

static enum error_code bind_socket(struct zmq_state *state, struct error *error)
{
    if (!set_int(state->socket, ZMQ_ROUTER_MANDATORY, 1) ||
        !set_int(state->socket, ZMQ_ROUTER_HANDOVER, 1) ||
        zmq_bind(state->socket, state->endpoint) != 0)
        return failed(error, "bind", state->endpoint);
    size_t size = sizeof state->endpoint;
    if (zmq_getsockopt(state->socket, ZMQ_LAST_ENDPOINT, state->endpoint, &size) != 0)
        return failed(error, "ask for the port of", state->endpoint);
    return OK;
}

/* Over tcp a worker is told when the coordinator will not have it. */
static bool set_monitor(struct zmq_state *state)
{
    static const char place[] = "inproc://monitor";
    if (strncmp(state->endpoint, "tcp://", 6) != 0)
        return true;
    state->monitor = zmq_socket(state->context, ZMQ_PAIR);
    return state->monitor && set_int(state->monitor, ZMQ_LINGER, 0) &&
           zmq_socket_monitor(state->socket, place,
                              ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                                  ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) == 0 &&
           zmq_connect(state->monitor, place) == 0;
}

static enum error_code connect_socket(struct zmq_state *state, struct error *error)
{
    if (!set_monitor(state))
        return failed(error, "watch the connection to", state->endpoint);
    if (!set_name(state->socket) || zmq_connect(state->socket, state->endpoint) != 0)
        return failed(error, "connect to", state->endpoint);
    return OK;
}

static enum error_code zmq_open(struct transport *self, enum transport_role role,
                                const struct transport_options *options,
                                struct error *error)
{
    struct zmq_state *state = self->state;
    enum error_code code = check_endpoint(options->endpoint, role, error);
    if (code != OK)
        return code;
    state->role = role;
    state->max_frame_size =
        options->max_frame_size ? options->max_frame_size : FRAME_SIZE_DEFAULT;
    if (role == TRANSPORT_COORDINATOR)
        resolve_bind(options->endpoint, state->endpoint);
    else
        (void)snprintf(state->endpoint, sizeof state->endpoint, "%s", options->endpoint);
    state->context = zmq_ctx_new();
    if (state->context)
        state->socket = zmq_socket(
            state->context, role == TRANSPORT_COORDINATOR ? ZMQ_ROUTER : ZMQ_DEALER);
    if (!state->socket || !set_common(state))
        return failed(error, "open a socket for", state->endpoint);
    code = set_keys(state, options->keys, error);
    if (code != OK)
        return code;
    return role == TRANSPORT_COORDINATOR ? bind_socket(state, error)
                                         : connect_socket(state, error);
}

static const char *zmq_endpoint(struct transport *self)
{
    const struct zmq_state *state = self->state;
    return state->endpoint;
}

/* ---- sending ---- */

static int send_part(void *socket, const void *data, size_t size, int flags)
{
    int sent;
    do
        sent = zmq_send(socket, data, size, flags | ZMQ_DONTWAIT);
    while (sent < 0 && zmq_errno() == EINTR);
    return sent;
}

static enum error_code zmq_send_frame(struct transport *self, peer_id to,
                                      const void *data, size_t size, struct error *error)
{
    struct zmq_state *state = self->state;
    int sent = 0;
    if (size > state->max_frame_size)
        return error_set(error, ERROR_FATAL, "frame of %zu bytes, %zu are allowed", size,
                         state->max_frame_size);
    if (state->role == TRANSPORT_COORDINATOR) {
        if (to == 0 || to > state->peer_count)
            return error_set(error, ERROR_FATAL, "there is no peer %u", (unsigned)to);
        sent = send_part(state->socket, peer_name(state, to), NAME_SIZE, ZMQ_SNDMORE);
    }
    if (sent >= 0)
        sent = send_part(state->socket, data, size, 0);
    if (sent >= 0)
        return OK;
    int number = zmq_errno();
    enum error_code code =
        number == EAGAIN || number == EHOSTUNREACH ? ERROR_TRANSIENT : ERROR_IO;
    return error_set(error, code, "cannot send to peer %u: %s", (unsigned)to,
                     zmq_strerror(number));
}

/* ---- receiving ---- */

static bool receive_part(void *socket, zmq_msg_t *part)
{
    int got;
    do
        got = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
    while (got < 0 && zmq_errno() == EINTR);
    return got >= 0;
}

/* Throw the rest of a message away. */
static void skip_parts(void *socket)
{
    zmq_msg_t part;
    int has_more = 1;
    while (has_more) {
        (void)zmq_msg_init(&part);
        has_more = receive_part(socket, &part) && zmq_msg_more(&part);
        (void)zmq_msg_close(&part);
    }
}

static void drop_message(struct zmq_state *state)
{
    (void)zmq_msg_close(&state->message);
    state->has_message = false;
}

/* Read a worker's name. False: nothing there, or not a worker of ours. */
static bool receive_name(struct zmq_state *state, peer_id *from, bool *is_empty)
{
    zmq_msg_t part;
    (void)zmq_msg_init(&part);
    *is_empty = !receive_part(state->socket, &part);
    bool has_more = !*is_empty && zmq_msg_more(&part);
    *from = 0;
    if (has_more && zmq_msg_size(&part) == NAME_SIZE)
        *from = number_of(state, zmq_msg_data(&part));
    (void)zmq_msg_close(&part);
    if (has_more && *from == 0)
        skip_parts(state->socket);
    return has_more && *from != 0;
}

/* The next frame that is there already; frame->data stays NULL when there is none. */
static void take_frame(struct zmq_state *state, struct frame *frame)
{
    static const unsigned char nothing[1];
    for (;;) {
        peer_id from = 0;
        bool is_empty = false;
        if (state->role == TRANSPORT_COORDINATOR &&
            !receive_name(state, &from, &is_empty)) {
            if (is_empty)
                return;
            state->dropped++;
            continue;
        }
        (void)zmq_msg_init(&state->message);
        state->has_message = true;
        if (!receive_part(state->socket, &state->message)) {
            drop_message(state);
            return;
        }
        size_t size = zmq_msg_size(&state->message);
        if (!zmq_msg_more(&state->message) && size <= state->max_frame_size) {
            const unsigned char *data = zmq_msg_data(&state->message);
            *frame =
                (struct frame){.from = from, .data = data ? data : nothing, .size = size};
            return;
        }
        if (zmq_msg_more(&state->message))
            skip_parts(state->socket);
        drop_message(state);
        state->dropped++;
    }
}

/* Answer one question of ZAP 1.0: version, request, domain, address, identity, mechanism,
 * credentials. Only the key that our workers share is let in. */
static void authenticate(struct zmq_state *state)
{
    enum { REQUEST = 1, MECHANISM = 5, CREDENTIALS = 6 }; /* of the parts */
    unsigned char request[256];
    size_t request_size = 0;
    bool is_curve = false, is_known = false;
    int has_more = 1;
    for (int i = 0; has_more; i++) {
        zmq_msg_t part;
        (void)zmq_msg_init(&part);
        if (!receive_part(state->authenticator, &part)) {
            (void)zmq_msg_close(&part);
            return;
        }
        const void *data = zmq_msg_data(&part);
        size_t size = zmq_msg_size(&part);
        if (i == REQUEST && size <= sizeof request) {
            memcpy(request, data, size);
            request_size = size;
        }
        if (i == MECHANISM)
            is_curve = size == 5 && memcmp(data, "CURVE", 5) == 0;
        if (i == CREDENTIALS)
            is_known = is_curve && size == CLIENT_KEY_SIZE &&
                       memcmp(data, state->client_key, CLIENT_KEY_SIZE) == 0;
        has_more = zmq_msg_more(&part);
        (void)zmq_msg_close(&part);
    }
    void *socket = state->authenticator;
    (void)send_part(socket, "1.0", 3, ZMQ_SNDMORE);
    (void)send_part(socket, request, request_size, ZMQ_SNDMORE);
    (void)send_part(socket, is_known ? "200" : "400", 3, ZMQ_SNDMORE);
    (void)send_part(socket, is_known ? "OK" : "unknown key", is_known ? 2 : 11,
                    ZMQ_SNDMORE);
    (void)send_part(socket, "worker", is_known ? 6 : 0, ZMQ_SNDMORE);
    (void)send_part(socket, "", 0, 0);
}

/* Two failures are for good: a key that is not known, and keys on one side only. An event
 * is u16 event, u32 value, in the machine's byte order; its second part is the address. */
static enum error_code check_handshakes(struct zmq_state *state, struct error *error)
{
    uint16_t event = 0;
    uint32_t value = 0;
    zmq_msg_t part;
    (void)zmq_msg_init(&part);
    if (receive_part(state->monitor, &part) &&
        zmq_msg_size(&part) == sizeof event + sizeof value) {
        const unsigned char *data = zmq_msg_data(&part);
        memcpy(&event, data, sizeof event);
        memcpy(&value, data + sizeof event, sizeof value);
    }
    if (zmq_msg_more(&part))
        skip_parts(state->monitor);
    (void)zmq_msg_close(&part);
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return error_set(
            error, ERROR_CONFIG,
            "the coordinator at \"%s\" does not know the key of this worker: "
            "use its keys file",
            state->endpoint);
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
        value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        return error_set(error, ERROR_CONFIG,
                         "of the coordinator at \"%s\" and this worker only one uses "
                         "keys: give both the same \"--keys FILE\"",
                         state->endpoint);
    return OK;
}

/* The sockets and then the waits; NULL: no memory. */
static zmq_pollitem_t *poll_items(struct zmq_state *state,
                                  const struct transport_wait *waits, size_t wait_count,
                                  size_t *own_count)
{
    bytes_reset(&state->items);
    void *room =
        wait_count < (1 << 20)
            ? bytes_reserve(&state->items, (wait_count + 2) * sizeof(zmq_pollitem_t))
            : NULL;
    zmq_pollitem_t *items = room;
    if (!items)
        return NULL;
    size_t count = 0;
    items[count++] = (zmq_pollitem_t){.socket = state->socket, .events = ZMQ_POLLIN};
    void *helper = state->authenticator ? state->authenticator : state->monitor;
    if (helper)
        items[count++] = (zmq_pollitem_t){.socket = helper, .events = ZMQ_POLLIN};
    *own_count = count;
    for (size_t i = 0; i < wait_count; i++)
        items[count + i] = (zmq_pollitem_t){
            .fd = waits[i].fd,
            .events =
                (short)((waits[i].wants_write ? ZMQ_POLLOUT : ZMQ_POLLIN) | ZMQ_POLLERR)};
    return items;
}

/* Copy what was found, `items` NULL: nothing; is one of them ready? */
static bool set_ready(const zmq_pollitem_t *items, struct transport_wait *waits,
                      size_t wait_count)
{
    bool is_any = false;
    for (size_t i = 0; i < wait_count; i++) {
        waits[i].is_ready = items && items[i].revents != 0;
        is_any = is_any || waits[i].is_ready;
    }
    return is_any;
}

static enum error_code zmq_receive(struct transport *self, int timeout_ms,
                                   struct transport_wait *waits, size_t wait_count,
                                   struct frame *frame, struct error *error)
{
    struct zmq_state *state = self->state;
    *frame = (struct frame){0};
    if (state->has_message)
        drop_message(state);
    size_t own_count = 0;
    zmq_pollitem_t *items = poll_items(state, waits, wait_count, &own_count);
    if (!items) {
        (void)set_ready(NULL, waits, wait_count);
        return error_set(error, ERROR_MEMORY, "no memory to wait for %zu files",
                         wait_count);
    }
    int64_t until_us = timeout_ms > 0 ? clock_now_us() + timeout_ms * INT64_C(1000) : 0;
    int64_t left_ms = timeout_ms > 0 ? timeout_ms : 0;
    for (;;) {
        int found = zmq_poll(items, (int)(own_count + wait_count), (long)left_ms);
        int number = found < 0 ? zmq_errno() : 0;
        bool is_ready =
            set_ready(found > 0 ? items + own_count : NULL, waits, wait_count);
        if (number != 0 && number != EINTR)
            return error_set(error, ERROR_IO, "cannot wait for frames: %s",
                             zmq_strerror(number));
        bool is_helper_ready = found > 0 && own_count > 1 && items[1].revents != 0;
        if (is_helper_ready && state->authenticator)
            authenticate(state);
        if (is_helper_ready && state->monitor && check_handshakes(state, error) != OK)
            return ERROR_CONFIG;
        if (found > 0 && items[0].revents != 0)
            take_frame(state, frame);
        /* A signal ends the wait too: its handler may have set a flag of the caller's. */
        if (frame->data || is_ready || number == EINTR || left_ms == 0)
            return OK;
        int64_t left_us = until_us - clock_now_us();
        left_ms = left_us > 0 ? (left_us + 999) / 1000 : 0;
    }
}

static void zmq_close_all(struct transport *self, int drain_ms)
{
    struct zmq_state *state = self->state;
    if (state->has_message)
        drop_message(state);
    if (state->dropped > 0)
        log_at(LEVEL_DEBUG, "zmq: %llu foreign frames were dropped",
               (unsigned long long)state->dropped);
    if (state->monitor) {
        (void)zmq_socket_monitor(state->socket, NULL, 0);
        (void)zmq_close(state->monitor);
    }
    if (state->socket) {
        (void)set_int(state->socket, ZMQ_LINGER, drain_ms > 0 ? drain_ms : 0);
        (void)zmq_close(state->socket);
    }
    if (state->authenticator)
        (void)zmq_close(state->authenticator);
    if (state->context)
        while (zmq_ctx_term(state->context) != 0 && zmq_errno() == EINTR)
            ;
    bytes_clear(&state->items);
    bytes_clear(&state->names);
    bytes_clear(&state->slots);
    memset(state, 0, sizeof *state);
}

const struct transport_type transport_zmq = {
    .name = "zmq",
    .state_size = sizeof(struct zmq_state),
    .open = zmq_open,
    .endpoint = zmq_endpoint,
    .send = zmq_send_frame,
    .receive = zmq_receive,
    .close = zmq_close_all,
};

enum error_code zmq_keys_write(const char *path, struct error *error)
{
    struct zmq_keys keys;
    if (zmq_curve_keypair(keys.server_public, keys.server_secret) != 0 ||
        zmq_curve_keypair(keys.client_public, keys.client_secret) != 0)
        return error_set(error, ERROR_CONFIG, "this libzmq cannot make keys: %s",
                         zmq_strerror(zmq_errno()));
    return zmq_keys_save(path, &keys, error);
}
