/* protocol.c - write and read the messages between coordinator and worker
 *
 * A message is u8 type and a body of LEB128 numbers and texts (length, bytes), but for
 * hashes and incarnations, which are fixed-width because they are random. */
#include "core/protocol.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"

/* Least bytes an item takes: a length from outside is checked against these. */
enum {
    FILE_SIZE_MIN = 5,
    LEASE_SIZE_MIN = 16,
    SUSPECT_SIZE_MIN = 4,
    RANGE_SIZE_MIN = 4,
    DONE_RANGE_SIZE_MIN = 2,
    ENTRY_SIZE_MIN = 16, /* the digest alone */
};

static void put_text(struct bytes *out, const char *text)
{
    bytes_put_text(out, text ? text : "", text ? strlen(text) : 0);
}

static void put_hash(struct bytes *out, struct hash128 hash)
{
    bytes_put_u64(out, hash.low);
    bytes_put_u64(out, hash.high);
}

static void put_shard(struct bytes *out, shard_id shard)
{
    bytes_put_varint(out, SHARD_RUN(shard));
    bytes_put_varint(out, SHARD_INDEX(shard));
}

static void write_hello(const struct message_hello *hello, struct bytes *out)
{
    bytes_put_varint(out, hello->version);
    bytes_put_u64(out, hello->incarnation);
    put_text(out, hello->host);
    bytes_put_varint(out, hello->pid);
    bytes_put_varint(out, hello->executors);
    bytes_put_varint(out, hello->memory);
    put_text(out, hello->cpu_level);
}

static void write_welcome(const struct message_welcome *welcome, struct bytes *out)
{
    bytes_put_varint(out, welcome->worker);
    bytes_put_u64(out, welcome->session);
    put_text(out, welcome->job_folder);
    put_text(out, welcome->nonce);
    put_hash(out, welcome->fingerprint);
    bytes_put_text(out, welcome->pipeline_yaml ? welcome->pipeline_yaml : "",
                   welcome->pipeline_yaml ? welcome->pipeline_size : 0);
    bytes_put_varint(out, (uint64_t)welcome->silence_ms);
}

static void write_lease(const struct lease *lease, struct bytes *out)
{
    put_shard(out, lease->shard);
    bytes_put_varint(out, lease->count);
    bytes_put_varint(out, lease->epoch);
    bytes_put_varint(out, lease->generation);
    bytes_put_u8(out, (uint8_t)lease->kind);
    bytes_put_varint(out, lease->first_file);
    bytes_put_varint(out, lease->file_count);
    bytes_put_varint(out, lease->begin);
    bytes_put_varint(out, lease->step);
    bytes_put_varint(out, lease->end);
    bytes_put_varint(out, lease->entry_compressed);
    bytes_put_varint(out, lease->entry_decompressed);
    bytes_put_varint(out, lease->entry_shard);
    bytes_put_varint(out, lease->done_count);
    for (size_t i = 0; i < lease->done_count; i++) {
        bytes_put_varint(out, lease->done[2 * i]);
        bytes_put_varint(out, lease->done[2 * i + 1]);
    }
    bytes_put_varint(out, lease->suspect_count);
    for (size_t i = 0; i < lease->suspect_count; i++) {
        bytes_put_varint(out, lease->suspects[i].ordinal);
        bytes_put_varint(out, lease->suspects[i].stage);
        bytes_put_varint(out, lease->suspects[i].strikes);
        put_text(out, lease->suspects[i].reason);
    }
    bytes_put_varint(out, lease->isolate_begin);
    bytes_put_varint(out, lease->isolate_end);
}

static void write_leases(const struct message_lease *leases, struct bytes *out)
{
    bytes_put_varint(out, leases->phase);
    bytes_put_varint(out, leases->file_count);
    for (size_t i = 0; i < leases->file_count; i++) {
        const struct message_file *file = &leases->files[i];
        bytes_put_varint(out, file->file);
        put_text(out, file->path);
        put_text(out, file->name);
        bytes_put_varint(out, file->size);
        bytes_put_u8(out, (uint8_t)file->compression);
    }
    bytes_put_varint(out, leases->lease_count);
    for (size_t i = 0; i < leases->lease_count; i++)
        write_lease(&leases->leases[i], out);
}

