/* test_splitter.c - splitters against Hugging Face's, and against each other
 *
 * tests/data/splitters/hugging_face.json has what the pre-tokenizers of Hugging Face
 * tokenizers 0.22.2 (npm @anush008/tokenizers 0.6.0) made of some texts: [text, pieces],
 * a piece with its bytes in the text, but behind ByteLevel, where they are not right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json_document.h"
#include "stages/kernels/byte_alphabet.h"
#include "stages/kernels/regex.h"
#include "stages/kernels/split_spelling.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/tokenizer_json.h"
#include "stages/kernels/tokenizer_spec.h"
#include "tests/text_goldens.h"

#ifndef VECTORS
#define VECTORS "tests/data/splitters/hugging_face.json"
#endif

struct fixture {
    struct arena *arena;
    struct bytes image;
    struct splitter *splitter;
};

static void open_specs(struct fixture *fixture, const struct splitter_spec *specs,
                       size_t count)
{
    struct error error = {0};
    fixture->arena = arena_create(1 << 16, 0);
    assert_non_null(fixture->arena);
    if (splitter_build(specs, count, &fixture->image, &error) != OK ||
        splitter_open(fixture->image.data, fixture->image.size, fixture->arena,
                      &fixture->splitter, &error) != OK)
        fail_msg("%s", error.text);
}

static void close_fixture(struct fixture *fixture)
{
    splitter_close(fixture->splitter);
    bytes_clear(&fixture->image);
    arena_destroy(fixture->arena);
    *fixture = (struct fixture){0};
}

static struct pieces run(const struct fixture *fixture, const void *text, size_t size,
                         struct arena *scratch)
{
    struct pieces pieces;
    struct error error = {0};
    if (splitter_run(fixture->splitter, text, size, true, true, scratch, &pieces,
                     &error) != OK)
        fail_msg("%s", error.text);
    return pieces;
}

/* What holds for any pieces of any text. */
static void check_pieces(const struct pieces *pieces, size_t size)
{
    uint32_t at = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        assert_true(pieces->items[i].begin >= at);
        assert_true(pieces->items[i].end > pieces->items[i].begin);
        at = pieces->items[i].end;
    }
    assert_true(at <= pieces->size);
    if (!pieces->origins) {
        assert_int_equal(pieces->size, size);
        return;
    }
    for (size_t i = 0; i < pieces->size; i++)
        assert_true(pieces->origins[i] <= pieces->origins[i + 1]);
    assert_int_equal(pieces->origins[pieces->size], size);
}

/* ---- Hugging Face ---- */

/* The specification of a pre-tokenizer as JSON: read as a file would be. */
static struct tokenizer_spec read_spec(const char *source, const char *end,
                                       struct arena *arena)
{
    struct tokenizer_spec spec;
    struct error error = {0};
    struct bytes file = {0};
    static const char head[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]},\"pre_tokenizer\":";
    bytes_put(&file, head, sizeof head - 1);
    bytes_put(&file, source, (size_t)(end - source));
    bytes_put(&file, "}", 1);
    if (tokenizer_json_read(file.data, file.size, arena, &spec, &error) != OK)
        fail_msg("%.*s: %s", (int)(end - source), source, error.text);
    bytes_clear(&file);
    return spec;
}

static void show_difference(const char *source, int source_size,
                            const unsigned char *text, size_t size,
                            const struct pieces *pieces, struct json_node expected)
{
    struct json_members members = json_node_members(expected);
    struct json_node piece;
    print_error("%.*s on \"%.*s\":\n  wanted", source_size, source, (int)size, text);
    while (json_members_next(&members, NULL, NULL, &piece)) {
        struct json_members parts = json_node_members(piece);
        struct json_node part;
        const unsigned char *bytes;
        size_t bytes_size;
        (void)json_members_next(&parts, NULL, NULL, &part);
        (void)json_node_text(part, &bytes, &bytes_size);
        print_error(" [%.*s]", (int)bytes_size, bytes);
    }
    print_error("\n  found ");
    for (size_t i = 0; i < pieces->count; i++)
        print_error(" [%.*s]", (int)(pieces->items[i].end - pieces->items[i].begin),
                    pieces->text + pieces->items[i].begin);
    print_error("\n");
}

