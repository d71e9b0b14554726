/* test_head_grid.c - YOLOv1 to v5 on tensors whose boxes were derived by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/head_fixture.h"

/* Cell 17 = row 2, column 3 of 7; its second box is of twice the square of 0.5. */
static void yolov1_reads_its_three_parts(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 448, 448);
    float *vector = ADD(&f, "output", 2, 1470) + 1470;
    f.input.item = 1;
    vector[17 * 20 + 11] = 0.9F;
    vector[17 * 20 + 14] = 0.25F;
    vector[980 + 17 * 2 + 1] = 0.8F;
    float *box = vector + 980 + 98 + (17 * 2 + 1) * 4;
    box[0] = 0.5F;
    box[1] = 0.25F;
    box[2] = 0.5F;
    box[3] = 0.75F;
    assert_int_equal(fixture_decode(&f, "yolov1", NULL, 0.2F), OK);
    assert_int_equal(f.found.count, 1); /* 0.8 * 0.25 = 0.2 is not above */
    /* x = 3.5 * 64, y = 2.25 * 64, w = 448 / 4, h = 448 * 9 / 16 */
    assert_box(&f.found.items[0], 224 - 56, 144 - 126, 224 + 56, 144 + 126, 0.72, 11);
    assert_int_equal(fixture_decode(&f, "yolov1", NULL, 0.1F), OK);
    assert_int_equal(f.found.count, 2);
    fixture_end(&f);
}

static void yolov1_takes_other_grids(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    (void)state;
    fixture_begin(&f, 100, 50);
    float *vector = ADD(&f, "output", 1, 2 * 2 * (3 + 5));
    user.cells = 2;
    user.boxes = 1;
    vector[3 * 3 + 2] = 1;
    vector[12 + 3] = 0.5F;
    vector[16 + 12 + 2] = vector[16 + 12 + 3] = 1;
    assert_int_equal(fixture_decode(&f, "yolov1", &user, 0.1F), OK);
    assert_int_equal(f.found.count, 1);
    assert_box(&f.found.items[0], 0, 0, 100, 50, 0.5, 2);
    assert_int_equal(fixture_decode(&f, "yolov1", NULL, 0.1F), ERROR_CONFIG);
    fixture_end(&f);
}

/* Of 416 pixels there are 13 cells; with zeros a box is of the anchor's size, its middle in
 * the cell's. */
static void yolov2_places_anchors_in_cells(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 416, 416);
    float *values = ADD(&f, "output", 1, 5 * 7, 13, 13);
    for (size_t a = 0; a < 5; a++)
        for (size_t i = 0; i < 169; i++)
            values[(a * 7 + 4) * 169 + i] = -20;
    size_t cell = 4 * 13 + 6;
    float *anchor = values + 7 * 169; /* the second */
    anchor[4 * 169 + cell] = 20;
    anchor[5 * 169 + cell] = (float)log(3); /* softmax: 3/4 and 1/4 */
    anchor[2 * 169 + cell] = (float)log(2);
    assert_int_equal(fixture_decode(&f, "yolov2", NULL, 0.3F), OK);
    assert_int_equal(f.found.count, 1);
    double w = 2 * 1.87446 * 32, h = 2.06253 * 32;
    assert_box(&f.found.items[0], 208 - w / 2, 144 - h / 2, 208 + w / 2, 144 + h / 2,
               0.75, 0);
    assert_int_equal(fixture_decode(&f, "yolov2", NULL, 0.2F), OK);
    assert_int_equal(f.found.count, 2);
    assert_box(&f.found.items[1], 208 - w / 2, 144 - h / 2, 208 + w / 2, 144 + h / 2,
               0.25, 1);
    fixture_end(&f);
}

static void tinyface_has_no_classes(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 64, 32);
    float *values = ADD(&f, "yolo", 1, 25, 1, 2);
    for (size_t i = 0; i < 50; i++)
        values[i] = -30;
    values[(2 * 5 + 4) * 2 + 1] = (float)log(4); /* 4/5; the third anchor, second cell */
    for (size_t i = 0; i < 4; i++)
        values[(2 * 5 + i) * 2 + 1] = 0;
    assert_int_equal(fixture_decode(&f, "tinyface", NULL, 0.5F), OK);
    assert_int_equal(f.found.count, 1);
    double w = 2.882459 * 32, h = 3.518061 * 32;
    assert_box(&f.found.items[0], 48 - w / 2, 16 - h / 2, 48 + w / 2, 16 + h / 2, 0.8, 0);
    fixture_end(&f);
}

/* The formulas once more, in double and with the C library's exp(). */
enum rule { RULE_V3, RULE_CSP, RULE_V5 };
static void expect_anchor(const double t[5], size_t column, size_t row, double stride,
                          const double *anchor, double scale_xy, enum rule rule,
                          struct detection *box)
{
    double s[5], w, h;
    for (size_t i = 0; i < 5; i++)
        s[i] = rule == RULE_CSP ? t[i] : plain_sigmoid(t[i]);
    double x = ((double)column + scale_xy * s[0] - 0.5 * (scale_xy - 1)) * stride;
    double y = ((double)row + scale_xy * s[1] - 0.5 * (scale_xy - 1)) * stride;
    if (rule == RULE_V3) {
        w = exp(t[2]) * anchor[0];
        h = exp(t[3]) * anchor[1];
    } else {
        w = pow(2 * s[2], 2) * anchor[0];
        h = pow(2 * s[3], 2) * anchor[1];
    }
    *box = (struct detection){(float)(x - w / 2), (float)(y - h / 2), (float)(x + w / 2),
                              (float)(y + h / 2), (float)s[4],        0};
}