static void write_ranges(const struct message_ranges *ranges, struct bytes *out)
{
    bytes_put_varint(out, ranges->phase);
    bytes_put_varint(out, ranges->count);
    for (size_t i = 0; i < ranges->count; i++) {
        put_shard(out, ranges->ranges[i].shard);
        bytes_put_varint(out, ranges->ranges[i].count);
        bytes_put_varint(out, ranges->ranges[i].epoch);
    }
}

static void write_heartbeat(const struct message_heartbeat *heartbeat, struct bytes *out)
{
    bytes_put_varint(out, heartbeat->credit);
    bytes_put_varint(out, heartbeat->stream_credit);
    bytes_put_varint(out, heartbeat->held);
    bytes_put_varint(out, heartbeat->streams_held);
    bytes_put_varint(out, heartbeat->records);
    bytes_put_varint(out, heartbeat->bytes);
    bytes_put_varint(out, heartbeat->executors);
    bytes_put_varint(out, heartbeat->cpu_us);
}

/* Entries go out as epoch, u32 size, bytes: the size is filled in behind, so that an
 * entry needs no buffer of its own. */
static void write_done(const struct message_done *done, struct bytes *out)
{
    bytes_put_varint(out, done->phase);
    put_text(out, done->volume);
    bytes_put_varint(out, done->size);
    put_hash(out, done->checksum);
    bytes_put_varint(out, done->fsync_count);
    bytes_put_varint(out, (uint64_t)done->fsync_us);
    bytes_put_varint(out, done->count);
    for (size_t i = 0; i < done->count; i++) {
        bytes_put_varint(out, done->epochs[i]);
        size_t mark = out->size;
        bytes_put_u32(out, 0);
        shard_entry_write(&done->entries[i], out);
        if (!out->is_bad)
            store_u32(out->data + mark, (uint32_t)(out->size - mark - 4));
    }
}

static void write_fail(const struct message_fail *fail, struct bytes *out)
{
    bytes_put_varint(out, fail->phase);
    put_shard(out, fail->shard);
    bytes_put_varint(out, fail->epoch);
    bytes_put_u8(out, (uint8_t)fail->class);
    bytes_put_varint(out, fail->ordinal);
    bytes_put_varint(out, fail->stage);
    put_text(out, fail->reason);
    put_text(out, fail->text);
}

static void write_stream(const struct message_stream *stream, struct bytes *out)
{
    bytes_put_varint(out, stream->phase);
    bytes_put_varint(out, stream->run);
    bytes_put_varint(out, stream->epoch);
    bytes_put_varint(out, stream->count);
    bytes_put_varint(out, stream->entry_shard);
    bytes_put_varint(out, stream->entry_compressed);
    bytes_put_varint(out, stream->entry_decompressed);
}

void message_write(const struct message *message, struct bytes *out)
{
    bytes_put_u8(out, (uint8_t)message->type);
    switch (message->type) {
    case MESSAGE_HELLO:
        write_hello(&message->as.hello, out);
        break;
    case MESSAGE_WELCOME:
        write_welcome(&message->as.welcome, out);
        break;
    case MESSAGE_REFUSE:
        put_text(out, message->as.refuse.reason);
        break;
    case MESSAGE_PHASE:
        bytes_put_varint(out, message->as.phase.phase);
        break;
    case MESSAGE_LEASE:
        write_leases(&message->as.lease, out);
        break;
    case MESSAGE_REVOKE:
    case MESSAGE_RETURN:
        write_ranges(&message->as.ranges, out);
        break;
    case MESSAGE_HEARTBEAT:
        write_heartbeat(&message->as.heartbeat, out);
        break;
    case MESSAGE_DONE:
        write_done(&message->as.done, out);
        break;
    case MESSAGE_FAIL:
        write_fail(&message->as.fail, out);
        break;
    case MESSAGE_STREAM:
        write_stream(&message->as.stream, out);
        break;
    case MESSAGE_LIBRARIES:
        put_text(out, message->as.libraries.names);
        break;
    case MESSAGE_FLUSH:
    case MESSAGE_DRAIN:
    case MESSAGE_BYE:
        break;
    }
}

/* ---- reading: everything goes through the cursor, whose is_bad is looked at once ---- */

