/* mtcnn_cascade.c - faces by a cascade of three networks */
#include "stages/kernels/mtcnn_cascade.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/box_merge.h"
#include "stages/kernels/exact_batch.h"
#include "stages/kernels/head.h"
#include "stages/kernels/model_bundle.h"
#include "stages/kernels/onnx_runtime.h"
#include "stages/kernels/onnx_session.h"
#include "stages/kernels/pixel_pack.h"
#include "stages/kernels/random_stream.h"
#include "stages/kernels/resample.h"

enum { PROPOSE, REFINE, OUTPUT };          /* the networks */
enum { CHANCES, SHIFTS, POINTS, TENSORS }; /* their outputs */
/* Pixels that the first network is given at once: its numbers then take some 64 MB. */
enum { BAND_PIXELS = 512 << 10 };

/* Colours as the networks see them. */
static const struct pixel_format FORMAT = {.mean = {127.5F, 127.5F, 127.5F},
                                           .divisor = {128, 128, 128}};

struct network {
    struct onnx_session *session;        /* owned */
    struct onnx_tensor outputs[TENSORS]; /* by kind */
    size_t output_count;
    uint32_t side;  /* of the input; 0: any */
    uint32_t batch; /* that does not show */
};

struct mtcnn {
    struct onnx_runtime *runtime; /* owned */
    struct network networks[MTCNN_NETWORKS];
    struct pixel_kernels kernels[PIXEL_KERNELS_MAX];
    struct bytes levels[2]; /* owned: of the pyramid, one made of the other */
    struct bytes tensor;    /* owned */
    struct bytes crop;      /* owned */
};

/* ---- networks ---- */

static enum error_code refuse(const char *path, const char *text, struct error *error)
{
    return error_set(error, ERROR_CONFIG, "model %s %s", path, text);
}

/* Which output is which: by the channels, 2, 4 and 10. */
static enum error_code settle_outputs(struct network *network, const char *path,
                                      size_t wanted, struct error *error)
{
    static const int64_t channels[TENSORS] = {2, 4, (int64_t)2 * MTCNN_POINTS};
    size_t rank = network->side ? 2 : 4;
    network->output_count = wanted;
    for (size_t i = 0; i < onnx_session_output_count(network->session); i++) {
        const struct onnx_port *port = onnx_session_output(network->session, i);
        for (size_t kind = 0; kind < wanted; kind++)
            if (port->type == ONNX_F32 && port->rank == rank &&
                port->shape[1] == channels[kind])
                network->outputs[kind].name = port->name;
    }
    for (size_t kind = 0; kind < wanted; kind++)
        if (!network->outputs[kind].name)
            return refuse(
                path,
                "does not give what a network of MTCNN gives: (boxes, 2) chances, "
                "(boxes, 4) shifts and, the last one, (boxes, 10) points",
                error);
    return OK;
}

static enum error_code settle(struct network *network, size_t which, const char *path,
                              struct error *error)
{
    static const uint32_t sides[MTCNN_NETWORKS] = {0, 24, 48};
    const struct onnx_port *port = onnx_session_input(network->session, 0);
    int64_t side = sides[which];
    network->side = sides[which];
    network->batch = 1;
    if (onnx_session_input_count(network->session) != 1 || port->type != ONNX_F32 ||
        port->rank != 4 || port->shape[1] != 3 || port->shape[0] > 0 ||
        (side && (port->shape[2] != side || port->shape[3] != side)) ||
        (!side && (port->shape[2] >= 0 || port->shape[3] >= 0)))
        return refuse(path,
                      side == 0    ? "does not take pictures (1, 3, any, any)"
                      : side == 24 ? "does not take pictures (any, 3, 24, 24)"
                                   : "does not take pictures (any, 3, 48, 48)",
                      error);
    return settle_outputs(network, path, which == OUTPUT ? 3 : 2, error);
}

