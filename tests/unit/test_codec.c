/* test_codec.c - tests core/codec.c and core/message_pack.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/codec.h"
#include "core/message_pack.h"
#include "tests/unit/job_fixture.h"

enum { ROWS = 37, LARGE = 1 << 20 };

static void assert_decodes(const struct bytes *block, const struct batch *from,
                           const uint32_t *rows, uint32_t count)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct error error;
    struct batch *got;
    struct file_names files;
    assert_int_equal(block_decode(block->data, block->size, arena, &got, &files, &error),
                     OK);
    assert_int_equal(got->count, count);
    assert_int_equal(got->column_count, from->column_count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows ? rows[i] : i;
        assert_int_equal(got->origins[i].offset, from->origins[row].offset);
        assert_int_equal(got->origins[i].size, from->origins[row].size);
        assert_string_equal(files.names[got->origins[i].file],
                            fixture_names[from->origins[row].file]);
        for (uint32_t c = 0; c < from->column_count; c++)
            assert_true(fixture_rows_equal(got->columns[c], i, from->columns[c], row));
    }
    arena_destroy(arena);
}

static void blocks_come_back_with_every_type(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 7, 8, 9, ROWS, 1000};
    struct arena *arena = arena_create(1 << 16, 0);
    struct block_encoder *encoder = block_encoder_create();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes block = {0};
        struct batch *batch = fixture_batch(arena, sizes[i], 1, (uint32_t)i);
        assert_int_equal(
            block_encode(encoder, batch, &fixture_files, NULL, sizes[i], &block, NULL),
            OK);
        assert_decodes(&block, batch, NULL, sizes[i]);
        bytes_clear(&block);
    }
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

static void chosen_rows_come_back_in_their_order(void **state)
{
    (void)state;
    static const uint32_t rows[] = {36, 3, 4, 5, 0, 3};
    struct arena *arena = arena_create(1 << 16, 0);
    struct block_encoder *encoder = block_encoder_create();
    struct bytes block = {0};
    struct batch *batch = fixture_batch(arena, ROWS, 1, 8);
    struct origin *origins = ARENA_NEW(arena, struct origin, ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        origins[i] = (struct origin){.file = (i + 2) % 3, .offset = i, .size = 1};
    batch->origins = origins;
    assert_int_equal(block_encode(encoder, batch, &fixture_files, rows, 6, &block, NULL),
                     OK);
    assert_decodes(&block, batch, rows, 6);
    bytes_clear(&block);
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

/* One text of a size, repeating or not. */
static struct batch *text_batch(struct arena *arena, size_t size, bool is_random)
{
    struct batch *batch = fixture_batch(arena, 1, 0, 9);
    unsigned char *data = arena_alloc(arena, size, 1, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, 2);
    struct column *text = ARENA_NEW(arena, struct column, 1);
    const struct column **list = ARENA_NEW(arena, const struct column *, 2);
    uint32_t seed = 1;
    for (size_t i = 0; is_random && i < size; i++)
        data[i] = (unsigned char)(fixture_random(&seed) >> 8);
    offsets[1] = size;
    *text = (struct column){
        .name = "text", .type = COLUMN_BYTES, .offsets = offsets, .data = data};
    list[0] = batch->columns[0];
    list[1] = text;
    batch->columns = list;
    batch->column_count = 2;
    return batch;
}

static void compression_is_used_where_it_pays(void **state)
{
    (void)state;
    static const size_t sizes[] = {8000, 100000, LARGE};
    struct block_encoder *encoder = block_encoder_create();
    for (int i = 0; i < 6; i++) {
        struct arena *arena = arena_create(1 << 16, 0);
        struct bytes block = {0};
        size_t size = sizes[i / 2];
        struct batch *batch = text_batch(arena, size, i % 2 == 1);
        assert_int_equal(
            block_encode(encoder, batch, &fixture_files, NULL, 1, &block, NULL), OK);
        if (i % 2 == 0)
            assert_true(block.size < size / 2);
        else
            assert_true(block.size > size && block.size < size + 512);
        assert_decodes(&block, batch, NULL, 1);
        bytes_clear(&block);
        arena_destroy(arena);
    }
    block_encoder_destroy(encoder);
}

