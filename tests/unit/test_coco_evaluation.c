/* test_coco_evaluation.c - COCO's twelve numbers: small cases by hand, chance, goldens */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/json_document.h"
#include "tests/coco_reference.h"
#include "tests/text_goldens.h"

enum { AP, AP50, AP75, APS, APM, APL, AR1, AR10, AR100, ARS, ARM, ARL };
static const double close_enough = 1e-12;

/* One category and so many images unless a case says otherwise. */
static struct coco_scores evaluate(struct coco_problem problem, struct arena *arena)
{
    struct coco_scores scores = {0};
    struct error error = {0};
    problem.image_count = problem.image_count ? problem.image_count : 1;
    problem.category_count = problem.category_count ? problem.category_count : 1;
    assert_int_equal(coco_evaluate(&problem, arena, &scores, &error), OK);
    return scores;
}

static void assert_stat(const struct coco_scores *scores, size_t which, double want)
{
    if (!(fabs(scores->stats[which] - want) < close_enough))
        fail_msg("%s is %.17g, not %.17g", coco_stat_names[which].name,
                 scores->stats[which], want);
}

static struct coco_truth truth_of(double x, double y, double width, double height)
{
    return (struct coco_truth){.box = {x, y, width, height}, .area = width * height};
}

static struct coco_detection found(double x, double y, double width, double height,
                                   double score)
{
    return (struct coco_detection){.box = {x, y, width, height}, .score = score};
}

#define PROBLEM(truth_list, detection_list)                                  \
    (struct coco_problem)                                                    \
    {                                                                        \
        .truths = (truth_list), .detections = (detection_list),              \
        .truth_count = sizeof(truth_list) / sizeof *(truth_list),            \
        .detection_count = sizeof(detection_list) / sizeof *(detection_list) \
    }

static struct arena *create_arena(void)
{
    struct arena *arena = arena_create(1 << 16, 0);
    assert_non_null(arena);
    return arena;
}

static void one_truth_found_exactly_is_all_ones(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(10, 10, 40, 40)}; /* medium */
    const struct coco_detection detections[] = {found(10, 10, 40, 40, 0.3)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    static const double want[COCO_STATS] = {1, 1, 1, -1, 1, -1, 1, 1, 1, -1, 1, -1};
    for (size_t i = 0; i < COCO_STATS; i++)
        assert_stat(&scores, i, want[i]);
    assert_int_equal(scores.categories[0].truths, 1);
    assert_int_equal(scores.categories[0].detections, 1);
    arena_destroy(arena);
}

static void without_truth_all_is_minus_one(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_detection detections[] = {found(10, 10, 40, 40, 0.3)};
    struct coco_scores scores = evaluate(
        (struct coco_problem){.detections = detections, .detection_count = 1}, arena);
    for (size_t i = 0; i < COCO_STATS; i++)
        assert_stat(&scores, i, -1);
    arena_destroy(arena);
}

static void a_truth_that_nothing_finds_is_zero(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(10, 10, 40, 40)};
    struct coco_scores scores =
        evaluate((struct coco_problem){.truths = truths, .truth_count = 1}, arena);
    assert_stat(&scores, AP, 0);
    assert_stat(&scores, AR100, 0);
    assert_stat(&scores, APM, 0);
    assert_stat(&scores, APL, -1);
    arena_destroy(arena);
}

/* The better one is wrong: precision is 1/2 at every recall. */
static void a_wrong_one_above_halves_precision(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(10, 10, 40, 40)};
    const struct coco_detection detections[] = {found(10, 10, 40, 40, 0.3),
                                                found(60, 60, 40, 40, 0.4)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AP, 0.5);
    assert_stat(&scores, AR1, 0); /* the best one of the image alone */
    assert_stat(&scores, AR10, 1);
    arena_destroy(arena);
}

/* A second hit of one truth is wrong, but stands below: precision at recall 1 is 1. */
static void a_second_hit_below_costs_nothing(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(10, 10, 40, 40)};
    const struct coco_detection detections[] = {found(10, 10, 40, 40, 0.3),
                                                found(10, 10, 40, 40, 0.2)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AP, 1);
    arena_destroy(arena);
}