/* Is piece `index` the expected one: [text] of characters for bytes, [text, begin, end]? */
static bool is_expected(const struct pieces *pieces, size_t index, struct json_node piece,
                        bool is_byte_level)
{
    struct json_members parts = json_node_members(piece);
    struct json_node part;
    const unsigned char *text;
    unsigned char bytes[4096];
    size_t size;
    int64_t begin = 0, end = 0;
    struct piece found = pieces->items[index];
    if (!json_members_next(&parts, NULL, NULL, &part) ||
        !json_node_text(part, &text, &size) || size > sizeof bytes)
        return false;
    if (is_byte_level) {
        struct byte_alphabet alphabet;
        byte_alphabet_fill(&alphabet);
        if (!byte_alphabet_map(&alphabet, text, size, bytes, &size))
            return false;
        text = bytes;
    }
    if (found.end - found.begin != size ||
        memcmp(pieces->text + found.begin, text, size) != 0)
        return false;
    if (is_byte_level)
        return true;
    (void)json_members_next(&parts, NULL, NULL, &part);
    (void)json_node_integer(part, &begin);
    (void)json_members_next(&parts, NULL, NULL, &part);
    (void)json_node_integer(part, &end);
    uint32_t from = pieces->origins ? pieces->origins[found.begin] : found.begin;
    uint32_t to = pieces->origins ? pieces->origins[found.end] : found.end;
    return from == begin && to == end;
}

static size_t compare_case(const struct fixture *fixture, struct json_node node,
                           bool is_byte_level, const char *source, int source_size)
{
    struct json_members parts = json_node_members(node), members;
    struct json_node text_node, expected, piece;
    const unsigned char *text = NULL;
    size_t size = 0, index = 0;
    struct arena *scratch = arena_create(1 << 14, 0);
    assert_true(json_members_next(&parts, NULL, NULL, &text_node));
    assert_true(json_members_next(&parts, NULL, NULL, &expected));
    assert_true(json_node_text(text_node, &text, &size));
    struct pieces pieces = run(fixture, text, size, scratch);
    check_pieces(&pieces, size);
    bool is_same = json_node_count(expected) == pieces.count;
    members = json_node_members(expected);
    while (is_same && json_members_next(&members, NULL, NULL, &piece))
        is_same = is_expected(&pieces, index++, piece, is_byte_level);
    if (!is_same)
        show_difference(source, source_size, text, size, &pieces, expected);
    arena_destroy(scratch);
    return !is_same;
}

static void pieces_are_those_of_hugging_face(void **state)
{
    (void)state;
    struct bytes content = load_file(VECTORS);
    const char *detail = NULL;
    assert_true(content.size > 0);
    bytes_put(&content, "", 1);
    struct json_document *document =
        json_document_create(content.data, content.size - 1, &detail);
    assert_non_null(document);
    struct json_members members = json_node_members(json_document_root(document));
    struct json_node entry, node;
    const char *at = (const char *)content.data;
    size_t differences = 0;
    while (json_members_next(&members, NULL, NULL, &entry)) {
        /* its text, as it stands in the file */
        const char *source = strstr(at, "{\"pre_tokenizer\":") + 17;
        const char *end = strstr(source, ",\"cases\":");
        struct arena *arena = arena_create(1 << 14, 0);
        struct fixture fixture = {0};
        struct tokenizer_spec spec = read_spec(source, end, arena);
        open_specs(&fixture, spec.splitters, spec.splitter_count);
        struct json_members cases = json_node_members(json_node_field(entry, "cases"));
        while (json_members_next(&cases, NULL, NULL, &node))
            differences += compare_case(&fixture, node, spec.model.is_byte_level, source,
                                        (int)(end - source));
        close_fixture(&fixture);
        arena_destroy(arena);
        at = end;
    }
    json_document_destroy(document);
    bytes_clear(&content);
    assert_int_equal(differences, 0);
}

