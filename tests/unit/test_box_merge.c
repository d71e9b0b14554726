/* test_box_merge.c - the merging of boxes, against each box with each other */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "stages/kernels/box_merge.h"
#include "tests/box_layouts.h"
#include "tests/box_reference.h"

static const struct box_rule plain = {
    .threshold = 0.5, .min_score = -INFINITY, .sigma = 0.5, .model_count = 1};

static size_t merge(const struct box_rule *rule, const struct box *boxes,
                    const uint32_t *models, size_t count, struct box *merged)
{
    struct error error;
    size_t merged_count = 0;
    struct arena *arena = arena_create(1 << 16, 0);
    assert_int_equal(
        box_merge(rule, boxes, models, count, arena, merged, &merged_count, &error), OK);
    arena_destroy(arena);
    return merged_count;
}

static bool are_equal_bytes(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

static void assert_boxes(const struct box *merged, size_t merged_count,
                         const struct box *wanted, size_t wanted_count, const char *what)
{
    bool is_equal = merged_count == wanted_count;
    for (size_t i = 0; is_equal && i < merged_count; i++)
        if (!are_equal_bytes(&merged[i], &wanted[i], sizeof *merged)) {
            print_message(
                "%s: box %zu is [%.9g %.9g %.9g %.9g %.9g %g], not [%.9g %.9g "
                "%.9g %.9g %.9g %g]\n",
                what, i, (double)merged[i].x1, (double)merged[i].y1, (double)merged[i].x2,
                (double)merged[i].y2, (double)merged[i].score, (double)merged[i].class,
                (double)wanted[i].x1, (double)wanted[i].y1, (double)wanted[i].x2,
                (double)wanted[i].y2, (double)wanted[i].score, (double)wanted[i].class);
            is_equal = false;
        }
    if (!is_equal)
        print_message("%s: %zu boxes, not %zu\n", what, merged_count, wanted_count);
    assert_true(is_equal);
}

/* ---- all methods, layouts and options against the reference ---- */

static void compare_with_reference(const struct box_rule *rule, enum box_layout layout,
                                   size_t count, unsigned classes, uint64_t seed)
{
    static struct box boxes[REFERENCE_MAX], merged[REFERENCE_MAX], wanted[REFERENCE_MAX];
    static uint32_t models[REFERENCE_MAX];
    char what[120];
    struct random_stream stream;
    layout_boxes(layout, seed, classes, count, boxes);
    random_stream_init(&stream, seed, 1);
    for (size_t i = 0; i < count; i++)
        models[i] = random_stream_below(&stream, rule->model_count);
    (void)snprintf(what, sizeof what, "%s, method %d, metric %d, threshold %g, seed %u",
                   layout_names[layout], (int)rule->method, (int)rule->metric,
                   rule->threshold, (unsigned)seed);
    size_t wanted_count = reference_run(rule, boxes, models, count, classes, wanted);
    size_t merged_count = merge(rule, boxes, models, count, merged);
    assert_boxes(merged, merged_count, wanted, wanted_count, what);
}

/* A rule out of a number: each digit chooses one of its parts. */
static struct box_rule rule_of(enum box_method method, unsigned number)
{
    static const double thresholds[] = {0.5, 0.3, 0.1, 0.7, 0.95, 0, 0.25, 1};
    static const double weights[] = {2, 1, 3};
    struct box_rule rule = plain;
    rule.method = method;
    rule.metric = number % 2 ? BOX_IOS : BOX_IOU;
    rule.threshold = thresholds[number / 2 % 8];
    rule.is_class_agnostic = number / 16 % 2 == 1;
    rule.is_strict = number / 32 % 2 == 1;
    rule.decay = number / 32 % 2 ? BOX_LINEAR : BOX_GAUSSIAN;
    rule.fusion = (enum box_fusion)(number / 32 % 4);
    rule.keeps_unmerged = number / 64 % 2 == 1;
    rule.allows_overflow = number / 64 % 2 == 1;
    rule.model_count = number % 3 == 2 ? 3 : 1;
    rule.weights = number % 3 == 2 ? weights : NULL;
    rule.min_score = number % 5 == 4 ? 0.2 : -INFINITY;
    rule.sigma = number % 7 == 6 ? 0.05 : 0.5;
    return rule;
}

static void check_method(enum box_method method)
{
    static const size_t counts[] = {0, 1, 2, 7, 8, 9, 40, 150};
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++)
        for (unsigned number = 0; number < 128; number++) {
            struct box_rule rule = rule_of(method, number);
            compare_with_reference(&rule, layout, counts[number * 5 % 8], 1 + number % 4,
                                   number);
        }
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++)
        for (unsigned number = 0; number < 4; number++) {
            struct box_rule rule = rule_of(method, number * 37);
            compare_with_reference(&rule, layout, 600, 2, number);
        }
}