/* One of two found: precision 1 at the 51 points up to recall .5, 0 at the other 50. */
static void half_found_reaches_half_of_the_curve(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(10, 10, 40, 40),
                                        truth_of(100, 10, 40, 40)};
    const struct coco_detection detections[] = {found(10, 10, 40, 40, 0.3)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AP, 51.0 / 101);
    assert_stat(&scores, AR100, 0.5);
    arena_destroy(arena);
}

/* 60 of 100 pixels: found at .5, .55 and .6, where equality counts. */
static void an_overlap_counts_up_to_its_threshold(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(0, 0, 10, 10)};
    const struct coco_detection detections[] = {found(0, 0, 10, 6, 0.3)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AP50, 1);
    assert_stat(&scores, AP75, 0);
    assert_stat(&scores, AR100, 0.3);
    arena_destroy(arena);
}

/* In a crowd the overlap is the part of the detection that lies in it; what it takes is
 * neither right nor wrong, and it takes any number. */
static void a_crowd_takes_any_number_and_counts_for_nothing(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct coco_truth truths[] = {truth_of(0, 0, 200, 200), truth_of(300, 0, 40, 40)};
    truths[0].is_crowd = true;
    const struct coco_detection detections[] = {found(10, 10, 20, 20, 0.9),
                                                found(50, 50, 20, 20, 0.8),
                                                found(300, 0, 40, 40, 0.7)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AP, 1);
    assert_stat(&scores, AR100, 1);
    assert_int_equal(scores.categories[0].truths, 1);
    arena_destroy(arena);
}

/* A crowd in the way: the truth is preferred though the crowd overlaps more. */
static void a_truth_is_preferred_to_a_crowd(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct coco_truth truths[] = {truth_of(0, 0, 200, 200), truth_of(0, 0, 40, 30)};
    truths[0].is_crowd = true;
    const struct coco_detection detections[] = {found(0, 0, 40, 40, 0.9)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AP50, 1); /* 3/4 of the truth, all of it in the crowd */
    assert_stat(&scores, AP75, 1);
    assert_stat(&scores, AR100, 0.6);
    arena_destroy(arena);
}

/* Two truths overlap the first detection alike: it takes the later one, which leaves the
 * second detection, that only the later one would suit, with nothing. */
static void of_equal_overlaps_the_last_is_taken(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(0, 0, 10, 10), truth_of(0, 0, 10, 10)};
    struct coco_truth moved[] = {truths[0], truths[1]};
    const struct coco_detection detections[] = {found(0, 0, 10, 10, 0.9),
                                                found(0, 0, 10, 10, 0.8)};
    struct coco_scores scores;
    moved[1].has_zero_id = true; /* shows which one was taken first */
    scores = evaluate(PROBLEM(moved, detections), arena);
    /* wrong, then right: precision 1/2 up to recall 1/2 */
    assert_stat(&scores, AP, 0.5 * 51 / 101);
    moved[1].has_zero_id = false;
    moved[0].has_zero_id = true; /* right, then wrong */
    scores = evaluate(PROBLEM(moved, detections), arena);
    assert_stat(&scores, AP, 51.0 / 101);
    arena_destroy(arena);
}

static void an_area_on_the_border_counts_on_both_sides(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(0, 0, 32, 32), truth_of(200, 0, 96, 96)};
    const struct coco_detection detections[] = {found(0, 0, 32, 32, 0.9)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, ARS, 1);
    assert_stat(&scores, ARM, 0.5);
    assert_stat(&scores, ARL, 0);
    arena_destroy(arena);
}

/* The annotation's area decides, not the box: the box is medium, what it bounds small. */
static void the_area_of_the_annotation_decides(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct coco_truth truths[] = {truth_of(0, 0, 40, 40)};
    const struct coco_detection detections[] = {found(0, 0, 40, 40, 0.9)};
    truths[0].area = 900;
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, APS, 1);
    assert_stat(&scores, APM, -1);
    arena_destroy(arena);
}

/* A large detection that finds nothing is not wrong among the small ones. */
static void what_is_outside_of_an_area_is_not_wrong_there(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(0, 0, 10, 10)};
    const struct coco_detection detections[] = {found(200, 0, 99, 99, 0.9),
                                                found(0, 0, 10, 10, 0.8)};
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AP, 0.5);
    assert_stat(&scores, APS, 1);
    arena_destroy(arena);
}

