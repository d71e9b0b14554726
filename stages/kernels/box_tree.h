/* box_tree.h - a set of boxes that is asked for those that overlap a given one
 *
 * A packed tree in which each node has eight children. The boxes that may ever be in it are
 * given at first and decide where each of them stands; then they come and go, and may move.
 * What is found does not depend on where they stand. */
#ifndef STAGES_KERNELS_BOX_TREE_H
#define STAGES_KERNELS_BOX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/box.h"

struct arena;

enum { BOX_TREE_FAN = 8, BOX_TREE_LEVELS = 11 };

/* Eight boxes, or in the levels above what bounds the boxes of eight nodes. An empty entry
 * overlaps nothing. */
struct box_node {
    float x1[BOX_TREE_FAN], y1[BOX_TREE_FAN], x2[BOX_TREE_FAN], y2[BOX_TREE_FAN];
    float least[BOX_TREE_FAN], most[BOX_TREE_FAN]; /* areas */
};

struct box_place {
    float edges[4];
    uint32_t number;
};

struct box_tree {
    struct box_node *levels[BOX_TREE_LEVELS]; /* the leaves are level 0 */
    uint32_t level_count;
    struct box_place *places; /* (capacity) which box stands where */
    uint32_t *place_of;       /* (capacity) by box */
    struct box_place *spare;  /* (capacity) */
    uint32_t capacity;
};

/* Room for `capacity` boxes, fewer than 2^31, in the arena. False: no memory. */
bool box_tree_create(struct box_tree *tree, size_t capacity, struct arena *arena);

/* Forget all. Boxes 0 ... count - 1 (upright; count <= capacity) may be in the tree from now
 * on, and are if it `is_full`. O(count log count). */
void box_tree_build(struct box_tree *tree, const struct box *boxes, size_t count,
                    bool is_full);

/* Number the boxes anew by where they stand, so that those that are found together lie
 * together in memory: order[i] (count) becomes the former number of box i. */
void box_tree_renumber(struct box_tree *tree, size_t count, uint32_t *order);

/* Box `number` is in the tree, as `box`: it may have moved. */
void box_tree_put(struct box_tree *tree, uint32_t number, const struct box *box);
/* Those numbers (count) are not in it any more. */
void box_tree_remove(struct box_tree *tree, const uint32_t *numbers, size_t count);

/* The numbers, in no order, of those in the tree whose box_overlap() with `box` (upright) is
 * at_least or more; all of them when that is 0 or less. `found` has room for all that are in
 * the tree. Returns how many. */
size_t box_tree_find(const struct box_tree *tree, enum box_metric metric,
                     const struct box *box, float at_least, uint32_t *found);

#endif
