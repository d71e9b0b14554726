/* fit.h - how a picture is fitted into a network's input, and boxes brought back */
#ifndef STAGES_KERNELS_FIT_H
#define STAGES_KERNELS_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct detection;

enum fit_kind {
    FIT_STRETCH, /* to the input's size, whatever that does to the aspect */
    /* letterbox() of yolov5's utils/augmentations.py, LetterBox of ultralytics/data/
     * augment.py: the larger side fills the input, the rest is split to both sides. The
     * inverse is exact, that of ops.scale_boxes. */
    FIT_LETTERBOX,
    /* The same picture; the inverse of yolov5's scale_boxes, up to half a pixel beside. */
    FIT_LETTERBOX_YOLOV5,
    /* letterbox_image of darknet's src/image.c, correct_yolo_boxes of src/yolo_layer.c:
     * sizes are truncated; the inverse takes half of an odd rest. */
    FIT_LETTERBOX_DARKNET,
    FIT_CENTER, /* the rest halved, rounded down to the left and top (NanoDet, CenterNet) */
    FIT_CORNER, /* the rest is to the right and below (FCOS, face-api.js) */
};

/* Sides are 1 to FIT_SIDE_MAX. */
enum { FIT_SIDE_MAX = 1 << 24 };

struct fit_rule {
    enum fit_kind kind;
    uint32_t width, height; /* of the network's input */
    bool never_enlarge;     /* LETTERBOX: scaleup=False */
    /* LETTERBOX: not 0: the input becomes smaller, as long as its sides differ from the
     * picture's by less than this (`auto`); CORNER: they become its multiples. */
    uint32_t multiple;
};

/* Pixels of the input: the picture, resized to `inner_width` by `inner_height`, stands at
 * (left, top); what is around it is padded. */
struct fit {
    uint32_t width, height; /* of the network's input */
    uint32_t inner_width, inner_height;
    uint32_t left, top;
    /* A point of the picture is (x - offset_x) / scale_x, and so on. */
    double offset_x, offset_y, scale_x, scale_y;
};

/* Fit a picture of from_width by from_height. ERROR_CONFIG: a side is 0 or too large. */
enum error_code fit_plan(const struct fit_rule *rule, uint32_t from_width,
                         uint32_t from_height, struct fit *fit, struct error *error);

/* ResizeShortestEdge and size divisibility of Detectron2 (get_output_shape of
 * detectron2/data/transforms/augmentation_impl.py; FCOS: 800, 1333, 32): the shorter side
 * becomes `shortest`, or less where the longer would pass `longest`; padded to the right
 * and below to a multiple of `multiple`. */
enum error_code fit_plan_shortest(uint32_t shortest, uint32_t longest, uint32_t multiple,
                                  uint32_t from_width, uint32_t from_height,
                                  struct fit *fit, struct error *error);

/* What part of the upright original the picture was: its first corner, in pixels of the
 * original, and how many of the picture's pixels make one of them. */
struct fit_view {
    double x, y, scale_x, scale_y;
    uint32_t width, height; /* of the original */
};

/* Bring boxes (count) from the input to the original and clip them to it. Those of which
 * nothing is left are taken out, as they are on the padding alone; the others keep their
 * order. Returns how many there are. */
size_t fit_invert(const struct fit *fit, const struct fit_view *view,
                  struct detection *boxes, size_t count);

/* The same for points (count, 2), neither clipped nor taken out. */
void fit_invert_points(const struct fit *fit, const struct fit_view *view, float *points,
                       size_t count);

#endif