struct reader {
    struct cursor cursor;
    struct arena *arena;
    bool is_out_of_memory;
};

static uint32_t take_u32(struct reader *in)
{
    uint64_t value = cursor_varint(&in->cursor);
    if (value > UINT32_MAX) {
        in->cursor.is_bad = true;
        return 0;
    }
    return (uint32_t)value;
}

static uint64_t take_u64(struct reader *in)
{
    return cursor_varint(&in->cursor);
}

/* A u8 that must lie in 0 ... max. */
static int take_choice(struct reader *in, int max)
{
    uint8_t value = cursor_u8(&in->cursor);
    if (value > max) {
        in->cursor.is_bad = true;
        return 0;
    }
    return value;
}

static struct hash128 take_hash(struct reader *in)
{
    struct hash128 hash;
    hash.low = cursor_u64(&in->cursor);
    hash.high = cursor_u64(&in->cursor);
    return hash;
}

static shard_id take_shard(struct reader *in)
{
    uint32_t run = take_u32(in);
    uint32_t index = take_u32(in);
    return SHARD_ID(run, index);
}

static const char *take_text_sized(struct reader *in, size_t *size)
{
    const char *text = cursor_text(&in->cursor, size);
    if (!text) {
        *size = 0;
        return "";
    }
    char *copy = arena_copy_text(in->arena, text, *size);
    if (!copy) {
        in->is_out_of_memory = true;
        *size = 0;
        return "";
    }
    return copy;
}

/* A text that is used as a string: a zero inside would cut it short unseen. */
static const char *take_text(struct reader *in)
{
    size_t size;
    const char *text = take_text_sized(in, &size);
    if (strlen(text) != size)
        in->cursor.is_bad = true;
    return text;
}

/* How many items of at least `size_min` bytes follow. */
static uint32_t take_count(struct reader *in, size_t size_min)
{
    uint32_t count = take_u32(in);
    if (count > cursor_left(&in->cursor) / size_min) {
        in->cursor.is_bad = true;
        return 0;
    }
    return count;
}

/* Room for `count` items; NULL for none. Sets the flag when there is no memory. */
static void *take_room(struct reader *in, size_t count, size_t size, size_t align)
{
    if (count == 0)
        return NULL;
    void *room = arena_alloc(in->arena, count, size, align);
    if (!room)
        in->is_out_of_memory = true;
    return room;
}

#define TAKE_ROOM(in, type, count) \
    ((type *)take_room((in), (count), sizeof(type), _Alignof(type)))

static bool is_failed(const struct reader *in)
{
    return in->cursor.is_bad || in->is_out_of_memory;
}

static void read_hello(struct reader *in, struct message_hello *hello)
{
    hello->version = take_u32(in);
    hello->incarnation = cursor_u64(&in->cursor);
    hello->host = hello->cpu_level = "";
    if (hello->version != PROTOCOL_VERSION) {
        /* So much stands in every version, for a refusal that says why. */
        (void)cursor_take(&in->cursor, cursor_left(&in->cursor));
        return;
    }
    hello->host = take_text(in);
    hello->pid = take_u32(in);
    hello->executors = take_u32(in);
    hello->memory = take_u64(in);
    hello->cpu_level = take_text(in);
}

static void read_welcome(struct reader *in, struct message_welcome *welcome)
{
    welcome->worker = take_u32(in);
    welcome->session = cursor_u64(&in->cursor);
    welcome->job_folder = take_text(in);
    welcome->nonce = take_text(in);
    welcome->fingerprint = take_hash(in);
    welcome->pipeline_yaml = take_text_sized(in, &welcome->pipeline_size);
    welcome->silence_ms = (int64_t)take_u64(in);
}

static void read_done_ranges(struct reader *in, struct lease *lease)
{
    uint32_t count = take_count(in, DONE_RANGE_SIZE_MIN);
    uint32_t *done = TAKE_ROOM(in, uint32_t, 2 * (size_t)count);
    for (uint32_t i = 0; done && i < count; i++) {
        done[2 * (size_t)i] = take_u32(in);
        done[2 * (size_t)i + 1] = take_u32(in);
        if (done[2 * (size_t)i] > done[2 * (size_t)i + 1])
            in->cursor.is_bad = true;
    }
    lease->done = done;
    lease->done_count = done ? count : 0;
}

