/* box.c - boxes, how far two of them overlap, and their order */
#include "stages/kernels/box.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"

static const float class_max = 16777216.0F; /* above, floats skip whole numbers */

/* Written so that NaN is bad, too. */
static bool is_held(float number)
{
    return number >= -BOX_NUMBER_MAX && number <= BOX_NUMBER_MAX;
}

size_t box_find_bad(const struct box *boxes, size_t count, char *text, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        const struct box *box = boxes + i;
        const char *fault = NULL;
        if (!is_held(box->x1) || !is_held(box->y1) || !is_held(box->x2) ||
            !is_held(box->y2))
            fault = "an edge that is not a number from -1e9 to 1e9";
        else if (!is_held(box->score))
            fault = "a score that is not a number from -1e9 to 1e9";
        else if (!(box->class >= -class_max && box->class <= class_max) ||
                 box->class != floorf(box->class))
            fault = "a class that is not a whole number of 24 bits";
        if (!fault)
            continue;
        (void)snprintf(text, size, "[%g, %g, %g, %g, %g, %g] has %s", (double)box->x1,
                       (double)box->y1, (double)box->x2, (double)box->y2,
                       (double)box->score, (double)box->class, fault);
        return i;
    }
    return count;
}

struct box box_upright(const struct box *box)
{
    return (struct box){.x1 = (box->x1 < box->x2 ? box->x1 : box->x2) +
                              0.0F, /* -0 + 0 is 0 */
                        .y1 = (box->y1 < box->y2 ? box->y1 : box->y2) + 0.0F,
                        .x2 = (box->x1 < box->x2 ? box->x2 : box->x1) + 0.0F,
                        .y2 = (box->y1 < box->y2 ? box->y2 : box->y1) + 0.0F,
                        .score = box->score + 0.0F,
                        .class = box->class + 0.0F};
}

float box_overlap(enum box_metric metric, const struct box *a, const struct box *b)
{
    float width = (a->x2 < b->x2 ? a->x2 : b->x2) - (a->x1 > b->x1 ? a->x1 : b->x1);
    float height = (a->y2 < b->y2 ? a->y2 : b->y2) - (a->y1 > b->y1 ? a->y1 : b->y1);
    float common = (width > 0 ? width : 0) * (height > 0 ? height : 0);
    float first = box_area(a), second = box_area(b);
    float whole = metric == BOX_IOU ? first + second - common
                  : first < second  ? first
                                    : second;
    return whole > 0 ? common / whole : 0;
}

/* Less is no overlap: a box_tree, which searches with floats, need not find it. */
static const double overlap_min = 1e-20;

double box_overlap_double(enum box_metric metric, const struct box *a,
                          const struct box *b)
{
    double width =
        (double)(a->x2 < b->x2 ? a->x2 : b->x2) - (double)(a->x1 > b->x1 ? a->x1 : b->x1);
    double height =
        (double)(a->y2 < b->y2 ? a->y2 : b->y2) - (double)(a->y1 > b->y1 ? a->y1 : b->y1);
    double common = (width > 0 ? width : 0) * (height > 0 ? height : 0);
    double first = ((double)a->x2 - (double)a->x1) * ((double)a->y2 - (double)a->y1);
    double second = ((double)b->x2 - (double)b->x1) * ((double)b->y2 - (double)b->y1);
    double whole = metric == BOX_IOU ? first + second - common
                   : first < second  ? first
                                     : second;
    double overlap = whole > 0 ? common / whole : 0;
    return overlap < overlap_min ? 0 : overlap;
}

/* ---- many overlaps ---- */

/* Loops over so many boxes become vector instructions. */
enum { BLOCK = 8 };

struct block {
    float x1[BLOCK], y1[BLOCK], x2[BLOCK], y2[BLOCK];
    double common[BLOCK], areas[BLOCK];
};

static inline double positive(double number)
{
    return number > 0 ? number : 0;
}

static inline float lesser(float a, float b)
{
    return a < b ? a : b;
}

static inline float greater(float a, float b)
{
    return a > b ? a : b;
}