static void only_the_best_hundred_of_an_image_count(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    const struct coco_truth truths[] = {truth_of(0, 0, 10, 10)};
    struct coco_detection detections[101];
    for (size_t i = 0; i < 101; i++)
        detections[i] = found(100, 100, 10, 10, 0.5);
    detections[100] = found(0, 0, 10, 10, 0.5); /* of equal scores the first stay first */
    struct coco_scores scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AR100, 0);
    assert_int_equal(scores.categories[0].detections, 101);
    detections[99] = detections[100];
    scores = evaluate(PROBLEM(truths, detections), arena);
    assert_stat(&scores, AR100, 1);
    assert_stat(&scores, AR10, 0);
    assert_stat(&scores, AP, 0.01);
    arena_destroy(arena);
}

/* Equal scores in two images: those of the first image come first. */
static void equal_scores_stand_in_the_order_of_images(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct coco_truth truths[] = {truth_of(0, 0, 10, 10)};
    struct coco_detection detections[] = {found(0, 0, 10, 10, 0.5),
                                          found(0, 0, 10, 10, 0.5)};
    struct coco_problem problem = PROBLEM(truths, detections);
    struct coco_scores scores;
    problem.image_count = 2;
    detections[0].image = truths[0].image = 1; /* first in the file, second in order */
    scores = evaluate(problem, arena);
    assert_stat(&scores, AP, 0.5);
    truths[0].image = 0;
    scores = evaluate(problem, arena);
    assert_stat(&scores, AP, 1);
    arena_destroy(arena);
}

static void categories_are_apart_unless_told_otherwise(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct coco_truth truths[] = {truth_of(0, 0, 10, 10), truth_of(50, 0, 10, 10)};
    struct coco_detection detections[] = {found(0, 0, 10, 10, 0.5),
                                          found(50, 0, 10, 10, 0.4)};
    struct coco_problem problem = PROBLEM(truths, detections);
    struct coco_scores scores;
    problem.category_count = 3;
    truths[0].category = detections[0].category = 0;
    truths[1].category = 2;
    detections[1].category = 1;
    scores = evaluate(problem, arena);
    assert_int_equal(scores.category_count, 3);
    assert_stat(&scores, AP, 0.5); /* 1 and 0; the category without truth has no say */
    assert_true(scores.categories[1].stats[AP] < -0.9);
    problem.is_class_agnostic = true;
    scores = evaluate(problem, arena);
    assert_int_equal(scores.category_count, 1);
    assert_stat(&scores, AP, 1);
    arena_destroy(arena);
}

/* ---- against the reference ---- */

static uint32_t roll(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % below;
}

static struct coco_box any_box(uint64_t *state)
{
    static const double sides[] = {8, 32, 32, 50, 96, 96, 120, 7.5};
    return (struct coco_box){roll(state, 40), roll(state, 40), sides[roll(state, 8)],
                             sides[roll(state, 8)]};
}

enum { TRUTHS_MAX = 60, DETECTIONS_MAX = 400 };

static void assert_as_reference(const struct coco_problem *problem, unsigned round)
{
    struct arena *arena = create_arena();
    double categories[4][COCO_STATS], stats[COCO_STATS];
    struct coco_scores scores;
    struct error error;
    assert_int_equal(coco_evaluate(problem, arena, &scores, &error), OK);
    reference_evaluate(problem, categories, stats);
    for (size_t i = 0; i < COCO_STATS; i++) {
        if (!(fabs(scores.stats[i] - stats[i]) < close_enough))
            fail_msg("round %u, %s: %.17g, not %.17g", round, coco_stat_names[i].name,
                     scores.stats[i], stats[i]);
        for (uint32_t k = 0; k < scores.category_count; k++)
            if (!(fabs(scores.categories[k].stats[i] - categories[k][i]) < close_enough))
                fail_msg("round %u, category %u, %s: %.17g, not %.17g", round, k,
                         coco_stat_names[i].name, scores.categories[k].stats[i],
                         categories[k][i]);
    }
    arena_destroy(arena);
}

