/* test_fit.c - pictures fitted into inputs, and boxes brought back */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "stages/kernels/fit.h"
#include "stages/kernels/head.h"

static struct fit plan(enum fit_kind kind, uint32_t width, uint32_t height,
                       uint32_t from_width, uint32_t from_height, uint32_t multiple)
{
    struct fit_rule rule = {
        .kind = kind, .width = width, .height = height, .multiple = multiple};
    struct fit fit;
    assert_int_equal(fit_plan(&rule, from_width, from_height, &fit, NULL), OK);
    return fit;
}

static void assert_place(const struct fit *fit, uint32_t width, uint32_t height,
                         uint32_t inner_width, uint32_t inner_height, uint32_t left,
                         uint32_t top)
{
    assert_int_equal(fit->width, width);
    assert_int_equal(fit->height, height);
    assert_int_equal(fit->inner_width, inner_width);
    assert_int_equal(fit->inner_height, inner_height);
    assert_int_equal(fit->left, left);
    assert_int_equal(fit->top, top);
}

static void letterbox_splits_the_rest(void **state)
{
    (void)state;
    struct fit fit = plan(FIT_LETTERBOX, 640, 640, 1920, 1080, 0);
    assert_place(&fit, 640, 640, 640, 360, 0, 140);
    fit = plan(FIT_LETTERBOX, 640, 640, 810, 1080, 0);
    assert_place(&fit, 640, 640, 480, 640, 80, 0);
    /* 101 * 0.64 = 64.64 becomes 65; 575 are 287 and 288 */
    fit = plan(FIT_LETTERBOX, 640, 640, 1000, 101, 0);
    assert_place(&fit, 640, 640, 640, 65, 0, 287);
    assert_true(fit.offset_y == 287 && fit.scale_y == 0.64);
}

/* round() of Python takes halves to the even neighbour: 2.5 is 2, 3.5 is 4. */
static void letterbox_rounds_halves_to_even(void **state)
{
    (void)state;
    struct fit fit = plan(FIT_LETTERBOX, 64, 64, 128, 5, 0);
    assert_int_equal(fit.inner_height, 2);
    fit = plan(FIT_LETTERBOX, 64, 64, 128, 7, 0);
    assert_int_equal(fit.inner_height, 4);
    fit = plan(FIT_LETTERBOX, 64, 64, 1 << 20, 1, 0);
    assert_int_equal(fit.inner_height, 1); /* never less than a row */
}

static void letterbox_may_leave_less_than_a_multiple(void **state)
{
    (void)state;
    struct fit fit = plan(FIT_LETTERBOX, 640, 640, 1920, 1080, 32);
    assert_place(&fit, 640, 384, 640, 360, 0, 12);
    fit = plan(FIT_LETTERBOX, 640, 640, 500, 640, 32); /* 140 % 32 = 12 */
    assert_place(&fit, 512, 640, 500, 640, 6, 0);
}

static void letterbox_may_never_enlarge(void **state)
{
    struct fit_rule rule = {
        .kind = FIT_LETTERBOX, .width = 640, .height = 640, .never_enlarge = true};
    struct fit fit;
    (void)state;
    assert_int_equal(fit_plan(&rule, 100, 51, &fit, NULL), OK);
    assert_place(&fit, 640, 640, 100, 51, 270, 294);
    assert_true(fit.scale_x == 1);
}

/* 1000 by 101: yolov5 inverts by (640 - 64.64) / 2 = 287.68. */
static void the_inverse_of_yolov5_is_not_rounded(void **state)
{
    (void)state;
    struct fit fit = plan(FIT_LETTERBOX_YOLOV5, 640, 640, 1000, 101, 0);
    assert_place(&fit, 640, 640, 640, 65, 0, 287);
    assert_true(fabs(fit.offset_y - 287.68) < 1e-9 && fit.offset_x == 0);
}

static void darknet_truncates(void **state)
{
    (void)state;
    struct fit fit = plan(FIT_LETTERBOX_DARKNET, 416, 416, 768, 576, 0);
    assert_place(&fit, 416, 416, 416, 312, 0, 52);
    fit =
        plan(FIT_LETTERBOX_DARKNET, 416, 416, 333, 500, 0); /* 333 * 416 / 500 = 277.06 */
    assert_place(&fit, 416, 416, 277, 416, 69, 0);
    assert_true(fit.offset_x == 69.5 && fit.scale_x == 277.0 / 333);
}

static void the_others_have_their_corners(void **state)
{
    (void)state;
    struct fit fit = plan(FIT_STRETCH, 320, 240, 1000, 500, 0);
    assert_place(&fit, 320, 240, 320, 240, 0, 0);
    assert_true(fit.scale_x == 0.32 && fit.scale_y == 0.48);
    fit = plan(FIT_CENTER, 512, 512, 1000, 667, 0); /* 341.504: 342; 170 of them above */
    assert_place(&fit, 512, 512, 512, 342, 0, 85);
    fit = plan(FIT_CORNER, 416, 416, 500, 1000, 0);
    assert_place(&fit, 416, 416, 208, 416, 0, 0);
    fit = plan(FIT_CORNER, 100, 50, 10, 10, 32);
    assert_place(&fit, 128, 64, 50, 50, 0, 0);
}

