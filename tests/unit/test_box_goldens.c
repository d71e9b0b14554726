/* test_box_goldens.c - merging as SAHI and ensemble_boxes do it, by what they gave out
 *
 * The vectors are shared data (sahi_merge, sahi_postprocess and ensemble_boxes.json);
 * tests are skipped where they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/json_document.h"
#include "stages/kernels/box_merge.h"
#include "tests/shared_file.h"

enum { BOXES_MAX = 256 };

static struct json_document *load(const char *name)
{
    const char *detail = NULL;
    struct bytes content = shared_file(name);
    if (content.size == 0)
        return NULL;
    struct json_document *document =
        json_document_create(content.data, content.size, &detail);
    if (!document)
        print_message("%s: %s\n", name, detail ? detail : "no memory");
    assert_non_null(document);
    bytes_clear(&content);
    return document;
}

static double number_of(struct json_node node)
{
    double number = NAN;
    assert_true(json_node_number(node, &number));
    return number;
}

static double field_number(struct json_node node, const char *name)
{
    return number_of(json_node_field(node, name));
}

static bool field_is(struct json_node node, const char *name, const char *wanted)
{
    const unsigned char *text;
    size_t size;
    assert_true(json_node_text(json_node_field(node, name), &text, &size));
    return size == strlen(wanted) && memcmp(text, wanted, size) == 0;
}

static bool field_bool(struct json_node node, const char *name)
{
    bool value = false;
    assert_true(json_node_bool(json_node_field(node, name), &value));
    return value;
}

static size_t read_numbers(struct json_node array, double *numbers, size_t capacity)
{
    struct json_members members = json_node_members(array);
    struct json_node value;
    size_t count = 0;
    while (json_members_next(&members, NULL, NULL, &value)) {
        assert_true(count < capacity);
        numbers[count++] = number_of(value);
    }
    return count;
}

/* Rows [x1, y1, x2, y2, score, class]. */
static size_t read_boxes(struct json_node array, struct box *boxes)
{
    struct json_members members = json_node_members(array);
    struct json_node row;
    size_t count = 0;
    while (json_members_next(&members, NULL, NULL, &row)) {
        double numbers[6];
        assert_true(count < BOXES_MAX);
        assert_int_equal(read_numbers(row, numbers, 6), 6);
        for (size_t i = 0; i < 6; i++)
            (&boxes[count].x1)[i] = (float)numbers[i];
        count++;
    }
    return count;
}

static size_t merge(const struct box_rule *rule, const struct box *boxes,
                    const uint32_t *models, size_t count, struct box *merged)
{
    struct error error;
    size_t merged_count = 0;
    struct arena *arena = arena_create(1 << 16, 0);
    char text[200];
    assert_int_equal(box_find_bad(boxes, count, text, sizeof text), count);
    assert_int_equal(
        box_merge(rule, boxes, models, count, arena, merged, &merged_count, &error), OK);
    arena_destroy(arena);
    return merged_count;
}

static bool is_near(const struct box *a, const struct box *b, double edge, double score)
{
    return fabs((double)(a->x1 - b->x1)) <= edge &&
           fabs((double)(a->y1 - b->y1)) <= edge &&
           fabs((double)(a->x2 - b->x2)) <= edge &&
           fabs((double)(a->y2 - b->y2)) <= edge &&
           fabs((double)(a->score - b->score)) <= score && a->class == b->class;
}

/* The same boxes in any order, each once. */
static bool are_the_same(const struct box *merged, size_t count, const struct box *wanted,
                         size_t wanted_count, double edge, double score)
{
    bool is_used[BOXES_MAX] = {false};
    if (count != wanted_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < count && (is_used[k] || !is_near(&merged[i], &wanted[k], edge, score)))
            k++;
        if (k == count)
            return false;
        is_used[k] = true;
    }
    return true;
}

static const struct box_rule plain = {
    .min_score = -INFINITY, .sigma = 0.5, .model_count = 1};

/* End to end: boxes that come out are the boxes that went in or unions of them, so to the
 * bit. */
