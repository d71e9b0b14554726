/* peers.c - the coordinator's conversations with its workers */
#include <stdlib.h>
#include <string.h>

#include "coordinator/coordinator_state.h"
#include "core/clock.h"
#include "core/log.h"

static const struct link_settings link_settings = {
    .resend_ms = 200, .window = 256, .reorder = 256};

struct peer *peers_find(struct coordinator *coordinator, peer_id id)
{
    for (size_t i = 0; i < coordinator->peer_count; i++)
        if (coordinator->peers[i].id == id)
            return &coordinator->peers[i];
    return NULL;
}

struct peer *peers_by_number(struct coordinator *coordinator, uint32_t number)
{
    for (size_t i = 0; number && i < coordinator->peer_count; i++)
        if (coordinator->peers[i].number == number && coordinator->peers[i].link)
            return &coordinator->peers[i];
    return NULL;
}

static struct peer *add_peer(struct coordinator *coordinator, peer_id id)
{
    struct peer *grown = array_grow(coordinator->peers, &coordinator->peer_capacity,
                                    coordinator->peer_count + 1, sizeof *grown);
    if (!grown)
        return NULL;
    coordinator->peers = grown;
    struct peer *peer = &coordinator->peers[coordinator->peer_count];
    *peer = (struct peer){.id = id};
    peer->link = link_create(lock_session(coordinator->settings->lock), &link_settings);
    if (!peer->link)
        return NULL;
    coordinator->peer_count++;
    return peer;
}

enum error_code peers_take_frame(struct coordinator *coordinator,
                                 const struct frame *frame, int64_t now_ms,
                                 struct error *error)
{
    uint64_t sender = link_frame_sender(frame->data, frame->size);
    if (sender == 0)
        return OK; /* no frame of ours */
    struct peer *peer = peers_find(coordinator, frame->from);
    enum error_code code = OK;
    if (peer && peer->link && link_peer(peer->link) && link_peer(peer->link) != sender) {
        /* The same address, another process: the one before it is gone. */
        code = dispatch_gone(coordinator, peer, now_ms, error);
        peer = peers_find(coordinator, frame->from);
        if (code == OK && peer) {
            *peer = (struct peer){.id = frame->from};
            peer->link =
                link_create(lock_session(coordinator->settings->lock), &link_settings);
        }
    }
    if (code == OK && !peer)
        peer = add_peer(coordinator, frame->from);
    if (code != OK)
        return code;
    if (!peer || (!peer->link && !peer->is_leaving))
        return error_set(error, ERROR_MEMORY, "no memory for a worker");
    if (!peer->link)
        return OK;
    enum link_event event = link_accept(peer->link, frame->data, frame->size, now_ms);
    if (event == LINK_STRANGER || event == LINK_GARBAGE)
        return OK; /* of an earlier session, or noise */
    peer->heard_ms = now_ms;
    peer_id id = peer->id;
    for (;;) {
        size_t size;
        peer = peers_find(coordinator, id); /* the list may have moved */
        const unsigned char *data =
            peer && peer->link ? link_next(peer->link, &size) : NULL;
        if (!data)
            return OK;
        code = dispatch_message(coordinator, peer, data, size, now_ms, error);
        if (code == ERROR_DAMAGED) {
            log_at(LEVEL_WARNING, "worker %u sent what is no message: %s", peer->number,
                   error ? error->text : "");
            code = OK;
        }
        if (code != OK)
            return code;
    }
}

enum error_code peers_pump(struct coordinator *coordinator, int64_t now_ms,
                           struct error *error)
{
    struct transport *transport = coordinator->settings->transport;
    for (size_t i = 0; i < coordinator->peer_count; i++) {
        struct peer *peer = &coordinator->peers[i];
        const unsigned char *frame;
        size_t size;
        while (peer->link && (frame = link_output(peer->link, now_ms, &size)) != NULL) {
            enum error_code code =
                transport->type->send(transport, peer->id, frame, size, error);
            if (code == ERROR_TRANSIENT) {
                link_refused(peer->link);
                break;
            }
            if (code != OK)
                return code;
        }
    }
    return OK;
}

int64_t peers_due_ms(const struct coordinator *coordinator)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < coordinator->peer_count; i++) {
        const struct peer *peer = &coordinator->peers[i];
        if (peer->link && link_due_ms(peer->link) < due)
            due = link_due_ms(peer->link);
    }
    return due;
}

enum error_code peers_send(struct coordinator *coordinator, struct peer *peer,
                           const struct message *message, struct error *error)
{
    bytes_reset(&coordinator->message);
    message_write(message, &coordinator->message);
    if (coordinator->message.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a message");
    return link_send(peer->link, coordinator->message.data, coordinator->message.size,
                     error);
}

enum error_code peers_send_all(struct coordinator *coordinator,
                               const struct message *message, struct error *error)
{
    enum error_code code = OK;
    for (size_t i = 0; code == OK && i < coordinator->peer_count; i++)
        if (coordinator->peers[i].link &&
            (coordinator->peers[i].number || message->type == MESSAGE_BYE))
            code = peers_send(coordinator, &coordinator->peers[i], message, error);
    return code;
}

void peers_absorb(struct coordinator *coordinator, int timeout_ms)
{
    struct transport *transport = coordinator->settings->transport;
    struct frame frame = {0};
    (void)peers_pump(coordinator, clock_now_ms(), NULL);
    (void)transport->type->receive(transport, timeout_ms, NULL, 0, &frame, NULL);
    struct peer *peer = frame.data ? peers_find(coordinator, frame.from) : NULL;
    if (frame.data && !peer && link_frame_sender(frame.data, frame.size)) {
        struct message bye = {.type = MESSAGE_BYE}; /* it came too late */
        peer = add_peer(coordinator, frame.from);
        if (peer)
            (void)peers_send(coordinator, peer, &bye, NULL);
    }
    if (!peer || !peer->link)
        return;
    size_t size;
    (void)link_accept(peer->link, frame.data, frame.size, clock_now_ms());
    while (link_next(peer->link, &size))
        continue;
}

void peers_clear(struct coordinator *coordinator)
{
    for (size_t i = 0; i < coordinator->peer_count; i++)
        link_destroy(coordinator->peers[i].link);
    free(coordinator->peers);
    coordinator->peers = NULL;
    coordinator->peer_count = coordinator->peer_capacity = 0;
}
