/* test_head.c - which head a model has, its options, and outputs that are refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stages/kernels/model_family.h"
#include "tests/head_fixture.h"

struct declared {
    const char *head;
    uint32_t width, height;
    size_t count;
    struct {
        const char *name;
        int64_t dims[5]; /* ended by 0 */
    } outputs[15];
};

static const char *recognised(const struct declared *model)
{
    struct head_tensor outputs[15];
    for (size_t i = 0; i < model->count; i++) {
        outputs[i] = (struct head_tensor){.name = model->outputs[i].name};
        while (outputs[i].rank < 5 && model->outputs[i].dims[outputs[i].rank]) {
            outputs[i].dims[outputs[i].rank] = model->outputs[i].dims[outputs[i].rank];
            outputs[i].rank++;
        }
    }
    struct head_input input = {.outputs = outputs,
                               .output_count = model->count,
                               .width = model->width,
                               .height = model->height};
    const struct head *head = head_recognise(&input);
    return head ? head->name : "";
}

/* As models declare them; -1 is a dimension that they leave open. */
static const struct declared MODELS[] = {
    {"yolov8", 640, 640, 1, {{"output0", {1, 84, 8400}}}},
    {"yolov8", 640, 384, 1, {{"output0", {-1, 5, 5040}}}},
    {"yolov8",
     640,
     640,
     3,
     {{"a", {1, 144, 80, 80}}, {"b", {1, 144, 40, 40}}, {"c", {1, 144, 20, 20}}}},
    {"yolov5", 640, 640, 1, {{"output", {1, 25200, 85}}}},
    {"yolov5",
     640,
     640,
     3,
     {{"a", {1, 3, 80, 80, 85}}, {"b", {1, 3, 40, 40, 85}}, {"c", {1, 3, 20, 20, 85}}}},
    {"end_to_end", 640, 640, 1, {{"output0", {1, 300, 6}}}},
    {"nanodet_plus", 320, 320, 1, {{"output", {1, 2125, 112}}}},
    {"nanodet_plus", 416, 416, 1, {{"output", {1, 3598, 112}}}},
    {"nanodet",
     416,
     416,
     6,
     {{"cls32", {-1, 169, 80}},
      {"reg32", {-1, 169, 44}},
      {"cls16", {-1, 676, 80}},
      {"cls8", {-1, 2704, 80}},
      {"reg16", {-1, 676, 44}},
      {"reg8", {-1, 2704, 44}}}},
    {"centernet",
     512,
     512,
     2,
     {{"heatmap", {-1, 128, 128, 80}}, {"ltrb", {-1, 128, 128, 4}}}},
    {"centernet",
     512,
     512,
     3,
     {{"hm", {1, 80, 128, 128}}, {"wh", {1, 2, 128, 128}}, {"reg", {1, 2, 128, 128}}}},
    {"tinyface", 0, 0, 1, {{"yolo", {-1, 25, -1, -1}}}},
    {"yolov2", 416, 416, 1, {{"output", {1, 425, 13, 13}}}},
    {"yolov3",
     416,
     416,
     3,
     {{"a", {1, 255, 13, 13}}, {"b", {1, 255, 26, 26}}, {"c", {1, 255, 52, 52}}}},
    {"yolov3_tiny", 416, 416, 2, {{"a", {1, 255, 13, 13}}, {"b", {1, 255, 26, 26}}}},
    {"ultraface", 320, 240, 2, {{"scores", {1, 4420, 2}}, {"boxes", {1, 4420, 4}}}},
    {"yolov1", 448, 448, 1, {{"output", {1, 1470}}}},
    {"fcos",
     800,
     608,
     15,
     {{"cls", {1, 80, 76, 100}},
      {"cls", {1, 80, 38, 50}},
      {"cls", {1, 80, 19, 25}},
      {"cls", {1, 80, 10, 13}},
      {"cls", {1, 80, 5, 7}},
      {"box", {1, 4, 76, 100}},
      {"box", {1, 4, 38, 50}},
      {"box", {1, 4, 19, 25}},
      {"box", {1, 4, 10, 13}},
      {"box", {1, 4, 5, 7}},
      {"ctr", {1, 1, 76, 100}},
      {"ctr", {1, 1, 38, 50}},
      {"ctr", {1, 1, 19, 25}},
      {"ctr", {1, 1, 10, 13}},
      {"ctr", {1, 1, 5, 7}}}},
    {"yolov8",
     640,
     640,
     3,
     {{"a", {1, 65, 80, 80}}, {"b", {1, 65, 40, 40}}, {"c", {1, 65, 20, 20}}}},
    /* YOLOv3 of 21 classes or YOLOv8 of 14: its user must say which */
    {"",
     640,
     640,
     3,
     {{"a", {1, 78, 80, 80}}, {"b", {1, 78, 40, 40}}, {"c", {1, 78, 20, 20}}}},
    {"", 512, 512, 1, {{"emb512", {512}}}},
    {"", 224, 224, 1, {{"probabilities", {1, 1000}}}},
    {"", 224, 224, 1, {{"features", {1, 512, 7, 7}}}},
    {"", 0, 0, 1, {{"output0", {1, -1, -1}}}},
};

