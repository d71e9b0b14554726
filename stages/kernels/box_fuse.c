/* box_fuse.c - nmw and wbf: the average of the boxes that match */
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/box_merge_parts.h"

/* The sums that make a fused box. As in ensemble_boxes those of edges are rounded to float at
 * each step, and so is what comes of them. */
struct cluster {
    float edges[4];
    double weight;         /* what divides them */
    double score, maximum; /* the sum of scores, the greatest */
    double model_weight;   /* the sum of the weights of the models of its boxes */
    uint64_t models;       /* bitmap */
    size_t count;
};

static void add(struct cluster *cluster, const struct box *box, double weight)
{
    const float edges[4] = {box->x1, box->y1, box->x2, box->y2};
    for (size_t i = 0; i < 4; i++) {
        /* GCC 12 with -O3 -mavx2 divides the sums before they are rounded, if it sees that
         * far (a conversion to float and back is folded away between vectors). */
        volatile float sum =
            (float)((double)cluster->edges[i] + weight * (double)edges[i]);
        cluster->edges[i] = sum;
    }
    cluster->weight += weight;
    cluster->count++;
}

/* Boxes whose scores are all 0 have no average: `box` stays as it is. */
static void fuse_edges(const struct cluster *cluster, struct box *box)
{
    if (!(cluster->weight > 0))
        return;
    box->x1 = (float)((double)cluster->edges[0] / cluster->weight);
    box->y1 = (float)((double)cluster->edges[1] / cluster->weight);
    box->x2 = (float)((double)cluster->edges[2] / cluster->weight);
    box->y2 = (float)((double)cluster->edges[3] / cluster->weight);
}

/* Of the boxes in the tree, which are at `places`, the one that overlaps most and more than
 * the threshold; of equal ones the first. NOBODY: there is none. */
static uint32_t find_best(const struct box_group *group, const struct box *places,
                          const struct box *box, double *overlap)
{
    const struct box_rule *rule = group->rule;
    size_t count = box_tree_find(group->tree, rule->metric, box,
                                 box_search_limit(rule->threshold), group->found);
    uint32_t best = NOBODY;
    *overlap = rule->threshold;
    for (size_t k = 0; k < count; k++) {
        uint32_t i = group->found[k];
        double here = box_overlap_double(rule->metric, places + i, box);
        if (here > *overlap || (best != NOBODY && i < best && !(here < *overlap))) {
            best = i;
            *overlap = here;
        }
    }
    return best;
}

bool box_average(struct box_group *group)
{
    struct cluster *clusters = ARENA_NEW(group->arena, struct cluster, group->count);
    if (!clusters)
        return false;
    box_tree_build(group->tree, group->boxes, group->count, false);
    for (uint32_t i = 0; i < group->count; i++) {
        const struct box *box = &group->boxes[i];
        double overlap;
        uint32_t best = find_best(group, group->boxes, box, &overlap);
        if (best == NOBODY) {
            best = i;
            overlap = 1;
            box_tree_put(group->tree, i, box);
        }
        add(&clusters[best], box, group->scores[i] * overlap);
    }
    for (uint32_t i = 0; i < group->count; i++) {
        struct box box = group->boxes[i];
        if (clusters[i].count == 0)
            continue;
        if (clusters[i].count > 1)
            fuse_edges(&clusters[i], &box);
        box_group_emit(group, &box, group->scores[i]);
    }
    return true;
}

/* ---- weighted boxes fusion ---- */

static double model_weight(const struct box_rule *rule, uint32_t model)
{
    return rule->weights ? rule->weights[model] : 1;
}

/* The sum of the weights of the models in the bitmap. */
static double sum_weights(const struct box_rule *rule, uint64_t models)
{
    double sum = 0;
    for (uint32_t model = 0; model < rule->model_count; model++)
        if (models >> model & 1)
            sum += model_weight(rule, model);
    return sum;
}

static double fuse_score(const struct box_rule *rule, const struct cluster *cluster)
{
    double average = cluster->score / (double)cluster->count;
    double maximum = cluster->maximum, count = (double)cluster->count, most = 0;
    if (cluster->count > 1) {
        average = (double)(float)average;
        maximum = (double)(float)maximum;
    }
    double all = sum_weights(rule, UINT64_MAX);
    switch (rule->fusion) {
    case BOX_FUSE_MAX:
        for (uint32_t model = 0; model < rule->model_count; model++)
            most = model_weight(rule, model) > most ? model_weight(rule, model) : most;
        return maximum / most;
    case BOX_FUSE_BOX_AND_MODEL:
        return average * count / cluster->model_weight *
               sum_weights(rule, cluster->models) / all;
    case BOX_FUSE_ABSENT_MODEL:
        return average * count /
               (cluster->model_weight + sum_weights(rule, ~cluster->models));
    case BOX_FUSE_AVERAGE:
        break;
    }
    if (!rule->allows_overflow && count > (double)rule->model_count)
        count = (double)rule->model_count;
    return average * count / all;
}

static void add_to_cluster(const struct box_group *group, struct cluster *cluster,
                           uint32_t i)
{
    double score = group->scores[i];
    add(cluster, &group->boxes[i], score);
    cluster->score += score;
    cluster->maximum = score > cluster->maximum ? score : cluster->maximum;
    cluster->model_weight += model_weight(group->rule, group->models[i]);
    cluster->models |= (uint64_t)1 << group->models[i];
}

/* A cluster is known by the first of its boxes, in whose place the fused one stands. */
bool box_fuse(struct box_group *group)
{
    struct cluster *clusters = ARENA_NEW(group->arena, struct cluster, group->count);
    struct box *fused = ARENA_RAW(group->arena, struct box, group->count);
    if (!clusters || !fused)
        return false;
    memcpy(fused, group->boxes, group->count * sizeof *fused);
    box_tree_build(group->tree, group->boxes, group->count, false);
    for (uint32_t i = 0; i < group->count; i++) {
        double overlap;
        uint32_t best = find_best(group, fused, &group->boxes[i], &overlap);
        bool is_new = best == NOBODY;
        best = is_new ? i : best;
        add_to_cluster(group, &clusters[best], i);
        if (!is_new)
            fuse_edges(&clusters[best], &fused[best]);
        box_tree_put(group->tree, best, &fused[best]);
    }
    for (uint32_t i = 0; i < group->count; i++)
        if (clusters[i].count > 0)
            box_group_emit(group, &fused[i], fuse_score(group->rule, &clusters[i]));
    return true;
}
