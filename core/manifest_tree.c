/* manifest_tree.c - the tree along which the states of a fit's shards are merged */
#include "core/manifest_tree.h"

#include <assert.h>
#include <stdbool.h>

enum { GROUP_MIN = 8 };

uint64_t manifest_shard_count(const struct manifest *manifest)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < manifest->run_count; i++)
        if (manifest->runs[i].count != SHARDS_UNKNOWN)
            count += manifest->runs[i].count;
    return count;
}

shard_id manifest_nth_shard(const struct manifest *manifest, uint64_t nth)
{
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        uint32_t count = manifest->runs[i].count;
        if (count == SHARDS_UNKNOWN)
            continue;
        if (nth < count)
            return SHARD_ID(i, nth);
        nth -= count;
    }
    assert(false); /* it is below the count */
    return 0;
}

/* The smallest power of two whose square is no less than the count: a power, so that few
 * shards more do not move all groups. */
static uint64_t group_size(uint64_t count)
{
    uint64_t size = GROUP_MIN;
    while (size < ((uint64_t)1 << 31) && size * size < count)
        size *= 2;
    return size;
}

uint32_t manifest_tree_groups(uint64_t count)
{
    uint64_t size = group_size(count);
    return (uint32_t)(count / size + (count % size != 0));
}

void manifest_tree_group(uint64_t count, uint32_t group, uint64_t *first, uint64_t *end)
{
    uint64_t size = group_size(count);
    *first = group * size;
    *end = *first + size < count ? *first + size : count;
}
