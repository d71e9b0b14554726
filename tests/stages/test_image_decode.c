/* test_image_decode.c - every kind of image file gives its picture; damage is told */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "stages/kernels/image_decode.h"
#include "stages/kernels/image_encode.h"
#include "tests/image_files.h"

static const struct image_rules common = {
    .max_pixels = 1000000000, .memory = 256 << 20, .background = {200, 100, 50}};

static enum error_code decode(const struct bytes *file, const struct image_rules *rules,
                              struct bytes *room, struct picture *picture,
                              struct image_fault *fault)
{
    *fault = (struct image_fault){0};
    return picture_decode(file->data, file->size, rules, 0, 0, room, picture, fault);
}

/* Is every pixel that of the known picture, put upright, within `tolerance`? */
static void expect_known(const struct bytes *file, uint32_t width, uint32_t height,
                         unsigned orientation, int tolerance)
{
    struct bytes room = {0};
    struct picture picture;
    struct image_fault fault;
    enum error_code code = decode(file, &common, &room, &picture, &fault);
    if (code != OK)
        print_message("%s: %s\n", fault.reason, fault.detail);
    assert_int_equal(code, OK);
    bool is_turned = orientation >= 5;
    assert_int_equal(picture.width, is_turned ? height : width);
    assert_int_equal(picture.height, is_turned ? width : height);
    assert_false(picture.is_damaged);
    for (uint32_t y = 0; y < picture.height; y++)
        for (uint32_t x = 0; x < picture.width; x++) {
            /* Where it was stored, by the words of the EXIF standard. */
            uint32_t right = picture.width - 1 - x, low = picture.height - 1 - y;
            uint32_t places[9][2] = {{0, 0},       {x, y},       {right, y},
                                     {right, low}, {x, low},     {y, x},
                                     {y, right},   {low, right}, {low, x}};
            unsigned char wanted[3];
            const unsigned char *found =
                picture.pixels + ((size_t)y * picture.width + x) * 3;
            known_pixel(places[orientation][0], places[orientation][1], width, height,
                        wanted);
            for (int c = 0; c < 3; c++)
                if (abs(found[c] - wanted[c]) > tolerance)
                    fail_msg("pixel %u, %u: %d is %d, not %d", (unsigned)x, (unsigned)y,
                             c, found[c], wanted[c]);
        }
    bytes_clear(&room);
}

/* The pixels as a function of red, for kinds that hold no more. */
static void expect_colours(const struct bytes *file, uint32_t width, uint32_t height,
                           void (*colour)(unsigned red, int *out), int tolerance)
{
    struct bytes room = {0};
    struct picture picture;
    struct image_fault fault;
    enum error_code code = decode(file, &common, &room, &picture, &fault);
    if (code != OK)
        print_message("%s: %s\n", fault.reason, fault.detail);
    assert_int_equal(code, OK);
    assert_int_equal(picture.width, width);
    assert_int_equal(picture.height, height);
    for (uint32_t i = 0; i < width * height; i++) {
        unsigned char known[3];
        int wanted[3];
        known_pixel(i % width, i / width, width, height, known);
        colour(known[0], wanted);
        for (uint32_t c = 0; c < 3; c++)
            if (abs(picture.pixels[3 * i + c] - wanted[c]) > tolerance)
                fail_msg("pixel %u: %u is %d, not %d", (unsigned)i, (unsigned)c,
                         picture.pixels[3 * i + c], wanted[c]);
    }
    bytes_clear(&room);
}

static void expect_refused(const struct bytes *file, const struct image_rules *rules,
                           const char *reason, const char *detail)
{
    struct bytes room = {0};
    struct picture picture;
    struct image_fault fault;
    assert_int_equal(decode(file, rules, &room, &picture, &fault), ERROR_RECORD);
    assert_string_equal(fault.reason, reason);
    if (!strstr(fault.detail, detail))
        fail_msg("the detail is \"%s\"", fault.detail);
    bytes_clear(&room);
}

static void as_gray(unsigned red, int *out)
{
    out[0] = out[1] = out[2] = (int)red;
}

static void as_palette(unsigned red, int *out)
{
    out[0] = (int)red;
    out[1] = 255 - (int)red;
    out[2] = 7;
}

/* alpha 51 is a fifth. */
static void as_gray_over(unsigned red, int *out)
{
    for (int c = 0; c < 3; c++)
        out[c] = (int)((red * 51 + common.background[c] * 204 + 127) / 255);
}

static void as_palette_over(unsigned red, int *out)
{
    int below[3];
    as_palette(red, below);
    for (int c = 0; c < 3; c++)
        out[c] = (below[c] * 51 + common.background[c] * 204 + 127) / 255;
}

