/* box_tree.c - a set of boxes that is asked for those that overlap a given one */
#include "stages/kernels/box_tree.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/compiler.h"

/* These are the vector instructions of minimum and maximum. */
static inline float lesser(float a, float b)
{
    return a < b ? a : b;
}

static inline float greater(float a, float b)
{
    return a > b ? a : b;
}

bool box_tree_create(struct box_tree *tree, size_t capacity, struct arena *arena)
{
    assert(capacity < (size_t)1 << 31);
    *tree = (struct box_tree){.capacity = (uint32_t)capacity};
    tree->places = ARENA_RAW(arena, struct box_place, capacity);
    tree->place_of = ARENA_RAW(arena, uint32_t, capacity);
    tree->spare = ARENA_RAW(arena, struct box_place, capacity);
    if (!tree->places || !tree->place_of || !tree->spare)
        return false;
    size_t nodes = capacity;
    for (size_t level = 0; level < BOX_TREE_LEVELS; level++) {
        nodes = (nodes + BOX_TREE_FAN - 1) / BOX_TREE_FAN;
        tree->levels[level] = arena_alloc_raw(arena, nodes, sizeof(struct box_node), 64);
        if (!tree->levels[level])
            return false;
        if (nodes <= 1)
            break;
    }
    return true;
}

/* ---- where boxes stand: halves by the widest spread, cut where nodes end ---- */

enum { SAMPLE_MAX = 31, SPREAD_SAMPLE = 64 };

/* By a sample of many boxes: it decides over speed alone. */
static unsigned widest_edge(const struct box_place *places, size_t count)
{
    float least[4], most[4];
    unsigned widest = 0;
    size_t step = count / SPREAD_SAMPLE + 1;
    for (unsigned edge = 0; edge < 4; edge++)
        least[edge] = most[edge] = places[0].edges[edge];
    for (size_t i = step; i < count; i += step)
        for (unsigned edge = 0; edge < 4; edge++) {
            least[edge] = lesser(places[i].edges[edge], least[edge]);
            most[edge] = greater(places[i].edges[edge], most[edge]);
        }
    for (unsigned edge = 1; edge < 4; edge++)
        if (most[edge] - least[edge] > most[widest] - least[widest])
            widest = edge;
    return widest;
}

/* An edge of one of the boxes with, in all likelihood, `cut` of them before it and a few
 * more: on the far side of the cut, so that much is done with after two rounds. The
 * sample is drawn, so that no order of the boxes makes it slow. */
static float choose_pivot(const struct box_place *places, size_t count, size_t cut,
                          unsigned edge, uint64_t *draw)
{
    float sample[SAMPLE_MAX] = {0};
    size_t size = count > 1000 ? SAMPLE_MAX : count > 100 ? 11 : 3;
    for (size_t i = 0; i < size; i++) {
        *draw = *draw * 6364136223846793005u + 1442695040888963407u;
        float at = places[(*draw >> 32) * count >> 32].edges[edge];
        size_t j = i;
        for (; j > 0 && sample[j - 1] > at; j--)
            sample[j] = sample[j - 1];
        sample[j] = at;
    }
    size_t place = cut * size / count;
    if (size > 3 && cut * 2 <= count)
        place += 2;
    else if (size > 3)
        place -= place < 2 ? place : 2;
    return sample[place < size ? place : size - 1];
}

/* Put those below the pivot first, the others behind them; returns how many. No branch
 * depends on an edge. `spare` has room for all. */
static size_t part(struct box_place *places, size_t count, unsigned edge, float pivot,
                   struct box_place *restrict spare)
{
    size_t low = 0;
    for (size_t i = 0; i < count; i++) {
        float at = places[i].edges[edge];
        spare[i - low] = places[i];
        places[low] = spare[i - low];
        low += at < pivot;
    }
    memcpy(places + low, spare, (count - low) * sizeof *places);
    return low;
}

/* Let no box before `cut` have a larger edge than one behind it (Hoare's selection). */
static void divide(struct box_place *places, size_t count, size_t cut, unsigned edge,
                   struct box_place *spare)
{
    uint64_t draw = count;
    while (count > 1) {
        float pivot = choose_pivot(places, count, cut, edge, &draw);
        size_t low = part(places, count, edge, pivot, spare);
        bool is_least = low == 0;
        if (is_least)
            low = part(places, count, edge, nextafterf(pivot, INFINITY), spare);
        if (cut == low || (is_least && cut < low))
            return;
        if (cut < low) {
            count = low;
        } else {
            places += low;
            count -= low;
            cut -= low;
        }
    }
}

