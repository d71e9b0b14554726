/* detector_parts.h - what detector.c and detector_setup.c share */
#ifndef STAGES_KERNELS_DETECTOR_PARTS_H
#define STAGES_KERNELS_DETECTOR_PARTS_H

#include "core/bytes.h"
#include "stages/kernels/detector.h"
#include "stages/kernels/model_family.h"
#include "stages/kernels/onnx_runtime.h"
#include "stages/kernels/onnx_session.h"
#include "stages/kernels/pixel_pack.h"

struct detector {
    struct onnx_runtime *runtime; /* owned */
    struct onnx_session *session; /* owned */
    const char *model;
    const struct head *head;
    struct head_options options;
    struct fit_rule fit;
    struct pixel_format format;
    float threshold, merge_threshold;
    bool is_bytes;        /* the model takes bytes; else floats */
    bool is_resizable;    /* and sizes other than the fit rule's */
    uint32_t fixed_batch; /* the only one that the model takes; 0: any */
    uint32_t batch;       /* places; 1 or a power of two, or the fixed batch */

    struct pixel_kernels kernels[PIXEL_KERNELS_MAX];
    enum resample_filter filter;
    struct resampler *resampler; /* owned: of the sizes below; NULL: none yet */
    uint32_t from_width, from_height, to_width, to_height;
    struct bytes resized; /* owned: (to_height, to_width, 3) */

    struct bytes tensor; /* owned: the batch's items, one after another */
    size_t item_size;
    uint32_t width, height;      /* of the items in it */
    struct detector_view *views; /* owned: (batch) */
    uint32_t count;              /* of them, waiting */

    struct onnx_tensor outputs[HEAD_OUTPUTS_MAX];
    size_t output_count;
    struct arena *scratch; /* owned: of one view */
};

/* Everything that the setup, its family and the model's ports say, into a detector whose
 * session is open. */
enum error_code detector_settle(struct detector *detector,
                                const struct detector_setup *setup, struct error *error);

/* Room for a batch of items of this size. */
enum error_code detector_make_room(struct detector *detector, uint32_t width,
                                   uint32_t height, struct error *error);
/* Run the first `count` items that stand in `tensor`, from item `first` on. */
enum error_code detector_run(struct detector *detector, uint32_t first, uint32_t count,
                             struct error *error);
/* The outputs that a head may read; returns how many there are. */
size_t detector_heads_input(const struct detector *detector,
                            struct head_tensor tensors[HEAD_OUTPUTS_MAX]);

#endif
