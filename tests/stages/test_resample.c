/* test_resample.c - sizes change as Pillow and OpenCV change them, by any loop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stages/kernels/resample.h"

enum { ROOM = 400 };

static void fill_pattern(unsigned char *out, size_t size)
{
    uint32_t seed = 7;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = (unsigned char)(seed >> 24);
    }
}

static void resample(const unsigned char *from, uint32_t width, uint32_t height,
                     uint32_t channels, enum resample_filter filter, unsigned char *to,
                     uint32_t to_width, uint32_t to_height)
{
    struct resampler *resampler =
        resampler_create(width, height, to_width, to_height, channels, filter);
    assert_non_null(resampler);
    size_t row = (size_t)to_width * channels;
    for (int round = 0; round < 2; round++) { /* the second as good as the first */
        uint32_t done = 0;
        resampler_reset(resampler);
        for (uint32_t y = 0; y < height; y++) {
            resampler_push(resampler, from + (size_t)y * width * channels);
            while (resampler_pull(resampler, to + done * row))
                done++;
        }
        assert_int_equal(done, to_height);
    }
    resampler_destroy(resampler);
}

/* Values that Pillow 9.4.0 gave for the pattern as a picture of 9 by 7. */
static void filters_give_the_bits_of_pillow(void **state)
{
    (void)state;
    static const struct {
        enum resample_filter filter;
        uint32_t width, height;
        unsigned char wanted[60];
    } cases[] = {
        {RESAMPLE_BOX, 4, 3, {199, 133, 167, 84, 169, 89, 134, 103, 135, 119, 87, 133}},
        {RESAMPLE_BOX, 5, 9, {147, 197, 12,  156, 15,  250, 126, 140, 177, 153, 250, 126,
                              140, 177, 153, 170, 108, 23,  202, 68,  141, 116, 27,  94,
                              109, 196, 110, 90,  106, 131, 132, 129, 255, 85,  150, 132,
                              129, 255, 85,  150, 138, 78,  45,  89,  116}},
        {RESAMPLE_BILINEAR,
         4,
         3,
         {186, 139, 148, 102, 153, 106, 110, 123, 140, 121, 103, 129}},
        {RESAMPLE_BILINEAR, 5, 9, {142, 196, 114, 117, 21,  209, 166, 129, 162,
                                   109, 206, 139, 114, 184, 119, 158, 119, 78,
                                   170, 83,  147, 100, 48,  126, 106, 176, 120,
                                   90,  125, 122, 152, 140, 149, 96,  139, 129,
                                   128, 141, 90,  137, 132, 80,  50,  125, 114}},
        {RESAMPLE_BICUBIC,
         4,
         3,
         {191, 136, 151, 99, 158, 97, 112, 125, 139, 121, 100, 130}},
        {RESAMPLE_BICUBIC, 5, 9, {133, 203, 117, 117, 3,   220, 164, 131, 167,
                                  112, 222, 133, 114, 199, 123, 155, 116, 71,
                                  181, 69,  148, 98,  42,  127, 109, 186, 117,
                                  81,  127, 125, 156, 148, 163, 88,  146, 126,
                                  133, 149, 82,  143, 136, 76,  36,  128, 116}},
        {RESAMPLE_LANCZOS,
         4,
         3,
         {192, 133, 152, 99, 163, 92, 117, 130, 137, 124, 97, 129}},
        {RESAMPLE_LANCZOS, 5, 9, {127, 206, 120, 115, 0,   220, 166, 129, 166,
                                  111, 235, 129, 112, 213, 132, 148, 115, 65,
                                  182, 61,  147, 96,  39,  129, 114, 186, 117,
                                  67,  130, 129, 161, 160, 176, 83,  147, 125,
                                  134, 144, 80,  142, 135, 79,  23,  132, 122}}};
    unsigned char from[63], to[ROOM];
    fill_pattern(from, sizeof from);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        resample(from, 9, 7, 1, cases[i].filter, to, cases[i].width, cases[i].height);
        assert_memory_equal(to, cases[i].wanted,
                            (size_t)cases[i].width * cases[i].height);
    }
}

