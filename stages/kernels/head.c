/* head.c - the heads that there are, and which of them a model has */
#include "stages/kernels/head.h"

#include <string.h>

#include "core/arena.h"
#include "stages/kernels/head_parts.h"

#define LIST(...)                                                       \
    {                                                                   \
        .items = (const double[]){__VA_ARGS__},                         \
        .count = sizeof((const double[]){__VA_ARGS__}) / sizeof(double) \
    }

/* ---- what each head is told unless the user says otherwise ---- */

static const struct head_options YOLOV1 = {.cells = 7, .boxes = 2};

/* cfg/yolov2.cfg of darknet; anchors in cells of 32 pixels. */
static const struct head_options YOLOV2 = {
    .strides = LIST(32),
    .anchors = LIST(0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282,
                    3.52778, 9.77052, 9.16828),
};

/* BOX_ANCHORS_SEPARABLE of face-api.js's src/tinyYolov2/const.ts. */
static const struct head_options TINYFACE = {
    .strides = LIST(32),
    .anchors = LIST(1.603231, 2.094468, 6.041143, 7.080126, 2.882459, 3.518061, 4.266906,
                    5.178857, 9.041765, 10.66308),
};

/* cfg/yolov3.cfg and cfg/yolov3-tiny.cfg of darknet, by their masks. */
#define YOLOV3_ANCHORS \
    LIST(10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
static const struct head_options YOLOV3 = {
    .strides = LIST(8, 16, 32),
    .anchors = YOLOV3_ANCHORS,
    .scale_xy = 1,
    .activation = HEAD_LOGITS,
};
static const struct head_options YOLOV3_TINY = {
    .strides = LIST(16, 32),
    .anchors = LIST(23, 27, 37, 58, 81, 82, 81, 82, 135, 169, 344, 319),
    .scale_xy = 1,
    .activation = HEAD_LOGITS,
};
/* cfg/yolov4-csp.cfg, new_coords=1: the model gives sigmoids. */
static const struct head_options YOLOV4_CSP = {
    .strides = LIST(8, 16, 32),
    .anchors = LIST(12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243,
                    459, 401),
    .scale_xy = 2,
    .activation = HEAD_PROBABILITIES,
};
static const struct head_options YOLOV5 = {
    .strides = LIST(8, 16, 32),
    .anchors = YOLOV3_ANCHORS,
    .classes = HEAD_BEST_CLASS,
};
static const struct head_options YOLOV8 = {
    .strides = LIST(8, 16, 32), .bins = 16, .center = 0.5, .classes = HEAD_BEST_CLASS};
static const struct head_options END_TO_END = {.classes = HEAD_ALL_CLASSES};
static const struct head_options FCOS = {
    .strides = LIST(8, 16, 32, 64, 128),
    .top = 1000,
    .distances = HEAD_DISTANCES_IN_STRIDES,
};
static const struct head_options CENTERNET = {
    .strides = LIST(4), .top = 100, .activation = HEAD_PROBABILITIES};
static const struct head_options NANODET = {
    .strides = LIST(8, 16, 32), .center = 0.5, .activation = HEAD_PROBABILITIES};
static const struct head_options NANODET_PLUS = {
    .strides = LIST(8, 16, 32, 64), .bins = 8, .activation = HEAD_PROBABILITIES};

/* vision/ssd/config/fd_config.py of ultraface. */
#define ULTRAFACE_PRIORS                                      \
    .strides = LIST(8, 16, 32, 64),                           \
    .sizes = LIST(10, 16, 24, 32, 48, 64, 96, 128, 192, 256), \
    .counts = LIST(3, 2, 2, 3), .variances = LIST(0.1, 0.2)
static const struct head_options ULTRAFACE = {ULTRAFACE_PRIORS,
                                              .activation = HEAD_PROBABILITIES};

/* ---- the table ---- */

#define PLACES "(batch, places, "
#define IMAGES "height / stride, width / stride)"

/* The first that recognises a model's outputs is meant: exact counts stand before ranges. */
const struct head heads[] = {
    {"yolov8", "YOLOv8, YOLO11: exported, or the raw numbers of each level (DFL)",
     "(batch, 4 + classes, cells of all levels), or (batch, 4 * bins + classes, " IMAGES
     " a level",
     &YOLOV8, yolov8_decode, yolov8_recognises},
    {"nanodet_plus", "NanoDet-Plus", PLACES "classes + 4 * bins)", &NANODET_PLUS,
     nanodet_plus_decode, nanodet_plus_recognises},
    {"yolov5", "YOLOv5: exported, or the raw numbers of each level",
     PLACES "5 + classes), or (batch, anchors, " IMAGES ", 5 + classes) a level", &YOLOV5,
     yolov5_decode, yolov5_recognises},
    {"end_to_end", "boxes without need of merging, as of YOLOv10", "(batch, boxes, 6)",
     &END_TO_END, end_to_end_decode, end_to_end_recognises},
    {"ultraface",
     "ultraface, decoded by the model: background and face, corners from 0 to 1",
     PLACES "2) and " PLACES "4)", &ULTRAFACE, ssd_corners_decode,
     ssd_corners_recognises},
    {"ssd_corners",
     "SSD, decoded by the model: background and classes, corners from 0 to 1",
     PLACES "classes) and " PLACES "4)", &ULTRAFACE, ssd_corners_decode, NULL},
    {"ssd", "SSD: background and classes, differences from square priors",
     PLACES "classes) and " PLACES "4)", &ULTRAFACE, ssd_decode, NULL},
    {"nanodet", "NanoDet of the first version",
     PLACES "classes) and " PLACES "4 * bins) a level", &NANODET, nanodet_decode,
     nanodet_recognises},
    {"fcos", "FCOS: classes, distances and centre-ness",
     "(batch, classes, " IMAGES ", the same of 4 and of 1, a level", &FCOS, fcos_decode,
     fcos_recognises},
    {"centernet",
     "CenterNet, TTFNet: a heat map, with sizes and offsets or with four edges",
     "(batch, classes, " IMAGES ", the same of 2 and 2, or of 4; or channels last",
     &CENTERNET, centernet_decode, centernet_recognises},
    {"yolov3", "YOLOv3, YOLOv4", "(batch, anchors * (5 + classes), " IMAGES " a level",
     &YOLOV3, yolov3_decode, yolov3_recognises},
    {"yolov3_tiny", "YOLOv3-tiny", "(batch, anchors * (5 + classes), " IMAGES " a level",
     &YOLOV3_TINY, yolov3_decode, yolov3_recognises},
    {"yolov4_csp", "YOLOv4-csp and its kind (new_coords=1)",
     "(batch, anchors * (5 + classes), " IMAGES " a level", &YOLOV4_CSP, yolov3_decode,
     NULL},
    {"tinyface", "the tiny face detector of face-api.js",
     "(batch, 25, height / 32, width / 32)", &TINYFACE, yolov2_decode,
     tinyface_recognises},
    {"yolov2", "YOLOv2, YOLO9000",
     "(batch, anchors * (5 + classes), height / 32, width / 32)", &YOLOV2, yolov2_decode,
     yolov2_recognises},
    {"yolov1", "YOLO of the first version",
     "(batch, cells * cells * (classes + 5 * boxes))", &YOLOV1, yolov1_decode,
     yolov1_recognises},
};
const size_t head_count = sizeof heads / sizeof heads[0];

static const char *const ACTIVATIONS[] = {"head", "probabilities", "logits", NULL};
static const char *const CLASSES[] = {"head", "all", "best", NULL};
static const char *const DISTANCES[] = {"head", "strides", "exp", NULL};
#define AT(field) offsetof(struct head_options, field)

const struct option_spec head_option_specs[] = {
    {.name = "strides",
     .type = OPTION_REAL_LIST,
     .offset = AT(strides),
     .initial = "",
     .min = 1,
     .max = 1024,
     .help = "pixels of the input from cell to cell, finest first"},
    {.name = "anchors",
     .type = OPTION_REAL_LIST,
     .offset = AT(anchors),
     .initial = "",
     .min = 1e-3,
     .max = 65536,
     .help = "width and height of each anchor, by level"},
    {.name = "sizes",
     .type = OPTION_REAL_LIST,
     .offset = AT(sizes),
     .initial = "",
     .min = 1e-3,
     .max = 65536,
     .help = "sides of the square priors, by level"},
    {.name = "counts",
     .type = OPTION_REAL_LIST,
     .offset = AT(counts),
     .initial = "",
     .min = 1,
     .max = 64,
     .help = "how many of the sizes each level has"},
    {.name = "variances",
     .type = OPTION_REAL_LIST,
     .offset = AT(variances),
     .initial = "",
     .min = 1e-3,
     .max = 100,
     .help = "of centres and of sizes (SSD)"},
    {.name = "bins",
     .type = OPTION_INT,
     .offset = AT(bins),
     .initial = "-1",
     .min = -1,
     .max = 64,
     .help = "numbers that each distance is spread over (reg_max of YOLOv8)"},
    {.name = "center",
     .type = OPTION_REAL,
     .offset = AT(center),
     .initial = "-1",
     .min = -1,
     .max = 1,
     .help = "where in its cell a place is: 0 or 0.5"},
    {.name = "scale_xy",
     .type = OPTION_REAL,
     .offset = AT(scale_xy),
     .initial = "-1",
     .min = -1,
     .max = 4,
     .help = "scale_x_y of YOLOv4"},
    {.name = "top",
     .type = OPTION_INT,
     .offset = AT(top),
     .initial = "-1",
     .min = -1,
     .max = 1000000,
     .help = "the best so many of each level; 0: all"},
    {.name = "cells",
     .type = OPTION_INT,
     .offset = AT(cells),
     .initial = "-1",
     .min = -1,
     .max = 1024,
     .help = "YOLOv1: cells on a side"},
    {.name = "boxes",
     .type = OPTION_INT,
     .offset = AT(boxes),
     .initial = "-1",
     .min = -1,
     .max = 64,
     .help = "YOLOv1: boxes of a cell"},
    {.name = "activation",
     .type = OPTION_CHOICE,
     .offset = AT(activation),
     .initial = "head",
     .choices = ACTIVATIONS,
     .help = "what the model's scores are"},
    {.name = "classes",
     .type = OPTION_CHOICE,
     .offset = AT(classes),
     .initial = "head",
     .choices = CLASSES,
     .help = "boxes of a place: for all classes, or for its best"},
    {.name = "distances",
     .type = OPTION_CHOICE,
     .offset = AT(distances),
     .initial = "head",
     .choices = DISTANCES,
     .help = "FCOS: distances in strides, or exp() in pixels"},
    OPTION_END,
};

/* ---- choosing ---- */

const struct head *head_find(const char *name)
{
    for (size_t i = 0; i < head_count; i++)
        if (strcmp(heads[i].name, name) == 0)
            return &heads[i];
    return NULL;
}

const struct head *head_recognise(const struct head_input *input)
{
    if (input->output_count == 0 || input->output_count > HEAD_OUTPUTS_MAX)
        return NULL;
    for (size_t i = 0; i < input->output_count; i++)
        if (input->outputs[i].rank < 1 || input->outputs[i].rank > HEAD_RANK_MAX)
            return NULL;
    for (size_t i = 0; i < head_count; i++)
        if (heads[i].recognises && heads[i].recognises(input, heads[i].initial))
            return &heads[i];
    return NULL;
}

/* ---- options ---- */

static void override(struct head_options *options, const struct head_options *user)
{
    struct real_list *lists[] = {&options->strides, &options->anchors, &options->sizes,
                                 &options->counts, &options->variances};
    const struct real_list *given[] = {&user->strides, &user->anchors, &user->sizes,
                                       &user->counts, &user->variances};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (given[i]->count)
            *lists[i] = *given[i];
    options->bins = user->bins >= 0 ? user->bins : options->bins;
    options->center = user->center >= 0 ? user->center : options->center;
    options->scale_xy = user->scale_xy >= 0 ? user->scale_xy : options->scale_xy;
    options->top = user->top >= 0 ? user->top : options->top;
    options->cells = user->cells >= 0 ? user->cells : options->cells;
    options->boxes = user->boxes >= 0 ? user->boxes : options->boxes;
    options->activation = user->activation ? user->activation : options->activation;
    options->classes = user->classes ? user->classes : options->classes;
    options->distances = user->distances ? user->distances : options->distances;
}

static bool are_between(const struct real_list *list, double min, double max)
{
    for (size_t i = 0; i < list->count; i++)
        if (!(list->items[i] >= min && list->items[i] <= max))
            return false;
    return true;
}

static double sum_of(const struct real_list *list)
{
    double sum = 0;
    for (size_t i = 0; i < list->count; i++)
        sum += list->items[i];
    return sum;
}

static enum error_code check_options(const struct head *head,
                                     const struct head_options *options,
                                     struct error *error)
{
    const struct head_options *initial = head->initial;
    size_t levels = options->strides.count;
    if (levels > HEAD_LEVELS_MAX || !are_between(&options->strides, 1, 1024))
        return error_set(error, ERROR_CONFIG, "strides: at most %d, each from 1 to 1024",
                         HEAD_LEVELS_MAX);
    if (initial->anchors.count &&
        (levels == 0 || options->anchors.count == 0 ||
         options->anchors.count % (2 * levels) != 0 || options->anchors.count > 512 ||
         !are_between(&options->anchors, 1e-3, 65536)))
        return error_set(error, ERROR_CONFIG,
                         "anchors: %zu numbers are not a width and a height of the same "
                         "number of anchors for each of %zu strides",
                         options->anchors.count, levels);
    if (head->decode == ssd_decode) {
        bool is_whole = options->counts.count == levels;
        for (size_t i = 0; i < options->counts.count; i++)
            is_whole =
                is_whole && options->counts.items[i] == floor(options->counts.items[i]);
        if (!is_whole || !are_between(&options->counts, 1, 64) ||
            sum_of(&options->counts) != (double)options->sizes.count ||
            !are_between(&options->sizes, 1e-3, 65536) || options->variances.count != 2)
            return error_set(
                error, ERROR_CONFIG,
                "sizes, counts: a whole number of sizes for each stride, and "
                "as many sizes as these make; variances: two");
    }
    if (initial->cells && (options->cells < 1 || options->cells > 1024 ||
                           options->boxes < 1 || options->boxes > 64))
        return error_set(error, ERROR_CONFIG, "cells, boxes: at least 1");
    if (initial->bins && (options->bins < 2 || options->bins > 64))
        return error_set(error, ERROR_CONFIG, "bins: from 2 to 64");
    if (options->bins == 1)
        return error_set(error, ERROR_CONFIG, "bins: from 2 to 64");
    return OK;
}

enum error_code head_options_resolve(const struct head *head,
                                     const struct head_options *user,
                                     struct head_options *options, struct error *error)
{
    struct head_options resolved = *head->initial;
    if (user)
        override(&resolved, user);
    enum error_code code = check_options(head, &resolved, error);
    if (!code)
        *options = resolved;
    return code;
}

/* ---- decoding ---- */

/* Does the tensor hold what its shape says? From here on decoders trust dimensions. */
static enum error_code check_tensor(const struct head_tensor *tensor, size_t item,
                                    struct error *error)
{
    uint64_t count = 1;
    if (tensor->rank < 1 || tensor->rank > HEAD_RANK_MAX)
        return error_set(error, ERROR_CONFIG,
                         "output \"%s\" of the model has %zu dimensions, not 1 to %d",
                         tensor->name, tensor->rank, HEAD_RANK_MAX);
    for (size_t i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] < 1 || tensor->dims[i] > UINT32_MAX / 2 ||
            count > UINT32_MAX / (uint64_t)tensor->dims[i])
            return head_wrong_shape(tensor, "one of at most 4294967295 numbers", error);
        count *= (uint64_t)tensor->dims[i];
    }
    if (!tensor->values || count != tensor->count)
        return error_set(
            error, ERROR_CONFIG,
            "output \"%s\" of the model has %zu numbers, where its shape says "
            "%llu",
            tensor->name, tensor->count, (unsigned long long)count);
    if ((uint64_t)tensor->dims[0] <= item)
        return error_set(error, ERROR_CONFIG,
                         "output \"%s\" of the model has %lld items of a batch, not %zu",
                         tensor->name, (long long)tensor->dims[0], item + 1);
    return OK;
}

enum error_code head_decode(const struct head *head, const struct head_input *input,
                            const struct head_options *options, float threshold,
                            struct arena *scratch, struct detections *found,
                            struct error *error)
{
    size_t before = found->count;
    if (input->output_count == 0 || input->output_count > HEAD_OUTPUTS_MAX)
        return error_set(error, ERROR_CONFIG, "the model has %zu outputs, not 1 to %d",
                         input->output_count, HEAD_OUTPUTS_MAX);
    if (input->width < 1 || input->height < 1 || input->width > 65536 ||
        input->height > 65536)
        return error_set(error, ERROR_CONFIG,
                         "the model's input has %u by %u pixels, not 1 to 65536 a side",
                         input->width, input->height);
    if (!(threshold >= 0 && threshold <= 1))
        return error_set(error, ERROR_CONFIG, "threshold: from 0 to 1");
    for (size_t i = 0; i < input->output_count; i++) {
        enum error_code code = check_tensor(&input->outputs[i], input->item, error);
        if (code)
            return code;
    }
    enum error_code code = head->decode(input, options, threshold, scratch, found, error);
    if (code)
        found->count = before;
    return code;
}
