/* executor_task.c - an executor runs shards and reads streams */
#include "core/arena.h"
#include "core/clock.h"
#include "core/protocol.h"
#include "worker/executor_state.h"
#include "worker/shard_run.h"

enum { COMMIT_MS = 20 };

/* Can the executor go on after this error of a shard? */
static bool is_of_shard(enum error_code code)
{
    return code == ERROR_RECORD || code == ERROR_TRANSIENT || code == ERROR_IO ||
           code == ERROR_DAMAGED;
}

static enum error_code note_finished(struct executor *executor,
                                     const struct shard_entry *entry, struct error *error)
{
    bytes_reset(&executor->message);
    shard_entry_write(entry, &executor->message);
    bytes_put_text(&executor->finished, executor->message.data, executor->message.size);
    if (executor->finished.is_bad || executor->message.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for an entry");
    int64_t now = clock_now_ms();
    executor->finished_count++;
    executor->volume_shards++;
    if (!executor->volume_since_ms)
        executor->volume_since_ms = now;
    const struct store_spec *store = &executor->pipeline->store;
    if (output_bytes(executor->output) >= store->volume ||
        now - executor->volume_since_ms >= store->seal_ms)
        return executor_seal(executor, error);
    if (now - executor->commit_ms >= COMMIT_MS)
        return executor_commit(executor, error);
    return OK;
}

/* Run the shard that the source has open, and say how it went. */
static enum error_code run_shard(struct executor *executor, shard_id shard,
                                 const struct lease *lease, struct error *error)
{
    struct chain_isolation isolation = {.suspects = lease->suspects,
                                        .suspect_count = lease->suspect_count,
                                        .begin = lease->isolate_begin,
                                        .end = lease->isolate_end};
    struct shard_run run = {.source = executor->source,
                            .chain = executor->chain,
                            .output = executor->output,
                            .flight = executor->flight,
                            .arena = executor->batch_arena,
                            .fold = executor->fold};
    const struct shard_entry *entry;
    struct error failure = {0};
    int64_t began_us = clock_now_us();
    enum error_code code =
        shard_run(&run, shard, lease->generation, &isolation, &entry, &failure);
    executor->finished_us += clock_now_us() - began_us;
    if (code == OK)
        return note_finished(executor, entry, error);
    if (is_of_shard(code)) {
        atomic_store(&executor->flight->is_active, 0);
        code = executor_commit(executor, error);
        return code == OK ? executor_report(executor, CONTROL_RUN, shard, &failure, error)
                          : code;
    }
    if (error)
        *error = failure;
    return code;
}

static enum error_code read_lease(struct executor *executor, struct cursor message,
                                  struct message *lease, struct error *error)
{
    enum error_code code = message_read(message.at, cursor_left(&message),
                                        executor->task_arena, lease, error);
    if (code == OK && (lease->type != MESSAGE_LEASE || lease->as.lease.lease_count != 1))
        code = error_set(error, ERROR_FATAL, "not a lease");
    return code;
}

enum error_code executor_run_lease(struct executor *executor, struct cursor message,
                                   struct error *error)
{
    struct message read;
    enum error_code code = read_lease(executor, message, &read, error);
    if (code != OK)
        return code;
    const struct lease *lease = &read.as.lease.leases[0];
    for (uint32_t i = 0; code == OK && i < lease->count; i++) {
        struct error failure = {0};
        code = source_open_shard(executor->source, &read.as.lease, lease,
                                 lease->shard + i, &failure);
        if (code == OK) {
            code = run_shard(executor, lease->shard + i, lease, error);
        } else if (is_of_shard(code)) {
            code = executor_commit(executor, error); /* what came before it, first */
            if (code == OK)
                code = executor_report(executor, CONTROL_RUN, lease->shard + i, &failure,
                                       error);
        } else if (error) {
            *error = failure;
        }
    }
    return code;
}

void executor_drop_stream(struct executor *executor)
{
    if (executor->stream.cutter)
        cutter_close(executor->stream.cutter);
    executor->stream.cutter = NULL;
}

enum error_code executor_take_stream(struct executor *executor, struct cursor message,
                                     struct error *error)
{
    struct owned_stream *stream = &executor->stream;
    executor_drop_stream(executor);
    arena_reset(stream->arena);
    if (!control_read_stream(message, stream->arena, &stream->info))
        return error_set(error, ERROR_FATAL, "a stream message is cut short");
    const struct phase_spec *spec = &executor->pipeline->phases[executor->phase];
    stream->next_index = stream->info.index;
    stream->is_ended = false;
    struct error failure = {0};
    enum error_code code =
        cutter_open(stream->info.path, stream->info.compression, spec->shard_bytes,
                    spec->input.max_record, stream->info.index,
                    stream->info.entry.decompressed ? &stream->info.entry : NULL,
                    spec->input.format, &stream->cutter, &failure);
    if (code == OK || code == ERROR_MEMORY) {
        if (error)
            *error = failure;
        return code;
    }
    return executor_report(executor, CONTROL_STREAM, SHARD_ID(stream->info.run, 0),
                           &failure, error);
}

/* How many shards from `index` on are done already and can be passed over. */
static uint32_t done_from(const struct control_stream *info, uint32_t index)
{
    for (uint32_t i = 0; i < info->done_count; i++)
        if (index >= info->done[2 * (size_t)i] && index < info->done[2 * (size_t)i + 1])
            return info->done[2 * (size_t)i + 1] - index;
    return 0;
}

/* The next shard that is not done, into a slot; or the stream's end. */
static enum error_code fill_one(struct owned_stream *stream, struct slot *slot,
                                struct cut *cut, struct error *error)
{
    enum error_code code = OK;
    *cut = (struct cut){.end = STREAM_MORE};
    while (!stream->is_ended) {
        uint32_t skip = done_from(&stream->info, stream->next_index);
        if (skip)
            code = cutter_skip(stream->cutter, skip, cut, error);
        else
            code = cutter_next(stream->cutter, slot, cut, error);
        if (code != OK)
            return code;
        if (cut->end != STREAM_MORE) {
            stream->is_ended = true;
            stream->next_index = cut->has_data ? cut->index + 1 : cut->index;
        } else {
            stream->next_index = skip ? stream->next_index + skip : cut->index + 1;
        }
        if (!skip)
            break;
        cut->has_data = false;
    }
    return OK;
}

enum error_code executor_fill(struct executor *executor, struct cursor message,
                              struct error *error)
{
    struct owned_stream *stream = &executor->stream;
    uint32_t run = cursor_u32(&message), count = cursor_u32(&message);
    for (uint32_t i = 0; i < count && stream->cutter; i++) {
        uint32_t number = cursor_u32(&message);
        struct control_filled filled = {.run = run, .slot = number};
        struct slot *slot;
        struct error failure = {0};
        enum error_code code = slots_for_writing(executor->slots, number, &slot, error);
        if (code != OK)
            return code;
        code = fill_one(stream, slot, &filled.cut, &failure);
        if (code != OK) {
            executor_drop_stream(executor);
            return executor_report(executor, CONTROL_FILL, SHARD_ID(run, 0), &failure,
                                   error);
        }
        filled.capacity = slot->capacity;
        filled.total = stream->next_index;
        if (!filled.cut.has_data)
            filled.slot = UINT32_MAX;
        control_write_filled(&filled, &executor->message);
        code = executor_send(executor, CONTROL_FILLED, error);
        if (code != OK)
            return code;
        if (stream->is_ended)
            executor_drop_stream(executor);
    }
    return OK;
}

enum error_code executor_run_slot(struct executor *executor, struct cursor message,
                                  struct error *error)
{
    struct control_filled filled;
    struct message read;
    if (!control_read_filled(&message, &filled))
        return error_set(error, ERROR_FATAL, "a slot message is cut short");
    enum error_code code = read_lease(executor, message, &read, error);
    const unsigned char *data = NULL;
    if (code == OK)
        code = slots_for_reading(executor->slots, filled.slot, (size_t)filled.capacity,
                                 &data, error);
    if (code != OK)
        return code;
    const struct lease *lease = &read.as.lease.leases[0];
    const struct cut *cut = &filled.cut;
    uint64_t shard_bytes = executor->pipeline->phases[executor->phase].shard_bytes;
    bool is_fault = cut->end == STREAM_TRUNCATED || cut->end == STREAM_CORRUPT;
    struct extent extent = {.name = read.as.lease.files[0].name,
                            .begin = cut->index * shard_bytes,
                            .end = (cut->index + (uint64_t)1) * shard_bytes,
                            .data = data,
                            .data_offset = cut->data_offset,
                            .data_size = cut->data_size,
                            .fault = is_fault ? cut->end : STREAM_MORE,
                            .oversize = cut->oversize,
                            .oversize_count = cut->oversize_count};
    code = source_open_slot(executor->source, &read.as.lease.files[0], &extent, error);
    return code == OK ? run_shard(executor, lease->shard, lease, error) : code;
}
