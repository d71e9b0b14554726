/* test_manifest_tree.c - every state of a fit is merged once and in order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/manifest_tree.h"

static void groups_take_every_shard_once_and_in_order(void **state)
{
    (void)state;
    for (uint64_t count = 0; count < 5000; count++) {
        uint64_t next = 0;
        uint32_t groups = manifest_tree_groups(count);
        for (uint32_t i = 0; i < groups; i++) {
            uint64_t first, end;
            manifest_tree_group(count, i, &first, &end);
            assert_true(first == next && end > first && end <= count);
            next = end;
        }
        assert_true(next == count);
    }
}

static void neither_a_group_nor_the_last_step_is_long(void **state)
{
    (void)state;
    for (uint64_t count = 1; count < (uint64_t)1 << 32; count = count * 3 + 1) {
        uint64_t first, end;
        uint32_t groups = manifest_tree_groups(count);
        manifest_tree_group(count, 0, &first, &end);
        assert_true((end - first) * (end - first) <= 4 * count || end - first <= 8);
        assert_true((uint64_t)groups * groups <= count + 1 || groups == 1);
    }
}

static void shards_are_counted_over_all_runs(void **state)
{
    (void)state;
    struct run runs[] = {{.kind = RUN_PLAIN, .count = 3},
                         {.kind = RUN_STREAM, .count = SHARDS_UNKNOWN},
                         {.kind = RUN_STREAM, .count = 0},
                         {.kind = RUN_GROUP, .count = 1},
                         {.kind = RUN_STREAM, .count = 2}};
    struct manifest manifest = {.runs = runs, .run_count = 5};
    static const shard_id wanted[] = {SHARD_ID(0, 0), SHARD_ID(0, 1), SHARD_ID(0, 2),
                                      SHARD_ID(3, 0), SHARD_ID(4, 0), SHARD_ID(4, 1)};
    assert_int_equal(manifest_shard_count(&manifest), 6);
    for (uint64_t i = 0; i < 6; i++)
        assert_true(manifest_nth_shard(&manifest, i) == wanted[i]);
    manifest.run_count = 0;
    assert_int_equal(manifest_shard_count(&manifest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_take_every_shard_once_and_in_order),
        cmocka_unit_test(neither_a_group_nor_the_last_step_is_long),
        cmocka_unit_test(shards_are_counted_over_all_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
