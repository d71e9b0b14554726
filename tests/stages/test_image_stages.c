/* test_image_stages.c - resize, phash and image_stats on pictures that are known */
#include "tests/stages/one_stage.h"

#include <stdlib.h>

#include "core/bytes.h"
#include "stages/kernels/image_decode.h"
#include "stages/kernels/image_encode.h"
#include "stages/kernels/perceptual_hash.h"
#include "stages/kernels/resize_plan.h"
#include "tests/image_files.h"

extern const struct stage_type stage_resize, stage_phash, stage_image_stats;

static const struct schema_field image_fields[] = {{"key", COLUMN_UTF8, 0},
                                                   {"data", COLUMN_BYTES, 0}};

/* A batch of files, which are cleared. */
static struct batch *file_batch(struct arena *arena, struct bytes *files, uint32_t count)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++)
        offsets[i + 1] = offsets[i] + files[i].size;
    char *data = ARENA_NEW(arena, char, (size_t)offsets[count] + 1);
    for (uint32_t i = 0; i < count; i++) {
        if (files[i].size > 0)
            memcpy(data + offsets[i], files[i].data, files[i].size);
        bytes_clear(&files[i]);
    }
    *column = (struct column){
        .name = "data", .type = COLUMN_BYTES, .offsets = offsets, .data = data};
    const struct column *columns[] = {column};
    return make_batch(arena, columns, 1, count);
}

static void run_files(struct one_stage *one, const struct stage_type *type,
                      const char *yaml, struct bytes *files, uint32_t count)
{
    one_stage_open(one, type, yaml, image_fields, 2);
    one_stage_run(one, file_batch(one->arena, files, count));
}

static void put_known_png(struct bytes *file, uint32_t width, uint32_t height,
                          unsigned orientation)
{
    put_png_file(file, &(struct png_kind){.width = width,
                                          .height = height,
                                          .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
                                          .orientation = orientation});
}

static const struct column *made_column(struct one_stage *one, const char *name)
{
    assert_int_equal(one->outcome.batch_count, 1);
    const struct column *column = batch_column(one->outcome.batches[0], name);
    assert_non_null(column);
    return column;
}

static void expect_shape(struct one_stage *one, uint32_t row, uint32_t width,
                         uint32_t height)
{
    const struct column *image = made_column(one, "image");
    assert_int_equal(image->type, COLUMN_IMAGE_U8);
    assert_int_equal(image->shapes[3 * row], height);
    assert_int_equal(image->shapes[3 * row + 1], width);
    assert_int_equal(image->shapes[3 * row + 2], 3);
    assert_int_equal(column_row_length(image, row), width * height * 3);
}

static void expect_plan(uint32_t width, uint32_t height, struct resize_wish wish,
                        const uint32_t wanted[4])
{
    struct resize_plan plan = resize_plan_of(width, height, &wish);
    assert_int_equal(plan.width, wanted[0]);
    assert_int_equal(plan.height, wanted[1]);
    assert_int_equal(plan.out_width, wanted[2]);
    assert_int_equal(plan.out_height, wanted[3]);
}

