/* crop.c - stage: the objects of pictures, each a record of its own */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "stages/image_stage.h"
#include "stages/kernels/box.h"
#include "stages/kernels/resample.h"
#include "stages/kernels/resize_plan.h"
#include "stages/picture_column.h"

enum { SIDE_MAX = 65535, KEPT = 64 << 20 };

struct options {
    struct image_common common;
    const char *boxes, *into;
    struct real_list classes;
    double margin, min_score;
    int64_t min_side, max_objects, width, height;
    int fit, filter;
    struct picture_options made;
    bool enlarge;
};

/* What the records that come out are made of. */
struct cut_object {
    struct box box;
    uint32_t row, number; /* of the record it comes from, and which of its boxes */
};

struct state {
    struct image_rules rules;
    struct bytes room, resized, framed; /* owned: of one picture, of one object */
    struct picture_column made;         /* owned */
    struct bytes objects;               /* owned: struct cut_object each */
    const struct batch *in;             /* of the call */
    struct stage_output *output;
};

static const char *const fits[] = {"inside", "cover", "pad", "stretch", NULL};
static const char *const filters[] = {"box",     "bilinear", "bicubic",
                                      "lanczos", "area",     NULL};

static const struct option_spec option_table[] = {
    IMAGE_COMMON_OPTIONS,
    {.name = "boxes",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, boxes),
     .initial = "boxes",
     .help = "Column of the boxes, list<box>"},
    {.name = "margin",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, margin),
     .initial = "0",
     .min = 0,
     .max = 10,
     .help = "What is cut out around a box, on each side, in its widths and heights"},
    {.name = "min_score",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, min_score),
     .initial = "0",
     .min = 0,
     .max = 1e9,
     .help = "Boxes of lower scores are left out"},
    {.name = "min_side",
     .type = OPTION_INT,
     .offset = offsetof(struct options, min_side),
     .initial = "1",
     .min = 1,
     .max = SIDE_MAX,
     .help = "So are objects with a side of fewer pixels"},
    {.name = "classes",
     .type = OPTION_REAL_LIST,
     .offset = offsetof(struct options, classes),
     .initial = "",
     .min = 0,
     .max = 1 << 24,
     .help = "Numbers of the classes that are wanted; all if left out"},
    {.name = "max_objects",
     .type = OPTION_INT,
     .offset = offsetof(struct options, max_objects),
     .initial = "0",
     .min = 0,
     .max = MADE_NUMBER_MAX,
     .help = "Of a picture, the first so many; 0: all"},
    {.name = "width",
     .type = OPTION_INT,
     .offset = offsetof(struct options, width),
     .initial = "0",
     .min = 0,
     .max = SIDE_MAX,
     .help = "Width wanted; 0 with height 0: as it is"},
    {.name = "height",
     .type = OPTION_INT,
     .offset = offsetof(struct options, height),
     .initial = "0",
     .min = 0,
     .max = SIDE_MAX,
     .help = "Height wanted"},
    {.name = "fit",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, fit),
     .initial = "inside",
     .choices = fits,
     .help = "How an object fits into width and height: see the stage resize"},
    {.name = "enlarge",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, enlarge),
     .initial = "true",
     .help = "Make small objects larger, too"},
    {.name = "filter",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, filter),
     .initial = "bilinear",
     .choices = filters,
     .help = "How pixels are weighed: see the stage resize"},
    PICTURE_OPTIONS(struct options, made, "jpeg"),
    {.name = "into",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, into),
     .initial = "data",
     .help = "Column of the objects' pictures"},
    OPTION_END};

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    static const char *const taken[] = {"key", "source", "box", "class", "score"};
    enum error_code code =
        image_stage_plan(&options->common, schema, place, "crop", error);
    if (code == OK)
        code = image_stage_need_boxes(options->boxes, schema, place, "crop", error);
    if (code != OK)
        return code;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(options->into, taken[i]) == 0 || options->into[0] == 0)
            return error_set_at(error, stage_option_position(place, "into"),
                                "\"into\" must be the name of a column other than key, "
                                "source, box, class and score");
    *schema = (struct schema){.fields = {schema->fields[0]}, .count = 1};
    code = schema_put(schema, options->into, picture_output_type(options->made.output), 0,
                      error);
    if (code == OK)
        code = schema_put(schema, "source", COLUMN_UTF8, 0, error);
    if (code == OK)
        code = schema_put(schema, "box", COLUMN_LIST_BOX, 0, error);
    if (code == OK)
        code = schema_put(schema, "class", COLUMN_I64, 0, error);
    return code == OK ? schema_put(schema, "score", COLUMN_F64, 0, error) : code;
}

