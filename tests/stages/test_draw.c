/* test_draw.c - boxes are drawn and cut out to the pixel */
#include "tests/stages/one_stage.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/bytes.h"
#include "stages/kernels/box.h"
#include "stages/kernels/class_names.h"
#include "stages/kernels/image_decode.h"
#include "stages/kernels/paint.h"
#include "tests/image_files.h"

extern const struct stage_type stage_draw, stage_crop;

enum { WIDTH = 60, HEIGHT = 40 };

static const struct schema_field fields[] = {{"key", COLUMN_UTF8, 0},
                                             {"data", COLUMN_IMAGE_U8, 0},
                                             {"boxes", COLUMN_LIST_BOX, 0},
                                             {"landmarks", COLUMN_LIST_F32, 0}};
static const struct schema_field file_fields[] = {
    {"key", COLUMN_UTF8, 0}, {"data", COLUMN_BYTES, 0}, {"boxes", COLUMN_LIST_BOX, 0}};

/* ---- batches ---- */

static struct column *box_column(struct arena *arena, const struct box *boxes,
                                 const uint32_t *counts, uint32_t rows)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)rows + 1);
    for (uint32_t i = 0; i < rows; i++)
        offsets[i + 1] = offsets[i] + counts[i];
    *column = (struct column){
        .name = "boxes", .type = COLUMN_LIST_BOX, .offsets = offsets, .data = boxes};
    return column;
}

/* The known picture, `rows` times. */
static struct column *picture_column(struct arena *arena, uint32_t rows)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    size_t size = (size_t)WIDTH * HEIGHT * 3;
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)rows + 1);
    uint32_t *shapes = ARENA_NEW(arena, uint32_t, (size_t)rows * 3);
    unsigned char *data = ARENA_NEW(arena, unsigned char, rows *size);
    unsigned char *known = known_picture(WIDTH, HEIGHT);
    for (uint32_t i = 0; i < rows; i++) {
        offsets[i + 1] = offsets[i] + size;
        memcpy(shapes + 3 * i, (uint32_t[]){HEIGHT, WIDTH, 3}, sizeof(uint32_t[3]));
        memcpy(data + i * size, known, size);
    }
    free(known);
    *column = (struct column){.name = "data",
                              .type = COLUMN_IMAGE_U8,
                              .offsets = offsets,
                              .data = data,
                              .shapes = shapes};
    return column;
}

static void run_boxes(struct one_stage *one, const struct stage_type *type,
                      const char *yaml, const struct box *boxes, const uint32_t *counts,
                      uint32_t rows)
{
    one_stage_open(one, type, yaml, fields, 3);
    const struct column *columns[] = {picture_column(one->arena, rows),
                                      box_column(one->arena, boxes, counts, rows)};
    one_stage_run(one, make_batch(one->arena, columns, 2, rows));
}

static const struct column *column_of(struct one_stage *one, const char *name)
{
    assert_int_equal(one->outcome.batch_count, 1);
    const struct column *column = batch_column(one->outcome.batches[0], name);
    assert_non_null(column);
    return column;
}

/* Pixels (y, x) of row `row` of a column of pixels. */
static const unsigned char *pixel_at(const struct column *column, uint32_t row,
                                     uint32_t x, uint32_t y)
{
    const unsigned char *pixels = column_row(column, row);
    return pixels + 3 * ((size_t)y * column->shapes[3 * row + 1] + x);
}

static bool is_colour(const unsigned char *pixel, struct colour colour)
{
    return pixel[0] == colour.red && pixel[1] == colour.green && pixel[2] == colour.blue;
}

/* ---- draw ---- */

/* Outside of lines and labels the picture is as it was, on the lines it has the colour. */
static void outlines_are_where_the_box_is(void **state)
{
    (void)state;
    struct one_stage one;
    struct box box = {10, 12, 30, 33, 0.9F, 4};
    run_boxes(&one, &stage_draw, "{output: pixels, labels: false, width: 2}", &box,
              (uint32_t[]){1}, 1);
    const struct column *drawn = column_of(&one, "drawn");
    assert_int_equal(drawn->shapes[0], HEIGHT);
    for (uint32_t y = 0; y < HEIGHT; y++)
        for (uint32_t x = 0; x < WIDTH; x++) {
            bool is_in = x >= 10 && x < 30 && y >= 12 && y < 33;
            bool is_inner = x >= 12 && x < 28 && y >= 14 && y < 31;
            unsigned char known[3];
            known_pixel(x, y, WIDTH, HEIGHT, known);
            const unsigned char *pixel = pixel_at(drawn, 0, x, y);
            if (is_in && !is_inner)
                assert_true(is_colour(pixel, paint_class_colour(4)));
            else
                assert_memory_equal(pixel, known, 3);
        }
    one_stage_close(&one);
}

