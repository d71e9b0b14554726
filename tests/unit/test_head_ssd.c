/* test_head_ssd.c - priors and decoded corners, by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/head_fixture.h"

static void ultraface_corners_are_relative(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 320, 240);
    float *scores = ADD(&f, "scores", 1, 4420, 2), *boxes = ADD(&f, "boxes", 1, 4420, 4);
    const float corners[] = {-0.125F, 0.25F, 0.5F, 1.125F};
    scores[2 * 4419 + 1] = 0.875F;
    scores[2 * 7] = 1; /* background */
    memcpy(boxes + 4 * 4419, corners, sizeof corners);
    assert_int_equal(fixture_decode(&f, "ultraface", NULL, 0.5F), OK);
    assert_int_equal(f.found.count, 1);
    assert_box(&f.found.items[0], -40, 60, 160, 270, 0.875, 0);
    boxes[4 * 4419 + 2] = NAN;
    assert_int_equal(fixture_decode(&f, "ultraface", NULL, 0.5F), ERROR_RECORD);
    fixture_end(&f);
}

/* 4,420 priors of 320 by 240 pixels: 40 * 30 * 3 + 20 * 15 * 2 + 10 * 8 * 2 + 5 * 4 * 3. */
static void differences_move_the_priors(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 320, 240);
    float *scores = ADD(&f, "scores", 1, 4420, 3), *boxes = ADD(&f, "boxes", 1, 4420, 4);
    size_t second = 3600 + 2 * (3 * 20 + 5) + 1; /* column 5, row 3; side 48 */
    size_t last = 4419;                          /* column 4, row 3 of 5 by 4; side 256 */
    const float moves[] = {2, -5, 5 * (float)log(2), 0};
    scores[3 * second + 2] = 0.75F;
    memcpy(boxes + 4 * second, moves, sizeof moves);
    scores[3 * last + 1] = 0.625F;
    assert_int_equal(fixture_decode(&f, "ssd", NULL, 0.5F), OK);
    assert_int_equal(f.found.count, 2);
    double x = 88 + 0.2 * 48, y = 56 - 0.5 * 48;
    assert_box(&f.found.items[0], x - 48, y - 24, x + 48, y + 24, 0.75, 1);
    /* middle at 4.5 * 64 = 288 and 3.5 * 64 = 224; 256 pixels are all 240 of the height */
    assert_box(&f.found.items[1], 288 - 128, 224 - 120, 288 + 128, 224 + 120, 0.625, 0);
    fixture_end(&f);
}

static void priors_are_clipped_to_the_input(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 320, 200); /* the lowest of 4 rows of 64 is at 224 */
    float *scores = ADD(&f, "conf", 1, 3000 + 520 + 140 + 60, 2);
    (void)ADD(&f, "loc", 1, 3000 + 520 + 140 + 60, 4);
    scores[2 * (3719) + 1] = 1;
    assert_int_equal(fixture_decode(&f, "ssd", NULL, 0.5F), OK);
    assert_box(&f.found.items[0], 288 - 128, 100, 288 + 128, 300, 1, 0);
    f.input.height = 240;
    assert_int_equal(fixture_decode(&f, "ssd", NULL, 0.5F), ERROR_CONFIG);
    assert_non_null(strstr(f.error.text, "4420"));
    fixture_end(&f);
}

static void logits_of_all_classes_share_one(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    (void)state;
    fixture_begin(&f, 100, 100);
    float *scores = ADD(&f, "scores", 1, 2, 3), *boxes = ADD(&f, "boxes", 1, 2, 4);
    const float logits[] = {0, (float)log(3), (float)log(4), 9, 0, 0};
    memcpy(scores, logits, sizeof logits);
    boxes[2] = boxes[3] = 1;
    user.activation = HEAD_LOGITS;
    assert_int_equal(fixture_decode(&f, "ssd_corners", &user, 0.1F), OK);
    assert_int_equal(f.found.count, 2);
    assert_box(&f.found.items[0], 0, 0, 100, 100, 0.375, 0);
    assert_box(&f.found.items[1], 0, 0, 100, 100, 0.5, 1);
    scores[5] = NAN;
    assert_int_equal(fixture_decode(&f, "ssd_corners", &user, 0.1F), ERROR_RECORD);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ultraface_corners_are_relative),
        cmocka_unit_test(differences_move_the_priors),
        cmocka_unit_test(priors_are_clipped_to_the_input),
        cmocka_unit_test(logits_of_all_classes_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