static enum error_code open_crop(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    (void)error;
    state->rules = image_stage_rules(&options->common);
    state->made = (struct picture_column){.options = options->made};
    return OK;
}

static void close_crop(struct stage *self)
{
    struct state *state = self->state;
    bytes_clear(&state->room);
    bytes_clear(&state->resized);
    bytes_clear(&state->framed);
    bytes_clear(&state->objects);
    picture_column_clear(&state->made);
}

/* ---- objects ---- */

/* Columns [x, x + width), rows [y, y + height) of a picture. */
struct part {
    uint32_t x, y, width, height;
};

static uint32_t side_at(double value, uint32_t most)
{
    return value < 0 ? 0 : value > most ? most : (uint32_t)value;
}

/* The pixels that the box, widened by its margin, touches. False: too few. */
static bool find_part(const struct options *options, const struct box *box,
                      const struct picture *picture, struct part *part)
{
    double wide = (double)box->x2 - (double)box->x1,
           high = (double)box->y2 - (double)box->y1;
    double across = wide * options->margin, down = high * options->margin;
    uint32_t x1 = side_at(floor((double)box->x1 - across), picture->width);
    uint32_t y1 = side_at(floor((double)box->y1 - down), picture->height);
    uint32_t x2 = side_at(ceil((double)box->x2 + across), picture->width);
    uint32_t y2 = side_at(ceil((double)box->y2 + down), picture->height);
    if (x2 < x1 + options->min_side || y2 < y1 + options->min_side)
        return false;
    *part = (struct part){x1, y1, x2 - x1, y2 - y1};
    return true;
}

static bool is_wanted(const struct options *options, const struct box *box)
{
    bool is_of_class = options->classes.count == 0;
    for (size_t i = 0; i < options->classes.count; i++)
        is_of_class = is_of_class || options->classes.items[i] == (double)box->class;
    return is_of_class && (double)box->score >= options->min_score;
}

/* In the size wanted, not yet cut or padded. NULL: no memory. */
static const unsigned char *resize_part(struct state *state,
                                        const struct options *options,
                                        const struct picture *picture,
                                        const struct part *part,
                                        const struct resize_plan *planned)
{
    size_t row = (size_t)part->width * 3, stride = (size_t)picture->width * 3;
    const unsigned char *from = picture->pixels + part->y * stride + (size_t)part->x * 3;
    bool is_same = planned->width == part->width && planned->height == part->height;
    unsigned char *to =
        bytes_reserve(&state->resized, (size_t)planned->width * planned->height * 3);
    struct resampler *resampler =
        is_same
            ? NULL
            : resampler_create(part->width, part->height, planned->width, planned->height,
                               3, (enum resample_filter)options->filter);
    if (!to || (!resampler && !is_same))
        return NULL;
    for (uint32_t y = 0; y < part->height; y++, from += stride) {
        if (is_same)
            memcpy(to + y * row, from, row);
        else
            resampler_push(resampler, from);
        while (resampler && resampler_pull(resampler, to))
            to += (size_t)planned->width * 3;
    }
    resampler_destroy(resampler);
    return state->resized.data;
}

