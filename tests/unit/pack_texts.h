/* pack_texts.h - files for tests: written, and packed in gzip members or zstd frames */
#ifndef TESTS_UNIT_PACK_TEXTS_H
#define TESTS_UNIT_PACK_TEXTS_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"

/* A small generator of known numbers (splitmix64). */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

static inline void make_folder(char folder[64])
{
    (void)snprintf(folder, 64, "/tmp/millrace-test-XXXXXX");
    if (!mkdtemp(folder))
        abort();
}

static inline void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static inline uint32_t crc_of(const unsigned char *data, size_t size)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* One gzip member of stored blocks. */
static inline void put_member(struct bytes *out, const unsigned char *data, size_t size)
{
    static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    bytes_put(out, header, sizeof header);
    size_t at = 0;
    do {
        size_t block = size - at < 65535 ? size - at : 65535;
        bytes_put_u8(out, at + block == size);
        bytes_put_u16(out, (uint16_t)block);
        bytes_put_u16(out, (uint16_t)~block);
        bytes_put(out, data + at, block);
        at += block;
    } while (at < size);
    bytes_put_u32(out, crc_of(data, size));
    bytes_put_u32(out, (uint32_t)size);
}

/* One zstd frame of raw blocks, without a checksum. */
static inline void put_frame(struct bytes *out, const unsigned char *data, size_t size)
{
    bytes_put_u32(out, 0xfd2fb528u);
    bytes_put_u8(out, 0);
    bytes_put_u8(out, 0x38); /* a window of 128 KiB */
    size_t at = 0;
    do {
        size_t block = size - at < 5000 ? size - at : 5000;
        uint32_t header = (uint32_t)block << 3 | (at + block == size);
        bytes_put_u16(out, (uint16_t)header);
        bytes_put_u8(out, (uint8_t)(header >> 16));
        bytes_put(out, data + at, block);
        at += block;
    } while (at < size);
}

/* The data in parts of up to `part` bytes (at random), each a member or frame. */
static inline void put_parts(struct bytes *out, const unsigned char *data, size_t size,
                             size_t part, int is_zstd, uint64_t *seed)
{
    size_t at = 0;
    do {
        size_t piece = (size_t)random_below(seed, part + 1);
        if (piece > size - at)
            piece = size - at;
        if (is_zstd)
            put_frame(out, data + at, piece);
        else
            put_member(out, data + at, piece);
        at += piece;
    } while (at < size);
}

#endif
