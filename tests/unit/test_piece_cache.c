/* test_piece_cache.c - the cache of pieces: keys, both tables, what takes whose place */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/arena.h"
#include "stages/kernels/piece_cache.h"

static struct piece_key key_of(const char *piece)
{
    return piece_key_copy((const unsigned char *)piece, strlen(piece));
}

static void keys_hold_bytes_and_size(void **state)
{
    (void)state;
    static const unsigned char text[32] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t size = 1; size <= PIECE_KEY_MAX; size++) {
        unsigned char wanted[16] = {0};
        memcpy(wanted, text, size);
        wanted[15] = (unsigned char)size;
        struct piece_key loaded = piece_key_load(text, size);
        struct piece_key copied = piece_key_copy(text, size);
        assert_memory_equal(&loaded, wanted, 16);
        assert_memory_equal(&copied, wanted, 16);
    }
    struct piece_key one = piece_key_copy((const unsigned char *)"\0", 1);
    struct piece_key two = piece_key_copy((const unsigned char *)"\0\0", 2);
    assert_memory_not_equal(&one, &two, sizeof one);
}

static void small_pieces_come_back_with_their_ids(void **state)
{
    (void)state;
    struct piece_cache cache;
    struct arena *arena = arena_create(1 << 16, 0);
    assert_true(piece_cache_init(&cache, arena));
    static const uint32_t ids[] = {7, 8, 9, 10, 11};
    for (size_t count = 1; count <= PIECE_INLINE_IDS; count++) {
        char piece[8] = "piece_";
        piece[5] = (char)('0' + count);
        struct piece_key key = key_of(piece);
        size_t slot = piece_key_slot(key);
        assert_null(piece_cache_find(&cache, key, slot));
        piece_cache_put(&cache, key, slot, ids, count);
        const struct piece_slot *found = piece_cache_find(&cache, key, slot);
        assert_non_null(found);
        assert_int_equal(found->ids[0] >> PIECE_COUNT_SHIFT, count);
        assert_int_equal(found->ids[0] & ((1u << PIECE_COUNT_SHIFT) - 1), 7);
        assert_memory_equal(found->ids + 1, ids + 1, (count - 1) * sizeof *ids);
    }
    struct piece_key many = key_of("five ids");
    piece_cache_put(&cache, many, piece_key_slot(many), ids, 5);
    const struct piece_slot *marker =
        piece_cache_find(&cache, many, piece_key_slot(many));
    assert_non_null(marker);
    assert_int_equal(marker->ids[0] >> PIECE_COUNT_SHIFT, PIECE_IN_LARGE);
    arena_destroy(arena);
}

static void a_full_line_uses_its_neighbour_before_a_slot_gives_way(void **state)
{
    (void)state;
    struct piece_cache cache;
    struct arena *arena = arena_create(1 << 16, 0);
    assert_true(piece_cache_init(&cache, arena));
    static const uint32_t id[] = {1};
    struct piece_key keys[5]; /* as if all had the same hash */
    static const char *const pieces[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) {
        keys[i] = key_of(pieces[i]);
        piece_cache_put(&cache, keys[i], 4, id, 1);
    }
    assert_non_null(piece_cache_find(&cache, keys[0], 4));
    assert_null(piece_cache_find(&cache, keys[1], 4)); /* gave way */
    assert_non_null(piece_cache_find(&cache, keys[2], piece_key_other_slot(4)));
    assert_non_null(piece_cache_find(&cache, keys[3], piece_key_other_slot(4)));
    assert_non_null(piece_cache_find(&cache, keys[4], 4));
    arena_destroy(arena);
}

static void put_large(struct piece_cache *cache, const unsigned char *piece, size_t size,
                      const uint32_t *ids, size_t count)
{
    piece_cache_put_large(cache, piece_large_hash(piece, size), piece, size, ids, count);
}

static size_t find_large(const struct piece_cache *cache, const unsigned char *piece,
                         size_t size, uint32_t *ids)
{
    return piece_cache_find_large(cache, piece_large_hash(piece, size), piece, size, ids);
}

