/* box_merge.c - make one box of the many that a detector finds of an object */
#include "stages/kernels/box_merge.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/box_merge_parts.h"

void box_group_emit(struct box_group *group, const struct box *box, double score)
{
    struct box *merged = &group->merged[group->merged_count++];
    *merged = *box;
    merged->score = (float)score;
}

float box_search_limit(double threshold)
{
    /* Some twenty roundings of float arithmetic lie between the two, of a part in 2^24
     * each. */
    double limit = threshold * (1 - 4e-6);
    return limit > (double)FLT_TRUE_MIN ? (float)limit : FLT_TRUE_MIN;
}

static bool (*const methods[BOX_METHODS])(struct box_group *) = {
    [BOX_NMS] = box_suppress,     [BOX_SOFT_NMS] = box_soften,
    [BOX_NMM] = box_merge_chains, [BOX_GREEDY_NMM] = box_merge_greedy,
    [BOX_NMW] = box_average,      [BOX_WBF] = box_fuse,
};

/* The methods that are defined on positive scores and boxes with an area only. */
static bool is_fusion(const struct box_rule *rule)
{
    return rule->method == BOX_NMW || rule->method == BOX_WBF;
}

static bool needs_area(const struct box_rule *rule)
{
    return is_fusion(rule) || rule->method == BOX_SOFT_NMS;
}

/* The boxes that take part, as they came. */
struct given {
    struct box *boxes;
    double *scores;
    uint32_t *models, *indices, *order;
    size_t count;
};

static bool allocate(struct given *given, size_t count, struct arena *arena)
{
    given->boxes = ARENA_RAW(arena, struct box, count);
    given->scores = ARENA_RAW(arena, double, count);
    given->models = ARENA_RAW(arena, uint32_t, count);
    given->indices = ARENA_RAW(arena, uint32_t, count);
    given->order = ARENA_RAW(arena, uint32_t, count);
    return given->boxes && given->scores && given->models && given->indices &&
           given->order;
}

static double greatest(const double *weights, uint32_t count)
{
    double most = weights[0];
    for (uint32_t i = 1; i < count; i++)
        most = weights[i] > most ? weights[i] : most;
    return most;
}

static double weight_of(const struct box_rule *rule, uint32_t model)
{
    if (!is_fusion(rule) || !rule->weights)
        return 1;
    double weight = rule->weights[model];
    return rule->method == BOX_WBF ? weight
                                   : weight / greatest(rule->weights, rule->model_count);
}

static void take_boxes(const struct box_rule *rule, const struct box *boxes,
                       const uint32_t *models, size_t count, struct given *given)
{
    /* So that floats hold what two boxes have in common. */
    static const float no_area = 1e-12F;
    double min_score = rule->min_score;
    if (needs_area(rule) && min_score < 0)
        min_score = 0;
    for (size_t i = 0; i < count; i++) {
        struct box box = box_upright(boxes + i);
        uint32_t model = models ? models[i] : 0;
        if ((double)box.score < min_score ||
            (needs_area(rule) && box_area(&box) < no_area))
            continue;
        given->boxes[given->count] = box;
        given->scores[given->count] = (double)box.score * weight_of(rule, model);
        given->models[given->count] = model;
        given->indices[given->count++] = (uint32_t)i;
    }
}

/* The same in their order. */
static void put_in_order(const struct given *given, struct given *sorted)
{
    sorted->count = given->count;
    for (size_t i = 0; i < given->count; i++) {
        uint32_t from = given->order[i];
        sorted->boxes[i] = given->boxes[from];
        sorted->scores[i] = given->scores[from];
        sorted->models[i] = given->models[from];
        sorted->indices[i] = given->indices[from];
    }
}

static size_t end_of_class(const struct given *sorted, size_t begin)
{
    size_t end = begin + 1;
    while (end < sorted->count &&
           sorted->boxes[end].class == sorted->boxes[begin].class) /* NOLINT */
        end++;
    return end;
}

/* Class by class, each with the memory of the one before it. */
static bool merge_groups(const struct box_rule *rule, const struct given *sorted,
                         struct arena *arena, struct box *merged, size_t *merged_count)
{
    struct box_tree tree;
    uint32_t *found = ARENA_RAW(arena, uint32_t, sorted->count);
    bool is_done = found && box_tree_create(&tree, sorted->count, arena);
    size_t end;
    *merged_count = 0;
    for (size_t begin = 0; is_done && begin < sorted->count; begin = end) {
        end = rule->is_class_agnostic ? sorted->count : end_of_class(sorted, begin);
        struct box_group group = {.rule = rule,
                                  .boxes = sorted->boxes + begin,
                                  .scores = sorted->scores + begin,
                                  .models = sorted->models + begin,
                                  .indices = sorted->indices + begin,
                                  .count = end - begin,
                                  .tree = &tree,
                                  .found = found,
                                  .arena = arena,
                                  .merged = merged + *merged_count};
        is_done = methods[rule->method](&group);
        *merged_count += group.merged_count;
    }
    return is_done;
}

/* The scores that come out are those of the boxes; `given` lends its memory. */
static bool sort_merged(struct box *merged, size_t count, const struct given *given,
                        struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        given->boxes[i] = merged[i];
        given->scores[i] = (double)merged[i].score;
    }
    if (!box_sort(given->boxes, given->scores, count, BOX_BY_SCORE, arena, given->order))
        return false;
    for (size_t i = 0; i < count; i++)
        merged[i] = given->boxes[given->order[i]];
    return true;
}

enum error_code box_merge(const struct box_rule *rule, const struct box *boxes,
                          const uint32_t *models, size_t count, struct arena *arena,
                          struct box *merged, size_t *merged_count, struct error *error)
{
    struct given given = {0}, sorted = {0};
    size_t out = 0;
    assert(rule->method < BOX_METHODS && rule->model_count > 0 &&
           rule->model_count <= BOX_MODELS_MAX);
    bool is_done = allocate(&given, count, arena) && allocate(&sorted, count, arena);
    if (is_done) {
        take_boxes(rule, boxes, models, count, &given);
        is_done =
            box_sort(given.boxes, given.scores, given.count,
                     rule->is_class_agnostic ? BOX_BY_SCORE : BOX_BY_CLASS_AND_SCORE,
                     arena, given.order);
    }
    if (is_done) {
        put_in_order(&given, &sorted);
        is_done = merge_groups(rule, &sorted, arena, merged, &out) &&
                  sort_merged(merged, out, &given, arena);
    }
    if (!is_done)
        return error_set(error, ERROR_MEMORY, "no memory to merge %zu boxes", count);
    *merged_count = out;
    return OK;
}
