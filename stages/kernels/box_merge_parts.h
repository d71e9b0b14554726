/* box_merge_parts.h - what the methods of box_merge.c share */
#ifndef STAGES_KERNELS_BOX_MERGE_PARTS_H
#define STAGES_KERNELS_BOX_MERGE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/box_merge.h"
#include "stages/kernels/box_tree.h"

#define NOBODY UINT32_MAX /* no box */

/* Boxes that may be merged with each other: those of one class, or all. Numbers of boxes are
 * places in this order: by score, then by edges. */
struct box_group {
    const struct box_rule *rule;
    const struct box *boxes; /* (count) upright */
    const double *scores;    /* (count) of the boxes, weighted where the method does so */
    const uint32_t *models;  /* (count) */
    const uint32_t *indices; /* (count) where the box stood in what the user gave */
    size_t count;
    struct box_tree *tree; /* with room for all */
    uint32_t *found;       /* (count) */
    struct arena *arena;
    struct box *merged; /* what comes out, in any order: room for `count` */
    size_t merged_count;
};

void box_group_emit(struct box_group *group, const struct box *box, double score);

/* The methods. False: no memory. */
bool box_suppress(struct box_group *group);     /* nms */
bool box_merge_greedy(struct box_group *group); /* greedy_nmm */
bool box_merge_chains(struct box_group *group); /* nmm */
bool box_soften(struct box_group *group);       /* soft_nms */
bool box_average(struct box_group *group);      /* nmw */
bool box_fuse(struct box_group *group);         /* wbf */

/* What to ask a box_tree for, so that all overlaps in double arithmetic that are above the
 * threshold are found. */
float box_search_limit(double threshold);

#endif