static void large_pieces_come_back_with_their_ids(void **state)
{
    (void)state;
    enum { LONG = 1000, MANY = 300 };
    struct piece_cache cache;
    struct arena *arena = arena_create(1 << 16, 0);
    assert_true(piece_cache_init(&cache, arena));
    unsigned char piece[LONG];
    uint32_t ids[MANY], found[MANY];
    memset(piece, 'x', sizeof piece);
    for (uint32_t i = 0; i < MANY; i++)
        ids[i] = 100 + i;
    static const size_t sizes[] = {1,  20,  21, PIECE_LARGE_MAX, PIECE_LARGE_MAX + 1,
                                   63, LONG};
    static const size_t counts[] = {9, 8, 9, PIECE_LARGE_IDS, 1, 17, MANY};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(find_large(&cache, piece, sizes[i], found), 0);
        put_large(&cache, piece, sizes[i], ids, counts[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(find_large(&cache, piece, sizes[i], found), counts[i]);
        assert_memory_equal(found, ids, counts[i] * sizeof *ids);
    }
    arena_destroy(arena);
}

static void a_large_slot_has_its_neighbour_before_it_gives_way(void **state)
{
    (void)state;
    struct piece_cache cache;
    struct arena *arena = arena_create(1 << 16, 0);
    assert_true(piece_cache_init(&cache, arena));
    static const size_t sizes[] = {PIECE_LARGE_MAX, PIECE_LARGE_MAX + 9};
    static const unsigned char pieces[3][PIECE_LARGE_MAX + 9] = {"one", "two", "three"};
    uint32_t ids[] = {7, 8, 9}, found[PIECE_LARGE_IDS];
    for (size_t s = 0; s < 2; s++) {
        size_t size = sizes[s];
        for (size_t i = 0; i < 3; i++) /* as if all had the same hash */
            piece_cache_put_large(&cache, 6, pieces[i], size, ids + i, 1);
        assert_int_equal(piece_cache_find_large(&cache, 6, pieces[0], size, found), 1);
        assert_int_equal(found[0], 7);
        assert_int_equal(piece_cache_find_large(&cache, 6, pieces[1], size, found), 0);
        assert_int_equal(piece_cache_find_large(&cache, 6, pieces[2], size, found), 1);
        assert_int_equal(found[0], 9);
    }
    arena_destroy(arena);
}

/* Long pieces without end: those that came last are there, and no other's ids. */
static void a_full_store_is_emptied(void **state)
{
    (void)state;
    enum { SIZE = 3000, PIECES = 4000 };
    struct piece_cache cache;
    struct arena *arena = arena_create(1 << 16, 0);
    assert_true(piece_cache_init(&cache, arena));
    unsigned char piece[SIZE] = {0};
    uint32_t ids[SIZE], found[SIZE];
    size_t kept = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        memcpy(piece, &i, sizeof i);
        for (uint32_t k = 0; k < i % SIZE + 1; k++)
            ids[k] = i + k;
        put_large(&cache, piece, SIZE, ids, i % SIZE + 1);
        assert_int_equal(find_large(&cache, piece, SIZE, found), i % SIZE + 1);
        assert_true(cache.store_used <= PIECE_STORE_SIZE / sizeof *cache.store);
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        memcpy(piece, &i, sizeof i);
        size_t count = find_large(&cache, piece, SIZE, found);
        assert_true(count == 0 ||
                    (count == i % SIZE + 1 && found[count - 1] == i + count - 1));
        kept += count > 0;
    }
    assert_in_range(kept, 100, PIECES / 2);
    piece_cache_put_large(&cache, 1, piece, PIECE_STORE_SIZE, ids, 1); /* not looked at */
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_hold_bytes_and_size),
        cmocka_unit_test(small_pieces_come_back_with_their_ids),
        cmocka_unit_test(a_full_line_uses_its_neighbour_before_a_slot_gives_way),
        cmocka_unit_test(large_pieces_come_back_with_their_ids),
        cmocka_unit_test(a_large_slot_has_its_neighbour_before_it_gives_way),
        cmocka_unit_test(a_full_store_is_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
