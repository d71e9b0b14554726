/* cutter_tar.c - cut a tar file at sample ends into shards, for cutter.c */
#include "core/cutter_tar.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/tar_scan.h"

enum { PIECE = 256 << 10, PADDING = 64 };

struct tar_cutter {
    struct stream *stream; /* owned */
    uint64_t shard_bytes, max_held;
    uint32_t index; /* of the next shard */
    bool has_shard; /* one has been delivered or skipped */
    enum stream_end end;
    struct bytes ahead; /* owned: bytes read but not delivered, from `at` on */
    size_t at;
    uint64_t position; /* of ahead[at]: where a unit begins */
    struct tar_sample sample;
};

enum error_code tar_cutter_open(const char *path, enum compression compression,
                                uint64_t shard_bytes, uint64_t max_record, uint32_t index,
                                struct tar_cutter **cutter, struct error *error)
{
    struct tar_cutter *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    made->shard_bytes = shard_bytes;
    made->max_held = max_record > EXCERPT_MAX ? max_record : EXCERPT_MAX;
    made->index = index;
    made->has_shard = index > 0;
    enum error_code code = stream_open(path, compression, NULL, &made->stream, error);
    if (code != OK)
        tar_cutter_close(made);
    else
        *cutter = made;
    return code;
}

void tar_cutter_close(struct tar_cutter *cutter)
{
    if (!cutter)
        return;
    stream_close(cutter->stream);
    bytes_clear(&cutter->ahead);
    free(cutter);
}

static size_t left_of(const struct tar_cutter *cutter)
{
    return cutter->ahead.size - cutter->at;
}

/* Read a piece more, if there is any. */
static enum error_code read_more(struct tar_cutter *cutter, struct error *error)
{
    struct bytes *ahead = &cutter->ahead;
    size_t got = 0;
    enum stream_end end = STREAM_MORE;
    if (cutter->end != STREAM_MORE)
        return OK;
    if (cutter->at > 0) {
        memmove(ahead->data, ahead->data + cutter->at, left_of(cutter));
        ahead->size -= cutter->at;
        cutter->at = 0;
    }
    unsigned char *room = bytes_reserve(ahead, PIECE);
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory to read a tar file");
    enum error_code code = stream_read(cutter->stream, room, PIECE, &got, &end, error);
    if (code != OK)
        return code;
    ahead->size += got;
    if (got == 0)
        cutter->end = end;
    return OK;
}

/* The unit at `position`. *has_unit false: the file is at its end. */
static enum error_code look(struct tar_cutter *cutter, struct tar_unit *unit,
                            bool *has_unit, struct error *error)
{
    enum error_code code = OK;
    for (;;) {
        bool is_end = cutter->end != STREAM_MORE;
        *has_unit = left_of(cutter) > 0;
        if (is_end && !*has_unit)
            return OK;
        if (*has_unit && tar_look(cutter->ahead.data + cutter->at, left_of(cutter),
                                  is_end, unit) != TAR_MORE)
            return OK;
        code = read_more(cutter, error);
        if (code != OK)
            return code;
    }
}

static enum error_code put_in_slot(struct slot *slot, const unsigned char *data,
                                   size_t size, struct cut *cut, struct error *error)
{
    size_t wanted = cut->data_size + size + PADDING;
    if (size > SIZE_MAX / 4 || cut->data_size > SIZE_MAX / 4 ||
        (wanted > slot->capacity &&
         (!slot->grow(slot, wanted) || slot->capacity < wanted)))
        return error_set(error, ERROR_MEMORY, "no memory for a shard of %zu bytes",
                         cut->data_size);
    if (size > 0)
        memcpy(slot->data + cut->data_size, data, size);
    cut->data_size += size;
    return OK;
}

/* Pass over `size` bytes, or to the end of the file; into the slot if there is one, but no
 * more than `most` of them. */
static enum error_code pass(struct tar_cutter *cutter, uint64_t size, struct slot *slot,
                            uint64_t most, struct cut *cut, struct error *error)
{
    enum error_code code = OK;
    while (code == OK && size > 0) {
        size_t left = left_of(cutter);
        if (left == 0) {
            code = read_more(cutter, error);
            if (code != OK || left_of(cutter) == 0)
                break;
            continue;
        }
        size_t take = size < left ? (size_t)size : left;
        size_t put = take < most ? take : (size_t)most;
        if (slot && put > 0)
            code = put_in_slot(slot, cutter->ahead.data + cutter->at, put, cut, error);
        cutter->at += take;
        cutter->position += take;
        size -= take;
        most -= put;
    }
    return code;
}

