/* test_piece_table.c - counted pieces: exact, bounded, the same bytes in any grouping */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/hash.h"
#include "stages/kernels/piece_table.h"
#include "stages/kernels/splitter.h"

enum { TEXTS = 300, TEXT_MAX = 600, PLAIN_MAX = 60000 };

struct text {
    unsigned char data[TEXT_MAX];
    size_t size;
};

static struct text texts[TEXTS];

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* Words of a few letters, some long, with numbers and line ends between. */
static void make_texts(uint64_t seed)
{
    for (int i = 0; i < TEXTS; i++) {
        size_t size = random_next(&seed) % TEXT_MAX, at = 0;
        while (at < size) {
            size_t word = random_next(&seed) % 40 == 0 ? 60 : random_next(&seed) % 6;
            for (size_t k = 0; k <= word && at < size; k++)
                texts[i].data[at++] = (unsigned char)('a' + random_next(&seed) % 9);
            if (at < size)
                texts[i].data[at++] = (unsigned char)" \n7,"[random_next(&seed) % 4];
        }
        texts[i].size = size;
    }
}

static struct piece_table *open_table(enum piece_cut cut, uint64_t memory_limit)
{
    struct piece_table_options options = {cut, SPLIT_R50K, memory_limit};
    struct piece_table *table = NULL;
    assert_int_equal(piece_table_create(&options, &table, NULL), OK);
    return table;
}

static void add(struct piece_table *table, const void *text, size_t size)
{
    assert_int_equal(piece_table_add_text(table, text, size, NULL), OK);
}

static struct bytes save(const struct piece_table *table)
{
    struct bytes saved = {0};
    assert_int_equal(piece_table_save(table, &saved, NULL), OK);
    return saved;
}

static void assert_equal_bytes(const struct bytes *a, const struct bytes *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
}

/* ---- plain reference: a list of pieces, searched from the front ---- */

struct plain {
    struct byte_span {
        const unsigned char *bytes;
        size_t size;
        uint64_t count;
    } items[PLAIN_MAX];
    size_t count;
};

static void plain_add(struct plain *plain, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < plain->count; i++) {
        if (plain->items[i].size == size &&
            memcmp(plain->items[i].bytes, bytes, size) == 0) {
            plain->items[i].count++;
            return;
        }
    }
    assert_true(plain->count < PLAIN_MAX);
    plain->items[plain->count++] = (struct byte_span){bytes, size, 1};
}

static void plain_add_text(struct plain *plain, const struct text *text)
{
    size_t ends[TEXT_MAX], at = 0, begin = 0, count;
    while ((count = split_pieces(SPLIT_R50K, text->data, text->size, &at, ends,
                                 TEXT_MAX)) > 0) {
        for (size_t i = 0; i < count; begin = ends[i++])
            plain_add(plain, text->data + begin, ends[i] - begin);
    }
}

static unsigned plain_level(const struct text *text)
{
    uint64_t hash = hash64(text->data, text->size, 0);
    unsigned level = 0;
    while (level + 1 < PIECE_LEVELS && hash % 4 == 0) {
        hash /= 4;
        level++;
    }
    return level;
}

static void assert_same_counts(const struct piece_table *table, const struct plain *plain)
{
    struct arena *arena = arena_create(1 << 16, 0);
    const struct counted_piece *pieces;
    size_t count;
    assert_int_equal(piece_table_list(table, arena, &pieces, &count, NULL), OK);
    assert_int_equal(count, plain->count);
    for (size_t i = 0; i < count; i++) {
        bool is_found = false;
        for (size_t k = 0; k < plain->count && !is_found; k++) {
            is_found =
                plain->items[k].size == pieces[i].size &&
                memcmp(plain->items[k].bytes, pieces[i].bytes, pieces[i].size) == 0;
            if (is_found)
                assert_int_equal(plain->items[k].count, pieces[i].count);
        }
        assert_true(is_found);
        if (i > 0) {
            size_t least =
                pieces[i - 1].size < pieces[i].size ? pieces[i - 1].size : pieces[i].size;
            int order = memcmp(pieces[i - 1].bytes, pieces[i].bytes, least);
            assert_true(order < 0 || (order == 0 && pieces[i - 1].size < pieces[i].size));
        }
    }
    arena_destroy(arena);
}

/* ---- cases ---- */

static void counts_are_those_of_a_plain_list(void **state)
{
    (void)state;
    struct plain *plain = calloc(1, sizeof *plain);
    struct piece_table *table = open_table(PIECES_PATTERN, 1 << 30);
    assert_non_null(plain);
    make_texts(1);
    for (int i = 0; i < 60; i++) {
        plain_add_text(plain, &texts[i]);
        add(table, texts[i].data, texts[i].size);
    }
    assert_same_counts(table, plain);
    assert_int_equal(piece_table_describe(table).texts, 60);
    assert_int_equal(piece_table_describe(table).sampled_texts, 60);
    piece_table_destroy(table);
    free(plain);
}

