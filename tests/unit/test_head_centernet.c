/* test_head_centernet.c - peaks of heat maps, by hand and against a plain loop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/head_fixture.h"

static void a_peak_has_size_and_offset(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 32, 16); /* 8 by 4 cells */
    float *heat = ADD(&f, "hm", 1, 3, 4, 8), *sizes = ADD(&f, "wh", 1, 2, 4, 8);
    float *offsets = ADD(&f, "reg", 1, 2, 4, 8);
    heat[64 + 11] = 0.5F; /* class 2, row 1, column 3 */
    heat[64 + 12] = 0.4F; /* beside it: none */
    heat[32 + 12] = 0.4F; /* another class */
    sizes[11] = 3;
    sizes[32 + 11] = 2;
    offsets[11] = 0.25F;
    offsets[32 + 11] = 0.75F;
    assert_int_equal(fixture_decode(&f, "centernet", NULL, 0.3F), OK);
    assert_int_equal(f.found.count, 2);
    assert_box(&f.found.items[0], 7, 3, 19, 11, 0.5, 2);
    assert_box(&f.found.items[1], 16, 4, 16, 4, 0.4, 1);
    f.outputs[1].name = "reg"; /* names decide, not the order */
    f.outputs[2].name = "wh";
    assert_int_equal(fixture_decode(&f, "centernet", NULL, 0.45F), OK);
    assert_box(&f.found.items[0], (3 + 3 - 0.125) * 4, (1 + 2 - 0.375) * 4,
               (3 + 3 + 0.125) * 4, (1 + 2 + 0.375) * 4, 0.5, 2);
    f.input.output_count = 2; /* without offsets a peak is in the middle of its cell */
    f.outputs[1].name = "wh";
    assert_int_equal(fixture_decode(&f, "centernet", NULL, 0.45F), OK);
    assert_box(&f.found.items[0], 8, 2, 20, 10, 0.5, 2);
    fixture_end(&f);
}

static void equal_neighbours_are_both_peaks(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    (void)state;
    fixture_begin(&f, 16, 16);
    float *heat = ADD(&f, "hm", 1, 1, 4, 4);
    (void)ADD(&f, "wh", 1, 2, 4, 4);
    heat[0] = heat[1] = 0.5F;
    heat[15] = 0.7F;
    assert_int_equal(fixture_decode(&f, "centernet", NULL, 0.3F), OK);
    assert_int_equal(f.found.count, 3);
    user.top = 2; /* the best, and the first of the equals */
    assert_int_equal(fixture_decode(&f, "centernet", &user, 0.3F), OK);
    assert_int_equal(f.found.count, 2);
    assert_true(f.found.items[0].x1 == 2 && f.found.items[1].x1 == 14);
    heat[14] = NAN;
    assert_int_equal(fixture_decode(&f, "centernet", NULL, 0.3F), ERROR_RECORD);
    fixture_end(&f);
}

static void edges_are_in_pixels_and_channels_may_be_last(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    (void)state;
    fixture_begin(&f, 32, 16);
    f.input.item = 1;
    float *heat = ADD(&f, "heatmap", 2, 4, 8, 3) + 96,
          *edges = ADD(&f, "ltrb", 2, 4, 8, 4);
    for (size_t i = 0; i < 96; i++)
        heat[i] = -9;
    heat[11 * 3 + 2] = (float)log(3);
    for (size_t i = 0; i < 4; i++)
        edges[128 + 11 * 4 + i] = (float)(i + 1);
    user.activation = HEAD_LOGITS;
    assert_int_equal(fixture_decode(&f, "centernet", &user, 0.3F), OK);
    assert_int_equal(f.found.count, 1);
    assert_box(&f.found.items[0], 12 - 1, 4 - 2, 12 + 3, 4 + 4, 0.75, 2);
    fixture_end(&f);
}

/* A cell is a peak when no neighbour, with -infinity beyond the border, has more. */
static bool plain_is_peak(const float *plane, int x, int y, int width, int height)
{
    for (int row = y - 1; row <= y + 1; row++)
        for (int column = x - 1; column <= x + 1; column++)
            if (row >= 0 && row < height && column >= 0 && column < width &&
                plane[row * width + column] > plane[y * width + x])
                return false;
    return true;
}

static void peaks_are_as_a_plain_loop_has_them(void **state)
{
    enum { WIDTH = 19, HEIGHT = 13, CLASSES = 3, CELLS = WIDTH * HEIGHT };
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    size_t at = 0;
    (void)state;
    fixture_begin(&f, 4 * WIDTH, 4 * HEIGHT - 3);
    float *heat = ADD(&f, "hm", 1, CLASSES, HEIGHT, WIDTH);
    float *edges = ADD(&f, "ltrb", 1, 4, HEIGHT, WIDTH);
    for (size_t i = 0; i < CLASSES * CELLS; i++) /* few values, so that many are equal */
        heat[i] = (float)floor(fixture_random(&f, 0, 12)) / 16;
    fixture_fill(&f, 1, -4, 40);
    user.top = 0;
    assert_int_equal(fixture_decode(&f, "centernet", &user, 0.5F), OK);
    for (int cell = 0; cell < CELLS; cell++)
        for (int c = 0; c < CLASSES; c++) {
            const float *plane = heat + (ptrdiff_t)c * CELLS;
            int x = cell % WIDTH, y = cell / WIDTH;
            if (plane[cell] <= 0.5F || !plain_is_peak(plane, x, y, WIDTH, HEIGHT))
                continue;
            assert_true(at < f.found.count);
            assert_box(&f.found.items[at++], 4.0 * x - edges[cell],
                       4.0 * y - edges[CELLS + cell], 4.0 * x + edges[2 * CELLS + cell],
                       4.0 * y + edges[3 * CELLS + cell], plane[cell], c);
        }
    assert_int_equal(at, f.found.count);
    assert_true(at > 20);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peak_has_size_and_offset),
        cmocka_unit_test(equal_neighbours_are_both_peaks),
        cmocka_unit_test(edges_are_in_pixels_and_channels_may_be_last),
        cmocka_unit_test(peaks_are_as_a_plain_loop_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
