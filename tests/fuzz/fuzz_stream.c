/* fuzz_stream.c - damaged gzip and zstd: no crash or hang, the same bytes however read */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"
#include "core/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8 * 1024 * 1024 }; /* a small file may unpack to gigabytes */

static struct hash128 read_all(const char *path, enum compression compression,
                               size_t capacity, uint64_t *total, enum stream_end *end)
{
    static unsigned char room[256 * 1024];
    struct stream *stream = NULL;
    struct hash_stream *hash = hash_stream_create();
    size_t got = 1;
    *total = 0;
    if (!hash || stream_open(path, compression, NULL, &stream, NULL) != OK)
        abort();
    while (got > 0 && *total < MOST) {
        size_t left = (size_t)(MOST - *total);
        enum error_code code =
            stream_read(stream, room, left < capacity ? left : capacity, &got, end, NULL);
        if (code == ERROR_MEMORY)
            break;
        if (code != OK || (got == 0 && *end == STREAM_MORE))
            abort();
        hash_stream_update(hash, room, got);
        *total += got;
        struct stream_entry entry = stream_latest_entry(stream);
        if (entry.decompressed > stream_position(stream))
            abort();
    }
    struct hash128 value = hash_stream_value(hash);
    hash_stream_destroy(hash);
    stream_close(stream);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/fuzz-stream-%ld", (long)getpid());
    FILE *file = fopen(path, "wb");
    if (!file || size == 0)
        return file ? fclose(file) : 0;
    if (fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
    enum compression compression = data[0] == 0x1f ? COMPRESSION_GZIP : COMPRESSION_ZSTD;
    uint64_t totals[2];
    enum stream_end ends[2] = {STREAM_MORE, STREAM_MORE};
    struct hash128 large = read_all(path, compression, 256 * 1024, &totals[0], &ends[0]);
    struct hash128 small = read_all(path, compression, 333, &totals[1], &ends[1]);
    (void)unlink(path);
    if (totals[0] != totals[1] || ends[0] != ends[1] || !hash128_is_equal(large, small))
        abort();
    return 0;
}
