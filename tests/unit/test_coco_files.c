/* test_coco_files.c - data sets and results as they are read, and what is wrong with them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/coco_files.h"
#include "core/json_document.h"
#include "tests/text_goldens.h"

/* The two files of a case, and the data read of them. */
struct fixture {
    char truth[64], results[64];
    struct arena *arena;
    struct coco_data data;
    struct error error;
};

static void write_text(char path[64], const char *name, const char *text)
{
    (void)snprintf(path, 64, "%s", name);
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    (void)close(file);
}

static void set_up(struct fixture *fixture)
{
    *fixture = (struct fixture){.arena = arena_create(1 << 16, 0)};
    assert_non_null(fixture->arena);
    coco_data_init(&fixture->data, fixture->arena);
}

static void tear_down(struct fixture *fixture)
{
    coco_data_clear(&fixture->data);
    arena_destroy(fixture->arena);
    if (*fixture->truth)
        (void)unlink(fixture->truth);
    if (*fixture->results)
        (void)unlink(fixture->results);
}

static enum error_code read_truth(struct fixture *fixture, const char *text)
{
    write_text(fixture->truth, "/tmp/coco-truth-XXXXXX", text);
    return coco_read_truth(&fixture->data, fixture->truth, &fixture->error);
}

static enum error_code read_results(struct fixture *fixture, const char *text)
{
    write_text(fixture->results, "/tmp/coco-results-XXXXXX", text);
    return coco_read_results(&fixture->data, fixture->results, &fixture->error);
}

/* A message without the path before it. */
static void assert_message(const struct fixture *fixture, const char *path,
                           const char *want)
{
    size_t size = strlen(path);
    assert_memory_equal(fixture->error.text, path, size);
    assert_string_equal(fixture->error.text + size, want);
}

static const char small[] =
    "{\"annotations\": [\n"
    " {\"id\": 5, \"image_id\": 30, \"category_id\": 7, \"bbox\": [1, 2, 3.5, 4], "
    "\"area\": 9, \"iscrowd\": 1, \"segmentation\": [[1, 2]]},\n"
    " {\"id\": 6, \"image_id\": 4, \"category_id\": 2, \"bbox\": [0, 0, 2, 3]},\n"
    " {\"id\": 7, \"image_id\": 99, \"category_id\": 2, \"bbox\": [0, 0, 2, 3], "
    "\"area\": 1},\n"
    " {\"id\": 8, \"image_id\": 4, \"category_id\": 77, \"bbox\": [0, 0, 2, 3], "
    "\"area\": 1, \"iscrowd\": false}],\n"
    " \"categories\": [{\"id\": 7, \"name\": \"cat\"}, {\"id\": 2, \"name\": \"a,b\"}],\n"
    " \"info\": {\"year\": 2014}, \"images\": [{\"id\": 30}, {\"id\": 4.0}, {\"id\": "
    "30}]}";

static void a_data_set_is_read_in_any_order(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    struct coco_data *data = &fixture.data;
    assert_int_equal(read_truth(&fixture, small), OK);
    assert_int_equal(coco_settle(data, &fixture.error), OK);
    assert_int_equal(data->images.count, 2);
    assert_int_equal(data->categories.count, 2);
    assert_int_equal(data->truth_count, 2);
    const struct coco_truth *first = &data->truths[0], *second = &data->truths[1];
    assert_int_equal(first->image, 1); /* ranks by id: 4, 30 and 2, 7 */
    assert_int_equal(first->category, 1);
    assert_true(first->is_crowd);
    assert_true(fabs(first->area - 9) < 1e-9);
    assert_true(fabs(first->box.width - 3.5) < 1e-9);
    assert_int_equal(second->image, 0);
    assert_int_equal(second->category, 0);
    assert_false(second->is_crowd);
    assert_true(fabs(second->area - 6) < 1e-9); /* the box's */
    assert_int_equal(data->notes.truths_without_area, 1);
    assert_int_equal(data->notes.truths_without_image, 1);
    assert_int_equal(data->notes.truths_without_category, 1);
    uint32_t number = data->categories.by_rank[1];
    assert_string_equal(data->categories.items[number].name, "cat");
    tear_down(&fixture);
}

