/* thumbnail.c - small JPEG pictures with boxes on them */
#include "commands/thumbnail.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/batch.h"
#include "core/diagnostics.h"
#include "core/image_header.h"
#include "core/option.h"
#include "core/stage_output.h"
#include "core/yaml.h"
#include "stages/registry.h"

enum { ARENA_BLOCK = 1 << 18, BOX_FLOATS = 6, KEPT = 32 << 20 };
static const float edge_max = 1e6F; /* beyond any thumbnail */

/* What is done, one after the other; each reads the column that the one before made. */
enum step { STEP_SHRINK, STEP_DRAW, STEP_ENCODE, STEPS };
static const struct {
    const char *stage, *options;
} steps[STEPS] = {
    [STEP_SHRINK] =
        {"resize",
         "{column: data, width: 240, height: 240, enlarge: false, into: small}"},
    [STEP_DRAW] = {"draw", "{column: small, labels: false, width: 2, output: pixels, "
                           "into: drawn}"},
    [STEP_ENCODE] = {"resize",
                     "{column: drawn, scale: 1, output: jpeg, quality: 85, into: file}"},
};

struct thumbnail_maker {
    struct arena *run, *made, *scratch; /* owned; `made`: of one thumbnail */
    struct stage stages[STEPS];
    size_t opened;     /* stages whose open() was called */
    struct bytes room; /* owned */
};

/* ---- stages ---- */

static enum error_code open_step(struct thumbnail_maker *maker, size_t step,
                                 struct error *error)
{
    struct diagnostics found = {.arena = maker->run};
    const char *text = steps[step].options;
    struct source_position where = {"thumbnail", 1, 1};
    const struct stage_type *type = stage_find(steps[step].stage);
    const struct yaml_node *mapping =
        yaml_parse(text, strlen(text), where.file, maker->run, &found);
    void *options = type ? arena_alloc(maker->run, 1, type->options_size, 64) : NULL;
    void *state = type ? arena_alloc(maker->run, 1, type->state_size, 64) : NULL;
    if (!mapping || !options || !state ||
        !options_parse(type->options, mapping, options, type->name, where, "/",
                       maker->run, &found))
        return error_set(error, found.count ? ERROR_FATAL : ERROR_MEMORY,
                         "cannot make thumbnails: %s",
                         found.count ? found.items[0].text : "no memory");
    maker->stages[step] = (struct stage){.type = type,
                                         .options = options,
                                         .state = state,
                                         .run = maker->run,
                                         .shard = maker->run,
                                         .scratch = maker->scratch};
    maker->opened = step + 1;
    return type->open ? type->open(&maker->stages[step], error) : OK;
}

enum error_code thumbnail_maker_create(struct thumbnail_maker **maker,
                                       struct error *error)
{
    enum error_code code = OK;
    struct thumbnail_maker *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for thumbnails");
    made->run = arena_create(ARENA_BLOCK, 0);
    made->made = arena_create(ARENA_BLOCK, 0);
    made->scratch = arena_create(ARENA_BLOCK, 0);
    if (!made->run || !made->made || !made->scratch)
        code = error_set(error, ERROR_MEMORY, "no memory for thumbnails");
    for (size_t i = 0; code == OK && i < STEPS; i++)
        code = open_step(made, i, error);
    if (code == OK)
        *maker = made;
    else
        thumbnail_maker_destroy(made);
    return code;
}

void thumbnail_maker_destroy(struct thumbnail_maker *maker)
{
    if (!maker)
        return;
    for (size_t i = maker->opened; i-- > 0;)
        if (maker->stages[i].type->close)
            maker->stages[i].type->close(&maker->stages[i]);
    arena_destroy(maker->scratch);
    arena_destroy(maker->made);
    arena_destroy(maker->run);
    bytes_clear(&maker->room);
    free(maker);
}

struct bytes *thumbnail_maker_room(struct thumbnail_maker *maker)
{
    if (maker->room.capacity > KEPT)
        bytes_clear(&maker->room);
    bytes_reset(&maker->room);
    return &maker->room;
}

/* ---- batches of one record ---- */

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory for a thumbnail");
}

/* The columns are borrowed. NULL: no memory. */
static struct batch *make_batch(struct arena *arena, const struct column *picture,
                                const struct column *boxes)
{
    static const uint64_t no_text[2];
    static const struct column key = {
        .name = "key", .type = COLUMN_UTF8, .offsets = no_text, .data = ""};
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    const struct column **columns = ARENA_NEW(arena, const struct column *, 3);
    struct origin *origins = ARENA_NEW(arena, struct origin, 1);
    if (!batch || !columns || !origins)
        return NULL;
    columns[0] = &key;
    columns[1] = picture;
    columns[2] = boxes;
    *batch = (struct batch){.count = 1,
                            .column_count = boxes ? 3 : 2,
                            .origins = origins,
                            .columns = columns};
    return batch;
}