static void sampling_keeps_exact_counts_of_the_upper_levels(void **state)
{
    (void)state;
    struct plain *plain = calloc(1, sizeof *plain);
    struct piece_table *table = open_table(PIECES_PATTERN, PIECE_MEMORY_MIN);
    assert_non_null(plain);
    make_texts(2);
    for (int i = 0; i < TEXTS; i++)
        add(table, texts[i].data, texts[i].size);
    struct piece_table_info info = piece_table_describe(table);
    assert_true(info.level > 0);
    assert_int_equal(info.texts, TEXTS);
    assert_true(info.entries * PIECE_ENTRY_COST < PIECE_MEMORY_MIN);
    uint64_t sampled = 0;
    for (int i = 0; i < TEXTS; i++) {
        if (plain_level(&texts[i]) < info.level)
            continue;
        plain_add_text(plain, &texts[i]);
        sampled++;
    }
    assert_true(sampled > 0);
    assert_int_equal(info.sampled_texts, sampled);
    assert_same_counts(table, plain);
    piece_table_destroy(table);
    free(plain);
}

/* Texts [begin, end) along a random tree: leaves are counted, inner nodes merge what their
 * children saved, in random order. */
static struct bytes save_tree(int begin, int end, uint64_t limit, uint64_t *seed)
{
    struct piece_table *table = open_table(PIECES_PATTERN, limit);
    if (end - begin <= 3 || random_next(seed) % 8 == 0) {
        for (int i = end; i-- > begin;)
            add(table, texts[i].data, texts[i].size);
    } else {
        int middle = begin + 1 + (int)(random_next(seed) % (unsigned)(end - begin - 1));
        struct bytes parts[2] = {save_tree(begin, middle, limit, seed),
                                 save_tree(middle, end, limit, seed)};
        unsigned first = random_next(seed) % 2;
        for (unsigned i = 0; i < 2; i++) {
            const struct bytes *part = &parts[first ^ i];
            assert_int_equal(piece_table_merge(table, part->data, part->size, NULL), OK);
        }
        bytes_clear(&parts[0]);
        bytes_clear(&parts[1]);
    }
    struct bytes saved = save(table);
    piece_table_destroy(table);
    return saved;
}

static void every_grouping_ends_as_the_same_bytes(void **state)
{
    (void)state;
    static const uint64_t limits[] = {PIECE_MEMORY_MIN, 3 * PIECE_MEMORY_MIN, 1 << 30};
    uint64_t seed = 7;
    make_texts(3);
    for (int l = 0; l < 3; l++) {
        struct piece_table *table = open_table(PIECES_PATTERN, limits[l]);
        for (int i = 0; i < TEXTS; i++)
            add(table, texts[i].data, texts[i].size);
        struct bytes expected = save(table);
        piece_table_destroy(table);
        for (int round = 0; round < 12; round++) {
            struct bytes saved = save_tree(0, TEXTS, limits[l], &seed);
            assert_equal_bytes(&saved, &expected);
            bytes_clear(&saved);
        }
        bytes_clear(&expected);
    }
}

static void words_of_sentencepiece_begin_with_its_mark(void **state)
{
    (void)state;
    static const char *const expected[] = {"\xE2\x96\x81"
                                           "\xEF\xBF\xBDz",
                                           "\xE2\x96\x81"
                                           "ab",
                                           "\xE2\x96\x81"
                                           "\xC3\xA9"};
    static const uint64_t counts[] = {1, 3, 1};
    struct piece_table *table = open_table(PIECES_SENTENCEPIECE, 1 << 30);
    struct arena *arena = arena_create(1 << 12, 0);
    const struct counted_piece *pieces;
    size_t count;
    const char *text = "  ab\tab\r\n\xC3\xA9 \xE2\x96\x81\xFFz\xE2\x96\x81"
                       "ab ";
    add(table, text, strlen(text));
    assert_int_equal(piece_table_list(table, arena, &pieces, &count, NULL), OK);
    assert_int_equal(count, 3);
    static const int order[] = {1, 2, 0}; /* by bytes */
    for (size_t i = 0; i < count; i++) {
        const char *word = expected[order[i]];
        assert_int_equal(pieces[i].size, strlen(word));
        assert_memory_equal(pieces[i].bytes, word, strlen(word));
        assert_int_equal(pieces[i].count, counts[order[i]]);
    }
    arena_destroy(arena);
    piece_table_destroy(table);
}

