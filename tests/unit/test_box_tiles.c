/* test_box_tiles.c - where tiles lie, and which boxes of them count */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "core/json_document.h"
#include "stages/kernels/box_tiles.h"
#include "tests/shared_file.h"

static void assert_tiles(const struct tile_rule *rule, uint32_t width, uint32_t height,
                         const struct tile *wanted, size_t count)
{
    struct tile_walk walk;
    struct tile tile = {0};
    tile_walk_begin(&walk, rule, width, height);
    for (size_t i = 0; i < count; i++) {
        assert_true(tile_walk_next(&walk, &tile));
        assert_int_equal(tile.x1, wanted[i].x1);
        assert_int_equal(tile.y1, wanted[i].y1);
        assert_int_equal(tile.x2, wanted[i].x2);
        assert_int_equal(tile.y2, wanted[i].y2);
    }
    assert_false(tile_walk_next(&walk, &tile));
    assert_false(tile_walk_next(&walk, &tile));
}

/* 10 wide in tiles of 4 that share 1: 0, 3, 6; 7 high in tiles of 5 without overlap: 0, and
 * the second moved back from 5 to 2. */
static void tiles_go_by_rows_and_the_last_is_moved_back(void **state)
{
    (void)state;
    static const struct tile wanted[] = {{0, 0, 4, 5}, {3, 0, 7, 5}, {6, 0, 10, 5},
                                         {0, 2, 4, 7}, {3, 2, 7, 7}, {6, 2, 10, 7}};
    struct tile_rule rule;
    assert_true(tile_rule_set(4, 5, 0.25, 0, &rule));
    assert_int_equal(rule.overlap_x, 1);
    assert_tiles(&rule, 10, 7, wanted, 6);
}

static void a_smaller_image_is_one_tile(void **state)
{
    (void)state;
    static const struct tile wanted[] = {{0, 0, 3, 2}};
    struct tile_rule rule;
    assert_true(tile_rule_set(4, 5, 0.9, 0.9, &rule));
    assert_tiles(&rule, 3, 2, wanted, 1);
    assert_tiles(&rule, 0, 2, NULL, 0);
    assert_tiles(&rule, 3, 0, NULL, 0);
}

static void what_is_no_rule_is_refused(void **state)
{
    (void)state;
    struct tile_rule rule;
    assert_false(tile_rule_set(4, 5, 1, 0, &rule));
    assert_false(tile_rule_set(4, 5, 0, 1.5, &rule));
    assert_false(tile_rule_set(4, 5, -0.1, 0, &rule));
    assert_false(tile_rule_set(4, 5, NAN, 0, &rule));
    assert_false(tile_rule_set(0, 5, 0, 0, &rule));
    assert_true(tile_rule_set(1, 1, 0.99, 0.99, &rule));
    assert_int_equal(rule.overlap_x, 0);
}

static void the_largest_image_does_not_overflow(void **state)
{
    (void)state;
    static const struct tile wanted[] = {{0, 0, 3000000000u, 1},
                                         {1294967295, 0, 4294967295u, 1}};
    struct tile_rule rule;
    assert_true(tile_rule_set(3000000000u, 1, 0, 0, &rule));
    assert_tiles(&rule, 4294967295u, 1, wanted, 2);
    tile_rule_choose(4294967295u, 4294967295u, &rule);
    assert_int_equal(rule.width, 4294967295u / 4);
    tile_rule_choose(1, 4294967295u, &rule);
    assert_true(rule.width == 1 && rule.overlap_x == 0);
}

/* ---- SAHI ---- */

static uint32_t field(struct json_node node, const char *name)
{
    int64_t value = -1;
    assert_true(json_node_integer(json_node_field(node, name), &value));
    assert_true(value >= 0 && value <= UINT32_MAX);
    return (uint32_t)value;
}

static double ratio(struct json_node node, const char *name)
{
    double value = NAN;
    assert_true(json_node_number(json_node_field(node, name), &value));
    return value;
}

static void assert_numbers(struct json_node array, const uint64_t *wanted)
{
    struct json_members members = json_node_members(array);
    struct json_node value;
    for (size_t i = 0; i < 4; i++) {
        int64_t number = -1;
        assert_true(json_members_next(&members, NULL, NULL, &value));
        assert_true(json_node_integer(value, &number));
        assert_int_equal(number, wanted[i]);
    }
}