static void results_in_unknown_categories_are_counted(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    struct coco_data *data = &fixture.data;
    assert_int_equal(read_truth(&fixture, small), OK);
    assert_int_equal(coco_settle(data, &fixture.error), OK);
    assert_int_equal(
        read_results(&fixture,
                     "[{\"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], "
                     "\"score\": 0.25, \"more\": {}},"
                     "{\"image_id\": 4, \"category_id\": 77, \"bbox\": [1, 2, 3, 4], "
                     "\"score\": 1},"
                     "{\"image_id\": 4.0, \"category_id\": 78, \"bbox\": [1, 2, 3, 4], "
                     "\"score\": 1e-3}]"),
        OK);
    assert_int_equal(data->detection_count, 1);
    assert_int_equal(data->detections[0].image, 1);
    assert_int_equal(data->detections[0].category, 0);
    assert_true(fabs(data->detections[0].score - 0.25) < 1e-9);
    assert_int_equal(data->notes.results_without_category, 2);
    tear_down(&fixture);
}

static void what_is_chosen_takes_part_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    struct coco_data *data = &fixture.data;
    assert_int_equal(read_truth(&fixture, small), OK);
    assert_true(coco_choose(&data->categories, "cat", 3));
    assert_true(coco_choose(&data->images, "30", 2));
    assert_false(coco_choose(&data->categories, "dog", 3));
    assert_false(coco_choose(&data->images, "99", 2)); /* referred to, not listed */
    assert_int_equal(coco_settle(data, &fixture.error), OK);
    assert_int_equal(data->images.count, 1);
    assert_int_equal(data->categories.count, 1);
    assert_int_equal(data->truth_count, 1);
    assert_int_equal(
        read_results(&fixture,
                     "[{\"image_id\": 30, \"category_id\": 7, \"bbox\": [1, 2, 3, 4], "
                     "\"score\": 1}, {\"image_id\": 4, \"category_id\": 7, \"bbox\": [1, "
                     "2, 3, 4], \"score\": 1}]"),
        OK);
    assert_int_equal(data->detection_count, 1);
    assert_int_equal(data->notes.results_not_chosen, 1);
    tear_down(&fixture);
}

static void a_category_is_chosen_by_name_or_id(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    struct coco_data *data = &fixture.data;
    assert_int_equal(read_truth(&fixture, small), OK);
    assert_true(coco_choose(&data->categories, "a,b", 3));
    assert_true(coco_choose(&data->categories, "7", 1));
    assert_int_equal(coco_settle(data, &fixture.error), OK);
    assert_int_equal(data->categories.count, 2);
    tear_down(&fixture);
}

static void images_may_have_names_for_ids(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    struct coco_data *data = &fixture.data;
    assert_int_equal(read_truth(&fixture,
                                "{\"images\": [{\"id\": \"b\"}, {\"id\": \"a\\u00e9\"}, "
                                "{\"id\": \"12\"}, {\"id\": 12}], \"annotations\": [], "
                                "\"categories\": [{\"id\": 0}]}"),
                     OK);
    assert_int_equal(coco_settle(data, &fixture.error), OK);
    assert_int_equal(
        read_results(
            &fixture,
            "[{\"image_id\": \"b\", \"category_id\": 0, \"bbox\": [1, 2, 3, 4], "
            "\"score\": 1}, {\"image_id\": \"a\xC3\xA9\", \"category_id\": 0, \"bbox\": "
            "[1, 2, 3, 4], \"score\": 1}, {\"image_id\": \"12\", \"category_id\": 0, "
            "\"bbox\": [1, 2, 3, 4], \"score\": 1}]"),
        OK);
    assert_int_equal(data->detections[0].image, 3);
    assert_int_equal(data->detections[1].image, 2);
    assert_int_equal(data->detections[2].image, 1); /* numbers are before texts */
    tear_down(&fixture);
}