static void measure_block(const struct box *box, struct block *restrict block)
{
    const struct box at = *box;
    for (size_t i = 0; i < BLOCK; i++) {
        double width =
            (double)lesser(at.x2, block->x2[i]) - (double)greater(at.x1, block->x1[i]);
        double height =
            (double)lesser(at.y2, block->y2[i]) - (double)greater(at.y1, block->y1[i]);
        block->common[i] = positive(width) * positive(height);
        block->areas[i] = ((double)block->x2[i] - (double)block->x1[i]) *
                          ((double)block->y2[i] - (double)block->y1[i]);
    }
}

/* As box_overlap_double(): a whole of 0 has nothing in common with anything. */
static void divide_block(enum box_metric metric, double area, struct block *block)
{
    double wholes[BLOCK];
    if (metric == BOX_IOU)
        for (size_t i = 0; i < BLOCK; i++)
            wholes[i] = area + block->areas[i] - block->common[i];
    else
        for (size_t i = 0; i < BLOCK; i++)
            wholes[i] = area < block->areas[i] ? area : block->areas[i];
    for (size_t i = 0; i < BLOCK; i++)
        wholes[i] = wholes[i] > DBL_MIN ? wholes[i] : DBL_MIN;
    for (size_t i = 0; i < BLOCK; i++)
        wholes[i] = block->common[i] / wholes[i];
    for (size_t i = 0; i < BLOCK; i++)
        block->common[i] = wholes[i] < overlap_min ? 0 : wholes[i];
}

void box_overlap_many(enum box_metric metric, const struct box *box,
                      const struct box *boxes, const uint32_t *numbers, size_t count,
                      double *overlaps)
{
    double area =
        ((double)box->x2 - (double)box->x1) * ((double)box->y2 - (double)box->y1);
    for (size_t begin = 0; begin < count; begin += BLOCK) {
        struct block block;
        memset(&block, 0, sizeof block);
        size_t here = count - begin < BLOCK ? count - begin : BLOCK;
        for (size_t i = 0; i < here; i++) {
            const struct box *other = &boxes[numbers[begin + i]];
            block.x1[i] = other->x1;
            block.y1[i] = other->y1;
            block.x2[i] = other->x2;
            block.y2[i] = other->y2;
        }
        measure_block(box, &block);
        divide_block(metric, area, &block);
        memcpy(overlaps + begin, block.common, here * sizeof *overlaps);
    }
}

/* ---- the order: by class and score digit by digit, then what is equal by edges ---- */

enum { DIGITS = 8, DIGIT_VALUES = 256 };

struct keyed {
    uint64_t key;
    uint32_t box;
};

struct sorter {
    const struct box *boxes;
    const double *scores;
    size_t count;
    uint32_t *order;         /* (count) */
    struct keyed *from, *to; /* (count) */
};

