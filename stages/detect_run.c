/* detect_run.c - detect's way through a batch: look at pictures, gather boxes, merge them */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "stages/detect_parts.h"

enum { BAND = 16, KEPT_MAX = 64 << 20 };

/* As parts of one object, by IOS. */
static const double FOCUS_OVERLAP = 0.4;

/* What is needed while a picture is gone through. */
struct look {
    struct stage *self;
    uint32_t record, width, height; /* of the upright original */
    struct view_level views[LEVELS_MAX];
    struct detect_level levels[LEVELS_MAX];
    size_t count;
    struct picture_source source;
    uint64_t needed; /* bytes for windows and resamplers */
};

static void reject(struct detect_state *state, uint32_t record, const char *reason,
                   const char *detail)
{
    if (!state->is_bad[record])
        stage_output_reject(state->output, record, reason, detail);
    state->is_bad[record] = 1;
}

/* ---- boxes of a view ---- */

static bool is_of_class(const struct detect_options *options, float class)
{
    for (size_t i = 0; i < options->classes.count; i++)
        if (options->classes.items[i] == (double)class)
            return true;
    return options->classes.count == 0;
}

/* Does the box count at the scale and the place where it was found? */
static bool counts(const struct detect_options *options, const struct detector_view *view,
                   const struct detection *found)
{
    const struct view_source *source = &view->source;
    struct box box = {found->x1, found->y1, found->x2, found->y2, 0, 0};
    if (source->scale == SCALE_WHOLE)
        return true;
    const double *range = options->valid_ranges.items + 2 * (size_t)source->scale;
    if (options->valid_ranges.count > 0 && !box_is_in_range(&box, range[0], range[1]))
        return false;
    if (options->border < 0)
        return true;
    box.x1 = (float)(box.x1 * view->place.scale_x);
    box.x2 = (float)(box.x2 * view->place.scale_x);
    box.y1 = (float)(box.y1 * view->place.scale_y);
    box.y2 = (float)(box.y2 * view->place.scale_y);
    return !box_is_cut(&box, &source->tile, source->width, source->height,
                       (float)options->border);
}

/* Something that may be a reason to look closer; in place of its class the side of a square
 * of its area in the network's input. */
static enum error_code put_region(struct detect_state *state,
                                  const struct detector_view *view,
                                  const struct detection *box, struct error *error)
{
    struct focus_region *grown = array_grow(state->next_regions, &state->next_capacity,
                                            state->next_count + 1, sizeof *grown);
    if (!grown)
        return error_set(error, ERROR_MEMORY, "no memory for regions to look at");
    double area = (double)(box->x2 - box->x1) * (double)(box->y2 - box->y1) *
                  view->place.scale_x * view->fit.scale_x * view->place.scale_y *
                  view->fit.scale_y;
    state->next_regions = grown;
    grown[state->next_count++] = (struct focus_region){
        .box = {box->x1, box->y1, box->x2, box->y2, box->score, (float)floor(sqrt(area))},
        .record = view->source.record};
    return OK;
}

static enum error_code put_found(struct detect_state *state, uint32_t record,
                                 const struct detection *box, struct error *error)
{
    struct found_box *grown = array_grow(state->found, &state->found_capacity,
                                         state->found_count + 1, sizeof *grown);
    if (!grown)
        return error_set(error, ERROR_MEMORY, "no memory for boxes");
    state->found = grown;
    grown[state->found_count++] = (struct found_box){*box, record};
    return OK;
}

static enum error_code take_boxes(void *context, const struct detector_view *view,
                                  const struct detection *boxes, size_t count,
                                  const struct error *fault, struct error *error)
{
    struct stage *self = context;
    struct detect_state *state = self->state;
    const struct detect_options *options = self->options;
    float threshold = detector_threshold(state->detector);
    uint32_t record = view->source.record;
    enum error_code code = OK;
    if (fault)
        reject(state, record, "bad_output", fault->text);
    for (size_t i = 0; code == OK && i < count; i++) {
        const struct detection *box = &boxes[i];
        if (!is_of_class(options, box->class))
            continue;
        if (state->pass + 1 < state->passes && box->score > options->focus.threshold)
            code = put_region(state, view, box, error);
        if (code == OK && box->score > threshold && counts(options, view, box))
            code = put_found(state, record, box, error);
    }
    return code;
}

/* ---- a picture ---- */

