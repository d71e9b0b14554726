/* leases.c - turn a lease of the schedule into a message that a worker can act on */
#include "coordinator/coordinator_state.h"
#include "core/arena.h"
#include "core/bytes.h"

enum { RANGES_FIRST = 256 };

static void name_files(const struct manifest *manifest, const struct run *run,
                       struct message_file *files)
{
    for (uint32_t i = 0; i < run->file_count; i++) {
        const struct input_file *file = &manifest->files[run->first_file + i];
        files[i] = (struct message_file){.file = run->first_file + i,
                                         .path = file->path,
                                         .name = file->name,
                                         .size = file->size,
                                         .compression = file->compression};
    }
}

/* What is done of a stream, and where to enter it for the rest. */
static enum error_code describe_stream(struct coordinator *coordinator, uint32_t run,
                                       struct lease *lease, struct error *error)
{
    size_t count;
    for (;;) {
        count = coordinator->range_capacity
                    ? schedule_stream_done(coordinator->schedule, run,
                                           coordinator->stream_ranges,
                                           coordinator->range_capacity)
                    : RANGES_FIRST;
        if (coordinator->range_capacity && count <= coordinator->range_capacity)
            break;
        uint32_t *ranges =
            array_grow(coordinator->stream_ranges, &coordinator->range_capacity, count,
                       2 * sizeof *ranges);
        if (!ranges)
            return error_set(error, ERROR_MEMORY, "no memory for a stream's lease");
        coordinator->stream_ranges = ranges;
    }
    uint32_t first = 0;
    if (count && coordinator->stream_ranges[0] == 0)
        first = coordinator->stream_ranges[1];
    lease->done = coordinator->stream_ranges;
    lease->done_count = (uint32_t)count;
    lease->entry_shard = first;
    return books_entry(coordinator->settings->books, coordinator->phase, run, first,
                       &lease->entry_compressed, &lease->entry_decompressed, error);
}

/* How many shards from the first on share its generation. */
static uint32_t same_generation(const struct coordinator *coordinator, shard_id shard,
                                uint32_t count, uint32_t *generation)
{
    const struct books *books = coordinator->settings->books;
    *generation = books_generation(books, coordinator->phase, shard);
    uint32_t same = 1;
    while (same < count &&
           books_generation(books, coordinator->phase, shard + same) == *generation)
        same++;
    return same;
}

static enum error_code send_part(struct coordinator *coordinator, struct peer *peer,
                                 const struct schedule_action *action, shard_id shard,
                                 uint32_t count, uint32_t generation, struct error *error)
{
    const struct manifest *manifest = &coordinator->manifest;
    uint32_t run_number = SHARD_RUN(shard);
    const struct run *run = &manifest->runs[run_number];
    struct arena *arena = coordinator->message_arena;
    struct message_file *files = ARENA_NEW(arena, struct message_file, run->file_count);
    if (!files)
        return error_set(error, ERROR_MEMORY, "no memory for a lease");
    name_files(manifest, run, files);
    struct lease lease = {.shard = shard,
                          .count = count,
                          .epoch = action->epoch,
                          .generation = generation,
                          .kind = run->kind,
                          .file_count = run->file_count};
    enum error_code code = OK;
    if (run->kind == RUN_PLAIN) {
        lease.begin = SHARD_INDEX(shard) * manifest->shard_bytes;
        lease.step = run->count == 1 ? files[0].size : manifest->shard_bytes;
        lease.end = files[0].size;
    } else if (run->kind == RUN_STREAM && SHARD_INDEX(shard) == SHARDS_UNKNOWN) {
        code = describe_stream(coordinator, run_number, &lease, error);
    }
    if (count == 1)
        lease.suspect_count =
            (uint32_t)schedule_suspects(coordinator->schedule, shard, &lease.suspects);
    struct message message = {.type = MESSAGE_LEASE};
    message.as.lease = (struct message_lease){.phase = coordinator->phase,
                                              .files = files,
                                              .file_count = run->file_count,
                                              .leases = &lease,
                                              .lease_count = 1};
    return code == OK ? peers_send(coordinator, peer, &message, error) : code;
}

enum error_code leases_send(struct coordinator *coordinator, struct peer *peer,
                            const struct schedule_action *action, struct error *error)
{
    shard_id shard = action->shard;
    uint32_t left = action->count;
    enum error_code code = OK;
    while (code == OK && left) {
        uint32_t generation;
        uint32_t count = same_generation(coordinator, shard, left, &generation);
        code = send_part(coordinator, peer, action, shard, count, generation, error);
        shard += count;
        left -= count;
    }
    return code;
}
