/* streams.c - a worker's streams: one executor reads each, all run their shards */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/platform.h"
#include "worker/worker_loop.h"
#include "worker/worker_state.h"

enum { SLOTS_LEAST = 48, FILL_MAX = 64, SLOT_BYTES = 32 << 20, STREAM_FAILURES = 3 };

enum error_code streams_prepare(struct worker *worker, struct error *error)
{
    uint32_t count = worker->member_count * 2 + 3;
    if (count < SLOTS_LEAST)
        count = SLOTS_LEAST;
    worker->slots = ARENA_NEW(worker->arena, struct worker_slot, count);
    worker->streams = array_grow(NULL, &worker->stream_capacity, worker->member_count,
                                 sizeof *worker->streams);
    if (!worker->slots || !worker->streams)
        return error_set(error, ERROR_MEMORY, "no memory for slots");
    worker->stream_count = worker->member_count;
    for (; worker->slot_made < count; worker->slot_made++) {
        int fd = platform_memory_file("millrace-slot", true);
        if (fd < 0)
            return error_set(error, ERROR_IO, "cannot make a memory file for a slot");
        worker->slots[worker->slot_made].fd = fd;
    }
    return OK;
}

void streams_size(struct worker *worker)
{
    uint64_t shard_bytes = 1;
    for (size_t i = 0; i < worker->pipeline->phase_count; i++)
        if (worker->pipeline->phases[i].shard_bytes > shard_bytes)
            shard_bytes = worker->pipeline->phases[i].shard_bytes;
    uint64_t wanted = SLOT_BYTES / shard_bytes;
    uint32_t least = worker->member_count * 2 + 3;
    worker->slot_count =
        wanted > worker->slot_made ? worker->slot_made : (uint32_t)wanted;
    if (worker->slot_count < least)
        worker->slot_count = least;
}

static struct worker_stream *find_stream(struct worker *worker, uint32_t run)
{
    for (uint32_t i = 0; i < worker->stream_count; i++)
        if (worker->streams[i].held && worker->streams[i].run == run)
            return &worker->streams[i];
    return NULL;
}

/* The stream is leased anew, while we still had it: failures of its shards count at the
 * new epoch only, and those that failed at the old one are tried again. */
static void renew_lease(struct worker *worker, struct worker_stream *stream,
                        struct held_lease *held)
{
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct worker_slot *slot = &worker->slots[i];
        if (!slot->held || slot->filled.run != stream->run)
            continue;
        held_lease_release(slot->held);
        slot->held = held;
        held->references++;
        if (slot->state == SLOT_PARKED)
            slot->state = SLOT_READY;
    }
    held_lease_release(stream->held);
}

enum error_code streams_accept(struct worker *worker, struct held_lease *held,
                               struct error *error)
{
    const struct lease *lease = &held->message.leases[0];
    uint32_t run = SHARD_RUN(lease->shard);
    struct worker_stream *stream = find_stream(worker, run);
    if (stream)
        renew_lease(worker, stream, held);
    for (uint32_t i = 0; !stream && i < worker->stream_count; i++)
        if (!worker->streams[i].held)
            stream = &worker->streams[i];
    if (!stream) {
        struct worker_stream *grown =
            array_grow(worker->streams, &worker->stream_capacity,
                       (size_t)worker->stream_count + 1, sizeof *grown);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for a stream");
        worker->streams = grown;
        stream = &worker->streams[worker->stream_count++];
        *stream = (struct worker_stream){0};
    }
    if (!stream->held || stream->run != run) {
        *stream = (struct worker_stream){.run = run,
                                         .owner = -1,
                                         .next_index = lease->entry_shard,
                                         .entry_shard = lease->entry_shard};
        stream->entry = (struct stream_entry){.compressed = lease->entry_compressed,
                                              .decompressed = lease->entry_decompressed};
    }
    stream->held = held;
    held->references++;
    return OK;
}

enum error_code streams_retry(struct worker *worker, struct held_lease *held,
                              struct error *error)
{
    shard_id shard = held->message.leases[0].shard;
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        struct worker_slot *slot = &worker->slots[i];
        if (slot->state != SLOT_PARKED || slot->filled.run != SHARD_RUN(shard) ||
            slot->filled.cut.index != SHARD_INDEX(shard))
            continue;
        held_lease_release(slot->held);
        slot->held = held;
        held->references++;
        slot->state = SLOT_READY;
        return OK;
    }
    /* Its bytes are no longer here. */
    return worker_return(worker, shard, 1, held->message.leases[0].epoch, error);
}