static struct onnx_tensor input_of(const struct network *network, const void *data,
                                   uint32_t count, uint32_t width, uint32_t height)
{
    return (struct onnx_tensor){.name = onnx_session_input(network->session, 0)->name,
                                .type = ONNX_F32,
                                .rank = 4,
                                .shape = {count, 3, height, width},
                                .data = data,
                                .size = sizeof(float) * 3 * count * width * height};
}

static enum error_code find_batch(struct mtcnn *mtcnn, struct network *network,
                                  struct error *error)
{
    struct random_stream stream;
    uint32_t side = network->side;
    size_t count = (size_t)EXACT_BATCH_MAX * 3 * side * side;
    float *items = (float *)(void *)bytes_reserve(&mtcnn->tensor, count * sizeof(float));
    if (!items)
        return error_set(error, ERROR_MEMORY, "no memory to try a model");
    random_stream_init(&stream, side, 0x6661636573);
    for (size_t i = 0; i < count; i++)
        items[i] = ((float)random_stream_below(&stream, 256) - FORMAT.mean[0]) /
                   FORMAT.divisor[0];
    struct batch_trial trial = {.session = network->session,
                                .input = input_of(network, items, 1, side, side),
                                .outputs = network->outputs,
                                .output_count = network->output_count};
    return exact_batch_find(&trial, EXACT_BATCH_MAX, &network->batch, error);
}

static enum error_code open_network(struct mtcnn *mtcnn, size_t which, const char *path,
                                    const void *prepared, size_t size,
                                    struct error *error)
{
    struct network *network = &mtcnn->networks[which];
    enum error_code code =
        prepared ? model_bundle_open(mtcnn->runtime, prepared, size, which, path,
                                     &network->session, error)
                 : onnx_session_open(mtcnn->runtime, path, &network->session, error);
    if (code == OK)
        code = settle(network, which, path, error);
    if (code == OK && which != PROPOSE && !prepared)
        code = find_batch(mtcnn, network, error);
    if (code == OK && prepared)
        network->batch = (uint32_t)model_bundle_note(prepared, which);
    return code;
}

enum error_code mtcnn_open(const char *const paths[MTCNN_NETWORKS], const void *prepared,
                           size_t size, struct mtcnn **mtcnn, struct error *error)
{
    struct mtcnn *made = calloc(1, sizeof *made);
    *mtcnn = NULL;
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a detector");
    (void)pixel_kernels_list(made->kernels);
    enum error_code code = onnx_runtime_open(NULL, &made->runtime, error);
    for (size_t i = 0; code == OK && i < MTCNN_NETWORKS; i++)
        code = open_network(made, i, paths[i], prepared, size, error);
    if (code == OK)
        *mtcnn = made;
    else
        mtcnn_close(made);
    return code;
}

enum error_code mtcnn_prepare(const char *const paths[MTCNN_NETWORKS], const char *target,
                              struct error *error)
{
    struct mtcnn *mtcnn;
    enum error_code code = mtcnn_open(paths, NULL, 0, &mtcnn, error);
    if (!mtcnn)
        return code;
    uint64_t notes[BUNDLE_NOTES] = {0};
    for (size_t i = 0; i < MTCNN_NETWORKS; i++)
        notes[i] = mtcnn->networks[i].batch;
    code =
        model_bundle_write(mtcnn->runtime, paths, MTCNN_NETWORKS, notes, target, error);
    mtcnn_close(mtcnn);
    return code;
}

void mtcnn_close(struct mtcnn *mtcnn)
{
    if (!mtcnn)
        return;
    for (size_t i = 0; i < MTCNN_NETWORKS; i++)
        onnx_session_close(mtcnn->networks[i].session);
    onnx_runtime_close(mtcnn->runtime);
    bytes_clear(&mtcnn->levels[0]);
    bytes_clear(&mtcnn->levels[1]);
    bytes_clear(&mtcnn->tensor);
    bytes_clear(&mtcnn->crop);
    free(mtcnn);
}

