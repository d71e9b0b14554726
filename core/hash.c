/* hash.c - XXH3, the one hash in use; doorkeeper of xxhash */
#include "core/hash.h"

#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct hash_stream {
    XXH3_state_t *state;
};

uint64_t hash64(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

struct hash128 hash128(const void *data, size_t size)
{
    XXH128_hash_t value = XXH3_128bits(data, size);
    return (struct hash128){.low = value.low64, .high = value.high64};
}

struct hash128 hash128_add(struct hash128 a, struct hash128 b)
{
    struct hash128 sum = {.low = a.low + b.low, .high = a.high + b.high};
    sum.high += sum.low < a.low;
    return sum;
}

int hash128_is_equal(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

void hash128_format(struct hash128 value, char text[33])
{
    (void)snprintf(text, 33, "%016llx%016llx", (unsigned long long)value.high,
                   (unsigned long long)value.low);
}

struct hash_stream *hash_stream_create(void)
{
    struct hash_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->state = XXH3_createState();
    if (!stream->state) {
        free(stream);
        return NULL;
    }
    (void)XXH3_128bits_reset(stream->state);
    return stream;
}

void hash_stream_destroy(struct hash_stream *stream)
{
    if (!stream)
        return;
    (void)XXH3_freeState(stream->state);
    free(stream);
}

void hash_stream_update(struct hash_stream *stream, const void *data, size_t size)
{
    (void)XXH3_128bits_update(stream->state, data, size);
}

struct hash128 hash_stream_value(const struct hash_stream *stream)
{
    XXH128_hash_t value = XXH3_128bits_digest(stream->state);
    return (struct hash128){.low = value.low64, .high = value.high64};
}
