/* stream_gzip.c - gzip members as a stream; doorkeeper of isa-l */
#include "core/stream_decoder.h"

#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>

/* How far a broken member can be read must not depend on how a caller reads or where a
 * resumed job enters: each member is fed in slices of a fixed size from its begin, into
 * a buffer of a fixed size. */
enum { SLICE = 64 * 1024, ROOM = 256 * 1024 };

struct stream_decoder {
    struct inflate_state state;
    unsigned char *room; /* ROOM bytes */
    size_t at, size;     /* of `room`, not yet delivered */
    size_t slice;        /* bytes of the source given to `state` */
    uint64_t member;     /* where the member begins in the file */
    bool is_in_member, has_member;
    enum stream_end end;
};

static void destroy(struct stream_decoder *decoder)
{
    if (!decoder)
        return;
    free(decoder->room);
    free(decoder);
}

static struct stream_decoder *create(void)
{
    struct stream_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return NULL;
    decoder->room = malloc(ROOM);
    if (!decoder->room) {
        destroy(decoder);
        return NULL;
    }
    isal_inflate_init(&decoder->state);
    return decoder;
}

/* Between members: the end, zeros up to the end, or another member. */
static enum error_code begin_member(struct stream_decoder *decoder,
                                    struct stream_source *source, struct error *error)
{
    bool has_zeros = false;
    for (;;) {
        enum error_code code = stream_source_fill(source, 1, error);
        if (code != OK)
            return code;
        if (source->at == source->size || !decoder->has_member ||
            source->data[source->at] != 0)
            break;
        has_zeros = true;
        source->at++;
    }
    if (source->at == source->size) {
        decoder->end = STREAM_COMPLETE;
    } else if (has_zeros || source->data[source->at] != 0x1f) {
        decoder->end = STREAM_CORRUPT;
    } else {
        isal_inflate_reset(&decoder->state);
        decoder->state.crc_flag = ISAL_GZIP;
        decoder->state.avail_in = 0;
        decoder->slice = 0;
        decoder->member = source->offset + source->at;
        decoder->is_in_member = decoder->has_member = true;
    }
    return OK;
}

static enum error_code next_slice(struct stream_decoder *decoder,
                                  struct stream_source *source, struct error *error)
{
    source->at += decoder->slice;
    decoder->slice = 0;
    enum error_code code = stream_source_fill(source, SLICE, error);
    if (code != OK)
        return code;
    size_t left = source->size - source->at;
    decoder->slice = left < SLICE ? left : SLICE;
    decoder->state.next_in = source->data + source->at;
    decoder->state.avail_in = (uint32_t)decoder->slice;
    return OK;
}

/* Fill the room, or as far as the member, or what can be read of it, reaches. */
static enum error_code inflate_member(struct stream_decoder *decoder,
                                      struct stream_source *source, struct error *error)
{
    struct inflate_state *state = &decoder->state;
    state->next_out = decoder->room;
    state->avail_out = ROOM;
    while (state->avail_out > 0 && decoder->end == STREAM_MORE && decoder->is_in_member) {
        bool is_starved = false;
        if (state->avail_in == 0) {
            enum error_code code = next_slice(decoder, source, error);
            if (code != OK)
                return code;
            is_starved = decoder->slice == 0;
        }
        uint32_t in = state->avail_in, out = state->avail_out;
        int result = isal_inflate(state);
        if (result < 0) {
            decoder->end = STREAM_CORRUPT;
        } else if (state->block_state == ISAL_BLOCK_FINISH) {
            source->at += decoder->slice - state->avail_in;
            decoder->slice = 0;
            decoder->is_in_member = false;
        } else if (state->avail_in == in && state->avail_out == out) {
            /* Without input it ends here; with input it must go on. */
            decoder->end = is_starved ? STREAM_TRUNCATED : STREAM_CORRUPT;
        }
    }
    decoder->at = 0;
    decoder->size = ROOM - state->avail_out;
    return OK;
}

static enum error_code read_member(struct stream_decoder *decoder,
                                   struct stream_source *source, unsigned char *out,
                                   size_t capacity, size_t *size, uint64_t *frame,
                                   enum stream_end *end, struct error *error)
{
    while (decoder->at == decoder->size && decoder->end == STREAM_MORE) {
        enum error_code code = OK;
        if (!decoder->is_in_member)
            code = begin_member(decoder, source, error);
        if (code == OK && decoder->is_in_member)
            code = inflate_member(decoder, source, error);
        if (code != OK)
            return code;
    }
    size_t left = decoder->size - decoder->at;
    *size = left < capacity ? left : capacity;
    memcpy(out, decoder->room + decoder->at, *size);
    decoder->at += *size;
    *frame = decoder->member;
    if (*size == 0)
        *end = decoder->end;
    return OK;
}

const struct stream_decoder_type stream_gzip = {
    .create = create, .destroy = destroy, .read = read_member};
