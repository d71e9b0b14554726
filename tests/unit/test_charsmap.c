/* test_charsmap.c - the precompiled map: what is found, and what it does to texts */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"
#include "stages/kernels/charsmap.h"
#include "stages/kernels/sentencepiece_text.h"
#include "stages/kernels/text_builder.h"
#include "tests/small_charsmap.h"

#define LONG_SPACE "\xe3\x80\x80"
static const char *const pairs[] = {"\xef\xbd\x81",
                                    "a", /* full width */
                                    "e\xcc\x81",
                                    "\xc3\xa9",
                                    "\xef\xac\x81",
                                    "fi",
                                    LONG_SPACE,
                                    " ",
                                    "\xc2\xa8",
                                    " \xcc\x88", /* a space and a mark */
                                    "\xe2\x80\x8b",
                                    "",
                                    "\x01",
                                    "",
                                    "ab",
                                    "X",
                                    "abcd",
                                    "Y",
                                    "\xf0\x9d\x90\x80", /* bold */
                                    "A",
                                    "z\xf0\x9d\x90\x81",
                                    "B",
                                    NULL};

static void open_map(struct charsmap *map, const struct bytes *blob)
{
    struct error error;
    assert_int_equal(charsmap_open(map, blob->data, blob->size, &error), OK);
}

static void check_found(const struct charsmap *map, const char *text, bool is_shortest,
                        size_t size, const char *wanted)
{
    const unsigned char *replaced = NULL;
    size_t replaced_size = 0, length = strlen(text);
    unsigned char *copy = malloc(length ? length : 1); /* so that a read past shows */
    assert_non_null(copy);
    memcpy(copy, text, length);
    assert_int_equal(
        charsmap_find(map, copy, length, is_shortest, &replaced, &replaced_size), size);
    if (size > 0) {
        assert_int_equal(replaced_size, strlen(wanted));
        assert_memory_equal(replaced, wanted, replaced_size);
    }
    free(copy);
}

static void the_longest_or_the_shortest_key_is_found(void **state)
{
    (void)state;
    struct bytes blob = small_charsmap(pairs);
    struct charsmap map;
    open_map(&map, &blob);
    check_found(&map, "abcde", false, 4, "Y");
    check_found(&map, "abcde", true, 2, "X");
    check_found(&map, "abc", false, 2, "X");
    check_found(&map, "a", false, 0, NULL);
    check_found(&map, "b", false, 0, NULL);
    check_found(&map, "", false, 0, NULL);
    check_found(&map, "e\xcc", false, 0, NULL);
    check_found(&map, "\xe2\x80\x8bz", false, 3, "");
    bytes_clear(&blob);
}

static void ascii_is_plain_where_nothing_changes_it(void **state)
{
    (void)state;
    struct bytes blob = small_charsmap(pairs);
    struct charsmap map;
    open_map(&map, &blob);
    assert_true(map.is_plain['z']);
    assert_true(map.is_plain['e']); /* in front of ASCII */
    assert_false(map.is_plain['a']);
    assert_false(map.is_plain[1]);
    bytes_clear(&blob);
}

static void an_empty_map_finds_nothing(void **state)
{
    (void)state;
    struct charsmap map;
    struct bytes none = {0};
    open_map(&map, &none);
    check_found(&map, "abc", false, 0, NULL);
    assert_true(map.is_plain['a'] && map.is_plain[0]);
}

static void check_text(const struct text_builder *builder, const char *wanted)
{
    assert_false(builder->is_bad);
    assert_int_equal(builder->size, strlen(wanted));
    assert_memory_equal(builder->text, wanted, builder->size);
}

/* What SentencePiece makes of it with its usual flags. */
static void check_pieces(const struct charsmap *map, const char *text, const char *wanted)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct sentencepiece_rule rule = {.map = *map,
                                      .add_dummy_prefix = true,
                                      .remove_extra_whitespaces = true,
                                      .escape_whitespaces = true};
    struct text_builder builder;
    sentencepiece_rule_complete(&rule);
    text_builder_begin(&builder, arena, 0, true);
    (void)sentencepiece_text_put(&rule, (const unsigned char *)text, strlen(text),
                                 &builder);
    check_text(&builder, wanted);
    arena_destroy(arena);
}