static uint64_t shard_end(const struct tar_cutter *cutter)
{
    uint64_t next = (uint64_t)cutter->index + 1;
    bool fits = cutter->shard_bytes <= UINT64_MAX / next;
    return fits ? next * cutter->shard_bytes : UINT64_MAX;
}

/* Go on to the first sample that begins at or behind `target`, with what is before it into
 * the slot (NULL: nowhere). A sample that reaches beyond `target` and is too long to be held
 * is left out but for its first bytes. */
static enum error_code advance(struct tar_cutter *cutter, uint64_t target,
                               struct slot *slot, struct cut *cut, struct error *error)
{
    uint64_t sample_begin = cutter->position;
    bool is_left_out = false;
    for (;;) {
        struct tar_unit unit;
        bool has_unit;
        enum error_code code = look(cutter, &unit, &has_unit, error);
        if (code != OK || !has_unit)
            return code;
        struct tar_sample next = cutter->sample;
        bool is_taken = tar_sample_takes(&next, &unit);
        if (!is_taken && cutter->position >= target)
            return OK;
        if (!is_taken) {
            sample_begin = cutter->position;
            is_left_out = false;
        }
        cutter->sample = next;
        uint64_t held = cutter->position - sample_begin, most = unit.size;
        bool is_long =
            unit.size > cutter->max_held || held > cutter->max_held - unit.size;
        if (slot && !is_left_out && is_long && unit.size > 0 &&
            (cutter->position >= target || unit.size > target - cutter->position)) {
            is_left_out = true;
            if (held > EXCERPT_MAX)
                cut->data_size -= (size_t)(held - EXCERPT_MAX);
            most = held < EXCERPT_MAX ? EXCERPT_MAX - held : 0;
            cut->oversize[0] = sample_begin;
            cut->oversize_count = 1;
        } else if (is_left_out) {
            most = 0;
        }
        code = pass(cutter, unit.size, slot, most, cut, error);
        if (code != OK)
            return code;
        if (is_left_out)
            cut->oversize[1] = cutter->position - sample_begin;
    }
}

static bool is_at_end(const struct tar_cutter *cutter)
{
    return left_of(cutter) == 0 && cutter->end != STREAM_MORE;
}

/* Go to the begin of the next shard, and see whether there is one. */
static enum error_code enter(struct tar_cutter *cutter, struct error *error)
{
    struct cut unused = {0};
    struct tar_unit unit;
    bool has_unit;
    uint64_t begin = shard_end(cutter) == UINT64_MAX
                         ? UINT64_MAX
                         : shard_end(cutter) - cutter->shard_bytes;
    enum error_code code = OK;
    if (cutter->position < begin)
        code = advance(cutter, begin, NULL, &unused, error);
    return code == OK ? look(cutter, &unit, &has_unit, error) : code;
}

enum error_code tar_cutter_next(struct tar_cutter *cutter, struct slot *slot,
                                struct cut *cut, struct error *error)
{
    struct tar_unit unit;
    bool has_unit;
    *cut = (struct cut){.index = cutter->index, .has_data = true};
    enum error_code code = enter(cutter, error);
    if (code == OK)
        code = put_in_slot(slot, NULL, 0, cut, error); /* an empty one has padding too */
    if (code != OK)
        return code;
    cut->data_offset = cutter->position;
    if (is_at_end(cutter)) {
        cut->has_data = !cutter->has_shard && cutter->end != STREAM_COMPLETE;
        cutter->has_shard = true;
        cut->end = cutter->end;
        return OK;
    }
    if (cutter->position < shard_end(cutter))
        code = advance(cutter, shard_end(cutter), slot, cut, error);
    if (code == OK)
        code = look(cutter, &unit, &has_unit, error);
    if (code != OK)
        return code;
    cutter->has_shard = true;
    cutter->index++;
    cut->end = is_at_end(cutter) ? cutter->end : STREAM_MORE;
    return OK;
}

enum error_code tar_cutter_skip(struct tar_cutter *cutter, uint32_t count,
                                struct cut *cut, struct error *error)
{
    if (count > UINT32_MAX - cutter->index)
        return error_set(error, ERROR_FATAL, "%u shards cannot be skipped", count);
    cutter->has_shard = cutter->has_shard || count > 0;
    cutter->index += count;
    enum error_code code = enter(cutter, error);
    if (code != OK)
        return code;
    *cut = (struct cut){.index = cutter->index,
                        .data_offset = cutter->position,
                        .end = is_at_end(cutter) ? cutter->end : STREAM_MORE};
    return OK;
}
