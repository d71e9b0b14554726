/* draw.c - stage: pictures with the boxes of a column drawn on them */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "stages/image_stage.h"
#include "stages/kernels/box.h"
#include "stages/kernels/class_names.h"
#include "stages/kernels/paint.h"
#include "stages/picture_column.h"

enum { KEPT = 64 << 20, LABEL_MAX = CLASS_NAME_MAX + 16, POINT_NUMBERS = 10 };

struct options {
    struct image_common common;
    const char *boxes, *landmarks, *classes, *into;
    double min_score;
    int64_t width;
    struct picture_options made;
    bool labels;
};

struct state {
    struct image_rules rules;
    struct class_names *names;  /* owned */
    struct bytes room, painted; /* owned: of one picture */
    struct picture_column made; /* owned */
    const struct batch *in;     /* of the call */
};

static const struct option_spec option_table[] = {
    IMAGE_COMMON_OPTIONS,
    {.name = "boxes",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, boxes),
     .initial = "boxes",
     .help = "Column of the boxes, list<box>"},
    {.name = "landmarks",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, landmarks),
     .initial = "landmarks",
     .help = "Column of five points a box, list<f32>, drawn where it is there"},
    {.name = "classes",
     .type = OPTION_PATH,
     .offset = offsetof(struct options, classes),
     .initial = "",
     .help = "File with the names of the classes, one a line, class 0 first; else their "
             "numbers"},
    {.name = "labels",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, labels),
     .initial = "true",
     .help = "Write class and score at each box"},
    {.name = "min_score",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, min_score),
     .initial = "0",
     .min = 0,
     .max = 1e9,
     .help = "Boxes of lower scores are not drawn"},
    {.name = "width",
     .type = OPTION_INT,
     .offset = offsetof(struct options, width),
     .initial = "0",
     .min = 0,
     .max = 1000,
     .help = "Of the lines, in pixels; 0: as suits the picture"},
    PICTURE_OPTIONS(struct options, made, "jpeg"),
    {.name = "into",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, into),
     .initial = "drawn",
     .help = "Column that is added, or replaced"},
    OPTION_END};

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    enum error_code code =
        image_stage_plan(&options->common, schema, place, "draw", error);
    if (code == OK)
        code = image_stage_need_boxes(options->boxes, schema, place, "draw", error);
    if (code != OK)
        return code;
    const struct schema_field *points = schema_find(schema, options->landmarks);
    if (points && points->type != COLUMN_LIST_F32)
        return error_set_at(error, stage_option_position(place, "landmarks"),
                            "stage draw needs column \"%s\" to be list<f32>",
                            options->landmarks);
    if (strcmp(options->into, "key") == 0 || options->into[0] == 0)
        return error_set_at(error, stage_option_position(place, "into"),
                            "\"into\" must be the name of a column other than key");
    return schema_put(schema, options->into, picture_output_type(options->made.output), 0,
                      error);
}

static enum error_code open_draw(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    state->rules = image_stage_rules(&options->common);
    state->made = (struct picture_column){.options = options->made};
    return class_names_open(options->classes, &state->names, error);
}

static void close_draw(struct stage *self)
{
    struct state *state = self->state;
    class_names_close(state->names);
    bytes_clear(&state->room);
    bytes_clear(&state->painted);
    picture_column_clear(&state->made);
}

/* ---- painting ---- */

/* A line as thick as the 400th part of the picture, a letter's dot as two thirds of that. */
static int64_t line_width(const struct options *options, const struct canvas *canvas)
{
    uint32_t side = canvas->width > canvas->height ? canvas->width : canvas->height;
    if (options->width > 0)
        return options->width;
    return side < 800 ? 2 : side / 400;
}

/* Above the box, or inside where there is no room. */
static void paint_label(struct canvas *canvas, const struct state *state,
                        const struct box *box, int64_t line, struct colour colour)
{
    char label[LABEL_MAX], name[CLASS_NAME_MAX];
    size_t named = class_names_put(state->names, (uint32_t)box->class, name);
    int size =
        snprintf(label, sizeof label, "%.*s %.2f", (int)named, name, (double)box->score);
    int64_t scale = (2 * line + 2) / 3, high = PAINT_FIELD_HEIGHT * scale;
    int64_t x = (int64_t)floorf(box->x1), y = (int64_t)floorf(box->y1);
    int64_t wide =
        ((int64_t)paint_text_fields(label, (size_t)size) * PAINT_FIELD_WIDTH + 1) * scale;
    if (x + wide > canvas->width)
        x = canvas->width - wide;
    paint_text(canvas, x < 0 ? 0 : x,
               y >= high ? y - high
               : y < 0   ? 0
                         : y,
               scale, label, (size_t)size, paint_contrast(colour), colour);
}

