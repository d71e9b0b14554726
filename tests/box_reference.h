/* box_reference.h - for tests: merging as the originals do it, each box with each other */
#ifndef TESTS_BOX_REFERENCE_H
#define TESTS_BOX_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stages/kernels/box_decay.h"
#include "stages/kernels/box_merge.h"

enum { REFERENCE_MAX = 2048 };

struct reference_box {
    struct box box;
    double score; /* weighted */
    uint32_t model;
    size_t index;
};

struct reference {
    struct box_rule rule;
    struct reference_box boxes[REFERENCE_MAX]; /* of one class, in order */
    size_t count;
    struct box merged[REFERENCE_MAX];
    size_t merged_count;
};

static inline int reference_compare_edges(const struct box *a, const struct box *b)
{
    const float *left = &a->x1, *right = &b->x1;
    for (size_t i = 0; i < 4; i++)
        if (left[i] < right[i] || left[i] > right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

static inline int reference_compare(const void *left, const void *right)
{
    const struct reference_box *a = left, *b = right;
    if (a->score > b->score || a->score < b->score)
        return a->score > b->score ? -1 : 1;
    int edges = reference_compare_edges(&a->box, &b->box);
    if (edges != 0)
        return edges;
    if (a->box.class < b->box.class || a->box.class > b->box.class)
        return a->box.class < b->box.class ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static inline void reference_emit(struct reference *reference, struct box box,
                                  double score)
{
    box.score = (float)score;
    reference->merged[reference->merged_count++] = box;
}

static inline bool reference_matches(const struct reference *reference, size_t i,
                                     size_t j)
{
    float overlap = box_overlap(reference->rule.metric, &reference->boxes[i].box,
                                &reference->boxes[j].box);
    float threshold = (float)reference->rule.threshold;
    return reference->rule.is_strict ? overlap > threshold : overlap >= threshold;
}

static inline void reference_nms(struct reference *reference)
{
    static bool is_suppressed[REFERENCE_MAX];
    memset(is_suppressed, 0, sizeof is_suppressed);
    for (size_t i = 0; i < reference->count; i++) {
        if (is_suppressed[i])
            continue;
        reference_emit(reference, reference->boxes[i].box, reference->boxes[i].score);
        for (size_t j = 0; j < reference->count; j++)
            if (reference_matches(reference, i, j))
                is_suppressed[j] = true;
    }
}

/* The boxes that `keeper` took, in the order of the list. */
static inline void reference_merge(struct reference *reference, size_t keeper,
                                   const size_t *list, size_t count)
{
    struct box box = reference->boxes[keeper].box;
    for (size_t k = 0; k < count; k++) {
        const struct box *other = &reference->boxes[list[k]].box;
        if (!(box_overlap_double(reference->rule.metric, &box, other) >
              reference->rule.threshold)) {
            if (reference->rule.keeps_unmerged)
                reference_emit(reference, *other, (double)other->score);
            continue;
        }
        struct box both = {.x1 = box.x1 < other->x1 ? box.x1 : other->x1,
                           .y1 = box.y1 < other->y1 ? box.y1 : other->y1,
                           .x2 = box.x2 > other->x2 ? box.x2 : other->x2,
                           .y2 = box.y2 > other->y2 ? box.y2 : other->y2,
                           .score = box.score > other->score ? box.score : other->score,
                           .class = box.score > other->score ? box.class : other->class};
        box = both;
    }
    reference_emit(reference, box, (double)box.score);
}

static inline void reference_greedy(struct reference *reference)
{
    static bool is_suppressed[REFERENCE_MAX];
    static size_t list[REFERENCE_MAX];
    memset(is_suppressed, 0, sizeof is_suppressed);
    for (size_t i = 0; i < reference->count; i++) {
        size_t count = 0;
        if (is_suppressed[i])
            continue;
        for (size_t j = i + 1; j < reference->count; j++)
            if (!is_suppressed[j] && reference_matches(reference, i, j)) {
                is_suppressed[j] = true;
                list[count++] = j;
            }
        reference_merge(reference, i, list, count);
    }
}

/* May i take j? */
static inline bool reference_dominates(const struct reference *reference, size_t i,
                                       size_t j)
{
    const struct reference_box *a = &reference->boxes[i], *b = &reference->boxes[j];
    if (a->score > b->score || a->score < b->score)
        return a->score > b->score;
    return reference_compare_edges(&b->box, &a->box) <= 0;
}

static inline void reference_nmm(struct reference *reference)
{
    static size_t keeper_of[REFERENCE_MAX];
    static size_t lists[REFERENCE_MAX][2]; /* keeper, box: in the order of taking */
    static size_t list[REFERENCE_MAX];
    static size_t by_index[REFERENCE_MAX];
    size_t taken = 0, none = SIZE_MAX;
    for (size_t i = 0; i < reference->count; i++) {
        size_t before = 0;
        keeper_of[i] = none;
        for (size_t j = 0; j < reference->count; j++)
            before += reference->boxes[j].index < reference->boxes[i].index;
        by_index[before] = i;
    }
    for (size_t i = 0; i < reference->count; i++) {
        if (keeper_of[i] == none)
            keeper_of[i] = i;
        for (size_t k = 0; k < reference->count; k++) {
            size_t j = by_index[k];
            if (j == i || keeper_of[j] != none || !reference_matches(reference, i, j) ||
                !reference_dominates(reference, i, j))
                continue;
            keeper_of[j] = keeper_of[i];
            lists[taken][0] = keeper_of[i];
            lists[taken++][1] = j;
        }
    }
    for (size_t i = 0; i < reference->count; i++) {
        size_t count = 0;
        for (size_t k = 0; keeper_of[i] == i && k < taken; k++)
            if (lists[k][0] == i)
                list[count++] = lists[k][1];
        if (keeper_of[i] == i)
            reference_merge(reference, i, list, count);
    }
}

static inline void reference_soft_nms(struct reference *reference)
{
    static double scores[REFERENCE_MAX];
    static bool is_done[REFERENCE_MAX];
    for (size_t i = 0; i < reference->count; i++) {
        scores[i] = reference->boxes[i].score;
        is_done[i] = false;
    }
    for (size_t round = 0; round < reference->count; round++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < reference->count; i++)
            if (!is_done[i] && (best == SIZE_MAX || scores[i] > scores[best]))
                best = i;
        is_done[best] = true;
        double least = reference->rule.min_score > 0 ? reference->rule.min_score : 0;
        if (scores[best] > least)
            reference_emit(reference, reference->boxes[best].box, scores[best]);
        for (size_t i = 0; i < reference->count; i++) {
            double weight =
                box_overlap_double(reference->rule.metric, &reference->boxes[best].box,
                                   &reference->boxes[i].box);
            if (reference->rule.decay == BOX_GAUSSIAN)
                box_decay_gaussian(&weight, 1, reference->rule.sigma);
            else
                weight = weight > reference->rule.threshold ? 1 - weight : 1;
            if (!is_done[i])
                scores[i] *= weight;
        }
    }
}

static inline struct box reference_average(const struct reference *reference,
                                           const size_t *list, const double *weights,
                                           size_t count)
{
    struct box box = reference->boxes[list[0]].box;
    float sums[4] = {0};
    double sum = 0;
    for (size_t k = 0; k < count; k++) {
        const float *edges = &reference->boxes[list[k]].box.x1;
        for (size_t i = 0; i < 4; i++)
            sums[i] = (float)((double)sums[i] + weights[k] * (double)edges[i]);
        sum += weights[k];
    }
    for (size_t i = 0; count > 1 && sum > 0 && i < 4; i++)
        (&box.x1)[i] = (float)((double)sums[i] / sum);
    return box;
}

/* The boxes of a cluster are those of cluster_of[] == its number. */
struct reference_clusters {
    size_t cluster_of[REFERENCE_MAX], count;
    struct box places[REFERENCE_MAX];
    double overlap[REFERENCE_MAX];
};

static inline size_t reference_list(const struct reference *reference,
                                    const struct reference_clusters *clusters,
                                    size_t cluster, size_t end, bool is_by_overlap,
                                    size_t *list, double *weights)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++)
        if (clusters->cluster_of[i] == cluster) {
            weights[count] = reference->boxes[i].score;
            if (is_by_overlap)
                weights[count] *= clusters->overlap[i];
            list[count++] = i;
        }
    return count;
}