static void jpegs_of_every_process_give_the_picture(void **state)
{
    (void)state;
    static const struct jpeg_kind kinds[] = {
        {.width = 61, .height = 43},
        {.width = 61, .height = 43, .is_subsampled = true},
        {.width = 61, .height = 43, .is_progressive = true},
        {.width = 61, .height = 43, .is_progressive = true, .is_subsampled = true},
        {.width = 61, .height = 43, .is_arithmetic = true},
        {.width = 61, .height = 43, .has_two_scans = true},
        {.width = 61, .height = 43, .restart = 1},
        {.width = 1, .height = 1},
        {.width = 1, .height = 300},
        {.width = 61, .height = 43, .is_cmyk = true},
        {.width = 61, .height = 43, .is_ycck = true},
        {.width = 61, .height = 43, .is_ycck = true, .is_progressive = true}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct bytes file = {0};
        put_jpeg_file(&file, &kinds[i]);
        expect_known(&file, kinds[i].width, kinds[i].height, 1, 9);
        bytes_clear(&file);
    }
    struct bytes gray = {0};
    put_jpeg_file(&gray, &(struct jpeg_kind){.width = 61, .height = 9, .is_gray = true});
    expect_colours(&gray, 61, 9, as_gray, 4);
    bytes_clear(&gray);
}

static void every_orientation_is_applied_in_every_format(void **state)
{
    (void)state;
    for (unsigned orientation = 1; orientation <= 8; orientation++) {
        struct bytes jpeg = {0}, png = {0}, tiff = {0};
        put_jpeg_file(&jpeg, &(struct jpeg_kind){
                                 .width = 50, .height = 35, .orientation = orientation});
        expect_known(&jpeg, 50, 35, orientation, 9);
        put_png_file(&png, &(struct png_kind){.width = 23,
                                              .height = 40,
                                              .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
                                              .orientation = orientation});
        expect_known(&png, 23, 40, orientation, 0);
        put_tiff_file(
            &tiff, &(struct tiff_kind){
                       .width = 19, .height = 33, .rows = 5, .orientation = orientation});
        expect_known(&tiff, 19, 33, orientation, 0);
        bytes_clear(&jpeg);
        bytes_clear(&png);
        bytes_clear(&tiff);
    }
}

static void a_senseless_orientation_is_none(void **state)
{
    (void)state;
    static const unsigned senseless[] = {9, 255, 65535};
    for (size_t i = 0; i < 3; i++) {
        struct bytes file = {0};
        put_jpeg_file(&file, &(struct jpeg_kind){
                                 .width = 9, .height = 8, .orientation = senseless[i]});
        expect_known(&file, 9, 8, 1, 9);
        bytes_clear(&file);
    }
}

static void pngs_of_every_colour_type_give_the_picture(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, depth;
        bool has_trns;
        void (*colour)(unsigned red, int *out); /* NULL: the known picture */
        uint8_t alpha;
    } kinds[] = {{SPNG_COLOR_TYPE_TRUECOLOR, 8, false, NULL, 0},
                 {SPNG_COLOR_TYPE_TRUECOLOR, 16, false, NULL, 0},
                 {SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 8, false, NULL, 255},
                 {SPNG_COLOR_TYPE_GRAYSCALE, 8, false, as_gray, 0},
                 {SPNG_COLOR_TYPE_GRAYSCALE, 16, false, as_gray, 0},
                 {SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 8, false, as_gray_over, 51},
                 {SPNG_COLOR_TYPE_INDEXED, 8, false, as_palette, 0},
                 {SPNG_COLOR_TYPE_INDEXED, 8, true, as_palette_over, 51}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int is_interlaced = 0; is_interlaced < 2; is_interlaced++) {
            struct bytes file = {0};
            struct png_kind kind = {.width = 37,
                                    .height = 21,
                                    .color_type = kinds[i].type,
                                    .depth = kinds[i].depth,
                                    .is_interlaced = is_interlaced,
                                    .has_trns = kinds[i].has_trns,
                                    .alpha = kinds[i].alpha};
            put_png_file(&file, &kind);
            if (kinds[i].colour)
                expect_colours(&file, 37, 21, kinds[i].colour, 0);
            else
                expect_known(&file, 37, 21, 1, 0);
            bytes_clear(&file);
        }
}