/* Ranges that are still to be divided: each is at most half of the one below it. */
struct range {
    size_t begin, count;
};

static void arrange(struct box_place *places, size_t count, struct box_place *spare)
{
    struct range stack[64];
    size_t depth = 0;
    stack[depth++] = (struct range){0, count};
    while (depth > 0) {
        struct range range = stack[--depth];
        size_t unit = BOX_TREE_FAN;
        while (unit * BOX_TREE_FAN < range.count)
            unit *= BOX_TREE_FAN;
        if (range.count <= unit)
            continue;
        size_t cut = ((range.count + unit - 1) / unit + 1) / 2 * unit;
        struct box_place *here = places + range.begin;
        divide(here, range.count, cut, widest_edge(here, range.count), spare);
        stack[depth++] = (struct range){range.begin + cut, range.count - cut};
        stack[depth++] = (struct range){range.begin, cut};
    }
}

/* ---- nodes ---- */

static void clear_entry(struct box_node *node, size_t entry)
{
    node->x1[entry] = node->y1[entry] = node->least[entry] = INFINITY;
    node->x2[entry] = node->y2[entry] = node->most[entry] = -INFINITY;
}

/* A box without an area overlaps nothing: it has no part in the least area of a node. */
static void set_entry(struct box_node *node, size_t entry, const struct box *box)
{
    float area = box_area(box);
    node->x1[entry] = box->x1;
    node->y1[entry] = box->y1;
    node->x2[entry] = box->x2;
    node->y2[entry] = box->y2;
    node->least[entry] = area > 0 ? area : INFINITY;
    node->most[entry] = area;
}

static float least_of(const float *values)
{
    float half[BOX_TREE_FAN / 2];
    for (size_t i = 0; i < BOX_TREE_FAN / 2; i++)
        half[i] = lesser(values[i], values[i + BOX_TREE_FAN / 2]);
    return lesser(lesser(half[0], half[1]), lesser(half[2], half[3]));
}

static float most_of(const float *values)
{
    float half[BOX_TREE_FAN / 2];
    for (size_t i = 0; i < BOX_TREE_FAN / 2; i++)
        half[i] = greater(values[i], values[i + BOX_TREE_FAN / 2]);
    return greater(greater(half[0], half[1]), greater(half[2], half[3]));
}

/* False: the bounds were so already. */
static bool bound_node(const struct box_node *node, struct box_node *parent, size_t entry)
{
    float x1 = least_of(node->x1), y1 = least_of(node->y1);
    float x2 = most_of(node->x2), y2 = most_of(node->y2);
    float least = least_of(node->least), most = most_of(node->most);
    if (parent->x1[entry] == x1 && parent->y1[entry] == y1 && parent->x2[entry] == x2 &&
        parent->y2[entry] == y2 && parent->least[entry] == least &&
        parent->most[entry] == most)
        return false;
    parent->x1[entry] = x1;
    parent->y1[entry] = y1;
    parent->x2[entry] = x2;
    parent->y2[entry] = y2;
    parent->least[entry] = least;
    parent->most[entry] = most;
    return true;
}

static void bound_parents(struct box_tree *tree, size_t node)
{
    for (size_t level = 0; level + 1 < tree->level_count; level++) {
        struct box_node *parent = &tree->levels[level + 1][node / BOX_TREE_FAN];
        if (!bound_node(&tree->levels[level][node], parent, node % BOX_TREE_FAN))
            return;
        node /= BOX_TREE_FAN;
    }
}

static void build_leaves(struct box_tree *tree, const struct box *boxes, size_t count,
                         bool is_full)
{
    size_t nodes = (count + BOX_TREE_FAN - 1) / BOX_TREE_FAN;
    for (size_t i = 0; i < nodes * BOX_TREE_FAN; i++) {
        struct box_node *node = &tree->levels[0][i / BOX_TREE_FAN];
        if (i < count)
            tree->place_of[tree->places[i].number] = (uint32_t)i;
        if (i < count && is_full)
            set_entry(node, i % BOX_TREE_FAN, &boxes[tree->places[i].number]);
        else
            clear_entry(node, i % BOX_TREE_FAN);
    }
}

