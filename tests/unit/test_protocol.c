/* test_protocol.c - messages survive the wire, and nothing else passes for one */
#include "core/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/bytes.h"

static const struct message_file files[] = {
    {.file = 0, .path = "/data/a", .name = "a", .size = 1},
    {.file = 7,
     .path = "/data/b.gz",
     .name = "b.gz",
     .size = UINT64_MAX,
     .compression = COMPRESSION_GZIP},
    {.file = UINT32_MAX, .path = "", .name = "", .compression = COMPRESSION_ZSTD},
};
static const uint32_t done_ranges[] = {0, 4, 9, UINT32_MAX};
static const struct lease_suspect suspects[] = {
    {.ordinal = 3, .stage = 1, .strikes = 1, .reason = "sigsegv"},
    {.ordinal = UINT32_MAX, .stage = 0, .strikes = 2, .reason = ""},
};
static const struct lease leases[] = {
    {.shard = SHARD_ID(0, 100),
     .count = 1000,
     .epoch = 1,
     .kind = RUN_PLAIN,
     .file_count = 1,
     .begin = 1600,
     .step = 16,
     .end = 20000},
    {.shard = SHARD_ID(5, SHARDS_UNKNOWN),
     .count = 1,
     .epoch = 3,
     .generation = 2,
     .kind = RUN_STREAM,
     .first_file = 1,
     .file_count = 1,
     .entry_compressed = 1 << 20,
     .entry_decompressed = 1 << 22,
     .entry_shard = 8,
     .done = done_ranges,
     .done_count = 2},
    {.shard = SHARD_ID(6, 0),
     .count = 1,
     .kind = RUN_GROUP,
     .first_file = 0,
     .file_count = 3,
     .suspects = suspects,
     .suspect_count = 2},
};
static const struct shard_range ranges[] = {
    {.shard = SHARD_ID(1, 2), .count = 3, .epoch = 4},
    {.shard = SHARD_ID(UINT32_MAX, SHARDS_UNKNOWN), .count = 1, .epoch = 1},
};
static const struct reason reasons[] = {
    {.stage = "input", .reason = "bad_json", .is_quarantine = true, .tally = {1, 20}},
    {.stage = "filter", .reason = "too_short", .tally = {2, 10}},
};
static const struct shard_entry entries[] = {
    {.shard = SHARD_ID(0, 1),
     .phase = 1,
     .block_count = 2,
     .stored_bytes = 1000,
     .account = {.read = {10, 300},
                 .emitted = {7, 270},
                 .dropped = {2, 10},
                 .quarantined = {1, 20}},
     .digest = {1, 2},
     .reasons = reasons,
     .reason_count = 2},
    {.shard = SHARD_ID(0, 2), .phase = 1, .digest = {3, 4}},
};
static const uint32_t epochs[] = {1, 9};

/* One of each type, in the order of the types. */
static const struct message samples[] = {
    {.type = MESSAGE_HELLO,
     .as.hello = {.version = PROTOCOL_VERSION,
                  .incarnation = UINT64_MAX,
                  .host = "node1",
                  .pid = 4711,
                  .executors = 8,
                  .memory = UINT64_C(1) << 40,
                  .cpu_level = "x86-64-v3"}},
    {.type = MESSAGE_WELCOME,
     .as.welcome = {.worker = 1,
                    .session = 99,
                    .job_folder = "/job",
                    .nonce = "abc",
                    .fingerprint = {5, 6},
                    .pipeline_yaml = "name: x\n\0\n",
                    .pipeline_size = 10,
                    .silence_ms = 2000}},
    {.type = MESSAGE_REFUSE, .as.refuse = {.reason = "another version"}},
    {.type = MESSAGE_PHASE, .as.phase = {.phase = 2}},
    {.type = MESSAGE_LEASE,
     .as.lease = {.phase = 1,
                  .files = files,
                  .file_count = 3,
                  .leases = leases,
                  .lease_count = 3}},
    {.type = MESSAGE_REVOKE, .as.ranges = {.phase = 1, .ranges = ranges, .count = 2}},
    {.type = MESSAGE_HEARTBEAT,
     .as.heartbeat = {.credit = 1,
                      .stream_credit = 2,
                      .held = 3,
                      .streams_held = 4,
                      .records = 5,
                      .bytes = UINT64_MAX,
                      .executors = 7,
                      .cpu_us = 8}},
    {.type = MESSAGE_DONE,
     .as.done = {.phase = 1,
                 .volume = "0001-0002.lmdb",
                 .size = 64 << 20,
                 .checksum = {7, 8},
                 .fsync_count = 2,
                 .fsync_us = 12345,
                 .entries = entries,
                 .epochs = epochs,
                 .count = 2}},
    {.type = MESSAGE_FAIL,
     .as.fail = {.phase = 1,
                 .shard = SHARD_ID(2, 3),
                 .epoch = 4,
                 .class = FAIL_CONFIG,
                 .ordinal = 5,
                 .stage = 6,
                 .reason = "signal",
                 .text = "killed by SIGSEGV"}},
    {.type = MESSAGE_STREAM,
     .as.stream = {.phase = 1,
                   .run = 2,
                   .epoch = 3,
                   .count = SHARDS_UNKNOWN,
                   .entry_shard = 5,
                   .entry_compressed = 6,
                   .entry_decompressed = 7}},
    {.type = MESSAGE_FLUSH},
    {.type = MESSAGE_DRAIN},
    {.type = MESSAGE_RETURN, .as.ranges = {.phase = 0, .ranges = NULL, .count = 0}},
    {.type = MESSAGE_LIBRARIES, .as.libraries = {.names = "onnxruntime 1.30.0 4f1d09a2"}},
    {.type = MESSAGE_BYE},
};
enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

