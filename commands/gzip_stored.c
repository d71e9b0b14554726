/* gzip_stored.c - a gzip file that is not compressed: the same bytes on every machine */
#include "commands/gzip_stored.h"

#include <stdbool.h>
#include <string.h>

#include "core/bytes.h"

enum { BLOCK_SIZE = 65535 }; /* RFC 1951, 3.2.4 */

/* CRC-32 of RFC 1952, four bits a step. */
static uint32_t crc_add(uint32_t crc, const unsigned char *data, size_t size)
{
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
                                       0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                       0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = table[(crc ^ data[i]) & 15] ^ (crc >> 4);
        crc = table[(crc ^ (uint32_t)(data[i] >> 4)) & 15] ^ (crc >> 4);
    }
    return ~crc;
}

static void put_head(struct gzip_stored *state, struct bytes *file)
{
    static const unsigned char head[] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255};
    if (!state->is_begun)
        bytes_put(file, head, sizeof head);
    state->is_begun = true;
}

static void put_block(struct gzip_stored *state, const unsigned char *data, size_t size,
                      bool is_last, struct bytes *file)
{
    bytes_put_u8(file, is_last);
    bytes_put_u16(file, (uint16_t)size);
    bytes_put_u16(file, (uint16_t)~size);
    bytes_put(file, data, size);
    state->crc = crc_add(state->crc, data, size);
    state->size += (uint32_t)size;
}

void gzip_stored_put(struct gzip_stored *state, struct bytes *plain, struct bytes *file)
{
    size_t at = 0;
    for (; plain->size - at >= BLOCK_SIZE; at += BLOCK_SIZE) {
        put_head(state, file);
        put_block(state, plain->data + at, BLOCK_SIZE, false, file);
    }
    if (at == 0)
        return;
    memmove(plain->data, plain->data + at, plain->size - at);
    plain->size -= at;
}

void gzip_stored_end(struct gzip_stored *state, struct bytes *plain, struct bytes *file)
{
    static const unsigned char nothing[1];
    gzip_stored_put(state, plain, file);
    put_head(state, file);
    put_block(state, plain->size ? plain->data : nothing, plain->size, true, file);
    bytes_put_u32(file, state->crc);
    bytes_put_u32(file, state->size);
    bytes_reset(plain);
    *state = (struct gzip_stored){0};
}
