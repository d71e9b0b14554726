/* stream.h - a compressed (or plain) file as a stream of decompressed bytes */
#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/manifest.h"

/* Doorkeepers: core/stream_gzip.c (isa-l), core/stream_zstd.c. */
struct stream; /* heap object */

/* A place where decompression can start: the begin of a zstd frame or a gzip member. */
struct stream_entry {
    uint64_t compressed, decompressed; /* offsets */
};

enum stream_end {
    STREAM_MORE,      /* not at the end */
    STREAM_COMPLETE,  /* the file ended where it should */
    STREAM_TRUNCATED, /* the file ended in the middle */
    STREAM_CORRUPT    /* the bytes at this place make no sense */
};

/* `entry` NULL: from the start. ERROR_IO. *stream is owned by the caller. */
enum error_code stream_open(const char *path, enum compression compression,
                            const struct stream_entry *entry, struct stream **stream,
                            struct error *error);
void stream_close(struct stream *stream);

/* Write up to `capacity` decompressed bytes to `out`; *size is 0 only at the end, and
 * *end then says how it ended. Bytes before a truncation or corruption are delivered.
 * ERROR_IO: the file cannot be read; ERROR_MEMORY. */
enum error_code stream_read(struct stream *stream, unsigned char *out, size_t capacity,
                            size_t *size, enum stream_end *end, struct error *error);

/* Decompressed bytes delivered so far, counted from the start of the file. */
uint64_t stream_position(const struct stream *stream);
/* The latest frame or member begun at or before stream_position(). */
struct stream_entry stream_latest_entry(const struct stream *stream);

#endif
