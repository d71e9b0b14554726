/* box_soft.c - soft_nms: what overlaps a box taken loses score */
#include "core/arena.h"
#include "stages/kernels/box_decay.h"
#include "stages/kernels/box_merge_parts.h"

/* A box in the heap with its score when it was put there: it may have sunk since. */
struct entry {
    double score;
    uint32_t rank, box;
};

struct heap {
    struct entry *entries;
    size_t count;
};

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->score > b->score || (!(a->score < b->score) && a->rank < b->rank);
}

static void sift_down(struct heap *heap, size_t at)
{
    struct entry entry = heap->entries[at];
    for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count &&
            is_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!is_before(&heap->entries[child], &entry))
            break;
        heap->entries[at] = heap->entries[child];
    }
    heap->entries[at] = entry;
}

/* Boxes are numbered as they stand in the tree here. */
struct softening {
    struct box *boxes; /* (count) */
    double *scores;    /* (count) as they are now */
    double *decays;    /* (count) */
    double min_score;
    struct heap heap;
};

static bool start(struct box_group *group, struct softening *soft)
{
    size_t count = group->count;
    uint32_t *ranks = ARENA_RAW(group->arena, uint32_t, count);
    soft->boxes = ARENA_RAW(group->arena, struct box, count);
    soft->scores = ARENA_RAW(group->arena, double, count);
    soft->decays = ARENA_RAW(group->arena, double, count);
    soft->heap.entries = ARENA_RAW(group->arena, struct entry, count);
    soft->heap.count = count;
    soft->min_score = group->rule->min_score > 0 ? group->rule->min_score : 0;
    if (!ranks || !soft->boxes || !soft->scores || !soft->decays || !soft->heap.entries)
        return false;
    box_tree_build(group->tree, group->boxes, count, true);
    box_tree_renumber(group->tree, count, ranks);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t rank = ranks[i];
        soft->boxes[i] = group->boxes[rank];
        soft->scores[i] = group->scores[rank];
        /* In order, so that it is a heap. */
        soft->heap.entries[rank] = (struct entry){soft->scores[i], rank, i};
    }
    return true;
}

/* What overlaps the box taken loses score; what sinks to min_score can neither come out nor
 * take score of a box that does, so it goes. */
static void weaken(struct box_group *group, struct softening *soft, uint32_t taken)
{
    const struct box_rule *rule = group->rule;
    bool is_linear = rule->decay == BOX_LINEAR;
    uint32_t *found = group->found;
    size_t count =
        box_tree_find(group->tree, rule->metric, &soft->boxes[taken],
                      box_search_limit(is_linear ? rule->threshold : 0), found);
    box_overlap_many(rule->metric, &soft->boxes[taken], soft->boxes, found, count,
                     soft->decays);
    if (is_linear) {
        for (size_t k = 0; k < count; k++)
            soft->decays[k] = soft->decays[k] > rule->threshold ? 1 - soft->decays[k] : 1;
    } else {
        box_decay_gaussian(soft->decays, count, rule->sigma);
    }
    size_t sunk = 0;
    for (size_t k = 0; k < count; k++) {
        double score = soft->scores[found[k]] *= soft->decays[k];
        if (!(score > soft->min_score))
            found[sunk++] = found[k];
    }
    box_tree_remove(group->tree, found, sunk);
}

bool box_soften(struct box_group *group)
{
    struct softening soft;
    if (!start(group, &soft))
        return false;
    struct heap *heap = &soft.heap;
    while (heap->count > 0 && heap->entries[0].score > soft.min_score) {
        struct entry *top = &heap->entries[0];
        uint32_t box = top->box;
        if (soft.scores[box] < top->score) {
            top->score = soft.scores[box];
        } else {
            box_group_emit(group, &soft.boxes[box], soft.scores[box]);
            box_tree_remove(group->tree, &box, 1);
            weaken(group, &soft, box);
            *top = heap->entries[--heap->count];
        }
        sift_down(heap, 0);
    }
    return true;
}