static enum error_code show_view(void *context, const struct view *shown,
                                 struct error *error)
{
    struct look *look = context;
    struct detect_state *state = look->self->state;
    const struct detect_options *options = look->self->options;
    const struct detect_level *level = &look->levels[shown->level];
    const struct view_level *size = &look->views[shown->level];
    if (!detect_level_wants(level, &shown->tile))
        return OK;
    float threshold = detector_threshold(state->detector);
    bool has_more = state->pass + 1 < state->passes;
    struct detector_view view = {
        .pixels = shown->pixels,
        .stride = shown->stride,
        .width = shown->tile.x2 - shown->tile.x1,
        .height = shown->tile.y2 - shown->tile.y1,
        .fit = level->fit,
        .place = {.scale_x = 1,
                  .scale_y = 1,
                  .width = look->width,
                  .height = look->height},
        .threshold = has_more && options->focus.threshold < (double)threshold
                         ? (float)options->focus.threshold
                         : threshold,
        .source = {look->record, level->scale, shown->tile, size->width, size->height}};
    enum error_code code = OK;
    if (level->scale != SCALE_WHOLE) {
        view.place.scale_x = (double)size->width / look->width;
        view.place.scale_y = (double)size->height / look->height;
        view.place.x = shown->tile.x1 / view.place.scale_x;
        view.place.y = shown->tile.y1 / view.place.scale_y;
        code = fit_plan(detector_fit_rule(state->detector), view.width, view.height,
                        &view.fit, error);
    }
    if (code != OK)
        return code;
    state->views[look->record]++;
    return detector_add(state->detector, &view, take_boxes, look->self, error);
}

/* The largest size that a level shows: a smaller decode will do if it is twice that. */
static void least_size(const struct look *look, bool drafts, uint32_t *width,
                       uint32_t *height)
{
    *width = *height = 0;
    for (size_t i = 0; drafts && i < look->count; i++) {
        uint32_t twice = 2 * look->views[i].width;
        *width = twice > *width ? twice : *width;
        twice = 2 * look->views[i].height;
        *height = twice > *height ? twice : *height;
    }
}

static enum error_code refuse_memory(const struct detect_state *state, uint64_t needed,
                                     struct image_fault *fault)
{
    fault->reason = "needs_memory";
    (void)snprintf(fault->detail, sizeof fault->detail,
                   "a row of tiles at each scale takes %llu MiB, memory is %llu MiB",
                   (unsigned long long)(needed >> 20) + 1,
                   (unsigned long long)(state->rules.memory >> 20));
    return ERROR_RECORD;
}

/* Rows as they are stored: the picture stands upright. */
static enum error_code push_rows(struct look *look, struct picture_views *views,
                                 struct image_fault *fault, struct error *error)
{
    struct detect_state *state = look->self->state;
    size_t stride = (size_t)look->source.shape.width * 3;
    uint32_t got = 1;
    bytes_reset(&state->band);
    unsigned char *band = bytes_reserve(&state->band, stride * BAND);
    enum error_code code =
        band ? OK : error_set(error, ERROR_MEMORY, "no memory for rows of a picture");
    while (code == OK && got > 0) {
        code = picture_source_rows(&look->source, band, BAND, &got, fault);
        if (code == OK)
            code = picture_views_push(views, band, stride, got, show_view, look, error);
    }
    return code == OK ? picture_source_finish(&look->source, fault) : code;
}

/* A picture that is stored otherwise is turned as a whole. */
static enum error_code push_turned(struct look *look, const struct column *column,
                                   const struct image_rules *rules, uint32_t least_width,
                                   uint32_t least_height, struct picture_views **views,
                                   const struct detect_options *options,
                                   struct image_fault *fault, struct error *error)
{
    struct detect_state *state = look->self->state;
    struct picture picture;
    enum error_code code = picture_decode(
        column_row(column, look->record), (size_t)column_row_length(column, look->record),
        rules, least_width, least_height, &state->picture, &picture, fault);
    if (code != OK)
        return code;
    *views = picture_views_create(picture.width, picture.height, look->views, look->count,
                                  (enum resample_filter)options->filter);
    if (!*views)
        return error_set(error, ERROR_MEMORY, "no memory for the scales of a picture");
    return picture_views_push(*views, picture.pixels, (size_t)picture.width * 3,
                              picture.height, show_view, look, error);
}

static enum error_code decode_and_show(struct look *look, const struct column *column,
                                       struct image_fault *fault, struct error *error)
{
    struct detect_state *state = look->self->state;
    const struct detect_options *options = look->self->options;
    struct image_rules rules = state->rules;
    struct picture_views *views = NULL;
    uint32_t least_width, least_height;
    enum resample_filter filter = (enum resample_filter)options->filter;
    uint64_t needed =
        picture_views_bytes(look->width, look->height, look->views, look->count, filter);
    if (needed >= rules.memory)
        return refuse_memory(state, needed, fault);
    rules.memory -= needed;
    least_size(look, options->draft, &least_width, &least_height);
    enum error_code code = picture_source_open(column, look->record, &rules, least_width,
                                               least_height, &look->source, fault);
    const struct image_shape *shape = &look->source.shape;
    if (code == OK && shape->orientation != 1) {
        code = push_turned(look, column, &rules, least_width, least_height, &views,
                           options, fault, error);
    } else if (code == OK) {
        views = picture_views_create(shape->width, shape->height, look->views,
                                     look->count, filter);
        code = views ? push_rows(look, views, fault, error)
                     : error_set(error, ERROR_MEMORY,
                                 "no memory for the scales of a picture");
    }
    picture_views_destroy(views);
    picture_source_close(&look->source);
    return code;
}