static void heads_are_told_by_their_outputs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++)
        assert_string_equal(recognised(&MODELS[i]), MODELS[i].head);
}

static void names_find_heads_and_families(void **state)
{
    (void)state;
    assert_null(head_find("yolov99"));
    assert_null(model_family_find("yolov99"));
    for (size_t i = 0; i < head_count; i++)
        assert_ptr_equal(head_find(heads[i].name), &heads[i]);
    for (size_t i = 0; i < model_family_count; i++) {
        const struct model_family *family = &model_families[i];
        struct head_options options;
        struct fit fit;
        assert_ptr_equal(model_family_find(family->name), family);
        const struct head *head = head_find(family->head);
        assert_non_null(head);
        assert_int_equal(head_options_resolve(head, family->options, &options, NULL), OK);
        assert_int_equal(fit_plan(&family->fit, 1000, 700, &fit, NULL), OK);
        for (unsigned c = 0; c < 3; c++)
            assert_true(family->format.divisor[c] > 0);
        assert_true(family->threshold > 0 && family->threshold < 1);
    }
    assert_int_equal(model_family_find("centernet_dla")->options->activation,
                     HEAD_LOGITS);
}

static void options_of_the_user_stand_above_those_of_the_head(void **state)
{
    static const double strides[] = {16, 32}, anchors[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct head_options user = NOTHING_SAID, options;
    const struct head *head = head_find("yolov3");
    struct error error;
    (void)state;
    user.strides = (struct real_list){strides, 2};
    user.anchors = (struct real_list){anchors, 8};
    user.scale_xy = 1.05;
    assert_int_equal(head_options_resolve(head, &user, &options, &error), OK);
    assert_true(options.strides.items == strides && options.anchors.items == anchors);
    assert_true(options.scale_xy == 1.05 && options.activation == HEAD_LOGITS);
    user.anchors.count = 6;
    assert_int_equal(head_options_resolve(head, &user, &options, &error), ERROR_CONFIG);
    user.anchors.count = 8;
    user.strides.count = 0;
    assert_int_equal(head_options_resolve(head, &user, &options, &error), ERROR_CONFIG);
    user = NOTHING_SAID;
    user.bins = 1;
    assert_int_equal(head_options_resolve(head_find("yolov8"), &user, &options, &error),
                     ERROR_CONFIG);
    user = NOTHING_SAID;
    user.counts = (struct real_list){(const double[]){1, 1, 1, 6.5}, 4};
    assert_int_equal(head_options_resolve(head_find("ssd"), &user, &options, &error),
                     ERROR_CONFIG);
    user = NOTHING_SAID;
    user.cells = 0;
    assert_int_equal(head_options_resolve(head_find("yolov1"), &user, &options, &error),
                     ERROR_CONFIG);
}

/* ---- refused ---- */

static void shapes_that_lie_are_refused_by_every_head(void **state)
{
    static const int64_t lies[][4] = {{0, 84, 84, 84},      {1, -1, 84, 84},
                                      {1, 84, 83, 84},      {1, INT64_MAX, 2, 1},
                                      {1, 65536, 65536, 4}, {4294967296, 1, 1, 1}};
    (void)state;
    for (size_t i = 0; i < head_count; i++) {
        struct fixture f;
        fixture_begin(&f, 64, 64);
        (void)ADD(&f, "output", 1, 84, 84, 84);
        for (size_t k = 0; k < sizeof lies / sizeof lies[0]; k++) {
            memcpy(f.outputs[0].dims, lies[k], sizeof lies[k]);
            assert_int_equal(fixture_decode(&f, heads[i].name, NULL, 0.5F), ERROR_CONFIG);
        }
        f.outputs[0].rank = 7;
        assert_int_equal(fixture_decode(&f, heads[i].name, NULL, 0.5F), ERROR_CONFIG);
        f.outputs[0].rank = 0;
        assert_int_equal(fixture_decode(&f, heads[i].name, NULL, 0.5F), ERROR_CONFIG);
        f.input.output_count = 0;
        assert_int_equal(fixture_decode(&f, heads[i].name, NULL, 0.5F), ERROR_CONFIG);
        fixture_end(&f);
    }
}

static void items_sizes_and_thresholds_out_of_range_are_refused(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 640, 640);
    (void)ADD(&f, "output", 2, 300, 6);
    f.input.item = 2;
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.5F), ERROR_CONFIG);
    f.input.item = 1;
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.5F), OK);
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, NAN), ERROR_CONFIG);
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 1.5F), ERROR_CONFIG);
    f.input.width = 0;
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.5F), ERROR_CONFIG);
    f.input.width = 1 << 20;
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.5F), ERROR_CONFIG);
    fixture_end(&f);
}

