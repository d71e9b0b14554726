/* head_grid.c - the heads of YOLO that divide the input into cells: v1 to v5 */
#include "core/arena.h"
#include "stages/kernels/head_parts.h"

/* What a cell's four numbers mean. */
struct anchor_rule {
    bool is_logit;  /* of places, sizes, objectness and classes */
    bool is_square; /* sizes: (2 s)^2 of the anchor; else exp(t) */
    bool is_softmax;
    bool is_in_cells; /* anchors; else in pixels */
    float scale_xy;
};

/* ---- YOLOv1 ---- */

bool yolov1_recognises(const struct head_input *input, const struct head_options *initial)
{
    (void)initial; /* any other length might be anything */
    return input->output_count == 1 && input->outputs[0].rank == 2 &&
           input->outputs[0].dims[1] == 1470;
}

/* get_detection_detections of darknet's src/detection_layer.c with sqrt=1; the vector has
 * (cells, classes) probabilities, (cells, boxes) confidences, (cells, boxes, 4). */
enum error_code yolov1_decode(const struct head_input *input,
                              const struct head_options *options, float threshold,
                              struct arena *scratch, struct detections *found,
                              struct error *error)
{
    const struct head_tensor *tensor = &input->outputs[0];
    size_t side = (size_t)options->cells, cells = side * side;
    size_t boxes = (size_t)options->boxes;
    (void)scratch;
    if (input->output_count != 1 || tensor->rank != 2 ||
        (size_t)tensor->dims[1] % cells != 0 ||
        (size_t)tensor->dims[1] / cells <= 5 * boxes)
        return head_wrong_shape(tensor, "(batch, cells * cells * (classes + 5 * boxes))",
                                error);
    size_t length = (size_t)tensor->dims[1], classes = length / cells - 5 * boxes;
    struct head_map map = {.name = tensor->name,
                           .values = tensor->values + input->item * length};
    const float *confidences = map.values + cells * classes;
    const float *edges = confidences + cells * boxes;
    float width = (float)input->width, height = (float)input->height;
    for (size_t i = 0; i < cells * boxes; i++) {
        size_t cell = i / boxes;
        const float *box = edges + 4 * i, *chances = map.values + cell * classes;
        if (confidences[i] <= threshold && confidences[i] >= 0)
            continue; /* chances are at most 1 */
        float x = (box[0] + head_column(cell, side)) / (float)side * width;
        float y = (box[1] + head_row(cell, side)) / (float)side * height;
        float w = box[2] * box[2] * width, h = box[3] * box[3] * height;
        if (!isfinite(confidences[i]))
            return head_bad_number(map.name, cell, error);
        for (size_t class = 0; class < classes; class ++) {
            float score = confidences[i] * chances[class];
            if (score <= threshold)
                continue;
            struct detection one = {x - w / 2, y - h / 2, x + w / 2,
                                    y + h / 2, score,     (float)class};
            enum error_code code = head_add(found, &map, cell, &one, error);
            if (code)
                return code;
        }
    }
    return OK;
}

/* ---- anchors ---- */

/* The numbers of one anchor, (cells, 5 + classes), out of (batch, anchors * (5 + classes),
 * height, width) or (batch, anchors, height, width, 5 + classes). */
static struct head_map anchor_map(const struct head_input *input,
                                  const struct head_tensor *tensor, size_t anchors,
                                  size_t anchor)
{
    if (tensor->rank == 4) {
        struct head_map all = head_map_image(input, tensor, false);
        size_t each = all.channels / anchors;
        return head_map_slice(&all, anchor * each, each);
    }
    size_t height = (size_t)tensor->dims[2], width = (size_t)tensor->dims[3];
    size_t channels = (size_t)tensor->dims[4], cells = width * height;
    size_t before = (input->item * anchors + anchor) * cells * channels;
    return (struct head_map){.name = tensor->name,
                             .values = tensor->values + before,
                             .cells = cells,
                             .channels = channels,
                             .cell_step = channels,
                             .channel_step = 1,
                             .width = (uint32_t)width,
                             .height = (uint32_t)height};
}