static void chance_gives_what_the_plain_reference_gives(void **state)
{
    (void)state;
    struct coco_truth truths[TRUTHS_MAX];
    struct coco_detection detections[DETECTIONS_MAX];
    for (unsigned round = 0; round < 300; round++) {
        uint64_t chance = round;
        struct coco_problem problem = {.truths = truths,
                                       .detections = detections,
                                       .truth_count = roll(&chance, TRUTHS_MAX),
                                       .detection_count = roll(&chance, DETECTIONS_MAX),
                                       .image_count = 1 + roll(&chance, 6),
                                       .category_count = 1 + roll(&chance, 3),
                                       .is_class_agnostic = roll(&chance, 4) == 0};
        if (round % 3 == 0) /* some hundred in one image */
            problem.image_count = 1;
        for (size_t i = 0; i < problem.truth_count; i++) {
            truths[i] =
                (struct coco_truth){.box = any_box(&chance),
                                    .image = roll(&chance, problem.image_count),
                                    .category = roll(&chance, problem.category_count),
                                    .is_crowd = roll(&chance, 8) == 0,
                                    .has_zero_id = i == 0 && roll(&chance, 3) == 0};
            truths[i].area = roll(&chance, 2) ? truths[i].box.width * truths[i].box.height
                                              : 512.0 * roll(&chance, 20);
        }
        for (size_t i = 0; i < problem.detection_count; i++) {
            uint32_t of = roll(&chance, TRUTHS_MAX);
            detections[i] = (struct coco_detection){
                .box = any_box(&chance),
                .score = roll(&chance, 12) / 12.0,
                .image = roll(&chance, problem.image_count),
                .category = roll(&chance, problem.category_count)};
            if (of < problem.truth_count && roll(&chance, 2)) {
                detections[i].box = truths[of].box;
                detections[i].box.x += roll(&chance, 3);
                detections[i].image = truths[of].image;
                detections[i].category = truths[of].category;
            }
            if (roll(&chance, 40) == 0)
                detections[i].box.width = -detections[i].box.width;
        }
        assert_as_reference(&problem, round);
    }
}

/* Areas past the largest double, and below the smallest: overlaps are NaN, and pycocotools
 * takes each truth from then on. */
static void overlaps_that_are_no_number_go_on_as_in_the_reference(void **state)
{
    (void)state;
    static const double sides[] = {1e200, 1e-200, 10};
    for (unsigned round = 0; round < 200; round++) {
        uint64_t chance = round;
        struct coco_truth truths[6];
        struct coco_detection detections[6];
        for (size_t i = 0; i < 6; i++) {
            truths[i] = truth_of(0, 0, sides[roll(&chance, 3)], sides[roll(&chance, 3)]);
            truths[i].area = 100 + 1000.0 * roll(&chance, 4);
            detections[i] = found(0, 0, sides[roll(&chance, 3)], sides[roll(&chance, 3)],
                                  roll(&chance, 6) / 6.0);
        }
        struct coco_problem problem = PROBLEM(truths, detections);
        problem.image_count = problem.category_count = 1;
        assert_as_reference(&problem, round);
    }
}

/* ---- goldens ---- */

static double number_of(struct json_node node)
{
    double value = 0;
    assert_true(json_node_number(node, &value));
    return value;
}

/* Place of an id among those of a list of objects, which stand in order. */
static uint32_t place_of(struct json_node list, struct json_node id)
{
    struct json_members members = json_node_members(list);
    struct json_node item;
    int64_t wanted = 0, value = 0, before = -1;
    uint32_t place = 0, found_at = UINT32_MAX;
    assert_true(json_node_integer(id, &wanted));
    for (; json_members_next(&members, NULL, NULL, &item); place++) {
        assert_true(json_node_integer(json_node_field(item, "id"), &value));
        assert_true(value > before);
        before = value;
        found_at = value == wanted ? place : found_at;
    }
    assert_int_not_equal(found_at, UINT32_MAX);
    return found_at;
}

static struct coco_box box_of(struct json_node node)
{
    double numbers[4] = {0};
    struct json_members members = json_node_members(node);
    struct json_node number;
    for (size_t i = 0; i < 4; i++) {
        assert_true(json_members_next(&members, NULL, NULL, &number));
        numbers[i] = number_of(number);
    }
    return (struct coco_box){numbers[0], numbers[1], numbers[2], numbers[3]};
}

