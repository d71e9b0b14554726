/* head_parts.h - what the decoders of head.h share */
#ifndef STAGES_KERNELS_HEAD_PARTS_H
#define STAGES_KERNELS_HEAD_PARTS_H

#include <math.h>

#include "stages/kernels/exact_math.h"
#include "stages/kernels/head.h"

/* One item's numbers as (cells, channels), whichever of the two lies together. */
struct head_map {
    const char *name;
    const float *values;
    size_t cells, channels;
    size_t cell_step, channel_step;
    uint32_t width, height; /* cells = width * height, where the tensor says so; else 0 */
};

static inline float head_map_at(const struct head_map *map, size_t cell, size_t channel)
{
    return map->values[cell * map->cell_step + channel * map->channel_step];
}

static inline float head_column(size_t cell, size_t width)
{
    return (float)(cell % width);
}

static inline float head_row(size_t cell, size_t width)
{
    size_t row = cell / width;
    return (float)row;
}

/* A score above the bound, as it stands. */
struct head_hit {
    uint32_t cell, class;
    float value;
};

struct head_hits {
    struct head_hit *items;
    size_t count, capacity;
};

/* (batch, cells, channels). Overflow and counts have been checked by head_decode(). */
struct head_map head_map_rows(const struct head_input *input,
                              const struct head_tensor *tensor);
/* (batch, channels, cells) */
struct head_map head_map_columns(const struct head_input *input,
                                 const struct head_tensor *tensor);
/* (batch, channels, height, width), or (batch, height, width, channels) */
struct head_map head_map_image(const struct head_input *input,
                               const struct head_tensor *tensor, bool channels_last);
/* The channels [first, first + count) alone. */
struct head_map head_map_slice(const struct head_map *map, size_t first, size_t count);

/* All values of `map` above `bound`, by cell, then channel. */
enum error_code head_hits_find(const struct head_map *map, float bound,
                               struct arena *scratch, struct head_hits *hits,
                               struct error *error);
/* Keep of each cell the best, the first of equals. */
void head_hits_keep_best(struct head_hits *hits);
/* Keep the best `top`, the first of equals, in their order; 0: all. */
void head_hits_keep_top(struct head_hits *hits, size_t top);
/* Those whose score is above the threshold, the best of each cell if options say so. */
enum error_code head_hits_select(const struct head_map *map,
                                 const struct head_options *options, float threshold,
                                 struct arena *scratch, struct head_hits *hits,
                                 struct error *error);

/* The score that the value of a hit stands for. */
float head_score(const struct head_options *options, float value);
/* A value must be above this for its sigmoid to be above the threshold; nothing is lost. */
float head_logit_bound(float threshold);

enum error_code head_bad_number(const char *output, size_t cell, struct error *error);
enum error_code head_wrong_shape(const struct head_tensor *tensor, const char *wanted,
                                 struct error *error);

/* Append a box; refuses what is no number, and a score that is no probability. */
enum error_code head_add(struct detections *found, const struct head_map *map,
                         size_t cell, const struct detection *box, struct error *error);

/* Cells on a side of so many pixels. */
static inline uint32_t head_cells(uint32_t pixels, double stride)
{
    return (uint32_t)ceil(pixels / stride);
}
/* The level whose stride gives a map of this size; options->strides.count: none. */
size_t head_level_of(const struct head_options *options, const struct head_input *input,
                     uint32_t width, uint32_t height);
/* The cells of all levels together; each has `boxes` of them. */
size_t head_places(const struct head_options *options, const struct head_input *input);

bool head_name_has(const struct head_tensor *tensor, const char *const *words);

/* 1 / (1 + exp(-value)); value: finite */
static inline float head_sigmoid(float value)
{
    return (float)(1 / (1 + exact_exp(-(double)value)));
}

/* exp() that stays a float: exponents above 80 are refused by head_add() as infinite. */
static inline float head_exp(float value)
{
    return value > 80 ? INFINITY : (float)exact_exp(value);
}

/* The mean of 0, 1, ... bins - 1 by the softmax of their logits: DFL of "Generalized
 * Focal Loss" (Li et al. 2020, section 3.2), Integral of nanodet/model/head/gfl_head.py,
 * DFL of ultralytics/nn/modules/block.py. Not finite if a logit is not. */
float head_integral(const struct head_map *map, size_t cell, size_t first, size_t bins);

head_decoder yolov1_decode, yolov2_decode, yolov3_decode, yolov5_decode, yolov8_decode,
    end_to_end_decode, fcos_decode, centernet_decode, nanodet_decode, nanodet_plus_decode,
    ssd_decode, ssd_corners_decode;
typedef bool head_recogniser(const struct head_input *input,
                             const struct head_options *initial);
head_recogniser yolov1_recognises, yolov2_recognises, tinyface_recognises,
    yolov3_recognises, yolov5_recognises, yolov8_recognises, end_to_end_recognises,
    fcos_recognises, centernet_recognises, nanodet_recognises, nanodet_plus_recognises,
    ssd_corners_recognises;

#endif
