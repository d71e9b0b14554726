/* stream_decoder.h - what stream.c and the decoders of each compression share */
#ifndef CORE_STREAM_DECODER_H
#define CORE_STREAM_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/stream.h"

/* The compressed bytes: a window of the file. */
struct stream_source {
    int file;
    const char *path;
    unsigned char *data; /* owned by the stream */
    size_t at, size, capacity;
    uint64_t offset; /* of data[0] in the file */
    bool is_at_end;  /* nothing behind data + size */
};

/* Have at least `wanted` (at most the capacity) unread bytes, or all up to the end of
 * the file. ERROR_IO. */
enum error_code stream_source_fill(struct stream_source *source, size_t wanted,
                                   struct error *error);

struct stream_decoder; /* heap object of the decoder's own making */

struct stream_decoder_type {
    /* NULL: no memory. */
    struct stream_decoder *(*create)(void);
    void (*destroy)(struct stream_decoder *decoder);
    /* As stream_read(); stops at the end of each frame, so that every begin of one is
     * seen. *frame gets the file offset of the frame that the bytes are of. */
    enum error_code (*read)(struct stream_decoder *decoder, struct stream_source *source,
                            unsigned char *out, size_t capacity, size_t *size,
                            uint64_t *frame, enum stream_end *end, struct error *error);
};

extern const struct stream_decoder_type stream_gzip;
extern const struct stream_decoder_type stream_zstd;

#endif
