/* detector.h - a detector's model: parts of pictures in, boxes out, several at a time
 *
 * What the model is given and what its numbers mean comes from its family, from the model
 * itself and from the user. Views of pictures are packed into the places of a batch; a full
 * batch is run, decoded, and each view's boxes are handed over in the order of the views.
 *
 * The batch must not show in the boxes: detector_prepare() tries how many views may share
 * one (exact_batch.h). */
#ifndef STAGES_KERNELS_DETECTOR_H
#define STAGES_KERNELS_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/option.h"
#include "stages/kernels/box_tiles.h"
#include "stages/kernels/exact_batch.h"
#include "stages/kernels/fit.h"
#include "stages/kernels/head.h"
#include "stages/kernels/resample.h"

struct onnx_runtime;

/* What the user may set of a model's input; 0, empty and -1 leave it to the family. */
struct input_options {
    int64_t width, height, multiple;
    int fit;      /* 0, or enum fit_kind + 1 */
    int channels; /* 0, 1 rgb, 2 bgr */
    int layout;   /* 0, 1 nchw, 2 nhwc */
    struct real_list mean, divisor, pad;
};
extern const struct option_spec input_option_specs[];

/* All borrowed as long as the detector. */
struct detector_setup {
    const char *model;  /* path */
    const char *family; /* NULL: by the outputs */
    const char *head;   /* NULL: the family's, or by the outputs */
    const struct head_options *head_options;
    const struct input_options *input;
    double threshold; /* of scores; below 0: the family's */
    uint32_t batch;   /* 1 ... EXACT_BATCH_MAX */
    enum resample_filter filter;
};

/* Names of families and heads that there are. ERROR_CONFIG names the nearest. */
enum error_code detector_check_names(const char *family, const char *head,
                                     struct source_position where, struct error *error);

struct detector; /* heap object */

/* Once a node: find out what can be batched, and write `target`, from which open() is faster
 * and shares the weights. ERROR_CONFIG: it is no model, or none that the setup reads. */
enum error_code detector_prepare(const struct detector_setup *setup, const char *target,
                                 struct error *error);
/* `prepared` (size): what was written, mapped; NULL: the model itself is read. */
enum error_code detector_open(const struct detector_setup *setup, const void *prepared,
                              size_t size, struct detector **detector,
                              struct error *error);
void detector_close(struct detector *detector); /* NULL is allowed */

/* What views are fitted into. */
const struct fit_rule *detector_fit_rule(const struct detector *detector);
float detector_threshold(const struct detector *detector);
float detector_merge_threshold(const struct detector *detector); /* 0: needs no merging */

/* Where a view comes from; the caller's own. */
struct view_source {
    uint32_t record, scale;
    struct tile tile;       /* of the picture at that scale */
    uint32_t width, height; /* of the picture at that scale */
};

/* A view: pixels (height, width, 3) of the picture, and where they come from. */
struct detector_view {
    const unsigned char *pixels; /* borrowed for the call */
    size_t stride;
    uint32_t width, height; /* resized to the fit's inner size if they are not of it */
    struct fit fit;         /* by detector_fit_rule() */
    struct fit_view place;
    float threshold; /* of scores */
    struct view_source source;
};

/* The boxes (count) of a view, in pixels of the original and clipped to it, in the order of
 * the head's places; or `fault`, when a number that the model gave is none. */
typedef enum error_code detector_sink(void *context, const struct detector_view *view,
                                      const struct detection *boxes, size_t count,
                                      const struct error *fault, struct error *error);

/* Take a view; the batch runs when it is full. ERROR_MEMORY, or what the model says. */
enum error_code detector_add(struct detector *detector, const struct detector_view *view,
                             detector_sink *sink, void *context, struct error *error);
/* Run what is left. */
enum error_code detector_flush(struct detector *detector, detector_sink *sink,
                               void *context, struct error *error);
/* Forget what is left: after an error. */
void detector_drop(struct detector *detector);

#endif