static void sahi_postprocess_is_reproduced(void **state)
{
    (void)state;
    struct json_document *document = load("detect_goldens/sahi_postprocess.json");
    static struct box boxes[BOXES_MAX], wanted[BOXES_MAX], merged[BOXES_MAX];
    struct json_node sets[16], set, golden;
    size_t set_count = 0, cases = 0;
    if (!document)
        skip();
    struct json_node root = json_document_root(document);
    struct json_members members = json_node_members(json_node_field(root, "sets"));
    while (json_members_next(&members, NULL, NULL, &set))
        sets[set_count++] = set;
    members = json_node_members(json_node_field(root, "cases"));
    for (; json_members_next(&members, NULL, NULL, &golden); cases++) {
        struct box_rule rule = plain;
        rule.method = field_is(golden, "algo", "NMS")   ? BOX_NMS
                      : field_is(golden, "algo", "NMM") ? BOX_NMM
                                                        : BOX_GREEDY_NMM;
        rule.metric = field_is(golden, "metric", "IOS") ? BOX_IOS : BOX_IOU;
        rule.threshold = field_number(golden, "threshold");
        rule.is_class_agnostic = field_bool(golden, "class_agnostic");
        size_t count = read_boxes(sets[(size_t)field_number(golden, "set")], boxes);
        size_t wanted_count = read_boxes(json_node_field(golden, "out"), wanted);
        size_t merged_count = merge(&rule, boxes, NULL, count, merged);
        if (!are_the_same(merged, merged_count, wanted, wanted_count, 0, 0))
            fail_msg("case %zu: %zu boxes, not the %zu that are wanted", cases,
                     merged_count, wanted_count);
    }
    assert_int_equal(cases, 126);
    json_document_destroy(document);
}

/* Which box takes which: the union of each keeper's list must come out. Lists are in the
 * order of taking, on which it depends what vanishes. */
static size_t wanted_of_lists(struct json_node lists, const struct box *boxes,
                              const struct box_rule *rule, struct box *wanted)
{
    struct json_members members = json_node_members(lists);
    const unsigned char *name;
    size_t size, count = 0;
    struct json_node list;
    while (json_members_next(&members, &name, &size, &list)) {
        double taken[BOXES_MAX];
        char text[16] = {0};
        memcpy(text, name, size < 15 ? size : 15);
        struct box box = boxes[strtoul(text, NULL, 10)];
        size_t taken_count = read_numbers(list, taken, BOXES_MAX);
        for (size_t k = 0; k < taken_count; k++) {
            const struct box *other = &boxes[(size_t)taken[k]];
            if (!(box_overlap_double(rule->metric, &box, other) > rule->threshold))
                continue;
            box.x1 = fminf(box.x1, other->x1);
            box.y1 = fminf(box.y1, other->y1);
            box.x2 = fmaxf(box.x2, other->x2);
            box.y2 = fmaxf(box.y2, other->y2);
            if (!(box.score > other->score))
                box.class = other->class;
        }
        wanted[count++] = box;
    }
    return count;
}

static size_t wanted_of_nms(struct json_node indices, const struct box *boxes,
                            struct box *wanted)
{
    double numbers[BOXES_MAX];
    size_t count = read_numbers(indices, numbers, BOXES_MAX);
    for (size_t i = 0; i < count; i++)
        wanted[i] = boxes[(size_t)numbers[i]];
    return count;
}

static void sahi_matching_is_reproduced(void **state)
{
    (void)state;
    struct json_document *document = load("detect_goldens/sahi_merge.json");
    static struct box boxes[BOXES_MAX], wanted[BOXES_MAX], merged[BOXES_MAX];
    struct json_node golden;
    size_t cases = 0;
    if (!document)
        skip();
    struct json_members members =
        json_node_members(json_node_field(json_document_root(document), "cases"));
    for (; json_members_next(&members, NULL, NULL, &golden); cases++) {
        struct box_rule rule = plain;
        rule.is_class_agnostic = true;
        rule.metric = field_is(golden, "metric", "IOS") ? BOX_IOS : BOX_IOU;
        rule.threshold = field_number(golden, "threshold");
        size_t count = read_boxes(json_node_field(golden, "pred"), boxes);
        for (int i = 0; i < 3; i++) {
            rule.method = i == 0 ? BOX_NMS : i == 1 ? BOX_GREEDY_NMM : BOX_NMM;
            size_t wanted_count =
                i == 0 ? wanted_of_nms(json_node_field(golden, "nms"), boxes, wanted)
                       : wanted_of_lists(
                             json_node_field(golden, i == 1 ? "greedy_nmm" : "nmm"),
                             boxes, &rule, wanted);
            size_t merged_count = merge(&rule, boxes, NULL, count, merged);
            if (!are_the_same(merged, merged_count, wanted, wanted_count, 0, 0))
                fail_msg("case %zu, method %d: %zu boxes, not the %zu that are wanted",
                         cases, i, merged_count, wanted_count);
        }
    }
    assert_int_equal(cases, 21);
    json_document_destroy(document);
}

/* ---- ensemble_boxes: a list of edges, scores and labels a model ---- */

struct ensemble {
    struct box boxes[BOXES_MAX];
    uint32_t models[BOXES_MAX];
    size_t count;
};