/* Values that OpenCV 4.6.0 gave for the pattern as a picture of 11 by 6, three channels. */
static void linear_gives_the_bits_of_opencv(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        unsigned char wanted[ROOM];
    } cases[] = {
        {4, 3, {185, 136, 137, 120, 194, 138, 103, 116, 146, 203, 112, 83,
                156, 148, 166, 212, 116, 133, 190, 150, 111, 132, 121, 210,
                114, 49,  14,  85,  169, 165, 88,  140, 144, 142, 101, 47}},
        {13,
         8,
         {61,  233, 156, 196, 63,  204, 148, 13,  95,  165, 122, 72,  209, 215, 141, 128,
          149, 147, 199, 199, 107, 133, 215, 94,  122, 83,  160, 171, 59,  112, 227, 68,
          72,  220, 30,  96,  116, 27,  29,  122, 210, 72,  171, 166, 112, 151, 96,  83,
          151, 128, 76,  143, 202, 118, 78,  198, 152, 135, 234, 118, 83,  139, 171, 119,
          98,  124, 145, 74,  55,  170, 89,  36,  187, 132, 86,  130, 128, 152, 135, 162,
          74,  167, 188, 85,  172, 166, 84,  168, 141, 78,  151, 156, 89,  108, 205, 125,
          65,  187, 157, 95,  79,  189, 146, 100, 101, 132, 80,  72,  113, 101, 86,  130,
          176, 113, 129, 144, 192, 94,  94,  155, 176, 126, 139, 200, 189, 110, 208, 142,
          90,  223, 88,  81,  204, 164, 93,  13,  89,  198, 172, 78,  132, 185, 106, 106,
          141, 96,  151, 96,  108, 192, 81,  143, 178, 106, 89,  144, 87,  35,  106, 120,
          150, 184, 172, 121, 181, 180, 55,  169, 176, 62,  182, 183, 153, 186, 14,  176,
          123, 211, 205, 70,  136, 205, 151, 165, 212, 107, 221, 164, 114, 172, 107, 233,
          67,  215, 203, 135, 99,  96,  88,  81,  86,  87,  118, 81,  104, 117, 149, 112,
          103, 209, 103, 144, 145, 70,  157, 50,  183, 130, 83,  101, 177, 164, 114, 151,
          171, 138, 112, 137, 112, 124, 133, 158, 148, 182, 147, 115, 92,  107, 52,  23,
          96,  120, 44,  113, 154, 124, 106, 144, 177, 52,  170, 141, 68,  117, 58,  106,
          92,  142, 83,  170, 131, 120, 118, 156, 140, 70,  129, 131, 107, 59,  225, 72,
          133, 118, 68,  87,  161, 75,  22,  191, 117, 95,  198, 140, 116, 151, 169, 113,
          45,  219, 191, 7,   83,  132, 14,  126, 217, 80,  204, 72,  186, 142, 59,  247,
          62,  81,  239, 56,  45,  241, 35,  84}},
        {1, 1, {14, 133, 161}}};
    static const unsigned char half[] = {
        143, 117, 106, 162, 147, 75,  121, 186, 125, 97,  140, 161, 181, 73,  51,
        115, 152, 166, 126, 81,  130, 186, 137, 137, 154, 105, 168, 164, 146, 94,
        136, 178, 130, 105, 119, 184, 137, 78,  87,  126, 135, 108, 100, 165, 105};
    unsigned char from[198], to[ROOM], room[4096];
    fill_pattern(from, sizeof from);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(resize_linear_room(cases[i].width, 3) <= sizeof room);
        resize_linear(from, 11, 6, 33, 3, to, cases[i].width, cases[i].height,
                      (size_t)cases[i].width * 3, room);
        assert_memory_equal(to, cases[i].wanted,
                            (size_t)cases[i].width * cases[i].height * 3);
    }
    resize_linear(from, 10, 6, 30, 3, to, 5, 3, 15, room);
    assert_memory_equal(to, half, sizeof half);
}

