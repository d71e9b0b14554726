/* box.h - boxes, how far two of them overlap, and their order
 *
 * Coordinates are continuous edges: a box covers [x1, x2) by [y1, y2), in pixels of the
 * upright original, and is x2 - x1 wide. Who has inclusive pixels (MTCNN, the devkit of
 * Pascal VOC) adds 1 to x2 and y2 first. */
#ifndef STAGES_KERNELS_BOX_H
#define STAGES_KERNELS_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* An element of a list<box> column. */
struct box {
    float x1, y1, x2, y2;
    float score;
    float class; /* a whole number */
};

/* IOU = I / (A + B - I), IOS = I / min(A, B), by the areas of two boxes and of what they
 * have in common; 0 where the denominator is 0. */
enum box_metric { BOX_IOU, BOX_IOS };

/* Edges and scores beyond this, whose products a float could not hold, are refused. */
#define BOX_NUMBER_MAX 1e9F

/* The first box that is none, or `count`: an edge or a score that is no number or beyond
 * BOX_NUMBER_MAX, a class that is not a whole number of at most 2^24. `text` (size) then
 * says what is wrong with it. */
size_t box_find_bad(const struct box *boxes, size_t count, char *text, size_t size);

/* The same rectangle with x1 <= x2 and y1 <= y2, and 0 for -0. */
struct box box_upright(const struct box *box);

/* The area of an upright box, rounded as float arithmetic does. */
static inline float box_area(const struct box *box)
{
    return (box->x2 - box->x1) * (box->y2 - box->y1);
}

/* The metric of two upright boxes. The first in float arithmetic throughout, as SAHI
 * computes it (_compute_metric_matrix_full of sahi/postprocess/_numpy_backend.py), the
 * second in double (bb_intersection_over_union of ensemble_boxes, has_match of
 * sahi/postprocess/utils.py), where less than 1e-20 is 0. */
float box_overlap(enum box_metric metric, const struct box *a, const struct box *b);
double box_overlap_double(enum box_metric metric, const struct box *a,
                          const struct box *b);

/* overlaps[i] (count) becomes box_overlap_double() of `box` and boxes[numbers[i]], the
 * same bits. */
void box_overlap_many(enum box_metric metric, const struct box *box,
                      const struct box *boxes, const uint32_t *numbers, size_t count,
                      double *overlaps);

/* Which boxes come first: those of higher scores; of equal scores those of the smaller
 * x1, y1, x2, y2 (SAHI's _score_tiebreak_order); then those that stand first. */
enum box_order {
    BOX_BY_SCORE,          /* score, edges, class */
    BOX_BY_CLASS_AND_SCORE /* ascending classes, then score and edges */
};

/* order[i] (count) becomes the number of the box at place i. `scores` (count) stand for
 * the scores of the boxes; finite. Linear time. False: no memory. */
bool box_sort(const struct box *boxes, const double *scores, size_t count,
              enum box_order by, struct arena *arena, uint32_t *order);

#endif
