/* test_arena.c - tests core/arena.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/arena.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

static void assert_zero(const unsigned char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(memory[i], 0);
}

/* Blocks of every kind: from the heap, mapped, and one of the arena's own size. */
static void memory_is_zero_whatever_was_there_before(void **state)
{
    (void)state;
    static const size_t block_sizes[] = {4 * KIB, 64 * KIB, 8 * MIB};
    static const size_t sizes[] = {100, 30 * KIB, 5 * MIB, 7, 12 * MIB};
    for (size_t b = 0; b < sizeof block_sizes / sizeof *block_sizes; b++) {
        struct arena *arena = arena_create(block_sizes[b], 0);
        for (unsigned turn = 0; turn < 3; turn++) {
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                unsigned char *raw = ARENA_RAW(arena, unsigned char, sizes[i]);
                assert_non_null(raw);
                memset(raw, 0xAA, sizes[i]);
                unsigned char *memory = ARENA_NEW(arena, unsigned char, sizes[i]);
                assert_non_null(memory);
                assert_zero(memory, sizes[i]);
                memset(memory, 0x55, sizes[i]);
            }
            arena_reset(arena);
        }
        arena_destroy(arena);
    }
}

static void what_is_trimmed_is_zero_when_it_comes_again(void **state)
{
    (void)state;
    struct arena *arena = arena_create(8 * MIB, 0);
    unsigned char *memory = ARENA_NEW(arena, unsigned char, MIB);
    assert_non_null(memory);
    memset(memory, 0xAA, MIB);
    arena_trim(arena, memory, 10);
    unsigned char *again = ARENA_NEW(arena, unsigned char, 2 * MIB);
    assert_non_null(again);
    assert_true(again > memory && again < memory + MIB);
    assert_zero(again, 2 * MIB);
    arena_destroy(arena);
}

static void a_limit_holds(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4 * KIB, 10 * MIB);
    assert_non_null(ARENA_RAW(arena, unsigned char, 6 * MIB));
    assert_null(ARENA_RAW(arena, unsigned char, 6 * MIB));
    assert_null(ARENA_RAW(arena, uint64_t, SIZE_MAX / 4));
    assert_non_null(ARENA_RAW(arena, unsigned char, 4 * MIB));
    assert_int_equal(arena_used(arena), 10 * MIB);
    arena_reset(arena);
    assert_non_null(ARENA_RAW(arena, unsigned char, 10 * MIB));
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zero_whatever_was_there_before),
        cmocka_unit_test(what_is_trimmed_is_zero_when_it_comes_again),
        cmocka_unit_test(a_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
