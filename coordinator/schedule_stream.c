/* schedule_stream.c - which shards of a stream are done */
#include "coordinator/schedule_stream.h"

#include <string.h>

bool stream_state_is_done(const struct stream_state *stream, uint32_t index)
{
    return index / 8 < stream->done.size &&
           (stream->done.data[index / 8] >> (index % 8) & 1) != 0;
}

void stream_state_note_done(struct stream_state *stream, uint32_t index)
{
    size_t wanted = (size_t)index / 8 + 1;
    if (wanted > stream->done.size) {
        size_t more = wanted - stream->done.size;
        unsigned char *room = bytes_reserve(&stream->done, more);
        if (!room)
            return;
        memset(room, 0, more);
        stream->done.size = wanted;
    }
    stream->done.data[index / 8] |= (unsigned char)(1u << (index % 8));
    stream->done_count++;
}

void stream_state_note_found(struct stream_state *stream, uint32_t index)
{
    if (index >= stream->found)
        stream->found = index + 1;
}

bool stream_state_has_ended(const struct stream_state *stream)
{
    return stream->count != SHARDS_UNKNOWN && stream->done_count >= stream->count;
}

bool stream_state_may_have(const struct stream_state *stream, uint32_t index)
{
    return stream->count == SHARDS_UNKNOWN ? index < STREAM_SHARDS_MAX
                                           : index < stream->count;
}

size_t stream_state_ranges(const struct stream_state *stream, uint32_t *ranges,
                           size_t capacity)
{
    uint32_t end = (uint32_t)(stream->done.size * 8);
    size_t count = 0;
    for (uint32_t i = 0; i < end; i++) {
        if (!stream_state_is_done(stream, i))
            continue;
        uint32_t first = i;
        while (i < end && stream_state_is_done(stream, i))
            i++;
        if (count < capacity) {
            ranges[count * 2] = first;
            ranges[count * 2 + 1] = i;
        }
        count++;
    }
    return count;
}
