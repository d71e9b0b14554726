/* test_gzip_stored.c - tests commands/gzip_stored.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/gzip_stored.h"
#include "core/bytes.h"
#include "core/stream.h"

enum { SIZE = 200000 };

/* The file that comes of `size` bytes put in steps of `step`. */
static void pack(const unsigned char *data, size_t size, size_t step, struct bytes *file)
{
    struct gzip_stored state = {0};
    struct bytes plain = {0};
    for (size_t at = 0; at < size; at += step) {
        bytes_put(&plain, data + at, size - at < step ? size - at : step);
        gzip_stored_put(&state, &plain, file);
    }
    gzip_stored_end(&state, &plain, file);
    bytes_clear(&plain);
}

/* By the reader of .gz input, whose inflate is another's. */
static void assert_unpacks(const struct bytes *file, const unsigned char *data,
                           size_t size)
{
    char path[] = "/tmp/millrace-test-XXXXXX";
    struct stream *stream;
    struct bytes plain = {0};
    size_t got = 1;
    enum stream_end end = STREAM_MORE;
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    FILE *out = fdopen(handle, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(file->data, 1, file->size, out), file->size);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(stream_open(path, COMPRESSION_GZIP, NULL, &stream, NULL), OK);
    while (got > 0) {
        unsigned char *room = bytes_reserve(&plain, 1 << 16);
        assert_non_null(room);
        assert_int_equal(stream_read(stream, room, 1 << 16, &got, &end, NULL), OK);
        plain.size += got;
    }
    stream_close(stream);
    (void)remove(path);
    assert_int_equal(end, STREAM_COMPLETE);
    assert_int_equal(plain.size, size);
    if (size > 0)
        assert_memory_equal(plain.data, data, size);
    bytes_clear(&plain);
}

static void what_was_put_is_read_back(void **state)
{
    static const size_t sizes[] = {0, 1, 65534, 65535, 65536, 131070, SIZE};
    struct bytes data = {0}, file = {0};
    uint32_t chance = 1;
    (void)state;
    for (size_t i = 0; i < SIZE; i++) {
        chance = chance * 1664525U + 1013904223U;
        bytes_put_u8(&data, (uint8_t)(chance >> 24));
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bytes_reset(&file);
        pack(data.data, sizes[i], 1000, &file);
        assert_unpacks(&file, data.data, sizes[i]);
    }
    bytes_clear(&data);
    bytes_clear(&file);
}

static void the_bytes_do_not_depend_on_the_steps(void **state)
{
    static const size_t steps[] = {7, 65535, 65536, 100000, SIZE};
    struct bytes data = {0}, file = {0}, first = {0};
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes_put_u8(&data, (uint8_t)(i * i));
    pack(data.data, SIZE, 1, &first);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        bytes_reset(&file);
        pack(data.data, SIZE, steps[i], &file);
        assert_int_equal(file.size, first.size);
        assert_memory_equal(file.data, first.data, first.size);
    }
    bytes_clear(&data);
    bytes_clear(&file);
    bytes_clear(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_read_back),
        cmocka_unit_test(the_bytes_do_not_depend_on_the_steps),
    };
    return cmocka_run_group_tests_name("gzip_stored", tests, NULL, NULL);
}
