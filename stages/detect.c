/* detect.c - stage: find objects in pictures, at several scales, by a model in ONNX */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/detect_parts.h"
#include "stages/kernels/onnx_runtime.h"

enum { WORK_BLOCK = 1 << 20 };

static const char *const merge_methods[] = {[MERGE_AUTO] = "auto",
                                            [MERGE_NONE] = "none",
                                            [MERGE_METHODS + BOX_NMS] = "nms",
                                            [MERGE_METHODS + BOX_SOFT_NMS] = "soft_nms",
                                            [MERGE_METHODS + BOX_NMM] = "nmm",
                                            [MERGE_METHODS + BOX_GREEDY_NMM] =
                                                "greedy_nmm",
                                            [MERGE_METHODS + BOX_NMW] = "nmw",
                                            [MERGE_METHODS + BOX_WBF] = "wbf",
                                            [MERGE_METHODS + BOX_METHODS] = NULL};
static const char *const metrics[] = {[BOX_IOU] = "iou", [BOX_IOS] = "ios", NULL};
static const char *const filters[] = {"box",     "bilinear", "bicubic",
                                      "lanczos", "area",     NULL};

#define OF(type, field) .offset = offsetof(struct type, field)

static const struct option_spec tile_table[] = {
    {.name = "width",
     .type = OPTION_INT,
     OF(tile_options, width),
     .initial = "0",
     .min = 0,
     .max = 65535,
     .help = "Of a tile, in pixels of the scaled picture; 0: the input's"},
    {.name = "height",
     .type = OPTION_INT,
     OF(tile_options, height),
     .initial = "0",
     .min = 0,
     .max = 65535,
     .help = "The same down"},
    {.name = "overlap",
     .type = OPTION_REAL,
     OF(tile_options, overlap),
     .initial = "0.25",
     .min = 0,
     .max = 0.95,
     .help = "Part of a tile that its neighbour shows, too; more than the objects are "
             "large"},
    {.name = "auto",
     .type = OPTION_BOOL,
     OF(tile_options, automatic),
     .initial = "false",
     .help = "Choose the tiles by the picture's size as SAHI does"},
    OPTION_END};

static const struct option_spec pyramid_table[] = {
    {.name = "from",
     .type = OPTION_REAL,
     OF(pyramid_options, from),
     .initial = "1",
     .min = 0.01,
     .max = 16,
     .help = "The first scale"},
    {.name = "factor",
     .type = OPTION_REAL,
     OF(pyramid_options, factor),
     .initial = "0",
     .min = 0,
     .max = 0.95,
     .help = "Each scale is the one before by this; 0: no pyramid"},
    {.name = "smallest",
     .type = OPTION_INT,
     OF(pyramid_options, smallest),
     .initial = "480",
     .min = 1,
     .max = 65535,
     .help = "As long as the shorter side has so many pixels"},
    OPTION_END};

static const struct option_spec focus_table[] = {
    {.name = "threshold",
     .type = OPTION_REAL,
     OF(focus_options, threshold),
     .initial = "0",
     .min = 0,
     .max = 1,
     .help = "Scores above this call for a closer look where they do not reach the "
             "threshold, or where the object is small; 0: look everywhere"},
    {.name = "small",
     .type = OPTION_INT,
     OF(focus_options, small),
     .initial = "16",
     .min = 0,
     .max = 65535,
     .help = "Small: a square of this side in the network's input has the same area"},
    {.name = "margin",
     .type = OPTION_REAL,
     OF(focus_options, margin),
     .initial = "0.5",
     .min = 0,
     .max = 16,
     .help = "What is to be seen around it, in widths and heights"},
    OPTION_END};

static const struct option_spec merge_table[] = {
    {.name = "method",
     .type = OPTION_CHOICE,
     OF(merge_options, method),
     .initial = "auto",
     .choices = merge_methods,
     .help = "As those of the stage merge_boxes; auto: nms, or none where the model's "
             "boxes stand alone and there is one view; none: all boxes as found"},
    {.name = "metric",
     .type = OPTION_CHOICE,
     OF(merge_options, metric),
     .initial = "iou",
     .choices = metrics,
     .help = "iou: the area in common by the area of both together; ios: by that of the "
             "smaller one, for parts of objects that tiles have cut"},
    {.name = "threshold",
     .type = OPTION_REAL,
     OF(merge_options, threshold),
     .initial = "-1",
     .min = -1,
     .max = 1,
     .help = "What overlaps so far is one object; -1: as the family does"},
    {.name = "class_agnostic",
     .type = OPTION_BOOL,
     OF(merge_options, is_class_agnostic),
     .initial = "false",
     .help = "Boxes of different classes match, too"},
    {.name = "sigma",
     .type = OPTION_REAL,
     OF(merge_options, sigma),
     .initial = "0.5",
     .min = 1e-6,
     .max = 1e6,
     .help = "soft_nms: how wide its gaussian is"},
    OPTION_END};