static void sizes_follow_the_fit(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        struct resize_wish wish;
        uint32_t wanted[4];
    } cases[] = {
        {400, 300, {.width = 100, .height = 100, .enlarges = true}, {100, 75, 100, 75}},
        {300, 400, {.width = 100, .height = 100, .enlarges = true}, {75, 100, 75, 100}},
        {400, 300, {.width = 100, .enlarges = true}, {100, 75, 100, 75}},
        {400, 300, {.height = 100, .enlarges = true}, {133, 100, 133, 100}},
        {40, 30, {.width = 100, .height = 100}, {40, 30, 40, 30}},
        {40, 30, {.width = 100, .height = 100, .enlarges = true}, {100, 75, 100, 75}},
        {400, 300, {.scale = 0.5}, {200, 150, 200, 150}},
        {3, 3, {.scale = 0.1}, {1, 1, 1, 1}},
        {5000, 1, {.width = 10, .height = 10, .enlarges = true}, {10, 1, 10, 1}},
        {400,
         300,
         {.width = 100, .height = 100, .fit = RESIZE_COVER, .enlarges = true},
         {133, 100, 100, 100}},
        {400,
         300,
         {.width = 100, .height = 100, .fit = RESIZE_PAD, .enlarges = true},
         {100, 75, 100, 100}},
        {40, 30, {.width = 100, .height = 100, .fit = RESIZE_PAD}, {40, 30, 100, 100}},
        {40, 300, {.width = 100, .height = 100, .fit = RESIZE_COVER}, {40, 300, 40, 100}},
        {400,
         300,
         {.width = 7, .height = 9, .fit = RESIZE_STRETCH, .enlarges = true},
         {7, 9, 7, 9}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_plan(cases[i].width, cases[i].height, cases[i].wish, cases[i].wanted);
}

static void a_picture_comes_out_upright_in_its_size(void **state)
{
    (void)state;
    struct one_stage one;
    struct bytes files[8];
    memset(files, 0, sizeof files);
    for (unsigned i = 0; i < 8; i++)
        put_known_png(&files[i], 64, 32, i + 1);
    run_files(&one, &stage_resize, "{width: 16, height: 16}", files, 8);
    const struct column *image = made_column(&one, "image");
    for (uint32_t i = 0; i < 8; i++) {
        expect_shape(&one, i, i < 4 ? 16 : 8, i < 4 ? 8 : 16);
        /* The corner that was stored first, with little red and green and much blue. */
        static const unsigned char right[] = {0, 1, 1, 0, 0, 1, 1, 0};
        static const unsigned char low[] = {0, 0, 1, 1, 0, 0, 1, 1};
        uint32_t width = i < 4 ? 16 : 8, height = i < 4 ? 8 : 16;
        const unsigned char *pixels = column_row(image, i);
        size_t at =
            (size_t)(low[i] ? height - 1 : 0) * width + (right[i] ? width - 1 : 0);
        assert_true(pixels[3 * at] < 30 && pixels[3 * at + 1] < 50 &&
                    pixels[3 * at + 2] > 220);
    }
    one_stage_close(&one);
}

static void padding_is_background_and_a_cover_has_none(void **state)
{
    (void)state;
    struct one_stage one;
    struct bytes file = {0};
    put_known_png(&file, 40, 20, 0);
    run_files(&one, &stage_resize,
              "{width: 20, height: 20, fit: pad, background: [1, 2, 3]}", &file, 1);
    expect_shape(&one, 0, 20, 20);
    const unsigned char *pixels = column_row(made_column(&one, "image"), 0);
    static const unsigned char background[] = {1, 2, 3};
    assert_memory_equal(pixels, background, 3);
    assert_memory_equal(pixels + (19 * 20 + 19) * 3, background, 3);
    assert_true(pixels[(10 * 20 + 19) * 3] > 200);
    one_stage_close(&one);
    put_known_png(&file, 40, 20, 0);
    run_files(&one, &stage_resize, "{width: 10, height: 10, fit: cover}", &file, 1);
    expect_shape(&one, 0, 10, 10);
    pixels = column_row(made_column(&one, "image"), 0);
    assert_in_range(pixels[0], 60, 75); /* a quarter is cut off at the left */
    one_stage_close(&one);
}

static void files_come_out_as_files(void **state)
{
    (void)state;
    static const char *const yamls[] = {
        "{width: 20, output: png, into: small}",
        "{width: 20, output: jpeg, quality: 95, into: small}"};
    for (size_t i = 0; i < 2; i++) {
        struct one_stage one;
        struct bytes files[2] = {{0}, {0}}, room = {0};
        struct picture picture;
        struct image_fault fault;
        const struct image_rules rules = {.max_pixels = 1000, .memory = 1 << 24};
        put_known_png(&files[0], 40, 20, 0);
        put_known_png(&files[1], 20, 40, 0);
        run_files(&one, &stage_resize, yamls[i], files, 2);
        const struct column *small = made_column(&one, "small");
        for (uint32_t row = 0; row < 2; row++) {
            assert_int_equal(picture_decode(column_row(small, row),
                                            (size_t)column_row_length(small, row), &rules,
                                            0, 0, &room, &picture, &fault),
                             OK);
            assert_int_equal(picture.width, 20);
            assert_int_equal(picture.height, row == 0 ? 10 : 40);
        }
        bytes_clear(&room);
        one_stage_close(&one);
    }
}

static void bad_pictures_are_rejected_beside_good_ones(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&stage_resize, &stage_phash,
                                                     &stage_image_stats};
    for (size_t i = 0; i < 3; i++) {
        struct one_stage one;
        struct bytes files[4] = {{0}, {0}, {0}, {0}};
        put_known_png(&files[0], 30, 20, 0);
        bytes_put(&files[1], "no image", 8);
        put_jpeg_file(&files[2], &(struct jpeg_kind){.width = 300, .height = 200});
        files[2].size /= 2;
        put_known_png(&files[3], 30, 20, 0);
        run_files(&one, types[i], i == 0 ? "{scale: 0.5}" : "{}", files, 4);
        assert_int_equal(one.outcome.reject_count, 2);
        assert_string_equal(one.outcome.rejects[0].reject.reason, "not_an_image");
        assert_string_equal(one.outcome.rejects[1].reject.reason, "truncated_image");
        assert_int_equal(one.outcome.batches[0]->count, 2);
        one_stage_close(&one);
    }
}

