/* coco_reference.h - for tests: COCO's numbers as plainly as can be, array by array */
#ifndef TESTS_COCO_REFERENCE_H
#define TESTS_COCO_REFERENCE_H

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands/coco_evaluation.h"

/* Each step as COCOeval has it: whole matrices, every area and number of detections anew,
 * insertion sorts for its stable ones. Small problems only. */

struct reference_list {
    uint32_t *items;
    size_t count;
};

/* The truths (or detections) of an image and category, in the order of the file; all
 * categories one after another when class-agnostic. */
static inline struct reference_list reference_members(const struct coco_problem *problem,
                                                      bool are_truths, uint32_t image,
                                                      uint32_t category)
{
    size_t count = are_truths ? problem->truth_count : problem->detection_count;
    struct reference_list list = {calloc(count + 1, sizeof(uint32_t)), 0};
    uint32_t first = problem->is_class_agnostic ? 0 : category;
    uint32_t last = problem->is_class_agnostic ? problem->category_count : category + 1;
    for (uint32_t k = first; list.items && k < last; k++)
        for (uint32_t i = 0; i < count; i++)
            if (are_truths ? problem->truths[i].image == image &&
                                 problem->truths[i].category == k
                           : problem->detections[i].image == image &&
                                 problem->detections[i].category == k)
                list.items[list.count++] = i;
    return list;
}

/* Stable, the largest first. */
static inline void reference_sort(double *keys, uint32_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double key = keys[i];
        uint32_t value = values[i];
        size_t k = i;
        for (; k > 0 && keys[k - 1] < key; k--) {
            keys[k] = keys[k - 1];
            values[k] = values[k - 1];
        }
        keys[k] = key;
        values[k] = value;
    }
}

static inline double reference_overlap(const struct coco_detection *detection,
                                       const struct coco_truth *truth)
{
    struct coco_box d = detection->box, g = truth->box;
    double width = fmin(d.x + d.width, g.x + g.width) - fmax(d.x, g.x);
    double height = fmin(d.y + d.height, g.y + g.height) - fmax(d.y, g.y);
    if (width <= 0 || height <= 0)
        return 0;
    double both = width * height, area = d.width * d.height;
    return both / (truth->is_crowd ? area : area + g.width * g.height - both);
}

static const double reference_areas[4][2] = {
    {0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}};
static const size_t reference_most[3] = {1, 10, 100};

/* What evaluateImg gives for one image, category, area and threshold: appended to lists of
 * the category. */
struct reference_matches {
    double *scores;
    bool *matched, *ignored;
    size_t *ranks;
    size_t count, truths;
};

static inline void reference_image(const struct coco_problem *problem, uint32_t image,
                                   uint32_t category, size_t area, double threshold,
                                   struct reference_matches *out)
{
    struct reference_list truths = reference_members(problem, true, image, category);
    struct reference_list found = reference_members(problem, false, image, category);
    double *keys = calloc(truths.count + found.count + 1, sizeof *keys);
    bool *ignored = calloc(truths.count + 1, 1), *taken = calloc(truths.count + 1, 1);
    const double *range = reference_areas[area];
    for (size_t i = 0; i < truths.count; i++) {
        const struct coco_truth *g = &problem->truths[truths.items[i]];
        bool is_ignored = g->is_crowd || g->area < range[0] || g->area > range[1];
        keys[i] = is_ignored ? 0 : 1;
        out->truths += !is_ignored;
    }
    reference_sort(keys, truths.items, truths.count);
    for (size_t i = 0; i < truths.count; i++)
        ignored[i] = keys[i] < 0.5;
    for (size_t i = 0; i < found.count; i++)
        keys[i] = problem->detections[found.items[i]].score;
    reference_sort(keys, found.items, found.count);
    for (size_t i = 0; i < found.count && i < 100; i++) {
        const struct coco_detection *d = &problem->detections[found.items[i]];
        double best = fmin(threshold, 1 - 1e-10), size = d->box.width * d->box.height;
        size_t m = SIZE_MAX;
        for (size_t k = 0; k < truths.count; k++) {
            const struct coco_truth *g = &problem->truths[truths.items[k]];
            double overlap = reference_overlap(d, g);
            if (taken[k] && !g->is_crowd)
                continue;
            if (m != SIZE_MAX && !ignored[m] && ignored[k])
                break;
            if (overlap < best)
                continue;
            best = overlap;
            m = k;
        }
        bool is_matched = m != SIZE_MAX && !problem->truths[truths.items[m]].has_zero_id;
        bool is_outside = size < range[0] || size > range[1];
        if (m != SIZE_MAX)
            taken[m] = true;
        out->scores[out->count] = d->score;
        out->matched[out->count] = is_matched;
        out->ignored[out->count] =
            (m != SIZE_MAX && ignored[m]) || (!is_matched && is_outside);
        out->ranks[out->count++] = i;
    }
    free(truths.items);
    free(found.items);
    free(keys);
    free(ignored);
    free(taken);
}

