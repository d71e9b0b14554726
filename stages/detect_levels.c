/* detect_levels.c - at which scales detect looks at a picture, and at which of its tiles */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "stages/detect_parts.h"

/* A scale of a picture, by its number in the options. */
struct scale {
    double factor;
    uint32_t number;
};

/* ---- scales ---- */

static bool has_tiles(const struct detect_options *options)
{
    return options->tile.width > 0 || options->tile.automatic ||
           options->scales.count > 0 || options->pyramid.factor > 0;
}

/* Those of a picture, the finest last if there is a focus. Returns how many. */
static size_t list_scales(const struct detect_options *options, uint32_t width,
                          uint32_t height, struct scale scales[SCALES_MAX])
{
    size_t count = 0;
    double shorter = width < height ? width : height;
    if (options->pyramid.factor > 0)
        for (double scale = options->pyramid.from;
             count < SCALES_MAX &&
             (count == 0 || shorter * scale >= (double)options->pyramid.smallest);
             scale *= options->pyramid.factor, count++)
            scales[count] = (struct scale){scale, (uint32_t)count};
    else if (options->scales.count > 0)
        for (; count < options->scales.count; count++)
            scales[count] = (struct scale){options->scales.items[count], (uint32_t)count};
    else if (has_tiles(options))
        scales[count++] = (struct scale){1, 0};
    for (size_t i = 1; options->focus.threshold > 0 && i < count; i++)
        for (size_t k = i; k > 0 && scales[k].factor < scales[k - 1].factor; k--) {
            struct scale moved = scales[k];
            scales[k] = scales[k - 1];
            scales[k - 1] = moved;
        }
    return count;
}

uint32_t detect_passes(const struct detect_options *options)
{
    struct scale scales[SCALES_MAX];
    if (options->focus.threshold <= 0)
        return 1;
    if (options->pyramid.factor > 0)
        return SCALES_MAX; /* pictures differ; those that have no more scales are done */
    size_t count = list_scales(options, 1, 1, scales);
    return count > 0 ? (uint32_t)count : 1;
}

/* ---- tiles that are wanted ---- */

/* Along one side: where tile `i` begins. */
static uint32_t tile_place(uint32_t i, uint32_t step, uint32_t tile, uint32_t side)
{
    uint64_t place = (uint64_t)i * step;
    uint32_t last = side > tile ? side - tile : 0;
    return place < last ? (uint32_t)place : last;
}

static uint32_t tile_number(uint32_t place, uint32_t step)
{
    return (uint32_t)(((uint64_t)place + step - 1) / step);
}

/* The tile along one side that has [from, to) the farthest inside. */
static uint32_t best_tile(double from, double to, uint32_t step, uint32_t tile,
                          uint32_t side)
{
    uint32_t last = side > tile ? tile_number(side - tile, step) : 0, best = 0;
    double middle = ((from + to - tile) / 2) / step, most = -INFINITY;
    int64_t near = middle > 0 ? (int64_t)(middle + 0.5) : 0;
    for (int64_t i = near - 1; i <= near + 1; i++) {
        if (i < 0 || i > last)
            continue;
        double begin = tile_place((uint32_t)i, step, tile, side), end = begin + tile;
        double before = begin > 0 ? from - begin : INFINITY;
        double behind = end < side ? end - to : INFINITY;
        double inside = before < behind ? before : behind;
        if (inside > most) {
            most = inside;
            best = (uint32_t)i;
        }
    }
    return most > -INFINITY ? best : last;
}

