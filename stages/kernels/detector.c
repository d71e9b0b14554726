/* detector.c - a detector's model: parts of pictures in, boxes out, several at a time */
#include "stages/kernels/detector.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/detector_parts.h"
#include "stages/kernels/exact_batch.h"
#include "stages/kernels/model_bundle.h"
#include "stages/kernels/random_stream.h"

enum { SCRATCH_BLOCK = 1 << 20 };

/* ---- the batch ---- */

enum error_code detector_make_room(struct detector *detector, uint32_t width,
                                   uint32_t height, struct error *error)
{
    size_t item = (size_t)3 * width * height * (detector->is_bytes ? 1 : sizeof(float));
    if (!bytes_reserve(&detector->tensor, item * detector->batch))
        return error_set(error, ERROR_MEMORY, "no memory for %u pictures of %u by %u",
                         detector->batch, width, height);
    detector->item_size = item;
    detector->width = width;
    detector->height = height;
    return OK;
}

static struct onnx_tensor input_of(const struct detector *detector, uint32_t first,
                                   uint32_t count)
{
    int64_t height = detector->height, width = detector->width;
    struct onnx_tensor input = {.name = onnx_session_input(detector->session, 0)->name,
                                .type = detector->is_bytes ? ONNX_U8 : ONNX_F32,
                                .rank = 4,
                                .shape = {count, 3, height, width},
                                .data =
                                    detector->tensor.data + first * detector->item_size,
                                .size = count * detector->item_size};
    if (detector->format.channels_last) {
        input.shape[1] = height;
        input.shape[2] = width;
        input.shape[3] = 3;
    }
    return input;
}

enum error_code detector_run(struct detector *detector, uint32_t first, uint32_t count,
                             struct error *error)
{
    struct onnx_tensor input = input_of(detector, first, count);
    return onnx_session_run(detector->session, &input, 1, detector->outputs,
                            detector->output_count, error);
}

size_t detector_heads_input(const struct detector *detector,
                            struct head_tensor tensors[HEAD_OUTPUTS_MAX])
{
    for (size_t i = 0; i < detector->output_count; i++) {
        const struct onnx_tensor *output = &detector->outputs[i];
        tensors[i] = (struct head_tensor){.name = output->name,
                                          .values = output->data,
                                          .count = output->size / sizeof(float),
                                          .rank = output->rank};
        memcpy(tensors[i].dims, output->shape, output->rank * sizeof output->shape[0]);
    }
    return detector->output_count;
}

/* The boxes of item `item` of the last run, which is of `view`. */
static enum error_code decode(struct detector *detector, uint32_t item,
                              const struct detector_view *view, detector_sink *sink,
                              void *context, struct error *error)
{
    struct head_tensor tensors[HEAD_OUTPUTS_MAX];
    struct error fault = {0};
    arena_reset(detector->scratch);
    struct detections found = {.arena = detector->scratch};
    struct head_input input = {.outputs = tensors,
                               .output_count = detector_heads_input(detector, tensors),
                               .item = item,
                               .width = detector->width,
                               .height = detector->height};
    enum error_code code =
        head_decode(detector->head, &input, &detector->options, view->threshold,
                    detector->scratch, &found, &fault);
    if (code == ERROR_RECORD)
        return sink(context, view, NULL, 0, &fault, error);
    if (code != OK)
        return error_set(error, code, "model %s: %.300s", detector->model, fault.text);
    size_t count = fit_invert(&view->fit, &view->place, found.items, found.count);
    return sink(context, view, found.items, count, NULL, error);
}

enum error_code detector_flush(struct detector *detector, detector_sink *sink,
                               void *context, struct error *error)
{
    enum error_code code = OK;
    uint32_t done = 0, count = detector->count;
    detector->count = 0;
    while (code == OK && done < count) {
        uint32_t size = detector->fixed_batch
                            ? detector->fixed_batch
                            : exact_batch_next(detector->batch, count - done);
        if (detector->fixed_batch && count < size) /* no number of another view */
            memset(detector->tensor.data + count * detector->item_size, 0,
                   (size - count) * detector->item_size);
        code = detector_run(detector, done, size, error);
        for (uint32_t i = 0; code == OK && i < size && done + i < count; i++)
            code = decode(detector, i, &detector->views[done + i], sink, context, error);
        done += size;
    }
    return code;
}