static void webp_is_read_lossy_and_lossless_with_alpha_and_without(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_webp_file(&file, 64, 48, true, 255);
    expect_known(&file, 64, 48, 1, 0);
    bytes_reset(&file);
    put_webp_file(&file, 64, 48, false, 255);
    expect_known(&file, 64, 48, 1, 24);
    bytes_reset(&file);
    put_webp_file(&file, 40, 30, true, 0); /* nothing but background is seen */
    struct bytes room = {0};
    struct picture picture;
    struct image_fault fault;
    assert_int_equal(decode(&file, &common, &room, &picture, &fault), OK);
    for (size_t i = 0; i < 40 * 30; i++)
        assert_memory_equal(picture.pixels + 3 * i, common.background, 3);
    bytes_clear(&file);
    bytes_clear(&room);
}

static void tiffs_of_many_kinds_give_the_picture(void **state)
{
    (void)state;
    static const struct tiff_kind kinds[] = {
        {.width = 45, .height = 31},
        {.width = 45, .height = 31, .rows = 7, .compression = COMPRESSION_LZW},
        {.width = 45, .height = 31, .rows = 1, .compression = COMPRESSION_PACKBITS},
        {.width = 45, .height = 31, .rows = 4, .compression = COMPRESSION_ADOBE_DEFLATE},
        {.width = 45, .height = 31, .rows = 4, .compression = COMPRESSION_ZSTD},
        {.width = 45, .height = 31, .is_tiled = true},
        {.width = 16, .height = 48, .is_tiled = true, .compression = COMPRESSION_LZW},
        {.width = 45, .height = 31, .rows = 8, .is_separate = true},
        {.width = 45, .height = 31, .bits = 16, .rows = 3},
        {.width = 45, .height = 31, .has_alpha = true, .alpha = 255}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct bytes file = {0};
        put_tiff_file(&file, &kinds[i]);
        expect_known(&file, kinds[i].width, kinds[i].height, 1, 0);
        bytes_clear(&file);
    }
    struct bytes gray = {0};
    put_tiff_file(&gray, &(struct tiff_kind){.width = 20, .height = 4, .is_gray = true});
    expect_colours(&gray, 20, 4, as_gray, 0);
    bytes_clear(&gray);
}

static void a_float_tiff_and_an_odd_compression_are_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_tiff_file(
        &file,
        &(struct tiff_kind){
            .width = 20, .height = 4, .is_gray = true, .bits = 32, .is_float = true});
    expect_refused(&file, &common, "unsupported_image", "");
    bytes_reset(&file);
    put_tiff_file(&file, &(struct tiff_kind){
                             .width = 20, .height = 4, .compression = COMPRESSION_LZMA});
    expect_refused(&file, &common, "unsupported_image", "34925");
    bytes_clear(&file);
}

static void twelve_bits_a_sample_are_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_jpeg_file(&file, &(struct jpeg_kind){.width = 8, .height = 8});
    for (size_t i = 0; i + 4 < file.size; i++)
        if (file.data[i] == 0xFF && file.data[i + 1] == 0xC0)
            file.data[i + 4] = 12;
    expect_refused(&file, &common, "unsupported_image", "12 bits");
    bytes_clear(&file);
}

/* One file of each format, large enough to be cut in the middle. */
static void put_sample(struct bytes *file, int format, uint32_t width, uint32_t height)
{
    bytes_reset(file);
    switch (format) {
    case 0:
        put_jpeg_file(file, &(struct jpeg_kind){.width = width, .height = height});
        break;
    case 1:
        put_jpeg_file(file, &(struct jpeg_kind){.width = width,
                                                .height = height,
                                                .is_progressive = true});
        break;
    case 2:
        put_png_file(file, &(struct png_kind){.width = width,
                                              .height = height,
                                              .color_type = SPNG_COLOR_TYPE_TRUECOLOR});
        break;
    case 3:
        put_png_file(file, &(struct png_kind){.width = width,
                                              .height = height,
                                              .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
                                              .is_interlaced = true});
        break;
    case 4:
        put_webp_file(file, width, height, false, 255);
        break;
    case 5:
        put_webp_file(file, width, height, true, 255);
        break;
    default:
        put_tiff_file(file, &(struct tiff_kind){.width = width,
                                                .height = height,
                                                .rows = 8,
                                                .compression = COMPRESSION_LZW});
        break;
    }
}
enum { SAMPLES = 7 };

