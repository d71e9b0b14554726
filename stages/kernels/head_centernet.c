/* head_centernet.c - boxes around the peaks of a heat map
 *
 * "Objects as Points" (Zhou et al. 2019), section 3.1; ctdet_decode of CenterNet's
 * src/lib/models/decode.py. With distances to four edges: "Training-Time-Friendly Network"
 * (Liu et al. 2019), as Centernet.postprocess of mobilenetv3_centernet's
 * lib/core/model/centernet.py. */
#include "stages/kernels/head_parts.h"

struct centernet_maps {
    const struct head_tensor *heat, *sizes, *offsets, *edges;
    bool channels_last;
};

static bool has_size(const struct head_tensor *tensor, const struct head_input *input,
                     double stride, size_t first)
{
    return tensor->dims[first] == head_cells(input->height, stride) &&
           tensor->dims[first + 1] == head_cells(input->width, stride);
}

/* Outputs of two channels: those named for it are the offsets, else the second. */
static void assign_pair(struct centernet_maps *maps, const struct head_tensor *tensor)
{
    static const char *const OFFSETS[] = {"reg", "off", NULL};
    if (!maps->sizes && !head_name_has(tensor, OFFSETS)) {
        maps->sizes = tensor;
    } else if (!maps->offsets) {
        maps->offsets = tensor;
    } else if (!maps->sizes) {
        maps->sizes = maps->offsets;
        maps->offsets = tensor;
    }
}

static bool find_maps(const struct head_input *input, const struct head_options *options,
                      bool channels_last, struct centernet_maps *maps)
{
    static const char *const HEAT[] = {"heat", "hm", "keypoints", NULL};
    size_t size_at = channels_last ? 1 : 2, channel_at = channels_last ? 3 : 1;
    *maps = (struct centernet_maps){.channels_last = channels_last};
    for (size_t i = 0; i < input->output_count; i++) {
        const struct head_tensor *tensor = &input->outputs[i];
        if (tensor->rank != 4 ||
            !has_size(tensor, input, options->strides.items[0], size_at))
            return false;
        int64_t channels = tensor->dims[channel_at];
        bool is_heat = head_name_has(tensor, HEAT) || (channels != 2 && channels != 4);
        if (is_heat && !maps->heat && channels >= 1)
            maps->heat = tensor;
        else if (channels == 4 && !maps->edges)
            maps->edges = tensor;
        else if (channels == 2)
            assign_pair(maps, tensor);
        else
            return false;
    }
    size_t used = (size_t)(maps->heat != NULL) + (maps->sizes != NULL) +
                  (maps->offsets != NULL) + (maps->edges != NULL);
    return maps->heat && used == input->output_count &&
           (maps->edges != NULL) != (maps->sizes != NULL);
}

static bool find_either(const struct head_input *input,
                        const struct head_options *options, struct centernet_maps *maps)
{
    return find_maps(input, options, false, maps) ||
           find_maps(input, options, true, maps);
}

bool centernet_recognises(const struct head_input *input,
                          const struct head_options *initial)
{
    struct centernet_maps maps;
    return input->output_count >= 2 && input->output_count <= 3 &&
           find_either(input, initial, &maps);
}

/* Is the score the greatest of the nine around it? Equals all are: keep = (maxpool == heat).
 * Compared are the rounded scores, as there. -1: a number is none. */
static int is_peak(const struct head_map *heat, const struct head_options *options,
                   const struct head_hit *hit)
{
    uint32_t x = hit->cell % heat->width, y = hit->cell / heat->width;
    float score = head_score(options, hit->value);
    for (uint32_t row = y ? y - 1 : 0; row <= y + 1 && row < heat->height; row++)
        for (uint32_t column = x ? x - 1 : 0; column <= x + 1 && column < heat->width;
             column++) {
            float value =
                head_map_at(heat, (size_t)row * heat->width + column, hit->class);
            if (isnan(value))
                return -1;
            if (value > hit->value && head_score(options, value) > score)
                return 0;
        }
    return 1;
}

static enum error_code keep_peaks(const struct head_map *heat,
                                  const struct head_options *options,
                                  struct head_hits *hits, struct error *error)
{
    size_t kept = 0;
    for (size_t i = 0; i < hits->count; i++) {
        int verdict = is_peak(heat, options, &hits->items[i]);
        if (verdict < 0)
            return head_bad_number(heat->name, hits->items[i].cell, error);
        if (verdict)
            hits->items[kept++] = hits->items[i];
    }
    hits->count = kept;
    return OK;
}

/* Sizes and offsets are in cells, a cell without an offset is its middle; edges are in
 * pixels from the cell's first corner. */
static struct detection peak_box(const struct head_input *input,
                                 const struct centernet_maps *maps, uint32_t cell,
                                 uint32_t width, float stride)
{
    float x = head_column(cell, width), y = head_row(cell, width);
    if (maps->edges) {
        struct head_map edges = head_map_image(input, maps->edges, maps->channels_last);
        return (struct detection){x * stride - head_map_at(&edges, cell, 0),
                                  y * stride - head_map_at(&edges, cell, 1),
                                  x * stride + head_map_at(&edges, cell, 2),
                                  y * stride + head_map_at(&edges, cell, 3),
                                  0,
                                  0};
    }
    struct head_map sizes = head_map_image(input, maps->sizes, maps->channels_last);
    float w = head_map_at(&sizes, cell, 0), h = head_map_at(&sizes, cell, 1);
    if (maps->offsets) {
        struct head_map offsets =
            head_map_image(input, maps->offsets, maps->channels_last);
        x += head_map_at(&offsets, cell, 0);
        y += head_map_at(&offsets, cell, 1);
    } else {
        x += 0.5F;
        y += 0.5F;
    }
    return (struct detection){(x - w / 2) * stride,
                              (y - h / 2) * stride,
                              (x + w / 2) * stride,
                              (y + h / 2) * stride,
                              0,
                              0};
}

enum error_code centernet_decode(const struct head_input *input,
                                 const struct head_options *options, float threshold,
                                 struct arena *scratch, struct detections *found,
                                 struct error *error)
{
    struct centernet_maps maps;
    struct head_hits hits;
    if (!find_either(input, options, &maps))
        return head_wrong_shape(
            &input->outputs[0],
            "(batch, classes | 2 | 4, height / stride, width / stride) "
            "or the same with channels last",
            error);
    struct head_map heat = head_map_image(input, maps.heat, maps.channels_last);
    enum error_code code =
        head_hits_select(&heat, options, threshold, scratch, &hits, error);
    if (!code)
        code = keep_peaks(&heat, options, &hits, error);
    if (code)
        return code;
    for (size_t i = 0; i < hits.count; i++)
        hits.items[i].value = head_score(options, hits.items[i].value);
    head_hits_keep_top(&hits, (size_t)options->top);
    for (size_t i = 0; i < hits.count && !code; i++) {
        struct detection box = peak_box(input, &maps, hits.items[i].cell, heat.width,
                                        (float)options->strides.items[0]);
        box.score = hits.items[i].value;
        box.class = (float)hits.items[i].class;
        code = head_add(found, &heat, hits.items[i].cell, &box, error);
    }
    return code;
}