void detector_drop(struct detector *detector)
{
    detector->count = 0;
}

/* The view in the fit's inner size. NULL: no memory. */
static const unsigned char *resize_view(struct detector *detector,
                                        const struct detector_view *view, size_t *stride)
{
    const struct fit *fit = &view->fit;
    *stride = view->stride;
    if (view->width == fit->inner_width && view->height == fit->inner_height)
        return view->pixels;
    *stride = (size_t)fit->inner_width * 3;
    if (!detector->resampler || detector->from_width != view->width ||
        detector->from_height != view->height || detector->to_width != fit->inner_width ||
        detector->to_height != fit->inner_height) {
        resampler_destroy(detector->resampler);
        detector->from_width = view->width;
        detector->from_height = view->height;
        detector->to_width = fit->inner_width;
        detector->to_height = fit->inner_height;
        detector->resampler =
            resampler_create(view->width, view->height, fit->inner_width,
                             fit->inner_height, 3, detector->filter);
    }
    unsigned char *row = bytes_reserve(&detector->resized, *stride * fit->inner_height);
    if (!detector->resampler || !row)
        return NULL;
    resampler_reset(detector->resampler);
    for (uint32_t y = 0; y < view->height; y++) {
        resampler_push(detector->resampler, view->pixels + y * view->stride);
        while (resampler_pull(detector->resampler, row))
            row += *stride;
    }
    return detector->resized.data;
}

enum error_code detector_add(struct detector *detector, const struct detector_view *view,
                             detector_sink *sink, void *context, struct error *error)
{
    const struct fit *fit = &view->fit;
    enum error_code code = OK;
    if (fit->width != detector->width || fit->height != detector->height) {
        code = detector_flush(detector, sink, context, error);
        if (code == OK)
            code = detector_make_room(detector, fit->width, fit->height, error);
    }
    size_t stride;
    const unsigned char *pixels =
        code == OK ? resize_view(detector, view, &stride) : NULL;
    if (code == OK && !pixels)
        code = error_set(error, ERROR_MEMORY, "no memory to resize a view");
    if (code != OK)
        return code;
    struct pixel_place place = {.pixels = pixels,
                                .stride = stride,
                                .width = fit->inner_width,
                                .height = fit->inner_height,
                                .left = fit->left,
                                .top = fit->top,
                                .to_width = fit->width,
                                .to_height = fit->height};
    unsigned char *item = detector->tensor.data + detector->count * detector->item_size;
    if (detector->is_bytes)
        pixel_pack_bytes(&detector->format, &place, item);
    else
        pixel_pack_floats(&detector->kernels[0], &detector->format, &place,
                          (float *)(void *)item);
    detector->views[detector->count] = *view;
    detector->views[detector->count].pixels = NULL;
    detector->count++;
    return detector->count < detector->batch
               ? OK
               : detector_flush(detector, sink, context, error);
}

/* ---- what can be batched ---- */

static void fill_with_noise(const struct detector *detector)
{
    struct random_stream stream;
    random_stream_init(&stream, 0x6d696c6c, 0x72616365);
    size_t count = detector->batch * detector->item_size;
    for (size_t i = 0; detector->is_bytes && i < count; i++)
        detector->tensor.data[i] = (unsigned char)random_stream_below(&stream, 256);
    float *values = (float *)(void *)detector->tensor.data;
    const float *mean = detector->format.mean, *divisor = detector->format.divisor;
    for (size_t i = 0; !detector->is_bytes && i < count / sizeof *values; i++)
        values[i] =
            ((float)random_stream_below(&stream, 256) - mean[i % 3]) / divisor[i % 3];
}

/* Find the largest batch up to `detector->batch` that does not show, by trying. */
static enum error_code find_batch(struct detector *detector, uint32_t *exact,
                                  struct error *error)
{
    *exact = 1;
    enum error_code code =
        detector_make_room(detector, detector->fit.width, detector->fit.height, error);
    if (code != OK || detector->fixed_batch || detector->fit.multiple)
        return code; /* there is no choice; or sizes that cannot all be tried */
    fill_with_noise(detector);
    struct batch_trial trial = {.session = detector->session,
                                .input = input_of(detector, 0, 1),
                                .outputs = detector->outputs,
                                .output_count = detector->output_count};
    return exact_batch_find(&trial, detector->batch, exact, error);
}

