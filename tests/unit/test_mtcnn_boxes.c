/* test_mtcnn_boxes.c - the steps between the networks of MTCNN, by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stages/kernels/mtcnn_boxes.h"
#include "tests/head_fixture.h"

static void the_pyramid_ends_at_a_cell(void **state)
{
    double scales[MTCNN_SCALES_MAX];
    (void)state;
    /* 100 pixels at 12 / 20 are 60, 42.54, 30.16, 21.38, 15.16; the next are 10.75 */
    assert_int_equal(mtcnn_scales(150, 100, 20, 0.709, scales), 5);
    assert_near(scales[0], 0.6, 1e-15);
    assert_near(scales[4], 0.6 * 0.709 * 0.709 * 0.709 * 0.709, 1e-15);
    assert_int_equal(mtcnn_scales(20, 20, 20, 0.709, scales), 1);
    assert_int_equal(mtcnn_scales(19, 500, 20, 0.709, scales), 0);
    assert_int_equal(mtcnn_scales(1 << 24, 1 << 24, 1, 0.999, scales), MTCNN_SCALES_MAX);
    assert_int_equal(mtcnn_scaled_side(100, 0.6), 61);
    assert_int_equal(mtcnn_scaled_side(101, 0.3), 31);
}

static struct mtcnn_boxes boxes_in(struct fixture *f)
{
    return (struct mtcnn_boxes){.arena = f->arena};
}

static void cells_become_boxes(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 1, 1);
    float *chances = ADD(&f, "prob", 2, 2, 3, 4) + 24;
    float *shifts = ADD(&f, "reg", 2, 4, 3, 4) + 48;
    struct mtcnn_boxes found = boxes_in(&f);
    chances[12 + 7] = 0.6F; /* column 3, row 1: 6, 2 of the scaled picture */
    chances[12 + 8] = 0.59F;
    chances[5] = 1; /* no face */
    for (size_t i = 0; i < 4; i++)
        shifts[12 * i + 7] = (float)i / 4;
    assert_int_equal(
        mtcnn_find_cells(&f.outputs[0], &f.outputs[1], 1, 0, 0.3, 0.6F, &found, &f.error),
        OK);
    assert_int_equal(found.count, 1);
    const struct mtcnn_box *box = &found.items[0];
    /* 7 / 0.3 = 23.3, 3 / 0.3 = 10, 18 / 0.3 = 60, 14 / 0.3 = 46.7 */
    assert_true(box->x1 == 23 && box->y1 == 10 && box->x2 == 60 && box->y2 == 46);
    assert_true(box->score == 0.6F && box->shifts[3] == 0.75F);
    shifts[7] = NAN;
    assert_int_equal(
        mtcnn_find_cells(&f.outputs[0], &f.outputs[1], 1, 0, 0.3, 0.6F, &found, &f.error),
        ERROR_RECORD);
    chances[12] = NAN;
    assert_int_equal(
        mtcnn_find_cells(&f.outputs[0], &f.outputs[1], 1, 0, 0.3, 0.6F, &found, &f.error),
        ERROR_RECORD);
    assert_int_equal(found.count, 1);
    assert_int_equal(
        mtcnn_find_cells(&f.outputs[0], &f.outputs[1], 2, 0, 0.3, 0.6F, &found, &f.error),
        ERROR_CONFIG);
    assert_int_equal(
        mtcnn_find_cells(&f.outputs[1], &f.outputs[0], 0, 0, 0.3, 0.6F, &found, &f.error),
        ERROR_CONFIG);
    f.outputs[1].dims[2] = 4;
    f.outputs[1].dims[3] = 3;
    assert_int_equal(
        mtcnn_find_cells(&f.outputs[0], &f.outputs[1], 0, 0, 0.3, 0.6F, &found, &f.error),
        ERROR_CONFIG);
    fixture_end(&f);
}

static void edges_move_by_either_width(void **state)
{
    struct mtcnn_box box = {
        .x1 = 10, .y1 = 20, .x2 = 29, .y2 = 59, .shifts = {0.5F, -0.25F, 0.5F, 0.25F}};
    struct mtcnn_box other = box;
    (void)state;
    mtcnn_shift_edges(&box, MTCNN_WIDTH_BETWEEN); /* 19 by 39 */
    assert_true(box.x1 == 19.5F && box.y1 == 10.25F && box.x2 == 38.5F &&
                box.y2 == 68.75F);
    mtcnn_shift_edges(&other, MTCNN_WIDTH_INCLUSIVE); /* 20 by 40 */
    assert_true(other.x1 == 20 && other.y1 == 10 && other.x2 == 39 && other.y2 == 69);
}

