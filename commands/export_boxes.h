/* export_boxes.h - a record as an image with boxes, and the names of their classes */
#ifndef COMMANDS_EXPORT_BOXES_H
#define COMMANDS_EXPORT_BOXES_H

#include <stdatomic.h>

#include "commands/export_format.h"

/* What a format needs of a record beside its key and boxes. */
enum box_needs { BOX_NEEDS_SIZE = 1 };

struct boxed_image { /* lives as long as the record */
    const char *key;
    size_t key_size;
    uint32_t width, height; /* of the upright image; 0: not asked for */
    const float *boxes;     /* (count, 6), as core/batch.h has them */
    size_t count;
    bool is_null; /* there is no list of boxes, which may mean that nobody looked */
};

struct box { /* x1 <= x2, y1 <= y2 */
    float x1, y1, x2, y2, score;
    uint32_t class;
};

/* Which classes there are and what they are called. The first member of the state of a
 * format of boxes. */
struct box_classes {
    const char *path;         /* of the names; NULL: classes are called by their number */
    struct bytes names, ends; /* owned: end to end; uint32_t, where each ends */
    uint32_t count;           /* of names */
    _Atomic uint32_t *is_seen; /* owned: a bit a class that box_get() met */
};

/* Read --classes, and look for the columns. To be called first by open(). */
enum error_code boxes_open(struct export_job *job, const struct batch *batch,
                           unsigned needs, struct error *error);
void boxes_close(struct export_job *job);

/* Any thread. Of an image whose boxes are null: ERROR_RECORD, or as --null-boxes says
 * `count` 0; *is_wanted is false for one that is to be passed over. */
enum error_code boxes_get_image(struct export_job *job, const struct job_record *record,
                                unsigned needs, struct boxed_image *image,
                                bool *is_wanted, struct error *error);
/* The same, whatever --null-boxes says: is_null tells. */
enum error_code boxes_get_any_image(struct export_job *job,
                                    const struct job_record *record, unsigned needs,
                                    struct boxed_image *image, struct error *error);
/* Box i of the image. ERROR_RECORD: a value that is no number, a class without a name. */
enum error_code boxes_get(struct export_job *job, const struct job_record *record,
                          const struct boxed_image *image, size_t i, struct box *box,
                          struct error *error);

/* The name of a class, not zero-terminated; `digits` (12 bytes) holds that of a number. */
const char *boxes_class_name(const struct export_job *job, uint32_t class, char *digits,
                             size_t *size);
/* Every class that has a name; without names, that was met. After it, or from 0. False:
 * there is none left. */
bool boxes_next_class(const struct export_job *job, bool is_first, uint32_t *class);
/* All of a list without gaps: how many names there are, or the largest class and 1. */
uint32_t boxes_class_count(const struct export_job *job);

#endif