/* Does the head read what comes out? Told before the first picture. */
static enum error_code try_head(struct detector *detector, struct error *error)
{
    struct head_tensor tensors[HEAD_OUTPUTS_MAX];
    struct detections found = {.arena = detector->scratch};
    struct error fault = {0};
    uint32_t count = detector->fixed_batch ? detector->fixed_batch : 1;
    enum error_code code =
        detector_make_room(detector, detector->fit.width, detector->fit.height, error);
    if (code == OK) {
        memset(detector->tensor.data, 0, count * detector->item_size);
        code = detector_run(detector, 0, count, error);
    }
    if (code != OK)
        return code;
    struct head_input input = {.outputs = tensors,
                               .output_count = detector_heads_input(detector, tensors),
                               .width = detector->width,
                               .height = detector->height};
    code = head_decode(detector->head, &input, &detector->options, 1, detector->scratch,
                       &found, &fault);
    return code == OK || code == ERROR_RECORD
               ? OK
               : error_set(error, code, "model %s: %.300s", detector->model, fault.text);
}

/* ---- life ---- */

static enum error_code open_model(const struct detector_setup *setup,
                                  const void *prepared, size_t size,
                                  struct detector *detector, struct error *error)
{
    detector->model = setup->model;
    detector->filter = setup->filter;
    (void)pixel_kernels_list(detector->kernels);
    detector->scratch = arena_create(SCRATCH_BLOCK, 0);
    if (!detector->scratch)
        return error_set(error, ERROR_MEMORY, "no memory for a detector");
    enum error_code code = onnx_runtime_open(NULL, &detector->runtime, error);
    if (code == OK && prepared)
        code = model_bundle_open(detector->runtime, prepared, size, 0, setup->model,
                                 &detector->session, error);
    else if (code == OK)
        code =
            onnx_session_open(detector->runtime, setup->model, &detector->session, error);
    return code == OK ? detector_settle(detector, setup, error) : code;
}

static enum error_code open_with(const struct detector_setup *setup, const void *prepared,
                                 size_t size, struct detector **opened,
                                 struct error *error)
{
    struct detector *detector = calloc(1, sizeof *detector);
    if (!detector)
        return error_set(error, ERROR_MEMORY, "no memory for a detector");
    enum error_code code = open_model(setup, prepared, size, detector, error);
    uint32_t exact = 1;
    if (code == OK && prepared)
        exact = (uint32_t)model_bundle_note(prepared, 0);
    else if (code == OK)
        code = try_head(detector, error);
    if (code == OK && !prepared)
        code = find_batch(detector, &exact, error);
    if (code == OK && !detector->fixed_batch)
        detector->batch = exact < detector->batch ? exact : detector->batch;
    detector->views = calloc(detector->batch + 1, sizeof *detector->views);
    if (code == OK && !detector->views)
        code = error_set(error, ERROR_MEMORY, "no memory for a detector");
    if (code == OK)
        code = detector_make_room(detector, detector->fit.width, detector->fit.height,
                                  error);
    if (code != OK) {
        detector_close(detector);
        return code;
    }
    *opened = detector;
    return OK;
}

enum error_code detector_prepare(const struct detector_setup *setup, const char *target,
                                 struct error *error)
{
    struct detector *detector = NULL;
    enum error_code code = open_with(setup, NULL, 0, &detector, error);
    if (!detector)
        return code;
    uint64_t notes[BUNDLE_NOTES] = {detector->batch};
    code = model_bundle_write(detector->runtime, &setup->model, 1, notes, target, error);
    detector_close(detector);
    return code;
}

enum error_code detector_open(const struct detector_setup *setup, const void *prepared,
                              size_t size, struct detector **detector,
                              struct error *error)
{
    return open_with(setup, prepared, size, detector, error);
}

void detector_close(struct detector *detector)
{
    if (!detector)
        return;
    onnx_session_close(detector->session);
    onnx_runtime_close(detector->runtime);
    resampler_destroy(detector->resampler);
    arena_destroy(detector->scratch);
    bytes_clear(&detector->resized);
    bytes_clear(&detector->tensor);
    free(detector->views);
    free(detector);
}

const struct fit_rule *detector_fit_rule(const struct detector *detector)
{
    return &detector->fit;
}

float detector_threshold(const struct detector *detector)
{
    return detector->threshold;
}

float detector_merge_threshold(const struct detector *detector)
{
    return detector->merge_threshold;
}
