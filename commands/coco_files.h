/* coco_files.h - a COCO data set and results for it, read for an evaluation
 *
 * Both are read value by value, whatever their size: memory is taken for what is evaluated
 * alone, 56 bytes an annotation and 48 a result. The steps, in this order:
 *
 *     coco_data_init, coco_read_truth, coco_choose..., coco_settle, coco_read_results
 *
 * What is wrong with a file is ERROR_DAMAGED and told with file, line, column and path. */
#ifndef COMMANDS_COCO_FILES_H
#define COMMANDS_COCO_FILES_H

#include "commands/coco_evaluation.h"
#include "commands/coco_ids.h"

/* Images or categories: all that were met, and those that take part. */
struct coco_list {
    struct coco_ids ids;
    struct coco_list_item {
        bool is_listed; /* by the data set; others are only referred to */
        bool is_chosen;
        uint32_t rank;    /* among those that take part, by id; UINT32_MAX: it does not */
        const char *name; /* of a category: NULL without one, else in the arena */
        size_t name_size;
    } * items; /* owned, (ids.count) */
    size_t capacity;
    bool has_choice;
    uint32_t count;          /* that take part */
    const uint32_t *by_rank; /* (count) numbers of items, in the arena */
};

/* What was read and does not count, and what is odd; for people. */
struct coco_notes {
    uint64_t truths_without_image;     /* annotations of images that are not listed */
    uint64_t truths_without_category;  /* ... of categories that are not */
    uint64_t truths_without_area;      /* the box's area stands in */
    uint64_t truths_with_zero_id;      /* see coco_truth */
    uint64_t results_without_category; /* results in categories that are not listed */
    uint64_t results_not_chosen;
};

struct coco_data {
    struct arena *arena; /* borrowed */
    const char *truth_path;
    struct coco_list images, categories;
    struct coco_truth *truths; /* owned; image and category are ranks once settled */
    struct coco_detection *detections; /* owned */
    size_t truth_count, truth_room, detection_count, detection_room;
    struct coco_notes notes;
};

void coco_data_init(struct coco_data *data, struct arena *arena);
void coco_data_clear(struct coco_data *data);

/* Read {"images": [{"id"}], "annotations": [{"id", "image_id", "category_id", "bbox",
 * "area", "iscrowd"}], "categories": [{"id", "name"}]}, in any order, other fields passed
 * over. "area" and "iscrowd" may be left out; annotation ids must differ. `path` ("-":
 * standard input) is borrowed for as long as the data live. */
enum error_code coco_read_truth(struct coco_data *data, const char *path,
                                struct error *error);

/* Let only chosen images or categories take part: all those of the name (a category's), or
 * the one of the id. False: there is none in the data set. */
bool coco_choose(struct coco_list *list, const char *text, size_t size);

/* Give what takes part its ranks and drop the annotations of the rest. */
enum error_code coco_settle(struct coco_data *data, struct error *error);

/* Read [{"image_id", "category_id", "bbox", "score"}], other fields passed over. An image
 * that the data set does not list is an error, as for COCO.loadRes; results in unknown
 * categories are counted and left out, as COCOeval does. */
enum error_code coco_read_results(struct coco_data *data, const char *path,
                                  struct error *error);

#endif