static void read_suspects(struct reader *in, struct lease *lease)
{
    uint32_t count = take_count(in, SUSPECT_SIZE_MIN);
    struct lease_suspect *suspects = TAKE_ROOM(in, struct lease_suspect, count);
    for (uint32_t i = 0; suspects && i < count && !is_failed(in); i++) {
        suspects[i].ordinal = take_u32(in);
        suspects[i].stage = take_u32(in);
        suspects[i].strikes = take_u32(in);
        suspects[i].reason = take_text(in);
    }
    lease->suspects = suspects;
    lease->suspect_count = suspects ? count : 0;
}

/* Do `count` shards from `shard` on stay within their run? */
static bool is_range(shard_id shard, uint32_t count)
{
    uint32_t index = SHARD_INDEX(shard);
    return index == SHARDS_UNKNOWN || count <= SHARDS_UNKNOWN - index;
}

static void read_lease(struct reader *in, uint32_t file_count, struct lease *lease)
{
    lease->shard = take_shard(in);
    lease->count = take_u32(in);
    lease->epoch = take_u32(in);
    lease->generation = take_u32(in);
    lease->kind = (enum run_kind)take_choice(in, RUN_FINISH);
    lease->first_file = take_u32(in);
    lease->file_count = take_u32(in);
    lease->begin = take_u64(in);
    lease->step = take_u64(in);
    lease->end = take_u64(in);
    lease->entry_compressed = take_u64(in);
    lease->entry_decompressed = take_u64(in);
    lease->entry_shard = take_u32(in);
    read_done_ranges(in, lease);
    read_suspects(in, lease);
    lease->isolate_begin = take_u32(in);
    lease->isolate_end = take_u32(in);
    if (!is_range(lease->shard, lease->count) || lease->first_file > file_count ||
        lease->file_count > file_count - lease->first_file)
        in->cursor.is_bad = true;
}

static void read_leases(struct reader *in, struct message_lease *message)
{
    message->phase = take_u32(in);
    uint32_t file_count = take_count(in, FILE_SIZE_MIN);
    struct message_file *files = TAKE_ROOM(in, struct message_file, file_count);
    for (uint32_t i = 0; files && i < file_count && !is_failed(in); i++) {
        files[i].file = take_u32(in);
        files[i].path = take_text(in);
        files[i].name = take_text(in);
        files[i].size = take_u64(in);
        files[i].compression = (enum compression)take_choice(in, COMPRESSION_ZSTD);
    }
    uint32_t lease_count = take_count(in, LEASE_SIZE_MIN);
    struct lease *leases = TAKE_ROOM(in, struct lease, lease_count);
    for (uint32_t i = 0; leases && i < lease_count && !is_failed(in); i++)
        read_lease(in, file_count, &leases[i]);
    message->files = files;
    message->file_count = file_count;
    message->leases = leases;
    message->lease_count = lease_count;
}

static void read_ranges(struct reader *in, struct message_ranges *message)
{
    message->phase = take_u32(in);
    uint32_t count = take_count(in, RANGE_SIZE_MIN);
    struct shard_range *ranges = TAKE_ROOM(in, struct shard_range, count);
    for (uint32_t i = 0; ranges && i < count && !is_failed(in); i++) {
        ranges[i].shard = take_shard(in);
        ranges[i].count = take_u32(in);
        ranges[i].epoch = take_u32(in);
        if (!is_range(ranges[i].shard, ranges[i].count))
            in->cursor.is_bad = true;
    }
    message->ranges = ranges;
    message->count = count;
}

static void read_heartbeat(struct reader *in, struct message_heartbeat *heartbeat)
{
    heartbeat->credit = take_u32(in);
    heartbeat->stream_credit = take_u32(in);
    heartbeat->held = take_u32(in);
    heartbeat->streams_held = take_u32(in);
    heartbeat->records = take_u64(in);
    heartbeat->bytes = take_u64(in);
    heartbeat->executors = take_u32(in);
    heartbeat->cpu_us = take_u64(in);
}