void box_tree_build(struct box_tree *tree, const struct box *boxes, size_t count,
                    bool is_full)
{
    assert(count <= tree->capacity);
    for (size_t i = 0; i < count; i++)
        tree->places[i] = (struct box_place){
            {boxes[i].x1, boxes[i].y1, boxes[i].x2, boxes[i].y2}, (uint32_t)i};
    arrange(tree->places, count, tree->spare);
    build_leaves(tree, boxes, count, is_full);
    tree->level_count = count > 0;
    size_t nodes = (count + BOX_TREE_FAN - 1) / BOX_TREE_FAN;
    while (nodes > 1) {
        const struct box_node *below = tree->levels[tree->level_count - 1];
        struct box_node *above = tree->levels[tree->level_count++];
        size_t room = (nodes + BOX_TREE_FAN - 1) / BOX_TREE_FAN * BOX_TREE_FAN;
        for (size_t i = 0; i < room; i++) {
            clear_entry(&above[i / BOX_TREE_FAN], i % BOX_TREE_FAN);
            if (i < nodes)
                (void)bound_node(&below[i], &above[i / BOX_TREE_FAN], i % BOX_TREE_FAN);
        }
        nodes = room / BOX_TREE_FAN;
    }
}

void box_tree_renumber(struct box_tree *tree, size_t count, uint32_t *order)
{
    for (size_t i = 0; i < count; i++) {
        order[i] = tree->places[i].number;
        tree->places[i].number = tree->place_of[i] = (uint32_t)i;
    }
}

void box_tree_put(struct box_tree *tree, uint32_t number, const struct box *box)
{
    size_t place = tree->place_of[number];
    set_entry(&tree->levels[0][place / BOX_TREE_FAN], place % BOX_TREE_FAN, box);
    bound_parents(tree, place / BOX_TREE_FAN);
}

/* Bounds are drawn anew once for neighbours in a leaf, as a search finds them. */
void box_tree_remove(struct box_tree *tree, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t place = tree->place_of[numbers[i]], leaf = place / BOX_TREE_FAN;
        clear_entry(&tree->levels[0][leaf], place % BOX_TREE_FAN);
        if (i + 1 == count || tree->place_of[numbers[i + 1]] / BOX_TREE_FAN != leaf)
            bound_parents(tree, leaf);
    }
}

/* ---- queries ---- */

/* What an entry has in common with the box: no more than its area, and -infinity when it
 * is empty. */
static inline float common_area(const struct box_node *node, size_t i,
                                const struct box *box)
{
    float width = lesser(box->x2, node->x2[i]) - greater(box->x1, node->x1[i]);
    float height = lesser(box->y2, node->y2[i]) - greater(box->y1, node->y1[i]);
    return lesser(greater(width, 0) * greater(height, 0), node->most[i]);
}

/* The overlap with each entry of a node; of a bound, no less than that of any box in it:
 * each step of box_overlap() rounds to the same side or not at all when what goes in
 * grows, so the bound holds to the last bit. An empty entry gives NaN or less than 0. */
static void rate_iou(const struct box_node *restrict node, const struct box *box,
                     float area, float *restrict rates)
{
    const struct box at = *box;
    for (size_t i = 0; i < BOX_TREE_FAN; i++) {
        float common = common_area(node, i, &at);
        rates[i] = common / greater(area + node->least[i] - common, FLT_TRUE_MIN);
    }
}

static void rate_ios(const struct box_node *restrict node, const struct box *box,
                     float area, float *restrict rates)
{
    const struct box at = *box;
    for (size_t i = 0; i < BOX_TREE_FAN; i++)
        rates[i] = common_area(node, i, &at) /
                   greater(lesser(area, node->least[i]), FLT_TRUE_MIN);
}

/* A bit for each entry that is rated so high. */
static unsigned select_entries(const float *rates, float at_least)
{
    unsigned selected = 0;
    for (unsigned i = 0; i < BOX_TREE_FAN; i++)
        selected |= (unsigned)(rates[i] >= at_least) << i;
    return selected;
}

struct branch {
    uint32_t level, node;
};

size_t box_tree_find(const struct box_tree *tree, enum box_metric metric,
                     const struct box *box, float at_least, uint32_t *found)
{
    struct branch stack[BOX_TREE_LEVELS * BOX_TREE_FAN];
    size_t depth = 0, count = 0;
    float area = box_area(box), rates[BOX_TREE_FAN];
    if (tree->level_count > 0)
        stack[depth++] = (struct branch){tree->level_count - 1, 0};
    while (depth > 0) {
        struct branch at = stack[--depth];
        const struct box_node *node = &tree->levels[at.level][at.node];
        if (metric == BOX_IOU)
            rate_iou(node, box, area, rates);
        else
            rate_ios(node, box, area, rates);
        unsigned selected = select_entries(rates, at_least);
        for (; selected; selected &= selected - 1) {
            uint32_t child = at.node * BOX_TREE_FAN + TRAILING_ZEROS(selected);
            if (at.level > 0)
                stack[depth++] = (struct branch){at.level - 1, child};
            else
                found[count++] = tree->places[child].number;
        }
    }
    return count;
}