static struct coco_problem read_golden(struct json_node golden, struct arena *arena)
{
    struct json_node gt = json_node_field(golden, "gt"), item;
    struct json_node truth_list = json_node_field(gt, "annotations");
    struct json_node detection_list = json_node_field(golden, "dt");
    struct json_node images = json_node_field(gt, "images");
    struct json_node categories = json_node_field(gt, "categories");
    size_t truths = json_node_count(truth_list), i = 0;
    size_t detections = json_node_count(detection_list);
    struct coco_truth *truth = ARENA_NEW(arena, struct coco_truth, truths);
    struct coco_detection *detection =
        ARENA_NEW(arena, struct coco_detection, detections);
    assert_true(truth && detection);
    struct json_members members = json_node_members(truth_list);
    for (; json_members_next(&members, NULL, NULL, &item); i++)
        truth[i] = (struct coco_truth){
            .box = box_of(json_node_field(item, "bbox")),
            .area = number_of(json_node_field(item, "area")),
            .image = place_of(images, json_node_field(item, "image_id")),
            .category = place_of(categories, json_node_field(item, "category_id")),
            .is_crowd = number_of(json_node_field(item, "iscrowd")) > 0};
    members = json_node_members(detection_list);
    for (i = 0; json_members_next(&members, NULL, NULL, &item); i++)
        detection[i] = (struct coco_detection){
            .box = box_of(json_node_field(item, "bbox")),
            .score = number_of(json_node_field(item, "score")),
            .image = place_of(images, json_node_field(item, "image_id")),
            .category = place_of(categories, json_node_field(item, "category_id"))};
    return (struct coco_problem){.truths = truth,
                                 .detections = detection,
                                 .truth_count = truths,
                                 .detection_count = detections,
                                 .image_count = (uint32_t)json_node_count(images),
                                 .category_count = (uint32_t)json_node_count(categories)};
}

static void assert_golden(struct coco_problem problem, struct json_node stats,
                          struct arena *arena)
{
    struct coco_scores scores = evaluate(problem, arena);
    struct json_members members = json_node_members(stats);
    struct json_node number;
    for (size_t i = 0; i < COCO_STATS; i++) {
        assert_true(json_members_next(&members, NULL, NULL, &number));
        assert_stat(&scores, i, number_of(number));
    }
}

static void what_pycocotools_computed_is_computed(void **state)
{
    (void)state;
    char path[512];
    const char *detail;
    struct bytes text = load_file(shared_path(path, "detect_goldens/coco_eval.json"));
    if (text.size == 0) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    struct json_document *document = json_document_create(text.data, text.size, &detail);
    struct arena *arena = create_arena();
    struct json_node golden;
    size_t count = 0;
    assert_non_null(document);
    struct json_members members =
        json_node_members(json_node_field(json_document_root(document), "cases"));
    while (json_members_next(&members, NULL, NULL, &golden)) {
        if (json_node_type(json_node_field(golden, "gt")) == JSON_ABSENT)
            continue; /* in files of its own: tests/unit/test_coco_files.c */
        struct coco_problem problem = read_golden(golden, arena);
        assert_golden(problem, json_node_field(golden, "stats"), arena);
        problem.is_class_agnostic = true;
        assert_golden(problem, json_node_field(golden, "stats_noncat"), arena);
        count++;
    }
    assert_int_equal(count, 3);
    arena_destroy(arena);
    json_document_destroy(document);
    bytes_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_truth_found_exactly_is_all_ones),
        cmocka_unit_test(without_truth_all_is_minus_one),
        cmocka_unit_test(a_truth_that_nothing_finds_is_zero),
        cmocka_unit_test(a_wrong_one_above_halves_precision),
        cmocka_unit_test(a_second_hit_below_costs_nothing),
        cmocka_unit_test(half_found_reaches_half_of_the_curve),
        cmocka_unit_test(an_overlap_counts_up_to_its_threshold),
        cmocka_unit_test(a_crowd_takes_any_number_and_counts_for_nothing),
        cmocka_unit_test(a_truth_is_preferred_to_a_crowd),
        cmocka_unit_test(of_equal_overlaps_the_last_is_taken),
        cmocka_unit_test(an_area_on_the_border_counts_on_both_sides),
        cmocka_unit_test(the_area_of_the_annotation_decides),
        cmocka_unit_test(what_is_outside_of_an_area_is_not_wrong_there),
        cmocka_unit_test(only_the_best_hundred_of_an_image_count),
        cmocka_unit_test(equal_scores_stand_in_the_order_of_images),
        cmocka_unit_test(categories_are_apart_unless_told_otherwise),
        cmocka_unit_test(chance_gives_what_the_plain_reference_gives),
        cmocka_unit_test(overlaps_that_are_no_number_go_on_as_in_the_reference),
        cmocka_unit_test(what_pycocotools_computed_is_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
