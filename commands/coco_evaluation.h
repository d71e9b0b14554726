/* coco_evaluation.h - how well boxes match the truth: COCO's twelve numbers
 *
 * Pure arithmetic over plain arrays. The rules are those of pycocotools' COCOeval for
 * boxes, and each step of the .c names the function that it follows: evaluateImg matches
 * detections with truths in one image, accumulate makes curves of precision over recall
 * of the matches of all images, summarize takes means of them. */
#ifndef COMMANDS_COCO_EVALUATION_H
#define COMMANDS_COCO_EVALUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;

enum {
    COCO_STATS = 12,
    COCO_THRESHOLDS = 10, /* of intersection over union: .5, .55, ... .95 */
    COCO_RECALLS = 101,   /* where precision is read off: 0, .01, ... 1 */
    COCO_AREAS = 4,       /* all, small, medium, large */
    COCO_DETECTIONS_MAX =
        100, /* the best of an image and category; others do not count */
};

struct coco_box { /* continuous edges, pixels */
    double x, y, width, height;
};

struct coco_truth {
    struct coco_box box;
    double area; /* that of the annotation, which need not be the box's */
    uint32_t image, category;
    bool is_crowd;
    bool has_zero_id; /* pycocotools keeps the id of what was matched, and 0 for nothing:
                         a match with this one counts as none */
};

struct coco_detection {
    struct coco_box box;
    double score; /* not NaN */
    uint32_t image, category;
};

/* Images and categories are numbers below their counts, in the order of their ids; truths
 * and detections stand in the order of their files. Both orders decide among equals. */
struct coco_problem {
    const struct coco_truth *truths;
    const struct coco_detection *detections;
    size_t truth_count, detection_count;
    uint32_t image_count, category_count;
    bool is_class_agnostic; /* useCats = 0: as if there were one category */
};

/* AP, AP50, AP75, AP small, medium, large; AR with 1, 10 and 100 detections an image, AR
 * small, medium, large. -1 where there is no truth. */
struct coco_category_scores {
    double stats[COCO_STATS];
    uint64_t truths;     /* that count: no crowds */
    uint64_t detections; /* all, those beyond COCO_DETECTIONS_MAX included */
};

struct coco_scores {
    double stats[COCO_STATS];
    struct coco_category_scores *categories; /* (category_count), or one: in the arena */
    uint32_t category_count;                 /* 1 when class-agnostic */
};

/* How a number is called: "ap_small", "APs", and in the line of pycocotools' summary. */
struct coco_stat_name {
    const char *key, *name;
    bool is_recall;
    const char *iou, *area;
    int detections;
};
extern const struct coco_stat_name coco_stat_names[COCO_STATS];

/* Besides what the scores take, 8 bytes a truth and a detection are taken of the arena.
 * ERROR_MEMORY. ERROR_CONFIG: 2^32 - 1 truths or detections, or more. */
enum error_code coco_evaluate(const struct coco_problem *problem, struct arena *arena,
                              struct coco_scores *scores, struct error *error);

#endif
