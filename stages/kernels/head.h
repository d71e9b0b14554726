/* head.h - boxes out of the tensors that detectors end in
 *
 * A detector's head gives numbers for each place (cell, anchor, prior) of its input; a
 * decoder makes boxes of those whose score is above the threshold. Everything here is in
 * pixels of the network's input, edges continuous: x to the right, y down, (0, 0) the
 * outer corner of the first pixel. Letterbox and size are undone afterwards (letterbox.h).
 *
 * All arithmetic is + - * / and exact_exp() in a fixed order: same tensors, same bits. */
#ifndef STAGES_KERNELS_HEAD_H
#define STAGES_KERNELS_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/option.h"

struct arena;

enum { HEAD_RANK_MAX = 6, HEAD_OUTPUTS_MAX = 32, HEAD_LEVELS_MAX = 8 };

/* One output of a model. dims[0] is the batch. As the model declares it, `values` is NULL
 * and a dimension may be -1, not known; as it was computed, `values` has `count` numbers
 * and every dimension is known. */
struct head_tensor {
    const char *name;
    const float *values; /* (dims[0], dims[1], ...), the last the fastest */
    size_t count;
    size_t rank;
    int64_t dims[HEAD_RANK_MAX];
};

/* What to decode: one item of a batch. */
struct head_input {
    const struct head_tensor *outputs; /* (output_count), in any order */
    size_t output_count;
    size_t item;            /* < dims[0] of all */
    uint32_t width, height; /* of the network's input */
};

/* A box that was found; laid out as an element of a list<box> column. */
struct detection {
    float x1, y1, x2, y2;
    float score;
    float class; /* a whole number */
};

/* Those of one item, in the order of their places, classes ascending within one. */
struct detections {
    struct arena *arena; /* where `items` grows */
    struct detection *items;
    size_t count, capacity;
};

enum head_activation {
    HEAD_ACTIVATION_OF_THE_HEAD, /* what models of this kind give */
    HEAD_PROBABILITIES,          /* scores as they stand */
    HEAD_LOGITS /* the sigmoid (softmax where classes exclude each other) */
};
enum head_classes {
    HEAD_CLASSES_OF_THE_HEAD,
    HEAD_ALL_CLASSES, /* a place gives a box for each class above the threshold */
    HEAD_BEST_CLASS   /* only for its best, the first of equals */
};
/* FCOS: how the number of an edge becomes pixels. */
enum head_distances {
    HEAD_DISTANCES_OF_THE_HEAD,
    /* NORM_REG_TARGETS: what is above 0, times the stride */
    HEAD_DISTANCES_IN_STRIDES,
    HEAD_DISTANCES_EXP /* exp() */
};

/* What may differ between models of one kind. As parsed: -1, empty or _OF_THE_HEAD where
 * the user left it to the head. */
struct head_options {
    struct real_list strides; /* pixels from cell to cell, of each level, finest first */
    struct real_list
        anchors;             /* (levels, anchors, 2): width, height; unit as the head's */
    struct real_list sizes;  /* sides of the square priors of a cell, pixels, by level */
    struct real_list counts; /* (levels): how many of `sizes` a level has */
    struct real_list variances; /* (2): of centres, of sizes */
    int64_t bins;               /* a distance is a mean over 0 ... bins - 1 */
    double center;              /* where in its cell a prior stands: 0 or 0.5 */
    double scale_xy;            /* YOLOv4's scale_x_y; 1: none */
    int64_t top;                /* of each level, the best so many; 0: all */
    int64_t cells, boxes;       /* YOLOv1: cells on a side, boxes of a cell */
    int activation;             /* enum head_activation */
    int classes;                /* enum head_classes */
    int distances;              /* enum head_distances */
};
extern const struct option_spec head_option_specs[];

struct head;
typedef enum error_code head_decoder(const struct head_input *input,
                                     const struct head_options *options, float threshold,
                                     struct arena *scratch, struct detections *found,
                                     struct error *error);

struct head {
    const char *name, *summary;
    const char *shapes; /* of the outputs that it reads, for messages and the manual */
    const struct head_options *initial;
    head_decoder *decode;
    /* Are these the outputs of such a head? NULL: only its name tells. */
    bool (*recognises)(const struct head_input *input,
                       const struct head_options *initial);
};

/* All heads; `head_count` of them. The first that recognises a model's outputs is meant. */
extern const struct head heads[];
extern const size_t head_count;

const struct head *head_find(const char *name); /* NULL: there is none */

/* The head that reads these outputs, as the model declares or computed them; the size of
 * the input may be 0, not known. NULL: none, or only one that must be named. */
const struct head *head_recognise(const struct head_input *input);

/* The head's own options where `user` (NULL: nowhere) has none. ERROR_CONFIG: they do not
 * fit together. Lists are borrowed. */
enum error_code head_options_resolve(const struct head *head,
                                     const struct head_options *user,
                                     struct head_options *options, struct error *error);

/* Append the boxes whose score is above `threshold` (0 to 1) to `found`. `options` come
 * from head_options_resolve().
 * ERROR_CONFIG: the outputs are not those of this head. ERROR_RECORD: a number that a box
 * is made of is infinite or none, or a score is no probability; `found` keeps nothing of
 * this item. Numbers of places below the threshold are not looked at. */
enum error_code head_decode(const struct head *head, const struct head_input *input,
                            const struct head_options *options, float threshold,
                            struct arena *scratch, struct detections *found,
                            struct error *error);

#endif