static const struct option_spec option_table[] = {
    IMAGE_COMMON_OPTIONS,
    {.name = "model",
     .type = OPTION_PATH,
     OF(detect_options, model),
     .help = "The detector, a file in ONNX or ORT format"},
    {.name = "family",
     .type = OPTION_TEXT,
     OF(detect_options, family),
     .initial = "",
     .help = "What kind of model it is: sets how pictures are given to it, how its "
             "outputs are read, and thresholds; told by the outputs if left out"},
    {.name = "head",
     .type = OPTION_TEXT,
     OF(detect_options, head),
     .initial = "",
     .help = "How the outputs are read, if otherwise than the family's"},
    {.name = "head_options",
     .type = OPTION_GROUP,
     OF(detect_options, head_options),
     .initial = "{}",
     .group = head_option_specs,
     .help = "Where the model's head differs from its kind"},
    {.name = "input",
     .type = OPTION_GROUP,
     OF(detect_options, input),
     .initial = "{}",
     .group = input_option_specs,
     .help = "How pictures are given to the model, where the family does not fit"},
    {.name = "threshold",
     .type = OPTION_REAL,
     OF(detect_options, threshold),
     .initial = "-1",
     .min = -1,
     .max = 1,
     .help = "Boxes of higher scores count; -1: as the family's own programs have it"},
    {.name = "scales",
     .type = OPTION_REAL_LIST,
     OF(detect_options, scales),
     .initial = "",
     .min = 0.001,
     .max = 16,
     .help = "Sizes of the picture, 1 its own, in which tiles are looked at"},
    {.name = "pyramid",
     .type = OPTION_GROUP,
     OF(detect_options, pyramid),
     .initial = "{}",
     .group = pyramid_table,
     .help = "The same by a factor, as many as the picture's size calls for"},
    {.name = "tile",
     .type = OPTION_GROUP,
     OF(detect_options, tile),
     .initial = "{}",
     .group = tile_table,
     .help = "Tiles, placed as SAHI places them, the last moved back into the picture; "
             "left out without scales and pyramid, too: none"},
    {.name = "full_image",
     .type = OPTION_BOOL,
     OF(detect_options, full_image),
     .initial = "true",
     .help = "Look at the whole picture, too, in the size of the input"},
    {.name = "valid_ranges",
     .type = OPTION_REAL_PAIRS,
     OF(detect_options, valid_ranges),
     .initial = "",
     .min = -1,
     .max = 1e6,
     .help = "For each of scales, from and to which size (square root of the area, in "
             "pixels of the original) boxes count (SNIP); 0: no bound"},
    {.name = "border",
     .type = OPTION_REAL,
     OF(detect_options, border),
     .initial = "-1",
     .min = -1,
     .max = 65535,
     .help = "Leave out boxes nearer than this, in pixels of the scaled picture, to an "
             "edge of a tile inside the picture (AutoFocus, which has 10); -1: keep"},
    {.name = "focus",
     .type = OPTION_GROUP,
     OF(detect_options, focus),
     .initial = "{}",
     .group = focus_table,
     .help =
         "Coarse to fine: look at the coarsest scale, and at tiles of a finer one only "
         "where the one before gives reason to"},
    {.name = "merge",
     .type = OPTION_GROUP,
     OF(detect_options, merge),
     .initial = "{}",
     .group = merge_table,
     .help = "How boxes of one object become one"},
    {.name = "classes",
     .type = OPTION_REAL_LIST,
     OF(detect_options, classes),
     .initial = "",
     .min = 0,
     .max = 1 << 24,
     .help = "Numbers of the classes that are wanted; all if left out"},
    {.name = "max_boxes",
     .type = OPTION_INT,
     OF(detect_options, max_boxes),
     .initial = "0",
     .min = 0,
     .max = 1e9,
     .help = "The best so many of a picture; 0: all"},
    {.name = "filter",
     .type = OPTION_CHOICE,
     OF(detect_options, filter),
     .initial = "bilinear",
     .choices = filters,
     .help = "How pictures are resized: see the stage resize"},
    {.name = "draft",
     .type = OPTION_BOOL,
     OF(detect_options, draft),
     .initial = "true",
     .help = "Decode a JPEG at a half, a quarter or an eighth when that is still twice "
             "the largest size looked at"},
    {.name = "batch",
     .type = OPTION_INT,
     OF(detect_options, batch),
     .initial = "1",
     .min = 1,
     .max = EXACT_BATCH_MAX,
     .help = "Views given to the model at once, of several pictures too, where it takes "
             "several and their number does not show in the boxes; on one thread 1 is "
             "the fastest for most models"},
    OPTION_END};

static struct detector_setup setup_of(const struct detect_options *options)
{
    return (struct detector_setup){.model = options->model,
                                   .family = options->family,
                                   .head = options->head,
                                   .head_options = &options->head_options,
                                   .input = &options->input,
                                   .threshold = options->threshold,
                                   .batch = (uint32_t)options->batch,
                                   .filter = (enum resample_filter)options->filter};
}

/* ---- plan ---- */

