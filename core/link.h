/* link.h - reliable, ordered messages over a transport that may lose, repeat, delay and
 * reorder frames */
#ifndef CORE_LINK_H
#define CORE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct bytes;

/* One end of a conversation between two incarnations: a coordinator's session and a
 * worker's process. Pure: frames go in and come out, time comes as an argument.
 *
 * Frame: u32 magic, u8 version, u8 flags, u16 zero, u64 sender, u64 receiver (0: not known
 * yet), u64 sequence (0: a bare acknowledgement), u64 acknowledged (all up to it were
 * delivered), then the message. A frame for another receiver incarnation is dropped; one
 * from another sender incarnation is LINK_STRANGER: the peer was started again. */
struct link; /* heap object */

enum link_event { LINK_NOTHING, LINK_MESSAGE, LINK_STRANGER, LINK_GARBAGE };

struct link_settings {
    int64_t resend_ms; /* first repetition of an unacknowledged frame; doubles to 8x */
    size_t window;     /* frames in flight; more wait in the queue */
    uint32_t reorder;  /* frames kept that came too early */
};

/* `self` is this incarnation, not 0. NULL: no memory. */
struct link *link_create(uint64_t self, const struct link_settings *settings);
void link_destroy(struct link *link);

/* Queue a message (copied). */
enum error_code link_send(struct link *link, const void *data, size_t size,
                          struct error *error);

/* A frame came. LINK_MESSAGE: link_next() has at least one message. */
enum link_event link_accept(struct link *link, const void *frame, size_t size,
                            int64_t now_ms);
/* The next message in order, or NULL. Borrowed until the next call on the link. */
const unsigned char *link_next(struct link *link, size_t *size);

/* The next frame to put on the transport now (new, repeated, or a bare acknowledgement),
 * or NULL. When the transport refuses it, call link_refused() and try later. Borrowed
 * until the next call on the link. */
const unsigned char *link_output(struct link *link, int64_t now_ms, size_t *size);
void link_refused(struct link *link);

/* When link_output() has something at the earliest; INT64_MAX: nothing is due. */
int64_t link_due_ms(const struct link *link);
size_t link_unacknowledged(const struct link *link);
uint64_t link_peer(const struct link *link); /* the other incarnation; 0: not known */

/* Sender incarnation of a frame, 0 when it is not a link frame: to find its link by. */
uint64_t link_frame_sender(const void *frame, size_t size);

#endif