static size_t count_colour(const struct column *column, uint32_t row,
                           struct colour colour)
{
    size_t found = 0;
    for (uint32_t y = 0; y < column->shapes[3 * row]; y++)
        for (uint32_t x = 0; x < column->shapes[3 * row + 1]; x++)
            found += is_colour(pixel_at(column, row, x, y), colour);
    return found;
}

static void boxes_beside_the_picture_do_no_harm(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box boxes[] = {{-1e9F, -1e9F, 1e9F, 1e9F, 1, 0},
                                       {-20, -20, -5, -5, 1, 1},
                                       {59.5F, 39.5F, 200, 300, 1, 2},
                                       {30, 30, 30, 30, 1, 3},
                                       {20, 20, 10, 10, 1, 5},
                                       {1e8F, 1e8F, 1e9F, 1e9F, 1, 7},
                                       {0, 0, WIDTH, HEIGHT, 1, 16777216}};
    run_boxes(&one, &stage_draw, "{output: pixels, labels: true}", boxes,
              (uint32_t[]){7, 0}, 2);
    const struct column *drawn = column_of(&one, "drawn");
    unsigned char *known = known_picture(WIDTH, HEIGHT);
    assert_memory_equal(column_row(drawn, 1), known, (size_t)WIDTH * HEIGHT * 3);
    assert_memory_not_equal(column_row(drawn, 0), known, (size_t)WIDTH * HEIGHT * 3);
    free(known);
    one_stage_close(&one);
}

/* Neither lines nor labels of boxes that are nowhere in it. */
static void boxes_outside_are_not_named(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box boxes[] = {
        {-90, -90, -50, -50, 1, 1}, {900, 10, 950, 15, 1, 1}, {5, 90, 9, 120, 1, 1},
        {-30, 5, 0, 9, 1, 1},       {60, 0, 61, 40, 1, 1},    {0, 40, 60, 41, 1, 1}};
    run_boxes(&one, &stage_draw, "{output: pixels}", boxes, (uint32_t[]){6}, 1);
    unsigned char *known = known_picture(WIDTH, HEIGHT);
    assert_memory_equal(column_row(column_of(&one, "drawn"), 0), known,
                        (size_t)WIDTH * HEIGHT * 3);
    free(known);
    one_stage_close(&one);
}

static void labels_stand_above_or_inside(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box low = {5, 30, 25, 39, 0.5F, 1},
                            high = {5, 1, 25, 20, 0.5F, 1};
    static const uint32_t counts[] = {1, 1};
    struct box boxes[] = {low, high};
    run_boxes(&one, &stage_draw, "{output: pixels, width: 1}", boxes, counts, 2);
    const struct column *drawn = column_of(&one, "drawn");
    /* "1 0.50" in fields of 6 by 9 and a column in front. */
    struct colour colour = paint_class_colour(1);
    assert_true(is_colour(pixel_at(drawn, 0, 5, 21), colour));
    assert_true(is_colour(pixel_at(drawn, 0, 5 + 36, 29), colour));
    assert_false(is_colour(pixel_at(drawn, 0, 5, 20), colour));
    assert_false(is_colour(pixel_at(drawn, 0, 5 + 37, 25), colour));
    assert_true(is_colour(pixel_at(drawn, 1, 5 + 36, 9), colour));
    assert_true(count_colour(drawn, 0, paint_contrast(colour)) > 20);
    one_stage_close(&one);
}

