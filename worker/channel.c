/* channel.c - framed messages between a worker and one of its executors */
#include "worker/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_HEAD = 5, READ_SIZE = 65536 };

void channel_init(struct channel *channel, int fd)
{
    *channel = (struct channel){.fd = fd};
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void channel_clear(struct channel *channel)
{
    if (channel->fd >= 0)
        (void)close(channel->fd);
    bytes_clear(&channel->in);
    bytes_clear(&channel->out);
    *channel = (struct channel){.fd = -1, .is_closed = true};
}

enum error_code channel_put(struct channel *channel, uint8_t type, const void *payload,
                            size_t size, struct error *error)
{
    if (channel->out_at == channel->out.size) {
        bytes_reset(&channel->out);
        channel->out_at = 0;
    }
    bytes_put_u32(&channel->out, (uint32_t)(size + 1));
    bytes_put_u8(&channel->out, type);
    bytes_put(&channel->out, payload, size);
    if (channel->out.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a message to an executor");
    return OK;
}

bool channel_has_output(const struct channel *channel)
{
    return !channel->is_closed && channel->out_at < channel->out.size;
}

enum error_code channel_flush(struct channel *channel, bool is_blocking,
                              struct error *error)
{
    while (channel_has_output(channel)) {
        ssize_t n = send(channel->fd, channel->out.data + channel->out_at,
                         channel->out.size - channel->out_at, MSG_NOSIGNAL);
        if (n > 0) {
            channel->out_at += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!is_blocking)
                return OK;
            struct pollfd wait = {.fd = channel->fd, .events = POLLOUT};
            (void)poll(&wait, 1, -1);
        } else if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            channel->is_closed = true;
        } else {
            return error_set_errno(error, ERROR_IO, errno, "cannot write to the channel");
        }
    }
    return OK;
}

/* Move what is not taken yet to the front. */
static void compact(struct channel *channel)
{
    size_t left = channel->in.size - channel->in_at;
    if (left && channel->in_at)
        memmove(channel->in.data, channel->in.data + channel->in_at, left);
    channel->in.size = left;
    channel->in_at = 0;
}

enum error_code channel_fill(struct channel *channel, int timeout_ms, struct error *error)
{
    compact(channel);
    struct pollfd wait = {.fd = channel->fd, .events = POLLIN};
    if (timeout_ms != 0 && poll(&wait, 1, timeout_ms) <= 0)
        return OK; /* a signal counts as nothing came */
    for (;;) {
        unsigned char *room = bytes_reserve(&channel->in, READ_SIZE);
        if (!room)
            return error_set(error, ERROR_MEMORY, "no memory for a message");
        ssize_t n = recv(channel->fd, room, READ_SIZE, 0);
        if (n > 0) {
            channel->in.size += (size_t)n;
            if (n < READ_SIZE)
                return OK;
        } else if (n == 0 || errno == ECONNRESET) {
            channel->is_closed = true;
            return OK;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return OK;
        } else if (errno != EINTR) {
            return error_set_errno(error, ERROR_IO, errno,
                                   "cannot read from the channel");
        }
    }
}

bool channel_take(struct channel *channel, uint8_t *type, struct cursor *payload)
{
    size_t left = channel->in.size - channel->in_at;
    const unsigned char *at = channel->in.data + channel->in_at;
    if (left < FRAME_HEAD)
        return false;
    size_t size = load_u32(at);
    if (left - 4 < size)
        return false;
    *type = at[4];
    *payload = cursor_over(at + FRAME_HEAD, size - 1);
    channel->in_at += 4 + size;
    return true;
}
