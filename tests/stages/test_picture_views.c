/* test_picture_views.c - what comes out of a pass is what lies in the resized picture */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/kernels/picture_views.h"

enum { LEVELS = 5 };

/* A picture and its levels as wholes, to compare with. */
struct expected {
    struct view_level levels[LEVELS];
    unsigned char *wholes[LEVELS]; /* owned */
    struct tile_walk walks[LEVELS];
    size_t shown[LEVELS];
};

static unsigned char *random_pixels(uint32_t width, uint32_t height, uint32_t seed)
{
    size_t size = (size_t)width * height * 3;
    unsigned char *pixels = malloc(size);
    assert_non_null(pixels);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        pixels[i] = (unsigned char)(seed >> 24);
    }
    return pixels;
}

/* The plain reference: the whole picture at once. */
static unsigned char *resize_whole(const unsigned char *pixels, uint32_t width,
                                   uint32_t height, const struct view_level *level,
                                   enum resample_filter filter)
{
    size_t row = (size_t)level->width * 3;
    unsigned char *whole = malloc(row * level->height), *out = whole;
    assert_non_null(whole);
    if (level->width == width && level->height == height)
        return memcpy(whole, pixels, row * height);
    struct resampler *resampler =
        resampler_create(width, height, level->width, level->height, 3, filter);
    assert_non_null(resampler);
    for (uint32_t y = 0; y < height; y++) {
        resampler_push(resampler, pixels + (size_t)y * width * 3);
        while (resampler_pull(resampler, out))
            out += row;
    }
    assert_ptr_equal(out, whole + row * level->height);
    resampler_destroy(resampler);
    return whole;
}

static enum error_code compare(void *context, const struct view *view,
                               struct error *error)
{
    struct expected *expected = context;
    const struct view_level *level = &expected->levels[view->level];
    struct tile tile;
    (void)error;
    assert_true(view->level < LEVELS);
    assert_true(tile_walk_next(&expected->walks[view->level], &tile));
    assert_memory_equal(&tile, &view->tile, sizeof tile);
    for (uint32_t y = tile.y1; y < tile.y2; y++)
        assert_memory_equal(view->pixels + (y - tile.y1) * view->stride,
                            expected->wholes[view->level] +
                                ((size_t)y * level->width + tile.x1) * 3,
                            (size_t)(tile.x2 - tile.x1) * 3);
    expected->shown[view->level]++;
    return OK;
}

static void push_in_bands(struct picture_views *views, const unsigned char *pixels,
                          uint32_t width, uint32_t height, uint32_t band,
                          struct expected *expected)
{
    struct error error;
    size_t row = (size_t)width * 3;
    for (uint32_t y = 0; y < height; y += band) {
        uint32_t count = height - y < band ? height - y : band;
        assert_int_equal(picture_views_push(views, pixels + y * row, row, count, compare,
                                            expected, &error),
                         OK);
    }
}

static void check_picture(uint32_t width, uint32_t height, enum resample_filter filter)
{
    unsigned char *pixels = random_pixels(width, height, width * 31 + height);
    struct expected expected = {
        .levels = {{width, height, {.width = 16, .height = 12}},
                   {width, height, {16, 12, 5, 11}},
                   {(width + 1) / 2, (height + 2) / 3, {16, 12, 4, 3}},
                   {width * 2, height * 3, {40, 7, 0, 3}},
                   {20, 10, {20, 10, 0, 0}}}}; /* the whole */
    size_t tiles = 0, shown = 0;
    for (size_t i = 0; i < LEVELS; i++)
        expected.wholes[i] =
            resize_whole(pixels, width, height, &expected.levels[i], filter);
    for (uint32_t band = 1; band < 40; band += 19) {
        struct picture_views *views =
            picture_views_create(width, height, expected.levels, LEVELS, filter);
        assert_non_null(views);
        for (size_t i = 0; i < LEVELS; i++)
            tile_walk_begin(&expected.walks[i], &expected.levels[i].rule,
                            expected.levels[i].width, expected.levels[i].height);
        push_in_bands(views, pixels, width, height, band, &expected);
        picture_views_destroy(views);
        struct tile tile;
        for (size_t i = 0; i < LEVELS; i++) /* all tiles were shown */
            assert_false(tile_walk_next(&expected.walks[i], &tile));
    }
    for (size_t i = 0; i < LEVELS; i++) {
        shown += expected.shown[i];
        tiles += expected.shown[i] > 0;
        free(expected.wholes[i]);
    }
    assert_int_equal(tiles, LEVELS);
    assert_true(shown >= 3 * LEVELS);
    free(pixels);
}

static void tiles_are_those_of_the_whole_picture(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1},   {16, 12}, {17, 13}, {100, 3},
                                        {3, 100}, {64, 48}, {61, 97}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_picture(sizes[i][0], sizes[i][1], RESAMPLE_BILINEAR);
        check_picture(sizes[i][0], sizes[i][1], RESAMPLE_LANCZOS);
        check_picture(sizes[i][0], sizes[i][1], RESAMPLE_AREA);
    }
}

static enum error_code refuse(void *context, const struct view *view, struct error *error)
{
    int *calls = context;
    (void)view;
    ++*calls;
    return error_set(error, ERROR_MEMORY, "enough");
}

static void an_error_ends_the_pass(void **state)
{
    (void)state;
    struct view_level level = {8, 8, {.width = 2, .height = 2}};
    unsigned char *pixels = random_pixels(8, 8, 1);
    struct picture_views *views =
        picture_views_create(8, 8, &level, 1, RESAMPLE_BILINEAR);
    struct error error;
    int calls = 0;
    assert_int_equal(picture_views_push(views, pixels, 24, 8, refuse, &calls, &error),
                     ERROR_MEMORY);
    assert_int_equal(calls, 1);
    assert_string_equal(error.text, "enough");
    picture_views_destroy(views);
    free(pixels);
}

static void memory_is_of_a_row_of_tiles(void **state)
{
    (void)state;
    struct view_level level = {40000, 30000, {.width = 640, .height = 480}};
    uint64_t low = 40000 * UINT64_C(3) * 480;
    assert_int_equal(picture_views_bytes(40000, 30000, &level, 1, RESAMPLE_BILINEAR),
                     low);
    struct view_level smaller = {16000, 12000, {.width = 640, .height = 480}};
    uint64_t bytes = picture_views_bytes(40000, 30000, &smaller, 1, RESAMPLE_BILINEAR);
    assert_true(bytes > 16000 * UINT64_C(3) * 480 && bytes < 16000 * UINT64_C(3) * 560);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_are_those_of_the_whole_picture),
        cmocka_unit_test(an_error_ends_the_pass),
        cmocka_unit_test(memory_is_of_a_row_of_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
