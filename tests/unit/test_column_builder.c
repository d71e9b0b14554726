/* test_column_builder.c - rows collected come out in Arrow's layout */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "core/arena.h"
#include "core/column_builder.h"

static void texts_have_offsets_and_no_bitmap_unless_one_is_absent(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct column_builder builder = {.name = "t", .type = COLUMN_UTF8};
    for (int round = 0; round < 2; round++) {
        column_builder_put(&builder, "ab", 2);
        if (round)
            column_builder_put_null(&builder);
        column_builder_put(&builder, "", 0);
        column_builder_put(&builder, "cde", 3);
        const struct column *column = column_builder_finish(&builder, arena);
        const uint64_t plain[] = {0, 2, 2, 5}, gap[] = {0, 2, 2, 2, 5};
        assert_memory_equal(column->data, "abcde", 5);
        assert_memory_equal(column->offsets, round ? gap : plain, round ? 40 : 32);
        if (round)
            assert_int_equal(column->validity[0], 13);
        else
            assert_null(column->validity);
        column_builder_reset(&builder);
    }
    column_builder_clear(&builder);
    arena_destroy(arena);
}

static void bools_become_bits(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct column_builder builder = {.name = "b", .type = COLUMN_BOOL};
    for (unsigned char i = 0; i < 20; i++) {
        unsigned char truth = i % 3 == 0;
        column_builder_put(&builder, &truth, 1);
    }
    const struct column *column = column_builder_finish(&builder, arena);
    const unsigned char *bits = column->data;
    assert_null(column->offsets);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(bits[i / 8] >> i % 8 & 1, i % 3 == 0);
    column_builder_clear(&builder);
    arena_destroy(arena);
}

static void absent_vectors_are_zeros(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct column_builder builder = {
        .name = "v", .type = COLUMN_VECTOR_F32, .dimension = 3};
    const float first[3] = {1, 2, 3}, all[6] = {1, 2, 3, 0, 0, 0};
    column_builder_put(&builder, first, sizeof first);
    column_builder_put_null(&builder);
    const struct column *column = column_builder_finish(&builder, arena);
    assert_memory_equal(column->data, all, sizeof all);
    assert_int_equal(column->dimension, 3);
    assert_int_equal(column->validity[0], 1);
    column_builder_clear(&builder);
    arena_destroy(arena);
}

static void rows_taken_back_leave_no_trace(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct column_builder builder = {.name = "l", .type = COLUMN_LIST_U32};
    const uint32_t numbers[] = {7, 8, 9};
    column_builder_put(&builder, numbers, sizeof numbers);
    column_builder_put_null(&builder);
    column_builder_put(&builder, numbers, 4);
    column_builder_cut(&builder, 1);
    column_builder_cut(&builder, 5);
    column_builder_put(&builder, numbers, 8);
    const struct column *column = column_builder_finish(&builder, arena);
    const uint64_t offsets[] = {0, 3, 5};
    const uint32_t all[] = {7, 8, 9, 7, 8};
    assert_null(column->validity);
    assert_memory_equal(column->offsets, offsets, sizeof offsets);
    assert_memory_equal(column->data, all, sizeof all);
    column_builder_cut(&builder, 0);
    assert_int_equal(builder.count, 0);
    column_builder_clear(&builder);
    arena_destroy(arena);
}

static void borrowed_memory_is_used_as_it_lies_and_never_overrun(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct column_builder builder = {.name = "t", .type = COLUMN_UTF8};
    unsigned char *room = arena_alloc_raw(arena, 8, 1, 1);
    column_builder_borrow(&builder, room, 8);
    column_builder_put(&builder, "abcde", 5);
    const struct column *column = column_builder_finish(&builder, arena);
    assert_ptr_equal(column->data, room);
    assert_null(column_builder_begin_row(&builder, 4));
    assert_null(column_builder_finish(&builder, arena));
    column_builder_reset(&builder);
    column_builder_put(&builder, "longer than before", 18);
    assert_memory_equal(room, "abcde", 5);
    column_builder_clear(&builder);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_offsets_and_no_bitmap_unless_one_is_absent),
        cmocka_unit_test(bools_become_bits),
        cmocka_unit_test(absent_vectors_are_zeros),
        cmocka_unit_test(rows_taken_back_leave_no_trace),
        cmocka_unit_test(borrowed_memory_is_used_as_it_lies_and_never_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