/* scores (channels - 5) of the classes; false: one is no finite number. */
static bool class_scores(const struct head_map *map, size_t cell,
                         const struct anchor_rule *rule, float objectness, float *scores)
{
    size_t classes = map->channels - 5;
    float most = -INFINITY;
    for (size_t i = 0; i < classes; i++) {
        scores[i] = head_map_at(map, cell, 5 + i);
        if (!isfinite(scores[i]))
            return false;
        most = scores[i] > most ? scores[i] : most;
    }
    double sum = 0;
    if (rule->is_softmax)
        for (size_t i = 0; i < classes; i++)
            sum += exact_exp((double)scores[i] - most);
    for (size_t i = 0; i < classes; i++) {
        float chance = scores[i];
        if (rule->is_softmax)
            chance = (float)(exact_exp((double)scores[i] - most) / sum);
        else if (rule->is_logit)
            chance = head_sigmoid(scores[i]);
        scores[i] = objectness * chance;
    }
    return true;
}

static bool anchor_box(const struct head_map *map, size_t cell,
                       const struct anchor_rule *rule, const struct head_input *input,
                       const double *anchor, struct detection *box)
{
    float t[4];
    for (size_t i = 0; i < 4; i++) {
        t[i] = head_map_at(map, cell, i);
        if (!isfinite(t[i]))
            return false;
        if (rule->is_logit && (i < 2 || rule->is_square))
            t[i] = head_sigmoid(t[i]);
    }
    float beyond = 0.5F * (rule->scale_xy - 1);
    float stride_x = (float)input->width / (float)map->width;
    float stride_y = (float)input->height / (float)map->height;
    float x =
        (head_column(cell, map->width) + (rule->scale_xy * t[0] - beyond)) * stride_x;
    float y = (head_row(cell, map->width) + (rule->scale_xy * t[1] - beyond)) * stride_y;
    float w = rule->is_square ? t[2] * t[2] * 4 : head_exp(t[2]);
    float h = rule->is_square ? t[3] * t[3] * 4 : head_exp(t[3]);
    w = w * ((float)anchor[0] * (rule->is_in_cells ? stride_x : 1));
    h = h * ((float)anchor[1] * (rule->is_in_cells ? stride_y : 1));
    *box = (struct detection){x - w / 2, y - h / 2, x + w / 2, y + h / 2, 0, 0};
    return true;
}

/* The boxes of a place: one without classes, of its best class, or of all above. */
static enum error_code add_classes(const struct head_map *map, size_t cell,
                                   const struct head_options *options, float threshold,
                                   const float *scores, struct detection *box,
                                   struct detections *found, struct error *error)
{
    size_t classes = map->channels - 5, best = 0;
    for (size_t i = 1; i < classes; i++)
        best = scores[i] > scores[best] ? i : best;
    for (size_t i = 0; i < classes; i++) {
        if (!(scores[i] > threshold) ||
            (options->classes == HEAD_BEST_CLASS && i != best))
            continue;
        box->score = scores[i];
        box->class = (float)i;
        enum error_code code = head_add(found, map, cell, box, error);
        if (code)
            return code;
    }
    return OK;
}

/* One anchor of one level: what is above the threshold. A score is the objectness times a
 * chance of at most 1, so that only places with such an objectness are looked at. */
static enum error_code decode_anchor(const struct head_map *map,
                                     const struct anchor_rule *rule,
                                     const struct head_input *input,
                                     const struct head_options *options,
                                     const double *anchor, float threshold,
                                     struct arena *scratch, struct detections *found,
                                     struct error *error)
{
    struct head_options plain = *options;
    plain.activation = rule->is_logit ? HEAD_LOGITS : HEAD_PROBABILITIES;
    plain.classes = HEAD_ALL_CLASSES;
    struct head_map objects = head_map_slice(map, 4, 1);
    struct head_hits hits;
    float *scores = ARENA_RAW(scratch, float, map->channels);
    if (!scores)
        return error_set(error, ERROR_MEMORY, "no memory for the model's boxes");
    enum error_code code =
        head_hits_select(&objects, &plain, threshold, scratch, &hits, error);
    for (size_t i = 0; i < hits.count && !code; i++) {
        size_t cell = hits.items[i].cell;
        float objectness = head_score(&plain, hits.items[i].value);
        struct detection box;
        if (!anchor_box(map, cell, rule, input, anchor, &box) ||
            !class_scores(map, cell, rule, objectness, scores))
            return head_bad_number(map->name, cell, error);
        if (map->channels > 5) {
            code = add_classes(map, cell, options, threshold, scores, &box, found, error);
        } else {
            box.score = objectness;
            code = head_add(found, map, cell, &box, error);
        }
    }
    return code;
}

