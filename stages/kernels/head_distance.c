/* head_distance.c - heads that give the distances from a place to the edges of its box:
 * YOLOv8 and after, end to end, FCOS, NanoDet */
#include "core/arena.h"
#include "stages/kernels/head_parts.h"

enum { LEFT, TOP, RIGHT, BOTTOM, EDGES };

static struct detection box_around(float x, float y, const float distances[EDGES])
{
    return (struct detection){x - distances[LEFT],
                              y - distances[TOP],
                              x + distances[RIGHT],
                              y + distances[BOTTOM],
                              0,
                              0};
}

static bool integrate(const struct head_map *map, size_t cell, size_t bins, float stride,
                      float distances[EDGES])
{
    for (size_t i = 0; i < EDGES; i++) {
        distances[i] = head_integral(map, cell, i * bins, bins) * stride;
        if (!isfinite(distances[i]))
            return false;
    }
    return true;
}

/* A level: distances (cells, 4 * bins) as logits, scores (cells, classes). */
struct spread_level {
    struct head_map distances, scores;
    float stride, center;
    uint32_t width;
    bool is_clamped; /* to the input */
};

static float clamp(float value, float most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

static enum error_code decode_spread(const struct spread_level *level,
                                     const struct head_input *input,
                                     const struct head_options *options, float threshold,
                                     struct arena *scratch, struct detections *found,
                                     struct error *error)
{
    struct head_hits hits;
    size_t bins = (size_t)options->bins;
    enum error_code code =
        head_hits_select(&level->scores, options, threshold, scratch, &hits, error);
    if (code)
        return code;
    head_hits_keep_top(&hits, (size_t)options->top);
    for (size_t i = 0; i < hits.count && !code; i++) {
        size_t cell = hits.items[i].cell;
        float x = (head_column(cell, level->width) + level->center) * level->stride;
        float y = (head_row(cell, level->width) + level->center) * level->stride;
        float distances[EDGES];
        if (!integrate(&level->distances, cell, bins, level->stride, distances))
            return head_bad_number(level->distances.name, cell, error);
        struct detection box = box_around(x, y, distances);
        if (level->is_clamped) {
            box.x1 = clamp(box.x1, (float)input->width);
            box.x2 = clamp(box.x2, (float)input->width);
            box.y1 = clamp(box.y1, (float)input->height);
            box.y2 = clamp(box.y2, (float)input->height);
        }
        box.score = head_score(options, hits.items[i].value);
        box.class = (float)hits.items[i].class;
        code = head_add(found, &level->scores, cell, &box, error);
    }
    return code;
}

/* ---- YOLOv8, YOLO11 ---- */

static bool is_places(int64_t count, const struct head_options *options,
                      const struct head_input *input)
{
    return count > 0 && (uint64_t)count == head_places(options, input);
}

/* The tensor of raw numbers of a level: (batch, 4 * bins + classes, height, width). */
static const struct head_tensor *raw_level(const struct head_input *input,
                                           const struct head_options *options,
                                           size_t level)
{
    for (size_t i = 0; i < input->output_count; i++) {
        const struct head_tensor *tensor = &input->outputs[i];
        if (tensor->rank == 4 && tensor->dims[1] > 4 * options->bins &&
            head_level_of(options, input, (uint32_t)tensor->dims[3],
                          (uint32_t)tensor->dims[2]) == level)
            return tensor;
    }
    return NULL;
}

static bool has_raw_levels(const struct head_input *input,
                           const struct head_options *options)
{
    for (size_t level = 0; level < options->strides.count; level++)
        if (!raw_level(input, options, level))
            return false;
    return input->output_count == options->strides.count;
}

bool yolov8_recognises(const struct head_input *input, const struct head_options *initial)
{
    const struct head_tensor *tensor = &input->outputs[0];
    if (input->output_count == 1 && tensor->rank == 3)
        return (is_places(tensor->dims[2], initial, input) && tensor->dims[1] >= 5) ||
               (is_places(tensor->dims[1], initial, input) && tensor->dims[2] >= 5);
    /* Three times the numbers of YOLOv3 otherwise; 144 of 80 classes are likelier here. */
    if (!has_raw_levels(input, initial) ||
        (tensor->dims[1] % 3 == 0 && tensor->dims[1] != 144))
        return false;
    for (size_t i = 1; i < input->output_count; i++)
        if (input->outputs[i].dims[1] != tensor->dims[1])
            return false;
    return true;
}

/* As exported: centre x, y, width, height in pixels and probabilities. */
static enum error_code decode_centres(const struct head_map *map,
                                      const struct head_options *options, float threshold,
                                      struct arena *scratch, struct detections *found,
                                      struct error *error)
{
    struct head_map scores = head_map_slice(map, 4, map->channels - 4);
    struct head_hits hits;
    enum error_code code =
        head_hits_select(&scores, options, threshold, scratch, &hits, error);
    if (code)
        return code;
    for (size_t i = 0; i < hits.count && !code; i++) {
        size_t cell = hits.items[i].cell;
        float x = head_map_at(map, cell, 0), y = head_map_at(map, cell, 1);
        float w = head_map_at(map, cell, 2), h = head_map_at(map, cell, 3);
        struct detection box = {x - w / 2,
                                y - h / 2,
                                x + w / 2,
                                y + h / 2,
                                head_score(options, hits.items[i].value),
                                (float)hits.items[i].class};
        code = head_add(found, map, cell, &box, error);
    }
    return code;
}

/* Detect of ultralytics/nn/modules/head.py: as it exports, or the tensors of its levels
 * before _inference(); dist2bbox and make_anchors of ultralytics/utils/tal.py. */
enum error_code yolov8_decode(const struct head_input *input,
                              const struct head_options *options, float threshold,
                              struct arena *scratch, struct detections *found,
                              struct error *error)
{
    const struct head_tensor *tensor = &input->outputs[0];
    struct head_options own = *options;
    if (input->output_count == 1 && tensor->rank == 3) {
        bool is_columns =
            is_places(tensor->dims[2], options, input) && tensor->dims[1] >= 5;
        if (!is_columns &&
            !(is_places(tensor->dims[1], options, input) && tensor->dims[2] >= 5))
            return head_wrong_shape(tensor, "(batch, 4 + classes, cells of all levels)",
                                    error);
        if (own.activation == HEAD_ACTIVATION_OF_THE_HEAD)
            own.activation = HEAD_PROBABILITIES;
        struct head_map map =
            is_columns ? head_map_columns(input, tensor) : head_map_rows(input, tensor);
        return decode_centres(&map, &own, threshold, scratch, found, error);
    }
    if (!has_raw_levels(input, options))
        return head_wrong_shape(
            tensor,
            "(batch, 4 * bins + classes, height / stride, width / stride), one a level",
            error);
    if (own.activation == HEAD_ACTIVATION_OF_THE_HEAD)
        own.activation = HEAD_LOGITS;
    enum error_code code = OK;
    for (size_t i = 0; i < options->strides.count && !code; i++) {
        struct head_map map = head_map_image(input, raw_level(input, options, i), false);
        size_t edges = EDGES * (size_t)options->bins;
        struct spread_level level = {
            .distances = head_map_slice(&map, 0, edges),
            .scores = head_map_slice(&map, edges, map.channels - edges),
            .stride = (float)options->strides.items[i],
            .center = (float)options->center,
            .width = map.width};
        code = decode_spread(&level, input, &own, threshold, scratch, found, error);
    }
    return code;
}

/* ---- end to end ---- */

bool end_to_end_recognises(const struct head_input *input,
                           const struct head_options *initial)
{
    (void)initial; /* models keep 100 to 1,000 */
    const struct head_tensor *tensor = &input->outputs[0];
    return input->output_count == 1 && tensor->rank == 3 && tensor->dims[2] == 6 &&
           tensor->dims[1] >= 1 && tensor->dims[1] <= 1000;
}

/* v10Detect.postprocess of ultralytics/nn/modules/head.py: rows of x1, y1, x2, y2, score,
 * class. */
enum error_code end_to_end_decode(const struct head_input *input,
                                  const struct head_options *options, float threshold,
                                  struct arena *scratch, struct detections *found,
                                  struct error *error)
{
    const struct head_tensor *tensor = &input->outputs[0];
    if (input->output_count != 1 || tensor->rank != 3 || tensor->dims[2] != 6)
        return head_wrong_shape(tensor, "(batch, boxes, 6)", error);
    struct head_map map = head_map_rows(input, tensor);
    struct head_map scores = head_map_slice(&map, 4, 1);
    struct head_hits hits;
    (void)options;
    enum error_code code = head_hits_find(&scores, threshold, scratch, &hits, error);
    for (size_t i = 0; i < hits.count && !code; i++) {
        const float *row = map.values + 6 * (size_t)hits.items[i].cell;
        if (!(row[5] >= 0 && row[5] <= 16777216) || row[5] != floorf(row[5]))
            return error_set(error, ERROR_RECORD,
                             "output \"%s\" of the model: %g is no class", tensor->name,
                             (double)row[5]);
        struct detection box = {row[0], row[1], row[2], row[3], row[4], row[5]};
        code = head_add(found, &map, hits.items[i].cell, &box, error);
    }
    return code;
}

/* ---- FCOS ---- */

enum { FCOS_CLASSES, FCOS_DISTANCES, FCOS_CENTRES, FCOS_PARTS };

static int fcos_part(const struct head_tensor *tensor)
{
    static const char *const CLASSES[] = {"cls", "class", "logits", NULL};
    static const char *const DISTANCES[] = {"reg", "box", NULL};
    static const char *const CENTRES[] = {"ctr", "center", "centre", NULL};
    if (head_name_has(tensor, CENTRES) && tensor->dims[1] == 1)
        return FCOS_CENTRES;
    if (head_name_has(tensor, DISTANCES) && tensor->dims[1] == 4)
        return FCOS_DISTANCES;
    if (head_name_has(tensor, CLASSES))
        return FCOS_CLASSES;
    return tensor->dims[1] == 1   ? FCOS_CENTRES
           : tensor->dims[1] == 4 ? FCOS_DISTANCES
                                  : FCOS_CLASSES;
}

/* The three tensors of a level; false: not exactly these. */
static bool fcos_level(const struct head_input *input, const struct head_options *options,
                       size_t level, const struct head_tensor *parts[FCOS_PARTS])
{
    for (int i = 0; i < FCOS_PARTS; i++)
        parts[i] = NULL;
    for (size_t i = 0; i < input->output_count; i++) {
        const struct head_tensor *tensor = &input->outputs[i];
        if (tensor->rank != 4 || head_level_of(options, input, (uint32_t)tensor->dims[3],
                                               (uint32_t)tensor->dims[2]) != level)
            continue;
        int part = fcos_part(tensor);
        if (parts[part] || tensor->dims[1] < 1)
            return false;
        parts[part] = tensor;
    }
    return parts[FCOS_CLASSES] && parts[FCOS_DISTANCES] && parts[FCOS_CENTRES];
}

bool fcos_recognises(const struct head_input *input, const struct head_options *initial)
{
    const struct head_tensor *parts[FCOS_PARTS];
    for (size_t i = 0; i < initial->strides.count; i++)
        if (!fcos_level(input, initial, i, parts))
            return false;
    return input->output_count == FCOS_PARTS * initial->strides.count;
}

/* Classes above this take part, whatever they are centred on: PRE_NMS_THRESH. */
static const float FCOS_CANDIDATE = 0.05F;

static enum error_code fcos_box(const struct head_options *options, double stride,
                                const struct head_map maps[FCOS_PARTS],
                                const struct head_hit *hit, float threshold,
                                struct detections *found, struct error *error)
{
    const struct head_map *map = &maps[FCOS_DISTANCES];
    float distances[EDGES];
    for (size_t i = 0; i < EDGES; i++) {
        float value = head_map_at(map, hit->cell, i);
        if (!isfinite(value))
            return head_bad_number(map->name, hit->cell, error);
        distances[i] = options->distances == HEAD_DISTANCES_EXP
                           ? head_exp(value)
                           : (value > 0 ? value : 0) * (float)stride;
    }
    float half = floorf((float)stride / 2);
    float x = head_column(hit->cell, map->width) * (float)stride + half;
    float y = head_row(hit->cell, map->width) * (float)stride + half;
    struct detection box = box_around(x, y, distances);
    box.score = sqrtf(hit->value);
    box.class = (float)hit->class;
    return box.score > threshold ? head_add(found, map, hit->cell, &box, error) : OK;
}

/* FCOSPostProcessor.forward_for_single_feature_map of fcos_core/modeling/rpn/fcos/
 * inference.py; "FCOS" (Tian et al. 2019), section 3. Locations at i * stride + stride / 2.
 * Ranked by the product of class and centre-ness; the score is its root. */
enum error_code fcos_decode(const struct head_input *input,
                            const struct head_options *options, float threshold,
                            struct arena *scratch, struct detections *found,
                            struct error *error)
{
    struct head_options logits = *options;
    logits.activation = HEAD_LOGITS;
    if (!fcos_recognises(input, options))
        return head_wrong_shape(
            &input->outputs[0],
            "(batch, classes | 4 | 1, height / stride, width / stride), "
            "three a level",
            error);
    enum error_code code = OK;
    for (size_t level = 0; level < options->strides.count && !code; level++) {
        const struct head_tensor *parts[FCOS_PARTS];
        struct head_map maps[FCOS_PARTS];
        struct head_hits hits;
        (void)fcos_level(input, options, level, parts);
        for (int i = 0; i < FCOS_PARTS; i++)
            maps[i] = head_map_image(input, parts[i], false);
        code = head_hits_select(&maps[FCOS_CLASSES], &logits, FCOS_CANDIDATE, scratch,
                                &hits, error);
        for (size_t i = 0; i < hits.count && !code; i++) {
            float centre = head_map_at(&maps[FCOS_CENTRES], hits.items[i].cell, 0);
            if (!isfinite(centre))
                return head_bad_number(maps[FCOS_CENTRES].name, hits.items[i].cell,
                                       error);
            hits.items[i].value =
                head_sigmoid(hits.items[i].value) * head_sigmoid(centre);
        }
        if (!code)
            head_hits_keep_top(&hits, (size_t)options->top);
        for (size_t i = 0; i < hits.count && !code; i++)
            code = fcos_box(options, options->strides.items[level], maps, &hits.items[i],
                            threshold, found, error);
    }
    return code;
}

/* ---- NanoDet ---- */

/* The tensors of a level of the first version: (batch, cells, classes) and (batch, cells,
 * 4 * bins). */
static bool nanodet_level(const struct head_input *input,
                          const struct head_options *options, size_t level,
                          const struct head_tensor **scores,
                          const struct head_tensor **distances)
{
    static const char *const SCORES[] = {"cls", "class", "score", NULL};
    double stride = options->strides.items[level];
    int64_t cells =
        (int64_t)head_cells(input->width, stride) * head_cells(input->height, stride);
    *scores = *distances = NULL;
    for (size_t i = 0; i < input->output_count; i++) {
        const struct head_tensor *tensor = &input->outputs[i];
        if (tensor->rank != 3 || tensor->dims[1] != cells || tensor->dims[2] < 1)
            continue;
        bool is_distances =
            tensor->dims[2] == 4 * options->bins && !head_name_has(tensor, SCORES);
        const struct head_tensor **part = is_distances ? distances : scores;
        if (*part)
            return false;
        *part = tensor;
    }
    return *scores && *distances;
}

bool nanodet_recognises(const struct head_input *input,
                        const struct head_options *initial)
{
    struct head_options options = *initial;
    const struct head_tensor *scores, *distances;
    for (options.bins = 4; options.bins <= 32; options.bins++) {
        size_t level = 0;
        while (level < options.strides.count &&
               nanodet_level(input, &options, level, &scores, &distances))
            level++;
        if (level == options.strides.count)
            return input->output_count == 2 * level;
    }
    return false;
}

/* Bins by the shapes, where the options leave them open: the outputs that are not named
 * for scores all have 4 times as many. */
static int64_t nanodet_bins(const struct head_input *input,
                            const struct head_options *options)
{
    struct head_options trial = *options;
    const struct head_tensor *scores, *distances;
    if (options->bins > 0)
        return options->bins;
    for (trial.bins = 4; trial.bins <= 32; trial.bins++)
        if (nanodet_level(input, &trial, 0, &scores, &distances))
            return trial.bins;
    return 8;
}

/* NanoDetHead.get_bboxes of nanodet/model/head/nanodet_head.py (version 1), whose priors
 * are the middles of cells: get_single_level_center_point of gfl_head.py. */
enum error_code nanodet_decode(const struct head_input *input,
                               const struct head_options *options, float threshold,
                               struct arena *scratch, struct detections *found,
                               struct error *error)
{
    struct head_options own = *options;
    own.bins = nanodet_bins(input, options);
    if (input->output_count != 2 * own.strides.count)
        return error_set(
            error, ERROR_CONFIG,
            "the model has %zu outputs, not the %zu of a NanoDet of %zu strides",
            input->output_count, 2 * own.strides.count, own.strides.count);
    enum error_code code = OK;
    for (size_t i = 0; i < own.strides.count && !code; i++) {
        const struct head_tensor *scores, *distances;
        if (!nanodet_level(input, &own, i, &scores, &distances))
            return head_wrong_shape(&input->outputs[i],
                                    "(batch, cells of a level, classes | 4 * bins)",
                                    error);
        struct spread_level level = {.distances = head_map_rows(input, distances),
                                     .scores = head_map_rows(input, scores),
                                     .stride = (float)own.strides.items[i],
                                     .center = (float)own.center,
                                     .width =
                                         head_cells(input->width, own.strides.items[i]),
                                     .is_clamped = true};
        code = decode_spread(&level, input, &own, threshold, scratch, found, error);
    }
    return code;
}

bool nanodet_plus_recognises(const struct head_input *input,
                             const struct head_options *initial)
{
    const struct head_tensor *tensor = &input->outputs[0];
    return input->output_count == 1 && tensor->rank == 3 &&
           is_places(tensor->dims[1], initial, input) &&
           tensor->dims[2] > 4 * initial->bins;
}

/* NanoDetPlusHead.get_bboxes of nanodet/model/head/nanodet_plus_head.py: one tensor (batch,
 * cells of all levels, classes + 4 * bins), priors at the corners of cells. */
enum error_code nanodet_plus_decode(const struct head_input *input,
                                    const struct head_options *options, float threshold,
                                    struct arena *scratch, struct detections *found,
                                    struct error *error)
{
    if (!nanodet_plus_recognises(input, options))
        return head_wrong_shape(&input->outputs[0],
                                "(batch, cells of all levels, classes + 4 * bins)",
                                error);
    struct head_map all = head_map_rows(input, &input->outputs[0]);
    size_t edges = EDGES * (size_t)options->bins, before = 0;
    enum error_code code = OK;
    for (size_t i = 0; i < options->strides.count && !code; i++) {
        double stride = options->strides.items[i];
        struct head_map map = all;
        uint32_t width = head_cells(input->width, stride);
        map.values += before * all.channels;
        map.cells = (size_t)width * head_cells(input->height, stride);
        before += map.cells;
        struct spread_level level = {
            .distances = head_map_slice(&map, map.channels - edges, edges),
            .scores = head_map_slice(&map, 0, map.channels - edges),
            .stride = (float)stride,
            .center = (float)options->center,
            .width = width,
            .is_clamped = true};
        code = decode_spread(&level, input, options, threshold, scratch, found, error);
    }
    return code;
}
