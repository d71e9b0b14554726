/* box_suppress.c - nms, greedy_nmm and nmm: what is taken suppresses or takes in the rest */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/box_merge_parts.h"

/* Overlaps are floats here: above the threshold is at least the next float. */
static float match_limit(const struct box_rule *rule)
{
    float threshold = (float)rule->threshold;
    return rule->is_strict ? nextafterf(threshold, INFINITY) : threshold;
}

bool box_suppress(struct box_group *group)
{
    unsigned char *is_out = ARENA_NEW(group->arena, unsigned char, group->count);
    if (!is_out)
        return false;
    box_tree_build(group->tree, group->boxes, group->count, true);
    for (uint32_t i = 0; i < group->count; i++) {
        if (is_out[i])
            continue;
        const struct box *box = &group->boxes[i];
        box_group_emit(group, box, (double)box->score);
        box_tree_remove(group->tree, &i, 1);
        size_t found = box_tree_find(group->tree, group->rule->metric, box,
                                     match_limit(group->rule), group->found);
        box_tree_remove(group->tree, group->found, found);
        for (size_t k = 0; k < found; k++)
            is_out[group->found[k]] = 1;
    }
    return true;
}

/* ---- the merging itself: sahi/postprocess/utils.py, in double on the boxes as given ---- */

static void grow(struct box *box, const struct box *other)
{
    box->x1 = other->x1 < box->x1 ? other->x1 : box->x1;
    box->y1 = other->y1 < box->y1 ? other->y1 : box->y1;
    box->x2 = other->x2 > box->x2 ? other->x2 : box->x2;
    box->y2 = other->y2 > box->y2 ? other->y2 : box->y2;
    if (!(box->score > other->score))
        box->class = other->class;
    box->score = other->score > box->score ? other->score : box->score;
}

/* `other`, which the keeper of `box` took, is merged into it if it matches what that has
 * become. */
static void merge_into(struct box_group *group, struct box *box, const struct box *other)
{
    const struct box_rule *rule = group->rule;
    if (box_overlap_double(rule->metric, box, other) > rule->threshold)
        grow(box, other);
    else if (rule->keeps_unmerged)
        box_group_emit(group, other, (double)other->score);
}

/* Boxes are merged into their keepers in the order of all, so no lists are needed. */
bool box_merge_greedy(struct box_group *group)
{
    uint32_t *keeper_of = ARENA_RAW(group->arena, uint32_t, group->count);
    struct box *grown = ARENA_RAW(group->arena, struct box, group->count);
    if (!keeper_of || !grown)
        return false;
    memcpy(grown, group->boxes, group->count * sizeof *grown);
    memset(keeper_of, 0xFF, group->count * sizeof *keeper_of);
    box_tree_build(group->tree, group->boxes, group->count, true);
    for (uint32_t i = 0; i < group->count; i++) {
        if (keeper_of[i] != NOBODY)
            continue;
        keeper_of[i] = i;
        box_tree_remove(group->tree, &i, 1);
        size_t found = box_tree_find(group->tree, group->rule->metric, &group->boxes[i],
                                     match_limit(group->rule), group->found);
        box_tree_remove(group->tree, group->found, found);
        for (size_t k = 0; k < found; k++)
            keeper_of[group->found[k]] = i;
    }
    for (uint32_t i = 0; i < group->count; i++)
        if (keeper_of[i] != i)
            merge_into(group, &grown[keeper_of[i]], &group->boxes[i]);
    for (uint32_t i = 0; i < group->count; i++)
        if (keeper_of[i] == i)
            box_group_emit(group, &grown[i], (double)grown[i].score);
    return true;
}

/* ---- nmm: lists, as the order in which boxes are taken in matters ---- */

struct lists {
    uint32_t *keeper_of;   /* (count) NOBODY: not decided yet */
    uint32_t *next, *last; /* (count) the list of a keeper begins with itself */
};