static uint32_t count_slots(const struct worker *worker, enum slot_state state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->slot_count; i++)
        count += worker->slots[i].state == state;
    return count;
}

/* Make a member the owner of a stream. */
static enum error_code give_stream(struct worker *worker, struct member *member,
                                   struct worker_stream *stream, struct error *error)
{
    const struct message_file *file = &stream->held->message.files[0];
    const struct lease *lease = &stream->held->message.leases[0];
    struct control_stream message = {.run = stream->run,
                                     .file = file->file,
                                     .path = file->path,
                                     .name = file->name,
                                     .compression = file->compression,
                                     .index = stream->next_index,
                                     .entry = stream->entry,
                                     .done = lease->done,
                                     .done_count = lease->done_count};
    stream->owner = (int)member->number;
    control_write_stream(&message, &worker->control);
    return members_send(worker, member, CONTROL_STREAM, &worker->control, error);
}

/* Tell the owner to read shards into free slots. */
static enum error_code fill_slots(struct worker *worker, struct member *member,
                                  struct worker_stream *stream, uint32_t wanted,
                                  struct error *error)
{
    uint32_t numbers[FILL_MAX], count = 0;
    for (uint32_t i = 0; i < worker->slot_count && count < wanted && count < FILL_MAX;
         i++)
        if (worker->slots[i].state == SLOT_FREE)
            numbers[count++] = i;
    bytes_reset(&worker->control);
    bytes_put_u32(&worker->control, stream->run);
    bytes_put_u32(&worker->control, count);
    for (uint32_t i = 0; i < count; i++) {
        bytes_put_u32(&worker->control, numbers[i]);
        worker->slots[numbers[i]].state = SLOT_FILLING;
        worker->slots[numbers[i]].filled =
            (struct control_filled){.run = stream->run, .slot = member->number};
    }
    member->fills += count;
    return members_send(worker, member, CONTROL_FILL, &worker->control, error);
}

static struct worker_stream *owned_by(struct worker *worker, const struct member *member)
{
    for (uint32_t i = 0; i < worker->stream_count; i++) {
        struct worker_stream *stream = &worker->streams[i];
        if (stream->held && !stream->is_ended && stream->owner == (int)member->number)
            return stream;
    }
    return NULL;
}

static struct worker_stream *without_owner(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->stream_count; i++) {
        struct worker_stream *stream = &worker->streams[i];
        if (stream->held && !stream->is_ended && stream->owner < 0)
            return stream;
    }
    return NULL;
}

/* The ready slot to run next: the earliest shard, of the member's own stream if it can. */
static int ready_slot(const struct worker *worker, const struct worker_stream *own)
{
    int best = -1;
    bool best_is_own = false;
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        const struct worker_slot *slot = &worker->slots[i];
        if (slot->state != SLOT_READY)
            continue;
        bool is_own = own && slot->filled.run == own->run;
        if (best >= 0 && best_is_own && !is_own)
            continue;
        if (best < 0 || (is_own && !best_is_own) ||
            slot->filled.cut.index < worker->slots[best].filled.cut.index) {
            best = (int)i;
            best_is_own = is_own;
        }
    }
    return best;
}

static enum error_code run_slot(struct worker *worker, struct member *member, int number,
                                struct error *error)
{
    struct worker_slot *slot = &worker->slots[number];
    struct task task = {.held = slot->held,
                        .shard = SHARD_ID(slot->filled.run, slot->filled.cut.index),
                        .count = 1,
                        .slot = (uint32_t)number};
    task.held->references++;
    slot->state = SLOT_RUNNING;
    return tasks_send(worker, member, task, error);
}

enum error_code streams_assign(struct worker *worker, struct member *member,
                               bool *is_given, struct error *error)
{
    enum error_code code = OK;
    uint32_t ready = count_slots(worker, SLOT_READY);
    uint32_t coming = ready + count_slots(worker, SLOT_FILLING);
    uint32_t free_slots = count_slots(worker, SLOT_FREE);
    struct worker_stream *own = owned_by(worker, member);
    *is_given = true;
    if (!own && ready == 0) {
        own = without_owner(worker);
        if (own)
            code = give_stream(worker, member, own, error);
    }
    /* Read ahead far enough that the others find a shard whenever they ask. */
    uint32_t target = worker->member_count + 1;
    if (target < worker->slot_count / 2)
        target = worker->slot_count / 2;
    if (code == OK && own && free_slots && coming <= worker->member_count)
        return fill_slots(worker, member, own, target - coming, error);
    int number = code == OK ? ready_slot(worker, own) : -1;
    if (number >= 0)
        return run_slot(worker, member, number, error);
    *is_given = false;
    return code;
}