static void a_cut_picture_may_be_kept(void **state)
{
    (void)state;
    struct one_stage one;
    struct bytes file = {0};
    put_jpeg_file(&file, &(struct jpeg_kind){.width = 300, .height = 200});
    file.size /= 2;
    run_files(&one, &stage_image_stats, "{truncated: keep}", &file, 1);
    assert_int_equal(one.outcome.reject_count, 0);
    one_stage_close(&one);
}

static void limits_are_those_of_the_options(void **state)
{
    (void)state;
    static const char *const yamls[] = {"{max_pixels: 599}", "{memory: 1MiB}"};
    static const char *const reasons[] = {"too_many_pixels", "needs_memory"};
    for (size_t i = 0; i < 2; i++) {
        struct one_stage one;
        struct bytes file = {0};
        put_jpeg_file(&file, &(struct jpeg_kind){.width = i ? 600 : 30,
                                                 .height = i ? 400 : 20,
                                                 .is_progressive = i == 1});
        run_files(&one, &stage_phash, yamls[i], &file, 1);
        assert_int_equal(one.outcome.reject_count, 1);
        assert_string_equal(one.outcome.rejects[0].reject.reason, reasons[i]);
        one_stage_close(&one);
    }
}

/* Computed by hand. */
static void statistics_are_those_of_the_definition(void **state)
{
    (void)state;
    struct one_stage one;
    struct bytes file = {0};
    put_png_file(&file, &(struct png_kind){.width = 2, .height = 1});
    run_files(&one, &stage_image_stats, "{}", &file, 1);
    /* Gray 0 and 255: mean 127.5; the Laplacian, mirrored, is 510 and -510. */
    assert_float_equal(*(const double *)column_row(made_column(&one, "brightness"), 0),
                       127.5, 1e-12);
    assert_float_equal(*(const double *)column_row(made_column(&one, "contrast"), 0),
                       127.5, 1e-12);
    assert_float_equal(*(const double *)column_row(made_column(&one, "sharpness"), 0),
                       510.0 * 510.0, 1e-6);
    assert_int_equal(*(const int64_t *)column_row(made_column(&one, "width"), 0), 2);
    assert_int_equal(*(const int64_t *)column_row(made_column(&one, "height"), 0), 1);
    one_stage_close(&one);
}