static struct column *make_column(struct arena *arena, const char *name,
                                  enum column_type type, const void *data, size_t count,
                                  const uint32_t *shape)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, 2);
    if (!column || !offsets)
        return NULL;
    offsets[1] = count;
    *column = (struct column){
        .name = name, .type = type, .offsets = offsets, .data = data, .shapes = shape};
    return column;
}

/* *made: the column of that name, NULL when the record is rejected. */
static enum error_code run_step(struct thumbnail_maker *maker, enum step step,
                                const struct batch *in, const char *name,
                                const struct column **made, struct thumbnail *thumbnail,
                                struct error *error)
{
    struct stage_output output;
    struct stage *stage = &maker->stages[step];
    *made = NULL;
    if (!in)
        return no_memory(error);
    enum error_code code = stage_output_begin(&output, in, maker->made, error);
    if (code == OK)
        code = stage->type->process(stage, in, &output, error);
    arena_reset(maker->scratch);
    if (code != OK)
        return code;
    if (output.gone > 0) {
        thumbnail->reason = output.verdicts[0].reason;
        thumbnail->detail = output.verdicts[0].detail;
        return OK;
    }
    for (uint32_t i = 0; i < output.column_count; i++)
        if (strcmp(output.columns[i]->name, name) == 0)
            *made = output.columns[i];
    return *made ? OK : error_set(error, ERROR_FATAL, "no column \"%s\"", name);
}

/* ---- thumbnails ---- */

static void measure(const struct thumbnail_source *source, struct thumbnail *thumbnail)
{
    struct image_header header;
    if (source->shape) {
        thumbnail->full_height = source->shape[0];
        thumbnail->full_width = source->shape[1];
    } else if (!image_header_read(source->data, source->size, &header, NULL)) {
        image_upright_size(&header, &thumbnail->full_width, &thumbnail->full_height);
    }
}

static float scaled(float edge, float factor)
{
    float value = edge * factor;
    return value < -edge_max ? -edge_max : value > edge_max ? edge_max : value;
}

/* The boxes in pixels of the thumbnail. NULL: no memory. */
static struct column *scale_boxes(struct thumbnail_maker *maker,
                                  const struct thumbnail_source *source,
                                  const struct thumbnail *thumbnail)
{
    uint32_t width = source->width ? source->width : thumbnail->full_width;
    uint32_t height = source->height ? source->height : thumbnail->full_height;
    float across = (float)thumbnail->width / (float)width;
    float down = (float)thumbnail->height / (float)height;
    float *boxes = ARENA_NEW(maker->made, float, BOX_FLOATS * source->count + 1);
    if (!boxes)
        return NULL;
    for (size_t i = 0; i < BOX_FLOATS * source->count; i++) {
        size_t part = i % BOX_FLOATS;
        boxes[i] = part >= 4 ? source->boxes[i]
                             : scaled(source->boxes[i], part % 2 ? down : across);
    }
    return make_column(maker->made, "boxes", COLUMN_LIST_BOX, boxes, source->count, NULL);
}

enum error_code thumbnail_make(struct thumbnail_maker *maker,
                               const struct thumbnail_source *source,
                               struct thumbnail *thumbnail, struct error *error)
{
    const struct column *small, *drawn, *file;
    arena_reset(maker->made);
    *thumbnail = (struct thumbnail){0};
    measure(source, thumbnail);
    struct column *picture =
        make_column(maker->made, "data", source->shape ? COLUMN_IMAGE_U8 : COLUMN_BYTES,
                    source->data, source->size, source->shape);
    enum error_code code = run_step(
        maker, STEP_SHRINK, picture ? make_batch(maker->made, picture, NULL) : NULL,
        "small", &small, thumbnail, error);
    if (code != OK || !small)
        return code;
    thumbnail->height = small->shapes[0];
    thumbnail->width = small->shapes[1];
    struct column *boxes = scale_boxes(maker, source, thumbnail);
    code =
        run_step(maker, STEP_DRAW, boxes ? make_batch(maker->made, small, boxes) : NULL,
                 "drawn", &drawn, thumbnail, error);
    if (code != OK || !drawn)
        return code;
    code = run_step(maker, STEP_ENCODE, make_batch(maker->made, drawn, NULL), "file",
                    &file, thumbnail, error);
    if (code == OK && file) {
        thumbnail->data = column_row(file, 0);
        thumbnail->size = (size_t)column_row_length(file, 0);
    }
    return code;
}