static enum error_code look_at(struct stage *self, const struct column *column,
                               uint32_t record, struct error *error)
{
    struct detect_state *state = self->state;
    const struct detect_options *options = self->options;
    struct look look = {.self = self, .record = record};
    struct image_fault fault = {0};
    arena_reset(state->work);
    enum error_code code =
        image_stage_measure(column, record, &look.width, &look.height, &fault);
    if (code == OK && (look.width == 0 || look.height == 0)) {
        fault.reason = "no_picture";
        code = ERROR_RECORD;
    }
    if (code == OK)
        code = detect_levels(options, state, record, look.width, look.height, look.views,
                             look.levels, &look.count, state->work, &fault, error);
    if (code == OK && look.count > 0)
        code = decode_and_show(&look, column, &fault, error);
    if (code != ERROR_RECORD || !fault.reason)
        return code == ERROR_MEMORY && error->code == OK
                   ? error_set(error, code, "no memory for a picture")
                   : code;
    reject(state, record, fault.reason, fault.detail);
    return OK;
}

/* ---- all pictures, pass by pass ---- */

/* Of the regions of a record, [begin, end), keep what its best boxes make of them: those that
 * are not seen clearly, or small. They move to `kept`. */
static enum error_code choose_regions(struct stage *self, size_t begin, size_t end,
                                      size_t *kept, struct error *error)
{
    struct detect_state *state = self->state;
    const struct detect_options *options = self->options;
    struct box_rule rule = {.method = BOX_NMS,
                            .metric = BOX_IOS,
                            .threshold = FOCUS_OVERLAP,
                            .is_class_agnostic = true,
                            .model_count = 1,
                            .min_score = -INFINITY};
    size_t count = end - begin, merged = 0;
    uint32_t record = state->regions[begin].record;
    arena_reset(state->work);
    struct box *boxes = ARENA_RAW(state->work, struct box, count);
    struct box *best = ARENA_RAW(state->work, struct box, count);
    if (!boxes || !best)
        return error_set(error, ERROR_MEMORY, "no memory for regions to look at");
    for (size_t i = 0; i < count; i++)
        boxes[i] = state->regions[begin + i].box;
    enum error_code code =
        box_merge(&rule, boxes, NULL, count, state->work, best, &merged, error);
    float threshold = detector_threshold(state->detector);
    for (size_t i = 0; code == OK && i < merged; i++)
        if (best[i].score <= threshold || best[i].class <= (float)options->focus.small)
            state->regions[(*kept)++] = (struct focus_region){best[i], record};
    return code;
}

static bool has_regions(const struct detect_state *state, uint32_t record)
{
    for (size_t i = 0; i < state->region_count; i++)
        if (state->regions[i].record == record)
            return true;
    return false;
}

/* What was found in this pass says where the next one looks. */
static enum error_code next_pass(struct stage *self, struct error *error)
{
    struct detect_state *state = self->state;
    struct focus_region *regions = state->regions;
    size_t capacity = state->region_capacity, kept = 0;
    state->regions = state->next_regions;
    state->region_count = state->next_count;
    state->region_capacity = state->next_capacity;
    state->next_regions = regions;
    state->next_capacity = capacity;
    state->next_count = 0;
    enum error_code code = OK;
    for (size_t i = 0, end; code == OK && i < state->region_count; i = end) {
        for (end = i + 1; end < state->region_count &&
                          state->regions[end].record == state->regions[i].record;)
            end++;
        code = choose_regions(self, i, end, &kept, error);
    }
    state->region_count = kept;
    return code;
}

static enum error_code look_at_all(struct stage *self, const struct batch *in,
                                   const struct column *column, struct error *error)
{
    struct detect_state *state = self->state;
    const struct detect_options *options = self->options;
    enum error_code code = OK;
    state->found_count = state->region_count = state->next_count = 0;
    state->passes = detect_passes(options);
    for (state->pass = 0; code == OK && state->pass < state->passes; state->pass++) {
        for (uint32_t row = 0; code == OK && row < in->count; row++)
            if (!state->is_bad[row] && (state->pass == 0 || has_regions(state, row)))
                code = look_at(self, column, row, error);
        if (code == OK)
            code = detector_flush(state->detector, take_boxes, self, error);
        if (code == OK)
            code = next_pass(self, error);
        if (state->region_count == 0)
            break;
    }
    if (code != OK)
        detector_drop(state->detector);
    return code;
}