static void squares_have_the_longer_side(void **state)
{
    struct mtcnn_box box = {.x1 = 10, .y1 = 20, .x2 = 30, .y2 = 60};
    (void)state;
    mtcnn_make_square(&box);
    assert_true(box.x1 == 0 && box.y1 == 20 && box.x2 == 40 && box.y2 == 60);
}

static void crops_are_whole_pixels_of_the_picture(void **state)
{
    struct mtcnn_box box = {.x1 = 10.9F, .y1 = -3.5F, .x2 = 30.9F, .y2 = 60};
    struct mtcnn_crop crop;
    (void)state;
    assert_true(mtcnn_crop_of(&box, 100, 50, &crop));
    assert_int_equal(crop.x, 9); /* pixel 10, from 1 */
    assert_int_equal(crop.y, 0);
    assert_int_equal(crop.width, 21);
    assert_int_equal(crop.height, 50);
    box.x1 = 101;
    box.x2 = 120;
    assert_false(mtcnn_crop_of(&box, 100, 50, &crop));
    box.x1 = -50;
    box.x2 = 0.5F;
    assert_false(mtcnn_crop_of(&box, 100, 50, &crop));
    box.x1 = -1e9F;
    box.x2 = 1e9F;
    assert_true(mtcnn_crop_of(&box, 100, 50, &crop) && crop.width == 100);
}

static void later_networks_keep_what_is_above_and_place_points(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 1, 1);
    float *chances = ADD(&f, "prob", 3, 2), *shifts = ADD(&f, "reg", 3, 4);
    float *points = ADD(&f, "lmk", 3, 10);
    struct mtcnn_box items[3] = {{.score = 0.6F}, {.score = 0.6F}, {.score = 0.6F}};
    struct mtcnn_boxes boxes = {.items = items, .count = 3, .capacity = 3};
    chances[1] = 0.7F; /* not above */
    chances[3] = 0.75F;
    chances[5] = 0.8F;
    shifts[8] = 2;
    items[2] = (struct mtcnn_box){.x1 = 11, .y1 = 21, .x2 = 30, .y2 = 60};
    points[20] = 0.5F;      /* first x */
    points[20 + 5] = 0.25F; /* first y */
    points[20 + 9] = 1;     /* last y */
    assert_int_equal(mtcnn_keep_boxes(&f.outputs[0], &f.outputs[1], &f.outputs[2], 0.7F,
                                      &boxes, &f.error),
                     OK);
    assert_int_equal(boxes.count, 2);
    assert_true(items[1].score == 0.8F && items[1].shifts[0] == 2);
    assert_true(items[1].points[0] == 20 &&
                items[1].points[1] == 30); /* 20 by 40 at 10, 20 */
    assert_true(items[1].points[8] == 10 && items[1].points[9] == 60);
    /* rows must be as many as boxes, and their numbers finite */
    assert_int_equal(
        mtcnn_keep_boxes(&f.outputs[0], &f.outputs[1], NULL, 0.7F, &boxes, &f.error),
        ERROR_CONFIG);
    boxes.count = 3;
    points[20 + 9] = INFINITY;
    assert_int_equal(mtcnn_keep_boxes(&f.outputs[0], &f.outputs[1], &f.outputs[2], 0.7F,
                                      &boxes, &f.error),
                     ERROR_RECORD);
    assert_int_equal(boxes.count, 3);
    chances[1] = NAN;
    assert_int_equal(
        mtcnn_keep_boxes(&f.outputs[0], &f.outputs[1], NULL, 0.7F, &boxes, &f.error),
        ERROR_RECORD);
    fixture_end(&f);
}

static void detections_have_continuous_edges(void **state)
{
    struct mtcnn_box box = {.x1 = 1, .y1 = -4, .x2 = 20, .y2 = 70, .score = 0.9F};
    (void)state;
    struct detection found = mtcnn_detection(&box, 100, 50);
    assert_box(&found, 0, 0, 20, 50, 0.9, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pyramid_ends_at_a_cell),
        cmocka_unit_test(cells_become_boxes),
        cmocka_unit_test(edges_move_by_either_width),
        cmocka_unit_test(squares_have_the_longer_side),
        cmocka_unit_test(crops_are_whole_pixels_of_the_picture),
        cmocka_unit_test(later_networks_keep_what_is_above_and_place_points),
        cmocka_unit_test(detections_have_continuous_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