#define SPACE "\xe2\x96\x81"

static void sentencepiece_takes_the_longest_key(void **state)
{
    (void)state;
    struct bytes blob = small_charsmap(pairs);
    struct charsmap map;
    open_map(&map, &blob);
    check_pieces(&map, "abcdeabc", SPACE "YeXc");
    check_pieces(&map, "ze\xcc\x81\xef\xac\x81",
                 SPACE "z\xc3\xa9"
                       "fi");
    check_pieces(&map, LONG_SPACE "z " LONG_SPACE "z" LONG_SPACE, SPACE "z" SPACE "z");
    check_pieces(&map, "\xc2\xa8z", SPACE "\xcc\x88z"); /* not a space, but begins so */
    check_pieces(&map, "z \xc2\xa8z\xc2\xa8",
                 SPACE "z" SPACE "\xcc\x88z" SPACE "\xcc\x88");
    check_pieces(&map, "z \x01 \xe2\x80\x8b z", SPACE "z" SPACE "z");
    bytes_clear(&blob);
}

/* Texts of all kinds of characters: what is taken in one go is what the general way, which
 * counts origins, makes of it. */
static void compare_ways(const struct sentencepiece_rule *rule, unsigned *seed,
                         struct arena *arena)
{
    static const char *const parts[] = {"e",
                                        "a",
                                        "abcd",
                                        "zz",
                                        " ",
                                        " ",
                                        "  ",
                                        "\n",
                                        "\t",
                                        "\x01",
                                        "\xcc\x81",
                                        "\xc3\xa9",
                                        "\xc2\xa8",
                                        LONG_SPACE,
                                        "<s>",
                                        "<",
                                        "\x7f",
                                        "\xd0\xb6",
                                        "\xe4\xb8\xad",
                                        "\xf0\x9f\x98\x80",
                                        "\xf0\x9d\x90\x80",
                                        "\xf0\x9d\x90\x81",
                                        "\xe2\x80\x8a",
                                        "z",
                                        "\xff",
                                        "\xe4\xb8",
                                        "\xef\xac\x81",
                                        "\xe2\x80\x8b",
                                        "the quick brown fox ",
                                        "jumps",
                                        "-",
                                        "\r\n",
                                        "\xe2\x96\x81",
                                        "\xed\xa0\x80",
                                        "\xc0\xaf",
                                        "."};
    unsigned char text[1024];
    size_t size = 0, wanted = (size_t)rand_r(seed) % 600;
    size_t kinds = 1 + (size_t)rand_r(seed) % (sizeof parts / sizeof *parts);
    while (size < wanted) {
        const char *part = parts[(size_t)rand_r(seed) % kinds];
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
    unsigned char *copy = malloc(wanted + 1);
    struct text_builder fast, plain;
    assert_non_null(copy);
    memcpy(copy, text, wanted);
    text_builder_begin(&fast, arena, 0, false);
    text_builder_begin(&plain, arena, 0, true);
    (void)sentencepiece_text_put(rule, copy, wanted, &fast);
    (void)sentencepiece_text_put(rule, copy, wanted, &plain);
    assert_false(fast.is_bad || plain.is_bad);
    assert_int_equal(fast.size, plain.size);
    assert_memory_equal(fast.text, plain.text, fast.size);
    free(copy);
}

static void text_taken_in_one_go_is_the_same(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct trie_key symbols[] = {{(const unsigned char *)"<s>", 3, 0},
                                 {(const unsigned char *)".", 1, 1},
                                 {(const unsigned char *)"\xe2\x80\x8b", 3, 2}};
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes trie = {0};
    struct error error;
    unsigned seed = 1;
    assert_int_equal(prefix_trie_build(symbols, 3, &trie, &error), OK);
    for (unsigned kind = 0; kind < 32; kind++) {
        struct bytes blob = small_charsmap(kind & 1 ? pairs : none);
        struct sentencepiece_rule rule = {.add_dummy_prefix = true,
                                          .remove_extra_whitespaces = kind & 2,
                                          .escape_whitespaces = !(kind & 16),
                                          .treat_whitespace_as_suffix = kind & 4,
                                          .has_symbols = kind & 8};
        if (kind & 1)
            open_map(&rule.map, &blob);
        else
            assert_int_equal(charsmap_open(&rule.map, NULL, 0, &error), OK);
        assert_int_equal(prefix_trie_open(&rule.symbols, trie.data, trie.size, &error),
                         OK);
        sentencepiece_rule_complete(&rule);
        for (int round = 0; round < 3000; round++) {
            compare_ways(&rule, &seed, arena);
            arena_reset(arena);
        }
        bytes_clear(&blob);
    }
    bytes_clear(&trie);
    arena_destroy(arena);
}

static void check_precompiled(const struct charsmap *map, const char *text,
                              const char *wanted)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct text_builder builder;
    text_builder_begin(&builder, arena, 0, true);
    precompiled_text_put(map, (const unsigned char *)text, strlen(text), &builder);
    check_text(&builder, wanted);
    arena_destroy(arena);
}