static size_t anchors_each(const struct head_options *options)
{
    return options->anchors.count / 2 / options->strides.count;
}

/* Could these be the numbers of so many anchors? Unknown dimensions may be anything. */
static bool is_anchor_tensor(const struct head_tensor *tensor, size_t anchors)
{
    if (tensor->rank == 5)
        return tensor->dims[1] == (int64_t)anchors && tensor->dims[4] >= 5;
    return tensor->rank == 4 && tensor->dims[1] > 0 &&
           (size_t)tensor->dims[1] % anchors == 0 &&
           (size_t)tensor->dims[1] / anchors >= 5;
}

static const char *const ANCHOR_SHAPE = "(batch, anchors * (5 + classes), height / "
                                        "stride, width / stride) or (batch, anchors, "
                                        "height / stride, width / stride, 5 + classes)";

/* The tensor of a level; NULL: there is none, or several. */
static const struct head_tensor *level_tensor(const struct head_input *input,
                                              const struct head_options *options,
                                              size_t level)
{
    const struct head_tensor *found = NULL;
    for (size_t i = 0; i < input->output_count; i++) {
        const struct head_tensor *tensor = &input->outputs[i];
        if (!is_anchor_tensor(tensor, anchors_each(options)))
            return NULL;
        if (head_level_of(options, input, (uint32_t)tensor->dims[3],
                          (uint32_t)tensor->dims[2]) != level)
            continue;
        if (found)
            return NULL;
        found = tensor;
    }
    return found;
}

static enum error_code decode_levels(const struct head_input *input,
                                     const struct anchor_rule *rule,
                                     const struct head_options *options, float threshold,
                                     struct arena *scratch, struct detections *found,
                                     struct error *error)
{
    size_t anchors = anchors_each(options);
    if (input->output_count != options->strides.count)
        return error_set(error, ERROR_CONFIG,
                         "the model has %zu outputs, but there are %zu strides; name the "
                         "family that it is of, or its strides and anchors",
                         input->output_count, options->strides.count);
    for (size_t level = 0; level < options->strides.count; level++) {
        const struct head_tensor *tensor = level_tensor(input, options, level);
        if (!tensor)
            return head_wrong_shape(&input->outputs[level], ANCHOR_SHAPE, error);
        for (size_t i = 0; i < anchors; i++) {
            struct head_map map = anchor_map(input, tensor, anchors, i);
            enum error_code code =
                decode_anchor(&map, rule, input, options,
                              options->anchors.items + 2 * (level * anchors + i),
                              threshold, scratch, found, error);
            if (code)
                return code;
        }
    }
    return OK;
}

static bool levels_are_there(const struct head_input *input,
                             const struct head_options *initial)
{
    if (input->output_count != initial->strides.count)
        return false;
    for (size_t i = 0; i < input->output_count; i++) {
        const struct head_tensor *tensor = &input->outputs[i];
        if (!is_anchor_tensor(tensor, anchors_each(initial)) ||
            !level_tensor(input, initial, i))
            return false;
    }
    return true;
}

/* ---- YOLOv2 ---- */

bool yolov2_recognises(const struct head_input *input, const struct head_options *initial)
{
    return input->outputs[0].rank == 4 && levels_are_there(input, initial) &&
           input->outputs[0].dims[1] > (int64_t)(5 * anchors_each(initial));
}

/* No classes; its layers take any size. */
bool tinyface_recognises(const struct head_input *input,
                         const struct head_options *initial)
{
    return input->output_count == 1 && input->outputs[0].rank == 4 &&
           input->outputs[0].dims[1] == (int64_t)(5 * anchors_each(initial));
}

/* get_region_detections, get_region_box of darknet's src/region_layer.c; "YOLO9000" (Redmon
 * and Farhadi 2016), section 2. Without classes: tinyYolov2 of face-api.js
 * (TinyYolov2Base.ts, extractBoxes). Anchors in cells. */
