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
        cmocka_unit_test(hugging_face_looks_up_graphemes_and_takes_the_shortest_key),
        cmocka_unit_test(a_damaged_map_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