/* ---- named patterns ---- */

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static uint32_t random_point(uint64_t *seed)
{
    static const uint32_t frequent[] = {
        ' ',    ' ',    ' ',    '\n',   '\r',   '\t',   '\'',   '\'',  's',
        'S',    't',    'l',    'L',    'e',    'v',    'r',    'M',   'd',
        '/',    '.',    '!',    '1',    '2',    'A',    'z',    0x17F, 0xA0,
        0x85,   0x2028, 0x3000, 0x180E, 0x200B, 0xFEFF, 0x301,  0x903, 0x2B0,
        0x3042, 0x4E2D, 0x1C5,  0x660,  0x2167, 0xBD,   0x1F600};
    uint64_t kind = random_next(seed) % 16;
    if (kind < 10)
        return frequent[random_next(seed) % (sizeof frequent / sizeof *frequent)];
    uint32_t limit = kind < 12 ? 128 : kind < 14 ? 0x3000 : 0x110000;
    uint32_t point = (uint32_t)(random_next(seed) % limit);
    return point >= 0xD800 && point < 0xE000 ? 'x' : point;
}

/* The expression itself, never taken for a name. */
static void open_unnamed(struct fixture *fixture, const char *expression)
{
    struct bytes renamed = {0};
    bytes_put(&renamed, "(?:", 3);
    bytes_put(&renamed, expression, strlen(expression));
    bytes_put(&renamed, ")", 1);
    const struct splitter_spec spec = {.kind = SPLITTER_PATTERN,
                                       .pattern = {renamed.data, renamed.size},
                                       .is_regex = true,
                                       .behavior = BEHAVIOR_ISOLATED};
    open_specs(fixture, &spec, 1);
    bytes_clear(&renamed);
}

static void compare_fixtures(const struct fixture *a, const struct fixture *b,
                             const unsigned char *text, size_t size,
                             const char *expression)
{
    struct arena *scratch = arena_create(1 << 14, 0);
    assert_non_null(scratch);
    struct pieces first = run(a, text, size, scratch);
    struct pieces second = run(b, text, size, scratch);
    check_pieces(&first, size);
    if (first.count != second.count ||
        memcmp(first.items, second.items, first.count * sizeof *first.items) != 0) {
        for (size_t i = 0; i < size; i++)
            print_error("%02x ", text[i]);
        fail_msg("%s is cut otherwise", expression);
    }
    arena_destroy(scratch);
}

static void every_spelling_is_its_pattern(void **state)
{
    (void)state;
    enum split_pattern pattern;
    const char *expression;
    uint64_t seed = 5;
    for (size_t i = 0; (expression = split_spelling(i, &pattern)) != NULL; i++) {
        struct fixture named = {0}, unnamed = {0};
        const struct splitter_spec spec = {
            .kind = SPLITTER_PATTERN,
            .pattern = {(const unsigned char *)expression, strlen(expression)},
            .is_regex = true,
            .behavior = BEHAVIOR_ISOLATED};
        enum split_pattern found = SPLIT_PATTERN_COUNT;
        assert_true(splitter_is_named(&spec, 1, &found));
        assert_int_equal(found, pattern);
        open_specs(&named, &spec, 1);
        open_unnamed(&unnamed, expression);
        for (int round = 0; round < 3000; round++) {
            unsigned char text[200];
            size_t size = 0, points = random_next(&seed) % 40;
            for (size_t k = 0; k < points; k++) {
                if (random_next(&seed) % 64 == 0) /* no UTF-8 */
                    text[size++] = (unsigned char)(0x80 + random_next(&seed) % 128);
                else
                    size += json_put_point(text + size, random_point(&seed));
            }
            compare_fixtures(&named, &unnamed, text, size, expression);
        }
        close_fixture(&named);
        close_fixture(&unnamed);
    }
}

