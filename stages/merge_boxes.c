/* merge_boxes.c - the stage that makes one box of the many of an object */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/column_builder.h"
#include "core/stage.h"
#include "stages/kernels/box_merge.h"

struct merge_boxes_options {
    struct text_list columns;
    struct real_list weights;
    int method, metric, decay, fusion; /* the enumerations of box_merge.h */
    double threshold, sigma, min_score;
    bool is_class_agnostic, keeps_unmerged, allows_overflow;
};

struct merge_boxes_state {
    struct arena *work;          /* owned: for one record */
    struct column_builder boxes; /* owned */
};

enum { KEPT_MAX = 16 << 20 /* of a buffer, from batch to batch */, WORK_BLOCK = 1 << 20 };

static const char *const method_choices[] = {
    [BOX_NMS] = "nms",   [BOX_SOFT_NMS] = "soft_nms",     [BOX_NMM] = "nmm",
    [BOX_NMW] = "nmw",   [BOX_GREEDY_NMM] = "greedy_nmm", [BOX_WBF] = "wbf",
    [BOX_METHODS] = NULL};
static const char *const metric_choices[] = {[BOX_IOU] = "iou", [BOX_IOS] = "ios", NULL};
static const char *const decay_choices[] = {
    [BOX_GAUSSIAN] = "gaussian", [BOX_LINEAR] = "linear", NULL};
static const char *const fusion_choices[] = {[BOX_FUSE_AVERAGE] = "average",
                                             [BOX_FUSE_MAX] = "max",
                                             [BOX_FUSE_BOX_AND_MODEL] = "box_and_model",
                                             [BOX_FUSE_ABSENT_MODEL] = "absent_model",
                                             NULL};

#define FIELD(name) .offset = offsetof(struct merge_boxes_options, name)

static const struct option_spec options[] = {
    {.name = "method",
     .type = OPTION_CHOICE,
     FIELD(method),
     .initial = "nms",
     .choices = method_choices,
     .help =
         "nms: the best box suppresses what it matches; soft_nms: it takes score from "
         "it; greedy_nmm: it grows by it; nmm: and by what that matches; nmw, wbf: "
         "averages of what matches, around the best or around the average itself"},
    {.name = "metric",
     .type = OPTION_CHOICE,
     FIELD(metric),
     .initial = "iou",
     .choices = metric_choices,
     .help = "iou: the area in common by the area of both together; ios: by the area of "
             "the smaller one, for parts of objects that tiles have cut"},
    {.name = "threshold",
     .type = OPTION_REAL,
     FIELD(threshold),
     .initial = "0.5",
     .min = 0,
     .max = 1,
     .help = "What overlaps so far matches: at least so far for nms, nmm and greedy_nmm, "
             "farther for the others"},
    {.name = "class_agnostic",
     .type = OPTION_BOOL,
     FIELD(is_class_agnostic),
     .initial = "false",
     .help = "Boxes of different classes match, too"},
    {.name = "columns",
     .type = OPTION_TEXT_LIST,
     FIELD(columns),
     .initial = "",
     .help = "Columns, list<box>, whose boxes are taken together, such as one of each "
             "model; boxes if left out"},
    {.name = "weights",
     .type = OPTION_REAL_LIST,
     FIELD(weights),
     .initial = "",
     .help = "nmw, wbf: what a model's scores count, for each of the columns; 1 if left "
             "out"},
    {.name = "min_score",
     .type = OPTION_REAL,
     FIELD(min_score),
     .initial = "-1",
     .min = -1,
     .max = 1e30,
     .help =
         "Boxes of a lower score are left out beforehand, and by soft_nms those whose "
         "score sinks so far; -1 for 0.001 with soft_nms, and no bound else"},
    {.name = "decay",
     .type = OPTION_CHOICE,
     FIELD(decay),
     .initial = "gaussian",
     .choices = decay_choices,
     .help = "soft_nms: gaussian: score * exp(-overlap^2 / sigma), whatever the "
             "threshold; linear: score * (1 - overlap) of what matches"},
    {.name = "sigma",
     .type = OPTION_REAL,
     FIELD(sigma),
     .initial = "0.5",
     .min = 1e-6,
     .max = 1e6,
     .help = "soft_nms: how wide the gaussian is"},
    {.name = "fusion",
     .type = OPTION_CHOICE,
     FIELD(fusion),
     .initial = "average",
     .choices = fusion_choices,
     .help = "wbf: the score of a fused box, lower the fewer of the columns have it, but "
             "for max; the last two are box_and_model_avg and absent_model_aware_avg of "
             "ensemble_boxes"},
    {.name = "allow_overflow",
     .type = OPTION_BOOL,
     FIELD(allows_overflow),
     .initial = "false",
     .help = "wbf, average: several boxes of one column count as if of several, so that "
             "scores may be above 1"},
    {.name = "keep_unmerged",
     .type = OPTION_BOOL,
     FIELD(keeps_unmerged),
     .initial = "false",
     .help = "nmm, greedy_nmm: keep boxes that match the best box but not what it has "
             "grown to; SAHI loses them"},
    OPTION_END};

