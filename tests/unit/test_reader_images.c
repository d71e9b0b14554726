/* test_reader_images.c - image files become records, and bad ones cost only themselves */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/arena.h"
#include "core/reader_images.h"
#include "tests/unit/pack_texts.h"

enum { FILES_MAX = 40 };

/* A folder of files, and a reader of them. */
struct place {
    char folder[64], paths[FILES_MAX][96], names[FILES_MAX][32];
    struct extent extents[FILES_MAX];
    uint32_t count;
    struct input_spec input;
    struct reader *reader;
    struct arena *arena;
    struct reader_result result;
    struct error error;
};

static void open_place(struct place *place)
{
    *place = (struct place){.input = {.format = FORMAT_IMAGES, .max_record = 1 << 20}};
    make_folder(place->folder);
    place->arena = arena_create(1 << 16, 0);
    assert_int_equal(reader_create(&place->input, &place->reader, NULL), OK);
}

static void close_place(struct place *place)
{
    for (uint32_t i = 0; i < place->count; i++)
        (void)unlink(place->paths[i]);
    (void)rmdir(place->folder);
    reader_destroy(place->reader);
    arena_destroy(place->arena);
}

static void put_file(struct place *place, const void *data, size_t size)
{
    uint32_t i = place->count++;
    char folder[64];
    memcpy(folder, place->folder, sizeof folder);
    (void)snprintf(place->names[i], sizeof place->names[i], "file%u", (unsigned)i);
    (void)snprintf(place->paths[i], sizeof place->paths[i], "%s/file%u", folder,
                   (unsigned)i);
    write_file(place->paths[i], data, size);
    place->extents[i] = (struct extent){
        .file = i, .path = place->paths[i], .name = place->names[i], .end = size};
}