static bool is_set(const unsigned char *bits, size_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static void want_tile(const struct view_level *view, struct detect_level *level,
                      const struct detect_options *options, const struct box *region,
                      double scale_x, double scale_y)
{
    double margin_x = (region->x2 - region->x1) * options->focus.margin;
    double margin_y = (region->y2 - region->y1) * options->focus.margin;
    uint32_t x =
        best_tile((region->x1 - margin_x) * scale_x, (region->x2 + margin_x) * scale_x,
                  level->step_x, view->rule.width, view->width);
    uint32_t y =
        best_tile((region->y1 - margin_y) * scale_y, (region->y2 + margin_y) * scale_y,
                  level->step_y, view->rule.height, view->height);
    size_t number = (size_t)y * level->columns + x;
    level->wanted[number / 8] |= (unsigned char)(1U << (number % 8));
}

/* Mark the tiles that the regions of the record lie in. */
static enum error_code mark_tiles(const struct detect_options *options,
                                  const struct detect_state *state, uint32_t record,
                                  uint32_t width, uint32_t height,
                                  const struct view_level *view,
                                  struct detect_level *level, struct arena *arena,
                                  struct error *error)
{
    uint32_t down =
        view->height > view->rule.height ? view->height - view->rule.height : 0;
    size_t rows = (size_t)tile_number(down, level->step_y) + 1;
    level->wanted = ARENA_NEW(arena, unsigned char, rows * level->columns / 8 + 1);
    if (!level->wanted)
        return error_set(error, ERROR_MEMORY, "no memory for the tiles of a picture");
    for (size_t i = 0; i < state->region_count; i++)
        if (state->regions[i].record == record)
            want_tile(view, level, options, &state->regions[i].box,
                      (double)view->width / width, (double)view->height / height);
    return OK;
}

bool detect_level_wants(const struct detect_level *level, const struct tile *tile)
{
    if (!level->wanted)
        return true;
    return is_set(level->wanted,
                  (size_t)tile_number(tile->y1, level->step_y) * level->columns +
                      tile_number(tile->x1, level->step_x));
}

/* ---- levels ---- */

/* Half to even would do as well; half up is what people expect. */
static bool scaled_side(uint32_t side, double scale, uint32_t *scaled)
{
    double value = floor(side * scale + 0.5);
    *scaled = value < 1 ? 1 : (uint32_t)(value < FIT_SIDE_MAX ? value : FIT_SIDE_MAX);
    return value <= FIT_SIDE_MAX;
}

static void set_rule(const struct detect_options *options,
                     const struct detect_state *state, struct view_level *view)
{
    const struct tile_options *tile = &options->tile;
    const struct fit_rule *fit = detector_fit_rule(state->detector);
    if (tile->automatic)
        tile_rule_choose(view->width, view->height, &view->rule);
    else
        (void)tile_rule_set(tile->width > 0 ? (uint32_t)tile->width : fit->width,
                            tile->height > 0 ? (uint32_t)tile->height : fit->height,
                            tile->overlap, tile->overlap, &view->rule);
}

/* A tile that is all of the picture may overlap wholly. */
static uint32_t step_of(uint32_t side, uint32_t overlap)
{
    return side > overlap ? side - overlap : 1;
}

static enum error_code refuse_size(const struct scale *scale, struct image_fault *fault)
{
    fault->reason = "too_many_pixels";
    (void)snprintf(fault->detail, sizeof fault->detail,
                   "at scale %g a side of it has more than %d pixels", scale->factor,
                   (int)FIT_SIDE_MAX);
    return ERROR_RECORD;
}

/* The whole picture in the size of the input. */
static enum error_code add_whole(const struct detect_state *state, uint32_t width,
                                 uint32_t height, struct view_level *view,
                                 struct detect_level *level, struct error *error)
{
    *level = (struct detect_level){.scale = SCALE_WHOLE};
    enum error_code code =
        fit_plan(detector_fit_rule(state->detector), width, height, &level->fit, error);
    *view = (struct view_level){
        .width = level->fit.inner_width,
        .height = level->fit.inner_height,
        .rule = {.width = level->fit.inner_width, .height = level->fit.inner_height}};
    return code;
}

/* Does one tile of a level show all of the picture, no coarser than the whole would? */
static bool shows_whole(const struct view_level *views, size_t count,
                        const struct view_level *whole)
{
    for (size_t i = 0; i < count; i++)
        if (views[i].width <= views[i].rule.width &&
            views[i].height <= views[i].rule.height && views[i].width >= whole->width)
            return true;
    return false;
}

enum error_code detect_levels(const struct detect_options *options,
                              const struct detect_state *state, uint32_t record,
                              uint32_t width, uint32_t height, struct view_level *views,
                              struct detect_level *levels, size_t *count,
                              struct arena *arena, struct image_fault *fault,
                              struct error *error)
{
    struct scale scales[SCALES_MAX];
    size_t scale_count = list_scales(options, width, height, scales);
    bool has_focus = options->focus.threshold > 0;
    enum error_code code = OK;
    *count = 0;
    for (size_t i = 0; code == OK && i < scale_count; i++) {
        if (has_focus && i != state->pass)
            continue;
        struct view_level *view = &views[*count];
        struct detect_level *level = &levels[*count];
        *level = (struct detect_level){.scale = scales[i].number};
        if (!scaled_side(width, scales[i].factor, &view->width) ||
            !scaled_side(height, scales[i].factor, &view->height))
            return refuse_size(&scales[i], fault);
        set_rule(options, state, view);
        level->step_x = step_of(view->rule.width, view->rule.overlap_x);
        level->step_y = step_of(view->rule.height, view->rule.overlap_y);
        uint32_t across =
            view->width > view->rule.width ? view->width - view->rule.width : 0;
        level->columns = tile_number(across, level->step_x) + 1;
        if (state->pass > 0)
            code = mark_tiles(options, state, record, width, height, view, level, arena,
                              error);
        ++*count;
    }
    if (code == OK && options->full_image && state->pass == 0) {
        code = add_whole(state, width, height, &views[*count], &levels[*count], error);
        if (!shows_whole(views, *count, &views[*count]))
            ++*count;
    }
    return code;
}
