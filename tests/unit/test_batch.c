/* test_batch.c - tests core/batch.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/batch.h"
#include "tests/unit/job_fixture.h"

enum { ROWS = 37 };

static void type_names_are_read_back_as_written(void **state)
{
    (void)state;
    for (int i = COLUMN_UTF8; i <= COLUMN_LIST_BOX; i++) {
        char text[32];
        enum column_type type;
        uint32_t dimension;
        uint32_t wanted = i == COLUMN_VECTOR_F32 ? 256 : 0;
        column_type_format((enum column_type)i, wanted, text, sizeof text);
        assert_true(column_type_parse(text, &type, &dimension));
        assert_int_equal(type, i);
        assert_int_equal(dimension, wanted);
    }
}

static void type_names_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "utf",
                                        "utf88",
                                        "list<i64>",
                                        "vector<f32>",
                                        "vector<f32, 0>",
                                        "vector<f32, -1>",
                                        "vector<f32, 99999999>",
                                        "vector<f32, 4294967297>",
                                        "vector<f32, 2> ",
                                        "vector<f64, 2>"};
    enum column_type type;
    uint32_t dimension;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(column_type_parse(wrong[i], &type, &dimension));
    assert_true(column_type_parse("vector<f32,7>", &type, &dimension));
    assert_int_equal(dimension, 7);
}

static void assert_rows(const struct batch *got, const struct batch *from,
                        const uint32_t *rows, uint32_t count)
{
    assert_non_null(got);
    assert_int_equal(got->count, count);
    assert_int_equal(got->column_count, from->column_count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(got->origins[i].offset, from->origins[rows[i]].offset);
        for (uint32_t c = 0; c < from->column_count; c++)
            assert_true(
                fixture_rows_equal(got->columns[c], i, from->columns[c], rows[i]));
    }
    for (uint32_t c = 0; c < from->column_count; c++)
        if (got->columns[c]->offsets)
            assert_int_equal(got->columns[c]->offsets[0], 0);
}

static void gather_takes_rows_in_any_order(void **state)
{
    (void)state;
    static const uint32_t rows[] = {5, 6, 7, 0, 36, 36, 1};
    struct arena *arena = arena_create(4096, 0);
    struct batch *batch = fixture_batch(arena, ROWS, 0, 1);
    assert_rows(batch_gather(batch, rows, 7, arena), batch, rows, 7);
    assert_rows(batch_gather(batch, rows, 0, arena), batch, rows, 0);
    arena_destroy(arena);
}

static void select_keeps_the_rows_of_the_bitmap(void **state)
{
    (void)state;
    static const unsigned char keep[5] = {0x81, 0x00, 0xff, 0x10, 0x10};
    static const uint32_t rows[] = {0, 7, 16, 17, 18, 19, 20, 21, 22, 23, 28, 36};
    struct arena *arena = arena_create(4096, 0);
    struct batch *batch = fixture_batch(arena, ROWS, 0, 2);
    assert_rows(batch_select(batch, keep, arena), batch, rows, 12);
    arena_destroy(arena);
}

static void slice_begins_anywhere(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct batch *batch = fixture_batch(arena, ROWS, 0, 3);
    uint32_t rows[ROWS];
    for (uint32_t begin = 0; begin <= ROWS; begin++)
        for (uint32_t end = begin; end <= ROWS; end++) {
            for (uint32_t i = begin; i < end; i++)
                rows[i - begin] = i;
            assert_rows(batch_slice(batch, begin, end, arena), batch, rows, end - begin);
        }
    arena_destroy(arena);
}

static void slice_of_a_slice_is_a_slice(void **state)
{
    (void)state;
    static const uint32_t rows[] = {14, 15, 16, 17};
    struct arena *arena = arena_create(4096, 0);
    struct batch *batch = fixture_batch(arena, ROWS, 0, 4);
    struct batch *first = batch_slice(batch, 11, 30, arena);
    assert_rows(batch_slice(first, 3, 7, arena), batch, rows, 4);
    arena_destroy(arena);
}

static void operations_without_memory_return_null(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct batch *batch = fixture_batch(arena, ROWS, 0, 5);
    for (size_t limit = 1; limit < 3000; limit += 97) {
        struct arena *small = arena_create(4096, limit);
        static const uint32_t rows[] = {1, 3};
        (void)batch_slice(batch, 1, 9, small);
        arena_reset(small);
        struct batch *got = batch_gather(batch, rows, 2, small);
        if (got)
            assert_rows(got, batch, rows, 2);
        else
            assert_true(limit < 2500);
        arena_destroy(small);
    }
    arena_destroy(arena);
}

static void column_is_found_by_name(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct batch *batch = fixture_batch(arena, ROWS, 0, 6);
    assert_ptr_equal(batch_column(batch, "key"), batch->columns[0]);
    assert_int_equal(batch_column(batch, "boxes")->type, COLUMN_LIST_BOX);
    assert_null(batch_column(batch, "box"));
    arena_destroy(arena);
}

/* Values that are equal as bytes but not as records must not be one and the same. */
static void canonical_form_tells_rows_apart(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {0, 0, 4};
    static const unsigned char data[4] = {0};
    static const unsigned char none[1] = {0};
    struct column empty = {
        .name = "x", .type = COLUMN_UTF8, .offsets = offsets, .data = data};
    struct column absent = empty;
    absent.validity = none;
    assert_false(fixture_rows_equal(&empty, 0, &absent, 0));
    assert_false(fixture_rows_equal(&empty, 0, &empty, 1));
    assert_true(fixture_rows_equal(&absent, 0, &absent, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type_names_are_read_back_as_written),
        cmocka_unit_test(type_names_that_are_none_are_refused),
        cmocka_unit_test(gather_takes_rows_in_any_order),
        cmocka_unit_test(select_keeps_the_rows_of_the_bitmap),
        cmocka_unit_test(slice_begins_anywhere),
        cmocka_unit_test(slice_of_a_slice_is_a_slice),
        cmocka_unit_test(operations_without_memory_return_null),
        cmocka_unit_test(column_is_found_by_name),
        cmocka_unit_test(canonical_form_tells_rows_apart),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
