/* box_merge.h - make one box of the many that a detector finds of an object
 *
 * nms: take boxes by score, suppress those that match a box taken (box by box of
 *   sahi/postprocess/_numpy_backend.py:nms_from_matrix).
 * greedy_nmm: the boxes suppressed are merged into the one taken, which grows (the same
 *   file's greedy_nmm_from_matrix, then has_match and merge_object_prediction_pair of
 *   utils.py).
 * nmm: what matches a merged box is merged, too, though the one taken does not match it
 *   (nmm_from_matrix); boxes of equal scores are not merged unless they are equal.
 * soft_nms: what overlaps a box taken loses score (Bodla et al., "Soft-NMS", ICCV 2017,
 *   on continuous edges as cpu_soft_nms_float of ensemble_boxes).
 * nmw: the average of the boxes that match the best, by score times IoU with it (Zhou et
 *   al., "CAD", ICCV 2017 workshops, as non_maximum_weighted of ensemble_boxes).
 * wbf: the average by score of the boxes of a cluster, matched with that average as it
 *   grows (Solovyev et al., "Weighted boxes fusion", 2021, as weighted_boxes_fusion of
 *   ensemble_boxes).
 *
 * A match is an overlap of at least the threshold for nms, nmm and greedy_nmm, of more
 * than it for the others. The order of ties is box_sort()'s. Whatever is found is exact:
 * candidates come from a box_tree, whose time grows with what overlaps, not with the
 * square of what is there, and no time limit drops any box. */
#ifndef STAGES_KERNELS_BOX_MERGE_H
#define STAGES_KERNELS_BOX_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/box.h"

struct arena;

enum box_method {
    BOX_NMS,
    BOX_SOFT_NMS,
    BOX_NMM,
    BOX_GREEDY_NMM,
    BOX_NMW,
    BOX_WBF,
    BOX_METHODS
};

enum box_decay {
    BOX_GAUSSIAN, /* score *= exp(-overlap^2 / sigma), whatever the threshold */
    BOX_LINEAR    /* score *= 1 - overlap, where it matches */
};

/* What becomes of the scores of a cluster of n boxes, w their models' weights, W all
 * models' weights. */
enum box_fusion {
    BOX_FUSE_AVERAGE, /* average * min(n, models) / sum W; without the min if it overflows */
    BOX_FUSE_MAX,     /* max / max W */
    BOX_FUSE_BOX_AND_MODEL, /* average * n / sum w * (sum of its models' weights) / sum W */
    BOX_FUSE_ABSENT_MODEL   /* average * n / (sum w + weights of the models that lack) */
};

enum { BOX_MODELS_MAX = 64 };

struct box_rule {
    enum box_method method;
    enum box_metric metric;
    double threshold;
    bool is_strict; /* nms, nmm, greedy_nmm: equal to the threshold is no match */
    bool is_class_agnostic;
    /* Boxes of a lower score are left out. soft_nms, which gives out what stays above
     * it, and nmw and wbf take one below 0 as 0. */
    double min_score;
    /* nmm, greedy_nmm: a box that was suppressed but does not match what its keeper has
     * grown to is lost in SAHI; this gives it out unmerged. */
    bool keeps_unmerged;
    enum box_decay decay; /* soft_nms */
    double sigma;         /* soft_nms: above 0 */
    enum box_fusion fusion;
    bool allows_overflow;  /* wbf: fused scores may be above 1 */
    const double *weights; /* nmw, wbf: (model_count) above 0; borrowed */
    uint32_t model_count;  /* 1 ... BOX_MODELS_MAX */
};

/* Merge boxes (count) that are of the models (count; NULL: all of model 0). Boxes in
 * which box_find_bad() finds fault are not allowed; x1 and x2, y1 and y2 may be
 * exchanged. soft_nms, nmw and wbf leave out boxes of less than 1e-12 in area, as the
 * originals do those of none. `merged` has room for `count` and gets *merged_count
 * boxes: score descending, ties as box_sort() says. The arena is used for some 300 bytes
 * a box. ERROR_MEMORY. */
enum error_code box_merge(const struct box_rule *rule, const struct box *boxes,
                          const uint32_t *models, size_t count, struct arena *arena,
                          struct box *merged, size_t *merged_count, struct error *error);

#endif