static const struct stage_column columns[] = {
    {.name = "boxes", .type = COLUMN_LIST_BOX, .is_input = true},
    {.name = "boxes", .type = COLUMN_LIST_BOX},
    {.name = NULL}};

static size_t column_count(const struct merge_boxes_options *settings)
{
    return settings->columns.count ? settings->columns.count : 1;
}

static const char *column_name(const struct merge_boxes_options *settings, size_t i)
{
    return settings->columns.count ? settings->columns.items[i] : "boxes";
}

/* ---- plan ---- */

static enum error_code check_weights(const struct merge_boxes_options *settings,
                                     const struct stage_place *place, struct error *error)
{
    const struct real_list *weights = &settings->weights;
    struct source_position where = stage_option_position(place, "weights");
    if (weights->count == 0)
        return OK;
    if (settings->method != BOX_NMW && settings->method != BOX_WBF)
        return error_set_at(error, where,
                            "stage merge_boxes: weights are for method: nmw and wbf, not "
                            "%s",
                            method_choices[settings->method]);
    if (weights->count != column_count(settings))
        return error_set_at(error, where,
                            "stage merge_boxes: %zu weights for %zu columns",
                            weights->count, column_count(settings));
    for (size_t i = 0; i < weights->count; i++)
        if (!(weights->items[i] > 0 && weights->items[i] < 1e6))
            return error_set_at(error, where,
                                "stage merge_boxes: a weight must be above 0 and below "
                                "1e6, not %g",
                                weights->items[i]);
    return OK;
}

static enum error_code merge_boxes_plan(const void *given, struct schema *schema,
                                        const struct stage_place *place,
                                        struct error *error)
{
    const struct merge_boxes_options *settings = given;
    struct source_position where =
        settings->columns.count ? stage_option_position(place, "columns") : place->stage;
    if (column_count(settings) > BOX_MODELS_MAX)
        return error_set_at(error, where, "stage merge_boxes: more than %d columns",
                            (int)BOX_MODELS_MAX);
    for (size_t i = 0; i < column_count(settings); i++) {
        const char *name = column_name(settings, i);
        const struct schema_field *field = schema_find(schema, name);
        if (!field || field->type != COLUMN_LIST_BOX)
            return error_set_at(error, where,
                                field ? "stage merge_boxes needs column \"%s\" to be "
                                        "list<box>"
                                      : "stage merge_boxes needs column \"%s\", which "
                                        "nothing before it makes",
                                name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, column_name(settings, k)) == 0)
                return error_set_at(error, where,
                                    "stage merge_boxes: column \"%s\" is named twice",
                                    name);
    }
    enum error_code code = check_weights(settings, place, error);
    return code == OK ? schema_put(schema, "boxes", COLUMN_LIST_BOX, 0, error) : code;
}

/* ---- running ---- */

static enum error_code merge_boxes_open(struct stage *self, struct error *error)
{
    struct merge_boxes_state *state = self->state;
    state->boxes = (struct column_builder){.name = "boxes", .type = COLUMN_LIST_BOX};
    state->work = arena_create(WORK_BLOCK, 0);
    return state->work ? OK : error_set(error, ERROR_MEMORY, "no memory to merge boxes");
}

static void merge_boxes_close(struct stage *self)
{
    struct merge_boxes_state *state = self->state;
    arena_destroy(state->work);
    column_builder_clear(&state->boxes);
}

static struct box_rule rule_of(const struct merge_boxes_options *settings)
{
    double min_score = settings->min_score;
    if (min_score < 0)
        min_score = settings->method == BOX_SOFT_NMS ? 0.001 : -INFINITY;
    return (struct box_rule){.method = (enum box_method)settings->method,
                             .metric = (enum box_metric)settings->metric,
                             .threshold = settings->threshold,
                             .is_class_agnostic = settings->is_class_agnostic,
                             .min_score = min_score,
                             .keeps_unmerged = settings->keeps_unmerged,
                             .decay = (enum box_decay)settings->decay,
                             .sigma = settings->sigma,
                             .fusion = (enum box_fusion)settings->fusion,
                             .allows_overflow = settings->allows_overflow,
                             .weights =
                                 settings->weights.count ? settings->weights.items : NULL,
                             .model_count = (uint32_t)column_count(settings)};
}

/* The boxes of a record, of all its columns. */
struct gathered {
    struct box *boxes;
    uint32_t *models;
    size_t count;
    bool has_any; /* else there is no value in any column */
};

static size_t count_boxes(const struct merge_boxes_options *settings,
                          const struct batch *in, uint32_t row)
{
    size_t count = 0;
    for (size_t i = 0; i < column_count(settings); i++) {
        const struct column *column = batch_column(in, column_name(settings, i));
        if (column_is_valid(column, row))
            count += (size_t)column_row_length(column, row);
    }
    return count;
}