static void a_cut_file_is_refused_or_kept_as_far_as_it_goes(void **state)
{
    (void)state;
    struct image_rules keeping = common;
    keeping.keeps_damaged = true;
    for (int format = 0; format < SAMPLES; format++) {
        struct bytes file = {0}, room = {0};
        struct picture picture;
        struct image_fault fault;
        put_sample(&file, format, 200, 160);
        /* A lossless WebP of this picture is mostly tables. */
        file.size = format == 5 ? file.size - 5 : file.size * 3 / 5;
        enum error_code code = decode(&file, &common, &room, &picture, &fault);
        assert_int_equal(code, ERROR_RECORD);
        /* libtiff's directory stands at the end of its files: that is cut off, too. */
        bool is_tiff = format == SAMPLES - 1;
        assert_string_equal(fault.reason, is_tiff ? "bad_header" : "truncated_image");
        code = decode(&file, &keeping, &room, &picture, &fault);
        if (code != (is_tiff ? ERROR_RECORD : OK))
            fail_msg("format %d: %s, %s", format, fault.reason, fault.detail);
        if (!is_tiff) {
            unsigned char known[3];
            known_pixel(0, 0, 200, 160, known);
            assert_true(picture.is_damaged);
            for (int c = 0; c < 3; c++)
                assert_true(abs(picture.pixels[c] - known[c]) < 60);
        }
        bytes_clear(&file);
        bytes_clear(&room);
    }
}

static void only_the_end_mark_of_a_jpeg_may_be_missing(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_sample(&file, 0, 90, 70);
    file.size -= 2;
    expect_known(&file, 90, 70, 1, 9);
    bytes_put(&file, "rubbish behind it", 17);
    expect_known(&file, 90, 70, 1, 9);
    bytes_clear(&file);
}

static void changed_bits_give_a_verdict_and_no_crash(void **state)
{
    (void)state;
    struct bytes room = {0};
    uint32_t seed = 5, refused = 0, tried = 0;
    for (int format = 0; format < SAMPLES; format++) {
        struct bytes file = {0};
        for (int round = 0; round < 40; round++) {
            struct picture picture;
            struct image_fault fault;
            put_sample(&file, format, 80, 60);
            for (int i = 0; i < 3; i++) {
                seed = seed * 1664525u + 1013904223u;
                file.data[seed % file.size] ^= (unsigned char)(1u << (seed >> 29));
            }
            struct image_rules rules = common;
            rules.keeps_damaged = round % 2;
            enum error_code code = decode(&file, &rules, &room, &picture, &fault);
            assert_true(code == OK || code == ERROR_RECORD);
            if (code == ERROR_RECORD)
                assert_non_null(fault.reason);
            refused += code != OK;
            tried++;
        }
        bytes_clear(&file);
    }
    assert_in_range(refused, tried / 8, tried - 20);
    bytes_clear(&room);
}

static void too_many_pixels_are_refused_by_the_header(void **state)
{
    (void)state;
    struct image_rules rules = common;
    rules.max_pixels = 199 * 160;
    for (int format = 0; format < SAMPLES; format++) {
        struct bytes file = {0};
        put_sample(&file, format, 200, 160);
        expect_refused(&file, &rules, "too_many_pixels", "200 by 160");
        bytes_clear(&file);
    }
}

/* A header of any size can be written; nothing of it is allocated. */
static void a_bomb_is_refused_with_the_memory_that_it_needs(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct image_rules rules = common;
    rules.max_pixels = UINT64_MAX;
    put_sample(&file, 3, 16, 16);
    store_u32_big(file.data + 16, 60000);
    store_u32_big(file.data + 20, 60000);
    rules.keeps_damaged = true; /* the checksum of the header is wrong now */
    expect_refused(&file, &rules, "needs_memory", "10302 MiB");
    put_sample(&file, 1, 16, 16);
    for (size_t i = 0; i + 9 < file.size; i++)
        if (file.data[i] == 0xFF && file.data[i + 1] == 0xC2) {
            file.data[i + 5] = file.data[i + 7] = 40000 >> 8;
            file.data[i + 6] = file.data[i + 8] = 40000 & 255;
        }
    /* 3 planes of 40000 by 40000 coefficients of two bytes, and some rows */
    expect_refused(&file, &rules, "needs_memory", "9163 MiB");
    bytes_clear(&file);
}

static void a_jpeg_of_one_scan_takes_little_memory_however_large(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct image_rules rules = {.max_pixels = UINT64_MAX, .memory = 4 << 20};
    struct image_source *source = NULL;
    struct image_shape shape;
    struct image_fault fault;
    unsigned char *rows = malloc((size_t)8000 * 3 * 16);
    assert_non_null(rows);
    put_jpeg_file(
        &file, &(struct jpeg_kind){.width = 8000, .height = 3000, .is_subsampled = true});
    assert_int_equal(
        image_source_open(file.data, file.size, &rules, 0, 0, &source, &shape, &fault),
        OK);
    uint32_t got = 1, sum = 0;
    for (; got > 0; sum += got)
        assert_int_equal(
            image_source_rows(source, rows, (size_t)8000 * 3, 16, &got, &fault), OK);
    assert_int_equal(sum, 3000);
    assert_int_equal(image_source_finish(source, &fault), OK);
    image_source_close(source);
    free(rows);
    bytes_clear(&file);
}