static void the_same_size_is_the_same_picture(void **state)
{
    (void)state;
    unsigned char from[10 * 8 * 3], to[10 * 8 * 3], room[4096];
    fill_pattern(from, sizeof from);
    for (int filter = RESAMPLE_BOX; filter <= RESAMPLE_AREA; filter++) {
        resample(from, 10, 8, 3, (enum resample_filter)filter, to, 10, 8);
        assert_memory_equal(to, from, sizeof from);
    }
    memset(to, 0, sizeof to);
    resize_linear(from, 10, 8, 30, 3, to, 10, 8, 30, room);
    assert_memory_equal(to, from, sizeof from);
}

/* Against the mean of what is covered, taken in whole numbers. */
static void area_is_the_mean_of_what_is_covered(void **state)
{
    (void)state;
    unsigned char from[12 * 9], to[5 * 4];
    fill_pattern(from, sizeof from);
    resample(from, 12, 9, 1, RESAMPLE_AREA, to, 5, 4);
    for (uint32_t y = 0; y < 4; y++)
        for (uint32_t x = 0; x < 5; x++) {
            uint64_t sum = 0; /* in parts of 5 by 4 of a pixel, 12 by 9 of them covered */
            for (uint32_t j = y * 9; j < (y + 1) * 9; j++)
                for (uint32_t i = x * 12; i < (x + 1) * 12; i++)
                    sum += from[j / 4 * 12 + i / 5];
            int wanted = (int)((sum + 54) / 108), found = to[y * 5 + x];
            assert_in_range(found, wanted - (wanted > 0), wanted + 1); /* rounded twice */
        }
}

static void one_colour_stays_one_colour(void **state)
{
    (void)state;
    unsigned char from[31 * 17 * 3], to[ROOM * 10];
    memset(from, 211, sizeof from);
    for (int filter = RESAMPLE_BOX; filter <= RESAMPLE_AREA; filter++)
        for (uint32_t width = 1; width < 40; width += 6) {
            resample(from, 31, 17, 3, (enum resample_filter)filter, to, width, 20);
            for (size_t i = 0; i < (size_t)width * 20 * 3; i++)
                assert_int_equal(to[i], 211);
        }
}

/* The same sums in whole numbers, so the same bits, for any width and any tail. */
static void loops_of_all_kinds_give_the_same_bits(void **state)
{
    (void)state;
    const struct resample_loops *fast = resample_avx2();
    if (!fast)
        skip();
    for (uint32_t from_width = 1; from_width < 90; from_width += 4)
        for (uint32_t to_width = 1; to_width < 60; to_width += 7)
            for (int filter = RESAMPLE_BOX; filter <= RESAMPLE_AREA; filter++) {
                struct resample_weights weights;
                size_t size = (size_t)from_width * 3;
                unsigned char *row = malloc(size); /* ASan sees what is read behind it */
                unsigned char plain[180], quick[180];
                assert_non_null(row);
                fill_pattern(row, size);
                assert_true(resample_weights_create(
                    from_width, to_width, (enum resample_filter)filter, &weights));
                for (uint32_t channels = 1; channels <= 3; channels += 2) {
                    resample_plain.across(row, from_width, channels, &weights, plain);
                    fast->across(row, from_width, channels, &weights, quick);
                    assert_memory_equal(plain, quick, (size_t)to_width * channels);
                }
                const unsigned char *rows[200];
                for (uint32_t k = 0; k < weights.spans[0].used; k++)
                    rows[k] = row;
                size_t down = size < sizeof plain ? size : sizeof plain;
                resample_plain.down(rows, weights.weights, weights.spans[0].used, down,
                                    plain);
                fast->down(rows, weights.weights, weights.spans[0].used, down, quick);
                assert_memory_equal(plain, quick, down);
                resample_weights_clear(&weights);
                free(row);
            }
}

static void little_memory_is_needed_however_high_the_picture_is(void **state)
{
    (void)state;
    assert_in_range(resampler_bytes(40000, 30000, 1000, 750, 3, RESAMPLE_BILINEAR), 1,
                    2 << 20);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(filters_give_the_bits_of_pillow),
        TEST(linear_gives_the_bits_of_opencv),
        TEST(the_same_size_is_the_same_picture),
        TEST(area_is_the_mean_of_what_is_covered),
        TEST(one_colour_stays_one_colour),
        TEST(loops_of_all_kinds_give_the_same_bits),
        TEST(little_memory_is_needed_however_high_the_picture_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