/* Tell the coordinator how far a stream is known. */
static enum error_code tell_stream(struct worker *worker,
                                   const struct worker_stream *stream, uint32_t count,
                                   struct error *error)
{
    struct message message = {.type = MESSAGE_STREAM};
    message.as.stream =
        (struct message_stream){.phase = worker->phase,
                                .run = stream->run,
                                .epoch = stream->held->message.leases[0].epoch,
                                .count = count,
                                .entry_shard = stream->entry_shard,
                                .entry_compressed = stream->entry.compressed,
                                .entry_decompressed = stream->entry.decompressed};
    return worker_send(worker, &message, error);
}

static struct unpublished_run *find_run(struct worker *worker, uint32_t run)
{
    for (size_t i = 0; i < worker->run_count; i++)
        if (worker->runs[i].run == run)
            return &worker->runs[i];
    return NULL;
}

enum error_code streams_count_finished(struct worker *worker, shard_id shard,
                                       struct error *error)
{
    struct unpublished_run *found = find_run(worker, SHARD_RUN(shard));
    if (!found) {
        struct unpublished_run *grown = array_grow(worker->runs, &worker->run_capacity,
                                                   worker->run_count + 1, sizeof *grown);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for a stream");
        worker->runs = grown;
        found = &worker->runs[worker->run_count++];
        *found = (struct unpublished_run){.run = SHARD_RUN(shard)};
    }
    found->shards++;
    return OK;
}

void streams_count_published(struct worker *worker, shard_id shard)
{
    struct unpublished_run *found = find_run(worker, SHARD_RUN(shard));
    if (found && --found->shards == 0)
        *found = worker->runs[--worker->run_count];
}

uint32_t streams_credit(const struct worker *worker)
{
    if (worker->phase_state == PHASE_NONE || worker->is_draining)
        return 0;
    uint32_t credit = worker->member_count + 1; /* one lies ready */
    for (size_t i = 0; i < worker->run_count; i++)
        credit += worker->runs[i].is_read;
    return credit;
}

/* Forget a stream that is read to its end and has no shard left here. */
static void retire_stream(struct worker *worker, struct worker_stream *stream)
{
    if (!stream || !stream->is_ended)
        return;
    for (uint32_t i = 0; i < worker->slot_count; i++)
        if (worker->slots[i].state != SLOT_FREE &&
            worker->slots[i].filled.run == stream->run)
            return;
    struct unpublished_run *rest = find_run(worker, stream->run);
    if (rest)
        rest->is_read = true;
    held_lease_release(stream->held);
    *stream = (struct worker_stream){.owner = -1};
}

enum error_code streams_filled(struct worker *worker, struct member *member,
                               const struct control_filled *filled, struct error *error)
{
    if (member->fills)
        member->fills--;
    struct worker_stream *stream = find_stream(worker, filled->run);
    if (!stream || member->phase != worker->phase ||
        stream->owner != (int)member->number) { /* revoked while it was read */
        if (filled->slot != UINT32_MAX)
            worker->slots[filled->slot].state = SLOT_FREE;
        return OK;
    }
    enum error_code code = OK;
    if (filled->slot != UINT32_MAX) {
        struct worker_slot *slot = &worker->slots[filled->slot];
        slot->state = SLOT_READY;
        slot->filled = *filled;
        slot->held = stream->held;
        slot->held->references++;
        stream->next_index = filled->cut.index + 1;
    }
    if (filled->cut.entry.decompressed > stream->entry.decompressed) {
        stream->entry = filled->cut.entry;
        stream->entry_shard = filled->cut.index;
        code = tell_stream(worker, stream, SHARDS_UNKNOWN, error);
    }
    if (code != OK || filled->cut.end == STREAM_MORE)
        return code;
    stream->is_ended = true;
    streams_owner_died(worker, member);
    code = tell_stream(worker, stream, filled->total, error);
    retire_stream(worker, stream);
    return code;
}