static void a_jpeg_may_come_smaller_if_that_is_enough(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_jpeg_file(&file,
                  &(struct jpeg_kind){.width = 201, .height = 101, .orientation = 6});
    static const uint32_t cases[][4] = {
        /* least, found; upright it is 101 by 201 */
        {0, 0, 101, 201}, {101, 201, 101, 201}, {52, 1, 101, 201}, {51, 1, 51, 101},
        {26, 51, 26, 51}, {1, 27, 26, 51},      {13, 26, 13, 26},  {1, 1, 13, 26}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes room = {0};
        struct picture picture;
        struct image_fault fault;
        assert_int_equal(picture_decode(file.data, file.size, &common, cases[i][0],
                                        cases[i][1], &room, &picture, &fault),
                         OK);
        assert_int_equal(picture.width, cases[i][2]);
        assert_int_equal(picture.height, cases[i][3]);
        assert_int_equal(picture.full_width, 101);
        assert_int_equal(picture.full_height, 201);
        bytes_clear(&room);
    }
    bytes_clear(&file);
}

static void rows_do_not_depend_on_how_many_are_asked_for(void **state)
{
    (void)state;
    for (int format = 0; format < SAMPLES; format++) {
        struct bytes file = {0}, room = {0};
        struct picture picture;
        struct image_fault fault;
        struct image_source *source = NULL;
        struct image_shape shape;
        unsigned char rows[7 * 90 * 3];
        put_sample(&file, format, 90, 70);
        assert_int_equal(decode(&file, &common, &room, &picture, &fault), OK);
        assert_int_equal(image_source_open(file.data, file.size, &common, 0, 0, &source,
                                           &shape, &fault),
                         OK);
        uint32_t got = 1;
        for (uint32_t y = 0; y < 70; y += got) {
            assert_int_equal(
                image_source_rows(source, rows, (size_t)90 * 3, 1 + y % 7, &got, &fault),
                OK);
            assert_int_equal(got, 70 - y < 1 + y % 7 ? 70 - y : 1 + y % 7);
            assert_memory_equal(rows, picture.pixels + (size_t)y * 270,
                                270 * (size_t)got);
        }
        image_source_close(source);
        bytes_clear(&file);
        bytes_clear(&room);
    }
}

static void what_is_encoded_is_decoded_again(void **state)
{
    (void)state;
    struct bytes file = {0};
    unsigned char *pixels = known_picture(70, 50);
    assert_int_equal(image_encode_png(pixels, 70, 50, &file, NULL), OK);
    expect_known(&file, 70, 50, 1, 0);
    assert_int_equal(image_encode_jpeg(pixels, 70, 50, 95, &file, NULL), OK);
    expect_known(&file, 70, 50, 1, 9);
    struct bytes again = {0};
    assert_int_equal(image_encode_jpeg(pixels, 70, 50, 95, &again, NULL), OK);
    assert_int_equal(again.size, file.size);
    assert_memory_equal(again.data, file.data, file.size);
    struct error error;
    assert_int_equal(image_encode_jpeg(pixels, 70000, 50, 95, &again, &error),
                     ERROR_RECORD);
    free(pixels);
    bytes_clear(&file);
    bytes_clear(&again);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jpegs_of_every_process_give_the_picture),
        TEST(every_orientation_is_applied_in_every_format),
        TEST(a_senseless_orientation_is_none),
        TEST(pngs_of_every_colour_type_give_the_picture),
        TEST(webp_is_read_lossy_and_lossless_with_alpha_and_without),
        TEST(tiffs_of_many_kinds_give_the_picture),
        TEST(a_float_tiff_and_an_odd_compression_are_refused),
        TEST(twelve_bits_a_sample_are_refused),
        TEST(a_cut_file_is_refused_or_kept_as_far_as_it_goes),
        TEST(only_the_end_mark_of_a_jpeg_may_be_missing),
        TEST(changed_bits_give_a_verdict_and_no_crash),
        TEST(too_many_pixels_are_refused_by_the_header),
        TEST(a_bomb_is_refused_with_the_memory_that_it_needs),
        TEST(a_jpeg_of_one_scan_takes_little_memory_however_large),
        TEST(a_jpeg_may_come_smaller_if_that_is_enough),
        TEST(rows_do_not_depend_on_how_many_are_asked_for),
        TEST(what_is_encoded_is_decoded_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
