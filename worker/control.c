/* control.c - what worker and executor say to each other */
#include "worker/control.h"

#include <string.h>

#include "core/arena.h"

static void put_text(struct bytes *out, const char *text)
{
    bytes_put_text(out, text, strlen(text));
}

const char *control_take_text(struct cursor *in, struct arena *arena)
{
    size_t size;
    const char *text = cursor_text(in, &size);
    return text ? arena_copy_text(arena, text, size) : NULL;
}

static void put_hash(struct bytes *out, struct hash128 hash)
{
    bytes_put_u64(out, hash.low);
    bytes_put_u64(out, hash.high);
}

static struct hash128 take_hash(struct cursor *in)
{
    struct hash128 hash;
    hash.low = cursor_u64(in);
    hash.high = cursor_u64(in);
    return hash;
}

static void put_numbers(struct bytes *out, const uint32_t *numbers, uint32_t count)
{
    bytes_put_u32(out, count);
    for (uint32_t i = 0; i < count; i++)
        bytes_put_u32(out, numbers[i]);
}

static const uint32_t *take_numbers(struct cursor *in, struct arena *arena,
                                    uint32_t *count)
{
    *count = cursor_u32(in);
    if (*count > cursor_left(in) / 4)
        in->is_bad = true;
    uint32_t *numbers = in->is_bad ? NULL : ARENA_RAW(arena, uint32_t, *count);
    for (uint32_t i = 0; numbers && i < *count; i++)
        numbers[i] = cursor_u32(in);
    return numbers;
}

void control_write_setup(const struct control_setup *setup, struct bytes *out)
{
    bytes_reset(out);
    bytes_put_text(out, setup->yaml, setup->yaml_size);
    put_text(out, setup->folder);
    put_text(out, setup->job_folder);
    put_text(out, setup->scratch);
    put_text(out, setup->volume_prefix);
    put_hash(out, setup->fingerprint);
    bytes_put_u32(out, setup->executor);
    bytes_put_u64(out, setup->memory);
    put_numbers(out, setup->slots, setup->slot_count);
}

bool control_read_setup(struct cursor in, struct arena *arena,
                        struct control_setup *setup)
{
    struct cursor yaml = in;
    (void)cursor_text(&yaml, &setup->yaml_size);
    setup->yaml = control_take_text(&in, arena);
    setup->folder = control_take_text(&in, arena);
    setup->job_folder = control_take_text(&in, arena);
    setup->scratch = control_take_text(&in, arena);
    setup->volume_prefix = control_take_text(&in, arena);
    setup->fingerprint = take_hash(&in);
    setup->executor = cursor_u32(&in);
    setup->memory = cursor_u64(&in);
    setup->slots = take_numbers(&in, arena, &setup->slot_count);
    return !in.is_bad;
}

void control_write_stream(const struct control_stream *stream, struct bytes *out)
{
    bytes_reset(out);
    bytes_put_u32(out, stream->run);
    bytes_put_u32(out, stream->file);
    put_text(out, stream->path);
    put_text(out, stream->name);
    bytes_put_u8(out, (uint8_t)stream->compression);
    bytes_put_u32(out, stream->index);
    bytes_put_u64(out, stream->entry.compressed);
    bytes_put_u64(out, stream->entry.decompressed);
    put_numbers(out, stream->done, stream->done_count * 2);
}

bool control_read_stream(struct cursor in, struct arena *arena,
                         struct control_stream *stream)
{
    stream->run = cursor_u32(&in);
    stream->file = cursor_u32(&in);
    stream->path = control_take_text(&in, arena);
    stream->name = control_take_text(&in, arena);
    stream->compression = (enum compression)cursor_u8(&in);
    stream->index = cursor_u32(&in);
    stream->entry.compressed = cursor_u64(&in);
    stream->entry.decompressed = cursor_u64(&in);
    stream->done = take_numbers(&in, arena, &stream->done_count);
    stream->done_count /= 2;
    return !in.is_bad;
}

void control_write_filled(const struct control_filled *filled, struct bytes *out)
{
    const struct cut *cut = &filled->cut;
    bytes_reset(out);
    bytes_put_u32(out, filled->run);
    bytes_put_u32(out, filled->slot);
    bytes_put_u64(out, filled->capacity);
    bytes_put_u32(out, filled->total);
    bytes_put_u32(out, cut->index);
    bytes_put_u64(out, cut->data_offset);
    bytes_put_u64(out, cut->data_size);
    bytes_put_u8(out, (uint8_t)cut->end);
    bytes_put_u8(out, cut->has_data);
    bytes_put_u64(out, cut->entry.compressed);
    bytes_put_u64(out, cut->entry.decompressed);
    bytes_put_u32(out, (uint32_t)cut->oversize_count);
    for (size_t i = 0; i < 2 * cut->oversize_count; i++)
        bytes_put_u64(out, cut->oversize[i]);
}

bool control_read_filled(struct cursor *in, struct control_filled *filled)
{
    struct cut *cut = &filled->cut;
    *filled = (struct control_filled){0};
    filled->run = cursor_u32(in);
    filled->slot = cursor_u32(in);
    filled->capacity = cursor_u64(in);
    filled->total = cursor_u32(in);
    cut->index = cursor_u32(in);
    cut->data_offset = cursor_u64(in);
    cut->data_size = (size_t)cursor_u64(in);
    cut->end = (enum stream_end)cursor_u8(in);
    cut->has_data = cursor_u8(in) != 0;
    cut->entry.compressed = cursor_u64(in);
    cut->entry.decompressed = cursor_u64(in);
    cut->oversize_count = cursor_u32(in);
    if (cut->oversize_count > sizeof cut->oversize / sizeof *cut->oversize / 2)
        return false;
    for (size_t i = 0; i < 2 * cut->oversize_count; i++)
        cut->oversize[i] = cursor_u64(in);
    return !in->is_bad;
}

void control_write_sealed(const struct control_sealed *sealed, struct bytes *out)
{
    bytes_reset(out);
    put_text(out, sealed->name);
    bytes_put_u64(out, sealed->size);
    put_hash(out, sealed->checksum);
    bytes_put_u32(out, sealed->fsync_count);
    bytes_put_u64(out, (uint64_t)sealed->fsync_us);
    bytes_put_u32(out, sealed->shard_count);
}

bool control_read_sealed(struct cursor in, struct arena *arena,
                         struct control_sealed *sealed)
{
    sealed->name = control_take_text(&in, arena);
    sealed->size = cursor_u64(&in);
    sealed->checksum = take_hash(&in);
    sealed->fsync_count = cursor_u32(&in);
    sealed->fsync_us = (int64_t)cursor_u64(&in);
    sealed->shard_count = cursor_u32(&in);
    return !in.is_bad;
}