void streams_finished(struct worker *worker, uint32_t number)
{
    struct worker_slot *slot = &worker->slots[number];
    uint32_t run = slot->filled.run;
    held_lease_release(slot->held);
    slot->held = NULL;
    slot->state = SLOT_FREE;
    retire_stream(worker, find_stream(worker, run));
}

void streams_park(struct worker *worker, uint32_t number, uint32_t *epoch)
{
    struct worker_slot *slot = &worker->slots[number];
    *epoch = slot->held->message.leases[0].epoch;
    if (find_stream(worker, slot->filled.run))
        slot->state = SLOT_PARKED;
    else
        streams_finished(worker, number); /* whoever has the stream now does it */
}

void streams_owner_died(struct worker *worker, struct member *member)
{
    for (uint32_t i = 0; i < worker->slot_count; i++)
        if (worker->slots[i].state == SLOT_FILLING &&
            worker->slots[i].filled.slot == member->number)
            worker->slots[i].state = SLOT_FREE;
    for (uint32_t i = 0; i < worker->stream_count; i++)
        if (worker->streams[i].held && worker->streams[i].owner == (int)member->number)
            worker->streams[i].owner = -1;
    member->fills = 0;
}

void streams_revoke(struct worker *worker, shard_id shard, uint32_t epoch)
{
    bool is_whole = SHARD_INDEX(shard) == SHARDS_UNKNOWN;
    struct worker_stream *stream = find_stream(worker, SHARD_RUN(shard));
    if (!stream || (is_whole && stream->held->message.leases[0].epoch != epoch))
        return;
    for (uint32_t i = 0; i < worker->slot_count; i++) {
        const struct worker_slot *slot = &worker->slots[i];
        if ((slot->state == SLOT_READY || slot->state == SLOT_PARKED) &&
            slot->filled.run == SHARD_RUN(shard) &&
            (is_whole || slot->filled.cut.index == SHARD_INDEX(shard)))
            streams_finished(worker, i);
    }
    if (is_whole && stream->held) {
        held_lease_release(stream->held);
        *stream = (struct worker_stream){.owner = -1};
    }
}

void streams_forget(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->stream_count; i++) {
        held_lease_release(worker->streams[i].held);
        worker->streams[i] = (struct worker_stream){.owner = -1};
    }
    for (uint32_t i = 0; i < worker->slot_count; i++)
        if (worker->slots[i].state == SLOT_READY || worker->slots[i].state == SLOT_PARKED)
            streams_finished(worker, i);
    worker->run_count = 0;
}

enum error_code streams_failed(struct worker *worker, struct member *member, uint32_t run,
                               enum error_code code, const char *text,
                               struct error *error)
{
    streams_owner_died(worker, member);
    struct worker_stream *stream = find_stream(worker, run);
    if (!stream)
        return OK;
    const struct lease *lease = &stream->held->message.leases[0];
    if (code == ERROR_IO && ++stream->failures < STREAM_FAILURES)
        return OK; /* once more, by whoever asks next */
    enum error_code sent = worker_fail_shard(worker, lease->shard, lease->epoch,
                                             FAIL_SHARD, 0, 0, "unreadable", text, error);
    held_lease_release(stream->held);
    *stream = (struct worker_stream){.owner = -1};
    return sent;
}

uint32_t streams_held(const struct worker *worker)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->stream_count; i++)
        count += worker->streams[i].held != NULL;
    return count;
}

enum error_code streams_return(struct worker *worker, struct error *error)
{
    for (uint32_t i = 0; i < worker->stream_count; i++) {
        struct worker_stream *stream = &worker->streams[i];
        if (!stream->held)
            continue;
        enum error_code code =
            worker_return(worker, SHARD_ID(stream->run, SHARDS_UNKNOWN), 1,
                          stream->held->message.leases[0].epoch, error);
        if (code != OK)
            return code;
    }
    return OK;
}

void streams_clear(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->slot_made; i++) {
        held_lease_release(worker->slots[i].held);
        (void)close(worker->slots[i].fd);
    }
    for (uint32_t i = 0; i < worker->stream_count; i++)
        held_lease_release(worker->streams[i].held);
    free(worker->streams);
    free(worker->runs);
    worker->slots = NULL;
    worker->streams = NULL;
    worker->slot_made = worker->slot_count = worker->stream_count = 0;
}
