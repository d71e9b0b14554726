/* schedule_stream.h - which shards of a stream are done */
#ifndef COORDINATOR_SCHEDULE_STREAM_H
#define COORDINATOR_SCHEDULE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/manifest.h"

/* Shards of one stream; a number beyond this is a mistake. */
#define STREAM_SHARDS_MAX (UINT32_C(1) << 28)

struct stream_state {  /* bytes_clear(&done) releases it */
    struct bytes done; /* a bit a shard; is_bad: no memory, nothing is certain */
    uint32_t done_count;
    uint32_t found; /* shards heard of */
    uint32_t count; /* or SHARDS_UNKNOWN */
};

bool stream_state_is_done(const struct stream_state *stream, uint32_t index);
/* Once a shard only, and one that stream_state_may_have(). */
void stream_state_note_done(struct stream_state *stream, uint32_t index);
void stream_state_note_found(struct stream_state *stream, uint32_t index);
/* Its count is known, and all are done. */
bool stream_state_has_ended(const struct stream_state *stream);
/* False: there is no such shard, whatever its count will be. */
bool stream_state_may_have(const struct stream_state *stream, uint32_t index);
/* As schedule_stream_done(). */
size_t stream_state_ranges(const struct stream_state *stream, uint32_t *ranges,
                           size_t capacity);

#endif
