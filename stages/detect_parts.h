/* detect_parts.h - what the files of the stage detect share */
#ifndef STAGES_DETECT_PARTS_H
#define STAGES_DETECT_PARTS_H

#include "core/column_builder.h"
#include "stages/image_stage.h"
#include "stages/kernels/box_merge.h"
#include "stages/kernels/detector.h"
#include "stages/kernels/picture_views.h"

enum { SCALES_MAX = 32, SCALE_WHOLE = SCALES_MAX, LEVELS_MAX = SCALES_MAX + 1 };

struct tile_options {
    int64_t width, height;
    double overlap;
    bool automatic;
};

struct pyramid_options {
    double from, factor;
    int64_t smallest;
};

struct focus_options {
    double threshold, margin;
    int64_t small;
};

enum merge_choice { MERGE_AUTO, MERGE_NONE, MERGE_METHODS };
struct merge_options {
    int method; /* enum merge_choice; from MERGE_METHODS on: enum box_method */
    int metric;
    double threshold, sigma;
    bool is_class_agnostic;
};

struct detect_options {
    struct image_common common;
    const char *model, *family, *head;
    struct head_options head_options;
    struct input_options input;
    double threshold, border;
    struct real_list scales, valid_ranges, classes;
    struct pyramid_options pyramid;
    struct tile_options tile;
    struct focus_options focus;
    struct merge_options merge;
    bool full_image, draft;
    int filter;
    int64_t batch, max_boxes;
};

/* A box that counts, and of which record of the batch it is. */
struct found_box {
    struct detection box;
    uint32_t record;
};

/* Where a finer scale is to be looked at, in pixels of the original. */
struct focus_region {
    struct box box;
    uint32_t record;
};

struct detect_state {
    struct detector *detector; /* owned */
    struct image_rules rules;
    struct column_builder boxes;
    struct bytes band, picture; /* owned: rows, a whole picture */
    struct arena *work;         /* owned: of one record's merging and regions */
    struct found_box *found;    /* owned, of the batch, by record within each pass */
    size_t found_count, found_capacity;
    struct focus_region *regions; /* owned, of the pass before this one, by record */
    size_t region_count, region_capacity;
    struct focus_region *next_regions; /* owned, of this pass */
    size_t next_count, next_capacity;
    uint32_t pass, passes;
    int64_t *views; /* (rows), of the batch, in its arena: how many were looked at */
    unsigned char *is_bad;       /* (rows): the record has been rejected */
    struct stage_output *output; /* of the batch */
};

/* One scale of one picture. */
struct detect_level {
    uint32_t scale;        /* its number in the options, or SCALE_WHOLE */
    struct fit fit;        /* SCALE_WHOLE: of the whole */
    unsigned char *wanted; /* bitmap of tiles by number, or NULL: all */
    uint32_t columns;      /* tiles in a row */
    uint32_t step_x, step_y;
};

/* The scales of an upright picture at pass `pass`, at most LEVELS_MAX, to `views` and
 * `levels`. With a focus, bitmaps lie in the arena. ERROR_RECORD: a scale makes the picture
 * too large; ERROR_MEMORY. */
enum error_code detect_levels(const struct detect_options *options,
                              const struct detect_state *state, uint32_t record,
                              uint32_t width, uint32_t height, struct view_level *views,
                              struct detect_level *levels, size_t *count,
                              struct arena *arena, struct image_fault *fault,
                              struct error *error);
/* Is the tile of the level to be looked at? */
bool detect_level_wants(const struct detect_level *level, const struct tile *tile);
/* How often a picture is gone through: once, or with a focus once a scale. */
uint32_t detect_passes(const struct detect_options *options);

enum error_code detect_process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error);

#endif
