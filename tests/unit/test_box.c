/* test_box.c - boxes, their overlap and their order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "stages/kernels/box.h"
#include "stages/kernels/box_decay.h"
#include "tests/box_layouts.h"

static void assert_bad(struct box box, const char *part)
{
    const struct box boxes[] = {{0, 0, 1, 1, 0.5F, 7}, box};
    char text[200] = "";
    assert_int_equal(box_find_bad(boxes, 2, text, sizeof text), 1);
    assert_non_null(strstr(text, part));
    assert_memory_equal(text, "[", 1);
}

static void what_is_no_box_is_found(void **state)
{
    (void)state;
    const float wrong[] = {NAN, INFINITY, -INFINITY, 1.1e9F, -3e38F};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_bad((struct box){wrong[i], 0, 1, 1, 0.5F, 0}, "edge");
        assert_bad((struct box){0, wrong[i], 1, 1, 0.5F, 0}, "edge");
        assert_bad((struct box){0, 0, wrong[i], 1, 0.5F, 0}, "edge");
        assert_bad((struct box){0, 0, 1, wrong[i], 0.5F, 0}, "edge");
        assert_bad((struct box){0, 0, 1, 1, wrong[i], 0}, "score");
        assert_bad((struct box){0, 0, 1, 1, 0.5F, wrong[i]}, "class");
    }
    assert_bad((struct box){0, 0, 1, 1, 0.5F, 0.5F}, "class");
    assert_bad((struct box){0, 0, 1, 1, 0.5F, 33554432.0F}, "class");
    const struct box good[] = {{1e9F, -1e9F, 3, 4, -7, -1}, {5, 5, 1, 1, 1e9F, 16777216}};
    assert_int_equal(box_find_bad(good, 2, NULL, 0), 2);
    assert_int_equal(box_find_bad(NULL, 0, NULL, 0), 0);
}

static void overlaps_are_those_of_areas(void **state)
{
    (void)state;
    /* 4 by 2 and 2 by 4, 2 by 2 in common: 4 / 12, 4 / 8. */
    const struct box a = {0, 0, 4, 2, 0, 0}, b = {2, 0, 4, 4, 0, 0};
    assert_true(box_overlap(BOX_IOU, &a, &b) == 1.0F / 3);
    assert_true(box_overlap_double(BOX_IOU, &a, &b) == 1.0 / 3);
    assert_true(box_overlap(BOX_IOS, &a, &b) == 0.5F);
    assert_true(box_overlap_double(BOX_IOS, &a, &b) == 0.5);
    assert_true(box_overlap(BOX_IOU, &a, &a) == 1 && box_overlap(BOX_IOS, &a, &a) == 1);
    const struct box beside = {4, 0, 8, 2, 0, 0}, none = {1, 1, 1, 1, 0, 0};
    for (int metric = BOX_IOU; metric <= (int)BOX_IOS; metric++) {
        assert_true(box_overlap((enum box_metric)metric, &a, &beside) == 0);
        assert_true(box_overlap((enum box_metric)metric, &none, &none) == 0);
        assert_true(box_overlap_double((enum box_metric)metric, &none, &none) == 0);
        assert_true(box_overlap((enum box_metric)metric, &a, &none) == 0);
    }
}

static void many_overlaps_are_the_bits_of_each(void **state)
{
    (void)state;
    enum { COUNT = 61 };
    struct box boxes[COUNT];
    uint32_t numbers[COUNT];
    double overlaps[COUNT];
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++) {
        layout_boxes(layout, 3, 1, COUNT, boxes);
        for (uint32_t i = 0; i < COUNT; i++) {
            boxes[i] = box_upright(&boxes[i]);
            numbers[i] = (i * 7 + 3) % COUNT;
        }
        for (size_t i = 0; i < COUNT; i++)
            for (int metric = BOX_IOU; metric <= (int)BOX_IOS; metric++) {
                box_overlap_many((enum box_metric)metric, &boxes[i], boxes, numbers, i,
                                 overlaps);
                for (size_t k = 0; k < i; k++) {
                    double one = box_overlap_double((enum box_metric)metric, &boxes[i],
                                                    &boxes[numbers[k]]);
                    assert_memory_equal(&overlaps[k], &one, sizeof one);
                }
            }
    }
}