static enum error_code cut_object(struct state *state, const struct options *options,
                                  const struct picture *picture, const struct part *part,
                                  struct image_fault *fault)
{
    struct resize_wish wish = {.width = (uint32_t)options->width,
                               .height = (uint32_t)options->height,
                               .scale = options->width || options->height ? 0 : 1,
                               .fit = (enum resize_fit)options->fit,
                               .enlarges = options->enlarge};
    struct resize_plan planned = resize_plan_of(part->width, part->height, &wish);
    enum error_code code = resize_check_memory(&planned, state->rules.memory, fault);
    if (code != OK)
        return code;
    const unsigned char *resized = resize_part(state, options, picture, part, &planned);
    unsigned char *framed =
        bytes_reserve(&state->framed, (size_t)planned.out_width * planned.out_height * 3);
    if (!resized || !framed)
        return ERROR_MEMORY;
    resize_frame(&planned, resized, state->rules.background, framed);
    return picture_column_put(&state->made, framed, planned.out_width, planned.out_height,
                              fault);
}

/* However many boxes there are: each may be the whole picture. */
static enum error_code check_memory(const struct state *state, size_t taken,
                                    struct image_fault *fault)
{
    if (taken <= state->rules.memory)
        return OK;
    fault->reason = "needs_memory";
    (void)snprintf(fault->detail, sizeof fault->detail,
                   "the picture's objects take more than memory, %llu MiB: set "
                   "max_objects, or width and height, or more memory",
                   (unsigned long long)(state->rules.memory >> 20));
    return ERROR_RECORD;
}

static enum error_code cut_objects(struct state *state, const struct options *options,
                                   uint32_t row, const struct picture *picture,
                                   struct image_fault *fault)
{
    const struct column *column = batch_column(state->in, options->boxes);
    const struct box *boxes = column_row(column, row);
    size_t count = (size_t)column_row_length(column, row), cut = 0;
    size_t before = state->made.data.size;
    size_t bad = box_find_bad(boxes, count, fault->detail, sizeof fault->detail);
    if (bad < count) {
        fault->reason = "bad_box";
        return ERROR_RECORD;
    }
    for (size_t i = 0; i < count && i < MADE_NUMBER_MAX; i++) {
        struct part part;
        struct box upright = box_upright(&boxes[i]);
        if (!is_wanted(options, &upright) ||
            !find_part(options, &upright, picture, &part) ||
            (options->max_objects > 0 && cut == (uint64_t)options->max_objects))
            continue;
        enum error_code code = cut_object(state, options, picture, &part, fault);
        if (code == OK)
            code = check_memory(state, state->made.data.size - before, fault);
        if (code != OK)
            return code;
        struct cut_object object = {boxes[i], row, (uint32_t)i + 1};
        bytes_put(&state->objects, &object, sizeof object);
        cut++;
    }
    if (cut == 0)
        stage_output_drop(state->output, row, "no_object");
    return state->objects.is_bad ? ERROR_MEMORY : OK;
}

static enum error_code crop_picture(struct stage *self, const struct column *column,
                                    uint32_t row, struct image_fault *fault)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    const struct column *boxes = batch_column(state->in, options->boxes);
    struct picture picture;
    if (!boxes || !column_is_valid(boxes, row) || column_row_length(boxes, row) == 0) {
        stage_output_drop(state->output, row, "no_object");
        return OK;
    }
    size_t before = state->objects.size;
    enum error_code code = image_stage_picture(column, row, &state->rules, 0, 0,
                                               &state->room, &picture, fault);
    if (code == OK)
        code = cut_objects(state, options, row, &picture, fault);
    if (code == ERROR_RECORD) { /* none of its objects comes out */
        state->objects.size = before;
        picture_column_cut(&state->made, (uint32_t)(before / sizeof(struct cut_object)));
    }
    return code;
}

/* ---- records ---- */

