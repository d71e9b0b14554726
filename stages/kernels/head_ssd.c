/* head_ssd.c - boxes as differences from priors, or decoded by the model itself
 *
 * "SSD" (Liu et al. 2015), section 2.2; vision/utils/box_utils.py of the ultraface project
 * (Ultra-Light-Fast-Generic-Face-Detector-1MB): generate_priors,
 * convert_locations_to_boxes, center_form_to_corner_form. Class 0 is the background. */
#include "core/arena.h"
#include "stages/kernels/head_parts.h"

/* Scores (batch, priors, classes) and boxes (batch, priors, 4). Of two outputs of four
 * numbers the one named for it has the scores. */
static bool find_pair(const struct head_input *input, const struct head_tensor **scores,
                      const struct head_tensor **boxes)
{
    static const char *const SCORES[] = {"score", "conf", "cls", "class", NULL};
    if (input->output_count != 2)
        return false;
    const struct head_tensor *a = &input->outputs[0], *b = &input->outputs[1];
    if (a->rank != 3 || b->rank != 3 || a->dims[1] != b->dims[1] || a->dims[1] < 1)
        return false;
    bool is_swapped = b->dims[2] != 4 || (a->dims[2] == 4 && head_name_has(b, SCORES));
    *scores = is_swapped ? b : a;
    *boxes = is_swapped ? a : b;
    return (*boxes)->dims[2] == 4 && (*scores)->dims[2] >= 2;
}

bool ssd_corners_recognises(const struct head_input *input,
                            const struct head_options *initial)
{
    const struct head_tensor *scores, *boxes;
    (void)initial; /* faces: background and one class, already decoded */
    return find_pair(input, &scores, &boxes) && scores->dims[2] == 2;
}

/* The priors in the order of generate_priors: levels, rows, columns, sizes; relative to the
 * input, between 0 and 1. */
struct prior {
    float x, y, w, h;
};

static float clamp(double value)
{
    return value < 0 ? 0 : value > 1 ? 1 : (float)value;
}

static size_t count_priors(const struct head_input *input,
                           const struct head_options *options)
{
    size_t count = 0;
    for (size_t i = 0; i < options->strides.count; i++)
        count += (size_t)options->counts.items[i] *
                 head_cells(input->width, options->strides.items[i]) *
                 head_cells(input->height, options->strides.items[i]);
    return count;
}

static struct prior prior_of(const struct head_input *input,
                             const struct head_options *options, size_t number)
{
    size_t first_size = 0, level = 0;
    double width = input->width, height = input->height;
    for (;; level++) {
        size_t sizes = (size_t)options->counts.items[level];
        size_t columns = head_cells(input->width, options->strides.items[level]);
        size_t rows = head_cells(input->height, options->strides.items[level]);
        if (number < sizes * columns * rows) {
            double stride = options->strides.items[level];
            size_t cell = number / sizes;
            double side = options->sizes.items[first_size + number % sizes];
            double x = ((double)head_column(cell, columns) + 0.5) * stride / width;
            double y = ((double)head_row(cell, columns) + 0.5) * stride / height;
            return (struct prior){clamp(x), clamp(y), clamp(side / width),
                                  clamp(side / height)};
        }
        number -= sizes * columns * rows;
        first_size += sizes;
    }
}

/* boxes: corners, relative to the input. */
static void add_corners(const struct head_input *input, const float *corners,
                        struct detection *box)
{
    float width = (float)input->width, height = (float)input->height;
    box->x1 = corners[0] * width;
    box->y1 = corners[1] * height;
    box->x2 = corners[2] * width;
    box->y2 = corners[3] * height;
}

static void apply_prior(const struct head_input *input,
                        const struct head_options *options, const float *location,
                        size_t number, struct detection *box)
{
    struct prior prior = prior_of(input, options, number);
    float of_centres = (float)options->variances.items[0];
    float of_sizes = (float)options->variances.items[1];
    float x = location[0] * of_centres * prior.w + prior.x;
    float y = location[1] * of_centres * prior.h + prior.y;
    float w = head_exp(location[2] * of_sizes) * prior.w;
    float h = head_exp(location[3] * of_sizes) * prior.h;
    float corners[] = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    add_corners(input, corners, box);
}