static void mistakes_in_a_data_set_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", ":1:1: this is no data set, an object with images, annotations and "
               "categories; is it the file of results?"},
        {"{\"images\": [], \"categories\": []}",
         ": there is no \"annotations\"; a data set has images, annotations and "
         "categories"},
        {"{\"images\": {}}", ":1:12: images: this is not an array"},
        {"{\"images\": [], \"images\": []}", ":1:26: images: there is one already"},
        {"{\"images\": [{\"id\": 1}, 2]}", ":1:24: images[1]: it is not an object"},
        {"{\"images\": [{}]}", ":1:13: images[0]: \"id\" is missing"},
        {"{\"images\": [{\"id\": 1.5}]}",
         ":1:13: images[0]: \"id\" is neither a whole number of 64 bits nor a text"},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"category_id\": 1}]}",
         ":1:18: annotations[0]: \"bbox\" is missing; only boxes are evaluated"},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": "
         "[1, "
         "2, 3]}]}",
         ":1:18: annotations[0]: \"bbox\" is not four finite numbers [x, y, width, "
         "height]"},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": "
         "[[1, 2, 3, 4]]}]}",
         ":1:18: annotations[0]: \"bbox\" is not four finite numbers [x, y, width, "
         "height]"},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": "
         "[1, "
         "2, 3, 4], \"area\": \"9\"}]}",
         ":1:18: annotations[0]: \"area\" is not a finite number"},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": "
         "[1, "
         "2, 3, 4], \"iscrowd\": \"no\"}]}",
         ":1:18: annotations[0]: \"iscrowd\" is not 0 or 1"},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": "
         "[1, "
         "2, 3, 4]},\n\n {\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, "
         "2, "
         "3, 4]}]}",
         ":3:2: annotations[1]: annotation id 1 is there already; give each annotation "
         "an "
         "id of its own"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        set_up(&fixture);
        assert_int_equal(read_truth(&fixture, cases[i].text), ERROR_DAMAGED);
        assert_message(&fixture, fixture.truth, cases[i].message);
        tear_down(&fixture);
    }
}

static void mistakes_in_results_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}",
         ":1:1: results are an array of objects with image_id, category_id, bbox and "
         "score; is this the data set?"},
        {"[{\"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 4]}]",
         ":1:2: [0]: \"score\" is missing"},
        {"[{\"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"score\": "
         "NaN}]",
         ":1:2: [0]: a value is malformed; JSON has neither NaN nor Infinity"},
        {"[{\"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"score\": "
         "1e999}]",
         ":1:2: [0]: \"score\" is not a finite number"},
        {"[{\"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 1e999], \"score\": "
         "1}]",
         ":1:2: [0]: \"bbox\" is not four finite numbers [x, y, width, height]"},
        {"[{\"image_id\": 30, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"score\": "
         "null}]",
         ":1:2: [0]: \"score\" is not a finite number"},
        {"[{\"image_id\": null, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"score\": "
         "1}]",
         ":1:2: [0]: \"image_id\" is neither a whole number of 64 bits nor a text"},
        {"[{\"image_id\": 30, \"category_id\": 2, \"segmentation\": {}, \"score\": 1}]",
         ":1:2: [0]: \"bbox\" is missing; only boxes are evaluated"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        set_up(&fixture);
        assert_int_equal(read_truth(&fixture, small), OK);
        assert_int_equal(coco_settle(&fixture.data, &fixture.error), OK);
        assert_int_equal(read_results(&fixture, cases[i].text), ERROR_DAMAGED);
        assert_message(&fixture, fixture.results, cases[i].message);
        tear_down(&fixture);
    }
}

static void a_result_of_an_unknown_image_is_refused(void **state)
{
    (void)state;
    static const char *const ids[] = {"99", "\"30\"", "31"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct fixture fixture;
        char text[200], want[300];
        set_up(&fixture);
        assert_int_equal(read_truth(&fixture, small), OK);
        assert_int_equal(coco_settle(&fixture.data, &fixture.error), OK);
        (void)snprintf(text, sizeof text,
                       "[{\"image_id\": %s, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], "
                       "\"score\": 1}]",
                       ids[i]);
        assert_int_equal(read_results(&fixture, text), ERROR_DAMAGED);
        (void)snprintf(want, sizeof want,
                       ":1:2: [0]: image_id %s is not among the images of \"%s\"; leave "
                       "its results out, or take the data set that they were made for",
                       ids[i], fixture.truth);
        assert_message(&fixture, fixture.results, want);
        tear_down(&fixture);
    }
}

static void ids_are_told_apart_and_kept(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct coco_ids ids = {.arena = arena};
    struct error error;
    uint32_t number;
    bool is_new;
    for (int64_t i = 0; i < 20000; i++) {
        char text[20];
        struct coco_id id = {.number = i * 7 - 5000};
        if (i % 2) {
            (void)snprintf(text, sizeof text, "%d", (int)i);
            id = (struct coco_id){.text = text, .size = strlen(text)};
        }
        assert_int_equal(coco_ids_find(&ids, &id), UINT32_MAX);
        assert_int_equal(coco_ids_add(&ids, &id, &number, &is_new, &error), OK);
        assert_true(is_new && number == (uint32_t)i);
        assert_int_equal(coco_ids_add(&ids, &id, &number, &is_new, &error), OK);
        assert_true(!is_new && number == (uint32_t)i);
        assert_int_equal(coco_ids_find(&ids, &id), i);
    }
    coco_ids_clear(&ids);
    arena_destroy(arena);
}