static void one_colour_hashes_to_its_sum_alone(void **state)
{
    (void)state;
    unsigned char luma[PERCEPTUAL_SIDE * PERCEPTUAL_SIDE];
    for (int value = 0; value < 256; value += 5) {
        memset(luma, value, sizeof luma);
        assert_true(perceptual_hash(luma) == (value ? (uint64_t)1 << 63 : 0));
    }
}

static uint64_t hash_of(struct bytes *file)
{
    struct one_stage one;
    uint64_t hash;
    run_files(&one, &stage_phash, "{}", file, 1);
    memcpy(&hash, column_row(made_column(&one, "phash"), 0), sizeof hash);
    one_stage_close(&one);
    return hash;
}

static unsigned distance(uint64_t left, uint64_t right)
{
    unsigned count = 0;
    for (uint64_t bits = left ^ right; bits; bits &= bits - 1)
        count++;
    return count;
}

/* Boxes and a slope, the same in any size; `turn` mirrors it. */
static unsigned char *busy_picture(uint32_t width, uint32_t height, bool turn)
{
    unsigned char *pixels = known_picture(width, height);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint32_t across = (turn ? width - 1 - x : x) * 8 / width,
                     down = y * 8 / height;
            unsigned char *pixel = pixels + ((size_t)y * width + x) * 3;
            if ((across * 5 + down * 3) % 7 < 3)
                memset(pixel, across > down ? 230 : 20, 3);
        }
    return pixels;
}

static uint64_t hash_of_busy(uint32_t width, uint32_t height, bool turn, int quality)
{
    struct bytes file = {0};
    unsigned char *pixels = busy_picture(width, height, turn);
    assert_int_equal(quality
                         ? image_encode_jpeg(pixels, width, height, quality, &file, NULL)
                         : image_encode_png(pixels, width, height, &file, NULL),
                     OK);
    free(pixels);
    return hash_of(&file);
}

static void a_hash_bears_other_sizes_and_formats(void **state)
{
    (void)state;
    uint64_t hash = hash_of_busy(240, 160, false, 0);
    assert_true(distance(hash, hash_of_busy(480, 320, false, 0)) <= 4);
    assert_true(distance(hash, hash_of_busy(120, 80, false, 40)) <= 8);
    assert_true(distance(hash, hash_of_busy(240, 160, true, 0)) > 16);
}

static void refuse(const struct stage_type *type, const char *yaml, const char *text)
{
    struct one_stage one;
    assert_int_equal(one_stage_plan(&one, type, yaml, image_fields, 2), ERROR_CONFIG);
    if (!strstr(one.error.text, text))
        fail_msg("it says \"%s\"", one.error.text);
    arena_destroy(one.arena);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    refuse(&stage_resize, "{}", "width, height or scale");
    refuse(&stage_resize, "{width: 3, scale: 2}", "beside");
    refuse(&stage_resize, "{width: 3, into: key}", "other than key");
    refuse(&stage_resize, "{width: 3, column: key}", "bytes or image<u8>");
    refuse(&stage_phash, "{column: picture}", "\"picture\"");
    refuse(&stage_phash, "{background: [0, 0]}", "three whole numbers");
    refuse(&stage_image_stats, "{background: [0, 0, 256]}", "three whole numbers");
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sizes_follow_the_fit),
        TEST(a_picture_comes_out_upright_in_its_size),
        TEST(padding_is_background_and_a_cover_has_none),
        TEST(files_come_out_as_files),
        TEST(bad_pictures_are_rejected_beside_good_ones),
        TEST(a_cut_picture_may_be_kept),
        TEST(limits_are_those_of_the_options),
        TEST(statistics_are_those_of_the_definition),
        TEST(one_colour_hashes_to_its_sum_alone),
        TEST(a_hash_bears_other_sizes_and_formats),
        TEST(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