/* Every head given another's outputs says so and makes no box. */
static void outputs_of_another_head_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < head_count; i++) {
        struct fixture f;
        fixture_begin(&f, 64, 64);
        (void)ADD(&f, "emb512", 2, 512);
        assert_int_equal(fixture_decode(&f, heads[i].name, NULL, 0.5F), ERROR_CONFIG);
        assert_int_equal(f.found.count, 0);
        fixture_end(&f);
    }
}

static void scores_of_infinity_cost_the_item_alone(void **state)
{
    struct fixture f;
    struct head_options options;
    const struct head *head = head_find("end_to_end");
    (void)state;
    fixture_begin(&f, 64, 64);
    float *rows = ADD(&f, "output", 2, 3, 6);
    rows[4] = 0.9F;
    rows[18 + 4] = 0.9F;
    rows[18 + 10] = INFINITY;
    assert_int_equal(head_options_resolve(head, NULL, &options, NULL), OK);
    assert_int_equal(
        head_decode(head, &f.input, &options, 0.5F, f.arena, &f.found, &f.error), OK);
    f.input.item = 1;
    assert_int_equal(
        head_decode(head, &f.input, &options, 0.5F, f.arena, &f.found, &f.error),
        ERROR_RECORD);
    assert_int_equal(f.found.count, 1); /* that of the first item */
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_told_by_their_outputs),
        cmocka_unit_test(names_find_heads_and_families),
        cmocka_unit_test(options_of_the_user_stand_above_those_of_the_head),
        cmocka_unit_test(shapes_that_lie_are_refused_by_every_head),
        cmocka_unit_test(items_sizes_and_thresholds_out_of_range_are_refused),
        cmocka_unit_test(outputs_of_another_head_are_refused),
        cmocka_unit_test(scores_of_infinity_cost_the_item_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
