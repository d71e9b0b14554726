/* channel.h - framed messages between a worker and one of its executors */
#ifndef WORKER_CHANNEL_H
#define WORKER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"

/* A frame is u32 size of what follows, u8 type, payload. Both ends are the same
 * executable, so that nothing but its length is checked twice. */
struct channel {
    int fd;          /* a stream socket, owned; -1: closed */
    struct bytes in; /* received, from in_at on not yet taken */
    size_t in_at;
    struct bytes out; /* to be sent, from out_at on */
    size_t out_at;
    bool is_closed; /* the other end is gone */
};

void channel_init(struct channel *channel, int fd);
void channel_clear(struct channel *channel); /* closes the descriptor */

/* Queue a frame; channel_flush() sends it. */
enum error_code channel_put(struct channel *channel, uint8_t type, const void *payload,
                            size_t size, struct error *error);
/* Send what can be sent: all of it (`is_blocking`) or as much as fits now. The other end
 * gone is no error: is_closed says so. */
enum error_code channel_flush(struct channel *channel, bool is_blocking,
                              struct error *error);
bool channel_has_output(const struct channel *channel);
/* Take in what has come, waiting at most timeout_ms (-1: for ever) for the first byte. */
enum error_code channel_fill(struct channel *channel, int timeout_ms,
                             struct error *error);
/* The next whole frame. The payload is borrowed until channel_fill(). */
bool channel_take(struct channel *channel, uint8_t *type, struct cursor *payload);

#endif