static void what_does_more_is_no_named_pattern(void **state)
{
    (void)state;
    const char *expression = split_expression(SPLIT_CL100K);
    struct splitter_spec specs[2] = {
        {.kind = SPLITTER_PATTERN,
         .pattern = {(const unsigned char *)expression, strlen(expression)},
         .is_regex = true,
         .behavior = BEHAVIOR_REMOVED,
         .is_inverted = true},
        {.kind = SPLITTER_DIGITS}};
    enum split_pattern pattern;
    assert_true(splitter_is_named(specs, 1, &pattern));
    assert_int_equal(pattern, SPLIT_CL100K);
    assert_false(splitter_is_named(specs, 2, &pattern));
    specs[0].is_inverted = false; /* everything is removed */
    assert_false(splitter_is_named(specs, 1, &pattern));
    specs[0].behavior = BEHAVIOR_CONTIGUOUS;
    assert_false(splitter_is_named(specs, 1, &pattern));
    specs[0].behavior = BEHAVIOR_ISOLATED;
    specs[0].is_regex = false;
    assert_false(splitter_is_named(specs, 1, &pattern));
    assert_false(splitter_is_named(specs, 0, &pattern));
    specs[0].kind = SPLITTER_GPT2;
    assert_true(splitter_is_named(specs, 1, &pattern));
    assert_int_equal(pattern, SPLIT_R50K);
}

/* ---- the rest ---- */

static void only_the_beginning_of_a_document_gets_the_first_prefix(void **state)
{
    (void)state;
    static const unsigned char mark[] = "\xE2\x96\x81";
    const struct splitter_spec spec = {.kind = SPLITTER_METASPACE,
                                       .replacement = {mark, 3},
                                       .prepend = PREPEND_FIRST,
                                       .is_split = true};
    struct fixture fixture = {0};
    open_specs(&fixture, &spec, 1);
    struct pieces pieces;
    struct error error = {0};
    assert_int_equal(splitter_run(fixture.splitter, (const unsigned char *)"a b", 3,
                                  false, true, fixture.arena, &pieces, &error),
                     OK);
    assert_int_equal(pieces.count, 2);
    assert_int_equal(pieces.size, 5);
    assert_int_equal(pieces.origins[1], 1);
    assert_int_equal(pieces.origins[3], 1);
    assert_int_equal(pieces.origins[4], 2);
    assert_int_equal(splitter_run(fixture.splitter, (const unsigned char *)"a b", 3, true,
                                  false, fixture.arena, &pieces, &error),
                     OK);
    assert_int_equal(pieces.size, 8);
    assert_null(pieces.origins);
    close_fixture(&fixture);
}

static void a_list_of_none_and_a_text_of_nothing(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_specs(&fixture, NULL, 0);
    struct pieces pieces = run(&fixture, "abc", 3, fixture.arena);
    assert_int_equal(pieces.count, 1);
    assert_int_equal(pieces.items[0].end, 3);
    pieces = run(&fixture, "", 0, fixture.arena);
    assert_int_equal(pieces.count, 0);
    close_fixture(&fixture);
    const struct splitter_spec spec = {.kind = SPLITTER_WHITESPACE};
    open_specs(&fixture, &spec, 1);
    pieces = run(&fixture, "", 0, fixture.arena);
    assert_int_equal(pieces.count, 0);
    pieces = run(&fixture, " \n", 2, fixture.arena);
    assert_int_equal(pieces.count, 0);
    close_fixture(&fixture);
}

static void expressions_that_pcre2_would_read_otherwise_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[a&&b]", "character 3: an intersection of classes is not supported"},
        {"[a[^b]]", "character 4: a negated class in a class is not supported"},
        {"[\\W]", "this escape in a class is not supported"},
        {"[\\P{L}]", "a negated property in a class is not supported"},
        {"(a)\\1", "this escape is not supported"},
        {"\\Qa\\E", "this escape is not supported"},
        {"\\K", "this escape is not supported"},
        {"\\X", "this escape is not supported"},
        {"\\pL", "this property is not supported"},
        {"\\xC3", "this number of a character is not supported"},
        {"a(?i)b|c", "an option that does not stand at the beginning is not supported"},
        {"(?x) a", "this kind of group is not supported"},
        {"(?<name>a)", "this kind of group is not supported"},
        {"a**", "repeating what is repeated is not supported"},
        {"+a", "repeating nothing is not supported"},
        {"(a", "a group without an end is not supported"},
        {"a)", "a closing bracket without its opening one is not supported"},
        {"[a", "a class without an end is not supported"},
        {"\\p{Nonsense}", "regular expression: unknown property"},
        {"[[:odd:]]", "this class is not supported"},
        {"a\\", "a backslash at the end is not supported"},
        {"\xFF", "it is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct splitter_spec spec = {
            .kind = SPLITTER_PATTERN,
            .pattern = {(const unsigned char *)cases[i][0], strlen(cases[i][0])},
            .is_regex = true};
        struct bytes image = {0};
        struct error error = {0};
        if (splitter_build(&spec, 1, &image, &error) != ERROR_CONFIG ||
            !strstr(error.text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], error.text);
        bytes_clear(&image);
    }
}

