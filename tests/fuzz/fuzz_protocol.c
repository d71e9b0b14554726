/* fuzz_protocol.c - bytes from a peer: messages (first byte 'm') and link frames */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/link.h"
#include "core/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* What can be read is written to bytes that read the same. */
static void try_message(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(1 << 16, 64 << 20);
    struct error error;
    struct message message, again;
    struct bytes first = {0}, second = {0};
    require(arena != NULL);
    enum error_code code = message_read(data, size, arena, &message, &error);
    require(code == OK || code == ERROR_DAMAGED || code == ERROR_MEMORY);
    if (code == OK) {
        message_write(&message, &first);
        code = message_read(first.data, first.size, arena, &again, &error);
        require(code == OK || code == ERROR_MEMORY);
    }
    if (code == OK) {
        message_write(&again, &second);
        require(first.size == second.size &&
                memcmp(first.data, second.data, first.size) == 0);
    }
    bytes_clear(&first);
    bytes_clear(&second);
    arena_destroy(arena);
}

/* A frame whose numbers are small enough to mean something. */
static enum link_event accept_small(struct link *link, struct cursor *in, int64_t now_ms)
{
    unsigned char frame[40 + 16] = "MLK1\1";
    uint8_t sender = cursor_u8(in), receiver = cursor_u8(in);
    store_u64(frame + 8, 1 + sender % 4);
    store_u64(frame + 16, receiver % 3);
    store_u64(frame + 24, cursor_u8(in));
    store_u64(frame + 32, cursor_u8(in));
    size_t size = sizeof frame - cursor_u8(in) % 17;
    return link_accept(link, frame, size, now_ms);
}

/* A history of calls, chosen by the bytes. */
static void try_link(const uint8_t *data, size_t size)
{
    static const struct link_settings settings = {40, 8, 8};
    struct link *link = link_create(1, &settings);
    struct cursor in = cursor_over(data, size);
    int64_t now_ms = 0;
    require(link != NULL);
    while (cursor_left(&in) > 0) {
        uint8_t call = cursor_u8(&in);
        const unsigned char *part;
        size_t length = call >> 3;
        now_ms += call >> 5;
        switch (call & 7) {
        case 0:
            require(link_send(link, "0123456789abcdef0123456789abcdef", length, NULL) ==
                    OK);
            break;
        case 1:
        case 2:
            (void)accept_small(link, &in, now_ms);
            break;
        case 3: /* as it comes */
            length = length == 31 ? cursor_left(&in) : length;
            if (length <= cursor_left(&in))
                (void)link_accept(link, cursor_take(&in, length), length, now_ms);
            break;
        case 4:
            part = link_next(link, &length);
            require(!part || length <= 16 || length <= size);
            break;
        case 5:
            part = link_output(link, now_ms, &length);
            require(!part || link_frame_sender(part, length) == 1);
            break;
        case 6:
            link_refused(link);
            break;
        default:
            now_ms += 50;
            require(link_due_ms(link) >= 0);
        }
    }
    link_destroy(link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'm')
        try_message(data + 1, size - 1);
    else if (size > 0)
        try_link(data + 1, size - 1);
    return 0;
}