static inline void reference_cluster(struct reference *reference, bool is_moving,
                                     struct reference_clusters *clusters)
{
    static size_t list[REFERENCE_MAX];
    static double weights[REFERENCE_MAX];
    clusters->count = 0;
    for (size_t i = 0; i < reference->count; i++) {
        size_t best = clusters->count;
        double overlap = reference->rule.threshold;
        for (size_t k = 0; k < clusters->count; k++) {
            double here = box_overlap_double(reference->rule.metric, &clusters->places[k],
                                             &reference->boxes[i].box);
            if (here > overlap) {
                best = k;
                overlap = here;
            }
        }
        clusters->cluster_of[i] = best;
        clusters->overlap[i] = best < clusters->count ? overlap : 1;
        if (best == clusters->count)
            clusters->places[clusters->count++] = reference->boxes[i].box;
        size_t count =
            reference_list(reference, clusters, best, i + 1, !is_moving, list, weights);
        if (is_moving)
            clusters->places[best] = reference_average(reference, list, weights, count);
    }
}

static inline void reference_nmw(struct reference *reference)
{
    static struct reference_clusters clusters;
    static size_t list[REFERENCE_MAX];
    static double weights[REFERENCE_MAX];
    reference_cluster(reference, false, &clusters);
    for (size_t k = 0; k < clusters.count; k++) {
        size_t count = reference_list(reference, &clusters, k, reference->count, true,
                                      list, weights);
        reference_emit(reference, reference_average(reference, list, weights, count),
                       reference->boxes[list[0]].score);
    }
}