static void assert_golden(struct json_node golden, const struct tile_rule *rule)
{
    struct tile_walk walk;
    struct tile tile;
    uint32_t count = 0;
    uint64_t sums[4] = {0};
    struct json_node boxes = json_node_field(golden, "boxes"), box;
    struct json_members members = json_node_members(boxes);
    tile_walk_begin(&walk, rule, field(golden, "image_w"), field(golden, "image_h"));
    for (; tile_walk_next(&walk, &tile); count++) {
        const uint64_t edges[4] = {tile.x1, tile.y1, tile.x2, tile.y2};
        for (size_t i = 0; i < 4; i++)
            sums[i] += edges[i];
        if (count == 0 && json_node_type(json_node_field(golden, "first")) == JSON_ARRAY)
            assert_numbers(json_node_field(golden, "first"), edges);
        if (json_members_next(&members, NULL, NULL, &box))
            assert_numbers(box, edges);
    }
    assert_int_equal(count, field(golden, "count"));
    if (json_node_type(boxes) == JSON_ARRAY)
        assert_int_equal(json_node_count(boxes), count);
    if (json_node_type(json_node_field(golden, "xsum")) == JSON_ARRAY)
        assert_numbers(json_node_field(golden, "xsum"), sums);
}

static void slices_of_sahi_are_reproduced(void **state)
{
    (void)state;
    struct bytes content = shared_file("detect_goldens/sahi_slices.json");
    const char *detail;
    if (content.size == 0)
        skip();
    struct json_document *document =
        json_document_create(content.data, content.size, &detail);
    assert_non_null(document);
    struct json_node root = json_document_root(document), golden;
    struct json_members members = json_node_members(json_node_field(root, "cases"));
    struct tile_rule rule;
    size_t cases = 0;
    for (; json_members_next(&members, NULL, NULL, &golden); cases++) {
        assert_true(tile_rule_set(field(golden, "slice_w"), field(golden, "slice_h"),
                                  ratio(golden, "overlap_w"), ratio(golden, "overlap_h"),
                                  &rule));
        assert_golden(golden, &rule);
    }
    assert_int_equal(cases, 39);
    members = json_node_members(json_node_field(root, "auto"));
    for (; json_members_next(&members, NULL, NULL, &golden); cases++) {
        tile_rule_choose(field(golden, "image_w"), field(golden, "image_h"), &rule);
        assert_int_equal(rule.width, field(golden, "slice_w"));
        assert_int_equal(rule.height, field(golden, "slice_h"));
        assert_int_equal(rule.overlap_x, field(golden, "x_overlap"));
        assert_int_equal(rule.overlap_y, field(golden, "y_overlap"));
        assert_golden(golden, &rule);
    }
    assert_int_equal(cases, 39 + 13);
    json_document_destroy(document);
    bytes_clear(&content);
}

/* ---- boxes ---- */

/* The tile touches the right edge of a 300 by 400 image: its three other sides are inner. */
static void a_box_near_an_inner_side_of_its_tile_is_cut(void **state)
{
    (void)state;
    const struct tile tile = {100, 100, 300, 300};
    const struct {
        struct box box;
        bool is_cut;
    } cases[] = {
        {{110, 110, 290, 290, 1, 0}, false},   {{109.5F, 150, 200, 200, 1, 0}, true},
        {{150, 109.5F, 200, 200, 1, 0}, true}, {{150, 150, 300, 200, 1, 0}, false},
        {{150, 150, 200, 290.5F, 1, 0}, true}, {{90, 150, 200, 200, 1, 0}, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(box_is_cut(&cases[i].box, &tile, 300, 400, 10), cases[i].is_cut);
    const struct tile whole = {0, 0, 300, 400};
    const struct box all = {0, 0, 300, 400, 1, 0};
    assert_false(box_is_cut(&all, &whole, 300, 400, 10));
    assert_false(box_is_cut(&cases[1].box, &tile, 300, 400, 0));
}

static void valid_ranges_are_open_below_and_closed_above(void **state)
{
    (void)state;
    const struct box square = {10, 10, 42, 42, 1, 0}; /* 32 by 32 */
    const struct box flat = {0, 0, 64, 16, 1, 0};     /* the same area */
    assert_false(box_is_in_range(&square, 32, 150));
    assert_false(box_is_in_range(&flat, 32, 150));
    assert_true(box_is_in_range(&square, 31.9, 150));
    assert_true(box_is_in_range(&square, -1, 32));
    assert_true(box_is_in_range(&flat, 0, 32));
    assert_false(box_is_in_range(&square, -1, 31.9));
    assert_true(box_is_in_range(&square, -1, -1));
    assert_true(box_is_in_range(&square, 20, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_go_by_rows_and_the_last_is_moved_back),
        cmocka_unit_test(a_smaller_image_is_one_tile),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(the_largest_image_does_not_overflow),
        cmocka_unit_test(slices_of_sahi_are_reproduced),
        cmocka_unit_test(a_box_near_an_inner_side_of_its_tile_is_cut),
        cmocka_unit_test(valid_ranges_are_open_below_and_closed_above),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