static struct made_record record_of(const struct batch *in,
                                    const struct cut_object *object, bool is_first)
{
    const struct origin *origin = &in->origins[object->row];
    return (struct made_record){
        .origin = *origin,
        .key = column_row(in->columns[0], object->row),
        .key_size = (size_t)column_row_length(in->columns[0], object->row),
        .number = object->number,
        .size = is_first ? origin->size : 0};
}

static size_t source_bytes(const struct batch *in, const struct cut_object *objects,
                           uint32_t count)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += (size_t)column_row_length(in->columns[0], objects[i].row);
    return size;
}

static enum error_code emit(struct stage *self, struct stage_output *output,
                            struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    const struct batch *in = state->in;
    struct arena *arena = stage_output_arena(output);
    uint32_t count = (uint32_t)(state->objects.size / sizeof(struct cut_object));
    const struct cut_object *objects =
        (const struct cut_object *)(const void *)state->objects.data;
    struct made_record *records = ARENA_RAW(arena, struct made_record, (size_t)count + 1);
    uint64_t *box_ends = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    uint64_t *key_ends = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    struct box *boxes = ARENA_RAW(arena, struct box, (size_t)count + 1);
    int64_t *classes = ARENA_RAW(arena, int64_t, (size_t)count + 1);
    double *scores = ARENA_RAW(arena, double, (size_t)count + 1);
    char *keys = ARENA_RAW(arena, char, source_bytes(in, objects, count) + 1);
    if (!records || !box_ends || !key_ends || !boxes || !classes || !scores || !keys)
        return error_set(error, ERROR_MEMORY, "no memory for %u objects",
                         (unsigned)count);
    for (uint32_t i = 0; i < count; i++) {
        bool is_first = i == 0 || objects[i - 1].row != objects[i].row;
        records[i] = record_of(in, &objects[i], is_first);
        memcpy(keys + key_ends[i], records[i].key, records[i].key_size);
        key_ends[i + 1] = key_ends[i] + records[i].key_size;
        box_ends[i + 1] = i + 1;
        boxes[i] = objects[i].box;
        classes[i] = (int64_t)boxes[i].class;
        scores[i] = (double)boxes[i].score;
    }
    struct column columns[] = {
        {0},
        {.name = "source", .type = COLUMN_UTF8, .offsets = key_ends, .data = keys},
        {.name = "box", .type = COLUMN_LIST_BOX, .offsets = box_ends, .data = boxes},
        {.name = "class", .type = COLUMN_I64, .data = classes},
        {.name = "score", .type = COLUMN_F64, .data = scores}};
    enum error_code code =
        picture_column_finish(&state->made, options->into, arena, &columns[0], error);
    return code == OK ? stage_output_emit(output, records, count, columns,
                                          sizeof columns / sizeof *columns, error)
                      : code;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    state->in = in;
    state->output = output;
    bytes_reset(&state->objects);
    picture_column_reset(&state->made);
    enum error_code code =
        image_stage_visit(self, in, output, &options->common, crop_picture, error);
    struct bytes *large[] = {&state->room, &state->resized, &state->framed};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        if (large[i]->capacity > KEPT)
            bytes_clear(large[i]);
    return code == OK ? emit(self, output, error) : code;
}

const struct stage_type stage_crop = {
    .name = "crop",
    .summary = "Cut the objects of pictures out, each as a record of its own",
    .description =
        "Makes a record of each box: its picture (column data, or what into says), "
        "source "
        "(utf8, the key of the picture it comes from), box (list<box>, the one box, as "
        "it "
        "was), class (i64) and score (f64). Its key is that of the picture, a slash and "
        "the "
        "number of the box from 1. What stands out of the picture is cut off. A picture "
        "without a box that is wanted is dropped as no_object; one that cannot be "
        "decoded, "
        "or that has a box with an edge, a score or a class that is no number, is "
        "quarantined with its reason.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE,
    .columns = (const struct stage_column[]){{"data", COLUMN_BYTES, true},
                                             {"boxes", COLUMN_LIST_BOX, true},
                                             {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_crop,
    .process = process,
    .close = close_crop};
