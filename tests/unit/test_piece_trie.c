/* test_piece_trie.c - pieces go in and are found, others are not */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/piece_trie.h"

static void build(struct trie_piece *pieces, size_t count, struct arena *arena,
                  struct piece_trie *trie)
{
    const uint64_t *cells;
    size_t cell_count;
    struct error error;
    assert_int_equal(piece_trie_build(pieces, count, arena, &cells, &cell_count, &error),
                     OK);
    assert_true(piece_trie_open(cells, cell_count * sizeof *cells, trie));
}

static uint32_t find(const struct piece_trie *trie, const char *text)
{
    return piece_trie_find(trie, (const unsigned char *)text, strlen(text));
}

static struct trie_piece piece(const char *text, uint32_t value)
{
    return (struct trie_piece){(const unsigned char *)text, strlen(text), value};
}

static void pieces_and_nothing_else_are_found(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct trie_piece pieces[] = {piece("the", 5), piece("t", 0), piece("them", 7),
                                  piece("\xff\xfe", 1)};
    struct piece_trie trie;
    build(pieces, 4, arena, &trie);
    assert_int_equal(find(&trie, "the"), 5);
    assert_int_equal(find(&trie, "t"), 0);
    assert_int_equal(find(&trie, "them"), 7);
    assert_int_equal(find(&trie, "\xff\xfe"), 1);
    assert_int_equal(find(&trie, "th"), TRIE_NONE);
    assert_int_equal(find(&trie, "theme"), TRIE_NONE);
    assert_int_equal(find(&trie, "x"), TRIE_NONE);
    uint32_t value = 99;
    const unsigned char *text = (const unsigned char *)"thematic";
    assert_int_equal(piece_trie_longest(&trie, text, 8, &value), 4);
    assert_int_equal(value, 7);
    assert_int_equal(piece_trie_longest(&trie, text, 2, &value), 1);
    assert_int_equal(piece_trie_longest(&trie, text + 1, 7, &value), 0);
    arena_destroy(arena);
}

static void no_piece_at_all_is_allowed(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct piece_trie trie;
    build(NULL, 0, arena, &trie);
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char text = (unsigned char)byte;
        assert_int_equal(piece_trie_find(&trie, &text, 1), TRIE_NONE);
    }
    arena_destroy(arena);
}

/* Free cells are all zero: no way may lead through them back to the root. */
static void zero_bytes_lead_nowhere(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct trie_piece pieces[] = {piece("a", 1), piece("ab", 2)};
    struct piece_trie trie;
    uint32_t value = 0;
    build(pieces, 2, arena, &trie);
    for (size_t zeros = 1; zeros < 5; zeros++) {
        unsigned char text[8] = "a";
        text[1 + zeros] = 'a';
        assert_int_equal(piece_trie_find(&trie, text, 2 + zeros), TRIE_NONE);
        assert_int_equal(piece_trie_longest(&trie, text, 2 + zeros, &value), 1);
    }
    arena_destroy(arena);
}

static void of_equal_pieces_the_largest_value_counts(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct trie_piece pieces[] = {piece("a", 9), piece("a", 3), piece("ab", 4)};
    struct piece_trie trie;
    build(pieces, 3, arena, &trie);
    assert_int_equal(find(&trie, "a"), 9);
    assert_int_equal(find(&trie, "ab"), 4);
    arena_destroy(arena);
}

static void values_that_are_too_large_are_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct trie_piece pieces[] = {piece("a", TRIE_VALUE_MAX + 1)};
    const uint64_t *cells;
    size_t count;
    struct error error;
    assert_int_equal(piece_trie_build(pieces, 1, arena, &cells, &count, &error),
                     ERROR_CONFIG);
    arena_destroy(arena);
}

/* All words of three letters of 40, but those that are left out. */
static void many_pieces_are_told_apart(void **state)
{
    (void)state;
    enum { LETTERS = 40, WORDS = LETTERS * LETTERS * LETTERS };
    struct arena *arena = arena_create(1 << 20, 0);
    unsigned char(*words)[3] = malloc(WORDS * sizeof *words);
    struct trie_piece *pieces = malloc(WORDS * sizeof *pieces);
    size_t count = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        words[i][0] = (unsigned char)(i % LETTERS * 6);
        words[i][1] = (unsigned char)(i / LETTERS % LETTERS * 5 + 1);
        words[i][2] = (unsigned char)(i / LETTERS / LETTERS * 4 + 3);
        if (i % 7 != 0)
            pieces[count++] = (struct trie_piece){words[i], 1 + i % 3, i};
    }
    struct piece_trie trie;
    build(pieces, count, arena, &trie);
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t found = piece_trie_find(&trie, words[i], 3);
        if (i % 7 != 0 && i % 3 == 2)
            assert_int_equal(found, i);
        else
            assert_int_equal(found, TRIE_NONE);
    }
    free(words);
    free(pieces);
    arena_destroy(arena);
}

static void cells_of_a_wrong_size_are_refused(void **state)
{
    (void)state;
    static const uint64_t cells[257];
    struct piece_trie trie;
    assert_false(piece_trie_open(cells, 0, &trie));
    assert_false(piece_trie_open(cells, sizeof cells, &trie));
    assert_true(piece_trie_open(cells, 256 * sizeof *cells, &trie));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_and_nothing_else_are_found),
        cmocka_unit_test(no_piece_at_all_is_allowed),
        cmocka_unit_test(zero_bytes_lead_nowhere),
        cmocka_unit_test(of_equal_pieces_the_largest_value_counts),
        cmocka_unit_test(values_that_are_too_large_are_refused),
        cmocka_unit_test(many_pieces_are_told_apart),
        cmocka_unit_test(cells_of_a_wrong_size_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
