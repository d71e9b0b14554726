/* mtcnn_cascade.h - faces by a cascade of three networks
 *
 * Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
 * Networks", 2016, as facenet-pytorch has it (models/utils/detect_face.py): the first network
 * looks at a pyramid of the picture, the second and the third at what it proposes. The steps
 * between them are those of mtcnn_boxes.h. Levels of the pyramid are made by area, each of
 * the one before; large ones are given to the first network in bands of rows. */
#ifndef STAGES_KERNELS_MTCNN_CASCADE_H
#define STAGES_KERNELS_MTCNN_CASCADE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/mtcnn_boxes.h"

enum { MTCNN_NETWORKS = 3 };

struct mtcnn_rule {
    double min_face, factor;          /* see mtcnn_scales() */
    float thresholds[MTCNN_NETWORKS]; /* of the chances that the networks give */
};

struct mtcnn; /* heap object */

/* Once a node: compile the models (paths of P-, R- and O-Net) to `target`. ERROR_CONFIG: one
 * is no such network. */
enum error_code mtcnn_prepare(const char *const paths[MTCNN_NETWORKS], const char *target,
                              struct error *error);
/* `prepared` (size): what was written, mapped; NULL: the models themselves are read. */
enum error_code mtcnn_open(const char *const paths[MTCNN_NETWORKS], const void *prepared,
                           size_t size, struct mtcnn **mtcnn, struct error *error);
void mtcnn_close(struct mtcnn *mtcnn); /* NULL is allowed */

/* Bytes that a picture takes beside its own pixels, near enough. */
uint64_t mtcnn_bytes(const struct mtcnn_rule *rule, uint32_t width, uint32_t height);

/* Find the faces of a picture (height, width, 3), RGB, upright, the best first. `found` grows
 * in its arena, which scratch is taken from, too. ERROR_RECORD: a number that a network gives
 * is none. */
enum error_code mtcnn_find(struct mtcnn *mtcnn, const struct mtcnn_rule *rule,
                           const unsigned char *pixels, uint32_t width, uint32_t height,
                           struct mtcnn_boxes *found, struct error *error);

#endif
