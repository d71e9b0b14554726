/* test_prefix_trie.c - the double array against a plain search */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "stages/kernels/prefix_trie.h"

enum { KEYS = 3000, KEY_MAX = 12 };

struct keys {
    struct trie_key list[KEYS], kept[KEYS];
    unsigned char bytes[KEYS][KEY_MAX];
    size_t count;
};

/* Of a small alphabet with 0 and 255 in it, so that many share beginnings. */
static void make_keys(struct keys *keys, uint32_t seed, unsigned alphabet)
{
    for (size_t i = 0; i < keys->count; i++) {
        size_t size = 1 + (seed >> 16) % KEY_MAX;
        for (size_t k = 0; k < size; k++) {
            seed = seed * 1664525 + 1013904223;
            keys->bytes[i][k] = (unsigned char)(0u - (seed >> 20) % alphabet);
        }
        keys->list[i] = (struct trie_key){keys->bytes[i], size, (uint32_t)i};
        seed = seed * 1664525 + 1013904223;
    }
    memcpy(keys->kept, keys->list, sizeof keys->list);
}

/* The longest key that the text begins with, of equal ones the last. */
static size_t search(const struct keys *keys, const unsigned char *text, size_t size,
                     uint32_t *value)
{
    size_t best = 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct trie_key *key = keys->kept + i;
        if (key->size <= size && key->size >= best &&
            memcmp(text, key->bytes, key->size) == 0) {
            best = key->size;
            *value = key->value;
        }
    }
    return best;
}

static void check_keys(struct keys *keys, uint32_t seed, unsigned alphabet)
{
    struct bytes image = {0};
    struct error error;
    struct prefix_trie trie;
    make_keys(keys, seed, alphabet);
    assert_int_equal(prefix_trie_build(keys->list, keys->count, &image, &error), OK);
    assert_int_equal(prefix_trie_open(&trie, image.data, image.size, &error), OK);
    for (int round = 0; round < 2000; round++) {
        unsigned char text[16];
        size_t size = (size_t)(round % 17);
        for (size_t i = 0; i < size; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = (unsigned char)(0u - (seed >> 20) % alphabet);
        }
        uint32_t value = 0, wanted = 0;
        size_t found =
            prefix_trie_longest(&trie, prefix_trie_root(&trie), text, size, &value);
        assert_int_equal(found, search(keys, text, size, &wanted));
        assert_int_equal(value, wanted);
    }
    bytes_clear(&image);
}

static void the_longest_key_is_found(void **state)
{
    (void)state;
    static struct keys keys;
    static const size_t counts[] = {0, 1, 2, 30, KEYS};
    for (uint32_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        keys.count = counts[i];
        check_keys(&keys, i + 1, 2);
        check_keys(&keys, i + 1, 7);
        check_keys(&keys, i + 1, 256);
    }
}

static void a_long_key_is_found(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    unsigned char *bytes = calloc(SIZE, 1);
    assert_non_null(bytes);
    struct trie_key key = {bytes, SIZE, 7};
    struct bytes image = {0};
    struct error error;
    struct prefix_trie trie;
    uint32_t value = 0;
    assert_int_equal(prefix_trie_build(&key, 1, &image, &error), OK);
    assert_int_equal(prefix_trie_open(&trie, image.data, image.size, &error), OK);
    assert_int_equal(
        prefix_trie_longest(&trie, prefix_trie_root(&trie), bytes, SIZE, &value), SIZE);
    assert_int_equal(value, 7);
    assert_int_equal(
        prefix_trie_longest(&trie, prefix_trie_root(&trie), bytes, SIZE - 1, &value), 0);
    bytes_clear(&image);
    free(bytes);
}

static void a_damaged_image_is_refused_or_harmless(void **state)
{
    (void)state;
    static struct keys keys = {.count = 50};
    struct bytes image = {0};
    struct error error;
    struct prefix_trie trie;
    uint32_t seed = 5, value;
    make_keys(&keys, 3, 256);
    assert_int_equal(prefix_trie_build(keys.list, keys.count, &image, &error), OK);
    assert_int_equal(prefix_trie_open(&trie, image.data, image.size - 1, &error),
                     ERROR_DAMAGED);
    assert_int_equal(prefix_trie_open(&trie, image.data, 0, &error), ERROR_DAMAGED);
    for (int round = 0; round < 2000; round++) {
        seed = seed * 1664525 + 1013904223;
        image.data[(seed >> 4) % image.size] ^= (unsigned char)(1u << (seed >> 28) % 8);
        if (prefix_trie_open(&trie, image.data, image.size, &error) != OK)
            continue;
        for (size_t i = 0; i < keys.count; i++)
            (void)prefix_trie_longest(&trie, prefix_trie_root(&trie), keys.kept[i].bytes,
                                      keys.kept[i].size, &value);
    }
    bytes_clear(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_key_is_found),
        cmocka_unit_test(a_long_key_is_found),
        cmocka_unit_test(a_damaged_image_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
