/* bytes.h - growing byte strings, and little-endian numbers in them */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False when a * b does not fit into size_t; *product is then unchanged. */
bool size_multiply(size_t a, size_t b, size_t *product);

/* Make an array of `*capacity` elements hold at least `wanted`; it grows by half and more,
 * new elements are zero. `items` (NULL: none yet) is owned by the caller, who frees it with
 * free(), and is taken: use the result. NULL: no memory, `items` is as it was. */
void *array_grow(void *items, size_t *capacity, size_t wanted, size_t element);

/* A byte string that grows. {0} is an empty one. A failed growth sets `is_bad` and
 * makes every later put do nothing, so that a writer checks once, at the end. */
struct bytes {
    unsigned char *data; /* owned */
    size_t size, capacity;
    bool is_bad;
};

void bytes_clear(struct bytes *bytes); /* frees the memory; {0} again */
void bytes_reset(struct bytes *bytes); /* empty, memory kept */
/* Room for `size` bytes behind the end, or NULL. Does not move the end. */
unsigned char *bytes_reserve(struct bytes *bytes, size_t size);
void bytes_put(struct bytes *bytes, const void *data, size_t size);
void bytes_put_u8(struct bytes *bytes, uint8_t value);
void bytes_put_u16(struct bytes *bytes, uint16_t value);
void bytes_put_u32(struct bytes *bytes, uint32_t value);
void bytes_put_u64(struct bytes *bytes, uint64_t value);
void bytes_put_varint(struct bytes *bytes, uint64_t value);           /* LEB128 */
void bytes_put_text(struct bytes *bytes, const void *text, size_t n); /* varint + bytes */

/* A cursor over bytes from outside. A read past the end sets `is_bad` and returns 0
 * or NULL; every later read does so too, so that a reader checks once, at the end. */
struct cursor {
    const unsigned char *at, *end; /* borrowed */
    bool is_bad;
};

struct cursor cursor_over(const void *data, size_t size);
size_t cursor_left(const struct cursor *cursor);
const unsigned char *cursor_take(struct cursor *cursor, size_t size);
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
uint64_t cursor_varint(struct cursor *cursor);
const char *cursor_text(struct cursor *cursor, size_t *n); /* not zero-terminated */

/* Fixed-width numbers at a place in memory, any alignment. */
uint32_t load_u32(const void *at);
uint64_t load_u64(const void *at);
void store_u32(void *at, uint32_t value);
void store_u64(void *at, uint64_t value);
uint64_t load_u64_big(const void *at); /* big-endian: for keys that sort */
void store_u32_big(void *at, uint32_t value);
uint32_t load_u32_big(const void *at);
void store_u64_big(void *at, uint64_t value);

#endif