/* 480 by 640: 800 by 1067; 500 by 2000: 1333 long, 333 wide. */
static void the_shorter_side_is_given_unless_the_longer_is_too_long(void **state)
{
    struct fit fit;
    (void)state;
    assert_int_equal(fit_plan_shortest(800, 1333, 32, 480, 640, &fit, NULL), OK);
    assert_place(&fit, 800, 1088, 800, 1067, 0, 0);
    assert_int_equal(fit_plan_shortest(800, 1333, 32, 2000, 500, &fit, NULL), OK);
    assert_place(&fit, 1344, 352, 1333, 333, 0, 0);
    assert_int_equal(fit_plan_shortest(800, 1333, 32, 0, 500, &fit, NULL), ERROR_CONFIG);
}

static void sides_of_nothing_are_refused(void **state)
{
    struct fit_rule rule = {.kind = FIT_LETTERBOX, .width = 640, .height = 640};
    struct fit fit;
    struct error error;
    (void)state;
    assert_int_equal(fit_plan(&rule, 0, 5, &fit, &error), ERROR_CONFIG);
    assert_int_equal(fit_plan(&rule, 5, UINT32_MAX, &fit, &error), ERROR_CONFIG);
    rule.height = 0;
    assert_int_equal(fit_plan(&rule, 5, 5, &fit, &error), ERROR_CONFIG);
}

/* A box of a picture, put into the input by the definition, comes back. */
static void boxes_come_back(void **state)
{
    static const enum fit_kind kinds[] = {FIT_STRETCH, FIT_LETTERBOX,
                                          FIT_LETTERBOX_DARKNET, FIT_CENTER, FIT_CORNER};
    const struct fit_view view = {.x = 300,
                                  .y = 40,
                                  .scale_x = 0.5,
                                  .scale_y = 0.25,
                                  .width = 3000,
                                  .height = 4000};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct fit fit = plan(kinds[i], 640, 480, 777, 333, 0);
        /* (100, 50) to (200, 150) of the picture */
        struct detection box = {(float)(100 * fit.scale_x + fit.offset_x),
                                (float)(50 * fit.scale_y + fit.offset_y),
                                (float)(200 * fit.scale_x + fit.offset_x),
                                (float)(150 * fit.scale_y + fit.offset_y),
                                0.5F,
                                3};
        float point[] = {box.x1, box.y2};
        assert_int_equal(fit_invert(&fit, &view, &box, 1), 1);
        assert_true(fabs(box.x1 - 500.0) < 1e-3 && fabs(box.y1 - 240.0) < 1e-3);
        assert_true(fabs(box.x2 - 700.0) < 1e-3 && fabs(box.y2 - 640.0) < 1e-3);
        assert_true(box.score == 0.5F && box.class == 3);
        fit_invert_points(&fit, &view, point, 1);
        assert_true(point[0] == box.x1 && point[1] == box.y2);
    }
}

static void boxes_are_clipped_and_those_on_padding_taken_out(void **state)
{
    struct fit fit = plan(FIT_LETTERBOX, 640, 640, 1280, 640, 0); /* 160 above */
    const struct fit_view view = {
        .scale_x = 1, .scale_y = 1, .width = 1280, .height = 640};
    struct detection boxes[] = {
        {-10, 150, 700, 170, 0.9F, 0},
        {10, 10, 20, 160, 0.8F, 0},  /* above the picture */
        {30, 400, 20, 420, 0.7F, 0}, /* turned around: nothing */
        {100, 470, 110, 500, 0.6F, 1},
    };
    (void)state;
    assert_int_equal(fit_invert(&fit, &view, boxes, 4), 2);
    assert_true(boxes[0].x1 == 0 && boxes[0].y1 == 0 && boxes[0].x2 == 1280 &&
                boxes[0].y2 == 20);
    assert_true(boxes[1].x1 == 200 && boxes[1].y1 == 620 && boxes[1].y2 == 640 &&
                boxes[1].class == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letterbox_splits_the_rest),
        cmocka_unit_test(letterbox_rounds_halves_to_even),
        cmocka_unit_test(letterbox_may_leave_less_than_a_multiple),
        cmocka_unit_test(letterbox_may_never_enlarge),
        cmocka_unit_test(the_inverse_of_yolov5_is_not_rounded),
        cmocka_unit_test(darknet_truncates),
        cmocka_unit_test(the_others_have_their_corners),
        cmocka_unit_test(the_shorter_side_is_given_unless_the_longer_is_too_long),
        cmocka_unit_test(sides_of_nothing_are_refused),
        cmocka_unit_test(boxes_come_back),
        cmocka_unit_test(boxes_are_clipped_and_those_on_padding_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