static void an_id_is_a_whole_number_of_64_bits_or_a_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_id;
        int64_t number;
    } cases[] = {{"0", true, 0},
                 {"-7", true, -7},
                 {"42.0", true, 42},
                 {"1e3", true, 1000},
                 {"9223372036854775807", true, INT64_MAX},
                 {"-9223372036854775807", true, -INT64_MAX},
                 {"9223372036854775808", false, 0},
                 {"99999999999999999999", false, 0},
                 {"0.5", false, 0},
                 {"1e300", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct coco_id id;
        struct json_value value = {.type = JSON_NUMBER,
                                   .data = (const unsigned char *)cases[i].text,
                                   .size = strlen(cases[i].text)};
        assert_int_equal(coco_id_read(&value, &id), cases[i].is_id);
        if (cases[i].is_id)
            assert_true(!id.text && id.number == cases[i].number);
    }
    assert_true(coco_id_parse("12", 2).text == NULL);
    assert_true(coco_id_parse("012", 3).text != NULL); /* the name of a file */
}

static void what_pycocotools_computed_of_the_fixture_is_computed(void **state)
{
    (void)state;
    char goldens[512], truth[512], results[512];
    const char *detail;
    struct bytes text = load_file(shared_path(goldens, "detect_goldens/coco_eval.json"));
    (void)shared_path(truth, "detect_goldens/cocoapi_fixture/instances_val2014_100.json");
    (void)shared_path(
        results,
        "detect_goldens/cocoapi_fixture/instances_val2014_fakebbox100_results.json");
    if (text.size == 0) {
        print_message("skipped: %s is not there\n", goldens);
        skip();
    }
    struct json_document *document = json_document_create(text.data, text.size, &detail);
    assert_non_null(document);
    struct fixture fixture;
    set_up(&fixture);
    struct coco_data *data = &fixture.data;
    struct coco_scores scores;
    assert_int_equal(coco_read_truth(data, truth, &fixture.error), OK);
    assert_int_equal(coco_settle(data, &fixture.error), OK);
    assert_int_equal(coco_read_results(data, results, &fixture.error), OK);
    assert_int_equal(data->images.count, 100);
    assert_int_equal(data->truth_count, 839);
    assert_int_equal(data->detection_count, 734);
    struct coco_problem problem = {.truths = data->truths,
                                   .detections = data->detections,
                                   .truth_count = data->truth_count,
                                   .detection_count = data->detection_count,
                                   .image_count = data->images.count,
                                   .category_count = data->categories.count};
    assert_int_equal(coco_evaluate(&problem, fixture.arena, &scores, &fixture.error), OK);
    struct json_node golden, number;
    struct json_members members =
        json_node_members(json_node_field(json_document_root(document), "cases"));
    assert_true(json_members_next(&members, NULL, NULL, &golden));
    members = json_node_members(json_node_field(golden, "stats"));
    for (size_t i = 0; i < COCO_STATS; i++) {
        double want = 0;
        assert_true(json_members_next(&members, NULL, NULL, &number));
        assert_true(json_node_number(number, &want));
        assert_true(fabs(scores.stats[i] - want) < 1e-12);
    }
    tear_down(&fixture);
    json_document_destroy(document);
    bytes_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_set_is_read_in_any_order),
        cmocka_unit_test(results_in_unknown_categories_are_counted),
        cmocka_unit_test(what_is_chosen_takes_part_alone),
        cmocka_unit_test(a_category_is_chosen_by_name_or_id),
        cmocka_unit_test(images_may_have_names_for_ids),
        cmocka_unit_test(mistakes_in_a_data_set_are_told_with_their_place),
        cmocka_unit_test(mistakes_in_results_are_told_with_their_place),
        cmocka_unit_test(a_result_of_an_unknown_image_is_refused),
        cmocka_unit_test(ids_are_told_apart_and_kept),
        cmocka_unit_test(an_id_is_a_whole_number_of_64_bits_or_a_text),
        cmocka_unit_test(what_pycocotools_computed_of_the_fixture_is_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
