/* head_parts.c - what the decoders of head.h share */
#include "stages/kernels/head_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/score_scan.h"

/* ---- tensors as maps ---- */

struct head_map head_map_rows(const struct head_input *input,
                              const struct head_tensor *tensor)
{
    size_t cells = (size_t)tensor->dims[1], channels = (size_t)tensor->dims[2];
    return (struct head_map){.name = tensor->name,
                             .values = tensor->values + input->item * cells * channels,
                             .cells = cells,
                             .channels = channels,
                             .cell_step = channels,
                             .channel_step = 1};
}

struct head_map head_map_columns(const struct head_input *input,
                                 const struct head_tensor *tensor)
{
    size_t cells = (size_t)tensor->dims[2], channels = (size_t)tensor->dims[1];
    return (struct head_map){.name = tensor->name,
                             .values = tensor->values + input->item * cells * channels,
                             .cells = cells,
                             .channels = channels,
                             .cell_step = 1,
                             .channel_step = cells};
}

struct head_map head_map_image(const struct head_input *input,
                               const struct head_tensor *tensor, bool channels_last)
{
    size_t height = (size_t)tensor->dims[channels_last ? 1 : 2];
    size_t width = (size_t)tensor->dims[channels_last ? 2 : 3];
    size_t channels = (size_t)tensor->dims[channels_last ? 3 : 1], cells = height * width;
    return (struct head_map){.name = tensor->name,
                             .values = tensor->values + input->item * cells * channels,
                             .cells = cells,
                             .channels = channels,
                             .cell_step = channels_last ? channels : 1,
                             .channel_step = channels_last ? 1 : cells,
                             .width = (uint32_t)width,
                             .height = (uint32_t)height};
}

struct head_map head_map_slice(const struct head_map *map, size_t first, size_t count)
{
    struct head_map slice = *map;
    slice.values += first * map->channel_step;
    slice.channels = count;
    return slice;
}

size_t head_level_of(const struct head_options *options, const struct head_input *input,
                     uint32_t width, uint32_t height)
{
    size_t i = 0;
    for (; i < options->strides.count; i++)
        if (head_cells(input->width, options->strides.items[i]) == width &&
            head_cells(input->height, options->strides.items[i]) == height)
            break;
    return i;
}

size_t head_places(const struct head_options *options, const struct head_input *input)
{
    size_t places = 0;
    for (size_t i = 0; i < options->strides.count; i++)
        places += (size_t)head_cells(input->width, options->strides.items[i]) *
                  head_cells(input->height, options->strides.items[i]);
    return places;
}

bool head_name_has(const struct head_tensor *tensor, const char *const *words)
{
    for (; tensor->name && *words; words++)
        if (strstr(tensor->name, *words))
            return true;
    return false;
}

/* ---- errors ---- */

enum error_code head_bad_number(const char *output, size_t cell, struct error *error)
{
    return error_set(
        error, ERROR_RECORD,
        "output \"%s\" of the model: a number of place %zu is infinite or none", output,
        cell);
}

enum error_code head_wrong_shape(const struct head_tensor *tensor, const char *wanted,
                                 struct error *error)
{
    char shape[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < tensor->rank && i < HEAD_RANK_MAX; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%lld",
                                 i ? ", " : "", (long long)tensor->dims[i]);
    return error_set(
        error, ERROR_CONFIG,
        "output \"%s\" of the model has the shape (%s), not %s; name the family "
        "that the model is of",
        tensor->name, shape, wanted);
}

/* ---- hits ---- */

/* The arena has no realloc; doubled, all that is left behind is as much as is used. */
static void *grow(struct arena *arena, const void *items, size_t count, size_t size,
                  size_t *capacity)
{
    size_t more = *capacity ? 2 * *capacity : 64;
    void *grown = arena_alloc_raw(arena, more, size, _Alignof(max_align_t));
    if (grown) {
        if (count)
            memcpy(grown, items, count * size);
        *capacity = more;
    }
    return grown;
}

static enum error_code add_hit(struct head_hits *hits, const struct head_map *map,
                               size_t cell, size_t channel, struct arena *scratch,
                               struct error *error)
{
    float value = head_map_at(map, cell, channel);
    if (!isfinite(value))
        return head_bad_number(map->name, cell, error);
    if (hits->count == hits->capacity) {
        struct head_hit *grown =
            grow(scratch, hits->items, hits->count, sizeof *hits->items, &hits->capacity);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for the model's boxes");
        hits->items = grown;
    }
    hits->items[hits->count++] =
        (struct head_hit){(uint32_t)cell, (uint32_t)channel, value};
    return OK;
}

/* One run of values that lie together: of one cell, of one channel, or of all. */
static enum error_code scan_run(score_scanner *scan, const struct head_map *map,
                                size_t first_cell, size_t first_channel, size_t count,
                                float bound, struct arena *scratch,
                                struct head_hits *hits, struct error *error)
{
    uint32_t places[SCORE_SCAN_BLOCK];
    const float *run =
        map->values + first_cell * map->cell_step + first_channel * map->channel_step;
    for (size_t at = 0; at < count; at += SCORE_SCAN_BLOCK) {
        size_t size = count - at < SCORE_SCAN_BLOCK ? count - at : SCORE_SCAN_BLOCK;
        size_t found = scan(run + at, size, bound, places);
        for (size_t i = 0; i < found; i++) {
            size_t place = at + places[i];
            bool is_column = map->cell_step == 1;
            size_t cell = is_column ? place : first_cell + place / map->channels;
            size_t channel = is_column ? first_channel : place % map->channels;
            enum error_code code = add_hit(hits, map, cell, channel, scratch, error);
            if (code)
                return code;
        }
    }
    return OK;
}