static bool create_lists(const struct box_group *group, struct lists *lists)
{
    lists->keeper_of = ARENA_RAW(group->arena, uint32_t, group->count);
    lists->next = ARENA_RAW(group->arena, uint32_t, group->count);
    lists->last = ARENA_RAW(group->arena, uint32_t, group->count);
    if (!lists->keeper_of || !lists->next || !lists->last)
        return false;
    for (uint32_t i = 0; i < group->count; i++) {
        lists->keeper_of[i] = lists->next[i] = NOBODY;
        lists->last[i] = i;
    }
    return true;
}

static void append(struct lists *lists, uint32_t keeper, uint32_t box)
{
    lists->keeper_of[box] = keeper;
    lists->next[lists->last[keeper]] = box;
    lists->last[keeper] = box;
}

static void merge_lists(struct box_group *group, const struct lists *lists)
{
    for (uint32_t i = 0; i < group->count; i++) {
        if (lists->keeper_of[i] != i)
            continue;
        struct box box = group->boxes[i];
        for (uint32_t j = lists->next[i]; j != NOBODY; j = lists->next[j])
            merge_into(group, &box, &group->boxes[j]);
        box_group_emit(group, &box, (double)box.score);
    }
}

static bool has_edges_of(const struct box *a, const struct box *b)
{
    /* NOLINTBEGIN(clang-diagnostic-float-equal) */
    return a->x1 == b->x1 && a->y1 == b->y1 && a->x2 == b->x2 && a->y2 == b->y2;
    /* NOLINTEND(clang-diagnostic-float-equal) */
}

/* A box and where it stood: SAHI takes in what matches in that order. */
struct standing {
    uint32_t index, box;
};

static int compare_standings(const void *left, const void *right)
{
    const struct standing *a = left, *b = right;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* A box takes in boxes of lower scores and, of those of its own, the ones that are equal to
 * it. Those stand right behind it, and are taken in all at once or not at all. */
static size_t find_equal(const struct box_group *group, const struct lists *lists,
                         uint32_t i, size_t end, uint32_t *found)
{
    size_t count = 0;
    const struct box *box = &group->boxes[i];
    for (size_t j = i + 1; j < end && lists->keeper_of[j] == NOBODY; j++) {
        if (!has_edges_of(box, &group->boxes[j]) ||
            !(box_overlap(group->rule->metric, box, &group->boxes[j]) >=
              match_limit(group->rule)))
            break;
        found[count++] = (uint32_t)j;
    }
    return count;
}

static void take_in(struct box_group *group, struct lists *lists, uint32_t i, size_t end,
                    struct standing *standings)
{
    uint32_t *found = group->found;
    if (lists->keeper_of[i] == NOBODY)
        lists->keeper_of[i] = i;
    size_t lower = box_tree_find(group->tree, group->rule->metric, &group->boxes[i],
                                 match_limit(group->rule), found);
    box_tree_remove(group->tree, found, lower);
    size_t count = lower + find_equal(group, lists, i, end, found + lower);
    for (size_t k = 0; k < count; k++)
        standings[k] = (struct standing){group->indices[found[k]], found[k]};
    qsort(standings, count, sizeof *standings, compare_standings);
    for (size_t k = 0; k < count; k++)
        append(lists, lists->keeper_of[i], standings[k].box);
}

/* The tree holds what may still be taken in: what is of a lower score than the boxes at
 * hand and went into none so far. So a box is found once. */
bool box_merge_chains(struct box_group *group)
{
    struct lists lists;
    struct standing *standings = ARENA_RAW(group->arena, struct standing, group->count);
    if (!standings || !create_lists(group, &lists))
        return false;
    box_tree_build(group->tree, group->boxes, group->count, true);
    uint32_t end;
    for (uint32_t begin = 0; begin < group->count; begin = end) {
        for (end = begin;
             end < group->count && !(group->boxes[end].score < group->boxes[begin].score);
             end++)
            if (lists.keeper_of[end] == NOBODY)
                box_tree_remove(group->tree, &end, 1);
        for (uint32_t i = begin; i < end; i++)
            take_in(group, &lists, i, end, standings);
    }
    merge_lists(group, &lists);
    return true;
}
