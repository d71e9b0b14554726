/* test_control.c - tests of the messages between a worker and an executor */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "worker/control.h"

struct fixture {
    struct arena *arena;
    struct bytes bytes;
};

static int begin(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.arena = arena_create(4096, 0)};
    assert_non_null(fixture.arena);
    *state = &fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    arena_destroy(fixture->arena);
    bytes_clear(&fixture->bytes);
    return 0;
}

static struct cursor whole(const struct fixture *fixture)
{
    return cursor_over(fixture->bytes.data, fixture->bytes.size);
}

static void a_setup_comes_back(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t slots[] = {7, 8, 9};
    struct control_setup read, setup = {.yaml = "name: x\n",
                                        .yaml_size = 8,
                                        .folder = "/a",
                                        .job_folder = "/b",
                                        .scratch = "/c",
                                        .volume_prefix = "1-2",
                                        .fingerprint = {.low = 5, .high = 6},
                                        .executor = 3,
                                        .memory = UINT64_MAX,
                                        .slots = slots,
                                        .slot_count = 3};
    control_write_setup(&setup, &fixture->bytes);
    assert_true(control_read_setup(whole(fixture), fixture->arena, &read));
    assert_int_equal(read.yaml_size, 8);
    assert_string_equal(read.yaml, setup.yaml);
    assert_string_equal(read.folder, "/a");
    assert_string_equal(read.job_folder, "/b");
    assert_string_equal(read.scratch, "/c");
    assert_string_equal(read.volume_prefix, "1-2");
    assert_true(hash128_is_equal(read.fingerprint, setup.fingerprint));
    assert_int_equal(read.executor, 3);
    assert_true(read.memory == UINT64_MAX);
    assert_int_equal(read.slot_count, 3);
    assert_memory_equal(read.slots, slots, sizeof slots);
}

static void a_stream_comes_back(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t done[] = {0, 4, 6, 7};
    struct control_stream read, stream = {.run = 1,
                                          .file = 2,
                                          .path = "/x/y.gz",
                                          .name = "y.gz",
                                          .compression = COMPRESSION_GZIP,
                                          .index = 4,
                                          .entry = {.compressed = 10, .decompressed = 30},
                                          .done = done,
                                          .done_count = 2};
    control_write_stream(&stream, &fixture->bytes);
    assert_true(control_read_stream(whole(fixture), fixture->arena, &read));
    assert_int_equal(read.run, 1);
    assert_int_equal(read.file, 2);
    assert_string_equal(read.path, "/x/y.gz");
    assert_string_equal(read.name, "y.gz");
    assert_int_equal(read.compression, COMPRESSION_GZIP);
    assert_int_equal(read.index, 4);
    assert_int_equal(read.entry.compressed, 10);
    assert_int_equal(read.entry.decompressed, 30);
    assert_int_equal(read.done_count, 2);
    assert_memory_equal(read.done, done, sizeof done);
}

static void write_filled(struct fixture *fixture, struct control_filled *filled)
{
    *filled = (struct control_filled){.run = 2,
                                      .slot = UINT32_MAX,
                                      .capacity = 1ull << 40,
                                      .cut = {.index = 11,
                                              .data_offset = 1ull << 33,
                                              .data_size = 77,
                                              .end = STREAM_CORRUPT,
                                              .has_data = true,
                                              .oversize_count = 2},
                                      .total = 12};
    for (size_t i = 0; i < 4; i++)
        filled->cut.oversize[i] = 100 + i;
    control_write_filled(filled, &fixture->bytes);
}

static void a_filled_slot_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct control_filled read, filled;
    write_filled(fixture, &filled);
    struct cursor in = whole(fixture);
    assert_true(control_read_filled(&in, &read));
    assert_int_equal(cursor_left(&in), 0);
    assert_int_equal(read.run, 2);
    assert_int_equal(read.slot, UINT32_MAX);
    assert_true(read.capacity == 1ull << 40);
    assert_int_equal(read.total, 12);
    assert_int_equal(read.cut.index, 11);
    assert_true(read.cut.data_offset == 1ull << 33);
    assert_int_equal(read.cut.data_size, 77);
    assert_int_equal(read.cut.end, STREAM_CORRUPT);
    assert_true(read.cut.has_data);
    assert_int_equal(read.cut.oversize_count, 2);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(read.cut.oversize[i], 100 + i);
}

static void more_oversize_records_than_fit_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct control_filled read, filled;
    write_filled(fixture, &filled);
    store_u32(fixture->bytes.data + fixture->bytes.size - 4 * 8 - 4, UINT32_MAX);
    struct cursor in = whole(fixture);
    assert_false(control_read_filled(&in, &read));
}

static void every_cut_of_a_message_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct control_sealed read, sealed = {.name = "1-2.lmdb",
                                          .size = 4096,
                                          .checksum = {.low = 1, .high = 2},
                                          .fsync_count = 3,
                                          .fsync_us = -1,
                                          .shard_count = 5};
    control_write_sealed(&sealed, &fixture->bytes);
    assert_true(control_read_sealed(whole(fixture), fixture->arena, &read));
    assert_string_equal(read.name, "1-2.lmdb");
    assert_int_equal(read.fsync_us, -1);
    assert_int_equal(read.shard_count, 5);
    for (size_t size = 0; size < fixture->bytes.size; size++)
        assert_false(control_read_sealed(cursor_over(fixture->bytes.data, size),
                                         fixture->arena, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_setup_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(a_filled_slot_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(more_oversize_records_than_fit_are_refused, begin,
                                        end),
        cmocka_unit_test_setup_teardown(every_cut_of_a_message_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
