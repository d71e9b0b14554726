/* message_pack.c - the part of MessagePack that volumes use: maps, arrays, texts, binaries,
 * numbers from 0 on */
#include "core/message_pack.h"

#include <string.h>

#include "core/bytes.h"

/* First bytes, as the MessagePack specification names them. */
enum {
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    NIL = 0xc0,
    BIN8 = 0xc4,
    BIN16 = 0xc5,
    BIN32 = 0xc6,
    UINT8 = 0xcc,
    UINT16 = 0xcd,
    UINT32 = 0xce,
    UINT64 = 0xcf,
    STR8 = 0xd9,
    STR16 = 0xda,
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    MAP16 = 0xde,
    MAP32 = 0xdf
};

/* Numbers are big-endian in MessagePack. */
static void put_head(struct bytes *out, uint8_t first, uint64_t value, size_t width)
{
    unsigned char raw[9] = {first};
    for (size_t i = 0; i < width; i++)
        raw[1 + i] = (unsigned char)(value >> (8 * (width - 1 - i)));
    bytes_put(out, raw, 1 + width);
}

static void put_count(struct bytes *out, uint8_t fixed, uint8_t wide16, uint32_t count)
{
    if (count < 16)
        bytes_put_u8(out, (uint8_t)(fixed | count));
    else if (count <= UINT16_MAX)
        put_head(out, wide16, count, 2);
    else
        put_head(out, (uint8_t)(wide16 + 1), count, 4);
}

void message_pack_map(struct bytes *out, uint32_t count)
{
    put_count(out, FIXMAP, MAP16, count);
}

void message_pack_array(struct bytes *out, uint32_t count)
{
    put_count(out, FIXARRAY, ARRAY16, count);
}

void message_pack_number(struct bytes *out, uint64_t value)
{
    if (value < 128)
        bytes_put_u8(out, (uint8_t)value);
    else if (value <= UINT8_MAX)
        put_head(out, UINT8, value, 1);
    else if (value <= UINT16_MAX)
        put_head(out, UINT16, value, 2);
    else if (value <= UINT32_MAX)
        put_head(out, UINT32, value, 4);
    else
        put_head(out, UINT64, value, 8);
}

void message_pack_nil(struct bytes *out)
{
    bytes_put_u8(out, NIL);
}

/* `wide8` and the two codes behind it stand for 8, 16 and 32-bit sizes. */
static void put_size(struct bytes *out, uint8_t wide8, uint32_t size)
{
    if (size <= UINT8_MAX)
        put_head(out, wide8, size, 1);
    else if (size <= UINT16_MAX)
        put_head(out, (uint8_t)(wide8 + 1), size, 2);
    else
        put_head(out, (uint8_t)(wide8 + 2), size, 4);
}

void message_pack_text(struct bytes *out, const char *text)
{
    size_t size = strlen(text);
    if (size > UINT32_MAX) {
        out->is_bad = true;
        return;
    }
    if (size < 32)
        bytes_put_u8(out, (uint8_t)(FIXSTR | size));
    else
        put_size(out, STR8, (uint32_t)size);
    bytes_put(out, text, size);
}

void message_pack_binary_head(struct bytes *out, uint32_t size)
{
    put_size(out, BIN8, size);
}

void message_pack_binary(struct bytes *out, const void *data, uint32_t size)
{
    put_size(out, BIN8, size);
    bytes_put(out, data, size);
}

static uint64_t read_big(struct cursor *cursor, size_t width)
{
    const unsigned char *at = cursor_take(cursor, width);
    uint64_t value = 0;
    for (size_t i = 0; at && i < width; i++)
        value = value << 8 | at[i];
    return value;
}

static void read_run(struct cursor *cursor, enum message_pack_type type, uint64_t size,
                     struct message_pack_item *item)
{
    item->type = type;
    if (size > cursor_left(cursor))
        cursor->is_bad = true;
    item->size = (size_t)size;
    item->data = cursor_take(cursor, (size_t)size);
}

static void read_count(struct cursor *cursor, enum message_pack_type type, uint64_t count,
                       struct message_pack_item *item)
{
    item->type = type;
    item->number = count;
    if (count > cursor_left(cursor))
        cursor->is_bad = true;
}

static void read_number(uint64_t value, struct message_pack_item *item)
{
    item->type = PACK_NUMBER;
    item->number = value;
}

bool message_pack_read(struct cursor *cursor, struct message_pack_item *item)
{
    *item = (struct message_pack_item){.type = PACK_NIL};
    uint8_t first = cursor_u8(cursor);
    if (cursor->is_bad)
        return false;
    if (first < FIXMAP)
        read_number(first, item);
    else if (first < FIXARRAY)
        read_count(cursor, PACK_MAP, first & 15, item);
    else if (first < FIXSTR)
        read_count(cursor, PACK_ARRAY, first & 15, item);
    else if (first < NIL)
        read_run(cursor, PACK_TEXT, first & 31, item);
    else if (first >= BIN8 && first <= BIN32)
        read_run(cursor, PACK_BINARY, read_big(cursor, (size_t)1 << (first - BIN8)),
                 item);
    else if (first >= UINT8 && first <= UINT64)
        read_number(read_big(cursor, (size_t)1 << (first - UINT8)), item);
    else if (first >= STR8 && first <= STR32)
        read_run(cursor, PACK_TEXT, read_big(cursor, (size_t)1 << (first - STR8)), item);
    else if (first == ARRAY16 || first == ARRAY32)
        read_count(cursor, PACK_ARRAY, read_big(cursor, first == ARRAY16 ? 2 : 4), item);
    else if (first == MAP16 || first == MAP32)
        read_count(cursor, PACK_MAP, read_big(cursor, first == MAP16 ? 2 : 4), item);
    else if (first != NIL)
        cursor->is_bad = true;
    return !cursor->is_bad;
}

bool message_pack_read_as(struct cursor *cursor, enum message_pack_type type,
                          struct message_pack_item *item)
{
    if (message_pack_read(cursor, item) && item->type != type)
        cursor->is_bad = true;
    return !cursor->is_bad;
}

bool message_pack_is_text(const struct message_pack_item *item, const char *text)
{
    return item->type == PACK_TEXT && item->size == strlen(text) &&
           memcmp(item->data, text, item->size) == 0;
}