static void scores_decide_and_points_are_dots(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box boxes[] = {{10, 10, 50, 30, 0.9F, 1}, {0, 0, 9, 9, 0.3F, 2}};
    static const float points[] = {20,   20,   40,   20,   30,  25,  22,    28, 38, 28,
                                   -100, -100, 5e8F, 1e9F, NAN, NAN, 1e30F, 0,  3,  3};
    one_stage_open(&one, &stage_draw,
                   "{output: pixels, labels: false, width: 1, min_score: 0.5}", fields,
                   4);
    struct column *marks = ARENA_NEW(one.arena, struct column, 1);
    *marks = (struct column){.name = "landmarks",
                             .type = COLUMN_LIST_F32,
                             .offsets = (const uint64_t[]){0, 20},
                             .data = points};
    const struct column *columns[] = {picture_column(one.arena, 1),
                                      box_column(one.arena, boxes, (uint32_t[]){2}, 1),
                                      marks};
    one_stage_run(&one, make_batch(one.arena, columns, 3, 1));
    const struct column *drawn = column_of(&one, "drawn");
    struct colour yellow = {255, 255, 0};
    /* Crosses of 5 pixels, and the picture's own corner. */
    assert_int_equal(count_colour(drawn, 0, yellow), 5 * 5 + 1);
    assert_true(is_colour(pixel_at(drawn, 0, 20, 20), yellow));
    assert_true(is_colour(pixel_at(drawn, 0, 38, 29), yellow));
    assert_int_equal(count_colour(drawn, 0, paint_class_colour(2)), 0);
    one_stage_close(&one);
}

static void boxes_that_are_none_cost_their_record(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&stage_draw, &stage_crop};
    for (size_t i = 0; i < 2; i++) {
        struct one_stage one;
        struct box boxes[] = {{1, 1, 9, 9, 0.9F, 1},
                              {1, 1, NAN, 9, 0.9F, 1},
                              {1, 1, 9, 9, 0.9F, 1},
                              {1, 1, 9, 9, 0.9F, 1.5F}};
        run_boxes(&one, types[i], "{output: pixels}", boxes, (uint32_t[]){2, 1, 1}, 3);
        assert_int_equal(one.outcome.account.quarantined.records, 2);
        assert_int_equal(one.outcome.batches[0]->count, 1);
        one_stage_close(&one);
    }
}

/* "person" must not read "Person": letters without a stem above stay below the line of x. */
static void small_letters_are_small(void **state)
{
    (void)state;
    static const char small[] = "acegmnopqrsuvwxyz";
    for (size_t i = 0; i + 1 < sizeof small; i++) {
        unsigned char pixels[3 * PAINT_FIELD_WIDTH * PAINT_FIELD_HEIGHT] = {0};
        struct canvas canvas = {pixels, PAINT_FIELD_WIDTH, PAINT_FIELD_HEIGHT};
        paint_text(&canvas, 0, 0, 1, &small[i], 1, (struct colour){255, 255, 255},
                   (struct colour){0, 0, 0});
        for (size_t at = 0; at < 3 * PAINT_FIELD_WIDTH * 3; at++)
            assert_int_equal(pixels[at], 0);
        assert_non_null(memchr(pixels, 255, sizeof pixels));
    }
}

/* ---- crop ---- */

static void expect_crop(const struct column *made, uint32_t row, uint32_t x, uint32_t y,
                        uint32_t width, uint32_t height)
{
    assert_int_equal(made->shapes[3 * row], height);
    assert_int_equal(made->shapes[3 * row + 1], width);
    for (uint32_t j = 0; j < height; j++)
        for (uint32_t i = 0; i < width; i++) {
            unsigned char known[3];
            known_pixel(x + i, y + j, WIDTH, HEIGHT, known);
            assert_memory_equal(pixel_at(made, row, i, j), known, 3);
        }
}