/* Places of five floats on which order hangs, compared without box_sort(). */
static int compare_plainly(const struct box *a, const struct box *b, enum box_order by)
{
    const float left[] = {by == BOX_BY_CLASS_AND_SCORE ? a->class : 0,
                          -a->score,
                          a->x1,
                          a->y1,
                          a->x2,
                          a->y2,
                          a->class};
    const float right[] = {by == BOX_BY_CLASS_AND_SCORE ? b->class : 0,
                           -b->score,
                           b->x1,
                           b->y1,
                           b->x2,
                           b->y2,
                           b->class};
    for (size_t i = 0; i < 7; i++)
        if (left[i] < right[i] || left[i] > right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

static void sorting_is_by_score_and_edges_and_stable(void **state)
{
    (void)state;
    enum { MOST = 3000 };
    static struct box boxes[MOST];
    static double scores[MOST];
    static uint32_t order[MOST];
    static const size_t counts[] = {0, 1, 2, 3, 17, 300, MOST};
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++)
        for (size_t k = 0; k < 7; k++)
            for (int by = BOX_BY_SCORE; by <= (int)BOX_BY_CLASS_AND_SCORE; by++) {
                bool seen[MOST] = {false};
                struct arena *arena = arena_create(1 << 16, 0);
                layout_boxes(layout, k, 3, counts[k], boxes);
                for (size_t i = 0; i < counts[k]; i++) {
                    boxes[i].score -= 0.5F; /* of both signs, and zeros */
                    scores[i] = (double)boxes[i].score;
                }
                assert_true(
                    box_sort(boxes, scores, counts[k], (enum box_order)by, arena, order));
                for (size_t i = 0; i < counts[k]; i++) {
                    int way = i == 0
                                  ? -1
                                  : compare_plainly(&boxes[order[i - 1]],
                                                    &boxes[order[i]], (enum box_order)by);
                    assert_true(way < 0 || (way == 0 && order[i - 1] < order[i]));
                    assert_false(seen[order[i]]);
                    seen[order[i]] = true;
                }
                arena_destroy(arena);
            }
}

static void scores_of_doubles_are_told_apart(void **state)
{
    (void)state;
    const struct box boxes[2] = {{0, 0, 1, 1, 0.5F, 0}, {0, 0, 1, 1, 0.5F, 0}};
    const double scores[2] = {0.5, 0.5000000001};
    uint32_t order[2];
    struct arena *arena = arena_create(1 << 16, 0);
    assert_true(box_sort(boxes, scores, 2, BOX_BY_SCORE, arena, order));
    assert_int_equal(order[0], 1);
    arena_destroy(arena);
}

/* The library's exp() is within 1 ulp, ours within 3 of it. */
static void the_gaussian_is_that_of_the_library(void **state)
{
    (void)state;
    struct random_stream stream;
    random_stream_init(&stream, 1, 2);
    for (int i = 0; i < 200000; i++) {
        double overlap = i < 1001 ? i / 1000.0 : (double)layout_draw(&stream, 0, 1);
        double sigma = i % 3 ? 0.5 : exp((double)layout_draw(&stream, -6, 3));
        double wanted = exp(-(overlap * overlap / sigma)), decay = overlap;
        box_decay_gaussian(&decay, 1, sigma);
        assert_true(fabs(decay - wanted) <= 3 * 2.220446049250313e-16 * wanted);
    }
    double ends[] = {0, 1, 1};
    box_decay_gaussian(ends, 2, 1e-9);
    box_decay_gaussian(ends + 2, 1, 1e-3); /* exp(-1000) is not a double */
    assert_true(ends[0] == 1 && ends[1] < 1e-300 && ends[2] < 1e-300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_box_is_found),
        cmocka_unit_test(overlaps_are_those_of_areas),
        cmocka_unit_test(many_overlaps_are_the_bits_of_each),
        cmocka_unit_test(sorting_is_by_score_and_edges_and_stable),
        cmocka_unit_test(scores_of_doubles_are_told_apart),
        cmocka_unit_test(the_gaussian_is_that_of_the_library),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