/* All anchors of three levels of an input of 64 by 96, given in any order. */
static void check_levels(const char *name, enum rule rule, bool is_split, double scale_xy,
                         const struct head_options *user, const double *anchors)
{
    static const size_t order[3] = {2, 0, 1};
    enum { CLASSES = 2, EACH = 5 + CLASSES };
    struct fixture f;
    fixture_begin(&f, 64, 96);
    for (size_t i = 0; i < 3; i++) {
        int64_t stride = 8 << order[i], w = 64 / stride, h = 96 / stride;
        if (is_split)
            (void)ADD(&f, "level", 1, 3, h, w, EACH);
        else
            (void)ADD(&f, "level", 1, 3 * EACH, h, w);
        fixture_fill(&f, i, rule == RULE_CSP ? 0 : -3, rule == RULE_CSP ? 1 : 3);
    }
    assert_int_equal(fixture_decode(&f, name, user, 0), OK);
    size_t at = 0;
    for (size_t level = 0; level < 3; level++) {
        size_t output = level == 2 ? 0 : level + 1;
        size_t stride = (size_t)8 << level, w = 64 / stride, h = 96 / stride;
        for (size_t a = 0; a < 3; a++)
            for (size_t cell = 0; cell < w * h; cell++) {
                double t[EACH];
                struct detection box;
                for (size_t k = 0; k < EACH; k++)
                    t[k] = f.values[output][is_split ? (a * w * h + cell) * EACH + k
                                                     : (a * EACH + k) * w * h + cell];
                expect_anchor(t, cell % w, cell / w, (double)stride,
                              anchors + 2 * (3 * level + a), scale_xy, rule, &box);
                for (size_t c = 0; c < CLASSES; c++, at++) {
                    double chance = rule == RULE_CSP ? t[5 + c] : plain_sigmoid(t[5 + c]);
                    assert_true(at < f.found.count);
                    assert_box(&f.found.items[at], box.x1, box.y1, box.x2, box.y2,
                               box.score * chance, (double)c);
                }
            }
    }
    assert_int_equal(at, f.found.count);
    fixture_end(&f);
}

static const double V3_ANCHORS[] = {10, 13, 16,  30,  33, 23,  30,  61,  62,
                                    45, 59, 119, 116, 90, 156, 198, 373, 326};

static void yolov3_gives_all_anchors_of_all_levels(void **state)
{
    struct head_options user = NOTHING_SAID;
    (void)state;
    check_levels("yolov3", RULE_V3, false, 1, NULL, V3_ANCHORS);
    user.scale_xy = 1.2;
    check_levels("yolov3", RULE_V3, false, 1.2, &user, V3_ANCHORS);
}

static void yolov4_csp_takes_sigmoids(void **state)
{
    static const double anchors[] = {12, 16, 19,  36,  40,  28,  36,  75,  76,
                                     55, 72, 146, 142, 110, 192, 243, 459, 401};
    (void)state;
    check_levels("yolov4_csp", RULE_CSP, false, 2, NULL, anchors);
}

static void yolov5_takes_both_layouts_of_raw_levels(void **state)
{
    struct head_options user = NOTHING_SAID;
    (void)state;
    user.classes = HEAD_ALL_CLASSES;
    check_levels("yolov5", RULE_V5, true, 2, &user, V3_ANCHORS);
    check_levels("yolov5", RULE_V5, false, 2, &user, V3_ANCHORS);
}

static void yolov5_as_exported_multiplies_and_takes_the_best_class(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    (void)state;
    fixture_begin(&f, 64, 64); /* 3 * (64 + 16 + 4) rows */
    float *rows = ADD(&f, "output", 1, 252, 5 + 3);
    const float row[] = {30, 20, 10, 4, 0.5F, 0.6F, 0.9F, 0.9F};
    memcpy(rows + 100 * 8, row, sizeof row);
    assert_int_equal(fixture_decode(&f, "yolov5", NULL, 0.25F), OK);
    assert_int_equal(f.found.count, 1);
    assert_box(&f.found.items[0], 25, 18, 35, 22, 0.45, 1);
    user.classes = HEAD_ALL_CLASSES;
    assert_int_equal(fixture_decode(&f, "yolov5", &user, 0.25F), OK);
    assert_int_equal(f.found.count, 3);
    rows[100 * 8 + 7] = NAN;
    assert_int_equal(fixture_decode(&f, "yolov5", NULL, 0.25F), ERROR_RECORD);
    assert_int_equal(f.found.count, 0);
    fixture_end(&f);
}

static void exponents_that_no_float_holds_are_refused(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 32, 32);
    float *values = ADD(&f, "yolo", 1, 25, 1, 1);
    values[4] = 5;
    values[2] = 100;
    assert_int_equal(fixture_decode(&f, "tinyface", NULL, 0.9F), ERROR_RECORD);
    assert_non_null(strstr(f.error.text, "\"yolo\""));
    values[2] = -INFINITY;
    assert_int_equal(fixture_decode(&f, "tinyface", NULL, 0.9F), ERROR_RECORD);
    values[2] = -100; /* a box of no width is still finite */
    assert_int_equal(fixture_decode(&f, "tinyface", NULL, 0.9F), OK);
    assert_int_equal(f.found.count, 1);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolov1_reads_its_three_parts),
        cmocka_unit_test(yolov1_takes_other_grids),
        cmocka_unit_test(yolov2_places_anchors_in_cells),
        cmocka_unit_test(tinyface_has_no_classes),
        cmocka_unit_test(yolov3_gives_all_anchors_of_all_levels),
        cmocka_unit_test(yolov4_csp_takes_sigmoids),
        cmocka_unit_test(yolov5_takes_both_layouts_of_raw_levels),
        cmocka_unit_test(yolov5_as_exported_multiplies_and_takes_the_best_class),
        cmocka_unit_test(exponents_that_no_float_holds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
