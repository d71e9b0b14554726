/* stream_zstd.c - zstd frames as a stream; doorkeeper of zstd for reading */
#include "core/stream_decoder.h"

#include <stdlib.h>

#include <zstd.h>
#include <zstd_errors.h>

enum { WINDOW_LOG_MAX = 31 };

struct stream_decoder {
    ZSTD_DStream *stream;
    uint64_t frame; /* where the frame begins in the file */
    bool is_in_frame;
    enum stream_end end;
};

static void destroy(struct stream_decoder *decoder)
{
    if (!decoder)
        return;
    (void)ZSTD_freeDStream(decoder->stream);
    free(decoder);
}

static struct stream_decoder *create(void)
{
    struct stream_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return NULL;
    decoder->stream = ZSTD_createDStream();
    if (!decoder->stream || ZSTD_isError(ZSTD_initDStream(decoder->stream)) ||
        ZSTD_isError(ZSTD_DCtx_setParameter(decoder->stream, ZSTD_d_windowLogMax,
                                            WINDOW_LOG_MAX))) {
        destroy(decoder);
        return NULL;
    }
    return decoder;
}

/* Where a fault falls must not depend on how a caller reads: zstd forgets what it wrote
 * in a call that ends in an error. So a block is decoded without room to write to, and
 * written by a call of its own that has no input and cannot fail. */
static enum error_code decode_block(struct stream_decoder *decoder,
                                    struct stream_source *source, struct error *error)
{
    enum error_code code = stream_source_fill(source, 1, error);
    if (code != OK)
        return code;
    if (source->at == source->size) {
        decoder->end = decoder->is_in_frame ? STREAM_TRUNCATED : STREAM_COMPLETE;
        return OK;
    }
    if (!decoder->is_in_frame)
        decoder->frame = source->offset + source->at;
    unsigned char nothing = 0;
    ZSTD_inBuffer in = {
        .src = source->data + source->at, .size = source->size - source->at, .pos = 0};
    ZSTD_outBuffer out = {.dst = &nothing, .size = 0, .pos = 0};
    size_t left = ZSTD_decompressStream(decoder->stream, &out, &in);
    if (ZSTD_isError(left)) {
        if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation)
            return error_set(error, ERROR_MEMORY, "no memory for the window of \"%s\"",
                             source->path);
        decoder->end = STREAM_CORRUPT;
        return OK;
    }
    source->at += in.pos;
    decoder->is_in_frame = left != 0;
    return OK;
}

/* Write what is decoded; false: nothing was left. */
static bool flush_block(struct stream_decoder *decoder, ZSTD_outBuffer *room)
{
    ZSTD_inBuffer none = {.src = NULL, .size = 0, .pos = 0};
    size_t before = room->pos;
    if (ZSTD_isError(ZSTD_decompressStream(decoder->stream, room, &none)))
        decoder->end = STREAM_CORRUPT;
    return room->pos > before;
}

static enum error_code read_frame(struct stream_decoder *decoder,
                                  struct stream_source *source, unsigned char *out,
                                  size_t capacity, size_t *size, uint64_t *frame,
                                  enum stream_end *end, struct error *error)
{
    ZSTD_outBuffer room = {.dst = out, .size = capacity, .pos = 0};
    while (room.pos < room.size && decoder->end == STREAM_MORE) {
        if (decoder->is_in_frame && flush_block(decoder, &room))
            continue;
        if (!decoder->is_in_frame && room.pos > 0)
            break; /* one frame at a time */
        enum error_code code = decode_block(decoder, source, error);
        if (code != OK)
            return code;
    }
    *size = room.pos;
    *frame = decoder->frame;
    if (room.pos == 0)
        *end = decoder->end;
    return OK;
}

const struct stream_decoder_type stream_zstd = {
    .create = create, .destroy = destroy, .read = read_frame};
