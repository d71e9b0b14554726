/* bytes.c - growing byte strings, and little-endian numbers in them */
#include "core/bytes.h"

#include <stdlib.h>
#include <string.h>

bool size_multiply(size_t a, size_t b, size_t *product)
{
    if (a != 0 && b > SIZE_MAX / a)
        return false;
    *product = a * b;
    return true;
}

void *array_grow(void *items, size_t *capacity, size_t wanted, size_t element)
{
    size_t size, larger = *capacity + *capacity / 2 + 8;
    if (wanted <= *capacity && items)
        return items;
    if (larger < wanted)
        larger = wanted;
    if (!size_multiply(larger, element, &size) || size == 0)
        return NULL;
    unsigned char *grown = realloc(items, size);
    if (!grown)
        return NULL;
    memset(grown + *capacity * element, 0, size - *capacity * element);
    *capacity = larger;
    return grown;
}

void bytes_clear(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

void bytes_reset(struct bytes *bytes)
{
    bytes->size = 0;
    bytes->is_bad = false;
}

unsigned char *bytes_reserve(struct bytes *bytes, size_t size)
{
    if (bytes->is_bad)
        return NULL;
    if (bytes->capacity - bytes->size >= size && bytes->data)
        return bytes->data + bytes->size;
    size_t wanted = bytes->capacity < 256 ? 256 : bytes->capacity;
    if (size > SIZE_MAX / 4 - bytes->size) {
        bytes->is_bad = true;
        return NULL;
    }
    while (wanted - bytes->size < size)
        wanted += wanted / 2;
    unsigned char *grown = realloc(bytes->data, wanted);
    if (!grown) {
        bytes->is_bad = true;
        return NULL;
    }
    bytes->data = grown;
    bytes->capacity = wanted;
    return bytes->data + bytes->size;
}

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    unsigned char *room = bytes_reserve(bytes, size);
    if (!room || size == 0)
        return;
    memcpy(room, data, size);
    bytes->size += size;
}

void bytes_put_u8(struct bytes *bytes, uint8_t value)
{
    bytes_put(bytes, &value, 1);
}

static void put_little(struct bytes *bytes, uint64_t value, size_t width)
{
    unsigned char raw[8];
    for (size_t i = 0; i < width; i++)
        raw[i] = (unsigned char)(value >> (8 * i));
    bytes_put(bytes, raw, width);
}

void bytes_put_u16(struct bytes *bytes, uint16_t value)
{
    put_little(bytes, value, 2);
}

void bytes_put_u32(struct bytes *bytes, uint32_t value)
{
    put_little(bytes, value, 4);
}

void bytes_put_u64(struct bytes *bytes, uint64_t value)
{
    put_little(bytes, value, 8);
}

void bytes_put_varint(struct bytes *bytes, uint64_t value)
{
    unsigned char raw[10];
    size_t n = 0;
    do {
        raw[n] = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
        n++;
        value >>= 7;
    } while (value);
    bytes_put(bytes, raw, n);
}

void bytes_put_text(struct bytes *bytes, const void *text, size_t n)
{
    bytes_put_varint(bytes, n);
    bytes_put(bytes, text, n);
}

struct cursor cursor_over(const void *data, size_t size)
{
    static const unsigned char nothing[1];
    const unsigned char *at = data ? data : nothing;
    return (struct cursor){.at = at, .end = at + size, .is_bad = false};
}

size_t cursor_left(const struct cursor *cursor)
{
    return cursor->is_bad ? 0 : (size_t)(cursor->end - cursor->at);
}

const unsigned char *cursor_take(struct cursor *cursor, size_t size)
{
    if (cursor->is_bad || (size_t)(cursor->end - cursor->at) < size) {
        cursor->is_bad = true;
        return NULL;
    }
    const unsigned char *at = cursor->at;
    cursor->at += size;
    return at;
}

static uint64_t take_little(struct cursor *cursor, size_t width)
{
    const unsigned char *at = cursor_take(cursor, width);
    uint64_t value = 0;
    for (size_t i = 0; at && i < width; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

uint8_t cursor_u8(struct cursor *cursor)
{
    return (uint8_t)take_little(cursor, 1);
}

uint16_t cursor_u16(struct cursor *cursor)
{
    return (uint16_t)take_little(cursor, 2);
}

uint32_t cursor_u32(struct cursor *cursor)
{
    return (uint32_t)take_little(cursor, 4);
}

uint64_t cursor_u64(struct cursor *cursor)
{
    return take_little(cursor, 8);
}

uint64_t cursor_varint(struct cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned char *at = cursor_take(cursor, 1);
        if (!at)
            return 0;
        if (shift == 63 && *at > 1)
            break;
        value |= (uint64_t)(*at & 127) << shift;
        if (*at < 128)
            return value;
    }
    cursor->is_bad = true;
    return 0;
}

const char *cursor_text(struct cursor *cursor, size_t *n)
{
    uint64_t size = cursor_varint(cursor);
    if (size > cursor_left(cursor)) {
        cursor->is_bad = true;
        size = 0;
    }
    *n = (size_t)size;
    return (const char *)cursor_take(cursor, (size_t)size);
}

uint32_t load_u32(const void *at)
{
    const unsigned char *p = at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

uint64_t load_u64(const void *at)
{
    return load_u32(at) | (uint64_t)load_u32((const unsigned char *)at + 4) << 32;
}

void store_u32(void *at, uint32_t value)
{
    unsigned char *p = at;
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (8 * i));
}

void store_u64(void *at, uint64_t value)
{
    unsigned char *p = at;
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(value >> (8 * i));
}

uint32_t load_u32_big(const void *at)
{
    const unsigned char *p = at;
    return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 |
           (uint32_t)p[0] << 24;
}

uint64_t load_u64_big(const void *at)
{
    return (uint64_t)load_u32_big(at) << 32 | load_u32_big((const unsigned char *)at + 4);
}

void store_u32_big(void *at, uint32_t value)
{
    unsigned char *p = at;
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (8 * (3 - i)));
}

void store_u64_big(void *at, uint64_t value)
{
    store_u32_big(at, (uint32_t)(value >> 32));
    store_u32_big((unsigned char *)at + 4, (uint32_t)value);
}