static void nms_equals_its_reference(void **state)
{
    (void)state;
    check_method(BOX_NMS);
}

static void soft_nms_equals_its_reference(void **state)
{
    (void)state;
    check_method(BOX_SOFT_NMS);
}

static void nmm_equals_its_reference(void **state)
{
    (void)state;
    check_method(BOX_NMM);
}

static void greedy_nmm_equals_its_reference(void **state)
{
    (void)state;
    check_method(BOX_GREEDY_NMM);
}

static void nmw_equals_its_reference(void **state)
{
    (void)state;
    check_method(BOX_NMW);
}

static void wbf_equals_its_reference(void **state)
{
    (void)state;
    check_method(BOX_WBF);
}

/* ---- what stands in no reference ---- */

/* Intersection 1 of union 4, in floats exactly 0.25. */
static void equal_to_the_threshold_is_a_match_unless_strict(void **state)
{
    (void)state;
    static const struct box boxes[] = {{0, 0, 2.5F, 1, 0.9F, 0},
                                       {1.5F, 0, 4, 1, 0.8F, 0}};
    struct box merged[2];
    struct box_rule rule = plain;
    rule.threshold = 0.25;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 1);
    rule.is_strict = true;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 2);
    rule.is_strict = false;
    rule.threshold = 0.25000003;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 2);
    rule.threshold = 0.25;
    rule.method = BOX_WBF;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 2);
    rule.threshold = 0.2499;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 1);
}

/* The second box matches the first (IoU 0.5), which the third has by then made grow: 10 by 20
 * overlaps it by a quarter only. */
static void a_box_that_fails_against_the_grown_one_vanishes_or_is_kept(void **state)
{
    (void)state;
    static const struct box boxes[] = {
        {0, 0, 10, 10, 0.9F, 0}, {0, 0, 5, 10, 0.7F, 0}, {0, 0, 10, 20, 0.8F, 0}};
    static const struct box grown = {0, 0, 10, 20, 0.9F, 0};
    struct box merged[3];
    struct box_rule rule = plain;
    rule.method = BOX_GREEDY_NMM;
    rule.threshold = 0.45;
    assert_int_equal(merge(&rule, boxes, NULL, 3, merged), 1);
    assert_memory_equal(&merged[0], &grown, sizeof grown);
    rule.keeps_unmerged = true;
    assert_int_equal(merge(&rule, boxes, NULL, 3, merged), 2);
    assert_memory_equal(&merged[0], &grown, sizeof grown);
    assert_memory_equal(&merged[1], &boxes[1], sizeof grown);
}

/* A chain: the first matches the second, the second the third. */
static void nmm_merges_along_a_chain_and_greedy_nmm_does_not(void **state)
{
    (void)state;
    static const struct box boxes[] = {
        {0, 0, 10, 10, 0.9F, 0}, {4, 0, 14, 10, 0.8F, 0}, {8, 0, 18, 10, 0.7F, 0}};
    struct box merged[3];
    struct box_rule rule = plain;
    rule.metric = BOX_IOS;
    rule.method = BOX_GREEDY_NMM;
    assert_int_equal(merge(&rule, boxes, NULL, 3, merged), 2);
    rule.method = BOX_NMM;
    assert_int_equal(merge(&rule, boxes, NULL, 3, merged), 1);
    static const struct box all = {0, 0, 18, 10, 0.9F, 0};
    assert_memory_equal(&merged[0], &all, sizeof all);
}

static void classes_are_kept_apart_unless_told_otherwise(void **state)
{
    (void)state;
    static const struct box boxes[] = {{0, 0, 10, 10, 0.7F, 3}, {0, 0, 10, 10, 0.9F, 1}};
    struct box merged[2];
    struct box_rule rule = plain;
    for (enum box_method method = 0; method < BOX_METHODS; method++) {
        rule.method = method;
        rule.decay = BOX_LINEAR;
        rule.is_class_agnostic = false;
        assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 2);
        assert_true(merged[0].class == 1 && merged[1].class == 3);
        rule.is_class_agnostic = true;
        assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 1);
        assert_true(merged[0].class == 1);
    }
}

