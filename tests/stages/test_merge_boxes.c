/* test_merge_boxes.c - the stage that merges boxes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "stages/kernels/box.h"
#include "tests/stages/one_stage.h"

extern const struct stage_type stage_merge_boxes;

static const struct schema_field fields[] = {{"key", COLUMN_UTF8, 0},
                                             {"boxes", COLUMN_LIST_BOX, 0},
                                             {"others", COLUMN_LIST_BOX, 0},
                                             {"text", COLUMN_UTF8, 0}};
enum { FIELD_COUNT = 4, ROWS = 5 };

/* Rows: two boxes that match; none; null; one that is bad in the test of bad boxes; one. */
static const struct box boxes[] = {{0, 0, 10, 10, 0.5F, 1},
                                   {0, 0, 10, 8, 0.75F, 1},
                                   {5, 5, 6, 6, 0.25F, 2},
                                   {20, 20, 30, 30, 0.5F, 3}};
static const uint64_t box_offsets[ROWS + 1] = {0, 2, 2, 2, 3, 4};
static const unsigned char box_validity[] = {0x1B};

/* Others: one in rows 0, 2 and 4. */
static const struct box others[] = {
    {0, 0, 10, 8, 0.25F, 1}, {1, 2, 3, 4, 0.9F, 0}, {20, 20, 30, 30, 0.75F, 3}};
static const uint64_t other_offsets[ROWS + 1] = {0, 1, 1, 2, 2, 3};

static const struct batch *batch_of(struct arena *arena, const struct box *given)
{
    static struct column columns[2];
    static const struct column *list[] = {&columns[0], &columns[1]};
    columns[0] = (struct column){.name = "boxes",
                                 .type = COLUMN_LIST_BOX,
                                 .validity = box_validity,
                                 .offsets = box_offsets,
                                 .data = given};
    columns[1] = (struct column){.name = "others",
                                 .type = COLUMN_LIST_BOX,
                                 .offsets = other_offsets,
                                 .data = others};
    return make_batch(arena, list, 2, ROWS);
}

static void run(struct one_stage *one, const char *yaml, const struct box *given)
{
    one_stage_open(one, &stage_merge_boxes, yaml, fields, FIELD_COUNT);
    one_stage_run(one, batch_of(one->arena, given));
    assert_int_equal(one->outcome.batch_count, 1);
}

static void assert_row(const struct one_stage *one, uint32_t row,
                       const struct box *wanted, size_t count)
{
    const struct column *column = batch_column(one->outcome.batches[0], "boxes");
    assert_non_null(column);
    assert_int_equal(column->type, COLUMN_LIST_BOX);
    assert_true(column_is_valid(column, row));
    assert_int_equal(column_row_length(column, row), count);
    if (count > 0)
        assert_memory_equal(column_row(column, row), wanted, count * sizeof *wanted);
}

static void boxes_are_merged_record_by_record(void **state)
{
    (void)state;
    struct one_stage one;
    run(&one, "{}", boxes);
    assert_int_equal(one.outcome.batches[0]->count, ROWS);
    assert_row(&one, 0, &boxes[1], 1);
    assert_row(&one, 1, NULL, 0);
    assert_false(column_is_valid(batch_column(one.outcome.batches[0], "boxes"), 2));
    assert_row(&one, 3, &boxes[2], 1);
    assert_row(&one, 4, &boxes[3], 1);
    one_stage_close(&one);
}

static void options_reach_the_methods(void **state)
{
    (void)state;
    struct one_stage one;
    static const struct box grown = {0, 0, 10, 10, 0.75F, 1};
    static const struct box fused = {0, 0, 10, 8.8F, 0.625F, 1};
    static const struct box weakened[] = {{0, 0, 10, 8, 0.75F, 1},
                                          {0, 0, 10, 10, 0.1F, 1}};
    run(&one, "{method: greedy_nmm, metric: ios, threshold: 1}", boxes);
    assert_row(&one, 0, &boxes[1], 1); /* listed at 1, but merged only above it */
    one_stage_close(&one);
    run(&one, "{method: greedy_nmm, metric: ios, threshold: 0.99}", boxes);
    assert_row(&one, 0, &grown, 1);
    one_stage_close(&one);
    run(&one, "{method: nmm, threshold: 0.81}", boxes);
    assert_int_equal(column_row_length(batch_column(one.outcome.batches[0], "boxes"), 0),
                     2);
    one_stage_close(&one);
    run(&one, "{method: wbf}", boxes);
    assert_row(&one, 0, &fused, 1);
    one_stage_close(&one);
    run(&one, "{method: soft_nms, decay: linear}", boxes);
    const struct box *rows = column_row(batch_column(one.outcome.batches[0], "boxes"), 0);
    assert_memory_equal(&rows[0], &weakened[0], sizeof *rows);
    assert_true(fabs((double)(rows[1].score - weakened[1].score)) < 1e-6);
    one_stage_close(&one);
    run(&one, "{min_score: 0.3}", boxes);
    assert_row(&one, 3, NULL, 0);
    one_stage_close(&one);
}

