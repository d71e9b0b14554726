/* manifest_tree.h - the tree along which the states of a fit's shards are merged
 *
 * It has three levels, whatever the input: shards, groups of neighbouring shards, and all
 * groups. It follows from the number of shards alone. */
#ifndef CORE_MANIFEST_TREE_H
#define CORE_MANIFEST_TREE_H

#include <stdint.h>

#include "core/manifest.h"

/* Shards of all runs. A stream not read to its end counts as none. */
uint64_t manifest_shard_count(const struct manifest *manifest);
/* The `nth` shard in input order, from 0; below the count. */
shard_id manifest_nth_shard(const struct manifest *manifest, uint64_t nth);

/* Into how many groups `count` shards are put: about the square root, so that neither a
 * group nor the last step is long. */
uint32_t manifest_tree_groups(uint64_t count);
/* The shards [*first, *end) of a group. */
void manifest_tree_group(uint64_t count, uint32_t group, uint64_t *first, uint64_t *end);

#endif