/* Linear: the second keeps 0.8 * (1 - 0.6); Gaussian: 0.8 * exp(-0.36 / 0.5). */
static void soft_nms_takes_score_away_by_overlap(void **state)
{
    (void)state;
    static const struct box boxes[] = {{0, 0, 10, 10, 0.9F, 0}, {0, 0, 6, 10, 0.8F, 0}};
    struct box merged[2];
    struct box_rule rule = plain;
    rule.method = BOX_SOFT_NMS;
    rule.decay = BOX_LINEAR;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 2);
    assert_true(fabs((double)merged[1].score - 0.32) < 1e-7);
    rule.threshold = 0.6; /* equal: no match */
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 2);
    assert_true(fabs((double)merged[1].score - 0.8) < 1e-7);
    rule.decay = BOX_GAUSSIAN;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 2);
    assert_true(fabs((double)merged[1].score - 0.8 * 0.48675225595997) < 1e-7);
    rule.min_score = 0.39;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 1);
}

/* (0.75 * 0 + 0.25 * 2) / 1 = 0.5 and so on; the score is (0.75 + 0.25) / 2. */
static void wbf_averages_edges_by_score(void **state)
{
    (void)state;
    static const struct box boxes[] = {{0, 0, 10, 10, 0.75F, 5},
                                       {2, 0, 12, 10, 0.25F, 5}};
    static const struct box wanted = {0.5F, 0, 10.5F, 10, 0.5F, 5};
    struct box merged[2];
    struct box_rule rule = plain;
    rule.method = BOX_WBF;
    assert_int_equal(merge(&rule, boxes, NULL, 2, merged), 1);
    assert_memory_equal(&merged[0], &wanted, sizeof wanted);
}

static void weights_of_models_count_in_fusions(void **state)
{
    (void)state;
    static const struct box boxes[] = {{0, 0, 10, 10, 0.5F, 0}, {2, 0, 12, 10, 0.5F, 0}};
    static const uint32_t models[] = {0, 1};
    static const double weights[] = {3, 1};
    static const struct box wanted = {0.5F, 0, 10.5F, 10, 0.5F, 0};
    struct box merged[2];
    struct box_rule rule = plain;
    rule.method = BOX_WBF;
    rule.weights = weights;
    rule.model_count = 2;
    assert_int_equal(merge(&rule, boxes, models, 2, merged), 1);
    assert_memory_equal(&merged[0], &wanted, sizeof wanted);
    rule.fusion = BOX_FUSE_MAX;
    assert_int_equal(merge(&rule, boxes, models, 2, merged), 1);
    assert_true(fabs((double)merged[0].score - 0.5) < 1e-7);
    assert_int_equal(merge(&rule, boxes + 1, models + 1, 1, merged), 1);
    assert_true(fabs((double)merged[0].score - 0.5 / 3) < 1e-7);
    rule.fusion = BOX_FUSE_ABSENT_MODEL; /* 0.5 * 1 * 1 / (1 + 3) */
    assert_int_equal(merge(&rule, boxes + 1, models + 1, 1, merged), 1);
    assert_true(fabs((double)merged[0].score - 0.125) < 1e-7);
}

/* What no two boxes share but one: a permutation of the input gives the same bytes. */
static void the_order_of_the_input_does_not_matter(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct box boxes[COUNT], shuffled[COUNT], first[COUNT], second[COUNT];
    uint32_t places[COUNT];
    struct random_stream stream;
    random_stream_init(&stream, 3, 4);
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++)
        for (enum box_method method = 0; method < BOX_METHODS; method++) {
            struct box_rule rule = plain;
            rule.method = method;
            if (method == BOX_NMM) /* takes in what it finds in the order of the input */
                continue;
            layout_boxes(layout, 9, 2, COUNT, boxes);
            for (uint32_t i = 0; i < COUNT; i++)
                places[i] = i;
            random_stream_shuffle(&stream, places, COUNT);
            for (size_t i = 0; i < COUNT; i++)
                shuffled[i] = boxes[places[i]];
            size_t count = merge(&rule, boxes, NULL, COUNT, first);
            size_t other = merge(&rule, shuffled, NULL, COUNT, second);
            assert_boxes(second, other, first, count, layout_names[layout]);
        }
}