struct wire {
    struct arena *arena;
    struct bytes bytes;
    struct error error;
    struct message message;
};

static int open_wire(void **state)
{
    struct wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return -1;
    wire->arena = arena_create(1 << 16, 0);
    *state = wire;
    return wire->arena ? 0 : -1;
}

static int close_wire(void **state)
{
    struct wire *wire = *state;
    arena_destroy(wire->arena);
    bytes_clear(&wire->bytes);
    free(wire);
    return 0;
}

static void write_sample(struct wire *wire, const struct message *message)
{
    bytes_reset(&wire->bytes);
    message_write(message, &wire->bytes);
    assert_false(wire->bytes.is_bad);
}

static enum error_code read_back(struct wire *wire, const void *data, size_t size)
{
    return message_read(data, size, wire->arena, &wire->message, &wire->error);
}

static const struct message *carry(struct wire *wire, enum message_type type)
{
    const struct message *sample = &samples[type - 1];
    assert_int_equal(sample->type, type);
    write_sample(wire, sample);
    assert_int_equal(read_back(wire, wire->bytes.data, wire->bytes.size), OK);
    assert_int_equal(wire->message.type, type);
    return &wire->message;
}

/* Fields one by one where there are pointers; the rest by what is written again. */
static void every_message_is_the_same_when_written_again(void **state)
{
    struct wire *wire = *state;
    for (int type = MESSAGE_HELLO; type <= MESSAGE_BYE; type++) {
        struct bytes again = {0};
        message_write(carry(wire, (enum message_type)type), &again);
        assert_int_equal(again.size, wire->bytes.size);
        assert_memory_equal(again.data, wire->bytes.data, again.size);
        bytes_clear(&again);
    }
    assert_int_equal(SAMPLE_COUNT, MESSAGE_BYE);
}

static void a_greeting_keeps_its_fields(void **state)
{
    struct wire *wire = *state;
    const struct message_hello *hello = &carry(wire, MESSAGE_HELLO)->as.hello;
    assert_int_equal(hello->version, PROTOCOL_VERSION);
    assert_true(hello->incarnation == UINT64_MAX);
    assert_string_equal(hello->host, "node1");
    assert_int_equal(hello->pid, 4711);
    assert_int_equal(hello->executors, 8);
    assert_true(hello->memory == UINT64_C(1) << 40);
    assert_string_equal(hello->cpu_level, "x86-64-v3");
    const struct message_libraries *libraries =
        &carry(wire, MESSAGE_LIBRARIES)->as.libraries;
    assert_string_equal(libraries->names, "onnxruntime 1.30.0 4f1d09a2");
    const struct message_welcome *welcome = &carry(wire, MESSAGE_WELCOME)->as.welcome;
    assert_int_equal(welcome->worker, 1);
    assert_int_equal(welcome->session, 99);
    assert_string_equal(welcome->job_folder, "/job");
    assert_string_equal(welcome->nonce, "abc");
    assert_int_equal(welcome->fingerprint.high, 6);
    assert_int_equal(welcome->pipeline_size, 10);
    assert_memory_equal(welcome->pipeline_yaml, "name: x\n\0\n", 11);
    assert_int_equal(welcome->silence_ms, 2000);
}