/* Rows of edges with their scores and labels. */
static void read_model(struct json_node edges, struct json_node scores,
                       struct json_node labels, uint32_t model, struct ensemble *to)
{
    double score[BOXES_MAX], label[BOXES_MAX];
    struct json_members members = json_node_members(edges);
    struct json_node row;
    size_t count = read_numbers(scores, score, BOXES_MAX);
    assert_int_equal(read_numbers(labels, label, BOXES_MAX), count);
    for (size_t i = 0; i < count; i++) {
        double edge[4];
        assert_true(to->count < BOXES_MAX);
        assert_true(json_members_next(&members, NULL, NULL, &row));
        assert_int_equal(read_numbers(row, edge, 4), 4);
        to->models[to->count] = model;
        to->boxes[to->count++] =
            (struct box){(float)edge[0], (float)edge[1],  (float)edge[2],
                         (float)edge[3], (float)score[i], (float)label[i]};
    }
}

static void read_ensemble(struct json_node golden, struct ensemble *to)
{
    struct json_members edges = json_node_members(json_node_field(golden, "boxes_in"));
    struct json_members scores = json_node_members(json_node_field(golden, "scores_in"));
    struct json_members labels = json_node_members(json_node_field(golden, "labels_in"));
    struct json_node edge, score, label;
    to->count = 0;
    for (uint32_t model = 0; json_members_next(&edges, NULL, NULL, &edge); model++) {
        assert_true(json_members_next(&scores, NULL, NULL, &score));
        assert_true(json_members_next(&labels, NULL, NULL, &label));
        read_model(edge, score, label, model, to);
    }
}

static void set_method(struct json_node golden, struct box_rule *rule)
{
    rule->method = field_is(golden, "op", "wbf")   ? BOX_WBF
                   : field_is(golden, "op", "nmw") ? BOX_NMW
                   : field_is(golden, "op", "nms") ? BOX_NMS
                                                   : BOX_SOFT_NMS;
    rule->decay = field_is(golden, "op", "soft_nms_linear") ? BOX_LINEAR : BOX_GAUSSIAN;
    rule->is_strict = true; /* suppressed only above the threshold */
    if (rule->method == BOX_WBF) {
        rule->fusion = field_is(golden, "conf_type", "avg")   ? BOX_FUSE_AVERAGE
                       : field_is(golden, "conf_type", "max") ? BOX_FUSE_MAX
                       : field_is(golden, "conf_type", "box_and_model_avg")
                           ? BOX_FUSE_BOX_AND_MODEL
                           : BOX_FUSE_ABSENT_MODEL;
        rule->allows_overflow = field_bool(golden, "allows_overflow");
    }
    if (rule->method == BOX_SOFT_NMS) {
        rule->sigma = field_number(golden, "sigma");
        rule->min_score = field_number(golden, "thresh");
    }
}

/* Their edges and scores are doubles on the way in; ours are floats: 1e-6. */
static void ensemble_boxes_are_reproduced(void **state)
{
    (void)state;
    struct json_document *document = load("detect_goldens/ensemble_boxes.json");
    static struct ensemble given, wanted;
    static struct box merged[BOXES_MAX];
    struct json_node golden;
    size_t cases = 0;
    if (!document)
        skip();
    struct json_members members =
        json_node_members(json_node_field(json_document_root(document), "cases"));
    for (; json_members_next(&members, NULL, NULL, &golden); cases++) {
        struct box_rule rule = plain;
        double weights[BOX_MODELS_MAX];
        struct json_node weight_list = json_node_field(golden, "weights");
        set_method(golden, &rule);
        rule.threshold = field_number(golden, "iou_thr");
        read_ensemble(golden, &given);
        if (json_node_type(weight_list) == JSON_ARRAY) {
            rule.weights = weights;
            rule.model_count =
                (uint32_t)read_numbers(weight_list, weights, BOX_MODELS_MAX);
        }
        wanted.count = 0;
        read_model(json_node_field(golden, "boxes"), json_node_field(golden, "scores"),
                   json_node_field(golden, "labels"), 0, &wanted);
        size_t count = merge(&rule, given.boxes, given.models, given.count, merged);
        if (rule.method == BOX_SOFT_NMS) /* they give the scores of the input out */
            for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < given.count; k++)
                    if (memcmp(&merged[i], &given.boxes[k], 4 * sizeof(float)) == 0)
                        merged[i].score = given.boxes[k].score;
        if (!are_the_same(merged, count, wanted.boxes, wanted.count, 1e-6, 1e-6))
            fail_msg("case %zu: %zu boxes, not the %zu that are wanted", cases, count,
                     wanted.count);
    }
    assert_int_equal(cases, 36);
    json_document_destroy(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sahi_postprocess_is_reproduced),
        cmocka_unit_test(sahi_matching_is_reproduced),
        cmocka_unit_test(ensemble_boxes_are_reproduced),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