static enum error_code run(struct network *network, const void *data, uint32_t count,
                           uint32_t width, uint32_t height,
                           struct head_tensor tensors[TENSORS], struct error *error)
{
    struct onnx_tensor input = input_of(network, data, count, width, height);
    enum error_code code = onnx_session_run(network->session, &input, 1, network->outputs,
                                            network->output_count, error);
    for (size_t i = 0; code == OK && i < network->output_count; i++) {
        const struct onnx_tensor *output = &network->outputs[i];
        tensors[i] = (struct head_tensor){.name = output->name,
                                          .values = output->data,
                                          .count = output->size / sizeof(float),
                                          .rank = output->rank};
        memcpy(tensors[i].dims, output->shape, output->rank * sizeof output->shape[0]);
    }
    return code;
}

/* ---- suppression ---- */

/* Keep the boxes from `first` on that no better one overlaps by more than the threshold,
 * areas with inclusive pixels. The best comes first. */
static enum error_code suppress(struct mtcnn_boxes *boxes, size_t first,
                                enum box_metric metric, double threshold,
                                struct error *error)
{
    size_t count = boxes->count - first, kept = 0;
    struct box_rule rule = {.method = BOX_NMS,
                            .metric = metric,
                            .threshold = threshold,
                            .is_strict = true,
                            .is_class_agnostic = true,
                            .min_score = -INFINITY,
                            .model_count = 1};
    struct box *plain = ARENA_RAW(boxes->arena, struct box, count + 1);
    struct box *best = ARENA_RAW(boxes->arena, struct box, count + 1);
    struct mtcnn_box *copy = ARENA_RAW(boxes->arena, struct mtcnn_box, count + 1);
    if (!plain || !best || !copy)
        return error_set(error, ERROR_MEMORY, "no memory for %zu boxes", count);
    for (size_t i = 0; i < count; i++) {
        const struct mtcnn_box *box = &boxes->items[first + i];
        plain[i] = (struct box){box->x1,     box->y1,    box->x2 + 1,
                                box->y2 + 1, box->score, (float)i};
        copy[i] = *box;
    }
    enum error_code code =
        box_merge(&rule, plain, NULL, count, boxes->arena, best, &kept, error);
    if (code != OK)
        return code;
    for (size_t i = 0; i < kept; i++) /* whose class is its number */
        boxes->items[first + i] = copy[(size_t)best[i].class];
    boxes->count = first + kept;
    return OK;
}

/* ---- the first network ---- */

/* The chances of rows of the level, from cell row `first_row` on. */
static enum error_code propose_band(struct mtcnn *mtcnn, const struct mtcnn_rule *rule,
                                    const unsigned char *rows, uint32_t width,
                                    uint32_t height, size_t first_row, double scale,
                                    struct mtcnn_boxes *found, struct error *error)
{
    struct head_tensor tensors[TENSORS];
    size_t size = sizeof(float) * 3 * width * height;
    float *tensor = (float *)(void *)bytes_reserve(&mtcnn->tensor, size);
    if (!tensor)
        return error_set(error, ERROR_MEMORY, "no memory for a level of the pyramid");
    struct pixel_place place = {.pixels = rows,
                                .stride = (size_t)width * 3,
                                .width = width,
                                .height = height,
                                .to_width = width,
                                .to_height = height};
    pixel_pack_floats(&mtcnn->kernels[0], &FORMAT, &place, tensor);
    enum error_code code =
        run(&mtcnn->networks[PROPOSE], tensor, 1, width, height, tensors, error);
    if (code != OK)
        return code;
    return mtcnn_find_cells(&tensors[CHANCES], &tensors[SHIFTS], 0, first_row, scale,
                            rule->thresholds[PROPOSE], found, error);
}