static void damaged_images_are_refused(void **state)
{
    (void)state;
    static const struct splitter_spec specs[] = {
        {.kind = SPLITTER_PATTERN,
         .pattern = {(const unsigned char *)"ab+", 3},
         .is_regex = true},
        {.kind = SPLITTER_GPT2},
        {.kind = SPLITTER_METASPACE, .replacement = {(const unsigned char *)"_", 1}}};
    struct bytes image = {0};
    struct error error = {0};
    assert_int_equal(splitter_build(specs, 3, &image, &error), OK);
    for (size_t size = 0; size < image.size; size++) {
        struct arena *arena = arena_create(1 << 14, 0);
        struct splitter *splitter = NULL;
        if (splitter_open(image.data, size, arena, &splitter, &error) != ERROR_DAMAGED)
            fail_msg("%zu bytes of %zu are taken", size, image.size);
        arena_destroy(arena);
    }
    bytes_clear(&image);
}

/* Time grows with the text: a million characters of one kind end soon. */
static void long_runs_are_cut_in_linear_time(void **state)
{
    (void)state;
    static const char *const expressions[] = {
        "\\w+", "[^\\s\\p{L}\\p{N}]?\\p{L}+|\\s+(?!\\S)|\\s+|.", "\\b", "(?=[A-Z])",
        "(?:[a1]{1,3})+"};
    static const char letters[] = "a A1\n.";
    enum { SIZE = 1 << 20 };
    unsigned char *text = malloc(SIZE);
    assert_non_null(text);
    for (size_t e = 0; e < sizeof expressions / sizeof *expressions; e++) {
        struct fixture fixture = {0};
        open_unnamed(&fixture, expressions[e]);
        for (size_t k = 0; k < sizeof letters - 1; k++) {
            memset(text, letters[k], SIZE);
            struct arena *scratch = arena_create(1 << 20, 0);
            struct pieces pieces = run(&fixture, text, SIZE, scratch);
            assert_true(pieces.count > 0);
            arena_destroy(scratch);
        }
        close_fixture(&fixture);
    }
    free(text);
}

static void what_backtracks_without_end_is_a_bad_record(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct pieces pieces;
    struct error error = {0};
    unsigned char text[202];
    memset(text, 'a', 200);
    text[200] = 'c';
    text[201] = 'b';
    open_unnamed(&fixture, "(?:a+)+b");
    assert_int_equal(splitter_run(fixture.splitter, text, sizeof text, true, false,
                                  fixture.arena, &pieces, &error),
                     ERROR_RECORD);
    assert_non_null(strstr(error.text, "takes too long"));
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_those_of_hugging_face),
        cmocka_unit_test(every_spelling_is_its_pattern),
        cmocka_unit_test(what_does_more_is_no_named_pattern),
        cmocka_unit_test(only_the_beginning_of_a_document_gets_the_first_prefix),
        cmocka_unit_test(a_list_of_none_and_a_text_of_nothing),
        cmocka_unit_test(expressions_that_pcre2_would_read_otherwise_are_refused),
        cmocka_unit_test(damaged_images_are_refused),
        cmocka_unit_test(long_runs_are_cut_in_linear_time),
        cmocka_unit_test(what_backtracks_without_end_is_a_bad_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
