/* test_word_cut.c - texts are cut between words, and never inside what a piece joins */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/arena.h"
#include "stages/kernels/word_cut.h"

#define S "\xe2\x96\x81"

static struct arena *open_cut(const char *const *pieces, struct word_cut *cut)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct cut_piece list[32];
    struct image_section section;
    struct error error;
    size_t count = 0;
    for (; pieces[count]; count++)
        list[count] = (struct cut_piece){(const unsigned char *)pieces[count],
                                         strlen(pieces[count])};
    assert_int_equal(word_cut_build(list, count, arena, &section, &error), OK);
    assert_true(word_cut_open(&section, cut));
    return arena;
}

/* The parts of the text with '|' between them. */
static void check_parts(const struct word_cut *cut, const char *text, const char *wanted)
{
    char parts[512];
    size_t used = 0, begin = 0;
    struct word_cursor cursor = {.text = (const unsigned char *)text,
                                 .size = strlen(text)};
    while (cursor.at < cursor.size) {
        size_t end = word_cut_next(cut, &cursor);
        assert_true(end > begin && end <= cursor.size);
        memcpy(parts + used, text + begin, end - begin);
        used += end - begin;
        parts[used++] = '|';
        begin = end;
    }
    parts[used] = 0;
    assert_string_equal(parts, wanted);
}

static void words_are_cut_in_front_of_their_spaces(void **state)
{
    (void)state;
    static const char *const pieces[] = {S "the", "ab", S S, NULL};
    struct word_cut cut;
    struct arena *arena = open_cut(pieces, &cut);
    assert_true(cut.has_spaces);
    check_parts(&cut, S "the" S "cat", S "the|" S "cat|");
    check_parts(&cut, "a" S S S "b" S, "a|" S S S "b|" S "|");
    check_parts(&cut, "abc", "abc|");
    check_parts(&cut, S, S "|");
    arena_destroy(arena);
}

static void long_words_are_cut_where_no_piece_joins(void **state)
{
    (void)state;
    static const char *const pieces[] = {"aa", "bb", S "a", "\xe4\xb8\xad\xe6\x96\x87",
                                         NULL};
    struct word_cut cut;
    struct arena *arena = open_cut(pieces, &cut);
    check_parts(&cut, "aaaaaaaaaaabbbbbbbbbbbb", "aaaaaaaaaaa|bbbbbbbbbbbb|");
    check_parts(&cut, S "aaaaaaaaaaabbbbbbbbbbb", S "aaaaaaaaaaa|bbbbbbbbbbb|");
    /* of other scripts also shorter ones, down to six bytes */
    check_parts(&cut, "\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe4\xb8\xad",
                "\xe4\xb8\xad\xe6\x96\x87|\xe4\xb8\xad\xe4\xb8\xad|");
    arena_destroy(arena);
}

static void spaces_that_a_piece_joins_to_a_word_stay(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a" S, "b" S "c", NULL};
    struct word_cut cut;
    struct arena *arena = open_cut(pieces, &cut);
    assert_false(cut.has_spaces);
    check_parts(&cut, "a" S "b" S "c" S "d", "a" S "|b" S "c|" S "|d|");
    arena_destroy(arena);
}

static void bytes_that_are_no_text_are_characters(void **state)
{
    (void)state;
    static const char *const pieces[] = {"ab", NULL};
    struct word_cut cut;
    struct arena *arena = open_cut(pieces, &cut);
    check_parts(&cut, "\xff\xfe\x80\x80\xe2\x96\xf0\x9f",
                "\xff|\xfe|\x80\x80\xe2\x96\xf0\x9f|");
    assert_int_equal(word_character((const unsigned char *)"\xe2\x96\x81", 3), 3);
    assert_int_equal(word_character((const unsigned char *)"\xe2\x96\x81", 2), 1);
    assert_true(word_is_text((const unsigned char *)"a\xc3\xa9", 3));
    assert_false(word_is_text((const unsigned char *)"a\xc3", 2));
    arena_destroy(arena);
}

/* The time of a text that is all spaces, or has none, is linear: a walk that looked ahead
 * again and again would not end. */
static void long_runs_take_linear_time(void **state)
{
    (void)state;
    static const char *const pieces[] = {S "the", "ab", NULL};
    enum { SIZE = 3 << 20 };
    struct word_cut cut;
    struct arena *arena = open_cut(pieces, &cut);
    unsigned char *text = arena_alloc(arena, SIZE, 1, 1);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < SIZE; i += 3)
            memcpy(text + i, kind ? S : "\xe4\xb8\xad", 3);
        struct word_cursor cursor = {.text = text, .size = SIZE};
        size_t parts = 0;
        for (; cursor.at < cursor.size; parts++)
            (void)word_cut_next(&cut, &cursor);
        assert_true(parts >= SIZE / 3 - 32); /* the last ones need no cut */
    }
    arena_destroy(arena);
}

static void damaged_tables_are_refused(void **state)
{
    (void)state;
    static const uint64_t table[8 + 256 + 16] = {1, 54};
    struct word_cut cut;
    struct image_section section = {table, sizeof table};
    assert_true(word_cut_open(&section, &cut));
    section.size -= 8;
    assert_false(word_cut_open(&section, &cut));
    section.size = 64;
    assert_false(word_cut_open(&section, &cut));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_cut_in_front_of_their_spaces),
        cmocka_unit_test(long_words_are_cut_where_no_piece_joins),
        cmocka_unit_test(spaces_that_a_piece_joins_to_a_word_stay),
        cmocka_unit_test(bytes_that_are_no_text_are_characters),
        cmocka_unit_test(long_runs_take_linear_time),
        cmocka_unit_test(damaged_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
