/* test_yaml.c - tests of the YAML tree and of suggestions */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/yaml.h"

struct fixture {
    struct arena *arena;
    struct diagnostics found;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    fixture->arena = arena_create(1 << 16, 0);
    fixture->found.arena = fixture->arena;
    *state = fixture;
    return fixture->arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static const struct yaml_node *parse(struct fixture *fixture, const char *text)
{
    return yaml_parse(text, strlen(text), "p.yaml", fixture->arena, &fixture->found);
}

static void assert_place(const struct yaml_node *node, uint32_t line, uint32_t column)
{
    assert_non_null(node);
    assert_string_equal(node->where.file, "p.yaml");
    assert_int_equal(node->where.line, line);
    assert_int_equal(node->where.column, column);
}

static void nodes_know_their_place(void **state)
{
    const struct yaml_node *root =
        parse(*state, "name: x\ninput:\n  paths: [a, 'b c']\n  key:\n");
    assert_place(root, 1, 1);
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 2);
    assert_place(yaml_get(root, "name"), 1, 7);
    const struct yaml_node *input = yaml_get(root, "input");
    assert_place(input, 3, 3);
    const struct yaml_node *paths = yaml_get(input, "paths");
    assert_int_equal(paths->kind, YAML_LIST);
    assert_place(paths->items[1], 3, 14);
    assert_string_equal(paths->items[1]->text, "b c");
    assert_true(paths->items[1]->is_quoted);
    assert_false(paths->items[0]->is_quoted);
    assert_true(yaml_is_empty(yaml_get(input, "key")));
    assert_null(yaml_get(input, "text"));
    assert_null(yaml_get(paths, "text"));
}

static void columns_count_characters_not_bytes(void **state)
{
    const struct yaml_node *root = parse(*state, "{größe: ä, b: c}\n");
    assert_place(yaml_get(root, "b"), 1, 15);
}

static void a_byte_order_mark_and_windows_line_ends_are_fine(void **state)
{
    const struct yaml_node *root = parse(*state, "\xEF\xBB\xBFname: x\r\nstages: []\r\n");
    assert_place(yaml_get(root, "name"), 1, 7);
    assert_place(yaml_get(root, "stages"), 2, 9);
}

static void a_value_is_placed_within_other_text(void **state)
{
    struct fixture *fixture = *state;
    struct source_position start = {.file = "--set", .line = 1, .column = 11};
    const struct yaml_node *node =
        yaml_parse_value("{a: [1, 2]}", 11, start, fixture->arena, &fixture->found);
    assert_non_null(node);
    assert_int_equal(yaml_get(node, "a")->items[1]->where.column, 19);
    assert_string_equal(node->where.file, "--set");
    node = yaml_parse_value("", 0, start, fixture->arena, &fixture->found);
    assert_non_null(node);
    assert_true(yaml_is_empty(node));
}

static void all_refusals_of_a_file_are_told(void **state)
{
    struct fixture *fixture = *state;
    assert_null(parse(fixture, "a: &x 1\nb: *x\nc: !t 2\na: 3\n"));
    assert_int_equal(fixture->found.count, 4);
    diagnostics_sort(&fixture->found);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(fixture->found.items[i].where.line, i + 1);
}

static void every_repeat_of_a_key_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    assert_null(parse(fixture, "{a: 1, b: 2, a: 3, a: 4}"));
    assert_int_equal(fixture->found.count, 2);
    assert_string_equal(fixture->found.items[0].text,
                        "key \"a\" is repeated; it stands at 1:2 already");
}

static void sixty_four_levels_are_read_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    char text[200];
    for (size_t depth = 63; depth <= 66; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        fixture->found.count = 0;
        const struct yaml_node *root =
            yaml_parse(text, 2 * depth, "p", fixture->arena, &fixture->found);
        assert_true((root != NULL) == (depth <= 64));
        assert_int_equal(fixture->found.count, depth <= 64 ? 0 : 1);
    }
}

static void a_mebibyte_is_read_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    size_t size = (1 << 20) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '#', size);
    memcpy(text, "a: 1\n", 5);
    assert_non_null(yaml_parse(text, size - 1, "p", fixture->arena, &fixture->found));
    assert_null(yaml_parse(text, size, "p", fixture->arena, &fixture->found));
    assert_string_equal(fixture->found.items[0].text, "more than 1 MiB of text");
    free(text);
}