static void paint_box(struct canvas *canvas, const struct options *options,
                      const struct state *state, const struct box *box,
                      const float *points)
{
    int64_t line = line_width(options, canvas);
    struct colour colour = paint_class_colour((uint32_t)box->class);
    bool is_seen = box->x2 > 0 && box->y2 > 0 && box->x1 < (float)canvas->width &&
                   box->y1 < (float)canvas->height;
    if (!is_seen)
        return;
    paint_outline(canvas, (int64_t)floorf(box->x1), (int64_t)floorf(box->y1),
                  (int64_t)ceilf(box->x2), (int64_t)ceilf(box->y2), line, colour);
    if (options->labels)
        paint_label(canvas, state, box, line, colour);
    for (size_t i = 0; points && i < POINT_NUMBERS; i += 2)
        if (fabsf(points[i]) < BOX_NUMBER_MAX && fabsf(points[i + 1]) < BOX_NUMBER_MAX)
            paint_disc(canvas, (int64_t)floorf(points[i]), (int64_t)floorf(points[i + 1]),
                       line, (struct colour){255, 255, 0});
}

/* The boxes of a record: the best is drawn last, over the others. */
static enum error_code paint_boxes(const struct options *options,
                                   const struct state *state, uint32_t row,
                                   struct canvas *canvas, struct image_fault *fault)
{
    const struct column *column = batch_column(state->in, options->boxes);
    const struct column *marks = batch_column(state->in, options->landmarks);
    if (!column || !column_is_valid(column, row))
        return OK;
    const struct box *boxes = column_row(column, row);
    size_t count = (size_t)column_row_length(column, row);
    const float *points = NULL;
    if (marks && column_is_valid(marks, row) &&
        column_row_length(marks, row) == POINT_NUMBERS * (uint64_t)count)
        points = column_row(marks, row);
    size_t bad = box_find_bad(boxes, count, fault->detail, sizeof fault->detail);
    if (bad < count) {
        fault->reason = "bad_box";
        return ERROR_RECORD;
    }
    for (size_t i = count; i-- > 0;) {
        struct box box = box_upright(&boxes[i]);
        if ((double)box.score >= options->min_score && box.class >= 0)
            paint_box(canvas, options, state, &box,
                      points ? points + POINT_NUMBERS * i : NULL);
    }
    return OK;
}

static enum error_code draw_picture(struct stage *self, const struct column *column,
                                    uint32_t row, struct image_fault *fault)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    struct picture picture;
    enum error_code code = image_stage_picture(column, row, &state->rules, 0, 0,
                                               &state->room, &picture, fault);
    size_t size = code == OK ? (size_t)picture.width * picture.height * 3 : 0;
    unsigned char *pixels = bytes_reserve(&state->painted, size + 1);
    if (code == OK && !pixels)
        code = ERROR_MEMORY;
    if (code == OK) {
        struct canvas canvas = {pixels, picture.width, picture.height};
        memcpy(pixels, picture.pixels, size);
        code = paint_boxes(options, state, row, &canvas, fault);
    }
    if (code == OK)
        code = picture_column_put(&state->made, pixels, picture.width, picture.height,
                                  fault);
    if (code != OK)
        picture_column_put_none(&state->made);
    return code;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    struct column made;
    state->in = in;
    picture_column_reset(&state->made);
    enum error_code code =
        image_stage_visit(self, in, output, &options->common, draw_picture, error);
    if (code == OK)
        code = picture_column_finish(&state->made, options->into,
                                     stage_output_arena(output), &made, error);
    if (state->room.capacity > KEPT)
        bytes_clear(&state->room);
    if (state->painted.capacity > KEPT)
        bytes_clear(&state->painted);
    return code == OK ? stage_output_set(output, &made, error) : code;
}

const struct stage_type stage_draw = {
    .name = "draw",
    .summary = "Draw boxes, their classes and scores on pictures",
    .description =
        "Adds a picture, upright, with the boxes of a column drawn on it: outlines in a "
        "colour for each class, the class's name and the score above each, and five "
        "points "
        "of each box where a column has them. Boxes that stand out of the picture are "
        "drawn as far as they are in it. Letters are those of ASCII; others are a small "
        "box. A record whose picture cannot be decoded, or that has a box with an edge, "
        "a "
        "score or a class that is no number, is quarantined with its reason.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = (const struct stage_column[]){{"data", COLUMN_BYTES, true},
                                             {"boxes", COLUMN_LIST_BOX, true},
                                             {"drawn", COLUMN_BYTES, false},
                                             {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_draw,
    .process = process,
    .close = close_draw};