/* Unsigned integers in the order of the numbers. */
static uint64_t ascending(double number)
{
    uint64_t bits;
    number += 0.0; /* -0 is 0 */
    memcpy(&bits, &number, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* A stable pass over one digit, left out where all have the same. */
static void sort_digit(struct sorter *sorter, unsigned digit, uint32_t *counts)
{
    unsigned shift = digit * 8;
    uint32_t place = 0;
    if (counts[sorter->from[0].key >> shift & 0xFF] == sorter->count)
        return;
    for (size_t value = 0; value < DIGIT_VALUES; value++) {
        uint32_t here = counts[value];
        counts[value] = place;
        place += here;
    }
    for (size_t i = 0; i < sorter->count; i++)
        sorter->to[counts[sorter->from[i].key >> shift & 0xFF]++] = sorter->from[i];
    struct keyed *swap = sorter->from;
    sorter->from = sorter->to;
    sorter->to = swap;
}

/* Sort stably, by class or by falling score. */
static void sort_keys(struct sorter *sorter, bool by_class)
{
    uint32_t counts[DIGITS][DIGIT_VALUES] = {{0}};
    bool is_sorted = true;
    for (size_t i = 0; i < sorter->count; i++) {
        uint32_t box = sorter->order[i];
        uint64_t key = by_class ? ascending((double)sorter->boxes[box].class)
                                : ~ascending(sorter->scores[box]);
        sorter->from[i] = (struct keyed){key, box};
        is_sorted = is_sorted && (i == 0 || sorter->from[i - 1].key <= key);
    }
    if (is_sorted)
        return;
    for (size_t i = 0; i < sorter->count; i++)
        for (unsigned digit = 0; digit < DIGITS; digit++)
            counts[digit][sorter->from[i].key >> digit * 8 & 0xFF]++;
    for (unsigned digit = 0; digit < DIGITS; digit++)
        sort_digit(sorter, digit, counts[digit]);
    for (size_t i = 0; i < sorter->count; i++)
        sorter->order[i] = sorter->from[i].box;
}

static bool is_tie(const struct sorter *sorter, enum box_order by, size_t i, size_t j)
{
    uint32_t a = sorter->order[i], b = sorter->order[j];
    return !(sorter->scores[a] < sorter->scores[b]) &&
           !(sorter->scores[a] > sorter->scores[b]) &&
           (by == BOX_BY_SCORE || (!(sorter->boxes[a].class < sorter->boxes[b].class) &&
                                   !(sorter->boxes[a].class > sorter->boxes[b].class)));
}

/* Of boxes of equal scores, of which a stands first, does b come before it? */
static bool is_after(const struct box *a, const struct box *b)
{
    if (a->x1 < b->x1 || a->x1 > b->x1)
        return a->x1 > b->x1;
    if (a->y1 < b->y1 || a->y1 > b->y1)
        return a->y1 > b->y1;
    if (a->x2 < b->x2 || a->x2 > b->x2)
        return a->x2 > b->x2;
    if (a->y2 < b->y2 || a->y2 > b->y2)
        return a->y2 > b->y2;
    return a->class > b->class;
}

static bool comes_after(const struct sorter *sorter, const struct keyed *a,
                        const struct keyed *b)
{
    return a->key > b->key ||
           (a->key == b->key && is_after(sorter->boxes + a->box, sorter->boxes + b->box));
}

/* Two sorted runs that stand side by side become one. */
static void merge_runs(const struct sorter *sorter, size_t begin, size_t middle,
                       size_t end)
{
    struct keyed *from = sorter->from, *to = sorter->to;
    size_t left = begin, right = middle, at = begin;
    while (left < middle && right < end)
        to[at++] =
            comes_after(sorter, from + left, from + right) ? from[right++] : from[left++];
    while (left < middle)
        to[at++] = from[left++];
    memcpy(from + begin, to + begin, (at - begin) * sizeof *from);
}

/* Merge sort from below, by edges; x1 lies at hand, which mostly decides. */
static void sort_ties(const struct sorter *sorter, size_t begin, size_t end)
{
    if (end - begin < 2)
        return;
    for (size_t i = begin; i < end; i++) {
        uint32_t box = sorter->order[i];
        sorter->from[i] = (struct keyed){ascending((double)sorter->boxes[box].x1), box};
    }
    for (size_t width = 1; width < end - begin; width *= 2)
        for (size_t at = begin; end - at > width;) {
            size_t last = end - at < 2 * width ? end : at + 2 * width;
            merge_runs(sorter, at, at + width, last);
            at = last;
        }
    for (size_t i = begin; i < end; i++)
        sorter->order[i] = sorter->from[i].box;
}

bool box_sort(const struct box *boxes, const double *scores, size_t count,
              enum box_order by, struct arena *arena, uint32_t *order)
{
    struct sorter sorter = {.boxes = boxes,
                            .scores = scores,
                            .count = count,
                            .order = order,
                            .from = ARENA_RAW(arena, struct keyed, count),
                            .to = ARENA_RAW(arena, struct keyed, count)};
    if (!sorter.from || !sorter.to)
        return false;
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    if (count > 0)
        sort_keys(&sorter, false);
    if (count > 0 && by == BOX_BY_CLASS_AND_SCORE)
        sort_keys(&sorter, true);
    size_t end;
    for (size_t begin = 0; begin < count; begin = end) {
        for (end = begin + 1; end < count && is_tie(&sorter, by, begin, end); end++)
            ;
        sort_ties(&sorter, begin, end);
    }
    return true;
}