static void objects_are_cut_out_to_the_pixel(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box boxes[] = {
        {10, 12, 30, 33, 0.9F, 4}, {9.5F, 3.2F, 11.1F, 4.9F, 0.8F, 2},
        {-5, -5, 8, 7, 0.7F, 1},   {70, 50, 80, 60, 0.6F, 1}, /* outside */
        {50, 30, 99, 99, 0.5F, 3}, {20, 20, 10, 10, 0.4F, 3}};
    run_boxes(&one, &stage_crop, "{output: pixels}", boxes, (uint32_t[]){4, 0, 2}, 3);
    const struct batch *out = one.outcome.batches[0];
    assert_int_equal(out->count, 5);
    const struct column *made = column_of(&one, "data");
    expect_crop(made, 0, 10, 12, 20, 21);
    expect_crop(made, 1, 9, 3, 3, 2);
    expect_crop(made, 2, 0, 0, 8, 7);
    expect_crop(made, 3, 50, 30, 10, 10);
    expect_crop(made, 4, 10, 10, 10, 10);
    assert_string_equal(text_of(&one, "key", 2), "k0/3");
    assert_string_equal(text_of(&one, "source", 2), "k0");
    assert_string_equal(text_of(&one, "key", 4), "k2/2");
    assert_int_equal(((const int64_t *)column_of(&one, "class")->data)[2], 1);
    assert_float_equal(((const double *)column_of(&one, "score")->data)[2], 0.7, 1e-6);
    const struct box *kept = column_row(column_of(&one, "box"), 2);
    assert_memory_equal(kept, &boxes[2], sizeof *kept);
    assert_int_equal(one.outcome.account.dropped.records, 1); /* no_object */
    one_stage_close(&one);
}

static void margins_sizes_and_choices(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box boxes[] = {
        {20, 10, 40, 30, 0.9F, 4}, {0, 0, 4, 4, 0.8F, 4},   {0, 0, 10, 10, 0.7F, 5},
        {0, 0, 9, 9, 0.1F, 4},     {5, 5, 25, 25, 0.6F, 4}, {9, 9, 29, 29, 0.6F, 4}};
    run_boxes(&one, &stage_crop,
              "{output: pixels, margin: 0.25, classes: [4], min_score: 0.5, min_side: 8, "
              "max_objects: 2}",
              boxes, (uint32_t[]){6}, 1);
    assert_int_equal(one.outcome.batches[0]->count, 2);
    expect_crop(column_of(&one, "data"), 0, 15, 5, 30, 30);
    expect_crop(column_of(&one, "data"), 1, 0, 0, 30, 30);
    assert_string_equal(text_of(&one, "key", 1), "k0/5");
    one_stage_close(&one);
    run_boxes(&one, &stage_crop,
              "{output: pixels, width: 16, height: 16, fit: pad, background: [1, 2, 3]}",
              &(struct box){0, 0, 60, 30, 1, 0}, (uint32_t[]){1}, 1);
    const struct column *made = column_of(&one, "data");
    assert_int_equal(made->shapes[0], 16);
    assert_int_equal(made->shapes[1], 16);
    assert_true(is_colour(pixel_at(made, 0, 8, 3), (struct colour){1, 2, 3}));
    assert_false(is_colour(pixel_at(made, 0, 8, 4), (struct colour){1, 2, 3}));
    one_stage_close(&one);
}

static void objects_must_fit_in_memory(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box boxes[] = {{0, 0, 30, 30, 1, 0}, {0, 0, 30, 30, 1, 0}};
    run_boxes(&one, &stage_crop,
              "{output: pixels, memory: 1MiB, width: 6000, height: 6000, fit: stretch}",
              boxes, (uint32_t[]){1, 1}, 2);
    assert_int_equal(one.outcome.account.quarantined.records, 2);
    one_stage_close(&one);
}

/* 7,200 bytes each: 145 fit in 1 MiB, 146 do not; the record before is not touched. */
static void objects_together_must_fit_in_memory(void **state)
{
    (void)state;
    enum { FITTING = (1 << 20) / (WIDTH * HEIGHT * 3) };
    struct one_stage one;
    struct box boxes[2 * FITTING + 1];
    for (size_t i = 0; i < 2 * FITTING + 1; i++)
        boxes[i] = (struct box){0, 0, WIDTH, HEIGHT, 1, 0};
    run_boxes(&one, &stage_crop, "{output: pixels, memory: 1MiB}", boxes,
              (uint32_t[]){FITTING, FITTING + 1}, 2);
    assert_int_equal(one.outcome.account.quarantined.records, 1);
    assert_int_equal(one.outcome.batches[0]->count, FITTING);
    one_stage_close(&one);
}

/* ---- files ---- */