static void leases_keep_their_fields(void **state)
{
    const struct message_lease *message = &carry(*state, MESSAGE_LEASE)->as.lease;
    assert_int_equal(message->file_count, 3);
    assert_string_equal(message->files[1].path, "/data/b.gz");
    assert_string_equal(message->files[1].name, "b.gz");
    assert_true(message->files[1].size == UINT64_MAX);
    assert_int_equal(message->files[2].compression, COMPRESSION_ZSTD);
    assert_int_equal(message->lease_count, 3);
    const struct lease *plain = &message->leases[0], *stream = &message->leases[1],
                       *group = &message->leases[2];
    assert_true(plain->shard == SHARD_ID(0, 100));
    assert_int_equal(plain->count, 1000);
    assert_int_equal(plain->begin, 1600);
    assert_int_equal(plain->step, 16);
    assert_int_equal(plain->end, 20000);
    assert_null(plain->done);
    assert_null(plain->suspects);
    assert_true(stream->shard == SHARD_ID(5, SHARDS_UNKNOWN));
    assert_int_equal(stream->generation, 2);
    assert_int_equal(stream->kind, RUN_STREAM);
    assert_int_equal(stream->entry_decompressed, 1 << 22);
    assert_int_equal(stream->entry_shard, 8);
    assert_int_equal(stream->done_count, 2);
    assert_memory_equal(stream->done, done_ranges, sizeof done_ranges);
    assert_int_equal(group->suspect_count, 2);
    assert_string_equal(group->suspects[0].reason, "sigsegv");
    assert_true(group->suspects[1].ordinal == UINT32_MAX);
    assert_int_equal(group->suspects[1].strikes, 2);
}

static void what_is_done_keeps_its_fields(void **state)
{
    const struct message_done *done = &carry(*state, MESSAGE_DONE)->as.done;
    assert_string_equal(done->volume, "0001-0002.lmdb");
    assert_int_equal(done->checksum.high, 8);
    assert_int_equal(done->fsync_us, 12345);
    assert_int_equal(done->count, 2);
    assert_int_equal(done->epochs[1], 9);
    assert_true(done->entries[0].shard == SHARD_ID(0, 1));
    assert_int_equal(done->entries[0].account.emitted.bytes, 270);
    assert_int_equal(done->entries[0].reason_count, 2);
    assert_string_equal(done->entries[0].reasons[1].reason, "too_short");
    assert_int_equal(done->entries[1].digest.high, 4);
}

static void failures_and_heartbeats_keep_their_fields(void **state)
{
    const struct message_fail *fail = &carry(*state, MESSAGE_FAIL)->as.fail;
    assert_int_equal(fail->class, FAIL_CONFIG);
    assert_string_equal(fail->reason, "signal");
    assert_string_equal(fail->text, "killed by SIGSEGV");
    const struct message_heartbeat *heartbeat =
        &carry(*state, MESSAGE_HEARTBEAT)->as.heartbeat;
    assert_int_equal(heartbeat->credit, 1);
    assert_int_equal(heartbeat->streams_held, 4);
    assert_true(heartbeat->bytes == UINT64_MAX);
    assert_int_equal(heartbeat->cpu_us, 8);
}

static void a_lease_of_a_thousand_tiny_shards_is_small(void **state)
{
    struct wire *wire = *state;
    struct message message = samples[MESSAGE_LEASE - 1];
    message.as.lease.lease_count = 1;
    message.as.lease.file_count = 1;
    write_sample(wire, &message);
    assert_in_range(wire->bytes.size, 1, 64);
}

static void a_message_cut_short_is_damaged(void **state)
{
    struct wire *wire = *state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        write_sample(wire, &samples[i]);
        for (size_t size = 0; size < wire->bytes.size; size++) {
            /* In memory of its own size, so that a sanitizer sees a step too far. */
            unsigned char *part = malloc(size + !size);
            assert_non_null(part);
            memcpy(part, wire->bytes.data, size);
            assert_int_equal(read_back(wire, part, size), ERROR_DAMAGED);
            free(part);
        }
    }
}

static void a_message_with_something_behind_it_is_damaged(void **state)
{
    struct wire *wire = *state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        write_sample(wire, &samples[i]);
        bytes_put_u8(&wire->bytes, 0);
        assert_int_equal(read_back(wire, wire->bytes.data, wire->bytes.size),
                         ERROR_DAMAGED);
    }
}