/* A level by bands. Cell row r sees rows 2 r to 2 r + 11. */
static enum error_code propose_level(struct mtcnn *mtcnn, const struct mtcnn_rule *rule,
                                     const unsigned char *pixels, uint32_t width,
                                     uint32_t height, double scale,
                                     struct mtcnn_boxes *found, struct error *error)
{
    uint32_t most = BAND_PIXELS / width / 2 * 2, first = 0;
    size_t before = found->count;
    enum error_code code = OK;
    if (most < 2 * MTCNN_CELL)
        most = 2 * MTCNN_CELL;
    while (code == OK && first + MTCNN_CELL <= height) {
        uint32_t left = height - first, rows = left <= most + 1 ? left : most;
        code = propose_band(mtcnn, rule, pixels + (size_t)first * width * 3, width, rows,
                            first / MTCNN_STRIDE, scale, found, error);
        first += rows == left ? left : most - MTCNN_CELL + MTCNN_STRIDE;
    }
    return code == OK ? suppress(found, before, BOX_IOU, 0.5, error) : code;
}

/* (height, width, 3) in another size; *to is of `room`. */
static enum error_code shrink(const unsigned char *from, uint32_t from_width,
                              uint32_t from_height, uint32_t width, uint32_t height,
                              struct bytes *room, struct error *error)
{
    bool is_smaller = width <= from_width && height <= from_height;
    unsigned char *to = bytes_reserve(room, (size_t)width * height * 3);
    struct resampler *resampler =
        resampler_create(from_width, from_height, width, height, 3,
                         is_smaller ? RESAMPLE_AREA : RESAMPLE_BILINEAR);
    for (uint32_t y = 0; to && resampler && y < from_height; y++) {
        resampler_push(resampler, from + (size_t)y * from_width * 3);
        while (resampler_pull(resampler, to))
            to += (size_t)width * 3;
    }
    bool is_done = to && resampler;
    resampler_destroy(resampler);
    return is_done
               ? OK
               : error_set(error, ERROR_MEMORY, "no memory for a level of the pyramid");
}

static enum error_code propose(struct mtcnn *mtcnn, const struct mtcnn_rule *rule,
                               const unsigned char *pixels, uint32_t width,
                               uint32_t height, struct mtcnn_boxes *found,
                               struct error *error)
{
    double scales[MTCNN_SCALES_MAX];
    size_t count = mtcnn_scales(width, height, rule->min_face, rule->factor, scales);
    uint32_t from_width = width, from_height = height;
    enum error_code code = OK;
    for (size_t i = 0; code == OK && i < count; i++) {
        uint32_t to_width = mtcnn_scaled_side(width, scales[i]);
        uint32_t to_height = mtcnn_scaled_side(height, scales[i]);
        struct bytes *room = &mtcnn->levels[i % 2];
        code = shrink(pixels, from_width, from_height, to_width, to_height, room, error);
        pixels = room->data;
        from_width = to_width;
        from_height = to_height;
        if (code == OK)
            code = propose_level(mtcnn, rule, pixels, to_width, to_height, scales[i],
                                 found, error);
    }
    if (code == OK)
        code = suppress(found, 0, BOX_IOU, 0.7, error);
    for (size_t i = 0; code == OK && i < found->count; i++) {
        mtcnn_shift_edges(&found->items[i], MTCNN_WIDTH_BETWEEN);
        mtcnn_make_square(&found->items[i]);
    }
    return code;
}

uint64_t mtcnn_bytes(const struct mtcnn_rule *rule, uint32_t width, uint32_t height)
{
    double scale = MTCNN_CELL / rule->min_face, less = rule->factor * rule->factor;
    double first = ((double)width * scale + 1) * ((double)height * scale + 1);
    return (uint64_t)(3 * first * (1 + less)) + sizeof(float) * 3 * BAND_PIXELS;
}

/* ---- the others ---- */

/* Cut the boxes out in the size of the network's input, one behind another. Those of which
 * nothing lies in the picture are taken out. */
