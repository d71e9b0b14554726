/* hash.h - XXH3, the one hash in use; doorkeeper of xxhash */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t low, high;
};

uint64_t hash64(const void *data, size_t size, uint64_t seed);
struct hash128 hash128(const void *data, size_t size);
struct hash128 hash128_add(struct hash128 a, struct hash128 b); /* modulo 2^128 */
int hash128_is_equal(struct hash128 a, struct hash128 b);
/* 32 hex digits, high half first, and a zero. */
void hash128_format(struct hash128 value, char text[33]);

/* The same hash over pieces. */
struct hash_stream;                           /* heap object */
struct hash_stream *hash_stream_create(void); /* NULL: no memory */
void hash_stream_destroy(struct hash_stream *stream);
void hash_stream_update(struct hash_stream *stream, const void *data, size_t size);
struct hash128 hash_stream_value(const struct hash_stream *stream);

#endif