static int by_place(const void *left, const void *right)
{
    const struct head_hit *a = left, *b = right;
    if (a->cell != b->cell)
        return a->cell < b->cell ? -1 : 1;
    return (a->class > b->class) - (a->class < b->class);
}

static enum error_code scan_steps(const struct head_map *map, float bound,
                                  struct arena *scratch, struct head_hits *hits,
                                  struct error *error)
{
    for (size_t cell = 0; cell < map->cells; cell++)
        for (size_t channel = 0; channel < map->channels; channel++)
            if (!(head_map_at(map, cell, channel) <= bound)) {
                enum error_code code = add_hit(hits, map, cell, channel, scratch, error);
                if (code)
                    return code;
            }
    return OK;
}

enum error_code head_hits_find(const struct head_map *map, float bound,
                               struct arena *scratch, struct head_hits *hits,
                               struct error *error)
{
    struct score_scan scans[SCORE_SCANS_MAX];
    (void)score_scan_list(scans);
    *hits = (struct head_hits){0};
    if (map->cell_step == 1) {
        for (size_t channel = 0; channel < map->channels; channel++) {
            enum error_code code = scan_run(scans[0].scan, map, 0, channel, map->cells,
                                            bound, scratch, hits, error);
            if (code)
                return code;
        }
        if (map->channels > 1 && hits->count > 1)
            qsort(hits->items, hits->count, sizeof *hits->items, by_place);
        return OK;
    }
    if (map->channel_step == 1 && map->cell_step == map->channels)
        return scan_run(scans[0].scan, map, 0, 0, map->cells * map->channels, bound,
                        scratch, hits, error);
    if (map->channel_step == 1 && map->channels >= 32) {
        enum error_code code = OK;
        for (size_t cell = 0; cell < map->cells && !code; cell++)
            code = scan_run(scans[0].scan, map, cell, 0, map->channels, bound, scratch,
                            hits, error);
        return code;
    }
    return scan_steps(map, bound, scratch, hits, error);
}

void head_hits_keep_best(struct head_hits *hits)
{
    size_t kept = 0;
    for (size_t i = 0; i < hits->count; i++) {
        const struct head_hit *hit = &hits->items[i];
        if (kept && hits->items[kept - 1].cell == hit->cell) {
            if (hit->value > hits->items[kept - 1].value)
                hits->items[kept - 1] = *hit;
        } else {
            hits->items[kept++] = *hit;
        }
    }
    hits->count = kept;
}

static int by_value(const void *left, const void *right)
{
    const struct head_hit *a = left, *b = right;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return by_place(left, right);
}

void head_hits_keep_top(struct head_hits *hits, size_t top)
{
    if (top == 0 || hits->count <= top)
        return;
    qsort(hits->items, hits->count, sizeof *hits->items, by_value);
    hits->count = top;
    qsort(hits->items, hits->count, sizeof *hits->items, by_place);
}

enum error_code head_hits_select(const struct head_map *map,
                                 const struct head_options *options, float threshold,
                                 struct arena *scratch, struct head_hits *hits,
                                 struct error *error)
{
    bool is_logit = options->activation == HEAD_LOGITS;
    enum error_code code = head_hits_find(
        map, is_logit ? head_logit_bound(threshold) : threshold, scratch, hits, error);
    if (code)
        return code;
    size_t kept = 0;
    for (size_t i = 0; i < hits->count; i++)
        if (head_score(options, hits->items[i].value) > threshold)
            hits->items[kept++] = hits->items[i];
    hits->count = kept;
    if (options->classes == HEAD_BEST_CLASS)
        head_hits_keep_best(hits);
    return OK;
}

float head_score(const struct head_options *options, float value)
{
    return options->activation == HEAD_LOGITS ? head_sigmoid(value) : value;
}

float head_logit_bound(float threshold)
{
    if (threshold <= 0)
        return -INFINITY;
    if (threshold >= 1)
        return INFINITY;
    /* The sigmoid rounds to float: near 1 many logits have one. */
    double probability = threshold - 1e-7 > 0 ? threshold - 1e-7 : threshold * 0.5;
    return (float)exact_log(probability / (1 - probability)) - 0.01F;
}

/* ---- boxes ---- */

enum error_code head_add(struct detections *found, const struct head_map *map,
                         size_t cell, const struct detection *box, struct error *error)
{
    const float edge_max = 1e9F; /* beyond it areas do not fit a float */
    const float *edges[] = {&box->x1, &box->y1, &box->x2, &box->y2};
    for (unsigned i = 0; i < 4; i++)
        if (!(fabsf(*edges[i]) <= edge_max))
            return head_bad_number(map->name, cell, error);
    if (!(box->score >= 0 && box->score <= 1.001F))
        return error_set(error, ERROR_RECORD,
                         "output \"%s\" of the model: %g at place %zu is no probability; "
                         "if the model gives logits, say activation: logits",
                         map->name, (double)box->score, cell);
    if (found->count == found->capacity) {
        struct detection *grown = grow(found->arena, found->items, found->count,
                                       sizeof *found->items, &found->capacity);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for the model's boxes");
        found->items = grown;
    }
    found->items[found->count++] = *box;
    return OK;
}

float head_integral(const struct head_map *map, size_t cell, size_t first, size_t bins)
{
    float most = -INFINITY;
    for (size_t i = 0; i < bins; i++) {
        float value = head_map_at(map, cell, first + i);
        if (!isfinite(value))
            return NAN;
        if (value > most)
            most = value;
    }
    double sum = 0, weighted = 0;
    for (size_t i = 0; i < bins; i++) {
        double part = exact_exp((double)head_map_at(map, cell, first + i) - most);
        sum += part;
        weighted += part * (double)i;
    }
    return (float)(weighted / sum);
}