static void encoding_appends_behind_what_is_there(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct block_encoder *encoder = block_encoder_create();
    struct bytes block = {0};
    struct batch *batch = fixture_batch(arena, ROWS, 0, 1);
    bytes_put(&block, "abc", 3);
    assert_int_equal(
        block_encode(encoder, batch, &fixture_files, NULL, ROWS, &block, NULL), OK);
    assert_memory_equal(block.data, "abc", 3);
    struct bytes behind = {.data = block.data + 3, .size = block.size - 3};
    assert_decodes(&behind, batch, NULL, ROWS);
    bytes_clear(&block);
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

/* Flipped bits in compressed and in plain blocks: damage is reported or harmless. */
static void damaged_blocks_never_crash(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 64 << 20);
    struct block_encoder *encoder = block_encoder_create();
    uint32_t seed = 7;
    uint32_t refused = 0;
    for (int large = 0; large < 2; large++) {
        struct bytes block = {0};
        struct batch *batch =
            large ? text_batch(arena, 3000, true) : fixture_batch(arena, ROWS, 0, 1);
        assert_int_equal(block_encode(encoder, batch, &fixture_files, NULL, batch->count,
                                      &block, NULL),
                         OK);
        for (int i = 0; i < 20000; i++) {
            struct arena *scratch = arena_create(1 << 16, 64 << 20);
            struct batch *got;
            struct file_names files;
            size_t at = fixture_random(&seed) % block.size;
            size_t size = i % 3 ? block.size : fixture_random(&seed) % block.size;
            unsigned char before = block.data[at];
            block.data[at] ^= (unsigned char)(1U << fixture_random(&seed) % 8);
            enum error_code code =
                block_decode(block.data, size, scratch, &got, &files, NULL);
            assert_true(code == OK || code == ERROR_DAMAGED || code == ERROR_MEMORY);
            refused += code != OK;
            block.data[at] = before;
            arena_destroy(scratch);
        }
        bytes_clear(&block);
    }
    assert_true(refused > 10000);
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

static void a_claimed_size_takes_no_memory(void **state)
{
    (void)state;
    /* A zstd frame that states 1 GiB and holds one empty block. */
    static const unsigned char bomb[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0,
                                         0,    0,    0x40, 1,    0,    0};
    static const unsigned char wide[] = {0x81, 0xa5, 'f',  'i',  'l',  'e',
                                         's',  0xdd, 0x7f, 0xff, 0xff, 0xff};
    struct arena *arena = arena_create(4096, 0);
    struct batch *batch;
    struct file_names files;
    assert_int_equal(block_decode(bomb, sizeof bomb, arena, &batch, &files, NULL),
                     ERROR_DAMAGED);
    assert_int_equal(block_decode(wide, sizeof wide, arena, &batch, &files, NULL),
                     ERROR_DAMAGED);
    assert_int_equal(block_decode(NULL, 0, arena, &batch, &files, NULL), ERROR_DAMAGED);
    assert_true(arena_used(arena) < 4096);
    arena_destroy(arena);
}

static void digest_sees_every_part_of_a_record(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes scratch = {0};
    struct batch *batch = fixture_batch(arena, 2, 0, 1);
    struct hash128 seen[FIXTURE_COLUMNS + 4];
    size_t count = 0;
    seen[count++] = record_digest(batch, 0, "a", &scratch);
    seen[count++] = record_digest(batch, 0, "b", &scratch);
    seen[count++] = record_digest(batch, 1, "a", &scratch);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct column *list[FIXTURE_COLUMNS + 1];
        struct column renamed = *batch->columns[i];
        struct batch other = *batch;
        renamed.name = "other";
        memcpy(list, batch->columns, sizeof list);
        list[i] = &renamed;
        other.columns = list;
        seen[count++] = record_digest(&other, 0, "a", &scratch);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_false(hash128_is_equal(seen[i], seen[k]));
    assert_true(hash128_is_equal(seen[0], record_digest(batch, 0, "a", &scratch)));
    bytes_clear(&scratch);
    arena_destroy(arena);
}

/* Frozen: published digests must not change. */
static void digests_are_those_of_the_first_release(void **state)
{
    (void)state;
    struct bytes scratch = {0};
    struct arena *arena = arena_create(1 << 16, 0);
    char text[33];
    hash128_format(reject_digest("a.jsonl", 10, 0, "input", "bad_json", &scratch), text);
    assert_string_equal(text, "ca62ebbcdf3f78353a863aa0013fd4f0");
    hash128_format(record_digest(fixture_batch(arena, 2, 0, 1), 1, "a.jsonl", &scratch),
                   text);
    assert_string_equal(text, "f0afabea71e357cf9e2c2b6d7b4a3c99");
    bytes_clear(&scratch);
    arena_destroy(arena);
}

static void numbers_and_sizes_are_packed_at_every_width(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {
        0,         127, 128, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t)UINT32_MAX + 1,
        UINT64_MAX};
    static const uint32_t sizes[] = {0, 15, 16, 31, 32, 255, 256, 65535, 65536};
    struct bytes out = {0};
    struct message_pack_item item;
    char *text = calloc(1, 65537);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        message_pack_number(&out, numbers[i]);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(text, 'x', 65536);
        text[sizes[i]] = 0;
        message_pack_text(&out, text);
        message_pack_binary(&out, text, sizes[i]);
        if (sizes[i] < 65535) {
            message_pack_array(&out, sizes[i]);
            message_pack_map(&out, sizes[i]);
        }
    }
    struct cursor cursor = cursor_over(out.data, out.size);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_true(message_pack_read_as(&cursor, PACK_NUMBER, &item));
        assert_true(item.number == numbers[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_true(message_pack_read_as(&cursor, PACK_TEXT, &item));
        assert_int_equal(item.size, sizes[i]);
        assert_true(message_pack_read_as(&cursor, PACK_BINARY, &item));
        assert_int_equal(item.size, sizes[i]);
        if (sizes[i] < 65535) {
            assert_true(message_pack_read_as(&cursor, PACK_ARRAY, &item));
            assert_int_equal(item.number, sizes[i]);
            assert_true(message_pack_read_as(&cursor, PACK_MAP, &item));
            assert_int_equal(item.number, sizes[i]);
        }
    }
    assert_int_equal(cursor_left(&cursor), 0);
    free(text);
    bytes_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_back_with_every_type),
        cmocka_unit_test(chosen_rows_come_back_in_their_order),
        cmocka_unit_test(compression_is_used_where_it_pays),
        cmocka_unit_test(encoding_appends_behind_what_is_there),
        cmocka_unit_test(damaged_blocks_never_crash),
        cmocka_unit_test(a_claimed_size_takes_no_memory),
        cmocka_unit_test(digest_sees_every_part_of_a_record),
        cmocka_unit_test(digests_are_those_of_the_first_release),
        cmocka_unit_test(numbers_and_sizes_are_packed_at_every_width),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