static enum error_code read_done(struct reader *in, struct message_done *done,
                                 struct error *error)
{
    done->phase = take_u32(in);
    done->volume = take_text(in);
    done->size = take_u64(in);
    done->checksum = take_hash(in);
    done->fsync_count = take_u32(in);
    done->fsync_us = (int64_t)take_u64(in);
    uint32_t count = take_count(in, ENTRY_SIZE_MIN + 5);
    struct shard_entry *entries = TAKE_ROOM(in, struct shard_entry, count);
    uint32_t *epochs = TAKE_ROOM(in, uint32_t, count);
    for (uint32_t i = 0; entries && epochs && i < count && !is_failed(in); i++) {
        epochs[i] = take_u32(in);
        uint32_t size = cursor_u32(&in->cursor);
        const unsigned char *data = cursor_take(&in->cursor, size);
        if (!data)
            break;
        enum error_code code =
            shard_entry_read(data, size, in->arena, &entries[i], error);
        if (code != OK)
            return code;
    }
    done->entries = entries;
    done->epochs = epochs;
    done->count = count;
    return OK;
}

static void read_fail(struct reader *in, struct message_fail *fail)
{
    fail->phase = take_u32(in);
    fail->shard = take_shard(in);
    fail->epoch = take_u32(in);
    fail->class = (enum fail_class)take_choice(in, FAIL_CONFIG);
    fail->ordinal = take_u32(in);
    fail->stage = take_u32(in);
    fail->reason = take_text(in);
    fail->text = take_text(in);
}

static void read_stream(struct reader *in, struct message_stream *stream)
{
    stream->phase = take_u32(in);
    stream->run = take_u32(in);
    stream->epoch = take_u32(in);
    stream->count = take_u32(in);
    stream->entry_shard = take_u32(in);
    stream->entry_compressed = take_u64(in);
    stream->entry_decompressed = take_u64(in);
}

static enum error_code read_body(struct reader *in, struct message *message,
                                 struct error *error)
{
    switch (message->type) {
    case MESSAGE_HELLO:
        read_hello(in, &message->as.hello);
        return OK;
    case MESSAGE_WELCOME:
        read_welcome(in, &message->as.welcome);
        return OK;
    case MESSAGE_REFUSE:
        message->as.refuse.reason = take_text(in);
        return OK;
    case MESSAGE_PHASE:
        message->as.phase.phase = take_u32(in);
        return OK;
    case MESSAGE_LEASE:
        read_leases(in, &message->as.lease);
        return OK;
    case MESSAGE_REVOKE:
    case MESSAGE_RETURN:
        read_ranges(in, &message->as.ranges);
        return OK;
    case MESSAGE_HEARTBEAT:
        read_heartbeat(in, &message->as.heartbeat);
        return OK;
    case MESSAGE_DONE:
        return read_done(in, &message->as.done, error);
    case MESSAGE_FAIL:
        read_fail(in, &message->as.fail);
        return OK;
    case MESSAGE_STREAM:
        read_stream(in, &message->as.stream);
        return OK;
    case MESSAGE_LIBRARIES:
        message->as.libraries.names = take_text(in);
        return OK;
    case MESSAGE_FLUSH:
    case MESSAGE_DRAIN:
    case MESSAGE_BYE:
        return OK;
    }
    in->cursor.is_bad = true;
    return OK;
}

enum error_code message_read(const void *data, size_t size, struct arena *arena,
                             struct message *message, struct error *error)
{
    if (size > MESSAGE_SIZE_MAX)
        return error_set(error, ERROR_DAMAGED, "message of %zu bytes is too long", size);
    struct reader in = {.cursor = cursor_over(data, size), .arena = arena};
    struct message read = {0};
    int type = take_choice(&in, MESSAGE_BYE);
    read.type = (enum message_type)type;
    enum error_code code = read_body(&in, &read, error);
    if (code != OK) {
        (void)error_wrap(error, "message of type %d", type);
        return code;
    }
    if (in.is_out_of_memory)
        return error_set(error, ERROR_MEMORY, "no memory for a message of %zu bytes",
                         size);
    if (in.cursor.is_bad || cursor_left(&in.cursor) != 0)
        return error_set(error, ERROR_DAMAGED,
                         "message of type %d and %zu bytes is not well-formed", type,
                         size);
    *message = read;
    return OK;
}
