/* mtcnn_boxes.h - the steps of MTCNN between its three networks
 *
 * "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks"
 * (Zhang et al. 2016), as its authors' MATLAB code (kpzhang93, version 1) and
 * facenet-pytorch (models/utils/detect_face.py) have them. Boxes are of pixels numbered
 * from 1, both ends included; networks see RGB, (pixel - 127.5) / 128, NCHW. Suppression
 * stands elsewhere: between steps 1 and 2 by IOU of 0.5 for each scale and of 0.7 for all,
 * after step 2 by IOU of 0.7, after step 3 by IOS of 0.7, areas with inclusive pixels. */
#ifndef STAGES_KERNELS_MTCNN_BOXES_H
#define STAGES_KERNELS_MTCNN_BOXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct detection;
struct head_tensor;

enum { MTCNN_SCALES_MAX = 64, MTCNN_POINTS = 5, MTCNN_CELL = 12, MTCNN_STRIDE = 2 };

struct mtcnn_box {
    float x1, y1, x2, y2, score;
    float shifts[4];                /* of the edges, in widths and heights */
    float points[2 * MTCNN_POINTS]; /* x, y of eyes, nose, corners of the mouth */
};

struct mtcnn_boxes {
    struct arena *arena; /* where `items` grows */
    struct mtcnn_box *items;
    size_t count, capacity;
};

/* The pyramid: scales at which a face of min_face pixels and more fills the first network's
 * cell of 12. factor: above 0, below 1; min_face: 1 and more. Returns how many. */
size_t mtcnn_scales(uint32_t width, uint32_t height, double min_face, double factor,
                    double scales[MTCNN_SCALES_MAX]);
/* A side at a scale, int(side * scale + 1) as facenet-pytorch has it. */
uint32_t mtcnn_scaled_side(uint32_t side, double scale);

/* Step 1, at one scale: append the cells of item `item` whose chance is at least `threshold`;
 * the first row of them is row `first_row` of the level.
 * chances: (batch, 2, height, width), the second of a face; shifts: (batch, 4, height,
 * width). Errors as those of head_decode(). */
enum error_code mtcnn_find_cells(const struct head_tensor *chances,
                                 const struct head_tensor *shifts, size_t item,
                                 size_t first_row, double scale, float threshold,
                                 struct mtcnn_boxes *found, struct error *error);

/* Steps 2 and 3: keep the boxes (their count is the batch) whose chance is above the
 * threshold, with new score and shifts; points as fractions of the box become pixels
 * numbered from 0. chances: (boxes, 2); shifts: (boxes, 4); points: (boxes, 10), five x, then
 * five y, or NULL. On an error `boxes` is as it was. */
enum error_code mtcnn_keep_boxes(const struct head_tensor *chances,
                                 const struct head_tensor *shifts,
                                 const struct head_tensor *points, float threshold,
                                 struct mtcnn_boxes *boxes, struct error *error);

/* Move the edges by the shifts: of x2 - x1 after step 1, of x2 - x1 + 1 after the others. */
enum mtcnn_width { MTCNN_WIDTH_BETWEEN, MTCNN_WIDTH_INCLUSIVE };
void mtcnn_shift_edges(struct mtcnn_box *box, enum mtcnn_width width);
/* The square of the longer side around the same middle (rerec). */
void mtcnn_make_square(struct mtcnn_box *box);

/* What to cut out of the picture for the next network, truncated to whole pixels and clipped
 * to the picture (pad): columns [x, x + width), numbered from 0. False: nothing is left. */
struct mtcnn_crop {
    uint32_t x, y, width, height;
};
bool mtcnn_crop_of(const struct mtcnn_box *box, uint32_t width, uint32_t height,
                   struct mtcnn_crop *crop);

/* As a detection of class 0 with continuous edges, clipped to the picture. */
struct detection mtcnn_detection(const struct mtcnn_box *box, uint32_t width,
                                 uint32_t height);

#endif
