/* test_word_cache.c - words are found again with what was noted, and only they */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/word_batch.h"

#define S "\xe2\x96\x81"

static struct word_key key_of(const char *word)
{
    size_t size = strlen(word);
    unsigned char *copy = malloc(size);
    memcpy(copy, word, size);
    struct word_key key = word_key_of(copy, size, size);
    free(copy);
    return key;
}

static size_t slot_of(struct word_key key, const char *word)
{
    return key.high ? word_key_slot(key)
                    : word_large_slot((const unsigned char *)word, strlen(word));
}

static void put(struct word_cache *cache, const char *word, uint32_t first, size_t count)
{
    uint32_t ids[WORD_LARGE_IDS + 1];
    struct word_key key = key_of(word);
    for (size_t i = 0; i < count; i++)
        ids[i] = first + (uint32_t)i;
    word_cache_put(cache, key, slot_of(key, word), (const unsigned char *)word,
                   strlen(word), ids, count, 200);
}

static void check(struct word_cache *cache, const char *word, uint32_t first,
                  size_t count)
{
    uint32_t ids[WORD_LARGE_IDS] = {0};
    struct word_key key = key_of(word);
    struct word_found found = word_cache_find_slowly(
        cache, key, slot_of(key, word), (const unsigned char *)word, strlen(word), ids);
    assert_int_equal(found.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ids[i], first + i);
    if (count > 0)
        assert_int_equal(found.limit, 200);
}

static void keys_differ_where_words_do(void **state)
{
    (void)state;
    static const char *const words[] = {"a",
                                        "aa",
                                        S,
                                        S "a",
                                        S S,
                                        S S "a",
                                        "abcdefgh",
                                        "abcdefghi",
                                        "abcdefghijklmno",
                                        S "abcdefghijklmno",
                                        "b"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct word_key one = key_of(words[i]);
        assert_true(one.high != 0);
        for (size_t j = 0; j < i; j++) {
            struct word_key other = key_of(words[j]);
            assert_true(one.low != other.low || one.high != other.high);
        }
    }
    assert_true(key_of("abcdefghijklmnop").high == 0);
    /* the key does not depend on what stands behind the word */
    struct word_key key =
        word_key_of((const unsigned char *)"abcdefghijklmnopqrst", 3, 20);
    struct word_key same = key_of("abc");
    assert_true(key.low == same.low && key.high == same.high);
}

static void words_of_all_sizes_are_remembered(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 20, 0);
    struct word_cache cache;
    char word[WORD_LARGE_MAX + 2];
    assert_true(word_cache_init(&cache, 1 << 20, arena));
    for (size_t size = 1; size <= WORD_LARGE_MAX + 1; size++) {
        memset(word, 'w', size);
        word[size] = 0;
        check(&cache, word, 0, 0);
        put(&cache, word, (uint32_t)size * 100, 1 + size % WORD_LARGE_IDS);
        check(&cache, word, (uint32_t)size * 100,
              size <= WORD_LARGE_MAX ? 1 + size % WORD_LARGE_IDS : 0);
    }
    put(&cache, "many", 1, WORD_LARGE_IDS + 1);
    check(&cache, "many", 0, 0);
    put(&cache, "again", 1, 2);
    put(&cache, "again", 5, 3);
    check(&cache, "again", 5, 3);
    arena_destroy(arena);
}

static void a_full_table_forgets_and_does_not_mix(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 20, 0);
    struct word_cache cache;
    char word[16];
    size_t kept = 0;
    enum { WORDS = 1 << 20 };
    assert_true(word_cache_init(&cache, 1 << 20, arena));
    for (uint32_t i = 0; i < WORDS; i++) {
        (void)snprintf(word, sizeof word, "w%u", i);
        put(&cache, word, i, 1);
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t ids[WORD_LARGE_IDS];
        (void)snprintf(word, sizeof word, "w%u", i);
        struct word_key key = key_of(word);
        struct word_found found =
            word_cache_find_slowly(&cache, key, slot_of(key, word),
                                   (const unsigned char *)word, strlen(word), ids);
        kept += found.count;
        if (found.count > 0)
            assert_int_equal(ids[0], i);
    }
    assert_true(kept > WORDS / 4 && kept < WORDS);
    arena_destroy(arena);
}

static void a_batch_holds_the_words_of_a_text(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 20, 0);
    struct cut_piece piece = {(const unsigned char *)"ab", 2};
    struct image_section section;
    struct word_cut cut;
    struct word_cache cache;
    struct error error;
    static struct word_batch batch;
    enum { WORDS = 600, SIZE = 5 };
    unsigned char text[WORDS * SIZE];
    for (size_t i = 0; i < WORDS; i++)
        memcpy(text + i * SIZE, S "ab", SIZE);
    assert_int_equal(word_cut_build(&piece, 1, arena, &section, &error), OK);
    assert_true(word_cut_open(&section, &cut) && word_cache_init(&cache, 1 << 20, arena));
    word_batch_open(&batch, text, sizeof text);
    assert_int_equal(word_batch_fill(&cut, &cache, &batch), WORD_BATCH);
    assert_int_equal(batch.words[0].end, SIZE);
    assert_int_equal(batch.words[WORD_BATCH - 1].end, SIZE * WORD_BATCH);
    assert_int_equal(word_batch_begin(&batch, 0), 0);
    assert_int_equal(word_batch_fill(&cut, &cache, &batch), WORD_BATCH);
    assert_int_equal(word_batch_begin(&batch, 0), SIZE * WORD_BATCH);
    assert_int_equal(word_batch_fill(&cut, &cache, &batch), WORDS - 2 * WORD_BATCH);
    assert_int_equal(word_batch_fill(&cut, &cache, &batch), 0);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_differ_where_words_do),
        cmocka_unit_test(words_of_all_sizes_are_remembered),
        cmocka_unit_test(a_full_table_forgets_and_does_not_mix),
        cmocka_unit_test(a_batch_holds_the_words_of_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
