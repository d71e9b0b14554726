/* test_batch_collect.c - tests of rows of several batches as one */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/batch_collect.h"

static const uint64_t text_offsets[] = {0, 1, 1, 4};
static const uint64_t list_offsets[] = {0, 2, 2, 3};
static const uint32_t numbers[] = {1, 2, 3};
static const int64_t counts[] = {-1, 0, 1};
static const unsigned char bits = 0x5, valid = 0x3;
static const struct column key = {
    .name = "key", .type = COLUMN_UTF8, .offsets = text_offsets, .data = "abcd"};
static const struct column tokens = {
    .name = "tokens", .type = COLUMN_LIST_U32, .offsets = list_offsets, .data = numbers};
static const struct column count = {.name = "count", .type = COLUMN_I64, .data = counts};
static const struct column flag = {.name = "flag", .type = COLUMN_BOOL, .data = &bits};
static const struct column count_or_none = {
    .name = "count", .type = COLUMN_I64, .data = counts, .validity = &valid};
static const struct column *const whole[] = {&key, &tokens, &count, &flag};
static const struct column *const holed[] = {&key, &tokens, &count_or_none, &flag};
static const struct origin origins[] = {{.offset = 5}, {.offset = 6}, {.offset = 7}};
static const struct batch first = {
    .count = 3, .column_count = 4, .origins = origins, .columns = whole};
static const struct batch second = {
    .count = 3, .column_count = 4, .origins = origins, .columns = holed};

static int begin(void **state)
{
    *state = arena_create(4096, 0);
    assert_non_null(*state);
    return 0;
}

static int end(void **state)
{
    arena_destroy(*state);
    return 0;
}

static void rows_come_in_the_order_asked_for(void **state)
{
    const struct row_reference rows[] = {{&first, 2}, {&second, 0}, {&first, 2}};
    struct batch *batch = batch_collect(rows, 3, *state);
    assert_non_null(batch);
    assert_int_equal(batch->count, 3);
    assert_int_equal(batch->column_count, 4);
    assert_int_equal(batch->origins[0].offset, 7);
    assert_int_equal(batch->origins[1].offset, 5);
    const struct column *texts = batch_column(batch, "key");
    assert_int_equal(texts->offsets[3], 7);
    assert_memory_equal(texts->data, "bcdabcd", 7);
    const struct column *lists = batch_column(batch, "tokens");
    static const uint32_t expected[] = {3, 1, 2, 3};
    assert_int_equal(lists->offsets[1], 1);
    assert_int_equal(lists->offsets[2], 3);
    assert_memory_equal(lists->data, expected, sizeof expected);
    static const int64_t expected_counts[] = {1, -1, 1};
    assert_memory_equal(batch_column(batch, "count")->data, expected_counts,
                        sizeof expected_counts);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(column_bool(batch_column(batch, "flag"), i));
}

static void absent_values_stay_absent(void **state)
{
    const struct row_reference rows[] = {{&first, 2}, {&second, 2}, {&second, 1}};
    struct batch *batch = batch_collect(rows, 3, *state);
    assert_non_null(batch);
    const struct column *column = batch_column(batch, "count");
    assert_true(column_is_valid(column, 0));
    assert_false(column_is_valid(column, 1));
    assert_true(column_is_valid(column, 2));
}

static void whole_columns_need_no_bitmap(void **state)
{
    const struct row_reference rows[] = {{&second, 0}, {&second, 1}};
    struct batch *batch = batch_collect(rows, 2, *state);
    assert_non_null(batch);
    assert_null(batch_column(batch, "count")->validity);
}

static void no_rows_are_an_empty_batch(void **state)
{
    struct batch *batch = batch_collect(NULL, 0, *state);
    assert_non_null(batch);
    assert_int_equal(batch->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_in_the_order_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(absent_values_stay_absent, begin, end),
        cmocka_unit_test_setup_teardown(whole_columns_need_no_bitmap, begin, end),
        cmocka_unit_test_setup_teardown(no_rows_are_an_empty_batch, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