/* accumulate: precision at 101 points of recall and the recall that is reached, for at most
 * so many detections an image; false: there is no truth. */
static inline bool reference_curve(const struct reference_matches *all, size_t most,
                                   double precision[101], double *recall)
{
    size_t n = 0;
    double *scores = calloc(all->count + 1, sizeof *scores);
    uint32_t *order = calloc(all->count + 1, sizeof *order);
    double *rc = calloc(all->count + 1, sizeof *rc),
           *pr = calloc(all->count + 1, sizeof *pr);
    double right = 0, wrong = 0;
    for (uint32_t i = 0; i < all->count; i++)
        if (all->ranks[i] < most) {
            scores[n] = all->scores[i];
            order[n++] = i;
        }
    reference_sort(scores, order, n);
    for (size_t i = 0; i < n; i++) {
        right += all->matched[order[i]] && !all->ignored[order[i]];
        wrong += !all->matched[order[i]] && !all->ignored[order[i]];
        rc[i] = right / (double)all->truths;
        pr[i] = right / (wrong + right + DBL_EPSILON);
    }
    for (size_t i = n; i > 1; i--)
        pr[i - 2] = fmax(pr[i - 2], pr[i - 1]);
    *recall = n > 0 ? rc[n - 1] : 0;
    for (size_t i = 0; i < 101; i++) {
        size_t at = 0;
        while (at < n && rc[at] < (i == 100 ? 1.0 : (double)i * (1.0 / 100)))
            at++;
        precision[i] = at < n ? pr[at] : 0;
    }
    free(scores);
    free(order);
    free(rc);
    free(pr);
    return all->truths > 0;
}

/* The twelve numbers of one category. */
static inline void reference_category(const struct coco_problem *problem,
                                      uint32_t category, double stats[COCO_STATS])
{
    size_t room = problem->detection_count + 1;
    struct reference_matches all = {
        .scores = calloc(room, sizeof(double)),
        .matched = calloc(room, 1),
        .ignored = calloc(room, 1),
        .ranks = calloc(room, sizeof(size_t)),
    };
    double ap[4] = {0}, ar[4][3] = {{0}}, precision[101], recall;
    bool has_truth[4] = {false};
    for (size_t i = 0; i < COCO_STATS; i++)
        stats[i] = -1;
    for (size_t area = 0; area < 4; area++)
        for (size_t t = 0; t < 10; t++) {
            double threshold = t == 9 ? 0.95 : (double)t * ((0.95 - 0.5) / 9) + 0.5;
            all.count = all.truths = 0;
            for (uint32_t image = 0; image < problem->image_count; image++)
                reference_image(problem, image, category, area, threshold, &all);
            for (size_t m = 0; m < 3; m++) {
                double sum = 0;
                has_truth[area] =
                    reference_curve(&all, reference_most[m], precision, &recall);
                for (size_t i = 0; i < 101; i++)
                    sum += precision[i];
                ar[area][m] += recall / 10;
                ap[area] += m == 2 ? sum / 1010 : 0;
                if (m == 2 && area == 0 && has_truth[0] && (t == 0 || t == 5))
                    stats[t == 0 ? 1 : 2] = sum / 101;
            }
        }
    for (size_t area = 0; area < 4; area++)
        if (has_truth[area]) {
            stats[area == 0 ? 0 : 2 + area] = ap[area];
            stats[8 + area] = ar[area][2];
            stats[6] = area == 0 ? ar[0][0] : stats[6];
            stats[7] = area == 0 ? ar[0][1] : stats[7];
        }
    free(all.scores);
    free(all.matched);
    free(all.ignored);
    free(all.ranks);
}

/* `categories` has room for (category_count), or one when class-agnostic. */
static inline void reference_evaluate(const struct coco_problem *problem,
                                      double (*categories)[COCO_STATS],
                                      double stats[COCO_STATS])
{
    uint32_t count = problem->is_class_agnostic ? 1 : problem->category_count;
    for (uint32_t k = 0; k < count; k++)
        reference_category(problem, k, categories[k]);
    for (size_t i = 0; i < COCO_STATS; i++) {
        double sum = 0;
        size_t n = 0;
        for (uint32_t k = 0; k < count; k++)
            if (categories[k][i] > -1) {
                sum += categories[k][i];
                n++;
            }
        stats[i] = n > 0 ? sum / (double)n : -1;
    }
}

#endif