/* Logits to chances, one softmax a prior; false: one is infinite or none. */
static bool soften(const float *logits, size_t classes, float *chances)
{
    float most = -INFINITY;
    for (size_t i = 0; i < classes; i++) {
        if (!isfinite(logits[i]))
            return false;
        most = logits[i] > most ? logits[i] : most;
    }
    double sum = 0;
    for (size_t i = 0; i < classes; i++)
        sum += exact_exp((double)logits[i] - most);
    for (size_t i = 0; i < classes; i++)
        chances[i] = (float)(exact_exp((double)logits[i] - most) / sum);
    return true;
}

/* scores becomes chances where it has logits. */
static enum error_code soften_all(struct head_map *scores, struct arena *scratch,
                                  struct error *error)
{
    size_t classes = scores->channels;
    float *chances = ARENA_RAW(scratch, float, scores->cells *classes);
    if (!chances)
        return error_set(error, ERROR_MEMORY, "no memory for the model's scores");
    for (size_t i = 0; i < scores->cells; i++)
        if (!soften(scores->values + i * classes, classes, chances + i * classes))
            return head_bad_number(scores->name, i, error);
    scores->values = chances;
    return OK;
}

static enum error_code decode_pair(const struct head_input *input,
                                   const struct head_options *options, bool has_corners,
                                   float threshold, struct arena *scratch,
                                   struct detections *found, struct error *error)
{
    const struct head_tensor *scores, *boxes;
    struct head_options plain = *options;
    struct head_hits hits;
    plain.activation = HEAD_PROBABILITIES;
    if (!find_pair(input, &scores, &boxes))
        return head_wrong_shape(&input->outputs[0],
                                "(batch, priors, classes) beside (batch, priors, 4)",
                                error);
    if (!has_corners && count_priors(input, options) != (size_t)boxes->dims[1])
        return error_set(
            error, ERROR_CONFIG,
            "output \"%s\" of the model has %lld boxes, but strides, sizes and "
            "counts make %zu priors of an input of %u by %u pixels",
            boxes->name, (long long)boxes->dims[1], count_priors(input, options),
            input->width, input->height);
    struct head_map map = head_map_rows(input, scores),
                    edges = head_map_rows(input, boxes);
    enum error_code code = OK;
    if (options->activation == HEAD_LOGITS)
        code = soften_all(&map, scratch, error);
    struct head_map things = head_map_slice(&map, 1, map.channels - 1);
    if (!code)
        code = head_hits_select(&things, &plain, threshold, scratch, &hits, error);
    if (code)
        return code;
    for (size_t i = 0; i < hits.count && !code; i++) {
        const struct head_hit *hit = &hits.items[i];
        const float *location = edges.values + 4 * (size_t)hit->cell;
        struct detection box = {.score = hit->value, .class = (float)hit->class};
        for (unsigned k = 0; k < 4; k++)
            if (!isfinite(location[k]))
                return head_bad_number(edges.name, hit->cell, error);
        if (has_corners)
            add_corners(input, location, &box);
        else
            apply_prior(input, options, location, hit->cell, &box);
        code = head_add(found, &edges, hit->cell, &box, error);
    }
    return code;
}

enum error_code ssd_corners_decode(const struct head_input *input,
                                   const struct head_options *options, float threshold,
                                   struct arena *scratch, struct detections *found,
                                   struct error *error)
{
    return decode_pair(input, options, true, threshold, scratch, found, error);
}

enum error_code ssd_decode(const struct head_input *input,
                           const struct head_options *options, float threshold,
                           struct arena *scratch, struct detections *found,
                           struct error *error)
{
    return decode_pair(input, options, false, threshold, scratch, found, error);
}