/* False: no memory. */
static bool gather(const struct merge_boxes_options *settings, const struct batch *in,
                   uint32_t row, struct arena *arena, struct gathered *all)
{
    size_t count = count_boxes(settings, in, row);
    *all = (struct gathered){.boxes = ARENA_RAW(arena, struct box, count),
                             .models = ARENA_RAW(arena, uint32_t, count)};
    if (!all->boxes || !all->models)
        return false;
    for (size_t i = 0; i < column_count(settings); i++) {
        const struct column *column = batch_column(in, column_name(settings, i));
        if (!column_is_valid(column, row))
            continue;
        size_t here = (size_t)column_row_length(column, row);
        if (here > 0)
            memcpy(all->boxes + all->count, column_row(column, row),
                   here * sizeof *all->boxes);
        for (size_t k = 0; k < here; k++)
            all->models[all->count + k] = (uint32_t)i;
        all->count += here;
        all->has_any = true;
    }
    return true;
}

/* Boxes are numbered within their column there. */
static void reject(const struct merge_boxes_options *settings, const struct gathered *all,
                   size_t bad, struct stage_output *output, uint32_t row)
{
    char text[160], detail[260];
    size_t begin = bad;
    while (begin > 0 && all->models[begin - 1] == all->models[bad])
        begin--;
    (void)box_find_bad(all->boxes + bad, 1, text, sizeof text);
    (void)snprintf(detail, sizeof detail, "column \"%.30s\", box %zu: %s",
                   column_name(settings, all->models[bad]), bad - begin, text);
    stage_output_reject(output, row, "bad_box", detail);
}

static enum error_code merge_row(struct stage *self, const struct batch *in, uint32_t row,
                                 struct stage_output *output, struct error *error)
{
    const struct merge_boxes_options *settings = self->options;
    struct merge_boxes_state *state = self->state;
    struct box_rule rule = rule_of(settings);
    struct gathered all;
    arena_reset(state->work);
    if (!gather(settings, in, row, state->work, &all))
        return error_set(error, ERROR_MEMORY, "no memory to merge the boxes of a record");
    if (!all.has_any) {
        column_builder_put_null(&state->boxes);
        return OK;
    }
    size_t merged = 0, bad = box_find_bad(all.boxes, all.count, NULL, 0);
    if (bad < all.count) {
        reject(settings, &all, bad, output, row);
        column_builder_put_null(&state->boxes);
        return OK;
    }
    struct box *room =
        (void *)column_builder_begin_row(&state->boxes, all.count * sizeof(struct box));
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for %zu boxes", all.count);
    enum error_code code = box_merge(&rule, all.boxes, all.models, all.count, state->work,
                                     room, &merged, error);
    if (code == OK)
        column_builder_end_row(&state->boxes, merged * sizeof(struct box));
    return code;
}

static enum error_code merge_boxes_process(struct stage *self, const struct batch *in,
                                           struct stage_output *output,
                                           struct error *error)
{
    const struct merge_boxes_options *settings = self->options;
    struct merge_boxes_state *state = self->state;
    enum error_code code = OK;
    for (size_t i = 0; i < column_count(settings); i++) {
        const struct column *column = batch_column(in, column_name(settings, i));
        if (!column || column->type != COLUMN_LIST_BOX)
            return error_set(error, ERROR_FATAL, "no column \"%s\" of boxes to merge",
                             column_name(settings, i));
    }
    column_builder_reset(&state->boxes);
    for (uint32_t row = 0; code == OK && row < in->count; row++)
        code = merge_row(self, in, row, output, error);
    arena_reset(state->work);
    if (code != OK)
        return code;
    const struct column *column =
        column_builder_finish(&state->boxes, stage_output_arena(output));
    if (state->boxes.data.capacity > KEPT_MAX)
        column_builder_clear(&state->boxes);
    if (!column)
        return error_set(error, ERROR_MEMORY, "no memory for boxes");
    return stage_output_set(output, column, error);
}

const struct stage_type stage_merge_boxes = {
    .name = "merge_boxes",
    .summary = "Merge the boxes that detectors found of one object",
    .description =
        "Replaces the column boxes, or adds it, with what the boxes of each record are "
        "merged to: the best first, those of equal scores by x1, y1, x2 and y2. nms, nmm "
        "and greedy_nmm do what SAHI does, soft_nms, nmw and wbf what ensemble_boxes "
        "does, on boxes of any unit; the latter three leave out boxes without an area, "
        "as that does. Time grows with the boxes that overlap, and no limit of time "
        "loses any. A record with a box that has an edge, a score or a class that is no "
        "number is refused; one without boxes in any column gets none (null).",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = columns,
    .options = options,
    .options_size = sizeof(struct merge_boxes_options),
    .state_size = sizeof(struct merge_boxes_state),
    .plan = merge_boxes_plan,
    .open = merge_boxes_open,
    .process = merge_boxes_process,
    .close = merge_boxes_close,
};
