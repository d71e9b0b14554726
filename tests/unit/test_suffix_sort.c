/* test_suffix_sort.c - suffixes in order, against comparing all of them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/suffix_sort.h"

enum { SYMBOLS = 3000 };

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static int plain_compare(const uint32_t *a, const uint32_t *b, uint32_t depth,
                         uint32_t *shared)
{
    for (uint32_t i = 0; i < depth; i++) {
        *shared = i;
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
        if (a[i] == 0)
            return 0;
    }
    *shared = depth;
    return 0;
}

static void check(uint32_t *symbols, size_t count, uint32_t symbol_max, uint32_t depth)
{
    static unsigned char is_there[SYMBOLS];
    struct arena *arena = arena_create(1 << 16, 0);
    uint32_t *order;
    unsigned char *shared;
    size_t found, expected = 0;
    memset(is_there, 0, sizeof is_there);
    assert_int_equal(suffix_sort(symbols, count, symbol_max, depth, arena, &order,
                                 &shared, &found, NULL),
                     OK);
    for (size_t i = 0; i < count; i++)
        expected += symbols[i] != 0;
    assert_int_equal(found, expected);
    for (size_t i = 0; i < found; i++) {
        uint32_t common = 0;
        assert_true(symbols[order[i]] != 0 && !is_there[order[i]]);
        is_there[order[i]] = 1;
        if (i == 0)
            continue;
        int sign =
            plain_compare(symbols + order[i - 1], symbols + order[i], depth, &common);
        assert_true(sign < 0 || (sign == 0 && order[i - 1] < order[i]));
        assert_int_equal(shared[i], common);
    }
    arena_destroy(arena);
}

static void order_and_shared_symbols_are_those_of_comparing(void **state)
{
    (void)state;
    static const uint32_t maxima[] = {1, 2, 3, 15, 255, 300, 65535, 1000000};
    static uint32_t symbols[SYMBOLS];
    uint64_t seed = 5;
    for (int round = 0; round < 120; round++) {
        uint32_t symbol_max = maxima[random_next(&seed) % 8];
        uint64_t used = 1 + random_next(&seed) % (symbol_max < 6 ? symbol_max : 6);
        uint64_t word = 1 + random_next(&seed) % 60;
        size_t count = 1 + random_next(&seed) % SYMBOLS;
        for (size_t i = 0; i < count; i++) {
            uint32_t low = (uint32_t)(1 + random_next(&seed) % used);
            bool is_high = random_next(&seed) % 2;
            symbols[i] = is_high ? symbol_max + 1 - low : low;
            if (random_next(&seed) % word == 0)
                symbols[i] = 0;
        }
        symbols[count - 1] = 0;
        check(symbols, count, symbol_max, 1 + (uint32_t)(random_next(&seed) % 40));
    }
}

static void runs_of_one_symbol_are_in_order_of_length_and_place(void **state)
{
    (void)state;
    static uint32_t symbols[SYMBOLS];
    for (size_t i = 0; i < SYMBOLS; i++)
        symbols[i] = i % 100 != 99;
    check(symbols, SYMBOLS, 1, 16);
    check(symbols, SYMBOLS, 1, 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_shared_symbols_are_those_of_comparing),
        cmocka_unit_test(runs_of_one_symbol_are_in_order_of_length_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