enum error_code yolov2_decode(const struct head_input *input,
                              const struct head_options *options, float threshold,
                              struct arena *scratch, struct detections *found,
                              struct error *error)
{
    struct anchor_rule rule = {
        .is_logit = true, .is_softmax = true, .is_in_cells = true, .scale_xy = 1};
    return decode_levels(input, &rule, options, threshold, scratch, found, error);
}

/* ---- YOLOv3, YOLOv4 ---- */

bool yolov3_recognises(const struct head_input *input, const struct head_options *initial)
{
    for (size_t i = 0; i < input->output_count; i++) {
        /* More might be of YOLOv8's levels; 75 are of VOC's classes, 255 of COCO's. */
        int64_t channels = input->outputs[i].dims[1];
        if (input->outputs[i].rank != 4 ||
            (channels > 64 && channels != 75 && channels != 255))
            return false;
    }
    return levels_are_there(input, initial);
}

/* get_yolo_box, get_yolo_detections of darknet's src/yolo_layer.c; "YOLOv3" (Redmon and
 * Farhadi 2018), section 2.1; scale_x_y and new_coords as AlexeyAB's fork has them. Anchors
 * in pixels. */
enum error_code yolov3_decode(const struct head_input *input,
                              const struct head_options *options, float threshold,
                              struct arena *scratch, struct detections *found,
                              struct error *error)
{
    bool is_logit = options->activation == HEAD_LOGITS;
    struct anchor_rule rule = {.is_logit = is_logit,
                               .is_square = !is_logit,
                               .scale_xy = (float)options->scale_xy};
    return decode_levels(input, &rule, options, threshold, scratch, found, error);
}

/* ---- YOLOv5 ---- */

static bool is_exported(const struct head_input *input,
                        const struct head_options *options)
{
    const struct head_tensor *tensor = &input->outputs[0];
    return input->output_count == 1 && tensor->rank == 3 && tensor->dims[2] >= 6 &&
           (uint64_t)tensor->dims[1] ==
               (uint64_t)head_places(options, input) * anchors_each(options);
}

bool yolov5_recognises(const struct head_input *input, const struct head_options *initial)
{
    for (size_t i = 0; i < input->output_count; i++)
        if (input->outputs[i].rank != 5)
            return is_exported(input, initial);
    return levels_are_there(input, initial);
}

/* Detect.forward of yolov5's models/yolo.py did the rest: rows of centre x, y, width,
 * height, objectness, classes, all of them final; non_max_suppression multiplies. */
static enum error_code decode_exported(const struct head_input *input,
                                       const struct head_options *options,
                                       float threshold, struct arena *scratch,
                                       struct detections *found, struct error *error)
{
    struct head_map map = head_map_rows(input, &input->outputs[0]);
    struct head_map objects = head_map_slice(&map, 4, 1);
    struct anchor_rule rule = {0};
    struct head_hits hits;
    float *scores = ARENA_RAW(scratch, float, map.channels);
    if (!scores)
        return error_set(error, ERROR_MEMORY, "no memory for the model's boxes");
    enum error_code code = head_hits_find(&objects, threshold, scratch, &hits, error);
    for (size_t i = 0; i < hits.count && !code; i++) {
        size_t cell = hits.items[i].cell;
        float x = head_map_at(&map, cell, 0), y = head_map_at(&map, cell, 1);
        float w = head_map_at(&map, cell, 2), h = head_map_at(&map, cell, 3);
        struct detection box = {x - w / 2, y - h / 2, x + w / 2, y + h / 2, 0, 0};
        if (!class_scores(&map, cell, &rule, hits.items[i].value, scores))
            return head_bad_number(map.name, cell, error);
        code = add_classes(&map, cell, options, threshold, scores, &box, found, error);
    }
    return code;
}

enum error_code yolov5_decode(const struct head_input *input,
                              const struct head_options *options, float threshold,
                              struct arena *scratch, struct detections *found,
                              struct error *error)
{
    struct anchor_rule rule = {.is_logit = true, .is_square = true, .scale_xy = 2};
    if (is_exported(input, options))
        return decode_exported(input, options, threshold, scratch, found, error);
    if (input->outputs[0].rank == 3)
        return head_wrong_shape(&input->outputs[0],
                                "(batch, anchors of all cells, 5 + classes)", error);
    return decode_levels(input, &rule, options, threshold, scratch, found, error);
}
