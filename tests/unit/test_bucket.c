/* test_bucket.c - tests of buckets, their order and the table of file names */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "worker/bucket.h"

static const uint64_t offsets[] = {0, 1, 2, 3};
static const struct column key = {
    .name = "key", .type = COLUMN_UTF8, .offsets = offsets, .data = "aba"};
static const struct column *const columns[] = {&key};
static const struct origin origins[] = {
    {.file = 0, .offset = 0}, {.file = 1, .offset = 10}, {.file = 0, .offset = 20}};
static const struct batch rows = {
    .count = 3, .column_count = 1, .origins = origins, .columns = columns};

static void a_hash_depends_on_the_value_alone(void **state)
{
    struct exchange_spec exchange = {
        .kind = EXCHANGE_HASH, .column = "key", .buckets = 1u << 20};
    struct bytes scratch = {0};
    (void)state;
    uint32_t first = bucket_of_row(&exchange, &rows, 0, "x", &scratch);
    assert_int_equal(bucket_of_row(&exchange, &rows, 2, "y", &scratch), first);
    assert_int_not_equal(bucket_of_row(&exchange, &rows, 1, "x", &scratch), first);
    assert_true(bucket_order(&exchange, "x", 5, 0, &scratch) == 0);
    bytes_clear(&scratch);
}

static void a_shuffle_depends_on_seed_file_and_offset(void **state)
{
    struct exchange_spec exchange = {
        .kind = EXCHANGE_RANDOM, .seed = 1, .buckets = 1u << 20};
    struct exchange_spec other = exchange;
    struct bytes scratch = {0};
    (void)state;
    other.seed = 2;
    uint32_t first = bucket_of_row(&exchange, &rows, 0, "x", &scratch);
    assert_int_equal(bucket_of_row(&exchange, &rows, 0, "x", &scratch), first);
    assert_int_not_equal(bucket_of_row(&exchange, &rows, 0, "y", &scratch), first);
    assert_int_not_equal(bucket_of_row(&exchange, &rows, 2, "x", &scratch), first);
    assert_int_not_equal(bucket_of_row(&other, &rows, 0, "x", &scratch), first);
    bytes_clear(&scratch);
}

static void the_order_in_a_bucket_does_not_follow_from_the_bucket(void **state)
{
    struct exchange_spec exchange = {.kind = EXCHANGE_RANDOM, .seed = 1, .buckets = 64};
    struct bytes scratch = {0};
    uint32_t same = 0;
    (void)state;
    for (uint64_t offset = 0; offset < 1000; offset++) {
        struct origin origin = {.offset = offset};
        struct batch one = rows;
        one.count = 1;
        one.origins = &origin;
        same += bucket_order(&exchange, "x", offset, 0, &scratch) % 64 ==
                bucket_of_row(&exchange, &one, 0, "x", &scratch);
    }
    assert_in_range(same, 1, 60); /* 1000 / 64, give or take */
    bytes_clear(&scratch);
}

static void names_of_several_blocks_share_numbers(void **state)
{
    static const char *const first[] = {"a", "b"}, *const second[] = {"b", "c"};
    struct file_names first_files = {.names = first, .count = 2};
    struct file_names second_files = {.names = second, .count = 2};
    struct arena *arena = arena_create(4096, 0);
    struct name_table table;
    (void)state;
    assert_non_null(arena);
    name_table_init(&table, arena);
    const struct batch *one = name_table_rename(&table, &rows, &first_files, arena);
    const struct batch *two = name_table_rename(&table, &rows, &second_files, arena);
    assert_non_null(one);
    assert_non_null(two);
    struct file_names all = name_table_files(&table);
    assert_int_equal(all.count, 3);
    assert_string_equal(all.names[one->origins[1].file], "b");
    assert_int_equal(one->origins[1].file, two->origins[0].file);
    assert_string_equal(all.names[two->origins[1].file], "c");
    assert_int_equal(two->origins[1].offset, 10);
    arena_destroy(arena);
}

static void the_table_grows(void **state)
{
    enum { FILES = 5000 };
    struct arena *arena = arena_create(65536, 0);
    struct name_table table;
    (void)state;
    assert_non_null(arena);
    name_table_init(&table, arena);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < FILES; i++) {
            char text[16];
            const char *const names[] = {text, "unused"};
            struct file_names files = {.names = names, .count = 2};
            struct origin origin = {.file = 0};
            struct batch one = rows;
            one.count = 1;
            one.origins = &origin;
            (void)snprintf(text, sizeof text, "file-%u", i);
            const struct batch *named = name_table_rename(&table, &one, &files, arena);
            assert_non_null(named);
            assert_int_equal(named->origins[0].file, i);
        }
    assert_int_equal(name_table_files(&table).count, FILES);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_depends_on_the_value_alone),
        cmocka_unit_test(a_shuffle_depends_on_seed_file_and_offset),
        cmocka_unit_test(the_order_in_a_bucket_does_not_follow_from_the_bucket),
        cmocka_unit_test(names_of_several_blocks_share_numbers),
        cmocka_unit_test(the_table_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