/* (0.5 * 10 + 0.75 * 8 + 0.25 * 8) / 1.5 high; scores 1.5 / 3 * min(3, 2) / 2. */
static void columns_of_several_models_are_joined(void **state)
{
    (void)state;
    struct one_stage one;
    run(&one, "{method: wbf, columns: [boxes, others]}", boxes);
    const struct column *column = batch_column(one.outcome.batches[0], "boxes");
    const struct box *row = column_row(column, 0);
    assert_int_equal(column_row_length(column, 0), 1);
    assert_true(fabs((double)row->y2 - 13 / 1.5) < 1e-5);
    assert_true(fabs((double)row->score - 0.5) < 1e-6);
    static const struct box alone = {1, 2, 3, 4, 0.45F, 0}; /* of one model of two */
    assert_row(&one, 2, &alone, 1);
    static const struct box both = {20, 20, 30, 30, 0.625F, 3};
    assert_row(&one, 4, &both, 1);
    one_stage_close(&one);
    run(&one, "{method: wbf, columns: [boxes, others], weights: [1, 3], fusion: max}",
        boxes);
    static const struct box heavy = {20, 20, 30, 30, 0.75F, 3};
    assert_row(&one, 4, &heavy, 1);
    one_stage_close(&one);
    run(&one, "{columns: [others]}", boxes);
    assert_row(&one, 0, &others[0], 1);
    assert_row(&one, 1, NULL, 0);
    one_stage_close(&one);
}

static void a_box_that_is_none_costs_its_record_alone(void **state)
{
    (void)state;
    static const float wrong[] = {NAN, INFINITY, 2e9F};
    for (size_t i = 0; i < 3; i++)
        for (int part = 0; part < 6; part++) {
            struct one_stage one;
            struct box given[4];
            memcpy(given, boxes, sizeof given);
            (&given[2].x1)[part] = wrong[i];
            run(&one, "{columns: [others, boxes]}", given);
            assert_int_equal(one.outcome.batches[0]->count, ROWS - 1);
            assert_int_equal(one.outcome.reject_count, 1);
            assert_int_equal(one.outcome.rejects[0].reject.offset, 30);
            assert_string_equal(one.outcome.rejects[0].reject.reason, "bad_box");
            assert_non_null(strstr(one.outcome.rejects[0].reject.detail,
                                   "column \"boxes\", box 0: ["));
            one_stage_close(&one);
        }
}

static void refuse(const char *yaml, uint32_t column, const char *text)
{
    struct one_stage one;
    enum error_code code =
        one_stage_plan(&one, &stage_merge_boxes, yaml, fields, FIELD_COUNT);
    assert_int_equal(code, ERROR_CONFIG);
    if (!strstr(one.error.text, text))
        print_message("\"%s\" is not in \"%s\"\n", text, one.error.text);
    assert_non_null(strstr(one.error.text, text));
    assert_int_equal(one.error.where.column, column);
    one_stage_close(&one);
}

static void plan_refuses_what_does_not_fit_at_its_place(void **state)
{
    (void)state;
    refuse("{columns: [boxes, text]}", 11, "\"text\" to be list<box>");
    refuse("{columns: [nowhere]}", 11, "\"nowhere\", which nothing");
    refuse("{columns: [boxes, boxes]}", 11, "named twice");
    refuse("{weights: [1]}", 11, "not nms");
    refuse("{method: wbf, weights: [1, 2]}", 24, "2 weights for 1 columns");
    refuse("{method: wbf, weights: [0]}", 24, "above 0");
}

static void the_descriptor_is_sound(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(stage_type_check(&stage_merge_boxes, &error), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_are_merged_record_by_record),
        cmocka_unit_test(options_reach_the_methods),
        cmocka_unit_test(columns_of_several_models_are_joined),
        cmocka_unit_test(a_box_that_is_none_costs_its_record_alone),
        cmocka_unit_test(plan_refuses_what_does_not_fit_at_its_place),
        cmocka_unit_test(the_descriptor_is_sound),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