static void hugging_face_looks_up_graphemes_and_takes_the_shortest_key(void **state)
{
    (void)state;
    struct bytes blob = small_charsmap(pairs);
    struct charsmap map;
    open_map(&map, &blob);
    check_precompiled(&map, "abcd", "abcd"); /* each letter is a grapheme */
    check_precompiled(&map, "ze\xcc\x81", "z\xc3\xa9");
    /* A mark more is lost with the grapheme, or keeps it from being looked up whole. */
    check_precompiled(&map, "e\xcc\x81\xcc\xa3", "\xc3\xa9");
    check_precompiled(&map, "e\xcc\x81\xcc\xa3\xcc\xa3", "e\xcc\x81\xcc\xa3\xcc\xa3");
    check_precompiled(&map, "\xef\xac\x81\xcc\x81\xff\x01", "fi\xff");
    bytes_clear(&blob);
}

static void a_damaged_map_is_refused_or_harmless(void **state)
{
    (void)state;
    static const char text[] = "abcde\xcc\x81\xef\xac\x81" LONG_SPACE "\xc2\xa8\xff\x01";
    struct bytes blob = small_charsmap(pairs);
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        size_t size = round % 2 ? blob.size : 1 + seed % blob.size;
        unsigned char *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, blob.data, size);
        for (int flip = 0; flip < 8; flip++) {
            seed = seed * 1664525 + 1013904223;
            /* within the used units, which are few, as a rule */
            copy[(seed >> 8) % (flip % 2    ? size
                                : size < 64 ? size
                                            : 64)] ^= (unsigned char)(1u << seed % 8);
        }
        struct charsmap map;
        struct error error;
        struct arena *arena = arena_create(1 << 12, 0);
        struct text_builder builder;
        text_builder_begin(&builder, arena, 0, true);
        if (charsmap_open(&map, copy, size, &error) == OK)
            precompiled_text_put(&map, (const unsigned char *)text, sizeof text - 1,
                                 &builder);
        else
            assert_non_null(strstr(error.text, "damaged"));
        arena_destroy(arena);
        free(copy);
    }
    bytes_clear(&blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_or_the_shortest_key_is_found),
        cmocka_unit_test(ascii_is_plain_where_nothing_changes_it),
        cmocka_unit_test(an_empty_map_finds_nothing),
        cmocka_unit_test(sentencepiece_takes_the_longest_key),
        cmocka_unit_test(text_taken_in_one_go_is_the_same),
        cmocka_unit_test(hugging_face_looks_up_graphemes_and_takes_the_shortest_key),
        cmocka_unit_test(a_damaged_map_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