/* Of a picture that EXIF turns: boxes are those of the upright one. */
static void turned_files_are_upright(void **state)
{
    (void)state;
    struct one_stage one;
    struct bytes file = {0};
    struct png_kind kind = {.width = WIDTH,
                            .height = HEIGHT,
                            .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
                            .orientation = 6};
    put_png_file(&file, &kind);
    one_stage_open(&one, &stage_crop, "{output: png, into: cut}", file_fields, 3);
    struct column data = {.name = "data",
                          .type = COLUMN_BYTES,
                          .offsets = (const uint64_t[]){0, file.size},
                          .data = file.data};
    struct box box = {0, 0, 10, 5, 1, 0};
    const struct column *columns[] = {&data,
                                      box_column(one.arena, &box, (uint32_t[]){1}, 1)};
    one_stage_run(&one, make_batch(one.arena, columns, 2, 1));
    const struct column *made = column_of(&one, "cut");
    struct image_rules rules = {.max_pixels = 1 << 20, .memory = 1 << 24};
    struct picture picture;
    struct image_fault fault;
    struct bytes room = {0};
    assert_int_equal(picture_decode(column_row(made, 0),
                                    (size_t)column_row_length(made, 0), &rules, 0, 0,
                                    &room, &picture, &fault),
                     OK);
    assert_int_equal(picture.width, 10);
    assert_int_equal(picture.height, 5);
    for (uint32_t y = 0; y < 5; y++)
        for (uint32_t x = 0; x < 10;
             x++) { /* turned right: (x, y) was (y, HEIGHT - 1 - x) */
            unsigned char known[3];
            known_pixel(y, HEIGHT - 1 - x, WIDTH, HEIGHT, known);
            assert_memory_equal(picture.pixels + 3 * (y * 10 + x), known, 3);
        }
    bytes_clear(&room);
    bytes_clear(&file);
    one_stage_close(&one);
}

static void classes_have_their_names(void **state)
{
    (void)state;
    char path[] = "/tmp/test_draw.XXXXXX", text[CLASS_NAME_MAX];
    int file = mkstemp(path);
    static const char content[] = "cat\r\ndog house\n\nna\xc3\xafve\n\n";
    assert_true(file >= 0);
    assert_int_equal(write(file, content, sizeof content - 1), sizeof content - 1);
    assert_int_equal(close(file), 0);
    struct class_names *names;
    struct error error;
    assert_int_equal(class_names_open(path, &names, &error), OK);
    static const char *const wanted[] = {"cat", "dog house", "2", "na\xc3\xafve", "4"};
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(class_names_put(names, i, text), strlen(wanted[i]));
        assert_string_equal(text, wanted[i]);
    }
    class_names_close(names);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(class_names_open(path, &names, &error), ERROR_IO);
    assert_int_equal(class_names_open(NULL, &names, &error), OK);
    assert_int_equal(class_names_put(names, 77, text), 2);
    class_names_close(names);
    assert_int_equal(paint_text_fields("na\xc3\xafve", 6), 5);
}

static void wrong_options_are_told(void **state)
{
    (void)state;
    static const struct {
        const struct stage_type *type;
        const char *yaml, *text;
    } cases[] = {
        {&stage_draw, "{boxes: data}", "needs column \"data\" to be list<box>"},
        {&stage_crop, "{boxes: none}", "\"none\", which nothing before it makes"},
        {&stage_draw, "{into: key}", "\"into\" must be the name of a column"},
        {&stage_crop, "{into: score}", "\"into\" must be the name of a column"},
        {&stage_draw, "{landmarks: boxes}", "\"boxes\" to be list<f32>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one_stage one;
        assert_int_equal(one_stage_plan(&one, cases[i].type, cases[i].yaml, fields, 3),
                         ERROR_CONFIG);
        assert_non_null(strstr(one.error.text, cases[i].text));
        arena_destroy(one.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outlines_are_where_the_box_is),
        cmocka_unit_test(boxes_beside_the_picture_do_no_harm),
        cmocka_unit_test(boxes_outside_are_not_named),
        cmocka_unit_test(labels_stand_above_or_inside),
        cmocka_unit_test(objects_must_fit_in_memory),
        cmocka_unit_test(objects_together_must_fit_in_memory),
        cmocka_unit_test(small_letters_are_small),
        cmocka_unit_test(scores_decide_and_points_are_dots),
        cmocka_unit_test(boxes_that_are_none_cost_their_record),
        cmocka_unit_test(objects_are_cut_out_to_the_pixel),
        cmocka_unit_test(margins_sizes_and_choices),
        cmocka_unit_test(turned_files_are_upright),
        cmocka_unit_test(classes_have_their_names),
        cmocka_unit_test(wrong_options_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