static void changed_bytes_never_do_harm(void **state)
{
    struct wire *wire = *state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        write_sample(wire, &samples[i]);
        for (size_t k = 0; k < wire->bytes.size; k++) {
            unsigned char kept = wire->bytes.data[k];
            for (int value = 0; value < 256; value += 5) {
                wire->bytes.data[k] = (unsigned char)value;
                enum error_code code =
                    read_back(wire, wire->bytes.data, wire->bytes.size);
                assert_true(code == OK || code == ERROR_DAMAGED);
            }
            wire->bytes.data[k] = kept;
            arena_reset(wire->arena);
        }
    }
}

static void assert_damaged(struct wire *wire, const struct message *message)
{
    write_sample(wire, message);
    assert_int_equal(read_back(wire, wire->bytes.data, wire->bytes.size), ERROR_DAMAGED);
}

static void senseless_leases_are_damaged(void **state)
{
    struct lease lease = leases[0];
    struct message message = {
        .type = MESSAGE_LEASE,
        .as.lease = {
            .files = files, .file_count = 1, .leases = &lease, .lease_count = 1}};
    lease.first_file = 1;
    assert_damaged(*state, &message);
    lease.first_file = UINT32_MAX;
    lease.file_count = 2;
    assert_damaged(*state, &message);
    lease = leases[0];
    lease.shard = SHARD_ID(0, SHARDS_UNKNOWN - 5);
    lease.count = 6;
    assert_damaged(*state, &message);
    lease = leases[0];
    lease.kind = (enum run_kind)(RUN_FINISH + 1);
    assert_damaged(*state, &message);
}

static void a_long_count_takes_no_memory(void **state)
{
    struct wire *wire = *state;
    static const enum message_type types[] = {MESSAGE_LEASE, MESSAGE_REVOKE,
                                              MESSAGE_RETURN};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        bytes_reset(&wire->bytes);
        bytes_put_u8(&wire->bytes, (uint8_t)types[i]);
        bytes_put_varint(&wire->bytes, 0);
        bytes_put_varint(&wire->bytes, UINT32_MAX);
        assert_int_equal(read_back(wire, wire->bytes.data, wire->bytes.size),
                         ERROR_DAMAGED);
        assert_in_range(arena_used(wire->arena), 0, 1000);
    }
}

static void a_greeting_of_another_version_can_be_refused_by_name(void **state)
{
    struct wire *wire = *state;
    struct message message = samples[MESSAGE_HELLO - 1];
    message.as.hello.version = PROTOCOL_VERSION + 1;
    write_sample(wire, &message);
    bytes_put(&wire->bytes, "what may come", 13);
    assert_int_equal(read_back(wire, wire->bytes.data, wire->bytes.size), OK);
    assert_int_equal(wire->message.as.hello.version, PROTOCOL_VERSION + 1);
    assert_true(wire->message.as.hello.incarnation == UINT64_MAX);
    assert_string_equal(wire->message.as.hello.host, "");
}

static void a_text_with_a_zero_inside_is_damaged(void **state)
{
    struct wire *wire = *state;
    bytes_put_u8(&wire->bytes, MESSAGE_REFUSE);
    bytes_put_text(&wire->bytes, "a\0b", 3);
    assert_int_equal(read_back(wire, wire->bytes.data, wire->bytes.size), ERROR_DAMAGED);
}

static void a_full_arena_is_told_apart_from_damage(void **state)
{
    struct wire *wire = *state;
    arena_destroy(wire->arena);
    wire->arena = arena_create(4096, 16);
    assert_non_null(wire->arena);
    write_sample(wire, &samples[MESSAGE_LEASE - 1]);
    assert_int_equal(read_back(wire, wire->bytes.data, wire->bytes.size), ERROR_MEMORY);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_wire, close_wire)
    const struct CMUnitTest tests[] = {
        CASE(every_message_is_the_same_when_written_again),
        CASE(a_greeting_keeps_its_fields),
        CASE(leases_keep_their_fields),
        CASE(what_is_done_keeps_its_fields),
        CASE(failures_and_heartbeats_keep_their_fields),
        CASE(a_lease_of_a_thousand_tiny_shards_is_small),
        CASE(a_message_cut_short_is_damaged),
        CASE(a_message_with_something_behind_it_is_damaged),
        CASE(changed_bytes_never_do_harm),
        CASE(senseless_leases_are_damaged),
        CASE(a_long_count_takes_no_memory),
        CASE(a_greeting_of_another_version_can_be_refused_by_name),
        CASE(a_text_with_a_zero_inside_is_damaged),
        CASE(a_full_arena_is_told_apart_from_damage),
    };
#undef CASE
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