static inline double reference_fuse(const struct reference *reference, const size_t *list,
                                    size_t count)
{
    const struct box_rule *rule = &reference->rule;
    double sum = 0, most = 0, weight = 0, all = 0, heaviest = 0, present = 0;
    bool has[BOX_MODELS_MAX] = {false};
    for (size_t k = 0; k < count; k++) {
        const struct reference_box *box = &reference->boxes[list[k]];
        sum += box->score;
        most = box->score > most ? box->score : most;
        weight += rule->weights ? rule->weights[box->model] : 1;
        has[box->model] = true;
    }
    for (uint32_t model = 0; model < rule->model_count; model++) {
        double here = rule->weights ? rule->weights[model] : 1;
        all += here;
        heaviest = here > heaviest ? here : heaviest;
        present += has[model] ? here : 0;
    }
    double absent = 0, n = (double)count, average = sum / n;
    for (uint32_t model = 0; model < rule->model_count; model++)
        absent += has[model] ? 0 : rule->weights ? rule->weights[model] : 1;
    if (count > 1) {
        average = (double)(float)average;
        most = (double)(float)most;
    }
    if (rule->fusion == BOX_FUSE_MAX)
        return most / heaviest;
    if (rule->fusion == BOX_FUSE_BOX_AND_MODEL)
        return average * n / weight * present / all;
    if (rule->fusion == BOX_FUSE_ABSENT_MODEL)
        return average * n / (weight + absent);
    if (!rule->allows_overflow && count > rule->model_count)
        n = (double)rule->model_count;
    return average * n / all;
}

static inline void reference_wbf(struct reference *reference)
{
    static struct reference_clusters clusters;
    static size_t list[REFERENCE_MAX];
    static double weights[REFERENCE_MAX];
    reference_cluster(reference, true, &clusters);
    for (size_t k = 0; k < clusters.count; k++) {
        size_t count = reference_list(reference, &clusters, k, reference->count, false,
                                      list, weights);
        reference_emit(reference, clusters.places[k],
                       reference_fuse(reference, list, count));
    }
}

/* The boxes of one class, or of all, in order. */
static inline void reference_take(struct reference *reference, const struct box *boxes,
                                  const uint32_t *models, size_t count, float class)
{
    const struct box_rule *rule = &reference->rule;
    bool is_weighted = rule->method == BOX_NMW || rule->method == BOX_WBF;
    bool needs_area = is_weighted || rule->method == BOX_SOFT_NMS;
    double heaviest = 0;
    for (uint32_t model = 0; rule->weights && model < rule->model_count; model++)
        heaviest = rule->weights[model] > heaviest ? rule->weights[model] : heaviest;
    reference->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct reference_box *next = &reference->boxes[reference->count];
        double min_score = needs_area && rule->min_score < 0 ? 0 : rule->min_score;
        struct box upright = box_upright(&boxes[i]);
        *next = (struct reference_box){.box = upright,
                                       .score = (double)upright.score,
                                       .model = models ? models[i] : 0,
                                       .index = i};
        if ((!rule->is_class_agnostic &&
             (next->box.class < class || next->box.class > class)) ||
            next->score < min_score || (needs_area && box_area(&next->box) < 1e-12F))
            continue;
        if (is_weighted && rule->weights)
            next->score *= rule->method == BOX_WBF
                               ? rule->weights[next->model]
                               : rule->weights[next->model] / heaviest;
        reference->count++;
    }
    qsort(reference->boxes, reference->count, sizeof *reference->boxes,
          reference_compare);
}

/* As box_merge(), of classes 0 ... classes - 1. Returns how many boxes there are, in the
 * order of box_merge(). */
static inline size_t reference_run(const struct box_rule *rule, const struct box *boxes,
                                   const uint32_t *models, size_t count, unsigned classes,
                                   struct box *merged)
{
    static struct reference reference;
    static void (*const methods[BOX_METHODS])(struct reference *) = {
        [BOX_NMS] = reference_nms, [BOX_SOFT_NMS] = reference_soft_nms,
        [BOX_NMM] = reference_nmm, [BOX_GREEDY_NMM] = reference_greedy,
        [BOX_NMW] = reference_nmw, [BOX_WBF] = reference_wbf};
    reference.rule = *rule;
    reference.merged_count = 0;
    for (unsigned class = 0; class < (rule->is_class_agnostic ? 1 : classes); class ++) {
        reference_take(&reference, boxes, models, count, (float)class);
        methods[rule->method](&reference);
    }
    for (size_t i = 0; i < reference.merged_count; i++)
        reference.boxes[i] =
            (struct reference_box){.box = reference.merged[i],
                                   .score = (double)reference.merged[i].score,
                                   .index = i};
    qsort(reference.boxes, reference.merged_count, sizeof *reference.boxes,
          reference_compare);
    for (size_t i = 0; i < reference.merged_count; i++)
        merged[i] = reference.boxes[i].box;
    return reference.merged_count;
}

#endif