/* Comparing each key with each would take minutes. */
static void a_hundred_thousand_keys_take_no_time(void **state)
{
    struct fixture *fixture = *state;
    struct bytes text = {0};
    char line[32];
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(line, sizeof line, "k%u:\n", i);
        bytes_put(&text, line, strlen(line));
    }
    const struct yaml_node *root = yaml_parse((const char *)text.data, text.size, "p",
                                              fixture->arena, &fixture->found);
    bytes_clear(&text);
    assert_non_null(root);
    assert_int_equal(root->count, 100000);
}

static void no_memory_is_an_error_and_no_crash(void **state)
{
    (void)state;
    static const char text[] = "a: [1, 2, {b: c}]\nd: {e: f, g: [h, i, j, k, l]}\n";
    for (size_t limit = 1; limit < 4096; limit += 7) {
        struct arena *arena = arena_create(4096, limit);
        struct diagnostics found = {.arena = arena};
        const struct yaml_node *root =
            yaml_parse(text, sizeof text - 1, "p", arena, &found);
        assert_true(!root || yaml_get(root, "d") != NULL);
        arena_destroy(arena);
    }
}

static void errors_are_sorted_by_place_and_those_of_set_come_last(void **state)
{
    struct fixture *fixture = *state;
    static const struct source_position places[] = {
        {"--set", 1, 1}, {"p.yaml", 9, 2}, {"p.yaml", 9, 1}, {"p.yaml", 2, 5}};
    for (size_t i = 0; i < 4; i++)
        diagnostics_add(&fixture->found, places[i], "number %zu", i);
    diagnostics_add(&fixture->found, places[2], "number 4");
    diagnostics_sort(&fixture->found);
    static const char *const order[] = {"number 3", "number 2", "number 4", "number 1",
                                        "number 0"};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(fixture->found.items[i].text, order[i]);
}

static void long_messages_are_cut_between_characters(void **state)
{
    struct fixture *fixture = *state;
    char text[2000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "ä", 2);
    text[sizeof text - 2] = 0;
    for (size_t shift = 0; shift < 2; shift++) {
        diagnostics_add(&fixture->found, (struct source_position){0}, "%s%s",
                        shift ? "x" : "", text);
        const char *said = fixture->found.items[shift].text;
        size_t length = strlen(said);
        assert_string_equal(said + length - 3, "...");
        assert_int_equal((unsigned char)said[length - 4], 0xA4);
    }
}

static void a_message_is_one_line_of_sound_text(void **state)
{
    struct fixture *fixture = *state;
    static const struct source_position nowhere = {0};
    diagnostics_add(&fixture->found, nowhere, "a\nb\x1b[1m\x7f \xC2\x85 \xC2\xA0");
    diagnostics_add(&fixture->found, nowhere, "%.3s|%.1s|\x80", "a\xC3\xA4\xC3\xB6",
                    "\xF0\x9F\x98\x80");
    assert_string_equal(fixture->found.items[0].text, "a?b?[1m? ?? \xC2\xA0");
    assert_string_equal(fixture->found.items[1].text, "a\xC3\xA4|?|?");
}

static void near_names_are_suggested_and_far_ones_are_not(void **state)
{
    (void)state;
    static const char *const names[] = {"vocabulary", "pattern", "special",
                                        "form",       "text",    "KiB"};
    static const struct {
        const char *wrong, *meant;
    } cases[] = {
        {"vocabulry", "vocabulary"},
        {"vocab", "vocabulary"},
        {"patern", "pattern"},
        {"from", "form"},
        {"txt", "text"},
        {"Text", "text"},
        {"kib", "KiB"},
        {"specials", "special"},
        {"x", NULL},
        {"workers", NULL},
        {"", NULL},
        {"encoding", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = nearest_name(cases[i].wrong, names, 6);
        if (cases[i].meant)
            assert_string_equal(nearest, cases[i].meant);
        else
            assert_null(nearest);
    }
    assert_null(nearest_name("text", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_know_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(columns_count_characters_not_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_byte_order_mark_and_windows_line_ends_are_fine,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_is_placed_within_other_text, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(all_refusals_of_a_file_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(every_repeat_of_a_key_is_told_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sixty_four_levels_are_read_and_no_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_mebibyte_is_read_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_keys_take_no_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_an_error_and_no_crash, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            errors_are_sorted_by_place_and_those_of_set_come_last, setup, teardown),
        cmocka_unit_test_setup_teardown(long_messages_are_cut_between_characters, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_message_is_one_line_of_sound_text, setup,
                                        teardown),
        cmocka_unit_test(near_names_are_suggested_and_far_ones_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