/* ---- merging ---- */

static struct box_rule rule_of(const struct detect_options *options,
                               const struct detect_state *state)
{
    const struct merge_options *merge = &options->merge;
    double threshold = merge->threshold;
    enum box_method method = merge->method < MERGE_METHODS
                                 ? BOX_NMS
                                 : (enum box_method)(merge->method - MERGE_METHODS);
    if (threshold < 0)
        threshold = (double)detector_merge_threshold(state->detector);
    return (struct box_rule){
        .method = method,
        .metric = (enum box_metric)merge->metric,
        .threshold = threshold > 0 ? threshold : 0.5,
        .is_class_agnostic = merge->is_class_agnostic,
        .min_score = method == BOX_SOFT_NMS ? (double)detector_threshold(state->detector)
                                            : -INFINITY,
        .decay = BOX_GAUSSIAN,
        .sigma = merge->sigma,
        .model_count = 1};
}

/* One view, of a model whose boxes stand alone, needs no merging. */
static bool merges(const struct detect_options *options, const struct detect_state *state,
                   uint32_t record)
{
    if (options->merge.method != MERGE_AUTO)
        return options->merge.method != MERGE_NONE;
    return detector_merge_threshold(state->detector) > 0 || state->views[record] > 1;
}

/* The boxes of a record to `boxes` (found_count). */
static size_t gather(const struct detect_state *state, uint32_t record, struct box *boxes)
{
    size_t count = 0;
    for (size_t i = 0; i < state->found_count; i++) {
        const struct detection *from = &state->found[i].box;
        if (state->found[i].record == record)
            boxes[count++] = (struct box){from->x1, from->y1,    from->x2,
                                          from->y2, from->score, from->class};
    }
    return count;
}

static enum error_code finish_record(struct stage *self, uint32_t record,
                                     struct error *error)
{
    struct detect_state *state = self->state;
    const struct detect_options *options = self->options;
    if (state->is_bad[record]) {
        column_builder_put_null(&state->boxes);
        return OK;
    }
    arena_reset(state->work);
    struct box *boxes = ARENA_RAW(state->work, struct box, state->found_count + 1);
    if (!boxes)
        return error_set(error, ERROR_MEMORY, "no memory for boxes");
    size_t count = gather(state, record, boxes);
    struct box *room =
        (void *)column_builder_begin_row(&state->boxes, count * sizeof(struct box));
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for %zu boxes", count);
    enum error_code code = OK;
    if (merges(options, state, record)) {
        struct box_rule rule = rule_of(options, state);
        code = box_merge(&rule, boxes, NULL, count, state->work, room, &count, error);
    } else if (count > 0) {
        memcpy(room, boxes, count * sizeof *boxes);
    }
    if (options->max_boxes > 0 && count > (uint64_t)options->max_boxes)
        count = (size_t)options->max_boxes;
    if (code == OK)
        column_builder_end_row(&state->boxes, count * sizeof(struct box));
    return code;
}

static enum error_code deliver(struct detect_state *state, struct stage_output *output,
                               struct error *error)
{
    const struct column *boxes =
        column_builder_finish(&state->boxes, stage_output_arena(output));
    struct column views = {.name = "views", .type = COLUMN_I64, .data = state->views};
    if (state->boxes.data.capacity > KEPT_MAX)
        column_builder_clear(&state->boxes);
    if (state->picture.capacity > KEPT_MAX)
        bytes_clear(&state->picture);
    if (!boxes)
        return error_set(error, ERROR_MEMORY, "no memory for boxes");
    enum error_code code = stage_output_set(output, boxes, error);
    return code == OK ? stage_output_set(output, &views, error) : code;
}

enum error_code detect_process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    struct detect_state *state = self->state;
    const struct detect_options *options = self->options;
    const struct column *column = batch_column(in, options->common.column);
    if (!column)
        return error_set(error, ERROR_FATAL, "no column \"%s\"", options->common.column);
    state->output = output;
    state->views = ARENA_NEW(stage_output_arena(output), int64_t, (size_t)in->count + 1);
    state->is_bad = ARENA_NEW(self->scratch, unsigned char, (size_t)in->count + 1);
    if (!state->views || !state->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a batch of pictures");
    column_builder_reset(&state->boxes);
    enum error_code code = look_at_all(self, in, column, error);
    for (uint32_t row = 0; code == OK && row < in->count; row++)
        code = finish_record(self, row, error);
    return code == OK ? deliver(state, output, error) : code;
}