static enum error_code check_scales(const struct detect_options *options,
                                    const struct stage_place *place, struct error *error)
{
    bool has_pyramid = options->pyramid.factor > 0;
    struct source_position scales = stage_option_position(place, "scales");
    if (options->scales.count > SCALES_MAX)
        return error_set_at(error, scales, "stage detect takes up to %d scales, not %zu",
                            SCALES_MAX, options->scales.count);
    if (has_pyramid && options->scales.count > 0)
        return error_set_at(error, scales,
                            "\"scales\" cannot stand beside \"pyramid\": either lists "
                            "the sizes or says how they follow");
    if (options->valid_ranges.count > 0 &&
        (has_pyramid || options->valid_ranges.count != 2 * options->scales.count))
        return error_set_at(error, stage_option_position(place, "valid_ranges"),
                            "\"valid_ranges\" needs a pair for each of \"scales\": there "
                            "are %zu pairs for %zu scales",
                            options->valid_ranges.count / 2, options->scales.count);
    bool has_tiles = has_pyramid || options->scales.count > 0 ||
                     options->tile.width > 0 || options->tile.height > 0 ||
                     options->tile.automatic;
    if (!options->full_image && !has_tiles)
        return error_set_at(error, stage_option_position(place, "full_image"),
                            "without \"full_image\" stage detect needs \"tile\", "
                            "\"scales\" or \"pyramid\": there is nothing to look at");
    if (options->focus.threshold > 0 && !has_pyramid && options->scales.count < 2)
        return error_set_at(error, stage_option_position(place, "focus"),
                            "\"focus\" needs several \"scales\" or a \"pyramid\"");
    return OK;
}

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct detect_options *options = raw;
    enum error_code code =
        image_stage_plan(&options->common, schema, place, "detect", error);
    if (code == OK)
        code = detector_check_names(options->family, NULL,
                                    stage_option_position(place, "family"), error);
    if (code == OK)
        code = detector_check_names(NULL, options->head,
                                    stage_option_position(place, "head"), error);
    if (code == OK)
        code = check_scales(options, place, error);
    if (code == OK)
        code = schema_put(schema, "boxes", COLUMN_LIST_BOX, 0, error);
    return code == OK ? schema_put(schema, "views", COLUMN_I64, 0, error) : code;
}

/* ---- life ---- */

static enum error_code prepare(const void *raw, const char *path, struct error *error)
{
    struct detector_setup setup = setup_of(raw);
    return detector_prepare(&setup, path, error);
}

static enum error_code name_library(char name[STAGE_LIBRARY_SIZE], struct error *error)
{
    return onnx_runtime_copy_name(name, STAGE_LIBRARY_SIZE, error);
}

static enum error_code open_detect(struct stage *self, struct error *error)
{
    struct detect_state *state = self->state;
    const struct detect_options *options = self->options;
    struct detector_setup setup = setup_of(options);
    state->rules = image_stage_rules(&options->common);
    state->boxes = (struct column_builder){.name = "boxes", .type = COLUMN_LIST_BOX};
    state->work = arena_create(WORK_BLOCK, 0);
    if (!state->work)
        return error_set(error, ERROR_MEMORY, "no memory to detect");
    return detector_open(&setup, self->prepared, self->prepared_size, &state->detector,
                         error);
}

static void close_detect(struct stage *self)
{
    struct detect_state *state = self->state;
    detector_close(state->detector);
    arena_destroy(state->work);
    column_builder_clear(&state->boxes);
    bytes_clear(&state->band);
    bytes_clear(&state->picture);
    free(state->found);
    free(state->regions);
    free(state->next_regions);
}

const struct stage_type stage_detect = {
    .name = "detect",
    .summary = "Find objects in pictures, at several scales, by a model in ONNX",
    .description =
        "Adds boxes (list<box>: x1, y1, x2, y2, score, class), continuous edges in "
        "pixels "
        "of the upright original, the best first, and views (i64), how many tiles and "
        "whole pictures the model has looked at. A picture is decoded once, row by row; "
        "its tiles at all scales, and the whole in the size of the model's input, are "
        "cut "
        "as their rows come, so that memory holds a row of tiles a scale, whatever the "
        "picture's height. Pictures turned by their EXIF data are turned as a whole, and "
        "must fit in memory. With a focus they are decoded once a scale.\n"
        "Models run in ONNX Runtime, on one thread an executor; `millrace stages detect` "
        "works without it, a job needs its library: pipelines/prepare_onnxruntime "
        "fetches it. A picture without objects has an empty list; one that cannot be "
        "decoded, or on which the model gives numbers that are none, is quarantined with "
        "its reason. On CPUs of one level and with one version of the library the same "
        "pictures give the same boxes, however they are batched.",
    .traits = STAGE_STATELESS | STAGE_ONE_TO_ONE,
    .columns = (const struct stage_column[]){{"data", COLUMN_BYTES, true},
                                             {"boxes", COLUMN_LIST_BOX, false},
                                             {"views", COLUMN_I64, false},
                                             {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct detect_options),
    .state_size = sizeof(struct detect_state),
    .plan = plan,
    .prepare = prepare,
    .library = name_library,
    .open = open_detect,
    .process = detect_process,
    .close = close_detect};
