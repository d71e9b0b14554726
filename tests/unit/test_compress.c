/* test_compress.c - tests core/compress.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include <zstd.h>

#include "core/bytes.h"
#include "core/compress.h"

enum { SIZE = 700000 };

static void fill(struct bytes *data)
{
    uint32_t chance = 1;
    for (size_t i = 0; i < SIZE; i++) {
        chance = chance * 1664525U + 1013904223U;
        bytes_put_u8(data, (uint8_t)(chance >> 29));
    }
    assert_false(data->is_bad);
}

/* One frame of the first `size` bytes, put in steps of `step`. */
static void pack(struct compressor *compressor, const struct bytes *data, size_t size,
                 size_t step, struct bytes *out)
{
    size_t at = 0;
    assert_int_equal(compressor_begin(compressor, size, NULL), OK);
    while (size - at > step) {
        assert_int_equal(
            compressor_put(compressor, data->data + at, step, false, out, NULL), OK);
        at += step;
    }
    assert_int_equal(
        compressor_put(compressor, data->data + at, size - at, true, out, NULL), OK);
}

static void a_frame_states_its_size_and_reads_back(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, SIZE}, steps[] = {333, 1 << 17, SIZE};
    struct bytes data = {0}, out = {0};
    (void)state;
    fill(&data);
    unsigned char *back = malloc(SIZE);
    struct compressor *compressor = compressor_create(3);
    assert_non_null(back);
    assert_non_null(compressor);
    for (size_t i = 0; i < 12; i++) {
        size_t size = sizes[i % 4];
        bytes_reset(&out);
        pack(compressor, &data, size, steps[i / 4], &out);
        assert_int_equal(ZSTD_getFrameContentSize(out.data, out.size), size);
        assert_int_equal(ZSTD_decompress(back, SIZE, out.data, out.size), size);
        assert_memory_equal(back, data.data, size);
    }
    compressor_destroy(compressor);
    free(back);
    bytes_clear(&data);
    bytes_clear(&out);
}

static void more_than_was_announced_is_refused(void **state)
{
    struct bytes out = {0};
    struct error error = {0};
    struct compressor *compressor = compressor_create(1);
    (void)state;
    assert_int_equal(compressor_begin(compressor, 2, NULL), OK);
    assert_int_equal(compressor_put(compressor, "ab", 2, false, &out, &error), OK);
    assert_int_not_equal(compressor_put(compressor, "c", 1, true, &out, &error), OK);
    /* and the next frame is as good as any */
    bytes_reset(&out);
    assert_int_equal(compressor_begin(compressor, 3, NULL), OK);
    assert_int_equal(compressor_put(compressor, "abc", 3, true, &out, &error), OK);
    compressor_destroy(compressor);
    compressor_destroy(NULL);
    bytes_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_states_its_size_and_reads_back),
        cmocka_unit_test(more_than_was_announced_is_refused),
    };
    return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}