static void exchanged_edges_and_minus_zero_are_put_right(void **state)
{
    (void)state;
    static const struct box boxes[] = {{10, 10, -0.0F, 0, 0.9F, -0.0F}};
    static const struct box wanted = {0, 0, 10, 10, 0.9F, 0};
    struct box merged[1];
    struct box_rule rule = plain;
    for (rule.method = 0; rule.method < BOX_METHODS; rule.method++) {
        assert_int_equal(merge(&rule, boxes, NULL, 1, merged), 1);
        assert_memory_equal(&merged[0], &wanted, sizeof wanted);
    }
}

static void boxes_without_an_area_match_nothing(void **state)
{
    (void)state;
    static const struct box boxes[] = {
        {5, 5, 5, 5, 0.9F, 0}, {5, 5, 5, 5, 0.8F, 0}, {0, 0, 9, 9, 0.7F, 0}};
    struct box merged[3];
    struct box_rule rule = plain;
    rule.threshold = 0.01;
    for (rule.method = 0; rule.method < BOX_METHODS; rule.method++) {
        bool are_left_out = rule.method == BOX_SOFT_NMS || rule.method == BOX_NMW ||
                            rule.method == BOX_WBF;
        assert_int_equal(merge(&rule, boxes, NULL, 3, merged), are_left_out ? 1 : 3);
    }
}

/* A hundred thousand boxes in the same place take no longer than apart. */
static void equal_boxes_of_equal_scores_are_no_quadratic_case(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct box *boxes = test_calloc(COUNT, sizeof *boxes);
    struct box *merged = test_calloc(COUNT, sizeof *merged);
    struct box_rule rule = plain;
    rule.min_score = 0.001;
    for (size_t i = 0; i < COUNT; i++)
        boxes[i] = (struct box){1, 2, 11, 12, 0.5F, 0};
    for (rule.method = 0; rule.method < BOX_METHODS; rule.method++) {
        rule.decay = BOX_LINEAR;
        assert_int_equal(merge(&rule, boxes, NULL, COUNT, merged), 1);
        rule.decay = BOX_GAUSSIAN;
        size_t count = merge(&rule, boxes, NULL, COUNT, merged);
        assert_true(count == 1 || rule.method == BOX_SOFT_NMS);
    }
    for (size_t i = 0; i < COUNT; i++) /* no area: not one of them matches */
        boxes[i] = (struct box){1, 2, 1, 2, 0.5F, 0};
    rule.method = BOX_NMM;
    assert_int_equal(merge(&rule, boxes, NULL, COUNT, merged), COUNT);
    test_free(boxes);
    test_free(merged);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    static struct box boxes[500], merged[500];
    struct box_rule rule = plain;
    layout_boxes(LAYOUT_OBJECTS, 1, 1, 500, boxes);
    for (rule.method = 0; rule.method < BOX_METHODS; rule.method++)
        for (size_t limit = 1000; limit < 200000; limit *= 2) {
            struct error error = {0};
            size_t count = 77;
            struct arena *arena = arena_create(1 << 10, limit);
            enum error_code code =
                box_merge(&rule, boxes, NULL, 500, arena, merged, &count, &error);
            assert_true(code == OK || (code == ERROR_MEMORY && count == 77));
            arena_destroy(arena);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nms_equals_its_reference),
        cmocka_unit_test(soft_nms_equals_its_reference),
        cmocka_unit_test(nmm_equals_its_reference),
        cmocka_unit_test(greedy_nmm_equals_its_reference),
        cmocka_unit_test(nmw_equals_its_reference),
        cmocka_unit_test(wbf_equals_its_reference),
        cmocka_unit_test(equal_to_the_threshold_is_a_match_unless_strict),
        cmocka_unit_test(a_box_that_fails_against_the_grown_one_vanishes_or_is_kept),
        cmocka_unit_test(nmm_merges_along_a_chain_and_greedy_nmm_does_not),
        cmocka_unit_test(classes_are_kept_apart_unless_told_otherwise),
        cmocka_unit_test(soft_nms_takes_score_away_by_overlap),
        cmocka_unit_test(wbf_averages_edges_by_score),
        cmocka_unit_test(weights_of_models_count_in_fusions),
        cmocka_unit_test(the_order_of_the_input_does_not_matter),
        cmocka_unit_test(exchanged_edges_and_minus_zero_are_put_right),
        cmocka_unit_test(boxes_without_an_area_match_nothing),
        cmocka_unit_test(equal_boxes_of_equal_scores_are_no_quadratic_case),
        cmocka_unit_test(without_memory_it_says_so),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
