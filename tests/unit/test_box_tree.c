/* test_box_tree.c - what overlaps a box is found, against looking at all of them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "stages/kernels/box_tree.h"
#include "tests/box_layouts.h"

enum { BOXES_MAX = 5000 };

static struct box boxes[BOXES_MAX];
static bool is_in[BOXES_MAX];

/* Ask for some boxes at a limit and for all that match by looking at each. */
static void check(const struct box_tree *tree, size_t count, size_t step,
                  enum box_metric metric, float at_least)
{
    static uint32_t found[BOXES_MAX];
    static bool is_found[BOXES_MAX];
    for (size_t i = 0; i < count; i += step) {
        size_t found_count = box_tree_find(tree, metric, &boxes[i], at_least, found);
        memset(is_found, 0, count);
        for (size_t k = 0; k < found_count; k++) {
            assert_true(found[k] < count);
            assert_false(is_found[found[k]]);
            is_found[found[k]] = true;
        }
        for (size_t k = 0; k < count; k++)
            assert_int_equal(is_found[k], is_in[k] && box_overlap(metric, &boxes[i],
                                                                  &boxes[k]) >= at_least);
    }
}

static void check_all(const struct box_tree *tree, size_t count)
{
    static const float limits[] = {0.5F, 1e-30F, 0.9F, 0.1F, 1, 0, -1};
    size_t step = count / 60 + 1;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        check(tree, count, step, BOX_IOU, limits[i]);
        check(tree, count, step, BOX_IOS, limits[i]);
    }
}

static void set_up(enum box_layout layout, size_t count)
{
    layout_boxes(layout, 5, 1, count, boxes);
    for (size_t i = 0; i < count; i++)
        boxes[i] = box_upright(&boxes[i]);
}

static void what_overlaps_is_found_whatever_the_layout(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 7, 8, 9, 63, 64, 65, 512, 513, BOXES_MAX};
    struct arena *arena = arena_create(1 << 20, 0);
    struct box_tree tree;
    assert_true(box_tree_create(&tree, BOXES_MAX, arena));
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++)
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            set_up(layout, counts[k]);
            memset(is_in, 1, counts[k]);
            box_tree_build(&tree, boxes, counts[k], true);
            check_all(&tree, counts[k]);
        }
    arena_destroy(arena);
}

static void what_was_removed_is_not_found(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    struct arena *arena = arena_create(1 << 20, 0);
    struct box_tree tree;
    struct random_stream stream;
    random_stream_init(&stream, 1, 1);
    assert_true(box_tree_create(&tree, COUNT, arena));
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++) {
        uint32_t order[COUNT];
        set_up(layout, COUNT);
        memset(is_in, 1, COUNT);
        for (uint32_t i = 0; i < COUNT; i++)
            order[i] = i;
        random_stream_shuffle(&stream, order, COUNT);
        box_tree_build(&tree, boxes, COUNT, true);
        for (size_t i = 0; i < COUNT; i += 100) {
            box_tree_remove(&tree, order + i, 100);
            for (size_t k = i; k < i + 100; k++)
                is_in[order[k]] = false;
            check_all(&tree, COUNT);
        }
    }
    arena_destroy(arena);
}

static void boxes_come_and_move(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct arena *arena = arena_create(1 << 20, 0);
    struct box_tree tree;
    struct random_stream stream;
    random_stream_init(&stream, 2, 1);
    assert_true(box_tree_create(&tree, COUNT, arena));
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++) {
        set_up(layout, COUNT);
        memset(is_in, 0, COUNT);
        box_tree_build(&tree, boxes, COUNT, false);
        check_all(&tree, COUNT);
        for (unsigned i = 0; i < 2000; i++) {
            uint32_t at = random_stream_below(&stream, COUNT);
            boxes[at].x2 += layout_draw(&stream, 0, 3);
            boxes[at].y1 -= layout_draw(&stream, 0, 3);
            boxes[at].x1 = is_in[at] ? boxes[at].x1 / 2 : boxes[at].x1;
            boxes[at] = box_upright(&boxes[at]);
            box_tree_put(&tree, at, &boxes[at]);
            is_in[at] = true;
            if (i % 500 == 99)
                check_all(&tree, COUNT);
        }
    }
    arena_destroy(arena);
}

static void without_memory_there_is_no_tree(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 10, 4096);
    struct box_tree tree;
    assert_false(box_tree_create(&tree, BOXES_MAX, arena));
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_overlaps_is_found_whatever_the_layout),
        cmocka_unit_test(what_was_removed_is_not_found),
        cmocka_unit_test(boxes_come_and_move),
        cmocka_unit_test(without_memory_there_is_no_tree),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