static void pieces_of_a_splitter_are_counted(void **state)
{
    (void)state;
    const unsigned char text[] = "one two one";
    const struct piece items[] = {{0, 3}, {4, 7}, {8, 11}};
    const struct pieces pieces = {
        .text = text, .size = sizeof text - 1, .items = items, .count = 3};
    struct piece_table *table = open_table(PIECES_GIVEN, 1 << 30);
    assert_int_equal(piece_table_add_pieces(table, text, sizeof text - 1, &pieces, NULL),
                     OK);
    struct arena *arena = arena_create(1 << 12, 0);
    const struct counted_piece *list;
    size_t count;
    assert_int_equal(piece_table_list(table, arena, &list, &count, NULL), OK);
    assert_int_equal(count, 2);
    assert_memory_equal(list[0].bytes, "one", 3);
    assert_int_equal(list[0].count, 2);
    assert_int_equal(list[1].count, 1);
    arena_destroy(arena);
    piece_table_destroy(table);
}

static void pieces_of_all_sizes_come_back(void **state)
{
    (void)state;
    static unsigned char text[PIECE_SIZE_MAX + 2];
    struct piece_table *table = open_table(PIECES_PATTERN, 1 << 30);
    for (size_t size = 1; size <= PIECE_SIZE_MAX + 1; size += size < 40 ? 1 : 1014) {
        memset(text, 'x', size);
        add(table, text, size);
        add(table, text, size);
    }
    memset(text, 'x', PIECE_SIZE_MAX + 1);
    add(table, text, PIECE_SIZE_MAX);
    add(table, text, PIECE_SIZE_MAX + 1);
    assert_int_equal(piece_table_describe(table).oversized, 1);
    struct bytes saved = save(table);
    struct piece_table *again = open_table(PIECES_PATTERN, 1 << 30);
    assert_int_equal(piece_table_merge(again, saved.data, saved.size, NULL), OK);
    struct bytes second = save(again);
    assert_equal_bytes(&saved, &second);
    struct arena *arena = arena_create(1 << 12, 0);
    const struct counted_piece *list;
    size_t count;
    assert_int_equal(piece_table_list(again, arena, &list, &count, NULL), OK);
    assert_int_equal(list[0].count, 2);
    assert_int_equal(list[count - 1].size, PIECE_SIZE_MAX);
    arena_destroy(arena);
    bytes_clear(&saved);
    bytes_clear(&second);
    piece_table_destroy(again);
    piece_table_destroy(table);
}

static void a_cut_or_prolonged_table_is_refused(void **state)
{
    (void)state;
    struct piece_table *table = open_table(PIECES_PATTERN, 1 << 30);
    add(table, "one two three one", 17);
    struct bytes saved = save(table);
    piece_table_destroy(table);
    bytes_put_u8(&saved, 0);
    for (size_t size = 0; size <= saved.size; size++) {
        struct piece_table *again = open_table(PIECES_PATTERN, 1 << 30);
        unsigned char *exact = malloc(size + (size == 0));
        assert_non_null(exact);
        memcpy(exact, saved.data, size);
        assert_int_equal(piece_table_merge(again, exact, size, NULL),
                         size == saved.size - 1 ? OK : ERROR_DAMAGED);
        free(exact);
        piece_table_destroy(again);
    }
    bytes_clear(&saved);
}

static void tables_of_other_options_are_refused(void **state)
{
    (void)state;
    struct piece_table *table = open_table(PIECES_PATTERN, 1 << 30);
    struct piece_table *other = open_table(PIECES_SENTENCEPIECE, 1 << 30);
    struct bytes saved = save(table);
    struct error error;
    assert_int_equal(piece_table_merge(other, saved.data, saved.size, &error),
                     ERROR_CONFIG);
    struct piece_table_options tight = {PIECES_PATTERN, SPLIT_R50K, 1000};
    assert_int_equal(piece_table_create(&tight, &table, &error), ERROR_CONFIG);
    bytes_clear(&saved);
    piece_table_destroy(table);
    piece_table_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_a_plain_list),
        cmocka_unit_test(sampling_keeps_exact_counts_of_the_upper_levels),
        cmocka_unit_test(every_grouping_ends_as_the_same_bytes),
        cmocka_unit_test(words_of_sentencepiece_begin_with_its_mark),
        cmocka_unit_test(pieces_of_a_splitter_are_counted),
        cmocka_unit_test(pieces_of_all_sizes_come_back),
        cmocka_unit_test(a_cut_or_prolonged_table_is_refused),
        cmocka_unit_test(tables_of_other_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