/* The begin of a PNG of that size, and `more` bytes behind it. */
static void put_png(struct place *place, uint32_t width, uint32_t height, size_t more)
{
    struct bytes file = {0};
    bytes_put(&file, "\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16);
    store_u32_big(bytes_reserve(&file, 4), width);
    file.size += 4;
    store_u32_big(bytes_reserve(&file, 4), height);
    file.size += 4;
    bytes_put(&file, "\x08\2\0\0\0crc!", 9);
    memset(bytes_reserve(&file, more + 1), 'm', more + 1);
    file.size += more;
    put_file(place, file.data, file.size);
    bytes_clear(&file);
}

static void open_files(struct place *place)
{
    assert_int_equal(
        reader_open_images(place->reader, place->extents, place->count, 5, &place->error),
        OK);
}

static const struct batch *next(struct place *place, uint32_t max_records)
{
    arena_reset(place->arena);
    assert_int_equal(reader_next(place->reader, max_records, 100, place->arena,
                                 &place->result, &place->error),
                     OK);
    return place->result.batch;
}

static int64_t number_of(const struct batch *batch, const char *name, uint32_t row)
{
    return *(const int64_t *)column_row(batch_column(batch, name), row);
}

static void expect_text(const struct batch *batch, const char *name, uint32_t row,
                        const char *text)
{
    const struct column *column = batch_column(batch, name);
    assert_int_equal(column_row_length(column, row), strlen(text));
    assert_memory_equal(column_row(column, row), text, strlen(text));
}

static void a_file_is_a_record_with_its_size_and_bytes(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    put_png(&place, 7, 5, 100);
    put_png(&place, 70000, 1, 0);
    open_files(&place);
    const struct batch *batch = next(&place, 512);
    assert_int_equal(batch->count, 2);
    assert_int_equal(place.result.bad_count, 0);
    expect_text(batch, "key", 1, "file1");
    expect_text(batch, "format", 0, "png");
    assert_int_equal(number_of(batch, "width", 0), 7);
    assert_int_equal(number_of(batch, "height", 0), 5);
    assert_int_equal(number_of(batch, "width", 1), 70000);
    assert_int_equal(column_row_length(batch_column(batch, "data"), 0), 133);
    assert_int_equal(batch->origins[0].size, 133);
    assert_int_equal(batch->origins[1].size, 33);
    assert_int_equal(batch->origins[1].ordinal, 6);
    assert_int_equal(batch->origins[1].file, 1);
    assert_null(next(&place, 512));
    close_place(&place);
}

static void bad_files_stand_beside_good_ones(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    put_file(&place, "", 0);
    put_png(&place, 2, 3, 10);
    put_file(&place, "text\n", 5);
    put_png(&place, 4, 5, 2 << 20);
    put_file(&place, "GIF89a", 6);
    put_png(&place, 6, 7, 20);
    open_files(&place);
    const struct batch *batch = next(&place, 512);
    assert_int_equal(batch->count, 2);
    assert_int_equal(number_of(batch, "width", 1), 6);
    const unsigned char *bytes = column_row(batch_column(batch, "data"), 1);
    assert_int_equal(bytes[19], 6); /* bad ones leave no bytes behind */
    static const char *const reasons[] = {"empty_file", "not_an_image", "too_long",
                                          "unsupported_format"};
    static const uint64_t sizes[] = {0, 5, (2 << 20) + 33, 6};
    assert_int_equal(place.result.bad_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(place.result.bad[i].reason, reasons[i]);
        assert_int_equal(place.result.bad[i].origin.size, sizes[i]);
    }
    assert_memory_equal(place.result.bad[1].key, "file2", 5);
    assert_memory_equal(place.result.bad[1].excerpt, "text\n", 5);
    assert_int_equal(place.result.bad[2].excerpt_size, EXCERPT_MAX);
    close_place(&place);
}

static void batches_end_by_number_by_bytes_and_by_pixels(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    place.input.max_record = 100 << 20;
    reader_destroy(place.reader);
    assert_int_equal(reader_create(&place.input, &place.reader, NULL), OK);
    for (int i = 0; i < 5; i++)
        put_png(&place, 10, 10, 0); /* 3 and 2 by number */
    open_files(&place);
    assert_int_equal(next(&place, 3)->count, 3);
    assert_int_equal(next(&place, 3)->count, 2);
    assert_null(next(&place, 3));
    for (int i = 0; i < 4; i++)
        put_png(&place, 4000, 4000, 0); /* two are more than IMAGE_BATCH_PIXELS */
    open_files(&place);
    assert_int_equal(next(&place, 512)->count, 7);
    assert_int_equal(next(&place, 512)->count, 2);
    assert_null(next(&place, 512));
    put_png(&place, 1, 1, IMAGE_BATCH_BYTES); /* one file alone may be larger */
    put_png(&place, 1, 1, IMAGE_BATCH_BYTES / 2);
    open_files(&place);
    assert_int_equal(next(&place, 512)->count, 7);
    assert_int_equal(next(&place, 512)->count, 2);
    assert_int_equal(next(&place, 512)->count, 1);
    assert_int_equal(next(&place, 512)->count, 1);
    assert_null(next(&place, 512));
    close_place(&place);
}

static void a_file_that_shrank_or_is_gone_is_an_io_error(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    put_png(&place, 4, 4, 50);
    place.extents[0].end += 10;
    open_files(&place);
    assert_int_equal(
        reader_next(place.reader, 9, 9, place.arena, &place.result, &place.error),
        ERROR_IO);
    assert_non_null(strstr(place.error.text, "shorter"));
    (void)unlink(place.paths[0]);
    open_files(&place);
    assert_int_equal(
        reader_next(place.reader, 9, 9, place.arena, &place.result, &place.error),
        ERROR_IO);
    close_place(&place);
}

static void the_image_of_a_stream_lies_in_memory(void **state)
{
    (void)state;
    struct place place;
    unsigned char data[200] = "\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\0\x09\0\0\0\x08\x08\2";
    open_place(&place);
    struct extent extent = {.name = "a.png.gz", .data = data, .data_size = 100, .end = 1};
    assert_int_equal(reader_open_images(place.reader, &extent, 1, 0, NULL), OK);
    const struct batch *batch = next(&place, 512);
    assert_int_equal(batch->count, 1);
    assert_int_equal(number_of(batch, "width", 0), 9);
    assert_int_equal(batch->origins[0].size, 100);
    extent.fault = STREAM_TRUNCATED;
    assert_int_equal(reader_open_images(place.reader, &extent, 1, 0, NULL), OK);
    assert_int_equal(next(&place, 512)->count, 0);
    assert_string_equal(place.result.bad[0].reason, "truncated_input");
    uint64_t oversize[2] = {0, 12345678};
    extent.fault = STREAM_MORE;
    extent.oversize = oversize;
    extent.oversize_count = 1;
    assert_int_equal(reader_open_images(place.reader, &extent, 1, 0, NULL), OK);
    assert_int_equal(next(&place, 512)->count, 0);
    assert_string_equal(place.result.bad[0].reason, "too_long");
    assert_int_equal(place.result.bad[0].origin.size, 12345678);
    close_place(&place);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_a_record_with_its_size_and_bytes),
        TEST(bad_files_stand_beside_good_ones),
        TEST(batches_end_by_number_by_bytes_and_by_pixels),
        TEST(a_file_that_shrank_or_is_gone_is_an_io_error),
        TEST(the_image_of_a_stream_lies_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