static enum error_code cut_out(struct mtcnn *mtcnn, uint32_t side,
                               const unsigned char *pixels, uint32_t width,
                               uint32_t height, struct mtcnn_boxes *boxes,
                               struct error *error)
{
    size_t item = (size_t)3 * side * side, row = (size_t)width * 3, kept = 0;
    float *tensor = (float *)(void *)bytes_reserve(
        &mtcnn->tensor, (boxes->count + 1) * item * sizeof(float));
    unsigned char *crop = bytes_reserve(&mtcnn->crop, item);
    if (!tensor || !crop)
        return error_set(error, ERROR_MEMORY, "no memory for %zu faces", boxes->count);
    for (size_t i = 0; i < boxes->count; i++) {
        struct mtcnn_crop part;
        if (!mtcnn_crop_of(&boxes->items[i], width, height, &part))
            continue;
        bool is_smaller = part.width >= side && part.height >= side;
        struct resampler *resampler =
            resampler_create(part.width, part.height, side, side, 3,
                             is_smaller ? RESAMPLE_AREA : RESAMPLE_BILINEAR);
        if (!resampler)
            return error_set(error, ERROR_MEMORY, "no memory for a face");
        unsigned char *out = crop;
        for (uint32_t y = 0; y < part.height; y++) {
            resampler_push(resampler, pixels + (part.y + y) * row + (size_t)part.x * 3);
            while (resampler_pull(resampler, out))
                out += (size_t)side * 3;
        }
        resampler_destroy(resampler);
        struct pixel_place place = {.pixels = crop,
                                    .stride = (size_t)side * 3,
                                    .width = side,
                                    .height = side,
                                    .to_width = side,
                                    .to_height = side};
        pixel_pack_floats(&mtcnn->kernels[0], &FORMAT, &place, tensor + kept * item);
        boxes->items[kept++] = boxes->items[i];
    }
    boxes->count = kept;
    return OK;
}

/* Keep the boxes that the network takes for faces. */
static enum error_code judge(struct mtcnn *mtcnn, size_t which, float threshold,
                             const unsigned char *pixels, uint32_t width, uint32_t height,
                             struct mtcnn_boxes *boxes, struct error *error)
{
    struct network *network = &mtcnn->networks[which];
    struct head_tensor tensors[TENSORS];
    size_t item = (size_t)3 * network->side * network->side, kept = 0;
    enum error_code code =
        cut_out(mtcnn, network->side, pixels, width, height, boxes, error);
    const float *items = (const float *)(const void *)mtcnn->tensor.data;
    for (size_t done = 0; code == OK && done < boxes->count;) {
        uint32_t size = exact_batch_next(network->batch, (uint32_t)(boxes->count - done));
        struct mtcnn_boxes part = {.items = boxes->items + done, .count = size};
        code = run(network, items + done * item, size, network->side, network->side,
                   tensors, error);
        if (code == OK)
            code = mtcnn_keep_boxes(&tensors[CHANCES], &tensors[SHIFTS],
                                    which == OUTPUT ? &tensors[POINTS] : NULL, threshold,
                                    &part, error);
        memmove(boxes->items + kept, part.items, part.count * sizeof *part.items);
        kept += part.count;
        done += size;
    }
    boxes->count = kept;
    return code;
}

enum error_code mtcnn_find(struct mtcnn *mtcnn, const struct mtcnn_rule *rule,
                           const unsigned char *pixels, uint32_t width, uint32_t height,
                           struct mtcnn_boxes *found, struct error *error)
{
    enum error_code code = propose(mtcnn, rule, pixels, width, height, found, error);
    if (code == OK)
        code = judge(mtcnn, REFINE, rule->thresholds[REFINE], pixels, width, height,
                     found, error);
    if (code == OK)
        code = suppress(found, 0, BOX_IOU, 0.7, error);
    for (size_t i = 0; code == OK && i < found->count; i++) {
        mtcnn_shift_edges(&found->items[i], MTCNN_WIDTH_INCLUSIVE);
        mtcnn_make_square(&found->items[i]);
    }
    if (code == OK)
        code = judge(mtcnn, OUTPUT, rule->thresholds[OUTPUT], pixels, width, height,
                     found, error);
    for (size_t i = 0; code == OK && i < found->count; i++)
        mtcnn_shift_edges(&found->items[i], MTCNN_WIDTH_INCLUSIVE);
    return code == OK ? suppress(found, 0, BOX_IOS, 0.7, error) : code;
}
